//! Why a server does not start: [`ServeError`].

use core::fmt;
use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::LimitError;

/// Why a server was not made or does not start. Nothing is left behind: no socket, no thread.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on: in use, not of this host, or a port for which privileges are missing.
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A socket that was handed over cannot be used.
    Socket(io::Error),
    /// There is no listener to serve.
    NoListener,
    /// The autologout is shorter than RFC 1939 section 3 allows (R1939-3.15).
    IdleTooShort {
        /// What was set.
        idle: Duration,
        /// The least that is allowed.
        floor: Duration,
    },
    /// Another limit is outside its range.
    Limit(LimitError),
    /// The text cannot be the argument of a capability: it is empty, has over 200 octets, or others than 20–7E.
    Implementation,
    /// `UTF8` is to be offered, but the store's maildrops show headers in one way only
    /// ([`Store::follows_utf8_headers`](crate::store::Store::follows_utf8_headers)).
    Utf8Store,
    /// The language that `LANG *` is to choose is not among those offered.
    DefaultLanguage,
    /// The system gave no thread.
    Thread(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Self::Socket(source) => write!(f, "cannot listen on the given socket: {source}"),
            Self::NoListener => f.write_str("no address to listen on"),
            Self::IdleTooShort { idle, floor } => {
                write!(f, "idle limit of {} s is below {} s", idle.as_secs(), floor.as_secs())
            }
            Self::Limit(error) => error.fmt(f),
            Self::Implementation => {
                f.write_str("implementation text is empty, over 200 octets or not printable ascii")
            }
            Self::Utf8Store => f.write_str("store cannot show headers to clients without utf-8 mode"),
            Self::DefaultLanguage => f.write_str("default language is not among the languages offered"),
            Self::Thread(source) => write!(f, "cannot start a thread: {source}"),
        }
    }
}

impl StdError for ServeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Bind { source, .. } | Self::Socket(source) | Self::Thread(source) => Some(source),
            Self::Limit(error) => Some(error),
            Self::NoListener
            | Self::IdleTooShort { .. }
            | Self::Implementation
            | Self::Utf8Store
            | Self::DefaultLanguage => None,
        }
    }
}
