//! What can go wrong in a connection, and whose fault it is.
//!
//! [`Error`] is final: the connection that returned it returns it for ever, and can only be closed. [`SendError`] and
//! [`ReplyError`] are harmless: nothing was written and nothing changed. No error holds octets of the peer.

use core::fmt;

use crate::buffer::Full;
use crate::codec::Verb;
use crate::state::State;

/// The connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol. Treat [`PeerMisbehaved::OctetsBehindStls`] as an attack.
    PeerMisbehaved(PeerMisbehaved),
    /// The program called a method where it must not. Never caused by what the peer sends.
    ApiMisuse(ApiMisuse),
    /// A line has no CRLF within so many octets.
    LineTooLong {
        /// The limit in octets.
        limit: usize,
    },
    /// A multi-line reply has more lines than this.
    TooManyLines {
        /// The limit in lines.
        limit: u32,
    },
    /// A reply to `CAPA`, `LANG` or `AUTH` alone has more octets than this.
    ListTooLarge {
        /// The limit in octets.
        limit: u32,
    },
    /// A message has more octets than this.
    MessageTooLarge {
        /// The limit in octets.
        limit: u64,
    },
    /// The stream ended inside a reply or before it: what was received of it is not the whole.
    Truncated {
        /// The command whose reply is missing or cut; `None`: the greeting.
        verb: Option<Verb>,
    },
    /// The stream ended between replies, without a `QUIT`.
    ConnectionLost,
    /// A wait came to its end.
    TimedOut,
}

/// How the peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// The first line is no POP3 greeting (R1939-4.2).
    NotAGreeting,
    /// A reply does not begin with `+OK`, `-ERR` or `+` (R1939-3.4).
    NotAReply,
    /// A challenge where no SASL exchange waits for one.
    UnexpectedChallenge,
    /// A second line after one that nothing was outstanding for (PB-C42).
    ReplyWithoutCommand,
    /// `+OK` to a command that cannot succeed where the session stands.
    SuccessOutOfPlace {
        /// The command.
        verb: Verb,
    },
    /// Octets in clear text behind `STLS` or its `+OK` (R2595-4.6, R2595-4.7).
    OctetsBehindStls,
    /// An over-long line was thrown away for this many octets without coming to an end.
    EndlessLine {
        /// The limit in octets.
        limit: usize,
    },
}

/// How the program misused the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// The method has no meaning where the session stands.
    WrongMoment {
        /// Where it stands.
        state: State,
    },
    /// Another kind of reply is owed than the one that was given, or none.
    ReplyNotOwed,
    /// The octets of a message that were given differ from the size that was announced for it (PB-S30).
    SizeMismatch,
}

/// Why nothing was sent. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The output has not the room. Flush it and try again.
    Full(Full),
    /// As many commands are outstanding as can be kept. Receive replies first.
    TooManyOutstanding {
        /// How many.
        limit: usize,
    },
    /// The server has not announced `PIPELINING`. Receive the outstanding replies first (R2449-6.6.4).
    NotPipelined,
    /// `STLS`, `AUTH`, `QUIT` or a login is outstanding, or would be sent behind something that is.
    MustWait {
        /// The command that asks for the wait.
        verb: Verb,
    },
    /// The command has no place where the session will stand.
    OutOfPlace {
        /// The command.
        verb: Verb,
        /// Where the session will stand when the outstanding commands have succeeded.
        state: State,
    },
    /// Octets of the server have not been looked at: call `receive` until it needs input (R2449-6.6.2).
    UnreadInput,
    /// A credential would travel without TLS (R2595-2.3). See `Client::allow_cleartext_login`.
    Cleartext,
    /// A name or password of `USER`, `PASS` or `APOP` is not ASCII, and the server has not announced `UTF8 USER`. A SASL
    /// mechanism can carry it (R6856-2.2.1, PB-C40).
    NonAscii,
    /// A name or password of `USER`, `PASS` or `APOP` is no UTF-8, which no server could take (R6856-2.2.2).
    IllFormedUtf8,
    /// `APOP`, although the greeting held no timestamp or came in clear text (R1939-7.11).
    NoTimestamp,
    /// `STLS` behind `UTF8` (R6856-2.7).
    AfterUtf8,
    /// The command is longer than the limit (R2449-4.2).
    TooLong {
        /// Octets of the command with CRLF.
        octets: usize,
        /// The limit in octets.
        limit: usize,
    },
    /// The server has said that it closes, or the connection has failed.
    Closed,
}

/// Why a reply was not written. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// The output has not the room. Flush it and try again.
    Full(Full),
    /// The call has no place here.
    ApiMisuse(ApiMisuse),
}

