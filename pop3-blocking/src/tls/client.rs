//! The client's side of TLS: [`ClientTls`] and its builder.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::pem::Pem;
use super::trust::Trust;
use super::verifier::{ManyNames, Pinned};
use super::{ALPN, ServerName, TlsConfigError, TlsVersion, provider, versions};

/// How a client does TLS. Cheap to clone; clones share the memory of earlier sessions.
///
/// Make one for each account that has a client certificate: the certificate is part of it.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// `None` if the program made the configuration.
    verifier: Option<Verifier>,
    requires_alpn: bool,
}

#[derive(Clone, Debug)]
struct Verifier {
    judge: Arc<dyn ServerCertVerifier>,
    names_last: bool,
}

impl ClientTls {
    /// Starts with nothing trusted. Name at least one root before [`build`](ClientTlsBuilder::build).
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder::new()
    }

    /// Uses a configuration made by the program, which answers for everything in it: the verifier, ALPN, versions.
    ///
    /// Its verifier hears of the first name of a [`ServerName`] only, and of no service.
    pub const fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config, verifier: None, requires_alpn: false }
    }

    /// Refuses servers that do not answer ALPN with `pop3` (R9325-3.8). Many good servers do not know ALPN.
    #[must_use]
    pub fn require_alpn(mut self) -> Self {
        self.requires_alpn = true;
        self
    }

    /// The configuration underneath.
    pub const fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    pub(super) const fn requires_alpn(&self) -> bool {
        self.requires_alpn
    }

    /// The configuration for a connection to `server`.
    ///
    /// One that may go by several names gets a verifier of its own and resumes nothing: rustls remembers sessions by one
    /// name.
    pub(super) fn config_for(&self, server: &ServerName) -> Arc<ClientConfig> {
        let Some(Verifier { judge, names_last }) = self.verifier.as_ref().filter(|_| !server.is_single())
        else {
            return Arc::clone(&self.config);
        };
        let mut config = ClientConfig::clone(&self.config);
        let verifier = ManyNames::new(Arc::clone(judge), *names_last, server.clone());
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}

/// Collects what a [`ClientTls`] is made of. Nothing is read before [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientTlsBuilder {
    provider: Option<Arc<CryptoProvider>>,
    trust: Trust,
    #[cfg(feature = "platform-verifier")]
    platform_roots: bool,
    #[cfg(feature = "webpki-roots")]
    webpki_roots: bool,
    pins: Vec<[u8; 32]>,
    trust_pins_alone: bool,
    identity: Option<(Pem, Pem)>,
    versions: &'static [&'static SupportedProtocolVersion],
    requires_ems: bool,
}

impl ClientTlsBuilder {
    fn new() -> Self {
        Self {
            provider: None,
            trust: Trust::default(),
            #[cfg(feature = "platform-verifier")]
            platform_roots: false,
            #[cfg(feature = "webpki-roots")]
            webpki_roots: false,
            pins: Vec::new(),
            trust_pins_alone: false,
            identity: None,
            versions: versions(TlsVersion::Tls12),
            requires_ems: false,
        }
    }

    /// Lets the operating system judge certificates. Further authorities may be added; revocation lists may not.
    #[cfg(feature = "platform-verifier")]
    pub const fn platform_roots(mut self) -> Self {
        self.platform_roots = true;
        self
    }

    /// Trusts Mozilla's root certificates, as they were when this program was built.
    #[cfg(feature = "webpki-roots")]
    pub const fn webpki_roots(mut self) -> Self {
        self.webpki_roots = true;
        self
    }

