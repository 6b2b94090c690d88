//! What a session and its driver say to each other: [`Request`], and why a session ends.

#[cfg(doc)]
use super::{Refusal, Session, SessionConfig};
use crate::codec::{Arg, Base64, InitialResponse, MechanismName, MessageNumber, Secret};

/// What a session asks of its driver. The session takes no input until it has its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request<'i> {
    /// Check this password for [`Session::user`] and open the maildrop: add its messages with
    /// [`Session::add_message`], then call [`Session::opened`]; or [`Session::refuse`].
    Login {
        /// The password.
        password: Secret<'i>,
    },
    /// `PASS` with what is nobody's password: it is not UTF-8, or not ASCII where only that is offered (R6856-2.2.2).
    /// There is nothing to check. Let the time pass that a wrong password takes, then call [`Session::refuse`] with
    /// [`Refusal::Credentials`].
    Hopeless,
    /// Check this digest of the timestamp in the greeting, [`SessionConfig::apop`], and the secret of `name`, and open the
    /// maildrop as for [`Login`](Self::Login), or [`Session::refuse`] (R1939-7.10).
    Apop {
        /// The name.
        name: Arg<'i>,
        /// The digest as sent. Compare it in constant time, as `apop::matches` does.
        digest: Arg<'i>,
    },
    /// Take part in a SASL exchange: [`Session::challenge`], or open the maildrop as for [`Login`](Self::Login), or
    /// [`Session::refuse`]. After [`SaslInput::Ended`] nothing is to be answered.
    Sasl(SaslInput<'i>),
    /// Open this message: [`Session::start_message`], [`Session::body`] and [`Session::end_message`]; or
    /// [`Session::refuse`].
    Message {
        /// Which.
        number: MessageNumber,
        /// `TOP`: the header and so many lines of the body are asked for. `None`: all of it, by `RETR`.
        lines: Option<u64>,
    },
    /// The `+OK` to `STLS` is in the output: flush it, do the handshake, call [`Session::tls_started`]; or close.
    StartTls,
    /// `QUIT`: remove the messages of [`Session::marked`], free the lock, then call [`Session::committed`].
    Commit,
    /// Flush the output and close. Said again at each further call.
    Close(CloseReason),
}

/// What a SASL exchange of the server is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaslInput<'i> {
    /// The client has chosen a mechanism that is offered and may be used now.
    Start {
        /// The mechanism.
        mechanism: MechanismName<'i>,
        /// Its first message, if it came with the command.
        initial: Option<InitialResponse<'i>>,
    },
    /// The answer to a challenge.
    Response(Base64<'i>),
    /// The exchange is over: cancelled, or a line of it was no base64. The `-ERR` is in the output already.
    Ended,
    /// The client has answered a [`Session::report`], in whatever way: call [`Session::refuse`] with
    /// [`Refusal::Credentials`] (RP-XO.3, PB-Q65).
    Acknowledged,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// `QUIT` was answered.
    Quit,
    /// Too many logins failed.
    FailedLogins,
    /// Too many commands were bad.
    BadCommands,
    /// The client speaks another protocol.
    ForeignProtocol,
    /// The client is gone, or a wait came to its end.
    Lost,
}

/// What happened in a session, for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionCounts {
    /// Messages sent whole with `RETR`.
    pub retrieved: u32,
    /// Their octets before byte-stuffing.
    pub retrieved_octets: u64,
    /// Replies to `TOP`.
    pub tops: u32,
    /// Failed logins, one that a [`Session::report`] has told of included, whether or not the client answered it.
    pub failed_logins: u32,
    /// Bad commands.
    pub bad_commands: u32,
}
