//! The server's side of SASL: what a mechanism is, what it may ask, and the exchange that runs one.
//!
//! A mechanism never calls back. What only the user database knows it asks for by a [`Query`], and whoever drives the
//! exchange gives the [`Answer`] when there is one: at once, or after a lookup in another thread.
//!
//! Source: RFC 4422 section 3, RFC 5034 section 4. Allocates nothing, never panics.

use core::fmt;

#[doc(inline)]
pub use super::built_in::BuiltIn;
use super::{MAX_STEPS, SaslError};
use crate::{Base64, InitialResponse, MechanismName, Secret, Sink};

/// A SASL mechanism from the server's side.
///
/// Implement it for a mechanism of your own; run it by [`Exchange`]. It must never be [`Done`](ServerStep::Done)
/// without an [`Answer`] that allows it.
pub trait ServerMechanism {
    /// The name under which the mechanism is announced.
    fn name(&self) -> MechanismName<'static>;

    /// Whether the client gives away a password or token by this mechanism. Such a one is neither announced nor
    /// started without TLS, unless the operator allows it (R5034-4.17).
    fn sends_password_in_clear(&self) -> bool;

    /// Whether the last challenge told the client why it is refused. The exchange is lost then, whatever the client says to
    /// it. Default: no.
    fn has_refused(&self) -> bool {
        false
    }

    /// Takes in a message or an answer; a challenge is written to `out`.
    ///
    /// A query may borrow from the message, or from what the mechanism kept of an earlier one.
    ///
    /// # Errors
    ///
    /// - [`SaslError::NoRoom`]: `out` is too small. Nothing was written, nothing changed: reserve before anything else.
    /// - [`SaslError::UnexpectedInitialResponse`]: a message with [`ServerInput::Start`] where the server speaks first.
    /// - any other: authentication failed.
    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError>;
}

/// What a server mechanism learns.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "a mechanism must tell all three apart; there is no fourth")]
pub enum ServerInput<'a> {
    /// The exchange begins, with or without an initial response, which may be empty.
    Start(Option<&'a [u8]>),
    /// The client answered the challenge by this message.
    Response(&'a [u8]),
    /// The question was answered.
    Answer(Answer<'a>),
}

impl fmt::Debug for ServerInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(None) => f.write_str("Start"),
            Self::Start(Some(raw)) => write!(f, "Start([redacted; {} octets])", raw.len()),
            Self::Response(raw) => write!(f, "Response([redacted; {} octets])", raw.len()),
            Self::Answer(answer) => write!(f, "Answer({answer:?})"),
        }
    }
}

/// What happens next on the server.
#[derive(Clone, Copy, Debug)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a server must act on each of them; there is no fourth")]
pub enum ServerStep<'a> {
    /// Send the challenge that was written, not yet encoded, to the caller's sink; it may be empty. Then wait for the
    /// response.
    Challenge,
    /// Find the answer and give it. On a fault of the database drop the exchange instead and reply with the code for
    /// that fault.
    Ask(Query<'a>),
    /// The client is who the accepted queries said. Open the maildrop and send the final reply.
    Done,
}

/// What a server mechanism must be told.
///
/// Names are UTF-8 without control characters and not empty. An absent `authzid` means: whoever the credentials
/// belong to; one that is present must be permitted to them, if only by being the same (R4422-3.6). Answer a query that you do
/// not know by [`Answer::Rejected`].
///
/// `Debug` prints lengths: people type passwords where names belong.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Query<'a> {
    /// Does this password belong to `authcid`, and may they act as `authzid`?
    Password {
        /// Whom to act as.
        authzid: Option<&'a str>,
        /// Whose password it is.
        authcid: &'a str,
        /// The password.
        password: Secret<'a>,
    },
    /// Does the client's verified TLS certificate, or whatever else the transport vouches for, belong to a user, and
    /// may they act as `authzid`? Without any such proof the answer is [`Answer::Rejected`]; never believe `authzid`
    /// alone (R4422-A.2, PB-S26).
    External {
        /// Whom to act as.
        authzid: Option<&'a str>,
    },
    /// Which password does `authcid` have? For mechanisms that compute with it. The answer is [`Answer::Secret`].
    Secret {
        /// Whose password is wanted.
        authcid: &'a str,
    },
    /// Which keys does `authcid` have for SCRAM with this hash? The answer is [`Answer::ScramKeys`].
    ScramKeys {
        /// Whose keys are wanted.
        authcid: &'a str,
        /// For which hash.
        hash: ScramHash,
    },
    /// The mechanism itself has proven that the client is `authcid`: may they log in, and act as `authzid`?
    ///
    /// It follows [`Secret`](Self::Secret) and [`ScramKeys`](Self::ScramKeys), never for a user who is unknown.
    Authorize {
        /// Whom to act as.
        authzid: Option<&'a str>,
        /// Who it is.
        authcid: &'a str,
    },
    /// Whose is this token, and may they act as `authzid`? For OAUTHBEARER and XOAUTH2. A refusal is
    /// [`Answer::Rejected`] or, with words for the client's program, [`Answer::TokenRejected`].
    Token {
        /// Whom to act as; for XOAUTH2 the user.
        authzid: Option<&'a str>,
        /// The bearer token.
        token: Secret<'a>,
        /// The host that the client meant to talk to; one that the server knows must match (R7628-3.2).
        host: Option<&'a str>,
        /// The port that the client meant to talk to; as `host`.
        port: Option<u16>,
    },
    /// May somebody unknown log in?
    Anonymous {
        /// What the client says of itself for the log: an address or a word, not to be believed. It may be empty.
        trace: &'a str,
    },
}

