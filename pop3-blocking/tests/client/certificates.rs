//! Logins by certificate, and by nothing else.

use pop3_blocking::client::{AuthPolicy, ClientOptions, Credentials, Error, Method, Verdict};
use pop3_blocking::tls::{ClientTls, ServerTls};

use crate::fixture::{Said, announcing, base64, over_tls, say, tls};

fn attempt(
    server: &ServerTls,
    client: &ClientTls,
    capabilities: &str,
    credentials: &Credentials,
    rule: impl FnMut(&str) -> Said + Send + 'static,
) -> (Result<(), Error>, bool, Vec<String>) {
    let (connection, player) =
        over_tls(server, client, ClientOptions::default(), announcing(capabilities, rule));
    let (done, usable) = match connection.unwrap().log_in(credentials) {
        Ok(session) => (session.quit().map_ok(), false),
        Err(failed) => (Err(failed.error), failed.connection.is_some()),
    };
    (done, usable, player.join().unwrap())
}

trait MapOk {
    fn map_ok(self) -> Result<(), Error>;
}

impl MapOk for pop3_blocking::client::Outcome {
    fn map_ok(self) -> Result<(), Error> {
        match self {
            Self::Committed => Ok(()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn rdm_2_1b_r4422_a_1_external_with_and_without_identity() {
    let tls = tls();
    for (credentials, line) in [
        (Credentials::certificate(), "AUTH EXTERNAL =".to_owned()),
        (Credentials::certificate_as("alice"), format!("AUTH EXTERNAL {}", base64("alice"))),
        (Credentials::password("alice", "canary").or_certificate(), "AUTH EXTERNAL =".to_owned()),
    ] {
        let offers = "USER; SASL PLAIN EXTERNAL SCRAM-SHA-256";
        let (done, _, lines) =
            attempt(&tls.asking, &tls.with_certificate, offers, &credentials, |_| say("+OK"));
        done.unwrap();
        assert_eq!(lines[1..], [line, "QUIT".to_owned()]);
    }
}

#[test]
fn rdm_2_1d_pb_c41_a_certificate_only_login_sends_no_password_command() {
    let tls = tls();
    let tempting = "USER; SASL EXTERNAL PLAIN LOGIN SCRAM-SHA-256 OAUTHBEARER ANONYMOUS CRAM-MD5";
    let policies = [
        AuthPolicy::new(),
        AuthPolicy::new().only(Method::ALL.iter().copied()).fall_back_after_refusal(),
        AuthPolicy::new().force_mechanism(Method::External),
    ];
    for policy in policies {
        let credentials = Credentials::certificate().policy(policy);
        for refusal in ["-ERR [AUTH] certificate not mapped", "-ERR", "-ERR try USER", "+ UGFzc3dvcmQ6"] {
            let rule = move |line: &str| if line == "*" { say("-ERR") } else { say(refusal) };
            let (done, usable, lines) =
                attempt(&tls.asking, &tls.with_certificate, tempting, &credentials, rule);
            assert!(done.is_err() && !usable, "{done:?}");
            let sent: Vec<_> = lines.iter().map(String::as_str).filter(|line| *line != "*").collect();
            assert_eq!(sent, ["CAPA", "AUTH EXTERNAL =", "QUIT"], "{refusal}");
        }
        // The server, or somebody before it, does not ask for the certificate.
        let (done, usable, lines) =
            attempt(&tls.server, &tls.with_certificate, tempting, &credentials, |_| say("+OK"));
        let Err(Error::NoMethod(offers)) = done else { panic!("{done:?}") };
        assert_eq!((offers[0].method, offers[0].verdict), (Some(Method::External), Verdict::NoCertificate));
        assert!(!usable);
        assert_eq!(lines, ["CAPA", "QUIT"]);
    }
    // EXTERNAL is not offered.
    for offers in ["USER", "USER; SASL PLAIN LOGIN SCRAM-SHA-256-PLUS", "TOP"] {
        let credentials = Credentials::certificate_as("alice");
        let (done, _, lines) =
            attempt(&tls.asking, &tls.with_certificate, offers, &credentials, |_| say("+OK"));
        assert!(matches!(done, Err(Error::NoMethod(_))), "{done:?}");
        assert_eq!(lines, ["CAPA", "QUIT"]);
    }
}

#[test]
fn rdm_2_1c_beside_a_certificate_a_password_may_be_used_or_not() {
    let tls = tls();
    let offers = "USER; SASL EXTERNAL PLAIN";
    let credentials = Credentials::password("alice", "canary").or_certificate();
    let rule =
        |line: &str| if line.starts_with("AUTH EXTERNAL") { say("-ERR [AUTH] no") } else { say("+OK") };
    // Refused: the password stays at home.
    let (done, usable, lines) = attempt(&tls.asking, &tls.with_certificate, offers, &credentials, rule);
    assert!(matches!(done, Err(Error::Refused(_))) && usable, "{done:?}");
    assert_eq!(lines, ["CAPA", "AUTH EXTERNAL ="]);
    // Refused, and the caller has said that the password will do.
    let either = credentials.clone().policy(AuthPolicy::new().fall_back_after_refusal());
    let (done, _, lines) = attempt(&tls.asking, &tls.with_certificate, offers, &either, rule);
    done.unwrap();
    assert!(lines[2].starts_with("AUTH PLAIN "), "{lines:?}");
    // Not asked for.
    let (done, _, lines) = attempt(&tls.server, &tls.with_certificate, offers, &credentials, rule);
    done.unwrap();
    assert!(lines[1].starts_with("AUTH PLAIN "), "{lines:?}");
}

#[test]
fn rdm_2_1g_a_late_alert_is_told_as_what_it_is() {
    let tls = tls();
    let rule = announcing("USER", |_| say("+OK"));
    let (connection, player) = over_tls(&tls.insisting, &tls.client, ClientOptions::default(), rule);
    match connection {
        Err(error @ Error::ClientCertificateRefused(_)) => {
            assert_eq!(error.to_string(), "server requires a client certificate");
        }
        other => panic!("{other:?}"),
    }
    assert!(player.join().unwrap().is_empty());
}
