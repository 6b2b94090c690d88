//! APOP (RFC 1939 section 7): the timestamp in the greeting, and the digest over it that stands for the password.
//!
//! For old peers. It rests on MD5, the server must know the password itself, and a false server can find passwords
//! octet by octet where it chooses the timestamp freely (CVE-2007-1558): use it under TLS, never with a timestamp from
//! before `STLS`, and only if [`timestamp`] finds one (R1939-7.11). Allocates nothing, never panics.
//!
//! ```
//! use pop3_proto::apop;
//!
//! // The client.
//! let greeting = b"POP3 server ready <1896.697170952@dbc.mtview.ca.us>";
//! let timestamp = apop::timestamp(greeting).ok_or("no APOP")?;
//! let digest = apop::digest(timestamp, b"tanstaaf");
//! assert_eq!(&digest, b"c4c9334bac560ecc979e58001b3e22fb");
//!
//! // The server.
//! assert!(apop::matches(timestamp, b"tanstaaf", &digest));
//! # Ok::<(), &str>(())
//! ```

use core::fmt;

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

use crate::ArgError;
use crate::msg_id::{self, is_dot_atom};

/// The digest that `APOP` sends: MD5 of the timestamp, brackets included, and the secret, in lower-case hexadecimal
/// (R1939-7.10).
#[must_use]
pub fn digest(timestamp: &[u8], secret: &[u8]) -> [u8; 32] {
    hex(Md5::new().chain_update(timestamp).chain_update(secret).finalize().into())
}

/// Server: whether `digest`, the second argument of an `APOP` command, is that of `secret`.
///
/// How long it takes says nothing of where they differ. Capital letters do not match (R1939-7.10).
#[must_use]
pub fn matches(timestamp: &[u8], secret: &[u8], digest: &[u8]) -> bool {
    self::digest(timestamp, secret).as_slice().ct_eq(digest).into()
}

/// Client: the timestamp in the text of a greeting, brackets included; what to hand to [`digest`].
///
/// It may stand anywhere in the line. It is one only if it is a message-id of RFC 5322 in its plain form: within `<` and
/// `>` an `@`, on both sides of it atoms joined by dots, or behind it an address in square brackets. Other texts in
/// angle brackets are host names, cookies, or the work of a false server (R1939-7.11). Of several the first counts.
#[must_use]
pub fn timestamp(greeting_text: &[u8]) -> Option<&[u8]> {
    msg_id::timestamp(greeting_text)
}

/// Server: a timestamp for the greeting, `<counter.random@host>` in hexadecimal.
///
/// No two greetings of a host may have the same (R1939-7.9): count up `counter`, and draw `random` anew each time, so that
/// a restart of the count does no harm and no client can foresee it.
#[derive(Clone, PartialEq, Eq)]
pub struct Timestamp {
    octets: [u8; Self::MAX_OCTETS],
    length: usize,
}

impl Timestamp {
    /// The longest one, in octets.
    pub const MAX_OCTETS: usize = 56 + Self::MAX_HOST_OCTETS;
    /// The longest host name, in octets.
    pub const MAX_HOST_OCTETS: usize = 255;

    /// Makes one out of the three.
    ///
    /// # Errors
    ///
    /// - [`ArgError::Empty`]: `host` is.
    /// - [`ArgError::TooLong`]: `host` has over 255 octets.
    /// - [`ArgError::Forbidden`]: `host` holds something other than letters, digits, `-` and `.`, or a `.` at an end or
    ///   behind another.
    pub fn new(host: &str, counter: u64, random: [u8; 18]) -> Result<Self, ArgError> {
        let host = host.as_bytes();
        if host.is_empty() {
            return Err(ArgError::Empty);
        }
        if host.len() > Self::MAX_HOST_OCTETS {
            return Err(ArgError::TooLong { limit: Self::MAX_HOST_OCTETS });
        }
        if let Some(&octet) =
            host.iter().find(|octet| !octet.is_ascii_alphanumeric() && !matches!(octet, b'-' | b'.'))
        {
            return Err(ArgError::Forbidden { octet });
        }
        if !is_dot_atom(host) {
            return Err(ArgError::Forbidden { octet: b'.' });
        }
        Ok(Self::join(host, counter, random))
    }

    /// One for a host that has no name.
    #[must_use]
    pub fn on_localhost(counter: u64, random: [u8; 18]) -> Self {
        Self::join(b"localhost", counter, random)
    }

