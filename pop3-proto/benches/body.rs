//! Throughput of message bodies, beside what the same octets cost to search once and copy once.
//!
//! `cargo bench -p pop3-proto --bench body` prints a table. Each figure is the median of paired runs: a machine under
//! load slows both sides of a pair, so the ratio stays meaningful where the MB/s do not.
#![expect(clippy::print_stdout, reason = "the table is the purpose of the program")]

#[path = "shared/text.rs"]
mod text;

use memchr::memmem;
use pop3_proto::body::{BodyDecoder, BodyEncoder, BodyRules, BodyStep, Measure, TopFilter};
use std::hint::black_box;
use std::time::Instant;

/// Octets that one call gets.
const PIECE: usize = 64 << 10;
/// Octets of message in one run.
const MESSAGE: usize = 8 << 20;
const PAIRS: usize = 31;

fn main() {
    println!("{:<40} {:>9} {:>9} {:>6}", "", "MB/s", "base MB/s", "ratio");
    for (text, every) in [("no dots", 0), ("a dot every 50 lines", 50), ("a dot on every line", 1)] {
        let wire = text::lines(MESSAGE, b"\r\n", b"..", every);
        row(&format!("decode, {text}"), &wire, decode);
        let source = text::lines(MESSAGE, b"\r\n", b".", every);
        row(&format!("encode CRLF, {text}"), &source, encode);
        let source = text::lines(MESSAGE, b"\n", b".", every);
        row(&format!("encode LF, {text}"), &source, encode);
    }
    let source = text::lines(MESSAGE, b"\r\n", b".", 0);
    row("encode CRLF, NUL masked", &source, |src, dst| {
        encode_with(BodyRules::new().with_mask_nul(true), src, dst)
    });
    row("measure CRLF", &source, measure);
    row("measure LF", &text::lines(MESSAGE, b"\n", b".", 0), measure);
    row("top, all lines", &source, |src, _| {
        let mut filter = TopFilter::new(u64::MAX);
        src.chunks(PIECE).map(|piece| filter.take(piece).0.len()).sum()
    });
    row("decode, empty lines", &b"\r\n".repeat(MESSAGE / 2), decode);
    row("encode LF, empty lines", &vec![b'\n'; MESSAGE], encode);
    row("decode, dot lines", &b"..\r\n".repeat(MESSAGE / 4), decode);
    row("encode LF, dot lines", &b".\n".repeat(MESSAGE / 2), encode);
    row("decode, no line ends", &vec![b'x'; MESSAGE], decode);
    row("encode, no line ends", &vec![b'x'; MESSAGE], encode);
}

/// One search and one copy of all octets.
fn baseline(src: &[u8], dst: &mut [u8]) -> usize {
    let mut found = 0;
    for piece in src.chunks(PIECE) {
        found += memmem::find_iter(piece, b"\r\n.\r\n").count();
        dst[..piece.len()].copy_from_slice(piece);
        black_box(&mut *dst);
    }
    found
}

fn decode(src: &[u8], dst: &mut [u8]) -> usize {
    let mut decoder = BodyDecoder::new();
    let mut octets = 0;
    for piece in src.chunks(PIECE) {
        let (mut rest, mut at) = (piece, 0);
        loop {
            let (taken, step) = decoder.decode(rest);
            rest = &rest[taken..];
            let BodyStep::Chunk(chunk) = step else { break };
            dst[at..at + chunk.len()].copy_from_slice(chunk);
            at += chunk.len();
        }
        black_box(&mut *dst);
        octets += at;
    }
    octets
}

fn encode(src: &[u8], dst: &mut [u8]) -> usize {
    encode_with(BodyRules::new(), src, dst)
}

fn encode_with(rules: BodyRules, src: &[u8], dst: &mut [u8]) -> usize {
    let mut encoder = BodyEncoder::new(rules);
    let mut octets = 0;
    for mut piece in src.chunks(PIECE) {
        while !piece.is_empty() {
            let progress = encoder.encode(piece, dst);
            piece = &piece[progress.read..];
            octets += progress.written;
            black_box(&mut *dst);
        }
    }
    octets
}

fn measure(src: &[u8], _: &mut [u8]) -> usize {
    let mut measure = Measure::new(BodyRules::new());
    src.chunks(PIECE).for_each(|piece| measure.update(piece));
    usize::try_from(measure.finish()).unwrap_or(0)
}

fn row(name: &str, src: &[u8], candidate: impl Fn(&[u8], &mut [u8]) -> usize) {
    // Copies are slow on some machines when both sides lie at nearly the same place of a page: not ours to measure.
    let mut storage = vec![0u8; PIECE + 1000];
    let dst = &mut storage[1000..];
    let mut time = |f: &dyn Fn(&[u8], &mut [u8]) -> usize| {
        let start = Instant::now();
        black_box(f(black_box(src), dst));
        start.elapsed().as_secs_f64()
    };
    let mut pairs: Vec<_> = (0..PAIRS).map(|_| (time(&baseline), time(&candidate))).collect();
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (base, own) = pairs[PAIRS / 2];
    let speed = |seconds: f64| src.len() as f64 / seconds / 1e6;
    println!("{name:<40} {:>9.0} {:>9.0} {:>6.2}", speed(own), speed(base), base / own);
}
