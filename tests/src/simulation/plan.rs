//! What clients do: log in one way or another, then work through a list of commands, or fetch mail as a real program does.

use std::collections::VecDeque;

use pop3_proto::state::State;
use pop3_proto::{Client, ClientEvent, Command, MessageNumber};

use super::client::DEPTH;
use super::model::{Heard, Violation};
use super::{Cx, Random, Tally, Time};

/// Something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say {
    Command(Command<'static>),
    User,
    Pass {
        right: bool,
    },
    Plain {
        right: bool,
        inline: bool,
    },
    /// `AUTH LOGIN`. `None`: cancelled at the first challenge.
    Login {
        right: Option<bool>,
    },
    // Answers to challenges.
    PlainMessage {
        right: bool,
    },
    Name,
    Password {
        right: bool,
    },
    Cancel,
}

/// What a client does next.
pub(super) enum Do {
    Say(Say),
    /// Nothing, before something has come in.
    Wait,
    HalfClose,
    Leave,
    FallSilent,
}

/// How a list of commands ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Quit,
    /// `QUIT`, and the end of its own half behind it.
    QuitAndHalfClose,
    Leave,
    FallSilent,
}

#[derive(Debug)]
pub(super) struct Program {
    login: VecDeque<Say>,
    /// The exchange that a challenge belongs to, and how many challenges have come.
    exchange: Option<(Say, u32)>,
    challenged: bool,
    body: Body,
    quit_said: bool,
    half_closed: bool,
}

#[derive(Debug)]
pub(super) enum Body {
    Commands { list: VecDeque<Command<'static>>, ending: Ending },
    Fetch(Fetch),
}

/// A program that fetches mail: deliver, note the unique-id, and only then `DELE`.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) keeper: usize,
    pub(super) delete: bool,
    asked: bool,
    listed: bool,
    /// What to fetch, and what is on its way.
    wanted: VecDeque<(MessageNumber, u32)>,
    coming: VecDeque<(MessageNumber, u32)>,
    /// A message that is being delivered: until when, and whether it is in place already.
    delivery: Option<(Time, bool, MessageNumber, u32)>,
    to_delete: VecDeque<MessageNumber>,
}

impl Fetch {
    pub(super) const fn new(keeper: usize, delete: bool) -> Self {
        Self {
            keeper,
            delete,
            asked: false,
            listed: false,
            wanted: VecDeque::new(),
            coming: VecDeque::new(),
            delivery: None,
            to_delete: VecDeque::new(),
        }
    }
}

impl Program {
    pub(super) const fn new(login: VecDeque<Say>, body: Body) -> Self {
        Self { login, exchange: None, challenged: false, body, quit_said: false, half_closed: false }
    }

    /// A way to log in, by `STLS` first or not. `patient`: it must come to a login.
    pub(super) fn login(random: &mut Random, stls: bool, patient: bool) -> VecDeque<Say> {
        let mut script = VecDeque::new();
        let asks = |random: &mut Random, script: &mut VecDeque<Say>| {
            if !random.once_in(3) {
                script.push_back(Say::Command(Command::Capa));
            }
        };
        if stls {
            asks(random, &mut script);
            script.push_back(Say::Command(Command::Stls));
        }
        asks(random, &mut script);
        let attempts = random.pick(&[0, 0, 0, 0, 0, 0, 1, 1, 2, 5]);
        for _ in 0..if patient { attempts.min(2) } else { attempts } {
            match random.below(4) {
                0 => script.extend([Say::User, Say::Pass { right: false }]),
                1 => script.push_back(Say::Plain { right: false, inline: random.once_in(2) }),
                2 => script.push_back(Say::Login { right: Some(false) }),
                _ => script.push_back(Say::Login { right: None }),
            }
        }
        // The second is for a maildrop that was in use, or could not be opened.
        let tries = if random.once_in(4) { 2 } else { 1 };
        for _ in 0..tries {
            Self::right(random, &mut script);
        }
        script
    }

