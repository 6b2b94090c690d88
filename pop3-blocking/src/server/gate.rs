//! How many credentials are checked at once: [`Gate`].

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::Deadline;

/// Lets a fixed number of threads in at a time; further ones wait, but not for ever.
#[derive(Debug)]
pub(super) struct Gate {
    places: Mutex<Places>,
    changed: Condvar,
}

#[derive(Debug)]
struct Places {
    free: usize,
    closed: bool,
}

/// A place inside. Dropping it lets the next one in, in a panic too.
#[derive(Debug)]
#[must_use]
pub(super) struct Permit<'a>(&'a Gate);

impl Gate {
    /// A gate of `places`, at least one.
    pub(super) fn new(places: usize) -> Self {
        Self { places: Mutex::new(Places { free: places.max(1), closed: false }), changed: Condvar::new() }
    }

    /// Waits for a place. `None`: the deadline has passed, or the gate was closed.
    pub(super) fn enter(&self, deadline: Deadline) -> Option<Permit<'_>> {
        let mut places = self.places();
        loop {
            if places.closed {
                return None;
            }
            if places.free > 0 {
                places.free -= 1;
                return Some(Permit(self));
            }
            places = match deadline.remaining() {
                None => self.changed.wait(places).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return None,
                Some(left) => {
                    self.changed.wait_timeout(places, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Turns away all who wait and all who come. Who is inside goes on.
    pub(super) fn close(&self) {
        self.places().closed = true;
        self.changed.notify_all();
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.places().free += 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn as_many_are_inside_as_there_are_places() {
        let gate = Gate::new(2);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let permit = gate.enter(Deadline::NEVER).unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
    }

    #[test]
    fn waiting_ends_at_the_deadline_and_with_the_gate() {
        let gate = Gate::new(0);
        let permit = gate.enter(Deadline::at(Instant::now())).unwrap();
        assert!(gate.enter(Deadline::after(Duration::from_millis(5))).is_none());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter(Deadline::NEVER).is_none());
            gate.close();
            assert!(waiting.join().unwrap());
        });
        drop(permit);
        assert!(gate.enter(Deadline::NEVER).is_none());
    }

    #[test]
    fn pb_s37_a_panic_inside_frees_the_place() {
        let gate = Gate::new(1);
        let caught = thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _permit = gate.enter(Deadline::NEVER);
                    panic!("a check that panics");
                })
                .join()
        });
        assert!(caught.is_err() && gate.enter(Deadline::NEVER).is_some());
    }
}
