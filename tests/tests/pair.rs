//! Our client and our server session, joined in memory over wires that deliver in random pieces, against a model of a
//! maildrop that knows nothing of either. Every session has a seed, and every failure tells it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;

use pop3_proto::server::{CloseReason, MechanismOffer, Needs, SessionConfig};
use pop3_proto::state::State;
use pop3_proto::{
    Arg, ClientTolerances, Command, MechanismName, MessageNumber, Secret, SendError, Status, Verb,
};
use pop3_tests::cuts::Random;
use pop3_tests::peers::corpus::Message;
use pop3_tests::player::{Answer, Line, Player};
use pop3_tests::world::{LOGIN, World};

/// What a command must be answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Want {
    Err,
    Ok,
    Totals(u32, u64),
    Data(Line),
    Lines(Vec<Line>),
    Body(Vec<u8>),
    /// Some list, whatever it holds.
    Tags,
}

/// A message: as the client must receive it, its unique-id, and whether it is marked.
struct Mail {
    received: Vec<u8>,
    id: String,
    marked: bool,
}

struct Model {
    mail: Vec<Mail>,
    state: State,
}

impl Model {
    fn message(&self, number: MessageNumber) -> Option<&Mail> {
        self.mail.get(number.index()).filter(|mail| !mail.marked)
    }

    fn unmarked(&self) -> impl Iterator<Item = (u32, &Mail)> {
        (1..).zip(&self.mail).filter(|(_, mail)| !mail.marked)
    }

    fn answer(&mut self, command: &Command<'_>) -> Want {
        match *command {
            Command::User(_) => self.enter(State::Password),
            Command::Pass(password) => {
                let good = password.expose() == LOGIN.1.as_bytes();
                if good { self.enter(State::Transaction) } else { self.fail() }
            }
            Command::Capa | Command::Mechanisms => Want::Tags,
            Command::Stat => {
                let octets = self.unmarked().map(|(_, mail)| mail.received.len() as u64).sum();
                Want::Totals(self.unmarked().count() as u32, octets)
            }
            Command::List(None) => Want::Lines(
                self.unmarked().map(|(n, mail)| Line::Size(n, mail.received.len() as u64)).collect(),
            ),
            Command::Uidl(None) => {
                Want::Lines(self.unmarked().map(|(n, mail)| Line::Id(n, mail.id.clone().into())).collect())
            }
            Command::List(Some(n)) => self
                .message(n)
                .map_or(Want::Err, |mail| Want::Data(Line::Size(n.get(), mail.received.len() as u64))),
            Command::Uidl(Some(n)) => self
                .message(n)
                .map_or(Want::Err, |mail| Want::Data(Line::Id(n.get(), mail.id.clone().into()))),
            Command::Retr(n) => self.message(n).map_or(Want::Err, |mail| Want::Body(mail.received.clone())),
            Command::Top { number, lines } => {
                self.message(number).map_or(Want::Err, |mail| Want::Body(top(&mail.received, lines)))
            }
            Command::Dele(n) if self.message(n).is_some() => {
                self.mail[n.index()].marked = true;
                Want::Ok
            }
            Command::Dele(_) => Want::Err,
            Command::Noop => Want::Ok,
            Command::Rset => {
                self.mail.iter_mut().for_each(|mail| mail.marked = false);
                Want::Ok
            }
            Command::Quit => {
                self.enter(if self.state == State::Transaction { State::Update } else { State::Closed })
            }
            _ => panic!("{command:?}"),
        }
    }

    fn enter(&mut self, state: State) -> Want {
        self.state = state;
        Want::Ok
    }

    fn fail(&mut self) -> Want {
        self.state = State::Authorization;
        Want::Err
    }
}

/// RFC 1939 section 7: the headers, the blank line, and so many lines of the body.
fn top(message: &[u8], lines: u64) -> Vec<u8> {
    let (mut out, mut left) = (Vec::new(), None);
    for line in message.split_inclusive(|&b| b == b'\n') {
        match &mut left {
            Some(0) => break,
            Some(left) => *left -= 1,
            None if line == b"\r\n" => left = Some(lines),
            None => {}
        }
        out.extend_from_slice(line);
    }
    out
}

/// A message as it is stored: lines that travel as they are, or any octets that may trouble either side.
fn message(random: &mut Random) -> Vec<u8> {
    if random.once_in(2) {
        return (0..random.below(30)).map(|_| *random.pick(b"a.:\r\n\n\n\0\xff ")).collect();
    }
    let lines: [&[u8]; 10] =
        [b"", b".", b"..", b".x", b"+OK", b"-ERR no", b"text", b"\xff\0\x80", b"a\rb", b"a long line, .\t."];
    let mut message = b"Subject: x\r\n\r\n".to_vec();
    for _ in 0..random.below(8) {
        let line: &[u8] = random.pick::<&[u8]>(&lines);
        message.extend_from_slice(line);
        message.extend_from_slice(b"\r\n");
    }
    message
}

