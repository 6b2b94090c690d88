//! Logging in on a link, by the way that the options and the server's capabilities leave.

use pop3_blocking::client::{Method, Strength};
use pop3_blocking::pop3_proto::sasl::client::{Exchange, Move};
use pop3_blocking::pop3_proto::sasl::prep::{Use, prepare};
use pop3_blocking::pop3_proto::sasl::scram::{Binding, Nonce, Scram};
use pop3_blocking::pop3_proto::sasl::server::ScramHash;
use pop3_blocking::pop3_proto::sasl::{
    ClientMechanism, CramMd5, External, Login, OAuthBearer, Plain, SaslError, XOAuth2,
};
use pop3_blocking::pop3_proto::{Base64, apop};
use zeroize::Zeroizing;

use super::case::Problem;
use super::link::{Link, Reply};
use crate::password::Password;

/// Octets of the longest SASL line, and of what it holds.
const SASL_LINE: usize = 90_112;

/// Who logs in, and what proves it.
pub(super) enum Proof {
    Password(Password),
    Token(Password),
    /// The certificate that TLS has shown.
    Certificate,
}

/// A method that fits the proof and is announced in `mechanisms`, the strongest first.
pub(super) fn choose(
    proof: &Proof,
    forced: Option<Method>,
    minimum: Strength,
    announced: &[Method],
    tls: bool,
    binding: bool,
) -> Option<Method> {
    if forced.is_some() {
        return forced.filter(|&method| tls || !needs_tls(method));
    }
    let fits = |method: Method| match proof {
        Proof::Certificate => method == Method::External,
        Proof::Token(_) => matches!(method, Method::OAuthBearer | Method::XOAuth2),
        Proof::Password(_) => {
            let never = [Method::External, Method::OAuthBearer, Method::XOAuth2, Method::Apop];
            !never.contains(&method) && (binding || !is_plus(method))
        }
    };
    let strong = |method: Method| method.strength() >= minimum && (tls || !needs_tls(method));
    Method::ALL.iter().copied().find(|&method| fits(method) && strong(method) && announced.contains(&method))
}

pub(super) fn is_plus(method: Method) -> bool {
    method.name().ends_with("-PLUS")
}

/// What it rests on TLS, or sends what is worth nothing in the hands of anyone but the server.
fn needs_tls(method: Method) -> bool {
    let those = [Method::External, Method::OAuthBearer, Method::XOAuth2, Method::CramMd5, Method::Apop];
    is_plus(method) || those.contains(&method)
}

/// Logs in by `method`, and returns the last reply of the server. `Unclear` if the fault is on our side.
pub(super) fn log_in(link: &mut Link, method: Method, user: &str, proof: &Proof) -> Result<Reply, Problem> {
    let secret = match proof {
        Proof::Password(secret) | Proof::Token(secret) => secret.as_str(),
        Proof::Certificate => "",
    };
    match method {
        Method::UserPass => user_pass(link, user, secret),
        Method::Apop => by_apop(link, user, secret),
        Method::External => {
            let user = if user.is_empty() { None } else { Some(user) };
            run(link, &mut External::new(user).map_err(ours)?, false)
        }
        Method::OAuthBearer => {
            run(link, &mut OAuthBearer::new(user, None, None, secret).map_err(ours)?, false)
        }
        Method::XOAuth2 => run(link, &mut XOAuth2::new(user, secret).map_err(ours)?, false),
        Method::Plain => plain(link, user, secret),
        Method::Login => run(link, &mut Login::new(user, secret).map_err(ours)?, false),
        Method::CramMd5 => run(link, &mut CramMd5::new(user, secret).map_err(ours)?, false),
        _ => by_scram(link, method, user, secret),
    }
}

fn user_pass(link: &mut Link, user: &str, password: &str) -> Result<Reply, Problem> {
    let reply = link.ask(&format!("USER {user}"))?;
    if !reply.is_ok() {
        return Ok(reply);
    }
    pass(link, password)
}

/// Sends `PASS` with a password that is not shown.
pub(super) fn pass(link: &mut Link, password: &str) -> Result<Reply, Problem> {
    let line = Zeroizing::new(format!("PASS {password}\r\n"));
    link.send_secret(line.as_bytes(), "PASS ...\r\n");
    link.login_reply()
}

fn by_apop(link: &mut Link, user: &str, password: &str) -> Result<Reply, Problem> {
    let greeting = link.greeting.as_ref().map(|reply| reply.text().to_vec()).unwrap_or_default();
    let Some(stamp) = apop::timestamp(&greeting) else {
        return Err(Problem::Unclear("the greeting holds no timestamp for APOP".into()));
    };
    let digest = apop::digest(stamp, password.as_bytes());
    let digest = String::from_utf8_lossy(&digest);
    let line = Zeroizing::new(format!("APOP {user} {digest}\r\n"));
    link.send_secret(line.as_bytes(), &format!("APOP {user} ...\r\n"));
    link.login_reply()
}

