//! What holds for every mechanism.

use super::client::{ClientMechanism, FirstMove, Input, Move};
use super::server::{Answer, BuiltIn, Query, ScramKeys, ServerInput, ServerMechanism, ServerStep, Setup};
use super::*;
use crate::{MechanismName, Secret, Sink};
use std::format;
use std::string::ToString as _;
use std::vec::Vec;

/// Calls `check` with a client of each mechanism.
fn each_client(mut check: impl FnMut(&mut dyn ClientMechanism)) {
    check(&mut Anonymous::new("canary").unwrap());
    check(&mut CramMd5::new("canary", "canary").unwrap());
    check(&mut External::new(Some("canary")).unwrap());
    check(&mut Login::new("canary", "canary").unwrap());
    check(&mut OAuthBearer::new("canary", Some("canary"), Some(995), "canary").unwrap());
    check(&mut Plain::new(Some("canary"), "canary", "canary").unwrap());
    check(&mut XOAuth2::new("canary", "canary").unwrap());
    for hash in server::ScramHash::ALL {
        for binding in [scram::Binding::NotOffered, scram::Binding::Exporter(&[7; 32])] {
            check(&mut Scram::new(hash, binding, None, "canary", "canary", "canary").unwrap());
        }
    }
}

#[test]
fn r5034_4_17_what_a_mechanism_gives_away_is_what_the_table_says() {
    let mut clients = 0;
    each_client(|mechanism| {
        let listed = Mechanism::named(mechanism.name()).unwrap();
        assert_eq!(mechanism.client_first(), !listed.server_first, "{}", listed.name);
        let in_clear = listed.sends_password_in_clear;
        assert_eq!(mechanism.sends_password_in_clear(), in_clear, "{}", listed.name);
        let exchange = client::Exchange::new(mechanism);
        assert_eq!(exchange.sends_password_in_clear(), in_clear, "{}", listed.name);
        clients += 1;
    });
    assert_eq!(clients, MECHANISMS.len());
    // By their specifications: what shows a password or a token to whoever reads along, what has no place outside of TLS,
    // what is there for old peers only.
    let names = |which: fn(&Mechanism) -> bool| -> Vec<_> {
        MECHANISMS.iter().filter(|listed| which(listed)).map(|listed| listed.name.as_str()).collect()
    };
    assert_eq!(names(|listed| listed.sends_password_in_clear), ["OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"]);
    let bound = ["SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"];
    assert_eq!(names(|listed| listed.binds_channel), bound);
    let protected =
        [&["EXTERNAL"][..], &bound, &["OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN", "CRAM-MD5"]].concat();
    assert_eq!(names(|listed| listed.needs_tls), protected);
    assert_eq!(names(|listed| listed.legacy), ["LOGIN", "CRAM-MD5"]);
}

#[test]
fn r4422_3_6_no_client_believes_a_success_before_it_has_said_anything() {
    each_client(|mechanism| {
        let (mut out, name) = (Vec::new(), mechanism.name());
        assert_eq!(mechanism.step(Input::Done, &mut out), Err(SaslError::EarlySuccess), "{name}");
        assert!(out.is_empty());
    });
}

#[test]
fn r7628_3_3_rp_xo_3_nobody_is_refused_before_a_message_came() {
    struct Own;
    impl ServerMechanism for Own {
        fn name(&self) -> MechanismName<'static> {
            MechanismName::PLAIN
        }

        fn sends_password_in_clear(&self) -> bool {
            false
        }

        fn step<'a>(&'a mut self, _: ServerInput<'a>, _: &mut dyn Sink) -> Result<ServerStep<'a>, SaslError> {
            Ok(ServerStep::Challenge)
        }
    }
    let mut own = server::Exchange::new(Own);
    assert!(matches!(own.initial(None, &mut [], &mut Vec::new()), Ok(ServerStep::Challenge)));
    assert!(!Own.has_refused() && !own.has_refused());
    for listed in MECHANISMS {
        let mut exchange = server::Exchange::start(listed.name, &Setup::default()).unwrap();
        assert!(!exchange.has_refused(), "{}", listed.name);
        let step = exchange.initial(None, &mut [], &mut Vec::new());
        assert!(matches!(step, Ok(ServerStep::Challenge)), "{}", listed.name);
        assert!(!exchange.has_refused(), "{}", listed.name);
    }
}

/// A server that has taken in these messages and asks the last of its questions.
fn asking(name: MechanismName<'_>, messages: &[&[u8]]) -> BuiltIn {
    let mut server = BuiltIn::named(name, &Setup::default()).unwrap();
    assert!(matches!(server.step(ServerInput::Start(None), &mut Vec::new()), Ok(ServerStep::Challenge)));
    for (at, message) in messages.iter().enumerate() {
        let asks =
            matches!(server.step(ServerInput::Response(message), &mut Vec::new()), Ok(ServerStep::Ask(_)));
        assert_eq!(asks, at + 1 == messages.len(), "{name}");
    }
    server
}

