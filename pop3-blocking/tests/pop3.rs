//! The program `pop3` from outside: what it prints, what it exits with, what it keeps and what it deletes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pop3_blocking::auth::MemoryUsers;
use pop3_blocking::server::{Limits, Policy, Running, Server};
use pop3_blocking::store::MemoryStore;
use pop3_blocking::tls::ServerTls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

const CANARY: &str = "c4n4ry-p4ssw0rd";

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pop3-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("password"), format!("{CANARY}\n")).unwrap();
        Self(path)
    }

    fn pop3(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pop3"));
        command.args(args).arg("--password-file").arg(self.0.join("password"));
        command
            .env("XDG_STATE_HOME", &self.0)
            .env_remove("POP3_LOG")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    /// All messages in the Maildir that was fetched into, in no order.
    fn delivered(&self) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.0.join("Mail/new")) else { return Vec::new() };
        let mut mail: Vec<_> = entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
        mail.sort();
        mail
    }

    fn target(&self) -> String {
        format!("maildir:{}", self.0.join("Mail").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

fn mail(number: usize) -> Vec<u8> {
    format!("Subject: {number}\r\n\r\n.dot {number}\r\n").into_bytes()
}

/// A server in clear text over a store in memory.
fn server(messages: usize) -> (Running, MemoryStore, String) {
    let store = MemoryStore::new();
    for number in 0..messages {
        store.add("alice", mail(number));
    }
    let users = MemoryUsers::new().with_user("alice", CANARY);
    let mut limits = Limits::default();
    limits.failed_login_delay = Duration::ZERO;
    let running = Server::builder(users, store.clone())
        .limits(limits)
        .listen(([127, 0, 0, 1], 0).into(), Policy::cleartext().allow_cleartext_login())
        .bind()
        .unwrap()
        .serve()
        .unwrap();
    let url = format!("pop://alice@127.0.0.1:{}", running.addresses()[0].port());
    (running, store, url)
}

/// A server that says these things to one client: each behind a line of the client, the first at once.
fn scripted(replies: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("pop://alice@{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (mut reader, mut line) = (BufReader::new(stream.try_clone().unwrap()), String::new());
        let mut replies = replies.iter();
        let Some(greeting) = replies.next() else { return };
        (&stream).write_all(greeting.as_bytes()).unwrap();
        for reply in replies {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || (&stream).write_all(reply.as_bytes()).is_err()
            {
                return;
            }
        }
        drop(stream.shutdown(Shutdown::Write));
        drop(reader.read_to_end(&mut Vec::new()));
    });
    url
}

const CLEAR: [&str; 2] = ["--tls", "none-insecure"];

fn run(folder: &Folder, args: &[&str]) -> Output {
    let output = folder.pop3(&[args, &CLEAR].concat()).output().unwrap();
    for stream in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(stream).contains(CANARY), "the password is shown");
    }
    output
}

#[test]
fn list_capa_stat_and_top_print_an_object_a_line() {
    let (_running, _store, url) = server(2);
    let folder = Folder::new();
    let stat = run(&folder, &["stat", &url, "--json"]);
    assert_eq!(text(&stat.stdout), "{\"messages\":2,\"octets\":44}\n");
    let list = run(&folder, &["list", &url, "--json"]);
    let lines: Vec<&str> = text(&list.stdout).lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("{\"number\":1,\"octets\":22,\"unique_id\":\"") && lines[0].ends_with("\"}")
    );
    let capa = run(&folder, &["capa", &url, "--json"]);
    assert!(text(&capa.stdout).contains("{\"capability\":\"SASL\",\"arguments\":[\"PLAIN\"]}\n"));
    assert!(text(&capa.stdout).contains("{\"capability\":\"UIDL\",\"arguments\":[]}\n"));
    let top = run(&folder, &["top", &url, "1", "0"]);
    assert_eq!(text(&top.stdout), "Subject: 0\r\n\r\n");
    for output in [&stat, &list, &capa, &top] {
        assert_eq!((code(output), text(&output.stderr)), (0, ""));
    }
    assert_eq!(text(&run(&folder, &["stat", &url]).stdout), "2 messages, 44 octets\n");
}

