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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::server::{self, Answer};
    use crate::{Base64, InitialResponse};
    use std::format;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    fn ask(message: &[u8]) -> Result<String, SaslError> {
        match AnonymousServer::new().step(ServerInput::Response(message), &mut [].as_mut_slice())? {
            ServerStep::Ask(Query::Anonymous { trace }) => Ok(trace.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_trace_is_an_address_a_word_or_nothing() {
        let long = "ä".repeat(256);
        for trace in ["", "sirhc", "sirhc@example.org", "a word, and more", "a@b@c", "jürgen", &long[2..]] {
            assert_eq!(ask(trace.as_bytes()), Ok(trace.to_string()));
            let (mut client, mut out) = (Anonymous::new(trace).unwrap(), Vec::new());
            assert_eq!(client.step(Input::Start, &mut out), Ok(ClientStep::Send));
            assert_eq!(out, trace.as_bytes());
        }
        for (trace, problem) in [
            (long.as_str(), ArgError::TooLong { limit: 255 }),
            ("a\0", ArgError::Forbidden { octet: 0 }),
            ("a\r\nb", ArgError::Forbidden { octet: b'\r' }),
            ("\x7f", ArgError::Forbidden { octet: 0x7f }),
            ("\u{85}", ArgError::Forbidden { octet: 0xc2 }),
            ("@", ArgError::Forbidden { octet: b'@' }),
            ("a@", ArgError::Forbidden { octet: b'@' }),
            ("@b", ArgError::Forbidden { octet: b'@' }),
        ] {
            assert_eq!(ask(trace.as_bytes()), Err(SaslError::Malformed), "{trace:?}");
            let error = SaslError::Credential { part: Part::Trace, problem };
            assert_eq!(Anonymous::new(trace).err(), Some(error));
        }
        for message in [&b"\xff"[..], b"a\xc0\xaf", b"\xed\xa0\x80", b"a\xc3"] {
            assert_eq!(ask(message), Err(SaslError::Malformed));
        }
    }

    #[test]
    fn the_example_of_rfc_4505_and_the_empty_message() {
        for (trace, wire) in [("sirhc", "c2lyaGM="), ("", "=")] {
            let mut mechanism = Anonymous::new(trace).unwrap();
            let mut client = crate::sasl::client::Exchange::new(&mut mechanism);
            let mut scratch = [0; 16];
            let first = client.start(&mut scratch).unwrap();
            let mut encoded = Vec::new();
            InitialResponse::encode_to(first.initial.unwrap(), &mut encoded).unwrap();
            assert_eq!(encoded, wire.as_bytes());
            for accepted in [true, false] {
                let mut server =
                    server::Exchange::start(MechanismName::ANONYMOUS, &server::Setup::default()).unwrap();
                assert!(!server.sends_password_in_clear());
                let (mut room, mut none) = ([0; 16], &mut [][..]);
                let initial = InitialResponse::parse(&encoded).unwrap();
                match server.initial(Some(initial), &mut room, &mut none) {
                    Ok(ServerStep::Ask(Query::Anonymous { trace: asked })) => assert_eq!(asked, trace),
                    other => panic!("{other:?}"),
                }
                let answer = if accepted { Answer::Accepted } else { Answer::Rejected };
                match server.answer(answer, &mut none) {
                    Ok(ServerStep::Done) => assert!(accepted),
                    other => assert!(!accepted && matches!(other, Err(SaslError::Rejected)), "{other:?}"),
                }
            }
            assert_eq!(client.success(), Ok(()));
            let more = client.challenge(Base64::EMPTY, &mut scratch).unwrap();
            assert!(matches!(more, crate::sasl::client::Move::Cancel(_)));
        }
        let mut unsent = Anonymous::new("").unwrap();
        assert_eq!(unsent.step(Input::Done, &mut Vec::new()), Err(SaslError::EarlySuccess));
        assert_eq!(unsent.step(Input::Challenge(b""), &mut Vec::new()), Err(SaslError::UnexpectedChallenge));
    }

    #[test]
    fn every_message_of_a_small_alphabet() {
        let octets = [0, b'@', b'a', b' ', 0xc3, 0xa4, 0xc2, 0x85];
        for length in 0..=5u32 {
            for mut n in 0..octets.len().pow(length) {
                let mut message = Vec::new();
                for _ in 0..length {
                    message.push(octets[n % octets.len()]);
                    n /= octets.len();
                }
                let text = String::from_utf8(message.clone()).ok();
                let half = |text: &str| text.starts_with('@') && text.matches('@').count() == 1;
                let bad = |text: &str| text.contains(['\0', '\u{85}']) || text.ends_with('@') || half(text);
                let good = text.filter(|text| !bad(text));
                assert_eq!(ask(&message).ok(), good, "{}", message.escape_ascii());
            }
        }
    }

    #[test]
    fn pb_c32_no_debug_shows_the_trace() {
        let client = Anonymous::new("canary").unwrap();
        let mut server = AnonymousServer::new();
        let shown = format!(
            "{client:?} {:?} {:?}",
            server.step(ServerInput::Response(b"canary"), &mut Vec::new()),
            ServerInput::Start(Some(b"canary"))
        );
        assert!(!shown.contains("canary") && !shown.contains("99, 97, 110"), "{shown}");
    }
}
