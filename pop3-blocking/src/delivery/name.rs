//! Names for message files: made here, from the clock, the process and the host, never from what a server sent (R16).

use core::fmt::Write;
use core::hash::{BuildHasher, Hasher};
use core::sync::atomic::{AtomicU64, Ordering};
use std::hash::RandomState;
use std::time::SystemTime;

/// The longest part of a host name that is used, in octets before escaping.
const HOST: usize = 64;

/// Makes names of the form `SECONDS.MmicrosecondsPprocessQcountRrandom.HOST`, no two of them equal.
#[derive(Debug)]
pub(super) struct Namer {
    host: String,
    random: u64,
}

impl Namer {
    pub(super) fn new() -> Self {
        Self::for_host(rustix::system::uname().nodename().to_bytes())
    }

    fn for_host(host: &[u8]) -> Self {
        // Two containers may share host name and process number; the standard library's hash seed differs.
        Self { host: escape_host(host), random: RandomState::new().build_hasher().finish() }
    }

    pub(super) fn next(&self, now: SystemTime) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let time = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!(
            "{}.M{}P{}Q{}R{:016x}.{}",
            time.as_secs(),
            time.subsec_micros(),
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed),
            self.random,
            self.host
        )
    }
}

/// Writes `/`, `:` and whatever else does not belong into a file name as a backslash and three octal digits.
fn escape_host(host: &[u8]) -> String {
    let mut name = String::new();
    for &octet in host.iter().take(HOST) {
        if octet.is_ascii_graphic() && !matches!(octet, b'/' | b':' | b'\\') {
            name.push(char::from(octet));
        } else if write!(name, "\\{octet:03o}").is_err() {
            break; // a String takes everything
        }
    }
    if name.is_empty() { "localhost".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn r16_the_host_is_escaped() {
        for (host, want) in [
            (&b"mail.example.org"[..], "mail.example.org"),
            (b"a/b:c", "a\\057b\\072c"),
            (b"..", ".."),
            (b"a b\\\n\xff\0", "a\\040b\\134\\012\\377\\000"),
            (b"", "localhost"),
        ] {
            assert_eq!(escape_host(host), want);
        }
        assert_eq!(escape_host(&[b':'; 1000]).len(), 4 * HOST);
    }

    #[test]
    fn r16_ten_thousand_names_in_one_instant_differ() {
        let namers = [Namer::for_host(b"h"), Namer::for_host(b"h")];
        let names: HashSet<_> = (0..10_000).map(|n| namers[n % 2].next(SystemTime::UNIX_EPOCH)).collect();
        assert_eq!(names.len(), 10_000);
        assert_ne!(namers[0].random, namers[1].random);
        assert!(names.iter().all(|name| name.len() < 255 && name.starts_with("0.M0P")));
    }
}
