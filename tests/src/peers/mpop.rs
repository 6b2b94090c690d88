//! mpop: the one client that pipelines, with up to a hundred commands outstanding.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::client::{files, with_lf};
use super::process::run;
use super::{Account, After, Fetched, Mechanism, TempDir, Tls};

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
    let tls = match account.tls {
        Tls::Off => "tls off".to_owned(),
        Tls::Implicit => format!("tls on\ntls_starttls off\ntls_trust_file {}", account.authority.display()),
        Tls::StartTls => format!("tls on\ntls_starttls on\ntls_trust_file {}", account.authority.display()),
    };
    let identity = account.identity.map_or_else(String::new, |(certificate, key)| {
        format!("tls_cert_file {}\ntls_key_file {}\n", certificate.display(), key.display())
    });
    let auth = match account.mechanism {
        None | Some(Mechanism::UserPass) => "user".to_owned(),
        Some(mechanism) => mechanism.name().to_ascii_lowercase(),
    };
    let config = format!(
        "account default\nhost localhost\nport {}\nuser {}\npassword {}\nauth {auth}\n{identity}keep {}\nonly_new on\n\
         pipelining auto\nreceived_header off\nuidls_file {}\ndelivery maildir {}\n{tls}\n",
        account.port,
        account.user,
        account.password,
        if after == After::Keep { "on" } else { "off" },
        dir.join("uidls").display(),
        dir.join("mail").display(),
    );
    let config = dir.file("config", config);
    let ended = run(Command::new(program).arg("--quiet").arg("-C").arg(config), limit, dir.path());
    Fetched { messages: files(&dir.join("mail/new")), ended }
}

/// What version 1.4.18 cannot do. APOP it does only where the time stamp has no `=` in it, which Dovecot's always has.
pub(super) const fn limit(mechanism: Mechanism) -> Option<&'static str> {
    match mechanism {
        Mechanism::ScramSha512 => Some("has no SCRAM-SHA-512"),
        Mechanism::ScramSha1Plus | Mechanism::ScramSha256Plus | Mechanism::ScramSha512Plus => {
            Some("has no channel binding")
        }
        Mechanism::Anonymous => Some("has no ANONYMOUS"),
        _ => None,
    }
}

/// Files of a Maildir end their lines in LF.
pub(super) fn delivers(sent: &[u8]) -> Vec<u8> {
    with_lf(sent)
}
