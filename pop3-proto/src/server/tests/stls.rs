//! The gate at `STLS`.

use super::*;
use crate::PeerMisbehaved;

const BEHIND: Option<Result<CloseReason, Error>> =
    Some(Err(Error::PeerMisbehaved(PeerMisbehaved::OctetsBehindStls)));

fn clear() -> World<'static> {
    let mut world = World::new(everything(), false);
    assert_eq!(world.heard(), "+OK POP3 server ready\r\n");
    world
}

#[test]
fn r2595_4_7_pb_s12_octets_behind_stls_close_the_connection_and_are_not_answered() {
    for behind in
        ["\0", "\r\n", "NOOP\r\n", "USER ev", "STLS\r\n", "USER alice\r\nPASS wonder land\r\nDELE 1\r\n"]
    {
        let mut world = clear();
        world.feed(format!("STLS\r\n{behind}").as_bytes());
        assert_eq!((world.heard().as_str(), world.ended, world.handshakes), ("", BEHIND, 0));
        // In other segments, but before the program took up the handshake: the same.
        for at in 0..behind.len() {
            let (mut session, mut out) = (Session::new(everything(), false, HeapStorage::new(1)), Vec::new());
            session.greet(&mut out).unwrap();
            out.clear();
            let (first, second) = behind.split_at(at);
            let input = format!("STLS\r\n{first}");
            let result = session.receive(input.as_bytes(), &mut out);
            if !first.is_empty() {
                assert!(result.is_err() && out.is_empty());
                continue;
            }
            assert_eq!(result.unwrap().step, Step::Event(Request::StartTls));
            assert_eq!(out, b"+OK begin TLS\r\n");
            let error = Err(Error::PeerMisbehaved(PeerMisbehaved::OctetsBehindStls));
            assert_eq!(session.receive(second.as_bytes(), &mut out), error);
            assert!(session.tls_started().is_err());
            assert_eq!(out, b"+OK begin TLS\r\n");
        }
    }
}

#[test]
fn r2595_4_7_every_split_of_the_command_itself_works() {
    for cut in pieces(b"stls\r\n") {
        let mut world = clear();
        cut.for_each(|piece| world.feed(piece));
        assert_eq!(world.heard(), "+OK begin TLS\r\n");
        assert_eq!((world.handshakes, world.session.is_tls(), world.ended), (1, true, None));
        assert_eq!(world.session.state(), State::Authorization);
    }
}

#[test]
fn r2595_4_7_pb_s13_half_a_line_does_not_reach_into_tls() {
    let mut world = clear();
    world.feed(b"CAPA\r\nSTLS\r\nUSER ev");
    assert_eq!(world.ended, BEHIND);
    // And a new line begins behind the handshake.
    let mut world = clear();
    world.feed(b"STLS\r\n");
    world.heard();
    assert_eq!(world.ask("il\r\n"), "-ERR unknown or malformed command\r\n");
}

#[test]
fn r2595_4_7_pb_s14_what_was_learned_in_clear_is_forgotten() {
    let config = SessionConfig { allow_cleartext_login: true, ..everything() };
    let mut world = World::new(config, false);
    world.heard();
    assert!(world.ask("LANG sv\r\n").starts_with("+OK sv "));
    assert_eq!(world.ask("USER alice\r\n"), "+OK lösenord tack\r\n");
    assert_eq!(world.ask("STLS\r\n"), "+OK börja med TLS\r\n");
    assert_eq!((world.session.user(), world.session.language()), (&b""[..], "i-default"));
    assert_eq!(world.ask("PASS wonder land\r\n"), "-ERR command not valid in this state\r\n");
    assert_eq!(world.checks, 0);
}

#[test]
fn r2595_4_2_pb_s15_one_handshake_only() {
    let mut world = clear();
    world.feed(b"STLS\r\n");
    world.heard();
    assert_eq!(world.ask("STLS\r\n"), "-ERR TLS is active already\r\n");
    assert!(world.session.tls_started().is_err());
    // Not over implicit TLS, not where it is not offered, not with arguments, not after the login.
    let mut world = World::new(everything(), true);
    world.heard();
    assert_eq!(world.ask("STLS\r\n"), "-ERR TLS is active already\r\n");
    let mut world = World::new(SessionConfig::DEFAULT, false);
    world.heard();
    assert_eq!(world.ask("STLS\r\n"), "-ERR command not valid in this state\r\n");
    let mut world = clear();
    assert_eq!(world.ask("STLS now\r\n"), "-ERR unknown or malformed command\r\n");
    assert_eq!(world.handshakes, 0);
    let mut world = World::new(SessionConfig { allow_cleartext_login: true, ..everything() }, false);
    world.feed(LOGIN);
    world.heard();
    assert_eq!(world.ask("STLS\r\n"), "-ERR command not valid in this state\r\n");
}

