//! Delivery into an mbox file: all messages in one file, in the form called mboxrd.
//!
//! The file has LF line ends, as every program that reads it expects: each CRLF of a message becomes LF. See
//! `mboxrd.rs` for the form of a message.
//!
//! # What a crash leaves
//!
//! A message is first gathered in the file `MBOX.pop3-pending`, then appended in one go, under the lock that mail
//! programs respect. A message that never ended is not seen in the mbox at all. A crash while it is appended can leave
//! the beginning of it there; the pending file tells so, and the next [`MboxDelivery::open`] cuts it off again. If
//! another program has written to the mbox in between, nothing is cut, as nothing of others may be lost: then, and only
//! then, the mbox keeps a message that is not whole, which is logged, beside the whole one that is fetched again.
//!
//! The price is three syncs per message and writing it twice; a Maildir is faster.
//!
//! The pending file stays, empty, between runs; it also keeps two runs apart.

use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Fault;
use super::fs::{Appender, File, Fs, RealFs, open_or_create, parent, read_full, sync_names};
use super::journal::with_suffix;
use super::mboxrd::{Encoder, from_line};
use super::pending::{Place, clear};
use super::{Delivery, DeliveryError, Durability, Incoming};

/// How often another program's lock is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Delivers into an mbox file.
///
/// The mbox is locked with fcntl, as mutt, Dovecot and procmail do, while a message is appended, not while it is
/// received. A program that relies on `MBOX.lock` files alone is not seen.
#[derive(Debug)]
pub struct MboxDelivery {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    pending_path: PathBuf,
    pending: Appender,
    lock_wait: Duration,
    /// Whether the file system can make names durable.
    names_durable: bool,
    /// Nothing in the pending file waits to be undone.
    settled: bool,
}

impl MboxDelivery {
    /// Opens the mbox at `path`, and cuts off what an interrupted run left at its end. If there is no mbox, the first
    /// message creates it, for the user alone (0600); the directory must be there, and one must be able to write to it.
    ///
    /// # Errors
    ///
    /// - [`DeliveryError::Busy`]: another delivery has it open, or another program held its lock for longer than
    ///   10 seconds.
    /// - [`DeliveryError::Full`], [`DeliveryError::Io`]; a symbolic link or anything else than a regular file is
    ///   refused.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DeliveryError> {
        Self::open_on(RealFs::shared(), path.as_ref())
    }

    pub(super) fn open_on(fs: Arc<dyn Fs>, path: &Path) -> Result<Self, DeliveryError> {
        let pending_path = with_suffix(path, ".pop3-pending");
        let fault = |e| Fault::new("open", Some(&pending_path), e);
        let (pending, _) = open_or_create(&*fs, &pending_path).map_err(fault)?;
        if !pending.lock_opening().map_err(fault)? {
            return Err(DeliveryError::Busy { path: path.to_owned() });
        }
        // Also for the name of an mbox that an interrupted run created.
        let names_durable = sync_names(&*fs, parent(path))?;
        let mut delivery = Self {
            fs,
            path: path.to_owned(),
            pending_path,
            pending: Appender::new(pending),
            lock_wait: Duration::from_secs(10),
            names_durable,
            settled: false,
        };
        delivery.settle()?;
        Ok(delivery)
    }

    /// Waits so long for another program's lock on the mbox; 10 seconds unless set.
    #[must_use]
    pub const fn with_lock_wait(mut self, time: Duration) -> Self {
        self.lock_wait = time;
        self
    }

    fn fault(&self, deed: &'static str) -> impl FnOnce(io::Error) -> Fault {
        let path = self.path.clone();
        move |e| Fault::new(deed, Some(&path), e)
    }

    fn pending_fault(&self, deed: &'static str) -> impl FnOnce(io::Error) -> Fault {
        let path = self.pending_path.clone();
        move |e| Fault::new(deed, Some(&path), e)
    }

    /// Undoes what an interrupted append left in the mbox.
    fn settle(&mut self) -> Result<(), DeliveryError> {
        if let Some(place) = Place::read(self.pending.file()).map_err(self.pending_fault("read"))? {
            self.undo(place)?;
        }
        clear(&mut self.pending).map_err(self.pending_fault("empty"))?;
        self.settled = true;
        Ok(())
    }

    fn undo(&mut self, place: Place) -> Result<(), DeliveryError> {
        match self.fs.open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => drop(result.map_err(self.fault("open"))?),
        }
        let mbox = self.lock()?;
        if place.is_torn(self.pending.file(), &*mbox).map_err(self.fault("read"))? {
            mbox.set_len(place.at).map_err(self.fault("cut"))?;
        } else if mbox.octets().map_err(self.fault("read"))? > place.at {
            log::warn!("an interrupted delivery may have left a part of a message in {:?}", self.path);
        }
        // Also if somebody cut it before us: until it is safe, the pending file must say so.
        Ok(mbox.sync().map_err(self.fault("sync"))?)
    }

    /// Opens the mbox, creating it if need be, and locks it.
    fn lock(&mut self) -> Result<Box<dyn File>, DeliveryError> {
        let mut waited = Duration::ZERO;
        loop {
            let (mbox, created) = open_or_create(&*self.fs, &self.path).map_err(self.fault("open"))?;
            if created {
                self.names_durable &= sync_names(&*self.fs, parent(&self.path))?;
            }
            // A mail program may have removed or replaced the file before we had the lock.
            if mbox.lock_mailbox().map_err(self.fault("lock"))?
                && mbox.is_at(&self.path).map_err(self.fault("lock"))?
            {
                return Ok(mbox);
            }
            if waited >= self.lock_wait {
                return Err(DeliveryError::Busy { path: self.path.clone() });
            }
            self.fs.pause(RETRY);
            waited = waited.saturating_add(RETRY);
        }
    }

    /// Moves the finished message from the pending file into the mbox.
    fn append(&mut self) -> Result<(), DeliveryError> {
        let octets = self.pending.file().octets().map_err(self.pending_fault("read"))?;
        let mut mbox = self.lock()?;
        let at = mbox.octets().map_err(self.fault("read"))?;
        let gap = gap(&*mbox, at).map_err(self.fault("read"))?;
        let place = Place { at, gap, octets };

        self.pending.put(&place.encode()).map_err(self.pending_fault("write"))?;
        self.pending.flush().map_err(self.pending_fault("write"))?;
        self.pending.file().sync().map_err(self.pending_fault("sync"))?;

        self.settled = false;
        let appended = place
            .append(self.pending.file(), &mut *mbox)
            .map_err(self.fault("write"))
            .and_then(|()| mbox.sync().map_err(self.fault("sync")))
            .and_then(|()| clear(&mut self.pending).map_err(self.pending_fault("empty")));
        if let Err(fault) = appended {
            // If this works, nothing is pending; else the pending file keeps what the next try needs.
            if mbox.set_len(at).and_then(|()| mbox.sync()).is_ok() {
                self.settled = clear(&mut self.pending).is_ok();
            }
            return Err(fault.into());
        }
        self.settled = true;
        Ok(())
    }
}

