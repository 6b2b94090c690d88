//! Our server and the clients of a Debian system.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use pop3_blocking::auth::{AuthError, Authenticator, Identity, LoginContext, Mechanisms};
use pop3_blocking::server::{Policy, Server};
use pop3_blocking::store::MemoryStore;
use pop3_blocking::tls::ServerTls;
use pop3_tests::peers::corpus::corpus;
use pop3_tests::peers::process::run;
use pop3_tests::peers::{Account, After, Certs, Client, Mechanism, TempDir, Tls, User, gsasl, require};
use pop3_tests::pop3d::Pop3d;
use pop3_tests::table::{Cell, Table, checked, for_each_mechanism};

use super::{LIMIT, PASSWORD, identity};

const WAYS: [(Tls, &str); 2] = [(Tls::Implicit, "tls"), (Tls::StartTls, "stls")];

/// How a mechanism is tried: the timestamp for `APOP` must come under TLS, so there is none for who uses STLS (R1939-7.11).
fn ways(mechanism: Mechanism) -> impl Iterator<Item = (Tls, &'static str)> {
    WAYS.into_iter().filter(move |&(tls, _)| mechanism != Mechanism::Apop || tls == Tls::Implicit)
}

/// Writes the user's name for a token that begins with `good-`, and a report for every other one.
const TOKEN_CHECK: &str = "#!/bin/sh
read -r token
case $token in
good-*) echo \"${token#good-}\" ;;
*) echo '{\"status\":\"invalid_token\"}'; exit 1 ;;
esac
";

/// The clients by each mechanism, and what came of it.
pub(crate) fn table() -> Table {
    let mut table = Table::new(&["curl", "mpop", "fetchmail", "getmail", "poplib", "GNU SASL"]);
    for (mechanism, cells) in for_each_mechanism(row) {
        for (column, cell) in cells {
            table.set(mechanism, column, cell);
        }
    }
    table
}

/// A server with one mechanism, and all clients that have it.
fn row(mechanism: Mechanism) -> Vec<(&'static str, Cell)> {
    if mechanism == Mechanism::Anonymous {
        return anonymous();
    }
    let mut cells = Vec::new();
    let names = Client::ALL.map(Client::name);
    let certs = Certs::new();
    let authority = certs.authority_file();
    let dir = TempDir::new("mechanism");
    let check = dir.file("token-check", TOKEN_CHECK);
    fs::set_permissions(&check, fs::Permissions::from_mode(0o755)).unwrap();
    let users: Vec<String> = names
        .iter()
        .chain(&["gsasl"])
        .flat_map(|name| WAYS.map(|(_, way)| format!("{name}-{way}")))
        .collect();
    let messages = vec![corpus().remove(0).stored];
    let password = match mechanism {
        // The secret is kept as it is, so it is for nothing else.
        Mechanism::CramMd5 | Mechanism::Apop => &format!("{{SECRET}}{PASSWORD}"),
        _ => PASSWORD,
    };
    let users: Vec<User<'_>> =
        users.iter().map(|name| User { name, password, messages: messages.clone() }).collect();
    let name = if mechanism == Mechanism::UserPass { "USER" } else { mechanism.name() };
    let mut options = vec!["--mechanisms", name];
    match mechanism {
        Mechanism::External => {
            options.extend(["--client-ca", authority.to_str().unwrap(), "--client-cert-map", "cn"]);
        }
        Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
            options.extend(["--token-check", check.to_str().unwrap()]);
        }
        _ if mechanism.binds_channel() => options.push("--bind-to-certificate"),
        _ => {}
    }
    let server = Pop3d::start(&certs, &users, &options);
    let stranger = identity(&dir, &certs, "mallory");

    for client in Client::ALL {
        if let Some(why) = client.limit(mechanism) {
            cells.push((client.name(), Cell::Limit(why)));
            continue;
        }
        if require(if client == Client::Poplib { "python3" } else { client.name() }).is_none() {
            continue;
        }
        let cell = checked(|| {
            for (tls, way) in ways(mechanism).filter(|(tls, _)| client.speaks(*tls)) {
                let user = format!("{}-{way}", client.name());
                let (certificate, key) = identity(&dir, &certs, &user);
                let token = format!("good-{user}");
                let mut account = Account {
                    port: if tls == Tls::Implicit { server.implicit } else { server.plain },
                    tls,
                    authority: &authority,
                    user: &user,
                    password: if mechanism.has_token() { &token } else { PASSWORD },
                    mechanism: Some(mechanism),
                    identity: (mechanism == Mechanism::External).then_some((&certificate, &key)),
                };
                let fetched = client.fetch(&account, After::Keep, LIMIT).unwrap();
                fetched.expect_success();
                assert_eq!(fetched.messages.len(), 1, "{way}");
                server.wait_for_log(&format!("mechanism={name} user=\"{user}\""), 1);

                account.password = "wrong";
                if mechanism == Mechanism::External {
                    account.identity = Some((&stranger.0, &stranger.1));
                }
                let refused = format!(" mechanism={name} failures=1");
                let before = server.log().matches(&refused).count();
                let fetched = client.fetch(&account, After::Keep, LIMIT).unwrap();
                assert_ne!(fetched.ended.code, Some(0), "{way}: {}", fetched.ended.output());
                assert!(!fetched.ended.timed_out && fetched.messages.is_empty(), "{way}");
                // EXTERNAL is not offered to a stranger, so some do not try.
                if mechanism != Mechanism::External {
                    server.wait_for_log(&refused, before + 1);
                }
            }
        });
        cells.push((client.name(), cell));
    }
    if let Some(why) = gsasl::limit(mechanism) {
        cells.push(("GNU SASL", Cell::Limit(why)));
    } else if gsasl::is_installed() {
        cells.push(("GNU SASL", checked(|| by_gsasl(mechanism, &server, &certs, &dir))));
    }
    cells
}

