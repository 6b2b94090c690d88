//! What a server tells the program around it as it happens: [`Observer`], [`Event`].

use core::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Outcome;
use crate::tls::TlsVersion;

/// Hears what happens in a server: see [`ServerBuilder::observe`](super::ServerBuilder::observe).
///
/// It is called on the thread on which the event happens, so it returns quickly and never waits. A panic in it is caught
/// and counted as one of the server ([`Statistics::panicked`](super::Statistics::panicked)).
pub trait Observer: Send + Sync {
    /// Hears of one event.
    fn observe(&self, event: &Event<'_>);
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn observe(&self, event: &Event<'_>) {
        (**self).observe(event);
    }
}

/// Something that has happened. No name, password or address of a client is in it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A connection was given a session; behind proxies, one whose client is known.
    Accepted,
    /// A connection was given none.
    Refused(RefusedBy),
    /// A connection had to make room for another before its login. Its end is told too.
    Evicted,
    /// A TLS handshake has succeeded.
    TlsStarted(TlsVersion),
    /// A client has logged in, and its maildrop is open.
    LoggedIn {
        /// The SASL mechanism, `USER` or `APOP`.
        mechanism: &'a str,
    },
    /// Credentials were not right.
    LoginFailed {
        /// The SASL mechanism, `USER` or `APOP`.
        mechanism: &'a str,
    },
    /// A session is over, and its maildrop free. The client may not have seen the end yet.
    Ended(SessionEnd<'a>),
}

/// What a connection was refused by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedBy {
    /// [`Limits::connections`](super::Limits::connections), with nobody who could make room.
    Connections,
    /// [`Limits::connections_per_address_before_login`](super::Limits::connections_per_address_before_login).
    ConnectionsPerAddress,
    /// The [networks of the proxies](super::TrustedProxies): it comes from elsewhere.
    Proxies,
    /// The system, which gave no thread.
    Threads,
}

/// What a session came to.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct SessionEnd<'a> {
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Messages that were sent whole by `RETR`.
    pub retrieved: u64,
    /// Octets of these, as announced.
    pub retrieved_octets: u64,
    /// Messages of which a part was sent by `TOP`.
    pub tops: u64,
    /// Messages that were removed.
    pub removed: u64,
    /// Commands that were none, or came at the wrong moment.
    pub bad_commands: u64,
    /// Octets of POP3 that came from the client, without those of TLS.
    pub received: u64,
    /// Octets of POP3 that went to the client, without those of TLS.
    pub sent: u64,
    /// How long it lasted, from the connection on.
    pub duration: Duration,
}

impl fmt::Debug for SessionEnd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEnd")
            .field("outcome", &self.outcome.name())
            .field("retrieved", &self.retrieved)
            .field("removed", &self.removed)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}
