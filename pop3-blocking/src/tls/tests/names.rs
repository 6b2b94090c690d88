//! Many certificates in one server: which name gets which, and what happens when they are replaced.

use std::sync::atomic::AtomicBool;

use rcgen::{KeyPair, PKCS_ED25519};
use rustls::{AlertDescription, Error};
use sha2::{Digest, Sha256};

use super::super::der::Parts;
use super::super::pem::Pem;
use super::super::test_ca::{Issued, params};
use super::*;

/// Which certificate a client is shown that asks for `host` and takes any of `known`.
fn shown(known: &[&Issued], host: &str, server: &ServerTls) -> Result<Vec<u8>, TransportError> {
    let mut client = ClientTls::builder().trust_pins_alone();
    for issued in known {
        client = client.pin_spki_sha256(Sha256::digest(Parts::of(&der(issued)).unwrap().public_key).into());
    }
    let (client, _server) = meet(&client.build().unwrap(), host, server);
    Ok(client?.tls().unwrap().peer_certificates()[0].to_vec())
}

fn der(issued: &Issued) -> Vec<u8> {
    Pem::octets(issued.chain.as_bytes()).certificates().unwrap()[0].to_vec()
}

fn builder(certificates: &[&Issued]) -> ServerTlsBuilder {
    certificates.iter().fold(ServerTls::builder(), |builder, it| builder.certificate_pem(&it.chain, &it.key))
}

#[test]
fn pb_s55_r9325_3_7_name_table() {
    let ca = Ca::new();
    let first = ca.issue(&["pop.example.org", "mail.example.org"], |_| {});
    let wild = ca.issue(&["*.example.net"], |_| {});
    let exact = ca.issue(&["pop.example.net"], |_| {});
    let server = builder(&[&first, &wild, &exact]);
    let strict = server.clone().refuse_unknown_names().build().unwrap();
    let server = server.build().unwrap();
    for (host, expected, known) in [
        ("pop.example.org", &first, true),
        ("MAIL.example.ORG", &first, true),
        ("pop.example.net", &exact, true),
        ("imap.example.net", &wild, true),
        ("a.imap.example.net", &first, false),
        ("example.net", &first, false),
        ("net", &first, false),
        ("pop.example.com", &first, false),
        // No name is sent.
        ("192.0.2.1", &first, true),
    ] {
        assert_eq!(shown(&[&first, &wild, &exact], host, &server).unwrap(), der(expected), "{host}");
        match shown(&[&first, &wild, &exact], host, &strict) {
            Ok(certificate) => assert!(known && certificate == der(expected), "{host}"),
            Err(TransportError::Tls(Error::AlertReceived(AlertDescription::UnrecognisedName))) => {
                assert!(!known, "{host}");
            }
            Err(other) => panic!("{host}: {other:?}"),
        }
    }
}

/// A name with certificates of two kinds: who can check the first gets it, who cannot gets the other.
#[test]
fn r9325_3_7_client_gets_the_kind_it_can_check() {
    let ca = Ca::new();
    let modern = {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let pem = params(&[HOST]).self_signed(&key).unwrap().pem();
        Issued { chain: pem, key: key.serialize_pem() }
    };
    let usual = ca.issue(&[HOST], |_| {});
    let server = builder(&[&modern, &usual]).build().unwrap();
    let mut old = provider().unwrap().as_ref().clone();
    let p256 = rustls::SignatureScheme::ECDSA_NISTP256_SHA256;
    let mapping = old.signature_verification_algorithms.mapping;
    let only = *mapping.iter().find(|(scheme, _)| *scheme == p256).unwrap();
    old.signature_verification_algorithms.mapping = Box::leak(Box::new([only]));
    let old = ca.client_builder().crypto_provider(Arc::new(old)).build().unwrap();
    let (old, _server) = meet_well(&old, &server);
    assert_eq!(old.tls().unwrap().peer_certificates()[0].to_vec(), der(&usual));
    let new = ClientTls::builder().ca_pem(&modern.chain).build().unwrap();
    let (new, _server) = meet_well(&new, &server);
    assert_eq!(new.tls().unwrap().peer_certificates()[0].to_vec(), der(&modern));
}

#[test]
fn certificate_that_nobody_would_see_is_refused() {
    let ca = Ca::new();
    let (named, nameless) = (ca.issue(&[HOST], |_| {}), ca.client("mrose"));
    assert!(builder(&[&nameless, &named]).build().is_ok(), "the first needs no name");
    let error = builder(&[&named, &nameless]).build().unwrap_err();
    assert!(matches!(error, TlsConfigError::NoNames { .. }), "{error}");
}