#[test]
fn r2595_2_3_r5034_4_17_no_password_is_taken_in_clear_unless_allowed() {
    let mut world = clear();
    assert_eq!(world.ask("USER alice\r\n"), "-ERR encryption required\r\n");
    assert_eq!(world.ask("PASS wonder land\r\n"), "-ERR command not valid in this state\r\n");
    let plain = "AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k\r\n";
    assert_eq!(world.ask(plain), "-ERR encryption required\r\n");
    assert_eq!(world.checks, 0, "nothing was looked at");
    assert_eq!(world.ask("STLS\r\n"), "+OK begin TLS\r\n");
    world.feed(LOGIN);
    assert_eq!(world.session.state(), State::Transaction);
}

#[test]
fn r2449_5_1_r2449_6_2_r5034_3_1_pb_s46_what_is_announced_is_what_works() {
    fn capa(world: &mut World<'_>) -> Vec<String> {
        world.ask("CAPA\r\n").lines().skip(1).filter(|line| *line != ".").map(String::from).collect()
    }
    let always = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"];
    let mut world = clear();
    let in_clear = capa(&mut world);
    assert!(always.iter().all(|line| in_clear.iter().any(|c| c == line)));
    assert!(in_clear.iter().any(|line| line == "STLS"));
    assert!(!in_clear.iter().any(|line| line.starts_with("USER") || line.starts_with("SASL")));
    world.feed(b"STLS\r\n");
    world.heard();
    let over_tls = capa(&mut world);
    assert!(["USER", "SASL PLAIN"].iter().all(|line| over_tls.iter().any(|c| c == line)));
    assert!(!over_tls.iter().any(|line| line == "STLS"));
    world.feed(LOGIN);
    world.heard();
    assert_eq!(capa(&mut world), over_tls, "repeated after the login");
    // Each line means to our client what it should.
    for line in &over_tls {
        let parsed = crate::Capability::parse(line.as_bytes()).unwrap();
        assert!(!matches!(parsed, crate::Capability::Other { .. }), "{line}");
    }
    // Clear-text logins make the lists equal but for STLS.
    let mut world = World::new(SessionConfig { allow_cleartext_login: true, ..everything() }, false);
    world.heard();
    let open = capa(&mut world);
    assert!(open.iter().any(|line| line == "USER") && open.iter().any(|line| line == "STLS"));
    world.feed(LOGIN);
    world.heard();
    assert!(!capa(&mut world).iter().any(|line| line == "STLS"), "not where it would be refused");
}

#[test]
fn r5034_3_1_the_offer_follows_what_the_handshake_has_shown() {
    let external = [MechanismOffer::new(crate::MechanismName::EXTERNAL, Needs::Tls)];
    let plain = [MechanismOffer::new(crate::MechanismName::PLAIN, Needs::Privacy)];
    let mut session = Session::new(
        SessionConfig { mechanisms: &plain, stls: true, ..SessionConfig::DEFAULT },
        false,
        HeapStorage::new(0),
    );
    let mut said = Vec::new();
    session.greet(&mut said).unwrap();
    let received = session.receive(b"STLS\r\n", &mut said).unwrap();
    assert_eq!(received.step, Step::Event(Request::StartTls));
    session.tls_started().unwrap();
    session.offer(&external);
    said.clear();
    let received = session.receive(b"AUTH\r\nAUTH PLAIN\r\nAUTH EXTERNAL\r\n", &mut said).unwrap();
    assert_eq!(
        core::str::from_utf8(&said).unwrap(),
        "+OK mechanisms follow\r\nEXTERNAL\r\n.\r\n-ERR mechanism not available\r\n"
    );
    let Step::Event(Request::Sasl(SaslInput::Start { mechanism, initial: None })) = received.step else {
        panic!("{:?}", received.step);
    };
    assert_eq!(mechanism, crate::MechanismName::EXTERNAL);
}

#[test]
fn r2595_4_9_stls_is_announced_only_where_it_can_succeed() {
    let mut world = World::new(SessionConfig::DEFAULT, false);
    world.heard();
    assert!(!world.ask("CAPA\r\n").contains("STLS"), "no certificate was promised");
}

#[test]
fn r32_the_handshake_is_a_part_of_the_wait_for_the_login() {
    let (mut session, mut out) = (Session::new(everything(), false, HeapStorage::new(1)), Vec::new());
    session.greet(&mut out).unwrap();
    let before = session.timeout().unwrap();
    assert_eq!(before.waiting_for, WaitingFor::Login);
    assert_eq!(session.receive(b"STLS\r\n", &mut out).unwrap().step, Step::Event(Request::StartTls));
    assert_eq!(session.timeout(), Some(before));
    session.tls_started().unwrap();
    assert_eq!(session.timeout(), Some(before));
}
