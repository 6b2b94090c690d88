//! Finding the server of a mail domain: SRV names, the order in which to try what is found, and names to log in with.
//!
//! The pure part of RFC 6186 and RFC 2782. The caller asks the DNS for [`SrvService::encode_name`] of each service, puts
//! the answers into [`SrvRecord`]s of its own memory, and [`order`] arranges them; random numbers come from the caller too.
//! Nothing here allocates, waits or panics. The time that [`order`] takes grows with the square of the number of records,
//! so a resolver bounds that number first.
//!
//! An answer of the DNS that is not signed may be forged. So [`SrvRecord::target_domain`] tells whether the host lies in
//! the domain that was asked for; where it does not, [`TargetDomain::Outside`] says what else is needed. Nothing of this
//! belongs into every connection: look up once, keep what worked, look up again when it no longer works (R6186-4.2,
//! R8314-5.1).
//!
//! ```
//! use pop3_proto::Buffer;
//! use pop3_proto::discovery::{DOMAIN_NAME_OCTETS, Preferences, SrvRecord, SrvService, order};
//!
//! let mut name = Buffer::new([0u8; DOMAIN_NAME_OCTETS]);
//! SrvService::Pop3s.encode_name("example.org", &mut name)?;
//! assert_eq!(name.unread(), b"_pop3s._tcp.example.org");
//!
//! // What the DNS answered for both names.
//! let mut records = [
//!     SrvRecord::new(SrvService::Pop3, 0, 1, 110, "pop.example.org"),
//!     SrvRecord::new(SrvService::Pop3s, 10, 0, 995, "pop.example.org"),
//! ];
//! let numbers = |_max| 0; // uniform in 0..=max
//! let first = &order(&mut records, Preferences::default(), numbers)[0];
//! assert_eq!((first.service, first.port), (SrvService::Pop3s, 995));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;

use crate::buffer::{Full, Sink};
use crate::uri::is_name;

/// Octets of a domain name in text, without a dot at its end: what 255 octets on the wire can hold (RFC 1035 section 2.3.4).
pub const DOMAIN_NAME_OCTETS: usize = 253;

/// A service that SRV records lead to (RFC 6186 section 3.3). The order of the variants is that of their safety.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "POP3 has these two")]
pub enum SrvService {
    /// `_pop3s`: TLS from the first octet.
    Pop3s,
    /// `_pop3`: clear text with STLS.
    Pop3,
}

impl SrvService {
    /// The port where no record says otherwise.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Pop3s => 995,
            Self::Pop3 => 110,
        }
    }

    /// The first label of the name in the DNS, which is also the service in an SRV-ID (RFC 4985).
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pop3s => "_pop3s",
            Self::Pop3 => "_pop3",
        }
    }

    /// Writes the name to ask the DNS for, as `_pop3s._tcp.example.org`, without a dot at its end.
    ///
    /// `domain` is what stands behind the `@` of a mail address. One dot at its end is dropped. An internationalized
    /// domain must come as A-labels (`xn--`).
    ///
    /// # Errors
    ///
    /// Nothing was written.
    ///
    /// - [`DomainError::NotAscii`], [`DomainError::Invalid`]: the domain is none.
    /// - [`DomainError::TooLong`]: the whole name is longer than [`DOMAIN_NAME_OCTETS`].
    /// - [`DomainError::Full`]: the sink has no room.
    ///
    /// # Source
    ///
    /// RFC 6186 section 3.3, RFC 2782; row R6186-3.1.
    pub fn encode_name(self, domain: &str, out: &mut impl Sink) -> Result<(), DomainError> {
        let domain = check_domain(domain)?;
        let parts = [self.label(), "._tcp.", domain];
        let octets = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        if octets > DOMAIN_NAME_OCTETS {
            return Err(DomainError::TooLong { octets });
        }
        out.reserve(octets).map_err(DomainError::Full)?;
        parts.iter().for_each(|part| out.put(part.as_bytes()));
        Ok(())
    }
}

/// The [`label`](SrvService::label).
impl fmt::Display for SrvService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// The domain without the dot at its end, if it can stand in a name to ask for.
fn check_domain(domain: &str) -> Result<&str, DomainError> {
    let domain = without_dot(domain);
    if !domain.is_ascii() {
        Err(DomainError::NotAscii)
    } else if domain.len() > DOMAIN_NAME_OCTETS {
        Err(DomainError::TooLong { octets: domain.len() })
    } else if !is_name(domain) || domain.parse::<core::net::IpAddr>().is_ok() {
        Err(DomainError::Invalid)
    } else {
        Ok(domain)
    }
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Why a text is no domain whose services can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DomainError {
    /// There are characters beyond ASCII.
    NotAscii,
    /// It is no domain name: empty, an empty or too long label, an address, or a character that is not allowed.
    Invalid,
    /// The name to ask for would be longer than [`DOMAIN_NAME_OCTETS`].
    TooLong {
        /// How long it would be.
        octets: usize,
    },
    /// The sink has no room for the name.
    Full(Full),
}

impl fmt::Display for DomainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAscii => f.write_str("domain is not ascii, give its a-labels (xn--)"),
            Self::Invalid => f.write_str("not a domain name"),
            Self::TooLong { octets } => {
                write!(f, "domain name of {octets} octets is longer than {DOMAIN_NAME_OCTETS}")
            }
            Self::Full(full) => fmt::Display::fmt(full, f),
        }
    }
}

