//! The connection of a server without a session over it, as a proxy has it: replies chosen by the plan.

use pop3_proto::body::BodyRules;
use pop3_proto::server::{Rejection, Server, ServerEvent};
use pop3_proto::{Base64, Buffer, CodeKind, Command, ReplyError, ReplyShape, ServerLimits, Status, Step};

use crate::dialogue::{lines, replies};
use crate::plan::Plan;

/// Every way to speak, but those that are owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Nothing,
    Refusal,
    Reply(ReplyShape),
    Lines,
    Body,
}

/// What is not owed is an error and writes nothing.
fn misuse(server: &mut Server, owed: Owed) {
    let mut out = Vec::new();
    let denied = |result: Result<(), ReplyError>| {
        let error = result.expect_err("a reply that nobody waits for");
        assert!(!error.to_string().is_empty());
    };
    denied(server.greet(b"again", &mut out));
    denied(server.refuse(None, b"again", &mut out));
    if !matches!(owed, Owed::Reply(ReplyShape::Single | ReplyShape::Sasl | ReplyShape::Tls)) {
        denied(server.reply(Status::Ok, None, b"", &mut out));
    }
    if !matches!(owed, Owed::Reply(ReplyShape::Sasl)) {
        denied(server.challenge(b"a", &mut out));
        denied(server.challenge_encoded(Base64::EMPTY, &mut out));
    }
    if !matches!(owed, Owed::Reply(ReplyShape::Lines(_))) {
        denied(server.start_lines(b"", &mut out));
    }
    if owed != Owed::Lines {
        denied(server.line(b"a", &mut out));
        denied(server.end_lines(&mut out));
    }
    if !matches!(owed, Owed::Reply(ReplyShape::Body)) {
        denied(server.start_body(b"", BodyRules::new(), &mut out));
    }
    if owed != Owed::Body {
        assert!(server.body(b"a", &mut [0; 9]).is_err());
        denied(server.end_body(None, &mut out));
    }
    assert!(server.tls_started().is_err());
    assert!(out.is_empty(), "{}", out.escape_ascii());
}

/// Whatever the client says and however the plan answers: one reply to a line, of the shape that the command wants; what is
/// not owed cannot be said; a reply for which there is no room is not said in part.
pub fn server_core(input: &[u8]) {
    let mut plan = Plan::new(input);
    let mode = plan.next();
    let choices = plan.piece();
    let wire = plan.rest();
    let mut choices = Plan::new(choices);
    let mut server = Server::new(mode & 1 == 0, mode & 2 != 0, mode & 4 != 0, ServerLimits::DEFAULT);
    if mode & 8 != 0 {
        server.tolerate_utf8_after_login();
    }
    server.allow_utf8_text(mode & 16 != 0);
    let mut said = Vec::new();
    if mode & 32 != 0 {
        server.refuse(Some(CodeKind::SysTemp), b"full", &mut said).expect("a greeting is owed");
        assert!(said.starts_with(b"-ERR [SYS/TEMP] ") && server.state().is_over());
        return;
    }
    server.greet(b"ready", &mut said).expect("a greeting is owed");
    said.clear();
    let mut rest = wire;
    loop {
        misuse(&mut server, Owed::Nothing);
        let Ok(received) = server.receive(rest) else { break };
        let consumed = received.consumed;
        let owed = match received.step {
            Step::NeedInput | Step::Paused => break,
            Step::Event(ServerEvent::Command(command)) => Owed::Reply(shape(&command)),
            Step::Event(ServerEvent::SaslResponse(_)) => Owed::Reply(ReplyShape::Sasl),
            Step::Event(ServerEvent::Rejected(rejection)) => {
                assert!(!matches!(rejection, Rejection::Syntax(error) if error.to_string().is_empty()));
                Owed::Refusal
            }
            Step::Event(_) => Owed::Refusal,
        };
        rest = &rest[consumed..];
        misuse(&mut server, owed);
        assert!(
            server
                .receive(rest)
                .is_ok_and(|received| received.consumed == 0 && received.step == Step::Paused)
        );
        speak(&mut server, owed, &mut choices, &mut said);
        if server.state().is_over() || matches!(owed, Owed::Reply(ReplyShape::Tls)) {
            break;
        }
    }
    let (mut heard, open) = lines(wire, mode & 4 != 0);
    heard.push(open);
    replies(&heard, &said);
}

fn shape(command: &Command<'_>) -> ReplyShape {
    command.reply_shape()
}

fn speak(server: &mut Server, owed: Owed, choices: &mut Plan<'_>, said: &mut Vec<u8>) {
    let choice = choices.next();
    let text = choices.piece();
    let mut none = Buffer::new([0u8; 3]);
    assert!(matches!(server.reply(Status::Err, None, text, &mut none), Err(ReplyError::Full(_))));
    let refuse = owed == Owed::Refusal || choice & 1 != 0;
    match owed {
        _ if refuse => server.reply(Status::Err, Some(CodeKind::Auth), text, said),
        Owed::Reply(ReplyShape::Sasl) if choice & 2 != 0 => server.challenge(text, said),
        Owed::Reply(ReplyShape::Sasl) if choice & 4 != 0 => server.challenge_encoded(Base64::EMPTY, said),
        Owed::Reply(ReplyShape::Lines(_)) => {
            server.start_lines(text, said).expect("lines are owed");
            misuse(server, Owed::Lines);
            let line: Vec<u8> =
                text.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
            server.line(&line, said).expect("lines are owed");
            assert!(server.line(b"a\r\nb", said).is_err());
            server.end_lines(said)
        }
        Owed::Reply(ReplyShape::Body) => {
            server.start_body(b"", BodyRules::new(), said).expect("a message is owed");
            misuse(server, Owed::Body);
            let mut room = vec![0; 4 * text.len() + 16];
            let progress = server.body(text, &mut room).expect("a message is owed");
            assert_eq!(progress.read, text.len());
            said.extend(&room[..progress.written]);
            assert!(server.end_body(Some(u64::MAX), said).is_err(), "a message of another size");
            server.end_body(None, said)
        }
        _ => server.reply(Status::Ok, None, text, said),
    }
    .expect("it is owed, and there is room");
}
