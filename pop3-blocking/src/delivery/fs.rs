//! Every call of the delivery to the file system, behind the traits [`Fs`] and [`File`].
//!
//! One method is one call to the operating system, or one with a look that changes nothing. What takes several calls in
//! a certain order stands above the traits, so that tests can fail, or end the process, before and after each of them.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::error::Fault;

/// A file system and its clock. A path is followed through symbolic links save in its last part.
pub(crate) trait Fs: fmt::Debug + Send + Sync {
    /// Opens a regular file for reading and appending. `InvalidInput` if it is anything else, a symbolic link included.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Creates a file nobody else may read. `AlreadyExists` if the name is taken, by whatever.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Creates a directory nobody else may enter.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Whether the path leads to a directory; `false` if there is nothing. Here the last part may be a symbolic link.
    fn is_dir(&self, path: &Path) -> io::Result<bool>;
    /// Makes the names in a directory survive a power failure.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames, or says `AlreadyExists`. `Unsupported` or `InvalidInput` where that cannot be done in one step.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames over whatever is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name, or says `AlreadyExists`.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name that is no directory.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The regular files of a directory, each with the time of its last change.
    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, SystemTime)>>;
    /// The names in a directory.
    fn names(&self, path: &Path) -> io::Result<Vec<OsString>>;
    /// [`File::sync`] for each of `files`, in any order or at once; what came of each.
    fn sync_files(&self, files: &[&dyn File]) -> Vec<io::Result<()>> {
        files.iter().map(|file| file.sync()).collect()
    }
    /// The clock.
    fn now(&self) -> SystemTime;
    /// Waits, for somebody else's lock.
    fn pause(&self, time: Duration);
    /// The next sync fails, and what it was to make durable is never to be, whatever a later sync says.
    #[cfg(any(test, all(feature = "__failpoint", debug_assertions)))]
    fn lose_next_sync(&self) {}
}

/// An open regular file. Closing frees its locks.
pub(crate) trait File: fmt::Debug + Send + Sync {
    /// Appends some of the octets and says how many.
    fn append(&mut self, octets: &[u8]) -> io::Result<usize>;
    /// Reads some octets from `offset` on; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Makes the content survive a power failure. After an error the content is unknown, whatever a second call says.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file. Later octets are appended there.
    fn set_len(&self, octets: u64) -> io::Result<()>;
    /// The octets of the file.
    fn octets(&self) -> io::Result<u64>;
    /// Takes an exclusive lock that belongs to this opening of the file (flock). `false` if somebody else has it.
    fn lock_opening(&self) -> io::Result<bool>;
    /// Takes the exclusive lock that mail programs take on a mailbox file (fcntl). `false` if somebody else has it.
    fn lock_mailbox(&self) -> io::Result<bool>;
    /// Whether `path` names this very file.
    fn is_at(&self, path: &Path) -> io::Result<bool>;
}

/// The file system of the machine.
#[derive(Debug)]
pub(crate) struct RealFs;

impl RealFs {
    pub(crate) fn shared() -> Arc<dyn Fs> {
        #[cfg(all(feature = "__failpoint", debug_assertions))]
        if let Some(plan) = crate::failpoint::of_process() {
            return super::fault::FaultFs::with_plan(Arc::new(Self), plan).shared();
        }
        Arc::new(Self)
    }
}

#[derive(Debug)]
struct RealFile(std::fs::File);

const OPEN: OFlags = OFlags::RDWR.union(OFlags::APPEND).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

fn open_real(path: &Path, more: OFlags) -> io::Result<RealFile> {
    let mode = Mode::RUSR | Mode::WUSR;
    let fd = rustix::io::retry_on_intr(|| rustix::fs::open(path, OPEN | more, mode))?;
    Ok(RealFile(std::fs::File::from(fd)))
}

