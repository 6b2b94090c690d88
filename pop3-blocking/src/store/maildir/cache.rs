//! What the last scan found: the file `pop3-cache`, by which a login to a large maildrop needs to read no directory.
//!
//! It is believed only while `new`, `cur`, the list of unique-ids and the list of hidden messages are the very files that
//! they were, unchanged: same number, same times, see [`Seal`]. It is written only when the directories had stood still for
//! [`STILL`] before they were read; so a change that came later, even in the middle of the scan, has another time. Whatever
//! is wrong with it, the scan reads the directories as if it were not there. So nobody waits until it is durable.
//!
//! # Format
//!
//! Octets, numbers with the lowest first: `pop3-cache 1` and LF; the rules of bodies, as [`rules_tag`] gives them; the seals
//! of the four, 0 for one that is not there; validity and next number of the list; how many entries were skipped; how many
//! messages there are, and the octets of their names. Then each message: number, octets, size and time of the file, what
//! there is besides, the length of its name, the name, octets of its surrogate, length of its unique-id and the
//! unique-id. At the end the CRC-32 of all that.
//!
//! Who can write to the Maildir can write this file too. So nothing in it is trusted more than the directories: a name is
//! one that they could hold, and leads nowhere else (R40).

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::calls::{Call, Reading, call, now};
use super::dirs::{Dirs, Place, Seal, Stamp};
use super::index::Index;
use super::name::base_of;
use super::new_file::{move_to, replace};
use super::uid_list::{Line, Surrogate};
use crate::crc::Crc32;

pub(super) const NAME: &str = "pop3-cache";

const MAGIC: &[u8] = b"pop3-cache 1\n";

/// Below that many messages the directories are read in less time than it takes to keep this.
pub(super) const WORTH_IT: usize = 1000;

/// How long a directory must not have changed: longer than the times of any file system are coarse.
const STILL: Duration = Duration::from_secs(2);

/// How many octets are read or written at once.
const PIECE: usize = 1 << 16;

/// No message takes more octets than that.
const RECORD_MAX: usize = 30 + 255 + 8 + 1 + 255;
const RECORD_MIN: usize = 30 + 1;

/// What the cache holds true for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// `new` and `cur`.
    pub(super) dirs: Stamp,
    /// The list of unique-ids.
    pub(super) list: Option<Seal>,
    /// The list of hidden messages.
    pub(super) hidden: Option<Seal>,
    pub(super) rules: u32,
}

impl Scope {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.rules.to_le_bytes());
        let [new, cur] = self.dirs;
        for seal in [Some(new), Some(cur), self.list, self.hidden] {
            let Seal { inode, len, modified, changed } =
                seal.unwrap_or(Seal { inode: 0, len: 0, modified: 0, changed: 0 });
            for number in
                [inode.to_le_bytes(), len.to_le_bytes(), modified.to_le_bytes(), changed.to_le_bytes()]
            {
                out.extend_from_slice(&number);
            }
        }
    }
}

/// What there is besides messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// Of the list of unique-ids.
    pub(super) validity: u32,
    /// The number of the next message.
    pub(super) next: u32,
    /// How many entries of the directories are no messages.
    pub(super) skipped: u32,
}

/// Whether directories of this stamp, looked at only now, stand still.
pub(super) fn is_still([new, cur]: Stamp) -> bool {
    let last = [new.modified, new.changed, cur.modified, cur.changed].into_iter().max();
    let Some(Ok(last)) = last.map(u64::try_from) else { return false };
    UNIX_EPOCH
        .checked_add(Duration::from_nanos(last))
        .and_then(|last| now().duration_since(last).ok())
        .is_some_and(|since| since >= STILL)
}

/// Reads the cache, if there is one that holds true for `scope`. All messages have their numbers, octets, and what is known
/// of their headers.
pub(super) fn read(dirs: &Dirs, scope: &Scope, limit: u32) -> Option<(Index, Summary)> {
    scope.list?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match call(Call::OpenCache, || openat(&dirs.root, NAME, flags, Mode::empty())) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return None,
        Err(errno) => {
            log::debug!("opening {NAME}: {errno}");
            return None;
        }
    };
    let facts = call(Call::Look, || file.metadata()).ok().filter(std::fs::Metadata::is_file)?;
    let found = parse(Reading::new(file, Call::ReadCache), facts.len(), scope, limit);
    match &found {
        Ok(Some(_)) => {}
        Ok(None) => log::debug!("{NAME} holds true no more"),
        Err(error) => log::debug!("reading {NAME}: {error}"),
    }
    found.ok().flatten()
}

