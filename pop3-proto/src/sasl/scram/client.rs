//! SCRAM for a client.

use core::fmt;
use core::ops::RangeInclusive;

use super::hash::{self, Key, Keys};
use super::message::{self, First, Flag, Put, attribute, extensions, is_nonce, split};
use super::{MAX_ITERATIONS, MAX_SALT, MIN_ITERATIONS, Refusal, name};
use crate::sasl::client::{ClientMechanism, ClientStep, Input};
use crate::sasl::server::ScramHash;
use crate::sasl::{Part, SaslError, check};
use crate::{ArgError, Base64, MechanismName, Sink};

/// How a login is bound to the TLS connection (R5802-6.2). The last two make it the `-PLUS` mechanism.
///
/// `tls-exporter` is the one for TLS 1.3 (R9266-3.1). One value of it serves one login: after a failed one, connect
/// anew before the next (R9266-4.1). Under TLS 1.2 it is of use with the extended master secret only (R7677-4.1).
#[derive(Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a client says one of them; another kind of binding is another mechanism"
)]
pub enum Binding<'a> {
    /// Not at all: this client has no value to bind by, for there is no TLS, or it gives none.
    Unsupported,
    /// This client could, but the server announces no `-PLUS` mechanism. A server that does announce one then knows
    /// that somebody took it away, and refuses: never say `Unsupported` instead.
    NotOffered,
    /// By the `tls-exporter` value of the connection (RFC 9266).
    Exporter(&'a [u8; 32]),
    /// By the `tls-server-end-point` value, a hash of the server's certificate (RFC 5929 section 4).
    ServerEndPoint(&'a [u8]),
}

impl<'a> Binding<'a> {
    const fn flag(self) -> Flag {
        match self {
            Self::Unsupported => Flag::Unsupported,
            Self::NotOffered => Flag::NotOffered,
            Self::Exporter(_) => Flag::Exporter,
            Self::ServerEndPoint(_) => Flag::ServerEndPoint,
        }
    }

    const fn data(self) -> &'a [u8] {
        match self {
            Self::Unsupported | Self::NotOffered => &[],
            Self::Exporter(value) => value,
            Self::ServerEndPoint(value) => value,
        }
    }
}

impl fmt::Debug for Binding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "Unsupported",
            Self::NotOffered => "NotOffered",
            Self::Exporter(_) => "Exporter",
            Self::ServerEndPoint(_) => "ServerEndPoint",
        })
    }
}

/// SCRAM for a client. It borrows the credentials; wiping them is the owner's part.
///
/// It believes no `+OK` before the server has shown by its signature that it knows the user's keys (R5802-5.7), answers
/// no server that repeats the client's nonce (R5802-5.2), and computes nothing for an iteration count out of bounds
/// (R5802-5.4).
pub struct Scram<'a> {
    hash: ScramHash,
    binding: Binding<'a>,
    authzid: Option<&'a str>,
    authcid: &'a str,
    password: &'a str,
    nonce: &'a str,
    min: u32,
    max: u32,
    state: State,
}

enum State {
    New,
    /// The first message was written.
    First,
    /// The proof was written; this is what the server must sign with.
    Final(Key),
    /// The server's signature is right.
    Verified,
    Over,
}

