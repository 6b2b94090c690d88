//! TLS messages that no TLS library would send: hellos of versions and suites that are gone, and what comes back.
//!
//! A hello here offers TLS 1.2 at most, so that the whole answer of the server is in the clear (RFC 5246 section 7.3): its
//! choices, and whether it asks for a certificate. Nothing is ever completed or encrypted.

use std::net::IpAddr;
use std::time::Duration;

use pop3_blocking::Deadline;

use super::link::Link;

/// `protocol_version`, `no_application_protocol` and so on: the second octet of an alert.
pub(super) const NO_APPLICATION_PROTOCOL: u8 = 120;

/// The extensions that are looked at in the answer.
pub(super) const EXTENDED_MASTER_SECRET: u16 = 0x0017;
pub(super) const RENEGOTIATION_INFO: u16 = 0xff01;
pub(super) const ALPN: u16 = 0x0010;

/// Suites that a good server of TLS 1.2 has: ECDHE with AES-GCM or ChaCha20.
pub(super) const GOOD_SUITES: &[u16] = &[0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0x00ff];
/// What came before them, for the old versions: ECDHE and RSA with CBC.
pub(super) const OLD_SUITES: &[u16] =
    &[0xc009, 0xc013, 0xc00a, 0xc014, 0x0033, 0x0039, 0x002f, 0x0035, 0x00ff];
/// None of these may be chosen: no encryption, RC4, export, single and triple DES, keys under RSA alone.
pub(super) const BAD_SUITES: &[u16] = &[
    0x0001, 0x0002, 0x003b, 0x0003, 0x0004, 0x0005, 0xc007, 0xc011, 0x0008, 0x0009, 0x000a, 0xc008, 0xc012,
    0x002f, 0x0035, 0x003c, 0x009c, 0x009d, 0x00ff,
];

/// Octets of the longest answer: a chain of certificates and a little more.
const ANSWER: usize = 64 * 1024;

/// The answer to a hello.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The version that the server chose.
    pub(super) version: Option<u16>,
    pub(super) suite: u16,
    pub(super) compression: u8,
    /// The numbers of its extensions, and the octets of each.
    pub(super) extensions: Vec<(u16, Vec<u8>)>,
    /// The types of its messages, in order.
    pub(super) messages: Vec<u8>,
    /// The alert it sent: level and description.
    pub(super) alert: Option<(u8, u8)>,
    /// What came that is no TLS record.
    pub(super) foreign: bool,
}

/// `CertificateRequest`, `ServerHelloDone` and others.
const SERVER_HELLO: u8 = 2;
pub(super) const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;

impl Answer {
    pub(super) fn extension(&self, number: u16) -> Option<&[u8]> {
        self.extensions.iter().find(|(other, _)| *other == number).map(|(_, octets)| octets.as_slice())
    }

    /// In words, for people.
    pub(super) fn text(&self) -> String {
        match (self.version, self.alert) {
            (Some(version), _) => {
                format!("ServerHello of version {version:#06x} with suite {:#06x}", self.suite)
            }
            (None, Some((_, description))) => format!("alert {description}"),
            (None, None) if self.foreign => "something that is no TLS".to_owned(),
            (None, None) => "no answer".to_owned(),
        }
    }
}

/// A ClientHello of this version, with these suites, and ALPN if `protocol` is not empty.
pub(super) fn hello(version: u16, suites: &[u16], host: &str, protocol: &[u8]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if !host.is_empty() && host.parse::<IpAddr>().is_err() {
        let name = [&[0][..], &vector16(host.as_bytes())].concat();
        extend(&mut extensions, 0x0000, &vector16(&name));
    }
    // x25519, secp256r1, secp384r1; uncompressed points.
    extend(&mut extensions, 0x000a, &vector16(&[0x00, 0x1d, 0x00, 0x17, 0x00, 0x18]));
    extend(&mut extensions, 0x000b, &[1, 0]);
    // ECDSA, RSA-PSS and RSA with SHA-256, -384, -512; Ed25519; RSA and ECDSA with SHA-1, for the old versions.
    let signatures = [4, 3, 5, 3, 6, 3, 8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1, 8, 7, 2, 1, 2, 3];
    extend(&mut extensions, 0x000d, &vector16(&signatures));
    extend(&mut extensions, EXTENDED_MASTER_SECRET, &[]);
    extend(&mut extensions, RENEGOTIATION_INFO, &[0]);
    if !protocol.is_empty() {
        let length = u8::try_from(protocol.len()).unwrap_or(u8::MAX);
        extend(&mut extensions, ALPN, &vector16(&[&[length][..], protocol].concat()));
    }
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let mut body = version.to_be_bytes().to_vec();
    // Nothing is kept secret by it.
    body.extend_from_slice(b"pop3 probe: this is not random..");
    body.push(0);
    body.extend(vector16(&suites));
    body.extend([1, 0]);
    body.extend(vector16(&extensions));
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    let message = [&[1][..], length.get(1..).unwrap_or_default(), &body].concat();
    [&[0x16, 3, 1][..], &vector16(&message)].concat()
}