/// Reads `len` octets of a cache. `None`: it is of other files than `scope` says, or it is damaged.
pub(super) fn parse(
    source: impl Read,
    len: u64,
    scope: &Scope,
    limit: u32,
) -> io::Result<Option<(Index, Summary)>> {
    let mut prefix = Vec::new();
    scope.put(&mut prefix);
    let Some(body) = len.checked_sub(4) else { return Ok(None) };
    let mut source = Source::new(source, body);
    if source.peek()?.get(..prefix.len()) != Some(&prefix[..]) {
        return Ok(None);
    }
    source.skip(prefix.len());
    let Some([validity, next, skipped, messages, names]) = numbers(source.peek()?) else { return Ok(None) };
    source.skip(20);
    // What is announced would fit in the file: so no more memory is taken than that has octets.
    if messages > limit
        || u64::from(messages).saturating_mul(RECORD_MIN as u64) > body
        || u64::from(names) > body
    {
        return Ok(None);
    }
    let mut index = Index::with_room(limit, messages as usize, names as usize);
    for _ in 0..messages {
        let piece = source.peek()?;
        let Some(rest) = record(piece, next, &mut index) else { return Ok(None) };
        let used = piece.len() - rest;
        source.skip(used);
    }
    let whole = source.is_at_end() && index.name_octets() == names as usize;
    let good = source.finish()? && whole && index.finish();
    Ok(good.then_some((index, Summary { validity, next, skipped })))
}

/// The first numbers.
fn numbers(piece: &[u8]) -> Option<[u32; 5]> {
    let (first, _) = piece.split_first_chunk::<20>()?;
    let mut numbers = [0; 5];
    for (number, octets) in numbers.iter_mut().zip(first.chunks_exact(4)) {
        *number = u32::from_le_bytes(octets.try_into().ok()?);
    }
    Some(numbers)
}

const IN_CUR: u8 = 1;
const ASCII: u8 = 2;
const UTF8: u8 = 4;
const HAS_ID: u8 = 8;

/// Takes a message from the beginning of `piece`. Returns how much is left, or `None` if that can be none.
fn record(piece: &[u8], next: u32, index: &mut Index) -> Option<usize> {
    let (uid, rest) = piece.split_first_chunk()?;
    let (octets, rest) = rest.split_first_chunk()?;
    let (size, rest) = rest.split_first_chunk()?;
    let (mtime, rest) = rest.split_first_chunk()?;
    let ([flags, name_len], rest) = rest.split_first_chunk()?;
    let (name, mut rest) = rest.split_at_checked(usize::from(*name_len))?;
    let surrogate = match flags & (ASCII | UTF8) {
        0 => Surrogate::Unknown,
        ASCII => Surrogate::None,
        UTF8 => {
            let octets;
            (octets, rest) = rest.split_first_chunk()?;
            Surrogate::Octets(u64::from_le_bytes(*octets))
        }
        _ => return None,
    };
    let mut unique_id = None;
    if flags & HAS_ID != 0 {
        let len;
        (len, rest) = rest.split_first()?;
        let id;
        (id, rest) = rest.split_at_checked(usize::from(*len))?;
        unique_id = Some(id);
    }
    let line = Line {
        uid: Some(u32::from_le_bytes(*uid)).filter(|uid| (1..next).contains(uid))?,
        octets: Some(u64::from_le_bytes(*octets)),
        surrogate,
        unique_id,
        size: u64::from_le_bytes(*size),
        mtime: i64::from_le_bytes(*mtime),
        base: base_of(name).ok()?,
    };
    let place = if flags & IN_CUR != 0 { Place::Cur } else { Place::New };
    index.add(&line, place, name).then_some(rest.len())
}

