//! What QUIT removes, and every other end of a session (rows R1939-6.1 to R1939-6.6).

use super::*;

#[test]
fn r1939_6_2_commit_removes_the_marked_and_no_other() {
    let fixture = Fixture::with(&["new/1.1.h", "cur/2.1.h:2,S", "new/3.1.h", "cur/4.1.h:2,", "new/5.1.h"]);
    let mut maildrop = fixture.open();
    let listed = list(&mut maildrop);
    fixture.deliver("new/6.1.h", "A: b\n\n"); // after the scan
    fixture.rename("new/3.1.h", "cur/3.1.h:2,F"); // moved
    fixture.remove("cur/4.1.h:2,"); // gone already
    fixture.deliver("new/2.1.h", "a copy"); // a second file of one base
    let done = Box::new(maildrop).commit(&Marks::of(&listed, &[2, 3, 4])).unwrap();
    assert_eq!(done, Committed::new(3));
    assert_eq!(fixture.names("new"), ["1.1.h", "2.1.h", "5.1.h", "6.1.h"]);
    assert!(fixture.names("cur").is_empty());
    assert_eq!(fixture.names("tmp"), [""; 0]);
    // The copy came after the scan: it is a message of its own.
    let ids = fixture.ids();
    assert!(ids[0] == listed[0].1 && ids[2] == listed[4].1 && !listed.iter().any(|(_, id)| *id == ids[1]));
}

#[test]
fn r1939_6_2_a_message_in_both_directories_is_one_and_goes_from_both() {
    let fixture =
        Fixture::with(&["new/1.1.h", "cur/1.1.h:2,S", "cur/1.1.h:2,RS", "cur/2.1.h:2,S", "new/2.1.h"]);
    assert_eq!(fixture.ids().len(), 2);
    assert_eq!(fixture.commit(&[1]).unwrap(), Committed::new(1));
    assert_eq!(fixture.names("new"), ["2.1.h"]);
    assert_eq!(fixture.names("cur"), ["2.1.h:2,S"]);
}

#[test]
fn r1939_6_1_one_failure_does_not_stop_the_rest_and_frees_the_lock() {
    let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h", "new/3.1.h", "new/4.1.h"]);
    let mut maildrop = fixture.open();
    let listed = list(&mut maildrop);
    let ids = |error: &CommitError| (error.removed, error.failed);
    // A directory cannot be unlinked, here or where it was moved.
    for name in ["new/1.1.h", "new/3.1.h"] {
        fixture.remove(name);
    }
    fs::create_dir(fixture.path("new/1.1.h")).unwrap();
    fs::create_dir(fixture.path("cur/3.1.h:2,")).unwrap();
    let mut marks = Marks::of(&listed, &[1, 2, 3]);
    marks.push(MessageNumber::new(4).unwrap(), 0, &listed[1].1);
    marks.push(MessageNumber::new(5).unwrap(), 0, "0");
    let error = Box::new(maildrop).commit(&marks).unwrap_err();
    assert_eq!(ids(&error), (1, 4));
    assert_eq!(fixture.names("new"), ["1.1.h", "4.1.h"]);
    assert_eq!(fixture.ids(), [listed[3].1.clone()]);
}

#[test]
fn r1939_6_3_only_a_commit_removes() {
    let fixture = Fixture::with(&["new/1.1.h", "cur/2.1.h:2,S"]);
    let ids = fixture.ids();
    let panicked = std::thread::scope(|scope| {
        let session = scope.spawn(|| {
            let mut maildrop = fixture.open();
            let listed = list(&mut maildrop);
            drop(read(&mut maildrop, 1, &listed[0].1).unwrap());
            panic!("a session that panics");
        });
        session.join().is_err()
    });
    assert!(panicked);
    drop(fixture.open());
    assert_eq!(fixture.ids(), ids);
    assert_eq!((fixture.names("new").len(), fixture.names("cur").len()), (1, 1));
}

#[test]
fn r1939_6_6_the_lock_is_free_after_each_end_a_hundred_times() {
    let fixture = Fixture::with(&["new/1.1.h"]);
    let opened = || fixture.store.open(&Identity::new("mrose"), &OpenContext::default());
    for _ in 0..100 {
        let mut maildrop = opened().unwrap();
        assert!(matches!(opened(), Err(OpenError::InUse)));
        let listed = list(&mut maildrop);
        drop(maildrop); // a lost connection
        let mut maildrop = opened().unwrap();
        let refused = maildrop.scan(&mut |_| Err(StoreError::Gone));
        assert!(matches!(refused, Err(StoreError::Gone)));
        drop(maildrop); // a failed login
        let mut maildrop = opened().unwrap();
        assert_eq!(list(&mut maildrop), listed);
        assert!(Box::new(maildrop).commit(&Marks::of(&listed, &[])).is_ok());
    }
    // One that never scanned has nothing to remove.
    let listed = fixture.listed();
    let error = Box::new(opened().unwrap()).commit(&Marks::of(&listed, &[1])).unwrap_err();
    assert_eq!((error.removed, error.failed), (0, 1));
    assert_eq!(fixture.listed(), listed);
}
