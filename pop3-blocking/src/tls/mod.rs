//! TLS for both roles: [`ClientTls`], [`ServerTls`], and what a handshake came to, [`TlsInfo`].
//!
//! All calls into [`rustls`] are made in this module. The defaults are the safe choice: TLS 1.2 or 1.3 with forward
//! secrecy and authenticated encryption (R8314-4.1, R9325-4.2), ALPN `pop3` (RP-ALPN.1), the server's identity verified by
//! DNS name or address and never by common name (R9), no early data (R9325-3.10), no request for a client certificate
//! unless one can log in (R34). Compression, renegotiation and older versions do not exist in the library underneath.
//!
//! TLS from the first octet, on port 995, goes before `STLS` wherever there is a choice: RFC 8314 has withdrawn what RFC 2595
//! section 7 said against it (RDM-2.5).
//!
//! For whoever runs a server, and for whoever signs its certificate: it should hold as DNS names the host that clients
//! connect to and the mail domains that it serves, and for domains with SRV records the SRV-IDs `_pop3s.DOMAIN` and
//! `_pop3.DOMAIN`; a common name counts for nothing (R7817-5.1). Many domains may have a certificate each:
//! [`ServerTlsBuilder::certificate_files`].
//!
//! Roots are never chosen silently: a client names the authorities it trusts, with
//! `ClientTlsBuilder::platform_roots` (feature `platform-verifier`), `ClientTlsBuilder::webpki_roots` (feature
//! `webpki-roots`), [`ClientTlsBuilder::ca_file`] or [`ClientTlsBuilder::ca_pem`]. A program with other wishes hands over a
//! rustls configuration of its own: [`ClientTls::from_config`], [`ServerTls::from_config`].
//!
//! ```no_run
//! use std::net::TcpStream;
//! use std::time::Duration;
//!
//! use pop3_blocking::tls::{ClientTls, ServerName};
//! use pop3_blocking::{Deadline, Transport};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tls = ClientTls::builder().ca_file("/etc/ssl/our-own-ca.pem").build()?;
//! let stream = TcpStream::connect(("pop.example.org", 995))?;
//! stream.set_nodelay(true)?;
//! let server = ServerName::parse("pop.example.org")?;
//! let transport = Transport::plain(stream).connect_tls(&tls, &server, Deadline::after(Duration::from_secs(20)))?;
//! println!("{:?}", transport.tls());
//! transport.close(None)?;
//! # Ok(())
//! # }
//! ```

use rustls::SupportedProtocolVersion;

mod binding;
mod certificates;
mod client;
mod der;
mod error;
#[cfg(feature = "__fuzzing")]
pub(crate) mod fuzzing;
mod identity;
mod info;
#[cfg(feature = "certificate-names")]
mod names;
mod pem;
mod provider;
pub(crate) mod pump;
mod server;
mod stamp;
#[cfg(test)]
#[cfg(all(unix, any(feature = "aws-lc-rs", feature = "ring")))]
pub(crate) mod test_ca;
#[cfg(test)]
#[cfg(all(unix, any(feature = "aws-lc-rs", feature = "ring")))]
mod tests;
mod trust;
mod verifier;
mod witness;

pub use client::{ClientTls, ClientTlsBuilder};
pub use error::TlsConfigError;
pub use identity::{ServerName, ServerNameError};
pub use info::{TlsInfo, TlsVersion};
#[cfg(feature = "certificate-names")]
pub use names::{CertificateField, CertificateMap, CertificateNames, UnknownField};
pub use pop3_proto::discovery::SrvService;
pub use provider::provider;
pub use server::{ClientCertificates, ServerTls, ServerTlsBuilder};

/// The ALPN identifier of POP3, for pop3s and STLS alike (RP-ALPN.1).
pub const ALPN: &[u8] = b"pop3";

/// The versions to offer when none below `minimum` will do.
fn versions(minimum: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match minimum {
        TlsVersion::Tls12 => rustls::DEFAULT_VERSIONS,
        TlsVersion::Tls13 => ONLY_TLS13,
    }
}

static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
#[cfg(test)]
#[cfg(all(unix, any(feature = "aws-lc-rs", feature = "ring")))]
static ONLY_TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
