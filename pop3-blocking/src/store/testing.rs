//! What the tests of the stores share.

use std::io::Read;

use pop3_proto::MessageNumber;

use super::{Maildrop, Message, OpenContext, Plan, Store, StoreError, Utf8Headers};
use crate::auth::Identity;

/// Opens the maildrop of `user`, which must succeed.
pub(super) fn open<S: Store>(store: &S, user: &str) -> S::Maildrop {
    store.open(&Identity::new(user), &OpenContext::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// As [`open`], for a session with these wishes.
pub(super) fn open_with<S: Store>(store: &S, user: &str, headers: Utf8Headers) -> S::Maildrop {
    let cx = OpenContext::default().with_utf8_headers(headers);
    store.open(&Identity::new(user), &cx).unwrap_or_else(|error| panic!("{error}"))
}

/// Scans: octets and unique-id of each message.
pub(super) fn list(maildrop: &mut impl Maildrop) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let scanned = maildrop.scan(&mut |meta| {
        found.push((meta.octets, String::from_utf8(meta.unique_id.to_vec()).unwrap()));
        Ok(())
    });
    scanned.unwrap_or_else(|error| panic!("{error}"));
    found
}

/// Reads message `number`.
pub(super) fn read(
    maildrop: &mut impl Maildrop,
    number: u32,
    unique_id: &str,
) -> Result<Vec<u8>, StoreError> {
    let number = MessageNumber::new(number).unwrap();
    let mut content = Vec::new();
    maildrop.open_message(Message::new(number, 0, unique_id.as_bytes()))?.read_to_end(&mut content)?;
    Ok(content)
}

/// A plan made by hand.
pub(super) struct Marks(Vec<(MessageNumber, u64, String)>);

impl Marks {
    /// The messages `numbers` of a listing.
    pub(super) fn of(listing: &[(u64, String)], numbers: &[u32]) -> Self {
        let mut marks = Self(Vec::new());
        for &number in numbers {
            let number = MessageNumber::new(number).unwrap();
            let (octets, unique_id) = &listing[number.index()];
            marks.push(number, *octets, unique_id);
        }
        marks
    }

    pub(super) fn push(&mut self, number: MessageNumber, octets: u64, unique_id: &str) {
        self.0.push((number, octets, unique_id.to_owned()));
    }
}

impl Plan for Marks {
    fn for_each_marked(&self, each: &mut dyn FnMut(Message<'_>)) {
        for (number, octets, unique_id) in &self.0 {
            each(Message::new(*number, *octets, unique_id.as_bytes()));
        }
    }
}
