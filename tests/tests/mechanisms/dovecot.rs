//! Our client and what is peculiar to Dovecot.

use pop3_blocking::client::{
    ClientOptions, Connection, Credentials, Error, LoginFailed, Method, Outcome, Session, Verdict,
};
use pop3_blocking::tls::ClientTls;
use pop3_tests::peers::{Certs, Dovecot, Mechanism, TempDir, TokenEndpoint, User, require};

use super::client::trust;
use super::{PASSWORD, identity};

fn start(certs: &Certs, mechanisms: &[Mechanism], tokens: &TokenEndpoint) -> Option<Dovecot> {
    require("dovecot")?;
    let users = [User { name: "alice", password: PASSWORD, messages: Vec::new() }];
    Dovecot::start_with(certs, &users, mechanisms, tokens)
}

fn connect(server: &Dovecot, tls: &ClientTls) -> Connection {
    Connection::connect_tls("localhost", server.implicit, tls, ClientOptions::default()).unwrap()
}

fn expect(login: Result<Session, LoginFailed>, server: &Dovecot) {
    let session = login.unwrap_or_else(|failed| panic!("{}: {}", failed.error, server.log()));
    assert!(matches!(session.quit(), Outcome::Committed));
}

// It announces EXTERNAL to everybody, with a certificate or without.
#[test]
fn r4422_a_3_dovecot_announces_external_to_whoever_has_no_certificate() {
    let certs = Certs::new();
    let tokens = TokenEndpoint::start(&[]);
    let mechanisms = [Mechanism::External, Mechanism::Plain, Mechanism::ScramSha256];
    let Some(server) = start(&certs, &mechanisms, &tokens) else { return };
    let tls = trust(&certs, None);
    let by_password = Credentials::password("alice", PASSWORD).or_certificate();
    let mut connection = connect(&server, &tls);
    let offers = connection.offers(&by_password).unwrap();
    let external = offers.iter().find(|offer| offer.method == Some(Method::External)).unwrap();
    assert_eq!(external.verdict, Verdict::NoCertificate);
    expect(connection.log_in(&by_password), &server);
    server.wait_for_log("method=SCRAM-SHA-256, ", 1);
    // By certificate or not at all: nothing is sent but CAPA and QUIT.
    let failed = connect(&server, &tls).log_in(&Credentials::certificate()).unwrap_err();
    assert!(matches!(failed.error, Error::NoMethod(_)), "{}", failed.error);
    drop(failed);
    server.wait_for_log("no auth attempts", 2); // the first is that of the harness
    assert_eq!(server.log().matches("Login: ").count(), 1);
}

#[test]
fn r4422_a_2_the_certificate_says_who_it_is() {
    let certs = Certs::new();
    let tokens = TokenEndpoint::start(&[]);
    let Some(server) = start(&certs, &[Mechanism::External, Mechanism::Plain], &tokens) else { return };
    let dir = TempDir::new("identities");
    let (certificate, key) = identity(&dir, &certs, "alice");
    let tls = trust(&certs, Some((&certificate, &key)));
    expect(connect(&server, &tls).log_in(&Credentials::certificate()), &server);
    server.wait_for_log("Login: user=<alice>, method=EXTERNAL, ", 1);
    // Before all others, for who has a password as well.
    let both = Credentials::password("alice", "wrong").or_certificate();
    expect(connect(&server, &tls).log_in(&both), &server);
    server.wait_for_log("Login: user=<alice>, method=EXTERNAL, ", 2);

    // An authority that Dovecot does not know: it goes on as if there was no certificate, and refuses the login.
    let other = Certs::new();
    let (certificate, key) = identity(&dir, &other, "alice");
    let tls = trust(&certs, Some((&certificate, &key)));
    let failed = connect(&server, &tls).log_in(&Credentials::certificate()).unwrap_err();
    assert!(failed.error.refused().is_some(), "{}", failed.error);
    // Refused, the password stays unsent.
    let both = Credentials::password("alice", PASSWORD).or_certificate();
    let failed = connect(&server, &tls).log_in(&both).unwrap_err();
    assert!(failed.error.refused().is_some(), "{}", failed.error);
    drop(failed);
    server.wait_for_log("auth failed, 1 attempts", 2);
    assert!(!server.log().contains("method=PLAIN"), "{}", server.log());
}

// Tokens are long. The command has 255 octets at most, so they go in a line of their own, of which Dovecot takes 8,192.
#[test]
fn r5034_4_8_long_tokens_at_dovecot() {
    let certs = Certs::new();
    let token = "t".repeat(5000);
    let tokens = TokenEndpoint::start(&[(&token, "alice")]);
    let Some(server) = start(&certs, &[Mechanism::OAuthBearer, Mechanism::XOAuth2], &tokens) else { return };
    let tls = trust(&certs, None);
    expect(connect(&server, &tls).log_in(&Credentials::token("alice", &*token)), &server);
    server.wait_for_log("Login: user=<alice>, method=OAUTHBEARER, ", 1);
    let failed = connect(&server, &tls).log_in(&Credentials::token("alice", "t".repeat(4999))).unwrap_err();
    assert!(matches!(failed.error, Error::TokenRejected(_)), "{}", failed.error);
}
