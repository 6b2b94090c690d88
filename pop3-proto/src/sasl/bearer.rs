//! What OAUTHBEARER and XOAUTH2 have in common: fields parted by ^A, and the refusal that takes one more round.
//!
//! Nothing here looks into the token. Messages are read where they lie, so their length is the caller's matter.

use super::server::{Answer, Query, ServerInput, ServerStep};
use super::{Part, SaslError};
use crate::{ArgError, Secret, Sink};

/// What ends each field, and after them the message.
const SEPARATOR: u8 = 1;
/// How the client writes the scheme; servers take it in any case (R7628-3.1).
const SCHEME: &[u8] = b"Bearer ";

/// Client: refuses what would end a field early, or could not be told from something else. `texts` of names may hold
/// anything but control characters; all others are visible ASCII.
pub(super) fn check(part: Part, text: &str) -> Result<(), SaslError> {
    let allowed = |octet: &u8| match part {
        Part::Authzid | Part::Authcid => !octet.is_ascii_control(),
        _ => octet.is_ascii_graphic(),
    };
    let problem = match text.bytes().find(|octet| !allowed(octet)) {
        Some(octet) => ArgError::Forbidden { octet },
        None if text.is_empty() => ArgError::Empty,
        None => return Ok(()),
    };
    Err(SaslError::Credential { part, problem })
}

/// Client: the fields, `auth` last, and the end of the message. Writes all or nothing.
pub(super) fn write<'p>(
    out: &mut dyn Sink,
    head: impl Iterator<Item = &'p [u8]> + Clone,
    token: &'p str,
) -> Result<(), SaslError> {
    let parts = head.chain([b"auth=", SCHEME, token.as_bytes(), &[SEPARATOR, SEPARATOR]]);
    out.reserve(parts.clone().fold(0, |sum, part| sum.saturating_add(part.len())))?;
    parts.for_each(|part| out.put(part));
    Ok(())
}

/// Server: the fields of a message, in any order; those of other names are nobody's business.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'a> {
    pub(super) user: Option<&'a [u8]>,
    pub(super) host: Option<&'a [u8]>,
    pub(super) port: Option<&'a [u8]>,
    auth: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// `*kvpair kvsep` of RFC 7628 section 3.1. `text` tells which octets a value may be of.
    pub(super) fn parse(mut rest: &'a [u8], text: fn(u8) -> bool) -> Result<Self, SaslError> {
        let mut fields = Self::default();
        while rest != [SEPARATOR] {
            let end = memchr::memchr(SEPARATOR, rest).ok_or(SaslError::Malformed)?;
            let (field, tail) = rest.split_at_checked(end).ok_or(SaslError::Malformed)?;
            let at = memchr::memchr(b'=', field).ok_or(SaslError::Malformed)?;
            let (key, value) = field.split_at_checked(at).ok_or(SaslError::Malformed)?;
            let value = value.get(1..).unwrap_or_default();
            if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) || !value.iter().all(|&b| text(b)) {
                return Err(SaslError::Malformed);
            }
            let known = match key {
                b"user" => Some(&mut fields.user),
                b"host" => Some(&mut fields.host),
                b"port" => Some(&mut fields.port),
                b"auth" => Some(&mut fields.auth),
                _ => None,
            };
            // Of two that differ nobody knows which one counts.
            if known.is_some_and(|known| known.replace(value).is_some()) {
                return Err(SaslError::Malformed);
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        Ok(fields)
    }

    /// The token of `auth`; `None` if the client sent none so as to be told where to get one (RFC 7628 section 4.3).
    pub(super) fn token(&self) -> Result<Option<Secret<'a>>, SaslError> {
        let auth = self.auth.ok_or(SaslError::Malformed)?;
        if auth.is_empty() {
            return Ok(None);
        }
        let (scheme, token) = auth.split_at_checked(SCHEME.len()).ok_or(SaslError::Malformed)?;
        let blanks = token.iter().take_while(|&&octet| octet == b' ').count();
        let token = token.get(blanks..).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case(SCHEME) || !token.iter().all(u8::is_ascii_graphic) {
            return Err(SaslError::Malformed);
        }
        Secret::new(token).map(Some).map_err(|_| SaslError::Malformed)
    }
}

/// Server: how far the exchange is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Course {
    /// The message is awaited; nothing was written yet, or an empty challenge.
    #[default]
    New,
    /// The answer is awaited.
    Asked,
    /// The token was refused, and the client is to take note of it.
    Refused,
    Over,
}

impl Course {
    /// Takes in all that comes. `parse` makes the question out of the message; it is `None` where the client asked to be
    /// refused. `refusal` is what is said where the answer has no words of its own.
    pub(super) fn step<'a>(
        &mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
        refusal: &'static str,
        parse: impl FnOnce(&'a [u8]) -> Result<Option<Query<'a>>, SaslError>,
    ) -> Result<ServerStep<'a>, SaslError> {
        let before = core::mem::replace(self, Self::Over);
        let report = match (input, before) {
            (ServerInput::Start(None), Self::New) => {
                *self = Self::New;
                return Ok(ServerStep::Challenge);
            }
            (ServerInput::Start(Some(message)) | ServerInput::Response(message), Self::New) => {
                if let Some(query) = parse(message)? {
                    *self = Self::Asked;
                    return Ok(ServerStep::Ask(query));
                }
                refusal.as_bytes()
            }
            (ServerInput::Answer(Answer::Accepted), Self::Asked) => return Ok(ServerStep::Done),
            (ServerInput::Answer(Answer::TokenRejected(report)), Self::Asked) => report,
            (ServerInput::Answer(_), Self::Asked) => refusal.as_bytes(),
            // Whatever it says: clients send ^A, nothing, or something else (R7628-3.3, RP-XO.3).
            (ServerInput::Response(_), Self::Refused) => return Err(SaslError::Rejected),
            _ => return Err(SaslError::OutOfOrder),
        };
        if let Err(full) = out.reserve(report.len()) {
            *self = before;
            return Err(full.into());
        }
        out.put(report);
        *self = Self::Refused;
        Ok(ServerStep::Challenge)
    }
}
