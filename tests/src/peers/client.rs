//! What all mail clients have in common: one account, one run, the messages it delivered.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::process::Finished;
use super::{Mechanism, TempDir, curl, fetchmail, getmail, mpop, poplib};

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are three ways")]
pub enum Tls {
    /// In the clear.
    Off,
    /// TLS from the first octet.
    Implicit,
    /// STLS, and nothing without it.
    StartTls,
}

/// What becomes of the messages on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum After {
    /// They stay.
    Keep,
    /// They are deleted.
    Delete,
}

/// Where to fetch mail from; the host is always `localhost`.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "arguments with names")]
pub struct Account<'a> {
    /// The server's port.
    pub port: u16,
    /// How to reach it.
    pub tls: Tls,
    /// The certificate to trust, a file that anybody may read.
    pub authority: &'a Path,
    /// Who.
    pub user: &'a str,
    /// The password, or the token.
    pub password: &'a str,
    /// How to log in; `None` leaves it to the client's habit, which is a password.
    pub mechanism: Option<Mechanism>,
    /// The files with the certificate and the key of the client, both PEM.
    pub identity: Option<(&'a Path, &'a Path)>,
}

/// What a client did.
#[derive(Debug)]
#[must_use]
#[expect(clippy::exhaustive_structs, reason = "a report for tests")]
pub struct Fetched {
    /// The messages in the client's folder, as it delivered them, in the order of the maildrop.
    pub messages: Vec<Vec<u8>>,
    /// How it ended. The outputs are of its last command where it takes several.
    pub ended: Finished,
}

impl Fetched {
    /// Fails the test with everything the client said unless it succeeded.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[track_caller]
    pub fn expect_success(&self) {
        assert!(
            self.ended.code == Some(0),
            "exit code {:?}, time {}: {}",
            self.ended.code,
            if self.ended.timed_out { "was up" } else { "was left" },
            self.ended.output(),
        );
    }
}

/// The clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Client {
    /// curl: one RETR after the other, no pipelining.
    Curl,
    /// mpop: pipelines, delivers to a Maildir.
    Mpop,
    /// fetchmail: TOP when it keeps mail, hands each message to a program.
    Fetchmail,
    /// getmail6: parses each message and writes it anew; no STLS.
    Getmail,
    /// Python's `poplib`.
    Poplib,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Curl, Self::Mpop, Self::Fetchmail, Self::Getmail, Self::Poplib];

    /// Its name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Mpop => "mpop",
            Self::Fetchmail => "fetchmail",
            Self::Getmail => "getmail",
            Self::Poplib => "poplib",
        }
    }

    /// Whether it can do this.
    #[must_use]
    pub fn speaks(self, tls: Tls) -> bool {
        self != Self::Getmail || tls != Tls::StartTls
    }

    /// Whether it remembers by unique-id what it has fetched.
    #[must_use]
    pub fn remembers(self) -> bool {
        matches!(self, Self::Mpop | Self::Fetchmail | Self::Getmail)
    }

    /// Why it cannot log in in this way, if it cannot. Found by running it.
    #[must_use]
    pub const fn limit(self, mechanism: Mechanism) -> Option<&'static str> {
        match self {
            Self::Curl => curl::limit(mechanism),
            Self::Mpop => mpop::limit(mechanism),
            Self::Fetchmail => fetchmail::limit(mechanism),
            Self::Getmail => getmail::limit(mechanism),
            Self::Poplib => poplib::limit(mechanism),
        }
    }

    /// Fetches all messages within `limit`; `None` where the client is not installed, which was then said.
    #[must_use]
    pub fn fetch(self, account: &Account<'_>, after: After, limit: Duration) -> Option<Fetched> {
        self.fetch_into(&TempDir::new(self.name()), account, after, limit)
    }

    /// Like [`fetch`](Self::fetch), with mail and memory in a folder that another run can be given.
    #[must_use]
    pub fn fetch_into(
        self,
        dir: &TempDir,
        account: &Account<'_>,
        after: After,
        limit: Duration,
    ) -> Option<Fetched> {
        let program = super::require(match self {
            Self::Poplib => "python3",
            _ => self.name(),
        })?;
        let run = match self {
            Self::Curl => curl::fetch,
            Self::Mpop => mpop::fetch,
            Self::Fetchmail => fetchmail::fetch,
            Self::Getmail => getmail::fetch,
            Self::Poplib => poplib::fetch,
        };
        Some(run(&program, account, after, limit, dir))
    }

    /// What it delivers of a message, given the octets that the server sent, byte-stuffing removed.
    #[must_use]
    pub fn delivers(self, sent: &[u8]) -> Vec<u8> {
        match self {
            Self::Curl => curl::delivers(sent),
            Self::Mpop => mpop::delivers(sent),
            Self::Fetchmail => fetchmail::delivers(sent),
            Self::Getmail => getmail::delivers(sent),
            Self::Poplib => poplib::delivers(sent),
        }
    }
}

/// The files of a folder in the natural order of their names, in which numbers count as numbers.
pub(super) fn files(dir: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let number = |digits: &str| digits.parse::<u64>().ok();
        name.split(|c: char| !c.is_ascii_digit()).filter_map(number).collect::<Vec<_>>()
    });
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Each CRLF as LF: what clients do that write files in the form of the system.
pub(super) fn with_lf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    for (i, &octet) in octets.iter().enumerate() {
        if octet != b'\r' || octets.get(i + 1) != Some(&b'\n') {
            out.push(octet);
        }
    }
    out
}
