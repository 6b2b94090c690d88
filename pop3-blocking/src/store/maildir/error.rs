//! What can be wrong with a Maildir.

use core::fmt;
use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use super::super::{OpenError, StoreError};

/// A fault of a [`MaildirStore`](super::MaildirStore): the source of the [`StoreError`] that a session meets.
///
/// Its text is for the log. It may name the path of a Maildir, hence a user, never content.
#[derive(Debug)]
#[non_exhaustive]
pub enum MaildirError {
    /// The user name cannot be part of a path: see [`MaildirStore::new`](super::MaildirStore::new).
    UserName,
    /// There is no Maildir, and the store does not create them.
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A system call failed.
    Io {
        /// What was tried.
        what: &'static str,
        /// How it failed.
        source: io::Error,
    },
    /// Something stands where the store keeps a file of its own, and is no regular file.
    NotRegular {
        /// The name of the file, in the Maildir.
        name: &'static str,
    },
    /// There are more messages than the store is set to serve.
    TooManyMessages {
        /// How many it is set to serve.
        limit: u32,
    },
    /// The list of unique-ids was written by a later version of this crate.
    ListVersion,
    /// The ids of new messages could not be stored, so they must not be told.
    ListNotStored {
        /// Why.
        source: io::Error,
    },
    /// A message is none that the scan gave.
    NotListed,
    /// The list of hidden messages is damaged: `pop3-hidden` in the Maildir. Who removes it gives them back to POP3.
    HiddenDamaged,
    /// The list of hidden messages would be, or is, larger than 64 MiB.
    TooManyHidden,
    /// Other programs rename a file faster than it can be removed.
    Restless,
}

impl MaildirError {
    /// Wraps the result of a system call.
    pub(super) fn io(what: &'static str) -> impl Fn(Errno) -> Self {
        move |source| Self::Io { what, source: source.into() }
    }

    /// Wraps the result of a call of the standard library.
    pub(super) fn std(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// Whether trying again later is pointless.
    fn is_permanent(&self) -> bool {
        match self {
            Self::UserName | Self::Missing { .. } | Self::NotRegular { .. } => true,
            Self::TooManyMessages { .. } | Self::ListVersion | Self::NotListed => true,
            Self::HiddenDamaged | Self::TooManyHidden => true,
            Self::Restless | Self::ListNotStored { .. } => false,
            Self::Io { source, .. } => matches!(
                source.raw_os_error().map(Errno::from_raw_os_error),
                Some(
                    Errno::ACCESS
                        | Errno::PERM
                        | Errno::NOTDIR
                        | Errno::LOOP
                        | Errno::NAMETOOLONG
                        | Errno::ISDIR
                )
            ),
        }
    }
}

impl From<MaildirError> for StoreError {
    fn from(error: MaildirError) -> Self {
        if error.is_permanent() { Self::Permanent(Box::new(error)) } else { Self::Temporary(Box::new(error)) }
    }
}

impl From<MaildirError> for OpenError {
    fn from(error: MaildirError) -> Self {
        Self::Store(error.into())
    }
}

impl fmt::Display for MaildirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserName => f.write_str("user name cannot be part of a path"),
            Self::Missing { path } => write!(f, "no Maildir at {path:?}"),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::NotRegular { name } => write!(f, "{name} in the Maildir is no regular file"),
            Self::TooManyMessages { limit } => write!(f, "Maildir holds more than {limit} messages"),
            Self::ListVersion => f.write_str("list of unique-ids was written by a later version"),
            Self::ListNotStored { source } => write!(f, "ids of new messages cannot be stored: {source}"),
            Self::NotListed => f.write_str("message is none that the scan gave"),
            Self::HiddenDamaged => f.write_str("list of hidden messages, pop3-hidden, is damaged"),
            Self::TooManyHidden => f.write_str("list of hidden messages is larger than 64 MiB"),
            Self::Restless => f.write_str("other programs keep renaming a message"),
        }
    }
}

impl StdError for MaildirError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io { source, .. } | Self::ListNotStored { source } => Some(source),
            _ => None,
        }
    }
}
