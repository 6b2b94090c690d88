//! What a run writes: results, warnings, errors.

use std::io::{self, IsTerminal, Write};

use crate::args::Common;
use crate::exit::Failure;
use crate::json::Object;
use crate::progress::Progress;

/// Where results and warnings go.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) json: bool,
    quiet: bool,
    /// Standard output holds messages, so that results go to standard error.
    aside: bool,
    progress: Option<Progress>,
}

impl Report {
    pub(crate) const fn new(common: &Common) -> Self {
        Self { json: common.json, quiet: common.quiet, aside: false, progress: None }
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
            self.progress = Some(Progress::new(messages, octets));
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
        if self.aside {
            return write_line(io::stderr().lock(), text);
        }
        write_line(io::stdout().lock(), text)
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
        let say = || to_stderr(&format!("pop3: {text}"));
        match &self.progress {
            Some(progress) => progress.suspend(say),
            None => say(),
        }
    }
}

/// Writes why the run failed to standard error.
pub(crate) fn failure(failure: &Failure, json: bool) {
    if json {
        to_stderr(&object(failure));
    } else {
        to_stderr(&format!("pop3: {}", failure.message));
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
