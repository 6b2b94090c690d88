//! Servers that may go by several names or as a service, and servers known by their key.

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, NameConstraints, date_time_ymd};
use rustls::CertificateError;
use sha2::{Digest, Sha256};

use super::super::der::Parts;
use super::super::pem::Pem;
use super::super::test_ca::{Issued, self_signed};
use super::*;

const DNS_SRV: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x07];
const XMPP: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x05];

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

fn other_name(identifier: &[u8], string_tag: u8, text: &str) -> Vec<u8> {
    element(0xa0, &[identifier, &element(0xa0, &element(string_tag, text.as_bytes()))].concat())
}

fn srv(text: &str) -> Vec<u8> {
    other_name(DNS_SRV, 0x16, text)
}

fn dns(name: &str) -> Vec<u8> {
    element(0x82, name.as_bytes())
}

/// A subject alternative name of these.
fn names(names: &[Vec<u8>]) -> CustomExtension {
    CustomExtension::from_oid_content(&[2, 5, 29, 17], element(0x30, &names.concat()))
}

fn server(issued: &Issued) -> ServerTls {
    ServerTls::builder().certificate_pem(&issued.chain, &issued.key).build().unwrap()
}

fn server_with(ca: &Ca, alternatives: &[Vec<u8>]) -> ServerTls {
    server(&ca.issue(&[], |params| params.custom_extensions.push(names(alternatives))))
}

fn service(service: SrvService) -> ServerName {
    ServerName::parse("example.org").unwrap().or_service(service, "example.org").unwrap()
}

/// A client's verdict on a server that should go by `name`.
fn judge(client: &ClientTls, name: &ServerName, server: &ServerTls) -> Outcome {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let _server = scope.spawn(move || Transport::plain(theirs).accept_tls(server, long()));
        Transport::plain(ours).connect_tls(client, name, long())
    })
}

#[test]
fn r7817_3_3_service_and_domain_match_as_a_pair() {
    let ca = Ca::new();
    let client = ca.client_tls();
    let cases: [(Vec<u8>, [bool; 2]); 13] = [
        (srv("_pop3s.example.org"), [true, false]),
        (srv("_POP3S.Example.ORG"), [true, false]),
        (srv("_pop3.example.org"), [false, true]),
        (srv("_imaps.example.org"), [false; 2]),
        (srv("_pop3s.example.net"), [false; 2]),
        (srv("_pop3s._tcp.example.org"), [false; 2]),
        (srv("_pop3s.mail.example.org"), [false; 2]),
        (srv("_pop3s.*.org"), [false; 2]),
        (srv("example.org"), [false; 2]),
        (srv(""), [false; 2]),
        // Another kind of name, another kind of string, and a host name.
        (other_name(XMPP, 0x16, "_pop3s.example.org"), [false; 2]),
        (other_name(DNS_SRV, 0x0c, "_pop3s.example.org"), [false; 2]),
        (dns("pop3s.example.org"), [false; 2]),
    ];
    for (id, expected) in cases {
        // The pair must stand in one name: the halves of it in two are none.
        let halves = [srv("_pop3s.example.com"), srv("_imap.example.org")];
        for alternatives in [vec![id.clone()], [&halves[..], &[dns("host.example.com"), id.clone()]].concat()]
        {
            let server = server_with(&ca, &alternatives);
            let matches =
                [SrvService::Pop3s, SrvService::Pop3].map(|it| judge(&client, &service(it), &server).is_ok());
            assert_eq!(matches, expected, "{}", id.escape_ascii());
        }
    }
}

