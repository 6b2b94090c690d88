//! What a client may say to a server: anything, in any pieces.

use std::collections::BTreeSet;

use pop3_proto::apop;
use pop3_proto::body::{BodyRules, Measure};
use pop3_proto::maildrop::HeapStorage;
use pop3_proto::sasl::SaslError;
use pop3_proto::sasl::server::{Answer, Exchange, Query, ServerStep, Setup};
use pop3_proto::server::{
    CloseReason, Language, MechanismOffer, Needs, Refusal, Request, SaslInput, Session, SessionConfig,
    Utf8Offer,
};
use pop3_proto::{Buffer, Error, MechanismName, Secret, Step};

use crate::body::delivered;
use crate::dialogue::{lines, replies};
use crate::plan::{Plan, pieces};

/// The maildrop of the model.
pub(crate) const MAIL: [&[u8]; 3] =
    [b"From: a@example.net\r\nSubject: one\r\n\r\nHello.\r\n", b".first\n..\n\n.\n.hidden\nend", b""];

const STAMP: &[u8] = b"<1896.697170952@dbc.mtview.ca.us>";

const OFFERS: &[MechanismOffer<'static>] = &[
    MechanismOffer::new(MechanismName::EXTERNAL, Needs::Tls),
    MechanismOffer::new(MechanismName::OAUTHBEARER, Needs::Privacy),
    MechanismOffer::new(MechanismName::PLAIN, Needs::Privacy),
    MechanismOffer::new(MechanismName::LOGIN, Needs::Privacy).unlisted(),
    MechanismOffer::new(MechanismName::CRAM_MD5, Needs::Nothing),
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
    /// Now and then it refuses what is right: the maildrop is in use, a message is gone, nothing can be removed.
    shy: bool,
    logins: usize,
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

/// Any octets of a client give the same replies whatever the cut. Each line has one reply, of the shape that the command
/// wants, and nothing else is said; no line of it is over 512 octets; a message comes as it is; and what is removed are the
/// messages whose `DELE` was accepted, behind a `QUIT`.
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
    if mode & 8 != 0 {
        config.languages = Language::BUILT_IN;
        config.default_language = "de";
        config.utf8 = if mode & 16 == 0 { Utf8Offer::MessagesAndLogin } else { Utf8Offer::Messages };
        config.lenient_utf8 = mode & 32 != 0;
        config.implementation = Some("fuzz\r\n");
        config.expire = Some(Some(60).filter(|_| mode & 16 == 0));
        config.login_delay = Some(60);
        config.apop = Some(STAMP);
        config.greeting = "<not@one>";
    }
    // No STLS: the cut decides whether octets behind it are an error or the handshake; see `stls_gate`.
    let serve = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut session = Session::new(config, tls, HeapStorage::new(8));
        let mut served = Served { shy: mode & 128 != 0, ..Served::default() };
        greet(&mut session, &mut served);
        serve(&mut session, pieces, &mut served);
        if served.closed.is_none() && served.error.is_none() && !served.handshake {
            misuse(&mut session);
            if mode & 1 == 0 {
                session.end_of_input()
            } else {
                session.timed_out()
            }
            assert_eq!(session.timeout(), None);
        }
        served
    };
    let whole = serve(&mut core::iter::once(wire));
    check(&whole, wire, mode & 1 != 0);
    assert_eq!(serve(&mut pieces(&sizes, wire)), whole, "{}", wire.escape_ascii());
    assert_eq!(serve(&mut pieces(&[], wire)), whole, "{}", wire.escape_ascii());
}

/// With no question open there is nothing to answer, and nothing is written.
fn misuse(session: &mut Session<'_, HeapStorage>) {
    let mut out = Vec::new();
    let told = |error: &dyn std::error::Error| assert!(!error.to_string().is_empty());
    let before = session.state();
    assert!(session.add_message(1, b"x").inspect_err(|error| told(error)).is_err());
    for denied in [
        session.opened(&mut out),
        session.refuse(Refusal::Credentials, &mut out),
        session.challenge(b"", &mut out),
        session.report(b"", &mut out),
        session.committed(true, &mut out),
        session.start_message(&mut out),
        session.end_message(&mut out),
        session.greet(&mut out),
    ] {
        told(&denied.expect_err("an answer without a question"));
    }
    assert!(session.body(b"x", &mut [0; 9]).is_err() && session.tls_started().is_err());
    assert!(out.is_empty() && session.state() == before);
}

