//! Anything that a server may say to a mechanism of the client.

use pop3_proto::Base64;
use pop3_proto::sasl::client::{Exchange, Move};
use pop3_proto::sasl::scram::{Binding, Nonce, Scram};
use pop3_proto::sasl::server::ScramHash;
use pop3_proto::sasl::{
    Anonymous, ClientMechanism, CramMd5, External, Login, OAuthBearer, Plain, SaslError, XOAuth2,
};

use super::reference::{self, ScramTalk};
use super::{Change, EXPORTER, PASSWORD, USER, message, told};
use crate::plan::Plan;

/// Salt and iterations of a first message of a server, as a client must read them.
fn salt_and_iterations(server_first: &[u8]) -> Option<(Vec<u8>, u32)> {
    let mut fields = server_first.split(|&octet| octet == b',');
    fields.next()?.strip_prefix(b"r=")?;
    let salt = Base64::new(fields.next()?.strip_prefix(b"s=")?).ok()?;
    let count = core::str::from_utf8(fields.next()?.strip_prefix(b"i=")?).ok()?.parse().ok()?;
    let mut octets = vec![0; salt.decoded_len()];
    Some((salt.decode(&mut octets).ok()?.to_vec(), count))
}

/// What both sides have said.
struct Talk {
    choice: usize,
    client: Vec<Vec<u8>>,
    server: Vec<Vec<u8>>,
}

impl Talk {
    fn hash(&self) -> Option<ScramHash> {
        (self.choice >= 7).then(|| ScramHash::ALL[self.choice % 3])
    }

    /// The first challenge of a server that does not wait for a message of the client.
    fn server_first(&self) -> Option<&Vec<u8>> {
        self.server.iter().find(|challenge| !challenge.is_empty())
    }

