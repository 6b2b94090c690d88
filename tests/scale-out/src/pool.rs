//! A bounded number of connections, used again: [`Pool`].

use core::fmt;
use core::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Database, Fault, Link};

/// A bounded number of connections. One is lent to one session at a time, and given back with nothing left in it.
pub struct Pool {
    database: Database,
    limit: usize,
    wait: Duration,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    /// Connections that are lent, idle or being made.
    open: usize,
    idle: Vec<Link>,
}

impl Pool {
    /// At most `limit` connections, none of which is made before it is needed. Who wants another one waits for it no longer
    /// than `wait`.
    pub fn new(database: Database, limit: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self { database, limit, wait, state: Mutex::default(), freed: Condvar::new() })
    }

    /// The database that they lead to.
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Lends a connection on which `first` has succeeded: the first statements of a session.
    ///
    /// A connection that was idle may have ended unseen, as all of them have when the database was started again. Nothing was
    /// done on it for this session, so the next is tried, until a new one fails too.
    ///
    /// # Errors
    ///
    /// [`Fault::Busy`], or what `first` or a new connection failed with.
    pub fn take<T>(
        self: &Arc<Self>,
        mut first: impl FnMut(&mut Link) -> Result<T, Fault>,
    ) -> Result<(Lease, T), Fault> {
        loop {
            let (mut lease, used_before) = self.lend()?;
            match first(&mut lease) {
                Ok(value) => return Ok((lease, value)),
                Err(fault) if used_before && fault.is_connection_lost() => {}
                Err(fault) => {
                    if !fault.is_connection_lost() {
                        lease.give_back();
                    }
                    return Err(fault);
                }
            }
        }
    }

    fn lend(self: &Arc<Self>) -> Result<(Lease, bool), Fault> {
        let deadline = Instant::now() + self.wait;
        let mut state = self.state();
        loop {
            if let Some(link) = state.idle.pop() {
                return Ok((Lease { pool: Arc::clone(self), link: Some(link) }, true));
            }
            if state.open < self.limit {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::Busy { limit: self.limit, waited: self.wait });
            }
            (state, _) = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        state.open += 1;
        drop(state);
        // From here on a return without a link gives the place back.
        let mut lease = Lease { pool: Arc::clone(self), link: None };
        lease.link = Some(self.database.connect()?);
        Ok((lease, false))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that panics runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Pool")
            .field("limit", &self.limit)
            .field("open", &state.open)
            .field("idle", &state.idle.len())
            .finish_non_exhaustive()
    }
}

/// A connection on loan. Dropped, it is closed: only [`give_back`](Self::give_back) has it used again.
#[derive(Debug)]
#[must_use]
pub struct Lease {
    pool: Arc<Pool>,
    /// Always there, but while it is being made or given back.
    link: Option<Link>,
}

impl Lease {
    /// Gives it back to be used again. Nothing may be left in it, no lock and no transaction.
    pub fn give_back(mut self) {
        if let Some(link) = self.link.take() {
            let mut state = self.pool.state();
            state.idle.push(link);
            // Its place stays taken: `drop` gives one back.
            state.open += 1;
        }
    }
}

impl Deref for Lease {
    type Target = Link;

    fn deref(&self) -> &Link {
        // See the field.
        #[expect(clippy::expect_used, reason = "a lease in anybody's hands has its link")]
        self.link.as_ref().expect("a lease has a link")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Link {
        #[expect(clippy::expect_used, reason = "a lease in anybody's hands has its link")]
        self.link.as_mut().expect("a lease has a link")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Closed before another may be opened in its place.
        drop(self.link.take());
        self.pool.state().open -= 1;
        self.pool.freed.notify_one();
    }
}
