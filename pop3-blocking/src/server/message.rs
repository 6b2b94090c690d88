//! RETR and TOP: a message from the store to the client, in pieces of at most 32 KiB.

use std::io::{ErrorKind, Read};

use pop3_proto::server::{MessageProgress, Refusal};
use pop3_proto::{MessageNumber, ReplyError};

use super::Outcome;
use super::connection::Connection;
use super::login::store_refusal;
use super::output::LARGE;
use crate::Stream;
use crate::store::{Maildrop, Message, StoreError};

/// The largest piece that is read from the store at a time, in octets. Twice as much costs a third more processor time with
/// several clients: it does not stay in the processor's cache until it is encoded.
const PIECE: usize = 32 * 1024;

/// With less room than this in the output it is written first.
const LEAST_ROOM: usize = 64;

impl<T: Stream> Connection<'_, T> {
    /// Sends message `number`, or refuses it: it is opened before the `+OK` (PB-S31).
    ///
    /// If the store fails later, or the message is not as long as announced, the reply is left without an end and the
    /// connection cut, so that the client cannot take the part for the whole (R1939-3.18, PB-S30).
    #[inline(never)]
    pub(super) fn send_message(&mut self, number: MessageNumber) -> Result<(), Outcome> {
        // Out of its place while it is lent to the reader; it comes back unless a panic drops it.
        let Some(mut maildrop) = self.maildrop.take() else { return Err(self.misuse()) };
        let outcome = self.send_from(&mut *maildrop, number);
        self.maildrop = Some(maildrop);
        outcome
    }

    fn send_from(&mut self, maildrop: &mut dyn Maildrop, number: MessageNumber) -> Result<(), Outcome> {
        let opened = match self.session.message(number) {
            Ok(entry) => {
                let message = Message::new(number, entry.octets, entry.unique_id.as_bytes());
                maildrop.open_message(message).map(|reader| (reader, entry.octets))
            }
            Err(_) => Err(StoreError::Gone),
        };
        let refusal = match opened {
            Ok((reader, octets)) => return self.send_body(reader, octets),
            Err(StoreError::Gone) => Refusal::Gone,
            Err(error) => {
                self.record.fault("opening a message", &error);
                store_refusal(&error)
            }
        };
        self.reply(|session, output| session.refuse(refusal, output))
    }

    fn send_body(&mut self, mut reader: Box<dyn Read + '_>, octets: u64) -> Result<(), Outcome> {
        // A small message needs no large buffers; one octet more tells that it has ended.
        let size = usize::try_from(octets.saturating_add(1)).map_or(PIECE, |octets| octets.min(PIECE));
        self.output.grow_for(size);
        self.reply(|session, output| session.start_message(output))?;
        let mut piece = vec![0; size];
        loop {
            let read = match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.record.fault("reading a message", &error);
                    return Err(Outcome::MessageCut);
                }
            };
            if self.encode(piece.get(..read).unwrap_or(&piece))? {
                break;
            }
        }
        let mut ended = self.session.end_message(&mut self.output);
        if matches!(ended, Err(ReplyError::Full(_))) {
            self.flush()?;
            ended = self.session.end_message(&mut self.output);
        }
        ended.map_err(|error| {
            self.record.fault("ending a message", &error);
            Outcome::MessageCut
        })
    }

    /// Puts a piece of the message into the output, which is written as it fills. Tells whether no more is wanted.
    fn encode(&mut self, piece: &[u8]) -> Result<bool, Outcome> {
        let mut rest = piece;
        while !rest.is_empty() {
            if self.output.room().len() < LEAST_ROOM {
                self.flush()?;
            }
            let MessageProgress { read, written, done, .. } = self
                .session
                .body(rest, self.output.room())
                .map_err(|misuse| Outcome::Protocol(misuse.into()))?;
            self.output.filled(written);
            if done {
                return Ok(true);
            }
            rest = rest.get(read..).unwrap_or_default();
            if read == 0 && written == 0 {
                self.flush()?;
            }
        }
        Ok(false)
    }
}

const _: () = assert!(PIECE <= LARGE, "no buffer is larger than 128 KiB");
