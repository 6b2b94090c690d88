//! Names in certificates: two readers of DER that must agree, over certificates made here and over anything else.

use pop3_blocking::fuzzing::certificate_parts;
use pop3_blocking::tls::{CertificateField, CertificateMap, CertificateNames};

use crate::plan::Plan;

/// An element of DER.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut whole = vec![tag];
    match content.len() {
        length @ 0..=127 => whole.push(u8::try_from(length).expect("short")),
        length @ 128..=255 => whole.extend([0x81, u8::try_from(length).expect("short")]),
        length => {
            whole.push(0x82);
            whole.extend(u16::try_from(length).expect("short").to_be_bytes());
        }
    }
    whole.extend(content);
    whole
}

const SIGNATURE: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const COMMON_NAME: &[u8] = b"\x06\x03\x55\x04\x03";
const ADDRESS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01";
const ALTERNATIVE_NAME: &[u8] = b"\x06\x03\x55\x1d\x11";

/// Names as the plan says: two bits of kind, then text.
fn names(plan: &mut Plan<'_>) -> CertificateNames {
    let mut names = CertificateNames::default();
    for _ in 0..plan.below(6) {
        let kind = plan.next() % 4;
        let text: String = plan.piece().iter().map(|octet| char::from(octet & 0x7f)).collect();
        match kind {
            0 => names.addresses.push(text),
            1 => names.dns_names.push(text),
            2 => names.common_names.push(text),
            _ => names.subject_addresses.push(text),
        }
    }
    names
}

/// A certificate that nobody has signed, with these names.
fn certificate(names: &CertificateNames) -> Vec<u8> {
    let attribute =
        |kind: &[u8], tag, text: &String| der(0x31, &[&der(0x30, &[kind, &der(tag, &[text.as_bytes()])])]);
    let subject: Vec<u8> = names
        .common_names
        .iter()
        .map(|text| attribute(COMMON_NAME, 0x0c, text))
        .chain(names.subject_addresses.iter().map(|text| attribute(ADDRESS, 0x16, text)))
        .flatten()
        .collect();
    let general: Vec<u8> = names
        .addresses
        .iter()
        .map(|text| der(0x81, &[text.as_bytes()]))
        .chain(names.dns_names.iter().map(|text| der(0x82, &[text.as_bytes()])))
        .flatten()
        .collect();
    let extension = der(0x30, &[ALTERNATIVE_NAME, &der(0x04, &[&der(0x30, &[&general])])]);
    let extensions = if general.is_empty() { Vec::new() } else { der(0xa3, &[&der(0x30, &[&extension])]) };
    let time = der(0x17, &[b"260101000000Z"]);
    let key = der(0x30, &[b"\x30\x05\x06\x03\x2b\x65\x70", &der(0x03, &[&[0; 33]])]);
    let signed = der(
        0x30,
        &[
            &der(0xa0, &[b"\x02\x01\x02"]),
            b"\x02\x01\x01",
            SIGNATURE,
            b"\x30\x00",
            &der(0x30, &[&time, &time]),
            &der(0x30, &[&subject]),
            &key,
            &extensions,
        ],
    );
    der(0x30, &[&signed, SIGNATURE, &der(0x03, &[&[0; 9]])])
}

/// A certificate made here has the names that were put into it, for both readers; of one that was changed, or of any octets,
/// both readers find the same host names if the stricter finds any names; and what may be a user's name holds no control
/// character and stands in the certificate.
pub fn certificate_names(input: &[u8]) {
    let mut plan = Plan::new(input);
    let octets = if plan.next() & 1 == 0 {
        plan.rest().to_vec()
    } else {
        let (at, change) = (usize::from(plan.next()) << 2 | usize::from(plan.next() & 3), plan.next());
        let want = names(&mut plan);
        let mut octets = certificate(&want);
        if change == 0 {
            assert_eq!(CertificateNames::of(&octets).as_ref(), Some(&want), "{}", octets.escape_ascii());
            for end in [at % octets.len(), octets.len() - 1] {
                assert_eq!(CertificateNames::of(&octets[..end]), None);
                assert!(certificate_parts(&octets[..end]).is_none());
            }
        }
        let length = octets.len();
        octets[at % length] ^= change;
        octets
    };
    let parts = certificate_parts(&octets);
    let Some(names) = CertificateNames::of(&octets) else {
        assert!(CertificateMap::default().candidates(&octets).is_empty());
        return;
    };
    let parts = parts.unwrap_or_else(|| panic!("no parts: {}", octets.escape_ascii()));
    let theirs: Vec<Vec<u8>> = parts.dns_names.unwrap_or_default();
    assert_eq!(
        theirs,
        names.dns_names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>(),
        "{}",
        octets.escape_ascii()
    );
    assert!(octets.windows(parts.public_key.len()).any(|part| part == parts.public_key));
    let all = [
        CertificateField::CommonName,
        CertificateField::Rfc822Name,
        CertificateField::DnsName,
        CertificateField::EmailAddress,
    ];
    let known: Vec<&String> =
        [&names.common_names, &names.addresses, &names.dns_names, &names.subject_addresses]
            .into_iter()
            .flatten()
            .filter(|name| !name.is_empty() && !name.chars().any(char::is_control))
            .collect();
    let candidates = CertificateMap::new(all).candidates(&octets);
    assert_eq!(candidates.len(), known.len());
    for (candidate, name) in candidates.iter().zip(known) {
        assert!(candidate.eq_ignore_ascii_case(name));
    }
}
