//! Plain or TLS over any stream, with deadlines and an orderly close: [`Transport`].
//!
//! Both drivers, client and server, move their octets through this type and through nothing else. It promises:
//!
//! - Every wait ends: each call has a [`Deadline`] (R7, PB-C04).
//! - TLS starts by consuming the plain transport; when the handshake does not succeed the stream is dropped. There is no
//!   half-made state and no way back to clear text (PB-C07, R2595-2.5).
//! - An orderly end ([`Input::Closed`]: FIN on plain, `close_notify` under TLS) differs in type from a cut
//!   ([`TransportError::Truncated`]: FIN under TLS without `close_notify`) (RP-CLOSE.2, R8446-6.1).
//! - Errors and ends are sticky for reading and for writing, each for itself: after a write that failed a last reply may
//!   still be read. Only a read that timed out may be repeated, since it moved nothing.
//! - A write never reads. Two peers that both write much and read nothing stop each other; the progress limit of
//!   [`write_all`](Transport::write_all) ends that. Whoever pipelines bounds what is outstanding.
//!
//! On plain transports nothing is buffered here. Under TLS what one read brought, at most a full record and a part of
//! the next, waits inside; [`has_buffered`](Transport::has_buffered) tells.
//!
//! Source: RFC 8314 sections 3 and 4, RFC 2595 section 4, RFC 8446 section 6.1, RFC 5246 section 7.2.1.

use core::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::tls::pump::Pump;
use crate::tls::{ClientTls, ServerName, ServerTls, TlsInfo, TlsVersion};

mod deadline;
mod error;
mod stream;
#[cfg(test)]
#[cfg(all(unix, any(feature = "aws-lc-rs", feature = "ring")))]
mod tests;
mod wire;

use error::Ended;
use wire::Wire;

pub use deadline::Deadline;
pub use error::TransportError;
pub use stream::{Stream, Untimed};

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must match both: data and the end of data")]
#[must_use]
pub enum Input {
    /// So many octets stand at the start of the room; more than zero unless the room was empty.
    Octets(usize),
    /// The peer ended its side in good order; every later read says the same. Whether that is in place here only the
    /// protocol knows: within a reply it is a truncation all the same (RP-CLOSE.2).
    Closed,
}

/// A connection to a peer, plain or under TLS.
///
/// Dropping it closes the stream at once and says nothing: under TLS the peer will see a truncation. Use
/// [`close`](Self::close) wherever the protocol came to its end, and after a time-out too.
pub struct Transport<S> {
    wire: Wire<S>,
    tls: Option<Box<Pump>>,
    reading: Option<Ended>,
    writing: Option<Ended>,
    /// What TLS has to say of the end waits until the transport is closed or cut.
    holds_end: bool,
}

impl<S: Stream> Transport<S> {
    /// A transport without TLS over `stream`, which must be in blocking mode.
    pub const fn plain(stream: S) -> Self {
        Self { wire: Wire::new(stream), tls: None, reading: None, writing: None, holds_end: false }
    }

    /// Starts TLS as a client and completes the handshake: first thing on a pop3s port, or right after the `+OK` to
    /// STLS.
    ///
    /// Octets that the caller has received behind that `+OK` must have ended the connection before this call (R3).
    /// The server must show a certificate for `server`; one that is refused is also logged (R9525-6.6).
    ///
    /// # Errors
    ///
    /// The stream is dropped in every case.
    ///
    /// - [`TransportError::Tls`]: the handshake was refused by either side; see
    ///   [`is_certificate_error`](TransportError::is_certificate_error).
    /// - [`TransportError::ClientCertificateRefused`]: the server wants another client certificate, or any at all. Under
    ///   TLS 1.3 the first [`read`](Self::read) reports that.
    /// - [`TransportError::NotTls`]: the server answered in another protocol.
    /// - [`TransportError::NoAlpn`]: the configuration requires ALPN and the server did not answer it.
    /// - [`TransportError::ClosedInHandshake`], [`TransportError::TimedOut`], [`TransportError::Io`].
    /// - [`TransportError::AlreadyTls`]: the program called this twice.
    ///
    /// # Source
    ///
    /// R8314-3.1, R2595-4.3, R2595-4.4, R9325-3.7, R9325-3.8, R9525-6.6.
    pub fn connect_tls(
        mut self,
        tls: &ClientTls,
        server: &ServerName,
        deadline: Deadline,
    ) -> Result<Self, TransportError> {
        self.start_tls(Pump::client(tls, server)?, deadline).inspect_err(|error| {
            if error.is_certificate_error() {
                log::warn!("certificate of {server} refused: {error}");
            }
        })?;
        Ok(self)
    }

