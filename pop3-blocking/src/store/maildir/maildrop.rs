//! An open Maildir: scan, messages, commit.

use core::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use pop3_proto::body::BodyRules;

use super::MaildirError;
use super::cache::{self, Scope, Summary};
use super::calls::{Call, Reading, call};
use super::delete_policy::DeletePolicy;
use super::dirs::{Dirs, Place, Stamp};
use super::folder::OpenFolder;
use super::hidden::{self, Hidden};
use super::index::{Counting, Entry, Header as HeaderKind, Index, Recognised, Skipped};
use super::lock::Lock;
use super::name::base_of;
use super::previous::{self, PreviousServer};
use super::uid_list::{self, Format, Header, Opened, rules_tag};
use super::unique_ids::UniqueIds;
use crate::store::{
    CommitError, Committed, Maildrop, Message, Meta, Plan, StoreError, SurrogateReader, Utf8Headers,
};

mod kept;

/// How often the directories are read until nothing moves.
const PASSES: u8 = 4;

/// An open maildrop of a [`MaildirStore`](super::MaildirStore). Dropping it frees its lock and removes nothing.
pub struct OpenMaildir {
    /// For the log.
    path: PathBuf,
    dirs: Dirs,
    rules: BodyRules,
    max_messages: u32,
    headers: Utf8Headers,
    previous: PreviousServer,
    delete_policy: DeletePolicy,
    /// How many count octets.
    threads: usize,
    /// A scan is kept if it finds so many messages.
    cache_from: usize,
    /// What the scan passed over.
    hidden: Hidden,
    index: Index,
    /// What the list of unique-ids says; `None` before the scan.
    header: Option<Header>,
    /// The list names messages that the index does not.
    drops_lines: bool,
    skipped: u32,
    /// Last, so that it is freed last.
    lock: Lock,
}

/// What the list of unique-ids told of the messages.
#[derive(Debug, Default)]
struct Known {
    header: Option<Header>,
    /// Lines of messages that were not seen.
    absent: u64,
    /// Whether the list must be written again.
    outdated: bool,
    /// That of the directories, if they stood still when the scan began, and it found nothing moving.
    still: Option<Stamp>,
    /// All was in the cache.
    cached: bool,
}

impl OpenMaildir {
    pub(super) fn new(
        path: PathBuf,
        dirs: Dirs,
        lock: Lock,
        rules: BodyRules,
        max_messages: u32,
        headers: Utf8Headers,
        previous: PreviousServer,
    ) -> Self {
        Self {
            path,
            dirs,
            rules,
            max_messages,
            headers,
            previous,
            delete_policy: DeletePolicy::Remove,
            threads: 1,
            cache_from: cache::WORTH_IT,
            hidden: Hidden::default(),
            index: Index::default(),
            header: None,
            drops_lines: false,
            skipped: 0,
            lock,
        }
    }

    /// The maildrop, with what its commit does.
    pub(super) fn with_delete_policy(mut self, delete_policy: DeletePolicy) -> Self {
        self.delete_policy = delete_policy;
        self
    }

    /// The maildrop, in which so many threads count.
    pub(super) const fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The maildrop, which keeps a scan that finds so many messages.
    pub(super) const fn with_cache_from(mut self, messages: usize) -> Self {
        self.cache_from = messages;
        self
    }

    /// How many entries of `new` and `cur` the scan skipped because they are no messages: no regular files, or with
    /// names that no mail program gives.
    pub fn skipped(&self) -> u32 {
        self.skipped
    }

    /// Reads directories and list until they agree, or the cache if that agrees with both.
    fn read(&mut self) -> Result<(Index, Known), MaildirError> {
        self.hidden = Hidden::read(&self.dirs.root)?;
        let mut before = self.dirs.stamp()?;
        if let Some(found) = self.read_cache(before)? {
            return Ok(found);
        }
        let headers = self.headers != Utf8Headers::AsStored;
        let how = Counting { rules: self.rules, headers, threads: self.threads };
        let mut index = Index::new(self.max_messages);
        let mut skipped = Skipped::default();
        let mut counted = 0;
        let mut pass = 0;
        let (mut known, sure) = loop {
            pass += 1;
            let still = Some(before).filter(|stamp| cache::is_still(*stamp));
            index.collect(&self.dirs, pass, &mut self.hidden, &mut skipped)?;
            let after = self.dirs.stamp()?;
            let quiet = after == before;
            before = after;
            let mut known = self.recognise(&mut index, pass)?;
            let (read, vanished) = index.measure(&self.dirs, how)?;
            counted += read;
            // A message of the list that was not seen may have been renamed meanwhile: once is not enough.
            let sure = quiet && vanished == 0 && (known.absent == 0 || pass > 1);
            if sure || pass == PASSES {
                known.still = still.filter(|_| sure && index.is_clear(pass));
                break (known, sure);
            }
        };
        index.settle(&self.dirs, pass, sure)?;
        known.outdated |= known.absent > 0 || counted > 0;
        self.note_skipped(skipped.count());
        Ok((index, known))
    }

