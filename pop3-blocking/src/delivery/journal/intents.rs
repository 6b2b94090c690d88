//! Intents: what is about to be moved into a Maildir, told before it is moved.
//!
//! The record of an id says that its message is in the Maildir. For a batch it would come after the names of all, and a
//! run that dies in between would cost as many duplicates. So each batch is told of before: the id, the Maildir, and the
//! name that the file will have in `new`. The files are durable in `tmp` before the first is moved, and so is the intent.
//! A run that finds an intent with nothing behind it looks for that name, in `new` and, as mail programs move and flag
//! what they have seen, in `cur`. If it is there, the message was delivered, and its name is made durable now. If it is
//! not, it never got there, or a mail program has removed it since: the message is fetched again.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::super::error::{Fault, JournalError};
use super::super::fs::{File, Fs, sync_names};
use super::super::record::{MAX_PATH, Mark, MessageFile, Record};
use super::{Entry, Journal, seconds};

/// Unique-ids, and the file that the message of each was to be.
pub(super) type Intents = HashMap<Box<[u8]>, MessageFile>;

impl Journal {
    /// Appends intents: the messages of these ids are to be files of these names in `maildir`, whose path is absolute.
    /// Tells whether there were any. They are not safe before [`file`](Self::file) is synced.
    pub(in super::super) fn intend<'a>(
        &mut self,
        maildir: &Path,
        messages: impl IntoIterator<Item = (&'a [u8], &'a OsStr)>,
    ) -> Result<bool, JournalError> {
        // Where no path can be told, nothing is looked up. That may cost duplicates, and no more.
        if maildir.as_os_str().len() > MAX_PATH {
            return self.check_usable().map(|()| false);
        }
        let time = seconds(self.fs.now());
        let mut text = Vec::new();
        let mut count = 0usize;
        for (id, name) in messages {
            Record::encode_intent(time, id, maildir, name, &mut text);
            count = count.saturating_add(1);
        }
        self.write_lines(&text, count)
    }

    /// What to sync before intents are acted upon; then tell [`file_synced`](Self::file_synced) what came of it.
    pub(in super::super) fn file(&self) -> &dyn File {
        &*self.file
    }

    pub(in super::super) fn file_synced(&mut self, synced: io::Result<()>) -> Result<(), JournalError> {
        self.synced(synced)
    }

    /// Adds ids whose messages are durably where their intents say, and makes the records safe. That of a single id is
    /// left to be safe by and by: until then its intent speaks for it.
    pub(in super::super) fn fulfil(&mut self, ids: &[&[u8]]) -> Result<(), JournalError> {
        let time = seconds(self.fs.now());
        if self.write(ids.iter().map(|&id| (Mark::Held, time, id)))? && ids.len() > 1 {
            self.sync()?;
        }
        for &id in ids {
            self.entries.insert(id.into(), Entry { mark: Mark::Held, time, listed: false });
        }
        Ok(())
    }

    /// Finds out what became of intents.
    pub(super) fn look_up(&mut self, intents: Intents) -> Result<(), JournalError> {
        let mut maildirs: HashMap<PathBuf, HashMap<OsString, Box<[u8]>>> = HashMap::new();
        for (id, MessageFile { maildir, name }) in intents {
            maildirs.entry(maildir).or_default().insert(name, id);
        }
        for (maildir, names) in maildirs {
            let found = found(&*self.fs, &maildir, &names)?;
            let time = seconds(self.fs.now());
            let (here, lost) = (found.len(), names.len().saturating_sub(found.len()));
            log::info!("a run died while it delivered: {here} of its messages are here, {lost} are not");
            let mark = |id| if found.contains(id) { Mark::Held } else { Mark::Forgotten };
            self.append(names.values().map(|id| (mark(&**id), time, &**id)))?;
            for id in found {
                self.entries.insert(id.into(), Entry { mark: Mark::Held, time, listed: false });
            }
        }
        Ok(())
    }
}

