//! Limits, ends of the stream, waits, and tolerances.

use super::*;
use crate::PeerMisbehaved;

#[test]
fn r1939_3_6_pb_k10_pb_q42_a_line_may_be_as_long_as_its_limit_and_no_longer() {
    let limits = ClientLimits { line: 64, sasl_line: 128, ..ClientLimits::DEFAULT };
    for octets in [63usize, 64, 65] {
        let line = format!("+OK {}\r\n", "x".repeat(octets - 6));
        let fits = octets <= 64;
        cuts(line.as_bytes(), |pieces| {
            // the greeting
            let mut client = Client::<8>::in_clear(limits, ClientTolerances::default());
            let mut seen = Seen::default();
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            assert_eq!(seen.text.starts_with("greeting"), fits);
            assert_eq!(seen.text.ends_with("error: no line end within 64 octets\n"), !fits);
            // a reply, and a line of a list
            for before in [&b""[..], b"+OK\r\n"] {
                let (mut client, mut seen) = (with(limits, ClientTolerances::default()), Seen::default());
                send(&mut client, &Command::Capa);
                seen.feed(&mut client, before);
                pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
                assert_eq!(seen.text.ends_with("error: no line end within 64 octets\n"), !fits);
            }
        });
    }
    // Without any line end the limit is noticed once it is reached, not when memory runs out.
    let (mut client, mut seen) = (with(limits, ClientTolerances::default()), Seen::default());
    send(&mut client, &Command::Capa);
    for _ in 0..63 {
        seen.feed(&mut client, b"+");
        assert_eq!(seen.text, "");
    }
    seen.feed(&mut client, b"+");
    assert_eq!(seen.text, "error: no line end within 64 octets\n");
}

#[cfg(feature = "sasl")]
#[test]
fn r5034_4_12_challenges_have_a_limit_of_their_own() {
    let limits = ClientLimits { line: 64, sasl_line: 128, ..ClientLimits::DEFAULT };
    for (octets, fits) in [(124usize, true), (128, false)] {
        let (mut client, mut seen) = (with(limits, ClientTolerances::default()), Seen::default());
        client.authenticate(MechanismName::PLAIN, None, &mut Vec::new()).unwrap();
        seen.feed(&mut client, format!("+ {}\r\n", "A".repeat(octets)).as_bytes());
        assert_eq!(seen.text.starts_with("challenge"), fits, "{}", seen.text);
        assert_eq!(seen.text == "error: no line end within 128 octets\n", !fits);
    }
}

#[cfg(feature = "sasl")]
#[test]
fn r5034_4_12_an_answer_fills_the_limit_of_a_sasl_line_and_no_more() {
    // Base64 of 9 octets is 12, of 10 it is 16; CRLF counts.
    for (sasl_line, octets, error) in [
        (14, 9, None),
        (14, 10, Some(SendError::TooLong { octets: 18, limit: 14 })),
        (17, 10, Some(SendError::TooLong { octets: 18, limit: 17 })),
        (18, 10, None),
    ] {
        let mut client =
            with(ClientLimits { sasl_line, ..ClientLimits::DEFAULT }, ClientTolerances::default());
        client.authenticate(MechanismName::PLAIN, None, &mut Vec::new()).unwrap();
        Seen::default().feed(&mut client, b"+ \r\n");
        let mut out = Vec::new();
        assert_eq!(client.respond(&vec![b'x'; octets], &mut out).err(), error, "{octets} in {sasl_line}");
        assert_eq!(out.is_empty(), error.is_some());
    }
}

#[cfg(feature = "sasl")]
#[test]
fn r5034_4_9_nothing_is_answered_on_a_connection_that_is_over() {
    let mut client = greeted();
    client.authenticate(MechanismName::PLAIN, None, &mut Vec::new()).unwrap();
    Seen::default().feed(&mut client, b"+ \r\n");
    client.timed_out();
    let mut out = Vec::new();
    assert_eq!(client.respond(b"x", &mut out), Err(SendError::Closed));
    assert_eq!(client.cancel(&mut out), Err(SendError::Closed));
    assert!(out.is_empty());
}

