//! What is kept of a password for mechanisms that do not send it: [`ScramKeys`], [`SharedSecret`].

use core::fmt;

use pop3_proto::sasl::SaslError;
use pop3_proto::sasl::scram::derive_keys;
use pop3_proto::sasl::server::{self, ScramHash};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a server keeps of a password for SCRAM (RFC 5802 section 3): nobody can log in with it elsewhere, but who has
/// it can try passwords.
///
/// `Debug` prints the iteration count alone.
#[derive(Clone)]
pub struct ScramKeys {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Zeroizing<Vec<u8>>,
    server_key: Zeroizing<Vec<u8>>,
}

impl ScramKeys {
    /// Keys from a database. They must be as long as the output of their hash, or no login will succeed.
    pub fn new(
        salt: impl Into<Vec<u8>>,
        iterations: u32,
        stored_key: impl Into<Vec<u8>>,
        server_key: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            salt: salt.into(),
            iterations,
            stored_key: Zeroizing::new(stored_key.into()),
            server_key: Zeroizing::new(server_key.into()),
        }
    }

    /// Computes the keys of `password`, which must be prepared by SASLprep as a stored string (R5802-5.10), with a salt
    /// that is random for each user. It takes as long as `iterations` are many.
    ///
    /// # Errors
    ///
    /// [`SaslError::Keys`]: the salt has more than 128 octets, or there are no iterations.
    pub fn derive(
        hash: ScramHash,
        password: &[u8],
        salt: impl Into<Vec<u8>>,
        iterations: u32,
    ) -> Result<Self, SaslError> {
        let salt = salt.into();
        let mut stored_key = Zeroizing::new(vec![0; hash.octets()]);
        let mut server_key = Zeroizing::new(vec![0; hash.octets()]);
        derive_keys(hash, password, &salt, iterations, &mut stored_key, &mut server_key)?;
        #[cfg(test)]
        super::work::note(super::work::Work::Derive(iterations));
        Ok(Self { salt, iterations, stored_key, server_key })
    }

    /// Whether `password` is the one that these keys for `hash` were derived from: the check of a password that was sent, by
    /// PLAIN for one. It takes as long as [`derive`](Self::derive); keys are compared in constant time.
    pub fn verify(&self, hash: ScramHash, password: &[u8]) -> bool {
        let Ok(derived) = Self::derive(hash, password, self.salt.as_slice(), self.iterations) else {
            return false;
        };
        let equal = derived.stored_key.ct_eq(&self.stored_key) & derived.server_key.ct_eq(&self.server_key);
        equal.into()
    }

    /// The salt; the client learns it.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The iteration count; the client learns it. 4,096 or more (R5802-5.3).
    pub const fn iterations(&self) -> u32 {
        self.iterations
    }

    /// StoredKey, by which the client's proof is verified.
    pub fn stored_key(&self) -> &[u8] {
        &self.stored_key
    }

    /// ServerKey, by which the server proves itself.
    pub fn server_key(&self) -> &[u8] {
        &self.server_key
    }

    pub(crate) fn borrow(&self) -> server::ScramKeys<'_> {
        server::ScramKeys::new(&self.salt, self.iterations, &self.stored_key, &self.server_key)
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramKeys([redacted], {} iterations)", self.iterations)
    }
}

/// A password that the server knows as it is, for CRAM-MD5 and APOP. Wiped when it is dropped; it has no `Debug` that
/// shows it.
#[derive(Clone)]
pub struct SharedSecret(Zeroizing<Vec<u8>>);

impl SharedSecret {
    /// Takes over `octets`.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets. Say why where you call it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
