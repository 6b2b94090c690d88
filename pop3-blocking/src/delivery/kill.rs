//! The whole of fetching on the real file system, by a process that dies after each of its calls in turn.

use std::process::Command;

use super::fault::{FaultFs, What};
use super::fs::RealFs;
use super::scratch::Scratch;
use super::sweep::{Deletes, Kind, Maildrop, check_left, check_next, fetch, forms, maildrop};

const DIR: &str = "POP3_DELIVERY_DIES_IN";
const KIND: &str = "POP3_DELIVERY_DIES_WITH";
const AT: &str = "POP3_DELIVERY_DIES_AT";

const KINDS: [(&str, Kind); 3] =
    [("maildir", Kind::Maildir), ("single", Kind::SingleMaildir), ("mbox", Kind::NewMbox)];

/// Two messages, to see what a crash amid the second does to the first.
fn server() -> Maildrop {
    let mut server = maildrop(2);
    server.pop_first();
    server
}

/// The process that dies: this test program, started again by the test below. Without the variables it does nothing.
#[test]
fn dying() {
    let Some(home) = std::env::var_os(DIR) else { return };
    let name = std::env::var(KIND).unwrap();
    let (_, kind) = KINDS.into_iter().find(|(known, _)| *known == name).unwrap();
    let at = std::env::var(AT).unwrap().parse().unwrap();
    let dying = FaultFs::new(RealFs::shared(), at, What::DieAfter);
    // The connection is lost at the end, so that the next session meets the whole maildrop.
    fetch(dying.shared(), home.as_ref(), kind, Deletes::Never, &mut server(), &mut 0).unwrap();
}

#[test]
fn pb_c19_a_process_killed_after_any_call_loses_nothing() {
    for (name, kind) in KINDS {
        let server = server();
        let forms = forms(kind, &server);
        let mut deaths = 0;
        loop {
            let scratch = Scratch::new();
            let home = scratch.as_ref();
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "delivery::kill::dying"])
                .env(DIR, home)
                .env(KIND, name)
                .env(AT, deaths.to_string())
                .output()
                .unwrap();
            let context = format!("{name} killed after call {deaths}");
            check_left(&RealFs::shared(), home, kind, &forms, &context);
            check_next(
                &RealFs::shared(),
                home,
                kind,
                &forms,
                &server,
                kind.duplicates(),
                Deletes::AtQuit,
                &context,
            );
            if child.status.success() {
                break;
            }
            let text = String::from_utf8_lossy(&child.stdout);
            assert!(child.status.code().is_none(), "{context}: it failed instead of dying:\n{text}");
            deaths += 1;
        }
        assert!(deaths > 40, "{name}: {deaths}");
    }
}
