//! A server over `Session`, as somebody writes it for a runtime of his own: one task per connection, nothing that blocks.
//!
//! The order of things is that of a real server: the lock is taken after the password was found right and before the
//! `+OK`; a commit comes before its reply; the lock is free before the other side can see an end.

mod ask;
mod login;
mod mail;

use std::rc::Rc;

use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{MechanismOffer, Needs, Session, SessionConfig};
use pop3_proto::state::State;
use pop3_proto::{Buffer, Full, MechanismName, ReplyError, Sink, Step, WaitingFor};

use super::model::Violation;
use super::network::{Link, Side};
use super::store::Letter;
use super::tls::{Input, Transport};
use super::trace::Who;
use super::{Cx, Tally, Time, USERS, millis};
use ask::{Ask, ask};
use login::Sasl;
use mail::Ending;

const MECHANISMS: &[MechanismOffer<'static>] = &[
    MechanismOffer::new(MechanismName::PLAIN, Needs::Privacy),
    MechanismOffer::new(MechanismName::LOGIN, Needs::Privacy),
];
/// How long a write may make no progress.
const WRITE: Time = 60_000;
/// How long the end of the other side is waited for.
const LINGER: Time = 2_000;

/// What a server is like in one session.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerPlan {
    pub(super) implicit_tls: bool,
    pub(super) config: SessionConfig<'static>,
    /// Messages that the index takes.
    pub(super) messages: usize,
    pub(super) output: usize,
    /// One call of the store in so many fails; 0: none.
    pub(super) store_faults: u64,
    /// How long the slowest calls of the store take.
    pub(super) slow_store: Time,
    /// Reads on after its own end, so that the other side gets its last replies.
    pub(super) lingers: bool,
}

impl ServerPlan {
    pub(super) const fn config() -> SessionConfig<'static> {
        let mut config = SessionConfig::DEFAULT;
        config.mechanisms = MECHANISMS;
        config.limits.sasl_line = 600;
        config.limits.discard = 2_000;
        config
    }
}

/// Output under a limit, which knows whether anything was ever said.
#[derive(Debug)]
struct Output {
    buffer: Buffer<Vec<u8>>,
    produced: u64,
}

impl Sink for Output {
    fn reserve(&mut self, octets: usize) -> Result<(), Full> {
        self.buffer.reserve(octets)
    }

    fn put(&mut self, octets: &[u8]) {
        self.buffer.put(octets);
        self.produced += octets.len() as u64;
    }
}

#[derive(Debug)]
enum Doing {
    /// Between the `+OK` to `STLS` and the handshake.
    Gate,
    /// The TLS handshake.
    Handshake,
    /// Taking commands.
    Serving,
    /// Checking a password: the answer is known, and takes its time. `None`: it is wrong.
    Checking {
        until: Time,
        drop: Option<usize>,
    },
    /// Listing the maildrop, which is locked.
    Opening {
        until: Time,
        drop: usize,
    },
    /// Sending a message up to `end`, where it ends as `ending` says.
    Sending {
        letter: Rc<Letter>,
        at: usize,
        end: usize,
        ending: Ending,
        until: Time,
    },
    Committing {
        ids: Vec<u32>,
        next: usize,
        failed: bool,
        until: Time,
    },
    /// Ending the connection.
    Leaving {
        replies: bool,
        orderly: bool,
        linger: Option<Time>,
    },
    Over,
}

/// Whether there is more to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Again,
    Wait,
}

enum Flushed {
    All,
    Blocked,
    Broken,
}

/// One connection of the server.
#[derive(Debug)]
pub(super) struct Server {
    id: usize,
    plan: ServerPlan,
    session: Session<'static, HeapStorage>,
    transport: Transport,
    input: Buffer<Vec<u8>>,
    output: Output,
    doing: Doing,
    sasl: Option<Sasl>,
    login_deadline: Time,
    /// For what a command is waited for, what was said when the wait began, and until when.
    wait: Option<(WaitingFor, u64, Time)>,
    write_deadline: Option<Time>,
    wake: Option<Time>,
}