impl core::error::Error for DomainError {}

/// One SRV record of a service: a host that offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SrvRecord<'a> {
    /// Which service was asked for.
    pub service: SrvService,
    /// Lower ones go first.
    pub priority: u16,
    /// The share of the load among those of one priority.
    pub weight: u16,
    /// The port of the service on the host.
    pub port: u16,
    /// The host's name, with or without a dot at its end. `.` says that the domain does not offer the service (R6186-3.2).
    pub target: &'a str,
}

impl<'a> SrvRecord<'a> {
    /// A record as it came.
    pub const fn new(service: SrvService, priority: u16, weight: u16, port: u16, target: &'a str) -> Self {
        Self { service, priority, weight, port, target }
    }

    /// Whether the record leads anywhere: its target is not the root.
    pub fn is_offered(&self) -> bool {
        !without_dot(self.target).is_empty()
    }

    /// Whether the host lies in the domain that was asked for.
    pub fn target_domain(&self, domain: &str) -> TargetDomain {
        TargetDomain::of(self.target, domain)
    }
}

/// Where the host of a record lies, seen from the mail domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum TargetDomain {
    /// In the mail domain or below it.
    Within,
    /// Elsewhere. Unless the answer was signed (DNSSEC), connect only if the certificate is for the mail domain itself,
    /// by SRV-ID or DNS-ID, or after the user has agreed to this host (R6186-6.2).
    Outside,
}

impl TargetDomain {
    /// Where `host` lies, seen from `domain`. Case and a dot at the end do not count; labels count as a whole.
    pub fn of(host: &str, domain: &str) -> Self {
        let (mut labels, mut wanted) = (without_dot(host).rsplit('.'), without_dot(domain).rsplit('.'));
        if wanted.all(|label| labels.next().is_some_and(|other| other.eq_ignore_ascii_case(label))) {
            Self::Within
        } else {
            Self::Outside
        }
    }
}

/// What a service must protect at least; those below are skipped whatever their priority (R8314-5.1).
///
/// Clear text is not among them: who must, takes host and port from a record and connects by a call whose name says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Confidentiality {
    /// TLS before anything else than `CAPA` and `STLS` is said. `_pop3s`, and `_pop3` with an upgrade that must succeed.
    #[default]
    Tls,
    /// TLS from the first octet. `_pop3s` alone.
    ImplicitTls,
}

impl Confidentiality {
    /// Whether the service can protect so much.
    pub const fn allows(self, service: SrvService) -> bool {
        matches!((self, service), (Self::Tls, _) | (Self::ImplicitTls, SrvService::Pop3s))
    }
}

/// Whether the way of TLS goes before the priorities that the domain gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precedence {
    /// Every `_pop3s` before every `_pop3` (R8314-3.2, R9325-3.2): implicit TLS leaves nothing to strip.
    #[default]
    ImplicitTls,
    /// The priorities of both services count together; at equal ones `_pop3s` goes first.
    Priority,
}

/// What [`order`] goes by. The default is TLS in either way, implicit TLS first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Preferences {
    /// What is skipped.
    pub minimum: Confidentiality,
    /// What goes first.
    pub precedence: Precedence,
}

impl Preferences {
    /// Skips services that cannot protect so much.
    #[must_use]
    pub const fn with_minimum(mut self, minimum: Confidentiality) -> Self {
        self.minimum = minimum;
        self
    }

    /// Says what goes first.
    #[must_use]
    pub const fn with_precedence(mut self, precedence: Precedence) -> Self {
        self.precedence = precedence;
        self
    }

    fn rank(self, record: &SrvRecord<'_>) -> (u32, u32) {
        let (service, priority) = (record.service as u32, u32::from(record.priority));
        match self.precedence {
            Precedence::ImplicitTls => (service, priority),
            Precedence::Priority => (priority, service),
        }
    }
}

