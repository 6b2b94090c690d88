//! One connection of a fetch: look, fetch, mark, quit.
//!
//! All `RETR` come before the first `DELE`, since some servers give messages new numbers at a `DELE`; for the same
//! reason messages are marked from the highest number down, which such servers survive. Messages are asked for in
//! batches, so that a run that must stop has not much left to receive.

use std::io::{self, Write};
use std::time::SystemTime;

use pop3_blocking::client::{CapabilityList, Error, Message, Outcome, Refused, Session};
use pop3_blocking::delivery::{CommandFault, Delivery, DeliveryError, Durability, Held, KeepError};
use pop3_blocking::pop3_proto::MessageNumber;
use pop3_blocking::{TransportError, pop3_proto};

use crate::connect::in_session;
use crate::exit::{Failure, Kind};
use crate::header::Gathered;
use crate::interrupt::AtStake;
use crate::plan::{Action, Plan, Planned, Rules};
use crate::progress::Progress;
use crate::record::{Ending, Fate, Record};
use crate::run::Run;

/// Octets of messages to ask for before anything else can be done.
const BATCH_OCTETS: u64 = 8 << 20;

/// A message of so many octets takes its time: what waits to be kept does not wait for it.
const LONG_OCTETS: u64 = 1 << 20;

/// Headers to ask for before it is looked whether there are enough.
const HEADERS: usize = 256;

/// One connection of a run.
pub(crate) struct Attempt<'r, 'j> {
    run: &'r mut Run<'j>,
    records: Vec<Record>,
    /// How many records have been told of.
    told: usize,
    /// The places and octets of what is whole here and not kept yet.
    waiting: Vec<(usize, u64)>,
    ending: Ending,
    /// From the first `RETR` to the end.
    at_stake: Option<AtStake>,
    /// What went wrong first.
    problem: Option<Failure>,
}

/// What is left of an attempt when another is made.
pub(crate) struct Abandoned {
    records: Vec<Record>,
    told: usize,
}

impl Abandoned {
    /// The other attempt came to nothing: tells what this one did, and why it ended.
    pub(crate) fn end(self, run: &mut Run<'_>, failure: Failure) -> Result<(), Failure> {
        let Self { records, told } = self;
        Attempt { records, told, problem: Some(failure), ..Attempt::new(run) }.end()
    }
}

/// Why an attempt came to nothing.
pub(crate) enum Broken {
    /// There was nothing to tell yet.
    Before(Failure),
    /// The connection was lost behind commands that were sent ahead.
    Burst(Failure),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Before(failure)
    }
}

/// Why no more messages are asked for.
enum Halt {
    /// The connection is over; the reply to a command has not begun.
    Between(Error),
    /// The connection is over, within a message.
    Within(Error),
    /// The connection goes on: what is here can be marked, and `QUIT` be said.
    Stop(Failure),
    /// This message was not taken, and others may be.
    Pass(Failure),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Between(error)
    }
}

impl<'r, 'j> Attempt<'r, 'j> {
    pub(crate) const fn new(run: &'r mut Run<'j>) -> Self {
        let records = Vec::new();
        let waiting = Vec::new();
        Self { run, records, told: 0, waiting, ending: Ending::Kept, at_stake: None, problem: None }
    }

    /// Does it all, up to the answer to `QUIT`. Then call [`end`](Self::end).
    pub(crate) fn go(&mut self) -> Result<(), Broken> {
        let (mut session, announced) = self.run.dialer.login().map_err(Broken::Before)?;
        let plan = match self.look(&mut session, &announced) {
            Ok(plan) => plan,
            Err(broken) => {
                // Not within the macro, which does nothing at all where nobody listens.
                let outcome = session.quit();
                log::debug!("QUIT: {outcome:?}");
                return Err(broken);
            }
        };
        if self.run.dry.is_some() {
            let outcome = session.quit();
            log::debug!("QUIT: {outcome:?}");
            return self.run.foretell(&plan).map_err(Broken::Before);
        }
        match self.run.interrupt.at_stake() {
            Ok(at_stake) => self.at_stake = Some(at_stake),
            Err(failure) => {
                let outcome = session.quit();
                log::debug!("QUIT: {outcome:?}");
                return Err(Broken::Before(failure));
            }
        }
        self.records = plan.messages.into_iter().map(Record::new).collect();
        self.remember_earlier();
        let retrieved = self.retrieve(&mut session);
        // Whatever ended it: what is whole here stays here, and is told of.
        let kept = self.keep();
        if let (Err(_), Err(Halt::Stop(failure))) = (&retrieved, &kept) {
            self.run.report.warn(&failure.message);
        }
        let told = self.tell();
        let done = retrieved.and(kept).and(told);
        self.run.report.end_progress();
        let done = match done {
            Err(Halt::Stop(failure) | Halt::Pass(failure)) => {
                self.problem(failure);
                Ok(())
            }
            done => done,
        };
        let done = done.and_then(|()| self.mark(&mut session));
        let pipelining = self.run.dialer.options.pipelining && announced.summary().pipelining;
        match done {
            Ok(()) => self.quit(session),
            Err(Halt::Between(error)) if pipelining && may_be_the_burst(&error) => {
                return Err(Broken::Burst(in_session(error)));
            }
            Err(Halt::Between(error) | Halt::Within(error)) => self.problem(in_session(error)),
            Err(Halt::Stop(failure) | Halt::Pass(failure)) => self.problem(failure),
        }
        Ok(())
    }

