//! The whole of fetching, stopped at every call to the file system, on a file system that forgets.
//!
//! What must hold at every point (R36, PB-C19, PB-C20): no message is lost; nothing but whole messages is where a mail
//! program looks; the journal names only what is durably here; what was deleted on the server is durably here; and one
//! crash costs at most one duplicate, none where messages are kept in batches.

use core::time::Duration;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::fault::{FaultFs, What};
use super::fs::{Fs, read_full};
use super::mboxrd::Encoder;
use super::model::{Crash, ModelFs};
use super::{
    Delivery, DeliveryError, Durability, Held, Journal, JournalError, KeepError, MaildirDelivery,
    MboxDelivery,
};
use crate::failpoint::{Deed, check_readme};

const ACCOUNT: &str = "pops://alice@mail.example.org:995";
/// The directory that everything is in, on the file system in memory.
pub(super) const HOME: &str = "/home";
const JOURNAL: &str = "state/pop3/alice.journal";
const MAILDIR: &str = "mail/inbox";
const MBOX: &str = "mbox";
/// What another program left in the mbox, without an end.
const OTHERS: &[u8] = b"From carol Thu Jan  1 00:00:00 1970\n\nhello";

const CRASHES: [Crash; 6] = [
    Crash::Kill,
    Crash::Power,
    Crash::PowerKeepsNames,
    Crash::PowerKeepsContent,
    Crash::PowerKeepsSome(0x5eed_0001),
    Crash::PowerKeepsSome(0x5eed_0002),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In batches of two, so that the last of three messages is one of its own.
    Maildir,
    /// One message after the other.
    SingleMaildir,
    /// One that another program left without an end.
    Mbox,
    /// One that the first message creates.
    NewMbox,
}

impl Kind {
    const fn is_maildir(self) -> bool {
        matches!(self, Self::Maildir | Self::SingleMaildir)
    }

    /// What one crash may cost.
    pub(super) const fn duplicates(self) -> usize {
        match self {
            Self::Maildir => 0,
            Self::SingleMaildir | Self::Mbox | Self::NewMbox => 1,
        }
    }
}

/// When the server deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deletes {
    /// At once, as the strictest judge of the order.
    AtDele,
    /// When the session ends well, as POP3 has it.
    AtQuit,
    /// Not at all: the connection is lost before QUIT is answered.
    Never,
}

/// A maildrop: unique-id and message.
pub(super) type Maildrop = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a mail program finds of each message.
pub(super) type Forms = BTreeMap<Vec<u8>, Vec<u8>>;

/// The last message is written to its file in several parts.
pub(super) fn maildrop(long: usize) -> Maildrop {
    let line = [&b"From the octets of a message, \0 \xff \r among them."[..], &[b'.'; 950], b"\r\n"].concat();
    Maildrop::from([
        (b"../\0%00".to_vec(), b"Subject: a\r\n\r\n>From b\r\n".to_vec()),
        (b"2".to_vec(), Vec::new()),
        (vec![b'z'; 71], line.repeat(long)),
    ])
}

pub(super) fn world(kind: Kind) -> ModelFs {
    let fs = ModelFs::new();
    fs.place("/home", None);
    if kind == Kind::Mbox {
        fs.place("/home/mbox", Some(OTHERS));
    }
    fs
}

pub(super) fn open(fs: &Arc<dyn Fs>, home: &Path, kind: Kind) -> Result<Box<dyn Delivery>, DeliveryError> {
    Ok(match kind {
        Kind::Maildir | Kind::SingleMaildir => {
            Box::new(MaildirDelivery::open_on(Arc::clone(fs), &home.join(MAILDIR))?.with_batches_of(2))
        }
        Kind::Mbox | Kind::NewMbox => Box::new(MboxDelivery::open_on(Arc::clone(fs), &home.join(MBOX))?),
    })
}

