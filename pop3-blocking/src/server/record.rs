//! What a session leaves in the log: one line at its end, and one for each login that failed.
//!
//! ```text
//! session ended: peer=192.0.2.7 port=50123 tls="TLS 1.3" cipher=TLS13_AES_256_GCM_SHA384 mechanism=PLAIN user="mrose"
//!     retrieved=3 octets=4711 top=0 deleted=2 failed_logins=0 bad_commands=0 seconds=1.204 received=85 sent=5120
//!     outcome="quit"
//! login failed: peer=192.0.2.7 port=50124 tls="none" mechanism=USER failures=1
//! ```
//!
//! Behind a proxy the client's address stands there, and ` proxy=10.0.0.1` behind `tls`. (Each is one line; `received` and `sent` count octets of POP3, without those of TLS.) The address comes first and what a client could choose stands behind it in quotes, escaped and
//! cut, so that no name can forge an address for a program that reads the log (R13). Names that did not log in are not
//! logged at all: people type passwords where names belong. Commands, arguments and mail never are (PB-S53).
//! `fail2ban/pop3d.conf` in this crate finds the addresses of failed logins.

use core::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use pop3_proto::server::SessionCounts;

use super::shared::Shared;
use super::{Event, Outcome, ProxyHeaderError, SessionEnd};
use crate::tls::{TlsInfo, TlsVersion};

/// The target of the records in the log.
pub(super) const TARGET: &str = "pop3_blocking::server";

/// How many characters of a name, or of another text that is not ours, are logged.
const TEXT_MAX: usize = 200;

/// What is known about a session.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) peer: Option<SocketAddr>,
    /// Who has forwarded the connection, if `peer` is what its header says.
    pub(super) proxy: Option<SocketAddr>,
    /// The proxy speaks for itself, as when it looks whether the server is there, or for nobody.
    pub(super) health_check: bool,
    pub(super) tls: Option<(TlsVersion, &'static str)>,
    pub(super) mechanism: Option<&'static str>,
    pub(super) user: Option<String>,
    pub(super) deleted: u32,
    /// Octets that came from the client, and that went to it.
    pub(super) received: u64,
    pub(super) sent: u64,
    started: Instant,
}

impl Record {
    pub(super) fn new(peer: Option<SocketAddr>) -> Self {
        Self {
            peer,
            proxy: None,
            health_check: false,
            tls: None,
            mechanism: None,
            user: None,
            deleted: 0,
            received: 0,
            sent: 0,
            started: Instant::now(),
        }
    }

    pub(super) fn tls_started(&mut self, tls: Option<TlsInfo<'_>>) {
        self.tls = tls.map(|tls| (tls.version(), tls.cipher_suite()));
    }

    /// The line at the end of the session, and the same for observers.
    pub(super) fn write(&self, outcome: &Outcome, counts: &SessionCounts, shared: &Shared) {
        let level = match outcome {
            Outcome::Panicked => log::Level::Error,
            // They come every few seconds.
            Outcome::ProxyHeader(ProxyHeaderError::Incomplete { received: 0 }) => log::Level::Debug,
            Outcome::Quit | Outcome::Disconnected | Outcome::Transport(_) | Outcome::Handshake(_)
                if self.health_check && self.mechanism.is_none() && counts.failed_logins == 0 =>
            {
                log::Level::Debug
            }
            // Gone before it was looked at, so that nobody can tell from where it was: most likely a check, too.
            Outcome::ProxyHeader(ProxyHeaderError::Untrusted) if self.peer.is_none() => log::Level::Debug,
            Outcome::ProxyHeader(_) => log::Level::Warn,
            _ => log::Level::Info,
        };
        log::log!(target: TARGET, level, "{}", Ended { record: self, outcome, counts });
        shared.observe(&Event::Ended(SessionEnd {
            outcome,
            retrieved: counts.retrieved.into(),
            retrieved_octets: counts.retrieved_octets,
            tops: counts.tops.into(),
            removed: self.deleted.into(),
            bad_commands: counts.bad_commands.into(),
            received: self.received,
            sent: self.sent,
            duration: self.started.elapsed(),
        }));
    }

