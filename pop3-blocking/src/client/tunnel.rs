//! The way to a server through a proxy: SOCKS5 (RFC 1928, RFC 1929) or `CONNECT` of HTTP (RFC 9110 section 9.3.6).
//!
//! The proxy looks the server's name up, so that nothing about the server leaves by DNS. It learns the name and the port,
//! and sees what anybody on the path sees: TLS is between the client and the server. Of what the proxy says not one octet
//! more is read than belongs to its answer, as the server's first octets may stand right behind it.

use core::fmt;
use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::transport::{Deadline, Input, Stream, Transport, TransportError};

/// Octets of the answer of an HTTP proxy.
const MAX_HEAD: usize = 8192;
/// Octets of the text of a status that are kept.
const MAX_TEXT: usize = 200;
/// Octets that SOCKS5 has room for: of a name, of a user, of a password.
const MAX_FIELD: usize = 255;

/// A proxy, and what it wants to know of us. For [`ClientOptions::proxy`](super::ClientOptions::proxy).
///
/// ```
/// use pop3_blocking::client::{ClientOptions, Proxy};
///
/// let mut options = ClientOptions::default();
/// options.proxy = Some(Proxy::parse("socks5h://localhost:1080")?);
/// # Ok::<(), pop3_blocking::client::ProxyUrlError>(())
/// ```
///
/// The password is wiped when this is dropped, and never shown. It goes to the proxy in clear text: so are both protocols.
#[derive(Clone)]
pub struct Proxy {
    protocol: Protocol,
    host: String,
    port: u16,
    user: Option<String>,
    password: Option<Zeroizing<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Socks5,
    Http,
}

impl Proxy {
    /// A SOCKS5 proxy.
    pub fn socks5(host: impl Into<String>, port: u16) -> Self {
        Self { protocol: Protocol::Socks5, host: host.into(), port, user: None, password: None }
    }

    /// An HTTP proxy that takes `CONNECT`. Many allow it to port 443 only.
    pub fn http_connect(host: impl Into<String>, port: u16) -> Self {
        Self { protocol: Protocol::Http, host: host.into(), port, user: None, password: None }
    }

