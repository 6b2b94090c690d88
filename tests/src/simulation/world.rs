//! What there is in a world, and what happens next in it.

use super::attacker::{Attack, Attacker};
use super::client::{Call, ClientPlan, End};
use super::hostile::{HostileCall, HostilePlan};
use super::model::{Commit, Facts, Violation};
use super::network::{Cut, CutKind, Link, LinkPlan, Side};
use super::plan::{Body, Fetch, Program};
use super::server::{Server, ServerPlan};
use super::store::{Fate, Maildrop};
use super::trace::{Trace, Who};
use super::{Counts, Cx, Keeper, Random, Tally, Time, USERS};

/// So many things may happen for each session, or the world does not come to its end.
const STEPS: u64 = 40_000;

/// Somebody with a program, who connects several times.
#[derive(Debug)]
struct Host {
    user: usize,
    kind: Kind,
    sessions: u32,
    start: Option<Time>,
    call: Option<(usize, Caller)>,
    crash: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fetches { keeper: usize, delete: bool },
    Commands,
    Hostile,
}

#[derive(Debug)]
enum Caller {
    Ours(Box<Call>),
    Hostile(Box<HostileCall>),
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrival(usize, Side),
    Server(usize),
    Host(usize),
    Start(usize),
    ClientCrash(usize),
    ServerCrash,
    Stop(usize),
    NewMail,
}

#[derive(Debug)]
pub(super) struct World {
    cx: Cx,
    /// By session.
    links: Vec<Link>,
    servers: Vec<Option<Server>>,
    hosts: Vec<Host>,
    /// No fault of any kind.
    calm: bool,
    /// What comes now must bring all mail home.
    last: bool,
    crash: Option<Time>,
    up_at: Time,
    /// When servers of sessions are stopped.
    stops: Vec<(Time, usize)>,
    new_mail: Vec<(Time, usize)>,
    steps: u64,
}

impl World {
    pub(super) fn new(seed: u64, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let calm = random.once_in(3);
        let users = if random.once_in(4) { 2 } else { 1 };
        let hosts = 1 + random.below(3);
        let crash = (!calm && random.once_in(3)).then(|| random.between(1, 200));
        let cx = Cx {
            now: 0,
            random,
            trace: Trace::new(trace),
            counts: Counts::default(),
            drops: (0..USERS.len()).map(|_| Maildrop::default()).collect(),
            next_mail: 0,
            sessions: Vec::new(),
            keepers: Vec::new(),
        };
        let mut world = Self {
            cx,
            links: Vec::new(),
            servers: Vec::new(),
            hosts: Vec::new(),
            calm,
            last: false,
            crash,
            up_at: 0,
            stops: Vec::new(),
            new_mail: Vec::new(),
            steps: 0,
        };
        world.populate(users, hosts);
        world
    }

    fn populate(&mut self, users: usize, hosts: usize) {
        let cx = &mut self.cx;
        for user in 0..users {
            // Lists of many messages do not fit into an output at once.
            let many = if cx.random.once_in(25) { 70 } else { 0 };
            for _ in 0..many + cx.random.below(7) {
                cx.deliver(user);
            }
            for _ in 0..cx.random.below(4) {
                let at = cx.random.pick(&[300, 300, 3_000, 600_000]);
                self.new_mail.push((cx.random.between(0, at), user));
            }
        }
        for _ in 0..hosts {
            let kind = match cx.random.below(10) {
                0..=4 => {
                    cx.keepers.push(Keeper::default());
                    Kind::Fetches { keeper: cx.keepers.len() - 1, delete: !cx.random.once_in(4) }
                }
                5..=7 => Kind::Commands,
                _ => Kind::Hostile,
            };
            let start = Some(cx.random.between(0, 50));
            let sessions = 1 + u32::try_from(cx.random.below(4)).expect("few");
            let user = cx.random.below(users);
            self.hosts.push(Host { user, kind, sessions, start, call: None, crash: None });
        }
    }

