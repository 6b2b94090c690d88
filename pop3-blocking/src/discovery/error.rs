//! Why no server was found, or none could be reached.

use core::fmt;
use std::error::Error as StdError;
use std::io;

use pop3_proto::discovery::DomainError;

use super::Candidate;
use crate::client::Error;

/// Why the server of a domain was not found.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The domain is none. Nothing was asked.
    Domain(DomainError),
    /// The DNS answered, and there is no server to try. Ask the user for one; see also [`Candidate::customary`].
    NotFound(Absence),
    /// The DNS did not answer: there may be a server. Try again later.
    Lookup(LookupError),
    /// Servers were found, and none could be connected to, or one was not who it should be.
    Unreachable(Unreachable),
    /// `/etc/resolv.conf` cannot be read.
    Configuration(io::Error),
    /// There is no source of random octets, without which answers could be forged. Nothing was asked.
    NoRandom,
}

/// What the DNS said where there is no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Absence {
    /// The names do not exist (NXDOMAIN).
    NoSuchName,
    /// There are no SRV records, or none that name a host.
    NoRecords,
    /// The domain says that it offers no POP3 (R6186-3.2).
    NotOffered,
    /// There are servers, but none that protects as much as was asked for (R8314-5.1).
    BelowMinimum,
}

/// Why there is no answer from the DNS: what the last server asked came to.
#[derive(Debug)]
#[non_exhaustive]
pub enum LookupError {
    /// There is no server to ask.
    NoServers,
    /// No answer in time.
    TimedOut,
    /// The server could or would not answer; this is its response code (RCODE), such as 2 for SERVFAIL and 5 for REFUSED.
    ServerFailed(u8),
    /// The answer cannot be read.
    Malformed,
    /// The answer holds more than [`RECORDS`](super::RECORDS) records.
    TooManyRecords(u16),
    /// The system reported a fault, such as a port that nobody listens on.
    Io(io::Error),
}

/// What became of each server that was tried, in order.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreachable {
    /// Each server, and why there is no connection to it. Empty only if there was no server to try, or the caller refused
    /// all. If the last one is a [certificate error](crate::TransportError::is_certificate_error), those behind it were not
    /// tried.
    pub failures: Vec<(Candidate, Error)>,
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(error) => fmt::Display::fmt(error, f),
            Self::NotFound(absence) => fmt::Display::fmt(absence, f),
            Self::Lookup(error) => write!(f, "dns: {error}"),
            Self::Unreachable(error) => fmt::Display::fmt(error, f),
            Self::Configuration(source) => write!(f, "resolv.conf: {source}"),
            Self::NoRandom => f.write_str("no source of random octets"),
        }
    }
}

impl StdError for DiscoveryError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Domain(error) => Some(error),
            Self::Lookup(error) => Some(error),
            Self::Unreachable(error) => Some(error),
            Self::Configuration(source) => Some(source),
            Self::NotFound(_) | Self::NoRandom => None,
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchName => "domain publishes no pop3 service: the names do not exist",
            Self::NoRecords => "domain publishes no pop3 service",
            Self::NotOffered => "domain offers no pop3",
            Self::BelowMinimum => "domain offers pop3 only with less protection than required",
        })
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServers => f.write_str("no server to ask"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::ServerFailed(code) => write!(f, "server failed with code {code}"),
            Self::Malformed => f.write_str("answer cannot be read"),
            Self::TooManyRecords(records) => {
                write!(f, "answer of {records} records is over the limit of {}", super::RECORDS)
            }
            Self::Io(source) => fmt::Display::fmt(source, f),
        }
    }
}

impl StdError for LookupError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(source) => Some(source),
            _ => None,
        }
    }
}

impl Unreachable {
    /// What ended the search: the failure of the last server tried.
    pub fn last(&self) -> Option<&Error> {
        self.failures.last().map(|(_, error)| error)
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failures.last() {
            Some((server, error)) => write!(f, "{}:{}: {error}", server.host(), server.port()),
            None => f.write_str("no server to try"),
        }
    }
}

impl StdError for Unreachable {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.failures.last().map(|(_, error)| error as &(dyn StdError + 'static))
    }
}

impl From<DomainError> for DiscoveryError {
    fn from(error: DomainError) -> Self {
        Self::Domain(error)
    }
}

impl From<LookupError> for DiscoveryError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error)
    }
}

impl From<Unreachable> for DiscoveryError {
    fn from(error: Unreachable) -> Self {
        Self::Unreachable(error)
    }
}

impl From<io::Error> for LookupError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Io(error),
        }
    }
}
