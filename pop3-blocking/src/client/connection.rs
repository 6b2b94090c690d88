//! A connection before login.

use std::net::{TcpStream, ToSocketAddrs};

use pop3_proto::sasl::client::{Exchange, Move};
use pop3_proto::sasl::{ClientMechanism, Plain, SaslError};
use pop3_proto::{Arg, ClientEvent, Command, MechanismName, Secret};
use zeroize::Zeroizing;

use super::capabilities::CapabilityList;
use super::error::{Error, Refused};
use super::link::Link;
use super::options::ClientOptions;
use super::session::Session;
use crate::tls::{ClientTls, ServerName, TlsInfo};
use crate::transport::{Deadline, Stream, Transport};

/// Memory for the messages of a SASL exchange before base64: what a line at the default limit can carry.
const SASL_OCTETS: usize = 9216;

/// A connection to a server on which nobody is logged in: the AUTHORIZATION state.
///
/// Get one with [`connect_tls`](Self::connect_tls) (implicit TLS, port 995), then [`login`](Self::login). A connection
/// that is dropped is closed at once; [`quit`](Self::quit) says goodbye first.
#[must_use]
#[derive(Debug)]
pub struct Connection<S = TcpStream> {
    link: Box<Link<S>>,
}

/// A login that failed, and the connection if it can still be used for another try.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoginFailed<S = TcpStream> {
    /// Why.
    pub error: Error,
    /// The connection. Some servers close it after a failed login all the same (R1939-4.5).
    pub connection: Option<Connection<S>>,
}

impl Connection<TcpStream> {
    /// Connects with implicit TLS, as on port 995, and reads the greeting.
    ///
    /// The certificate must be for `host` (RFC 7817), which may be a DNS name or an IP address.
    ///
    /// # Errors
    ///
    /// - [`Error::Resolve`], [`Error::Connect`]: there is no way to the host.
    /// - [`Error::ServerName`]: `host` is no name that a certificate can be checked against.
    /// - [`Error::Transport`]: the handshake failed, as for a certificate that is not trusted.
    /// - [`Error::Closing`]: the server refused the session with its greeting.
    /// - [`Error::Protocol`], [`Error::TimedOut`]: no POP3 greeting came.
    ///
    /// # Source
    ///
    /// RFC 8314 section 3.3; rows R8314-3.1, R1939-4.2.
    pub fn connect_tls(
        host: &str,
        port: u16,
        tls: &ClientTls,
        options: ClientOptions,
    ) -> Result<Self, Error> {
        let name = ServerName::parse(host)?;
        let transport = tcp(host, port, &options)?;
        let transport = transport.connect_tls(tls, &name, Deadline::after(options.handshake))?;
        Self::over(transport, options)
    }

    /// Connects in clear text, as on port 110, reads the greeting and upgrades with `STLS`.
    ///
    /// Nothing but `CAPA` and `STLS` is sent before TLS is established; if the server does not offer `STLS` the
    /// connection is closed (R2595-4.8).
    ///
    /// # Errors
    ///
    /// As [`connect_tls`](Self::connect_tls), and [`Error::NoTls`].
    pub fn connect_stls(
        host: &str,
        port: u16,
        tls: &ClientTls,
        options: ClientOptions,
    ) -> Result<Self, Error> {
        let name = ServerName::parse(host)?;
        Self::over(tcp(host, port, &options)?, options)?.stls(tls, &name)
    }

    /// Connects in clear text and stays so: everything can be read and changed on the way.
    ///
    /// A login is refused until [`allow_cleartext_login`](Self::allow_cleartext_login) is called.
    ///
    /// # Errors
    ///
    /// As [`connect_tls`](Self::connect_tls).
    pub fn connect_cleartext(host: &str, port: u16, options: ClientOptions) -> Result<Self, Error> {
        Self::over(tcp(host, port, &options)?, options)
    }
}

impl<S: Stream> Connection<S> {
    /// Takes over a transport on which nothing has been said yet, and reads the greeting.
    ///
    /// Any stream will do: see [`Stream`] and [`Untimed`](crate::transport::Untimed).
    ///
    /// # Errors
    ///
    /// [`Error::Closing`] if the server refuses the session; [`Error::Protocol`], [`Error::TimedOut`],
    /// [`Error::Transport`].
    pub fn over(transport: Transport<S>, options: ClientOptions) -> Result<Self, Error> {
        let mut link = Link::new(transport, options);
        link.event(usize::MAX, |event| match event {
            ClientEvent::Greeting(line) if line.is_ok() => Ok(()),
            ClientEvent::Greeting(line) => Err(Error::Closing(Refused::by_notice(&line))),
            _ => Err(pop3_proto::Error::PeerMisbehaved(pop3_proto::PeerMisbehaved::NotAGreeting).into()),
        })??;
        Ok(Self { link })
    }

