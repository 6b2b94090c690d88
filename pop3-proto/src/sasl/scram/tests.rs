//! Vectors of the RFCs, played by both roles.

use super::kept::Kept;
use super::message::{self, First, Flag};
use super::*;
use crate::sasl::client::{self, Move};
use crate::sasl::server::{Answer, Query, ScramKeys, ServerInput, ServerMechanism as _, ServerStep, Setup};
use crate::sasl::{MAX_NAME, SaslError};
use std::string::{String, ToString as _};
use std::vec::Vec;
use std::{format, vec};

mod both;
mod client_side;
mod server_side;

/// A recorded login of `user` by `pencil`: the messages in turn, and what they rest on.
pub(super) struct Vector {
    pub(super) hash: ScramHash,
    pub(super) exporter: Option<[u8; 32]>,
    /// Base64.
    pub(super) salt: &'static str,
    pub(super) nonce: &'static str,
    pub(super) client_first: &'static str,
    pub(super) server_first: &'static str,
    pub(super) client_final: &'static str,
    pub(super) server_final: &'static str,
}

pub(super) const EXPORTER: [u8; 32] = {
    let mut value = [0; 32];
    let mut at = 0;
    while at < 32 {
        value[at] = at as u8;
        at += 1;
    }
    value
};

/// RFC 5802 section 5, RFC 7677 section 3, and the latter with a channel binding.
pub(super) const VECTORS: [Vector; 3] = [
    Vector {
        hash: ScramHash::Sha1,
        exporter: None,
        salt: "QSXCR+Q6sek8bf92",
        nonce: "fyko+d2lbbFgONRv9qkxdawL",
        client_first: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        server_first: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        client_final: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        server_final: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    },
    Vector {
        hash: ScramHash::Sha256,
        exporter: None,
        salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
        nonce: "rOprNGfwEbeRWgbNEkqO",
        client_first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
    Vector {
        hash: ScramHash::Sha256,
        exporter: Some(EXPORTER),
        salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
        nonce: "rOprNGfwEbeRWgbNEkqO",
        client_first: "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        client_final: "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
        server_final: "v=2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=",
    },
];

impl Vector {
    pub(super) fn scram(&self) -> Scram<'_> {
        let binding = self.exporter.as_ref().map_or(Binding::Unsupported, Binding::Exporter);
        Scram::new(self.hash, binding, None, "user", "pencil", self.nonce).unwrap()
    }

    /// What the server adds to the nonce: not as many octets as ours, so it is put in its place.
    pub(super) fn server(&self) -> ScramServer {
        let setup = Setup { exporter: self.exporter, ..Setup::default() };
        let mut server = ScramServer::new(self.hash, self.exporter.is_some(), &setup);
        let full = self.server_first.split_once(',').unwrap().0.strip_prefix("r=").unwrap();
        server.set_nonce(full.strip_prefix(self.nonce).unwrap());
        server
    }

    pub(super) fn keys(&self) -> Credentials {
        Credentials::new(self.hash, "pencil", &decoded(self.salt), 4096)
    }
}

/// What a user database holds.
pub(super) struct Credentials {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    pub(super) stored_key: Vec<u8>,
    pub(super) server_key: Vec<u8>,
}

impl Credentials {
    pub(super) fn new(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let (mut stored_key, mut server_key) = (vec![0; hash.octets()], vec![0; hash.octets()]);
        derive_keys(hash, password.as_bytes(), salt, iterations, &mut stored_key, &mut server_key).unwrap();
        Self { salt: salt.to_vec(), iterations, stored_key, server_key }
    }

    pub(super) fn answer(&self) -> Answer<'_> {
        let keys = ScramKeys::new(&self.salt, self.iterations, &self.stored_key, &self.server_key);
        Answer::ScramKeys(keys)
    }
}

/// What a step of a server came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Came {
    Challenge(String),
    Keys(String),
    Authorize(Option<String>, String),
    Done,
}

pub(super) fn step(server: &mut ScramServer, input: ServerInput<'_>) -> Result<Came, SaslError> {
    let mut out = Vec::new();
    // The lifetimes of a step tie the input to the mechanism; what came of it is copied.
    let came = match server.step(input, &mut out)? {
        ServerStep::Challenge => None,
        ServerStep::Ask(Query::ScramKeys { authcid, .. }) => Some(Came::Keys(authcid.to_string())),
        ServerStep::Ask(Query::Authorize { authzid, authcid }) => {
            Some(Came::Authorize(authzid.map(str::to_string), authcid.to_string()))
        }
        ServerStep::Ask(other) => panic!("{other:?}"),
        ServerStep::Done => Some(Came::Done),
    };
    Ok(came.unwrap_or_else(|| Came::Challenge(String::from_utf8(out).unwrap())))
}