    fn right(random: &mut Random, script: &mut VecDeque<Say>) {
        match random.below(6) {
            0..=2 => script.extend([Say::User, Say::Pass { right: true }]),
            3 | 4 => script.push_back(Say::Plain { right: true, inline: random.once_in(2) }),
            _ => script.push_back(Say::Login { right: Some(true) }),
        }
    }

    pub(super) fn commands(random: &mut Random) -> Body {
        let list = (0..random.below(20)).map(|_| command(random)).collect();
        let ending = match random.below(10) {
            0..=5 => Ending::Quit,
            6 => Ending::QuitAndHalfClose,
            7 => Ending::FallSilent,
            _ => Ending::Leave,
        };
        Body::Commands { list, ending }
    }

    /// An event has come in.
    pub(super) const fn see(&mut self, event: &ClientEvent<'_>) {
        if matches!(event, ClientEvent::Challenge(_)) {
            self.challenged = true;
        }
    }

    /// A reply is complete.
    pub(super) fn settled(
        &mut self,
        heard: Heard,
        session: usize,
        user: usize,
        cx: &mut Cx,
    ) -> Result<(), Violation> {
        self.exchange = None;
        let Body::Fetch(fetch) = &mut self.body else { return Ok(()) };
        match heard {
            Heard::Ids(ids) if fetch.asked && !fetch.listed => {
                fetch.listed = true;
                for (number, id) in ids {
                    let number = MessageNumber::new(number).expect("numbers begin at 1");
                    let text = core::str::from_utf8(&id).expect("our ids are ASCII");
                    let id = text[2..].parse().expect("our ids are numbers");
                    if !cx.keepers[fetch.keeper].journal.contains(&id) {
                        fetch.wanted.push_back((number, id));
                    } else if fetch.delete {
                        cx.counts.add(Tally::Reconciled);
                        fetch.to_delete.push_back(number);
                    }
                }
            }
            Heard::Mail(octets) => {
                let Some((number, id)) = fetch.coming.pop_front() else { return Ok(()) };
                let mail = cx.drops[user].mail.iter().find(|mail| mail.id == id);
                if mail.is_none_or(|mail| mail.letter.sent != octets) {
                    return Err(Violation::new(format!(
                        "session {session} delivers another message than {id}"
                    )));
                }
                fetch.delivery = Some((cx.now + cx.random.between(0, 12), false, number, id));
            }
            // The store cannot open it: next time.
            Heard::Refused => {
                fetch.coming.pop_front();
            }
            _ => {}
        }
        Ok(())
    }

    /// Until when the client is busy with its own disk, and does not read.
    pub(super) fn work(&mut self, cx: &mut Cx) -> Option<Time> {
        match &mut self.body {
            Body::Fetch(fetch) => fetch.work(cx),
            Body::Commands { .. } => None,
        }
    }

    /// A login was refused for want of TLS.
    pub(super) fn refused(&mut self) {
        self.login.clear();
    }

    pub(super) fn said(&mut self, say: Say) {
        self.challenged = false;
        match say {
            Say::PlainMessage { .. } | Say::Name | Say::Password { .. } | Say::Cancel => {
                if let Some((_, answered)) = &mut self.exchange {
                    *answered += 1;
                }
                return;
            }
            Say::Plain { .. } | Say::Login { .. } => self.exchange = Some((say, 0)),
            _ => {}
        }
        self.quit_said |= say == Say::Command(Command::Quit);
        if self.login.front() == Some(&say) {
            self.login.pop_front();
            return;
        }
        match (&mut self.body, say) {
            (Body::Commands { list, .. }, Say::Command(command)) if list.front() == Some(&command) => {
                list.pop_front();
            }
            (Body::Fetch(fetch), Say::Command(Command::Uidl(None))) => fetch.asked = true,
            (Body::Fetch(fetch), Say::Command(Command::Retr(_))) => {
                fetch.coming.extend(fetch.wanted.pop_front());
            }
            (Body::Fetch(fetch), Say::Command(Command::Dele(_))) => {
                fetch.to_delete.pop_front();
            }
            _ => {}
        }
    }

