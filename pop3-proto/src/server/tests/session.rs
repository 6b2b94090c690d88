//! Whole sessions at every cut.

use super::*;

#[test]
fn r2449_6_6_1_r1939_5_3_a_batch_is_answered_in_order_at_every_cut() {
    let input = b"CAPA\r\nUSER alice\r\nPASS wonder land\r\nSTAT\r\nLIST\r\nRETR 9\r\nUIDL 1\r\nRETR 2\r\nDELE 1\r\nDELE 1\r\n\
        TOP 2 1\r\nLIST\r\nUIDL\r\nRSET\r\nSTAT\r\nQUIT\r\nNOOP\r\n";
    let want = "+OK POP3 server ready\r\n+OK capabilities follow\r\nTOP\r\nUIDL\r\nUSER\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n\
        PIPELINING\r\n.\r\n+OK send PASS\r\n+OK maildrop has 2 messages (130 octets)\r\n+OK 2 130\r\n\
        +OK 2 messages (130 octets)\r\n1 68\r\n2 62\r\n.\r\n-ERR no such message\r\n+OK 1 0000004e00000001\r\n\
        +OK 62 octets\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n..\r\n...two\r\n..hidden\r\nend\r\n.\r\n\
        +OK message marked as deleted\r\n-ERR message is already marked as deleted\r\n\
        +OK message follows\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n..\r\n.\r\n\
        +OK 1 message (62 octets)\r\n2 62\r\n.\r\n+OK 1 message (62 octets)\r\n2 0000004e00000002\r\n.\r\n\
        +OK no message is marked as deleted\r\n+OK 2 130\r\n+OK bye\r\n";
    for cut in pieces(input) {
        let mut world = World::new(SessionConfig::DEFAULT, true);
        cut.for_each(|piece| world.feed(piece));
        assert_eq!(world.heard(), want);
        assert_eq!(world.ended, Some(Ok(CloseReason::Quit)));
        assert_eq!(world.committed, Some(vec![]));
    }
}

#[test]
fn r2449_6_6_1_pb_s45_a_thousand_commands_at_once_and_octet_by_octet() {
    let mut input = LOGIN.to_vec();
    let mut want = String::from("+OK send PASS\r\n+OK maildrop has 2 messages (130 octets)\r\n");
    for number in 0..1000 {
        match number % 3 {
            0 => {
                input.extend_from_slice(b"STAT\r\n");
                want.push_str("+OK 2 130\r\n");
            }
            1 => {
                input.extend_from_slice(b"LIST 2\r\n");
                want.push_str("+OK 2 62\r\n");
            }
            _ => {
                input.extend_from_slice(b"RETR 3\r\nUIDL\r\n");
                want.push_str(
                    "-ERR no such message\r\n\
                    +OK 2 messages (130 octets)\r\n1 0000004e00000001\r\n2 0000004e00000002\r\n.\r\n",
                );
            }
        }
    }
    let mut config = SessionConfig::DEFAULT;
    config.limits.bad_commands = u32::MAX;
    for size in [input.len(), 1, 7, 512] {
        let mut world = World::new(config, true);
        world.heard();
        input.chunks(size).for_each(|piece| world.feed(piece));
        assert_eq!(world.heard(), want, "pieces of {size}");
    }
}

#[test]
fn r1939_6_6_pb_q64_what_follows_quit_is_ignored() {
    for before in [&b""[..], LOGIN] {
        let input = [before, b"QUIT\r\nNOOP\r\nDELE 1\r\nQUIT\r\n"].concat();
        for cut in pieces(&input) {
            let mut world = World::greeted();
            cut.for_each(|piece| world.feed(piece));
            assert!(world.heard().ends_with("+OK bye\r\n"));
            assert_eq!(world.ended, Some(Ok(CloseReason::Quit)));
            assert_eq!(world.committed, if before.is_empty() { None } else { Some(vec![]) });
        }
    }
}

