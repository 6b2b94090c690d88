//! SCRAM-SHA-1, SCRAM-SHA-256 and SCRAM-SHA-512, with and without channel binding (RFC 5802, 7677, 9266), for both roles.
//!
//! The client shows that it knows the password without sending it, the server that it knows the user's keys, and by the
//! `-PLUS` forms both show that they are the two ends of one TLS connection. [`Scram`] is the client, [`ScramServer`] the
//! server, [`derive_keys`] makes what a server keeps of a password.
//!
//! ```
//! use pop3_proto::sasl::scram::{Binding, Scram};
//! use pop3_proto::sasl::{client, server::ScramHash};
//!
//! # fn main() -> Result<(), pop3_proto::sasl::SaslError> {
//! let exporter = core::array::from_fn(|n| n as u8); // from TLS
//! let mut scram = Scram::new(
//!     ScramHash::Sha256,
//!     Binding::Exporter(&exporter),
//!     None,
//!     "user",
//!     "pencil",
//!     "rOprNGfwEbeRWgbNEkqO", // random, new for each login
//! )?;
//! let mut scratch = [0; 512];
//! let mut exchange = client::Exchange::new(&mut scram);
//! let first = exchange.start(&mut scratch)?;
//! assert_eq!(first.mechanism.as_str(), "SCRAM-SHA-256-PLUS");
//! assert_eq!(first.initial, Some(&b"p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! Names and passwords are used as they are; who wants them prepared (R5802-5.10) does that first, with feature
//! `saslprep` by [`prepare`](super::prep::prepare) of this crate.
//! Nothing allocates, nothing panics. Keys are wiped as soon as they are of no more use.
//!
//! All three hashes come along, SHA-512 with 27 KB of code on a Cortex-M3. The flags `--cfg sha2_backend="soft" --cfg
//! sha2_backend_soft="compact"` of crate `sha2` make the hashes slower and this crate's code 33 KB smaller.

use core::fmt;

use crate::sasl::server::ScramHash;
use crate::{Base64, MechanismName};

mod client;
mod hash;
mod kept;
mod message;
mod refusal;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Binding, Scram};
pub use hash::derive_keys;
pub use refusal::Refusal;
pub use server::{BindingError, ScramServer};

/// The least iteration count that a client takes from a server, unless it is told otherwise (R5802-5.3).
pub const MIN_ITERATIONS: u32 = 4096;

/// The greatest iteration count that a client takes from a server, unless it is told otherwise (R5802-5.4). Each is two
/// runs of the hash: a million take about a second.
pub const MAX_ITERATIONS: u32 = 1_000_000;

/// Octets of the longest salt, in both roles.
pub const MAX_SALT: usize = 128;

/// Octets of the longest first message that a server takes from a client. It must keep it until the last one.
pub const MAX_FIRST: usize = 512;

/// A nonce of 24 characters out of 18 random octets.
#[derive(Clone, Copy)]
pub struct Nonce {
    /// Some more than is needed, so that tests can play the examples of the RFCs.
    text: [u8; 32],
    length: usize,
}

impl Nonce {
    /// The octets must be random, and used for nothing else.
    pub fn new(random: [u8; 18]) -> Self {
        let mut text = [b'0'; 32];
        // 18 octets have just 24 characters of base64, and no padding: there is always room.
        match Base64::encode_to(&random, &mut text.as_mut_slice()) {
            Ok(()) | Err(_) => Self { text, length: 24 },
        }
    }

    /// Its characters, those of base64.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.text.get(..self.length).unwrap_or_default()).unwrap_or_default()
    }

    #[cfg(test)]
    fn of(text: &str) -> Self {
        let mut nonce = Self { text: [0; 32], length: text.len() };
        nonce.text[..text.len()].copy_from_slice(text.as_bytes());
        nonce
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce")
    }
}

/// The name of the mechanism with this hash, with or without channel binding.
const fn name(hash: ScramHash, plus: bool) -> MechanismName<'static> {
    match (hash, plus) {
        (ScramHash::Sha1, false) => MechanismName::SCRAM_SHA_1,
        (ScramHash::Sha1, true) => MechanismName::SCRAM_SHA_1_PLUS,
        (ScramHash::Sha256, false) => MechanismName::SCRAM_SHA_256,
        (ScramHash::Sha256, true) => MechanismName::SCRAM_SHA_256_PLUS,
        (ScramHash::Sha512, false) => MechanismName::SCRAM_SHA_512,
        (ScramHash::Sha512, true) => MechanismName::SCRAM_SHA_512_PLUS,
    }
}
