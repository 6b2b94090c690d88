//! Ctrl-C and SIGTERM: the first ends a run at once where nothing is at stake, and else in good order after the message
//! that is on its way; the second ends it at once.
//!
//! Nothing is at stake while a connection is made, a login waits, lists come in or a `--watch` waits: no message was
//! asked for and none is marked. From the first `RETR` to the answer to `QUIT` something is.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::exit::{Failure, Kind};
use crate::report::Report;

/// How long a process may take to tell how its sessions ended, once all have. Others may still wait for a server.
const GRACE: Duration = Duration::from_secs(2);

/// Whether somebody wants the run to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    sessions: Arc<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many sessions have something at stake.
    at_stake: usize,
    /// One had, and ended in good order after the signal.
    ended_in_order: bool,
}

/// For as long as it lives, the first signal ends nothing at once.
#[must_use]
#[derive(Debug)]
pub(crate) struct AtStake(Interrupt);

impl Interrupt {
    /// Listens from now on. Where nothing is at stake `report` says that a signal ended the run; or, if a signal is the
    /// way in which it is to end, nothing, and the exit code is 0.
    pub(crate) fn listen(report: Report, is_the_end: bool) -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, the second finds it up.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&interrupt.asked))?;
            flag::register(signal, Arc::clone(&interrupt.asked))?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let listening = interrupt.clone();
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                // Held to the end: nobody comes to have something at stake while the process ends.
                let mut state = listening.sessions.lock();
                while state.at_stake > 0 {
                    state = listening.sessions.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.ended_in_order {
                    drop(state);
                    std::thread::sleep(GRACE);
                    state = listening.sessions.lock();
                }
                log::debug!("ended by a signal, {} sessions at stake", state.at_stake);
                let failure = interrupted();
                if !is_the_end {
                    report.failure(&failure);
                }
                std::process::exit(if is_the_end { 0 } else { failure.code().into() });
            }
        });
        Ok(interrupt)
    }

    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.asked.load(Ordering::Relaxed) { Err(interrupted()) } else { Ok(()) }
    }

    /// From here on a session has something at stake, until what comes back is dropped.
    pub(crate) fn at_stake(&self) -> Result<AtStake, Failure> {
        let mut state = self.sessions.lock();
        self.check()?;
        state.at_stake = state.at_stake.saturating_add(1);
        Ok(AtStake(self.clone()))
    }
}

impl Drop for AtStake {
    fn drop(&mut self) {
        let Interrupt { asked, sessions } = &self.0;
        let mut state = sessions.lock();
        state.at_stake = state.at_stake.saturating_sub(1);
        state.ended_in_order |= asked.load(Ordering::Relaxed);
        sessions.changed.notify_all();
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn interrupted() -> Failure {
    Failure::new(Kind::Interrupted, "interrupted; the next run goes on from here")
}
