//! The header of a message, as far as filters look at it.

use std::io::{self, Write};

use crate::encoded_word;

/// A header on its way in: keeps what stands before the first empty line, up to a limit, and lets the rest pass. Some
/// servers send the body too (PB-Q04).
#[derive(Debug)]
pub(crate) struct Gathered {
    octets: Vec<u8>,
    limit: usize,
    /// The empty line came.
    complete: bool,
    too_large: bool,
}

impl Gathered {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { octets: Vec::new(), limit, complete: false, too_large: false }
    }

    /// `None`: it is larger than the limit.
    pub(crate) fn header(self) -> Option<Header> {
        (!self.too_large).then(|| Header::parse(&self.octets))
    }
}

impl Write for Gathered {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        for &octet in octets {
            if self.complete || self.too_large {
                break;
            }
            if octet == b'\n' && matches!(self.octets[..], [] | [b'\r'] | [.., b'\n'] | [.., b'\n', b'\r']) {
                self.complete = true;
            } else if self.octets.len() >= self.limit {
                self.too_large = true;
                self.octets = Vec::new();
            } else {
                self.octets.push(octet);
            }
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The fields of a header, from the top.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header(Vec<(String, Vec<u8>)>);

impl Header {
    /// Lines that are no field and continue none are left out.
    fn parse(octets: &[u8]) -> Self {
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        for line in octets.split(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                // Unfolding takes the line end away and nothing else (RFC 5322 section 2.2.3).
                if let Some((_, value)) = fields.last_mut() {
                    value.extend_from_slice(line);
                }
                continue;
            }
            let Some(colon) = line.iter().position(|&octet| octet == b':') else { continue };
            let (name, value) = line.split_at(colon);
            let name = String::from_utf8_lossy(name.trim_ascii_end()).to_ascii_lowercase();
            fields.push((name, value.get(1..).unwrap_or_default().to_vec()));
        }
        Self(fields)
    }

    /// The values of all fields of this name, which is in lower case, unfolded, without blanks around.
    pub(crate) fn raw<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.trim_ascii())
    }

    /// As [`raw`](Self::raw), with the encoded words of RFC 2047 decoded.
    pub(crate) fn decoded<'h>(&'h self, name: &'h str) -> impl Iterator<Item = String> + 'h {
        self.raw(name).map(encoded_word::decode)
    }
}

/// The addresses in the value of an address field: what stands in `<>`, or else alone.
pub(crate) fn addresses(value: &str) -> Vec<String> {
    let (mut all, mut address, mut angle) = (Vec::new(), String::new(), None::<String>);
    let (mut quoted, mut comment, mut characters) = (false, 0u32, value.chars());
    while let Some(character) = characters.next() {
        let in_angle = angle.is_some();
        let text = angle.as_mut().unwrap_or(&mut address);
        match character {
            '\\' if quoted || comment > 0 => {
                let escaped = characters.next();
                if comment == 0 {
                    text.extend(escaped);
                }
            }
            '"' if comment == 0 => quoted = !quoted,
            _ if quoted => text.push(character),
            '(' => comment = comment.saturating_add(1),
            ')' => comment = comment.saturating_sub(1),
            _ if comment > 0 => {}
            '<' => angle = Some(String::new()),
            '>' => address = angle.take().unwrap_or_default(),
            // `:` ends the name of a group, `;` the group.
            ',' | ';' => all.push(std::mem::take(&mut address)),
            ':' if !in_angle => address.clear(),
            _ => text.push(character),
        }
    }
    all.push(angle.unwrap_or(address));
    all.iter().map(|address| address.trim().to_owned()).filter(|address| !address.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(octets: &[u8], limit: usize, cut: usize) -> Option<Header> {
        let mut gathered = Gathered::new(limit);
        gathered.write_all(&octets[..cut]).unwrap();
        gathered.write_all(&octets[cut..]).unwrap();
        gathered.header()
    }

    #[test]
    fn r5322_2_2_3_a_field_is_unfolded() {
        let text =
            b"Subject: one\r\n\ttwo\r\n  three\r\nX-Empty:\r\nno field\r\nSUBJECT : four\r\n\r\nTo: body\r\n";
        for cut in 0..=text.len() {
            let header = gathered(text, 1000, cut).unwrap();
            let subjects: Vec<String> = header.decoded("subject").collect();
            assert_eq!(subjects, ["one\ttwo  three", "four"], "cut at {cut}");
            assert_eq!(header.raw("x-empty").collect::<Vec<_>>(), [b""]);
            assert_eq!(header.raw("to").count(), 0, "a body is no header");
        }
        assert_eq!(gathered(b"\r\nTo: body\r\n", 10, 0), Some(Header(vec![])));
        assert_eq!(gathered(b"\nTo: body\n", 10, 0), Some(Header(vec![])));
        assert_eq!(gathered(b"A: b\n\nTo: body\n", 10, 3), Some(Header(vec![("a".into(), b" b".into())])));
    }

    #[test]
    fn a_header_over_the_limit_is_none_and_a_body_does_not_count() {
        let text = b"A: bcd\r\n\r\nbody of many octets";
        for (limit, some) in [(7, false), (8, false), (9, true), (30, true)] {
            assert_eq!(gathered(text, limit, 5).is_some(), some, "{limit}");
        }
        assert_eq!(gathered(&[b'x'; 10_000], 9_999, 500), None);
    }

    #[test]
    fn r5322_3_4_addresses_are_found() {
        for (value, want) in [
            ("a@b", &["a@b"][..]),
            ("A B <a@b>, c@d (comment, e@f), \"x, y\" <g@h>", &["a@b", "c@d", "g@h"]),
            ("friends: a@b, <c@d>;", &["a@b", "c@d"]),
            ("\"quoted <x@y>\" <a@b>", &["a@b"]),
            ("\"a b\"@c", &["a b@c"]),
            ("(\\) c) a@b", &["a@b"]),
            ("<a@b", &["a@b"]),
            ("<>", &[]),
            ("", &[]),
        ] {
            assert_eq!(addresses(value), want, "{value}");
        }
    }
}