    /// Starts TLS as a server and completes the handshake: first thing on a pop3s port, or right after the `+OK` to
    /// STLS was written.
    ///
    /// Octets that the client sent behind STLS must have ended the connection before this call (R1). The deadline is
    /// that of the login; a stalled handshake is a stalled login (R32, PB-S38).
    ///
    /// # Errors
    ///
    /// The stream is dropped in every case. Before that the client gets its TLS alert, and up to one second is spent
    /// reading what it still sends, so that the alert is not destroyed by a reset.
    ///
    /// - [`TransportError::Tls`]: the handshake was refused by either side: no common version (R8996-4.1), no common
    ///   application protocol (R7301-3.2), no acceptable client certificate.
    /// - [`TransportError::NotTls`]: the client speaks another protocol; it was sent a TLS alert (PB-Q66).
    /// - [`TransportError::NoAlpn`]: the configuration requires ALPN and the client did not offer it.
    /// - [`TransportError::ClosedInHandshake`], [`TransportError::TimedOut`], [`TransportError::Io`].
    /// - [`TransportError::AlreadyTls`]: the program called this twice.
    ///
    /// # Source
    ///
    /// R8314-3.1, R2595-4.3, R7301-3.2, R8996-4.1.
    pub fn accept_tls(mut self, tls: &ServerTls, deadline: Deadline) -> Result<Self, TransportError> {
        let outcome = self.start_tls(Pump::server(tls)?, deadline);
        if let Err(error) = outcome {
            if matches!(error, TransportError::Tls(_) | TransportError::NotTls | TransportError::NoAlpn) {
                let linger = Deadline::after(ALERT_LIMIT).earlier(deadline);
                if self.wire.shutdown_write().is_ok() {
                    self.wire.drain(DRAIN_OCTETS, linger);
                }
            }
            return Err(error);
        }
        Ok(self)
    }

