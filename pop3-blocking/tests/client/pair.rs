//! The client and the server of this library, by every method.

use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use pop3_blocking::auth::{
    AuthError, Authenticator, Identity, LoginContext, Mechanisms, ScramKeys, SharedSecret, TokenError,
    TokenRequest,
};
use pop3_blocking::client::{
    AuthPolicy, ChannelBinding, ClientOptions, Connection, Credentials, Error, Method, Outcome, Strength,
};
use pop3_blocking::pop3_proto::Verb;
use pop3_blocking::pop3_proto::sasl::server::ScramHash;
use pop3_blocking::server::{Limits, Policy, Server};
use pop3_blocking::store::MemoryStore;
use pop3_blocking::tls::{ClientTls, ServerName, ServerTls};
use pop3_blocking::{Deadline, Transport};

use crate::fixture::{HOST, tls};

/// Knows `alice`, whose password is `wonder land`, whose token is `sesame`, and who has the certificate of the tests.
struct Alice;

const PASSWORD: &str = "wonder land";

fn only_alice(user: &str) -> Result<Identity, AuthError> {
    if user == "alice" { Ok(Identity::new(user)) } else { Err(AuthError::Rejected) }
}

impl Authenticator for Alice {
    fn mechanisms(&self) -> Mechanisms {
        Mechanisms::DEFAULT | Mechanisms::LEGACY
    }

    fn password(&self, _: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        if password == PASSWORD.as_bytes() { only_alice(user) } else { Err(AuthError::Rejected) }
    }

    fn certificate(&self, _: &LoginContext<'_>, _: &[u8]) -> Result<Identity, AuthError> {
        only_alice("alice")
    }

    fn scram_keys(&self, _: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        only_alice(user)?;
        Ok(ScramKeys::derive(hash, PASSWORD.as_bytes(), b"salt of the earth", 4096).unwrap())
    }

    fn secret(&self, _: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        only_alice(user).map(|_| SharedSecret::new(PASSWORD))
    }

    fn token(&self, _: &LoginContext<'_>, request: &TokenRequest<'_>) -> Result<Identity, TokenError> {
        if request.token.expose() == b"sesame" {
            Ok(Identity::new("alice"))
        } else {
            Err(TokenError::REJECTED)
        }
    }
}

fn serve(policy: Policy) -> (UnixStream, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let store = MemoryStore::new();
    store.add("alice", "Subject: one\r\n\r\n");
    let mut limits = Limits::default();
    limits.failed_login_delay = Duration::ZERO;
    let server = Server::builder(Alice, store).limits(limits).bind().unwrap();
    let serving = std::thread::spawn(move || {
        server.serve_connection(theirs, &policy);
    });
    (ours, serving)
}

fn log_in(
    server: &ServerTls,
    client: &ClientTls,
    policy: impl FnOnce(Policy) -> Policy,
    credentials: &Credentials,
) -> Result<(), Error> {
    let (stream, serving) = serve(policy(Policy::implicit_tls(server.clone())));
    let name = ServerName::parse(HOST).unwrap();
    let deadline = Deadline::after(Duration::from_secs(20));
    let transport = Transport::plain(stream).connect_tls(client, &name, deadline).unwrap();
    let done = Connection::over(transport, ClientOptions::default())
        .and_then(|connection| connection.log_in(credentials).map_err(|failed| failed.error))
        .map(|mut session| {
            assert_eq!(session.stat().unwrap().messages, 1);
            assert!(matches!(session.quit(), Outcome::Committed));
        });
    serving.join().unwrap();
    done
}

fn all(policy: Policy) -> Policy {
    policy.mechanisms(Mechanisms::DEFAULT | Mechanisms::LEGACY)
}

#[test]
fn r5034_4_19_every_method_logs_in_and_none_with_the_wrong_secret() {
    let tls = tls();
    for &method in Method::ALL {
        let policy = AuthPolicy::new().only([method]);
        let by = |password: &str| match method {
            Method::External => Credentials::certificate(),
            Method::OAuthBearer | Method::XOAuth2 => Credentials::token("alice", password),
            _ => Credentials::password("alice", password),
        };
        let (right, wrong) = match method {
            Method::External => (by(""), Credentials::certificate_as("bob")),
            Method::OAuthBearer | Method::XOAuth2 => (by("sesame"), by("sesam")),
            _ => (by(PASSWORD), by("wonder lane")),
        };
        let done = log_in(&tls.asking, &tls.with_certificate, all, &right.policy(policy.clone()));
        assert!(done.is_ok(), "{method}: {done:?}");
        let done = log_in(&tls.asking, &tls.with_certificate, all, &wrong.policy(policy));
        match (method, &done) {
            (Method::OAuthBearer | Method::XOAuth2, Err(Error::TokenRejected(rejected))) => {
                let report = rejected.report.as_deref().unwrap();
                assert!(report.starts_with(b"{\"status\":"), "{}", report.escape_ascii());
            }
            (_, Err(Error::Refused(_) | Error::ProofRefused(..))) => {}
            _ => panic!("{method}: {done:?}"),
        }
    }
}

#[test]
fn r9266_3_1_r5929_4_1_both_bindings_hold_between_our_two_ends() {
    let tls = tls();
    let bound = AuthPolicy::new().minimum(Strength::ChannelBound);
    let alice = |policy| Credentials::password("alice", PASSWORD).policy(policy);
    log_in(&tls.server, &tls.client, all, &alice(bound.clone())).unwrap();
    let end_point = bound.channel_binding(ChannelBinding::ServerEndPoint);
    let with = |policy: Policy| policy.tls_server_end_point();
    log_in(&tls.server, &tls.client, with, &alice(end_point)).unwrap();
    // A server that offers no binding is told so, and believed.
    let without = |policy: Policy| policy.mechanisms(Mechanisms::SCRAM.without(Mechanisms::PLUS));
    log_in(&tls.server, &tls.client, without, &alice(AuthPolicy::new())).unwrap();
}

#[test]
fn rdm_2_1e_rdm_2_1d_a_server_and_a_client_that_know_certificates_only() {
    let tls = tls();
    let only = |policy: Policy| policy.certificate_only();
    log_in(&tls.asking, &tls.with_certificate, only, &Credentials::certificate()).unwrap();
    log_in(&tls.insisting, &tls.with_certificate, only, &Credentials::certificate_as("alice")).unwrap();
    let done = log_in(&tls.asking, &tls.client, only, &Credentials::password("alice", PASSWORD));
    // It announces nothing at all then, so that USER is tried; the password stays at home.
    let Err(Error::Refused(refused)) = done else { panic!("{done:?}") };
    assert_eq!(refused.verb, Some(Verb::User));
    let done = log_in(&tls.server, &tls.with_certificate, all, &Credentials::certificate());
    assert!(matches!(done, Err(Error::NoMethod(_))), "{done:?}");
}

#[test]
fn r4422_3_6_the_authorization_identity_goes_with_every_mechanism_that_has_one() {
    let tls = tls();
    for method in [Method::ScramSha256Plus, Method::ScramSha1, Method::Plain] {
        for (authzid, right) in [("alice", true), ("bob", false)] {
            let credentials = Credentials::password("alice", PASSWORD).authzid(authzid);
            let done =
                log_in(&tls.server, &tls.client, all, &credentials.policy(AuthPolicy::new().only([method])));
            assert_eq!(done.is_ok(), right, "{method} {authzid}: {done:?}");
        }
    }
}
