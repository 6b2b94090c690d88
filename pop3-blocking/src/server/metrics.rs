//! What a server has done, in numbers for a monitoring system: [`Metrics`], and [`Endpoint`] where they can be had.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use pop3_blocking::auth::MemoryUsers;
//! use pop3_blocking::server::metrics::{Endpoint, Metrics};
//! use pop3_blocking::server::{Policy, Server};
//! use pop3_blocking::store::MemoryStore;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let metrics = Arc::new(Metrics::new());
//! let endpoint = Endpoint::bind(([127, 0, 0, 1], 9101).into())?;
//! let running = Server::builder(MemoryUsers::new(), MemoryStore::new())
//!     .listen(([127, 0, 0, 1], 110).into(), Policy::cleartext())
//!     .observe(Arc::clone(&metrics))
//!     .bind()?
//!     .serve()?;
//! let running = Arc::new(running);
//! let _serving = endpoint.serve(metrics, {
//!     let running = Arc::clone(&running);
//!     move || running.statistics()
//! })?; // until it is dropped
//! running.join();
//! # Ok(())
//! # }
//! ```
//!
//! Every series is there from the start, at zero, and there is a fixed number of them: no label holds what a client has
//! sent. Octets and messages of a session count when it ends. The text is that of OpenMetrics 1.0, which Prometheus and
//! others read:
//!
//! | metric | labels | counts |
//! |---|---|---|
//! | `pop3_connections_open` | | connections that are open now |
//! | `pop3_connections_accepted_total` | | connections that were given a session |
//! | `pop3_connections_refused_total` | `reason` | connections that were given none |
//! | `pop3_connections_evicted_total` | | connections that had to make room before their login |
//! | `pop3_proxy_headers_bad_total` | | connections through a proxy without a good PROXY header |
//! | `pop3_tls_handshakes_total` | `version` | TLS handshakes that succeeded |
//! | `pop3_tls_handshake_failures_total` | | TLS handshakes that did not |
//! | `pop3_logins_total` | `mechanism`, `result` | logins, and failed ones |
//! | `pop3_sessions_total` | `outcome` | sessions that have ended |
//! | `pop3_session_seconds_total` | | how long these lasted in all |
//! | `pop3_limits_reached_total` | `limit` | connections that a [limit](super::Limits) has ended or kept out |
//! | `pop3_messages_sent_total` | | messages sent whole by `RETR` |
//! | `pop3_message_octets_sent_total` | | octets of these |
//! | `pop3_tops_sent_total` | | replies to `TOP` |
//! | `pop3_messages_removed_total` | | messages removed at `QUIT` |
//! | `pop3_commands_bad_total` | | commands that were none, or came at the wrong moment |
//! | `pop3_octets_received_total`, `pop3_octets_sent_total` | | octets of POP3, without those of TLS |
//! | `pop3_panics_total` | | panics of the authenticator, the store, an observer or the server |

use core::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use pop3_proto::WaitingFor;

use super::{Event, Observer, Outcome, RefusedBy, SessionEnd, Statistics};
use crate::TransportError;
use crate::tls::TlsVersion;

mod endpoint;
mod request;

pub use endpoint::{Endpoint, Serving};

/// The media type of what [`Metrics::write`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The ways to log in, in the order of their counters; the last stands for all others.
const MECHANISMS: [&str; 16] = [
    "USER",
    "APOP",
    "PLAIN",
    "LOGIN",
    "EXTERNAL",
    "ANONYMOUS",
    "CRAM-MD5",
    "OAUTHBEARER",
    "XOAUTH2",
    "SCRAM-SHA-1",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-512-PLUS",
    "other",
];

const VERSIONS: [&str; 2] = ["1.2", "1.3"];

const REASONS: [&str; 4] = ["connections", "connections_per_address", "proxies", "threads"];

const LIMITS: [&str; 9] = [
    "login",
    "command",
    "idle",
    "handshake",
    "write",
    "failed_logins",
    "bad_commands",
    "connections",
    "connections_per_address",
];

