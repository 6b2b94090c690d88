//! Where mail is kept: the [`Store`] and [`Maildrop`] traits and their stock implementations.
//!
//! A store opens maildrops; an open maildrop holds its exclusive lock until it is dropped. The session does the rest:
//! numbering, marks, sums, byte-stuffing, the cut of `TOP`, and the order "commit, then `+OK`".

use core::fmt;
use std::error::Error as StdError;
use std::io::Read;
use std::net::SocketAddr;

use pop3_proto::MessageNumber;

use crate::auth::Identity;

#[cfg(feature = "maildir")]
pub mod maildir;
mod memory;
mod surrogate;
#[cfg(test)]
mod testing;

#[cfg(feature = "maildir")]
pub use maildir::MaildirStore;
pub use memory::{MemoryMaildrop, MemoryStore};
pub use surrogate::SurrogateReader;

/// Opens maildrops. Shared by all sessions.
pub trait Store: Send + Sync {
    /// An open maildrop of this store. Dropping it frees its lock.
    type Maildrop: Maildrop + 'static;

    /// Opens the maildrop of `who` and takes its exclusive lock, without waiting for it.
    ///
    /// Called after the credentials were found right and before the `+OK` (R1939-4.3). If it fails, nothing may stay
    /// locked (R1939-4.4).
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<Self::Maildrop, OpenError>;

    /// Whether its maildrops show headers as [`OpenContext::utf8_headers`] asks. `false` unless told otherwise: such a
    /// store cannot serve a server that offers `UTF8`, which must not send raw headers to clients that have not asked
    /// (R6856-2.3).
    fn follows_utf8_headers(&self) -> bool {
        false
    }
}

/// An open, locked maildrop. The lock is freed by `Drop`, on every path.
pub trait Maildrop: Send {
    /// Lists all messages, in the order in which they will be numbered, oldest first.
    ///
    /// Called once, before the `+OK` to the login. A failure is a failed login, never an empty maildrop (PB-S28).
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the store, or the error that `out` returned, which must be handed on at once.
    fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// Opens a message for reading. Called before the `+OK` to `RETR` or `TOP`.
    ///
    /// The octets may have LF or CRLF line ends; the session sends CRLF (R1939-3.11).
    ///
    /// # Errors
    ///
    /// [`StoreError::Gone`] if the message has vanished since the scan; other variants for faults.
    fn open_message(&mut self, message: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError>;

    /// Removes the messages of `plan`, and no other, so that the removal survives a power failure; then frees the lock.
    ///
    /// Called only for `QUIT` in the TRANSACTION state, only if something is marked. The reply waits for it. One
    /// failure does not stop the rest (R1939-6.1); a message that is gone already counts as removed.
    ///
    /// # Errors
    ///
    /// [`CommitError`]: some marked messages are still there.
    fn commit(self: Box<Self>, plan: &dyn Plan) -> Result<Committed, CommitError>;
}

/// What a scan tells about one message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Meta<'a> {
    /// The exact octets of the message as `RETR` sends it, before byte-stuffing: see
    /// [`pop3_proto::body::Measure`] (R1939-5.6).
    pub octets: u64,
    /// The unique-id: 1 to 70 octets in 0x21–0x7E, never reused in this maildrop (R1939-7.2, R1939-7.3).
    pub unique_id: &'a [u8],
    /// Whether its header is not ASCII. Looked at under [`Utf8Headers::Refused`] only.
    pub needs_utf8: bool,
    /// How many messages follow, if that is known, so that the session can take memory for all at once. 0 if not.
    pub following: usize,
}

impl<'a> Meta<'a> {
    /// A message of `octets` octets called `unique_id`.
    pub const fn new(octets: u64, unique_id: &'a [u8]) -> Self {
        Self { octets, unique_id, needs_utf8: false, following: 0 }
    }

    /// The same, with its header ASCII or not.
    #[must_use]
    pub const fn with_needs_utf8(self, needs_utf8: bool) -> Self {
        Self { needs_utf8, ..self }
    }

    /// The same, with so many that follow.
    #[must_use]
    pub const fn with_following(self, following: usize) -> Self {
        Self { following, ..self }
    }
}

