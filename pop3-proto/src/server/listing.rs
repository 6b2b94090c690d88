//! Lists on demand: `LIST`, `UIDL`, `CAPA`, `LANG` and `AUTH` alone, a line at a time into whatever room there is.
//!
//! A list of a million messages needs no second list and no buffer: what is kept between two calls is where the list
//! stands (PB-S41).

use super::Server;
use super::offer::SessionConfig;
use crate::buffer::Sink;
use crate::codec::{MessageNumber, UniqueIdError};
use crate::error::{ApiMisuse, ReplyError};
use crate::maildrop::{Index, Storage};

/// A list that is being written, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Listing {
    /// `LIST`: the next message to look at.
    Scan(MessageNumber),
    /// `UIDL`: the next message to look at.
    UniqueIds(MessageNumber),
    /// `CAPA`: the next position.
    Capabilities(usize),
    /// `AUTH`: the next of the mechanisms that are announced.
    Mechanisms(usize),
    /// `LANG`: the next language.
    Languages(usize),
}

impl Listing {
    /// Writes as many lines as fit, and the end. `Ok(None)`: all is written; `Ok(Some)`: flush and go on from there.
    pub(super) fn write<S: Storage>(
        mut self,
        server: &mut Server,
        index: &Index<S>,
        config: &SessionConfig<'_>,
        out: &mut (impl Sink + ?Sized),
    ) -> Result<Option<Self>, ReplyError> {
        loop {
            let more = match &mut self {
                Self::Scan(from) => match index.next_unmarked(*from) {
                    Some(message) => {
                        message.scan_listing().encode(out).map(|()| advance(from, message.number))
                    }
                    None => Ok(false),
                },
                Self::UniqueIds(from) => match index.next_unmarked(*from) {
                    Some(message) => match message.unique_id_listing().encode(out) {
                        Ok(()) => Ok(advance(from, message.number)),
                        Err(UniqueIdError::Full(full)) => Err(full),
                        // None that the index would hold.
                        Err(UniqueIdError::NotConformant) => return Err(ApiMisuse::ReplyNotOwed.into()),
                    },
                    None => Ok(false),
                },
                Self::Capabilities(position) => {
                    let line = config.capability_line(*position, server.state(), server.is_tls(), out);
                    line.inspect(|_| *position = position.saturating_add(1))
                }
                Self::Mechanisms(position) => match config.listed(server.is_tls()).nth(*position) {
                    Some(offer) => crate::codec::put_line(&[offer.name.as_bytes(), b"\r\n"], out).map(|()| {
                        *position = position.saturating_add(1);
                        true
                    }),
                    None => Ok(false),
                },
                Self::Languages(position) => config.language_line(*position, out).inspect(|_| {
                    *position = position.saturating_add(1);
                }),
            };
            match more {
                Ok(true) => {}
                Ok(false) => match server.end_lines(out) {
                    Ok(()) => return Ok(None),
                    Err(ReplyError::Full(_)) => return Ok(Some(self)),
                    Err(error) => return Err(error),
                },
                Err(_full) => return Ok(Some(self)),
            }
        }
    }
}

/// Moves on behind `number`; the last number there can be leaves nothing to look at.
fn advance(from: &mut MessageNumber, number: MessageNumber) -> bool {
    match number.next() {
        Some(next) => {
            *from = next;
            true
        }
        None => false,
    }
}
