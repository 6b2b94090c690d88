//! `pop3d` over a Maildir with the corpus, judged by the mail clients of a Debian system: every client, in every TLS
//! mode, keeping and deleting. Messages are compared octet by octet with what RFC 1939 section 3 makes of the stored
//! ones; a client is excused only from what it is known to do to a message.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pop3_tests::matrix::{Compared, Matrix, version};
use pop3_tests::peers::corpus::{Message, corpus, huge};
use pop3_tests::peers::process::{Finished, run};
use pop3_tests::peers::{Account, After, Certs, Client, TempDir, Tls, User, require};
use pop3_tests::pop3d::Pop3d;

const LIMIT: Duration = Duration::from_secs(120);
const USER: &str = "alice";
const PASSWORD: &str = "s3cret word";

fn alice(messages: &[Message]) -> [User<'static>; 1] {
    let messages = messages.iter().map(|message| message.stored.clone()).collect();
    [User { name: USER, password: PASSWORD, messages }]
}

fn account<'a>(server: &Pop3d, authority: &'a Path, tls: Tls) -> Account<'a> {
    let port = if tls == Tls::Implicit { server.implicit } else { server.plain };
    Account { port, tls, authority, user: USER, password: PASSWORD, mechanism: None, identity: None }
}

/// Compares what a client delivered with what it should have, and names the first message that differs.
#[track_caller]
fn compare(client: Client, corpus: &[Message], delivered: &[Vec<u8>]) -> usize {
    assert_eq!(delivered.len(), corpus.len(), "messages delivered");
    let mut octets = 0;
    for (message, delivered) in corpus.iter().zip(delivered) {
        let expected = client.delivers(&message.sent_with_separator());
        let tail = |octets: &[u8]| octets[octets.len().saturating_sub(300)..].escape_ascii().to_string();
        assert!(
            *delivered == expected,
            "{}: {} octets, expected {}\n{}\n{}",
            message.name,
            delivered.len(),
            expected.len(),
            tail(delivered),
            tail(&expected),
        );
        octets += delivered.len();
    }
    octets
}

fn version_of(client: Client) -> String {
    let program = match client {
        Client::Poplib => "python3",
        _ => client.name(),
    };
    version(Command::new(program).arg("--version"))
}

/// One client in each mode: keeps, keeps again, deletes.
fn rows_of(client: Client) -> Matrix {
    let mut matrix = Matrix::new();
    let program = if client == Client::Poplib { "python3" } else { client.name() };
    if require(program).is_none() {
        return matrix;
    }
    let peer = (client.name(), &*version_of(client));
    let certs = Certs::new();
    let authority = certs.authority_file();
    let all = corpus();
    let fit: Vec<Message> =
        all.iter().filter(|message| message.excuse(client.name()).is_none()).cloned().collect();
    let excused = all.len() - fit.len();
    let modes = [(Tls::Implicit, "implicit TLS"), (Tls::StartTls, "STLS"), (Tls::Off, "clear")];
    for (tls, mode) in modes.into_iter().filter(|&(tls, _)| client.speaks(tls)) {
        let server = Pop3d::start(&certs, &alice(&fit), &[]);
        let account = account(&server, &authority, tls);
        let before = server.stored(USER);
        let dir = TempDir::new(client.name());
        matrix.check(peer, format!("{mode}, keep"), || {
            let fetched = client.fetch_into(&dir, &account, After::Keep, LIMIT).unwrap();
            fetched.expect_success();
            let octets = compare(client, &fit, &fetched.messages);
            assert!(server.stored(USER) == before, "the Maildir changed");
            Compared { messages: fit.len(), octets, excused }
        });
        if client.remembers() {
            matrix.check(peer, format!("{mode}, nothing new"), || {
                let fetched = client.fetch_into(&dir, &account, After::Keep, LIMIT).unwrap();
                // fetchmail tells by 1 that there was no mail.
                let expected = if client == Client::Fetchmail { 1 } else { 0 };
                assert_eq!(fetched.ended.code, Some(expected), "{}", fetched.ended.output());
                assert_eq!(fetched.messages.len(), fit.len(), "some were fetched twice");
                assert!(server.stored(USER) == before, "the Maildir changed");
                Compared::default()
            });
        }
        matrix.check(peer, format!("{mode}, delete"), || {
            let fetched = client.fetch(&account, After::Delete, LIMIT).unwrap();
            fetched.expect_success();
            let octets = compare(client, &fit, &fetched.messages);
            assert_eq!(server.count(USER), 0, "messages left: {}", server.log());
            Compared { messages: fit.len(), octets, excused }
        });
    }
    matrix
}