    /// What the server announces. Asked once; again after TLS has started.
    ///
    /// A server that does not know `CAPA` announces nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closing`], [`Error::Protocol`], [`Error::TimedOut`], [`Error::Transport`].
    pub fn capabilities(&mut self) -> Result<CapabilityList, Error> {
        self.link.ensure_capabilities()?;
        Ok(self.link.capabilities.clone().unwrap_or_default())
    }

    /// Upgrades to TLS with `STLS`. What was learned before is forgotten.
    ///
    /// # Errors
    ///
    /// The connection is gone in every case. [`Error::NoTls`]: the server does not offer it, or refused.
    /// [`Error::Protocol`]: octets stood behind the `+OK`, which is an attack. [`Error::Transport`]: the handshake failed.
    ///
    /// # Source
    ///
    /// RFC 2595 section 4; rows R2595-4.3 to R2595-4.8.
    pub fn stls(mut self, tls: &ClientTls, name: &ServerName) -> Result<Self, Error> {
        self.link.ensure_capabilities()?;
        if self.link.capabilities.as_ref().is_some_and(|list| !list.summary().stls) {
            return Err(Error::NoTls(None));
        }
        match self.link.command(&Command::Stls, |_| ()) {
            Ok(_) => Ok(Self { link: self.link.start_tls(tls, name)? }),
            Err(Error::Refused(refused)) => Err(Error::NoTls(Some(refused))),
            Err(error) => Err(error),
        }
    }

    /// Lets passwords travel in clear text on this connection, where anyone on the path can read them.
    pub fn allow_cleartext_login(&mut self) {
        self.link.client.allow_cleartext_login();
    }

    /// Logs in with a name and a password, by the best way the server offers.
    ///
    /// Today: SASL PLAIN if it is announced, else `USER` and `PASS`. A refusal is final: no second way is tried, as the
    /// server counts failures. Without TLS see [`allow_cleartext_login`](Self::allow_cleartext_login).
    ///
    /// # Errors
    ///
    /// In [`LoginFailed`]: [`Error::Refused`] with the server's words and code, [`Error::NotSent`] if the password would
    /// travel without TLS, [`Error::Argument`] or [`Error::Sasl`] if name or password cannot be sent, and the errors that
    /// end a connection.
    pub fn login(mut self, user: &str, password: &str) -> Result<Session<S>, LoginFailed<S>> {
        if let Err(error) = self.link.ensure_capabilities() {
            return Err(self.failed(error));
        }
        if self
            .link
            .capabilities
            .as_ref()
            .is_some_and(|list| list.has_mechanism(MechanismName::PLAIN.as_str()))
        {
            match Plain::new(None, user, password) {
                Ok(mut plain) => self.authenticate(&mut plain),
                Err(error) => Err(self.failed(error.into())),
            }
        } else {
            self.login_user_pass(user.as_bytes(), password.as_bytes())
        }
    }

