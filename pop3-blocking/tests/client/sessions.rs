//! Sessions by script, from greeting to `QUIT`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pop3_blocking::client::{ClientOptions, Connection, Error, LoginFailed, Outcome};
use pop3_blocking::pop3_proto::{CodeKind, Error as ProtoError, PeerMisbehaved, SendError, Verb, WaitingFor};
use pop3_blocking::tls::ServerName;
use pop3_blocking::{Deadline, Input, Transport};

use crate::fixture::{HOST, LOGIN, connect, logged_in, n, script, server, tls};

#[test]
fn r2449_7_1_a_whole_session_with_the_basic_commands() {
    let (mut session, player) = logged_in(&[
        ("STAT", "+OK 2 130 and more\r\n"),
        ("LIST", "+OK\r\n1 68\r\n2 62\r\n.\r\n"),
        ("UIDL", "+OK\r\n1 aaa\r\n2 bbb\r\n.\r\n"),
        ("LIST 2", "+OK 2 62\r\n"),
        ("UIDL 2", "+OK 2 bbb\r\n"),
        ("TOP 1 0", "+OK\r\nSubject: one\r\n\r\n.\r\n"),
        ("RETR 1", "+OK 120 octets\r\n..dot\r\n.\r\n"),
        ("RETR 9", "-ERR [SYS/TEMP] no\r\n"),
        ("NOOP", "+OK\r\n"),
        ("DELE 1", "+OK\r\n"),
        ("RSET", "+OK\r\n"),
        ("QUIT", "+OK bye\r\n"),
    ]);
    let totals = session.stat().unwrap();
    assert_eq!((totals.messages, totals.octets), (2, Some(130)));
    let sizes: Vec<_> = session.list().unwrap().iter().map(|l| (l.number.get(), l.octets)).collect();
    assert_eq!(sizes, [(1, 68), (2, 62)]);
    let ids = session.unique_ids().unwrap();
    assert_eq!(&*ids[1].unique_id, b"bbb");
    assert_eq!(session.octets(n(2)).unwrap(), 62);
    assert_eq!(&*session.unique_id(n(2)).unwrap(), b"bbb");
    assert_eq!(session.top(n(1), 0).unwrap().into_vec().unwrap(), b"Subject: one\r\n\r\n");
    let mut mail = Vec::new();
    let mut message = session.retrieve(n(1)).unwrap();
    let mut room = [0u8; 3];
    while let n @ 1.. = message.read(&mut room).unwrap() {
        mail.extend_from_slice(&room[..n]);
    }
    assert!(message.is_complete());
    assert_eq!(mail, b".dot\r\n");
    match session.retrieve(n(9)) {
        Err(Error::Refused(refused)) => {
            assert_eq!((refused.verb, refused.code), (Some(Verb::Retr), Some(CodeKind::SysTemp)));
            assert_eq!(refused.text, b"[SYS/TEMP] no");
        }
        other => panic!("{other:?}"),
    }
    session.noop().unwrap();
    session.delete(n(1)).unwrap();
    session.reset().unwrap();
    assert!(matches!(session.quit(), Outcome::Committed));
    assert_eq!(player.join().unwrap().last().unwrap(), "QUIT");
}

#[test]
fn r1939_6_4_r1939_6_5_pb_c17_quit_says_committed_partial_or_unknown() {
    let (session, player) = logged_in(&[("QUIT", "-ERR some deleted messages not removed\r\n")]);
    assert!(matches!(session.quit(), Outcome::Partial(_)));
    player.join().unwrap();
    for reply in ["", "+O", "gibberish\r\n"] {
        let (session, player) = logged_in(&[("QUIT", reply)]);
        assert!(matches!(session.quit(), Outcome::Unknown(_)), "{reply:?}");
        player.join().unwrap();
    }
}

