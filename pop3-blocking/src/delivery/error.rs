//! Why a message or an id could not be kept.
//!
//! No error holds a unique-id or a part of a message; paths are the caller's own.

use core::fmt;
use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a message was not delivered. In every case nothing of it is kept, and it must stay on the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The disk, the quota or the largest size of a file is used up. Every later message will meet the same until
    /// somebody makes room.
    Full(Fault),
    /// The operating system refused something else.
    Io(Fault),
    /// Another program holds the lock of this file. Try again later.
    Busy {
        /// The locked file.
        path: PathBuf,
    },
    /// A message before this one broke off and its octets cannot be taken back, or a write of this one failed. Nothing
    /// more can be delivered here without gluing it to a cut message.
    Torn,
    /// The command that messages are handed to did not take this one. It may have kept it all the same: what a command
    /// does before it fails is its own.
    #[cfg(feature = "maildir")]
    Command {
        /// The command, without its arguments.
        program: PathBuf,
        /// How it failed.
        fault: CommandFault,
    },
}

/// Why messages of a batch were not kept, or not noted; see [`Kept`](super::Kept).
#[cfg(feature = "maildir")]
#[derive(Debug)]
#[non_exhaustive]
pub enum KeepError {
    /// The destination could not keep them.
    Delivery(DeliveryError),
    /// The journal could not note them.
    Journal(JournalError),
}

/// How a command failed that was to take a message.
#[cfg(feature = "maildir")]
#[derive(Debug)]
#[non_exhaustive]
pub enum CommandFault {
    /// It could not be started.
    Start(io::Error),
    /// It ended with this exit status, which is not 0.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
    /// It took longer than this, and was ended.
    TimedOut(core::time::Duration),
}

#[cfg(feature = "maildir")]
impl CommandFault {
    /// Whether the next message would meet the same now, and this one may be taken later: exit status 75
    /// (`EX_TEMPFAIL`), or the time limit. After any other exit status the next message can be tried at once.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Exit(super::pipe::TEMPFAIL) | Self::TimedOut(_))
    }
}

#[cfg(feature = "maildir")]
impl fmt::Display for CommandFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "cannot be started: {error}"),
            Self::Exit(code) if self.is_temporary() => {
                write!(f, "ended with exit status {code}, which means to try again later")
            }
            Self::Exit(code) => write!(f, "ended with exit status {code}"),
            Self::Signal(number) => write!(f, "was ended by signal {number}"),
            Self::TimedOut(time) => write!(f, "did not end within {} seconds, and was ended", time.as_secs()),
        }
    }
}

/// What the operating system refused, and where.
#[derive(Debug)]
pub struct Fault {
    deed: &'static str,
    path: Option<PathBuf>,
    source: io::Error,
}

impl Fault {
    pub(super) fn new(deed: &'static str, path: Option<&Path>, source: io::Error) -> Self {
        Self { deed, path: path.map(Path::to_owned), source }
    }

    /// The file or directory, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What the operating system said.
    pub fn io_error(&self) -> &io::Error {
        &self.source
    }

    /// Whether there is no room, as opposed to any other fault.
    fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }
}

impl From<Fault> for DeliveryError {
    fn from(fault: Fault) -> Self {
        if fault.is_full() { Self::Full(fault) } else { Self::Io(fault) }
    }
}

/// For what [`io::Write`] returns while a message is written.
impl From<io::Error> for DeliveryError {
    fn from(error: io::Error) -> Self {
        Fault::new("write", None, error).into()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} {path:?}: {}", self.deed, self.source),
            None => write!(f, "{}: {}", self.deed, self.source),
        }
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

#[cfg(feature = "maildir")]
impl From<Fault> for KeepError {
    fn from(fault: Fault) -> Self {
        Self::Delivery(fault.into())
    }
}

#[cfg(feature = "maildir")]
impl From<JournalError> for KeepError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

#[cfg(feature = "maildir")]
impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivery(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
        }
    }
}