/// One session, in the order that the module asks for. Adds to `fetched` for each message it asks for.
pub(super) fn fetch(
    fs: Arc<dyn Fs>,
    home: &Path,
    kind: Kind,
    deletes: Deletes,
    server: &mut Maildrop,
    fetched: &mut usize,
) -> Result<(), Box<dyn StdError>> {
    let mut journal = Journal::open_on(Arc::clone(&fs), &home.join(JOURNAL), ACCOUNT)?;
    let mut delivery = open(&fs, home, kind)?;
    let listing = server.clone();
    let _retained = journal.retain_seen(fs.now(), listing.keys())?;
    // The ids of the messages that wait.
    let mut waiting = Vec::new();
    for (id, message) in &listing {
        if journal.contains(id) {
            delete([id], server, deletes);
            continue;
        }
        *fetched += 1;
        let mut incoming = delivery.begin()?;
        for part in message.chunks(40_000) {
            incoming.write_all(part)?;
        }
        let held =
            if kind == Kind::Maildir { incoming.hold(Some(id))? } else { Held::Finished(incoming.finish()?) };
        match held {
            Held::Finished(Durability::Durable) => {
                journal.record(id)?;
                delete([id], server, deletes);
            }
            Held::Finished(Durability::Written) => return Err("not durable".into()),
            Held::Waiting { full } => {
                waiting.push(id);
                if full {
                    keep(&mut *delivery, &mut journal, &mut waiting, server, deletes)?;
                }
            }
        }
    }
    keep(&mut *delivery, &mut journal, &mut waiting, server, deletes)?;
    if deletes != Deletes::Never {
        server.clear();
        journal.forget(listing.keys())?;
    }
    journal.compact()?;
    Ok(())
}

fn delete<'a>(ids: impl IntoIterator<Item = &'a Vec<u8>>, server: &mut Maildrop, deletes: Deletes) {
    for id in ids.into_iter().filter(|_| deletes == Deletes::AtDele) {
        server.remove(id);
    }
}

/// Keeps what waits, and deletes what may be deleted.
fn keep(
    delivery: &mut dyn Delivery,
    journal: &mut Journal,
    waiting: &mut Vec<&Vec<u8>>,
    server: &mut Maildrop,
    deletes: Deletes,
) -> Result<(), Box<dyn StdError>> {
    let kept = delivery.keep(Some(journal));
    assert_eq!(kept.messages.len(), waiting.len());
    let durable = waiting.drain(..).zip(&kept.messages).filter(|(_, how)| **how == Some(Durability::Durable));
    delete(durable.map(|(id, _)| id), server, deletes);
    match kept.error {
        Some(error) => Err(error.into()),
        None if kept.messages.iter().any(|how| *how != Some(Durability::Durable)) => {
            Err("not durable".into())
        }
        None => Ok(()),
    }
}

pub(super) fn forms(kind: Kind, sent: &Maildrop) -> Forms {
    let form = |message: &[u8]| match kind {
        Kind::Maildir | Kind::SingleMaildir => message.to_vec(),
        Kind::Mbox | Kind::NewMbox => {
            let mut encoder = Encoder::default();
            let mut form = Vec::new();
            encoder.take(message, |part| form.write_all(part)).unwrap();
            encoder.finish(|part| form.write_all(part)).unwrap();
            form
        }
    };
    sent.iter().map(|(id, message)| (id.clone(), form(message))).collect()
}

/// The whole messages a mail program finds, each with how often. Panics at any other.
pub(super) fn found(
    fs: &dyn Fs,
    home: &Path,
    kind: Kind,
    sent: &Forms,
    context: &str,
) -> BTreeMap<Vec<u8>, usize> {
    let content = |path: &Path| {
        let file = fs.open(path).ok()?;
        let mut content = vec![0; file.octets().unwrap() as usize];
        assert_eq!(read_full(&*file, &mut content, 0).unwrap(), content.len());
        Some(content)
    };
    let copies = match kind {
        Kind::Maildir | Kind::SingleMaildir => {
            let list = |dir| fs.list(&home.join(MAILDIR).join(dir)).unwrap_or_default();
            let files = ["new", "cur"].into_iter().flat_map(list);
            files.map(|(path, _)| content(&path).unwrap()).collect()
        }
        Kind::Mbox => mbox_messages(&content(&home.join(MBOX)).unwrap(), OTHERS, context),
        Kind::NewMbox => mbox_messages(&content(&home.join(MBOX)).unwrap_or_default(), b"", context),
    };
    let mut found = BTreeMap::new();
    for copy in copies {
        let (id, _) = sent
            .iter()
            .find(|(_, form)| **form == copy)
            .unwrap_or_else(|| panic!("{context}: not whole: {}", copy.escape_ascii()));
        *found.entry(id.clone()).or_default() += 1;
    }
    found
}

