//! Certificates: the server's own, and those of its clients.

use std::path::PathBuf;
use std::time::Duration;

use pop3_blocking::tls::{CertificateField, CertificateMap, ClientCertificates, ServerTls, ServerTlsBuilder};

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct TlsArgs {
    /// A certificate chain, in PEM, the server's own certificate first. Given several times, each with its --key, the
    /// certificate is chosen by the name that the client asks for; the first is also for clients that send no name, or
    /// an unknown one.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Vec<PathBuf>,

    /// The private key of a certificate, in PEM: the first for the first --cert, and so on.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Vec<PathBuf>,

    /// Refuse clients that ask for a name which no certificate is made out for.
    #[arg(long)]
    refuse_unknown_names: bool,

    /// Whether clients are asked for certificates, to log in with them (AUTH EXTERNAL) [default: optional with
    /// --client-ca, else off]
    #[arg(long, value_name = "WHEN")]
    client_cert: Option<ClientCert>,

    /// Believe client certificates of the authorities in this PEM file. May be given more than once.
    #[arg(long, value_name = "FILE")]
    client_ca: Vec<PathBuf>,

    /// Refuse client certificates that a list in this PEM file revokes; each then needs a valid list of its authority.
    /// May be given more than once.
    #[arg(long, value_name = "FILE")]
    client_crl: Vec<PathBuf>,

    /// Which names in a client certificate may be that of the user, the first to be tried first: rfc822name, dnsname (of
    /// the subject alternative name), cn, email (of the subject) [default: rfc822name,dnsname]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    client_cert_map: Vec<CertificateField>,

    /// Seconds from one look to the next whether certificates, keys, authorities or revocation lists have been replaced;
    /// they are then read again, as by SIGHUP. A pair that does not fit changes nothing. 0: never, up to 86400
    /// [default: 60]
    #[arg(long, value_name = "S")]
    reload_seconds: Option<u64>,
}

/// What `--reload-seconds` may be at most: a day.
const RELOAD_MAX: u64 = 86_400;

/// Whether a client certificate is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClientCert {
    /// Never
    Off,
    /// A client without one may log in otherwise
    Optional,
    /// A client without one is refused in the handshake
    Required,
}

/// A certificate in the file of options, besides `cert` and `key`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct CertificateTable {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Debug)]
pub(crate) struct TlsSettings {
    /// Chains and their keys, the first for all names; empty: there is no TLS.
    pub(crate) certificates: Vec<(PathBuf, PathBuf)>,
    refuse_unknown_names: bool,
    /// Unless a listener says otherwise.
    pub(super) client_cert: ClientCert,
    client_ca: Vec<PathBuf>,
    client_crl: Vec<PathBuf>,
    pub(crate) map: CertificateMap,
    /// How often to look for new files; `None`: never.
    pub(crate) reload: Option<Duration>,
}

impl TlsArgs {
    pub(super) fn settle(self, file: &mut File) -> Result<TlsSettings, SettingsError> {
        let client_ca = file.client_ca.unless(self.client_ca);
        let by_default = if client_ca.is_empty() { ClientCert::Off } else { ClientCert::Optional };
        let fields = if self.client_cert_map.is_empty() {
            let words = file.client_cert_map.unless(Vec::new());
            words.iter().map(|word| word.parse()).collect::<Result<_, _>>().map_err(SettingsError::Map)?
        } else {
            self.client_cert_map
        };
        let reload = self.reload_seconds.or(file.reload_seconds).unwrap_or(60);
        if reload > RELOAD_MAX {
            let (name, value) = ("reload-seconds", reload);
            return Err(SettingsError::OutOfRange { name, value, least: 0, greatest: RELOAD_MAX });
        }
        Ok(TlsSettings {
            reload: (reload > 0).then_some(Duration::from_secs(reload)),
            certificates: certificates(self.cert, self.key, file)?,
            refuse_unknown_names: self.refuse_unknown_names || file.refuse_unknown_names,
            client_cert: self.client_cert.or(file.client_cert).unwrap_or(by_default),
            client_ca,
            client_crl: file.client_crl.unless(self.client_crl),
            map: if fields.is_empty() { CertificateMap::default() } else { CertificateMap::new(fields) },
        })
    }
}

/// Those of the command line, or else those of the file.
fn certificates(
    certs: Vec<PathBuf>,
    keys: Vec<PathBuf>,
    file: &mut File,
) -> Result<Vec<(PathBuf, PathBuf)>, SettingsError> {
    if certs.len() != keys.len() {
        return Err(SettingsError::KeyCount { certificates: certs.len(), keys: keys.len() });
    }
    if !certs.is_empty() {
        return Ok(certs.into_iter().zip(keys).collect());
    }
    let first = match (file.cert.take(), file.key.take()) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (cert, key) => {
            return Err(SettingsError::KeyCount {
                certificates: usize::from(cert.is_some()),
                keys: usize::from(key.is_some()),
            });
        }
    };
    let more = std::mem::take(&mut file.certificate).into_iter().map(|table| (table.cert, table.key));
    Ok(first.into_iter().chain(more).collect())
}

impl TlsSettings {
    /// What cannot be meant, given how the listeners ask for certificates.
    pub(super) fn check(&self, asking: &[ClientCert]) -> Result<(), SettingsError> {
        let asks = asking.iter().any(|when| *when != ClientCert::Off);
        if asks && self.certificates.is_empty() {
            return Err(SettingsError::NoCertificate);
        }
        match (asks, self.client_ca.is_empty(), self.client_crl.is_empty()) {
            (true, true, _) => Err(SettingsError::NoClientCa),
            (false, false, _) | (false, _, false) => Err(SettingsError::ClientCaUnused),
            _ => Ok(()),
        }
    }

    /// Every file that is read, and read again.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let own = self.certificates.iter().flat_map(|(chain, key)| [chain, key]);
        own.chain(&self.client_ca).chain(&self.client_crl)
    }

    /// How listeners do TLS that ask for certificates in this way.
    pub(crate) fn builder(&self, when: ClientCert) -> ServerTlsBuilder {
        let mut builder = ServerTls::builder();
        for (chain, key) in &self.certificates {
            builder = builder.certificate_files(chain, key);
        }
        if self.refuse_unknown_names {
            builder = builder.refuse_unknown_names();
        }
        let when = match when {
            ClientCert::Off => return builder,
            ClientCert::Optional => ClientCertificates::Optional,
            ClientCert::Required => ClientCertificates::Required,
        };
        for file in &self.client_ca {
            builder = builder.client_ca_file(file);
        }
        for file in &self.client_crl {
            builder = builder.client_crl_file(file);
        }
        builder.client_certificates(when)
    }
}
