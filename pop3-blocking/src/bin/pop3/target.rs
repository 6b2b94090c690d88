//! Where fetched messages go.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pop3_blocking::delivery::{Delivery, MaildirDelivery, MboxDelivery, PipeDelivery, WriterDelivery};

use crate::escape::Escaped;
use crate::exit::Failure;

/// What `--to` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Maildir(PathBuf),
    Mbox(PathBuf),
    /// A command and its arguments.
    Pipe(OsString, Vec<OsString>),
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
        if let Some(command) = octets.strip_prefix(b"pipe:") {
            let mut words = words(command)?.into_iter();
            return match words.next() {
                Some(program) => Ok(Self::Pipe(program, words.collect())),
                None => Err(Failure::usage("pipe: takes a command")),
            };
        }
        Err(Failure::usage("--to takes maildir:DIR, mbox:FILE, pipe:COMMAND or -"))
    }

    /// What only one account at a time can deliver into: an mbox has one file for the message that is on its way.
    pub(crate) fn bottleneck(&self) -> Option<PathBuf> {
        let Self::Mbox(path) = self else { return None };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        Some(path.file_name().map_or_else(|| dir.clone(), |name| dir.join(name)))
    }

    /// `time` is how long a command may take for a message.
    pub(crate) fn open(&self, time: Duration) -> Result<Box<dyn Delivery + Send>, Failure> {
        let opened: Result<Box<dyn Delivery + Send>, _> = match self {
            Self::Maildir(path) => MaildirDelivery::open(path).map(|maildir| Box::new(maildir) as _),
            Self::Mbox(path) => MboxDelivery::open(path).map(|mbox| Box::new(mbox) as _),
            Self::Pipe(program, args) => {
                Ok(Box::new(PipeDelivery::new(program).with_args(args).with_time_limit(time)))
            }
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

/// The words of a command, apart by blanks. What stands in quotation marks of either kind is one word, or a part of
/// one; there is no other syntax, and no shell.
fn words(command: &[u8]) -> Result<Vec<OsString>, Failure> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut octets = command.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            b' ' | b'\t' | b'\n' => words.extend(word.take().map(OsString::from_vec)),
            b'"' | b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match octets.next() {
                        Some(end) if end == octet => break,
                        Some(inner) => word.push(inner),
                        None => return Err(Failure::usage("pipe: a quotation mark is not closed")),
                    }
                }
            }
            octet => word.get_or_insert_default().push(octet),
        }
    }
    words.extend(word.map(OsString::from_vec));
    Ok(words)
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
        let pipe = |text: &str| match Target::parse(text.as_ref()) {
            Ok(Target::Pipe(program, args)) => [vec![program], args].concat(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(pipe("pipe:/bin/mda"), ["/bin/mda"]);
        assert_eq!(pipe("pipe: mda  -d alice\t-x "), ["mda", "-d", "alice", "-x"]);
        assert_eq!(pipe("pipe:sh -c 'a | \"b\" $c \\'"), ["sh", "-c", "a | \"b\" $c \\"]);
        assert_eq!(pipe("pipe:a b\"c d\"'e' ''"), ["a", "bc de", ""]);
        for text in ["pipe:", "pipe: ", "pipe:a 'b", "pipe:a \"b'"] {
            assert!(Target::parse(text.as_ref()).is_err(), "{text}");
        }
        let odd = Target::parse(OsStr::from_bytes(b"mbox:\xff")).unwrap();
        assert_eq!(odd, Target::Mbox(OsStr::from_bytes(b"\xff").into()));
    }
}
