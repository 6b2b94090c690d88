//! UTF-8 mode, languages, and habits for servers that need them.

use pop3_blocking::Transport;
use pop3_blocking::client::{ClientOptions, Connection, Credentials, Error, Outcome};
use pop3_blocking::pop3_proto::{CodeKind, SendError};
use pop3_blocking::tls::ServerName;

use crate::fixture::{
    HOST, LOGIN, Mode, announcing, connect, dialogue, logged_in, n, over_tls, say, script, tls,
};

#[test]
fn r6856_2_8_pb_q39_capa_stls_capa_utf8_login() {
    let mut secure = false;
    let rule = move |line: &str| match line {
        "CAPA" if secure => say("+OK\r\nUTF8\r\nUSER\r\n."),
        "CAPA" => say("+OK\r\nSTLS\r\nUTF8\r\n."),
        "STLS" => {
            secure = true;
            say("+OK begin")
        }
        _ => say("+OK"),
    };
    let (stream, player) = dialogue(Mode::Stls(&tls().server), rule);
    let connection = Connection::over(Transport::plain(stream), ClientOptions::default()).unwrap();
    let connection = connection.stls(&tls().client, &ServerName::parse(HOST).unwrap()).unwrap();
    let session = connection.login("alice", "wonderland").unwrap();
    assert!(session.is_utf8());
    assert!(matches!(session.quit(), Outcome::Committed));
    assert_eq!(
        player.join().unwrap(),
        ["CAPA", "STLS", "CAPA", "UTF8", "USER alice", "PASS wonderland", "QUIT"]
    );
}

#[test]
fn r6856_2_8_a_refused_utf8_leaves_the_login_valid_and_the_mode_off() {
    let rule = |line: &str| if line == "UTF8" { say("-ERR not now") } else { say("+OK") };
    for (wanted, capabilities, sent) in
        [(true, "UTF8; USER", true), (false, "UTF8; USER", false), (true, "USER", false)]
    {
        let mut options = ClientOptions::default();
        options.utf8 = wanted;
        let (connection, player) =
            over_tls(&tls().server, &tls().client, options, announcing(capabilities, rule));
        let session = connection.unwrap().login("alice", "wonderland").unwrap();
        assert!(!session.is_utf8());
        drop(session);
        assert_eq!(player.join().unwrap().contains(&"UTF8".to_owned()), sent);
    }
}

#[test]
fn r6856_2_7_no_stls_behind_utf8() {
    let (stream, player) = dialogue(Mode::Clear, announcing("STLS; UTF8", |_| say("+OK")));
    let mut connection = Connection::over(Transport::plain(stream), ClientOptions::default()).unwrap();
    connection.utf8().unwrap();
    assert!(connection.is_utf8());
    let done = connection.stls(&tls().client, &ServerName::parse(HOST).unwrap());
    assert!(matches!(done, Err(Error::NotSent(SendError::AfterUtf8))), "{done:?}");
    assert_eq!(player.join().unwrap(), ["UTF8", "CAPA"]);
}

#[test]
fn r6856_5_1_r6856_5_2_a_message_that_needs_utf8_is_refused_by_its_code() {
    let (mut session, player) =
        logged_in(&[("RETR 1", "-ERR [UTF8] message needs UTF-8 mode\r\n"), ("QUIT", "+OK\r\n")]);
    let refused = session.retrieve(n(1)).unwrap_err();
    assert_eq!(refused.refused().and_then(|refused| refused.code), Some(CodeKind::Utf8));
    assert!(!session.is_utf8());
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
}

#[test]
fn r6856_3_1_r6856_3_2_r6856_3_4_languages_before_and_after_login() {
    let mut lines = script(&[
        ("", "+OK ready\r\n"),
        ("LANG", "+OK languages follow\r\nen English\r\nsv Svenska\r\ni-default\r\n.\r\n"),
        ("LANG sv", "+OK sv Språket är nu svenska\r\n"),
        ("LANG xx", "-ERR Språket finns inte\r\n"),
        ("LANG *", "+OK en \r\n"),
        ("LANG en", "+OK\r\n"),
    ]);
    lines.extend(script(&LOGIN[1..]));
    lines.extend(script(&[
        ("LANG de", "+OK de\r\n"),
        ("LANG", "-ERR nur eine\r\n"),
        ("QUIT", "+OK Tschüß\r\n"),
    ]));
    let (connection, player) = connect(lines, ClientOptions::default());
    let mut connection = connection.unwrap();
    let languages = connection.languages().unwrap();
    let languages: Vec<_> =
        languages.iter().map(|one| (one.tag.as_str(), one.description.as_str())).collect();
    assert_eq!(languages, [("en", "English"), ("sv", "Svenska"), ("i-default", "")]);
    assert_eq!(connection.lang("sv").unwrap(), "sv");
    match connection.lang("xx") {
        Err(Error::Refused(refused)) => assert_eq!(refused.text, "Språket finns inte".as_bytes()),
        other => panic!("{other:?}"),
    }
    assert_eq!(connection.lang("*").unwrap(), "en");
    assert!(matches!(connection.lang("en"), Err(Error::BadReply(_))));
    assert!(matches!(connection.lang("e\r\nQUIT"), Err(Error::Argument(_))));
    let mut session = connection.login("alice", "wonderland").unwrap();
    assert_eq!(session.lang("de").unwrap(), "de");
    assert!(matches!(session.languages(), Err(Error::Refused(_))));
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
}

