//! `APOP`, and what a greeting may hold.

use super::*;

const STAMP: &[u8] = b"<1896.697170952@dbc.mtview.ca.us>";
/// Over [`STAMP`] and the secret `tanstaaf`: RFC 1939 section 7.
const APOP: &str = "APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n";

fn world(tls: bool, stls: bool) -> World<'static> {
    World::new(SessionConfig { apop: Some(STAMP), stls, ..SessionConfig::DEFAULT }, tls)
}

#[test]
fn r1939_7_9_r1939_7_10_apop_is_offered_by_the_greeting_and_logs_in() {
    let mut world = world(true, false);
    assert_eq!(world.heard(), "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n");
    assert_eq!(
        world.ask("APOP alice c4c9334bac560ecc979e58001b3e22fc\r\n"),
        "-ERR [AUTH] authentication failed\r\n"
    );
    assert_eq!(world.session.state(), State::Authorization);
    assert_eq!(world.ask(APOP), "+OK maildrop has 2 messages (130 octets)\r\n");
    assert_eq!((world.session.state(), world.checks), (State::Transaction, 2));
    // Three failures end a session, however they were made (PB-S49).
    let mut world = self::world(true, false);
    world.feed(b"APOP alice x\r\nAPOP bob x\r\nAPOP alice y\r\n");
    assert_eq!(world.ended, Some(Ok(CloseReason::FailedLogins)));
}

#[test]
fn r1939_7_11_r2595_4_7_never_in_clear_and_not_after_stls() {
    for stls in [false, true] {
        let mut world = world(false, stls);
        assert_eq!(world.heard(), "+OK POP3 server ready\r\n");
        assert_eq!(world.ask(APOP), "-ERR not supported\r\n");
        if stls {
            assert_eq!(world.ask("STLS\r\n"), "+OK begin TLS\r\n");
            assert_eq!(world.ask(APOP), "-ERR not supported\r\n");
        }
        assert_eq!((world.session.state(), world.checks), (State::Authorization, 0));
    }
    // Off unless there is a timestamp.
    assert_eq!(World::greeted().ask(APOP), "-ERR not supported\r\n");
}

#[test]
fn r1939_7_9_a_greeting_offers_apop_by_a_timestamp_only() {
    let greeting = |greeting, apop| {
        let mut session = Session::new(
            SessionConfig { greeting, apop, ..SessionConfig::DEFAULT },
            true,
            HeapStorage::new(0),
        );
        let mut said = Vec::new();
        session.greet(&mut said).unwrap();
        String::from_utf8(said).unwrap()
    };
    // What an operator writes must not look like one (PB-Q24).
    assert_eq!(greeting("ready <mail.example.net>", None), "+OK ready (mail.example.net)\r\n");
    assert_eq!(greeting("ready <1@example.net>", None), "+OK ready (1@example.net)\r\n");
    for no_stamp in [&b"<x>"[..], b"1@a", b"<1@a> ", b"<a b@c>", b"<1@\xff>", b"<1@a><2@b>", b""] {
        assert_eq!(greeting("ready", Some(no_stamp)), "+OK ready\r\n", "{}", no_stamp.escape_ascii());
    }
    // However long the rest is, the timestamp is whole.
    let long = "x".repeat(600);
    let line = greeting(&long, Some(STAMP));
    assert!(line.len() <= 512 && line.ends_with(" <1896.697170952@dbc.mtview.ca.us>\r\n"), "{line}");
}

#[test]
fn r1939_4_6_messages_are_added_during_a_login_only() {
    let mut world = World::greeted();
    let error = Err(crate::maildrop::IndexError::NotOpening);
    assert_eq!(world.session.add_message(1, b"x"), error);
    world.feed(LOGIN);
    assert_eq!(world.session.add_message(1, b"x"), error);
    world.heard();
    assert_eq!(world.ask("STAT\r\n"), "+OK 2 130\r\n");
}
