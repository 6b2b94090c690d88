//! `fetch`: a run, from the command line to the totals.

use std::collections::HashMap;
use std::path::PathBuf;

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
pub(crate) struct Run {
    pub(crate) dialer: Dialer,
    pub(crate) delivery: Box<dyn Delivery>,
    pub(crate) journal: Option<Journal>,
    pub(crate) interrupt: Interrupt,
    pub(crate) report: Report,
    pub(crate) delete: bool,
    /// The unique-ids of what an earlier attempt of this run has delivered, and the octets.
    pub(crate) earlier: HashMap<Box<[u8]>, u64>,
}

pub(crate) fn run(args: &Fetch) -> Result<(), Failure> {
    let target = Target::parse(&args.to)?;
    if target == Target::Stdout {
        if args.delete {
            return Err(Failure::usage(
                "--delete needs a Maildir or an mbox: nobody can tell what becomes of standard output",
            ));
        }
        if args.state.is_some() {
            return Err(Failure::usage("--state has no meaning with --to -: the journal is not used"));
        }
    }
    let dialer = Dialer::for_login(&args.common)?;
    let state = if target == Target::Stdout { None } else { Some(journal_file(args, &dialer)?) };
    let dialer = dialer.with_password(&args.common)?;
    let journal = state.map(|path| Journal::open(path, &dialer.account.name)).transpose();
    let journal = journal.map_err(|error| Failure::by_state(&error))?;
    let delivery = target.open()?;
    let interrupt = Interrupt::listen().map_err(|error| Failure::configuration(error.to_string()))?;
    let report = Report::new(&args.common);
    let report = if target == Target::Stdout { report.aside() } else { report };
    let mut run =
        Run { dialer, delivery, journal, interrupt, report, delete: args.delete, earlier: HashMap::new() };
    run.warn_of_damage();
    run.go()
}

impl Run {
    fn go(&mut self) -> Result<(), Failure> {
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

fn journal_file(args: &Fetch, dialer: &Dialer) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.state {
        return Ok(path.clone());
    }
    Ok(state::dir()
        .ok_or_else(|| Failure::configuration("neither XDG_STATE_HOME nor HOME is set; use --state FILE"))?
        .join(Journal::file_name(&dialer.account.name)))
}
