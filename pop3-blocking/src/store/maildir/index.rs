//! The messages of an open Maildir, in little memory.
//!
//! An entry takes 28 octets and its file name, all names in one buffer: about 75 octets per message. While a scan
//! runs the entries are sorted by base, afterwards by arrival, so that message `n` is entry `n - 1`.

use std::collections::BTreeMap;

use rustix::fs::FileType;

use super::MaildirError;
use super::dirs::{Dirs, Place, modified};
use super::hidden::Hidden;
use super::name::{Arrival, base_of};
use super::uid_list::{Line, Surrogate};
use super::unique_ids::UniqueIds;

mod count;
mod entry;

pub(super) use count::Counting;
use entry::put;
pub(super) use entry::{Entry, Facts, Header};

/// All messages.
#[derive(Debug, Default)]
pub(super) struct Index {
    names: Vec<u8>,
    entries: Vec<Entry>,
    /// Octets, and size of the file, of messages where they do not fit 32 bits.
    large: Vec<(u64, u64)>,
    /// Octets of surrogates by number in the list, of messages whose header is not ASCII: they are few.
    surrogates: BTreeMap<u32, u64>,
    /// Ids that a previous server gave.
    unique_ids: UniqueIds,
    limit: u32,
    /// Where the message of the next line of the list may be: the list is mostly in the order of the names.
    likely: usize,
}

impl Index {
    /// For at most `limit` messages.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The same, with memory for so many messages and octets of their names.
    pub(super) fn with_room(limit: u32, messages: usize, names: usize) -> Self {
        let (entries, names) = (Vec::with_capacity(messages), Vec::with_capacity(names));
        Self { entries, names, ..Self::new(limit) }
    }

    /// Adds a message of which all is known, behind the others. `false`: it can be none, or there is no room.
    pub(super) fn add(&mut self, line: &Line<'_>, place: Place, name: &[u8]) -> bool {
        let (name_at, octets) = (self.names.len(), line.octets);
        // What no directory holds, or no scan takes, leads elsewhere.
        let odd = name.contains(&b'/') || name.first() == Some(&b'.');
        if odd || self.entries.len() >= self.limit as usize {
            return false;
        }
        let base_len = u8::try_from(line.base.len());
        let (Ok(name_at), Ok(name_len), Ok(base_len), Some(octets)) =
            (u32::try_from(name_at), u8::try_from(name.len()), base_len, octets)
        else {
            return false;
        };
        let mut entry = Entry::new(name_at, name_len, base_len, place, 0);
        entry.uid = line.uid;
        let Line { size, mtime, .. } = *line;
        entry.set_facts(Facts { octets, size, mtime }, |pair| put(&mut self.large, pair));
        note_surrogate(&mut entry, line.surrogate, &mut self.surrogates);
        self.names.extend_from_slice(name);
        self.entries.push(entry);
        line.unique_id.is_none_or(|id| self.unique_ids.push(line.uid, id))
    }

    /// Ends the adding of messages. `false`: some have one unique-id.
    pub(super) fn finish(&mut self) -> bool {
        self.unique_ids.settle() == 0
    }

    /// The octets of all names.
    pub(super) fn name_octets(&self) -> usize {
        self.entries.iter().map(|entry| usize::from(entry.name_len)).sum()
    }

    pub(super) fn entry(&self, at: usize) -> Option<&Entry> {
        self.entries.get(at)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn name(&self, entry: &Entry) -> &[u8] {
        name_in(&self.names, entry)
    }

    pub(super) fn base(&self, entry: &Entry) -> &[u8] {
        base_in(&self.names, entry)
    }

    /// What was found when the message was counted.
    pub(super) fn facts(&self, entry: &Entry) -> Facts {
        entry.facts(&self.large)
    }

    /// The entry's line in the list of unique-ids.
    pub(super) fn line(&self, entry: &Entry) -> Line<'_> {
        let facts = self.facts(entry);
        Line {
            uid: entry.uid,
            octets: (entry.measured() && !entry.stale()).then_some(facts.octets),
            surrogate: match entry.header() {
                _ if entry.stale() => Surrogate::Unknown,
                Header::Unknown => Surrogate::Unknown,
                Header::Ascii => Surrogate::None,
                Header::Utf8 => self.surrogate(entry).map_or(Surrogate::Unknown, Surrogate::Octets),
            },
            unique_id: self.unique_id(entry),
            size: facts.size,
            mtime: facts.mtime,
            base: self.base(entry),
        }
    }