/// Four clients knock without a pause while the certificates are swapped: each handshake succeeds and sees a whole set.
#[test]
fn pb_s55_replaced_under_load() {
    let ca = Ca::new();
    let hosts = ["pop.example.org", "pop.example.net"];
    let sets = [(); 2].map(|()| hosts.map(|host| ca.issue(&[host], |_| {})));
    let set = |index: usize| builder(&[&sets[index][0], &sets[index][1]]);
    let server = set(0).build().unwrap();
    let done = AtomicBool::new(false);
    let seen = [AtomicUsize::new(0), AtomicUsize::new(0)];
    thread::scope(|scope| {
        for knocker in 0..4 {
            let (ca, server, done, sets, seen) = (&ca, &server, &done, &sets, &seen);
            scope.spawn(move || {
                let which = knocker % 2;
                let expected = [der(&sets[0][which]), der(&sets[1][which])];
                while !done.load(Ordering::SeqCst) {
                    let (client, _server) = meet(&ca.client_tls(), hosts[which], server);
                    let shown = client.unwrap().tls().unwrap().peer_certificates()[0].to_vec();
                    let set = expected.iter().position(|it| *it == shown).unwrap();
                    seen[set].fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for round in 1..=20 {
            server.replace(set(round % 2)).unwrap();
            // What is replaced is seen by the next handshake.
            let now = shown(&[&sets[0][0], &sets[1][0]], hosts[0], &server).unwrap();
            assert_eq!(now, der(&sets[round % 2][0]), "round {round}");
        }
        while seen.iter().any(|count| count.load(Ordering::SeqCst) == 0) {
            server.replace(set(seen[0].load(Ordering::SeqCst) % 2)).unwrap();
            thread::yield_now();
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn pb_s55_bad_replacement_changes_nothing() {
    let (old, new) = (Ca::new(), Ca::new());
    let server = old.server_tls();
    let clone = server.clone();
    assert!(meet(&new.client_tls(), HOST, &clone).0.is_err());
    let (good, other) = (new.issue(&[HOST], |_| {}), new.issue(&[HOST], |_| {}));
    let with = |chain: &str, key: &str| server.replace(ServerTls::builder().certificate_pem(chain, key));
    assert!(matches!(with(&good.chain, &other.key), Err(TlsConfigError::Tls(Error::InconsistentKeys(_)))));
    assert!(matches!(
        server.replace(ServerTls::builder().certificate_files("/nonexistent", "/x")),
        Err(TlsConfigError::Read { .. })
    ));
    let (_client, _server) = meet_well(&old.client_tls(), &clone);
    with(&good.chain, &good.key).unwrap();
    let (_client, _server) = meet_well(&new.client_tls(), &clone);
    let foreign = ServerTls::from_config(server.config());
    assert!(matches!(foreign.reload(), Err(TlsConfigError::ForeignConfig)));
}

/// Certificates, authorities and revocation lists: all files are read again, or none.
#[test]
fn pb_s55_r9325_7_5_files_are_read_again() {
    let directory = std::env::temp_dir().join(format!("pop3-tls-reload-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (ca, new) = (Ca::new(), Ca::new());
    let write = |ca: &Ca, revoked: &[u8]| {
        let issued = ca.issue(&[HOST], |_| {});
        (
            file("cert", &issued.chain),
            file("key", &issued.key),
            file("ca", &ca.pem),
            file("crl", &ca.revoke(revoked, 4000)),
        )
    };
    let client = |ca: &Ca| {
        let issued = ca.issue(&[], |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            params.serial_number = Some(rcgen::SerialNumber::from_slice(&[9]));
        });
        ca.client_builder().client_certificate_pem(&issued.chain, &issued.key).build().unwrap()
    };
    let (cert, key, authority, list) = write(&ca, &[]);
    let server = ServerTls::builder()
        .certificate_files(cert, key)
        .client_certificates(ClientCertificates::Required)
        .client_ca_file(authority)
        .client_crl_file(list)
        .build()
        .unwrap();
    let _both = meet_well(&client(&ca), &server);
    write(&ca, &[9]);
    let _both = meet_well(&client(&ca), &server);
    server.reload().unwrap();
    assert!(matches!(
        meet(&client(&ca), HOST, &server).0,
        Err(TransportError::ClientCertificateRefused(AlertDescription::CertificateRevoked))
    ));
    write(&new, &[]);
    file("crl", "no list");
    assert!(matches!(server.reload(), Err(TlsConfigError::Pem { .. })));
    assert!(meet(&client(&new), HOST, &server).0.is_err(), "half of it was taken");
    write(&new, &[]);
    server.reload().unwrap();
    let _both = meet_well(&client(&new), &server);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Whoever has a session goes on with it.
#[test]
fn r9325_3_4_tickets_outlive_a_replacement() {
    let ca = Ca::new();
    let (client, server) = (ca.client_tls(), ca.server_tls());
    let _both = meet_well(&client, &server);
    server.reload().unwrap();
    assert!(meet_well(&client, &server).1.tls().unwrap().is_resumed());
    // Not into a configuration where a certificate is to be shown each time (RDM-2.1j).
    let asking = ca.server_builder().client_ca_pem(&ca.pem).client_certificates(ClientCertificates::Optional);
    server.replace(asking).unwrap();
    assert!(!meet_well(&client, &server).1.tls().unwrap().is_resumed());
}
