//! `pop3d` behind HAProxy: the client's address under both versions of the PROXY protocol, in clear text and through TLS,
//! and health checks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use pop3_blocking::tls::{ClientTls, ServerName};
use pop3_blocking::{Deadline, Input, Transport};
use pop3_tests::peers::haproxy::Haproxy;
use pop3_tests::peers::{Certs, User};
use pop3_tests::pop3d::Pop3d;

const LIMIT: Duration = Duration::from_secs(30);

fn alice() -> [User<'static>; 1] {
    [User { name: "alice", password: "secret", messages: vec![b"A: b\n\nc\n".to_vec()] }]
}

/// Logs in and leaves, and tells the port that it had.
fn session(address: SocketAddr, tls: Option<&ClientTls>) -> u16 {
    let stream = TcpStream::connect(address).unwrap();
    let port = stream.local_addr().unwrap().port();
    let mut transport = Transport::plain(stream);
    let deadline = || Deadline::after(LIMIT);
    if let Some(tls) = tls {
        let name = ServerName::parse("localhost").unwrap();
        transport = transport.connect_tls(tls, &name, deadline()).unwrap();
    }
    transport.write_all(b"USER alice\r\nPASS secret\r\nQUIT\r\n", LIMIT, deadline()).unwrap();
    let (mut said, mut room) = (Vec::new(), [0; 1024]);
    while let Input::Octets(octets) = transport.read(&mut room, deadline()).unwrap() {
        said.extend(&room[..octets]);
    }
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("+OK POP3 server ready\r\n") && said.ends_with("+OK bye\r\n"), "{said}");
    port
}

#[test]
fn the_log_has_the_clients_address_under_both_versions_in_clear_text_and_through_tls() {
    let certs = Certs::new();
    let tls = ClientTls::builder().ca_file(certs.authority_file()).build().unwrap();
    let server = Pop3d::start(&certs, &alice(), &["--proxy-from", "127.0.0.1"]);
    let (plain, implicit) = (server.plain, server.implicit);
    let forwards = [
        (plain, "send-proxy"),
        (plain, "send-proxy-v2"),
        (plain, "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
        (implicit, "send-proxy"),
        (implicit, "send-proxy-v2"),
        (implicit, "send-proxy-v2 proxy-v2-options crc32c,ssl,cert-cn,authority"),
    ];
    let lines: Vec<String> =
        forwards.iter().map(|(port, options)| format!("127.0.0.1:{port} {options}")).collect();
    let Some(haproxy) = Haproxy::start(&lines) else { return };
    for (port, (to, options)) in haproxy.ports.iter().zip(forwards) {
        let over = if to == implicit { Some(&tls) } else { None };
        for client in [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let from = session((client, *port).into(), over);
            let version = if over.is_some() { "TLS 1.3" } else { "none" };
            let who = format!("session ended: peer={client} port={from} tls=\"{version}\" proxy=127.0.0.1 ");
            server.wait_for_log(&who, 1);
            let log = server.log();
            let line = log.lines().find(|line| line.contains(&who)).unwrap();
            assert!(
                line.contains(" user=\"alice\" ") && line.ends_with(" outcome=\"quit\""),
                "{options}: {line}"
            );
        }
    }
}

#[test]
fn health_checks_pass_and_are_not_logged() {
    let certs = Certs::new();
    let server = Pop3d::start(&certs, &alice(), &["--proxy-from", "127.0.0.1"]);
    let (plain, implicit) = (server.plain, server.implicit);
    let check = "check inter 50ms";
    let lines = [
        format!("127.0.0.1:{plain} send-proxy-v2 {check}"),
        format!("127.0.0.1:{plain} send-proxy {check}"),
        format!("127.0.0.1:{implicit} send-proxy-v2 {check} check-ssl verify none"),
        // Without the header they cannot pass, and are answered by nothing.
        format!("127.0.0.1:{plain} {check}"),
    ];
    let Some(haproxy) = Haproxy::start(&lines) else { return };
    for number in 0..3 {
        haproxy.wait_for_check(number, "L7OK");
        let tls = ClientTls::builder().ca_file(certs.authority_file()).build().unwrap();
        let over = if number == 2 { Some(&tls) } else { None };
        session((Ipv6Addr::LOCALHOST, haproxy.ports[number]).into(), over);
        server.wait_for_log("session ended: peer=::1 ", number + 1);
        haproxy.wait_for_check(number, "L7OK");
    }
    haproxy.wait_for_check(3, "L7TOUT");
    let log = server.log();
    // What was forwarded has an address of its own, and names the proxy beside it.
    let own = |line: &&str| line.contains("pop3_blocking::server") && !line.contains(" proxy=127.0.0.1 ");
    let checks: Vec<&str> = log.lines().filter(own).collect();
    assert!(checks.is_empty(), "{checks:?}");
}
