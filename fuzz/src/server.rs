//! What a client may say to a server: anything, in any pieces.

use pop3_proto::body::{BodyRules, Measure};
use pop3_proto::maildrop::HeapStorage;
use pop3_proto::sasl::server::{Answer, Exchange, Query, ServerStep, Setup};
use pop3_proto::server::{
    CloseReason, MechanismOffer, Needs, Refusal, Request, SaslInput, Session, SessionConfig,
};
use pop3_proto::{Buffer, Error, MechanismName, Step};

use crate::plan::{Plan, pieces};

/// The maildrop of the model.
pub(crate) const MAIL: [&[u8]; 3] =
    [b"From: a@example.net\r\nSubject: one\r\n\r\nHello.\r\n", b".first\n..\n\n.\n.hidden\nend", b""];

const OFFERS: &[MechanismOffer<'static>] = &[
    MechanismOffer::new(MechanismName::EXTERNAL, Needs::Tls),
    MechanismOffer::new(MechanismName::PLAIN, Needs::Privacy),
];

pub(crate) fn octets(mail: &[u8]) -> u64 {
    let mut measure = Measure::new(BodyRules::new());
    measure.update(mail);
    measure.finish()
}

/// What a session came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Served {
    said: Vec<u8>,
    removed: Option<Vec<u32>>,
    handshake: bool,
    closed: Option<CloseReason>,
    error: Option<Error>,
    exchange: Exchanging,
}

/// The SASL exchange under way, which counts for no comparison.
#[derive(Debug, Default)]
struct Exchanging(Option<Exchange>);

impl PartialEq for Exchanging {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Exchanging {}

/// Any octets of a client give the same replies whatever the cut; every line is `+OK`, `-ERR`, `+ ` or part of a multi-line
/// reply, no status line is over 512 octets, and nothing is removed without a `QUIT` behind a login.
pub fn server_stream(input: &[u8]) {
    let mut plan = Plan::new(input);
    let mode = plan.next();
    let count = plan.below(16);
    let sizes: Vec<usize> = plan.take(count).iter().map(|&size| usize::from(size) % 60 + 1).collect();
    let wire = plan.rest();
    let mut config = SessionConfig::DEFAULT;
    config.mechanisms = OFFERS;
    config.lenient_lf = mode & 1 != 0;
    config.allow_cleartext_login = mode & 2 != 0;
    let tls = mode & 4 == 0;
    let serve = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut session = Session::new(config, tls, HeapStorage::new(8));
        let mut served = Served::default();
        greet(&mut session, &mut served);
        serve(&mut session, pieces, &mut served);
        served
    };
    let whole = serve(&mut core::iter::once(wire));
    check(&whole, wire);
    assert_eq!(serve(&mut pieces(&sizes, wire)), whole, "{}", wire.escape_ascii());
    assert_eq!(serve(&mut pieces(&[], wire)), whole, "{}", wire.escape_ascii());
}

fn check(served: &Served, wire: &[u8]) {
    assert!(served.said.starts_with(b"+OK"));
    assert!(served.said.ends_with(b"\r\n") || served.said.ends_with(b"+ "));
    let asked = wire.iter().filter(|&&octet| octet == b'\n').count();
    let status = |line: &&[u8]| line.starts_with(b"+OK ") || line.starts_with(b"-ERR ");
    let answers = served.said.split(|&octet| octet == b'\n').filter(status).count();
    // The greeting, one reply a line, and one to what is no line of the protocol.
    assert!(answers <= asked + 2, "{answers} replies to {asked} lines");
    assert!(!served.said.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r'));
    if served.removed.is_some() {
        assert!(wire.to_ascii_uppercase().windows(4).any(|word| word == b"QUIT"));
    }
}

fn greet(session: &mut Session<'_, HeapStorage>, served: &mut Served) {
    session.greet(&mut served.said).expect("a greeting");
}

/// Serves until the octets are used up, the session closes, or a handshake is due.
fn serve(
    session: &mut Session<'_, HeapStorage>,
    pieces: &mut dyn Iterator<Item = &[u8]>,
    served: &mut Served,
) {
    let mut input = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let mut out = Buffer::new([0u8; 700]);
            let received = match session.receive(&input, &mut out) {
                Ok(received) => received,
                Err(error) => {
                    served.error = Some(error);
                    return;
                }
            };
            let consumed = received.consumed;
            assert!(consumed <= input.len());
            let mut wait = false;
            match received.step {
                Step::Event(request) => {
                    served.said.extend(out.unread());
                    out.clear();
                    match request {
                        Request::Close(reason) => {
                            served.closed = Some(reason);
                            return;
                        }
                        Request::StartTls => {
                            served.handshake = true;
                            assert_eq!(consumed, input.len(), "octets behind STLS");
                            return;
                        }
                        request => act(session, request, served, &mut out),
                    }
                }
                Step::NeedInput => wait = true,
                Step::Paused => {}
            }
            served.said.extend(out.unread());
            input.drain(..consumed);
            if wait {
                break;
            }
        }
    }
}

