//! The way to the server: TLS, connection, login.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::net::TcpStream;

use pop3_blocking::client::{
    AuthPolicy, CapabilityList, ClientOptions, Connection, Credentials, Error, LoginFailed, Method, Offered,
    Session, Strength, Verdict,
};
use pop3_blocking::pop3_proto::CodeKind;
use pop3_blocking::tls::ClientTls;

use crate::account::{Account, Auth};
use crate::args::{Common, MinStrength, TlsMode, Utf8};
use crate::exit::{Failure, Stage};
use crate::limits::Limits;
use crate::password::{self, Password};
use crate::srv::Found;

/// All that a login takes, so that it can be done again.
pub(crate) struct Dialer {
    pub(crate) account: Account,
    tls: Option<ClientTls>,
    pub(crate) options: ClientOptions,
    pub(crate) retries: u32,
    pub(crate) mda: Duration,
    pub(crate) header: usize,
    policy: AuthPolicy,
    /// How strong the last login was.
    strength: Cell<Option<Strength>>,
    /// What the server wants from one login to the next.
    pub(crate) login_delay: Cell<Duration>,
    secret: Secret,
    /// For `--srv`, with what is asked then.
    found: Option<(RefCell<Found>, Common)>,
    requires_utf8: bool,
    language: Option<String>,
    /// Whether there is a certificate to show.
    certificate: bool,
}

/// What proves who logs in.
enum Secret {
    /// The certificate alone, or it was not asked for yet.
    None,
    Password(Password),
    Token(Password),
}

impl Dialer {
    /// Reads certificates; asks for nothing and connects to nothing.
    pub(crate) fn new(common: &Common) -> Result<Self, Failure> {
        let account = Account::new(common)?;
        let tls = match account.tls {
            TlsMode::NoneInsecure => None,
            TlsMode::Implicit | TlsMode::Stls => Some(client_tls(common)?),
        };
        let limits = limits(common);
        let found = common.srv.then(|| (RefCell::new(Found::earlier(&account)), common.clone()));
        Ok(Self {
            policy: limits.apply(policy(account.auth, common)),
            account,
            tls,
            options: limits.options,
            retries: limits.retries,
            mda: limits.mda,
            header: limits.header,
            strength: Cell::new(None),
            login_delay: Cell::default(),
            secret: Secret::None,
            found,
            requires_utf8: common.utf8 == Some(Utf8::Require),
            language: common.lang.clone(),
            certificate: common.client_cert.is_some(),
        })
    }

    /// As [`new`](Self::new), and sees to it that there is somebody to log in.
    pub(crate) fn for_login(common: &Common) -> Result<Self, Failure> {
        let account = Account::new(common)?;
        if account.auth.method() != Some(Method::External) {
            account.login_name()?;
        }
        Self::new(common)
    }

    /// Gets the password or token, before there is a server that waits for it.
    pub(crate) fn with_password(mut self, common: &Common) -> Result<Self, Failure> {
        if self.account.auth.method() != Some(Method::External) {
            let secret = password::get(common, self.account.login_name()?)?;
            self.secret =
                if password::is_token(common) { Secret::Token(secret) } else { Secret::Password(secret) };
        }
        Ok(self)
    }

    /// Runs the command for the token again: tokens are good for an hour or so.
    pub(crate) fn renew_token(&mut self, common: &Common) -> Result<(), Failure> {
        if common.token_command.is_some() && matches!(self.secret, Secret::Token(_)) {
            self.secret = Secret::Token(password::get(common, self.account.login_name()?)?);
        }
        Ok(())
    }

    pub(crate) fn connect(&self) -> Result<Connection, Failure> {
        let (host, port) = (self.account.host.as_str(), self.account.port);
        let options = self.options.clone();
        let connected = match (&self.tls, &self.found, self.account.tls) {
            (Some(tls), Some((found, common)), _) => {
                return found.borrow_mut().connect(common, tls, &options);
            }
            (Some(tls), None, TlsMode::Implicit) => Connection::connect_tls(host, port, tls, options),
            (Some(tls), None, _) => Connection::connect_stls(host, port, tls, options),
            (None, ..) => Connection::connect_cleartext(host, port, options).map(|mut connection| {
                connection.allow_cleartext_login();
                connection
            }),
        };
        connected.map_err(|error| Failure::by_client(error, Stage::Connecting))
    }

