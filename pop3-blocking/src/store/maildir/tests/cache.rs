//! What a scan found is kept, and believed while nothing has changed.

use std::cell::Cell;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;

use super::super::cache::{NAME as CACHE, WORTH_IT};
use super::*;
use crate::store::Utf8Headers;
use crate::store::testing::open_with;

const NAMES: [&str; 5] =
    ["new/1.1.h", "cur/2.1.h,S=6:2,S", "cur/3.1.h:2,", "new/größe.1.h", "cur/4.M5.h:2,RS"];

/// Lists, and tells how often a directory was read meanwhile.
fn listed(fixture: &Fixture) -> (Vec<(u64, String)>, u32) {
    let walks = Rc::new(Cell::new(0));
    let seen = Rc::clone(&walks);
    set_hook(move |call| {
        if matches!(call, Call::Walk(_)) {
            seen.set(seen.get() + 1);
        }
    });
    let listed = fixture.listed();
    set_hook(|_| {});
    (listed, walks.get())
}

#[test]
fn a_maildrop_that_has_not_changed_is_listed_without_reading_its_directories() {
    let fixture = Fixture::with(&NAMES).still();
    let (first, walks) = listed(&fixture);
    assert_eq!((first.len(), walks), (5, 2));
    let kept = || fixture.path(CACHE).metadata().unwrap().ino();
    let before = kept();
    for _ in 0..3 {
        assert_eq!(listed(&fixture), (first.clone(), 0));
    }
    assert_eq!(kept(), before, "written once");
    // Messages are read and removed as ever.
    let mut maildrop = fixture.open();
    let found = list(&mut maildrop);
    for (number, (_, id)) in (1..).zip(&found) {
        assert_eq!(read(&mut maildrop, number, id).unwrap(), b"A: b\n\n");
    }
    let done = Box::new(maildrop).commit(&Marks::of(&found, &[1, 3])).unwrap();
    assert_eq!(done, Committed::new(2));
    let (left, walks) = listed(&fixture);
    assert_eq!((left, walks), (vec![first[1].clone(), first[3].clone(), first[4].clone()], 2));
}

#[test]
fn small_maildrops_keep_nothing() {
    let mut fixture = Fixture::with(&NAMES).still();
    fixture.store.cache_from = WORTH_IT;
    assert_eq!(listed(&fixture).1, 2);
    assert!(!fixture.path(CACHE).exists());
    fixture.store.cache_from = 6;
    assert_eq!((listed(&fixture).1, fixture.path(CACHE).exists()), (2, false));
    fixture.store.cache_from = 5;
    assert_eq!((listed(&fixture).1, fixture.path(CACHE).exists()), (2, true));
}

#[test]
fn r1939_6_2_what_is_there_twice_is_looked_for_at_each_login() {
    let fixture = Fixture::with(&NAMES).still();
    fixture.deliver("new/3.1.h", "A: b\n\n");
    fixture.age();
    for _ in 0..2 {
        let (found, walks) = listed(&fixture);
        assert_eq!((found.len(), walks), (5, 2));
    }
    assert_eq!(fixture.commit(&[3]).unwrap(), Committed::new(1));
    assert_eq!((fixture.names("new").len(), fixture.names("cur").len()), (2, 2));
}

#[test]
fn pb_s29_directories_that_changed_just_now_are_read_again() {
    let fixture = Fixture::with(&NAMES).still();
    set_ahead(Duration::from_millis(1900));
    for _ in 0..3 {
        assert_eq!(listed(&fixture).1, 2);
        assert!(!fixture.path(CACHE).exists());
    }
    set_ahead(Duration::from_secs(3600));
    assert_eq!((listed(&fixture).1, listed(&fixture).1), (2, 0));
}

#[test]
fn pb_s29_a_change_during_the_scan_keeps_it_from_being_kept() {
    let fixture = Fixture::with(&NAMES).still();
    let late = fixture.path("new/9.1.h");
    set_hook(move |call| {
        if call == Call::Walk(Place::Cur) && !late.exists() {
            fs::write(&late, "A: b\n\n").unwrap();
            set_ahead(Duration::ZERO);
        }
    });
    assert_eq!(fixture.listed().len(), 6);
    set_hook(|_| {});
    assert!(!fixture.path(CACHE).exists(), "the first pass was not quiet, and the second began too early");
}

