//! Clients without our library: lines typed by hand, too long, foreign, never read, or cut off in the middle.

use std::collections::VecDeque;

use pop3_proto::{Command, MessageNumber, ServerLimits};

use super::model::{Heard, Oracle, Said, Violation};
use super::network::{Link, Side};
use super::tls::{Input, Transport};
use super::trace::Who;
use super::{Counts, Cx, LINE, PASSWORD, Random, Tally, Time, USERS, name};

/// What comes behind the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// Nothing: the client reads its replies, and ends its half.
    End,
    /// `QUIT` without CRLF, and the end.
    HalfQuit,
    /// A line that does not end.
    Endless,
    /// Part of a command, and silence.
    Part,
    /// Nothing, and not one reply is read.
    Stalled,
    /// What looks like the beginning of TLS goes on in clear text.
    FalseTls,
}

#[derive(Debug)]
pub(super) struct HostilePlan {
    lines: VecDeque<(Vec<u8>, Said)>,
    tail: Tail,
    /// It begins as another protocol does.
    foreign: bool,
    /// So many lines may go unanswered.
    window: usize,
}

impl HostilePlan {
    pub(super) fn random(user: usize, stls: bool, random: &mut Random, counts: &mut Counts) -> Self {
        let mut lines = VecDeque::new();
        let foreign = random.once_in(12);
        if foreign {
            counts.add(Tally::Foreign);
            let line = random.pick(&[&b"GET / HTTP/1.1\r\n"[..], b"EHLO me\r\n", b"a1 LOGIN x y\r\n"]);
            lines.push_back((line.to_vec(), Said::Bad));
        }
        for _ in 0..random.below(3) {
            lines.push_back(line(random, counts));
        }
        if stls && random.once_in(2) {
            let user = Command::User(name(USERS[user]));
            lines.push_back((encoded(user), Said::Command(user)));
            lines.push_back((b"STLS\r\n".to_vec(), Said::Command(Command::Stls)));
            if random.once_in(2) {
                // A name from before TLS counts no more (R2595-4.7).
                counts.add(Tally::NameBeforeTls);
                lines.push_back(pass(true));
            }
        }
        if !random.once_in(8) {
            let right = !random.once_in(8);
            let user = Command::User(name(USERS[user]));
            lines.extend([(encoded(user), Said::Command(user)), pass(right)]);
            if !right {
                // Once too often, maybe.
                for _ in 0..random.below(5) {
                    lines.extend([(encoded(user), Said::Command(user)), pass(false)]);
                }
            }
        }
        for _ in 0..random.below(16) {
            lines.push_back(line(random, counts));
        }
        if random.once_in(12) {
            counts.add(Tally::Nonsense);
            lines.extend((0..30).map(|_| (b"LAST\r\n".to_vec(), Said::Bad)));
        }
        if random.once_in(2) {
            lines.push_back((b"QUIT\r\n".to_vec(), Said::Command(Command::Quit)));
            for _ in 0..random.below(3) {
                lines.push_back(line(random, counts));
            }
        }
        let (tail, tally) = match random.below(10) {
            0 => (Tail::HalfQuit, Some(Tally::QuitWithoutCrlf)),
            1 => (Tail::Endless, Some(Tally::EndlessLine)),
            2 => (Tail::Part, None),
            3 => (Tail::Stalled, Some(Tally::NeverReads)),
            4 => (Tail::FalseTls, None),
            _ => (Tail::End, None),
        };
        if tail == Tail::Stalled {
            for _ in 0..60 {
                let number = MessageNumber::FIRST;
                lines.push_back((b"RETR 1\r\n".to_vec(), Said::Command(Command::Retr(number))));
            }
        }
        if let Some(tally) = tally {
            counts.add(tally);
        }
        let window = if tail == Tail::Stalled { usize::MAX } else { random.pick(&[1, 3, usize::MAX]) };
        Self { lines, tail, foreign, window }
    }
}

fn encoded(command: Command<'static>) -> Vec<u8> {
    let mut line = Vec::new();
    command.encode(&mut line).expect("a vector has room");
    line
}

