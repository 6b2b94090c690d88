//! SASL exchanges through the session.

use super::*;

const GOOD: &str = "AGFsaWNlAHdvbmRlciBsYW5k";
const OPENED: &str = "+OK maildrop has 2 messages (130 octets)\r\n";

fn world() -> World<'static> {
    let mut world = World::new(everything(), true);
    world.heard();
    world
}

#[test]
fn r5034_4_3_r2449_6_3_1_r5034_4_16_plain_inline_and_continued_at_every_cut() {
    for (input, want) in [
        (format!("AUTH PLAIN {GOOD}\r\nSTAT\r\n"), format!("{OPENED}+OK 2 130\r\n")),
        (format!("auth plain\r\n{GOOD}\r\nSTAT\r\n"), format!("+ \r\n{OPENED}+OK 2 130\r\n")),
    ] {
        for cut in pieces(input.as_bytes()) {
            let mut world = world();
            cut.for_each(|piece| world.feed(piece));
            assert_eq!(world.heard(), want);
        }
    }
}

#[test]
fn r5034_4_2_unknown_mechanisms_are_refused_without_a_code() {
    let mut world = world();
    assert_eq!(world.ask("AUTH FOO\r\n"), "-ERR mechanism not available\r\n");
    assert_eq!(world.ask("AUTH PLAINX\r\n"), "-ERR mechanism not available\r\n");
    assert_eq!(world.ask(&format!("AUTH PlAiN {GOOD}\r\n")), OPENED);
}

#[test]
fn r5034_4_9_r5034_4_13_a_star_cancels_and_leaves_no_trace() {
    let mut world = world();
    assert_eq!(world.ask("AUTH PLAIN\r\n*\r\n"), "+ \r\n-ERR authentication cancelled\r\n");
    assert_eq!((world.session.state(), world.checks), (State::Authorization, 0));
    assert_eq!(world.ask("USER alice\r\nPASS wonder land\r\n"), format!("+OK send PASS\r\n{OPENED}"));
}

#[test]
fn r5034_4_9_r5034_4_11_nothing_but_err_follows_what_is_no_message() {
    for line in ["*\r\n", "!\r\n", "====\r\n"] {
        let mut server = Server::new(true, false, false, ServerLimits::DEFAULT);
        let mut said = Vec::new();
        server.greet(b"", &mut said).unwrap();
        assert!(matches!(server.receive(b"AUTH PLAIN\r\n").unwrap().step, Step::Event(_)));
        server.challenge(b"", &mut said).unwrap();
        assert!(matches!(server.receive(line.as_bytes()).unwrap().step, Step::Event(_)));
        said.clear();
        assert!(server.reply(Status::Ok, None, b"", &mut said).is_err(), "{line:?}");
        assert!(server.challenge(b"", &mut said).is_err(), "{line:?}");
        assert!(server.challenge_encoded(Base64::EMPTY, &mut said).is_err(), "{line:?}");
        assert!(said.is_empty());
        server.reply(Status::Err, None, b"", &mut said).unwrap();
        assert_eq!(server.state(), State::Authorization);
    }
}

#[test]
fn r5034_4_9_r5034_4_11_pb_s25_pb_k15_what_is_no_base64_never_reaches_the_mechanism() {
    for text in [
        "=",
        "==",
        "=AAA",
        "AAA=BBB",
        "AA A=",
        "QQ",
        "QQ=",
        "QR==",
        "QUJ=",
        "AAAAA",
        "AA\tA",
        "====",
        "!!!notbase64",
        "**",
        "AAA\u{e4}",
    ] {
        let mut world = world();
        assert_eq!(world.ask("AUTH PLAIN\r\n"), "+ \r\n");
        assert_eq!(world.ask(&format!("{text}\r\n")), "-ERR malformed SASL message\r\n", "{text:?}");
        assert_eq!((world.checks, world.session.state()), (0, State::Authorization));
        assert_eq!(world.session.counts().failed_logins, 0, "it says nothing of credentials");
        // Inline it is an argument that does not parse; "=" alone is the empty response there.
        if text != "=" {
            assert_eq!(
                world.ask(&format!("AUTH PLAIN {text}\r\n")),
                "-ERR unknown or malformed command\r\n",
                "{text:?}"
            );
        }
        assert_eq!(world.ask(&format!("AUTH PLAIN {GOOD}\r\n")), OPENED, "{text:?}");
    }
}

