//! A POP3 server: one thread per connection, over any [`Authenticator`] and any [`Store`].
//!
//! ```text
//!   Server::builder ──bind──▶ Server ──serve──▶ Running ──shutdown, join──▶ end
//!                               │
//!                               └─serve_connection: one session on any stream, on the calling thread
//! ```
//!
//! ```no_run
//! use pop3_blocking::auth::MemoryUsers;
//! use pop3_blocking::server::{Policy, Server};
//! use pop3_blocking::store::MemoryStore;
//! use pop3_blocking::tls::ServerTls;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let users = MemoryUsers::new().with_user("mrose", "tanstaaf");
//! let store = MemoryStore::new();
//! let tls = ServerTls::builder().certificate_files("chain.pem", "key.pem").build()?;
//!
//! let server = Server::builder(users, store)
//!     .listen(([0, 0, 0, 0], 995).into(), Policy::implicit_tls(tls.clone()))
//!     .listen(([0, 0, 0, 0], 110).into(), Policy::stls(tls))
//!     .bind()?; // privileges are not needed any more
//! let running = server.serve()?;
//! running.join(); // until somebody calls running.shutdown()
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - Mail is removed by `QUIT` after a login and by nothing else. The lock of a maildrop is free before the client can
//!   see the end of the connection, however that came about: end of input, time-out, shutdown, panic (R35, R39).
//! - A message that could not be sent whole has no end line: the connection is cut (R1939-3.18).
//! - Every wait ends, and everything that a client can make grow has a limit: [`Limits`]. No buffer is larger than
//!   128 KiB, and an idle connection has 5 KiB of them (under TLS those of TLS besides).
//! - A panic of the authenticator or the store ends one session, with `-ERR [SYS/TEMP]` if a reply is owed, and is
//!   counted: [`Statistics::panicked`] (PB-S37). A program built with `panic = "abort"` gives this promise away.
//! - Passwords travel under TLS only, unless [`Policy::allow_cleartext_login`] was called.
//! - Behind a load balancer the client's address comes from the PROXY header, and from nowhere that was not named:
//!   [`TrustedProxies`].
//! - What the log says, it says in one line per session; never a command's argument, never mail (PB-S53).
//!
//! # How it works
//!
//! The protocol is [`pop3_proto::server::Session`]; here are sockets, threads and time. A thread per listener accepts
//! and admits; each connection has a thread with a small stack for as long as it lasts, whose loop is: give the session
//! what was read, do what it asks for, write all replies of a batch at once, wait for more. Another thread waits for the
//! wish to stop and then wakes those that wait, by shutting their sockets down for reading.
//!
//! RFC 1939, RFC 2449, RFC 2595, RFC 3206, RFC 5034, RFC 6856, RFC 6858, RFC 8314.

use core::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use pop3_proto::ServerLimits;
use pop3_proto::body::BodyRules;
use pop3_proto::server::SessionConfig;

use crate::Stream;
use crate::auth::{Authenticator, Decoys};
use crate::store::Store;

mod admission;
#[cfg(feature = "legacy-md5")]
mod apop;
mod connection;
mod error;
mod gate;
mod input;
mod limits;
mod listener;
mod login;
mod message;
pub mod metrics;
mod observer;
mod offer;
mod outcome;
mod output;
mod penalty;
mod policy;
#[cfg(not(feature = "__fuzzing"))]
mod proxy;
#[cfg(feature = "__fuzzing")]
pub(crate) mod proxy;
mod record;
mod running;
mod session;
mod shared;
mod socket;
mod stop;
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod workers;

pub use error::ServeError;
pub use limits::{LimitError, Limits};
pub use observer::{Event, Observer, RefusedBy, SessionEnd};
pub use outcome::Outcome;
pub use penalty::FailedLogin;
pub use policy::{Policy, Utf8Policy};
pub use pop3_proto::server::{Language, Phrase};
pub use proxy::{Network, ParseNetworkError, ProxyHeaderError, TrustedProxies};
pub use running::Running;
pub use shared::Statistics;

use admission::Admission;
use gate::Gate;
use listener::Listener;
use penalty::Penalty;
use shared::{Counters, Settings, Shared};
use stop::Stop;
use workers::Workers;

/// A server whose sockets are bound. Nothing is accepted before [`serve`](Self::serve).
#[must_use]
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<Listener>,
}