    /// The octets of the entry's surrogate, if it has one of its own.
    pub(super) fn surrogate(&self, entry: &Entry) -> Option<u64> {
        self.surrogates.get(&entry.uid).copied().filter(|_| entry.header() == Header::Utf8)
    }

    /// The id that a previous server gave to the message.
    pub(super) fn unique_id(&self, entry: &Entry) -> Option<&[u8]> {
        self.unique_ids.get(entry.uid)
    }

    /// All of them.
    pub(super) const fn unique_ids(&self) -> &UniqueIds {
        &self.unique_ids
    }

    /// Forgets those that begin as `start` does.
    pub(super) fn forget_unique_ids(&mut self, start: &[u8]) {
        self.unique_ids.remove_beginning(start);
    }

    /// Whether anything is known of headers.
    pub(super) fn knows_headers(&self) -> bool {
        self.entries.iter().any(|entry| entry.header() != Header::Unknown)
    }

    /// Adds what both directories hold now to what earlier passes saw. Afterwards entries are sorted by base.
    ///
    /// `new` is read before `cur`, the way messages move, so that none slips through between the two; one that is
    /// seen in both counts once, and stands where it was seen last.
    pub(super) fn collect(
        &mut self,
        dirs: &Dirs,
        pass: u8,
        hidden: &mut Hidden,
        skipped: &mut Skipped,
    ) -> Result<(), MaildirError> {
        for place in Place::ALL {
            dirs.walk(place, &mut |name, kind| match base_of(name) {
                Ok(base) if kind == FileType::RegularFile && hidden.holds(base) => Ok(()),
                Ok(base) if kind == FileType::RegularFile => self.push(name, base.len(), place, pass),
                Ok(_) => {
                    skipped.note(pass, place, name, kind_of(kind));
                    Ok(())
                }
                Err(odd) => {
                    skipped.note(pass, place, name, odd.as_str());
                    Ok(())
                }
            })?;
        }
        let names = &self.names;
        // Stable: entries of one base stay in the order in which they were seen.
        self.entries.sort_by(|a, b| base_in(names, a).cmp(base_in(names, b)));
        self.entries.dedup_by(|later, kept| {
            let same = base_in(names, later) == base_in(names, kept);
            if same {
                kept.set_many(kept.pass == later.pass);
                kept.pass = later.pass;
                kept.set_place(later.place());
                (kept.name_at, kept.name_len) = (later.name_at, later.name_len);
            }
            same
        });
        if self.entries.len() > self.limit as usize { Err(self.too_many()) } else { Ok(()) }
    }

    fn push(&mut self, name: &[u8], base_len: usize, place: Place, pass: u8) -> Result<(), MaildirError> {
        // Each message may be there from an earlier pass, and in both directories.
        if self.entries.len() / 3 > self.limit as usize {
            return Err(self.too_many());
        }
        let name_at = u32::try_from(self.names.len()).map_err(|_| self.too_many())?;
        let (Ok(name_len), Ok(base_len)) = (u8::try_from(name.len()), u8::try_from(base_len)) else {
            return Ok(()); // not so: `base_of` looks at the length
        };
        self.names.extend_from_slice(name);
        self.entries.push(Entry::new(name_at, name_len, base_len, place, pass));
        Ok(())
    }

    const fn too_many(&self) -> MaildirError {
        MaildirError::TooManyMessages { limit: self.limit }
    }

