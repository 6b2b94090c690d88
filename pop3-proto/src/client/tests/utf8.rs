//! `UTF8`, `LANG` and `APOP` from the client's side.

use super::*;

fn over_tls(greeting: &str) -> Client {
    let mut client = Client::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    Seen::default().feed(&mut client, format!("{greeting}\r\n").as_bytes());
    client
}

/// A client that has read these capabilities.
fn announced(capabilities: &str) -> Client {
    let mut client = greeted();
    send(&mut client, &Command::Capa);
    Seen::default().feed(&mut client, format!("+OK\r\n{capabilities}.\r\n").as_bytes());
    client
}

fn apop(name: &'static str) -> Command<'static> {
    Command::Apop {
        name: Arg::new(name.as_bytes()).unwrap(),
        digest: Arg::new(b"c4c9334bac560ecc979e58001b3e22fb").unwrap(),
    }
}

#[test]
fn r1939_7_11_pb_c08_pb_q24_apop_wants_a_timestamp_that_came_over_tls() {
    // The first is that of RFC 1939 section 7; servers of the others do not mean APOP (R1939-7.11).
    for (greeting, may) in [
        ("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>", true),
        ("+OK <1896.697170952@dbc.mtview.ca.us> ready", true),
        ("+OK <not.this> <1@mail.example.net>", true),
        ("+OK ready", false),
        ("+OK ready <mail.example.net>", false),
        ("+OK ready <x>", false),
        ("+OK ready <a@b", false),
        ("+OK ready <a@bå>", false),
        ("+OK ready <a b@c>", false),
        ("+OK ready <@>", false),
    ] {
        let mut client = over_tls(greeting);
        assert_eq!(client.has_timestamp(), may, "{greeting}");
        if may {
            send(&mut client, &apop("mrose"));
            Seen::default().feed(&mut client, b"+OK\r\n");
            assert_eq!(client.state(), State::Transaction);
        } else {
            assert_eq!(refused(&mut client, &apop("mrose")), SendError::NoTimestamp, "{greeting}");
        }
    }
}

#[test]
fn r1939_7_11_r2595_4_5_a_timestamp_from_before_tls_does_not_count() {
    let mut client = plain();
    let mut seen = Seen::default();
    seen.feed(&mut client, b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n");
    assert!(!client.has_timestamp());
    assert_eq!(refused(&mut client, &apop("mrose")), SendError::Cleartext);
    // Not even where passwords may travel in clear text.
    let mut open = client.clone();
    open.allow_cleartext_login();
    assert_eq!(refused(&mut open, &apop("mrose")), SendError::NoTimestamp);
    send(&mut client, &Command::Stls);
    seen.feed(&mut client, b"+OK\r\n");
    client.tls_started().unwrap();
    assert_eq!(refused(&mut client, &apop("mrose")), SendError::NoTimestamp);
    send(&mut client, &user("mrose"));
}

#[test]
fn r6856_2_7_stls_is_never_sent_behind_utf8() {
    for reply in ["+OK\r\n", "-ERR not supported\r\n"] {
        let mut client = plain();
        let mut seen = Seen::default();
        seen.feed(&mut client, b"+OK ready\r\n");
        send(&mut client, &Command::Utf8);
        assert_eq!(refused(&mut client, &Command::Stls), SendError::AfterUtf8);
        seen.feed(&mut client, reply.as_bytes());
        assert_eq!(refused(&mut client, &Command::Stls), SendError::AfterUtf8);
        assert_eq!(client.is_utf8(), reply == "+OK\r\n");
        send(&mut client, &Command::Capa);
    }
}

#[test]
fn r6856_2_8_utf8_goes_with_user_and_pass_and_its_refusal_leaves_the_login() {
    for (reply, is_utf8) in [("+OK UTF-8 on\r\n", true), ("-ERR no\r\n", false)] {
        let replies = format!("{reply}+OK\r\n+OK maildrop\r\n");
        cuts(replies.as_bytes(), |pieces| {
            let mut client = announced("PIPELINING\r\nUTF8 USER\r\n");
            for command in [Command::Utf8, user("jürgen"), pass("blåbär")] {
                send(&mut client, &command);
            }
            assert_eq!((client.outstanding(), client.is_utf8()), (3, false), "from its own +OK");
            let mut seen = Seen::default();
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            assert_eq!((client.state(), client.is_utf8()), (State::Transaction, is_utf8));
            // No second chance in this connection.
            assert!(matches!(refused(&mut client, &Command::Utf8), SendError::OutOfPlace { .. }));
        });
    }
    // The order of a cleartext port: CAPA, STLS, CAPA, UTF8, login.
    let (mut client, mut seen) = (plain(), Seen::default());
    seen.feed(&mut client, b"+OK ready\r\n");
    for (command, reply) in [
        (Command::Capa, "+OK\r\nSTLS\r\nUTF8\r\n.\r\n"),
        (Command::Stls, "+OK\r\n"),
        (Command::Capa, "+OK\r\nUTF8 USER\r\n.\r\n"),
        (Command::Utf8, "+OK\r\n"),
        (user("jürgen"), "+OK\r\n"),
        (pass("blåbär"), "+OK\r\n"),
    ] {
        send(&mut client, &command);
        seen.feed(&mut client, reply.as_bytes());
        if command == Command::Stls {
            client.tls_started().unwrap();
        }
    }
    assert_eq!((client.state(), client.is_utf8()), (State::Transaction, true));
}

#[test]
fn r6856_2_2_1_pb_c40_credentials_are_ascii_unless_utf8_user_is_announced() {
    for (capabilities, may) in
        [("", false), ("UTF8\r\n", false), ("UTF8 USER\r\n", true), ("utf8 x user\r\n", true)]
    {
        let mut client = announced(capabilities);
        if may {
            // Before UTF8 too.
            assert_eq!(send(&mut client.clone(), &user("jürgen")), "USER jürgen\r\n".as_bytes());
            assert!(send(&mut client.clone(), &apop("jürgen")).starts_with("APOP jürgen c4c9".as_bytes()));
        } else {
            assert_eq!(refused(&mut client, &user("jürgen")), SendError::NonAscii, "{capabilities}");
            assert_eq!(refused(&mut client, &apop("jürgen")), SendError::NonAscii, "{capabilities}");
        }
        send(&mut client, &user("alice"));
        Seen::default().feed(&mut client, b"+OK\r\n");
        if may {
            assert_eq!(send(&mut client, &pass("blåbär ü")), "PASS blåbär ü\r\n".as_bytes());
        } else {
            assert_eq!(refused(&mut client, &pass("blåbär")), SendError::NonAscii, "{capabilities}");
            send(&mut client, &pass("secret"));
        }
    }
    // Without a CAPA nothing is announced, and a local charset is none of ours.
    assert_eq!(refused(&mut greeted(), &user("jürgen")), SendError::NonAscii);
    for name in [&b"j\xfcrgen"[..], b"\xc0\xaf", b"\xed\xa0\x80"] {
        let command = Command::User(Arg::new(name).unwrap());
        assert_eq!(refused(&mut announced("UTF8 USER\r\n"), &command), SendError::IllFormedUtf8);
        assert_eq!(refused(&mut greeted(), &command), SendError::IllFormedUtf8);
    }
}

#[test]
fn r6856_3_2_status_codes_and_numbers_are_octets_whatever_the_language() {
    let reply = [
        "-ERR [IN-USE] brevlådan används\r\n".as_bytes(),
        b"-ERR [AUTH] caf\xe9\r\n",
        "+OK 2 320 två\r\n".as_bytes(),
        "+OK 1 89 Größe\r\n".as_bytes(),
    ]
    .concat();
    cuts(&reply, |pieces| {
        let mut client = logged_in_to(CRLF_CAPA, ClientLimits::DEFAULT, ClientTolerances::default());
        for command in [Command::Noop, Command::Noop, Command::Stat, Command::List(Some(n(1)))] {
            send(&mut client, &command);
        }
        let (mut unread, mut told) = (Vec::new(), Vec::new());
        for piece in pieces {
            unread.extend_from_slice(piece);
            loop {
                let received = client.receive(&unread).unwrap();
                if let Step::Event(ClientEvent::Reply(reply)) = received.step {
                    let data = (reply.drop_listing(), reply.scan_listing());
                    told.push((reply.code(), data.0.map(|d| d.messages), data.1.map(|s| s.octets)));
                    if told.len() == 2 {
                        assert_eq!(reply.line.human_text(), b"caf\xe9", "left as it came");
                    }
                }
                let consumed = received.consumed;
                unread.drain(..consumed);
                if consumed == 0 {
                    break;
                }
            }
        }
        let codes = [Some(crate::CodeKind::InUse), Some(crate::CodeKind::Auth)];
        assert_eq!(
            told,
            [(codes[0], None, None), (codes[1], None, None), (None, Some(2), None), (None, None, Some(89))]
        );
    });
}

#[test]
fn r6856_3_4_pb_k14_a_list_of_languages_at_every_cut() {
    let list = "+OK languages follow\r\nen English\r\nsv Svenska\r\n..x\r\ni-default\r\n.\r\n";
    cuts(list.as_bytes(), |pieces| {
        let (mut client, mut seen) = (greeted(), Seen::default());
        send(&mut client, &Command::Lang(None));
        pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
        let want = "LANG: +OK \"languages follow\" ...\nen English\nsv Svenska\n.x \ni-default \nend\n";
        assert_eq!(seen.take(), want);
        // The range has one line only, with the tag in it.
        let range = Arg::new(b"sv").unwrap();
        assert_eq!(send(&mut client, &Command::Lang(Some(range))), b"LANG sv\r\n");
        seen.feed(&mut client, b"+OK sv \r\n");
        assert_eq!(seen.take(), "LANG: +OK \"sv \"\n");
    });
}

#[test]
fn pb_q39_a_message_of_another_size_than_listed_arrives_whole() {
    // As the specification has it (section 19.5): 89 octets as stored, 146 as a surrogate. Courier lists one and sends the
    // other to clients that have not asked for UTF-8 mode.
    let stored =
        "From: Jørgen <jørgen@exämple.net>\r\nTo: alice@example.net\r\nSubject: Grüße\r\n\r\nHallo.\r\n";
    let surrogate = "From: =?utf-8?Q?J=C3=B8rgen?= <invalid@internationalized-address.invalid>\r\n\
        To: alice@example.net\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHallo.\r\n";
    for sent in [stored, surrogate] {
        let replies = format!("+OK 1 89\r\n+OK 89\r\n{sent}.\r\n+OK\r\n");
        cuts(replies.as_bytes(), |pieces| {
            let mut client = logged_in_to(CRLF_CAPA, ClientLimits::DEFAULT, ClientTolerances::default());
            for command in [Command::List(Some(n(1))), Command::Retr(n(1)), Command::Noop] {
                send(&mut client, &command);
            }
            let mut seen = Seen::default();
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            let body = sent.as_bytes().escape_ascii();
            let want =
                format!("LIST 1: +OK \"1 89\"\nRETR 1: +OK \"89\" ...\nbody {body}\nend\nNOOP: +OK \"\"\n");
            assert_eq!(seen.take(), want);
        });
    }
}