/// What stands between the `From ` lines, after the message of others.
fn mbox_messages(content: &[u8], others: &[u8], context: &str) -> Vec<Vec<u8>> {
    let ours = content.strip_prefix(others).unwrap_or_else(|| panic!("{context}: mail of others is gone"));
    if ours.is_empty() {
        return Vec::new();
    }
    let gap: &[u8] = if others.is_empty() { b"" } else { b"\n\n" };
    let ours = ours.strip_prefix(gap).unwrap_or_else(|| panic!("{context}: no gap"));
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in ours.split_inclusive(|&b| b == b'\n') {
        match messages.last_mut() {
            _ if line.starts_with(b"From MAILER-DAEMON ") => messages.push(Vec::new()),
            Some(message) => message.extend_from_slice(line),
            None => panic!("{context}: {}", ours.escape_ascii()),
        }
    }
    messages
}

/// Checks what a crash left, before and after the next session.
fn check_crash(
    fs: &ModelFs,
    kind: Kind,
    sent: &Forms,
    server: &Maildrop,
    duplicates: usize,
    deletes: Deletes,
    context: &str,
) -> usize {
    let home = Path::new(HOME);
    let here = check_left(&fs.crashed(Crash::Kill).shared(), home, kind, sent, context);
    for id in sent.keys().filter(|id| !server.contains_key(*id)) {
        assert!(here.contains_key(id), "{context}: {} is lost", id.escape_ascii());
    }
    if kind == Kind::Maildir {
        let fs = fs.crashed(Crash::Kill);
        look_through(&fs);
        let context = format!("{context}, looked through");
        check_next(&fs.shared(), home, kind, sent, server, duplicates, deletes, &context);
    }
    let twice = check_next(&fs.shared(), home, kind, sent, server, duplicates, deletes, context);
    if kind.is_maildir() {
        fs.advance(Duration::from_secs(37 * 3600));
        drop(open(&fs.shared(), home, kind).unwrap());
        assert_eq!(fs.contents("/home/mail/inbox/tmp"), [], "{context}");
    } else {
        assert_eq!(fs.content("/home/mbox.pop3-pending"), Some(Vec::new()), "{context}");
    }
    twice
}

/// A mail program looks at what is new before the next run does.
fn look_through(fs: &ModelFs) {
    for (path, _) in fs.contents("/home/mail/inbox/new") {
        let name = path.file_name().unwrap().to_str().unwrap();
        fs.rename(&path, &Path::new("/home/mail/inbox/cur").join(format!("{name}:2,S"))).unwrap();
    }
}

/// Checks that the power may fail when the server has nothing any more.
fn check_end(fs: &ModelFs, kind: Kind, sent: &Forms, context: &str) {
    let context = format!("{context}, a run, power");
    let here = check_left(&fs.crashed(Crash::Power).shared(), Path::new(HOME), kind, sent, &context);
    assert!(sent.keys().all(|id| here.contains_key(id)), "{context}: lost");
}

/// Checks what the next start of a program finds: a mail program looks into a Maildir at once, into an mbox after the
/// delivery has had its turn.
pub(super) fn check_left(
    fs: &Arc<dyn Fs>,
    home: &Path,
    kind: Kind,
    sent: &Forms,
    context: &str,
) -> BTreeMap<Vec<u8>, usize> {
    if !kind.is_maildir() {
        drop(open(fs, home, kind).unwrap());
    }
    let here = found(&**fs, home, kind, sent, context);
    if fs.open(&home.join(JOURNAL)).is_ok() {
        let journal = Journal::open_on(Arc::clone(fs), &home.join(JOURNAL), ACCOUNT).unwrap();
        assert_eq!(journal.damaged(), 0, "{context}");
        for id in sent.keys().filter(|id| journal.contains(id)) {
            assert!(here.contains_key(id), "{context}: the journal claims {}", id.escape_ascii());
        }
    }
    here
}

