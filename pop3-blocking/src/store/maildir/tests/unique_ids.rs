//! Unique-ids and the list that keeps them (rows R1939-7.2, R1939-7.3).

use super::*;

#[test]
fn r1939_7_2_ids_are_sixteen_digits_and_pb_s42_equal_mails_differ() {
    let ids = Fixture::with(&["new/1.1.h", "new/1.2.h", "cur/1.3.h:2,"]).ids();
    assert!(
        ids.iter()
            .all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
    );
    assert!(distinct(&ids) && ids.len() == 3);
    assert!(ids.iter().all(|id| id[..8] == ids[0][..8]));
}

#[test]
fn r1939_7_3_ids_outlive_sessions_moves_flags_and_new_mail() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h"]);
    let ids = fixture.ids();
    fixture.rename("new/1.1.h", "cur/1.1.h:2,");
    assert_eq!(fixture.ids(), ids);
    fixture.rename("cur/1.1.h:2,", "cur/1.1.h:2,FS");
    fixture.deliver("new/1.2.h", "A: b\n\n");
    let three = fixture.ids();
    assert_eq!((&three[0], &three[2]), (&ids[0], &ids[1]));
    assert!(distinct(&three));
    fixture.rename("cur/1.1.h:2,FS", "new/1.1.h");
    fixture.rename("new/1.2.h", "cur/1.2.h");
    assert_eq!(fixture.ids(), three);
}

#[test]
fn r1939_7_3_ids_are_never_given_again() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h", "new/3.1.h"]);
    let mut seen = fixture.ids();
    // Removed here, or by another program; delivered again under the same name, or another.
    assert_eq!(fixture.commit(&[3]).unwrap(), Committed::new(1));
    fixture.deliver("new/3.1.h", "A: b\n\n");
    seen.push(fixture.ids().pop().unwrap());
    fixture.remove("new/3.1.h");
    assert_eq!(fixture.ids(), seen[..2]);
    fixture.deliver("new/3.1.h", "A: b\n\n");
    seen.push(fixture.ids().pop().unwrap());
    assert_eq!(fixture.commit(&[1, 2, 3]).unwrap(), Committed::new(3));
    assert!(fixture.ids().is_empty());
    for name in ["new/1.1.h", "new/4.1.h"] {
        fixture.deliver(name, "A: b\n\n");
    }
    seen.extend(fixture.ids());
    assert!(distinct(&seen) && seen.len() == 7, "{seen:?}");
    assert!(seen.iter().all(|id| id[..8] == seen[0][..8]), "one list throughout");
}

#[test]
fn r1939_7_3_a_maildir_made_anew_has_other_ids() {
    let one = Fixture::with(&["new/1.1.h"]);
    let ids = one.ids();
    fs::remove_file(one.list_file()).unwrap();
    assert_ne!(one.ids(), ids);
}

#[test]
fn r1939_7_3_when_numbers_run_out_all_ids_change() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h"]);
    let before = fixture.ids();
    let root = fs::File::open(fixture.path("")).unwrap();
    let rules = uid_list::rules_tag(BodyRules::default());
    let header = Header {
        validity: u32::from_str_radix(&before[0][..8], 16).unwrap(),
        next: u32::MAX - 1,
        rules,
        format: Format::Sizes,
    };
    uid_list::write(&root, &Lock::take(&root).unwrap(), header, |writer| {
        writer.line(&Line {
            uid: u32::MAX - 2,
            octets: None,
            surrogate: Surrogate::Unknown,
            unique_id: None,
            size: 0,
            mtime: 0,
            base: b"1.1.h",
        })
    })
    .unwrap();
    let last = fixture.ids();
    assert_eq!((&last[0][8..], &last[1][8..]), ("fffffffd", "fffffffe"));
    fixture.deliver("new/3.1.h", "A: b\n\n");
    let after = fixture.ids();
    assert!(after.iter().all(|id| id[..8] != before[0][..8]) && distinct(&after) && after.len() == 3);
}

