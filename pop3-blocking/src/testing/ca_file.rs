//! A certificate in a file that goes when it is dropped.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

pub(super) struct CaFile(PathBuf);

/// How many names are tried: leftovers of processes that were killed may have some.
const NAMES: u32 = 1000;

impl CaFile {
    pub(super) fn create(pem: &str) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..NAMES {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("pop3-test-ca-{}-{number}.pem", process::id()));
            // Never through a link that somebody has put there.
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    let created = Self(path); // from here on it goes, also when it cannot be filled
                    file.write_all(pem.as_bytes())?;
                    return Ok(created);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // It holds nothing secret; a leftover does no harm.
        drop(fs::remove_file(&self.0));
    }
}
