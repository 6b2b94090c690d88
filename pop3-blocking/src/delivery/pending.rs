//! The pending file beside an mbox: where a message is gathered, and what tells, after a crash, what to undo.
//!
//! It holds the message in the form it gets in the mbox. Before the first octet goes there, one line is added and the
//! whole is synced: where in the mbox the message is to stand. No line of a message in this form begins with `From `
//! except its first, so that no message can forge that line.
//!
//! After a crash the mbox is cut back to that place, but only if what stands there is the message, or part of it, and
//! nothing else: if another program has written to the mbox since, nothing is touched.

use std::io;

use super::fs::{Appender, File, append_all, read_full};
use crate::crc::crc32;

/// The first words of the line that ends a pending file.
const MAGIC: &str = "From pop3-pending 1 ";
/// No such line is longer: three numbers and a check.
const LONGEST: usize = MAGIC.len() + 3 * 21 + 9;
const CHUNK: usize = 64 * 1024;

/// Where a message is to stand in the mbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The octets of the mbox before.
    pub(super) at: u64,
    /// So many LF come first, to end what stood there.
    pub(super) gap: u64,
    /// The octets of the message in the pending file.
    pub(super) octets: u64,
}

impl Place {
    /// The line, with its LF.
    pub(super) fn encode(self) -> Vec<u8> {
        let text = format!("{MAGIC}{} {} {}", self.at, self.gap, self.octets);
        format!("{text} {:08x}\n", crc32(text.as_bytes())).into_bytes()
    }

    /// The place a pending file ends with. `None` if it does not: then nothing has been written to the mbox.
    pub(super) fn read(pending: &dyn File) -> io::Result<Option<Self>> {
        let octets = pending.octets()?;
        let mut end = [0; LONGEST];
        let start = octets.saturating_sub(LONGEST as u64);
        let count = read_full(pending, &mut end, start)?;
        let end = end.get(..count).unwrap_or(&[]);
        let line = end.split_inclusive(|&b| b == b'\n').next_back().unwrap_or(&[]);
        let place = Self::parse(line);
        Ok(place.filter(|place| place.octets.saturating_add(line.len() as u64) == octets))
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let numbers = line.strip_suffix(b"\n")?.strip_prefix(MAGIC.as_bytes())?;
        let mut numbers = numbers.split(|&b| b == b' ');
        let mut next = || pop3_proto::parse_number(numbers.next()?);
        let place = Self { at: next()?, gap: next()?, octets: next()? };
        (place.encode() == line).then_some(place)
    }

    /// The octets that the message adds to the mbox.
    const fn added(self) -> u64 {
        self.gap.saturating_add(self.octets)
    }

    /// Appends the message to the mbox, which must have the length of `at`.
    pub(super) fn append(self, pending: &dyn File, mbox: &mut dyn File) -> io::Result<()> {
        self.each(pending, self.added(), |_, octets| append_all(mbox, octets).map(|()| true)).map(drop)
    }

    /// Whether all that stands in the mbox from `at` on is the message, or a part of it that a crash left: its
    /// beginning, perhaps with runs of NUL where octets were lost. `false` if nothing stands there.
    pub(super) fn is_torn(self, pending: &dyn File, mbox: &dyn File) -> io::Result<bool> {
        let there = mbox.octets()?.saturating_sub(self.at);
        if there == 0 || there > self.added() {
            return Ok(false);
        }
        let mut found = vec![0; CHUNK];
        self.each(pending, there, |from, ours| {
            let count = read_full(
                mbox,
                found.get_mut(..ours.len()).unwrap_or(&mut []),
                self.at.saturating_add(from),
            )?;
            let same = found.iter().zip(ours).all(|(&found, &ours)| found == ours || found == 0);
            Ok(count == ours.len() && same)
        })
    }

    /// Gives the first `octets` octets of what the message adds to `each`, in parts, each with its place, while it says
    /// `true`; returns what it said last.
    fn each(
        self,
        pending: &dyn File,
        octets: u64,
        mut each: impl FnMut(u64, &[u8]) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let gap = vec![b'\n'; usize::try_from(self.gap.min(octets)).unwrap_or(0).min(2)];
        if !gap.is_empty() && !each(0, &gap)? {
            return Ok(false);
        }
        let mut chunk = vec![0; CHUNK];
        let mut at = self.gap;
        while at < octets {
            let wanted = usize::try_from(octets.saturating_sub(at)).unwrap_or(CHUNK).min(CHUNK);
            let part = chunk.get_mut(..wanted).unwrap_or(&mut []);
            if read_full(pending, part, at.saturating_sub(self.gap))? < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !each(at, part)? {
                return Ok(false);
            }
            at = at.saturating_add(wanted as u64);
        }
        Ok(true)
    }
}

/// Empties the pending file for good: nothing is to be undone.
pub(super) fn clear(pending: &mut Appender) -> io::Result<()> {
    pending.reset()?;
    pending.file().sync()
}

#[cfg(test)]
mod tests {
    use super::super::fs::Fs;
    use super::super::model::ModelFs;
    use super::*;
    use std::path::Path;

    const PLACE: Place = Place { at: 10, gap: 1, octets: 20 };

    fn file(fs: &ModelFs, name: &str, content: &[u8]) -> Box<dyn File> {
        let mut file = fs.create_new(Path::new(name)).unwrap();
        append_all(&mut *file, content).unwrap();
        file
    }

    #[test]
    fn pb_c19_the_place_is_read_back_only_if_it_is_whole() {
        let fs = ModelFs::new();
        let line = PLACE.encode();
        for cut in 0..=line.len() {
            let content = [&b"From a\n0123456789ab\n"[..], &line[..cut]].concat();
            assert_eq!(content.len() - cut, 20);
            let place = Place::read(&*file(&fs, &format!("/{cut}"), &content)).unwrap();
            assert_eq!(place, (cut == line.len()).then_some(PLACE), "cut at {cut}");
        }
        // The line of another message in front of it, or of another length.
        let content = [&b"From a\n0123456789abc\n"[..], &line].concat();
        assert_eq!(Place::read(&*file(&fs, "/longer", &content)).unwrap(), None);
        let most = Place { at: u64::MAX, gap: u64::MAX, octets: u64::MAX };
        assert!(most.encode().len() <= LONGEST);
    }

    #[test]
    fn pb_c19_only_our_own_torn_message_is_undone() {
        let fs = ModelFs::new();
        let message = b"From a\n0123456789ab\n";
        let pending = file(&fs, "/pending", &[&message[..], &PLACE.encode()].concat());
        let before = b"0123456789";
        let whole = [&before[..], b"\n", message].concat();
        let torn = |name: &str, content: &[u8]| PLACE.is_torn(&*pending, &*file(&fs, name, content)).unwrap();
        for cut in 0..=whole.len() {
            assert_eq!(torn(&format!("/cut{cut}"), &whole[..cut]), cut > before.len(), "cut at {cut}");
        }
        for at in before.len()..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] = 0;
            assert!(torn(&format!("/lost{at}"), &damaged), "lost octet {at}");
            damaged[at] = b'!';
            assert!(!torn(&format!("/changed{at}"), &damaged), "changed octet {at}");
        }
        assert!(!torn("/behind", &[&whole[..], b"From b\n"].concat()));
        assert!(!torn("/much-behind", &[&whole[..], &PLACE.encode(), &[0; 1000]].concat()));
        assert!(!torn("/torn-and-behind", &[&whole[..15], b"From b\n"].concat()));
    }
}