impl Server {
    /// A server that checks credentials with `authenticator` and opens maildrops of `store`.
    ///
    /// Hand over an [`Arc`] to keep a handle of one's own, as to read a users file again.
    pub fn builder(
        authenticator: impl Authenticator + 'static,
        store: impl Store + 'static,
    ) -> ServerBuilder {
        ServerBuilder {
            authenticator: Box::new(authenticator),
            store: Box::new(store),
            limits: Limits::default(),
            settings: Settings::default(),
            decoys: None,
            penalty: None,
            observers: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// Where the server will listen, in the order in which the listeners were given.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(Listener::address).collect()
    }

    /// Accepts connections from now on, on threads of its own.
    ///
    /// # Errors
    ///
    /// - [`ServeError::NoListener`]: none was given.
    /// - [`ServeError::Thread`]: the system gave no thread. What was started is stopped again.
    pub fn serve(self) -> Result<Running, ServeError> {
        Running::start(self.listeners, self.shared)
    }

    /// Serves one session on `stream`, on this thread and until it ends: for inetd, tunnels and tests.
    ///
    /// The limits apply but those on the number of connections. Whoever makes TCP connections sets `TCP_NODELAY`. A panic
    /// of the authenticator or the store is caught.
    pub fn serve_connection<T: Stream>(&self, stream: T, policy: &Policy) -> Outcome {
        connection::serve(&self.shared, stream, policy, None)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses())
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

/// Collects what a [`Server`] is made of. Nothing is opened before [`bind`](Self::bind).
#[must_use]
pub struct ServerBuilder {
    authenticator: Box<dyn Authenticator>,
    store: Box<dyn shared::AnyStore>,
    limits: Limits,
    settings: Settings,
    decoys: Option<Decoys>,
    penalty: Option<Penalty>,
    observers: Vec<Box<dyn Observer>>,
    sources: Vec<(Source, Policy)>,
}

/// Where a listener comes from.
enum Source {
    Address(SocketAddr),
    Socket(TcpListener),
}

impl ServerBuilder {
    /// Listens on `address` under `policy`. May be called for several. With port 0 the system chooses one:
    /// [`Server::addresses`]. `[::]` takes no IPv4; add `0.0.0.0` for both.
    pub fn listen(mut self, address: SocketAddr, policy: Policy) -> Self {
        self.sources.push((Source::Address(address), policy));
        self
    }

    /// Takes over a socket that listens already, as from a service manager. It is put into blocking mode.
    pub fn listen_on(mut self, socket: TcpListener, policy: Policy) -> Self {
        self.sources.push((Source::Socket(socket), policy));
        self
    }

    /// Sets the limits; see [`Limits`] for the defaults.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How bodies are sent. The store must measure messages under the same rules, or no RETR will come to its end
    /// (PB-S30).
    pub const fn body_rules(mut self, rules: BodyRules) -> Self {
        self.settings.rules = rules;
        self
    }

    /// Announces `IMPLEMENTATION`. It helps those who find faults, and those who look for known ones (R2449-6.9.1).
    pub fn implementation(mut self, text: impl Into<String>) -> Self {
        self.settings.implementation = Some(text.into());
        self
    }

    /// Announces `EXPIRE`: the store removes mail after so many days; `None` is never (R2449-6.7.1). To announce is
    /// all that the server does.
    pub const fn expire(mut self, days: Option<u32>) -> Self {
        self.settings.expire = Some(days);
        self
    }

    /// Announces `LOGIN-DELAY` in seconds. The authenticator or the store enforces it.
    pub const fn login_delay(mut self, seconds: u32) -> Self {
        self.settings.login_delay = Some(seconds);
        self
    }

    /// Takes LF alone for the end of a command, and lets blanks trail: for typing by hand. Two servers or proxies that
    /// disagree on what ends a line can be played off against each other; leave it off elsewhere (PB-Q53).
    pub const fn lenient_lf(mut self) -> Self {
        self.settings.lenient_lf = true;
        self
    }

    /// Offers `UTF8` (RFC 6856), with UTF-8 in names and passwords, unless set to [`Utf8Policy::Off`], as it is without this
    /// call. A client that asks for it before its login gets messages as they are stored; for the others see
    /// [`Utf8Policy`]. The store must follow: see [`Store::follows_utf8_headers`].
    ///
    /// Mail in other charsets is not converted in UTF-8 mode, which RFC 6856 section 2.1 would have: in which charset a raw
    /// header is nobody can tell, what is labelled clients can convert themselves, and signatures stay good (R6856-2.2).
    pub const fn utf8(mut self, policy: Utf8Policy) -> Self {
        self.settings.utf8 = policy;
        self
    }

    /// Answers `UTF8` after the login by `+OK`, without effect, for Outlook (PB-Q52). Off unless set: RFC 6856 allows it
    /// before the login only.
    pub const fn lenient_utf8(mut self) -> Self {
        self.settings.lenient_utf8 = true;
        self
    }

    /// The languages that `LANG` offers, [`Language::BUILT_IN`] unless set. None: it is not offered.
    pub const fn languages(mut self, languages: &'static [Language<'static>]) -> Self {
        self.settings.languages = languages;
        self
    }

    /// The tag of the language that `LANG *` chooses, the same for all users; `i-default` unless set (R6856-3.3).
    pub fn default_language(mut self, tag: impl Into<String>) -> Self {
        self.settings.default_language = tag.into();
        self
    }

    /// Hands names and passwords to the authenticator as the client wrote them, for backends that compare octets. Unless
    /// set, the server prepares both by SASLprep (RFC 4013), and what cannot be prepared is refused: R4616-2.3,
    /// R6856-2.2.2. Both are UTF-8 in any case, and names without control characters.
    pub const fn unprepared_credentials(mut self) -> Self {
        self.settings.unprepared = true;
        self
    }

    /// Makes up the salts of unknown users from `secret`, 16 octets or more that nobody else knows, so that they are the
    /// same after a restart. Unless set, it is random and lives as long as the server. An authenticator with decoys
    /// of its own wants the secret too ([`Decoys`]).
    pub fn decoy_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.decoys = Some(Decoys::from_secret(secret));
        self
    }

