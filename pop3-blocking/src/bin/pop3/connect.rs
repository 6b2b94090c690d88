//! The way to the server: TLS, connection, login.

use core::time::Duration;
use std::net::TcpStream;

use pop3_blocking::client::{CapabilityList, ClientOptions, Connection, Session};
use pop3_blocking::pop3_proto::sasl::{ClientMechanism, External, Plain, SaslError};
use pop3_blocking::tls::ClientTls;

use crate::account::{Account, Auth};
use crate::args::{Common, TlsMode};
use crate::exit::{Failure, Stage};
use crate::password::{self, Password};

/// All that a login takes, so that it can be done again.
pub(crate) struct Dialer {
    pub(crate) account: Account,
    tls: Option<ClientTls>,
    pub(crate) options: ClientOptions,
    password: Option<Password>,
}

impl Dialer {
    /// Reads certificates; asks for nothing and connects to nothing.
    pub(crate) fn new(common: &Common) -> Result<Self, Failure> {
        let account = Account::new(common)?;
        let tls = match account.tls {
            TlsMode::NoneInsecure => None,
            TlsMode::Implicit | TlsMode::Stls => Some(client_tls(common)?),
        };
        Ok(Self { account, tls, options: options(common), password: None })
    }

    /// As [`new`](Self::new), and sees to it that there is somebody to log in.
    pub(crate) fn for_login(common: &Common) -> Result<Self, Failure> {
        let account = Account::new(common)?;
        if account.auth != Auth::External {
            account.login_name()?;
        }
        Self::new(common)
    }

    /// Gets the password, before there is a server that waits for it.
    pub(crate) fn with_password(mut self, common: &Common) -> Result<Self, Failure> {
        if self.account.auth != Auth::External {
            self.password = Some(password::get(common, self.account.login_name()?)?);
        }
        Ok(self)
    }

    pub(crate) fn connect(&self) -> Result<Connection, Failure> {
        let (host, port) = (self.account.host.as_str(), self.account.port);
        let options = self.options.clone();
        let connected = match (&self.tls, self.account.tls) {
            (Some(tls), TlsMode::Implicit) => Connection::connect_tls(host, port, tls, options),
            (Some(tls), _) => Connection::connect_stls(host, port, tls, options),
            (None, _) => Connection::connect_cleartext(host, port, options).map(|mut connection| {
                connection.allow_cleartext_login();
                connection
            }),
        };
        connected.map_err(|error| Failure::by_client(error, Stage::Connecting))
    }

    /// Logs in, and tells what was announced before.
    pub(crate) fn login(&self) -> Result<(Session, CapabilityList), Failure> {
        let mut connection = self.connect()?;
        let announced =
            connection.capabilities().map_err(|error| Failure::by_client(error, Stage::Connecting))?;
        let session = self.login_over(connection)?;
        Ok((session, announced))
    }

    fn login_over(&self, connection: Connection) -> Result<Session, Failure> {
        let user = self.account.user.as_deref();
        let (name, password) = (user.unwrap_or_default(), self.password.as_ref().map_or("", |p| p.as_str()));
        let done = match self.account.auth {
            Auth::Any => connection.login(name, password),
            Auth::UserPass => connection.login_user_pass(name.as_bytes(), password.as_bytes()),
            Auth::Plain => return sasl(connection, Plain::new(None, name, password)),
            Auth::External => return sasl(connection, External::new(user)),
        };
        finish(done)
    }
}

fn sasl(
    connection: Connection,
    mechanism: Result<impl ClientMechanism, SaslError>,
) -> Result<Session, Failure> {
    match mechanism {
        Ok(mut mechanism) => finish(connection.authenticate(&mut mechanism)),
        Err(error) => Err(Failure::by_client(error.into(), Stage::LoggingIn)),
    }
}

fn finish(done: Result<Session, pop3_blocking::client::LoginFailed<TcpStream>>) -> Result<Session, Failure> {
    done.map_err(|failed| {
        if let Some(connection) = failed.connection {
            // Some servers take the silence that would follow for an attack.
            if let Err(error) = connection.quit() {
                log::debug!("QUIT after a refused login: {error}");
            }
        }
        Failure::by_client(failed.error, Stage::LoggingIn)
    })
}

fn client_tls(common: &Common) -> Result<ClientTls, Failure> {
    let mut builder = match &common.ca {
        Some(path) => ClientTls::builder().ca_file(path),
        None => ClientTls::builder().platform_roots(),
    };
    if let (Some(chain), Some(key)) = (&common.client_cert, &common.client_key) {
        builder = builder.client_certificate_files(chain, key);
    }
    builder.build().map_err(|error| Failure::by_tls_config(&error))
}

fn options(common: &Common) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.pipelining = !common.no_pipelining;
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
    if let Some(octets) = common.max_message_octets {
        options.limits.message = octets;
    }
    options
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
pub(crate) fn in_session(error: pop3_blocking::client::Error) -> Failure {
    Failure::by_client(error, Stage::LoggedIn)
}
