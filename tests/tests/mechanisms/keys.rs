//! What is kept of a password is the same thing to Dovecot and to us: each takes what the other makes.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pop3_blocking::client::{AuthPolicy, ClientOptions, Connection, Credentials, Method, Outcome};
use pop3_tests::peers::{
    Account, After, Certs, Client, Dovecot, Mechanism, Tls, TokenEndpoint, User, require,
};
use pop3_tests::pop3d::Pop3d;
use pop3_tests::programs::program;

use super::client::trust;
use super::{LIMIT, PASSWORD};

const SCHEMES: [(&str, Mechanism); 5] = [
    ("SCRAM-SHA-256", Mechanism::ScramSha256),
    ("SCRAM-SHA-1", Mechanism::ScramSha1),
    ("ARGON2ID", Mechanism::Plain),
    ("SHA512-CRYPT", Mechanism::Plain),
    ("BLF-CRYPT", Mechanism::Plain),
];

/// What `doveadm` makes of the password.
fn by_doveadm(doveadm: &Path, scheme: &str) -> String {
    let output = Command::new(doveadm).args(["pw", "-s", scheme, "-p", PASSWORD]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What `pop3d` makes of the password.
fn by_pop3d(scheme: &str) -> String {
    let mut child = Command::new(program("pop3d"))
        .args(["hash", "--scheme", scheme])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{scheme}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn r5802_5_2_pop3d_takes_what_doveadm_keeps_of_a_password() {
    let (Some(doveadm), Some(_)) = (require("doveadm"), require("mpop")) else { return };
    let certs = Certs::new();
    let authority = certs.authority_file();
    let stored = SCHEMES.map(|(scheme, _)| by_doveadm(&doveadm, scheme));
    let users: Vec<User<'_>> = SCHEMES
        .iter()
        .zip(&stored)
        .map(|((scheme, _), stored)| User { name: scheme, password: stored, messages: Vec::new() })
        .collect();
    let server = Pop3d::start(&certs, &users, &[]);
    for (scheme, mechanism) in SCHEMES {
        for (password, code) in [(PASSWORD, Some(0)), ("wrong", Some(77))] {
            let account = Account {
                port: server.implicit,
                tls: Tls::Implicit,
                authority: &authority,
                user: scheme,
                password,
                mechanism: Some(mechanism),
                identity: None,
            };
            let fetched = Client::Mpop.fetch(&account, After::Keep, LIMIT).unwrap();
            assert_eq!(fetched.ended.code, code, "{scheme}: {}", fetched.ended.output());
        }
        server.wait_for_log(&format!("mechanism={} user=\"{scheme}\"", mechanism.name()), 1);
    }
}

#[test]
fn r5802_5_2_dovecot_takes_what_pop3d_keeps_of_a_password() {
    if require("dovecot").is_none() {
        return;
    }
    let certs = Certs::new();
    let tls = trust(&certs, None);
    let schemes = &SCHEMES[..3];
    // Dovecot makes names lower-case.
    let names: Vec<String> = schemes.iter().map(|(scheme, _)| scheme.to_ascii_lowercase()).collect();
    let stored: Vec<String> = schemes.iter().map(|(scheme, _)| by_pop3d(scheme)).collect();
    let users: Vec<User<'_>> = names
        .iter()
        .zip(&stored)
        .map(|(name, stored)| User { name, password: stored, messages: Vec::new() })
        .collect();
    let mechanisms = [Mechanism::ScramSha256, Mechanism::ScramSha1, Mechanism::Plain];
    let tokens = TokenEndpoint::start(&[]);
    let Some(server) = Dovecot::start_with(&certs, &users, &mechanisms, &tokens) else { return };
    for (scheme, (_, mechanism)) in names.iter().zip(schemes) {
        for password in [PASSWORD, "wrong"] {
            let connection =
                Connection::connect_tls("localhost", server.implicit, &tls, ClientOptions::default())
                    .unwrap();
            let policy = AuthPolicy::new().only(Method::named(mechanism.name()));
            match connection.log_in(&Credentials::password(scheme, password).policy(policy)) {
                Ok(session) => {
                    assert_eq!(password, PASSWORD, "{scheme}");
                    assert!(matches!(session.quit(), Outcome::Committed), "{scheme}");
                }
                Err(failed) => {
                    assert!(failed.error.refused().is_some(), "{scheme}: {}", failed.error);
                    assert_ne!(password, PASSWORD, "{scheme}: {}", server.log());
                }
            }
        }
        server.wait_for_log(&format!("method={}, ", mechanism.name()), 2);
    }
}
