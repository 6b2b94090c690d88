//! One message on its way in.

use std::io::{self, Read, Write};

use pop3_proto::{ClientEvent, CommandId};

use super::error::Error;
use super::link::Link;
use crate::transport::Stream;

/// A message that is being received: the octets as the server sent them, byte-stuffing removed, line ends untouched.
///
/// Read it to its end. `Ok(0)` from [`read`](Read::read) means that the message is complete: its terminator was seen
/// (RP-CLOSE.2). An error means that what was read is *not* the message; keep nothing of it. The error is an
/// [`Error`] inside the [`io::Error`].
///
/// A message that is dropped before its end is received and thrown away by the next command of the session. Memory does
/// not grow with the message.
#[derive(Debug)]
pub struct Message<'s, S> {
    link: &'s mut Link<S>,
    id: CommandId,
    octets: u64,
    complete: bool,
}

impl<'s, S: Stream> Message<'s, S> {
    pub(super) const fn new(link: &'s mut Link<S>, id: CommandId) -> Self {
        Self { link, id, octets: 0, complete: false }
    }

    /// Whether the end of the message was seen.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many octets have been read so far.
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Gives the rest of the message to `sink` in pieces as they lie in the input, without another copy.
    ///
    /// # Errors
    ///
    /// [`Error::Caller`] if `sink` failed: the session can go on, and the rest of the message is thrown away by its next
    /// command. Any other: the message is not complete, and the connection is over.
    pub fn copy_to(&mut self, sink: &mut (impl Write + ?Sized)) -> Result<u64, Error> {
        while !self.complete {
            self.step(usize::MAX, |chunk| sink.write_all(chunk).err())?
                .map_or(Ok(()), |error| Err(Error::Caller(error)))?;
        }
        Ok(self.octets)
    }

    /// Reads the whole message into memory.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Self::copy_to). The limit is [`ClientLimits::message`](pop3_proto::ClientLimits::message).
    pub fn into_vec(mut self) -> Result<Vec<u8>, Error> {
        let mut octets = Vec::new();
        self.copy_to(&mut octets)?;
        Ok(octets)
    }

    fn step<R: Default>(&mut self, window: usize, take: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        let (octets, complete) = (&mut self.octets, &mut self.complete);
        let id = self.id;
        self.link.event(window, |event| match event {
            ClientEvent::Body(of, chunk) if of == id => {
                *octets = octets.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                take(chunk)
            }
            // The only other event that a message can bring is its end.
            _ => {
                *complete = true;
                R::default()
            }
        })
    }
}

impl<S: Stream> Read for Message<'_, S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        while !self.complete {
            let taken = self.step(room.len(), |chunk| {
                // No more than the window was looked at, and un-stuffing never adds.
                room.get_mut(..chunk.len()).map_or(0, |part| {
                    part.copy_from_slice(chunk);
                    chunk.len()
                })
            })?;
            if taken > 0 {
                return Ok(taken);
            }
        }
        Ok(0)
    }
}
