//! The server's side of TLS: [`ServerTls`] and its builder.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::certificates::Certificates;
use super::pem::Pem;
use super::provider::{self, provider};
use super::stamp::Stamp;
use super::trust::Trust;
use super::{ALPN, TlsConfigError, TlsVersion, versions};

/// How a server does TLS. Cheap to clone; clones stay one: what is replaced or read again reaches all of them.
#[derive(Clone, Debug)]
pub struct ServerTls {
    shared: Arc<Shared>,
    requires_alpn: bool,
}

#[derive(Debug)]
struct Shared {
    config: RwLock<Arc<ServerConfig>>,
    /// What it was made of; `None` if the program made it. Locked for as long as a new one is made.
    source: Mutex<Option<Source>>,
}

/// What a configuration was made of.
#[derive(Debug)]
struct Source {
    builder: ServerTlsBuilder,
    /// What its files looked like before they were read last, with success or without.
    stamps: Vec<Stamp>,
}

impl ServerTls {
    /// Starts without a certificate. Give one before [`build`](ServerTlsBuilder::build).
    pub fn builder() -> ServerTlsBuilder {
        ServerTlsBuilder::new()
    }

    /// Uses a configuration made by the program, which answers for everything in it. With client certificates it should
    /// not issue tickets (see [`ServerTlsBuilder::client_certificates`]).
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self::new(config, None)
    }

    /// Refuses clients that do not offer ALPN `pop3` (R7301-3.2). Many good clients do not know ALPN; those that offer
    /// other protocols only are always refused.
    #[must_use]
    pub fn require_alpn(mut self) -> Self {
        self.requires_alpn = true;
        self
    }

    /// Reads all files again: certificates, keys, authorities and revocation lists of clients (PB-S55).
    ///
    /// Handshakes that start from now on, of all clones, see the whole of the new; those under way, and connections, keep
    /// the old. Sessions begun before are resumed still.
    ///
    /// # Errors
    ///
    /// As [`ServerTlsBuilder::build`], and [`TlsConfigError::ForeignConfig`] after [`from_config`](Self::from_config).
    /// Nothing changed.
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        let mut source = self.shared.source.lock().unwrap_or_else(PoisonError::into_inner);
        let again = source.as_mut().ok_or(TlsConfigError::ForeignConfig)?;
        again.stamps = again.builder.stamps();
        self.shared.install(&again.builder)
    }

    /// Looks whether one of the files has changed since they were read, and if so reads all again, as
    /// [`reload`](Self::reload) does. Says whether it has.
    ///
    /// To be called every now and then by a program whose certificates are renewed by another. Only the facts about the
    /// files are looked at: which file a name stands for, its size and its times. Files that are being written are no
    /// harm: a pair that does not fit changes nothing, is told once, and is tried again as soon as either file changes
    /// again.
    ///
    /// # Errors
    ///
    /// As for [`reload`](Self::reload); nothing changed, and the next call without another change is `Ok(false)`.
    pub fn reload_if_changed(&self) -> Result<bool, TlsConfigError> {
        let mut source = self.shared.source.lock().unwrap_or_else(PoisonError::into_inner);
        let again = source.as_mut().ok_or(TlsConfigError::ForeignConfig)?;
        // Taken before the files are read: what is written meanwhile is a change that the next call sees.
        let now = again.builder.stamps();
        if again.stamps == now {
            return Ok(false);
        }
        again.stamps = now;
        self.shared.install(&again.builder)?;
        Ok(true)
    }

    /// Replaces everything, as [`reload`](Self::reload) does, by what the builder says. A later reload reads the files
    /// named there.
    ///
    /// # Errors
    ///
    /// As [`ServerTlsBuilder::build`]. Nothing changed.
    pub fn replace(&self, with: ServerTlsBuilder) -> Result<(), TlsConfigError> {
        let mut source = self.shared.source.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = with.stamps();
        self.shared.install(&with)?;
        *source = Some(Source { builder: with, stamps });
        Ok(())
    }

    /// The configuration underneath, as it is now.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.shared.config()
    }

    pub(super) const fn requires_alpn(&self) -> bool {
        self.requires_alpn
    }

    fn new(config: Arc<ServerConfig>, source: Option<Source>) -> Self {
        let shared = Shared { config: RwLock::new(config), source: Mutex::new(source) };
        Self { shared: Arc::new(shared), requires_alpn: false }
    }
}

