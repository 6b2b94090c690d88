//! Logging in: [`Connection::log_in`] and the ways it knows.

use std::net::TcpStream;

use pop3_proto::sasl::prep::{Use, prepare};
use pop3_proto::sasl::scram::{Binding, Nonce, Refusal, Scram};
use pop3_proto::sasl::server::ScramHash;
use pop3_proto::sasl::{ClientMechanism, External, Login, OAuthBearer, Part, Plain, XOAuth2};
use pop3_proto::{Arg, Command, Secret, SendError};
use zeroize::Zeroizing;

use super::connection::Connection;
use super::credentials::{Credentials, Proof};
use super::error::{Error, Refused};
use super::exchange::{self, Attempt, Manner};
use super::link::Link;
use super::method::Method;
use super::policy::{ChannelBinding, Facts, Offered, choose, judge};
use super::session::Session;
use crate::random;
use crate::transport::Stream;

/// A login that failed, and the connection if it can still be used for another try.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoginFailed<S = TcpStream> {
    /// Why.
    pub error: Error,
    /// The connection. Some servers close it after a failed login all the same (R1939-4.5).
    pub connection: Option<Connection<S>>,
}

impl<S: Stream> Connection<S> {
    /// Logs in by the strongest method that the server offers and the credentials and their policy allow; see
    /// [`AuthPolicy`](super::AuthPolicy).
    ///
    /// The order of commands is `CAPA`, `UTF8` if it is [wanted](super::ClientOptions::utf8) and announced, then the
    /// login. A server that announces no way to log in, or nothing at all, is taken to know `USER` and `PASS`. Without
    /// TLS see [`allow_cleartext_login`](Self::allow_cleartext_login).
    ///
    /// A refusal is final: no second way is tried unless the policy says so. With
    /// [`Credentials::certificate`] the session is then ended with `QUIT`, and there is no connection left.
    ///
    /// # Errors
    ///
    /// In [`LoginFailed`]:
    ///
    /// - [`Error::NoMethod`]: nothing that is offered is acceptable. No credential was sent.
    /// - [`Error::Refused`] with the server's words and code, [`Error::TokenRejected`].
    /// - [`Error::NotSent`], [`Error::Argument`], [`Error::Unprepared`], [`Error::NoRandom`]: name, password or token
    ///   cannot be sent, or would travel without TLS.
    /// - [`Error::Sasl`]: as these, or the server did not prove that it knows the password
    ///   ([`SaslError::EarlySuccess`](pop3_proto::sasl::SaslError::EarlySuccess) and others): it is not who it should be.
    /// - [`Error::ClientCertificateRefused`], and the other errors that end a connection.
    ///
    /// # Source
    ///
    /// RFC 5034 section 4, RFC 4422 section 6; rows R4422-6.1, R5802-6.2, RDM-2.1d, PB-C09, PB-C41.
    pub fn log_in(mut self, credentials: &Credentials) -> Result<Session<S>, LoginFailed<S>> {
        match self.try_all(credentials) {
            Ok(()) => Ok(Session::new(self.link)),
            Err(attempt) if credentials.is_certificate_only() && attempt.usable => {
                if let Err(error) = self.quit() {
                    log::debug!("QUIT after a refused login: {error}");
                }
                Err(LoginFailed { error: attempt.error, connection: None })
            }
            Err(attempt) => Err(self.failed(attempt)),
        }
    }

    /// Logs in with a name and a password: [`log_in`](Self::log_in) under the policy that is the default.
    ///
    /// # Errors
    ///
    /// As [`log_in`](Self::log_in).
    pub fn login(self, user: &str, password: &str) -> Result<Session<S>, LoginFailed<S>> {
        self.log_in(&Credentials::password(user, password))
    }

    /// Logs in with `USER` and `PASS`, whether the server announces it or not.
    ///
    /// # Errors
    ///
    /// As [`log_in`](Self::log_in).
    ///
    /// # Source
    ///
    /// RFC 1939 section 7; rows R1939-7.6 to R1939-7.8.
    pub fn login_user_pass(mut self, user: &[u8], password: &[u8]) -> Result<Session<S>, LoginFailed<S>> {
        let done = match self.before_login() {
            Ok(()) => user_pass(&mut self.link, user, password),
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(()) => Ok(Session::new(self.link)),
            Err(attempt) => Err(self.failed(attempt)),
        }
    }

    /// Logs in with a SASL mechanism, whether the server announces it or not. If it does not, no initial response is
    /// sent (R5034-3.2).
    ///
    /// # Errors
    ///
    /// As [`log_in`](Self::log_in). If the server says `+OK` and the mechanism is not satisfied, as it must check the
    /// server's signature, that is [`Error::Sasl`], and the connection is gone.
    ///
    /// # Source
    ///
    /// RFC 5034 section 4; rows R5034-4.5 to R5034-4.14.
    pub fn authenticate(mut self, mechanism: &mut dyn ClientMechanism) -> Result<Session<S>, LoginFailed<S>> {
        let done = match self.before_login() {
            Ok(()) => exchange::run(&mut self.link, mechanism, Manner::default()),
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(()) => Ok(Session::new(self.link)),
            Err(attempt) => Err(self.failed(attempt)),
        }
    }

