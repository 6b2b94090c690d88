//! The server's side.

use core::hint::black_box;

use pop3_proto::body::{BodyEncoder, BodyRules};
use pop3_proto::{Buffer, Sink};

/// A message as a store holds it, and as it has to be sent.
const STORED: &[u8] = b"Subject: dots\n\n.\n..hidden\nend";
const WIRE: &[u8] = b"Subject: dots\r\n\r\n..\r\n...hidden\r\nend\r\n.\r\n";

/// Sends a body through a small output buffer into a buffer as large as the whole.
pub(crate) fn run() -> Result<(), &'static str> {
    let mut sent = Buffer::new([0u8; 64]);
    let mut encoder = BodyEncoder::new(BodyRules::new());
    let mut unread = black_box(STORED);
    while !unread.is_empty() {
        let mut out = [0u8; 8];
        let progress = encoder.encode(unread, &mut out);
        unread = unread.get(progress.read..).ok_or("read more than there was")?;
        let written = out.get(..progress.written).ok_or("wrote more than there was room")?;
        sent.reserve(written.len()).map_err(|_| "the whole is too large")?;
        sent.put(written);
    }
    encoder.finish(&mut sent).map_err(|_| "no room for the end line")?;
    if sent.unread() == WIRE { Ok(()) } else { Err("an octet sent differs") }
}
