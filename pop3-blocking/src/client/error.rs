//! What can go wrong for a client, and what the server said.

use core::fmt;
use std::error::Error as StdError;
use std::io;

use pop3_proto::sasl::prep::PrepError;
use pop3_proto::sasl::{Part, SaslError, scram};
use pop3_proto::{CodeKind, Reply, ResponseCode, SendError, StatusLine, Verb, WaitingFor};

use super::policy::Offered;
use super::tunnel::ProxyError;
use crate::random::NoRandom;
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
    /// The server offers nothing that the credentials and the policy allow on this connection: each offer, and what
    /// stands against it. Nothing was sent.
    NoMethod(Box<[Offered]>),
    /// The server refused the token. Get a new one; the [report](TokenRejected::report) may say where and for what.
    TokenRejected(Box<TokenRejected>),
    /// The server said in the SCRAM exchange why it refuses, then refused.
    /// [`ChannelBindingsDontMatch`](scram::Refusal::ChannelBindingsDontMatch) and
    /// [`ServerDoesSupportChannelBinding`](scram::Refusal::ServerDoesSupportChannelBinding) mean that somebody may be in
    /// between.
    ProofRefused(scram::Refusal, Refused),
    /// There is no way through the proxy. Nothing was said to the server.
    Proxy(ProxyError),
    /// The server did not accept our certificate, or wanted one and got none (RDM-2.1g). The connection is over. Under
    /// TLS 1.3 this may come from any call up to the first reply.
    ClientCertificateRefused(rustls::AlertDescription),
    /// There is no source of random octets, without which SCRAM proves nothing. Nothing was sent.
    NoRandom,
    /// SASLprep does not let this part of the credentials be used (RFC 4013). Nothing was sent.
    Unprepared(Part, PrepError),
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

/// A token that was refused, at once or after a report (R7628-3.3, PB-Q23).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRejected {
    /// The server's account, as a rule JSON: `status`, and perhaps `scope` and `openid-configuration`. `None` if it gave
    /// none. Anybody may have written it: show it escaped.
    pub report: Option<Vec<u8>>,
    /// Its `-ERR`.
    pub refused: Refused,
}

impl Error {
    /// Whether the connection can still be used.
    pub const fn is_harmless(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::NotSent(_)
                | Self::Argument(_)
                | Self::BadReply(_)
                | Self::Caller(_)
                | Self::NoMethod(_)
                | Self::TokenRejected(_)
                | Self::ProofRefused(..)
                | Self::NoRandom
                | Self::Unprepared(..)
                | Self::Sasl(SaslError::Credential { .. })
        )
    }

    /// What the server said, if it said anything.
    pub const fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) | Self::Closing(refused) | Self::NoTls(Some(refused)) => Some(refused),
            Self::TokenRejected(rejected) => Some(&rejected.refused),
            Self::ProofRefused(_, refused) => Some(refused),
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
            Self::NoMethod(offers) => no_method(offers, f),
            Self::TokenRejected(rejected) => {
                write!(f, "token refused: {}", rejected.refused)?;
                match &rejected.report {
                    Some(report) => write!(f, "; {}", report.escape_ascii()),
                    None => Ok(()),
                }
            }
            Self::ProofRefused(reason, refused) => write!(f, "{refused}; it reports {reason}"),
            Self::ClientCertificateRefused(rustls::AlertDescription::CertificateRequired) => {
                f.write_str("server requires a client certificate")
            }
            Self::ClientCertificateRefused(alert) => {
                write!(f, "server refused the client certificate, or the lack of one: alert {alert:?}")
            }
            Self::NoRandom => fmt::Display::fmt(&NoRandom, f),
            Self::Unprepared(part, error) => write!(f, "{part} cannot be used: {error}"),
            Self::Sasl(error) => fmt::Display::fmt(error, f),
            Self::Transport(error) => fmt::Display::fmt(error, f),
            Self::ServerName(error) => fmt::Display::fmt(error, f),
            Self::Proxy(error) => write!(f, "no way through the proxy: {error}"),
            Self::Connect { to, source } => write!(f, "no connection to {to}: {source}"),
            Self::Resolve { to, source } => write!(f, "no address for {to}: {source}"),
            Self::Caller(source) => fmt::Display::fmt(source, f),
        }
    }
}

fn no_method(offers: &[Offered], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("no acceptable way to log in: server offers ")?;
    let Some((first, rest)) = offers.split_first() else { return f.write_str("none") };
    write!(f, "{first}")?;
    rest.iter().try_for_each(|offer| write!(f, ", {offer}"))
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::NotSent(error) => Some(error),
            Self::Argument(error) => Some(error),
            Self::Sasl(error) => Some(error),
            Self::Unprepared(_, error) => Some(error),
            Self::Transport(error) => Some(error),
            Self::ServerName(error) => Some(error),
            Self::Proxy(error) => Some(error),
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

impl From<ProxyError> for Error {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
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
        match error {
            TransportError::ClientCertificateRefused(alert) => Self::ClientCertificateRefused(alert),
            error => Self::Transport(error),
        }
    }
}

impl From<NoRandom> for Error {
    fn from(NoRandom: NoRandom) -> Self {
        Self::NoRandom
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