    /// Trusts the authorities in a PEM file, besides others named.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust.authorities.push(Pem::File(path.into()));
        self
    }

    /// Trusts the authorities in PEM text, besides others named.
    pub fn ca_pem(mut self, text: impl AsRef<[u8]>) -> Self {
        self.trust.authorities.push(Pem::octets(text.as_ref()));
        self
    }

    /// Refuses what the revocation lists in a PEM file revoke (R9325-7.5). An expired list covers nothing.
    ///
    /// With any list, each certificate of the server's chain must be covered by one, unless
    /// [`allow_unknown_revocation`](Self::allow_unknown_revocation) says otherwise.
    pub fn crl_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust.revocation_lists.push(Pem::File(path.into()));
        self
    }

    /// As [`crl_file`](Self::crl_file), from PEM text.
    pub fn crl_pem(mut self, text: impl AsRef<[u8]>) -> Self {
        self.trust.revocation_lists.push(Pem::octets(text.as_ref()));
        self
    }

    /// Accepts certificates that no revocation list covers. For lists of a private authority beside public roots.
    pub const fn allow_unknown_revocation(mut self) -> Self {
        self.trust.allow_unknown_revocation = true;
        self
    }

    /// Accepts only a server whose certificate holds the public key with this SHA-256 of its SubjectPublicKeyInfo, or that
    /// of another pin. All else about the certificate is judged as before.
    ///
    /// [`TlsInfo::peer_spki_sha256`](super::TlsInfo::peer_spki_sha256) tells the one of a connection, as does
    /// `openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum`. A key that the server will use next
    /// should be pinned in advance.
    pub fn pin_spki_sha256(mut self, pin: [u8; 32]) -> Self {
        self.pins.push(pin);
        self
    }

    /// Believes the pinned keys and nothing else: no authority, no name, no date. For a server whose certificate no
    /// authority has signed.
    ///
    /// This is a decision of the user, for one account, made when it is set up and with the key checked by other means;
    /// never an answer to a certificate that was refused (R8314-5.3, PB-C06).
    pub const fn trust_pins_alone(mut self) -> Self {
        self.trust_pins_alone = true;
        self
    }

    /// Shows a client certificate to a server that asks for one (R8314-5.5): the chain, own certificate first, and the
    /// unencrypted key, both as PEM files. For SASL EXTERNAL.
    ///
    /// Sessions are then not resumed: a resumed one shows no certificate, and not every server remembers it (RDM-2.1j).
    pub fn client_certificate_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((Pem::File(chain.into()), Pem::File(key.into())));
        self
    }

    /// As [`client_certificate_files`](Self::client_certificate_files), from PEM text. Copies made here are wiped.
    pub fn client_certificate_pem(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some((Pem::octets(chain.as_ref()), Pem::octets(key.as_ref())));
        self
    }

    /// Refuses versions below `minimum`; TLS 1.2 unless set. There is nothing below that (R8996-4.1).
    pub fn minimum_version(mut self, minimum: TlsVersion) -> Self {
        self.versions = versions(minimum);
        self
    }

    /// Refuses servers that speak TLS 1.2 without the extended master secret (RFC 7627): old ones, which should do without
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
    /// Sessions are remembered in memory and resumed, unless there is a client certificate; early data is off.
    ///
    /// # Errors
    ///
    /// - [`TlsConfigError::NoRoots`]: no authority is trusted.
    /// - [`TlsConfigError::NoProvider`]: there is no cryptography.
    /// - `TlsConfigError::ConflictingRoots`, [`TlsConfigError::CrlsNotTaken`], [`TlsConfigError::PinsNotAlone`]: what was
    ///   asked for cannot be joined.
    /// - [`TlsConfigError::Read`], [`TlsConfigError::Pem`]: a file or text is missing or no PEM.
    /// - [`TlsConfigError::Tls`], [`TlsConfigError::Verifier`]: a certificate, key or list is damaged, or the key belongs
    ///   to another certificate.
    pub fn build(self) -> Result<ClientTls, TlsConfigError> {
        let provider = match &self.provider {
            Some(given) => Arc::clone(given),
            None => provider()?,
        };
        let verifier = self.pinned_verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)?
            .dangerous() // rustls's word for any verifier made beforehand; these are its own and the platform's
            .with_custom_certificate_verifier(Arc::clone(&verifier.judge));
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain.certificates()?, key.private_key()?)?,
        };
        if self.identity.is_some() {
            config.resumption = Resumption::disabled();
        }
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.require_ems = self.requires_ems;
        Ok(ClientTls { config: Arc::new(config), verifier: Some(verifier), requires_alpn: false })
    }

    fn pinned_verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier, TlsConfigError> {
        if self.trust_pins_alone {
            if self.pins.is_empty() || self.has_roots() {
                return Err(TlsConfigError::PinsNotAlone);
            }
            let judge = Pinned::new(self.pins.clone(), None, Arc::clone(provider));
            return Ok(Verifier { judge: Arc::new(judge), names_last: true });
        }
        let verifier = self.verifier(provider)?;
        if self.pins.is_empty() {
            return Ok(verifier);
        }
        let judge = Pinned::new(self.pins.clone(), Some(verifier.judge), Arc::clone(provider));
        Ok(Verifier { judge: Arc::new(judge), names_last: verifier.names_last })
    }

    fn has_roots(&self) -> bool {
        #[cfg(feature = "platform-verifier")]
        if self.platform_roots {
            return true;
        }
        #[cfg(feature = "webpki-roots")]
        if self.webpki_roots {
            return true;
        }
        !self.trust.is_empty()
    }

    #[cfg(feature = "platform-verifier")]
    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier, TlsConfigError> {
        if !self.platform_roots {
            return self.own_verifier(provider);
        }
        #[cfg(feature = "webpki-roots")]
        if self.webpki_roots {
            return Err(TlsConfigError::ConflictingRoots);
        }
        if !self.trust.revocation_lists.is_empty() {
            return Err(TlsConfigError::CrlsNotTaken);
        }
        let platform = rustls_platform_verifier::Verifier::new_with_extra_roots(
            self.trust.authorities()?,
            Arc::clone(provider),
        )?;
        Ok(Verifier { judge: Arc::new(platform), names_last: false })
    }

    #[cfg(not(feature = "platform-verifier"))]
    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier, TlsConfigError> {
        self.own_verifier(provider)
    }

    fn own_verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier, TlsConfigError> {
        #[cfg_attr(not(feature = "webpki-roots"), expect(unused_mut, reason = "roots may be compiled in"))]
        let mut roots = RootCertStore::empty();
        #[cfg(feature = "webpki-roots")]
        if self.webpki_roots {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Ok(Verifier { judge: self.trust.server_verifier(roots, provider)?, names_last: true })
    }
}