/// Octets that are read in pieces, with their sum.
struct Source<R> {
    reader: R,
    /// Octets not read yet.
    left: u64,
    piece: Vec<u8>,
    at: usize,
    sum: Crc32,
}

impl<R: Read> Source<R> {
    fn new(reader: R, left: u64) -> Self {
        Self { reader, left, piece: Vec::with_capacity(PIECE + RECORD_MAX), at: 0, sum: Crc32::new() }
    }

    /// What comes next: so much that a record is whole, unless the end is nearer.
    fn peek(&mut self) -> io::Result<&[u8]> {
        if self.piece.len() - self.at < RECORD_MAX && self.left > 0 {
            self.piece.drain(..self.at);
            self.at = 0;
            let kept = self.piece.len();
            let wanted = self.left.min(PIECE as u64);
            let read = self.reader.by_ref().take(wanted).read_to_end(&mut self.piece)? as u64;
            self.sum.update(self.piece.get(kept..).unwrap_or_default());
            // It has become shorter, or is read for the last time.
            self.left = if read < wanted { 0 } else { self.left - read };
        }
        Ok(self.piece.get(self.at..).unwrap_or_default())
    }

    fn skip(&mut self, octets: usize) {
        self.at = self.piece.len().min(self.at + octets);
    }

    fn is_at_end(&self) -> bool {
        self.left == 0 && self.at == self.piece.len()
    }

    /// Whether the sum that follows is right.
    fn finish(mut self) -> io::Result<bool> {
        let mut sum = [0; 4];
        match self.reader.read_exact(&mut sum) {
            Ok(()) => Ok(u32::from_le_bytes(sum) == self.sum.sum()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Replaces the cache.
pub(super) fn write(root: &File, scope: &Scope, summary: Summary, index: &Index) -> io::Result<()> {
    replace(root, |mut file| {
        fill(&mut file, scope, summary, index)?;
        move_to(root, NAME)
    })
}

pub(super) fn fill(out: &mut impl Write, scope: &Scope, summary: Summary, index: &Index) -> io::Result<()> {
    let mut piece = Vec::with_capacity(PIECE + RECORD_MAX);
    let mut sum = Crc32::new();
    scope.put(&mut piece);
    let Summary { validity, next, skipped } = summary;
    let too_many = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let messages = u32::try_from(index.entries().len()).map_err(too_many)?;
    let names = u32::try_from(index.name_octets()).map_err(too_many)?;
    for number in [validity, next, skipped, messages, names] {
        piece.extend_from_slice(&number.to_le_bytes());
    }
    for entry in index.entries() {
        let (line, name) = (index.line(entry), index.name(entry));
        put_record(&line, entry.place(), name, &mut piece);
        if piece.len() >= PIECE {
            sum.update(&piece);
            out.write_all(&piece)?;
            piece.clear();
        }
    }
    sum.update(&piece);
    piece.extend_from_slice(&sum.sum().to_le_bytes());
    out.write_all(&piece)
}

fn put_record(line: &Line<'_>, place: Place, name: &[u8], out: &mut Vec<u8>) {
    let mut flags = if place == Place::Cur { IN_CUR } else { 0 };
    flags |= match line.surrogate {
        Surrogate::Unknown => 0,
        Surrogate::None => ASCII,
        Surrogate::Octets(_) => UTF8,
    };
    if line.unique_id.is_some() {
        flags |= HAS_ID;
    }
    out.extend_from_slice(&line.uid.to_le_bytes());
    // A message of an index that the cache is written of was counted.
    out.extend_from_slice(&line.octets.unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&line.size.to_le_bytes());
    out.extend_from_slice(&line.mtime.to_le_bytes());
    // Neither a name nor a unique-id is longer.
    let len = |text: &[u8]| u8::try_from(text.len()).unwrap_or(u8::MAX);
    out.extend_from_slice(&[flags, len(name)]);
    out.extend_from_slice(name);
    if let Surrogate::Octets(octets) = line.surrogate {
        out.extend_from_slice(&octets.to_le_bytes());
    }
    if let Some(id) = line.unique_id {
        out.push(len(id));
        out.extend_from_slice(id);
    }
}

#[cfg(test)]
mod tests;
