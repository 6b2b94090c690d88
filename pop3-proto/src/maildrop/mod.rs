//! The index of an open maildrop: numbers, octets, unique-ids and marks, over the caller's storage.
//!
//! Filled once, when the maildrop is opened; from then on only marks change, so numbers, sizes and ids are fixed for the
//! session whatever happens in the store (R1939-4.6, PB-S01, PB-S29). One place answers whether a message is there and
//! unmarked, for all six commands that ask (PB-S02). A message takes 12 octets and its unique-id.
//!
//! RFC 1939 sections 4 and 5. Allocates only through its storage, never panics.

mod storage;

#[cfg(any(feature = "alloc", test))]
pub use storage::HeapStorage;
pub use storage::{Entry, FixedStorage, Storage};

use core::fmt;

use crate::codec::{DropListing, MessageNumber, ScanListing, UniqueId, UniqueIdListing};

/// Numbers, octets, unique-ids and marks of the messages of one open maildrop.
#[derive(Clone, Debug)]
pub struct Index<S> {
    storage: S,
    messages: u32,
    octets: u64,
}

/// Why a message cannot be added to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexError {
    /// The storage is full, or there are more messages than numbers, or unique-ids of 1 GiB and more.
    Full,
    /// The unique-id has not 1 to 70 octets in 0x21–0x7E (R1939-7.2).
    BadUniqueId,
    /// No maildrop is being opened: numbers are fixed once it is open (R1939-4.6).
    NotOpening,
}

/// Why a message cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoMessage {
    /// There is no message of this number.
    Absent,
    /// It is marked as deleted.
    Marked,
}

/// One message of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexEntry<'a> {
    /// Its number.
    pub number: MessageNumber,
    /// Its octets before byte-stuffing.
    pub octets: u64,
    /// Its unique-id.
    pub unique_id: UniqueId<'a>,
    /// Whether it is shown to sessions in UTF-8 mode only; see [`Index::require_utf8`].
    pub needs_utf8: bool,
}

impl<S: Storage> Index<S> {
    /// An empty index. What `storage` held is forgotten.
    pub fn new(mut storage: S) -> Self {
        storage.clear();
        Self { storage, messages: 0, octets: 0 }
    }

    /// Tells that so many messages are to come, with so many octets of unique-ids in all: see [`Storage::expect`].
    pub fn expect(&mut self, messages: usize, unique_id_octets: usize) {
        self.storage.expect(messages, unique_id_octets);
    }

    /// Adds the next message.
    ///
    /// # Errors
    ///
    /// [`IndexError`]; nothing changed.
    pub fn push(&mut self, octets: u64, unique_id: &[u8]) -> Result<MessageNumber, IndexError> {
        let number = MessageNumber::from_index(self.storage.entries().len()).ok_or(IndexError::Full)?;
        if !UniqueId::new(unique_id).is_some_and(|id| id.is_conformant()) {
            return Err(IndexError::BadUniqueId);
        }
        let id_end = self.storage.ids().len().saturating_add(unique_id.len());
        let entry = Entry::new(octets, id_end).ok_or(IndexError::Full)?;
        self.storage.push(entry, unique_id)?;
        self.messages = self.messages.saturating_add(1);
        self.octets = self.octets.saturating_add(octets);
        Ok(number)
    }

    /// Notes that a message can be shown in UTF-8 mode only, and has no surrogate: `LIST`, `RETR` and `TOP` of it are
    /// refused by `-ERR [UTF8]` in other sessions (R6856-5.1).
    ///
    /// # Errors
    ///
    /// [`NoMessage::Absent`]: it is not there. Nothing changed.
    pub fn require_utf8(&mut self, number: MessageNumber) -> Result<(), NoMessage> {
        self.storage.entries_mut().get_mut(number.index()).ok_or(NoMessage::Absent)?.require_utf8();
        Ok(())
    }

    /// Marks a message as deleted (`DELE`).
    ///
    /// # Errors
    ///
    /// [`NoMessage`]: it is not there, or marked already (R1939-5.8). Nothing changed.
    pub fn mark(&mut self, number: MessageNumber) -> Result<(), NoMessage> {
        let entry = self.storage.entries_mut().get_mut(number.index()).ok_or(NoMessage::Absent)?;
        if entry.is_marked() {
            return Err(NoMessage::Marked);
        }
        entry.mark();
        self.messages = self.messages.saturating_sub(1);
        self.octets = self.octets.saturating_sub(entry.octets());
        Ok(())
    }

    /// Takes all marks back (`RSET`).
    pub fn unmark_all(&mut self) {
        let (mut messages, mut octets) = (0u32, 0u64);
        for entry in self.storage.entries_mut() {
            entry.unmark();
            messages = messages.saturating_add(1);
            octets = octets.saturating_add(entry.octets());
        }
        self.messages = messages;
        self.octets = octets;
    }

