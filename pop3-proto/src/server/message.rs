//! How a session sends a message: `RETR` and `TOP`.
//!
//! Driven by [`Session::start_message`], [`Session::body`] and [`Session::end_message`]. A message that fails midway has no
//! end line: the client must not take the part for the whole (R1939-3.18).

use super::Phrase;
use super::session::{Pending, Session};
use crate::body::{Progress, TopFilter};
use crate::buffer::Sink;
use crate::error::{ApiMisuse, ReplyError};
use crate::maildrop::Storage;

impl<S: Storage> Session<'_, S> {
    /// Tells that the message of [`Request::Message`](super::Request::Message) is open; writes `+OK`. Then call [`body`](Self::body).
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn start_message(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        let Pending::Message { octets, top } = self.pending else {
            return Err(ApiMisuse::ReplyNotOwed.into());
        };
        let phrase = if top.is_some() { Phrase::MessageFollows } else { Phrase::MessageHasOctets };
        let text = self.filled(phrase, 1, octets);
        self.server.start_body(text.as_bytes(), self.config.rules, out)?;
        self.pending = Pending::Sending {
            expected: if top.is_some() { None } else { Some(octets) },
            filter: top.map(TopFilter::new),
        };
        self.bad_in_a_row = 0;
        Ok(())
    }

    /// Encodes octets of the message into `room`.
    ///
    /// Call it with what was read from the store (LF or CRLF line ends) until all of it is
    /// [`read`](MessageProgress::read), flushing `room` as it fills, then with more; with `room` of less than three
    /// octets nothing may happen. When [`done`](MessageProgress::done) is set, or the message is at its end, call
    /// [`end_message`](Self::end_message). If the store fails in between: close, without another octet (R1939-3.18).
    ///
    /// # Errors
    ///
    /// [`ApiMisuse`]: no message is being sent.
    pub fn body(&mut self, source: &[u8], room: &mut [u8]) -> Result<MessageProgress, ApiMisuse> {
        let Pending::Sending { filter, .. } = &mut self.pending else {
            return Err(ApiMisuse::ReplyNotOwed);
        };
        let Some(filter) = filter else {
            let Progress { read, written } = self.server.body(source, room)?;
            return Ok(MessageProgress { read, written, done: false });
        };
        // The filter must not run ahead of what is encoded: give it no more than will surely fit, doubled by
        // byte-stuffing and line ends.
        let fits = room.len() / 3;
        let source = source.get(..source.len().min(fits)).unwrap_or(source);
        let (kept, done) = filter.take(source);
        let Progress { read, written } = self.server.body(kept, room)?;
        debug_assert_eq!(read, kept.len());
        Ok(MessageProgress { read: if done { read } else { source.len() }, written, done })
    }

    /// Ends the message: completes its last line and writes the final dot.
    ///
    /// # Errors
    ///
    /// - [`ReplyError::Full`]: flush and try again.
    /// - [`ReplyError::ApiMisuse`] with [`ApiMisuse::SizeMismatch`]: the message was not as long as announced. Close,
    ///   without another octet: the client must not take it for whole (PB-S30).
    pub fn end_message(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        let Pending::Sending { expected, .. } = self.pending else {
            return Err(ApiMisuse::ReplyNotOwed.into());
        };
        self.server.end_body(expected, out)?;
        match expected {
            Some(octets) => {
                self.counts.retrieved = self.counts.retrieved.saturating_add(1);
                self.counts.retrieved_octets = self.counts.retrieved_octets.saturating_add(octets);
            }
            None => self.counts.tops = self.counts.tops.saturating_add(1),
        }
        self.pending = Pending::Nothing;
        Ok(())
    }
}

/// What one call of [`Session::body`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct MessageProgress {
    /// Octets of the source that are done with.
    pub read: usize,
    /// Octets of the room that are filled.
    pub written: usize,
    /// Nothing more of the message is wanted: `TOP` has what it asked for.
    pub done: bool,
}