/// Counters of a server. Give it one [as an observer](super::ServerBuilder::observe), in an
/// [`Arc`](std::sync::Arc), and read them with [`write`](Self::write), or have them served by an [`Endpoint`].
#[derive(Debug, Default)]
pub struct Metrics {
    refused: [AtomicU64; REASONS.len()],
    handshakes: [AtomicU64; VERSIONS.len()],
    handshake_failures: AtomicU64,
    logins: [AtomicU64; MECHANISMS.len()],
    failed_logins: [AtomicU64; MECHANISMS.len()],
    sessions: [AtomicU64; Outcome::NAMES.len()],
    milliseconds: AtomicU64,
    limits: [AtomicU64; LIMITS.len()],
    messages: AtomicU64,
    message_octets: AtomicU64,
    tops: AtomicU64,
    removed: AtomicU64,
    bad_commands: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Observer for Metrics {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Refused(by) => {
                let (reason, limit) = match by {
                    RefusedBy::Connections => ("connections", Some("connections")),
                    RefusedBy::ConnectionsPerAddress => {
                        ("connections_per_address", Some("connections_per_address"))
                    }
                    RefusedBy::Proxies => ("proxies", None),
                    RefusedBy::Threads => ("threads", None),
                };
                add(&self.refused, &REASONS, reason, 1);
                self.limit(limit);
            }
            Event::Evicted => self.limit(Some("connections")),
            Event::TlsStarted(version) => {
                let version = match version {
                    TlsVersion::Tls12 => "1.2",
                    TlsVersion::Tls13 => "1.3",
                };
                add(&self.handshakes, &VERSIONS, version, 1);
            }
            Event::LoggedIn { mechanism } => add(&self.logins, &MECHANISMS, mechanism, 1),
            Event::LoginFailed { mechanism } => add(&self.failed_logins, &MECHANISMS, mechanism, 1),
            Event::Ended(end) => self.ended(end),
            // Told by the statistics.
            Event::Accepted => {}
        }
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        Self::default()
    }

    fn ended(&self, end: &SessionEnd<'_>) {
        add(&self.sessions, &Outcome::NAMES, end.outcome.name(), 1);
        for (counter, more) in [
            (&self.milliseconds, u64::try_from(end.duration.as_millis()).unwrap_or(u64::MAX)),
            (&self.messages, end.retrieved),
            (&self.message_octets, end.retrieved_octets),
            (&self.tops, end.tops),
            (&self.removed, end.removed),
            (&self.bad_commands, end.bad_commands),
            (&self.received, end.received),
            (&self.sent, end.sent),
        ] {
            counter.fetch_add(more, Ordering::Relaxed);
        }
        let limit = match end.outcome {
            Outcome::TimedOut { waiting_for: WaitingFor::Login } => "login",
            Outcome::TimedOut { waiting_for: WaitingFor::RestOfCommand } => "command",
            Outcome::TimedOut { .. } => "idle",
            Outcome::FailedLogins => "failed_logins",
            Outcome::BadCommands => "bad_commands",
            Outcome::Crowded => "connections_per_address",
            Outcome::Transport(TransportError::TimedOut) => "write",
            Outcome::Handshake(error) => {
                self.handshake_failures.fetch_add(1, Ordering::Relaxed);
                if matches!(error, TransportError::TimedOut) { "handshake" } else { return }
            }
            _ => return,
        };
        self.limit(Some(limit));
    }

    fn limit(&self, limit: Option<&str>) {
        if let Some(limit) = limit {
            add(&self.limits, &LIMITS, limit, 1);
        }
    }

    /// Writes all of them in the text format of OpenMetrics, to be sent as [`CONTENT_TYPE`]. `statistics` are those of the
    /// server, from [`Running::statistics`](super::Running::statistics).
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn write(&self, statistics: &Statistics, to: &mut impl Write) -> fmt::Result {
        let mut text = Text(to);
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        text.head("build", "info", "The version of the server.")?;
        text.line("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1)?;
        text.head("connections_open", "gauge", "Connections that are open.")?;
        text.line("connections_open", &[], statistics.open as u64)?;
        text.counter("connections_accepted", "Connections that were given a session.", statistics.accepted)?;
        text.labelled(
            "connections_refused",
            "Connections that were given none.",
            "reason",
            &REASONS,
            &self.refused,
        )?;
        text.counter(
            "connections_evicted",
            "Connections that had to make room before their login.",
            statistics.evicted,
        )?;
        text.counter(
            "proxy_headers_bad",
            "Connections through a proxy without a good PROXY header.",
            statistics.bad_proxy_headers,
        )?;
        text.labelled(
            "tls_handshakes",
            "TLS handshakes that succeeded.",
            "version",
            &VERSIONS,
            &self.handshakes,
        )?;
        text.counter(
            "tls_handshake_failures",
            "TLS handshakes that did not succeed.",
            load(&self.handshake_failures),
        )?;
        text.head("logins", "counter", "Logins, and failed ones.")?;
        for (result, counters) in [("success", &self.logins), ("failure", &self.failed_logins)] {
            for (mechanism, counter) in MECHANISMS.iter().zip(counters) {
                let labels = [("mechanism", *mechanism), ("result", result)];
                text.line("logins_total", &labels, load(counter))?;
            }
        }
        text.labelled("sessions", "Sessions that have ended.", "outcome", &Outcome::NAMES, &self.sessions)?;
        text.head("session_seconds", "counter", "How long sessions that have ended lasted in all.")?;
        let milliseconds = load(&self.milliseconds);
        let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
        text.line("session_seconds_total", &[], format_args!("{seconds}.{rest:03}"))?;
        let limits = "Connections that a limit has ended or kept out.";
        text.labelled("limits_reached", limits, "limit", &LIMITS, &self.limits)?;
        for (name, help, counter) in [
            ("messages_sent", "Messages sent whole by RETR.", &self.messages),
            ("message_octets_sent", "Octets of messages sent whole.", &self.message_octets),
            ("tops_sent", "Replies to TOP.", &self.tops),
            ("messages_removed", "Messages removed at QUIT.", &self.removed),
            ("commands_bad", "Commands that were none, or came at the wrong moment.", &self.bad_commands),
            ("octets_received", "Octets of POP3 from clients.", &self.received),
            ("octets_sent", "Octets of POP3 to clients.", &self.sent),
        ] {
            text.counter(name, help, load(counter))?;
        }
        text.counter("panics", "Panics, each a fault: see the log.", statistics.panicked)?;
        text.0.write_str("# EOF\n")
    }
}

