//! Discovery against a DNS server and POP3 servers on loopback, all scripted.

use std::time::{Duration, Instant};

use pop3_proto::discovery::{Confidentiality, Precedence, Preferences, SrvService};

use super::{Absence, Candidate, DiscoveryError, LookupError, RECORDS, Reference, Resolver, connect_first};

mod dns;
mod end_to_end;
mod hostile;
mod lookup;

use dns::{Asked, Dns, Say};

/// For exchanges that must succeed: long enough that only a bug reaches it.
const LONG: Duration = Duration::from_secs(20);
/// For exchanges that must fail by time.
const SHORT: Duration = Duration::from_millis(150);

/// Asks `dns` once and waits for long.
fn patient(dns: &Dns) -> Resolver {
    Resolver::new([dns.address]).with_timeout(LONG).with_attempts(1).with_total(LONG)
}

/// Asks `dns` once and does not wait for long.
fn hasty(dns: &Dns) -> Resolver {
    patient(dns).with_timeout(SHORT)
}

fn discover(resolver: &Resolver) -> Result<Vec<Candidate>, DiscoveryError> {
    resolver.discover("example.org", Preferences::default())
}

/// Service, host and port of each.
fn places(candidates: &[Candidate]) -> Vec<(SrvService, &str, u16)> {
    candidates.iter().map(|it| (it.service(), it.host(), it.port())).collect()
}

/// The look-up error that must come.
fn lookup_error(resolver: &Resolver) -> LookupError {
    match discover(resolver) {
        Err(DiscoveryError::Lookup(error)) => error,
        other => panic!("{other:?}"),
    }
}
