//! [`Server`] alone, as a proxy uses it: what may be written at which moment, and what may not.

use super::*;

fn server() -> Server {
    Server::new(true, false, false, ServerLimits::DEFAULT)
}

fn misused(result: Result<(), ReplyError>) -> bool {
    result == Err(ApiMisuse::ReplyNotOwed.into())
}

fn greeted() -> Server {
    let mut server = server();
    server.greet(b"hello", &mut Vec::new()).unwrap();
    server
}

/// A server that has taken in `lines`, each but the last answered by `+OK`.
fn asked(lines: &[&str]) -> Server {
    let mut server = greeted();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            server.reply(Status::Ok, None, b"", &mut Vec::new()).unwrap();
        }
        let received = server.receive(line.as_bytes()).unwrap();
        assert_eq!(received.consumed, line.len());
        assert!(matches!(received.step, Step::Event(ServerEvent::Command(_))), "{line}");
    }
    server
}

#[test]
fn r1939_4_1_one_greeting_before_anything_is_read() {
    let (mut server, mut out) = (server(), Vec::new());
    assert!(!server.wants_input());
    assert_eq!(server.receive(b"QUIT\r\n"), Ok(crate::client::Received::paused(0)));
    assert!(misused(server.reply(Status::Ok, None, b"", &mut out)));
    server.greet(b"hello", &mut out).unwrap();
    assert_eq!(out, b"+OK hello\r\n");
    assert_eq!(server.state(), State::Authorization);
    assert!(server.wants_input());
    assert!(misused(server.greet(b"again", &mut out)) && misused(server.refuse(None, b"", &mut out)));
    assert_eq!(out, b"+OK hello\r\n");
}

#[test]
fn r1939_4_2_pb_s43_a_refusal_in_place_of_the_greeting_ends_the_session() {
    let (mut server, mut out) = (server(), Vec::new());
    server.refuse(Some(CodeKind::SysTemp), b"too many connections", &mut out).unwrap();
    assert_eq!(out, b"-ERR [SYS/TEMP] too many connections\r\n");
    assert_eq!(server.state(), State::Closed);
    assert!(!server.wants_input() && server.timeout().is_none());
    assert_eq!(server.receive(b"CAPA\r\n"), Ok(crate::client::Received::paused(0)));
    assert!(misused(server.greet(b"", &mut out)));
}

#[test]
fn r1939_3_3_pb_s43_no_reply_without_a_command() {
    let (mut server, mut out) = (greeted(), Vec::new());
    for status in [Status::Ok, Status::Err] {
        assert!(misused(server.reply(status, None, b"", &mut out)));
    }
    assert!(misused(server.start_lines(b"", &mut out)) && misused(server.end_lines(&mut out)));
    assert!(misused(server.line(b"1 2", &mut out)));
    assert!(misused(server.start_body(b"", BodyRules::new(), &mut out)));
    assert!(misused(server.end_body(None, &mut out)));
    assert_eq!(server.body(b"x", &mut [0; 8]), Err(ApiMisuse::ReplyNotOwed));
    assert_eq!(server.tls_started(), Err(ApiMisuse::WrongMoment { state: State::Authorization }));
    assert_eq!(out, b"");
}

#[test]
fn r1939_3_7_a_reply_has_the_shape_of_its_command() {
    const LOGGED_IN: [&str; 2] = ["USER a\r\n", "PASS b\r\n"];
    for (command, lines, body) in [
        ("NOOP\r\n", false, false),
        ("LIST\r\n", true, false),
        ("LIST 1\r\n", false, false),
        ("RETR 1\r\n", false, true),
    ] {
        let asked = asked(&[LOGGED_IN[0], LOGGED_IN[1], command]);
        let mut out = Vec::new();
        assert_eq!(
            asked.clone().reply(Status::Ok, None, b"ok", &mut out).is_ok(),
            !lines && !body,
            "{command}"
        );
        assert_eq!(asked.clone().start_lines(b"ok", &mut out).is_ok(), lines, "{command}");
        assert_eq!(asked.clone().start_body(b"ok", BodyRules::new(), &mut out).is_ok(), body, "{command}");
        // One such line of three was written, and -ERR is one line whatever was asked.
        assert_eq!(out, b"+OK ok\r\n", "{command}");
        assert!(asked.clone().reply(Status::Err, None, b"no", &mut out).is_ok(), "{command}");
        assert_eq!(out, b"+OK ok\r\n-ERR no\r\n", "{command}");
    }
}

#[test]
fn r1939_3_7_r1939_3_10_the_lines_of_a_list_are_stuffed_and_cannot_be_broken() {
    let (mut server, mut out) = (asked(&["CAPA\r\n"]), Vec::new());
    assert!(misused(server.line(b"TOP", &mut out)), "the list has not begun");
    server.start_lines(b"list", &mut out).unwrap();
    assert!(
        misused(server.start_lines(b"", &mut out)) && misused(server.reply(Status::Ok, None, b"", &mut out))
    );
    for line in [&b"TOP"[..], b".", b"..", b".x", b"x.", b""] {
        server.line(line, &mut out).unwrap();
    }
    for line in [&b"a\r\n."[..], b"a\nb", b"a\rb", b"\n"] {
        assert!(misused(server.line(line, &mut out)), "{}", line.escape_ascii());
    }
    assert!(!server.wants_input());
    server.end_lines(&mut out).unwrap();
    assert_eq!(out, b"+OK list\r\nTOP\r\n..\r\n...\r\n..x\r\nx.\r\n\r\n.\r\n");
    assert!(server.wants_input());
    assert!(misused(server.end_lines(&mut out)) && misused(server.line(b"UIDL", &mut out)));
}

#[test]
fn r5034_4_3_a_challenge_of_the_proxy_passes_as_it_is() {
    let (mut server, mut out) = (asked(&["AUTH X-OWN\r\n"]), Vec::new());
    server.challenge_encoded(Base64::new(b"cGFzcw==").unwrap(), &mut out).unwrap();
    assert_eq!(out, b"+ cGFzcw==\r\n");
    assert!(server.wants_input());
    let again = server.challenge_encoded(Base64::new(b"").unwrap(), &mut out);
    assert!(misused(again), "an answer is awaited");
    let received = server.receive(b"eA==\r\n").unwrap();
    assert!(
        matches!(received.step, Step::Event(ServerEvent::SaslResponse(answer)) if answer.as_bytes() == b"eA==")
    );
    out.clear();
    server.challenge_encoded(Base64::new(b"").unwrap(), &mut out).unwrap();
    assert_eq!(out, b"+ \r\n");
}
