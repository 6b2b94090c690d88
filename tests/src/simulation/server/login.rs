//! How a server logs a client in: SASL, the check of a password, and the maildrop behind it.

use std::rc::Rc;

use pop3_proto::server::Refusal;

use super::{Doing, Server, Turn, wrong};
use crate::simulation::model::{Violation, unique_id};
use crate::simulation::{Cx, PASSWORD, Tally, Time, USERS};

/// How long a wrong password takes.
const FAILED_LOGIN: Time = 2_000;

pub(super) enum Exchange {
    Start { plain: bool, initial: Option<Vec<u8>> },
    Response(Vec<u8>),
    Ended,
}

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sasl {
    Plain,
    LoginName,
    LoginPassword { user: usize },
}

impl Server {
    pub(super) fn take_sasl(&mut self, exchange: Exchange, cx: &mut Cx) -> Result<(), Violation> {
        let (sasl, message) = match exchange {
            Exchange::Ended => {
                cx.counts.add(Tally::AuthCancelled);
                self.sasl = None;
                return Ok(());
            }
            Exchange::Start { plain: true, initial } => (Sasl::Plain, initial),
            Exchange::Start { plain: false, initial } => (Sasl::LoginName, initial),
            Exchange::Response(message) => (self.sasl.unwrap_or(Sasl::Plain), Some(message)),
        };
        self.sasl = Some(sasl);
        let user = |name: &[u8]| USERS.iter().position(|user| user.as_bytes() == name);
        match (sasl, message) {
            (Sasl::Plain, None) => self.session.challenge(b"", &mut self.output).map_err(wrong)?,
            (Sasl::LoginName, None) => {
                self.session.challenge(b"Username:", &mut self.output).map_err(wrong)?;
            }
            (Sasl::Plain, Some(message)) => {
                let mut parts = message.split(|octet| *octet == 0).skip(1);
                let (name, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                self.check(user(name), password, Tally::AuthPlain, cx)?;
            }
            (Sasl::LoginName, Some(name)) => {
                self.sasl = Some(Sasl::LoginPassword { user: user(&name).unwrap_or(usize::MAX) });
                self.session.challenge(b"Password:", &mut self.output).map_err(wrong)?;
            }
            (Sasl::LoginPassword { user }, password) => {
                self.check(Some(user), &password.unwrap_or_default(), Tally::AuthLogin, cx)?;
            }
        }
        Ok(())
    }

    pub(super) fn check(
        &mut self,
        user: Option<usize>,
        password: &[u8],
        by: Tally,
        cx: &mut Cx,
    ) -> Result<(), Violation> {
        self.sasl = None;
        let right = password == PASSWORD.as_bytes();
        let drop = user.filter(|user| right && *user < USERS.len());
        let takes = if drop.is_some() { cx.random.between(0, 3) } else { FAILED_LOGIN };
        cx.counts.add(if drop.is_some() { by } else { Tally::WrongPassword });
        if drop.is_none() {
            let facts = &mut cx.sessions[self.id];
            facts.wrong_passwords += 1;
            let limit = self.plan.config.limits.failed_logins;
            facts.excused |= facts.wrong_passwords >= limit;
            if facts.wrong_passwords > limit {
                return Err(Violation::new(format!("password number {} is checked", facts.wrong_passwords)));
            }
        }
        self.doing = Doing::Checking { until: cx.now + takes, drop };
        Ok(())
    }

    pub(super) fn checked(&mut self, drop: Option<usize>, cx: &mut Cx) -> Result<Turn, Violation> {
        let Some(drop) = drop else { return self.refuse(Refusal::Credentials, None, cx) };
        if self.fails(Tally::OpenFault, cx) {
            return self.refuse(Refusal::Temporary, Some(false), cx);
        }
        if !cx.lock(drop, self.id) {
            cx.counts.add(Tally::InUse);
            return self.refuse(Refusal::InUse, Some(false), cx);
        }
        self.doing = Doing::Opening { until: self.store_time(cx), drop };
        Ok(Turn::Again)
    }

    pub(super) fn list(&mut self, drop: usize, cx: &mut Cx) -> Result<Turn, Violation> {
        let mail: Vec<_> = cx.drops[drop].there().map(|mail| (mail.id, Rc::clone(&mail.letter))).collect();
        let fails = self.fails(Tally::ScanFault, cx).then(|| cx.random.below(mail.len() + 1));
        for (at, (id, letter)) in mail.iter().enumerate() {
            let octets = letter.sent.len() as u64;
            if fails == Some(at) {
                break;
            }
            if self.session.add_message(octets, unique_id(*id).as_bytes()).is_err() {
                cx.counts.add(Tally::IndexFull);
                cx.unlock(self.id);
                return self.refuse(Refusal::Permanent, Some(false), cx);
            }
        }
        if fails.is_some() {
            cx.unlock(self.id);
            return self.refuse(Refusal::Temporary, Some(false), cx);
        }
        let facts = &mut cx.sessions[self.id];
        facts.drop = drop;
        facts.mail = mail;
        facts.heard.clear();
        facts.logins.push_back(true);
        self.session.opened(&mut self.output).map_err(wrong)?;
        self.doing = Doing::Serving;
        Ok(Turn::Again)
    }

    /// Refuses a login or a message. `right`: what is to be known of a login whose password was right.
    pub(super) fn refuse(
        &mut self,
        refusal: Refusal,
        right: Option<bool>,
        cx: &mut Cx,
    ) -> Result<Turn, Violation> {
        cx.sessions[self.id].logins.extend(right);
        self.session.refuse(refusal, &mut self.output).map_err(wrong)?;
        self.doing = Doing::Serving;
        Ok(Turn::Again)
    }
}
