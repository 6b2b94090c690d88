//! What all servers have in common: users with maildrops.

use std::fs;
use std::path::Path;

/// `nobody` and `nogroup`, to whom mail belongs when the tests run as root: servers refuse to serve root's.
pub(super) const NOBODY: u32 = 65534;

/// A user with a maildrop.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "arguments with names")]
pub struct User<'a> {
    /// The name.
    pub name: &'a str,
    /// The password, or for Dovecot and `pop3d` what is kept of it, with its scheme in braces.
    pub password: &'a str,
    /// The messages as stored, in order.
    pub messages: Vec<Vec<u8>>,
}

/// Makes a Maildir that holds `messages`, numbered in this order by servers that go by file name.
pub fn fill_maildir(maildir: &Path, messages: &[Vec<u8>]) {
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(part)).unwrap();
    }
    for (i, message) in messages.iter().enumerate() {
        fs::write(maildir.join("cur").join(format!("{}.M{i}P1.test:2,S", 1_700_000_000 + i)), message)
            .unwrap();
    }
}

/// How many messages a Maildir holds.
#[must_use]
pub fn count_maildir(maildir: &Path) -> usize {
    ["cur", "new"].iter().map(|part| fs::read_dir(maildir.join(part)).map_or(0, Iterator::count)).sum()
}

/// An mbox of `messages`: a From line before each, an empty line after it, `>` before what looks like a From line.
#[must_use]
pub fn mbox(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        out.extend(b"From corpus@example.test Mon Nov 23 12:00:00 2026\n");
        for line in message.split_inclusive(|&octet| octet == b'\n') {
            if line.strip_prefix(b"From ").is_some() {
                out.push(b'>');
            }
            out.extend(line);
        }
        if !message.ends_with(b"\n") {
            out.push(b'\n');
        }
        out.push(b'\n');
    }
    out
}

/// CR before each LF, also where one is already: what servers send that keep mail in lines.
#[must_use]
pub(super) fn with_cr(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.len() + stored.len() / 40 + 2);
    for &octet in stored {
        if octet == b'\n' {
            out.push(b'\r');
        }
        out.push(octet);
    }
    if !stored.is_empty() && !stored.ends_with(b"\n") {
        out.extend(b"\r\n");
    }
    out
}
