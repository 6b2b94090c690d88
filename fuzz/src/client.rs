//! What a server may say to a client: anything, in any pieces.

use pop3_proto::{
    Arg, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, Error, MechanismName,
    MessageNumber, Reply, Secret, SendError, Step, Verb,
};

use crate::dialogue;

use crate::plan::{Plan, pieces};

/// Commands that may be outstanding.
pub(crate) const DEPTH: usize = 16;

const GREETING: &[u8] = b"+OK\r\n";
const PIPELINING: &[u8] = b"+OK\r\nPIPELINING\r\nRESP-CODES\r\nUIDL\r\nTOP\r\nUSER\r\n.\r\n";

/// What a client has heard: an event a line, the parts of a message joined; and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    events: Vec<String>,
    /// Whether it is a `+OK`, and the message that was received whole.
    replies: Vec<(bool, Option<Vec<u8>>)>,
    end: Result<(), Error>,
}

/// Any octets of a server give the same events whatever the cut, no reply without a command, a message only to a command
/// that asks for one, and one error for good.
pub fn client_stream(input: &[u8]) {
    let mut plan = Plan::new(input);
    let mode = plan.next();
    let count = plan.below(DEPTH);
    let choices = plan.take(count);
    let count = plan.below(16);
    let sizes: Vec<usize> = plan.take(count).iter().map(|&size| usize::from(size) % 40 + 1).collect();
    let wire = plan.rest();
    // Who takes turns has read what was said before: no piece goes over the end of a line.
    let turns: Vec<&[u8]> =
        if mode & 16 == 0 { vec![wire] } else { wire.split_inclusive(|&octet| octet == b'\n').collect() };
    let whole = hear(mode, choices, turns.iter().copied());
    if mode & 31 == 0 {
        let commands: Vec<_> = choices.iter().map(|choice| command_of(*choice)).collect();
        check(&commands, wire, &whole);
    }
    assert_eq!(hear(mode, choices, turns.iter().flat_map(|turn| pieces(&sizes, turn))), whole);
    assert_eq!(hear(mode, choices, turns.iter().flat_map(|turn| pieces(&[], turn))), whole);
}

