//! What came from the client and is not understood yet: [`Input`].

use zeroize::{Zeroize as _, Zeroizing};

/// Octets that wait for the session: at most one command that is not complete, and what came with it.
///
/// It is small until a longer line needs more, and all of it is wiped once a credential went through (passwords come in
/// here before anybody knows what they are).
pub(super) struct Input {
    storage: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
}

/// The usual size: two commands of the greatest usual length.
const SMALL: usize = 1024;

impl Input {
    pub(super) fn new() -> Self {
        Self { storage: octets(SMALL), start: 0, end: 0 }
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.storage.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) const fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Drops the first `octets` of the unread part.
    pub(super) fn consume(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.end);
    }

    /// Overwrites everything that was dropped.
    pub(super) fn wipe_consumed(&mut self) {
        if let Some(consumed) = self.storage.get_mut(..self.start) {
            consumed.zeroize();
        }
    }

    /// Gives back what a long line took.
    pub(super) fn shrink(&mut self) {
        if self.len() == 0 && self.storage.len() > SMALL {
            *self = Self::new();
        }
    }

    /// Room for more, behind the unread part. It is empty only if `largest` octets wait and make no line.
    pub(super) fn room(&mut self, largest: usize) -> &mut [u8] {
        if self.start > 0 {
            self.storage.copy_within(self.start..self.end, 0);
            let end = self.len();
            // The end of the old place still holds what stands in the new one.
            if let Some(old) = self.storage.get_mut(end..self.end) {
                old.zeroize();
            }
            (self.start, self.end) = (0, end);
        }
        if self.end == self.storage.len() && self.storage.len() < largest {
            let mut larger = octets(largest);
            if let Some(to) = larger.get_mut(..self.storage.len()) {
                to.copy_from_slice(&self.storage);
            }
            self.storage = larger;
        }
        self.storage.get_mut(self.end..).unwrap_or_default()
    }

    /// Counts `octets` of the last [`room`](Self::room) as unread.
    pub(super) fn filled(&mut self, octets: usize) {
        self.end = self.end.saturating_add(octets).min(self.storage.len());
    }
}

fn octets(count: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![0; count])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(input: &mut Input, octets: &[u8]) {
        let room = input.room(4096);
        room[..octets.len()].copy_from_slice(octets);
        input.filled(octets.len());
    }

    #[test]
    fn it_grows_for_a_long_line_and_shrinks_after_it() {
        let mut input = Input::new();
        put(&mut input, &[b'x'; SMALL]);
        put(&mut input, b"tail");
        assert_eq!((input.storage.len(), input.len()), (4096, SMALL + 4));
        assert!(input.unread().ends_with(b"xtail"));
        input.shrink();
        assert_eq!(input.storage.len(), 4096);
        let room = input.room(4096).len();
        input.filled(room);
        assert!(input.room(4096).is_empty());
        input.consume(5000);
        input.shrink();
        assert_eq!((input.storage.len(), input.len()), (SMALL, 0));
    }

    #[test]
    fn what_was_consumed_is_wiped_and_what_moved_leaves_nothing_behind() {
        let mut input = Input::new();
        put(&mut input, b"USER x\r\nPASS can");
        input.consume(8);
        put(&mut input, b"ary\r\nSTAT");
        assert_eq!(input.unread(), b"PASS canary\r\nSTAT");
        input.consume(13);
        input.wipe_consumed();
        assert_eq!(input.unread(), b"STAT");
        assert!(input.storage.iter().filter(|&&octet| octet != 0).eq(b"STAT"));
    }
}
