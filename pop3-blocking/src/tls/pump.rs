//! The only place that drives a rustls connection: [`Pump`], records in, octets out, and the other way round.
//!
//! A pump waits for nothing by itself. The transport has it read records with [`read_records`](Pump::read_records),
//! decrypt them with [`process`](Pump::process) and takes the octets with [`take`](Pump::take). For the other direction
//! [`seal`](Pump::seal) makes records and [`write_records`](Pump::write_records) hands them to one gathering write.
//!
//! rustls reads into its own buffer, which grows to a full record while records keep coming and shrinks to 4 KiB when
//! they do not; a buffer of ours in front of it was measured and gained nothing.

use std::io::{self, BufRead as _, Read, Write};

use rustls::{
    AlertDescription, ClientConnection, Connection, ContentType, ProtocolVersion, ServerConnection,
};

use super::binding;
use super::info::TlsInfo;
use super::witness::Witness;
use super::{ALPN, ClientTls, ServerName, ServerTls};

/// A TLS connection without its stream.
pub(crate) struct Pump {
    connection: Connection,
    opening: Opening,
    /// Octets that are decrypted and not yet taken.
    plaintext: usize,
    /// Whether there ever were any.
    has_heard: bool,
    peer_has_closed: bool,
    /// The name a client asked for.
    server: Option<ServerName>,
    witness: Witness,
    requires_alpn: bool,
}

impl Pump {
    /// In a frame that is gone before the handshake, like [`server`](Self::server): a connection is large, and the stack of
    /// a server's session is small.
    #[inline(never)]
    pub(crate) fn client(tls: &ClientTls, server: &ServerName) -> Result<Box<Self>, rustls::Error> {
        let (witness, config) = Witness::of_client(&tls.config_for(server));
        let connection = ClientConnection::new(config, server.to_rustls())?;
        Ok(Self::new(connection.into(), Some(server.clone()), witness, tls.requires_alpn()))
    }

    #[inline(never)]
    pub(crate) fn server(tls: &ServerTls) -> Result<Box<Self>, rustls::Error> {
        let (witness, config) = Witness::of_server(&tls.config());
        let connection = ServerConnection::new(config)?;
        Ok(Self::new(connection.into(), None, witness, tls.requires_alpn()))
    }

    fn new(
        connection: Connection,
        server: Option<ServerName>,
        witness: Witness,
        requires_alpn: bool,
    ) -> Box<Self> {
        Box::new(Self {
            connection,
            opening: Opening::default(),
            plaintext: 0,
            has_heard: false,
            peer_has_closed: false,
            server,
            witness,
            requires_alpn,
        })
    }

    /// Reads once from `stream`; zero at its end. Only to be called when there is no plaintext left to take.
    pub(crate) fn read_records(&mut self, stream: &mut dyn Read) -> io::Result<usize> {
        if self.opening.is_complete() {
            return self.connection.read_tls(stream);
        }
        self.connection.read_tls(&mut Listening { stream, opening: &mut self.opening })
    }

    /// Decrypts all whole records that were read.
    ///
    /// # Errors
    ///
    /// A fatal error; an alert for the peer may wait in [`write_records`](Self::write_records). The same error is
    /// returned again by later calls. Plaintext of earlier records may wait all the same.
    pub(crate) fn process(&mut self) -> Result<(), rustls::Error> {
        let outcome = match self.connection.process_new_packets() {
            Ok(state) => {
                self.plaintext = state.plaintext_bytes_to_read();
                self.peer_has_closed = state.peer_has_closed();
                self.remember_end_point();
                Ok(())
            }
            Err(error) => {
                self.plaintext = self.connection.reader().fill_buf().map_or(0, <[u8]>::len);
                Err(error)
            }
        };
        self.has_heard |= self.plaintext > 0;
        outcome
    }

    /// Moves decrypted octets into `room`; zero if there are none.
    pub(crate) fn take(&mut self, room: &mut [u8]) -> usize {
        if self.plaintext == 0 {
            return 0;
        }
        let taken = self.connection.reader().read(room).unwrap_or(0);
        self.plaintext = if taken == 0 { 0 } else { self.plaintext.saturating_sub(taken) };
        taken
    }

