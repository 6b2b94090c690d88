//! APOP's timestamps in the greetings of real servers, as recorded.
//!
//! They are read in place from the folder that `POP3_TRANSCRIPTS` names; without it that is said.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::Write as _;
use std::path::Path;

use pop3_proto::{Client, ClientEvent, ClientLimits, ClientTolerances, Step, apop};

/// The timestamp that a client finds in each recorded greeting, as text, or that it finds none; `false` if they are not
/// there.
fn timestamps(expected: &[(&str, Option<&str>)]) -> bool {
    let Some(folder) = std::env::var_os("POP3_TRANSCRIPTS") else {
        drop(writeln!(std::io::stderr(), "skipped: POP3_TRANSCRIPTS names no folder"));
        return false;
    };
    for (file, expected) in expected {
        let octets = fs::read(Path::new(&folder).join(file)).unwrap();
        let mut client = Client::<8>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
        let Step::Event(ClientEvent::Greeting(line)) = client.receive(&octets).unwrap().step else {
            panic!("{file}: no greeting");
        };
        let found = apop::timestamp(line.text).map(|octets| core::str::from_utf8(octets).unwrap());
        assert_eq!(found, *expected, "{file}");
    }
    true
}

#[test]
fn pb_q24_angle_brackets_that_hold_no_timestamp() {
    timestamps(&[("angle-greeting/greeting-not-apop.txt", None), ("office365/greeting-cookie.txt", None)]);
}

#[test]
fn r1939_7_11_timestamps_of_real_servers_are_found() {
    let there = timestamps(&[
        ("bigfoot/greeting-apop.txt", Some("<96413.1670625352@mail.example.org>")),
        ("dovecot-2.3/auth-greeting.txt", Some("<3707.1.6b044dbf.6e1hF7tRUsQszYjU5sM+Ew==@vm>")),
        ("qpopper/greeting.txt", Some("<30396.1126730747@host.example.org>")),
    ]);
    if there {
        // By Python's hashlib.md5.
        let digest = apop::digest(b"<30396.1126730747@host.example.org>", b"secret");
        assert_eq!(&digest, b"678a03f83dacc701836a1b9bb7f226f0");
    }
}
