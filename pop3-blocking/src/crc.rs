//! The CRC-32 of IEEE 802.3: it finds every change of up to 32 neighbouring bits.

/// `TABLES[0]` is the effect of one octet, `TABLES[n]` that of one with `n` more behind it.
static TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut sum = index as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        tables[0][index] = sum;
        index += 1;
    }
    let mut behind = 1;
    while behind < 8 {
        let mut index = 0;
        while index < 256 {
            let sum = tables[behind - 1][index];
            tables[behind][index] = (sum >> 8) ^ tables[0][(sum & 0xff) as usize];
            index += 1;
        }
        behind += 1;
    }
    tables
};

/// The sum of what is given in pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    pub(crate) const fn new() -> Self {
        Self(!0)
    }

    pub(crate) fn update(&mut self, octets: &[u8]) {
        let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
        let mut eights = octets.chunks_exact(8);
        for eight in &mut eights {
            let &[a, b, c, d, e, f, g, h] = eight else { break };
            let [i, j, k, l] = (self.0 ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
            let at = |table: &[u32; 256], octet: u8| table[usize::from(octet)];
            self.0 =
                at(t7, i) ^ at(t6, j) ^ at(t5, k) ^ at(t4, l) ^ at(t3, e) ^ at(t2, f) ^ at(t1, g) ^ at(t0, h);
        }
        for &octet in eights.remainder() {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = (self.0 >> 8) ^ t0[usize::from(low ^ octet)];
        }
    }

    pub(crate) const fn sum(self) -> u32 {
        !self.0
    }
}

/// The sum of `octets`.
pub(crate) fn crc32(octets: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    crc.update(octets);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_other_programs() {
        // zlib's crc32(): of the test string of all catalogues, of nothing, of a line of a journal, of 43 octets, of four times 0 to 255.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"+ 1700000000 QhdPYR:00WBw1Ph7x7"), 0x8d8f_0820);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414f_a339);
        let octets: Vec<u8> = (0..1024).map(|n| n as u8).collect();
        assert_eq!(crc32(&octets), 0xb70b_4c26);
    }

    #[test]
    fn pieces_make_no_difference() {
        let octets: Vec<u8> = (0..100_u8).map(|n| n.wrapping_mul(151)).collect();
        for cut in 0..octets.len() {
            let (one, other) = octets.split_at(cut);
            let mut crc = Crc32::new();
            crc.update(one);
            crc.update(other);
            assert_eq!(crc.sum(), crc32(&octets), "{cut}");
        }
    }
}
