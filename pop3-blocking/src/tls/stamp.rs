//! Whether a file has changed since it was looked at: [`Stamp`].

use std::path::Path;

/// What a file looks like from outside: which one it is, how large, when it changed. Equal stamps mean the same content,
/// but for a program that writes as many octets into the same file twice within a tick of the file system's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp(Option<Facts>);

#[cfg(unix)]
type Facts = (u64, u64, u64, [i64; 4]);
#[cfg(not(unix))]
type Facts = (u64, Option<std::time::SystemTime>);

impl Stamp {
    /// The file at `path`, behind symbolic links; one that cannot be looked at is like no other.
    pub(super) fn of(path: &Path) -> Self {
        Self(std::fs::metadata(path).ok().map(|facts| take(&facts)))
    }
}

#[cfg(unix)]
fn take(facts: &std::fs::Metadata) -> Facts {
    use std::os::unix::fs::MetadataExt;
    let times = [facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec()];
    (facts.dev(), facts.ino(), facts.size(), times)
}

#[cfg(not(unix))]
fn take(facts: &std::fs::Metadata) -> Facts {
    (facts.len(), facts.modified().ok())
}
