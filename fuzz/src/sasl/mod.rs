//! SASL: every mechanism, against anything that the other side may say.

use pop3_proto::sasl::client::{Exchange as Client, Move};
use pop3_proto::sasl::scram::{Binding, Nonce, Scram, derive_keys};
use pop3_proto::sasl::server::{Answer, Exchange, Query, ScramHash, ScramKeys, ServerStep, Setup};
use pop3_proto::{Base64, InitialResponse, Secret};

use crate::plan::Plan;

mod client;
mod reference;
mod server;

pub use client::sasl_client;
pub use server::sasl_server;

const USER: &str = "user";
const PASSWORD: &str = "pencil";
/// The least of work: how many are enough is for another test.
const ITERATIONS: u32 = 1;
const SALT: &[u8] = b"0123456789abcdef";
const EXPORTER: [u8; 32] = [7; 32];

/// What a server keeps of the password, made by the code under test: the same as the reference makes.
fn kept(hash: ScramHash) -> &'static (Vec<u8>, Vec<u8>) {
    let kept = reference::kept(hash);
    let (mut stored, mut server) = (vec![0; hash.octets()], vec![0; hash.octets()]);
    derive_keys(hash, PASSWORD.as_bytes(), SALT, ITERATIONS, &mut stored, &mut server).expect("keys fit");
    assert_eq!(&(stored, server), kept);
    kept
}

fn setup() -> Setup<'static> {
    let mut setup = Setup::default();
    setup.random = *b"random of a server";
    setup.host = "pop.example.net";
    setup.exporter = Some(EXPORTER);
    setup.server_end_point = Some(&EXPORTER);
    setup
}

/// What a server came to: its next challenge, or an end.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Challenge(Vec<u8>),
    Success,
    Failure,
}

struct Server {
    exchange: Exchange,
    /// The last question that was answered by yes.
    accepted: bool,
    /// A question of its own said who it is, as nothing else may.
    proven: bool,
}

impl Server {
    fn new(name: &str, setup: &Setup<'_>) -> Self {
        let name = pop3_proto::MechanismName::parse(name.as_bytes()).expect("a name");
        Self {
            exchange: Exchange::start(name, setup).expect("it is built in"),
            accepted: false,
            proven: false,
        }
    }

    fn take(&mut self, first: bool, message: Option<&[u8]>) -> Turn {
        let (mut text, mut scratch, mut challenge) = (Vec::new(), vec![0; 8192], Vec::new());
        let answer = {
            let step = match (first, message) {
                (true, None) => self.exchange.initial(None, &mut scratch, &mut challenge),
                (true, Some(raw)) => {
                    InitialResponse::encode_to(raw, &mut text).expect("a Vec has room");
                    let initial = InitialResponse::parse(&text).expect("what was encoded parses");
                    self.exchange.initial(Some(initial), &mut scratch, &mut challenge)
                }
                (false, raw) => {
                    Base64::encode_to(raw.unwrap_or_default(), &mut text).expect("a Vec has room");
                    let response = Base64::new(&text).expect("what was encoded parses");
                    self.exchange.response(response, &mut scratch, &mut challenge)
                }
            };
            match step {
                Ok(ServerStep::Challenge) => return Turn::Challenge(challenge),
                Ok(ServerStep::Done) => None,
                Ok(ServerStep::Ask(query)) => Some(answer(query, &mut self.proven)),
                Err(error) => {
                    told(&error.to_string());
                    return Turn::Failure;
                }
            }
        };
        told(&format!("{:?}", self.exchange));
        self.settle(answer, challenge)
    }

    fn settle(&mut self, mut next: Option<Answer<'static>>, mut challenge: Vec<u8>) -> Turn {
        loop {
            let Some(given) = next else {
                // Only a yes of the user database lets anybody in.
                assert!(self.accepted, "done without a yes");
                return Turn::Success;
            };
            self.accepted |= matches!(given, Answer::Accepted);
            next = match self.exchange.answer(given, &mut challenge) {
                Ok(ServerStep::Challenge) => return Turn::Challenge(challenge),
                Ok(ServerStep::Done) => None,
                Ok(ServerStep::Ask(query)) => Some(answer(query, &mut self.proven)),
                Err(_) => return Turn::Failure,
            };
        }
    }
}

/// What may end in a log: something, on one line, and no password.
fn told(text: &str) {
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
    assert!(!text.contains(PASSWORD), "a password was told");
}

