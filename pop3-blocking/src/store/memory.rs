//! Maildrops in memory, for tests and small programs.

use core::fmt;
use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pop3_proto::body::{BodyRules, HeaderCheck, Measure};

use super::{
    CommitError, Committed, Maildrop, Message, Meta, OpenContext, OpenError, Plan, Store, StoreError,
    SurrogateReader, Utf8Headers, surrogate,
};
use crate::auth::Identity;

/// Maildrops held in memory. A clone is another handle to the same maildrops.
///
/// Every user has a maildrop; one to which nothing was added is empty. A maildrop is locked while it is open, mail
/// may still be added then and is seen by the next session (R1939-4.6). Unique-ids are 16 digits that are never
/// given again by the same store; they do not outlive it.
///
/// ```
/// use pop3_blocking::store::MemoryStore;
///
/// let store = MemoryStore::new();
/// store.add("mrose", "Subject: hello\n\nworld\n");
/// assert_eq!(store.messages("mrose").len(), 1);
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
    rules: BodyRules,
}

#[derive(Default)]
struct Shared {
    maildrops: HashMap<String, Slot>,
    last_id: u64,
}

#[derive(Default)]
struct Slot {
    locked: bool,
    messages: Vec<Stored>,
}

#[derive(Clone)]
struct Stored {
    unique_id: [u8; 16],
    octets: u64,
    /// Octets of its surrogate; `None`: its header is ASCII.
    surrogate: Option<u64>,
    content: Arc<[u8]>,
}

impl Stored {
    fn new(unique_id: [u8; 16], content: Arc<[u8]>, rules: BodyRules) -> Self {
        let mut check = HeaderCheck::new();
        check.update(&content);
        let surrogate = check.needs_utf8().then(|| {
            let mut reader = SurrogateReader::new(&*content);
            // Memory can be read.
            surrogate::measure(&mut reader, rules, &mut [0; 4096]).unwrap_or_default()
        });
        Self { unique_id, octets: Measure::of(&content, rules), surrogate, content }
    }
}

