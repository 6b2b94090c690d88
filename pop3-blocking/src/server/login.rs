//! Logins: credentials to an identity, an identity to an open maildrop, and every failure to its response code.
//!
//! | what happened | reply |
//! |---|---|
//! | unknown user, wrong password, identity not allowed | `-ERR [AUTH]`, after the delay (RFC 3206) |
//! | a token is refused | a challenge that says why; whatever comes back, `-ERR [AUTH]` (RP-XO.3) |
//! | a channel binding that is not this connection's, or was taken away on the way | `-ERR [AUTH]`, after the delay |
//! | malformed SASL message, or a channel binding of a kind that there is not | `-ERR` |
//! | the user must wait | `-ERR [LOGIN-DELAY]` |
//! | the maildrop is locked; the credentials were right | `-ERR [IN-USE]` (R2449-8.2) |
//! | a fault that may pass, too many connections or checks | `-ERR [SYS/TEMP]` |
//! | a fault that needs a human, a maildrop over the limit | `-ERR [SYS/PERM]` |
//!
//! Names and passwords are prepared by SASLprep before anybody is asked about them (R4616-2.3). For users whom the
//! authenticator does not know SCRAM, CRAM-MD5 and APOP take their course with keys and secrets made up for the name
//! (R5802-5.9). What may be used once on a connection is used up before the answer is written (R25).
//!
//! What a client could learn from is the same for every user: the words, and the time, which is counted from the start
//! of the check and padded to a fixed length (R26, PB-S48).

use std::borrow::Cow;
use std::time::Instant;

use pop3_proto::sasl::server::{Answer, Exchange, Query, ServerStep, Setup};
use pop3_proto::sasl::{SaslError, prep};
use pop3_proto::server::{Refusal, SaslInput};
use pop3_proto::{Base64, InitialResponse, MechanismName, Secret};
use zeroize::Zeroizing;

use super::connection::Connection;
use super::offer::Certificate;
use super::{Event, FailedLogin, Outcome, Utf8Policy};
use crate::Stream;
use crate::auth::{
    AuthError, Authenticator, Identity, LoginContext, Mechanisms, ScramKeys, SharedSecret, TokenError,
    TokenRequest,
};
use crate::store::{Maildrop, OpenContext, OpenError, StoreError, Utf8Headers};

/// The name under which `USER` and `PASS` are known to authenticators and in the log.
const USER_PASS: &str = "USER";

/// The iterations that are shown for users whom the authenticator gives no keys for: the least that is allowed.
const DECOY_ITERATIONS: u32 = 4096;

/// A SASL exchange under way.
pub(super) struct Login {
    exchange: Exchange,
    /// Whom to let in when the mechanism is through.
    who: Option<Identity>,
}

/// What a step of a SASL exchange came to.
enum SaslOutcome {
    /// Send this challenge.
    Challenge(Vec<u8>),
    /// Send this challenge, and refuse the credentials whatever comes back.
    Report(Vec<u8>),
    /// Open the maildrop.
    LogIn(Identity),
    Refuse(Refusal),
}