#[test]
fn r1939_3_7_r1939_5_6_pb_s06_pb_s10_every_small_message_arrives_as_it_is_stored() {
    for separator in [true, false] {
        let rules = BodyRules::new().with_add_header_separator(separator);
        let mut world = World::new(SessionConfig { rules, ..SessionConfig::DEFAULT }, true);
        world.mail.clear();
        let mut want = Vec::new();
        crate::body::tests::strings(b"\r\n.a", 5, |message| {
            world.mail.push((message.to_vec(), String::from("x")));
            want.push(crate::body::tests::canonical(message, rules));
        });
        world.feed(LOGIN);
        world.heard();
        for (at, want) in want.iter().enumerate() {
            let number = at + 1;
            assert_eq!(world.ask(&format!("LIST {number}\r\n")), format!("+OK {number} {}\r\n", want.len()));
            for command in [format!("RETR {number}\r\n"), format!("TOP {number} 99\r\n")] {
                world.room = 3 + number % 5;
                world.feed(command.as_bytes());
                let said = core::mem::take(&mut world.said);
                let first = said.windows(2).position(|w| w == b"\r\n").unwrap() + 2;
                assert_eq!(unstuffed(&said[first..]), *want, "{}", world.mail[at].0.escape_ascii());
            }
        }
    }
}

/// A message as RFC 1939 section 3 has it received: lines up to the single dot, one leading dot taken off.
fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let (mut message, mut rest) = (Vec::new(), wire);
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").unwrap() + 2;
        let (line, tail) = rest.split_at(end);
        rest = tail;
        if line == b".\r\n" {
            assert!(rest.is_empty(), "something behind the end");
            return message;
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
}

#[test]
fn r1939_7_1_pb_q57_top_shows_so_many_lines() {
    let mut world = World::logged_in();
    let header = "+OK message follows\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n";
    let lines = ["..\r\n", "...two\r\n", "..hidden\r\n", "end\r\n"];
    for (asked, shown) in [
        ("0", 0),
        ("1", 1),
        ("3", 3),
        ("4", 4),
        ("5", 4),
        ("99999999", 4),
        ("4294967296", 4),
        ("18446744073709551616", 4),
    ] {
        for room in [3, 4, 61] {
            world.room = room;
            let want = format!("{header}{}.\r\n", lines[..shown].concat());
            assert_eq!(world.ask(&format!("TOP 2 {asked}\r\n")), want, "{asked}");
        }
    }
    assert_eq!(world.session.counts().tops, 24);
}

#[test]
fn pb_s51_r6856_2_4_every_octet_travels() {
    let mut world = World::greeted();
    let message: Vec<u8> = [b"a: b\r\n\r\n".to_vec(), (0..=255).collect(), b"\r\n".to_vec()].concat();
    world.mail = vec![(message.clone(), "x".into())];
    world.feed(LOGIN);
    world.heard();
    world.feed(b"RETR 1\r\n");
    let want = crate::body::tests::canonical(&message, BodyRules::new());
    let head = format!("+OK {} octets\r\n", want.len());
    assert_eq!(world.said, [head.as_bytes(), &want, b".\r\n"].concat());
}

#[test]
fn r1939_5_8_r1939_7_1_the_driver_is_told_how_much_of_a_message_is_asked_for() {
    for (command, want) in [("RETR 2", None), ("TOP 2 0", Some(0)), ("top 2 7", Some(7))] {
        let (mut session, mut out) =
            (Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(9)), Vec::new());
        session.greet(&mut out).unwrap();
        assert!(matches!(session.receive(LOGIN, &mut out).unwrap().step, Step::Event(Request::Login { .. })));
        session.add_message(10, b"a").unwrap();
        session.add_message(10, b"b").unwrap();
        session.opened(&mut out).unwrap();
        let input = format!("{command}\r\n");
        match session.receive(input.as_bytes(), &mut out).unwrap().step {
            Step::Event(Request::Message { number, lines }) => {
                assert_eq!((number.get(), lines), (2, want), "{command}");
            }
            other => panic!("{command}: {other:?}"),
        }
    }
}
