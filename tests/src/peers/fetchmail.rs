//! fetchmail: the oldest of the clients; asks for `TOP n 99999999` when it keeps mail.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::client::files;
use super::process::run;
use super::{Account, After, Fetched, Mechanism, TempDir, Tls};

/// Stores its input as the next number in the folder of the first argument.
const DELIVER: &str = "n=$(ls \"$1\" | wc -l)\nexec cat >\"$1/$n\"\n";

/// Hands each message to a script that stores it.
pub(super) fn fetch(
    program: &Path,
    account: &Account<'_>,
    after: After,
    limit: Duration,
    dir: &TempDir,
) -> Fetched {
    let mail = dir.subdir("mail");
    let script = dir.file("deliver", DELIVER);
    let tls = match account.tls {
        Tls::Off => "sslproto ''".to_owned(),
        Tls::Implicit => format!("ssl sslcertck sslcertfile \"{}\"", account.authority.display()),
        Tls::StartTls => {
            format!("sslproto TLS1.2+ sslcertck sslcertfile \"{}\"", account.authority.display())
        }
    };
    let config = format!(
        "set no bouncemail\nset no spambounce\nset invisible\nset idfile \"{0}/ids\"\nset pidfile \"{0}/pid\"\n\
         poll localhost service {1} protocol {7} auth {8} timeout 60 uidl:\n\
         username \"{2}\" password \"{3}\" is root here {4} no rewrite mda \"/bin/sh {5} {6}\" {tls}\n",
        dir.path().display(),
        account.port,
        account.user,
        account.password,
        if after == After::Keep { "keep" } else { "no keep" },
        script.display(),
        mail.display(),
        if account.mechanism == Some(Mechanism::Apop) { "APOP" } else { "POP3" },
        match account.mechanism {
            Some(Mechanism::Apop) => "any",
            Some(Mechanism::CramMd5) => "cram-md5",
            _ => "password",
        },
    );
    let config = dir.file("config", config);
    let ended = run(
        Command::new(program)
            .env("HOME", dir.path())
            .env("FETCHMAILHOME", dir.path())
            .args(["--nodetach", "--nosyslog", "--nosoftbounce", "--fetchmailrc"])
            .arg(config),
        limit,
        dir.path(),
    );
    Fetched { messages: files(&mail), ended }
}

/// What version 6.4.37 cannot do over POP3.
pub(super) const fn limit(mechanism: Mechanism) -> Option<&'static str> {
    match mechanism {
        Mechanism::UserPass | Mechanism::Apop | Mechanism::CramMd5 => None,
        // `auth external` sends USER and gives up.
        Mechanism::External => Some("has EXTERNAL for IMAP only"),
        _ => Some("speaks USER/PASS, APOP and CRAM-MD5"),
    }
}

/// Every CR is dropped, and a header that nothing follows gets its empty line.
pub(super) fn delivers(sent: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = sent.iter().copied().filter(|&octet| octet != b'\r').collect();
    if !out.starts_with(b"\n") && !out.windows(2).any(|octets| octets == b"\n\n") {
        out.push(b'\n');
    }
    out
}
