//! What happened in a world, in order: always as a digest, and as lines for a reader when they are asked for.

use core::fmt;

use super::Time;

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    World,
    Network(usize),
    Client(usize),
    Server(usize),
    Store,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.write_str("world"),
            Self::Network(session) => write!(f, "network {session}"),
            Self::Client(session) => write!(f, "client {session}"),
            Self::Server(session) => write!(f, "server {session}"),
            Self::Store => f.write_str("store"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Trace {
    digest: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn new(lines: bool) -> Self {
        Self { digest: 0xCBF2_9CE4_8422_2325, lines: lines.then(Vec::new) }
    }

    /// Notes that something happened; `number` says more, whatever it means there.
    pub(super) fn note(&mut self, at: Time, who: Who, what: &'static str, number: u64) {
        self.fold(at);
        self.octets_into_digest(what.as_bytes());
        self.fold(number);
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>7}.{:03} s  {who:<10}  {what} {number}", at / 1000, at % 1000));
        }
    }

    /// Notes octets that went from one place to another.
    pub(super) fn octets(&mut self, at: Time, who: Who, what: &'static str, octets: &[u8]) {
        self.fold(at);
        self.octets_into_digest(what.as_bytes());
        self.octets_into_digest(octets);
        if let Some(lines) = &mut self.lines {
            let shown = &octets[..octets.len().min(120)];
            let rest = octets.len() - shown.len();
            let rest = if rest > 0 { format!(" and {rest} more octets") } else { String::new() };
            lines.push(format!(
                "{:>7}.{:03} s  {who:<10}  {what} \"{}\"{rest}",
                at / 1000,
                at % 1000,
                shown.escape_ascii()
            ));
        }
    }

    pub(super) fn into_parts(self) -> (u64, Vec<String>) {
        (self.digest, self.lines.unwrap_or_default())
    }

    const fn fold(&mut self, number: u64) {
        self.digest = (self.digest ^ number).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(29);
    }

    fn octets_into_digest(&mut self, octets: &[u8]) {
        self.fold(octets.len() as u64);
        for piece in octets.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.fold(u64::from_le_bytes(word));
        }
    }
}
