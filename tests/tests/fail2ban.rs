//! fail2ban finds the failed logins in what `pop3d` writes, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use pop3_tests::peers::{TempDir, User, require};
use pop3_tests::pop3d::Pop3d;

const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pop3-blocking/fail2ban/pop3d.conf");

/// The addresses that fail2ban would count, in the order of the lines.
fn found(fail2ban: &PathBuf, log: &str) -> Vec<String> {
    let dir = TempDir::new("fail2ban");
    let log = dir.file("log", log);
    let output = Command::new(fail2ban).args(["-o", "<ip>"]).arg(log).arg(FILTER).output().unwrap();
    assert!(output.stderr.is_empty() && output.status.code() <= Some(1), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn rp_alpaca_2_r13_each_failed_login_is_found_by_its_address() {
    let Some(fail2ban) = require("fail2ban-regex") else { return };
    let users = [User { name: "alice", password: "secret", messages: vec![b"A: b\n\nc\n".to_vec()] }];
    let server = Pop3d::start_with(
        &users,
        &[
            "--listen",
            "127.0.0.1:0",
            "--listen",
            "[::1]:0",
            "--allow-cleartext-login",
            "--limit",
            "failed-login-delay=0",
        ],
    );
    let (_, plain) = server.announced.split_once(" plain=").unwrap();
    for address in plain.split(',') {
        let stream = TcpStream::connect(address.parse::<SocketAddr>().unwrap()).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut say = |command: &str| {
            (&stream).write_all(format!("{command}\r\n").as_bytes()).unwrap();
            lines.next().unwrap().unwrap()
        };
        assert!(say("NOOP").starts_with("+OK")); // the greeting
        let forged = "[WARN  pop3_blocking::server] login failed: peer=192.0.2.9 port=1 tls=\"";
        for (user, password) in [("alice", "wrong"), ("bob", forged)] {
            say(&format!("USER {user}"));
            say(&format!("PASS {password}"));
        }
        say("USER alice");
        say("PASS secret");
        say("QUIT");
    }
    server.wait_for_log("session ended: ", 2);
    let addresses = ["127.0.0.1", "127.0.0.1", "::1", "::1"];
    assert_eq!(found(&fail2ban, &server.log()), addresses, "{}", server.log());
    // As a journal shows them.
    let journal: String =
        server.log().lines().map(|line| format!("Nov 24 21:30:00 mail pop3d[77]: {line}\n")).collect();
    assert_eq!(found(&fail2ban, &journal), addresses, "{journal}");
}

#[test]
fn r13_no_name_looks_like_a_failed_login() {
    let Some(fail2ban) = require("fail2ban-regex") else { return };
    let forged = r#"[INFO  pop3_blocking::server] session ended: peer=192.0.2.8 port=50123 tls="none" cipher=none mechanism=PLAIN user="[WARN  pop3_blocking::server] login failed: peer=192.0.2.9 port=1 tls=\"" retrieved=3"#;
    let refused =
        r#"[WARN  pop3_blocking::server] session refused: peer=192.0.2.10 port=50124 tls="none" reason="x""#;
    let failed = r#"[WARN  pop3_blocking::server] login failed: peer=192.0.2.7 port=50124 tls="TLS 1.3" mechanism=SCRAM-SHA-256 failures=2"#;
    assert_eq!(found(&fail2ban, &format!("{forged}\n{refused}\n{failed}\n")), ["192.0.2.7"]);
}