    fn read_cache(&mut self, dirs: Stamp) -> Result<Option<(Index, Known)>, MaildirError> {
        let scope = self.scope(dirs)?;
        let Some((index, summary)) = cache::read(&self.dirs, &scope, self.max_messages) else {
            return Ok(None);
        };
        self.hidden.see_all();
        self.note_skipped(summary.skipped);
        let Summary { validity, next, .. } = summary;
        let header = Header { validity, next, rules: scope.rules, format: Format::Sizes };
        let known = Known { header: Some(header), still: Some(dirs), cached: true, ..Known::default() };
        Ok(Some((index, known)))
    }

    /// What the cache must hold true for.
    fn scope(&self, dirs: Stamp) -> Result<Scope, MaildirError> {
        let (list, hidden) = (self.dirs.seal(uid_list::NAME)?, self.dirs.seal(hidden::NAME)?);
        Ok(Scope { dirs, list, hidden, rules: rules_tag(self.rules) })
    }

    /// Keeps what was found for later scans.
    fn write_cache(&self, header: Header, dirs: Stamp) -> Result<(), MaildirError> {
        let scope = self.scope(dirs)?;
        let Header { validity, next, .. } = header;
        let summary = Summary { validity, next, skipped: self.skipped };
        cache::write(&self.dirs.root, &scope, summary, &self.index)
            .map_err(MaildirError::std("keeping what was found"))
    }

    fn note_skipped(&mut self, skipped: u32) {
        self.skipped = skipped;
        if skipped > 0 {
            log::warn!("{skipped} entries of {:?} are no messages", self.path);
        }
    }

    /// Takes over what the list says.
    fn recognise(&self, index: &mut Index, pass: u8) -> Result<Known, MaildirError> {
        let (header, mut lines) = match uid_list::open(&self.dirs.root)? {
            Opened::Ready(header, lines) => (header, lines),
            Opened::Missing => return Ok(Known::default()),
            Opened::Unreadable => {
                if pass == 1 {
                    log::error!("list of unique-ids of {:?} is damaged: all ids change", self.path);
                }
                return Ok(Known { outdated: true, ..Known::default() });
            }
        };
        let rules = rules_tag(self.rules);
        let mut known = Known::default();
        let mut next = header.next;
        lines.for_each(|line| {
            // A number in use is never given again, whatever the first line says.
            next = next.max(line.uid.saturating_add(1));
            match index.recognise(line, header.rules == rules) {
                Recognised::Found => {}
                Recognised::Twice => known.outdated = true,
                Recognised::Absent => known.absent += 1,
            }
        })?;
        let (damaged, short) = lines.damage();
        if damaged > 0 || short {
            known.outdated = true;
            if pass == 1 {
                let end = if short { ", lines are missing at its end" } else { "" };
                log::error!("list of unique-ids of {:?}: {damaged} lines damaged{end}; new ids", self.path);
            }
        }
        known.header = Some(Header { next, rules, ..header });
        Ok(known)
    }

