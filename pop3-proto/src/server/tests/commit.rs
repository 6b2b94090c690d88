//! `QUIT`, and the sizes that were announced.

use super::*;

#[test]
fn r1939_6_1_r1939_6_2_pb_s32_quit_is_answered_once_the_marked_messages_are_gone() {
    let mut world = World::logged_in();
    world.ask("DELE 2\r\n");
    assert_eq!(world.ask("QUIT\r\n"), "+OK bye\r\n");
    assert_eq!(world.committed, Some(vec![2]), "exactly the marked ones");
    assert_eq!(world.ended, Some(Ok(CloseReason::Quit)));
    assert_eq!(world.session.state(), State::Update);
    // The reply is not there before the driver has told how it went.
    let mut world = World::logged_in();
    let mut out = Vec::new();
    let received = world.session.receive(b"QUIT\r\n", &mut out).unwrap();
    assert_eq!((received.step, out.as_slice()), (Step::Event(Request::Commit), &b""[..]));
    assert_eq!(world.session.receive(b"NOOP\r\n", &mut out).unwrap().step, Step::Paused);
    assert!(out.is_empty());
}

#[test]
fn r1939_6_1_a_failed_removal_is_told_and_ends_the_session_too() {
    let mut world = World::logged_in();
    world.commit_works = false;
    assert_eq!(
        world.ask("DELE 1\r\nQUIT\r\n"),
        "+OK message marked as deleted\r\n-ERR [SYS/TEMP] some deleted messages not removed\r\n"
    );
    assert_eq!(world.ended, Some(Ok(CloseReason::Quit)));
    assert_eq!(world.session.state(), State::Update);
}

#[test]
fn r1939_4_9_quit_before_login_commits_nothing() {
    for input in ["QUIT\r\n", "USER alice\r\nQUIT\r\n"] {
        let mut world = World::greeted();
        assert!(world.ask(input).ends_with("+OK bye\r\n"));
        assert_eq!((world.ended, world.committed.as_ref()), (Some(Ok(CloseReason::Quit)), None));
        assert_eq!(world.session.state(), State::Closed);
    }
}

#[test]
fn r1939_6_3_pb_s33_only_a_complete_quit_commits() {
    for cut in 0..=b"QUIT\r\n".len() {
        let mut world = World::logged_in();
        world.ask("DELE 1\r\n");
        world.feed(&b"QUIT\r\n"[..cut]);
        assert_eq!(world.committed.is_some(), cut == 6, "cut at {cut}");
        world.session.end_of_input();
        world.feed(b"");
        assert_eq!(world.committed.is_some(), cut == 6);
    }
    // And no other end of a session does.
    for ending in ["XYZZ\r\n".repeat(20), format!("{}\r\n", "x".repeat(70_000)), "RETR 9\r\n".repeat(20)] {
        let mut world = World::logged_in();
        world.ask("DELE 1\r\n");
        world.feed(ending.as_bytes());
        assert!(world.ended.is_some());
        assert_eq!(world.committed, None);
    }
}

#[test]
fn r1939_5_9_rset_takes_all_marks_back_and_noop_does_nothing() {
    let mut world = World::logged_in();
    world.ask("DELE 1\r\nDELE 2\r\n");
    assert_eq!(world.ask("NOOP\r\n"), "+OK nothing done\r\n");
    assert_eq!(world.ask("STAT\r\n"), "+OK 0 0\r\n");
    assert_eq!(world.ask("RSET\r\nSTAT\r\n"), "+OK no message is marked as deleted\r\n+OK 2 130\r\n");
    world.ask("QUIT\r\n");
    assert_eq!(world.committed, Some(vec![]));
}

#[test]
fn r1939_4_8_no_message_is_marked_at_first() {
    let world = World::logged_in();
    assert_eq!(world.session.marked().count(), 0);
}

#[test]
fn r1939_5_1_totals_are_those_of_unmarked_messages() {
    let mut world = World::logged_in();
    assert_eq!(
        world.ask("STAT\r\nDELE 1\r\nSTAT\r\n"),
        "+OK 2 130\r\n+OK message marked as deleted\r\n+OK 1 62\r\n"
    );
}

#[test]
fn r1939_3_18_pb_s30_a_message_of_another_size_gets_no_end() {
    // 68 octets were announced.
    let message = SMALL[0].0;
    for octets in [&message[..67], &message[..1], &[][..], &[message, b"x"].concat()[..]] {
        let mut world = World::logged_in();
        let mut out = Vec::new();
        assert!(world.session.receive(b"RETR 1\r\n", &mut out).is_ok());
        world.session.start_message(&mut out).unwrap();
        assert_eq!(out, b"+OK 68 octets\r\n");
        let mut room = [0u8; 256];
        let progress = world.session.body(octets, &mut room).unwrap();
        assert_eq!(progress.read, octets.len());
        out.clear();
        // An unterminated last line would be completed, so 66 octets and a cut CRLF come to the size again.
        let result = world.session.end_message(&mut out);
        let mismatch = Err(ReplyError::ApiMisuse(ApiMisuse::SizeMismatch));
        assert_eq!((result, out.as_slice()), (mismatch, &b""[..]), "{} octets", octets.len());
        assert_eq!(world.session.counts().retrieved, 0);
        // Nothing else goes out either.
        assert_eq!(world.session.receive(b"NOOP\r\n", &mut out).unwrap().step, Step::Paused);
        assert!(out.is_empty());
    }
}

#[test]
fn r1939_4_6_pb_s29_numbers_and_sizes_stay_whatever_the_store_does() {
    let mut world = World::logged_in();
    let before = world.ask("STAT\r\nLIST\r\nUIDL\r\n");
    world.mail.push((b"new\r\n".to_vec(), "new".into()));
    assert_eq!(world.ask("STAT\r\nLIST\r\nUIDL\r\n"), before);
    world.mail.remove(0);
    assert_eq!(world.ask("RSET\r\n"), "+OK no message is marked as deleted\r\n");
    assert_eq!(world.ask("STAT\r\nLIST\r\nUIDL\r\n"), before);
}

#[test]
fn what_happened_is_counted() {
    let mut world = World::greeted();
    world.feed(b"XYZZ\r\nUSER a\r\nPASS b\r\n");
    world.feed(LOGIN);
    world.feed(b"RETR 1\r\nRETR 2\r\nTOP 1 0\r\nRETR 3\r\n");
    let want =
        SessionCounts { retrieved: 2, retrieved_octets: 130, tops: 1, failed_logins: 1, bad_commands: 2 };
    assert_eq!(world.session.counts(), want);
}

#[test]
fn r1939_8_1_what_was_retrieved_stays() {
    let mut world = World::logged_in();
    world.feed(b"RETR 1\r\nTOP 2 99\r\n");
    assert_eq!(world.session.marked().count(), 0);
    world.feed(b"QUIT\r\n");
    assert_eq!(world.committed, Some(vec![]));
}
