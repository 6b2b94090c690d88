//! SCRAM over TLS, with and without channel binding, and what unknown users are shown.

use std::sync::Arc;

use pop3_blocking::auth::{Authenticator, Mechanisms, MemoryUsers};
use pop3_blocking::pop3_proto::Base64;
use pop3_blocking::pop3_proto::sasl::scram::{Binding, Scram};
use pop3_blocking::pop3_proto::sasl::server::ScramHash;
use pop3_blocking::server::{Policy, Running, Server};
use pop3_blocking::tls::ClientTls;

use crate::fixture::{limits, local, mail, tls, users};
use crate::mechanisms::{OPENED, REJECTED, UNAVAILABLE, announced, authenticate, base64, connect, serve};
use crate::peer::{Ending, Peer};

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const PLUS: &str = "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS ";
const ALL: &str = "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN +USER";

/// TLS 1.2 without a session to resume: a resumed one has no binding (R7677-4.1).
fn old() -> ClientTls {
    let mut config = rustls::ClientConfig::clone(tls().client_tls12.config());
    config.resumption = rustls::client::Resumption::disabled();
    ClientTls::from_config(Arc::new(config))
}

fn over_tls() -> Running {
    serve(users(), Policy::implicit_tls(tls().server.clone()))
}

fn log_in(
    peer: &mut Peer,
    hash: ScramHash,
    binding: Binding<'_>,
    user: &str,
    password: &str,
) -> (String, usize) {
    let mut scram = Scram::new(hash, binding, None, user, password, NONCE).unwrap();
    let (reply, challenges) = authenticate(peer, &mut scram);
    (reply, challenges.len())
}

#[test]
fn r5802_2_1_r5034_4_14_r5034_4_19_every_hash_logs_in_with_and_without_binding() {
    let running = over_tls();
    for hash in ScramHash::ALL {
        for bound in [false, true] {
            let mut peer = connect(&running, &tls().client);
            let exporter = peer.tls().tls_exporter().unwrap();
            let binding = if bound { Binding::Exporter(&exporter) } else { Binding::Unsupported };
            // The server's signature is a challenge of its own, before the +OK without data.
            let reply = log_in(&mut peer, hash, binding, "mrose", "secret");
            assert_eq!(reply, (OPENED.to_owned(), 2), "{hash:?} {bound}");
            assert_eq!(peer.ask("QUIT"), "+OK bye");
            let mut peer = connect(&running, &tls().client);
            let exporter = peer.tls().tls_exporter().unwrap();
            let binding = if bound { Binding::Exporter(&exporter) } else { Binding::Unsupported };
            let reply = log_in(&mut peer, hash, binding, "mrose", "wrong");
            assert_eq!(reply, (REJECTED.to_owned(), 1), "{hash:?} {bound}");
        }
    }
}

#[test]
fn r5802_6_1_r7677_4_1_r9266_3_1_binding_is_announced_where_there_is_something_to_bind_to() {
    let tls13 = || Policy::implicit_tls(tls().server.clone());
    for (policy, client, sasl) in [
        (tls13(), &tls().client, format!("{PLUS}{ALL}")),
        // rustls does not tell whether the extended master secret was used.
        (tls13(), &old(), ALL.to_owned()),
        (tls13().tls_server_end_point(), &old(), format!("{PLUS}{ALL}")),
        (tls13().mechanisms(Mechanisms::SCRAM_SHA_256_PLUS), &tls().client, "SCRAM-SHA-256-PLUS".to_owned()),
    ] {
        let running = serve(users(), policy);
        assert_eq!(announced(&mut connect(&running, client)), sasl);
    }
    let running = serve(users(), Policy::cleartext().allow_cleartext_login());
    let mut peer = Peer::greeted(running.addresses()[0]);
    assert_eq!(announced(&mut peer), ALL);
    assert_eq!(peer.ask("AUTH SCRAM-SHA-256-PLUS"), UNAVAILABLE);
    assert_eq!(log_in(&mut peer, ScramHash::Sha256, Binding::NotOffered, "mrose", "secret").0, OPENED);
    // R2595-2.3: not without TLS unless the operator says so.
    let running = serve(users(), Policy::cleartext());
    let mut peer = Peer::greeted(running.addresses()[0]);
    assert_eq!(announced(&mut peer), "");
    assert_eq!(peer.ask("AUTH SCRAM-SHA-256"), "-ERR encryption required");
}

