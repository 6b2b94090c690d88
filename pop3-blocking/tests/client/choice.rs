//! Which way is taken, and what is sent when the first one fails.

use std::os::unix::net::UnixStream;

use pop3_blocking::client::{
    AuthPolicy, ChannelBinding, ClientOptions, Connection, Credentials, Error, LoginFailed, Method, Strength,
    Verdict,
};
use pop3_blocking::pop3_proto::SendError;

use crate::fixture::{Mode, Said, announcing, base64, decoded, dialogue, over_tls, say, tls};

const CANARY: &str = "canary-in-the-coal-mine";

fn alice() -> Credentials {
    Credentials::password("alice", CANARY)
}

/// Logs in under TLS to a server that announces `capabilities` and answers the rest by `rule`; returns what came of it,
/// after a `QUIT` if that is still possible, and all lines.
fn attempt(
    capabilities: &str,
    credentials: &Credentials,
    rule: impl FnMut(&str) -> Said + Send + 'static,
) -> (Result<(), Error>, Vec<String>) {
    let options = ClientOptions::default();
    let (connection, player) =
        over_tls(&tls().server, &tls().client, options, announcing(capabilities, rule));
    let done = finish(connection.unwrap(), credentials);
    (done, player.join().unwrap())
}

fn finish(connection: Connection<UnixStream>, credentials: &Credentials) -> Result<(), Error> {
    match connection.log_in(credentials) {
        Ok(session) => {
            drop(session);
            Ok(())
        }
        Err(LoginFailed { error, connection, .. }) => {
            if let Some(connection) = connection {
                connection.quit().unwrap();
            }
            Err(error)
        }
    }
}

/// Whether the line shows the password, as it is or in base64 at any offset.
fn shows_canary(line: &str) -> bool {
    let mut forms = ["", "x", "xx"].into_iter().map(|before| {
        let whole = base64(format!("{before}{CANARY}"));
        // What depends on the octets around it is left out.
        whole[4..whole.len() - 4].to_owned()
    });
    line.contains(CANARY) || forms.any(|text| line.contains(&text))
}

#[track_caller]
fn no_canary(lines: &[String]) {
    assert!(!lines.iter().any(|line| shows_canary(line)), "{lines:?}");
}

#[test]
fn pb_c09_r4422_6_1_after_a_refusal_nothing_weaker_is_sent() {
    let offers = "USER; SASL PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-1";
    for refusal in ["-ERR no", "-ERR [AUTH] no", "-ERR [SYS/PERM] unsupported mechanism"] {
        let (done, lines) = attempt(offers, &alice(), move |_| say(refusal));
        assert!(matches!(done, Err(Error::Refused(_))), "{done:?}");
        assert!(lines[1].starts_with("AUTH SCRAM-SHA-256 ") && lines[2..] == ["QUIT"], "{lines:?}");
        no_canary(&lines);
    }
    // The server of an attacker who took the better ones from the list.
    let strict = alice().policy(AuthPolicy::new().minimum(Strength::SecretProven));
    for offers in
        ["USER", "USER; SASL PLAIN LOGIN", "SASL X-NEW OAUTHBEARER", "TOP", "SASL SCRAM-SHA-256-PLUS2"]
    {
        let (done, lines) = attempt(offers, &strict, |_| say("+OK"));
        let Err(error @ Error::NoMethod(_)) = done else { panic!("{offers}: {done:?}") };
        assert!(error.to_string().starts_with("no acceptable way to log in: server offers "), "{error}");
        assert_eq!(lines, ["CAPA", "QUIT"]);
    }
}

#[test]
fn pb_c09_falling_back_is_a_choice_and_keeps_the_minimum() {
    let offers = "USER; SASL PLAIN SCRAM-SHA-256 SCRAM-SHA-1";
    let rule = |line: &str| match line.split(' ').nth(1) {
        Some("PLAIN") => say("+OK"),
        _ => say("-ERR [AUTH] no"),
    };
    let falls_back = AuthPolicy::new().fall_back_after_refusal();
    let (done, lines) = attempt(offers, &alice().policy(falls_back.clone()), rule);
    done.unwrap();
    let methods: Vec<_> = lines[1..].iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(methods, ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);
    assert!(shows_canary(&lines[3]), "or the canary is dead");
    no_canary(&lines[..3]);
    let strict = alice().policy(falls_back.clone().minimum(Strength::SecretProven));
    let (done, lines) = attempt(offers, &strict, rule);
    assert!(matches!(done, Err(Error::Refused(_))), "{done:?}");
    no_canary(&lines);
    // A maildrop in use is no fault of the method.
    let (done, lines) =
        attempt(&format!("RESP-CODES; {offers}"), &alice().policy(falls_back), |_| say("-ERR [IN-USE] no"));
    assert!(matches!(done, Err(Error::Refused(_))), "{done:?}");
    assert_eq!(lines.len(), 2 + 1, "{lines:?}");
}