    /// Takes over a line of the list, if its message is here. `octets_valid`: its octets were counted under the
    /// rules in force.
    ///
    /// The octets are believed without a look at the file: a message file never changes under its name. Opening a
    /// message checks size and time, see [`note_facts`](Self::note_facts).
    pub(super) fn recognise(&mut self, line: &Line<'_>, octets_valid: bool) -> Recognised {
        let names = &self.names;
        let is_there =
            |at: usize| self.entries.get(at).is_some_and(|entry| base_in(names, entry) == line.base);
        let found = if is_there(self.likely) {
            Some(self.likely)
        } else {
            self.entries.binary_search_by(|entry| base_in(names, entry).cmp(line.base)).ok()
        };
        let Some((at, entry)) = found.and_then(|at| Some((at, self.entries.get_mut(at)?))) else {
            return Recognised::Absent;
        };
        self.likely = at + 1;
        if entry.uid == 0 {
            entry.uid = line.uid;
            if let Some(id) = line.unique_id {
                self.unique_ids.push(line.uid, id);
            }
        } else if entry.uid != line.uid {
            return Recognised::Twice;
        }
        if let (false, true, Some(octets)) = (entry.measured(), octets_valid, line.octets) {
            let Line { size, mtime, .. } = *line;
            entry.set_facts(Facts { octets, size, mtime }, |pair| put(&mut self.large, pair));
            note_surrogate(entry, line.surrogate, &mut self.surrogates);
        }
        Recognised::Found
    }

    /// Ends the passes: drops what is not there any more, takes numbers from messages that share one, and sorts by
    /// arrival. `sure`: nothing moved during the last pass.
    pub(super) fn settle(&mut self, dirs: &Dirs, last_pass: u8, sure: bool) -> Result<(), MaildirError> {
        let mut gone = Vec::new();
        for entry in &mut self.entries {
            let name = name_in(&self.names, entry);
            // Missed by the last pass: removed since, unless it was just being renamed.
            let missed = sure && entry.pass != last_pass;
            gone.push(!entry.measured() || (missed && !dirs.has(entry.place(), name)?));
        }
        let mut gone = gone.into_iter();
        self.entries.retain(|_| !gone.next().unwrap_or(false));

        let mut by_uid: Vec<(u32, u32)> =
            (0_u32..).zip(&self.entries).map(|(at, entry)| (entry.uid, at)).collect();
        by_uid.sort_unstable();
        self.unique_ids.settle();
        for pair in by_uid.windows(2) {
            let [(uid, first), (same, at)] = *pair else { continue };
            if uid != same || uid == 0 {
                continue;
            }
            if let Some(entry) = self.entries.get_mut(at as usize) {
                entry.uid = 0;
                entry.set_header(Header::Unknown);
            }
            // What is noted by the number, nobody knows whose it is.
            self.unique_ids.remove(uid);
            if let Some(entry) = self.entries.get_mut(first as usize) {
                entry.set_header(Header::Unknown);
            }
        }

        let names = &self.names;
        // Stable: what arrived at one time stays sorted by name.
        self.entries.sort_by_cached_key(|entry| {
            let seconds = u64::try_from(entry.mtime() / 1_000_000_000).unwrap_or(0);
            Arrival::of(base_in(names, entry)).unwrap_or_else(|| Arrival::at(seconds))
        });
        self.entries.shrink_to_fit();
        self.compact();
        Ok(())
    }

    /// Takes over the ids that a previous server gave: `read` tells the base of a message's name and its id. All messages
    /// must have their numbers. Returns how many have such an id now, and how many ids were of no use.
    pub(super) fn take_over<E>(
        &mut self,
        read: impl FnOnce(&mut dyn FnMut(&[u8], &[u8])) -> Result<(), E>,
    ) -> Result<(usize, usize), E> {
        let mut by_base: Vec<u32> = (0_u32..).zip(&self.entries).map(|(at, _)| at).collect();
        by_base.sort_unstable_by(|&a, &b| self.base_at(a).cmp(self.base_at(b)));
        let (mut unique_ids, mut useless) = (UniqueIds::default(), 0);
        read(&mut |base, id| {
            let found = by_base.binary_search_by(|&at| self.base_at(at).cmp(base)).ok();
            let entry = found.and_then(|at| self.entries.get(*by_base.get(at)? as usize));
            if entry.is_some_and(|entry| !unique_ids.push(entry.uid, id)) {
                useless += 1;
            }
        })?;
        useless += unique_ids.settle();
        self.unique_ids = unique_ids;
        Ok((self.unique_ids.len(), useless))
    }

