//! Listeners behind proxies: who the client is, the PROXY header says, and [`TrustedProxies`] says whom to believe.
//!
//! A load balancer that forwards a connection puts a header in front of it with the address of the client: one line
//! (version 1) or a binary block (version 2). It comes before everything else, TLS included. Whoever may send it can be
//! anybody, so it is asked for and believed where it comes from an address that was named, and nowhere else; a listener
//! never guesses whether there is one.
//!
//! The header is read by hand rather than by a crate. Those there are take `PROXYxTCP4`, ports as `+80` and `080`,
//! `UNKNOWN` lines of any length and checksums that do not match, refuse `LOCAL` blocks with an address in them, and wait
//! for more where the first octet already shows another protocol.
//!
//! The PROXY protocol, versions 1 and 2, by HAProxy (proxy-protocol.txt, 2020/03/05).

use core::fmt;
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};

#[cfg(feature = "__fuzzing")]
pub(crate) mod fuzzing;
pub(super) mod header;
mod network;

pub use network::{Network, ParseNetworkError};

use super::admission::Crowded;
use super::connection::Connection;
use super::{Outcome, RefusedBy};
use crate::{Deadline, Input, Stream, TransportError};
use header::{Header, Step};
use pop3_proto::server::Server as Protocol;
use pop3_proto::{CodeKind, ServerLimits};

/// Whose PROXY header a listener believes, for [`Policy::behind_proxies`](super::Policy::behind_proxies).
///
/// | a connection from | is |
/// |---|---|
/// | one of the networks | to begin with a header of version 1 or 2. Without one, or with one that is malformed or longer than 4096 octets, it is closed without a word: [`ProxyHeaderError`] |
/// | any other address | refused, without a word; after [`serve_others`](Self::serve_others) it is served as what it is. No header is read from it |
///
/// The address in the header is the client's from then on: for the limits on connections per address, for
/// [`on_failed_login`](super::ServerBuilder::on_failed_login), the log, the
/// [`Authenticator`](crate::auth::Authenticator) and the [`Store`](crate::store::Store). The proxy itself counts for no
/// limit per address, only for [`Limits::connections`](super::Limits::connections). A header that names no TCP client
/// (`LOCAL`, as health checks send it; `UNKNOWN`; Unix sockets) leaves the connection its own address, that of the
/// proxy, and it is not counted by address.
///
/// The header has [`Limits::handshake`](super::Limits::handshake) to arrive, within the time for the login. What follows
/// it, such as a ClientHello in the same segment, is not lost.
///
/// ```
/// use pop3_blocking::server::{Policy, TrustedProxies};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let balancers = TrustedProxies::new(["192.0.2.0/28".parse()?, "2001:db8::5".parse()?]);
/// let policy = Policy::cleartext().behind_proxies(balancers);
/// # let _ = policy;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct TrustedProxies {
    networks: Vec<Network>,
    serve_others: bool,
}

/// What a connection is, by where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A proxy: a header comes first.
    Proxy,
    /// The client itself.
    Client,
    /// Nobody who may use this listener.
    Stranger,
}

impl TrustedProxies {
    /// Believes headers that come from `networks`, and refuses all other connections. Without any network nobody can
    /// connect.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self { networks: networks.into_iter().collect(), serve_others: false }
    }

    /// Serves connections from other addresses as what they are. A header that they send is not read: it is a line of
    /// POP3 that makes no sense.
    pub const fn serve_others(mut self) -> Self {
        self.serve_others = true;
        self
    }

    /// A connection without an address comes from nobody who was named.
    pub(super) fn origin(&self, peer: Option<IpAddr>) -> Origin {
        match peer {
            Some(peer) if self.networks.iter().any(|network| network.contains(peer)) => Origin::Proxy,
            _ if self.serve_others => Origin::Client,
            _ => Origin::Stranger,
        }
    }
}

