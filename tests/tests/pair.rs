//! Our client core against our server session, in memory, under a plan of cuts and against a model of the maildrop.
//!
//! Each seed is one session: random mail, random commands sent ahead, octets handed over in random pieces in both
//! directions through small buffers. The model says what each reply must be; at the end the marked messages must be those
//! of the model. A failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;

use pop3_proto::body::{BodyRules, Measure};
use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Request, Session, SessionConfig};
use pop3_proto::{
    Arg, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, MessageNumber, Secret, Step,
};
use pop3_tests::peers::corpus::Message;

const SESSIONS: u64 = 10_000;

/// Numbers that are the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// What the next reply must be.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Refused,
    Accepted,
    Totals(u32, u64),
    Sizes(Vec<(u32, u64)>),
    Ids(Vec<(u32, Vec<u8>)>),
    Mail(Vec<u8>),
}

struct Model {
    mail: Vec<(Vec<u8>, u64, bool)>,
}

impl Model {
    fn alive(&self, number: MessageNumber) -> Option<usize> {
        Some(number.index()).filter(|at| self.mail.get(*at).is_some_and(|(_, _, marked)| !marked))
    }

    fn live(&self) -> impl Iterator<Item = (u32, u64)> {
        let numbered = self.mail.iter().zip(1u32..);
        numbered.filter(|((_, _, marked), _)| !marked).map(|((_, octets, _), number)| (number, *octets))
    }

    fn expect(&mut self, command: &Command<'_>) -> Expected {
        match command {
            Command::Stat => {
                let (count, octets) =
                    self.live().fold((0, 0), |(count, sum), (_, octets)| (count + 1, sum + octets));
                Expected::Totals(count, octets)
            }
            Command::List(None) => Expected::Sizes(self.live().collect()),
            Command::Uidl(None) => Expected::Ids(self.live().map(|(n, _)| (n, id(n).into_bytes())).collect()),
            Command::List(Some(n)) => self
                .alive(*n)
                .map_or(Expected::Refused, |at| Expected::Sizes(vec![(n.get(), self.mail[at].1)])),
            Command::Uidl(Some(n)) => self
                .alive(*n)
                .map_or(Expected::Refused, |_| Expected::Ids(vec![(n.get(), id(n.get()).into_bytes())])),
            Command::Retr(n) => {
                self.alive(*n).map_or(Expected::Refused, |at| Expected::Mail(sent(&self.mail[at].0)))
            }
            Command::Top { number, lines } => self
                .alive(*number)
                .map_or(Expected::Refused, |at| Expected::Mail(top(&sent(&self.mail[at].0), *lines))),
            Command::Dele(n) => self.alive(*n).map_or(Expected::Refused, |at| {
                self.mail[at].2 = true;
                Expected::Accepted
            }),
            Command::Rset => {
                self.mail.iter_mut().for_each(|message| message.2 = false);
                Expected::Accepted
            }
            _ => Expected::Accepted,
        }
    }
}

fn id(number: u32) -> String {
    format!("id{number:06}")
}

fn sent(stored: &[u8]) -> Vec<u8> {
    Message { name: "", stored: stored.to_vec(), unfit: &[] }.sent_with_separator()
}

/// The head with its empty line, and so many lines behind it.
fn top(sent: &[u8], lines: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut body = None;
    for line in sent.split_inclusive(|octet| *octet == b'\n') {
        if body.is_some_and(|seen| seen >= lines) {
            break;
        }
        out.extend_from_slice(line);
        body = match body {
            Some(seen) => Some(seen + 1),
            None if line == b"\r\n" => Some(0),
            None => None,
        };
    }
    out
}

fn command(random: &mut Random, messages: usize) -> Command<'static> {
    let number = MessageNumber::new(u32::try_from(random.below(messages + 1) + 1).unwrap()).unwrap();
    match random.below(10) {
        0 => Command::Stat,
        1 => Command::List(None),
        2 => Command::Uidl(None),
        3 => Command::List(Some(number)),
        4 => Command::Uidl(Some(number)),
        5 | 6 => Command::Retr(number),
        7 => Command::Top { number, lines: random.below(4) as u64 },
        8 => Command::Dele(number),
        _ => {
            if random.below(3) == 0 {
                Command::Rset
            } else {
                Command::Noop
            }
        }
    }
}

/// The server's end: takes what it is given, answers into a small buffer, and says what must be sent.
fn serve(
    session: &mut Session<'_, HeapStorage>,
    input: &mut Vec<u8>,
    out: &mut Vec<u8>,
    model: &[Vec<u8>],
    random: &mut Random,
) -> Option<Vec<u32>> {
    let mut room = Buffer::new([0u8; 600]);
    loop {
        let received = session.receive(input, &mut room).unwrap();
        let consumed = received.consumed;
        let mut marked = None;
        let mut waits = false;
        match received.step {
            Step::Event(Request::Login { .. }) => {
                for (mail, number) in model.iter().zip(1u32..) {
                    session.add_message(measured(mail), id(number).as_bytes()).unwrap();
                }
                session.opened(&mut room).unwrap();
            }
            Step::Event(Request::Message { number, .. }) => {
                session.start_message(&mut room).unwrap();
                let mut source = model[number.index()].as_slice();
                while !source.is_empty() {
                    out.extend_from_slice(room.unread());
                    room.clear();
                    let piece = &source[..source.len().min(1 + random.below(40))];
                    let progress = session.body(piece, room.room()).unwrap();
                    room.filled(progress.written);
                    source = &source[progress.read..];
                    if progress.done {
                        break;
                    }
                }
                out.extend_from_slice(room.unread());
                room.clear();
                session.end_message(&mut room).unwrap();
            }
            Step::Event(Request::Commit) => {
                marked = Some(session.marked().map(|message| message.number.get()).collect());
                session.committed(true, &mut room).unwrap();
            }
            Step::Event(Request::Close(_)) | Step::NeedInput => waits = true,
            Step::Event(other) => panic!("{other:?}"),
            Step::Paused => {}
        }
        input.drain(..consumed);
        out.extend_from_slice(room.unread());
        room.clear();
        if marked.is_some() || waits {
            return marked;
        }
    }
}

