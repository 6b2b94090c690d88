//! Logins: credentials to an identity, an identity to an open maildrop, and every failure to its response code.
//!
//! | what happened | reply |
//! |---|---|
//! | unknown user, wrong password, identity not allowed | `-ERR [AUTH]`, after the delay (RFC 3206) |
//! | malformed SASL message | `-ERR` |
//! | the user must wait | `-ERR [LOGIN-DELAY]` |
//! | the maildrop is locked; the credentials were right | `-ERR [IN-USE]` (R2449-8.2) |
//! | a fault that may pass, too many connections or checks | `-ERR [SYS/TEMP]` |
//! | a fault that needs a human, a maildrop over the limit | `-ERR [SYS/PERM]` |
//!
//! What a client could learn from is the same for every user: the words, and the time, which is counted from the start
//! of the check and padded to a fixed length (R26, PB-S48).

use std::time::Instant;

use pop3_proto::sasl::SaslError;
use pop3_proto::sasl::server::{Answer, Exchange, Query, ServerStep, Setup};
use pop3_proto::server::{Refusal, SaslInput};
use pop3_proto::{Base64, InitialResponse, Secret};
use zeroize::Zeroizing;

use super::Outcome;
use super::connection::Connection;
use crate::Stream;
use crate::auth::{AuthError, Authenticator, Identity, LoginContext};
use crate::store::{Maildrop, OpenContext, OpenError, StoreError};

/// The name under which `USER` and `PASS` are known to authenticators and in the log.
const USER_PASS: &str = "USER";

/// What a step of a SASL exchange came to.
enum SaslOutcome {
    /// Send this challenge.
    Challenge(Vec<u8>),
    /// Open the maildrop.
    LogIn(Identity),
    Refuse(Refusal),
}