    /// Says to the proxy who we are, if it asks (SOCKS5), or at once (HTTP).
    #[must_use]
    pub fn with_credentials(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: Some(user.into()), password: Some(Zeroizing::new(password.into())), ..self }
    }

    /// Reads `socks5h://[USER[:PASSWORD]@]HOST[:PORT]` or `http://[USER[:PASSWORD]@]HOST:PORT`; `%` and two hexadecimal
    /// digits stand for an octet of user and password. The port of SOCKS5 is 1080 unless stated.
    ///
    /// # Errors
    ///
    /// [`ProxyUrlError`], which shows nothing of `url`.
    pub fn parse(url: &str) -> Result<Self, ProxyUrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(ProxyUrlError::Scheme)?;
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "socks5h" => Protocol::Socks5,
            "http" => Protocol::Http,
            "socks5" => return Err(ProxyUrlError::LocalNames),
            _ => return Err(ProxyUrlError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((address, port)) => (address, port.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|&port| port > 0).ok_or(ProxyUrlError::Port)?,
            None if protocol == Protocol::Socks5 => 1080,
            None => return Err(ProxyUrlError::Port),
        };
        let is_name = host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._:".contains(&octet));
        if host.is_empty() || !is_name {
            return Err(ProxyUrlError::Host);
        }
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (Some(percent_decoded(user)?), Some(percent_decoded(password)?)),
            None => (None, None),
        };
        let user = user.map(|user| user.as_str().to_owned());
        Ok(Self { protocol, host: host.to_owned(), port, user, password })
    }

    /// Whether it holds a password that is not empty.
    pub fn has_password(&self) -> bool {
        self.password.as_ref().is_some_and(|password| !password.is_empty())
    }

    /// The name or address of the proxy, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Who we are to the proxy, if that was said.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Asks the proxy at the other end of `transport`, on which nothing was said yet, for a way to `host` and `port`, and
    /// gives back the transport that leads there.
    ///
    /// [`Connection`](super::Connection) does this by itself where
    /// [`ClientOptions::proxy`](super::ClientOptions::proxy) is set; this is for streams of the caller's own.
    ///
    /// # Errors
    ///
    /// [`ProxyError`]; the transport is dropped.
    pub fn tunnel<S: Stream>(
        &self,
        mut transport: Transport<S>,
        host: &str,
        port: u16,
        deadline: Deadline,
    ) -> Result<Transport<S>, ProxyError> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_name = bare.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._:".contains(&octet));
        if bare.is_empty() || bare.len() > MAX_FIELD || !is_name {
            return Err(ProxyError::Host);
        }
        let mut wire = Wire { transport: &mut transport, deadline };
        match self.protocol {
            Protocol::Socks5 => self.socks(&mut wire, bare, port)?,
            Protocol::Http => self.connect(&mut wire, bare, port)?,
        }
        Ok(transport)
    }

    fn socks<S: Stream>(&self, wire: &mut Wire<'_, S>, host: &str, port: u16) -> Result<(), ProxyError> {
        const NONE: u8 = 0;
        const PASSWORD: u8 = 2;
        wire.write(if self.user.is_some() { &[5, 2, NONE, PASSWORD] } else { &[5, 1, NONE] })?;
        match (wire.read::<2>()?, &self.user) {
            ([5, NONE], _) => {}
            ([5, PASSWORD], Some(user)) => {
                let password = self.password.as_deref().map_or("", String::as_str);
                let mut message = Zeroizing::new(Vec::with_capacity(3 + 2 * MAX_FIELD));
                message.push(1);
                push_field(&mut message, user)?;
                push_field(&mut message, password)?;
                wire.write(&message)?;
                match wire.read::<2>()? {
                    [1, 0] => {}
                    [1, _] => return Err(ProxyError::Credentials),
                    _ => return Err(ProxyError::NotAProxy),
                }
            }
            ([5, 0xff], _) => return Err(ProxyError::Credentials),
            _ => return Err(ProxyError::NotAProxy),
        }
        let mut request = vec![5, 1, 0];
        match host.parse() {
            Ok(IpAddr::V4(address)) => {
                request.push(1);
                request.extend(address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(4);
                request.extend(address.octets());
            }
            Err(_) => {
                request.push(3);
                push_field(&mut request, host)?;
            }
        }
        request.extend(port.to_be_bytes());
        wire.write(&request)?;
        let [version, reply, _, kind] = wire.read::<4>()?;
        match (version, reply) {
            (5, 0) => {}
            (5, reply) => return Err(ProxyError::Refused { reply }),
            _ => return Err(ProxyError::NotAProxy),
        }
        // The address that the proxy uses itself, which tells us nothing.
        let octets = match kind {
            1 => 4,
            4 => 16,
            3 => {
                let [octets] = wire.read::<1>()?;
                usize::from(octets)
            }
            _ => return Err(ProxyError::NotAProxy),
        };
        for _ in 0..octets.saturating_add(2) {
            wire.read::<1>()?;
        }
        Ok(())
    }

    fn connect<S: Stream>(&self, wire: &mut Wire<'_, S>, host: &str, port: u16) -> Result<(), ProxyError> {
        let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let login = self.user.as_ref().map(|user| {
            let password = self.password.as_deref().map_or("", String::as_str);
            base64(&Zeroizing::new(format!("{user}:{password}")))
        });
        let room = 2 * place.len() + login.as_ref().map_or(0, |login| login.len()) + 128;
        let mut request = Zeroizing::new(String::with_capacity(room));
        for part in ["CONNECT ", &place, " HTTP/1.1\r\nHost: ", &place, "\r\n"] {
            request.push_str(part);
        }
        if let Some(login) = &login {
            if self.user.as_ref().is_some_and(|user| user.contains(':')) {
                return Err(ProxyError::Credentials);
            }
            for part in ["Proxy-Authorization: Basic ", login, "\r\n"] {
                request.push_str(part);
            }
        }
        request.push_str("\r\n");
        wire.write(request.as_bytes())?;
        let head = wire.head()?;
        let line = head.split(|&octet| octet == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut words = line.splitn(3, |&octet| octet == b' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().and_then(|status| std::str::from_utf8(status).ok());
        let status = status.filter(|status| status.len() == 3).and_then(|status| status.parse::<u16>().ok());
        match (version, status) {
            (b"HTTP/1.0" | b"HTTP/1.1", Some(200..=299)) => Ok(()),
            (b"HTTP/1.0" | b"HTTP/1.1", Some(407)) => Err(ProxyError::Credentials),
            (b"HTTP/1.0" | b"HTTP/1.1", Some(status)) => {
                let text = words.next().unwrap_or_default();
                let text = text.get(..MAX_TEXT).unwrap_or(text).escape_ascii().to_string();
                Err(ProxyError::Status { status, text })
            }
            _ => Err(ProxyError::NotAProxy),
        }
    }
}

/// Redacted.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, host, port, .. } = self;
        f.debug_struct("Proxy")
            .field("protocol", protocol)
            .field("host", host)
            .field("port", port)
            .finish_non_exhaustive()
    }
}

/// Octets to and from the proxy, under one deadline.
struct Wire<'a, S> {
    transport: &'a mut Transport<S>,
    deadline: Deadline,
}

