//! The directories of a Maildir, and the one way to its files (R40).
//!
//! Everything is opened relative to a directory that is open already. The path of the Maildir itself is the
//! operator's: it may lead through symbolic links. Below it none is followed, nothing but a regular file is read, and
//! opening never waits.

use std::fs::{DirBuilder, File, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::MaildirError;
use super::calls::{Call, Reading, call};

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `new`: no mail reader has seen it.
    New,
    /// `cur`: one has; the name may carry flags.
    Cur,
}

impl Place {
    /// In the order in which a message passes through them.
    pub(super) const ALL: [Self; 2] = [Self::New, Self::Cur];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Cur => "cur",
        }
    }
}

/// The open directories.
#[derive(Debug)]
pub(super) struct Dirs {
    pub(super) root: File,
    new: File,
    cur: File,
}

/// Takes the name and the type of an entry.
type Each<'a> = dyn FnMut(&[u8], FileType) -> Result<(), MaildirError> + 'a;

/// Changes when an entry of either directory does, within the clock of the file system.
pub(super) type Stamp = [Seal; 2];

/// What changes about a file or directory when its content does, whoever changes it. The second time cannot be set by
/// programs, and another file put in its place has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) inode: u64,
    pub(super) len: u64,
    /// When the content was changed last, in nanoseconds since 1970.
    pub(super) modified: i64,
    /// When anything about it was.
    pub(super) changed: i64,
}

impl Seal {
    fn of(facts: &Metadata) -> Self {
        Self {
            inode: facts.ino(),
            len: facts.len(),
            modified: modified(facts),
            changed: nanoseconds(facts.ctime(), facts.ctime_nsec()),
        }
    }

    #[allow(clippy::unnecessary_cast, trivial_numeric_casts, reason = "the types differ between systems")]
    #[allow(clippy::cast_sign_loss, reason = "no file has less than nothing")]
    const fn of_stat(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino as u64,
            len: stat.st_size as u64,
            modified: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

/// When a file was last changed, in nanoseconds since 1970.
pub(super) fn modified(facts: &Metadata) -> i64 {
    nanoseconds(facts.mtime(), facts.mtime_nsec())
}

/// Nanoseconds since 1970.
const fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

impl Dirs {
    /// Opens the Maildir at `path`, or makes it first if `create` says so.
    pub(super) fn open(path: &Path, create: bool) -> Result<Self, MaildirError> {
        if create {
            let make = || DirBuilder::new().recursive(true).mode(0o700).create(path);
            call(Call::MakeDir("."), make).map_err(MaildirError::std("making the Maildir"))?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match call(Call::OpenDir(None), || rustix::fs::open(path, flags, Mode::empty())) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Err(MaildirError::Missing { path: path.to_owned() }),
            Err(errno) => return Err(MaildirError::io("opening the Maildir")(errno)),
        };
        if create {
            for name in ["tmp", "new", "cur"] {
                match call(Call::MakeDir(name), || mkdirat(&root, name, Mode::RWXU)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(MaildirError::io("making the Maildir")(errno)),
                }
            }
        }
        let open = |place: Place| openat(&root, place.name(), flags | OFlags::NOFOLLOW, Mode::empty());
        let sub = |place| match call(Call::OpenDir(Some(place)), || open(place)) {
            Ok(fd) => Ok(File::from(fd)),
            Err(Errno::NOENT) => Err(MaildirError::Missing { path: path.join(place.name()) }),
            Err(errno) => Err(MaildirError::io("opening new and cur of the Maildir")(errno)),
        };
        let (new, cur) = (sub(Place::New)?, sub(Place::Cur)?);
        Ok(Self { root, new, cur })
    }

    pub(super) const fn of(&self, place: Place) -> &File {
        match place {
            Place::New => &self.new,
            Place::Cur => &self.cur,
        }
    }

    pub(super) fn stamp(&self) -> Result<Stamp, MaildirError> {
        let stamp = |dir: &File| match call(Call::Look, || dir.metadata()) {
            Ok(facts) => Ok(Seal::of(&facts)),
            Err(error) => Err(MaildirError::std(LISTING)(error)),
        };
        Ok([stamp(&self.new)?, stamp(&self.cur)?])
    }

    /// The seal of a file of this crate; `None` if it is not there.
    pub(super) fn seal(&self, name: &str) -> Result<Option<Seal>, MaildirError> {
        match look(&self.root, name.as_bytes()) {
            Ok(stat) => Ok(Some(Seal::of_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(MaildirError::io(LISTING)(errno)),
        }
    }

    /// Gives the name and type of each entry of a directory that is not hidden.
    pub(super) fn walk(&self, place: Place, each: &mut Each<'_>) -> Result<(), MaildirError> {
        let dir = self.of(place);
        let mut entries =
            call(Call::Walk(place), || Dir::read_from(dir)).map_err(MaildirError::io(LISTING))?;
        loop {
            let entry = call(Call::Name(place), || entries.next().transpose());
            let Some(entry) = entry.map_err(MaildirError::io(LISTING))? else { break };
            let name = entry.file_name().to_bytes();
            if name.starts_with(b".") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match look(dir, name) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(MaildirError::io(LISTING)(errno)),
                },
                kind => kind,
            };
            each(name, kind)?;
        }
        // A directory that was removed reads as if empty; a maildrop must not (PB-S28).
        let facts = call(Call::Look, || dir.metadata()).map_err(MaildirError::std(LISTING))?;
        if facts.nlink() == 0 { Err(MaildirError::io(LISTING)(Errno::NOENT)) } else { Ok(()) }
    }

    /// Opens a message. `None`: the name is gone, or is no longer that of a regular file.
    pub(super) fn open_message(
        &self,
        place: Place,
        name: &[u8],
    ) -> Result<Option<(Reading, Metadata)>, MaildirError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = || openat(self.of(place), name, flags, Mode::empty());
        let file = match call(Call::OpenMessage, open) {
            Ok(fd) => File::from(fd),
            // LOOP and the BSDs' MLINK: a symbolic link. NXIO: a socket, or a device without driver.
            Err(Errno::NOENT | Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Ok(None),
            Err(errno) => return Err(MaildirError::io("opening a message")(errno)),
        };
        let facts = call(Call::Look, || file.metadata()).map_err(MaildirError::std("opening a message"))?;
        Ok(facts.is_file().then(|| (Reading::of_len(file, Call::ReadMessage, facts.len()), facts)))
    }

    /// Whether there is an entry of this name.
    pub(super) fn has(&self, place: Place, name: &[u8]) -> Result<bool, MaildirError> {
        match look(self.of(place), name) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(MaildirError::io(LISTING)(errno)),
        }
    }

    /// Removes a name. `false`: it was gone.
    pub(super) fn remove(&self, place: Place, name: &[u8]) -> Result<bool, MaildirError> {
        let unlink = || unlinkat(self.of(place), name, AtFlags::empty());
        match call(Call::Remove(Some(place), name), unlink) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(MaildirError::io("removing a message")(errno)),
        }
    }