fn pass(right: bool) -> (Vec<u8>, Said) {
    let password = if right { PASSWORD } else { "wrong" };
    (format!("PASS {password}\r\n").into_bytes(), Said::Login { right: Some(right), by_auth: false })
}

fn line(random: &mut Random, counts: &mut Counts) -> (Vec<u8>, Said) {
    const BAD: [&[u8]; 14] = [
        b"\r\n",
        b"LAST\r\n",
        b"XTND XMIT\r\n",
        b"DELE\r\n",
        b"DELE 0\r\n",
        b"DELE -1\r\n",
        b"RETR 99999999999\r\n",
        b"QUIT now\r\n",
        b"DELE 1\nQUIT\r\n",
        b"QU\0IT\r\n",
        b" QUIT\r\n",
        b"DELE  1\r\n",
        b"\xff\xfe\r\n",
        b"RSET all\r\n",
    ];
    let digit = 1 + random.below(6);
    let number = MessageNumber::new(u32::try_from(digit).expect("a digit")).expect("not 0");
    let told = |text: String, command| {
        let text = if digit.is_multiple_of(2) { text.to_ascii_lowercase() } else { text };
        (text.into_bytes(), Said::Command(command))
    };
    match random.below(16) {
        0..=2 => {
            counts.add(Tally::Garbage);
            (random.pick(&BAD).to_vec(), Said::Bad)
        }
        3 => {
            counts.add(Tally::OverLong);
            let mut line = format!("DELE {digit} ").into_bytes();
            line.resize(LINE - 1 + random.below(900), b'x');
            line.extend(b"\r\n");
            (line, Said::Bad)
        }
        4 => told("STAT\r\n".to_owned(), Command::Stat),
        5 => told("LIST\r\n".to_owned(), Command::List(None)),
        6 => told("UIDL\r\n".to_owned(), Command::Uidl(None)),
        7 => told(format!("LIST {digit}\r\n"), Command::List(Some(number))),
        8 => told(format!("TOP {digit} 1\r\n"), Command::Top { number, lines: 1 }),
        9 | 10 => told(format!("RETR {digit}\r\n"), Command::Retr(number)),
        11 | 12 => told(format!("DELE {digit}\r\n"), Command::Dele(number)),
        13 => told("RSET\r\n".to_owned(), Command::Rset),
        14 => told("CAPA\r\n".to_owned(), Command::Capa),
        _ => told("NOOP\r\n".to_owned(), Command::Noop),
    }
}

/// One connection of such a client.
#[derive(Debug)]
pub(super) struct HostileCall {
    id: usize,
    plan: HostilePlan,
    transport: Transport,
    shaking: bool,
    output: Vec<u8>,
    /// What came in and is no whole reply yet.
    input: Vec<u8>,
    oracle: Oracle,
    refusals: u32,
    /// Lines that are no command and were refused: before the login, and in a row behind it.
    bad: [u32; 2],
    tail_said: bool,
    half_closed: bool,
    give_up: Time,
    wake: Option<Time>,
    over: bool,
}

impl HostileCall {
    pub(super) fn new(id: usize, plan: HostilePlan, implicit_tls: bool, key: u64, cx: &Cx) -> Self {
        let mut transport = Transport::new(Side::Client, key);
        if implicit_tls {
            transport.start_tls();
        }
        Self {
            id,
            plan,
            transport,
            shaking: implicit_tls,
            output: Vec::new(),
            input: Vec::new(),
            oracle: Oracle::new(implicit_tls),
            refusals: 0,
            bad: [0; 2],
            tail_said: false,
            half_closed: false,
            give_up: cx.now + 3_000_000,
            wake: Some(cx.now),
            over: false,
        }
    }

