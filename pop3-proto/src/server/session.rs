//! A whole POP3 session: the maildrop's numbers, sizes and marks, and every answer that needs nothing of the world.
//!
//! [`Session`] answers `STAT`, `LIST`, `UIDL`, `DELE`, `RSET`, `NOOP`, `CAPA`, `USER`, `UTF8`, `LANG` and all mistakes by itself and asks its
//! driver for what needs the world, as a [`Request`]: check a password or take part in a SASL exchange and open the
//! maildrop, open a message, start TLS, remove the marked messages, close. It stands on [`Server`], which keeps the order
//! of the protocol. RFC 1939, RFC 2449, RFC 3206, RFC 2595, RFC 5034, RFC 6856.

use super::answer::{self, Text};
use super::event::{Rejection, ServerEvent};
use super::foreign::is_foreign;
use super::language::Language;
use super::listing::Listing;
use super::offer::{MechanismOffer, SessionConfig};
use super::request::{CloseReason, Request, SaslInput, SessionCounts};
use super::utf8::out_of_place;
use super::{Phrase, Refusal, Server};
use crate::body::TopFilter;
use crate::buffer::Sink;
use crate::client::{Received, Step};
use crate::codec::{
    Arg, CodeKind, Command, FIRST_LINE_OCTETS, InitialResponse, MechanismName, MessageNumber, Status,
    encode_status,
};
use crate::error::{ApiMisuse, Error, ReplyError};
use crate::limits::Timeout;
use crate::maildrop::{Index, IndexEntry, IndexError, NoMessage, Storage};
use crate::state::State;

/// The longest name that `USER` takes, in octets: what a command of 255 octets has room for.
const USER_OCTETS: usize = 255;

#[derive(Clone, Debug)]
pub(super) enum Pending {
    Nothing,
    Login,
    /// A login that cannot succeed is to be refused.
    Hopeless,
    /// A message is to be opened.
    Message {
        octets: u64,
        top: Option<u64>,
    },
    /// A message is being sent; `expected` is what `RETR` must come to.
    Sending {
        expected: Option<u64>,
        filter: Option<TopFilter>,
    },
    Tls,
    Commit,
    Close(CloseReason),
}

/// A whole POP3 session over the caller's storage.
#[derive(Clone, Debug)]
pub struct Session<'c, S> {
    pub(super) server: Server,
    pub(super) config: SessionConfig<'c>,
    pub(super) index: Index<S>,
    pub(super) pending: Pending,
    listing: Option<Listing>,
    user: [u8; USER_OCTETS],
    user_octets: usize,
    spoken: bool,
    reporting: bool,
    /// The login that is to be refused was counted when it was reported.
    counted: bool,
    /// The greeting had a timestamp: `APOP` is offered.
    pub(super) stamped: bool,
    /// What `LANG` has chosen.
    pub(super) language: Option<&'c Language<'c>>,
    pub(super) bad_in_a_row: u32,
    pub(super) counts: SessionCounts,
}

impl<'c, S: Storage> Session<'c, S> {
    /// A session that has not greeted yet. `tls`: whether TLS is established already. What `storage` holds is forgotten.
    pub fn new(config: SessionConfig<'c>, tls: bool, storage: S) -> Self {
        let mut server = Server::new(tls, config.stls, config.lenient_lf, config.limits);
        if config.lenient_utf8 {
            server.tolerate_utf8_after_login();
        }
        Self {
            server,
            config,
            index: Index::new(storage),
            pending: Pending::Nothing,
            listing: None,
            user: [0; USER_OCTETS],
            user_octets: 0,
            spoken: false,
            reporting: false,
            counted: false,
            stamped: false,
            language: None,
            bad_in_a_row: 0,
            counts: SessionCounts::default(),
        }
    }

