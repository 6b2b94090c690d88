//! Every command in every state, before TLS and after it.

use super::*;
use crate::maildrop::IndexError;

/// Whether a command succeeds: in clear, over TLS, over TLS behind an accepted `USER`, and after the login.
type Row = (&'static str, [bool; 4]);

const PLAIN: &str = if cfg!(feature = "sasl") { "AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k" } else { "AUTH X" };

/// By hand from RFC 1939, 2449, 2595, 5034 and 6856; `APOP` in clear would show who logs in.
const TABLE: [Row; 24] = [
    ("USER alice", [true, true, true, false]),
    ("PASS wonder land", [false, false, true, false]),
    ("APOP alice c4c9334bac560ecc979e58001b3e22fb", [false, true, true, false]),
    ("AUTH", [true, true, true, false]),
    (PLAIN, [cfg!(feature = "sasl"), cfg!(feature = "sasl"), cfg!(feature = "sasl"), false]),
    ("CAPA", [true; 4]),
    ("STLS", [true, false, false, false]),
    ("UTF8", [true, true, true, false]),
    ("LANG", [true; 4]),
    ("LANG en", [true; 4]),
    ("STAT", [false, false, false, true]),
    ("LIST", [false, false, false, true]),
    ("LIST 1", [false, false, false, true]),
    ("UIDL", [false, false, false, true]),
    ("UIDL 1", [false, false, false, true]),
    ("RETR 1", [false, false, false, true]),
    ("TOP 1 0", [false, false, false, true]),
    ("DELE 1", [false, false, false, true]),
    ("NOOP", [false, false, false, true]),
    ("RSET", [false, false, false, true]),
    ("QUIT", [true; 4]),
    ("LAST", [false; 4]),
    ("RPOP alice", [false; 4]),
    ("XTND XLST", [false; 4]),
];

fn world(state: usize) -> World<'static> {
    let config = SessionConfig { allow_cleartext_login: true, ..everything() };
    let mut world = World::new(config, state > 0);
    world.feed(match state {
        2 => b"USER alice\r\n",
        3 => LOGIN,
        _ => b"",
    });
    assert!(!world.heard().contains("-ERR"));
    world
}

#[test]
fn r1939_3_13_r2595_4_2_r5034_4_1_pb_s15_pb_q58_the_full_table() {
    for (command, succeeds) in TABLE {
        for (state, succeeds) in succeeds.into_iter().enumerate() {
            for command in [String::from(command), command.to_ascii_lowercase()] {
                if !succeeds || command != PLAIN.to_ascii_lowercase() {
                    check(state, &command, succeeds);
                }
            }
        }
    }
}

fn check(state: usize, command: &str, succeeds: bool) {
    let mut world = world(state);
    let answer = world.ask(&format!("{command}\r\n"));
    let told = format!("{command} in column {state}: {answer}");
    assert!(answer.starts_with(if succeeds { "+OK " } else { "-ERR " }), "{told}");
    if succeeds {
        return;
    }
    // One line, and no effect.
    assert_eq!(answer.matches("\r\n").count(), 1, "{told}");
    assert_eq!((world.handshakes, world.checks), (0, u32::from(state == 3)), "{told}");
    if state == 3 {
        assert_eq!(world.ask("STAT\r\n"), "+OK 2 130\r\n", "{told}");
        assert_eq!(world.session.marked().count(), 0, "{told}");
    } else {
        // Behind USER anything but PASS needs a new USER (R1939-7.6).
        if state == 2 {
            assert!(world.ask("PASS wonder land\r\n").starts_with("-ERR"), "{told}");
        }
        assert_eq!(world.session.state(), State::Authorization, "{told}");
        world.feed(LOGIN);
        assert_eq!(world.session.state(), State::Transaction, "{told}");
    }
}

#[test]
fn r1939_7_6_pb_q59_pass_is_taken_directly_behind_user_only() {
    for (between, works) in [
        ("", true),
        ("CAPA\r\n", false),
        ("AUTH\r\n", false),
        ("NOOP\r\n", false),
        ("\r\n", false),
        ("PASS x\r\n", false),
    ] {
        let mut world = World::greeted();
        let said = world.ask(&format!("USER alice\r\n{between}PASS wonder land\r\n"));
        assert_eq!(said.lines().last().unwrap().starts_with("+OK maildrop"), works, "{between:?}");
    }
    let mut world = World::greeted();
    assert_eq!(
        world.ask("USER mallory\r\nUSER alice\r\nPASS wonder land\r\n"),
        "+OK send PASS\r\n+OK send PASS\r\n+OK maildrop has 2 messages (130 octets)\r\n",
        "the last name counts"
    );
}

