//! OpenSSL's `s_client`: every message of a handshake, as another implementation sees it.

use std::process::Command;
use std::time::Duration;

use super::TempDir;
use super::process::{Finished, run};

/// How long a connection may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What `s_client -msg` has told of one connection.
#[derive(Debug)]
#[must_use]
pub struct Transcript {
    /// What it said, the dialogue among it.
    pub output: String,
    ended: Finished,
}

/// Connects to a port of `localhost`, by STLS if `stls`, with more options, and sends `QUIT` when the handshake is done.
/// `None` where OpenSSL is not installed.
#[must_use]
pub fn s_client(port: u16, stls: bool, options: &[&str]) -> Option<Transcript> {
    let program = super::require("openssl")?;
    let dir = TempDir::new("openssl");
    let input = dir.file("input", "QUIT\r\n");
    let mut command = Command::new("/bin/sh");
    // The end of its input must not end the connection before the server does.
    command.args(["-c", "input=$0; exec \"$@\" <\"$input\""]).arg(input).arg(program);
    command.args(["s_client", "-msg", "-ign_eof", "-connect", &format!("localhost:{port}")]);
    if stls {
        command.args(["-starttls", "pop3"]);
    }
    let ended = run(command.args(options), LIMIT, dir.path());
    assert!(!ended.timed_out, "{}", ended.output());
    Some(Transcript { output: ended.output(), ended })
}

impl Transcript {
    /// The messages of TLS that came from the server, in their order: `Handshake ServerHello`, `Alert warning
    /// close_notify`.
    #[must_use]
    pub fn received(&self) -> Vec<String> {
        self.messages("<<< ")
    }

    /// Those that went to the server.
    #[must_use]
    pub fn sent(&self) -> Vec<String> {
        self.messages(">>> ")
    }

    /// Whether the server sent this message.
    #[must_use]
    pub fn has_received(&self, message: &str) -> bool {
        self.received().iter().any(|it| it == message)
    }

    /// Whether the server replied to `QUIT`.
    #[must_use]
    pub fn has_conversed(&self) -> bool {
        self.output.lines().any(|line| line == "+OK bye")
    }

    /// Its exit code.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.ended.code
    }

    fn messages(&self, direction: &str) -> Vec<String> {
        let messages = self.output.lines().filter_map(|line| {
            let (kind, name) = line.strip_prefix(direction)?.split_once(" [length ")?;
            let (_version, kind) = kind.split_once(", ")?;
            let name = name.split_once("], ")?.1;
            Some(format!("{kind} {name}"))
        });
        messages.collect()
    }
}
