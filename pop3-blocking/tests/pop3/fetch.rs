//! `fetch --keep`: what is delivered, what is skipped, what is told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fake::{Act, Fake, LONG, close, mail, say, stuffed};
use crate::home::{Home, texts};

#[test]
fn r1939_7_4_a_second_run_fetches_nothing_twice() {
    let (home, fake) = (Home::new(), Fake::good(mail(3, 300)));
    let octets = fake.left().iter().map(|(_, text)| text.len()).collect::<Vec<_>>();
    let done = home.fetch(&fake, &["--json"]);
    let line = |number: usize, status: &str| {
        let octets = octets[number - 1];
        format!(
            "{{\"number\":{number},\"unique_id\":\"id-{number}\",\"octets\":{octets},\"status\":\"{status}\",\"deleted\":false}}"
        )
    };
    let total: usize = octets.iter().sum();
    let totals = format!(
        "{{\"outcome\":\"kept\",\"messages\":3,\"delivered\":3,\"skipped\":0,\"failed\":0,\"deleted\":0,\"octets\":{total}}}"
    );
    let want = [line(1, "delivered"), line(2, "delivered"), line(3, "delivered"), totals];
    assert_eq!(done.expect(0).lines(), want);
    assert_eq!(home.mail(), texts(&fake.left()));

    fake.forget_commands();
    let done = home.fetch(&fake, &["--json", "--keep"]);
    assert_eq!(done.expect(0).lines()[..3], [line(1, "skipped"), line(2, "skipped"), line(3, "skipped")]);
    assert!(done.last().contains("\"delivered\":0,\"skipped\":3,"), "{}", done.last());
    assert_eq!(fake.said("RETR"), Vec::<String>::new());
    assert_eq!(fake.said("DELE"), Vec::<String>::new());
    assert_eq!(home.mail().len(), 3);

    let more = [fake.left(), mail(4, 10).split_off(3)].concat();
    fake.put(more);
    let done = home.fetch(&fake, &[]);
    assert!(done.expect(0).out.starts_with("4 messages: 1 delivered ("), "{}", done.out);
    assert_eq!(fake.said("RETR"), ["RETR 4"]);
    assert_eq!(home.mail(), texts(&fake.left()));
}

#[test]
fn the_journal_lies_where_the_help_says() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 0)));
    home.fetch(&fake, &[]).expect(0);
    let name = format!("pop%3A%2F%2Falice@127.0.0.1%3A{}.journal", fake.address.port());
    let journal = std::fs::read_to_string(home.path(".local/state/pop3").join(&name)).unwrap();
    let header = format!("pop3-journal 1 pop://alice@127.0.0.1:{}\n", fake.address.port());
    assert!(journal.starts_with(&header) && journal.ends_with(" id-1\n"), "{journal}");
    let args = home.args("fetch", &fake, &["--to", "maildir:Mail"]);
    let elsewhere = home.command(&args).env("XDG_STATE_HOME", home.path("state")).output().unwrap();
    assert!(elsewhere.status.success() && home.path("state/pop3").join(&name).exists());
    assert_eq!(home.mail().len(), 2, "another journal knows nothing");
}

#[test]
fn into_an_mbox_and_to_standard_output() {
    let (home, fake) = (Home::new(), Fake::good(mail(2, 0)));
    home.pop3("fetch", &fake, &["--to", "mbox:inbox", "--quiet"]).expect(0);
    let mbox = std::fs::read_to_string(home.path("inbox")).unwrap();
    assert_eq!(mbox.matches("\nFrom ").count() + usize::from(mbox.starts_with("From ")), 2, "{mbox}");
    assert!(mbox.contains("Subject: message 2\n\n.dots\n..\n"), "{mbox}");

    // The journal is neither asked nor written: nobody knows what becomes of standard output.
    for _ in 0..2 {
        let done = home.pop3("fetch", &fake, &["--to", "-", "--json"]);
        let all: Vec<u8> = fake.left().iter().flat_map(|(_, text)| text.clone()).collect();
        assert_eq!(done.expect(0).out.as_bytes(), all);
        assert_eq!(done.err.lines().count(), 3, "{}", done.err);
        assert!(done.err.contains("{\"outcome\":\"kept\",\"messages\":2,\"delivered\":2,"), "{}", done.err);
    }
    assert_eq!(home.pop3("fetch", &fake, &["--to", "-", "--quiet"]).expect(0).err, "");
}