#[test]
fn rp_close_2_pb_c16_a_cut_message_is_never_complete() {
    let whole = "+OK\r\nline one\r\n.\r\n";
    for end in 0..whole.len() {
        let (mut session, player) = logged_in(&[("RETR 1", &whole[..end])]);
        let got = session.retrieve(n(1)).and_then(|message| message.into_vec());
        match got {
            Err(Error::Protocol(ProtoError::Truncated { verb: Some(Verb::Retr) })) => {}
            other => panic!("cut at {end}: {other:?}"),
        }
        drop(session);
        player.join().unwrap();
    }
}

/// How a server leaves in the middle of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    CloseNotify,
    Fin,
    Reset,
}

/// Lets one client log in under TLS, and answers `RETR` by `part` of a reply and the end.
fn cut_off(listener: &TcpListener, part: &str, end: End) {
    let soon = || Deadline::after(Duration::from_secs(20));
    let stream = listener.accept().unwrap().0;
    let mut transport = Transport::plain(stream).accept_tls(&tls().server, soon()).unwrap();
    let (mut reply, mut line) = ("+OK ready\r\n", Vec::new());
    loop {
        let last = line.starts_with(b"RETR");
        transport.write_all(reply.as_bytes(), Duration::from_secs(20), soon()).unwrap();
        if last {
            break;
        }
        line.clear();
        while !line.ends_with(b"\r\n") {
            let mut room = [0; 512];
            let Input::Octets(octets) = transport.read(&mut room, soon()).unwrap() else { panic!("closed") };
            line.extend_from_slice(&room[..octets]);
        }
        reply = match &line[..4] {
            b"CAPA" => "-ERR\r\n",
            b"RETR" => part,
            _ => "+OK\r\n",
        };
    }
    match end {
        End::CloseNotify => transport.close(None).unwrap(),
        End::Fin => drop(transport),
        End::Reset => {
            socket2::SockRef::from(transport.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
            drop(transport);
        }
    }
}

#[test]
fn r30_a_message_cut_after_any_octet_by_any_kind_of_end_is_no_message() {
    let whole = "+OK\r\n..\r\nx\r\n.\r\n";
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    for end in [End::CloseNotify, End::Fin, End::Reset] {
        for cut in 0..=whole.len() {
            let got = std::thread::scope(|scope| {
                scope.spawn(|| cut_off(&listener, &whole[..cut], end));
                let transport = Transport::plain(TcpStream::connect(address).unwrap());
                let name = ServerName::parse(HOST).unwrap();
                let deadline = Deadline::after(Duration::from_secs(20));
                let transport = transport.connect_tls(&tls().client, &name, deadline).unwrap();
                let connection = Connection::over(transport, ClientOptions::default()).unwrap();
                let mut session = connection.login("alice", "wonderland").unwrap();
                session.retrieve(n(1)).and_then(|message| message.into_vec())
            });
            match got {
                Ok(mail) => assert!(cut == whole.len() && mail == b".\r\nx\r\n", "{end:?} after {cut}"),
                // A reset may overtake what stands before it.
                Err(error) => assert!(cut < whole.len() || end == End::Reset, "{end:?} after {cut}: {error}"),
            }
        }
    }
}

#[test]
fn a_message_that_is_not_read_is_thrown_away_before_the_next_command() {
    let (mut session, player) = logged_in(&[
        ("RETR 1", "+OK\r\n+OK not a reply\r\n.\r\n"),
        ("STAT", "+OK 1 16\r\n"),
        ("QUIT", "+OK\r\n"),
    ]);
    assert!(!session.retrieve(n(1)).unwrap().is_complete());
    assert_eq!(session.stat().unwrap().messages, 1);
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
}

#[test]
fn r2449_6_6_5_pb_c29_pb_q33_each_of_a_batch_has_its_own_result() {
    let mut lines = script(&LOGIN);
    let mut want = Vec::new();
    for i in 1..=100u32 {
        let command: &'static str = Box::leak(format!("RETR {i}").into_boxed_str());
        let reply =
            if i % 10 == 0 { "-ERR gone\r\n".to_owned() } else { format!("+OK\r\nmail {i}\r\n.\r\n") };
        lines.push((command, reply.into_bytes()));
        want.push(if i % 10 == 0 { None } else { Some(format!("mail {i}\r\n")) });
    }
    lines.extend(script(&[("QUIT", "+OK\r\n")]));
    let (connection, player) = connect(lines, ClientOptions::default());
    let mut session = connection.unwrap().login("alice", "wonderland").unwrap();
    let mut got = Vec::new();
    session
        .retrieve_each::<Error>((1..=100).map(n), |number, message| {
            let text = match message {
                Ok(message) => {
                    let mut text = String::new();
                    message.read_to_string(&mut text).unwrap();
                    Some(text)
                }
                Err(_) => None,
            };
            assert_eq!(number.index(), got.len());
            got.push(text);
            Ok(())
        })
        .unwrap();
    assert_eq!(got, want);
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
}

#[test]
fn r2449_6_6_3_pb_c28_a_flood_of_commands_does_not_stop_on_full_buffers() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let commands = 20_000u32;
    let player = std::thread::spawn(move || {
        let mut reader = BufReader::new(theirs.try_clone().unwrap());
        let mut writer = theirs;
        let mut line = String::new();
        writer.write_all(b"+OK\r\n").unwrap();
        let mut count = 0u32;
        // Each reply is long, so that replies fill the client's side long before the commands are through.
        let reply = format!("+OK {}\r\n", "x".repeat(400));
        while reader.read_line(&mut line).unwrap() > 0 {
            let said = match line.trim_end() {
                "CAPA" => "+OK\r\nPIPELINING\r\n.\r\n",
                "QUIT" => "+OK\r\n",
                _ => &reply,
            };
            writer.write_all(said.as_bytes()).unwrap();
            count += 1;
            line.clear();
        }
        count
    });
    let mut connection = Connection::over(Transport::plain(ours), ClientOptions::default()).unwrap();
    connection.allow_cleartext_login();
    let mut session = connection.login("a", "b").unwrap();
    let mut marked = 0;
    session.delete_each((1..=commands).map(n), |_, result| marked += u32::from(result.is_ok())).unwrap();
    assert_eq!(marked, commands);
    assert!(matches!(session.quit(), Outcome::Committed));
    // CAPA, USER, PASS, the flood, QUIT
    assert_eq!(player.join().unwrap(), commands + 4);
}

