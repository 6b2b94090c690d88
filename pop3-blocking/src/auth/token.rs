//! Bearer tokens: what is asked about one, and why it is refused.

use core::fmt;
use std::error::Error as StdError;

use pop3_proto::Secret;

use super::AuthError;

/// A token that a client has given by OAUTHBEARER or XOAUTH2 (RFC 7628).
///
/// Host and port are what the client believes it talks to; the server has compared them with what it knows of itself
/// (R7628-3.2, [`Policy::known_as`](crate::server::Policy::known_as)), and an authenticator may do so again.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TokenRequest<'a> {
    /// The token, which is a secret as a password is.
    pub token: Secret<'a>,
    /// Whom the client wants to act as. The token must be that user's, or
    /// [`authorize`](super::Authenticator::authorize) is asked about the one it belongs to.
    pub authzid: Option<&'a str>,
    /// The host that the client meant to connect to, if it says.
    pub host: Option<&'a str>,
    /// The port that the client meant to connect to, if it says.
    pub port: Option<u16>,
}

impl<'a> TokenRequest<'a> {
    /// A request about `token` alone.
    pub const fn new(token: Secret<'a>) -> Self {
        Self { token, authzid: None, host: None, port: None }
    }
}

impl fmt::Debug for TokenRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Why a token does not log anybody in.
#[derive(Debug)]
#[non_exhaustive]
pub enum TokenError {
    /// The token is not good: expired, forged, for another service. The client gets `report`, then `-ERR [AUTH]`.
    Rejected {
        /// The JSON object for the client's program (RFC 7628 section 3.2.2), as
        /// `{"status":"invalid_token","scope":"mail"}`: `status` is required, `scope` and `openid-configuration`
        /// help it to get a better token. `None`: the server sends one that says no more than that.
        report: Option<String>,
    },
    /// Anything that has nothing to do with the token itself.
    Auth(AuthError),
}

impl TokenError {
    /// A rejection without a report of its own.
    pub const REJECTED: Self = Self::Rejected { report: None };
}

impl From<AuthError> for TokenError {
    /// [`AuthError::Rejected`] becomes a rejection of the token.
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Rejected => Self::REJECTED,
            other => Self::Auth(other),
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { .. } => f.write_str("token rejected"),
            Self::Auth(error) => error.fmt(f),
        }
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Rejected { .. } => None,
            Self::Auth(error) => error.source(),
        }
    }
}
