//! A session after login.

use std::net::TcpStream;
use std::time::Instant;

use pop3_proto::{ClientEvent, Command, DropListing, MessageNumber, ScanListing, UniqueIdListing, Verb};

use super::capabilities::CapabilityList;
use super::error::{Error, Refused};
use super::link::{Accepted, Link};
use super::message::Message;
use crate::tls::TlsInfo;
use crate::transport::Stream;

/// A session in which somebody is logged in: the TRANSACTION state.
///
/// End it with [`quit`](Self::quit), and look at the [`Outcome`]: only then are messages removed that were marked with
/// [`delete`](Self::delete). A session that is dropped deletes nothing.
#[must_use = "a session that is dropped deletes nothing; end it with `quit`"]
#[derive(Debug)]
pub struct Session<S = TcpStream> {
    pub(super) link: Box<Link<S>>,
    /// Whether a `DELE` was sent: its mark is not to be taken back.
    pub(super) marks: bool,
    /// The messages that `STAT` counted, until `RSET` may have made them more.
    counted: Option<u64>,
    surplus: u64,
}

/// How a session ended, as far as marked messages go.
#[derive(Debug)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a caller must act on each of the three")]
pub enum Outcome {
    /// The server said `+OK` to `QUIT`: what was marked is removed.
    Committed,
    /// The server said `-ERR` to `QUIT`: some marked messages may still be there (R1939-6.1).
    Partial(Refused),
    /// No reply to `QUIT` came, or it could not be sent: find out with unique-ids next time (R1939-6.4).
    Unknown(Error),
}

/// A message and its unique-id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UniqueIdEntry {
    /// The message.
    pub number: MessageNumber,
    /// Its unique-id: opaque octets, never a file name.
    pub unique_id: Box<[u8]>,
}

impl<S: Stream> Session<S> {
    pub(super) const fn new(link: Box<Link<S>>) -> Self {
        Self { link, marks: false, counted: None, surplus: 0 }
    }

    /// `STAT`: how many messages there are, and how many octets.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::BadReply`], and the errors that end a connection.
    pub fn stat(&mut self) -> Result<DropListing, Error> {
        let reply = self.link.command(&Command::Stat, |reply| reply.drop_listing())?;
        let counted = reply.data.ok_or(Error::BadReply(Verb::Stat))?;
        self.counted = Some(counted.messages.into());
        Ok(counted)
    }

    /// `LIST`: numbers and octets of all messages that are not marked.
    ///
    /// Take it, and [`unique_ids`](Self::unique_ids), before the first [`delete`](Self::delete): some servers renumber
    /// (R1939-5.10). Lines that cannot be read are left out; sizes are hints (R1939-5.7).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], and the errors that end a connection.
    pub fn list(&mut self) -> Result<Vec<ScanListing>, Error> {
        let mut listings = Vec::new();
        self.for_each_listing(|listing| listings.push(listing))?;
        Ok(listings)
    }

