//! Our client and other people's servers.

use std::path::Path;

use pop3_blocking::client::{
    AuthPolicy, ClientOptions, Connection, Credentials, Error, LoginFailed, Method, Outcome, Session,
};
use pop3_blocking::pop3_proto::CodeKind;
use pop3_blocking::pop3_proto::sasl::Anonymous;
use pop3_blocking::tls::ClientTls;
use pop3_tests::peers::corpus::corpus;
use pop3_tests::peers::gsasl::{self, GsaslServer};
use pop3_tests::peers::{Certs, Dovecot, Mechanism, TempDir, Tls, TokenEndpoint, User, require};
use pop3_tests::table::{Cell, Table, checked, for_each_mechanism};

use super::{PASSWORD, identity};

/// The servers by each mechanism, and what came of it.
pub(crate) fn table() -> Table {
    let mut table = Table::new(&["Dovecot", "GNU SASL"]);
    let dovecot = require("dovecot").is_some();
    let gsasl = gsasl::is_installed();
    for (mechanism, (by_dovecot, by_gsasl)) in for_each_mechanism(|mechanism| {
        let dovecot = dovecot.then(|| {
            Dovecot::limit(mechanism).map_or_else(|| checked(|| at_dovecot(mechanism)), Cell::Limit)
        });
        let gsasl = gsasl.then(|| {
            GsaslServer::limit(mechanism).map_or_else(|| checked(|| at_gsasl(mechanism)), Cell::Limit)
        });
        (dovecot, gsasl)
    }) {
        for (column, cell) in [("Dovecot", by_dovecot), ("GNU SASL", by_gsasl)] {
            if let Some(cell) = cell {
                table.set(mechanism, column, cell);
            }
        }
    }
    table
}

pub(crate) fn trust(certs: &Certs, identity: Option<(&Path, &Path)>) -> ClientTls {
    let mut tls = ClientTls::builder().ca_file(certs.authority_file());
    if let Some((certificate, key)) = identity {
        tls = tls.client_certificate_files(certificate, key);
    }
    tls.build().unwrap()
}

fn connect(port: u16, way: Tls, tls: &ClientTls) -> Connection {
    let options = ClientOptions::default();
    match way {
        Tls::Implicit => Connection::connect_tls("localhost", port, tls, options).unwrap(),
        _ => Connection::connect_stls("localhost", port, tls, options).unwrap(),
    }
}

/// The policy that allows this mechanism and no other.
fn only(mechanism: Mechanism) -> AuthPolicy {
    let name = if mechanism == Mechanism::UserPass { "USER" } else { mechanism.name() };
    AuthPolicy::new().only([Method::named(name).unwrap()])
}

fn log_in(
    connection: Connection,
    mechanism: Mechanism,
    user: &str,
    secret: &str,
) -> Result<Session, LoginFailed> {
    let credentials = match mechanism {
        Mechanism::Anonymous => return connection.authenticate(&mut Anonymous::new("a trace").unwrap()),
        Mechanism::External => Credentials::certificate_as(user),
        _ if mechanism.has_token() => Credentials::token(user, secret),
        _ => Credentials::password(user, secret),
    };
    connection.log_in(&credentials.policy(only(mechanism)))
}