    /// Reads some octets into `room`, waiting until `deadline` if none are there.
    ///
    /// Octets that are decrypted already are handed out first, without a system call and also after the deadline; they
    /// are kept as long as `room` is too small for them. An empty `room` reads nothing.
    ///
    /// # Errors
    ///
    /// - [`TransportError::TimedOut`]: nothing came in time. Nothing changed; the call may be repeated.
    /// - [`TransportError::Truncated`]: under TLS, the stream ended without `close_notify`.
    /// - [`TransportError::Tls`]: a record was damaged or a fatal alert came in.
    /// - [`TransportError::ClientCertificateRefused`]: on a client, the server's late refusal of its certificate.
    /// - [`TransportError::Io`]: for example a reset.
    ///
    /// All but the first are repeated by every later read.
    ///
    /// # Source
    ///
    /// R8446-6.1, RP-CLOSE.2, RDM-2.1g.
    pub fn read(&mut self, room: &mut [u8], deadline: Deadline) -> Result<Input, TransportError> {
        if room.is_empty() {
            return Ok(Input::Octets(0));
        }
        loop {
            let taken = self.tls.as_mut().map_or(0, |pump| pump.take(room));
            if taken > 0 {
                return Ok(Input::Octets(taken));
            }
            if let Some(ended) = &self.reading {
                return if *ended == Ended::Closed { Ok(Input::Closed) } else { Err(ended.error()) };
            }
            match self.receive(room, deadline) {
                Ok(None) => {}
                Ok(Some(Input::Closed)) => self.reading = Some(Ended::Closed),
                Ok(Some(input)) => return Ok(input),
                Err(TransportError::TimedOut) => return Err(TransportError::TimedOut),
                Err(error) => {
                    self.reading = Some(Ended::by(&error));
                    // What was decrypted before the fault is good and goes first.
                    if !self.tls.as_ref().is_some_and(|pump| pump.has_plaintext()) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Writes all of `octets`, giving up when none could be written for `progress_limit` or at `deadline`.
    ///
    /// Each octet that the system takes renews the limit, so that a slow but reading peer is never cut off
    /// (R1939-3.17). Because a call that waits reports its partial success only at its end, a peer that stops reading is
    /// found out after at least one and at most two limits. The call does not read (see the module's promises).
    ///
    /// Under TLS the octets become full records, up to four of which leave in one system call; collect a whole reply
    /// before writing it, since each call makes at least one record.
    ///
    /// # Errors
    ///
    /// All are final for writing, since part of the octets may have left.
    ///
    /// - [`TransportError::TimedOut`]: no progress, or the deadline passed.
    /// - [`TransportError::Tls`]: reading has already met a fatal TLS error.
    /// - [`TransportError::Io`]: for example a reset, or `BrokenPipe` after the peer's `close_notify` under TLS 1.2,
    ///   which forbids to go on writing.
    pub fn write_all(
        &mut self,
        octets: &[u8],
        progress_limit: Duration,
        deadline: Deadline,
    ) -> Result<(), TransportError> {
        if let Some(ended) = &self.writing {
            return Err(ended.error());
        }
        let outcome = self.send(octets, || Deadline::after(progress_limit).earlier(deadline));
        if let Err(error) = &outcome {
            self.writing = Some(Ended::by(error));
        }
        outcome
    }

    /// Ends the connection in good order: `close_notify` under TLS, then the end of the stream, then the drop.
    ///
    /// `drain` is for the side that ends a connection on which the peer may still be sending, as a server does after
    /// its last reply: up to so long, and up to 64 KiB, the input is read and forgotten. Closing a socket with unread
    /// input resets it, and the reset would destroy the reply on its way (RP-CLOSE.1, PB-S34). As soon as the peer ends
    /// its side the drain is over; a few seconds are enough. A client that has the last reply passes `None`: nobody
    /// waits for the peer's `close_notify` (R8314-3.4).
    ///
    /// # Errors
    ///
    /// [`TransportError::TimedOut`] or [`TransportError::Io`] if the end could not be sent, or the error that had ended
    /// writing before. The stream is dropped in every case; there is nothing left to do.
    pub fn close(mut self, drain: Option<Duration>) -> Result<(), TransportError> {
        let deadline = Deadline::after(drain.unwrap_or(CLOSE_LIMIT));
        match &self.writing {
            None | Some(Ended::Closed) => {}
            Some(ended) => return Err(ended.error()),
        }
        if let Some(pump) = &mut self.tls {
            pump.send_close_notify();
            flush(&mut self.wire, pump, || deadline)?;
        }
        self.wire.flush()?;
        self.wire.shutdown_write()?;
        // After a fatal TLS error the peer may still be sending, and our alert is on its way.
        if drain.is_some() && matches!(self.reading, None | Some(Ended::Tls(_) | Ended::Refused(_))) {
            self.wire.drain(DRAIN_OCTETS, deadline);
        }
        Ok(())
    }

    /// Has no read tell the peer of the end, by an alert or an answer to its `close_notify`: [`close`](Self::close) and
    /// [`cut`](Self::cut) do. For a server, whose client must not see an end before the maildrop is free (R39).
    pub(crate) const fn hold_end(&mut self) {
        self.holds_end = true;
    }

    /// Drops the stream without an orderly end. An alert that was held leaves first.
    pub(crate) fn cut(mut self) {
        if let (Some(pump), Some(Ended::Tls(_) | Ended::Refused(_))) = (&mut self.tls, &self.reading) {
            flush_alert(&mut self.wire, pump, Deadline::NEVER);
        }
    }

    /// Whether the next [`read`](Self::read) answers without a system call: decrypted octets are waiting, or reading
    /// has ended.
    ///
    /// A server that is asked "nothing pipelined is waiting, may I flush?" combines this with its own buffer. On a
    /// plain transport nothing is held back here, so the answer is `false` until the end.
    pub fn has_buffered(&self) -> bool {
        self.reading.is_some()
            || self.tls.as_ref().is_some_and(|pump| pump.has_plaintext() || pump.peer_has_closed())
    }

    /// What TLS negotiated, or `None` on a plain transport.
    pub fn tls(&self) -> Option<TlsInfo<'_>> {
        self.tls.as_ref().map(|pump| pump.info())
    }

    /// Whether the octets are protected by TLS.
    pub const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The stream, for its addresses and options. Timeouts set on it are overwritten; reading or writing it breaks TLS.
    pub const fn get_ref(&self) -> &S {
        self.wire.get_ref()
    }

    /// The address of the peer, if the stream has one.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.wire.get_ref().peer_addr()
    }

    fn start_tls(&mut self, pump: Box<Pump>, deadline: Deadline) -> Result<(), TransportError> {
        if self.tls.is_some() {
            return Err(TransportError::AlreadyTls);
        }
        if let Some(ended) = self.writing.as_ref().or(self.reading.as_ref()) {
            return Err(ended.error());
        }
        let pump = self.tls.insert(pump);
        handshake(&mut self.wire, pump, deadline)?;
        if pump.lacks_alpn() {
            pump.send_close_notify();
            flush_alert(&mut self.wire, pump, deadline);
            return Err(TransportError::NoAlpn);
        }
        Ok(())
    }

    /// One step of a read: octets into `room`, the end, or `None` if something came that is to be looked at again.
    fn receive(&mut self, room: &mut [u8], deadline: Deadline) -> Result<Option<Input>, TransportError> {
        let Some(pump) = &mut self.tls else {
            return self.wire.read(deadline, |stream| stream.read(room)).map(|octets| match octets {
                0 => Some(Input::Closed),
                _ => Some(Input::Octets(octets)),
            });
        };
        if !pump.peer_has_closed() {
            let octets = self.wire.read(deadline, |stream| pump.read_records(stream))?;
            if octets == 0 {
                return Err(TransportError::Truncated);
            }
            if let Err(error) = pump.process() {
                if !self.holds_end {
                    flush_alert(&mut self.wire, pump, deadline);
                }
                return Err(fault(pump, error));
            }
        }
        if pump.has_plaintext() || !pump.peer_has_closed() {
            return Ok(None);
        }
        // TLS 1.2 wants the answer at once and nothing after it; TLS 1.3 lets our side go on (RFC 8446 section 6.1).
        if pump.info().version() == TlsVersion::Tls12 && self.writing.is_none() {
            pump.send_close_notify();
            if !self.holds_end {
                flush_alert(&mut self.wire, pump, deadline);
            }
            self.writing = Some(Ended::Closed);
        }
        Ok(Some(Input::Closed))
    }

    fn send(&mut self, octets: &[u8], limit: impl Fn() -> Deadline) -> Result<(), TransportError> {
        let mut rest = octets;
        while !rest.is_empty() {
            let sent = match &mut self.tls {
                None => self.wire.write(limit(), |stream| stream.write(rest))?,
                Some(pump) => {
                    let sealed = pump.seal(rest)?;
                    flush(&mut self.wire, pump, &limit)?;
                    sealed
                }
            };
            rest = rest.get(sent..).unwrap_or_default();
        }
        self.wire.flush()
    }
}

impl<S> fmt::Debug for Transport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("tls", &self.tls.is_some())
            .field("reading", &self.reading)
            .field("writing", &self.writing)
            .finish_non_exhaustive()
    }
}

