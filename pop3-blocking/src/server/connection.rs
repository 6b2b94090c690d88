//! One connection from its first octet to its last: TLS, the session, and the order in which things end.
//!
//! The end has one order on every path, a panic included: the maildrop and with it its lock goes first, then what may
//! still be written leaves, then comes the end that the client can see (R39, PB-S36).

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Refusal, Session, SessionCounts};
use pop3_proto::state::State;
use pop3_proto::{ReplyError, WaitingFor};

use super::admission::Ticket;
use super::login::Login;
use super::offer::{Certificate, Offers};
use super::outcome::Farewell;
use super::output::Output;
use super::record::Record;
use super::shared::{Shared, count};
use super::{Event, Outcome, Policy, ProxyHeaderError, RefusedBy};
use crate::store::Maildrop;
use crate::{Deadline, Stream, Transport, TransportError};

/// A connection and its session.
pub(super) struct Connection<'s, T> {
    pub(super) shared: &'s Shared,
    pub(super) policy: &'s Policy,
    pub(super) ticket: Option<&'s Ticket>,
    /// `None` once the connection is over.
    pub(super) transport: Option<Transport<T>>,
    pub(super) output: Output,
    pub(super) session: Session<'s, HeapStorage>,
    /// Open from the login to the end; dropping it frees its lock.
    pub(super) maildrop: Option<Box<dyn Maildrop>>,
    /// The SASL exchange under way.
    pub(super) login: Option<Box<Login>>,
    pub(super) offers: &'s Offers,
    pub(super) certificate: Certificate,
    pub(super) binding: Binding,
    pub(super) login_deadline: Deadline,
    pub(super) wait: Option<Wait>,
    pub(super) record: Record,
    /// `QUIT` was answered by `-ERR`.
    pub(super) not_removed: bool,
    /// A write is under way: after a panic nobody knows how much of it has left.
    writing: bool,
}

/// What there is to bind an exchange to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Binding {
    /// `tls-exporter` can be used, once (R9266-4.1).
    pub(super) exporter: bool,
    /// `tls-server-end-point` can be used.
    pub(super) server_end_point: bool,
    /// A `-PLUS` mechanism was announced on this connection, if only before its exporter was used up (R5802-6.3).
    pub(super) announced: bool,
}

/// A wait for input that goes on until something was answered.
pub(super) struct Wait {
    pub(super) waiting_for: WaitingFor,
    pub(super) produced: u64,
    pub(super) deadline: Deadline,
}

/// The least time that the last reply before a login gets to leave.
const LAST_REPLY: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(super) fn serve<T: Stream>(
    shared: &Shared,
    stream: T,
    policy: &Policy,
    ticket: Option<&Ticket>,
) -> Outcome {
    let Some(offers) = offers(shared, stream.peer_addr(), policy) else { return Outcome::Panicked };
    let mut connection = Connection::new(shared, stream, policy, ticket, &offers);
    let outcome = catch_unwind(AssertUnwindSafe(|| connection.run())).unwrap_or(Outcome::Panicked);
    let panicked = matches!(outcome, Outcome::Panicked);
    if panicked {
        count(&shared.counters.panicked);
    }
    let ended = catch_unwind(AssertUnwindSafe(|| {
        if panicked { connection.end_after_panic() } else { connection.end(outcome) }
    }));
    ended.unwrap_or(Outcome::Panicked)
}

/// What a connection may offer. `None`: the authenticator has panicked, as it may anywhere.
#[inline(never)]
fn offers(shared: &Shared, peer: Option<SocketAddr>, policy: &Policy) -> Option<Box<Offers>> {
    if let Ok(served) = catch_unwind(AssertUnwindSafe(|| shared.authenticator.mechanisms())) {
        return Some(Box::new(Offers::new(policy, served)));
    }
    count(&shared.counters.panicked);
    Record::new(peer).write(&Outcome::Panicked, &SessionCounts::default(), shared);
    None
}

impl<'s, T: Stream> Connection<'s, T> {
    /// On the heap, and put together in a frame that is gone afterwards: a stack keeps every page that it ever touched,
    /// for as long as the client is there. The same reason stands behind each `inline(never)` of this module and its
    /// neighbours: what is done once must not widen the frame of the loop that waits.
    #[inline(never)]
    fn new(
        shared: &'s Shared,
        stream: T,
        policy: &'s Policy,
        ticket: Option<&'s Ticket>,
        offers: &'s Offers,
    ) -> Box<Self> {
        let record = Record::new(stream.peer_addr());
        let storage = HeapStorage::new(shared.limits.messages);
        Box::new(Self {
            shared,
            policy,
            ticket,
            transport: Some(Transport::plain(stream)),
            output: Output::new(),
            session: Session::new(shared.session_config(policy, offers), policy.implicit, storage),
            maildrop: None,
            login: None,
            offers,
            certificate: Certificate::None,
            binding: Binding::default(),
            login_deadline: Deadline::after(shared.limits.protocol.login),
            wait: None,
            record,
            not_removed: false,
            writing: false,
        })
    }
}

