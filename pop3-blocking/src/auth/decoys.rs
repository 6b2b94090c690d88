//! Credentials for users that do not exist: [`Decoys`].

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use pop3_proto::sasl::server::ScramHash;
use sha2::Sha512;
use zeroize::Zeroizing;

use super::{ScramKeys, SharedSecret};
use crate::random;

/// Makes up SCRAM keys and secrets for unknown users, the same for a name at each try, so that the exchange with one
/// looks like that with a known user and fails at its end (R5802-5.9, R26).
///
/// All is computed from a secret. Who wants a name to have the same salt after a restart keeps the secret:
/// [`from_secret`](Self::from_secret).
pub struct Decoys {
    secret: Zeroizing<Vec<u8>>,
}

/// The length of the salts made up here, and of those in a users file's new entries, in octets.
pub(super) const SALT_OCTETS: usize = 16;

/// The length of the secrets made up here, in octets.
const SECRET_OCTETS: usize = 16;

impl Decoys {
    /// Decoys from a random secret that lives as long as the value; `None` if there are no random octets to be had
    /// (no cryptography provider).
    pub fn random() -> Option<Self> {
        let mut secret = Zeroizing::new(vec![0; 32]);
        random::fill(&mut secret).ok()?;
        Some(Self { secret })
    }

    /// Decoys from a secret that is kept somewhere: 16 random octets or more.
    pub fn from_secret(secret: impl Into<Vec<u8>>) -> Self {
        Self { secret: Zeroizing::new(secret.into()) }
    }

    /// Keys that nobody can prove to have. Give them the `iterations` that the keys of most users have.
    pub fn scram_keys(&self, user: &str, hash: ScramHash, iterations: u32) -> ScramKeys {
        let stored_key = self.compute("stored key", user, hash);
        let server_key = self.compute("server key", user, hash);
        let octets = hash.octets();
        let cut = |key: &[u8; 64]| key.get(..octets).unwrap_or(key).to_vec();
        ScramKeys::new(self.salt(user, hash), iterations, cut(&stored_key), cut(&server_key))
    }

    /// A salt of 16 octets. It is also the one to derive keys with where only the password itself is stored.
    pub fn salt(&self, user: &str, hash: ScramHash) -> Vec<u8> {
        let salt = self.compute("salt", user, hash);
        salt.get(..SALT_OCTETS).unwrap_or(&*salt).to_vec()
    }

    /// A password that nobody has. It has 16 octets, so that a digest over it takes no longer than over those that people
    /// choose.
    pub fn secret(&self, user: &str) -> SharedSecret {
        let secret = self.compute("secret", user, ScramHash::Sha1);
        SharedSecret::new(secret.get(..SECRET_OCTETS).unwrap_or(&*secret))
    }

    /// HMAC of what makes the value another one; no two of the inputs run together.
    fn compute(&self, what: &'static str, user: &str, hash: ScramHash) -> Zeroizing<[u8; 64]> {
        #[cfg(test)]
        super::work::note(super::work::Work::MakeUp(what));
        let mut out = Zeroizing::new([0; 64]);
        // A key of any length will do.
        if let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(&self.secret) {
            mac.update(what.as_bytes());
            mac.update(&[0, u8::try_from(hash.octets()).unwrap_or(0)]);
            mac.update(user.as_bytes());
            out.copy_from_slice(&mac.finalize().into_bytes());
        }
        out
    }
}

impl fmt::Debug for Decoys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoys([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5802_5_9_the_same_name_has_the_same_salt_at_each_try() {
        let decoys = Decoys::from_secret(*b"0123456789abcdef");
        let first = decoys.scram_keys("nobody", ScramHash::Sha256, 4096);
        let again = Decoys::from_secret(*b"0123456789abcdef").scram_keys("nobody", ScramHash::Sha256, 4096);
        assert_eq!(first.salt(), again.salt());
        assert_eq!((first.salt().len(), first.iterations()), (16, 4096));
        let others = [
            decoys.scram_keys("nobody", ScramHash::Sha1, 4096),
            decoys.scram_keys("somebody", ScramHash::Sha256, 4096),
            Decoys::from_secret(*b"0123456789abcdeg").scram_keys("nobody", ScramHash::Sha256, 4096),
        ];
        assert!(others.iter().all(|other| other.salt() != first.salt()));
        for hash in ScramHash::ALL {
            let keys = decoys.scram_keys("nobody", hash, 4096);
            assert_eq!((keys.stored_key().len(), keys.server_key().len()), (hash.octets(), hash.octets()));
            assert_ne!(keys.stored_key(), keys.server_key());
        }
    }

    #[test]
    #[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
    fn a_random_secret_is_another_one_each_time() {
        let salt = || Decoys::random().unwrap().salt("nobody", ScramHash::Sha256);
        assert_ne!(salt(), salt());
    }
}
