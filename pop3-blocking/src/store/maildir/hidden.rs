//! The messages that stay in the Maildir and are hidden from POP3: the file `pop3-hidden`
//! ([`DeletePolicy::Keep`](super::DeletePolicy)).
//!
//! Lines of text that end in LF: `pop3-hidden 1`, the base of each message's file name, and `end` with the number of
//! them. It is replaced as a whole, like the list of unique-ids, by way of the same other name.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::MaildirError;
use super::calls::{Call, Reading, Writing, call};
use super::new_file::{NEW_NAME, move_to, replace};

pub(super) const NAME: &str = "pop3-hidden";

const FIRST_LINE: &[u8] = b"pop3-hidden 1";

/// The largest file, in octets.
const FILE_MAX: u64 = 64 << 20;

/// The bases of hidden messages, sorted, each once.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    bases: Vec<Box<[u8]>>,
    /// Which of them have been seen in the Maildir.
    seen: Vec<bool>,
}

impl Hidden {
    /// Reads the file; there need be none.
    pub(super) fn read(root: &File) -> Result<Self, MaildirError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match call(Call::OpenList, || openat(root, NAME, flags, Mode::empty())) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(Self::default()),
            Err(errno) => return Err(MaildirError::io(READING)(errno)),
        };
        let facts = call(Call::Look, || file.metadata()).map_err(MaildirError::std(READING))?;
        if !facts.is_file() {
            return Err(MaildirError::NotRegular { name: NAME });
        }
        if facts.len() > FILE_MAX {
            return Err(MaildirError::TooManyHidden);
        }
        let mut text = Vec::new();
        let mut reading = Reading::new(file, Call::ReadList).take(FILE_MAX);
        reading.read_to_end(&mut text).map_err(MaildirError::std(READING))?;
        Self::parse(&text).ok_or(MaildirError::HiddenDamaged)
    }

    /// `None`: it is damaged. What it hid must not come back by itself.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut lines: Vec<&[u8]> = text.strip_suffix(b"\n")?.split(|&octet| octet == b'\n').collect();
        let last = lines.pop()?;
        if lines.is_empty() || lines.remove(0) != FIRST_LINE {
            return None;
        }
        let counted = last.strip_prefix(b"end ").and_then(pop3_proto::parse_number)?;
        if u64::try_from(lines.len()) != Ok(counted) {
            return None;
        }
        Some(Self::of(lines.into_iter().map(Box::from).collect()))
    }

    fn of(mut bases: Vec<Box<[u8]>>) -> Self {
        bases.sort_unstable();
        bases.dedup();
        let seen = vec![false; bases.len()];
        Self { bases, seen }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bases.is_empty()
    }

    /// Whether the message is hidden. Takes note that it is there.
    pub(super) fn holds(&mut self, base: &[u8]) -> bool {
        let Ok(at) = self.bases.binary_search_by(|other| other.as_ref().cmp(base)) else { return false };
        if let Some(seen) = self.seen.get_mut(at) {
            *seen = true;
        }
        true
    }

    /// Takes note that all of them may be there.
    pub(super) fn see_all(&mut self) {
        self.seen.fill(true);
    }

    /// Those that were seen, and `more`. What was not seen is there no more.
    pub(super) fn with<'b>(&self, more: impl Iterator<Item = &'b [u8]>) -> Self {
        let left = self.bases.iter().zip(&self.seen).filter(|(_, seen)| **seen).map(|(base, _)| base.clone());
        Self::of(left.chain(more.map(Box::from)).collect())
    }

    /// Replaces the file by one with these. Afterwards it is durable; if it fails, either of the two is in force.
    pub(super) fn write(&self, root: &File) -> Result<(), MaildirError> {
        let octets = self.bases.iter().map(|base| base.len() as u64 + 1).sum::<u64>();
        // The first and the last line.
        if octets > FILE_MAX - 64 {
            return Err(MaildirError::TooManyHidden);
        }
        replace(root, |file| self.fill_and_rename(root, file)).map_err(MaildirError::std("hiding messages"))
    }

    fn fill_and_rename(&self, root: &File, file: Writing) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, file);
        out.write_all(FIRST_LINE)?;
        for base in &self.bases {
            out.write_all(b"\n")?;
            out.write_all(base)?;
        }
        writeln!(out, "\nend {}", self.bases.len())?;
        let Writing(file) = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        call(Call::Sync(NEW_NAME), || file.sync_all())?;
        move_to(root, NAME)?;
        call(Call::SyncDir(None), || root.sync_all())
    }
}

const READING: &str = "reading the list of hidden messages";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_is_read() {
        let whole = b"pop3-hidden 1\n1.b.h\n1.a.h\nend 2\n";
        let mut hidden = Hidden::parse(whole).unwrap();
        assert!(hidden.holds(b"1.a.h") && hidden.holds(b"1.b.h") && !hidden.holds(b"1.c.h"));
        for end in 0..whole.len() {
            assert!(Hidden::parse(&whole[..end]).is_none(), "{end}");
        }
        assert!(Hidden::parse(b"pop3-hidden 1\nend 0\n").unwrap().is_empty());
        for damaged in [&b"pop3-hidden 2\nend 0\n"[..], b"pop3-hidden 1\na\nend 2\n", b"end 0\n", b"\n"] {
            assert!(Hidden::parse(damaged).is_none(), "{damaged:?}");
        }
    }

    #[test]
    fn what_is_not_there_any_more_is_forgotten() {
        let mut hidden = Hidden::parse(b"pop3-hidden 1\na\nb\nc\nend 3\n").unwrap();
        assert!(hidden.holds(b"b"));
        let mut next = hidden.with([&b"d"[..], b"b"].into_iter());
        assert_eq!(next.bases.len(), 2);
        assert!(next.holds(b"b") && next.holds(b"d") && !next.holds(b"a"));
    }
}