fn act(
    session: &mut Session<'_, HeapStorage>,
    request: Request<'_>,
    served: &mut Served,
    out: &mut Buffer<[u8; 700]>,
) {
    match request {
        Request::Login { password } => {
            let right = session.user() == b"alice" && password.expose() == b"wonderland";
            finish_login(session, right, out);
        }
        Request::Hopeless => finish_login(session, false, out),
        Request::Sasl(SaslInput::Ended) => served.exchange.0 = None,
        Request::Sasl(input) => {
            let mut scratch = vec![0; 16 * 1024];
            let mut challenge = Vec::new();
            let (mut running, step) = match input {
                SaslInput::Start { mechanism, initial } => {
                    let running = Exchange::start(mechanism, &Setup::default()).expect("it is offered");
                    (running, Err(initial))
                }
                SaslInput::Response(response) => {
                    (served.exchange.0.take().expect("a challenge went out"), Ok(response))
                }
                other => panic!("{other:?}"),
            };
            let right = match step {
                Err(initial) => running.initial(initial, &mut scratch, &mut challenge),
                Ok(response) => running.response(response, &mut scratch, &mut challenge),
            };
            let right = match right {
                Ok(ServerStep::Challenge) => {
                    session.challenge(&challenge, out).expect("room for a challenge");
                    served.exchange.0 = Some(running);
                    return;
                }
                Ok(ServerStep::Ask(Query::Password { authcid, password, .. })) => {
                    Ok(authcid == "alice" && password.expose() == b"wonderland")
                }
                Ok(ServerStep::Ask(_)) => Ok(false),
                Ok(ServerStep::Done) => panic!("done without a question"),
                Err(error) => Err(error),
            };
            match right {
                Ok(right) => {
                    let answer = if right { Answer::Accepted } else { Answer::Rejected };
                    let done = matches!(running.answer(answer, &mut challenge), Ok(ServerStep::Done));
                    assert_eq!(done, right);
                    finish_login(session, done, out);
                }
                Err(error) if error.rejects_credentials() => finish_login(session, false, out),
                Err(_) => session.refuse(Refusal::Malformed, out).expect("a reply is owed"),
            }
        }
        Request::Message { number } => {
            session.start_message(out).expect("a reply is owed");
            let mut source = MAIL[number.index()];
            while !source.is_empty() {
                served.said.extend(out.unread());
                out.clear();
                let progress = session.body(source, out.room()).expect("a message is sent");
                out.filled(progress.written);
                source = &source[progress.read..];
                if progress.done {
                    break;
                }
            }
            served.said.extend(out.unread());
            out.clear();
            session.end_message(out).expect("the size is right");
        }
        Request::Commit => {
            served.removed = Some(session.marked().map(|entry| entry.number.get()).collect());
            session.committed(true, out).expect("a reply is owed");
        }
        other => panic!("{other:?}"),
    }
}

fn finish_login(session: &mut Session<'_, HeapStorage>, right: bool, out: &mut Buffer<[u8; 700]>) {
    if !right {
        return session.refuse(Refusal::Credentials, out).expect("a reply is owed");
    }
    for (mail, id) in MAIL.iter().zip(["a", "b", "c"]) {
        session.add_message(octets(mail), id.as_bytes()).expect("room in the index");
    }
    session.opened(out).expect("a reply is owed");
}

/// No octet from before TLS changes what a server answers, or a client believes, after it.
pub fn stls_gate(input: &[u8]) {
    let mut plan = Plan::new(input);
    let before = plan.piece();
    let after = plan.rest();
    crate::client::gate(before, after);

    let mut config = SessionConfig::DEFAULT;
    config.mechanisms = OFFERS;
    config.stls = true;
    config.allow_cleartext_login = true;
    config.limits.bad_commands_before_login = u32::MAX;
    config.limits.bad_commands = u32::MAX;
    config.limits.failed_logins = u32::MAX;
    let mut upgraded = Session::new(config, false, HeapStorage::new(8));
    let mut served = Served::default();
    greet(&mut upgraded, &mut served);
    serve(&mut upgraded, &mut core::iter::once(before), &mut served);
    if served.error.is_some() || served.closed.is_some() {
        return;
    }
    if !served.handshake {
        serve(&mut upgraded, &mut core::iter::once(&b"\r\nSTLS\r\n"[..]), &mut served);
    }
    if !served.handshake || served.error.is_some() {
        return;
    }
    upgraded.tls_started().expect("the +OK to STLS was written");
    let mut fresh = Session::new(config, true, HeapStorage::new(8));
    greet(&mut fresh, &mut Served::default());
    let [mut one, mut other] = [Served::default(), Served::default()];
    // What a foreign protocol is told is for the first line of a connection.
    let after = [b"NOOP\r\n", after].concat();
    serve(&mut upgraded, &mut core::iter::once(&after[..]), &mut one);
    serve(&mut fresh, &mut core::iter::once(&after[..]), &mut other);
    assert_eq!(one, other, "{}", before.escape_ascii());
}
