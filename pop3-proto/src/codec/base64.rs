//! The base64 of SASL lines, strictly read.
//!
//! `base64 = *(4base64-CHAR) [base64-terminal]` (RFC 5034 section 6, RFC 4648 section 4): the standard alphabet,
//! padded to a multiple of four, `=` at the end only, no line breaks and no blanks. Bits that the padding leaves over
//! must be zero, so that each message has one text (R5034-4.11, PB-K15). What [`Base64`] holds decodes: undecodable
//! input is turned away here and never reaches a mechanism (PB-S25).
//!
//! Checking needs nothing; decoding and encoding come with feature `sasl` and use no table that a secret could index.
//! Allocates nothing, never panics. The text may be a password: no `Debug` of this module prints it.

use core::fmt;

#[cfg(feature = "sasl")]
use base64ct::Encoding as _;
#[cfg(feature = "sasl")]
use zeroize::Zeroizing;

use super::MechanismName;
#[cfg(feature = "sasl")]
use crate::{Full, Sink};

/// The longest `AUTH` command that may carry an initial response, in octets with CRLF (RFC 5034 section 4).
const AUTH_LINE: usize = 255;

/// A text of base64 that decodes: what follows `+␠` in a challenge, or a response line.
///
/// `Debug` prints the length only.
///
/// # Source
///
/// RFC 5034 section 4, RFC 4648 section 4; rows R5034-4.3, R5034-4.9, R5034-4.11.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Base64<'a>(&'a [u8]);

impl Base64<'static> {
    /// The text of no octets: an empty challenge, or an empty response line.
    pub const EMPTY: Self = Self(&[]);
}

impl<'a> Base64<'a> {
    /// Checks `text`, without the line end, and wraps it. No text at all is the base64 of no octets.
    ///
    /// # Errors
    ///
    /// - [`Base64Error::Length`]: not a multiple of four.
    /// - [`Base64Error::Padding`]: `=` anywhere but as the last one or two octets.
    /// - [`Base64Error::Alphabet`]: an octet outside of the alphabet.
    /// - [`Base64Error::PadBits`]: the last octet before the padding has bits that belong to no octet.
    ///
    /// A client that meets one sends `*` (R5034-4.10), a server answers `-ERR` without a code (R5034-4.9).
    pub fn new(text: &'a [u8]) -> Result<Self, Base64Error> {
        if text.len() % 4 != 0 {
            return Err(Base64Error::Length { octets: text.len() });
        }
        let (body, spare_bits) = match text {
            [body @ .., b'=', b'='] => (body, 0b1111),
            [body @ .., b'='] => (body, 0b11),
            body => (body, 0),
        };
        // No early exit: the time tells the length and nothing else about a text that may be a password.
        let (mut padding, mut foreign) = (false, false);
        for &octet in body {
            padding |= octet == b'=';
            foreign |= !(octet.is_ascii_alphanumeric() | (octet == b'+') | (octet == b'/'));
        }
        if padding {
            return Err(Base64Error::Padding);
        }
        if foreign {
            return Err(Base64Error::Alphabet);
        }
        match body.last() {
            Some(&last) if sextet(last) & spare_bits != 0 => Err(Base64Error::PadBits),
            _ => Ok(Self(text)),
        }
    }

    /// The text, as it goes on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether the text, and so the message, is empty.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many octets [`decode`](Self::decode) writes.
    pub const fn decoded_len(&self) -> usize {
        let padding = match self.0 {
            [.., b'=', b'='] => 2,
            [.., b'='] => 1,
            _ => 0,
        };
        (self.0.len() / 4).saturating_mul(3).saturating_sub(padding)
    }

    /// How many octets the text of `octets` octets has; `usize::MAX` if there is no such number.
    pub const fn encoded_len(octets: usize) -> usize {
        octets.div_ceil(3).saturating_mul(4)
    }