#[test]
fn pb_q15_rset_before_quit_where_nothing_is_deleted() {
    for delete in [false, true] {
        let mut options = ClientOptions::default();
        options.rset_before_quit = true;
        let mut lines = script(&LOGIN);
        lines.extend(script(&[("RETR 1", "+OK\r\nA: b\r\n.\r\n")]));
        lines.extend(script(if delete { &[("DELE 1", "+OK\r\n")] } else { &[("RSET", "+OK\r\n")] }));
        lines.extend(script(&[("QUIT", "+OK\r\n")]));
        let (connection, player) = connect(lines, options);
        let mut session = connection.unwrap().login("alice", "wonderland").unwrap();
        session.retrieve(n(1)).unwrap().into_vec().unwrap();
        if delete {
            session.delete(n(1)).unwrap();
        }
        assert!(matches!(session.quit(), Outcome::Committed));
        player.join().unwrap();
    }
    // Off by default.
    let (session, player) = logged_in(&[("QUIT", "+OK\r\n")]);
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
}

#[test]
fn pb_q32_a_noop_is_sent_after_the_given_silence_only() {
    let mut options = ClientOptions::default();
    options.keep_alive = Some(std::time::Duration::ZERO);
    let mut lines = script(&LOGIN);
    lines.extend(script(&[("NOOP", "+OK\r\n"), ("NOOP", "-ERR what\r\n"), ("QUIT", "+OK\r\n")]));
    let (connection, player) = connect(lines, options);
    let mut session = connection.unwrap().login("alice", "wonderland").unwrap();
    assert!(session.keep_alive().unwrap());
    assert!(matches!(session.keep_alive(), Err(Error::Refused(_))));
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
    let (mut session, player) = logged_in(&[("QUIT", "+OK\r\n")]);
    assert!(!session.keep_alive().unwrap());
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
}

#[test]
fn rp_close_2_a_notice_in_place_of_the_reply_to_quit_is_no_commit() {
    // After a closing notice the end of the stream is no surprise, and yet nothing was committed.
    for more in ["+OK 1 5\r\n-ERR shutting down\r\n", "+OK 1 5\r\n+OK bye\r\n"] {
        let (mut session, player) = logged_in(&[("DELE 1", "+OK\r\n"), ("STAT", more)]);
        session.delete(n(1)).unwrap();
        assert_eq!(session.stat().unwrap().messages, 1);
        match session.quit() {
            Outcome::Unknown(_) => {}
            other => panic!("{other:?}"),
        }
        player.join().unwrap();
    }
}

#[test]
fn pb_q08_a_list_that_differs_after_login_decides_nothing_about_it() {
    let (mut session, player) = logged_in(&[
        ("CAPA", "+OK\r\nUIDL\r\nEXPIRE 30\r\n.\r\n"),
        ("CAPA", "-ERR what\r\n"),
        ("STAT", "+OK 0 0\r\n"),
        ("QUIT", "+OK\r\n"),
    ]);
    assert!(!session.capabilities().unwrap().summary().user);
    assert_eq!(session.capabilities().unwrap().iter().count(), 0);
    assert_eq!(session.stat().unwrap().messages, 0);
    assert!(matches!(session.quit(), Outcome::Committed));
    player.join().unwrap();
}