    pub(super) const fn wake(&self) -> Option<Time> {
        self.wake
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    pub(super) const fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    pub(super) fn crash(&mut self, link: &mut Link, cx: &mut Cx) {
        link.reset(Side::Client, cx);
        self.over = true;
    }

    pub(super) fn run(&mut self, link: &mut Link, cx: &mut Cx) -> Result<(), Violation> {
        self.wake = Some(self.give_up);
        if cx.now >= self.give_up {
            self.finish(link, cx);
            return Ok(());
        }
        if self.shaking {
            match self.transport.shake(link, cx) {
                Ok(true) => {
                    self.shaking = false;
                    if !self.oracle.tls {
                        self.oracle.tls_started();
                        cx.counts.add(Tally::StartedTls);
                    }
                }
                Ok(false) => return Ok(()),
                Err(_) => {
                    self.finish(link, cx);
                    return Ok(());
                }
            }
        }
        loop {
            self.say(link, cx);
            if self.plan.tail == Tail::Stalled {
                // It learns of the end in no other way.
                if link.is_reset(Side::Client) {
                    self.finish(link, cx);
                }
                return Ok(());
            }
            let mut room = [0; 300];
            match self.transport.read(&mut room, link, cx) {
                Input::Octets(octets) => {
                    cx.trace.octets(cx.now, Who::Client(self.id), "reads", &room[..octets]);
                    self.input.extend_from_slice(&room[..octets]);
                    while let Some(heard) = self.next_reply() {
                        if let Some(heard) = heard {
                            let stls = matches!(self.oracle.said.front(), Some(Said::Command(Command::Stls)));
                            self.shaking |= stls && heard == Heard::Accepted;
                            self.refusals += u32::from(heard == Heard::Refused);
                            self.count_bad()?;
                            self.oracle.hear(self.id, &heard, cx)?;
                            cx.counts.add(Tally::Replies);
                        }
                    }
                    if self.shaking {
                        self.transport.start_tls();
                        return self.run(link, cx);
                    }
                }
                Input::Nothing => return Ok(()),
                end => return self.ended(end, link, cx),
            }
        }
    }

    /// A server does not put up with nonsense for ever (RP-ALPACA.2).
    fn count_bad(&mut self) -> Result<(), Violation> {
        let bad = matches!(self.oracle.said.front(), Some(Said::Bad));
        if !self.oracle.logged_in {
            self.bad[0] += u32::from(bad);
        } else if bad {
            self.bad[1] += 1;
        } else {
            self.bad[1] = 0;
        }
        if self.bad[0] > ServerLimits::DEFAULT.bad_commands_before_login
            || self.bad[1] > ServerLimits::DEFAULT.bad_commands_in_a_row
        {
            return Err(Violation::new(format!("the server answers nonsense for ever: {:?}", self.bad)));
        }
        Ok(())
    }

    fn say(&mut self, link: &mut Link, cx: &mut Cx) {
        if self.half_closed || self.shaking || link.is_reset(Side::Client) {
            return;
        }
        loop {
            while !self.output.is_empty() {
                let written = self.transport.write(&self.output, link, cx);
                if written == 0 {
                    return;
                }
                self.output.drain(..written);
            }
            if self.waits_for_tls() {
                return;
            }
            if self.oracle.said.len() < self.plan.window
                && let Some((line, said)) = self.plan.lines.pop_front()
            {
                cx.trace.octets(cx.now, Who::Client(self.id), "says", &line);
                self.output = line;
                self.oracle.said.push_back(said);
                continue;
            }
            if self.plan.lines.is_empty() && !core::mem::replace(&mut self.tail_said, true) {
                match self.plan.tail {
                    Tail::HalfQuit => self.output = b"QUIT".to_vec(),
                    Tail::Endless => self.output = vec![b'x'; 3_000],
                    Tail::Part => self.output = b"DELE 1".to_vec(),
                    Tail::FalseTls => {
                        self.output = b"STLS\r\nDELE 1\r\nQUIT\r\n".to_vec();
                        let said = [Command::Stls, Command::Dele(MessageNumber::FIRST), Command::Quit];
                        self.oracle.said.extend(said.map(Said::Command));
                    }
                    Tail::End | Tail::Stalled => {}
                }
                continue;
            }
            break;
        }
        if self.tail_said && matches!(self.plan.tail, Tail::End | Tail::HalfQuit) {
            self.half_closed = true;
            cx.counts.add(Tally::HalfClose);
            self.transport.end(link, cx);
        }
    }

    /// Nothing goes out behind STLS but what is meant to be wrong.
    fn waits_for_tls(&self) -> bool {
        matches!(self.oracle.said.back(), Some(Said::Command(Command::Stls))) && !self.tail_said
    }

    /// The next whole reply of the input, read by hand. `Some(None)`: the greeting.
    fn next_reply(&mut self) -> Option<Option<Heard>> {
        let end = find(&self.input, b"\r\n")?;
        let line = self.input[..end].to_vec();
        let ok = line.starts_with(b"+OK");
        if !self.oracle.greeted {
            self.oracle.greeted = true;
            self.input.drain(..end + 2);
            return Some(None);
        }
        let command = match self.oracle.said.front() {
            Some(Said::Command(command)) if ok => Some(*command),
            _ => None,
        };
        let lines = matches!(
            command,
            Some(
                Command::List(None)
                    | Command::Uidl(None)
                    | Command::Retr(_)
                    | Command::Top { .. }
                    | Command::Capa
            )
        );
        let mut data = Vec::new();
        let mut taken = end + 2;
        if lines {
            // The reply ends at the first line that is a dot; an empty one has it at once.
            let body = &self.input[taken..];
            let length = if body.starts_with(b".\r\n") { 0 } else { find(body, b"\r\n.\r\n")? + 2 };
            data = unstuffed(&body[..length]);
            taken += length + 3;
        }
        self.input.drain(..taken);
        Some(Some(heard(ok, command, &line, data)))
    }

    fn ended(&mut self, end: Input, link: &mut Link, cx: &mut Cx) -> Result<(), Violation> {
        if link.is_shut(Side::Server) && cx.holds_lock(self.id) {
            return Err(Violation::new("the client sees an end before the lock is free".to_owned()));
        }
        let excused = link.faulty || cx.sessions[self.id].excused || self.refusals >= 3 || self.plan.foreign;
        let whole = self.plan.tail == Tail::End && end == Input::Closed;
        if whole && !excused && !self.oracle.is_settled() && self.plan.lines.is_empty() {
            let said = self.oracle.said.front();
            return Err(Violation::new(format!(
                "the server has ended the session, and never answered {said:?}"
            )));
        }
        self.finish(link, cx);
        Ok(())
    }

    fn finish(&mut self, link: &mut Link, cx: &mut Cx) {
        link.close(Side::Client, cx);
        self.wake = None;
        self.over = true;
    }
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

fn unstuffed(lines: &[u8]) -> Vec<u8> {
    let (mut out, mut at_start) = (Vec::with_capacity(lines.len()), true);
    for (at, &octet) in lines.iter().enumerate() {
        if !(at_start && octet == b'.') {
            out.push(octet);
        }
        at_start = lines[..=at].ends_with(b"\r\n");
    }
    out
}

fn heard(ok: bool, command: Option<Command<'static>>, line: &[u8], data: Vec<u8>) -> Heard {
    let words = |line: &[u8]| -> Vec<String> {
        line.split(|octet| *octet == b' ').map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    };
    let pair = |words: &[String]| -> (u32, u64) {
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(u64::MAX);
        (u32::try_from(number(0)).unwrap_or(u32::MAX), number(1))
    };
    let rows = || data.split(|octet| *octet == b'\n').filter_map(|row| row.strip_suffix(b"\r")).map(words);
    let first = words(line);
    match command {
        _ if !ok => Heard::Refused,
        Some(Command::Stat) => {
            let (messages, octets) = pair(&first[1..]);
            Heard::Totals(messages, octets)
        }
        Some(Command::List(Some(_))) => Heard::Sizes(vec![pair(&first[1..])]),
        Some(Command::List(None)) => Heard::Sizes(rows().map(|row| pair(&row)).collect()),
        Some(Command::Uidl(None)) => {
            Heard::Ids(rows().map(|row| (pair(&row).0, row[1].clone().into_bytes())).collect())
        }
        Some(Command::Retr(_) | Command::Top { .. }) => Heard::Mail(data),
        _ => Heard::Accepted,
    }
}
