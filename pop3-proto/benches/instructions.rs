//! One hot path by its name, for `.ci/instructions`: the instructions of [`measured`] are counted, not its time.
//!
//! Prints how much work that was. The inputs are fixed and there is no randomness, so that a count tells of the code alone.
//! Without a name it prints the names.
#![expect(clippy::print_stdout, reason = "what it prints is read by the script")]
#![expect(clippy::unwrap_used, reason = "a run that goes wrong measures nothing")]

#[path = "shared/sessions.rs"]
mod sessions;
#[path = "shared/text.rs"]
mod text;

use pop3_proto::body::{BodyDecoder, BodyEncoder, BodyRules, BodyStep, Measure};
use pop3_proto::maildrop::HeapStorage;
use pop3_proto::server::{Request, Session, SessionConfig};
use pop3_proto::{Arg, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, Secret, Step};
use sessions::{PIECE, Pipeline, number, octets};
use std::hint::black_box;

/// Octets of text in a run.
const TEXT: usize = 1 << 20;
/// Lines of a list.
const ENTRIES: u32 = 10_000;
/// Messages that are asked for ahead, and octets of each.
const AHEAD: u32 = 64;
const MESSAGE: usize = 4 << 10;
/// Sessions without mail in a run.
const SESSIONS: u64 = 100;

/// A path, and what its work is counted in.
type Path = (&'static str, &'static str, fn() -> Box<dyn FnMut() -> u64>);

const PATHS: [Path; 10] = [
    ("decode", "octet", decode),
    ("encode", "octet", encode),
    ("list-read", "entry", || read(Command::List(None), "LIST\r\n")),
    ("uidl-read", "entry", || read(Command::Uidl(None), "UIDL\r\n")),
    ("list-written", "entry", || write("LIST\r\n")),
    ("uidl-written", "entry", || write("UIDL\r\n")),
    ("server-session", "session", server_session),
    ("server-message", "message", server_messages),
    ("client-session", "session", client_session),
    ("client-message", "message", client_messages),
];

fn main() {
    let asked = std::env::args().nth(1).unwrap_or_default();
    let Some((_, unit, path)) = PATHS.iter().find(|(name, ..)| *name == asked) else {
        return PATHS.iter().for_each(|(name, ..)| println!("{name}"));
    };
    let mut run = path();
    // The first time chooses among vector units and grows buffers.
    let expected = run();
    let work = measured(&mut *run);
    assert_eq!(work, expected, "{asked} does not do the same twice");
    println!("{work} {unit}");
}

/// All that is counted.
#[inline(never)]
fn measured(run: &mut dyn FnMut() -> u64) -> u64 {
    black_box(run())
}

fn decode() -> Box<dyn FnMut() -> u64> {
    let wire = [text::lines(TEXT, b"\r\n", b"..", 10), b".\r\n".to_vec()].concat();
    Box::new(move || {
        let mut decoder = BodyDecoder::new();
        for mut piece in wire.chunks(PIECE) {
            loop {
                let (taken, step) = decoder.decode(piece);
                piece = &piece[taken..];
                let BodyStep::Chunk(chunk) = step else { break };
                black_box(chunk);
            }
        }
        assert!(decoder.is_finished());
        wire.len() as u64
    })
}

fn encode() -> Box<dyn FnMut() -> u64> {
    let (source, mut room) = (text::lines(TEXT, b"\n", b".", 10), vec![0; PIECE]);
    Box::new(move || {
        let mut encoder = BodyEncoder::new(BodyRules::new());
        for mut piece in source.chunks(PIECE) {
            while !piece.is_empty() {
                let progress = encoder.encode(piece, &mut room);
                piece = &piece[progress.read..];
                black_box(&mut room);
            }
        }
        source.len() as u64
    })
}

fn read(command: Command<'static>, line: &str) -> Box<dyn FnMut() -> u64> {
    let mut reply = Vec::new();
    sessions::answer(&mut sessions::server(ENTRIES, octets), line, |part| reply.extend(part));
    let mut client = sessions::client();
    Box::new(move || {
        client.send(&command, &mut Vec::with_capacity(64)).unwrap();
        let mut entries = 0;
        sessions::events(&mut client, &reply, |event| {
            if let ClientEvent::ScanListing(..) | ClientEvent::UniqueId(..) = black_box(event) {
                entries += 1;
            }
        });
        entries
    })
}

fn write(line: &'static str) -> Box<dyn FnMut() -> u64> {
    let mut session = sessions::server(ENTRIES, octets);
    Box::new(move || {
        let mut octets = 0;
        sessions::answer(&mut session, line, |part| octets += part.len());
        assert!(octets > ENTRIES as usize * 5);
        u64::from(ENTRIES)
    })
}

