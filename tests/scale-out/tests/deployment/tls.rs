//! A database that is reached under TLS.

use std::path::Path;

use pop3_scale_out::{Database, Fault};
use pop3_tests::peers::certs::Certs;
use pop3_tests::peers::process::free_port;

use crate::client::Client;
use crate::postgres::{Mail, PASSWORD, Postgres, mail};
use crate::relay::Relay;
use crate::server::Server;

/// Nobody comes in over TCP without TLS and a password.
const HBA: &str = "local all all trust\nhostssl all pop3 127.0.0.1/32 scram-sha-256\n";

/// A cluster with certificates, mail in it, and how `pop3` comes to it over TCP, without the host's name.
fn cluster(certs: &Certs) -> Option<(Postgres, Mail, String)> {
    let port = free_port();
    let settings = [
        "fsync=off",
        "listen_addresses=127.0.0.1",
        "hba_file={dir}/hba",
        "ssl=on",
        "ssl_cert_file={dir}/server.pem",
        "ssl_key_file={dir}/server.key",
    ];
    let files = [
        ("hba", HBA),
        ("server.pem", certs.server.certificate.as_str()),
        ("server.key", certs.server.key.as_str()),
    ];
    let cluster = Postgres::start_with(&settings, port, &files)?;
    let mail = cluster.mail();
    let role = format!("CREATE ROLE pop3 LOGIN SUPERUSER PASSWORD '{PASSWORD}'");
    mail.client().batch_execute(&role).unwrap();
    let name = mail.connection.rsplit_once('=').unwrap().1;
    // The key of the password is bound to the connection: nobody between can hand it on.
    let rest = format!(
        "hostaddr=127.0.0.1 port={port} user=pop3 password={PASSWORD} channel_binding=require dbname={name}"
    );
    Some((cluster, mail, rest))
}

#[test]
fn mail_comes_from_a_database_that_is_reached_under_tls() {
    let certs = Certs::new();
    let Some((_cluster, mail, rest)) = cluster(&certs) else { return drop(mail()) }; // which says why
    let authorities = certs.authority_file();
    let connection = format!("host=localhost sslmode=require {rest}");
    let tls = Mail {
        database: Database::new(&connection, Some(&authorities)).unwrap(),
        connection,
        authorities: Some(authorities),
    };
    tls.users(&["alice"]);
    tls.import("alice", b"Subject: under TLS\r\n\r\nfrom end to end\r\n");
    let server = Server::start(&tls, &[]);
    let mut client = Client::connect(server.address).unwrap();
    assert!(client.login("alice").unwrap().starts_with("+OK"));
    assert_eq!(client.must("STAT"), "+OK 1 39");
    let sessions = "SELECT count(*), count(*) FILTER (WHERE ssl AND version LIKE 'TLSv1.%') \
                    FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'pop3'";
    let row = mail.client().query_one(sessions, &[]).unwrap();
    let (all, under_tls): (i64, i64) = (row.get(0), row.get(1));
    assert!(all > 0 && all == under_tls, "{under_tls} of {all}");
    client.must("QUIT");
}

#[test]
fn a_database_with_another_certificate_is_not_believed() {
    let certs = Certs::new();
    let Some((_cluster, _, rest)) = cluster(&certs) else { return drop(mail()) };
    let others = Certs::new();
    let refusal = |host: &str, authorities: &Path| {
        let connection = format!("host={host} sslmode=require {rest}");
        Database::new(&connection, Some(authorities)).unwrap().connect().unwrap_err().to_string()
    };
    let stranger = refusal("localhost", &others.authority_file());
    assert!(stranger.contains("invalid peer certificate"), "{stranger}");
    let name = refusal("db.example.org", &certs.authority_file());
    assert!(name.contains("not valid for") && name.contains("db.example.org"), "{name}");
}

#[test]
fn a_database_without_tls_is_told_nothing() {
    let Some(mail) = mail() else { return };
    let certs = Certs::new();
    let relay = Relay::start(&mail.socket());
    let rest = relay.mail(&mail).connection;
    let required = format!("{rest} sslmode=require");
    let fault = Database::new(&required, Some(&certs.authority_file())).unwrap().connect().unwrap_err();
    assert!(matches!(fault, Fault::Database(_)), "{fault:?}");
    assert!(fault.to_string().contains("server does not support TLS"), "{fault}");
}
