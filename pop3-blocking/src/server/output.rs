//! What waits to be written to the client: [`Output`].

use pop3_proto::{Full, Sink};

/// Replies that leave in one write, at most [`LARGE`] octets of them.
///
/// It takes no memory while a connection is idle, little in plain dialogue, and much while a message or a long list is sent.
pub(super) struct Output {
    storage: Vec<u8>,
    end: usize,
    produced: u64,
}

/// The size in dialogue: some dozens of replies.
const SMALL: usize = 4096;

/// The longest first line of a reply.
const FIRST_LINE: usize = 512;

/// The size while much is sent. A message of 64 KiB leaves in one write with all that is stuffed into it, and the client wakes up
/// once for it.
pub(super) const LARGE: usize = 128 * 1024;

impl Output {
    pub(super) const fn new() -> Self {
        Self { storage: Vec::new(), end: 0, produced: 0 }
    }

    pub(super) fn octets(&self) -> &[u8] {
        self.storage.get(..self.end).unwrap_or_default()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// How many octets were ever put in: whether anything was answered since the last look.
    pub(super) const fn produced(&self) -> u64 {
        self.produced
    }

    /// Forgets what waits: it was written, or never will be.
    pub(super) const fn clear(&mut self) {
        self.end = 0;
    }

    /// Takes the room that sending much wants.
    pub(super) fn grow(&mut self) {
        if self.storage.len() < LARGE {
            self.storage.resize(LARGE, 0);
        }
    }

    /// Takes the room that a message of so many octets wants; all there may be if something waits already, for then many
    /// come together. Room is cleared when it is taken, so too much of it costs a small message time.
    pub(super) fn grow_for(&mut self, octets: usize) {
        // Beside it stand its first line, and the dots that are stuffed. What does not fit is written in parts.
        let wanted = octets.saturating_add(octets / 8).saturating_add(FIRST_LINE);
        if wanted <= self.room().len() {
            return;
        }
        let size = if self.end > 0 { LARGE } else { wanted.min(LARGE).next_multiple_of(SMALL) };
        if self.storage.len() < size {
            self.storage.resize(size, 0);
        }
    }

    /// Gives all room back, if nothing waits. The next reply takes some again.
    pub(super) fn release(&mut self) {
        if self.end == 0 {
            self.storage = Vec::new();
        }
    }

    /// The room at the end, to be filled; tell how much with [`filled`](Self::filled).
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.storage.is_empty() {
            self.storage = vec![0; SMALL];
        }
        self.storage.get_mut(self.end..).unwrap_or_default()
    }

    /// Counts `octets` of the last [`room`](Self::room) as put in.
    pub(super) fn filled(&mut self, octets: usize) {
        let end = self.end.saturating_add(octets).min(self.storage.len());
        self.produced = self.produced.saturating_add(end.saturating_sub(self.end) as u64);
        self.end = end;
    }
}

impl Sink for Output {
    fn reserve(&mut self, octets: usize) -> Result<(), Full> {
        if octets > self.room().len() { Err(Full { needed: octets }) } else { Ok(()) }
    }

    fn put(&mut self, octets: &[u8]) {
        let room = self.room();
        let fits = octets.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..fits), octets.get(..fits)) {
            to.copy_from_slice(from);
        }
        self.filled(fits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pb_s41_it_never_holds_more_than_128_kib() {
        let mut output = Output::new();
        output.reserve(SMALL).unwrap();
        assert_eq!(output.reserve(SMALL + 1), Err(Full { needed: SMALL + 1 }));
        output.put(&[b'x'; SMALL - 2]);
        output.put(b"abcd");
        assert_eq!((output.octets().len(), output.produced()), (SMALL, SMALL as u64));
        output.grow();
        assert!(output.octets().ends_with(b"xab"));
        output.grow_for(usize::MAX);
        output.put(&vec![b'y'; 2 * LARGE]);
        assert_eq!(output.octets().len(), LARGE);
        output.release();
        assert_eq!(output.octets().len(), LARGE);
        output.clear();
        output.release();
        assert_eq!((output.storage.capacity(), output.produced()), (0, LARGE as u64));
        assert_eq!(output.octets(), b"");
        assert_eq!(output.room().len(), SMALL);
    }

    #[test]
    fn it_grows_as_far_as_a_message_wants_and_for_the_second_one_to_the_full() {
        let mut output = Output::new();
        for (octets, size) in
            [(0, SMALL), (1000, SMALL), (4100, 2 * SMALL), (7000, 3 * SMALL), (9000, 3 * SMALL)]
        {
            output.grow_for(octets);
            assert_eq!(output.storage.len(), size, "{octets}");
        }
        output.put(&[b'x'; 4200]);
        output.grow_for(4100);
        assert_eq!(output.storage.len(), 3 * SMALL);
        output.put(&[b'x'; 4200]);
        output.grow_for(4100);
        assert_eq!((output.storage.len(), output.octets().len()), (LARGE, 8400));
    }
}
