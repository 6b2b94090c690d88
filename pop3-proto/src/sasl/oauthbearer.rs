//! OAUTHBEARER (RFC 7628): a bearer token of OAuth 2.0 instead of a password.
//!
//! `n,a=user,^Ahost=h^Aport=p^Aauth=Bearer token^A^A`. Who has the token can use it: only under TLS, with the server
//! verified (R7628-3.1). Allocates nothing, never panics, owns no secret; no token is too long.

use core::fmt;

use super::bearer::{self, Course, Fields};
use super::client::{ClientMechanism, ClientStep, Input};
use super::name::Name;
use super::server::{Query, ServerInput, ServerMechanism, ServerStep};
use super::{Part, SaslError};
use crate::{ArgError, MechanismName, Sink};

/// What the server says of a token where the user database says no more (RFC 7628 section 3.2.2).
const REFUSAL: &str = r#"{"status":"invalid_token"}"#;

/// OAUTHBEARER for a client. It borrows the credentials; wiping them is the owner's part.
pub struct OAuthBearer<'a> {
    user: &'a str,
    host: Option<&'a str>,
    /// In decimal digits.
    port: Option<([u8; 5], usize)>,
    token: &'a str,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    New,
    Sent,
    Refused,
}

impl<'a> OAuthBearer<'a> {
    /// Will log in as `user` by `token`; `host` and `port` say which server is meant, as the caller knows it. Servers may
    /// refuse a wrong one (R7628-3.2).
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: a part is empty, `user` holds a control character, `host` or `token` something other
    /// than visible ASCII, or `port` is 0.
    pub fn new(
        user: &'a str,
        host: Option<&'a str>,
        port: Option<u16>,
        token: &'a str,
    ) -> Result<Self, SaslError> {
        bearer::check(Part::Authzid, user)?;
        bearer::check(Part::Token, token)?;
        if let Some(host) = host {
            bearer::check(Part::Host, host)?;
        }
        if port == Some(0) {
            let problem = ArgError::Forbidden { octet: b'0' };
            return Err(SaslError::Credential { part: Part::Port, problem });
        }
        Ok(Self { user, host, port: port.map(decimal), token, state: State::New })
    }
}

impl ClientMechanism for OAuthBearer<'_> {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::OAUTHBEARER
    }

    fn client_first(&self) -> bool {
        true
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
        match (input, self.state) {
            (Input::Start, State::New | State::Sent) => {
                let port = self.port.as_ref().and_then(|(digits, length)| digits.get(..*length));
                let head = [&b"n,a="[..]].into_iter().chain(escaped(self.user)).chain([&b",\x01"[..]]);
                let head = head.chain(field(b"host=", self.host.map(str::as_bytes)));
                bearer::write(out, head.chain(field(b"port=", port)), self.token)?;
                self.state = State::Sent;
                Ok(ClientStep::Send)
            }
            (Input::Challenge(report), State::Sent) if !report.is_empty() => {
                out.reserve(1)?;
                out.put(b"\x01");
                self.state = State::Refused;
                Ok(ClientStep::Acknowledge)
            }
            (Input::Challenge(_), _) => Err(SaslError::UnexpectedChallenge),
            (Input::Done, State::Sent) => Ok(ClientStep::Finished),
            (Input::Done, State::New) => Err(SaslError::EarlySuccess),
            (Input::Done, State::Refused) => Err(SaslError::Rejected),
            (Input::Start, State::Refused) => Err(SaslError::OutOfOrder),
        }
    }
}

impl fmt::Debug for OAuthBearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuthBearer([redacted])")
    }
}

/// `key`, `value` and what ends them, or nothing.
fn field<'p>(key: &'p [u8], value: Option<&'p [u8]>) -> impl Iterator<Item = &'p [u8]> + Clone {
    value.into_iter().flat_map(move |value| [key, value, b"\x01"])
}

/// `user` as saslname (RFC 5801 section 4): `,` and `=` by their numbers.
fn escaped(user: &str) -> impl Iterator<Item = &[u8]> + Clone {
    user.as_bytes().chunk_by(|a, b| !is_special(*a) && !is_special(*b)).map(|piece| match piece {
        b"," => b"=2C",
        b"=" => b"=3D",
        piece => piece,
    })
}

