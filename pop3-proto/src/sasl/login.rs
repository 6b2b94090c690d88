//! LOGIN, never standardised: the server asks for the name, then for the password.
//!
//! For old peers that know neither PLAIN nor better; it protects the password no more than PLAIN does, so only under TLS,
//! with the server verified. The server speaks first: there is no initial response (R5034-4.8). What its two challenges
//! say varies, and a client pays no heed to it (RP-LOGIN.1). Allocates nothing, never panics, keeps no secret.

use core::fmt;

use super::client::{ClientMechanism, ClientStep, Input};
use super::name::Name;
use super::server::{Answer, Query, ServerInput, ServerMechanism, ServerStep};
use super::{Part, SaslError, check};
use crate::{MechanismName, Secret, Sink};

/// LOGIN for a client. It borrows the credentials; wiping them is the owner's part.
pub struct Login<'a> {
    authcid: &'a str,
    password: &'a str,
    answered: u8,
}

impl<'a> Login<'a> {
    /// Will log in as `authcid` by `password`. LOGIN cannot act as somebody else.
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: a part is empty or holds NUL. Everything else is sent as it stands.
    pub fn new(authcid: &'a str, password: &'a str) -> Result<Self, SaslError> {
        check(Part::Authcid, authcid)?;
        check(Part::Password, password)?;
        Ok(Self { authcid, password, answered: 0 })
    }
}

impl ClientMechanism for Login<'_> {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::LOGIN
    }

    fn client_first(&self) -> bool {
        false
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
        let (text, answered) = match (input, self.answered) {
            (Input::Challenge(_), 0) => (self.authcid, 1),
            (Input::Challenge(_), 1) => (self.password, 2),
            (Input::Challenge(_), _) => return Err(SaslError::UnexpectedChallenge),
            (Input::Start, _) => return Err(SaslError::OutOfOrder),
            (Input::Done, 2) => return Ok(ClientStep::Finished),
            (Input::Done, _) => return Err(SaslError::EarlySuccess),
        };
        out.reserve(text.len())?;
        out.put(text.as_bytes());
        self.answered = answered;
        Ok(ClientStep::Send)
    }
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login([redacted])")
    }
}

/// LOGIN for a server. It asks one [`Query::Password`].
///
/// A name of more than [`MAX_NAME`](super::MAX_NAME) octets is nobody's, and so is one with control characters.
#[derive(Debug, Default)]
pub struct LoginServer {
    name: Name,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    New,
    WantsName,
    WantsPassword,
    Asked,
    Over,
}

impl LoginServer {
    /// Waits for the start.
    pub const fn new() -> Self {
        Self { name: Name::new(), state: State::New }
    }
}

impl ServerMechanism for LoginServer {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::LOGIN
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        // Clients compare these two, so they are as others have them, capitals and colons included.
        let prompt = match self.state {
            State::New => &b"Username:"[..],
            State::WantsName => b"Password:",
            State::WantsPassword | State::Asked | State::Over => b"",
        };
        out.reserve(prompt.len())?;
        match (input, core::mem::replace(&mut self.state, State::Over)) {
            (ServerInput::Start(Some(_)), State::New) => return Err(SaslError::UnexpectedInitialResponse),
            (ServerInput::Start(None), State::New) => self.state = State::WantsName,
            (ServerInput::Response([]), State::WantsName) => return Err(SaslError::Malformed),
            (ServerInput::Response(name), State::WantsName) => {
                self.name.set([name])?;
                self.state = State::WantsPassword;
            }
            (ServerInput::Response(password), State::WantsPassword) => {
                let password = Secret::new(password).map_err(|_| SaslError::Malformed)?;
                self.state = State::Asked;
                let authcid = self.name.as_str();
                return Ok(ServerStep::Ask(Query::Password { authzid: None, authcid, password }));
            }
            (ServerInput::Answer(Answer::Accepted), State::Asked) => return Ok(ServerStep::Done),
            (ServerInput::Answer(_), State::Asked) => return Err(SaslError::Rejected),
            _ => return Err(SaslError::OutOfOrder),
        }
        out.put(prompt);
        Ok(ServerStep::Challenge)
    }
}
