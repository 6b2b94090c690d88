use core::time::Duration;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::io::Errno;

use super::super::fault::{FaultFs, What};
use super::super::model::ModelFs;
use super::super::scratch::Scratch;
use super::*;

const ACCOUNT: &str = "pops://alice@mail.example.org:995";
const PATH: &str = "/journal";
const DAY: Duration = Duration::from_secs(86_400);

fn open(fs: &ModelFs) -> Journal {
    Journal::open_on(fs.shared(), Path::new(PATH), ACCOUNT).unwrap()
}

/// The ids of PB-C21 and R15, and some that look like parts of the file.
fn ids() -> Vec<Vec<u8>> {
    let mut ids: Vec<Vec<u8>> =
        ["/", "..", ".", "\\", ":", "~", "%00", "", "+ 1 a", "pop3-journal 1 x", "QhdPYR:00WBw1"]
            .map(|id| id.as_bytes().to_vec())
            .into();
    ids.extend([b"\0".to_vec(), b"\r\n- 1 %00".to_vec(), b"\x1b[2J".to_vec(), (0..=255).collect()]);
    ids.extend([70, 71, MAX_ID].map(|octets| vec![b'u'; octets]));
    ids.push(vec![0xff; MAX_ID]);
    ids
}

#[test]
fn pb_c21_any_octets_can_be_an_id() {
    let scratch = Scratch::new();
    let path = scratch.path("state/alice.journal");
    let mut journal = Journal::open(&path, ACCOUNT).unwrap();
    for (count, id) in ids().iter().enumerate() {
        assert!(!journal.contains(id));
        journal.record(id).unwrap();
        journal.record(id).unwrap();
        assert!(journal.contains(id));
        assert_eq!(journal.len(), count + 1);
    }
    let limit = vec![b'u'; MAX_ID + 1];
    assert!(matches!(journal.record(&limit), Err(JournalError::TooLong { limit: 8192, octets: 8193 })));
    drop(journal);
    let journal = Journal::open(&path, ACCOUNT).unwrap();
    assert!(ids().iter().all(|id| journal.contains(id)));
    assert_eq!((journal.len(), journal.damaged()), (ids().len(), 0));
    let text = fs::read(&path).unwrap();
    assert!(text.iter().all(|&b| b == b'\n' || b == b' ' || b.is_ascii_graphic()));
    assert_eq!(text.split(|&b| b == b'\n').count(), 1 + ids().len() + 1);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(scratch.names("state"), ["alice.journal", "alice.journal.lock"]);
}

#[test]
fn pb_c20_cut_at_every_octet_the_whole_records_count() {
    let fs = ModelFs::new();
    let ids = [&b"a"[..], b"%\0 \n", b"", &[b'u'; 71], b"b"];
    let mut ends = Vec::new();
    let mut journal = open(&fs);
    for id in ids {
        journal.record(id).unwrap();
        ends.push(fs.content(PATH).unwrap().len());
    }
    journal.forget([b"a"]).unwrap();
    drop(journal);
    let text = fs.content(PATH).unwrap();
    for cut in 0..=text.len() {
        let fs = ModelFs::new();
        fs.place(PATH, Some(&text[..cut]));
        let mut journal = open(&fs);
        let mut whole: BTreeSet<&[u8]> =
            ids.iter().zip(&ends).filter(|&(_, &end)| end <= cut).map(|(&id, _)| id).collect();
        if cut == text.len() {
            whole.remove(&b"a"[..]);
        }
        let found: BTreeSet<&[u8]> = journal.entries.keys().map(|id| &**id).collect();
        assert_eq!((found, journal.damaged()), (whole.clone(), 0), "cut at {cut}");
        journal.record(b"new").unwrap();
        drop(journal);
        let journal = open(&fs);
        assert!(journal.contains(b"new") && whole.iter().all(|id| journal.contains(id)), "cut at {cut}");
        assert_eq!((journal.len(), journal.damaged()), (whole.len() + 1, 0), "cut at {cut}");
    }
}

#[test]
fn pb_c20_a_damaged_line_costs_its_own_id_only() {
    let fs = ModelFs::new();
    let mut journal = open(&fs);
    for id in [b"a", b"b", b"c"] {
        journal.record(id).unwrap();
    }
    drop(journal);
    let text = fs.content(PATH).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
    let long = [vec![b'x'; 200_000], b"\n".to_vec()].concat();
    for damage in [&b"\n"[..], b"garbage\n", b"00000000 + 1 b\n", &[0; 70_000], &long] {
        let fs = ModelFs::new();
        let end = if damage.ends_with(b"\n") { &b""[..] } else { b"\n" };
        fs.place(PATH, Some(&[lines[0], lines[1], damage, end, lines[3]].concat()));
        let journal = open(&fs);
        assert!(journal.contains(b"a") && !journal.contains(b"b") && journal.contains(b"c"));
        assert_eq!((journal.len(), journal.damaged()), (2, 1));
    }
    // At the end and without LF the same is a torn record, however long.
    for torn in [&long[..200_000], &[0; 4096], b"x"] {
        let fs = ModelFs::new();
        fs.place(PATH, Some(&[&text, torn].concat()));
        let journal = open(&fs);
        assert_eq!((journal.len(), journal.damaged()), (3, 0));
        assert_eq!(fs.content(PATH).unwrap(), text);
    }
}

