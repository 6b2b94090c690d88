//! The client's side of a connection, as a state machine without input or output.
//!
//! ```text
//! Greeting ──▶ Authorization ──▶ Transaction ──QUIT──▶ Update ──▶ close
//!                  │    ▲
//!                STLS  tls_started
//!                  ▼    │
//!                   Tls
//! ```
//!
//! [`Client`] knows which command may follow which, what shape the reply to each has, and which replies are
//! outstanding. It holds no buffer, no socket and no clock: [`send`](Client::send) writes into a [`Sink`],
//! [`receive`](Client::receive) reads a slice, [`timeout`](Client::timeout) says how long to wait.
//!
//! Rules that cannot be got round:
//!
//! - A password or a SASL message is written only over TLS, or after [`allow_cleartext_login`](Client::allow_cleartext_login).
//! - `STLS` is not sent once `UTF8` was (R6856-2.7), `APOP` only where the greeting came over TLS and held a timestamp
//!   (R1939-7.11), and in `USER`, `PASS` and `APOP` nothing but ASCII unless the server has announced `UTF8 USER`.
//! - Nothing is sent behind `STLS`, `AUTH` or `QUIT` before they are answered. Octets in clear text behind the `+OK` to
//!   `STLS` end the connection; what was learned before TLS is forgotten.
//! - A reply is matched to the oldest outstanding command and its shape comes from that command and the status alone.
//!
//! RFC 1939, RFC 2449, RFC 2595, RFC 5034, RFC 6856. Allocates nothing, never panics on what the server sends.

mod event;
mod queue;
mod receive;
#[cfg(test)]
mod tests;

pub use event::{ClientEvent, Reply};
pub use queue::CommandId;

use crate::body::BodyDecoder;
use crate::buffer::Sink;
#[cfg(feature = "sasl")]
use crate::codec::{Base64, InitialResponse, MechanismName};
use crate::codec::{Capabilities, Command, LineKind, MessageNumber, ReplyShape, Verb, put_line};
use crate::error::{ApiMisuse, Error, SendError};
use crate::limits::{ClientLimits, ClientTolerances, Timeout, WaitingFor};
use crate::line::Framer;
use crate::state::{self, State};
use queue::{Outstanding, Queue};

/// The client's side of one connection; at most `DEPTH` commands may be outstanding.
#[derive(Clone, Debug)]
pub struct Client<const DEPTH: usize = 32> {
    /// Where the session stands by the replies received.
    state: State,
    /// Where it will stand when all outstanding commands have succeeded.
    projected: State,
    reading: Reading,
    queue: Queue<DEPTH>,
    next_id: u32,
    framer: Framer,
    /// The last call of `receive` left octets that it had not looked at.
    unread: bool,
    security: Security,
    sasl: Sasl,
    closing: bool,
    banner_lines: u32,
    pipelining: bool,
    capabilities: Capabilities,
    /// The greeting came over TLS and held a timestamp; one that came in clear text is never noted.
    stamped: bool,
    /// `UTF8` was sent.
    utf8_sent: bool,
    /// It was answered by `+OK`.
    utf8: bool,
    limits: ClientLimits,
    tolerances: ClientTolerances,
    failure: Option<Error>,
}

