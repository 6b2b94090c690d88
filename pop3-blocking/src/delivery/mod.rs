//! Where fetched mail goes: the [`Delivery`] and [`Incoming`] traits, the stock destinations, and the [`Journal`] of
//! unique-ids.
//!
//! POP3 moves a message by two deeds that no transaction joins: the client keeps a copy, the server deletes its own.
//! Between them stands one order, and whoever calls this module follows it for each message (R36):
//!
//! 1. [`Delivery::begin`], then write the octets of the message as they come, with the byte-stuffing removed;
//! 2. only if the end of the message was seen, [`Incoming::finish`]; otherwise drop the [`Incoming`], and the cut
//!    message is gone (RP-CLOSE.2, R30);
//! 3. only if the answer is [`Durability::Durable`], [`Journal::record`] its unique-id;
//! 4. only if that returned `Ok`, `DELE`;
//! 5. after the last message `QUIT`, and only if its answer is `+OK`, [`Journal::forget`] the ids of what was deleted
//!    (R1939-6.4). After `-ERR` or silence the ids stay: the next session deletes those messages without fetching
//!    them again.
//!
//! A process killed, or a machine without power, between any two of these steps loses nothing and shows no cut message.
//! Between steps 2 and 3 it costs one duplicate: the message is fetched again, because nothing tells that it is here.
//!
//! Three syncs for each message are slow. A Maildir can make several messages safe with not many more than for one: end
//! each with [`Incoming::hold`] instead of `finish`, and when enough wait, and at the end, call [`Delivery::keep`], which
//! does 2 and 3 for all of them. Then 4 may follow for those that it calls durable, and for no other. It also costs no
//! duplicate, as it notes beforehand under which names the messages are going to be in the Maildir. `pop3 fetch` does
//! it so.
//!
//! | destination | finished message is | octets |
//! |---|---|---|
//! | `MaildirDelivery` | durable; many at once with `hold` | as received, or with LF line ends |
//! | `MboxDelivery` | durable | LF line ends, `From ` lines quoted (mboxrd) |
//! | `PipeDelivery` | durable, says the command | LF line ends, or as received |
//! | [`WriterDelivery`] | written | as received |
//!
//! A unique-id is an opaque string of octets chosen by the server. It never becomes part of a file name, and in the
//! journal it is escaped (R16, PB-C21). A fault of fsync is final: the copy counts as not written and is removed, as
//! no second fsync on the same file can tell what the first one lost.
//!
//! # When the process is killed, the power fails or the disk is faulty
//!
//! | it ends | on the disk | on the server | the next run |
//! |---|---|---|---|
//! | before the message has its name and the name is synced | perhaps a file in `tmp`, or a torn end of the mbox | still there | fetches it again |
//! | before its id is synced in the journal | the message | still there | fetches it again: the one duplicate |
//! | the same, in a batch | the message and its intent | still there | finds it, and deletes it there, unseen |
//! | before `QUIT` is answered | the message and its id | there or gone | deletes it if it is there, unseen |
//! | before the id is forgotten | the message and its id | gone | nothing |
//!
//! So it is for every call that the delivery and the journal make, for a full disk, for an error of any call and for a
//! write that takes less than it was given. The journal is never damaged by that: what was on its way is a torn last line,
//! which does not count.
//!
//! A message of a batch that was cut short comes again if a mail program has moved it out of the Maildir, or removed it,
//! before the next run could find it there.
//!
//! Beyond us: a disk that says of a sync that it succeeded and it did not; a new directory whose sync failed, which
//! everybody sees, and which the disk forgets although a later sync of it succeeds; and another program that writes
//! behind a torn message in an mbox before the next run, see `MboxDelivery`.
//!
//! # Source
//!
//! RFC 1939 sections 6 and 7; rows R1939-6.4, R1939-6.5, R1939-7.4, RP-CLOSE.2, PB-C16 to PB-C21, PB-Q14.

use std::io;

mod error;
mod writer;

#[cfg(feature = "maildir")]
mod batch;