    /// Whether the last pass saw each message, and at one place.
    pub(super) fn is_clear(&self, last_pass: u8) -> bool {
        self.entries.iter().all(|entry| entry.pass == last_pass && !entry.many())
    }

    /// Gives numbers from `next` on to the messages without. Returns how many they were and the next number, or
    /// `None`, with nothing changed, if there are not enough numbers.
    pub(super) fn number(&mut self, next: u32) -> Option<(u32, u32)> {
        let fresh = self.entries.iter().filter(|entry| entry.uid == 0).count();
        let fresh = u32::try_from(fresh).ok()?;
        let end = next.checked_add(fresh)?;
        for (entry, uid) in self.entries.iter_mut().filter(|entry| entry.uid == 0).zip(next..end) {
            entry.uid = uid;
        }
        Some((fresh, end))
    }

    /// Takes all numbers back.
    pub(super) fn forget_numbers(&mut self) {
        for entry in &mut self.entries {
            entry.uid = 0;
            entry.set_header(Header::Unknown);
        }
        self.surrogates.clear();
        self.unique_ids.clear();
    }

    /// Compares what a file is now with what it was when its octets were counted. `false`: it has changed, and the
    /// list will say so.
    pub(super) fn note_facts(&mut self, at: usize, facts: &std::fs::Metadata) -> bool {
        let Some(entry) = self.entries.get_mut(at) else { return false };
        let counted = entry.facts(&self.large);
        let same = counted.size == facts.len() && counted.mtime == modified(facts);
        if !same {
            entry.set_stale();
        }
        same
    }

    /// Looks up where each message stands now, and under which name.
    pub(super) fn refresh(&mut self, dirs: &Dirs) -> Result<(), MaildirError> {
        let mut by_base: Vec<u32> = (0_u32..).zip(&self.entries).map(|(at, _)| at).collect();
        by_base.sort_unstable_by(|&a, &b| self.base_at(a).cmp(self.base_at(b)));
        for place in Place::ALL {
            dirs.walk(place, &mut |name, _| {
                let Ok(base) = base_of(name) else { return Ok(()) };
                let Ok(found) = by_base.binary_search_by(|&at| self.base_at(at).cmp(base)) else {
                    return Ok(());
                };
                let at = by_base.get(found).map_or(0, |&at| at as usize);
                let name_at = u32::try_from(self.names.len()).map_err(|_| self.too_many())?;
                let Some(entry) = self.entries.get_mut(at) else { return Ok(()) };
                if entry.place() != place || name_in(&self.names, entry) != name {
                    entry.set_place(place);
                    entry.name_len = u8::try_from(name.len()).unwrap_or(u8::MAX);
                    entry.name_at = name_at;
                    self.names.extend_from_slice(name);
                }
                Ok(())
            })?;
        }
        self.compact();
        Ok(())
    }

    fn base_at(&self, at: u32) -> &[u8] {
        self.entries.get(at as usize).map_or(&[], |entry| self.base(entry))
    }

    /// Moves the names in use together.
    fn compact(&mut self) {
        let used = self.name_octets();
        if self.names.capacity() == used {
            return;
        }
        let mut names = Vec::with_capacity(used);
        for entry in &mut self.entries {
            let name = name_in(&self.names, entry);
            // No more than in the old buffer, whose places fit.
            entry.name_at = u32::try_from(names.len()).unwrap_or(u32::MAX);
            names.extend_from_slice(name);
        }
        self.names = names;
    }
}

/// What a line of the list was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    /// The number of a message, and perhaps its octets.
    Found,
    /// Its message was not seen.
    Absent,
    /// An earlier line had the same base.
    Twice,
}

fn note_surrogate(entry: &mut Entry, surrogate: Surrogate, surrogates: &mut BTreeMap<u32, u64>) {
    match surrogate {
        Surrogate::Unknown => {}
        Surrogate::None => entry.set_header(Header::Ascii),
        Surrogate::Octets(octets) => {
            entry.set_header(Header::Utf8);
            surrogates.insert(entry.uid, octets);
        }
    }
}

