//! The journal: which unique-ids of an account have been delivered, so that no message is fetched twice.
//!
//! A plain text file, one line per record (the format stands in `record.rs`). A record is appended and synced before
//! [`record`](Journal::record) returns; the whole file is only ever replaced by a rename. So after a crash at any point
//! the journal holds every id whose `record` returned `Ok`, and perhaps the one that was on its way. What follows the
//! last LF is a torn record and does not count, nor does a line whose check is wrong: such a message is fetched again,
//! which costs a duplicate, never a loss (PB-C20).
//!
//! One run at a time: an exclusive lock on the file `JOURNAL.lock`, which is empty and stays, is held until the
//! journal is dropped.
//!
//! A batch of messages for a Maildir is noted twice, see `journal/intents.rs`: what is to get a name there, and then that
//! it has it. What lies between the two when a run dies is looked up in the Maildir by the next.
//!
//! Memory: each id with about 50 octets around it, at most 8192 + 50.

use core::fmt;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::error::{Fault, JournalError};
use super::fs::{
    Appender, File, Fs, RealFs, append_all, ensure_dir, open_or_create, parent, read_full, sync_names,
};
use super::record::{Header, MAX_ID, MAX_LINE, Mark, Record, header, judge_header};
use crate::crc::crc32;

mod intents;

use intents::Intents;

/// An id that no listing of this length of time named is dropped, in seconds: 30 days (PB-Q14).
const KEEP_ABSENT: u64 = 30 * 86_400;

/// A journal with fewer dead lines than this is not worth writing anew.
const FEW_LINES: usize = 1024;

/// The unique-ids of one account whose messages are durably here.
///
/// An id in the journal says: this message was delivered and may still be on the server. Use it to skip and to
/// delete only if the id stands once in the server's listing; the journal cannot tell two messages with one id apart
/// (PB-C38, R38). Once a deletion is confirmed, [`forget`](Self::forget) the id, as a server may then give it to
/// another message.
///
/// Dropping the journal frees its lock and writes nothing: everything is on disk already. Only where
/// [`Delivery::keep`](super::Delivery::keep) was given a single message, its record may reach the disk a little later, and
/// until then what was noted before speaks for it.
pub struct Journal {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    header: Vec<u8>,
    file: Box<dyn File>,
    octets: u64,
    /// So many of them are safe.
    synced: u64,
    entries: HashMap<Box<[u8]>, Entry>,
    /// Lines of the file behind the header, whatever they are worth.
    lines: usize,
    damaged: usize,
    usable: bool,
    _lock: Box<dyn File>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No ids: what is formatted may end in a log.
        f.debug_struct("Journal")
            .field("path", &self.path)
            .field("len", &self.entries.len())
            .field("damaged", &self.damaged)
            .field("usable", &self.usable)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    mark: Mark,
    time: u64,
    /// Named by the listing that is being looked at.
    listed: bool,
}

impl Entry {
    /// What a listing at `now` changes.
    const fn change(self, now: u64) -> Option<Mark> {
        match (self.mark, self.listed) {
            (Mark::Absent, true) => Some(Mark::Held),
            (Mark::Held, false) => Some(Mark::Absent),
            (Mark::Absent, false) if now.saturating_sub(self.time) >= KEEP_ABSENT => Some(Mark::Forgotten),
            _ => None,
        }
    }
}

/// What a listing of the server changed in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retained {
    /// Ids that the listing names.
    pub listed: usize,
    /// Ids that it does not name, and that are kept.
    pub absent: usize,
    /// Ids that have been absent for too long and were dropped.
    pub dropped: usize,
}

impl Journal {
    /// The longest unique-id it takes, in octets.
    pub const MAX_ID: usize = MAX_ID;

    /// Opens the journal at `path` for `account`, and locks it without waiting. If there is none, it is created for
    /// the user alone (0600), with the directories above it (0700).
    ///
    /// The account is a text of the caller's that stays the same over the years, such as
    /// `pops://alice@mail.example.org:995`; it guards against one journal used for two accounts.
    ///
    /// # Errors
    ///
    /// - [`JournalError::Busy`], [`OtherAccount`](JournalError::OtherAccount),
    ///   [`NotAJournal`](JournalError::NotAJournal), [`UnknownVersion`](JournalError::UnknownVersion): the file is as
    ///   it was.
    /// - [`JournalError::TooLong`]: the account is over [`MAX_ID`](Self::MAX_ID) octets.
    /// - [`JournalError::Full`], [`JournalError::Io`]: nothing that was in the journal is lost.
    ///
    /// If a run died while it moved a batch of messages into a Maildir, that Maildir is looked into, wherever mail goes
    /// now: what is there counts as delivered, the rest does not. An error of that is one of these, too.
    pub fn open(path: impl AsRef<Path>, account: &str) -> Result<Self, JournalError> {
        Self::open_on(RealFs::shared(), path.as_ref(), account)
    }

