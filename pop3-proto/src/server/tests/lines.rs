//! Lines that are too long, lines that are no commands, and numbers.

use super::*;

/// Commands that change something, or could, in the TRANSACTION state.
const COMMANDS: [&str; 9] =
    ["STAT", "LIST", "LIST 1", "UIDL 1", "RETR 1", "TOP 1 0", "DELE 1", "RSET", "NOOP"];

#[test]
fn r2449_4_1_pb_s18_an_over_long_line_is_one_error_and_nothing_else() {
    // Octets of the line with its CRLF. The limit is 512; a tail that looks like a command stays part of the line.
    for octets in [254usize, 255, 256, 257, 511, 512, 513, 1024, 10_240, 65_000] {
        for tail in ["", " DELE 1", "DELE 1"] {
            let line = format!("{}{tail}\r\n", "x".repeat(octets - 2 - tail.len()));
            for size in [line.len(), 1, 512, 511, 1000] {
                let mut world = World::logged_in();
                line.as_bytes().chunks(size).for_each(|piece| world.feed(piece));
                let text = if octets > 512 { "line too long" } else { "unknown or malformed command" };
                assert_eq!(world.heard(), format!("-ERR {text}\r\n"), "{octets} in pieces of {size}");
                assert_eq!(world.ask("STAT\r\n"), "+OK 2 130\r\n");
            }
        }
    }
}

#[test]
fn pb_s18_what_follows_an_over_long_line_is_read_as_itself() {
    for octets in [600usize, 10_240] {
        let input = format!("{}\r\nDELE 1", "x".repeat(octets));
        for size in [input.len(), 1, 512, 600] {
            let mut world = World::logged_in();
            input.as_bytes().chunks(size).for_each(|piece| world.feed(piece));
            assert_eq!(world.heard(), "-ERR line too long\r\n");
            assert_eq!(world.session.marked().count(), 0);
            assert_eq!(world.ask("\r\n"), "+OK message marked as deleted\r\n");
        }
    }
}

#[test]
fn pb_s18_a_line_without_end_closes_the_connection() {
    for octets in [65_535usize, 65_536, 65_537, 100_000] {
        let input = format!("{}\r\nDELE 1\r\n", "x".repeat(octets));
        for size in [input.len(), 1, 512] {
            let mut world = World::logged_in();
            input.as_bytes().chunks(size).for_each(|piece| world.feed(piece));
            assert_eq!(world.heard(), "", "{octets} in pieces of {size}");
            let endless = crate::PeerMisbehaved::EndlessLine { limit: 65_536 };
            assert_eq!(world.ended, Some(Err(endless.into())));
            assert_eq!((world.session.marked().count(), &world.committed), (0, &None));
        }
    }
}

#[test]
fn pb_s18_the_memory_for_a_line_is_bounded() {
    // What the driver must keep never reaches past the limit of a line.
    let mut world = World::logged_in();
    for _ in 0..60 {
        world.feed(&[b'x'; 1000]);
        assert!(world.unread.len() < 512);
    }
}

#[test]
fn r1939_3_2_pb_s19_pb_s22_nul_and_cr_at_every_place_make_it_no_command() {
    for command in COMMANDS {
        for bad in [&b"\0"[..], b"\r", b"\n"] {
            for at in 0..=command.len() {
                let mut line = command.as_bytes().to_vec();
                line.splice(at..at, bad.iter().copied());
                if line.ends_with(b"\r") {
                    continue; // CR CR LF: the CR belongs to the line; covered by the other places
                }
                line.extend_from_slice(b"\r\n");
                let mut world = World::logged_in();
                world.feed(&line);
                assert_eq!(world.heard(), "-ERR unknown or malformed command\r\n", "{}", line.escape_ascii());
                assert_eq!(world.session.marked().count(), 0);
            }
        }
    }
    let mut world = World::logged_in();
    assert_eq!(world.ask("DELE 1\r\r\n"), "-ERR unknown or malformed command\r\n");
    let mut world = World::greeted();
    world.feed(b"USER alice\r\nPASS wonder land\0junk\r\n");
    assert_eq!(world.heard(), "+OK send PASS\r\n-ERR unknown or malformed command\r\n");
    assert_eq!(world.checks, 0);
}

#[test]
fn r1939_3_1_r1939_3_12_pb_s20_pb_s21_lines_that_are_no_commands() {
    for line in [
        "",
        " ",
        ":",
        ".",
        "*",
        "+OK",
        " STAT",
        "STAT ",
        "STAT  ",
        "STAT 1",
        "STATX",
        "STA",
        "TOP",
        "TOP 1",
        "TOP 1 ",
        "TOP 1  1",
        "TOP 1 1 1",
        "TOP 1 -1",
        "TOP 1 x",
        "TOP x 1",
        "RETR",
        "RETR ",
        "RETR x",
        "RETR 1 ",
        "RETR  1",
        "RETR 1 2",
        "DELE",
        "DELE 1 1",
        "LIST ",
        "LIST 1 2",
        "UIDL x",
        "NOOP x",
        "RSET 1",
        "QUIT now",
        "CAPA x",
        "DELE\t1",
        "XYZZ",
        "ST AT",
        "ＳＴＡＴ",
    ] {
        let mut world = World::logged_in();
        assert_eq!(world.ask(&format!("{line}\r\n")), "-ERR unknown or malformed command\r\n", "{line:?}");
        assert_eq!(world.ask("sTaT\r\n"), "+OK 2 130\r\n");
        assert_eq!(world.ended, None);
    }
}

