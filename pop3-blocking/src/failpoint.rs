//! Calls to the file system that fail, or are the last of their process, for tests.
//!
//! Each call of a file layer asks a [`Plan`] how it is to be made. The plan counts, and at one call something happens.
//!
//! In the tests of this crate each test has plans of its own. With feature `__failpoint`, and debug assertions, a program
//! has the one that `POP3_FAILPOINT` tells: `AT:WHAT`, as `37:die-before` (see [`of_process`]).

#![cfg_attr(not(test), allow(dead_code, reason = "a program needs less of it than the tests"))]

use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Nothing; calls are only counted.
    Nothing,
    /// It fails and changes nothing, save that a write takes half; if it is interrupted, a write takes nothing.
    Fail(Errno),
    /// It and the two after it fail as before.
    FailThrice(Errno),
    /// If it locks a mailbox, another program was faster and removed this file.
    Remove(&'static str),
    /// It succeeds and says that it failed.
    Lie(Errno),
    /// If it is to make something durable, it fails, and what was to become durable never will, though programs see it
    /// and later calls succeed. That is how some systems fail in fsync.
    Lose,
    /// A signal interrupts it, if it reads or writes.
    Interrupt,
    /// It moves half of the octets, if it reads or writes.
    Short,
    /// It is not begun, and nothing after it either.
    StopBefore,
    /// A write takes half; else as before.
    StopAmid,
    /// The process dies before it, without any cleaning up.
    DieBefore,
    /// The process dies right after it.
    DieAfter,
}

/// What a call does, as far as faults differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Moves octets from a file.
    Read,
    /// Moves octets into a file.
    Write,
    /// Makes the content of a file durable.
    Sync,
    /// Makes the names in a directory durable.
    SyncNames,
    /// Anything else.
    Other,
}

/// How a call is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) extent: Extent,
    /// How it ends whatever it did; as it does if `None`.
    pub(crate) fault: Option<Fault>,
}

/// How much of a call is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    All,
    /// Half of the octets.
    Half,
    Nothing,
    /// See [`What::Lose`].
    Loss,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Errno(Errno),
    /// The process counts as dead.
    Gone,
    /// The process is to die.
    Die,
}

impl Fault {
    /// The error, unless the process dies here.
    pub(crate) fn error(self) -> Errno {
        match self {
            Self::Errno(errno) => errno,
            Self::Gone => GONE,
            Self::Die => std::process::abort(),
        }
    }
}

/// What every call says after the last one: an error that no caller makes up for.
const GONE: Errno = Errno::OWNERDEAD;

impl What {
    /// Whether it makes a difference to a call that does `deed`, and one that no other kind of fault makes.
    pub(crate) fn concerns(self, deed: Deed) -> bool {
        let turn = self.turn(deed);
        turn != USUAL && !(self == Self::StopAmid && deed != Deed::Write)
    }

    /// How the call is to be made at which it happens.
    fn turn(self, deed: Deed) -> Turn {
        let moves = matches!(deed, Deed::Read | Deed::Write);
        let (extent, fault) = match self {
            Self::Fail(errno) | Self::FailThrice(errno) => {
                let half = deed == Deed::Write && errno != Errno::INTR;
                (if half { Extent::Half } else { Extent::Nothing }, Some(Fault::Errno(errno)))
            }
            Self::Lie(errno) => (Extent::All, Some(Fault::Errno(errno))),
            Self::Lose if matches!(deed, Deed::Sync | Deed::SyncNames) => {
                (Extent::Loss, Some(Fault::Errno(Errno::IO)))
            }
            Self::Interrupt if moves => (Extent::Nothing, Some(Fault::Errno(Errno::INTR))),
            Self::Short if moves => (Extent::Half, None),
            Self::Nothing | Self::Remove(_) | Self::Lose | Self::Interrupt | Self::Short => return USUAL,
            Self::StopAmid if deed == Deed::Write => (Extent::Half, Some(Fault::Gone)),
            Self::StopBefore | Self::StopAmid => (Extent::Nothing, Some(Fault::Gone)),
            Self::DieBefore => (Extent::Nothing, Some(Fault::Die)),
            Self::DieAfter => (Extent::All, Some(Fault::Die)),
        };
        Turn { extent, fault }
    }
}

const USUAL: Turn = Turn { extent: Extent::All, fault: None };

/// Counts calls, and knows at which of them what happens.
#[derive(Debug)]
pub(crate) struct Plan {
    at: usize,
    what: What,
    /// What the calls so far did.
    deeds: Mutex<Vec<Deed>>,
}

impl Plan {
    /// `what` happens at call `at`, counted from 0.
    pub(crate) const fn new(at: usize, what: What) -> Self {
        Self { at, what, deeds: Mutex::new(Vec::new()) }
    }

    /// Makes a call. `act` does it, to the extent that it is told, which is never [`Extent::Nothing`].
    pub(crate) fn make<T, E: From<Errno>>(
        &self,
        deed: Deed,
        act: impl FnOnce(Extent) -> Result<T, E>,
    ) -> Result<T, E> {
        let Turn { extent, fault } = self.turn(deed);
        let result = (extent != Extent::Nothing).then(|| act(extent));
        match (fault, result) {
            (Some(fault), _) => Err(fault.error().into()),
            (None, Some(result)) => result,
            (None, None) => Err(Errno::IO.into()),
        }
    }

    /// Counts a call and tells how it is to be made.
    fn turn(&self, deed: Deed) -> Turn {
        let turn = self.next(deed);
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).push(deed);
        turn
    }

    /// What the next call will be told, if it does `deed`.
    pub(crate) fn next(&self, deed: Deed) -> Turn {
        let call = self.calls();
        let stops = matches!(self.what, What::StopBefore | What::StopAmid);
        let thrice = matches!(self.what, What::FailThrice(_)) && call <= self.at + 2;
        if call == self.at || (call > self.at && thrice) {
            self.what.turn(deed)
        } else if call > self.at && stops {
            Turn { extent: Extent::Nothing, fault: Some(Fault::Gone) }
        } else {
            USUAL
        }
    }

    /// What happens at the next call, if anything does.
    pub(crate) fn what_next(&self) -> Option<What> {
        (self.calls() == self.at).then_some(self.what)
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What they did.
    pub(crate) fn deeds(&self) -> Vec<Deed> {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Half of so many octets, but not none.
pub(crate) const fn half(octets: usize) -> usize {
    octets.div_ceil(2)
}

/// The plan for this process, if the environment gives one.
#[cfg(all(feature = "__failpoint", debug_assertions))]
pub(crate) fn of_process() -> Option<std::sync::Arc<Plan>> {
    use std::sync::{Arc, OnceLock};

    static PLAN: OnceLock<Option<Arc<Plan>>> = OnceLock::new();
    let read = || {
        let text = std::env::var("POP3_FAILPOINT").ok()?;
        let (at, what) = text.split_once(':')?;
        let what = match what {
            "die-before" => What::DieBefore,
            "die-after" => What::DieAfter,
            "full" => What::Fail(Errno::NOSPC),
            "fail" => What::Fail(Errno::IO),
            "lie" => What::Lie(Errno::IO),
            "interrupt" => What::Interrupt,
            "short" => What::Short,
            _ => return None,
        };
        Some(Arc::new(Plan::new(at.parse().ok()?, what)))
    };
    PLAN.get_or_init(read).clone()
}

#[cfg(test)]
/// A figure of the README is what a test has counted.
pub(crate) fn check_readme(figure: &str) {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    assert!(
        readme.is_ok_and(|readme| readme.contains(&format!("| {figure} |"))),
        "not in the README: {figure}"
    );
}
