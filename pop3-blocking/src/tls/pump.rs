//! The only place that drives a rustls connection: [`Pump`], records in, octets out, and the other way round.
//!
//! A pump does no input or output of its own. The transport reads records into [`room`](Pump::room), reports them with
//! [`received`](Pump::received), has them decrypted by [`digest`](Pump::digest) and takes the octets with
//! [`take`](Pump::take). For the other direction [`seal`](Pump::seal) makes records and
//! [`write_records`](Pump::write_records) hands them to one gathering write.
//!
//! The room exists because rustls by itself reads 4 KiB at a time: five system calls for one full record.

use std::io::{self, BufRead as _, Read as _, Write};
use std::ops::Range;

use rustls::{ClientConnection, Connection, ContentType, ServerConnection};

use super::info::TlsInfo;
use super::{ALPN, ClientTls, ServerName, ServerTls};

/// A TLS connection without its stream.
pub(crate) struct Pump {
    connection: Connection,
    /// Records as received.
    inbox: Box<[u8]>,
    /// Which part of `inbox` rustls has not yet seen.
    unseen: Range<usize>,
    /// The first octets the peer sent, up to and with the version in a ClientHello.
    opening: [u8; 11],
    opened: usize,
    /// Octets that are decrypted and not yet taken.
    plaintext: usize,
    peer_has_closed: bool,
    /// The name a client asked for.
    server: Option<ServerName>,
    requires_alpn: bool,
}

impl Pump {
    pub(crate) fn client(tls: &ClientTls, server: &ServerName) -> Result<Self, rustls::Error> {
        let connection = ClientConnection::new(tls.config().clone(), server.to_rustls())?;
        Ok(Self::new(connection.into(), Some(server.clone()), tls.requires_alpn()))
    }

    pub(crate) fn server(tls: &ServerTls) -> Result<Self, rustls::Error> {
        let connection = ServerConnection::new(tls.config().clone())?;
        Ok(Self::new(connection.into(), None, tls.requires_alpn()))
    }

    fn new(connection: Connection, server: Option<ServerName>, requires_alpn: bool) -> Self {
        Self {
            connection,
            inbox: vec![0; INBOX].into_boxed_slice(),
            unseen: 0..0,
            opening: [0; 11],
            opened: 0,
            plaintext: 0,
            peer_has_closed: false,
            server,
            requires_alpn,
        }
    }

    /// Where the next records go. Not empty as long as [`has_input`](Self::has_input) is false.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.unseen.is_empty() {
            self.unseen = 0..0;
        }
        self.inbox.get_mut(self.unseen.end..).unwrap_or_default()
    }

    /// So many octets were put into the room.
    pub(crate) fn received(&mut self, octets: usize) {
        let new = self.unseen.end..self.unseen.end.saturating_add(octets).min(self.inbox.len());
        for (kept, octet) in
            self.opening.iter_mut().skip(self.opened).zip(self.inbox.get(new.clone()).unwrap_or_default())
        {
            *kept = *octet;
            self.opened = self.opened.saturating_add(1);
        }
        self.unseen.end = new.end;
    }

    /// Decrypts what was received, until there is plaintext to take, all has been seen, or the peer has closed.
    ///
    /// # Errors
    ///
    /// A fatal error; an alert for the peer may wait in [`write_records`](Self::write_records). The same error is
    /// returned again by later calls. Plaintext of earlier records may wait all the same.
    pub(crate) fn digest(&mut self) -> Result<(), rustls::Error> {
        while self.has_input() && !self.has_plaintext() && !self.peer_has_closed {
            let mut records = self.inbox.get(self.unseen.clone()).unwrap_or_default();
            match self.connection.read_tls(&mut records) {
                Ok(0) => return Err(rustls::Error::General("no progress on received records".into())),
                Ok(seen) => self.unseen.start = self.unseen.start.saturating_add(seen),
                Err(error) => return Err(rustls::Error::General(error.to_string())),
            }
            let outcome = self.connection.process_new_packets();
            match &outcome {
                Ok(state) => {
                    self.plaintext = state.plaintext_bytes_to_read();
                    self.peer_has_closed = state.peer_has_closed();
                }
                Err(_) => self.plaintext = self.plaintext_after_error(),
            }
            outcome?;
        }
        if self.peer_has_closed {
            // Nothing behind a closure alert counts (RFC 8446 section 6.1).
            self.unseen = 0..0;
        }
        Ok(())
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
    /// The fatal error that [`digest`](Self::digest) met before.
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

    /// Whether records were received that rustls has not yet seen.
    pub(crate) fn has_input(&self) -> bool {
        !self.unseen.is_empty()
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

    /// Whether the first octet received starts a TLS record. The SSL 2.0 hello does not (R6176-3.1).
    pub(crate) fn speaks_tls(&self) -> bool {
        self.opened == 0
            || matches!(
                ContentType::from(self.opening[0]),
                ContentType::ChangeCipherSpec
                    | ContentType::Alert
                    | ContentType::Handshake
                    | ContentType::ApplicationData
            )
    }

    /// The alert for a client whose opening rustls has no good answer to; `None` leaves the answer to rustls.
    ///
    /// - No TLS at all: `decode_error`.
    /// - A ClientHello of TLS 1.1 or older without signature algorithms, which were new in TLS 1.2: rustls misses those
    ///   first and would say `handshake_failure`, but the answer to an old version is `protocol_version` (R8996-4.1).
    pub(crate) fn alert_in_clear(&self, error: Option<&rustls::Error>) -> Option<&'static [u8]> {
        if matches!(self.connection, Connection::Client(_)) {
            return None;
        }
        if !self.speaks_tls() {
            return Some(&[21, 3, 3, 0, 2, 2, 50]);
        }
        let missing = rustls::PeerIncompatible::SignatureAlgorithmsExtensionRequired;
        let old = matches!(self.opening, [22, 3, _, _, _, 1, _, _, _, 3, minor] if minor < 3);
        (old && error == Some(&rustls::Error::PeerIncompatible(missing))).then_some(&[21, 3, 1, 0, 2, 2, 70])
    }

    /// Whether ALPN is required by configuration and was not agreed on.
    pub(crate) fn lacks_alpn(&self) -> bool {
        self.requires_alpn && self.connection.alpn_protocol() != Some(ALPN)
    }

    pub(crate) const fn info(&self) -> TlsInfo<'_> {
        TlsInfo::new(&self.connection, self.server.as_ref())
    }

    fn plaintext_after_error(&mut self) -> usize {
        self.connection.reader().fill_buf().map_or(0, <[u8]>::len)
    }
}

/// One full record with its overhead, so that a bulk read is one system call for each (16,384 + 256 + 5 octets).
const INBOX: usize = 16_645;
