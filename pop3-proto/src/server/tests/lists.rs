//! Lists in little room, and what happens when there is none.

use super::*;

fn crowd(messages: u32) -> World<'static> {
    let mut world = World::greeted();
    world.mail = (0..messages).map(|i| (vec![b'x'; 5 + i as usize % 90], format!("id-{i:0>60}"))).collect();
    world
}

#[test]
fn pb_s41_a_list_in_512_octets_is_the_list() {
    let mut unbounded = crowd(1000);
    unbounded.out_octets = 1 << 20;
    unbounded.feed(LOGIN);
    unbounded.feed(b"DELE 1\r\nDELE 500\r\nDELE 1000\r\n");
    unbounded.heard();
    let commands = "LIST\r\nUIDL\r\nCAPA\r\nSTAT\r\nLIST\r\n";
    let want = unbounded.ask(commands);
    assert_eq!(want.lines().filter(|line| *line == ".").count(), 4);
    for octets in [512, 513, 600, 4096] {
        let mut world = crowd(1000);
        world.out_octets = octets;
        world.feed(LOGIN);
        world.feed(b"DELE 1\r\nDELE 500\r\nDELE 1000\r\n");
        world.heard();
        assert_eq!(world.ask(commands), want, "{octets}");
    }
}

#[test]
fn r1939_5_3_pb_s01_marked_messages_are_left_out_and_the_others_keep_their_numbers() {
    let mut world = crowd(5);
    world.feed(LOGIN);
    world.ask("DELE 1\r\nDELE 3\r\n");
    let numbers = |list: String| -> Vec<u32> {
        list.lines()
            .skip(1)
            .filter(|l| *l != ".")
            .map(|l| l.split(' ').next().unwrap().parse().unwrap())
            .collect()
    };
    assert_eq!(numbers(world.ask("LIST\r\n")), [2, 4, 5]);
    assert_eq!(numbers(world.ask("UIDL\r\n")), [2, 4, 5]);
    world.ask("DELE 2\r\nDELE 4\r\nDELE 5\r\n");
    assert_eq!(world.ask("LIST\r\n"), "+OK 0 messages (0 octets)\r\n.\r\n");
    assert_eq!(world.ask("STAT\r\n"), "+OK 0 0\r\n");
}

#[test]
fn r1939_3_10_the_lists_of_an_empty_maildrop() {
    let mut world = crowd(0);
    world.feed(LOGIN);
    world.heard();
    let empty = "+OK 0 messages (0 octets)\r\n.\r\n";
    assert_eq!(
        world.ask("LIST\r\nUIDL\r\nSTAT\r\nLIST 1\r\n"),
        format!("{empty}{empty}+OK 0 0\r\n-ERR no such message\r\n")
    );
}

#[test]
fn pb_q50_auth_alone_lists_the_mechanisms() {
    for line in ["AUTH\r\n", "AUTH \r\n", "auth\r\n"] {
        let mut world = World::new(everything(), true);
        world.heard();
        assert_eq!(world.ask(line), "+OK mechanisms follow\r\nPLAIN\r\n.\r\n");
        let mut world = World::new(everything(), false);
        world.heard();
        assert_eq!(world.ask(line), "+OK mechanisms follow\r\n.\r\n", "what may be used now");
    }
    assert_eq!(World::greeted().ask("AUTH  \r\n"), "-ERR unknown or malformed command\r\n");
}

#[test]
fn pb_s11_pb_k17_sizes_beyond_32_bits() {
    let (mut session, mut out) =
        (Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(9)), Vec::new());
    session.greet(&mut out).unwrap();
    assert!(session.receive(LOGIN, &mut out).is_ok());
    for octets in [1u64 << 31, 1 << 32, 1 << 33] {
        session.add_message(octets, b"x").unwrap();
    }
    out.clear();
    session.opened(&mut out).unwrap();
    assert!(session.receive(b"STAT\r\nLIST\r\nLIST 3\r\n", &mut out).is_ok());
    let want = "+OK maildrop has 3 messages (15032385536 octets)\r\n+OK 3 15032385536\r\n\
        +OK 3 messages (15032385536 octets)\r\n1 2147483648\r\n2 4294967296\r\n3 8589934592\r\n.\r\n+OK 3 8589934592\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), want);
}

#[test]
fn r2449_5_1_a_capability_line_is_at_most_512_octets() {
    let text = "x".repeat(2000);
    for implementation in [text.as_str(), "a\r\nX-INJECTED", "a\0b", ""] {
        let config = SessionConfig { implementation: Some(implementation), ..everything() };
        let mut world = World::new(config, true);
        world.out_octets = 512;
        world.heard();
        let list = world.ask("CAPA\r\n");
        assert!(list.ends_with("\r\n.\r\n"), "{list}");
        assert!(list.split_inclusive("\r\n").all(|line| line.len() <= 512));
        assert!(!list.contains("\r\nX-INJECTED") && !list.contains('\0'));
    }
    let config = SessionConfig {
        implementation: Some("pop3d 1"),
        expire: Some(None),
        login_delay: Some(60),
        ..everything()
    };
    let mut world = World::new(config, true);
    assert!(
        world.ask("CAPA\r\n").ends_with("LOGIN-DELAY 60\r\nEXPIRE NEVER\r\nIMPLEMENTATION pop3d 1\r\n.\r\n")
    );
}