#[test]
fn r1939_7_3_damage_of_the_list_loses_ids_but_never_mixes_them() {
    let names = ["new/1.1.h", "cur/2.1.h:2,S", "new/3.1.h"];
    let fixture = Fixture::with(&names);
    let ids = fixture.ids();
    let good = fs::read(fixture.list_file()).unwrap();
    let lines: Vec<&[u8]> = good.split_inclusive(|&octet| octet == b'\n').collect();
    let doubled = [&good[..], &good].concat();
    let (mut damaged, mut expected) = (Vec::new(), Vec::new());
    let mut case = |text: Vec<u8>, kept: Option<usize>| {
        damaged.push(text);
        expected.push(kept);
    };
    case(Vec::new(), Some(0));
    case(b"\n".to_vec(), Some(0));
    case(vec![0; 8192], Some(0));
    case(vec![b'x'; 100_000], Some(0));
    case(lines[1..].concat(), Some(0));
    case(lines[..1].concat(), Some(0));
    case(lines[..2].concat(), Some(1));
    case(lines[..4].concat(), Some(3));
    case([lines[0], lines[3], lines[1], lines[2], lines[4]].concat(), Some(3));
    case([lines[0], b"garbage\n", lines[1], b"\xff\n", lines[2], lines[3]].concat(), Some(3));
    case([lines[0], lines[1], lines[1], lines[1], lines[4]].concat(), Some(1));
    case(doubled, Some(3));
    for at in (0..good.len()).step_by(3) {
        let mut text = good.clone();
        text[at] ^= 0x15;
        case(text, None);
    }
    let mut ever = ids.clone();
    for (text, kept) in damaged.into_iter().zip(expected) {
        fs::write(fixture.list_file(), &text).unwrap();
        let now = fixture.ids();
        assert_eq!(now.len(), 3);
        let same = now.iter().zip(&ids).filter(|(now, old)| now == old).count();
        assert!(kept.is_none_or(|kept| kept == same), "{} of {kept:?}: {}", same, text.escape_ascii());
        for (at, id) in now.iter().enumerate() {
            let position = ids.iter().position(|old| old == id);
            assert!(position.is_none_or(|position| position == at), "the id of another message");
        }
        assert_eq!(fixture.ids(), now, "mended");
        ever.extend(now);
    }
    // Two lines with one number: by hand only, sums are right.
    let root = fs::File::open(fixture.path("")).unwrap();
    let header = Header { validity: 7, next: 2, rules: 0, format: Format::Sizes };
    uid_list::write(&root, &Lock::take(&root).unwrap(), header, |writer| {
        let line = Line {
            uid: 1,
            octets: None,
            surrogate: Surrogate::Unknown,
            unique_id: None,
            size: 0,
            mtime: 0,
            base: b"1.1.h",
        };
        writer.line(&line)?;
        writer.line(&Line { base: b"3.1.h", ..line })?;
        writer.line(&Line { uid: 9, base: b"gone", ..line })
    })
    .unwrap();
    assert_eq!(fixture.ids(), ["0000000700000001", "000000070000000a", "000000070000000b"]);
}

#[test]
fn r1939_7_3_ids_that_cannot_be_stored_are_not_told() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h"]);
    let ids = fixture.ids();
    let block = fixture.path("pop3-uidlist.new");
    fs::create_dir(&block).unwrap();
    fs::write(block.join("x"), "").unwrap();
    // Nothing new: the list may be behind.
    assert_eq!(fixture.ids(), ids);
    fixture.remove("new/1.1.h");
    assert_eq!(fixture.ids(), ids[1..]);
    fixture.deliver("new/3.1.h", "A: b\n\n");
    for _ in 0..2 {
        assert!(matches!(fixture.fails(), StoreError::Temporary(_)));
    }
    fs::remove_dir_all(&block).unwrap();
    let now = fixture.ids();
    assert!(now[0] == ids[1] && now[1] != ids[0]);
    // Removal is what QUIT promises; the list follows when it can.
    fs::create_dir(&block).unwrap();
    assert_eq!(fixture.commit(&[1]).unwrap(), Committed::new(1));
    assert_eq!(fixture.ids(), now[1..]);
}