impl Fs for RealFs {
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        // A device in the place of the file could hold us for ever.
        let file = match open_real(path, OFlags::NONBLOCK) {
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "is a symbolic link"));
            }
            result => result?,
        };
        if !file.0.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
        }
        Ok(Box::new(file))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(open_real(path, OFlags::CREATE | OFlags::EXCL)?))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(true),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn rename_new(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, SystemTime)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            // What vanished meanwhile is not there. `DirEntry::metadata` does not follow symbolic links.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() {
                let renamed = Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or(0));
                let changed = SystemTime::UNIX_EPOCH.checked_add(renamed).unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((entry.path(), metadata.modified()?.max(changed)));
            }
        }
        Ok(files)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    fn sync_files(&self, files: &[&dyn File]) -> Vec<io::Result<()>> {
        let next = AtomicUsize::new(0);
        let sync_some = || {
            let mut done = Vec::new();
            while let (at, Some(file)) = next_of(&next, files) {
                done.push((at, file.sync()));
            }
            done
        };
        let mut synced: Vec<_> = files.iter().map(|_| Err(io::Error::other("the thread was lost"))).collect();
        std::thread::scope(|scope| {
            let more = SYNCING.min(files.len()).saturating_sub(1);
            // Where there are no more threads, this one does it all.
            let spawn = || std::thread::Builder::new().spawn_scoped(scope, sync_some).ok();
            let threads: Vec<_> = (0..more).map_while(|_| spawn()).collect();
            let mine = sync_some();
            for (at, result) in
                threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().chain(mine)
            {
                if let Some(place) = synced.get_mut(at) {
                    *place = result;
                }
            }
        });
        synced
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl File for RealFile {
    fn append(&mut self, octets: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut self.0, octets)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, into, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn set_len(&self, octets: u64) -> io::Result<()> {
        self.0.set_len(octets)
    }

    fn octets(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn lock_opening(&self) -> io::Result<bool> {
        held(rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive))
    }

    fn lock_mailbox(&self) -> io::Result<bool> {
        held(rustix::fs::fcntl_lock(&self.0, FlockOperation::NonBlockingLockExclusive))
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let mine = self.0.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(there) => Ok(there.dev() == mine.dev() && there.ino() == mine.ino()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// Threads that sync files at once. A file system makes several durable in one go, if it is asked at one time.
const SYNCING: usize = 4;

/// The next file that nobody has taken, and its place.
fn next_of<'a>(next: &AtomicUsize, files: &[&'a dyn File]) -> (usize, Option<&'a dyn File>) {
    let at = next.fetch_add(1, Ordering::Relaxed);
    (at, files.get(at).copied())
}

fn held(lock: rustix::io::Result<()>) -> io::Result<bool> {
    use rustix::io::Errno;
    match lock {
        Ok(()) => Ok(true),
        // fcntl may say either of the last two for a lock held elsewhere.
        Err(e) if e == Errno::WOULDBLOCK || e == Errno::AGAIN || e == Errno::ACCESS => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Opens `path`, creating it if need be; tells whether it was created.
pub(crate) fn open_or_create(fs: &dyn Fs, path: &Path) -> io::Result<(Box<dyn File>, bool)> {
    match fs.open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        result => return Ok((result?, false)),
    }
    match fs.create_new(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok((fs.open(path)?, false)),
        result => Ok((result?, true)),
    }
}

/// Appends all of `octets`.
pub(crate) fn append_all(file: &mut dyn File, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        match file.append(octets) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => octets = octets.get(n..).unwrap_or(&[]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Reads from `offset` until `into` is full or the file ends; tells how many octets there were.
pub(crate) fn read_full(file: &dyn File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(n) => done = done.saturating_add(n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Makes the names in `dir` survive a power failure; `false` where the file system offers no such promise.
pub(crate) fn sync_names(fs: &dyn Fs, dir: &Path) -> Result<bool, Fault> {
    match fs.sync_dir(dir) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(false),
        Err(e) => Err(Fault::new("sync directory", Some(dir), e)),
    }
}

/// The directory that holds the name `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Creates `dir` and what is missing above it, so that all of it survives a power failure.
///
/// A run that was killed may have created a directory and not synced its name. So the name of the lowest one that is
/// there is synced again, and none is created before the name of the one above it is safe.
pub(crate) fn ensure_dir(fs: &dyn Fs, dir: &Path) -> Result<(), Fault> {
    let mut missing = Vec::new();
    let mut there = dir;
    while !fs.is_dir(there).map_err(|e| Fault::new("open directory", Some(there), e))? {
        missing.push(there);
        let above = parent(there);
        if above == there {
            break;
        }
        there = above;
    }
    match sync_names(fs, parent(there)) {
        // A directory we may not read is not one we created the name in.
        Err(fault) if fault.io_error().kind() == io::ErrorKind::PermissionDenied => {}
        result => drop(result?),
    }
    for dir in missing.into_iter().rev() {
        create_dir(fs, dir)?;
        sync_names(fs, parent(dir))?;
    }
    Ok(())
}

/// Creates one directory, unless somebody else just did.
pub(crate) fn create_dir(fs: &dyn Fs, dir: &Path) -> Result<(), Fault> {
    match fs.create_dir(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            Err(Fault::new("create directory", Some(dir), e))
        }
        _ => Ok(()),
    }
}

/// How many octets are gathered before they are appended to a file.
const BUFFER: usize = 64 * 1024;

/// Appends to a file in large parts. After one failure every call fails: a gap may stand in the file.
///
/// Dropping it appends nothing.
#[derive(Debug)]
pub(crate) struct Appender {
    file: Box<dyn File>,
    buffer: Vec<u8>,
    failed: bool,
}

impl Appender {
    pub(crate) fn new(file: Box<dyn File>) -> Self {
        Self { file, buffer: Vec::with_capacity(BUFFER), failed: false }
    }

    /// Takes all of `octets`.
    pub(crate) fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.buffer.len().saturating_add(octets.len()) > BUFFER {
            self.flush()?;
        }
        if octets.len() >= BUFFER {
            self.append(|appender| append_all(&mut *appender.file, octets))
        } else {
            self.append(|appender| {
                appender.buffer.extend_from_slice(octets);
                Ok(())
            })
        }
    }

    /// Appends what was gathered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.append(|appender| append_all(&mut *appender.file, &appender.buffer))?;
        self.buffer.clear();
        Ok(())
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    pub(crate) fn file(&self) -> &dyn File {
        &*self.file
    }

    pub(crate) fn into_file(self) -> Box<dyn File> {
        self.file
    }

    /// Empties the file and forgets the failure.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        self.buffer.clear();
        self.failed = true;
        self.file.set_len(0)?;
        self.failed = false;
        Ok(())
    }

    fn append(&mut self, append: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        append(self).inspect_err(|_| self.failed = true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose sync fails with the number of the file, if that is odd.
    #[derive(Debug)]
    struct Numbered(i32);

    impl File for Numbered {
        fn append(&mut self, _: &[u8]) -> io::Result<usize> {
            unreachable!()
        }
        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            unreachable!()
        }
        fn sync(&self) -> io::Result<()> {
            if self.0 % 2 == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(self.0)) }
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            unreachable!()
        }
        fn octets(&self) -> io::Result<u64> {
            unreachable!()
        }
        fn lock_opening(&self) -> io::Result<bool> {
            unreachable!()
        }
        fn lock_mailbox(&self) -> io::Result<bool> {
            unreachable!()
        }
        fn is_at(&self, _: &Path) -> io::Result<bool> {
            unreachable!()
        }
    }

    #[test]
    fn r36_each_file_of_many_has_its_own_answer() {
        for count in [0, 1, 2, 33] {
            let files: Vec<_> = (0..count).map(Numbered).collect();
            let files: Vec<&dyn File> = files.iter().map(|file| file as &dyn File).collect();
            let synced = RealFs.sync_files(&files);
            let codes: Vec<_> =
                synced.iter().map(|result| result.as_ref().err().map(|e| e.raw_os_error())).collect();
            let want: Vec<_> = (0..count).map(|number| (number % 2 != 0).then_some(Some(number))).collect();
            assert_eq!(codes, want);
        }
    }
}
