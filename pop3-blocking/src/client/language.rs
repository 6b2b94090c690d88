//! UTF-8 mode and the language of replies (RFC 6856), before and after login.

use pop3_proto::{Arg, ClientEvent, Command, LanguageListing, Verb};

use super::connection::Connection;
use super::error::Error;
use super::link::{Accepted, Link};
use super::session::Session;
use crate::transport::Stream;

/// A language in which a server can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Language {
    /// Its tag, such as `sv` (RFC 5646).
    pub tag: String,
    /// What it is called in itself; empty if the server does not say. Octets that are no UTF-8 are replaced.
    pub description: String,
}

impl<S: Stream> Connection<S> {
    /// `UTF8`: messages come as they are stored from now on, and `STLS` can no more be sent (R6856-2.7).
    ///
    /// [`log_in`](Self::log_in) sends it by itself where it is announced; this is for those who must know. Nothing is sent
    /// if the server has said `+OK` to it already.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: the mode is off and the login goes as before. And the errors that end a connection.
    ///
    /// # Source
    ///
    /// RFC 6856 section 2; rows R6856-2.1, R6856-2.8.
    pub fn utf8(&mut self) -> Result<(), Error> {
        if !self.is_utf8() {
            self.link.command(&Command::Utf8, |_| ())?;
        }
        Ok(())
    }

    /// Whether the session is in UTF-8 mode.
    pub const fn is_utf8(&self) -> bool {
        self.link.client.is_utf8()
    }

    /// `LANG range`: asks for replies in another language, and returns the tag of the one that was chosen. `*` leaves it
    /// to the server.
    ///
    /// Use it under TLS: in clear text anyone on the path can choose (R6856-7.1). Texts are UTF-8 afterwards; codes and
    /// numbers stay what they were.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]: there is none, and the language stays what it was. [`Error::Argument`], [`Error::BadReply`],
    /// and the errors that end a connection.
    ///
    /// # Source
    ///
    /// RFC 6856 section 3; rows R6856-3.1 to R6856-3.3.
    pub fn lang(&mut self, range: &str) -> Result<String, Error> {
        lang(&mut self.link, range)
    }

    /// `LANG`: the languages in which the server can answer.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] by a server that has only one, and the errors that end a connection.
    pub fn languages(&mut self) -> Result<Vec<Language>, Error> {
        languages(&mut self.link)
    }

    /// Before a login. A refusal leaves the mode off and the login valid (R6856-2.8).
    pub(super) fn utf8_if_wanted(&mut self) -> Result<(), Error> {
        let announced = self.link.capabilities.as_ref().is_some_and(|list| list.summary().utf8);
        if !announced || !self.link.options.utf8 {
            return Ok(());
        }
        match self.utf8() {
            Err(Error::Refused(refused)) => {
                log::warn!("UTF8: {refused}");
                Ok(())
            }
            done => done,
        }
    }
}

impl<S: Stream> Session<S> {
    /// Whether the session is in UTF-8 mode: messages come as they are stored.
    ///
    /// If it is not, the server may refuse a message that cannot be told in ASCII, with the code
    /// [`CodeKind::Utf8`](pop3_proto::CodeKind::Utf8): connect anew with [`ClientOptions::utf8`](super::ClientOptions::utf8)
    /// to have it (R6856-5.2).
    pub const fn is_utf8(&self) -> bool {
        self.link.client.is_utf8()
    }

    /// `LANG range`: as [`Connection::lang`].
    ///
    /// # Errors
    ///
    /// As [`Connection::lang`].
    pub fn lang(&mut self, range: &str) -> Result<String, Error> {
        lang(&mut self.link, range)
    }

    /// `LANG`: as [`Connection::languages`].
    ///
    /// # Errors
    ///
    /// As [`Connection::languages`].
    pub fn languages(&mut self) -> Result<Vec<Language>, Error> {
        languages(&mut self.link)
    }
}

impl Language {
    fn new(listing: LanguageListing<'_>) -> Self {
        let text = |octets| String::from_utf8_lossy(octets).into_owned();
        Self { tag: text(listing.tag), description: text(listing.description) }
    }
}

fn lang<S: Stream>(link: &mut Link<S>, range: &str) -> Result<String, Error> {
    let range = Arg::new(range.as_bytes())?;
    let reply = link.command(&Command::Lang(Some(range)), |reply| {
        LanguageListing::parse(reply.line.text).map(|listing| Language::new(listing).tag)
    })?;
    reply.data.ok_or(Error::BadReply(Verb::Lang))
}

fn languages<S: Stream>(link: &mut Link<S>) -> Result<Vec<Language>, Error> {
    let Accepted { id, .. } = link.command(&Command::Lang(None), |_| ())?;
    let mut languages = Vec::new();
    link.lines(id, |event| {
        match event {
            ClientEvent::Language(_, listing) => languages.push(Language::new(listing)),
            _ => log::warn!("a line of LANG cannot be read and is left out"),
        }
        Ok(())
    })?;
    Ok(languages)
}
