//! What is said, and which code is returned, when something fails.

use std::net::TcpListener;

use crate::fake::{Act, Fake, LONG, Moment, close, mail, say};
use crate::home::{Done, Home};

/// `stat` with a server that answers `at` with `act`.
fn stat(at: &'static str, act: Act) -> Done {
    let rule = move |moment: Moment<'_>| {
        if moment.line.starts_with(at) { act.clone() } else { Act::Usual }
    };
    let fake = Fake::start(mail(1, 0), &["USER"], rule);
    Home::new().pop3("stat", &fake, &["--json", "--timeout", "5"])
}

#[test]
fn usage_is_64() {
    let home = Home::new();
    for args in [
        &[][..],
        &["stat"],
        &["stat", "pops://a@h", "--what"],
        &["stat", "imap://a@h"],
        &["stat", "pops://a:canary@h"],
        &["stat", "pops://h", "--password-file", "password"],
        &["stat", "pops://a@h", "--auth", "GSSAPI", "--password-file", "password"],
        &["stat", "pops://a@h", "--auth", "EXTERNAL"],
        &["stat", "pops://a@h", "--tls", "none-insecure"],
        &["fetch", "pops://a@h", "--to", "Mail"],
        &["fetch", "pops://a@h", "--to", "-", "--delete"],
        &["fetch", "pops://a@h", "--to", "-", "--state", "x"],
        &["fetch", "pops://a@h", "--to", "maildir:Mail", "--keep", "--delete"],
    ] {
        let done = home.run(args);
        assert!(!done.expect(64).err.is_empty() && !done.err.contains("canary"), "{done:?}");
        let done = home.run(&[args, &["--json"]].concat());
        done.expect_error(64, "usage");
    }
    assert!(!home.path("Mail").exists(), "a wrong command line must not leave anything");
}