/// The replies to commands that were sent ahead, by a naive reading: whether each is a `+OK`, and its message. The last may
/// be half of one.
fn naive(commands: &[Command<'static>], wire: &[u8]) -> Vec<(bool, Option<Vec<u8>>)> {
    let (mut lines, mut replies) = (dialogue::lines(wire, false).0.into_iter(), Vec::new());
    for command in commands {
        let Some(line) = lines.next() else { break };
        let is =
            |status: &[u8]| line.strip_prefix(status).is_some_and(|rest| rest.is_empty() || rest[0] == b' ');
        if !is(b"+OK") && !is(b"-ERR") {
            break;
        }
        let is_message = matches!(command, Command::Retr(_) | Command::Top { .. });
        let is_list = matches!(command, Command::List(None) | Command::Uidl(None));
        replies.push((is(b"+OK"), None));
        if is(b"+OK") && (is_message || is_list) {
            let mut message = Vec::new();
            loop {
                let Some(line) = lines.next() else { return replies };
                if line == b"." {
                    break;
                }
                message.extend(line.strip_prefix(b".").unwrap_or(line));
                message.extend(b"\r\n");
            }
            replies.pop();
            replies.push((true, Some(message).filter(|_| is_message)));
        }
    }
    replies
}

/// What the client heard is what a naive reader hears, up to a limit that was reached.
fn check(commands: &[Command<'static>], wire: &[u8], heard: &Heard) {
    let naive = naive(commands, wire);
    let limited = matches!(
        heard.end,
        Err(Error::LineTooLong { .. } | Error::TooManyLines { .. } | Error::MessageTooLarge { .. })
    );
    assert!(heard.replies.len() <= naive.len(), "{:?} but {naive:?}", heard.replies);
    assert!(limited || heard.replies.len() == naive.len(), "{heard:?} but {naive:?}");
    for (at, (heard, naive)) in heard.replies.iter().zip(&naive).enumerate() {
        assert_eq!(heard.0, naive.0, "reply {at}");
        assert!(heard.1 == naive.1 || (limited && heard.1.is_none()), "{heard:?} but {naive:?}");
    }
}

pub(crate) fn command(plan: &mut Plan<'_>) -> Command<'static> {
    command_of(plan.next())
}

fn command_of(choice: u8) -> Command<'static> {
    let number = MessageNumber::FIRST;
    let number = if choice & 0x80 == 0 { number } else { number.next().unwrap_or(number) };
    match choice % 12 {
        0 => Command::Stat,
        1 => Command::List(None),
        2 => Command::Uidl(None),
        3 => Command::List(Some(number)),
        4 => Command::Uidl(Some(number)),
        5 | 6 => Command::Retr(number),
        7 => Command::Top { number, lines: u64::from(choice >> 5) },
        8 | 9 => Command::Dele(number),
        10 => Command::Rset,
        _ => Command::Noop,
    }
}

fn hear<'a>(mode: u8, choices: &[u8], pieces: impl Iterator<Item = &'a [u8]>) -> Heard {
    let mut tolerances = ClientTolerances::default();
    tolerances.lenient_lf = mode & 1 != 0;
    tolerances.lenient_lf_body = mode & 2 != 0;
    tolerances.lenient_banner = mode & 4 != 0;
    tolerances.lenient_sasl_ok = mode & 128 != 0;
    let mut limits = ClientLimits::DEFAULT;
    limits.line = 600;
    limits.message = 2000;
    limits.list_lines = 50;
    limits.capability_lines = 30;
    let mut client = Client::<DEPTH>::over_tls(limits, tolerances);
    if mode & 16 != 0 {
        return converse(mode, limits, tolerances, choices, pieces);
    }
    if mode & 8 == 0 {
        log_in(&mut client);
        let mut sink = Vec::new();
        for choice in choices {
            client.send(&command_of(*choice), &mut sink).expect("a command of a batch");
        }
    }
    listen(&mut client, pieces)
}

/// Brings a client to TRANSACTION, where it may send ahead.
fn log_in(client: &mut Client<DEPTH>) {
    let (name, password) = (Arg::new(b"a").expect("a name"), Secret::new(b"b").expect("a password"));
    let dialogue: [(Option<Command<'_>>, &[u8]); 4] = [
        (None, GREETING),
        (Some(Command::Capa), PIPELINING),
        (Some(Command::User(name)), GREETING),
        (Some(Command::Pass(password)), GREETING),
    ];
    for (command, reply) in dialogue {
        if let Some(command) = command {
            client.send(&command, &mut Vec::new()).expect("a command in its place");
        }
        let heard = listen_on(client, core::iter::once(reply), &mut Talk::none());
        assert_eq!(heard.end, Ok(()));
    }
}

/// A client in AUTHORIZATION, which says one thing after the other as far as it may. In clear text no secret leaves it
/// unless it was told that this is all right.
fn converse<'a>(
    mode: u8,
    limits: ClientLimits,
    tolerances: ClientTolerances,
    choices: &[u8],
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Heard {
    let (clear, allowed) = (mode & 8 != 0, mode & 64 != 0);
    let mut client = if clear {
        Client::<DEPTH>::in_clear(limits, tolerances)
    } else {
        Client::over_tls(limits, tolerances)
    };
    if allowed {
        client.allow_cleartext_login();
    }
    client.set_pipelining(mode & 32 == 0);
    let mut talk = Talk { all: choices, choices, sent: Vec::new(), commands: 0 };
    let mut heard = listen_on(&mut client, pieces, &mut talk);
    assert_eq!(client.check_privacy().is_ok(), !clear || allowed);
    assert!(heard.replies.len() <= talk.commands, "a reply without a command");
    let has = |secret: &[u8]| talk.sent.windows(secret.len()).any(|part| part == secret);
    if clear && !allowed {
        assert!(!has(CANARY) && !has(CANARY_IN_BASE64) && !has(b"PASS"), "{}", talk.sent.escape_ascii());
    }
    let lines = talk.sent.split(|&octet| octet == b'\n').filter(|line| !line.is_empty()).count();
    assert!(lines >= talk.commands && talk.sent.len() <= 300 * lines);
    heard.events.push(talk.sent.escape_ascii().to_string());
    end(&mut client, heard)
}

const CANARY: &[u8] = b"canary";
const CANARY_IN_BASE64: &[u8] = b"Y2FuYXJ5";

/// What a client says of its own accord.
struct Talk<'a> {
    all: &'a [u8],
    /// Those of all that are still to come.
    choices: &'a [u8],
    sent: Vec<u8>,
    commands: usize,
}

impl Talk<'_> {
    /// Nothing at all.
    const fn none() -> Self {
        Talk { all: &[], choices: &[], sent: Vec::new(), commands: 0 }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.choices.split_first()?;
        self.choices = rest;
        Some(*first)
    }

    /// Answers an event.
    fn act(&mut self, client: &mut Client<DEPTH>, event: &ClientEvent<'_>) {
        match event {
            ClientEvent::Challenge(_) | ClientEvent::UndecodableChallenge(_) => {
                let choice = self.next().unwrap_or(0);
                let undecodable = matches!(event, ClientEvent::UndecodableChallenge(_));
                if choice & 1 == 0 || undecodable {
                    client.cancel(&mut self.sent).expect("a challenge waits");
                } else {
                    client.respond(CANARY, &mut self.sent).expect("a challenge waits");
                }
                assert!(client.cancel(&mut self.sent).is_err(), "two answers to one challenge");
            }
            ClientEvent::Greeting(_) | ClientEvent::End(_) => self.go_on(client),
            ClientEvent::Reply(reply) if !reply.more => self.go_on(client),
            _ => {}
        }
    }

    /// Sends as much as it may; what must wait for a reply waits, what may never be sent is left out.
    fn go_on(&mut self, client: &mut Client<DEPTH>) {
        let commands = self.commands;
        for _ in 0..4 {
            let (Some(choice), rest) = (self.next(), self.choices) else { return };
            let before = self.sent.len();
            match self.send(client, choice) {
                Ok(()) => self.commands += 1,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    assert_eq!(self.sent.len(), before, "a part of a command");
                    if self.commands > commands {
                        self.choices = self.all.get(self.all.len() - rest.len() - 1..).unwrap_or_default();
                        return;
                    }
                }
            }
        }
    }

    fn send(&mut self, client: &mut Client<DEPTH>, choice: u8) -> Result<(), SendError> {
        let (name, digest) = (Arg::new(b"a").expect("a name"), Arg::new(&[b'0'; 32]).expect("a digest"));
        let long = [CANARY; 60].concat();
        let authenticate = |client: &mut Client<DEPTH>, initial: Option<&[u8]>, out: &mut Vec<u8>| {
            client.authenticate(MechanismName::PLAIN, initial, out).map(drop)
        };
        let command = match choice % 16 {
            0 | 1 => Command::Capa,
            2 => Command::User(name),
            3 => Command::Pass(Secret::new(CANARY).expect("a password")),
            4 => Command::Apop { name, digest },
            5 => Command::Lang(None),
            6 => Command::Lang(Some(Arg::new(b"sv").expect("a range"))),
            7 => Command::Utf8,
            8 => Command::Mechanisms,
            9 => Command::Stls,
            10 => return authenticate(client, None, &mut self.sent),
            11 => return authenticate(client, Some(CANARY), &mut self.sent),
            12 => return authenticate(client, Some(&long), &mut self.sent),
            13 => Command::User(Arg::new("\u{e4}".as_bytes()).expect("a name")),
            14 => Command::Quit,
            _ => command_of(choice >> 4),
        };
        client.send(&command, &mut self.sent).map(drop)
    }
}

