//! Whole sessions, at every cut.

use super::*;

/// What the client sends, what the server answers, and what the client must see.
type Exchange<'a> = (Vec<Command<'a>>, &'a [u8], &'a str);

/// Runs the exchanges whole, octet by octet, and with each answer cut at every place; returns the octets sent.
fn converse(greet: impl Fn() -> Client, exchanges: &[Exchange<'_>]) -> Vec<u8> {
    let longest = exchanges.iter().map(|(_, answer, _)| answer.len()).max().unwrap_or(0);
    let mut first = None;
    for at in 0..=longest {
        let (mut client, mut seen, mut out) = (greet(), Seen::default(), Vec::new());
        for (commands, answer, want) in exchanges {
            for command in commands {
                client.send(command, &mut out).unwrap();
            }
            if at == 0 {
                answer.chunks(1).for_each(|octet| seen.feed(&mut client, octet));
            } else {
                let (head, tail) = answer.split_at(at.min(answer.len()));
                seen.feed(&mut client, head);
                seen.feed(&mut client, tail);
            }
            assert_eq!(seen.take(), *want, "cut at {at}");
            assert!(seen.unread.is_empty());
        }
        assert_eq!(client.outstanding(), 0);
        assert_eq!(client.end_of_input(), Ok(()));
        assert_eq!(*first.get_or_insert_with(|| out.clone()), out);
    }
    first.unwrap()
}

#[test]
fn r1939_3_9_pb_s16_a_whole_session_at_every_cut() {
    let exchanges: [Exchange<'_>; 12] = [
        (vec![], b"+OK ready\r\n", "greeting +OK \"ready\"\n"),
        (
            vec![Command::Capa],
            b"+OK capabilities\r\nTOP\r\nUSER\r\nX-FOO 1 2\r\nUIDL\r\n.\r\n",
            "CAPA: +OK \"capabilities\" ...\nTop\nUser\nOther { tag: [88, 45, 70, 79, 79], arguments: \"1 2\" }\nUidl\n\
            end\n",
        ),
        (vec![user("alice")], b"+OK send password\r\n", "USER: +OK \"send password\"\n"),
        (vec![pass("wonder land")], b"+OK maildrop locked\r\n", "PASS: +OK \"maildrop locked\"\n"),
        (vec![Command::Stat], b"+OK 2 130\r\n", "STAT: +OK \"2 130\"\n"),
        (
            vec![Command::List(None)],
            b"+OK 2 messages\r\n1 68\r\n2 62\r\n.\r\n",
            "LIST: +OK \"2 messages\" ...\n1 68\n2 62\nend\n",
        ),
        (
            vec![Command::Uidl(None)],
            b"+OK\r\n1 0000004e00000001\r\n2 0000004e00000002\r\n.\r\n",
            "UIDL: +OK \"\" ...\n1 \"0000004e00000001\"\n2 \"0000004e00000002\"\nend\n",
        ),
        (
            vec![Command::Retr(n(2))],
            b"+OK 62 octets\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n..\r\n...two\r\n..hidden\r\nend\r\n.\r\n",
            "RETR 2: +OK \"62 octets\" ...\n\
            body From: b@example.net\\r\\nSubject: dots\\r\\n\\r\\n.\\r\\n..two\\r\\n.hidden\\r\\nend\\r\\n\nend\n",
        ),
        (
            vec![Command::Top { number: n(1), lines: 0 }],
            b"+OK top follows\r\nSubject: one\r\n\r\n.\r\n",
            "TOP 1: +OK \"top follows\" ...\nbody Subject: one\\r\\n\\r\\n\nend\n",
        ),
        (vec![Command::Dele(n(2))], b"+OK marked\r\n", "DELE 2: +OK \"marked\"\n"),
        (vec![Command::Retr(n(2))], b"-ERR no such message\r\n", "RETR 2: -ERR \"no such message\"\n"),
        (vec![Command::Quit], b"+OK bye, 1 message left\r\n", "QUIT: +OK \"bye, 1 message left\"\n"),
    ];
    let sent = converse(|| Client::over_tls(ClientLimits::DEFAULT, ClientTolerances::default()), &exchanges);
    assert_eq!(
        sent,
        b"CAPA\r\nUSER alice\r\nPASS wonder land\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 2\r\nTOP 1 0\r\nDELE 2\r\nRETR 2\r\nQUIT\r\n"
    );
}

#[test]
fn r2449_6_6_2_r2449_6_6_5_pb_c29_a_pipelined_batch_at_every_cut() {
    let number = |number| Command::Retr(n(number));
    let exchanges: [Exchange<'_>; 5] = [
        (vec![], b"+OK ready\r\n", "greeting +OK \"ready\"\n"),
        (
            vec![Command::Capa],
            b"+OK\r\nPIPELINING\r\nRESP-CODES\r\nUIDL\r\n.\r\n",
            "CAPA: +OK \"\" ...\nPipelining\nRespCodes\nUidl\nend\n",
        ),
        (
            vec![
                user("alice"),
                pass("wonder land"),
                Command::Stat,
                Command::List(None),
                number(9),
                Command::Uidl(Some(n(1))),
            ],
            b"+OK send password\r\n+OK maildrop locked\r\n+OK 2 130\r\n+OK 2 messages\r\n1 68\r\n2 62\r\n.\r\n\
            -ERR no such message\r\n+OK 1 0000004e00000001\r\n",
            "USER: +OK \"send password\"\nPASS: +OK \"maildrop locked\"\nSTAT: +OK \"2 130\"\n\
            LIST: +OK \"2 messages\" ...\n1 68\n2 62\nend\n\
            RETR 9: -ERR \"no such message\"\nUIDL 1: +OK \"1 0000004e00000001\"\n",
        ),
        (
            vec![number(1), Command::Dele(n(1)), Command::Dele(n(1)), number(7), Command::List(None), Command::Noop],
            b"+OK\r\nSubject: one\r\n\r\nHello.\r\n.\r\n+OK marked\r\n-ERR already marked\r\n-ERR [SYS/TEMP] disk\r\n\
            +OK\r\n2 62\r\n.\r\n+OK\r\n",
            "RETR 1: +OK \"\" ...\nbody Subject: one\\r\\n\\r\\nHello.\\r\\n\nend\nDELE 1: +OK \"marked\"\n\
            DELE 1: -ERR \"already marked\"\nRETR 7: -ERR \"[SYS/TEMP] disk\" SysTemp\nLIST: +OK \"\" ...\n2 62\nend\n\
            NOOP: +OK \"\"\n",
        ),
        (
            vec![Command::Quit],
            b"-ERR [SYS/TEMP] some deleted messages not removed\r\n",
            "QUIT: -ERR \"[SYS/TEMP] some deleted messages not removed\" SysTemp\n",
        ),
    ];
    converse(|| Client::over_tls(ClientLimits::DEFAULT, ClientTolerances::default()), &exchanges);
}

#[test]
fn r2449_6_6_2_every_mix_of_statuses_in_a_batch_of_four() {
    // RETR, LIST, LIST 1, UIDL: two shapes each, so that a wrong guess would swallow the next reply.
    let commands = [Command::Retr(n(1)), Command::List(None), Command::List(Some(n(1))), Command::Uidl(None)];
    let ok: [(&[u8], &str); 4] = [
        (b"+OK\r\nx\r\n.\r\n", "RETR 1: +OK \"\" ...\nbody x\\r\\n\nend\n"),
        (b"+OK\r\n1 5\r\n.\r\n", "LIST: +OK \"\" ...\n1 5\nend\n"),
        (b"+OK 1 5\r\n", "LIST 1: +OK \"1 5\"\n"),
        (b"+OK\r\n1 a\r\n.\r\n", "UIDL: +OK \"\" ...\n1 \"a\"\nend\n"),
    ];
    let err =
        ["RETR 1: -ERR \"no\"\n", "LIST: -ERR \"no\"\n", "LIST 1: -ERR \"no\"\n", "UIDL: -ERR \"no\"\n"];
    for mix in 0..16u32 {
        let (mut answer, mut want) = (Vec::new(), String::new());
        for at in 0..4 {
            let success = mix >> at & 1 == 1;
            answer.extend_from_slice(if success { ok[at].0 } else { b"-ERR no\r\n" });
            want.push_str(if success { ok[at].1 } else { err[at] });
        }
        cuts(&answer, |pieces| {
            let (mut client, mut seen) = (pipelining(), Seen::default());
            commands.iter().for_each(|command| drop(send(&mut client, command)));
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            assert_eq!(seen.text, want);
            assert_eq!((client.outstanding(), client.is_receiving()), (0, false));
        });
    }
}

#[test]
fn r2449_5_3_the_answer_to_a_later_capa_replaces_the_list() {
    let mut client = pipelining();
    assert!(client.capabilities().resp_codes && client.may_pipeline());
    send(&mut client, &Command::Capa);
    Seen::default().feed(&mut client, b"+OK\r\nTOP\r\n.\r\n");
    let now = *client.capabilities();
    assert!(now.known && now.top && !now.resp_codes && !now.pipelining && !client.may_pipeline());
}

#[test]
fn pb_q08_a_refused_capa_after_login_leaves_the_list_as_it_was() {
    let mut client = pipelining();
    let before = *client.capabilities();
    send(&mut client, &Command::Retr(n(1)));
    send(&mut client, &Command::Capa);
    let mut seen = Seen::default();
    seen.feed(&mut client, b"-ERR [SYS/TEMP] disk\r\n-ERR not now\r\n");
    // The reply in front of that of CAPA keeps its meaning too.
    assert_eq!(seen.text, "RETR 1: -ERR \"[SYS/TEMP] disk\" SysTemp\nCAPA: -ERR \"not now\"\n");
    assert_eq!(*client.capabilities(), before);
}

#[test]
fn r2449_5_2_a_refused_capa_leaves_the_basics() {
    let mut client = greeted();
    send(&mut client, &Command::Capa);
    Seen::default().feed(&mut client, b"-ERR unknown command\r\n");
    assert_eq!(*client.capabilities(), Capabilities::default());
    assert!(!client.capabilities().known);
    assert_eq!(send(&mut client, &user("alice")), b"USER alice\r\n");
}

#[test]
fn r1939_6_4_the_state_after_quit_says_whether_anything_was_to_be_committed() {
    let mut client = logged_in();
    send(&mut client, &Command::Quit);
    Seen::default().feed(&mut client, b"-ERR [SYS/TEMP] not removed\r\n");
    assert_eq!(client.state(), State::Update);
    let mut client = greeted();
    send(&mut client, &Command::Quit);
    Seen::default().feed(&mut client, b"+OK\r\n");
    assert_eq!(client.state(), State::Closed);
}

#[test]
fn ids_tell_the_commands_apart() {
    let mut client = pipelining();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.send(&Command::Noop, &mut Vec::new()).unwrap());
    }
    let mut input: &[u8] = b"+OK\r\n-ERR\r\n+OK\r\n";
    for id in ids {
        let Received { consumed, step } = client.receive(input).unwrap();
        match step {
            Step::Event(ClientEvent::Reply(reply)) => assert_eq!(reply.id, id),
            other => panic!("{other:?}"),
        }
        input = &input[consumed..];
    }
}