/// Adds to the counter of a name; one that is not there counts as the last.
fn add(counters: &[AtomicU64], names: &[&str], name: &str, more: u64) {
    let counter = names.iter().zip(counters).find(|(known, _)| **known == name).map(|(_, counter)| counter);
    if let Some(counter) = counter.or_else(|| counters.last()) {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}

/// Writes lines of the text format. Names and labels are ours and need no escapes.
struct Text<'w, W>(&'w mut W);

impl<W: Write> Text<'_, W> {
    fn head(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        write!(self.0, "# TYPE pop3_{name} {kind}\n# HELP pop3_{name} {help}\n")
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl fmt::Display) -> fmt::Result {
        write!(self.0, "pop3_{name}")?;
        for (number, (label, text)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            write!(self.0, "{before}{label}=\"{text}\"")?;
        }
        writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" })
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.head(name, "counter", help)?;
        self.line(&format!("{name}_total"), &[], value)
    }

    fn labelled(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &[&str],
        counters: &[AtomicU64],
    ) -> fmt::Result {
        self.head(name, "counter", help)?;
        for (value, counter) in values.iter().zip(counters) {
            let total = format!("{name}_total");
            self.line(&total, &[(label, value)], counter.load(Ordering::Relaxed))?;
        }
        Ok(())
    }
}