#[test]
fn pb_q18_ok_in_place_of_a_challenge_is_believed_once_and_never_for_a_signature() {
    let offers = "SASL PLAIN";
    let credentials = Credentials::password("a", "b");
    let mut options = ClientOptions::default();
    options.tolerances.lenient_sasl_ok = true;
    let never = credentials.policy(pop3_blocking::client::AuthPolicy::new().never_initial_response());
    for (lenient, ok) in [(true, true), (false, false)] {
        options.tolerances.lenient_sasl_ok = lenient;
        let rule = announcing(offers, |_| say("+OK"));
        let (connection, player) = over_tls(&tls().server, &tls().client, options.clone(), rule);
        let done = connection.unwrap().log_in(&never);
        assert_eq!(done.is_ok(), ok, "{done:?}");
        drop(done);
        let lines = player.join().unwrap();
        assert_eq!(lines.len(), if ok { 3 } else { 2 }, "{lines:?}");
    }
    options.tolerances.lenient_sasl_ok = true;
    let rule = announcing("SASL SCRAM-SHA-256", |_| say("+OK"));
    let (connection, player) = over_tls(&tls().server, &tls().client, options, rule);
    let failed = connection.unwrap().login("a", "b").unwrap_err();
    assert!(matches!(failed.error, Error::Sasl(_)) && failed.connection.is_none());
    player.join().unwrap();
}

#[cfg(feature = "legacy-md5")]
mod apop {
    use pop3_blocking::client::{AuthPolicy, ClientOptions, Connection, Credentials, Error, Method};
    use pop3_blocking::tls::ServerName;

    use crate::fixture::{HOST, Mode, Said, dialogue, over_tls, say, tls};

    fn apop() -> Credentials {
        Credentials::password("mrose", "tanstaaf").policy(AuthPolicy::new().only([Method::Apop]))
    }

    /// Greets by `greeting` and refuses what is not `accepted`.
    fn rule(greeting: &'static str, accepted: &'static str) -> impl FnMut(&str) -> Said + Send + 'static {
        move |line| match line {
            "CONNECT" => say(greeting),
            "CAPA" => say("+OK\r\nUSER\r\nSTLS\r\n."),
            line if line == accepted || line == "STLS" || line == "QUIT" => say("+OK"),
            _ => say("-ERR [AUTH] no"),
        }
    }

    #[test]
    fn r1939_7_10_r1939_7_11_pb_c08_pb_q24_apop_by_a_strict_timestamp_under_tls() {
        // V1.
        let right = "APOP mrose c4c9334bac560ecc979e58001b3e22fb";
        for (greeting, sent) in [
            ("+OK ready <1896.697170952@dbc.mtview.ca.us>", true),
            ("+OK <pop.example.org> <1896.697170952@dbc.mtview.ca.us> ready", true),
            ("+OK <pop.example.org> ready", false),
            ("+OK <1896.697170952> ready", false),
            ("+OK <\u{fc}896.697170952@dbc.mtview.ca.us>", false),
            ("+OK ready", false),
        ] {
            let (connection, player) =
                over_tls(&tls().server, &tls().client, ClientOptions::default(), rule(greeting, right));
            match connection.unwrap().log_in(&apop()) {
                Ok(_) => assert!(sent, "{greeting}"),
                Err(failed) => {
                    assert!(!sent && matches!(failed.error, Error::NoMethod(_)), "{:?}", failed.error)
                }
            }
            let lines = player.join().unwrap();
            assert_eq!(lines.iter().any(|line| line == right), sent, "{greeting}: {lines:?}");
        }
        // Never unless it is asked for, and a refusal is the end of it (PB-Q25).
        let greeting = "+OK ready <1896.697170952@dbc.mtview.ca.us>";
        for (policy, want) in
            [(AuthPolicy::new(), "USER mrose"), (AuthPolicy::new().only([Method::Apop]), "APOP mrose ")]
        {
            let credentials = Credentials::password("mrose", "other").policy(policy);
            let (connection, player) =
                over_tls(&tls().server, &tls().client, ClientOptions::default(), rule(greeting, right));
            drop(connection.unwrap().log_in(&credentials).unwrap_err());
            let lines = player.join().unwrap();
            assert!(lines.len() == 2 && lines[1].starts_with(want), "{lines:?}");
        }
    }

    #[test]
    fn pb_c08_pb_q25_r8_a_timestamp_from_before_stls_is_forgotten() {
        let greeting = "+OK ready <1896.697170952@dbc.mtview.ca.us>";
        for upgraded in [true, false] {
            let (stream, player) = dialogue(Mode::Stls(&tls().server), rule(greeting, ""));
            let transport = pop3_blocking::Transport::plain(stream);
            let mut connection = Connection::over(transport, ClientOptions::default()).unwrap();
            if upgraded {
                connection = connection.stls(&tls().client, &ServerName::parse(HOST).unwrap()).unwrap();
            } else {
                connection.allow_cleartext_login();
            }
            let failed = connection.log_in(&apop()).unwrap_err();
            assert!(matches!(failed.error, Error::NoMethod(_)), "{:?}", failed.error);
            drop(failed);
            let lines = player.join().unwrap();
            assert!(lines.iter().all(|line| line == "CAPA" || line == "STLS"), "{lines:?}");
        }
    }
}