    /// Logs in with `USER` and `PASS`.
    ///
    /// # Errors
    ///
    /// As [`login`](Self::login).
    ///
    /// # Source
    ///
    /// RFC 1939 section 7; rows R1939-7.6 to R1939-7.8.
    pub fn login_user_pass(mut self, user: &[u8], password: &[u8]) -> Result<Session<S>, LoginFailed<S>> {
        let said = Arg::new(user).map_err(Error::from).and_then(|user| {
            let password = Secret::new(password)?;
            // Before anything is sent: a USER alone would show the name to the path.
            self.link.client.check_privacy()?;
            // The reply's code counts only if the server announced that it sends some.
            self.link.ensure_capabilities()?;
            self.link.command(&Command::User(user), |_| ())?;
            self.link.command(&Command::Pass(password), |_| ())
        });
        match said {
            Ok(_) => Ok(Session::new(self.link)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Logs in with a SASL mechanism, whether the server announces it or not.
    ///
    /// # Errors
    ///
    /// As [`login`](Self::login). If the server says `+OK` and the mechanism is not satisfied, as it must check the
    /// server's signature, that is [`Error::Sasl`], and the connection is gone.
    ///
    /// # Source
    ///
    /// RFC 5034 section 4; rows R5034-4.5 to R5034-4.14.
    pub fn authenticate(mut self, mechanism: &mut dyn ClientMechanism) -> Result<Session<S>, LoginFailed<S>> {
        match self.exchange(mechanism) {
            Ok(()) => Ok(Session::new(self.link)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Ends the session with `QUIT` and closes. Nothing is removed.
    ///
    /// # Errors
    ///
    /// Why no `+OK` came; the connection is gone in any case.
    pub fn quit(mut self) -> Result<(), Error> {
        let said = self.link.command(&Command::Quit, |_| ());
        self.link.close();
        said.map(|_| ())
    }

    /// What TLS negotiated; `None` in clear text.
    pub fn tls(&self) -> Option<TlsInfo<'_>> {
        self.link.transport().tls()
    }

    fn exchange(&mut self, mechanism: &mut dyn ClientMechanism) -> Result<(), Error> {
        let name = mechanism.name();
        let mut scratch = Zeroizing::new(vec![0u8; SASL_OCTETS]);
        let mut exchange = Exchange::new(mechanism);
        self.link.client.check_privacy()?;
        self.link.ensure_capabilities()?;
        self.link.settle()?;
        let first = exchange.start(&mut scratch)?;
        self.link.write(|client, out| client.authenticate(name, first.initial, out))?;
        let mut cancelled = None;
        loop {
            self.link.flush()?;
            let turn = self.link.event(usize::MAX, |event| match event {
                ClientEvent::Challenge(challenge) => match exchange.challenge(challenge, &mut scratch) {
                    // The message lies behind the decoded challenge.
                    Ok(Move::Respond(raw) | Move::Acknowledge { response: raw, .. }) => {
                        Turn::Respond(challenge.decoded_len(), raw.len())
                    }
                    Ok(Move::Cancel(error)) => Turn::Cancel(error),
                    Err(full) => Turn::Cancel(full.into()),
                },
                ClientEvent::UndecodableChallenge(_) => Turn::Cancel(exchange.undecodable()),
                ClientEvent::Reply(reply) if reply.is_ok() => Turn::Accepted,
                ClientEvent::Reply(reply) => Turn::Refused(Refused::by_reply(&reply)),
                ClientEvent::ClosingNotice(line) => Turn::Refused(Refused::by_notice(&line)),
                _ => Turn::Cancel(SaslError::OutOfOrder),
            })?;
            match turn {
                Turn::Respond(start, octets) => {
                    let raw = scratch.get(start..start.saturating_add(octets)).unwrap_or_default();
                    self.link.write(|client, out| client.respond(raw, out))?;
                }
                Turn::Cancel(error) => {
                    self.link.write(|client, out| client.cancel(out))?;
                    cancelled = Some(error);
                }
                // Only if the mechanism agrees: a server that could not sign has not authenticated us (R5802-5.7).
                Turn::Accepted => return Ok(exchange.success()?),
                Turn::Refused(refused) => return Err(cancelled.map_or(Error::Refused(refused), Error::Sasl)),
            }
        }
    }

    fn failed(self, error: Error) -> LoginFailed<S> {
        let connection = if error.is_harmless() { Some(self) } else { None };
        LoginFailed { error, connection }
    }
}

/// What the server's line asks for.
enum Turn {
    /// Send so many octets of the scratch memory, from this offset.
    Respond(usize, usize),
    Cancel(SaslError),
    Accepted,
    Refused(Refused),
}

pub(crate) fn tcp(host: &str, port: u16, options: &ClientOptions) -> Result<Transport<TcpStream>, Error> {
    let to = format!("{host}:{port}");
    // A literal IPv6 address may come in brackets, as in a URL.
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let addresses = match (bare, port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(source) => return Err(Error::Resolve { to, source }),
    };
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect_timeout(&address, options.connect) {
            Ok(stream) => {
                // Commands are small and wait for their replies: never hold one back.
                if let Err(error) = stream.set_nodelay(true) {
                    log::debug!("TCP_NODELAY: {error}");
                }
                return Ok(Transport::plain(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(Error::Connect { to, source: last })
}
