//! Vectors of the RFCs, played by both roles.

use super::*;
use crate::sasl::client::{self, Move};

use std::string::String;
use std::vec::Vec;

fn text(raw: &[u8]) -> String {
    let mut out = Vec::new();
    Base64::encode_to(raw, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A recorded login: messages in turn.
struct Vector {
    hash: ScramHash,
    exporter: Option<[u8; 32]>,
    nonce: &'static str,
    client_first: &'static str,
    server_first: &'static str,
    client_final: &'static str,
    server_final: &'static str,
}

const EXPORTER: [u8; 32] = {
    let mut value = [0; 32];
    let mut at = 0;
    while at < 32 {
        value[at] = at as u8;
        at += 1;
    }
    value
};

/// V4, V5 and V6: RFC 5802 section 5, RFC 7677 section 3, and the latter with a channel binding.
const VECTORS: [Vector; 3] = [
    Vector {
        hash: ScramHash::Sha1,
        exporter: None,
        nonce: "fyko+d2lbbFgONRv9qkxdawL",
        client_first: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        server_first: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        client_final: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        server_final: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    },
    Vector {
        hash: ScramHash::Sha256,
        exporter: None,
        nonce: "rOprNGfwEbeRWgbNEkqO",
        client_first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
    Vector {
        hash: ScramHash::Sha256,
        exporter: Some(EXPORTER),
        nonce: "rOprNGfwEbeRWgbNEkqO",
        client_first: "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        client_final: "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
        server_final: "v=2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=",
    },
];

#[test]
fn r5802_2_1_client_vectors() {
    for vector in &VECTORS {
        let binding = vector.exporter.as_ref().map_or(Binding::Unsupported, Binding::Exporter);
        let mut scram = Scram::new(vector.hash, binding, None, "user", "pencil", vector.nonce).unwrap();
        let mut exchange = client::Exchange::new(&mut scram);
        let mut scratch = [0; 512];
        let first = exchange.start(&mut scratch).unwrap();
        assert_eq!(first.mechanism, name(vector.hash, vector.exporter.is_some()));
        assert_eq!(first.initial.unwrap(), vector.client_first.as_bytes());
        for (challenge, response) in [(vector.server_first, vector.client_final), (vector.server_final, "")] {
            let challenge = text(challenge.as_bytes());
            match exchange.challenge(Base64::new(challenge.as_bytes()).unwrap(), &mut scratch).unwrap() {
                Move::Respond(raw) => assert_eq!(core::str::from_utf8(raw), Ok(response)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(exchange.success(), Ok(()));
    }
}
