//! The client's side.

use core::hint::black_box;

use pop3_proto::body::{BodyDecoder, BodyStep};

/// What the server sends, and the message in it.
const BODY: &[u8] = b"Subject: dots\r\n\r\n..\r\n...hidden\r\nend\r\n.\r\n+OK next";
const MESSAGE: &[u8] = b"Subject: dots\r\n\r\n.\r\n..hidden\r\nend\r\n";

/// Takes a body apart in reads of a few octets.
pub(crate) fn run() -> Result<(), &'static str> {
    let mut decoder = BodyDecoder::new();
    let mut unread = black_box(BODY);
    let mut expected = MESSAGE;
    let mut window = 0;
    loop {
        window = (window + 7).min(unread.len());
        let (consumed, step) = decoder.decode(unread.get(..window).unwrap_or(unread));
        unread = unread.get(consumed..).ok_or("consumed more than there was")?;
        window -= consumed;
        match step {
            BodyStep::Chunk(part) => {
                expected = expected.strip_prefix(part).ok_or("an octet of the message differs")?;
            }
            BodyStep::NeedInput if unread.is_empty() => return Err("the body does not end"),
            BodyStep::NeedInput => {}
            BodyStep::End => break,
        }
    }
    if !expected.is_empty() {
        return Err("the message ended early");
    }
    if unread != b"+OK next" {
        return Err("octets of the next reply are gone");
    }
    Ok(())
}
