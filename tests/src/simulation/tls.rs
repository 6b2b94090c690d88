//! TLS as far as POP3 sees it: a state that both sides enter, records that nobody on the path can read or write, and an
//! end that can be told from a cut.
//!
//! A record is a kind, a length, octets and a seal that depends on the place of the record: any change is noticed.

use super::Cx;
use super::network::{Arrived, Link, Side};

const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const CLOSE: u8 = 21;
/// What a record takes besides its contents.
const OVERHEAD: usize = 5;
/// The largest contents.
const CONTENTS: usize = 250;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Clear,
    Shaking,
    Tls,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Octets(usize),
    Nothing,
    /// The other side will send no more: a FIN in clear text, a close_notify over TLS.
    Closed,
    /// The stream ended without close_notify.
    Truncated,
    Reset,
    /// What came is no record of the other side.
    Forged,
}

/// One end of a connection, in clear text or over TLS.
#[derive(Debug)]
pub(super) struct Transport {
    side: Side,
    mode: Mode,
    key: u64,
    /// What was read and is no whole record yet.
    raw: Vec<u8>,
    /// What was unsealed and not read yet.
    plain: Vec<u8>,
    sealed: u64,
    opened: u64,
    ended: Option<Input>,
    said_hello: bool,
    said_close: bool,
}

impl Transport {
    /// Both ends of a connection have the same key, and nobody else has it.
    pub(super) const fn new(side: Side, key: u64) -> Self {
        Self {
            side,
            mode: Mode::Clear,
            key,
            raw: Vec::new(),
            plain: Vec::new(),
            sealed: 0,
            opened: 0,
            ended: None,
            said_hello: false,
            said_close: false,
        }
    }

    /// Begins the handshake. What comes in from here on is part of it or forged.
    pub(super) const fn start_tls(&mut self) {
        self.mode = Mode::Shaking;
    }

    /// Goes on with the handshake: `Ok(true)` once it is done.
    pub(super) fn shake(&mut self, link: &mut Link, cx: &mut Cx) -> Result<bool, Input> {
        if self.mode == Mode::Tls {
            return Ok(true);
        }
        if self.side == Side::Client && !self.said_hello {
            self.said_hello = true;
            self.put_record(HANDSHAKE, b"hello", link, cx);
        }
        loop {
            match self.next_record()? {
                Some((HANDSHAKE, _)) => {
                    if self.side == Side::Server {
                        self.put_record(HANDSHAKE, b"hello", link, cx);
                    }
                    self.mode = Mode::Tls;
                    return Ok(true);
                }
                Some(_) => return Err(Input::Forged),
                None => match self.fill(link, cx) {
                    Arrived::Octets(_) => {}
                    Arrived::Nothing => return Ok(false),
                    Arrived::Fin => return Err(Input::Truncated),
                    Arrived::Reset => return Err(Input::Reset),
                },
            }
        }
    }

    pub(super) fn read(&mut self, room: &mut [u8], link: &mut Link, cx: &mut Cx) -> Input {
        if self.mode == Mode::Clear {
            return match link.read(self.side, room, cx) {
                Arrived::Octets(octets) => Input::Octets(octets),
                Arrived::Nothing => Input::Nothing,
                Arrived::Fin => Input::Closed,
                Arrived::Reset => Input::Reset,
            };
        }
        while self.plain.is_empty() {
            if let Some(ended) = self.ended {
                return ended;
            }
            match self.next_record() {
                Ok(Some((DATA, contents))) => self.plain = contents,
                Ok(Some((CLOSE, _))) => self.ended = Some(Input::Closed),
                Ok(Some(_)) => self.ended = Some(Input::Forged),
                Err(forged) => self.ended = Some(forged),
                Ok(None) => match self.fill(link, cx) {
                    Arrived::Octets(_) => {}
                    Arrived::Nothing => return Input::Nothing,
                    Arrived::Fin => self.ended = Some(Input::Truncated),
                    Arrived::Reset => self.ended = Some(Input::Reset),
                },
            }
        }
        let some = self.plain.len().min(room.len());
        room[..some].copy_from_slice(&self.plain[..some]);
        self.plain.drain(..some);
        Input::Octets(some)
    }

    /// Takes as many octets as there is room for, and tells how many.
    pub(super) fn write(&mut self, octets: &[u8], link: &mut Link, cx: &mut Cx) -> usize {
        if self.mode == Mode::Clear {
            return link.write(self.side, octets, true, cx);
        }
        let some = octets.len().min(CONTENTS).min(link.room(self.side).saturating_sub(OVERHEAD));
        if some > 0 {
            self.put_record(DATA, &octets[..some], link, cx);
        }
        some
    }

    /// Ends this side of the stream in an orderly way.
    pub(super) fn end(&mut self, link: &mut Link, cx: &mut Cx) {
        if self.mode == Mode::Tls && !self.said_close {
            self.said_close = true;
            self.put_record(CLOSE, b"", link, cx);
        }
        link.shut(self.side, cx);
    }

    /// What was read from the connection and waits here, in octets.
    pub(super) fn held(&self) -> usize {
        self.raw.len() + self.plain.len()
    }

    fn fill(&mut self, link: &mut Link, cx: &mut Cx) -> Arrived {
        let mut room = [0; CONTENTS + OVERHEAD];
        let arrived = link.read(self.side, &mut room, cx);
        if let Arrived::Octets(octets) = arrived {
            self.raw.extend_from_slice(&room[..octets]);
        }
        arrived
    }

    fn put_record(&mut self, kind: u8, contents: &[u8], link: &mut Link, cx: &mut Cx) {
        let length = u16::try_from(contents.len()).expect("records are small").to_be_bytes();
        let mut record = vec![kind, length[0], length[1]];
        record.extend(contents.iter().map(|octet| octet ^ 0x5A));
        record.extend(seal(self.key, self.side, self.sealed, kind, &record[3..]));
        self.sealed += 1;
        // Data was cut to the room that there is.
        link.write_beyond(self.side, &record, cx);
    }

    fn next_record(&mut self) -> Result<Option<(u8, Vec<u8>)>, Input> {
        let &[kind, high, low, ..] = self.raw.as_slice() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !matches!(kind, HANDSHAKE | DATA | CLOSE) || length > CONTENTS {
            return Err(Input::Forged);
        }
        if self.raw.len() < length + OVERHEAD {
            return Ok(None);
        }
        let (contents, tail) = self.raw[3..].split_at(length);
        if tail[..2] != seal(self.key, self.side.peer(), self.opened, kind, contents) {
            return Err(Input::Forged);
        }
        let contents = contents.iter().map(|octet| octet ^ 0x5A).collect();
        self.opened += 1;
        self.raw.drain(..length + OVERHEAD);
        Ok(Some((kind, contents)))
    }
}

fn seal(key: u64, writer: Side, place: u64, kind: u8, contents: &[u8]) -> [u8; 2] {
    let start = key ^ (place << 8) ^ u64::from(kind) ^ ((writer as u64) << 60);
    let sum = contents
        .iter()
        .fold(start, |sum, octet| (sum ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01B3));
    let sum = sum ^ (sum >> 32);
    [sum.to_le_bytes()[0], sum.to_le_bytes()[2]]
}
