//! `APOP`: the timestamp of the greeting, and the digest that answers it (R1939-7.9, R1939-7.10, R23).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pop3_proto::Arg;
use pop3_proto::apop::{self, Timestamp};
use pop3_proto::server::Refusal;

use super::connection::Connection;
use super::{Outcome, Policy};
use crate::Stream;
use crate::auth::Identity;

/// The name under which `APOP` is known to authenticators and in the log.
const APOP: &str = "APOP";

/// A timestamp that no other greeting has: it counts, and holds random octets. `None` without any to be had.
pub(super) fn timestamp(policy: &Policy) -> Option<Timestamp> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 18];
    policy.random(&mut random).ok()?;
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let named = policy.known_as.as_ref().and_then(|(host, _)| Timestamp::new(host, count, random).ok());
    Some(named.unwrap_or_else(|| Timestamp::on_localhost(count, random)))
}

impl<T: Stream> Connection<'_, T> {
    pub(super) fn log_in_by_digest(&mut self, name: Arg<'_>, digest: Arg<'_>) -> Result<(), Outcome> {
        let began = Instant::now();
        self.flush()?;
        match self.check_digest(name.as_bytes(), digest.as_bytes()) {
            Ok(who) => self.open(&who, APOP),
            Err(refusal) => self.refuse_login(refusal, APOP, began),
        }
    }

    fn check_digest(&self, name: &[u8], digest: &[u8]) -> Result<Identity, Refusal> {
        let Some(timestamp) = self.offers.timestamp() else { return Err(Refusal::Credentials) };
        let user = core::str::from_utf8(name).map_err(|_| Refusal::Credentials)?;
        let user = self.prepared(user)?;
        let secret = self.secret(APOP, &user)?;
        #[cfg(test)]
        crate::auth::work::note(crate::auth::work::Work::Verify("secret"));
        if !apop::matches(timestamp, secret.expose(), digest) {
            return Err(Refusal::Credentials);
        }
        self.check(APOP, |users, cx| users.proven(cx, &user))
    }
}
