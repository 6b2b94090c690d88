//! The core and the transport, joined: sends commands, waits for events, keeps deadlines.

use std::net::TcpStream;
use std::time::Instant;

use pop3_proto::{Buffer, Client, ClientEvent, Command, CommandId, Step};

use super::capabilities::CapabilityList;
use super::error::{Error, Refused};
use super::options::ClientOptions;
use crate::transport::{Deadline, Input, Stream, Transport, TransportError};

/// Commands that may be outstanding. The limit in octets is reached first with long ones.
const DEPTH: usize = 128;

/// Room for what was received and not looked at: a line at its limit, and two TLS records.
const INPUT_OCTETS: usize = 32 * 1024;

pub(super) struct Link<S = TcpStream> {
    transport: Transport<S>,
    pub(super) client: Client<DEPTH>,
    input: Buffer<Vec<u8>>,
    out: Vec<u8>,
    pub(super) options: ClientOptions,
    /// What the last `CAPA` brought; `None` before it, and again after TLS has started.
    pub(super) capabilities: Option<CapabilityList>,
    /// The text of the greeting; empty once TLS has started after it.
    pub(super) greeting: Vec<u8>,
    /// The host and port that the caller named.
    pub(super) towards: Option<(String, u16)>,
    /// Whether the exporter value of this TLS connection was used (R9266-4.1).
    pub(super) exporter_spent: bool,
    /// When something was last sent.
    pub(super) last_sent: Instant,
    /// When the reply that is being waited for has been waited for too long.
    reply_deadline: Deadline,
}

/// The first line of a reply that was `+OK`.
#[derive(Debug)]
pub(super) struct Accepted<R> {
    pub(super) id: CommandId,
    pub(super) data: R,
}

impl<S: Stream> Link<S> {
    /// On the heap: it goes from hand to hand, and into errors.
    pub(super) fn new(transport: Transport<S>, options: ClientOptions) -> Box<Self> {
        let (limits, tolerances) = (options.limits, options.tolerances);
        let mut client = if transport.is_tls() {
            Client::over_tls(limits, tolerances)
        } else {
            Client::in_clear(limits, tolerances)
        };
        client.set_pipelining(options.pipelining);
        let room = INPUT_OCTETS.max(limits.line).max(limits.sasl_line);
        Box::new(Self {
            transport,
            client,
            input: Buffer::new(vec![0; room]),
            out: Vec::new(),
            options,
            capabilities: None,
            greeting: Vec::new(),
            towards: None,
            exporter_spent: false,
            last_sent: Instant::now(),
            reply_deadline: Deadline::NEVER,
        })
    }

    pub(super) const fn transport(&self) -> &Transport<S> {
        &self.transport
    }

    /// Puts a command among those to be sent; nothing leaves before [`flush`](Self::flush).
    pub(super) fn send(&mut self, command: &Command<'_>) -> Result<CommandId, Error> {
        Ok(self.client.send(command, &mut self.out)?)
    }

