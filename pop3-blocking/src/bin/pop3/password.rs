//! Where the password or token comes from: a file, a command, or for passwords the terminal. Never the command line or
//! the environment.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use crate::args::Common;
use crate::escape;
use crate::exit::Failure;
use crate::files;

pub(crate) type Password = Zeroizing<String>;

/// A password that is here already. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) Password);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret")
    }
}

/// No error of it shows what stood there.
impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Text;

        impl serde::de::Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secret, E> {
                if text.is_empty() || text.len() >= PASSWORD.limit {
                    return Err(E::custom(format_args!("a password has 1 to {} octets", PASSWORD.limit - 1)));
                }
                Ok(Secret(Password::new(text.to_owned())))
            }

            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Secret, E> {
                self.visit_str(&Password::new(text))
            }

            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom("a password is a string"))
            }

            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom("a password is a string"))
            }
        }

        source.deserialize_str(Text)
    }
}

/// A password or a token.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    /// As many octets or more are none.
    limit: usize,
}

const PASSWORD: Kind = Kind { name: "password", limit: 4096 };
const TOKEN: Kind = Kind { name: "token", limit: MAX_TOKEN + 1 };

/// Octets of the longest token.
pub(crate) const MAX_TOKEN: usize = 65_536;

/// Whether the command line says where the password or token comes from.
pub(crate) const fn is_given(common: &Common) -> bool {
    common.secret.is_some()
        || common.password_file.is_some()
        || common.password_command.is_some()
        || is_token(common)
}

/// Whether it is a token.
pub(crate) const fn is_token(common: &Common) -> bool {
    common.token_file.is_some() || common.token_command.is_some()
}

/// Gets the password or token for `user`.
pub(crate) fn get(common: &Common, user: &str) -> Result<Password, Failure> {
    if let Some(secret) = &common.secret {
        return Ok(secret.0.clone());
    }
    let kind = if is_token(common) { TOKEN } else { PASSWORD };
    if let Some(path) = common.password_file.as_ref().or(common.token_file.as_ref()) {
        let origin = format!("{} file {path:?}", kind.name);
        let fault = |error: io::Error| {
            Failure::configuration(format!("{origin}: {error}; {}", files::advice(&error)))
        };
        let octets = File::open(path).and_then(|file| read(file, kind)).map_err(fault)?;
        return first_line(&octets, &origin, kind);
    }
    if let Some(command) = common.password_command.as_ref().or(common.token_command.as_ref()) {
        return run(command, kind);
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

fn run(command: &std::ffi::OsStr, kind: Kind) -> Result<Password, Failure> {
    // Not the command itself: it may hold what should not be shown.
    let fault = |text: &str| Failure::configuration(format!("{} command: {text}", kind.name));
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| fault(&error.to_string()))?;
    let octets = match child.stdout.take() {
        Some(stdout) => read(stdout, kind),
        None => Ok(Zeroizing::default()),
    };
    let status = child.wait().map_err(|error| fault(&error.to_string()))?;
    if !status.success() {
        return Err(fault(&status.to_string()));
    }
    let origin = format!("output of the {} command", kind.name);
    first_line(&octets.map_err(|error| fault(&error.to_string()))?, &origin, kind)
}

fn read(source: impl Read, kind: Kind) -> io::Result<Zeroizing<Vec<u8>>> {
    // All the room at once: a Vec that grows leaves copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(kind.limit + 1));
    source.take(kind.limit as u64).read_to_end(&mut octets)?;
    Ok(octets)
}

fn first_line(octets: &[u8], origin: &str, kind: Kind) -> Result<Password, Failure> {
    let line = octets.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::configuration(format!("{origin}: the first line is empty")));
    }
    let limit = kind.limit;
    if line.len() >= limit {
        return Err(Failure::configuration(format!("{origin}: the first line has {limit} octets or more")));
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
            let got = first_line(octets, "file", PASSWORD).ok();
            assert_eq!(got.as_deref().map(String::as_str), want, "{octets:?}");
        }
        assert!(first_line(&[b'a'; 4095], "file", PASSWORD).is_ok());
        assert!(first_line(&[b'a'; 4096], "file", PASSWORD).is_err());
        assert!(first_line(&[b'a'; 65_536], "file", TOKEN).is_ok());
        assert!(first_line(&[b'a'; 65_537], "file", TOKEN).is_err());
    }

    #[test]
    fn a_command_that_fails_gives_no_password() {
        assert_eq!(run("echo secret".as_ref(), PASSWORD).unwrap().as_str(), "secret");
        let failure = run("echo secret; exit 3".as_ref(), PASSWORD).unwrap_err();
        assert_eq!(failure.kind, Kind::Configuration);
        assert!(!failure.message.contains("secret"), "{}", failure.message);
        assert!(run("true".as_ref(), PASSWORD).is_err());
    }
}