fn server_session() -> Box<dyn FnMut() -> u64> {
    Box::new(|| {
        for _ in 0..SESSIONS {
            let storage = HeapStorage::new(10);
            let mut session = Session::new(SessionConfig::default(), true, storage);
            let mut out = Buffer::new([0u8; 1024]);
            session.greet(&mut out).unwrap();
            let mut input = &b"USER alice\r\nPASS secret\r\nSTAT\r\nQUIT\r\n"[..];
            loop {
                let received = session.receive(input, &mut out).unwrap();
                let consumed = received.consumed;
                match received.step {
                    Step::Event(Request::Login { .. }) => session.opened(&mut out).unwrap(),
                    Step::Event(Request::Commit) => session.committed(true, &mut out).unwrap(),
                    Step::Event(Request::Close(_)) => break,
                    other => panic!("{other:?}"),
                }
                input = &input[consumed..];
            }
            assert!(black_box(out.unread()).ends_with(b"+OK bye\r\n"));
        }
        SESSIONS
    })
}

/// Has the server send its messages to pipelined commands, and gives what leaves at once to `take`.
fn send_messages(
    session: &mut Session<'static, HeapStorage>,
    commands: &[u8],
    mail: &[u8],
    mut take: impl FnMut(&[u8]),
) -> u64 {
    let (mut out, mut input, mut messages) = (Buffer::new([0u8; PIECE]), commands, 0);
    let mut flush = |out: &mut Buffer<[u8; PIECE]>| {
        take(black_box(out.unread()));
        out.clear();
    };
    loop {
        let received = session.receive(input, &mut out).unwrap();
        input = &input[received.consumed..];
        match received.step {
            Step::Event(Request::Message { .. }) => {
                if out.room().len() < 2 * MESSAGE {
                    flush(&mut out);
                }
                session.start_message(&mut out).unwrap();
                let progress = session.body(mail, out.room()).unwrap();
                assert_eq!(progress.read, mail.len());
                out.filled(progress.written);
                session.end_message(&mut out).unwrap();
                messages += 1;
            }
            Step::NeedInput => {
                flush(&mut out);
                return messages;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A server with messages, the commands that fetch them all, and what each of them is.
fn messages() -> (Session<'static, HeapStorage>, Vec<u8>, Vec<u8>) {
    let mail = text::lines(MESSAGE, b"\n", b".", 10);
    let mut measure = Measure::new(BodyRules::new());
    measure.update(&mail);
    let octets = measure.finish();
    let commands = (1..=AHEAD).flat_map(|n| format!("RETR {n}\r\n").into_bytes()).collect();
    (sessions::server(AHEAD, |_| octets), commands, mail)
}

fn server_messages() -> Box<dyn FnMut() -> u64> {
    let (mut session, commands, mail) = messages();
    Box::new(move || send_messages(&mut session, &commands, &mail, |_| {}))
}

fn client_session() -> Box<dyn FnMut() -> u64> {
    let (name, password) = (Arg::new(b"alice").unwrap(), Secret::new(b"secret").unwrap());
    let dialogue = [
        (Command::User(name), &b"+OK password, please\r\n"[..]),
        (Command::Pass(password), b"+OK maildrop has 10 messages (40960 octets)\r\n"),
        (Command::Stat, b"+OK 10 40960\r\n"),
        (Command::Quit, b"+OK bye\r\n"),
    ];
    let mut out = Vec::with_capacity(1024);
    Box::new(move || {
        for _ in 0..SESSIONS {
            out.clear();
            let mut client: Pipeline = Client::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
            sessions::events(&mut client, b"+OK POP3 server ready\r\n", |event| _ = black_box(event));
            for (command, reply) in &dialogue {
                client.send(command, &mut out).unwrap();
                sessions::events(&mut client, reply, |event| _ = black_box(event));
            }
            assert!(black_box(&out).ends_with(b"QUIT\r\n"));
        }
        SESSIONS
    })
}

fn client_messages() -> Box<dyn FnMut() -> u64> {
    let (mut session, commands, mail) = messages();
    let mut replies = Vec::new();
    send_messages(&mut session, &commands, &mail, |part| replies.extend(part));
    let (mut client, mut out) = (sessions::client(), Vec::with_capacity(1024));
    Box::new(move || {
        out.clear();
        for n in 1..=AHEAD {
            client.send(&Command::Retr(number(n)), &mut out).unwrap();
        }
        let mut messages = 0;
        sessions::events(&mut client, &replies, |event| {
            if let ClientEvent::End(_) = black_box(event) {
                messages += 1;
            }
        });
        messages
    })
}
