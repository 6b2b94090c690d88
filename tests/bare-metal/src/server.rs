//! The server's side: login with SASL PLAIN, listings, a message, `TOP`, deletion, the end; in reads of a few octets and
//! through an output buffer of the least size.

use core::hint::black_box;

use pop3_proto::maildrop::{Entry, FixedStorage};
use pop3_proto::sasl::server::{Answer, Exchange, Query, ServerStep, Setup};
use pop3_proto::server::{MechanismOffer, Needs, Refusal, Request, SaslInput, Session, SessionConfig};
use pop3_proto::{Buffer, MechanismName, Sink, Step};

const INPUT: &[u8] =
    b"CAPA\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\nAUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\nSTAT\r\nLIST\r\n\
UIDL\r\nRETR 2\r\nTOP 2 1\r\nDELE 1\r\nLIST 1\r\nQUIT\r\n";

const OUTPUT: &[u8] = b"+OK POP3 server ready\r\n\
+OK capabilities follow\r\nTOP\r\nUIDL\r\nUSER\r\nSASL PLAIN\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n.\r\n\
-ERR [AUTH] authentication failed\r\n+OK maildrop has 2 messages (130 octets)\r\n+OK 2 130\r\n\
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

type Output = Buffer<[u8; 512]>;

/// A whole session; what is wrong, if anything is.
pub(crate) fn run() -> Result<(), &'static str> {
    let (mut entries, mut ids) = ([Entry::EMPTY; 4], [0u8; 64]);
    let offers = [MechanismOffer::new(MechanismName::PLAIN, Needs::Privacy)];
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
            Step::Event(Request::Sasl(input)) => login(&mut session, input, &mut out)?,
            Step::Event(Request::Message { number }) => {
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
    input: SaslInput<'_>,
    out: &mut Output,
) -> Result<(), &'static str> {
    let SaslInput::Start { mechanism, initial } = input else {
        return Err("an unexpected step of the exchange");
    };
    let mut exchange: Exchange = Exchange::start(mechanism, &Setup::default()).ok_or("no such mechanism")?;
    let (mut scratch, mut challenge) = ([0u8; 128], [0u8; 8]);
    let mut challenge = &mut challenge[..];
    let right = match exchange.initial(initial, &mut scratch, &mut challenge) {
        Ok(ServerStep::Ask(Query::Password { authcid, password, .. })) => {
            authcid == "alice" && password.expose() == b"wonderland"
        }
        _ => return Err("PLAIN asks for a password"),
    };
    if !right {
        return session.refuse(Refusal::Credentials, out).map_err(|_| "the login was not refused");
    }
    if !matches!(exchange.answer(Answer::Accepted, &mut challenge), Ok(ServerStep::Done)) {
        return Err("PLAIN is not done");
    }
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
