//! What one reply may look like, and what may not stand for one.

use super::*;

/// A client that stands where `command` may be sent.
fn before(command: &Command<'_>) -> Client {
    match command {
        Command::Pass(_) => {
            let mut client = greeted();
            send(&mut client, &user("alice"));
            Seen::default().feed(&mut client, b"+OK\r\n");
            client
        }
        command if state::success(State::Transaction, command.verb()).is_some() => logged_in(),
        Command::Stls => {
            let mut client = plain();
            Seen::default().feed(&mut client, b"+OK\r\n");
            client
        }
        _ => greeted(),
    }
}

#[test]
fn pb_c24_r1939_9_1_the_shape_comes_from_command_and_status_alone() {
    let texts: [&[u8]; 9] =
        [b"", b" ", b" 2 320", b" 120 octets", b" .", b" [X/Y] z", b" +OK", b" -ERR", b" \xff\xfe\0\t"];
    for command in every_command() {
        for text in texts {
            let follows: &[u8] = match command.reply_shape() {
                ReplyShape::Lines(_) | ReplyShape::Body => b"1 2\r\n.\r\n",
                _ => b"",
            };
            for (indicator, more) in [(&b"+OK"[..], follows), (b"-ERR", b"")] {
                let answer = [indicator, text, b"\r\n", more].concat();
                cuts(&answer, |pieces| {
                    let (mut client, mut seen) = (before(&command), Seen::default());
                    send(&mut client, &command);
                    pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
                    let told = format!("{command:?} {}: {}", answer.escape_ascii(), seen.text);
                    assert_eq!((client.outstanding(), client.is_receiving()), (0, false), "{told}");
                    let lines = seen.text.lines().count();
                    let events = if more.is_empty() { 1 } else { 3 };
                    // After STLS each further piece finds the client waiting for the handshake.
                    if client.state() != State::Tls {
                        assert_eq!(lines, events, "{told}");
                    }
                    assert!(!seen.text.contains("error") && !seen.text.contains("notice"), "{told}");
                });
            }
        }
    }
}

#[test]
fn r1939_3_10_pb_k12_a_reply_may_end_right_after_its_first_line() {
    for command in [
        Command::List(None),
        Command::Uidl(None),
        Command::Capa,
        Command::Lang(None),
        Command::Retr(n(1)),
        Command::Top { number: n(1), lines: 5 },
    ] {
        cuts(b"+OK\r\n.\r\n", |pieces| {
            let (mut client, mut seen) = (logged_in(), Seen::default());
            send(&mut client, &command);
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            assert!(seen.text.ends_with(": +OK \"\" ...\nend\n"), "{}", seen.text);
        });
    }
}

#[test]
fn r1939_3_4_pb_c22_pb_q17_pb_q31_only_a_status_line_begins_a_reply() {
    for line in
        [&b"+OKx"[..], b"+ERR no", b" +OK", b"+ok", b"ok", b"", b"-ERRx", b"* OK", b"220 x", b".", b"\0+OK"]
    {
        let (mut client, mut seen) = (logged_in(), Seen::default());
        send(&mut client, &Command::Noop);
        seen.feed(&mut client, &[line, b"\r\n"].concat());
        assert_eq!(
            seen.text,
            "error: peer broke the protocol: reply begins with neither +OK nor -ERR nor +\n",
            "{}",
            line.escape_ascii()
        );
        assert_eq!(refused(&mut client, &Command::Noop), SendError::Closed);
    }
}

#[test]
fn r1939_4_2_a_refusing_greeting_is_told_from_another_protocol() {
    let (mut client, mut seen) = (plain(), Seen::default());
    seen.feed(&mut client, b"-ERR [SYS/TEMP] busy\r\n");
    assert_eq!(seen.text, "greeting -ERR \"[SYS/TEMP] busy\"\n");
    assert_eq!(client.state(), State::Closed);
    assert!(matches!(refused(&mut client, &Command::Capa), SendError::OutOfPlace { .. }));
    assert_eq!(client.end_of_input(), Ok(()));
    for line in ["* OK IMAP4rev1", "220 smtp", "SSH-2.0-x", "+OKready", ""] {
        let (mut client, mut seen) = (plain(), Seen::default());
        seen.feed(&mut client, format!("{line}\r\n").as_bytes());
        assert_eq!(seen.text, "error: peer broke the protocol: first line is no POP3 greeting\n", "{line}");
    }
}

#[test]
fn r5034_4_13_a_challenge_outside_an_exchange_ends_the_connection() {
    for line in [&b"+ \r\n"[..], b"+\r\n", b"+ dGVzdA==\r\n"] {
        let (mut client, mut seen) = (logged_in(), Seen::default());
        send(&mut client, &Command::Noop);
        seen.feed(&mut client, line);
        assert_eq!(seen.text, "error: peer broke the protocol: challenge outside a SASL exchange\n");
    }
}

