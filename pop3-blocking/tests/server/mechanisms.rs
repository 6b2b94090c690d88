//! Every SASL mechanism over TLS, with the client side of the core, and which of them are offered where.

use std::sync::Arc;

use pop3_blocking::auth::{
    AuthError, Authenticator, Identity, LoginContext, Mechanisms, MemoryUsers, SharedSecret, TokenError,
    TokenRequest,
};
use pop3_blocking::pop3_proto::Base64;
use pop3_blocking::pop3_proto::sasl::client::{ClientMechanism, Exchange, Move};
use pop3_blocking::pop3_proto::sasl::server::ScramHash;
use pop3_blocking::pop3_proto::sasl::{Anonymous, Login, OAuthBearer, Plain, XOAuth2};
use pop3_blocking::server::{Policy, Running, Server};
use pop3_blocking::tls::ClientTls;

use crate::fixture::{HOST, limits, local, mail, tls};
use crate::peer::{Ending, Peer};

pub(crate) const REJECTED: &str = "-ERR [AUTH] authentication failed";
pub(crate) const OPENED: &str = "+OK maildrop has 3 messages (125 octets)";
const MALFORMED: &str = "-ERR malformed SASL message";
pub(crate) const UNAVAILABLE: &str = "-ERR mechanism not available";

/// Serves every mechanism: one user with a password, one with a secret, one token, and guests.
pub(crate) struct Everybody {
    users: MemoryUsers,
    /// Whom every certificate maps to.
    pub(crate) certified: Option<&'static str>,
}

impl Everybody {
    pub(crate) fn new() -> Self {
        let users = MemoryUsers::new().with_user("mrose", "secret").with_user("IX", "a b");
        Self { users: users.with_secret("old", "tanstaaf"), certified: Some("mrose") }
    }
}

impl Authenticator for Everybody {
    fn mechanisms(&self) -> Mechanisms {
        Mechanisms::DEFAULT | Mechanisms::LEGACY | Mechanisms::ANONYMOUS
    }

    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        self.users.password(cx, user, password).map(|_| Identity::new("mrose"))
    }

    fn certificate(&self, _: &LoginContext<'_>, _: &[u8]) -> Result<Identity, AuthError> {
        self.certified.map(Identity::new).ok_or(AuthError::Rejected)
    }

    fn scram_keys(
        &self,
        cx: &LoginContext<'_>,
        user: &str,
        hash: ScramHash,
    ) -> Result<pop3_blocking::auth::ScramKeys, AuthError> {
        self.users.scram_keys(cx, user, hash)
    }

    fn secret(&self, cx: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        self.users.secret(cx, user)
    }

    fn proven(&self, cx: &LoginContext<'_>, user: &str) -> Result<Identity, AuthError> {
        self.users.proven(cx, user).map(|_| Identity::new("mrose"))
    }

    fn token(&self, cx: &LoginContext<'_>, request: &TokenRequest<'_>) -> Result<Identity, TokenError> {
        assert!(cx.tls && ["OAUTHBEARER", "XOAUTH2"].contains(&cx.mechanism));
        match request.token.expose() {
            b"good" => Ok(Identity::new("mrose")),
            b"expired" => Err(TokenError::Rejected { report: Some("{\"status\":\"expired\"}".into()) }),
            b"temporary" => Err(AuthError::Temporary("canary-fault".into()).into()),
            _ => Err(TokenError::REJECTED),
        }
    }

    fn anonymous(&self, _: &LoginContext<'_>, trace: &str) -> Result<Identity, AuthError> {
        if trace == "sirhc" { Ok(Identity::new("mrose")) } else { Err(AuthError::Rejected) }
    }
}

/// A server with one listener.
pub(crate) fn serve(users: impl Authenticator + 'static, policy: Policy) -> Running {
    let mut limits = limits();
    limits.protocol.failed_logins = 100;
    limits.protocol.bad_commands_before_login = 50;
    Server::builder(users, mail()).limits(limits).listen(local(), policy).bind().unwrap().serve().unwrap()
}