#[test]
fn r5034_3_1_r4616_5_1_r5034_4_20_the_list_changes_with_stls() {
    let running = serve(users(), Policy::stls(tls().server.clone()));
    let mut peer = Peer::greeted(running.addresses()[0]);
    assert_eq!(announced(&mut peer), "");
    for name in ["PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "OAUTHBEARER"] {
        let reply = peer.ask(&format!("AUTH {name}"));
        assert!(["-ERR encryption required", UNAVAILABLE].contains(&reply.as_str()), "{name}: {reply}");
    }
    assert_eq!(peer.ask("STLS"), "+OK begin TLS");
    let mut peer = peer.start_tls(&tls().client);
    assert_eq!(announced(&mut peer), format!("{PLUS}{ALL}"));
    let exporter = peer.tls().tls_exporter().unwrap();
    let reply = log_in(&mut peer, ScramHash::Sha256, Binding::Exporter(&exporter), "mrose", "secret").0;
    assert_eq!(reply, OPENED);
    let lines = peer.ask_list("CAPA").1;
    assert!(lines.iter().any(|line| line.starts_with("SASL ")), "stays after the login: {lines:?}");
    // No mechanism has put a layer of its own around what follows.
    assert_eq!(peer.ask("STAT"), "+OK 3 125");
}

#[test]
fn r5929_4_1_the_certificate_binds_under_tls_1_2_where_that_is_allowed() {
    let policy = Policy::implicit_tls(tls().server.clone()).tls_server_end_point();
    let running = serve(users(), policy);
    let attempt = |client: &ClientTls, spoil: bool| {
        let mut peer = connect(&running, client);
        let mut end_point = peer.tls().tls_server_end_point().unwrap();
        end_point[0] ^= u8::from(spoil);
        let binding = Binding::ServerEndPoint(&end_point);
        let reply = log_in(&mut peer, ScramHash::Sha256, binding, "mrose", "secret").0;
        // It is the same on every connection: it can be used again (only tls-exporter is spent).
        (reply, peer)
    };
    for client in [&tls().client, &old()] {
        let (reply, mut peer) = attempt(client, true);
        assert_eq!(reply, REJECTED);
        let end_point = peer.tls().tls_server_end_point().unwrap();
        let binding = Binding::ServerEndPoint(&end_point);
        assert_eq!(log_in(&mut peer, ScramHash::Sha1, binding, "mrose", "secret").0, OPENED);
        assert_eq!(peer.ask("QUIT"), "+OK bye");
    }
    // Not allowed: a binding that the server does not offer.
    let running = over_tls();
    let mut peer = connect(&running, &tls().client);
    let end_point = peer.tls().tls_server_end_point().unwrap();
    let binding = Binding::ServerEndPoint(&end_point);
    let reply = log_in(&mut peer, ScramHash::Sha256, binding, "mrose", "secret").0;
    assert!(reply.starts_with("-ERR "), "{reply}");
}

#[test]
fn r7677_4_1_a_resumed_session_of_tls_1_2_is_bound_to_nothing() {
    let policy = Policy::implicit_tls(tls().server.clone()).tls_server_end_point();
    let running = serve(users(), policy);
    let client = {
        let mut config = rustls::ClientConfig::clone(tls().client_tls12.config());
        config.resumption = rustls::client::Resumption::in_memory_sessions(8);
        ClientTls::from_config(Arc::new(config))
    };
    for resumed in [false, true] {
        let mut peer = connect(&running, &client);
        assert_eq!(peer.tls().is_resumed(), resumed);
        let sasl = announced(&mut peer);
        assert_eq!(sasl, if resumed { ALL.to_owned() } else { format!("{PLUS}{ALL}") });
        assert_eq!(peer.ask("QUIT"), "+OK bye");
    }
}

