//! Drop listing, scan listing and unique-id listing: the data that `STAT`, `LIST` and `UIDL` carry.
//!
//! ```text
//! stat-data = count SP octets [ SP ignored ]
//! scan-line = number SP octets [ SP ignored ]
//! uid-line  = number SP 1*70(21-7E)
//! ```
//!
//! RFC 1939 sections 5 and 7. What is written holds to the grammar; what is read may have more blanks, extra data, and
//! unique-ids of any octets (PB-K04, PB-Q03, PB-Q06). Allocates nothing, never panics.

use core::fmt;

use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::{map_opt, opt, rest};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

use super::arg::{Digits, MessageNumber, parse_number};
use crate::buffer::{Full, Sink};

/// The longest unique-id that conforms, in octets (RFC 1939 section 7).
pub const UNIQUE_ID_OCTETS: usize = 70;

/// What `STAT` tells: how many messages there are, and how many octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DropListing {
    /// Messages that are not marked as deleted.
    pub messages: u32,
    /// Their octets; `None` if the server sent none that can be read, as servers with 32-bit sums do (PB-Q11).
    pub octets: Option<u64>,
}

/// One line of `LIST`: a message and its octets.
///
/// The size is a hint: never cut or pad a message to it (R1939-5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanListing {
    /// The message.
    pub number: MessageNumber,
    /// Its octets before byte-stuffing.
    pub octets: u64,
}

/// One line of `UIDL`: a message and its unique-id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UniqueIdListing<'a> {
    /// The message.
    pub number: MessageNumber,
    /// Its unique-id.
    pub unique_id: UniqueId<'a>,
}

/// A unique-id: opaque octets, never a file name, never text (R15, R16 of the security rules).
///
/// A client compares ids octet by octet. One that does not [conform](Self::is_conformant), or that stands twice in one
/// listing, is no ground for a `DELE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UniqueId<'a>(&'a [u8]);

impl<'a> UniqueId<'a> {
    /// Wraps `octets`; `None` if there are none.
    pub const fn new(octets: &'a [u8]) -> Option<Self> {
        if octets.is_empty() { None } else { Some(Self(octets)) }
    }

    /// The octets.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether the id has 1 to 70 octets, all in 0x21–0x7E (R1939-7.2).
    pub fn is_conformant(&self) -> bool {
        self.0.len() <= UNIQUE_ID_OCTETS && self.0.iter().all(|b| (0x21..0x7f).contains(b))
    }
}

/// Why a line of `UIDL` was not written. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UniqueIdError {
    /// The output has not the room. Flush it and try again.
    Full(Full),
    /// The id does not [conform](UniqueId::is_conformant).
    NotConformant,
}

impl From<Full> for UniqueIdError {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

impl fmt::Display for UniqueIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(full) => full.fmt(f),
            Self::NotConformant => f.write_str("unique-id cannot be sent: not 1 to 70 octets of 21 to 7E"),
        }
    }
}

impl core::error::Error for UniqueIdError {}

impl fmt::Debug for UniqueId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl DropListing {
    /// `messages` messages of `octets` octets.
    pub const fn new(messages: u32, octets: u64) -> Self {
        Self { messages, octets: Some(octets) }
    }

    /// Reads the text of a `+OK` to `STAT`; what follows the two numbers is ignored (R1939-5.2). `None`: no count.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let count = map_opt(token, |t| u32::try_from(parse_number(t)?).ok());
        let (_, (messages, octets)) = (count, opt(token)).parse(text).ok()?;
        Some(Self { messages, octets: octets.and_then(parse_number) })
    }
}

impl ScanListing {
    /// Message `number` of `octets` octets.
    pub const fn new(number: MessageNumber, octets: u64) -> Self {
        Self { number, octets }
    }

    /// Reads a line of `LIST`, or the text of a `+OK` to `LIST n`; extra data is ignored (R1939-5.4).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let number = map_opt(token, MessageNumber::parse);
        let octets = map_opt(token, parse_number);
        (number, octets)
            .map(|(number, octets)| Self { number, octets })
            .parse(text)
            .ok()
            .map(|(_, listing)| listing)
    }

    /// Writes `number SP octets CRLF`, or nothing.
    ///
    /// # Errors
    ///
    /// [`Full`]: `out` has not the room.
    pub fn encode(&self, out: &mut (impl Sink + ?Sized)) -> Result<(), Full> {
        let (number, octets) = (Digits::new(u64::from(self.number.get())), Digits::new(self.octets));
        put_line(&[number.as_bytes(), b" ", octets.as_bytes(), b"\r\n"], out)
    }
}

