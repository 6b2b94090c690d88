//! Where the index of a maildrop lies: slices of the caller, or the heap.

use super::IndexError;

/// What the index keeps of one message, besides the octets of its unique-id: 12 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The upper half first: 64 bits in one would be aligned, at the price of four octets.
    octets: [u32; 2],
    /// Where the unique-id ends, and two flags.
    id_end: u32,
}

const MARKED: u32 = 1 << 31;
const NEEDS_UTF8: u32 = 1 << 30;

impl Entry {
    /// To fill storage with.
    pub const EMPTY: Self = Self { octets: [0; 2], id_end: 0 };

    /// `None`: the ids have more octets in all than can be told.
    pub(super) fn new(octets: u64, id_end: usize) -> Option<Self> {
        let id_end = u32::try_from(id_end).ok().filter(|end| *end < NEEDS_UTF8)?;
        let [a, b, c, d, e, f, g, h] = octets.to_be_bytes();
        Some(Self { octets: [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])], id_end })
    }

    pub(super) const fn octets(&self) -> u64 {
        let [upper, lower] = self.octets;
        (upper as u64) << 32 | lower as u64
    }

    /// Where the unique-id ends among the ids; it begins where that of the entry before ends.
    pub(super) const fn id_end(&self) -> usize {
        (self.id_end & !(MARKED | NEEDS_UTF8)) as usize
    }

    pub(super) const fn is_marked(&self) -> bool {
        self.id_end & MARKED != 0
    }

    pub(super) const fn mark(&mut self) {
        self.id_end |= MARKED;
    }

    pub(super) const fn unmark(&mut self) {
        self.id_end &= !MARKED;
    }

    pub(super) const fn needs_utf8(&self) -> bool {
        self.id_end & NEEDS_UTF8 != 0
    }

    pub(super) const fn require_utf8(&mut self) {
        self.id_end |= NEEDS_UTF8;
    }
}

/// Room for an index: entries, and the octets of all unique-ids one behind the other.
pub trait Storage {
    /// The entries in use.
    fn entries(&self) -> &[Entry];

    /// The entries in use, to mark them.
    fn entries_mut(&mut self) -> &mut [Entry];

    /// The octets of the unique-ids in use.
    fn ids(&self) -> &[u8];

    /// Tells that so many messages are to come, with so many octets of unique-ids in all: storage that grows can take
    /// its memory at once. It is a hint; nothing fails if it is wrong.
    fn expect(&mut self, messages: usize, unique_id_octets: usize) {
        let _ = (messages, unique_id_octets);
    }

    /// Appends an entry and the octets of its unique-id, both or neither.
    ///
    /// # Errors
    ///
    /// [`IndexError::Full`]: one of the two does not fit. Nothing changed.
    fn push(&mut self, entry: Entry, unique_id: &[u8]) -> Result<(), IndexError>;

    /// Forgets everything.
    fn clear(&mut self);
}

/// An index of fixed size in slices of the caller.
#[derive(Debug)]
pub struct FixedStorage<'a> {
    entries: &'a mut [Entry],
    entries_used: usize,
    ids: &'a mut [u8],
    ids_used: usize,
}

impl<'a> FixedStorage<'a> {
    /// Room for `entries.len()` messages whose unique-ids have `ids.len()` octets in all.
    pub const fn new(entries: &'a mut [Entry], ids: &'a mut [u8]) -> Self {
        Self { entries, entries_used: 0, ids, ids_used: 0 }
    }
}

impl Storage for FixedStorage<'_> {
    fn entries(&self) -> &[Entry] {
        self.entries.get(..self.entries_used).unwrap_or(&[])
    }

    fn entries_mut(&mut self) -> &mut [Entry] {
        self.entries.get_mut(..self.entries_used).unwrap_or(&mut [])
    }

    fn ids(&self) -> &[u8] {
        self.ids.get(..self.ids_used).unwrap_or(&[])
    }

    fn push(&mut self, entry: Entry, unique_id: &[u8]) -> Result<(), IndexError> {
        let slot = self.entries.get_mut(self.entries_used).ok_or(IndexError::Full)?;
        let end = self.ids_used.saturating_add(unique_id.len());
        let room = self.ids.get_mut(self.ids_used..end).ok_or(IndexError::Full)?;
        room.copy_from_slice(unique_id);
        *slot = entry;
        self.entries_used = self.entries_used.saturating_add(1);
        self.ids_used = end;
        Ok(())
    }

    fn clear(&mut self) {
        self.entries_used = 0;
        self.ids_used = 0;
    }
}

