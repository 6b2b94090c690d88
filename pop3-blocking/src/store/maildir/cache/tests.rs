//! The cache as it is written and read, whole, cut, damaged and forged.

use super::*;
use crate::crc::crc32;

const fn sealed(inode: u64) -> Seal {
    Seal { inode, len: 4096, modified: 1_700_000_000_123_456_789, changed: -1 }
}

const SCOPE: Scope =
    Scope { dirs: [sealed(1), sealed(2)], list: Some(sealed(3)), hidden: None, rules: 0xdead_beef };

const SUMMARY: Summary = Summary { validity: 0x0123_4567, next: 0x12, skipped: 3 };

fn line(uid: u32, base: &[u8]) -> Line<'_> {
    Line {
        uid,
        octets: Some(1234),
        surrogate: Surrogate::Unknown,
        unique_id: None,
        size: 1200,
        mtime: 1_700_000_000_123_456_789,
        base,
    }
}

fn index() -> Index {
    let mut index = Index::new(10);
    let large = u64::from(u32::MAX) + 1;
    let id = Some(&b"0f"[..]);
    for (line, place, name) in [
        (line(1, b"1.M2P3.host,S=1200"), Place::New, "1.M2P3.host,S=1200"),
        (Line { surrogate: Surrogate::None, ..line(0x11, b"two words") }, Place::Cur, "two words:2,RS"),
        (
            Line { surrogate: Surrogate::Octets(large), octets: Some(u64::MAX), ..line(2, b"a") },
            Place::Cur,
            "a",
        ),
        (
            Line { unique_id: id, size: large, mtime: i64::MIN, ..line(3, "größe".as_bytes()) },
            Place::New,
            "größe",
        ),
    ] {
        assert!(index.add(&line, place, name.as_bytes()));
    }
    assert!(index.finish());
    index
}

fn written() -> Vec<u8> {
    let mut text = Vec::new();
    fill(&mut text, &SCOPE, SUMMARY, &index()).unwrap();
    text
}

fn read_all(text: &[u8]) -> Option<(Index, Summary)> {
    parse(text, text.len() as u64, &SCOPE, 10).unwrap()
}

fn told(index: &Index) -> Vec<String> {
    let told = |entry| format!("{:?} {:?} {:?}", index.line(entry), entry.place(), index.name(entry));
    index.entries().iter().map(told).collect()
}

/// Puts the sum right.
fn summed(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(text.len() - 4);
    text.extend_from_slice(&crc32(&text).to_le_bytes());
    text
}

#[test]
fn what_is_written_is_read() {
    let (found, summary) = read_all(&written()).unwrap();
    assert_eq!((told(&found), summary), (told(&index()), SUMMARY));
    assert_eq!(found.entries().len(), 4);
}

#[test]
fn many_messages_go_through_in_pieces_of_any_size() {
    /// Reads few octets at once.
    struct Slow<'a>(&'a [u8], usize);
    impl Read for Slow<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let Self(text, most) = self;
            let count = room.len().min(*most);
            text.read(&mut room[..count])
        }
    }
    let mut index = Index::new(5000);
    for uid in 1..=5000_u32 {
        let name = format!("{uid}.{}", "x".repeat(uid as usize % 240));
        assert!(index.add(&line(uid, name.as_bytes()), Place::New, name.as_bytes()));
    }
    let summary = Summary { next: 5001, ..SUMMARY };
    let mut text = Vec::new();
    fill(&mut text, &SCOPE, summary, &index).unwrap();
    assert!(text.len() > 5 * PIECE);
    for most in [1, 30, 4096, PIECE, usize::MAX] {
        let (found, _) = parse(Slow(&text, most), text.len() as u64, &SCOPE, 5000).unwrap().unwrap();
        assert_eq!(told(&found), told(&index));
    }
    assert!(parse(&text[..], text.len() as u64, &SCOPE, 4999).unwrap().is_none(), "more than are served");
}

#[test]
fn r38_damage_of_any_octet_and_a_cut_at_any_octet_are_seen() {
    let text = written();
    for at in 0..text.len() {
        assert!(read_all(&text[..at]).is_none(), "cut at {at}");
        // As when the file shrinks while it is read.
        assert!(parse(&text[..at], text.len() as u64, &SCOPE, 10).unwrap().is_none(), "cut at {at}");
        for change in [1, 0x20, 0x80, 0xff] {
            let mut damaged = text.clone();
            damaged[at] ^= change;
            assert!(read_all(&damaged).is_none(), "octet {at}");
        }
    }
    assert!(read_all(&[&text[..], b"x"].concat()).is_none());
}