#[test]
fn pb_c29_a_refused_message_stops_nothing() {
    let home = Home::new();
    for capabilities in [&["UIDL", "PIPELINING"][..], &["UIDL"]] {
        let fake = Fake::start(mail(5, 0), capabilities, |moment| match moment.line {
            "RETR 3" => say("-ERR cannot open \x07 it\r\n"),
            _ => Act::Usual,
        });
        let done = home.fetch(&fake, &["--json"]);
        done.expect_error(69, "refused");
        assert_eq!(
            done.lines()[2],
            r#"{"number":3,"unique_id":"id-3","octets":33,"status":"failed","deleted":false,"reason":"refused"}"#
        );
        assert!(done.last().contains("\"delivered\":4,\"skipped\":0,\"failed\":1,"), "{}", done.last());
        let done = home.fetch(&fake, &[]);
        assert!(done.expect(69).err.starts_with("pop3: message 3 failed: "), "{}", done.err);
        assert!(!done.err.contains('\x07'));
    }
    assert_eq!(home.mail().len(), 8);
}

#[test]
fn pb_c16_a_cut_message_is_not_delivered() {
    // Everywhere in the last message: in its first line, in its text, before the final dot, before the final LF.
    let whole = stuffed(&mail(2, 200)[1].1);
    for cut in [2, 5, 30, whole.len() - 5, whole.len() - 3, whole.len() - 1] {
        for capabilities in [&["UIDL"][..], &["UIDL", "PIPELINING"]] {
            let (home, part) = (Home::new(), whole[..cut].to_vec());
            let fake = Fake::start(mail(2, 200), capabilities, move |moment| match moment.line {
                "RETR 2" => Act::Close(part.clone()),
                _ => Act::Usual,
            });
            let done = home.fetch(&fake, &["--delete", "--json"]);
            done.expect_error(76, "truncated");
            assert_eq!(home.mail(), texts(&mail(1, 200)), "cut at {cut}");
            assert_eq!(home.unfinished(), 0, "cut at {cut}");
            assert!(done.last().starts_with("{\"outcome\":\"kept\","), "{}", done.last());
            assert_eq!(fake.left().len(), 2);
        }
    }
}

#[test]
fn pb_c12_too_large_messages_stay() {
    let mut three = mail(3, 0);
    three[1].1.resize(500, b'x');
    three[1].1.extend(b"\r\n");
    let (home, fake) = (Home::new(), Fake::good(three));
    let done = home.fetch(&fake, &["--delete", "--json", "--max-message-octets", "100"]);
    assert_eq!(
        done.expect(0).lines()[1],
        r#"{"number":2,"unique_id":"id-2","octets":502,"status":"skipped","deleted":false,"reason":"too-large"}"#
    );
    assert_eq!(fake.said("RETR"), ["RETR 1", "RETR 3"]);
    assert_eq!(fake.left()[0].0, b"id-2");
    // One that was listed as smaller ends the connection (R1939-5.7).
    let liar = Fake::start(fake.left(), &["UIDL"], |moment| match moment.line {
        "LIST" => say("+OK\r\n1 10\r\n.\r\n"),
        _ => Act::Usual,
    });
    let done = home.fetch(&liar, &["--delete", "--json", "--max-message-octets", "100"]);
    done.expect_error(76, "too-large");
    assert_eq!((home.mail().len(), home.unfinished(), liar.left().len()), (2, 0, 1));
}

