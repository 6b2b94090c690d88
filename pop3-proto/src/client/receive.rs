//! How a client takes in what the server sends.

use super::event::{ClientEvent, Reply};
use super::queue::Outstanding;
use super::{Client, Reading, Received, Sasl, Security};
use crate::body::{BodyDecoder, BodyStep};
use crate::codec::{
    Base64, Capability, LanguageListing, LineKind, ReplyLine, ReplyShape, ScanListing, Status, StatusLine,
    UniqueIdListing, Verb,
};
use crate::error::{Error, PeerMisbehaved};
use crate::line::Frame;
use crate::state::{self, State};

/// Lines before the greeting that [`lenient_banner`](crate::ClientTolerances::lenient_banner) puts up with (PB-Q37).
const BANNER_LINES: u32 = 16;

impl<const DEPTH: usize> Client<DEPTH> {
    /// Takes in octets that came from the server and returns at most one event.
    ///
    /// Call it with everything unread, act on [`Received::step`], drop the first [`Received::consumed`] octets, and
    /// call again until the step is [`Step::NeedInput`](super::Step::NeedInput); then flush what you have to send and
    /// read more. What was not consumed must come first in the next call. An empty slice is allowed and changes
    /// nothing: the end of the stream is told by [`end_of_input`](Self::end_of_input), never by an empty read.
    ///
    /// The event borrows `input`, not `self`, so you may [`send`](Self::send) while you hold it.
    /// [`ClientEvent::Body`] carries part of a message with the byte-stuffing removed and line ends untouched; parts
    /// end anywhere, also between CR and LF. At most two octets of a body are held back. A line must fit whole into
    /// the caller's buffer: [`ClientLimits::line`](crate::ClientLimits::line) octets, fewer in a list, or
    /// [`sasl_line`](crate::ClientLimits::sasl_line) during an `AUTH`.
    ///
    /// After the `+OK` to `STLS` the step is [`Step::Paused`](super::Step::Paused) until
    /// [`tls_started`](Self::tls_started) is called.
    ///
    /// One call costs time linear in the octets not yet looked at, however the input is cut, and allocates nothing.
    ///
    /// # Errors
    ///
    /// All are final: the same error is returned by every later call, and the connection can only be closed.
    ///
    /// - [`Error::PeerMisbehaved`]: the line is no `+OK`, `-ERR` or `+`, follows a closing notice, or stands behind the
    ///   reply to `STLS` (treat that one as an attack). A `-ERR` is *not* an error: it is [`ClientEvent::Reply`].
    /// - [`Error::LineTooLong`], [`Error::TooManyLines`], [`Error::ListTooLarge`], [`Error::MessageTooLarge`]: a limit.
    ///
    /// A list line that does not parse is no error either: it arrives as [`ClientEvent::Malformed`] and uses up its
    /// place.
    ///
    /// # Source
    ///
    /// RFC 1939 section 3 (replies, byte-stuffing), RFC 2449 section 6.6 (order of pipelined replies); rows R1939-3.8,
    /// R1939-3.9, R2449-6.6.2, R2595-4.6.
    pub fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<ClientEvent<'i>>, Error> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.state == State::Tls {
            return if input.is_empty() {
                Ok(Received::paused(0))
            } else {
                Err(self.fail(PeerMisbehaved::OctetsBehindStls.into()))
            };
        }
        let received = self.receive_one(input).map_err(|error| self.fail(error))?;
        self.unread = input.len() > received.consumed;
        Ok(received)
    }

    fn receive_one<'i>(&mut self, input: &'i [u8]) -> Result<Received<ClientEvent<'i>>, Error> {
        let mut consumed = 0usize;
        loop {
            let rest = input.get(consumed..).unwrap_or(&[]);
            let (octets, event) = match &self.reading {
                Reading::Body { .. } => self.receive_body(rest)?,
                Reading::Lines | Reading::List { .. } => match self.receive_line(rest)? {
                    Some((octets, event)) => (octets, event),
                    None => return Ok(Received::need_input(consumed)),
                },
            };
            consumed = consumed.saturating_add(octets);
            match event {
                Some(event) => return Ok(Received::event(consumed, event)),
                // Octets that mean nothing by themselves: a dot held back, a blank line between capabilities.
                None if octets > 0 => {}
                None => return Ok(Received::need_input(consumed)),
            }
        }
    }

    fn receive_body<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Option<ClientEvent<'i>>), Error> {
        let Reading::Body { of, decoder, octets } = &mut self.reading else {
            return Ok((0, None));
        };
        let id = of.id;
        let (consumed, step) = decoder.decode(input);
        match step {
            BodyStep::Chunk(chunk) => {
                *octets = octets.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                if *octets > self.limits.message {
                    return Err(Error::MessageTooLarge { limit: self.limits.message });
                }
                Ok((consumed, Some(ClientEvent::Body(id, chunk))))
            }
            BodyStep::End => {
                self.reading = Reading::Lines;
                Ok((consumed, Some(ClientEvent::End(id))))
            }
            BodyStep::NeedInput => Ok((consumed, None)),
        }
    }

    /// `None`: no line yet.
    fn receive_line<'i>(
        &mut self,
        input: &'i [u8],
    ) -> Result<Option<(usize, Option<ClientEvent<'i>>)>, Error> {
        let limit = match &self.reading {
            Reading::List { kind: LineKind::Scan | LineKind::UniqueId, .. } => {
                self.limits.list_line.min(self.limits.line)
            }
            _ if self.sasl == Sasl::Idle => self.limits.line,
            _ => self.limits.sasl_line,
        };
        let (line, octets) = match self.framer.take(input, limit) {
            Ok(Frame::Line(line, octets)) => (line, octets),
            Ok(Frame::Incomplete(_) | Frame::TooLong(_)) => return Ok(None),
            Err(_) => return Err(Error::LineTooLong { limit }),
        };
        let event = match &self.reading {
            Reading::List { .. } => self.list_line(line)?,
            _ if self.state == State::Greeting => self.greeting(line)?,
            _ => Some(self.reply_line(line)?),
        };
        // The gate: the +OK to STLS must be the last octet before the handshake (R2595-4.6).
        if self.state == State::Tls && input.len() > octets {
            return Err(PeerMisbehaved::OctetsBehindStls.into());
        }
        Ok(Some((octets, event)))
    }

    fn greeting<'i>(&mut self, line: &'i [u8]) -> Result<Option<ClientEvent<'i>>, Error> {
        let Some(line) = StatusLine::parse(line) else {
            self.banner_lines = self.banner_lines.saturating_add(1);
            if self.tolerances.lenient_banner && self.banner_lines <= BANNER_LINES {
                return Ok(None);
            }
            return Err(PeerMisbehaved::NotAGreeting.into());
        };
        self.state = if line.is_ok() { State::Authorization } else { State::Closed };
        self.projected = self.state;
        self.stamped =
            line.is_ok() && self.security == Security::Tls && crate::msg_id::timestamp(line.text).is_some();
        debug!("client: greeting {}", line.status.indicator());
        Ok(Some(ClientEvent::Greeting(line)))
    }

    fn reply_line<'i>(&mut self, line: &'i [u8]) -> Result<ClientEvent<'i>, Error> {
        let line = ReplyLine::parse(line).ok_or(PeerMisbehaved::NotAReply)?;
        let Some(of) = self.queue.front().copied() else {
            return self.unasked(line);
        };
        let line = match line {
            ReplyLine::Continue(text) if matches!(self.sasl, Sasl::Server { .. }) => {
                self.sasl = Sasl::Client;
                return Ok(match Base64::new(text) {
                    Ok(challenge) => ClientEvent::Challenge(challenge),
                    Err(_) => ClientEvent::UndecodableChallenge(text),
                });
            }
            ReplyLine::Continue(_) => return Err(PeerMisbehaved::UnexpectedChallenge.into()),
            ReplyLine::Status(line) => line,
        };
        let stands_for_challenge = self.tolerances.lenient_sasl_ok && line.is_ok() && line.text.is_empty();
        if stands_for_challenge && self.sasl == (Sasl::Server { fresh: true }) {
            self.sasl = Sasl::Client;
            return Ok(ClientEvent::Challenge(Base64::EMPTY));
        }
        self.answered(of, line)
    }

    /// A status line that answers nothing is a closing notice; a second one cannot be.
    fn unasked<'i>(&mut self, line: ReplyLine<'i>) -> Result<ClientEvent<'i>, Error> {
        match line {
            ReplyLine::Status(line) if !self.closing => {
                self.closing = true;
                debug!("client: the server gives notice that it closes");
                Ok(ClientEvent::ClosingNotice(line))
            }
            _ => Err(PeerMisbehaved::ReplyWithoutCommand.into()),
        }
    }

    fn answered<'i>(&mut self, of: Outstanding, line: StatusLine<'i>) -> Result<ClientEvent<'i>, Error> {
        let _ = self.queue.pop();
        self.sasl = Sasl::Idle;
        self.state = state::next(self.state, of.verb, line.status)
            .map_err(|violation| PeerMisbehaved::SuccessOutOfPlace { verb: violation.verb })?;
        if self.queue.is_empty() {
            self.projected = self.state;
        }
        self.utf8 |= of.verb == Verb::Utf8 && line.is_ok();
        let mut more = false;
        match (line.status, of.shape) {
            (Status::Ok, ReplyShape::Lines(kind)) => {
                more = true;
                self.reading = Reading::List { of, kind, count: 0, octets: 0 };
                if of.verb == Verb::Capa {
                    // The list before this one counts no more; PIPELINING was kept for what is already outstanding.
                    self.capabilities = crate::codec::Capabilities { known: true, ..Default::default() };
                }
            }
            (Status::Ok, ReplyShape::Body) => {
                more = true;
                let lenient = self.tolerances.lenient_lf_body;
                let decoder = if lenient { BodyDecoder::with_lenient_lf() } else { BodyDecoder::new() };
                self.reading = Reading::Body { of, decoder, octets: 0 };
            }
            _ => {}
        }
        debug!("client: {} {}, now {:?}", of.verb, line.status.indicator(), self.state);
        let codes_announced = self.capabilities.resp_codes;
        Ok(ClientEvent::Reply(Reply {
            id: of.id,
            verb: of.verb,
            message: of.message,
            line,
            more,
            codes_announced,
        }))
    }

    fn list_line<'i>(&mut self, line: &'i [u8]) -> Result<Option<ClientEvent<'i>>, Error> {
        let Reading::List { of, kind, count, octets } = &mut self.reading else {
            return Ok(None);
        };
        let (id, kind) = (of.id, *kind);
        let content = match line {
            b"." => {
                self.reading = Reading::Lines;
                return Ok(Some(ClientEvent::End(id)));
            }
            // Lists are byte-stuffed like messages (PB-K14).
            [b'.', rest @ ..] => rest,
            line => line,
        };
        let limit = match kind {
            LineKind::Scan | LineKind::UniqueId => self.limits.list_lines,
            LineKind::Capability | LineKind::Language | LineKind::Mechanism => self.limits.capability_lines,
        };
        *count = count.saturating_add(1);
        if *count > limit {
            return Err(Error::TooManyLines { limit });
        }
        if !matches!(kind, LineKind::Scan | LineKind::UniqueId) {
            let more = u32::try_from(line.len()).unwrap_or(u32::MAX).saturating_add(2);
            *octets = octets.saturating_add(more);
            let limit = self.limits.capability_octets;
            if *octets > limit {
                return Err(Error::ListTooLarge { limit });
            }
        }
        let event = match kind {
            LineKind::Scan => {
                ScanListing::parse(content).map(|listing| ClientEvent::ScanListing(id, listing))
            }
            LineKind::UniqueId => {
                UniqueIdListing::parse(content).map(|listing| ClientEvent::UniqueId(id, listing))
            }
            LineKind::Language => {
                LanguageListing::parse(content).map(|listing| ClientEvent::Language(id, listing))
            }
            LineKind::Mechanism => match content.trim_ascii() {
                b"" => None,
                name => Some(ClientEvent::Mechanism(id, name)),
            },
            LineKind::Capability => match Capability::parse(content) {
                Some(capability) => {
                    self.capabilities.add(&capability);
                    Some(ClientEvent::Capability(id, capability))
                }
                // An empty line between capabilities (PB-Q36).
                None => return Ok(None),
            },
        };
        Ok(Some(event.unwrap_or(ClientEvent::Malformed(id, content))))
    }
}