pub(crate) fn everything() -> Policy {
    Policy::implicit_tls(tls().server.clone())
        .mechanisms(Mechanisms::DEFAULT | Mechanisms::LEGACY | Mechanisms::ANONYMOUS)
}

pub(crate) fn connect(running: &Running, client: &ClientTls) -> Peer {
    let mut peer = Peer::connect_tls(running.addresses()[0], client);
    assert!(peer.line().starts_with("+OK "));
    peer
}

/// What stands behind `SASL` in the list of capabilities.
pub(crate) fn announced(peer: &mut Peer) -> String {
    let lines = peer.ask_list("CAPA").1;
    let sasl = lines.iter().find_map(|line| line.strip_prefix("SASL ")).unwrap_or_default().to_owned();
    // AUTH alone says the same.
    assert_eq!(peer.ask_list("AUTH").1.join(" "), sasl);
    if lines.contains(&"USER".to_owned()) { format!("{sasl} +USER").trim().to_owned() } else { sasl }
}

pub(crate) fn base64(octets: impl AsRef<[u8]>) -> String {
    let mut text = Vec::new();
    Base64::encode_to(octets.as_ref(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The last reply to a whole exchange, and the challenges on the way.
pub(crate) fn authenticate(peer: &mut Peer, mechanism: &mut dyn ClientMechanism) -> (String, Vec<Vec<u8>>) {
    let mut exchange = Exchange::new(mechanism);
    let mut scratch = [0; 4096];
    let first = exchange.start(&mut scratch).unwrap();
    let mut line = match first.initial {
        None => format!("AUTH {}", first.mechanism.as_str()),
        Some([]) => format!("AUTH {} =", first.mechanism.as_str()),
        Some(initial) => format!("AUTH {} {}", first.mechanism.as_str(), base64(initial)),
    };
    let mut challenges = Vec::new();
    loop {
        let reply = peer.ask(&line);
        let Some(challenge) = reply.strip_prefix("+ ") else {
            if reply.starts_with("+OK") {
                exchange.success().unwrap();
            }
            return (reply, challenges);
        };
        let challenge = Base64::new(challenge.as_bytes()).unwrap();
        let mut raw = vec![0; challenge.decoded_len()];
        challenges.push(challenge.decode(&mut raw).unwrap().to_vec());
        line = match exchange.challenge(challenge, &mut scratch).unwrap() {
            Move::Respond(response) | Move::Acknowledge { response, .. } => base64(response),
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn r5034_4_13_every_mechanism_logs_in_over_tls_after_it_has_failed() {
    let running = serve(Everybody::new(), everything());
    let good: [&mut dyn ClientMechanism; 5] = [
        &mut Plain::new(None, "mrose", "secret").unwrap(),
        &mut Login::new("mrose", "secret").unwrap(),
        &mut OAuthBearer::new("mrose", Some(HOST), Some(995), "good").unwrap(),
        &mut XOAuth2::new("mrose", "good").unwrap(),
        &mut Anonymous::new("sirhc").unwrap(),
    ];
    let bad: [&mut dyn ClientMechanism; 5] = [
        &mut Plain::new(None, "mrose", "wrong").unwrap(),
        &mut Login::new("mrose", "wrong").unwrap(),
        &mut OAuthBearer::new("mrose", Some(HOST), Some(995), "bad").unwrap(),
        &mut XOAuth2::new("mrose", "bad").unwrap(),
        &mut Anonymous::new("eve").unwrap(),
    ];
    for (good, bad) in good.into_iter().zip(bad) {
        let mut peer = connect(&running, &tls().client);
        assert_eq!(authenticate(&mut peer, bad).0, REJECTED, "{}", bad.name().as_str());
        assert_eq!(authenticate(&mut peer, good).0, OPENED, "{}", good.name().as_str());
        assert_eq!(peer.ask("AUTH PLAIN"), "-ERR command not valid in this state");
        assert_eq!(peer.ask("QUIT"), "+OK bye");
    }
}

#[test]
fn r7628_3_3_rp_xo_3_pb_q65_a_token_that_is_refused_is_reported_then_refused_whatever_the_answer() {
    let running = serve(Everybody::new(), everything());
    let bearer = |token: &str| base64(format!("n,a=mrose,\x01host={HOST}\x01auth=Bearer {token}\x01\x01"));
    let xoauth2 = |token: &str| base64(format!("user=mrose\x01auth=Bearer {token}\x01\x01"));
    let mut peer = connect(&running, &tls().client);
    for command in
        [format!("AUTH OAUTHBEARER {}", bearer("expired")), format!("AUTH XOAUTH2 {}", xoauth2("expired"))]
    {
        for answer in ["AQ==", "", "*", "bm90aGluZw==", "no base64"] {
            assert_eq!(peer.ask(&command), format!("+ {}", base64("{\"status\":\"expired\"}")));
            assert_eq!(peer.ask(answer), REJECTED, "{answer}");
        }
    }
    // Without a report of its own the mechanism has one: an object with `status` (R7628-3.3).
    for command in [format!("AUTH OAUTHBEARER {}", bearer("bad")), format!("AUTH XOAUTH2 {}", xoauth2("bad"))]
    {
        let reply = peer.ask(&command);
        let report = Base64::new(reply.strip_prefix("+ ").unwrap().as_bytes()).unwrap();
        let mut raw = vec![0; report.decoded_len()];
        let report = String::from_utf8(report.decode(&mut raw).unwrap().to_vec()).unwrap();
        assert!(report.starts_with('{') && report.contains("\"status\""), "{report}");
        assert_eq!(peer.ask("AQ=="), REJECTED);
    }
    // A fault is no verdict on the token.
    let fault = format!("AUTH OAUTHBEARER {}", bearer("temporary"));
    assert_eq!(peer.ask(&fault), "-ERR [SYS/TEMP] temporary fault, try again later");
    // In two steps, as XOAUTH2 is done.
    assert_eq!(peer.ask("AUTH XOAUTH2"), "+ ");
    assert_eq!(peer.ask(&xoauth2("good")), OPENED);
}

#[test]
fn pb_q65_a_report_counts_as_one_failed_login() {
    let limits = limits();
    let server = Server::builder(Everybody::new(), mail()).limits(limits).listen(local(), everything());
    let running = server.bind().unwrap().serve().unwrap();
    let mut peer = connect(&running, &tls().client);
    let command = format!("AUTH XOAUTH2 {}\r\n", base64("user=mrose\x01auth=Bearer bad\x01\x01"));
    peer.send(format!("{command}*\r\n{command}\r\n{command}AQ==\r\nCAPA\r\n"));
    let (said, ending) = peer.rest();
    assert_eq!(said.matches(REJECTED).count(), 3, "{said}");
    assert!(said.ends_with(&format!("{REJECTED}\r\n")) && ending == Ending::Orderly, "{said}");
}

#[test]
fn r7628_3_2_a_token_for_another_host_or_port_is_refused() {
    let login = |running: &Running, host: &str, port: Option<u16>| {
        let mut peer = connect(running, &tls().client);
        authenticate(&mut peer, &mut OAuthBearer::new("mrose", Some(host), port, "good").unwrap()).0
    };
    let named = serve(Everybody::new(), everything().known_as("mail.example.org", 995));
    for (host, port, reply) in [
        ("mail.example.org", Some(995), OPENED),
        ("MAIL.example.org", None, OPENED),
        ("mail.example.org", Some(110), REJECTED),
        (HOST, Some(995), REJECTED),
        ("evil.example.org", Some(995), REJECTED),
    ] {
        crate::fixture::eventually("the maildrop is free", || {
            let said = login(&named, host, port);
            assert!(said == reply || said.starts_with("-ERR [IN-USE]"), "{host} {port:?}: {said}");
            said == reply
        });
    }
    // Without a name of its own the server knows the one that the client asked for.
    let unnamed = serve(Everybody::new(), everything());
    assert_eq!(login(&unnamed, "evil.example.org", None), REJECTED);
    assert_eq!(login(&unnamed, HOST, Some(4711)), OPENED);
}

#[test]
fn r4422_3_6_a_token_does_not_let_act_as_another() {
    let running = serve(Everybody::new(), everything());
    let mut peer = connect(&running, &tls().client);
    let kim = authenticate(&mut peer, &mut OAuthBearer::new("kim", None, None, "good").unwrap());
    assert_eq!((kim.0.as_str(), kim.1.len()), (REJECTED, 1));
    assert_eq!(authenticate(&mut peer, &mut XOAuth2::new("kim", "good").unwrap()).0, REJECTED);
}

#[test]
fn rp_login_1_r5034_4_8_login_asks_twice_and_takes_no_initial_response() {
    let running = serve(Everybody::new(), everything());
    let mut peer = connect(&running, &tls().client);
    assert_eq!(peer.ask("AUTH LOGIN bXJvc2U="), MALFORMED);
    assert_eq!(peer.ask("AUTH LOGIN"), "+ VXNlcm5hbWU6");
    assert_eq!(peer.ask("*"), "-ERR authentication cancelled");
    assert_eq!(peer.ask("AUTH LOGIN"), "+ VXNlcm5hbWU6");
    assert_eq!(peer.ask(&base64("mrose")), "+ UGFzc3dvcmQ6");
    assert_eq!(peer.ask("%%%"), MALFORMED);
    assert_eq!(peer.ask("AUTH LOGIN"), "+ VXNlcm5hbWU6");
    assert_eq!(peer.ask(&base64("mrose")), "+ UGFzc3dvcmQ6");
    assert_eq!(peer.ask(&base64("secret")), OPENED);
}

#[cfg(feature = "legacy-md5")]
#[test]
fn r2195_2_1_r1939_13_1_cram_md5_for_who_has_a_secret_and_nothing_else_for_them() {
    use pop3_blocking::pop3_proto::sasl::CramMd5;

    let running = serve(Everybody::new(), everything());
    let mut peer = connect(&running, &tls().client);
    assert_eq!(peer.ask("AUTH CRAM-MD5 dGlt"), MALFORMED);
    let mut seen = Vec::new();
    for (user, secret) in [("old", "wrong"), ("mrose", "secret"), ("nobody", "tanstaaf"), ("nobody", "wrong")]
    {
        let (reply, challenges) = authenticate(&mut peer, &mut CramMd5::new(user, secret).unwrap());
        assert_eq!((reply.as_str(), challenges.len()), (REJECTED, 1), "{user}");
        let challenge = String::from_utf8(challenges[0].clone()).unwrap();
        assert!(challenge.starts_with('<') && challenge.ends_with("@localhost>"), "{challenge}");
        assert!(!seen.contains(&challenge), "used before");
        seen.push(challenge);
    }
    for mechanism in [
        &mut Plain::new(None, "old", "tanstaaf").unwrap() as &mut dyn ClientMechanism,
        &mut Login::new("old", "tanstaaf").unwrap(),
    ] {
        assert_eq!(authenticate(&mut peer, mechanism).0, REJECTED);
    }
    assert_eq!(authenticate(&mut peer, &mut CramMd5::new("old", "tanstaaf").unwrap()).0, OPENED);
}

#[test]
fn pb_s49_failures_of_all_mechanisms_count_together() {
    let server = Server::builder(Everybody::new(), mail()).limits(limits()).listen(local(), everything());
    let running = server.bind().unwrap().serve().unwrap();
    let mut peer = connect(&running, &tls().client);
    let first = authenticate(&mut peer, &mut Anonymous::new("eve").unwrap()).0;
    let second = authenticate(&mut peer, &mut OAuthBearer::new("mrose", None, None, "bad").unwrap()).0;
    let third = authenticate(&mut peer, &mut Login::new("mrose", "wrong").unwrap()).0;
    assert_eq!([first, second, third], [REJECTED; 3]);
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
}

#[test]
fn r4616_2_3_r5034_4_15_r6856_2_2_2_names_and_passwords_are_prepared() {
    let running = serve(Everybody::new(), everything());
    let log_in = |script: &[&str]| {
        let mut peer = connect(&running, &tls().client);
        let mut last = String::new();
        for line in script {
            last = peer.ask(line);
        }
        drop(peer);
        last
    };
    let plain = |authzid: &str, user: &str, password: &str| {
        format!("AUTH PLAIN {}", base64(format!("{authzid}\0{user}\0{password}")))
    };
    // Roman nine, a soft hyphen, a space that is not ASCII.
    let in_use = "-ERR [IN-USE] maildrop is in use by another session";
    let holder = connect(&running, &tls().client);
    let mut holder = holder;
    assert_eq!(holder.ask(&plain("", "\u{2168}", "a\u{a0}b")), OPENED);
    for script in [
        &[plain("", "I\u{ad}X", "a b").as_str()][..],
        &["USER \u{2168}", "PASS a\u{a0}b"],
        &["AUTH LOGIN", &base64("\u{2168}"), &base64("a\u{a0}b")],
        // The authorization identity, of the user the password belongs to.
        &[&plain("mros\u{ad}e", "mrose", "secret")],
    ] {
        assert_eq!(log_in(script), in_use, "{script:?}");
    }
    for script in [
        // Nothing is left of the name, the password, the authorization identity; or it is prohibited.
        &[plain("", "\u{ad}", "secret").as_str()][..],
        &[&plain("", "mrose", "\u{ad}")],
        &[&plain("\u{ad}", "mrose", "secret")],
        &[&plain("", "mrose", "secret\u{7}")],
        &["USER mrose", "PASS secret\u{e000}"],
        &["USER \u{627}1", "PASS secret"],
    ] {
        assert_eq!(log_in(script), REJECTED, "{script:?}");
    }
    // Octets that are no UTF-8 are no password either.
    let mut peer = connect(&running, &tls().client);
    assert_eq!(peer.ask("USER mrose"), "+OK send PASS");
    peer.send(b"PASS secret\xff\r\n");
    assert_eq!(peer.line(), REJECTED);
}

/// Compares octets, and wants them as they came.
struct Octets;

impl Authenticator for Octets {
    fn password(&self, _: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        let right = user == "\u{2168}" && password == "\u{ad}\u{fb01}".as_bytes();
        if right { Ok(Identity::new("mrose")) } else { Err(AuthError::Rejected) }
    }
}

#[test]
fn r4616_2_3_a_backend_may_want_octets() {
    let policy = Policy::implicit_tls(tls().server.clone());
    let server = Server::builder(Octets, mail()).limits(limits()).unprepared_credentials();
    let running = server.listen(local(), policy).bind().unwrap().serve().unwrap();
    let mut peer = connect(&running, &tls().client);
    assert_eq!(peer.ask("USER \u{2168}"), "+OK send PASS");
    assert_eq!(peer.ask("PASS \u{ad}\u{fb01}"), OPENED);
}

#[test]
fn rdm_2_1b_r4422_a_2_pb_s26_certificate_and_authorization_identity() {
    let listener = |certified| {
        let users = Everybody { certified, ..Everybody::new() };
        serve(users, Policy::implicit_tls(tls().server_with_clients.clone()))
    };
    for (certified, authzid, reply) in [
        (Some("mrose"), "=".to_owned(), OPENED),
        (Some("mrose"), base64("mrose"), OPENED),
        (Some("mrose"), base64("kim"), REJECTED),
        (Some("mrose"), base64("mrose\0"), REJECTED),
        (Some("mrose"), base64("mr\u{7}ose"), REJECTED),
        (Some("mrose"), base64(b"mrose\xff"), REJECTED),
        (Some("mrose"), base64("\u{ad}"), REJECTED),
        // Whatever the client says it is: a certificate that maps to nobody proves nothing.
        (None, "=".to_owned(), REJECTED),
        (None, base64("mrose"), REJECTED),
        (None, base64("kim"), REJECTED),
    ] {
        let running = listener(certified);
        let mut peer = connect(&running, &tls().client_with_certificate);
        assert_eq!(peer.ask(&format!("AUTH EXTERNAL {authzid}")), reply, "{certified:?} {authzid}");
        let mut peer = connect(&running, &tls().client_with_certificate);
        assert_eq!(peer.ask("AUTH EXTERNAL"), "+ ");
        let authzid = if authzid == "=" { "" } else { &authzid };
        let second = peer.ask(authzid);
        let in_use = second.starts_with("-ERR [IN-USE]");
        assert!(second == reply || reply == OPENED && in_use, "{certified:?} {authzid}: {second}");
        // Nothing to show, nothing to say.
        let mut without = connect(&running, &tls().client);
        assert_eq!(without.ask("AUTH EXTERNAL ="), UNAVAILABLE);
        assert_eq!(without.ask("AUTH EXTERNAL bXJvc2U="), UNAVAILABLE);
    }
}

#[test]
fn r4422_a_3_external_is_announced_only_to_whom_it_lets_in() {
    for (certified, shows, listed) in
        [(Some("mrose"), true, true), (None, true, false), (Some("mrose"), false, false)]
    {
        let users = Everybody { certified, ..Everybody::new() };
        let running = serve(users, Policy::implicit_tls(tls().server_with_clients.clone()));
        let client = if shows { &tls().client_with_certificate } else { &tls().client };
        let sasl = announced(&mut connect(&running, client));
        assert_eq!(sasl.split(' ').any(|name| name == "EXTERNAL"), listed, "{certified:?} {shows}: {sasl}");
    }
}

#[test]
fn rdm_2_1e_where_only_certificates_count_nothing_else_is_announced_or_taken() {
    let users = Arc::new(Everybody::new());
    let policy = Policy::implicit_tls(tls().server_with_clients.clone()).certificate_only();
    let running = serve(Arc::clone(&users), policy);
    let others = |peer: &mut Peer| {
        assert_eq!(peer.ask("USER mrose"), "-ERR not supported");
        assert_eq!(peer.ask("PASS secret"), "-ERR command not valid in this state");
        for name in (Mechanisms::DEFAULT | Mechanisms::LEGACY | Mechanisms::ANONYMOUS).names() {
            if !["EXTERNAL", "USER", "APOP"].contains(&name) {
                assert_eq!(peer.ask(&format!("AUTH {name}")), UNAVAILABLE, "{name}");
            }
        }
        let apop = peer.ask("APOP old c4c9334bac560ecc979e58001b3e22fb");
        assert!(apop.starts_with("-ERR ") && !apop.contains('['), "{apop}");
    };
    let mut peer = connect(&running, &tls().client_with_certificate);
    assert_eq!(announced(&mut peer), "EXTERNAL");
    others(&mut peer);
    assert_eq!(peer.ask("STAT"), "-ERR command not valid in this state");
    assert_eq!(peer.ask("AUTH EXTERNAL ="), OPENED);
    let mut without = connect(&running, &tls().client);
    assert_eq!(announced(&mut without), "");
    others(&mut without);
}

#[test]
fn r4616_2_2_each_part_may_have_255_octets() {
    let (name, password) = ("u".repeat(255), "p".repeat(255));
    let users = MemoryUsers::new().with_user(name.as_str(), password.as_str());
    let running = serve(users, Policy::implicit_tls(tls().server.clone()));
    let message = base64(format!("{name}\0{name}\0{password}"));
    for inline in [false, true] {
        let mut peer = connect(&running, &tls().client);
        let reply = if inline {
            peer.ask(&format!("AUTH PLAIN {message}"))
        } else {
            assert_eq!(peer.ask("AUTH PLAIN"), "+ ");
            peer.ask(&message)
        };
        assert_eq!(reply, "+OK maildrop has 0 messages (0 octets)", "{inline}");
        assert_eq!(peer.ask("QUIT"), "+OK bye");
    }
}

#[cfg(feature = "legacy-md5")]
#[test]
fn pb_q68_r5034_3_1_r2595_2_3_what_is_announced_under_each_setting() {
    let tls_policy = || Policy::implicit_tls(tls().server.clone());
    let all = Mechanisms::DEFAULT | Mechanisms::LEGACY | Mechanisms::ANONYMOUS;
    let open = || Policy::cleartext().allow_cleartext_login();
    let plus = "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS";
    let scram = "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1";
    for (policy, sasl) in [
        (tls_policy(), format!("{plus} {scram} OAUTHBEARER XOAUTH2 PLAIN +USER")),
        (
            tls_policy().mechanisms(all),
            format!("{plus} {scram} OAUTHBEARER XOAUTH2 PLAIN LOGIN CRAM-MD5 ANONYMOUS +USER"),
        ),
        (tls_policy().mechanisms(Mechanisms::LOGIN), "LOGIN".to_owned()),
        (tls_policy().mechanisms(Mechanisms::CRAM_MD5 | Mechanisms::USER), "CRAM-MD5 +USER".to_owned()),
        (tls_policy().mechanisms(Mechanisms::NONE), String::new()),
        // Nothing before TLS, old mechanisms neither; with the operator's leave all that are at least no tokens.
        (Policy::cleartext().mechanisms(all), String::new()),
        (Policy::stls(tls().server.clone()).mechanisms(all), String::new()),
        (open(), format!("{scram} PLAIN +USER")),
        (open().mechanisms(all), format!("{scram} PLAIN LOGIN CRAM-MD5 ANONYMOUS +USER")),
    ] {
        let under_tls = format!("{policy:?}").contains("implicit: true");
        let running = serve(Everybody::new(), policy);
        let mut peer =
            if under_tls { connect(&running, &tls().client) } else { Peer::greeted(running.addresses()[0]) };
        assert_eq!(announced(&mut peer), sasl);
        // What is not announced is not taken.
        for name in all.without(Mechanisms::USER | Mechanisms::APOP).names() {
            if !sasl.split(' ').any(|announced| announced == name) {
                let reply = peer.ask(&format!("AUTH {name}"));
                assert!(
                    ["-ERR encryption required", UNAVAILABLE].contains(&reply.as_str()),
                    "{name}: {reply}"
                );
            }
        }
        if !sasl.contains("+USER") {
            let reply = peer.ask("USER mrose");
            assert!(["-ERR encryption required", "-ERR not supported"].contains(&reply.as_str()), "{reply}");
        }
    }
}

/// Panics when it is asked what it can serve, or whose a certificate is.
struct Panics {
    at_once: bool,
}

impl Authenticator for Panics {
    fn mechanisms(&self) -> Mechanisms {
        assert!(!self.at_once, "an authenticator that panics");
        Mechanisms::EXTERNAL
    }

    fn password(&self, _: &LoginContext<'_>, _: &str, _: &[u8]) -> Result<Identity, AuthError> {
        Err(AuthError::Rejected)
    }

    fn certificate(&self, _: &LoginContext<'_>, _: &[u8]) -> Result<Identity, AuthError> {
        panic!("an authenticator that panics")
    }
}

#[test]
fn pb_s37_an_authenticator_that_panics_early_ends_one_connection() {
    for at_once in [true, false] {
        let running = serve(Panics { at_once }, Policy::implicit_tls(tls().server_with_clients.clone()));
        for panicked in 1..=2 {
            let stream = std::net::TcpStream::connect(running.addresses()[0]).unwrap();
            let transport = pop3_blocking::Transport::plain(stream);
            let server = pop3_blocking::tls::ServerName::parse(HOST).unwrap();
            let client = &tls().client_with_certificate;
            // Whether the handshake comes to its end is a matter of time; a greeting there is not.
            if let Ok(mut transport) = transport.connect_tls(client, &server, crate::peer::long()) {
                let mut room = [0; 512];
                let read = transport.read(&mut room, crate::peer::long());
                assert!(!matches!(read, Ok(pop3_blocking::Input::Octets(_))), "{read:?}");
            }
            crate::fixture::eventually("the panic is counted", || {
                running.statistics().panicked == panicked && running.statistics().open == 0
            });
        }
    }
}
