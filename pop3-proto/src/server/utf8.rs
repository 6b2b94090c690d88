//! UTF-8 mode, languages and `APOP` in a session: what `UTF8`, `LANG` and `APOP` do (RFC 6856, RFC 1939 section 7).

use super::answer::Text;
use super::language::{self, I_DEFAULT, Language};
use super::listing::Listing;
use super::offer::{SessionConfig, Utf8Offer};
use super::session::{Pending, Session};
use super::{Phrase, Refusal, Request};
use crate::MessageNumber;
use crate::buffer::{Full, Sink};
use crate::codec::{Arg, Secret, Status, put_line};
use crate::error::ReplyError;
use crate::maildrop::{NoMessage, Storage};
use crate::state::State;

impl<'c, S: Storage> Session<'c, S> {
    /// Tells that a message just added can be shown in UTF-8 mode only. Unless the session is
    /// [in that mode](Self::is_utf8), `LIST` with its number, `RETR` and `TOP` are refused by `-ERR [UTF8]` (R6856-5.1).
    ///
    /// # Errors
    ///
    /// [`NoMessage`]: it is not there. Nothing changed.
    pub fn require_utf8(&mut self, number: MessageNumber) -> Result<(), NoMessage> {
        self.index.require_utf8(number)
    }

    /// Whether the session is in UTF-8 mode. Fixed from the login on, so the driver knows it when it opens the maildrop:
    /// sizes and messages follow it (R6856-2.6).
    pub const fn is_utf8(&self) -> bool {
        self.server.is_utf8()
    }

    /// The language of the texts: the one that `LANG` has chosen, or `i-default`.
    pub fn language(&self) -> &'c str {
        self.language.map_or(I_DEFAULT, |language| language.tag())
    }

    /// `phrase` in the language of the session.
    pub(super) fn text(&self, phrase: Phrase) -> &'c str {
        let language = self.language.or_else(|| language::find(self.config.languages, I_DEFAULT));
        language.map_or_else(|| phrase.english(), |language| language.text(phrase))
    }

    pub(super) fn filled(&self, phrase: Phrase, messages: u32, octets: u64) -> Text {
        let mut text = Text::new();
        text.filled(self.text(phrase), messages, octets);
        text
    }

    pub(super) fn utf8(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        if self.config.utf8 == Utf8Offer::No {
            self.err(Phrase::Unsupported, out)?;
            self.count_bad();
            return Ok(());
        }
        self.ok(Phrase::Utf8Mode, out)
    }

    pub(super) fn lang(
        &mut self,
        range: Option<Arg<'_>>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<(), ReplyError> {
        if self.config.languages.is_empty() {
            self.err(Phrase::Unsupported, out)?;
            self.count_bad();
            return Ok(());
        }
        let Some(range) = range else {
            return self.list(Listing::Languages(0), Phrase::LanguagesFollow, out);
        };
        let chosen = match range.as_bytes() {
            b"*" => {
                self.config.language(self.config.default_language).or_else(|| self.config.language(I_DEFAULT))
            }
            range => core::str::from_utf8(range).ok().and_then(|range| self.config.language(range)),
        };
        // Asking for a language that is not there is no misbehaviour.
        let Some(chosen) = chosen else { return self.err(Phrase::NoSuchLanguage, out) };
        // The tag and the SP are there whatever the text (R6856-3.1).
        let mut text = Text::new();
        text.words(chosen.tag());
        text.words(" ");
        text.words(chosen.text(Phrase::LanguageChosen));
        self.server.allow_utf8_text(true);
        let replied = self.server.reply(Status::Ok, None, text.as_bytes(), out);
        if replied.is_ok() {
            self.language = Some(chosen);
        }
        self.server.allow_utf8_text(self.language.is_some());
        replied
    }

    /// Whether `APOP` is offered: the greeting had a timestamp.
    pub(super) fn apop<'i>(
        &mut self,
        name: Arg<'i>,
        digest: Arg<'i>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<Option<Request<'i>>, ReplyError> {
        let phrase = if !self.stamped {
            Phrase::Unsupported
        } else if !self.config.takes(name.as_bytes()) {
            Phrase::Syntax
        } else {
            self.pending = Pending::Login;
            return Ok(Some(Request::Apop { name, digest }));
        };
        self.err(phrase, out)?;
        self.count_bad();
        Ok(None)
    }

    pub(super) fn pass<'i>(&mut self, password: Secret<'i>) -> Request<'i> {
        if self.config.takes(password.expose()) {
            self.pending = Pending::Login;
            Request::Login { password }
        } else {
            self.pending = Pending::Hopeless;
            Request::Hopeless
        }
    }

    /// Refuses a message that this session cannot be shown.
    pub(super) fn needs_utf8(&mut self, out: &mut (impl Sink + ?Sized)) -> Result<(), ReplyError> {
        let refusal = Refusal::NeedsUtf8;
        self.server.reply(Status::Err, refusal.code(), self.text(refusal.phrase()).as_bytes(), out)
    }
}

impl<'c> SessionConfig<'c> {
    /// The language that `range` means; `i-default` is always there.
    fn language(&self, range: &str) -> Option<&'c Language<'c>> {
        const DEFAULT: &[Language<'static>] = &[Language::new(I_DEFAULT, "", &[])];
        language::find(self.languages, range).or_else(|| language::find(DEFAULT, range))
    }

    /// Writes the line at `position` of the list of languages, if there is one to be written.
    ///
    /// `Ok(false)`: the list is at its end.
    pub(super) fn language_line(
        &self,
        position: usize,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<bool, Full> {
        let (tag, name) = match self.languages.get(position) {
            Some(language) if language.is_offered() => (language.tag(), language.listed_name()),
            Some(_) => return Ok(true),
            None if position == self.languages.len()
                && language::find(self.languages, I_DEFAULT).is_none() =>
            {
                (I_DEFAULT, "")
            }
            None => return Ok(false),
        };
        let space = if name.is_empty() { "" } else { " " };
        put_line(&[tag.as_bytes(), space.as_bytes(), name.as_bytes(), b"\r\n"], out).map(|()| true)
    }
}

/// The states in which `UTF8` and `STLS` were refused for a reason worth telling.
pub(super) const fn out_of_place(verb: crate::Verb, state: State, tls: bool) -> Phrase {
    match (verb, state) {
        (crate::Verb::Stls, State::Authorization | State::Password) if tls => Phrase::TlsIsActive,
        (crate::Verb::Utf8, State::Transaction) => Phrase::BeforeLoginOnly,
        _ => Phrase::NotHere,
    }
}