    /// Makes all removals in a directory durable.
    pub(super) fn sync(&self, place: Place) -> Result<(), MaildirError> {
        match call(Call::SyncDir(Some(place)), || rustix::fs::fsync(self.of(place))) {
            // File systems that write directories at once do not know the call.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(MaildirError::io("making removals durable")(errno)),
        }
    }
}

/// The facts about what a name in `dir` stands for.
pub(super) fn look(dir: &File, name: &[u8]) -> Result<Stat, Errno> {
    call(Call::Look, || statat(dir, name, AtFlags::SYMLINK_NOFOLLOW))
}

const LISTING: &str = "listing the Maildir";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::maildir::tests::files::{TempDir, make_fifo};

    #[test]
    fn pb_s28_a_directory_that_was_removed_is_no_empty_one() {
        let dir = TempDir::new();
        let dirs = Dirs::open(&dir.path().join("a/Maildir"), true).unwrap();
        assert!(dirs.walk(Place::Cur, &mut |_, _| panic!("empty")).is_ok());
        std::fs::remove_dir_all(dir.path().join("a")).unwrap();
        assert!(matches!(dirs.walk(Place::Cur, &mut |_, _| Ok(())), Err(MaildirError::Io { .. })));
    }

    #[test]
    fn pb_s50_new_and_cur_must_be_directories() {
        let cases: [fn(&Path); 3] = [
            |path| std::os::unix::fs::symlink("tmp", path).unwrap(),
            |path| std::fs::write(path, "").unwrap(),
            |path| make_fifo(path),
        ];
        for make in cases {
            for place in Place::ALL {
                for create in [false, true] {
                    let dir = TempDir::new();
                    let path = dir.path().join("Maildir");
                    drop(Dirs::open(&path, true).unwrap());
                    std::fs::remove_dir(path.join(place.name())).unwrap();
                    make(&path.join(place.name()));
                    assert!(matches!(Dirs::open(&path, create), Err(MaildirError::Io { .. })));
                }
            }
        }
    }

    #[test]
    fn the_maildir_itself_may_be_a_link_and_missing_ones_are_told_apart() {
        let dir = TempDir::new();
        let path = dir.path().join("Maildir");
        assert!(
            matches!(Dirs::open(&path, false), Err(MaildirError::Missing { path: missing }) if missing == path)
        );
        drop(Dirs::open(&path, true).unwrap());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        std::os::unix::fs::symlink(&path, dir.path().join("link")).unwrap();
        assert!(Dirs::open(&dir.path().join("link"), false).is_ok());
        std::fs::remove_dir(path.join("cur")).unwrap();
        assert!(
            matches!(Dirs::open(&path, false), Err(MaildirError::Missing { path: missing }) if missing == path.join("cur"))
        );
    }
}