fn by_scram(link: &mut Link, method: Method, user: &str, password: &str) -> Result<Reply, Problem> {
    let hash = match method {
        Method::ScramSha512Plus | Method::ScramSha512 => ScramHash::Sha512,
        Method::ScramSha256Plus | Method::ScramSha256 => ScramHash::Sha256,
        _ => ScramHash::Sha1,
    };
    let exporter = link.tls().and_then(|tls| tls.tls_exporter());
    let binding = match &exporter {
        Some(exporter) if is_plus(method) => Binding::Exporter(exporter),
        // Whether -PLUS is offered or not, this is never wrong.
        _ => Binding::Unsupported,
    };
    let prepared = |text: &str, how| {
        prepare(text, how)
            .map(|text| Zeroizing::new(text.into_owned()))
            .map_err(|error| Problem::Unclear(format!("user name or password: {error}")))
    };
    let (user, password) = (prepared(user, Use::Query)?, prepared(password, Use::Stored)?);
    let mut random = [0u8; 18];
    random_octets(&mut random)?;
    let nonce = Nonce::new(random);
    run(link, &mut Scram::new(hash, binding, None, &user, &password, nonce.as_str()).map_err(ours)?, false)
}

fn random_octets(octets: &mut [u8]) -> Result<(), Problem> {
    let none = || Problem::Unclear("no random octets".into());
    let provider = pop3_blocking::tls::provider().map_err(|_| none())?;
    provider.secure_random.fill(octets).map_err(|_| none())
}

fn plain(link: &mut Link, user: &str, password: &str) -> Result<Reply, Problem> {
    run(link, &mut Plain::new(None, user, password).map_err(ours)?, false)
}

/// By PLAIN with the message behind the first challenge.
pub(super) fn plain_in_two_steps(link: &mut Link, user: &str, password: &str) -> Result<Reply, Problem> {
    run(link, &mut Plain::new(None, user, password).map_err(ours)?, true)
}

/// Runs an exchange; `withhold`: without an initial response.
fn run(link: &mut Link, mechanism: &mut dyn ClientMechanism, withhold: bool) -> Result<Reply, Problem> {
    let mut scratch = Zeroizing::new(vec![0u8; SASL_LINE]);
    let mut exchange = Exchange::new(mechanism);
    if withhold {
        exchange = exchange.without_initial_response();
    }
    let first = exchange.start(&mut scratch).map_err(ours)?;
    let shown = format!("AUTH {}", first.mechanism);
    let mut line = Zeroizing::new(shown.clone().into_bytes());
    if let Some(initial) = first.initial {
        line.push(b' ');
        if initial.is_empty() {
            line.push(b'=');
        } else {
            base64(initial, &mut line)?;
        }
    }
    line.extend_from_slice(b"\r\n");
    let more = if first.initial.is_some() { " ..." } else { "" };
    link.send_secret(&line, &format!("{shown}{more}\r\n"));
    // More steps than any mechanism has.
    for _ in 0..16 {
        let reply = link.login_reply()?;
        let Some(challenge) = challenge(&reply) else {
            if reply.is_ok() {
                let agreed = exchange.success();
                agreed.map_err(|error| {
                    link.broken(format!("a success that the mechanism agrees with: {error}"))
                })?;
            }
            return Ok(reply);
        };
        let Ok(challenge) = Base64::new(&challenge) else {
            return Err(link.broken("a challenge in base64"));
        };
        let response = match exchange.challenge(challenge, &mut scratch) {
            Ok(Move::Respond(raw)) => raw,
            Ok(Move::Acknowledge { response, .. }) => response,
            Ok(Move::Cancel(error)) => return Err(link.broken(format!("the next step of {shown}: {error}"))),
            Err(_) => return Err(link.broken("a shorter challenge")),
        };
        let mut line = Zeroizing::new(Vec::new());
        base64(response, &mut line)?;
        line.extend_from_slice(b"\r\n");
        link.send_secret(&line, "(SASL response)\r\n");
    }
    Err(link.broken("an end of the exchange"))
}

/// What a line that continues an exchange holds.
pub(super) fn challenge(reply: &Reply) -> Option<Vec<u8>> {
    match reply.line.octets.as_slice() {
        b"+" => Some(Vec::new()),
        [b'+', b' ', text @ ..] => Some(text.to_vec()),
        _ => None,
    }
}

pub(super) fn base64(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Problem> {
    Base64::encode_to(raw, out).map_err(|_| Problem::Unclear("out of room".into()))
}

fn ours(error: SaslError) -> Problem {
    Problem::Unclear(format!("user name or password: {error}"))
}