#[test]
fn pb_c37_lists_that_drift_leave_messages_alone() {
    let home = Home::new();
    let fake = Fake::start(mail(3, 0), &["UIDL"], |moment| match moment.line {
        "UIDL" => say("+OK\r\n1 id-1\r\n2 id-2\r\n.\r\n"),
        "LIST" => say("+OK\r\n2 33\r\n3 33\r\n.\r\n"),
        _ => Act::Usual,
    });
    let done = home.fetch(&fake, &["--delete", "--json"]);
    let lines = done.expect(0).lines();
    assert_eq!(
        lines[0],
        r#"{"number":1,"unique_id":"id-1","octets":0,"status":"skipped","deleted":false,"reason":"not-in-both-lists"}"#
    );
    assert!(lines[1].contains("\"delivered\",\"deleted\":true"), "{}", lines[1]);
    assert!(lines[2].starts_with(r#"{"number":3,"unique_id":null,"octets":33,"status":"skipped","#));
    assert_eq!((fake.said("RETR"), fake.said("DELE")), (vec!["RETR 2".into()], vec!["DELE 2".into()]));
}

#[test]
fn pb_q07_a_server_without_unique_ids() {
    let home = Home::new();
    let refuse = |moment: crate::fake::Moment<'_>| match moment.line {
        "UIDL" => say("-ERR what\r\n"),
        _ => Act::Usual,
    };
    let fake = Fake::start(mail(2, 0), &["USER"], refuse);
    for run in 1..=2 {
        let done = home.fetch(&fake, &[]);
        assert_eq!(
            done.expect(0).err,
            "pop3: the server has no unique-ids: everything is fetched, each time\n"
        );
        assert_eq!(home.mail().len(), 2 * run);
    }
    let done = home.fetch(&fake, &["--delete", "--json"]);
    assert!(
        done.expect(0).lines()[0]
            .contains(r#""unique_id":null,"octets":33,"status":"delivered","deleted":true"#)
    );
    assert_eq!(fake.left().len(), 0);
    // One that has them and refuses now must not make everything come again.
    let announced = Fake::start(mail(2, 0), &["UIDL"], refuse);
    home.fetch(&announced, &["--json"]).expect_error(69, "refused");
    assert_eq!(announced.said("RETR").len(), 0);
}

#[test]
fn pb_c30_a_server_that_hangs_up_on_a_burst_is_asked_again_one_by_one() {
    let home = Home::new();
    let fake =
        Fake::start(
            mail(5, 0),
            &["UIDL", "PIPELINING"],
            |moment| {
                if moment.more { close("") } else { Act::Usual }
            },
        );
    let done = home.fetch(&fake, &["--delete", "--json"]);
    assert!(done.expect(0).last().contains("\"committed\",\"messages\":5,\"delivered\":5,"), "{done:?}");
    assert_eq!(home.mail(), texts(&mail(5, 0)));
    assert_eq!(fake.left().len(), 0);
    // The switch spares the first attempt.
    fake.put(mail(5, 0));
    fake.forget_commands();
    home.fetch(&fake, &["--delete", "--no-pipelining"]).expect(0);
    assert_eq!((fake.said("AUTH").len() + fake.said("PASS").len(), fake.left().len()), (1, 0));
}

#[test]
fn pb_c30_what_came_before_the_hangup_is_told_once() {
    for way in ["--keep", "--delete"] {
        let home = Home::new();
        let fake = Fake::start(mail(5, 0), &["UIDL", "PIPELINING"], |moment| {
            if moment.line == "RETR 4" && moment.connection == 1 { close("") } else { Act::Usual }
        });
        let done = home.fetch(&fake, &[way, "--json"]);
        // Waiting for the first line of a reply: nothing of the message has come.
        assert_eq!(done.expect(0).lines().len(), 6, "{done:?}");
        for (at, line) in done.lines()[..5].iter().enumerate() {
            assert!(line.starts_with(&format!("{{\"number\":{},", at + 1)), "{line}");
            assert!(line.contains("\"status\":\"delivered\""), "{line}");
        }
        assert!(done.last().contains("\"delivered\":5,\"skipped\":0,"), "{}", done.last());
        assert_eq!(home.mail(), texts(&mail(5, 0)), "{way}");
    }
}

#[test]
fn r7_pb_c30_a_fetch_is_made_again_once_and_never_after_a_failed_login() {
    for (at, act, more, code, connections) in [
        ("RETR 2", close(""), &[][..], 76, 2),
        ("RETR 2", close(""), &["--limit", "retries=0"], 76, 1),
        ("RETR 2", close(""), &["--no-pipelining"], 76, 1),
        ("AUTH", close(""), &[], 75, 1),
        ("AUTH", close("-ERR no\r\n"), &[], 77, 1),
        ("AUTH", say("-ERR [IN-USE] no\r\n"), &[], 75, 1),
        ("CONNECT", close(""), &[], 75, 1),
        ("LIST", close(""), &[], 76, 1),
    ] {
        let home = Home::new();
        let what = act.clone();
        let fake =
            Fake::start(mail(3, 0), &["UIDL", "PIPELINING", "SASL PLAIN", "RESP-CODES"], move |moment| {
                if moment.line.starts_with(at) { what.clone() } else { Act::Usual }
            });
        let done = home.fetch(&fake, &[&["--delete", "--json"], more].concat());
        done.expect(code);
        assert_eq!(fake.connections(), connections, "{at} {act:?} {more:?}: {done:?}");
        let delivered = usize::from(at.starts_with("RETR"));
        assert_eq!(home.mail().len(), delivered, "{at}: nothing twice");
        assert_eq!(fake.left().len(), 3, "{at}");
    }
}

#[test]
fn pb_c12_limits_are_set_by_their_names() {
    let home = Home::new();
    let fake = Fake::good(mail(3, 0));
    for limit in ["list-lines=2", "capability-lines=1", "message=20"] {
        let done = home.fetch(&fake, &["--limit", limit, "--json"]);
        if limit.starts_with("message") {
            assert_eq!(done.expect(0).out.matches("too-large").count(), 3, "{done:?}");
        } else {
            done.expect_error(76, "too-large");
        }
        assert!(home.mail().is_empty() && fake.said("RETR").is_empty(), "{limit}");
    }
    home.fetch(&fake, &["--limit", "list-lines=3", "--limit", "message=1000"]).expect(0);
    assert_eq!(home.mail().len(), 3);
}

#[test]
fn a_target_that_fails_stops_the_run_and_keeps_what_is_there() {
    let home = Home::new();
    let tmp = Mutex::new(Some(home.path("Mail/tmp")));
    // The second is enough for both to be kept before the third.
    let mut sent = mail(5, 0);
    sent[1] = mail(2, 8 << 20).remove(1);
    let fake = Fake::start(sent.clone(), &["UIDL"], move |moment| {
        if moment.line == "RETR 3" {
            // As a disk that is gone.
            tmp.lock().unwrap().take().into_iter().for_each(|tmp| std::fs::remove_dir(tmp).unwrap());
        }
        Act::Usual
    });
    let done = home.fetch(&fake, &["--delete", "--json"]);
    done.expect_error(74, "output");
    assert!(
        done.last().starts_with("{\"outcome\":\"committed\",\"messages\":5,\"delivered\":2,"),
        "{done:?}"
    );
    assert!(done.lines()[2].contains("\"failed\",\"deleted\":false,\"reason\":\"not-delivered\""));
    assert_eq!(done.lines().len(), 4, "of messages that were never asked for nothing is told");
    assert!(home.mail() == texts(&sent[..2]) && fake.left() == sent[2..]);
}

#[test]
fn r36_what_waits_when_the_target_fails_is_fetched_again() {
    let home = Home::new();
    let (tmp, away) = (home.path("Mail/tmp"), home.path("Mail/away"));
    let once = AtomicBool::new(true);
    let fake = Fake::start(mail(5, 0), &["UIDL"], move |moment| {
        if moment.line == "RETR 3" && once.swap(false, Ordering::Relaxed) {
            std::fs::rename(&tmp, &away).unwrap();
        }
        Act::Usual
    });
    let done = home.fetch(&fake, &["--delete", "--json"]);
    done.expect_error(74, "output");
    assert!(
        done.last().starts_with("{\"outcome\":\"committed\",\"messages\":5,\"delivered\":0,"),
        "{done:?}"
    );
    assert_eq!(
        done.out.matches("\"failed\",\"deleted\":false,\"reason\":\"not-delivered\"").count(),
        3,
        "{done:?}"
    );
    assert_eq!((home.mail().len(), fake.left()), (0, mail(5, 0)));
    home.fetch(&fake, &["--delete"]).expect(0);
    assert_eq!((home.mail(), fake.left().len()), (texts(&mail(5, 0)), 0));
}

#[test]
fn what_waits_does_not_wait_for_a_long_message() {
    for (octets, want) in [(1 << 20, 2), ((1 << 20) - 100, 0)] {
        let home = Home::new();
        let (new, seen) = (home.path("Mail/new"), std::sync::Arc::new(Mutex::new(None)));
        let looking = std::sync::Arc::clone(&seen);
        let mut sent = mail(4, 0);
        sent[2] = mail(3, octets).remove(2);
        let fake = Fake::start(sent, &["UIDL"], move |moment| {
            if moment.line == "RETR 4" {
                *looking.lock().unwrap() = Some(std::fs::read_dir(&new).unwrap().count());
            }
            Act::Usual
        });
        home.fetch(&fake, &[]).expect(0);
        assert_eq!((*seen.lock().unwrap(), home.mail().len()), (Some(want), 4), "{octets}");
    }
}

#[test]
fn the_first_signal_ends_a_run_in_good_order() {
    let home = Home::new();
    let (asked, running) = std::sync::mpsc::channel();
    let (signalled, go_on) = std::sync::mpsc::channel::<()>();
    let (go_on, once) = (Mutex::new(go_on), AtomicBool::new(true));
    let fake = Fake::start(mail(5, 0), &["UIDL"], move |moment| {
        if moment.line == "RETR 3" && once.swap(false, Ordering::Relaxed) {
            asked.send(()).unwrap();
            go_on.lock().unwrap().recv_timeout(LONG).unwrap();
        }
        Act::Usual
    });
    let child = home.spawn(&home.args("fetch", &fake, &["--to", "maildir:Mail", "--delete", "--json"]));
    running.recv_timeout(LONG).unwrap();
    let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    signalled.send(()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(err.starts_with("{\"error\":{\"kind\":\"interrupted\","), "{err}");
    assert!(out.contains("{\"outcome\":\"committed\",\"messages\":5,\"delivered\":2,"), "{out}");
    assert_eq!(fake.left(), mail(5, 0).split_off(2));
    home.fetch(&fake, &["--delete"]).expect(0);
    assert_eq!((home.mail(), fake.left().len()), (texts(&mail(5, 0)), 0));
}