#[cfg(feature = "maildir")]
impl StdError for KeepError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Delivery(error) => error.source(),
            Self::Journal(error) => error.source(),
        }
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(fault) => write!(f, "no room for the message: {fault}"),
            Self::Io(fault) => write!(f, "message not delivered: {fault}"),
            Self::Busy { path } => write!(f, "{path:?} is locked by another program"),
            Self::Torn => f.write_str("destination ends in a cut message and takes no other"),
            #[cfg(feature = "maildir")]
            Self::Command { program, fault } => {
                write!(f, "message not delivered: command {program:?} {fault}")
            }
        }
    }
}

impl StdError for DeliveryError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Full(fault) | Self::Io(fault) => Some(fault.io_error()),
            #[cfg(feature = "maildir")]
            Self::Command { fault: CommandFault::Start(error), .. } => Some(error),
            #[cfg(feature = "maildir")]
            Self::Command { .. } => None,
            Self::Busy { .. } | Self::Torn => None,
        }
    }
}

/// Why the journal cannot be used, or did not take an id.
#[cfg(feature = "maildir")]
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// Another run holds the journal. Nothing was read or changed; try again when it has ended.
    Busy {
        /// The journal.
        path: PathBuf,
    },
    /// The file is the journal of another account. Nothing was changed.
    OtherAccount {
        /// The journal.
        path: PathBuf,
    },
    /// The file is something else than a journal. Nothing was changed.
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// The journal was written by a later version of this library. Nothing was changed.
    UnknownVersion {
        /// The journal.
        path: PathBuf,
    },
    /// The unique-id, or the name of the account, is too long. Nothing was changed; go on with the next message, and
    /// leave this one on the server.
    TooLong {
        /// The limit in octets.
        limit: usize,
        /// The length in octets.
        octets: usize,
    },
    /// The disk or the quota is used up.
    Full(Fault),
    /// The operating system refused something else.
    Io(Fault),
    /// An earlier write failed, so that nobody knows what the file holds. Open the journal again.
    Unusable,
}

#[cfg(feature = "maildir")]
impl From<Fault> for JournalError {
    fn from(fault: Fault) -> Self {
        if fault.is_full() { Self::Full(fault) } else { Self::Io(fault) }
    }
}

#[cfg(feature = "maildir")]
impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { path } => write!(f, "journal {path:?} is in use by another run"),
            Self::OtherAccount { path } => write!(f, "journal {path:?} belongs to another account"),
            Self::NotAJournal { path } => write!(f, "{path:?} is no journal of unique-ids"),
            Self::UnknownVersion { path } => write!(f, "journal {path:?} is of an unknown version"),
            Self::TooLong { limit, octets } => write!(f, "{octets} octets, over the limit of {limit}"),
            Self::Full(fault) => write!(f, "no room for the journal: {fault}"),
            Self::Io(fault) => write!(f, "journal: {fault}"),
            Self::Unusable => f.write_str("journal is unusable after an earlier fault"),
        }
    }
}

#[cfg(feature = "maildir")]
impl StdError for JournalError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Full(fault) | Self::Io(fault) => Some(fault.io_error()),
            Self::Busy { .. }
            | Self::OtherAccount { .. }
            | Self::NotAJournal { .. }
            | Self::UnknownVersion { .. }
            | Self::TooLong { .. }
            | Self::Unusable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r36_a_full_disk_is_told_apart() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge] {
            assert!(matches!(DeliveryError::from(io::Error::from(kind)), DeliveryError::Full(_)), "{kind:?}");
        }
        let other = DeliveryError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(other, DeliveryError::Io(_)));
        assert_eq!(other.to_string(), "message not delivered: write: broken pipe");
    }

    #[test]
    fn r13_a_path_is_escaped_in_the_text() {
        let fault = Fault::new("open", Some(Path::new("a\n\u{1b}[2J")), io::ErrorKind::NotFound.into());
        assert_eq!(fault.to_string(), "open \"a\\n\\u{1b}[2J\": entity not found");
    }
}
