//! Real POP3 servers and clients, started by tests.
//!
//! A test asks for a peer; where it is not installed, the test says so in one visible line and passes, or fails when
//! `POP3_TESTS_REQUIRE_PEERS` is in the environment. Servers run on loopback ports picked free, from configurations
//! written for the one test; clients run under a time limit. Nothing is left behind, neither process nor file.
//!
//! | module | peer | role |
//! |---|---|---|
//! | [`dovecot`] | Dovecot | server: TLS, STLS, every SASL mechanism |
//! | [`mailutils`] | GNU Mailutils pop3d | server: TLS, STLS, odd capabilities, rewrites stored mail |
//! | [`popa3d`] | popa3d | server: no TLS, no CAPA, mbox |
//! | [`openssl`] | OpenSSL | client: each message of a handshake |
//! | [`gsasl`] | GNU SASL over OpenSSL | both roles: SCRAM with channel binding |
//! | [`curl`], [`mpop`], [`fetchmail`], [`getmail`], [`poplib`] | of that name | clients |
//!
//! `fail2ban` reads what `pop3d` logs; [`haproxy`] stands in front of it; tools of systemd judge its units.
//!
//! [`corpus`] holds the messages that go through them, [`certs`] makes what TLS needs, [`tokens`] is the authorization
//! server that Dovecot asks.

use std::io::Write as _;
use std::path::{Path, PathBuf};

pub mod certs;
mod client;
pub mod corpus;
pub mod curl;
pub mod dovecot;
pub mod fetchmail;
pub mod getmail;
pub mod gsasl;
pub mod haproxy;
mod inetd;
pub mod mailutils;
mod mechanism;
pub mod mpop;
pub mod openssl;
pub mod popa3d;
pub mod poplib;
pub mod process;
pub mod server;
pub mod temp;
pub mod tokens;

pub use certs::Certs;
pub use client::{Account, After, Client, Fetched, Tls};
pub use dovecot::Dovecot;
pub use mailutils::Mailutils;
pub use mechanism::Mechanism;
pub use popa3d::Popa3d;
pub use server::User;
pub use temp::TempDir;
pub use tokens::TokenEndpoint;

/// The path of a program, or `None` after a visible line that the running test is skipped for lack of it.
///
/// # Panics
///
/// When it is not there and `POP3_TESTS_REQUIRE_PEERS` is set.
#[must_use]
pub fn require(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers are where only root looks for programs.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(program)).find(|path| path.is_file());
    found.or_else(|| require_package(program, program))
}

/// Like [`require`], for a server that cannot be installed beside others: `.ci/peers` unpacks such packages below
/// `~/.cache/pop3-peers`.
fn require_package(package: &str, program: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_default();
    let path = cache.join("pop3-peers").join(package).join("usr/sbin").join(program);
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{package} not installed"));
    None
}

/// Says that the running test is skipped, and why.
///
/// # Panics
///
/// When `POP3_TESTS_REQUIRE_PEERS` is set: a machine that claims to have all peers must run all tests.
pub fn skip(why: &str) {
    assert!(
        std::env::var_os("POP3_TESTS_REQUIRE_PEERS").is_none(),
        "POP3_TESTS_REQUIRE_PEERS is set, but {why}"
    );
    let test = std::thread::current();
    tell(&format!("skipped: {why} ({})", test.name().unwrap_or("unnamed test")));
}

/// Writes a line that the test runner does not hide.
fn tell(line: &str) {
    // The print macros are captured; nobody is left to hear of an error here.
    drop(writeln!(std::io::stderr(), "{line}"));
}
