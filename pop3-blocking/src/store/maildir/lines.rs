//! Lines of a file, in memory that does not grow with them.

use std::io::{self, BufRead};

/// Reads line by line.
pub(super) struct Lines<R> {
    source: R,
    line: Vec<u8>,
    max: usize,
}

impl<R: BufRead> Lines<R> {
    /// Of longer lines than `max` octets that many are kept.
    pub(super) fn new(source: R, max: usize) -> Self {
        Self { source, line: Vec::with_capacity(max), max }
    }

    /// The next line, without its LF; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let mut any = false;
        loop {
            let buffer = match self.source.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                return Ok(any.then_some(&self.line));
            }
            any = true;
            let end = buffer.iter().position(|&octet| octet == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or(buffer);
            let room = self.max.saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or(part));
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.source.consume(used);
            if end.is_some() {
                return Ok(Some(&self.line));
            }
        }
    }
}