impl<'a> Scram<'a> {
    /// Will log in as `authcid` by `password`, and act as `authzid`, or as `authcid` if there is none.
    ///
    /// `nonce` is random and new for each login; [`Nonce`](super::Nonce) makes a good one. The mechanism is the `-PLUS`
    /// one if `binding` has a value.
    ///
    /// # Errors
    ///
    /// [`SaslError::Credential`]: a part is empty or holds NUL, or the nonce holds something else than printable ASCII
    /// characters without comma. Everything else is used as it stands.
    pub fn new(
        hash: ScramHash,
        binding: Binding<'a>,
        authzid: Option<&'a str>,
        authcid: &'a str,
        password: &'a str,
        nonce: &'a str,
    ) -> Result<Self, SaslError> {
        if let Some(authzid) = authzid {
            check(Part::Authzid, authzid)?;
        }
        check(Part::Authcid, authcid)?;
        check(Part::Password, password)?;
        check(Part::Nonce, nonce)?;
        if let Some(octet) = nonce.bytes().find(|&octet| octet == b',' || !octet.is_ascii_graphic()) {
            return Err(SaslError::Credential { part: Part::Nonce, problem: ArgError::Forbidden { octet } });
        }
        if matches!(binding, Binding::ServerEndPoint([])) {
            return Err(SaslError::Credential { part: Part::Binding, problem: ArgError::Empty });
        }
        Ok(Self {
            hash,
            binding,
            authzid,
            authcid,
            password,
            nonce,
            min: MIN_ITERATIONS,
            max: MAX_ITERATIONS,
            state: State::New,
        })
    }

    /// Takes iteration counts within `bounds` from the server, instead of [`MIN_ITERATIONS`] to [`MAX_ITERATIONS`].
    ///
    /// A lower bound makes it cheaper to try passwords for whoever plays the server; an upper one lets it use up more of
    /// the client's time.
    #[must_use]
    pub const fn with_iterations(mut self, bounds: RangeInclusive<u32>) -> Self {
        self.min = *bounds.start();
        self.max = *bounds.end();
        self
    }

    const fn first(&self) -> First<'a> {
        First {
            flag: self.binding.flag(),
            authzid: self.authzid,
            authcid: self.authcid,
            nonce: self.nonce,
            extensions: "",
        }
    }

    /// Answers the server's first message by the proof; returns the signature that the server owes.
    fn prove(&self, challenge: &[u8], out: &mut dyn Sink) -> Result<Key, SaslError> {
        let server = ServerFirst::parse(challenge)?;
        if server.nonce.strip_prefix(self.nonce).is_none_or(str::is_empty) {
            return Err(SaslError::ServerNonce);
        }
        if !(self.min..=self.max).contains(&server.iterations) {
            return Err(SaslError::Iterations { count: server.iterations, min: self.min, max: self.max });
        }
        let mut salt = [0; MAX_SALT];
        let salt = server.salt.decode(&mut salt).map_err(|_| SaslError::TooLong { limit: MAX_SALT })?;

        let first = self.first();
        let without_proof = |put: Put<'_>| {
            first.binding(self.binding.data(), put);
            put(b",r=");
            put(server.nonce.as_bytes());
        };
        let proof_text = Base64::encoded_len(self.hash.octets());
        out.reserve(message::length(&without_proof).saturating_add(3).saturating_add(proof_text))?;

        let auth_message = |put: Put<'_>| {
            first.bare(put);
            put(b",");
            put(challenge);
            put(b",");
            without_proof(put);
        };
        // None of these is ever `None`.
        let keys = Keys::derive(self.hash, self.password.as_bytes(), salt, server.iterations)
            .ok_or(SaslError::Keys)?;
        let signature = hash::mac(self.hash, keys.stored.as_bytes(), &auth_message).ok_or(SaslError::Keys)?;
        let owed = hash::mac(self.hash, keys.server.as_bytes(), &auth_message).ok_or(SaslError::Keys)?;

        without_proof(&mut |piece| out.put(piece));
        out.put(b",p=");
        Base64::encode_to(keys.client.xor(&signature).as_bytes(), out)?;
        Ok(owed)
    }

    /// Whether the server's last message has the signature that it owes.
    fn verify(&self, challenge: &[u8], owed: &Key) -> Result<(), SaslError> {
        let text = text(challenge)?;
        let (signature, rest) = attribute(Some(text), "v=").ok_or(SaslError::MalformedChallenge)?;
        extensions(rest, SaslError::MalformedChallenge)?;
        let signature = Base64::new(signature.as_bytes()).map_err(|_| SaslError::MalformedChallenge)?;
        let mut octets = [0; 64];
        let signature = signature.decode(&mut octets).map_err(|_| SaslError::ServerSignature)?;
        if owed.equals(signature) { Ok(()) } else { Err(SaslError::ServerSignature) }
    }
}

