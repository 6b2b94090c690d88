//! What can be wrong with a TLS configuration: [`TlsConfigError`].

use core::fmt;
use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use rustls::client::VerifierBuilderError;

/// Why a configuration was not built. All of these are for whoever runs the program; no peer can cause them.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// Neither of the features `aws-lc-rs` and `ring` is on and the program has not installed a provider.
    NoProvider,
    /// No certificate authority is trusted: name some roots.
    NoRoots,
    /// The roots of the operating system and those compiled in were both asked for; they cannot be joined.
    ConflictingRoots,
    /// Revocation lists were given, but the operating system judges the certificates and does not take them.
    CrlsNotTaken,
    /// Pinned keys are to replace authorities, but there are none, or authorities or revocation lists as well.
    PinsNotAlone,
    /// A server was given no certificate.
    NoCertificate,
    /// A certificate besides the first holds no DNS name, so that no client would ever see it.
    NoNames {
        /// The path of its file, or `text`.
        origin: String,
    },
    /// Authorities or revocation lists for client certificates were given, but client certificates are never asked for.
    ClientCaUnused,
    /// The configuration was made by the program itself; there is nothing to read again.
    ForeignConfig,
    /// A file could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or text is no PEM or does not hold what it should.
    Pem {
        /// The path of the file, or `text` if the octets were given directly.
        origin: String,
        /// What was looked for: `certificate`, `private key`, `revocation list`.
        wanted: &'static str,
        /// What was found.
        source: rustls::pki_types::pem::Error,
    },
    /// The rules for judging the peer's certificate do not fit together.
    Verifier(VerifierBuilderError),
    /// Refused by TLS itself: a key that does not belong to its certificate, a damaged root, too short a key.
    Tls(rustls::Error),
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProvider => {
                f.write_str("no cryptography: enable feature aws-lc-rs or ring, or install a provider")
            }
            Self::NoRoots => f.write_str("no certificate authority is trusted"),
            Self::ConflictingRoots => {
                f.write_str("roots of the operating system and compiled-in roots exclude each other")
            }
            Self::CrlsNotTaken => f.write_str("the operating system's verifier takes no revocation lists"),
            Self::PinsNotAlone => f.write_str(
                "pinned keys that replace authorities need a pin, and neither authorities nor lists",
            ),
            Self::NoCertificate => f.write_str("server has no certificate"),
            Self::NoNames { origin } => write!(f, "{origin}: certificate holds no dns name"),
            Self::ClientCaUnused => {
                f.write_str("authorities for client certificates are set, but none are asked for")
            }
            Self::ForeignConfig => {
                f.write_str("configuration was made by the program itself, there is nothing to read again")
            }
            Self::Read { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Pem { origin, wanted, source } => write!(f, "{origin}: no usable {wanted}: {source}"),
            Self::Verifier(source) => write!(f, "certificate verifier: {source}"),
            Self::Tls(source) => write!(f, "tls: {source}"),
        }
    }
}

impl StdError for TlsConfigError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Pem { source, .. } => Some(source),
            Self::Verifier(source) => Some(source),
            Self::Tls(source) => Some(source),
            _ => None,
        }
    }
}

impl From<rustls::Error> for TlsConfigError {
    fn from(source: rustls::Error) -> Self {
        Self::Tls(source)
    }
}

impl From<VerifierBuilderError> for TlsConfigError {
    fn from(source: VerifierBuilderError) -> Self {
        Self::Verifier(source)
    }
}
