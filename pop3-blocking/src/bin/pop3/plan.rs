//! What to do with each message, decided from one look at the server's lists and at the journal.
//!
//! A unique-id is believed as far as it deserves:
//!
//! | unique-id | the journal knows it | else |
//! |---|---|---|
//! | stands once, conforms to RFC 1939 | skip; with `--delete` delete | fetch, note it |
//! | stands once, does not conform | skip; with `--delete` fetch again | fetch, note it |
//! | stands twice, or none | fetch | fetch |
//!
//! An id that stands twice is never noted: once one of the two is gone, the journal would speak for the other. What was
//! fetched and durably delivered in this very session may be deleted by its number whatever its id, as nothing is
//! concluded from the id then. A message that stands in only one of the two lists came or went between them, and is left
//! alone.
//!
//! # Source
//!
//! RFC 1939 section 7; rows R1939-5.10, R1939-7.4, PB-C37, PB-C38, PB-Q06.

use std::collections::{BTreeMap, HashMap};

use pop3_blocking::delivery::Journal;
use pop3_blocking::pop3_proto::{MessageNumber, ScanListing, UniqueId};

/// What the run was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// `--delete`.
    pub(crate) delete: bool,
    /// Messages that are listed as larger stay where they are, in octets.
    pub(crate) max_octets: u64,
}

/// One message of the maildrop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) number: MessageNumber,
    /// As listed; a hint.
    pub(crate) octets: u64,
    pub(crate) unique_id: Option<Box<[u8]>>,
    pub(crate) action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Fetch it; `note` its unique-id in the journal.
    Fetch {
        note: bool,
    },
    /// It is here already; `delete` it on the server.
    Known {
        delete: bool,
    },
    TooLarge,
    NotInBothLists,
    /// It is not wanted now, for this reason.
    Left(&'static str),
    /// It cannot be told whether it is wanted, for this reason.
    Unknown(&'static str),
}

/// A message and its unique-id.
pub(crate) type Numbered = (MessageNumber, Box<[u8]>);

/// Whether the journal holds a unique-id.
pub(crate) type Known<'a> = &'a dyn Fn(&[u8]) -> bool;

/// What to do with a maildrop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order of their numbers.
    pub(crate) messages: Vec<Planned>,
    /// Unique-ids that stand for more than one message: the journal must not hold them.
    pub(crate) ambiguous: Vec<Box<[u8]>>,
}

impl Plan {
    /// `ids` is `None` from a server without unique-ids. `is_known` asks the journal; `None` where none is kept.
    pub(crate) fn new(
        listings: &[ScanListing],
        ids: Option<&[Numbered]>,
        is_known: Option<Known<'_>>,
        rules: Rules,
    ) -> Self {
        let mut slots: BTreeMap<MessageNumber, Slot<'_>> = BTreeMap::new();
        for listing in listings {
            slots.entry(listing.number).or_default().octets = Some(listing.octets);
        }
        let mut uses: HashMap<&[u8], Use> = HashMap::new();
        for (number, unique_id) in ids.unwrap_or_default() {
            let slot = slots.entry(*number).or_default();
            let id = uses.entry(unique_id).or_insert(Use::Once(*number));
            // A number with two ids makes both worthless, as an id with two numbers is.
            let other = slot.id.replace(unique_id).filter(|&other| other != &**unique_id);
            if other.is_some() || *id != Use::Once(*number) {
                *id = Use::Ambiguous;
            }
            if let Some(other) = other {
                uses.insert(other, Use::Ambiguous);
            }
        }
        let is_ambiguous = |id: &[u8]| uses.get(id) == Some(&Use::Ambiguous);
        let messages = slots.iter().map(|(&number, slot)| Planned {
            number,
            octets: slot.octets.unwrap_or_default(),
            unique_id: slot.id.map(Into::into),
            action: slot.action(ids.is_some(), is_ambiguous, is_known, rules),
        });
        let messages = messages.collect();
        let mut ambiguous: Vec<Box<[u8]>> =
            uses.iter().filter(|(_, uses)| **uses == Use::Ambiguous).map(|(&id, _)| id.into()).collect();
        ambiguous.sort();
        Self { messages, ambiguous }
    }
}

/// For how many messages a unique-id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Once(MessageNumber),
    Ambiguous,
}

/// What the lists say of one number.
#[derive(Debug, Default)]
struct Slot<'a> {
    octets: Option<u64>,
    id: Option<&'a [u8]>,
}

