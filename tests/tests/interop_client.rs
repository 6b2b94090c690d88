//! Our client against real servers: Dovecot (in the clear, STLS, TLS), popa3d and GNU mailutils; pipelined and one at a
//! time, keep and delete; each octet as the server is known to send it. The table is printed at the end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

use pop3_blocking::client::{ClientOptions, Connection, Error, Outcome, Session};
use pop3_blocking::pop3_proto::CodeKind;
use pop3_blocking::tls::ClientTls;
use pop3_tests::matrix::{Compared, Matrix, version};
use pop3_tests::peers::corpus::{Message, corpus};
use pop3_tests::peers::{Certs, Dovecot, Mailutils, Popa3d, TempDir, Tls, User, require};
use pop3_tests::programs::program;

const PASSWORD: &str = "s3cret word";

fn fit(server: &str) -> (Vec<Message>, usize) {
    let all = corpus();
    let count = all.len();
    let fit: Vec<Message> = all.into_iter().filter(|message| message.excuse(server).is_none()).collect();
    let excused = count - fit.len();
    (fit, excused)
}

fn alice(messages: &[Message]) -> [User<'static>; 1] {
    let messages = messages.iter().map(|message| message.stored.clone()).collect();
    [User { name: "alice", password: PASSWORD, messages }]
}

fn options(pipelining: bool) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.pipelining = pipelining;
    options
}

fn connect(certs: &Certs, port: u16, tls: Tls, pipelining: bool) -> Connection {
    let trust = || ClientTls::builder().ca_file(certs.authority_file()).build().unwrap();
    match tls {
        Tls::Implicit => Connection::connect_tls("localhost", port, &trust(), options(pipelining)).unwrap(),
        Tls::StartTls => Connection::connect_stls("localhost", port, &trust(), options(pipelining)).unwrap(),
        Tls::Off => {
            let mut connection =
                Connection::connect_cleartext("localhost", port, options(pipelining)).unwrap();
            connection.allow_cleartext_login();
            connection
        }
    }
}

fn log_in(certs: &Certs, port: u16, tls: Tls, pipelining: bool) -> Session {
    let connection = connect(certs, port, tls, pipelining);
    assert_eq!(connection.tls().is_some(), tls != Tls::Off);
    connection.login("alice", PASSWORD).unwrap()
}

/// A whole session: listings agree with one another, each message comes whole, `TOP` is its head, and what is deleted is
/// gone after `QUIT`.
fn whole(
    mut session: Session,
    expected: &[Vec<u8>],
    excused: usize,
    delete: bool,
    own: impl Fn(&[u8]) -> Vec<u8>,
) -> Compared {
    let listed = session.list().unwrap();
    let ids = session.unique_ids().unwrap();
    assert_eq!(session.stat().unwrap().messages as usize, expected.len());
    assert_eq!((listed.len(), ids.len()), (expected.len(), expected.len()));
    assert!(listed.iter().map(|l| l.number).eq(ids.iter().map(|id| id.number)));

    let mut compared = Compared { messages: expected.len(), octets: 0, excused };
    let numbers: Vec<_> = listed.iter().map(|listing| listing.number).collect();
    let mut arrived = Vec::new();
    session
        .retrieve_each::<Error>(numbers.iter().copied(), |_, message| {
            let mut octets = Vec::new();
            message.unwrap().copy_to(&mut octets)?;
            arrived.push(octets);
            Ok(())
        })
        .unwrap();
    for (got, want) in arrived.iter().zip(expected) {
        let got = own(got);
        let tail = |octets: &[u8]| octets[octets.len().saturating_sub(200)..].escape_ascii().to_string();
        assert!(
            got == *want,
            "{} octets, expected {}\n{}\n{}",
            got.len(),
            want.len(),
            tail(&got),
            tail(want)
        );
        compared.octets += got.len();
    }
    let first = session.top(numbers[0], 0).unwrap().into_vec().unwrap();
    assert!(!first.is_empty() && first.len() <= arrived[0].len() + 64);
    if delete {
        session
            .delete_each(numbers.iter().copied(), |number, marked| assert!(marked.is_ok(), "{number}"))
            .unwrap();
        assert!(session.retrieve(numbers[0]).is_err_and(|error| matches!(error, Error::Refused(_))));
    }
    assert!(matches!(session.quit(), Outcome::Committed));
    compared
}

