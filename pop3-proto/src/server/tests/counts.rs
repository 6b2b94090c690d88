//! Bad commands, failed logins, foreign protocols and waits.

use super::*;

fn closed(world: &World<'_>) -> Option<CloseReason> {
    world.ended.map(|ended| ended.unwrap())
}

#[test]
fn rp_alpaca_2_five_bad_commands_before_login_close() {
    for bad in ["XYZZ", "STAT", "PASS x", "STLS", "AUTH X-FOO", "APOP a b", "UTF8", "", "USER"] {
        // Good ones in between do not help.
        let mut world = World::greeted();
        for count in 1..=5 {
            assert_eq!(closed(&world), None, "{bad:?} {count}");
            world.feed(format!("CAPA\r\n{bad}\r\n").as_bytes());
        }
        assert_eq!(closed(&world), Some(CloseReason::BadCommands), "{bad:?}");
        assert_eq!(world.session.counts().bad_commands, 5);
        let said = world.heard();
        assert!(said.ends_with("\r\n") && said.matches("-ERR ").count() == 5, "{said}");
        assert_eq!(world.ask("CAPA\r\n"), "", "nothing is read any more");
    }
}

#[test]
fn rp_alpaca_2_twenty_bad_commands_in_a_row_after_login_close() {
    for bad in ["XYZZ", "USER x", "RETR 9", "LIST 9", "UIDL 9", "TOP 9 0", "DELE 9"] {
        let mut world = World::logged_in();
        for _ in 0..19 {
            world.feed(format!("{bad}\r\n").as_bytes());
        }
        assert_eq!(closed(&world), None, "{bad}");
        world.feed(b"NOOP\r\n");
        for _ in 0..19 {
            world.feed(format!("{bad}\r\n").as_bytes());
        }
        assert_eq!(closed(&world), None, "a good one begins the row anew: {bad}");
        world.feed(format!("{bad}\r\n").as_bytes());
        assert_eq!(closed(&world), Some(CloseReason::BadCommands), "{bad}");
        assert_eq!(world.heard().matches("-ERR").count(), 39);
        assert_eq!(world.committed, None);
    }
    // Every good command begins the row anew.
    for good in ["STAT", "LIST", "LIST 1", "UIDL", "RETR 1", "TOP 1 0", "RSET", "NOOP", "CAPA"] {
        let mut world = World::logged_in();
        for _ in 0..2 {
            for _ in 0..19 {
                world.feed(b"XYZZ\r\n");
            }
            world.feed(format!("{good}\r\n").as_bytes());
        }
        assert_eq!(closed(&world), None, "{good}");
    }
}

#[test]
fn rp_alpaca_2_fifty_bad_commands_in_all_close() {
    let mut world = World::logged_in();
    for count in 1..=50 {
        assert_eq!(closed(&world), None, "{count}");
        world.feed(b"XYZZ\r\nNOOP\r\n");
    }
    assert_eq!(closed(&world), Some(CloseReason::BadCommands));
}

