//! The client's side of SASL: what a mechanism is, and the exchange that joins one with the lines of POP3.
//!
//! Source: RFC 4422 section 3, RFC 5034 section 4. Allocates nothing, never panics.

use core::fmt;
use core::ops::Range;

use super::{MAX_STEPS, SaslError};
use crate::{Base64, Full, InitialResponse, MechanismName, Sink};

/// A SASL mechanism from the client's side, with the credentials it is to use.
///
/// Implement it for a mechanism of your own; run it by [`Exchange`]. It sees raw messages, and is told apart by
/// [`Input`] whether the server goes on or is done, so that it can insist on what the server owes it.
pub trait ClientMechanism {
    /// The name under which servers announce the mechanism.
    fn name(&self) -> MechanismName<'static>;

    /// Whether the mechanism may send an initial response: the client speaks first, and servers take it in the
    /// `AUTH` command.
    fn client_first(&self) -> bool;

    /// Whether the peer learns a password or token by this mechanism. Such a one needs TLS with a verified server
    /// (R4616-5.1, R5034-4.18).
    fn sends_password_in_clear(&self) -> bool;

    /// Whether to wait for the server's empty challenge even if the first message would fit into the `AUTH` command, as
    /// servers of XOAUTH2 want it (RP-XO.1). Default: no.
    fn wants_two_steps(&self) -> bool {
        false
    }

    /// Takes in what the server said and writes the next message to `out`.
    ///
    /// - [`Input::Start`] comes only if [`client_first`](Self::client_first) and before any other input. It may come
    ///   more than once, and gets the same message each time: the exchange asks again when the message did not fit
    ///   into the `AUTH` command.
    /// - [`Input::Challenge`] gets the response, which may be empty.
    /// - [`Input::Done`] is answered by [`ClientStep::Finished`] or an error; nothing is written.
    ///
    /// # Errors
    ///
    /// - [`SaslError::NoRoom`]: `out` is too small. Nothing was written, nothing changed: reserve before anything else.
    /// - any other ends the exchange. On `Done` it makes the authentication fail though the server said `+OK`.
    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError>;
}

/// What a client mechanism learns.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "a mechanism must tell all three apart; there is no fourth")]
pub enum Input<'a> {
    /// The exchange begins.
    Start,
    /// The server sent this message.
    Challenge(&'a [u8]),
    /// The server ended the exchange by `+OK`.
    Done,
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("Start"),
            Self::Challenge(raw) => write!(f, "Challenge([redacted; {} octets])", raw.len()),
            Self::Done => f.write_str("Done"),
        }
    }
}

/// What a client mechanism did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum ClientStep {
    /// It wrote the message that goes to the server next.
    Send,
    /// The challenge was the server's account of why it refuses; it wrote the message that takes note of it. A `-ERR`
    /// must follow, and a `+OK` is none (R7628-3.3).
    Acknowledge,
    /// It is content with the server's `+OK`.
    Finished,
}

/// One authentication of a client.
///
/// [`start`](Self::start) says what the `AUTH` command holds; [`challenge`](Self::challenge) answers each challenge;
/// [`success`](Self::success) must be called on the final `+OK`, and only if it agrees is the client authenticated.
/// On `-ERR` just drop the exchange. Make a new mechanism and a new exchange for the next try.
///
/// Each message is written into `scratch`, memory of yours, which also takes the decoded challenge in front of it:
/// the longest line of the server and the longest message of the mechanism must fit, 12,288 octets are enough for
/// all lines within the usual limit. Encode what is returned, send it, and [wipe](super::wipe) the memory.
pub struct Exchange<'m> {
    mechanism: &'m mut dyn ClientMechanism,
    state: State,
    steps: u8,
    withhold: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    New,
    /// `AUTH` went out alone though the client speaks first: an empty challenge asks for the first message.
    Withheld,
    Running,
    Over,
    Failed(SaslError),
}

impl<'m> Exchange<'m> {
    /// An exchange that will run `mechanism`, which must be new.
    pub fn new(mechanism: &'m mut dyn ClientMechanism) -> Self {
        Self { mechanism, state: State::New, steps: 0, withhold: false }
    }

    /// Never sends an initial response, even if it fits.
    ///
    /// For servers that do not announce SASL, to which none may be sent (R5034-3.2), and for those that are known
    /// to refuse it at any length (PB-Q21).
    pub fn without_initial_response(mut self) -> Self {
        self.withhold = true;
        self
    }

