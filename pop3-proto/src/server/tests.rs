//! The session over whole commands and cut ones.

use super::*;
use crate::maildrop::HeapStorage;
use crate::{Sink, Step};
use alloc::vec::Vec;

const SMALL: [(&[u8], &str); 2] = [
    (b"From: a@example.net\r\nTo: alice@example.net\r\nSubject: one\r\n\r\nHello.\r\n", "0000004e00000001"),
    (b"From: b@example.net\r\nSubject: dots\r\n\r\n.\r\n..two\r\n.hidden\r\nend\r\n", "0000004e00000002"),
];

/// Drives a session over the two messages of the transcripts; returns all that it says.
fn converse(
    config: SessionConfig<'_>,
    tls: bool,
    input: &[u8],
    step: usize,
) -> (Vec<u8>, Option<CloseReason>) {
    let mut session = Session::new(config, tls, HeapStorage::new(100));
    let mut said = Vec::new();
    session.greet(&mut said).unwrap();
    let (mut start, mut end) = (0, 0);
    loop {
        let received = session.receive(&input[start..end], &mut said).unwrap();
        start += received.consumed;
        match received.step {
            Step::NeedInput if end == input.len() => return (said, None),
            Step::NeedInput => end = (end + step).min(input.len()),
            Step::Paused => {}
            Step::Event(Request::Login { password }) => {
                if (session.user(), password.expose()) == (b"alice", b"wonder land") {
                    for (octets, id) in SMALL {
                        session.add_message(octets.len() as u64, id.as_bytes()).unwrap();
                    }
                    session.opened(&mut said).unwrap();
                } else {
                    session.refuse(Refusal::Credentials, &mut said).unwrap();
                }
            }
            Step::Event(Request::Message { number }) => {
                session.start_message(&mut said).unwrap();
                let (mut source, mut room) = (SMALL[number.index()].0, [0u8; 7]);
                while !source.is_empty() {
                    let progress = session.body(source, &mut room).unwrap();
                    said.put(&room[..progress.written]);
                    source = &source[progress.read..];
                    if progress.done {
                        break;
                    }
                }
                session.end_message(&mut said).unwrap();
            }
            Step::Event(Request::Commit) => session.committed(true, &mut said).unwrap(),
            Step::Event(Request::Close(reason)) => return (said, Some(reason)),
            Step::Event(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn r2449_6_6_1_a_batch_is_answered_in_order_at_every_cut() {
    let input = b"CAPA\r\nUSER alice\r\nPASS wonder land\r\nSTAT\r\nLIST\r\nRETR 9\r\nUIDL 1\r\nRETR 2\r\nDELE 1\r\nDELE 1\r\n\
        TOP 2 1\r\nLIST\r\nUIDL\r\nRSET\r\nSTAT\r\nQUIT\r\nNOOP\r\n";
    let want = "+OK POP3 server ready\r\n+OK capabilities follow\r\nTOP\r\nUIDL\r\nUSER\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n\
        PIPELINING\r\n.\r\n+OK send PASS\r\n+OK maildrop has 2 messages (130 octets)\r\n+OK 2 130\r\n\
        +OK 2 messages (130 octets)\r\n1 68\r\n2 62\r\n.\r\n-ERR no such message\r\n+OK 1 0000004e00000001\r\n\
        +OK 62 octets\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n..\r\n...two\r\n..hidden\r\nend\r\n.\r\n\
        +OK message marked as deleted\r\n-ERR message is already marked as deleted\r\n\
        +OK message follows\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n..\r\n.\r\n\
        +OK 1 message (62 octets)\r\n2 62\r\n.\r\n+OK 1 message (62 octets)\r\n2 0000004e00000002\r\n.\r\n\
        +OK no message is marked as deleted\r\n+OK 2 130\r\n+OK bye\r\n";
    for step in 1..=input.len() {
        let (said, reason) = converse(SessionConfig::DEFAULT, true, input, step);
        assert_eq!(core::str::from_utf8(&said).unwrap(), want, "step {step}");
        assert_eq!(reason, Some(CloseReason::Quit));
    }
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
fn pb_s31_asking_for_a_vanished_message_again_and_again_ends_the_session() {
    let mut session = Session::new(SessionConfig::DEFAULT, true, HeapStorage::new(1));
    let mut said = Vec::new();
    session.greet(&mut said).unwrap();
    assert_eq!(session.receive(b"USER a\r\n", &mut said).unwrap().step, Step::NeedInput);
    assert!(matches!(
        session.receive(b"PASS b\r\n", &mut said).unwrap().step,
        Step::Event(Request::Login { .. })
    ));
    session.add_message(1, b"id").unwrap();
    session.opened(&mut said).unwrap();
    for _ in 0..SessionConfig::DEFAULT.limits.bad_commands_in_a_row {
        let received = session.receive(b"RETR 1\r\n", &mut said).unwrap();
        assert!(matches!(received.step, Step::Event(Request::Message { .. })), "{received:?}");
        session.refuse(Refusal::Gone, &mut said).unwrap();
    }
    let received = session.receive(b"RETR 1\r\n", &mut said).unwrap();
    assert_eq!(received.step, Step::Event(Request::Close(CloseReason::BadCommands)));
}
