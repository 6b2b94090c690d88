//! A connection before login.

use std::net::{TcpStream, ToSocketAddrs};

use pop3_proto::{ClientEvent, Command};

use super::capabilities::CapabilityList;
use super::error::{Error, Refused};
use super::link::Link;
use super::options::ClientOptions;
use crate::tls::{ClientTls, ServerName, TlsInfo};
use crate::transport::{Deadline, Stream, Transport};

/// A connection to a server on which nobody is logged in: the AUTHORIZATION state.
///
/// Get one with [`connect_tls`](Self::connect_tls) (implicit TLS, port 995), then [`log_in`](Self::log_in). A connection
/// that is dropped is closed at once; [`quit`](Self::quit) says goodbye first.
#[must_use]
#[derive(Debug)]
pub struct Connection<S = TcpStream> {
    pub(super) link: Box<Link<S>>,
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
        Ok(Self::over(transport, options)?.towards(host, port))
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
        Self::over(tcp(host, port, &options)?, options)?.towards(host, port).stls(tls, &name)
    }

    /// Connects in clear text and stays so: everything can be read and changed on the way.
    ///
    /// A login is refused until [`allow_cleartext_login`](Self::allow_cleartext_login) is called.
    ///
    /// # Errors
    ///
    /// As [`connect_tls`](Self::connect_tls).
    pub fn connect_cleartext(host: &str, port: u16, options: ClientOptions) -> Result<Self, Error> {
        Ok(Self::over(tcp(host, port, &options)?, options)?.towards(host, port))
    }

    /// Keeps what tokens are told of the server they are for.
    pub(crate) fn towards(mut self, host: &str, port: u16) -> Self {
        self.link.towards = Some((host.to_owned(), port));
        self
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
        link.greeting = link.event(usize::MAX, |event| match event {
            ClientEvent::Greeting(line) if line.is_ok() => Ok(line.text.to_vec()),
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
}

pub(crate) fn tcp(host: &str, port: u16, options: &ClientOptions) -> Result<Transport<TcpStream>, Error> {
    let Some(proxy) = &options.proxy else {
        return dial(host, port, format!("{host}:{port}"), options);
    };
    let to = format!("proxy {}:{}", proxy.host(), proxy.port());
    let transport = dial(proxy.host(), proxy.port(), to, options)?;
    Ok(proxy.tunnel(transport, host, port, Deadline::after(options.connect))?)
}

fn dial(host: &str, port: u16, to: String, options: &ClientOptions) -> Result<Transport<TcpStream>, Error> {
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