    /// A file name for the journal of `account`: at most 200 octets of letters, digits, `-`, `_`, `@`, `.` and `%`.
    ///
    /// Two long accounts can have one name; then [`open`](Self::open) says so.
    pub fn file_name(account: &str) -> String {
        let mut name = String::new();
        for (at, octet) in account.bytes().enumerate() {
            match octet {
                b'.' if at > 0 => name.push('.'),
                b'-' | b'_' | b'@' => name.push(char::from(octet)),
                _ if octet.is_ascii_alphanumeric() => name.push(char::from(octet)),
                _ => name.push_str(&format!("%{octet:02X}")),
            }
        }
        if name.len() > 180 {
            name.truncate(171);
            name.push_str(&format!("-{:08x}", crc32(account.as_bytes())));
        }
        name + ".journal"
    }

    pub(super) fn open_on(fs: Arc<dyn Fs>, path: &Path, account: &str) -> Result<Self, JournalError> {
        check_length(account.len())?;
        let fault = |deed| move |e| Fault::new(deed, Some(path), e);
        ensure_dir(&*fs, parent(path))?;
        let lock_path = with_suffix(path, ".lock");
        let fault_of_lock = |e| Fault::new("lock", Some(&lock_path), e);
        let (lock, _) = open_or_create(&*fs, &lock_path).map_err(fault_of_lock)?;
        if !lock.lock_opening().map_err(fault_of_lock)? {
            return Err(JournalError::Busy { path: path.to_owned() });
        }
        let header = header(account);
        let (file, fresh) = match fs.open(path) {
            Ok(file) => {
                // The run that created the file may have been killed before its name was safe.
                sync_names(&*fs, parent(path))?;
                (file, false)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                (replace(&*fs, path, &header, &HashMap::new())?.0, true)
            }
            Err(e) => return Err(fault("open")(e).into()),
        };
        let mut journal = Self {
            fs,
            path: path.to_owned(),
            octets: header.len() as u64,
            synced: header.len() as u64,
            header,
            file,
            entries: HashMap::new(),
            lines: 0,
            damaged: 0,
            usable: true,
            _lock: lock,
        };
        if !fresh {
            let intents = journal.load()?;
            journal.look_up(intents)?;
        }
        Ok(journal)
    }

    /// Adds an id: its message is durably here. When this returns `Ok`, the record is as well, and `DELE` may follow.
    ///
    /// Call it only for [`Durability::Durable`](super::Durability::Durable). An id that is already there stays as it is.
    ///
    /// # Errors
    ///
    /// - [`JournalError::TooLong`]: the id is over [`MAX_ID`](Self::MAX_ID) octets. Nothing changed.
    /// - [`JournalError::Full`], [`JournalError::Io`]: the id is not recorded. No `DELE` may follow, and every later
    ///   change answers [`JournalError::Unusable`].
    pub fn record(&mut self, id: &[u8]) -> Result<(), JournalError> {
        check_length(id.len())?;
        if self.contains(id) {
            return self.check_usable();
        }
        let time = seconds(self.fs.now());
        self.append([(Mark::Held, time, id)])?;
        self.entries.insert(id.into(), Entry { mark: Mark::Held, time, listed: false });
        Ok(())
    }

    /// Removes ids: the server has confirmed, by `+OK` to `QUIT`, that their messages are deleted.
    ///
    /// From then on a message with such an id is a new one (RFC 1939 lets a server use an id again once its message
    /// is gone). Do not call it for a server that confirms deletions and lists the messages all the same.
    ///
    /// # Errors
    ///
    /// As for [`record`](Self::record); the ids count as still there.
    pub fn forget<I: AsRef<[u8]>>(&mut self, ids: impl IntoIterator<Item = I>) -> Result<(), JournalError> {
        let time = seconds(self.fs.now());
        let ids: Vec<I> = ids.into_iter().filter(|id| self.contains(id.as_ref())).collect();
        self.append(ids.iter().map(|id| (Mark::Forgotten, time, id.as_ref())))?;
        for id in ids {
            self.entries.remove(id.as_ref());
        }
        Ok(())
    }