    /// Forgets all messages.
    pub fn clear(&mut self) {
        self.storage.clear();
        self.messages = 0;
        self.octets = 0;
    }

    /// An unmarked message.
    ///
    /// # Errors
    ///
    /// [`NoMessage`]: it is not there, or marked.
    pub fn get(&self, number: MessageNumber) -> Result<IndexEntry<'_>, NoMessage> {
        match self.entry(number) {
            Some((_, true)) => Err(NoMessage::Marked),
            Some((entry, false)) => Ok(entry),
            None => Err(NoMessage::Absent),
        }
    }

    /// The first unmarked message whose number is `from` or more.
    pub fn next_unmarked(&self, from: MessageNumber) -> Option<IndexEntry<'_>> {
        let tail = self.storage.entries().get(from.index()..)?;
        let skip = tail.iter().position(|entry| !entry.is_marked())?;
        self.entry(MessageNumber::from_index(from.index().saturating_add(skip))?).map(|(entry, _)| entry)
    }

    /// The messages that are marked, in the order of their numbers: what a `QUIT` removes, and nothing else.
    pub fn marked(&self) -> impl Iterator<Item = IndexEntry<'_>> {
        let numbers = (0..self.storage.entries().len()).filter_map(MessageNumber::from_index);
        numbers.filter_map(|number| self.entry(number)).filter(|(_, marked)| *marked).map(|(entry, _)| entry)
    }

    /// How many messages are not marked, and their octets (`STAT`).
    pub const fn drop_listing(&self) -> DropListing {
        DropListing::new(self.messages, self.octets)
    }

    /// How many messages there are, marked ones included.
    pub fn len(&self) -> usize {
        self.storage.entries().len()
    }

    /// Whether there is no message at all.
    pub fn is_empty(&self) -> bool {
        self.storage.entries().is_empty()
    }

    fn entry(&self, number: MessageNumber) -> Option<(IndexEntry<'_>, bool)> {
        let at = number.index();
        let entry = self.storage.entries().get(at)?;
        let before = at.checked_sub(1).and_then(|previous| self.storage.entries().get(previous));
        let id_start = before.map_or(0, Entry::id_end);
        let unique_id = UniqueId::new(self.storage.ids().get(id_start..entry.id_end())?)?;
        let (octets, needs_utf8) = (entry.octets(), entry.needs_utf8());
        Some((IndexEntry { number, octets, unique_id, needs_utf8 }, entry.is_marked()))
    }
}

impl<'a> IndexEntry<'a> {
    /// Its line of `LIST`.
    pub const fn scan_listing(&self) -> ScanListing {
        ScanListing::new(self.number, self.octets)
    }

    /// Its line of `UIDL`.
    pub const fn unique_id_listing(&self) -> UniqueIdListing<'a> {
        UniqueIdListing::new(self.number, self.unique_id)
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("maildrop index is full"),
            Self::BadUniqueId => f.write_str("unique-id is not 1 to 70 octets in 0x21-0x7e"),
            Self::NotOpening => f.write_str("no maildrop is being opened"),
        }
    }
}

impl fmt::Display for NoMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no such message"),
            Self::Marked => f.write_str("message is marked as deleted"),
        }
    }
}

impl core::error::Error for IndexError {}
impl core::error::Error for NoMessage {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    fn n(number: u32) -> MessageNumber {
        MessageNumber::new(number).unwrap()
    }

    fn filled<'a>(entries: &'a mut [Entry], ids: &'a mut [u8]) -> Index<FixedStorage<'a>> {
        let mut index = Index::new(FixedStorage::new(entries, ids));
        for (octets, id) in [(68, "a"), (62, "bb"), (100, "ccc")] {
            index.push(octets, id.as_bytes()).unwrap();
        }
        index
    }

    #[test]
    fn r1939_4_6_pb_s01_marks_leave_the_other_numbers_alone() {
        let (mut entries, mut ids) = ([Entry::EMPTY; 3], [0u8; 6]);
        let mut index = filled(&mut entries, &mut ids);
        index.mark(n(1)).unwrap();
        assert_eq!(index.drop_listing(), DropListing::new(2, 162));
        let first = index.next_unmarked(MessageNumber::FIRST).unwrap();
        assert_eq!((first.number, first.octets, first.unique_id.as_bytes()), (n(2), 62, &b"bb"[..]));
        assert_eq!(index.get(n(3)).unwrap().unique_id.as_bytes(), b"ccc");
        assert_eq!(index.get(n(1)), Err(NoMessage::Marked));
        assert_eq!(index.get(n(4)), Err(NoMessage::Absent));
        assert_eq!(index.mark(n(1)), Err(NoMessage::Marked));
        assert_eq!(index.marked().map(|m| m.number).collect::<Vec<_>>(), [n(1)]);
        index.unmark_all();
        assert_eq!(index.drop_listing(), DropListing::new(3, 230));
        assert_eq!(index.marked().count(), 0);
    }