    /// The line for a login that failed.
    pub(super) fn login_failed(&self, mechanism: &str, failures: u32) {
        let opening = Opening(self);
        log::warn!(target: TARGET, "login failed: {opening} mechanism={mechanism} failures={failures}");
    }

    /// The line for a login with the right credentials that a limit of this server stands against.
    pub(super) fn turned_away(&self, why: &str) {
        log::warn!(target: TARGET, "session refused: {} reason=\"{why}\"", Opening(self));
    }

    /// A fault of the authenticator or the store. Its text is for the administrator alone.
    pub(super) fn fault(&self, doing: &str, fault: &dyn fmt::Display) {
        log::error!(target: TARGET, "{doing} failed: {} fault={}", Opening(self), Quoted(&fault.to_string()));
    }
}

/// Who it is, as far as the network tells.
struct Opening<'a>(&'a Record);

impl fmt::Display for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.peer {
            Some(peer) => write!(f, "peer={} port={}", peer.ip().to_canonical(), peer.port())?,
            None => f.write_str("peer=none port=0")?,
        }
        match self.0.tls {
            Some((version, _)) => write!(f, " tls=\"{version}\"")?,
            None => f.write_str(" tls=\"none\"")?,
        }
        match self.0.proxy {
            Some(proxy) => write!(f, " proxy={}", proxy.ip().to_canonical()),
            None => Ok(()),
        }
    }
}

struct Ended<'a> {
    record: &'a Record,
    outcome: &'a Outcome,
    counts: &'a SessionCounts,
}

impl fmt::Display for Ended<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, outcome, counts } = self;
        write!(
            f,
            "session ended: {} cipher={} mechanism={} user={} retrieved={} octets={} top={} deleted={} \
             failed_logins={} bad_commands={} seconds={:.3} received={} sent={} outcome={}",
            Opening(record),
            record.tls.map_or("none", |(_, cipher)| cipher),
            record.mechanism.unwrap_or("none"),
            Quoted(record.user.as_deref().unwrap_or("")),
            counts.retrieved,
            counts.retrieved_octets,
            counts.tops,
            record.deleted,
            counts.failed_logins,
            counts.bad_commands,
            record.started.elapsed().as_secs_f64(),
            record.received,
            record.sent,
            Quoted(&outcome.to_string()),
        )
    }
}

/// Text in quotes: ASCII, everything that could mean something to a terminal or a reader escaped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for letter in self.0.chars().take(TEXT_MAX) {
            fmt::Display::fmt(&letter.escape_default(), f)?;
        }
        f.write_str(if self.0.chars().nth(TEXT_MAX).is_some() { "...\"" } else { "\"" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r13_a_name_cannot_forge_a_record() {
        let mut record = Record::new(Some("[::ffff:192.0.2.7]:50123".parse().unwrap()));
        record.user = Some("eve\" peer=198.51.100.1\n\u{1b}[2J\u{202e}".into());
        let counts = SessionCounts::default();
        let line = Ended { record: &record, outcome: &Outcome::Disconnected, counts: &counts }.to_string();
        assert!(line.starts_with(
            "session ended: peer=192.0.2.7 port=50123 tls=\"none\" cipher=none mechanism=none \
             user=\"eve\\\" peer=198.51.100.1\\n\\u{1b}[2J\\u{202e}\" retrieved=0 "
        ));
        assert!(line.is_ascii() && !line.contains('\n'), "{line}");
        assert!(line.ends_with(" outcome=\"client closed the connection\""), "{line}");
    }

    #[test]
    fn r13_a_long_name_is_cut() {
        assert_eq!(Quoted(&"ä".repeat(200)).to_string(), format!("\"{}\"", "\\u{e4}".repeat(200)));
        assert_eq!(Quoted(&"a".repeat(201)).to_string(), format!("\"{}...\"", "a".repeat(200)));
    }
}