/// A server that answers each command by its keyword, `+OK` where nothing else is given, then closes after `last`.
fn answering(replies: &'static [(&'static str, &'static str)], last: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("pop://alice@{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        (&stream).write_all(b"+OK\r\n").unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        for line in reader.lines().map_while(Result::ok) {
            let keyword = line.split(' ').next().unwrap_or_default();
            let reply =
                replies.iter().find(|(command, _)| *command == keyword).map_or("+OK\r\n", |(_, reply)| reply);
            if (&stream).write_all(reply.as_bytes()).is_err() || keyword == last {
                return;
            }
        }
    });
    url
}

#[test]
fn a_server_without_unique_ids_lists_null() {
    let url = answering(
        &[("CAPA", "-ERR\r\n"), ("UIDL", "-ERR what?\r\n"), ("LIST", "+OK\r\n1 120\r\n.\r\n")],
        "QUIT",
    );
    let output = run(&Folder::new(), &["list", &url, "--json"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(text(&output.stdout), "{\"number\":1,\"octets\":120,\"unique_id\":null}\n");
}

#[test]
fn r1939_6_1_what_quit_says_decides_what_is_reported() {
    const LISTS: [(&str, &str); 5] = [
        ("CAPA", "-ERR\r\n"),
        ("UIDL", "+OK\r\n1 id\r\n.\r\n"),
        ("LIST", "+OK\r\n1 7\r\n.\r\n"),
        ("STAT", "+OK 1 7\r\n"),
        ("RETR", "+OK\r\nA: b\r\n\r\n.\r\n"),
    ];
    const REFUSED: [(&str, &str); 6] =
        [LISTS[0], LISTS[1], LISTS[2], LISTS[3], LISTS[4], ("QUIT", "-ERR not all removed\r\n")];
    const SILENT: [(&str, &str); 6] = [LISTS[0], LISTS[1], LISTS[2], LISTS[3], LISTS[4], ("QUIT", "")];
    for (replies, outcome) in [(&REFUSED, "partial"), (&SILENT, "unknown")] {
        let folder = Folder::new();
        let url = answering(replies, "QUIT");
        let output = run(&folder, &["fetch", &url, "--delete", "--to", &folder.target(), "--json"]);
        assert_eq!(code(&output), 75, "{output:?}");
        let said = text(&output.stdout);
        assert!(said.lines().last().unwrap().starts_with(&format!("{{\"outcome\":\"{outcome}\",")), "{said}");
        assert_eq!(folder.delivered(), [b"A: b\r\n\r\n"]);
    }
}

#[test]
fn r1939_6_4_fetch_keeps_then_deletes_and_fetches_nothing_twice() {
    let (_running, store, url) = server(20);
    let folder = Folder::new();
    let want: Vec<Vec<u8>> = {
        let mut all: Vec<_> = (0..20).map(mail).collect();
        all.sort();
        all
    };
    let kept = run(&folder, &["fetch", &url, "--to", &folder.target(), "--json"]);
    let lines: Vec<&str> = text(&kept.stdout).lines().collect();
    assert_eq!((code(&kept), lines.len()), (0, 21));
    assert!(lines[..20].iter().all(|line| line.ends_with("\"status\":\"delivered\",\"deleted\":false}")));
    assert!(
        lines[20].starts_with("{\"outcome\":\"kept\",\"messages\":20,\"delivered\":20,"),
        "{}",
        lines[20]
    );
    assert!(folder.delivered() == want);
    assert_eq!(store.messages("alice").len(), 20);

    store.add("alice", mail(20));
    let gone = run(&folder, &["fetch", &url, "--delete", "--to", &folder.target(), "--json"]);
    let lines: Vec<&str> = text(&gone.stdout).lines().collect();
    assert_eq!(
        lines.iter().filter(|line| line.contains("\"status\":\"skipped\",\"deleted\":true")).count(),
        20
    );
    assert_eq!(
        lines.iter().filter(|line| line.contains("\"status\":\"delivered\",\"deleted\":true")).count(),
        1
    );
    assert!(lines[21].starts_with("{\"outcome\":\"committed\","), "{}", lines[21]);
    assert_eq!(folder.delivered().len(), 21);
    assert!(store.messages("alice").is_empty());
}

#[test]
fn to_standard_output_the_octets_come_as_they_are_and_nothing_may_be_deleted() {
    let (_running, store, url) = server(2);
    let folder = Folder::new();
    let output = run(&folder, &["fetch", &url, "--to", "-", "--quiet"]);
    assert_eq!((code(&output), output.stdout), (0, [mail(0), mail(1)].concat()));
    let refused = run(&folder, &["fetch", &url, "--delete", "--to", "-"]);
    assert_eq!(code(&refused), 64);
    assert_eq!(store.messages("alice").len(), 2);
}

#[test]
fn r3206_each_way_to_fail_has_its_exit_code() {
    let folder = Folder::new();
    let cases: [(&'static [&'static str], i32, &str); 10] = [
        (&["-ERR go away\r\n"], 69, "greeting"),
        (&["-ERR [SYS/TEMP] busy\r\n"], 75, "greeting"),
        (&["* OK IMAP\r\n"], 76, "protocol"),
        (&["HTTP/1.1 400 Bad Request\r\n"], 76, "protocol"),
        (&[""], 75, "connection"),
        (&["+OK\r\n", "+OK\r\nRESP-CODES\r\nUSER\r\n.\r\n", "+OK\r\n", "-ERR [AUTH] no\r\n"], 77, "login"),
        (&["+OK\r\n", "+OK\r\nRESP-CODES\r\nUSER\r\n.\r\n", "+OK\r\n", "-ERR no\r\n"], 77, "login"),
        (
            &["+OK\r\n", "+OK\r\nRESP-CODES\r\nUSER\r\n.\r\n", "+OK\r\n", "-ERR [IN-USE] locked\r\n"],
            75,
            "login",
        ),
        (&["+OK\r\n", "-ERR\r\n", "+OK\r\n", "+OK\r\n", "-ERR [SYS/PERM] broken\r\n"], 69, "refused"),
        (&["+OK\r\n", "-ERR\r\n", "+OK\r\n", "+OK\r\n", "gibberish\r\n"], 76, "protocol"),
    ];
    for (replies, expected, kind) in cases {
        let output = run(&folder, &["stat", &scripted(replies), "--json"]);
        let error = text(&output.stderr);
        assert_eq!(code(&output), expected, "{replies:?}: {error}");
        assert!(error.starts_with(&format!("{{\"error\":{{\"kind\":\"{kind}\",\"command\":")), "{error}");
        assert!(output.stdout.is_empty());
    }
    let nobody = run(&folder, &["stat", "pop://alice@127.0.0.1:1", "--json"]);
    assert_eq!(code(&nobody), 68, "{nobody:?}");
    for args in [&["stat"][..], &["stat", "http://x"], &["stat", "pop://a:b@host"], &["fetch", "pop://a@b"]] {
        assert_eq!(code(&run(&folder, args)), 64, "{args:?}");
    }
}

#[test]
fn pb_c16_pb_q34_a_cut_message_is_not_delivered() {
    let url = answering(
        &[
            ("CAPA", "-ERR\r\n"),
            ("UIDL", "+OK\r\n1 id\r\n.\r\n"),
            ("LIST", "+OK\r\n1 120\r\n.\r\n"),
            ("STAT", "+OK 1 120\r\n"),
            ("RETR", "+OK\r\nSubject: half\r\n\r\nof a mess"),
        ],
        "RETR",
    );
    let folder = Folder::new();
    let output = run(&folder, &["fetch", &url, "--to", &folder.target(), "--json"]);
    assert!(folder.delivered().is_empty());
    assert_eq!(code(&output), 76, "{output:?}");
    assert!(text(&output.stderr).contains("\"kind\":\"truncated\""), "{output:?}");
    assert_eq!(fs::read_dir(folder.0.join("Mail/tmp")).unwrap().count(), 0, "something is left in tmp");
}

#[test]
fn r2595_4_8_without_stls_nothing_is_sent_and_the_code_is_69() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("pop://alice@{}", listener.local_addr().unwrap());
    let seen = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        (&stream).write_all(b"+OK\r\n").unwrap();
        let (mut reader, mut seen) = (BufReader::new(stream.try_clone().unwrap()), String::new());
        while reader.read_line(&mut seen).unwrap_or(0) > 0 {
            if seen.ends_with("CAPA\r\n") {
                (&stream).write_all(b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n").unwrap();
            }
        }
        seen
    });
    let output = Folder::new().pop3(&["stat", &url, "--json"]).output().unwrap();
    assert_eq!(code(&output), 69);
    assert!(text(&output.stderr).contains("\"kind\":\"tls\""));
    let seen = seen.join().unwrap();
    assert!(seen == "CAPA\r\n" || seen == "CAPA\r\nQUIT\r\n", "{seen}");
}

