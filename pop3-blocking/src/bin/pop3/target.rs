//! Where fetched messages go.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

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
        // There is one form of mbox here; both names are in use for it.
        let mbox = octets.strip_prefix(b"mbox:").or_else(|| octets.strip_prefix(b"mboxrd:"));
        if let Some(file) = mbox.filter(|file| !file.is_empty()) {
            return Ok(Self::Mbox(path(file)));
        }
        Err(Failure::usage("--to takes maildir:DIR, mbox:FILE or -"))
    }

    /// What only one account at a time can deliver into: an mbox has one file for the message that is on its way.
    pub(crate) fn bottleneck(&self) -> Option<PathBuf> {
        let Self::Mbox(path) = self else { return None };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        Some(path.file_name().map_or_else(|| dir.clone(), |name| dir.join(name)))
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Delivery + Send>, Failure> {
        let opened: Result<Box<dyn Delivery + Send>, _> = match self {
            Self::Maildir(path) => MaildirDelivery::open(path).map(|maildir| Box::new(maildir) as _),
            Self::Mbox(path) => MboxDelivery::open(path).map(|mbox| Box::new(mbox) as _),
            Self::Stdout => {
                let stdout = io::stdout();
                let out: Box<dyn Write + Send> =
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
            ("mboxrd:x", Some(Target::Mbox("x".into()))),
            ("mbox:", None),
            ("mboxrd:", None),
            ("Mail", None),
            ("", None),
        ] {
            assert_eq!(Target::parse(text.as_ref()).ok(), want, "{text}");
        }
        let odd = Target::parse(OsStr::from_bytes(b"mbox:\xff")).unwrap();
        assert_eq!(odd, Target::Mbox(OsStr::from_bytes(b"\xff").into()));
    }
}
