//! Commits after which the files are still there: moved to a folder, or hidden.

use super::{OpenMaildir, Outcome};
use crate::store::Plan;
use crate::store::maildir::MaildirError;
use crate::store::maildir::delete_policy::Folder;
use crate::store::maildir::folder::OpenFolder;

impl OpenMaildir {
    /// Moves the marked messages to `folder`. First all get their second names, and these are made durable; then the first
    /// names go. So a message is at every moment in one of the two places for sure.
    pub(super) fn move_away(&self, plan: &dyn Plan, folder: &Folder) -> Outcome {
        let mut outcome = Outcome::default();
        let marked = self.marked(plan, &mut outcome);
        if marked.is_empty() {
            return outcome;
        }
        let folder = match OpenFolder::open(&self.dirs, folder) {
            Ok(folder) => folder,
            Err(error) => {
                outcome.fault(marked.len(), error);
                return outcome;
            }
        };
        let (mut linked, mut removed, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
        for at in marked {
            let Some(entry) = self.index.entry(at) else { continue };
            if entry.many() {
                elsewhere.push(at);
                continue;
            }
            match folder.link(entry.place(), self.index.name(entry)) {
                Ok(true) => linked.push(at),
                Ok(false) => elsewhere.push(at),
                Err(error) => outcome.fault(1, error),
            }
        }
        if !linked.is_empty() {
            if let Err(error) = folder.sync() {
                outcome.fault(linked.len(), error);
                linked.clear();
            }
        }
        for at in linked {
            let Some(entry) = self.index.entry(at) else { continue };
            match self.dirs.remove(entry.place(), self.index.name(entry)) {
                Ok(true) => removed.push(at),
                Ok(false) => elsewhere.push(at),
                Err(error) => outcome.fault(1, error),
            }
        }
        self.remove_elsewhere(elsewhere, Some(&folder), &mut removed, &mut outcome);
        self.finish(removed, outcome)
    }

    /// Hides the marked messages from all later sessions, all of them or none.
    pub(super) fn hide(&self, plan: &dyn Plan) -> Outcome {
        let mut outcome = Outcome::default();
        let marked = self.marked(plan, &mut outcome);
        if marked.is_empty() {
            return outcome;
        }
        let entries = || marked.iter().filter_map(|&at| self.index.entry(at));
        let hidden = self.hidden.with(entries().map(|entry| self.index.base(entry)));
        match hidden.write(&self.dirs.root) {
            Ok(()) => {
                outcome.uids = entries().map(|entry| entry.uid).collect();
                outcome.uids.sort_unstable();
            }
            Err(error) => outcome.fault(marked.len(), error),
        }
        outcome
    }

    /// The entries of the marked messages.
    fn marked(&self, plan: &dyn Plan, outcome: &mut Outcome) -> Vec<usize> {
        let mut marked = Vec::new();
        plan.for_each_marked(&mut |message| match self.find(message) {
            Some(at) => marked.push(at),
            None => outcome.fault(1, MaildirError::NotListed),
        });
        marked
    }
}