#[test]
fn r1939_3_6_pb_c12_lists_have_a_limit() {
    let limits = ClientLimits { list_lines: 3, capability_lines: 2, ..ClientLimits::DEFAULT };
    for (command, limit) in
        [(Command::List(None), 3), (Command::Uidl(None), 3), (Command::Capa, 2), (Command::Lang(None), 2)]
    {
        for lines in 0..=4usize {
            let (mut client, mut seen) =
                (logged_in_to(b"", limits, ClientTolerances::default()), Seen::default());
            send(&mut client, &command);
            let answer = format!("+OK\r\n{}.\r\n", "1 5\r\n".repeat(lines));
            seen.feed(&mut client, answer.as_bytes());
            let error = format!("error: reply has over {limit} lines\n");
            assert_eq!(seen.text.ends_with(&error), lines > limit, "{command:?} {lines}");
            assert_eq!(seen.text.ends_with("end\n"), lines <= limit);
        }
    }
    // Empty lines and lines that do not parse count too.
    let (mut client, mut seen) = (logged_in_to(b"", limits, ClientTolerances::default()), Seen::default());
    send(&mut client, &Command::Capa);
    seen.feed(&mut client, b"+OK\r\n\r\n\r\n\r\n");
    assert!(seen.text.ends_with("error: reply has over 2 lines\n"));
}

#[test]
fn r1939_3_6_pb_c12_lists_of_few_but_long_lines_have_a_limit_too() {
    // 31 octets of lines, the last with a stuffed dot: the limit is for what comes over the wire.
    let lines = format!("{}\r\n{}\r\n.{}\r\n", "X".repeat(10), "Y".repeat(8), "Z".repeat(6));
    assert_eq!(lines.len(), 31);
    for (command, counted) in [
        (Command::Capa, true),
        (Command::Lang(None), true),
        (Command::List(None), false),
        (Command::Uidl(None), false),
    ] {
        for limit in [30, 31] {
            let limits = ClientLimits { capability_octets: limit, ..ClientLimits::DEFAULT };
            let (mut client, mut seen) =
                (logged_in_to(b"", limits, ClientTolerances::default()), Seen::default());
            send(&mut client, &command);
            seen.feed(&mut client, format!("+OK\r\n{lines}.\r\n").as_bytes());
            let over = counted && limit == 30;
            assert_eq!(seen.text.ends_with("error: list has over 30 octets\n"), over, "{command:?} {limit}");
            assert_eq!(seen.text.ends_with("end\n"), !over, "{command:?} {limit}");
        }
    }
    for (command, limit) in [(Command::List(None), 40), (Command::Uidl(None), 40), (Command::Capa, 64)] {
        let limits = ClientLimits { line: 64, list_line: 40, ..ClientLimits::DEFAULT };
        for octets in [limit, limit + 1] {
            let (mut client, mut seen) =
                (logged_in_to(b"", limits, ClientTolerances::default()), Seen::default());
            send(&mut client, &command);
            seen.feed(&mut client, format!("+OK\r\n1 {}\r\n.\r\n", "5".repeat(octets - 4)).as_bytes());
            let error = format!("error: no line end within {limit} octets\n");
            assert_eq!(seen.text.ends_with(&error), octets > limit, "{command:?} {octets}: {}", seen.text);
        }
    }
}

#[test]
fn pb_c12_r1939_5_7_a_message_has_a_limit_in_octets_not_in_lines() {
    let limits = ClientLimits { message: 100, ..ClientLimits::DEFAULT };
    for octets in [99usize, 100, 101] {
        // The size that the server tells does not matter, nor do stuffed dots.
        let body = format!("..{}\r\n", "x".repeat(octets - 3));
        let answer = format!("+OK 5 octets\r\n{body}.\r\n");
        cuts(answer.as_bytes(), |pieces| {
            let (mut client, mut seen) =
                (logged_in_to(b"", limits, ClientTolerances::default()), Seen::default());
            send(&mut client, &Command::Retr(n(1)));
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            assert_eq!(seen.text.ends_with("end\n"), octets <= 100);
            assert_eq!(seen.text.ends_with("error: message has over 100 octets\n"), octets > 100);
        });
    }
}

