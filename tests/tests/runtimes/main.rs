//! The programs of `pop3-proto/examples`, each a driver over the bare core in another runtime: its clients against `pop3d`
//! and Dovecot, its servers against the client of `pop3-blocking` and the mail clients of a Debian system.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clients;
mod crowd;
mod cut;
mod servers;

use pop3_tests::peers::corpus::{Message, corpus, huge};

const USER: &str = "alice";
const PASSWORD: &str = "s3cret word";

/// The corpus, in which dots begin lines and lines look like replies, and a message above 1 MB of many lines.
fn messages(peer: &str) -> Vec<Message> {
    let mut all: Vec<Message> =
        corpus().into_iter().filter(|message| message.excuse(peer).is_none()).collect();
    all.push(Message { name: "huge", stored: huge(1_500_000), unfit: &[] });
    all
}

#[track_caller]
fn compare(name: &str, got: &[u8], want: &[u8]) {
    let tail = |octets: &[u8]| octets[octets.len().saturating_sub(200)..].escape_ascii().to_string();
    assert!(
        got == want,
        "{name}: {} octets, expected {}\n{}\n{}",
        got.len(),
        want.len(),
        tail(got),
        tail(want)
    );
}
