//! The exclusive lock of a Maildir (RFC 1939 section 4; R39).
//!
//! It is `flock` on the file `pop3-lock` in the Maildir, so the kernel frees it when the process ends, however it
//! ends. It excludes sessions of one process as well as of many: each holds an open file of its own. The file stays
//! when the lock is freed. It is empty, or holds one octet while it is unknown whether the list of unique-ids that can be
//! seen is durable too: a session that dies leaves the octet to the next one. Programs that deliver or read mail by other ways neither take it nor wait for it.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, statat};
use rustix::io::Errno;

use super::MaildirError;
use super::calls::{Call, call};
use crate::store::OpenError;

/// The name of the lock file.
const NAME: &str = "pop3-lock";

/// The lock, until dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock without waiting.
    pub(super) fn take(root: &File) -> Result<Self, OpenError> {
        // A second try only if the file was replaced between opening and locking: by hand, then.
        for _ in 0..3 {
            let file = open(root)?;
            match call(Call::Lock, || flock(&file, FlockOperation::NonBlockingLockExclusive)) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(OpenError::InUse),
                Err(errno) => return Err(MaildirError::io("locking the Maildir")(errno).into()),
            }
            // From here on the lock is freed by the drop of `lock`.
            let lock = Self(file);
            if lock.is_at(root)? {
                return Ok(lock);
            }
        }
        Err(OpenError::InUse)
    }

    /// Notes for the next session whether it is unknown that the list of unique-ids is durable.
    ///
    /// Nothing makes the note itself durable: it is for those who see what this session did, and after a power failure
    /// nobody sees what was not durable.
    pub(super) fn note_unsure(&self, unsure: bool) -> io::Result<()> {
        call(Call::Note, || self.0.set_len(u64::from(unsure)))
    }

    /// What was noted last.
    pub(super) fn is_unsure(&self) -> Result<bool, MaildirError> {
        let facts =
            call(Call::Look, || self.0.metadata()).map_err(MaildirError::std("looking at the lock file"))?;
        Ok(facts.len() > 0)
    }

    /// Whether the file locked is still the one that others would lock.
    fn is_at(&self, root: &File) -> Result<bool, MaildirError> {
        let held =
            call(Call::Look, || self.0.metadata()).map_err(MaildirError::std("looking at the lock file"))?;
        match call(Call::Look, || statat(root, NAME, AtFlags::SYMLINK_NOFOLLOW)) {
            #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
            #[allow(trivial_numeric_casts, reason = "the types differ between systems")]
            Ok(stat) => Ok(stat.st_ino as u64 == held.ino() && stat.st_dev as u64 == held.dev()),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(MaildirError::io("looking at the lock file")(errno)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do, but not while a child process between fork and exec holds a copy of the handle.
        if let Err(errno) = call(Call::Unlock, || flock(&self.0, FlockOperation::Unlock)) {
            log::warn!("unlocking a Maildir: {errno}");
        }
    }
}

fn open(root: &File) -> Result<File, MaildirError> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let create = OFlags::RDWR | OFlags::CREATE;
    let opened = match call(Call::OpenLock, || openat(root, NAME, flags | create, Mode::RUSR | Mode::WUSR)) {
        // On a read-only file system the file may be there from better days.
        Err(errno @ (Errno::ROFS | Errno::ACCESS)) => {
            let open = || openat(root, NAME, flags | OFlags::RDONLY, Mode::empty());
            call(Call::OpenLock, open).map_err(|_| errno)
        }
        other => other,
    };
    let file = File::from(opened.map_err(MaildirError::io("opening the lock file"))?);
    let facts =
        call(Call::Look, || file.metadata()).map_err(MaildirError::std("looking at the lock file"))?;
    if facts.is_file() { Ok(file) } else { Err(MaildirError::NotRegular { name: NAME }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;
    use crate::store::maildir::calls::rig::set_hook;
    use crate::store::maildir::tests::files::{TempDir, make_fifo};

    fn root(dir: &TempDir) -> File {
        File::open(dir.path()).unwrap()
    }

    #[test]
    fn r1939_4_3_the_lock_excludes_within_one_process_and_drop_frees_it() {
        let dir = TempDir::new();
        let root = root(&dir);
        let first = Lock::take(&root).unwrap();
        for _ in 0..3 {
            assert!(matches!(Lock::take(&root), Err(OpenError::InUse)));
        }
        drop(first);
        for _ in 0..100 {
            let _lock = Lock::take(&root).unwrap();
            assert!(matches!(Lock::take(&root), Err(OpenError::InUse)));
        }
    }

    #[test]
    fn r1939_4_3_the_lock_excludes_other_processes() {
        let dir = TempDir::new();
        let root = root(&dir);
        let path = dir.path().join(NAME);
        let lock = Lock::take(&root).unwrap();
        // flock(1) of util-linux
        let other = || std::process::Command::new("flock").arg("-n").arg(&path).arg("true").status();
        match other() {
            Err(error) => println!("SKIPPED: flock(1) is not here: {error}"),
            Ok(status) => {
                assert!(!status.success());
                drop(lock);
                assert!(other().unwrap().success());
            }
        }
    }

    #[test]
    fn a_lock_file_that_was_replaced_is_not_trusted() {
        let dir = TempDir::new();
        let root = root(&dir);
        let old = Lock::take(&root).unwrap();
        std::fs::remove_file(dir.path().join(NAME)).unwrap();
        assert!(!old.is_at(&root).unwrap());
        let new = Lock::take(&root).unwrap();
        assert!(!old.is_at(&root).unwrap() && new.is_at(&root).unwrap());
        drop(new);

        // Replaced between opening and locking.
        let path = dir.path().join(NAME);
        let mut times = 0;
        set_hook(move |call| {
            if call == Call::Lock {
                times += 1;
                if times == 1 {
                    std::fs::remove_file(&path).unwrap();
                }
            }
        });
        let lock = Lock::take(&root).unwrap();
        assert!(lock.is_at(&root).unwrap());
        assert!(matches!(Lock::take(&root), Err(OpenError::InUse)));
        set_hook(|_| {});
    }

    #[test]
    fn pb_s50_a_lock_file_that_is_no_file_is_a_fault_not_a_hang() {
        let cases: [fn(&std::path::Path); 3] = [
            |path| {
                std::fs::write(path.with_file_name("other"), "").unwrap();
                std::os::unix::fs::symlink("other", path).unwrap();
            },
            |path| std::fs::create_dir(path).unwrap(),
            |path| make_fifo(path),
        ];
        for make in cases {
            let dir = TempDir::new();
            make(&dir.path().join(NAME));
            let taken = Lock::take(&root(&dir));
            assert!(matches!(taken, Err(OpenError::Store(StoreError::Permanent(_)))), "{taken:?}");
        }
    }
}
