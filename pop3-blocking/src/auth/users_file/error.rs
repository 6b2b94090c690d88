//! What can be wrong with a users file, and with a new password.

use core::fmt;
use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

/// Why a users file was not taken. No text of the file is in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum UsersFileError {
    /// It could not be opened or read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has more than `limit` octets.
    TooLarge {
        /// The largest size, in octets.
        limit: u64,
    },
    /// A line is wrong.
    Line {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
}

/// What is wrong with a line of a users file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineProblem {
    /// It is not UTF-8.
    NotUtf8,
    /// It holds a control character.
    ControlCharacter,
    /// The user name is empty.
    NoUser,
    /// The second field is missing or empty.
    NoPassword,
    /// The user stands on an earlier line too, and the two lines are not SCRAM keys for different hashes.
    DuplicateUser,
    /// There is no `{SCHEME}`, and the hash does not tell by a prefix.
    NoScheme,
    /// The scheme is none that this crate checks.
    UnknownScheme,
    /// The hash is not of the form that its scheme wants.
    MalformedHash,
    /// One check would take more than 1 GiB of memory, or minutes.
    TooExpensive,
    /// Fewer iterations of SCRAM than 4,096 (R5802-5.3).
    TooCheap,
}

/// Why a password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashError {
    /// It is empty.
    Empty,
    /// It has more than `limit` octets.
    TooLong {
        /// The longest password, in octets.
        limit: usize,
    },
    /// It holds CR, LF or NUL.
    Forbidden,
    /// It holds characters that no login can (RFC 4013).
    Unprepared,
    /// There is no source of random octets.
    Random,
}

impl fmt::Display for UsersFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "users file {}: {source}", path.display()),
            Self::TooLarge { limit } => write!(f, "users file has more than {limit} octets"),
            Self::Line { line, problem } => write!(f, "users file, line {line}: {problem}"),
        }
    }
}

impl StdError for UsersFileError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::TooLarge { .. } | Self::Line { .. } => None,
        }
    }
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "not UTF-8",
            Self::ControlCharacter => "control character",
            Self::NoUser => "user name is empty",
            Self::NoPassword => "password field is missing or empty",
            Self::DuplicateUser => "user stands on an earlier line too",
            Self::NoScheme => "password field has neither {SCHEME} nor a known prefix",
            Self::UnknownScheme => "unknown password scheme",
            Self::MalformedHash => "malformed password hash",
            Self::TooExpensive => "password hash takes too much memory or time to check",
            Self::TooCheap => "fewer than 4096 iterations",
        })
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("password is empty"),
            Self::TooLong { limit } => write!(f, "password has more than {limit} octets"),
            Self::Forbidden => f.write_str("password holds CR, LF or NUL"),
            Self::Unprepared => f.write_str("password holds characters that are prohibited in passwords"),
            Self::Random => f.write_str("no random octets for the salt"),
        }
    }
}

impl StdError for HashError {}