    /// What the server offers and what [`log_in`](Self::log_in) would make of it, the strongest first. Sends nothing but
    /// `CAPA`.
    ///
    /// # Errors
    ///
    /// As [`capabilities`](Self::capabilities).
    pub fn offers(&mut self, credentials: &Credentials) -> Result<Vec<Offered>, Error> {
        self.link.ensure_capabilities()?;
        Ok(self.judge(credentials))
    }

    fn try_all(&mut self, credentials: &Credentials) -> Result<(), Attempt> {
        self.before_login()?;
        let policy = &credentials.policy;
        let offers = self.judge(credentials);
        let methods = choose(&offers, policy, self.tls().is_some());
        let plus_offered = offers.iter().any(|offer| offer.method.is_some_and(Method::is_plus));
        let mut failed = Attempt::from(Error::NoMethod(offers.into()));
        for method in methods {
            match self.attempt(method, credentials, plus_offered) {
                Ok(()) => return Ok(()),
                Err(attempt) => failed = attempt,
            }
            log::debug!("{method}: {}", failed.error);
            // The method was not at fault, or somebody may be in between.
            let is_final = match &failed.error {
                Error::ProofRefused(
                    Refusal::ChannelBindingsDontMatch | Refusal::ServerDoesSupportChannelBinding,
                    _,
                ) => true,
                error => error.refused().is_some_and(Refused::is_temporary),
            };
            if is_final || !failed.usable {
                break;
            }
        }
        Err(failed)
    }

    /// What goes before every login: nothing of it tells who logs in.
    fn before_login(&mut self) -> Result<(), Error> {
        self.link.ensure_capabilities()?;
        self.link.client.check_privacy()?;
        self.utf8_if_wanted()
    }

    fn judge(&self, credentials: &Credentials) -> Vec<Offered> {
        let link = &self.link;
        let list = link.capabilities.clone().unwrap_or_default();
        let summary = *list.summary();
        let mut names: Vec<&[u8]> = list.mechanisms().collect();
        // A server without CAPA, or one that announces no way at all, is taken to know the ways of RFC 1939.
        if summary.user || names.is_empty() {
            names.push(Method::UserPass.name().as_bytes());
        }
        #[cfg(feature = "legacy-md5")]
        if link.client.has_timestamp() {
            names.push(Method::Apop.name().as_bytes());
        }
        let tls = self.tls();
        let binding = match credentials.policy.binding {
            ChannelBinding::Exporter => tls.is_some_and(|tls| tls.tls_exporter().is_some()),
            ChannelBinding::ServerEndPoint => tls.is_some_and(|tls| tls.tls_server_end_point().is_some()),
            ChannelBinding::Off => false,
        };
        let facts = Facts {
            tls: tls.is_some(),
            private: link.client.check_privacy().is_ok(),
            certificate_shown: tls.is_some_and(|tls| tls.client_certificate_shown()),
            binding,
            binding_spent: link.exporter_spent,
            utf8_user: summary.utf8_user,
        };
        judge(names, credentials, facts)
    }

