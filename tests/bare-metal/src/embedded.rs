//! The client of `pop3-proto/examples/embedded_client.rs`, as it stands there, over a server made of constants.

use core::cell::Cell;
use core::hint::black_box;
use core::time::Duration;

use embedded_io::{ErrorKind, ErrorType, Read, Write};

use client::{Account, Failure, Mail, fetch};

#[path = "../../../pop3-proto/examples/embedded_client.rs"]
mod client;

/// What the server waits for, and what it then says. The login is the example of RFC 7677 section 3.
const SCRIPT: [(&[u8], &[u8]); 8] = [
    (b"", b"+OK ready\r\n"),
    (
        b"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\r\n",
        b"+ cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\r\n",
    ),
    (
        b"Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\r\n",
        b"+ dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==\r\n",
    ),
    (b"\r\n", b"+OK 2 messages\r\n"),
    (b"STAT\r\n", b"+OK 2 70\r\n"),
    (b"RETR 1\r\n", b"+OK\r\n.\r\n"),
    (b"RETR 2\r\n", b"+OK 62 octets\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n..\r\n...two\r\n..hidden\r\nend\r\n.\r\n"),
    (b"QUIT\r\n", b"+OK bye\r\n"),
];
const MESSAGE: &[u8] = b"From: b@example.net\r\nSubject: dots\r\n\r\n.\r\n..two\r\n.hidden\r\nend\r\n";
const ACCOUNT: Account<'_> = Account { user: "user", password: "pencil", nonce: "rOprNGfwEbeRWgbNEkqO" };

/// A connection on which the server says a few octets at a time, and nothing now and then; at `cut` turns it is gone.
struct Wire {
    turn: usize,
    cut: usize,
    unread: &'static [u8],
    idle: bool,
}

impl Wire {
    fn new(cut: usize) -> Self {
        Self { turn: 0, cut, unread: black_box(SCRIPT)[0].1, idle: false }
    }
}

impl ErrorType for Wire {
    type Error = ErrorKind;
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, ErrorKind> {
        self.idle = !self.idle;
        if self.turn >= self.cut {
            return Ok(0);
        }
        if self.idle || self.unread.is_empty() {
            return Err(ErrorKind::TimedOut);
        }
        let count = self.unread.len().min(room.len()).min(7);
        let (said, rest) = self.unread.split_at(count);
        room[..count].copy_from_slice(said);
        self.unread = rest;
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> Result<usize, ErrorKind> {
        self.turn += 1;
        match SCRIPT.get(self.turn) {
            Some((expected, reply)) if *expected == octets => {
                self.unread = reply;
                Ok(octets.len())
            }
            _ => Err(ErrorKind::InvalidData),
        }
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// Two whole sessions, one that is cut and one whose server falls silent; what is wrong, if anything is.
pub(crate) fn run() -> Result<(), &'static str> {
    let (seen, whole) = (Cell::new(0usize), Cell::new(0u32));
    // A second passes between any two looks at the clock.
    let time = Cell::new(0);
    let clock = || {
        time.set(time.get() + 1);
        Duration::from_secs(time.get())
    };
    let mut keep = |mail: Mail<'_>| {
        match mail {
            Mail::Part(number, part) if number.get() == 2 => {
                if MESSAGE.get(seen.get()..seen.get() + part.len()) != Some(part) {
                    return Err(Failure::Full);
                }
                seen.set(seen.get() + part.len());
            }
            Mail::Part(..) => return Err(Failure::Full),
            Mail::Whole(number) => whole.set(number.get()),
        }
        Ok(())
    };
    if fetch(&mut Wire::new(usize::MAX), clock, ACCOUNT, &mut keep) != Ok(2) {
        return Err("not all was fetched");
    }
    if (seen.get(), whole.get()) != (MESSAGE.len(), 2) {
        return Err("what was fetched is not what was sent");
    }
    let cut = fetch(&mut Wire::new(4), clock, ACCOUNT, &mut keep);
    if !matches!(cut, Err(Failure::Protocol(pop3_proto::Error::Truncated { .. }))) {
        return Err("a connection that breaks off is not told");
    }
    let mut silent = Wire::new(usize::MAX);
    silent.unread = b"";
    let began = time.get();
    let timed_out = fetch(&mut silent, clock, ACCOUNT, &mut keep);
    if !matches!(timed_out, Err(Failure::Protocol(pop3_proto::Error::TimedOut))) || time.get() - began < 60 {
        return Err("a server that says nothing is waited for otherwise than for a minute");
    }
    Ok(())
}