    /// Writes the greeting. Flush it, then read.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn greet(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        let mut text = Text::new();
        let stamp = self.config.timestamp(self.server.is_tls());
        // The timestamp must not be cut, whatever stands before it.
        let room = stamp.map_or(400, |stamp| 500usize.saturating_sub(stamp.len()));
        for octet in self.config.greeting.bytes().take(room) {
            text.octets(match octet {
                b'<' => b"(",
                b'>' => b")",
                _ => core::slice::from_ref(&octet),
            });
        }
        if let Some(stamp) = stamp {
            text.words(" ");
            text.octets(stamp);
        }
        self.server.greet(text.as_bytes(), out)?;
        self.stamped = stamp.is_some();
        Ok(())
    }

    /// Takes in octets that came from the client, answers into `out` what it can by itself, and returns the first thing
    /// that needs the driver.
    ///
    /// Call it with everything unread, drop the first [`Received::consumed`] octets (of several commands, maybe), then:
    ///
    /// - [`Step::Event`]: do what the [`Request`] says, and call again.
    /// - [`Step::NeedInput`]: flush `out`, read more, and call again.
    /// - [`Step::Paused`]: `out` is full, or a request has not been answered: flush `out`, and call again.
    ///
    /// `out` must be bounded, and have room for 512 octets when it is empty; a list is written as far as it fits and
    /// goes on at the next call. Commands that arrive together are answered together.
    ///
    /// # Errors
    ///
    /// Final: close the connection without another octet; see [`Server::receive`].
    pub fn receive<'i>(
        &mut self,
        input: &'i [u8],
        out: &mut (impl Sink + ?Sized),
    ) -> Result<Received<Request<'i>>, Error> {
        let mut consumed = 0usize;
        loop {
            if let Some(listing) = self.listing.take() {
                self.listing = listing
                    .write(&mut self.server, &self.index, &self.config, out)
                    .map_err(|error| self.misuse(error))?;
                if self.listing.is_some() {
                    return Ok(Received::paused(consumed));
                }
            }
            if let Pending::Close(reason) = self.pending {
                return Ok(Received::event(consumed, Request::Close(reason)));
            }
            let rest = input.get(consumed..).unwrap_or(&[]);
            if matches!(self.pending, Pending::Tls) {
                // Nothing may come before the handshake, in a later call neither: this is an error unless it is empty.
                return self.server.receive(rest).map(|_| Received::paused(consumed));
            }
            if !matches!(self.pending, Pending::Nothing) || out.reserve(FIRST_LINE_OCTETS).is_err() {
                return Ok(Received::paused(consumed));
            }
            if !self.spoken && is_foreign(rest) {
                // There is room for it: see above.
                if encode_status(Status::Err, None, answer::FOREIGN.as_bytes(), out).is_ok() {
                    self.close(CloseReason::ForeignProtocol);
                }
                continue;
            }
            let received = self.server.receive(rest)?;
            consumed = consumed.saturating_add(received.consumed);
            // Also when part of an over-long line was thrown away: what follows is no first line.
            self.spoken |= received.consumed > 0;
            match received.step {
                Step::Event(event) => {
                    if let Some(request) = self.act(event, out).map_err(|error| self.misuse(error))? {
                        return Ok(Received::event(consumed, request));
                    }
                }
                Step::NeedInput => return Ok(Received::need_input(consumed)),
                Step::Paused => return Ok(Received::paused(consumed)),
            }
        }
    }

    /// Adds the next message of the maildrop that is being opened: oldest first (R1939-4.6).
    ///
    /// `octets` must be exactly what [`Measure`](crate::body::Measure) counts under the rules of the configuration.
    ///
    /// # Errors
    ///
    /// [`IndexError`]: nothing was added. Refuse the login: a maildrop must not be shown in part (PB-S28).
    pub fn add_message(&mut self, octets: u64, unique_id: &[u8]) -> Result<MessageNumber, IndexError> {
        if !matches!(self.pending, Pending::Login) {
            return Err(IndexError::NotOpening);
        }
        self.index.push(octets, unique_id)
    }

    /// Tells that so many messages are to be added to the maildrop that is being opened, with so many octets of unique-ids
    /// in all, so that storage that grows can do it at once. A hint: it may be wrong, or missing.
    pub fn expect_messages(&mut self, messages: usize, unique_id_octets: usize) {
        if matches!(self.pending, Pending::Login) {
            self.index.expect(messages, unique_id_octets);
        }
    }

    /// Tells that the credentials are right, the maildrop is locked and all its messages have been added; writes `+OK`.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn opened(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        if !matches!(self.pending, Pending::Login) {
            return Err(ApiMisuse::ReplyNotOwed.into());
        }
        let text = self.totals(Phrase::MaildropHasMessage, Phrase::MaildropHasMessages);
        self.server.reply(Status::Ok, None, text.as_bytes(), out)?;
        self.pending = Pending::Nothing;
        self.bad_in_a_row = 0;
        Ok(())
    }

    /// Sends the next challenge of a SASL exchange; `raw` is the mechanism's message before base64.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    #[cfg(feature = "sasl")]
    pub fn challenge(&mut self, raw: &[u8], out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        if !matches!(self.pending, Pending::Login) {
            return Err(ApiMisuse::ReplyNotOwed.into());
        }
        self.server.challenge(raw, out)?;
        self.pending = Pending::Nothing;
        Ok(())
    }

    /// Sends a challenge that tells why the login has failed, as OAUTHBEARER does with a JSON text (RFC 7628 section
    /// 3.2.3). Whatever the client answers, `*` and what is no base64 included, comes as [`SaslInput::Acknowledged`].
    /// It is a failed login from here on, as many a client hangs up rather than answer.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    #[cfg(feature = "sasl")]
    pub fn report(&mut self, raw: &[u8], out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        self.challenge(raw, out)?;
        self.reporting = true;
        self.counts.failed_logins = self.counts.failed_logins.saturating_add(1);
        Ok(())
    }

    /// Refuses a login or a message: `-ERR` with the code that belongs to the reason.
    ///
    /// What was added of the maildrop is forgotten. Too many failed logins end the session.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn refuse(&mut self, refusal: Refusal, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        let login = matches!(self.pending, Pending::Login | Pending::Hopeless);
        if !login && !matches!(self.pending, Pending::Message { .. }) {
            return Err(ApiMisuse::ReplyNotOwed.into());
        }
        self.server.reply(Status::Err, refusal.code(), self.text(refusal.phrase()).as_bytes(), out)?;
        self.pending = Pending::Nothing;
        if login {
            self.index.clear();
        }
        let counted = core::mem::take(&mut self.counted);
        match refusal {
            Refusal::Credentials => {
                let more = u32::from(!counted);
                self.counts.failed_logins = self.counts.failed_logins.saturating_add(more);
                if self.counts.failed_logins >= self.config.limits.failed_logins {
                    self.close(CloseReason::FailedLogins);
                }
            }
            Refusal::Gone | Refusal::Malformed => self.count_bad(),
            _ => {}
        }
        Ok(())
    }

    /// Tells how [`Request::Commit`] went, once the lock is free; writes the reply to `QUIT`. Then comes
    /// [`Request::Close`].
    ///
    /// `all_removed`: every marked message is gone and stays gone (R1939-6.1).
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: nothing was written, nothing changed.
    pub fn committed(&mut self, all_removed: bool, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        if !matches!(self.pending, Pending::Commit) {
            return Err(ApiMisuse::ReplyNotOwed.into());
        }
        let (status, code, phrase) = if all_removed {
            (Status::Ok, None, Phrase::Bye)
        } else {
            (Status::Err, Some(CodeKind::SysTemp), Phrase::NotRemoved)
        };
        self.server.reply(status, code, self.text(phrase).as_bytes(), out)?;
        self.close(CloseReason::Quit);
        Ok(())
    }

    /// Tells that the TLS handshake has succeeded. What was learned in clear text is forgotten (R2595-4.7).
    ///
    /// # Errors
    ///
    /// [`ApiMisuse`]: no handshake is due. Nothing changed.
    pub fn tls_started(&mut self) -> Result<(), ApiMisuse> {
        self.server.tls_started()?;
        self.forget_user();
        self.language = None;
        self.pending = Pending::Nothing;
        Ok(())
    }

    /// Offers these mechanisms from now on, strongest first, instead of those of the configuration.
    ///
    /// For what only a handshake can tell: `EXTERNAL` is of use to a client that has shown a certificate (R5034-3.1).
    /// An exchange under way is not affected.
    pub const fn offer(&mut self, mechanisms: &'c [MechanismOffer<'c>]) {
        self.config.mechanisms = mechanisms;
    }

    /// Tells that the client will send no more. Nothing is removed; close (R1939-6.3).
    pub fn end_of_input(&mut self) {
        self.server.end_of_input();
        self.close(CloseReason::Lost);
    }

    /// Tells that the wait that [`timeout`](Self::timeout) named has come to its end. Nothing is written and nothing
    /// removed; close (R1939-3.16).
    pub fn timed_out(&mut self) {
        self.server.timed_out();
        self.close(CloseReason::Lost);
    }

    /// How long to wait for input, and for what; see [`Server::timeout`].
    pub fn timeout(&self) -> Option<Timeout> {
        self.server.timeout()
    }

    /// The name that the last successful `USER` gave; empty if there is none.
    pub fn user(&self) -> &[u8] {
        self.user.get(..self.user_octets).unwrap_or(&[])
    }

    /// The marked messages, in the order of their numbers.
    pub fn marked(&self) -> impl Iterator<Item = IndexEntry<'_>> {
        self.index.marked()
    }

    /// An unmarked message.
    ///
    /// # Errors
    ///
    /// [`NoMessage`]: it is not there, or marked.
    pub fn message(&self, number: MessageNumber) -> Result<IndexEntry<'_>, NoMessage> {
        self.index.get(number)
    }

    /// The maildrop.
    pub const fn index(&self) -> &Index<S> {
        &self.index
    }

    /// What has happened so far.
    pub const fn counts(&self) -> SessionCounts {
        self.counts
    }

    /// Where the session stands.
    pub const fn state(&self) -> State {
        self.server.state()
    }

    /// Whether the connection is protected by TLS.
    pub const fn is_tls(&self) -> bool {
        self.server.is_tls()
    }

    fn act<'i>(
        &mut self,
        event: ServerEvent<'i>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<Option<Request<'i>>, ReplyError> {
        let command = match event {
            ServerEvent::Command(command) => command,
            ServerEvent::Rejected(rejection) => {
                self.forget_user();
                return self.reject(rejection, out).map(|()| None);
            }
            ServerEvent::SaslResponse(_) | ServerEvent::SaslCancelled | ServerEvent::SaslUndecodable
                if core::mem::take(&mut self.reporting) =>
            {
                self.pending = Pending::Hopeless;
                self.counted = true;
                return Ok(Some(Request::Sasl(SaslInput::Acknowledged)));
            }
            ServerEvent::SaslResponse(response) => {
                self.pending = Pending::Login;
                return Ok(Some(Request::Sasl(SaslInput::Response(response))));
            }
            ServerEvent::SaslCancelled => {
                self.err(Phrase::AuthenticationCancelled, out)?;
                return Ok(Some(Request::Sasl(SaslInput::Ended)));
            }
            ServerEvent::SaslUndecodable => {
                self.err(Phrase::MalformedSasl, out)?;
                self.count_bad();
                return Ok(Some(Request::Sasl(SaslInput::Ended)));
            }
        };
        let request = self.command(command, out)?;
        if !matches!(command, Command::User(_) | Command::Pass(_)) {
            self.forget_user();
        }
        Ok(request)
    }

    fn command<'i>(
        &mut self,
        command: Command<'i>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<Option<Request<'i>>, ReplyError> {
        let bad_before = self.counts.bad_commands;
        match command {
            Command::User(name) => self.user_command(name, out)?,
            Command::Pass(password) => return Ok(Some(self.pass(password))),
            Command::Apop { name, digest } => return self.apop(name, digest, out),
            Command::Auth { mechanism, initial } => return self.auth(mechanism, initial, out),
            Command::Mechanisms => self.list(Listing::Mechanisms(0), Phrase::MechanismsFollow, out)?,
            Command::Capa => self.list(Listing::Capabilities(0), Phrase::CapabilitiesFollow, out)?,
            Command::Stls => {
                self.ok(Phrase::BeginTls, out)?;
                self.pending = Pending::Tls;
                return Ok(Some(Request::StartTls));
            }
            Command::Stat => {
                let totals = self.index.drop_listing();
                let mut text = Text::new();
                text.number(u64::from(totals.messages));
                text.words(" ");
                text.number(totals.octets.unwrap_or(u64::MAX));
                self.server.reply(Status::Ok, None, text.as_bytes(), out)?;
            }
            Command::List(None) => {
                self.reply_list(Listing::Scan(MessageNumber::FIRST), out)?;
            }
            Command::Uidl(None) => {
                self.reply_list(Listing::UniqueIds(MessageNumber::FIRST), out)?;
            }
            Command::List(Some(number)) | Command::Uidl(Some(number)) => match self.index.get(number) {
                Ok(message)
                    if message.needs_utf8 && !self.is_utf8() && matches!(command, Command::List(_)) =>
                {
                    self.needs_utf8(out)?;
                }
                Ok(message) => {
                    let mut text = Text::new();
                    text.number(u64::from(number.get()));
                    text.words(" ");
                    match command {
                        Command::List(_) => text.number(message.octets),
                        _ => text.octets(message.unique_id.as_bytes()),
                    }
                    self.server.reply(Status::Ok, None, text.as_bytes(), out)?;
                }
                Err(_) => self.no_such_message(out)?,
            },
            Command::Retr(number) | Command::Top { number, .. } => match self.index.get(number) {
                Ok(message) if message.needs_utf8 && !self.is_utf8() => self.needs_utf8(out)?,
                Ok(message) => {
                    let top = if let Command::Top { lines, .. } = command { Some(lines) } else { None };
                    self.pending = Pending::Message { octets: message.octets, top };
                    return Ok(Some(Request::Message { number, lines: top }));
                }
                Err(_) => self.no_such_message(out)?,
            },
            Command::Dele(number) => match self.index.get(number) {
                Ok(_) => {
                    // Marked only once the reply has found room; it is there and unmarked, so this cannot fail.
                    self.ok(Phrase::Marked, out)?;
                    self.index.mark(number).map_err(|_| ApiMisuse::ReplyNotOwed)?;
                }
                Err(NoMessage::Marked) => {
                    self.err(Phrase::AlreadyMarked, out)?;
                    self.count_bad();
                }
                Err(NoMessage::Absent) => self.no_such_message(out)?,
            },
            Command::Noop => self.ok(Phrase::NothingDone, out)?,
            Command::Rset => {
                self.ok(Phrase::Unmarked, out)?;
                self.index.unmark_all();
            }
            Command::Quit if self.server.state() == State::Transaction => {
                self.pending = Pending::Commit;
                return Ok(Some(Request::Commit));
            }
            Command::Quit => {
                self.ok(Phrase::Bye, out)?;
                self.close(CloseReason::Quit);
            }
            Command::Utf8 => self.utf8(out)?,
            Command::Lang(range) => self.lang(range, out)?,
        }
        if self.counts.bad_commands == bad_before {
            self.bad_in_a_row = 0;
        }
        Ok(None)
    }

    fn user_command(&mut self, name: Arg<'_>, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        self.forget_user();
        if !self.config.user_pass || !self.config.privacy(self.server.is_tls()) {
            // The same words for every name: nothing was looked up (R8314-4.3).
            let phrase = if self.config.user_pass { Phrase::EncryptionRequired } else { Phrase::Unsupported };
            self.err(phrase, out)?;
            self.count_bad();
            return Ok(());
        }
        let name = name.as_bytes();
        if !self.config.takes(name) || name.len() > USER_OCTETS {
            self.err(Phrase::Syntax, out)?;
            self.count_bad();
            return Ok(());
        }
        self.ok(Phrase::SendPassword, out)?;
        if let Some(room) = self.user.get_mut(..name.len()) {
            room.copy_from_slice(name);
            self.user_octets = name.len();
        }
        Ok(())
    }

    fn auth<'i>(
        &mut self,
        mechanism: MechanismName<'i>,
        initial: Option<InitialResponse<'i>>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<Option<Request<'i>>, ReplyError> {
        let known = self.config.mechanisms.iter().any(|offer| offer.name == mechanism);
        let usable = self.config.usable(self.server.is_tls()).any(|offer| offer.name == mechanism);
        if usable {
            self.pending = Pending::Login;
            return Ok(Some(Request::Sasl(SaslInput::Start { mechanism, initial })));
        }
        let phrase = if known { Phrase::EncryptionRequired } else { Phrase::NoSuchMechanism };
        self.err(phrase, out)?;
        self.count_bad();
        Ok(None)
    }

    fn reject(&mut self, rejection: Rejection, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        let phrase = match rejection {
            Rejection::OutOfPlace(verb) => out_of_place(verb, self.server.state(), self.server.is_tls()),
            Rejection::TooLong => Phrase::LineTooLong,
            Rejection::Syntax(_) => Phrase::Syntax,
        };
        self.err(phrase, out)?;
        self.count_bad();
        Ok(())
    }

    fn no_such_message(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        self.err(Phrase::NoSuchMessage, out)?;
        self.count_bad();
        Ok(())
    }

    pub(super) fn list(
        &mut self,
        listing: Listing,
        phrase: Phrase,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<(), ReplyError> {
        self.server.start_lines(self.text(phrase).as_bytes(), out)?;
        self.listing = Some(listing);
        Ok(())
    }

    fn reply_list(&mut self, listing: Listing, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        let text = self.totals(Phrase::OneMessage, Phrase::SeveralMessages);
        self.server.start_lines(text.as_bytes(), out)?;
        self.listing = Some(listing);
        Ok(())
    }

    fn totals(&self, one: Phrase, several: Phrase) -> Text {
        let totals = self.index.drop_listing();
        let phrase = if totals.messages == 1 { one } else { several };
        self.filled(phrase, totals.messages, totals.octets.unwrap_or(u64::MAX))
    }

    pub(super) fn ok(&mut self, phrase: Phrase, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        self.server.reply(Status::Ok, None, self.text(phrase).as_bytes(), out)
    }

    pub(super) fn err(&mut self, phrase: Phrase, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        self.server.reply(Status::Err, None, self.text(phrase).as_bytes(), out)
    }

    pub(super) fn count_bad(&mut self) {
        self.counts.bad_commands = self.counts.bad_commands.saturating_add(1);
        self.bad_in_a_row = self.bad_in_a_row.saturating_add(1);
        let limits = &self.config.limits;
        let too_many = if self.server.state() == State::Transaction {
            self.bad_in_a_row >= limits.bad_commands_in_a_row
        } else {
            self.counts.bad_commands >= limits.bad_commands_before_login
        };
        if too_many || self.counts.bad_commands >= limits.bad_commands {
            debug!("session: too many errors");
            self.close(CloseReason::BadCommands);
        }
    }

    fn close(&mut self, reason: CloseReason) {
        if !matches!(self.pending, Pending::Close(_)) {
            self.pending = Pending::Close(reason);
        }
        self.listing = None;
        self.forget_user();
    }

    fn forget_user(&mut self) {
        self.user_octets = 0;
    }

    /// The session keeps the order of its replies itself, so a misuse below is one of this module; the driver sees a
    /// final error and closes.
    fn misuse(&mut self, error: ReplyError) -> Error {
        self.close(CloseReason::Lost);
        match error {
            ReplyError::ApiMisuse(misuse) => misuse.into(),
            ReplyError::Full(_) => ApiMisuse::WrongMoment { state: self.server.state() }.into(),
        }
    }
}