/// The matrix: prints it at its end.
#[test]
fn every_client_in_every_mode() {
    let mut matrix = Matrix::new();
    std::thread::scope(|scope| {
        let threads = Client::ALL.map(|client| scope.spawn(move || rows_of(client)));
        for thread in threads {
            matrix.append(thread.join().unwrap());
        }
    });
    matrix.finish("clients that fetched from pop3d");
}

#[test]
fn a_message_of_100_mib_to_curl_and_mpop() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let message = Message { name: "huge", stored: huge(100 << 20), unfit: &[] };
    let server = Pop3d::start(&certs, &alice(std::slice::from_ref(&message)), &[]);
    for (client, after) in [(Client::Curl, After::Keep), (Client::Mpop, After::Delete)] {
        let account = account(&server, &authority, Tls::Implicit);
        let Some(fetched) = client.fetch(&account, after, LIMIT) else { return };
        fetched.expect_success();
        compare(client, std::slice::from_ref(&message), &fetched.messages);
    }
    assert_eq!(server.count(USER), 0);
}

#[test]
fn every_client_is_told_of_a_wrong_password() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let server = Pop3d::start(&certs, &alice(&corpus()[..1]), &[]);
    for client in Client::ALL {
        let mut account = account(&server, &authority, Tls::Implicit);
        account.password = "wrong";
        let Some(fetched) = client.fetch(&account, After::Delete, LIMIT) else { continue };
        assert!(!fetched.ended.timed_out, "{}", client.name());
        assert_ne!(fetched.ended.code, Some(0), "{}: {}", client.name(), fetched.ended.output());
        assert!(fetched.messages.is_empty(), "{}", client.name());
    }
    assert_eq!(server.count(USER), 1);
}

/// Many short messages of different lengths.
fn many(count: usize) -> Vec<Message> {
    (0..count)
        .map(|i| {
            let stored =
                format!("Subject: {i}\nMessage-ID: <{i}@example.test>\n\n{}\n.\n", "x".repeat(i % 70));
            Message { name: "one of many", stored: stored.into_bytes(), unfit: &[] }
        })
        .collect()
}

#[test]
fn a_maildrop_of_10_000_messages_to_mpop_and_curl() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let corpus = many(10_000);
    let server = Pop3d::start(&certs, &alice(&corpus), &[]);
    if let Some(curl) = require("curl") {
        let dir = TempDir::new("curl");
        let listing = ask_curl(&curl, &dir, &server, &authority, &[]);
        let sizes: Vec<&str> = listing.lines().collect();
        assert_eq!(sizes.len(), corpus.len());
        for (i, (line, message)) in sizes.iter().zip(&corpus).enumerate() {
            assert_eq!(*line, format!("{} {}", i + 1, message.sent_with_separator().len()));
        }
        let unique_ids = ask_curl(&curl, &dir, &server, &authority, &["-X", "UIDL"]);
        let mut ids: Vec<&str> = unique_ids.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(ids.len(), corpus.len());
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), corpus.len(), "unique-ids are unique");
    }
    let account = account(&server, &authority, Tls::Implicit);
    let Some(fetched) = Client::Mpop.fetch(&account, After::Delete, LIMIT) else { return };
    fetched.expect_success();
    compare(Client::Mpop, &corpus, &fetched.messages);
    assert_eq!(server.count(USER), 0);
}

/// What curl writes of a transfer over implicit TLS, CR removed.
#[track_caller]
fn ask_curl(curl: &Path, dir: &TempDir, server: &Pop3d, authority: &Path, options: &[&str]) -> String {
    let mut command = Command::new(curl);
    command.args(["-q", "--silent", "--show-error", "--noproxy", "*"]).arg("--cacert").arg(authority);
    command.args(["--user", &format!("{USER}:{PASSWORD}")]).args(options);
    command.arg(format!("pop3s://localhost:{}/", server.implicit));
    let ended = run(&mut command, LIMIT, dir.path());
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    String::from_utf8(ended.stdout).unwrap().replace('\r', "")
}

/// What `openssl s_client` shows of the handshake; it sends QUIT after that.
fn s_client(openssl: &Path, port: u16, authority: &Path, options: &[&str]) -> Finished {
    let dir = TempDir::new("s_client");
    // The shell's pipe is the standard input that `run` does not give; -ign_eof keeps the client until the server ends.
    let script = "printf 'QUIT\\r\\n' | exec \"$0\" s_client -ign_eof -verify_return_error \"$@\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).arg(openssl).args(["-connect", &format!("127.0.0.1:{port}")]);
    command.args(["-servername", "localhost", "-verify_hostname", "localhost", "-CAfile"]).arg(authority);
    run(command.args(options), LIMIT, dir.path())
}

