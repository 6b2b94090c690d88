//! CRAM-MD5 (RFC 2195): the client shows that it knows the password by a digest over the server's challenge.
//!
//! For old peers. The server must know the password itself, whoever reads the exchange can try passwords, and nothing
//! shows the client who the server is: only under TLS, and only where there is nothing better (R2195-2.1).
//! Allocates nothing, never panics, keeps no secret.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use subtle::ConstantTimeEq as _;

use super::client::{ClientMechanism, ClientStep, Input};
use super::name::Name;
use super::server::{Answer, Query, ServerInput, ServerMechanism, ServerStep, Setup};
use super::{Part, SaslError, check};
use crate::apop::{Timestamp, hex};
use crate::{MechanismName, Sink};

/// CRAM-MD5 for a client. It borrows the credentials; wiping them is the owner's part.
pub struct CramMd5<'a> {
    authcid: &'a str,
    secret: &'a str,
    answered: bool,
}

impl<'a> CramMd5<'a> {
    /// Will log in as `authcid` by the password `secret`. CRAM-MD5 cannot act as somebody else.
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: a part is empty or holds NUL. Everything else is used as it stands.
    pub fn new(authcid: &'a str, secret: &'a str) -> Result<Self, SaslError> {
        check(Part::Authcid, authcid)?;
        check(Part::Password, secret)?;
        Ok(Self { authcid, secret, answered: false })
    }
}

impl ClientMechanism for CramMd5<'_> {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::CRAM_MD5
    }

    fn client_first(&self) -> bool {
        false
    }

    fn sends_password_in_clear(&self) -> bool {
        false
    }

    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
        match input {
            Input::Challenge(challenge) if !self.answered => {
                out.reserve(self.authcid.len().saturating_add(33))?;
                let digest = keyed_digest(self.secret.as_bytes(), challenge).ok_or(SaslError::OutOfOrder)?;
                out.put(self.authcid.as_bytes());
                out.put(b" ");
                out.put(&hex::<16, 32>(digest));
                self.answered = true;
                Ok(ClientStep::Send)
            }
            Input::Challenge(_) => Err(SaslError::UnexpectedChallenge),
            Input::Start => Err(SaslError::OutOfOrder),
            Input::Done if self.answered => Ok(ClientStep::Finished),
            Input::Done => Err(SaslError::EarlySuccess),
        }
    }
}

impl fmt::Debug for CramMd5<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CramMd5([redacted])")
    }
}

/// CRAM-MD5 for a server. It asks [`Query::Secret`], and once the digest is right [`Query::Authorize`].
///
/// The challenge is a message-id out of [`Setup::random`] and [`Setup::host`]; a host that can stand in none is
/// replaced by `localhost`. A name of more than [`MAX_NAME`](super::MAX_NAME) octets is nobody's, and so is one with
/// control characters. The digest is in lower-case letters.
#[derive(Debug)]
pub struct CramMd5Server {
    challenge: Timestamp,
    name: Name,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    New,
    Challenged,
    /// The secret was asked for; this is the client's digest.
    Asked([u8; 16]),
    Proven,
    Over,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "New",
            Self::Challenged => "Challenged",
            Self::Asked(_) => "Asked([redacted])",
            Self::Proven => "Proven",
            Self::Over => "Over",
        })
    }
}

impl CramMd5Server {
    /// Waits for the start. Its challenge is as fresh as `setup` is.
    pub fn new(setup: &Setup<'_>) -> Self {
        let challenge = Timestamp::new(setup.host, 0, setup.random)
            .unwrap_or_else(|_| Timestamp::on_localhost(0, setup.random));
        Self { challenge, name: Name::new(), state: State::New }
    }
}

impl ServerMechanism for CramMd5Server {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::CRAM_MD5
    }

    fn sends_password_in_clear(&self) -> bool {
        false
    }

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        if matches!(self.state, State::New) {
            out.reserve(self.challenge.as_bytes().len())?;
        }
        match (input, core::mem::replace(&mut self.state, State::Over)) {
            (ServerInput::Start(Some(_)), State::New) => Err(SaslError::UnexpectedInitialResponse),
            (ServerInput::Start(None), State::New) => {
                out.put(self.challenge.as_bytes());
                self.state = State::Challenged;
                Ok(ServerStep::Challenge)
            }
            (ServerInput::Response(message), State::Challenged) => {
                let (name, digest) = parse(message)?;
                self.name.set([name])?;
                self.state = State::Asked(digest);
                Ok(ServerStep::Ask(Query::Secret { authcid: self.name.as_str() }))
            }
            (ServerInput::Answer(Answer::Secret(secret)), State::Asked(theirs)) => {
                let ours = keyed_digest(secret.expose(), self.challenge.as_bytes());
                if !ours.is_some_and(|ours| bool::from(ours.ct_eq(&theirs))) {
                    return Err(SaslError::Rejected);
                }
                self.state = State::Proven;
                Ok(ServerStep::Ask(Query::Authorize { authzid: None, authcid: self.name.as_str() }))
            }
            (ServerInput::Answer(Answer::Accepted), State::Proven) => Ok(ServerStep::Done),
            (ServerInput::Answer(_), State::Asked(_) | State::Proven) => Err(SaslError::Rejected),
            _ => Err(SaslError::OutOfOrder),
        }
    }
}

/// `user SP digest`. A name may have spaces, a digest has none: the last one parts them (PB-K18).
fn parse(message: &[u8]) -> Result<(&[u8], [u8; 16]), SaslError> {
    let at = memchr::memrchr(b' ', message).ok_or(SaslError::Malformed)?;
    let (name, rest) = message.split_at_checked(at).ok_or(SaslError::Malformed)?;
    let text = rest.get(1..).unwrap_or_default();
    if name.is_empty() || text.len() != 32 {
        return Err(SaslError::Malformed);
    }
    let mut digest = [0; 16];
    for (octet, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
        for &digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit.wrapping_sub(b'0'),
                b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
                _ => return Err(SaslError::Malformed),
            };
            *octet = (*octet << 4) | value;
        }
    }
    Ok((name, digest))
}

/// HMAC-MD5. It is never `None`: a key of any length will do, which the types do not tell.
fn keyed_digest(secret: &[u8], challenge: &[u8]) -> Option<[u8; 16]> {
    let mut mac = Hmac::<md5::Md5>::new_from_slice(secret).ok()?;
    mac.update(challenge);
    Some(mac.finalize().into_bytes().into())
}
