//! One message of the index, in 28 octets.

use super::super::dirs::Place;

/// One message.
///
/// Numbers that most messages need no room for are cut to 32 bits: see [`Facts`].
#[derive(Clone, Copy, Debug)]
pub(in crate::store::maildir) struct Entry {
    /// Its number in the list of unique-ids; 0: none yet.
    pub(in crate::store::maildir) uid: u32,
    pub(super) name_at: u32,
    /// Of the message on the wire; or the place among the large ones, if it is one.
    pub(super) octets: u32,
    /// Of the file.
    pub(super) size: u32,
    /// In nanoseconds, the upper half first: 32 bits each, as 64 would be aligned.
    mtime: [u32; 2],
    pub(super) name_len: u8,
    pub(super) base_len: u8,
    /// The last pass over the directories that saw it.
    pub(super) pass: u8,
    flags: u8,
}

/// What is known of a message's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::maildir) enum Header {
    /// Nobody has looked.
    Unknown,
    /// It is ASCII.
    Ascii,
    /// It is not, and the octets of the surrogate are known.
    Utf8,
}

/// What was found when the octets of a message were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store::maildir) struct Facts {
    /// The octets of the message on the wire.
    pub(in crate::store::maildir) octets: u64,
    /// The size of the file, in octets.
    pub(in crate::store::maildir) size: u64,
    /// When the file was last changed, in nanoseconds since 1970.
    pub(in crate::store::maildir) mtime: i64,
}

const IN_CUR: u8 = 1;
const MEASURED: u8 = 2;
const LARGE: u8 = 4;
const MANY: u8 = 8;
const STALE: u8 = 16;
const ASCII: u8 = 32;
const UTF8: u8 = 64;

impl Entry {
    pub(super) const fn new(name_at: u32, name_len: u8, base_len: u8, place: Place, pass: u8) -> Self {
        let flags = match place {
            Place::New => 0,
            Place::Cur => IN_CUR,
        };
        Self { uid: 0, name_at, octets: 0, size: 0, mtime: [0; 2], name_len, base_len, pass, flags }
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    const fn set(&mut self, flag: u8, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }

    /// Where it stands.
    pub(in crate::store::maildir) const fn place(&self) -> Place {
        if self.has(IN_CUR) { Place::Cur } else { Place::New }
    }

    pub(super) const fn set_place(&mut self, place: Place) {
        self.set(IN_CUR, matches!(place, Place::Cur));
    }

    /// Whether its octets, and size and time of the file, are known.
    pub(super) const fn measured(&self) -> bool {
        self.has(MEASURED)
    }

    /// Whether one pass saw more than one file of this base.
    pub(in crate::store::maildir) const fn many(&self) -> bool {
        self.has(MANY)
    }

    pub(super) const fn set_many(&mut self, many: bool) {
        self.set(MANY, many);
    }

    /// Whether the file has changed since its octets were counted.
    pub(in crate::store::maildir) const fn stale(&self) -> bool {
        self.has(STALE)
    }

    pub(super) const fn set_stale(&mut self) {
        self.set(STALE, true);
    }

    /// What is known of its header.
    pub(in crate::store::maildir) const fn header(&self) -> Header {
        match self.flags & (ASCII | UTF8) {
            0 => Header::Unknown,
            ASCII => Header::Ascii,
            _ => Header::Utf8,
        }
    }

    pub(super) const fn set_header(&mut self, header: Header) {
        self.set(ASCII, matches!(header, Header::Ascii));
        self.set(UTF8, matches!(header, Header::Utf8));
    }

    pub(super) fn mtime(&self) -> i64 {
        let [upper, lower] = self.mtime;
        i64::from_ne_bytes(((u64::from(upper) << 32) | u64::from(lower)).to_ne_bytes())
    }

    /// Takes over what was found. What does not fit is put among the large ones by `put`, which tells its place there.
    pub(super) fn set_facts(&mut self, facts: Facts, put: impl FnOnce((u64, u64)) -> usize) {
        let Facts { octets, size, mtime } = facts;
        let mtime = u64::from_ne_bytes(mtime.to_ne_bytes());
        // The shift leaves 32 bits, the mask does.
        self.mtime = [(mtime >> 32) as u32, (mtime & 0xffff_ffff) as u32];
        if let (Ok(octets), Ok(size)) = (u32::try_from(octets), u32::try_from(size)) {
            (self.octets, self.size) = (octets, size);
            self.set(LARGE, false);
        } else {
            // One message has one entry, and these are counted with 32 bits.
            self.octets = u32::try_from(put((octets, size))).unwrap_or(u32::MAX);
            self.set(LARGE, true);
        }
        self.set(MEASURED, true);
    }

    pub(super) fn facts(&self, large: &[(u64, u64)]) -> Facts {
        let (octets, size) = if self.has(LARGE) {
            large.get(self.octets as usize).copied().unwrap_or_default()
        } else {
            (u64::from(self.octets), u64::from(self.size))
        };
        Facts { octets, size, mtime: self.mtime() }
    }
}

/// Puts octets and size of a large message among those of others, and tells their place.
pub(super) fn put(large: &mut Vec<(u64, u64)>, pair: (u64, u64)) -> usize {
    large.push(pair);
    large.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_comes_back_however_large() {
        assert_eq!(size_of::<Entry>(), 28);
        let mut large = Vec::new();
        let numbers = [0, 1, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX];
        let times = [0, -1, 1, i64::MIN, i64::MAX, 1_700_000_000_123_456_789];
        let mut all = Vec::new();
        for octets in numbers {
            for size in numbers {
                all.extend(times.map(|mtime| Facts { octets, size, mtime }));
            }
        }
        let mut entry = Entry::new(7, 9, 5, Place::Cur, 3);
        assert!(!entry.measured());
        let entries: Vec<Entry> = all
            .iter()
            .map(|facts| {
                entry.set_facts(*facts, |pair| put(&mut large, pair));
                entry
            })
            .collect();
        for (facts, entry) in all.iter().zip(&entries) {
            assert_eq!(entry.facts(&large), *facts);
            assert!(entry.measured() && entry.place() == Place::Cur && entry.header() == Header::Unknown);
        }
    }

    #[test]
    fn no_flag_touches_another() {
        for header in [Header::Unknown, Header::Ascii, Header::Utf8] {
            for bits in 0..8_u8 {
                let (place, other) =
                    if bits & 1 == 1 { (Place::New, Place::Cur) } else { (Place::Cur, Place::New) };
                let mut entry = Entry::new(0, 0, 0, other, 0);
                for before in [Header::Utf8, Header::Ascii, header] {
                    entry.set_header(before);
                }
                entry.set_place(place);
                entry.set_many(bits & 2 == 2);
                if bits & 4 == 4 {
                    entry.set_stale();
                }
                let read = (entry.place(), entry.many(), entry.stale(), entry.header(), entry.measured());
                assert_eq!(read, (place, bits & 2 == 2, bits & 4 == 4, header, false));
            }
        }
    }
}
