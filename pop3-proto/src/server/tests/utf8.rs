//! `UTF8` and `LANG`: RFC 6856 and the session of section 19.5 of the specification.

use super::*;

const MESSAGE: &str =
    "From: Jørgen <jørgen@exämple.net>\r\nTo: alice@example.net\r\nSubject: Grüße\r\n\r\nHallo.\r\n";

/// The texts of the specification, where ours are longer.
const LANGUAGES: &[Language<'static>] = &[
    Language::ENGLISH,
    Language::new(
        "sv",
        "Svenska",
        &[
            (Phrase::LanguageChosen, "Språket är nu svenska"),
            (Phrase::NoSuchLanguage, "Språket finns inte"),
            (Phrase::Utf8Mode, "UTF-8 påslaget"),
            (Phrase::TlsIsActive, "TLS är redan aktivt"),
            (Phrase::SendPassword, "lösenord tack"),
            (Phrase::MaildropHasMessage, "{messages} meddelande"),
            (Phrase::BeforeLoginOnly, "bara före inloggning"),
            (Phrase::MessageHasOctets, "{octets}"),
            (Phrase::Bye, "hej då"),
        ],
    ),
    Language::new("i-default", "", &[(Phrase::CapabilitiesFollow, "capabilities")]),
];

/// What client and server say, line by line.
const SESSION: [(&str, &str); 14] = [
    ("CAPA", "+OK capabilities⏎UTF8 USER⏎LANG⏎USER⏎UIDL⏎TOP⏎RESP-CODES⏎.⏎"),
    ("LANG", "+OK languages follow⏎en English⏎sv Svenska⏎i-default⏎.⏎"),
    ("LANG sv", "+OK sv Språket är nu svenska⏎"),
    ("LANG xx", "-ERR Språket finns inte⏎"),
    ("UTF8", "+OK UTF-8 påslaget⏎"),
    ("STLS", "-ERR TLS är redan aktivt⏎"),
    ("USER jürgen", "+OK lösenord tack⏎"),
    ("PASS blåbär", "+OK 1 meddelande⏎"),
    ("UTF8", "-ERR bara före inloggning⏎"),
    ("LIST 1", "+OK 1 89⏎"),
    ("RETR 1", "+OK 89⏎From: Jørgen <jørgen@exämple.net>⏎To: alice@example.net⏎Subject: Grüße⏎⏎Hallo.⏎.⏎"),
    ("NOOP", "+OK nothing done⏎"),
    ("LANG I-Default", "+OK i-default texts are in English⏎"),
    ("QUIT", "+OK bye⏎"),
];

fn config() -> SessionConfig<'static> {
    SessionConfig {
        greeting: "ready",
        utf8: Utf8Offer::MessagesAndLogin,
        languages: LANGUAGES,
        stls: true,
        ..SessionConfig::DEFAULT
    }
}

fn world(config: SessionConfig<'static>) -> World<'static> {
    let mut world = World::new(config, true);
    world.mail = vec![(MESSAGE.into(), String::from("1"))];
    world.account = ("jürgen".as_bytes(), "blåbär".as_bytes());
    world
}

/// Our capabilities stand in another order and are more.
fn capabilities() -> String {
    let mut world = world(config());
    world.heard();
    let ours = world.ask("CAPA\r\n");
    let theirs = SESSION[0].1.replace('⏎', "\r\n");
    assert!(theirs.lines().all(|line| ours.lines().any(|our| our == line)), "{ours}");
    assert_eq!(ours.lines().next(), theirs.lines().next());
    ours
}

#[test]
fn r6856_2_1_r6856_2_2_r6856_3_1_the_session_of_the_specification() {
    assert_eq!(MESSAGE.len(), 89);
    // As it stands there, with the QUIT before English is chosen.
    for last in [[SESSION[13]].as_slice(), &SESSION[11..]] {
        let mut script: Vec<(&str, String)> =
            SESSION[..11].iter().chain(last).map(|(c, s)| (*c, s.replace('⏎', "\r\n"))).collect();
        script[0].1 = capabilities();
        if last.len() == 1 {
            script[11].1 = String::from("+OK hej då\r\n");
        }
        let input: String = script.iter().map(|(command, _)| format!("{command}\r\n")).collect();
        let want: String =
            core::iter::once("+OK ready\r\n").chain(script.iter().map(|(_, s)| s.as_str())).collect();
        let check = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut world = world(config());
            pieces.for_each(|piece| world.feed(piece));
            assert_eq!(world.heard(), want);
            assert_eq!(world.ended, Some(Ok(CloseReason::Quit)));
        };
        let input = input.as_bytes();
        for mut cut in pieces(input) {
            check(&mut cut);
        }
        for at in 1..input.len() {
            let (head, tail) = input.split_at(at);
            check(&mut [head, tail].into_iter());
        }
    }
}

