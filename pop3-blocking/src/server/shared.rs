//! What all sessions of a server have in common: [`Shared`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pop3_proto::body::BodyRules;
use pop3_proto::server::{Language, SessionConfig, Utf8Offer};

use super::admission::Admission;
use super::gate::Gate;
use super::listener::Job;
use super::offer::Offers;
use super::penalty::Penalty;
use super::stop::{Phase, Stop};
use super::workers::Workers;
use super::{Event, Limits, Observer, Policy, RefusedBy, Utf8Policy};
use crate::auth::{Authenticator, Decoys, Identity, Mechanisms};
use crate::store::{Maildrop, OpenContext, OpenError, Store};

/// One server, as its threads see it.
pub(super) struct Shared {
    pub(super) authenticator: Box<dyn Authenticator>,
    pub(super) store: Box<dyn AnyStore>,
    pub(super) limits: Limits,
    pub(super) settings: Settings,
    /// For users that the authenticator knows nothing of. `None`: without random octets no mechanism needs them.
    pub(super) decoys: Option<Decoys>,
    pub(super) penalty: Option<Penalty>,
    pub(super) observers: Vec<Box<dyn Observer>>,
    pub(super) checks: Gate,
    pub(super) stop: Stop,
    pub(super) admission: Arc<Admission>,
    pub(super) workers: Workers<Job>,
    pub(super) counters: Counters,
    /// By how much the limits of silence are divided, so that a test need not last ten minutes.
    #[cfg(test)]
    pub(super) hurry: u32,
}

/// What a session announces and tolerates.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) rules: BodyRules,
    pub(super) implementation: Option<String>,
    pub(super) expire: Option<Option<u32>>,
    pub(super) login_delay: Option<u32>,
    pub(super) lenient_lf: bool,
    /// Names and passwords go to the authenticator as they came.
    pub(super) unprepared: bool,
    pub(super) utf8: Utf8Policy,
    pub(super) lenient_utf8: bool,
    pub(super) languages: &'static [Language<'static>],
    pub(super) default_language: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: BodyRules::default(),
            implementation: None,
            expire: None,
            login_delay: None,
            lenient_lf: false,
            unprepared: false,
            utf8: Utf8Policy::Off,
            lenient_utf8: false,
            languages: Language::BUILT_IN,
            default_language: SessionConfig::DEFAULT.default_language.to_owned(),
        }
    }
}

/// A [`Store`] whose maildrops are boxed, so that sessions are compiled once.
pub(super) trait AnyStore: Send + Sync {
    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<Box<dyn Maildrop>, OpenError>;
    fn follows_utf8_headers(&self) -> bool;
}

impl<S: Store> AnyStore for S {
    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<Box<dyn Maildrop>, OpenError> {
        Ok(Box::new(Store::open(self, who, cx)?))
    }

    fn follows_utf8_headers(&self) -> bool {
        Store::follows_utf8_headers(self)
    }
}

/// How often something happened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) bad_proxy_headers: AtomicU64,
    pub(super) panicked: AtomicU64,
}

/// What a server has done so far, from [`Running::statistics`](super::Running::statistics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections that are open.
    pub open: usize,
    /// Connections that were given a session, those still open included.
    pub accepted: u64,
    /// Connections that were refused because of a limit, or because they came to a listener behind proxies from another
    /// address than a proxy's.
    pub refused: u64,
    /// Connections through a proxy that were closed because the PROXY header was missing or bad.
    pub bad_proxy_headers: u64,
    /// Connections that were ended, before their login, to make room for others.
    pub evicted: u64,
    /// Sessions that ended in a panic of the authenticator, the store or the server. It is a fault: see the log.
    pub panicked: u64,
}

impl Shared {
    /// How a session under `policy` begins.
    pub(super) fn session_config<'s>(&'s self, policy: &Policy, offers: &'s Offers) -> SessionConfig<'s> {
        let mut config = SessionConfig::DEFAULT;
        config.limits = self.limits.protocol;
        config.rules = self.settings.rules;
        config.user_pass = offers.contains(Mechanisms::USER);
        config.mechanisms = offers.in_clear_text();
        #[cfg(feature = "legacy-md5")]
        {
            config.apop = offers.timestamp();
        }
        config.allow_cleartext_login = policy.allow_cleartext_login;
        config.stls = policy.tls.is_some() && !policy.implicit;
        config.implementation = self.settings.implementation.as_deref();
        config.expire = self.settings.expire;
        config.login_delay = self.settings.login_delay;
        config.lenient_lf = self.settings.lenient_lf;
        // The driver prepares names and passwords as RFC 6856 section 2.2 asks, so UTF-8 is welcome in both.
        config.utf8 = match self.settings.utf8 {
            Utf8Policy::Off => Utf8Offer::No,
            Utf8Policy::Surrogate | Utf8Policy::Refuse => Utf8Offer::MessagesAndLogin,
        };
        config.lenient_utf8 = self.settings.lenient_utf8;
        config.languages = self.settings.languages;
        config.default_language = &self.settings.default_language;
        config
    }

    /// Tells all who want to know.
    pub(super) fn observe(&self, event: &Event<'_>) {
        for observer in &self.observers {
            if catch_unwind(AssertUnwindSafe(|| observer.observe(event))).is_err() {
                count(&self.counters.panicked);
            }
        }
    }

    /// Counts a connection that was given a session.
    pub(super) fn accepted(&self) {
        count(&self.counters.accepted);
        self.observe(&Event::Accepted);
    }

    /// Counts a connection that was given none.
    pub(super) fn refused(&self, by: RefusedBy) {
        count(&self.counters.refused);
        self.observe(&Event::Refused(by));
    }

    /// Tells every thread to come to its end.
    pub(super) fn request_stop(&self) {
        self.stop.advance(Phase::Stopping);
        self.checks.close();
    }

    pub(super) fn statistics(&self) -> Statistics {
        let Counters { accepted, refused, bad_proxy_headers, evicted, panicked } = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            open: self.admission.open(),
            accepted: read(accepted),
            refused: read(refused),
            bad_proxy_headers: read(bad_proxy_headers),
            evicted: read(evicted),
            panicked: read(panicked),
        }
    }
}

/// Counts one more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
