//! Anything that a client may say to a mechanism of the server.

use pop3_proto::sasl::server::ScramHash;
use pop3_proto::sasl::{MECHANISMS, Mechanism, Proof};

use super::reference::{self, ScramTalk};
use super::{Change, ITERATIONS, PASSWORD, SALT, Server, Turn, USER, message, setup};
use crate::plan::Plan;

/// What both sides have said.
struct Talk {
    name: &'static str,
    hash: Option<ScramHash>,
    client: Vec<Vec<u8>>,
    server: Vec<Vec<u8>>,
}

impl Talk {
    fn scram(&self, hash: ScramHash) -> Option<ScramTalk<'_>> {
        // An exchange without an initial response begins with an empty challenge.
        let server_first = self.server.iter().find(|challenge| !challenge.is_empty())?;
        Some(ScramTalk {
            hash,
            client_first: self.client.first()?,
            server_first,
            salt: SALT,
            iterations: ITERATIONS,
        })
    }

    /// What a client that knows the password says next.
    fn right(&self, change: Change) -> Vec<u8> {
        if let Some(hash) = self.hash {
            let plus = self.name.ends_with("-PLUS");
            let header = if plus { "p=tls-exporter,," } else { "n,," };
            return match self.client.len() {
                0 => format!("{header}n={USER},r=client").into_bytes(),
                1 => self.scram(hash).and_then(|talk| talk.client_final(change)).unwrap_or_default(),
                _ => Vec::new(),
            };
        }
        match (self.name, self.client.len()) {
            ("PLAIN", 0) => reference::plain(),
            ("LOGIN", 0) => USER.into(),
            ("LOGIN", 1) => PASSWORD.into(),
            ("CRAM-MD5", 0) => reference::cram_md5(self.server.first().map_or(&[][..], Vec::as_slice)),
            ("OAUTHBEARER", 0) => reference::oauthbearer(),
            ("XOAUTH2", 0) => reference::xoauth2(),
            ("ANONYMOUS", 0) => b"trace@example.net".to_vec(),
            _ => Vec::new(),
        }
    }

    /// Whether what the client said shows that it is the user, or for ANONYMOUS that it says so.
    fn shows(&self) -> bool {
        let said: Vec<&[u8]> = self.client.iter().map(Vec::as_slice).collect();
        if let Some(hash) = self.hash {
            let [_, last, b""] = said[..] else { return false };
            return self.scram(hash).is_some_and(|talk| talk.proves(last));
        }
        let bearer = format!("\x01auth=Bearer {PASSWORD}\x01");
        let has_token = |text: &[u8]| {
            text.ends_with(b"\x01\x01")
                && text
                    .to_ascii_lowercase()
                    .windows(bearer.len())
                    .any(|part| part == bearer.to_ascii_lowercase().as_bytes())
                && text.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes())
        };
        match (self.name, &said[..]) {
            ("EXTERNAL", [authzid]) => [&b""[..], USER.as_bytes()].contains(authzid),
            ("ANONYMOUS", [trace]) => {
                core::str::from_utf8(trace).is_ok_and(|trace| !trace.contains(char::is_control))
            }
            ("PLAIN", [text]) => {
                let parts: Vec<_> = text.split(|&octet| octet == 0).collect();
                let [authzid, authcid, password] = parts[..] else { return false };
                [&b""[..], USER.as_bytes()].contains(&authzid)
                    && (authcid, password) == (USER.as_bytes(), PASSWORD.as_bytes())
            }
            ("LOGIN", [name, password]) => (*name, *password) == (USER.as_bytes(), PASSWORD.as_bytes()),
            ("CRAM-MD5", [answer]) => *answer == reference::cram_md5(&self.server[0]),
            ("OAUTHBEARER" | "XOAUTH2", [text]) => has_token(text),
            _ => false,
        }
    }
}

fn hash_of(mechanism: &Mechanism) -> Option<ScramHash> {
    if let Proof::ScramKeys(hash) = mechanism.proof { Some(hash) } else { None }
}

/// Any messages to any mechanism of the server: it ends, and lets in exactly who has shown what the mechanism is about, by
/// a reading of the messages from the RFCs alone; the challenge of SCRAM and its signature are those of a computation of
/// our own.
pub fn sasl_server(input: &[u8]) {
    let mut plan = Plan::new(input);
    let mechanism = &MECHANISMS[plan.below(MECHANISMS.len())];
    let mut server = Server::new(mechanism.name.as_str(), &setup());
    let name = mechanism.name.as_str();
    let mut talk = Talk { name, hash: hash_of(mechanism), client: Vec::new(), server: Vec::new() };
    let mut all_right = true;
    let speaks_first = plan.next() & 1 == 0;
    let mut turn = if speaks_first {
        let (said, right) = message(&mut plan, |change| talk.right(change));
        all_right &= right && !mechanism.server_first;
        talk.client.push(said);
        server.take(true, talk.client.last().map(Vec::as_slice))
    } else {
        server.take(true, None)
    };
    for _ in 0..20 {
        match turn {
            Turn::Challenge(raw) => {
                if let (Some(hash), 2) = (talk.hash, talk.client.len()) {
                    let signature = talk.scram(hash).and_then(|it| it.server_final(&talk.client[1]));
                    assert_eq!(Some(&raw), signature.as_ref(), "{name} signs otherwise");
                    assert!(
                        talk.scram(hash).is_some_and(|it| it.proves(&talk.client[1])),
                        "{name} signs too early"
                    );
                }
                talk.server.push(raw);
                let (said, right) = message(&mut plan, |change| talk.right(change));
                all_right &= right;
                talk.client.push(said);
                turn = server.take(false, talk.client.last().map(Vec::as_slice));
            }
            Turn::Success => {
                let proof = matches!(mechanism.proof, Proof::ScramKeys(_) | Proof::Secret);
                assert!(server.proven || !proof, "{name} let somebody in without a proof");
                assert!(talk.shows(), "{name} let somebody in who said {:?}", talk.client);
                return;
            }
            Turn::Failure => {
                assert!(!all_right, "{name} refused a client that is right: {:?}", talk.client);
                return;
            }
        }
    }
    panic!("{name} does not end");
}
