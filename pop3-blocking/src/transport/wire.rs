//! One system call at a time under a deadline: [`Wire`].
//!
//! A socket's timeouts belong to single calls, a deadline to a whole wait, so the timeout has to follow the deadline.
//! Setting it before each call would add a system call to each. Instead a timeout is set to seven eighths of the time
//! left and kept while it is between half of the time left and all of it. A deadline that is renewed for every reply
//! then costs one call in all, one that runs down costs one for each eighth of it; a call that times out before the
//! deadline is made again with a shorter timeout. No wait outlasts its deadline by more than the system's granularity.

use std::io;
use std::time::Duration;

use super::{Deadline, Stream, TransportError};

/// A stream and what is known about its timeouts.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    read_timeout: Armed,
    write_timeout: Armed,
}

/// The timeout a socket has: unknown before the first call, then `None` (waits without end) or a duration.
type Armed = Option<Option<Duration>>;

impl<S: Stream> Wire<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, read_timeout: None, write_timeout: None }
    }

    /// Calls `read`, which makes one read call on the stream, until it moved at least one octet or met the end of the
    /// stream (zero).
    pub(super) fn read(
        &mut self,
        deadline: Deadline,
        mut read: impl FnMut(&mut S) -> io::Result<usize>,
    ) -> Result<usize, TransportError> {
        let mut rounds = 0;
        loop {
            if let Some(timeout) = next_timeout(self.read_timeout, deadline)? {
                if accepted(self.stream.set_read_timeout(timeout))? {
                    self.read_timeout = Some(timeout);
                }
            }
            match read(&mut self.stream) {
                Ok(octets) => return Ok(octets),
                Err(error) => go_on(error, deadline, &mut rounds)?,
            }
        }
    }

    /// Calls `write`, which makes one write call on the stream, until it moved at least one octet.
    pub(super) fn write(
        &mut self,
        deadline: Deadline,
        mut write: impl FnMut(&mut S) -> io::Result<usize>,
    ) -> Result<usize, TransportError> {
        let mut rounds = 0;
        loop {
            if let Some(timeout) = next_timeout(self.write_timeout, deadline)? {
                if accepted(self.stream.set_write_timeout(timeout))? {
                    self.write_timeout = Some(timeout);
                }
            }
            match write(&mut self.stream) {
                Ok(0) => return Err(TransportError::Io(io::ErrorKind::WriteZero.into())),
                Ok(octets) => return Ok(octets),
                Err(error) => go_on(error, deadline, &mut rounds)?,
            }
        }
    }

    /// Flushes a stream that has buffers of its own; nothing to do on a socket.
    pub(super) fn flush(&mut self) -> Result<(), TransportError> {
        self.stream.flush().map_err(TransportError::Io)
    }

    /// Ends the stream towards the peer.
    pub(super) fn shutdown_write(&mut self) -> Result<(), TransportError> {
        match self.stream.shutdown_write() {
            // The peer is gone; there is nobody left to tell.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other.map_err(TransportError::Io),
        }
    }

    /// Reads and forgets until the peer ends the stream, `deadline` passes or `octets` were read.
    pub(super) fn drain(&mut self, octets: usize, deadline: Deadline) {
        let mut room = [0; 2048];
        let mut left = octets;
        while left > 0 {
            match self.read(deadline, |stream| stream.read(&mut room)) {
                Ok(0) | Err(_) => return,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    }

    pub(super) const fn get_ref(&self) -> &S {
        &self.stream
    }
}

/// The timeout to set before the next call, if the one that is set will not do.
fn next_timeout(armed: Armed, deadline: Deadline) -> Result<Option<Option<Duration>>, TransportError> {
    let Some(left) = deadline.remaining() else {
        return Ok(if armed == Some(None) { None } else { Some(None) });
    };
    if left.is_zero() {
        return Err(TransportError::TimedOut);
    }
    match armed {
        Some(Some(set)) if set <= left && set >= left / 2 => Ok(None),
        _ if left <= FINE => Ok(Some(Some(left.max(LEAST)))),
        _ => Ok(Some(Some(left - left / 8))),
    }
}

/// Whether the system took a timeout.
fn accepted(outcome: io::Result<()>) -> Result<bool, TransportError> {
    match outcome {
        Ok(()) => Ok(true),
        // macOS takes no options for a socket that both sides have ended. No call on it waits, so none is needed.
        Err(error) if cfg!(target_vendor = "apple") && error.kind() == io::ErrorKind::InvalidInput => {
            Ok(false)
        }
        Err(error) => Err(TransportError::Io(error)),
    }
}

/// Decides whether a call that failed is made again.
fn go_on(error: io::Error, deadline: Deadline, rounds: &mut u32) -> Result<(), TransportError> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            if deadline.has_passed() {
                return Err(TransportError::TimedOut);
            }
            *rounds += 1;
            // Each round halves the time left at least. A stream that gives up more often has a timeout of its own or is
            // not in blocking mode, and would make this loop spin.
            if deadline == Deadline::NEVER || *rounds > MOST_ROUNDS {
                return Err(TransportError::Io(error));
            }
            Ok(())
        }
        _ => Err(TransportError::Io(error)),
    }
}

