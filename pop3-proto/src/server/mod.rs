//! The server's side of a connection, as a state machine without input or output.
//!
//! [`Server`] reads commands one at a time, says which have no place where the session stands, and writes replies in the
//! only order there is: while it owes a reply it takes no input, so pipelined commands wait in the caller's buffer and
//! then in TCP (R2449-6.6.1, PB-S45). It knows nothing of mail; [`Session`] on top of it keeps the maildrop's numbers and
//! marks and answers most commands by itself. Use `Server` alone for a proxy or a server of another kind.
//!
//! Rules that cannot be got round:
//!
//! - All lines leave through one encoder: `+OK`, `-ERR`, `+ ` or a list line, never anything else (PB-S43).
//! - A command that is malformed, over-long or out of place owes `-ERR` and has no other effect (R1939-3.12, R1939-3.13).
//! - Octets behind an acceptable `STLS` end the connection, a partial line included; what was learned before TLS is
//!   forgotten (R2595-4.7).
//!
//! RFC 1939, RFC 2449, RFC 2595, RFC 5034. Allocates nothing, never panics on what the client sends.

mod answer;
mod event;
mod foreign;
mod language;
mod listing;
mod message;
mod offer;
mod phrase;
mod receive;
mod request;
mod session;
#[cfg(test)]
mod tests;
mod translations;
mod utf8;

pub use answer::Refusal;
pub use event::{Rejection, ServerEvent};
pub use language::Language;
pub use message::MessageProgress;
pub use offer::{MechanismOffer, Needs, SessionConfig, Utf8Offer};
pub use phrase::Phrase;
pub use request::{CloseReason, Request, SaslInput, SessionCounts};
pub use session::Session;

use crate::body::{BodyEncoder, BodyRules, Progress};
use crate::buffer::{Full, Sink};
use crate::codec::{Base64, CodeKind, ReplyShape, Status, Verb, encode_status, encode_status_utf8, put_line};
use crate::error::{ApiMisuse, Error, ReplyError};
use crate::limits::{ServerLimits, Timeout, WaitingFor};
use crate::line::Framer;
use crate::state::{self, State};

/// The server's side of one connection.
#[derive(Clone, Debug)]
pub struct Server {
    state: State,
    owed: Owed,
    framer: Framer,
    lenient: bool,
    tls: bool,
    stls_offered: bool,
    /// `UTF8` was answered by `+OK`.
    utf8: bool,
    /// `UTF8` is taken after the login too.
    lenient_utf8: bool,
    /// Texts may hold UTF-8: `LANG` was answered by `+OK`.
    utf8_text: bool,
    limits: ServerLimits,
    failure: Option<Error>,
}

/// What the server must write before it reads on.
#[derive(Clone, Debug)]
enum Owed {
    /// The greeting.
    Greeting,
    /// Nothing: a command is awaited.
    Nothing,
    /// The reply to a command; `verb` is `None` if there is none that could succeed.
    Reply { verb: Option<Verb>, shape: ReplyShape },
    /// Nothing: a message of the SASL exchange is awaited.
    Response,
    /// The rest of a list.
    Lines,
    /// The rest of a message.
    Body(BodyEncoder),
}

impl Server {
    /// A connection that is in clear text, or on which TLS is established. `stls_offered`: whether `STLS` will be
    /// accepted while in clear text. `lenient_lf`: LF alone ends a command, and trailing blanks do not count (PB-Q53).
    pub const fn new(tls: bool, stls_offered: bool, lenient_lf: bool, limits: ServerLimits) -> Self {
        Self {
            state: State::Greeting,
            owed: Owed::Greeting,
            framer: Framer::new(lenient_lf),
            lenient: lenient_lf,
            tls,
            stls_offered,
            utf8: false,
            lenient_utf8: false,
            utf8_text: false,
            limits,
            failure: None,
        }
    }

    /// Takes `UTF8` after the login too, where it has no effect on the [mode](Self::is_utf8) (PB-Q52). Off unless set.
    pub const fn tolerate_utf8_after_login(&mut self) {
        self.lenient_utf8 = true;
    }

