//! ANONYMOUS (RFC 4505): nobody in particular, with a word for the server's log.
//!
//! `message = [ email / token ]`: an address, a word of up to 255 characters, or nothing at all. It proves nothing.
//! Allocates nothing, never panics, holds no secret.

use core::fmt;

use super::client::{ClientMechanism, ClientStep, Input};
use super::server::{Query, ServerInput, ServerMechanism, ServerStep, one_message};
use super::{Part, SaslError};
use crate::{ArgError, MechanismName, Sink};

/// How many characters the trace of a client may have.
const MAX_TRACE: usize = 255;

/// ANONYMOUS for a client.
pub struct Anonymous<'a> {
    trace: &'a str,
    sent: bool,
}

impl<'a> Anonymous<'a> {
    /// Will say `trace` of itself: an address, a word, or nothing.
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: `trace` has more than 255 characters, holds a control character, or an `@` without
    /// something on both sides.
    pub fn new(trace: &'a str) -> Result<Self, SaslError> {
        match check(trace) {
            Some(problem) => Err(SaslError::Credential { part: Part::Trace, problem }),
            None => Ok(Self { trace, sent: false }),
        }
    }
}

impl ClientMechanism for Anonymous<'_> {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::ANONYMOUS
    }

    fn client_first(&self) -> bool {
        true
    }

    fn sends_password_in_clear(&self) -> bool {
        false
    }

    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
        match input {
            Input::Start => {
                out.reserve(self.trace.len())?;
                out.put(self.trace.as_bytes());
                self.sent = true;
                Ok(ClientStep::Send)
            }
            Input::Challenge(_) => Err(SaslError::UnexpectedChallenge),
            Input::Done if self.sent => Ok(ClientStep::Finished),
            Input::Done => Err(SaslError::EarlySuccess),
        }
    }
}

impl fmt::Debug for Anonymous<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Anonymous([redacted; {} octets])", self.trace.len())
    }
}

/// ANONYMOUS for a server. It asks one [`Query::Anonymous`].
#[derive(Debug, Default)]
pub struct AnonymousServer {
    asked: bool,
}

impl AnonymousServer {
    /// Waits for the client's message.
    pub const fn new() -> Self {
        Self { asked: false }
    }
}

impl ServerMechanism for AnonymousServer {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::ANONYMOUS
    }

    fn sends_password_in_clear(&self) -> bool {
        false
    }

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        _out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        one_message(&mut self.asked, input, parse)
    }
}

fn parse(message: &[u8]) -> Result<Query<'_>, SaslError> {
    let trace = core::str::from_utf8(message).map_err(|_| SaslError::Malformed)?;
    if check(trace).is_some() { Err(SaslError::Malformed) } else { Ok(Query::Anonymous { trace }) }
}

/// What is wrong with `trace`. Control characters have no place in a line of a log (RFC 4505 section 3).
fn check(trace: &str) -> Option<ArgError> {
    if trace.chars().nth(MAX_TRACE).is_some() {
        return Some(ArgError::TooLong { limit: MAX_TRACE });
    }
    if let Some(control) = trace.chars().find(|c| c.is_control()) {
        let mut encoded = [0; 4];
        let octet = control.encode_utf8(&mut encoded).bytes().next().unwrap_or_default();
        return Some(ArgError::Forbidden { octet });
    }
    match trace.rsplit_once('@') {
        Some((local, domain)) if local.is_empty() || domain.is_empty() => {
            Some(ArgError::Forbidden { octet: b'@' })
        }
        _ => None,
    }
}