/// Why a connection to a listener [behind proxies](super::Policy::behind_proxies) was closed before its greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// It does not come from a proxy that is trusted.
    Untrusted,
    /// It ended before a header was whole.
    Incomplete {
        /// Octets that came. A check that only connects sends none.
        received: usize,
    },
    /// No whole header came in time.
    TimedOut,
    /// It begins with something else: the proxy sends no header, or the client has come around it.
    Missing,
    /// It begins like a header, and is none: an unknown version, family or command, an address or port that is none, or
    /// parts that do not fit its length.
    Malformed,
    /// The header is longer than 4096 octets, or its line than 107.
    TooLong,
    /// The header's CRC32c is that of another one.
    Checksum,
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str("not from a trusted proxy"),
            Self::Incomplete { received } => write!(f, "ended after {received} octets of a PROXY header"),
            Self::TimedOut => f.write_str("timed out waiting for a PROXY header"),
            Self::Missing => f.write_str("no PROXY header"),
            Self::Malformed => f.write_str("malformed PROXY header"),
            Self::TooLong => f.write_str("PROXY header too long"),
            Self::Checksum => f.write_str("PROXY header with a wrong checksum"),
        }
    }
}

impl StdError for ProxyHeaderError {}

impl<T: Stream> Connection<'_, T> {
    /// Learns who the client is, if the listener is behind proxies.
    #[inline(never)]
    pub(super) fn learn_client(&mut self) -> Result<(), Outcome> {
        match self.policy.origin(self.record.peer.map(|peer| peer.ip())) {
            Origin::Client => return Ok(()),
            Origin::Proxy => {}
            Origin::Stranger => return Err(Outcome::ProxyHeader(ProxyHeaderError::Untrusted)),
        }
        let header = self.read_header()?;
        // Health checks under version 1 name the connection as it is.
        match header.source.filter(|source| Some(*source) != self.record.peer) {
            Some(source) => self.introduce(source)?,
            None => self.record.health_check = true,
        }
        if self.ticket.is_some() {
            self.shared.accepted();
        }
        Ok(())
    }

    /// Reads the header and not one octet more: what is behind it is for TLS or for the session.
    fn read_header(&mut self) -> Result<Header, Outcome> {
        let deadline = Deadline::after(self.shared.limits.handshake).earlier(self.login_deadline);
        let mut octets = Vec::with_capacity(header::USUAL);
        loop {
            let more = match header::parse(&octets) {
                Ok(Step::Done(header)) => return Ok(header),
                Ok(Step::More(more)) => more,
                Err(error) => return Err(Outcome::ProxyHeader(error)),
            };
            let known = octets.len();
            octets.resize(known.saturating_add(more), 0);
            let room = octets.get_mut(known..).unwrap_or_default();
            let Some(transport) = &mut self.transport else { return Err(Outcome::Disconnected) };
            match transport.read(room, deadline) {
                Ok(Input::Octets(read)) => octets.truncate(known.saturating_add(read)),
                Err(TransportError::TimedOut) => {
                    return Err(Outcome::ProxyHeader(ProxyHeaderError::TimedOut));
                }
                Ok(Input::Closed) | Err(_) => {
                    return Err(Outcome::ProxyHeader(ProxyHeaderError::Incomplete { received: known }));
                }
            }
        }
    }

    /// From here on the client is at `source`.
    fn introduce(&mut self, source: SocketAddr) -> Result<(), Outcome> {
        self.record.proxy = self.record.peer.replace(source);
        let admitted = self.ticket.map_or(Ok(()), |ticket| ticket.name(source.ip()));
        if let Err(crowded) = admitted {
            if crowded == Crowded::Address {
                self.shared.refused(RefusedBy::ConnectionsPerAddress);
                self.record.turned_away("too many connections from this address");
                self.refuse_in_words();
            }
            return Err(Outcome::Crowded);
        }
        Ok(())
    }

    /// In clear text, instead of the greeting.
    fn refuse_in_words(&mut self) {
        let mut line = Vec::new();
        let mut protocol = Protocol::new(false, false, false, ServerLimits::DEFAULT);
        let text = b"too many connections, try again later";
        if self.policy.implicit || protocol.refuse(Some(CodeKind::SysTemp), text, &mut line).is_err() {
            return;
        }
        if let Some(transport) = &mut self.transport {
            // The end follows, whether the line leaves or not.
            drop(transport.write_all(&line, self.shared.limits.write, self.login_deadline));
        }
    }
}
