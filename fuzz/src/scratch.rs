//! A folder of its own for each input that needs files, in memory if the system has such a place.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

/// A folder that goes when the value does.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { env::temp_dir() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = place.join(format!("pop3-fuzz-{}-{number}", process::id()));
        fs::create_dir(&path).expect("a place for files");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// CRC-32 as zlib has it, the slow way.
pub(crate) fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |sum, &octet| {
        (0..8).fold(
            sum ^ u32::from(octet),
            |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

/// Puts the right sum in front of each line, as no fuzzer finds it.
pub(crate) fn sealed(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.split_inclusive(|&octet| octet == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend(format!("{:08x} ", crc32(bare)).bytes());
        out.extend(line);
    }
    out
}

/// What follows the sum in front of a line, if it is right.
pub(crate) fn opened(line: &[u8]) -> Option<&[u8]> {
    let text = line.get(9..)?;
    (line[..9] == *format!("{:08x} ", crc32(text)).as_bytes()).then_some(text)
}
