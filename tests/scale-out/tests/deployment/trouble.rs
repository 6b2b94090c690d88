//! A database that is not there, is full, or is not what it looks like.

use std::fs;
use std::process::Command;

use pop3_scale_out::{Database, Fault};
use pop3_tests::peers::process::{Service, free_port};
use pop3_tests::peers::{TempDir, require, temp};

use crate::client::{Client, session};
use crate::postgres::{LIMIT, mail};
use crate::server::{Server, wait_for};

#[test]
fn a_session_whose_connection_is_lost_removes_nothing_and_the_server_goes_on() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice"]);
    mail.import("alice", b"Subject: x\n\n");
    let server = Server::start(&mail, &[]);
    // A connection that is idle is used again, and must not be when it is gone.
    session(server.address, "alice").unwrap().must("QUIT");
    let end_all = || {
        let sql = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        mail.client().execute(sql, &[]).unwrap()
    };
    assert!(end_all() > 0);
    let mut alice = session(server.address, "alice").unwrap();
    alice.must("DELE 1");
    end_all();
    // The lock is gone: somebody else may have it, and what was seen may be theirs to remove.
    let mut other = session(server.address, "alice").unwrap();
    assert!(alice.ask("QUIT").unwrap().starts_with("-ERR [SYS/TEMP] "));
    assert_eq!(other.must("STAT"), "+OK 1 14");
    end_all();
    assert!(other.ask("RETR 1").unwrap().starts_with("-ERR [SYS/TEMP] "));
    // Not even where the database is back.
    assert!(other.ask("RETR 1").unwrap().starts_with("-ERR [SYS/"));
    other.must("DELE 1");
    assert!(other.ask("QUIT").unwrap().starts_with("-ERR [SYS/TEMP] "));
    assert_eq!(mail.unique_ids("alice").len(), 1);
}

#[test]
fn connections_to_the_database_are_no_more_than_allowed() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice", "bob"]);
    let server = Server::start(&mail, &["--sessions", "1", "--lookups", "1", "--wait", "0"]);
    let mut alice = session(server.address, "alice").unwrap();
    let refused = session(server.address, "bob").unwrap_err();
    assert!(refused.starts_with("-ERR [SYS/TEMP] "), "{refused}");
    server.logged("none of the 1 database connections became free");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pop3' AND datname = current_database()";
    assert_eq!(mail.client().query_one(open, &[]).unwrap().get::<_, i64>(0), 2);
    alice.must("QUIT");
    session(server.address, "bob").unwrap().must("QUIT");
    assert_eq!(mail.client().query_one(open, &[]).unwrap().get::<_, i64>(0), 2);
}

#[test]
fn wrong_passwords_and_unknown_users_are_the_same() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice"]);
    mail.client().batch_execute("INSERT INTO maildrop (name) VALUES ('nobody')").unwrap();
    let server = Server::start(&mail, &[]);
    let replies: Vec<String> = ["alice", "nobody", "mallory"]
        .into_iter()
        .map(|user| {
            let mut client = Client::connect(server.address).unwrap();
            client.must(&format!("USER {user}"));
            client.ask("PASS looking-glass").unwrap()
        })
        .collect();
    assert!(replies[0].starts_with("-ERR [AUTH] "), "{replies:?}");
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
}

#[test]
fn a_pooler_is_found_out() {
    let Some(mail) = mail() else { return };
    let Some(program) = require("pgbouncer") else { return };
    let folder = mail.socket();
    let name = mail.connection.rsplit_once('=').unwrap().1;
    for (ignored, refusal) in
        [("", "unsupported startup parameter: options"), ("options", "a pooler stands between")]
    {
        let dir = TempDir::new("pgbouncer");
        let port = free_port();
        let config = format!(
            "[databases]\n{name} = host={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\nignore_startup_parameters = {ignored}\n",
            folder.parent().unwrap().display()
        );
        let file = dir.file("pgbouncer.ini", config);
        temp::let_read(&file);
        let mut command = Command::new(if temp::is_root() { "setpriv" } else { "env" });
        if temp::is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        let mut bouncer = Service::start(command.arg(&program).arg(&file), &dir.join("log"));
        let told = || fs::read_to_string(dir.join("log")).unwrap();
        drop(bouncer.wait_for_port(port, LIMIT).unwrap_or_else(|error| panic!("{error}: {}", told())));
        let pooled =
            Database::new(&format!("host=127.0.0.1 port={port} user=postgres dbname={name}"), None).unwrap();
        let fault = pooled.connect().unwrap_err();
        assert!(fault.to_string().contains(refusal), "{fault}");
        assert_eq!(matches!(fault, Fault::Pooled), ignored == "options");
    }
    // It is there for others.
    wait_for("the database", || mail.database.connect().ok());
}
