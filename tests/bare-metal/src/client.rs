//! The client's side: login with SCRAM-SHA-256, listings, a message, deletion, the end; in reads of a few octets.

use core::hint::black_box;

use pop3_proto::sasl::Scram;
use pop3_proto::sasl::client::{Exchange, Move};
use pop3_proto::sasl::scram::Binding;
use pop3_proto::sasl::server::ScramHash;
use pop3_proto::{
    Base64, Buffer, Client, ClientEvent, ClientLimits, ClientTolerances, Command, MessageNumber, SendError,
    Step, Verb, state::State,
};

/// What the server waits for, and what it then says. The login is the example of RFC 7677 section 3.
const SCRIPT: [(&[u8], &[u8]); 11] = [
    (b"", b"+OK ready\r\n"),
    (b"CAPA\r\n", b"+OK\r\nUIDL\r\nSASL SCRAM-SHA-256\r\nPIPELINING\r\n.\r\n"),
    (
        b"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\r\n",
        b"+ cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\r\n",
    ),
    (
        b"Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\r\n",
        b"+ dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==\r\n",
    ),
    (b"\r\n", b"+OK 2 messages\r\n"),
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

/// Long enough for the longest message of the login.
type Output = Buffer<[u8; 256]>;

/// A whole session; what is wrong, if anything is.
pub(crate) fn run() -> Result<(), &'static str> {
    let mut client = Client::<4>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    let mut scram =
        Scram::new(ScramHash::Sha256, Binding::Unsupported, None, "user", "pencil", "rOprNGfwEbeRWgbNEkqO")
            .map_err(|_| "credentials")?;
    let mut exchange = Exchange::new(&mut scram);
    let mut out: Output = Buffer::new([0; 256]);
    let mut seen = Seen::default();
    for (turn, (expected, reply)) in black_box(SCRIPT).into_iter().enumerate() {
        say(&mut client, turn, &mut exchange, &mut out)?;
        if out.unread() != expected {
            return Err("sent something else than it should");
        }
        out.clear();
        hear(&mut client, reply, &mut exchange, &mut out, &mut seen)?;
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
    exchange: &mut Exchange<'_>,
    out: &mut Output,
) -> Result<(), &'static str> {
    let number = MessageNumber::new(2).ok_or("2 is a number")?;
    let command = match turn {
        0 => return Ok(()),
        1 => Command::Capa,
        2 => return authenticate(client, exchange, out),
        3 | 4 => return Ok(()), // said where the challenge was heard
        5 => Command::Stat,
        6 => Command::List(None),
        7 => Command::Uidl(None),
        8 => Command::Retr(number),
        9 => Command::Dele(number),
        _ => Command::Quit,
    };
    client.send(&command, out).map(|_| ()).map_err(|_: SendError| "a command was not sent")
}

fn authenticate(
    client: &mut Client<4>,
    exchange: &mut Exchange<'_>,
    out: &mut Output,
) -> Result<(), &'static str> {
    let mut scratch = [0u8; 64];
    let first = exchange.start(&mut scratch).map_err(|_| "the exchange did not start")?;
    client.authenticate(first.mechanism, first.initial, out).map_err(|_| "AUTH was not sent")?;
    Ok(())
}

fn respond(
    client: &mut Client<4>,
    challenge: Base64<'_>,
    exchange: &mut Exchange<'_>,
    out: &mut Output,
) -> Result<(), &'static str> {
    let mut scratch = [0u8; 256];
    match exchange.challenge(challenge, &mut scratch) {
        Ok(Move::Respond(raw)) => client.respond(raw, out).map_err(|_| "a response was not sent"),
        _ => Err("the challenge was not answered"),
    }
}

fn hear(
    client: &mut Client<4>,
    said: &[u8],
    exchange: &mut Exchange<'_>,
    out: &mut Output,
    seen: &mut Seen,
) -> Result<(), &'static str> {
    let (mut unread, mut window) = (said, 0usize);
    loop {
        let input = unread.get(..window).unwrap_or(unread);
        let received = client.receive(input).map_err(|_| "the server is said to misbehave")?;
        unread = unread.get(received.consumed..).ok_or("consumed more than there was")?;
        window = window.saturating_sub(received.consumed);
        match received.step {
            Step::Event(ClientEvent::Reply(reply)) => {
                seen.refused |= !reply.is_ok();
                if reply.verb == Verb::Auth && exchange.success().is_err() {
                    return Err("the server has not shown that it knows the user");
                }
            }
            Step::Event(ClientEvent::Challenge(challenge)) => respond(client, challenge, exchange, out)?,
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
