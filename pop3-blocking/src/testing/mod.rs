//! A POP3 server for the tests of your mail code: on loopback, over TLS, in the same process.
//!
//! ```
//! # fn fetch_all(_: &str, _: &str, _: &str) {}
//! use pop3_blocking::testing::TestServer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TestServer::start()?;
//! server.deliver("Subject: hello\n\nworld\n");
//! fetch_all(&server.url(), TestServer::PASSWORD, server.ca_pem()); // the code under test
//! # Ok(())
//! # }
//! ```
//!
//! There are no certificate files to keep: each server makes an authority of its own, and shows a certificate for
//! `localhost`, `127.0.0.1` and `::1`. Mail is kept in memory. Servers do not know of each other, so tests can run at the
//! same time. Dropping the server ends its sessions.
//!
//! What goes wrong with mail goes wrong between the lines of a good session; [`TestServer::inject`] makes it happen.
//! What became of the mail tell [`TestServer::messages`] and [`TestServer::statistics`].
//!
//! It is the server of this crate, with all that it can do; only a failed login is answered at once, and one address, for
//! all come from one, may have as many connections as the server.

use core::fmt;
use std::error::Error as StdError;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::auth::MemoryUsers;
use crate::client::{ClientOptions, Connection, Error, Session};
use crate::server::{Limits, Policy, Running, ServeError, Server, ServerBuilder, Statistics};
use crate::tls::{ClientCertificates, ClientTls, ServerTls, TlsConfigError};

mod ca_file;
mod certificates;
mod fault;
mod users;

use ca_file::CaFile;
use certificates::Authority;
pub use certificates::ClientCertificate;
pub use fault::Fault;
use fault::FaultyStore;
pub(crate) use fault::reply_is_lost;
use users::Users;

/// A server at work on loopback, with one user unless told otherwise. See the [module](self).
#[must_use = "dropping it stops the server"]
pub struct TestServer {
    running: Running,
    store: FaultyStore,
    authority: Arc<Authority>,
    client_tls: ClientTls,
    ca_file: Mutex<Option<CaFile>>,
    user: String,
    password: String,
}

impl TestServer {
    /// The user of a server to which none was added.
    pub const USER: &str = "alice";
    /// That user's password.
    pub const PASSWORD: &str = "wonderland";

    /// A server with the user [`USER`](Self::USER) and an empty maildrop.
    ///
    /// # Errors
    ///
    /// [`TestServerError`]: the system gives no port, thread or randomness.
    pub fn start() -> Result<Self, TestServerError> {
        Self::builder().start()
    }

    /// For other users, and other settings.
    pub const fn builder() -> TestServerBuilder {
        TestServerBuilder {
            users: Vec::new(),
            tokens: Vec::new(),
            client_certificates: false,
            configure: None,
        }
    }

    /// Delivers a message to the first user. Its lines may end in LF or CRLF. A session that is open does not see it, the
    /// next does (R1939-4.6).
    pub fn deliver(&self, message: impl Into<Vec<u8>>) {
        self.deliver_to(&self.user, message);
    }

    /// Delivers a message to `user`.
    pub fn deliver_to(&self, user: &str, message: impl Into<Vec<u8>>) {
        self.store.memory().add(user, message);
    }

    /// The messages that the first user has now, oldest first, as they were delivered.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        self.messages_of(&self.user)
    }

    /// The messages that `user` has now.
    pub fn messages_of(&self, user: &str) -> Vec<Vec<u8>> {
        self.store.memory().messages(user)
    }

    /// Where it listens with TLS from the first octet.
    pub fn tls_address(&self) -> SocketAddr {
        self.address(0)
    }

    /// Where it listens in clear text. It offers `STLS`, and takes logins without it.
    pub fn cleartext_address(&self) -> SocketAddr {
        self.address(1)
    }

    fn address(&self, listener: usize) -> SocketAddr {
        // There are two: `TestServerBuilder::start`.
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        self.running.addresses().get(listener).copied().unwrap_or(nowhere)
    }

    /// `pops://alice@localhost:PORT`, with the first user.
    pub fn url(&self) -> String {
        format!("pops://{}@localhost:{}", self.user, self.tls_address().port())
    }

    /// `pop://alice@localhost:PORT`, the listener in clear text.
    pub fn cleartext_url(&self) -> String {
        format!("pop://{}@localhost:{}", self.user, self.cleartext_address().port())
    }

    /// The certificate of its authority, in PEM: the one that the code under test must trust.
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// The same as a file, for programs. It goes when the server does.
    ///
    /// # Errors
    ///
    /// It cannot be written to the directory for temporary files.
    pub fn ca_file(&self) -> std::io::Result<PathBuf> {
        let mut file = self.ca_file.lock().unwrap_or_else(PoisonError::into_inner);
        match &*file {
            Some(file) => Ok(file.path().to_owned()),
            None => Ok(file.insert(CaFile::create(self.ca_pem())?).path().to_owned()),
        }
    }

    /// TLS for the client of this crate that trusts this server and no other.
    pub const fn client_tls(&self) -> &ClientTls {
        &self.client_tls
    }

    /// A certificate by which `user` can log in, with SASL EXTERNAL, if the server asks for certificates:
    /// [`TestServerBuilder::client_certificates`].
    ///
    /// # Errors
    ///
    /// [`TestServerError::Certificate`].
    pub fn client_certificate(&self, user: &str) -> Result<ClientCertificate, TestServerError> {
        self.authority.issue_to(user)
    }

    /// A session of the first user, over TLS, by the client of this crate.
    ///
    /// # Errors
    ///
    /// As [`Connection::connect_tls`] and [`Connection::login`]; an injected fault is one of them.
    pub fn login(&self) -> Result<Session, Error> {
        let port = self.tls_address().port();
        let connection =
            Connection::connect_tls("localhost", port, &self.client_tls, ClientOptions::default())?;
        connection.login(&self.user, &self.password).map_err(|failed| failed.error)
    }

    /// Has something go wrong, once, in the next session of the first user that comes to it. Faults wait for their turn in
    /// the order in which they were given, those of each kind for themselves.
    pub fn inject(&self, fault: Fault) {
        self.inject_for(&self.user, fault);
    }

    /// Has something go wrong, once, for `user`.
    pub fn inject_for(&self, user: &str, fault: Fault) {
        self.store.inject(user, fault);
    }

    /// How many faults have not happened yet: a test whose fault never came has not tested it.
    pub fn pending_faults(&self) -> usize {
        self.store.pending()
    }

    /// What the server has done so far.
    pub fn statistics(&self) -> Statistics {
        self.running.statistics()
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").field("addresses", &self.running.addresses()).finish_non_exhaustive()
    }
}