#[test]
fn r5034_4_5_an_empty_response_is_an_empty_line_or_inline_an_equals_sign() {
    for (input, want) in [
        ("AUTH PLAIN =\r\n", "-ERR [AUTH] authentication failed\r\n"),
        ("AUTH PLAIN\r\n\r\n", "+ \r\n-ERR [AUTH] authentication failed\r\n"),
    ] {
        let mut world = world();
        assert_eq!(world.ask(input), want);
        assert_eq!(world.checks, 1, "the empty message reached the mechanism");
    }
}

#[test]
fn r5034_4_7_r5034_4_12_pb_s24_pb_q51_long_tokens_pass_both_ways() {
    // "AUTH PLAIN ", token, CRLF up to 12,288 octets; a continued line likewise.
    for octets in [4usize, 252, 256, 512, 4096, 8192, 12_272] {
        let token = "A".repeat(octets);
        for (input, challenge) in
            [(format!("AUTH PLAIN {token}\r\n"), ""), (format!("AUTH PLAIN\r\n{token}\r\n"), "+ \r\n")]
        {
            for size in [input.len(), 1, 511] {
                let mut world = world();
                input.as_bytes().chunks(size).for_each(|piece| world.feed(piece));
                assert_eq!(
                    world.heard(),
                    format!("{challenge}-ERR [AUTH] authentication failed\r\n"),
                    "{octets}"
                );
                assert_eq!(world.checks, 1);
            }
        }
    }
    // Over the limit: one -ERR, the session goes on.
    let token = "A".repeat(12_400);
    for (input, want) in [
        (format!("AUTH PLAIN {token}\r\n"), "-ERR line too long\r\n"),
        (format!("AUTH PLAIN\r\n{token}\r\n"), "+ \r\n-ERR malformed SASL message\r\n"),
    ] {
        for size in [input.len(), 1, 511] {
            let mut world = world();
            input.as_bytes().chunks(size).for_each(|piece| world.feed(piece));
            assert_eq!(world.heard(), want);
            assert_eq!(world.ask(&format!("AUTH PLAIN {GOOD}\r\n")), OPENED);
        }
    }
}

#[test]
fn r5034_4_12_a_long_challenge_goes_out_whole_or_not_at_all() {
    let mut session = Session::new(everything(), true, HeapStorage::new(1));
    session.greet(&mut Vec::new()).unwrap();
    assert!(session.receive(b"AUTH PLAIN\r\n", &mut Vec::new()).is_ok());
    let raw = vec![0u8; 8192];
    let mut storage = vec![0u8; 4096];
    assert!(matches!(session.challenge(&raw, &mut &mut storage[..]), Err(ReplyError::Full(_))));
    let mut out = Vec::new();
    session.challenge(&raw, &mut out).unwrap();
    assert_eq!(out.len(), 8192usize.div_ceil(3) * 4 + 4);
    assert!(out.starts_with(b"+ AAAA") && out.ends_with(b"AAA=\r\n"));
    assert!(session.challenge(&raw, &mut out).is_err(), "the client's turn");
}

#[test]
fn r5034_4_13_no_command_is_read_inside_an_exchange() {
    let mut world = world();
    assert_eq!(world.ask("AUTH PLAIN\r\n"), "+ \r\n");
    // "QUIT" is base64 of three octets.
    assert_eq!(world.ask("QUIT\r\n"), "-ERR [AUTH] authentication failed\r\n");
    assert_eq!(world.ended, None);
    assert_eq!(world.ask("AUTH PLAIN\r\nSTLS\r\n"), "+ \r\n-ERR [AUTH] authentication failed\r\n");
    assert_eq!(world.handshakes, 0);
}