/// Those of the ids in `names` whose files are in `maildir`, durably.
fn found<'a>(
    fs: &dyn Fs,
    maildir: &Path,
    names: &'a HashMap<OsString, Box<[u8]>>,
) -> Result<HashSet<&'a [u8]>, Fault> {
    let mut found = HashSet::new();
    let mut looked = Vec::new();
    // In this order, as mail programs move from the one to the other.
    for dir in ["new", "cur"].map(|name| maildir.join(name)) {
        let there = match fs.names(&dir) {
            Ok(there) => there,
            Err(e) if is_elsewhere(&e) => {
                log::warn!("cannot look for delivered messages in {dir:?}: {e}");
                continue;
            }
            Err(e) => return Err(Fault::new("read directory", Some(&dir), e)),
        };
        found.extend(
            there.iter().filter_map(|name| bases(name).find_map(|base| names.get(base))).map(|id| &**id),
        );
        looked.push(dir);
    }
    if found.is_empty() {
        return Ok(found);
    }
    // Whoever died had not, and what is in the one may be moved into the other just now.
    for dir in looked {
        if !sync_names(fs, &dir)? {
            found.clear();
        }
    }
    Ok(found)
}

/// Whether the Maildir is not where it was, or not ours any more.
fn is_elsewhere(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied)
}

