//! What can go wrong for a client, and what the server said.

use core::fmt;
use std::error::Error as StdError;
use std::io;

use pop3_proto::sasl::SaslError;
use pop3_proto::{CodeKind, Reply, ResponseCode, SendError, StatusLine, Verb, WaitingFor};

use crate::tls::ServerNameError;
use crate::transport::TransportError;

/// Why a client's call failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server answered `-ERR`. The connection goes on, unless the server closes it.
    Refused(Refused),
    /// The server refused the session with its greeting, or gave notice that it closes. The connection is over.
    Closing(Refused),
    /// The server broke the protocol, a limit was reached, or the stream ended too early. The connection is over.
    Protocol(pop3_proto::Error),
    /// A wait came to its end. The connection is over.
    TimedOut {
        /// For what.
        waiting_for: WaitingFor,
    },
    /// The command was not sent: it has no place here, or would show a password to the path. Nothing changed.
    NotSent(SendError),
    /// An argument cannot be sent. Nothing changed.
    Argument(pop3_proto::ArgError),
    /// A `+OK` without the data that belongs to it. The connection goes on.
    BadReply(Verb),
    /// TLS is required and the server does not offer `STLS`, or refused it. No credential was sent.
    NoTls(Option<Refused>),
    /// The SASL exchange failed on our side: the server is not who it should be, or the credentials cannot be sent.
    Sasl(SaslError),
    /// Octets could not be moved, or TLS failed. The connection is over.
    Transport(TransportError),
    /// The name is no name that a certificate can be checked against.
    ServerName(ServerNameError),
    /// No address of the host could be connected to.
    Connect {
        /// The host and port, as given.
        to: String,
        /// The last failure.
        source: io::Error,
    },
    /// The host name could not be resolved.
    Resolve {
        /// The host and port, as given.
        to: String,
        /// The failure.
        source: io::Error,
    },
    /// The caller's own sink or source failed; the connection goes on.
    Caller(io::Error),
}

/// A refusal in the server's own words.
///
/// `Display` escapes the text: it may go to a terminal or a log. It never shows an argument of the command.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The command that was refused; `None` for the greeting or a closing notice.
    pub verb: Option<Verb>,
    /// What the response code means, if the server announced `RESP-CODES` and sent one that is known.
    pub code: Option<CodeKind>,
    /// All that stood behind `-ERR`, a response code included, untouched.
    pub text: Vec<u8>,
}

impl Refused {
    pub(crate) fn by_reply(reply: &Reply<'_>) -> Self {
        Self { verb: Some(reply.verb), code: reply.code(), text: reply.line.text.to_vec() }
    }

    /// A greeting or closing notice comes before or outside of `CAPA`: its code is believed if it is one of the known.
    pub(crate) fn by_notice(line: &StatusLine<'_>) -> Self {
        Self { verb: None, code: line.code().as_ref().and_then(ResponseCode::kind), text: line.text.to_vec() }
    }

    /// Whether the same command may succeed later without anybody doing anything: the maildrop is in use, the last
    /// login was too recent, or the server has a fault that passes.
    pub fn is_temporary(&self) -> bool {
        matches!(self.code, Some(CodeKind::InUse | CodeKind::LoginDelay | CodeKind::SysTemp))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verb {
            Some(verb) => write!(f, "server refused {verb}")?,
            None => f.write_str("server closes")?,
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text.escape_ascii()) }
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Whether the connection can still be used.
    pub const fn is_harmless(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::NotSent(_) | Self::Argument(_) | Self::BadReply(_) | Self::Caller(_)
        )
    }

    /// What the server said, if it said anything.
    pub const fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) | Self::Closing(refused) | Self::NoTls(Some(refused)) => Some(refused),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) | Self::Closing(refused) => fmt::Display::fmt(refused, f),
            Self::Protocol(error) => fmt::Display::fmt(error, f),
            Self::TimedOut { waiting_for } => write!(f, "timed out waiting for {waiting_for}"),
            Self::NotSent(error) => write!(f, "command not sent: {error}"),
            Self::Argument(error) => fmt::Display::fmt(error, f),
            Self::BadReply(verb) => write!(f, "+OK to {verb} without the data that belongs to it"),
            Self::NoTls(Some(refused)) => write!(f, "TLS is required: {refused}"),
            Self::NoTls(None) => f.write_str("TLS is required and the server does not offer STLS"),
            Self::Sasl(error) => fmt::Display::fmt(error, f),
            Self::Transport(error) => fmt::Display::fmt(error, f),
            Self::ServerName(error) => fmt::Display::fmt(error, f),
            Self::Connect { to, source } => write!(f, "no connection to {to}: {source}"),
            Self::Resolve { to, source } => write!(f, "no address for {to}: {source}"),
            Self::Caller(source) => fmt::Display::fmt(source, f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::NotSent(error) => Some(error),
            Self::Argument(error) => Some(error),
            Self::Sasl(error) => Some(error),
            Self::Transport(error) => Some(error),
            Self::ServerName(error) => Some(error),
            Self::Connect { source, .. } | Self::Resolve { source, .. } | Self::Caller(source) => {
                Some(source)
            }
            _ => None,
        }
    }
}

impl From<pop3_proto::Error> for Error {
    fn from(error: pop3_proto::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::NotSent(error)
    }
}

impl From<pop3_proto::ArgError> for Error {
    fn from(error: pop3_proto::ArgError) -> Self {
        Self::Argument(error)
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<ServerNameError> for Error {
    fn from(error: ServerNameError) -> Self {
        Self::ServerName(error)
    }
}

impl From<SaslError> for Error {
    fn from(error: SaslError) -> Self {
        Self::Sasl(error)
    }
}

/// For [`Read`](std::io::Read) on a message: the error travels inside and can be had back by downcast.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::TimedOut { .. } | Error::Transport(TransportError::TimedOut) => io::ErrorKind::TimedOut,
            Error::Protocol(pop3_proto::Error::Truncated { .. } | pop3_proto::Error::ConnectionLost) => {
                io::ErrorKind::UnexpectedEof
            }
            Error::Protocol(_) => io::ErrorKind::InvalidData,
            Error::Refused(_) | Error::Closing(_) => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
