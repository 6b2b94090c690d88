//! TLS as all that are compared have it: version 1.3, AES-128-GCM, X25519.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};

use crate::Fault;

fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    Arc::new(provider)
}

/// For one thread of the load generator.
pub(crate) fn client(root: &Path, resume: bool) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(root.join("tls/ca.pem"))? {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = if resume { Resumption::in_memory_sessions(64) } else { Resumption::disabled() };
    Ok(Arc::new(config))
}

/// For the replay server.
pub(crate) fn server(root: &Path) -> Result<Arc<ServerConfig>, Fault> {
    let chain = CertificateDer::pem_file_iter(root.join("tls/leaf.pem"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(root.join("tls/leaf.key"))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config))
}
