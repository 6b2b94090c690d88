//! Folders for one test, removed when it ends.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own below the system's folder for temporary files; dropped, it is removed with all in it.
///
/// Other users may look into it, because peers drop their privileges. With `POP3_TESTS_KEEP` in the environment it
/// stays and its name is printed.
#[derive(Debug)]
#[must_use]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes a folder whose name contains `label`.
    pub fn new(label: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = std::env::temp_dir();
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("pop3-{label}-{}-{count}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                    return Self(path);
                }
                // Left behind by a killed process that had the same number.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of `name` in it.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a folder in it, with those above it, and gives its path.
    pub fn subdir(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Writes a file in it that only its owner may read, and gives its path.
    pub fn file(&self, name: impl AsRef<Path>, octets: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, octets).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::env::var_os("POP3_TESTS_KEEP").is_some() {
            super::tell(&format!("kept: {}", self.0.display()));
        } else if let Err(error) = fs::remove_dir_all(&self.0) {
            super::tell(&format!("{} stays behind: {error}", self.0.display()));
        }
    }
}

/// Whether the tests run as root, and may therefore start programs as other users.
#[must_use]
pub fn is_root() -> bool {
    current_user().0 == 0
}

/// Gives `path` and everything below it to another user.
pub fn give_to(path: &Path, uid: u32, gid: u32) {
    chown(path, Some(uid), Some(gid)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_to(&entry.unwrap().path(), uid, gid);
        }
    }
}

/// Lets everybody read a file.
pub fn let_read(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// The user and group the tests run as.
#[must_use]
pub fn current_user() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let process = fs::metadata("/proc/self").unwrap();
    (process.uid(), process.gid())
}
