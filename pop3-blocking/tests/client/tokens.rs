//! Tokens: how they travel, and how a refusal is told.

use pop3_blocking::client::{ClientOptions, Credentials, Error, LoginFailed, TokenRejected};
use pop3_blocking::pop3_proto::{CodeKind, SendError};

use crate::fixture::{Said, announcing, base64, challenge, over_tls, say, tls};

/// The account of V8.
const USER: &str = "someuser@example.com";
const TOKEN: &str = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
const V8: &str = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";

fn attempt(
    capabilities: &str,
    options: ClientOptions,
    token: &str,
    rule: impl FnMut(&str) -> Said + Send + 'static,
) -> (Result<(), Error>, bool, Vec<String>) {
    let (connection, player) =
        over_tls(&tls().server, &tls().client, options, announcing(capabilities, rule));
    let (done, usable) = match connection.unwrap().log_in(&Credentials::token(USER, token)) {
        Ok(_) => (Ok(()), false),
        Err(LoginFailed { error, connection, .. }) => {
            (Err(error), connection.map(|connection| connection.quit().unwrap()).is_some())
        }
    };
    (done, usable, player.join().unwrap())
}

#[test]
fn rp_xo_1_pb_q21_xoauth2_goes_in_two_steps_at_any_length() {
    for token in [TOKEN, "t"] {
        let rule = |line: &str| if line == "AUTH XOAUTH2" { say("+ ") } else { say("+OK") };
        let (done, _, lines) = attempt("SASL PLAIN XOAUTH2", ClientOptions::default(), token, rule);
        done.unwrap();
        assert_eq!(lines[1], "AUTH XOAUTH2");
        if token == TOKEN {
            assert_eq!(lines[2], V8);
        }
    }
}

#[test]
fn rp_xo_2_pb_q23_r7628_3_3_refusals_with_and_without_a_report_are_one_error() {
    let json = r#"{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}"#;
    // Google tells why; Microsoft does not.
    for (mechanism, acknowledged) in [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")] {
        let (mut reported, offers) = (false, format!("SASL PLAIN {mechanism}"));
        let google = move |line: &str| match line {
            "AUTH XOAUTH2" => say("+ "),
            _ if reported => say("-ERR [AUTH] no"),
            _ => {
                reported = true;
                challenge(json)
            }
        };
        let (done, usable, lines) = attempt(&offers, ClientOptions::default(), TOKEN, google);
        let Err(Error::TokenRejected(rejected)) = &done else { panic!("{done:?}") };
        let TokenRejected { report, refused, .. } = &**rejected;
        assert_eq!(report.as_deref(), Some(json.as_bytes()));
        assert_eq!(refused.code, None, "codes were not announced");
        assert_eq!(refused.text, b"[AUTH] no");
        assert!(usable && lines[lines.len() - 2] == acknowledged, "{lines:?}");
        assert!(done.unwrap_err().to_string().contains("mail.google.com"));

        let microsoft = |line: &str| match line {
            "AUTH XOAUTH2" => say("+ "),
            _ => say("-ERR Authentication failure: unknown user name or bad password."),
        };
        let (done, usable, _) = attempt(&offers, ClientOptions::default(), TOKEN, microsoft);
        let Err(Error::TokenRejected(rejected)) = done else { panic!("{done:?}") };
        assert!(rejected.report.is_none() && usable);
    }
    // A good token and a maildrop in use.
    let rule = |line: &str| if line == "AUTH XOAUTH2" { say("+ ") } else { say("-ERR [IN-USE] wait") };
    let (done, ..) = attempt("RESP-CODES; SASL XOAUTH2", ClientOptions::default(), TOKEN, rule);
    let Err(Error::Refused(refused)) = done else { panic!("{done:?}") };
    assert_eq!(refused.code, Some(CodeKind::InUse));
    // "+OK" to a report is no login.
    let rule = move |line: &str| match line {
        "AUTH XOAUTH2" => say("+ "),
        "" => say("+OK welcome"),
        _ => challenge(json),
    };
    let (done, usable, _) = attempt("SASL XOAUTH2", ClientOptions::default(), TOKEN, rule);
    assert!(matches!(done, Err(Error::Sasl(_))) && !usable, "{done:?}");
}

#[test]
fn pb_c39_r5034_4_6_tokens_of_every_length_arrive_whole() {
    let lengths = (1..=8192).step_by(613).chain([120, 121, 122, 123, 124, 125, 126, 127, 128, 8192]);
    for (mechanism, length) in lengths.flat_map(|length| [("OAUTHBEARER", length), ("XOAUTH2", length)]) {
        let token = "t".repeat(length);
        let rule = move |line: &str| if line == format!("AUTH {mechanism}") { say("+ ") } else { say("+OK") };
        let (done, _, lines) = attempt(&format!("SASL {mechanism}"), ClientOptions::default(), &token, rule);
        done.unwrap();
        let message = if mechanism == "XOAUTH2" {
            base64(format!("user={USER}\x01auth=Bearer {token}\x01\x01"))
        } else {
            base64(format!("n,a={USER},\x01auth=Bearer {token}\x01\x01"))
        };
        let inline = format!("AUTH {mechanism} {message}");
        if mechanism == "OAUTHBEARER" && inline.len() + 2 <= 255 {
            assert_eq!(lines[1..], [inline]);
        } else {
            assert_eq!(lines[1..], [format!("AUTH {mechanism}"), message]);
        }
        assert!(lines.iter().all(|line| !line.starts_with("AUTH") || line.len() + 2 <= 255));
    }
}

#[test]
fn pb_c39_r5034_4_12_the_limit_of_a_line_is_told_and_can_be_raised() {
    let token = "t".repeat(64 * 1024);
    let rule = |line: &str| match line {
        "AUTH OAUTHBEARER" => say("+ "),
        "*" => say("-ERR cancelled"),
        _ => say("+OK"),
    };
    let (done, usable, lines) = attempt("SASL OAUTHBEARER", ClientOptions::default(), &token, rule);
    assert!(matches!(done, Err(Error::NotSent(SendError::TooLong { limit: 12_288, .. }))), "{done:?}");
    assert!(usable && !lines.iter().any(|line| line.contains("dHR0")), "{lines:?}");
    let mut options = ClientOptions::default();
    options.limits.sasl_line = 90_000;
    let (done, _, lines) = attempt("SASL OAUTHBEARER", options, &token, rule);
    done.unwrap();
    assert_eq!(lines[2], base64(format!("n,a={USER},\x01auth=Bearer {token}\x01\x01")));
}
