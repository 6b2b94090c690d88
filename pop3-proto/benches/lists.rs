//! Listings of a large maildrop: what the client's state machine reads, and what the server's session writes.
//!
//! `cargo bench -p pop3-proto --features std --bench lists` prints entries per second: the best of some runs, because
//! what disturbs a run only makes it slower.
#![expect(clippy::print_stdout, reason = "the table is the purpose of the program")]
#![expect(clippy::unwrap_used, reason = "a run that goes wrong measures nothing")]

use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Request, Session, SessionConfig};
use pop3_proto::{
    Arg, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, MessageNumber, ScanListing,
    Secret, Step, UniqueId, UniqueIdListing,
};
use std::hint::black_box;
use std::time::Instant;

const MESSAGES: u32 = 200_000;
const RUNS: usize = 15;
/// Octets that one call gets, or has room for.
const PIECE: usize = 64 << 10;

fn main() {
    println!("{:<40} {:>12} {:>9}", "", "M entries/s", "MB/s");
    let scan = written("LIST\r\n");
    let ids = written("UIDL\r\n");
    row("LIST, parse one line", scan.len(), || {
        lines(&scan).filter(|line| black_box(ScanListing::parse(line)).is_some()).count()
    });
    row("UIDL, parse one line", ids.len(), || {
        lines(&ids).filter(|line| black_box(UniqueIdListing::parse(line)).is_some()).count()
    });
    row("LIST, client", scan.len(), || read(&Command::List(None), &scan));
    row("UIDL, client", ids.len(), || read(&Command::Uidl(None), &ids));
    row("LIST, encode one line", scan.len(), || {
        let mut out = [0u8; 32];
        (1..=MESSAGES)
            .filter(|&n| {
                ScanListing::new(number(n), octets(n)).encode(&mut &mut black_box(&mut out)[..]).is_ok()
            })
            .count()
    });
    row("UIDL, encode one line", ids.len(), || {
        let mut out = [0u8; 64];
        (1..=MESSAGES)
            .filter(|&n| {
                let unique_id = UniqueId::new(b"1700000000.M123456P4711.host").unwrap();
                UniqueIdListing::new(number(n), unique_id).encode(&mut &mut black_box(&mut out)[..]).is_ok()
            })
            .count()
    });
    let mut session = logged_in();
    row("LIST, session", scan.len(), || write(&mut session, "LIST\r\n", |_| {}));
    row("UIDL, session", ids.len(), || write(&mut session, "UIDL\r\n", |_| {}));
}

fn number(n: u32) -> MessageNumber {
    MessageNumber::new(n).unwrap()
}

fn octets(n: u32) -> u64 {
    2_000 + u64::from(n) * 7919 % 100_000
}

fn lines(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&octet| octet == b'\n').skip(1).map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A session that has a large maildrop open.
fn logged_in() -> Session<'static, HeapStorage> {
    let mut session = Session::new(SessionConfig::default(), true, HeapStorage::new(MESSAGES as usize));
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
    for n in 1..=MESSAGES {
        session.add_message(octets(n), format!("1700{n:06}.M{n:06}P4711.host").as_bytes()).unwrap();
    }
    session.opened(&mut out).unwrap();
    session
}

fn write(session: &mut Session<'static, HeapStorage>, command: &str, mut take: impl FnMut(&[u8])) -> usize {
    let mut out = Buffer::new([0u8; PIECE]);
    let (mut input, mut lines) = (command.as_bytes(), 0);
    loop {
        let received = session.receive(input, &mut out).unwrap();
        input = &input[received.consumed..];
        take(out.unread());
        lines += 1;
        out.clear();
        if let Step::NeedInput = received.step {
            return if lines > 0 { MESSAGES as usize } else { 0 };
        }
    }
}

/// The whole reply to a command.
fn written(command: &str) -> Vec<u8> {
    let mut reply = Vec::new();
    write(&mut logged_in(), command, |part| reply.extend(part));
    reply
}

/// Reads a reply as a client that has just sent `command`, and counts its lines.
fn read(command: &Command<'_>, reply: &[u8]) -> usize {
    let mut client = Client::<4>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    let mut entries = 0;
    let mut take = |client: &mut Client<4>, mut input: &[u8]| {
        loop {
            let received = client.receive(input).unwrap();
            input = &input[received.consumed..];
            match received.step {
                Step::Event(event @ (ClientEvent::ScanListing(..) | ClientEvent::UniqueId(..))) => {
                    black_box(event);
                    entries += 1;
                }
                Step::Event(_) => {}
                Step::NeedInput | Step::Paused => return input.len(),
            }
        }
    };
    let (name, password) = (Arg::new(b"alice").unwrap(), Secret::new(b"secret").unwrap());
    for command in [&Command::User(name), &Command::Pass(password), command] {
        take(&mut client, b"+OK\r\n");
        client.send(command, &mut Vec::new()).unwrap();
    }
    let mut start = 0;
    while start < reply.len() {
        let end = reply.len().min(start + PIECE);
        start = end - take(&mut client, &reply[start..end]);
    }
    entries
}

fn row(name: &str, octets: usize, mut run: impl FnMut() -> usize) {
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        let entries = black_box(run());
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(entries, MESSAGES as usize, "{name}");
    }
    let speed = |count: usize| count as f64 / best / 1e6;
    println!("{name:<40} {:>12.1} {:>9.0}", speed(MESSAGES as usize), speed(octets));
}