#[test]
fn pb_c02_pb_q40_r2595_4_8_no_credential_leaves_in_clear_text_by_any_way() {
    let credentials =
        [alice(), alice().or_certificate(), Credentials::token("alice", CANARY), Credentials::certificate()];
    for offers in
        ["USER", "USER; SASL PLAIN LOGIN SCRAM-SHA-256 XOAUTH2 EXTERNAL", "STLS; USER; SASL PLAIN", ""]
    {
        for credentials in &credentials {
            let policy = AuthPolicy::new().only(Method::ALL.iter().copied()).fall_back_after_refusal();
            let (stream, player) = dialogue(Mode::Clear, announcing(offers, |_| say("+OK")));
            let transport = pop3_blocking::Transport::plain(stream);
            let connection = Connection::over(transport, ClientOptions::default()).unwrap();
            let done = finish(connection, &credentials.clone().policy(policy));
            assert!(matches!(done, Err(Error::NotSent(SendError::Cleartext))), "{done:?}");
            assert_eq!(player.join().unwrap(), ["CAPA", "QUIT"]);
        }
    }
}

#[test]
fn pb_c02_no_credential_leaves_when_tls_is_stripped() {
    // No STLS in the list, no list, refusals, and lines that are none.
    let replies: [(&str, Said, Said); 7] = [
        ("not announced", say("+OK\r\nUSER\r\nSASL PLAIN\r\n."), None),
        ("no CAPA, refused", say("-ERR what"), say("-ERR what")),
        ("refused", say("+OK\r\nSTLS\r\n."), say("-ERR not now")),
        ("challenge", say("+OK\r\nSTLS\r\n."), say("+ ")),
        ("garbage", say("+OK\r\nSTLS\r\n."), say("HTTP/1.1 200 OK")),
        ("closed", say("+OK\r\nSTLS\r\n."), None),
        ("in clear all the same", say("+OK\r\nSTLS\r\n."), say("+OK\r\n+OK\r\n+OK")),
    ];
    for (what, capa, stls) in replies {
        let (stream, player) = dialogue(Mode::Clear, move |line| match line {
            "CONNECT" => say("+OK"),
            "CAPA" => capa.clone(),
            "STLS" => stls.clone(),
            _ => say("+OK"),
        });
        let transport = pop3_blocking::Transport::plain(stream);
        let mut connection = Connection::over(transport, ClientOptions::default()).unwrap();
        // Even then: what was allowed in clear text is not sent by a call that upgrades.
        connection.allow_cleartext_login();
        let name = pop3_blocking::tls::ServerName::parse(crate::fixture::HOST).unwrap();
        assert!(connection.stls(&tls().client, &name).is_err(), "{what}");
        let lines = player.join().unwrap();
        assert!(lines.iter().all(|line| line == "CAPA" || line == "STLS"), "{what}: {lines:?}");
    }
}

#[test]
fn in_clear_text_by_permission_tokens_and_certificates_stay_at_home() {
    let offers = "USER; SASL XOAUTH2 OAUTHBEARER EXTERNAL CRAM-MD5 PLAIN";
    for (credentials, want) in [
        (Credentials::token("alice", CANARY), None),
        (Credentials::certificate(), None),
        (alice().policy(AuthPolicy::new().force_mechanism(Method::ScramSha256Plus)), None),
        (alice(), Some("AUTH PLAIN ")),
    ] {
        let (stream, player) = dialogue(Mode::Clear, announcing(offers, |_| say("+OK")));
        let mut connection =
            Connection::over(pop3_blocking::Transport::plain(stream), ClientOptions::default()).unwrap();
        connection.allow_cleartext_login();
        let done = finish(connection, &credentials);
        let lines = player.join().unwrap();
        match want {
            None => {
                assert!(matches!(done, Err(Error::NoMethod(_))), "{done:?}");
                assert_eq!(lines, ["CAPA", "QUIT"]);
            }
            Some(line) => assert!(done.is_ok() && lines[1].starts_with(line), "{lines:?}"),
        }
    }
}