/// Checks that one more session brings everything, and hardly anything twice; tells how much.
#[expect(clippy::too_many_arguments, reason = "one list of facts, two callers")]
pub(super) fn check_next(
    fs: &Arc<dyn Fs>,
    home: &Path,
    kind: Kind,
    sent: &Forms,
    server: &Maildrop,
    duplicates: usize,
    deletes: Deletes,
    context: &str,
) -> usize {
    let mut server = server.clone();
    fetch(Arc::clone(fs), home, kind, deletes, &mut server, &mut 0)
        .unwrap_or_else(|e| panic!("{context}: {e}"));
    assert!(server.is_empty(), "{context}");
    let here = found(&**fs, home, kind, sent, context);
    assert!(sent.keys().all(|id| here.contains_key(id)), "{context}: lost");
    let copies: usize = here.values().sum();
    assert!(copies <= sent.len() + duplicates, "{context}: {copies} copies");
    copies - sent.len()
}

/// What the calls of a session do.
fn calls(fs: &ModelFs, kind: Kind, deletes: Deletes, server: &Maildrop) -> Vec<Deed> {
    let counter = FaultFs::new(fs.crashed(Crash::Kill).shared(), usize::MAX, What::Nothing);
    fetch(counter.shared(), Path::new(HOME), kind, deletes, &mut server.clone(), &mut 0).unwrap();
    counter.deeds()
}

const WHATS: [What; 9] = [
    What::StopBefore,
    What::StopAmid,
    What::Fail(Errno::NOSPC),
    What::Fail(Errno::IO),
    What::Fail(Errno::INTR),
    What::Lie(Errno::IO),
    What::Lose,
    What::Interrupt,
    What::Short,
];

/// What a sweep has counted.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    points: usize,
    faults: usize,
    crashes: usize,
    duplicates: usize,
}

/// One fault at each call. Either the run ends there, or the program lives on and ends its session; then the process is
/// gone or the power fails, and the next run must find everything in order.
fn sweep(make: impl Fn() -> ModelFs, kind: Kind, deletes: Deletes) -> Count {
    let sent = maildrop(70);
    let forms = forms(kind, &sent);
    let deeds = calls(&make(), kind, deletes, &sent);
    let points = deeds.len();
    assert!(points > 40, "{points}");
    let mut count = Count { points, ..Count::default() };
    for what in WHATS {
        let stops = matches!(what, What::StopBefore | What::StopAmid);
        let mut noticed = 0;
        for (at, &deed) in (0..).zip(&deeds).filter(|(_, deed)| what.concerns(**deed)) {
            let fs = make();
            let mut server = sent.clone();
            let failing = FaultFs::new(fs.shared(), at, what);
            let result = fetch(failing.shared(), Path::new(HOME), kind, deletes, &mut server, &mut 0);
            let context = format!("{kind:?} {deletes:?} {what:?} {at}/{points}: {result:?}");
            count.faults += 1;
            match &result {
                // It may end well: not every call matters to it.
                Ok(()) => assert!(!stops || at > points / 2, "{context}: nobody noticed"),
                Err(error) => {
                    noticed += 1;
                    assert_eq!(is_full(&**error), what == What::Fail(Errno::NOSPC), "{context}");
                }
            }
            for crash in if stops { &CRASHES[..] } else { &CRASHES[..2] } {
                let context = format!("{context} {crash:?}");
                count.crashes += 1;
                let fs = fs.crashed(*crash);
                count.duplicates +=
                    check_crash(&fs, kind, &forms, &server, kind.duplicates(), deletes, &context);
                // A name that the disk has lost for good, while everybody sees it, is beyond us.
                if (what, deed) != (What::Lose, Deed::SyncNames) {
                    check_end(&fs, kind, &forms, &context);
                }
            }
        }
        match what {
            What::Interrupt | What::Short => assert_eq!(noticed, 0, "{what:?} is no failure"),
            _ => assert!(noticed > 0, "{what:?} was never noticed"),
        }
    }
    count
}

