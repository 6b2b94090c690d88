//! What can go wrong with the database: [`Fault`].

use core::fmt;
use std::error::Error;
use std::io;
use std::time::Duration;

use pop3_blocking::auth::AuthError;
use pop3_blocking::store::{OpenError, StoreError};
use pop3_blocking::tls::TlsConfigError;

/// What can go wrong between this program and the database. Its text is for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The database cannot be reached, ended the connection, or refused a statement.
    Database(postgres::Error),
    /// TLS to the database cannot be set up.
    Tls(TlsConfigError),
    /// What answers is no PostgreSQL session of our own but a pooler, which may give the next statement to another session:
    /// the lock of a maildrop would stay behind with the first.
    Pooled,
    /// As many connections as allowed are in use, and none became free in time.
    Busy {
        /// How many are allowed.
        limit: usize,
        /// How long this one waited.
        waited: Duration,
    },
    /// The user has no maildrop.
    NoMaildrop,
    /// What is stored makes no sense; says what.
    Damaged(&'static str),
    /// A name or password that cannot be a user's; says why.
    Refused(String),
    /// The message to be stored cannot be read.
    Source(io::Error),
    /// Whether the transaction was committed is not known: the database does not answer.
    OutcomeUnknown(Box<Self>),
    /// The transaction was not committed.
    NotCommitted,
}

impl Fault {
    /// Whether the connection is of no use any more.
    pub(crate) fn is_connection_lost(&self) -> bool {
        let Self::Database(error) = self else { return false };
        // 08: connection, 57P: the administrator, a crash or a time limit ended the session.
        error.code().is_none_or(|state| state.code().starts_with("08") || state.code().starts_with("57P"))
    }

    /// Whether somebody has to do something about it before it passes.
    fn is_permanent(&self) -> bool {
        match self {
            // 28: not let in, 3D: no such database, 42: no such table or no right to it.
            Self::Database(error) => error
                .code()
                .is_some_and(|state| ["28", "3D", "42"].iter().any(|class| state.code().starts_with(class))),
            Self::Tls(_) | Self::Pooled | Self::NoMaildrop | Self::Damaged(_) | Self::Refused(_) => true,
            Self::Busy { .. } | Self::Source(_) | Self::OutcomeUnknown(_) | Self::NotCommitted => false,
        }
    }
}

impl From<postgres::Error> for Fault {
    fn from(error: postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<TlsConfigError> for Fault {
    fn from(error: TlsConfigError) -> Self {
        Self::Tls(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        if fault.is_permanent() { Self::Permanent(Box::new(fault)) } else { Self::Temporary(Box::new(fault)) }
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        Self::Store(fault.into())
    }
}

impl From<Fault> for AuthError {
    fn from(fault: Fault) -> Self {
        if fault.is_permanent() { Self::Permanent(Box::new(fault)) } else { Self::Temporary(Box::new(fault)) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => {
                write!(f, "database: {error}")?;
                error.source().map_or(Ok(()), |source| write!(f, ": {source}"))
            }
            Self::Tls(error) => write!(f, "TLS to the database: {error}"),
            Self::Pooled => f.write_str(
                "a pooler stands between this program and the database; locks need a connection of their own",
            ),
            Self::Busy { limit, waited } => {
                write!(f, "none of the {limit} database connections became free in {} s", waited.as_secs())
            }
            Self::NoMaildrop => f.write_str("user without maildrop"),
            Self::Damaged(what) => f.write_str(what),
            Self::Refused(why) => f.write_str(why),
            Self::Source(error) => write!(f, "message cannot be read: {error}"),
            Self::OutcomeUnknown(fault) => {
                write!(f, "whether the messages are removed is not known: {fault}")
            }
            Self::NotCommitted => f.write_str("transaction was not committed"),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Source(error) => Some(error),
            Self::OutcomeUnknown(fault) => Some(&**fault),
            _ => None,
        }
    }
}
