//! Somebody on the path: reads and writes what is in clear text, and is blind once TLS has started.

use super::network::Side;
use super::{Counts, Tally};

/// What the attacker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    /// Writes octets behind the client's `STLS`.
    BehindStls(&'static [u8]),
    /// Writes octets behind the server's `+OK` to it.
    BehindOk(&'static [u8]),
    /// Takes `STLS` out of the server's capabilities, and refuses it in the server's name.
    Strip,
}

#[derive(Debug)]
pub(super) struct Attacker {
    attack: Attack,
    /// The client has said `STLS`.
    asked: bool,
    done: bool,
}

impl Attacker {
    pub(super) const fn new(attack: Attack) -> Self {
        Self { attack, asked: false, done: false }
    }

    /// What arrives instead of `octets`, if it is something else.
    pub(super) fn tamper(&mut self, writer: Side, octets: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
        let asks = writer == Side::Client && octets.ends_with(b"STLS\r\n");
        let agrees = writer == Side::Server && self.asked && octets.starts_with(b"+OK");
        self.asked |= asks;
        match self.attack {
            Attack::BehindStls(more) if asks && !self.done => {
                self.done = true;
                counts.add(Tally::Injected);
                Some([octets, more].concat())
            }
            Attack::BehindOk(more) if agrees && !self.done => {
                self.done = true;
                counts.add(Tally::Injected);
                Some([octets, more].concat())
            }
            Attack::Strip if agrees => {
                counts.add(Tally::Stripped);
                Some(b"-ERR no TLS today\r\n".to_vec())
            }
            Attack::Strip if writer == Side::Server => {
                let at = octets.windows(6).position(|window| window == b"STLS\r\n")?;
                counts.add(Tally::Stripped);
                Some([&octets[..at], b"X-NO\r\n", &octets[at + 6..]].concat())
            }
            _ => None,
        }
    }
}
