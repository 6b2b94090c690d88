//! Many messages at once: commands are sent ahead, as far as the server announces `PIPELINING`.
//!
//! What is outstanding is bounded in octets, so that neither side can come to stand on full buffers (R2449-6.6.3,
//! PB-C28), and in number. Each command has its own result: one refusal stops nothing (R2449-6.6.5, PB-C29). Without the
//! capability, or with [`ClientOptions::pipelining`](super::ClientOptions::pipelining) off, the same methods send one
//! command at a time.

use std::collections::VecDeque;

use pop3_proto::{Command, CommandId, MessageNumber, SendError};

use super::error::{Error, Refused};
use super::message::Message;
use super::session::Session;
use crate::transport::Stream;

/// Messages asked for ahead: more would gain nothing, and all of them are received if the caller stops.
const AHEAD: usize = 64;

impl<S: Stream> Session<S> {
    /// `RETR` for each of `numbers`, in their order; `each` gets the number and the message, or the refusal.
    ///
    /// `each` reads the message to its end; what it leaves is thrown away. An error of `each` stops the run: nothing more
    /// is asked for, and what was asked for already is received and thrown away by the session's next command.
    ///
    /// # Errors
    ///
    /// The error of `each`, or one that ends the connection.
    pub fn retrieve_each<E: From<Error>>(
        &mut self,
        numbers: impl IntoIterator<Item = MessageNumber>,
        each: impl FnMut(MessageNumber, Result<&mut Message<'_, S>, Refused>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.messages_each(numbers.into_iter().map(Command::Retr), each)
    }

    /// `TOP` for each of `numbers`, with so many `lines` of the body, as [`retrieve_each`](Self::retrieve_each) does it.
    ///
    /// What comes must never be taken for the message: servers cut it, or send another header (PB-Q04). A server without
    /// `TOP` refuses each.
    ///
    /// # Errors
    ///
    /// As [`retrieve_each`](Self::retrieve_each).
    pub fn top_each<E: From<Error>>(
        &mut self,
        numbers: impl IntoIterator<Item = MessageNumber>,
        lines: u64,
        each: impl FnMut(MessageNumber, Result<&mut Message<'_, S>, Refused>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.messages_each(numbers.into_iter().map(|number| Command::Top { number, lines }), each)
    }

    fn messages_each<'c, E: From<Error>>(
        &mut self,
        commands: impl Iterator<Item = Command<'c>>,
        mut each: impl FnMut(MessageNumber, Result<&mut Message<'_, S>, Refused>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut window = Window::new(self, commands, AHEAD)?;
        while let Some((id, number)) = window.next(self)? {
            match self.link.reply(id, |_| ()) {
                Ok(_) => {
                    let mut message = Message::new(&mut self.link, id);
                    each(number, Ok(&mut message))?;
                    while !message.is_complete() {
                        message.copy_to(&mut std::io::sink()).map_err(E::from)?;
                    }
                }
                Err(Error::Refused(refused)) => each(number, Err(refused))?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// `DELE` for each of `numbers`; `each` gets the number and whether the server marked the message.
    ///
    /// Nothing is removed before [`quit`](Session::quit).
    ///
    /// # Errors
    ///
    /// One that ends the connection.
    pub fn delete_each(
        &mut self,
        numbers: impl IntoIterator<Item = MessageNumber>,
        mut each: impl FnMut(MessageNumber, Result<(), Refused>),
    ) -> Result<(), Error> {
        self.marks = true;
        let mut window = Window::new(self, numbers.into_iter().map(Command::Dele), usize::MAX)?;
        while let Some((id, number)) = window.next(self)? {
            match self.link.reply(id, |_| ()) {
                Ok(_) => each(number, Ok(())),
                Err(Error::Refused(refused)) => each(number, Err(refused)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The commands that are outstanding, and those still to send.
struct Window<'c, I: Iterator<Item = Command<'c>>> {
    commands: std::iter::Peekable<I>,
    outstanding: VecDeque<(CommandId, MessageNumber, usize)>,
    octets: usize,
    ahead: usize,
}

impl<'c, I: Iterator<Item = Command<'c>>> Window<'c, I> {
    fn new<S: Stream>(session: &mut Session<S>, commands: I, ahead: usize) -> Result<Self, Error> {
        // PIPELINING must be known; the list from before TLS or login may be missing.
        session.link.ensure_capabilities()?;
        session.link.settle()?;
        Ok(Self { commands: commands.peekable(), outstanding: VecDeque::new(), octets: 0, ahead })
    }

    /// Sends what may be sent, and takes the oldest outstanding command, whose reply is then to be waited for.
    fn next<S: Stream>(
        &mut self,
        session: &mut Session<S>,
    ) -> Result<Option<(CommandId, MessageNumber)>, Error> {
        // Refilled when half of it is answered, so that commands leave in batches.
        let limit = session.link.options.outstanding_octets;
        if self.octets <= limit / 2 && self.outstanding.len() <= self.ahead / 2 {
            while let Some(command) = self.commands.peek() {
                let (octets, Some(number)) = (command.encoded_len(), command.message()) else { break };
                let full = self.octets.saturating_add(octets) > limit || self.outstanding.len() >= self.ahead;
                if full && !self.outstanding.is_empty() {
                    break;
                }
                match session.link.send(command) {
                    Ok(id) => self.outstanding.push_back((id, number, octets)),
                    Err(Error::NotSent(SendError::NotPipelined | SendError::TooManyOutstanding { .. }))
                        if !self.outstanding.is_empty() =>
                    {
                        break;
                    }
                    Err(error) => return Err(error),
                }
                self.octets = self.octets.saturating_add(octets);
                self.commands.next();
            }
            session.link.flush()?;
        }
        let Some((id, number, octets)) = self.outstanding.pop_front() else { return Ok(None) };
        self.octets = self.octets.saturating_sub(octets);
        Ok(Some((id, number)))
    }
}
