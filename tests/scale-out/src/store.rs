//! Maildrops in the database: [`PgStore`].

use core::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use pop3_blocking::auth::Identity;
use pop3_blocking::store::{
    CommitError, Committed, Maildrop, Message, Meta, OpenContext, OpenError, Plan, Store, StoreError,
};
use postgres::Row;
use postgres::fallible_iterator::FallibleIterator;

use crate::link::Sql;
use crate::{Fault, Lease, Link, Pool, commit};

/// Maildrops in the database that `schema.sql` makes. Each open one has a connection of the pool for itself.
///
/// A server over it sends bodies by the default rules, under which the messages were measured when they were stored.
#[derive(Clone, Debug)]
pub struct PgStore {
    pool: Arc<Pool>,
}

impl PgStore {
    /// Maildrops that are opened on connections of `pool`: as many at once as that has.
    pub const fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }
}

impl Store for PgStore {
    type Maildrop = PgMaildrop;

    fn open(&self, who: &Identity, _: &OpenContext) -> Result<PgMaildrop, OpenError> {
        let (lease, row) = self.pool.take(|link| link.one(Sql::Lock, &[&who.name()]))?;
        let found = row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose();
        match found.map_err(Fault::Database)? {
            Some((id, true)) => {
                Ok(PgMaildrop { pool: Arc::clone(&self.pool), lease: Some(lease), id, messages: Vec::new() })
            }
            refused => {
                lease.give_back();
                Err(if refused.is_some() { OpenError::InUse } else { Fault::NoMaildrop.into() })
            }
        }
    }
}

/// An open maildrop of a [`PgStore`]. Dropped, it frees its lock.
pub struct PgMaildrop {
    pool: Arc<Pool>,
    /// The connection that holds the lock; `None` once it is known to be of no use.
    lease: Option<Lease>,
    id: i64,
    /// What the scan gave, by number.
    messages: Vec<i64>,
}

impl PgMaildrop {
    /// Does something on the connection, and gives the connection up when that is lost: with it is the lock, and a session
    /// without lock must neither read on nor remove anything.
    fn with<T>(&mut self, work: impl FnOnce(&mut Link) -> Result<T, Fault>) -> Result<T, Fault> {
        let lease =
            self.lease.as_mut().ok_or(Fault::Damaged("the connection that held the lock was lost"))?;
        let done = work(lease);
        if done.as_ref().is_err_and(Fault::is_connection_lost) {
            self.lease = None;
        }
        done
    }
}

impl Maildrop for PgMaildrop {
    fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let (id, mut messages) = (self.id, Vec::new());
        let scanned = self.with(|link| {
            let mut rows = link.rows(Sql::Scan, id)?;
            while let Some(row) = rows.next()? {
                let octets: i64 = row.try_get(1)?;
                let octets =
                    u64::try_from(octets).map_err(|_| Fault::Damaged("a negative number of octets"))?;
                let unique_id: &str = row.try_get(2)?;
                if let Err(refused) = out(Meta::new(octets, unique_id.as_bytes())) {
                    return Ok(Err(refused));
                }
                messages.push(row.try_get(0)?);
            }
            Ok(Ok(()))
        });
        self.messages = messages;
        scanned?
    }

    fn open_message(&mut self, message: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError> {
        let (maildrop, id) = (self.id, self.messages.get(message.number.index()).copied());
        let id = id.ok_or(StoreError::Gone)?;
        let first = self.with(|link| link.one(Sql::FirstPiece, &[&maildrop, &id]))?;
        let piece = first.ok_or(StoreError::Gone)?;
        Ok(Box::new(Pieces { maildrop: self, id, next: 1, piece, read: 0, left: message.octets }))
    }

    fn commit(mut self: Box<Self>, plan: &dyn Plan) -> Result<Committed, CommitError> {
        let (mut marked, mut number) = (Vec::new(), 0);
        plan.for_each_marked(&mut |message| {
            number += 1;
            marked.extend(self.messages.get(message.number.index()));
        });
        let removed = if marked.len() == number as usize {
            let (pool, id) = (Arc::clone(&self.pool), self.id);
            self.with(|link| commit::delete(link, pool.database(), id, &marked))
        } else {
            Err(Fault::Damaged("a marked message is none that the scan gave"))
        };
        match removed {
            Ok(()) => Ok(Committed::new(number)),
            // All or nothing.
            Err(fault) => Err(CommitError::new(0, number, Box::new(fault))),
        }
    }
}

impl Drop for PgMaildrop {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        // Closed if the lock cannot be freed otherwise.
        let freed = lease.one(Sql::Unlock, &[&self.id]);
        if freed.is_ok_and(|row| row.is_some_and(|row| row.try_get(0).unwrap_or(false))) {
            lease.give_back();
        }
    }
}

impl fmt::Debug for PgMaildrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgMaildrop").field("messages", &self.messages.len()).finish_non_exhaustive()
    }
}

/// A message, read from the database one piece at a time. No transaction is open between two pieces, however long the client
/// takes.
struct Pieces<'m> {
    maildrop: &'m mut PgMaildrop,
    id: i64,
    /// The number of the piece after this one.
    next: i32,
    piece: Row,
    /// How much of it was handed out.
    read: usize,
    /// Octets of the message that were not handed out.
    left: u64,
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || room.is_empty() {
            return Ok(0);
        }
        loop {
            let piece: Option<&[u8]> = self.piece.try_get(0).map_err(io::Error::other)?;
            let unread = piece.and_then(|piece| piece.get(self.read..)).unwrap_or_default();
            if !unread.is_empty() {
                let octets = unread.len().min(room.len());
                let (Some(from), Some(to)) = (unread.get(..octets), room.get_mut(..octets)) else {
                    return Ok(0);
                };
                to.copy_from_slice(from);
                self.read += octets;
                self.left = self.left.saturating_sub(octets as u64);
                return Ok(octets);
            }
            let (maildrop, id, number) = (self.maildrop.id, self.id, self.next);
            let next = self.maildrop.with(|link| link.one(Sql::NextPiece, &[&maildrop, &id, &number]));
            // Removed by somebody who asked for no lock, or never there.
            let missing = || io::Error::new(ErrorKind::UnexpectedEof, "a piece of the message is missing");
            self.piece = next.map_err(io::Error::other)?.ok_or_else(missing)?;
            (self.next, self.read) = (number.saturating_add(1), 0);
        }
    }
}
