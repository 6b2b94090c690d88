//! Which certificates are believed, of servers and of clients, and what a peer with a wrong one gets.

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, SerialNumber, date_time_ymd};
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, SignatureScheme};

use super::super::pem::Pem;
use super::super::test_ca::Issued;
use super::*;

fn server_with(issued: &Issued) -> ServerTls {
    ServerTls::builder().certificate_pem(&issued.chain, &issued.key).build().unwrap()
}

/// The client's verdict on a server; checks that the server is told by an alert.
fn verdict(client_tls: &ClientTls, host: &str, server_tls: &ServerTls) -> CertificateError {
    let (client, server) = meet(client_tls, host, server_tls);
    let error = client.unwrap_err();
    assert!(error.is_certificate_error(), "{error:?}");
    assert!(matches!(server, Err(TransportError::Tls(Error::AlertReceived(_)))), "{server:?}");
    match error {
        TransportError::Tls(Error::InvalidCertificate(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pb_c06_wrong_certificates_are_refused() {
    let ca = Ca::new();
    let client = ca.client_tls();
    let wrong_host = ca.issue(&["imap.example.org"], |_| {});
    assert!(matches!(
        verdict(&client, HOST, &server_with(&wrong_host)),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    ));
    let expired = ca.issue(&[HOST], |params| params.not_after = date_time_ymd(2020, 1, 1));
    assert!(matches!(
        verdict(&client, HOST, &server_with(&expired)),
        CertificateError::Expired | CertificateError::ExpiredContext { .. }
    ));
    let early = ca.issue(&[HOST], |params| params.not_before = date_time_ymd(3000, 1, 1));
    assert!(matches!(
        verdict(&client, HOST, &server_with(&early)),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
    ));
    assert_eq!(verdict(&client, HOST, &server_with(&self_signed(&[HOST]))), CertificateError::UnknownIssuer);
    let other = Ca::new();
    let foreign = server_with(&other.issue(&[HOST], |_| {}));
    assert_eq!(verdict(&client, HOST, &foreign), CertificateError::UnknownIssuer);
    let for_clients = ca.issue(&[HOST], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert!(matches!(
        verdict(&client, HOST, &server_with(&for_clients)),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }
    ));
}

#[test]
fn r7817_3_4_common_name_does_not_count() {
    let ca = Ca::new();
    let common_name =
        |params: &mut CertificateParams| params.distinguished_name.push(DnType::CommonName, HOST);
    for names in [&[][..], &["other.example.org"]] {
        let server = server_with(&ca.issue(names, common_name));
        assert!(matches!(
            verdict(&ca.client_tls(), HOST, &server),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ));
    }
}

#[test]
fn r7817_3_5_wildcards_match_one_whole_label() {
    let ca = Ca::new();
    let client = ca.client_tls();
    let server = server_with(&ca.issue(&["*.example.org"], |_| {}));
    for (host, good) in [
        ("pop.example.org", true),
        ("POP.EXAMPLE.ORG", true),
        ("pop.example.org.", true),
        ("example.org", false),
        ("a.b.example.org", false),
    ] {
        assert_eq!(meet(&client, host, &server).0.is_ok(), good, "{host}");
    }
    for pattern in ["p*.example.org", "*p.example.org", "pop.*.org"] {
        let server = server_with(&ca.issue(&[pattern], |_| {}));
        assert!(meet(&client, HOST, &server).0.is_err(), "{pattern}");
    }
}

#[test]
fn r9525_6_2_address_matches_address_only() {
    let ca = Ca::new();
    let client = ca.client_tls();
    let server = server_with(&ca.issue(&["192.0.2.1", "2001:db8::1"], |_| {}));
    for host in ["192.0.2.1", "2001:db8::1", "2001:DB8:0::1"] {
        let (client, server) = meet(&client, host, &server);
        // R9325-3.7: no name is sent for an address.
        assert_eq!(server.unwrap().tls().unwrap().server_name(), None, "{host}");
        assert!(client.unwrap().tls().unwrap().server_name().is_some());
    }
    for host in ["192.0.2.2", "2001:db8::2", HOST] {
        assert!(meet(&client, host, &server).0.is_err(), "{host}");
    }
    let by_name = server_with(&ca.issue(&[HOST, "*.0.2.1"], |_| {}));
    assert!(meet(&client, "192.0.2.1", &by_name).0.is_err());
}

#[test]
fn r9325_7_5_revoked_servers_are_refused() {
    let ca = Ca::new();
    let serial = |number: u8| {
        move |params: &mut CertificateParams| params.serial_number = Some(SerialNumber::from_slice(&[number]))
    };
    let good = server_with(&ca.issue(&[HOST], serial(7)));
    let revoked = server_with(&ca.issue(&[HOST], serial(8)));
    let client = ca.client_builder().crl_pem(ca.revoke(&[8], 4000)).build().unwrap();
    assert!(meet(&client, HOST, &good).0.is_ok());
    assert_eq!(verdict(&client, HOST, &revoked), CertificateError::Revoked);
    // An expired list covers nothing, so it lets nobody in.
    let stale = ca.client_builder().crl_pem(ca.revoke(&[8], 2021)).build().unwrap();
    assert!(meet(&stale, HOST, &good).0.is_err());
    assert!(meet(&stale, HOST, &revoked).0.is_err());
    // A list of another authority covers nothing either, unless that is allowed.
    let other = Ca::new();
    let elsewhere = other.client_builder().ca_pem(&ca.pem).crl_pem(other.revoke(&[8], 4000));
    assert!(meet(&elsewhere.build().unwrap(), HOST, &good).0.is_err());
}

/// Counts how often a server asks for a certificate.
#[derive(Debug, Default)]
struct Asked(AtomicUsize);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[test]
fn r8314_4_2_no_certificate_request_unless_configured() {
    let ca = Ca::new();
    let optional =
        || ca.server_builder().client_ca_pem(&ca.pem).client_certificates(ClientCertificates::Optional);
    for (server, expected) in [
        (ca.server_tls(), 0),
        (ca.server_builder().only_tls12().build().unwrap(), 0),
        (optional().build().unwrap(), 1),
        (optional().only_tls12().build().unwrap(), 1),
    ] {
        let asked = Arc::new(Asked::default());
        let mut config = ClientConfig::clone(ca.client_tls().config());
        config.client_auth_cert_resolver = Arc::<Asked>::clone(&asked);
        let (client, server) = meet_well(&ClientTls::from_config(Arc::new(config)), &server);
        assert_eq!(asked.0.load(Ordering::SeqCst), expected, "{:?}", client.tls());
        assert!(server.tls().unwrap().peer_certificates().is_empty());
    }
}

/// A server that wants or may want certificates, in both versions.
fn asking(ca: &Ca, when: ClientCertificates) -> [ServerTls; 2] {
    let builder = || ca.server_builder().client_ca_pem(&ca.pem).client_certificates(when);
    [builder().only_tls12().build().unwrap(), builder().build().unwrap()]
}

fn client_with(ca: &Ca, issued: &Issued) -> ClientTls {
    ca.client_builder().client_certificate_pem(&issued.chain, &issued.key).build().unwrap()
}

#[test]
fn rdm_2_1h_certificate_is_handed_to_the_server() {
    let ca = Ca::new();
    let issued = ca.client("mrose");
    for when in [ClientCertificates::Optional, ClientCertificates::Required] {
        for server in asking(&ca, when) {
            let (client, server) = meet_well(&client_with(&ca, &issued), &server);
            let info = server.tls().unwrap();
            let expected = Pem::octets(issued.chain.as_bytes()).certificates().unwrap();
            assert_eq!(info.peer_certificates(), expected, "{info:?}");
            assert_eq!(client.tls().unwrap().peer_certificates().len(), 1, "the server's own");
            assert!(client.tls().unwrap().client_certificate_shown());
        }
    }
}

#[test]
fn rdm_2_1h_optional_lets_a_client_without_certificate_in() {
    let ca = Ca::new();
    for server in asking(&ca, ClientCertificates::Optional) {
        let (_client, server) = meet_well(&ca.client_tls(), &server);
        assert!(server.tls().unwrap().peer_certificates().is_empty());
    }
}

/// Under TLS 1.3 `connect_tls` itself succeeds; the refusal shows on the first read.
#[test]
fn rdm_2_1g_missing_certificate_is_told_as_such() {
    let ca = Ca::new();
    for server in asking(&ca, ClientCertificates::Required) {
        let (client, server) = meet(&ca.client_tls(), HOST, &server);
        let error = client.unwrap_err();
        assert!(matches!(error, TransportError::ClientCertificateRefused(_)), "{error:?}");
        assert!(!error.is_certificate_error(), "{error:?}");
        let why = server.unwrap_err();
        assert!(why.is_certificate_error(), "{why:?}");
    }
}

#[test]
fn rdm_2_1g_late_refusal_is_an_error_of_the_first_read_and_stays() {
    let ca = Ca::new();
    let [_, server_tls] = asking(&ca, ClientCertificates::Required);
    let (client, server) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| Transport::plain(server).accept_tls(&server_tls, long()).unwrap_err());
        let name = ServerName::parse(HOST).unwrap();
        let mut client = Transport::plain(client).connect_tls(&ca.client_tls(), &name, long()).unwrap();
        for _ in 0..3 {
            let error = client.read(&mut [0; 9], long()).unwrap_err();
            assert!(
                matches!(
                    error,
                    TransportError::ClientCertificateRefused(AlertDescription::CertificateRequired)
                ),
                "{error:?}"
            );
        }
    });
}

/// Also when the client has already written: a clean end follows the alert, no reset that could overtake it.
#[test]
fn rdm_2_1g_late_refusal_survives_what_the_client_wrote() {
    let ca = Ca::new();
    let [_, server_tls] = asking(&ca, ClientCertificates::Required);
    for run in 0..20 {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        thread::scope(|scope| {
            let refused =
                scope.spawn(|| Transport::plain(server).accept_tls(&server_tls, long()).unwrap_err());
            let name = ServerName::parse(HOST).unwrap();
            let mut client = Transport::plain(client).connect_tls(&ca.client_tls(), &name, long()).unwrap();
            client.write_all(&[b'x'; 10_000], LONG, long()).unwrap();
            let error = client.read(&mut [0; 9], long()).unwrap_err();
            assert!(matches!(error, TransportError::ClientCertificateRefused(_)), "{error:?}");
            let mut raw = client.get_ref();
            assert_eq!(raw.read(&mut [0; 9]).unwrap(), 0, "run {run}");
            drop(client);
            assert!(refused.join().unwrap().is_certificate_error());
        });
    }
}

#[test]
fn r4422_a_2_wrong_client_certificates_are_refused_even_where_none_is_needed() {
    let ca = Ca::new();
    let foreign = Ca::new().client("mrose");
    let expired = ca.issue(&[], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let for_servers = ca.issue(&[HOST], |_| {});
    for when in [ClientCertificates::Optional, ClientCertificates::Required] {
        for issued in [&foreign, &expired, &for_servers] {
            for server in asking(&ca, when) {
                let (client, server) = meet(&client_with(&ca, issued), HOST, &server);
                let error = client.unwrap_err();
                assert!(matches!(error, TransportError::ClientCertificateRefused(_)), "{when:?}: {error:?}");
                assert!(server.unwrap_err().is_certificate_error(), "{when:?}");
            }
        }
    }
}

#[test]
fn r9325_7_5_revoked_client_is_refused_on_its_next_connection() {
    let ca = Ca::new();
    let issued = ca.issue(&[], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from_slice(&[9]));
    });
    let client = client_with(&ca, &issued);
    let server = |list: String| {
        let builder = ca.server_builder().client_ca_pem(&ca.pem).client_crl_pem(list);
        builder.client_certificates(ClientCertificates::Required).build().unwrap()
    };
    meet_well(&client, &server(ca.revoke(&[8], 4000)));
    let (client, server) = meet(&client, HOST, &server(ca.revoke(&[8, 9], 4000)));
    let error = client.unwrap_err();
    assert!(
        matches!(error, TransportError::ClientCertificateRefused(AlertDescription::CertificateRevoked)),
        "{error:?}"
    );
    assert!(matches!(
        server.unwrap_err(),
        TransportError::Tls(Error::InvalidCertificate(CertificateError::Revoked))
    ));
}

#[test]
fn r8314_5_5_client_without_a_request_sends_no_certificate() {
    let ca = Ca::new();
    for server in [ca.server_tls(), ca.server_builder().only_tls12().build().unwrap()] {
        let (client, server) = meet_well(&client_with(&ca, &ca.client("mrose")), &server);
        assert!(server.tls().unwrap().peer_certificates().is_empty());
        assert!(!client.tls().unwrap().client_certificate_shown());
        assert!(!server.tls().unwrap().client_certificate_shown());
    }
}