    /// Lets everything happen, and then looks at what is left.
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        self.settle()?;
        // Each program fetches what is left, undisturbed.
        self.calm = true;
        self.last = true;
        self.crash = None;
        for at in 0..self.hosts.len() {
            if let Kind::Fetches { delete: true, .. } = self.hosts[at].kind {
                let host = &mut self.hosts[at];
                (host.sessions, host.start) = (1, Some(self.cx.now));
                self.settle()?;
                let user = self.hosts[at].user;
                if let Some(mail) = self.cx.drops[user].there().next() {
                    return Err(Violation::new(format!("message {} is still there", mail.id)));
                }
            }
        }
        self.check_keepers()
    }

    /// Lets everything happen until nothing is left to do.
    fn settle(&mut self) -> Result<(), Violation> {
        while let Some((at, event)) = self.next_event() {
            self.cx.now = self.cx.now.max(at);
            self.cx.counts.add(Tally::Steps);
            self.steps += 1;
            if self.steps > STEPS * (self.links.len() as u64 + 1) {
                return Err(Violation::new("it does not come to an end".to_owned()));
            }
            self.happen(event)?;
        }
        let waits = self.servers.iter().flatten().any(|server| !server.is_over());
        if waits || self.hosts.iter().any(|host| host.call.is_some()) {
            return Err(Violation::new("somebody waits for something that never comes".to_owned()));
        }
        if self.cx.drops.iter().any(Maildrop::is_locked) {
            return Err(Violation::new("a maildrop is locked, and nobody is there".to_owned()));
        }
        Ok(())
    }

    /// What happens next; of several things at the same moment any.
    fn next_event(&mut self) -> Option<(Time, Event)> {
        let mut next: Option<(Time, Event)> = None;
        let mut rivals = 0;
        let random = &mut self.cx.random;
        let mut offer = |at: Option<Time>, event: Event| {
            let Some(at) = at else { return };
            match next {
                Some((before, _)) if before < at => {}
                Some((before, _)) if before == at => {
                    rivals += 1;
                    if random.once_in(rivals + 1) {
                        next = Some((at, event));
                    }
                }
                _ => {
                    rivals = 0;
                    next = Some((at, event));
                }
            }
        };
        for (at, link) in self.links.iter().enumerate() {
            if let Some((due, writer)) = link.next_due() {
                offer(Some(due), Event::Arrival(at, writer));
            }
        }
        for (at, server) in self.servers.iter().enumerate() {
            offer(server.as_ref().and_then(Server::wake), Event::Server(at));
        }
        let mut busy = false;
        for (at, host) in self.hosts.iter().enumerate() {
            offer(host.start, Event::Start(at));
            offer(host.crash, Event::ClientCrash(at));
            if let Some((_, caller)) = &host.call {
                busy = true;
                offer(caller.wake(), Event::Host(at));
            }
        }
        if busy {
            offer(self.crash, Event::ServerCrash);
        }
        if let Some(&(at, session)) = self.stops.iter().min() {
            offer(Some(at), Event::Stop(session));
        }
        offer(self.new_mail.iter().map(|(at, _)| *at).min(), Event::NewMail);
        next
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Arrival(at, writer) => {
                self.links[at].deliver(writer, &mut self.cx);
                match writer {
                    Side::Client => self.run_server(at)?,
                    Side::Server => self.run_client(at)?,
                }
                self.wake_writers(at)
            }
            Event::Server(at) => {
                self.run_server(at)?;
                self.wake_writers(at)
            }
            Event::Host(at) => {
                let Some((session, _)) = self.hosts[at].call else { return Ok(()) };
                self.run_client(session)?;
                self.wake_writers(session)
            }
            Event::Start(at) => self.connect(at),
            Event::ClientCrash(at) => {
                let host = &mut self.hosts[at];
                host.crash = None;
                let Some((session, caller)) = &mut host.call else { return Ok(()) };
                let session = *session;
                self.cx.counts.add(Tally::ClientCrash);
                self.cx.trace.note(self.cx.now, Who::Client(session), "crashes", 0);
                match caller {
                    Caller::Ours(call) => call.crash(&mut self.links[session], &mut self.cx),
                    Caller::Hostile(call) => call.crash(&mut self.links[session], &mut self.cx),
                }
                self.after_client(at)
            }
            Event::ServerCrash => {
                self.crash_server();
                Ok(())
            }
            Event::Stop(at) => {
                self.stops.retain(|(_, session)| *session != at);
                let stopped = self.servers[at].as_mut().is_some_and(|server| server.stop(&mut self.cx));
                if stopped { self.run_server(at) } else { Ok(()) }
            }
            Event::NewMail => {
                let due = (0..self.new_mail.len()).min_by_key(|at| self.new_mail[*at].0);
                if let Some(due) = due {
                    let (_, user) = self.new_mail.swap_remove(due);
                    self.cx.deliver(user);
                }
                Ok(())
            }
        }
    }

    /// Whoever waits for room in a pipe runs once there is some.
    fn wake_writers(&mut self, at: usize) -> Result<(), Violation> {
        // The second look is for what the first has read.
        loop {
            let (client, server) = (self.links[at].freed(Side::Client), self.links[at].freed(Side::Server));
            if !client && !server {
                break;
            }
            if server {
                self.run_server(at)?;
            }
            if client {
                self.run_client(at)?;
            }
        }
        let (held, capacity) = (self.links[at].held(), self.links[at].plan.capacity);
        if held > capacity + 64 {
            return Err(Violation::new(format!("{held} octets are held by a pipe of {capacity}")));
        }
        Ok(())
    }

    fn run_server(&mut self, at: usize) -> Result<(), Violation> {
        let Some(server) = &mut self.servers[at] else { return Ok(()) };
        server.run(&mut self.links[at], &mut self.cx)?;
        if server.is_over() {
            self.servers[at] = None;
            self.after_server(at);
        }
        Ok(())
    }

    fn after_server(&mut self, at: usize) {
        if let Commit::Answered(false) = self.cx.sessions[at].commit {
            self.cx.counts.add(Tally::PartlyRefused);
        }
        if self.cx.sessions[at].wrong_passwords >= 3 {
            self.cx.counts.add(Tally::TooManyPasswords);
        }
    }

    fn run_client(&mut self, session: usize) -> Result<(), Violation> {
        let on = |host: &Host| host.call.as_ref().is_some_and(|(call, _)| *call == session);
        let Some(at) = self.hosts.iter().position(on) else { return Ok(()) };
        let Some((_, caller)) = &mut self.hosts[at].call else { return Ok(()) };
        let (link, cx) = (&mut self.links[session], &mut self.cx);
        match caller {
            Caller::Ours(call) => call.run(link, cx)?,
            Caller::Hostile(call) => call.run(link, cx)?,
        }
        self.after_client(at)
    }

    fn after_client(&mut self, at: usize) -> Result<(), Violation> {
        let host = &mut self.hosts[at];
        let Some((session, caller)) = &host.call else { return Ok(()) };
        let session = *session;
        let (over, planned, oracle) = match caller {
            Caller::Ours(call) => (call.end().is_some(), call.end() != Some(End::Broken), call.oracle()),
            Caller::Hostile(call) => (call.is_over(), true, call.oracle()),
        };
        if !over {
            return Ok(());
        }
        let cx = &mut self.cx;
        let excused = cx.sessions[session].excused || self.links[session].faulty;
        match oracle.quit {
            Some(true) => {
                cx.counts.add(Tally::Acknowledged);
                let mail = !cx.sessions[session].marked.is_empty();
                cx.counts.add_many(Tally::AcknowledgedWithMail, u64::from(mail));
            }
            None if cx.sessions[session].commit != Commit::No => cx.counts.add(Tally::Unacknowledged),
            _ => {}
        }
        if !excused && !planned {
            return Err(Violation::new(format!(
                "session {session} is broken, and nothing has happened to it"
            )));
        }
        cx.counts.add_many(Tally::Unaided, u64::from(!excused));
        self.links[session].check_overheard()?;
        host.call = None;
        host.crash = None;
        host.sessions -= 1;
        if host.sessions > 0 {
            let pause = cx.random.pick(&[20, 20, 2_000, 700_000]);
            host.start = Some(cx.now + cx.random.between(0, pause));
        }
        Ok(())
    }

    fn crash_server(&mut self) {
        let cx = &mut self.cx;
        self.crash = None;
        self.up_at = cx.now + cx.random.between(0, 5_000);
        cx.trace.note(cx.now, Who::World, "the server crashes", 0);
        for (at, server) in self.servers.iter_mut().enumerate() {
            let Some(server) = server.take() else { continue };
            cx.counts.add(Tally::ServerCrash);
            cx.counts.add_many(Tally::CommitCrash, u64::from(server.is_committing()));
            cx.sessions[at].excused = true;
            self.links[at].reset(Side::Server, cx);
        }
        cx.crash();
    }

    fn connect(&mut self, at: usize) -> Result<(), Violation> {
        if self.cx.now < self.up_at {
            self.hosts[at].start = Some(self.up_at);
            return Ok(());
        }
        self.hosts[at].start = None;
        let session = self.links.len();
        let (cx, host, calm) = (&mut self.cx, &mut self.hosts[at], self.calm);
        let (kind, user) = (host.kind, host.user);
        // How both sides mean to protect the connection.
        let (implicit_tls, stls, cleartext) = match cx.random.below(5) {
            0 | 1 => (true, false, false),
            2 | 3 => (false, true, false),
            _ => (false, false, true),
        };
        let starts_tls = stls && kind != Kind::Hostile;
        cx.counts.add(Tally::Sessions);
        cx.counts.add(if implicit_tls { Tally::ImplicitTls } else { Tally::ClearSessions });
        let link = Link::new(
            session,
            link_plan(starts_tls, !cleartext && kind != Kind::Hostile, calm, &mut cx.random),
        );
        let mut config = ServerPlan::config();
        config.stls = stls;
        config.allow_cleartext_login = cleartext || (kind == Kind::Hostile && cx.random.once_in(2));
        if kind != Kind::Hostile {
            config.limits.bad_commands_in_a_row = u32::MAX;
            config.limits.bad_commands = u32::MAX;
            config.limits.bad_commands_before_login = u32::MAX;
        }
        let faulty = |random: &mut Random, one_in| !calm && random.once_in(one_in);
        let plan = ServerPlan {
            implicit_tls,
            config,
            messages: if faulty(&mut cx.random, 40) { 2 } else { 1_000 },
            output: cx.random.pick(&[512, 700, 2_000]),
            store_faults: if faulty(&mut cx.random, 4) { 6 } else { 0 },
            slow_store: if faulty(&mut cx.random, 60) { 400_000 } else { 0 },
            lingers: !faulty(&mut cx.random, 8),
        };
        cx.sessions.push(Facts {
            drop: user,
            mail: Vec::new(),
            heard: Vec::new(),
            logins: Default::default(),
            openings: Default::default(),
            commit: Commit::No,
            marked: Vec::new(),
            wrong_passwords: 0,
            excused: plan.messages == 2 || !plan.lingers || link.plan.latency == 2_000,
            stls,
            cleartext: config.allow_cleartext_login,
            keeper: if let Kind::Fetches { keeper, .. } = kind { Some(keeper) } else { None },
        });
        let key = cx.random.next();
        self.servers.push(Some(Server::new(session, plan, key, cx)?));
        let body = match kind {
            Kind::Hostile => {
                let plan = HostilePlan::random(user, stls, &mut cx.random, &mut cx.counts);
                let call = HostileCall::new(session, plan, implicit_tls, key, cx);
                host.call = Some((session, Caller::Hostile(Box::new(call))));
                None
            }
            Kind::Commands => Some(Program::commands(&mut cx.random)),
            Kind::Fetches { keeper, delete } => Some(Body::Fetch(Fetch::new(keeper, delete))),
        };
        if let Some(body) = body {
            let login = Program::login(&mut cx.random, starts_tls, self.last);
            let plan = ClientPlan {
                user,
                implicit_tls,
                cleartext,
                pipelining: !cx.random.once_in(3),
                input: cx.random.pick(&[520, 600, 2_000]),
                rests: if cx.random.once_in(12) { cx.random.between(1, 900) } else { 0 },
                waits_for_end: cx.random.once_in(2),
                program: Program::new(login, body),
            };
            host.call = Some((session, Caller::Ours(Box::new(Call::new(session, plan, key, cx)))));
        }
        host.crash = faulty(&mut cx.random, 6).then(|| cx.now + cx.random.between(0, 120));
        if faulty(&mut cx.random, 12) {
            self.stops.push((cx.now + cx.random.between(0, 120), session));
        }
        self.links.push(link);
        cx.trace.note(cx.now, Who::Client(session), "connects, as host", at as u64);
        Ok(())
    }

    /// What the fetching programs have, in the end.
    fn check_keepers(&mut self) -> Result<(), Violation> {
        for keeper in &self.cx.keepers {
            let twice: u32 = keeper.kept.values().map(|copies| copies - 1).sum();
            self.cx.counts.add_many(Tally::Duplicates, u64::from(twice));
            if twice > keeper.crashes {
                return Err(Violation::new(format!("{twice} duplicates after {} crashes", keeper.crashes)));
            }
        }
        // Whoever has removed a message was asked to, and a program that fetches had it: see `unlink`. What is left:
        for (user, drop) in self.cx.drops.iter().enumerate() {
            let marked =
                |id| self.cx.sessions.iter().any(|facts| facts.drop == user && facts.marked.contains(&id));
            if let Some(mail) = drop.mail.iter().find(|mail| mail.fate != Fate::There && !marked(mail.id)) {
                return Err(Violation::new(format!("message {} is gone, and nobody has marked it", mail.id)));
            }
        }
        Ok(())
    }

    pub(super) fn into_parts(self) -> (Counts, u64, Vec<String>) {
        let (digest, lines) = self.cx.trace.into_parts();
        (self.cx.counts, digest, lines)
    }
}