    /// Tells what there is to tell.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        if self.run.dry.is_some() {
            return self.problem.map_or(Ok(()), Err);
        }
        self.tell_all()?;
        self.run.conclude(&self.records, self.ending)?;
        self.problem.map_or(Ok(()), Err)
    }

    /// Makes way for another attempt, which will know what this one has delivered.
    pub(crate) fn abandon(mut self) -> Abandoned {
        for record in &mut self.records {
            record.marked = false;
            if let (Fate::Delivered { octets, safe: true }, Some(id), Action::Fetch { note: true }) =
                (record.fate, &record.planned.unique_id, record.planned.action)
            {
                self.run.earlier.insert(id.clone(), octets);
            }
        }
        Abandoned { records: self.records, told: self.told }
    }

    /// Takes the server's lists, and brings the journal up to date with them.
    fn look(&mut self, session: &mut Session, announced: &CapabilityList) -> Result<Plan, Broken> {
        let mut ids = Vec::new();
        let listed = session.for_each_unique_id(|listing| {
            ids.push((listing.number, Box::from(listing.unique_id.as_bytes())));
        });
        let ids = match listed {
            Ok(()) => Some(ids),
            // A server that has them and cannot tell them now must not make us fetch everything again.
            Err(Error::Refused(refused)) if !announced.summary().uidl && !refused.is_temporary() => None,
            Err(error) => return Err(in_session(error).into()),
        };
        let listings = session.list().map_err(in_session)?;
        let rules = Rules { delete: self.run.delete, max_octets: self.run.dialer.options.limits.message };
        let journal = self.run.journal.as_ref();
        let is_known = journal.map(|journal| |id: &[u8]| journal.contains(id));
        let is_known = is_known.as_ref().map(|is_known| is_known as &dyn Fn(&[u8]) -> bool);
        let mut plan = Plan::new(&listings, ids.as_deref(), is_known, rules);
        if let (Some(journal), Some(ids), None) = (&mut self.run.journal, &ids, self.run.dry) {
            let ids = ids.iter().map(|(_, id)| id);
            let kept = journal.retain_seen(SystemTime::now(), ids).and_then(|retained| {
                log::debug!("journal: {retained:?}");
                journal.forget(&plan.ambiguous)
            });
            kept.map_err(|error| Failure::by_journal(&error))?;
        }
        self.warn(&plan, ids.is_some());
        self.select(session, announced, &mut plan)?;
        Ok(plan)
    }

    /// Leaves out of the plan what is not wanted.
    fn select(
        &mut self,
        session: &mut Session,
        announced: &CapabilityList,
        plan: &mut Plan,
    ) -> Result<(), Broken> {
        if self.run.filter.needs_header() {
            let open = |message: &&mut Planned| matches!(message.action, Action::Fetch { .. });
            let mut candidates: Vec<&mut Planned> = plan.messages.iter_mut().filter(open).collect();
            let mut wanted = 0usize;
            for batch in candidates.chunks_mut(HEADERS) {
                if wanted >= self.run.filter.max() {
                    batch.iter_mut().for_each(|message| message.action = Action::Left("over-max"));
                    continue;
                }
                self.look_at_headers(session, announced, batch)?;
                wanted +=
                    batch.iter().filter(|message| matches!(message.action, Action::Fetch { .. })).count();
            }
        }
        self.run.filter.cut(plan);
        Ok(())
    }

    fn look_at_headers(
        &mut self,
        session: &mut Session,
        announced: &CapabilityList,
        batch: &mut [&mut Planned],
    ) -> Result<(), Broken> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let (limit, announced) = (self.run.dialer.header, announced.summary());
        let numbers: Vec<MessageNumber> = batch.iter().map(|message| message.number).collect();
        let mut places = batch.iter_mut();
        let looked = session.top_each(numbers, 0, |number, top| {
            let Some(planned) = places.next() else { return Ok(()) };
            let message = match top {
                Ok(message) => message,
                // It has no TOP at all: then nothing can be told of any message.
                Err(refused) if !announced.top && !refused.is_temporary() => {
                    let text = "the server has no TOP, which --match, --no-match and --since need";
                    let failure = Failure::by_refusal(Kind::Refused, refused);
                    let text = format!("{text}: {}", failure.message);
                    return Err(Halt::Stop(failure.saying(text)));
                }
                Err(refused) => {
                    planned.action = Action::Unknown("refused");
                    self.run.report.warn(&format!("message {number} left alone: {refused}"));
                    self.problem(Failure::by_refusal(Kind::Refused, refused));
                    return Ok(());
                }
            };
            let mut gathered = Gathered::new(limit);
            message.copy_to(&mut gathered).map_err(Halt::Within)?;
            match gathered.header() {
                Some(header) if self.run.filter.wants(&header, now) => {}
                Some(_) => planned.action = Action::Left("filtered"),
                None => {
                    planned.action = Action::Unknown("header-too-large");
                    let text = format!(
                        "message {number} left alone: its header is over the limit of {limit} octets"
                    );
                    self.run.report.warn(&text);
                    self.problem(Failure::new(Kind::TooLarge, text));
                }
            }
            Ok(())
        });
        match looked {
            Ok(()) => Ok(()),
            Err(Halt::Stop(failure) | Halt::Pass(failure)) => Err(Broken::Before(failure)),
            Err(Halt::Between(error))
                if self.run.dialer.options.pipelining && announced.pipelining && may_be_the_burst(&error) =>
            {
                Err(Broken::Burst(in_session(error)))
            }
            Err(Halt::Between(error) | Halt::Within(error)) => Err(Broken::Before(in_session(error))),
        }
    }

    fn warn(&self, plan: &Plan, has_ids: bool) {
        let report = &self.run.report;
        if !has_ids && self.run.journal.is_some() && !self.run.delete {
            report.warn("the server has no unique-ids: everything is fetched, each time");
        }
        if !plan.ambiguous.is_empty() && self.run.journal.is_some() {
            let ids = plan.ambiguous.len();
            let stand = if ids == 1 { "unique-id stands" } else { "unique-ids stand" };
            report.warn(&format!("{ids} {stand} for several messages: those are always fetched"));
        }
        let limit = self.run.dialer.options.limits.message;
        for message in &plan.messages {
            let number = message.number;
            match message.action {
                Action::TooLarge => {
                    let octets = message.octets;
                    report.warn(&format!(
                        "message {number} skipped: {octets} octets, over the limit of {limit}"
                    ));
                }
                Action::NotInBothLists => {
                    report.warn(&format!("message {number} left alone: only one of LIST and UIDL names it"));
                }
                Action::Fetch { .. } | Action::Known { .. } | Action::Left(_) | Action::Unknown(_) => {}
            }
        }
    }

    /// What an earlier attempt of this run has delivered is no old news.
    fn remember_earlier(&mut self) {
        for record in &mut self.records {
            let Some(id) = &record.planned.unique_id else { continue };
            let noted = matches!(record.planned.action, Action::Known { .. } | Action::Fetch { note: true });
            if let (true, Some(&octets)) = (noted, self.run.earlier.get(id)) {
                record.fate = Fate::Delivered { octets, safe: true };
                record.told = !self.run.delete;
            }
        }
    }

    fn retrieve(&mut self, session: &mut Session) -> Result<(), Halt> {
        let open: Vec<usize> =
            (0..self.records.len()).filter(|&at| self.fate(at) == Some(Fate::Open)).collect();
        let octets = open.iter().filter_map(|&at| self.records.get(at)).map(|record| record.planned.octets);
        self.run.report.start_progress(open.len(), octets.fold(0, u64::saturating_add));
        let mut place = 0usize;
        let mut rest = open.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(self.batch(rest));
            let numbers: Vec<MessageNumber> =
                batch.iter().filter_map(|&at| self.records.get(at)).map(Record::number).collect();
            let mut places = batch.iter();
            session.retrieve_each(numbers, |_, message| {
                let Some(&at) = places.next() else { return Ok(()) };
                place = place.saturating_add(1);
                self.run.interrupt.check().map_err(Halt::Stop)?;
                if let Some(progress) = self.run.report.progress() {
                    progress.message(place);
                }
                self.take(at, message)?;
                self.tell()
            })?;
            rest = later;
        }
        Ok(())
    }

    /// How many of the messages to ask for at once: at least one.
    fn batch(&self, places: &[usize]) -> usize {
        let mut octets = 0u64;
        let fits = places.iter().take_while(|&&at| {
            octets = octets.saturating_add(self.records.get(at).map_or(0, |record| record.planned.octets));
            octets <= BATCH_OCTETS
        });
        fits.count().max(1)
    }

    /// Delivers one message, and notes it.
    fn take(
        &mut self,
        at: usize,
        message: Result<&mut Message<'_, std::net::TcpStream>, Refused>,
    ) -> Result<(), Halt> {
        if self.records.get(at).is_some_and(|record| record.planned.octets >= LONG_OCTETS) {
            self.keep()?;
        }
        let Some(record) = self.records.get_mut(at) else { return Ok(()) };
        let run = &mut *self.run;
        let message = match message {
            Ok(message) => message,
            Err(refused) => {
                record.fate = Fate::Failed("refused");
                run.report.warn(&format!("message {} failed: {refused}", record.number()));
                self.problem(Failure::by_refusal(Kind::Refused, refused));
                return Ok(());
            }
        };
        let noted = run.journal.is_some() && record.planned.action == Action::Fetch { note: true };
        let id = record.planned.unique_id.as_deref().filter(|_| noted);
        let delivered = deliver(&mut *run.delivery, message, id, run.report.progress());
        let (held, octets) = match delivered {
            Err(Halt::Pass(failure)) => {
                record.fate = Fate::Failed("not-taken");
                run.report.warn(&format!("message {} failed: {}", record.number(), failure.message));
                self.problem(failure);
                return Ok(());
            }
            delivered => delivered.inspect_err(|_| record.fate = Fate::Failed("not-delivered"))?,
        };
        let durable = match held {
            Held::Finished(durability) => durability == Durability::Durable,
            Held::Waiting { full } => {
                self.waiting.push((at, octets));
                return if full { self.keep() } else { Ok(()) };
            }
        };
        record.fate = Fate::Delivered { octets, safe: false };
        if let (true, Some(id), Some(journal)) = (durable, id, &mut run.journal) {
            journal.record(id).map_err(|error| Halt::Stop(Failure::by_journal(&error)))?;
        }
        record.fate = Fate::Delivered { octets, safe: durable };
        Ok(())
    }

    /// Makes safe what waits for it, and notes it.
    fn keep(&mut self) -> Result<(), Halt> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let kept = self.run.delivery.keep(self.run.journal.as_mut());
        // A message that nothing is said of is not here.
        let said = kept.messages.into_iter().chain(std::iter::repeat(None));
        for ((at, octets), how) in self.waiting.drain(..).zip(said) {
            if let Some(record) = self.records.get_mut(at) {
                record.fate = how.map_or(Fate::Failed("not-delivered"), |durability| Fate::Delivered {
                    octets,
                    safe: durability == Durability::Durable,
                });
            }
        }
        kept.error.map_or(Ok(()), |error| {
            Err(Halt::Stop(match error {
                KeepError::Delivery(error) => Failure::by_delivery(&error),
                KeepError::Journal(error) => Failure::by_journal(&error),
                other => Failure::new(Kind::Output, other.to_string()),
            }))
        })
    }

    /// Marks what is safely here.
    fn mark(&mut self, session: &mut Session) -> Result<(), Halt> {
        if !self.run.delete {
            return Ok(());
        }
        let safe: Vec<usize> = (0..self.records.len())
            .rev()
            .filter(|&at| self.records.get(at).is_some_and(Record::is_safe))
            .collect();
        let numbers: Vec<MessageNumber> =
            safe.iter().filter_map(|&at| self.records.get(at)).map(Record::number).collect();
        let mut places = safe.iter();
        let mut refusals = Vec::new();
        let records = &mut self.records;
        let deleted = session.delete_each(numbers, |number, marked| {
            let record = places.next().and_then(|&at| records.get_mut(at));
            match (record, marked) {
                (Some(record), Ok(())) => record.marked = true,
                (_, Err(refused)) => refusals.push((number, refused)),
                (None, Ok(())) => {}
            }
        });
        for (number, refused) in refusals {
            self.run.report.warn(&format!("message {number} not deleted: {refused}"));
            self.problem(Failure::by_refusal(Kind::Refused, refused));
        }
        Ok(deleted?)
    }

    /// Only here does anything count as deleted (R1939-6.4).
    fn quit(&mut self, session: Session) {
        let outcome = session.quit();
        if !self.run.delete {
            log::debug!("QUIT: {outcome:?}");
            return;
        }
        match outcome {
            Outcome::Committed => {
                self.ending = Ending::Committed;
                self.forget_deleted();
            }
            Outcome::Partial(refused) => {
                self.ending = Ending::Partial;
                self.problem(Failure::by_refusal(Kind::Refused, refused).try_again());
            }
            Outcome::Unknown(error) => {
                self.ending = Ending::Unknown;
                self.problem(in_session(error).try_again());
            }
        }
    }

    /// A server may give the id of a deleted message to a new one.
    fn forget_deleted(&mut self) {
        let Some(journal) = &mut self.run.journal else { return };
        let marked = self.records.iter().filter(|record| record.marked);
        let ids: Vec<&[u8]> = marked.filter_map(|record| record.planned.unique_id.as_deref()).collect();
        let forgotten = journal.forget(ids).and_then(|()| journal.compact());
        if let Err(error) = forgotten {
            self.problem(Failure::by_journal(&error));
        }
    }

    /// Tells of the messages whose end is known, in the order of their numbers.
    fn tell(&mut self) -> Result<(), Halt> {
        // Whether a message is deleted is only known in the end.
        if self.run.delete || !self.run.report.json {
            return Ok(());
        }
        while let Some(record) = self.records.get(self.told).filter(|record| record.fate != Fate::Open) {
            if !record.told {
                self.run.report.line(&record.object(Ending::Kept)).map_err(Halt::Stop)?;
            }
            self.told = self.told.saturating_add(1);
        }
        Ok(())
    }

    /// Tells of what has not been told, except of messages that were never come to.
    fn tell_all(&mut self) -> Result<(), Failure> {
        if !self.run.report.json {
            return Ok(());
        }
        let left = self.records.get(self.told..).unwrap_or_default().iter();
        self.told = self.records.len();
        left.filter(|record| record.fate != Fate::Open && !record.told)
            .try_for_each(|record| self.run.report.line(&record.object(self.ending)))
    }

    fn fate(&self, at: usize) -> Option<Fate> {
        self.records.get(at).map(|record| record.fate)
    }

    fn problem(&mut self, failure: Failure) {
        self.problem.get_or_insert(failure);
    }
}

