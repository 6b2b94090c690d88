//! A Maildir moves from Dovecot to `pop3d`: clients that keep their mail on the server, and know by unique-ids what they have,
//! fetch nothing again, and go on with what comes after.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pop3_tests::peers::process::run;
use pop3_tests::peers::{Account, After, Certs, Client, Dovecot, TempDir, Tls, User};
use pop3_tests::pop3d::Pop3d;
use pop3_tests::programs::program;

const LIMIT: Duration = Duration::from_secs(120);
const MESSAGES: usize = 12;

fn message(number: usize) -> Vec<u8> {
    format!("Subject: {number}\n\nThe text of message {number}.\n").into_bytes()
}

fn user(messages: usize) -> [User<'static>; 1] {
    [User { name: "alice", password: "secret", messages: (1..=messages).map(message).collect() }]
}

/// Copies a Maildir with all that the server has left in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// Our client, which notes unique-ids in a journal of its own.
fn pop3(dir: &TempDir, port: u16) -> usize {
    let password = dir.file("password", "secret\n");
    let url = format!("pop://alice@localhost:{port}");
    let mut command = Command::new(program("pop3"));
    command.args(["fetch", &url, "--tls", "none-insecure", "--quiet"]).arg("--password-file").arg(password);
    command.arg("--to").arg(format!("maildir:{}", dir.join("pop3").display()));
    command.arg("--state").arg(dir.join("state"));
    let ended = run(&mut command, LIMIT, dir.path());
    assert_eq!(ended.code, Some(0), "{}", ended.output());
    fs::read_dir(dir.join("pop3/new")).unwrap().count()
}

#[test]
fn r1939_7_3_clients_of_dovecot_fetch_nothing_twice() {
    let certs = Certs::new();
    // Its ids are told in two forms, and kept in one of them.
    for settings in ["", "pop3_uidl_format = %v-%u\npop3_save_uidl = yes\n"] {
        let Some(dovecot) = Dovecot::start(&certs, &user(MESSAGES), settings) else { return };
        let (theirs, ours) = (TempDir::new("mpop"), TempDir::new("pop3"));
        let authority = certs.authority_file();
        // The new server is where the old one was.
        let port = dovecot.plain;
        let account = Account {
            port,
            tls: Tls::Off,
            authority: &authority,
            user: "alice",
            password: "secret",
            mechanism: None,
            identity: None,
        };
        let mpop = || {
            let fetched = Client::Mpop.fetch_into(&theirs, &account, After::Keep, LIMIT)?;
            fetched.expect_success();
            Some(fetched.messages.len())
        };
        if mpop().is_none() {
            return;
        }
        assert_eq!((mpop(), pop3(&ours, port)), (Some(MESSAGES), MESSAGES));

        let moved = TempDir::new("moved");
        let maildir: PathBuf = moved.join("Maildir");
        copy(&dovecot.maildir("alice"), &maildir);
        assert!(maildir.join("dovecot-uidlist").exists());
        drop(dovecot);
        let address = format!("127.0.0.1:{port}");
        let server = Pop3d::start_with(&user(0), &["--listen", &address, "--allow-cleartext-login"]);
        copy(&maildir, &server.maildir("alice"));
        assert_eq!(server.count("alice"), MESSAGES);
        let again = |count: usize| {
            assert_eq!((mpop(), pop3(&ours, port)), (Some(count), count), "{}", server.log());
        };
        again(MESSAGES);
        fs::write(server.maildir("alice").join("new/2000000000.M1P1.host"), message(MESSAGES + 1)).unwrap();
        again(MESSAGES + 1);
    }
}