    /// Gives ids to new messages and stores them.
    fn store_ids(&mut self, known: &Known) -> Result<Header, MaildirError> {
        let mut header = known.header.unwrap_or_else(|| Header::fresh(rules_tag(self.rules)));
        let (fresh, next) = match self.index.number(header.next) {
            Some(numbered) => numbered,
            None => {
                log::error!("unique-ids of {:?} are used up: all ids change", self.path);
                self.index.forget_numbers();
                header = Header::fresh(header.rules);
                let limit = self.max_messages;
                self.index.number(header.next).ok_or(MaildirError::TooManyMessages { limit })?
            }
        };
        header.next = next;
        match known.header {
            None => self.take_over(&mut header)?,
            // Such as this crate never wrote.
            Some(_) => self.index.forget_unique_ids(&beginning(&header)),
        }
        let checked = match self.headers {
            Utf8Headers::AsStored => 0,
            _ => self.index.check_headers(&self.dirs, self.rules)?,
        };
        // A list that may vanish in a power failure tells nothing that may be told.
        let unsure = self.lock.is_unsure()?;
        let write = fresh > 0 || unsure || checked > 0 || known.outdated;
        if write {
            match self.write_list(header, &[]) {
                Ok(()) => self.drops_lines = false,
                Err(source) if fresh > 0 || unsure => {
                    return Err(MaildirError::ListNotStored { source });
                }
                Err(error) => {
                    log::warn!("list of unique-ids of {:?} not brought up to date: {error}", self.path);
                    // What it drops must be known at the next login too.
                    return Ok(header);
                }
            }
        }
        if let Some(dirs) = known.still.filter(|_| write || !known.cached) {
            if self.index.entries().len() >= self.cache_from {
                if let Err(error) = self.write_cache(header, dirs) {
                    log::debug!("{:?}: {error}", self.path);
                }
            }
        }
        Ok(header)
    }

    /// Gives the messages the ids that they had from a previous server.
    fn take_over(&mut self, header: &mut Header) -> Result<(), MaildirError> {
        let Self { dirs, previous, index, path, .. } = self;
        let mut seen = None;
        let (taken, useless) = index.take_over(|take| {
            seen = previous::read(&dirs.root, previous, take)?;
            Ok::<(), MaildirError>(())
        })?;
        let Some(seen) = seen else { return Ok(()) };
        let (name, odd) = (seen.name, seen.odd);
        if !seen.usable {
            log::error!("{name} of {path:?} is of no known form: all ids are new");
        } else if odd > 0 || useless > 0 {
            log::warn!(
                "{name} of {path:?}: {odd} lines are none of messages, {useless} ids cannot be told or are not unique"
            );
        }
        log::info!("{taken} messages of {path:?} keep the ids that {name} tells");
        let rules = header.rules;
        keep_apart(header, index.unique_ids(), || Header::fresh(rules).validity);
        Ok(())
    }

    /// Writes the list, without the messages whose numbers are in `without`, which is sorted.
    fn write_list(&self, header: Header, without: &[u32]) -> io::Result<()> {
        if self.drops_lines {
            // A removal that is not durable yet may be undone by a power failure: the message needs its line until then.
            self.sync_names().map_err(io::Error::other)?;
            if !self.hidden.is_empty() {
                // Nor, perhaps, is the file durable that hides it.
                call(Call::SyncDir(None), || self.dirs.root.sync_all())?;
            }
        }
        // A list that knows no more than that stays readable for earlier versions.
        let format = match self.index.unique_ids().len() {
            0 if self.index.knows_headers() => Format::Surrogates,
            0 => Format::Sizes,
            _ => Format::UniqueIds,
        };
        let header = Header { format, ..header };
        uid_list::write(&self.dirs.root, &self.lock, header, |writer| {
            let entries = self.index.entries().iter();
            entries
                .filter(|entry| without.binary_search(&entry.uid).is_err())
                .try_for_each(|entry| writer.line(&self.index.line(entry)))
        })
    }

    /// Makes durable what was removed, by whomever.
    fn sync_names(&self) -> Result<(), MaildirError> {
        Place::ALL.into_iter().try_for_each(|place| self.dirs.sync(place))
    }

    /// Which entry the session means. The id must agree: nothing else may be read or removed.
    fn find(&self, message: Message<'_>) -> Option<usize> {
        let at = message.number.index();
        let entry = self.index.entry(at)?;
        let own = self.header?.unique_id(entry.uid);
        let unique_id = self.index.unique_id(entry).unwrap_or(&own);
        (unique_id == message.unique_id).then_some(at)
    }

    fn try_open(&self, at: usize) -> Result<Option<(Reading, std::fs::Metadata)>, MaildirError> {
        match self.index.entry(at) {
            Some(entry) => self.dirs.open_message(entry.place(), self.index.name(entry)),
            None => Ok(None),
        }
    }