#[test]
fn r5802_6_3_r3206_5_1_r27_somebody_in_between_is_a_failed_login() {
    let delay = std::time::Duration::from_millis(150);
    let mut limits = limits();
    limits.failed_login_delay = delay;
    let server = Server::builder(users(), mail()).limits(limits);
    let running =
        server.listen(local(), Policy::implicit_tls(tls().server.clone())).bind().unwrap().serve().unwrap();
    let mut peer = connect(&running, &tls().client);
    // The value of the connection that somebody in between has with the client.
    for binding in [Binding::Exporter(&[7; 32]), Binding::NotOffered, Binding::NotOffered] {
        let began = std::time::Instant::now();
        let reply = log_in(&mut peer, ScramHash::Sha256, binding, "mrose", "secret").0;
        assert_eq!(reply, REJECTED);
        assert!(began.elapsed() >= delay, "{:?}", began.elapsed());
    }
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly), "three are enough");
}

#[test]
fn r5802_6_3_a_client_that_was_shown_no_binding_though_there_is_one_is_refused() {
    let running = over_tls();
    let mut peer = connect(&running, &tls().client);
    // Somebody has taken -PLUS out of the list that this client saw.
    let reply = log_in(&mut peer, ScramHash::Sha256, Binding::NotOffered, "mrose", "secret").0;
    assert_eq!(reply, REJECTED);
    for (name, header) in [
        ("SCRAM-SHA-256", "p=tls-exporter,,"),
        ("SCRAM-SHA-256-PLUS", "n,,"),
        ("SCRAM-SHA-256-PLUS", "y,,"),
        ("SCRAM-SHA-256-PLUS", "p=tls-unique,,"),
    ] {
        let mut peer = connect(&running, &tls().client);
        let first = base64(format!("{header}n=mrose,r={NONCE}"));
        let reply = peer.ask(&format!("AUTH {name} {first}"));
        // The client's program is wrong, not the credentials.
        assert_eq!(reply, "-ERR malformed SASL message", "{name} {header}");
    }
    // Under TLS 1.2 none is announced, and the same client is right.
    let mut peer = connect(&running, &old());
    assert_eq!(log_in(&mut peer, ScramHash::Sha256, Binding::NotOffered, "mrose", "secret").0, OPENED);
}

#[test]
fn r9266_4_1_pb_s27_the_exporter_serves_one_exchange_of_a_connection() {
    let running = over_tls();
    let attempt = |first: &dyn Fn(&mut Peer, &[u8; 32])| {
        let mut peer = connect(&running, &tls().client);
        let exporter = peer.tls().tls_exporter().unwrap();
        first(&mut peer, &exporter);
        assert_eq!(announced(&mut peer), ALL);
        for name in ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512-PLUS"] {
            let message = base64(format!("p=tls-exporter,,n=mrose,r={NONCE}"));
            assert_eq!(peer.ask(&format!("AUTH {name} {message}")), UNAVAILABLE);
        }
        // Who takes the shorter list at its word would be open to whoever sits between.
        let reply = log_in(&mut peer, ScramHash::Sha256, Binding::NotOffered, "mrose", "secret").0;
        assert_eq!(reply, REJECTED);
        assert_eq!(log_in(&mut peer, ScramHash::Sha256, Binding::Unsupported, "mrose", "secret").0, OPENED);
        assert_eq!(peer.ask("QUIT"), "+OK bye");
    };
    attempt(&|peer, exporter| {
        let reply = log_in(peer, ScramHash::Sha256, Binding::Exporter(exporter), "mrose", "wrong").0;
        assert_eq!(reply, REJECTED);
    });
    attempt(&|peer, _| {
        // Even an exchange that comes to nothing has used it.
        assert_eq!(peer.ask("AUTH SCRAM-SHA-512-PLUS"), "+ ");
        assert_eq!(peer.ask("*"), "-ERR authentication cancelled");
    });
    attempt(&|peer, _| {
        assert_eq!(peer.ask("AUTH SCRAM-SHA-512-PLUS ="), "-ERR malformed SASL message");
    });
}