#[test]
fn r8314_4_1_r8314_4_2_r7301_3_2_as_openssl_sees_them() {
    let Some(openssl) = require("openssl") else { return };
    let certs = Certs::new();
    let authority = certs.authority_file();
    let authority_path = authority.to_str().unwrap();
    let asking = Pop3d::start(&certs, &alice(&[]), &["--client-ca", authority_path]);
    let server = Pop3d::start(&certs, &alice(&[]), &[]);
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        for (server, asks) in [(&server, false), (&asking, true)] {
            let implicit =
                s_client(&openssl, server.implicit, &authority, &[version, "-alpn", "pop3", "-msg"]);
            let stls = s_client(&openssl, server.plain, &authority, &[version, "-starttls", "pop3", "-msg"]);
            for (ended, mode) in [(&implicit, "implicit"), (&stls, "stls")] {
                let seen = ended.output();
                assert_eq!(ended.code, Some(0), "{name} {mode}: {seen}");
                assert!(seen.contains(name), "{name} {mode}: {seen}");
                assert!(seen.contains("Verify return code: 0 (ok)"), "{name} {mode}: {seen}");
                assert_eq!(seen.contains("CertificateRequest"), asks, "{name} {mode}: {seen}");
                // close_notify from the server, behind its reply to QUIT.
                assert!(seen.contains("+OK"), "{name} {mode}: {seen}");
                let mut received = seen.lines().filter(|line| line.starts_with("<<<"));
                let last = received.next_back().unwrap_or_default();
                assert!(last.contains("Alert") && last.contains("close_notify"), "{name} {mode}: {seen}");
            }
            assert!(implicit.output().contains("ALPN protocol: pop3"), "{name}: {}", implicit.output());
        }
        let other = s_client(&openssl, server.implicit, &authority, &[version, "-alpn", "imap"]);
        assert_ne!(other.code, Some(0), "{name}: {}", other.output());
    }
    let old = s_client(&openssl, server.implicit, &authority, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert_ne!(old.code, Some(0), "{}", old.output());
}

/// Writes the certificate and key of a client, and gives their paths.
fn identity(dir: &TempDir, certs: &Certs, address: &str) -> (PathBuf, PathBuf) {
    let identity = certs.client_with_email(address);
    let file = |end: &str, text: &str| dir.file(format!("{address}.{end}"), text);
    (file("pem", &identity.certificate), file("key", &identity.key))
}

#[test]
fn r4422_a_2_external_curl_and_mpop_log_in_by_certificate() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let user = "alice@example.test";
    let corpus = &corpus()[..2];
    let users = [User { name: user, ..alice(corpus)[0].clone() }];
    let server = Pop3d::start(&certs, &users, &["--client-ca", authority.to_str().unwrap()]);
    let dir = TempDir::new("external");
    let known = identity(&dir, &certs, user);
    let unknown = identity(&dir, &certs, "mallory@example.test");

    if let Some(curl) = require("curl") {
        let fetch = |(certificate, key): &(PathBuf, PathBuf)| {
            let mut command = Command::new(&curl);
            command.args(["-q", "--silent", "--show-error", "--noproxy", "*"]);
            command.arg("--cacert").arg(&authority).arg("--cert").arg(certificate).arg("--key").arg(key);
            command.args(["--login-options", "AUTH=EXTERNAL", "--user", &format!("{user}:")]);
            run(command.arg(format!("pop3s://localhost:{}/2", server.implicit)), LIMIT, dir.path())
        };
        let ended = fetch(&known);
        assert_eq!(ended.code, Some(0), "{} {}", ended.output(), server.log());
        assert!(ended.stdout == corpus[1].sent_with_separator());
        // 67: the server denied the login.
        let ended = fetch(&unknown);
        assert_eq!(ended.code, Some(67), "{}", ended.output());
        assert!(ended.stdout.is_empty());
    }
    if let Some(mpop) = require("mpop") {
        for part in ["cur", "new", "tmp"] {
            dir.subdir(format!("mail/{part}"));
        }
        let fetch = |(certificate, key): &(PathBuf, PathBuf)| {
            let mut command = Command::new(&mpop);
            let port = format!("--port={}", server.implicit);
            command.args(["--host=localhost", &port, "--tls=on", "--tls-starttls=off", "--keep=on"]);
            let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
            command.arg(option("tls-trust-file", &authority));
            command.arg(option("tls-cert-file", certificate)).arg(option("tls-key-file", key));
            command.args(["--auth=external", &format!("--user={user}"), "--quiet"]);
            command.arg(option("uidls-file", &dir.join("uidls")));
            command.arg(format!("--delivery=maildir,{}", dir.join("mail").display()));
            run(&mut command, LIMIT, dir.path())
        };
        let ended = fetch(&known);
        assert_eq!(ended.code, Some(0), "{} {}", ended.output(), server.log());
        assert_eq!(std::fs::read_dir(dir.join("mail/new")).unwrap().count(), corpus.len());
        let ended = fetch(&unknown);
        assert_ne!(ended.code, Some(0), "{}", ended.output());
    }
}
