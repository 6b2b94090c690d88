//! The harness for logins, judged by peers alone: every client logs in to Dovecot by every mechanism that both have, and is
//! refused when the secret is wrong. What fails here is the harness, or a peer's version that it does not know.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::time::Duration;

use pop3_tests::peers::corpus::corpus;
use pop3_tests::peers::gsasl::{self, GsaslServer};
use pop3_tests::peers::{
    Account, After, Certs, Client, Dovecot, Mechanism, TempDir, Tls, TokenEndpoint, User,
};

const LIMIT: Duration = Duration::from_secs(120);
const PASSWORD: &str = "s3cret word";

/// The files of a client's certificate and key, which any user may read.
fn identity(dir: &TempDir, certs: &Certs, user: &str) -> (PathBuf, PathBuf) {
    let identity = certs.client(user);
    let file = |end: &str, text: &str| {
        let path = dir.file(format!("{user}.{end}"), text);
        pop3_tests::peers::temp::let_read(&path);
        path
    };
    (file("pem", &identity.certificate), file("key", &identity.key))
}

/// What a client is excused from at Dovecot, though either has the mechanism.
const fn excuse(client: Client, mechanism: Mechanism) -> Option<&'static str> {
    match (client, mechanism) {
        (Client::Curl, Mechanism::UserPass) => Some("takes PLAIN where it is offered"),
        (Client::Mpop, Mechanism::Apop) => Some("takes no time stamp with `=`"),
        _ => None,
    }
}

fn every_client_by(mechanism: Mechanism) {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let messages = vec![corpus().remove(0).stored];
    // The first is whom the anonymous read.
    let users = ["poplib", "curl", "mpop", "fetchmail", "getmail", "gsasl"];
    let users = users.map(|name| User { name, password: PASSWORD, messages: messages.clone() });
    let tokens: Vec<String> = users.iter().map(|user| format!("token-of-{}", user.name)).collect();
    let pairs: Vec<(&str, &str)> =
        tokens.iter().zip(&users).map(|(token, user)| (token.as_str(), user.name)).collect();
    let endpoint = TokenEndpoint::start(&pairs);
    let Some(server) = Dovecot::start_with(&certs, &users, &[mechanism], &endpoint) else { return };
    let dir = TempDir::new("identities");
    let other = identity(&dir, &certs, "mallory");

    let logged = match mechanism {
        Mechanism::UserPass => "PLAIN",
        _ => mechanism.name(),
    };
    for client in Client::ALL {
        if client.limit(mechanism).is_some() || excuse(client, mechanism).is_some() {
            continue;
        }
        let own = identity(&dir, &certs, client.name());
        let token = format!("token-of-{}", client.name());
        let mut account = Account {
            port: server.implicit,
            tls: Tls::Implicit,
            authority: &authority,
            user: client.name(),
            password: if mechanism.has_token() { &token } else { PASSWORD },
            mechanism: Some(mechanism),
            identity: (mechanism == Mechanism::External).then_some((&own.0, &own.1)),
        };
        let Some(fetched) = client.fetch(&account, After::Keep, LIMIT) else { continue };
        assert_eq!(
            fetched.ended.code,
            Some(0),
            "{}: {}\n{}",
            client.name(),
            fetched.ended.output(),
            server.log()
        );
        assert_eq!(fetched.messages.len(), 1, "{}", client.name());
        let line = format!("Login: user=<{}>, method={logged}, ", client.name());
        server.wait_for_log(&line, 1);
        if mechanism == Mechanism::Anonymous {
            continue;
        }
        account.password = "wrong";
        if mechanism == Mechanism::External {
            account.identity = Some((&other.0, &other.1));
            if client == Client::Poplib {
                // It asks for no identity, so it would become the certificate's own.
                account.identity = None;
            }
        }
        let fetched = client.fetch(&account, After::Keep, LIMIT).unwrap();
        assert_ne!(fetched.ended.code, Some(0), "{}: {}", client.name(), fetched.ended.output());
        assert!(!fetched.ended.timed_out && fetched.messages.is_empty(), "{}", client.name());
    }
    if gsasl::limit(mechanism).is_none() {
        let own = identity(&dir, &certs, "gsasl");
        let account = Account {
            port: server.implicit,
            tls: Tls::Implicit,
            authority: &authority,
            user: "gsasl",
            password: PASSWORD,
            mechanism: Some(mechanism),
            identity: (mechanism == Mechanism::External).then_some((&own.0, &own.1)),
        };
        let Some(ended) = gsasl::log_in(&account, "TLSv1_3", LIMIT) else { return };
        assert!(ended.output().contains("\nstat: 1 "), "{}", ended.output());
    }
}

macro_rules! mechanisms {
    ($($test:ident: $mechanism:ident,)*) => {$(
        #[test]
        fn $test() {
            every_client_by(Mechanism::$mechanism);
        }
    )*};
}

mechanisms! {
    dovecot_by_user_and_pass: UserPass,
    dovecot_by_apop: Apop,
    dovecot_by_plain: Plain,
    dovecot_by_login: Login,
    dovecot_by_cram_md5: CramMd5,
    dovecot_by_scram_sha_1: ScramSha1,
    dovecot_by_scram_sha_256: ScramSha256,
    dovecot_by_external: External,
    dovecot_by_oauthbearer: OAuthBearer,
    dovecot_by_xoauth2: XOAuth2,
    dovecot_by_anonymous: Anonymous,
}

// Both ends are GNU SASL over OpenSSL: what this shows is that the two scripts export the same keys.
#[test]
fn gsasl_binds_to_the_channel_in_both_roles() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    for mechanism in [Mechanism::ScramSha1Plus, Mechanism::ScramSha256Plus] {
        for (password, verdict) in [(PASSWORD, "accepted"), ("wrong", "refused: ")] {
            let Some(server) = GsaslServer::start(&certs, mechanism, mechanism.name(), PASSWORD) else {
                return;
            };
            let account = Account {
                port: server.port,
                tls: Tls::Implicit,
                authority: &authority,
                user: "alice",
                password,
                mechanism: Some(mechanism),
                identity: None,
            };
            let ended = gsasl::log_in(&account, "TLSv1_3", LIMIT).unwrap();
            assert_eq!(ended.output().contains("stat: 0 0"), password == PASSWORD, "{}", ended.output());
            assert!(server.verdict().contains(verdict), "{}", ended.output());
        }
    }
}
