//! Where output goes and where input waits: the [`Sink`] trait and a linear [`Buffer`] over the caller's storage.
//!
//! The core owns no buffer. It writes through [`Sink`], all or nothing, and reads slices. [`Buffer`] is the usual
//! way to hold either; it is linear because a ring would split a line where it wraps. Nothing here allocates unless
//! the storage does, nothing panics.

use core::fmt;

/// There is not enough room; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "sinks of other crates build it")]
pub struct Full {
    /// How many octets of room the write needs in all.
    pub needed: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output has no room for {} octets", self.needed)
    }
}

impl core::error::Error for Full {}

/// Takes octets that go to the peer.
///
/// Writers in this crate call [`reserve`](Self::reserve) with all that they will write, then [`put`](Self::put) in
/// pieces: either the whole command or reply is in the sink, or nothing is. Implemented for `&mut [u8]` (which then
/// shrinks to the part not written yet, like `std::io::Write` does), for [`Buffer`], and for `Vec<u8>` with feature
/// `alloc`.
pub trait Sink {
    /// Makes sure that the next `octets` octets will fit.
    ///
    /// # Errors
    ///
    /// [`Full`]: they will not. Nothing changed.
    fn reserve(&mut self, octets: usize) -> Result<(), Full>;

    /// Appends `octets`. Call [`reserve`](Self::reserve) first: what does not fit may be dropped.
    fn put(&mut self, octets: &[u8]);
}

impl Sink for &mut [u8] {
    fn reserve(&mut self, octets: usize) -> Result<(), Full> {
        if octets > self.len() { Err(Full { needed: octets }) } else { Ok(()) }
    }

    fn put(&mut self, octets: &[u8]) {
        let all = core::mem::take(self);
        let n = octets.len().min(all.len());
        let (head, rest) = all.split_at_mut(n);
        head.copy_from_slice(octets.get(..n).unwrap_or(&[]));
        *self = rest;
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn reserve(&mut self, octets: usize) -> Result<(), Full> {
        (**self).reserve(octets)
    }

    fn put(&mut self, octets: &[u8]) {
        (**self).put(octets);
    }
}

#[cfg(any(feature = "alloc", test))]
impl Sink for alloc::vec::Vec<u8> {
    fn reserve(&mut self, octets: usize) -> Result<(), Full> {
        self.try_reserve(octets).map_err(|_| Full { needed: octets })
    }

