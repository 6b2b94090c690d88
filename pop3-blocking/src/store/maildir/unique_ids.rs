//! Unique-ids that another server gave to messages before this crate did.

/// Ids by the numbers that their messages have in the list, in 12 octets each and the text.
#[derive(Debug, Default)]
pub(super) struct UniqueIds {
    text: Vec<u8>,
    /// Number, and the id's place in the text; sorted by number once [`settle`](Self::settle) was called.
    places: Vec<(u32, u32, u8)>,
}

impl UniqueIds {
    /// Whether `id` may be told: 1 to 70 octets from `!` to `~` (RFC 1939 section 7). `-` alone stands for none in the
    /// list.
    pub(super) fn is_good(id: &[u8]) -> bool {
        (1..=70).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic) && id != b"-"
    }

    /// Notes the id of message `number`. One that may not be told is passed over: `false`.
    pub(super) fn push(&mut self, number: u32, id: &[u8]) -> bool {
        let at = u32::try_from(self.text.len());
        let (Ok(at), Ok(len), true) = (at, u8::try_from(id.len()), Self::is_good(id)) else { return false };
        self.text.extend_from_slice(id);
        self.places.push((number, at, len));
        true
    }

    /// Makes ready for [`get`](Self::get). Of two ids of one message the later holds. An id that two messages have tells
    /// nothing, and both lose it; returns how many messages lost theirs.
    pub(super) fn settle(&mut self) -> usize {
        // The later one is found first.
        self.places.sort_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        self.places.dedup_by_key(|(number, ..)| *number);
        let mut by_text = core::mem::take(&mut self.places);
        by_text.sort_by(|a, b| self.id(*a).cmp(self.id(*b)));
        let before = by_text.len();
        self.places = by_text
            .chunk_by(|a, b| self.id(*a) == self.id(*b))
            .filter_map(|same| if let [only] = same { Some(*only) } else { None })
            .collect();
        self.places.sort_unstable();
        self.places.shrink_to_fit();
        self.text.shrink_to_fit();
        before - self.places.len()
    }

    /// The id of message `number`.
    pub(super) fn get(&self, number: u32) -> Option<&[u8]> {
        let at = self.places.binary_search_by_key(&number, |(number, ..)| *number).ok()?;
        self.places.get(at).map(|place| self.id(*place))
    }

    /// Forgets the id of message `number`.
    pub(super) fn remove(&mut self, number: u32) {
        self.places.retain(|(other, ..)| *other != number);
    }

    /// Forgets ids that begin as `start` does.
    pub(super) fn remove_beginning(&mut self, start: &[u8]) {
        let text = &self.text;
        self.places.retain(|place| !begins(text_of(text, *place), start));
    }

    /// Whether an id begins as `start` does, in letters of either case.
    pub(super) fn any_begins(&self, start: &[u8]) -> bool {
        self.places.iter().any(|place| begins(self.id(*place), start))
    }

    /// How many messages have one.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn id(&self, place: (u32, u32, u8)) -> &[u8] {
        text_of(&self.text, place)
    }
}

fn text_of(text: &[u8], (_, at, len): (u32, u32, u8)) -> &[u8] {
    text.get(at as usize..).and_then(|rest| rest.get(..usize::from(len))).unwrap_or_default()
}

fn begins(id: &[u8], start: &[u8]) -> bool {
    id.get(..start.len()).is_some_and(|other| other.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[(u32, &str)]) -> (UniqueIds, usize) {
        let mut all = UniqueIds::default();
        for (number, id) in ids {
            assert!(all.push(*number, id.as_bytes()));
        }
        let lost = all.settle();
        (all, lost)
    }

    #[test]
    fn r1939_7_1_only_what_may_be_told_is_kept() {
        let mut ids = UniqueIds::default();
        let (longest, longer) = ("x".repeat(70), "x".repeat(71));
        for (id, good) in [
            ("", false),
            ("-", false),
            ("!~", true),
            (&longest, true),
            (&longer, false),
            ("a b", false),
            ("a\u{7f}", false),
            ("\u{e4}", false),
        ] {
            assert_eq!(ids.push(1, id.as_bytes()), good, "{id:?}");
        }
    }

    #[test]
    fn the_later_id_of_a_message_holds() {
        let (ids, lost) = of(&[(7, "old"), (3, "three"), (7, "new"), (9, "old")]);
        assert_eq!(lost, 0);
        let get = |number| ids.get(number).map(<[u8]>::escape_ascii).map(|id| id.to_string());
        assert_eq!(get(7).as_deref(), Some("new"));
        assert_eq!(get(3).as_deref(), Some("three"));
        assert_eq!(get(9).as_deref(), Some("old"));
        assert_eq!(get(4), None);
    }

    #[test]
    fn r1939_7_3_an_id_that_two_messages_have_is_nobodys() {
        let (mut ids, lost) = of(&[(1, "a"), (2, "b"), (3, "a"), (4, "a"), (5, "c")]);
        assert_eq!(lost, 3);
        let known: Vec<u32> = (0..9).filter(|number| ids.get(*number).is_some()).collect();
        assert_eq!(known, [2, 5]);
        ids.remove(2);
        assert!(ids.get(2).is_none() && ids.len() == 1);
        assert!(ids.any_begins(b"C") && !ids.any_begins(b"cc") && !ids.any_begins(b"b"));
        ids.remove_beginning(b"x");
        assert_eq!(ids.get(5), Some(&b"c"[..]));
        ids.remove_beginning(b"C");
        assert_eq!(ids.get(5), None);
        ids.push(1, b"z");
        ids.clear();
        assert_eq!(ids.len(), 0);
    }
}
