//! Text such as mail has.

/// `octets` of text or little more: an empty line, then lines of 60 to 76 octets of which each `every`th begins with `dot`.
pub(crate) fn lines(octets: usize, end: &[u8], dot: &[u8], every: usize) -> Vec<u8> {
    let mut out = end.to_vec();
    for n in 1usize.. {
        if out.len() >= octets {
            break;
        }
        if every != 0 && n % every == 0 {
            out.extend(dot);
        }
        let length = 60 + n * 7 % 17;
        out.extend((0..length).map(|i| b"the quick brown fox. jumps over 13 lazy dogs, "[(n + i) % 46]));
        out.extend(end);
    }
    out
}
