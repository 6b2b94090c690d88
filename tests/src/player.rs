//! A client that gathers what it is told: one [`Answer`] for each command.

use pop3_proto::{
    Capability, Client, ClientEvent, ClientLimits, ClientTolerances, CodeKind, Command, Error, MessageNumber,
    SendError, Status, Step, Verb,
};

/// A client, what it has sent, and what came back.
#[derive(Debug)]
#[non_exhaustive]
pub struct Player {
    /// The state machine.
    pub client: Client<64>,
    /// Octets that came and were not consumed.
    pub unread: Vec<u8>,
    /// Octets that wait to be taken to the server.
    pub sent: Vec<u8>,
    /// The greeting.
    pub greeting: Option<(Status, Vec<u8>)>,
    /// What was answered, in order. The last one may not be complete.
    pub answers: Vec<Answer>,
    /// Challenges that wait for a response; `Err` where one was no base64.
    pub challenges: Vec<Result<Vec<u8>, Vec<u8>>>,
    /// Notices that the server closes.
    pub notices: Vec<(Status, Vec<u8>)>,
    /// How the connection failed.
    pub failed: Option<Error>,
}

/// The whole reply to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The command, and the message it named.
    pub asked: (Verb, Option<MessageNumber>),
    /// How it ended.
    pub status: Status,
    /// The text of the first line.
    pub text: Vec<u8>,
    /// The response code, if codes were announced.
    pub code: Option<CodeKind>,
    /// `STAT`: messages and octets.
    pub totals: Option<(u32, Option<u64>)>,
    /// `LIST n`: number and octets. `UIDL n`: number and unique-id.
    pub data: Option<Line>,
    /// The lines of a list.
    pub lines: Vec<Line>,
    /// The message.
    pub body: Vec<u8>,
    /// Whether all of it has come.
    pub complete: bool,
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// A line of `LIST`.
    Size(u32, u64),
    /// A line of `UIDL`.
    Id(u32, Vec<u8>),
    /// A line of `CAPA`: the tag, and the words behind it.
    Capability(String, Vec<String>),
    /// A line of `AUTH` alone, or of `LANG`.
    Name(Vec<u8>),
    /// A line that does not parse.
    Malformed(Vec<u8>),
}

impl Answer {
    /// Whether it is a whole `+OK`.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.complete && self.status == Status::Ok
    }

    /// The tags of the capabilities, in order.
    #[must_use]
    pub fn tags(&self) -> Vec<&str> {
        let tags = self.lines.iter().map(|line| match line {
            Line::Capability(tag, _) => Some(tag.as_str()),
            _ => None,
        });
        tags.flatten().collect()
    }
}

impl Player {
    /// A client over TLS that waits for the greeting.
    #[must_use]
    pub fn over_tls(tolerances: ClientTolerances) -> Self {
        Self::with(Client::over_tls(ClientLimits::DEFAULT, tolerances))
    }

    /// A client in clear text that waits for the greeting.
    #[must_use]
    pub fn in_clear() -> Self {
        Self::with(Client::in_clear(ClientLimits::DEFAULT, ClientTolerances::default()))
    }

    const fn with(client: Client<64>) -> Self {
        Self {
            client,
            unread: Vec::new(),
            sent: Vec::new(),
            greeting: None,
            answers: Vec::new(),
            challenges: Vec::new(),
            notices: Vec::new(),
            failed: None,
        }
    }

    /// Sends a command.
    ///
    /// # Errors
    ///
    /// Those of the client; then nothing was sent.
    pub fn send(&mut self, command: &Command<'_>) -> Result<(), SendError> {
        self.client.send(command, &mut self.sent).map(drop)
    }

    /// Takes in octets of the server.
    pub fn feed(&mut self, octets: &[u8]) {
        self.unread.extend_from_slice(octets);
        let input = std::mem::take(&mut self.unread);
        let mut start = 0;
        while self.failed.is_none() {
            match self.client.receive(&input[start..]) {
                Ok(received) => {
                    start += received.consumed;
                    match received.step {
                        Step::Event(event) => self.note(&event),
                        Step::NeedInput | Step::Paused => break,
                    }
                }
                Err(error) => self.failed = Some(error),
            }
        }
        self.unread = input[start..].to_vec();
    }

    fn note(&mut self, event: &ClientEvent<'_>) {
        let line = match *event {
            ClientEvent::Greeting(line) => {
                self.greeting = Some((line.status, line.text.to_vec()));
                return;
            }
            ClientEvent::ClosingNotice(line) => return self.notices.push((line.status, line.text.to_vec())),
            ClientEvent::Challenge(text) => return self.challenges.push(Ok(text.as_bytes().to_vec())),
            ClientEvent::UndecodableChallenge(text) => return self.challenges.push(Err(text.to_vec())),
            ClientEvent::Reply(reply) => {
                let size = reply.scan_listing().map(|l| Line::Size(l.number.get(), l.octets));
                let id = reply.unique_id().map(|l| Line::Id(l.number.get(), l.unique_id.as_bytes().to_vec()));
                return self.answers.push(Answer {
                    asked: (reply.verb, reply.message),
                    status: reply.line.status,
                    text: reply.line.text.to_vec(),
                    code: reply.code(),
                    totals: reply.drop_listing().map(|totals| (totals.messages, totals.octets)),
                    data: size.or(id),
                    lines: Vec::new(),
                    body: Vec::new(),
                    complete: !reply.more,
                });
            }
            ClientEvent::Body(_, octets) => {
                return self.answers.last_mut().unwrap().body.extend_from_slice(octets);
            }
            ClientEvent::End(_) => {
                self.answers.last_mut().unwrap().complete = true;
                return;
            }
            ClientEvent::ScanListing(_, listing) => Line::Size(listing.number.get(), listing.octets),
            ClientEvent::UniqueId(_, l) => Line::Id(l.number.get(), l.unique_id.as_bytes().to_vec()),
            ClientEvent::Capability(_, capability) => capability_line(&capability),
            ClientEvent::Language(_, listing) => Line::Name(listing.tag.to_vec()),
            ClientEvent::Mechanism(_, name) => Line::Name(name.to_vec()),
            ClientEvent::Malformed(_, text) => Line::Malformed(text.to_vec()),
            other => panic!("an event that the tests do not know: {other:?}"),
        };
        self.answers.last_mut().unwrap().lines.push(line);
    }
}

fn capability_line(capability: &Capability<'_>) -> Line {
    let words = match capability {
        Capability::Sasl(words) | Capability::Other { arguments: words, .. } => {
            words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
        }
        Capability::LoginDelay { seconds, .. } => vec![seconds.to_string()],
        Capability::Expire { days, .. } => vec![days.map_or("NEVER".to_owned(), |days| days.to_string())],
        Capability::Implementation(text) => vec![String::from_utf8_lossy(text).into_owned()],
        _ => Vec::new(),
    };
    Line::Capability(String::from_utf8_lossy(capability.tag()).into_owned(), words)
}
