//! Just enough DER to find the parts of a certificate that rustls does not hand out: [`Parts`].
//!
//! Certificates that come here have been read by rustls already, those of a server's own configuration included. What is
//! strange all the same has no parts; nothing here decides whom to believe.

/// A tag of one octet and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// With tag and length.
    pub(super) whole: &'a [u8],
}

pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const IA5_STRING: u8 = 0x16;
pub(super) const SEQUENCE: u8 = 0x30;
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// `[2]`, of a primitive type, in a GeneralName.
const DNS_NAME: u8 = 0x82;
/// 2.5.29.17
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The tag `[number]`, of a constructed type.
pub(super) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

impl<'a> Element<'a> {
    /// The octets of a GeneralName if it is a dNSName.
    pub(super) fn dns_name(self) -> Option<&'a [u8]> {
        (self.tag == DNS_NAME).then_some(self.content)
    }
}

/// Reads elements one after another. A length that is not the shortest possible, or is too long, ends the reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next element, whatever it is.
    pub(super) fn any(&mut self) -> Option<Element<'a>> {
        let input = self.0;
        let (&tag, rest) = input.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let octets = match first {
            0..=0x7f => usize::from(first),
            // Three octets of length are 16 MiB, which no certificate has.
            0x81..=0x83 => {
                let digits;
                (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let octets = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
                let shortest = if digits.len() == 1 { 0x80 } else { 1 << (8 * (digits.len() - 1)) };
                if octets < shortest {
                    return None;
                }
                octets
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(octets)?;
        self.0 = rest;
        Some(Element { tag, content, whole: input.get(..input.len() - rest.len())? })
    }

    /// The next element if it has this tag; nothing is read otherwise.
    pub(super) fn next(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.any().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// The next element, which must be a SEQUENCE, to be read from the inside.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.next(SEQUENCE).map(|element| Reader(element.content))
    }
}

/// What this crate wants to know of a certificate (RFC 5280 section 4.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// The SubjectPublicKeyInfo, with tag and length.
    pub(super) public_key: &'a [u8],
    /// The inside of the AlgorithmIdentifier of the signature.
    pub(super) signature_algorithm: Reader<'a>,
    /// The inside of the sequence of extensions.
    extensions: Reader<'a>,
}

impl<'a> Parts<'a> {
    /// Finds the parts of a certificate in DER.
    pub(super) fn of(certificate: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(certificate);
        let mut certificate = outer.sequence()?;
        let mut signed = certificate.sequence()?;
        let signature_algorithm = certificate.sequence()?;
        certificate.next(BIT_STRING)?;
        if !(outer.0.is_empty() && certificate.0.is_empty()) {
            return None;
        }
        signed.next(constructed(0)); // version
        signed.next(INTEGER)?; // serial number
        for _signature_issuer_validity_subject in 0..4 {
            signed.next(SEQUENCE)?;
        }
        let public_key = signed.next(SEQUENCE)?.whole;
        while signed.0.first().is_some_and(|tag| *tag != constructed(3)) {
            signed.any()?; // unique identifiers, which nobody has
        }
        let extensions = match signed.next(constructed(3)) {
            Some(extensions) => Reader(extensions.content).sequence()?,
            None => Reader(&[]),
        };
        Some(Self { public_key, signature_algorithm, extensions })
    }

    /// Each GeneralName of the subject alternative name, as far as it can be read.
    pub(super) fn alternative_names(&self) -> Option<impl Iterator<Item = Element<'a>> + Clone + use<'a>> {
        let mut extension = Reader(self.extension(ALTERNATIVE_NAME)?);
        let mut names = extension.sequence()?;
        Some(core::iter::from_fn(move || names.any()))
    }

    /// The content of the extension with this identifier; `None` too if the extensions cannot be read.
    pub(super) fn extension(&self, identifier: &[u8]) -> Option<&'a [u8]> {
        let mut rest = self.extensions;
        loop {
            let mut extension = rest.sequence()?;
            if extension.next(OBJECT_IDENTIFIER)?.content == identifier {
                extension.next(BOOLEAN); // critical
                return Some(extension.next(OCTET_STRING)?.content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_the_shortest_and_within_the_input() {
        let read = |input: &'static [u8]| Reader(input).any().map(|element| element.content.len());
        assert_eq!(read(b"\x04\x00"), Some(0));
        assert_eq!(read(b"\x04\x02ab"), Some(2));
        for wrong in [
            &b""[..],
            b"\x04",
            b"\x04\x02a",
            b"\x04\x80ab\0\0", // indefinite
            b"\x04\x81\x02ab", // not the shortest
            b"\x04\x82\x00\x02ab",
            b"\x04\x82\x02",
            b"\x04\x84\x00\x00\x00\x02ab",
            b"\x04\xff",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        let long = [&[0x04, 0x81, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(Reader(&long).any().unwrap().content, [7; 0x80]);
        let longer = [&[0x04, 0x82, 0x01, 0x00][..], &[7; 0x101]].concat();
        let mut reader = Reader(&longer);
        assert_eq!(reader.any().unwrap().whole.len(), 0x104);
        assert_eq!(reader.0, [7]);
    }

    #[test]
    fn another_tag_reads_nothing() {
        let mut reader = Reader(b"\x04\x01a\x06\x01b");
        assert_eq!(reader.next(OBJECT_IDENTIFIER), None);
        assert_eq!(reader.next(OCTET_STRING).unwrap().content, b"a");
        assert_eq!(reader.next(OBJECT_IDENTIFIER).unwrap().content, b"b");
        assert_eq!(reader.any(), None);
    }

    #[test]
    fn half_a_certificate_has_no_parts() {
        let issued = rcgen::generate_simple_self_signed(vec!["pop.example.org".into()]).unwrap();
        let der = issued.cert.der();
        assert!(Parts::of(der).is_some());
        for end in 0..der.len() {
            assert!(Parts::of(&der[..end]).is_none(), "cut at {end}");
        }
        assert!(Parts::of(&[der, &b"\0"[..]].concat()).is_none());
    }

    /// Nothing vouches for a certificate whose key is pinned: each octet may be anything.
    #[test]
    fn damaged_certificate_is_no_panic() {
        let issued = rcgen::generate_simple_self_signed(vec!["pop.example.org".into()]).unwrap();
        let mut der = issued.cert.der().to_vec();
        for at in 0..der.len() {
            let good = der[at];
            for bad in [0, 1, 0x7f, 0x80, 0x81, 0x84, 0xff, good ^ 1, good ^ 0x20] {
                der[at] = bad;
                if let Some(parts) = Parts::of(&der) {
                    assert!(parts.alternative_names().is_none_or(|names| names.count() < der.len()));
                }
                drop(super::super::binding::server_end_point(&der));
            }
            der[at] = good;
        }
    }
}