fn command(random: &mut Random, state: State, messages: usize) -> Command<'static> {
    let number = MessageNumber::from_index(random.below(messages + 2)).unwrap();
    if state != State::Transaction {
        let right = Command::Pass(Secret::new(LOGIN.1.as_bytes()).unwrap());
        return match (state, random.below(10)) {
            (State::Password, 0) => Command::Pass(Secret::new(b"wrong").unwrap()),
            (State::Password, _) => right,
            (_, 0) => Command::Mechanisms,
            (_, 1 | 2) => Command::Capa,
            (_, 3) if random.once_in(20) => Command::Quit,
            _ => Command::User(Arg::new(LOGIN.0.as_bytes()).unwrap()),
        };
    }
    match random.below(24) {
        0 | 1 => Command::Stat,
        2 => Command::List(None),
        3 => Command::List(Some(number)),
        4 => Command::Uidl(None),
        5 => Command::Uidl(Some(number)),
        6..=9 => Command::Retr(number),
        10..=12 => Command::Top { number, lines: *random.pick(&[0, 1, 2, u64::MAX]) },
        13..=18 => Command::Dele(number),
        19 => Command::Noop,
        20 => Command::Rset,
        21 => Command::Capa,
        _ if random.once_in(4) => Command::Quit,
        _ => Command::Noop,
    }
}

fn check(answer: &Answer, want: &Want) -> bool {
    let ok = answer.is_ok();
    answer.complete
        && match want {
            Want::Err => answer.status == Status::Err,
            Want::Ok => ok && answer.lines.is_empty() && answer.body.is_empty(),
            Want::Totals(messages, octets) => ok && answer.totals == Some((*messages, Some(*octets))),
            Want::Data(line) => ok && answer.data.as_ref() == Some(line),
            Want::Lines(lines) => ok && answer.lines == *lines,
            Want::Body(body) => ok && answer.body == *body,
            Want::Tags => ok && !answer.lines.is_empty(),
        }
}

/// Both ends, the octets between them, and what the model expects.
struct Pair {
    player: Player,
    world: World<'static>,
    model: Model,
    wanted: VecDeque<Want>,
    /// Answers that were looked at.
    seen: usize,
}

impl Pair {
    fn new(random: &mut Random) -> Self {
        let config = CONFIG.get_or_init(|| {
            let mut config = SessionConfig::default();
            let limits = &mut config.limits;
            (limits.bad_commands, limits.bad_commands_in_a_row) = (u32::MAX, u32::MAX);
            (limits.bad_commands_before_login, limits.failed_logins) = (u32::MAX, u32::MAX);
            config.mechanisms = OFFER;
            config
        });
        let mail: Vec<_> = (0..random.below(6)).map(|i| (message(random), format!("id{i}"))).collect();
        let model = Model {
            mail: mail
                .iter()
                .map(|(stored, id)| {
                    let message = Message { name: "", stored: stored.clone(), unfit: &[] };
                    Mail { received: message.sent_with_separator(), id: id.clone(), marked: false }
                })
                .collect(),
            state: State::Authorization,
        };
        let mut world = World::new(*config, true, mail);
        world.rooms = (512 + random.below(100), 3 + random.below(80));
        Self {
            player: Player::over_tls(ClientTolerances::default()),
            world,
            model,
            wanted: VecDeque::new(),
            seen: 0,
        }
    }

    /// Carries some octets in one direction or the other; `false` if there were none on either wire.
    fn carry(&mut self, random: &mut Random) -> bool {
        let (up, down) = (self.player.sent.len(), self.world.said.len());
        if up + down == 0 {
            return false;
        }
        if down == 0 || (up > 0 && random.once_in(2)) {
            let octets: Vec<u8> = self.player.sent.drain(..=random.below(up)).collect();
            self.world.feed(&octets);
        } else {
            let most = if random.once_in(3) { down } else { down.min(9) };
            let octets: Vec<u8> = self.world.said.drain(..=random.below(most)).collect();
            self.player.feed(&octets);
        }
        true
    }

    fn compare(&mut self, seed: u64) {
        assert_eq!(self.player.failed, None, "seed {seed}");
        while self.seen < self.player.answers.len() && self.player.answers[self.seen].complete {
            let (answer, want) = (&self.player.answers[self.seen], self.wanted.pop_front().unwrap());
            assert!(check(answer, &want), "seed {seed}: {answer:?}, wanted {want:?}");
            self.seen += 1;
        }
    }