#[test]
fn pb_k14_r1939_3_8_only_a_single_dot_ends_a_list() {
    let list = b"+OK\r\n..\r\n.X 1\r\n...\r\n1 a\r\n.1 b\r\n.\r\n";
    for (command, want) in [
        (
            Command::Capa,
            "CAPA: +OK \"\" ...\nOther { tag: [46], arguments: \"\" }\nOther { tag: [88], arguments: \"1\" }\n\
            Other { tag: [46, 46], arguments: \"\" }\nOther { tag: [49], arguments: \"a\" }\n\
            Other { tag: [49], arguments: \"b\" }\nend\n",
        ),
        (
            Command::List(None),
            "LIST: +OK \"\" ...\nmalformed .\nmalformed X 1\nmalformed ..\nmalformed 1 a\nmalformed 1 b\nend\n",
        ),
        (
            Command::Uidl(None),
            "UIDL: +OK \"\" ...\nmalformed .\nmalformed X 1\nmalformed ..\n1 \"a\"\n1 \"b\"\nend\n",
        ),
        (Command::Lang(None), "LANG: +OK \"\" ...\n. \nX 1\n.. \n1 a\n1 b\nend\n"),
    ] {
        cuts(list, |pieces| {
            let (mut client, mut seen) = (logged_in(), Seen::default());
            send(&mut client, &command);
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            assert_eq!(seen.text, want);
        });
    }
}

#[test]
fn pb_c25_a_line_that_does_not_parse_uses_up_its_place_only() {
    let (mut client, mut seen) = (pipelining(), Seen::default());
    send(&mut client, &Command::List(None));
    send(&mut client, &Command::Noop);
    seen.feed(
        &mut client,
        b"+OK\r\n1 10\r\n\r\nx\r\n2 -1\r\n4294967296 1\r\n3 10\r\n.\r\n+OK still here\r\n",
    );
    assert_eq!(
        seen.text,
        "LIST: +OK \"\" ...\n1 10\nmalformed \nmalformed x\nmalformed 2 -1\nmalformed 4294967296 1\n3 10\nend\n\
        NOOP: +OK \"still here\"\n"
    );
}

#[test]
fn pb_k11_a_list_cut_in_two_leaves_nothing_behind() {
    let mut list = b"+OK\r\n".to_vec();
    for number in 1..=41 {
        list.extend_from_slice(format!("{number} 100\r\n").as_bytes());
    }
    list.extend_from_slice(b".\r\n");
    let (mut client, mut seen) = (logged_in(), Seen::default());
    send(&mut client, &Command::List(None));
    seen.feed(&mut client, &list[..200]);
    seen.feed(&mut client, &list[200..]);
    assert_eq!(seen.take().lines().count(), 43);
    send(&mut client, &Command::Noop);
    seen.feed(&mut client, b"+OK\r\n");
    assert_eq!(seen.text, "NOOP: +OK \"\"\n");
}

#[test]
fn pb_c26_every_octet_at_every_place_of_a_body_is_content() {
    let body = b"ab\r\ncd\r\n";
    for octet in 0..=255u8 {
        for at in 0..=6 {
            let mut message = body.to_vec();
            message.insert(at, octet);
            let mut wire = b"+OK\r\n".to_vec();
            if message.starts_with(b".") || message.get(4..5) == Some(b".") {
                continue; // a dot that begins a line is another test
            }
            wire.extend_from_slice(&message);
            wire.extend_from_slice(b".\r\n+OK after\r\n");
            let (mut client, mut seen) = (pipelining(), Seen::default());
            send(&mut client, &Command::Retr(n(1)));
            send(&mut client, &Command::Noop);
            seen.feed(&mut client, &wire);
            assert_eq!(
                seen.text,
                format!("RETR 1: +OK \"\" ...\nbody {}\nend\nNOOP: +OK \"after\"\n", message.escape_ascii()),
                "octet {octet} at {at}"
            );
        }
    }
}

#[test]
fn r1939_3_8_pb_c15_only_crlf_dot_crlf_ends_a_message() {
    for tail in [
        &b"x\n.\n+OK\r\n"[..],
        b"x\n.\r\n+OK\r\n",
        b"x\r.\r\n+OK\r\n",
        b"x\r\n.\n+OK\r\n",
        b"x\r\n.\r+OK\r\n",
        b"x\r\n. \r\n+OK\r\n",
    ] {
        let wire = [b"+OK\r\n", tail, b".\r\n"].concat();
        cuts(&wire, |pieces| {
            let (mut client, mut seen) = (logged_in(), Seen::default());
            send(&mut client, &Command::Retr(n(1)));
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            assert_eq!(seen.text.lines().count(), 3, "{}", seen.text);
            assert!(seen.text.ends_with("+OK\\r\\n\nend\n"), "{}", seen.text);
        });
    }
}

