//! The `tls-server-end-point` channel binding (RFC 5929 section 4): a hash of the server's certificate.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::der::{Element, OBJECT_IDENTIFIER, Parts, Reader, SEQUENCE, constructed};

/// The binding of a certificate in DER: the hash of its signature, SHA-256 in place of MD5 and SHA-1.
///
/// `None`: the signature has no hash (Ed25519), several, or one that is unknown here, and the binding is not defined
/// (R5929-4.1).
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match hash_of(Parts::of(certificate)?.signature_algorithm)? {
        Hash::Sha224 => Sha224::digest(certificate).to_vec(),
        Hash::Md5 | Hash::Sha1 | Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// The hash of a signature, from the inside of its AlgorithmIdentifier (RFC 4055, RFC 5758).
fn hash_of(mut algorithm: Reader<'_>) -> Option<Hash> {
    let identifier = algorithm.next(OBJECT_IDENTIFIER)?.content;
    if let Some(last) = identifier.strip_prefix(PKCS_1) {
        return match last {
            [4] => Some(Hash::Md5),
            [5] => Some(Hash::Sha1),
            [10] => hash_of_pss(algorithm.next(SEQUENCE)?),
            [11] => Some(Hash::Sha256),
            [12] => Some(Hash::Sha384),
            [13] => Some(Hash::Sha512),
            [14] => Some(Hash::Sha224),
            _ => None,
        };
    }
    match identifier.strip_prefix(ECDSA)? {
        [1] => Some(Hash::Sha1),
        [3, 1] => Some(Hash::Sha224),
        [3, 2] => Some(Hash::Sha256),
        [3, 3] => Some(Hash::Sha384),
        [3, 4] => Some(Hash::Sha512),
        _ => None,
    }
}

/// The hash of an RSASSA-PSS signature, from its parameters. The mask must be made with the same one, or there are two.
fn hash_of_pss(parameters: Element<'_>) -> Option<Hash> {
    let mut parameters = Reader(parameters.content);
    let hash = match parameters.next(constructed(0)) {
        Some(hash) => hash_named(Reader(hash.content))?,
        None => Hash::Sha1,
    };
    let of_mask = match parameters.next(constructed(1)) {
        Some(mask) => {
            let mut mask = Reader(mask.content).sequence()?;
            let is_mgf1 = mask.next(OBJECT_IDENTIFIER)?.content.strip_prefix(PKCS_1) == Some(&[8]);
            hash_named(mask).filter(|_| is_mgf1)?
        }
        None => Hash::Sha1,
    };
    (hash == of_mask).then_some(hash)
}

/// The hash that the next AlgorithmIdentifier names.
fn hash_named(mut reader: Reader<'_>) -> Option<Hash> {
    let identifier = reader.sequence()?.next(OBJECT_IDENTIFIER)?.content;
    if identifier == SHA_1 {
        return Some(Hash::Sha1);
    }
    match identifier.strip_prefix(SHA_2)? {
        [1] => Some(Hash::Sha256),
        [2] => Some(Hash::Sha384),
        [3] => Some(Hash::Sha512),
        [4] => Some(Hash::Sha224),
        _ => None,
    }
}

/// 1.2.840.113549.1.1
const PKCS_1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
/// 1.3.14.3.2.26
const SHA_1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
/// 2.16.840.1.101.3.4.2
const SHA_2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