impl Server {
    pub(super) fn new(id: usize, plan: ServerPlan, key: u64, cx: &Cx) -> Result<Self, Violation> {
        let limits = &plan.config.limits;
        let mut server = Self {
            id,
            plan,
            session: Session::new(plan.config, plan.implicit_tls, HeapStorage::new(plan.messages)),
            transport: Transport::new(Side::Server, key),
            input: Buffer::new(vec![0; limits.sasl_line.max(limits.line)]),
            output: Output { buffer: Buffer::new(vec![0; plan.output]), produced: 0 },
            doing: Doing::Serving,
            sasl: None,
            login_deadline: cx.now + millis(limits.login),
            wait: None,
            write_deadline: None,
            wake: Some(cx.now),
        };
        if plan.implicit_tls {
            server.transport.start_tls();
            server.doing = Doing::Handshake;
        } else {
            server.session.greet(&mut server.output).map_err(wrong)?;
        }
        Ok(server)
    }

    /// When it wants to run although nothing has arrived.
    pub(super) const fn wake(&self) -> Option<Time> {
        self.wake
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.doing, Doing::Over)
    }

    pub(super) const fn is_committing(&self) -> bool {
        matches!(self.doing, Doing::Committing { .. })
    }

    /// The server is stopped, or makes room: the session ends wherever it stands, but not inside a commit.
    pub(super) fn stop(&mut self, cx: &mut Cx) -> bool {
        match self.doing {
            Doing::Serving => self.end(true, true, cx),
            Doing::Gate
            | Doing::Handshake
            | Doing::Checking { .. }
            | Doing::Opening { .. }
            | Doing::Sending { .. } => self.cut(cx),
            Doing::Committing { .. } | Doing::Leaving { .. } | Doing::Over => return false,
        };
        cx.counts.add(Tally::Stopped);
        cx.trace.note(cx.now, Who::Server(self.id), "is stopped", 0);
        cx.sessions[self.id].excused = true;
        true
    }

    /// Runs until there is nothing to do.
    pub(super) fn run(&mut self, link: &mut Link, cx: &mut Cx) -> Result<(), Violation> {
        self.wake = None;
        while !self.is_over() && self.turn(link, cx)? == Turn::Again {}
        let ends = matches!(self.doing, Doing::Leaving { .. } | Doing::Over);
        if self.session.state() == State::Transaction && !ends && !cx.holds_lock(self.id) {
            return Err(Violation::new("a session goes on without its lock".to_owned()));
        }
        // A login that came to nothing leaves no lock (R1939-4.4).
        let serving = matches!(self.doing, Doing::Serving);
        if self.session.state() != State::Transaction && serving && cx.holds_lock(self.id) {
            return Err(Violation::new("a session has a lock, and no maildrop".to_owned()));
        }
        let held = self.transport.held();
        if held > 1024 || self.session.index().len() > self.plan.messages {
            return Err(Violation::new(format!("a server holds {held} octets")));
        }
        Ok(())
    }

    fn turn(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        match self.doing {
            Doing::Handshake => match self.transport.shake(link, cx) {
                Ok(true) => self.tls_started(),
                Ok(false) if cx.now >= self.login_deadline => {
                    cx.counts.add(Tally::ServerTimedOutLogin);
                    Ok(self.cut(cx))
                }
                Ok(false) => Ok(self.sleep(self.login_deadline)),
                Err(_) => Ok(self.cut(cx)),
            },
            Doing::Checking { until, .. }
            | Doing::Opening { until, .. }
            | Doing::Committing { until, .. }
                if cx.now < until =>
            {
                Ok(self.sleep(until))
            }
            Doing::Checking { drop, .. } => self.checked(drop, cx),
            Doing::Opening { drop, .. } => self.list(drop, cx),
            Doing::Committing { .. } => self.remove_next(cx),
            Doing::Sending { .. } => self.send(link, cx),
            Doing::Gate => Ok(self.pass_gate(link, cx)),
            Doing::Serving => self.serve(link, cx),
            Doing::Leaving { .. } => self.leave(link, cx),
            Doing::Over => Ok(Turn::Wait),
        }
    }

    /// The loop of the crate's documentation: receive, act, drop what was consumed, flush, read.
    fn serve(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        let Ok(received) = self.session.receive(self.input.unread(), &mut self.output) else {
            cx.trace.note(cx.now, Who::Server(self.id), "gives up: the client broke the protocol", 0);
            return Ok(self.cut(cx));
        };
        let consumed = received.consumed;
        let (ask, paused) = match received.step {
            Step::Event(request) => (Some(ask(request)?), false),
            Step::NeedInput => (None, false),
            Step::Paused => (None, true),
        };
        let taken = &self.input.unread()[..consumed];
        if consumed > 0 {
            cx.trace.octets(cx.now, Who::Server(self.id), "takes in", taken);
            cx.sessions[self.id].heard.extend_from_slice(taken);
        }
        self.input.consume(consumed);
        if let Some(ask) = ask {
            return self.act(ask, cx);
        }
        if paused && self.output.buffer.is_empty() {
            return Err(Violation::new("a session pauses for nothing".to_owned()));
        }
        match self.flush(link, cx) {
            Flushed::All if paused => Ok(Turn::Again),
            Flushed::All => self.read(link, cx),
            Flushed::Blocked => Ok(Turn::Wait),
            Flushed::Broken => Ok(self.cut(cx)),
        }
    }

    fn read(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        let room = self.input.room();
        if room.is_empty() {
            return Err(Violation::new("a full input makes no line".to_owned()));
        }
        match self.transport.read(room, link, cx) {
            Input::Octets(octets) => {
                self.input.filled(octets);
                return Ok(Turn::Again);
            }
            Input::Nothing => {}
            Input::Closed => {
                self.session.end_of_input();
                if cx.random.once_in(2) {
                    cx.counts.add(Tally::ToldTwice);
                    self.session.end_of_input();
                }
                return Ok(self.end(true, true, cx));
            }
            Input::Truncated | Input::Reset | Input::Forged => return Ok(self.cut(cx)),
        }
        let Some(timeout) = self.session.timeout() else {
            return Err(Violation::new("a server waits for ever".to_owned()));
        };
        let (waiting_for, produced) = (timeout.waiting_for, self.output.produced);
        let deadline = match self.wait {
            _ if waiting_for == WaitingFor::Login => self.login_deadline,
            // Renewed when something was answered, and not by octets that make no command.
            Some((before, said, deadline)) if before == waiting_for && said == produced => deadline,
            _ => cx.now + millis(timeout.limit),
        };
        self.wait = Some((waiting_for, produced, deadline));
        if cx.now < deadline {
            return Ok(self.sleep(deadline));
        }
        cx.counts.add(match waiting_for {
            WaitingFor::Login => Tally::ServerTimedOutLogin,
            WaitingFor::RestOfCommand => Tally::ServerTimedOutCommand,
            _ => Tally::ServerTimedOutIdle,
        });
        cx.trace.note(cx.now, Who::Server(self.id), "has waited long enough", 0);
        self.session.timed_out();
        Ok(self.end(false, true, cx))
    }

    fn act(&mut self, ask: Ask, cx: &mut Cx) -> Result<Turn, Violation> {
        match ask {
            Ask::Login(password) => {
                if self.session.user().is_empty() {
                    return Err(Violation::new("a password is to be checked for nobody".to_owned()));
                }
                let user = USERS.iter().position(|user| user.as_bytes() == self.session.user());
                self.check(user, &password, Tally::UserPass, cx)?;
            }
            Ask::Sasl(exchange) => self.take_sasl(exchange, cx)?,
            Ask::Message(number, whole) => self.open_message(number, whole, cx)?,
            Ask::StartTls => self.doing = Doing::Gate,
            Ask::Commit => {
                let ids = cx.commit_asked(self.id, self.session.marked().map(|entry| entry.number))?;
                let until = self.store_time(cx);
                self.doing = Doing::Committing { ids, next: 0, failed: false, until };
            }
            Ask::Close(reason) => {
                cx.trace.note(cx.now, Who::Server(self.id), "closes", reason as u64);
                return Ok(self.end(true, true, cx));
            }
        }
        Ok(Turn::Again)
    }

    /// The `+OK` to `STLS` leaves, behind the replies before it, and nothing that came in clear text may be left.
    fn pass_gate(&mut self, link: &mut Link, cx: &mut Cx) -> Turn {
        match self.flush(link, cx) {
            Flushed::All => {}
            Flushed::Blocked => return Turn::Wait,
            Flushed::Broken => return self.cut(cx),
        }
        if self.session.receive(self.input.unread(), &mut self.output).is_err() {
            return self.cut(cx);
        }
        self.transport.start_tls();
        self.doing = Doing::Handshake;
        Turn::Again
    }

    fn tls_started(&mut self) -> Result<Turn, Violation> {
        if self.session.state() == State::Greeting {
            self.session.greet(&mut self.output).map_err(wrong)?;
        } else {
            self.session.tls_started().map_err(|misuse| wrong(misuse.into()))?;
        }
        self.doing = Doing::Serving;
        Ok(Turn::Again)
    }

    fn leave(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        let Doing::Leaving { replies, orderly, linger } = self.doing else { return Ok(Turn::Wait) };
        if replies {
            match self.flush(link, cx) {
                Flushed::All => self.doing = Doing::Leaving { replies: false, orderly, linger },
                Flushed::Blocked => return Ok(Turn::Wait),
                Flushed::Broken => self.doing = Doing::Leaving { replies: false, orderly: false, linger },
            }
            return Ok(Turn::Again);
        }
        if orderly && linger.is_none() {
            self.transport.end(link, cx);
            if self.plan.lingers {
                self.doing = Doing::Leaving { replies, orderly, linger: Some(cx.now + LINGER) };
                return Ok(Turn::Again);
            }
        }
        if let Some(until) = linger {
            let mut ignored = [0; 256];
            match self.transport.read(&mut ignored, link, cx) {
                Input::Octets(_) => return Ok(Turn::Again),
                Input::Nothing if cx.now < until => return Ok(self.sleep(until)),
                _ => {}
            }
        }
        link.close(Side::Server, cx);
        self.doing = Doing::Over;
        cx.trace.note(cx.now, Who::Server(self.id), "is done", 0);
        Ok(Turn::Wait)
    }

    /// Writes what waits, as far as the other side takes it.
    fn flush(&mut self, link: &mut Link, cx: &mut Cx) -> Flushed {
        while !self.output.buffer.is_empty() {
            if link.is_reset(Side::Server) {
                return Flushed::Broken;
            }
            let written = self.transport.write(self.output.buffer.unread(), link, cx);
            if written == 0 {
                let deadline = *self.write_deadline.get_or_insert(cx.now + WRITE);
                if cx.now < deadline {
                    self.wake = Some(deadline);
                    return Flushed::Blocked;
                }
                cx.counts.add(Tally::ServerTimedOutWrite);
                cx.trace.note(cx.now, Who::Server(self.id), "finds that the client takes nothing", 0);
                return Flushed::Broken;
            }
            cx.trace.octets(cx.now, Who::Server(self.id), "writes", &self.output.buffer.unread()[..written]);
            self.output.buffer.consume(written);
            self.write_deadline = None;
        }
        self.write_deadline = None;
        Flushed::All
    }

    /// Ends the connection: the lock goes first, then leaves what may.
    fn end(&mut self, replies: bool, orderly: bool, cx: &mut Cx) -> Turn {
        cx.unlock(self.id);
        self.doing = Doing::Leaving { replies, orderly, linger: None };
        Turn::Again
    }

    /// Ends the connection without another octet.
    fn cut(&mut self, cx: &mut Cx) -> Turn {
        self.end(false, false, cx)
    }

    const fn sleep(&mut self, until: Time) -> Turn {
        self.wake = Some(until);
        Turn::Wait
    }
}

/// A driver that does as it is told is never told that it misuses the interface.
fn wrong(error: ReplyError) -> Violation {
    Violation::new(format!("the session does not do what it has asked for: {error}"))
}