#[test]
fn pb_c13_a_line_of_a_message_has_no_limit() {
    let limits = ClientLimits { line: 64, ..ClientLimits::DEFAULT };
    let mut client = logged_in_to(b"", limits, ClientTolerances::default());
    send(&mut client, &Command::Retr(n(1)));
    assert_eq!(client.receive(b"+OK\r\n").unwrap().consumed, 5);
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..8 {
        let received = client.receive(&chunk).unwrap();
        assert_eq!(received.consumed, chunk.len());
    }
    let mut seen = Seen::default();
    seen.feed(&mut client, b"\r\n.\r\n");
    assert_eq!(seen.text, "body \\r\\n\nend\n");
}

#[test]
fn rp_close_2_rp_close_3_pb_c27_pb_q41_the_end_of_the_stream_in_every_state() {
    let truncated = |verb| Err(Error::Truncated { verb: Some(verb) });
    // before and inside the greeting
    for octets in [&b""[..], b"+OK rea"] {
        let mut client = plain();
        Seen::default().feed(&mut client, octets);
        assert_eq!(client.end_of_input(), Err(Error::Truncated { verb: None }));
    }
    // between replies
    for mut client in [greeted(), logged_in(), pipelining()] {
        assert_eq!(client.end_of_input(), Err(Error::ConnectionLost));
        assert_eq!(client.receive(b""), Err(Error::ConnectionLost), "final");
        assert_eq!(refused(&mut client, &Command::Noop), SendError::Closed);
    }
    // before each reply, and inside it
    for command in every_command() {
        let verb = command.verb();
        let first = || {
            if verb == Verb::Pass {
                let mut client = greeted();
                send(&mut client, &user("a"));
                Seen::default().feed(&mut client, b"+OK\r\n");
                client
            } else if state::success(State::Transaction, verb).is_some() {
                logged_in()
            } else {
                greeted()
            }
        };
        for octets in [&b""[..], b"+", b"-ERR", b"+OK x\r"] {
            let mut client = first();
            send(&mut client, &command);
            Seen::default().feed(&mut client, octets);
            assert_eq!(client.end_of_input(), truncated(verb), "{command:?}");
        }
    }
    // the handshake never came
    let mut client = greeted();
    send(&mut client, &Command::Stls);
    Seen::default().feed(&mut client, b"+OK\r\n");
    assert_eq!(client.end_of_input(), Err(Error::ConnectionLost));
    // after the reply to QUIT all is well, with half a line behind it too
    for answer in [&b"+OK\r\n"[..], b"-ERR\r\n", b"+OK\r\n-ER"] {
        for mut client in [greeted(), logged_in()] {
            send(&mut client, &Command::Quit);
            Seen::default().feed(&mut client, answer);
            assert_eq!(client.end_of_input(), Ok(()));
        }
    }
}

#[test]
fn rp_close_2_pb_c16_pb_k13_pb_q34_a_message_cut_at_every_octet_is_no_message() {
    let answer = b"+OK\r\na\r\n..b\r\n\r\nlast\r\n.\r\n";
    for at in 0..answer.len() {
        let (mut client, mut seen) = (logged_in(), Seen::default());
        send(&mut client, &Command::Retr(n(1)));
        seen.feed(&mut client, &answer[..at]);
        assert!(!seen.text.contains("end\n"), "cut at {at}");
        assert_eq!(client.end_of_input(), Err(Error::Truncated { verb: Some(Verb::Retr) }), "cut at {at}");
    }
    // The same for a list, and for a message whose last dot has no CRLF or stands behind LF.
    for (command, answer) in [
        (Command::List(None), &b"+OK\r\n1 5\r\n"[..]),
        (Command::Uidl(None), b"+OK\r\n1 a\r\n."),
        (Command::Retr(n(1)), b"+OK\r\nx\r\n."),
        (Command::Retr(n(1)), b"+OK\r\nx\r\n.\r"),
        (Command::Retr(n(1)), b"+OK\r\nx\n.\r\n"),
        (Command::Retr(n(1)), b"+OK\r\nx.\r\n"),
    ] {
        let (mut client, mut seen) = (logged_in(), Seen::default());
        send(&mut client, &command);
        seen.feed(&mut client, answer);
        assert!(!seen.text.contains("end\n"));
        assert_eq!(client.end_of_input(), Err(Error::Truncated { verb: Some(command.verb()) }));
    }
}

