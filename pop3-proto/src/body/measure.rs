//! The size of a message, without sending it (RFC 1939 sections 5 and 11).
//!
//! It runs the scanner of the encoder, so the two cannot disagree.

use super::encode::{BodyRules, Scan};

/// Counts the octets that a client will count when it receives the message.
///
/// Give it the stored octets in pieces of any size with [`update`](Self::update), then call
/// [`finish`](Self::finish).
///
/// # Source
///
/// RFC 1939 section 11; rows R1939-5.6, PB-S10, PB-S11.
#[derive(Clone, Debug)]
pub struct Measure {
    scan: Scan,
}

impl Measure {
    /// Starts at 0. The rules must be those of the [`BodyEncoder`](super::BodyEncoder) that will send the message.
    pub const fn new(rules: BodyRules) -> Self {
        Self { scan: Scan::new(rules) }
    }

    /// Counts the next stored octets.
    pub fn update(&mut self, src: &[u8]) {
        let mut rest = src;
        while let Some(&next) = rest.first() {
            if self.scan.insertion(next).is_none() {
                let n = self.scan.run(rest);
                rest = rest.get(n..).unwrap_or(&[]);
            }
        }
    }

    /// The size in octets: that of the message as `RETR` delivers it, with each line end counted as two octets.
    /// Stuffed dots and the end line are not counted.
    #[must_use]
    pub fn finish(mut self) -> u64 {
        self.scan.complete();
        self.scan.octets()
    }
}
