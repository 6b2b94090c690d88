//! The server's side: login with SCRAM-SHA-256 after a wrong password by PLAIN, listings, a message, `TOP`, deletion, the end; in reads of a few octets and
//! through an output buffer of the least size.

use core::hint::black_box;

use pop3_proto::maildrop::{Entry, FixedStorage};
use pop3_proto::sasl::SaslError;
use pop3_proto::sasl::server::{Answer, Exchange, Query, ScramKeys, ServerStep, Setup};
use pop3_proto::server::{MechanismOffer, Needs, Refusal, Request, SaslInput, Session, SessionConfig};
use pop3_proto::{Buffer, MechanismName, Sink, Step};

const INPUT: &[u8] =
    b"CAPA\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\n\
AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\r\n\
Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU9BQUVDQXdRRkJnY0lDUW9MREEwT0R4QVIscD0zblp3aDY2ZUZvcEpCVTY0K1ZuS2l4MHltbjVwWHp0SmNTLy9MMkY3SlNvPQ==\r\n\
\r\n\
STAT\r\nLIST\r\n\
UIDL\r\nRETR 2\r\nTOP 2 1\r\nDELE 1\r\nLIST 1\r\nQUIT\r\n";

const OUTPUT: &[u8] = b"+OK POP3 server ready\r\n\
+OK capabilities follow\r\nTOP\r\nUIDL\r\nUSER\r\nSASL SCRAM-SHA-256 PLAIN\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n.\r\n\
-ERR [AUTH] authentication failed\r\n\
+ cj1yT3ByTkdmd0ViZVJXZ2JORWtxT0FBRUNBd1FGQmdjSUNRb0xEQTBPRHhBUixzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\r\n\
+ dj03dG1yT0NZY3VlZnk5dzFBVXpYU3RNTlZ0anpwbk5tV1NPRW9nRGtJS0FnPQ==\r\n\
+OK maildrop has 2 messages (130 octets)\r\n+OK 2 130\r\n\
+OK 2 messages (130 octets)\r\n1 68\r\n2 62\r\n.\r\n\
+OK 2 messages (130 octets)\r\n1 0000004e00000001\r\n2 0000004e00000002\r\n.\r\n\
+OK 62 octets\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n..\r\n...two\r\n..hidden\r\nend\r\n.\r\n\
+OK message follows\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n..\r\n.\r\n\
+OK message marked as deleted\r\n-ERR no such message\r\n+OK bye\r\n";

/// As a store holds them: with LF.
const MAIL: [(u64, &[u8], &[u8]); 2] = [
    (68, b"0000004e00000001", b"From: a@example.net\nTo: alice@example.net\nSubject: one\n\nHello.\n"),
    (62, b"0000004e00000002", b"From: b@example.net\nSubject: dots\n\n.\n..two\n.hidden\nend\n"),
];

/// What is kept of `user`'s password: salt and count of the example in RFC 7677 section 3, and the keys that they make, by
/// Python's hashlib. The dialogue differs from the example in the server's nonce, and is by hashlib too.
const KEYS: ScramKeys<'_> = ScramKeys::new(
    b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81",
    4096,
    b"\x58\x6e\x5d\xf2\x83\xe6\xdc\xeb\x5c\x3e\x79\x1d\x8b\x85\x28\xec\x19\x1e\x66\x40\x45\xce\x97\x17\x92\xe2\xe6\xb5\xbb\x13\xe2\xa6",
    b"\xc1\xf3\xcb\xc1\xc1\x3a\x9d\x35\xa1\x4c\x09\x90\xee\xd9\x76\x29\xea\x22\x58\x63\xe5\x66\xa4\x31\x4a\xb9\x9f\x3f\x00\xe5\xd9\xd5",
);

type Output = Buffer<[u8; 512]>;

