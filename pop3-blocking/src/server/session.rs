//! The session loop: octets in, replies out, and what is asked of the store.

use core::convert::Infallible;
use std::time::{Duration, Instant};

use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Request, Session};
use pop3_proto::{ApiMisuse, Received, Step, Timeout, WaitingFor};

use super::Outcome;
use super::connection::{Connection, Wait};
use super::input::Input;
use super::shared::Shared;
use crate::store::{Message, Plan};
use crate::{Deadline, Input as Arrived, Stream, TransportError};

impl<T: Stream> Connection<'_, T> {
    /// Greets, and serves commands until something ends the session.
    pub(super) fn converse(&mut self) -> Result<Infallible, Outcome> {
        let mut input = Input::new();
        self.reply(|session, output| session.greet(output))?;
        loop {
            let received = self.receive(input.unread())?;
            let consumed = received.consumed;
            match received.step {
                Step::Event(request) => {
                    let secret = matches!(
                        request,
                        Request::Login { .. } | Request::Hopeless | Request::Apop { .. } | Request::Sasl(_)
                    );
                    let behind = input.len().saturating_sub(consumed);
                    self.act(request, behind)?;
                    input.consume(consumed);
                    if secret {
                        input.wipe_consumed();
                    }
                }
                Step::NeedInput => {
                    input.consume(consumed);
                    self.read(&mut input)?;
                }
                Step::Paused => {
                    input.consume(consumed);
                    if self.output.is_empty() {
                        return Err(self.misuse());
                    }
                    // There is much to say.
                    self.flush()?;
                    self.output.grow();
                }
            }
        }
    }

    #[inline(never)]
    fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<Request<'i>>, Outcome> {
        self.session.receive(input, &mut self.output).map_err(Outcome::Protocol)
    }

    fn act(&mut self, request: Request<'_>, behind: usize) -> Result<(), Outcome> {
        match request {
            Request::Login { password } => self.log_in_by_password(password),
            Request::Hopeless => self.refuse_hopeless_login(),
            #[cfg(feature = "legacy-md5")]
            Request::Apop { name, digest } => self.log_in_by_digest(name, digest),
            Request::Sasl(message) => self.take_sasl_message(message),
            Request::Message { number, .. } => self.send_message(number),
            Request::StartTls => self.start_tls(behind),
            Request::Commit => self.commit(),
            Request::Close(reason) => Err(reason.into()),
            _ => Err(self.misuse()),
        }
    }

    /// Waits for more from the client. Replies leave first, in one write, unless more input is here already.
    fn read(&mut self, input: &mut Input) -> Result<(), Outcome> {
        if !self.transport.as_mut().is_some_and(|transport| transport.has_buffered()) {
            self.flush()?;
            self.output.release();
            input.shrink();
        }
        let Some(timeout) = self.session.timeout() else { return Err(self.misuse()) };
        let stopping = self.shared.stop.is_requested();
        // What is here already is still served, a QUIT above all; nothing more is waited for.
        let deadline = if stopping { Deadline::at(Instant::now()) } else { self.deadline(timeout) };
        let limits = &self.shared.limits.protocol;
        let room = input.room(limits.sasl_line.max(limits.line));
        if room.is_empty() {
            return Err(self.misuse());
        }
        let Some(transport) = &mut self.transport else { return Err(Outcome::Disconnected) };
        match transport.read(room, deadline) {
            Ok(Arrived::Octets(octets)) => {
                input.filled(octets);
                self.record.received = self.record.received.saturating_add(octets as u64);
                Ok(())
            }
            // A shutdown ends the reading side of sockets to wake their threads.
            Ok(Arrived::Closed) | Err(_) if self.shared.stop.is_requested() => {
                self.session.end_of_input();
                Err(Outcome::Stopped)
            }
            Ok(Arrived::Closed) => {
                self.session.end_of_input();
                Err(Outcome::Disconnected)
            }
            Err(TransportError::TimedOut) => {
                self.session.timed_out();
                Err(Outcome::TimedOut { waiting_for: timeout.waiting_for })
            }
            Err(error) => Err(Outcome::Transport(error)),
        }
    }

    /// When the wait for input ends. A login has one deadline from the connection on; the others are renewed when
    /// something was answered, and never by octets that make no command.
    fn deadline(&mut self, timeout: Timeout) -> Deadline {
        let Timeout { waiting_for, limit, .. } = timeout;
        if waiting_for == WaitingFor::Login {
            return self.login_deadline;
        }
        let produced = self.output.produced();
        match &self.wait {
            Some(wait) if wait.waiting_for == waiting_for && wait.produced == produced => wait.deadline,
            _ => {
                let deadline = Deadline::after(self.shared.silence(limit));
                self.wait = Some(Wait { waiting_for, produced, deadline });
                deadline
            }
        }
    }

    /// STLS: the `+OK` leaves, and nothing that came in clear text is left (R1, R2).
    #[inline(never)]
    fn start_tls(&mut self, behind: usize) -> Result<(), Outcome> {
        if behind > 0 {
            return Err(self.misuse());
        }
        self.flush()?;
        self.handshake()?;
        self.session.tls_started().map_err(|misuse| Outcome::Protocol(misuse.into()))
    }

    /// QUIT: removes what is marked, frees the lock, and only then writes the reply (R1939-6.1, PB-S32).
    ///
    /// This is the only caller of `commit` (PB-S33).
    #[inline(never)]
    fn commit(&mut self) -> Result<(), Outcome> {
        // The client may be gone: its QUIT is complete and counts (PB-Q63).
        drop(self.flush());
        let maildrop = self.maildrop.take();
        let all_removed = match maildrop {
            Some(maildrop) if self.session.marked().next().is_some() => {
                match maildrop.commit(&Marked(&self.session)) {
                    Ok(committed) => {
                        self.record.deleted = committed.removed;
                        true
                    }
                    Err(error) => {
                        self.record.fault("removing messages", &error);
                        self.record.deleted = error.removed;
                        false
                    }
                }
            }
            unmarked => {
                drop(unmarked);
                true
            }
        };
        self.not_removed = !all_removed;
        self.reply(|session, output| session.committed(all_removed, output))
    }

    /// The session asked for what it does not ask for.
    pub(super) fn misuse(&self) -> Outcome {
        Outcome::Protocol(ApiMisuse::WrongMoment { state: self.session.state() }.into())
    }
}

impl Shared {
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests divide the limit")]
    pub(super) const fn silence(&self, limit: Duration) -> Duration {
        limit
    }

    #[cfg(test)]
    pub(super) fn silence(&self, limit: Duration) -> Duration {
        limit / self.hurry
    }
}

/// The marked messages of a session, for the store.
struct Marked<'a, 'c>(&'a Session<'c, HeapStorage>);

impl Plan for Marked<'_, '_> {
    fn for_each_marked(&self, each: &mut dyn FnMut(Message<'_>)) {
        for entry in self.0.marked() {
            each(Message::new(entry.number, entry.octets, entry.unique_id.as_bytes()));
        }
    }
}
