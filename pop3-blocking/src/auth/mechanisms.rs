//! Sets of ways to log in: [`Mechanisms`].

use core::fmt;
use core::ops::{BitAnd, BitOr};

use pop3_proto::MechanismName;
use pop3_proto::sasl::server::ScramHash;

/// A set of ways to log in: SASL mechanisms, `USER`/`PASS` and `APOP`.
///
/// An [`Authenticator`](super::Authenticator) says which it can serve, and the server's
/// [`Policy`](crate::server::Policy) which it may use; a client is offered what is in both and fits its connection.
///
/// ```
/// use pop3_blocking::auth::Mechanisms;
///
/// let set = Mechanisms::PLAIN | Mechanisms::EXTERNAL;
/// assert!(set.contains(Mechanisms::EXTERNAL) && !set.contains(Mechanisms::USER));
/// assert_eq!(Mechanisms::named("scram-sha-256"), Some(Mechanisms::SCRAM_SHA_256));
/// assert_eq!(set.to_string(), "EXTERNAL PLAIN");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mechanisms(u16);

impl Mechanisms {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// The client's certificate, RFC 4422 appendix A.
    pub const EXTERNAL: Self = Self(1);
    /// SCRAM with SHA-512 and channel binding.
    pub const SCRAM_SHA_512_PLUS: Self = Self(1 << 1);
    /// RFC 7677, with channel binding.
    pub const SCRAM_SHA_256_PLUS: Self = Self(1 << 2);
    /// RFC 5802, with channel binding.
    pub const SCRAM_SHA_1_PLUS: Self = Self(1 << 3);
    /// SCRAM with SHA-512.
    pub const SCRAM_SHA_512: Self = Self(1 << 4);
    /// RFC 7677.
    pub const SCRAM_SHA_256: Self = Self(1 << 5);
    /// RFC 5802.
    pub const SCRAM_SHA_1: Self = Self(1 << 6);
    /// A token, RFC 7628.
    pub const OAUTHBEARER: Self = Self(1 << 7);
    /// A token, in the way that came before RFC 7628.
    pub const XOAUTH2: Self = Self(1 << 8);
    /// A name and a password, RFC 4616.
    pub const PLAIN: Self = Self(1 << 9);
    /// The same in two steps, for old clients.
    pub const LOGIN: Self = Self(1 << 10);
    /// RFC 2195, for old clients. Needs the feature `legacy-md5`.
    pub const CRAM_MD5: Self = Self(1 << 11);
    /// `USER` and `PASS`, RFC 1939.
    pub const USER: Self = Self(1 << 12);
    /// `APOP`, RFC 1939, for old clients. Needs the feature `legacy-md5`.
    pub const APOP: Self = Self(1 << 13);
    /// Nobody in particular, RFC 4505.
    pub const ANONYMOUS: Self = Self(1 << 14);

    /// What a name and a password are enough for: PLAIN, LOGIN and `USER`.
    pub const PASSWORDS: Self = Self(Self::PLAIN.0 | Self::LOGIN.0 | Self::USER.0);
    /// OAUTHBEARER and XOAUTH2.
    pub const TOKENS: Self = Self(Self::OAUTHBEARER.0 | Self::XOAUTH2.0);
    /// SCRAM with every hash, with and without channel binding.
    pub const SCRAM: Self = Self(Self::PLUS.0 | (Self::PLUS.0 << 3));
    /// SCRAM with channel binding, with every hash.
    pub const PLUS: Self =
        Self(Self::SCRAM_SHA_512_PLUS.0 | Self::SCRAM_SHA_256_PLUS.0 | Self::SCRAM_SHA_1_PLUS.0);
    /// For clients that know nothing better, and off unless named: LOGIN, CRAM-MD5, `APOP` (PB-Q68).
    pub const LEGACY: Self = Self(Self::LOGIN.0 | Self::CRAM_MD5.0 | Self::APOP.0);
    /// What a server offers unless told otherwise, as far as its authenticator can serve it: everything but
    /// [`LEGACY`](Self::LEGACY) and [`ANONYMOUS`](Self::ANONYMOUS).
    pub const DEFAULT: Self =
        Self(Self::EXTERNAL.0 | Self::SCRAM.0 | Self::TOKENS.0 | Self::PLAIN.0 | Self::USER.0);

