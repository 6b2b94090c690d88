//! `--token-check`: a program that knows whose a bearer token is.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use pop3_blocking::auth::{AuthError, Identity, TokenError};

/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is read of its answer, in octets.
const ANSWER_MAX: u64 = 4096;
/// EX_TEMPFAIL of sysexits(3).
const TRY_LATER: i32 = 75;

/// The program.
#[derive(Debug)]
pub(crate) struct TokenCheck {
    program: PathBuf,
    patience: Duration,
}

impl TokenCheck {
    pub(crate) fn new(program: &Path) -> Self {
        Self { program: program.to_owned(), patience: PATIENCE }
    }

    /// Asks it whose `token` is. What it writes when it refuses is for the client if it is a JSON object.
    pub(crate) fn ask(&self, token: &[u8]) -> Result<Identity, TokenError> {
        let (status, answer) = self.run(token).map_err(|error| AuthError::Temporary(Box::new(error)))?;
        let answer = String::from_utf8_lossy(&answer);
        let answer = answer.trim();
        match status.code() {
            Some(0) if !answer.is_empty() && !answer.chars().any(char::is_control) => {
                Ok(Identity::new(answer))
            }
            Some(TRY_LATER) => Err(AuthError::Temporary("token check: try later".into()).into()),
            Some(_) => {
                let report = answer.starts_with('{') && answer.ends_with('}');
                Err(TokenError::Rejected { report: report.then(|| answer.to_owned()) })
            }
            None => Err(AuthError::Temporary(format!("token check: {status}").into()).into()),
        }
    }

    fn run(&self, token: &[u8]) -> io::Result<(ExitStatus, Vec<u8>)> {
        let mut child = Command::new(&self.program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (answered, answer) = mpsc::channel();
        // Both ends of the dialogue on a thread: the program may do neither.
        let token = zeroize::Zeroizing::new(token.to_vec());
        std::thread::spawn(move || {
            let mut read = Vec::new();
            if let Some(mut stdin) = stdin {
                // A program that does not read its input may know the answer all the same.
                drop(stdin.write_all(&token));
            }
            let outcome = match stdout {
                Some(stdout) => stdout.take(ANSWER_MAX).read_to_end(&mut read).map(|_| read),
                None => Ok(read),
            };
            // Nobody listens any more after the time is over.
            drop(answered.send(outcome));
        });
        let read = answer.recv_timeout(self.patience);
        if read.is_err() {
            child.kill()?;
        }
        let status = child.wait()?;
        match read {
            Ok(read) => Ok((status, read?)),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn ask(name: &str, script: &str, patience: Duration) -> Result<Identity, TokenError> {
        let path = std::env::temp_dir().join(format!("pop3d-token-{}-{name}", std::process::id()));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let asked = TokenCheck { program: path.clone(), patience }.ask(b"ya29.good");
        std::fs::remove_file(path).unwrap();
        asked
    }

    #[test]
    fn the_program_says_whose_a_token_is() {
        let long = Duration::from_secs(30);
        let good = ask("good", "test \"$(cat)\" = ya29.good && echo mrose", long);
        assert_eq!(good.unwrap(), Identity::new("mrose"));
        for (name, script) in [("bad", "exit 1"), ("silent", "exit 0"), ("many", "printf 'a\\nb\\n'")] {
            assert!(matches!(ask(name, script, long), Err(TokenError::Rejected { report: None })), "{name}");
        }
        let report = ask("report", "echo '{\"status\":\"401\"}'; exit 1", long);
        assert!(
            matches!(report, Err(TokenError::Rejected { report: Some(json) }) if json == "{\"status\":\"401\"}")
        );
        for (name, script) in [("later", "exit 75"), ("killed", "kill -9 $$")] {
            assert!(
                matches!(ask(name, script, long), Err(TokenError::Auth(AuthError::Temporary(_)))),
                "{name}"
            );
        }
        let missing = TokenCheck::new(Path::new("/nonexistent/program")).ask(b"x");
        assert!(matches!(missing, Err(TokenError::Auth(AuthError::Temporary(_)))));
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let slow = ask("slow", "exec sleep 600", Duration::from_millis(100));
        assert!(matches!(slow, Err(TokenError::Auth(AuthError::Temporary(_)))));
    }
}