    /// What a server says next.
    fn right(&self, change: Change) -> Vec<u8> {
        match (self.choice, self.client.len()) {
            (1, 0) => b"Username:".to_vec(),
            (1, 1) => b"Password:".to_vec(),
            (4, 0) => b"<1896.697170952@postoffice.reston.mci.net>".to_vec(),
            (5 | 6, 1) => br#"{"status":"invalid_token"}"#.to_vec(),
            (7.., 1) => reference::server_first(&self.client[0], change),
            (7.., 2) => self.signature().unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    fn scram<T>(&self, ask: impl FnOnce(&ScramTalk<'_>) -> Option<T>) -> Option<T> {
        let server_first = self.server_first()?;
        let (salt, iterations) = salt_and_iterations(server_first)?;
        let talk = ScramTalk {
            hash: self.hash()?,
            client_first: self.client.first()?,
            server_first,
            salt: &salt,
            iterations,
        };
        ask(&talk)
    }

    /// The signature that the server owes.
    fn signature(&self) -> Option<Vec<u8>> {
        self.scram(|talk| talk.server_final(self.client.get(1)?))
    }

    /// Holds each message of the client against what it must be.
    fn check(&self) {
        let said: Vec<&[u8]> = self.client.iter().map(Vec::as_slice).collect();
        let last = said.last().copied().unwrap_or_default();
        match (self.choice, said.len()) {
            (0, 1) => assert_eq!(last, reference::plain()),
            (1, 1) | (2 | 3, 1) => assert_eq!(last, USER.as_bytes()),
            (1, 2) => assert_eq!(last, PASSWORD.as_bytes()),
            (4, 1) => assert_eq!(last, reference::cram_md5(self.server.last().expect("a challenge"))),
            (5, 1) => assert_eq!(last, reference::oauthbearer()),
            (6, 1) => assert_eq!(last, reference::xoauth2()),
            (7.., 1) => assert_eq!(
                last,
                b"p=tls-exporter,,n=user,r="
                    .iter()
                    .chain(nonce().as_str().as_bytes())
                    .copied()
                    .collect::<Vec<u8>>()
            ),
            (7.., 2) => assert!(self.scram(|talk| Some(talk.proves(last))).is_some_and(|yes| yes)),
            (_, 0) => {}
            _ => assert!(last.len() <= 1, "{}", last.escape_ascii()),
        }
    }
}

fn nonce() -> Nonce {
    Nonce::new(*b"random of a client")
}

/// Any challenges to any mechanism of the client: it ends; each message is what the RFC says, computed once more; SCRAM
/// believes the signature that it is owed and no other, and a password is never in an answer but where the mechanism is
/// said to give it away.
pub fn sasl_client(input: &[u8]) {
    let mut plan = Plan::new(input);
    let choice = plan.below(10);
    let nonce = nonce();
    let mut client: Box<dyn ClientMechanism + '_> = match choice {
        0 => Box::new(Plain::new(None, USER, PASSWORD).expect("credentials")),
        1 => Box::new(Login::new(USER, PASSWORD).expect("credentials")),
        2 => Box::new(External::new(Some(USER)).expect("credentials")),
        3 => Box::new(Anonymous::new(USER).expect("credentials")),
        4 => Box::new(CramMd5::new(USER, PASSWORD).expect("credentials")),
        5 => Box::new(OAuthBearer::new(USER, Some("h"), Some(995), PASSWORD).expect("credentials")),
        6 => Box::new(XOAuth2::new(USER, PASSWORD).expect("credentials")),
        _ => {
            let hash = ScramHash::ALL[choice % 3];
            let scram = Scram::new(hash, Binding::Exporter(&EXPORTER), None, USER, PASSWORD, nonce.as_str());
            // The least of work: counts are for another test.
            Box::new(scram.expect("credentials").with_iterations(1..=2))
        }
    };
    let gives_away = client.sends_password_in_clear();
    let mut exchange = Exchange::new(&mut *client);
    if plan.next() & 1 != 0 {
        exchange = exchange.without_initial_response();
    }
    let mut scratch = vec![0; 8192];
    let secret = |raw: &[u8]| raw.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
    let mut talk = Talk { choice, client: Vec::new(), server: Vec::new() };
    let first = exchange.start(&mut scratch).expect("room for the first message");
    told(&format!("{first:?}"));
    if let Some(initial) = first.initial {
        talk.client.push(initial.to_vec());
        talk.check();
    }
    let mut all_right = true;
    for _ in 0..20 {
        if plan.is_empty() {
            break;
        }
        let (challenge, right) = message(&mut plan, |change| talk.right(change));
        all_right &= right;
        talk.server.push(challenge);
        let challenge = talk.server.last().expect("just pushed");
        let text = reference::base64(challenge);
        match exchange
            .challenge(Base64::new(&text).expect("base64"), &mut scratch)
            .expect("room for messages")
        {
            Move::Respond(raw) => {
                assert!(!secret(raw) || gives_away || secret(challenge));
                talk.client.push(raw.to_vec());
                talk.check();
            }
            Move::Acknowledge { report, response } => {
                assert_eq!(report, challenge);
                assert!(response.len() <= 1);
                assert!(exchange.success().is_err(), "success behind a refusal");
                return;
            }
            Move::Cancel(error) => {
                told(&error.to_string());
                assert_eq!(exchange.success(), Err(error), "success behind a cancelled exchange");
                return;
            }
        }
    }
    told(&format!("{exchange:?}"));
    let result = exchange.success();
    if talk.hash().is_some() {
        // The last message of the server is what it owes, with extensions perhaps; the client has said nothing to it.
        let signed = talk.signature().is_some_and(|want| {
            talk.client.len() == 3
                && talk
                    .server
                    .last()
                    .and_then(|last| last.strip_prefix(&want[..]))
                    .is_some_and(|rest| rest.is_empty() || rest[0] == b',')
        });
        assert_eq!(result.is_ok(), signed, "{:?}", talk.server);
        assert!(signed || !all_right || talk.client.len() < 3);
    } else {
        assert!(result.is_ok() || matches!(result, Err(SaslError::EarlySuccess)));
    }
}