    /// Is told of each failed login, and says how much longer than [`Limits::failed_login_delay`] its answer takes: for
    /// penalties that grow with what came from one address. The answer waits no longer than to the end of the time for a
    /// login. It is called on the session's thread; a panic in it ends that session.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::sync::Mutex;
    /// use std::time::Duration;
    ///
    /// # use pop3_blocking::auth::MemoryUsers;
    /// # use pop3_blocking::server::Server;
    /// # use pop3_blocking::store::MemoryStore;
    /// # let builder = Server::builder(MemoryUsers::new(), MemoryStore::new());
    /// let failures = Mutex::new(HashMap::new()); // bound it, and forget what is old
    /// let builder = builder.on_failed_login(move |failed| {
    ///     let mut failures = failures.lock().unwrap();
    ///     let count = failures.entry(failed.network).or_insert(0u64);
    ///     *count += 1;
    ///     Duration::from_secs(*count)
    /// });
    /// # let _ = builder;
    /// ```
    pub fn on_failed_login(
        mut self,
        penalty: impl Fn(&FailedLogin<'_>) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.penalty = Some(Box::new(penalty));
        self
    }

    /// Tells `observer` what happens from then on, for metrics and the like: see [`Event`] and [`metrics::Metrics`]. May be
    /// called for several.
    pub fn observe(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Checks the settings and binds the sockets.
    ///
    /// # Errors
    ///
    /// - [`ServeError::Bind`], [`ServeError::Socket`]: an address or socket cannot be used.
    /// - [`ServeError::IdleTooShort`]: an idle limit below 600 s (R1939-3.15).
    /// - [`ServeError::Limit`]: another limit outside its range.
    /// - [`ServeError::Implementation`]: that text cannot stand in a line.
    /// - [`ServeError::Utf8Store`]: `UTF8` is to be offered, and the store does not follow.
    /// - [`ServeError::DefaultLanguage`]: that language is not offered.
    pub fn bind(self) -> Result<Server, ServeError> {
        let Self { authenticator, store, limits, settings, decoys, penalty, observers, sources } = self;
        let (idle, floor) = (limits.protocol.idle, ServerLimits::IDLE_FLOOR);
        if idle < floor {
            return Err(ServeError::IdleTooShort { idle, floor });
        }
        limits.check().map_err(ServeError::Limit)?;
        if settings.implementation.as_deref().is_some_and(|text| !is_capability_text(text)) {
            return Err(ServeError::Implementation);
        }
        if settings.utf8 != Utf8Policy::Off && !store.follows_utf8_headers() {
            return Err(ServeError::Utf8Store);
        }
        let (tag, fallback) = (&settings.default_language, SessionConfig::DEFAULT.default_language);
        let is_it = |language: &Language<'_>| language.tag().eq_ignore_ascii_case(tag);
        if !tag.eq_ignore_ascii_case(fallback) && !settings.languages.iter().any(is_it) {
            return Err(ServeError::DefaultLanguage);
        }
        let listeners = sources
            .into_iter()
            .map(|(source, policy)| match source {
                Source::Address(address) => Listener::bind(address, policy),
                Source::Socket(socket) => Listener::from_socket(socket, policy),
            })
            .collect::<Result<_, _>>()?;
        let shared = Shared {
            authenticator,
            store,
            decoys: decoys.or_else(Decoys::random),
            penalty,
            observers,
            checks: Gate::new(limits.password_checks),
            stop: Stop::new(),
            admission: Admission::new(&limits),
            workers: Workers::new(),
            counters: Counters::default(),
            limits,
            settings,
            #[cfg(test)]
            hurry: 1,
        };
        Ok(Server { shared: Arc::new(shared), listeners })
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("limits", &self.limits)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Whether `text` can be the argument of a capability: it must leave room in a line of 512 octets (R2449-5.1).
fn is_capability_text(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|octet| matches!(octet, 0x20..=0x7e))
}
