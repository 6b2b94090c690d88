//! The session over a model of its driver, fed with octets that are cut in many ways.

mod apop;
mod commit;
mod counts;
mod lines;
mod lists;
mod offer;
mod random;
mod replies;
#[cfg(feature = "sasl")]
mod sasl;
mod session;
mod states;
mod stls;
mod utf8;

use super::*;
use crate::maildrop::HeapStorage;
use crate::{Buffer, Step};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// The two messages that the sessions of the specification are about.
const SMALL: [(&[u8], &str); 2] = [
    (b"From: a@example.net\r\nTo: alice@example.net\r\nSubject: one\r\n\r\nHello.\r\n", "0000004e00000001"),
    (b"From: b@example.net\r\nSubject: dots\r\n\r\n.\r\n..two\r\n.hidden\r\nend\r\n", "0000004e00000002"),
];

const LOGIN: &[u8] = b"USER alice\r\nPASS wonder land\r\n";

/// A session, its driver, and a client that has written some octets.
#[derive(Debug)]
struct World<'c> {
    session: Session<'c, HeapStorage>,
    /// The octets of the store, and unique-ids.
    mail: Vec<(Vec<u8>, String)>,
    rules: BodyRules,
    /// All that was flushed to the client.
    said: Vec<u8>,
    /// What has arrived and was not consumed.
    unread: Vec<u8>,
    /// How the session ended.
    ended: Option<Result<CloseReason, Error>>,
    /// What every commit comes to; and the numbers that were to be removed.
    commit_works: bool,
    committed: Option<Vec<u32>>,
    /// Octets of the output buffer, and of the room for a message.
    out_octets: usize,
    room: usize,
    /// Who can log in, by which password.
    account: (&'static [u8], &'static [u8]),
    /// How often a password or SASL message reached the driver, and a handshake was due.
    checks: u32,
    handshakes: u32,
}

impl<'c> World<'c> {
    fn new(config: SessionConfig<'c>, tls: bool) -> Self {
        let mut world = Self {
            session: Session::new(config, tls, HeapStorage::new(10_000)),
            mail: SMALL.iter().map(|(octets, id)| (octets.to_vec(), String::from(*id))).collect(),
            rules: config.rules,
            said: Vec::new(),
            unread: Vec::new(),
            ended: None,
            commit_works: true,
            committed: None,
            out_octets: 4096,
            room: 61,
            account: (b"alice", b"wonder land"),
            checks: 0,
            handshakes: 0,
        };
        world.session.greet(&mut world.said).unwrap();
        world
    }