impl ClientMechanism for Scram<'_> {
    fn name(&self) -> MechanismName<'static> {
        name(self.hash, matches!(self.binding, Binding::Exporter(_) | Binding::ServerEndPoint(_)))
    }

    fn client_first(&self) -> bool {
        true
    }

    fn sends_password_in_clear(&self) -> bool {
        false
    }

    fn step(&mut self, input: Input<'_>, out: &mut dyn Sink) -> Result<ClientStep, SaslError> {
        match (input, core::mem::replace(&mut self.state, State::Over)) {
            (Input::Start, state @ (State::New | State::First)) => {
                self.state = state;
                let first = self.first();
                out.reserve(message::length(&|put| first.message(put)))?;
                first.message(&mut |piece| out.put(piece));
                self.state = State::First;
                Ok(ClientStep::Send)
            }
            (Input::Challenge(challenge), State::First) => match self.prove(challenge, out) {
                Ok(owed) => {
                    self.state = State::Final(owed);
                    Ok(ClientStep::Send)
                }
                Err(error) => {
                    if matches!(error, SaslError::NoRoom { .. }) {
                        self.state = State::First;
                    }
                    Err(error)
                }
            },
            (Input::Challenge(challenge), State::Final(owed)) => {
                self.verify(challenge, &owed)?;
                self.state = State::Verified;
                Ok(ClientStep::Send)
            }
            (Input::Challenge(_), State::Verified | State::Over) => Err(SaslError::UnexpectedChallenge),
            (Input::Start, _) | (Input::Challenge(_), State::New) => Err(SaslError::OutOfOrder),
            (Input::Done, State::Verified) => Ok(ClientStep::Finished),
            (Input::Done, _) => Err(SaslError::EarlySuccess),
        }
    }
}

impl fmt::Debug for Scram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scram({}, [redacted])", self.name())
    }
}

/// The server's first message: `r=`, `s=`, `i=`.
struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Base64<'a>,
    /// `u32::MAX` for all that is more.
    iterations: u32,
}

impl<'a> ServerFirst<'a> {
    fn parse(challenge: &'a [u8]) -> Result<Self, SaslError> {
        const MALFORMED: SaslError = SaslError::MalformedChallenge;
        let text = text(challenge)?;
        let (nonce, rest) = attribute(Some(text), "r=").ok_or(MALFORMED)?;
        let (salt, rest) = attribute(rest, "s=").ok_or(MALFORMED)?;
        let (count, rest) = attribute(rest, "i=").ok_or(MALFORMED)?;
        extensions(rest, MALFORMED)?;
        if !is_nonce(nonce) || count.starts_with('0') || count.is_empty() {
            return Err(MALFORMED);
        }
        let mut iterations = 0u32;
        for octet in count.bytes() {
            if !octet.is_ascii_digit() {
                return Err(MALFORMED);
            }
            let digit = u32::from(octet.wrapping_sub(b'0'));
            iterations = iterations.saturating_mul(10).saturating_add(digit);
        }
        let salt = Base64::new(salt.as_bytes()).map_err(|_| MALFORMED)?;
        Ok(Self { nonce, salt, iterations })
    }
}

/// The text of a challenge that is neither a refusal nor one that needs an extension.
fn text(challenge: &[u8]) -> Result<&str, SaslError> {
    let text = core::str::from_utf8(challenge).map_err(|_| SaslError::MalformedChallenge)?;
    if let Some((reason, _)) = attribute(Some(text), "e=") {
        return Err(SaslError::Refused(Refusal::named(reason)));
    }
    if split(text).0.starts_with("m=") {
        return Err(SaslError::MandatoryExtension);
    }
    Ok(text)
}
