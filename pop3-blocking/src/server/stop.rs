//! The wish to stop, and who waits for it: [`Stop`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Where a server stands on its way to the end. It only moves forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Running,
    Stopping,
    Stopped,
}

/// Told once, heard by every thread of a server.
#[derive(Debug)]
pub(super) struct Stop {
    phase: Mutex<Phase>,
    changed: Condvar,
    requested: AtomicBool,
}

impl Stop {
    pub(super) const fn new() -> Self {
        Self { phase: Mutex::new(Phase::Running), changed: Condvar::new(), requested: AtomicBool::new(false) }
    }

    /// Moves on to `phase`, unless it is past it.
    pub(super) fn advance(&self, phase: Phase) {
        let mut now = self.phase();
        *now = phase.max(*now);
        self.requested.store(*now > Phase::Running, Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// Whether the server is to stop.
    pub(super) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Waits until `phase` is reached.
    pub(super) fn wait_for(&self, phase: Phase) {
        drop(self.changed.wait_while(self.phase(), |now| *now < phase));
    }

    /// Sleeps until `moment`, or until the server is to stop.
    pub(super) fn sleep_until(&self, moment: Instant) {
        let mut now = self.phase();
        while *now == Phase::Running {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            now = self.changed.wait_timeout(now, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stop_wakes_sleepers_and_is_not_taken_back() {
        let stop = Stop::new();
        let late = Instant::now() + Duration::from_secs(3600);
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| stop.sleep_until(late));
            let waiter = scope.spawn(|| stop.wait_for(Phase::Stopped));
            stop.advance(Phase::Stopping);
            sleeper.join().unwrap();
            assert!(!waiter.is_finished());
            stop.advance(Phase::Stopped);
        });
        stop.advance(Phase::Stopping);
        stop.wait_for(Phase::Stopped);
        assert!(stop.is_requested());
    }

    #[test]
    fn sleep_ends_at_its_moment() {
        let stop = Stop::new();
        let moment = Instant::now() + Duration::from_millis(5);
        stop.sleep_until(moment);
        assert!(Instant::now() >= moment && !stop.is_requested());
    }
}
