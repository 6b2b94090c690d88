//! What must be read of messages: their octets, and whether their header is ASCII.

use std::io::{Seek, SeekFrom};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use pop3_proto::body::BodyRules;

use super::entry::put;
use super::{Entry, Facts, Header, Index, name_in};
use crate::store::SurrogateReader;
use crate::store::maildir::MaildirError;
use crate::store::maildir::calls::Reading;
use crate::store::maildir::dirs::{Dirs, modified};
use crate::store::surrogate::{measure, measure_and_check, needs_utf8};

/// How octets are counted.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::maildir) struct Counting {
    pub(in crate::store::maildir) rules: BodyRules,
    /// Whether headers are looked at too.
    pub(in crate::store::maildir) headers: bool,
    /// How many threads do it, where there is much to do.
    pub(in crate::store::maildir) threads: usize,
}

#[cfg(test)]
impl Default for Counting {
    fn default() -> Self {
        Self { rules: BodyRules::default(), headers: false, threads: 1 }
    }
}

/// What must be counted is shared among threads if it is that much: else they are no use.
const SHARED_FROM: usize = 1000;

/// So many messages a thread takes at a time.
const SHARE: usize = 256;

/// Octets that are read at once.
const PIECE: usize = 1 << 16;

impl Index {
    /// Counts the octets of all messages not yet counted, by reading them. Returns how many were counted, and how
    /// many were not found.
    pub(in crate::store::maildir) fn measure(
        &mut self,
        dirs: &Dirs,
        how: Counting,
    ) -> Result<(u32, u32), MaildirError> {
        let missing = self.entries.iter().filter(|entry| !entry.measured()).count();
        if missing == 0 {
            return Ok((0, 0));
        }
        let threads = if missing < SHARED_FROM { 1 } else { how.threads.max(1) };
        let names = &self.names;
        // The messages that are left; and the first of each share.
        let shares = Mutex::new(self.entries.chunks_mut(SHARE));
        let large = Mutex::new(&mut self.large);
        let (counted, vanished, failed) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
        let work = || {
            let mut buffer = vec![0; PIECE];
            loop {
                let share = lock(&shares).next();
                let Some(share) = share.filter(|_| !failed.load(Ordering::Relaxed)) else { return Ok(()) };
                for entry in share.iter_mut().filter(|entry| !entry.measured()) {
                    match count(dirs, name_in(names, entry), entry, how, &mut buffer) {
                        Ok(Some(facts)) => {
                            entry.set_facts(facts, |pair| put(&mut lock(&large), pair));
                            counted.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(None) => {
                            vanished.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            failed.store(true, Ordering::Relaxed);
                            return Err(error);
                        }
                    }
                }
            }
        };
        if threads == 1 {
            work()?;
        } else {
            std::thread::scope(|scope| {
                // That one cannot be started is no fault: this thread works too.
                let others: Vec<_> = (1..threads)
                    .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok())
                    .collect();
                let mine = work();
                others.into_iter().fold(mine, |first, other| {
                    let done = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                    first.and(done)
                })
            })?;
        }
        Ok((counted.into_inner(), vanished.into_inner()))
    }

    /// Looks at the headers that nobody has looked at, and counts the octets of surrogates. All messages must have their
    /// numbers. Returns how many were looked at; one that is not found stays unknown.
    pub(in crate::store::maildir) fn check_headers(
        &mut self,
        dirs: &Dirs,
        rules: BodyRules,
    ) -> Result<u32, MaildirError> {
        let (mut checked, mut refreshed, mut buffer) = (0, false, Vec::new());
        for at in 0..self.entries.len() {
            if self.entries.get(at).is_none_or(|entry| entry.header() != Header::Unknown) {
                continue;
            }
            let mut opened = self.open(dirs, at)?;
            if opened.is_none() && !refreshed {
                refreshed = true;
                self.refresh(dirs)?;
                opened = self.open(dirs, at)?;
            }
            let (Some((mut file, _)), Some(entry)) = (opened, self.entries.get_mut(at)) else { continue };
            buffer.resize(PIECE, 0);
            let fault = MaildirError::std(READING);
            if needs_utf8(&mut file, &mut buffer).map_err(&fault)? {
                file.seek(SeekFrom::Start(0)).map_err(&fault)?;
                let octets = measure(&mut SurrogateReader::new(file), rules, &mut buffer).map_err(&fault)?;
                self.surrogates.insert(entry.uid, octets);
                entry.set_header(Header::Utf8);
            } else {
                entry.set_header(Header::Ascii);
            }
            checked += 1;
        }
        Ok(checked)
    }

