//! Who may log in: the [`Authenticator`] trait and its stock implementations.
//!
//! The server asks one question at a time and waits for the answer; a lookup may block for as long as the login
//! deadline allows. Answers are typed, so that the reply carries the right response code and nothing the client could
//! learn from: a wrong password and an unknown user are the same [`AuthError::Rejected`].

use core::fmt;
use std::error::Error as StdError;
use std::net::SocketAddr;

use pop3_proto::sasl::server::ScramHash;

#[cfg(all(feature = "checkpassword", unix))]
mod checkpassword;
mod decoys;
mod keys;
mod mechanisms;
mod memory;
mod token;
#[cfg(feature = "passwd")]
mod users_file;
#[cfg(test)]
pub(crate) mod work;

#[cfg(all(feature = "checkpassword", unix))]
pub use checkpassword::{CheckPassword, CheckPasswordError};
pub use decoys::Decoys;
pub use keys::{ScramKeys, SharedSecret};
pub use mechanisms::Mechanisms;
pub use memory::MemoryUsers;
pub use token::{TokenError, TokenRequest};
#[cfg(feature = "passwd")]
pub use users_file::{Examined, HashError, LineProblem, UsersFile, UsersFileError};

/// Checks credentials. Shared by all sessions of a listener.
///
/// Implementations must do the same work, and take the same time, for an unknown user as for a wrong password
/// (R4422-3.6, R1939-7.5). The server adds a delay to each failure and closes after three; it also bounds how many
/// questions are asked at once ([`Limits::password_checks`](crate::server::Limits::password_checks)).
///
/// Names come prepared by SASLprep, and passwords too, unless the server was told to leave them as they are
/// ([`ServerBuilder::unprepared_credentials`](crate::server::ServerBuilder::unprepared_credentials)): keep what is
/// stored prepared as well (R4616-2.3). None of them may be logged as it stands.
///
/// A policy for single users needs no method of its own: who may log in by certificate alone is
/// [`Rejected`](AuthError::Rejected) by every other method, who has a secret for CRAM-MD5 or APOP should be rejected by
/// [`password`](Self::password) (R1939-13.1), and who must use TLS is rejected wherever [`LoginContext::tls`] is not set,
/// before the password is looked at (R8314-4.3).
///
/// Methods are added with default bodies that refuse, so that an implementation of today keeps compiling.
pub trait Authenticator: Send + Sync {
    /// Which mechanisms can succeed for some user. No other is announced or taken.
    ///
    /// Asked once for each connection. The default is what the two oldest methods serve: PLAIN, LOGIN, `USER` and
    /// EXTERNAL. With [`scram_keys`](Self::scram_keys) add [`Mechanisms::SCRAM`] or single hashes, with
    /// [`secret`](Self::secret) CRAM-MD5 and `APOP`, with [`token`](Self::token) [`Mechanisms::TOKENS`], with
    /// [`anonymous`](Self::anonymous) ANONYMOUS.
    fn mechanisms(&self) -> Mechanisms {
        Mechanisms::PASSWORDS | Mechanisms::EXTERNAL
    }

    /// Checks a password that came with `USER`/`PASS` or SASL PLAIN or LOGIN.
    ///
    /// `user` is well-formed UTF-8 without control characters; `password` holds no CR, LF or NUL.
    ///
    /// # Errors
    ///
    /// [`AuthError::Rejected`] for every credential problem; the other variants for faults that are not the user's.
    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError>;

    /// Maps a client certificate, verified by TLS, to a user, for SASL EXTERNAL (RFC 4422 appendix A).
    ///
    /// `certificate` is the end-entity certificate in DER. The default maps no certificate to anybody. The server asks
    /// after each handshake in which a certificate was shown, to know whether to announce EXTERNAL (R4422-A.3), and again
    /// when the client uses it.
    ///
    /// # Errors
    ///
    /// [`AuthError::Rejected`] if the certificate maps to no user.
    fn certificate(&self, cx: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
        let _ = (cx, certificate);
        Err(AuthError::Rejected)
    }

    /// Gives the keys of `user` for SCRAM with `hash`. They are not yet a login: the mechanism verifies the client's proof
    /// against them, then asks [`proven`](Self::proven).
    ///
    /// For a user who is unknown, or has no such keys, either give [`Decoys`] shaped like the other users', or reject:
    /// the server then makes decoys of its own, of 4,096 iterations. The client goes through the whole exchange and fails
    /// at the proof in any case (R5802-5.9).
    ///
    /// # Errors
    ///
    /// As for [`password`](Self::password).
    fn scram_keys(&self, cx: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        let _ = (cx, user, hash);
        Err(AuthError::Rejected)
    }

    /// Gives the password of `user`, for CRAM-MD5 and `APOP`, whose digests cannot be verified without it. It is not yet a
    /// login: [`proven`](Self::proven) is asked when the digest is right. After a rejection the client's digest is
    /// compared with that of a made-up password.
    ///
    /// # Errors
    ///
    /// As for [`password`](Self::password).
    fn secret(&self, cx: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        let _ = (cx, user);
        Err(AuthError::Rejected)
    }

    /// Says who `user` is, who has proven by SCRAM, CRAM-MD5 or `APOP` to know the password, and whether they may log in
    /// now. The default is the user of that name: the keys or the secret came from [`scram_keys`](Self::scram_keys) or
    /// [`secret`](Self::secret) for that name, and nobody proves anything against decoys.
    ///
    /// # Errors
    ///
    /// As for [`password`](Self::password).
    fn proven(&self, cx: &LoginContext<'_>, user: &str) -> Result<Identity, AuthError> {
        let _ = cx;
        Ok(Identity::new(user))
    }

    /// Checks a bearer token that came with OAUTHBEARER or XOAUTH2, and says whose it is (RFC 7628).
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    fn token(&self, cx: &LoginContext<'_>, request: &TokenRequest<'_>) -> Result<Identity, TokenError> {
        let _ = (cx, request);
        Err(TokenError::REJECTED)
    }

    /// Lets in somebody who gives no proof of anything, by ANONYMOUS (RFC 4505). `trace` is what they say of themselves;
    /// it may be empty and is not to be believed.
    ///
    /// # Errors
    ///
    /// [`AuthError::Rejected`] if not.
    fn anonymous(&self, cx: &LoginContext<'_>, trace: &str) -> Result<Identity, AuthError> {
        let _ = (cx, trace);
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
    /// The SASL mechanism, `USER` for `USER`/`PASS`, or `APOP`.
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
    fn mechanisms(&self) -> Mechanisms {
        (**self).mechanisms()
    }

    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        (**self).password(cx, user, password)
    }

    fn certificate(&self, cx: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
        (**self).certificate(cx, certificate)
    }

    fn scram_keys(&self, cx: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        (**self).scram_keys(cx, user, hash)
    }

    fn secret(&self, cx: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        (**self).secret(cx, user)
    }

    fn proven(&self, cx: &LoginContext<'_>, user: &str) -> Result<Identity, AuthError> {
        (**self).proven(cx, user)
    }

    fn token(&self, cx: &LoginContext<'_>, request: &TokenRequest<'_>) -> Result<Identity, TokenError> {
        (**self).token(cx, request)
    }

    fn anonymous(&self, cx: &LoginContext<'_>, trace: &str) -> Result<Identity, AuthError> {
        (**self).anonymous(cx, trace)
    }

    fn authorize(&self, cx: &LoginContext<'_>, who: Identity, authzid: &str) -> Result<Identity, AuthError> {
        (**self).authorize(cx, who, authzid)
    }
}
