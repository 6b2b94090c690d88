//! Servers, certificates, and stores that fail on demand.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use pop3_blocking::auth::{AuthError, Authenticator, Identity, LoginContext, MemoryUsers};
use pop3_blocking::server::{Limits, Policy, Running, Server, ServerBuilder};
use pop3_blocking::store::{
    CommitError, Committed, Maildrop, MemoryMaildrop, MemoryStore, Message, Meta, OpenContext, OpenError,
    Plan, Store, StoreError,
};
use pop3_blocking::tls::{ClientCertificates, ClientTls, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// The name in the server's certificate.
pub(crate) const HOST: &str = "pop.example.org";

/// The messages that [`mail`] delivers, as a client receives them.
pub(crate) const MESSAGES: [&str; 3] = [
    "From: a@example.net\r\nSubject: one\r\n\r\nHello.\r\n",
    "From: b@example.net\r\nSubject: dots\r\n\r\n.\r\n..two\r\n.hidden\r\nend\r\n",
    "Subject: three\r\n\r\n",
];

/// One certificate for all tests, and who trusts it.
pub(crate) struct Tls {
    pub(crate) server: ServerTls,
    /// Asks for client certificates, which are optional.
    pub(crate) server_with_clients: ServerTls,
    pub(crate) client: ClientTls,
    pub(crate) client_tls12: ClientTls,
    /// Shows a certificate.
    pub(crate) client_with_certificate: ClientTls,
}

pub(crate) fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let issue = |names: &[&str], usage| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        };
        let (chain, key) = issue(&[HOST], ExtendedKeyUsagePurpose::ServerAuth);
        let server = || ServerTls::builder().certificate_pem(&chain, &key);
        let client = || ClientTls::builder().ca_pem(&ca);
        let mut old = rustls::ClientConfig::builder_with_provider(pop3_blocking::tls::provider().unwrap())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(roots(&ca))
            .with_no_client_auth();
        old.alpn_protocols = vec![b"pop3".to_vec()];
        let (client_chain, client_key) = issue(&[], ExtendedKeyUsagePurpose::ClientAuth);
        Tls {
            server: server().build().unwrap(),
            server_with_clients: server()
                .client_certificates(ClientCertificates::Optional)
                .client_ca_pem(&ca)
                .build()
                .unwrap(),
            client: client().build().unwrap(),
            client_tls12: ClientTls::from_config(Arc::new(old)),
            client_with_certificate: client()
                .client_certificate_pem(client_chain, client_key)
                .build()
                .unwrap(),
        }
    })
}

fn roots(pem: &str) -> rustls::RootCertStore {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    roots
}

/// Three users, one password.
pub(crate) fn users() -> MemoryUsers {
    ["mrose", "fred", "kim"]
        .into_iter()
        .fold(MemoryUsers::new(), |users, name| users.with_user(name, "secret"))
}

/// The [`MESSAGES`] for `mrose`.
pub(crate) fn mail() -> MemoryStore {
    let store = MemoryStore::new();
    for message in MESSAGES {
        store.add("mrose", message);
    }
    store
}

/// The defaults, without the delay after a failed login and with many connections from one address.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.failed_login_delay = Duration::ZERO;
    limits.connections_per_address_before_login = 1000;
    limits.connections_per_address = 1000;
    limits
}

pub(crate) fn local() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// A server in clear text that takes passwords, not yet bound.
pub(crate) fn builder(store: impl Store + 'static) -> ServerBuilder {
    Server::builder(users(), store)
        .limits(limits())
        .listen(local(), Policy::cleartext().allow_cleartext_login())
}

/// A running server with one listener.
pub(crate) fn serve(builder: ServerBuilder) -> (Running, SocketAddr) {
    let running = builder.bind().unwrap().serve().unwrap();
    let address = running.addresses()[0];
    (running, address)
}

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < crate::peer::LONG, "never: {what}");
        std::thread::yield_now();
    }
}

/// Where a [`FaultyStore`] fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Open(Kind),
    /// After so many messages.
    Scan(usize, Kind),
    /// A unique-id that cannot be one; the error that comes back is not handed on.
    BadUniqueId,
    OpenMessage(Kind),
    /// After so many octets.
    Read(usize, Kind),
    /// The same, and only of the third message.
    ReadLast(usize),
    /// The message has so many octets more (or fewer) than announced.
    Size(i8),
    Commit(Kind),
    /// When the maildrop is dropped without a commit.
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gone,
    Temporary,
    Permanent,
    LoginDelay,
    Panic,
}

impl Kind {
    fn error(self) -> StoreError {
        match self {
            Self::Gone => StoreError::Gone,
            Self::Temporary => StoreError::Temporary("canary-fault".into()),
            Self::Permanent => StoreError::Permanent("canary-fault".into()),
            Self::LoginDelay => unreachable!(),
            Self::Panic => panic!("a store that panics"),
        }
    }
}

