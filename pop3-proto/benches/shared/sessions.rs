//! A client and a server that have logged in, over memory.

use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Request, Session, SessionConfig};
use pop3_proto::{
    Arg, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, MessageNumber, Secret, Step,
};
use std::hint::black_box;

/// Octets that one call gets, or has room for.
pub(crate) const PIECE: usize = 64 << 10;

/// As many commands may be outstanding.
pub(crate) type Pipeline = Client<64>;

pub(crate) fn number(n: u32) -> MessageNumber {
    MessageNumber::new(n).unwrap()
}

/// How large message `n` of a listing is said to be.
pub(crate) fn octets(n: u32) -> u64 {
    2_000 + u64::from(n) * 7919 % 100_000
}

/// A session that has a maildrop open.
pub(crate) fn server(messages: u32, octets: impl Fn(u32) -> u64) -> Session<'static, HeapStorage> {
    let mut session = Session::new(SessionConfig::default(), true, HeapStorage::new(messages as usize));
    let mut out = Vec::new();
    session.greet(&mut out).unwrap();
    let mut input = &b"USER alice\r\nPASS secret\r\n"[..];
    loop {
        let received = session.receive(input, &mut out).unwrap();
        input = &input[received.consumed..];
        if let Step::Event(Request::Login { .. }) = received.step {
            break;
        }
    }
    for n in 1..=messages {
        session.add_message(octets(n), format!("1700{n:06}.M{n:06}P4711.host").as_bytes()).unwrap();
    }
    session.opened(&mut out).unwrap();
    session
}

/// Gives all of the reply to a command to `take`, piece by piece.
pub(crate) fn answer(
    session: &mut Session<'static, HeapStorage>,
    command: &str,
    mut take: impl FnMut(&[u8]),
) {
    let mut out = Buffer::new([0u8; PIECE]);
    let mut input = command.as_bytes();
    loop {
        let received = session.receive(input, &mut out).unwrap();
        input = &input[received.consumed..];
        take(black_box(out.unread()));
        out.clear();
        if let Step::NeedInput = received.step {
            return;
        }
    }
}

/// A client that has logged in and may pipeline.
pub(crate) fn client() -> Pipeline {
    let mut client = Client::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    events(&mut client, b"+OK\r\n", |_| {});
    let (name, password) = (Arg::new(b"alice").unwrap(), Secret::new(b"secret").unwrap());
    for (command, reply) in [
        (Command::User(name), &b"+OK\r\n"[..]),
        (Command::Pass(password), b"+OK\r\n"),
        (Command::Capa, b"+OK\r\nPIPELINING\r\n.\r\n"),
    ] {
        client.send(&command, &mut Vec::new()).unwrap();
        events(&mut client, reply, |_| {});
    }
    client
}

/// Has `client` receive `input`, piece by piece, and gives each event to `each`.
pub(crate) fn events(client: &mut Pipeline, input: &[u8], mut each: impl FnMut(ClientEvent<'_>)) {
    let mut start = 0;
    while start < input.len() {
        let end = input.len().min(start + PIECE);
        let before = start;
        loop {
            let received = client.receive(&input[start..end]).unwrap();
            start += received.consumed;
            match received.step {
                Step::Event(event) => each(event),
                Step::NeedInput | Step::Paused => break,
            }
        }
        assert!(start > before, "{} octets were not taken", end - start);
    }
}