/// Below this the timeout is all the time left: waking early would cost more than it saves.
const FINE: Duration = Duration::from_millis(20);

/// The shortest timeout set. Zero would mean "none" to the system.
const LEAST: Duration = Duration::from_millis(1);

/// From 136 years to [`LEAST`] by eighths takes 15 rounds.
const MOST_ROUNDS: u32 = 64;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Instant;

    use super::*;

    /// Counts calls; reads answer from a list.
    struct Script {
        answers: Vec<io::Result<usize>>,
        set: Vec<Option<Duration>>,
    }

    impl Read for Script {
        fn read(&mut self, _room: &mut [u8]) -> io::Result<usize> {
            self.answers.pop().unwrap_or(Ok(1))
        }
    }

    impl Write for Script {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.answers.pop().unwrap_or(Ok(octets.len()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Script {
        fn set_read_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
            self.set.push(limit);
            Ok(())
        }

        fn set_write_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
            self.set.push(limit);
            Ok(())
        }

        fn shutdown_write(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::NotConnected.into())
        }
    }

    fn wire(answers: Vec<io::Result<usize>>) -> Wire<Script> {
        Wire::new(Script { answers, set: Vec::new() })
    }

    #[test]
    fn r7_renewed_deadline_sets_the_timeout_once() {
        let mut wire = wire(Vec::new());
        for _ in 0..1000 {
            wire.read(Deadline::after(Duration::from_secs(60)), |s| s.read(&mut [0])).unwrap();
        }
        assert_eq!(wire.stream.set.len(), 1, "{:?}", wire.stream.set);
        assert!(wire.stream.set[0] < Some(Duration::from_secs(60)));
    }

    #[test]
    fn r7_timeout_never_exceeds_the_time_left() {
        let mut wire = wire(Vec::new());
        let mut calls = 0;
        for left in (1..120_000).rev().step_by(7) {
            let deadline = Deadline::after(Duration::from_millis(left));
            wire.read(deadline, |s| s.read(&mut [0])).unwrap();
            let set = wire.read_timeout.unwrap().unwrap();
            assert!(set <= Duration::from_millis(left.max(1)), "{set:?} for {left} ms");
            assert!(
                set * 9 / 4 >= Duration::from_millis(left),
                "{set:?} for {left} ms would wake far too often"
            );
            calls += 1;
        }
        assert!(wire.stream.set.len() < 100, "{} of {calls} reads set a timeout", wire.stream.set.len());
    }

    #[test]
    fn r7_no_deadline_after_one_clears_the_timeout() {
        let mut wire = wire(Vec::new());
        wire.read(Deadline::after(Duration::from_secs(1)), |s| s.read(&mut [0])).unwrap();
        wire.read(Deadline::NEVER, |s| s.read(&mut [0])).unwrap();
        wire.read(Deadline::NEVER, |s| s.read(&mut [0])).unwrap();
        assert_eq!(wire.stream.set.len(), 2);
        assert_eq!(wire.stream.set[1], None);
    }

    #[test]
    fn r7_early_wake_up_and_interruption_are_tried_again() {
        let answers = vec![
            Ok(5),
            Err(io::ErrorKind::WouldBlock.into()),
            Err(io::ErrorKind::Interrupted.into()),
            Err(io::ErrorKind::TimedOut.into()),
        ];
        let read =
            wire(answers).read(Deadline::after(Duration::from_secs(60)), |s| s.read(&mut [0])).unwrap();
        assert_eq!(read, 5);
    }

    #[test]
    fn r7_passed_deadline_makes_no_call() {
        let mut wire = wire(vec![Ok(5)]);
        let past = Deadline::at(Instant::now());
        assert!(matches!(wire.read(past, |s| s.read(&mut [0])), Err(TransportError::TimedOut)));
        assert_eq!(wire.stream.answers.len(), 1);
    }

    /// Never ready, as a socket in non-blocking mode.
    #[derive(Debug)]
    struct NonBlocking(u32);

    impl Read for NonBlocking {
        fn read(&mut self, _room: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    impl Write for NonBlocking {
        fn write(&mut self, _octets: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn pb_s39_non_blocking_stream_is_an_error_not_a_spin() {
        for deadline in [Deadline::NEVER, Deadline::after(Duration::from_secs(60))] {
            let mut wire = Wire::new(super::super::Untimed::new(NonBlocking(0)));
            assert!(matches!(wire.read(deadline, |s| s.read(&mut [0])), Err(TransportError::Io(_))));
            assert!(matches!(wire.write(deadline, |s| s.write(b"x")), Err(TransportError::Io(_))));
            assert!(wire.stream.get_ref().0 <= 2 * (MOST_ROUNDS + 1));
        }
    }

    #[test]
    fn write_of_nothing_is_an_error() {
        let outcome = wire(vec![Ok(0)]).write(Deadline::NEVER, |s| s.write(b"x"));
        assert!(
            matches!(outcome, Err(TransportError::Io(error)) if error.kind() == io::ErrorKind::WriteZero)
        );
    }

    #[test]
    fn shutdown_without_a_peer_is_done() {
        wire(Vec::new()).shutdown_write().unwrap();
    }
}