#[test]
fn r1939_4_2_greetings_that_refuse_or_are_no_pop3() {
    let (connection, player) = connect(script(&[("", "-ERR [SYS/TEMP] busy\r\n")]), ClientOptions::default());
    match connection {
        Err(Error::Closing(refused)) => assert_eq!(refused.code, Some(CodeKind::SysTemp)),
        other => panic!("{other:?}"),
    }
    assert!(player.join().unwrap().is_empty());
    for greeting in ["* OK IMAP4rev1\r\n", "220 smtp\r\n", "HTTP/1.1 400 Bad Request\r\n"] {
        let (connection, player) = connect(script(&[("", greeting)]), ClientOptions::default());
        match connection {
            Err(Error::Protocol(ProtoError::PeerMisbehaved(PeerMisbehaved::NotAGreeting))) => {}
            other => panic!("{other:?}"),
        }
        assert!(player.join().unwrap().is_empty());
    }
}

#[test]
fn r2595_2_2_pb_q40_no_credential_leaves_without_tls_unless_allowed() {
    for announced in ["USER\r\n", "SASL PLAIN\r\n", "USER\r\nSASL PLAIN\r\n"] {
        let capa: &str = &format!("+OK\r\n{announced}.\r\n");
        let (stream, player) = server(script(&[("", "+OK\r\n"), ("CAPA", capa)]));
        let connection = Connection::over(Transport::plain(stream), ClientOptions::default()).unwrap();
        let failed = connection.login("alice", "canary").unwrap_err();
        assert!(matches!(failed.error, Error::NotSent(SendError::Cleartext)), "{:?}", failed.error);
        drop(failed);
        assert_eq!(player.join().unwrap(), ["CAPA"]);
    }
}