#[test]
fn r1939_4_7_pb_s03_numbers_are_plain_digits_of_messages_that_are_there() {
    let bad = [
        "0",
        "00",
        "-1",
        "+1",
        "0x1",
        "1.0",
        "3",
        "4294967295",
        "4294967296",
        "4294967297",
        "18446744073709551616",
        "18446744073709551617",
        "99999999999999999999",
        "1x",
        "١",
    ];
    for command in ["LIST", "UIDL", "RETR", "DELE", "TOP"] {
        let lines = if command == "TOP" { " 0" } else { "" };
        for number in bad {
            let mut world = World::logged_in();
            let answer = world.ask(&format!("{command} {number}{lines}\r\n"));
            assert!(answer.starts_with("-ERR "), "{command} {number}: {answer}");
            assert_eq!(answer.matches("\r\n").count(), 1);
            assert_eq!(world.session.marked().count(), 0);
        }
        for number in ["1", "01", "0000000001"] {
            let mut world = World::logged_in();
            let answer = world.ask(&format!("{command} {number}{lines}\r\n"));
            assert!(answer.starts_with("+OK "), "{command} {number}: {answer}");
        }
    }
}

#[test]
fn r1939_5_5_r1939_5_8_pb_s02_a_marked_message_is_gone_for_every_command() {
    for command in ["LIST 1", "UIDL 1", "RETR 1", "TOP 1 0", "DELE 1"] {
        let mut world = World::logged_in();
        world.ask("DELE 1\r\n");
        assert!(world.ask(&format!("{command}\r\n")).starts_with("-ERR "), "{command}");
        assert_eq!(world.ask("STAT\r\n"), "+OK 1 62\r\n");
        assert_eq!(world.ask("LIST\r\n"), "+OK 1 message (62 octets)\r\n2 62\r\n.\r\n");
        assert_eq!(world.ask("RSET\r\n"), "+OK no message is marked as deleted\r\n");
        assert!(world.ask(&format!("{command}\r\n")).starts_with("+OK "), "{command}");
    }
}

#[test]
fn pb_q53_lf_and_trailing_blanks_only_if_tolerated() {
    let lenient = SessionConfig { lenient_lf: true, ..SessionConfig::DEFAULT };
    for (config, works) in [(lenient, true), (SessionConfig::DEFAULT, false)] {
        for lines in
            ["USER alice\nPASS wonder land\nSTAT\n", "USER alice \r\nPASS wonder land\r\nSTAT \t \r\n"]
        {
            let mut world = World::new(config, true);
            assert_eq!(world.ask(lines).ends_with("+OK 2 130\r\n"), works, "{lines:?}");
        }
        let mut world = World::new(config, true);
        assert!(
            world
                .ask("USER alice\r\nPASS wonder land \r\n")
                .ends_with("-ERR [AUTH] authentication failed\r\n")
        );
        assert!(world.ask("USER  alice\r\n").starts_with("-ERR"), "doubled blanks stay an error");
        for end in ["\r", "\r\t", "\r ", "\u{b}", "\u{c}", "\0"] {
            let said = World::new(config, true).ask(&format!("CAPA{end}\r\n"));
            assert_eq!(said.lines().last().map(|line| line.starts_with("-ERR")), Some(true), "{end:?}");
        }
    }
}

#[test]
fn rp_alpaca_2_pb_s23_pb_s47_no_octet_of_the_client_comes_back() {
    for name in
        ["%s%n%{x}", "../../etc/passwd", "';--", "$(id)", "<script>alert(1)</script>", "{0}", "canary"]
    {
        let mut world = World::greeted();
        let said = world.ask(&format!(
            "USER {name}\r\nPASS {name}\r\nAUTH {name}\r\nAPOP {name} {name}\r\n{name} {name}\r\nRETR {name}\r\n"
        ));
        assert!(!said.contains(name), "{said}");
        assert_eq!(said.matches("\r\n").count(), 6);
    }
}

#[test]
fn r2449_6_4_pb_s17_every_refusal_has_its_code() {
    for (refusal, want) in [
        (Refusal::Credentials, "-ERR [AUTH] "),
        (Refusal::InUse, "-ERR [IN-USE] "),
        (Refusal::LoginDelay, "-ERR [LOGIN-DELAY] "),
        (Refusal::Temporary, "-ERR [SYS/TEMP] "),
        (Refusal::Permanent, "-ERR [SYS/PERM] "),
        (Refusal::NeedsUtf8, "-ERR [UTF8] "),
        (Refusal::Gone, "-ERR no such message"),
        (Refusal::Malformed, "-ERR malformed"),
    ] {
        let mut session = Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(1));
        let mut out = Vec::new();
        session.greet(&mut out).unwrap();
        assert!(session.receive(LOGIN, &mut out).is_ok());
        out.clear();
        session.refuse(refusal, &mut out).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(line.starts_with(want), "{line}");
        assert_eq!(line.contains("-ERR ["), refusal.code().is_some());
    }
}

#[test]
fn r2449_4_1_a_name_of_255_octets_is_kept_whole_and_a_longer_one_is_refused() {
    for octets in [1, 254, 255, 256, 300] {
        let (mut world, name) = (World::greeted(), "n".repeat(octets));
        let reply = world.ask(&format!("USER {name}\r\n"));
        let kept = octets <= 255;
        assert_eq!(reply, if kept { "+OK send PASS\r\n" } else { "-ERR unknown or malformed command\r\n" });
        assert_eq!(world.session.user(), if kept { name.as_bytes() } else { b"" }, "{octets}");
        assert_eq!(world.session.state(), if kept { State::Password } else { State::Authorization });
    }
}