#[test]
fn r6856_2_1_utf8_before_the_login_only() {
    let mut world = world(config());
    world.heard();
    assert!(!world.session.is_utf8());
    assert_eq!(world.ask("UTF8 now\r\n"), "-ERR unknown or malformed command\r\n");
    assert!(!world.session.is_utf8());
    assert_eq!(world.ask("UTF8\r\nUTF8\r\n"), "+OK UTF-8 mode is on\r\n+OK UTF-8 mode is on\r\n");
    assert!(world.session.is_utf8());
    world.feed("USER jürgen\r\nPASS blåbär\r\n".as_bytes());
    assert!(world.session.is_utf8() && world.session.state() == State::Transaction);
    world.heard();
    assert_eq!(world.ask("UTF8\r\n"), "-ERR only before login\r\n");
    // Where it is not offered it is not there.
    let mut world = World::greeted();
    assert_eq!(world.ask("UTF8\r\n"), "-ERR not supported\r\n");
    assert!(!world.session.is_utf8() && !world.ask("CAPA\r\n").contains("UTF8"));
}

#[test]
fn r6856_2_1_pb_q52_utf8_after_the_login_can_be_tolerated_and_changes_nothing() {
    for lenient_utf8 in [false, true] {
        let mut world = world(SessionConfig { lenient_utf8, ..config() });
        world.feed("USER jürgen\r\nPASS blåbär\r\n".as_bytes());
        world.heard();
        let answer = world.ask("UTF8\r\n");
        assert_eq!(
            answer,
            if lenient_utf8 { "+OK UTF-8 mode is on\r\n" } else { "-ERR only before login\r\n" }
        );
        assert!(!world.session.is_utf8(), "sizes have been told");
        assert_eq!(world.ask("STAT\r\n"), "+OK 1 89\r\n");
        assert_eq!(world.session.state(), State::Transaction);
    }
}

#[test]
fn r6856_2_7_no_stls_after_utf8() {
    let mut world = World::new(config(), false);
    world.heard();
    assert_eq!(world.ask("UTF8\r\n"), "+OK UTF-8 mode is on\r\n");
    // No code, and what follows is no attack: the command has no place.
    assert_eq!(world.ask("STLS\r\nCAPA\r\n").lines().next(), Some("-ERR command not valid in this state"));
    assert_eq!((world.handshakes, world.session.is_tls()), (0, false));
    // A refused UTF8 leaves STLS as it was.
    let mut world = World::new(SessionConfig { utf8: Utf8Offer::No, ..config() }, false);
    world.heard();
    world.ask("UTF8\r\n");
    assert_eq!(world.ask("STLS\r\n"), "+OK begin TLS\r\n");
}

#[test]
fn r6856_2_2_1_r6856_2_2_2_names_and_passwords_are_ascii_where_utf8_is_announced_without_user() {
    let mut told = Vec::new();
    for utf8 in [Utf8Offer::No, Utf8Offer::Messages, Utf8Offer::MessagesAndLogin] {
        let mut world = world(SessionConfig { utf8, apop: Some(b"<1@a>"), ..config() });
        world.heard();
        let capability =
            world.ask("CAPA\r\n").lines().find(|line| line.starts_with("UTF8")).map(String::from);
        let answers = ["USER jürgen\r\n", "PASS blåbär\r\n"].map(|line| world.ask(line));
        told.push((capability, answers[0].starts_with("+OK"), world.session.state()));
        // An ASCII name with another password: refused as wrong, and counted, in each case.
        let mut world = self::world(SessionConfig { utf8, apop: Some(b"<1@a>"), ..config() });
        world.heard();
        for password in [&b"\xc0\xaf"[..], b"\xed\xa0\x80", b"bl\xe5b\xe4r"] {
            world.feed(&[b"USER alice\r\nPASS ", password, b"\r\n"].concat());
            assert_eq!(world.heard(), "+OK send PASS\r\n-ERR [AUTH] authentication failed\r\n");
            assert_eq!(world.checks, 0, "nothing was looked up");
        }
        assert_eq!(world.ended, Some(Ok(CloseReason::FailedLogins)));
        let mut world = self::world(SessionConfig { utf8, apop: Some(b"<1@a>"), ..config() });
        world.heard();
        world.feed(b"APOP j\xfcrgen x\r\n");
        assert_eq!(world.heard(), "-ERR unknown or malformed command\r\n");
        world.feed("APOP jürgen x\r\n".as_bytes());
        assert_eq!(world.checks, u32::from(utf8 != Utf8Offer::Messages));
    }
    assert_eq!(
        told,
        [
            (None, true, State::Transaction),
            (Some("UTF8".into()), false, State::Authorization),
            (Some("UTF8 USER".into()), true, State::Transaction),
        ]
    );
}

#[test]
fn r6856_3_1_the_tag_and_a_space_are_there_whatever_the_text() {
    const MUTE: Language<'_> = Language::new("x-mute", "", &[(Phrase::LanguageChosen, "")]);
    let mut world = World::new(SessionConfig { languages: &[MUTE], ..SessionConfig::DEFAULT }, true);
    world.heard();
    assert_eq!(world.ask("LANG x-mute\r\n"), "+OK x-mute \r\n");
    assert_eq!(world.ask("LANG\r\n"), "+OK languages follow\r\nx-mute\r\ni-default\r\n.\r\n");
}