/// What the next octets of the server are.
#[derive(Clone, Debug)]
enum Reading {
    Lines,
    List { of: Outstanding, kind: LineKind, count: u32, octets: u32 },
    Body { of: Outstanding, decoder: BodyDecoder, octets: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Clear,
    ClearAllowed,
    Tls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sasl {
    /// No exchange.
    Idle,
    /// The server's turn; `fresh` until the first challenge, if no initial response went out.
    Server { fresh: bool },
    /// Our turn.
    Client,
}

/// What one call of `receive` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Received<E> {
    /// Octets at the front of the input that are done with. Drop them before the next call.
    pub consumed: usize,
    /// What they meant.
    pub step: Step<E>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must act on each of the three")]
pub enum Step<E> {
    /// Something to act on.
    Event(E),
    /// Nothing can be told from the input yet: read more.
    NeedInput,
    /// No input is taken until the program has done its part: answered, flushed its output, or started TLS.
    Paused,
}

impl<E> Received<E> {
    pub(crate) const fn event(consumed: usize, event: E) -> Self {
        Self { consumed, step: Step::Event(event) }
    }

    pub(crate) const fn need_input(consumed: usize) -> Self {
        Self { consumed, step: Step::NeedInput }
    }

    pub(crate) const fn paused(consumed: usize) -> Self {
        Self { consumed, step: Step::Paused }
    }
}

impl<const DEPTH: usize> Client<DEPTH> {
    /// A connection that is in clear text. Login commands will be refused until TLS has started (R2595-2.2).
    pub fn in_clear(limits: ClientLimits, tolerances: ClientTolerances) -> Self {
        Self::with_security(Security::Clear, limits, tolerances)
    }

    /// A connection on which TLS is established: implicit TLS, as on port 995 (RFC 8314 section 3).
    pub fn over_tls(limits: ClientLimits, tolerances: ClientTolerances) -> Self {
        Self::with_security(Security::Tls, limits, tolerances)
    }

    fn with_security(security: Security, limits: ClientLimits, tolerances: ClientTolerances) -> Self {
        Self {
            state: State::Greeting,
            projected: State::Greeting,
            reading: Reading::Lines,
            queue: Queue::new(),
            next_id: 0,
            framer: Framer::new(tolerances.lenient_lf),
            unread: false,
            security,
            sasl: Sasl::Idle,
            closing: false,
            banner_lines: 0,
            pipelining: true,
            capabilities: Capabilities::default(),
            stamped: false,
            utf8_sent: false,
            utf8: false,
            limits,
            tolerances,
            failure: None,
        }
    }

    /// Lets passwords and SASL messages travel in clear text on this connection, where anyone on the path can read
    /// them. Without effect once TLS has started.
    pub fn allow_cleartext_login(&mut self) {
        if self.security == Security::Clear {
            self.security = Security::ClearAllowed;
        }
    }

    /// Whether a credential may be sent on this connection as far as its protection goes.
    ///
    /// Ask before `USER`: alone it would show the name to the path.
    ///
    /// # Errors
    ///
    /// [`SendError::Cleartext`]: there is no TLS, and clear text was not allowed.
    pub fn check_privacy(&self) -> Result<(), SendError> {
        if self.security == Security::Clear { Err(SendError::Cleartext) } else { Ok(()) }
    }

    /// Whether to send commands before earlier ones are answered, where the server announced it. Default: yes. Some
    /// servers announce it and close on the burst (PB-C30).
    pub fn set_pipelining(&mut self, pipelining: bool) {
        self.pipelining = pipelining;
    }

    /// Writes a command and notes that its reply is outstanding.
    ///
    /// Flush `out` to the server afterwards; the reply comes from [`receive`](Self::receive). For `AUTH` with an
    /// initial response [`authenticate`](Self::authenticate) needs no encoded text.
    ///
    /// # Errors
    ///
    /// [`SendError`]: nothing was written and nothing changed.
    ///
    /// # Source
    ///
    /// Rows R1939-3.2, R1939-7.8, R1939-7.11, R2449-4.2, R2449-6.6.4, R2595-2.3, R2595-4.4, R6856-2.7, R6856-2.2.1.
    pub fn send(
        &mut self,
        command: &Command<'_>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<CommandId, SendError> {
        self.check(command.verb(), command.reply_shape())?;
        self.check_arguments(command)?;
        let octets = command.encoded_len();
        if octets > self.limits.command {
            return Err(SendError::TooLong { octets, limit: self.limits.command });
        }
        command.encode(out)?;
        let id = self.sent(command.verb(), command.message(), command.reply_shape());
        if let Command::Auth { initial, .. } = command {
            self.sasl = Sasl::Server { fresh: initial.is_none() };
        }
        Ok(id)
    }

    /// Starts a SASL exchange; `initial` is the mechanism's first message before base64, if it has one to send now.
    ///
    /// The first message goes on the line of the command if the line stays within the limit of a command; otherwise
    /// the command goes alone, and the message must be given to [`respond`](Self::respond) at the first, empty
    /// challenge (R5034-4.6). The answer tells which: `true` means that the message went with the command.
    ///
    /// # Errors
    ///
    /// [`SendError`]: nothing was written and nothing changed.
    #[cfg(feature = "sasl")]
    pub fn authenticate(
        &mut self,
        mechanism: MechanismName<'_>,
        initial: Option<&[u8]>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<(CommandId, bool), SendError> {
        self.check(Verb::Auth, ReplyShape::Sasl)?;
        let alone = mechanism.as_bytes().len().saturating_add(b"AUTH \r\n".len());
        let inline = initial.filter(|raw| {
            let text = Base64::encoded_len(raw.len()).max(1);
            alone.saturating_add(text).saturating_add(1) <= self.limits.command
        });
        let text = inline.map_or(0, |raw| Base64::encoded_len(raw.len()).max(1).saturating_add(1));
        out.reserve(alone.saturating_add(text))?;
        put_line(&[b"AUTH ", mechanism.as_bytes()], out)?;
        if let Some(raw) = inline {
            out.put(b" ");
            InitialResponse::encode_to(raw, out)?;
        }
        out.put(b"\r\n");
        let id = self.sent(Verb::Auth, None, ReplyShape::Sasl);
        self.sasl = Sasl::Server { fresh: inline.is_none() };
        Ok((id, inline.is_some()))
    }

    /// Answers a challenge with a message of the mechanism, before base64.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if `out` has not the room, [`SendError::OutOfPlace`] if no challenge waits,
    /// [`SendError::TooLong`] if the line would be over the limit of a SASL line. Nothing was written.
    #[cfg(feature = "sasl")]
    pub fn respond(&mut self, raw: &[u8], out: &mut (impl Sink + ?Sized)) -> Result<(), SendError> {
        self.check_response()?;
        let octets = Base64::encoded_len(raw.len()).saturating_add(2);
        if octets > self.limits.sasl_line {
            return Err(SendError::TooLong { octets, limit: self.limits.sasl_line });
        }
        out.reserve(octets)?;
        Base64::encode_to(raw, out)?;
        out.put(b"\r\n");
        self.sasl = Sasl::Server { fresh: false };
        Ok(())
    }

    /// Cancels the exchange instead of answering a challenge. The server then answers `AUTH` with `-ERR`.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if `out` has not the room, [`SendError::OutOfPlace`] if no challenge waits. Nothing was written.
    pub fn cancel(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), SendError> {
        self.check_response()?;
        put_line(&[b"*\r\n"], out)?;
        self.sasl = Sasl::Server { fresh: false };
        Ok(())
    }

    /// Tells that the TLS handshake has succeeded, after the `+OK` to `STLS`.
    ///
    /// The session is in AUTHORIZATION again and knows nothing of what was learned before (R2595-4.5). If the
    /// handshake fails, do not call it: close.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse`]: no handshake is due. Nothing changed.
    pub fn tls_started(&mut self) -> Result<(), ApiMisuse> {
        if self.state != State::Tls || self.failure.is_some() {
            return Err(ApiMisuse::WrongMoment { state: self.state });
        }
        self.state = State::Authorization;
        self.projected = State::Authorization;
        self.security = Security::Tls;
        self.capabilities = Capabilities::default();
        self.framer = Framer::new(self.tolerances.lenient_lf);
        self.unread = false;
        Ok(())
    }

    /// Tells that the server will send no more: a FIN in clear text, a close_notify over TLS.
    ///
    /// # Errors
    ///
    /// - [`Error::Truncated`]: a reply is outstanding or incomplete. What was received of it is not the whole.
    /// - [`Error::ConnectionLost`]: no reply was due, but there was no `QUIT` either.
    /// - [`Error::PeerMisbehaved`] and the rest: an earlier failure.
    ///
    /// `Ok` means that the session was over. The connection can only be closed in any case.
    ///
    /// # Source
    ///
    /// Rows RP-CLOSE.2, RP-CLOSE.3, PB-C27.
    pub fn end_of_input(&mut self) -> Result<(), Error> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let verb = match &self.reading {
            Reading::List { of, .. } | Reading::Body { of, .. } => Some(of.verb),
            Reading::Lines => self.queue.front().map(|of| of.verb),
        };
        if verb.is_some() || self.state == State::Greeting {
            return Err(self.fail(Error::Truncated { verb }));
        }
        if self.state.is_over() || self.closing {
            return Ok(());
        }
        Err(self.fail(Error::ConnectionLost))
    }

    /// Tells that the wait that [`timeout`](Self::timeout) named has come to its end. The connection can only be closed.
    pub fn timed_out(&mut self) -> Error {
        self.fail(Error::TimedOut)
    }

    /// How long to wait for input, and for what; `None` if no input is due: all commands are answered, or the session is
    /// over and there is nothing to do but to close.
    ///
    /// The answer may change with every call of `send`, `authenticate`, `respond`, `cancel`, `receive` and
    /// `tls_started`. The wait begins anew with every octet; [`Deadlines`](crate::Deadlines) keeps count of that.
    pub fn timeout(&self) -> Option<Timeout> {
        let waiting_for = match (self.state, self.queue.front().map(|of| of.verb)) {
            (State::Greeting, _) => WaitingFor::Greeting,
            (State::Tls, _) => WaitingFor::Handshake,
            (_, Some(Verb::Pass | Verb::Apop | Verb::Auth)) => WaitingFor::LoginReply,
            (_, Some(Verb::Quit)) => WaitingFor::QuitReply,
            (_, Some(_)) => WaitingFor::Reply,
            (_, None) if matches!(self.reading, Reading::Lines) => return None,
            (_, None) => WaitingFor::Reply,
        };
        let limit = match waiting_for {
            WaitingFor::Greeting => self.limits.greeting,
            WaitingFor::Handshake => self.limits.handshake,
            WaitingFor::LoginReply => self.limits.login,
            WaitingFor::QuitReply => self.limits.quit,
            _ => self.limits.reply,
        };
        Some(Timeout { waiting_for, limit })
    }

    /// Where the session stands by the replies received.
    pub const fn state(&self) -> State {
        self.state
    }

    /// How many commands have been sent whose first reply line has not been received.
    pub const fn outstanding(&self) -> usize {
        self.queue.len()
    }

    /// Whether a multi-line reply is being received: its end is due.
    pub const fn is_receiving(&self) -> bool {
        !matches!(self.reading, Reading::Lines)
    }

    /// Whether the connection is protected by TLS.
    pub fn is_tls(&self) -> bool {
        self.security == Security::Tls
    }

    /// What the server has announced in its last reply to `CAPA`, as far as it came.
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether the session is in UTF-8 mode: `UTF8` was answered by `+OK` (R6856-2.8). Until the answer is there it is not.
    pub const fn is_utf8(&self) -> bool {
        self.utf8
    }

    /// Whether `APOP` may be sent: the greeting came over TLS and held a timestamp in the form of a message-id, which
    /// `apop::timestamp` finds in its text (R1939-7.11). Never after `STLS`: that greeting was in clear text.
    pub const fn has_timestamp(&self) -> bool {
        self.stamped
    }

    /// Whether a command may be sent now although others are outstanding.
    pub const fn may_pipeline(&self) -> bool {
        self.pipelining && self.capabilities.pipelining
    }

    fn fail(&mut self, error: Error) -> Error {
        let error = *self.failure.get_or_insert(error);
        trace!("client: {error}");
        error
    }

    fn check(&self, verb: Verb, shape: ReplyShape) -> Result<(), SendError> {
        if self.failure.is_some() || self.closing {
            return Err(SendError::Closed);
        }
        if matches!(verb, Verb::Pass | Verb::Apop | Verb::Auth) {
            self.check_privacy()?;
        }
        // After a USER the standard lets only PASS and QUIT follow (R1939-7.8).
        let follows_user = self.projected != State::Password || matches!(verb, Verb::Pass | Verb::Quit);
        if verb == Verb::Stls && self.utf8_sent {
            return Err(SendError::AfterUtf8);
        }
        if !follows_user || state::success(self.projected, verb).is_none() {
            return Err(SendError::OutOfPlace { verb, state: self.projected });
        }
        if DEPTH == 0 {
            return Err(SendError::TooManyOutstanding { limit: 0 });
        }
        if self.queue.is_empty() && !self.is_receiving() {
            return if self.unread { Err(SendError::UnreadInput) } else { Ok(()) };
        }
        // One that is outstanding is the newest: nothing went behind it.
        if let Some(barrier) = self.queue.back().filter(|of| is_barrier(of.verb, of.shape)) {
            return Err(SendError::MustWait { verb: barrier.verb });
        }
        // QUIT commits what was marked, so all that went before must have been looked at (R2449-6.6.5). A PASS behind
        // an unanswered USER would leak the password of a refused USER, unless TLS hides it (R2449-6.6.4).
        let alone = is_barrier(verb, shape) || (verb == Verb::Pass && self.security != Security::Tls);
        if alone {
            return Err(SendError::MustWait { verb });
        }
        if !self.may_pipeline() {
            return Err(SendError::NotPipelined);
        }
        if self.queue.len() >= DEPTH {
            return Err(SendError::TooManyOutstanding { limit: DEPTH });
        }
        Ok(())
    }

    fn check_arguments(&self, command: &Command<'_>) -> Result<(), SendError> {
        let arguments: [&[u8]; 2] = match command {
            Command::User(name) => [name.as_bytes(), b""],
            Command::Pass(password) => [password.expose(), b""],
            Command::Apop { .. } if !self.stamped => return Err(SendError::NoTimestamp),
            Command::Apop { name, digest } => [name.as_bytes(), digest.as_bytes()],
            _ => return Ok(()),
        };
        if arguments.iter().any(|argument| core::str::from_utf8(argument).is_err()) {
            return Err(SendError::IllFormedUtf8);
        }
        let ascii = arguments.iter().all(|argument| argument.is_ascii());
        if ascii || self.capabilities.utf8_user { Ok(()) } else { Err(SendError::NonAscii) }
    }

    fn check_response(&self) -> Result<(), SendError> {
        if self.failure.is_some() || self.closing {
            return Err(SendError::Closed);
        }
        if self.sasl != Sasl::Client {
            return Err(SendError::OutOfPlace { verb: Verb::Auth, state: self.state });
        }
        if self.unread { Err(SendError::UnreadInput) } else { Ok(()) }
    }

    fn sent(&mut self, verb: Verb, message: Option<MessageNumber>, shape: ReplyShape) -> CommandId {
        let id = CommandId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        // `check` has seen that there is room, and that the command can succeed in the projected state.
        let _ = self.queue.push(Outstanding { id, verb, message, shape });
        self.projected = state::success(self.projected, verb).unwrap_or(self.projected);
        self.utf8_sent |= verb == Verb::Utf8;
        trace!("client: sent {verb}, {} outstanding", self.queue.len());
        id
    }
}

/// Whether nothing may follow before the reply, and nothing may be outstanding before it.
fn is_barrier(verb: Verb, shape: ReplyShape) -> bool {
    matches!(shape, ReplyShape::Tls | ReplyShape::Sasl) || matches!(verb, Verb::Quit | Verb::Apop)
}
