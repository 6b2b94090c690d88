//! Threads that have served a connection and may serve another: [`Workers`].
//!
//! Every connection has a thread for itself as long as it lasts. A thread whose connection has ended waits a moment for
//! the next one: to start a thread, to touch its stack and to end it makes a good part of what a short session costs.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many threads may wait. Each holds what it has touched of its stack.
const WAITING_MAX: usize = 16;

/// How long a thread waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// The threads that wait, and the jobs that they have been given.
#[derive(Debug)]
pub(super) struct Workers<J> {
    table: Mutex<Table<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Table<J> {
    /// Threads in [`Workers::next`] for which there is no job.
    waiting: usize,
    /// One for each of the other threads there.
    jobs: Vec<J>,
    closed: bool,
}

impl<J> Workers<J> {
    pub(super) const fn new() -> Self {
        let table = Table { waiting: 0, jobs: Vec::new(), closed: false };
        Self { table: Mutex::new(table), changed: Condvar::new() }
    }

    /// Gives `job` to a thread that waits, or back if there is none.
    pub(super) fn give(&self, job: J) -> Option<J> {
        let mut table = self.table();
        let Some(waiting) = table.waiting.checked_sub(1) else { return Some(job) };
        table.waiting = waiting;
        table.jobs.push(job);
        drop(table);
        self.changed.notify_one();
        None
    }

    /// Waits for a job; `None`: the thread is not needed any more.
    pub(super) fn next(&self) -> Option<J> {
        let mut table = self.table();
        if table.closed || table.waiting >= WAITING_MAX {
            return None;
        }
        table.waiting += 1;
        let idle = |table: &mut Table<J>| table.jobs.is_empty() && !table.closed;
        let waited = self.changed.wait_timeout_while(table, PATIENCE, idle);
        table = waited.unwrap_or_else(PoisonError::into_inner).0;
        let job = table.jobs.pop();
        if job.is_none() {
            table.waiting = table.waiting.saturating_sub(1);
        }
        job
    }

    /// Ends the threads that wait.
    pub(super) fn close(&self) {
        self.table().closed = true;
        self.changed.notify_all();
    }

    fn table(&self) -> MutexGuard<'_, Table<J>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Until a thread waits.
    fn give(workers: &Workers<u32>, job: u32) {
        while workers.give(job).is_some() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_job_goes_to_a_thread_that_waits_or_back() {
        let workers = Workers::new();
        assert_eq!(workers.give(1), Some(1));
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let mut sum = 0;
                while let Some(job) = workers.next() {
                    sum += job;
                    if job == 30 {
                        break;
                    }
                }
                sum
            });
            give(&workers, 10);
            give(&workers, 20);
            give(&workers, 30);
            assert_eq!(thread.join().unwrap(), 60);
            assert_eq!(workers.give(40), Some(40));
        });
    }

    #[test]
    fn each_job_is_done_once_by_many() {
        let workers = Workers::new();
        let done: u32 = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| core::iter::from_fn(|| workers.next()).sum::<u32>())).collect();
            (1..=1000).for_each(|job| give(&workers, job));
            workers.close();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(done, 1000 * 1001 / 2);
        let table = workers.table();
        assert_eq!((table.waiting, table.jobs.len()), (0, 0));
    }

    #[test]
    fn no_more_than_some_wait_and_none_after_the_end() {
        let workers = Workers::<u32>::new();
        workers.table().waiting = WAITING_MAX;
        assert_eq!(workers.next(), None);
        workers.table().waiting = 0;
        thread::scope(|scope| {
            let thread = scope.spawn(|| workers.next());
            while workers.table().waiting == 0 {
                thread::yield_now();
            }
            workers.close();
            assert_eq!(thread.join().unwrap(), None);
        });
        assert_eq!(workers.next(), None);
    }
}
