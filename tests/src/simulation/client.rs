//! A client over `Client`, as somebody writes it for a runtime of his own: one task per connection, nothing that blocks.

use pop3_proto::state::State;
use pop3_proto::{
    Buffer, Capability, Client, ClientEvent, ClientLimits, ClientTolerances, Command, MechanismName,
    SendError, Step,
};

use super::model::{Heard, Oracle, Said, Violation};
use super::network::{Link, Side};
use super::plan::{Do, Program, Say};
use super::tls::{Input, Transport};
use super::trace::Who;
use super::{Cx, PASSWORD, Tally, Time, USERS, millis, name, secret};

pub(super) const DEPTH: usize = 16;

/// What a client is like in one session.
#[derive(Debug)]
pub(super) struct ClientPlan {
    pub(super) user: usize,
    pub(super) implicit_tls: bool,
    /// Whether it will log in without TLS.
    pub(super) cleartext: bool,
    pub(super) pipelining: bool,
    pub(super) input: usize,
    /// How long it rests after each read: a slow reader.
    pub(super) rests: Time,
    /// Waits for the server's end after its `QUIT` was answered.
    pub(super) waits_for_end: bool,
    pub(super) program: Program,
}

/// How a connection ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// `QUIT` was answered.
    Quit,
    /// The client has left by itself.
    Left,
    /// The connection, the server or an attacker ended it.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Again,
    Wait,
}

/// One connection of a client.
#[derive(Debug)]
pub(super) struct Call {
    id: usize,
    core: Client<DEPTH>,
    transport: Transport,
    input: Buffer<Vec<u8>>,
    output: Buffer<Vec<u8>>,
    plan: ClientPlan,
    oracle: Oracle,
    /// What of a reply of several lines has come so far.
    heard: Option<Heard>,
    /// The server has announced `PIPELINING`, on the connection as it is now.
    announced: bool,
    last_octet: Time,
    shaking: bool,
    rest: Time,
    wake: Option<Time>,
    end: Option<End>,
}

impl Call {
    pub(super) fn new(id: usize, plan: ClientPlan, key: u64, cx: &Cx) -> Self {
        let mut limits = ClientLimits::DEFAULT;
        limits.line = 520;
        limits.sasl_line = 520;
        let implicit = plan.implicit_tls;
        let mut core = if implicit {
            Client::over_tls(limits, ClientTolerances::default())
        } else {
            Client::in_clear(limits, ClientTolerances::default())
        };
        if plan.cleartext {
            core.allow_cleartext_login();
        }
        core.set_pipelining(plan.pipelining);
        let mut transport = Transport::new(Side::Client, key);
        if implicit {
            transport.start_tls();
        }
        Self {
            id,
            core,
            transport,
            input: Buffer::new(vec![0; plan.input]),
            output: Buffer::new(vec![0; 300]),
            plan,
            oracle: Oracle::new(implicit),
            heard: None,
            announced: false,
            last_octet: cx.now,
            shaking: implicit,
            rest: 0,
            wake: Some(cx.now),
            end: None,
        }
    }

    pub(super) const fn wake(&self) -> Option<Time> {
        self.wake
    }

    pub(super) const fn end(&self) -> Option<End> {
        self.end
    }

    pub(super) const fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// Runs until there is nothing to do.
    pub(super) fn run(&mut self, link: &mut Link, cx: &mut Cx) -> Result<(), Violation> {
        self.wake = None;
        while self.end.is_none() && self.turn(link, cx)? == Turn::Again {}
        let held = self.transport.held();
        if held > 1024 {
            return Err(Violation::new(format!("a client holds {held} octets")));
        }
        Ok(())
    }

    /// The machine of the client is gone, and all that was not on its disk.
    pub(super) fn crash(&mut self, link: &mut Link, cx: &mut Cx) {
        if cx.random.once_in(2) {
            link.vanish(Side::Client);
        } else {
            link.reset(Side::Client, cx);
        }
        self.plan.program.crashed(cx);
        self.finish(End::Left, cx);
    }

