//! Delivery into a Maildir: one file per message, written in `tmp` and moved whole into `new`.
//!
//! A message becomes visible in one step, after its octets survive a power failure, and counts as delivered after its
//! name does. A run that was killed leaves at most a file in `tmp`, which no reader looks at and which is removed when
//! a delivery opens the Maildir more than 36 hours later, as is the custom.
//!
//! Several messages can be made safe together, see `batch.rs`.
//!
//! Allocates a buffer of 64 KiB for the message in progress, whatever its size. A message that waits is an open file: at
//! most 32 of them.

use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{Batch, Held, InTmp, Kept, MOST_MESSAGES, Waiting};
use super::error::Fault;
use super::fs::{Appender, File, Fs, RealFs, create_dir, ensure_dir, sync_names};
use super::line_ends::{LfFilter, LineEnds};
use super::name::Namer;
use super::{Delivery, DeliveryError, Durability, Incoming, Journal};

/// A file in `tmp` unchanged for so long belongs to a delivery that died.
const STALE: Duration = Duration::from_secs(36 * 3600);

/// How often a taken name is answered by trying another. Each holds 64 random bits, so that one is plenty.
const NAMES: usize = 8;

/// Delivers into a Maildir.
///
/// Any number of processes may deliver into one Maildir at once; no lock is taken. A finished message is
/// [`Durability::Durable`], unless the file system does not know how to sync a directory.
///
/// ```
/// use pop3_blocking::delivery::{Delivery, Durability, Journal, MaildirDelivery};
/// use std::io::Write;
///
/// # let dir = std::env::temp_dir().join(format!("pop3-doc-{}", std::process::id()));
/// let account = "pops://alice@mail.example.org:995";
/// let mut journal = Journal::open(dir.join(Journal::file_name(account)), account)?;
/// let mut maildir = MaildirDelivery::open(dir.join("inbox"))?;
///
/// let id = b"QhdPYR:00WBw1Ph7x7"; // from UIDL, where it stood once
/// if !journal.contains(id) {
///     let mut incoming = maildir.begin()?;
///     incoming.write_all(b"Subject: hello\r\n\r\n")?; // from RETR, to its end
///     if incoming.finish()? == Durability::Durable {
///         journal.record(id)?;
///     }
/// }
/// assert!(journal.contains(id)); // so DELE may follow
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MaildirDelivery {
    pub(super) fs: Arc<dyn Fs>,
    /// Absolute: the journal tells it to later runs.
    pub(super) path: PathBuf,
    tmp: PathBuf,
    pub(super) new: PathBuf,
    line_ends: LineEnds,
    namer: Namer,
    pub(super) batch: Batch,
    /// So many messages may wait.
    most: usize,
}

