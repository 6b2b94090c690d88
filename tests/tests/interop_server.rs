//! Our server `pop3d` against real clients: curl, mpop, fetchmail, getmail6 and Python's poplib fetch the corpus in the
//! clear, by STLS and by TLS, keep and delete; each octet as it should be. The table is printed at the end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::time::Duration;

use pop3_tests::matrix::{Compared, Matrix, version};
use pop3_tests::peers::corpus::{Message, corpus};
use pop3_tests::peers::{Account, After, Certs, Client, TempDir, Tls, User, require};
use pop3_tests::pop3d::Pop3d;

const LIMIT: Duration = Duration::from_secs(180);

fn fit(client: Client) -> (Vec<Message>, usize) {
    let all = corpus();
    let count = all.len();
    let fit: Vec<Message> =
        all.into_iter().filter(|message| message.excuse(client.name()).is_none()).collect();
    let excused = count - fit.len();
    (fit, excused)
}

fn alice(messages: &[Message]) -> [User<'static>; 1] {
    let messages = messages.iter().map(|message| message.stored.clone()).collect();
    [User { name: "alice", password: "s3cret word", messages }]
}

fn account(authority: &Path, port: u16, tls: Tls) -> Account<'_> {
    Account { port, tls, authority, user: "alice", password: "s3cret word" }
}

/// What one client brought over is what is stored, as this server must send it.
fn compare(client: Client, corpus: &[Message], delivered: &[Vec<u8>], excused: usize) -> Compared {
    assert_eq!(delivered.len(), corpus.len(), "{}: number of messages", client.name());
    let mut compared = Compared { messages: corpus.len(), octets: 0, excused };
    for (message, delivered) in corpus.iter().zip(delivered) {
        let expected = client.delivers(&message.sent_with_separator());
        let tail = |octets: &[u8]| octets[octets.len().saturating_sub(200)..].escape_ascii().to_string();
        assert!(*delivered == expected, "{}: {}\n{}", message.name, tail(delivered), tail(&expected));
        compared.octets += delivered.len();
    }
    compared
}

fn rows(client: Client, matrix: &mut Matrix) {
    let Some(program) = require(if client == Client::Poplib { "python3" } else { client.name() }) else {
        return;
    };
    let version = version(std::process::Command::new(program).arg("--version"));
    let certs = Certs::new();
    let authority = certs.authority_file();
    let (corpus, excused) = fit(client);
    let server = Pop3d::start(&certs, &alice(&corpus), &[]);
    let ways = [
        ("plain, keep", server.plain, Tls::Off, After::Keep),
        ("STLS, keep", server.plain, Tls::StartTls, After::Keep),
        ("TLS, keep", server.implicit, Tls::Implicit, After::Keep),
        ("TLS, delete", server.implicit, Tls::Implicit, After::Delete),
    ];
    for (mode, port, tls, after) in ways.into_iter().filter(|(_, _, tls, _)| client.speaks(*tls)) {
        matrix.check((client.name(), &version), mode, || {
            let stored = server.stored("alice");
            assert_eq!(stored.len(), corpus.len());
            let dir = TempDir::new(client.name());
            let fetched = client.fetch_into(&dir, &account(&authority, port, tls), after, LIMIT).unwrap();
            fetched.expect_success();
            let compared = compare(client, &corpus, &fetched.messages, excused);
            match after {
                After::Delete => assert_eq!(server.count("alice"), 0, "{}", server.log()),
                After::Keep => {
                    assert!(server.stored("alice") == stored, "the Maildir was changed");
                    if client.remembers() {
                        let again =
                            client.fetch_into(&dir, &account(&authority, port, tls), after, LIMIT).unwrap();
                        assert_eq!(
                            again.messages.len(),
                            corpus.len(),
                            "a second run fetched something again"
                        );
                    }
                }
            }
            compared
        });
    }
}

#[test]
fn every_client_brings_the_corpus_from_our_server() {
    let mut matrix = Matrix::new();
    for client in Client::ALL {
        rows(client, &mut matrix);
    }
    matrix.finish("our server and real clients");
}

#[test]
fn a_maildrop_of_10_000_messages_comes_over_with_pipelining() {
    if require("mpop").is_none() {
        return;
    }
    let certs = Certs::new();
    let authority = certs.authority_file();
    let messages: Vec<Vec<u8>> =
        (0..10_000).map(|i| format!("Subject: {i}\n\nmessage {i}\n.\n..dots\n").into_bytes()).collect();
    let expected: Vec<Vec<u8>> = messages.clone();
    let server = Pop3d::start(&certs, &[User { name: "alice", password: "s3cret word", messages }], &[]);
    let account = account(&authority, server.implicit, Tls::Implicit);
    let fetched = Client::Mpop.fetch(&account, After::Delete, LIMIT).unwrap();
    fetched.expect_success();
    assert_eq!(fetched.messages.len(), expected.len());
    for (got, stored) in fetched.messages.iter().zip(&expected) {
        assert_eq!(*got, Client::Mpop.delivers(&pop3_tests::peers::corpus::sent(stored)));
    }
    assert_eq!(server.count("alice"), 0);
}

#[test]
fn every_client_tells_of_a_wrong_password_and_takes_nothing() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let (corpus, _) = fit(Client::Curl);
    let server = Pop3d::start(&certs, &alice(&corpus[..1]), &[]);
    for client in Client::ALL {
        let mut account = account(&authority, server.implicit, Tls::Implicit);
        account.password = "wrong";
        let Some(fetched) = client.fetch(&account, After::Delete, LIMIT) else { continue };
        assert!(!fetched.ended.timed_out, "{}", client.name());
        assert_ne!(fetched.ended.code, Some(0), "{}: {}", client.name(), fetched.ended.output());
        assert!(fetched.messages.is_empty(), "{}", client.name());
    }
    assert_eq!(server.count("alice"), 1);
}
