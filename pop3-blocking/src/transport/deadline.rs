//! When a wait ends: [`Deadline`].

use std::time::{Duration, Instant};

/// The moment at which a wait gives up, or [`NEVER`](Self::NEVER).
///
/// A deadline is made once per wait ("this login", "this reply") and handed to every call that belongs to it, so that
/// a peer that sends one octet now and then does not get more time than was meant (R7, PB-C04).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No end: the call may wait for as long as the peer likes. For tests and trusted pipes.
    pub const NEVER: Self = Self(None);

    /// `limit` from now. A limit too large for the clock is [`NEVER`](Self::NEVER).
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now().checked_add(limit))
    }

    /// At `moment`.
    pub const fn at(moment: Instant) -> Self {
        Self(Some(moment))
    }

    /// The earlier of the two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(two)) => Self(Some(one.min(two))),
            (one, two) => Self(one.or(two)),
        }
    }

    /// The time left: `None` without a deadline, zero once it has passed.
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|moment| moment.saturating_duration_since(Instant::now()))
    }

    /// Whether no time is left.
    pub fn has_passed(self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_prefers_an_end_over_none() {
        let now = Instant::now();
        let (soon, late) = (Deadline::at(now), Deadline::at(now + Duration::from_secs(9)));
        assert_eq!(soon.earlier(late), soon);
        assert_eq!(late.earlier(soon), soon);
        assert_eq!(late.earlier(Deadline::NEVER), late);
        assert_eq!(Deadline::NEVER.earlier(late), late);
        assert_eq!(Deadline::NEVER.earlier(Deadline::NEVER), Deadline::NEVER);
    }

    #[test]
    fn r7_remaining_falls_to_zero_and_no_further() {
        let past = Deadline::at(Instant::now() - Duration::from_secs(1));
        assert_eq!(past.remaining(), Some(Duration::ZERO));
        assert!(past.has_passed());
        assert!(!Deadline::after(Duration::from_secs(60)).has_passed());
        assert!(!Deadline::NEVER.has_passed());
        assert_eq!(Deadline::NEVER.remaining(), None);
    }

    #[test]
    fn a_limit_beyond_the_clock_never_passes() {
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
    }
}