impl MaildirDelivery {
    /// Opens the Maildir at `path`. What is missing of it, and of the directories above it, is created for the user
    /// alone (0700). Stale files in its `tmp` are removed.
    ///
    /// Messages are kept with the line ends they came with; see [`with_line_ends`](Self::with_line_ends).
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Full`] and [`DeliveryError::Io`]; some directories may have been created.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DeliveryError> {
        Self::open_on(RealFs::shared(), path.as_ref())
    }

    pub(super) fn open_on(fs: Arc<dyn Fs>, path: &Path) -> Result<Self, DeliveryError> {
        ensure_dir(&*fs, path)?;
        let [tmp, new, cur] = ["tmp", "new", "cur"].map(|name| path.join(name));
        for dir in [&tmp, &new, &cur] {
            if !fs.is_dir(dir).map_err(|e| Fault::new("open directory", Some(dir), e))? {
                create_dir(&*fs, dir)?;
            }
        }
        // Always: an earlier run may have been killed between creating them and this.
        sync_names(&*fs, path)?;
        let path = std::path::absolute(path).map_err(|e| Fault::new("open directory", Some(path), e))?;
        let (line_ends, namer) = (LineEnds::Keep, Namer::new());
        let delivery =
            Self { fs, path, tmp, new, line_ends, namer, batch: Batch::default(), most: MOST_MESSAGES };
        delivery.remove_stale();
        Ok(delivery)
    }

    /// Stores messages with these line ends.
    #[must_use]
    pub const fn with_line_ends(mut self, line_ends: LineEnds) -> Self {
        self.line_ends = line_ends;
        self
    }

    /// Lets fewer messages wait.
    #[cfg(test)]
    pub(super) const fn with_batches_of(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Housekeeping: what cannot be removed now is left to the next run.
    fn remove_stale(&self) {
        let now = self.fs.now();
        for (path, changed) in self.fs.list(&self.tmp).unwrap_or_default() {
            if now.duration_since(changed).is_ok_and(|age| age > STALE) {
                self.fs.remove(&path).ok();
            }
        }
    }

    fn create(&self) -> Result<(PathBuf, Box<dyn File>), Fault> {
        let mut tries = NAMES;
        loop {
            let path = self.tmp.join(self.namer.next(self.fs.now()));
            tries = tries.saturating_sub(1);
            match self.fs.create_new(&path) {
                Ok(file) => return Ok((path, file)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries > 0 => {}
                Err(e) => return Err(Fault::new("create", Some(&path), e)),
            }
        }
    }

    /// Moves `file` from `tmp` to a free name in `new`.
    pub(super) fn publish(&self, file: &dyn File, from: &Path) -> Result<PathBuf, Fault> {
        let mut tries = NAMES;
        let mut to = self.new.join(from.file_name().unwrap_or_default());
        loop {
            tries = tries.saturating_sub(1);
            match self.move_new(from, &to) {
                Ok(()) => return Ok(to),
                // A network file system may repeat a request whose answer was lost, and so find our own file.
                Err(_) if file.is_at(&to).unwrap_or(false) => {
                    self.fs.remove(from).ok();
                    return Ok(to);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries > 0 => {
                    to = self.new.join(self.namer.next(self.fs.now()));
                }
                Err(e) => return Err(Fault::new("move message to", Some(&to), e)),
            }
        }
    }

    fn move_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.fs.rename_new(from, to) {
            Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => {}
            result => return result,
        }
        match self.fs.link(from, to) {
            Ok(()) => {
                // If it stays, it is a second name in `tmp` that goes stale.
                self.fs.remove(from).ok();
                Ok(())
            }
            // No hard links here. That the name is taken is as likely as guessing 64 random bits.
            Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
                self.fs.rename(from, to)
            }
            Err(e) => Err(e),
        }
    }
}

impl Delivery for MaildirDelivery {
    fn begin(&mut self) -> Result<Box<dyn Incoming + '_>, DeliveryError> {
        let (path, file) = self.create()?;
        let lf = match self.line_ends {
            LineEnds::Keep => None,
            LineEnds::Lf => Some(LfFilter::default()),
        };
        let place = InTmp { fs: Arc::clone(&self.fs), path, moved: None };
        Ok(Box::new(Unfinished { maildir: self, appender: Appender::new(file), lf, octets: 0, place }))
    }

    fn keep(&mut self, journal: Option<&mut Journal>) -> Kept {
        self.keep_batch(journal)
    }
}

/// A message in `tmp`.
#[derive(Debug)]
struct Unfinished<'a> {
    maildir: &'a mut MaildirDelivery,
    place: InTmp,
    appender: Appender,
    lf: Option<LfFilter>,
    /// As received.
    octets: u64,
}

impl Unfinished<'_> {
    fn fault(&self, deed: &'static str) -> impl FnOnce(io::Error) -> Fault {
        let path = self.place.path.clone();
        move |e| Fault::new(deed, Some(&path), e)
    }

    /// Hands all octets to the file.
    fn end(&mut self) -> Result<(), DeliveryError> {
        if self.appender.has_failed() {
            return Err(DeliveryError::Torn);
        }
        let Self { appender, lf, .. } = self;
        if let Some(lf) = lf {
            lf.finish(|part| appender.put(part)).map_err(self.fault("write"))?;
        }
        Ok(self.appender.flush().map_err(self.fault("write"))?)
    }
}

impl io::Write for Unfinished<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Self { appender, lf, .. } = self;
        match lf {
            None => appender.put(octets)?,
            Some(lf) => lf.take(octets, |part| appender.put(part))?,
        }
        self.octets = self.octets.saturating_add(octets.len() as u64);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.appender.flush()
    }
}

impl Incoming for Unfinished<'_> {
    fn finish(mut self: Box<Self>) -> Result<Durability, DeliveryError> {
        self.end()?;
        self.appender.file().sync().map_err(self.fault("sync"))?;
        let path = self.maildir.publish(self.appender.file(), &self.place.path)?;
        let synced = sync_names(&*self.maildir.fs, &self.maildir.new);
        if synced.is_err() {
            self.maildir.fs.remove(&path).ok();
        }
        self.place.moved = Some(path);
        Ok(if synced? { Durability::Durable } else { Durability::Written })
    }

    fn hold(mut self: Box<Self>, id: Option<&[u8]>) -> Result<Held, DeliveryError> {
        // An id that the journal will refuse; nobody else need suffer from that. Or nobody keeps what waits.
        let refused = id.is_some_and(|id| id.len() > Journal::MAX_ID);
        if refused || self.maildir.batch.messages() >= self.maildir.most {
            return self.finish().map(Held::Finished);
        }
        self.end()?;
        let Self { maildir, place, appender, octets, .. } = *self;
        let message = Waiting { place, file: appender.into_file(), id: id.map(Into::into) };
        let now = maildir.fs.now();
        Ok(Held::Waiting { full: maildir.batch.add(message, octets, now, maildir.most) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::{FaultFs, What};
    use super::super::model::ModelFs;
    use super::super::scratch::Scratch;
    use super::*;
    use rustix::io::Errno;
    use std::collections::HashSet;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: PathBuf) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn model() -> ModelFs {
        let fs = ModelFs::new();
        fs.place("/mail", None);
        fs
    }

    fn open(fs: &dyn Fs, inner: Arc<dyn Fs>) -> MaildirDelivery {
        assert!(fs.is_dir(Path::new("/mail")).unwrap());
        MaildirDelivery::open_on(inner, Path::new("/mail")).unwrap()
    }

    #[test]
    fn r36_every_octet_arrives_as_it_was_received() {
        let scratch = Scratch::new();
        let mut maildir = MaildirDelivery::open(scratch.path("a/b/inbox")).unwrap();
        let long = b"0123456789".repeat(100_000);
        let corpus: [&[u8]; 9] = [
            b"Subject: a\r\n\r\nb\r\n",
            b".\r\n..\r\n.a\r\n",
            b"",
            b"no line end",
            b"bare \r and \n and \r\r\n\n",
            b"\0\x01\xff\xfe 8-bit \xc3\xa9\r\n",
            b"+OK\r\n-ERR\r\nFrom a\r\n",
            b"\r",
            &long,
        ];
        for message in corpus {
            let mut incoming = maildir.begin().unwrap();
            for part in message.chunks(7_919) {
                incoming.write_all(part).unwrap();
            }
            assert_eq!(scratch.names("a/b/inbox/new"), [""; 0], "visible before it is whole");
            assert_eq!(incoming.finish().unwrap(), Durability::Durable);
            assert_eq!(scratch.names("a/b/inbox/tmp"), [""; 0]);
            let [name] = &scratch.names("a/b/inbox/new")[..] else { panic!("one message") };
            let path = scratch.path("a/b/inbox/new").join(name);
            assert_eq!(fs::read(&path).unwrap(), message);
            assert_eq!(mode(path.clone()), 0o600);
            fs::remove_file(path).unwrap();
        }
        for dir in ["a", "a/b", "a/b/inbox", "a/b/inbox/cur", "a/b/inbox/new", "a/b/inbox/tmp"] {
            assert_eq!(mode(scratch.path(dir)), 0o700, "{dir}");
        }
    }

    #[test]
    fn pb_c16_a_message_without_its_end_leaves_nothing() {
        let scratch = Scratch::new();
        let mut maildir = MaildirDelivery::open(&scratch).unwrap();
        for octets in [0, 1, 200_000] {
            let mut incoming = maildir.begin().unwrap();
            incoming.write_all(&vec![b'a'; octets]).unwrap();
            incoming.flush().unwrap();
            assert_eq!(scratch.names("tmp").len(), 1);
            drop(incoming);
            assert_eq!(scratch.names("tmp").len() + scratch.names("new").len(), 0, "{octets}");
        }
    }

    #[test]
    fn r16_ten_thousand_names_are_ours_and_differ() {
        let fs = model();
        let mut maildir = open(&fs, fs.shared());
        for _ in 0..10_000 {
            assert_eq!(maildir.begin().unwrap().finish().unwrap(), Durability::Durable);
        }
        let names: HashSet<_> = fs.contents("/mail/new").into_iter().map(|(path, _)| path).collect();
        assert_eq!(names.len(), 10_000);
        let host =
            maildir.namer.next(fs.now()).split_once('.').unwrap().1.split_once('.').unwrap().1.to_owned();
        for name in names {
            let name = name.file_name().unwrap().to_str().unwrap();
            let unique = name.strip_prefix("1700000000.M0P").unwrap().strip_suffix(&host).unwrap();
            assert!(unique.bytes().all(|b| b.is_ascii_hexdigit() || b"QR.".contains(&b)), "{name}");
        }
    }

    #[test]
    fn r36_only_stale_files_are_removed_from_tmp() {
        let fs = model();
        drop(open(&fs, fs.shared()));
        fs.place("/mail/tmp/old", Some(b"x"));
        fs.place("/mail/tmp/dir", None);
        fs.place("/mail/new/old", Some(b"x"));
        fs.advance(Duration::from_secs(2));
        fs.place("/mail/tmp/young", Some(b"x"));
        fs.advance(Duration::from_secs(36 * 3600 - 1));
        drop(open(&fs, fs.shared()));
        assert_eq!(fs.contents("/mail/tmp"), [("/mail/tmp/young".into(), b"x".to_vec())]);
        assert!(fs.is_dir(Path::new("/mail/tmp/dir")).unwrap());
        assert_eq!(fs.contents("/mail/new").len(), 1);
    }

    #[test]
    fn r36_a_symbolic_link_in_tmp_is_not_followed() {
        let scratch = Scratch::new();
        drop(MaildirDelivery::open(&scratch).unwrap());
        fs::write(scratch.path("target"), "x").unwrap();
        std::os::unix::fs::symlink(scratch.path("target"), scratch.path("tmp/link")).unwrap();
        let listed = RealFs.list(&scratch.path("tmp")).unwrap();
        assert_eq!(listed.len(), 0, "{listed:?}");
    }

    #[test]
    fn r36_a_taken_name_is_never_overwritten() {
        // Call 0 creates the file, 1 syncs it, 2 renames it.
        for (what, at) in
            [(What::Fail(Errno::EXIST), 0), (What::Fail(Errno::EXIST), 2), (What::Lie(Errno::EXIST), 2)]
        {
            let fs = model();
            drop(open(&fs, fs.shared()));
            let opening = FaultFs::new(fs.shared(), usize::MAX, What::Nothing);
            drop(open(&fs, opening.shared()));
            let failing = FaultFs::new(fs.shared(), opening.calls() + at, what);
            let mut maildir = open(&fs, failing.shared());
            assert_eq!(maildir.begin().unwrap().finish().unwrap(), Durability::Durable, "{what:?} {at}");
            assert_eq!(fs.contents("/mail/new").len(), 1, "{what:?} {at}");
            assert_eq!(fs.contents("/mail/tmp").len(), 0, "{what:?} {at}");
        }
        let scratch = Scratch::new();
        fs::write(scratch.path("a"), "new").unwrap();
        fs::write(scratch.path("b"), "old").unwrap();
        for rename in [RealFs::rename_new, RealFs::link] {
            let error = rename(&RealFs, &scratch.path("a"), &scratch.path("b")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(scratch.path("b")).unwrap(), b"old");
        }
    }

    #[test]
    fn r36_a_message_with_a_gap_is_never_finished() {
        let fs = model();
        drop(open(&fs, fs.shared()));
        let opening = FaultFs::new(fs.shared(), usize::MAX, What::Nothing);
        drop(open(&fs, opening.shared()));
        let failing = FaultFs::new(fs.shared(), opening.calls() + 1, What::Fail(Errno::NOSPC));
        let mut maildir = open(&fs, failing.shared());
        let mut incoming = maildir.begin().unwrap();
        let error = incoming.write_all(&[b'a'; 100_000]).unwrap_err();
        assert!(matches!(DeliveryError::from(error), DeliveryError::Full(_)));
        assert!(incoming.write_all(b"there is room again").is_err());
        assert!(matches!(incoming.finish(), Err(DeliveryError::Torn)));
        assert_eq!(fs.contents("/mail/tmp"), []);
        assert_eq!(fs.contents("/mail/new"), []);
    }

    #[test]
    fn r36_what_is_no_directory_is_left_alone() {
        let scratch = Scratch::new();
        fs::write(scratch.path("file"), "x").unwrap();
        for path in ["file", "file/below"] {
            let error = MaildirDelivery::open(scratch.path(path)).unwrap_err();
            assert!(matches!(error, DeliveryError::Io(_)), "{error}");
        }
        assert_eq!(scratch.names(""), ["file"]);
    }
}
