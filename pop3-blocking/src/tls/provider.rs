//! Where the cryptography comes from: [`provider`].

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;

use super::TlsConfigError;

/// The provider used unless a builder is given another: the one the program installed as the default of the process, else
/// aws-lc-rs, else ring, as far as the features of those names are on.
///
/// Nothing is ever installed by this library, and a missing default is no panic here.
///
/// # Errors
///
/// [`TlsConfigError::NoProvider`] if nothing is installed and neither feature is on.
pub fn provider() -> Result<Arc<CryptoProvider>, TlsConfigError> {
    match CryptoProvider::get_default() {
        Some(installed) => Ok(Arc::clone(installed)),
        None => built_in().ok_or(TlsConfigError::NoProvider),
    }
}

#[cfg(feature = "aws-lc-rs")]
fn built_in() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn built_in() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
const fn built_in() -> Option<Arc<CryptoProvider>> {
    None
}

/// Encrypts session tickets under random keys that are replaced every six hours and accepted for twelve (R9325-3.4).
///
/// A provider has no ticket encryption of its own, so this one goes by features alone; without any, sessions are not
/// resumed.
pub(super) fn ticketer() -> Result<Option<Arc<dyn ProducesTickets>>, rustls::Error> {
    #[cfg(feature = "aws-lc-rs")]
    return rustls::crypto::aws_lc_rs::Ticketer::new().map(Some);
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return rustls::crypto::ring::Ticketer::new().map(Some);
    #[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
    Ok(None)
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod tests {
    use super::*;

    #[test]
    fn installed_provider_goes_first() {
        let before = provider().unwrap();
        assert!(!before.cipher_suites.is_empty());
        // Harmless to the other tests of this process: it is the provider they use anyway.
        before.as_ref().clone().install_default().unwrap();
        assert!(Arc::ptr_eq(&provider().unwrap(), CryptoProvider::get_default().unwrap()));
    }
}

#[cfg(test)]
#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
mod tests {
    use super::*;

    #[test]
    fn without_a_provider_the_error_is_typed() {
        assert!(matches!(provider(), Err(TlsConfigError::NoProvider)));
    }
}
