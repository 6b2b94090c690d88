//! Messages as clients without UTF-8 mode get them: [`SurrogateReader`].

use core::fmt;
use std::io::{self, Read};

#[cfg(feature = "maildir")]
use pop3_proto::body::HeaderCheck;
use pop3_proto::body::{BodyRules, FIELD_OCTETS, Measure, Surrogate};

/// Reads the surrogate of a message from a reader of the message; see [`Surrogate`] (RFC 6858).
///
/// It holds 24 KiB whatever the message.
pub struct SurrogateReader<R> {
    source: R,
    surrogate: Surrogate<Box<[u8]>>,
    piece: Box<[u8]>,
    /// What of the piece is unread.
    unread: core::ops::Range<usize>,
    ended: bool,
}

/// Octets that are read at a time.
const PIECE: usize = 8 * 1024;

impl<R: Read> SurrogateReader<R> {
    /// For a message from its first octet on.
    pub fn new(source: R) -> Self {
        Self {
            source,
            surrogate: Surrogate::new(vec![0; FIELD_OCTETS].into()),
            piece: vec![0; PIECE].into(),
            unread: 0..0,
            ended: false,
        }
    }
}

impl<R: Read> Read for SurrogateReader<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        loop {
            if self.ended {
                return Ok(self.surrogate.finish(room));
            }
            if self.unread.is_empty() {
                let octets = self.source.read(&mut self.piece)?;
                self.unread = 0..octets;
                self.ended = octets == 0;
                continue;
            }
            let piece = self.piece.get(self.unread.clone()).unwrap_or_default();
            let progress = self.surrogate.encode(piece, room);
            self.unread.start += progress.read;
            if progress.written > 0 {
                return Ok(progress.written);
            }
        }
    }
}

impl<R> fmt::Debug for SurrogateReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SurrogateReader").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Whether the header of a message is not ASCII. Reads no further than it must.
///
/// What is known of the message is on the heap: a session keeps every page of its stack that was ever used.
#[cfg(feature = "maildir")]
#[inline(never)]
pub(super) fn needs_utf8(message: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut check = Box::new(HeaderCheck::new());
    while !check.is_done() {
        match message.read(buffer) {
            Ok(0) => break,
            Ok(octets) => check.update(buffer.get(..octets).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(check.needs_utf8())
}

/// The octets of a message, as `RETR` sends it.
pub(super) fn measure(message: &mut impl Read, rules: BodyRules, buffer: &mut [u8]) -> io::Result<u64> {
    let mut measure = Measure::new(rules);
    each_piece(message, buffer, |piece| measure.update(piece))?;
    Ok(measure.finish())
}

/// The same, and whether its header is not ASCII, with that on the heap too.
#[cfg(feature = "maildir")]
#[inline(never)]
pub(super) fn measure_and_check(
    message: &mut impl Read,
    rules: BodyRules,
    buffer: &mut [u8],
) -> io::Result<(u64, bool)> {
    let (mut measure, mut check) = (Measure::new(rules), Box::new(HeaderCheck::new()));
    each_piece(message, buffer, |piece| {
        measure.update(piece);
        check.update(piece);
    })?;
    Ok((measure.finish(), check.needs_utf8()))
}

fn each_piece(message: &mut impl Read, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> io::Result<()> {
    loop {
        match message.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(octets) => take(buffer.get(..octets).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