/// A message of the client in a SASL exchange.
enum SaslMessage<'i> {
    Initial(Option<InitialResponse<'i>>),
    Response(Base64<'i>),
}

impl<T: Stream> Connection<'_, T> {
    /// `PASS`.
    pub(super) fn log_in_by_password(&mut self, password: Secret<'_>) -> Result<(), Outcome> {
        let began = Instant::now();
        self.flush()?;
        let checked = match core::str::from_utf8(self.session.user()) {
            Ok(user) if is_name(user) => {
                self.check(USER_PASS, |users, cx| users.password(cx, user, password.expose()))
            }
            _ => Err(Refusal::Credentials),
        };
        match checked {
            Ok(who) => self.open(&who, USER_PASS),
            Err(refusal) => self.refuse_login(refusal, USER_PASS, began),
        }
    }

    /// `AUTH`, and the lines of its exchange.
    pub(super) fn take_sasl_message(&mut self, input: SaslInput<'_>) -> Result<(), Outcome> {
        let began = Instant::now();
        let (exchange, message) = match input {
            SaslInput::Start { mechanism, initial } => {
                (Exchange::start(mechanism, &Setup::default()), SaslMessage::Initial(initial))
            }
            SaslInput::Response(response) => (self.exchange.take(), SaslMessage::Response(response)),
            _ => {
                self.exchange = None;
                return Ok(());
            }
        };
        // Both can only be there: what is offered is built in, and a response follows a challenge.
        let Some(mut exchange) = exchange else { return Err(self.misuse()) };
        self.flush()?;
        let mechanism = exchange.name().as_str();
        match self.step(&mut exchange, message) {
            SaslOutcome::Challenge(challenge) => {
                self.exchange = Some(exchange);
                self.reply(|session, output| session.challenge(&challenge, output))
            }
            SaslOutcome::LogIn(who) => self.open(&who, mechanism),
            SaslOutcome::Refuse(refusal) => self.refuse_login(refusal, mechanism, began),
        }
    }

    fn step(&self, exchange: &mut Exchange, message: SaslMessage<'_>) -> SaslOutcome {
        let mechanism = exchange.name().as_str();
        let octets = match &message {
            SaslMessage::Initial(initial) => initial.map_or(0, |initial| initial.base64().decoded_len()),
            SaslMessage::Response(response) => response.decoded_len(),
        };
        let (mut scratch, mut challenge) = (Zeroizing::new(vec![0; octets]), Vec::new());
        let step = match message {
            SaslMessage::Initial(initial) => exchange.initial(initial, &mut scratch, &mut challenge),
            SaslMessage::Response(response) => exchange.response(response, &mut scratch, &mut challenge),
        };
        let who = match step {
            Ok(ServerStep::Challenge) => return SaslOutcome::Challenge(challenge),
            Ok(ServerStep::Ask(query)) => match self.answer(mechanism, query) {
                Ok(who) => who,
                Err(refusal) => return SaslOutcome::Refuse(refusal),
            },
            Ok(ServerStep::Done) => return SaslOutcome::Refuse(Refusal::Temporary),
            Err(error) => return SaslOutcome::Refuse(refusal_of(error)),
        };
        match exchange.answer(Answer::Accepted, &mut challenge) {
            Ok(ServerStep::Done) => SaslOutcome::LogIn(who),
            Ok(_) => SaslOutcome::Refuse(Refusal::Temporary),
            Err(error) => SaslOutcome::Refuse(refusal_of(error)),
        }
    }

    fn answer(&self, mechanism: &str, query: Query<'_>) -> Result<Identity, Refusal> {
        self.check(mechanism, |users, cx| {
            let (who, authzid) = match query {
                Query::Password { authzid, authcid, password } => {
                    (users.password(cx, authcid, password.expose())?, authzid)
                }
                Query::External { authzid } => {
                    // The identity comes from the certificate that TLS has verified, and from nothing else (R24).
                    let tls = self.transport.as_ref().and_then(|transport| transport.tls());
                    let shown = tls.and_then(|tls| tls.peer_certificates().first());
                    let certificate = shown.ok_or(AuthError::Rejected)?;
                    (users.certificate(cx, certificate)?, authzid)
                }
                _ => return Err(AuthError::Rejected),
            };
            match authzid {
                Some(authzid) if authzid != who.name() => users.authorize(cx, who, authzid),
                _ => Ok(who),
            }
        })
    }

    /// Asks the authenticator, as soon as few enough others do.
    fn check(
        &self,
        mechanism: &str,
        ask: impl FnOnce(&dyn Authenticator, &LoginContext<'_>) -> Result<Identity, AuthError>,
    ) -> Result<Identity, Refusal> {
        let Some(_permit) = self.shared.checks.enter(self.login_deadline) else {
            return Err(Refusal::Temporary);
        };
        let cx = LoginContext::new(self.record.peer, self.session.is_tls(), mechanism);
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

    fn refuse_login(
        &mut self,
        refusal: Refusal,
        mechanism: &'static str,
        began: Instant,
    ) -> Result<(), Outcome> {
        if refusal == Refusal::Credentials {
            self.record.login_failed(mechanism, self.session.counts().failed_logins.saturating_add(1));
            if let Some(moment) = began.checked_add(self.shared.limits.failed_login_delay) {
                self.shared.stop.sleep_until(moment);
            }
        }
        self.reply(|session, output| session.refuse(refusal, output))
    }

    /// The credentials are right: lock and list the maildrop, and only then say so (R1939-4.3).
    fn open(&mut self, who: &Identity, mechanism: &'static str) -> Result<(), Outcome> {
        if self.ticket.is_some_and(|ticket| ticket.log_in().is_err()) {
            self.record.turned_away("too many connections from this address");
            return self.reply(|session, output| session.refuse(Refusal::Temporary, output));
        }
        match self.open_maildrop(who) {
            Ok(maildrop) => {
                self.maildrop = Some(maildrop);
                self.record.user = Some(who.name().to_owned());
                self.record.mechanism = Some(mechanism);
                self.reply(|session, output| session.opened(output))
            }
            // The lock is free again by now (R1939-4.4).
            Err(refusal) => {
                if let Some(ticket) = self.ticket {
                    ticket.log_out();
                }
                self.reply(|session, output| session.refuse(refusal, output))
            }
        }
    }

    fn open_maildrop(&mut self, who: &Identity) -> Result<Box<dyn Maildrop>, Refusal> {
        let cx = OpenContext::new(self.record.peer);
        let mut maildrop = self.shared.store.open(who, &cx).map_err(|error| match error {
            OpenError::InUse => Refusal::InUse,
            OpenError::LoginDelay => Refusal::LoginDelay,
            OpenError::Store(error) => {
                self.record.fault("opening the maildrop", &error);
                store_refusal(&error)
            }
        })?;
        // Kept here too: a maildrop must not be shown in part, even if the store swallows the error (PB-S28).
        let mut refused = None;
        let session = &mut self.session;
        let scanned =
            maildrop.scan(&mut |message| match session.add_message(message.octets, message.unique_id) {
                Ok(_) => Ok(()),
                Err(error) => {
                    refused = Some(error);
                    Err(StoreError::Permanent(Box::new(error)))
                }
            });
        if let Err(error) = &scanned {
            self.record.fault("listing the maildrop", error);
        }
        match (scanned, refused) {
            (Ok(()), None) => Ok(maildrop),
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

const fn refusal_of(error: SaslError) -> Refusal {
    if error.rejects_credentials() { Refusal::Credentials } else { Refusal::Malformed }
}

pub(super) const fn store_refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::Permanent(_) => Refusal::Permanent,
        StoreError::Temporary(_) | StoreError::Gone => Refusal::Temporary,
    }
}
