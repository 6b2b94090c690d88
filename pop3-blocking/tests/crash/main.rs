//! The programs, ended or failing at each of their calls to the file system: `pop3 fetch` against a server that looks
//! closely, and against `pop3d`, of which either is the one that dies.
//!
//! Needs features `cli` and `__failpoint`: see `.ci/crash`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a figure is told")]

#[allow(dead_code, reason = "made for more tests than these")]
#[path = "../pop3/fake.rs"]
mod fake;
#[allow(dead_code, reason = "made for more tests than these")]
#[path = "../pop3/home.rs"]
mod home;

mod both;
mod fetch;
mod serving;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// Messages in each maildrop.
const MESSAGES: usize = 3;
/// The octets of each, about.
const OCTETS: usize = 300;

/// A failpoint for a program.
fn failpoint(command: &mut Command, at: usize, what: &str) {
    command.env("POP3_FAILPOINT", format!("{at}:{what}"));
}

/// Whether a program was ended by its failpoint.
fn died(output: &Output) -> bool {
    output.status.code().is_none()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The messages with CRLF, as they are sent.
fn sent() -> Vec<Vec<u8>> {
    fake::texts_by_number(MESSAGES, OCTETS).map(|(_, text)| text).collect()
}

/// How often each message is in the Maildir at `path`, which must hold nothing else outside `tmp`.
fn copies(path: &Path, context: &str) -> BTreeMap<usize, usize> {
    let mut copies = BTreeMap::new();
    for dir in ["new", "cur"] {
        for entry in std::fs::read_dir(path.join(dir)).into_iter().flatten() {
            let found = std::fs::read(entry.unwrap().path()).unwrap();
            let number = sent().iter().position(|text| *text == found);
            let number = number.unwrap_or_else(|| panic!("{context}: not whole: {}", found.escape_ascii()));
            *copies.entry(number + 1).or_default() += 1;
        }
    }
    copies
}

/// What a test has counted.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    points: usize,
    runs: usize,
    duplicates: usize,
}

impl Count {
    /// Adds a run that left these copies, of which at most one may be too many.
    fn add(&mut self, copies: &BTreeMap<usize, usize>, context: &str) {
        assert_eq!(copies.len(), MESSAGES, "{context}: lost: only {copies:?} are here");
        let duplicates = copies.values().sum::<usize>() - MESSAGES;
        assert!(duplicates <= 1, "{context}: {duplicates} duplicates");
        self.duplicates += duplicates;
        self.runs += 1;
    }
}

/// A figure of the README is what a test has counted.
fn check_readme(figure: &str) {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    assert!(readme.contains(&format!("| {figure} |")), "not in the README: {figure}");
}
