//! Finding the server of a mail domain in the DNS (RFC 6186); feature `srv`.
//!
//! [`Resolver::discover`] asks for the SRV records of `_pop3s` and `_pop3` and gives [`Candidate`]s in the order in which
//! to try them; [`connect_first`] takes the first that can be reached; [`Connection::discover`] does both. Whatever the
//! records say, nothing but `CAPA` and `STLS` is said without TLS, and no other server is tried after a certificate was
//! refused.
//!
//! The records are not signed as far as this resolver knows, so who can forge them can name any host. What keeps mail safe
//! is the certificate: see [`Reference`]. And so the DNS is not to be asked on each connection (R8314-5.1): keep the
//! candidate that worked ([`Candidate::new`] makes it again from what was kept), and look up again when the user says so or
//! when the server cannot be reached. Nothing is kept here.
//!
//! The resolver is a stub: it asks the servers of `/etc/resolv.conf`, over UDP and, for long answers, over TCP. It believes
//! an answer only from the address it asked, with the random number and the question it sent, and follows aliases only
//! within that answer. Each wait has a deadline and each size a limit.
//!
//! ```no_run
//! use pop3_blocking::client::{ClientOptions, Connection};
//! use pop3_blocking::discovery::Resolver;
//! use pop3_blocking::pop3_proto::discovery::{Preferences, mail_domain};
//! use pop3_blocking::tls::ClientTls;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let address = "alice@example.org";
//! let domain = mail_domain(address).ok_or("no domain")?;
//! let tls = ClientTls::builder().ca_file("/etc/ssl/our-own-ca.pem").build()?;
//! let (connection, server) = Connection::discover(
//!     domain,
//!     &Resolver::system()?,
//!     Preferences::default(),
//!     &tls,
//!     &ClientOptions::default(),
//! )?;
//! println!("keep for the next time: {}:{} {}", server.host(), server.port(), server.service());
//! let (session, user) = connection.login_by_address(address, "wonderland").map_err(|failed| failed.error)?;
//! # let _ = (session, user);
//! # Ok(())
//! # }
//! ```

use core::time::Duration;

mod candidate;
mod connect;
mod error;
#[cfg(feature = "__fuzzing")]
pub(crate) mod fuzzing;
mod packet;
mod resolver;
mod system;
#[cfg(test)]
#[cfg(all(unix, any(feature = "aws-lc-rs", feature = "ring")))]
mod tests;

pub use candidate::{Candidate, Reference};
pub use connect::connect_first;
pub use error::{Absence, DiscoveryError, LookupError, Unreachable};
pub use resolver::Resolver;

#[cfg(doc)]
use crate::client::Connection;

/// How many records one answer may hold.
pub const RECORDS: usize = 256;

/// How many aliases (CNAME) within an answer are followed.
pub const ALIASES: usize = 8;

/// How long one question waits for its answer, unless `resolv.conf` or the caller say otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often each server is asked, unless `resolv.conf` or the caller say otherwise.
const ATTEMPTS: u32 = 2;

/// How long a whole look-up may take, unless the caller says otherwise.
const TOTAL: Duration = Duration::from_secs(30);
