//! Listings of a large maildrop: what the client's state machine reads, and what the server's session writes.
//!
//! `cargo bench -p pop3-proto --features std --bench lists` prints entries per second: the best of some runs, because
//! what disturbs a run only makes it slower.
#![expect(clippy::print_stdout, reason = "the table is the purpose of the program")]
#![expect(clippy::unwrap_used, reason = "a run that goes wrong measures nothing")]

#[path = "shared/sessions.rs"]
mod sessions;

use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::Session;
use pop3_proto::{ClientEvent, Command, ScanListing, UniqueId, UniqueIdListing};
use sessions::{number, octets};
use std::hint::black_box;
use std::time::Instant;

const MESSAGES: u32 = 200_000;
const RUNS: usize = 15;

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
    let mut session = sessions::server(MESSAGES, octets);
    row("LIST, session", scan.len(), || write(&mut session, "LIST\r\n"));
    row("UIDL, session", ids.len(), || write(&mut session, "UIDL\r\n"));
}

fn lines(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&octet| octet == b'\n').skip(1).map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Has the server answer, and says how many messages it has.
fn write(session: &mut Session<'static, HeapStorage>, command: &str) -> usize {
    sessions::answer(session, command, |_| {});
    MESSAGES as usize
}

/// The whole reply to a command.
fn written(command: &str) -> Vec<u8> {
    let mut reply = Vec::new();
    sessions::answer(&mut sessions::server(MESSAGES, octets), command, |part| reply.extend(part));
    reply
}

/// Reads a reply as a client that has just sent `command`, and counts its lines.
fn read(command: &Command<'_>, reply: &[u8]) -> usize {
    let mut client = sessions::client();
    client.send(command, &mut Vec::new()).unwrap();
    let mut entries = 0;
    sessions::events(&mut client, reply, |event| {
        if let ClientEvent::ScanListing(..) | ClientEvent::UniqueId(..) = black_box(event) {
            entries += 1;
        }
    });
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
