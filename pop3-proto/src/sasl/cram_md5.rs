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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::{MAX_NAME, client, server};
    use crate::{ArgError, Base64, InitialResponse, Secret, apop};
    use std::format;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    const V2_CHALLENGE: &[u8] = b"<1896.697170952@postoffice.reston.mci.net>";
    const V2_LINE: &str = "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw";

    fn setup(host: &str) -> Setup<'_> {
        Setup { random: *b"a fresh one, once.", host, ..Setup::default() }
    }

    /// A server that has sent its challenge, and the challenge.
    fn challenged(host: &str) -> (CramMd5Server, Vec<u8>) {
        let (mut server, mut challenge) = (CramMd5Server::new(&setup(host)), Vec::new());
        assert!(matches!(server.step(ServerInput::Start(None), &mut challenge), Ok(ServerStep::Challenge)));
        (server, challenge)
    }

    fn answer_to(challenge: &[u8], authcid: &str, secret: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut client = CramMd5::new(authcid, secret).unwrap();
        assert_eq!(client.step(Input::Challenge(challenge), &mut out), Ok(ClientStep::Send));
        out
    }

    /// What the server says to `message`: whom it asks for, then whether it believes `secret`.
    fn ask(message: &[u8], secret: &[u8]) -> Result<String, SaslError> {
        let mut server = CramMd5Server {
            challenge: Timestamp::on_localhost(0, [0; 18]),
            name: Name::new(),
            state: State::Challenged,
        };
        let asked = match server.step(ServerInput::Response(message), &mut Vec::new())? {
            ServerStep::Ask(Query::Secret { authcid }) => authcid.to_string(),
            other => panic!("{other:?}"),
        };
        let answer = Answer::Secret(Secret::new(secret).unwrap());
        match server.step(ServerInput::Answer(answer), &mut Vec::new())? {
            ServerStep::Ask(Query::Authorize { authzid: None, authcid }) => assert_eq!(authcid, asked),
            other => panic!("{other:?}"),
        }
        match server.step(ServerInput::Answer(Answer::Accepted), &mut Vec::new())? {
            ServerStep::Done => Ok(asked),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn r2195_2_1_the_vector_of_the_rfc() {
        let answer = answer_to(V2_CHALLENGE, "tim", "tanstaaftanstaaf");
        assert_eq!(answer, b"tim b913a602c7eda7a495b4e6e7334d3890");
        let mut encoded = Vec::new();
        Base64::encode_to(&answer, &mut encoded).unwrap();
        assert_eq!(encoded, V2_LINE.as_bytes());
    }

    #[test]
    fn r2195_2_1_hmac_with_short_long_and_binary_keys() {
        // RFC 2202 section 2, cases 1, 2, 3 and 6.
        for (key, data, digest) in [
            (&[0x0b; 16][..], &b"Hi There"[..], "9294727a3638bb1c13f48ef8158bfc9d"),
            (b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
            (&[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6"),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
            ),
        ] {
            let ours: [u8; 32] = hex(keyed_digest(key, data).unwrap());
            assert_eq!(&ours, digest.as_bytes());
        }
    }

    #[test]
    fn r2195_2_1_both_roles_and_a_wrong_password() {
        for (theirs, accepted) in [("tanstaaftanstaaf", true), ("tanstaaf", false)] {
            let mut mechanism = CramMd5::new("tim", theirs).unwrap();
            let mut client = client::Exchange::new(&mut mechanism);
            let setup = setup("mail.example.org");
            let mut server = server::Exchange::start(MechanismName::CRAM_MD5, &setup).unwrap();
            assert!(!server.sends_password_in_clear());
            let (mut scratch, mut room) = ([0; 256], [0; 256]);
            assert!(client.start(&mut scratch).unwrap().initial.is_none());
            let mut challenge = Vec::new();
            assert!(matches!(server.initial(None, &mut [], &mut challenge), Ok(ServerStep::Challenge)));
            let mut line = Vec::new();
            Base64::encode_to(&challenge, &mut line).unwrap();
            let reply = client.challenge(Base64::new(&line).unwrap(), &mut scratch).unwrap();
            let client::Move::Respond(raw) = reply else { panic!("{reply:?}") };
            line.clear();
            Base64::encode_to(raw, &mut line).unwrap();
            let mut none = &mut [][..];
            match server.response(Base64::new(&line).unwrap(), &mut room, &mut none) {
                Ok(ServerStep::Ask(Query::Secret { authcid: "tim" })) => {}
                other => panic!("{other:?}"),
            }
            let secret = Answer::Secret(Secret::new(b"tanstaaftanstaaf").unwrap());
            match server.answer(secret, &mut none) {
                Ok(ServerStep::Ask(Query::Authorize { authzid: None, authcid: "tim" })) => assert!(accepted),
                Err(error) => {
                    assert!(!accepted && error == SaslError::Rejected && error.rejects_credentials());
                    continue;
                }
                other => panic!("{other:?}"),
            }
            assert!(matches!(server.answer(Answer::Accepted, &mut none), Ok(ServerStep::Done)));
            assert_eq!(client.success(), Ok(()));
        }
    }

    #[test]
    fn r2195_2_1_the_challenge_is_a_fresh_message_id() {
        let (_, challenge) = challenged("mail.example.org");
        assert_eq!(apop::timestamp(&challenge), Some(&challenge[..]));
        assert!(challenge.ends_with(b"@mail.example.org>"));
        let mut other = setup("mail.example.org");
        other.random[17] ^= 1;
        let mut fresh = Vec::new();
        assert!(CramMd5Server::new(&other).step(ServerInput::Start(None), &mut fresh).is_ok());
        assert_ne!(challenge, fresh);
        for host in ["", "a b", "a\r\n", "b\u{fc}cher", ".", &"x".repeat(256)] {
            assert!(challenged(host).1.ends_with(b"@localhost>"), "{host}");
        }
        // Too little room changes nothing.
        let mut server = CramMd5Server::new(&setup("h"));
        let error =
            server.step(ServerInput::Start(None), &mut [0; 56].as_mut_slice()).map(|_| ()).unwrap_err();
        assert_eq!(error, SaslError::NoRoom { needed: 57 });
        assert!(server.step(ServerInput::Start(None), &mut [0; 57].as_mut_slice()).is_ok());
    }

    #[test]
    fn r5034_4_8_no_initial_response() {
        for initial in [&b"="[..], b"dGlt", V2_LINE.as_bytes()] {
            let mut server = server::Exchange::start(MechanismName::CRAM_MD5, &setup("h")).unwrap();
            let initial = InitialResponse::parse(initial).unwrap();
            let mut out = Vec::new();
            for _ in 0..2 {
                let error = server.initial(Some(initial), &mut [0; 64], &mut out).map(|_| ()).unwrap_err();
                assert_eq!(error, SaslError::UnexpectedInitialResponse);
                assert!(out.is_empty());
            }
        }
    }

    #[test]
    fn r2195_2_1_and_pb_k18_the_last_space_parts_name_and_digest() {
        let challenge = Timestamp::on_localhost(0, [0; 18]);
        let long = "x ".repeat(MAX_NAME); // every other octet a space
        for name in ["tim", "tim smith", " tim", "tim ", "  ", "j\u{fc}rgen m\u{fc}ller", &long[..MAX_NAME]] {
            let message = answer_to(challenge.as_bytes(), name, "secret");
            assert_eq!(ask(&message, b"secret").as_deref(), Ok(name));
            assert_eq!(ask(&message, b"secret ").unwrap_err(), SaslError::Rejected);
            // Each octet of the digest counts, and capital letters are none of it.
            let digest = message.len() - 32;
            for at in digest..message.len() {
                let mut wrong = message.clone();
                wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
                assert_eq!(ask(&wrong, b"secret"), Err(SaslError::Rejected));
                wrong[at] = message[at].to_ascii_uppercase();
                let capital = wrong[at] != message[at];
                assert_eq!(ask(&wrong, b"secret").is_err(), capital, "{}", wrong.escape_ascii());
            }
        }
        let hex = "0123456789abcdef0123456789abcdef";
        for (message, error) in [
            (String::new(), SaslError::Malformed),
            (" ".into(), SaslError::Malformed),
            (hex.into(), SaslError::Malformed),
            (format!(" {hex}"), SaslError::Malformed),
            (format!("tim{hex}"), SaslError::Malformed),
            (format!("tim {hex} "), SaslError::Malformed),
            (format!("tim {hex}0"), SaslError::Malformed),
            (format!("tim {}", &hex[1..]), SaslError::Malformed),
            (format!("tim {}", hex.to_ascii_uppercase()), SaslError::Malformed),
            (format!("tim {}g", &hex[1..]), SaslError::Malformed),
            (format!("tim\t{hex}"), SaslError::Malformed),
            (format!("tim\0{hex}"), SaslError::Malformed),
            (format!("tim\0 {hex}"), SaslError::Identity),
            (format!("tim\r\n {hex}"), SaslError::Identity),
            (format!("tim\x07 {hex}"), SaslError::Identity), // R5034-4.15
            (format!("{long} {hex}"), SaslError::Identity),
        ] {
            assert_eq!(ask(message.as_bytes(), b"secret"), Err(error), "{message:?}");
        }
        assert_eq!(ask(&[b"t\xfcm ", hex.as_bytes()].concat(), b"secret"), Err(SaslError::Identity));
    }

    #[test]
    fn r4422_3_6_done_only_after_proof_and_leave() {
        let (_, challenge) = challenged("h");
        let right = answer_to(&challenge, "tim", "secret");
        let secret = |octets| ServerInput::Answer(Answer::Secret(Secret::new(octets).unwrap()));
        let calls = [
            ServerInput::Start(None),
            ServerInput::Response(&right),
            secret(b"secret"),
            ServerInput::Answer(Answer::Accepted),
            ServerInput::Answer(Answer::Rejected),
            secret(b"other"),
            ServerInput::Start(Some(b"")),
            ServerInput::Response(b"tim 0123456789abcdef0123456789abcdef"),
        ];
        let mut done = 0;
        for n in 0..calls.len().pow(5) {
            let mut server = CramMd5Server::new(&setup("h"));
            let mut in_order = true;
            for k in 0..5 {
                let at = n / calls.len().pow(k) % calls.len();
                in_order &= at == k as usize;
                let step = server.step(calls[at], &mut Vec::new());
                assert_eq!(matches!(step, Ok(ServerStep::Done)), in_order && k == 3, "order {n}, call {k}");
                done += usize::from(in_order && k == 3);
            }
        }
        assert_eq!(done, calls.len());
    }

    #[test]
    fn pb_c11_client_refuses_empty_parts_and_answers_once() {
        let error = |part, problem| Some(SaslError::Credential { part, problem });
        let nul = ArgError::Forbidden { octet: 0 };
        assert_eq!(CramMd5::new("", "p").err(), error(Part::Authcid, ArgError::Empty));
        assert_eq!(CramMd5::new("a", "").err(), error(Part::Password, ArgError::Empty));
        assert_eq!(CramMd5::new("a\0", "p").err(), error(Part::Authcid, nul));
        assert_eq!(CramMd5::new("a", "\0p").err(), error(Part::Password, nul));
        let mut client = CramMd5::new("a", "p").unwrap();
        assert!(!client.client_first() && !client.sends_password_in_clear());
        assert_eq!(client.step(Input::Done, &mut Vec::new()), Err(SaslError::EarlySuccess));
        let no_room = Err(SaslError::NoRoom { needed: 34 });
        assert_eq!(client.step(Input::Challenge(b"<1@h>"), &mut [0; 33].as_mut_slice()), no_room);
        assert_eq!(client.step(Input::Challenge(b"<1@h>"), &mut Vec::new()), Ok(ClientStep::Send));
        let more = client.step(Input::Challenge(b"<2@h>"), &mut Vec::new());
        assert_eq!(more, Err(SaslError::UnexpectedChallenge));
        assert_eq!(client.step(Input::Done, &mut Vec::new()), Ok(ClientStep::Finished));
    }

    #[test]
    fn pb_c32_no_debug_shows_name_secret_or_digest() {
        let client = CramMd5::new("canary", "canary").unwrap();
        let (mut server, challenge) = challenged("h");
        let message = answer_to(&challenge, "canary", "canary");
        let digest = core::str::from_utf8(&message[7..]).unwrap();
        let octets = format!("{:?}", keyed_digest(b"canary", &challenge).unwrap());
        let mut shown = format!("{client:?} {server:?}");
        let secret = Answer::Secret(Secret::new(b"canary").unwrap());
        for input in [ServerInput::Response(&message), ServerInput::Answer(secret)] {
            shown += &format!("{input:?} {:?}", server.step(input, &mut Vec::new()));
            shown += &format!("{server:?}");
        }
        assert!(!shown.contains("canary") && !shown.contains("99, 97, 110"), "{shown}");
        assert!(!shown.contains(digest) && !shown.contains(octets.trim_matches(['[', ']'])), "{shown}");
        assert!(shown.contains("Proven"), "{shown}");
    }

    #[test]
    fn r4422_3_6_a_right_digest_of_one_who_may_not_log_in_is_refused() {
        let mut server = CramMd5Server {
            challenge: Timestamp::on_localhost(0, [0; 18]),
            name: Name::new(),
            state: State::Proven,
        };
        let step = server.step(ServerInput::Answer(Answer::Rejected), &mut Vec::new()).map(|_| ());
        assert_eq!(step, Err(SaslError::Rejected));
    }
}