    /// Lets `write` put a message of a SASL exchange among what is to be sent.
    pub(super) fn write<R, E: Into<Error>>(
        &mut self,
        write: impl FnOnce(&mut Client<DEPTH>, &mut Vec<u8>) -> Result<R, E>,
    ) -> Result<R, Error> {
        write(&mut self.client, &mut self.out).map_err(Into::into)
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.out.is_empty() {
            return Ok(());
        }
        let sent = self.transport.write_all(&self.out, self.options.write, Deadline::NEVER);
        self.last_sent = Instant::now();
        // A command may hold a password.
        zeroize::Zeroize::zeroize(&mut self.out);
        self.renew_reply_deadline();
        match sent {
            Ok(()) => Ok(()),
            // The server may have said why before it closed: let the next wait find it, if there is one.
            Err(TransportError::Io(error)) if self.client.timeout().is_some() => {
                log::debug!("write failed, looking for a last word of the server: {error}");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the next event and gives it to `act`. Looks at no more than `window` octets of the input at once, which
    /// bounds the octets of a [`ClientEvent::Body`].
    pub(super) fn event<R>(
        &mut self,
        mut window: usize,
        act: impl FnOnce(ClientEvent<'_>) -> R,
    ) -> Result<R, Error> {
        loop {
            let unread = self.input.unread();
            let whole = unread.len() <= window;
            let received = self.client.receive(unread.get(..window).unwrap_or(unread))?;
            let consumed = received.consumed;
            match received.step {
                Step::Event(event) => {
                    let result = act(event);
                    self.input.consume(consumed);
                    // The next reply has a time of its own; a line of a list is no reply.
                    if !self.client.is_receiving() {
                        self.renew_reply_deadline();
                    }
                    return Ok(result);
                }
                Step::NeedInput => {
                    self.input.consume(consumed);
                    if whole {
                        self.fill()?;
                    } else if consumed == 0 {
                        window = usize::MAX;
                    }
                }
                Step::Paused => {
                    return Err(self
                        .client
                        .end_of_input()
                        .err()
                        .unwrap_or(pop3_proto::Error::ConnectionLost)
                        .into());
                }
            }
        }
    }

    /// Waits for the first line of the reply to `id`, which must be the oldest outstanding command.
    pub(super) fn reply<R>(
        &mut self,
        id: CommandId,
        read: impl FnOnce(&pop3_proto::Reply<'_>) -> R,
    ) -> Result<Accepted<R>, Error> {
        self.event(usize::MAX, |event| match event {
            ClientEvent::Reply(reply) if reply.id == id => {
                if reply.is_ok() {
                    Ok(Accepted { id, data: read(&reply) })
                } else {
                    Err(Error::Refused(Refused::by_reply(&reply)))
                }
            }
            ClientEvent::ClosingNotice(line) => Err(Error::Closing(Refused::by_notice(&line))),
            // Replies come in order and `settle` has taken what was left of earlier ones.
            _ => Err(Error::Protocol(pop3_proto::Error::PeerMisbehaved(
                pop3_proto::PeerMisbehaved::ReplyWithoutCommand,
            ))),
        })?
    }

    /// Sends one command, alone, and waits for the first line of its reply.
    pub(super) fn command<R>(
        &mut self,
        command: &Command<'_>,
        read: impl FnOnce(&pop3_proto::Reply<'_>) -> R,
    ) -> Result<Accepted<R>, Error> {
        self.settle()?;
        let id = self.send(command)?;
        self.flush()?;
        self.reply(id, read)
    }

    /// Takes in and forgets all that earlier commands are still owed: the rest of a message that was not read, and
    /// replies that nobody waited for.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        self.flush()?;
        while self.client.outstanding() > 0 || self.client.is_receiving() {
            self.event(usize::MAX, |_| ())?;
        }
        while !self.input.is_empty() {
            let received = self.client.receive(self.input.unread())?;
            let consumed = received.consumed;
            match received.step {
                Step::Event(ClientEvent::ClosingNotice(line)) => {
                    let refused = Refused::by_notice(&line);
                    self.input.consume(consumed);
                    return Err(Error::Closing(refused));
                }
                Step::Event(_) => self.input.consume(consumed),
                Step::NeedInput | Step::Paused => {
                    self.input.consume(consumed);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the server was asked for its capabilities; `-ERR` counts as "none" (R2449-5.2).
    pub(super) fn ensure_capabilities(&mut self) -> Result<(), Error> {
        if self.capabilities.is_some() || self.options.skip_capa {
            return Ok(());
        }
        self.ask_capabilities()
    }

    /// Asks for the capabilities anew.
    pub(super) fn ask_capabilities(&mut self) -> Result<(), Error> {
        let accepted = match self.command(&Command::Capa, |_| ()) {
            Ok(accepted) => accepted,
            Err(Error::Refused(_)) => {
                self.capabilities = Some(CapabilityList::default());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut list = CapabilityList::default();
        self.lines(accepted.id, |event| {
            if let ClientEvent::Capability(_, capability) = event {
                list.push(&capability);
            }
            Ok(())
        })?;
        self.capabilities = Some(list);
        Ok(())
    }

    /// Gives each line of a list to `each`, to the end of the list.
    pub(super) fn lines(
        &mut self,
        id: CommandId,
        mut each: impl FnMut(ClientEvent<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let more = self.event(usize::MAX, |event| match event {
                ClientEvent::End(end) if end == id => Ok(false),
                event => each(event).map(|()| true),
            })??;
            if !more {
                return Ok(());
            }
        }
    }

    /// Starts TLS on the stream, after the `+OK` to `STLS`. On failure the connection is gone.
    pub(super) fn start_tls(
        mut self: Box<Self>,
        tls: &crate::tls::ClientTls,
        name: &crate::tls::ServerName,
    ) -> Result<Box<Self>, Error> {
        // The gate again, where the buffer is: nothing received in clear text may be left (R2595-4.6).
        if !self.input.is_empty() {
            return Err(
                pop3_proto::Error::PeerMisbehaved(pop3_proto::PeerMisbehaved::OctetsBehindStls).into()
            );
        }
        self.transport = self.transport.connect_tls(tls, name, Deadline::after(self.options.handshake))?;
        self.client.tls_started().map_err(pop3_proto::Error::ApiMisuse)?;
        // Whatever an attacker may have said in clear text is forgotten, a timestamp for APOP included (R2595-4.5).
        self.capabilities = None;
        self.greeting = Vec::new();
        Ok(self)
    }

    /// Closes in good order, without waiting for the server (R8314-3.4).
    pub(super) fn close(self) {
        if let Err(error) = self.transport.close(None) {
            log::debug!("close: {error}");
        }
    }

    fn renew_reply_deadline(&mut self) {
        self.reply_deadline = deadline(self.options.reply_total);
    }

    /// Reads more input.
    fn fill(&mut self) -> Result<(), Error> {
        let Some(timeout) = self.client.timeout() else {
            // Nothing is owed, so nothing is to be waited for; only a misuse of this module comes here.
            return Err(pop3_proto::Error::ConnectionLost.into());
        };
        let deadline = Deadline::after(timeout.limit).earlier(self.reply_deadline);
        match self.transport.read(self.input.room(), deadline) {
            Ok(Input::Octets(octets)) => {
                self.input.filled(octets);
                Ok(())
            }
            // A cut and an orderly end come to the same: it is the protocol that tells whether a reply is missing.
            Ok(Input::Closed) | Err(TransportError::Truncated) => {
                Err(self.client.end_of_input().err().unwrap_or(pop3_proto::Error::ConnectionLost).into())
            }
            Err(TransportError::TimedOut) => {
                let _final = self.client.timed_out();
                Err(Error::TimedOut { waiting_for: timeout.waiting_for })
            }
            Err(error) => {
                let _final = self.client.end_of_input();
                Err(error.into())
            }
        }
    }
}

impl<S> core::fmt::Debug for Link<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Link").field("client", &self.client.state()).finish_non_exhaustive()
    }
}

fn deadline(limit: Option<std::time::Duration>) -> Deadline {
    limit.map_or(Deadline::NEVER, Deadline::after)
}
