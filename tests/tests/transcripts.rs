//! Replies recorded from other servers, replayed to our client whole, octet by octet and at every cut.
//!
//! After each the client must be in step: the reply to one more command comes out as what it is. The eight messages of
//! the recordings are known, so bodies are compared octet by octet. Further recordings are read from the folder that
//! `POP3_TRANSCRIPTS` names, if it is set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use pop3_proto::{
    Arg, ClientTolerances, CodeKind, Command, MechanismName, MessageNumber, Secret, Status, Verb,
};
use pop3_tests::cuts::cuts;
use pop3_tests::player::{Answer, Line, Player};

const SERVERS: [&str; 3] = ["dovecot-2.3", "gnu-mailutils-3.15", "popa3d-1.0.3"];

fn folder(server: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts").join(server)
}

fn recorded(server: &str, name: &str) -> Vec<u8> {
    fs::read(folder(server).join(name).with_extension("txt")).unwrap()
}

fn n(number: u32) -> MessageNumber {
    MessageNumber::new(number).unwrap()
}

/// Where a command is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Login,
    Pass,
    Transaction,
}

/// A client at `place`, to a server that announces PIPELINING and RESP-CODES.
fn player(place: Place) -> Player {
    let mut player = Player::over_tls(ClientTolerances::default());
    player.feed(b"+OK\r\n");
    player.send(&Command::Capa).unwrap();
    player.feed(b"+OK\r\nPIPELINING\r\nRESP-CODES\r\n.\r\n");
    if place != Place::Login {
        player.send(&Command::User(Arg::new(b"alice").unwrap())).unwrap();
        player.feed(b"+OK\r\n");
    }
    if place == Place::Transaction {
        player.send(&Command::Pass(Secret::new(b"secret").unwrap())).unwrap();
        player.feed(b"+OK\r\n");
    }
    player.answers.clear();
    player.sent.clear();
    player
}

/// The commands that the name of a recording says. What our client cannot express, as `RETR abc`, is stood for by a
/// command with a reply of the same shape. `None`: an exchange, or no reply to a command.
fn commands(name: &str) -> Option<(Place, Vec<Command<'static>>)> {
    let user = || Command::User(Arg::new(b"alice").unwrap());
    let pass = || Command::Pass(Secret::new(b"secret").unwrap());
    let top = |number, lines| Command::Top { number: n(number), lines };
    let auth = || Command::Auth { mechanism: MechanismName::PLAIN, initial: None };
    let (session, command) = name.split_once('-').unwrap();
    let command = match (session, command) {
        ("cram" | "login", command) if command != "quit" => return None,
        (_, "greeting" | "auth-plain-then-cancel") => return None,
        ("pipelogin", _) => {
            return Some((Place::Login, vec![user(), pass(), Command::Stat, Command::Quit]));
        }
        ("burst", "burst") => {
            let batch = vec![
                Command::Stat,
                Command::List(Some(n(1))),
                Command::List(Some(n(99))),
                Command::Noop,
                Command::Uidl(Some(n(2))),
                top(1, 0),
                Command::Dele(n(1)),
                Command::Rset,
                Command::Stat,
            ];
            return Some((Place::Transaction, batch));
        }
        (_, "user" | "user-noarg" | "user-unknown") => (Place::Login, user()),
        (_, "pass" | "pass-wrong" | "pass-unknown") => (Place::Pass, pass()),
        (_, "auth-bare") => (Place::Login, Command::Mechanisms),
        ("auth", "capa-auth" | "pass-before-user" | "stat-preauth" | "unknown") => {
            (Place::Login, Command::Capa)
        }
        ("auth", "quit-auth") => (Place::Login, Command::Quit),
        ("sasl", "auth-plain-cancel") => (Place::Login, Command::Capa),
        ("sasl" | "saslir", command) if command.starts_with("auth-") => (Place::Login, auth()),
        (_, "capa-trans") => (Place::Transaction, Command::Capa),
        (
            _,
            "stat" | "lower" | "trailing-space" | "stat-after-dele" | "stat-after-rset" | "longline" | "last",
        ) => (Place::Transaction, Command::Stat),
        (_, "list" | "list-after-dele") => (Place::Transaction, Command::List(None)),
        (_, "uidl" | "uidl-after-dele") => (Place::Transaction, Command::Uidl(None)),
        (_, "list1" | "list1-deleted") => (Place::Transaction, Command::List(Some(n(1)))),
        (_, "list99" | "list-huge") => (Place::Transaction, Command::List(Some(n(99)))),
        (_, "uidl1") => (Place::Transaction, Command::Uidl(Some(n(1)))),
        (_, "uidl99") => (Place::Transaction, Command::Uidl(Some(n(99)))),
        (_, "retr1-deleted" | "retr-0" | "retr-abc" | "retr-neg" | "retr-noarg" | "retr99") => {
            (Place::Transaction, Command::Retr(n(99)))
        }
        (_, retr) if retr.starts_with("retr") => {
            (Place::Transaction, Command::Retr(retr[4..].parse().unwrap()))
        }
        (_, "top1-0") => (Place::Transaction, top(1, 0)),
        (_, "top2-3") => (Place::Transaction, top(2, 3)),
        (_, "top99" | "top-noarg2") => (Place::Transaction, top(99, 0)),
        (_, "dele1" | "dele1-again") => (Place::Transaction, Command::Dele(n(1))),
        (_, "dele2") => (Place::Transaction, Command::Dele(n(2))),
        (_, "rset") => (Place::Transaction, Command::Rset),
        (_, "noop" | "lang" | "utf8" | "xtnd" | "user-in-trans") => (Place::Transaction, Command::Noop),
        (_, "quit" | "quit-commit") => (Place::Transaction, Command::Quit),
        other => panic!("what is {other:?} the reply to?"),
    };
    Some((command.0, vec![command.1]))
}

