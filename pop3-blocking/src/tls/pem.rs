//! Certificates, keys and revocation lists from PEM: [`Pem`].

use core::fmt;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::TlsConfigError;

/// Where PEM comes from. The octets are wiped when dropped and never shown, since they may be a private key.
#[derive(Clone)]
pub(super) enum Pem {
    File(PathBuf),
    Octets(Zeroizing<Vec<u8>>),
}

impl Pem {
    pub(super) fn octets(octets: &[u8]) -> Self {
        Self::Octets(Zeroizing::new(octets.to_vec()))
    }

    /// All certificates, in the order of the file; at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
        self.all("certificate")
    }

    /// All revocation lists; at least one.
    pub(super) fn revocation_lists(
        &self,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsConfigError> {
        self.all("revocation list")
    }

    /// The first private key that is not encrypted.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
        let octets = self.read()?;
        PrivateKeyDer::from_pem_slice(&octets).map_err(|source| self.fault("private key", source))
    }

    fn all<T: PemObject>(&self, wanted: &'static str) -> Result<Vec<T>, TlsConfigError> {
        let octets = self.read()?;
        let items: Result<Vec<T>, _> = T::pem_slice_iter(&octets).collect();
        match items {
            Ok(items) if items.is_empty() => Err(self.fault(wanted, pem::Error::NoItemsFound)),
            Ok(items) => Ok(items),
            Err(source) => Err(self.fault(wanted, source)),
        }
    }

    fn read(&self) -> Result<Cow<'_, Zeroizing<Vec<u8>>>, TlsConfigError> {
        match self {
            Self::Octets(octets) => Ok(Cow::Borrowed(octets)),
            Self::File(path) => match std::fs::read(path) {
                Ok(octets) => Ok(Cow::Owned(Zeroizing::new(octets))),
                Err(source) => Err(TlsConfigError::Read { path: path.clone(), source }),
            },
        }
    }

    /// The path, if it is a file.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Octets(_) => None,
        }
    }

    /// The path of the file, or `text`.
    pub(super) fn origin(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Octets(_) => "text".to_owned(),
        }
    }

    fn fault(&self, wanted: &'static str, source: pem::Error) -> TlsConfigError {
        TlsConfigError::Pem { origin: self.origin(), wanted, source }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Octets(octets) => write!(f, "{} octets", octets.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_3_key_text_is_not_shown() {
        let shown = format!("{:?}", Pem::octets(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n"));
        assert_eq!(shown, "39 octets".replace("39", &37.to_string()));
        assert!(!shown.contains("c2VjcmV0"));
    }

    #[test]
    fn missing_file_is_named() {
        let error = Pem::File("/nonexistent/pop3.pem".into()).certificates().unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/pop3.pem: "), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = Pem::octets(b"no pem at all");
        assert_eq!(
            text.certificates().unwrap_err().to_string(),
            "text: no usable certificate: no items found"
        );
        assert_eq!(
            text.private_key().unwrap_err().to_string(),
            "text: no usable private key: no items found"
        );
        assert_eq!(
            text.revocation_lists().unwrap_err().to_string(),
            "text: no usable revocation list: no items found"
        );
    }

    #[test]
    fn encrypted_key_is_no_key() {
        let text = Pem::octets(
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAwAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
        );
        assert!(matches!(text.private_key(), Err(TlsConfigError::Pem { wanted: "private key", .. })));
    }

    #[test]
    fn cut_off_certificate_is_refused_whole() {
        let text = Pem::octets(b"-----BEGIN CERTIFICATE-----\nMAAwAA==\n");
        assert!(matches!(text.certificates(), Err(TlsConfigError::Pem { wanted: "certificate", .. })));
    }
}