    /// As [`list`](Self::list), a line at a time, in the server's order.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn for_each_listing(&mut self, mut each: impl FnMut(ScanListing)) -> Result<(), Error> {
        let Accepted { id, .. } = self.link.command(&Command::List(None), |_| ())?;
        let mut lines = 0u64;
        self.link.lines(id, |event| {
            lines = lines.saturating_add(1);
            match event {
                ClientEvent::ScanListing(_, listing) => each(listing),
                _ => log::warn!("a line of LIST cannot be read and is left out"),
            }
            Ok(())
        })?;
        self.compare(lines);
        Ok(())
    }

    /// `LIST n`: the octets of one message. If the server answers with something else, the whole list is asked for
    /// (PB-Q10).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there is no such message, [`Error::BadReply`], and the errors that end a connection.
    pub fn octets(&mut self, number: MessageNumber) -> Result<u64, Error> {
        let reply = self.link.command(&Command::List(Some(number)), |reply| reply.scan_listing())?;
        if let Some(listing) = reply.data {
            return Ok(listing.octets);
        }
        let found = self.list()?.into_iter().find(|listing| listing.number == number);
        found.map(|listing| listing.octets).ok_or(Error::BadReply(Verb::List))
    }

    /// `UIDL`: the unique-ids of all messages that are not marked.
    ///
    /// Whether the server announces it or not: many that have it do not say so (PB-Q07). An id that stands twice, or does
    /// not [conform](pop3_proto::UniqueId::is_conformant), is no ground to skip or delete a message (R1939-7.4).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] by a server without unique-ids, and the errors that end a connection.
    pub fn unique_ids(&mut self) -> Result<Vec<UniqueIdEntry>, Error> {
        let mut entries = Vec::new();
        self.for_each_unique_id(|listing| {
            let unique_id = listing.unique_id.as_bytes().into();
            entries.push(UniqueIdEntry { number: listing.number, unique_id });
        })?;
        Ok(entries)
    }

    /// As [`unique_ids`](Self::unique_ids), a line at a time, in the server's order.
    ///
    /// # Errors
    ///
    /// As [`unique_ids`](Self::unique_ids).
    pub fn for_each_unique_id(&mut self, mut each: impl FnMut(UniqueIdListing<'_>)) -> Result<(), Error> {
        let Accepted { id, .. } = self.link.command(&Command::Uidl(None), |_| ())?;
        let mut lines = 0u64;
        self.link.lines(id, |event| {
            lines = lines.saturating_add(1);
            match event {
                ClientEvent::UniqueId(_, listing) => each(listing),
                _ => log::warn!("a line of UIDL cannot be read and is left out"),
            }
            Ok(())
        })?;
        self.compare(lines);
        Ok(())
    }

    /// How many lines more than the last [`stat`](Self::stat) counted messages the last whole list had, of `LIST` or of
    /// unique-ids: of a server that tells two stories, which is not to be believed in either. 0 if `stat` was not called,
    /// or not again after [`reset`](Self::reset).
    pub const fn surplus(&self) -> u64 {
        self.surplus
    }

    /// `UIDL n`: the unique-id of one message.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::BadReply`], and the errors that end a connection.
    pub fn unique_id(&mut self, number: MessageNumber) -> Result<Box<[u8]>, Error> {
        let reply = self.link.command(&Command::Uidl(Some(number)), |reply| {
            reply.unique_id().map(|listing| Box::from(listing.unique_id.as_bytes()))
        })?;
        reply.data.ok_or(Error::BadReply(Verb::Uidl))
    }

    /// `RETR`: a message. Read it to its end.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there is no such message or the server cannot open it, and the errors that end a connection.
    pub fn retrieve(&mut self, number: MessageNumber) -> Result<Message<'_, S>, Error> {
        let Accepted { id, .. } = self.link.command(&Command::Retr(number), |_| ())?;
        Ok(Message::new(&mut self.link, id))
    }

    /// `TOP`: the header of a message, the blank line, and `lines` lines of its body. Read it to its end.
    ///
    /// What comes must never be taken for the message: servers cut it, or send another header (PB-Q04).
    ///
    /// # Errors
    ///
    /// As [`retrieve`](Self::retrieve).
    pub fn top(&mut self, number: MessageNumber, lines: u64) -> Result<Message<'_, S>, Error> {
        let Accepted { id, .. } = self.link.command(&Command::Top { number, lines }, |_| ())?;
        Ok(Message::new(&mut self.link, id))
    }

    /// `DELE`: marks a message. It is removed when [`quit`](Self::quit) says [`Outcome::Committed`], not before.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], and the errors that end a connection.
    pub fn delete(&mut self, number: MessageNumber) -> Result<(), Error> {
        self.marks = true;
        self.link.command(&Command::Dele(number), |_| ()).map(|_| ())
    }

    /// `RSET`: takes all marks back.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], and the errors that end a connection.
    pub fn reset(&mut self) -> Result<(), Error> {
        (self.counted, self.surplus) = (None, 0);
        self.link.command(&Command::Rset, |_| ()).map(|_| ())
    }

    /// `NOOP`: keeps the session alive.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], and the errors that end a connection.
    pub fn noop(&mut self) -> Result<(), Error> {
        self.link.command(&Command::Noop, |_| ()).map(|_| ())
    }

    /// `NOOP`, if nothing was sent for as long as [`ClientOptions::keep_alive`](super::ClientOptions::keep_alive) says.
    /// Tells whether it was sent.
    ///
    /// Nothing happens behind the caller's back: call it now and then where much time passes between commands.
    ///
    /// # Errors
    ///
    /// As [`noop`](Self::noop).
    pub fn keep_alive(&mut self) -> Result<bool, Error> {
        self.keep_alive_at(Instant::now())
    }

    /// `CAPA`: what the server announces now, asked anew: some values differ after login (R2449-5.3).
    ///
    /// # Errors
    ///
    /// The errors that end a connection; a server without `CAPA` announces nothing.
    pub fn capabilities(&mut self) -> Result<CapabilityList, Error> {
        self.link.ask_capabilities()?;
        Ok(self.link.capabilities.clone().unwrap_or_default())
    }

    /// What TLS negotiated; `None` in clear text.
    pub fn tls(&self) -> Option<TlsInfo<'_>> {
        self.link.transport().tls()
    }

    /// `QUIT`: removes what was marked, ends the session and closes.
    ///
    /// Everything that was sent before has been answered when `QUIT` goes out, and its reply is waited for (R1939-6.5,
    /// R2449-6.6.5).
    pub fn quit(mut self) -> Outcome {
        if self.link.options.rset_before_quit && !self.marks {
            // Not within the macro, which does nothing at all where nobody listens.
            let taken_back = self.reset();
            log::debug!("RSET before QUIT: {taken_back:?}");
        }
        let said = self.link.command(&Command::Quit, |_| ());
        self.link.close();
        match said {
            Ok(_) => Outcome::Committed,
            Err(Error::Refused(refused)) => Outcome::Partial(refused),
            Err(error) => Outcome::Unknown(error),
        }
    }

    fn compare(&mut self, lines: u64) {
        self.surplus = self.counted.map_or(0, |counted| lines.saturating_sub(counted));
        if self.surplus > 0 {
            log::warn!("the server lists {} messages more than it counts", self.surplus);
        }
    }

    fn keep_alive_at(&mut self, now: Instant) -> Result<bool, Error> {
        let silence = now.saturating_duration_since(self.link.last_sent);
        if self.link.options.keep_alive.is_none_or(|limit| silence < limit) {
            return Ok(false);
        }
        self.noop().map(|()| true)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::super::{ClientOptions, Connection};
    use crate::Transport;

    #[test]
    fn pb_q32_the_clock_decides_when_a_noop_is_sent() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || {
            (&theirs).write_all(b"+OK\r\n").unwrap();
            let mut seen = Vec::new();
            for line in BufReader::new(&theirs).lines().map_while(Result::ok) {
                let reply: &[u8] = if line == "CAPA" { b"-ERR\r\n" } else { b"+OK\r\n" };
                (&theirs).write_all(reply).unwrap();
                seen.push(line);
            }
            seen
        });
        let options = ClientOptions { keep_alive: Some(Duration::from_secs(50)), ..ClientOptions::default() };
        let mut connection = Connection::over(Transport::plain(ours), options).unwrap();
        connection.allow_cleartext_login();
        let mut session = connection.login("a", "b").unwrap();
        let sent = session.link.last_sent;
        for (seconds, noop) in [(0, false), (49, false), (50, true)] {
            let now = sent + Duration::from_secs(seconds);
            assert_eq!(session.keep_alive_at(now).unwrap(), noop, "{seconds}");
        }
        // The NOOP was sent just now, so that the silence begins anew.
        assert!(session.link.last_sent > sent);
        let now = session.link.last_sent + Duration::from_secs(49);
        assert!(!session.keep_alive_at(now).unwrap());
        drop(session);
        assert_eq!(server.join().unwrap(), ["CAPA", "USER a", "PASS b", "NOOP"]);
    }
}