/// What a file may have been called in `new`: mail programs add `:2,` and flags, some `,S=` and a size before.
fn bases(name: &OsStr) -> impl Iterator<Item = &OsStr> {
    let name = name.as_bytes();
    let ends = name.iter().enumerate().filter(|(_, octet)| matches!(octet, b':' | b',')).map(|(at, _)| at);
    ends.chain([name.len()]).filter_map(|end| name.get(..end)).map(OsStr::from_bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rustix::io::Errno;

    use super::super::super::fault::{FaultFs, What};
    use super::super::super::model::{Crash, ModelFs};
    use super::*;

    const ACCOUNT: &str = "pops://alice@mail.example.org:995";

    fn open(fs: &ModelFs) -> Journal {
        Journal::open_on(fs.shared(), Path::new("/journal"), ACCOUNT).unwrap()
    }

    fn ids(journal: &Journal) -> BTreeSet<&[u8]> {
        journal.entries.keys().map(|id| &**id).collect()
    }

    /// A journal with intents for the Maildir `/mail`, of a run that died.
    fn left() -> ModelFs {
        let fs = ModelFs::new();
        for dir in ["/mail", "/mail/new", "/mail/cur", "/other", "/other/new", "/other/cur"] {
            fs.place(dir, None);
        }
        let mut journal = open(&fs);
        let names = ["1.a", "2.a", "3.a", "4.a"].map(OsStr::new);
        let ids = [&b"1"[..], b"2 %\n", b"3", b"4"];
        assert!(journal.intend(Path::new("/mail"), ids.into_iter().zip(names)).unwrap());
        journal.sync().unwrap();
        assert!(journal.is_empty(), "an intent is no delivery");
        fs
    }

    #[test]
    fn pb_c19_what_a_dead_run_has_moved_is_found() {
        for place in ["new/2.a", "cur/2.a:2,", "cur/2.a:2,FRS", "cur/2.a,S=1234,W=1250:2,S", "cur/2.a"] {
            let fs = left();
            fs.place(&format!("/mail/{place}"), Some(b"x"));
            for other in
                ["/other/new/1.a", "/mail/new/1.ab", "/mail/cur/1:2,.a", "/mail/new/:1.a", "/mail/3.a"]
            {
                fs.place(other, Some(b"x"));
            }
            for _ in 0..2 {
                assert_eq!(ids(&open(&fs)), BTreeSet::from([&b"2 %\n"[..]]), "{place}");
            }
            // What was looked up once is not looked up again, and the answer is safe.
            fs.place("/mail/new/1.a", Some(b"x"));
            let fs = fs.crashed(Crash::Power);
            assert_eq!(ids(&open(&fs)), BTreeSet::from([&b"2 %\n"[..]]), "{place}");
        }
    }

    #[test]
    fn pb_c19_a_name_that_is_found_is_made_durable() {
        for dir in ["new", "cur"] {
            let fs = left();
            drop(fs.create_new(&Path::new("/mail").join(dir).join("1.a")).unwrap());
            let gone = fs.crashed(Crash::Power);
            assert_eq!(open(&gone).len(), 0, "the name was not durable");
            assert_eq!(open(&fs).len(), 1);
            let there = fs.crashed(Crash::Power);
            assert_eq!((open(&there).len(), there.contents(&format!("/mail/{dir}")).len()), (1, 1));
        }
    }

    #[test]
    fn pb_c19_a_maildir_that_is_gone_holds_nothing() {
        let fs = left();
        let mut journal = open(&fs.crashed(Crash::Kill));
        assert_eq!(journal.len(), 0);
        journal.record(b"1").unwrap();
        let fs = left();
        fs.remove(Path::new("/mail/new")).unwrap();
        fs.remove(Path::new("/mail/cur")).unwrap();
        fs.place("/mail/new", Some(b"no directory"));
        assert_eq!(open(&fs).len(), 0);
    }

    #[test]
    fn pb_c19_an_answer_that_cannot_be_had_is_asked_for_again() {
        let counting = FaultFs::new(left().shared(), 0, What::Nothing);
        drop(Journal::open_on(counting.shared(), Path::new("/journal"), ACCOUNT).unwrap());
        let mut failures = 0;
        for at in 0..counting.calls() {
            let fs = left();
            fs.place("/mail/cur/3.a:2,S", Some(b"x"));
            let failing = FaultFs::new(fs.shared(), at, What::Fail(Errno::IO));
            let opened = Journal::open_on(failing.shared(), Path::new("/journal"), ACCOUNT);
            failures += usize::from(opened.is_err());
            drop(opened);
            assert_eq!(ids(&open(&fs)), BTreeSet::from([&b"3"[..]]), "{at}");
        }
        assert!(failures > 5, "{failures}");
    }

    #[test]
    fn pb_c20_a_later_record_settles_an_intent() {
        let fs = left();
        // As the run would have written it, had it lived; and a message that came again under another name.
        let mut journal = left_journal(&fs);
        journal.fulfil(&[b"1"]).unwrap();
        assert!(journal.intend(Path::new("/mail"), [(&b"3"[..], OsStr::new("5.a"))]).unwrap());
        journal.sync().unwrap();
        drop(journal);
        fs.place("/mail/new/3.a", Some(b"x"));
        assert_eq!(ids(&open(&fs)), BTreeSet::from([&b"1"[..]]));
    }

    /// A journal that does not look anything up.
    fn left_journal(fs: &ModelFs) -> Journal {
        let text = fs.content("/journal").unwrap();
        fs.remove(Path::new("/journal")).unwrap();
        let mut journal = open(fs);
        journal.write_lines(text.splitn(2, |&b| b == b'\n').nth(1).unwrap(), 4).unwrap();
        journal
    }

    #[test]
    fn a_path_that_no_system_opens_is_not_noted() {
        let fs = ModelFs::new();
        let mut journal = open(&fs);
        let long = PathBuf::from("/".to_owned() + &"a".repeat(MAX_PATH));
        assert!(!journal.intend(&long, [(&b"1"[..], OsStr::new("1.a"))]).unwrap());
    }

    /// Vectors: written by hand, with the checks of Python's `zlib.crc32`.
    #[test]
    fn pb_c20_journals_with_and_without_intents_are_read() {
        let fs = ModelFs::new();
        for dir in ["/m", "/m/new", "/m/cur"] {
            fs.place(dir, None);
        }
        fs.place("/m/cur/1.h:2,S", Some(b"x"));
        let text = "pop3-journal 1 pops://alice@mail.example.org:995\n\
                    8d8f0820 + 1700000000 QhdPYR:00WBw1Ph7x7\n";
        fs.place("/journal", Some(text.as_bytes()));
        assert_eq!(ids(&open(&fs)), BTreeSet::from([&b"QhdPYR:00WBw1Ph7x7"[..]]));
        fs.remove(Path::new("/journal")).unwrap();
        let text = text.to_owned() + "a5d23ce1 ~ 1700000000 b 1.h /m\nefec4ed1 ~ 1700000000 c 2.h /m\n";
        fs.place("/journal", Some(text.as_bytes()));
        let journal = open(&fs);
        assert_eq!(ids(&journal), BTreeSet::from([&b"QhdPYR:00WBw1Ph7x7"[..], b"b"]));
        assert_eq!(journal.damaged(), 0);
    }
}