impl<S: Stream> Wire<'_, S> {
    fn write(&mut self, octets: &[u8]) -> Result<(), ProxyError> {
        Ok(self.transport.write_all(octets, Duration::MAX, self.deadline)?)
    }

    /// Reads so many octets and not one more.
    fn read<const N: usize>(&mut self) -> Result<[u8; N], ProxyError> {
        let mut octets = [0; N];
        let mut room = octets.as_mut_slice();
        while !room.is_empty() {
            match self.transport.read(room, self.deadline)? {
                Input::Octets(read) => room = room.get_mut(read..).unwrap_or_default(),
                Input::Closed => return Err(ProxyError::Closed),
            }
        }
        Ok(octets)
    }

    /// Reads to the first empty line and not further: an octet at a time, as nothing can be given back.
    fn head(&mut self) -> Result<Vec<u8>, ProxyError> {
        let mut head = Vec::new();
        while !head.ends_with(b"\n\n") && !head.ends_with(b"\n\r\n") {
            if head.len() >= MAX_HEAD {
                return Err(ProxyError::TooLarge { limit: MAX_HEAD });
            }
            head.extend(self.read::<1>()?);
            // What is no HTTP need not be read to an empty line that may never come.
            if head.len() <= 5 && !b"HTTP/".starts_with(&head) {
                return Err(ProxyError::NotAProxy);
            }
        }
        Ok(head)
    }
}

fn push_field(message: &mut Vec<u8>, text: &str) -> Result<(), ProxyError> {
    let octets = u8::try_from(text.len()).map_err(|_| ProxyError::Credentials)?;
    message.push(octets);
    message.extend_from_slice(text.as_bytes());
    Ok(())
}

fn base64(text: &str) -> Zeroizing<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Zeroizing::new(String::with_capacity(text.len().div_ceil(3) * 4));
    for group in text.as_bytes().chunks(3) {
        let octet = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            let is_there = place <= group.len();
            out.push(if is_there { DIGITS.get(digit).copied().map_or('=', char::from) } else { '=' });
        }
    }
    out
}

fn percent_decoded(text: &str) -> Result<Zeroizing<String>, ProxyUrlError> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let mut digit = || octets.next().and_then(|octet| char::from(octet).to_digit(16));
        out.push(match octet {
            b'%' => {
                let (high, low) =
                    (digit().ok_or(ProxyUrlError::Login)?, digit().ok_or(ProxyUrlError::Login)?);
                u8::try_from(high << 4 | low).map_err(|_| ProxyUrlError::Login)?
            }
            octet => octet,
        });
    }
    let text = std::str::from_utf8(&out).map_err(|_| ProxyUrlError::Login)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Why a text names no proxy. It shows nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// It begins with neither `socks5h://` nor `http://`.
    Scheme,
    /// `socks5://`, by which the names of servers would be looked up here: say `socks5h://`.
    LocalNames,
    /// The host is none.
    Host,
    /// The port is none, or missing.
    Port,
    /// `%` without two digits in user or password, or what comes of it is not UTF-8.
    Login,
}

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a proxy is socks5h://HOST:PORT or http://HOST:PORT",
            Self::LocalNames => "say socks5h:// in place of socks5://: the proxy looks the names up",
            Self::Host => "the proxy has no host that can be one",
            Self::Port => "the proxy has no port that can be one",
            Self::Login => "user or password of the proxy cannot be read",
        })
    }
}

impl StdError for ProxyUrlError {}

/// Why there is no way through a proxy. The connection to it is gone, and nothing was said to the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The server's host cannot be told to a proxy: not an ASCII name of up to 255 octets.
    Host,
    /// What answers is no proxy of this kind.
    NotAProxy,
    /// The proxy wants to know who we are, or does not take our user and password, or they are too long for it.
    Credentials,
    /// A SOCKS5 proxy made no connection; its reply as RFC 1928 section 6 has it.
    Refused {
        /// The reply, which is not 0.
        reply: u8,
    },
    /// An HTTP proxy made no connection.
    Status {
        /// The status code.
        status: u16,
        /// The proxy's own words, escaped, and cut to 200 octets.
        text: String,
    },
    /// The answer of an HTTP proxy is too long.
    TooLarge {
        /// The limit in octets.
        limit: usize,
    },
    /// The proxy did not answer in time.
    TimedOut,
    /// The proxy closed the connection within its answer.
    Closed,
    /// The connection to the proxy failed.
    Io(io::Error),
}

impl From<TransportError> for ProxyError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::TimedOut => Self::TimedOut,
            TransportError::Io(error) => Self::Io(error),
            _ => Self::Closed,
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("this host cannot be told to a proxy"),
            Self::NotAProxy => f.write_str("what answers is no proxy of this kind"),
            Self::Credentials => f.write_str("the proxy wants a user and password, or others than these"),
            Self::Refused { reply } => {
                let text = match reply {
                    1 => "general failure",
                    2 => "not allowed by its rules",
                    3 => "network unreachable",
                    4 => "host unreachable",
                    5 => "connection refused",
                    6 => "timed out on the way",
                    7 => "command not supported",
                    8 => "kind of address not supported",
                    _ => "unknown reply",
                };
                write!(f, "the proxy made no connection: {text} ({reply})")
            }
            Self::Status { status, text } => write!(f, "the proxy made no connection: {status} {text}"),
            Self::TooLarge { limit } => write!(f, "the proxy's answer is over the limit of {limit} octets"),
            Self::TimedOut => f.write_str("the proxy did not answer in time"),
            Self::Closed => f.write_str("the proxy closed the connection"),
            Self::Io(error) => write!(f, "connection to the proxy: {error}"),
        }
    }
}

impl StdError for ProxyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