impl From<Full> for SendError {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

impl From<Full> for ReplyError {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

impl From<ApiMisuse> for ReplyError {
    fn from(misuse: ApiMisuse) -> Self {
        Self::ApiMisuse(misuse)
    }
}

impl From<PeerMisbehaved> for Error {
    fn from(misbehaved: PeerMisbehaved) -> Self {
        Self::PeerMisbehaved(misbehaved)
    }
}

impl From<ApiMisuse> for Error {
    fn from(misuse: ApiMisuse) -> Self {
        Self::ApiMisuse(misuse)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerMisbehaved(what) => write!(f, "peer broke the protocol: {what}"),
            Self::ApiMisuse(what) => write!(f, "interface misused: {what}"),
            Self::LineTooLong { limit } => write!(f, "no line end within {limit} octets"),
            Self::ListTooLarge { limit } => write!(f, "list has over {limit} octets"),
            Self::TooManyLines { limit } => write!(f, "reply has over {limit} lines"),
            Self::MessageTooLarge { limit } => write!(f, "message has over {limit} octets"),
            Self::Truncated { verb: Some(verb) } => {
                write!(f, "stream ended before the end of the reply to {verb}")
            }
            Self::Truncated { verb: None } => f.write_str("stream ended before the end of the greeting"),
            Self::ConnectionLost => f.write_str("stream ended without QUIT"),
            Self::TimedOut => f.write_str("wait timed out"),
        }
    }
}

impl fmt::Display for PeerMisbehaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAGreeting => f.write_str("first line is no POP3 greeting"),
            Self::NotAReply => f.write_str("reply begins with neither +OK nor -ERR nor +"),
            Self::UnexpectedChallenge => f.write_str("challenge outside a SASL exchange"),
            Self::ReplyWithoutCommand => f.write_str("reply without a command"),
            Self::SuccessOutOfPlace { verb } => write!(f, "+OK to {verb}, which cannot succeed here"),
            Self::OctetsBehindStls => f.write_str("octets in clear text behind STLS"),
            Self::EndlessLine { limit } => write!(f, "line goes on after {limit} octets"),
        }
    }
}

impl fmt::Display for ApiMisuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongMoment { state } => write!(f, "method has no meaning in state {state:?}"),
            Self::ReplyNotOwed => f.write_str("no reply of this kind is owed"),
            Self::SizeMismatch => f.write_str("message is not as long as announced"),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(full) => fmt::Display::fmt(full, f),
            Self::TooManyOutstanding { limit } => write!(f, "{limit} commands are outstanding"),
            Self::NotPipelined => f.write_str("server has not announced PIPELINING"),
            Self::MustWait { verb } => write!(f, "{verb} must be answered before anything follows"),
            Self::OutOfPlace { verb, state } => write!(f, "{verb} has no place in state {state:?}"),
            Self::UnreadInput => f.write_str("octets of the server were not looked at"),
            Self::Cleartext => f.write_str("credentials would travel without TLS"),
            Self::NonAscii => {
                f.write_str("credentials are not ASCII and the server has not announced UTF8 USER")
            }
            Self::IllFormedUtf8 => f.write_str("credentials are no UTF-8"),
            Self::NoTimestamp => f.write_str("greeting held no timestamp for APOP, or came without TLS"),
            Self::AfterUtf8 => f.write_str("STLS cannot follow UTF8"),
            Self::TooLong { octets, limit } => write!(f, "command has {octets} octets, over {limit}"),
            Self::Closed => f.write_str("connection is closing"),
        }
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(full) => fmt::Display::fmt(full, f),
            Self::ApiMisuse(misuse) => fmt::Display::fmt(misuse, f),
        }
    }
}

impl core::error::Error for Error {}
impl core::error::Error for PeerMisbehaved {}
impl core::error::Error for ApiMisuse {}
impl core::error::Error for SendError {}
impl core::error::Error for ReplyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn law_3_an_error_is_told_in_words_of_its_own_and_shows_no_argument() {
        let full = Full { needed: 512 };
        for (error, text) in [
            (ReplyError::Full(full).to_string(), "output has no room for 512 octets"),
            (ReplyError::from(ApiMisuse::ReplyNotOwed).to_string(), "no reply of this kind is owed"),
            (ApiMisuse::SizeMismatch.to_string(), "message is not as long as announced"),
            (
                Error::from(ApiMisuse::WrongMoment { state: State::Tls }).to_string(),
                "interface misused: method has no meaning in state Tls",
            ),
            (SendError::Full(full).to_string(), "output has no room for 512 octets"),
            (
                SendError::MustWait { verb: Verb::Quit }.to_string(),
                "QUIT must be answered before anything follows",
            ),
            (SendError::TooLong { octets: 300, limit: 255 }.to_string(), "command has 300 octets, over 255"),
            (
                SendError::OutOfPlace { verb: Verb::Stat, state: State::Authorization }.to_string(),
                "STAT has no place in state Authorization",
            ),
        ] {
            assert_eq!(error, text);
        }
    }
}