/// How a session wants messages whose header is not ASCII (RFC 6856 section 2.1, RFC 6858).
///
/// Octets told by a scan and octets read must agree on it (R6856-2.6); unique-ids do not depend on it (R6858-4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Utf8Headers {
    /// As they are stored: the session is in UTF-8 mode, or the server does not offer `UTF8`.
    #[default]
    AsStored,
    /// As their surrogates: [`pop3_proto::body::Surrogate`], [`SurrogateReader`].
    Surrogates,
    /// Not at all: the scan tells which they are, by [`Meta::needs_utf8`], and their octets as stored.
    Refused,
}

/// One message of an open maildrop, as the session knows it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Message<'a> {
    /// Its number: 1 for the first that the scan gave.
    pub number: MessageNumber,
    /// Its octets, as the scan gave them.
    pub octets: u64,
    /// Its unique-id, as the scan gave it.
    pub unique_id: &'a [u8],
}

impl<'a> Message<'a> {
    /// Message `number`.
    pub const fn new(number: MessageNumber, octets: u64, unique_id: &'a [u8]) -> Self {
        Self { number, octets, unique_id }
    }
}

/// What a commit must remove.
pub trait Plan {
    /// Calls `each` once for every marked message, in the order of their numbers.
    fn for_each_marked(&self, each: &mut dyn FnMut(Message<'_>));
}

/// Facts about the session that opens a maildrop.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenContext {
    /// The address of the peer, if the transport has one.
    pub peer: Option<SocketAddr>,
    /// How messages whose header is not ASCII are to be shown.
    pub utf8_headers: Utf8Headers,
}

impl OpenContext {
    /// A session with `peer`.
    pub const fn new(peer: Option<SocketAddr>) -> Self {
        Self { peer, utf8_headers: Utf8Headers::AsStored }
    }

    /// The same session, with other wishes about headers that are not ASCII.
    #[must_use]
    pub const fn with_utf8_headers(mut self, utf8_headers: Utf8Headers) -> Self {
        self.utf8_headers = utf8_headers;
        self
    }
}

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Committed {
    /// How many messages went.
    pub removed: u32,
}

impl Committed {
    /// A commit that removed `removed` messages.
    pub const fn new(removed: u32) -> Self {
        Self { removed }
    }
}

/// Why a maildrop cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another session holds the lock: `-ERR [IN-USE]`.
    InUse,
    /// The user logged in too short a time ago: `-ERR [LOGIN-DELAY]`.
    LoginDelay,
    /// A fault of the store.
    Store(StoreError),
}

/// A fault of the store. Its text goes to the log, never to the peer.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The message is not there any more: `-ERR`.
    Gone,
    /// A fault that may pass: `-ERR [SYS/TEMP]`.
    Temporary(Box<dyn StdError + Send + Sync>),
    /// Damage or misconfiguration: `-ERR [SYS/PERM]`.
    Permanent(Box<dyn StdError + Send + Sync>),
}

/// Some marked messages were not removed: `-ERR [SYS/TEMP]`.
#[derive(Debug)]
#[non_exhaustive]
pub struct CommitError {
    /// How many went all the same.
    pub removed: u32,
    /// How many are still there, or may come back after a power failure.
    pub failed: u32,
    /// The first fault.
    pub source: Box<dyn StdError + Send + Sync>,
}

impl CommitError {
    /// `failed` messages are still there, first because of `source`.
    pub const fn new(removed: u32, failed: u32, source: Box<dyn StdError + Send + Sync>) -> Self {
        Self { removed, failed, source }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Temporary(Box::new(error))
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("maildrop is locked by another session"),
            Self::LoginDelay => f.write_str("login not allowed yet"),
            Self::Store(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl StdError for OpenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::InUse | Self::LoginDelay => None,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("message has vanished from the store"),
            Self::Temporary(source) => write!(f, "temporary fault of the store: {source}"),
            Self::Permanent(source) => write!(f, "permanent fault of the store: {source}"),
        }
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Temporary(source) | Self::Permanent(source) => Some(source.as_ref()),
            Self::Gone => None,
        }
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} marked messages not removed, {} removed: {}", self.failed, self.removed, self.source)
    }
}

impl StdError for CommitError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

/// So that a program can keep a handle to what it gives to a server.
impl<S: Store + ?Sized> Store for std::sync::Arc<S> {
    type Maildrop = S::Maildrop;

    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<Self::Maildrop, OpenError> {
        (**self).open(who, cx)
    }

    fn follows_utf8_headers(&self) -> bool {
        (**self).follows_utf8_headers()
    }
}