    /// Says what goes into the `AUTH` command. Nothing was sent before.
    ///
    /// The initial response is present if the mechanism has one and the command stays within 255 octets with it
    /// (R5034-4.6); else it follows as the answer to the first challenge.
    ///
    /// # Errors
    ///
    /// - [`SaslError::NoRoom`]: `scratch` is too small. Nothing changed.
    /// - [`SaslError::OutOfOrder`]: the exchange was started before.
    /// - any other from the mechanism.
    pub fn start<'s>(&mut self, scratch: &'s mut [u8]) -> Result<FirstMove<'s>, SaslError> {
        match self.state {
            State::New => {}
            State::Failed(error) => return Err(error),
            State::Withheld | State::Running | State::Over => return Err(SaslError::OutOfOrder),
        }
        let mechanism = self.mechanism.name();
        if !self.mechanism.client_first() {
            self.state = State::Running;
            return Ok(FirstMove { mechanism, initial: None });
        }
        if self.withhold || self.mechanism.wants_two_steps() {
            self.state = State::Withheld;
            return Ok(FirstMove { mechanism, initial: None });
        }
        let octets = match self.step(Input::Start, scratch) {
            Ok((_, octets)) => octets,
            Err(error @ SaslError::NoRoom { .. }) => return Err(error),
            Err(error) => return Err(self.fail(error)),
        };
        let message = scratch.get_mut(..octets).unwrap_or_default();
        if !InitialResponse::fits(mechanism, octets) {
            super::wipe(message);
            self.state = State::Withheld;
            return Ok(FirstMove { mechanism, initial: None });
        }
        self.state = State::Running;
        Ok(FirstMove { mechanism, initial: Some(message) })
    }

    /// Takes the server's `challenge` and says what to do. Do it, and wait for the next line of the server.
    ///
    /// # Errors
    ///
    /// [`Full`]: `scratch` is too small for the decoded challenge and the response. Nothing changed.
    pub fn challenge<'s>(&mut self, challenge: Base64<'_>, scratch: &'s mut [u8]) -> Result<Move<'s>, Full> {
        match self.respond(challenge, scratch) {
            Ok((ClientStep::Acknowledge, range)) => {
                let (report, rest) = scratch.split_at_checked(range.start).unwrap_or_default();
                let response = rest.get(..range.len()).unwrap_or_default();
                self.state = State::Failed(SaslError::Rejected);
                Ok(Move::Acknowledge { report, response })
            }
            Ok((_, range)) => Ok(Move::Respond(scratch.get(range).unwrap_or_default())),
            Err(SaslError::NoRoom { needed }) => Err(Full { needed }),
            Err(error) => Ok(Move::Cancel(self.fail(error))),
        }
    }

    /// Takes note that the server sent a challenge that is not base64. The exchange has failed (R5034-4.10).
    /// Send `*`, wait for the `-ERR`, and report what this returns.
    pub fn undecodable(&mut self) -> SaslError {
        self.fail(SaslError::UndecodableChallenge)
    }

    /// Takes note that the server ended the exchange by `+OK`, and says whether the mechanism agrees.
    ///
    /// # Errors
    ///
    /// Authentication *failed*, whatever the server says; drop the connection, for the two sides differ about its
    /// state.
    ///
    /// - [`SaslError::EarlySuccess`]: the mechanism has not said or seen all that it must.
    /// - [`SaslError::OutOfOrder`]: the exchange was not started, or is over.
    /// - the error of an earlier [`Move::Cancel`].
    /// - any other from the mechanism.
    pub fn success(&mut self) -> Result<(), SaslError> {
        match self.state {
            State::Running => {}
            State::Withheld => return Err(self.fail(SaslError::EarlySuccess)),
            State::New | State::Over => return Err(self.fail(SaslError::OutOfOrder)),
            State::Failed(error) => return Err(error),
        }
        match self.mechanism.step(Input::Done, &mut [].as_mut_slice()) {
            Ok(ClientStep::Finished) => {
                self.state = State::Over;
                Ok(())
            }
            Ok(ClientStep::Send | ClientStep::Acknowledge) => Err(self.fail(SaslError::EarlySuccess)),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Whether the mechanism gives the peer a password or token: do not start without TLS then.
    pub fn sends_password_in_clear(&self) -> bool {
        self.mechanism.sends_password_in_clear()
    }

    fn respond(
        &mut self,
        challenge: Base64<'_>,
        scratch: &mut [u8],
    ) -> Result<(ClientStep, Range<usize>), SaslError> {
        let input_is_start = match self.state {
            State::Withheld if !challenge.is_empty() => return Err(SaslError::UnexpectedChallenge),
            State::Withheld => true,
            State::Running => false,
            State::New | State::Over => return Err(SaslError::OutOfOrder),
            State::Failed(error) => return Err(error),
        };
        if self.steps >= MAX_STEPS {
            return Err(SaslError::TooManySteps { limit: MAX_STEPS });
        }
        let start = challenge.decode(scratch)?.len();
        let (decoded, rest) =
            scratch.split_at_mut_checked(start).ok_or(SaslError::NoRoom { needed: start })?;
        let input = if input_is_start { Input::Start } else { Input::Challenge(decoded) };
        let (step, octets) = self.step(input, rest).map_err(|error| match error {
            SaslError::NoRoom { needed } => SaslError::NoRoom { needed: needed.saturating_add(start) },
            error => error,
        })?;
        self.steps = self.steps.saturating_add(1);
        self.state = State::Running;
        Ok((step, start..start.saturating_add(octets)))
    }

    /// Lets the mechanism write its next message to the front of `out`; returns what it did, and the length.
    fn step(&mut self, input: Input<'_>, out: &mut [u8]) -> Result<(ClientStep, usize), SaslError> {
        let room = out.len();
        let mut rest = out;
        match self.mechanism.step(input, &mut rest)? {
            step @ (ClientStep::Send | ClientStep::Acknowledge) => {
                Ok((step, room.saturating_sub(rest.len())))
            }
            // No line of the client's would answer the server's: a fault of the mechanism.
            ClientStep::Finished => Err(SaslError::OutOfOrder),
        }
    }

    /// Keeps the first error.
    fn fail(&mut self, error: SaslError) -> SaslError {
        if let State::Failed(first) = self.state {
            return first;
        }
        self.state = State::Failed(error);
        error
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("mechanism", &self.mechanism.name())
            .field("state", &self.state)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// What the `AUTH` command holds.
#[derive(Clone, Copy)]
#[must_use]
#[non_exhaustive]
pub struct FirstMove<'s> {
    /// The mechanism.
    pub mechanism: MechanismName<'static>,
    /// The initial response, not yet encoded; it may be empty. `None`: the command has no second argument.
    pub initial: Option<&'s [u8]>,
}

impl fmt::Debug for FirstMove<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.initial {
            Some(raw) => write!(f, "FirstMove({}, [redacted; {} octets])", self.mechanism, raw.len()),
            None => write!(f, "FirstMove({})", self.mechanism),
        }
    }
}

