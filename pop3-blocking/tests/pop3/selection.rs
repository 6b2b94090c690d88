//! What `fetch` leaves on the server on purpose, and what `--dry-run` tells.

use crate::fake::{Act, Fake, Mail, say};
use crate::home::Home;

fn message(number: usize, header: &str, body: usize) -> Mail {
    let text = format!("{}\r\n\r\n{}\r\n", header.replace('\n', "\r\n"), "x".repeat(body));
    (format!("id-{number}").into_bytes(), text.into_bytes())
}

fn maildrop() -> Vec<Mail> {
    vec![
        message(1, "From: Alice <alice@example.org>\nSubject: =?utf-8?b?R3LDvMOfZQ==?=", 10),
        message(2, "From: bob@example.net\nSubject: an\n invoice", 20),
        message(3, "From: Alice <alice@example.org>\nSubject: an invoice\nPrecedence: bulk", 30),
        message(4, "From: carol@example.org\nDate: Thu, 1 Jan 2026 00:00:00 +0000", 40),
    ]
}

/// The numbers that were asked for by this verb, sorted.
fn numbers(fake: &Fake, verb: &str) -> Vec<String> {
    let mut said = fake.said(verb);
    said.sort();
    said.iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn only_what_matches_is_fetched_and_deleted() {
    for (args, want) in [
        (&["--match", "From: *@example.org"][..], &["1", "3", "4"][..]),
        (&["--match", "From: *@example.org", "--no-match", "Precedence: *"], &["1", "4"]),
        (&["--match", "Subject: gr\u{fc}\u{df}e"], &["1"]),
        (&["--match", "Subject: an invoice", "--match", "From: bob@*"], &["2"]),
        (&["--match", "X: y"], &[]),
        (&["--since", "2026-01-02"], &["1", "2", "3"]),
        (&["--since", "2026-01-01"], &["1", "2", "3", "4"]),
        (&["--max", "2"], &["1", "2"]),
        (&["--max", "1", "--no-match", "From: alice@*"], &["2"]),
    ] {
        let (home, fake) = (Home::new(), Fake::good(maildrop()));
        let done = home.fetch(&fake, &[args, &["--delete", "--json"]].concat());
        done.expect(0);
        assert_eq!(numbers(&fake, "RETR"), want, "{args:?}");
        assert_eq!(numbers(&fake, "DELE"), want, "{args:?}");
        assert_eq!((home.delivered(), fake.left().len()), (want.len(), 4 - want.len()), "{args:?}");
        assert!(done.last().contains(&format!("\"skipped\":{},", 4 - want.len())), "{done:?}");
    }
}

#[test]
fn the_octets_of_a_run_are_bounded() {
    let octets: Vec<usize> = maildrop().iter().map(|(_, text)| text.len()).collect();
    let (home, fake) = (Home::new(), Fake::good(maildrop()));
    let limit = (octets[0] + octets[1]).to_string();
    home.fetch(&fake, &["--max-octets", &limit]).expect(0);
    assert_eq!(numbers(&fake, "RETR"), ["1", "2"]);
    assert_eq!(numbers(&fake, "TOP"), Vec::<String>::new(), "sizes are told by LIST");
    home.fetch(&fake, &["--max-octets", &limit]).expect(0);
    assert_eq!(numbers(&fake, "RETR"), ["1", "2", "3"]);
}

#[test]
fn what_was_left_is_looked_at_again() {
    let (home, fake) = (Home::new(), Fake::good(maildrop()));
    home.fetch(&fake, &["--match", "From: bob@*"]).expect(0);
    fake.forget_commands();
    home.fetch(&fake, &["--match", "From: carol@*"]).expect(0);
    assert_eq!(numbers(&fake, "TOP"), ["1", "3", "4"], "what is here is not asked for again");
    assert_eq!(numbers(&fake, "RETR"), ["4"]);
}

#[test]
fn a_dry_run_tells_and_does_nothing() {
    let (home, fake) = (Home::new(), Fake::good(maildrop()));
    home.fetch(&fake, &["--max", "1", "--quiet"]).expect(0);
    fake.forget_commands();
    let journal = || {
        let name = format!("pop%3A%2F%2Falice@127.0.0.1%3A{}.journal", fake.address.port());
        std::fs::read_to_string(home.path(".local/state/pop3").join(name)).unwrap()
    };
    let before = journal();
    let dry = ["--dry-run", "--delete", "--to", "maildir:Elsewhere"];
    let done = home.pop3("fetch", &fake, &[&dry[..], &["--json"]].concat());
    assert_eq!(done.expect(0).lines().len(), 5, "{done:?}");
    assert!(done.lines()[0].ends_with("\"status\":\"skipped\",\"would_delete\":true}"), "{done:?}");
    assert!(done.lines()[1].ends_with("\"status\":\"would-fetch\",\"would_delete\":true}"), "{done:?}");
    assert!(done.last().contains("\"would_fetch\":3,\"skipped\":1,\"would_delete\":4,"), "{done:?}");
    assert_eq!((fake.said("RETR").len(), fake.said("DELE").len(), fake.said("TOP").len()), (0, 0, 0));
    let done = home.pop3("fetch", &fake, &[&dry[..], &["--match", "From: bob@*"]].concat());
    assert!(done.expect(0).out.contains("would fetch and delete message 2 of "), "{done:?}");
    assert!(done.last().contains("would fetch 1 ("), "{done:?}");
    assert_eq!((fake.said("RETR").len(), fake.said("DELE").len(), fake.said("TOP").len()), (0, 0, 3));
    assert_eq!((journal(), fake.left().len()), (before, 4));
    assert!(!home.path("Elsewhere").exists(), "a dry run creates nothing");
    let other = home.pop3("fetch", &fake, &["--dry-run", "--to", "mbox:in", "--state", &home.text("new")]);
    assert!(other.expect(0).last().contains("would fetch 4 ("), "{other:?}");
    assert!(!home.path("new").exists() && !home.path("in").exists());

    // A run would take an id that stands twice out of the journal.
    let before = journal();
    let mut twice = maildrop();
    twice[1].0 = twice[0].0.clone();
    fake.put(twice);
    home.pop3("fetch", &fake, &dry).expect(0);
    assert_eq!(journal(), before);
    home.fetch(&fake, &["--max", "1", "--quiet"]).expect(0);
    assert_ne!(journal(), before, "so that the line above says something");
}

#[test]
fn pb_q04_a_server_that_sends_the_body_too_costs_nothing_but_time() {
    let fake = Fake::start(maildrop(), &["UIDL", "TOP", "PIPELINING"], |moment| match moment.line {
        "TOP 1 0" => {
            say(&format!("+OK\r\nFrom: a@b\r\n\r\nFrom: bob@x\r\n{}.\r\n", "line\r\n".repeat(100_000)))
        }
        _ => Act::Usual,
    });
    let home = Home::new();
    home.fetch(&fake, &["--match", "From: bob@*"]).expect(0);
    assert_eq!(numbers(&fake, "RETR"), ["2"]);
}

#[test]
fn a_header_over_the_limit_is_an_error_of_its_message_alone() {
    let mut mail = maildrop();
    mail[0] = message(1, &format!("From: bob@x\nX: {}", "y".repeat(600)), 10);
    let (home, fake) = (Home::new(), Fake::good(mail));
    let done = home.fetch(&fake, &["--match", "From: bob@*", "--limit", "header=512", "--delete", "--json"]);
    done.expect_error(76, "too-large");
    assert!(
        done.lines()[0].contains("\"status\":\"failed\",\"deleted\":false,\"reason\":\"header-too-large\""),
        "{done:?}"
    );
    assert_eq!((numbers(&fake, "RETR"), numbers(&fake, "DELE")), (vec!["2".into()], vec!["2".into()]));
}

#[test]
fn a_server_without_top_is_told_and_one_that_refuses_one_message_goes_on() {
    let fake = Fake::start(maildrop(), &["UIDL"], |moment| match moment.line {
        line if line.starts_with("TOP") => say("-ERR unknown command\r\n"),
        _ => Act::Usual,
    });
    let home = Home::new();
    let done = home.fetch(&fake, &["--match", "From: *"]);
    assert!(
        done.expect(69).err.contains("has no TOP, which --match, --no-match and --since need"),
        "{done:?}"
    );
    assert!(done.err.contains("unknown command"), "the server's own words: {done:?}");
    assert_eq!(numbers(&fake, "RETR"), Vec::<String>::new());

    let fake = Fake::start(maildrop(), &["UIDL", "TOP"], |moment| match moment.line {
        "TOP 2 0" => say("-ERR gone\r\n"),
        _ => Act::Usual,
    });
    home.fetch(&fake, &["--match", "From: *", "--json"]).expect_error(69, "refused");
    assert_eq!(numbers(&fake, "RETR"), ["1", "3", "4"]);
}

#[test]
fn pb_c30_a_server_that_hangs_up_on_commands_sent_ahead_is_asked_one_by_one() {
    let fake = Fake::start(maildrop(), &["UIDL", "TOP", "PIPELINING"], |moment| {
        if moment.line.starts_with("TOP") && moment.more { Act::Close(Vec::new()) } else { Act::Usual }
    });
    let home = Home::new();
    home.fetch(&fake, &["--match", "From: *"]).expect(0);
    assert_eq!((home.delivered(), fake.connections()), (4, 2));
}