impl Shared {
    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn install(&self, source: &ServerTlsBuilder) -> Result<(), TlsConfigError> {
        let new = source.configure(Some(&self.config()))?;
        // One pointer is stored, so that not even a panic elsewhere leaves half of it behind.
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }
}

/// Whether a server asks its clients for certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// Not asked for. The only right choice unless some certificate can log in (R8314-4.2, RDM-2.1a, R34).
    #[default]
    Never,
    /// Asked for; a client without one goes on, one whose certificate does not verify is refused (RDM-2.1h).
    Optional,
    /// Asked for; a client without one is refused in the handshake (RDM-2.1h).
    Required,
}

/// Collects what a [`ServerTls`] is made of. Nothing is read before [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerTlsBuilder {
    provider: Option<Arc<CryptoProvider>>,
    certificates: Vec<(Pem, Pem)>,
    refuses_unknown_names: bool,
    client_certificates: ClientCertificates,
    trust: Trust,
    versions: &'static [&'static SupportedProtocolVersion],
    requires_ems: bool,
}

impl ServerTlsBuilder {
    fn new() -> Self {
        Self {
            provider: None,
            certificates: Vec::new(),
            refuses_unknown_names: false,
            client_certificates: ClientCertificates::Never,
            trust: Trust::default(),
            versions: versions(TlsVersion::Tls12),
            requires_ems: false,
        }
    }

