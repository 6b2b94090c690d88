//! getmail6: parses every message and writes it anew. Refuses to deliver as root; speaks no STLS.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::client::{files, with_lf};
use super::process::run;
use super::server::NOBODY;
use super::temp::{give_to, is_root};
use super::{Account, After, Fetched, Mechanism, TempDir, Tls};

/// Runs getmail with a repair: it delivers each message in a child process and waits for the signal of its end, which on a
/// busy machine has come already, so that it would wait in vain for three minutes.
const SCRIPT: &str = r#"
import os, runpy, sys
from getmailcore.baseclasses import ForkingBase
ForkingBase._prepare_child = lambda self: None
ForkingBase._wait_for_child = lambda self, pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"#;

/// Delivers everything to a Maildir.
pub(super) fn fetch(
    program: &Path,
    account: &Account<'_>,
    after: After,
    limit: Duration,
    dir: &TempDir,
) -> Fetched {
    for part in ["cur", "new", "tmp"] {
        dir.subdir(format!("mail/{part}"));
    }
    let retriever = match account.tls {
        Tls::Off => "type = SimplePOP3Retriever".to_owned(),
        Tls::Implicit => format!("type = SimplePOP3SSLRetriever\nca_certs = {}", account.authority.display()),
        Tls::StartTls => panic!("getmail has no STLS"),
    };
    dir.file(
        "config",
        format!(
            "[retriever]\n{retriever}\nserver = localhost\nport = {}\nusername = {}\npassword = {}\nuse_apop = {}\n\
             [destination]\ntype = Maildir\npath = {}/\n\
             [options]\nverbose = 0\nread_all = false\ndelete = {}\ndelivered_to = false\nreceived = false\n",
            account.port,
            account.user,
            account.password,
            account.mechanism == Some(Mechanism::Apop),
            dir.join("mail").display(),
            after == After::Delete,
        ),
    );
    // The interpreter of the package, not whichever comes first.
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", SCRIPT]).arg(program);
    command.env("HOME", dir.path()).current_dir(dir.path());
    command.arg("--getmaildir").arg(dir.path()).arg("--rcfile").arg(dir.join("config"));
    if is_root() {
        give_to(dir.path(), NOBODY, NOBODY);
        command.uid(NOBODY).gid(NOBODY);
    }
    let ended = run(&mut command, limit, dir.path());
    Fetched { messages: files(&dir.join("mail/new")), ended }
}

/// What it cannot do over POP3.
pub(super) const fn limit(mechanism: Mechanism) -> Option<&'static str> {
    match mechanism {
        Mechanism::UserPass | Mechanism::Apop => None,
        _ => Some("speaks USER/PASS and APOP"),
    }
}

/// A Return-Path field comes first, a header that nothing follows gets its empty line. A line that CRLF ended may end in
/// another CR, and then still each CR ends a line.
pub(super) fn delivers(sent: &[u8]) -> Vec<u8> {
    let mut out = b"Return-Path: <unknown>\n".to_vec();
    out.extend(with_lf(&with_lf(sent)).iter().map(|&octet| if octet == b'\r' { b'\n' } else { octet }));
    if !out.windows(2).any(|octets| octets == b"\n\n") {
        out.push(b'\n');
    }
    out
}
