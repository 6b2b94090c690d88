//! When a wait ends: [`Deadlines`] keeps for one connection what renews which wait.
//!
//! `timeout` of a client, server or session says how long to wait and for what; from when that counts is a rule of its
//! own for each wait (R1939-3.15, R1939-3.17, R7), and all drivers need the same. No clock is read here: the time comes in
//! as a [`Duration`] since any moment that the driver has chosen, such as that of the connection. Allocates nothing,
//! never panics.

use core::time::Duration;

use crate::limits::{Timeout, WaitingFor};

/// What has passed on one connection, and so when each wait of it ends.
///
/// Tell it what happens: [`sent`](Self::sent), [`received`](Self::received), [`blocked`](Self::blocked). Ask
/// [`end`](Self::end) before each wait.
///
/// | wait | counts from |
/// |---|---|
/// | [`Login`](WaitingFor::Login) | the connection: nothing renews it |
/// | [`RestOfCommand`](WaitingFor::RestOfCommand) | the first octets since something was sent |
/// | [`Command`](WaitingFor::Command), and all waits of a client | the last octets in either direction |
/// | for room in the connection | the first write that was refused since the last that was not |
///
/// ```
/// use core::time::Duration;
/// use pop3_proto::maildrop::{Entry, FixedStorage};
/// use pop3_proto::server::{Session, SessionConfig};
/// use pop3_proto::{Buffer, Deadlines};
///
/// let (mut entries, mut ids) = ([Entry::EMPTY; 10], [0; 700]);
/// let mut session = Session::new(SessionConfig::DEFAULT, true, FixedStorage::new(&mut entries, &mut ids));
/// let mut output = Buffer::new([0u8; 512]);
/// let mut deadlines = Deadlines::new(Duration::ZERO, Duration::from_secs(60));
/// session.greet(&mut output)?;
/// deadlines.sent(Duration::from_secs(1));
/// // However slowly the client types, a minute after the connection its login is over.
/// deadlines.received(Duration::from_secs(59));
/// assert_eq!(deadlines.end(session.timeout()), Some(Duration::from_secs(60)));
/// # Ok::<(), pop3_proto::ReplyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    started: Duration,
    /// The last octets in either direction.
    moved: Duration,
    /// The first octets received since something was sent, or when that was.
    first: Duration,
    fresh: bool,
    blocked: Option<Duration>,
    write: Duration,
}

impl Deadlines {
    /// A connection that was made at `now`, before any handshake. `write`: how long it may take nothing of what is to be
    /// sent; a minute is usual.
    pub const fn new(now: Duration, write: Duration) -> Self {
        Self { started: now, moved: now, first: now, fresh: true, blocked: None, write }
    }

    /// Tells that octets have come from the peer. Under TLS count those of the protocol, behind decryption: records
    /// without contents renew nothing.
    pub const fn received(&mut self, now: Duration) {
        self.moved = now;
        if self.fresh {
            self.first = now;
            self.fresh = false;
        }
    }

    /// Tells that the connection has taken octets.
    pub const fn sent(&mut self, now: Duration) {
        self.moved = now;
        self.first = now;
        self.fresh = true;
        self.blocked = None;
    }

    /// Tells that there are octets to send, and the connection takes none now.
    pub const fn blocked(&mut self, now: Duration) {
        if self.blocked.is_none() {
            self.blocked = Some(now);
        }
    }

    /// When the wait ends that comes now; `None` if there is nothing to wait for.
    ///
    /// `timeout` is what the core says at this moment. If this time comes without what was waited for, tell the core by
    /// `timed_out`, and close. While output waits the wait for input has no end of its own, but that of a login holds
    /// (R32).
    pub fn end(&self, timeout: Option<Timeout>) -> Option<Duration> {
        let login = timeout.filter(|timeout| timeout.waiting_for == WaitingFor::Login);
        let login = login.map(|timeout| self.started.saturating_add(timeout.limit));
        if let Some(since) = self.blocked {
            let room = since.saturating_add(self.write);
            return Some(login.map_or(room, |login| room.min(login)));
        }
        let timeout = timeout?;
        let since = match timeout.waiting_for {
            WaitingFor::Login => return login,
            WaitingFor::RestOfCommand => self.first,
            _ => self.moved,
        };
        Some(since.saturating_add(timeout.limit))
    }

