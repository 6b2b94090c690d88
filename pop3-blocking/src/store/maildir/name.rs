//! What the name of a message file says.
//!
//! A name is `base` or `base:info`. The base is unique in its Maildir for ever; `info` holds flags and changes. The
//! base begins with the time of delivery in seconds; then a dot, and letters with numbers of which `M` is
//! microseconds and `Q` counts deliveries of one process, or in old names the number of a process, `_` and a count;
//! then a dot and the host; then perhaps `,S=` and the size of the file.

/// The longest file name that is served, in octets: more than that does not exist on most file systems.
const NAME_MAX: usize = 255;

/// Why a name cannot be that of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OddName {
    TooLong,
    NoBase,
    NotUtf8,
    ControlCharacter,
}

impl OddName {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "name is too long",
            Self::NoBase => "nothing in front of the colon",
            Self::NotUtf8 => "name is not UTF-8",
            Self::ControlCharacter => "control character in the name",
        }
    }
}

/// The base of `name`, if it is fit to be listed, logged and stored in a line.
pub(super) fn base_of(name: &[u8]) -> Result<&[u8], OddName> {
    if name.len() > NAME_MAX {
        return Err(OddName::TooLong);
    }
    // Most are ASCII; that is seen at once.
    if !name.iter().all(|octet| (b' '..=b'~').contains(octet)) {
        let text = core::str::from_utf8(name).map_err(|_| OddName::NotUtf8)?;
        if text.chars().any(char::is_control) {
            return Err(OddName::ControlCharacter);
        }
    }
    let base = name.split(|&octet| octet == b':').next().unwrap_or_default();
    if base.is_empty() { Err(OddName::NoBase) } else { Ok(base) }
}

/// When a message arrived: seconds, then what orders deliveries of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    pub(super) seconds: u64,
    micros: u64,
    sequence: u64,
}

impl Arrival {
    /// Reads the time from a base; `None` if it has none.
    pub(super) fn of(base: &[u8]) -> Option<Self> {
        let mut parts = base.split(|&octet| octet == b'.');
        let seconds = pop3_proto::parse_number(parts.next()?)?;
        let unique = parts.next()?;
        let sequence = number_after(unique, b'Q').or_else(|| number_after(unique, b'_'));
        Some(Self {
            seconds,
            micros: number_after(unique, b'M').unwrap_or(0),
            sequence: sequence.unwrap_or(0),
        })
    }

    /// A time known in seconds only.
    pub(super) const fn at(seconds: u64) -> Self {
        Self { seconds, micros: 0, sequence: 0 }
    }
}

/// The decimal number behind the first `letter`, which is no hexadecimal digit.
fn number_after(part: &[u8], letter: u8) -> Option<u64> {
    let at = part.iter().position(|&octet| octet == letter)?;
    let rest = part.get(at + 1..)?;
    let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
    pop3_proto::parse_number(rest.get(..digits)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_ends_at_the_first_colon() {
        assert_eq!(base_of(b"1.2.h:2,S"), Ok(&b"1.2.h"[..]));
        assert_eq!(base_of(b"1.2.h"), Ok(&b"1.2.h"[..]));
        assert_eq!(base_of(b"a:b:c"), Ok(&b"a"[..]));
        assert_eq!(base_of("größe,S=3:2,".as_bytes()), Ok("größe,S=3".as_bytes()));
        assert_eq!(base_of(b"with space"), Ok(&b"with space"[..]));
        assert_eq!(base_of(b":2,S"), Err(OddName::NoBase));
        assert_eq!(base_of(b""), Err(OddName::NoBase));
        assert_eq!(base_of(b"a\xff"), Err(OddName::NotUtf8));
        assert_eq!(base_of(b"a\nb"), Err(OddName::ControlCharacter));
        assert_eq!(base_of(b"a\x1b[2J"), Err(OddName::ControlCharacter));
        assert_eq!(base_of(b"a:2,\t"), Err(OddName::ControlCharacter));
        assert_eq!(base_of("a\u{9b}".as_bytes()), Err(OddName::ControlCharacter));
        assert_eq!(base_of(&[b'x'; 255]), Ok(&[b'x'; 255][..]));
        assert_eq!(base_of(&[b'x'; 256]), Err(OddName::TooLong));
    }

    #[test]
    fn r1939_4_6_arrival_is_read_from_names_of_many_programs() {
        // Names as dovecot, postfix, courier, qmail and procmail make them, each list in the order of delivery.
        let in_order = [
            "999999999.1.h",
            "1700000000.12345.host",
            "1700000000.12345_2.host",
            "1700000000.12345_10.host,U=7,FMD5=7e33429f656f1e6e9d79b29c3f82c57e",
            "1700000000.M1P99.host,S=2,W=3",
            "1700000000.M5P99Q2.host",
            "1700000000.M5P99Q10.host",
            "1700000000.Vfd01I123abM40.host",
            "1700000000.#1XaRbM123456P7Q1.host",
            "1700000001.1.h",
        ];
        let keys: Vec<_> = in_order.iter().map(|name| Arrival::of(name.as_bytes()).unwrap()).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
    }

    #[test]
    fn names_without_time_have_none() {
        for name in ["", "mail", ".1.h", "17000000x0.1.h", "+1.2.h", "99999999999999999999.1.h", "1700000000"]
        {
            assert_eq!(Arrival::of(name.as_bytes()), None, "{name}");
        }
        assert_eq!(Arrival::of(b"7.M99999999999999999999Q.h"), Some(Arrival::at(7)));
    }
}
