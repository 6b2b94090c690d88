//! Messages for a Maildir that are made safe together: the syncs of directory and journal are shared, those of the files
//! made at once.
//!
//! What waits is whole and lies in `tmp`, open, its content on its way to the disk. To keep a batch is:
//!
//! 1. an intent for each message is appended to the journal: its unique-id, and the name it is to have;
//! 2. the files and the journal are synced, several at once;
//! 3. each message is moved into `new`;
//! 4. `new` is synced;
//! 5. the unique-ids are recorded as delivered.
//!
//! A run that dies before 3 leaves files in `tmp`, and the messages are fetched again. After it dies between 3 and 5, the
//! intents tell the next run what to look for, see `journal/intents.rs`.

use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::Durability;
use super::error::{Fault, KeepError};
use super::fs::{File, Fs, sync_names};
use super::journal::Journal;
use super::maildir::MaildirDelivery;

/// So many messages may wait: each has an open file.
pub(super) const MOST_MESSAGES: usize = 32;

/// So many octets of them: they are what is fetched again after a crash.
const MOST_OCTETS: u64 = 8 << 20;

/// For so long, if another message ends by then: whoever waits for mail over a slow line shall see it.
const LONGEST: Duration = Duration::from_secs(5);

/// What became of a message that was ended with [`Incoming::hold`](super::Incoming::hold).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever deletes on the strength of it must match every case")]
#[must_use = "a message that waits is gone unless it is kept"]
pub enum Held {
    /// It is finished, and so well kept. Nothing was noted in a journal.
    Finished(Durability),
    /// It waits for [`Delivery::keep`](super::Delivery::keep).
    Waiting {
        /// Enough wait: 32 messages, 8 MiB, or one for five seconds. Now `keep` is due. More than 32 never wait.
        full: bool,
    },
}

/// What became of the messages that waited, see [`Delivery::keep`](super::Delivery::keep).
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "only a durable message may be deleted on the server"]
pub struct Kept {
    /// How well each is kept, in the order in which they were held. `None`: it was not delivered, nothing of it is
    /// kept, and it must stay on the server.
    ///
    /// After [`Durable`](Durability::Durable) a `DELE` may follow: if it had an id and there is a journal, it is noted.
    pub messages: Vec<Option<Durability>>,
    /// Why messages are not kept, or not noted; what came first.
    pub error: Option<KeepError>,
}

/// A file that is in `tmp`, and removed when dropped, unless it was moved.
#[derive(Debug)]
pub(super) struct InTmp {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) path: PathBuf,
    /// Where it was moved to.
    pub(super) moved: Option<PathBuf>,
}

impl Drop for InTmp {
    fn drop(&mut self) {
        if self.moved.is_none() {
            self.fs.remove(&self.path).ok();
        }
    }
}

/// A whole message that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) place: InTmp,
    pub(super) file: Box<dyn File>,
    /// What is to be noted, if anything is.
    pub(super) id: Option<Box<[u8]>>,
}

impl Waiting {
    /// The id, unless `journal` has it already.
    fn new_id(&self, journal: &Journal) -> Option<&[u8]> {
        self.id.as_deref().filter(|id| !journal.contains(id))
    }

    fn is_moved(&self) -> bool {
        self.place.moved.is_some()
    }
}

/// The messages that wait.
#[derive(Debug, Default)]
pub(super) struct Batch {
    waiting: Vec<Waiting>,
    octets: u64,
    since: Option<SystemTime>,
}

impl Batch {
    pub(super) fn messages(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a message; tells whether there are enough, if there may be `most`.
    pub(super) fn add(&mut self, message: Waiting, octets: u64, now: SystemTime, most: usize) -> bool {
        self.waiting.push(message);
        self.octets = self.octets.saturating_add(octets);
        let since = *self.since.get_or_insert(now);
        // A clock that was set back tells nothing.
        let is_old = now.duration_since(since).map_or(true, |age| age >= LONGEST);
        self.waiting.len() >= most || self.octets >= MOST_OCTETS || is_old
    }
}

impl MaildirDelivery {
    pub(super) fn keep_batch(&mut self, journal: Option<&mut Journal>) -> Kept {
        let Batch { mut waiting, .. } = core::mem::take(&mut self.batch);
        let mut kept = Kept { messages: vec![None; waiting.len()], error: None };
        if let Err(error) = self.settle(&mut waiting, journal, &mut kept) {
            kept.error.get_or_insert(error);
        }
        kept
    }