/// How to answer a challenge.
#[derive(Clone, Copy)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a client must do each of them; there is no fourth")]
pub enum Move<'s> {
    /// Send this message, not yet encoded; it may be empty.
    Respond(&'s [u8]),
    /// The server refuses, and `report` says why, in JSON (RFC 7628 section 3.2.2). Keep it for whoever reads the error,
    /// send `response`, not yet encoded, and wait for the `-ERR`.
    Acknowledge {
        /// What the server said.
        report: &'s [u8],
        /// What to send.
        response: &'s [u8],
    },
    /// Send `*`, wait for the `-ERR`, and report this. Another mechanism may be tried if one is allowed.
    Cancel(SaslError),
}

impl fmt::Debug for Move<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Respond(raw) => write!(f, "Respond([redacted; {} octets])", raw.len()),
            Self::Acknowledge { report, response } => {
                write!(f, "Acknowledge({} octets, {} octets)", report.len(), response.len())
            }
            Self::Cancel(error) => write!(f, "Cancel({error:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::{External, Plain};
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    // The exchange of a SCRAM-SHA-256-PLUS login: raw messages and their lines, as recorded.
    const CLIENT_FIRST: &str = "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=";
    const CLIENT_FINAL: &str = "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=";
    const CLIENT_FINAL_LINE: &str = "Yz1jRDEwYkhNdFpYaHdiM0owWlhJc0xBQUJBZ01FQlFZSENBa0tDd3dORGc4UUVSSVRGQlVXRnhnWkdoc2NIUjRmLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1RQzZDUzIwcXVBRFFSYjNtVDk5WVVIK24zVkp4VXZ6dUswSzBFMVZyczJNPQ==";
    const SERVER_FINAL: &str = "dj0yR2lBZ2FwRXBwTFZsVVhieFVEa3NMM1ZnWUh6dXFpSzV0UjRtaEpHZ3ZzPQ==";

    /// Says what stands in the script, and believes no `+OK` before it saw the last challenge of the script.
    struct Scripted {
        script: &'static [(&'static str, &'static str)],
        at: usize,
        client_first: bool,
    }

    impl Scripted {
        const SCRAM: Self = Self {
            script: &[
                ("", CLIENT_FIRST),
                (
                    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                    CLIENT_FINAL,
                ),
                ("v=2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=", ""),
            ],
            at: 0,
            client_first: true,
        };
        const LOGIN: Self = Self {
            script: &[("Username:", "alice"), ("Password:", "wonderland")],
            at: 0,
            client_first: false,
        };
    }

    impl ClientMechanism for Scripted {
        fn name(&self) -> MechanismName<'static> {
            let name = if self.client_first { &b"SCRAM-SHA-256-PLUS"[..] } else { b"LOGIN" };
            MechanismName::parse(name).unwrap()
        }

        fn client_first(&self) -> bool {
            self.client_first
        }

        fn sends_password_in_clear(&self) -> bool {
            !self.client_first
        }

        fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
            let (at, challenge) = match input {
                Input::Start => (0, &b""[..]),
                Input::Challenge(challenge) => (self.at, challenge),
                Input::Done if self.at == self.script.len() => return Ok(ClientStep::Finished),
                Input::Done => return Err(SaslError::EarlySuccess),
            };
            let (want, say) = self.script.get(at).ok_or(SaslError::UnexpectedChallenge)?;
            if challenge != want.as_bytes() {
                return Err(SaslError::Rejected);
            }
            out.reserve(say.len())?;
            out.put(say.as_bytes());
            self.at = at + 1;
            Ok(ClientStep::Send)
        }
    }

    fn line(raw: &[u8]) -> String {
        let mut storage = [0; 512];
        let mut out = &mut storage[..];
        Base64::encode_to(raw, &mut out).unwrap();
        let n = 512 - out.len();
        String::from_utf8(storage[..n].to_vec()).unwrap()
    }

    fn say<'s>(exchange: &mut Exchange<'_>, text: &str, scratch: &'s mut [u8]) -> Move<'s> {
        exchange.challenge(Base64::new(text.as_bytes()).unwrap(), scratch).unwrap()
    }

    fn response(step: Move<'_>) -> Vec<u8> {
        match step {
            Move::Respond(raw) => raw.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn cancel(step: Move<'_>) -> SaslError {
        match step {
            Move::Cancel(error) => error,
            _ => panic!("{step:?}"),
        }
    }

    #[test]
    fn r5034_4_14_scram_ends_with_an_empty_line() {
        let mut scram = Scripted::SCRAM;
        let mut exchange = Exchange::new(&mut scram);
        let mut scratch = [0; 512];
        let first = exchange.start(&mut scratch).unwrap();
        assert_eq!(
            line(first.initial.unwrap()),
            "cD10bHMtZXhwb3J0ZXIsLG49dXNlcixyPXJPcHJOR2Z3RWJlUldnYk5Fa3FP"
        );
        let raw = response(say(&mut exchange, SERVER_FIRST, &mut scratch));
        assert_eq!(line(&raw), CLIENT_FINAL_LINE);
        assert_eq!(response(say(&mut exchange, SERVER_FINAL, &mut scratch)), b"");
        assert_eq!(exchange.success(), Ok(()));
    }

    #[test]
    fn pb_c10_success_without_the_signature_fails() {
        for challenges in 0..2 {
            let mut scram = Scripted::SCRAM;
            let mut exchange = Exchange::new(&mut scram);
            let mut scratch = [0; 512];
            assert!(exchange.start(&mut scratch).unwrap().initial.is_some());
            if challenges == 1 {
                response(say(&mut exchange, SERVER_FIRST, &mut scratch));
            }
            assert_eq!(exchange.success(), Err(SaslError::EarlySuccess));
            assert_eq!(exchange.success(), Err(SaslError::EarlySuccess));
        }
        // A wrong signature ("w=..."): cancelled, and "+OK" changes nothing.
        let mut scram = Scripted::SCRAM;
        let mut exchange = Exchange::new(&mut scram);
        let mut scratch = [0; 512];
        assert!(exchange.start(&mut scratch).unwrap().initial.is_some());
        response(say(&mut exchange, SERVER_FIRST, &mut scratch));
        assert_eq!(cancel(say(&mut exchange, "dz0=", &mut scratch)), SaslError::Rejected);
        assert_eq!(exchange.success(), Err(SaslError::Rejected));
        assert_eq!(cancel(say(&mut exchange, SERVER_FINAL, &mut scratch)), SaslError::Rejected);
    }

    #[test]
    fn rp_login_1_a_mechanism_in_which_the_server_speaks_first() {
        let mut login = Scripted::LOGIN;
        let mut exchange = Exchange::new(&mut login);
        assert!(exchange.sends_password_in_clear());
        let mut scratch = [0; 64];
        assert!(exchange.start(&mut []).unwrap().initial.is_none());
        assert_eq!(response(say(&mut exchange, "VXNlcm5hbWU6", &mut scratch)), b"alice");
        assert_eq!(response(say(&mut exchange, "UGFzc3dvcmQ6", &mut scratch)), b"wonderland");
        assert_eq!(exchange.success(), Ok(()));
    }

    #[test]
    fn r5034_4_6_a_line_of_255_octets_is_sent_and_a_longer_one_is_not() {
        // "AUTH EXTERNAL " and CRLF are 16 octets; 239 are left, and base64 comes by fours: 177 octets fit, 178 do not.
        // With PLAIN it is 242, so 180 octets fit, of which two are NUL.
        let mut scratch = [0; 512];
        for (octets, fits) in [(177, true), (178, false)] {
            let name = "n".repeat(octets);
            let mut external = External::new(Some(&name)).unwrap();
            let mut exchange = Exchange::new(&mut external);
            assert_eq!(exchange.start(&mut scratch).unwrap().initial.is_some(), fits);
            if !fits {
                assert_eq!(response(say(&mut exchange, "", &mut scratch)), name.as_bytes());
            }
            assert_eq!(exchange.success(), Ok(()));
        }
        for (octets, fits) in [(180, true), (181, false)] {
            let password = "p".repeat(octets - 3);
            let mut plain = Plain::new(None, "a", &password).unwrap();
            let mut exchange = Exchange::new(&mut plain);
            assert_eq!(exchange.start(&mut scratch).unwrap().initial.is_some(), fits);
        }
    }

    #[test]
    fn r5034_3_2_no_initial_response_if_told_so() {
        let mut plain = Plain::new(None, "test", "test").unwrap();
        let mut exchange = Exchange::new(&mut plain).without_initial_response();
        let mut scratch = [0; 64];
        assert!(exchange.start(&mut scratch).unwrap().initial.is_none());
        assert_eq!(line(&response(say(&mut exchange, "", &mut scratch))), "AHRlc3QAdGVzdA==");
        assert_eq!(exchange.success(), Ok(()));
    }

    #[test]
    fn r5034_4_6_only_an_empty_challenge_asks_for_the_first_message() {
        let mut plain = Plain::new(None, "test", "test").unwrap();
        let mut exchange = Exchange::new(&mut plain).without_initial_response();
        let mut scratch = [0; 64];
        assert!(exchange.start(&mut scratch).unwrap().initial.is_none());
        assert_eq!(cancel(say(&mut exchange, "VXNlcm5hbWU6", &mut scratch)), SaslError::UnexpectedChallenge);
        assert_eq!(cancel(say(&mut exchange, "", &mut scratch)), SaslError::UnexpectedChallenge);
        assert!(scratch.iter().all(|&octet| octet == 0));
    }

    #[test]
    fn pb_q18_success_before_the_password_was_sent_fails() {
        let mut plain = Plain::new(None, "test", "test").unwrap();
        let mut exchange = Exchange::new(&mut plain).without_initial_response();
        assert!(exchange.start(&mut []).unwrap().initial.is_none());
        assert_eq!(exchange.success(), Err(SaslError::EarlySuccess));
    }

    #[test]
    fn r4422_3_1_a_challenge_after_the_last_message_is_cancelled() {
        let mut scratch = [0; 64];
        let mut plain = Plain::new(None, "test", "test").unwrap();
        let mut external = External::new(None).unwrap();
        let mechanisms: [&mut dyn ClientMechanism; 2] = [&mut plain, &mut external];
        for mechanism in mechanisms {
            let mut exchange = Exchange::new(mechanism);
            assert!(exchange.start(&mut scratch).unwrap().initial.is_some());
            for text in ["", "VXNlcm5hbWU6"] {
                assert_eq!(cancel(say(&mut exchange, text, &mut scratch)), SaslError::UnexpectedChallenge);
            }
            assert_eq!(exchange.success(), Err(SaslError::UnexpectedChallenge));
        }
    }

    #[test]
    fn r5034_4_10_an_undecodable_challenge_is_cancelled_for_good() {
        for text in [&b"%%%"[..], b"=AAA", b"go ahead"] {
            assert!(Base64::new(text).is_err());
            let mut scram = Scripted::SCRAM;
            let mut exchange = Exchange::new(&mut scram);
            let mut scratch = [0; 512];
            assert!(exchange.start(&mut scratch).unwrap().initial.is_some());
            assert_eq!(exchange.undecodable(), SaslError::UndecodableChallenge);
            assert_eq!(
                cancel(say(&mut exchange, SERVER_FIRST, &mut scratch)),
                SaslError::UndecodableChallenge
            );
            assert_eq!(exchange.success(), Err(SaslError::UndecodableChallenge));
        }
    }

    #[test]
    fn a_server_that_never_ends_is_cancelled_after_16_steps() {
        struct Endless;
        impl ClientMechanism for Endless {
            fn name(&self) -> MechanismName<'static> {
                MechanismName::PLAIN
            }
            fn client_first(&self) -> bool {
                false
            }
            fn sends_password_in_clear(&self) -> bool {
                false
            }
            fn step(&mut self, _: Input<'_>, _: &mut dyn Sink) -> Result<ClientStep, SaslError> {
                Ok(ClientStep::Send)
            }
        }
        let mut endless = Endless;
        let mut exchange = Exchange::new(&mut endless);
        assert!(exchange.start(&mut []).unwrap().initial.is_none());
        for _ in 0..16 {
            assert_eq!(response(say(&mut exchange, "", &mut [])), b"");
        }
        let error = SaslError::TooManySteps { limit: 16 };
        assert_eq!(cancel(say(&mut exchange, "", &mut [])), error);
        assert_eq!(exchange.success(), Err(error));
    }

    #[test]
    fn too_little_memory_changes_nothing() {
        let mut scram = Scripted::SCRAM;
        let mut exchange = Exchange::new(&mut scram);
        let needed = CLIENT_FIRST.len();
        let error = exchange.start(&mut [0; 40]).map(|_| ()).unwrap_err();
        assert_eq!(error, SaslError::NoRoom { needed });
        assert!(exchange.start(&mut [0; 45]).unwrap().initial.is_some());
        let challenge = Base64::new(SERVER_FIRST.as_bytes()).unwrap();
        let both = challenge.decoded_len() + CLIENT_FINAL.len();
        assert_eq!(
            exchange.challenge(challenge, &mut [0; 16]).map(|_| ()),
            Err(Full { needed: challenge.decoded_len() })
        );
        let mut scratch = std::vec![0; both];
        assert_eq!(exchange.challenge(challenge, &mut scratch[1..]).map(|_| ()), Err(Full { needed: both }));
        assert_eq!(response(exchange.challenge(challenge, &mut scratch).unwrap()), CLIENT_FINAL.as_bytes());
    }

    #[test]
    fn calls_out_of_order_fail() {
        let mut scratch = [0; 64];
        let mut plain = Plain::new(None, "test", "test").unwrap();
        let mut exchange = Exchange::new(&mut plain);
        assert_eq!(cancel(say(&mut exchange, "", &mut scratch)), SaslError::OutOfOrder);
        assert_eq!(exchange.start(&mut scratch).map(|_| ()).unwrap_err(), SaslError::OutOfOrder);
        let mut exchange = Exchange::new(&mut plain);
        assert_eq!(exchange.success(), Err(SaslError::OutOfOrder));
        let mut plain = Plain::new(None, "test", "test").unwrap();
        let mut exchange = Exchange::new(&mut plain);
        assert!(exchange.start(&mut scratch).unwrap().initial.is_some());
        assert_eq!(exchange.start(&mut scratch).map(|_| ()).unwrap_err(), SaslError::OutOfOrder);
        assert_eq!(exchange.success(), Ok(()));
        assert_eq!(exchange.success(), Err(SaslError::OutOfOrder));
        assert_eq!(
            format!("{exchange:?}"),
            "Exchange { mechanism: PLAIN, state: Failed(OutOfOrder), steps: 0, .. }"
        );
    }
}
