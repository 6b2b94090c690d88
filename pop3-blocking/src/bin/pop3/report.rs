//! What a run writes: results, warnings, errors.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use crate::args::Common;
use crate::escape;
use crate::exit::Failure;
use crate::json::{self, Object};
use crate::progress::{Bars, Progress};

/// Where results and warnings go.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) json: bool,
    quiet: bool,
    /// Standard output holds messages, so that results go to standard error.
    aside: bool,
    progress: Option<Progress>,
    /// The name of the account, if it has one.
    account: Option<String>,
    /// One terminal for several accounts, each of which says who it is.
    bars: Option<Bars>,
}

/// What is said of a session without TLS.
pub(crate) const NO_TLS: &str = "no TLS: what is sent, the password too, can be read and changed on the way";

impl Report {
    pub(crate) fn new(common: &Common) -> Self {
        let account = common.account.clone();
        Self { json: common.json, quiet: common.quiet, aside: false, progress: None, account, bars: None }
    }

    /// As [`new`](Self::new), for an account of this name.
    pub(crate) fn of(common: &Common, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..Self::new(common) }
    }

    /// The name of the account; empty if it has none.
    pub(crate) fn account(&self) -> &str {
        self.account.as_deref().unwrap_or_default()
    }

    /// As one of several.
    #[must_use]
    pub(crate) fn beside(mut self, bars: &Bars) -> Self {
        self.bars = Some(bars.clone());
        self
    }

    /// Leaves standard output to messages.
    #[must_use]
    pub(crate) const fn aside(mut self) -> Self {
        self.aside = true;
        self
    }

    /// Shows how far a fetch of `octets` octets is, if anybody looks.
    pub(crate) fn start_progress(&mut self, messages: usize, octets: u64) {
        // On one terminal the messages themselves would be torn apart.
        let torn = self.aside && io::stdout().is_terminal();
        if !self.json && !self.quiet && !torn && io::stderr().is_terminal() {
            self.progress = Some(match (&self.bars, &self.account) {
                (Some(bars), Some(account)) => Progress::beside(bars, account, messages, octets),
                _ => Progress::new(messages, octets),
            });
        }
    }

    pub(crate) const fn progress(&self) -> Option<&Progress> {
        self.progress.as_ref()
    }

    pub(crate) fn end_progress(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
    }

    /// Writes one line of a result.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        let text = &self.named(text);
        if self.aside {
            return write_line(io::stderr().lock(), text);
        }
        match &self.bars {
            Some(bars) if io::stdout().is_terminal() => {
                bars.suspend(|| write_line(io::stdout().lock(), text))
            }
            _ => write_line(io::stdout().lock(), text),
        }
    }

    /// `text` with the name of the account: in an object always, for people where there are several.
    fn named<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.account {
            Some(account) if self.json => json::with_first(text, "account", account).into(),
            Some(account) if self.bars.is_some() => format!("{account}: {text}").into(),
            _ => text.into(),
        }
    }

    /// Writes a line of totals, which people may not want.
    pub(crate) fn summary(&self, text: &str) -> Result<(), Failure> {
        if self.quiet { Ok(()) } else { self.line(text) }
    }

    /// Tells people something. `text` is safe for a terminal. With `--json` the results tell the same.
    pub(crate) fn warn(&self, text: &str) {
        if self.json || self.quiet {
            return;
        }
        self.aloud(|| to_stderr(&format!("pop3: {}", self.named(text))));
    }

    /// Writes why the run failed to standard error, unless that was done.
    pub(crate) fn failure(&self, failure: &Failure) {
        if !failure.told {
            let account = self.account.as_deref().filter(|_| self.json || self.bars.is_some());
            self.aloud(|| self::failure(failure, self.json, account));
        }
    }

    /// Takes the bars away for as long as `say` writes.
    fn aloud(&self, say: impl FnOnce()) {
        match (&self.bars, &self.progress) {
            (Some(bars), _) => bars.suspend(say),
            (None, Some(progress)) => progress.suspend(say),
            (None, None) => say(),
        }
    }
}

/// Writes why a run failed to standard error.
pub(crate) fn failure(failure: &Failure, json: bool, account: Option<&str>) {
    match (json, account) {
        (true, Some(account)) => to_stderr(&json::with_first(&object(failure), "account", account)),
        (true, None) => to_stderr(&object(failure)),
        (false, account) => {
            let whose = account.map(|account| format!("{account}: ")).unwrap_or_default();
            // One line, whatever became part of the message on its way.
            let message = escape::line(failure.message.as_bytes());
            let advice = failure.advice().map(|advice| format!("\npop3: {whose}what to do: {advice}"));
            to_stderr(&format!("pop3: {whose}{message}{}", advice.unwrap_or_default()));
        }
    }
}

fn object(failure: &Failure) -> String {
    let words = failure.refused.as_ref().map(|refused| refused.text.as_slice());
    let error = Object::new()
        .string("kind", failure.kind.word())
        .or_null("command", failure.command(), |object, name, verb| object.string(name, &verb.to_string()))
        .or_null("code", failure.response_code(), |object, name, code| object.string(name, code.as_str()));
    let error = match words {
        Some(words) => error.octets("text", words),
        None => error.string("text", &failure.message),
    };
    Object::new().object("error", error).finish()
}

fn write_line(mut out: impl Write, text: &str) -> Result<(), Failure> {
    // One write, so that a reader of the pipe sees whole lines.
    let line = [text.as_bytes(), b"\n"].concat();
    out.write_all(&line).and_then(|()| out.flush()).map_err(|error| Failure::stdout(&error))
}

/// If nobody reads it, there is nobody to tell.
fn to_stderr(text: &str) {
    write_line(io::stderr().lock(), text).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Kind;

    #[test]
    fn an_error_without_words_of_the_server() {
        let failure = Failure::new(Kind::Timeout, "timed out \"here\"");
        assert_eq!(
            object(&failure),
            r#"{"error":{"kind":"timeout","command":null,"code":null,"text":"timed out \"here\""}}"#
        );
    }
}