#[test]
fn r1939_7_3_a_read_only_maildir_serves_what_it_has_listed() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if fs::metadata("/proc/self").is_ok_and(|facts| facts.uid() == 0) {
        println!("SKIPPED: root may write to read-only directories");
        return;
    }
    let fixture = Fixture::with(&["new/1.1.h"]);
    let ids = fixture.ids();
    let set = |mode| fs::set_permissions(fixture.path(""), fs::Permissions::from_mode(mode)).unwrap();
    set(0o500);
    let (kept, fresh) = (fixture.ids(), {
        fixture.deliver("new/2.1.h", "A: b\n\n");
        fixture.open().scan(&mut |_| Ok(()))
    });
    set(0o700);
    assert_eq!(kept, ids);
    assert!(matches!(fresh, Err(StoreError::Temporary(_))));
}

#[test]
fn a_list_that_is_no_file_or_of_a_later_version_is_a_fault_and_stays() {
    let fixture = Fixture::with(&["new/1.1.h"]);
    let ids = fixture.ids();
    let good = fs::read(fixture.list_file()).unwrap();
    fs::remove_file(fixture.list_file()).unwrap();
    fs::create_dir(fixture.list_file()).unwrap();
    assert!(matches!(fixture.fails(), StoreError::Permanent(_)));
    fs::remove_dir(fixture.list_file()).unwrap();
    make_fifo(&fixture.list_file());
    assert!(matches!(fixture.fails(), StoreError::Permanent(_)));
    fs::remove_file(fixture.list_file()).unwrap();
    fs::write(fixture.path("elsewhere"), &good).unwrap();
    std::os::unix::fs::symlink("elsewhere", fixture.list_file()).unwrap();
    assert!(matches!(fixture.fails(), StoreError::Permanent(_)));
    fixture.rename("elsewhere", "pop3-uidlist");
    assert_eq!(fixture.ids(), ids);
}

#[test]
fn a_known_message_is_not_opened_and_a_changed_one_is_counted_again() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h"]);
    let before = fixture.listed();
    fixture.deliver("new/1.1.h", "A: b\n\nmore\n");
    let mut maildrop = fixture.open();
    assert_eq!(list(&mut maildrop), before, "believed without a look");
    assert_eq!(read(&mut maildrop, 1, &before[0].1).unwrap(), b"A: b\n\nmore\n");
    drop(maildrop);
    let after = fixture.listed();
    assert_eq!(after[0], (before[0].0 + 6, before[0].1.clone()));
    assert_eq!(after[1], before[1]);

    // The same through a commit.
    fixture.deliver("new/1.1.h", "A: b\n\n");
    let mut maildrop = fixture.open();
    assert_eq!(list(&mut maildrop), after);
    drop(read(&mut maildrop, 1, &after[0].1).unwrap());
    assert_eq!(Box::new(maildrop).commit(&Marks::of(&after, &[2])).unwrap(), Committed::new(1));
    assert_eq!(fixture.listed(), before[..1]);
}

#[test]
fn a_list_is_written_only_if_something_changed() {
    use std::os::unix::fs::MetadataExt;
    let fixture = Fixture::new();
    assert!(fixture.ids().is_empty());
    assert!(!fixture.list_file().exists(), "nothing to remember");
    fixture.deliver("new/1.1.h", "A: b\n\n");
    fixture.deliver("new/2.1.h", "A: b\n\n");
    let ids = fixture.ids();
    let inode = || fixture.list_file().metadata().unwrap().ino();
    let first = inode();
    fixture.rename("new/1.1.h", "cur/1.1.h:2,S");
    let mut maildrop = fixture.open();
    let listed = list(&mut maildrop);
    drop(read(&mut maildrop, 2, &ids[1]).unwrap());
    drop(maildrop);
    assert_eq!((inode(), listed.len()), (first, 2));
    assert_eq!(fixture.commit(&[1]).unwrap(), Committed::new(1));
    let second = inode();
    assert_ne!(second, first);
    assert_eq!(fixture.ids(), ids[1..]);
    assert_eq!(inode(), second);
    // Counted again under other rules, once.
    let other = BodyRules::new().with_mask_nul(true);
    let other = fixture.store.clone().rules(other);
    assert_eq!(list(&mut open(&other, "mrose")).len(), 1);
    let third = inode();
    assert_ne!(third, second);
    assert_eq!(list(&mut open(&other, "mrose")).len(), 1);
    assert_eq!(inode(), third);
}