pub(super) fn text(raw: &[u8]) -> String {
    let mut out = Vec::new();
    Base64::encode_to(raw, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

pub(super) fn decoded(text: &str) -> Vec<u8> {
    let text = Base64::new(text.as_bytes()).unwrap();
    let mut out = vec![0; text.decoded_len()];
    text.decode(&mut out).unwrap();
    out
}

#[test]
fn r5802_2_1_client_vectors() {
    for vector in &VECTORS {
        let mut scram = vector.scram();
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

#[test]
fn r5802_2_1_server_vectors() {
    for vector in &VECTORS {
        let (mut server, keys) = (vector.server(), vector.keys());
        let user = || "user".to_string();
        let first = ServerInput::Start(Some(vector.client_first.as_bytes()));
        assert_eq!(step(&mut server, first), Ok(Came::Keys(user())));
        let challenge = Came::Challenge(vector.server_first.to_string());
        assert_eq!(step(&mut server, ServerInput::Answer(keys.answer())), Ok(challenge));
        let last = ServerInput::Response(vector.client_final.as_bytes());
        assert_eq!(step(&mut server, last), Ok(Came::Authorize(None, user())));
        let signature = Came::Challenge(vector.server_final.to_string());
        assert_eq!(step(&mut server, ServerInput::Answer(Answer::Accepted)), Ok(signature));
        assert_eq!(step(&mut server, ServerInput::Response(b"")), Ok(Came::Done));
        assert_eq!(step(&mut server, ServerInput::Response(b"")), Err(SaslError::OutOfOrder));
    }
}

#[test]
fn r5802_2_1_derived_keys() {
    // By Python's hashlib and hmac.
    for (hash, salt, stored, server) in [
        (ScramHash::Sha1, "QSXCR+Q6sek8bf92", "6dlGYMOdZcOPutkcNY8U2g7vK9Y=", "D+CSWLOshSulAsxiupA+qs2/fTE="),
        (
            ScramHash::Sha256,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        ),
        (
            ScramHash::Sha512,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==",
            "jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA==",
        ),
    ] {
        let keys = Credentials::new(hash, "pencil", &decoded(salt), 4096);
        assert_eq!(text(&keys.stored_key), stored);
        assert_eq!(text(&keys.server_key), server);
    }
}

#[test]
fn r5802_5_3_keys_that_no_server_could_use_are_not_made() {
    let mut key = [7; 32];
    let mut made = |salt: usize, iterations, stored: usize, server: usize| {
        let (mut other, salt) = ([7; 64], vec![1; salt]);
        derive_keys(ScramHash::Sha1, b"p", &salt, iterations, &mut key[..stored], &mut other[..server])
    };
    assert_eq!(made(128, 1, 20, 20), Ok(()));
    for (salt, iterations, stored, server) in
        [(129, 1, 20, 20), (16, 0, 20, 20), (16, 1, 19, 20), (16, 1, 20, 21), (16, 1, 32, 32)]
    {
        assert_eq!(made(salt, iterations, stored, server), Err(SaslError::Keys));
    }
}

#[test]
fn r5802_5_1_every_message_is_written_as_it_is_read() {
    for (authzid, authcid, extensions) in [
        (None, "user", ""),
        (Some("a,b=c"), "=,=2C,", ""),
        (Some("="), ",", ",x=1,Y==,z=ä"),
        (None, "jürgen", ",x=y"),
    ] {
        for flag in Flag::ALL {
            let first = First { flag, authzid, authcid, nonce: "r!~", extensions };
            let mut message = Vec::new();
            first.message(&mut |piece| message.extend_from_slice(piece));
            assert_eq!(message::length(&|put| first.message(put)), message.len());
            let mut kept = Kept::EMPTY;
            kept.set(&message, |flag| flag.ok_or(BindingError::Unsupported)).unwrap();
            let read = kept.first();
            assert_eq!((read.flag, read.authzid, read.authcid), (flag, authzid, authcid));
            assert_eq!((read.nonce, read.extensions), ("r!~", extensions));
        }
    }
}
