//! Whose certificates are believed: [`Trust`], the part that both builders share.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::TlsConfigError;
use super::pem::Pem;

/// Authorities and revocation lists.
///
/// With revocation lists, every certificate of a chain is looked up, and one that no valid list covers is refused, unless
/// unknown status is allowed (R9325-7.5).
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    pub(super) authorities: Vec<Pem>,
    pub(super) revocation_lists: Vec<Pem>,
    pub(super) allow_unknown_revocation: bool,
}

impl Trust {
    pub(super) fn is_empty(&self) -> bool {
        self.authorities.is_empty() && self.revocation_lists.is_empty()
    }

    pub(super) fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
        let mut all = Vec::new();
        for pem in &self.authorities {
            all.extend(pem.certificates()?);
        }
        Ok(all)
    }

    /// Judges servers by the authorities and `more` roots.
    pub(super) fn server_verifier(
        &self,
        mut more: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<WebPkiServerVerifier>, TlsConfigError> {
        self.add_to(&mut more)?;
        let mut builder = WebPkiServerVerifier::builder_with_provider(Arc::new(more), Arc::clone(provider));
        let lists = self.revocation_lists()?;
        if !lists.is_empty() {
            builder = builder.with_crls(lists).enforce_revocation_expiration();
            if self.allow_unknown_revocation {
                builder = builder.allow_unknown_revocation_status();
            }
        }
        Ok(builder.build()?)
    }

    /// Judges clients by the authorities.
    pub(super) fn client_verifier(
        &self,
        optional: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsConfigError> {
        let mut roots = RootCertStore::empty();
        self.add_to(&mut roots)?;
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        if optional {
            builder = builder.allow_unauthenticated();
        }
        let lists = self.revocation_lists()?;
        if !lists.is_empty() {
            builder = builder.with_crls(lists).enforce_revocation_expiration();
            if self.allow_unknown_revocation {
                builder = builder.allow_unknown_revocation_status();
            }
        }
        Ok(builder.build()?)
    }

    fn add_to(&self, roots: &mut RootCertStore) -> Result<(), TlsConfigError> {
        for certificate in self.authorities()? {
            roots.add(certificate)?;
        }
        if roots.is_empty() { Err(TlsConfigError::NoRoots) } else { Ok(()) }
    }

    fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsConfigError> {
        let mut all = Vec::new();
        for pem in &self.revocation_lists {
            all.extend(pem.revocation_lists()?);
        }
        Ok(all)
    }
}