impl<'a> UniqueIdListing<'a> {
    /// Message `number` called `unique_id`.
    pub const fn new(number: MessageNumber, unique_id: UniqueId<'a>) -> Self {
        Self { number, unique_id }
    }

    /// Reads a line of `UIDL`: a number, blanks, and an id of at least one octet that reaches to the end.
    ///
    /// A `+OK` in front of the number is skipped (PB-Q05).
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let number = map_opt(token, MessageNumber::parse);
        let id = map_opt(preceded(blanks1, rest), UniqueId::new);
        preceded(opt(preceded(blanks, terminated(tag(&b"+OK"[..]), char(' ')))), (number, id))
            .map(|(number, unique_id)| Self { number, unique_id })
            .parse(text)
            .ok()
            .map(|(_, listing)| listing)
    }

    /// Reads the text of a `+OK` to `UIDL n`. A text of one token is the id itself, as servers send it that leave the
    /// number out (PB-Q05). `None`: no id, or that of another message.
    pub fn parse_single(text: &'a [u8], asked: MessageNumber) -> Option<Self> {
        match Self::parse(text) {
            Some(listing) => Some(listing).filter(|l| l.number == asked),
            None if text.contains(&b' ') => None,
            None => UniqueId::new(text).map(|unique_id| Self { number: asked, unique_id }),
        }
    }

    /// Writes `number SP unique-id CRLF`, or nothing.
    ///
    /// # Errors
    ///
    /// - [`UniqueIdError::Full`]: `out` has not the room.
    /// - [`UniqueIdError::NotConformant`]: the id cannot be sent (R1939-7.2). One that came from a peer may hold anything,
    ///   a line end included.
    pub fn encode(&self, out: &mut (impl Sink + ?Sized)) -> Result<(), UniqueIdError> {
        if !self.unique_id.is_conformant() {
            return Err(UniqueIdError::NotConformant);
        }
        let number = Digits::new(u64::from(self.number.get()));
        Ok(put_line(&[number.as_bytes(), b" ", self.unique_id.as_bytes(), b"\r\n"], out)?)
    }
}

/// Writes all pieces or none.
pub(crate) fn put_line(pieces: &[&[u8]], out: &mut (impl Sink + ?Sized)) -> Result<(), Full> {
    out.reserve(pieces.iter().fold(0, |sum: usize, piece| sum.saturating_add(piece.len())))?;
    for piece in pieces {
        out.put(piece);
    }
    Ok(())
}

fn blanks(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(|b| b == b' ').parse(input)
}

fn blanks1(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|b| b == b' ').parse(input)
}

