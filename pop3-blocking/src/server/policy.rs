//! How a listener treats its connections: [`Policy`].

use crate::tls::ServerTls;

/// How a connection is protected, and whether passwords may travel without protection.
///
/// ```
/// use pop3_blocking::server::Policy;
///
/// // For a proxy on the same host that has done TLS already.
/// let behind_a_proxy = Policy::cleartext().allow_cleartext_login();
/// # let _ = behind_a_proxy;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Policy {
    pub(super) tls: Option<ServerTls>,
    pub(super) implicit: bool,
    pub(super) allow_cleartext_login: bool,
}

impl Policy {
    /// TLS from the first octet, as on port 995: what RFC 8314 section 3.3 recommends.
    pub const fn implicit_tls(tls: ServerTls) -> Self {
        Self { tls: Some(tls), implicit: true, allow_cleartext_login: false }
    }

    /// Clear text that offers `STLS`, as on port 110. Nobody can log in before it (R2595-2.3).
    pub const fn stls(tls: ServerTls) -> Self {
        Self { tls: Some(tls), implicit: false, allow_cleartext_login: false }
    }

    /// Clear text without `STLS`. Nobody can log in unless
    /// [`allow_cleartext_login`](Self::allow_cleartext_login) follows.
    pub const fn cleartext() -> Self {
        Self { tls: None, implicit: false, allow_cleartext_login: false }
    }

    /// Lets passwords travel in clear text, where anyone on the path can read them (PB-Q69). For loopback, or behind
    /// something that has encrypted already.
    pub const fn allow_cleartext_login(mut self) -> Self {
        self.allow_cleartext_login = true;
        self
    }
}
