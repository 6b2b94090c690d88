//! Messages on their way into the database: [`Importer`].

use std::io::{ErrorKind, Read};

use pop3_blocking::pop3_proto::body::{BodyDecoder, BodyEncoder, BodyRules, BodyStep};

use crate::{Database, Fault, Link};

/// The octets of a piece, as many as the schema allows: what is in memory of a message, here and when it is read.
const PIECE: usize = 64 * 1024;

/// Puts messages into one maildrop. Needs no lock: a session sees what was there when it began.
#[derive(Debug)]
pub struct Importer {
    link: Link,
    maildrop: i64,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Added {
    /// It is there, on disk, with so many octets.
    Octets(u64),
    /// The maildrop has a message of that unique-id already; nothing was done.
    AlreadyThere,
}

impl Importer {
    /// For the maildrop of `user`.
    ///
    /// # Errors
    ///
    /// [`Fault::NoMaildrop`], or a fault of the database.
    pub fn new(database: &Database, user: &str) -> Result<Self, Fault> {
        let mut link = database.connect()?;
        let row = link.client().query_opt("SELECT id FROM maildrop WHERE name = $1", &[&user])?;
        let maildrop = row.ok_or(Fault::NoMaildrop)?.try_get(0)?;
        Ok(Self { link, maildrop })
    }

    /// Adds a message, with the unique-id that it had elsewhere or with a new one. Its lines may end in LF or CRLF; it is
    /// stored as `RETR` sends it. It is added whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Fault::Source`], or a fault of the database. Nothing was added.
    pub fn add(&mut self, message: &mut dyn Read, unique_id: Option<&str>) -> Result<Added, Fault> {
        let maildrop = self.maildrop;
        let client = self.link.client();
        let mut transaction = client.transaction()?;
        if let Some(unique_id) = unique_id {
            let sql = "SELECT FROM message WHERE maildrop = $1 AND unique_id = $2";
            if transaction.query_opt(sql, &[&maildrop, &unique_id])?.is_some() {
                return Ok(Added::AlreadyThere);
            }
        }
        let id: i64 = transaction.query_one("SELECT nextval('message_id')", &[])?.try_get(0)?;
        let insert = transaction
            .prepare("INSERT INTO piece (maildrop, message, number, octets) VALUES ($1, $2, $3, $4)")?;
        let mut pieces = Pieces { held: Vec::with_capacity(PIECE), number: 0, octets: 0 };
        let mut store = |number: i32, piece: &[u8]| {
            transaction.execute(&insert, &[&maildrop, &id, &number, &piece]).map(drop).map_err(Fault::from)
        };
        as_sent(message, &mut |octets| pieces.take(octets, &mut store))?;
        pieces.end(&mut store)?;
        let octets = i64::try_from(pieces.octets).map_err(|_| Fault::Damaged("too many octets"))?;
        let sql = "INSERT INTO message (maildrop, id, octets) VALUES ($1, $2, $3)";
        let with_id = "INSERT INTO message (maildrop, id, octets, unique_id) VALUES ($1, $2, $3, $4)";
        match unique_id {
            Some(unique_id) => transaction.execute(with_id, &[&maildrop, &id, &octets, &unique_id])?,
            None => transaction.execute(sql, &[&maildrop, &id, &octets])?,
        };
        transaction.commit()?;
        Ok(Added::Octets(pieces.octets))
    }
}

/// What is held back until it makes a whole piece.
struct Pieces {
    held: Vec<u8>,
    number: i32,
    octets: u64,
}

type Put<'p> = dyn FnMut(i32, &[u8]) -> Result<(), Fault> + 'p;

impl Pieces {
    fn take(&mut self, mut octets: &[u8], put: &mut Put<'_>) -> Result<(), Fault> {
        while !octets.is_empty() {
            let (now, rest) = octets.split_at(octets.len().min(PIECE - self.held.len()));
            self.held.extend_from_slice(now);
            octets = rest;
            if self.held.len() == PIECE {
                self.end(put)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, put: &mut Put<'_>) -> Result<(), Fault> {
        if !self.held.is_empty() {
            put(self.number, &self.held)?;
            self.octets += self.held.len() as u64;
            self.number = self.number.checked_add(1).ok_or(Fault::Damaged("too many pieces"))?;
            self.held.clear();
        }
        Ok(())
    }
}

/// Gives the octets of a message as a client gets them: what the core makes of it for the wire, and then out of that again.
fn as_sent(message: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
    let (mut encoder, mut decoder) = (BodyEncoder::new(BodyRules::default()), BodyDecoder::new());
    let mut decode = |mut wire: &[u8]| {
        while !wire.is_empty() {
            let (taken, step) = decoder.decode(wire);
            wire = wire.get(taken..).unwrap_or_default();
            match step {
                BodyStep::Chunk(octets) => each(octets)?,
                BodyStep::NeedInput => {}
                BodyStep::End => break,
            }
        }
        Ok::<(), Fault>(())
    };
    let (mut read, mut wire) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let mut octets = match message.read(&mut read) {
            Ok(0) => break,
            Ok(octets) => read.get(..octets).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::Source(error)),
        };
        while !octets.is_empty() {
            let progress = encoder.encode(octets, &mut wire);
            octets = octets.get(progress.read..).unwrap_or_default();
            decode(wire.get(..progress.written).unwrap_or_default())?;
        }
    }
    let mut end = Vec::new();
    // A vector has room for it.
    encoder.finish(&mut end).map_err(|_| Fault::Damaged("no room for the end of a message"))?;
    decode(&end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces_of(message: &[u8]) -> Vec<Vec<u8>> {
        let mut stored = Vec::new();
        let mut put = |number: i32, piece: &[u8]| {
            assert_eq!(number as usize, stored.len());
            stored.push(piece.to_vec());
            Ok(())
        };
        let mut pieces = Pieces { held: Vec::new(), number: 0, octets: 0 };
        as_sent(&mut { message }, &mut |octets| pieces.take(octets, &mut put)).unwrap();
        pieces.end(&mut put).unwrap();
        assert_eq!(pieces.octets, stored.iter().map(|piece| piece.len() as u64).sum::<u64>());
        stored
    }

    #[test]
    fn r1939_3_11_r1939_5_6_what_is_stored_has_crlf_and_no_stuffing() {
        for (message, stored) in [
            (&b"A: b\n\n.dot\n..\nlast"[..], &b"A: b\r\n\r\n.dot\r\n..\r\nlast\r\n"[..]),
            (b"A: b\r\n\r\n.\r\n", b"A: b\r\n\r\n.\r\n"),
            // What has no header separator gets one.
            (b"A: b\n", b"A: b\r\n\r\n"),
        ] {
            assert_eq!(pieces_of(message).concat(), stored);
        }
    }

    #[test]
    fn pieces_are_full_but_the_last() {
        let line = [b"x".repeat(70), b"\r\n".to_vec()].concat();
        let message = [b"A: b\r\n\r\n".to_vec(), line.repeat(3000)].concat();
        let pieces = pieces_of(&message);
        assert_eq!(pieces.concat(), message);
        assert_eq!(pieces.len(), message.len().div_ceil(PIECE));
        assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() == PIECE));
    }
}
