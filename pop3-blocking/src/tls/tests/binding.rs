//! Channel bindings: the same on both sides, and what other programs compute.

use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    SignatureAlgorithm,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::super::binding::server_end_point;
use super::super::der::Parts;
use super::*;

/// Certificates with the values that OpenSSL computes for them.
const BY_OPENSSL: &str = include_str!("end_points.pem");

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn r5929_4_1_end_point_is_the_fingerprint_that_openssl_computes() {
    let certificates = CertificateDer::pem_slice_iter(BY_OPENSSL.as_bytes()).map(Result::unwrap);
    let told = BY_OPENSSL.lines().filter_map(|line| line.strip_prefix("# "));
    let mut seen = 0;
    for (certificate, told) in certificates.zip(told) {
        let [name, _, end_point, public_key] = told.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{told}")
        };
        let ours = server_end_point(&certificate).map_or_else(|| "none".into(), |octets| hex(&octets));
        assert_eq!(ours, end_point, "{name}");
        let parts = Parts::of(&certificate).unwrap();
        assert_eq!(hex(&Sha256::digest(parts.public_key)), public_key, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 12);
}

/// A server and a client that trusts it, with a certificate signed by its own key of this kind.
fn self_made(kind: &'static SignatureAlgorithm) -> (ServerTls, ClientTls) {
    let key = KeyPair::generate_for(kind).unwrap();
    let pem = CertificateParams::new(vec![HOST.to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let server = ServerTls::builder().certificate_pem(&pem, key.serialize_pem()).build().unwrap();
    (server, ClientTls::builder().ca_pem(&pem).build().unwrap())
}

#[test]
fn r5929_4_1_both_ends_agree() {
    let kinds =
        [(&PKCS_ECDSA_P256_SHA256, Some(32)), (&PKCS_ECDSA_P384_SHA384, Some(48)), (&PKCS_ED25519, None)];
    for (kind, octets) in kinds {
        let (server, client) = self_made(kind);
        let (client, server) = meet_well(&client, &server);
        let (ours, theirs) = (client.tls().unwrap(), server.tls().unwrap());
        assert_eq!(ours.tls_server_end_point(), theirs.tls_server_end_point(), "{kind:?}");
        assert_eq!(ours.tls_server_end_point().map(|value| value.len()), octets, "{kind:?}");
        assert_eq!(theirs.peer_spki_sha256(), None);
        assert!(ours.peer_spki_sha256().is_some());
    }
}

/// The session began under a certificate that the server has replaced since.
#[test]
fn r5929_4_1_resumed_session_is_bound_to_the_certificate_of_its_start() {
    let ca = Ca::new();
    let (client_tls, server_tls) = (ca.client_tls(), ca.server_tls());
    let values = || {
        let (client, server) = meet_well(&client_tls, &server_tls);
        let (ours, theirs) = (client.tls().unwrap(), server.tls().unwrap());
        let value = ours.tls_server_end_point();
        assert!(value.is_some());
        assert_eq!(value, theirs.tls_server_end_point(), "{theirs:?}");
        (theirs.is_resumed(), value)
    };
    let (resumed, first) = values();
    assert!(!resumed);
    let new = ca.issue(&[HOST], |_| {});
    server_tls.replace(ServerTls::builder().certificate_pem(&new.chain, &new.key)).unwrap();
    for _ in 0..3 {
        assert_eq!(values(), (true, first.clone()));
    }
    let fresh = meet_well(&ca.client_tls(), &server_tls);
    assert_ne!(fresh.0.tls().unwrap().tls_server_end_point(), first);
}

/// Old TLS without proof of the extended master secret: bound only where nothing is resumed.
#[test]
fn r7677_4_1_resumed_tls12_has_no_binding() {
    let ca = Ca::new();
    let (client_tls, server_tls) = (ca.client_builder().only_tls12().build().unwrap(), ca.server_tls());
    for resumed in [false, true] {
        let (client, server) = meet_well(&client_tls, &server_tls);
        let (ours, theirs) = (client.tls().unwrap(), server.tls().unwrap());
        assert_eq!(theirs.is_resumed(), resumed);
        assert_eq!(ours.tls_server_end_point(), theirs.tls_server_end_point());
        assert_eq!(ours.tls_server_end_point().is_some(), !resumed);
        assert_eq!([ours, theirs].map(|info| info.tls_exporter()), [None, None]);
    }
}

#[test]
fn r9266_3_1_exporter_on_tls12_takes_the_extended_master_secret() {
    let ca = Ca::new();
    let client = ca.client_builder().require_extended_master_secret().only_tls12().build().unwrap();
    let server = ca.server_builder().require_extended_master_secret().build().unwrap();
    let (client, server) = meet_well(&client, &server);
    let value = client.tls().unwrap().tls_exporter();
    assert!(value.is_some());
    assert_eq!(value, server.tls().unwrap().tls_exporter());
}
