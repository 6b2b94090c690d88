//! Where fetched messages go.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use pop3_blocking::delivery::{Delivery, MaildirDelivery, MboxDelivery, WriterDelivery};

use crate::escape::Escaped;
use crate::exit::Failure;

/// What `--to` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Maildir(PathBuf),
    Mbox(PathBuf),
    Stdout,
}

impl Target {
    pub(crate) fn parse(text: &OsStr) -> Result<Self, Failure> {
        let octets = text.as_bytes();
        let path = |octets: &[u8]| PathBuf::from(OsString::from_vec(octets.to_vec()));
        if octets == b"-" {
            return Ok(Self::Stdout);
        }
        if let Some(dir) = octets.strip_prefix(b"maildir:").filter(|dir| !dir.is_empty()) {
            return Ok(Self::Maildir(path(dir)));
        }
        if let Some(file) = octets.strip_prefix(b"mbox:").filter(|file| !file.is_empty()) {
            return Ok(Self::Mbox(path(file)));
        }
        Err(Failure::usage("--to takes maildir:DIR, mbox:FILE or -"))
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Delivery>, Failure> {
        let opened: Result<Box<dyn Delivery>, _> = match self {
            Self::Maildir(path) => MaildirDelivery::open(path).map(|maildir| Box::new(maildir) as _),
            Self::Mbox(path) => MboxDelivery::open(path).map(|mbox| Box::new(mbox) as _),
            Self::Stdout => {
                let stdout = io::stdout();
                let out: Box<dyn Write> =
                    if stdout.is_terminal() { Box::new(Escaped::new(stdout)) } else { Box::new(stdout) };
                Ok(Box::new(WriterDelivery::new(out)))
            }
        };
        opened.map_err(|error| Failure::by_target(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_target() {
        for (text, want) in [
            ("-", Some(Target::Stdout)),
            ("maildir:a b/c", Some(Target::Maildir("a b/c".into()))),
            ("mbox:maildir:x", Some(Target::Mbox("maildir:x".into()))),
            ("maildir:", None),
            ("mbox:", None),
            ("Mail", None),
            ("", None),
        ] {
            assert_eq!(Target::parse(text.as_ref()).ok(), want, "{text}");
        }
        let odd = Target::parse(OsStr::from_bytes(b"mbox:\xff")).unwrap();
        assert_eq!(odd, Target::Mbox(OsStr::from_bytes(b"\xff").into()));
    }
}