    /// Compares with a complete listing of the server. Nothing is concluded from an id that is not in it, as servers
    /// hide messages; but one that no listing of 30 days has named is dropped (PB-Q14).
    ///
    /// The days count from the first listing without the id, not from when it was recorded.
    ///
    /// # Errors
    ///
    /// As for [`record`](Self::record).
    pub fn retain_seen<I: AsRef<[u8]>>(
        &mut self,
        now: SystemTime,
        listed: impl IntoIterator<Item = I>,
    ) -> Result<Retained, JournalError> {
        for entry in self.entries.values_mut() {
            entry.listed = false;
        }
        for id in listed {
            if let Some(entry) = self.entries.get_mut(id.as_ref()) {
                entry.listed = true;
            }
        }
        let now = seconds(now);
        let entries = core::mem::take(&mut self.entries);
        let appended = self.append(
            entries.iter().filter_map(|(id, entry)| entry.change(now).map(|mark| (mark, now, &**id))),
        );
        self.entries = entries;
        appended?;
        let mut retained = Retained::default();
        self.entries.retain(|_, entry| {
            if let Some(mark) = entry.change(now) {
                entry.mark = mark;
                entry.time = now;
            }
            match entry.mark {
                Mark::Held => retained.listed = retained.listed.saturating_add(1),
                Mark::Absent => retained.absent = retained.absent.saturating_add(1),
                Mark::Forgotten => retained.dropped = retained.dropped.saturating_add(1),
            }
            entry.mark != Mark::Forgotten
        });
        Ok(retained)
    }

    /// Writes the file anew without what is dead in it, if that is more than half and over 1024 lines; tells whether
    /// it did. Call it at the end of a run.
    ///
    /// # Errors
    ///
    /// [`JournalError::Full`] and [`JournalError::Io`]: every id is kept, in the old file or in the new one.
    pub fn compact(&mut self) -> Result<bool, JournalError> {
        self.check_usable()?;
        let dead = self.lines.saturating_sub(self.entries.len());
        if dead <= FEW_LINES || dead <= self.entries.len() {
            return Ok(false);
        }
        self.rewrite()?;
        Ok(true)
    }

    /// Whether the message of this id is durably here.
    pub fn contains(&self, id: &[u8]) -> bool {
        self.entries.contains_key(id)
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no id.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many lines of the file were damaged when it was opened, and so do not count. A record torn at the end of the
    /// file is none of them: that is what a crash leaves.
    pub const fn damaged(&self) -> usize {
        self.damaged
    }

    const fn check_usable(&self) -> Result<(), JournalError> {
        if self.usable { Ok(()) } else { Err(JournalError::Unusable) }
    }

    /// Reads the file; returns the intents that nothing is known of any more.
    fn load(&mut self) -> Result<Intents, JournalError> {
        let fault = |e| Fault::new("read", Some(&self.path), e);
        let mut first = None;
        let mut intents = Intents::new();
        let (entries, lines, damaged) = (&mut self.entries, &mut self.lines, &mut self.damaged);
        let read = for_each_line(&*self.file, |line| {
            if first.is_none() {
                first = Some(judge_header(line.unwrap_or(b""), &self.header));
                return first == Some(Header::Ours);
            }
            *lines = lines.saturating_add(1);
            match line.and_then(Record::parse) {
                None => *damaged = damaged.saturating_add(1),
                Some(Record::Intent { id, file, .. }) => drop(intents.insert(id, file)),
                Some(Record::Id { mark, time, id }) => {
                    intents.remove(&id);
                    match mark {
                        Mark::Forgotten => drop(entries.remove(&id)),
                        _ => drop(entries.insert(id, Entry { mark, time, listed: false })),
                    }
                }
            }
            true
        })
        .map_err(fault)?;
        let path = self.path.clone();
        match first {
            Some(Header::Ours) if read.octets == read.whole => {}
            // The next record must not stand behind half a line.
            Some(Header::Ours) => self.cut(read.whole)?,
            Some(Header::OtherAccount) => return Err(JournalError::OtherAccount { path }),
            Some(Header::UnknownVersion) => return Err(JournalError::UnknownVersion { path }),
            Some(Header::NotAJournal) => return Err(JournalError::NotAJournal { path }),
            // Cut in its header: it never held an id.
            None if read.octets == read.tail.len() as u64 && self.header.starts_with(&read.tail) => {
                self.rewrite()?;
                return Ok(intents);
            }
            None => return Err(JournalError::NotAJournal { path }),
        }
        (self.octets, self.synced) = (read.whole, read.whole);
        Ok(intents)
    }

    fn cut(&self, octets: u64) -> Result<(), Fault> {
        let fault = |e| Fault::new("cut", Some(&self.path), e);
        self.file.set_len(octets).map_err(fault)?;
        self.file.sync().map_err(fault)
    }

    /// Appends records and makes them safe, all or, as far as can be told, none.
    fn append<'a>(
        &mut self,
        records: impl IntoIterator<Item = (Mark, u64, &'a [u8])>,
    ) -> Result<(), JournalError> {
        if self.write(records)? { self.sync() } else { Ok(()) }
    }

    /// Appends records; tells whether there were any. A process that dies does not take them with it.
    fn write<'a>(
        &mut self,
        records: impl IntoIterator<Item = (Mark, u64, &'a [u8])>,
    ) -> Result<bool, JournalError> {
        let mut text = Vec::new();
        let mut count = 0usize;
        for (mark, time, id) in records {
            Record::encode(mark, time, id, &mut text);
            count = count.saturating_add(1);
        }
        self.write_lines(&text, count)
    }

    fn write_lines(&mut self, text: &[u8], count: usize) -> Result<bool, JournalError> {
        self.check_usable()?;
        if count == 0 {
            return Ok(false);
        }
        append_all(&mut *self.file, text).map_err(|e| self.spoilt("write", e))?;
        self.octets = self.octets.saturating_add(text.len() as u64);
        self.lines = self.lines.saturating_add(count);
        Ok(true)
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        let synced = self.file.sync();
        self.synced(synced)
    }

    /// What came of a sync.
    fn synced(&mut self, synced: io::Result<()>) -> Result<(), JournalError> {
        synced.map_err(|e| self.spoilt("sync", e))?;
        self.synced = self.octets;
        Ok(())
    }

    /// Nobody can tell what the file holds now.
    fn spoilt(&mut self, deed: &'static str, error: io::Error) -> JournalError {
        self.usable = false;
        // For the reader after us; it copes without.
        self.file.set_len(self.synced).ok();
        Fault::new(deed, Some(&self.path), error).into()
    }

    /// Replaces the file by one that holds the header and a record per id.
    fn rewrite(&mut self) -> Result<(), JournalError> {
        match replace(&*self.fs, &self.path, &self.header, &self.entries) {
            Ok((file, octets)) => {
                self.file = file;
                self.synced = octets;
                self.octets = octets;
                self.lines = self.entries.len();
                Ok(())
            }
            Err(fault) => {
                // If it is not known which file has the name, or for how long, nothing can be appended safely.
                self.usable = self.file.is_at(&self.path).unwrap_or(false);
                Err(fault.into())
            }
        }
    }
}

/// Puts a new journal in the place of `path`: a crash leaves the old one or the new one.
fn replace(
    fs: &dyn Fs,
    path: &Path,
    header: &[u8],
    entries: &HashMap<Box<[u8]>, Entry>,
) -> Result<(Box<dyn File>, u64), Fault> {
    let tmp = with_suffix(path, ".tmp");
    let fault = |deed| {
        let tmp = &tmp;
        move |e| Fault::new(deed, Some(tmp), e)
    };
    let create = || {
        match fs.remove(&tmp) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {} // it stood there because a run died: nobody else may write it while we hold the lock
        }
        fs.create_new(&tmp)
    };
    let mut appender = Appender::new(create().map_err(fault("create"))?);
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_unstable_by_key(|(id, entry)| (entry.time, *id));
    let written = (|| {
        appender.put(header)?;
        let mut line = Vec::new();
        for (id, entry) in sorted {
            line.clear();
            Record::encode(entry.mark, entry.time, id, &mut line);
            appender.put(&line)?;
        }
        appender.flush()?;
        appender.file().sync()?;
        appender.file().octets()
    })();
    let octets = match written {
        Ok(octets) => octets,
        Err(e) => {
            fs.remove(&tmp).ok();
            return Err(fault("write")(e));
        }
    };
    fs.rename(&tmp, path).map_err(|e| Fault::new("replace", Some(path), e))?;
    sync_names(fs, parent(path))?;
    Ok((appender.into_file(), octets))
}