#[test]
fn our_client_brings_the_corpus_from_real_servers() {
    let mut matrix = Matrix::new();
    let certs = Certs::new();

    let (corpus, excused) = fit("dovecot");
    if let Some(server) = Dovecot::start(&certs, &alice(&corpus), "") {
        let version = version(Command::new("dovecot").arg("--version"));
        let expected: Vec<Vec<u8>> = corpus.iter().map(|message| Dovecot::sends(&message.stored)).collect();
        for (mode, port, tls, pipelining, delete) in [
            ("plain, pipelined, keep", server.plain, Tls::Off, true, false),
            ("plain, one at a time, keep", server.plain, Tls::Off, false, false),
            ("STLS, pipelined, keep", server.plain, Tls::StartTls, true, false),
            ("TLS, one at a time, keep", server.implicit, Tls::Implicit, false, false),
            ("TLS, pipelined, delete", server.implicit, Tls::Implicit, true, true),
        ] {
            matrix.check(("dovecot", &version), mode, || {
                let compared =
                    whole(log_in(&certs, port, tls, pipelining), &expected, excused, delete, <[u8]>::to_vec);
                assert_eq!(server.count("alice"), if delete { 0 } else { expected.len() });
                compared
            });
        }
    }

    let (corpus, excused) = fit("popa3d");
    if let Some(server) = Popa3d::start(&alice(&corpus)) {
        let expected: Vec<Vec<u8>> = corpus.iter().map(|message| Popa3d::sends(&message.stored)).collect();
        for (mode, delete) in [("plain, keep", false), ("plain, delete", true)] {
            matrix.check(("popa3d", "1.0.3"), mode, || {
                let session = log_in(&certs, server.port(), Tls::Off, true);
                whole(session, &expected, excused, delete, <[u8]>::to_vec)
            });
        }
    }

    let (corpus, excused) = fit("mailutils");
    if let Some(server) = Mailutils::start(&certs, &alice(&corpus)) {
        let expected: Vec<Vec<u8>> = corpus.iter().map(|message| Mailutils::sends(&message.stored)).collect();
        for (mode, delete) in [("plain, keep", false), ("plain, delete", true)] {
            matrix.check(("mailutils", "3.15"), mode, || {
                let session = log_in(&certs, server.plain(), Tls::Off, true);
                whole(session, &expected, excused, delete, Mailutils::without_x_uidl)
            });
        }
    }
    matrix.finish("our client and real servers");
}

#[test]
fn ten_thousand_messages_come_from_dovecot_with_pipelining() {
    let certs = Certs::new();
    let messages: Vec<Vec<u8>> =
        (0..10_000).map(|i| format!("Subject: {i}\n\nmessage {i}\n.\n..dots\n").into_bytes()).collect();
    let expected: Vec<Vec<u8>> = messages.iter().map(|message| Dovecot::sends(message)).collect();
    let users = [User { name: "alice", password: PASSWORD, messages }];
    let Some(server) = Dovecot::start(&certs, &users, "") else { return };
    let session = log_in(&certs, server.implicit, Tls::Implicit, true);
    assert_eq!(whole(session, &expected, 0, true, <[u8]>::to_vec).messages, 10_000);
    assert_eq!(server.count("alice"), 0);
}

#[test]
fn r3206_a_wrong_password_at_dovecot_is_told_as_such() {
    let certs = Certs::new();
    let (corpus, _) = fit("dovecot");
    let Some(server) = Dovecot::start(&certs, &alice(&corpus[..1]), "") else { return };
    let connection = connect(&certs, server.implicit, Tls::Implicit, true);
    let failed = connection.login("alice", "wrong").unwrap_err();
    assert_eq!(failed.error.refused().and_then(|refused| refused.code), Some(CodeKind::Auth));
}

#[test]
fn the_program_moves_a_dovecot_maildrop_into_a_maildir_once() {
    let certs = Certs::new();
    let (corpus, _) = fit("dovecot");
    let Some(server) = Dovecot::start(&certs, &alice(&corpus), "") else { return };
    let dir = TempDir::new("pop3");
    let password = dir.file("password", format!("{PASSWORD}\n"));
    let fetch = |after: &str| {
        let output = Command::new(program("pop3"))
            .args(["fetch", &format!("pops://alice@localhost:{}", server.implicit), after, "--json", "--to"])
            .arg(format!("maildir:{}", dir.join("Mail").display()))
            .args(["--state", dir.join("state").to_str().unwrap()])
            .args(["--ca", certs.authority_file().to_str().unwrap()])
            .args(["--password-file", password.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let delivered = || {
        let mut paths: Vec<_> =
            std::fs::read_dir(dir.join("Mail/new")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    let sorted = |mut mail: Vec<Vec<u8>>| {
        mail.sort();
        mail
    };
    let expected = sorted(corpus.iter().map(|message| Dovecot::sends(&message.stored)).collect());
    assert!(fetch("--keep").ends_with(&format!(
        "{{\"outcome\":\"kept\",\"messages\":{0},\"delivered\":{0},\"skipped\":0,\"failed\":0,\"deleted\":0,\"octets\":{1}}}\n",
        corpus.len(),
        expected.iter().map(Vec::len).sum::<usize>(),
    )));
    assert!(sorted(delivered()) == expected);
    assert!(fetch("--delete").contains("\"outcome\":\"committed\""));
    assert!(sorted(delivered()) == expected, "a second run delivered something again");
    assert_eq!(server.count("alice"), 0);
    assert!(require("dovecot").is_some());
}