#[test]
fn pb_c20_what_is_not_our_journal_is_left_alone() {
    let ours = String::from_utf8(header(ACCOUNT)).unwrap();
    let other = String::from_utf8(header("pops://bob@mail.example.org:995")).unwrap();
    for (text, want) in [
        (other.clone(), "OtherAccount"),
        (other[..24].to_owned(), "NotAJournal"),
        (ours.replace(" 1 ", " 2 "), "UnknownVersion"),
        ("From MAILER-DAEMON\n".to_owned(), "NotAJournal"),
        ("\n".to_owned(), "NotAJournal"),
        ("x".repeat(100_000), "NotAJournal"),
    ] {
        let fs = ModelFs::new();
        fs.place(PATH, Some(text.as_bytes()));
        let error = Journal::open_on(fs.shared(), Path::new(PATH), ACCOUNT).unwrap_err();
        assert!(format!("{error:?}").starts_with(want), "{error:?}");
        assert_eq!(fs.content(PATH).unwrap(), text.as_bytes());
    }
    let long = "a".repeat(MAX_ID + 1);
    let error = Journal::open_on(ModelFs::new().shared(), Path::new(PATH), &long).unwrap_err();
    assert_eq!(error.to_string(), "8193 octets, over the limit of 8192");
}

#[test]
fn r36_a_second_run_finds_the_journal_busy() {
    let scratch = Scratch::new();
    let path = scratch.path("journal");
    let mut journal = Journal::open(&path, ACCOUNT).unwrap();
    for round in 0..2 {
        let second = Journal::open(&path, ACCOUNT);
        assert!(matches!(second, Err(JournalError::Busy { .. })), "{round}: {second:?}");
        journal.record(b"a").unwrap();
        journal.rewrite().unwrap(); // the lock must not go with the old file
    }
    drop(journal);
    assert!(Journal::open(&path, ACCOUNT).unwrap().contains(b"a"));
}

#[test]
fn pb_q14_an_id_is_kept_for_thirty_days_of_absence() {
    let fs = ModelFs::new();
    let start = fs.now();
    let mut journal = open(&fs);
    for id in [b"a", b"b", b"c"] {
        journal.record(id).unwrap();
    }
    drop(journal);
    // Each day is a run of its own. Long silence proves nothing: the days count from the first listing without the id.
    for (day, listed, want) in [
        (100, &["a", "b", "c"][..], (3, 0, 0)),
        (140, &["a", "a", "new"], (1, 2, 0)),
        (150, &["b", "a"], (2, 1, 0)),
        (160, &["a"], (1, 2, 0)),
        (169, &["a"], (1, 2, 0)),
        (170, &["a"], (1, 1, 1)), // c, absent since day 140
        (189, &["a"], (1, 1, 0)),
        (10, &["a"], (1, 1, 0)), // a clock set back
        (190, &["a"], (1, 0, 1)),
        (191, &[], (0, 1, 0)),
        (192, &["b", "c"], (0, 1, 0)), // forgotten
        (221, &[], (0, 0, 1)),
        (222, &["a"], (0, 0, 0)),
    ] {
        let mut journal = open(&fs);
        let retained = journal.retain_seen(start + day * DAY, listed).unwrap();
        assert_eq!((retained.listed, retained.absent, retained.dropped), want, "day {day}");
        assert_eq!(journal.len(), want.0 + want.1, "day {day}");
    }
}

#[test]
fn pb_q14_a_listing_that_changes_nothing_writes_nothing() {
    let fs = ModelFs::new();
    let mut journal = open(&fs);
    journal.record(b"a").unwrap();
    let text = fs.content(PATH).unwrap();
    let counting = FaultFs::new(fs.shared(), 0, What::Nothing);
    drop(journal);
    let mut journal = Journal::open_on(counting.shared(), Path::new(PATH), ACCOUNT).unwrap();
    let calls = counting.calls();
    let _retained = journal.retain_seen(fs.now(), ["a"]).unwrap();
    journal.forget(["b"]).unwrap();
    assert!(!journal.compact().unwrap());
    assert_eq!(counting.calls(), calls);
    assert_eq!(fs.content(PATH).unwrap(), text);
}