    /// SCRAM with `hash`, with and without channel binding.
    pub const fn scram(hash: ScramHash) -> Self {
        match hash {
            ScramHash::Sha1 => Self(Self::SCRAM_SHA_1_PLUS.0 | Self::SCRAM_SHA_1.0),
            ScramHash::Sha256 => Self(Self::SCRAM_SHA_256_PLUS.0 | Self::SCRAM_SHA_256.0),
            ScramHash::Sha512 => Self(Self::SCRAM_SHA_512_PLUS.0 | Self::SCRAM_SHA_512.0),
            _ => Self::NONE,
        }
    }

    /// The set of one, by its name in any case: that of the SASL mechanism, `USER` or `APOP`.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(set, _)| *set)
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names in it, strongest first (R4422-6.1).
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.rows().map(|(_, name)| name)
    }

    /// The SASL mechanisms in it, strongest first.
    pub(crate) fn sasl(self) -> impl Iterator<Item = (Self, MechanismName<'static>)> {
        self.without(Self::USER | Self::APOP)
            .rows()
            .filter_map(|(set, name)| Some((set, MechanismName::parse(name.as_bytes()).ok()?)))
    }

    fn rows(self) -> impl Iterator<Item = (Self, &'static str)> {
        TABLE.iter().copied().filter(move |(set, _)| self.contains(*set))
    }
}

/// Each with its name, strongest first (R4422-6.1).
const TABLE: [(Mechanisms, &str); 15] = [
    (Mechanisms::EXTERNAL, "EXTERNAL"),
    (Mechanisms::SCRAM_SHA_512_PLUS, "SCRAM-SHA-512-PLUS"),
    (Mechanisms::SCRAM_SHA_256_PLUS, "SCRAM-SHA-256-PLUS"),
    (Mechanisms::SCRAM_SHA_1_PLUS, "SCRAM-SHA-1-PLUS"),
    (Mechanisms::SCRAM_SHA_512, "SCRAM-SHA-512"),
    (Mechanisms::SCRAM_SHA_256, "SCRAM-SHA-256"),
    (Mechanisms::SCRAM_SHA_1, "SCRAM-SHA-1"),
    (Mechanisms::OAUTHBEARER, "OAUTHBEARER"),
    (Mechanisms::XOAUTH2, "XOAUTH2"),
    (Mechanisms::PLAIN, "PLAIN"),
    (Mechanisms::LOGIN, "LOGIN"),
    (Mechanisms::CRAM_MD5, "CRAM-MD5"),
    (Mechanisms::USER, "USER"),
    (Mechanisms::APOP, "APOP"),
    (Mechanisms::ANONYMOUS, "ANONYMOUS"),
];

impl BitOr for Mechanisms {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitAnd for Mechanisms {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.common(other)
    }
}

impl FromIterator<Self> for Mechanisms {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        sets.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.names().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r4422_6_1_the_strongest_is_named_first() {
        let all = TABLE.iter().map(|(set, _)| *set).collect::<Mechanisms>();
        assert_eq!(
            all.to_string(),
            "EXTERNAL SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 \
             OAUTHBEARER XOAUTH2 PLAIN LOGIN CRAM-MD5 USER APOP ANONYMOUS"
        );
        assert_eq!(Mechanisms::SCRAM.names().count(), 6);
        assert_eq!(all.sasl().count(), 13);
        for (position, (set, name)) in TABLE.iter().enumerate() {
            assert_eq!((set.0, Mechanisms::named(name)), (1 << position, Some(*set)), "{name}");
        }
        assert_eq!(Mechanisms::named("GSSAPI"), None);
    }

    #[test]
    fn pb_q68_legacy_mechanisms_are_not_among_the_defaults() {
        assert!((Mechanisms::DEFAULT & (Mechanisms::LEGACY | Mechanisms::ANONYMOUS)).is_empty());
        assert_eq!(
            Mechanisms::DEFAULT.without(Mechanisms::SCRAM).to_string(),
            "EXTERNAL OAUTHBEARER XOAUTH2 PLAIN USER"
        );
    }

    #[test]
    fn a_hash_brings_both_forms_of_scram() {
        for hash in ScramHash::ALL {
            let set = Mechanisms::scram(hash);
            assert!(set.names().count() == 2 && Mechanisms::SCRAM.contains(set), "{set}");
        }
    }
}
