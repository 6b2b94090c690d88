//! A file system that fails at one call, for tests: before it, in the middle of it, or after it.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::Errno;

use super::fs::{File, Fs};

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Nothing; calls are only counted.
    Nothing,
    /// It fails and changes nothing, save that an append takes half.
    Fail(Errno),
    /// It and the two after it fail as before.
    FailThrice(Errno),
    /// If it locks a mailbox, another program was faster and removed this file.
    Remove(&'static str),
    /// It succeeds and says that it failed.
    Lie(Errno),
    /// A signal interrupts it, if it reads or appends.
    Interrupt,
    /// It is not begun, and nothing after it either.
    StopBefore,
    /// An append takes half; else as before.
    StopAmid,
    /// It is the last thing that happens.
    StopAfter,
    /// The process dies right after it, without any cleaning up.
    DieAfter,
}

#[derive(Clone, Debug)]
pub(super) struct FaultFs {
    inner: Arc<dyn Fs>,
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    inner: Arc<dyn Fs>,
    calls: AtomicUsize,
    at: usize,
    what: What,
}

#[derive(Debug)]
struct FaultFile {
    inner: Box<dyn File>,
    plan: Arc<Plan>,
}

impl FaultFs {
    /// `what` happens at call `at`, counted from 0.
    pub(super) fn new(inner: Arc<dyn Fs>, at: usize, what: What) -> Self {
        let plan = Plan { inner: Arc::clone(&inner), calls: AtomicUsize::new(0), at, what };
        Self { inner, plan: Arc::new(plan) }
    }

    pub(super) fn shared(&self) -> Arc<dyn Fs> {
        Arc::new(self.clone())
    }

    /// How many calls there were.
    pub(super) fn calls(&self) -> usize {
        self.plan.calls.load(Ordering::SeqCst)
    }

    fn wrap(&self, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(FaultFile { inner: file, plan: Arc::clone(&self.plan) })
    }
}

impl Plan {
    fn call<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.call_or(act, |_| None)
    }

    fn call_or<T>(
        &self,
        act: impl FnOnce() -> io::Result<T>,
        instead: impl FnOnce(What) -> Option<io::Result<T>>,
    ) -> io::Result<T> {
        let stopped = || io::Error::other("the process is gone");
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call < self.at {
            return act();
        }
        let thrice = matches!(self.what, What::FailThrice(_)) && call <= self.at + 2;
        if call > self.at && !thrice {
            let stops = matches!(self.what, What::StopBefore | What::StopAmid | What::StopAfter);
            return if stops { Err(stopped()) } else { act() };
        }
        if let Some(result) = instead(self.what) {
            return result;
        }
        match self.what {
            What::Nothing | What::Interrupt | What::Remove(_) => act(),
            What::Fail(errno) | What::FailThrice(errno) => Err(errno.into()),
            What::Lie(errno) => act().and_then(|_| Err(errno.into())),
            What::StopBefore | What::StopAmid => Err(stopped()),
            What::StopAfter => act().and_then(|_| Err(stopped())),
            What::DieAfter => {
                drop(act());
                std::process::abort()
            }
        }
    }
}

impl Fs for FaultFs {
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.plan.call(|| self.inner.open(path)).map(|file| self.wrap(file))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.plan.call(|| self.inner.create_new(path)).map(|file| self.wrap(file))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.call(|| self.inner.create_dir(path))
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        self.plan.call(|| self.inner.is_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.call(|| self.inner.sync_dir(path))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.call(|| self.inner.rename_new(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.call(|| self.inner.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.call(|| self.inner.link(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.plan.call(|| self.inner.remove(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, SystemTime)>> {
        self.plan.call(|| self.inner.list(path))
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
        let half = &octets[..octets.len() / 2];
        let inner = core::cell::RefCell::new(&mut self.inner);
        self.plan.call_or(
            || inner.borrow_mut().append(octets),
            |what| match what {
                What::Fail(errno) | What::FailThrice(errno) => {
                    Some(inner.borrow_mut().append(half).and_then(|_| Err(errno.into())))
                }
                What::StopAmid => {
                    Some(inner.borrow_mut().append(half).and_then(|_| Err(io::Error::other("gone"))))
                }
                What::Interrupt => Some(Err(Errno::INTR.into())),
                _ => None,
            },
        )
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let into = core::cell::RefCell::new(into);
        self.plan.call_or(
            || self.inner.read_at(&mut into.borrow_mut(), offset),
            |what| (what == What::Interrupt).then(|| Err(Errno::INTR.into())),
        )
    }

    fn sync(&self) -> io::Result<()> {
        self.plan.call(|| self.inner.sync())
    }

    fn set_len(&self, octets: u64) -> io::Result<()> {
        self.plan.call(|| self.inner.set_len(octets))
    }

    fn octets(&self) -> io::Result<u64> {
        self.plan.call(|| self.inner.octets())
    }

    fn lock_opening(&self) -> io::Result<bool> {
        self.plan.call(|| self.inner.lock_opening())
    }

    fn lock_mailbox(&self) -> io::Result<bool> {
        self.plan.call_or(
            || self.inner.lock_mailbox(),
            |what| match what {
                What::Remove(path) => {
                    self.plan.inner.remove(Path::new(path)).unwrap();
                    Some(self.inner.lock_mailbox())
                }
                _ => None,
            },
        )
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.plan.call(|| self.inner.is_at(path))
    }
}