    /// A certificate chain of the server, own certificate first, and its unencrypted key, both as PEM files. They may be
    /// the same file.
    ///
    /// May be called for several: each answers to the DNS names in it, exact ones before wildcards, and of several for one
    /// name the client gets the first that it can check. The first of all answers to clients that send no name and,
    /// unless [`refuse_unknown_names`](Self::refuse_unknown_names) is set, to those that send an unknown one
    /// (R9325-3.7).
    pub fn certificate_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificates.push((Pem::File(chain.into()), Pem::File(key.into())));
        self
    }

    /// As [`certificate_files`](Self::certificate_files), from PEM text. Copies made here are wiped.
    pub fn certificate_pem(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.certificates.push((Pem::octets(chain.as_ref()), Pem::octets(key.as_ref())));
        self
    }

    /// Refuses clients that ask for a name no certificate is made out for, with the alert `unrecognized_name`. Clients
    /// that send no name, as those that connect to an address, are still shown the first certificate.
    pub const fn refuse_unknown_names(mut self) -> Self {
        self.refuses_unknown_names = true;
        self
    }

    /// Whether clients are asked for certificates. If so, name the authorities that issue them, and enable SASL EXTERNAL
    /// (R8314-4.2).
    ///
    /// Sessions are then never resumed: every login shows its certificate and has it judged anew, so that a revocation
    /// takes effect with the next connection (RDM-2.1j).
    pub const fn client_certificates(mut self, when: ClientCertificates) -> Self {
        self.client_certificates = when;
        self
    }

    /// Accepts client certificates of the authorities in a PEM file.
    pub fn client_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust.authorities.push(Pem::File(path.into()));
        self
    }

    /// Accepts client certificates of the authorities in PEM text.
    pub fn client_ca_pem(mut self, text: impl AsRef<[u8]>) -> Self {
        self.trust.authorities.push(Pem::octets(text.as_ref()));
        self
    }

    /// Refuses client certificates that the revocation lists in a PEM file revoke (R9325-7.5). An expired list covers
    /// nothing, and with any list each certificate of a client's chain must be covered by one.
    pub fn client_crl_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust.revocation_lists.push(Pem::File(path.into()));
        self
    }

    /// As [`client_crl_file`](Self::client_crl_file), from PEM text.
    pub fn client_crl_pem(mut self, text: impl AsRef<[u8]>) -> Self {
        self.trust.revocation_lists.push(Pem::octets(text.as_ref()));
        self
    }

    /// Accepts client certificates that no revocation list covers.
    pub const fn allow_unknown_revocation(mut self) -> Self {
        self.trust.allow_unknown_revocation = true;
        self
    }

    /// Refuses versions below `minimum`; TLS 1.2 unless set. There is nothing below that (R8996-4.1).
    pub fn minimum_version(mut self, minimum: TlsVersion) -> Self {
        self.versions = versions(minimum);
        self
    }

    /// Refuses clients that speak TLS 1.2 without the extended master secret (RFC 7627): old ones, which should do without
    /// channel binding otherwise (R7677-4.1). TLS 1.3 always has what it is for.
    pub const fn require_extended_master_secret(mut self) -> Self {
        self.requires_ems = true;
        self
    }

    /// Uses this provider instead of [`provider()`].
    pub fn crypto_provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// TLS 1.2 alone, for tests of what differs there.
    #[cfg(test)]
    #[cfg(all(unix, any(feature = "aws-lc-rs", feature = "ring")))]
    pub(crate) fn only_tls12(mut self) -> Self {
        self.versions = super::ONLY_TLS12;
        self
    }

    /// Reads the files and makes the configuration.
    ///
    /// Sessions are resumed by tickets under keys that rotate; the server itself keeps no state per session or name
    /// (R32). Early data is off.
    ///
    /// # Errors
    ///
    /// - [`TlsConfigError::NoCertificate`]: no certificate was given.
    /// - [`TlsConfigError::NoNames`]: one that is not the first holds no DNS name.
    /// - [`TlsConfigError::NoProvider`]: there is no cryptography.
    /// - [`TlsConfigError::NoRoots`]: client certificates are asked for, but of no authority.
    /// - [`TlsConfigError::ClientCaUnused`]: the other way round.
    /// - [`TlsConfigError::Read`], [`TlsConfigError::Pem`]: a file or text is missing or no PEM.
    /// - [`TlsConfigError::Tls`], [`TlsConfigError::Verifier`]: a certificate, key or list is damaged, or the key belongs
    ///   to another certificate.
    pub fn build(self) -> Result<ServerTls, TlsConfigError> {
        let stamps = self.stamps();
        Ok(ServerTls::new(Arc::new(self.configure(None)?), Some(Source { builder: self, stamps })))
    }

    /// What the files look like now.
    fn stamps(&self) -> Vec<Stamp> {
        let own = self.certificates.iter().flat_map(|(chain, key)| [chain, key]);
        let all = own.chain(&self.trust.authorities).chain(&self.trust.revocation_lists);
        all.filter_map(Pem::path).map(Stamp::of).collect()
    }

    /// Makes a configuration, which goes on with the tickets of the one before.
    fn configure(&self, before: Option<&ServerConfig>) -> Result<ServerConfig, TlsConfigError> {
        let provider = match &self.provider {
            Some(given) => Arc::clone(given),
            None => provider()?,
        };
        let certificates = Certificates::load(&self.certificates, self.refuses_unknown_names, &provider)?;
        let verifier = match self.client_certificates {
            ClientCertificates::Never if !self.trust.is_empty() => {
                return Err(TlsConfigError::ClientCaUnused);
            }
            ClientCertificates::Never => WebPkiClientVerifier::no_client_auth(),
            ClientCertificates::Optional => self.trust.client_verifier(true, &provider)?,
            ClientCertificates::Required => self.trust.client_verifier(false, &provider)?,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.require_ems = self.requires_ems;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if self.client_certificates == ClientCertificates::Never {
            let ticketer = match before.filter(|before| before.ticketer.enabled()) {
                Some(before) => Some(Arc::clone(&before.ticketer)),
                None => provider::ticketer()?,
            };
            if let Some(ticketer) = ticketer {
                config.ticketer = ticketer;
                config.send_tls13_tickets = TICKETS;
            }
        }
        Ok(config)
    }
}

/// A POP3 client opens one connection at a time, since the maildrop is locked, and gets a fresh ticket with each; a second
/// one would be octets and work thrown away.
const TICKETS: usize = 1;
