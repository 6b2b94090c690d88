//! Checked arguments: what cannot be held here cannot be sent.
//!
//! A line of POP3 ends at CRLF and servers have been stopped by NUL, so an argument that holds one of the three
//! would be a second command or a cut one. The types of this module refuse such octets once, at construction;
//! everything that encodes takes them and needs no second look (R1939-3.2). Allocates nothing, never panics.

use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;

/// One argument of a command: octets without CR, LF, NUL, SP or other control characters, and not empty.
///
/// Octets from 0x80 are allowed here; whether a server takes them depends on its `UTF8 USER` capability (RFC 6856).
///
/// # Source
///
/// RFC 1939 section 3 (arguments of printable ASCII), RFC 6856 section 2.2; rows R1939-3.2, R6856-2.2.1.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arg<'a>(&'a [u8]);

impl<'a> Arg<'a> {
    /// Checks `octets` and wraps them.
    ///
    /// # Errors
    ///
    /// - [`ArgError::Empty`]: there is nothing.
    /// - [`ArgError::Forbidden`]: an octet below 0x21, or 0x7F. Nothing was written anywhere.
    pub fn new(octets: &'a [u8]) -> Result<Self, ArgError> {
        if octets.is_empty() {
            return Err(ArgError::Empty);
        }
        match octets.iter().find(|&&b| b <= 0x20 || b == 0x7f) {
            Some(&octet) => Err(ArgError::Forbidden { octet }),
            None => Ok(Self(octets)),
        }
    }

    /// The octets, as they go on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Arg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// A password: octets without CR, LF or NUL, not empty. Spaces belong to it (R1939-7.7).
///
/// It cannot be formatted: `Debug` prints `[redacted]`, `Display` does not exist. It borrows; wiping the memory
/// that holds the password is the owner's part.
///
/// # Source
///
/// RFC 1939 section 7 (PASS); rows R1939-3.2, R1939-7.7.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(&'a [u8]);

impl<'a> Secret<'a> {
    /// Checks `octets` and wraps them.
    ///
    /// # Errors
    ///
    /// - [`ArgError::Empty`]: there is nothing; `PASS` cannot carry an empty password.
    /// - [`ArgError::Forbidden`]: CR, LF or NUL. The error names the octet, never the rest.
    pub fn new(octets: &'a [u8]) -> Result<Self, ArgError> {
        if octets.is_empty() {
            return Err(ArgError::Empty);
        }
        match octets.iter().find(|&&b| matches!(b, b'\r' | b'\n' | 0)) {
            Some(&octet) => Err(ArgError::Forbidden { octet }),
            None => Ok(Self(octets)),
        }
    }

    /// The octets of the password. Do not log them.
    pub const fn expose(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why octets cannot be an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgError {
    /// There is nothing.
    Empty,
    /// This octet may not appear.
    Forbidden {
        /// The first such octet.
        octet: u8,
    },
    /// The text is longer than this many octets.
    TooLong {
        /// The limit in octets.
        limit: usize,
    },
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("argument is empty"),
            Self::Forbidden { octet } => write!(f, "octet 0x{octet:02x} is not allowed in this argument"),
            Self::TooLong { limit } => write!(f, "argument is over {limit} octets"),
        }
    }
}

impl core::error::Error for ArgError {}

/// The number of a message in the maildrop, from 1.
///
/// Numbers are given when the maildrop is opened and stay fixed for the session, also after a `DELE`.
///
/// # Source
///
/// RFC 1939 section 4; rows R1939-4.6, R1939-4.7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(NonZeroU32);

impl MessageNumber {
    /// The first message.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// Message `number`, or `None` for 0, which names no message.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(n) => Some(Self(n)),
            None => None,
        }
    }

    /// The number of the entry at `index`, which counts from 0. `None` past `u32::MAX - 1`.
    pub fn from_index(index: usize) -> Option<Self> {
        u32::try_from(index).ok()?.checked_add(1).and_then(Self::new)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Where the message stands in a list that begins at 0.
    pub const fn index(self) -> usize {
        (self.0.get() as usize).saturating_sub(1)
    }

    /// The number after this one, if there is one.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// Reads `1*DIGIT`: no sign, no blank, no other base, no overflow, not 0 (R1939-4.7).
    ///
    /// Leading zeros are allowed, as the grammar of RFC 1939 does not forbid them.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        Self::new(u32::try_from(parse_number(digits)?).ok()?)
    }
}

