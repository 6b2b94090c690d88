//! The certificate a server shows: [`Certificates`], which can be replaced while the server runs.

use core::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::TlsConfigError;
use super::pem::Pem;

/// Holds the certificate for all names; the answer to every hello, with or without a name (PB-Q67).
pub(super) struct Certificates {
    default: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    pub(super) const fn new(default: Arc<CertifiedKey>) -> Self {
        Self { default: RwLock::new(default) }
    }

    /// Handshakes that start from now on see `new`; those under way keep what they have.
    pub(super) fn replace(&self, new: Arc<CertifiedKey>) {
        // One pointer is stored, so that not even a panic elsewhere leaves half of it behind.
        *self.default.write().unwrap_or_else(PoisonError::into_inner) = new;
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.default.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

/// Reads a chain and its key and makes sure that they belong together.
pub(super) fn load(
    chain: &Pem,
    key: &Pem,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsConfigError> {
    let key = CertifiedKey::from_der(chain.certificates()?, key.private_key()?, provider)?;
    Ok(Arc::new(key))
}