    /// The machine is gone in the middle of it.
    pub(super) fn crashed(&self, cx: &mut Cx) {
        if let Body::Fetch(fetch) = &self.body {
            cx.keepers[fetch.keeper].crashes += 1;
            if matches!(fetch.delivery, Some((_, true, _, _))) {
                cx.counts.add(Tally::CrashBeforeJournal);
            }
        }
    }

    /// What is next. `idle`: nothing is outstanding.
    pub(super) fn next(&mut self, core: &Client<DEPTH>, idle: bool) -> Do {
        if let (Some((say, answered)), true) = (self.exchange, self.challenged) {
            return Do::Say(match say {
                Say::Plain { right, .. } => Say::PlainMessage { right },
                Say::Login { right: None } => Say::Cancel,
                Say::Login { right: Some(right) } if answered > 0 => Say::Password { right },
                _ => Say::Name,
            });
        }
        if core.state() == State::Greeting {
            return Do::Wait;
        }
        if self.quit_said {
            let half_close = matches!(&self.body, Body::Commands { ending: Ending::QuitAndHalfClose, .. });
            if half_close && !core::mem::replace(&mut self.half_closed, true) {
                return Do::HalfClose;
            }
            return Do::Wait;
        }
        if core.state() == State::Transaction {
            self.login.clear();
        }
        if let Some(say) = self.login.front() {
            // A PASS whose USER was refused.
            if matches!(say, Say::Pass { .. }) && idle && core.state() == State::Authorization {
                self.login.pop_front();
                return self.next(core, idle);
            }
            return Do::Say(*say);
        }
        if core.state() != State::Transaction && idle {
            return Do::Say(Say::Command(Command::Quit));
        }
        match &mut self.body {
            Body::Commands { list, ending } => match list.front() {
                Some(command) => Do::Say(Say::Command(*command)),
                None if *ending == Ending::Leave => Do::Leave,
                None if *ending == Ending::FallSilent => Do::FallSilent,
                None => Do::Say(Say::Command(Command::Quit)),
            },
            Body::Fetch(fetch) if core.state() == State::Transaction => fetch.next(idle),
            Body::Fetch(_) => Do::Wait,
        }
    }
}

impl Fetch {
    /// Delivers the message that has come in last: until when it takes, or `None` if nothing is left to do.
    fn work(&mut self, cx: &mut Cx) -> Option<Time> {
        let (until, in_place, number, id) = self.delivery?;
        if cx.now < until {
            return Some(until);
        }
        let keeper = &mut cx.keepers[self.keeper];
        if !in_place {
            // The file is flushed and renamed into place.
            *keeper.kept.entry(id).or_insert(0) += 1;
            self.delivery = Some((cx.now + cx.random.between(0, 12), true, number, id));
            return self.work(cx);
        }
        keeper.journal.insert(id);
        self.delivery = None;
        if self.delete {
            self.to_delete.push_back(number);
        }
        None
    }

    fn next(&self, idle: bool) -> Do {
        if !self.asked {
            return Do::Say(Say::Command(Command::Uidl(None)));
        }
        if !self.listed {
            return Do::Wait;
        }
        if let Some(number) = self.to_delete.front() {
            return Do::Say(Say::Command(Command::Dele(*number)));
        }
        if let Some((number, _)) = self.wanted.front() {
            return Do::Say(Say::Command(Command::Retr(*number)));
        }
        if idle { Do::Say(Say::Command(Command::Quit)) } else { Do::Wait }
    }
}

fn command(random: &mut Random) -> Command<'static> {
    let number = MessageNumber::FIRST;
    let number = (0..random.below(7)).try_fold(number, |number, _| number.next()).expect("small numbers");
    match random.below(14) {
        0 => Command::Stat,
        1 => Command::List(None),
        2 => Command::Uidl(None),
        3 => Command::List(Some(number)),
        4 => Command::Uidl(Some(number)),
        5 | 6 => Command::Retr(number),
        7 => Command::Top { number, lines: random.below(4) as u64 },
        8..=10 => Command::Dele(number),
        11 => Command::Noop,
        12 => random.pick(&[Command::Capa, Command::Lang(None), Command::Noop]),
        _ => random.pick(&[Command::Rset, Command::Noop, Command::Noop]),
    }
}
