//! Directories of the real file system, for tests.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::path::{Path, PathBuf};

/// A new empty directory, removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        loop {
            let name =
                format!("pop3-delivery-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
            let path = std::env::temp_dir().join(name);
            if std::fs::create_dir(&path).is_ok() {
                return Self(path);
            }
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of the files below a directory, sorted.
    pub(super) fn names(&self, dir: &str) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.path(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