    /// Over TLS, with the default configuration.
    fn greeted() -> World<'static> {
        let mut world = World::new(SessionConfig::DEFAULT, true);
        assert_eq!(world.heard(), "+OK POP3 server ready\r\n");
        world
    }

    /// After a login over TLS.
    fn logged_in() -> World<'static> {
        let mut world = World::greeted();
        world.feed(LOGIN);
        world.heard();
        assert_eq!(world.session.state(), State::Transaction);
        world
    }

    /// What the client has received since the last look.
    fn heard(&mut self) -> String {
        String::from_utf8(core::mem::take(&mut self.said)).unwrap()
    }

    /// Sends one or more whole lines and returns what came back.
    fn ask(&mut self, lines: &str) -> String {
        self.feed(lines.as_bytes());
        self.heard()
    }

    fn feed(&mut self, octets: &[u8]) {
        self.unread.extend_from_slice(octets);
        let mut input = core::mem::take(&mut self.unread);
        let mut out = Buffer::new(vec![0u8; self.out_octets]);
        let mut idle = 0;
        while self.ended.is_none() {
            let flushed = self.said.len();
            let received = match self.session.receive(&input, &mut out) {
                Ok(received) => received,
                Err(error) => {
                    assert_eq!(self.session.receive(b"", &mut out), Err(error), "errors are final");
                    // Nothing may follow, not even what earlier commands of the batch were answered.
                    self.ended = Some(Err(error));
                    break;
                }
            };
            self.said.extend_from_slice(out.unread());
            out.clear();
            let step = received.step;
            self.act(&step, &mut out);
            self.said.extend_from_slice(out.unread());
            out.clear();
            let (waiting, paused) = (matches!(step, Step::NeedInput), matches!(step, Step::Paused));
            input.drain(..received.consumed);
            idle = if paused && self.said.len() == flushed { idle + 1 } else { 0 };
            assert!(idle < 3, "no progress although the output is empty");
            if waiting {
                break;
            }
        }
        self.unread = input;
    }

    fn act(&mut self, step: &Step<Request<'_>>, out: &mut Buffer<Vec<u8>>) {
        match step {
            Step::NeedInput | Step::Paused => {}
            Step::Event(Request::Login { password }) => {
                self.checks += 1;
                let good = (self.session.user(), password.expose()) == self.account;
                self.open(good, out);
            }
            Step::Event(Request::Hopeless) => self.open(false, out),
            Step::Event(Request::Apop { name, digest }) => {
                self.checks += 1;
                let sent = (name.as_bytes(), digest.as_bytes());
                self.open(sent == (b"alice", b"c4c9334bac560ecc979e58001b3e22fb"), out);
            }
            Step::Event(Request::Sasl(input)) => self.sasl(input, out),
            Step::Event(Request::Message { number, .. }) => self.send(*number, out),
            Step::Event(Request::StartTls) => {
                self.handshakes += 1;
                self.session.tls_started().unwrap();
            }
            Step::Event(Request::Commit) => {
                self.committed = Some(self.session.marked().map(|m| m.number.get()).collect());
                self.session.committed(self.commit_works, out).unwrap();
            }
            Step::Event(Request::Close(reason)) => self.ended = Some(Ok(*reason)),
        }
    }

    fn open(&mut self, good: bool, out: &mut Buffer<Vec<u8>>) {
        if !good {
            return self.session.refuse(Refusal::Credentials, out).unwrap();
        }
        for (octets, id) in &self.mail {
            let octets = crate::body::Measure::of(octets, self.rules);
            self.session.add_message(octets, id.as_bytes()).unwrap();
        }
        self.session.opened(out).unwrap();
    }

    #[cfg(feature = "sasl")]
    fn sasl(&mut self, input: &SaslInput<'_>, out: &mut Buffer<Vec<u8>>) {
        let message = match input {
            SaslInput::Start { initial: None, .. } => return self.session.challenge(b"", out).unwrap(),
            SaslInput::Start { initial: Some(initial), .. } => initial.base64(),
            SaslInput::Response(response) => *response,
            SaslInput::Ended => return,
            SaslInput::Acknowledged => return self.session.refuse(Refusal::Credentials, out).unwrap(),
        };
        self.checks += 1;
        let mut plain = vec![0u8; message.decoded_len()];
        let good = message.decode(&mut plain).unwrap() == b"\0alice\0wonder land";
        self.open(good, out);
    }

    #[cfg(not(feature = "sasl"))]
    fn sasl(&mut self, input: &SaslInput<'_>, out: &mut Buffer<Vec<u8>>) {
        assert_ne!(*input, SaslInput::Ended);
        self.session.refuse(Refusal::Malformed, out).unwrap();
    }

    fn send(&mut self, number: crate::MessageNumber, out: &mut Buffer<Vec<u8>>) {
        self.session.start_message(out).unwrap();
        self.said.extend_from_slice(out.unread());
        out.clear();
        let (mut source, mut room) = (&self.mail[number.index()].0[..], vec![0u8; self.room]);
        while !source.is_empty() {
            let progress = self.session.body(source, &mut room).unwrap();
            assert!(progress.read + progress.written > 0 || progress.done, "no progress");
            self.said.extend_from_slice(&room[..progress.written]);
            source = &source[progress.read..];
            if progress.done {
                break;
            }
        }
        self.session.end_message(out).unwrap();
    }
}

/// A configuration that offers all it can: STLS, PLAIN where passwords may travel, UTF8, LANG and APOP.
fn everything() -> SessionConfig<'static> {
    const PLAIN: &[MechanismOffer<'static>] =
        &[MechanismOffer::new(crate::MechanismName::PLAIN, Needs::Privacy)];
    SessionConfig {
        mechanisms: PLAIN,
        stls: true,
        utf8: Utf8Offer::MessagesAndLogin,
        languages: Language::BUILT_IN,
        apop: Some(b"<1896.697170952@dbc.mtview.ca.us>"),
        ..SessionConfig::DEFAULT
    }
}

/// Ways to cut `input`: whole, and in pieces of every size.
fn pieces(input: &[u8]) -> impl Iterator<Item = core::slice::Chunks<'_, u8>> {
    (1..=input.len()).map(|size| input.chunks(size))
}