    /// Logs in, and tells what was announced before.
    pub(crate) fn login(&self) -> Result<(Session, CapabilityList), Failure> {
        let names = match (&self.found, &self.account.user) {
            (Some((found, _)), Some(user)) => found.borrow().names(user),
            (_, user) => vec![user.clone().unwrap_or_default()],
        };
        let mut failed = None;
        for name in &names {
            let mut connection = self.connect()?;
            let announced =
                connection.capabilities().map_err(|error| Failure::by_client(error, Stage::Connecting))?;
            self.login_delay.set(announced.login_delay().unwrap_or_default());
            self.set_up(&mut connection).map_err(in_session)?;
            let credentials = self.credentials(name);
            let offers = connection.offers(&credentials).map_err(in_session)?;
            match finish(connection.log_in(&credentials)) {
                Ok(session) => {
                    if let Some((found, _)) = &self.found {
                        found.borrow_mut().worked(name);
                    }
                    self.strength.set(strength(&offers));
                    return Ok((session, announced));
                }
                // A refusal of the name or of what proves it; the next name gets a connection of its own (R9266-4.1).
                Err(error) if is_about_credentials(&error) => failed = Some(error),
                Err(error) => return Err(Failure::by_client(error, Stage::LoggingIn)),
            }
        }
        let failure = failed.map(|error| Failure::by_client(error, Stage::LoggingIn));
        let mut failure = failure.unwrap_or_else(|| Failure::usage("nobody to log in"));
        if names.len() > 1 {
            failure
                .message
                .push_str("; if the login name is another one, use pops://NAME@HOST instead of --srv");
        }
        Err(failure)
    }

    /// From now on logs in by nothing weaker than what the last login was by: whoever can make a connection fail must not
    /// choose the way in which the next one is made.
    pub(crate) fn keep_strength(&mut self) {
        if let Some(strength) = self.strength.get() {
            self.policy = self.policy.clone().minimum(strength);
        }
    }

    /// What goes before the login, under TLS (R6856-7.1).
    fn set_up(&self, connection: &mut Connection) -> Result<(), Error> {
        if self.requires_utf8 {
            connection.utf8()?;
        }
        if let Some(language) = &self.language {
            let chosen = connection.lang(language)?;
            log::info!("the server answers in {chosen}");
        }
        Ok(())
    }

    /// What [`login`](Self::login) would log in by; with a made-up password where there is none yet.
    pub(crate) fn credentials(&self, name: &str) -> Credentials {
        let credentials = match &self.secret {
            _ if self.account.auth.method() == Some(Method::External) => match name {
                "" => Credentials::certificate(),
                name => Credentials::certificate_as(name),
            },
            Secret::Token(token) => Credentials::token(name, token.as_str()),
            Secret::Password(password) => Credentials::password(name, password.as_str()),
            Secret::None => Credentials::password(name, "x"),
        };
        let credentials = if self.certificate { credentials.or_certificate() } else { credentials };
        credentials.policy(self.policy.clone())
    }
}

/// How strong a login is that is offered these ways: the first that is usable is taken.
fn strength(offers: &[Offered]) -> Option<Strength> {
    let taken = offers.iter().find(|offer| offer.verdict == Verdict::Usable)?;
    taken.method.map(Method::strength)
}

fn is_about_credentials(error: &Error) -> bool {
    error.refused().is_some_and(|refused| matches!(refused.code, None | Some(CodeKind::Auth)))
}

fn finish(done: Result<Session, LoginFailed<TcpStream>>) -> Result<Session, Error> {
    done.map_err(|failed| {
        if let Some(connection) = failed.connection {
            // Some servers take the silence that would follow for an attack.
            if let Err(error) = connection.quit() {
                log::debug!("QUIT after a refused login: {error}");
            }
        }
        failed.error
    })
}