impl<T: Stream> Connection<'_, T> {
    fn run(&mut self) -> Outcome {
        if let Err(outcome) = self.learn_client() {
            return outcome;
        }
        if self.policy.implicit {
            if let Err(outcome) = self.handshake() {
                return outcome;
            }
        }
        match self.converse() {
            Ok(never) => match never {},
            Err(outcome) => outcome,
        }
    }

    /// Does the TLS handshake, within its own limit and that of the login (R32, PB-S38).
    #[inline(never)]
    pub(super) fn handshake(&mut self) -> Result<(), Outcome> {
        let (Some(tls), Some(plain)) = (&self.policy.tls, self.transport.take()) else {
            return Err(Outcome::Disconnected);
        };
        let deadline = Deadline::after(self.shared.limits.handshake).earlier(self.login_deadline);
        let mut transport = plain.accept_tls(tls, deadline).map_err(Outcome::Handshake)?;
        transport.hold_end();
        self.record.tls_started(transport.tls());
        if let Some(tls) = transport.tls() {
            self.shared.observe(&Event::TlsStarted(tls.version()));
        }
        self.transport = Some(transport);
        self.offer();
        Ok(())
    }

    /// Writes what waits, in one call.
    pub(super) fn flush(&mut self) -> Result<(), Outcome> {
        if self.output.is_empty() {
            return Ok(());
        }
        #[cfg(all(feature = "testing", any(feature = "aws-lc-rs", feature = "ring")))]
        if crate::testing::reply_is_lost() {
            self.output.clear();
            return Err(Outcome::Disconnected);
        }
        let deadline = self.write_deadline();
        let progress = self.shared.silence(self.shared.limits.write);
        let Some(transport) = &mut self.transport else { return Err(Outcome::Disconnected) };
        self.writing = true;
        let written = transport.write_all(self.output.octets(), progress, deadline);
        self.writing = false;
        if written.is_ok() {
            self.record.sent = self.record.sent.saturating_add(self.output.octets().len() as u64);
        }
        self.output.clear();
        written.map_err(Outcome::Transport)
    }

    /// Writes a reply by `write`, with more room if it needs more.
    pub(super) fn reply(
        &mut self,
        mut write: impl FnMut(&mut Session<'_, HeapStorage>, &mut Output) -> Result<(), ReplyError>,
    ) -> Result<(), Outcome> {
        let mut outcome = write(&mut self.session, &mut self.output);
        if let Err(ReplyError::Full(_)) = outcome {
            self.flush()?;
            self.output.grow();
            outcome = write(&mut self.session, &mut self.output);
        }
        outcome.map_err(|error| match error {
            ReplyError::ApiMisuse(misuse) => Outcome::Protocol(misuse.into()),
            // No reply is that long, so the end is near in any case.
            _ => Outcome::Transport(TransportError::Io(std::io::ErrorKind::OutOfMemory.into())),
        })
    }

    /// After the login a client that reads slowly is not cut off (R1939-3.17); before it the login's deadline holds.
    fn write_deadline(&self) -> Deadline {
        match self.session.state() {
            State::Transaction | State::Update => Deadline::NEVER,
            _ if self.login_deadline.remaining().is_some_and(|left| left < LAST_REPLY) => {
                Deadline::after(LAST_REPLY)
            }
            _ => self.login_deadline,
        }
    }

    #[inline(never)]
    fn end(&mut self, outcome: Outcome) -> Outcome {
        let farewell = outcome.farewell();
        self.free_maildrop();
        let replies = match farewell {
            Farewell::Replies | Farewell::Part => self.flush(),
            Farewell::Silence | Farewell::Cut => Ok(()),
        };
        let outcome = self.name(outcome);
        if let Outcome::ProxyHeader(error) = &outcome {
            if *error == ProxyHeaderError::Untrusted {
                self.shared.refused(RefusedBy::Proxies);
            } else {
                count(&self.shared.counters.bad_proxy_headers);
            }
        }
        self.record.write(&outcome, &self.session.counts(), self.shared);
        if let Some(transport) = self.transport.take() {
            match farewell {
                // The maildrop is free and the outcome stands: a client that does not take the end changes nothing.
                Farewell::Replies if replies.is_ok() => {
                    drop(transport.close(Some(self.shared.limits.linger)));
                }
                Farewell::Silence => drop(transport.close(None)),
                Farewell::Replies | Farewell::Part | Farewell::Cut => transport.cut(),
            }
        }
        outcome
    }

    #[inline(never)]
    fn end_after_panic(&mut self) -> Outcome {
        self.free_maildrop();
        // An empty piece of a message is taken only while a message is being sent.
        let inside_message = self.session.body(&[], &mut []).is_ok();
        if inside_message || self.writing {
            drop(self.transport.take());
        } else if self.reply(|session, output| session.refuse(Refusal::Temporary, output)).is_err() {
            // One of the two is owed, or none is (PB-S37).
            drop(self.reply(|session, output| session.committed(false, output)));
        }
        self.end(Outcome::Panicked)
    }

    /// Frees the lock, and the place among those that have logged in: both before the client can see an end.
    fn free_maildrop(&mut self) {
        self.login = None;
        let maildrop = self.maildrop.take();
        if catch_unwind(AssertUnwindSafe(|| drop(maildrop))).is_err() {
            self.record.fault("closing the maildrop", &"panic");
        }
        if let Some(ticket) = self.ticket {
            ticket.log_out();
        }
    }

    /// Names the cause rather than what was seen of it: a socket that was shut down looks like a client that left.
    fn name(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Disconnected
            | Outcome::Crowded
            | Outcome::ProxyHeader(_)
            | Outcome::Transport(_)
            | Outcome::Handshake(_) => {
                if self.ticket.is_some_and(Ticket::is_evicted) {
                    Outcome::Evicted
                } else if self.ticket.is_some() && self.shared.stop.is_requested() {
                    Outcome::Stopped
                } else {
                    outcome
                }
            }
            Outcome::Quit if self.not_removed => Outcome::NotRemoved,
            other => other,
        }
    }
}