/// A whole session; what is wrong, if anything is.
pub(crate) fn run() -> Result<(), &'static str> {
    let (mut entries, mut ids) = ([Entry::EMPTY; 4], [0u8; 64]);
    let offers = [
        MechanismOffer::new(MechanismName::SCRAM_SHA_256, Needs::Nothing),
        MechanismOffer::new(MechanismName::PLAIN, Needs::Privacy),
    ];
    let mut exchange = None;
    let mut config = SessionConfig::DEFAULT;
    config.mechanisms = &offers;
    let mut session = Session::new(config, true, FixedStorage::new(&mut entries, &mut ids));
    let mut out: Output = Buffer::new([0; 512]);
    let mut expected = OUTPUT;
    session.greet(&mut out).map_err(|_| "no room for the greeting")?;
    let (mut unread, mut window) = (black_box(INPUT), 0usize);
    loop {
        let input = unread.get(..window).unwrap_or(unread);
        let received = session.receive(input, &mut out).map_err(|_| "the client is said to misbehave")?;
        unread = unread.get(received.consumed..).ok_or("consumed more than there was")?;
        window = window.saturating_sub(received.consumed);
        match received.step {
            Step::Event(Request::Sasl(input)) => login(&mut session, &mut exchange, input, &mut out)?,
            Step::Event(Request::Message { number, .. }) => {
                let (_, _, mut mail) =
                    *MAIL.get(number.index()).ok_or("asked for a message that is not there")?;
                session.start_message(&mut out).map_err(|_| "the message was not started")?;
                while !mail.is_empty() {
                    flush(&mut out, &mut expected)?;
                    let progress = session.body(mail, out.room()).map_err(|_| "no message is due")?;
                    out.filled(progress.written);
                    mail = mail.get(progress.read..).ok_or("read more than there was")?;
                    if progress.done {
                        break;
                    }
                }
                session.end_message(&mut out).map_err(|_| "the message was not ended")?;
            }
            Step::Event(Request::Commit) => {
                if !session.marked().map(|message| message.number.get()).eq([1]) {
                    return Err("something else is marked than should be");
                }
                session.committed(true, &mut out).map_err(|_| "QUIT was not answered")?;
            }
            Step::Event(Request::Close(_)) => break,
            Step::Event(_) => return Err("an unexpected request"),
            Step::NeedInput if window >= unread.len() => return Err("the session does not end"),
            Step::NeedInput => window = (window + 7).min(unread.len()),
            Step::Paused => {}
        }
        flush(&mut out, &mut expected)?;
    }
    flush(&mut out, &mut expected)?;
    if expected.is_empty() { Ok(()) } else { Err("something was not said") }
}

fn login(
    session: &mut Session<'_, FixedStorage<'_>>,
    exchange: &mut Option<Exchange>,
    input: SaslInput<'_>,
    out: &mut Output,
) -> Result<(), &'static str> {
    let (mut scratch, mut storage) = ([0u8; 128], [0u8; 128]);
    let mut rest = &mut storage[..];
    let running = match input {
        SaslInput::Start { mechanism, .. } => {
            let mut setup = Setup::default();
            setup.random = core::array::from_fn(|n| n as u8); // a real server draws them
            exchange.insert(Exchange::start(mechanism, &setup).ok_or("no such mechanism")?)
        }
        _ => exchange.as_mut().ok_or("a response to nothing")?,
    };
    let mut step = match input {
        SaslInput::Start { initial, .. } => running.initial(initial, &mut scratch, &mut rest),
        SaslInput::Response(text) => running.response(text, &mut scratch, &mut rest),
        _ => return Err("an unexpected step of the exchange"),
    };
    loop {
        let answer = match step {
            Ok(ServerStep::Ask(Query::ScramKeys { authcid: "user", .. })) => Answer::ScramKeys(KEYS),
            Ok(ServerStep::Ask(Query::Authorize { authzid: None, authcid: "user" })) => Answer::Accepted,
            Ok(ServerStep::Ask(_)) => Answer::Rejected,
            Ok(ServerStep::Challenge) => break,
            Ok(ServerStep::Done) => return open(session, out),
            Err(SaslError::Rejected) => {
                return session.refuse(Refusal::Credentials, out).map_err(|_| "the login was not refused");
            }
            Err(_) => return Err("the exchange failed"),
        };
        step = running.answer(answer, &mut rest);
    }
    let left = rest.len();
    let raw = storage.get(..128 - left).ok_or("more is left than there was")?;
    session.challenge(raw, out).map_err(|_| "the challenge was not sent")
}

fn open(session: &mut Session<'_, FixedStorage<'_>>, out: &mut Output) -> Result<(), &'static str> {
    for (octets, id, _) in MAIL {
        session.add_message(octets, id).map_err(|_| "the index is full")?;
    }
    session.opened(out).map_err(|_| "the login was not answered")
}

fn flush(out: &mut Output, expected: &mut &'static [u8]) -> Result<(), &'static str> {
    *expected = expected.strip_prefix(out.unread()).ok_or("said something else than it should")?;
    out.clear();
    out.reserve(512).map_err(|_| "the buffer is too small")
}