    fn turn(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        if cx.now < self.rest {
            return Ok(self.sleep(self.rest));
        }
        if let Some(until) = self.plan.program.work(cx) {
            return Ok(self.sleep(until));
        }
        if self.shaking {
            return match self.transport.shake(link, cx) {
                Ok(true) => {
                    self.shaking = false;
                    if !self.core.is_tls() {
                        let started = self.core.tls_started();
                        started.map_err(|misuse| Violation::new(format!("no TLS is due: {misuse}")))?;
                        self.oracle.tls_started();
                        self.announced = false;
                        cx.counts.add(Tally::StartedTls);
                    }
                    cx.trace.note(cx.now, Who::Client(self.id), "has TLS", 0);
                    self.last_octet = cx.now;
                    Ok(Turn::Again)
                }
                Ok(false) if cx.now < self.last_octet + 20_000 => Ok(self.sleep(self.last_octet + 20_000)),
                other => {
                    if matches!(other, Err(Input::Forged)) {
                        cx.counts.add(Tally::ClientMisled);
                    }
                    Ok(self.give_up(link, cx))
                }
            };
        }
        // The loop of the crate's documentation.
        let received = match self.core.receive(self.input.unread()) {
            Ok(received) => received,
            Err(error) => {
                cx.trace.note(cx.now, Who::Client(self.id), "gives up: the server broke the protocol", 0);
                // It may only say so of somebody else's octets: those of an attacker, before TLS.
                if !link.faulty || self.core.is_tls() {
                    return Err(Violation::new(format!("our server: {error}")));
                }
                cx.counts.add(Tally::ClientMisled);
                return Ok(self.give_up(link, cx));
            }
        };
        let consumed = received.consumed;
        match received.step {
            Step::Event(event) => {
                self.plan.program.see(&event);
                self.announced |= matches!(event, ClientEvent::Capability(_, Capability::Pipelining));
                let settled = take_event(event, &mut self.heard, self.id, cx);
                if let Some(heard) = settled {
                    let attacked = link.faulty && !self.core.is_tls() && link.plan.attacker.is_some();
                    if attacked {
                        self.oracle.said.pop_front();
                    } else {
                        self.oracle.hear(self.id, &heard, cx)?;
                    }
                    cx.counts.add(Tally::Replies);
                    self.plan.program.settled(heard, self.id, self.plan.user, cx)?;
                }
                self.input.consume(consumed);
                return Ok(Turn::Again);
            }
            Step::NeedInput | Step::Paused => self.input.consume(consumed),
        }
        if self.core.state() == State::Tls {
            self.transport.start_tls();
            self.shaking = true;
            return Ok(Turn::Again);
        }
        if self.core.state().is_over() && !(self.plan.waits_for_end && self.oracle.quit.is_some()) {
            self.transport.end(link, cx);
            link.close(Side::Client, cx);
            return Ok(self.finish(End::Quit, cx));
        }
        if self.output.is_empty() && !self.core.state().is_over() {
            match self.speak(link, cx)? {
                Some(turn) => return Ok(turn),
                None if self.end.is_some() => return Ok(Turn::Wait),
                None => {}
            }
        }
        self.flush(link, cx);
        self.read(link, cx)
    }

