//! Certificates: the server's own, and those of its clients.

use std::path::PathBuf;

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct TlsArgs {
    /// The certificate chain, in PEM, the server's own certificate first.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Ask clients for a certificate, signed by a CA in this PEM file, and let them log in with it (AUTH EXTERNAL): the
    /// user is the e-mail address, or else the DNS name, in the certificate. Without this option none is asked for.
    #[arg(long, value_name = "FILE", requires = "cert")]
    client_ca: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) struct TlsSettings {
    /// The chain and its key.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) client_ca: Option<PathBuf>,
}

impl TlsArgs {
    pub(super) fn settle(self, file: &mut File) -> Result<TlsSettings, SettingsError> {
        let certificate = match (self.cert, self.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            _ => file.cert.take().zip(file.key.take()),
        };
        Ok(TlsSettings { certificate, client_ca: self.client_ca.or_else(|| file.client_ca.take()) })
    }
}