#[cfg(feature = "maildir")]
pub(crate) mod fs;
#[cfg(feature = "maildir")]
mod journal;
#[cfg(feature = "maildir")]
mod line_ends;
#[cfg(feature = "maildir")]
mod maildir;
#[cfg(feature = "maildir")]
mod mbox;
#[cfg(feature = "maildir")]
mod mboxrd;
#[cfg(feature = "maildir")]
mod name;
#[cfg(feature = "maildir")]
mod pending;
#[cfg(feature = "maildir")]
mod pipe;
#[cfg(feature = "maildir")]
mod record;

#[cfg(any(test, all(feature = "__failpoint", debug_assertions)))]
#[cfg(feature = "maildir")]
mod fault;
#[cfg(test)]
#[cfg(feature = "maildir")]
mod kill;
#[cfg(test)]
#[cfg(feature = "maildir")]
pub(crate) mod model;
#[cfg(test)]
#[cfg(feature = "maildir")]
mod runs;
#[cfg(test)]
#[cfg(feature = "maildir")]
mod scratch;
#[cfg(test)]
#[cfg(feature = "maildir")]
mod sweep;

pub use error::{DeliveryError, Fault};
pub use writer::WriterDelivery;

#[cfg(feature = "maildir")]
pub use {
    batch::{Held, Kept},
    error::{CommandFault, JournalError, KeepError},
    journal::{Journal, Retained},
    line_ends::LineEnds,
    maildir::MaildirDelivery,
    mbox::MboxDelivery,
    pipe::PipeDelivery,
};

/// A place that takes messages, one after the other.
pub trait Delivery {
    /// Makes ready for one message. Write its octets to the [`Incoming`], then [`finish`](Incoming::finish) it.
    ///
    /// # Errors
    ///
    /// [`DeliveryError`]; nothing was kept and nothing of an earlier message changed.
    fn begin(&mut self) -> Result<Box<dyn Incoming + '_>, DeliveryError>;

    /// Makes all messages safe that [`Incoming::hold`] has left waiting, and notes their unique-ids in `journal`. Call it
    /// when a [`Held`] says so, before waiting for the server for long, and in the end whatever happened: messages that
    /// wait are gone when the destination is dropped.
    ///
    /// Give it one and the same journal, and in the same order as [`Journal::record`] for messages that did not wait.
    ///
    /// A destination where nothing ever waits need not implement it.
    #[cfg(feature = "maildir")]
    fn keep(&mut self, journal: Option<&mut Journal>) -> Kept {
        let _ = journal;
        Kept::default()
    }
}

/// One message on its way into a [`Delivery`].
///
/// Through [`io::Write`] it takes the octets of the message as they were received, the byte-stuffing removed, in parts
/// of any size. Dropped without [`finish`](Self::finish) it leaves nothing behind, except in a destination that cannot
/// take octets back, such as a pipe.
///
/// A failed write is final: after it only dropping is useful, and `finish` answers [`DeliveryError::Torn`].
/// [`io::ErrorKind::Interrupted`] never comes out of a write.
pub trait Incoming: io::Write {
    /// Keeps the message. Call it only after the end of the message was seen: a message without its end must be
    /// dropped instead (RP-CLOSE.2).
    ///
    /// # Errors
    ///
    /// [`DeliveryError`]: the message counts as not delivered and what was kept of it is removed. Do not delete it on
    /// the server.
    fn finish(self: Box<Self>) -> Result<Durability, DeliveryError>;

    /// As [`finish`](Self::finish), but where it is cheaper to make several messages safe at once, this one waits for
    /// [`Delivery::keep`]. Whoever uses it looks at what it returns: a destination may do either.
    ///
    /// `id` is the unique-id that is to be noted in the journal, if any is: for a message that waits, `keep` does it.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish). Messages that wait are not concerned.
    #[cfg(feature = "maildir")]
    fn hold(self: Box<Self>, id: Option<&[u8]>) -> Result<Held, DeliveryError> {
        let _ = id;
        self.finish().map(Held::Finished)
    }
}

/// How well a finished message is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever deletes on the strength of it must match every case")]
#[must_use = "only a durable message may be deleted on the server"]
pub enum Durability {
    /// The message and its name survive a power failure. A `DELE` may follow once its id is in the journal.
    Durable,
    /// The message was handed on, or its file system cannot promise more. No `DELE` may follow on the strength of it.
    Written,
}