    /// Says what is next, if it may be said now.
    fn speak(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Option<Turn>, Violation> {
        let idle = self.core.outstanding() == 0 && !self.core.is_receiving();
        let say = match self.plan.program.next(&self.core, idle) {
            Do::Say(say) => say,
            Do::Wait => return Ok(None),
            Do::HalfClose => {
                cx.counts.add(Tally::HalfClose);
                self.transport.end(link, cx);
                return Ok(None);
            }
            Do::Leave => {
                cx.counts.add(Tally::LeftWithoutQuit);
                if cx.random.once_in(2) {
                    self.transport.end(link, cx);
                    link.close(Side::Client, cx);
                } else {
                    link.reset(Side::Client, cx);
                }
                return Ok(Some(self.finish(End::Left, cx)));
            }
            Do::FallSilent => {
                cx.counts.add(Tally::WentSilent);
                link.vanish(Side::Client);
                return Ok(Some(self.finish(End::Left, cx)));
            }
        };
        let ahead = !idle;
        let sent = self.encode(say);
        match sent {
            // What was marked must be known before it is committed.
            Ok(_) if ahead && say == Say::Command(Command::Quit) => {
                Err(Violation::new("QUIT may be sent ahead of replies".to_owned()))
            }
            Ok(Some(_)) if ahead && !self.announced => {
                Err(Violation::new(format!("{say:?} may be sent ahead, and PIPELINING was not announced")))
            }
            Ok(said) => {
                cx.trace.octets(cx.now, Who::Client(self.id), "says", shown(say, self.output.unread()));
                self.plan.program.said(say);
                self.oracle.said.extend(said);
                cx.counts.add_many(Tally::Pipelined, u64::from(ahead));
                if self.core.timeout().is_some() && !ahead {
                    self.last_octet = cx.now;
                }
                Ok(Some(Turn::Again))
            }
            // Replies must come first.
            Err(
                SendError::MustWait { .. }
                | SendError::NotPipelined
                | SendError::TooManyOutstanding { .. }
                | SendError::OutOfPlace { .. }
                | SendError::Cleartext
                | SendError::Full(_),
            ) if !idle => Ok(None),
            Err(SendError::Cleartext) if !self.core.is_tls() && !self.plan.cleartext => {
                self.plan.program.refused();
                Ok(Some(Turn::Again))
            }
            // A login that failed: what was to follow it has no place.
            Err(SendError::OutOfPlace { .. }) => {
                self.plan.program.said(say);
                Ok(Some(Turn::Again))
            }
            // A notice that the server closes, as after too many failed logins.
            Err(SendError::Closed) => Ok(None),
            Err(error) => Err(Violation::new(format!("{say:?} cannot be sent: {error}"))),
        }
    }

    fn encode(&mut self, say: Say) -> Result<Option<Said>, SendError> {
        let (core, out) = (&mut self.core, &mut self.output);
        let user = USERS[self.plan.user];
        let password = |right: bool| if right { PASSWORD } else { "wrong" };
        let command = match say {
            Say::Command(command) => command,
            Say::User => {
                core.check_privacy()?;
                Command::User(name(user))
            }
            Say::Pass { right } => {
                core.send(&Command::Pass(secret(password(right))), out)?;
                return Ok(Some(Said::Login { right: Some(right), by_auth: false }));
            }
            Say::Plain { right, inline } => {
                let message = format!("\0{user}\0{}", password(right));
                let initial = inline.then_some(message.as_bytes());
                core.authenticate(MechanismName::PLAIN, initial, out)?;
                return Ok(Some(Said::Login { right: Some(right), by_auth: true }));
            }
            Say::Login { right } => {
                core.authenticate(MechanismName::LOGIN, None, out)?;
                return Ok(Some(Said::Login { right, by_auth: true }));
            }
            Say::PlainMessage { right } => {
                core.respond(format!("\0{user}\0{}", password(right)).as_bytes(), out)?;
                return Ok(None);
            }
            Say::Name => {
                core.respond(user.as_bytes(), out)?;
                return Ok(None);
            }
            Say::Password { right } => {
                core.respond(password(right).as_bytes(), out)?;
                return Ok(None);
            }
            Say::Cancel => {
                core.cancel(out)?;
                return Ok(None);
            }
        };
        core.send(&command, out)?;
        Ok(Some(Said::Command(command)))
    }

    fn flush(&mut self, link: &mut Link, cx: &mut Cx) {
        while !self.output.is_empty() && !link.is_shut(Side::Client) {
            let written = self.transport.write(self.output.unread(), link, cx);
            if written == 0 {
                return;
            }
            self.output.consume(written);
        }
    }

    fn read(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        let room = self.input.room();
        if room.is_empty() {
            return Err(Violation::new("a full input makes no event".to_owned()));
        }
        let input = self.transport.read(room, link, cx);
        match input {
            Input::Octets(octets) => {
                cx.trace.octets(cx.now, Who::Client(self.id), "reads", &room[..octets]);
                self.input.filled(octets);
                self.last_octet = cx.now;
                if self.plan.rests > 0 && self.core.state() == State::Transaction {
                    self.rest = cx.now + self.plan.rests;
                }
                Ok(Turn::Again)
            }
            Input::Nothing => {
                let Some(timeout) = self.core.timeout() else {
                    if self.core.state().is_over() && cx.now >= self.last_octet + 10_000 {
                        return Ok(self.give_up(link, cx));
                    }
                    // Only to see the end of a session that is over.
                    return Ok(self.sleep(self.last_octet + 10_000));
                };
                let deadline = self.last_octet + millis(timeout.limit);
                if cx.now < deadline {
                    return Ok(self.sleep(deadline));
                }
                cx.counts.add(Tally::ClientTimedOut);
                cx.trace.note(cx.now, Who::Client(self.id), "has waited long enough", 0);
                let _final = self.core.timed_out();
                Ok(self.give_up(link, cx))
            }
            Input::Closed => self.end_of_input(link, cx),
            Input::Truncated => {
                cx.counts.add(Tally::TlsTruncated);
                self.check_freed(link, cx)?;
                Ok(self.give_up(link, cx))
            }
            Input::Reset => Ok(self.give_up(link, cx)),
            Input::Forged => Err(Violation::new("TLS of our own is broken".to_owned())),
        }
    }

    fn end_of_input(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        self.check_freed(link, cx)?;
        let mut orderly = self.core.end_of_input();
        if cx.random.once_in(2) {
            cx.counts.add(Tally::ToldTwice);
            let again = self.core.end_of_input();
            if again != orderly {
                return Err(Violation::new(format!("an end is {orderly:?}, and then {again:?}")));
            }
            orderly = again;
        }
        cx.trace.note(cx.now, Who::Client(self.id), "sees the end", u64::from(orderly.is_ok()));
        let settled = self.oracle.is_settled() && self.heard.is_none();
        if orderly.is_ok() && (!settled || self.core.outstanding() > 0) {
            return Err(Violation::new("an end inside a reply is taken for success".to_owned()));
        }
        if orderly.is_err() && !settled {
            cx.counts.add(Tally::ClientTruncated);
        }
        if orderly.is_ok() && self.core.state().is_over() {
            self.transport.end(link, cx);
            link.close(Side::Client, cx);
            return Ok(self.finish(End::Quit, cx));
        }
        Ok(self.give_up(link, cx))
    }

    /// The other side has ended the connection: its lock must be free by now.
    fn check_freed(&self, link: &Link, cx: &Cx) -> Result<(), Violation> {
        if link.is_shut(Side::Server) && cx.holds_lock(self.id) {
            return Err(Violation::new("the client sees an end before the lock is free".to_owned()));
        }
        Ok(())
    }

    fn give_up(&mut self, link: &mut Link, cx: &mut Cx) -> Turn {
        if self.heard.as_ref().is_some_and(|heard| matches!(heard, Heard::Mail(_))) {
            cx.counts.add(Tally::MessageCut);
        }
        link.close(Side::Client, cx);
        let end = if self.oracle.quit.is_some() { End::Quit } else { End::Broken };
        self.finish(end, cx)
    }

    fn finish(&mut self, end: End, cx: &mut Cx) -> Turn {
        cx.trace.note(cx.now, Who::Client(self.id), "is done", end as u64);
        self.end = Some(end);
        self.wake = None;
        Turn::Wait
    }

    const fn sleep(&mut self, until: Time) -> Turn {
        self.wake = Some(until);
        Turn::Wait
    }
}

/// Puts an event to what was heard before, and gives a reply once all of it is there.
fn take_event(event: ClientEvent<'_>, so_far: &mut Option<Heard>, id: usize, cx: &mut Cx) -> Option<Heard> {
    match event {
        ClientEvent::Reply(reply) => {
            let mut heard = if reply.is_ok() { Heard::Accepted } else { Heard::Refused };
            if let Some(data) = reply.drop_listing() {
                heard = Heard::Totals(data.messages, data.octets.unwrap_or(u64::MAX));
            }
            if let Some(data) = reply.scan_listing() {
                heard = Heard::Sizes(vec![(data.number.get(), data.octets)]);
            }
            if let Some(data) = reply.unique_id() {
                heard = Heard::Ids(vec![(data.number.get(), data.unique_id.as_bytes().to_vec())]);
            }
            if !reply.more {
                return Some(heard);
            }
            *so_far = Some(match reply.verb.keyword() {
                "LIST" => Heard::Sizes(Vec::new()),
                "UIDL" => Heard::Ids(Vec::new()),
                "RETR" | "TOP" => Heard::Mail(Vec::new()),
                _ => Heard::Accepted,
            });
        }
        ClientEvent::ScanListing(_, data) => {
            if let Some(Heard::Sizes(sizes)) = so_far {
                sizes.push((data.number.get(), data.octets));
            }
        }
        ClientEvent::UniqueId(_, data) => {
            if let Some(Heard::Ids(ids)) = so_far {
                ids.push((data.number.get(), data.unique_id.as_bytes().to_vec()));
            }
        }
        ClientEvent::Body(_, part) => {
            if let Some(Heard::Mail(octets)) = so_far {
                octets.extend_from_slice(part);
            }
        }
        ClientEvent::End(_) => {
            if matches!(so_far, Some(Heard::Mail(_))) {
                cx.counts.add(Tally::Messages);
                cx.trace.note(cx.now, Who::Client(id), "has a whole message", 0);
            }
            return so_far.take();
        }
        ClientEvent::Malformed(..) => *so_far = Some(Heard::Refused),
        _ => {}
    }
    None
}

/// What of an output may stand in a trace: no secret is one here, but the habit is.
fn shown(say: Say, output: &[u8]) -> &[u8] {
    match say {
        Say::Command(_) | Say::User | Say::Cancel => output,
        _ => b"a login",
    }
}