const fn is_special(octet: u8) -> bool {
    matches!(octet, b',' | b'=')
}

fn decimal(number: u16) -> ([u8; 5], usize) {
    let mut digits = [0; 5];
    let mut length = 0usize;
    for divisor in [10_000, 1000, 100, 10, 1] {
        let [.., digit] = (number.checked_div(divisor).unwrap_or_default() % 10).to_be_bytes();
        if digit != 0 || length > 0 {
            if let Some(place) = digits.get_mut(length) {
                *place = b'0'.saturating_add(digit);
            }
            length = length.saturating_add(1);
        }
    }
    (digits, length)
}

/// OAUTHBEARER for a server. It asks one [`Query::Token`], in which `authzid` is absent if the client named nobody.
///
/// If the answer is no, it sends the JSON text of [`Answer::TokenRejected`](super::server::Answer::TokenRejected), or one
/// with the `status` alone, takes whatever the client says to it, and then fails (R7628-3.3). The same happens, with
/// nothing asked, to a client that sends no token in order to be told where to get one.
///
/// Keys that it does not know are passed over; one of those it knows may come once. A name of more than
/// [`MAX_NAME`](super::MAX_NAME) octets is nobody's, and so is one with control characters. There is no limit to the
/// token but the caller's.
#[derive(Debug, Default)]
pub struct OAuthBearerServer {
    name: Name,
    course: Course,
}

impl OAuthBearerServer {
    /// Waits for the client's message.
    pub const fn new() -> Self {
        Self { name: Name::new(), course: Course::New }
    }
}

impl ServerMechanism for OAuthBearerServer {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::OAUTHBEARER
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        let name = &mut self.name;
        self.course.step(input, out, REFUSAL, |message| parse(message, name))
    }
}

/// `gs2-header kvsep *kvpair kvsep` (RFC 7628 section 3.1).
fn parse<'a>(message: &'a [u8], name: &'a mut Name) -> Result<Option<Query<'a>>, SaslError> {
    // No channel binding, or one that the client takes us not to offer, which is so.
    let rest = message.strip_prefix(b"n,").or_else(|| message.strip_prefix(b"y,"));
    let rest = rest.ok_or(SaslError::Malformed)?;
    let end = memchr::memchr(b',', rest).ok_or(SaslError::Malformed)?;
    let (authzid, rest) = rest.split_at_checked(end).ok_or(SaslError::Malformed)?;
    let fields = rest.strip_prefix(b",\x01").ok_or(SaslError::Malformed)?;
    let fields = Fields::parse(fields, |octet| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n'))?;
    let authzid = match authzid {
        [] => None,
        authzid => {
            unescape(authzid.strip_prefix(b"a=").ok_or(SaslError::Malformed)?, name)?;
            Some(name.as_str())
        }
    };
    let host = match fields.host.unwrap_or_default() {
        [] => None,
        host if host.iter().all(u8::is_ascii_graphic) => core::str::from_utf8(host).ok(),
        _ => return Err(SaslError::Malformed),
    };
    let port = match fields.port.unwrap_or_default() {
        [] => None,
        digits => Some(number(digits).ok_or(SaslError::Malformed)?),
    };
    Ok(fields.token()?.map(|token| Query::Token { authzid, token, host, port }))
}

fn unescape(text: &[u8], name: &mut Name) -> Result<(), SaslError> {
    if text.is_empty() {
        return Err(SaslError::Malformed);
    }
    let mut pieces = text.split(|&octet| octet == b'=');
    let first = pieces.next().unwrap_or_default();
    let wrong = |piece: &[u8]| !piece.starts_with(b"2C") && !piece.starts_with(b"3D");
    if pieces.clone().any(wrong) {
        return Err(SaslError::Malformed);
    }
    let rest = pieces.flat_map(|piece| {
        let octet: &[u8] = if piece.starts_with(b"2C") { b"," } else { b"=" };
        [octet, piece.get(2..).unwrap_or_default()]
    });
    name.set([first].into_iter().chain(rest))
}

/// A port: digits, neither 0 nor led by one.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}
