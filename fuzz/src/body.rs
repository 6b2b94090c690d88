//! Messages: byte-stuffing, line ends and the end of a body, against references of a few lines.

use pop3_proto::body::{BodyDecoder, BodyEncoder, BodyRules, BodyStep, Measure, TopFilter};

use crate::plan::{Plan, cuts, pieces};

/// The message as it is delivered, from the rules alone.
pub(crate) fn delivered(message: &[u8], separator: bool, mask_nul: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for &octet in message {
        if octet == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(octet);
    }
    if out.last().is_some_and(|&last| last != b'\n') {
        out.extend(b"\r\n");
    }
    if separator && !lines(&out).any(|line| line == b"\r\n") {
        out.extend(b"\r\n");
    }
    if mask_nul {
        out.iter_mut().filter(|octet| **octet == 0).for_each(|octet| *octet = 0x80);
    }
    out
}

fn lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    // A line ends at CRLF only; what follows the last is a line too.
    let mut rest = octets;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.windows(2).position(|pair| pair == b"\r\n").map_or(rest.len(), |at| at + 2);
        let (line, tail) = rest.split_at(end);
        rest = tail;
        Some(line)
    })
}

/// What the decoder makes of pieces: the message, how many octets it took, and whether it saw the end.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, usize, bool) {
    let (mut decoder, mut message, mut taken) = (BodyDecoder::new(), Vec::new(), 0);
    for mut piece in pieces {
        loop {
            let (octets, step) = decoder.decode(piece);
            taken += octets;
            piece = &piece[octets..];
            match step {
                BodyStep::Chunk(chunk) => {
                    assert!(!chunk.is_empty());
                    message.extend(chunk);
                }
                BodyStep::End => return (message, taken, true),
                BodyStep::NeedInput => {
                    assert!(piece.is_empty());
                    break;
                }
            }
        }
    }
    (message, taken, decoder.is_finished())
}

/// Only CRLF `.` CRLF ends a body; one dot is taken from a line that begins with one; every cut gives the same; at most
/// two octets are held back.
pub fn body_decode(input: &[u8]) {
    let (sizes, wire) = cuts(input);
    let mut message = Vec::new();
    let (mut taken, mut ended) = (0, false);
    for line in lines(wire) {
        taken += line.len();
        if line == b".\r\n" {
            ended = true;
            break;
        }
        message.extend(line.strip_prefix(b".").unwrap_or(line));
    }
    if !ended {
        // A dot, or a dot and CR, that begin the last line may be the end that is coming in.
        let open = lines(wire).last().filter(|line| !line.ends_with(b"\r\n"));
        if open == Some(b".\r") {
            message.pop();
        }
    }
    for got in [decode(core::iter::once(wire)), decode(pieces(&sizes, wire)), decode(pieces(&[], wire))] {
        assert_eq!(got, (message.clone(), taken, ended), "{}", wire.escape_ascii());
    }
}

/// What is encoded is the delivered form, stuffed and ended, for every cut and every room; it decodes to the delivered form
/// and has the measured number of octets.
pub fn body_round_trip(input: &[u8]) {
    let mut plan = Plan::new(input);
    let flags = plan.next();
    let room = plan.below(64) + 3;
    let (sizes, message) = cuts(plan.rest());
    let (separator, mask_nul) = (flags & 1 != 0, flags & 2 != 0);
    let rules = BodyRules::new().with_add_header_separator(separator).with_mask_nul(mask_nul);
    let want = delivered(message, separator, mask_nul);

    let (mut encoder, mut measure) = (BodyEncoder::new(rules), Measure::new(rules));
    let (mut wire, mut storage) = (Vec::new(), vec![0; room]);
    for mut piece in pieces(&sizes, message) {
        measure.update(piece);
        while !piece.is_empty() {
            let progress = encoder.encode(piece, &mut storage);
            assert!(progress.written > 0 || progress.read > 0, "no progress in {room} octets");
            wire.extend(&storage[..progress.written]);
            piece = &piece[progress.read..];
        }
    }
    encoder.finish(&mut wire).expect("a Vec has room");
    assert_eq!(encoder.octets(), want.len() as u64);
    assert_eq!(measure.finish(), want.len() as u64);
    assert!(wire.ends_with(b".\r\n"));
    let octets = wire.len();
    wire.extend(b"+OK next\r\n");
    assert_eq!(decode(pieces(&sizes, &wire)), (want, octets, true), "{}", message.escape_ascii());
}

/// `TOP n k`: the head, the empty line, and k lines of the body, whatever the cut.
pub fn top(input: &[u8]) {
    let mut plan = Plan::new(input);
    let count = u64::from(plan.next() % 8);
    let (sizes, message) = cuts(plan.rest());
    // In a stored message LF ends a line.
    let (mut want, mut body) = (Vec::<u8>::new(), None);
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        if body.is_some_and(|seen| seen >= count) {
            break;
        }
        want.extend(line);
        body = match body {
            Some(seen) => Some(seen + 1),
            None if line == b"\r\n" || line == b"\n" => Some(0),
            None => None,
        };
    }
    for plan in [&sizes[..], &[]] {
        let (mut filter, mut kept) = (TopFilter::new(count), Vec::<u8>::new());
        for piece in pieces(plan, message) {
            let (part, done) = filter.take(piece);
            kept.extend(part);
            if done {
                break;
            }
        }
        assert_eq!(kept, want, "{}", message.escape_ascii());
    }
}