#[test]
fn pb_s31_a_vanished_message_asked_for_again_and_again() {
    let (mut session, mut out) =
        (Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(9)), Vec::new());
    session.greet(&mut out).unwrap();
    assert!(matches!(session.receive(LOGIN, &mut out).unwrap().step, Step::Event(Request::Login { .. })));
    session.add_message(10, b"x").unwrap();
    session.opened(&mut out).unwrap();
    for tries in 0..25 {
        out.clear();
        match session.receive(b"RETR 1\r\n", &mut out).unwrap().step {
            Step::Event(Request::Message { .. }) => {
                assert!(out.is_empty(), "nothing is said before the message is open");
                session.refuse(Refusal::Gone, &mut out).unwrap();
                assert_eq!(out, b"-ERR no such message\r\n");
            }
            Step::Event(Request::Close(reason)) => {
                assert_eq!((tries, reason), (20, CloseReason::BadCommands));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("no end to it");
}

#[test]
fn r1939_4_5_pb_s49_three_failed_logins_close() {
    let user_pass = "USER alice\r\nPASS wrong\r\n";
    let inline = "AUTH PLAIN AGFsaWNlAHdyb25n\r\n";
    let continued = "AUTH PLAIN\r\nAGFsaWNlAHdyb25n\r\n";
    let ways = if cfg!(feature = "sasl") { [user_pass, inline, continued] } else { [user_pass; 3] };
    for first in ways {
        for second in ways {
            for third in ways {
                let mut world = World::new(everything(), true);
                world.feed(first.as_bytes());
                world.feed(second.as_bytes());
                assert_eq!(closed(&world), None);
                world.heard();
                world.feed(third.as_bytes());
                assert!(world.heard().ends_with("-ERR [AUTH] authentication failed\r\n"));
                assert_eq!(closed(&world), Some(CloseReason::FailedLogins));
                assert_eq!(world.session.counts().failed_logins, 3);
                assert_eq!(world.ask("QUIT\r\n"), "");
            }
        }
    }
    // Two failures leave the session as it was.
    let mut world = World::greeted();
    world.feed(user_pass.repeat(2).as_bytes());
    world.feed(LOGIN);
    assert_eq!(world.session.state(), State::Transaction);
}

#[test]
fn r2449_8_2_a_lock_or_a_fault_is_no_failed_login() {
    for refusal in [Refusal::InUse, Refusal::LoginDelay, Refusal::Temporary, Refusal::Permanent] {
        let (mut session, mut out) =
            (Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(9)), Vec::new());
        session.greet(&mut out).unwrap();
        for _ in 0..10 {
            let step = session.receive(LOGIN, &mut out).unwrap().step;
            assert!(matches!(step, Step::Event(Request::Login { .. })), "{refusal:?}");
            session.add_message(10, b"x").unwrap();
            session.refuse(refusal, &mut out).unwrap();
            assert!(session.index().is_empty(), "what was added is forgotten");
        }
        assert_eq!(session.counts().failed_logins, 0);
    }
}

#[test]
fn rp_alpaca_1_pb_s47_another_protocol_gets_one_line_and_a_close() {
    for opening in [
        "GET / HTTP/1.1\r\nHost: x\r\nUSER alice\r\n",
        "POST / HTTP/1.1\r\n\r\nUSER alice\r\nPASS wonder land\r\n",
        "options * HTTP/1.0\r\n",
        "EHLO there\r\n",
        "a1 LOGIN alice secret\r\n",
        "a001 CAPABILITY\r\n",
        "SSH-2.0-OpenSSH_9\r\n",
        "\x16\x03\x01\x02",
    ] {
        for cut in pieces(opening.as_bytes()) {
            let mut world = World::greeted();
            cut.for_each(|piece| world.feed(piece));
            assert_eq!(world.heard(), "-ERR this is a POP3 server\r\n", "{opening:?}");
            assert_eq!(closed(&world), Some(CloseReason::ForeignProtocol));
            assert_eq!(world.checks, 0);
        }
    }
    // Only at the very beginning.
    let mut world = World::greeted();
    assert_eq!(world.ask("CAPA x\r\nGET / HTTP/1.1\r\n").matches("-ERR unknown").count(), 2);
    assert_eq!(closed(&world), None);
}

#[test]
fn rp_alpaca_1_the_inside_of_a_long_first_line_is_not_a_first_line() {
    // Wherever the input is cut, the same must be said.
    let line = format!("{}GET / HTTP/1.1\r\n", "x".repeat(600));
    for at in 0..line.len() {
        let mut world = World::greeted();
        world.feed(&line.as_bytes()[..at]);
        world.feed(&line.as_bytes()[at..]);
        assert_eq!(world.heard(), "-ERR line too long\r\n", "cut at {at}");
        assert_eq!(closed(&world), None);
    }
}

#[test]
fn r1939_3_15_r1939_3_17_the_waits_of_a_server() {
    fn wait(world: &World<'_>) -> Option<(WaitingFor, u64)> {
        world.session.timeout().map(|t| (t.waiting_for, t.limit.as_secs()))
    }
    let mut world = World::greeted();
    assert_eq!(wait(&world), Some((WaitingFor::Login, 60)));
    world.feed(b"US");
    assert_eq!(wait(&world), Some((WaitingFor::Login, 60)), "octets do not renew it");
    world.feed(b"ER alice\r\nPASS wonder land\r\n");
    assert_eq!(wait(&world), Some((WaitingFor::Command, 600)));
    world.feed(b"NO");
    assert_eq!(wait(&world), Some((WaitingFor::RestOfCommand, 30)));
    world.feed(b"OP\r\n");
    assert_eq!(wait(&world), Some((WaitingFor::Command, 600)));
    world.feed(&[b'x'; 600]);
    assert_eq!(wait(&world), Some((WaitingFor::RestOfCommand, 30)), "also while a line is thrown away");
    world.feed(b"\r\nQUIT\r\n");
    assert_eq!(wait(&world), None);
}

#[test]
fn r1939_3_15_pb_s54_a_shorter_autologout_is_raised_to_ten_minutes() {
    let mut config = SessionConfig::DEFAULT;
    config.limits.idle = core::time::Duration::from_secs(300);
    let mut world = World::new(config, true);
    world.feed(LOGIN);
    assert_eq!(world.session.timeout().unwrap().limit, ServerLimits::IDLE_FLOOR);
    assert_eq!(ServerLimits::IDLE_FLOOR.as_secs(), 600);
}

#[test]
fn r1939_3_16_pb_s33_when_time_is_up_nothing_is_said_and_nothing_removed() {
    let end = |ending: fn(&mut Session<'static, HeapStorage>)| {
        let mut world = World::logged_in();
        world.ask("DELE 1\r\n");
        ending(&mut world.session);
        world.feed(b"QUIT\r\n");
        assert_eq!(world.heard(), "");
        assert_eq!(world.ended, Some(Ok(CloseReason::Lost)));
        assert_eq!(world.committed, None);
        assert_eq!(world.session.timeout(), None);
    };
    end(Session::timed_out);
    end(Session::end_of_input);
}