fn policy(auth: Auth, common: &Common) -> AuthPolicy {
    let policy = match auth {
        Auth::Any => AuthPolicy::new(),
        Auth::Offered(method) => AuthPolicy::new().only([method]),
        Auth::Forced(method) => AuthPolicy::new().force_mechanism(method),
    };
    policy.minimum(match common.min_strength.unwrap_or_default() {
        MinStrength::Sent => Strength::SecretSent,
        MinStrength::Proven => Strength::SecretProven,
        MinStrength::Bound => Strength::ChannelBound,
    })
}

pub(crate) fn client_tls(common: &Common) -> Result<ClientTls, Failure> {
    let builder = common.pin.iter().fold(ClientTls::builder(), |builder, pin| builder.pin_spki_sha256(*pin));
    let mut builder = match &common.ca {
        Some(path) => builder.ca_file(path),
        None if common.pin.is_empty() => builder.platform_roots(),
        None => builder.trust_pins_alone(),
    };
    if let (Some(chain), Some(key)) = (&common.client_cert, &common.client_key) {
        builder = builder.client_certificate_files(chain, key);
    }
    builder.build().map_err(|error| Failure::by_tls_config(&error))
}

pub(crate) fn options(common: &Common) -> ClientOptions {
    limits(common).options
}

fn limits(common: &Common) -> Limits {
    let mut limits = Limits::default();
    let options = &mut limits.options;
    options.pipelining = !common.no_pipelining;
    options.proxy.clone_from(&common.proxy);
    options.utf8 = common.utf8 != Some(Utf8::Never);
    if password::is_token(common) {
        // The longest token in base64, and what stands around it.
        options.limits.sasl_line = 90_112;
    }
    if let Some(seconds) = common.timeout {
        let limit = Duration::from_secs(seconds.into());
        options.connect = limit;
        options.handshake = limit;
        options.write = limit;
        options.limits.greeting = limit;
        options.limits.reply = limit;
        options.limits.login = limit;
        options.limits.quit = limit;
    }
    for setting in &common.limit {
        limits.set(*setting);
    }
    if let Some(octets) = common.max_message_octets {
        limits.options.limits.message = octets;
    }
    limits
}

/// Connects, logs in, lets `work` do its work, and says goodbye. Nothing is marked, so that the answer does not matter.
pub(crate) fn with_session<T>(
    common: &Common,
    work: impl FnOnce(&mut Session) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (mut session, _) = Dialer::for_login(common)?.with_password(common)?.login()?;
    let done = work(&mut session);
    // Not within the macro, which does nothing at all where nobody listens.
    let outcome = session.quit();
    log::debug!("QUIT: {outcome:?}");
    done
}

/// For `map_err` on what a session answers.
pub(crate) fn in_session(error: Error) -> Failure {
    Failure::by_client(error, Stage::LoggedIn)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Cli;

    fn dialer(options: &str) -> Dialer {
        let line = format!("pop3 stat pops://a@b --pin {} {options}", "00".repeat(32));
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        Dialer::new(cli.command.common()).unwrap()
    }

    #[test]
    fn a_second_attempt_logs_in_by_nothing_weaker_than_the_first() {
        let minimum = |dialer: &Dialer| {
            let policy = format!("{:?}", dialer.policy);
            policy.split("minimum: ").nth(1).unwrap().split(',').next().unwrap().to_owned()
        };
        let mut dialer = dialer("");
        dialer.keep_strength();
        assert_eq!(minimum(&dialer), "SecretSent");
        for strength in [Strength::SecretProven, Strength::ChannelBound] {
            dialer.strength.set(Some(strength));
            dialer.keep_strength();
            assert_eq!(minimum(&dialer), format!("{strength:?}"));
        }
    }

    #[test]
    fn what_says_more_goes_before_what_says_less() {
        let seconds = |options: &str| {
            let limits = dialer(options).options.limits;
            (limits.reply.as_secs(), limits.login.as_secs(), limits.message)
        };
        assert_eq!(seconds("--limit reply=7 --timeout 9 --limit message=5"), (7, 9, 5));
        assert_eq!(seconds("--max-message-octets 6 --limit message=5 --limit reply=1"), (1, 300, 6));
        let limited = dialer("--limit scram-iterations=9999 --limit retries=0");
        assert!(format!("{:?}", limited.policy).contains("4096..=9999"));
        assert_eq!((limited.retries, dialer("").retries), (0, 1));
    }
}