impl MemoryStore {
    /// A store without mail, for a server with the default [`BodyRules`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A store without mail. `rules` must be those with which the server sends bodies, or sizes will not match.
    pub fn with_rules(rules: BodyRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Delivers a message to `user`. Its lines may end in LF or CRLF.
    pub fn add(&self, user: &str, message: impl Into<Vec<u8>>) {
        let content: Arc<[u8]> = message.into().into();
        let mut shared = self.shared();
        shared.last_id += 1;
        let mut unique_id = [0; 16];
        for (place, digit) in unique_id.iter_mut().zip(format!("{:016x}", shared.last_id).bytes()) {
            *place = digit;
        }
        let slot = shared.maildrops.entry(user.to_owned()).or_default();
        slot.messages.push(Stored::new(unique_id, content, self.rules));
    }

    /// The messages of `user` as they are now, whether a session has the maildrop open or not, oldest first.
    pub fn messages(&self, user: &str) -> Vec<Vec<u8>> {
        let shared = self.shared();
        let messages = shared.maildrops.get(user).map_or(&[][..], |slot| &slot.messages);
        messages.iter().map(|message| message.content.to_vec()).collect()
    }

    /// Whether a session has the maildrop of `user` open.
    pub fn is_locked(&self, user: &str) -> bool {
        self.shared().maildrops.get(user).is_some_and(|slot| slot.locked)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // No method leaves the table half changed, so a panic elsewhere does not spoil it.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    type Maildrop = MemoryMaildrop;

    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<MemoryMaildrop, OpenError> {
        let mut shared = self.shared();
        let slot = shared.maildrops.entry(who.name().to_owned()).or_default();
        if slot.locked {
            return Err(OpenError::InUse);
        }
        slot.locked = true;
        drop(shared);
        Ok(MemoryMaildrop {
            store: self.clone(),
            user: who.name().to_owned(),
            headers: cx.utf8_headers,
            seen: Vec::new(),
        })
    }

    fn follows_utf8_headers(&self) -> bool {
        true
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("maildrops", &self.shared().maildrops.len())
            .finish_non_exhaustive()
    }
}

/// An open maildrop of a [`MemoryStore`]. Dropping it frees its lock and removes nothing.
pub struct MemoryMaildrop {
    store: MemoryStore,
    user: String,
    headers: Utf8Headers,
    /// What the scan gave.
    seen: Vec<Stored>,
}

impl MemoryMaildrop {
    fn find(&self, message: Message<'_>) -> Option<&Stored> {
        self.seen.get(message.number.index()).filter(|seen| seen.unique_id == message.unique_id)
    }
}

impl Maildrop for MemoryMaildrop {
    fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.seen =
            self.store.shared().maildrops.get(&self.user).map_or_else(Vec::new, |slot| slot.messages.clone());
        self.seen.iter().try_for_each(|message| {
            let octets = match (self.headers, message.surrogate) {
                (Utf8Headers::Surrogates, Some(octets)) => octets,
                _ => message.octets,
            };
            out(Meta::new(octets, &message.unique_id).with_needs_utf8(message.surrogate.is_some()))
        })
    }

    fn open_message(&mut self, message: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError> {
        let stored = self.find(message).ok_or(StoreError::Gone)?;
        let content = Cursor::new(Arc::clone(&stored.content));
        if self.headers == Utf8Headers::Surrogates && stored.surrogate.is_some() {
            return Ok(Box::new(SurrogateReader::new(content)));
        }
        Ok(Box::new(content))
    }

    fn commit(self: Box<Self>, plan: &dyn Plan) -> Result<Committed, CommitError> {
        let mut marked = Vec::new();
        let mut unknown = 0;
        plan.for_each_marked(&mut |message| match self.find(message) {
            Some(stored) => marked.push(stored.unique_id),
            None => unknown += 1,
        });
        marked.sort_unstable();
        marked.dedup();
        if let Some(slot) = self.store.shared().maildrops.get_mut(&self.user) {
            slot.messages.retain(|message| marked.binary_search(&message.unique_id).is_err());
        }
        // One that is gone already counts as removed: the lock keeps other sessions away, so all were there.
        let removed = u32::try_from(marked.len()).unwrap_or(u32::MAX);
        if unknown > 0 {
            return Err(CommitError::new(
                removed,
                unknown,
                "a marked message is none that the scan gave".into(),
            ));
        }
        Ok(Committed::new(removed))
    }
}

impl Drop for MemoryMaildrop {
    fn drop(&mut self) {
        if let Some(slot) = self.store.shared().maildrops.get_mut(&self.user) {
            slot.locked = false;
        }
    }
}

impl fmt::Debug for MemoryMaildrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryMaildrop").field("messages", &self.seen.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use pop3_proto::MessageNumber;

    use super::super::testing::{Marks, list, open, read};
    use super::*;

    #[test]
    fn r1939_5_6_size_counts_crlf_and_the_missing_final_line_end() {
        let store = MemoryStore::new();
        store.add("mrose", "A: b\n\n.dot\nlast");
        store.add("mrose", "A: b\r\n\r\n.dot\r\nlast\r\n");
        let octets: Vec<u64> =
            list(&mut open(&store, "mrose")).into_iter().map(|(octets, _)| octets).collect();
        // "A: b" CRLF CRLF ".dot" CRLF "last" CRLF
        assert_eq!(octets, [6 + 2 + 6 + 6; 2]);
    }

    #[test]
    fn pb_q55_rules_change_sizes() {
        let sized = |rules| {
            let store = MemoryStore::with_rules(rules);
            store.add("mrose", "no empty line\n");
            list(&mut open(&store, "mrose"))[0].0
        };
        assert_eq!(sized(BodyRules::new().with_add_header_separator(true)), 17);
        assert_eq!(sized(BodyRules::new().with_add_header_separator(false)), 15);
    }

    #[test]
    fn pb_s51_content_passes_unchanged() {
        let store = MemoryStore::new();
        let content: Vec<u8> = (0..=255).collect();
        store.add("mrose", content.clone());
        let mut maildrop = open(&store, "mrose");
        let ids = list(&mut maildrop);
        assert_eq!(read(&mut maildrop, 1, &ids[0].1).unwrap(), content);
        assert!(matches!(read(&mut maildrop, 2, &ids[0].1), Err(StoreError::Gone)));
        assert!(matches!(read(&mut maildrop, 1, "0"), Err(StoreError::Gone)));
    }

    #[test]
    fn r1939_4_3_one_session_at_a_time() {
        let store = MemoryStore::new();
        let first = open(&store, "mrose");
        assert!(store.is_locked("mrose"));
        let again = || store.open(&Identity::new("mrose"), &OpenContext::default());
        assert!(matches!(again(), Err(OpenError::InUse)));
        // PB-S35: the refused session did not free it.
        assert!(matches!(again(), Err(OpenError::InUse)));
        drop(open(&store, "fred"));
        drop(first);
        assert!(!store.is_locked("mrose"));
        for _ in 0..100 {
            drop(again().unwrap());
        }
    }

    #[test]
    fn r1939_4_3_of_many_threads_one_gets_the_lock() {
        let store = MemoryStore::new();
        let (start, end) = (Barrier::new(8), Barrier::new(8));
        let got: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        let opened = store.open(&Identity::new("mrose"), &OpenContext::default());
                        end.wait();
                        usize::from(opened.is_ok())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(got, 1);
    }

    #[test]
    fn r1939_6_2_commit_removes_the_marked_and_no_other() {
        let store = MemoryStore::new();
        for n in 1..=4 {
            store.add("mrose", format!("N: {n}\n\n"));
        }
        let mut maildrop = open(&store, "mrose");
        let ids = list(&mut maildrop);
        store.add("mrose", "N: 5\n\n");
        assert_eq!(maildrop.seen.len(), 4);
        let done = Box::new(maildrop).commit(&Marks::of(&ids, &[2, 4])).unwrap();
        assert_eq!(done, Committed::new(2));
        assert_eq!(
            store.messages("mrose"),
            [b"N: 1\n\n".to_vec(), b"N: 3\n\n".to_vec(), b"N: 5\n\n".to_vec()]
        );
        assert!(!store.is_locked("mrose"));

        let mut maildrop = open(&store, "mrose");
        let later = list(&mut maildrop);
        assert_eq!((&later[0].1, &later[1].1), (&ids[0].1, &ids[2].1));
        assert!(ids.iter().all(|(_, id)| *id != later[2].1));
    }

    #[test]
    fn r1939_6_3_a_dropped_maildrop_removes_nothing() {
        let store = MemoryStore::new();
        store.add("mrose", "A: b\n\n");
        let panicked = std::thread::scope(|scope| {
            let session = scope.spawn(|| {
                let mut maildrop = open(&store, "mrose");
                let _ids = list(&mut maildrop);
                panic!("a session that panics");
            });
            session.join().is_err()
        });
        assert!(panicked && !store.is_locked("mrose"));
        assert_eq!(store.messages("mrose").len(), 1);
    }

    #[test]
    fn r1939_6_2_a_mark_that_fits_no_message_is_a_failure_and_the_rest_goes() {
        let store = MemoryStore::new();
        store.add("mrose", "A: b\n\n");
        let mut maildrop = open(&store, "mrose");
        let ids = list(&mut maildrop);
        let mut marks = Marks::of(&ids, &[1]);
        marks.push(MessageNumber::new(2).unwrap(), 3, "none");
        let error = Box::new(maildrop).commit(&marks).unwrap_err();
        assert_eq!((error.removed, error.failed), (1, 1));
        assert!(store.messages("mrose").is_empty() && !store.is_locked("mrose"));
    }

    #[test]
    fn a_scan_hands_on_the_error_of_its_receiver() {
        let store = MemoryStore::new();
        store.add("mrose", "A: b\n\n");
        store.add("mrose", "A: b\n\n");
        let mut given = 0;
        let error = open(&store, "mrose").scan(&mut |_| {
            given += 1;
            Err(StoreError::Gone)
        });
        assert!(matches!(error, Err(StoreError::Gone)) && given == 1);
    }
}
