//! Our client against our server over a model of the maildrop, under a plan of commands and cuts.

use pop3_proto::maildrop::{Entry, FixedStorage};
use pop3_proto::server::{Request, Session, SessionConfig};
use pop3_proto::{Arg, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, Secret, Step};

use crate::client::{DEPTH, command};
use crate::plan::Plan;
use crate::server::{MAIL, octets};

/// Whatever the commands and the cuts: every command gets its reply, messages arrive octet by octet, and exactly the
/// messages marked by an accepted `DELE` are removed at the accepted `QUIT`.
pub fn pair(input: &[u8]) {
    let mut plan = Plan::new(input);
    let mut client = Client::<DEPTH>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    let mut config = SessionConfig::DEFAULT;
    // Many a DELE in a row is bad, which is no fault here.
    config.limits.bad_commands_in_a_row = u32::MAX;
    config.limits.bad_commands = u32::MAX;
    let (mut entries, mut ids) = ([Entry::EMPTY; 3], [0; 3]);
    let mut server = Session::new(config, true, FixedStorage::new(&mut entries, &mut ids));
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
    server.greet(&mut to_client).expect("a greeting");
    let mut marked = [false; MAIL.len()];
    let (mut removed, mut greeted, mut quit) = (None, false, false);
    let mut login = vec![
        Command::Pass(Secret::new(b"b").expect("a password")),
        Command::User(Arg::new(b"a").expect("a name")),
        Command::Capa,
    ];
    let mut sent = Vec::new();
    let mut message = Vec::new();
    let mut waiting: Option<Command<'static>> = None;
    for _ in 0..100_000 {
        if client.state().is_over() {
            break;
        }
        while greeted && !quit {
            let next = match login.last().copied().or(waiting) {
                Some(next) => next,
                None if plan.is_empty() || sent.len() > 200 => Command::Quit,
                None => command(&mut plan),
            };
            if client.send(&next, &mut to_server).is_err() {
                // It must wait for replies.
                if login.is_empty() {
                    waiting = Some(next);
                }
                break;
            }
            quit = matches!(next, Command::Quit);
            waiting = None;
            login.pop();
            sent.push(next);
        }
        let some = (plan.below(60) + 1).min(to_server.len());
        at_server.extend(to_server.drain(..some));
        answer(&mut server, &mut at_server, &mut to_client, &mut removed);
        let some = (plan.below(90) + 1).min(to_client.len());
        at_client.extend(to_client.drain(..some));
        loop {
            let received = client.receive(&at_client).expect("our server keeps the protocol");
            let consumed = received.consumed;
            let mut more = true;
            match received.step {
                Step::Event(ClientEvent::Greeting(_)) => greeted = true,
                Step::Event(ClientEvent::Reply(reply)) => {
                    let said = if reply.more { sent[0] } else { sent.remove(0) };
                    assert_eq!(said.verb(), reply.verb);
                    if let (Command::Dele(number), true) = (said, reply.is_ok()) {
                        assert!(!core::mem::replace(&mut marked[number.index()], true), "marked twice");
                    }
                    if matches!(said, Command::Rset) {
                        marked = [false; MAIL.len()];
                    }
                }
                Step::Event(ClientEvent::Body(_, part)) => message.extend_from_slice(part),
                Step::Event(ClientEvent::End(_)) => {
                    if let Command::Retr(number) = sent.remove(0) {
                        assert_eq!(message.len() as u64, octets(MAIL[number.index()]));
                    }
                    message.clear();
                }
                Step::Event(_) => {}
                Step::NeedInput | Step::Paused => more = false,
            }
            at_client.drain(..consumed);
            if !more {
                break;
            }
        }
    }
    assert!(client.state().is_over(), "it does not come to an end");
    let want: Vec<usize> = (0..MAIL.len()).filter(|&at| marked[at]).collect();
    assert_eq!(removed, Some(want));
}

fn answer(
    session: &mut Session<'_, FixedStorage<'_>>,
    input: &mut Vec<u8>,
    out: &mut Vec<u8>,
    removed: &mut Option<Vec<usize>>,
) {
    loop {
        let mut room = Buffer::new([0u8; 600]);
        let received = session.receive(input, &mut room).expect("our client keeps the protocol");
        let consumed = received.consumed;
        let mut more = true;
        match received.step {
            Step::Event(Request::Login { .. }) => {
                for (mail, id) in MAIL.iter().zip(["a", "b", "c"]) {
                    session.add_message(octets(mail), id.as_bytes()).expect("room in the index");
                }
                session.opened(&mut room).expect("a reply is owed");
            }
            Step::Event(Request::Message { number, .. }) => {
                session.start_message(&mut room).expect("a reply is owed");
                let mut source = MAIL[number.index()];
                while !source.is_empty() {
                    out.extend_from_slice(room.unread());
                    room.clear();
                    let progress = session.body(source, room.room()).expect("a message is sent");
                    room.filled(progress.written);
                    source = &source[progress.read..];
                    if progress.done {
                        break;
                    }
                }
                out.extend_from_slice(room.unread());
                room.clear();
                session.end_message(&mut room).expect("the size is right");
            }
            Step::Event(Request::Commit) => {
                *removed = Some(session.marked().map(|entry| entry.number.index()).collect());
                session.committed(true, &mut room).expect("a reply is owed");
            }
            Step::Event(Request::Close(_)) | Step::NeedInput => more = false,
            Step::Event(other) => panic!("{other:?}"),
            Step::Paused => {}
        }
        input.drain(..consumed);
        out.extend_from_slice(room.unread());
        if !more {
            return;
        }
    }
}