/// Whether a server that dislikes commands sent ahead may behave so.
fn may_be_the_burst(error: &Error) -> bool {
    use pop3_proto::Error::{ConnectionLost, PeerMisbehaved, Truncated};
    matches!(
        error,
        Error::Protocol(ConnectionLost | PeerMisbehaved(_) | Truncated { .. })
            | Error::Transport(TransportError::Io(_) | TransportError::Truncated)
            | Error::TimedOut { .. }
    )
}

/// Receives one message into `delivery`. Whatever goes wrong, nothing of it is kept.
fn deliver(
    delivery: &mut dyn Delivery,
    message: &mut Message<'_, std::net::TcpStream>,
    id: Option<&[u8]>,
    progress: Option<&Progress>,
) -> Result<(Held, u64), Halt> {
    let stop = |error: DeliveryError| {
        let failure = Failure::by_delivery(&error);
        match error {
            DeliveryError::Command { fault: CommandFault::Exit(_) | CommandFault::Signal(_), .. }
                if !failure.is_temporary() =>
            {
                Halt::Pass(failure)
            }
            _ => Halt::Stop(failure),
        }
    };
    let mut incoming = delivery.begin().map_err(stop)?;
    let copied = message.copy_to(&mut Counted { sink: &mut *incoming, progress });
    let octets = copied.map_err(|error| match error {
        Error::Caller(error) => stop(error.into()),
        error => Halt::Within(error),
    })?;
    Ok((incoming.hold(id).map_err(stop)?, octets))
}

/// Moves the progress bar with what is written.
struct Counted<'a, W: ?Sized> {
    sink: &'a mut W,
    progress: Option<&'a Progress>,
}

impl<W: Write + ?Sized> Write for Counted<'_, W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = self.sink.write(octets)?;
        if let Some(progress) = self.progress {
            progress.octets(taken);
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
