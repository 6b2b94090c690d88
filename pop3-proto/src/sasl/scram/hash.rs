//! The arithmetic of SCRAM: HMAC, hash and PBKDF2 for each of its hashes, and the keys that they make of a password.

use pbkdf2::hmac::{EagerHash, Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use super::message::Put;
use crate::sasl::SaslError;
use crate::sasl::server::ScramHash;

/// Octets of the longest hash.
const LONGEST: usize = 64;

/// A key, a signature or a proof: as many octets as the hash has. Wiped when it is dropped; without `Debug`.
#[derive(Clone)]
pub(super) struct Key {
    octets: [u8; LONGEST],
    length: usize,
}

impl Key {
    pub(super) const EMPTY: Self = Self { octets: [0; LONGEST], length: 0 };

    /// `octets`, if they are as many as `hash` has.
    pub(super) fn new(hash: ScramHash, octets: &[u8]) -> Option<Self> {
        if octets.len() == hash.octets() { Self::of(octets) } else { None }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }

    /// Compares in a time that does not depend on the contents.
    pub(super) fn equals(&self, other: &[u8]) -> bool {
        self.as_bytes().ct_eq(other).into()
    }

    pub(super) fn xor(mut self, other: &Self) -> Self {
        for (octet, mask) in self.octets.iter_mut().zip(&other.octets) {
            *octet ^= mask;
        }
        self
    }

    /// `octets`, if they are not more than the longest hash has.
    pub(super) fn of(octets: &[u8]) -> Option<Self> {
        let mut key = Self::EMPTY;
        key.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        key.length = octets.len();
        Some(key)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

/// A hash as SCRAM uses it. None of these fails: keys of any length will do for HMAC, which its types do not tell.
trait Function {
    fn digest(octets: &[u8]) -> Option<Key>;
    fn mac(key: &[u8], message: &dyn Fn(Put<'_>)) -> Option<Key>;
    fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Option<Key>;
}

impl<H: EagerHash> Function for H {
    fn digest(octets: &[u8]) -> Option<Key> {
        Key::of(&<H as Digest>::digest(octets))
    }

    fn mac(key: &[u8], message: &dyn Fn(Put<'_>)) -> Option<Key> {
        let mut mac = Hmac::<H>::new_from_slice(key).ok()?;
        message(&mut |piece| mac.update(piece));
        Key::of(&mac.finalize().into_bytes())
    }

    fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Option<Key> {
        let mut key = Key { octets: [0; LONGEST], length: <H as Digest>::output_size() };
        let octets = key.octets.get_mut(..key.length)?;
        pbkdf2::pbkdf2::<Hmac<H>>(password, salt, iterations, octets).ok()?;
        Some(key)
    }
}

pub(super) fn digest(hash: ScramHash, octets: &[u8]) -> Option<Key> {
    match hash {
        ScramHash::Sha1 => <Sha1 as Function>::digest(octets),
        ScramHash::Sha256 => <Sha256 as Function>::digest(octets),
        ScramHash::Sha512 => <Sha512 as Function>::digest(octets),
    }
}

/// HMAC over the message that `message` hands over in pieces.
pub(super) fn mac(hash: ScramHash, key: &[u8], message: &dyn Fn(Put<'_>)) -> Option<Key> {
    match hash {
        ScramHash::Sha1 => Sha1::mac(key, message),
        ScramHash::Sha256 => Sha256::mac(key, message),
        ScramHash::Sha512 => Sha512::mac(key, message),
    }
}

/// What a password becomes (R5802-2.1).
pub(super) struct Keys {
    pub(super) client: Key,
    pub(super) stored: Key,
    pub(super) server: Key,
}

impl Keys {
    /// Takes as long as `iterations` say.
    pub(super) fn derive(hash: ScramHash, password: &[u8], salt: &[u8], iterations: u32) -> Option<Self> {
        let salted = match hash {
            ScramHash::Sha1 => Sha1::salted_password(password, salt, iterations),
            ScramHash::Sha256 => Sha256::salted_password(password, salt, iterations),
            ScramHash::Sha512 => Sha512::salted_password(password, salt, iterations),
        }?;
        let client = mac(hash, salted.as_bytes(), &|put| put(b"Client Key"))?;
        Some(Self {
            stored: digest(hash, client.as_bytes())?,
            server: mac(hash, salted.as_bytes(), &|put| put(b"Server Key"))?,
            client,
        })
    }
}

/// Makes what a server keeps of a password for SCRAM with `hash` (RFC 5802 section 3, R5802-2.1): StoredKey and
/// ServerKey, to be given as [`Answer::ScramKeys`](crate::sasl::server::Answer::ScramKeys) together with `salt` and
/// `iterations`.
///
/// The salt is random, new for each password, 16 octets or more and [`MAX_SALT`](super::MAX_SALT) at most; the count is
/// [`MIN_ITERATIONS`](super::MIN_ITERATIONS) or more, or clients refuse it (R5802-5.3). The time it takes is that of the
/// count. The password is used as it is: prepare it first (RFC 4013, as a stored string) if it may hold more than ASCII.
///
/// # Errors
///
/// [`SaslError::Keys`]: `stored_key` or `server_key` is not [`ScramHash::octets`] long, the salt is too long, or the
/// count is 0. Nothing was written.
pub fn derive_keys(
    hash: ScramHash,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    stored_key: &mut [u8],
    server_key: &mut [u8],
) -> Result<(), SaslError> {
    let octets = hash.octets();
    if stored_key.len() != octets
        || server_key.len() != octets
        || salt.len() > super::MAX_SALT
        || iterations == 0
    {
        return Err(SaslError::Keys);
    }
    let keys = Keys::derive(hash, password, salt, iterations).ok_or(SaslError::Keys)?;
    stored_key.copy_from_slice(keys.stored.as_bytes());
    server_key.copy_from_slice(keys.server.as_bytes());
    Ok(())
}