fn at_dovecot(mechanism: Mechanism) {
    let certs = Certs::new();
    let messages = vec![corpus().remove(0).stored];
    let users = [User { name: "alice", password: PASSWORD, messages }];
    let tokens = TokenEndpoint::start(&[("token-of-alice", "alice")]);
    let server = Dovecot::start_with(&certs, &users, &[mechanism], &tokens).unwrap();
    let dir = TempDir::new("identities");
    let (own, strange) = (identity(&dir, &certs, "alice"), identity(&dir, &certs, "mallory"));
    let external = mechanism == Mechanism::External;
    let right = trust(&certs, external.then_some((&own.0, &own.1)));
    let wrong = trust(&certs, external.then_some((&strange.0, &strange.1)));
    let logged = if mechanism == Mechanism::UserPass { "PLAIN" } else { mechanism.name() };
    let secret = if mechanism.has_token() { "token-of-alice" } else { PASSWORD };
    for (way, port, times) in [(Tls::Implicit, server.implicit, 1), (Tls::StartTls, server.plain, 2)] {
        if mechanism == Mechanism::Apop && way == Tls::StartTls {
            // A timestamp that came in the clear may be anybody's (R1939-7.11).
            let failed = log_in(connect(port, way, &right), mechanism, "alice", secret).unwrap_err();
            assert!(matches!(failed.error, Error::NoMethod(_)), "{}", failed.error);
            continue;
        }
        let mut session = log_in(connect(port, way, &right), mechanism, "alice", secret)
            .unwrap_or_else(|failed| panic!("{way:?}: {}: {}", failed.error, server.log()));
        assert_eq!(session.stat().unwrap().messages, 1);
        assert!(matches!(session.quit(), Outcome::Committed));
        let line = format!("Login: user=<alice>, method={logged}, ");
        server.wait_for_log(&line, times);
        if mechanism == Mechanism::Anonymous {
            continue;
        }
        let failed = log_in(connect(port, way, &wrong), mechanism, "alice", "wrong").unwrap_err();
        let refused = failed.error.refused().unwrap_or_else(|| panic!("{way:?}: {}", failed.error));
        assert_eq!(refused.code, Some(CodeKind::Auth), "{way:?}");
        if mechanism.has_token() {
            let Error::TokenRejected(rejected) = &failed.error else { panic!("{way:?}: {}", failed.error) };
            let report: &[u8] = match mechanism {
                Mechanism::OAuthBearer => br#"{"status":"invalid_token"}"#,
                _ => br#"{"status":"401","schemes":"bearer","scope":"mail"}"#,
            };
            assert_eq!(rejected.report.as_deref(), Some(report), "{way:?}");
        }
    }
}

fn at_gsasl(mechanism: Mechanism) {
    let certs = Certs::new();
    let tls = trust(&certs, None);
    let server = GsaslServer::start(&certs, mechanism, mechanism.name(), PASSWORD).unwrap();
    let mut session = log_in(connect(server.port, Tls::Implicit, &tls), mechanism, "alice", PASSWORD)
        .unwrap_or_else(|failed| panic!("{}", failed.error));
    assert_eq!(session.stat().unwrap().messages, 0);
    assert!(matches!(session.quit(), Outcome::Committed));
    assert_eq!(server.verdict(), format!("asked: {}\naccepted\n", mechanism.name()));

    let server = GsaslServer::start(&certs, mechanism, mechanism.name(), PASSWORD).unwrap();
    let failed = log_in(connect(server.port, Tls::Implicit, &tls), mechanism, "alice", "wrong").unwrap_err();
    assert!(failed.error.refused().is_some(), "{}", failed.error);
    drop(failed);
    let verdict = server.verdict();
    assert!(verdict.contains("\nrefused: ") && !verdict.contains("accepted"), "{verdict}");
}

// Somebody in between takes the -PLUS mechanism out of what is announced. The client tells that it saw none and could have
// bound, by which GNU SASL knows.
#[test]
fn r5802_6_7_gsasl_learns_that_its_offer_to_bind_did_not_arrive() {
    let certs = Certs::new();
    let mechanism = Mechanism::ScramSha256;
    let Some(server) = GsaslServer::start(&certs, mechanism, "SCRAM-SHA-256 X-BINDS", PASSWORD) else {
        return;
    };
    let failed =
        connect(server.port, Tls::Implicit, &trust(&certs, None)).login("alice", PASSWORD).unwrap_err();
    assert!(failed.error.refused().is_some(), "{}", failed.error);
    drop(failed);
    let verdict = server.verdict();
    assert!(verdict.starts_with("asked: SCRAM-SHA-256\nrefused: "), "{verdict}");
}

// What GNU SASL verifies was exported by OpenSSL: were our value another one, it would refuse.
#[test]
fn r4422_6_1_the_strongest_that_gsasl_announces_is_taken() {
    let certs = Certs::new();
    let announced = "PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS";
    let Some(server) = GsaslServer::start(&certs, Mechanism::ScramSha256Plus, announced, PASSWORD) else {
        return;
    };
    let session = connect(server.port, Tls::Implicit, &trust(&certs, None)).login("alice", PASSWORD).unwrap();
    assert!(matches!(session.quit(), Outcome::Committed));
    assert_eq!(server.verdict(), "asked: SCRAM-SHA-256-PLUS\naccepted\n");
}