#[test]
fn r25_r9266_4_1_beside_the_certificate_the_exporter_serves_one_exchange_too() {
    let running = serve(users(), Policy::implicit_tls(tls().server.clone()).tls_server_end_point());
    let mut peer = connect(&running, &tls().client);
    let exporter = peer.tls().tls_exporter().unwrap();
    let end_point = peer.tls().tls_server_end_point().unwrap();
    let bound = Binding::Exporter(&exporter);
    assert_eq!(log_in(&mut peer, ScramHash::Sha256, bound, "mrose", "wrong").0, REJECTED);
    // The mechanism is there still, for the other binding alone.
    assert_eq!(announced(&mut peer), format!("{PLUS}{ALL}"));
    assert_ne!(log_in(&mut peer, ScramHash::Sha256, bound, "mrose", "secret").0, OPENED);
    let bound = Binding::ServerEndPoint(&end_point);
    assert_eq!(log_in(&mut peer, ScramHash::Sha256, bound, "mrose", "secret").0, OPENED);
}

/// Salt and count of the server's first message.
fn shown(peer: &mut Peer, user: &str) -> (String, String) {
    let reply = peer.ask(&format!("AUTH SCRAM-SHA-256 {}", base64(format!("n,,n={user},r={NONCE}"))));
    let challenge = Base64::new(reply.strip_prefix("+ ").unwrap().as_bytes()).unwrap();
    let mut raw = vec![0; challenge.decoded_len()];
    let text = String::from_utf8(challenge.decode(&mut raw).unwrap().to_vec()).unwrap();
    assert_eq!(peer.ask("*"), "-ERR authentication cancelled");
    let mut parts = text.split(",s=");
    let nonce = parts.next().unwrap().strip_prefix("r=").unwrap();
    assert!(nonce.starts_with(NONCE) && nonce.len() >= NONCE.len() + 18, "{nonce}");
    let (salt, count) = parts.next().unwrap().split_once(",i=").unwrap();
    (salt.to_owned(), count.to_owned())
}

fn unknown_looks_like_known(running: &Running, known: &str) {
    let mut peer = connect(running, &tls().client);
    let (salt, count) = shown(&mut peer, known);
    let unknown = shown(&mut peer, "nobody");
    assert_eq!((unknown.0.len(), &unknown.1), (salt.len(), &count));
    assert_eq!(shown(&mut connect(running, &tls().client), "nobody"), unknown, "the same at each try");
    assert_ne!(shown(&mut peer, "somebody").0, unknown.0);
    for user in [known, "nobody"] {
        let reply = log_in(&mut peer, ScramHash::Sha256, Binding::Unsupported, user, "wrong");
        assert_eq!(reply, (REJECTED.to_owned(), 1), "{user}");
    }
}

#[test]
fn r5802_5_9_r4422_3_6_pb_s48_an_unknown_user_fails_at_the_proof() {
    unknown_looks_like_known(&over_tls(), "mrose");
}