    /// Lets UTF-8 pass in the texts of replies, from the reply on that follows. Only for a connection on which `LANG`
    /// succeeds (R6856-3.1); `false` takes it back. When TLS starts it is off again.
    pub const fn allow_utf8_text(&mut self, allow: bool) {
        self.utf8_text = allow;
    }

    /// Writes the greeting: `+OK` (R1939-4.1). `text` must not hold `<…>`, which would offer `APOP` (R1939-7.9).
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn greet(&mut self, text: &[u8], out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        self.owed_greeting()?;
        encode_status(Status::Ok, None, text, out)?;
        self.state = State::Authorization;
        self.owed = Owed::Nothing;
        Ok(())
    }

    /// Writes a greeting that refuses the session: `-ERR`. Then flush and close.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn refuse(
        &mut self,
        code: Option<CodeKind>,
        text: &[u8],
        out: &mut (impl Sink + ?Sized),
    ) -> Result<(), ReplyError> {
        self.owed_greeting()?;
        encode_status(Status::Err, code, text, out)?;
        self.state = State::Closed;
        self.owed = Owed::Nothing;
        Ok(())
    }

    /// Writes a reply of one line, or the last line of a SASL exchange, and moves to the next state.
    ///
    /// `+OK` to `STLS`: flush, do the handshake, call [`tls_started`](Self::tls_started). `+OK` to `QUIT`: flush, close.
    ///
    /// # Errors
    ///
    /// - [`ReplyError::Full`]: `out` has not the room.
    /// - [`ReplyError::ApiMisuse`]: no such reply is owed, as a `+OK` to a rejected command or to one whose reply has
    ///   more lines.
    ///
    /// Nothing was written, nothing changed.
    pub fn reply(
        &mut self,
        status: Status,
        code: Option<CodeKind>,
        text: &[u8],
        out: &mut (impl Sink + ?Sized),
    ) -> Result<(), ReplyError> {
        let next = self.next_state(status, |shape| {
            matches!(shape, ReplyShape::Single | ReplyShape::Sasl | ReplyShape::Tls)
        })?;
        self.encode_status(status, code, text, out)?;
        self.utf8 |= status == Status::Ok
            && matches!(self.owed, Owed::Reply { verb: Some(Verb::Utf8), .. })
            && next == State::Authorization;
        self.state = next;
        self.owed = Owed::Nothing;
        Ok(())
    }

    /// Writes a challenge of the SASL exchange; `raw` is the mechanism's message before base64.
    ///
    /// The answer comes from [`receive`](Self::receive).
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    #[cfg(feature = "sasl")]
    pub fn challenge(&mut self, raw: &[u8], out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        self.start_challenge(Base64::encoded_len(raw.len()), out)?;
        Base64::encode_to(raw, out)?;
        out.put(b"\r\n");
        self.owed = Owed::Response;
        Ok(())
    }

    /// Writes a challenge that is base64 already, as a proxy hands it on.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn challenge_encoded(
        &mut self,
        challenge: Base64<'_>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<(), ReplyError> {
        self.start_challenge(challenge.as_bytes().len(), out)?;
        out.put(challenge.as_bytes());
        out.put(b"\r\n");
        self.owed = Owed::Response;
        Ok(())
    }

    /// Writes what every challenge begins with: `+` and SP, even if nothing follows (R5034-4.3).
    fn start_challenge(&self, text: usize, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        if !matches!(self.owed, Owed::Reply { verb: Some(Verb::Auth), .. }) {
            return Err(ApiMisuse::ReplyNotOwed.into());
        }
        out.reserve(text.saturating_add(4))?;
        out.put(b"+ ");
        Ok(())
    }

    /// Writes the `+OK` of a list; then call [`line`](Self::line) for each line, and [`end_lines`](Self::end_lines).
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn start_lines(&mut self, text: &[u8], out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        let next = self.next_state(Status::Ok, |shape| matches!(shape, ReplyShape::Lines(_)))?;
        self.encode_status(Status::Ok, None, text, out)?;
        self.state = next;
        self.owed = Owed::Lines;
        Ok(())
    }

    /// Writes one line of a list, byte-stuffed, with its CRLF. `line` must not hold CR or LF.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn line(&mut self, line: &[u8], out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        if !matches!(self.owed, Owed::Lines) || line.iter().any(|b| matches!(b, b'\r' | b'\n')) {
            return Err(ApiMisuse::ReplyNotOwed.into());
        }
        let stuffing: &[u8] = if line.first() == Some(&b'.') { b"." } else { b"" };
        Ok(put_line(&[stuffing, line, b"\r\n"], out)?)
    }

    /// Writes the end of a list.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn end_lines(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        if !matches!(self.owed, Owed::Lines) {
            return Err(ApiMisuse::ReplyNotOwed.into());
        }
        put_line(&[b".\r\n"], out)?;
        self.owed = Owed::Nothing;
        Ok(())
    }

    /// Writes the `+OK` of a message; then call [`body`](Self::body) for its octets, and [`end_body`](Self::end_body).
    ///
    /// If the octets of the message cannot be had to the end, close the connection instead of calling `end_body`: the
    /// client must not take the part for the whole (R1939-3.18).
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn start_body(
        &mut self,
        text: &[u8],
        rules: BodyRules,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<(), ReplyError> {
        let next = self.next_state(Status::Ok, |shape| shape == ReplyShape::Body)?;
        self.encode_status(Status::Ok, None, text, out)?;
        self.state = next;
        self.owed = Owed::Body(BodyEncoder::new(rules));
        Ok(())
    }

    /// Byte-stuffs octets of a message from `source` into `room`; see [`BodyEncoder::encode`].
    ///
    /// # Errors
    ///
    /// [`ApiMisuse`]: no message is owed.
    pub fn body(&mut self, source: &[u8], room: &mut [u8]) -> Result<Progress, ApiMisuse> {
        match &mut self.owed {
            Owed::Body(encoder) => Ok(encoder.encode(source, room)),
            _ => Err(ApiMisuse::ReplyNotOwed),
        }
    }

    /// Writes the end of a message: what completes its last line, and the final dot.
    ///
    /// `expected`: how many octets the client was told. If the message had another size nothing is written, and the
    /// connection must be closed (PB-S30).
    ///
    /// # Errors
    ///
    /// [`ReplyError::Full`] if `out` has not the room for 16 octets, [`ReplyError::ApiMisuse`] if no message is owed or
    /// its size is not the expected one. Nothing was written, nothing changed.
    pub fn end_body(
        &mut self,
        expected: Option<u64>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<(), ReplyError> {
        let Owed::Body(encoder) = &self.owed else {
            return Err(ApiMisuse::ReplyNotOwed.into());
        };
        // On a copy: the size is known only once the end was written, and must be checked before it leaves.
        let (mut ended, mut tail) = (encoder.clone(), [0u8; 16]);
        let mut room = &mut tail[..];
        ended.finish(&mut room)?;
        let unused = room.len();
        if expected.is_some_and(|octets| octets != ended.octets()) {
            return Err(ApiMisuse::SizeMismatch.into());
        }
        put_line(&[tail.get(..tail.len().saturating_sub(unused)).unwrap_or(&[])], out)?;
        self.owed = Owed::Nothing;
        Ok(())
    }

    /// Tells that the TLS handshake has succeeded, after the `+OK` to `STLS`. No second greeting follows (R2595-4.3).
    ///
    /// If the handshake fails, do not call it: close.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse`]: no handshake is due. Nothing changed.
    pub fn tls_started(&mut self) -> Result<(), ApiMisuse> {
        if self.state != State::Tls || self.failure.is_some() {
            return Err(ApiMisuse::WrongMoment { state: self.state });
        }
        self.state = State::Authorization;
        self.tls = true;
        self.utf8_text = false;
        Ok(())
    }

    /// Tells that the client will send no more. There is no reply to write; without a `QUIT` nothing is removed.
    pub fn end_of_input(&mut self) {
        self.close();
    }

    /// Tells that the wait that [`timeout`](Self::timeout) named has come to its end: nothing is written and nothing
    /// removed; close (R1939-3.16).
    pub fn timed_out(&mut self) {
        self.close();
    }

    /// How long to wait for input, and for what; `None` while a reply is owed or the session is over. The handshake after
    /// `STLS` is a part of the wait for the login (R32).
    ///
    /// The answer may change with every call of `receive` and of the methods that write. From when a wait counts is for
    /// [`Deadlines`](crate::Deadlines) to keep.
    pub fn timeout(&self) -> Option<Timeout> {
        if !self.wants_input() && !matches!(self.state, State::Tls) {
            return None;
        }
        let (waiting_for, limit) = match self.state {
            State::Transaction if self.framer.is_mid_line() => {
                (WaitingFor::RestOfCommand, self.limits.command)
            }
            State::Transaction => (WaitingFor::Command, self.limits.idle.max(ServerLimits::IDLE_FLOOR)),
            _ => (WaitingFor::Login, self.limits.login),
        };
        Some(Timeout { waiting_for, limit })
    }

    /// Where the session stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether the connection is protected by TLS.
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether the session is in UTF-8 mode: `UTF8` was answered by `+OK` before the login (R6856-2.1). `STLS` has no
    /// place any more then (R6856-2.7).
    pub const fn is_utf8(&self) -> bool {
        self.utf8
    }

    /// Whether the next thing to do is to read from the client.
    pub const fn wants_input(&self) -> bool {
        matches!(self.owed, Owed::Nothing | Owed::Response)
            && !self.state.is_over()
            && !matches!(self.state, State::Tls)
    }

    /// The limits.
    pub const fn limits(&self) -> &ServerLimits {
        &self.limits
    }

    fn close(&mut self) {
        self.owed = Owed::Nothing;
        if !self.state.is_over() {
            self.state = State::Closed;
        }
    }

    fn fail(&mut self, error: Error) -> Error {
        let error = *self.failure.get_or_insert(error);
        self.close();
        debug!("server: {error}");
        error
    }

    const fn owed_greeting(&self) -> Result<(), ApiMisuse> {
        match self.owed {
            Owed::Greeting => Ok(()),
            _ => Err(ApiMisuse::ReplyNotOwed),
        }
    }

    fn encode_status(
        &self,
        status: Status,
        code: Option<CodeKind>,
        text: &[u8],
        out: &mut (impl Sink + ?Sized),
    ) -> Result<(), Full> {
        if self.utf8_text {
            encode_status_utf8(status, code, text, out)
        } else {
            encode_status(status, code, text, out)
        }
    }

    /// Where the session goes if `verb` succeeds now; `None` where it has no place.
    fn success(&self, verb: Verb) -> Option<State> {
        match (verb, self.state) {
            (Verb::Stls, _) if !self.stls_offered || self.tls || self.utf8 => None,
            (Verb::Utf8, State::Transaction) if self.lenient_utf8 => Some(State::Transaction),
            _ => state::success(self.state, verb),
        }
    }

    fn next_state(&self, status: Status, fits: impl FnOnce(ReplyShape) -> bool) -> Result<State, ApiMisuse> {
        match (&self.owed, status) {
            // A -ERR is one line for every command, and the only reply to a rejected one.
            (Owed::Reply { verb: None, .. }, Status::Err) => Ok(match self.state {
                State::Password => State::Authorization,
                state => state,
            }),
            (Owed::Reply { verb: Some(verb), .. }, Status::Err) => {
                state::next(self.state, *verb, status).map_err(|_| ApiMisuse::ReplyNotOwed)
            }
            (Owed::Reply { verb: Some(verb), shape }, Status::Ok) if fits(*shape) => {
                self.success(*verb).ok_or(ApiMisuse::ReplyNotOwed)
            }
            _ => Err(ApiMisuse::ReplyNotOwed),
        }
    }
}
