//! Names and the list of unique-ids, for [`crate::fuzzing`].

use std::path::{Path, PathBuf};

use super::cache::{self, Scope, Summary};
use super::dirs::{Place, Seal};
use super::name::Arrival;
use super::previous::{read_courier, read_dovecot};
use super::template::Template;
use super::uid_list::{Format, Header, Line, Reader, Surrogate, Writer};
use super::uidl_format::UidlFormat;

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
    /// What the lines tell: 1 for sizes, 2 for surrogates too, 3 for unique-ids of another server too.
    pub format: u8,
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
    /// Its id, if another server gave it.
    pub unique_id: Option<Vec<u8>>,
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
    let read = reader.for_each(|line| {
        lines.push(UidLine {
            uid: line.uid,
            octets: line.octets,
            surrogate: match line.surrogate {
                Surrogate::Unknown => None,
                Surrogate::None => Some(None),
                Surrogate::Octets(octets) => Some(Some(octets)),
            },
            unique_id: line.unique_id.map(<[u8]>::to_vec),
            size: line.size,
            mtime: line.mtime,
            base: line.base.to_vec(),
        });
    });
    read.map_err(|error| error.to_string())?;
    let Header { validity, next, rules, format } = header;
    let format = 1 + format as u8;
    Ok(Some(UidList { validity, next, rules, format, lines, damage: reader.damage() }))
}

/// Writes a list.
///
/// # Errors
///
/// None, as memory takes all.
pub fn write_uid_list(list: &UidList) -> std::io::Result<WroteUidList> {
    let UidList { validity, next, rules, format, .. } = *list;
    let format = match format {
        1 => Format::Sizes,
        2 => Format::Surrogates,
        _ => Format::UniqueIds,
    };
    let header = Header { validity, next, rules, format };
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
            unique_id: line.unique_id.as_deref(),
            size: line.size,
            mtime: line.mtime,
            base: &line.base,
        })?;
    }
    Ok((writer.end()?, list.lines.iter().map(|line| header.unique_id(line.uid)).collect()))
}

/// What a cache holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "for one caller, which looks at it")]
pub struct Cache {
    /// The first half of every id.
    pub validity: u32,
    /// The number of the next message.
    pub next: u32,
    /// The number of each message, its octets, whether it stands in `cur`, and its name.
    pub messages: Vec<(u32, u64, bool, Vec<u8>)>,
    /// The same, as it is written.
    pub written: Vec<u8>,
}

/// The beginning of a cache of certain files, which says for which it holds true.
pub fn cache_beginning() -> Vec<u8> {
    let mut beginning = Vec::new();
    SCOPE.put(&mut beginning);
    beginning
}

const SCOPE: Scope = {
    let seal = Seal { inode: 1, len: 2, modified: 3, changed: 4 };
    Scope { dirs: [seal, seal], list: Some(seal), hidden: None, rules: 5 }
};

/// Reads a cache of those files, of at most so many messages. `None`: it is not believed.
///
/// # Errors
///
/// None, as memory has no faults.
pub fn read_cache(text: &[u8], limit: u32) -> std::io::Result<Option<Cache>> {
    let Some((index, summary)) = cache::parse(text, text.len() as u64, &SCOPE, limit)? else {
        return Ok(None);
    };
    let Summary { validity, next, .. } = summary;
    let messages = index.entries().iter().map(|entry| {
        let (octets, in_cur) = (index.facts(entry).octets, entry.place() == Place::Cur);
        (entry.uid, octets, in_cur, index.name(entry).to_vec())
    });
    let messages = messages.collect();
    let mut written = Vec::new();
    cache::fill(&mut written, &SCOPE, summary, &index)?;
    Ok(Some(Cache { validity, next, messages, written }))
}

/// The bases and ids that a list of Dovecot tells, with ids of this format, or one of Courier.
pub fn previous_ids(format: Option<&str>, list: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut take = |base: &[u8], id: &[u8]| found.push((base.to_vec(), id.to_vec()));
    // Memory has no faults.
    match format.map(str::parse::<UidlFormat>) {
        Some(Ok(format)) => drop(read_dovecot(list, &format, &mut take)),
        Some(Err(_)) => {}
        None => drop(read_courier(list, &mut take)),
    }
    found
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
