//! Message bodies: byte-stuffing, line ends, the cut of `TOP`, and the size `LIST` tells.
//!
//! A message travels as lines that end in CRLF, then a line that is a single dot. A line that begins with a dot gets
//! one more in front, so that no line of the message can be that last one (RFC 1939 section 3). Four small machines
//! keep this rule, and nothing else in the crate knows it:
//!
//! | type | from | to | used by |
//! |---|---|---|---|
//! | [`BodyDecoder`] | wire octets | message octets, borrowed from the input | clients |
//! | [`BodyEncoder`] | stored octets, lines ended LF or CRLF | wire octets, with the end line | servers |
//! | [`Measure`] | the same stored octets | how many octets the client will count | servers, for `LIST` and `STAT` |
//! | [`TopFilter`] | the same stored octets | their first part, for the encoder | servers, for `TOP` |
//!
//! # The message as it is delivered
//!
//! What a store holds and what a client receives differ in line ends only. The rules, in this order:
//!
//! 1. LF that does not follow CR becomes CRLF. CRLF stays. A CR that no LF follows is content: it passes unchanged
//!    and begins no line (row R1939-3.11).
//! 2. A last line without line end gets one. A message that ends in CR therefore ends in CR CR LF on the wire.
//! 3. With [`BodyRules::add_header_separator`] a message in which no line is empty gets an empty line at its end,
//!    because some clients hang or lose mail without it (row PB-Q55). A message of no octets has no empty line
//!    either, so it is delivered as one CRLF; without the rule as nothing.
//! 4. With [`BodyRules::mask_nul`] the octet 0x00 becomes 0x80 (row PB-Q54).
//!
//! [`BodyEncoder::octets`] and [`Measure::finish`] count the result of these rules, and a [`BodyDecoder`] returns
//! exactly it: added line ends count, stuffed dots and the end line do not (row R1939-5.6).
//!
//! # Promises
//!
//! Any split of the input gives the same output, down to one octet at a time, in time linear in the octets. Nothing
//! here allocates, panics, validates content or limits a line's length: mail is octets. The only state is a few words;
//! the decoder holds back at most the two octets `.` CR, the others nothing.

mod decode;
mod encode;
mod measure;
mod top;

pub use decode::{BodyDecoder, BodyStep};
pub use encode::{BodyEncoder, BodyRules, Progress};
pub use measure::Measure;
pub use top::TopFilter;