fn token(input: &[u8]) -> IResult<&[u8], &[u8]> {
    preceded(blanks, take_while1(|b| b != b' ')).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn n(number: u32) -> MessageNumber {
        MessageNumber::new(number).unwrap()
    }

    #[test]
    fn r1939_5_2_pb_q11_stat_reads_two_numbers_and_ignores_the_rest() {
        let table: [(&[u8], Option<(u32, Option<u64>)>); 9] = [
            (b"2 320", Some((2, Some(320)))),
            (b"2 320 extra", Some((2, Some(320)))),
            (b"2  320", Some((2, Some(320)))),
            (b" 2 320", Some((2, Some(320)))),
            (b"2 -2147483648", Some((2, None))),
            (b"2", Some((2, None))),
            (b"0 0", Some((0, Some(0)))),
            (b"", None),
            (b"many 320", None),
        ];
        for (text, want) in table {
            assert_eq!(
                DropListing::parse(text).map(|d| (d.messages, d.octets)),
                want,
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn r1939_5_4_pb_k04_pb_c36_scan_listings_tolerate_blanks_and_extra_data() {
        let table: [(&[u8], Option<(u32, u64)>); 10] = [
            (b"1 120", Some((1, 120))),
            (b"1 120 foo", Some((1, 120))),
            (b"1   120", Some((1, 120))),
            (b" 1 120 ", Some((1, 120))),
            (b"2 4294967297", Some((2, 4_294_967_297))),
            (b"1", None),
            (b"0 120", None),
            (b"1 x", None),
            (b"   ", None),
            (b"", None),
        ];
        for (text, want) in table {
            assert_eq!(
                ScanListing::parse(text).map(|s| (s.number.get(), s.octets)),
                want,
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn pb_q03_pb_q05_pb_q06_unique_id_listings_of_real_servers() {
        let table: [(&[u8], Option<(u32, &[u8])>); 10] = [
            (b"1 abc", Some((1, b"abc"))),
            (b"1    abc", Some((1, b"abc"))),
            (b"+OK 1 abc", Some((1, b"abc"))),
            (b"1 a b", Some((1, b"a b"))),
            (b"1 \xe9", Some((1, b"\xe9"))),
            (b"1 ", None),
            (b"1", None),
            (b"abc", None),
            (b"0 abc", None),
            (b"", None),
        ];
        for (text, want) in table {
            let got = UniqueIdListing::parse(text).map(|u| (u.number.get(), u.unique_id.as_bytes()));
            assert_eq!(got, want, "{}", text.escape_ascii());
        }
        let single = |text| UniqueIdListing::parse_single(text, n(7)).map(|u| u.unique_id.as_bytes());
        assert_eq!(single(b"7 abc"), Some(&b"abc"[..]));
        assert_eq!(single(b"abc"), Some(&b"abc"[..]));
        assert_eq!(single(b"12345"), Some(&b"12345"[..]));
        assert_eq!(single(b"8 abc"), None);
        assert_eq!(single(b"x abc"), None);
        assert_eq!(single(b""), None);
    }

    #[test]
    fn r1939_7_2_an_id_conforms_with_1_to_70_printable_octets() {
        assert!(UniqueId::new(&[b'x'; 70]).unwrap().is_conformant());
        assert!(!UniqueId::new(&[b'x'; 71]).unwrap().is_conformant());
        assert!(!UniqueId::new(b"a b").unwrap().is_conformant());
        assert!(!UniqueId::new(b"\x7f").unwrap().is_conformant());
        assert!(UniqueId::new(b"!~").unwrap().is_conformant());
        assert_eq!(UniqueId::new(b""), None);
    }

    #[test]
    fn listings_parse_back_to_themselves() {
        let mut out = Vec::new();
        ScanListing::new(n(4), u64::MAX).encode(&mut TestSink(&mut out)).unwrap();
        assert_eq!(out, b"4 18446744073709551615\r\n");
        let mut out = Vec::new();
        let id = UniqueId::new(b"0000004e00000001").unwrap();
        UniqueIdListing::new(n(1), id).encode(&mut TestSink(&mut out)).unwrap();
        assert_eq!(out, b"1 0000004e00000001\r\n");
    }

    #[test]
    fn r1939_7_2_r18_an_id_that_does_not_conform_is_not_sent() {
        for odd in [&b"a\r\nb"[..], b"a\nb", b"a\r", b"a b", b"a\0", b"\x7f", b"\xe4", &[b'x'; 71]] {
            let mut out = Vec::new();
            let listing = UniqueIdListing::new(n(1), UniqueId::new(odd).unwrap());
            assert_eq!(listing.encode(&mut TestSink(&mut out)), Err(UniqueIdError::NotConformant));
            assert!(out.is_empty(), "{odd:?}");
        }
        let mut small = &mut [0; 9][..];
        let listing = UniqueIdListing::new(n(1), UniqueId::new(b"abcdef").unwrap());
        assert_eq!(listing.encode(&mut small), Err(UniqueIdError::Full(Full { needed: 10 })));
        for (error, text) in [
            (UniqueIdError::NotConformant, "unique-id cannot be sent: not 1 to 70 octets of 21 to 7E"),
            (UniqueIdError::Full(Full { needed: 10 }), "output has no room for 10 octets"),
        ] {
            assert_eq!(alloc::format!("{error}"), text);
        }
    }

    struct TestSink<'a>(&'a mut Vec<u8>);
    impl Sink for TestSink<'_> {
        fn reserve(&mut self, _: usize) -> Result<(), Full> {
            Ok(())
        }
        fn put(&mut self, octets: &[u8]) {
            self.0.extend_from_slice(octets);
        }
    }
}
