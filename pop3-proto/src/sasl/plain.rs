//! PLAIN (RFC 4616): name and password in one message.
//!
//! `message = [authzid] UTF8NUL authcid UTF8NUL passwd`; all three are UTF-8 without NUL, the last two not empty
//! (R4616-2.1). The password goes to the server as it is: only under TLS, with the server verified (R4616-5.1).
//! Allocates nothing, never panics, owns no secret.

use core::fmt;

use super::client::{ClientMechanism, ClientStep, Input};
use super::server::{Query, ServerInput, ServerMechanism, ServerStep, one_message};
use super::{Part, SaslError, check, identity};
use crate::{MechanismName, Secret, Sink};

/// PLAIN for a client. It borrows the credentials; wiping them is the owner's part.
pub struct Plain<'a> {
    authzid: &'a str,
    authcid: &'a str,
    password: &'a str,
    sent: bool,
}

impl<'a> Plain<'a> {
    /// Will log in as `authcid` by `password`, and act as `authzid` if there is one.
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: a part is empty or holds NUL. Leave `authzid` out rather than empty. Everything
    /// else can be sent, and is, as it stands.
    pub fn new(authzid: Option<&'a str>, authcid: &'a str, password: &'a str) -> Result<Self, SaslError> {
        if let Some(authzid) = authzid {
            check(Part::Authzid, authzid)?;
        }
        check(Part::Authcid, authcid)?;
        check(Part::Password, password)?;
        Ok(Self { authzid: authzid.unwrap_or_default(), authcid, password, sent: false })
    }
}

impl ClientMechanism for Plain<'_> {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::PLAIN
    }

    fn client_first(&self) -> bool {
        true
    }

    fn sends_password_in_clear(&self) -> bool {
        true
    }

    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
        match input {
            Input::Start => {
                let parts = [self.authzid, "\0", self.authcid, "\0", self.password];
                out.reserve(parts.iter().fold(0, |sum, part| sum.saturating_add(part.len())))?;
                parts.iter().for_each(|part| out.put(part.as_bytes()));
                self.sent = true;
                Ok(ClientStep::Send)
            }
            Input::Challenge(_) => Err(SaslError::UnexpectedChallenge),
            Input::Done if self.sent => Ok(ClientStep::Finished),
            Input::Done => Err(SaslError::EarlySuccess),
        }
    }
}

impl fmt::Debug for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain([redacted])")
    }
}

/// PLAIN for a server. It asks one [`Query::Password`].
///
/// Parts of any length are taken, 255 octets and more (R4616-2.2). Beyond the grammar it refuses control characters
/// in the two names, and CR and LF in the password.
#[derive(Debug, Default)]
pub struct PlainServer {
    asked: bool,
}

impl PlainServer {
    /// Waits for the client's message.
    pub const fn new() -> Self {
        Self { asked: false }
    }
}