    /// Writes the message to the front of `out` and returns that part, [`decoded_len`](Self::decoded_len) octets.
    ///
    /// It may be a password: wipe `out` when done with it.
    ///
    /// # Errors
    ///
    /// [`Full`]: `out` is too short. Nothing was written.
    #[cfg(feature = "sasl")]
    pub fn decode<'o>(&self, out: &'o mut [u8]) -> Result<&'o mut [u8], Full> {
        let needed = self.decoded_len();
        let message = out.get_mut(..needed).ok_or(Full { needed })?;
        // The text was checked, so the length was the only thing left to go wrong.
        base64ct::Base64::decode(self.0, message).map_err(|_| Full { needed })?;
        Ok(message)
    }

    /// Writes the text of `raw` to `out`, all or nothing. No octets make no text.
    ///
    /// # Errors
    ///
    /// [`Full`]: `out` has not [`encoded_len`](Self::encoded_len) octets of room. Nothing was written.
    #[cfg(feature = "sasl")]
    pub fn encode_to(raw: &[u8], out: &mut (impl Sink + ?Sized)) -> Result<(), Full> {
        out.reserve(Self::encoded_len(raw.len()))?;
        let mut piece = Zeroizing::new([0u8; 64]);
        for octets in raw.chunks(48) {
            // 48 octets make 64: no piece but the last is padded, and each fits.
            if let Ok(text) = base64ct::Base64::encode(octets, piece.as_mut_slice()) {
                out.put(text.as_bytes());
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[redacted; {} octets]", self.0.len())
    }
}

/// The initial response of an `AUTH` command: base64, or `=` for the response of no octets.
///
/// Later response lines are plain [`Base64`]: there an empty response is an empty line and `=` is an error.
///
/// # Source
///
/// RFC 5034 section 4; rows R5034-4.5, R5034-4.6.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InitialResponse<'a>(Base64<'a>);

impl<'a> InitialResponse<'a> {
    /// Reads the second argument of `AUTH`.
    ///
    /// # Errors
    ///
    /// - [`Base64Error::Empty`]: there is nothing; the response of no octets is written `=`.
    /// - the others as in [`Base64::new`].
    pub fn parse(text: &'a [u8]) -> Result<Self, Base64Error> {
        match text {
            [] => Err(Base64Error::Empty),
            [b'='] => Ok(Self(Base64::EMPTY)),
            text => Base64::new(text).map(Self),
        }
    }

    /// Whether `AUTH`, `mechanism`, and the response of `octets` octets (before base64) stay within the 255 octets
    /// with CRLF that a client may send in one line.
    ///
    /// If not, a client sends `AUTH` alone and the response after the empty challenge (R5034-4.6). A server accepts
    /// longer lines (R5034-4.7), so this is no test for what was received.
    pub fn fits(mechanism: MechanismName<'_>, octets: usize) -> bool {
        let response = Base64::encoded_len(octets).max(1); // "=" for nothing
        "AUTH  \r\n".len().saturating_add(mechanism.as_bytes().len()).saturating_add(response) <= AUTH_LINE
    }

    /// Writes `raw` as initial response to `out`, all or nothing: its base64, or `=` if it is empty.
    ///
    /// # Errors
    ///
    /// [`Full`]: no room. Nothing was written.
    #[cfg(feature = "sasl")]
    pub fn encode_to(raw: &[u8], out: &mut (impl Sink + ?Sized)) -> Result<(), Full> {
        if raw.is_empty() {
            out.reserve(1)?;
            out.put(b"=");
            return Ok(());
        }
        Base64::encode_to(raw, out)
    }

    /// The response; empty if the text was `=`.
    pub const fn base64(&self) -> Base64<'a> {
        self.0
    }

    /// The text, as it goes on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        if self.0.is_empty() { b"=" } else { self.0.as_bytes() }
    }
}

impl<'a> From<Base64<'a>> for InitialResponse<'a> {
    fn from(response: Base64<'a>) -> Self {
        Self(response)
    }
}

impl fmt::Debug for InitialResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a text is not base64. It holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base64Error {
    /// An initial response has no text; `=` stands for the response of no octets.
    Empty,
    /// The length is not a multiple of four.
    Length {
        /// The length in octets.
        octets: usize,
    },
    /// There is `=` before the end, or too much of it.
    Padding,
    /// There is an octet outside of the alphabet.
    Alphabet,
    /// The bits that the padding leaves over are not zero.
    PadBits,
}

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("initial response is empty instead of \"=\""),
            Self::Length { octets } => write!(f, "base64 of {octets} octets, not a multiple of 4"),
            Self::Padding => f.write_str("base64 has \"=\" where none may stand"),
            Self::Alphabet => f.write_str("base64 has an octet outside of its alphabet"),
            Self::PadBits => f.write_str("base64 has unused bits that are not zero"),
        }
    }
}

impl core::error::Error for Base64Error {}