fn check(served: &Served, wire: &[u8], lenient_lf: bool) {
    let end = served.said.windows(2).position(|pair| pair == b"\r\n").expect("a greeting") + 2;
    let (greeting, said) = served.said.split_at(end);
    assert!(greeting.starts_with(b"+OK") && greeting.len() <= 512);
    let (mut lines, open) = lines(wire, lenient_lf);
    let complete = lines.len();
    // What is over-long, or of another protocol, is answered before its end.
    lines.push(open);
    let replies = replies(&lines, said);
    let over = served.closed.is_some() || served.error.is_some() || served.handshake;
    assert!(over || replies.len() >= complete, "{} replies to {complete} lines", replies.len());
    let (mut marked, mut removed, mut exchange) = (BTreeSet::new(), None, false);
    for (command, reply) in &replies {
        let line = &reply.line;
        assert!(line.len() <= 510 || reply.is_challenge(), "{}", line.escape_ascii());
        assert!([&b"+OK"[..], b"-ERR"].iter().any(|status| line.starts_with(status)) || reply.is_challenge());
        assert!(core::str::from_utf8(line).is_ok() && !line.contains(&0));
        let text = String::from_utf8_lossy(command).to_ascii_uppercase();
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let number = words.get(1).and_then(|word| word.parse::<u32>().ok());
        match (words.first().copied(), number, reply.is_ok() && !exchange) {
            (Some("DELE"), Some(number), true) => assert!(marked.insert(number), "marked twice"),
            (Some("RSET"), _, true) => marked.clear(),
            (Some("QUIT"), _, _) if !exchange => removed = Some(marked.iter().copied().collect::<Vec<_>>()),
            (Some("RETR"), Some(number), true) => {
                assert!(!marked.contains(&number), "a message that is marked");
                let message = delivered(MAIL[number as usize - 1], true, false);
                assert_eq!(reply.rest.as_deref(), Some(&message[..]));
            }
            (Some("LIST" | "UIDL"), None, true) => {
                let listed =
                    reply.rest.as_ref().map(|rest| rest.iter().filter(|&&octet| octet == b'\n').count());
                assert_eq!(listed, Some(MAIL.len() - marked.len()));
            }
            _ => {}
        }
        exchange = reply.is_challenge();
    }
    if let Some(gone) = &served.removed {
        assert_eq!(Some(gone), removed.as_ref());
    }
    assert!(served.removed.is_some() || served.closed != Some(CloseReason::Quit) || marked.is_empty());
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
                    // What was answered before it in the same call; the cut decides whether that is any.
                    served.said.extend(out.unread());
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
            finish_login(session, right, served, out);
        }
        Request::Apop { name, digest } => {
            let right = name.as_bytes() == b"alice" && apop::matches(STAMP, b"wonderland", digest.as_bytes());
            finish_login(session, right, served, out);
        }
        Request::Hopeless => finish_login(session, false, served, out),
        Request::Sasl(SaslInput::Ended) => served.exchange.0 = None,
        Request::Sasl(SaslInput::Acknowledged) => {
            served.exchange.0 = None;
            session.refuse(Refusal::Credentials, out).expect("a reply is owed");
        }
        Request::Sasl(input) => exchange(session, input, served, out),
        Request::Message { number, .. } if served.shy && number.get() == 2 => {
            session.refuse(Refusal::Gone, out).expect("a reply is owed");
        }
        Request::Message { number, .. } => {
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
            session.committed(!served.shy, out).expect("a reply is owed");
        }
        other => panic!("{other:?}"),
    }
}

/// A message of a SASL exchange, until there is a challenge or an end.
fn exchange(
    session: &mut Session<'_, HeapStorage>,
    input: SaslInput<'_>,
    served: &mut Served,
    out: &mut Buffer<[u8; 700]>,
) {
    let (mut scratch, mut challenge) = (vec![0; 16 * 1024], Vec::new());
    let mut running = match input {
        SaslInput::Start { mechanism, .. } => {
            Exchange::start(mechanism, &Setup::default()).expect("it is offered")
        }
        _ => served.exchange.0.take().expect("a challenge went out"),
    };
    let mut next = match input {
        SaslInput::Start { initial, .. } => next(running.initial(initial, &mut scratch, &mut challenge)),
        SaslInput::Response(response) => next(running.response(response, &mut scratch, &mut challenge)),
        other => panic!("{other:?}"),
    };
    loop {
        match next {
            Next::Challenge => {
                if running.has_refused() {
                    session.report(&challenge, out).expect("room for a challenge");
                } else {
                    session.challenge(&challenge, out).expect("room for a challenge");
                }
                served.exchange.0 = Some(running);
                return;
            }
            Next::Answer(answer) => next = self::next(running.answer(answer, &mut challenge)),
            Next::Done => return finish_login(session, true, served, out),
            Next::Failed(error) if error.rejects_credentials() => {
                return finish_login(session, false, served, out);
            }
            Next::Failed(_) => return session.refuse(Refusal::Malformed, out).expect("a reply is owed"),
        }
    }
}

/// What comes next in an exchange.
enum Next {
    Challenge,
    Answer(Answer<'static>),
    Done,
    Failed(SaslError),
}

fn next(step: Result<ServerStep<'_>, SaslError>) -> Next {
    let yes = |yes| if yes { Answer::Accepted } else { Answer::Rejected };
    match step {
        Ok(ServerStep::Challenge) => Next::Challenge,
        Ok(ServerStep::Done) => Next::Done,
        Err(error) => Next::Failed(error),
        Ok(ServerStep::Ask(query)) => Next::Answer(match query {
            Query::Password { authcid, password, .. } => {
                yes(authcid == "alice" && password.expose() == b"wonderland")
            }
            Query::Secret { .. } => Answer::Secret(Secret::new(b"wonderland").expect("a password")),
            Query::Authorize { authcid, .. } => yes(authcid == "alice"),
            Query::Token { token, .. } if token.expose() == b"wonderland" => Answer::Accepted,
            Query::Token { .. } => Answer::TokenRejected(br#"{"status":"invalid_token"}"#),
            _ => Answer::Rejected,
        }),
    }
}

fn finish_login(
    session: &mut Session<'_, HeapStorage>,
    right: bool,
    served: &mut Served,
    out: &mut Buffer<[u8; 700]>,
) {
    if !right {
        return session.refuse(Refusal::Credentials, out).expect("a reply is owed");
    }
    served.logins += 1;
    for (mail, id) in MAIL.iter().zip(["a", "b", "c"]) {
        let number = session.add_message(octets(mail), id.as_bytes()).expect("room in the index");
        if served.shy && id == "c" {
            session.require_utf8(number).expect("just added");
        }
    }
    let refusals = [Refusal::InUse, Refusal::LoginDelay, Refusal::Temporary, Refusal::Permanent];
    if let (true, Some(refusal)) =
        (served.shy, refusals.get(4 - served.logins.min(4)).filter(|_| served.logins < 3))
    {
        return session.refuse(*refusal, out).expect("a reply is owed");
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
