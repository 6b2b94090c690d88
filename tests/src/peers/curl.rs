//! curl: a transfer for each command, over one connection.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::client::files;
use super::process::{Finished, run};
use super::{Account, After, Fetched, Mechanism, TempDir, Tls};

/// Asks for the listing, then for each message, then deletes each, in three runs: curl does not know how many there are.
pub(super) fn fetch(
    program: &Path,
    account: &Account<'_>,
    after: After,
    limit: Duration,
    dir: &TempDir,
) -> Fetched {
    let mail = dir.subdir("mail");
    let listing = curl(program, &block(account, "", &[]), limit, dir);
    if listing.code != Some(0) {
        return Fetched { messages: Vec::new(), ended: listing };
    }
    let count = listing.stdout.iter().filter(|&&octet| octet == b'\n').count();

    let mut ended = listing;
    if count > 0 {
        let transfers: Vec<_> = (1..=count)
            .map(|number| {
                let output = format!("output = \"{}\"", mail.join(number.to_string()).display());
                block(account, &number.to_string(), &[&output])
            })
            .collect();
        ended = curl(program, &transfers.join("next\n"), limit, dir);
        if after == After::Delete && ended.code == Some(0) {
            let deletions: Vec<_> = (1..=count)
                // `list-only` says that no message follows the reply.
                .map(|number| block(account, &number.to_string(), &["request = \"DELE\"", "list-only"]))
                .collect();
            ended = curl(program, &deletions.join("next\n"), limit, dir);
        }
    }
    Fetched { messages: files(&mail), ended }
}

/// The options of one transfer.
fn block(account: &Account<'_>, number: &str, more: &[&str]) -> String {
    let scheme = if account.tls == Tls::Implicit { "pop3s" } else { "pop3" };
    let mut out = format!("url = \"{scheme}://localhost:{}/{number}\"\n", account.port);
    let mechanism = account.mechanism;
    // A password would keep it from EXTERNAL, and is no token.
    let by_password = mechanism.is_none_or(|m| !m.has_token() && m != Mechanism::External);
    let password = if by_password { account.password } else { "" };
    writeln!(out, "user = \"{}:{password}\"", account.user).unwrap();
    match mechanism {
        // What it does where the server offers nothing else.
        None | Some(Mechanism::UserPass) => {}
        Some(Mechanism::Apop) => out.push_str("login-options = \"AUTH=+APOP\"\n"),
        Some(mechanism) => writeln!(out, "login-options = \"AUTH={}\"", mechanism.name()).unwrap(),
    }
    if mechanism.is_some_and(Mechanism::has_token) {
        writeln!(out, "oauth2-bearer = \"{}\"", account.password).unwrap();
    }
    if let Some((certificate, key)) = account.identity {
        writeln!(out, "cert = \"{}\"\nkey = \"{}\"", certificate.display(), key.display()).unwrap();
    }
    if account.tls != Tls::Off {
        writeln!(out, "ssl-reqd\ncacert = \"{}\"", account.authority.display()).unwrap();
    }
    for line in more {
        writeln!(out, "{line}").unwrap();
    }
    out
}

/// What Debian's build cannot do. USER and PASS it takes only where no SASL mechanism is offered, and XOAUTH2 only where
/// OAUTHBEARER is not, whatever its options say.
pub(super) const fn limit(mechanism: Mechanism) -> Option<&'static str> {
    match mechanism {
        Mechanism::ScramSha1
        | Mechanism::ScramSha256
        | Mechanism::ScramSha512
        | Mechanism::ScramSha1Plus
        | Mechanism::ScramSha256Plus
        | Mechanism::ScramSha512Plus => Some("was built without SCRAM"),
        Mechanism::Anonymous => Some("has no ANONYMOUS"),
        _ => None,
    }
}

fn curl(program: &Path, config: &str, limit: Duration, dir: &TempDir) -> Finished {
    let config = dir.file("config", config);
    run(
        Command::new(program)
            .args(["-q", "--silent", "--show-error", "--fail-early", "--noproxy", "*", "--config"])
            .arg(config),
        limit,
        dir.path(),
    )
}

/// Nothing is changed; only where nothing was sent it still writes a line end.
pub(super) fn delivers(sent: &[u8]) -> Vec<u8> {
    if sent.is_empty() { b"\r\n".to_vec() } else { sent.to_vec() }
}