#[test]
fn r1939_6_4_a_confirmed_deletion_frees_the_id() {
    let fs = ModelFs::new();
    let mut journal = open(&fs);
    for id in [b"a", b"b"] {
        journal.record(id).unwrap();
    }
    journal.forget(["a", "a", "c"]).unwrap();
    assert!(!journal.contains(b"a") && journal.contains(b"b"));
    drop(journal);
    let mut journal = open(&fs);
    assert!(!journal.contains(b"a") && journal.contains(b"b"));
    journal.record(b"a").unwrap();
    drop(journal);
    assert!(open(&fs).contains(b"a"));
}

#[test]
fn pb_c20_dead_records_are_swept_out() {
    let fs = ModelFs::new();
    let mut journal = open(&fs);
    let id = |n: u32| n.to_string().into_bytes();
    for n in 0..1000 {
        journal.record(&id(n)).unwrap();
    }
    journal.forget((0..900).map(id)).unwrap();
    assert!(journal.compact().unwrap(), "1800 dead lines of 1900");
    assert!(!journal.compact().unwrap());
    let text = fs.content(PATH).unwrap();
    assert_eq!(text.split(|&b| b == b'\n').count(), 1 + 100 + 1);
    assert!(fs.content("/journal.tmp").is_none());
    journal.record(b"after").unwrap();
    drop(journal);
    let mut journal = open(&fs);
    assert_eq!(journal.len(), 101);
    assert!((900..1000).all(|n| journal.contains(&id(n))) && journal.contains(b"after"));
    assert_eq!(journal.retain_seen(fs.now() + DAY, [b""; 0]).unwrap().absent, 101);
    journal.rewrite().unwrap();
    drop(journal);
    let retained = open(&fs).retain_seen(fs.now() + 31 * DAY, [b""; 0]).unwrap();
    assert_eq!(retained.dropped, 101, "that they are absent is kept too");
}

#[test]
fn pb_c20_after_a_failed_write_nothing_is_added() {
    for what in [What::Fail(Errno::NOSPC), What::Fail(Errno::IO), What::Lie(Errno::IO)] {
        for at in 0..2 {
            let fs = ModelFs::new();
            open(&fs).record(b"old").unwrap();
            let counting = FaultFs::new(fs.shared(), 0, What::Nothing);
            drop(Journal::open_on(counting.shared(), Path::new(PATH), ACCOUNT).unwrap());
            let failing = FaultFs::new(fs.shared(), counting.calls() + at, what);
            let mut journal = Journal::open_on(failing.shared(), Path::new(PATH), ACCOUNT).unwrap();
            let error = journal.record(b"a").unwrap_err();
            assert_eq!(matches!(error, JournalError::Full(_)), what == What::Fail(Errno::NOSPC), "{error:?}");
            assert!(!journal.contains(b"a") && journal.contains(b"old"));
            for result in [
                journal.record(b"b"),
                journal.record(b"old"),
                journal.forget(["old"]),
                journal.compact().map(drop),
                journal.retain_seen(fs.now(), ["x"]).map(drop),
            ] {
                assert!(matches!(result, Err(JournalError::Unusable)), "{result:?}");
            }
            assert_eq!(journal.len(), 1);
            drop(journal);
            let mut journal = open(&fs);
            assert_eq!((journal.len(), journal.damaged()), (1, 0), "{what:?} {at}");
            journal.record(b"a").unwrap();
        }
    }
}

#[test]
fn pb_c20_a_failed_rewrite_keeps_every_id() {
    for what in [What::Fail(Errno::NOSPC), What::Lie(Errno::IO)] {
        for at in 0..20 {
            let fs = ModelFs::new();
            let mut journal = open(&fs);
            journal.record(b"a").unwrap();
            drop(journal);
            let counting = FaultFs::new(fs.shared(), 0, What::Nothing);
            drop(Journal::open_on(counting.shared(), Path::new(PATH), ACCOUNT).unwrap());
            let failing = FaultFs::new(fs.shared(), counting.calls() + at, what);
            let mut journal = Journal::open_on(failing.shared(), Path::new(PATH), ACCOUNT).unwrap();
            let rewritten = journal.rewrite();
            let recorded = journal.record(b"b");
            let context = format!("{what:?} {at}: {rewritten:?}, {recorded:?}");
            drop(journal);
            let journal = open(&fs);
            assert!(journal.contains(b"a"), "{context}");
            assert!(recorded.is_err() || journal.contains(b"b"), "{context}");
        }
    }
}

#[test]
fn r16_a_file_name_is_made_of_harmless_octets() {
    for (account, want) in [
        (ACCOUNT, "pops%3A%2F%2Falice@mail.example.org%3A995.journal"),
        ("", ".journal"),
        ("../x", "%2E.%2Fx.journal"),
        ("a b%\0", "a%20b%25%00.journal"),
    ] {
        assert_eq!(Journal::file_name(account), want);
    }
    let (one, other) = (format!("{}1", "a".repeat(300)), format!("{}2", "a".repeat(300)));
    assert_ne!(Journal::file_name(&one), Journal::file_name(&other));
    assert!(Journal::file_name(&one).len() <= 200);
}
