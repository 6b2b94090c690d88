//! Who may log in: the [`Authenticator`] trait and its stock implementations.
//!
//! The server asks one question at a time and waits for the answer; a lookup may block for as long as the login
//! deadline allows. Answers are typed, so that the reply carries the right response code and nothing the client could
//! learn from: a wrong password and an unknown user are the same [`AuthError::Rejected`].

use core::fmt;
use std::error::Error as StdError;
use std::net::SocketAddr;

mod memory;
#[cfg(feature = "passwd")]
mod scheme;
#[cfg(feature = "passwd")]
mod users_file;

pub use memory::MemoryUsers;
#[cfg(feature = "passwd")]
pub use users_file::{HashError, LineProblem, UsersFile, UsersFileError};

/// Checks credentials. Shared by all sessions of a listener.
///
/// Implementations must do the same work, and take the same time, for an unknown user as for a wrong password
/// (R4422-3.6, R1939-7.5). The server adds a delay to each failure and closes after three; it also bounds how many
/// checks run at once.
///
/// Methods are added with default bodies that refuse, so that an implementation of today keeps compiling.
pub trait Authenticator: Send + Sync {
    /// Checks a password that came with `USER`/`PASS` or SASL PLAIN or LOGIN.
    ///
    /// `user` is well-formed UTF-8 without control characters; `password` holds no CR, LF or NUL. Neither may be
    /// logged as it stands.
    ///
    /// # Errors
    ///
    /// [`AuthError::Rejected`] for every credential problem; the other variants for faults that are not the user's.
    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError>;

    /// Maps a client certificate, verified by TLS, to a user, for SASL EXTERNAL (RFC 4422 appendix A).
    ///
    /// `certificate` is the end-entity certificate in DER. The default maps no certificate to anybody.
    ///
    /// # Errors
    ///
    /// [`AuthError::Rejected`] if the certificate maps to no user.
    fn certificate(&self, cx: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
        let _ = (cx, certificate);
        Err(AuthError::Rejected)
    }

    /// Says whether `who`, whose credentials are right, may act as `authzid`, which is not empty.
    ///
    /// The default allows only one's own name (R4422-3.6).
    ///
    /// # Errors
    ///
    /// [`AuthError::Rejected`] if not.
    fn authorize(&self, cx: &LoginContext<'_>, who: Identity, authzid: &str) -> Result<Identity, AuthError> {
        let _ = cx;
        if who.name() == authzid { Ok(who) } else { Err(AuthError::Rejected) }
    }
}

/// An authorization identity: the user whose maildrop will be opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    name: String,
}

impl Identity {
    /// The user called `name`. It is data, never a path: a store decides what it stands for.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What is known about a login besides the credentials.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoginContext<'a> {
    /// The address of the peer, if the transport has one.
    pub peer: Option<SocketAddr>,
    /// Whether the connection is protected by TLS.
    pub tls: bool,
    /// The SASL mechanism, or `USER` for `USER`/`PASS`.
    pub mechanism: &'a str,
}

impl<'a> LoginContext<'a> {
    /// A context for `mechanism` (`USER` for `USER`/`PASS`).
    pub const fn new(peer: Option<SocketAddr>, tls: bool, mechanism: &'a str) -> Self {
        Self { peer, tls, mechanism }
    }
}

/// Why a login failed. Each variant has its own response code (RFC 2449 section 8, RFC 3206).
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// Unknown user, wrong password, expired account, identity not allowed: `-ERR [AUTH]`.
    Rejected,
    /// The credentials are right but the user must wait: `-ERR [LOGIN-DELAY]`.
    LoginDelay,
    /// A fault that may pass, as an unreachable database: `-ERR [SYS/TEMP]`. The source goes to the log only.
    Temporary(Box<dyn StdError + Send + Sync>),
    /// A fault that needs a human, as a broken users file: `-ERR [SYS/PERM]`. The source goes to the log only.
    Permanent(Box<dyn StdError + Send + Sync>),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected => f.write_str("credentials rejected"),
            Self::LoginDelay => f.write_str("login not allowed yet"),
            Self::Temporary(source) => write!(f, "temporary fault while checking credentials: {source}"),
            Self::Permanent(source) => write!(f, "permanent fault while checking credentials: {source}"),
        }
    }
}

impl StdError for AuthError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Temporary(source) | Self::Permanent(source) => Some(source.as_ref()),
            Self::Rejected | Self::LoginDelay => None,
        }
    }
}

/// So that a program can keep a handle to what it gives to a server.
impl<A: Authenticator + ?Sized> Authenticator for std::sync::Arc<A> {
    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        (**self).password(cx, user, password)
    }

    fn certificate(&self, cx: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
        (**self).certificate(cx, certificate)
    }

    fn authorize(&self, cx: &LoginContext<'_>, who: Identity, authzid: &str) -> Result<Identity, AuthError> {
        (**self).authorize(cx, who, authzid)
    }
}