/// Arranges the records of both services in the order in which to try their hosts, and returns those worth trying.
///
/// Records that lead nowhere ([`SrvRecord::is_offered`]) or are below the minimum stand behind the returned part; it is
/// empty if nothing else was there. Records of one service and priority are drawn by weight: `draw(max)` gives a number
/// uniform in `0..=max`; a greater one counts as `max`. It is called only where there is something to choose from. Apart
/// from the draw, records stay in the order in which they came.
///
/// # Source
///
/// RFC 2782 (priority and weight), RFC 6186 sections 3.2 to 3.4, RFC 8314 section 5.1; rows R6186-3.2, R6186-3.3, R8314-5.1.
pub fn order<'r, 'a>(
    records: &'r mut [SrvRecord<'a>],
    preferences: Preferences,
    mut draw: impl FnMut(u64) -> u64,
) -> &'r mut [SrvRecord<'a>] {
    let usable = |record: &SrvRecord<'_>| record.is_offered() && preferences.minimum.allows(record.service);
    // A weight of zero goes to the front of its group, as RFC 2782 has it.
    let place = |record: &SrvRecord<'_>| (!usable(record), preferences.rank(record), record.weight != 0);
    sort_in_place(records, place);
    let worthwhile = records.partition_point(usable);
    let found = records.get_mut(..worthwhile).unwrap_or_default();

    let mut rest = &mut *found;
    while let Some(first) = rest.first() {
        let rank = preferences.rank(first);
        let length = rest.partition_point(|record| preferences.rank(record) == rank);
        let Some((group, behind)) = rest.split_at_mut_checked(length) else { break };
        draw_by_weight(group, &mut draw);
        rest = behind;
    }
    found
}

/// The selection of RFC 2782 over the records of one priority, those of weight zero first.
fn draw_by_weight(group: &mut [SrvRecord<'_>], draw: &mut impl FnMut(u64) -> u64) {
    let mut rest = group;
    while rest.len() > 1 {
        let sum = rest.iter().fold(0u64, |sum, record| sum.saturating_add(record.weight.into()));
        let number = draw(sum).min(sum);
        let mut running = 0u64;
        let chosen = rest.iter().position(|record| {
            running = running.saturating_add(record.weight.into());
            running >= number
        });
        if let Some(head) = rest.get_mut(..=chosen.unwrap_or(0)) {
            head.rotate_right(1);
        }
        let Some((_, behind)) = rest.split_first_mut() else { break };
        rest = behind;
    }
}

/// Sorts by insertion, which is stable and needs no memory.
fn sort_in_place<K: Ord>(records: &mut [SrvRecord<'_>], key: impl Fn(&SrvRecord<'_>) -> K) {
    for end in 0..records.len() {
        let Some((done, [new, ..])) = records.split_at_checked(end) else { return };
        let new = key(new);
        let at = done.partition_point(|record| key(record) <= new);
        if let Some(moved) = records.get_mut(at..=end) {
            moved.rotate_right(1);
        }
    }
}

/// The lowest priority among the records that are worth trying, for [`Protocol::choose`].
pub fn lowest_priority(records: &[SrvRecord<'_>], minimum: Confidentiality) -> Option<u16> {
    let usable = records.iter().filter(|record| record.is_offered() && minimum.allows(record.service));
    usable.map(|record| record.priority).min()
}

/// Which protocol a program that knows both uses for a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a program must handle each; there are no others")]
pub enum Protocol {
    /// POP3.
    Pop3,
    /// IMAP.
    Imap,
    /// The domain prefers neither; the program or its user does.
    Either,
}

impl Protocol {
    /// Chooses by the lowest priority that any usable record of each protocol has, before any weight is looked at. `None`
    /// for a protocol without such a record; then the other one, and nothing without both.
    ///
    /// The choice is made once: another protocol later would show other messages, so it is the user's to make (R6186-3.4).
    pub const fn choose(pop3: Option<u16>, imap: Option<u16>) -> Option<Self> {
        match (pop3, imap) {
            (None, None) => None,
            (Some(_), None) => Some(Self::Pop3),
            (None, Some(_)) => Some(Self::Imap),
            (Some(pop3), Some(imap)) if pop3 < imap => Some(Self::Pop3),
            (Some(pop3), Some(imap)) if imap < pop3 => Some(Self::Imap),
            (Some(_), Some(_)) => Some(Self::Either),
        }
    }
}

/// The user names to try for a mail address, in this order: the whole address, then what stands before the last `@`.
///
/// If both are refused the user has to be asked (R6186-4.1). An address without `@`, or with nothing before it, gives
/// itself alone.
pub fn login_names(address: &str) -> impl Iterator<Item = &str> {
    let local = address.rsplit_once('@').map(|(local, _)| local).filter(|local| !local.is_empty());
    core::iter::once(address).chain(local)
}

/// The domain of a mail address, for [`SrvService::encode_name`]: what stands behind the last `@`.
pub fn mail_domain(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| !domain.is_empty())
}

#[cfg(test)]
mod tests;
