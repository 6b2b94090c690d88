//! What rustls decides in a handshake and does not tell afterwards: which certificate a server showed, whether a client
//! showed one. A [`Witness`] stands in the way of one connection's questions for certificates and takes note.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};

/// Takes note for one connection, and knows what its configuration asks for.
pub(super) struct Witness {
    saw: Saw,
    /// Whether TLS 1.2 is refused to a peer without the extended master secret.
    pub(super) requires_ems: bool,
}

enum Saw {
    Server(Arc<Shown>),
    /// `None`: there is no certificate to show.
    Client(Option<Arc<Asked>>),
}

impl Witness {
    /// The configuration of one connection of a server. All but the answer to the hello stays shared.
    pub(super) fn of_server(config: &ServerConfig) -> (Self, Arc<ServerConfig>) {
        let inner = Arc::clone(&config.cert_resolver);
        let shown = Arc::new(Shown { inner, last: RwLock::new(Answer::NotAsked) });
        let mut config = config.clone();
        config.cert_resolver = Arc::<Shown>::clone(&shown);
        (Self { saw: Saw::Server(shown), requires_ems: config.require_ems }, Arc::new(config))
    }

    /// The configuration of one connection of a client.
    ///
    /// Without a certificate it is the given one: rustls resumes sessions under the very same resolver only. With one
    /// there is no resumption anyway (RDM-2.1j).
    pub(super) fn of_client(config: &Arc<ClientConfig>) -> (Self, Arc<ClientConfig>) {
        let requires_ems = config.require_ems;
        if !config.client_auth_cert_resolver.has_certs() {
            return (Self { saw: Saw::Client(None), requires_ems }, Arc::clone(config));
        }
        let asked =
            Arc::new(Asked { inner: Arc::clone(&config.client_auth_cert_resolver), sent: OnceLock::new() });
        let mut config = ClientConfig::clone(config);
        config.client_auth_cert_resolver = Arc::<Asked>::clone(&asked);
        (Self { saw: Saw::Client(Some(asked)), requires_ems }, Arc::new(config))
    }

    /// On a server, its own certificate in DER as sent in this handshake; on a resumed connection, as it would be sent.
    pub(super) fn shown(&self) -> Option<Vec<u8>> {
        let Saw::Server(shown) = &self.saw else { return None };
        let last = shown.last.read().unwrap_or_else(PoisonError::into_inner);
        let Answer::Key(key) = &*last else { return None };
        key.cert.first().map(|certificate| certificate.to_vec())
    }

    /// On a server, whether it had no certificate for the client's name.
    pub(super) fn has_refused_name(&self) -> bool {
        let Saw::Server(shown) = &self.saw else { return false };
        matches!(&*shown.last.read().unwrap_or_else(PoisonError::into_inner), Answer::None)
    }

    /// On a client, whether the server asked for a certificate and got one.
    pub(super) fn has_sent_certificate(&self) -> bool {
        matches!(&self.saw, Saw::Client(Some(asked)) if asked.sent.get() == Some(&true))
    }
}

#[derive(Debug)]
struct Shown {
    inner: Arc<dyn ResolvesServerCert>,
    /// The last one: a client that has to repeat its hello causes two questions.
    last: RwLock<Answer>,
}

#[derive(Debug)]
enum Answer {
    NotAsked,
    None,
    Key(Arc<CertifiedKey>),
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.inner.resolve(hello);
        let answer = key.as_ref().map_or(Answer::None, |key| Answer::Key(Arc::clone(key)));
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = answer;
        key
    }

    fn only_raw_public_keys(&self) -> bool {
        self.inner.only_raw_public_keys()
    }
}

#[derive(Debug)]
struct Asked {
    inner: Arc<dyn ResolvesClientCert>,
    sent: OnceLock<bool>,
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key = self.inner.resolve(authorities, schemes);
        // There is one question in a handshake, and none after it.
        self.sent.get_or_init(|| key.is_some());
        key
    }

    fn only_raw_public_keys(&self) -> bool {
        self.inner.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}
