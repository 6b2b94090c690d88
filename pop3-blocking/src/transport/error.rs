//! What can go wrong on a transport: [`TransportError`], and the memory of it that makes errors sticky.

use core::fmt;
use std::error::Error as StdError;
use std::io;

use rustls::AlertDescription;

/// Why a [`Transport`](super::Transport) cannot go on.
///
/// All are final for the side (reading or writing) that reported them, except [`TimedOut`](Self::TimedOut) from a read.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportError {
    /// The system reported a fault, such as a reset by the peer.
    Io(io::Error),
    /// TLS failed: the peer broke the protocol or sent a fatal alert, or a certificate was not accepted.
    ///
    /// See [`is_certificate_error`](Self::is_certificate_error).
    Tls(rustls::Error),
    /// On a client: the server did not accept the client's certificate, or wanted one and got none; it said so with this
    /// alert (RDM-2.1g).
    ///
    /// Under TLS 1.3 the client finishes the handshake before the server has judged the certificate, so this may come
    /// from the first [`read`](super::Transport::read) instead of [`connect_tls`](super::Transport::connect_tls). A client
    /// that logs in by certificate alone stops here (R34).
    ClientCertificateRefused(AlertDescription),
    /// The deadline passed, or a write made no progress within its limit.
    TimedOut,
    /// A TLS connection ended without `close_notify`: what was received may have been cut short by an attacker
    /// (RP-CLOSE.2, RP-CLOSE.3).
    Truncated,
    /// The peer ended the connection before the TLS handshake was done.
    ClosedInHandshake,
    /// The peer's first octet is not the start of a TLS record: it speaks something else on this port (PB-Q66).
    NotTls,
    /// The peer agreed on no application protocol although the configuration requires `pop3` (R7301-3.2, R9325-3.8).
    NoAlpn,
    /// The transport is under TLS already. The program asked for TLS twice.
    AlreadyTls,
}

impl TransportError {
    /// Whether the peer's certificate was not accepted by us: unknown authority, wrong name, expired, revoked, missing.
    ///
    /// Never retry without TLS or with weaker checks (R9, R8314-5.2).
    pub const fn is_certificate_error(&self) -> bool {
        matches!(
            self,
            Self::Tls(
                rustls::Error::InvalidCertificate(_)
                    | rustls::Error::NoCertificatesPresented
                    | rustls::Error::UnsupportedNameType
                    | rustls::Error::InvalidCertRevocationList(_)
            )
        )
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(source) => write!(f, "network: {source}"),
            Self::Tls(source) => write!(f, "tls: {source}"),
            Self::ClientCertificateRefused(AlertDescription::CertificateRequired) => {
                f.write_str("server requires a client certificate")
            }
            Self::ClientCertificateRefused(alert) => {
                write!(f, "server refused the client certificate, or the lack of one: alert {alert:?}")
            }
            Self::TimedOut => f.write_str("peer did not answer in time"),
            Self::Truncated => f.write_str("tls connection cut off without close_notify"),
            Self::ClosedInHandshake => f.write_str("peer closed the connection during the tls handshake"),
            Self::NotTls => f.write_str("peer does not speak tls on this port"),
            Self::NoAlpn => f.write_str("peer did not agree on the application protocol pop3"),
            Self::AlreadyTls => f.write_str("transport is already under tls"),
        }
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(source) => Some(source),
            Self::Tls(source) => Some(source),
            _ => None,
        }
    }
}

impl From<rustls::Error> for TransportError {
    fn from(source: rustls::Error) -> Self {
        Self::Tls(source)
    }
}

/// For code behind [`std::io::Read`] or [`std::io::Write`]: the kind tells time-outs and truncation from the rest.
impl From<TransportError> for io::Error {
    fn from(error: TransportError) -> Self {
        let kind = match error {
            TransportError::Io(source) => return source,
            TransportError::TimedOut => io::ErrorKind::TimedOut,
            TransportError::Truncated | TransportError::ClosedInHandshake => io::ErrorKind::UnexpectedEof,
            TransportError::Tls(_)
            | TransportError::ClientCertificateRefused(_)
            | TransportError::NotTls
            | TransportError::NoAlpn => io::ErrorKind::InvalidData,
            TransportError::AlreadyTls => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// How one side of a transport ended, kept so that every later call gets the same answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ended {
    /// In good order.
    Closed,
    Truncated,
    TimedOut,
    Tls(rustls::Error),
    Refused(AlertDescription),
    /// The system's error number if there was one, and its kind.
    Io(Option<i32>, io::ErrorKind),
}

impl Ended {
    pub(super) fn by(error: &TransportError) -> Self {
        match error {
            TransportError::Io(source) => Self::Io(source.raw_os_error(), source.kind()),
            TransportError::Tls(source) => Self::Tls(source.clone()),
            TransportError::ClientCertificateRefused(alert) => Self::Refused(*alert),
            TransportError::Truncated => Self::Truncated,
            TransportError::TimedOut => Self::TimedOut,
            // The rest only comes out of handshakes, and those consume the transport.
            _ => Self::Io(None, io::ErrorKind::Other),
        }
    }

    /// The error to report. [`Closed`](Self::Closed) is one only to a writer.
    pub(super) fn error(&self) -> TransportError {
        match self {
            Self::Closed => TransportError::Io(io::ErrorKind::BrokenPipe.into()),
            Self::Truncated => TransportError::Truncated,
            Self::TimedOut => TransportError::TimedOut,
            Self::Tls(source) => TransportError::Tls(source.clone()),
            Self::Refused(alert) => TransportError::ClientCertificateRefused(*alert),
            Self::Io(Some(number), _) => TransportError::Io(io::Error::from_raw_os_error(*number)),
            Self::Io(None, kind) => TransportError::Io((*kind).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_kinds_tell_truncation_and_time() {
        let kind = |error: TransportError| io::Error::from(error).kind();
        assert_eq!(kind(TransportError::Truncated), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(TransportError::TimedOut), io::ErrorKind::TimedOut);
        assert_eq!(
            kind(TransportError::Io(io::ErrorKind::ConnectionReset.into())),
            io::ErrorKind::ConnectionReset
        );
    }

    #[test]
    fn a_remembered_system_error_keeps_its_number() {
        let reset = TransportError::Io(io::Error::from_raw_os_error(104));
        let TransportError::Io(again) = Ended::by(&reset).error() else { panic!("kind changed") };
        assert_eq!(again.raw_os_error(), Some(104));
    }
}
