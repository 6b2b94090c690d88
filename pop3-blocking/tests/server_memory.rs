//! What an idle connection costs. A program of its own, since memory belongs to the process.
#![cfg(all(target_os = "linux", feature = "aws-lc-rs"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use pop3_blocking::auth::MemoryUsers;
use pop3_blocking::server::{Limits, Policy, Server};
use pop3_blocking::store::MemoryStore;
use pop3_blocking::tls::{ClientTls, ServerName, ServerTls};
use pop3_blocking::{Deadline, Input, Transport};

const CONNECTIONS: usize = 200;
const HOST: &str = "pop.example.org";

/// Octets of this process that lie in memory.
fn resident() -> usize {
    let facts = std::fs::read_to_string("/proc/self/statm").unwrap();
    facts.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The growth for each of many values, after the first few have paid for what is shared.
fn each<T>(mut make: impl FnMut() -> T) -> usize {
    let mut kept: Vec<T> = (0..20).map(|_| make()).collect();
    let before = resident();
    kept.extend((0..CONNECTIONS).map(|_| make()));
    resident().saturating_sub(before) / CONNECTIONS
}

fn script(user: usize) -> String {
    format!("USER u{user}\r\nPASS secret\r\nRETR 1\r\n")
}

#[test]
fn an_idle_session_takes_at_most_32_kib_plain_and_128_kib_under_tls() {
    let issued = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    let server_tls =
        ServerTls::builder().certificate_pem(issued.cert.pem(), issued.signing_key.serialize_pem());
    let client_tls = ClientTls::builder().ca_pem(issued.cert.pem()).build().unwrap();
    let (store, mut users) = (MemoryStore::new(), MemoryUsers::new());
    // Each session has sent more than its buffers hold at rest.
    let message = format!("A: b\r\n\r\n{}", "x".repeat(200_000));
    for user in 0..1000 {
        users.insert(format!("u{user}"), "secret");
    }
    for user in 0..2 * (CONNECTIONS + 20) {
        store.add(&format!("u{user}"), message.as_bytes());
    }
    let mut limits = Limits::default();
    limits.connections_per_address_before_login = 1000;
    limits.connections_per_address = 1000;
    let running = Server::builder(users, store)
        .limits(limits)
        .listen(([127, 0, 0, 1], 0).into(), Policy::cleartext().allow_cleartext_login())
        .listen(([127, 0, 0, 1], 0).into(), Policy::implicit_tls(server_tls.build().unwrap()))
        .bind()
        .unwrap()
        .serve()
        .unwrap();
    let [plain, secure] = [running.addresses()[0], running.addresses()[1]];
    let mut user = 0..;

    let in_clear_text = each(|| {
        let mut stream = TcpStream::connect(plain).unwrap();
        stream.write_all(script(user.next().unwrap()).as_bytes()).unwrap();
        let mut lines = BufReader::with_capacity(512, &stream);
        let mut line = Vec::new();
        while line != b".\r\n" {
            line.clear();
            lines.read_until(b'\n', &mut line).unwrap();
        }
        stream
    });
    let name = ServerName::parse(HOST).unwrap();
    let under_tls = each(|| {
        let deadline = Deadline::after(Duration::from_secs(30));
        let stream = TcpStream::connect(secure).unwrap();
        let mut peer = Transport::plain(stream).connect_tls(&client_tls, &name, deadline).unwrap();
        let script = script(user.next().unwrap());
        peer.write_all(script.as_bytes(), Duration::from_secs(30), deadline).unwrap();
        let (mut room, mut end) = ([0; 4096], Vec::new());
        while !end.ends_with(b"\r\n.\r\n") {
            let Input::Octets(octets) = peer.read(&mut room, deadline).unwrap() else { panic!("closed") };
            end.extend(&room[..octets]);
            end.drain(..end.len().saturating_sub(5));
        }
        peer
    });
    println!("idle connection: {in_clear_text} octets plain, {under_tls} octets of both ends under TLS");
    // Stacks of unoptimised code are larger.
    let more = if cfg!(debug_assertions) { 16 * 1024 } else { 0 };
    assert!(in_clear_text <= 32 * 1024 + more, "{in_clear_text}");
    assert!(under_tls <= 128 * 1024 + more, "{under_tls}");
}
