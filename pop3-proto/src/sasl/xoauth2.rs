//! XOAUTH2, as Google and Microsoft do it: OAUTHBEARER before it was standardised.
//!
//! `user=U^Aauth=Bearer T^A^A`. Who has the token can use it: only under TLS, with the server verified. Allocates
//! nothing, never panics, owns no secret; no token is too long.

use core::fmt;

use super::bearer::{self, Course, Fields};
use super::client::{ClientMechanism, ClientStep, Input};
use super::server::{Query, ServerInput, ServerMechanism, ServerStep};
use super::{Part, SaslError, identity};
use crate::{MechanismName, Sink};

/// What the server says of a token where the user database says no more.
const REFUSAL: &str = r#"{"status":"401","schemes":"bearer"}"#;

/// XOAUTH2 for a client. It borrows the credentials; wiping them is the owner's part.
///
/// It never uses an initial response: tokens seldom fit, and one of the two large servers closes the connection on a
/// long line (RP-XO.1).
pub struct XOAuth2<'a> {
    user: &'a str,
    token: &'a str,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    New,
    Sent,
    Refused,
}

impl<'a> XOAuth2<'a> {
    /// Will log in as `user` by `token`.
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: a part is empty, `user` holds a control character, or `token` something other than
    /// visible ASCII.
    pub fn new(user: &'a str, token: &'a str) -> Result<Self, SaslError> {
        bearer::check(Part::Authzid, user)?;
        bearer::check(Part::Token, token)?;
        Ok(Self { user, token, state: State::New })
    }
}

impl ClientMechanism for XOAuth2<'_> {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::XOAUTH2
    }

    fn client_first(&self) -> bool {
        true
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn wants_two_steps(&self) -> bool {
        true
    }

    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
        match (input, self.state) {
            (Input::Start, State::New | State::Sent) => {
                let head = [&b"user="[..], self.user.as_bytes(), b"\x01"];
                bearer::write(out, head.into_iter(), self.token)?;
                self.state = State::Sent;
                Ok(ClientStep::Send)
            }
            // The server tells why in JSON, and an empty line takes note of it (RP-XO.2).
            (Input::Challenge(report), State::Sent) if !report.is_empty() => {
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

impl fmt::Debug for XOAuth2<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("XOAuth2([redacted])")
    }
}

/// XOAUTH2 for a server. It asks one [`Query::Token`], without host and port, in which `authzid` is the user.
///
/// If the answer is no, it sends the JSON text of [`Answer::TokenRejected`](super::server::Answer::TokenRejected), or a
/// short one of its own, takes whatever the client says to it, and then fails (RP-XO.3). Keys that it does not know are
/// passed over; `user` and `auth` come once each. There is no limit to the token but the caller's.
#[derive(Debug, Default)]
pub struct XOAuth2Server {
    course: Course,
}

impl XOAuth2Server {
    /// Waits for the client's message.
    pub const fn new() -> Self {
        Self { course: Course::New }
    }
}

impl ServerMechanism for XOAuth2Server {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::XOAUTH2
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        self.course.step(input, out, REFUSAL, parse)
    }
}

fn parse(message: &[u8]) -> Result<Option<Query<'_>>, SaslError> {
    let fields = Fields::parse(message, |octet| octet != 0)?;
    let user = fields.user.filter(|user| !user.is_empty()).ok_or(SaslError::Malformed)?;
    let authzid = Some(identity(user)?);
    Ok(fields.token()?.map(|token| Query::Token { authzid, token, host: None, port: None }))
}