    fn open(&self, dirs: &Dirs, at: usize) -> Result<Option<(Reading, std::fs::Metadata)>, MaildirError> {
        self.entries
            .get(at)
            .map_or(Ok(None), |entry| dirs.open_message(entry.place(), name_in(&self.names, entry)))
    }
}

const READING: &str = "reading a message";

/// Counts one message. `None`: it was not found.
///
/// That its header is ASCII is noted. Of another the surrogate has to be counted, and noted by a number that the message may
/// not have yet: so its header stays unknown.
fn count(
    dirs: &Dirs,
    name: &[u8],
    entry: &mut Entry,
    how: Counting,
    buffer: &mut [u8],
) -> Result<Option<Facts>, MaildirError> {
    let at_fault = |error| {
        log::error!("message \"{}\" cannot be counted", name.escape_ascii());
        error
    };
    let opened = dirs.open_message(entry.place(), name).map_err(at_fault)?;
    let Some((mut file, facts)) = opened else { return Ok(None) };
    let read = if how.headers {
        measure_and_check(&mut file, how.rules, buffer)
    } else {
        measure(&mut file, how.rules, buffer).map(|octets| (octets, true))
    };
    let (octets, unknown) = read.map_err(MaildirError::std(READING)).map_err(at_fault)?;
    if !unknown {
        entry.set_header(Header::Ascii);
    }
    Ok(Some(Facts { octets, size: facts.len(), mtime: modified(&facts) }))
}

/// No thread panics with one of these.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::maildir::hidden::Hidden;
    use crate::store::maildir::index::Skipped;
    use crate::store::maildir::tests::files::TempDir;

    const MESSAGES: u32 = 1500;

    fn maildir() -> (TempDir, Dirs) {
        let dir = TempDir::in_memory();
        let dirs = Dirs::open(dir.path(), true).unwrap();
        for n in 0..MESSAGES {
            let subject = if n % 100 == 7 { "größe" } else { "x" };
            let text = format!("Subject: {subject}\n\n{}", "line\n".repeat(n as usize % 50));
            fs::write(dir.path().join(format!("new/{n}.1.h")), text).unwrap();
        }
        (dir, dirs)
    }

    fn collected(dirs: &Dirs) -> Index {
        let mut index = Index::new(MESSAGES);
        index.collect(dirs, 1, &mut Hidden::default(), &mut Skipped::default()).unwrap();
        index
    }

    #[test]
    fn r1939_5_6_many_threads_count_as_one_does() {
        let (dir, dirs) = maildir();
        let mut one = collected(&dirs);
        assert_eq!(one.measure(&dirs, Counting::default()).unwrap(), (MESSAGES, 0));
        fs::remove_file(dir.path().join("new/1000.1.h")).unwrap();
        for threads in [0, 1, 2, 5] {
            let how = Counting { headers: true, threads, ..Counting::default() };
            let mut index = collected(&dirs);
            assert_eq!(index.measure(&dirs, how).unwrap(), (MESSAGES - 1, 0));
            for entry in index.entries() {
                let name = index.name(entry);
                let same = one.entries().iter().find(|other| one.name(other) == name).unwrap();
                assert_eq!(index.facts(entry), one.facts(same), "{}", name.escape_ascii());
                let number: u32 = core::str::from_utf8(&name[..name.len() - 4]).unwrap().parse().unwrap();
                let header = if number % 100 == 7 { Header::Unknown } else { Header::Ascii };
                assert_eq!(entry.header(), header);
            }
            assert_eq!(index.measure(&dirs, how).unwrap(), (0, 0), "counted once");
        }
    }

    #[test]
    fn pb_s28_a_message_that_cannot_be_read_fails_them_all_and_one_that_is_gone_does_not() {
        let (dir, dirs) = maildir();
        for threads in [1, 3] {
            let how = Counting { threads, ..Counting::default() };
            let mut index = collected(&dirs);
            fs::rename(dir.path().join("new/700.1.h"), dir.path().join("gone")).unwrap();
            assert_eq!(index.measure(&dirs, how).unwrap(), (MESSAGES - 1, 1));
            fs::rename(dir.path().join("gone"), dir.path().join("new/700.1.h")).unwrap();
        }
        // A name that the file system does not take.
        for threads in [1, 3] {
            let how = Counting { threads, ..Counting::default() };
            let mut index = collected(&dirs);
            let at = index.entries().len() / 2;
            let name_at = index.entries[at].name_at as usize;
            index.names[name_at] = 0;
            assert!(matches!(index.measure(&dirs, how), Err(MaildirError::Io { .. })), "{threads}");
        }
    }
}