#[test]
fn r1939_3_2_pb_c11_a_line_end_in_a_name_sends_nothing() {
    for (user, password) in [("a\r\nDELE 1", "x"), ("a", "x\r\nQUIT"), ("a\0", "x"), ("", "x"), ("a", "")] {
        let (connection, player) = connect(script(&LOGIN[..2]), ClientOptions::default());
        let failed = connection.unwrap().login(user, password).unwrap_err();
        assert!(matches!(failed.error, Error::Argument(_)), "{:?}", failed.error);
        assert!(failed.connection.is_some());
        drop(failed);
        assert_eq!(player.join().unwrap(), ["CAPA"]);
    }
}

#[test]
fn r5034_4_sasl_plain_with_and_without_initial_response() {
    let capa = "+OK\r\nSASL PLAIN\r\n.\r\n";
    let (connection, player) = connect(
        script(&[
            ("", "+OK\r\n"),
            ("CAPA", capa),
            ("AUTH PLAIN AHRlc3QAdGVzdA==", "+OK\r\n"),
            ("QUIT", "+OK\r\n"),
        ]),
        ClientOptions::default(),
    );
    let session = connection.unwrap().login("test", "test").unwrap();
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();

    // 200 octets of password make the line too long: AUTH goes alone (R5034-4.6).
    let password = "p".repeat(200);
    let encoded = "AHRlc3QA".to_owned() + &"cHBw".repeat(66) + "cHA=";
    let response: &'static str = Box::leak(encoded.into_boxed_str());
    let (connection, player) = connect(
        script(&[
            ("", "+OK\r\n"),
            ("CAPA", capa),
            ("AUTH PLAIN", "+ \r\n"),
            (response, "+OK\r\n"),
            ("QUIT", "+OK\r\n"),
        ]),
        ClientOptions::default(),
    );
    let session = connection.unwrap().login("test", &password).unwrap();
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();

    let (connection, player) = connect(
        script(&[
            ("", "+OK\r\n"),
            ("CAPA", capa),
            ("AUTH PLAIN AHRlc3QAdGVzdA==", "+ !!!\r\n"),
            ("*", "-ERR\r\n"),
        ]),
        ClientOptions::default(),
    );
    let failed = connection.unwrap().login("test", "test").unwrap_err();
    assert!(matches!(failed.error, Error::Sasl(_)), "{:?}", failed.error);
    drop(failed);
    player.join().unwrap();
}

#[test]
fn r1939_4_5_pb_c31_a_refused_login_gives_the_connection_back() {
    let mut lines = script(&LOGIN[..3]);
    lines.extend(script(&[
        ("PASS wrong", "-ERR [IN-USE] locked\r\n"),
        ("USER alice", "+OK\r\n"),
        ("PASS right", "+OK\r\n"),
    ]));
    let (connection, player) = connect(lines, ClientOptions::default());
    let LoginFailed { error, connection, .. } = connection.unwrap().login("alice", "wrong").unwrap_err();
    assert_eq!(error.refused().and_then(|r| r.code), Some(CodeKind::InUse));
    let session = connection.unwrap().login("alice", "right").unwrap();
    drop(session);
    player.join().unwrap();
}

#[test]
fn pb_c03_replies_that_nobody_asked_for_end_the_session() {
    let (connection, player) =
        connect(script(&[("", "+OK ready\r\n+OK forged\r\n+OK forged again\r\n")]), ClientOptions::default());
    // The forged lines came with the greeting or soon after: the first command finds one of them either way.
    let mut connection = connection.unwrap();
    let said = connection.capabilities();
    assert!(said.is_err(), "{said:?}");
    drop(connection);
    player.join().unwrap();
}