#[test]
fn r7817_3_1_any_reference_will_do_and_no_other() {
    let ca = Ca::new();
    let client = ca.client_tls();
    let name = service(SrvService::Pop3s).or_name("pop.example.net").unwrap();
    for (alternatives, good) in [
        (vec![dns("example.org")], true),
        (vec![dns("pop.example.net")], true),
        (vec![dns("*.example.net")], true),
        (vec![srv("_pop3s.example.org")], true),
        // The host that unsigned records led to, and whom its certificate names.
        (vec![dns("pop.example.com")], false),
        (vec![dns("pop.example.com"), srv("_pop3s.example.com")], false),
        (vec![dns("pop.example.org")], false),
    ] {
        let server = server_with(&ca, &alternatives);
        assert_eq!(judge(&client, &name, &server).is_ok(), good, "{alternatives:?}");
        // Nothing is remembered that would let a session of one name in under another.
        let again = judge(&client, &name, &server);
        assert!(again.is_err() || !again.unwrap().tls().unwrap().is_resumed());
    }
    // Whoever asks for a name alone gets no service.
    let service_only = server_with(&ca, &[srv("_pop3s.example.org")]);
    let error = judge(&client, &ServerName::parse("example.org").unwrap(), &service_only).unwrap_err();
    assert!(error.is_certificate_error(), "{error:?}");
}

