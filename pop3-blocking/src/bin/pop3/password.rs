//! Where the password comes from: a file, a command, or the terminal. Never the command line or the environment.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use crate::args::Common;
use crate::escape;
use crate::exit::Failure;

/// More is no password, in octets.
const LIMIT: u64 = 4096;

pub(crate) type Password = Zeroizing<String>;

/// Whether the command line says where the password comes from.
pub(crate) const fn is_given(common: &Common) -> bool {
    common.password_file.is_some() || common.password_command.is_some()
}

/// Gets the password for `user`.
pub(crate) fn get(common: &Common, user: &str) -> Result<Password, Failure> {
    if let Some(path) = &common.password_file {
        let fault = |error| Failure::configuration(format!("password file {path:?}: {error}"));
        let octets = File::open(path).and_then(read).map_err(fault)?;
        return first_line(&octets, &format!("password file {path:?}"));
    }
    if let Some(command) = &common.password_command {
        return run(command);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "no terminal to ask for the password on; use --password-file or --password-command",
        ));
    }
    let prompt = format!("Password for {}: ", escape::line(user.as_bytes()));
    match rpassword::prompt_password(prompt).map(Password::new) {
        Ok(password) if password.is_empty() => Err(Failure::configuration("the password is empty")),
        Ok(password) => Ok(password),
        Err(error) => Err(Failure::usage(format!(
            "cannot ask for the password on the terminal: {error}; use --password-file or --password-command"
        ))),
    }
}

fn run(command: &std::ffi::OsStr) -> Result<Password, Failure> {
    // Not the command itself: it may hold what should not be shown.
    let fault = |text: &str| Failure::configuration(format!("password command: {text}"));
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| fault(&error.to_string()))?;
    let octets = match child.stdout.take() {
        Some(stdout) => read(stdout),
        None => Ok(Zeroizing::default()),
    };
    let status = child.wait().map_err(|error| fault(&error.to_string()))?;
    if !status.success() {
        return Err(fault(&status.to_string()));
    }
    first_line(&octets.map_err(|error| fault(&error.to_string()))?, "output of the password command")
}

fn read(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // All the room at once: a Vec that grows leaves copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(LIMIT as usize + 1));
    source.take(LIMIT).read_to_end(&mut octets)?;
    Ok(octets)
}

fn first_line(octets: &[u8], origin: &str) -> Result<Password, Failure> {
    let line = octets.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::configuration(format!("{origin}: the first line is empty")));
    }
    if line.len() as u64 >= LIMIT {
        return Err(Failure::configuration(format!("{origin}: the first line has {LIMIT} octets or more")));
    }
    match std::str::from_utf8(line) {
        Ok(line) => Ok(Password::new(line.to_owned())),
        Err(_) => Err(Failure::configuration(format!("{origin}: the first line is not UTF-8"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Kind;

    #[test]
    fn the_first_line_is_the_password() {
        for (octets, want) in [
            (&b"secret"[..], Some("secret")),
            (b"secret\n", Some("secret")),
            (b"secret\r\nuser: alice\n", Some("secret")),
            (b" with blanks \n", Some(" with blanks ")),
            ("gr\u{fc}n\n".as_bytes(), Some("gr\u{fc}n")),
            (b"", None),
            (b"\nsecret", None),
            (b"\xff\n", None),
        ] {
            let got = first_line(octets, "file").ok();
            assert_eq!(got.as_deref().map(String::as_str), want, "{octets:?}");
        }
        assert!(first_line(&[b'a'; 4095], "file").is_ok());
        assert!(first_line(&[b'a'; 4096], "file").is_err());
    }

    #[test]
    fn a_command_that_fails_gives_no_password() {
        assert_eq!(run("echo secret".as_ref()).unwrap().as_str(), "secret");
        let failure = run("echo secret; exit 3".as_ref()).unwrap_err();
        assert_eq!(failure.kind, Kind::Configuration);
        assert!(!failure.message.contains("secret"), "{}", failure.message);
        assert!(run("true".as_ref()).is_err());
    }
}
