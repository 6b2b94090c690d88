//! SCRAM for a server.

use core::fmt;

use super::hash::{self, Key};
use super::kept::Kept;
use super::message::{self, Flag, Put, attribute, extensions};
use super::{MAX_SALT, Nonce, name};
use crate::sasl::SaslError;
use crate::sasl::server::{
    Answer, Query, ScramHash, ScramKeys, ServerInput, ServerMechanism, ServerStep, Setup,
};
use crate::{Base64, MechanismName, Sink};

/// Why a server refuses what a client says of channel binding (R5802-6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BindingError {
    /// The client saw no `-PLUS` mechanism, and this server announced one: somebody in between took it away.
    Downgrade,
    /// The kind of binding is unknown, or this connection has no value of it.
    Unsupported,
    /// The `-PLUS` mechanism without binding, or the other one with it.
    WrongMechanism,
    /// The value or the header that the client signed is another than this connection has: the client is at the end of
    /// another TLS connection, and somebody is in between.
    Mismatch,
}

impl fmt::Display for BindingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Downgrade => "the client did not see the channel binding that was announced",
            Self::Unsupported => "channel binding of a kind that is not supported here",
            Self::WrongMechanism => "channel binding does not go with the mechanism",
            Self::Mismatch => "channel bindings do not match",
        })
    }
}

/// SCRAM for a server. It asks [`Query::ScramKeys`], and once the proof is right [`Query::Authorize`]; then it signs.
///
/// What it needs of the connection it keeps: the values of [`Setup`] for channel binding, and its nonce out of
/// [`Setup::random`]. A name of more than [`MAX_NAME`](crate::sasl::MAX_NAME) octets is nobody's, a first message of more
/// than [`MAX_FIRST`](super::MAX_FIRST) octets is [`SaslError::TooLong`], and keys that do not fit the hash are
/// [`SaslError::Keys`]. Names are handed on as they came, without their escapes (R5802-5.10); prepare them before a
/// lookup if the user database holds prepared ones.
pub struct ScramServer {
    hash: ScramHash,
    plus: bool,
    plus_offered: bool,
    exporter: Option<[u8; 32]>,
    end_point: Option<Key>,
    nonce: Nonce,
    client: Kept,
    salt: [u8; MAX_SALT],
    salt_octets: usize,
    iterations: u32,
    stored_key: Key,
    /// ServerKey, and after the proof the signature made by it.
    server_key: Key,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    /// The client's first message is awaited.
    Waiting,
    AskedKeys,
    /// The client's proof is awaited.
    Challenged,
    /// The proof was right.
    Proven,
    /// The signature was written; an empty message is awaited.
    Signed,
    Over,
}

impl ScramServer {
    /// Waits for the start; with `plus` it is the mechanism with channel binding.
    ///
    /// A [`Setup::server_end_point`] of more than 64 octets, which no hash has, counts as none.
    pub fn new(hash: ScramHash, plus: bool, setup: &Setup<'_>) -> Self {
        Self {
            hash,
            plus,
            plus_offered: setup.plus_offered,
            exporter: setup.exporter,
            end_point: setup.server_end_point.filter(|value| !value.is_empty()).and_then(Key::of),
            nonce: Nonce::new(setup.random),
            client: Kept::EMPTY,
            salt: [0; MAX_SALT],
            salt_octets: 0,
            iterations: 0,
            stored_key: Key::EMPTY,
            server_key: Key::EMPTY,
            state: State::New,
        }
    }

    /// For the examples of the RFCs, in which it is not of our making.
    #[cfg(test)]
    pub(super) fn set_nonce(&mut self, nonce: &str) {
        self.nonce = Nonce::of(nonce);
    }

