//! How a listener treats its connections: [`Policy`].

use std::net::IpAddr;

use super::TrustedProxies;
use super::proxy::Origin;
use crate::auth::Mechanisms;
use crate::random::{self, NoRandom};
use crate::tls::ServerTls;

/// How a connection is protected, by which mechanisms clients may log in, and whether passwords may travel without
/// protection.
///
/// A client is offered what is in [`mechanisms`](Self::mechanisms), what the
/// [`Authenticator`](crate::auth::Authenticator) can serve, and what fits its connection (R5034-3.1):
///
/// | mechanism | where |
/// |---|---|
/// | EXTERNAL | under TLS with a client certificate that maps to a user |
/// | `-PLUS` | under TLS with a channel binding: TLS 1.3, or with [`tls_server_end_point`](Self::tls_server_end_point) |
/// | OAUTHBEARER, XOAUTH2 | under TLS |
/// | all others | under TLS, or after [`allow_cleartext_login`](Self::allow_cleartext_login) |
///
/// ```
/// use pop3_blocking::auth::Mechanisms;
/// use pop3_blocking::server::Policy;
///
/// // For a proxy on the same host that has done TLS already.
/// let behind_a_proxy = Policy::cleartext().allow_cleartext_login();
/// // For scanners and printers of the last century.
/// let old = behind_a_proxy.mechanisms(Mechanisms::DEFAULT | Mechanisms::LOGIN | Mechanisms::CRAM_MD5);
/// # let _ = old;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Policy {
    pub(super) tls: Option<ServerTls>,
    pub(super) implicit: bool,
    pub(super) allow_cleartext_login: bool,
    pub(super) mechanisms: Mechanisms,
    pub(super) server_end_point: bool,
    pub(super) known_as: Option<(String, u16)>,
    pub(super) proxies: Option<TrustedProxies>,
}

/// Whether a server offers `UTF8`, and what it shows to clients that have not asked for it when a message's header is
/// not ASCII: see [`ServerBuilder::utf8`](super::ServerBuilder::utf8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Utf8Policy {
    /// `UTF8` is not offered, and every message goes out as it is stored, as servers did before RFC 6856.
    #[default]
    Off,
    /// They get a surrogate of RFC 6858: `LIST`, `STAT`, `TOP` and `RETR` agree on it, `UIDL` does not depend on it. Names
    /// of people and subjects can be read, addresses that are not ASCII cannot be answered. What most servers want.
    Surrogate,
    /// They get `-ERR [UTF8]` on `LIST` of the message, `RETR` and `TOP` (R6856-5.1). Nothing is changed, but old clients
    /// stop at such a message.
    Refuse,
}

impl Policy {
    const fn new(tls: Option<ServerTls>, implicit: bool) -> Self {
        Self {
            tls,
            implicit,
            allow_cleartext_login: false,
            mechanisms: Mechanisms::DEFAULT,
            server_end_point: false,
            known_as: None,
            proxies: None,
        }
    }

    /// What a connection from there is.
    pub(super) fn origin(&self, peer: Option<IpAddr>) -> Origin {
        self.proxies.as_ref().map_or(Origin::Client, |proxies| proxies.origin(peer))
    }

    /// Fills `octets` from the provider of this listener's TLS, or of TLS in general.
    pub(super) fn random(&self, octets: &mut [u8]) -> Result<(), NoRandom> {
        match &self.tls {
            Some(tls) => tls.config().crypto_provider().secure_random.fill(octets).map_err(|_| NoRandom),
            None => random::fill(octets),
        }
    }

    /// TLS from the first octet, as on port 995: what RFC 8314 section 3.3 recommends.
    pub const fn implicit_tls(tls: ServerTls) -> Self {
        Self::new(Some(tls), true)
    }

    /// Clear text that offers `STLS`, as on port 110. Nobody can log in before it (R2595-2.3).
    pub const fn stls(tls: ServerTls) -> Self {
        Self::new(Some(tls), false)
    }

    /// Clear text without `STLS`. Nobody can log in unless
    /// [`allow_cleartext_login`](Self::allow_cleartext_login) follows.
    pub const fn cleartext() -> Self {
        Self::new(None, false)
    }

    /// Lets clients log in without TLS. Passwords then travel in clear text, where anyone on the path can read them
    /// (PB-Q69); EXTERNAL and tokens need TLS all the same. For loopback, or behind something that has encrypted already.
    pub const fn allow_cleartext_login(mut self) -> Self {
        self.allow_cleartext_login = true;
        self
    }

    /// Lets clients log in by these mechanisms and no other; [`Mechanisms::DEFAULT`] unless set. Those of
    /// [`Mechanisms::LEGACY`] and ANONYMOUS are off unless named here (PB-Q68).
    pub const fn mechanisms(mut self, mechanisms: Mechanisms) -> Self {
        self.mechanisms = mechanisms;
        self
    }

    /// Lets clients log in by certificate and in no other way: nothing but EXTERNAL is announced or taken, `USER` is
    /// refused (RDM-2.1e). Ask for certificates in
    /// [`ServerTlsBuilder::client_certificates`](crate::tls::ServerTlsBuilder::client_certificates).
    pub const fn certificate_only(self) -> Self {
        self.mechanisms(Mechanisms::EXTERNAL)
    }

    /// Offers the `-PLUS` mechanisms also with the channel binding `tls-server-end-point` (RFC 5929), which is there
    /// under TLS 1.2 as well, and which a client may use as often as it likes. It binds to the certificate, not to the
    /// connection: whoever has the key of the certificate is not found out. Off unless set; `tls-exporter` is the better
    /// one (R9266-3.1).
    pub const fn tls_server_end_point(mut self) -> Self {
        self.server_end_point = true;
        self
    }

    /// The host name and port under which clients know this listener. Tokens that a client means for another host or port
    /// are refused (R7628-3.2); without this only the host is compared, with the name that the client has asked for in
    /// its TLS handshake. The name also stands in the challenges of CRAM-MD5.
    pub fn known_as(mut self, host: impl Into<String>, port: u16) -> Self {
        self.known_as = Some((host.into(), port));
        self
    }

    /// Has connections begin with a PROXY header, before TLS and everything else, which tells the client's address; only
    /// from `proxies`, which alone may connect: see [`TrustedProxies`].
    pub fn behind_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = Some(proxies);
        self
    }
}
