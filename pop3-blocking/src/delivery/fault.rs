//! A file system that fails at one call, for tests: before it, in the middle of it, or after it.

use core::time::Duration;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::fs::{File, Fs};
pub(super) use crate::failpoint::What;
use crate::failpoint::{Deed, Extent, Plan, half};

#[derive(Clone, Debug)]
pub(super) struct FaultFs {
    inner: Arc<dyn Fs>,
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct FaultFile {
    inner: Box<dyn File>,
    fs: FaultFs,
}

impl FaultFs {
    /// `what` happens at call `at`, counted from 0.
    #[cfg(test)]
    pub(super) fn new(inner: Arc<dyn Fs>, at: usize, what: What) -> Self {
        Self::with_plan(inner, Arc::new(Plan::new(at, what)))
    }

    pub(super) const fn with_plan(inner: Arc<dyn Fs>, plan: Arc<Plan>) -> Self {
        Self { inner, plan }
    }

    pub(super) fn shared(&self) -> Arc<dyn Fs> {
        Arc::new(self.clone())
    }

    /// How many calls there were.
    #[cfg(test)]
    pub(super) fn calls(&self) -> usize {
        self.plan.calls()
    }

    /// What they did.
    #[cfg(test)]
    pub(super) fn deeds(&self) -> Vec<Deed> {
        self.plan.deeds()
    }

    fn wrap(&self, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(FaultFile { inner: file, fs: self.clone() })
    }

    fn call<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.call_for(Deed::Other, |_| act())
    }

    /// `act` is told whether to move half of its octets.
    fn call_for<T>(&self, deed: Deed, act: impl FnOnce(bool) -> io::Result<T>) -> io::Result<T> {
        self.plan.make(deed, |extent| {
            if extent == Extent::Loss {
                self.inner.lose_next_sync();
            }
            act(extent == Extent::Half)
        })
    }
}

impl Fs for FaultFs {
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.call(|| self.inner.open(path)).map(|file| self.wrap(file))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.call(|| self.inner.create_new(path)).map(|file| self.wrap(file))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call(|| self.inner.create_dir(path))
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        self.call(|| self.inner.is_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call_for(Deed::SyncNames, |_| self.inner.sync_dir(path))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|| self.inner.rename_new(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|| self.inner.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|| self.inner.link(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(|| self.inner.remove(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, SystemTime)>> {
        self.call(|| self.inner.list(path))
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.call(|| self.inner.names(path))
    }

    fn now(&self) -> SystemTime {
        self.inner.now()
    }

    fn pause(&self, time: Duration) {
        self.inner.pause(time);
    }
}

impl File for FaultFile {
    fn append(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Self { inner, fs } = self;
        fs.call_for(Deed::Write, |short| {
            inner.append(if short { &octets[..half(octets.len())] } else { octets })
        })
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fs.call_for(Deed::Read, |short| {
            let count = if short { half(into.len()) } else { into.len() };
            self.inner.read_at(&mut into[..count], offset)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.fs.call_for(Deed::Sync, |_| self.inner.sync())
    }

    fn set_len(&self, octets: u64) -> io::Result<()> {
        self.fs.call(|| self.inner.set_len(octets))
    }

    fn octets(&self) -> io::Result<u64> {
        self.fs.call(|| self.inner.octets())
    }

    fn lock_opening(&self) -> io::Result<bool> {
        self.fs.call(|| self.inner.lock_opening())
    }

    fn lock_mailbox(&self) -> io::Result<bool> {
        if let Some(What::Remove(path)) = self.fs.plan.what_next() {
            drop(self.fs.inner.remove(Path::new(path)));
        }
        self.fs.call(|| self.inner.lock_mailbox())
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.fs.call(|| self.inner.is_at(path))
    }
}