#[test]
fn r1939_7_7_pb_s24_spaces_belong_to_the_password() {
    for (line, password) in [("PASS  a b ", " a b "), ("PASS  ", " "), ("pass x", "x"), ("PASS a\tb", "a\tb")]
    {
        let mut session = Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(1));
        let mut out = Vec::new();
        session.greet(&mut out).unwrap();
        let input = format!("USER alice\r\n{line}\r\n");
        match session.receive(input.as_bytes(), &mut out).unwrap().step {
            Step::Event(Request::Login { password: got }) => assert_eq!(got.expose(), password.as_bytes()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn r1939_7_5_pb_s48_known_and_unknown_users_get_the_same_answers() {
    let answers = |name: &str| {
        let mut world = World::greeted();
        world.ask(&format!("USER {name}\r\nPASS wrong\r\n"))
    };
    assert_eq!(answers("alice"), "+OK send PASS\r\n-ERR [AUTH] authentication failed\r\n");
    assert_eq!(answers("alice"), answers("nobody"));
    // Where clear text is refused nothing is looked at (R8314-4.3).
    let mut world = World::new(everything(), false);
    world.heard();
    assert_eq!(world.ask("USER alice\r\n"), "-ERR encryption required\r\n");
    assert_eq!(world.ask("USER nobody\r\n"), "-ERR encryption required\r\n");
    assert_eq!(world.checks, 0);
}

#[test]
fn r8314_3_1_rdm_2_1f_no_session_begins_authenticated() {
    for tls in [false, true] {
        let mut world = World::new(everything(), tls);
        world.heard();
        assert_eq!(world.ask("STAT\r\n"), "-ERR command not valid in this state\r\n");
    }
}

#[test]
fn r6856_2_2_2_ill_formed_utf_8_names_nobody() {
    let mut world = World::greeted();
    for name in [&b"\xc0\xaf"[..], b"\xed\xa0\x80", b"a\xff"] {
        world.feed(&[b"USER ", name, b"\r\n"].concat());
        assert_eq!(world.heard(), "-ERR unknown or malformed command\r\n");
    }
    assert_eq!(world.ask("USER jürgen\r\n"), "+OK send PASS\r\n");
    assert_eq!(world.session.user(), "jürgen".as_bytes());
}

#[test]
fn r6856_2_2_2_r26_an_ill_formed_password_is_the_drivers_to_refuse() {
    for (utf8, password, hopeless) in [
        (Utf8Offer::No, &b"\xc0\xaf"[..], true),
        (Utf8Offer::MessagesAndLogin, b"a\xff", true),
        (Utf8Offer::Messages, "ü".as_bytes(), true),
        (Utf8Offer::No, "ü".as_bytes(), false),
    ] {
        let mut session =
            Session::new(SessionConfig { utf8, ..SessionConfig::DEFAULT }, true, HeapStorage::new(1));
        let mut out = Vec::new();
        session.greet(&mut out).unwrap();
        assert_eq!(session.receive(b"USER alice\r\n", &mut out).unwrap().step, Step::NeedInput);
        out.clear();
        let line = [b"PASS ", password, b"\r\n"].concat();
        let step = session.receive(&line, &mut out).unwrap().step;
        assert_eq!(matches!(step, Step::Event(Request::Hopeless)), hopeless, "{step:?}");
        // Nothing is said before the driver has let the time of a wrong password pass.
        assert!(out.is_empty() && session.counts().failed_logins == 0);
        if hopeless {
            assert_eq!(session.add_message(1, b"a"), Err(IndexError::NotOpening));
            assert_eq!(session.opened(&mut out), Err(ApiMisuse::ReplyNotOwed.into()));
        }
        session.refuse(Refusal::Credentials, &mut out).unwrap();
        assert_eq!(out, b"-ERR [AUTH] authentication failed\r\n");
        assert_eq!((session.counts().failed_logins, session.counts().bad_commands), (1, 0));
    }
}
