//! `list`, `stat`, `capa`, `top`: what they write.

use crate::fake::{Act, Fake, mail, say};
use crate::home::Home;

#[test]
fn r2595_9_1_a_session_that_is_not_private_is_told_and_weak_ways_can_be_refused() {
    let (home, fake) = (Home::new(), Fake::good(two()));
    for (more, warned) in [(&[][..], true), (&["--quiet"], false), (&["--json"], false)] {
        assert_eq!(home.pop3("stat", &fake, more).expect(0).warned, warned, "{more:?}");
    }
    fake.forget_commands();
    home.pop3("stat", &fake, &["--json", "--min-strength", "proven"]).expect_error(77, "login");
    assert!(fake.said("USER").is_empty());
}

#[test]
fn pb_q04_what_top_brings_is_never_taken_for_the_message() {
    let home = Home::new();
    let fake = Fake::start(mail(2, 4000), &["UIDL", "TOP", "USER"], |moment| match moment.line {
        line if line.starts_with("TOP") => say("+OK\r\nSubject: another one, cut\r\n.\r\n"),
        _ => Act::Usual,
    });
    home.pop3("top", &fake, &["1", "1000"]).expect(0);
    home.fetch(&fake, &[]).expect(0);
    assert_eq!((home.mail(), fake.said("TOP").len()), (crate::home::texts(&fake.left()), 1));
}

fn two() -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut two = mail(2, 0);
    two[0].1.resize(120, b'x');
    two[1].0 = b"W\"\xff\x1b[2J b".to_vec();
    two
}

#[test]
fn stat_counts() {
    let (home, fake) = (Home::new(), Fake::good(two()));
    assert_eq!(home.pop3("stat", &fake, &["--json"]).expect(0).out, "{\"messages\":2,\"octets\":153}\n");
    assert_eq!(home.pop3("stat", &fake, &[]).expect(0).out, "2 messages, 153 octets\n");
    let terse =
        Fake::start(vec![], &[], |moment| if moment.line == "STAT" { say("+OK 1\r\n") } else { Act::Usual });
    assert_eq!(home.pop3("stat", &terse, &["--json"]).expect(0).out, "{\"messages\":1,\"octets\":null}\n");
}

#[test]
fn pb_c18_the_end_is_told_to_the_server() {
    let (home, fake) = (Home::new(), Fake::good(two()));
    for command in ["stat", "list", "capa"] {
        home.pop3(command, &fake, &[]).expect(0);
        assert_eq!(fake.said("QUIT").len(), 1, "{command}");
        fake.forget_commands();
    }
}

#[test]
fn list_shows_number_octets_and_unique_id() {
    let (home, fake) = (Home::new(), Fake::good(two()));
    let done = home.pop3("list", &fake, &["--json"]);
    assert_eq!(
        done.expect(0).lines(),
        [
            r#"{"number":1,"octets":120,"unique_id":"id-1"}"#,
            r#"{"number":2,"octets":33,"unique_id":"W\"\u00ff\u001b[2J b"}"#,
        ]
    );
    // Aligned, and safe for a terminal (PB-C43).
    let done = home.pop3("list", &fake, &[]);
    assert_eq!(done.expect(0).lines(), ["1  120  id-1", r#"2   33  W"\xff\x1b[2J b"#]);
}

#[test]
fn pb_q07_list_without_unique_ids() {
    let home = Home::new();
    let fake = Fake::start(two(), &[], |moment| match moment.line {
        "UIDL" => say("-ERR no such thing\r\n"),
        "CAPA" => say("-ERR what\r\n"),
        _ => Act::Usual,
    });
    let done = home.pop3("list", &fake, &["--json"]);
    assert_eq!(done.expect(0).lines()[0], r#"{"number":1,"octets":120,"unique_id":null}"#);
    assert_eq!(home.pop3("list", &fake, &[]).expect(0).lines()[0], "1  120  -");
}

#[test]
fn capa_shows_what_is_announced() {
    let home = Home::new();
    let fake = Fake::start(vec![], &["SASL PLAIN X", "uidl", "IMPLEMENTATION A \x1b[1m"], |_| Act::Usual);
    let url = fake.url("pop");
    let before_login = ["capa", &url, "--tls", "none-insecure", "--json"];
    let want = [
        r#"{"capability":"SASL","arguments":["PLAIN","X"]}"#,
        r#"{"capability":"UIDL","arguments":[]}"#,
        r#"{"capability":"IMPLEMENTATION","arguments":["A","\u001b[1m"]}"#,
    ];
    let offers = [r#"{"login":"PLAIN","verdict":"usable"}"#, r#"{"login":"X","verdict":"not known here"}"#];
    assert_eq!(home.run(&before_login).expect(0).lines(), [&want[..], &offers].concat());
    assert_eq!(fake.said("AUTH").len() + fake.said("PASS").len(), 0);
    let done = home.run(&before_login[..4]);
    assert_eq!(done.expect(0).out, "SASL PLAIN X\nUIDL\nIMPLEMENTATION A \\x1b[1m\n");
    assert_eq!(done.err, "pop3: a login would use PLAIN\n");

    assert_eq!(home.pop3("capa", &fake, &["--json"]).expect(0).lines(), want);
    assert_eq!(fake.said("AUTH").len(), 1, "with a password it logs in");
}

#[test]
fn top_hands_out_the_octets() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 200)));
    let done = home.pop3("top", &fake, &["1", "1"]);
    assert_eq!(done.expect(0).out, "Subject: message 1\r\n\r\n.dots\r\n");
    let done = home.pop3("top", &fake, &["1", "0", "--json"]);
    assert_eq!(
        done.expect(0).out,
        "{\"number\":1,\"lines\":0,\"octets\":22,\"text\":\"Subject: message 1\\r\\n\\r\\n\"}\n"
    );
}

#[test]
fn help_and_version_are_no_errors() {
    let home = Home::new();
    for args in [&["--help"][..], &["-h"], &["--version"], &["fetch", "--help"], &["top", "-h"]] {
        let done = home.run(args);
        assert!(!done.expect(0).out.is_empty() && done.err.is_empty(), "{done:?}");
        // Readable on any terminal; only the lists of options of the short help may be wider.
        let wide = done.out.lines().find(|line| line.len() > 110);
        assert_eq!(wide, None, "{args:?}");
    }
}

#[test]
fn the_log_is_off_unless_asked_for() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 0)));
    assert_eq!(home.pop3("stat", &fake, &[]).expect(0).err, "");
    let args = home.args("stat", &fake, &[]);
    for name in ["POP3_LOG", "RUST_LOG"] {
        let done = crate::home::Done::of(home.command(&args).env(name, "debug"));
        assert!(done.expect(0).err.contains("DEBUG pop3"), "{}", done.err);
    }
}