impl fmt::Debug for MessageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for MessageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<MessageNumber> for u32 {
    fn from(number: MessageNumber) -> Self {
        number.get()
    }
}

impl FromStr for MessageNumber {
    type Err = ArgError;

    fn from_str(s: &str) -> Result<Self, ArgError> {
        match (Self::parse(s.as_bytes()), s.bytes().find(|b| !b.is_ascii_digit())) {
            (Some(number), _) => Ok(number),
            (None, octet) if !s.is_empty() => Err(ArgError::Forbidden { octet: octet.unwrap_or(b'0') }),
            (None, _) => Err(ArgError::Empty),
        }
    }
}

/// Reads `1*DIGIT` into a `u64`; `None` for anything else and for overflow (R1939-4.7).
pub fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, &b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A number as decimal digits, without a formatter: `core::fmt` costs more flash than the rest of an encoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digits {
    buf: [u8; 20],
    start: u8,
}

impl Digits {
    pub(crate) fn new(mut value: u64) -> Self {
        let mut digits = Self { buf: [b'0'; 20], start: 20 };
        for slot in digits.buf.iter_mut().rev() {
            *slot = b'0'.wrapping_add(u8::try_from(value % 10).unwrap_or(0));
            value /= 10;
            digits.start = digits.start.saturating_sub(1);
            if value == 0 {
                break;
            }
        }
        digits
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.buf.get(usize::from(self.start)..).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn r1939_3_2_arguments_refuse_line_ends_and_nul() {
        for bad in [&b"a\r\nDELE 1"[..], b"a\n", b"a\0", b"a b", b"\x7f", b"\t", b""] {
            assert!(Arg::new(bad).is_err(), "{bad:?}");
        }
        for bad in [&b"a\r\nDELE 1"[..], b"a\n", b"a\0", b""] {
            assert!(Secret::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Arg::new(b"alice").unwrap().as_bytes(), b"alice");
        assert_eq!(Arg::new("jürgen".as_bytes()).unwrap().as_bytes(), "jürgen".as_bytes());
    }

    #[test]
    fn r1939_7_7_spaces_belong_to_the_password() {
        assert_eq!(Secret::new(b"  a b ").unwrap().expose(), b"  a b ");
    }

    #[test]
    fn r5034_4_17_a_secret_cannot_be_formatted() {
        assert_eq!(format!("{:?}", Secret::new(b"canary").unwrap()), "[redacted]");
    }

    #[test]
    fn r1939_4_7_numbers_are_plain_digits() {
        for (text, want) in [
            ("1", Some(1)),
            ("01", Some(1)),
            ("4294967295", Some(u32::MAX)),
            ("0", None),
            ("00", None),
            ("-1", None),
            ("+1", None),
            ("0x1", None),
            (" 1", None),
            ("", None),
            ("4294967296", None),
            ("4294967297", None),
            ("18446744073709551616", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(MessageNumber::parse(text.as_bytes()).map(MessageNumber::get), want, "{text:?}");
        }
        assert_eq!(parse_number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_number(b"18446744073709551616"), None);
    }

    #[test]
    fn digits_are_those_of_the_formatter() {
        for n in [0, 1, 9, 10, 99, 100, 4_294_967_296, u64::MAX] {
            assert_eq!(Digits::new(n).as_bytes(), n.to_string().as_bytes());
        }
    }

    #[test]
    fn r1939_4_7_a_number_of_text_says_what_is_wrong_with_it() {
        for (text, want) in [
            ("7", Ok(7)),
            ("", Err(ArgError::Empty)),
            ("1x", Err(ArgError::Forbidden { octet: b'x' })),
            ("-1", Err(ArgError::Forbidden { octet: b'-' })),
            // Digits alone, but no number of a message.
            ("0", Err(ArgError::Forbidden { octet: b'0' })),
            ("4294967296", Err(ArgError::Forbidden { octet: b'0' })),
        ] {
            assert_eq!(text.parse::<MessageNumber>().map(u32::from), want, "{text:?}");
        }
    }

    #[test]
    fn law_3_what_is_shown_of_an_argument_is_one_line_of_ascii() {
        assert_eq!(format!("{:?}", Arg::new(b"a\xff\"").unwrap()), r#""a\xff\"""#);
        for (error, text) in [
            (ArgError::Empty, "argument is empty"),
            (ArgError::Forbidden { octet: 10 }, "octet 0x0a is not allowed in this argument"),
            (ArgError::TooLong { limit: 255 }, "argument is over 255 octets"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