/// The longest unique-id (R1939-7.2), in octets.
#[cfg(any(feature = "alloc", test))]
const UNIQUE_ID_MAX: usize = 70;

/// An index on the heap, of at most so many messages.
#[cfg(any(feature = "alloc", test))]
#[derive(Clone, Debug)]
pub struct HeapStorage {
    entries: alloc::vec::Vec<Entry>,
    ids: alloc::vec::Vec<u8>,
    messages: usize,
}

#[cfg(any(feature = "alloc", test))]
impl HeapStorage {
    /// Room for at most `messages` messages; memory is taken as they come.
    pub const fn new(messages: usize) -> Self {
        Self { entries: alloc::vec::Vec::new(), ids: alloc::vec::Vec::new(), messages }
    }
}

#[cfg(any(feature = "alloc", test))]
impl Storage for HeapStorage {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    fn ids(&self) -> &[u8] {
        &self.ids
    }

    fn expect(&mut self, messages: usize, unique_id_octets: usize) {
        let messages = messages.min(self.messages.saturating_sub(self.entries.len()));
        let unique_id_octets = unique_id_octets.min(messages.saturating_mul(UNIQUE_ID_MAX));
        // If there is not so much, a push will say so.
        drop(self.entries.try_reserve_exact(messages));
        drop(self.ids.try_reserve_exact(unique_id_octets));
    }

    fn push(&mut self, entry: Entry, unique_id: &[u8]) -> Result<(), IndexError> {
        if self.entries.len() >= self.messages {
            return Err(IndexError::Full);
        }
        self.entries.try_reserve(1).map_err(|_| IndexError::Full)?;
        self.ids.try_reserve(unique_id.len()).map_err(|_| IndexError::Full)?;
        self.entries.push(entry);
        self.ids.extend_from_slice(unique_id);
        Ok(())
    }

    fn clear(&mut self) {
        // Gives the memory back: a session is over, or a login has failed.
        self.entries = alloc::vec::Vec::new();
        self.ids = alloc::vec::Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_twelve_octets_and_keeps_what_it_is_given() {
        assert_eq!(size_of::<Entry>(), 12);
        for octets in [0, 1, 0xffff_ffff, 0x1_0000_0000, 0x0123_4567_89ab_cdef, u64::MAX] {
            for id_end in [0, 1, (1 << 30) - 1] {
                let mut entry = Entry::new(octets, id_end).unwrap();
                let told = |entry: Entry| (entry.is_marked(), entry.needs_utf8());
                assert_eq!(told(entry), (false, false));
                entry.mark();
                assert_eq!(told(entry), (true, false));
                entry.require_utf8();
                assert_eq!(told(entry), (true, true));
                assert_eq!((entry.octets(), entry.id_end()), (octets, id_end));
                entry.unmark();
                assert_eq!(told(entry), (false, true));
                assert_eq!((entry.octets(), entry.id_end()), (octets, id_end));
            }
        }
        assert_eq!(Entry::new(0, 1 << 30), None);
        assert_eq!(Entry::new(0, usize::MAX), None);
    }

    #[test]
    fn what_is_expected_is_taken_at_once_and_no_more_than_may_come() {
        let mut heap = HeapStorage::new(1000);
        heap.expect(600, 9600);
        let room = (heap.entries.capacity(), heap.ids.capacity());
        assert!(room.0 >= 600 && room.1 >= 9600);
        for _ in 0..600 {
            heap.push(Entry::EMPTY, &[b'x'; 16]).unwrap();
        }
        assert_eq!((heap.entries.capacity(), heap.ids.capacity()), room);
        heap.expect(usize::MAX, usize::MAX);
        assert!(heap.entries.capacity() < 2000 && heap.ids.capacity() < 2 * 9600 + 400 * 70);
        heap.clear();
        heap.expect(0, 5);
        assert_eq!((heap.entries.capacity(), heap.ids.capacity()), (0, 0));
    }
}