/// The low bits of one octet of the alphabet; letters stand at 0, digits at 52.
const fn sextet(octet: u8) -> u8 {
    match octet {
        b'A'..=b'Z' => octet.wrapping_sub(b'A'),
        b'a'..=b'z' => octet.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => octet.wrapping_sub(b'0').wrapping_add(52),
        // `+` is 62: neither of the two has low bits of zero.
        _ => 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// Bit by bit, and only texts that it would write itself: shares no thought with the code above.
    fn naive_encode(raw: &[u8]) -> Vec<u8> {
        let mut bits: String = raw.iter().map(|b| format!("{b:08b}")).collect();
        while bits.len() % 6 != 0 {
            bits.push('0');
        }
        let mut text: Vec<u8> = bits
            .as_bytes()
            .chunks(6)
            .map(|six| ALPHABET[usize::from_str_radix(core::str::from_utf8(six).unwrap(), 2).unwrap()])
            .collect();
        while text.len() % 4 != 0 {
            text.push(b'=');
        }
        text
    }

    fn naive_decode(text: &[u8]) -> Option<Vec<u8>> {
        let mut bits = String::new();
        for b in text.iter().filter(|&&b| b != b'=') {
            bits += &format!("{:06b}", ALPHABET.iter().position(|a| a == b)?);
        }
        let raw: Vec<u8> = bits
            .as_bytes()
            .chunks_exact(8)
            .map(|eight| u8::from_str_radix(core::str::from_utf8(eight).unwrap(), 2).unwrap())
            .collect();
        (naive_encode(&raw) == text).then_some(raw)
    }

    #[cfg(feature = "sasl")]
    fn decode(text: &[u8]) -> Result<Vec<u8>, Base64Error> {
        let base64 = Base64::new(text)?;
        let mut out = [0u8; 1024];
        let raw = base64.decode(&mut out).unwrap();
        assert_eq!(raw.len(), base64.decoded_len());
        Ok(raw.to_vec())
    }

    #[cfg(feature = "sasl")]
    fn encode(raw: &[u8]) -> Vec<u8> {
        let mut storage = [0u8; 1024];
        let mut out = &mut storage[..];
        Base64::encode_to(raw, &mut out).unwrap();
        let n = 1024 - out.len();
        assert_eq!(n, Base64::encoded_len(raw.len()));
        storage[..n].to_vec()
    }

    #[test]
    fn r5034_4_11_bad_base64() {
        for (text, error) in [
            (&b"=AAA"[..], Base64Error::Padding),
            (b"A=AA", Base64Error::Padding),
            (b"AA=A", Base64Error::Padding),
            (b"====", Base64Error::Padding),
            (b"A===", Base64Error::Padding),
            (b"AAAAA===", Base64Error::Padding),
            (b"AAAA====", Base64Error::Padding),
            (b"AA==AAAA", Base64Error::Padding),
            (b"AAA=BBB", Base64Error::Length { octets: 7 }),
            (b"AAA=BBB=", Base64Error::Padding),
            (b"AA A=", Base64Error::Length { octets: 5 }),
            (b"AA A", Base64Error::Alphabet),
            (b"AAA ", Base64Error::Alphabet),
            (b" AAA", Base64Error::Alphabet),
            (b"AA\r\n", Base64Error::Alphabet),
            (b"AAA\0", Base64Error::Alphabet),
            (b"AA-_", Base64Error::Alphabet),
            (b"AAA\xc1", Base64Error::Alphabet),
            (b"go a", Base64Error::Alphabet),
            (b"%%%%", Base64Error::Alphabet),
            (b"%%%", Base64Error::Length { octets: 3 }),
            (b"=", Base64Error::Length { octets: 1 }),
            (b"QQ", Base64Error::Length { octets: 2 }),
            (b"QQ=", Base64Error::Length { octets: 3 }),
            (b"QQ==\r\n", Base64Error::Length { octets: 6 }),
            (b"QR==", Base64Error::PadBits),
            (b"QUJ=", Base64Error::PadBits),
            (b"AAAAQR==", Base64Error::PadBits),
            (b"*", Base64Error::Length { octets: 1 }),
        ] {
            assert_eq!(Base64::new(text), Err(error), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn pb_k15_every_4_octets_of_a_small_alphabet() {
        let octets = b"ABEQRYgkw09+/=-_ *\r\n\0\x80\xff";
        let mut valid = 0;
        for &a in octets {
            for &b in octets {
                for &c in octets {
                    for &d in octets {
                        let text = [a, b, c, d];
                        let ours = Base64::new(&text);
                        let naive = naive_decode(&text);
                        assert_eq!(ours.is_ok(), naive.is_some(), "{}", text.escape_ascii());
                        if let (Ok(ours), Some(naive)) = (ours, naive) {
                            valid += 1;
                            assert_eq!(ours.decoded_len(), naive.len());
                            #[cfg(feature = "sasl")]
                            assert_eq!(decode(ours.as_bytes()).unwrap(), naive);
                        }
                    }
                }
            }
        }
        // 13 letters; A E Q Y g k w 0 may stand before one "=", A Q g w before two.
        assert_eq!(valid, 13usize.pow(4) + 13 * 13 * 8 + 13 * 4);
    }

    #[test]
    #[cfg(feature = "sasl")]
    fn r5034_4_11_vectors_of_rfc_4648() {
        for (raw, text) in [
            (&b""[..], &b""[..]),
            (b"f", b"Zg=="),
            (b"fo", b"Zm8="),
            (b"foo", b"Zm9v"),
            (b"foob", b"Zm9vYg=="),
            (b"fooba", b"Zm9vYmE="),
            (b"foobar", b"Zm9vYmFy"),
        ] {
            assert_eq!(encode(raw), text);
            assert_eq!(decode(text).unwrap(), raw);
        }
    }

    #[test]
    #[cfg(feature = "sasl")]
    fn r5034_4_12_long_messages_pass_in_both_directions() {
        let raw: Vec<u8> = (0..700u32).map(|n| (n * 7 + n / 256) as u8).collect();
        for n in 0..raw.len() {
            let text = encode(&raw[..n]);
            assert_eq!(text, naive_encode(&raw[..n]));
            assert_eq!(decode(&text).unwrap(), &raw[..n]);
        }
    }

    #[test]
    #[cfg(feature = "sasl")]
    fn pb_k08_all_or_nothing() {
        let mut storage = [b'.'; 8];
        let mut out = &mut storage[..7];
        assert_eq!(Base64::encode_to(b"abcd", &mut out), Err(Full { needed: 8 }));
        assert_eq!(out.len(), 7);
        let mut short = [b'.'; 3];
        assert_eq!(Base64::new(b"YWJjZA==").unwrap().decode(&mut short), Err(Full { needed: 4 }));
        assert_eq!((&storage, &short), (b"........", b"..."));
    }

    #[test]
    fn r5034_4_5_equals_sign_is_the_empty_initial_response_only() {
        let empty = InitialResponse::parse(b"=").unwrap();
        assert_eq!(empty.base64(), Base64::EMPTY);
        assert_eq!(empty.as_bytes(), b"=");
        assert_eq!(InitialResponse::parse(b""), Err(Base64Error::Empty));
        assert_eq!(InitialResponse::parse(b"=="), Err(Base64Error::Length { octets: 2 }));
        assert_eq!(InitialResponse::parse(b"Zm9v").unwrap().base64().as_bytes(), b"Zm9v");
        assert_eq!(InitialResponse::from(Base64::EMPTY).as_bytes(), b"=");
        assert!(Base64::new(b"").unwrap().is_empty());
    }

    #[test]
    #[cfg(feature = "sasl")]
    fn r5034_4_5_an_empty_initial_response_is_written_as_equals_sign() {
        let mut storage = [0u8; 9];
        let mut out = &mut storage[..];
        InitialResponse::encode_to(b"", &mut out).unwrap();
        InitialResponse::encode_to(b"foobar", &mut out).unwrap();
        assert_eq!(&storage, b"=Zm9vYmFy");
    }

    #[test]
    fn r5034_4_6_the_line_of_255_octets_fits_and_256_do_not() {
        // The line is counted by writing it; some names make it end at 255, others at 256.
        let mut seen = [0usize; 2];
        for length in 1..=20 {
            let name = &b"ABCDEFGHIJKLMNOPQRST"[..length];
            let mechanism = MechanismName::parse(name).unwrap();
            for n in 0..300 {
                let raw = Vec::from_iter(core::iter::repeat_n(b'x', n));
                let response = if n == 0 { Vec::from(*b"=") } else { naive_encode(&raw) };
                let line = [b"AUTH ", name, b" ", &response, b"\r\n"].concat();
                assert_eq!(InitialResponse::fits(mechanism, n), line.len() <= 255);
                seen[0] += usize::from(line.len() == 255);
                seen[1] += usize::from(line.len() == 256);
            }
        }
        assert!(seen.iter().all(|&n| n > 0));
        assert!(!InitialResponse::fits(MechanismName::PLAIN, usize::MAX));
    }

    #[test]
    fn pb_c32_only_the_length_is_formatted() {
        let text = Base64::new(b"Y2FuYXJ5").unwrap();
        assert_eq!(format!("{text:?}"), "[redacted; 8 octets]");
        assert_eq!(format!("{:?}", InitialResponse::from(text)), "[redacted; 8 octets]");
    }

    #[test]
    fn r5034_4_11_what_is_wrong_is_told_without_the_octets() {
        for (text, want) in [
            ("QUJ", "base64 of 3 octets, not a multiple of 4"),
            ("QU=D", "base64 has \"=\" where none may stand"),
            ("QU D", "base64 has an octet outside of its alphabet"),
            ("QR==", "base64 has unused bits that are not zero"),
        ] {
            assert_eq!(format!("{}", Base64::new(text.as_bytes()).unwrap_err()), want, "{text}");
        }
        let empty = InitialResponse::parse(b"").unwrap_err();
        assert_eq!(format!("{empty}"), "initial response is empty instead of \"=\"");
    }
}