#[test]
fn it_holds_true_for_the_very_same_files_only() {
    let text = written();
    let other = Seal { inode: 9, ..sealed(1) };
    let len = Seal { len: 4097, ..sealed(1) };
    let modified = Seal { modified: 1_700_000_000_123_456_788, ..sealed(1) };
    let changed = Seal { changed: 0, ..sealed(1) };
    for seal in [other, len, modified, changed] {
        for scope in [
            Scope { dirs: [seal, sealed(2)], ..SCOPE },
            Scope { dirs: [sealed(1), seal], ..SCOPE },
            Scope { list: Some(seal), ..SCOPE },
            Scope { hidden: Some(seal), ..SCOPE },
        ] {
            assert!(parse(&text[..], text.len() as u64, &scope, 10).unwrap().is_none(), "{scope:?}");
        }
    }
    for scope in [Scope { list: None, ..SCOPE }, Scope { rules: 0, ..SCOPE }] {
        assert!(parse(&text[..], text.len() as u64, &scope, 10).unwrap().is_none(), "{scope:?}");
    }
}

#[test]
fn pb_s50_a_forged_cache_leads_nowhere_else() {
    let name = b"1.M2P3.host,S=1200";
    let text = written();
    let at = text.windows(name.len()).position(|part| part == name).unwrap();
    let with = |other: &[u8]| {
        let mut forged = text.clone();
        forged[at..at + name.len()].copy_from_slice(other);
        read_all(&summed(forged))
    };
    assert!(with(b"1.M2P3.host,S=1201").is_some(), "the sum is put right");
    for other in [
        b"../../eve/new/1.1h",
        b"/etc/shadow,S=1200",
        b"sub/1.M2P3.host,S=",
        b".M2P3.host,S=12000",
        b"1.M2P3\0host,S=1200",
        b"1.M2P3\nhost,S=1200",
        b"1.M2P3\xffhost,S=1200",
        b":.M2P3.host,S=1200",
    ] {
        assert!(with(other).is_none(), "{}", other.escape_ascii());
    }
}

#[test]
fn forged_numbers_take_no_memory_and_give_no_id_twice() {
    let text = written();
    let numbers = text.len()
        - 4
        - {
            let mut records = Vec::new();
            let index = index();
            for entry in index.entries() {
                put_record(&index.line(entry), entry.place(), index.name(entry), &mut records);
            }
            records.len()
        }
        - 20;
    let with = |at: usize, number: u32| {
        let mut forged = text.clone();
        forged[numbers + at..numbers + at + 4].copy_from_slice(&number.to_le_bytes());
        read_all(&summed(forged))
    };
    assert!(with(4, 0x12).is_some());
    // Next number, messages, octets of names.
    for (at, number) in [
        (4, 0x11),
        (4, 0),
        (12, 3),
        (12, 5),
        (12, 10),
        (12, 11),
        (12, u32::MAX),
        (16, 0),
        (16, 7),
        (16, 1 << 30),
        (16, u32::MAX),
    ] {
        assert!(with(at, number).is_none(), "{number} at {at}");
    }
    let mut doubled = Index::new(10);
    let id = Some(&b"same"[..]);
    assert!(doubled.add(&Line { unique_id: id, ..line(1, b"a") }, Place::New, b"a"));
    assert!(doubled.add(&Line { unique_id: id, ..line(2, b"b") }, Place::New, b"b"));
    let mut text = Vec::new();
    fill(&mut text, &SCOPE, SUMMARY, &doubled).unwrap();
    assert!(read_all(&text).is_none());
}

#[test]
fn directories_are_still_two_seconds_after_the_last_change() {
    use crate::store::maildir::calls::rig::set_ahead;
    let now = now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let now = i64::try_from(now).unwrap();
    let (old, new) = (Seal { modified: 0, changed: 0, ..sealed(1) }, now - 1_000_000_000);
    assert!(is_still([old, old]));
    for young in [
        [Seal { modified: new, ..old }, old],
        [Seal { changed: new, ..old }, old],
        [old, Seal { modified: new, ..old }],
        [old, Seal { changed: new, ..old }],
        // By a clock that is ahead.
        [old, Seal { changed: i64::MAX, ..old }],
    ] {
        assert!(!is_still(young), "{young:?}");
    }
    let young = [old, Seal { changed: new, ..old }];
    set_ahead(Duration::from_millis(900));
    assert!(!is_still(young));
    set_ahead(Duration::from_millis(1000));
    assert!(is_still(young));
}