/// Replays a recording at every cut, with the reply to one more command behind it where one may follow, and returns
/// what the client made of it.
fn replay(place: Place, commands: &[Command<'_>], octets: &[u8], told: &str) -> Vec<Answer> {
    let mut first: Option<Vec<Answer>> = None;
    cuts(octets, |pieces| {
        let mut player = player(place);
        let mut sent = 0;
        for command in commands {
            if player.send(command).is_ok() {
                sent += 1;
            }
        }
        // QUIT waits for its turn.
        let waits = sent < commands.len();
        if waits {
            let before = octets.len() - octets.split_inclusive(|&b| b == b'\n').next_back().unwrap().len();
            player.feed(&octets[..before]);
            player.send(commands.last().unwrap()).unwrap();
            player.feed(&octets[before..]);
        } else {
            pieces.iter().for_each(|piece| player.feed(piece));
        }
        let state = player.client.state();
        let answers = std::mem::take(&mut player.answers);
        assert_eq!(player.failed, None, "{told}");
        assert_eq!(answers.len(), commands.len(), "{told}: {answers:?}");
        assert!(answers.iter().all(|answer| answer.complete), "{told}: {answers:?}");
        assert!(player.unread.is_empty() && player.notices.is_empty(), "{told}");
        if !state.is_over() {
            in_step(&mut player, told);
        }
        match &first {
            None => first = Some(answers),
            Some(first) => assert_eq!(answers, *first, "{told}"),
        }
    });
    first.unwrap()
}

/// One more command, and its reply.
fn in_step(player: &mut Player, told: &str) {
    let next = match player.client.state() {
        pop3_proto::state::State::Password => Command::Pass(Secret::new(b"secret").unwrap()),
        pop3_proto::state::State::Transaction => Command::Noop,
        _ => Command::Capa,
    };
    player.send(&next).unwrap();
    player.feed(b"-ERR one more\r\n");
    assert_eq!(player.answers.len(), 1, "{told}");
    assert_eq!(player.answers[0].text, b"one more", "{told}");
}

fn answers(server: &str, name: &str) -> Vec<Answer> {
    let (place, commands) = commands(name).unwrap();
    replay(place, &commands, &recorded(server, name), &format!("{server}/{name}"))
}

fn answer(server: &str, name: &str) -> Answer {
    answers(server, name).swap_remove(0)
}

/// The eight messages, as they were given to the servers, with `extra` at the end of the header.
fn message(number: u32, extra: &str) -> Vec<u8> {
    let head = |subject: &str, more: &str| {
        format!(
            "From: a@example.org\r\n{more}Subject: {subject}\r\nMessage-ID: <m{number}@example.org>\r\n{extra}\r\n"
        )
    };
    let text = match number {
        1 => format!(
            "From: a@example.org\r\nTo: alice@example.org\r\nSubject: one\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\
            Message-ID: <m1@example.org>\r\n{extra}\r\nline one\r\nline two\r\nline three\r\n"
        ),
        2 => head("dots", "") + ".\r\n..\r\n...three\r\n.hidden\r\n . spaced\r\nend dot.\r\n.\r\n",
        3 => format!("{}{}\r\nafter\r\n", head("long line", ""), "x".repeat(5000)),
        4 => {
            let head = format!(
                "From: =?utf-8?q?=C3=A9?= <a@example.org>\r\nSubject: eight bit\r\nMessage-ID: <m4@example.org>\r\n\
                Content-Type: text/plain; charset=utf-8\r\n{extra}\r\ncafé € latin1:"
            );
            return [head.as_bytes(), b"\xe9 ctrl:\x01\x7f\r\n"].concat();
        }
        5 => head("no final newline", "") + "last line without newline\r\n",
        6 => head("empty body", ""),
        7 => {
            head("status words", "")
                + "-ERR not an error\r\n+OK not a reply\r\n+ not a continuation\r\nFrom here on\r\n>From there\r\n"
        }
        _ => head("bare cr and nul", "") + "a\rb\r\rc\r\nnul:\0:nul\r\nend\r\n",
    };
    text.into_bytes()
}

#[test]
fn pb_s16_pb_k01_every_recorded_reply_is_one_reply_and_leaves_the_client_in_step() {
    let mut replayed = 0;
    for server in SERVERS {
        for entry in fs::read_dir(folder(server)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if commands(name).is_some() {
                answers(server, name);
                replayed += 1;
            }
        }
    }
    assert_eq!(replayed, 198, "recordings are missing");
}

#[test]
fn r1939_3_8_the_messages_arrive_octet_by_octet() {
    let ids = [
        "22eff4f479a38ec21caf3ffae1b6c0b6",
        "0473546992c25edf94f678d132cf76c1",
        "f3bfa40b745ac46fac99e8290f5eb241",
        "e65cddb7649e9c96a756a2a92321daee",
        "9bb5697fc950a62647c0d4e241e5a96f",
        "5eb80f34ee65542ef688a2d0d4145e2e",
        "f795a72346ccb4dc78598f21731b6ef8",
        "b4e34e57b02e1f5301741ef9cb2d612c",
    ];
    for number in 1..=8 {
        let name = format!("trans-retr{number}");
        let whole = message(number, "");
        assert_eq!(answer("dovecot-2.3", &name).body, whole, "{number}");
        let folded = String::from_utf8_lossy(&whole)
            .replace("\r\nFrom ", "\r\n>From ")
            .replace("\r\n>From there", "\r\n>>From there");
        let want = if number == 7 { folded.into_bytes() } else { whole };
        assert_eq!(answer("popa3d-1.0.3", &name).body, want, "{number}");
        // This one adds a header line to the mail in its store.
        let extra = format!("X-UIDL: {}.1795443752.{number}\r\n", ids[number as usize - 1]);
        assert_eq!(answer("gnu-mailutils-3.15", &name).body, message(number, &extra), "{number}");
    }
}

#[test]
fn r1939_7_1_pb_q04_what_top_shows_is_a_part_of_the_message() {
    for server in ["dovecot-2.3", "popa3d-1.0.3"] {
        assert_eq!(answer(server, "trans-top1-0").body, message(1, "")[..128]);
        assert!(answer(server, "trans-top2-3").body.ends_with(b"\r\n\r\n.\r\n..\r\n...three\r\n"));
    }
    // One server adds a blank line to what TOP shows, so that it is not the beginning of the message.
    let (top, whole) =
        (answer("gnu-mailutils-3.15", "trans-top2-3").body, answer("gnu-mailutils-3.15", "trans-retr2").body);
    assert!(!whole.starts_with(&top));
    assert!(top.ends_with(b"\r\n\r\n\r\n.\r\n..\r\n...three\r\n"));
}

#[test]
fn r1939_5_4_pb_q12_the_numbers_of_list_and_stat() {
    let sizes = |server: &str, name: &str| -> Vec<(u32, u64)> {
        let size =
            |line: &Line| if let Line::Size(n, octets) = line { (*n, *octets) } else { panic!("{line:?}") };
        answer(server, name).lines.iter().map(size).collect()
    };
    let numbered = |sizes: [u64; 8]| (1..).zip(sizes).collect::<Vec<(u32, u64)>>();
    let dovecot = numbered([160, 118, 5082, 163, 105, 74, 161, 103]);
    assert_eq!(sizes("dovecot-2.3", "trans-list"), dovecot);
    assert_eq!(sizes("dovecot-2.3", "trans-list-after-dele"), dovecot[1..]);
    let popa3d = numbered([160, 118, 5082, 163, 107, 74, 163, 103]);
    assert_eq!(sizes("popa3d-1.0.3", "trans-list"), popa3d);
    assert_eq!(sizes("popa3d-1.0.3", "trans-list-after-dele"), popa3d[1..]);
    let mailutils = numbered([160, 118, 5082, 163, 107, 74, 161, 103]);
    assert_eq!(sizes("gnu-mailutils-3.15", "trans-list"), mailutils);
    // Sizes that change while a session lasts: they are hints.
    assert_eq!(sizes("gnu-mailutils-3.15", "trans-list-after-dele")[..2], [(2, 173), (3, 5137)]);
    for (server, name, want) in [
        ("dovecot-2.3", "trans-stat", (8, Some(5966))),
        ("dovecot-2.3", "trans-stat-after-dele", (7, Some(5806))),
        ("gnu-mailutils-3.15", "trans-stat", (8, Some(5968))),
        ("gnu-mailutils-3.15", "trans-stat-after-rset", (8, Some(6803))),
        ("popa3d-1.0.3", "trans-stat", (8, Some(5970))),
    ] {
        assert_eq!(answer(server, name).totals, Some(want), "{server}/{name}");
        assert_eq!(answer(server, "trans-list1").data, Some(Line::Size(1, 160)));
    }
}

#[test]
fn r1939_7_2_the_ids_of_uidl() {
    let ids = |server: &str, name: &str| -> Vec<(u32, String)> {
        let id = |line: &Line| match line {
            Line::Id(n, id) => (*n, String::from_utf8(id.clone()).unwrap()),
            other => panic!("{other:?}"),
        };
        answer(server, name).lines.iter().map(id).collect()
    };
    let dovecot: Vec<_> = (1..=8).map(|n| (n, format!("0000000{n}6b044de0"))).collect();
    assert_eq!(ids("dovecot-2.3", "trans-uidl"), dovecot);
    assert_eq!(ids("dovecot-2.3", "trans-uidl-after-dele"), dovecot[1..]);
    for server in SERVERS {
        let all = ids(server, "trans-uidl");
        assert_eq!(all.len(), 8);
        assert_eq!(ids(server, "trans-uidl-after-dele"), all[1..]);
        let first = Line::Id(1, all[0].1.clone().into_bytes());
        assert_eq!(answer(server, "trans-uidl1").data, Some(first));
        assert_eq!(answer(server, "trans-uidl99").status, Status::Err);
    }
}

#[test]
fn r2449_5_2_pb_q35_the_capabilities() {
    let capa = |server: &str, name: &str| answer(server, name);
    let dovecot = ["CAPA", "TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE"];
    assert_eq!(capa("dovecot-2.3", "trans-capa-trans").tags(), dovecot);
    assert_eq!(capa("dovecot-2.3", "auth-capa-auth").tags()[..6], dovecot);
    let sasl = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"];
    let words = sasl.iter().map(ToString::to_string).collect();
    assert_eq!(capa("dovecot-2.3", "auth-capa-auth").lines[7], Line::Capability("SASL".into(), words));
    let names: Vec<Line> = sasl.iter().map(|name| Line::Name(name.as_bytes().to_vec())).collect();
    assert_eq!(capa("dovecot-2.3", "auth-auth-bare").lines, names);
    // A tag that is misspelt is a tag that nobody knows.
    let mailutils = ["TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE", "EXPIRENEVER", "USER"];
    assert_eq!(capa("gnu-mailutils-3.15", "auth-capa-auth").tags(), mailutils);
    assert_eq!(capa("popa3d-1.0.3", "auth-capa-auth").status, Status::Err);
}

#[test]
fn r2449_8_1_codes_and_texts_of_refusals() {
    let refused = |server: &str, name: &str| {
        let answer = answer(server, name);
        assert_eq!(answer.status, Status::Err);
        (answer.code, String::from_utf8(answer.text).unwrap())
    };
    let auth = Some(CodeKind::Auth);
    assert_eq!(
        refused("dovecot-2.3", "loginfail-pass-wrong"),
        (auth, "[AUTH] Authentication failed.".into())
    );
    assert_eq!(refused("dovecot-2.3", "saslir-auth-plain-ir-wrong").0, auth);
    assert_eq!(refused("gnu-mailutils-3.15", "loginfail-pass-wrong"), (auth, "[AUTH] Bad login".into()));
    let words = "Authentication failed (bad password?)";
    assert_eq!(refused("popa3d-1.0.3", "loginfail-pass-wrong"), (None, words.into()));
    assert_eq!(refused("dovecot-2.3", "trans-retr1-deleted"), (None, "Message is deleted.".into()));
}

#[test]
fn pb_q38_a_second_dele_may_be_answered_ok() {
    assert_eq!(answer("gnu-mailutils-3.15", "trans-dele1-again").status, Status::Ok);
    assert_eq!(answer("dovecot-2.3", "trans-dele1-again").status, Status::Err);
}

#[test]
fn r1957_2_bare_indicators_are_enough() {
    for name in ["trans-dele1", "trans-list", "trans-retr1", "trans-quit", "auth-quit-auth"] {
        let answer = answer("popa3d-1.0.3", name);
        assert!(answer.is_ok() && answer.text.is_empty(), "{name}");
    }
    assert_eq!(answer("popa3d-1.0.3", "trans-retr99").status, Status::Err);
}

#[test]
fn r2449_6_6_2_batches_come_apart() {
    for (server, id) in [
        ("dovecot-2.3", "000000026b044de0"),
        ("gnu-mailutils-3.15", "0473546992c25edf94f678d132cf76c1.1795443752.2"),
        ("popa3d-1.0.3", "38d61c774e26f2e1"),
    ] {
        let batch = answers(server, "burst-burst");
        let statuses: Vec<bool> = batch.iter().map(Answer::is_ok).collect();
        assert_eq!(statuses, [true, true, false, true, true, true, true, true, true], "{server}");
        assert!(batch[0].totals.is_some() && batch[1].data.is_some());
        assert_eq!(batch[4].data, Some(Line::Id(2, id.into())));
        assert!(
            batch[5].body.starts_with(b"From: a@example.org\r\n") && batch[5].body.ends_with(b"\r\n\r\n")
        );
    }
    let login = answers("dovecot-2.3", "pipelogin-user-crlfburst");
    assert_eq!(
        login.iter().map(|a| a.asked.0).collect::<Vec<_>>(),
        [Verb::User, Verb::Pass, Verb::Stat, Verb::Quit]
    );
    assert_eq!(login[2].totals, Some((7, Some(5848))));
}

#[test]
fn r5034_4_4_the_recorded_exchanges() {
    /// Sends `AUTH`, then feeds each reply at every cut and answers its challenge; returns the last answer.
    fn exchange(replies: &[(&str, &str)], mechanism: &[u8], cancel: bool) -> (Vec<Vec<u8>>, Answer) {
        let mut last = None;
        let octets: Vec<Vec<u8>> = replies.iter().map(|(server, name)| recorded(server, name)).collect();
        let longest = octets.iter().map(Vec::len).max().unwrap();
        for at in 0..longest {
            let (mut player, mut challenges) = (player(Place::Login), Vec::new());
            let mechanism = MechanismName::parse(mechanism).unwrap();
            player.client.authenticate(mechanism, None, &mut player.sent).unwrap();
            for reply in octets.iter().flat_map(|reply| reply.split_inclusive(|&b| b == b'\n')) {
                let (head, tail) = reply.split_at(at.min(reply.len()));
                player.feed(head);
                player.feed(tail);
                if let Some(challenge) = player.challenges.pop() {
                    challenges.push(challenge.unwrap());
                    let Player { client, sent, .. } = &mut player;
                    if cancel { client.cancel(sent) } else { client.respond(b"alice", sent) }.unwrap();
                }
            }
            let answer = player.answers.remove(0);
            in_step(&mut player, "after an exchange");
            last = Some((challenges, answer));
        }
        last.unwrap()
    }
    let d = "dovecot-2.3";
    let (challenges, answer) = exchange(&[(d, "sasl-auth-plain-then-cancel")], b"PLAIN", true);
    assert_eq!((challenges, answer.status), (vec![Vec::new()], Status::Err));
    let login = [(d, "login-auth-login"), (d, "login-login-user"), (d, "login-login-pass")];
    let (challenges, answer) = exchange(&login, b"LOGIN", false);
    assert_eq!(challenges, [b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6"]);
    assert!(answer.is_ok());
    let (challenges, answer) = exchange(&[(d, "cram-auth-cram"), (d, "cram-cram-bad")], b"CRAM-MD5", false);
    assert_eq!(challenges, [b"PDcxNjMxODY2MzA5NTg0OTAuMTc5NTQ0NDIxMEB2bT4="]);
    assert_eq!(answer.code, Some(CodeKind::Auth));
}

#[test]
fn r1939_4_2_the_recorded_greetings() {
    for server in SERVERS {
        let greeting = recorded(server, "auth-greeting");
        cuts(&greeting, |pieces| {
            let mut player = Player::over_tls(ClientTolerances::default());
            pieces.iter().for_each(|piece| player.feed(piece));
            let text = greeting.strip_prefix(b"+OK").unwrap().trim_ascii();
            assert_eq!(player.greeting, Some((Status::Ok, text.to_vec())));
        });
    }
    let mut tolerances = ClientTolerances::default();
    for lenient in [false, true] {
        tolerances.lenient_banner = lenient;
        cuts(&recorded("curl-testserver", "greeting-banner"), |pieces| {
            let mut player = Player::over_tls(tolerances);
            pieces.iter().for_each(|piece| player.feed(piece));
            assert_eq!((player.greeting.is_some(), player.failed.is_none()), (lenient, lenient));
        });
    }
}

#[test]
fn pb_q36_pb_c36_odd_but_legal_lists_of_curls_test_server() {
    let octets = recorded("curl-testserver", "capa-blank-lines");
    let capa = replay(Place::Login, &[Command::Capa], &octets, "capa").swap_remove(0);
    assert_eq!(capa.tags(), ["TOP", "USER", "IMPLEMENTATION"]);
    let octets = recorded("curl-testserver", "list-over-4gib");
    let list = replay(Place::Transaction, &[Command::List(None)], &octets, "list").swap_remove(0);
    assert_eq!(list.lines, [Line::Size(1, 100), Line::Size(2, 4_294_967_400), Line::Size(3, 200)]);
}

/// What a file of a further folder is the reply to, by the beginning of its name.
fn by_name(name: &str) -> Option<(Place, Command<'static>)> {
    let transaction = |command| Some((Place::Transaction, command));
    let number = name.chars().find(char::is_ascii_digit).and_then(|c| c.to_string().parse().ok());
    match name.split(|c: char| !c.is_ascii_lowercase()).next()? {
        "capa" => Some((Place::Login, Command::Capa)),
        "user" => Some((Place::Login, Command::User(Arg::new(b"alice").unwrap()))),
        "auth" if !name.contains("ntlm") && !name.contains("plain") => {
            Some((Place::Pass, Command::Pass(Secret::new(b"secret").unwrap())))
        }
        "getlang" => transaction(Command::Lang(None)),
        "stat" => transaction(Command::Stat),
        "list" if name.starts_with("list1") || name.starts_with("list2") || name.starts_with("list3") => {
            transaction(Command::List(number))
        }
        "list" => transaction(Command::List(None)),
        "uidl" if name.as_bytes().get(4).is_some_and(u8::is_ascii_digit) => {
            transaction(Command::Uidl(number))
        }
        "uidl" => transaction(Command::Uidl(None)),
        "retr" => transaction(Command::Retr(number?)),
        "top" if name == "top" => transaction(Command::Top { number: n(1), lines: 0 }),
        "dele" if name == "dele" => transaction(Command::Dele(n(1))),
        "noop" | "ok" | "err" | "rset" if name != "err-auth-then-signoff" => transaction(Command::Noop),
        "quit" => transaction(Command::Quit),
        _ => None,
    }
}

#[test]
fn pb_c25_further_recordings_are_read_without_losing_step() {
    let Some(root) = std::env::var_os("POP3_TRANSCRIPTS") else {
        eprintln!("skipped: POP3_TRANSCRIPTS names no folder of further recordings");
        return;
    };
    let mut replayed = 0;
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let own = SERVERS.iter().any(|server| folder.ends_with(server));
            let Some((place, command)) = by_name(&name).filter(|_| !own) else { continue };
            let octets = fs::read(&path).unwrap();
            // Every cut of a long message would take minutes and show nothing that a short one does not.
            if octets.len() < 6000 {
                replay(place, &[command], &octets, &path.display().to_string());
                replayed += 1;
            }
        }
    }
    assert!(replayed > 50, "only {replayed} recordings");
}
