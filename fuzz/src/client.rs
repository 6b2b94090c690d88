//! What a server may say to a client: anything, in any pieces.

use pop3_proto::{
    Arg, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, Error, MessageNumber, Secret,
    Step,
};

use crate::plan::{Plan, pieces};

/// Commands that may be outstanding.
pub(crate) const DEPTH: usize = 16;

const GREETING: &[u8] = b"+OK\r\n";
const PIPELINING: &[u8] = b"+OK\r\nPIPELINING\r\nRESP-CODES\r\nUIDL\r\nTOP\r\nUSER\r\n.\r\n";

/// What a client has heard: an event a line, the parts of a message joined; and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    events: Vec<String>,
    replies: usize,
    end: Result<(), Error>,
}

/// Any octets of a server give the same events whatever the cut, no reply without a command, a message only to a command
/// that asks for one, and one error for good.
pub fn client_stream(input: &[u8]) {
    let mut plan = Plan::new(input);
    let mode = plan.next();
    let commands = commands(&mut plan);
    let count = plan.below(16);
    let sizes: Vec<usize> = plan.take(count).iter().map(|&size| usize::from(size) % 40 + 1).collect();
    let wire = plan.rest();
    let whole = hear(mode, &commands, core::iter::once(wire));
    assert!(whole.replies <= commands.len() + 1);
    assert_eq!(hear(mode, &commands, pieces(&sizes, wire)), whole);
    assert_eq!(hear(mode, &commands, pieces(&[], wire)), whole);
}

/// A few commands, to be sent all at once.
pub(crate) fn commands(plan: &mut Plan<'_>) -> Vec<Command<'static>> {
    let count = plan.below(DEPTH);
    (0..count).map(|_| command(plan)).collect()
}

pub(crate) fn command(plan: &mut Plan<'_>) -> Command<'static> {
    let choice = plan.next();
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

fn hear<'a>(mode: u8, commands: &[Command<'static>], pieces: impl Iterator<Item = &'a [u8]>) -> Heard {
    let mut tolerances = ClientTolerances::default();
    tolerances.lenient_lf = mode & 1 != 0;
    tolerances.lenient_lf_body = mode & 2 != 0;
    tolerances.lenient_banner = mode & 4 != 0;
    let mut limits = ClientLimits::DEFAULT;
    limits.line = 600;
    limits.message = 2000;
    limits.list_lines = 50;
    limits.capability_lines = 30;
    let mut client = Client::<DEPTH>::over_tls(limits, tolerances);
    if mode & 8 == 0 {
        log_in(&mut client);
        let mut sink = Vec::new();
        for command in commands {
            client.send(command, &mut sink).expect("a command of a batch");
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
        let heard = listen_on(client, core::iter::once(reply));
        assert_eq!(heard.end, Ok(()));
    }
}

fn listen<'a>(client: &mut Client<DEPTH>, pieces: impl Iterator<Item = &'a [u8]>) -> Heard {
    let mut heard = listen_on(client, pieces);
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

fn listen_on<'a>(client: &mut Client<DEPTH>, pieces: impl Iterator<Item = &'a [u8]>) -> Heard {
    let mut heard = Heard { events: Vec::new(), replies: 0, end: Ok(()) };
    let mut input = Buffer::new(vec![0; 16 * 1024]);
    let mut message: Option<Vec<u8>> = None;
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
                            if let Some(octets) = message.take() {
                                heard.events.push(octets.escape_ascii().to_string());
                            }
                            heard.replies += usize::from(matches!(event, ClientEvent::Reply(_)));
                            heard.events.push(without_ids(&format!("{event:?}")));
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
    if listen_on(&mut upgraded, core::iter::once(GREETING)).end.is_err() {
        return;
    }
    let mut sink = Vec::new();
    if upgraded.send(&Command::Capa, &mut sink).is_err() {
        return;
    }
    if listen_on(&mut upgraded, core::iter::once(before)).end.is_err()
        || upgraded.send(&Command::Stls, &mut sink).is_err()
    {
        return;
    }
    if listen_on(&mut upgraded, core::iter::once(GREETING)).end.is_err() {
        return;
    }
    upgraded.tls_started().expect("the +OK to STLS was read");
    let mut fresh = Client::<DEPTH>::over_tls(limits, tolerances);
    assert_eq!(listen_on(&mut fresh, core::iter::once(GREETING)).end, Ok(()));
    assert_eq!(upgraded.capabilities(), fresh.capabilities());
    for client in [&mut upgraded, &mut fresh] {
        client.send(&Command::Capa, &mut Vec::new()).expect("CAPA in AUTHORIZATION");
    }
    let (one, other) =
        (listen(&mut upgraded, core::iter::once(after)), listen(&mut fresh, core::iter::once(after)));
    assert_eq!(one, other);
    assert_eq!(upgraded.capabilities(), fresh.capabilities());
}
