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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArgError;
    use crate::sasl::{MAX_NAME, client, server};
    use crate::{Base64, InitialResponse};
    use std::format;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    /// What the server wants to know after the two messages.
    fn ask(name: &[u8], password: &[u8]) -> Result<(String, Vec<u8>), SaslError> {
        let (mut login, mut out) = (LoginServer::new(), Vec::new());
        assert!(matches!(login.step(ServerInput::Start(None), &mut out), Ok(ServerStep::Challenge)));
        let step = login.step(ServerInput::Response(name), &mut out)?;
        assert!(matches!(step, ServerStep::Challenge));
        assert_eq!(out, b"Username:Password:");
        match login.step(ServerInput::Response(password), &mut out)? {
            ServerStep::Ask(Query::Password { authzid: None, authcid, password }) => {
                Ok((authcid.to_string(), password.expose().to_vec()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rp_login_1_both_roles_over_base64() {
        for (text, wire) in [("Username:", "VXNlcm5hbWU6"), ("Password:", "UGFzc3dvcmQ6")] {
            let mut storage = [0; 12];
            Base64::encode_to(text.as_bytes(), &mut storage.as_mut_slice()).unwrap();
            assert_eq!(&storage, wire.as_bytes());
        }
        let mut login = Login::new("alice", "wonderland").unwrap();
        let mut client = client::Exchange::new(&mut login);
        let mut server = server::Exchange::start(MechanismName::LOGIN, &server::Setup::default()).unwrap();
        let (mut scratch, mut room) = ([0; 64], [0; 64]);
        assert!(client.start(&mut scratch).unwrap().initial.is_none());
        let mut challenge = Vec::new();
        assert!(matches!(server.initial(None, &mut [], &mut challenge), Ok(ServerStep::Challenge)));
        for (prompt, line) in [("Username:", "YWxpY2U="), ("Password:", "d29uZGVybGFuZA==")] {
            assert_eq!(challenge, prompt.as_bytes());
            let mut encoded = Vec::new();
            Base64::encode_to(&challenge, &mut encoded).unwrap();
            challenge.clear();
            let reply = client.challenge(Base64::new(&encoded).unwrap(), &mut scratch).unwrap();
            let client::Move::Respond(raw) = reply else { panic!("{reply:?}") };
            let mut encoded = Vec::new();
            Base64::encode_to(raw, &mut encoded).unwrap();
            assert_eq!(encoded, line.as_bytes());
            match server.response(Base64::new(line.as_bytes()).unwrap(), &mut room, &mut challenge) {
                Ok(ServerStep::Challenge) if prompt == "Username:" => {}
                Ok(ServerStep::Ask(Query::Password { authzid: None, authcid: "alice", password })) => {
                    assert_eq!(password.expose(), b"wonderland");
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(server.answer(Answer::Accepted, &mut challenge), Ok(ServerStep::Done)));
        assert_eq!(client.success(), Ok(()));
    }

    #[test]
    fn rp_login_1_a_client_pays_no_heed_to_what_the_challenges_say() {
        for (first, second) in [
            (&b"User Name"[..], &b"Password"[..]),
            (b"User Name\0", b"Password\0"),
            (b"", b""),
            (b"Password:", b"Username:"),
            (b"\xff\0\r\n", b"*"),
        ] {
            let (mut login, mut out) = (Login::new("alice", "wonderland").unwrap(), Vec::new());
            assert_eq!(login.step(Input::Challenge(first), &mut out), Ok(ClientStep::Send));
            assert_eq!(login.step(Input::Done, &mut out), Err(SaslError::EarlySuccess));
            assert_eq!(login.step(Input::Challenge(second), &mut out), Ok(ClientStep::Send));
            assert_eq!(out, b"alicewonderland");
            assert_eq!(
                login.step(Input::Challenge(b"One more:"), &mut out),
                Err(SaslError::UnexpectedChallenge)
            );
            assert_eq!(login.step(Input::Done, &mut out), Ok(ClientStep::Finished));
            assert_eq!(out, b"alicewonderland");
        }
        let mut login = Login::new("alice", "wonderland").unwrap();
        assert_eq!(login.step(Input::Done, &mut Vec::new()), Err(SaslError::EarlySuccess));
        assert!(login.sends_password_in_clear() && !login.client_first());
        let mut small = [0; 4];
        let no_room = Err(SaslError::NoRoom { needed: 5 });
        assert_eq!(login.step(Input::Challenge(b""), &mut small.as_mut_slice()), no_room);
        assert_eq!(login.step(Input::Challenge(b""), &mut Vec::new()), Ok(ClientStep::Send));
    }

    #[test]
    fn r5034_4_8_no_initial_response_of_any_length() {
        for initial in [&b"="[..], b"dGlt", b"AHRlc3QAdGVzdA=="] {
            let mut server =
                server::Exchange::start(MechanismName::LOGIN, &server::Setup::default()).unwrap();
            let initial = InitialResponse::parse(initial).unwrap();
            let mut out = Vec::new();
            for _ in 0..2 {
                let error = server.initial(Some(initial), &mut [0; 32], &mut out).map(|_| ()).unwrap_err();
                assert_eq!(error, SaslError::UnexpectedInitialResponse);
                assert!(!error.rejects_credentials() && out.is_empty());
            }
        }
    }

    #[test]
    fn rp_login_1_server_table() {
        let ok = |name: &str, password: &[u8]| Ok((name.to_string(), password.to_vec()));
        assert_eq!(ask(b"alice", b"wonderland"), ok("alice", b"wonderland"));
        assert_eq!(ask("jürgen müller".as_bytes(), b" p \xfc"), ok("jürgen müller", b" p \xfc"));
        let long = "x".repeat(MAX_NAME + 1);
        assert_eq!(ask(&long.as_bytes()[1..], &[b'p'; 3000]), ok(&long[1..], &[b'p'; 3000]));
        for (name, password, error) in [
            (&b""[..], &b"p"[..], SaslError::Malformed),
            (b"a", b"", SaslError::Malformed),
            (b"a", b"p\0", SaslError::Malformed),
            (b"a", b"p\r", SaslError::Malformed),
            (b"a", b"\np", SaslError::Malformed),
            (b"a\0", b"p", SaslError::Identity),
            (b"a\r\nb", b"p", SaslError::Identity),
            (b"a\x07", b"p", SaslError::Identity), // R5034-4.15
            (b"a\xfc", b"p", SaslError::Identity),
            (b"a\xc0\xaf", b"p", SaslError::Identity),
            (long.as_bytes(), b"p", SaslError::Identity),
        ] {
            assert_eq!(ask(name, password), Err(error), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn r4422_3_6_done_only_after_an_accepted_question() {
        let calls = [
            ServerInput::Start(None),
            ServerInput::Start(Some(b"alice")),
            ServerInput::Response(b"alice"),
            ServerInput::Response(b""),
            ServerInput::Answer(Answer::Accepted),
            ServerInput::Answer(Answer::Rejected),
            ServerInput::Answer(Answer::Secret(Secret::new(b"alice").unwrap())),
        ];
        let mut done = 0;
        for n in 0..calls.len().pow(5) {
            let mut login = LoginServer::new();
            let mut right = true; // so far the order is the one that leads to success
            for k in 0..5 {
                let at = n / calls.len().pow(k) % calls.len();
                right &= [0, 2, 2, 4].get(k as usize) == Some(&at);
                let step = login.step(calls[at], &mut Vec::new());
                assert_eq!(matches!(step, Ok(ServerStep::Done)), right && k == 3, "order {n}, call {k}");
                done += usize::from(right && k == 3);
            }
        }
        assert_eq!(done, calls.len());
    }

    #[test]
    fn pb_c11_client_refuses_empty_parts_and_nul_and_nothing_else() {
        let error = |part, problem| Some(SaslError::Credential { part, problem });
        let nul = ArgError::Forbidden { octet: 0 };
        assert_eq!(Login::new("", "p").err(), error(Part::Authcid, ArgError::Empty));
        assert_eq!(Login::new("a", "").err(), error(Part::Password, ArgError::Empty));
        assert_eq!(Login::new("a\0", "p").err(), error(Part::Authcid, nul));
        assert_eq!(Login::new("a", "\0p").err(), error(Part::Password, nul));
        assert!(Login::new("a b", " p\r\n").is_ok());
    }

    #[test]
    fn pb_c32_no_debug_shows_name_or_password() {
        let login = Login::new("canary", "canary").unwrap();
        let mut server = LoginServer::new();
        let mut shown = format!("{login:?}");
        for input in
            [ServerInput::Start(None), ServerInput::Response(b"canary"), ServerInput::Response(b"canary")]
        {
            shown += &format!("{input:?} {:?}", server.step(input, &mut Vec::new()));
            shown += &format!("{server:?}");
        }
        assert!(!shown.contains("canary") && !shown.contains("99, 97, 110"), "{shown}");
    }
}