#[test]
fn r7_every_wait_ends() {
    let mut options = ClientOptions::default();
    options.limits.greeting = Duration::from_millis(60);
    options.limits.reply = Duration::from_millis(60);
    options.limits.login = Duration::from_millis(60);
    options.limits.quit = Duration::from_millis(60);
    let waits = [
        (0, WaitingFor::Greeting),
        (1, WaitingFor::Reply),
        (3, WaitingFor::LoginReply),
        (4, WaitingFor::QuitReply),
    ];
    for (said, waiting_for) in waits {
        let (ours, theirs) = UnixStream::pair().unwrap();
        // Should the client wait for ever, the server gives up, and the test does not pass.
        theirs.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut replies = LOGIN.iter().map(|(_, reply)| *reply).take(said);
        let player = std::thread::spawn(move || {
            let mut reader = BufReader::new(theirs.try_clone().unwrap());
            let mut line = String::new();
            if let Some(greeting) = replies.next() {
                (&theirs).write_all(greeting.as_bytes()).unwrap();
            }
            while reader.read_line(&mut line).unwrap() > 0 {
                if let Some(reply) = replies.next() {
                    (&theirs).write_all(reply.as_bytes()).unwrap();
                }
            }
        });
        let outcome: Result<(), Error> = Connection::over(Transport::plain(ours), options.clone())
            .and_then(|mut connection| {
                connection.allow_cleartext_login();
                connection.login("alice", "wonderland").map_err(|failed| failed.error)
            })
            .and_then(|session| match session.quit() {
                Outcome::Unknown(error) => Err(error),
                other => panic!("{other:?}"),
            });
        match outcome {
            Err(Error::TimedOut { waiting_for: got }) => assert_eq!(got, waiting_for),
            other => panic!("{waiting_for:?}: {other:?}"),
        }
        player.join().unwrap();
    }
}

