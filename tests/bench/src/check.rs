//! A checksum of what came over the wire, so cheap that it disturbs nothing: four lanes of 8 octets a step.
//!
//! It tells octets that are wrong, missing or out of order by accident; against an adversary it is no use.

const LANE: usize = 8;
const BLOCK: usize = 4 * LANE;
/// Odd, with no pattern in its bits.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The sum so far.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    lanes: [u64; 4],
    /// Octets that do not fill a block yet.
    kept: [u8; BLOCK],
    octets: u64,
}

impl Check {
    pub(crate) const fn new() -> Self {
        Self { lanes: [1, 2, 3, 4], kept: [0; BLOCK], octets: 0 }
    }

    /// Takes more octets in. Where the input is cut makes no difference.
    pub(crate) fn update(&mut self, mut octets: &[u8]) {
        let held = (self.octets % BLOCK as u64) as usize;
        self.octets += octets.len() as u64;
        if held > 0 {
            let missing = BLOCK - held;
            let Some((first, rest)) = octets.split_at_checked(missing) else {
                self.kept[held..held + octets.len()].copy_from_slice(octets);
                return;
            };
            self.kept[held..].copy_from_slice(first);
            self.lanes = mixed(self.lanes, &self.kept);
            octets = rest;
        }
        let (blocks, rest) = octets.as_chunks::<BLOCK>();
        self.lanes = blocks.iter().fold(self.lanes, mixed);
        self.kept[..rest.len()].copy_from_slice(rest);
    }

    /// The sum, and how many octets it is of.
    pub(crate) fn finish(mut self) -> (u64, u64) {
        let held = (self.octets % BLOCK as u64) as usize;
        self.kept[held..].fill(0);
        let lanes = mixed(self.lanes, &self.kept);
        let sum =
            lanes.iter().fold(self.octets, |sum, lane| (sum.rotate_left(23) ^ lane).wrapping_mul(FACTOR));
        (sum, self.octets)
    }
}

fn mixed(mut lanes: [u64; 4], block: &[u8; BLOCK]) -> [u64; 4] {
    for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<LANE>().0) {
        *lane = (lane.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(octets: &[u8]) -> (u64, u64) {
        let mut check = Check::new();
        check.update(octets);
        check.finish()
    }

    #[test]
    fn a_cut_makes_no_difference_and_a_change_does() {
        let octets: Vec<u8> = (0..200u32).map(|i| (i * 7) as u8).collect();
        let sum = whole(&octets);
        for first in 0..=octets.len() {
            for second in [first, (first + 1).min(octets.len()), octets.len()] {
                let mut check = Check::new();
                check.update(&octets[..first]);
                check.update(&octets[first..second]);
                check.update(&octets[second..]);
                assert_eq!(check.finish(), sum, "{first} {second}");
            }
        }
        for at in 0..octets.len() {
            let mut other = octets.clone();
            other[at] ^= 1;
            assert_ne!(whole(&other), sum, "{at}");
            assert_ne!(whole(&octets[..at]), sum, "{at}");
        }
        assert_ne!(whole(&[0; 3]), whole(&[0; 4]));
    }
}