/// A hash that SCRAM is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScramHash {
    /// SCRAM-SHA-1, RFC 5802.
    Sha1,
    /// SCRAM-SHA-256, RFC 7677.
    Sha256,
    /// SCRAM-SHA-512, as registered.
    Sha512,
}

impl ScramHash {
    /// All of them, strongest first.
    pub const ALL: [Self; 3] = [Self::Sha512, Self::Sha256, Self::Sha1];

    /// The length of its keys, in octets.
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// What a server keeps of a password for SCRAM (RFC 5802 section 3). Nobody can log in with it elsewhere, but who has it
/// can try passwords: keep it as secret as a hash.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ScramKeys<'a> {
    /// The salt, random for each user; it goes to the client.
    pub salt: &'a [u8],
    /// The iteration count; it goes to the client. 4,096 or more (R5802-5.3).
    pub iterations: u32,
    /// StoredKey, [`ScramHash::octets`] long.
    pub stored_key: &'a [u8],
    /// ServerKey, [`ScramHash::octets`] long.
    pub server_key: &'a [u8],
}

impl<'a> ScramKeys<'a> {
    /// Joins the four parts.
    pub const fn new(salt: &'a [u8], iterations: u32, stored_key: &'a [u8], server_key: &'a [u8]) -> Self {
        Self { salt, iterations, stored_key, server_key }
    }
}

impl fmt::Debug for ScramKeys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramKeys([redacted], {} iterations)", self.iterations)
    }
}

impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Octets<'a>(Option<&'a str>);
        impl fmt::Debug for Octets<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "[redacted; {} octets]", self.0.map_or(0, str::len))
            }
        }
        match *self {
            Self::Password { authzid, authcid, password } => f
                .debug_struct("Password")
                .field("authzid", &Octets(authzid))
                .field("authcid", &Octets(Some(authcid)))
                .field("password", &password)
                .finish(),
            Self::External { authzid } => {
                f.debug_struct("External").field("authzid", &Octets(authzid)).finish()
            }
            Self::Secret { authcid } => {
                f.debug_struct("Secret").field("authcid", &Octets(Some(authcid))).finish()
            }
            Self::ScramKeys { authcid, hash } => f
                .debug_struct("ScramKeys")
                .field("authcid", &Octets(Some(authcid)))
                .field("hash", &hash)
                .finish(),
            Self::Authorize { authzid, authcid } => f
                .debug_struct("Authorize")
                .field("authzid", &Octets(authzid))
                .field("authcid", &Octets(Some(authcid)))
                .finish(),
            Self::Token { authzid, token, host, port } => f
                .debug_struct("Token")
                .field("authzid", &Octets(authzid))
                .field("token", &token)
                .field("host", &Octets(host))
                .field("port", &port)
                .finish(),
            Self::Anonymous { trace } => {
                f.debug_struct("Anonymous").field("trace", &Octets(Some(trace))).finish()
            }
        }
    }
}