fn by_gsasl(mechanism: Mechanism, server: &Pop3d, certs: &Certs, dir: &TempDir) {
    let authority = certs.authority_file();
    let stranger = identity(dir, certs, "stranger");
    for (tls, way) in WAYS {
        let user = format!("gsasl-{way}");
        let (certificate, key) = identity(dir, certs, &user);
        let mut account = Account {
            port: if tls == Tls::Implicit { server.implicit } else { server.plain },
            tls,
            authority: &authority,
            user: &user,
            password: PASSWORD,
            mechanism: Some(mechanism),
            identity: (mechanism == Mechanism::External).then_some((&certificate, &key)),
        };
        let ended = gsasl::log_in(&account, "TLSv1_3", LIMIT).unwrap();
        assert!(ended.output().contains("stat: 1 "), "{way}: {}", ended.output());
        server.wait_for_log(&format!("mechanism={} user=\"{user}\"", mechanism.name()), 1);

        account.password = "wrong";
        if mechanism == Mechanism::External {
            account.identity = Some((&stranger.0, &stranger.1));
        }
        let ended = gsasl::log_in(&account, "TLSv1_3", LIMIT).unwrap();
        assert!(
            ended.output().contains("error_proto") && !ended.output().contains("stat: "),
            "{way}: {}",
            ended.output()
        );
    }
}

/// A server of the library that lets in everybody who says anything at all of themselves.
struct Guests;

impl Authenticator for Guests {
    fn mechanisms(&self) -> Mechanisms {
        Mechanisms::ANONYMOUS
    }

    fn password(&self, _: &LoginContext<'_>, _: &str, _: &[u8]) -> Result<Identity, AuthError> {
        Err(AuthError::Rejected)
    }

    fn anonymous(&self, _: &LoginContext<'_>, trace: &str) -> Result<Identity, AuthError> {
        if trace == "a trace" { Ok(Identity::new("guests")) } else { Err(AuthError::Rejected) }
    }
}

/// ANONYMOUS, for which `pop3d` has no option.
fn anonymous() -> Vec<(&'static str, Cell)> {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let tls =
        ServerTls::builder().certificate_pem(&certs.server.certificate, &certs.server.key).build().unwrap();
    let store = MemoryStore::new();
    store.add("guests", &*corpus().remove(0).stored);
    let local = ([127, 0, 0, 1], 0).into();
    let server = Server::builder(Guests, store)
        .listen(local, Policy::implicit_tls(tls.clone()).mechanisms(Mechanisms::ANONYMOUS))
        .listen(local, Policy::stls(tls).mechanisms(Mechanisms::ANONYMOUS))
        .bind()
        .unwrap()
        .serve()
        .unwrap();
    let account = |tls: Tls| Account {
        port: server.addresses()[usize::from(tls == Tls::StartTls)].port(),
        tls,
        authority: &authority,
        user: "",
        password: "",
        mechanism: Some(Mechanism::Anonymous),
        identity: None,
    };
    let mut cells = Vec::new();
    for client in Client::ALL {
        if let Some(why) = client.limit(Mechanism::Anonymous) {
            cells.push((client.name(), Cell::Limit(why)));
        } else if require("python3").is_some() {
            let cell = checked(|| {
                for (tls, way) in WAYS {
                    let fetched = client.fetch(&account(tls), After::Keep, LIMIT).unwrap();
                    fetched.expect_success();
                    assert_eq!(fetched.messages.len(), 1, "{way}");
                }
            });
            cells.push((client.name(), cell));
        }
    }
    if gsasl::is_installed() {
        let cell = checked(|| {
            for (tls, way) in WAYS {
                let ended = gsasl::log_in(&account(tls), "TLSv1_3", LIMIT).unwrap();
                assert!(ended.output().contains("stat: 1 "), "{way}: {}", ended.output());
            }
        });
        cells.push(("GNU SASL", cell));
    }
    server.shutdown();
    server.join();
    cells
}

// Behind a challenge that is empty an empty response is an empty line, not "=" (RFC 5034 section 4). Dovecot refuses it, too.
#[test]
fn curl_without_a_name_needs_an_initial_response_for_external() {
    let Some(curl) = require("curl") else { return };
    let certs = Certs::new();
    let authority = certs.authority_file();
    let users = [User { name: "alice", password: PASSWORD, messages: Vec::new() }];
    let server = Pop3d::start(
        &certs,
        &users,
        &["--client-ca", authority.to_str().unwrap(), "--client-cert-map", "cn"],
    );
    let dir = TempDir::new("curl");
    let (certificate, key) = identity(&dir, &certs, "alice");
    let code = |options: &[&str]| {
        let mut command = Command::new(&curl);
        command.args([
            "-q",
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--login-options",
            "AUTH=EXTERNAL",
        ]);
        command.arg("--cacert").arg(&authority).arg("--cert").arg(&certificate).arg("--key").arg(&key);
        run(command.args(options).arg(format!("pop3s://localhost:{}/", server.implicit)), LIMIT, dir.path())
            .code
    };
    assert_eq!(code(&["--sasl-ir"]), Some(0), "{}", server.log());
    server.wait_for_log("mechanism=EXTERNAL user=\"alice\"", 1);
    assert_eq!(code(&[]), Some(67), "{}", server.log());
}