    fn put(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// A linear buffer over the caller's storage: octets go in at the end, come out at the front.
///
/// Invariant after every method: `start <= end <= storage length`; what lies between is the unread part.
#[derive(Clone)]
pub struct Buffer<B> {
    storage: B,
    start: usize,
    end: usize,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Buffer<B> {
    /// An empty buffer over `storage`, all of which is used.
    pub const fn new(storage: B) -> Self {
        Self { storage, start: 0, end: 0 }
    }

    /// The room at the end, to be filled; tell how much with [`filled`](Self::filled).
    ///
    /// Moves the unread part to the front when the room at the end is smaller than what lies free at the front and the
    /// move is cheap, so that the cost of moving stays linear in what passes through; and when there is no room at the end
    /// at all. The room is empty only if the whole storage is unread.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        let free_at_end = self.storage.as_ref().len().saturating_sub(self.end);
        let unread = self.end.saturating_sub(self.start);
        if free_at_end == 0 || (self.start > free_at_end && self.start >= unread) {
            self.compact();
        }
        self.storage.as_mut().get_mut(self.end..).unwrap_or(&mut [])
    }

    /// Counts `octets` of the last [`room`](Self::room) as unread input. More than the room counts as all of it.
    pub fn filled(&mut self, octets: usize) {
        self.end = self.end.saturating_add(octets).min(self.storage.as_ref().len());
    }

    /// Drops the first `octets` of the unread part.
    pub fn consume(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.end);
    }

    /// Moves the unread part to the front, whatever it costs.
    pub fn compact(&mut self) {
        let (start, end) = (self.start, self.end);
        // Looked up and not assumed: storage of another crate may have become shorter, and `copy_within` would panic.
        if self.storage.as_ref().get(start..end).is_some() {
            self.storage.as_mut().copy_within(start..end, 0);
            self.end = end.saturating_sub(start);
            self.start = 0;
        }
    }

    /// Forgets everything.
    pub const fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// The unread part.
    pub fn unread(&self) -> &[u8] {
        self.storage.as_ref().get(self.start..self.end).unwrap_or(&[])
    }

    /// How many octets are unread.
    pub const fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether nothing is unread.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether not one octet more fits, even after moving the unread part to the front.
    pub fn is_full(&self) -> bool {
        self.len() == self.storage.as_ref().len()
    }

    /// The size of the storage in octets.
    pub fn capacity(&self) -> usize {
        self.storage.as_ref().len()
    }

    /// Gives the storage back; what was unread is lost.
    pub fn into_storage(self) -> B {
        self.storage
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Sink for Buffer<B> {
    fn reserve(&mut self, octets: usize) -> Result<(), Full> {
        if octets > self.capacity().saturating_sub(self.len()) {
            return Err(Full { needed: octets });
        }
        if octets > self.capacity().saturating_sub(self.end) {
            self.compact();
        }
        Ok(())
    }

    fn put(&mut self, octets: &[u8]) {
        if let Some(room) = self.storage.as_mut().get_mut(self.end..) {
            let n = octets.len().min(room.len());
            if let (Some(to), Some(from)) = (room.get_mut(..n), octets.get(..n)) {
                to.copy_from_slice(from);
            }
            self.filled(n);
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Buffer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the octets: they may hold a password or mail.
        f.debug_struct("Buffer")
            .field("unread", &self.end.saturating_sub(self.start))
            .field("capacity", &self.storage.as_ref().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pb_k08_a_slice_is_written_whole_or_not_at_all() {
        let mut storage = [0u8; 4];
        let mut sink = &mut storage[..];
        assert_eq!(sink.reserve(5), Err(Full { needed: 5 }));
        sink.reserve(4).unwrap();
        sink.put(b"ab");
        sink.put(b"cd");
        assert!(sink.is_empty());
        assert_eq!(&storage, b"abcd");
    }

    #[test]
    fn a_buffer_keeps_order_while_octets_pass_through() {
        let mut buffer = Buffer::new([0u8; 7]);
        let mut expected = 0u8;
        let mut next = 0u8;
        for step in 0..1000usize {
            let n = buffer.room().len().min(step % 4);
            for slot in buffer.room().iter_mut().take(n) {
                *slot = next;
                next = next.wrapping_add(1);
            }
            buffer.filled(n);
            let take = buffer.len().min(step % 3);
            for &b in &buffer.unread()[..take] {
                assert_eq!(b, expected);
                expected = expected.wrapping_add(1);
            }
            buffer.consume(take);
        }
    }

    #[test]
    fn there_is_room_unless_all_of_the_storage_is_unread() {
        for start in 0..=7 {
            for unread in 0..=7 - start {
                let mut buffer = Buffer::new([0u8; 7]);
                buffer.filled(start + unread);
                buffer.consume(start);
                assert_eq!(buffer.room().is_empty(), unread == 7, "{start} {unread}");
                buffer.filled(7);
                buffer.consume(1);
                assert!(!buffer.room().is_empty(), "{start} {unread}");
            }
        }
    }

    #[test]
    fn r22_what_is_moved_stays_in_proportion_to_what_passes() {
        // Half of the storage waits at most, as a line at its limit does; one octet goes and one comes at a time.
        for waiting in [1, 2, 100, 511, 512] {
            let mut buffer = Buffer::new([0u8; 1024]);
            buffer.filled(waiting);
            let mut moved = 0;
            for _ in 0..100_000 {
                buffer.consume(1);
                let before = buffer.unread().as_ptr();
                assert!(!buffer.room().is_empty());
                if buffer.unread().as_ptr() != before {
                    moved += buffer.len();
                }
                buffer.filled(1);
            }
            assert!(moved <= 100_000, "{waiting}: {moved}");
        }
    }

    #[test]
    fn a_full_buffer_says_so_and_a_reserve_compacts() {
        let mut buffer = Buffer::new([0u8; 4]);
        buffer.reserve(4).unwrap();
        buffer.put(b"abcd");
        assert!(buffer.is_full());
        buffer.consume(2);
        assert!(!buffer.is_full());
        buffer.reserve(2).unwrap();
        buffer.put(b"ef");
        assert_eq!(buffer.unread(), b"cdef");
        assert_eq!(buffer.reserve(1), Err(Full { needed: 1 }));
    }

    #[test]
    fn a_reserve_that_fits_moves_nothing() {
        let mut buffer = Buffer::new([0u8; 4]);
        buffer.put(b"ab");
        buffer.consume(1);
        buffer.reserve(2).unwrap();
        assert_eq!((buffer.start, buffer.end), (1, 2));
        buffer.reserve(3).unwrap();
        assert_eq!((buffer.start, buffer.end), (0, 1));
        assert_eq!(buffer.unread(), b"b");
    }

    #[test]
    fn the_unread_part_is_moved_only_where_that_is_cheap_or_there_is_no_room() {
        // Storage of 10 octets: where the unread part starts and ends, and how much room there is then.
        for (start, end, room) in [
            (0, 0, 10),
            (0, 6, 4),
            (2, 8, 2), // as much free behind as in front
            (3, 8, 2), // more is unread than lies free in front
            (4, 6, 4), // as much free behind as in front, little unread
            (5, 6, 9), // more free in front
            (6, 8, 8),
            (4, 8, 6), // as much unread as lies free in front
            (7, 7, 10),
            (1, 10, 1), // no room at all: moved at any cost
            (0, 10, 0),
        ] {
            let mut buffer = Buffer::new(*b"0123456789");
            buffer.filled(end);
            buffer.consume(start);
            assert_eq!(buffer.is_empty(), start == end);
            assert_eq!(buffer.room().len(), room, "{start}..{end}");
            assert_eq!(buffer.unread(), &b"0123456789"[start..end], "{start}..{end}");
        }
    }

    #[test]
    fn a_borrowed_sink_is_the_sink_itself() {
        fn greet(mut sink: impl Sink) -> Result<(), Full> {
            sink.reserve(5)?;
            sink.put(b"hello");
            Ok(())
        }
        let mut buffer = Buffer::new([0u8; 8]);
        assert_eq!(greet(&mut buffer), Ok(()));
        assert_eq!(greet(&mut buffer), Err(Full { needed: 5 }));
        assert_eq!(buffer.unread(), b"hello");
    }

    #[test]
    fn what_no_memory_can_hold_is_refused_without_a_panic() {
        let mut sink = alloc::vec::Vec::new();
        assert_eq!(Sink::reserve(&mut sink, usize::MAX), Err(Full { needed: usize::MAX }));
        assert_eq!(alloc::format!("{}", Full { needed: 5 }), "output has no room for 5 octets");
    }

    #[test]
    fn law_3_a_buffer_shows_no_octets() {
        let mut buffer = Buffer::new([0u8; 8]);
        buffer.put(b"secret");
        assert_eq!(alloc::format!("{buffer:?}"), "Buffer { unread: 6, capacity: 8 }");
    }
}
