//! A server session over a maildrop in memory, with every decision of its driver in the hands of the test.

use pop3_proto::body::{BodyRules, Measure};
use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{CloseReason, Refusal, Request, SaslInput, Session, SessionConfig};
use pop3_proto::{Buffer, Error, MessageNumber, Step};

/// The user and password that log in.
pub const LOGIN: (&str, &str) = ("alice", "wonder land");

/// A session, its store, and what it has said.
#[derive(Debug)]
#[non_exhaustive]
pub struct World<'c> {
    /// The state machine.
    pub session: Session<'c, HeapStorage>,
    /// The stored octets, and the unique-id of each.
    pub mail: Vec<(Vec<u8>, String)>,
    /// What was flushed and not yet taken to the client.
    pub said: Vec<u8>,
    /// Octets that came and were not consumed.
    pub unread: Vec<u8>,
    /// How the session ended.
    pub ended: Option<Result<CloseReason, Error>>,
    /// Why a login with the right password is refused; `None`: it is not.
    pub refusal: Option<Refusal>,
    /// Whether all marked messages can be removed; and, after a `QUIT`, which were to be.
    pub commit_works: bool,
    /// The numbers that a `QUIT` was to remove.
    pub committed: Option<Vec<u32>>,
    /// The size of the output, 512 octets or more, and of the room for a message, 3 octets or more.
    pub rooms: (usize, usize),
    rules: BodyRules,
}

impl<'c> World<'c> {
    /// A session that has greeted.
    #[must_use]
    pub fn new(config: SessionConfig<'c>, tls: bool, mail: Vec<(Vec<u8>, String)>) -> Self {
        let mut world = Self {
            session: Session::new(config, tls, HeapStorage::new(mail.len())),
            mail,
            said: Vec::new(),
            unread: Vec::new(),
            ended: None,
            refusal: None,
            commit_works: true,
            committed: None,
            rooms: (4096, 61),
            rules: config.rules,
        };
        world.session.greet(&mut world.said).unwrap();
        world
    }

    /// What was said since the last look, as text.
    pub fn heard(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.said)).into_owned()
    }

    /// Feeds whole lines and returns what was said.
    pub fn ask(&mut self, lines: &str) -> String {
        self.feed(lines.as_bytes());
        self.heard()
    }

    /// Takes in octets of the client.
    pub fn feed(&mut self, octets: &[u8]) {
        self.unread.extend_from_slice(octets);
        let input = std::mem::take(&mut self.unread);
        let mut out = Buffer::new(vec![0u8; self.rooms.0]);
        let mut start = 0;
        while self.ended.is_none() {
            match self.session.receive(&input[start..], &mut out) {
                Ok(received) => {
                    start += received.consumed;
                    self.flush(&mut out);
                    match received.step {
                        Step::Event(request) => self.act(&request, &mut out),
                        Step::NeedInput => break,
                        Step::Paused => {}
                    }
                    self.flush(&mut out);
                }
                Err(error) => self.ended = Some(Err(error)),
            }
        }
        self.unread = input[start..].to_vec();
    }

    fn flush(&mut self, out: &mut Buffer<Vec<u8>>) {
        self.said.extend_from_slice(out.unread());
        out.clear();
    }

    fn act(&mut self, request: &Request<'_>, out: &mut Buffer<Vec<u8>>) {
        match request {
            Request::Login { password } => {
                let good =
                    (self.session.user(), password.expose()) == (LOGIN.0.as_bytes(), LOGIN.1.as_bytes());
                self.open(good, out);
            }
            Request::Hopeless => self.open(false, out),
            Request::Sasl(SaslInput::Start { initial: None, .. }) => {
                self.session.challenge(b"", out).unwrap()
            }
            Request::Sasl(SaslInput::Start { initial: Some(initial), .. }) => {
                self.plain(initial.base64().as_bytes(), out);
            }
            Request::Sasl(SaslInput::Response(response)) => self.plain(response.as_bytes(), out),
            Request::Message { number, .. } => self.send(*number, out),
            Request::StartTls => self.session.tls_started().unwrap(),
            Request::Commit => {
                self.committed = Some(self.session.marked().map(|message| message.number.get()).collect());
                self.session.committed(self.commit_works, out).unwrap();
            }
            Request::Close(reason) => self.ended = Some(Ok(*reason)),
            _ => {}
        }
    }

    /// The message of the one user that can log in, known by heart: NUL, name, NUL, password.
    fn plain(&mut self, text: &[u8], out: &mut Buffer<Vec<u8>>) {
        self.open(text == b"AGFsaWNlAHdvbmRlciBsYW5k", out);
    }

    fn open(&mut self, good: bool, out: &mut Buffer<Vec<u8>>) {
        let refusal = if good { self.refusal } else { Some(Refusal::Credentials) };
        if let Some(refusal) = refusal {
            return self.session.refuse(refusal, out).unwrap();
        }
        for (octets, id) in &self.mail {
            self.session.add_message(Measure::of(octets, self.rules), id.as_bytes()).unwrap();
        }
        self.session.opened(out).unwrap();
    }

    fn send(&mut self, number: MessageNumber, out: &mut Buffer<Vec<u8>>) {
        self.session.start_message(out).unwrap();
        self.flush(out);
        let (mut source, mut room) = (&self.mail[number.index()].0[..], vec![0u8; self.rooms.1]);
        while !source.is_empty() {
            let progress = self.session.body(source, &mut room).unwrap();
            self.said.extend_from_slice(&room[..progress.written]);
            source = &source[progress.read..];
            if progress.done {
                break;
            }
        }
        self.session.end_message(out).unwrap();
    }
}
