//! The certificates a server shows: [`Certificates`], one table for all names, never changed.

use core::fmt;
use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::TlsConfigError;
use super::der::Parts;
use super::pem::Pem;

/// Which certificate answers to which name (SNI, R9325-3.7). A hello leaves nothing behind here (R32).
pub(super) struct Certificates {
    /// The answer to a hello without a name (PB-Q67) and, unless that is refused, to one with a name that is not here.
    first: Arc<CertifiedKey>,
    refuses_unknown: bool,
    /// By the names in the certificates, in lower case, wildcards as they stand there. There may be several of one name,
    /// of different kinds.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// Reads all chains and keys. Each but the first must hold a DNS name, or it would never be shown.
    pub(super) fn load(
        sources: &[(Pem, Pem)],
        refuses_unknown: bool,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsConfigError> {
        let mut first = None;
        let mut by_name: HashMap<String, Vec<Arc<CertifiedKey>>> = HashMap::new();
        for (chain, key) in sources {
            let certificate = load(chain, key, provider)?;
            let names = names_of(&certificate);
            if names.is_empty() && first.is_some() {
                return Err(TlsConfigError::NoNames { origin: chain.origin() });
            }
            for name in names {
                by_name.entry(name).or_default().push(Arc::clone(&certificate));
            }
            first.get_or_insert(certificate);
        }
        let first = first.ok_or(TlsConfigError::NoCertificate)?;
        Ok(Self { first, refuses_unknown, by_name })
    }

    /// The certificate for a name: of that very name, else of a wildcard that covers it, else the first. Of several the
    /// client gets the first whose signature it can check.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return Some(&self.first) };
        let found = self.by_name.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        });
        match found {
            Some(keys) => {
                keys.iter().find(|key| key.key.choose_scheme(schemes).is_some()).or_else(|| keys.first())
            }
            None => (!self.refuses_unknown).then_some(&self.first),
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes()).map(Arc::clone)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("names", &self.by_name.keys()).finish_non_exhaustive()
    }
}

/// Reads a chain and its key and makes sure that they belong together.
fn load(chain: &Pem, key: &Pem, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsConfigError> {
    let key = CertifiedKey::from_der(chain.certificates()?, key.private_key()?, provider)?;
    Ok(Arc::new(key))
}

/// The DNS names that a certificate is made out for, each once.
fn names_of(key: &CertifiedKey) -> Vec<String> {
    let names = key.cert.first().and_then(|certificate| Parts::of(certificate)?.alternative_names());
    let mut all = Vec::new();
    for name in names.into_iter().flatten().filter_map(|name| name.dns_name()) {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
