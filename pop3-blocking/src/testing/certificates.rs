//! The authority of a test server and what it signs.

use core::fmt;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::TestServerError;

/// A certificate for a client, and its key, both in PEM: see
/// [`TestServer::client_certificate`](super::TestServer::client_certificate).
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The certificate.
    pub chain_pem: String,
    /// Its key.
    pub key_pem: String,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// Who has which certificate, in DER.
    owners: Mutex<HashMap<Vec<u8>, String>>,
}

impl Authority {
    pub(super) fn new() -> Result<Self, TestServerError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "pop3-blocking test server");
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key), owners: Mutex::default() })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// Chain and key, in PEM.
    pub(super) fn issue_to_server(&self) -> Result<(String, String), TestServerError> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let key = KeyPair::generate()?;
        let chain = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?.pem();
        Ok((chain, key.serialize_pem()))
    }

    pub(super) fn issue_to(&self, user: &str) -> Result<ClientCertificate, TestServerError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.insert(certificate.der().to_vec(), user.to_owned());
        Ok(ClientCertificate { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    pub(super) fn owner(&self, certificate: &[u8]) -> Option<String> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(certificate).cloned()
    }
}

impl From<rcgen::Error> for TestServerError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(Box::new(error))
    }
}
