//! Names of SASL mechanisms.
//!
//! `sasl-mech = 1*20mech-char`, `mech-char = UPPER-ALPHA / DIGIT / HYPHEN / UNDERSCORE` (RFC 4422 section 3.1). The
//! grammar knows capital letters only, but RFC 5034 section 4 makes the argument of `AUTH` case-insensitive
//! (R5034-4.2), so both cases are read and names are compared without case. Allocates nothing, never panics.

use core::fmt;
use core::hash::{Hash, Hasher};

use super::ArgError;

/// The name of a SASL mechanism: 1 to 20 letters, digits, `-` and `_`.
///
/// Two names that differ in case only are equal, and hash alike. [`as_str`](Self::as_str) keeps the case that was
/// read; it is what goes on the wire.
///
/// # Source
///
/// RFC 4422 section 3.1, RFC 5034 section 4; row R5034-4.2.
#[derive(Clone, Copy, Eq)]
pub struct MechanismName<'a>(&'a str);

impl MechanismName<'static> {
    /// `ANONYMOUS` (RFC 4505).
    pub const ANONYMOUS: Self = Self("ANONYMOUS");
    /// `CRAM-MD5` (RFC 2195).
    pub const CRAM_MD5: Self = Self("CRAM-MD5");
    /// `EXTERNAL` (RFC 4422 appendix A).
    pub const EXTERNAL: Self = Self("EXTERNAL");
    /// `LOGIN`, never standardised.
    pub const LOGIN: Self = Self("LOGIN");
    /// `OAUTHBEARER` (RFC 7628).
    pub const OAUTHBEARER: Self = Self("OAUTHBEARER");
    /// `PLAIN` (RFC 4616).
    pub const PLAIN: Self = Self("PLAIN");
    /// `SCRAM-SHA-1` (RFC 5802).
    pub const SCRAM_SHA_1: Self = Self("SCRAM-SHA-1");
    /// `SCRAM-SHA-1-PLUS` (RFC 5802).
    pub const SCRAM_SHA_1_PLUS: Self = Self("SCRAM-SHA-1-PLUS");
    /// `SCRAM-SHA-256` (RFC 7677).
    pub const SCRAM_SHA_256: Self = Self("SCRAM-SHA-256");
    /// `SCRAM-SHA-256-PLUS` (RFC 7677).
    pub const SCRAM_SHA_256_PLUS: Self = Self("SCRAM-SHA-256-PLUS");
    /// `SCRAM-SHA-512`.
    pub const SCRAM_SHA_512: Self = Self("SCRAM-SHA-512");
    /// `SCRAM-SHA-512-PLUS`.
    pub const SCRAM_SHA_512_PLUS: Self = Self("SCRAM-SHA-512-PLUS");
    /// `XOAUTH2`, a practice of Google and Microsoft.
    pub const XOAUTH2: Self = Self("XOAUTH2");
}

impl<'a> MechanismName<'a> {
    /// The longest name, in octets.
    pub const MAX_LEN: usize = 20;

    /// Checks `text` and wraps it. It is `const`, so that the name of a mechanism of one's own can be a constant.
    ///
    /// # Errors
    ///
    /// - [`ArgError::Empty`]: there is nothing.
    /// - [`ArgError::TooLong`]: over [`MAX_LEN`](Self::MAX_LEN) octets.
    /// - [`ArgError::Forbidden`]: an octet that is no letter, digit, `-` or `_`.
    pub const fn parse(text: &'a [u8]) -> Result<Self, ArgError> {
        if text.is_empty() {
            return Err(ArgError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(ArgError::TooLong { limit: Self::MAX_LEN });
        }
        let mut rest = text;
        while let Some((&octet, tail)) = rest.split_first() {
            if !matches!(octet, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') {
                return Err(ArgError::Forbidden { octet });
            }
            rest = tail;
        }
        match core::str::from_utf8(text) {
            Ok(name) => Ok(Self(name)),
            Err(_) => Err(ArgError::Forbidden { octet: 0x80 }), // not reached: all octets are ASCII
        }
    }

    /// Whether `other`, for example a parameter of the `SASL` capability, is this name in any case.
    pub fn eq_ignore_case(&self, other: impl AsRef<[u8]>) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_ref())
    }

    /// The name as it was read.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// The octets of the name, as they go on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

impl PartialEq<MechanismName<'_>> for MechanismName<'_> {
    fn eq(&self, other: &MechanismName<'_>) -> bool {
        self.eq_ignore_case(other)
    }
}

impl Hash for MechanismName<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in self.as_bytes() {
            state.write_u8(octet.to_ascii_uppercase());
        }
        state.write_u8(0xff); // so that no name is the beginning of another
    }
}

impl AsRef<[u8]> for MechanismName<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for MechanismName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for MechanismName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::hash::{BuildHasher as _, BuildHasherDefault};
    use std::collections::HashSet;
    use std::format;
    use std::hash::DefaultHasher;

    #[test]
    fn r5034_4_2_names_are_compared_without_case() {
        let plain = MechanismName::parse(b"plain").unwrap();
        assert_eq!(plain, MechanismName::PLAIN);
        assert_eq!(plain.as_str(), "plain");
        assert!(plain.eq_ignore_case("PlAiN"));
        assert!(!plain.eq_ignore_case("PLAINX"));
        assert!(!plain.eq_ignore_case("PLAI"));
        assert_ne!(plain, MechanismName::EXTERNAL);
        assert!(HashSet::from([MechanismName::PLAIN]).contains(&plain));
        let hash = |name| BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        assert_eq!(hash(MechanismName::PLAIN), hash(plain));
        assert_ne!(hash(MechanismName::PLAIN), hash(MechanismName::EXTERNAL));
        assert_eq!(format!("{plain:>7}|{plain:?}"), "  plain|plain");
    }

    #[test]
    fn r5034_4_2_names_are_1_to_20_letters_digits_hyphens_and_underscores() {
        for good in ["A", "SCRAM-SHA-256-PLUS", "X_Y-9", "ABCDEFGHIJKLMNOPQRST"] {
            assert_eq!(MechanismName::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        assert_eq!(MechanismName::parse(b""), Err(ArgError::Empty));
        assert_eq!(MechanismName::parse(b"ABCDEFGHIJKLMNOPQRSTU"), Err(ArgError::TooLong { limit: 20 }));
        for octet in 0..=255u8 {
            let allowed = octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
            let want = if allowed { Ok(()) } else { Err(ArgError::Forbidden { octet }) };
            assert_eq!(MechanismName::parse(&[b'A', octet]).map(|_| ()), want);
        }
    }

    #[test]
    fn a_name_can_be_a_constant() {
        const NAME: Result<MechanismName<'static>, ArgError> = MechanismName::parse(b"X-OWN");
        assert_eq!(NAME.unwrap().as_str(), "X-OWN");
    }
}