#[test]
fn r6856_3_4_what_is_no_tag_is_not_listed() {
    const BROKEN: Language<'_> = Language::new("x\r\n.", "broken", &[]);
    let config = SessionConfig { languages: &[Language::ENGLISH, BROKEN, Language::SWEDISH], ..config() };
    let listed = "+OK ready\r\n+OK languages follow\r\nen English\r\nsv Svenska\r\ni-default\r\n.\r\n";
    assert_eq!(world(config).ask("LANG\r\n"), listed);
}

#[test]
fn r6856_3_2_text_is_ascii_until_a_language_was_chosen() {
    const LOUD: &[Language<'_>] = &[
        Language::SWEDISH,
        Language::new("i-default", "", &[(Phrase::NothingDone, "höh"), (Phrase::Bye, "[x] ä\r\n")]),
    ];
    let mut world = World::new(SessionConfig { languages: LOUD, ..SessionConfig::DEFAULT }, true);
    world.feed(LOGIN);
    world.heard();
    assert_eq!(world.ask("NOOP\r\n"), "+OK h??h\r\n");
    assert_eq!(world.ask("LANG de\r\nNOOP\r\n"), "-ERR language not available\r\n+OK h??h\r\n");
    assert_eq!(world.ask("LANG SV-fi\r\nNOOP\r\n"), "+OK sv Språket är nu svenska\r\n+OK inget gjordes\r\n");
    // Codes and numbers are the same in each language; the text after the login too.
    assert_eq!(world.ask("RETR 9\r\nLIST 1\r\n"), "-ERR meddelandet finns inte\r\n+OK 1 68\r\n");
    assert_eq!(
        world.ask("LANG i-default\r\nQUIT\r\n"),
        "+OK i-default texts are in English\r\n+OK (x] ä??\r\n"
    );
}

#[test]
fn r6856_3_3_r6856_7_1_the_operators_language_is_the_same_for_all_before_the_login() {
    for (default_language, tag) in
        [("sv", "sv"), ("DE", "de"), ("uga", "i-default"), ("i-default", "i-default")]
    {
        let config =
            SessionConfig { default_language, languages: Language::BUILT_IN, ..SessionConfig::DEFAULT };
        for user in ["", "USER alice\r\n", "USER nobody\r\n"] {
            let mut world = World::new(config, true);
            world.feed(user.as_bytes());
            world.heard();
            assert!(world.ask("LANG *\r\n").starts_with(&format!("+OK {tag} ")), "{user}");
            assert_eq!(world.session.language(), tag);
        }
    }
    let mut world =
        World::new(SessionConfig { languages: Language::BUILT_IN, ..SessionConfig::DEFAULT }, true);
    world.heard();
    assert_eq!(world.ask("LANG sv\r\nLANG uga\r\n").lines().last(), Some("-ERR Språket finns inte"));
    assert_eq!(world.session.language(), "sv");
    // Three guesses at languages are no attack.
    assert_eq!(world.session.counts().bad_commands, 0);
    // Without languages there is no LANG.
    assert_eq!(World::greeted().ask("LANG *\r\nLANG\r\n"), "-ERR not supported\r\n-ERR not supported\r\n");
}

#[test]
fn r6856_5_1_a_message_that_needs_utf_8_mode_is_refused_by_code() {
    for utf8 in [false, true] {
        let mut session = Session::new(config(), true, HeapStorage::new(9));
        let mut said = Vec::new();
        session.greet(&mut said).unwrap();
        let before: &[u8] = if utf8 { b"UTF8\r\nUSER a\r\n" } else { b"USER a\r\n" };
        assert_eq!(session.receive(before, &mut said).unwrap().step, Step::NeedInput);
        assert!(matches!(
            session.receive(b"PASS b\r\n", &mut said).unwrap().step,
            Step::Event(Request::Login { .. })
        ));
        session.add_message(100, b"plain").unwrap();
        let number = session.add_message(89, b"utf8").unwrap();
        session.require_utf8(number).unwrap();
        session.opened(&mut said).unwrap();
        for command in ["LIST 2", "RETR 2", "TOP 2 0"] {
            said.clear();
            let line = format!("{command}\r\n");
            let step = session.receive(line.as_bytes(), &mut said).unwrap().step;
            if utf8 && command != "LIST 2" {
                assert!(matches!(step, Step::Event(Request::Message { .. })), "{command}");
                session.refuse(Refusal::Gone, &mut said).unwrap();
                continue;
            }
            assert_eq!(step, Step::NeedInput);
            let want: &[u8] =
                if utf8 { b"+OK 2 89\r\n" } else { b"-ERR [UTF8] message needs UTF-8 mode\r\n" };
            assert_eq!(said, want, "{command}");
        }
        // It is there all the same: listed, with its id, and can be deleted.
        said.clear();
        assert_eq!(
            session.receive(b"LIST\r\nUIDL 2\r\nDELE 2\r\n", &mut said).unwrap().step,
            Step::NeedInput
        );
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("\r\n2 89\r\n.\r\n+OK 2 utf8\r\n+OK message marked"), "{said}");
    }
}
