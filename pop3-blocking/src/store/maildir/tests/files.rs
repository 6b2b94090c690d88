//! Files of the tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new directory that goes when the value does.
pub(in crate::store::maildir) struct TempDir(PathBuf);

impl TempDir {
    pub(in crate::store::maildir) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// One in memory, where there is such a place: for tests with thousands of syncs.
    pub(in crate::store::maildir) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        let usable = memory.is_dir() && rustix::fs::access(memory, rustix::fs::Access::WRITE_OK).is_ok();
        if usable { Self::within(memory) } else { Self::new() }
    }

    fn within(parent: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("pop3-store-{}-{n}", std::process::id()));
        // Left behind by a process of this number that was killed.
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(in crate::store::maildir) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Makes a FIFO, on which a careless open would wait for ever.
pub(in crate::store::maildir) fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}