/// What [`for_each_line`] read.
struct Lines {
    /// All octets of the file; less, if it was told to stop.
    octets: u64,
    /// The octets up to the last LF.
    whole: u64,
    /// What follows the last LF, if it is not longer than any line may be.
    tail: Vec<u8>,
}

/// Calls `each` for every line that has its LF, without it (`None` if it is longer than any record), until it says
/// `false`.
fn for_each_line(file: &dyn File, mut each: impl FnMut(Option<&[u8]>) -> bool) -> io::Result<Lines> {
    let mut chunk = vec![0; 64 * 1024];
    let mut too_long = false;
    let mut lines = Lines { octets: 0, whole: 0, tail: Vec::new() };
    let line = &mut lines.tail;
    loop {
        let count = read_full(file, &mut chunk, lines.octets)?;
        for part in chunk.get(..count).unwrap_or(&[]).split_inclusive(|&b| b == b'\n') {
            lines.octets = lines.octets.saturating_add(part.len() as u64);
            if line.len().saturating_add(part.len()) > MAX_LINE {
                too_long = true;
                line.clear();
            }
            if !too_long {
                line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                lines.whole = lines.octets;
                if !each(if too_long { None } else { line.strip_suffix(b"\n") }) {
                    return Ok(lines);
                }
                line.clear();
                too_long = false;
            }
        }
        if count < chunk.len() {
            return Ok(lines);
        }
    }
}

const fn check_length(octets: usize) -> Result<(), JournalError> {
    if octets > MAX_ID { Err(JournalError::TooLong { limit: MAX_ID, octets }) } else { Ok(()) }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
