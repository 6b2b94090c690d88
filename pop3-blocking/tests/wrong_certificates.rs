//! A client meets servers with wrong certificates, on the TLS port and after STLS: each hears no credential.

#![cfg(any(feature = "aws-lc-rs", feature = "ring"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pop3_blocking::client::{ClientOptions, Connection, Error};
use pop3_blocking::tls::{ClientTls, ServerTls};
use pop3_blocking::{Deadline, Input, Transport};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};

const LIMIT: Duration = Duration::from_secs(30);

fn long() -> Deadline {
    Deadline::after(LIMIT)
}

/// An authority.
struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn server(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> ServerTls {
        let (mut params, key) = (params(names), KeyPair::generate().unwrap());
        change(&mut params);
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        ServerTls::builder().certificate_pem(chain, key.serialize_pem()).build().unwrap()
    }

    /// Revokes serial number 9.
    fn list(&self) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[9]),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// What a server heard: lines in the clear, then octets under TLS.
type Heard = (Vec<String>, Vec<u8>);

/// Serves one client, `+OK` to all it says, at this port.
fn serve(tls: ServerTls, stls: bool) -> (u16, JoinHandle<Heard>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut clear = Vec::new();
        if stls {
            talk_in_the_clear(&stream, &mut clear);
            if clear.last().is_none_or(|line| line != "STLS") {
                return (clear, Vec::new());
            }
        }
        let Ok(mut transport) = Transport::plain(stream).accept_tls(&tls, long()) else {
            return (clear, Vec::new());
        };
        if !stls {
            drop(transport.write_all(b"+OK\r\n", LIMIT, long()));
        }
        let (mut heard, mut room) = (Vec::new(), [0; 999]);
        while let Ok(Input::Octets(octets)) = transport.read(&mut room, long()) {
            heard.extend_from_slice(&room[..octets]);
            let capa = room[..octets].starts_with(b"CAPA");
            let reply: &[u8] = if capa { b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n" } else { b"+OK\r\n" };
            if transport.write_all(reply, LIMIT, long()).is_err() {
                break;
            }
        }
        (clear, heard)
    });
    (port, heard)
}

fn talk_in_the_clear(stream: &TcpStream, heard: &mut Vec<String>) {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    writer.write_all(b"+OK\r\n").unwrap();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|octets| octets > 0) {
        let said = std::mem::take(&mut line).trim_end().to_owned();
        let capa = said == "CAPA";
        heard.push(said);
        let reply: &[u8] = if capa { b"+OK\r\nSTLS\r\nUSER\r\nSASL PLAIN\r\n.\r\n" } else { b"+OK\r\n" };
        writer.write_all(reply).unwrap();
        if heard.last().is_some_and(|line| line == "STLS") {
            // Whatever came behind it would be lost in the reader, and must not be there.
            assert!(reader.buffer().is_empty());
            return;
        }
    }
}

/// Connects and logs in as far as it goes. What the client says of it, and what the server heard.
fn meet(
    host: &str,
    client: &ClientTls,
    server: ServerTls,
    stls: bool,
) -> (Option<Error>, Vec<String>, Vec<u8>) {
    let (port, heard) = serve(server, stls);
    let connect = if stls { Connection::connect_stls } else { Connection::connect_tls };
    let error = match connect(host, port, client, ClientOptions::default()) {
        Ok(connection) => connection.login("mrose", "secret").err().map(|failed| failed.error),
        Err(error) => Some(error),
    };
    let (clear, heard) = heard.join().unwrap();
    (error, clear, heard)
}

