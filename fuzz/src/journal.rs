//! The journal of what was fetched: any file in its place, and damage to one of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pop3_blocking::delivery::{Journal, JournalError};

use crate::plan::Plan;
use crate::scratch::{Scratch, opened, sealed};

const ACCOUNT: &str = "pops://alice@h";
const HEADER: &[u8] = b"pop3-journal 1 pops://alice@h\n";

/// The octets that a word stands for.
fn unescaped(word: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut rest = word.iter().copied();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let fits = digits.iter().all(u8::is_ascii_hexdigit);
                u8::from_str_radix(core::str::from_utf8(&digits).ok().filter(|_| fits)?, 16).ok()?
            }
            0x21..=0x7e => octet,
            _ => return None,
        });
    }
    Some(octets)
}

/// The ids that are held, and how many whole lines say nothing; `None` if it is no journal of this account.
fn naive(file: &[u8]) -> Option<(BTreeSet<Vec<u8>>, usize)> {
    let rest = match file.strip_prefix(HEADER) {
        Some(rest) => rest,
        None => return HEADER.starts_with(file).then(Default::default),
    };
    let (mut ids, mut damaged) = (BTreeSet::new(), 0);
    for line in rest.split_inclusive(|&octet| octet == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { continue };
        let record = opened(line).and_then(|text| {
            let words: Vec<&[u8]> = text.splitn(3, |&octet| octet == b' ').collect();
            let [mark @ (b"+" | b"?" | b"-"), time, id] = words[..] else { return None };
            let digits = !time.is_empty() && time.iter().all(u8::is_ascii_digit);
            core::str::from_utf8(time).ok().filter(|_| digits)?.parse::<u64>().ok()?;
            Some((mark == b"-", unescaped(id)?))
        });
        match record {
            None => damaged += 1,
            Some((true, id)) => drop(ids.remove(&id)),
            Some((false, id)) => drop(ids.insert(id)),
        }
    }
    Some((ids, damaged))
}

fn ids_of(journal: &Journal, known: &BTreeSet<Vec<u8>>) {
    assert_eq!(journal.len(), known.len());
    assert_eq!(journal.is_empty(), known.is_empty());
    assert!(known.iter().all(|id| journal.contains(id)), "an id was lost");
}

fn open(path: &Path) -> Result<Journal, JournalError> {
    Journal::open(path, ACCOUNT)
}

/// Any file is read as a naive reader does, or refused and left as it is; what is then noted, forgotten and not listed any
/// more is so after each opening; and damage in one place costs no id but those of the line that is told to be damaged or
/// torn off at the end.
pub fn journal(input: &[u8]) {
    let mut plan = Plan::new(input);
    let scratch = Scratch::new();
    let path = scratch.path().join("journal");
    let kind = plan.next();
    let missing = kind.is_multiple_of(5);
    let text = plan.piece();
    let file = match kind % 4 {
        0 => text.to_vec(),
        1 => [HEADER, text].concat(),
        _ => [HEADER, &sealed(text)[..]].concat(),
    };
    if !missing {
        fs::write(&path, &file).expect("a file");
    }
    let mut known = BTreeSet::new();
    let mut journal = match open(&path) {
        Err(error) => {
            assert!(missing || naive(&file).is_none(), "{error}");
            assert!(!error.to_string().is_empty());
            assert_eq!(fs::read(&path).expect("a file"), file, "a file that is no journal was changed");
            return;
        }
        Ok(journal) if missing => journal,
        Ok(journal) => {
            let Some((ids, damaged)) = naive(&file) else { panic!("{} was taken", file.escape_ascii()) };
            assert_eq!(journal.damaged(), damaged);
            known = ids;
            journal
        }
    };
    ids_of(&journal, &known);
    assert!(matches!(open(&path), Err(JournalError::Busy { .. })), "two runs at once");
    let mut now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    // The file may say of an id that it is missing since long ago: one that is listed is not.
    let all: Vec<&Vec<u8>> = known.iter().collect();
    let retained = journal.retain_seen(now, &all).expect("room for marks");
    assert_eq!((retained.listed, retained.dropped), (all.len(), 0));
    for _ in 0..plan.below(12) {
        let choice = plan.next();
        let id = plan.piece().to_vec();
        match choice % 8 {
            0..=3 => {
                journal.record(&id).expect("room for an id");
                known.insert(id);
            }
            4 => {
                journal.forget([&id]).expect("room for an id");
                known.remove(&id);
            }
            5 => {
                // All but one are listed: nothing goes before its time.
                let listed: Vec<&Vec<u8>> = known.iter().filter(|known| **known != id).collect();
                let retained = journal.retain_seen(now, &listed).expect("room for marks");
                assert_eq!((retained.listed, retained.dropped), (listed.len(), 0));
                now += Duration::from_secs(u64::from(choice) * 1000);
            }
            6 => assert_eq!(journal.compact().ok(), Some(false)),
            _ => {
                drop(journal);
                journal = open(&path).expect("a journal of its own");
            }
        }
        ids_of(&journal, &known);
    }
    drop(journal);
    ids_of(&open(&path).expect("a journal of its own"), &known);
    let mut file = fs::read(&path).expect("a file");
    let (at, change) = (usize::from(plan.next()) << 8 | usize::from(plan.next()), plan.next());
    let at = at % file.len();
    if change == 0 {
        file.truncate(at);
    } else {
        file[at] ^= change;
    }
    fs::write(&path, &file).expect("a file");
    match (open(&path), naive(&file)) {
        (Ok(journal), Some((ids, damaged))) => {
            ids_of(&journal, &ids);
            assert_eq!(journal.damaged(), damaged);
            // A line that made an id known, or unknown, is the only one that can be missing.
            let differ = known.symmetric_difference(&ids).count();
            assert!(change == 0 || differ <= 2, "{differ} ids by one octet");
            let torn = !file.ends_with(b"\n");
            assert!(differ == 0 || change == 0 || damaged > 0 || torn, "an id was lost in silence");
        }
        (Err(error), None) => assert!(at < HEADER.len(), "{error}"),
        (journal, naive) => panic!("{journal:?} but {naive:?}"),
    }
}