    fn settle(
        &self,
        waiting: &mut [Waiting],
        mut journal: Option<&mut Journal>,
        kept: &mut Kept,
    ) -> Result<(), KeepError> {
        let mut intends = false;
        if let Some(journal) = journal.as_deref_mut() {
            let news: Vec<_> =
                waiting.iter().filter_map(|message| Some((message.new_id(journal)?, message))).collect();
            let names =
                news.iter().map(|(id, message)| (*id, message.place.path.file_name().unwrap_or_default()));
            intends = journal.intend(&self.path, names)?;
        }

        let mut files: Vec<&dyn File> = Vec::with_capacity(waiting.len().saturating_add(1));
        files.extend(journal.as_deref().filter(|_| intends).map(Journal::file));
        files.extend(waiting.iter().map(|message| &*message.file));
        let mut synced = self.fs.sync_files(&files).into_iter();
        if let (Some(journal), true) = (journal.as_deref_mut(), intends) {
            journal.file_synced(synced.next().unwrap_or_else(|| Err(io::ErrorKind::Other.into())))?;
        }

        for (message, synced) in waiting.iter_mut().zip(synced) {
            let moved = synced
                .map_err(|e| Fault::new("sync", Some(&message.place.path), e))
                .and_then(|()| self.publish(&*message.file, &message.place.path));
            match moved {
                Ok(path) => message.place.moved = Some(path),
                Err(fault) => drop(kept.error.get_or_insert_with(|| fault.into())),
            }
        }
        if !waiting.iter().any(Waiting::is_moved) {
            return Ok(());
        }
        let durable = sync_names(&*self.fs, &self.new).inspect_err(|_| {
            for path in waiting.iter().filter_map(|message| message.place.moved.as_deref()) {
                self.fs.remove(path).ok();
            }
        })?;

        let durability = if durable { Durability::Durable } else { Durability::Written };
        let mut there: Vec<_> =
            waiting.iter().zip(&mut kept.messages).filter(|(message, _)| message.is_moved()).collect();
        there.iter_mut().for_each(|(_, how)| **how = Some(durability));
        if let (Some(journal), true) = (journal, durable) {
            let news: Vec<&[u8]> = there.iter().filter_map(|(message, _)| message.new_id(journal)).collect();
            journal.fulfil(&news).inspect_err(|_| {
                // The intents stand, but the next run shall say what they are worth.
                there
                    .iter_mut()
                    .filter(|(message, _)| message.id.is_some())
                    .for_each(|(_, how)| **how = Some(Durability::Written));
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use rustix::io::Errno;

    use super::super::fault::{FaultFs, What};
    use super::super::model::ModelFs;
    use super::super::{Delivery, DeliveryError, JournalError};
    use super::*;
    use crate::failpoint::Deed;

    const ACCOUNT: &str = "pops://alice@mail.example.org:995";
    const SYNC_OF_FIRST: usize = 1;

    fn model() -> ModelFs {
        let fs = ModelFs::new();
        fs.place("/mail", None);
        drop(open(&fs.shared()));
        fs
    }

    fn open(fs: &Arc<dyn Fs>) -> (MaildirDelivery, Journal) {
        let maildir = MaildirDelivery::open_on(Arc::clone(fs), Path::new("/mail")).unwrap();
        (maildir, Journal::open_on(Arc::clone(fs), Path::new("/journal"), ACCOUNT).unwrap())
    }

    fn hold(maildir: &mut MaildirDelivery, id: Option<&[u8]>, octets: usize) -> Held {
        let mut incoming = maildir.begin().unwrap();
        incoming.write_all(&vec![b'a'; octets]).unwrap();
        incoming.hold(id).unwrap()
    }

    fn id(number: usize) -> Vec<u8> {
        number.to_string().into_bytes()
    }

    /// What is told of `count` messages held, and the file system they are kept on.
    fn keep(fs: &Arc<dyn Fs>, count: usize) -> (Kept, Journal) {
        let (mut maildir, mut journal) = open(fs);
        for number in 0..count {
            assert!(matches!(hold(&mut maildir, Some(&id(number)), 10), Held::Waiting { .. }));
        }
        (maildir.keep(Some(&mut journal)), journal)
    }

    /// The calls up to the first of [`Delivery::keep`], of `count` messages.
    fn calls_before(fs: &ModelFs, count: usize) -> usize {
        let counting = FaultFs::new(fs.shared(), 0, What::Nothing);
        let (mut maildir, _journal) = open(&counting.shared());
        for _ in 0..count {
            let _held = hold(&mut maildir, None, 10);
        }
        counting.calls()
    }

    #[test]
    fn r36_a_batch_shares_its_syncs() {
        for (count, syncs) in [(1, 1 + 1), (2, 2 + 2), (32, 32 + 2)] {
            let fs = model();
            let before = calls_before(&fs, count);
            let counting = FaultFs::new(fs.shared(), 0, What::Nothing);
            let (kept, journal) = keep(&counting.shared(), count);
            assert_eq!(kept.messages, vec![Some(Durability::Durable); count]);
            assert!(kept.error.is_none() && (0..count).all(|number| journal.contains(&id(number))));
            let deeds = &counting.deeds()[before..];
            let number_of = |wanted| deeds.iter().filter(|deed| **deed == wanted).count();
            assert_eq!((number_of(Deed::Sync), number_of(Deed::SyncNames)), (syncs, 1), "{count} messages");
            assert_eq!(fs.contents("/mail/new").len(), count);
        }
    }

    #[test]
    fn r36_what_waits_is_not_seen_and_not_noted() {
        let fs = model();
        let (mut maildir, mut journal) = open(&fs.shared());
        assert_eq!(hold(&mut maildir, Some(b"a"), 100_000), Held::Waiting { full: false });
        assert_eq!(hold(&mut maildir, None, 0), Held::Waiting { full: false });
        assert_eq!((fs.contents("/mail/tmp").len(), fs.contents("/mail/new").len()), (2, 0));
        let kept = maildir.keep(Some(&mut journal));
        assert_eq!(kept.messages, [Some(Durability::Durable); 2]);
        assert_eq!((fs.contents("/mail/tmp").len(), fs.contents("/mail/new").len()), (0, 2));
        assert_eq!((journal.contains(b"a"), journal.len()), (true, 1));
        // Nothing waits any more.
        assert_eq!(maildir.keep(Some(&mut journal)).messages, []);
        // Without a journal, or noted already.
        let _held = (hold(&mut maildir, Some(b"a"), 1), hold(&mut maildir, Some(b"b"), 1));
        assert_eq!(maildir.keep(None).messages, [Some(Durability::Durable); 2]);
        let text = fs.content("/journal");
        let _held = hold(&mut maildir, Some(b"a"), 1);
        assert_eq!(maildir.keep(Some(&mut journal)).messages, [Some(Durability::Durable)]);
        assert_eq!(fs.content("/journal"), text);
        assert_eq!((fs.contents("/mail/new").len(), journal.len()), (5, 1));
        // Dropped: then they are gone.
        let _held = (hold(&mut maildir, Some(b"c"), 1), hold(&mut maildir, None, 1));
        drop(maildir);
        assert_eq!((fs.contents("/mail/tmp").len(), fs.contents("/mail/new").len()), (0, 5));
        assert!(!journal.contains(b"c"));
    }

    #[test]
    fn r15_a_batch_has_limits() {
        let fs = model();
        let (mut maildir, mut journal) = open(&fs.shared());
        for _ in 0..2 {
            for number in 1..=32 {
                assert_eq!(hold(&mut maildir, None, 1), Held::Waiting { full: number == 32 }, "{number}");
            }
            assert_eq!(hold(&mut maildir, None, 1), Held::Finished(Durability::Durable));
            let _kept = maildir.keep(Some(&mut journal));
            assert_eq!(hold(&mut maildir, None, (8 << 20) - 1), Held::Waiting { full: false });
            assert_eq!(hold(&mut maildir, None, 1), Held::Waiting { full: true });
            let _kept = maildir.keep(Some(&mut journal));
            assert_eq!(hold(&mut maildir, None, 1), Held::Waiting { full: false });
            fs.advance(Duration::from_millis(4_999));
            assert_eq!(hold(&mut maildir, None, 1), Held::Waiting { full: false });
            fs.advance(Duration::from_millis(1));
            assert_eq!(hold(&mut maildir, None, 1), Held::Waiting { full: true });
            let _kept = maildir.keep(Some(&mut journal));
        }
        let mut batch = Batch::default();
        let message = || Waiting {
            place: InTmp { fs: fs.shared(), path: "/mail/tmp/none".into(), moved: None },
            file: fs.open(Path::new("/journal")).unwrap(),
            id: None,
        };
        assert!(!batch.add(message(), 1, fs.now(), 32));
        assert!(batch.add(message(), 1, fs.now() - Duration::from_secs(1), 32), "a clock set back");
    }

    #[test]
    fn r15_an_id_that_no_journal_takes_stays_out_of_the_batch() {
        let fs = model();
        let (mut maildir, mut journal) = open(&fs.shared());
        let long = vec![b'u'; Journal::MAX_ID + 1];
        assert_eq!(hold(&mut maildir, Some(&long), 1), Held::Finished(Durability::Durable));
        assert!(matches!(hold(&mut maildir, Some(&long[1..]), 1), Held::Waiting { .. }));
        assert!(maildir.keep(Some(&mut journal)).error.is_none());
        assert_eq!(journal.len(), 1);
    }

    #[test]
    fn r36_a_file_that_cannot_be_synced_costs_its_own_message_only() {
        for what in [What::Fail(Errno::IO), What::Fail(Errno::NOSPC), What::Lie(Errno::IO), What::Lose] {
            let fs = model();
            // The intents are written and synced first.
            let at = calls_before(&fs, 3) + 2 + SYNC_OF_FIRST;
            let (kept, journal) = keep(&FaultFs::new(fs.shared(), at, what).shared(), 3);
            assert_eq!(kept.messages, [Some(Durability::Durable), None, Some(Durability::Durable)]);
            let full = what == What::Fail(Errno::NOSPC);
            match kept.error {
                Some(KeepError::Delivery(DeliveryError::Full(_))) => assert!(full),
                Some(KeepError::Delivery(DeliveryError::Io(_))) => assert!(!full),
                other => panic!("{other:?}"),
            }
            assert_eq!((fs.contents("/mail/tmp").len(), fs.contents("/mail/new").len()), (0, 2), "{what:?}");
            drop(journal);
            let (_, journal) = open(&fs.shared());
            let noted = [0, 1, 2].map(|number| journal.contains(&id(number)));
            assert_eq!((noted, journal.damaged()), ([true, false, true], 0), "{what:?}");
        }
    }

    #[test]
    fn r36_nothing_is_moved_before_the_journal_knows_of_it() {
        for at in 0..2 {
            let fs = model();
            let at = calls_before(&fs, 2) + at;
            let (kept, journal) = keep(&FaultFs::new(fs.shared(), at, What::Fail(Errno::IO)).shared(), 2);
            assert_eq!(kept.messages, [None, None]);
            assert!(matches!(kept.error, Some(KeepError::Journal(JournalError::Io(_)))), "{:?}", kept.error);
            assert_eq!((fs.contents("/mail/tmp").len(), fs.contents("/mail/new").len()), (0, 0));
            assert!(journal.is_empty());
        }
    }

    #[test]
    fn r36_a_record_that_fails_is_made_up_for_by_the_next_run() {
        let fs = model();
        let last = {
            let counting =
                FaultFs::new(fs.crashed(super::super::model::Crash::Kill).shared(), 0, What::Nothing);
            drop(keep(&counting.shared(), 2));
            counting.deeds().iter().rposition(|deed| *deed == Deed::Write).unwrap()
        };
        let (kept, journal) = keep(&FaultFs::new(fs.shared(), last, What::Fail(Errno::NOSPC)).shared(), 2);
        assert_eq!(kept.messages, [Some(Durability::Written); 2], "no DELE on the strength of it");
        assert!(matches!(kept.error, Some(KeepError::Journal(JournalError::Full(_)))), "{:?}", kept.error);
        assert!(journal.is_empty());
        drop(journal);
        assert_eq!(fs.contents("/mail/new").len(), 2);
        assert_eq!(open(&fs.shared()).1.len(), 2);
    }

    #[test]
    fn r36_names_that_are_not_durable_are_taken_back_or_told_of() {
        let fs = model();
        let names = {
            let counting =
                FaultFs::new(fs.crashed(super::super::model::Crash::Kill).shared(), 0, What::Nothing);
            drop(keep(&counting.shared(), 2));
            counting.deeds().iter().rposition(|deed| *deed == Deed::SyncNames).unwrap()
        };
        let (kept, _) = keep(&FaultFs::new(fs.shared(), names, What::Fail(Errno::IO)).shared(), 2);
        assert_eq!(kept.messages, [None, None]);
        assert!(matches!(kept.error, Some(KeepError::Delivery(DeliveryError::Io(_)))), "{:?}", kept.error);
        assert_eq!((fs.contents("/mail/tmp").len(), fs.contents("/mail/new").len()), (0, 0));

        let fs = model().without_synced_dirs();
        let (kept, journal) = keep(&fs.shared(), 2);
        assert_eq!(kept.messages, [Some(Durability::Written); 2]);
        assert!(kept.error.is_none() && journal.is_empty());
    }
}
