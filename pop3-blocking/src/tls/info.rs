//! What a handshake came to: [`TlsInfo`].

use core::fmt;
use std::borrow::Cow;

use rustls::pki_types::CertificateDer;
use rustls::{Connection, HandshakeKind, ProtocolVersion};
use sha2::{Digest, Sha256};

use super::der::Parts;
use super::witness::Witness;
use super::{ServerName, binding};

/// A version of TLS that is used at all (R8996-4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// What was negotiated on a connection under TLS. Borrowed from [`Transport::tls`](crate::Transport::tls).
///
/// Server logs should carry [`version`](Self::version) and [`cipher_suite`](Self::cipher_suite) with each login
/// (R8314-4.1).
#[derive(Clone, Copy)]
pub struct TlsInfo<'a> {
    connection: &'a Connection,
    asked_for: Option<&'a ServerName>,
    witness: &'a Witness,
}

impl<'a> TlsInfo<'a> {
    pub(super) const fn new(
        connection: &'a Connection,
        asked_for: Option<&'a ServerName>,
        witness: &'a Witness,
    ) -> Self {
        Self { connection, asked_for, witness }
    }

    /// The version of TLS.
    pub fn version(&self) -> TlsVersion {
        match self.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
            _ => TlsVersion::Tls12,
        }
    }

    /// The cipher suite by its name in rustls, such as `TLS13_AES_256_GCM_SHA384`.
    pub fn cipher_suite(&self) -> &'static str {
        self.connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown")
    }

    /// The key exchange group, such as `X25519MLKEM768`. A resumed TLS 1.2 session had no exchange.
    pub fn key_exchange(&self) -> Option<&'static str> {
        self.connection.negotiated_key_exchange_group().and_then(|group| group.name().as_str())
    }

    /// The application protocol both sides agreed on, `pop3`, or `None` if one of them does not know ALPN.
    pub fn alpn(&self) -> Option<&'a [u8]> {
        self.connection.alpn_protocol()
    }

    /// The peer's certificates in DER, its own first, as verified by this handshake or by the one it resumes.
    ///
    /// Empty on a server whose client showed none. Whoever maps a client certificate to a user uses the first
    /// (R4422-A.2); on a resumed connection without one EXTERNAL must fail (RDM-2.1j).
    pub fn peer_certificates(&self) -> &'a [CertificateDer<'static>] {
        self.connection.peer_certificates().unwrap_or_default()
    }

    /// The SHA-256 of the public key (SubjectPublicKeyInfo) in the peer's certificate, as pins hold it.
    pub fn peer_spki_sha256(&self) -> Option<[u8; 32]> {
        let parts = Parts::of(self.peer_certificates().first()?)?;
        Some(Sha256::digest(parts.public_key).into())
    }

    /// On a client, the name the certificate was verified for; on a server, the name the client asked for (SNI).
    pub fn server_name(&self) -> Option<Cow<'a, str>> {
        match self.connection {
            Connection::Client(_) => self.asked_for.map(|name| Cow::Owned(name.to_string())),
            Connection::Server(server) => server.server_name().map(Cow::Borrowed),
        }
    }

    /// Whether an earlier session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Whether the client showed a certificate in this handshake.
    ///
    /// A client that finds `false` was not asked for one, or has none to show: EXTERNAL cannot succeed, and whoever logs in
    /// by certificate alone stops here (R34). Under TLS 1.3 the server may still refuse a certificate that was shown:
    /// [`TransportError::ClientCertificateRefused`](crate::TransportError::ClientCertificateRefused).
    pub fn client_certificate_shown(&self) -> bool {
        match self.connection {
            Connection::Client(_) => self.witness.has_sent_certificate(),
            Connection::Server(_) => !self.peer_certificates().is_empty(),
        }
    }

    /// The `tls-exporter` channel binding (RFC 9266), for SCRAM with `-PLUS`: the one to prefer (R9266-3.1).
    ///
    /// Under TLS 1.3, and under TLS 1.2 where the configuration refuses peers without the extended master secret, as with
    /// [`ClientTlsBuilder::require_extended_master_secret`](super::ClientTlsBuilder::require_extended_master_secret):
    /// without it the value could be made the same on two connections, and rustls does not tell whether it was
    /// negotiated. Give the octets to one authentication exchange and drop them (R25).
    pub fn tls_exporter(&self) -> Option<[u8; 32]> {
        if self.version() == TlsVersion::Tls12 && !self.witness.requires_ems {
            return None;
        }
        self.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
    }

    /// The `tls-server-end-point` channel binding (RFC 5929 section 4), for SCRAM with `-PLUS` where
    /// [`tls_exporter`](Self::tls_exporter) is not there or the peer does not know it: the hash of the server's
    /// certificate, 28 to 64 octets, the same on both sides and no secret.
    ///
    /// `None` if the signature of that certificate has no hash of its own, as with Ed25519, or one unknown here; and on a
    /// resumed session of TLS 1.2 (R7677-4.1). Under TLS 1.3 a resumed session is bound to the certificate of its start.
    pub fn tls_server_end_point(&self) -> Option<Vec<u8>> {
        let resumed = self.is_resumed();
        if resumed && self.version() == TlsVersion::Tls12 {
            return None;
        }
        match self.connection {
            Connection::Client(_) => binding::server_end_point(self.peer_certificates().first()?),
            Connection::Server(server) if resumed => server
                .received_resumption_data()
                .filter(|end_point| !end_point.is_empty())
                .map(<[u8]>::to_vec),
            Connection::Server(_) => binding::server_end_point(&self.witness.shown()?),
        }
    }

    /// Fills `output` with key material bound to this connection, `label` and `context` (RFC 5705, RFC 8446 section
    /// 7.5). Under TLS 1.2 an empty context differs from none.
    ///
    /// # Errors
    ///
    /// `output` is empty, or too long for the hash in use.
    pub fn export_keying_material<T: AsMut<[u8]>>(
        &self,
        output: T,
        label: &[u8],
        context: Option<&[u8]>,
    ) -> Result<T, rustls::Error> {
        self.connection.export_keying_material(output, label, context)
    }
}

impl fmt::Debug for TlsInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsInfo")
            .field("version", &self.version())
            .field("cipher_suite", &self.cipher_suite())
            .field("key_exchange", &self.key_exchange())
            .field("alpn", &self.alpn().map(<[u8]>::escape_ascii).map(|name| name.to_string()))
            .field("server_name", &self.server_name())
            .field("resumed", &self.is_resumed())
            .field("peer_certificates", &self.peer_certificates().len())
            .finish()
    }
}