/// A message of the client in a SASL exchange.
enum SaslMessage<'i> {
    Initial(Option<InitialResponse<'i>>),
    Response(Base64<'i>),
}

/// What the exchange wants next, with nothing borrowed from it.
enum Next {
    Challenge,
    Give(Given),
    Done,
    Refuse(Refusal),
}

/// An answer to a question of the exchange.
enum Given {
    Accepted(Identity),
    Keys(ScramKeys),
    Secret(SharedSecret),
    /// With the authenticator's report; without one the mechanism has its own.
    TokenRejected(Option<String>),
}

#[cfg(test)]
impl Given {
    fn note(&self) {
        use crate::auth::work::{Work, note};
        note(Work::Verify(match self {
            Self::Accepted(_) => "accepted",
            Self::Keys(_) => "keys",
            Self::Secret(_) => "secret",
            Self::TokenRejected(_) => "rejected",
        }));
    }
}

impl<T: Stream> Connection<'_, T> {
    /// `PASS`.
    #[inline(never)]
    pub(super) fn log_in_by_password(&mut self, password: Secret<'_>) -> Result<(), Outcome> {
        let began = Instant::now();
        self.flush()?;
        let checked = match core::str::from_utf8(self.session.user()) {
            Ok(user) => self.check_password(USER_PASS, user, password),
            Err(_) => Err(Refusal::Credentials),
        };
        match checked {
            Ok(who) => self.open(&who, USER_PASS),
            Err(refusal) => self.refuse_login(refusal, USER_PASS, began),
        }
    }

    /// `PASS` with what is nobody's password: as a wrong one in everything that a client can see.
    #[inline(never)]
    pub(super) fn refuse_hopeless_login(&mut self) -> Result<(), Outcome> {
        let began = Instant::now();
        self.flush()?;
        self.refuse_login(Refusal::Credentials, USER_PASS, began)
    }

    /// `AUTH`, and the lines of its exchange.
    #[inline(never)]
    pub(super) fn take_sasl_message(&mut self, input: SaslInput<'_>) -> Result<(), Outcome> {
        let began = Instant::now();
        let (login, message) = match input {
            SaslInput::Start { mechanism, initial } => match self.start_exchange(mechanism) {
                Ok(login) => (login, SaslMessage::Initial(initial)),
                Err(refusal) => return self.reply(|session, output| session.refuse(refusal, output)),
            },
            SaslInput::Response(response) => (self.login.take(), SaslMessage::Response(response)),
            SaslInput::Acknowledged => {
                // That it failed was noted when the report was sent.
                self.login = None;
                return self.reply(|session, output| session.refuse(Refusal::Credentials, output));
            }
            _ => {
                self.login = None;
                return Ok(());
            }
        };
        // Both can only be there: what is offered is built in, and a response follows a challenge.
        let Some(mut login) = login else { return Err(self.misuse()) };
        self.flush()?;
        let mechanism = login.exchange.name().as_str();
        match self.step(&mut login, message) {
            SaslOutcome::Challenge(challenge) => {
                self.login = Some(login);
                self.reply(|session, output| session.challenge(&challenge, output))
            }
            SaslOutcome::Report(challenge) => {
                self.login = Some(login);
                // Now: with the report the client knows, and may hang up.
                self.login_failed(mechanism, began);
                self.reply(|session, output| session.report(&challenge, output))
            }
            SaslOutcome::LogIn(who) => self.open(&who, mechanism),
            SaslOutcome::Refuse(refusal) => self.refuse_login(refusal, mechanism, began),
        }
    }

    /// Offers what the handshake has made possible.
    pub(super) fn offer(&mut self) {
        let tls = self.transport.as_ref().and_then(|transport| transport.tls());
        let shown = tls.is_some_and(|tls| !tls.peer_certificates().is_empty());
        self.binding.exporter = tls.is_some_and(|tls| tls.tls_exporter().is_some());
        self.binding.server_end_point =
            self.policy.server_end_point && tls.is_some_and(|tls| tls.tls_server_end_point().is_some());
        self.certificate = if !shown || !self.offers.contains(Mechanisms::EXTERNAL) {
            Certificate::None
        } else if matches!(self.certified(), Err(Refusal::Credentials)) {
            Certificate::Unmapped
        } else {
            // A fault may have passed by the time it is used.
            Certificate::Mapped
        };
        let plus = self.binding.exporter || self.binding.server_end_point;
        let offers = self.offers.under_tls(self.certificate, plus);
        self.binding.announced = offers.iter().any(|offer| is_plus(offer.name));
        self.session.offer(offers);
    }

    /// Begins an exchange, and uses up what it may use once (R25, PB-S27). No mechanism's state is in the frame below which
    /// the maildrop is opened.
    #[inline(never)]
    fn start_exchange(&mut self, name: MechanismName<'_>) -> Result<Option<Box<Login>>, Refusal> {
        let mut setup = Setup::default();
        if let Err(fault) = self.policy.random(&mut setup.random) {
            self.record.fault("starting a SASL exchange", &fault);
            return Err(Refusal::Temporary);
        }
        setup.host = self.policy.known_as.as_ref().map_or("localhost", |(host, _)| host);
        setup.plus_offered = self.binding.announced;
        let mut end_point = None;
        if is_plus(name) {
            let tls = self.transport.as_ref().and_then(|transport| transport.tls());
            if self.binding.exporter {
                setup.exporter = tls.and_then(|tls| tls.tls_exporter());
                self.binding.exporter = false;
                let rest = self.offers.after_exporter(self.certificate, self.binding.server_end_point);
                self.session.offer(rest);
            }
            if self.binding.server_end_point {
                end_point = tls.and_then(|tls| tls.tls_server_end_point());
            }
        }
        setup.server_end_point = end_point.as_deref();
        Ok(Exchange::start(name, &setup).map(|exchange| Box::new(Login { exchange, who: None })))
    }

    #[inline(never)]
    fn step(&self, login: &mut Login, message: SaslMessage<'_>) -> SaslOutcome {
        let mechanism = login.exchange.name().as_str();
        let octets = match &message {
            SaslMessage::Initial(initial) => initial.map_or(0, |initial| initial.base64().decoded_len()),
            SaslMessage::Response(response) => response.decoded_len(),
        };
        let (mut scratch, mut challenge) = (Zeroizing::new(vec![0; octets]), Vec::new());
        let step = match message {
            SaslMessage::Initial(initial) => login.exchange.initial(initial, &mut scratch, &mut challenge),
            SaslMessage::Response(response) => {
                login.exchange.response(response, &mut scratch, &mut challenge)
            }
        };
        let mut next = self.next(mechanism, step);
        loop {
            let given = match next {
                Next::Challenge if login.exchange.has_refused() => return SaslOutcome::Report(challenge),
                Next::Challenge => return SaslOutcome::Challenge(challenge),
                Next::Refuse(refusal) => return SaslOutcome::Refuse(refusal),
                Next::Done => {
                    return login
                        .who
                        .take()
                        .map_or(SaslOutcome::Refuse(Refusal::Temporary), SaslOutcome::LogIn);
                }
                Next::Give(given) => given,
            };
            #[cfg(test)]
            given.note();
            let answer = match &given {
                Given::Accepted(_) => Answer::Accepted,
                Given::Keys(keys) => Answer::ScramKeys(keys.borrow()),
                Given::Secret(secret) => {
                    Secret::new(secret.expose()).map_or(Answer::Rejected, Answer::Secret)
                }
                Given::TokenRejected(None) => Answer::Rejected,
                Given::TokenRejected(Some(report)) => Answer::TokenRejected(report.as_bytes()),
            };
            let step = login.exchange.answer(answer, &mut challenge);
            next = self.next(mechanism, step);
            if let Given::Accepted(who) = given {
                login.who = Some(who);
            }
        }
    }

    fn next(&self, mechanism: &str, step: Result<ServerStep<'_>, SaslError>) -> Next {
        match step {
            Ok(ServerStep::Challenge) => Next::Challenge,
            Ok(ServerStep::Done) => Next::Done,
            Ok(ServerStep::Ask(query)) => self.answer(mechanism, query).map_or_else(Next::Refuse, Next::Give),
            Err(error) => Next::Refuse(refusal_of(error)),
        }
    }

    fn answer(&self, mechanism: &str, query: Query<'_>) -> Result<Given, Refusal> {
        let (who, authzid) = match query {
            Query::Password { authzid, authcid, password } => {
                (self.check_password(mechanism, authcid, password)?, authzid)
            }
            Query::External { authzid } => (self.certified()?, authzid),
            Query::ScramKeys { authcid, hash } => {
                let user = self.prepared(authcid)?;
                // Made whether they are needed or not, so that the time does not tell.
                let decoys = self.shared.decoys.as_ref();
                let decoy = decoys.map(|decoys| decoys.scram_keys(&user, hash, DECOY_ITERATIONS));
                let known = self.check(mechanism, |users, cx| users.scram_keys(cx, &user, hash));
                return match (known, decoy) {
                    // The exchange goes on, and fails at the proof (R5802-5.9).
                    (Err(Refusal::Credentials), Some(decoy)) => Ok(Given::Keys(decoy)),
                    (known, _) => known.map(Given::Keys),
                };
            }
            Query::Secret { authcid } => {
                let user = self.prepared(authcid)?;
                return self.secret(mechanism, &user).map(Given::Secret);
            }
            Query::Authorize { authzid, authcid } => {
                let user = self.prepared(authcid)?;
                (self.check(mechanism, |users, cx| users.proven(cx, &user))?, authzid)
            }
            Query::Token { authzid, token, host, port } => {
                let request = TokenRequest { token, authzid, host, port };
                return self.check_token(mechanism, &request);
            }
            Query::Anonymous { trace } => {
                (self.check(mechanism, |users, cx| users.anonymous(cx, trace))?, None)
            }
            _ => return Err(Refusal::Credentials),
        };
        self.authorized(mechanism, who, authzid).map(Given::Accepted)
    }

    /// The secret of `user`, or one that nobody has.
    pub(super) fn secret(&self, mechanism: &str, user: &str) -> Result<SharedSecret, Refusal> {
        // Made whether it is needed or not, so that the time does not tell.
        let decoy = self.shared.decoys.as_ref().map(|decoys| decoys.secret(user));
        let known = self.check(mechanism, |users, cx| users.secret(cx, user));
        match (known, decoy) {
            (Err(Refusal::Credentials), Some(decoy)) => Ok(decoy),
            (known, _) => known,
        }
    }

    fn check_password(&self, mechanism: &str, user: &str, password: Secret<'_>) -> Result<Identity, Refusal> {
        let user = self.prepared(user)?;
        if self.shared.settings.unprepared {
            return self.check(mechanism, |users, cx| users.password(cx, &user, password.expose()));
        }
        let password = core::str::from_utf8(password.expose()).map_err(|_| Refusal::Credentials)?;
        let password = Zeroizing::new(prepare(password)?.into_owned());
        self.check(mechanism, |users, cx| users.password(cx, &user, password.as_bytes()))
    }

    /// Who the client's certificate says it is. The identity comes from what TLS has verified, and from nothing else
    /// (R24).
    fn certified(&self) -> Result<Identity, Refusal> {
        let tls = self.transport.as_ref().and_then(|transport| transport.tls());
        let shown = tls.and_then(|tls| tls.peer_certificates().first());
        let certificate = shown.ok_or(Refusal::Credentials)?;
        self.check("EXTERNAL", |users, cx| users.certificate(cx, certificate))
    }

    fn check_token(&self, mechanism: &str, request: &TokenRequest<'_>) -> Result<Given, Refusal> {
        let authzid = match request.authzid.map(|authzid| self.prepared(authzid)).transpose() {
            Ok(authzid) if self.is_meant(request.host, request.port) => authzid,
            _ => return Ok(Given::TokenRejected(None)),
        };
        let request = TokenRequest { authzid: authzid.as_deref(), ..*request };
        let checked = self.check(mechanism, |users, cx| match users.token(cx, &request) {
            Ok(who) => Ok(Ok(who)),
            Err(TokenError::Rejected { report }) => Ok(Err(report)),
            Err(TokenError::Auth(error)) => Err(error),
        })?;
        let who = match checked {
            Ok(who) => who,
            Err(report) => return Ok(Given::TokenRejected(report)),
        };
        match self.authorized(mechanism, who, request.authzid) {
            Err(Refusal::Credentials) => Ok(Given::TokenRejected(None)),
            authorized => authorized.map(Given::Accepted),
        }
    }

    /// Whether a token that the client means for this host and port is meant for this server (R7628-3.2).
    fn is_meant(&self, host: Option<&str>, port: Option<u16>) -> bool {
        let same = |known: &str| host.is_none_or(|host| host.eq_ignore_ascii_case(known));
        match &self.policy.known_as {
            Some((known, known_port)) => same(known) && port.is_none_or(|port| port == *known_port),
            None => {
                let tls = self.transport.as_ref().and_then(|transport| transport.tls());
                tls.and_then(|tls| tls.server_name()).is_none_or(|known| same(&known))
            }
        }
    }

    /// Whether `who` may act as `authzid`, if one was given (R4422-3.6).
    fn authorized(&self, mechanism: &str, who: Identity, authzid: Option<&str>) -> Result<Identity, Refusal> {
        let Some(authzid) = authzid else { return Ok(who) };
        let authzid = self.prepared(authzid)?;
        if *authzid == *who.name() {
            return Ok(who);
        }
        self.check(mechanism, |users, cx| users.authorize(cx, who, &authzid))
    }

    /// A name as the authenticator gets it (R4616-2.3, R5034-4.15).
    pub(super) fn prepared<'n>(&self, name: &'n str) -> Result<Cow<'n, str>, Refusal> {
        let name = if self.shared.settings.unprepared { Cow::Borrowed(name) } else { prepare(name)? };
        if is_name(&name) { Ok(name) } else { Err(Refusal::Credentials) }
    }

    /// Asks the authenticator, as soon as few enough others do.
    pub(super) fn check<R>(
        &self,
        mechanism: &str,
        ask: impl FnOnce(&dyn Authenticator, &LoginContext<'_>) -> Result<R, AuthError>,
    ) -> Result<R, Refusal> {
        let Some(_permit) = self.shared.checks.enter(self.login_deadline) else {
            return Err(Refusal::Temporary);
        };
        let tls = self.transport.as_ref().is_some_and(|transport| transport.tls().is_some());
        let cx = LoginContext::new(self.record.peer, tls, mechanism);
        ask(&*self.shared.authenticator, &cx).map_err(|error| match error {
            AuthError::Rejected => Refusal::Credentials,
            AuthError::LoginDelay => Refusal::LoginDelay,
            AuthError::Temporary(_) => {
                self.record.fault("checking credentials", &error);
                Refusal::Temporary
            }
            AuthError::Permanent(_) => {
                self.record.fault("checking credentials", &error);
                Refusal::Permanent
            }
        })
    }

    pub(super) fn refuse_login(
        &mut self,
        refusal: Refusal,
        mechanism: &'static str,
        began: Instant,
    ) -> Result<(), Outcome> {
        if refusal == Refusal::Credentials {
            self.login_failed(mechanism, began);
        }
        self.reply(|session, output| session.refuse(refusal, output))
    }

    /// Logs it, and makes up the delay since `began`.
    fn login_failed(&self, mechanism: &'static str, began: Instant) {
        let failures = self.session.counts().failed_logins.saturating_add(1);
        self.record.login_failed(mechanism, failures);
        self.shared.observe(&Event::LoginFailed { mechanism });
        let failed = FailedLogin::new(self.record.peer, mechanism, failures);
        let penalty = self.shared.penalty.as_ref().map(|penalty| penalty(&failed)).unwrap_or_default();
        let penalty = self.login_deadline.remaining().map_or(penalty, |left| penalty.min(left));
        let delay = self.shared.limits.failed_login_delay.saturating_add(penalty);
        if let Some(moment) = began.checked_add(delay) {
            self.shared.stop.sleep_until(moment);
        }
    }

    /// The credentials are right: lock and list the maildrop, and only then say so (R1939-4.3).
    pub(super) fn open(&mut self, who: &Identity, mechanism: &'static str) -> Result<(), Outcome> {
        if self.ticket.is_some_and(|ticket| ticket.log_in().is_err()) {
            self.record.turned_away("too many connections from this address");
            self.reply(|session, output| session.refuse(Refusal::Temporary, output))?;
            return Err(Outcome::Crowded);
        }
        match self.open_maildrop(who) {
            Ok(maildrop) => self.opened(maildrop, who, mechanism),
            // The lock is free again by now (R1939-4.4).
            Err(refusal) => {
                if let Some(ticket) = self.ticket {
                    ticket.log_out();
                }
                self.reply(|session, output| session.refuse(refusal, output))
            }
        }
    }

    #[inline(never)]
    fn opened(
        &mut self,
        maildrop: Box<dyn Maildrop>,
        who: &Identity,
        mechanism: &'static str,
    ) -> Result<(), Outcome> {
        self.maildrop = Some(maildrop);
        self.record.user = Some(who.name().to_owned());
        self.record.mechanism = Some(mechanism);
        self.shared.observe(&Event::LoggedIn { mechanism });
        self.reply(|session, output| session.opened(output))
    }

    fn open_maildrop(&mut self, who: &Identity) -> Result<Box<dyn Maildrop>, Refusal> {
        let headers = self.headers();
        let mut maildrop = self.lock_maildrop(who, headers)?;
        self.list_maildrop(&mut *maildrop, headers)?;
        Ok(maildrop)
    }

    fn headers(&self) -> Utf8Headers {
        match self.shared.settings.utf8 {
            _ if self.session.is_utf8() => Utf8Headers::AsStored,
            Utf8Policy::Off => Utf8Headers::AsStored,
            Utf8Policy::Surrogate => Utf8Headers::Surrogates,
            Utf8Policy::Refuse => Utf8Headers::Refused,
        }
    }

    /// In a frame of its own, that is gone when the listing goes deeper.
    #[inline(never)]
    fn lock_maildrop(&self, who: &Identity, headers: Utf8Headers) -> Result<Box<dyn Maildrop>, Refusal> {
        let cx = OpenContext::new(self.record.peer).with_utf8_headers(headers);
        self.shared.store.open(who, &cx).map_err(|error| match error {
            OpenError::InUse => Refusal::InUse,
            OpenError::LoginDelay => Refusal::LoginDelay,
            OpenError::Store(error) => {
                self.record.fault("opening the maildrop", &error);
                store_refusal(&error)
            }
        })
    }

    #[inline(never)]
    fn list_maildrop(&mut self, maildrop: &mut dyn Maildrop, headers: Utf8Headers) -> Result<(), Refusal> {
        // Kept here too: a maildrop must not be shown in part, even if the store swallows the error (PB-S28).
        let mut refused = None;
        let mut first = true;
        let session = &mut self.session;
        let scanned = maildrop.scan(&mut |message| {
            if first && message.following > 0 {
                // Ids are mostly of one length.
                let messages = message.following.saturating_add(1);
                session.expect_messages(messages, messages.saturating_mul(message.unique_id.len()));
            }
            first = false;
            match session.add_message(message.octets, message.unique_id) {
                Ok(number) => {
                    if headers == Utf8Headers::Refused && message.needs_utf8 {
                        // It was added right now, so it is there.
                        session
                            .require_utf8(number)
                            .map_err(|error| StoreError::Permanent(Box::new(error)))?;
                    }
                    Ok(())
                }
                Err(error) => {
                    refused = Some(error);
                    Err(StoreError::Permanent(Box::new(error)))
                }
            }
        });
        if let Err(error) = &scanned {
            self.record.fault("listing the maildrop", error);
        }
        match (scanned, refused) {
            (Ok(()), None) => Ok(()),
            (_, Some(_)) => Err(Refusal::Permanent),
            (Err(error), None) => Err(store_refusal(&error)),
        }
    }
}

/// Whether `user` can be a name: control characters are in none, and must not get into another protocol behind an
/// authenticator (PB-S52).
fn is_name(user: &str) -> bool {
    !user.is_empty() && !user.chars().any(char::is_control)
}

/// Prepares what may not exist yet by the rules for queries, and refuses what comes out empty.
fn prepare(text: &str) -> Result<Cow<'_, str>, Refusal> {
    match prep::prepare(text, prep::Use::Query) {
        Ok(prepared) if !prepared.is_empty() => Ok(prepared),
        _ => Err(Refusal::Credentials),
    }
}

fn is_plus(name: MechanismName<'_>) -> bool {
    is_among(name, Mechanisms::PLUS)
}

fn is_among(name: MechanismName<'_>, set: Mechanisms) -> bool {
    Mechanisms::named(name.as_str()).is_some_and(|mechanism| set.contains(mechanism))
}

const fn refusal_of(error: SaslError) -> Refusal {
    if error.rejects_credentials() { Refusal::Credentials } else { Refusal::Malformed }
}

pub(super) const fn store_refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::Permanent(_) => Refusal::Permanent,
        StoreError::Temporary(_) | StoreError::Gone => Refusal::Temporary,
    }
}
