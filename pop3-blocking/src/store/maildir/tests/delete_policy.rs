//! What `QUIT` leaves behind: messages that are moved to a folder, or hidden.

use std::os::unix::fs::MetadataExt;

use super::*;

fn fixture(names: &[&str], policy: &str) -> Fixture {
    let fixture = Fixture::with(names);
    Fixture { store: fixture.store.clone().delete_policy(policy.parse().unwrap()), ..fixture }
}

#[test]
fn r1939_6_2_marked_messages_are_moved_with_their_flags_and_no_others() {
    let fixture = fixture(&["new/1.1.h", "cur/2.1.h,S=6:2,FS", "new/3.1.h", "cur/4.1.h:2,R"], "move:Trash");
    assert_eq!(fixture.commit(&[]).unwrap(), Committed::new(0));
    assert!(!fixture.path(".Trash").exists(), "made before it is needed");
    let inode = |name: &str| fixture.path(name).metadata().unwrap().ino();
    let before = inode("cur/2.1.h,S=6:2,FS");
    assert_eq!(fixture.commit(&[1, 2]).unwrap(), Committed::new(2));
    assert_eq!(fixture.names(".Trash/cur"), ["1.1.h:2,", "2.1.h,S=6:2,FS"]);
    assert_eq!(inode(".Trash/cur/2.1.h,S=6:2,FS"), before);
    assert_eq!(
        (fixture.names("new"), fixture.names("cur")),
        (vec!["3.1.h".into()], vec!["4.1.h:2,R".into()])
    );
    // As Maildir++ has them.
    for name in [".Trash/new", ".Trash/tmp", ".Trash/maildirfolder"] {
        assert!(fixture.path(name).exists(), "{name}");
    }
    assert_eq!(fixture.path(".Trash").metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(fixture.commit(&[2]).unwrap(), Committed::new(1));
    assert_eq!(fixture.names(".Trash/cur").len(), 3);
}

#[test]
fn r1939_6_2_what_moves_meanwhile_is_moved_from_where_it_is() {
    let fixture =
        fixture(&["new/1.1.h", "new/2.1.h", "new/3.1.h", "new/4.1.h", "cur/4.1.h:2,S"], "move:Trash");
    let mut maildrop = fixture.open();
    let listed = list(&mut maildrop);
    fixture.rename("new/1.1.h", "cur/1.1.h:2,S");
    fixture.remove("new/2.1.h");
    let done = Box::new(maildrop).commit(&Marks::of(&listed, &[1, 2, 4])).unwrap();
    assert_eq!(done, Committed::new(3));
    assert_eq!((fixture.names("new"), fixture.names("cur")), (vec!["3.1.h".into()], vec![]));
    // Both files of the last one are kept: they may differ.
    assert_eq!(fixture.names(".Trash/cur"), ["1.1.h:2,S", "4.1.h:2,", "4.1.h:2,S"]);
}

#[test]
fn a_name_that_is_taken_in_the_folder_is_another_ones() {
    let fixture = fixture(&["new/1.1.h", "cur/2.1.h:2,S"], "move:Trash");
    fs::create_dir_all(fixture.path(".Trash/cur")).unwrap();
    fixture.deliver(".Trash/cur/1.1.h:2,", "another");
    // As after a session that was cut off: this one is the message itself.
    fs::hard_link(fixture.path("cur/2.1.h:2,S"), fixture.path(".Trash/cur/2.1.h:2,S")).unwrap();
    assert_eq!(fixture.commit(&[1, 2]).unwrap(), Committed::new(2));
    assert_eq!(fixture.names(".Trash/cur"), ["1.1.h:2,", "1.1.h_1:2,", "2.1.h:2,S"]);
    assert_eq!(fs::read(fixture.path(".Trash/cur/1.1.h:2,")).unwrap(), b"another");
    assert_eq!(fs::read(fixture.path(".Trash/cur/1.1.h_1:2,")).unwrap(), b"A: b\n\n");
}

#[test]
fn pb_s50_a_folder_that_leads_elsewhere_takes_nothing_and_nothing_is_removed() {
    let cases: [fn(&Path); 3] = [
        |path| std::os::unix::fs::symlink("new", path).unwrap(),
        |path| fs::write(path, "").unwrap(),
        |path| {
            fs::create_dir(path).unwrap();
            std::os::unix::fs::symlink("../new", path.join("cur")).unwrap();
        },
    ];
    for make in cases {
        let fixture = fixture(&["new/1.1.h", "new/2.1.h"], "move:Trash");
        make(&fixture.path(".Trash"));
        let error = fixture.commit(&[1]).unwrap_err();
        assert_eq!((error.removed, error.failed), (0, 1));
        assert_eq!(fixture.names("new"), ["1.1.h", "2.1.h"]);
    }
}

#[test]
fn r1939_6_2_hidden_messages_stay_for_others_and_are_in_no_later_session() {
    let names = ["new/1.1.h", "cur/2.1.h:2,S", "new/3.1.h"];
    let fixture = fixture(&names, "keep");
    let before = fixture.listed();
    assert_eq!(fixture.commit(&[1, 2]).unwrap(), Committed::new(2));
    assert_eq!((fixture.names("new").len(), fixture.names("cur").len()), (2, 1));
    let left = [before[2].clone()];
    assert_eq!(fixture.listed(), left);
    // Whatever becomes of their names, and whatever the policy is.
    fixture.rename("new/1.1.h", "cur/1.1.h:2,FS");
    assert_eq!(fixture.listed(), left);
    let other = Fixture { store: fixture.store.clone().delete_policy(DeletePolicy::Remove), ..fixture };
    assert_eq!(other.listed(), left);
    assert_eq!(other.commit(&[1]).unwrap(), Committed::new(1));
    assert_eq!((other.names("new").len(), other.names("cur").len()), (0, 2));
    assert_eq!(other.listed(), []);
}

#[test]
fn what_hides_messages_forgets_those_that_are_gone_and_is_not_guessed_at() {
    let fixture = fixture(&["new/1.1.h", "new/2.1.h", "new/3.1.h"], "keep");
    assert_eq!(fixture.commit(&[1, 2]).unwrap(), Committed::new(2));
    fixture.remove("new/1.1.h");
    assert_eq!(fixture.commit(&[1]).unwrap(), Committed::new(1));
    let file = fixture.path("pop3-hidden");
    assert_eq!(fs::read_to_string(&file).unwrap(), "pop3-hidden 1\n2.1.h\n3.1.h\nend 2\n");
    let open = || {
        fixture.store.open(&Identity::new("mrose"), &OpenContext::default()).unwrap().scan(&mut |_| Ok(()))
    };
    fs::write(&file, "pop3-hidden 1\n2.1.h\n").unwrap();
    assert!(matches!(open(), Err(StoreError::Permanent(_))), "what was hidden must not come back");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(open(), Err(StoreError::Permanent(_))));
    fs::remove_dir(&file).unwrap();
    assert_eq!(fixture.ids().len(), 2);
}
