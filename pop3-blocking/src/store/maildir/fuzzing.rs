//! Names and the list of unique-ids, for [`crate::fuzzing`].

use std::path::{Path, PathBuf};

use super::name::Arrival;
use super::template::Template;
use super::uid_list::{Header, Line, Reader, Surrogate, Writer};

/// A list, header and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "for one caller, which makes them")]
pub struct UidList {
    /// The first half of every id.
    pub validity: u32,
    /// The number of the next message.
    pub next: u32,
    /// Stands for the rules of bodies.
    pub rules: u32,
    /// Whether the lines tell of surrogates.
    pub surrogates: bool,
    /// The messages.
    pub lines: Vec<UidLine>,
    /// How many lines were passed over, and whether some are missing at the end.
    pub damage: (u64, bool),
}

/// A message of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "for one caller, which makes them")]
pub struct UidLine {
    /// The second half of its id.
    pub uid: u32,
    /// Its octets on the wire, if they were counted.
    pub octets: Option<u64>,
    /// Those of its surrogate: `None` if nobody looked, `Some(None)` if it has none.
    pub surrogate: Option<Option<u64>>,
    /// The size of the file.
    pub size: u64,
    /// When it was last changed.
    pub mtime: i64,
    /// The base of its name.
    pub base: Vec<u8>,
}

/// What a list becomes when it is written: its octets, and the ids of its messages.
pub type WroteUidList = (Vec<u8>, Vec<[u8; 16]>);

/// Reads a list. `None`: it cannot be used. `Err`: it must be left alone.
///
/// # Errors
///
/// It is of a later version.
pub fn read_uid_list(text: &[u8]) -> Result<Option<UidList>, String> {
    let mut reader = Reader::new(text);
    let Some(header) = reader.header().map_err(|error| error.to_string())? else { return Ok(None) };
    let mut lines = Vec::new();
    while let Some(line) = reader.next().map_err(|error| error.to_string())? {
        lines.push(UidLine {
            uid: line.uid,
            octets: line.octets,
            surrogate: match line.surrogate {
                Surrogate::Unknown => None,
                Surrogate::None => Some(None),
                Surrogate::Octets(octets) => Some(Some(octets)),
            },
            size: line.size,
            mtime: line.mtime,
            base: line.base.to_vec(),
        });
    }
    let Header { validity, next, rules, surrogates } = header;
    Ok(Some(UidList { validity, next, rules, surrogates, lines, damage: reader.damage() }))
}

/// Writes a list.
///
/// # Errors
///
/// None, as memory takes all.
pub fn write_uid_list(list: &UidList) -> std::io::Result<WroteUidList> {
    let UidList { validity, next, rules, surrogates, .. } = *list;
    let header = Header { validity, next, rules, surrogates };
    let mut writer = Writer::begin(Vec::new(), header)?;
    for line in &list.lines {
        writer.line(&Line {
            uid: line.uid,
            octets: line.octets,
            surrogate: match line.surrogate {
                None => Surrogate::Unknown,
                Some(None) => Surrogate::None,
                Some(Some(octets)) => Surrogate::Octets(octets),
            },
            size: line.size,
            mtime: line.mtime,
            base: &line.base,
        })?;
    }
    Ok((writer.end()?, list.lines.iter().map(|line| header.unique_id(line.uid)).collect()))
}

/// The base of a file name that can be a message's.
pub fn base_of(name: &[u8]) -> Option<&[u8]> {
    super::name::base_of(name).ok()
}

/// How `one` and `other` were delivered, as far as their bases tell: seconds, and which is older.
pub fn arrival(one: &[u8], other: &[u8]) -> (Option<u64>, core::cmp::Ordering) {
    let (one, other) = (Arrival::of(one), Arrival::of(other));
    (one.map(|arrival| arrival.seconds), one.cmp(&other))
}

/// The Maildir of `user` by a template.
pub fn maildir_of(template: &str, user: &str) -> Option<PathBuf> {
    Template::new(Path::new(template)).ok()?.path(user)
}