    /// Encrypts octets, as many as fit into the send buffer of 64 KiB, and says how many.
    ///
    /// # Errors
    ///
    /// The fatal error that [`process`](Self::process) met before.
    pub(crate) fn seal(&mut self, octets: &[u8]) -> Result<usize, rustls::Error> {
        match self.connection.writer().write(octets) {
            Ok(0) => Err(rustls::Error::EncryptError),
            Ok(sealed) => Ok(sealed),
            Err(error) => {
                Err(match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    Some(inner) => inner.clone(),
                    None => rustls::Error::General(error.to_string()),
                })
            }
        }
    }

    /// Writes waiting records with one gathering write.
    pub(crate) fn write_records(&mut self, stream: &mut dyn Write) -> io::Result<usize> {
        self.connection.write_tls(stream)
    }

    /// Queues `close_notify`, unless one or a fatal alert has been sent.
    pub(crate) fn send_close_notify(&mut self) {
        self.connection.send_close_notify();
    }

    pub(crate) const fn has_plaintext(&self) -> bool {
        self.plaintext > 0
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether `close_notify` came in.
    pub(crate) const fn peer_has_closed(&self) -> bool {
        self.peer_has_closed
    }

    /// Whether what was received, if anything, starts like TLS.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.opening.is_tls()
    }

    /// The alert for a client whose opening rustls has no good answer to; `None` leaves the answer to rustls.
    ///
    /// - No TLS at all: `decode_error`.
    /// - A name without a certificate: rustls would say `access_denied`, but there is `unrecognized_name` (R9325-3.7).
    /// - A ClientHello of TLS 1.1 or older without signature algorithms, which were new in TLS 1.2: rustls misses those
    ///   first and would say `handshake_failure`, but the answer to an old version is `protocol_version` (R8996-4.1).
    pub(crate) fn alert_in_clear(&self, error: Option<&rustls::Error>) -> Option<&'static [u8]> {
        let Connection::Server(server) = &self.connection else { return None };
        if !self.speaks_tls() {
            return Some(&[21, 3, 3, 0, 2, 2, 50]);
        }
        if self.witness.has_refused_name() && server.server_name().is_some() {
            return Some(&[21, 3, 3, 0, 2, 2, 112]);
        }
        let missing = rustls::PeerIncompatible::SignatureAlgorithmsExtensionRequired;
        (self.opening.is_old_hello() && error == Some(&rustls::Error::PeerIncompatible(missing)))
            .then_some(&[21, 3, 1, 0, 2, 2, 70])
    }

    /// Whether ALPN is required by configuration and was not agreed on.
    pub(crate) fn lacks_alpn(&self) -> bool {
        self.requires_alpn && self.connection.alpn_protocol() != Some(ALPN)
    }

    /// On a client, the alert by which the server refuses its certificate, or its lack of one, if `error` is that.
    ///
    /// That alert comes after the ServerHello: before it `access_denied` means a name that the server does not serve. It
    /// comes before any other word. TLS 1.2 has no alert of its own for a certificate that is missing, but behind the
    /// ServerHello nothing else is left to disagree about (RFC 5246 section 7.4.6).
    pub(crate) fn refused_certificate(&self, error: &rustls::Error) -> Option<AlertDescription> {
        let rustls::Error::AlertReceived(alert) = error else { return None };
        let version = match &self.connection {
            Connection::Client(client) if !self.has_heard => client.protocol_version()?,
            _ => return None,
        };
        let refuses = match alert {
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => true,
            AlertDescription::HandshakeFailure => version == ProtocolVersion::TLSv1_2,
            _ => false,
        };
        refuses.then_some(*alert)
    }

    pub(crate) const fn info(&self) -> TlsInfo<'_> {
        TlsInfo::new(&self.connection, self.server.as_ref(), &self.witness)
    }

    /// On a server, puts the channel binding of the certificate into the tickets to come: connections that resume the
    /// session are bound to the certificate of its start (R5929-4.1), which may be replaced by then.
    ///
    /// Tickets follow the client's last flight, and that follows the certificate, so this is in time.
    fn remember_end_point(&mut self) {
        let Connection::Server(server) = &mut self.connection else { return };
        if !server.is_handshaking() {
            return;
        }
        let resumed = server.received_resumption_data().map(<[u8]>::to_vec);
        let end_point =
            resumed.or_else(|| self.witness.shown().and_then(|shown| binding::server_end_point(&shown)));
        server.set_resumption_data(&end_point.unwrap_or_default());
    }
}

/// The first octets of the peer, up to and with the version in a ClientHello.
#[derive(Default)]
struct Opening {
    octets: [u8; 11],
    known: usize,
}

impl Opening {
    fn hear(&mut self, octets: &[u8]) {
        for (kept, octet) in self.octets.iter_mut().skip(self.known).zip(octets) {
            *kept = *octet;
            self.known += 1;
        }
    }

    const fn is_complete(&self) -> bool {
        self.known == self.octets.len()
    }

    /// Whether the first octet is the type of a TLS record. In the hello of SSL 2.0 it is a length (R6176-3.1).
    fn is_tls(&self) -> bool {
        self.known == 0
            || matches!(
                ContentType::from(self.octets[0]),
                ContentType::ChangeCipherSpec
                    | ContentType::Alert
                    | ContentType::Handshake
                    | ContentType::ApplicationData
            )
    }

    /// Whether it is a ClientHello of TLS 1.1 or older.
    const fn is_old_hello(&self) -> bool {
        matches!(self.octets, [22, 3, _, _, _, 1, _, _, _, 3, minor] if minor < 3)
    }
}

/// Reads for rustls and takes note of the opening.
struct Listening<'a> {
    stream: &'a mut dyn Read,
    opening: &'a mut Opening,
}

impl Read for Listening<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let octets = self.stream.read(room)?;
        self.opening.hear(room.get(..octets).unwrap_or_default());
        Ok(octets)
    }
}