#[test]
fn pb_s29_every_change_is_seen() {
    type Change = fn(&Fixture);
    let changes: [(Change, usize); 12] = [
        (|fixture| fixture.deliver("new/5.1.h", "A: b\n\n"), 6),
        (|fixture| fixture.deliver("cur/5.1.h:2,", "A: b\n\n"), 6),
        (|fixture| fixture.remove("new/1.1.h"), 4),
        (|fixture| fixture.remove("cur/3.1.h:2,"), 4),
        (|fixture| fixture.rename("cur/3.1.h:2,", "cur/3.1.h:2,S"), 5),
        (|fixture| fixture.rename("new/1.1.h", "cur/1.1.h:2,"), 5),
        (|fixture| fs::create_dir(fixture.path("new/sub")).unwrap(), 5),
        (|fixture| fs::remove_file(fixture.list_file()).unwrap(), 5),
        (|fixture| fs::write(fixture.list_file(), "").unwrap(), 5),
        (|fixture| fs::write(fixture.path("pop3-hidden"), "pop3-hidden 1\n1.1.h\nend 1\n").unwrap(), 4),
        (|fixture| fs::write(fixture.path(CACHE), "").unwrap(), 5),
        (
            // As a copy of the Maildir has it, with the times of the original.
            |fixture| {
                fixture.rename("new", "old");
                fs::create_dir(fixture.path("new")).unwrap();
                fixture.rename("old/1.1.h", "new/1.1.h");
                fixture.age();
            },
            4,
        ),
    ];
    for (at, (change, messages)) in changes.into_iter().enumerate() {
        let fixture = Fixture::with(&NAMES).still();
        assert_eq!((listed(&fixture).1, listed(&fixture).1), (2, 0));
        change(&fixture);
        let (found, walks) = listed(&fixture);
        assert!(walks >= 2 && found.len() == messages, "change {at}: {walks}, {found:?}");
        let mut maildrop = fixture.open();
        for (number, (_, id)) in (1..).zip(list(&mut maildrop)) {
            assert_eq!(read(&mut maildrop, number, &id).unwrap(), b"A: b\n\n", "change {at}");
        }
    }
}

#[test]
fn other_rules_count_again() {
    let fixture = Fixture::with(&["new/1.1.h"]).still();
    fixture.deliver("new/2.1.h", "no empty line\n");
    fixture.age();
    let octets = |fixture: &Fixture| listed(fixture).0.iter().map(|(octets, _)| *octets).collect::<Vec<_>>();
    for _ in 0..2 {
        assert_eq!(octets(&fixture), [8, 17]);
    }
    let plain = BodyRules::new().with_add_header_separator(false);
    let other = Fixture { store: fixture.store.clone().rules(plain), ..fixture };
    for _ in 0..2 {
        assert_eq!(octets(&other), [8, 15]);
    }
}

#[test]
fn r6856_2_6_what_is_known_of_headers_is_kept() {
    let fixture = Fixture::with(&["new/1.1.h"]).still();
    fixture.deliver("new/2.1.h", "Subject: größe\n\n");
    fixture.age();
    let scan = |headers| list(&mut open_with(&fixture.store, "mrose", headers));
    let stored = scan(Utf8Headers::AsStored);
    let surrogates = scan(Utf8Headers::Surrogates);
    assert_ne!(stored, surrogates);
    let opened = Rc::new(Cell::new(0));
    let seen = Rc::clone(&opened);
    set_hook(move |call| {
        if matches!(call, Call::OpenMessage | Call::Walk(_)) {
            seen.set(seen.get() + 1);
        }
    });
    for _ in 0..2 {
        assert_eq!(scan(Utf8Headers::Surrogates), surrogates);
        assert_eq!(scan(Utf8Headers::AsStored), stored);
    }
    assert_eq!(opened.get(), 0);
}

#[test]
fn r1939_7_3_ids_of_a_previous_server_are_kept() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h"]);
    fs::write(fixture.path("dovecot-uidlist"), "3 V17 N3\n2 P0123 :1.1.h\n1 :2.1.h\n").unwrap();
    let fixture = fixture.still();
    let (ids, walks) = listed(&fixture);
    assert_eq!((ids[0].1.as_str(), walks), ("0123", 2));
    assert_eq!(listed(&fixture), (ids, 0));
}

#[test]
fn hidden_messages_stay_hidden_and_what_is_skipped_is_told() {
    let mut fixture = Fixture::with(&NAMES).still();
    fixture.store = fixture.store.delete_policy(DeletePolicy::Keep);
    fs::create_dir(fixture.path("cur/sub")).unwrap();
    fixture.age();
    assert_eq!(fixture.commit(&[1, 2]).unwrap(), Committed::new(2));
    let (first, walks) = listed(&fixture);
    assert_eq!((first.len(), walks), (3, 2));
    assert_eq!(listed(&fixture), (first, 0));
    let mut maildrop = fixture.open();
    let found = list(&mut maildrop);
    assert_eq!(maildrop.skipped(), 1);
    // What was hidden before must be hidden still.
    assert_eq!(Box::new(maildrop).commit(&Marks::of(&found, &[1])).unwrap(), Committed::new(1));
    assert_eq!(fixture.listed().len(), 2);
}

#[test]
fn a_cache_that_is_no_file_or_cannot_be_written_is_no_fault() {
    let cases: [fn(&Path); 3] = [
        |path| {
            fs::create_dir(path).unwrap();
            fs::write(path.join("x"), "").unwrap();
        },
        |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        |path| make_fifo(path),
    ];
    for (at, make) in cases.into_iter().enumerate() {
        let fixture = Fixture::with(&NAMES).still();
        make(&fixture.path(CACHE));
        for _ in 0..2 {
            // A rename puts the cache in the place of what is not a directory.
            assert_eq!((listed(&fixture).0.len(), at), (5, at));
        }
        assert!(!fixture.path(new_file::NEW_NAME).exists());
        assert_eq!(listed(&fixture).1, if at == 0 { 2 } else { 0 });
    }
}