/// Collects what a [`TestServer`] is made of.
#[must_use]
pub struct TestServerBuilder {
    users: Vec<(String, String)>,
    tokens: Vec<(String, String)>,
    client_certificates: bool,
    configure: Option<Configure>,
}

type Configure = Box<dyn FnOnce(ServerBuilder) -> ServerBuilder>;

impl TestServerBuilder {
    /// Adds a user. The first added is the one whom [`TestServer::url`] and the like mean; without any it is
    /// [`TestServer::USER`].
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// Lets `user` log in by `token` as well, with OAUTHBEARER or XOAUTH2.
    pub fn token(mut self, user: impl Into<String>, token: impl Into<String>) -> Self {
        self.tokens.push((user.into(), token.into()));
        self
    }

    /// Asks clients for certificates, which they may have or not: see [`TestServer::client_certificate`].
    pub const fn client_certificates(mut self) -> Self {
        self.client_certificates = true;
        self
    }

    /// Changes settings of the server, such as its limits, languages, or what it announces.
    ///
    /// ```
    /// use pop3_blocking::testing::TestServer;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = TestServer::builder()
    ///     .user("mrose", "tanstaaf")
    ///     .configure(|server| server.expire(Some(30)).login_delay(60))
    ///     .start()?;
    /// assert!(server.url().starts_with("pops://mrose@localhost:"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure(mut self, change: impl FnOnce(ServerBuilder) -> ServerBuilder + 'static) -> Self {
        let before = self.configure.take();
        self.configure = Some(Box::new(move |server| {
            change(match before {
                Some(before) => before(server),
                None => server,
            })
        }));
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    ///
    /// [`TestServerError`]: the system gives no port, thread or randomness, or the settings do not hold.
    pub fn start(self) -> Result<TestServer, TestServerError> {
        let Self { mut users, tokens, client_certificates, configure } = self;
        if users.is_empty() {
            users.push((TestServer::USER.to_owned(), TestServer::PASSWORD.to_owned()));
        }
        let passwords =
            users.iter().fold(MemoryUsers::new(), |known, (name, password)| known.with_user(name, password));
        let authority = Arc::new(Authority::new()?);
        let (chain, key) = authority.issue_to_server()?;
        let tls = ServerTls::builder().certificate_pem(chain, key);
        let tls = if client_certificates {
            tls.client_certificates(ClientCertificates::Optional).client_ca_pem(authority.pem())
        } else {
            tls
        };
        let tls = tls.build().map_err(TestServerError::Tls)?;
        let client_tls =
            ClientTls::builder().ca_pem(authority.pem()).build().map_err(TestServerError::Tls)?;
        let known = Users::new(passwords, tokens, client_certificates.then(|| Arc::clone(&authority)));

        let store = FaultyStore::default();
        let mut limits = Limits { failed_login_delay: Duration::ZERO, ..Limits::default() };
        limits.connections_per_address = limits.connections;
        limits.connections_per_address_before_login = limits.connections;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::builder(known, store.clone())
            .limits(limits)
            .listen(loopback, Policy::implicit_tls(tls.clone()))
            .listen(loopback, Policy::stls(tls).allow_cleartext_login());
        let server = match configure {
            Some(change) => change(server),
            None => server,
        };
        let running = server.bind().and_then(Server::serve).map_err(TestServerError::Serve)?;
        let (user, password) = users.swap_remove(0);
        Ok(TestServer { running, store, authority, client_tls, ca_file: Mutex::new(None), user, password })
    }
}

impl fmt::Debug for TestServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServerBuilder").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

/// Why a [`TestServer`] did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum TestServerError {
    /// No certificate could be made.
    Certificate(Box<dyn StdError + Send + Sync>),
    /// TLS cannot be had.
    Tls(TlsConfigError),
    /// The sockets, threads or settings.
    Serve(ServeError),
}

impl fmt::Display for TestServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => write!(f, "no certificate for the test server: {error}"),
            Self::Tls(error) => write!(f, "no TLS for the test server: {error}"),
            Self::Serve(error) => write!(f, "the test server does not start: {error}"),
        }
    }
}

impl StdError for TestServerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Certificate(error) => error.source(),
            Self::Tls(error) => error.source(),
            Self::Serve(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests;