#[test]
fn without_a_terminal_a_password_must_come_from_elsewhere() {
    let (home, fake) = (Home::new(), Fake::good(vec![]));
    let url = fake.url("pop");
    let done = home.run(&["stat", &url, "--tls", "none-insecure"]);
    assert!(done.expect(64).err.contains("--password-file"), "{done:?}");
    assert_eq!(fake.said(""), Vec::<String>::new(), "nothing may be sent before the password is there");
    let command = ["stat", &url, "--tls", "none-insecure", "--password-command", "head -1 password"];
    home.run(&command).expect(0);
    let failing = ["stat", &url, "--tls", "none-insecure", "--json", "--password-command", "exit 1"];
    home.run(&failing).expect_error(78, "configuration");
    let missing = ["stat", &url, "--tls", "none-insecure", "--json", "--password-file", "missing"];
    home.run(&missing).expect_error(78, "configuration");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason_and_what_to_do() {
    let (home, fake) = (Home::new(), Fake::good(vec![]));
    let key = home.write("key", "no PEM");
    let stat = ["stat", &fake.url("pops"), "--json"];
    let netrc = "--netrc=absent/netrc";
    for (options, parts) in [
        (&["--password-file", "absent/password"][..], ["absent/password", "No such file", "put it there"]),
        (&["--token-file", "/"], ["token file \"/\"", "Is a directory", "give the name of a file"]),
        (&[netrc], ["absent/netrc", "No such file", "put it there"]),
        (
            &["--password-file", "password", "--ca", "absent/ca"],
            ["absent/ca", "No such file", "put it there"],
        ),
        (&["--password-file", "password", "--ca", &key], [&key, "no usable certificate", "must be PEM"]),
        (
            &["--password-file", "password", "--client-cert", "absent/cert", "--client-key", &key],
            ["absent/cert", "No such file", "put it there"],
        ),
    ] {
        let done = home.run(&[&stat[..], options].concat());
        let said = done.expect_error(78, "configuration").err.replace("\\\"", "\"");
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
    }
    home.write("config.toml", "");
    let said = home.run(&["stat", "a", "--config", "/"]).expect(78).err.clone();
    assert!(said.contains("file of accounts \"/\"") && said.contains("give the name of a file"), "{said}");
    assert_eq!(fake.connections(), 0);
}

#[test]
fn no_way_to_the_host_is_68() {
    let home = Home::new();
    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("pop://alice@127.0.0.1:{port}");
    let stat = |url: &str| {
        home.run(&["stat", url, "--tls", "none-insecure", "--password-file", "password", "--json"])
    };
    stat(&url).expect_error(68, "host");
    stat("pop://alice@no-such-host.invalid").expect_error(68, "host");
}

#[test]
fn r1939_4_2_a_refused_session_is_69_or_75() {
    let done = stat("CONNECT", close("-ERR go away\r\n"));
    done.expect_error(69, "greeting");
    assert_eq!(
        done.err,
        "{\"error\":{\"kind\":\"greeting\",\"command\":null,\"code\":null,\"text\":\"go away\"}}\n"
    );
    stat("CONNECT", close("-ERR [SYS/TEMP] full\r\n")).expect_error(75, "greeting");
    stat("CONNECT", close("SSH-2.0-x\r\n")).expect_error(76, "protocol");
    stat("CONNECT", close("")).expect_error(75, "connection");
}

#[test]
fn r3206_6_1_a_refused_login_is_77_or_75() {
    let login = |text: &str, code, kind, response: &str| {
        let fake_reply = format!("-ERR {text}\r\n");
        let fake = Fake::start(vec![], &["USER", "RESP-CODES", "AUTH-RESP-CODE"], move |moment| {
            if moment.line.starts_with("PASS") { say(&fake_reply) } else { Act::Usual }
        });
        let done = Home::new().pop3("stat", &fake, &["--json"]);
        done.expect_error(code, kind);
        let want = format!("\"command\":\"PASS\",\"code\":{response},\"text\":\"{text}\"}}}}\n");
        assert!(done.err.ends_with(&want), "{} should end with {want}", done.err);
    };
    login("[AUTH] wrong", 77, "login", "\"AUTH\"");
    login("no such user or password", 77, "login", "null");
    login("[SYS/PERM] ask somebody", 77, "login", "\"SYS/PERM\"");
    login("[IN-USE] somebody reads", 75, "login", "\"IN-USE\"");
    login("[in-use/again] somebody reads", 75, "login", "\"IN-USE\"");
    login("[LOGIN-DELAY] too soon", 75, "login", "\"LOGIN-DELAY\"");
    login("[SYS/TEMP] later", 75, "login", "\"SYS/TEMP\"");
}

#[test]
fn r3206_4_the_text_says_what_to_do_next() {
    for (reply, words, next) in [
        ("-ERR [IN-USE] no", "[IN-USE] no", "another session has the maildrop open"),
        ("-ERR [AUTH] \x1b", "[AUTH] \\x1b", "look at user name and password"),
        ("-ERR [SYS/PERM] 7", "[SYS/PERM] 7", "only the operator of the server can mend this"),
        ("-ERR [LOGIN-DELAY] x", "[LOGIN-DELAY] x", "more time from one login to the next"),
        ("-ERR bad", "bad", "look at user name and password"),
    ] {
        let reply = format!("{reply}\r\n");
        let fake = Fake::start(vec![], &["USER", "RESP-CODES", "AUTH-RESP-CODE"], move |moment| {
            if moment.line.starts_with("PASS") { say(&reply) } else { Act::Usual }
        });
        let done = Home::new().pop3("stat", &fake, &[]);
        assert!(
            done.err.starts_with(&format!("pop3: server refused PASS: {words}\npop3: what to do: ")),
            "{done:?}"
        );
        assert!(done.err.contains(next) && done.err.lines().count() == 2, "{done:?}");
    }
}

#[test]
fn pb_q29_without_resp_codes_a_bracket_is_text() {
    let done = stat("PASS", say("-ERR [IN-USE] maybe\r\n"));
    done.expect_error(77, "login");
    assert!(done.err.contains("\"code\":null,\"text\":\"[IN-USE] maybe\""), "{}", done.err);
}

#[test]
fn pb_q27_a_wrong_password_is_told_although_the_server_hangs_up() {
    let fake = Fake::start(vec![], &["SASL PLAIN"], |moment| match moment.line {
        line if line.starts_with("AUTH") => close("-ERR wrong\r\n"),
        _ => Act::Usual,
    });
    Home::new().pop3("stat", &fake, &["--json"]).expect_error(77, "login");
    assert_eq!(fake.said("AUTH").len(), 1, "a second try would count as a second failure");
    assert_eq!(fake.said("PASS").len(), 0);
}

#[test]
fn pb_c31_a_refusal_is_told_in_the_servers_words() {
    let done = stat("STAT", say("-ERR \x1b]0;x\x07 \"no\"\r\n"));
    done.expect_error(69, "refused");
    assert_eq!(
        done.err,
        "{\"error\":{\"kind\":\"refused\",\"command\":\"STAT\",\"code\":null,\"text\":\"\\u001b]0;x\\u0007 \\\"no\\\"\"}}\n"
    );
    let fake = Fake::start(vec![], &["USER"], |moment| match moment.line {
        "STAT" => say("-ERR \x1b[31m\u{9b}no\r\n"),
        _ => Act::Usual,
    });
    let done = Home::new().pop3("stat", &fake, &[]);
    let (what, next) = done.expect(69).err.split_once('\n').unwrap();
    assert_eq!(what, "pop3: server refused STAT: \\x1b[31m\\xc2\\x9bno");
    assert!(next.starts_with("pop3: what to do: ") && next.lines().count() == 1, "{next}");
}

#[test]
fn a_lost_connection_and_a_slow_server_are_75() {
    stat("PASS", close("")).expect_error(75, "connection");
    stat("STAT", close("")).expect_error(75, "connection");
    stat("STAT", close("-ERR")).expect_error(75, "connection");
    let fake =
        Fake::start(vec![], &["USER"], |moment| if moment.line == "STAT" { Act::Hang } else { Act::Usual });
    Home::new().pop3("stat", &fake, &["--json", "--timeout", "1"]).expect_error(75, "timeout");
}

#[test]
fn a_broken_protocol_is_76() {
    stat("STAT", say("* OK IMAP4\r\n")).expect_error(76, "protocol");
    stat("STAT", say("+OK many\r\n")).expect_error(76, "protocol");
    stat("STAT", Act::Say([b"+OK ", &[b'x'; 9000][..], b"\r\n"].concat())).expect_error(76, "too-large");
    let fake = Fake::start(mail(1, 0), &["UIDL"], |moment| match moment.line {
        "LIST" => close("+OK\r\n1 33\r\n"),
        _ => Act::Usual,
    });
    Home::new().pop3("list", &fake, &["--json"]).expect_error(76, "truncated");
}

#[test]
fn what_cannot_be_opened_is_73_and_what_cannot_be_written_74() {
    let (home, fake) = (Home::new(), Fake::good(mail(2, 0)));
    home.write("file", "");
    let fetch = |more: &[&str]| home.pop3("fetch", &fake, &[&["--json", "--to"], more].concat());
    fetch(&["maildir:file/x"]).expect_error(73, "output");
    fetch(&["mbox:missing/x"]).expect_error(73, "output");
    fetch(&["maildir:Mail", "--state", "file/journal"]).expect_error(73, "output");
    assert_eq!(fake.said(""), Vec::<String>::new(), "all that is wrong here is seen before the server is");

    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let args = home.args("fetch", &fake, &["--to", "-", "--json"]);
    let output = home.command(&args).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{output:?}");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = home.command(&home.args("list", &fake, &[])).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{output:?}");
}

#[test]
fn a_journal_that_is_none_is_78_and_one_in_use_75() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 0)));
    let other = home.write("other", "pop3-journal 1 pops://somebody@else\n");
    let none = home.write("none", "important words\n");
    home.fetch(&fake, &["--json", "--state", &other]).expect_error(78, "configuration");
    home.fetch(&fake, &["--json", "--state", &none]).expect_error(78, "configuration");
    assert_eq!(std::fs::read_to_string(&none).unwrap(), "important words\n");

    let (asked, running) = std::sync::mpsc::channel();
    let slow = Fake::start(mail(1, 0), &["UIDL"], move |moment| match moment.line {
        "LIST" => {
            asked.send(()).unwrap();
            Act::Hang
        }
        _ => Act::Usual,
    });
    let state = home.text("journal");
    let mut first = home.spawn(&home.args("fetch", &slow, &["--to", "maildir:Mail", "--state", &state]));
    running.recv_timeout(LONG).unwrap();
    home.fetch(&slow, &["--json", "--state", &state]).expect_error(75, "busy");
    first.kill().unwrap();
    first.wait().unwrap();
}
