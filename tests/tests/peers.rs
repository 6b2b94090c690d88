//! The harness for real peers, judged by peers alone: every client brings the corpus from every server it can speak to,
//! each octet as the two are known to treat it. What fails here is the harness, or a peer's version it does not know.

use std::path::Path;
use std::time::Duration;

use pop3_tests::peers::corpus::{Message, corpus, huge};
use pop3_tests::peers::{Account, After, Certs, Client, Dovecot, Mailutils, Popa3d, Tls, User};

const LIMIT: Duration = Duration::from_secs(120);

/// The messages that are a fair test for all of `peers`.
fn fit(peers: &[&str]) -> Vec<Message> {
    corpus().into_iter().filter(|message| peers.iter().all(|peer| message.excuse(peer).is_none())).collect()
}

fn alice(messages: &[Message]) -> [User<'static>; 1] {
    let messages = messages.iter().map(|message| message.stored.clone()).collect();
    [User { name: "alice", password: "s3cret word", messages }]
}

fn account(authority: &Path, port: u16, tls: Tls) -> Account<'_> {
    Account { port, tls, authority, user: "alice", password: "s3cret word", mechanism: None, identity: None }
}

/// Compares what a client delivered with what it should have, and names the first message that differs.
#[track_caller]
fn compare(client: Client, corpus: &[Message], delivered: &[Vec<u8>], sent: impl Fn(&Message) -> Vec<u8>) {
    assert_eq!(delivered.len(), corpus.len(), "{}", client.name());
    for (message, delivered) in corpus.iter().zip(delivered) {
        let expected = client.delivers(&sent(message));
        let tail = |octets: &[u8]| octets[octets.len().saturating_sub(300)..].escape_ascii().to_string();
        assert!(
            *delivered == expected,
            "{}, {}: {} octets, expected {}\n{}\n{}",
            client.name(),
            message.name,
            delivered.len(),
            expected.len(),
            tail(delivered),
            tail(&expected),
        );
    }
}

/// One client against Dovecot: in the clear, by STLS and by TLS; the last time it deletes.
fn from_dovecot(client: Client) {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let corpus = fit(&["dovecot", client.name()]);
    let Some(server) = Dovecot::start(&certs, &alice(&corpus), "") else { return };
    let ways = [
        (server.plain, Tls::Off, After::Keep),
        (server.plain, Tls::StartTls, After::Keep),
        (server.implicit, Tls::Implicit, After::Delete),
    ];
    for (port, tls, after) in ways.into_iter().filter(|(_, tls, _)| client.speaks(*tls)) {
        assert_eq!(server.count("alice"), corpus.len());
        let Some(fetched) = client.fetch(&account(&authority, port, tls), after, LIMIT) else { return };
        fetched.expect_success();
        compare(client, &corpus, &fetched.messages, |message| Dovecot::sends(&message.stored));
    }
    assert_eq!(server.count("alice"), 0, "{}", server.log());
}

#[test]
fn dovecot_to_curl() {
    from_dovecot(Client::Curl);
}

#[test]
fn dovecot_to_mpop() {
    from_dovecot(Client::Mpop);
}

#[test]
fn dovecot_to_fetchmail() {
    from_dovecot(Client::Fetchmail);
}

#[test]
fn dovecot_to_getmail() {
    from_dovecot(Client::Getmail);
}

#[test]
fn dovecot_to_poplib() {
    from_dovecot(Client::Poplib);
}

#[test]
fn dovecot_to_curl_100_mib() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let message = Message { name: "huge", stored: huge(100 << 20), unfit: &[] };
    let Some(server) = Dovecot::start(&certs, &alice(std::slice::from_ref(&message)), "") else { return };
    let account = account(&authority, server.implicit, Tls::Implicit);
    let Some(fetched) = Client::Curl.fetch(&account, After::Keep, LIMIT) else { return };
    fetched.expect_success();
    compare(Client::Curl, &[message], &fetched.messages, Message::sent);
}

#[test]
fn dovecot_refuses_a_wrong_password_and_every_client_tells() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let Some(server) = Dovecot::start(&certs, &alice(&fit(&[])[..1]), "") else { return };
    for client in Client::ALL {
        let mut account = account(&authority, server.plain, Tls::Off);
        account.password = "wrong";
        let Some(fetched) = client.fetch(&account, After::Delete, LIMIT) else { continue };
        assert!(!fetched.ended.timed_out, "{}", client.name());
        assert_ne!(fetched.ended.code, Some(0), "{}: {}", client.name(), fetched.ended.output());
        assert!(fetched.messages.is_empty(), "{}", client.name());
    }
    assert_eq!(server.count("alice"), 1);
}

#[test]
fn no_client_trusts_another_authority() {
    let (certs, other) = (Certs::new(), Certs::new());
    let authority = other.authority_file();
    let Some(server) = Dovecot::start(&certs, &alice(&fit(&[])[..1]), "") else { return };
    for client in Client::ALL {
        let Some(fetched) =
            client.fetch(&account(&authority, server.implicit, Tls::Implicit), After::Delete, LIMIT)
        else {
            continue;
        };
        assert_ne!(fetched.ended.code, Some(0), "{}: {}", client.name(), fetched.ended.output());
        assert!(fetched.messages.is_empty(), "{}", client.name());
    }
    assert_eq!(server.count("alice"), 1);
}

#[test]
fn popa3d_to_curl_and_mpop() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let corpus = fit(&["popa3d"]);
    let Some(server) = Popa3d::start(&alice(&corpus)) else { return };
    for (client, after) in [(Client::Curl, After::Keep), (Client::Mpop, After::Delete)] {
        let Some(fetched) = client.fetch(&account(&authority, server.port(), Tls::Off), after, LIMIT) else {
            return;
        };
        fetched.expect_success();
        compare(client, &corpus, &fetched.messages, |message| Popa3d::sends(&message.stored));
    }
    assert_eq!(server.mbox("alice"), b"");
}

// curl takes the time stamp in the greeting for an offer of APOP and gives up when that fails, so it cannot be used here.
#[test]
fn mailutils_to_mpop_and_poplib() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let corpus = fit(&["mailutils", "poplib"]);
    let Some(server) = Mailutils::start(&certs, &alice(&corpus)) else { return };
    for (client, port, tls, after) in [
        (Client::Mpop, server.plain(), Tls::StartTls, After::Keep),
        (Client::Poplib, server.plain(), Tls::Off, After::Keep),
        (Client::Mpop, server.implicit(), Tls::Implicit, After::Delete),
    ] {
        let Some(fetched) = client.fetch(&account(&authority, port, tls), after, LIMIT) else { return };
        fetched.expect_success();
        let messages: Vec<_> =
            fetched.messages.iter().map(|message| Mailutils::without_x_uidl(message)).collect();
        compare(client, &corpus, &messages, |message| Mailutils::sends(&message.stored));
    }
    assert_eq!(server.count("alice"), 0);
}