impl Caller {
    const fn wake(&self) -> Option<Time> {
        match self {
            Self::Ours(call) => call.wake(),
            Self::Hostile(call) => call.wake(),
        }
    }
}

fn link_plan(starts_tls: bool, overheard: bool, calm: bool, random: &mut Random) -> LinkPlan {
    let cut = (!calm && random.once_in(4)).then(|| Cut {
        writer: random.pick(&[Side::Client, Side::Server]),
        after: match random.below(3) {
            0 => random.between(0, 60),
            1 => random.between(0, 400),
            _ => random.between(0, 3_000),
        },
        kind: match random.below(5) {
            0 | 1 => CutKind::Reset,
            2 => CutKind::Fin,
            3 => CutKind::Silence,
            _ => CutKind::Stall(random.pick(&[35_000, 70_000, 310_000, 700_000])),
        },
    });
    let attacker = (starts_tls && !calm && random.once_in(5)).then(|| {
        Attacker::new(match random.below(3) {
            0 => Attack::BehindStls(random.pick(&[
                &b"CAPA\r\n"[..],
                b"USER mallory\r\n",
                b"Q",
                b"\x16\0\x05hello12",
            ])),
            1 => Attack::BehindOk(random.pick(&[
                &b"+OK\r\n"[..],
                b"-ERR go away\r\n",
                b"+",
                b"\x16\0\x05hello12",
            ])),
            _ => Attack::Strip,
        })
    });
    LinkPlan {
        latency: random.pick(if calm {
            &[0, 1, 1, 5, 5, 40, 300][..]
        } else {
            &[0, 1, 5, 5, 40, 300, 2_000]
        }),
        capacity: random.pick(&[80, 300, 1_000, 4_096]),
        cut,
        attacker,
        overheard,
    }
}