fn measured(mail: &[u8]) -> u64 {
    Measure::of(mail, BodyRules::new())
}

fn session(seed: u64) {
    let mut random = Random(seed);
    let mail: Vec<Vec<u8>> = (0..random.below(6))
        .map(|_| (0..random.below(30)).map(|_| b"a.:\r\n\n\n\0\xff "[random.below(10)]).collect())
        .collect();
    let mut model =
        Model { mail: mail.iter().map(|octets| (octets.clone(), measured(octets), false)).collect() };
    let mut client = Client::<16>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    let mut server = Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(10));
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let (mut server_input, mut client_input) = (Vec::new(), Vec::new());
    server.greet(&mut to_client).unwrap();

    let mut script: VecDeque<Command<'static>> = VecDeque::from([
        Command::Capa,
        Command::User(Arg::new(b"a").unwrap()),
        Command::Pass(Secret::new(b"b").unwrap()),
    ]);
    script.extend((0..random.below(25)).map(|_| command(&mut random, mail.len())));
    script.push_back(Command::Quit);
    let mut expected: VecDeque<Expected> = VecDeque::new();
    let mut replied: Option<Expected> = None;
    let mut marked = None;
    let mut greeted = false;
    let mut turns = 0;
    while !client.state().is_over() {
        turns += 1;
        assert!(turns < 100_000, "seed {seed}: it does not come to an end");
        // The client sends what it may.
        while greeted && random.below(3) > 0 {
            let Some(next) = script.front() else { break };
            if client.send(next, &mut to_server).is_err() {
                break;
            }
            expected.push_back(model.expect(next));
            script.pop_front();
        }
        // Some octets go over, in each direction.
        let some = random.below(60).min(to_server.len());
        server_input.extend(to_server.drain(..some));
        if let Some(numbers) = serve(&mut server, &mut server_input, &mut to_client, &mail, &mut random) {
            marked = Some(numbers);
        }
        let some = random.below(90).min(to_client.len());
        client_input.extend(to_client.drain(..some));
        loop {
            let received =
                client.receive(&client_input).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let mut ended = false;
            match received.step {
                Step::Event(ClientEvent::Greeting(_)) => greeted = true,
                Step::Event(ClientEvent::Reply(reply)) => {
                    let mut seen = if reply.is_ok() { Expected::Accepted } else { Expected::Refused };
                    if let Some(data) = reply.drop_listing() {
                        seen = Expected::Totals(data.messages, data.octets.unwrap());
                    }
                    if let Some(data) = reply.scan_listing() {
                        seen = Expected::Sizes(vec![(data.number.get(), data.octets)]);
                    }
                    if let Some(data) = reply.unique_id() {
                        seen = Expected::Ids(vec![(data.number.get(), data.unique_id.as_bytes().to_vec())]);
                    }
                    if reply.more {
                        seen = match reply.verb.keyword() {
                            "LIST" => Expected::Sizes(Vec::new()),
                            "UIDL" => Expected::Ids(Vec::new()),
                            "CAPA" => Expected::Accepted,
                            _ => Expected::Mail(Vec::new()),
                        };
                    }
                    ended = !reply.more;
                    replied = Some(seen);
                }
                Step::Event(ClientEvent::ScanListing(_, data)) => match &mut replied {
                    Some(Expected::Sizes(sizes)) => sizes.push((data.number.get(), data.octets)),
                    other => panic!("seed {seed}: a listing in {other:?}"),
                },
                Step::Event(ClientEvent::UniqueId(_, data)) => match &mut replied {
                    Some(Expected::Ids(ids)) => {
                        ids.push((data.number.get(), data.unique_id.as_bytes().to_vec()))
                    }
                    other => panic!("seed {seed}: a unique-id in {other:?}"),
                },
                Step::Event(ClientEvent::Body(_, part)) => match &mut replied {
                    Some(Expected::Mail(octets)) => octets.extend_from_slice(part),
                    other => panic!("seed {seed}: a message in {other:?}"),
                },
                Step::Event(ClientEvent::Capability(..)) => {}
                Step::Event(ClientEvent::End(_)) => ended = true,
                Step::Event(other) => panic!("seed {seed}: {other:?}"),
                Step::NeedInput | Step::Paused => {
                    let consumed = received.consumed;
                    client_input.drain(..consumed);
                    break;
                }
            }
            let consumed = received.consumed;
            client_input.drain(..consumed);
            if ended {
                assert_eq!(replied.take(), expected.pop_front(), "seed {seed}");
            }
        }
    }
    let want: Vec<u32> = model
        .mail
        .iter()
        .zip(1u32..)
        .filter(|((_, _, marked), _)| *marked)
        .map(|(_, number)| number)
        .collect();
    assert_eq!(marked, Some(want), "seed {seed}");
}

#[test]
fn r1939_6_2_pb_c33_client_and_server_agree_with_a_model_under_every_plan() {
    for seed in 0..SESSIONS {
        session(seed);
    }
}
