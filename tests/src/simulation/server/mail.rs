//! How a server sends messages and removes them.

use std::rc::Rc;

use pop3_proto::server::Refusal;
use pop3_proto::{ApiMisuse, MessageNumber, ReplyError};

use super::{Doing, Flushed, Server, ServerPlan, Turn, wrong};
use crate::simulation::model::{Commit, Violation};
use crate::simulation::network::Link;
use crate::simulation::store::sent;
use crate::simulation::trace::Who;
use crate::simulation::{Cx, Tally, Time};

/// How the sending of a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    /// The store fails.
    Fault,
    /// The message is shorter than it was when it was listed.
    Short,
}

impl Server {
    pub(super) fn open_message(
        &mut self,
        number: MessageNumber,
        whole: bool,
        cx: &mut Cx,
    ) -> Result<(), Violation> {
        if self.fails(Tally::MessageFault, cx) {
            cx.sessions[self.id].openings.push_back(false);
            let refusal = cx.random.pick(&[Refusal::Gone, Refusal::Temporary]);
            return self.refuse(refusal, None, cx).map(drop);
        }
        let Some((_, letter)) = cx.sessions[self.id].mail.get(number.index()) else {
            return Err(Violation::new(format!(
                "message {} was asked for, which is not there",
                number.get()
            )));
        };
        let letter = Rc::clone(letter);
        let (mut end, mut ending) = (letter.stored.len(), Ending::Whole);
        // Of TOP nobody knows how long it must be.
        if end > 0 && whole && self.fails(Tally::SizeFault, cx) {
            let short = cx.random.below(end);
            // One that comes to the same size with other octets cannot be told from a good one.
            if sent(&letter.stored[..short]).len() != letter.sent.len() {
                (end, ending) = (short, Ending::Short);
            }
        } else if self.fails(Tally::ReadFault, cx) {
            (end, ending) = (cx.random.below(end + 1), Ending::Fault);
        }
        cx.sessions[self.id].openings.push_back(true);
        self.session.start_message(&mut self.output).map_err(wrong)?;
        self.doing = Doing::Sending { letter, at: 0, end, ending, until: self.store_time(cx) };
        Ok(())
    }

    pub(super) fn send(&mut self, link: &mut Link, cx: &mut Cx) -> Result<Turn, Violation> {
        let Doing::Sending { letter, at, end, ending, .. } = &mut self.doing else { return Ok(Turn::Wait) };
        let (at, end, ending) = (at, *end, *ending);
        let mut done = false;
        while *at < end && !done && self.output.buffer.capacity() - self.output.buffer.len() >= 16 {
            let piece = &letter.stored[*at..end.min(*at + 1 + cx.random.below(300))];
            let progress = self.session.body(piece, self.output.buffer.room());
            let progress = progress.map_err(|misuse| wrong(misuse.into()))?;
            self.output.buffer.filled(progress.written);
            self.output.produced += progress.written as u64;
            *at += progress.read;
            done = progress.done;
            if progress.read == 0 && progress.written == 0 {
                break;
            }
        }
        if done || *at == end {
            if ending != Ending::Whole && !done && cx.random.once_in(2) && !self.output.buffer.is_empty() {
                // What was read before may have left already.
                return Ok(match self.flush(link, cx) {
                    Flushed::All => Turn::Again,
                    Flushed::Blocked => Turn::Wait,
                    Flushed::Broken => self.cut(cx),
                });
            }
            if ending == Ending::Fault && !done {
                cx.trace.note(cx.now, Who::Server(self.id), "cannot read on", 0);
                return Ok(self.cut(cx));
            }
            match self.session.end_message(&mut self.output) {
                Err(ReplyError::Full(_)) => {}
                Err(ReplyError::ApiMisuse(ApiMisuse::SizeMismatch)) if ending == Ending::Short => {
                    return Ok(self.cut(cx));
                }
                Ok(()) if ending == Ending::Short && !done => {
                    return Err(Violation::new("a message ends that is not as long as announced".to_owned()));
                }
                ended => {
                    ended.map_err(wrong)?;
                    self.doing = Doing::Serving;
                    return Ok(Turn::Again);
                }
            }
        }
        match self.flush(link, cx) {
            Flushed::All => {
                // The next piece takes its time.
                let takes = cx.random.pick(&[0, 0, 0, 10]);
                if let Doing::Sending { until, .. } = &mut self.doing {
                    *until = cx.now + takes;
                }
                Ok(Turn::Again)
            }
            Flushed::Blocked => Ok(Turn::Wait),
            Flushed::Broken => Ok(self.cut(cx)),
        }
    }

    /// One step of a commit: a message, or the flush behind the last.
    pub(super) fn remove_next(&mut self, cx: &mut Cx) -> Result<Turn, Violation> {
        let until = self.store_time(cx);
        let fails =
            |cx: &mut Cx, tally| self.plan.store_faults > 0 && Self::fault(self.id, self.plan, tally, cx);
        let Doing::Committing { ids, next, failed, until: again } = &mut self.doing else {
            return Ok(Turn::Wait);
        };
        let drop = cx.sessions[self.id].drop;
        if let Some(id) = ids.get(*next) {
            *next += 1;
            *again = until;
            if fails(cx, Tally::RemoveFault) {
                *failed = true;
                return Ok(Turn::Again);
            }
            cx.unlink(drop, *id, self.id)?;
            return Ok(Turn::Again);
        }
        let mut all_removed = !*failed;
        if !ids.is_empty() {
            if fails(cx, Tally::SyncFault) {
                all_removed = false;
            } else {
                cx.flush(drop);
            }
        }
        cx.unlock(self.id);
        cx.sessions[self.id].commit = Commit::Answered(all_removed);
        self.session.committed(all_removed, &mut self.output).map_err(wrong)?;
        self.doing = Doing::Serving;
        Ok(Turn::Again)
    }

    /// When a call of the store is done that begins now.
    pub(super) fn store_time(&self, cx: &mut Cx) -> Time {
        let slow = self.plan.slow_store > 0 && cx.random.once_in(4);
        if slow {
            cx.counts.add(Tally::SlowStore);
            cx.sessions[self.id].excused = true;
        }
        cx.now + if slow { self.plan.slow_store } else { cx.random.pick(&[0, 2, 5, 30]) }
    }

    pub(super) fn fails(&self, tally: Tally, cx: &mut Cx) -> bool {
        Self::fault(self.id, self.plan, tally, cx)
    }

    pub(super) fn fault(id: usize, plan: ServerPlan, tally: Tally, cx: &mut Cx) -> bool {
        let fails = plan.store_faults > 0 && cx.random.once_in(plan.store_faults);
        if fails {
            cx.counts.add(tally);
            cx.sessions[id].excused = true;
            cx.trace.note(cx.now, Who::Store, tally.text(), id as u64);
        }
        fails
    }
}