#[test]
fn r1939_3_5_pb_q60_pb_q61_first_lines_have_text_and_are_short() {
    let greeting = "x".repeat(1000);
    let config = SessionConfig { greeting: &greeting, ..everything() };
    let mut world = World::new(config, true);
    world.feed(LOGIN);
    world.feed(b"STAT\r\nNOOP\r\nXYZZ\r\nRSET\r\nDELE 1\r\nDELE 1\r\nQUIT\r\n");
    for line in world.heard().split_inclusive("\r\n") {
        assert!(line.len() <= 512);
        let text = line.strip_prefix("+OK ").or_else(|| line.strip_prefix("-ERR ")).unwrap();
        assert!(text.len() > 2, "{line}");
    }
}

/// Calls `act` with every amount of room from none up; until it works nothing may be written or changed.
fn until_it_fits(
    session: &mut Session<'_, HeapStorage>,
    mut act: impl FnMut(&mut Session<'_, HeapStorage>, &mut &mut [u8]) -> Result<(), ReplyError>,
) {
    for room in 0..600 {
        let before = format!("{session:?}");
        let mut storage = vec![0u8; room];
        let mut out = &mut storage[..];
        match act(session, &mut out) {
            Err(ReplyError::Full(full)) => {
                assert!(full.needed > room);
                assert_eq!((out.len(), format!("{session:?}")), (room, before));
            }
            other => return assert_eq!((other, out.len()), (Ok(()), 0), "just fits"),
        }
    }
    panic!("never fits");
}

#[test]
fn pb_k08_a_full_output_changes_nothing_anywhere() {
    let greet = || {
        let mut session = Session::new(everything(), true, HeapStorage::new(9));
        session.greet(&mut Vec::new()).unwrap();
        session
    };
    let login = |session: &mut Session<'_, HeapStorage>| {
        assert!(session.receive(LOGIN, &mut Vec::new()).is_ok());
        session.add_message(8, b"x").unwrap();
    };
    let mut session = Session::new(everything(), true, HeapStorage::new(9));
    until_it_fits(&mut session, |session, out| session.greet(out));
    login(&mut session);
    until_it_fits(&mut session, |session, out| session.refuse(Refusal::Temporary, out));
    login(&mut session);
    until_it_fits(&mut session, |session, out| session.opened(out));
    for line in [&b"RETR 1\r\n"[..], b"TOP 1 0\r\n"] {
        assert!(session.receive(line, &mut Vec::new()).is_ok());
        until_it_fits(&mut session, |session, out| session.start_message(out));
        let mut room = [0u8; 30];
        let progress = session.body(b"a\r\n\r\nb\n", &mut room).unwrap();
        assert_eq!(progress.done, line.starts_with(b"TOP"));
        until_it_fits(&mut session, |session, out| session.end_message(out));
    }
    assert!(session.receive(b"RETR 1\r\n", &mut Vec::new()).is_ok());
    until_it_fits(&mut session, |session, out| session.refuse(Refusal::Gone, out));
    assert!(session.receive(b"QUIT\r\n", &mut Vec::new()).is_ok());
    until_it_fits(&mut session, |session, out| session.committed(false, out));
    #[cfg(feature = "sasl")]
    {
        let mut session = greet();
        assert!(session.receive(b"AUTH PLAIN\r\n", &mut Vec::new()).is_ok());
        until_it_fits(&mut session, |session, out| session.challenge(b"challenge", out));
    }
    // Without room for one first line no command is taken.
    let mut session = greet();
    let before = format!("{session:?}");
    for room in [0usize, 1, 511] {
        let mut storage = vec![0u8; room];
        let mut out = &mut storage[..];
        let received = session.receive(b"CAPA\r\n", &mut out).unwrap();
        assert_eq!((received.consumed, received.step), (0, Step::Paused));
        assert_eq!((out.len(), format!("{session:?}")), (room, before.clone()));
    }
}

#[test]
fn calls_out_of_order_are_refused_and_change_nothing() {
    type Call = fn(&mut Session<'_, HeapStorage>, &mut Vec<u8>) -> bool;
    let calls: [(&str, Call); 7] = [
        ("greet", |s, out| s.greet(out).is_ok()),
        ("opened", |s, out| s.opened(out).is_ok()),
        ("refuse", |s, out| s.refuse(Refusal::Gone, out).is_ok()),
        ("start_message", |s, out| s.start_message(out).is_ok()),
        ("end_message", |s, out| s.end_message(out).is_ok()),
        ("committed", |s, out| s.committed(true, out).is_ok()),
        ("body", |s, _| s.body(b"x", &mut [0; 9]).is_ok()),
    ];
    // What may be called behind each input.
    for (input, allowed) in [
        (&b""[..], &[][..]),
        (b"USER alice\r\n", &[]),
        (LOGIN, &["opened", "refuse"]),
        (b"CAPA\r\n", &[]),
        (b"QUIT\r\n", &[]),
    ] {
        for (name, call) in calls {
            let mut session = Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(9));
            session.greet(&mut Vec::new()).unwrap();
            assert!(session.receive(input, &mut Vec::new()).is_ok());
            let (before, mut out) = (format!("{session:?}"), Vec::new());
            let worked = call(&mut session, &mut out);
            assert_eq!(worked, allowed.contains(&name), "{name} behind {}", input.escape_ascii());
            if !worked {
                assert_eq!((out.as_slice(), format!("{session:?}")), (&b""[..], before));
            }
        }
    }
}
