//! EXTERNAL (RFC 4422 appendix A): who it is was shown elsewhere, as by a client certificate under TLS.
//!
//! `extern-message = *( UTF8-char-no-NUL )`: the one message is the authorization identity, or empty for whoever the
//! certificate belongs to (R4422-A.1). Allocates nothing, never panics, holds no secret.

use core::fmt;

use super::client::{ClientMechanism, ClientStep, Input};
use super::server::{Query, ServerInput, ServerMechanism, ServerStep, one_message};
use super::{Part, SaslError, check, identity};
use crate::{MechanismName, Sink};

/// EXTERNAL for a client.
pub struct External<'a> {
    authzid: &'a str,
    sent: bool,
}

impl<'a> External<'a> {
    /// Will act as `authzid`, or as whoever the certificate belongs to.
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: `authzid` is empty or holds NUL. Leave it out rather than empty.
    pub fn new(authzid: Option<&'a str>) -> Result<Self, SaslError> {
        if let Some(authzid) = authzid {
            check(Part::Authzid, authzid)?;
        }
        Ok(Self { authzid: authzid.unwrap_or_default(), sent: false })
    }
}

impl ClientMechanism for External<'_> {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::EXTERNAL
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
                out.reserve(self.authzid.len())?;
                out.put(self.authzid.as_bytes());
                self.sent = true;
                Ok(ClientStep::Send)
            }
            Input::Challenge(_) => Err(SaslError::UnexpectedChallenge),
            Input::Done if self.sent => Ok(ClientStep::Finished),
            Input::Done => Err(SaslError::EarlySuccess),
        }
    }
}

impl fmt::Debug for External<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "External([redacted; {} octets])", self.authzid.len())
    }
}

/// EXTERNAL for a server. It asks one [`Query::External`].
///
/// Beyond the grammar it refuses control characters in the authorization identity. A message that is no identity is
/// [`SaslError::Identity`], answered by `-ERR [AUTH]` as any other that may not act so (R4422-A.2, PB-S26).
#[derive(Debug, Default)]
pub struct ExternalServer {
    asked: bool,
}

impl ExternalServer {
    /// Waits for the client's message.
    pub const fn new() -> Self {
        Self { asked: false }
    }
}

impl ServerMechanism for ExternalServer {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::EXTERNAL
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
    let authzid = if message.is_empty() { None } else { Some(identity(message)?) };
    Ok(Query::External { authzid })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArgError;
    use crate::sasl::client;
    use crate::sasl::server::{self, Answer};
    use crate::{Base64, InitialResponse};
    use std::format;
    use std::string::{String, ToString};

    fn ask(message: &[u8]) -> Result<Option<String>, SaslError> {
        match ExternalServer::new().step(ServerInput::Response(message), &mut [].as_mut_slice())? {
            ServerStep::Ask(Query::External { authzid }) => Ok(authzid.map(str::to_string)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn r4422_a_1_the_message_is_the_identity_or_empty() {
        assert_eq!(ask(b""), Ok(None));
        assert_eq!(ask(b"alice@example.net"), Ok(Some("alice@example.net".into())));
        assert_eq!(ask("jürgen müller".as_bytes()), Ok(Some("jürgen müller".into())));
        for malformed in [
            &b"\0"[..],
            b"alice\0",
            b"alice\0bob",
            b"\0alice",
            b"alice\r\nbob",
            b"alice\n",
            b"\x07",
            b"\x7f",
            b"j\xfcrgen",
            b"a\xc0\xaf",
            b"a\xc0\x80",
            b"\xed\xa0\x80",
            b"a\xc3",
        ] {
            let error = ask(malformed).unwrap_err();
            assert_eq!(error, SaslError::Identity, "{}", malformed.escape_ascii());
            assert!(error.rejects_credentials());
        }
    }

    #[test]
    fn r4422_a_1_with_and_without_initial_response() {
        for (authzid, wire) in [(None, "="), (Some("alice@example.net"), "YWxpY2VAZXhhbXBsZS5uZXQ=")] {
            for inline in [true, false] {
                let mut external = External::new(authzid).unwrap();
                let mut client = client::Exchange::new(&mut external);
                if !inline {
                    client = client.without_initial_response();
                }
                let mut server =
                    server::Exchange::start(MechanismName::EXTERNAL, &server::Setup::default()).unwrap();
                let (mut scratch, mut room) = ([0; 64], [0; 64]);
                let mut none: &mut [u8] = &mut [];

                let first = client.start(&mut scratch).unwrap();
                let step = if inline {
                    let mut storage = [0; 64];
                    let mut out = &mut storage[..];
                    InitialResponse::encode_to(first.initial.unwrap(), &mut out).unwrap();
                    let n = 64 - out.len();
                    assert_eq!(core::str::from_utf8(&storage[..n]), Ok(wire));
                    let initial = InitialResponse::parse(&storage[..n]).unwrap();
                    server.initial(Some(initial), &mut room, &mut none)
                } else {
                    assert!(first.initial.is_none());
                    assert!(matches!(server.initial(None, &mut [], &mut none), Ok(ServerStep::Challenge)));
                    let reply = client.challenge(Base64::EMPTY, &mut scratch).unwrap();
                    let client::Move::Respond(raw) = reply else { panic!("{reply:?}") };
                    let mut storage = [0; 64];
                    let mut out = &mut storage[..];
                    Base64::encode_to(raw, &mut out).unwrap();
                    let n = 64 - out.len();
                    assert_eq!(core::str::from_utf8(&storage[..n]), Ok(if n == 0 { "" } else { wire }));
                    server.response(Base64::new(&storage[..n]).unwrap(), &mut room, &mut none)
                };
                match step {
                    Ok(ServerStep::Ask(Query::External { authzid: asked })) => assert_eq!(asked, authzid),
                    other => panic!("{other:?}"),
                }
                assert!(matches!(server.answer(Answer::Accepted, &mut none), Ok(ServerStep::Done)));
                assert_eq!(client.success(), Ok(()));
            }
        }
    }

    #[test]
    fn r4422_a_2_a_certificate_that_is_nobodys_fails() {
        let mut server = server::Exchange::start(MechanismName::EXTERNAL, &server::Setup::default()).unwrap();
        let mut none: &mut [u8] = &mut [];
        let empty = InitialResponse::parse(b"=").unwrap();
        assert!(matches!(server.initial(Some(empty), &mut [], &mut none), Ok(ServerStep::Ask(_))));
        let error = server.answer(Answer::Rejected, &mut none).map(|_| ()).unwrap_err();
        assert_eq!(error, SaslError::Rejected);
        assert!(error.rejects_credentials());
    }

    #[test]
    fn r4422_a_1_client_refuses_nul_and_the_empty_name() {
        let error = |problem| Some(SaslError::Credential { part: Part::Authzid, problem });
        assert_eq!(External::new(Some("")).err(), error(ArgError::Empty));
        assert_eq!(External::new(Some("a\0")).err(), error(ArgError::Forbidden { octet: 0 }));
        let external = External::new(Some("canary")).unwrap();
        assert!(!external.sends_password_in_clear());
        assert_eq!(format!("{external:?}"), "External([redacted; 6 octets])");
    }
}
