//! The client's side: login with SASL PLAIN, listings, a message, deletion, the end; in reads of a few octets.

use core::hint::black_box;

use pop3_proto::sasl::Plain;
use pop3_proto::sasl::client::Exchange;
use pop3_proto::{
    Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, MessageNumber, SendError, Step,
    state::State,
};

/// What the server waits for, and what it then says.
const SCRIPT: [(&[u8], &[u8]); 9] = [
    (b"", b"+OK ready\r\n"),
    (b"CAPA\r\n", b"+OK\r\nUIDL\r\nSASL PLAIN\r\nPIPELINING\r\n.\r\n"),
    (b"AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\n", b"+OK 2 messages\r\n"),
    (b"STAT\r\n", b"+OK 2 130\r\n"),
    (b"LIST\r\n", b"+OK\r\n1 68\r\n2 62\r\n.\r\n"),
    (b"UIDL\r\n", b"+OK\r\n1 0000004e00000001\r\n2 0000004e00000002\r\n.\r\n"),
    (b"RETR 2\r\n", b"+OK 62 octets\r\nFrom: b@example.net\r\nSubject: dots\r\n\r\n..\r\n...two\r\n..hidden\r\nend\r\n.\r\n"),
    (b"DELE 2\r\n", b"+OK marked\r\n"),
    (b"QUIT\r\n", b"+OK bye\r\n"),
];
const MESSAGE: &[u8] = b"From: b@example.net\r\nSubject: dots\r\n\r\n.\r\n..two\r\n.hidden\r\nend\r\n";

/// What the session has seen.
#[derive(Default)]
struct Seen {
    listed: u64,
    ids: usize,
    body: usize,
    refused: bool,
}

/// A whole session; what is wrong, if anything is.
pub(crate) fn run() -> Result<(), &'static str> {
    let mut client = Client::<4>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    let mut scratch = [0u8; 64];
    let mut seen = Seen::default();
    for (turn, (expected, reply)) in black_box(SCRIPT).into_iter().enumerate() {
        let mut out = Buffer::new([0u8; 64]);
        say(&mut client, turn, &mut scratch, &mut out)?;
        if out.unread() != expected {
            return Err("sent something else than it should");
        }
        hear(&mut client, reply, &mut seen)?;
    }
    if seen.refused || seen.listed != 130 || seen.ids != 2 || seen.body != MESSAGE.len() {
        return Err("heard something else than was said");
    }
    client.end_of_input().map_err(|_| "the session is not over")?;
    if client.state() == State::Update { Ok(()) } else { Err("QUIT did not end the session") }
}

fn say(
    client: &mut Client<4>,
    turn: usize,
    scratch: &mut [u8],
    out: &mut Buffer<[u8; 64]>,
) -> Result<(), &'static str> {
    let number = MessageNumber::new(2).ok_or("2 is a number")?;
    let command = match turn {
        0 => return Ok(()),
        1 => Command::Capa,
        2 => return authenticate(client, scratch, out),
        3 => Command::Stat,
        4 => Command::List(None),
        5 => Command::Uidl(None),
        6 => Command::Retr(number),
        7 => Command::Dele(number),
        _ => Command::Quit,
    };
    client.send(&command, out).map(|_| ()).map_err(|_: SendError| "a command was not sent")
}

fn authenticate(
    client: &mut Client<4>,
    scratch: &mut [u8],
    out: &mut Buffer<[u8; 64]>,
) -> Result<(), &'static str> {
    let mut plain = Plain::new(None, "alice", "wonderland").map_err(|_| "credentials")?;
    let mut exchange = Exchange::new(&mut plain);
    let first = exchange.start(scratch).map_err(|_| "the exchange did not start")?;
    client.authenticate(first.mechanism, first.initial, out).map_err(|_| "AUTH was not sent")?;
    Ok(())
}

fn hear(client: &mut Client<4>, said: &[u8], seen: &mut Seen) -> Result<(), &'static str> {
    let (mut unread, mut window) = (said, 0usize);
    loop {
        let input = unread.get(..window).unwrap_or(unread);
        let received = client.receive(input).map_err(|_| "the server is said to misbehave")?;
        unread = unread.get(received.consumed..).ok_or("consumed more than there was")?;
        window = window.saturating_sub(received.consumed);
        match received.step {
            Step::Event(ClientEvent::Reply(reply)) => seen.refused |= !reply.is_ok(),
            Step::Event(ClientEvent::ScanListing(_, listing)) => seen.listed += listing.octets,
            Step::Event(ClientEvent::UniqueId(_, listing)) => {
                seen.ids += usize::from(listing.unique_id.is_conformant());
            }
            Step::Event(ClientEvent::Body(_, part)) => {
                if MESSAGE.get(seen.body..seen.body + part.len()) != Some(part) {
                    return Err("an octet of the message differs");
                }
                seen.body += part.len();
            }
            Step::Event(_) => {}
            Step::NeedInput if window >= unread.len() => return Ok(()),
            Step::NeedInput => window = (window + 7).min(unread.len()),
            Step::Paused => return Err("paused"),
        }
    }
}
