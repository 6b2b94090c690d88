//! What is said before a login: the greeting, and capabilities that carry a value.

use super::*;

#[test]
fn r1939_4_1_r1939_7_9_the_greeting_comes_first_and_offers_no_apop() {
    let mut session = Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(0));
    let mut said = Vec::new();
    // Before it is written nothing is read: the commands wait.
    let received = session.receive(b"QUIT\r\n", &mut said).unwrap();
    assert_eq!((received.consumed, received.step), (0, Step::Paused));
    assert!(said.is_empty());
    session.greet(&mut said).unwrap();
    assert!(said.starts_with(b"+OK ") && said.ends_with(b"\r\n"));
    assert_eq!(said.windows(2).filter(|w| *w == b"\r\n").count(), 1);
    // A client would take <...> for the timestamp of APOP (R1939-7.9).
    assert!(!said.contains(&b'<'));
    assert!(session.greet(&mut said).is_err(), "a second greeting");
}

#[test]
fn r2449_6_5_1_r2449_6_7_1_values_are_announced_before_and_after_the_login() {
    let config = SessionConfig { login_delay: Some(300), expire: Some(Some(30)), ..SessionConfig::DEFAULT };
    for (expire, line) in [(None, "EXPIRE NEVER\r\n"), (Some(0), "EXPIRE 0\r\n"), (Some(30), "EXPIRE 30\r\n")]
    {
        let config = SessionConfig { expire: Some(expire), ..config };
        let mut session = Session::new(config, true, HeapStorage::new(0));
        let mut said = Vec::new();
        session.greet(&mut said).unwrap();
        for logged_in in [false, true] {
            if logged_in {
                assert_eq!(session.receive(b"USER a\r\n", &mut said).unwrap().step, Step::NeedInput);
                let asked = session.receive(b"PASS b\r\n", &mut said).unwrap().step;
                assert!(matches!(asked, Step::Event(Request::Login { .. })));
                session.opened(&mut said).unwrap();
            }
            said.clear();
            assert_eq!(session.receive(b"CAPA\r\n", &mut said).unwrap().step, Step::NeedInput);
            let list = core::str::from_utf8(&said).unwrap();
            assert!(list.contains("\r\nLOGIN-DELAY 300\r\n"), "{list}");
            assert!(list.contains(line), "{list}");
        }
    }
}

#[test]
fn r3206_5_2_no_code_on_user_whatever_the_name() {
    for input in [&b"USER alice\r\n"[..], b"USER nobody\r\n", b"USER \xff\r\n", b"USER\r\n"] {
        let mut session = Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(0));
        let mut said = Vec::new();
        session.greet(&mut said).unwrap();
        said.clear();
        assert_eq!(session.receive(input, &mut said).unwrap().step, Step::NeedInput);
        assert!(!said.contains(&b'['), "{}", said.escape_ascii());
    }
}
