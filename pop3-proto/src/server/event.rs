//! What a client's octets mean to a server.

use crate::codec::{Base64, Command, CommandError, Verb};

/// One event; a reply is owed for each. It borrows the input, so the [`Server`](super::Server) may be used while it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent<'i> {
    /// A command that has its place where the session stands.
    Command(Command<'i>),
    /// A line that can only be answered with `-ERR`.
    Rejected(Rejection),
    /// A message of the SASL exchange: a challenge or the last line of the exchange is owed.
    SaslResponse(Base64<'i>),
    /// The client has cancelled the exchange; `-ERR` is owed (R5034-4.9).
    SaslCancelled,
    /// A line of the exchange that is no base64, or over-long; `-ERR` is owed, and the exchange is over.
    SaslUndecodable,
}

/// Why a line can only be answered with `-ERR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// It is no command.
    Syntax(CommandError),
    /// The command has no place where the session stands (R1939-3.13).
    OutOfPlace(Verb),
    /// It was over the limit, and has been thrown away (R2449-4.1).
    TooLong,
}