/// The answer to a [`Query`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Answer<'a> {
    /// Yes.
    Accepted,
    /// No: unknown user, wrong password, no right to act so. The client learns not which.
    Rejected,
    /// This is the password. Where the user is unknown give a made-up one, so that the exchange takes its full course.
    Secret(Secret<'a>),
    /// These are the keys. Where the user is unknown give made-up ones whose salt and count are the same at each try, so
    /// that the exchange takes its full course and fails at the proof (R5802-5.9).
    ScramKeys(ScramKeys<'a>),
    /// No, and this is the JSON text that says why (RFC 7628 section 3.2.2): at least `status`. It goes to the client as
    /// a challenge; whatever it answers, the exchange then fails.
    TokenRejected(&'a [u8]),
}

/// What an exchange must know of the connection, and the randomness it may use up.
///
/// Make a new one for each exchange. The channel bindings are [`None`] where they must not be used: without TLS, where
/// the version of TLS does not allow it, and after an exchange on the same connection has used `tls-exporter` already
/// (R9266-4.1).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Setup<'a> {
    /// Fresh random octets, used for one exchange only.
    pub random: [u8; 18],
    /// The name of this host, for the challenge of CRAM-MD5. Letters, digits, `-` and `.` only; one that is
    /// empty, too long or holds something else is replaced by `localhost`.
    pub host: &'a str,
    /// The `tls-exporter` value of the connection (RFC 9266).
    pub exporter: Option<[u8; 32]>,
    /// The `tls-server-end-point` value of the server's certificate (RFC 5929 section 4).
    pub server_end_point: Option<&'a [u8]>,
    /// Whether the list of mechanisms that this client sees has a `-PLUS` one (R5802-6.3).
    pub plus_offered: bool,
}

/// One authentication of a server, from the `AUTH` command to success or failure.
///
/// Call [`initial`](Self::initial) once, then do what each [`ServerStep`] says: [`response`](Self::response) after
/// a challenge, [`answer`](Self::answer) after a question. On an error send the `-ERR` that
/// [`SaslError::rejects_credentials`] tells, on `*` or undecodable base64 one without a code, and drop the exchange:
/// the connection stands where it stood before `AUTH` (R5034-4.9, R5034-4.13).
///
/// Whether the mechanism may be used on this connection is the caller's to decide *before* `initial`: see
/// [`sends_password_in_clear`](Self::sends_password_in_clear).
#[derive(Debug)]
pub struct Exchange<M = BuiltIn> {
    mechanism: M,
    state: State,
    steps: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Challenged,
    Asked,
    Over,
    Failed(SaslError),
}

impl Exchange {
    /// An exchange of the built-in mechanism called `name`, or `None`: unknown mechanism, `-ERR` without a code.
    pub fn start(name: MechanismName<'_>, setup: &Setup<'_>) -> Option<Self> {
        BuiltIn::named(name, setup).map(Self::new)
    }
}

impl<M: ServerMechanism> Exchange<M> {
    /// An exchange that will run `mechanism`, which must be new.
    pub const fn new(mechanism: M) -> Self {
        Self { mechanism, state: State::New, steps: 0 }
    }

    /// Begins, with the initial response of the `AUTH` command if it had one.
    ///
    /// `scratch` takes the decoded message, which may hold a password: [wipe](super::wipe) it after the answer.
    /// A challenge is written raw to `challenge`.
    ///
    /// # Errors
    ///
    /// - [`SaslError::NoRoom`]: `scratch` or `challenge` is too small. Nothing changed.
    /// - [`SaslError::OutOfOrder`]: the exchange has begun already.
    /// - any other: authentication failed. Every later call returns the same.
    pub fn initial<'a>(
        &'a mut self,
        initial: Option<InitialResponse<'_>>,
        scratch: &'a mut [u8],
        challenge: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        self.expect(State::New)?;
        let message = match initial {
            Some(initial) => Some(&*initial.base64().decode(scratch)?),
            None => None,
        };
        self.step(ServerInput::Start(message), challenge)
    }

    /// Takes in the client's response line. Scratch, challenge and errors are those of [`initial`](Self::initial);
    /// in addition [`SaslError::TooManySteps`].
    ///
    /// # Errors
    ///
    /// See there; `OutOfOrder` if the last step was no challenge.
    pub fn response<'a>(
        &'a mut self,
        response: Base64<'_>,
        scratch: &'a mut [u8],
        challenge: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        self.expect(State::Challenged)?;
        if self.steps >= MAX_STEPS {
            let error = SaslError::TooManySteps { limit: MAX_STEPS };
            self.state = State::Failed(error);
            return Err(error);
        }
        let message = response.decode(scratch)?;
        self.step(ServerInput::Response(message), challenge)
    }

    /// Takes in the answer to the last question.
    ///
    /// # Errors
    ///
    /// As for [`initial`](Self::initial); `OutOfOrder` if the last step was no question, and
    /// [`SaslError::Rejected`] if the answer was no.
    pub fn answer<'a>(
        &'a mut self,
        answer: Answer<'a>,
        challenge: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        self.expect(State::Asked)?;
        self.step(ServerInput::Answer(answer), challenge)
    }

    /// The name of the mechanism, in capital letters.
    pub fn name(&self) -> MechanismName<'static> {
        self.mechanism.name()
    }

    /// Whether the client gives away a password or token: refuse without TLS before anything is read.
    pub fn sends_password_in_clear(&self) -> bool {
        self.mechanism.sends_password_in_clear()
    }

    /// Whether the last challenge told the client why it is refused, as OAUTHBEARER does. Send it by
    /// [`Session::report`](crate::server::Session::report): whatever the client answers, `*` included, it has failed to log
    /// in (R7628-3.3, RP-XO.3).
    pub fn has_refused(&self) -> bool {
        self.state == State::Challenged && self.mechanism.has_refused()
    }

    fn expect(&mut self, state: State) -> Result<(), SaslError> {
        if self.state == state {
            return Ok(());
        }
        if !matches!(self.state, State::Failed(_)) {
            self.state = State::Failed(SaslError::OutOfOrder);
        }
        match self.state {
            State::Failed(error) => Err(error),
            _ => Err(SaslError::OutOfOrder),
        }
    }

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        challenge: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        let from_client = !matches!(input, ServerInput::Answer(_));
        let result = self.mechanism.step(input, challenge);
        self.state = match &result {
            Err(SaslError::NoRoom { .. }) => return result,
            Err(error) => State::Failed(*error),
            Ok(ServerStep::Challenge) => State::Challenged,
            Ok(ServerStep::Ask(_)) => State::Asked,
            Ok(ServerStep::Done) => State::Over,
        };
        self.steps = self.steps.saturating_add(u8::from(from_client));
        result
    }
}

