//! A progress bar for whoever looks at a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bars of several accounts, one below the other, on standard error.
pub(crate) type Bars = MultiProgress;

/// How far a fetch is, on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    messages: usize,
}

impl Progress {
    pub(crate) fn new(messages: usize, octets: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(octets), ProgressDrawTarget::stderr());
        Self::styled(bar, "{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}", messages)
    }

    /// One of several, with the name of its account.
    pub(crate) fn beside(bars: &Bars, account: &str, messages: usize, octets: u64) -> Self {
        let bar = bars.add(ProgressBar::new(octets));
        bar.set_prefix(account.to_owned());
        Self::styled(bar, "{prefix} {msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}", messages)
    }

    fn styled(bar: ProgressBar, template: &str, messages: usize) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, messages }
    }

    /// The message of this place, from 1, is on its way.
    pub(crate) fn message(&self, place: usize) {
        self.bar.set_message(format!("message {place} of {}", self.messages));
    }

    pub(crate) fn octets(&self, octets: usize) {
        self.bar.inc(octets as u64);
    }

    /// Takes the bar away for as long as `say` writes.
    pub(crate) fn suspend(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }

    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
    }
}
