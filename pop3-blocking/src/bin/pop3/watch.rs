//! When an account is looked at again: pure, so that a table can test it.

use core::time::Duration;

/// Failures in a row after which the wait grows no more; it is the longest wait long before.
const MAX_DOUBLINGS: u32 = 16;
/// The longest wait after failures, unless the interval is longer.
const MAX_WAIT: Duration = Duration::from_secs(3600);
/// The shortest wait after a failure: a server that is in trouble is left alone.
const MIN_BACK_OFF: Duration = Duration::from_secs(30);

/// How the last run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    /// It may go away by itself: `[IN-USE]`, `[LOGIN-DELAY]`, `[SYS/TEMP]`, the network.
    ForNow,
    /// It will not: the password, the certificate, the configuration.
    ForGood,
}

/// What is known of the runs before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Failures in a row.
    failures: u32,
}

impl Watch {
    /// How long to wait until the next run; `None`: there is none.
    ///
    /// `interval` is what the user wants, `login_delay` what the server wants from one login to the next, 0 if nothing.
    /// The wait is never shorter than the longer of the two. After failures it doubles with each, up to an hour.
    /// `random` is any number: up to a tenth of the wait is added, so that many clients do not come at once.
    pub(crate) fn next(
        &mut self,
        ended: Ended,
        interval: Duration,
        login_delay: Duration,
        random: u32,
    ) -> Option<Duration> {
        let usual = interval.max(login_delay);
        let wait = match ended {
            Ended::ForGood => return None,
            Ended::Well => {
                self.failures = 0;
                usual
            }
            Ended::ForNow => {
                let doubled = 1u32 << self.failures.min(MAX_DOUBLINGS);
                self.failures = self.failures.saturating_add(1);
                usual.max(MIN_BACK_OFF).saturating_mul(doubled).min(MAX_WAIT).max(usual)
            }
        };
        let tenth = u64::try_from(wait.as_millis() / 10).unwrap_or(u64::MAX);
        let jitter = tenth.saturating_mul(random.into()) / u64::from(u32::MAX);
        Some(wait.saturating_add(Duration::from_millis(jitter)))
    }
}

#[cfg(test)]
mod tests {
    use super::Ended::{ForGood, ForNow, Well};
    use super::*;

    #[test]
    fn r2449_6_5_2_when_an_account_is_looked_at_again() {
        for (interval, login_delay, ends, waits) in [
            (300, 0, &[Well, Well][..], &[300, 300][..]),
            (300, 600, &[Well, ForNow, Well], &[600, 600, 600]),
            (300, 60, &[Well], &[300]),
            (60, 0, &[ForNow, ForNow, ForNow, Well, ForNow], &[60, 120, 240, 60, 60]),
            (1, 0, &[ForNow, ForNow, Well], &[30, 60, 1]),
            (600, 0, &[ForNow; 6], &[600, 1200, 2400, 3600, 3600, 3600]),
            // Whoever wants to wait longer than the longest wait does.
            (7200, 0, &[Well, ForNow, ForNow], &[7200, 7200, 7200]),
            (60, 7200, &[ForNow, ForNow], &[7200, 7200]),
            (60, 0, &[Well, ForGood], &[60]),
        ] {
            let mut watch = Watch::default();
            let (interval, delay) = (Duration::from_secs(interval), Duration::from_secs(login_delay));
            let seen: Vec<u64> = ends
                .iter()
                .map_while(|&ended| watch.next(ended, interval, delay, 0))
                .map(|wait| wait.as_secs())
                .collect();
            assert_eq!(seen, waits, "{interval:?} {delay:?} {ends:?}");
        }
    }

    #[test]
    fn up_to_a_tenth_is_added_and_nothing_taken_away() {
        let wait = |random| {
            Watch::default().next(Well, Duration::from_secs(100), Duration::ZERO, random).unwrap().as_secs()
        };
        assert_eq!((wait(0), wait(u32::MAX / 2), wait(u32::MAX)), (100, 104, 110));
        let mut watch = Watch { failures: u32::MAX };
        assert_eq!(watch.next(ForNow, Duration::MAX, Duration::ZERO, u32::MAX), Some(Duration::MAX));
        assert_eq!(watch.failures, u32::MAX);
    }
}
