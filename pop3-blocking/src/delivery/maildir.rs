//! Delivery into a Maildir: one file per message, written in `tmp` and moved whole into `new`.
//!
//! A message becomes visible in one step, after its octets survive a power failure, and counts as delivered after its
//! name does. A run that was killed leaves at most a file in `tmp`, which no reader looks at and which is removed when
//! a delivery opens the Maildir more than 36 hours later, as is the custom.
//!
//! Allocates a buffer of 64 KiB per message in progress, whatever the size of the message.

use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Fault;
use super::fs::{Appender, File, Fs, RealFs, create_dir, ensure_dir, sync_names};
use super::line_ends::{LfFilter, LineEnds};
use super::name::Namer;
use super::{Delivery, DeliveryError, Durability, Incoming};

/// A file in `tmp` unchanged for so long belongs to a delivery that died.
const STALE: Duration = Duration::from_secs(36 * 3600);

/// How often a taken name is answered by trying another. Each holds 64 random bits, so that one is plenty.
const NAMES: usize = 8;

/// Delivers into a Maildir.
///
/// Any number of processes may deliver into one Maildir at once; no lock is taken. A finished message is
/// [`Durability::Durable`], unless the file system does not know how to sync a directory.
#[derive(Debug)]
pub struct MaildirDelivery {
    fs: Arc<dyn Fs>,
    tmp: PathBuf,
    new: PathBuf,
    line_ends: LineEnds,
    namer: Namer,
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
        let delivery = Self { fs, tmp, new, line_ends: LineEnds::Keep, namer: Namer::new() };
        delivery.remove_stale();
        Ok(delivery)
    }

    /// Stores messages with these line ends.
    #[must_use]
    pub const fn with_line_ends(mut self, line_ends: LineEnds) -> Self {
        self.line_ends = line_ends;
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
    fn publish(&self, file: &dyn File, from: &Path) -> Result<PathBuf, Fault> {
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
        Ok(Box::new(Unfinished { maildir: self, path, appender: Appender::new(file), lf, moved: false }))
    }
}

/// A message in `tmp`.
#[derive(Debug)]
struct Unfinished<'a> {
    maildir: &'a MaildirDelivery,
    path: PathBuf,
    appender: Appender,
    lf: Option<LfFilter>,
    moved: bool,
}

impl Unfinished<'_> {
    fn fault(&self, deed: &'static str) -> impl FnOnce(io::Error) -> Fault {
        let path = self.path.clone();
        move |e| Fault::new(deed, Some(&path), e)
    }
}

impl io::Write for Unfinished<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Self { appender, lf, .. } = self;
        match lf {
            None => appender.put(octets)?,
            Some(lf) => lf.take(octets, |part| appender.put(part))?,
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.appender.flush()
    }
}

impl Incoming for Unfinished<'_> {
    fn finish(mut self: Box<Self>) -> Result<Durability, DeliveryError> {
        if self.appender.has_failed() {
            return Err(DeliveryError::Torn);
        }
        let Self { appender, lf, .. } = &mut *self;
        if let Some(lf) = lf {
            lf.finish(|part| appender.put(part)).map_err(self.fault("write"))?;
        }
        self.appender.flush().map_err(self.fault("write"))?;
        self.appender.file().sync().map_err(self.fault("sync"))?;
        let path = self.maildir.publish(self.appender.file(), &self.path)?;
        self.moved = true;
        match sync_names(&*self.maildir.fs, &self.maildir.new) {
            Ok(true) => Ok(Durability::Durable),
            Ok(false) => Ok(Durability::Written),
            Err(fault) => {
                self.maildir.fs.remove(&path).ok();
                Err(fault.into())
            }
        }
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.moved {
            self.maildir.fs.remove(&self.path).ok();
        }
    }
}