    /// Removes all files with one of `bases`, which are sorted, wherever they stand now, after they got a second name in
    /// `folder`, if there is one. Returns the first fault of each base.
    fn hunt(
        &self,
        bases: &[&[u8]],
        folder: Option<&OpenFolder<'_>>,
    ) -> Result<Vec<Option<MaildirError>>, MaildirError> {
        let mut faults: Vec<Option<MaildirError>> = bases.iter().map(|_| None).collect();
        let mut found: Vec<(usize, Place, Vec<u8>)> = Vec::new();
        for _ in 0..PASSES {
            let before = self.dirs.stamp()?;
            found.clear();
            for place in Place::ALL {
                self.dirs.walk(place, &mut |name, _| {
                    let at = base_of(name).ok().and_then(|base| bases.binary_search(&base).ok());
                    if let Some(at) = at.filter(|at| matches!(faults.get(*at), Some(None))) {
                        found.push((at, place, name.to_vec()));
                    }
                    Ok(())
                })?;
            }
            if found.is_empty() && self.dirs.stamp()? == before {
                return Ok(faults);
            }
            for (at, place, name) in &found {
                let kept = folder.map_or(Ok(()), |folder| folder.keep(*place, name));
                let removed = kept.and_then(|()| self.dirs.remove(*place, name));
                if let (Err(error), Some(fault)) = (removed, faults.get_mut(*at)) {
                    fault.get_or_insert(error);
                }
            }
        }
        // The last pass still found some: they may be back under another name.
        for (at, ..) in found {
            if let Some(fault) = faults.get_mut(at) {
                fault.get_or_insert(MaildirError::Restless);
            }
        }
        Ok(faults)
    }

    fn remove(&self, plan: &dyn Plan) -> Outcome {
        let mut outcome = Outcome::default();
        let mut removed: Vec<usize> = Vec::new();
        let mut elsewhere: Vec<usize> = Vec::new();
        plan.for_each_marked(&mut |message| {
            let found = self.find(message).and_then(|at| Some((at, self.index.entry(at)?)));
            let Some((at, entry)) = found else {
                return outcome.fault(1, MaildirError::NotListed);
            };
            match self.dirs.remove(entry.place(), self.index.name(entry)) {
                Ok(true) if !entry.many() => removed.push(at),
                Ok(_) => elsewhere.push(at),
                Err(error) => outcome.fault(1, error),
            }
        });
        self.remove_elsewhere(elsewhere, None, &mut removed, &mut outcome);
        self.finish(removed, outcome)
    }

    /// Makes removals durable.
    fn finish(&self, mut removed: Vec<usize>, mut outcome: Outcome) -> Outcome {
        // Both directories: what was gone already may have been removed by a program that does not wait.
        if !removed.is_empty() {
            if let Err(error) = self.sync_names() {
                outcome.fault(removed.len(), error);
                removed.clear();
            }
        }
        outcome.uids = removed.iter().filter_map(|&at| self.index.entry(at)).map(|entry| entry.uid).collect();
        outcome.uids.sort_unstable();
        outcome.uids.dedup();
        outcome
    }

    /// Removes messages that do not stand where the scan saw them, or not only there.
    fn remove_elsewhere(
        &self,
        mut missed: Vec<usize>,
        folder: Option<&OpenFolder<'_>>,
        removed: &mut Vec<usize>,
        outcome: &mut Outcome,
    ) {
        if missed.is_empty() {
            return;
        }
        let base = |at: &usize| self.index.entry(*at).map_or(&[][..], |entry| self.index.base(entry));
        missed.sort_unstable_by(|a, b| base(a).cmp(base(b)));
        let bases: Vec<&[u8]> = missed.iter().map(base).collect();
        match self.hunt(&bases, folder) {
            Ok(faults) => {
                for (at, fault) in missed.into_iter().zip(faults) {
                    match fault {
                        None => removed.push(at),
                        Some(error) => outcome.fault(1, error),
                    }
                }
            }
            Err(error) => outcome.fault(missed.len(), error),
        }
    }
}

/// Draws the validity until no id of the previous server looks like one that is still to be given.
pub(super) fn keep_apart(header: &mut Header, previous: &UniqueIds, mut draw: impl FnMut() -> u32) {
    while previous.any_begins(&beginning(header)) {
        header.validity = draw();
    }
}

