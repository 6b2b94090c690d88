//! Hosts of POP URLs: names, and addresses with their brackets.
//!
//! Names follow RFC 1738 section 5 and bracketed IPv6 addresses RFC 3986 section 3.2.2. Allocates nothing, never
//! panics.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::PopUrlError;

/// The host of a URL. Names are equal in any case.
#[derive(Clone, Copy, Debug, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a connector must handle both; there is no third kind of host")]
pub enum UrlHost<'a> {
    /// A DNS name: labels of letters, digits, `-` and `_`; at most 253 octets; no dot at the end. Internationalized
    /// names come as A-labels (`xn--`).
    Name(&'a str),
    /// An address.
    Ip(IpAddr),
}

impl PartialEq<UrlHost<'_>> for UrlHost<'_> {
    fn eq(&self, other: &UrlHost<'_>) -> bool {
        match (self, other) {
            (Self::Name(name), UrlHost::Name(other)) => name.eq_ignore_ascii_case(other),
            (Self::Ip(address), UrlHost::Ip(other)) => address == other,
            _ => false,
        }
    }
}

/// As it stands in a URL: IPv6 addresses in brackets.
impl fmt::Display for UrlHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Reads a host as it stands in a URL.
pub(super) fn parse(text: &str) -> Result<UrlHost<'_>, PopUrlError> {
    if let Some(address) = text.strip_prefix('[') {
        let address = address.strip_suffix(']').ok_or(PopUrlError::Host)?;
        return match address.parse::<Ipv6Addr>() {
            Ok(address) => Ok(UrlHost::Ip(IpAddr::V6(address))),
            Err(_) => Err(PopUrlError::Host),
        };
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(UrlHost::Ip(IpAddr::V4(address)));
    }
    if !is_name(text) {
        return Err(PopUrlError::Host);
    }
    // "127.1" and "0x7f.1" look like names here and like addresses to the resolver.
    let last = text.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|octet| octet.is_ascii_digit())
        || matches!(last.as_bytes(), [b'0', b'x' | b'X', digits @ ..] if digits.iter().all(u8::is_ascii_hexdigit));
    if number { Err(PopUrlError::Host) } else { Ok(UrlHost::Name(text)) }
}

/// Whether `text` is a DNS name as [`UrlHost::Name`] holds it; one of digits alone is, too.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A label of RFC 1738's `hostname`; `_` is not in it but in use.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn r2384_3_1_what_is_no_host() {
        for text in [
            "a..b",
            ".a",
            "a.",
            "-a",
            "a-.b",
            "a b",
            "b\u{fc}cher.example",
            "127.1",
            "2130706433",
            "0x7f.1",
            "a.0x7F",
            "0x",
            "256.0.0.1",
            "127.0.0.01",
            "[]",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "",
            "::1",
            "a:1",
            "a@b",
            "a/b",
            "[::1",
            "[::1]x",
        ] {
            assert_eq!(parse(text), Err(PopUrlError::Host), "{text}");
        }
    }

    #[test]
    fn r2384_3_1_labels_of_63_and_names_of_253_octets() {
        let label = "a".repeat(63);
        let name = [label.as_str(); 4].join(".");
        assert_eq!(parse(&name[..253]), Ok(UrlHost::Name(&name[..253])));
        assert_eq!(parse(&name[..254]), Err(PopUrlError::Host));
        assert!(parse(&[label.as_str(), "example"].join(".")).is_ok());
        assert_eq!(parse(&[label.as_str(), "b.example"].concat()), Err(PopUrlError::Host));
    }

    #[test]
    fn r2384_3_1_names_are_equal_in_any_case() {
        assert_eq!(parse("Pop.Example"), parse("pop.example"));
        assert_ne!(parse("pop.example"), parse("pop.example2"));
        assert_eq!(parse("[0:0::1]").unwrap().to_string(), "[::1]");
        assert_ne!(parse("[::7f00:1]"), parse("127.0.0.1"));
    }
}