#[test]
fn r5034_4_1_r4422_3_1_one_login_only() {
    let mut world = world();
    world.feed(format!("AUTH PLAIN {GOOD}\r\n").as_bytes());
    world.heard();
    assert_eq!(world.ask(&format!("AUTH PLAIN {GOOD}\r\n")), "-ERR command not valid in this state\r\n");
    assert_eq!(world.ask("AUTH\r\n"), "-ERR command not valid in this state\r\n");
    assert_eq!(world.checks, 1);
}

#[test]
fn r4422_a_3_a_mechanism_that_needs_tls_is_not_there_without_it() {
    let config = SessionConfig {
        mechanisms: &[MechanismOffer::new(crate::MechanismName::EXTERNAL, Needs::Tls)],
        allow_cleartext_login: true,
        ..SessionConfig::DEFAULT
    };
    let mut world = World::new(config, false);
    world.heard();
    assert!(!world.ask("CAPA\r\n").contains("SASL"));
    assert_eq!(world.ask("AUTH EXTERNAL =\r\n"), "-ERR encryption required\r\n");
    let mut world = World::new(config, true);
    world.heard();
    assert!(world.ask("CAPA\r\n").contains("\r\nSASL EXTERNAL\r\n"));
}

#[test]
fn r4422_a_3_an_unlisted_mechanism_is_taken_but_not_announced() {
    let config = SessionConfig {
        mechanisms: &[
            MechanismOffer::new(crate::MechanismName::EXTERNAL, Needs::Tls).unlisted(),
            MechanismOffer::new(crate::MechanismName::PLAIN, Needs::Privacy),
        ],
        ..SessionConfig::DEFAULT
    };
    let mut world = World::new(config, true);
    world.heard();
    assert!(world.ask("CAPA\r\n").contains("\r\nSASL PLAIN\r\n"));
    assert_eq!(world.ask("AUTH\r\n"), "+OK mechanisms follow\r\nPLAIN\r\n.\r\n");
    assert_eq!(world.ask("AUTH EXTERNAL =\r\n"), "-ERR [AUTH] authentication failed\r\n");
}

#[test]
fn rp_xo_3_pb_q65_whatever_answers_a_report_the_credentials_are_refused() {
    let long = "A".repeat(20_000);
    for answer in ["", "AQ==", "*", "QQ", "not base64", &long] {
        let mut session = Session::new(everything(), true, HeapStorage::new(1));
        let mut said = Vec::new();
        session.greet(&mut said).unwrap();
        assert!(session.receive(b"AUTH PLAIN\r\n", &mut said).is_ok());
        assert!(session.report(b"{}", &mut Vec::new()).is_ok());
        // Even if the client hangs up now.
        assert_eq!(session.counts().failed_logins, 1);
        said.clear();
        let line = format!("{answer}\r\n");
        let (mut unread, mut request) = (line.as_bytes(), None);
        while request.is_none() {
            let received = session.receive(unread, &mut said).unwrap();
            unread = &unread[received.consumed..];
            if let Step::Event(event) = received.step {
                assert!(matches!(event, Request::Sasl(SaslInput::Acknowledged)), "{event:?}");
                request = Some(event);
            }
        }
        assert_eq!(session.opened(&mut said), Err(ApiMisuse::ReplyNotOwed.into()));
        session.refuse(Refusal::Credentials, &mut said).unwrap();
        assert_eq!(said, b"-ERR [AUTH] authentication failed\r\n", "{answer}");
        let counts = session.counts();
        assert_eq!((counts.failed_logins, counts.bad_commands), (1, 0), "{answer}");
        // The next exchange is an ordinary one.
        said.clear();
        assert!(session.receive(b"AUTH PLAIN\r\n", &mut said).is_ok());
        session.challenge(b"", &mut said).unwrap();
        assert!(matches!(
            session.receive(b"*\r\n", &mut said).unwrap().step,
            Step::Event(Request::Sasl(SaslInput::Ended))
        ));
        assert_eq!(said, b"+ \r\n-ERR authentication cancelled\r\n");
        // And a wrong password is counted as ever.
        assert!(session.receive(b"AUTH PLAIN AAAA\r\n", &mut said).is_ok());
        session.refuse(Refusal::Credentials, &mut said).unwrap();
        assert_eq!(session.counts().failed_logins, 2);
    }
}