#[test]
fn r4422_3_6_no_answer_but_the_one_asked_for_lets_anybody_in() {
    const DIGEST: &[u8] = b"tim 0123456789abcdef0123456789abcdef";
    let yes_or_no: [(_, &[&[u8]]); 4] = [
        (MechanismName::LOGIN, &[b"canary", b"canary"]),
        (MechanismName::PLAIN, &[b"\0canary\0canary"]),
        (MechanismName::EXTERNAL, &[b""]),
        (MechanismName::ANONYMOUS, &[b""]),
    ];
    for (name, messages) in yes_or_no {
        let accepted =
            asking(name, messages).step(ServerInput::Answer(Answer::Accepted), &mut Vec::new()).map(drop);
        assert_eq!(accepted, Ok(()), "{name}");
        for no in
            [Answer::Rejected, Answer::Secret(Secret::new(b"canary").unwrap()), Answer::TokenRejected(b"{}")]
        {
            let step = asking(name, messages).step(ServerInput::Answer(no), &mut Vec::new()).map(drop);
            assert_eq!(step, Err(SaslError::Rejected), "{name}");
        }
    }
    // These ask for a secret or for keys: a mere yes proves nothing.
    let computing: [(_, &[&[u8]]); 2] =
        [(MechanismName::CRAM_MD5, &[DIGEST]), (MechanismName::SCRAM_SHA_256, &[b"n,,n=canary,r=canary"])];
    for (name, messages) in computing {
        for no in [Answer::Accepted, Answer::Rejected, Answer::TokenRejected(b"{}")] {
            let step = asking(name, messages).step(ServerInput::Answer(no), &mut Vec::new()).map(drop);
            assert_eq!(step, Err(SaslError::Rejected), "{name}");
        }
    }
    // A token that is accepted is accepted.
    for (name, message) in [
        (MechanismName::OAUTHBEARER, &b"n,,\x01auth=Bearer canary\x01\x01"[..]),
        (MechanismName::XOAUTH2, b"user=canary\x01auth=Bearer canary\x01\x01"),
    ] {
        let mut server = asking(name, &[message]);
        let step = server.step(ServerInput::Answer(Answer::Accepted), &mut Vec::new());
        assert!(matches!(step, Ok(ServerStep::Done)), "{name}");
    }
}

#[test]
fn law_3_no_credential_can_be_shown() {
    let (mut shown, secret) = (Vec::new(), Secret::new(b"canary").unwrap());
    shown.push(format!("{:?}", Anonymous::new("canary").unwrap()));
    shown.push(format!("{:?}", CramMd5::new("canary", "canary").unwrap()));
    shown.push(format!("{:?}", External::new(Some("canary")).unwrap()));
    shown.push(format!("{:?}", Login::new("canary", "canary").unwrap()));
    shown.push(format!("{:?}", OAuthBearer::new("canary", None, None, "canary").unwrap()));
    shown.push(format!("{:?}", Plain::new(None, "canary", "canary").unwrap()));
    shown.push(format!("{:?}", XOAuth2::new("canary", "canary").unwrap()));
    shown.push(format!("{:?}", Input::Challenge(b"canary")));
    shown.push(format!("{:?}", Move::Respond(b"canary")));
    shown.push(format!("{:?}", Move::Acknowledge { report: b"canary", response: b"c" }));
    let first = FirstMove { mechanism: MechanismName::PLAIN, initial: Some(b"canary") };
    shown.push(format!("{first:?}"));
    shown.push(format!("{:?}", FirstMove { initial: None, ..first }));
    shown.push(format!("{:?}", ServerInput::Start(Some(b"canary"))));
    shown.push(format!("{:?}", ServerInput::Response(b"canary")));
    shown.push(format!("{:?}", ServerInput::Answer(Answer::Secret(secret))));
    shown.push(format!("{:?}", ScramKeys::new(b"canary", 4096, b"canary", b"canary")));
    shown.push(format!("{:?}", Query::Password { authzid: None, authcid: "canary", password: secret }));
    shown.push(format!("{:?}", Query::Secret { authcid: "canary" }));
    shown.push(format!("{:?}", scram::Nonce::new([7; 18])));
    let want = [
        "Anonymous([redacted; 6 octets])",
        "CramMd5([redacted])",
        "External([redacted; 6 octets])",
        "Login([redacted])",
        "OAuthBearer([redacted])",
        "Plain([redacted])",
        "XOAuth2([redacted])",
        "Challenge([redacted; 6 octets])",
        "Respond([redacted; 6 octets])",
        "Acknowledge(6 octets, 1 octets)",
        "FirstMove(PLAIN, [redacted; 6 octets])",
        "FirstMove(PLAIN)",
        "Start([redacted; 6 octets])",
        "Response([redacted; 6 octets])",
        "Answer(Secret([redacted]))",
        "ScramKeys([redacted], 4096 iterations)",
        "Password { authzid: [redacted; 0 octets], authcid: [redacted; 6 octets], password: [redacted] }",
        "Secret { authcid: [redacted; 6 octets] }",
        "Nonce",
    ];
    assert_eq!(shown, want);
}

#[test]
fn law_3_an_error_says_what_is_wrong_and_nothing_of_the_message() {
    let empty = Plain::new(None, "", "canary").unwrap_err();
    assert_eq!(empty.to_string(), "authentication identity cannot be used: argument is empty");
    for (error, text) in [
        (SaslError::Rejected, "credentials rejected"),
        (SaslError::TooManySteps { limit: 16 }, "SASL exchange over 16 steps"),
        (
            SaslError::Iterations { count: 1, min: 4096, max: 9999 },
            "server asks for 1 iterations, 4096 to 9999 are taken",
        ),
        (SaslError::Refused(scram::Refusal::UnknownUser), "server reports unknown-user"),
        (SaslError::Binding(scram::BindingError::Mismatch), "channel bindings do not match"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