fn listen<'a>(client: &mut Client<DEPTH>, pieces: impl Iterator<Item = &'a [u8]>) -> Heard {
    let heard = listen_on(client, pieces, &mut Talk::none());
    end(client, heard)
}

fn end(client: &mut Client<DEPTH>, mut heard: Heard) -> Heard {
    if heard.end.is_ok() {
        heard.end = client.end_of_input();
    }
    if let Err(error) = heard.end {
        // For good.
        assert_eq!(client.receive(b"+OK\r\n").map(|_| ()), Err(error));
        assert!(client.send(&Command::Noop, &mut Vec::new()).is_err());
    }
    heard
}

fn listen_on<'a>(
    client: &mut Client<DEPTH>,
    pieces: impl Iterator<Item = &'a [u8]>,
    talk: &mut Talk<'_>,
) -> Heard {
    let mut heard = Heard { events: Vec::new(), replies: Vec::new(), end: Ok(()) };
    let mut input = Buffer::new(vec![0; 16 * 1024]);
    let mut message: Option<Vec<u8>> = None;
    let mut in_message = false;
    for piece in pieces {
        for piece in piece.chunks(4096) {
            let room = input.room();
            assert!(room.len() >= piece.len(), "a line under the limit was not taken");
            room[..piece.len()].copy_from_slice(piece);
            input.filled(piece.len());
            loop {
                let received = match client.receive(input.unread()) {
                    Ok(received) => received,
                    Err(error) => {
                        heard.end = Err(error);
                        assert!(!error.to_string().is_empty());
                        return heard;
                    }
                };
                let (consumed, more) = (received.consumed, matches!(received.step, Step::Event(_)));
                assert!(consumed <= input.len());
                if let Step::Event(event) = received.step {
                    match event {
                        ClientEvent::Body(_, part) => {
                            assert!(!part.is_empty());
                            message.get_or_insert_default().extend(part);
                        }
                        event => {
                            let is_end = matches!(event, ClientEvent::End(_));
                            if let Some(octets) = message.take() {
                                heard.events.push(octets.escape_ascii().to_string());
                                if let (true, Some(last)) = (is_end, heard.replies.last_mut()) {
                                    last.1 = Some(octets);
                                }
                            } else if let (true, true, Some(last)) =
                                (is_end, in_message, heard.replies.last_mut())
                            {
                                last.1 = Some(Vec::new());
                            }
                            if let ClientEvent::Reply(reply) = &event {
                                heard.replies.push((reply.is_ok(), None));
                                in_message = reply.more && matches!(reply.verb, Verb::Retr | Verb::Top);
                                look_into(reply);
                            }
                            heard.events.push(without_ids(&format!("{event:?}")));
                            talk.act(client, &event);
                        }
                    }
                }
                input.consume(consumed);
                if !more {
                    break;
                }
            }
        }
    }
    if let Some(octets) = message {
        heard.events.push(octets.escape_ascii().to_string());
    }
    heard
}