fn answer(query: Query<'_>, proven: &mut bool) -> Answer<'static> {
    told(&format!("{query:?}"));
    let yes = |yes| if yes { Answer::Accepted } else { Answer::Rejected };
    match query {
        Query::Password { authzid, authcid, password } => yes(authzid.is_none_or(|name| name == USER)
            && authcid == USER
            && password.expose() == PASSWORD.as_bytes()),
        Query::Secret { .. } => Answer::Secret(Secret::new(PASSWORD.as_bytes()).expect("a password")),
        Query::ScramKeys { hash, .. } => {
            let kept = kept(hash);
            Answer::ScramKeys(ScramKeys::new(SALT, ITERATIONS, &kept.0, &kept.1))
        }
        Query::Authorize { authzid, authcid } => {
            *proven = true;
            yes(authcid == USER && authzid.is_none_or(|name| name == USER))
        }
        Query::Token { token, .. } => {
            if token.expose() == PASSWORD.as_bytes() {
                Answer::Accepted
            } else {
                Answer::TokenRejected(br#"{"status":"invalid_token"}"#)
            }
        }
        // The certificate of this connection is that of the user.
        Query::External { authzid } => yes(authzid.is_none_or(|name| name == USER)),
        Query::Anonymous { .. } => Answer::Accepted,
        _ => Answer::Rejected,
    }
}

/// A message that the plan says: one that was made up, or the right one with perhaps an octet changed. Tells whether it is
/// the right one. `right` is told what to change before it signs, if anything.
fn message(plan: &mut Plan<'_>, right: impl FnOnce(Change) -> Vec<u8>) -> (Vec<u8>, bool) {
    let choice = plan.next();
    if choice & 0x80 == 0 {
        return (plan.take(usize::from(choice)).to_vec(), false);
    }
    if choice & 3 == 0 {
        return (right(Change::default()), true);
    }
    let change = Change { at: usize::from(plan.next()), by: plan.next() };
    if choice & 1 == 0 {
        return (right(change), change.by == 0);
    }
    let mut message = right(Change::default());
    change.apply(&mut message);
    (message, change.by == 0)
}

/// One octet that is changed.
#[derive(Clone, Copy, Default)]
struct Change {
    at: usize,
    by: u8,
}

impl Change {
    fn apply(self, message: &mut [u8]) {
        let length = message.len().max(1);
        if let Some(octet) = message.get_mut(self.at % length) {
            *octet ^= self.by;
        }
    }
}

/// Our SCRAM client and server, with one octet of one message changed on the way: nobody is let in who should not be, and
/// no client believes a server that did not sign what was said; with nothing changed both succeed.
pub fn scram_pair(input: &[u8]) {
    let mut plan = Plan::new(input);
    let hash = ScramHash::ALL[plan.below(3)];
    let (binding, plus) = match plan.below(4) {
        0 => (Binding::Unsupported, false),
        1 => (Binding::NotOffered, false),
        2 => (Binding::Exporter(&EXPORTER), true),
        _ => (Binding::ServerEndPoint(&EXPORTER), true),
    };
    let (at_message, at_octet, change) = (plan.below(5), usize::from(plan.next()), plan.next());
    let name = match (hash, plus) {
        (ScramHash::Sha1, false) => "SCRAM-SHA-1",
        (ScramHash::Sha1, true) => "SCRAM-SHA-1-PLUS",
        (ScramHash::Sha256, false) => "SCRAM-SHA-256",
        (ScramHash::Sha256, true) => "SCRAM-SHA-256-PLUS",
        (_, false) => "SCRAM-SHA-512",
        (_, true) => "SCRAM-SHA-512-PLUS",
    };
    let mut server = Server::new(name, &setup());
    let nonce = Nonce::new(*b"random of a client");
    let mut scram = Scram::new(hash, binding, None, USER, PASSWORD, nonce.as_str()).expect("credentials");
    scram = scram.with_iterations(ITERATIONS..=ITERATIONS);
    let mut exchange = Client::new(&mut scram);
    let mut scratch = vec![0; 4096];

    let mut number = 0;
    let mut changed = false;
    let mut tamper = |message: &[u8]| {
        let mut message = message.to_vec();
        if number == at_message && change != 0 && !message.is_empty() {
            let at = at_octet % message.len();
            message[at] ^= change;
            changed = true;
        }
        number += 1;
        (message, changed)
    };
    let first = exchange.start(&mut scratch).expect("room").initial.expect("an initial response").to_vec();
    let (message, mut changed) = tamper(&first);
    let mut turn = server.take(true, Some(&message));
    let believed = loop {
        match turn {
            Turn::Challenge(raw) => {
                let mut text = Vec::new();
                let message;
                (message, changed) = tamper(&raw);
                Base64::encode_to(&message, &mut text).expect("a Vec has room");
                let next =
                    exchange.challenge(Base64::new(&text).expect("base64"), &mut scratch).expect("room");
                let Move::Respond(response) = next else { break false };
                let response = response.to_vec();
                let message;
                (message, changed) = tamper(&response);
                turn = server.take(false, Some(&message));
            }
            Turn::Success => break exchange.success().is_ok(),
            Turn::Failure => break false,
        }
    };
    assert_eq!(believed, !changed, "{name}, message {at_message}");
}