#[test]
fn pb_q09_a_server_that_hangs_on_capa_is_not_asked() {
    let mut options = ClientOptions::default();
    options.skip_capa = true;
    let lines = script(&[
        ("", "+OK\r\n"),
        ("USER alice", "+OK\r\n"),
        ("PASS wonderland", "+OK\r\n"),
        ("RETR 1", "+OK\r\nA: b\r\n.\r\n"),
        ("RETR 2", "+OK\r\nC: d\r\n.\r\n"),
        ("QUIT", "+OK\r\n"),
    ]);
    let (connection, player) = connect(lines, options);
    let mut session = connection.unwrap().login("alice", "wonderland").unwrap();
    let mut seen = 0;
    session
        .retrieve_each::<Error>([n(1), n(2)], |_, message| {
            seen += message.unwrap().copy_to(&mut std::io::sink())?;
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, 12);
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
}

#[test]
fn r1939_5_7_pb_q12_a_size_is_a_hint() {
    for size in ["0", "1", "5", "4000000000"] {
        let listing = format!("+OK\r\n1 {size}\r\n.\r\n");
        let (mut session, player) = logged_in(&[
            ("LIST", &listing),
            ("RETR 1", "+OK 1 octets\r\nA: b\r\n\r\nc\r\n.\r\n"),
            ("QUIT", "+OK\r\n"),
        ]);
        assert_eq!(session.list().unwrap().len(), 1);
        assert_eq!(session.retrieve(n(1)).unwrap().into_vec().unwrap(), b"A: b\r\n\r\nc\r\n");
        assert!(matches!(session.quit(), Outcome::Committed));
        player.join().unwrap();
    }
}

#[test]
fn r1939_5_1_more_lines_than_stat_counted_are_told() {
    let (mut session, player) = logged_in(&[
        ("LIST", "+OK\r\n1 9\r\n2 9\r\n.\r\n"),
        ("STAT", "+OK 1 9\r\n"),
        ("LIST", "+OK\r\n1 9\r\n.\r\n"),
        ("LIST", "+OK\r\n1 9\r\n2 9\r\nx\r\n.\r\n"),
        ("UIDL", "+OK\r\n1 a\r\n2 b\r\n.\r\n"),
        ("UIDL", "+OK\r\n.\r\n"),
        ("LIST", "+OK\r\n1 9\r\n2 9\r\n.\r\n"),
        ("RSET", "+OK\r\n"),
        ("LIST", "+OK\r\n1 9\r\n2 9\r\n.\r\n"),
    ]);
    session.list().unwrap();
    assert_eq!(session.surplus(), 0, "nothing to compare with");
    assert_eq!(session.stat().unwrap().messages, 1);
    session.list().unwrap();
    assert_eq!(session.surplus(), 0);
    assert_eq!(session.list().unwrap().len(), 2);
    assert_eq!(session.surplus(), 2, "a line that cannot be read is one too");
    session.unique_ids().unwrap();
    assert_eq!(session.surplus(), 1);
    session.unique_ids().unwrap();
    assert_eq!(session.surplus(), 0);
    session.list().unwrap();
    assert_eq!(session.surplus(), 1);
    session.reset().unwrap();
    session.list().unwrap();
    assert_eq!(session.surplus(), 0);
    drop(session);
    player.join().unwrap();
}

#[test]
fn pb_q16_a_dot_that_was_not_stuffed_is_told_as_a_broken_protocol() {
    let (mut session, player) = logged_in(&[("RETR 1", "+OK\r\nA: b\r\n\r\n.\r\nthe rest of it\r\n.\r\n")]);
    assert_eq!(session.retrieve(n(1)).unwrap().into_vec().unwrap(), b"A: b\r\n\r\n");
    // What follows is no reply: the session ends, and nothing is marked on its strength.
    match session.delete(n(1)) {
        Err(Error::Protocol(ProtoError::PeerMisbehaved(_)) | Error::NotSent(SendError::UnreadInput)) => {}
        other => panic!("{other:?}"),
    }
    drop(session);
    assert!(!player.join().unwrap().contains(&"QUIT".to_owned()));
}

#[test]
fn pb_q38_a_second_dele_may_be_answered_with_ok() {
    let (mut session, player) =
        logged_in(&[("DELE 1", "+OK\r\n"), ("DELE 1", "+OK\r\n"), ("QUIT", "+OK\r\n")]);
    session.delete(n(1)).unwrap();
    session.delete(n(1)).unwrap();
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
}

#[test]
fn pb_c18_a_session_that_is_dropped_sends_no_quit() {
    let (mut session, player) = logged_in(&[("DELE 1", "+OK\r\n")]);
    session.delete(n(1)).unwrap();
    drop(session);
    assert_eq!(player.join().unwrap().last().unwrap(), "DELE 1");
}

#[test]
fn pb_c09_pb_c41_rdm_2_1d_a_refused_login_is_not_tried_in_a_weaker_way() {
    let capa = "+OK\r\nUSER\r\nSASL EXTERNAL PLAIN LOGIN\r\nRESP-CODES\r\n.\r\n";
    let before: [(&str, &str); 2] = [("", "+OK ready\r\n"), ("CAPA", capa)];
    // A certificate: there is no password that could be sent.
    let mut lines = script(&before);
    lines.extend(script(&[("AUTH EXTERNAL =", "-ERR [AUTH] certificate not mapped\r\n")]));
    let (connection, player) = connect(lines, ClientOptions::default());
    let mut external = pop3_proto::sasl::External::new(None).unwrap();
    let failed = connection.unwrap().authenticate(&mut external).unwrap_err();
    assert!(matches!(failed.error, Error::Refused(_)), "{:?}", failed.error);
    failed.connection.unwrap().quit().unwrap_err();
    assert_eq!(player.join().unwrap(), ["CAPA", "AUTH EXTERNAL =", "QUIT"]);
    // A password: one way is tried, and only that.
    let mut lines = script(&before);
    lines.extend(script(&[("AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=", "-ERR [AUTH] no\r\n")]));
    let (connection, player) = connect(lines, ClientOptions::default());
    let failed = connection.unwrap().login("alice", "wonderland").unwrap_err();
    drop(failed);
    assert_eq!(player.join().unwrap(), ["CAPA", "AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ="]);
}