    /// Takes in the client's first message.
    fn first(&mut self, text: &[u8]) -> Result<ServerStep<'_>, SaslError> {
        let (plus, plus_offered) = (self.plus, self.plus_offered);
        let (exporter, end_point) = (self.exporter.is_some(), self.end_point.is_some());
        self.client.set(text, |flag| match flag {
            Some(Flag::Unsupported | Flag::NotOffered) if plus => Err(BindingError::WrongMechanism),
            Some(Flag::NotOffered) if plus_offered => Err(BindingError::Downgrade),
            Some(flag @ (Flag::Unsupported | Flag::NotOffered)) => Ok(flag),
            _ if !plus => Err(BindingError::WrongMechanism),
            Some(flag @ Flag::Exporter) if exporter => Ok(flag),
            Some(flag @ Flag::ServerEndPoint) if end_point => Ok(flag),
            _ => Err(BindingError::Unsupported),
        })?;
        self.state = State::AskedKeys;
        Ok(ServerStep::Ask(Query::ScramKeys { authcid: self.client.first().authcid, hash: self.hash }))
    }

    /// Writes the server's first message.
    fn challenge(&mut self, keys: ScramKeys<'_>, out: &mut dyn Sink) -> Result<(), SaslError> {
        let salt = self.salt.get_mut(..keys.salt.len()).ok_or(SaslError::Keys)?;
        salt.copy_from_slice(keys.salt);
        self.salt_octets = keys.salt.len();
        self.iterations = keys.iterations;
        self.stored_key = Key::new(self.hash, keys.stored_key).ok_or(SaslError::Keys)?;
        self.server_key = Key::new(self.hash, keys.server_key).ok_or(SaslError::Keys)?;
        if keys.iterations == 0 {
            return Err(SaslError::Keys);
        }
        out.reserve(message::length(&|put| self.server_first(put)))?;
        self.server_first(&mut |piece| out.put(piece));
        Ok(())
    }

    fn server_first(&self, put: Put<'_>) {
        put(b"r=");
        self.full_nonce(put);
        put(b",s=");
        let salt = self.salt.get(..self.salt_octets).unwrap_or_default();
        message::base64(salt, put);
        put(b",i=");
        message::decimal(self.iterations, put);
    }

    fn full_nonce(&self, put: Put<'_>) {
        put(self.client.first().nonce.as_bytes());
        put(self.nonce.as_str().as_bytes());
    }

    /// Checks the client's last message.
    fn verify(&mut self, text: &[u8]) -> Result<(), SaslError> {
        const MALFORMED: SaslError = SaslError::Malformed;
        let text = core::str::from_utf8(text).map_err(|_| MALFORMED)?;
        // The proof is the last attribute, and what stands before it is signed.
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(MALFORMED)?;
        let (binding, rest) = message::split(without_proof);
        let (nonce, rest) = attribute(rest, "r=").ok_or(MALFORMED)?;
        extensions(rest, MALFORMED)?;
        if !binding.starts_with("c=") {
            return Err(MALFORMED);
        }
        let mut theirs = [0; 64];
        let theirs = Base64::new(proof.as_bytes())
            .ok()
            .and_then(|proof| proof.decode(&mut theirs).ok())
            .and_then(|proof| Key::new(self.hash, proof))
            .ok_or(MALFORMED)?;

        let first = self.client.first();
        let data = match first.flag {
            Flag::Unsupported | Flag::NotOffered => &[],
            Flag::Exporter => self.exporter.as_ref().map_or(&[][..], <[u8; 32]>::as_slice),
            Flag::ServerEndPoint => self.end_point.as_ref().map_or(&[][..], Key::as_bytes),
        };
        if !message::is(&|put| first.binding(data, put), binding.as_bytes()) {
            return Err(SaslError::Binding(BindingError::Mismatch));
        }
        if !message::is(&|put| self.full_nonce(put), nonce.as_bytes()) {
            return Err(MALFORMED);
        }

        let auth_message = |put: Put<'_>| {
            first.bare(put);
            put(b",");
            self.server_first(put);
            put(b",");
            put(without_proof.as_bytes());
        };
        // None of these is ever `None`.
        let mask = hash::mac(self.hash, self.stored_key.as_bytes(), &auth_message).ok_or(SaslError::Keys)?;
        let client_key = theirs.xor(&mask);
        let stored_key = hash::digest(self.hash, client_key.as_bytes()).ok_or(SaslError::Keys)?;
        if !self.stored_key.equals(stored_key.as_bytes()) {
            return Err(SaslError::Rejected);
        }
        let signature =
            hash::mac(self.hash, self.server_key.as_bytes(), &auth_message).ok_or(SaslError::Keys)?;
        self.server_key = signature;
        self.stored_key = Key::EMPTY;
        Ok(())
    }

    /// Writes the signature.
    fn sign(&self, out: &mut dyn Sink) -> Result<(), SaslError> {
        let signature = self.server_key.as_bytes();
        out.reserve(Base64::encoded_len(signature.len()).saturating_add(2))?;
        out.put(b"v=");
        message::base64(signature, &mut |piece| out.put(piece));
        Ok(())
    }
}

impl ServerMechanism for ScramServer {
    fn name(&self) -> MechanismName<'static> {
        name(self.hash, self.plus)
    }

    fn sends_password_in_clear(&self) -> bool {
        false
    }

    fn step<'a>(
        &'a mut self,
        input: ServerInput<'a>,
        out: &mut dyn Sink,
    ) -> Result<ServerStep<'a>, SaslError> {
        let state = core::mem::replace(&mut self.state, State::Over);
        match (input, state) {
            (ServerInput::Start(None), State::New) => {
                self.state = State::Waiting;
                Ok(ServerStep::Challenge)
            }
            (ServerInput::Start(Some(text)), State::New) | (ServerInput::Response(text), State::Waiting) => {
                self.first(text)
            }
            (ServerInput::Answer(Answer::ScramKeys(keys)), State::AskedKeys) => {
                let result = self.challenge(keys, out);
                self.written(result, state, State::Challenged)
            }
            (ServerInput::Response(text), State::Challenged) => {
                self.verify(text)?;
                self.state = State::Proven;
                let first = self.client.first();
                Ok(ServerStep::Ask(Query::Authorize { authzid: first.authzid, authcid: first.authcid }))
            }
            (ServerInput::Answer(Answer::Accepted), State::Proven) => {
                let result = self.sign(out);
                self.written(result, state, State::Signed)
            }
            (ServerInput::Response([]), State::Signed) => Ok(ServerStep::Done),
            (ServerInput::Response(_), State::Signed) => Err(SaslError::Malformed),
            (ServerInput::Answer(_), State::AskedKeys | State::Proven) => Err(SaslError::Rejected),
            _ => Err(SaslError::OutOfOrder),
        }
    }
}

impl ScramServer {
    /// The step that a challenge is, written or not: without room everything stays as it was.
    fn written<'a>(
        &mut self,
        result: Result<(), SaslError>,
        before: State,
        after: State,
    ) -> Result<ServerStep<'a>, SaslError> {
        self.state = match result {
            Ok(()) => after,
            Err(SaslError::NoRoom { .. }) => before,
            Err(_) => State::Over,
        };
        result.map(|()| ServerStep::Challenge)
    }
}

impl fmt::Debug for ScramServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramServer({}, {:?})", self.name(), self.state)
    }
}