#[test]
fn pb_q28_each_wait_has_its_limit() {
    let wait = |client: &Client| client.timeout().map(|t| (t.waiting_for, t.limit.as_secs()));
    assert_eq!(wait(&plain()), Some((WaitingFor::Greeting, 60)));
    let mut client = greeted();
    assert_eq!(wait(&client), None);
    send(&mut client, &user("a"));
    assert_eq!(wait(&client), Some((WaitingFor::Reply, 60)));
    Seen::default().feed(&mut client, b"+OK\r\n");
    send(&mut client, &pass("b"));
    assert_eq!(wait(&client), Some((WaitingFor::LoginReply, 300)));
    Seen::default().feed(&mut client, b"+OK\r\n");
    send(&mut client, &Command::Retr(n(1)));
    Seen::default().feed(&mut client, b"+OK\r\nx");
    assert_eq!(wait(&client), Some((WaitingFor::Reply, 60)), "in the middle of a message");
    Seen::default().feed(&mut client, b"\r\n.\r\n");
    assert_eq!(wait(&client), None);
    send(&mut client, &Command::Quit);
    assert_eq!(wait(&client), Some((WaitingFor::QuitReply, 300)));
    assert_eq!(client.timed_out(), Error::TimedOut);
    assert_eq!(client.receive(b"+OK\r\n"), Err(Error::TimedOut));
    assert_eq!(client.end_of_input(), Err(Error::TimedOut));
}

#[test]
fn pb_q28_each_limit_is_for_its_own_wait() {
    let [greeting, reply, login, quit] = [7, 11, 13, 17].map(core::time::Duration::from_secs);
    let limits = ClientLimits { greeting, reply, login, quit, ..ClientLimits::DEFAULT };
    let wait = |client: &Client| client.timeout().unwrap().limit.as_secs();
    assert_eq!(wait(&Client::over_tls(limits, ClientTolerances::default())), 7);
    for (commands, seconds) in
        [(vec![user("a")], 11), (vec![user("a"), pass("b")], 13), (vec![Command::Quit], 17)]
    {
        let mut client = with(limits, ClientTolerances::default());
        for (at, command) in commands.iter().enumerate() {
            Seen::default().feed(&mut client, if at > 0 { b"+OK\r\n" } else { b"" });
            send(&mut client, command);
        }
        assert_eq!(wait(&client), seconds, "{commands:?}");
    }
}

#[test]
fn pb_q01_lf_ends_a_line_only_if_tolerated() {
    let lenient = ClientTolerances { lenient_lf: true, ..ClientTolerances::default() };
    cuts(b"+OK ready\n+OK\n1 5\n2 6\r\n.\n+OK\nx\n.\n\r\n.\r\n", |pieces| {
        let mut client = Client::<8>::over_tls(ClientLimits::DEFAULT, lenient);
        let mut seen = Seen::default();
        let mut input = pieces.concat();
        let mut feed = |client: &mut Client<8>, octets: usize| {
            let rest = input.split_off(octets);
            // piecewise, up to what this reply has
            input.chunks(pieces[0].len()).for_each(|piece| seen.feed(client, piece));
            input = rest;
        };
        feed(&mut client, 10);
        client.state = State::Transaction;
        client.projected = State::Transaction;
        send(&mut client, &Command::List(None));
        feed(&mut client, 15);
        send(&mut client, &Command::Retr(n(1)));
        feed(&mut client, 13);
        // Inside a message only CRLF counts.
        assert_eq!(
            seen.text,
            "greeting +OK \"ready\"\nLIST: +OK \"\" ...\n1 5\n2 6\nend\n\
            RETR 1: +OK \"\" ...\nbody x\\n.\\n\\r\\n\nend\n"
        );
    });
    let (mut client, mut seen) = (plain(), Seen::default());
    seen.feed(&mut client, b"+OK ready\n");
    assert_eq!(seen.text, "");
}

