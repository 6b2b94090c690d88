//! `--watch`: it looks again, and it ends: by a signal in any phase, or by what will not go away.

use std::process::Child;
use std::sync::mpsc::{Receiver, channel};

use crate::fake::{Act, Fake, LONG, mail, say};
use crate::home::{Home, texts};

fn terminate(child: &Child) {
    let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A server that tells when it is at `line`, of the connection `connection`, and does `act` then.
fn telling(line: &'static str, connection: usize, act: Act) -> (Fake, Receiver<()>) {
    let (here, told) = channel();
    let fake = Fake::start(mail(2, 0), &["UIDL", "TOP"], move |moment| {
        if moment.line.starts_with(line) && moment.connection == connection {
            here.send(()).ok();
            return act.clone();
        }
        Act::Usual
    });
    (fake, told)
}

#[test]
fn it_looks_again_and_a_signal_ends_it() {
    let (home, (fake, third)) = (Home::new(), telling("QUIT", 3, Act::Usual));
    let args = home.args("fetch", &fake, &["--to", "maildir:Mail", "--watch=1", "--delete"]);
    let child = home.spawn(&args);
    third.recv_timeout(LONG).unwrap();
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        out.starts_with("2 messages: 2 delivered") && out.lines().count() == 1,
        "only news are told: {out}"
    );
    assert_eq!((home.mail(), fake.left().len()), (texts(&mail(2, 0)), 0));
}

#[test]
fn a_signal_ends_it_at_once_where_nothing_is_at_stake() {
    for line in ["CONNECT", "CAPA", "PASS", "UIDL", "LIST", "TOP"] {
        for (watch, code) in [(&["--watch"][..], 0), (&[], 75)] {
            let (home, (fake, there)) = (Home::new(), telling(line, 1, Act::Hang));
            let more = [&["--to", "maildir:Mail", "--match", "Subject: *", "--json"], watch].concat();
            let child = home.spawn(&home.args("fetch", &fake, &more));
            there.recv_timeout(LONG).unwrap();
            terminate(&child);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{line} {output:?}");
            let err = String::from_utf8(output.stderr).unwrap();
            if watch.is_empty() {
                assert!(err.starts_with("{\"error\":{\"kind\":\"interrupted\","), "{line}: {err}");
            } else {
                assert_eq!(err, "", "{line}");
            }
            assert_eq!((home.delivered(), home.unfinished()), (0, 0));
        }
    }
}

#[test]
fn a_signal_ends_a_wait_at_once() {
    let (home, (fake, quitting)) = (Home::new(), telling("QUIT", 1, Act::Usual));
    let child = home.spawn(&home.args("fetch", &fake, &["--to", "maildir:Mail", "--watch=604800"]));
    quitting.recv_timeout(LONG).unwrap();
    terminate(&child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(home.delivered(), 2);
}

#[test]
fn r3206_6_1_what_will_not_go_away_ends_it() {
    let fake = Fake::start(vec![], &["USER", "RESP-CODES", "AUTH-RESP-CODE"], |moment| {
        match (moment.line.split(' ').next(), moment.connection) {
            (Some("PASS"), 1) => say("-ERR [AUTH] wrong\r\n"),
            _ => Act::Usual,
        }
    });
    let home = Home::new();
    home.fetch(&fake, &["--watch=1", "--json"]).expect_error(77, "login");
    assert_eq!(fake.connections(), 1, "a password that is wrong is not tried again");
    for more in [&["--dry-run"][..], &["--to", "-"]] {
        let to = if more.contains(&"--to") { &[][..] } else { &["--to", "maildir:Mail"] };
        home.pop3("fetch", &fake, &[&["--watch", "--json"], more, to].concat()).expect_error(64, "usage");
    }
}

#[test]
fn r2449_8_1_2_what_may_go_away_is_waited_for() {
    let (here, told) = channel();
    let fake = Fake::start(vec![], &["USER", "RESP-CODES"], move |moment| {
        if moment.line.starts_with("PASS") {
            here.send(()).ok();
            return say("-ERR [IN-USE] later\r\n");
        }
        Act::Usual
    });
    let home = Home::new();
    let child = home.spawn(&home.args("fetch", &fake, &["--to", "maildir:Mail", "--watch=1"]));
    told.recv_timeout(LONG).unwrap();
    // It waits for half a minute now, or has ended, which is the mistake that is looked for.
    let mut child = child;
    let mut err = child.stderr.take().unwrap();
    let mut seen = Vec::new();
    while !seen.windows(13).any(|part| part == b"looking again") {
        let mut octet = [0];
        assert_eq!(
            std::io::Read::read(&mut err, &mut octet).unwrap(),
            1,
            "{}",
            String::from_utf8_lossy(&seen)
        );
        seen.push(octet[0]);
    }
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