    fn attempt(&mut self, method: Method, by: &Credentials, plus_offered: bool) -> Result<(), Attempt> {
        log::debug!("logging in by {method}");
        let authzid = by.authzid.as_deref().map(|authzid| prepared(Part::Authzid, authzid)).transpose()?;
        let authzid = authzid.as_ref().map(|authzid| authzid.as_str());
        let manner = Manner { withhold: by.policy.withholds_initial_response, token: false };
        let link = &mut *self.link;
        match (&by.proof, method) {
            (Proof::Certificate | Proof::Password { .. }, Method::External) => {
                exchange::run(link, &mut External::new(authzid)?, manner)
            }
            (Proof::Token { user, token }, method) => {
                let manner = Manner { token: true, ..manner };
                let name = authzid.unwrap_or(user);
                if method == Method::XOAuth2 {
                    return exchange::run(link, &mut XOAuth2::new(name, token)?, manner);
                }
                let (host, port) = match link.towards.clone() {
                    Some((host, port)) => (Some(host), Some(port)),
                    None => (None, None),
                };
                let mut mechanism = OAuthBearer::new(name, host.as_deref(), port, token)?;
                exchange::run(link, &mut mechanism, manner)
            }
            (Proof::Password { user, password, .. }, Method::Plain) => {
                exchange::run(link, &mut Plain::new(authzid, user, password)?, manner)
            }
            (Proof::Password { user, password, .. }, Method::Login) => {
                exchange::run(link, &mut Login::new(user, password)?, manner)
            }
            #[cfg(feature = "legacy-md5")]
            (Proof::Password { user, password, .. }, Method::CramMd5) => {
                exchange::run(link, &mut pop3_proto::sasl::CramMd5::new(user, password)?, manner)
            }
            (Proof::Password { user, password, .. }, Method::UserPass) => {
                user_pass(link, user.as_bytes(), password.as_bytes())
            }
            #[cfg(feature = "legacy-md5")]
            (Proof::Password { user, password, .. }, Method::Apop) => Ok(apop(link, user, password)?),
            (Proof::Password { user, password, .. }, method) => {
                let user = prepared(Part::Authcid, user)?;
                let password = prepared(Part::Password, password)?;
                let nonce = nonce()?;
                let (exporter, end_point) = self.binding(&by.policy.binding);
                let binding = match (&exporter, &end_point) {
                    (Some(exporter), _) if method.is_plus() => Binding::Exporter(exporter),
                    (None, Some(end_point)) if method.is_plus() => Binding::ServerEndPoint(end_point),
                    // To say "not offered" where it is would make the server take us for attacked (R5802-6.3).
                    (None, None) => Binding::Unsupported,
                    _ if plus_offered => Binding::Unsupported,
                    _ => Binding::NotOffered,
                };
                let hash = match method {
                    Method::ScramSha512Plus | Method::ScramSha512 => ScramHash::Sha512,
                    Method::ScramSha256Plus | Method::ScramSha256 => ScramHash::Sha256,
                    _ => ScramHash::Sha1,
                };
                let scram = Scram::new(hash, binding, authzid, &user, &password, nonce.as_str())?;
                let mut scram = scram.with_iterations(by.policy.iterations.clone());
                self.link.exporter_spent |= method.is_plus() && exporter.is_some();
                exchange::run(&mut self.link, &mut scram, manner)
            }
            (Proof::Certificate, _) => Err(Error::NoMethod(Box::default()).into()),
        }
    }

    /// The value to bind to, of the kind that is wanted.
    fn binding(&self, kind: &ChannelBinding) -> (Option<Zeroizing<[u8; 32]>>, Option<Vec<u8>>) {
        let Some(tls) = self.tls() else { return (None, None) };
        match kind {
            ChannelBinding::Exporter => (tls.tls_exporter().map(Zeroizing::new), None),
            ChannelBinding::ServerEndPoint => (None, tls.tls_server_end_point()),
            ChannelBinding::Off => (None, None),
        }
    }

    fn failed(self, attempt: Attempt) -> LoginFailed<S> {
        let connection = if attempt.usable { Some(self) } else { None };
        LoginFailed { error: attempt.error, connection }
    }
}

fn user_pass<S: Stream>(link: &mut Link<S>, user: &[u8], password: &[u8]) -> Result<(), Attempt> {
    let (user, password) =
        (Arg::new(user).map_err(Error::from)?, Secret::new(password).map_err(Error::from)?);
    let pass = Command::Pass(password);
    // Before the name is out, which could only be followed by a password or the end.
    let (octets, limit) = (pass.encoded_len(), link.options.limits.command);
    if octets > limit {
        return Err(Error::from(SendError::TooLong { octets, limit }).into());
    }
    if !password.expose().is_ascii() && !link.client.capabilities().utf8_user {
        return Err(Error::from(SendError::NonAscii).into());
    }
    link.command(&Command::User(user), |_| ())?;
    match link.command(&pass, |_| ()) {
        Ok(_) => Ok(()),
        // Nothing but PASS and QUIT may follow now (R1939-7.8).
        Err(error @ Error::NotSent(_)) => Err(Attempt { error, usable: false }),
        Err(error) => Err(error.into()),
    }
}

/// Name and secret are prepared on both sides (R6856-2.2.2).
#[cfg(feature = "legacy-md5")]
fn apop<S: Stream>(link: &mut Link<S>, user: &str, password: &str) -> Result<(), Error> {
    let (user, password) = (prepared(Part::Authcid, user)?, prepared(Part::Password, password)?);
    let timestamp = pop3_proto::apop::timestamp(&link.greeting).ok_or(SendError::NoTimestamp)?;
    let digest = pop3_proto::apop::digest(timestamp, password.as_bytes());
    let (name, digest) = (Arg::new(user.as_bytes())?, Arg::new(&digest)?);
    link.command(&Command::Apop { name, digest }, |_| ())?;
    Ok(())
}

/// `text` as SASLprep makes it: names as queries, passwords as what is stored (RFC 4013, R5802-5.10).
fn prepared(part: Part, text: &str) -> Result<Zeroizing<String>, Error> {
    let kind = if part == Part::Password { Use::Stored } else { Use::Query };
    match prepare(text, kind) {
        Ok(text) => Ok(Zeroizing::new(text.into_owned())),
        Err(error) => Err(Error::Unprepared(part, error)),
    }
}

fn nonce() -> Result<Nonce, Error> {
    let mut random = [0u8; 18];
    random::fill(&mut random)?;
    Ok(Nonce::new(random))
}