    /// Sends a random command, if the client lets it go.
    fn send(&mut self, random: &mut Random, seed: u64) {
        let sasl = self.model.state == State::Authorization && random.once_in(12);
        if sasl && self.wanted.is_empty() {
            return self.authenticate(random);
        }
        let command = command(random, self.model.state, self.model.mail.len());
        match self.player.send(&command) {
            Ok(()) => {
                let want = self.model.answer(&command);
                self.wanted.push_back(want);
            }
            Err(
                SendError::NotPipelined
                | SendError::MustWait { .. }
                | SendError::TooManyOutstanding { .. }
                | SendError::UnreadInput,
            ) => {}
            // The model moves on when a command is sent, the client when it is answered; between the two it knows less.
            Err(SendError::OutOfPlace { .. }) if !self.wanted.is_empty() => {}
            // After USER only PASS or QUIT may follow.
            Err(SendError::OutOfPlace { state: State::Password, verb }) if verb != Verb::Pass => {}
            Err(error) => panic!("seed {seed}: {command:?}: {error}"),
        }
    }

    fn authenticate(&mut self, random: &mut Random) {
        let right = random.once_in(2);
        let message: &[u8] = if right { b"\0alice\0wonder land" } else { b"\0alice\0wrong" };
        let inline = random.once_in(2);
        let Player { client, sent, .. } = &mut self.player;
        client.authenticate(MechanismName::PLAIN, inline.then_some(message), sent).unwrap();
        while !inline && self.player.challenges.is_empty() {
            assert!(self.carry(random), "no challenge");
        }
        if !inline {
            assert_eq!(self.player.challenges.pop(), Some(Ok(Vec::new())));
            let Player { client, sent, .. } = &mut self.player;
            client.respond(message, sent).unwrap();
        }
        let want = if right { self.model.enter(State::Transaction) } else { self.model.fail() };
        self.wanted.push_back(want);
    }
}

static CONFIG: std::sync::OnceLock<SessionConfig<'static>> = std::sync::OnceLock::new();
const OFFER: &[MechanismOffer<'static>] = &[MechanismOffer::new(MechanismName::PLAIN, Needs::Privacy)];

/// One session. Returns how many commands were answered, and whether it came to an update.
fn session(seed: u64) -> (usize, bool) {
    let mut random = Random::new(seed);
    let mut pair = Pair::new(&mut random);
    while pair.player.greeting.is_none() {
        assert!(pair.carry(&mut random), "seed {seed}: no greeting");
    }
    for _ in 0..random.below(60) {
        if pair.model.state.is_over() {
            break;
        }
        for _ in 0..=random.below(4) {
            pair.send(&mut random, seed);
        }
        for _ in 0..random.below(12) {
            pair.carry(&mut random);
        }
        pair.compare(seed);
    }
    // Either all is delivered, or the line is cut where it is.
    let cut = random.once_in(3);
    while !cut && pair.carry(&mut random) {}
    pair.compare(seed);
    let quit = pair.model.state == State::Update;
    if cut {
        pair.world.session.end_of_input();
        pair.world.feed(b"");
        let ended = pair.player.client.end_of_input();
        if !pair.wanted.is_empty() || pair.player.client.is_receiving() {
            assert!(ended.is_err(), "seed {seed}: a cut session passed for a whole one");
        }
    } else {
        assert!(pair.wanted.is_empty(), "seed {seed}: no answer to {:?}", pair.wanted);
        assert_eq!(pair.world.unread.len() + pair.player.unread.len(), 0, "seed {seed}");
    }
    // The marks of the two agree, and only a QUIT that arrived removes anything.
    let marked: Vec<u32> = (1..).zip(&pair.model.mail).filter(|(_, m)| m.marked).map(|(n, _)| n).collect();
    match &pair.world.committed {
        Some(committed) => {
            assert!(quit, "seed {seed}: a commit without QUIT");
            assert_eq!(*committed, marked, "seed {seed}");
            assert!(matches!(pair.world.ended, Some(Ok(CloseReason::Quit | CloseReason::Lost))));
        }
        None => assert!(cut || !quit, "seed {seed}: QUIT was not carried out"),
    }
    if !cut && !quit {
        let server: Vec<u32> = pair.world.session.marked().map(|message| message.number.get()).collect();
        assert_eq!(server, marked, "seed {seed}");
    }
    (pair.seen, pair.world.committed.is_some())
}

#[test]
fn r1939_6_2_pb_s01_pb_c33_r2449_6_6_2_ten_thousand_random_sessions_agree_with_the_model() {
    let (mut answers, mut commits) = (0, 0);
    for seed in 0..10_000 {
        let (seen, committed) = session(seed);
        answers += seen;
        commits += usize::from(committed);
    }
    // The sessions must be worth their time.
    assert!(answers > 100_000 && commits > 1000, "{answers} answers, {commits} commits");
}
