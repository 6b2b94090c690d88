//! A server over `Session`, as somebody writes it for a runtime of his own: one task per connection, nothing that blocks.
//!
//! The order of things is that of a real server: the lock is taken after the password was found right and before the
//! `+OK`; a commit comes before its reply; the lock is free before the other side can see an end.

use std::rc::Rc;

use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{
    CloseReason, MechanismOffer, Needs, Refusal, Request, SaslInput, Session, SessionConfig,
};
use pop3_proto::state::State;
use pop3_proto::{
    ApiMisuse, Base64, Buffer, Full, MechanismName, MessageNumber, ReplyError, Sink, Step, WaitingFor,
};

use super::model::{Commit, Violation, unique_id};
use super::network::{Link, Side};
use super::store::{Letter, sent};
use super::tls::{Input, Transport};
use super::trace::Who;
use super::{Cx, Tally, Time, USERS, millis};

const MECHANISMS: &[MechanismOffer<'static>] = &[
    MechanismOffer::new(MechanismName::PLAIN, Needs::Privacy),
    MechanismOffer::new(MechanismName::LOGIN, Needs::Privacy),
];
/// How long a write may make no progress.
const WRITE: Time = 60_000;
/// How long a wrong password takes.
const FAILED_LOGIN: Time = 2_000;
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

/// What a [`Request`] asks for, without the input that it borrows.
enum Ask {
    Login(Vec<u8>),
    Sasl(Exchange),
    Message(MessageNumber),
    StartTls,
    Commit,
    Close(CloseReason),
}

enum Exchange {
    Start { plain: bool, initial: Option<Vec<u8>> },
    Response(Vec<u8>),
    Ended,
}

