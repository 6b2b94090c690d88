//! The maildrops of the server: an exclusive lock, removal in two steps as on a disk, and faults at each call.
//!
//! A message is unlinked first, and gone for good once the directory was flushed; a crash in between decides for each
//! message by itself. Every unlink is checked against what the session was asked to remove.

use std::rc::Rc;

use super::model::{Commit, Violation};
use super::trace::Who;
use super::{Cx, Random, Tally};

/// A message: what the store holds, and what a client must receive.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) stored: Vec<u8>,
    pub(super) sent: Vec<u8>,
}

impl Letter {
    pub(super) fn random(random: &mut Random) -> Self {
        const PIECES: [&[u8]; 16] = [
            b"\n",
            b"\n",
            b".\n",
            b"..\n",
            b"\n\n",
            b"a",
            b".",
            b"Subject: x\n",
            b"\r\n",
            b"\r",
            b"\n.\r\n.\r\n",
            b"+OK 1 2\n",
            b"-ERR\n",
            b"\0\xff",
            b"a line of usual length, as there are many\n",
            b"From me\n",
        ];
        let pieces = match random.below(40) {
            0 => 400 + random.below(400),
            1..=6 => 20 + random.below(60),
            _ => random.below(12),
        };
        let stored: Vec<u8> = (0..pieces).flat_map(|_| random.pick(&PIECES)).copied().collect();
        let sent = sent(&stored);
        Self { stored, sent }
    }

    /// What `TOP` sends of it: the head with its empty line, and so many lines behind it.
    pub(super) fn top(&self, lines: u64) -> Vec<u8> {
        let (mut out, mut body) = (Vec::new(), None);
        for line in self.sent.split_inclusive(|octet| *octet == b'\n') {
            if body.is_some_and(|seen| seen >= lines) {
                break;
            }
            out.extend_from_slice(line);
            body = match body {
                Some(seen) => Some(seen + 1),
                None => (line == b"\r\n").then_some(0),
            };
        }
        out
    }
}

/// Each LF without CR becomes CRLF, the last line ends, and so does the head.
pub(super) fn sent(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.len() + 16);
    for &octet in stored {
        if octet == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(octet);
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    if !out.starts_with(b"\r\n") && !out.windows(3).any(|octets| octets == b"\n\r\n") {
        out.extend(b"\r\n");
    }
    out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    There,
    /// Unlinked, and not flushed yet.
    Unlinked,
    Gone,
}

#[derive(Debug)]
pub(super) struct Mail {
    pub(super) id: u32,
    pub(super) letter: Rc<Letter>,
    pub(super) fate: Fate,
}

#[derive(Debug, Default)]
pub(super) struct Maildrop {
    pub(super) mail: Vec<Mail>,
    /// The session that holds the lock.
    lock: Option<usize>,
}

impl Maildrop {
    pub(super) fn there(&self) -> impl Iterator<Item = &Mail> {
        self.mail.iter().filter(|mail| mail.fate == Fate::There)
    }

    pub(super) fn fate(&self, id: u32) -> Option<Fate> {
        self.mail.iter().find(|mail| mail.id == id).map(|mail| mail.fate)
    }

    pub(super) const fn is_locked(&self) -> bool {
        self.lock.is_some()
    }
}

impl Cx {
    /// A new message comes in.
    pub(super) fn deliver(&mut self, drop: usize) {
        self.next_mail += 1;
        let id = self.next_mail;
        let letter = Rc::new(Letter::random(&mut self.random));
        self.counts.add(Tally::Delivered);
        self.trace.octets(self.now, Who::Store, "new mail", &letter.stored);
        self.drops[drop].mail.push(Mail { id, letter, fate: Fate::There });
    }

    /// Takes the lock, unless another session has it.
    pub(super) fn lock(&mut self, drop: usize, session: usize) -> bool {
        let free = !self.drops[drop].is_locked();
        if free {
            self.drops[drop].lock = Some(session);
            self.trace.note(self.now, Who::Server(session), "locks maildrop", drop as u64);
        }
        free
    }

    pub(super) fn holds_lock(&self, session: usize) -> bool {
        self.drops.iter().any(|drop| drop.lock == Some(session))
    }

    pub(super) fn unlock(&mut self, session: usize) {
        for drop in &mut self.drops {
            if drop.lock == Some(session) {
                drop.lock = None;
                self.trace.note(self.now, Who::Server(session), "frees its maildrop", 0);
            }
        }
    }

    /// Removes a message, which the session must have been asked for.
    pub(super) fn unlink(&mut self, drop: usize, id: u32, session: usize) -> Result<(), Violation> {
        let facts = &self.sessions[session];
        let asked = matches!(&facts.commit, Commit::Asked(ids) if ids.contains(&id));
        if !asked || facts.drop != drop || !self.holds_lock(session) {
            return Err(Violation::new(format!("message {id} removed, which nobody has asked for")));
        }
        if facts.keeper.is_some_and(|keeper| !self.keepers[keeper].kept.contains_key(&id)) {
            return Err(Violation::new(format!("message {id} removed, which its client does not have")));
        }
        self.trace.note(self.now, Who::Store, "unlinks message", u64::from(id));
        if let Some(mail) = self.drops[drop].mail.iter_mut().find(|mail| mail.id == id) {
            mail.fate = Fate::Unlinked;
        }
        Ok(())
    }

    /// Makes all that was unlinked stay gone.
    pub(super) fn flush(&mut self, drop: usize) {
        self.trace.note(self.now, Who::Store, "flushes maildrop", drop as u64);
        for mail in &mut self.drops[drop].mail {
            if mail.fate == Fate::Unlinked {
                mail.fate = Fate::Gone;
            }
        }
    }

    /// The server's process is gone: so are its locks, and what was not flushed is as it may be.
    pub(super) fn crash(&mut self) {
        for drop in &mut self.drops {
            drop.lock = None;
            for mail in &mut drop.mail {
                if mail.fate == Fate::Unlinked {
                    mail.fate = if self.random.once_in(2) { Fate::There } else { Fate::Gone };
                    if mail.fate == Fate::There {
                        self.counts.add(Tally::CameBack);
                        self.trace.note(self.now, Who::Store, "brings back message", u64::from(mail.id));
                    }
                }
            }
        }
    }
}