    fn join(host: &[u8], counter: u64, random: [u8; 18]) -> Self {
        let counter: [u8; 16] = hex(counter.to_be_bytes());
        let random: [u8; 36] = hex(random);
        let mut this = Self { octets: [0; Self::MAX_OCTETS], length: 0 };
        for part in [b"<", counter.as_slice(), b".", &random, b"@", host, b">"] {
            let end = this.length.saturating_add(part.len());
            if let Some(room) = this.octets.get_mut(this.length..end) {
                room.copy_from_slice(part);
                this.length = end;
            }
        }
        this
    }

    /// It as it goes into the greeting and into [`matches()`], brackets included.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.as_bytes().escape_ascii())
    }
}

/// Lower-case hexadecimal digits of `octets`; `M` is twice `N`.
pub(crate) fn hex<const N: usize, const M: usize>(octets: [u8; N]) -> [u8; M] {
    const { assert!(M == 2 * N, "two digits for each octet") };
    let digit = |value: u8| {
        if value < 10 { b'0'.wrapping_add(value) } else { b'a'.wrapping_add(value.wrapping_sub(10)) }
    };
    let mut text = [0; M];
    for (pair, octet) in text.chunks_exact_mut(2).zip(octets) {
        if let [high, low] = pair {
            (*high, *low) = (digit(octet >> 4), digit(octet & 15));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::format;
    use std::vec::Vec;

    const V1: &[u8] = b"<1896.697170952@dbc.mtview.ca.us>";

    #[test]
    fn r1939_7_10_the_vector_of_the_rfc() {
        let digest = digest(V1, b"tanstaaf");
        assert_eq!(&digest, b"c4c9334bac560ecc979e58001b3e22fb");
        assert!(matches(V1, b"tanstaaf", &digest));
    }

    #[test]
    fn r1939_7_10_any_other_digest_secret_or_timestamp_is_wrong() {
        let right = *b"c4c9334bac560ecc979e58001b3e22fb";
        for at in 0..32 {
            for bit in 0..8 {
                let mut wrong = right;
                wrong[at] ^= 1 << bit;
                assert!(!matches(V1, b"tanstaaf", &wrong), "{}", wrong.escape_ascii());
            }
        }
        for wrong in [&right.to_ascii_uppercase()[..], &right[..31], b"", &[&right[..], b"0"].concat()] {
            assert!(!matches(V1, b"tanstaaf", wrong));
        }
        for secret in [&b""[..], b"tanstaa", b"tanstaaf ", b"Tanstaaf"] {
            assert!(!matches(V1, secret, &right));
        }
        assert!(!matches(&V1[1..V1.len() - 1], b"tanstaaf", &right)); // the brackets belong to it
    }

    #[test]
    fn r1939_7_11_and_pb_c08_which_greetings_hold_a_timestamp() {
        for (greeting, found) in [
            (&b"POP3 server ready <1896.697170952@dbc.mtview.ca.us>"[..], Some(V1)),
            // Anywhere in the line, alone, glued to other text, and behind what is none.
            (b"<1896.697170952@dbc.mtview.ca.us>", Some(V1)),
            (b"<1896.697170952@dbc.mtview.ca.us> ready", Some(V1)),
            (b"ready<1896.697170952@dbc.mtview.ca.us>.", Some(V1)),
            (b"<mail.example> at a@b <<1896.697170952@dbc.mtview.ca.us>>", Some(V1)),
            (b"<a@b> <1896.697170952@dbc.mtview.ca.us>", Some(b"<a@b>")),
            (b"\xff\xfe \xc3\xa4 <1896.697170952@dbc.mtview.ca.us>", Some(V1)),
            (b"<0!#$%&'*+-/=?^_`{|}~@[192.0.2.1]>", Some(b"<0!#$%&'*+-/=?^_`{|}~@[192.0.2.1]>")),
            (b"<1@[IPv6:2001:db8::1]>", Some(b"<1@[IPv6:2001:db8::1]>")),
            // No message-id.
            (b"", None),
            (b"POP3 server ready", None),
            (b"<x>", None),
            (b"<>", None),
            (b"<@>", None),
            (b"<a@>", None),
            (b"<@b>", None),
            (b"<a@b", None),
            (b"a@b>", None),
            (b">a@b<", None),
            (b"<a@b@c>", None),
            (b"<a b@c>", None),
            (b"<a@b c>", None),
            (b"< a@b>", None),
            (b"<a@b >", None),
            (b"<.a@b>", None),
            (b"<a.@b>", None),
            (b"<a..b@c>", None),
            (b"<a@.b>", None),
            (b"<a@b.>", None),
            (b"<a,b@c>", None),
            (b"<a\"b\"@c>", None),
            (b"<a\\b@c>", None),
            (b"<a(b)@c>", None),
            (b"<a@[]>", None),
            (b"<a@[b>", None),
            (b"<a@b]>", None),
            (b"<a@[b]c>", None),
            (b"<a@[b\\]]>", None),
            (b"<a@[b@c]>", None),
            (b"<mailto:a@b>", None),
            // Octets that a server would need to find out a password by collisions.
            (b"<a\x00@b>", None),
            (b"<a\t@b>", None),
            (b"<a\x7f@b>", None),
            (b"<a\x80@b>", None),
            (b"<a@b\xff>", None),
            ("<jürgen@example.org>".as_bytes(), None),
            ("<a@bücher.example>".as_bytes(), None),
        ] {
            assert_eq!(timestamp(greeting), found, "{}", greeting.escape_ascii());
        }
    }

    #[test]
    fn r1939_7_11_every_text_of_a_small_alphabet() {
        // Quadratic, and with nothing of the code under test: every part of the text that might be one is looked at.
        fn naive(text: &[u8]) -> Option<&[u8]> {
            let word = |part: &str| !part.is_empty() && part.split('.').all(|atom| !atom.is_empty());
            let plain = |part: &str| word(part) && part.chars().all(|c| "a.".contains(c));
            (0..text.len()).find_map(|start| {
                (start + 1..=text.len()).find_map(|end| {
                    let inner = core::str::from_utf8(&text[start..end]).ok()?;
                    let inner = inner.strip_prefix('<')?.strip_suffix('>')?;
                    let (left, right) = inner.split_once('@')?;
                    let literal = matches!(right, "[a]" | "[.]"); // no longer one fits
                    (plain(left) && (plain(right) || literal)).then(|| &text[start..end])
                })
            })
        }
        let octets = *b"<>@.a[]\xff";
        let mut found = 0;
        for length in 0..=7u32 {
            for mut n in 0..octets.len().pow(length) {
                let mut text = [0; 7];
                for place in &mut text[..length as usize] {
                    *place = octets[n % octets.len()];
                    n /= octets.len();
                }
                let text = &text[..length as usize];
                let ours = timestamp(text);
                assert_eq!(ours, naive(text), "{}", text.escape_ascii());
                found += usize::from(ours.is_some());
            }
        }
        assert!(found > 200, "{found}");
    }

    #[test]
    fn r1939_7_9_a_thousand_timestamps_are_unique_message_ids() {
        let mut seen = BTreeSet::new();
        for counter in 0..500 {
            for random in [[0; 18], [0xff; 18]] {
                let made = Timestamp::new("mail.example.org", counter, random).unwrap();
                assert_eq!(timestamp(made.as_bytes()), Some(made.as_bytes()));
                assert!(seen.insert(made.as_bytes().to_vec()));
            }
        }
        // A count that began anew is made up for by the other part, octet by octet.
        for at in 0..18 {
            let mut random = [0; 18];
            random[at] = 1;
            let made = Timestamp::new("mail.example.org", 0, random).unwrap();
            assert!(seen.insert(made.as_bytes().to_vec()));
        }
    }

    #[test]
    fn r1939_7_9_what_a_timestamp_looks_like_and_of_which_hosts() {
        let random = *b"\x00\x01\x9a\xff..............";
        let made = Timestamp::new("mail.example.org", 0x1f, random).unwrap();
        let text = "<000000000000001f.00019aff2e2e2e2e2e2e2e2e2e2e2e2e2e2e@mail.example.org>";
        assert_eq!(made.as_bytes(), text.as_bytes());
        assert_eq!(format!("{made:?}"), format!("Timestamp({text})"));
        assert_eq!(Timestamp::on_localhost(0, random), Timestamp::new("localhost", 0, random).unwrap());

        let forbidden = |octet| Some(ArgError::Forbidden { octet });
        let long = Vec::from([b'h'; 256]);
        let long = core::str::from_utf8(&long).unwrap();
        for (host, error) in [
            ("", Some(ArgError::Empty)),
            (long, Some(ArgError::TooLong { limit: 255 })),
            ("a b", forbidden(b' ')),
            ("a>", forbidden(b'>')),
            ("a\r\n", forbidden(b'\r')),
            ("bücher", forbidden(0xc3)),
            ("a_b", forbidden(b'_')),
            (".", forbidden(b'.')),
            (".a", forbidden(b'.')),
            ("a.", forbidden(b'.')),
            ("a..b", forbidden(b'.')),
            ("a-1.B", None),
            (&long[1..], None),
        ] {
            assert_eq!(Timestamp::new(host, 0, random).err(), error, "{host}");
        }
        // The longest leaves room in a greeting of 512 octets.
        let longest = Timestamp::new(&long[1..], u64::MAX, random).unwrap();
        assert_eq!(longest.as_bytes().len(), Timestamp::MAX_OCTETS);
        assert_eq!(timestamp(longest.as_bytes()), Some(longest.as_bytes()));
    }
}
