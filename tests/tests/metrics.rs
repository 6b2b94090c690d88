//! `pop3d --metrics`: what a monitoring system reads there, on a loopback address and on a Unix socket, in the sandbox.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use pop3_tests::peers::{Certs, TempDir, User, skip};
use pop3_tests::pop3d::Pop3d;

const LIMIT: Duration = Duration::from_secs(30);

fn alice() -> [User<'static>; 1] {
    [User { name: "alice", password: "secret", messages: vec![b"A: b\n\nc\n".to_vec()] }]
}

fn get<S: Read + Write>(mut stream: S) -> String {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body.to_owned()
}

/// A session that fetches and removes a message, to its end.
fn session(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"USER alice\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.ends_with("+OK bye\r\n"), "{said}");
}

#[test]
fn sessions_are_counted_in_the_sandbox_and_the_socket_goes_with_the_program() {
    let certs = Certs::new();
    let options = ["--metrics", "127.0.0.1:0", "--sandbox=best-effort"];
    let mut server = Pop3d::start(&certs, &alice(), &options);
    let log = server.log();
    let address = log.split("metrics: http://").nth(1).unwrap().split('/').next().unwrap();
    let connect = || TcpStream::connect(address).unwrap();
    assert!(get(connect()).contains("\npop3_messages_sent_total 0\n"));
    session(server.plain);
    let text = get(connect());
    for line in [
        "pop3_connections_accepted_total 1",
        "pop3_logins_total{mechanism=\"USER\",result=\"success\"} 1",
        "pop3_sessions_total{outcome=\"quit\"} 1",
        "pop3_messages_sent_total 1",
        "pop3_messages_removed_total 1",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn they_can_be_had_on_a_unix_socket_and_nowhere_off_the_host() {
    let certs = Certs::new();
    let dir = TempDir::new("metrics");
    let socket = dir.join("socket");
    let place = format!("unix:{}", socket.display());
    // The second finds the socket of the first.
    for _ in 0..2 {
        let server = Pop3d::start(&certs, &alice(), &["--metrics", &place, "--sandbox=best-effort"]);
        session(server.plain);
        assert!(get(UnixStream::connect(&socket).unwrap()).contains("\npop3_messages_sent_total 1\n"));
    }
    let ended = Pop3d::run(
        &["--metrics", "0.0.0.0:9101", "--listen", "127.0.0.1:0", "--users", "users", "--maildir", "{user}"],
        &dir,
    );
    assert_eq!(ended.code, Some(78), "{}", ended.output());
}

#[test]
fn the_reader_of_prometheus_finds_every_family() {
    // The system's own: there the package is.
    let python = "/usr/bin/python3";
    let read = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
        for family in read(sys.stdin.read()):\n    print(family.type, family.name, len(family.samples))\n";
    let mut import = Command::new(python);
    import.args(["-c", "import prometheus_client.openmetrics.parser"]).stderr(Stdio::null());
    if !import.status().is_ok_and(|status| status.success()) {
        return skip("python3-prometheus-client not installed");
    }
    let certs = Certs::new();
    let dir = TempDir::new("metrics");
    let socket = dir.join("socket");
    let server = Pop3d::start(&certs, &alice(), &["--metrics", &format!("unix:{}", socket.display())]);
    session(server.plain);
    let text = get(UnixStream::connect(&socket).unwrap());
    let mut reader = Command::new(python)
        .args(["-c", read])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    let families = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert!(families > 15 && found.lines().count() == families, "{found}");
    assert!(
        found.contains("counter pop3_logins 32\n") && found.contains("gauge pop3_connections_open 1\n"),
        "{found}"
    );
}