/// Reads and writes until the handshake is done. Each round waits for at least one octet, so a peer cannot make it spin
/// (PB-S39).
fn handshake<S: Stream>(
    wire: &mut Wire<S>,
    pump: &mut Pump,
    deadline: Deadline,
) -> Result<(), TransportError> {
    loop {
        flush(wire, pump, || deadline)?;
        if !pump.is_handshaking() {
            return wire.flush();
        }
        wire.flush()?;
        let octets = wire.read(deadline, |stream| pump.read_records(stream))?;
        if octets == 0 {
            return Err(TransportError::ClosedInHandshake);
        }
        let outcome = if pump.speaks_tls() {
            pump.process().map_err(|error| fault(pump, error))
        } else {
            Err(TransportError::NotTls)
        };
        if let Err(error) = outcome {
            let fault = if let TransportError::Tls(fault) = &error { Some(fault) } else { None };
            match pump.alert_in_clear(fault) {
                Some(alert) => write_alert(wire, alert, deadline),
                None => flush_alert(wire, pump, deadline),
            }
            return Err(error);
        }
    }
}

/// A fatal error of TLS, by the name that tells most.
fn fault(pump: &Pump, error: rustls::Error) -> TransportError {
    match pump.refused_certificate(&error) {
        Some(alert) => TransportError::ClientCertificateRefused(alert),
        None => TransportError::Tls(error),
    }
}

/// Writes the records that wait in `pump`; `limit` is asked anew before each system call.
fn flush<S: Stream>(
    wire: &mut Wire<S>,
    pump: &mut Pump,
    limit: impl Fn() -> Deadline,
) -> Result<(), TransportError> {
    while pump.wants_write() {
        wire.write(limit(), |stream| pump.write_records(stream))?;
    }
    Ok(())
}

/// Writes an alert made by hand, as [`flush_alert`] does.
fn write_alert<S: Stream>(wire: &mut Wire<S>, alert: &[u8], deadline: Deadline) {
    let deadline = Deadline::after(ALERT_LIMIT).earlier(deadline);
    // So few octets leave at once or not at all.
    if wire.write(deadline, |stream| stream.write(alert)).is_ok() {
        drop(wire.flush());
    }
}

/// Writes waiting alerts, for a short time and with no regard to success: what is reported is what caused them.
fn flush_alert<S: Stream>(wire: &mut Wire<S>, pump: &mut Pump, deadline: Deadline) {
    let deadline = Deadline::after(ALERT_LIMIT).earlier(deadline);
    if flush(wire, pump, || deadline).is_ok() {
        drop(wire.flush());
    }
}

/// How long a TLS alert may take to leave, and how long it is protected from a reset.
const ALERT_LIMIT: Duration = Duration::from_secs(1);

/// How long `close_notify` may take to leave when nothing is drained.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// How much input is read and forgotten at the end. A client that sends more than this behind `QUIT` risks the reply.
const DRAIN_OCTETS: usize = 64 * 1024;