/// The GS2 header of the first message in `lines`.
fn gs2(lines: &[String]) -> String {
    let line = lines.iter().find(|line| line.starts_with("AUTH SCRAM")).unwrap();
    let message = decoded(line.rsplit(' ').next().unwrap());
    message[..message.find("n=").unwrap()].to_owned()
}

#[test]
fn r5802_6_2_the_flag_tells_what_was_offered_and_what_we_can() {
    let exporter = AuthPolicy::new();
    let end_point = AuthPolicy::new().channel_binding(ChannelBinding::ServerEndPoint);
    let off = AuthPolicy::new().channel_binding(ChannelBinding::Off);
    let weaker = AuthPolicy::new().only([Method::ScramSha256]);
    for (offers, policy, name, header) in [
        ("SASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS", &exporter, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,"),
        (
            "SASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS",
            &end_point,
            "SCRAM-SHA-256-PLUS",
            "p=tls-server-end-point,,",
        ),
        ("SASL SCRAM-SHA-1-PLUS SCRAM-SHA-512", &exporter, "SCRAM-SHA-1-PLUS", "p=tls-exporter,,"),
        ("SASL SCRAM-SHA-256 PLAIN", &exporter, "SCRAM-SHA-256", "y,,"),
        ("SASL SCRAM-SHA-256", &end_point, "SCRAM-SHA-256", "y,,"),
        ("SASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS", &off, "SCRAM-SHA-256", "n,,"),
        ("SASL SCRAM-SHA-256", &off, "SCRAM-SHA-256", "n,,"),
        ("SASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS", &weaker, "SCRAM-SHA-256", "n,,"),
    ] {
        let (done, lines) = attempt(offers, &alice().policy(policy.clone()), |_| say("-ERR no"));
        assert!(matches!(done, Err(Error::Refused(_))), "{done:?}");
        assert_eq!(lines[1].split(' ').nth(1), Some(name), "{offers}");
        assert_eq!(gs2(&lines), header, "{offers} {policy:?}");
    }
    // Without TLS there is nothing to bind to.
    let (stream, player) =
        dialogue(Mode::Clear, announcing("SASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS", |_| say("-ERR")));
    let mut connection =
        Connection::over(pop3_blocking::Transport::plain(stream), ClientOptions::default()).unwrap();
    connection.allow_cleartext_login();
    drop(finish(connection, &alice().authzid("bob")));
    assert_eq!(gs2(&player.join().unwrap()), "n,a=bob,");
}

#[test]
fn r9266_4_1_a_failed_plus_is_followed_by_a_new_connection() {
    let offers = "USER; SASL PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS";
    let rule = announcing(offers, |_| say("-ERR [AUTH] no"));
    let (connection, player) = over_tls(&tls().server, &tls().client, ClientOptions::default(), rule);
    let failed = connection.unwrap().log_in(&alice()).unwrap_err();
    assert!(matches!(failed.error, Error::Refused(_)), "{:?}", failed.error);
    let failed = failed.connection.unwrap().log_in(&alice()).unwrap_err();
    let Error::NoMethod(offers) = failed.error else { panic!("{:?}", failed.error) };
    assert_eq!(offers[0].verdict, Verdict::BindingSpent);
    failed.connection.unwrap().quit().unwrap();
    let lines = player.join().unwrap();
    assert!(lines[1].starts_with("AUTH SCRAM-SHA-256-PLUS") && lines[2..] == ["QUIT"], "{lines:?}");
}

#[test]
fn pb_q20_r5034_4_10_text_in_place_of_base64_ends_the_method_only() {
    let offers = "SASL SCRAM-SHA-256 PLAIN";
    let rule = |line: &str| match line {
        "*" => say("-ERR cancelled"),
        line if line.starts_with("AUTH PLAIN") => say("+OK"),
        _ => say("+ go ahead"),
    };
    let (done, lines) = attempt(offers, &alice(), rule);
    assert!(matches!(done, Err(Error::Sasl(_))), "{done:?}");
    assert_eq!(lines[2..], ["*", "QUIT"]);
    let (done, lines) = attempt(offers, &alice().policy(AuthPolicy::new().fall_back_after_refusal()), rule);
    done.unwrap();
    assert!(lines[2] == "*" && lines[3].starts_with("AUTH PLAIN "), "{lines:?}");
}

#[test]
fn r5034_3_2_pb_q22_what_is_not_announced_gets_no_initial_response() {
    let rule = |line: &str| if line.starts_with("AUTH") { say("+ ") } else { say("+OK") };
    for (method, response) in [(Method::Plain, base64(format!("\0alice\0{CANARY}")))] {
        let forced = alice().policy(AuthPolicy::new().force_mechanism(method));
        for offers in ["USER", "SASL SCRAM-SHA-256"] {
            let (done, lines) = attempt(offers, &forced, rule);
            done.unwrap();
            assert_eq!(lines[1..], [format!("AUTH {method}"), response.clone()]);
        }
    }
    let token = Credentials::token("alice", "t").policy(AuthPolicy::new().force_mechanism(Method::XOAuth2));
    let (done, lines) = attempt("SASL PLAIN", &token, rule);
    done.unwrap();
    assert_eq!(lines[1..], ["AUTH XOAUTH2".to_owned(), base64("user=alice\x01auth=Bearer t\x01\x01")]);
}

#[test]
fn pb_q21_no_initial_response_where_it_is_never_taken() {
    let rule = |line: &str| if line.starts_with("AUTH") { say("+ ") } else { say("+OK") };
    let never = alice().policy(AuthPolicy::new().never_initial_response());
    let (done, lines) = attempt("SASL PLAIN", &never, rule);
    done.unwrap();
    assert_eq!(lines[1..], ["AUTH PLAIN".to_owned(), base64(format!("\0alice\0{CANARY}"))]);
}

#[test]
fn pb_c40_r4616_2_1_names_and_passwords_beyond_ascii() {
    let credentials = Credentials::password("j\u{fc}rgen", "bl\u{e5}b\u{e4}r");
    let login = credentials.clone().policy(AuthPolicy::new().allow_login());
    let plain = format!("AUTH PLAIN {}", base64("\0j\u{fc}rgen\0bl\u{e5}b\u{e4}r"));
    let rule = |line: &str| {
        if line == "AUTH LOGIN" || line == base64("j\u{fc}rgen") { say("+ ") } else { say("+OK") }
    };
    for (offers, credentials, want) in [
        ("USER; SASL PLAIN", &credentials, vec![plain]),
        (
            "UTF8 USER; USER",
            &credentials,
            vec!["UTF8".into(), "USER j\u{fc}rgen".into(), "PASS bl\u{e5}b\u{e4}r".into()],
        ),
        (
            "USER; SASL LOGIN",
            &login,
            vec!["AUTH LOGIN".into(), base64("j\u{fc}rgen"), base64("bl\u{e5}b\u{e4}r")],
        ),
        ("USER", &credentials, vec![]),
        ("UTF8; USER", &credentials, vec!["UTF8".into()]),
    ] {
        let (done, lines) = attempt(offers, credentials, rule);
        assert_eq!(done.is_ok(), want.len() > 1 || offers.contains("PLAIN"), "{offers}: {done:?}");
        let sent: Vec<_> = lines[1..].iter().filter(|line| *line != "QUIT").cloned().collect();
        assert_eq!(sent, want, "{offers}");
    }
    // SCRAM sends names as SASLprep makes them (R5802-5.10).
    let (_, lines) = attempt("SASL SCRAM-SHA-256", &Credentials::password("\u{aa}", "x"), |_| say("-ERR no"));
    let message = decoded(lines[1].rsplit(' ').next().unwrap());
    assert!(message.starts_with("y,,n=a,r="), "{message}");
    let (done, lines) =
        attempt("SASL SCRAM-SHA-256", &Credentials::password("a\u{7}", "x"), |_| say("-ERR no"));
    assert!(matches!(done, Err(Error::Unprepared(..))), "{done:?}");
    assert_eq!(lines, ["CAPA", "QUIT"]);
}

#[test]
fn offers_are_told_without_sending_anything() {
    let rule = announcing("USER; SASL PLAIN SCRAM-SHA-256-PLUS GSSAPI EXTERNAL", |_| None);
    let (connection, player) = over_tls(&tls().server, &tls().client, ClientOptions::default(), rule);
    let mut connection = connection.unwrap();
    let offers = connection.offers(&alice().policy(AuthPolicy::new().allow_user_pass(false))).unwrap();
    let text: Vec<String> = offers.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "EXTERNAL (needs other credentials)",
            "SCRAM-SHA-256-PLUS (usable)",
            "PLAIN (usable)",
            "USER (not allowed)",
            "GSSAPI (not known here)"
        ]
    );
    connection.quit().unwrap();
    assert_eq!(player.join().unwrap(), ["CAPA", "QUIT"]);
}