    #[test]
    fn a_full_index_changes_nothing() {
        let (mut entries, mut ids) = ([Entry::EMPTY; 3], [0u8; 6]);
        let mut index = filled(&mut entries, &mut ids);
        assert_eq!(index.push(1, b"d"), Err(IndexError::Full));
        assert_eq!(index.len(), 3);
        let (mut entries, mut ids) = ([Entry::EMPTY; 4], [0u8; 6]);
        let mut index = filled(&mut entries, &mut ids);
        assert_eq!(index.push(1, b"d"), Err(IndexError::Full));
        assert_eq!((index.len(), index.drop_listing()), (3, DropListing::new(3, 230)));
    }

    #[test]
    fn r1939_7_2_only_conforming_ids_are_taken() {
        let (mut entries, mut ids) = ([Entry::EMPTY; 3], [0u8; 200]);
        let mut index = Index::new(FixedStorage::new(&mut entries, &mut ids));
        for bad in [&b""[..], b"a b", b"\x80", b"\r\n", &[b'x'; 71]] {
            assert_eq!(index.push(1, bad), Err(IndexError::BadUniqueId));
        }
        assert!(index.push(1, &[b'x'; 70]).is_ok());
    }

    #[test]
    fn pb_s11_sums_are_64_bits_wide() {
        let (mut entries, mut ids) = ([Entry::EMPTY; 3], [0u8; 3]);
        let mut index = Index::new(FixedStorage::new(&mut entries, &mut ids));
        for octets in [1u64 << 31, 1 << 32, 1 << 33] {
            index.push(octets, b"x").unwrap();
        }
        assert_eq!(index.drop_listing(), DropListing::new(3, (1 << 31) + (1 << 32) + (1 << 33)));
    }

    #[test]
    fn r1939_6_2_random_marks_agree_with_a_model() {
        let (mut entries, mut ids) = ([Entry::EMPTY; 50], [0u8; 200]);
        let mut index = Index::new(FixedStorage::new(&mut entries, &mut ids));
        let mut model: Vec<(u64, bool)> = Vec::new();
        for i in 0..50u64 {
            index.push(i * i, format!("u{i}").as_bytes()).unwrap();
            model.push((i * i, false));
        }
        let mut seed = 7u32;
        for _ in 0..2000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (seed >> 16) % 60 + 1;
            if seed % 97 == 0 {
                index.unmark_all();
                model.iter_mut().for_each(|m| m.1 = false);
            } else {
                let want = match model.get_mut(number as usize - 1) {
                    None => Err(NoMessage::Absent),
                    Some((_, true)) => Err(NoMessage::Marked),
                    Some((_, marked)) => {
                        *marked = true;
                        Ok(())
                    }
                };
                assert_eq!(index.mark(n(number)), want);
            }
            let live = model.iter().filter(|m| !m.1);
            assert_eq!(
                index.drop_listing(),
                DropListing::new(live.clone().count() as u32, live.map(|m| m.0).sum())
            );
            let marked: Vec<usize> = index.marked().map(|m| m.number.index()).collect();
            assert!(marked.iter().copied().eq((0..50).filter(|&i| model[i].1)));
        }
    }

    fn full_and_cleared(mut index: Index<impl Storage>) {
        for _ in 0..2 {
            assert!(index.is_empty());
            for octets in [1, 2] {
                index.push(octets, b"abc").unwrap();
                assert!(!index.is_empty());
            }
            assert_eq!(index.push(3, b"abc"), Err(IndexError::Full));
            assert_eq!((index.len(), index.drop_listing()), (2, DropListing::new(2, 3)));
            assert_eq!(index.get(n(2)).unwrap().unique_id.as_bytes(), b"abc");
            index.mark(n(1)).unwrap();
            index.clear();
            assert_eq!((index.len(), index.drop_listing()), (0, DropListing::new(0, 0)));
            assert_eq!(index.get(n(1)), Err(NoMessage::Absent));
        }
    }

    #[test]
    fn pb_s28_a_storage_takes_no_more_than_it_has_room_for_and_gives_it_back() {
        full_and_cleared(Index::new(FixedStorage::new(&mut [Entry::EMPTY; 2], &mut [0; 9])));
        full_and_cleared(Index::new(FixedStorage::new(&mut [Entry::EMPTY; 9], &mut [0; 8])));
        full_and_cleared(Index::new(HeapStorage::new(2)));
    }

    #[test]
    fn what_was_wrong_is_told() {
        assert_eq!(format!("{}", IndexError::Full), "maildrop index is full");
        assert_eq!(format!("{}", IndexError::BadUniqueId), "unique-id is not 1 to 70 octets in 0x21-0x7e");
        assert_eq!(format!("{}", NoMessage::Absent), "no such message");
        assert_eq!(format!("{}", NoMessage::Marked), "message is marked as deleted");
    }
}
