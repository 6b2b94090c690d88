//! Who logs in to whom, by what: every mechanism in both roles, with real peers. The tables are those of
//! `tests/MECHANISMS.md`, which `UPDATE_DOCS=1` rewrites.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod dovecot;
mod habits;
mod keys;
mod program;
mod server;
mod utf8;

use std::path::PathBuf;
use std::time::Duration;

use pop3_tests::peers::temp::let_read;
use pop3_tests::peers::{Certs, TempDir};

pub(crate) const LIMIT: Duration = Duration::from_secs(120);
pub(crate) const PASSWORD: &str = "s3cret word";

/// The files of a certificate and key by which `user` is known, which any user may read.
pub(crate) fn identity(dir: &TempDir, certs: &Certs, user: &str) -> (PathBuf, PathBuf) {
    let identity = certs.client(user);
    let file = |end: &str, text: &str| {
        let path = dir.file(format!("{user}.{end}"), text);
        let_read(&path);
        path
    };
    (file("pem", &identity.certificate), file("key", &identity.key))
}

#[test]
fn r4422_3_6_our_server_by_every_mechanism_with_every_client() {
    server::table().finish("our server");
}

#[test]
fn r4422_3_6_our_client_by_every_mechanism_at_every_server() {
    client::table().finish("our client");
}
