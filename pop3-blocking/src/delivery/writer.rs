//! Delivery into any [`io::Write`], such as standard output: the octets of one message after the other, as received.
//!
//! Nothing is put between messages; each ends with the CRLF that ended it on the wire. A pipe tells nobody what
//! became of the octets, so that a finished message is [`Durability::Written`] and never a reason for a `DELE`.

use core::fmt;
use std::io;

use super::{Delivery, DeliveryError, Durability, Incoming};

/// Hands messages on to a writer.
///
/// Octets cannot be taken back from a writer: a message that is dropped unfinished leaves its beginning there. Then
/// every later [`begin`](Delivery::begin) is refused with [`DeliveryError::Torn`], so that nothing is ever glued to a
/// cut message (PB-C16). Wrap a slow writer into [`io::BufWriter`]; `finish` flushes it.
pub struct WriterDelivery<W> {
    writer: W,
    torn: bool,
}

impl<W: io::Write> WriterDelivery<W> {
    /// Delivers into `writer`.
    pub const fn new(writer: W) -> Self {
        Self { writer, torn: false }
    }

    /// The writer, with all finished messages.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

impl<W> fmt::Debug for WriterDelivery<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterDelivery").field("torn", &self.torn).finish_non_exhaustive()
    }
}

impl<W: io::Write> Delivery for WriterDelivery<W> {
    fn begin(&mut self) -> Result<Box<dyn Incoming + '_>, DeliveryError> {
        if self.torn {
            return Err(DeliveryError::Torn);
        }
        Ok(Box::new(Passing { delivery: self, failed: false }))
    }
}

struct Passing<'a, W> {
    delivery: &'a mut WriterDelivery<W>,
    failed: bool,
}

impl<W: io::Write> io::Write for Passing<'_, W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if octets.is_empty() {
            return Ok(0);
        }
        // From the first octet until `finish` the writer ends in a cut message.
        self.delivery.torn = true;
        loop {
            match self.delivery.writer.write(octets) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(n) if n > 0 => return Ok(n),
                result => {
                    self.failed = true;
                    return result;
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.delivery.writer.flush().inspect_err(|_| self.failed = true)
    }
}

impl<W: io::Write> Incoming for Passing<'_, W> {
    fn finish(mut self: Box<Self>) -> Result<Durability, DeliveryError> {
        if self.failed {
            return Err(DeliveryError::Torn);
        }
        if let Err(e) = io::Write::flush(&mut *self) {
            self.delivery.torn = true;
            return Err(e.into());
        }
        self.delivery.torn = false;
        Ok(Durability::Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn r36_a_pipe_never_promises_durability() {
        let mut out = WriterDelivery::new(Vec::new());
        for message in [&b"a: b\r\n\r\nx\r\n"[..], b"\0\xff\rFrom \n\r\n", b""] {
            let mut incoming = out.begin().unwrap();
            incoming.write_all(message).unwrap();
            assert_eq!(incoming.finish().unwrap(), Durability::Written);
        }
        assert_eq!(out.into_inner(), b"a: b\r\n\r\nx\r\n\0\xff\rFrom \n\r\n");
    }

    #[test]
    fn pb_c16_nothing_is_glued_to_a_cut_message() {
        let mut out = WriterDelivery::new(Vec::new());
        drop(out.begin().unwrap()); // nothing written yet, so nothing is cut
        let mut incoming = out.begin().unwrap();
        incoming.write_all(b"half a mess").unwrap();
        drop(incoming);
        assert!(matches!(out.begin(), Err(DeliveryError::Torn)));
    }

    /// Takes `room` octets, then says that the disk is full, once.
    struct Full {
        room: usize,
        said: bool,
    }

    impl Write for Full {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            if self.room == 0 && !self.said {
                self.said = true;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let n = if self.said { octets.len() } else { octets.len().min(self.room) };
            self.room = self.room.saturating_sub(n);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn r36_a_failed_write_is_final() {
        let mut out = WriterDelivery::new(Full { room: 4, said: false });
        let mut incoming = out.begin().unwrap();
        assert_eq!(incoming.write_all(b"0123456789").unwrap_err().kind(), io::ErrorKind::StorageFull);
        incoming.write_all(b"456789").unwrap(); // there is room again, but octets may be missing
        assert!(matches!(incoming.finish(), Err(DeliveryError::Torn)));
        assert!(matches!(out.begin(), Err(DeliveryError::Torn)));
    }
}