/// How many LF must end what stands in the mbox, so that an empty line precedes the next message.
fn gap(mbox: &dyn File, octets: u64) -> io::Result<u64> {
    let mut end = [b'\n'; 2];
    let count = usize::try_from(octets.min(2)).unwrap_or(2);
    let there = end.get_mut(2usize.saturating_sub(count)..).unwrap_or(&mut []);
    read_full(mbox, there, octets.saturating_sub(count as u64))?;
    Ok(match (octets, end) {
        (0, _) | (_, [b'\n', b'\n']) => 0,
        (_, [_, b'\n']) => 1,
        _ => 2,
    })
}

impl Delivery for MboxDelivery {
    fn begin(&mut self) -> Result<Box<dyn Incoming + '_>, DeliveryError> {
        if !self.settled {
            self.settle()?;
        }
        self.pending.reset().map_err(self.pending_fault("empty"))?;
        let line = from_line(self.fs.now());
        self.pending.put(line.as_bytes()).map_err(self.pending_fault("write"))?;
        Ok(Box::new(Gathering { mbox: self, encoder: Encoder::default(), handed_on: false }))
    }
}

/// A message in the pending file.
#[derive(Debug)]
struct Gathering<'a> {
    mbox: &'a mut MboxDelivery,
    encoder: Encoder,
    handed_on: bool,
}

impl io::Write for Gathering<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Self { mbox, encoder, .. } = self;
        encoder.take(octets, |part| mbox.pending.put(part))?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.mbox.pending.flush()
    }
}

