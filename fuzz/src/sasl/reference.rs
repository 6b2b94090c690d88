//! What each side must say, from the RFCs alone, computed with other people's hashes.

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use pop3_proto::Base64;
use pop3_proto::sasl::server::ScramHash;
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha512};

use super::{Change, EXPORTER, ITERATIONS, PASSWORD, SALT, USER};

pub(super) fn mac(hash: ScramHash, key: &[u8], text: &[u8]) -> Vec<u8> {
    match hash {
        ScramHash::Sha1 => Hmac::<Sha1>::new_from_slice(key)
            .expect("a key")
            .chain_update(text)
            .finalize()
            .into_bytes()
            .to_vec(),
        ScramHash::Sha256 => Hmac::<Sha256>::new_from_slice(key)
            .expect("a key")
            .chain_update(text)
            .finalize()
            .into_bytes()
            .to_vec(),
        _ => Hmac::<Sha512>::new_from_slice(key)
            .expect("a key")
            .chain_update(text)
            .finalize()
            .into_bytes()
            .to_vec(),
    }
}

fn digest(hash: ScramHash, text: &[u8]) -> Vec<u8> {
    match hash {
        ScramHash::Sha1 => Sha1::digest(text).to_vec(),
        ScramHash::Sha256 => Sha256::digest(text).to_vec(),
        _ => Sha512::digest(text).to_vec(),
    }
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

pub(super) fn base64(octets: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    Base64::encode_to(octets, &mut text).expect("a Vec has room");
    text
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let text = Base64::new(text).ok()?;
    let mut octets = vec![0; text.decoded_len()];
    text.decode(&mut octets).ok().map(|octets| octets.to_vec())
}

/// Hi() of RFC 5802 section 2.2.
fn salted(hash: ScramHash, salt: &[u8], iterations: u32) -> Vec<u8> {
    let mut last = mac(hash, PASSWORD.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut sum = last.clone();
    for _ in 1..iterations {
        last = mac(hash, PASSWORD.as_bytes(), &last);
        sum = xor(&sum, &last);
    }
    sum
}

/// A SCRAM exchange as far as it went.
pub(super) struct ScramTalk<'a> {
    pub(super) hash: ScramHash,
    pub(super) client_first: &'a [u8],
    pub(super) server_first: &'a [u8],
    pub(super) salt: &'a [u8],
    pub(super) iterations: u32,
}

impl ScramTalk<'_> {
    /// gs2-header and client-first-message-bare.
    fn first(&self) -> Option<(&[u8], &[u8])> {
        let mut commas = self.client_first.iter().enumerate().filter(|(_, octet)| **octet == b',');
        let (_, end) = (commas.next()?, commas.next()?.0 + 1);
        Some(self.client_first.split_at(end))
    }

    fn nonce(&self) -> &[u8] {
        let end =
            self.server_first.iter().position(|&octet| octet == b',').unwrap_or(self.server_first.len());
        self.server_first[..end].strip_prefix(b"r=").unwrap_or_default()
    }

    fn keys(&self) -> (Vec<u8>, Vec<u8>) {
        let salted = salted(self.hash, self.salt, self.iterations);
        (mac(self.hash, &salted, b"Client Key"), mac(self.hash, &salted, b"Server Key"))
    }

    fn signed(&self, without_proof: &[u8]) -> Option<Vec<u8>> {
        Some([self.first()?.1, b",", self.server_first, b",", without_proof].concat())
    }

    /// client-final-message-without-proof.
    fn without_proof(&self) -> Option<Vec<u8>> {
        let header = self.first()?.0;
        let value = if header.starts_with(b"p=") { &EXPORTER[..] } else { &[] };
        Some([b"c=", &base64(&[header, value].concat())[..], b",r=", self.nonce()].concat())
    }

    fn proof(&self, without_proof: &[u8]) -> Option<Vec<u8>> {
        let (client_key, _) = self.keys();
        let signature = mac(self.hash, &digest(self.hash, &client_key), &self.signed(without_proof)?);
        Some(xor(&client_key, &signature))
    }

    /// The client's last message, changed before it was signed.
    pub(super) fn client_final(&self, change: Change) -> Option<Vec<u8>> {
        let mut without_proof = self.without_proof()?;
        change.apply(&mut without_proof);
        let proof = base64(&self.proof(&without_proof)?);
        Some([&without_proof, &b",p="[..], &proof].concat())
    }

    /// Whether a client that said this knows the password, at this end of the TLS connection.
    pub(super) fn proves(&self, client_final: &[u8]) -> bool {
        let Some(at) = client_final.windows(3).rposition(|part| part == b",p=") else { return false };
        let (without_proof, proof) = client_final.split_at(at);
        let Some(want) = self.without_proof() else { return false };
        let extended =
            without_proof.strip_prefix(&want[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b',');
        extended && decoded(&proof[3..]).is_some_and(|proof| Some(proof) == self.proof(without_proof))
    }

    /// The server's last message to what the client said.
    pub(super) fn server_final(&self, client_final: &[u8]) -> Option<Vec<u8>> {
        let at = client_final.windows(3).rposition(|part| part == b",p=")?;
        let (_, server_key) = self.keys();
        let signature = mac(self.hash, &server_key, &self.signed(&client_final[..at])?);
        Some([b"v=", &base64(&signature)[..]].concat())
    }
}

/// The server's first message to a client that keeps to the rules.
pub(super) fn server_first(client_first: &[u8], change: Change) -> Vec<u8> {
    let nonce =
        client_first.windows(3).position(|part| part == b",r=").map_or(&[][..], |at| &client_first[at + 3..]);
    let nonce = nonce.split(|&octet| octet == b',').next().unwrap_or_default();
    let mut message =
        [b"r=", nonce, b"+server,s=", &base64(SALT), format!(",i={ITERATIONS}").as_bytes()].concat();
    change.apply(&mut message);
    message
}

/// The answer to a challenge of CRAM-MD5 (RFC 2195).
pub(super) fn cram_md5(challenge: &[u8]) -> Vec<u8> {
    let digest =
        Hmac::<Md5>::new_from_slice(PASSWORD.as_bytes()).expect("a key").chain_update(challenge).finalize();
    let hex: String = digest.into_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{USER} {hex}").into_bytes()
}

pub(super) fn plain() -> Vec<u8> {
    format!("\0{USER}\0{PASSWORD}").into_bytes()
}

pub(super) fn oauthbearer() -> Vec<u8> {
    format!("n,a={USER},\x01host=h\x01port=995\x01auth=Bearer {PASSWORD}\x01\x01").into_bytes()
}

pub(super) fn xoauth2() -> Vec<u8> {
    format!("user={USER}\x01auth=Bearer {PASSWORD}\x01\x01").into_bytes()
}

/// StoredKey and ServerKey of the password, made without the code that is tested.
pub(super) fn kept(hash: ScramHash) -> &'static (Vec<u8>, Vec<u8>) {
    static KEPT: OnceLock<Vec<(Vec<u8>, Vec<u8>)>> = OnceLock::new();
    let all = KEPT.get_or_init(|| {
        let of = |hash| {
            let salted = salted(hash, SALT, ITERATIONS);
            (digest(hash, &mac(hash, &salted, b"Client Key")), mac(hash, &salted, b"Server Key"))
        };
        ScramHash::ALL.map(of).into()
    });
    &all[ScramHash::ALL.iter().position(|other| *other == hash).expect("one of them")]
}