#[test]
fn r5802_5_9_the_server_makes_decoys_where_the_authenticator_has_none() {
    use pop3_blocking::auth::{AuthError, Identity, LoginContext, ScramKeys};

    struct One(MemoryUsers);
    impl Authenticator for One {
        fn mechanisms(&self) -> Mechanisms {
            Mechanisms::SCRAM
        }
        fn password(&self, _: &LoginContext<'_>, _: &str, _: &[u8]) -> Result<Identity, AuthError> {
            Err(AuthError::Rejected)
        }
        fn scram_keys(
            &self,
            cx: &LoginContext<'_>,
            user: &str,
            hash: ScramHash,
        ) -> Result<ScramKeys, AuthError> {
            if user == "mrose" { self.0.scram_keys(cx, user, hash) } else { Err(AuthError::Rejected) }
        }
    }
    let policy = || Policy::implicit_tls(tls().server.clone());
    unknown_looks_like_known(&serve(One(users()), policy()), "mrose");
    // With a secret that is kept, the same in the next life of the server.
    let salt = |secret: &[u8]| {
        let server = Server::builder(One(users()), mail()).limits(limits()).decoy_secret(secret);
        let running = server.listen(local(), policy()).bind().unwrap().serve().unwrap();
        shown(&mut connect(&running, &tls().client), "nobody").0
    };
    assert_eq!(salt(b"0123456789abcdef"), salt(b"0123456789abcdef"));
    assert_ne!(salt(b"0123456789abcdef"), salt(b"another secret of 26 octets"));
}

#[test]
fn r4422_3_6_r5802_5_10_acting_as_another_and_prepared_names() {
    let running = serve(users(), Policy::implicit_tls(tls().server.clone()));
    let mut peer = connect(&running, &tls().client);
    for (authzid, user, reply) in [
        (Some("kim"), "mrose", REJECTED),
        (Some("mrose"), "kim", REJECTED),
        (Some("mro\u{ad}se"), "mrose", OPENED),
    ] {
        let mut scram =
            Scram::new(ScramHash::Sha256, Binding::Unsupported, authzid, user, "secret", NONCE).unwrap();
        assert_eq!(authenticate(&mut peer, &mut scram).0, reply, "{authzid:?}");
    }
    assert_eq!(peer.ask("QUIT"), "+OK bye");
    // The server computes with the name as it came, and looks for it as it is prepared.
    let mut peer = connect(&running, &tls().client);
    assert_eq!(log_in(&mut peer, ScramHash::Sha256, Binding::Unsupported, "mr\u{ba}se", "secret").0, OPENED);
}

#[cfg(feature = "passwd")]
#[test]
fn a_users_file_serves_scram_from_keys_and_passwords() {
    use pop3_blocking::auth::UsersFile;

    let path = std::env::temp_dir().join(format!("pop3-server-scram-{}", std::process::id()));
    let keys = UsersFile::scram_entry(ScramHash::Sha256, b"secret").unwrap();
    let hash = UsersFile::hash_password(b"secret").unwrap();
    let text = format!("mrose:{keys}\nfred:{{PLAIN}}secret\nkim:{hash}\nalice:{{EXTERNAL}}\n");
    std::fs::write(&path, text).unwrap();
    let file = UsersFile::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let running = serve(file, Policy::implicit_tls(tls().server.clone()));
    let mut peer = connect(&running, &tls().client);
    for (user, works) in
        [("fred", true), ("kim", false), ("alice", false), ("nobody", false), ("mrose", true)]
    {
        let mut peer = connect(&running, &tls().client);
        let reply = log_in(&mut peer, ScramHash::Sha256, Binding::Unsupported, user, "secret").0;
        assert_eq!(reply.starts_with("+OK"), works, "{user}: {reply}");
        assert!(works || reply == REJECTED, "{user}: {reply}");
        if works {
            assert_eq!(peer.ask("QUIT"), "+OK bye");
        }
    }
    for (user, works) in [("fred", true), ("kim", true), ("alice", false), ("mrose", true)] {
        let mut peer = connect(&running, &tls().client);
        assert_eq!(peer.ask(&format!("USER {user}")), "+OK send PASS");
        let reply = peer.ask("PASS secret");
        assert_eq!(reply.starts_with("+OK"), works, "{user}: {reply}");
    }
    assert_eq!(announced(&mut peer), format!("{PLUS}{ALL}"));
}