impl Incoming for Gathering<'_> {
    fn finish(mut self: Box<Self>) -> Result<Durability, DeliveryError> {
        let Self { mbox, encoder, .. } = &mut *self;
        if mbox.pending.has_failed() {
            return Err(DeliveryError::Torn);
        }
        encoder
            .finish(|part| mbox.pending.put(part))
            .and_then(|()| mbox.pending.flush())
            .map_err(mbox.pending_fault("write"))?;
        let appended = mbox.append();
        self.handed_on = !self.mbox.settled || appended.is_ok();
        appended?;
        Ok(if self.mbox.names_durable { Durability::Durable } else { Durability::Written })
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        // What must be undone first is still needed. Else an early end is enough: without its last line, what is in
        // the pending file says nothing.
        if !self.handed_on {
            self.mbox.pending.reset().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::{FaultFs, What};
    use super::super::fs::append_all;
    use super::super::model::{Crash, ModelFs};
    use super::super::scratch::Scratch;
    use super::*;
    use rustix::io::Errno;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    const FORM: &[u8] = b"From MAILER-DAEMON Tue Nov 14 22:13:20 2023\nSubject: a\n\n>From b\n\n";

    fn deliver(mbox: &mut MboxDelivery) -> Result<Durability, DeliveryError> {
        let mut incoming = mbox.begin()?;
        incoming.write_all(b"Subject: a\r\n\r\nFrom b\r\n")?;
        incoming.finish()
    }

    fn open(fs: &ModelFs) -> MboxDelivery {
        MboxDelivery::open_on(fs.shared(), Path::new("/mbox")).unwrap()
    }

    #[test]
    fn r36_an_empty_line_stands_before_each_message() {
        for (before, gap) in [
            (&b""[..], &b""[..]),
            (b"From x\n\na\n\n", b""),
            (b"From x\n\na\n", b"\n"),
            (b"From x\n\na", b"\n\n"),
            (b"\n", b""),
            (b"a", b"\n\n"),
        ] {
            let fs = ModelFs::new();
            fs.place("/mbox", Some(before));
            let mut mbox = open(&fs);
            assert_eq!(deliver(&mut mbox).unwrap(), Durability::Durable);
            assert_eq!(deliver(&mut mbox).unwrap(), Durability::Durable);
            let want = [before, gap, FORM, FORM].concat();
            assert_eq!(fs.content("/mbox").unwrap(), want, "{}", before.escape_ascii());
        }
    }

    #[test]
    fn r36_a_new_mbox_is_private() {
        let scratch = Scratch::new();
        let mut mbox = MboxDelivery::open(scratch.path("mbox")).unwrap();
        assert_eq!(scratch.names(""), ["mbox.pop3-pending"]);
        assert_eq!(deliver(&mut mbox).unwrap(), Durability::Durable);
        drop(mbox);
        for (name, octets) in [("mbox", FORM.len() as u64), ("mbox.pop3-pending", 0)] {
            let metadata = fs::metadata(scratch.path(name)).unwrap();
            assert_eq!((metadata.len(), metadata.permissions().mode() & 0o7777), (octets, 0o600), "{name}");
        }
        assert!(fs::read(scratch.path("mbox")).unwrap().ends_with(b"\nSubject: a\n\n>From b\n\n"));
    }

    #[test]
    fn pb_c16_a_message_without_its_end_leaves_nothing() {
        let fs = ModelFs::new();
        fs.place("/mbox", Some(b"others"));
        let mut mbox = open(&fs);
        for octets in [0, 1, 200_000] {
            let mut incoming = mbox.begin().unwrap();
            incoming.write_all(&vec![b'a'; octets]).unwrap();
            drop(incoming);
            assert_eq!(fs.content("/mbox.pop3-pending").unwrap(), b"");
        }
        assert_eq!(fs.content("/mbox").unwrap(), b"others");
    }

    #[test]
    fn r36_a_message_with_a_gap_is_never_finished() {
        let fs = ModelFs::new();
        let opening = FaultFs::new(fs.shared(), usize::MAX, What::Nothing);
        drop(MboxDelivery::open_on(opening.shared(), Path::new("/mbox")).unwrap());
        let mut torn = 0;
        for at in opening.calls()..opening.calls() + 4 {
            let fs = ModelFs::new();
            let failing = FaultFs::new(fs.shared(), at, What::Fail(Errno::NOSPC));
            let mut mbox = MboxDelivery::open_on(failing.shared(), Path::new("/mbox")).unwrap();
            let Ok(mut incoming) = mbox.begin() else { continue };
            if let Err(error) = incoming.write_all(&[b'a'; 100_000]) {
                assert!(matches!(DeliveryError::from(error), DeliveryError::Full(_)));
                assert!(incoming.write_all(b"there is room again").is_err());
                assert!(matches!(incoming.finish(), Err(DeliveryError::Torn)));
                assert_eq!(fs.content("/mbox"), None);
                torn += 1;
            }
        }
        assert!(torn > 0);
    }

    #[test]
    fn r36_two_deliveries_and_other_programs_keep_apart() {
        let scratch = Scratch::new();
        let first = MboxDelivery::open(scratch.path("mbox")).unwrap();
        let second = MboxDelivery::open(scratch.path("mbox"));
        assert!(matches!(second, Err(DeliveryError::Busy { .. })), "{second:?}");
        drop(first);
        drop(MboxDelivery::open(scratch.path("mbox")).unwrap());

        let fs = ModelFs::new();
        fs.place("/mbox", Some(b"others"));
        let reader = fs.open(Path::new("/mbox")).unwrap();
        assert!(reader.lock_mailbox().unwrap());
        let mut mbox = open(&fs).with_lock_wait(Duration::from_secs(3));
        let start = fs.now();
        assert!(matches!(deliver(&mut mbox), Err(DeliveryError::Busy { .. })));
        assert_eq!(fs.now().duration_since(start).unwrap(), Duration::from_secs(3));
        assert_eq!(fs.content("/mbox").unwrap(), b"others");
        drop(reader);
        assert_eq!(deliver(&mut mbox).unwrap(), Durability::Durable);
    }

    #[test]
    fn r36_an_mbox_removed_by_its_reader_is_made_again() {
        for at in 0..40 {
            let fs = ModelFs::new();
            fs.place("/mbox", Some(b""));
            let removing = FaultFs::new(fs.shared(), at, What::Remove("/mbox"));
            let mut mbox = MboxDelivery::open_on(removing.shared(), Path::new("/mbox")).unwrap();
            assert_eq!(deliver(&mut mbox).unwrap(), Durability::Durable);
            assert_eq!(fs.content("/mbox").unwrap(), FORM, "removed before call {at}");
        }
    }

    #[test]
    fn r36_an_undo_that_failed_is_made_up_for() {
        let mut left = 0;
        for at in 0..40 {
            let fs = ModelFs::new();
            fs.place("/mbox", Some(b"others\n\n"));
            let failing = FaultFs::new(fs.shared(), at, What::FailThrice(Errno::IO));
            let Ok(mut mbox) = MboxDelivery::open_on(failing.shared(), Path::new("/mbox")) else { continue };
            let copies = usize::from(deliver(&mut mbox).is_ok());
            while failing.calls() < at + 3 {
                failing.shared().is_dir(Path::new("/")).ok();
            }
            assert_eq!(deliver(&mut mbox).unwrap(), Durability::Durable, "{at}");
            let content = fs.content("/mbox").unwrap();
            let want = |copies| [b"others\n\n", &FORM.repeat(copies)[..]].concat();
            if content != want(copies + 1) {
                assert_eq!(content, want(copies + 2), "{at}");
                left += 1;
            }
        }
        // Only where the pending file was emptied, that could not be synced, and the undo failed as well: then a whole
        // message stays, and is fetched again.
        assert_eq!(left, 1);
    }

    #[test]
    fn pb_c19_mail_that_came_behind_a_torn_message_stays() {
        let fs = ModelFs::new();
        fs.place("/mbox", Some(b"others\n\n"));
        let counting = FaultFs::new(fs.shared(), usize::MAX, What::Nothing);
        drop(MboxDelivery::open_on(counting.shared(), Path::new("/mbox")).unwrap());
        let torn = (counting.calls()..)
            .map(|at| {
                let fs = fs.crashed(Crash::Kill);
                let stopped = FaultFs::new(fs.shared(), at, What::StopAmid);
                let mut mbox = MboxDelivery::open_on(stopped.shared(), Path::new("/mbox")).unwrap();
                deliver(&mut mbox).unwrap_err();
                fs.crashed(Crash::Kill)
            })
            .find(|fs| fs.content("/mbox").unwrap().len() > 8)
            .unwrap();
        let mut others = torn.open(Path::new("/mbox")).unwrap();
        append_all(&mut *others, b"\n\nFrom c\n\nnew\n\n").unwrap();
        let before = torn.content("/mbox").unwrap();
        let mut mbox = open(&torn);
        assert_eq!(torn.content("/mbox").unwrap(), before);
        assert_eq!(deliver(&mut mbox).unwrap(), Durability::Durable);
        assert_eq!(torn.content("/mbox").unwrap(), [&before[..], FORM].concat());
    }

    #[test]
    fn r36_only_a_regular_file_is_an_mbox() {
        let scratch = Scratch::new();
        fs::write(scratch.path("target"), "x").unwrap();
        std::os::unix::fs::symlink(scratch.path("target"), scratch.path("link")).unwrap();
        fs::create_dir(scratch.path("dir")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            scratch.path("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        for name in ["link", "dir", "fifo"] {
            let mut mbox = MboxDelivery::open(scratch.path(name)).unwrap();
            let error = deliver(&mut mbox).unwrap_err();
            assert!(matches!(error, DeliveryError::Io(_)), "{name}: {error}");
        }
        assert_eq!(fs::read(scratch.path("target")).unwrap(), b"x");
    }
}