fn name_in<'a>(names: &'a [u8], entry: &Entry) -> &'a [u8] {
    part(names, entry.name_at, entry.name_len)
}

fn base_in<'a>(names: &'a [u8], entry: &Entry) -> &'a [u8] {
    part(names, entry.name_at, entry.base_len)
}

fn part(names: &[u8], at: u32, len: u8) -> &[u8] {
    names.get(at as usize..).and_then(|rest| rest.get(..usize::from(len))).unwrap_or_default()
}

/// Counts what stands in `new` and `cur` but is no message.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    count: u32,
}

/// What stands there instead of a message.
const fn kind_of(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "symbolic link",
        FileType::Directory => "directory",
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
        _ => "no regular file",
    }
}

impl Skipped {
    /// So many are logged by name.
    const NAMED: u32 = 10;

    fn note(&mut self, pass: u8, place: Place, name: &[u8], why: &str) {
        if pass > 1 {
            return;
        }
        self.count = self.count.saturating_add(1);
        if self.count <= Self::NAMED {
            log::warn!("skipped in {} of a Maildir: {why}: \"{}\"", place.name(), name.escape_ascii());
        }
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::files::TempDir;
    use super::*;

    fn names(index: &Index) -> Vec<&[u8]> {
        index.entries().iter().map(|entry| index.name(entry)).collect()
    }

    #[test]
    fn a_message_takes_an_entry_and_its_name() {
        let dir = TempDir::new();
        let dirs = Dirs::open(dir.path(), true).unwrap();
        for n in 0..100 {
            std::fs::write(dir.path().join(format!("new/{n}.1.h")), "").unwrap();
        }
        let mut index = Index::new(100);
        for pass in 1..=3 {
            index.collect(&dirs, pass, &mut Hidden::default(), &mut Skipped::default()).unwrap();
        }
        assert_eq!(index.measure(&dirs, Counting::default()).unwrap(), (100, 0));
        index.settle(&dirs, 3, true).unwrap();
        assert_eq!((index.entries.capacity(), index.names.capacity()), (100, 10 * 5 + 90 * 6));
        // Names that change leave nothing behind.
        for n in 0..100 {
            let path = |name: String| dir.path().join(name);
            std::fs::rename(path(format!("new/{n}.1.h")), path(format!("cur/{n}.1.h:2,"))).unwrap();
        }
        index.refresh(&dirs).unwrap();
        assert_eq!(index.names.capacity(), 10 * 8 + 90 * 9);
        assert!(
            names(&index)[..11] == (0..11).map(|n| format!("{n}.1.h:2,").into_bytes()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn pb_s29_a_message_that_one_pass_missed_stays_if_its_name_does() {
        let dir = TempDir::new();
        let dirs = Dirs::open(dir.path(), true).unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["1.1.h", "2.1.h", "3.1.h"] {
            std::fs::write(path("new").join(name), "").unwrap();
        }
        for (sure, left) in [(false, 3), (true, 2)] {
            let mut index = Index::new(9);
            index.collect(&dirs, 1, &mut Hidden::default(), &mut Skipped::default()).unwrap();
            assert_eq!(index.measure(&dirs, Counting::default()).unwrap(), (3, 0));
            std::fs::rename(path("new/1.1.h"), path("tmp/1.1.h")).unwrap();
            std::fs::rename(path("new/2.1.h"), path("tmp/2.1.h")).unwrap();
            index.collect(&dirs, 2, &mut Hidden::default(), &mut Skipped::default()).unwrap();
            std::fs::rename(path("tmp/1.1.h"), path("new/1.1.h")).unwrap();
            index.settle(&dirs, 2, sure).unwrap();
            assert_eq!(index.entries().len(), left, "{sure}");
            assert_eq!((names(&index)[0], names(&index)[left - 1]), (&b"1.1.h"[..], &b"3.1.h"[..]));
            std::fs::rename(path("tmp/2.1.h"), path("new/2.1.h")).unwrap();
        }
    }
}