/// A hello in the form of SSL 2.0 that offers SSL 2.0 and nothing else.
pub(super) fn ssl2_hello() -> Vec<u8> {
    let suites = [1, 0, 0x80, 7, 0, 0xc0, 3, 0, 0x80, 6, 0, 0x40];
    let mut body = vec![1, 0, 2, 0, 12, 0, 0, 0, 16];
    body.extend(suites);
    body.extend_from_slice(b"pop3 probe: SSL2");
    let length = u8::try_from(body.len()).unwrap_or(0);
    [&[0x80, length][..], &body].concat()
}

fn vector16(octets: &[u8]) -> Vec<u8> {
    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], octets].concat()
}

fn extend(extensions: &mut Vec<u8>, number: u16, octets: &[u8]) {
    extensions.extend(number.to_be_bytes());
    extensions.extend(vector16(octets));
}

/// Sends a hello and reads the answer to its end: the last message of the server's turn, an alert, or the end.
pub(super) fn exchange(link: &mut Link, hello: &[u8], wait: Duration) -> Answer {
    link.send_more(hello);
    let (deadline, mut octets) = (Deadline::after(wait), Vec::new());
    loop {
        let answer = parse(&octets);
        let over = answer.alert.is_some() || answer.foreign || answer.messages.contains(&SERVER_HELLO_DONE);
        if over || octets.len() > ANSWER {
            return answer;
        }
        match link.octets(deadline) {
            Some(more) => octets.extend(more),
            None => return answer,
        }
    }
}

/// As much of an answer as is there.
fn parse(octets: &[u8]) -> Answer {
    let (mut answer, mut handshake, mut rest) = (Answer::default(), Vec::new(), octets);
    if octets.first().is_some_and(|kind| !(0x14..=0x17).contains(kind)) {
        answer.foreign = true;
        return answer;
    }
    while let Some((kind, body, others)) = split_record(rest) {
        match (kind, body) {
            (0x16, body) => handshake.extend_from_slice(body),
            (0x15, [level, description]) => answer.alert = Some((*level, *description)),
            _ => {}
        }
        rest = others;
    }
    let mut rest = handshake.as_slice();
    while let Some((kind, body, others)) = split_message(rest) {
        answer.messages.push(kind);
        if kind == SERVER_HELLO {
            read_server_hello(body, &mut answer);
        }
        rest = others;
    }
    answer
}

/// The type and body of the first record, and what is behind it.
fn split_record(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = octets.split_first_chunk::<5>()?;
    let [kind, _, _, high, low] = *head;
    let (body, others) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    Some((kind, body, others))
}

/// The type and body of the first handshake message, and what is behind it.
fn split_message(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = octets.split_first_chunk::<4>()?;
    let [kind, high, middle, low] = *head;
    let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()?;
    let (body, others) = rest.split_at_checked(length)?;
    Some((kind, body, others))
}

fn read_server_hello(body: &[u8], answer: &mut Answer) -> Option<()> {
    let (version, rest) = body.split_first_chunk::<2>()?;
    answer.version = Some(u16::from_be_bytes(*version));
    let (_, rest) = rest.split_at_checked(32)?;
    let (session, rest) = rest.split_first()?;
    let (_, rest) = rest.split_at_checked(usize::from(*session))?;
    let (suite, rest) = rest.split_first_chunk::<2>()?;
    answer.suite = u16::from_be_bytes(*suite);
    let (compression, rest) = rest.split_first()?;
    answer.compression = *compression;
    let (_, mut rest) = rest.split_at_checked(2)?;
    while let Some((head, others)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = *head;
        let (octets, others) = others.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
        answer.extensions.push((u16::from_be_bytes([a, b]), octets.to_vec()));
        rest = others;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_and_octet_by_octet() {
        // ServerHello of TLS 1.2 with an empty session id, suite C02F and two extensions, then ServerHelloDone.
        let mut hello = vec![3, 3];
        hello.extend([7; 32]);
        hello.extend([0, 0xc0, 0x2f, 0, 0, 9, 0xff, 0x01, 0, 1, 0, 0, 0x17, 0, 0]);
        let length = u8::try_from(hello.len()).unwrap();
        let messages = [&[2, 0, 0, length][..], &hello, &[14, 0, 0, 0]].concat();
        let octets = [&[0x16, 3, 3][..], &vector16(&messages)].concat();
        for cut in 0..octets.len() {
            assert_eq!(parse(&octets[..cut]), Answer::default(), "{cut}");
        }
        let answer = parse(&octets);
        assert_eq!(
            (answer.version, answer.suite, answer.messages.as_slice()),
            (Some(0x0303), 0xc02f, &[2, 14][..])
        );
        assert!(answer.extension(EXTENDED_MASTER_SECRET).is_some() && answer.extension(ALPN).is_none());
        assert_eq!(parse(&[0x15, 3, 3, 0, 2, 2, 70]).alert, Some((2, 70)));
        assert!(parse(b"+OK ready\r\n").foreign);
    }
}