/// A right name makes nothing else right.
#[test]
fn r7817_3_3_service_of_a_certificate_that_is_not_good_is_refused() {
    let ca = Ca::new();
    let extension = || names(&[srv("_pop3s.example.org")]);
    let name = service(SrvService::Pop3s);
    let expired = ca.issue(&[], |params| {
        params.custom_extensions.push(extension());
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let for_clients = ca.issue(&[], |params| {
        params.custom_extensions.push(extension());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let foreign = Ca::new().issue(&[], |params| params.custom_extensions.push(extension()));
    for issued in [expired, for_clients, foreign] {
        let error = judge(&ca.client_tls(), &name, &server(&issued)).unwrap_err();
        assert!(error.is_certificate_error(), "{error:?}");
        assert!(!error.to_string().contains("not valid for"), "{error}");
    }
}

/// An authority that may vouch for one domain only: the constraint does not speak of services, so it vouches for none.
#[test]
fn r7817_3_3_constrained_authority_vouches_for_no_service() {
    let ca = Ca::new();
    let below = |constraints: Option<NameConstraints>| {
        let (below, chain) = ca.below(constraints);
        let issued =
            below.issue(&[], |params| params.custom_extensions.push(names(&[srv("_pop3s.example.org")])));
        server(&Issued { chain: issued.chain + &chain, key: issued.key })
    };
    let constraints = NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".into())],
        excluded_subtrees: Vec::new(),
    };
    let name = service(SrvService::Pop3s);
    assert!(judge(&ca.client_tls(), &name, &below(None)).is_ok());
    assert!(judge(&ca.client_tls(), &name, &below(Some(constraints))).is_err());
}

/// The system's verifier may look at the name first; what else it has to say is asked under a name of the certificate.
#[test]
#[cfg(feature = "platform-verifier")]
fn r7817_3_3_platform_judges_all_but_the_service() {
    let ca = Ca::new();
    let client = ClientTls::builder().platform_roots().ca_pem(&ca.pem).build().unwrap();
    let name = service(SrvService::Pop3s);
    for host in ["pop.example.com", "*.example.com"] {
        let good = server_with(&ca, &[dns(host), srv("_pop3s.example.org")]);
        assert!(judge(&client, &name, &good).is_ok());
        let foreign = server_with(&Ca::new(), &[dns(host), srv("_pop3s.example.org")]);
        assert!(judge(&client, &name, &foreign).unwrap_err().is_certificate_error());
    }
    assert!(judge(&client, &name, &server_with(&ca, &[srv("_pop3s.example.org")])).is_err());
}

fn pin_of(client: &ClientTls, server: &ServerTls) -> [u8; 32] {
    meet_well(client, server).0.tls().unwrap().peer_spki_sha256().unwrap()
}

#[test]
fn r8314_5_3_pb_c06_pin_is_wanted_besides_all_else() {
    let ca = Ca::new();
    let server = ca.server_tls();
    let pin = pin_of(&ca.client_tls(), &server);
    let pinned = |pins: &[[u8; 32]]| {
        pins.iter().fold(ca.client_builder(), |builder, pin| builder.pin_spki_sha256(*pin)).build().unwrap()
    };
    for client in [pinned(&[pin]), pinned(&[[0; 32], pin])] {
        let (_client, _server) = meet_well(&client, &server);
        assert!(meet(&client, "imap.example.org", &server).0.unwrap_err().is_certificate_error());
    }
    let error = meet(&pinned(&[[0; 32]]), HOST, &server).0.unwrap_err();
    assert!(error.is_certificate_error(), "{error:?}");
    assert!(error.to_string().contains("KeyNotPinned"), "{error}");
    // The right key in a certificate that nobody trusts.
    let stranger = self_signed(&[HOST]);
    let stranger_tls = ServerTls::builder().certificate_pem(&stranger.chain, &stranger.key).build().unwrap();
    let pin = pin_of(&ClientTls::builder().ca_pem(&stranger.chain).build().unwrap(), &stranger_tls);
    assert!(meet(&pinned(&[pin]), HOST, &stranger_tls).0.unwrap_err().is_certificate_error());
}

#[test]
fn r8314_5_3_pins_alone_trust_that_key_whatever_its_certificate_says() {
    let ca = Ca::new();
    let issued = ca.issue(&["other.example.org"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let server_tls = server(&issued);
    let der = Pem::octets(issued.chain.as_bytes()).certificates().unwrap();
    let pin = Sha256::digest(Parts::of(&der[0]).unwrap().public_key).into();
    let client = ClientTls::builder().pin_spki_sha256(pin).trust_pins_alone();
    let (_client, _server) = meet_well(&client.clone().build().unwrap(), &server_tls);
    assert!(meet(&client.build().unwrap(), HOST, &ca.server_tls()).0.unwrap_err().is_certificate_error());
}

/// Who shows the certificate must hold its key: the signature of the handshake is checked under pins too.
#[test]
fn r8314_5_3_pinned_certificate_without_its_key_is_refused() {
    let (issued, thief) = (self_signed(&[HOST]), self_signed(&[HOST]));
    let pin = pin_of(&ClientTls::builder().ca_pem(&issued.chain).build().unwrap(), &server(&issued));
    let provider = provider().unwrap();
    let pem = |text: &str| Pem::octets(text.as_bytes());
    let key = provider.key_provider.load_private_key(pem(&thief.key).private_key().unwrap()).unwrap();
    let stolen = rustls::sign::CertifiedKey::new(pem(&issued.chain).certificates().unwrap(), key);
    let mut config = rustls::ServerConfig::clone(&server(&thief).config());
    config.cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(stolen));
    let thief = ServerTls::from_config(Arc::new(config));
    for only_tls12 in [false, true] {
        let mut client = ClientTls::builder().pin_spki_sha256(pin).trust_pins_alone();
        if only_tls12 {
            client = client.only_tls12();
        }
        let error = meet(&client.build().unwrap(), HOST, &thief).0.unwrap_err();
        assert!(
            matches!(
                error,
                TransportError::Tls(rustls::Error::InvalidCertificate(CertificateError::BadSignature))
            ),
            "{error:?}"
        );
    }
}

#[test]
fn r8314_5_3_pins_alone_need_a_pin_and_no_authority() {
    let ca = Ca::new();
    for builder in [
        ClientTls::builder().trust_pins_alone(),
        ca.client_builder().pin_spki_sha256([1; 32]).trust_pins_alone(),
        ClientTls::builder().crl_pem(ca.revoke(&[], 4000)).pin_spki_sha256([1; 32]).trust_pins_alone(),
    ] {
        assert!(matches!(builder.build(), Err(TlsConfigError::PinsNotAlone)));
    }
    assert!(matches!(
        ClientTls::builder().pin_spki_sha256([1; 32]).build(),
        Err(TlsConfigError::Verifier(_) | TlsConfigError::NoRoots)
    ));
}