/// Maildrops in memory with one fault.
pub(crate) struct FaultyStore {
    pub(crate) inner: MemoryStore,
    fault: Arc<Mutex<Fault>>,
}

impl FaultyStore {
    pub(crate) fn new(inner: MemoryStore, fault: Fault) -> Self {
        Self { inner, fault: Arc::new(Mutex::new(fault)) }
    }

    /// Changes the fault of this store, and of its open maildrops.
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }
}

impl Store for FaultyStore {
    type Maildrop = FaultyMaildrop;

    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<FaultyMaildrop, OpenError> {
        let fault = *self.fault.lock().unwrap();
        let inner = self.inner.open(who, cx)?;
        match fault {
            Fault::Open(Kind::LoginDelay) => Err(OpenError::LoginDelay),
            Fault::Open(kind) => Err(kind.error().into()),
            _ => Ok(FaultyMaildrop { inner: Some(inner), fault: Arc::clone(&self.fault) }),
        }
    }
}

pub(crate) struct FaultyMaildrop {
    inner: Option<MemoryMaildrop>,
    fault: Arc<Mutex<Fault>>,
}

impl FaultyMaildrop {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }
}

impl Maildrop for FaultyMaildrop {
    fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let (fault, mut given) = (self.fault(), 0);
        self.inner.as_mut().unwrap().scan(&mut |meta| {
            match fault {
                Fault::Scan(after, kind) if given == after => return Err(kind.error()),
                Fault::BadUniqueId => drop(out(Meta::new(meta.octets, b"not one")).unwrap_err()),
                _ => out(meta)?,
            }
            given += 1;
            Ok(())
        })
    }

    fn open_message(&mut self, message: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError> {
        let fault = self.fault();
        let reader = self.inner.as_mut().unwrap().open_message(message)?;
        match fault {
            Fault::OpenMessage(kind) => Err(kind.error()),
            Fault::ReadLast(after) if message.number.get() == 3 => {
                Ok(Box::new(reader.take(after as u64).chain(Broken(Kind::Temporary))))
            }
            Fault::Read(after, kind) => Ok(Box::new(reader.take(after as u64).chain(Broken(kind)))),
            Fault::Size(more @ 1..) => Ok(Box::new(reader.chain(io::repeat(b'x').take(more as u64)))),
            Fault::Size(fewer) => Ok(Box::new(reader.take(message.octets - u64::from(fewer.unsigned_abs())))),
            _ => Ok(reader),
        }
    }

    fn commit(mut self: Box<Self>, plan: &dyn Plan) -> Result<Committed, CommitError> {
        let fault = self.fault();
        let inner = self.inner.take().unwrap();
        match fault {
            Fault::Commit(Kind::Panic) => panic!("a store that panics"),
            Fault::Commit(_) => {
                let mut planned = 0;
                plan.for_each_marked(&mut |_| planned += 1);
                Err(CommitError::new(0, planned, "canary-fault".into()))
            }
            _ => Box::new(inner).commit(plan),
        }
    }
}

impl Drop for FaultyMaildrop {
    fn drop(&mut self) {
        let inner = self.inner.take();
        if inner.is_some() && *self.fault.lock().unwrap() == Fault::Drop {
            drop(inner);
            panic!("a store that panics");
        }
    }
}

struct Broken(Kind);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {
            Kind::Panic => panic!("a store that panics"),
            _ => Err(io::Error::other("canary-fault")),
        }
    }
}

/// Checks passwords as [`users`] does, counts the questions, and has its own ideas about some names.
#[derive(Default)]
pub(crate) struct OddUsers {
    pub(crate) asked: AtomicUsize,
}

impl Authenticator for OddUsers {
    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match user {
            "temporary" => Err(AuthError::Temporary("canary-fault".into())),
            "permanent" => Err(AuthError::Permanent("canary-fault".into())),
            "delayed" => Err(AuthError::LoginDelay),
            "panic" => panic!("an authenticator that panics"),
            _ => users().password(cx, user, password),
        }
    }

    fn certificate(&self, cx: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
        assert!(cx.tls && cx.mechanism == "EXTERNAL" && certificate.starts_with(b"\x30"));
        Ok(Identity::new("mrose"))
    }

    fn authorize(&self, _: &LoginContext<'_>, who: Identity, authzid: &str) -> Result<Identity, AuthError> {
        assert_ne!(who.name(), authzid);
        match (who.name(), authzid) {
            ("mrose", "fred") => Ok(Identity::new("fred")),
            _ => Err(AuthError::Rejected),
        }
    }
}
