//! Servers that do not hold up their side of SCRAM.

use std::time::Instant;

use pop3_blocking::client::{ClientOptions, Credentials, Error};
use pop3_blocking::pop3_proto::sasl::{SaslError, scram::Refusal};

use crate::fixture::{Said, announcing, challenge, decoded, over_tls, say, tls};

/// How the server's first message is made out of the client's nonce.
type First = fn(&str) -> String;

fn good(nonce: &str) -> String {
    format!("r={nonce}server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
}

/// Plays SCRAM: `first`, then `last` to the proof, `end` to what comes after, `+OK` to all else.
fn attempt(first: First, last: Said, end: &'static str) -> (Error, bool, Vec<String>) {
    let mut step = 0;
    let rule = announcing("USER; SASL SCRAM-SHA-256 PLAIN", move |line| {
        step += 1;
        match step {
            1 => {
                let message = decoded(line.rsplit(' ').next().unwrap());
                let answer = first(message.rsplit("r=").next().unwrap());
                if answer.starts_with('+') { say(&answer) } else { challenge(answer) }
            }
            _ if line == "*" => say(end),
            2 => last.clone(),
            _ => say(end),
        }
    });
    let (connection, player) = over_tls(&tls().server, &tls().client, ClientOptions::default(), rule);
    let failed = connection.unwrap().log_in(&Credentials::password("user", "pencil")).unwrap_err();
    let usable = failed.connection.is_some();
    drop(failed.connection);
    (failed.error, usable, player.join().unwrap())
}

#[test]
fn pb_c10_r5802_5_7_success_that_is_not_signed_ends_the_connection() {
    let wrong = "v=rmF9pqV8S7suAoZWja4dJRkFsKQAAAAAAAAAAAAAAAA=";
    for (what, first, last, end) in [
        ("at once", (|_| "+OK welcome".to_owned()) as First, None, "+OK"),
        ("after the proof", good, say("+OK welcome"), "+OK"),
        ("wrong signature", good, challenge(wrong), "-ERR no"),
        ("wrong signature, and success", good, challenge(wrong), "+OK welcome"),
        ("empty signature", good, challenge("v="), "+OK welcome"),
        ("empty challenge", good, say("+ "), "+OK welcome"),
        ("refusal, and success", good, challenge("e=invalid-proof"), "+OK welcome"),
    ] {
        let (error, usable, lines) = attempt(first, last, end);
        assert!(matches!(error, Error::Sasl(_)), "{what}: {error:?}");
        assert!(!usable, "{what}");
        assert!(
            lines.iter().all(|line| !line.contains("PASS") && !line.contains("PLAIN")),
            "{what}: {lines:?}"
        );
    }
}

#[test]
fn pb_c10_r5802_5_4_r5802_5_2_hostile_first_messages_cost_nothing() {
    fn counted(nonce: &str, count: &str) -> String {
        format!("r={nonce}server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={count}")
    }
    let began = Instant::now();
    for first in [
        (|nonce| counted(nonce, "1")) as First,
        |nonce| counted(nonce, "4095"),
        |nonce| counted(nonce, "1000001"),
        |nonce| counted(nonce, "2147483648"),
        |nonce| counted(nonce, "99999999999999999999"),
        |nonce| format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        |_| "r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".to_owned(),
        |nonce| format!("m=x,r={nonce}server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
    ] {
        let (error, usable, lines) = attempt(first, None, "-ERR cancelled");
        assert!(matches!(error, Error::Sasl(_)), "{error:?}");
        assert!(!usable && lines.last().unwrap() == "*", "{lines:?}");
    }
    // One derivation of the largest count would take longer by itself.
    assert!(began.elapsed().as_secs() < 10);
    let bounds = |first| match attempt(first, None, "-ERR cancelled").0 {
        Error::Sasl(SaslError::Iterations { count, min, max }) => (count, min, max),
        other => panic!("{other:?}"),
    };
    assert_eq!(bounds(|nonce| counted(nonce, "4095")), (4095, 4096, 1_000_000));
}

#[test]
fn r5802_5_8_a_refusal_with_its_reason_is_no_fault_of_the_server() {
    let (error, usable, lines) = attempt(good, challenge("e=invalid-proof"), "-ERR [AUTH] no");
    let Error::ProofRefused(Refusal::InvalidProof, refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.text, b"[AUTH] no");
    assert!(usable && lines.last().unwrap() == "*", "{lines:?}");
    assert_eq!(error.to_string(), "server refused AUTH: [AUTH] no; it reports invalid-proof");
}

#[test]
fn r5802_5_1_each_login_has_a_nonce_of_its_own() {
    let nonce = |lines: Vec<String>| {
        let message = decoded(lines[1].rsplit(' ').next().unwrap());
        message.rsplit("r=").next().unwrap().to_owned()
    };
    let [one, two] = [0, 1].map(|_| nonce(attempt(good, say("-ERR no"), "-ERR no").2));
    assert!(one != two && one.len() >= 24, "{one} {two}");
}