    /// How long is left until [`end`](Self::end), for a call that takes a time to wait; nothing: it is over. `None` if
    /// there is nothing to wait for.
    pub fn left(&self, timeout: Option<Timeout>, now: Duration) -> Option<Duration> {
        self.end(timeout).map(|end| end.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn wait(waiting_for: WaitingFor, limit: u64) -> Option<Timeout> {
        Some(Timeout { waiting_for, limit: secs(limit) })
    }

    #[test]
    fn r7_a_login_is_not_renewed_by_anything() {
        let mut deadlines = Deadlines::new(secs(5), secs(60));
        deadlines.sent(secs(20));
        deadlines.received(secs(40));
        assert_eq!(deadlines.end(wait(WaitingFor::Login, 60)), Some(secs(65)));
        // Nor by output that does not leave; a shorter wait for room comes first.
        deadlines.blocked(secs(41));
        assert_eq!(deadlines.end(wait(WaitingFor::Login, 60)), Some(secs(65)));
        assert_eq!(deadlines.end(wait(WaitingFor::Login, 600)), Some(secs(101)));
    }

    #[test]
    fn pb_s38_the_rest_of_a_command_counts_from_its_first_octet() {
        let rest = wait(WaitingFor::RestOfCommand, 30);
        let mut deadlines = Deadlines::new(secs(0), secs(60));
        deadlines.sent(secs(10));
        for at in [100, 110, 120, 129] {
            deadlines.received(secs(at));
            assert_eq!(deadlines.end(rest), Some(secs(130)), "{at}");
        }
        // It was answered; the next one lies half in the input already.
        deadlines.sent(secs(125));
        assert_eq!(deadlines.end(rest), Some(secs(155)));
        deadlines.received(secs(140));
        assert_eq!(deadlines.end(rest), Some(secs(170)));
    }

    #[test]
    fn r1939_3_17_a_command_is_waited_for_anew_after_octets_in_either_direction() {
        let command = wait(WaitingFor::Command, 600);
        let mut deadlines = Deadlines::new(secs(0), secs(60));
        deadlines.received(secs(7));
        assert_eq!(deadlines.end(command), Some(secs(607)));
        assert_eq!(deadlines.left(command, secs(600)), Some(secs(7)));
        assert_eq!(deadlines.left(command, secs(608)), Some(secs(0)));
        assert_eq!(deadlines.left(None, secs(608)), None);
        deadlines.sent(secs(500));
        assert_eq!(deadlines.end(command), Some(secs(1100)));
    }

    #[test]
    fn r7_a_client_waits_anew_after_each_octet() {
        let mut deadlines = Deadlines::new(secs(3), secs(60));
        for waiting_for in [
            WaitingFor::Greeting,
            WaitingFor::Reply,
            WaitingFor::LoginReply,
            WaitingFor::QuitReply,
            WaitingFor::Handshake,
        ] {
            assert_eq!(deadlines.end(wait(waiting_for, 60)), Some(secs(63)));
        }
        deadlines.received(secs(50));
        assert_eq!(deadlines.end(wait(WaitingFor::Reply, 60)), Some(secs(110)));
    }

    #[test]
    fn r7_what_cannot_leave_counts_from_the_first_refusal_and_only_what_leaves_renews_it() {
        let idle = wait(WaitingFor::Command, 600);
        let mut deadlines = Deadlines::new(secs(0), secs(60));
        deadlines.blocked(secs(300));
        deadlines.blocked(secs(310));
        deadlines.received(secs(320));
        assert_eq!(deadlines.end(idle), Some(secs(360)));
        assert_eq!(deadlines.end(None), Some(secs(360)));
        deadlines.sent(secs(330));
        assert_eq!(deadlines.end(None), None);
        assert_eq!(deadlines.end(idle), Some(secs(930)));
    }

    #[test]
    fn a_limit_without_end_is_no_overflow() {
        let deadlines = Deadlines::new(secs(1), Duration::MAX);
        let forever = Timeout { waiting_for: WaitingFor::Reply, limit: Duration::MAX };
        assert_eq!(deadlines.end(Some(forever)), Some(Duration::MAX));
    }
}