#[test]
fn pb_q02_lf_ends_lines_of_a_message_only_if_tolerated() {
    let lenient = ClientTolerances { lenient_lf_body: true, ..ClientTolerances::default() };
    for (tolerances, body) in [(lenient, "x\\n"), (ClientTolerances::default(), "x\\n.\\n+OK\\r\\n")] {
        cuts(b"+OK\r\nx\n.\n+OK\r\n.\r\n", |pieces| {
            let (mut client, mut seen) =
                (logged_in_to(CRLF_CAPA, ClientLimits::DEFAULT, tolerances), Seen::default());
            send(&mut client, &Command::Retr(n(1)));
            send(&mut client, &Command::Noop);
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            assert!(
                seen.text.starts_with(&format!("RETR 1: +OK \"\" ...\nbody {body}\nend\n")),
                "{}",
                seen.text
            );
            assert_eq!(seen.text.contains("NOOP: +OK"), tolerances == lenient);
        });
    }
}

#[test]
fn pb_q37_lines_before_the_greeting_only_if_tolerated() {
    let lenient = ClientTolerances { lenient_banner: true, ..ClientTolerances::default() };
    for lines in [0usize, 1, 5, 16, 17] {
        let input = format!("{}+OK ready\r\n", "  welcome \r\n".repeat(lines));
        cuts(input.as_bytes(), |pieces| {
            for (tolerances, allowed) in [(lenient, 16), (ClientTolerances::default(), 0)] {
                let mut client = Client::<1>::in_clear(ClientLimits::DEFAULT, tolerances);
                let mut seen = Seen::default();
                pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
                let want = if lines <= allowed {
                    "greeting +OK \"ready\"\n"
                } else {
                    "error: peer broke the protocol: first line is no POP3 greeting\n"
                };
                assert!(seen.text.starts_with(want), "{lines} lines: {}", seen.text);
            }
        });
    }
}

#[test]
fn pb_q36_empty_lines_between_capabilities_are_skipped() {
    cuts(b"+OK\r\n\r\nTOP\r\n\r\n \r\nUIDL\r\n\r\n.\r\n", |pieces| {
        let (mut client, mut seen) = (greeted(), Seen::default());
        send(&mut client, &Command::Capa);
        pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
        assert_eq!(seen.text, "CAPA: +OK \"\" ...\nTop\nUidl\nend\n");
    });
}

#[test]
fn r2449_6_9_1_no_text_changes_what_is_sent() {
    for (greeting, implementation) in
        [("+OK", "x"), ("+OK Dovecot ready.", "Dovecot"), ("+OK Microsoft Exchange", "Microsoft")]
    {
        let mut client = Client::<8>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
        let mut seen = Seen::default();
        seen.feed(&mut client, format!("{greeting}\r\n").as_bytes());
        send(&mut client, &Command::Capa);
        seen.feed(&mut client, format!("+OK\r\nIMPLEMENTATION {implementation}\r\nUIDL\r\n.\r\n").as_bytes());
        assert_eq!(
            *client.capabilities(),
            Capabilities { known: true, uidl: true, ..Capabilities::default() }
        );
        assert_eq!(send(&mut client, &user("a")), b"USER a\r\n");
    }
}

#[test]
fn misbehaviour_is_final_and_named() {
    let (mut client, mut seen) = (logged_in(), Seen::default());
    send(&mut client, &Command::Noop);
    seen.feed(&mut client, b"nonsense\r\n");
    assert_eq!(client.end_of_input(), Err(Error::PeerMisbehaved(PeerMisbehaved::NotAReply)));
    assert_eq!(
        client.timed_out(),
        Error::PeerMisbehaved(PeerMisbehaved::NotAReply),
        "the first failure stays"
    );
}
