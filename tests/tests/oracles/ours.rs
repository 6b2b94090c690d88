//! Our clients and servers behind the two traits, run by the exchanges that POP3 runs them by, base64 included.

use pop3_proto::sasl::scram::{Binding, derive_keys};
use pop3_proto::sasl::server::{Answer, Exchange, Query, ScramHash, ScramKeys, ServerStep, Setup};
use pop3_proto::sasl::{self, ClientMechanism, SaslError, Scram, client};
use pop3_proto::{Base64, InitialResponse, MechanismName, Secret};

use crate::cases::{self, Bound, Case};
use crate::{Client, ClientMove, Server, ServerMove};

struct OurClient<'m> {
    exchange: client::Exchange<'m>,
    inline: bool,
    started: bool,
    report: Option<Vec<u8>>,
}

/// Lets `run` have our client for `case`.
pub(crate) fn with_client<T>(
    mechanism: &str,
    case: &Case,
    inline: bool,
    run: impl FnOnce(&mut dyn Client) -> T,
) -> T {
    let Case { authzid, authcid, secret, .. } = *case;
    let user = authzid.unwrap_or_default();
    let mut mechanism: Box<dyn ClientMechanism> = match mechanism {
        "ANONYMOUS" => Box::new(sasl::Anonymous::new(secret).unwrap()),
        "CRAM-MD5" => Box::new(sasl::CramMd5::new(authcid, secret).unwrap()),
        "EXTERNAL" => Box::new(sasl::External::new(authzid).unwrap()),
        "LOGIN" => Box::new(sasl::Login::new(authcid, secret).unwrap()),
        "OAUTHBEARER" => {
            Box::new(sasl::OAuthBearer::new(user, Some("h.example"), Some(995), secret).unwrap())
        }
        "PLAIN" => Box::new(sasl::Plain::new(authzid, authcid, secret).unwrap()),
        "XOAUTH2" => Box::new(sasl::XOAuth2::new(user, secret).unwrap()),
        scram if scram.starts_with("SCRAM") => {
            let plus = scram.ends_with("-PLUS");
            let binding = match case.bound {
                Bound::Usual if plus => Binding::Exporter(&cases::EXPORTERS[0]),
                Bound::Usual => Binding::Unsupported,
                Bound::EndPoint => Binding::ServerEndPoint(cases::END_POINTS[0]),
                Bound::OtherConnection => Binding::Exporter(&cases::EXPORTERS[1]),
                Bound::OtherEndPoint => Binding::ServerEndPoint(cases::END_POINTS[1]),
                Bound::NotOffered | Bound::Hidden => Binding::NotOffered,
            };
            let scram = Scram::new(hash(scram), binding, authzid, authcid, secret, cases::NONCE).unwrap();
            assert_eq!(scram.name().as_str(), mechanism);
            Box::new(scram)
        }
        other => panic!("no client for {other}"),
    };
    let exchange = client::Exchange::new(&mut *mechanism);
    let exchange = if inline { exchange } else { exchange.without_initial_response() };
    run(&mut OurClient { exchange, inline, started: false, report: None })
}

impl Client for OurClient<'_> {
    fn start(&mut self) -> Option<Vec<u8>> {
        let mut scratch = [0; 8192];
        let first = self.exchange.start(&mut scratch).unwrap();
        self.started = true;
        first.initial.map(<[u8]>::to_vec)
    }

    fn answer(&mut self, challenge: &[u8]) -> ClientMove {
        if !self.started {
            assert!(!self.inline && self.start().is_none());
        }
        let (mut scratch, mut line) = ([0; 8192], Vec::new());
        Base64::encode_to(challenge, &mut line).unwrap();
        match self.exchange.challenge(Base64::new(&line).unwrap(), &mut scratch).unwrap() {
            client::Move::Respond(message) => ClientMove::Send(message.to_vec()),
            client::Move::Acknowledge { report, response } => {
                self.report = Some(report.to_vec());
                ClientMove::Send(response.to_vec())
            }
            client::Move::Cancel(error) => ClientMove::GiveUp(error.to_string()),
        }
    }

    fn agrees(&mut self) -> bool {
        self.exchange.success().is_ok()
    }

    fn report(&self) -> Option<Vec<u8>> {
        self.report.clone()
    }
}

fn hash(mechanism: &str) -> ScramHash {
    match mechanism.trim_end_matches("-PLUS") {
        "SCRAM-SHA-1" => ScramHash::Sha1,
        "SCRAM-SHA-256" => ScramHash::Sha256,
        "SCRAM-SHA-512" => ScramHash::Sha512,
        other => panic!("{other}"),
    }
}

/// What a server keeps of a password.
pub(crate) struct Keys {
    pub(crate) stored: Vec<u8>,
    pub(crate) server: Vec<u8>,
}

impl Keys {
    pub(crate) const SALT: &[u8] = b"sixteen octets..";
    pub(crate) const ITERATIONS: u32 = 4096;

    /// Those of a user, as everybody computes them; `None` for nobody.
    pub(crate) fn of(mechanism: &str, authcid: &str) -> Option<Self> {
        let hash = hash(mechanism);
        let (mut stored, mut server) = (vec![0; hash.octets()], vec![0; hash.octets()]);
        let password = cases::password(authcid)?.as_bytes();
        derive_keys(hash, password, Self::SALT, Self::ITERATIONS, &mut stored, &mut server).unwrap();
        Some(Self { stored, server })
    }
}

