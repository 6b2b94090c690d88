//! Our server and the clients of a Debian system.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pop3_tests::peers::corpus::corpus;
use pop3_tests::peers::{Account, After, Certs, Client, Mechanism, TempDir, Tls, User, gsasl, require};
use pop3_tests::pop3d::Pop3d;
use pop3_tests::table::{Cell, Table, checked, for_each_mechanism};

use super::{LIMIT, PASSWORD, identity};

const WAYS: [(Tls, &str); 2] = [(Tls::Implicit, "tls"), (Tls::StartTls, "stls")];

/// Writes the user's name for a token that begins with `good-`, and a report for every other one.
const TOKEN_CHECK: &str = "#!/bin/sh
read -r token
case $token in
good-*) echo \"${token#good-}\" ;;
*) echo '{\"status\":\"invalid_token\"}'; exit 1 ;;
esac
";

/// Why there is nothing to be had from `pop3d`.
const fn limit(mechanism: Mechanism) -> Option<&'static str> {
    match mechanism {
        Mechanism::Apop => Some("The server has no APOP"),
        Mechanism::Anonymous => Some("pop3d has no anonymous maildrops; a server of the library can have"),
        _ => None,
    }
}

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
    let mut cells = Vec::new();
    let names = Client::ALL.map(Client::name);
    if let Some(why) = limit(mechanism) {
        return names.into_iter().chain(["GNU SASL"]).map(|name| (name, Cell::Ours(why))).collect();
    }
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
            for (tls, way) in WAYS.into_iter().filter(|(tls, _)| client.speaks(*tls)) {
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
                let fetched = client.fetch(&account, After::Keep, LIMIT).unwrap();
                assert_ne!(fetched.ended.code, Some(0), "{way}: {}", fetched.ended.output());
                assert!(!fetched.ended.timed_out && fetched.messages.is_empty(), "{way}");
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
