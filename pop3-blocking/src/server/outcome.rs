//! How a session ended: [`Outcome`].

use core::fmt;

use pop3_proto::server::CloseReason;
use pop3_proto::{Error, WaitingFor};

use super::ProxyHeaderError;
use crate::TransportError;

/// How a session ended.
///
/// Mail was removed with [`Quit`](Self::Quit) and, in part, with [`NotRemoved`](Self::NotRemoved), and with no other
/// outcome (R35).
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// With `QUIT`; what was marked is removed.
    Quit,
    /// With `QUIT`; some of what was marked could not be removed, and the reply said so.
    NotRemoved,
    /// The client ended the connection without `QUIT`.
    Disconnected,
    /// The client was silent for too long.
    TimedOut {
        /// What it did not send in time.
        waiting_for: WaitingFor,
    },
    /// Too many logins failed.
    FailedLogins,
    /// The client's address has as many sessions as it may have. Its credentials were right, or it came through a proxy and
    /// was not asked for any.
    Crowded,
    /// The connection is to begin with a PROXY header, and the header or who sent it is not good.
    ProxyHeader(ProxyHeaderError),
    /// Too many commands were bad.
    BadCommands,
    /// The client's first line is another protocol's.
    ForeignProtocol,
    /// The TLS handshake did not succeed.
    Handshake(TransportError),
    /// The connection broke, or the client took nothing of what was written to it in time.
    Transport(TransportError),
    /// The client broke the protocol in a way that ends the connection.
    Protocol(Error),
    /// A message could not be read to its end, or had another size than announced: its reply was left without an end.
    MessageCut,
    /// The server was stopped.
    Stopped,
    /// The connection had to make room for another before its client logged in.
    Evicted,
    /// The authenticator, the store or the server panicked.
    Panicked,
}

/// What may still be written when a session ends in some way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The replies that wait, and an orderly end.
    Replies,
    /// An orderly end.
    Silence,
    /// What waits, such as messages before the one that broke, and then a cut: the client must not take what it has for
    /// whole.
    Part,
    /// Nothing: the client is gone, or must go.
    Cut,
}

impl Outcome {
    /// The names that [`name`](Self::name) gives.
    pub(super) const NAMES: [&str; 16] = [
        "quit",
        "not_removed",
        "disconnected",
        "timed_out",
        "failed_logins",
        "crowded",
        "proxy_header",
        "bad_commands",
        "foreign_protocol",
        "handshake",
        "transport",
        "protocol",
        "message_cut",
        "stopped",
        "evicted",
        "panicked",
    ];

    /// Its kind in one word, as `quit` or `timed_out`, the same for ever.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::NotRemoved => "not_removed",
            Self::Disconnected => "disconnected",
            Self::TimedOut { .. } => "timed_out",
            Self::FailedLogins => "failed_logins",
            Self::Crowded => "crowded",
            Self::ProxyHeader(_) => "proxy_header",
            Self::BadCommands => "bad_commands",
            Self::ForeignProtocol => "foreign_protocol",
            Self::Handshake(_) => "handshake",
            Self::Transport(_) => "transport",
            Self::Protocol(_) => "protocol",
            Self::MessageCut => "message_cut",
            Self::Stopped => "stopped",
            Self::Evicted => "evicted",
            Self::Panicked => "panicked",
        }
    }

    pub(super) const fn farewell(&self) -> Farewell {
        match self {
            Self::Quit
            | Self::NotRemoved
            | Self::Disconnected
            | Self::FailedLogins
            | Self::Crowded
            | Self::BadCommands
            | Self::ForeignProtocol
            | Self::Stopped
            | Self::Panicked => Farewell::Replies,
            Self::TimedOut { .. } => Farewell::Silence,
            Self::MessageCut => Farewell::Part,
            Self::ProxyHeader(_)
            | Self::Handshake(_)
            | Self::Transport(_)
            | Self::Protocol(_)
            | Self::Evicted => Farewell::Cut,
        }
    }
}

impl From<CloseReason> for Outcome {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Quit => Self::Quit,
            CloseReason::FailedLogins => Self::FailedLogins,
            CloseReason::BadCommands => Self::BadCommands,
            CloseReason::ForeignProtocol => Self::ForeignProtocol,
            _ => Self::Disconnected,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quit => f.write_str("quit"),
            Self::NotRemoved => f.write_str("quit, some messages not removed"),
            Self::Disconnected => f.write_str("client closed the connection"),
            Self::TimedOut { waiting_for } => write!(f, "timed out waiting for {waiting_for}"),
            Self::FailedLogins => f.write_str("too many failed logins"),
            Self::Crowded => f.write_str("too many connections from this address"),
            Self::ProxyHeader(error) => fmt::Display::fmt(error, f),
            Self::BadCommands => f.write_str("too many bad commands"),
            Self::ForeignProtocol => f.write_str("client speaks another protocol"),
            Self::Handshake(error) => write!(f, "handshake failed: {error}"),
            Self::Transport(error) => write!(f, "connection failed: {error}"),
            Self::Protocol(error) => fmt::Display::fmt(error, f),
            Self::MessageCut => f.write_str("message could not be sent whole"),
            Self::Stopped => f.write_str("server stopped"),
            Self::Evicted => f.write_str("made room for another connection"),
            Self::Panicked => f.write_str("panic"),
        }
    }
}
