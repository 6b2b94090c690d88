//! Other programs at work in the same Maildir (rows PB-S29, PB-S31).

use super::*;

#[test]
fn pb_s31_a_message_removed_by_others_is_gone_and_a_moved_one_is_found() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h", "new/3.1.h"]);
    let mut maildrop = fixture.open();
    let listed = list(&mut maildrop);
    fixture.remove("new/1.1.h");
    fixture.rename("new/2.1.h", "cur/2.1.h:2,S");
    fixture.rename("new/3.1.h", "cur/3.1.h:2,");
    fixture.deliver("new/4.1.h", "later\n\n");
    for _ in 0..25 {
        assert!(matches!(read(&mut maildrop, 1, &listed[0].1), Err(StoreError::Gone)));
    }
    assert_eq!(read(&mut maildrop, 2, &listed[1].1).unwrap(), b"A: b\n\n");
    fixture.rename("cur/2.1.h:2,S", "cur/2.1.h:2,RS");
    assert_eq!(read(&mut maildrop, 2, &listed[1].1).unwrap(), b"A: b\n\n");
    assert_eq!(read(&mut maildrop, 3, &listed[2].1).unwrap(), b"A: b\n\n");
    // Numbers and ids that do not belong together read nothing.
    for (number, id) in [(1, &listed[1].1), (4, &listed[1].1), (2, &"2.1.h".to_owned())] {
        assert!(matches!(read(&mut maildrop, number, id), Err(StoreError::Permanent(_))));
    }
}

/// Has `deed` done before the `n`th reading of a directory from now on, for each `n` from 1.
fn before_walk(fixture: &Fixture, mut deed: impl FnMut(u32, &Path) + 'static) {
    let root = fixture.path("");
    let mut n = 0;
    set_hook(move |call| {
        if let Call::Walk(place) = call {
            n += 1;
            assert_eq!(place, if n % 2 == 1 { Place::New } else { Place::Cur });
            deed(n, &root);
        }
    });
}

fn rename(root: &Path, from: &str, to: &str) {
    fs::rename(root.join(from), root.join(to)).unwrap();
}

#[test]
fn pb_s29_mail_that_moves_during_a_scan_is_listed_once() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h", "cur/3.1.h:2,"]);
    let ids = fixture.ids();
    // Between the two readings, from the first to the second.
    before_walk(&fixture, |n, root| {
        if n == 2 {
            rename(root, "new/1.1.h", "cur/1.1.h:2,S");
        }
    });
    assert_eq!(fixture.ids(), ids);
    // Against the stream, so that the first pass misses it: the list knows that something is missing.
    before_walk(&fixture, |n, root| {
        if n == 2 {
            rename(root, "cur/1.1.h:2,S", "new/1.1.h");
        }
    });
    assert_eq!(fixture.ids(), ids);
    // Hidden from the first pass, as a file that is renamed while its directory is read may be.
    rename(&fixture.path(""), "cur/3.1.h:2,", "tmp/3.1.h");
    before_walk(&fixture, |n, root| {
        if n == 3 {
            rename(root, "tmp/3.1.h", "cur/3.1.h:2,F");
        }
    });
    assert_eq!(fixture.ids(), ids);
    // Hidden from the second pass, while the first one was disturbed.
    before_walk(&fixture, |n, root| match n {
        2 => fs::write(root.join("new/4.1.h"), "A: b\n\n").unwrap(),
        3 => rename(root, "new/2.1.h", "tmp/2.1.h"),
        5 => rename(root, "tmp/2.1.h", "new/2.1.h"),
        _ => {}
    });
    let now = fixture.ids();
    assert_eq!((&now[..3], now.len()), (&ids[..], 4));
    set_hook(|_| {});
}

#[test]
fn pb_s29_new_mail_that_moves_before_it_is_counted_is_listed() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h"]);
    let root = fixture.path("");
    let mut opened = 0;
    set_hook(move |call| {
        if call == Call::OpenMessage {
            opened += 1;
            if opened == 1 {
                rename(&root, "new/1.1.h", "cur/1.1.h:2,S");
            }
        }
    });
    let listed = fixture.listed();
    set_hook(|_| {});
    assert_eq!(listed.len(), 2);
    assert_eq!(fixture.listed(), listed);
}

#[test]
fn pb_s29_a_message_removed_during_a_scan_is_not_listed() {
    // Seen by the first pass, and gone before it is counted; then known, and gone before the second pass.
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h", "new/3.1.h"]);
    before_walk(&fixture, |n, root| {
        if n == 2 {
            fs::remove_file(root.join("new/1.1.h")).unwrap();
        }
    });
    let listed = fixture.listed();
    assert_eq!(listed.len(), 2);
    before_walk(&fixture, |n, root| match n {
        2 => fs::write(root.join("new/4.1.h"), "A: b\n\n").unwrap(),
        3 => fs::remove_file(root.join("new/2.1.h")).unwrap(),
        _ => {}
    });
    let later = fixture.listed();
    set_hook(|_| {});
    assert_eq!((later.len(), &later[0]), (2, &listed[1]));
    assert_eq!(fixture.listed(), later);
}

#[test]
fn pb_s29_scans_beside_a_restless_mail_reader_list_everything_once() {
    let fixture = Fixture::new();
    let bases: Vec<String> = (0..40).map(|n| format!("{}.M{n}P1.h", 1000 + n)).collect();
    bases.iter().for_each(|base| fixture.deliver(&format!("new/{base}"), "A: b\n\n"));
    let ids = fixture.ids();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let forms =
                |base: &String| [format!("new/{base}"), format!("cur/{base}:2,"), format!("cur/{base}:2,S")];
            for round in 0.. {
                for base in &bases {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let forms = forms(base);
                    let next = [1, 2, 1][round % 3];
                    let now = forms.iter().find(|form| fixture.path(form).exists()).unwrap();
                    fixture.rename(now, &forms[next]);
                }
            }
        });
        for _ in 0..60 {
            let mut maildrop = fixture.open();
            let listed = list(&mut maildrop);
            let now: Vec<_> = listed.iter().map(|(_, id)| id.clone()).collect();
            if now != ids {
                stop.store(true, Ordering::Relaxed);
            }
            assert_eq!(now, ids);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(fixture.commit(&(1..=40).collect::<Vec<_>>()).unwrap(), Committed::new(40));
    assert!(fixture.names("new").is_empty() && fixture.names("cur").is_empty());
}