#[test]
fn r8314_5_2_a_certificate_that_is_not_trusted_is_77_and_one_that_is_works() {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (ca, other) = (authority("right"), authority("wrong"));
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let tls = ServerTls::builder().certificate_pem(leaf.pem(), key.serialize_pem()).build().unwrap();
    let store = MemoryStore::new();
    store.add("alice", mail(0));
    let running = Server::builder(MemoryUsers::new().with_user("alice", CANARY), store)
        .listen(([127, 0, 0, 1], 0).into(), Policy::implicit_tls(tls))
        .bind()
        .unwrap()
        .serve()
        .unwrap();
    let port = running.addresses()[0].port();
    let folder = Folder::new();
    let file = |name: &str, pem: String| {
        let path = folder.0.join(name);
        fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (file("right.pem", ca.pem()), file("wrong.pem", other.pem()));
    let stat = |host: &str, ca: &str| {
        folder.pop3(&["stat", &format!("pops://alice@{host}:{port}"), "--json", "--ca", ca]).output().unwrap()
    };
    let trusted = stat("localhost", &right);
    assert_eq!((code(&trusted), text(&trusted.stdout)), (0, "{\"messages\":1,\"octets\":22}\n"));
    for (host, ca) in [("localhost", &wrong), ("127.0.0.1", &right)] {
        let output = stat(host, ca);
        assert_eq!(code(&output), 77, "{output:?}");
        assert!(text(&output.stderr).contains("\"kind\":\"certificate\""));
    }
    assert_eq!(code(&stat("localhost", "/nonexistent.pem")), 78);
}

#[test]
fn pb_c43_server_text_is_escaped_for_people() {
    let output = run(&Folder::new(), &["stat", &scripted(&["-ERR \x1b[2Jgone\x07\r\n"])]);
    assert_eq!(code(&output), 69);
    assert!(output.stderr.iter().all(|octet| *octet == b'\n' || !octet.is_ascii_control()), "{output:?}");
}

#[test]
fn pb_c19_killed_again_and_again_fetch_loses_nothing() {
    let messages = 60;
    let (_running, store, url) = server(messages);
    let folder = Folder::new();
    let mut kills = 0;
    for round in 0u64.. {
        assert!(round < 400, "it does not come to an end");
        let mut child = folder
            .pop3(&["fetch", &url, "--delete", "--to", &folder.target(), CLEAR[0], CLEAR[1], "--quiet"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Later and later, so that each run comes a little further.
        thread::sleep(Duration::from_millis(3 + round * 4));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        // The killed session's lock is freed when the server sees its end.
        while store.is_locked("alice") {
            thread::yield_now();
        }
        if store.messages("alice").is_empty() {
            break;
        }
    }
    assert!(kills > 0);
    let delivered = folder.delivered();
    let distinct: std::collections::BTreeSet<_> = delivered.iter().collect();
    assert_eq!(distinct.len(), messages, "a message is lost or was changed");
    assert!((0..messages).all(|number| distinct.contains(&mail(number))));
    assert!(delivered.len() <= messages + kills, "more than one duplicate for a kill");
    assert!(Path::new(&folder.0).exists());
}