pub(crate) struct OurServer {
    exchange: Exchange,
    /// Who it is by all that was asked so far.
    who: Option<String>,
}

/// Our server for a mechanism.
pub(crate) fn server(mechanism: &str, case: &Case) -> OurServer {
    let name = MechanismName::parse(mechanism.as_bytes()).unwrap();
    let mut setup = Setup::default();
    setup.random = *b"0123456789abcdefgh";
    setup.host = "h.example";
    setup.plus_offered = mechanism.ends_with("-PLUS") || case.bound == Bound::Hidden;
    if setup.plus_offered {
        setup.exporter = Some(cases::EXPORTERS[0]);
        setup.server_end_point = Some(cases::END_POINTS[0]);
    }
    OurServer { exchange: Exchange::start(name, &setup).unwrap(), who: None }
}

/// What the exchange wants, with nothing borrowed from it.
enum Wants {
    Challenge,
    Done,
    /// The answer is yes, and this is who it is.
    Yes(String),
    No,
    TokenRefused,
    Secret(&'static str),
    Keys(Keys),
}

impl Wants {
    fn of(step: ServerStep<'_>) -> Self {
        let known = |who: Option<String>| who.map_or(Self::No, Self::Yes);
        match step {
            ServerStep::Challenge => Self::Challenge,
            ServerStep::Done => Self::Done,
            ServerStep::Ask(Query::Password { authzid, authcid, password }) => {
                let right = cases::password(authcid).is_some_and(|own| own.as_bytes() == password.expose());
                known(cases::permitted(authcid, authzid).filter(|_| right))
            }
            ServerStep::Ask(Query::External { authzid }) => known(cases::permitted("user", authzid)),
            ServerStep::Ask(Query::Authorize { authzid, authcid }) => {
                known(cases::permitted(authcid, authzid))
            }
            ServerStep::Ask(Query::Secret { authcid }) => {
                cases::password(authcid).map_or(Self::No, Self::Secret)
            }
            ServerStep::Ask(Query::Token { authzid, token, .. }) => {
                let token = std::str::from_utf8(token.expose()).unwrap();
                cases::bearer(token, authzid).map_or(Self::TokenRefused, Self::Yes)
            }
            ServerStep::Ask(Query::Anonymous { trace }) => {
                known(cases::welcome(trace).then(|| "anonymous".to_owned()))
            }
            ServerStep::Ask(Query::ScramKeys { authcid, hash }) => {
                let name = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"];
                let at = ScramHash::ALL.iter().position(|known| *known == hash).unwrap();
                // For nobody there are made-up ones, so that it shows at the proof only.
                let none = || Keys { stored: vec![0; hash.octets()], server: vec![0; hash.octets()] };
                Self::Keys(Keys::of(name[at], authcid).unwrap_or_else(none))
            }
            ServerStep::Ask(_) => Self::No,
        }
    }
}

impl OurServer {
    /// Answers the questions until the exchange needs the client.
    fn go_on(&mut self, mut wants: Result<Wants, SaslError>, mut challenge: Vec<u8>) -> ServerMove {
        let mut who = self.who.take();
        loop {
            let answer = match &wants {
                Ok(Wants::Challenge) => {
                    self.who = who;
                    return ServerMove::Challenge(challenge);
                }
                Ok(Wants::Done) => return ServerMove::Accept(who.expect("nobody was asked for")),
                Ok(Wants::Yes(found)) => {
                    who = Some(found.clone());
                    Answer::Accepted
                }
                Ok(Wants::Keys(keys)) => {
                    let parts = (Keys::SALT, Keys::ITERATIONS);
                    Answer::ScramKeys(ScramKeys::new(parts.0, parts.1, &keys.stored, &keys.server))
                }
                Ok(Wants::No) => Answer::Rejected,
                Ok(Wants::TokenRefused) => Answer::TokenRejected(cases::REPORT),
                Ok(Wants::Secret(secret)) => Answer::Secret(Secret::new(secret.as_bytes()).unwrap()),
                Err(_) => return ServerMove::Refuse,
            };
            wants = self.exchange.answer(answer, &mut challenge).map(Wants::of);
        }
    }
}

impl Server for OurServer {
    fn start(&mut self, initial: Option<&[u8]>) -> ServerMove {
        let (mut scratch, mut line, mut challenge) = ([0; 8192], Vec::new(), Vec::new());
        let initial = initial.map(|raw| {
            InitialResponse::encode_to(raw, &mut line).unwrap();
            InitialResponse::parse(&line).unwrap()
        });
        let wants = self.exchange.initial(initial, &mut scratch, &mut challenge).map(Wants::of);
        self.go_on(wants, challenge)
    }

    fn take(&mut self, message: &[u8]) -> ServerMove {
        let (mut scratch, mut line, mut challenge) = ([0; 8192], Vec::new(), Vec::new());
        Base64::encode_to(message, &mut line).unwrap();
        let response = Base64::new(&line).unwrap();
        let wants = self.exchange.response(response, &mut scratch, &mut challenge).map(Wants::of);
        self.go_on(wants, challenge)
    }
}
