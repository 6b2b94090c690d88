//! A run over one account, from the journal to the totals.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pop3_blocking::delivery::{Delivery, Journal};

use crate::args::Fetch;
use crate::attempt::{Attempt, Broken};
use crate::connect::Dialer;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::json::Object;
use crate::record::{Ending, Record, Totals};
use crate::report::Report;
use crate::state;
use crate::target::Target;

/// What the attempts of a run share.
pub(crate) struct Run<'j> {
    pub(crate) dialer: &'j mut Dialer,
    pub(crate) delivery: Box<dyn Delivery + Send>,
    pub(crate) journal: Option<Journal>,
    pub(crate) interrupt: &'j Interrupt,
    pub(crate) report: &'j mut Report,
    pub(crate) delete: bool,
    /// The unique-ids of what an earlier attempt of this run has delivered, and the octets.
    pub(crate) earlier: HashMap<Box<[u8]>, u64>,
}

impl<'j> Run<'j> {
    /// Opens the journal at `state`, if there is to be one, and the target.
    pub(crate) fn open(
        dialer: &'j mut Dialer,
        target: &Target,
        state: Option<&Path>,
        interrupt: &'j Interrupt,
        report: &'j mut Report,
        delete: bool,
    ) -> Result<Self, Failure> {
        let journal = state.map(|path| Journal::open(path, &dialer.account.name)).transpose();
        let journal = journal.map_err(|error| Failure::by_state(&error))?;
        let delivery = target.open()?;
        let run = Self { dialer, delivery, journal, interrupt, report, delete, earlier: HashMap::new() };
        run.warn_of_damage();
        Ok(run)
    }

    /// Does it.
    pub(crate) fn go(&mut self) -> Result<(), Failure> {
        let mut first = Attempt::new(self);
        let broken = match first.go() {
            Ok(()) => return first.end(),
            Err(Broken::Before(failure)) => return Err(failure),
            Err(Broken::Burst(failure)) => failure,
        };
        let abandoned = first.abandon();
        if self.dialer.retries == 0 {
            return abandoned.end(self, broken);
        }
        // Some servers announce PIPELINING and hang up on whoever believes it (PB-C30).
        log::warn!("connection lost behind pipelined commands; once more without: {}", broken.message);
        self.dialer.options.pipelining = false;
        self.dialer.keep_strength();
        let mut second = Attempt::new(self);
        match second.go() {
            Ok(()) => second.end(),
            Err(Broken::Before(failure) | Broken::Burst(failure)) => {
                log::warn!("no second attempt: {}", failure.message);
                abandoned.end(self, broken)
            }
        }
    }

    /// Writes the totals.
    pub(crate) fn conclude(&self, records: &[Record], ending: Ending) -> Result<(), Failure> {
        let totals = Totals::of(records);
        if self.report.json {
            let deleted =
                ending.is_known().then_some(if ending == Ending::Committed { totals.marked } else { 0 });
            let line = Object::new()
                .string("outcome", ending.word())
                .number("messages", records.len() as u64)
                .number("delivered", totals.delivered)
                .number("skipped", totals.skipped)
                .number("failed", totals.failed)
                .or_null("deleted", deleted, Object::number)
                .number("octets", totals.octets);
            return self.report.line(&line.finish());
        }
        self.report.summary(&totals.text(records.len(), ending))
    }

    fn warn_of_damage(&self) {
        let damaged = self.journal.as_ref().map_or(0, Journal::damaged);
        if damaged > 0 {
            self.report
                .warn(&format!("the journal has {damaged} damaged lines; their messages are fetched again"));
        }
    }
}

/// Where the journal of an account lies.
pub(crate) fn journal_file(args: &Fetch, dialer: &Dialer) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.state {
        return Ok(path.clone());
    }
    Ok(state::dir()
        .ok_or_else(|| Failure::configuration("neither XDG_STATE_HOME nor HOME is set; use --state FILE"))?
        .join(Journal::file_name(&dialer.account.name)))
}
