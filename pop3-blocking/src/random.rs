//! Random octets, from the provider of TLS.

use core::fmt;

use crate::tls;

/// Fills `octets` from the provider that TLS uses unless told otherwise.
pub(crate) fn fill(octets: &mut [u8]) -> Result<(), NoRandom> {
    let provider = tls::provider().map_err(|_| NoRandom)?;
    provider.secure_random.fill(octets).map_err(|_| NoRandom)
}

/// There is no provider, or the system gave it no random octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRandom;

impl fmt::Display for NoRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no source of random octets")
    }
}

impl std::error::Error for NoRandom {}