#[test]
fn r1939_5_2_r1939_5_4_pb_q10_the_data_of_a_first_line() {
    fn reply(command: &Command<'_>, answer: &[u8]) -> String {
        let mut client = logged_in();
        send(&mut client, command);
        match client.receive(answer).unwrap().step {
            Step::Event(ClientEvent::Reply(reply)) => {
                format!("{:?} {:?} {:?}", reply.drop_listing(), reply.scan_listing(), reply.unique_id())
            }
            other => panic!("{other:?}"),
        }
    }
    let stat = |answer| reply(&Command::Stat, answer);
    let none = "None None None";
    assert!(
        stat(b"+OK 2 320 extra\r\n").starts_with("Some(DropListing { messages: 2, octets: Some(320) }) None")
    );
    assert!(stat(b"+OK 2 -5\r\n").starts_with("Some(DropListing { messages: 2, octets: None })"));
    assert_eq!(stat(b"+OK many\r\n"), none);
    assert_eq!(stat(b"-ERR 2 320\r\n"), none);
    let list = |answer| reply(&Command::List(Some(n(2))), answer);
    assert_eq!(list(b"+OK 2 200\r\n"), "None Some(ScanListing { number: 2, octets: 200 }) None");
    assert_eq!(list(b"+OK 2 200 and more\r\n"), "None Some(ScanListing { number: 2, octets: 200 }) None");
    for answer in [&b"+OK 1 200\r\n"[..], b"+OK 200\r\n", b"+OK 2 messages\r\n", b"-ERR 2 200\r\n"] {
        assert_eq!(list(answer), none, "{}", answer.escape_ascii());
    }
    let uidl = |answer| reply(&Command::Uidl(Some(n(2))), answer);
    let want = "None None Some(UniqueIdListing { number: 2, unique_id: \"abc\" })";
    assert_eq!(uidl(b"+OK 2 abc\r\n"), want);
    assert_eq!(uidl(b"+OK abc\r\n"), want);
    assert_eq!(uidl(b"+OK 1 abc\r\n"), none);
    // Only these three commands have data there.
    assert_eq!(reply(&Command::Retr(n(2)), b"+OK 2 200\r\n"), none);
}

#[test]
fn r2449_8_3_pb_q30_a_code_counts_only_if_codes_were_announced() {
    let mut client =
        logged_in_to(b"+OK\r\nPIPELINING\r\n.\r\n", ClientLimits::DEFAULT, ClientTolerances::default());
    let mut seen = Seen::default();
    send(&mut client, &Command::Retr(n(1)));
    seen.feed(&mut client, b"-ERR [SYS/TEMP] disk\r\n");
    assert_eq!(seen.take(), "RETR 1: -ERR \"[SYS/TEMP] disk\"\n");
    let (mut client, mut seen) = (pipelining(), Seen::default());
    send(&mut client, &Command::Retr(n(1)));
    seen.feed(&mut client, b"-ERR [SYS/TEMP] disk\r\n");
    assert_eq!(seen.text, "RETR 1: -ERR \"[SYS/TEMP] disk\" SysTemp\n");
    let (mut client, mut seen) = (plain(), Seen::default());
    seen.feed(&mut client, b"+OK The server is ready. [QgBOADIAUAAyADcA]\r\n");
    assert_eq!(seen.text, "greeting +OK \"The server is ready. [QgBOADIAUAAyADcA]\"\n");
}

#[test]
fn pb_q29_r3206_6_1_words_are_handed_on_and_not_guessed_at() {
    // Refusals that mean a lock or a delay to a human reader, and nothing to a program.
    for text in [
        "login allowed only every 15 minutes",
        "maildrop lock",
        "wait a few minutes",
        "Authentication failed",
    ] {
        let mut client = with(ClientLimits::DEFAULT, ClientTolerances::default());
        send(&mut client, &Command::Capa);
        Seen::default().feed(&mut client, b"+OK\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n.\r\n");
        assert!(client.capabilities().auth_resp_code);
        send(&mut client, &user("alice"));
        Seen::default().feed(&mut client, b"+OK\r\n");
        send(&mut client, &pass("secret"));
        let answer = format!("-ERR {text}\r\n");
        match client.receive(answer.as_bytes()).unwrap().step {
            Step::Event(ClientEvent::Reply(reply)) => {
                // Where codes are promised, no code says that the credentials were not the problem.
                assert_eq!((reply.code(), reply.line.text), (None, text.as_bytes()));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn r1939_3_14_a_refusal_does_not_mean_that_a_command_is_unknown() {
    let (mut client, mut seen) = (pipelining(), Seen::default());
    let before = *client.capabilities();
    for _ in 0..3 {
        send(&mut client, &Command::Top { number: n(1), lines: 0 });
        seen.feed(&mut client, b"-ERR unknown command TOP\r\n");
    }
    assert_eq!(*client.capabilities(), before);
}

#[test]
fn pb_q16_a_body_that_was_not_stuffed_ends_early_and_is_noticed() {
    // The line "." belongs to the mail, which the server did not say.
    for more in [&[][..], &[Command::Noop]] {
        let (mut client, mut seen) = (pipelining(), Seen::default());
        send(&mut client, &Command::Retr(n(1)));
        more.iter().for_each(|command| drop(send(&mut client, command)));
        seen.feed(&mut client, b"+OK\r\nfirst\r\n.\r\nsecond\r\n.\r\n");
        assert_eq!(
            seen.text,
            "RETR 1: +OK \"\" ...\nbody first\\r\\n\nend\n\
            error: peer broke the protocol: reply begins with neither +OK nor -ERR nor +\n"
        );
    }
}