/// What a reply says beside its status agrees with the command.
fn look_into(reply: &Reply<'_>) {
    assert!(reply.code().is_none() || reply.codes_announced);
    assert!(reply.drop_listing().is_none() || reply.verb == Verb::Stat);
    if let Some(listing) = reply.scan_listing() {
        assert_eq!(Some(listing.number), reply.message);
    }
    if let Some(listing) = reply.unique_id() {
        assert_eq!(Some(listing.number), reply.message);
    }
}

/// The text of an event without the numbers of commands, which count from the connection on.
fn without_ids(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split("CommandId(");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    out
}

/// A client that has been told anything before TLS says and believes the same after it as one that began there.
pub(crate) fn gate(before: &[u8], after: &[u8]) {
    let (limits, tolerances) = (ClientLimits::DEFAULT, ClientTolerances::default());
    let mut upgraded = Client::<DEPTH>::in_clear(limits, tolerances);
    if listen_on(&mut upgraded, core::iter::once(GREETING), &mut Talk::none()).end.is_err() {
        return;
    }
    let mut sink = Vec::new();
    if upgraded.send(&Command::Capa, &mut sink).is_err() {
        return;
    }
    if listen_on(&mut upgraded, core::iter::once(before), &mut Talk::none()).end.is_err()
        || upgraded.send(&Command::Stls, &mut sink).is_err()
    {
        return;
    }
    if listen_on(&mut upgraded, core::iter::once(GREETING), &mut Talk::none()).end.is_err() {
        return;
    }
    upgraded.tls_started().expect("the +OK to STLS was read");
    let mut fresh = Client::<DEPTH>::over_tls(limits, tolerances);
    assert_eq!(listen_on(&mut fresh, core::iter::once(GREETING), &mut Talk::none()).end, Ok(()));
    assert_eq!(upgraded.capabilities(), fresh.capabilities());
    for client in [&mut upgraded, &mut fresh] {
        client.send(&Command::Capa, &mut Vec::new()).expect("CAPA in AUTHORIZATION");
    }
    let (one, other) =
        (listen(&mut upgraded, core::iter::once(after)), listen(&mut fresh, core::iter::once(after)));
    assert_eq!(one, other);
    assert_eq!(upgraded.capabilities(), fresh.capabilities());
}