/// The course of all mechanisms in which the client sends one message that is either right or wrong.
///
/// `asked` is set while an answer is awaited: no other way leads to `Done`.
pub(super) fn one_message<'a>(
    asked: &mut bool,
    input: ServerInput<'a>,
    parse: fn(&'a [u8]) -> Result<Query<'a>, SaslError>,
) -> Result<ServerStep<'a>, SaslError> {
    let awaited = core::mem::take(asked);
    match input {
        ServerInput::Start(None) => Ok(ServerStep::Challenge),
        ServerInput::Start(Some(message)) | ServerInput::Response(message) => {
            let query = parse(message)?;
            *asked = true;
            Ok(ServerStep::Ask(query))
        }
        ServerInput::Answer(_) if !awaited => Err(SaslError::OutOfOrder),
        ServerInput::Answer(Answer::Accepted) => Ok(ServerStep::Done),
        ServerInput::Answer(_) => Err(SaslError::Rejected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::{LoginServer, PlainServer};
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn r5034_4_2_mechanisms_are_found_in_any_case() {
        for (name, found) in [
            (&b"plain"[..], Some(MechanismName::PLAIN)),
            (b"ExTeRnAl", Some(MechanismName::EXTERNAL)),
            (b"FOO", None),
            (b"PLAINX", None),
            (b"PLAI", None),
        ] {
            let exchange = Exchange::start(MechanismName::parse(name).unwrap(), &Setup::default());
            assert_eq!(exchange.as_ref().map(Exchange::name), found);
            if let Some(exchange) = exchange {
                assert_eq!(exchange.sends_password_in_clear(), exchange.name() == MechanismName::PLAIN);
            }
        }
    }

    #[test]
    fn r5034_4_3_without_initial_response_the_challenge_is_empty() {
        for name in [MechanismName::PLAIN, MechanismName::EXTERNAL] {
            let mut exchange = Exchange::start(name, &Setup::default()).unwrap();
            let mut storage = [0; 8];
            let mut out = &mut storage[..];
            assert!(matches!(exchange.initial(None, &mut [], &mut out), Ok(ServerStep::Challenge)));
            assert_eq!(out.len(), 8);
        }
    }

    #[test]
    fn r4422_3_6_done_only_after_an_accepted_question() {
        // Every order of six calls; the model is three lines.
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum Call {
            Start,
            StartWith(&'static [u8]),
            Response(&'static [u8]),
            Accept,
            Reject,
            Password,
        }
        use Call::*;
        const GOOD: &[u8] = b"AHRlc3QAdGVzdA==";
        const BAD: &[u8] = b"dGVzdA==";
        let calls =
            [Start, StartWith(GOOD), StartWith(BAD), Response(GOOD), Response(BAD), Accept, Reject, Password];
        let mut successes = Vec::new();
        for n in 0..calls.len().pow(5) {
            let order: Vec<Call> = (0..5).map(|k| calls[n / calls.len().pow(k) % calls.len()]).collect();
            let mut exchange = Exchange::start(MechanismName::PLAIN, &Setup::default()).unwrap();
            let mut bare = PlainServer::new();
            let mut failed = None;
            let mut asked = false;
            for (k, &call) in order.iter().enumerate() {
                let (mut scratch, mut out) = ([0; 32], &mut [][..]);
                let secret = Secret::new(b"x").unwrap();
                let result = match call {
                    Start => exchange.initial(None, &mut scratch, &mut out),
                    StartWith(text) => {
                        exchange.initial(Some(InitialResponse::parse(text).unwrap()), &mut scratch, &mut out)
                    }
                    Response(text) => exchange.response(Base64::new(text).unwrap(), &mut scratch, &mut out),
                    Accept => exchange.answer(Answer::Accepted, &mut out),
                    Reject => exchange.answer(Answer::Rejected, &mut out),
                    Password => exchange.answer(Answer::Secret(secret), &mut out),
                };
                if let Some(error) = failed {
                    assert_eq!(result.map(|_| ()), Err(error), "{order:?}");
                    continue;
                }
                match result {
                    Ok(ServerStep::Done) => {
                        successes.push(order[..=k].to_vec());
                        failed = Some(SaslError::OutOfOrder);
                    }
                    Ok(_) => {}
                    Err(error) => failed = Some(error),
                }
            }
            // The mechanism holds by itself too, in whatever order it is driven.
            for &call in &order {
                let raw = b"\0test\0test";
                let input = match call {
                    Start => ServerInput::Start(None),
                    StartWith(GOOD) => ServerInput::Start(Some(raw)),
                    StartWith(_) => ServerInput::Start(Some(b"test")),
                    Response(GOOD) => ServerInput::Response(raw),
                    Response(_) => ServerInput::Response(b"test"),
                    Accept => ServerInput::Answer(Answer::Accepted),
                    Reject | Password => ServerInput::Answer(Answer::Rejected),
                };
                let step = bare.step(input, &mut [].as_mut_slice());
                assert_eq!(matches!(step, Ok(ServerStep::Done)), asked && call == Accept, "{order:?}");
                asked = matches!(step, Ok(ServerStep::Ask(_)));
            }
        }
        successes.sort_by_key(Vec::len);
        successes.dedup();
        assert_eq!(successes, [vec![StartWith(GOOD), Accept], vec![Start, Response(GOOD), Accept]]);
    }

    #[test]
    fn a_client_that_never_ends_is_refused_after_16_steps() {
        struct Endless;
        impl ServerMechanism for Endless {
            fn name(&self) -> MechanismName<'static> {
                MechanismName::PLAIN
            }
            fn sends_password_in_clear(&self) -> bool {
                false
            }
            fn step<'a>(
                &'a mut self,
                _: ServerInput<'a>,
                _: &mut dyn Sink,
            ) -> Result<ServerStep<'a>, SaslError> {
                Ok(ServerStep::Challenge)
            }
        }
        let mut exchange = Exchange::new(Endless);
        let mut none: &mut [u8] = &mut [];
        assert!(exchange.initial(None, &mut [], &mut none).is_ok());
        for _ in 1..16 {
            assert!(exchange.response(Base64::EMPTY, &mut [], &mut none).is_ok());
        }
        let error = SaslError::TooManySteps { limit: 16 };
        for _ in 0..2 {
            assert_eq!(exchange.response(Base64::EMPTY, &mut [], &mut none).map(|_| ()), Err(error));
        }
        assert!(!error.rejects_credentials());
    }

    #[test]
    fn too_little_memory_changes_nothing() {
        let mut exchange = Exchange::new(LoginServer::new());
        let mut small: &mut [u8] = &mut [0; 8];
        let error = exchange.initial(None, &mut [], &mut small).map(|_| ()).unwrap_err();
        assert_eq!(error, SaslError::NoRoom { needed: 9 });
        let mut large: &mut [u8] = &mut [0; 64];
        assert!(exchange.initial(None, &mut [], &mut large).is_ok());
        let alice = Base64::new(b"YWxpY2U=").unwrap();
        let error = exchange.response(alice, &mut [0; 4], &mut large).map(|_| ()).unwrap_err();
        assert_eq!(error, SaslError::NoRoom { needed: 5 });
        assert!(exchange.response(alice, &mut [0; 5], &mut large).is_ok());
    }
}
