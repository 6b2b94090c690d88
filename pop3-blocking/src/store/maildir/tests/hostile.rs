//! A Maildir in which somebody planted things, and user names that try to leave it (R40, R13).

use super::*;

#[test]
fn pb_s50_what_is_no_message_is_skipped_and_the_lock_is_free_afterwards() {
    let fixture = Fixture::with(&["new/1.1.h", "cur/2.1.h:2,S"]);
    fs::write(fixture.path("secret"), "secret\n").unwrap();
    let longest = format!("3.{}", "x".repeat(253));
    fixture.deliver(&format!("new/{longest}"), "A: b\n\n");
    let mut odd = 0;
    for place in ["new", "cur"] {
        let at = |name: &str| fixture.path(place).join(name);
        std::os::unix::fs::symlink("../secret", at("10.1.link")).unwrap();
        std::os::unix::fs::symlink("1.1.h", at("10.2.link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("10.3.link")).unwrap();
        make_fifo(&at("10.4.fifo"));
        drop(std::os::unix::net::UnixListener::bind(at("10.5.socket")).unwrap());
        fs::create_dir(at("10.6.directory:2,S")).unwrap();
        odd += 6;
        for name in
            [&b"10.7.\n"[..], b"10.8.\x1b[31m", b"10.9.\xff\xfe", b"10.10.\xc2\x9b", b"\x7f", b":2,S", b"\r"]
        {
            fs::write(fixture.path(place).join(std::ffi::OsStr::from_bytes(name)), "A: b\n\n").unwrap();
            odd += 1;
        }
        fs::write(at(".hidden"), "A: b\n\n").unwrap();
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        match mknodat(
            CWD,
            at("10.11.device"),
            FileType::CharacterDevice,
            Mode::RUSR,
            rustix::fs::makedev(1, 5),
        ) {
            Ok(()) => odd += 1,
            Err(errno) => println!("SKIPPED: no device made: {errno}"),
        }
    }
    for _ in 0..2 {
        let mut maildrop = fixture.open();
        let listed = list(&mut maildrop);
        assert_eq!(listed.len(), 3);
        assert_eq!(maildrop.skipped(), odd);
        for (number, (_, id)) in (1..).zip(&listed) {
            assert_eq!(read(&mut maildrop, number, id).unwrap(), b"A: b\n\n");
        }
    }
    assert_eq!(fixture.commit(&[1, 2, 3]).unwrap(), Committed::new(3));
    assert!(!fixture.path("new").join(&longest).exists());
    assert!(fixture.ids().is_empty());
}

#[test]
fn pb_s50_a_message_that_turned_into_something_else_is_gone() {
    let cases: [fn(&Path); 4] = [
        |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        |path| make_fifo(path),
        |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        |path| fs::create_dir(path).unwrap(),
    ];
    for make in cases {
        let fixture = Fixture::with(&["new/1.1.h", "new/2.1.h"]);
        let mut maildrop = fixture.open();
        let listed = list(&mut maildrop);
        fixture.remove("new/1.1.h");
        make(&fixture.path("new/1.1.h"));
        assert!(matches!(read(&mut maildrop, 1, &listed[0].1), Err(StoreError::Gone)));
        assert!(read(&mut maildrop, 2, &listed[1].1).is_ok());
        drop(maildrop);
        assert_eq!(fixture.ids(), [listed[1].1.clone()]);
    }
}

#[test]
fn r40_opening_a_pipe_does_not_wait() {
    let (done, waited) = std::sync::mpsc::channel();
    // In a thread of its own: one that waits waits for ever.
    std::thread::spawn(move || {
        let fixture = Fixture::with(&["new/1.1.h"]);
        let mut maildrop = fixture.open();
        let listed = list(&mut maildrop);
        fixture.remove("new/1.1.h");
        make_fifo(&fixture.path("new/1.1.h"));
        let gone = matches!(read(&mut maildrop, 1, &listed[0].1), Err(StoreError::Gone));
        done.send(gone).unwrap();
    });
    assert_eq!(waited.recv_timeout(Duration::from_secs(30)), Ok(true));
}

#[test]
fn too_many_messages_are_a_fault_not_a_shorter_maildrop() {
    let fixture = Fixture::with(&["new/1.1.h", "cur/2.1.h:2,S", "cur/3.1.h:2,S"]);
    let with = |limit| fixture.store.clone().max_messages(limit);
    assert_eq!(list(&mut open(&with(3), "mrose")).len(), 3);
    for limit in [0, 1, 2] {
        let failed = open(&with(limit), "mrose").scan(&mut |_| panic!("told"));
        let Err(StoreError::Permanent(source)) = failed else { panic!("{failed:?}") };
        assert_eq!(source.to_string(), format!("Maildir holds more than {limit} messages"));
    }
}

#[test]
fn pb_s28_a_missing_maildir_is_a_fault_unless_it_may_be_made() {
    let fixture = Fixture::new();
    let opened = |store: &MaildirStore, user| store.open(&Identity::new(user), &OpenContext::default());
    let (permanent, text) = fault(opened(&fixture.store, "fred"));
    assert!(permanent && text.starts_with("no Maildir at "), "{text}");
    assert!(!fixture.dir.path().join("fred").exists());
    fs::remove_dir(fixture.path("cur")).unwrap();
    assert!(fault(opened(&fixture.store, "mrose")).0);

    let template = fixture.dir.path().join("deep/{user}/Maildir");
    let making = MaildirStore::new(template).unwrap().create_missing(true);
    assert!(list(&mut open(&making, "fred")).is_empty());
    for name in ["tmp", "new", "cur"] {
        assert!(fixture.dir.path().join("deep/fred/Maildir").join(name).is_dir());
    }
    let making = MaildirStore::new(fixture.dir.path().join("{user}")).unwrap().create_missing(true);
    assert!(list(&mut open(&making, "mrose")).is_empty());
}

#[test]
fn rp_alpaca_2_odd_user_names_have_no_maildrop_and_make_nothing() {
    let fixture = Fixture::new();
    let store = MaildirStore::new(fixture.path("in/{user}")).unwrap().create_missing(true);
    for user in ["", ".", "..", "../../mrose", "a/b", "a\0b", "/etc", ".x", "a\\b", "a\nb"] {
        let opened = store.open(&Identity::new(user), &OpenContext::default());
        assert_eq!(fault(opened), (true, "user name cannot be part of a path".into()), "{user:?}");
    }
    assert!(!fixture.path("in").exists());
}

#[test]
fn pb_s28_a_message_that_cannot_be_read_fails_the_scan() {
    let fixture = Fixture::with(&["new/1.1.h"]);
    let mut maildrop = fixture.open();
    fs::remove_dir_all(fixture.path("new")).unwrap();
    let failed = maildrop.scan(&mut |_| panic!("told"));
    let Err(StoreError::Temporary(source)) = failed else { panic!("{failed:?}") };
    let source = source.downcast::<MaildirError>().unwrap();
    assert!(matches!(*source, MaildirError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound));
}