/// What the ids begin with that this crate gives.
fn beginning(header: &Header) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = header.unique_id(0);
    [a, b, c, d, e, f, g, h]
}

/// What a commit did.
#[derive(Debug, Default)]
struct Outcome {
    /// The numbers of the messages removed, sorted.
    uids: Vec<u32>,
    failed: usize,
    /// The first fault.
    source: Option<MaildirError>,
}

impl Outcome {
    fn fault(&mut self, messages: usize, error: MaildirError) {
        self.failed += messages;
        self.source.get_or_insert(error);
    }
}

impl Maildrop for OpenMaildir {
    fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let (index, known) = self.read()?;
        self.index = index;
        self.drops_lines = known.absent > 0;
        let header = self.store_ids(&known)?;
        self.header = Some(header);
        let entries = self.index.entries();
        (1..).zip(entries).try_for_each(|(number, entry)| {
            let octets = match self.headers {
                Utf8Headers::Surrogates => {
                    self.index.surrogate(entry).unwrap_or_else(|| self.index.facts(entry).octets)
                }
                _ => self.index.facts(entry).octets,
            };
            let needs_utf8 = entry.header() != HeaderKind::Ascii;
            let own = header.unique_id(entry.uid);
            let unique_id = self.index.unique_id(entry).unwrap_or(&own);
            let following = entries.len().saturating_sub(number);
            out(Meta::new(octets, unique_id).with_needs_utf8(needs_utf8).with_following(following))
        })
    }

    fn open_message(&mut self, message: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError> {
        let at = self.find(message).ok_or(MaildirError::NotListed)?;
        let mut opened = self.try_open(at)?;
        for _ in 0..PASSES {
            if opened.is_some() {
                break;
            }
            let before = self.dirs.stamp()?;
            self.index.refresh(&self.dirs)?;
            let quiet = self.dirs.stamp()? == before;
            opened = self.try_open(at)?;
            if quiet {
                break;
            }
        }
        let (file, facts) = opened.ok_or(StoreError::Gone)?;
        if !self.index.note_facts(at, &facts) {
            log::warn!("message {} of {:?} has changed since it was listed", message.number, self.path);
        }
        match (self.headers, self.index.entry(at).map(Entry::header)) {
            (Utf8Headers::AsStored, _) | (_, Some(HeaderKind::Ascii)) => Ok(Box::new(file)),
            (Utf8Headers::Surrogates, Some(HeaderKind::Utf8)) => Ok(Box::new(SurrogateReader::new(file))),
            // It was on the move when its header was to be looked at.
            _ => Err(MaildirError::Restless.into()),
        }
    }

    fn commit(mut self: Box<Self>, plan: &dyn Plan) -> Result<Committed, CommitError> {
        let outcome = match &self.delete_policy {
            DeletePolicy::Remove => self.remove(plan),
            DeletePolicy::MoveTo(folder) => self.move_away(plan, folder),
            DeletePolicy::Keep => self.hide(plan),
        };
        let removed = u32::try_from(outcome.uids.len()).unwrap_or(u32::MAX);
        if let (Some(header), true) = (self.header, removed > 0) {
            // The messages are gone for good, and that is what was asked. A line too many goes at the next scan.
            match self.write_list(header, &outcome.uids) {
                Ok(()) => self.header = None,
                Err(error) => {
                    log::warn!("list of unique-ids of {:?} not brought up to date: {error}", self.path)
                }
            }
        }
        match outcome.source {
            None => Ok(Committed::new(removed)),
            Some(source) => {
                let failed = u32::try_from(outcome.failed).unwrap_or(u32::MAX);
                Err(CommitError::new(removed, failed, Box::new(source)))
            }
        }
    }
}

impl Drop for OpenMaildir {
    fn drop(&mut self) {
        let Some(header) = self.header else { return };
        if self.index.entries().iter().any(|entry| entry.stale()) {
            if let Err(error) = self.write_list(header, &[]) {
                log::warn!("list of unique-ids of {:?} not brought up to date: {error}", self.path);
            }
        }
    }
}

impl fmt::Debug for OpenMaildir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenMaildir")
            .field("path", &self.path)
            .field("messages", &self.index.entries().len())
            .finish_non_exhaustive()
    }
}