impl ServerMechanism for PlainServer {
    fn name(&self) -> MechanismName<'static> {
        MechanismName::PLAIN
    }

    fn sends_password_in_clear(&self) -> bool {
        true
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
    let mut parts = message.split(|&octet| octet == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SaslError::Malformed);
    };
    // NUL is part of no longer sequence, so the whole is UTF-8 just if each part is.
    if core::str::from_utf8(message).is_err() || authcid.is_empty() {
        return Err(SaslError::Malformed);
    }
    Ok(Query::Password {
        authzid: if authzid.is_empty() { None } else { Some(identity(authzid)?) },
        authcid: identity(authcid)?,
        password: Secret::new(password).map_err(|_| SaslError::Malformed)?,
    })
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
    use std::vec::Vec;

    type Parts = (Option<String>, String, Vec<u8>);

    fn ask(message: &[u8]) -> Result<Parts, SaslError> {
        match PlainServer::new().step(ServerInput::Response(message), &mut [].as_mut_slice())? {
            ServerStep::Ask(Query::Password { authzid, authcid, password }) => {
                Ok((authzid.map(str::to_string), authcid.to_string(), password.expose().to_vec()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn r4616_2_1_client_vectors() {
        for (authzid, authcid, password, text) in [
            (Some("test"), "test", "test", "dGVzdAB0ZXN0AHRlc3Q="),
            (None, "test", "test", "AHRlc3QAdGVzdA=="),
            (None, "alice", "wonderland", "AGFsaWNlAHdvbmRlcmxhbmQ="),
            (None, "jürgen", "grün ", "AGrDvHJnZW4AZ3LDvG4g"), // by Python's base64.b64encode
        ] {
            let mut plain = Plain::new(authzid, authcid, password).unwrap();
            let mut exchange = client::Exchange::new(&mut plain);
            let mut scratch = [0; 64];
            let first = exchange.start(&mut scratch).unwrap();
            let mut storage = [0; 64];
            let mut out = &mut storage[..];
            InitialResponse::encode_to(first.initial.unwrap(), &mut out).unwrap();
            let n = 64 - out.len();
            assert_eq!(core::str::from_utf8(&storage[..n]), Ok(text));
            assert_eq!(exchange.success(), Ok(()));
        }
    }

    #[test]
    fn pb_c11_client_refuses_empty_parts_and_nul_and_nothing_else() {
        let credential = |part, problem| Some(SaslError::Credential { part, problem });
        let nul = ArgError::Forbidden { octet: 0 };
        for (authzid, authcid, password, error) in [
            (Some(""), "a", "p", credential(Part::Authzid, ArgError::Empty)),
            (None, "", "p", credential(Part::Authcid, ArgError::Empty)),
            (None, "a", "", credential(Part::Password, ArgError::Empty)),
            (Some("z\0"), "a", "p", credential(Part::Authzid, nul)),
            (None, "a\0b", "p", credential(Part::Authcid, nul)),
            (None, "a", "\0p", credential(Part::Password, nul)),
            (Some("z"), "a b\u{7f}", " p\r\n", None),
        ] {
            assert_eq!(Plain::new(authzid, authcid, password).err(), error);
        }
    }

    #[test]
    fn r4616_2_1_server_table() {
        let alice = (None, "alice".to_string(), b"wonderland".to_vec());
        assert_eq!(ask(b"\0alice\0wonderland"), Ok(alice));
        assert_eq!(ask(b"bob\0alice\0w w"), Ok((Some("bob".into()), "alice".into(), b"w w".to_vec())));
        assert_eq!(ask("\0jürgen\0grün".as_bytes()), Ok((None, "jürgen".into(), "grün".into())));
        for malformed in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"\0\0\0",
            b"alice",
            b"alice\0wonderland",
            b"\0alice\0",
            b"\0\0wonderland",
            b"z\0\0p",
            b"z\0a\0",
            b"\0a\0p\0",
            b"\0a\0p\0junk",
            b"\0\0a\0p",
            b"z\0a\0p\0q",
            // not UTF-8: a lone octet, overlong forms of "/" and NUL, a surrogate, past the last code point, cut off
            b"\0a\xfc\0p",
            b"\0a\0p\xfc",
            b"\xfc\0a\0p",
            b"\0a\xc0\xaf\0p",
            b"\0a\0p\xe0\x80\xaf",
            b"\0a\xc0\x80\0p",
            b"\0a\xed\xa0\x80\0p",
            b"\0a\xf4\x90\x80\x80\0p",
            b"\0a\xc3\0\xbc",
        ] {
            let error = ask(malformed).unwrap_err();
            assert_eq!(error, SaslError::Malformed, "{}", malformed.escape_ascii());
            assert!(!error.rejects_credentials());
        }
    }

    #[test]
    fn pb_s52_line_ends_and_nul_in_every_part() {
        for bad in [b'\r', b'\n', 0] {
            let good = *b"zz\0aa\0pp";
            for at in [0, 1, 3, 4, 6, 7] {
                let mut message = good;
                message[at] = bad;
                assert!(ask(&message).is_err(), "{}", message.escape_ascii());
            }
            assert!(ask(&good).is_ok());
        }
        // R5034-4.15: U+0007 is in no prepared name. In a password it stays: what it is matters to its owner only.
        assert_eq!(ask(b"z\x07\0a\0p"), Err(SaslError::Identity));
        assert_eq!(ask(b"\0a\x7f\0p"), Err(SaslError::Identity));
        assert_eq!(ask("\0a\u{85}\0p".as_bytes()), Err(SaslError::Identity));
        assert_eq!(ask(b"\0a\0\x07").unwrap().2, b"\x07");
    }

    #[test]
    fn r4616_2_1_every_message_of_a_small_alphabet() {
        fn naive(message: &[u8]) -> Option<Parts> {
            let text = String::from_utf8(message.to_vec()).ok()?;
            if text.matches('\0').count() != 2 || text.contains(['\r', '\n']) {
                return None;
            }
            let (authzid, rest) = text.split_once('\0')?;
            let (authcid, password) = rest.split_once('\0')?;
            let complete = !authcid.is_empty() && !password.is_empty();
            let authzid = Some(authzid.to_string()).filter(|authzid| !authzid.is_empty());
            complete.then(|| (authzid, authcid.to_string(), password.into()))
        }
        let octets = [0, b'a', b'\r', 0xc3, 0xa4, 0xff];
        let mut accepted = 0;
        for length in 0..=6u32 {
            for mut n in 0..octets.len().pow(length) {
                let mut message = Vec::new();
                for _ in 0..length {
                    message.push(octets[n % octets.len()]);
                    n /= octets.len();
                }
                let ours = ask(&message).ok();
                assert_eq!(ours, naive(&message), "{}", message.escape_ascii());
                accepted += usize::from(ours.is_some());
            }
        }
        // Of 2, 3 and 4 octets besides the NULs, each ä being two of them.
        assert_eq!(accepted, 1 + 5 + 16);
    }

    #[test]
    fn r4616_2_2_255_octets_in_each_part_and_more() {
        for length in [255, 256, 3000] {
            let part = "x".repeat(length);
            let message = format!("{part}\0{part}\0{part}");
            assert_eq!(ask(message.as_bytes()), Ok((Some(part.clone()), part.clone(), part.into())));
        }
    }

    #[test]
    fn r4616_2_2_767_octets_by_continuation() {
        let part = "x".repeat(255);
        let mut plain = Plain::new(Some(&part), &part, &part).unwrap();
        let mut client = client::Exchange::new(&mut plain);
        let mut scratch = [0; 767];
        assert!(client.start(&mut scratch).unwrap().initial.is_none());
        assert!(scratch.iter().all(|&octet| octet == 0)); // what was not sent is not left behind

        let mut server = server::Exchange::start(MechanismName::PLAIN, &server::Setup::default()).unwrap();
        let mut none: &mut [u8] = &mut [];
        assert!(matches!(server.initial(None, &mut [], &mut none), Ok(ServerStep::Challenge)));

        let client::Move::Respond(raw) = client.challenge(Base64::EMPTY, &mut scratch).unwrap() else {
            panic!()
        };
        assert_eq!(raw.len(), 767);
        let mut storage = [0; 1024];
        let mut out = &mut storage[..];
        Base64::encode_to(raw, &mut out).unwrap();
        assert!(out.is_empty());

        let line = Base64::new(&storage).unwrap();
        assert_eq!(
            server.response(line, &mut [0; 766], &mut none).map(|_| ()),
            Err(SaslError::NoRoom { needed: 767 })
        );
        let mut room = [0; 767];
        match server.response(line, &mut room, &mut none) {
            Ok(ServerStep::Ask(Query::Password { authzid, authcid, password })) => {
                assert_eq!((authzid, authcid), (Some(part.as_str()), part.as_str()));
                assert_eq!(password.expose(), part.as_bytes());
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(server.answer(Answer::Accepted, &mut none), Ok(ServerStep::Done)));
        assert_eq!(client.success(), Ok(()));
    }

    #[test]
    fn pb_c32_no_debug_shows_the_password() {
        let mut plain = Plain::new(Some("canary"), "canary", "canary").unwrap();
        let mut shown = format!("{plain:?}");
        let mut exchange = client::Exchange::new(&mut plain);
        let mut scratch = [0; 64];
        let first = exchange.start(&mut scratch).unwrap();
        shown += &format!("{first:?} {:?}", client::Move::Respond(first.initial.unwrap()));
        let raw = first.initial.unwrap();
        shown += &format!("{:?} {:?}", Input::Challenge(raw), ServerInput::Response(raw));
        shown += &format!("{:?}", ServerInput::Start(Some(raw)));
        shown += &format!("{:?}", ServerInput::Answer(Answer::Secret(Secret::new(b"canary").unwrap())));
        shown += &format!("{exchange:?}");
        let mut server = PlainServer::new();
        shown += &format!("{:?}", server.step(ServerInput::Response(raw), &mut [].as_mut_slice()));
        shown += &format!("{server:?} {:?}", Query::Secret { authcid: "canary" });
        assert!(!shown.contains("canary"), "{shown}");
        // Not as numbers either, which is how derived implementations show octets.
        assert!(!shown.contains("99, 97, 110"), "{shown}");
        assert!(shown.contains("[redacted; 20 octets]"), "{shown}");
    }
}