impl Slot<'_> {
    fn action(
        &self,
        has_ids: bool,
        is_ambiguous: impl Fn(&[u8]) -> bool,
        is_known: Option<Known<'_>>,
        rules: Rules,
    ) -> Action {
        let Some(octets) = self.octets else { return Action::NotInBothLists };
        let fetch = |note| if octets > rules.max_octets { Action::TooLarge } else { Action::Fetch { note } };
        let Some(id) = self.id else {
            return if has_ids { Action::NotInBothLists } else { fetch(false) };
        };
        if is_ambiguous(id) || id.len() > Journal::MAX_ID {
            return fetch(false);
        }
        match is_known {
            None => fetch(false),
            Some(is_known) if !is_known(id) => fetch(true),
            Some(_) if !rules.delete => Action::Known { delete: false },
            Some(_) if UniqueId::new(id).is_some_and(|id| id.is_conformant()) => {
                Action::Known { delete: true }
            }
            Some(_) => fetch(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: Action = Action::Fetch { note: true };
    const FETCH: Action = Action::Fetch { note: false };
    const SKIP: Action = Action::Known { delete: false };
    const DELETE: Action = Action::Known { delete: true };

    fn number(number: u32) -> MessageNumber {
        MessageNumber::new(number).unwrap()
    }

    /// Lists all of `ids` with 10 octets, except where `listed` says otherwise.
    fn plan(ids: &[(u32, &[u8])], listed: Option<&[(u32, u64)]>, known: &[&[u8]], delete: bool) -> Plan {
        let same: Vec<(u32, u64)> = ids.iter().map(|&(n, _)| (n, 10)).collect();
        let listings = listed.unwrap_or(&same).iter().map(|&(n, octets)| ScanListing::new(number(n), octets));
        let ids: Vec<_> = ids.iter().map(|&(n, id)| (number(n), Box::from(id))).collect();
        let is_known = |id: &[u8]| known.contains(&id);
        let rules = Rules { delete, max_octets: 100 };
        Plan::new(&listings.collect::<Vec<_>>(), Some(&ids), Some(&is_known), rules)
    }

    fn actions(plan: &Plan) -> Vec<(u32, Action)> {
        plan.messages.iter().map(|message| (message.number.get(), message.action)).collect()
    }

    #[test]
    fn r1939_7_4_known_ids_are_skipped_or_deleted() {
        let ids: [(u32, &[u8]); 3] = [(2, b"b"), (1, b"a"), (3, b"c")];
        assert_eq!(actions(&plan(&ids, None, &[b"a", b"c"], false)), [(1, SKIP), (2, NOTE), (3, SKIP)]);
        assert_eq!(actions(&plan(&ids, None, &[b"a", b"c"], true)), [(1, DELETE), (2, NOTE), (3, DELETE)]);
        assert_eq!(plan(&ids, None, &[b"a"], true).ambiguous, Vec::<Box<[u8]>>::new());
    }

    #[test]
    fn pb_c38_an_id_that_stands_twice_tells_nothing() {
        for delete in [false, true] {
            let twice = plan(&[(1, b"x"), (2, b"y"), (9, b"x")], None, &[b"x"], delete);
            assert_eq!(actions(&twice), [(1, FETCH), (2, NOTE), (9, FETCH)]);
            assert_eq!(twice.ambiguous, [Box::from(&b"x"[..])]);
        }
    }

    #[test]
    fn pb_c38_a_number_with_two_ids_spoils_both() {
        let spoilt =
            plan(&[(1, b"x"), (1, b"y"), (2, b"y"), (3, b"z"), (3, b"z")], None, &[b"x", b"y"], true);
        assert_eq!(actions(&spoilt), [(1, FETCH), (2, FETCH), (3, NOTE)]);
        assert_eq!(spoilt.ambiguous, [Box::from(&b"x"[..]), Box::from(&b"y"[..])]);
    }

    #[test]
    fn pb_q06_an_odd_id_skips_and_never_deletes_alone() {
        let long = [b'a'; 71];
        for odd in [&b"a b"[..], b"\xff", &long, b"\x7f"] {
            assert_eq!(actions(&plan(&[(1, odd)], None, &[], true)), [(1, NOTE)]);
            assert_eq!(actions(&plan(&[(1, odd)], None, &[odd], false)), [(1, SKIP)]);
            assert_eq!(actions(&plan(&[(1, odd)], None, &[odd], true)), [(1, NOTE)]);
        }
        let endless = vec![b'a'; Journal::MAX_ID + 1];
        assert_eq!(actions(&plan(&[(1, &endless)], None, &[], true)), [(1, FETCH)]);
    }

    #[test]
    fn pb_c37_what_stands_in_one_list_is_left_alone() {
        let drifted = plan(&[(1, b"a"), (2, b"b")], Some(&[(2, 10), (3, 10)]), &[b"a"], true);
        assert_eq!(actions(&drifted), [(1, Action::NotInBothLists), (2, NOTE), (3, Action::NotInBothLists)]);
    }

    #[test]
    fn a_message_over_the_limit_stays_unless_it_is_here() {
        let ids: [(u32, &[u8]); 3] = [(1, b"a"), (2, b"b"), (3, b"c")];
        let large = plan(&ids, Some(&[(1, 100), (2, 101), (3, 101)]), &[b"c"], true);
        assert_eq!(actions(&large), [(1, NOTE), (2, Action::TooLarge), (3, DELETE)]);
    }

    #[test]
    fn pb_q07_without_ids_or_journal_everything_is_fetched() {
        let listings = [ScanListing::new(number(1), 5), ScanListing::new(number(2), 101)];
        let rules = Rules { delete: true, max_octets: 100 };
        let known = |_: &[u8]| true;
        let without_ids = Plan::new(&listings, None, Some(&known), rules);
        assert_eq!(actions(&without_ids), [(1, FETCH), (2, Action::TooLarge)]);
        let ids = [(number(1), Box::from(&b"a"[..])), (number(2), Box::from(&b"b"[..]))];
        let without_journal = Plan::new(&listings, Some(&ids), None, rules);
        assert_eq!(actions(&without_journal), [(1, FETCH), (2, Action::TooLarge)]);
        assert_eq!(without_journal.messages[0].unique_id.as_deref(), Some(&b"a"[..]));
    }
}