/// Wrong in one thing each, for a client that goes to `localhost`.
fn wrong(ca: &Ca) -> Vec<(&'static str, ServerTls)> {
    let nothing = |_: &mut CertificateParams| {};
    let key = KeyPair::generate().unwrap();
    let own = params(&["localhost"]).self_signed(&key).unwrap().pem();
    let by_address = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    };
    vec![
        ("wrong host", ca.server(&["pop.example.org"], nothing)),
        ("host below", ca.server(&["a.localhost"], nothing)),
        ("expired", ca.server(&["localhost"], |it| it.not_after = date_time_ymd(2020, 1, 1))),
        ("not yet valid", ca.server(&["localhost"], |it| it.not_before = date_time_ymd(3000, 1, 1))),
        ("unknown authority", Ca::new("somebody").server(&["localhost"], nothing)),
        ("authority of the same name", Ca::new("authority").server(&["localhost"], nothing)),
        ("signed by itself", ServerTls::builder().certificate_pem(own, key.serialize_pem()).build().unwrap()),
        (
            "common name only",
            ca.server(&[], |it| it.distinguished_name.push(DnType::CommonName, "localhost")),
        ),
        (
            "common name beside another name",
            ca.server(&["x.example"], |it| it.distinguished_name.push(DnType::CommonName, "localhost")),
        ),
        ("wildcard alone", ca.server(&["*"], nothing)),
        ("wildcard below", ca.server(&["*.localhost"], nothing)),
        ("wildcard in a label", ca.server(&["local*"], nothing)),
        ("address of the host", ca.server(&[], by_address)),
        (
            "uri",
            ca.server(&[], |it| {
                it.subject_alt_names = vec![SanType::URI("pop://localhost".try_into().unwrap())];
            }),
        ),
        (
            "for clients",
            ca.server(&["localhost"], |it| {
                it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
            }),
        ),
        ("revoked", ca.server(&["localhost"], |it| it.serial_number = Some(SerialNumber::from_slice(&[9])))),
    ]
}

#[test]
fn r5034_4_18_r7817_3_1_r9525_6_6_rdm_2_2_pb_c06_no_credential_to_a_wrong_certificate() {
    let ca = Ca::new("authority");
    let client = ClientTls::builder().ca_pem(&ca.pem).crl_pem(ca.list()).build().unwrap();
    for stls in [false, true] {
        for (what, server) in wrong(&ca) {
            let (error, clear, heard) = meet("localhost", &client, server, stls);
            match error {
                Some(Error::Transport(error)) => assert!(error.is_certificate_error(), "{what}: {error:?}"),
                other => panic!("{what}: {other:?}"),
            }
            let allowed: &[&str] = if stls { &["CAPA", "STLS"] } else { &[] };
            assert_eq!(clear, allowed, "{what}");
            assert_eq!(heard.escape_ascii().to_string(), "", "{what}");
        }
    }
}

/// The same client, where nothing is wrong: the test above would see the password.
#[test]
fn r7817_3_2_right_dns_id_hears_the_login() {
    let ca = Ca::new("authority");
    let client = ClientTls::builder().ca_pem(&ca.pem).crl_pem(ca.list()).build().unwrap();
    for stls in [false, true] {
        for names in [&["localhost"][..], &["x.example", "LOCALHOST"]] {
            let (error, _, heard) = meet("localhost", &client, ca.server(names, |_| {}), stls);
            assert!(error.is_none(), "{names:?}: {error:?}");
            let heard = String::from_utf8(heard).unwrap();
            assert!(heard.contains("mrose") || heard.contains("AUTH PLAIN"), "{heard}");
        }
    }
}

#[test]
fn r9525_6_2_name_is_no_address_to_the_login() {
    let ca = Ca::new("authority");
    let client = ClientTls::builder().ca_pem(&ca.pem).build().unwrap();
    let address = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    };
    let name = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::DnsName("127.0.0.1".try_into().unwrap())];
    };
    for stls in [false, true] {
        assert!(meet("127.0.0.1", &client, ca.server(&[], address), stls).0.is_none());
        let (error, _, heard) = meet("127.0.0.1", &client, ca.server(&[], name), stls);
        assert!(matches!(error, Some(Error::Transport(error)) if error.is_certificate_error()));
        assert!(heard.is_empty());
    }
}

/// A pin of another key, though all else is right.
#[test]
fn r8314_5_3_pinned_key_decides_before_the_login() {
    let ca = Ca::new("authority");
    for stls in [false, true] {
        let other = ClientTls::builder().ca_pem(&ca.pem).pin_spki_sha256([7; 32]).build().unwrap();
        let (error, _, heard) = meet("localhost", &other, ca.server(&["localhost"], |_| {}), stls);
        assert!(matches!(error, Some(Error::Transport(error)) if error.is_certificate_error()));
        assert!(heard.is_empty());
    }
}