#[test]
fn pb_c19_r36_fetching_with_every_call_failing_or_the_last() {
    let maildir = || world(Kind::Maildir);
    let with_links = || maildir().without_renames_in_one_step();
    let counts = std::thread::scope(|scope| {
        let threads = [
            scope.spawn(|| sweep(maildir, Kind::Maildir, Deletes::AtDele)),
            scope.spawn(|| sweep(maildir, Kind::Maildir, Deletes::AtQuit)),
            scope.spawn(|| sweep(maildir, Kind::SingleMaildir, Deletes::AtDele)),
            scope.spawn(|| sweep(with_links, Kind::Maildir, Deletes::AtDele)),
            scope.spawn(|| sweep(|| with_links().without_links(), Kind::Maildir, Deletes::AtDele)),
            scope.spawn(|| sweep(|| world(Kind::Mbox), Kind::Mbox, Deletes::AtDele)),
            scope.spawn(|| sweep(|| world(Kind::NewMbox), Kind::NewMbox, Deletes::AtQuit)),
        ];
        threads.map(|thread| thread.join().unwrap())
    });
    let sum = |of: fn(&Count) -> usize| counts.iter().map(of).sum::<usize>();
    let figure = format!(
        "{} points, {} faults of {} kinds: 0 lost, 0 truncated, {} duplicates in {} crashes, never two in one, none in batches",
        sum(|count| count.points),
        sum(|count| count.faults),
        WHATS.len(),
        sum(|count| count.duplicates),
        sum(|count| count.crashes),
    );
    println!("fetch and delete: {figure}");
    check_readme(&figure);
}

/// The run that cleans up after a crash is stopped as well.
fn sweep_twice(kind: Kind, deletes: Deletes, sent: Maildrop, crashes: &[Crash]) {
    let forms = forms(kind, &sent);
    let first_calls = calls(&world(kind), kind, deletes, &sent).len();
    for at in 0..first_calls {
        let fs = world(kind);
        let mut server = sent.clone();
        let stopped = FaultFs::new(fs.shared(), at, What::StopAmid);
        fetch(stopped.shared(), Path::new(HOME), kind, deletes, &mut server, &mut 0).ok();
        for &crash in crashes {
            let fs = fs.crashed(crash);
            for again in 0..calls(&fs, kind, deletes, &server).len() {
                let fs = fs.crashed(Crash::Kill);
                let mut server = server.clone();
                let stopped = FaultFs::new(fs.shared(), again, What::StopAmid);
                fetch(stopped.shared(), Path::new(HOME), kind, deletes, &mut server, &mut 0).ok();
                for second in [Crash::Kill, Crash::Power] {
                    let context = format!("{kind:?} {deletes:?} {at} {crash:?}, then {again} {second:?}");
                    let duplicates = 2 * kind.duplicates();
                    check_crash(&fs.crashed(second), kind, &forms, &server, duplicates, deletes, &context);
                }
            }
        }
    }
}

fn sweep_kind_twice(kind: Kind) {
    let mut sent = maildrop(2);
    // A journal lost as a whole costs as many duplicates as there are messages: more than two crashes may.
    sweep_twice(kind, Deletes::AtQuit, sent.clone(), &[Crash::Kill]);
    sent.pop_first();
    sweep_twice(kind, Deletes::AtDele, sent, &[Crash::Kill, Crash::Power, Crash::PowerKeepsNames]);
}

#[test]
fn pb_c19_maildir_stopped_twice() {
    sweep_kind_twice(Kind::Maildir);
}

#[test]
fn pb_c19_maildir_message_by_message_stopped_twice() {
    sweep_kind_twice(Kind::SingleMaildir);
}

#[test]
fn pb_c19_mbox_stopped_twice() {
    sweep_kind_twice(Kind::NewMbox);
}

/// Whether an error, or one that it stems from, is the typed one for a full disk.
fn is_full(error: &(dyn StdError + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(DeliveryError::Full(_)))
        || matches!(
            error.downcast_ref(),
            Some(KeepError::Delivery(DeliveryError::Full(_)) | KeepError::Journal(JournalError::Full(_)))
        )
        || matches!(error.downcast_ref(), Some(JournalError::Full(_)))
        || error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::StorageFull)
}
