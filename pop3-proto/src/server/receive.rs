//! How a server takes in what the client sends.

use super::event::{Rejection, ServerEvent};
use super::{Owed, Server};
use crate::client::Received;
use crate::codec::{Base64, Command, ReplyShape, Verb};
use crate::error::{Error, PeerMisbehaved};
use crate::line::Frame;
use crate::state;

impl Server {
    /// Takes in octets that came from the client and returns at most one event, for which a reply is then owed.
    ///
    /// Call it with everything unread, drop the first [`Received::consumed`] octets, write the reply that the event asks
    /// for, and call again until the step is `NeedInput`; then flush and read more. What was not consumed must come first
    /// in the next call. While a reply is owed the step is `Paused` and nothing is consumed; the same holds when the
    /// session is over, so that what follows a `QUIT` is ignored (R1939-6.6).
    ///
    /// A command must fit whole into the caller's buffer: [`ServerLimits::line`](crate::ServerLimits::line) octets, or
    /// [`sasl_line`](crate::ServerLimits::sasl_line) for `AUTH` and its exchange.
    ///
    /// # Errors
    ///
    /// Final: the connection must be closed, without another octet.
    ///
    /// - [`PeerMisbehaved::OctetsBehindStls`]: something stands behind `STLS` (R2595-4.7).
    /// - [`PeerMisbehaved::EndlessLine`]: an over-long line did not end within
    ///   [`ServerLimits::discard`](crate::ServerLimits::discard) octets.
    pub fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<ServerEvent<'i>>, Error> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.state == state::State::Tls && !input.is_empty() {
            return Err(self.fail(PeerMisbehaved::OctetsBehindStls.into()));
        }
        if !self.wants_input() {
            return Ok(Received::paused(0));
        }
        let in_exchange = matches!(self.owed, Owed::Response);
        let (sasl_line, line) = (self.limits.sasl_line, self.limits.line);
        let limit = if in_exchange || is_auth(input) { sasl_line.max(line) } else { line };
        match self.framer.take_or_discard(input, limit, self.limits.discard.max(limit)) {
            Ok(Frame::Incomplete(consumed)) => Ok(Received::need_input(consumed)),
            Ok(Frame::TooLong(consumed)) => Ok(Received::event(consumed, self.too_long(in_exchange))),
            Ok(Frame::Line(line, consumed)) if in_exchange => {
                Ok(Received::event(consumed, self.response(line)))
            }
            Ok(Frame::Line(line, consumed)) => {
                let event = self.command(line);
                let stls = matches!(event, ServerEvent::Command(Command::Stls));
                if stls && input.len() > consumed {
                    return Err(self.fail(PeerMisbehaved::OctetsBehindStls.into()));
                }
                Ok(Received::event(consumed, event))
            }
            Err(_) => Err(self.fail(PeerMisbehaved::EndlessLine { limit: self.limits.discard }.into())),
        }
    }

    fn command<'i>(&mut self, line: &'i [u8]) -> ServerEvent<'i> {
        // Trailing blanks of a line typed by hand; those of a password belong to it (PB-Q53).
        let password = line.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"PASS "));
        let line = if self.lenient && !password { without_blanks(line) } else { line };
        let rejection = match Command::parse(line) {
            Ok(command) if self.success(command.verb()).is_some() => {
                trace!("server: {} in {:?}", command.verb(), self.state);
                self.owed = Owed::Reply { verb: Some(command.verb()), shape: command.reply_shape() };
                return ServerEvent::Command(command);
            }
            Ok(command) => Rejection::OutOfPlace(command.verb()),
            Err(error) => Rejection::Syntax(error),
        };
        self.owed = Owed::Reply { verb: None, shape: ReplyShape::Single };
        ServerEvent::Rejected(rejection)
    }

    fn response<'i>(&mut self, line: &'i [u8]) -> ServerEvent<'i> {
        // Nothing but -ERR may follow, unless it is a message (R5034-4.9, R5034-4.11).
        self.owed = Owed::Reply { verb: None, shape: ReplyShape::Single };
        if line == b"*" {
            return ServerEvent::SaslCancelled;
        }
        let Ok(response) = Base64::new(line) else { return ServerEvent::SaslUndecodable };
        self.owed = Owed::Reply { verb: Some(Verb::Auth), shape: ReplyShape::Sasl };
        ServerEvent::SaslResponse(response)
    }

    fn too_long(&mut self, in_exchange: bool) -> ServerEvent<'static> {
        self.owed = Owed::Reply { verb: None, shape: ReplyShape::Single };
        if in_exchange { ServerEvent::SaslUndecodable } else { ServerEvent::Rejected(Rejection::TooLong) }
    }
}

/// Whether the line that is coming in is an `AUTH` with arguments, which may be longer (R5034-4.7).
fn is_auth(input: &[u8]) -> bool {
    input.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"AUTH "))
}

fn without_blanks(mut line: &[u8]) -> &[u8] {
    // No other white space: a bare CR is part of a command, and makes it wrong.
    while let [head @ .., b' ' | b'\t'] = line {
        line = head;
    }
    line
}
