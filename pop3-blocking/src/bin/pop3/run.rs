//! A run over one account, from the journal to the totals.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pop3_blocking::delivery::{Delivery, Journal, WriterDelivery};

use crate::args::Fetch;
use crate::attempt::{Attempt, Broken};
use crate::connect::Dialer;
use crate::exit::Failure;
use crate::filter::Filter;
use crate::interrupt::Interrupt;
use crate::json::Object;
use crate::plan::{Action, Plan};
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
    pub(crate) filter: Filter,
    /// Nothing is to be done but told; whether what would be delivered might be deleted.
    pub(crate) dry: Option<bool>,
    /// Whoever watches wants no line for each look.
    only_news: bool,
    /// The unique-ids of what an earlier attempt of this run has delivered, and the octets.
    pub(crate) earlier: HashMap<Box<[u8]>, u64>,
}

impl<'j> Run<'j> {
    /// Opens the journal at `state`, if there is to be one, and the target. For a run that only tells what it would do
    /// nothing is created.
    pub(crate) fn open(
        dialer: &'j mut Dialer,
        target: &Target,
        state: Option<&Path>,
        interrupt: &'j Interrupt,
        report: &'j mut Report,
        args: &Fetch,
    ) -> Result<Self, Failure> {
        let state = state.filter(|path| !args.dry_run || path.exists());
        let journal = state.map(|path| Journal::open(path, &dialer.account.name)).transpose();
        let journal = journal.map_err(|error| Failure::by_state(&error))?;
        let delivery = if args.dry_run {
            Box::new(WriterDelivery::new(std::io::sink()))
        } else {
            target.open(dialer.mda)?
        };
        let run = Self {
            dialer,
            delivery,
            journal,
            interrupt,
            report,
            delete: args.delete,
            filter: Filter::new(args),
            dry: args.dry_run.then_some(*target != Target::Stdout),
            only_news: args.watch.is_some(),
            earlier: HashMap::new(),
        };
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

    /// Tells what a run would do with `plan`.
    pub(crate) fn foretell(&self, plan: &Plan) -> Result<(), Failure> {
        let is_durable = self.dry == Some(true);
        let (mut fetched, mut octets, mut deleted, mut skipped) = (0u64, 0u64, 0u64, 0u64);
        for message in &plan.messages {
            let fetch = matches!(message.action, Action::Fetch { .. });
            let delete = match message.action {
                Action::Fetch { .. } => self.delete && is_durable,
                Action::Known { delete } => delete,
                _ => false,
            };
            let reason = match message.action {
                Action::Fetch { .. } | Action::Known { .. } => None,
                Action::TooLarge => Some("too-large"),
                Action::NotInBothLists => Some("not-in-both-lists"),
                Action::Left(reason) | Action::Unknown(reason) => Some(reason),
            };
            fetched = fetched.saturating_add(fetch.into());
            octets = octets.saturating_add(if fetch { message.octets } else { 0 });
            deleted = deleted.saturating_add(delete.into());
            skipped = skipped.saturating_add((!fetch).into());
            if self.report.json {
                let object = Object::new()
                    .number("number", message.number.get())
                    .or_null("unique_id", message.unique_id.as_deref(), Object::octets)
                    .number("octets", message.octets)
                    .string("status", if fetch { "would-fetch" } else { "skipped" })
                    .boolean("would_delete", delete);
                let object = match reason {
                    Some(reason) => object.string("reason", reason),
                    None => object,
                };
                self.report.line(&object.finish())?;
            } else if fetch || delete {
                let deed = match (fetch, delete) {
                    (true, true) => "fetch and delete",
                    (true, false) => "fetch",
                    (false, _) => "delete",
                };
                self.report
                    .line(&format!("would {deed} message {} of {} octets", message.number, message.octets))?;
            }
        }
        if self.report.json {
            let line = Object::new()
                .string("outcome", "dry-run")
                .number("messages", plan.messages.len() as u64)
                .number("would_fetch", fetched)
                .number("skipped", skipped)
                .number("would_delete", deleted)
                .number("octets", octets);
            return self.report.line(&line.finish());
        }
        self.report.summary(&format!(
            "{} messages: would fetch {fetched} ({octets} octets), skip {skipped}, delete {deleted} on the server",
            plan.messages.len()
        ))
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
        let is_news = totals.delivered + totals.failed + totals.marked > 0;
        if self.only_news && !is_news {
            return Ok(());
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