#[derive(Debug)]
enum Doing {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Whole,
    /// The store fails.
    Fault,
    /// The message is shorter than it was when it was listed.
    Short,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sasl {
    Plain,
    LoginName,
    LoginPassword { user: usize },
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

    /// Runs until there is nothing to do.
    pub(super) fn run(&mut self, link: &mut Link, cx: &mut Cx) -> Result<(), Violation> {
        self.wake = None;
        while !self.is_over() && self.turn(link, cx)? == Turn::Again {}
        let ends = matches!(self.doing, Doing::Leaving { .. } | Doing::Over);
        if self.session.state() == State::Transaction && !ends && !cx.holds_lock(self.id) {
            return Err(Violation::new("a session goes on without its lock".to_owned()));
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
            return self.act(ask, link, cx);
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

    fn act(&mut self, ask: Ask, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        match ask {
            Ask::Login(password) => {
                let user = USERS.iter().position(|user| user.as_bytes() == self.session.user());
                self.check(user, &password, Tally::UserPass, cx);
            }
            Ask::Sasl(exchange) => self.take_sasl(exchange, cx)?,
            Ask::Message(number) => self.open_message(number, cx)?,
            Ask::StartTls => {
                // Small, and nothing else waits: it always finds room.
                if !matches!(self.flush(link, cx), Flushed::All) {
                    return Ok(self.cut(cx));
                }
                // The gate: nothing that came in clear text may be left.
                let Ok(_) = self.session.receive(self.input.unread(), &mut self.output) else {
                    return Ok(self.cut(cx));
                };
                self.transport.start_tls();
                self.doing = Doing::Handshake;
            }
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

    fn tls_started(&mut self) -> Result<Turn, Violation> {
        if self.session.state() == State::Greeting {
            self.session.greet(&mut self.output).map_err(wrong)?;
        } else {
            self.session.tls_started().map_err(|misuse| wrong(misuse.into()))?;
        }
        self.doing = Doing::Serving;
        Ok(Turn::Again)
    }

    fn take_sasl(&mut self, exchange: Exchange, cx: &mut Cx) -> Result<(), Violation> {
        let (sasl, message) = match exchange {
            Exchange::Ended => {
                cx.counts.add(Tally::AuthCancelled);
                self.sasl = None;
                return Ok(());
            }
            Exchange::Start { plain: true, initial } => (Sasl::Plain, initial),
            Exchange::Start { plain: false, initial } => (Sasl::LoginName, initial),
            Exchange::Response(message) => (self.sasl.unwrap_or(Sasl::Plain), Some(message)),
        };
        self.sasl = Some(sasl);
        let user = |name: &[u8]| USERS.iter().position(|user| user.as_bytes() == name);
        match (sasl, message) {
            (Sasl::Plain, None) => self.session.challenge(b"", &mut self.output).map_err(wrong)?,
            (Sasl::LoginName, None) => {
                self.session.challenge(b"Username:", &mut self.output).map_err(wrong)?;
            }
            (Sasl::Plain, Some(message)) => {
                let mut parts = message.split(|octet| *octet == 0).skip(1);
                let (name, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                self.check(user(name), password, Tally::AuthPlain, cx);
            }
            (Sasl::LoginName, Some(name)) => {
                self.sasl = Some(Sasl::LoginPassword { user: user(&name).unwrap_or(usize::MAX) });
                self.session.challenge(b"Password:", &mut self.output).map_err(wrong)?;
            }
            (Sasl::LoginPassword { user }, password) => {
                self.check(Some(user), &password.unwrap_or_default(), Tally::AuthLogin, cx);
            }
        }
        Ok(())
    }

    fn check(&mut self, user: Option<usize>, password: &[u8], by: Tally, cx: &mut Cx) {
        self.sasl = None;
        let right = password == super::PASSWORD.as_bytes();
        let drop = user.filter(|user| right && *user < USERS.len());
        let takes = if drop.is_some() { cx.random.between(0, 3) } else { FAILED_LOGIN };
        cx.counts.add(if drop.is_some() { by } else { Tally::WrongPassword });
        self.doing = Doing::Checking { until: cx.now + takes, drop };
    }

    fn checked(&mut self, drop: Option<usize>, cx: &mut Cx) -> Result<Turn, Violation> {
        let Some(drop) = drop else { return self.refuse(Refusal::Credentials, None, cx) };
        if self.fails(Tally::OpenFault, cx) {
            return self.refuse(Refusal::Temporary, Some(false), cx);
        }
        if !cx.lock(drop, self.id) {
            cx.counts.add(Tally::InUse);
            return self.refuse(Refusal::InUse, Some(false), cx);
        }
        self.doing = Doing::Opening { until: self.store_time(cx), drop };
        Ok(Turn::Again)
    }

    fn list(&mut self, drop: usize, cx: &mut Cx) -> Result<Turn, Violation> {
        if self.fails(Tally::ScanFault, cx) {
            cx.unlock(self.id);
            return self.refuse(Refusal::Temporary, Some(false), cx);
        }
        let mail: Vec<_> = cx.drops[drop].there().map(|mail| (mail.id, Rc::clone(&mail.letter))).collect();
        for (id, letter) in &mail {
            let octets = letter.sent.len() as u64;
            if self.session.add_message(octets, unique_id(*id).as_bytes()).is_err() {
                cx.counts.add(Tally::IndexFull);
                cx.unlock(self.id);
                return self.refuse(Refusal::Permanent, Some(false), cx);
            }
        }
        let facts = &mut cx.sessions[self.id];
        facts.drop = drop;
        facts.mail = mail;
        facts.heard.clear();
        facts.logins.push_back(true);
        self.session.opened(&mut self.output).map_err(wrong)?;
        self.doing = Doing::Serving;
        Ok(Turn::Again)
    }

    /// Refuses a login or a message. `right`: what is to be known of a login whose password was right.
    fn refuse(&mut self, refusal: Refusal, right: Option<bool>, cx: &mut Cx) -> Result<Turn, Violation> {
        cx.sessions[self.id].logins.extend(right);
        self.session.refuse(refusal, &mut self.output).map_err(wrong)?;
        self.doing = Doing::Serving;
        Ok(Turn::Again)
    }

    fn open_message(&mut self, number: MessageNumber, cx: &mut Cx) -> Result<(), Violation> {
        if self.fails(Tally::MessageFault, cx) {
            cx.sessions[self.id].openings.push_back(false);
            let refusal = cx.random.pick(&[Refusal::Gone, Refusal::Temporary]);
            return self.refuse(refusal, None, cx).map(drop);
        }
        let Some((_, letter)) = cx.sessions[self.id].mail.get(number.index()) else {
            return Err(Violation::new(format!(
                "message {} was asked for, which is not there",
                number.get()
            )));
        };
        let letter = Rc::clone(letter);
        let (mut end, mut ending) = (letter.stored.len(), Ending::Whole);
        // Of TOP nobody knows how long it must be.
        let heard = &cx.sessions[self.id].heard;
        let line = heard[..heard.len() - 2].rsplit(|octet| *octet == b'\n').next().unwrap_or_default();
        let whole = line[..4.min(line.len())].eq_ignore_ascii_case(b"RETR");
        if end > 0 && whole && self.fails(Tally::SizeFault, cx) {
            let short = cx.random.below(end);
            // One that comes to the same size with other octets cannot be told from a good one.
            if sent(&letter.stored[..short]).len() != letter.sent.len() {
                (end, ending) = (short, Ending::Short);
            }
        } else if self.fails(Tally::ReadFault, cx) {
            (end, ending) = (cx.random.below(end + 1), Ending::Fault);
        }
        cx.sessions[self.id].openings.push_back(true);
        self.session.start_message(&mut self.output).map_err(wrong)?;
        self.doing = Doing::Sending { letter, at: 0, end, ending };
        Ok(())
    }

    fn send(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        let Doing::Sending { letter, at, end, ending } = &mut self.doing else { return Ok(Turn::Wait) };
        let (at, end, ending) = (at, *end, *ending);
        let mut done = false;
        while *at < end && !done && self.output.buffer.capacity() - self.output.buffer.len() >= 16 {
            let piece = &letter.stored[*at..end.min(*at + 1 + cx.random.below(300))];
            let progress = self.session.body(piece, self.output.buffer.room());
            let progress = progress.map_err(|misuse| wrong(misuse.into()))?;
            self.output.buffer.filled(progress.written);
            self.output.produced += progress.written as u64;
            *at += progress.read;
            done = progress.done;
            if progress.read == 0 && progress.written == 0 {
                break;
            }
        }
        if done || *at == end {
            if ending != Ending::Whole && !done && cx.random.once_in(2) && !self.output.buffer.is_empty() {
                // What was read before may have left already.
                return Ok(match self.flush(link, cx) {
                    Flushed::All => Turn::Again,
                    Flushed::Blocked => Turn::Wait,
                    Flushed::Broken => self.cut(cx),
                });
            }
            if ending == Ending::Fault && !done {
                cx.trace.note(cx.now, Who::Server(self.id), "cannot read on", 0);
                return Ok(self.cut(cx));
            }
            match self.session.end_message(&mut self.output) {
                Err(ReplyError::Full(_)) => {}
                Err(ReplyError::ApiMisuse(ApiMisuse::SizeMismatch)) if ending == Ending::Short => {
                    return Ok(self.cut(cx));
                }
                Ok(()) if ending == Ending::Short && !done => {
                    return Err(Violation::new("a message ends that is not as long as announced".to_owned()));
                }
                ended => {
                    ended.map_err(wrong)?;
                    self.doing = Doing::Serving;
                    return Ok(Turn::Again);
                }
            }
        }
        match self.flush(link, cx) {
            Flushed::All => Ok(Turn::Again),
            Flushed::Blocked => Ok(Turn::Wait),
            Flushed::Broken => Ok(self.cut(cx)),
        }
    }

    /// One step of a commit: a message, or the flush behind the last.
    fn remove_next(&mut self, cx: &mut Cx) -> Result<Turn, Violation> {
        let until = self.store_time(cx);
        let fails =
            |cx: &mut Cx, tally| self.plan.store_faults > 0 && Self::fault(self.id, self.plan, tally, cx);
        let Doing::Committing { ids, next, failed, until: again } = &mut self.doing else {
            return Ok(Turn::Wait);
        };
        let drop = cx.sessions[self.id].drop;
        if let Some(id) = ids.get(*next) {
            *next += 1;
            *again = until;
            if fails(cx, Tally::RemoveFault) {
                *failed = true;
                return Ok(Turn::Again);
            }
            cx.unlink(drop, *id, self.id)?;
            return Ok(Turn::Again);
        }
        let mut all_removed = !*failed;
        if !ids.is_empty() {
            if fails(cx, Tally::SyncFault) {
                all_removed = false;
            } else {
                cx.flush(drop);
            }
        }
        cx.unlock(self.id);
        cx.sessions[self.id].commit = Commit::Answered(all_removed);
        self.session.committed(all_removed, &mut self.output).map_err(wrong)?;
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

    /// When a call of the store is done that begins now.
    fn store_time(&self, cx: &mut Cx) -> Time {
        let slow = self.plan.slow_store > 0 && cx.random.once_in(4);
        if slow {
            cx.counts.add(Tally::SlowStore);
            cx.sessions[self.id].excused = true;
        }
        cx.now + if slow { self.plan.slow_store } else { cx.random.pick(&[0, 2, 5, 30]) }
    }

    fn fails(&self, tally: Tally, cx: &mut Cx) -> bool {
        Self::fault(self.id, self.plan, tally, cx)
    }

    fn fault(id: usize, plan: ServerPlan, tally: Tally, cx: &mut Cx) -> bool {
        let fails = plan.store_faults > 0 && cx.random.once_in(plan.store_faults);
        if fails {
            cx.counts.add(tally);
            cx.sessions[id].excused = true;
            cx.trace.note(cx.now, Who::Store, tally.text(), id as u64);
        }
        fails
    }
}

fn ask(request: Request<'_>) -> Result<Ask, Violation> {
    let decoded = |text: Base64<'_>| {
        let mut room = vec![0; text.decoded_len()];
        text.decode(&mut room).expect("there is room");
        room
    };
    Ok(match request {
        Request::Login { password } => Ask::Login(password.expose().to_vec()),
        Request::Sasl(SaslInput::Start { mechanism, initial }) => Ask::Sasl(Exchange::Start {
            plain: mechanism == MechanismName::PLAIN,
            initial: initial.map(|initial| decoded(initial.base64())),
        }),
        Request::Sasl(SaslInput::Response(text)) => Ask::Sasl(Exchange::Response(decoded(text))),
        Request::Sasl(SaslInput::Ended) => Ask::Sasl(Exchange::Ended),
        Request::Message { number } => Ask::Message(number),
        Request::StartTls => Ask::StartTls,
        Request::Commit => Ask::Commit,
        Request::Close(reason) => Ask::Close(reason),
        other => return Err(Violation::new(format!("an unexpected request: {other:?}"))),
    })
}

/// A driver that does as it is told is never told that it misuses the interface.
fn wrong(error: ReplyError) -> Violation {
    Violation::new(format!("the session does not do what it has asked for: {error}"))
}
