//! PROXY headers, for [`crate::fuzzing`].

use std::net::SocketAddr;

use super::ProxyHeaderError;
use super::header::{self, Header, Step};

/// What the octets so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "for one caller, which matches them all")]
pub enum ProxyHeader {
    /// The beginning of a header, of which so many are missing at least.
    Part(usize),
    /// A header, with the client if it names one, and so many octets long.
    Whole(Option<SocketAddr>, usize),
    /// None.
    Bad(ProxyHeaderError),
}

/// Reads the header at the start of `octets`.
pub fn proxy_header(octets: &[u8]) -> ProxyHeader {
    match header::parse(octets) {
        Ok(Step::More(missing)) => ProxyHeader::Part(missing),
        Ok(Step::Done(Header { source, octets })) => ProxyHeader::Whole(source, octets),
        Err(error) => ProxyHeader::Bad(error),
    }
}
