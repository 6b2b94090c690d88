//! The lock of a maildrop over a whole server: only its owner frees it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use pop3_blocking::auth::MemoryUsers;
use pop3_blocking::client::{ClientOptions, Connection, Outcome};
use pop3_blocking::pop3_proto::CodeKind;
use pop3_blocking::server::{Policy, Server};
use pop3_blocking::store::MemoryStore;

#[test]
fn pb_s35_quit_in_a_session_that_was_refused_frees_nothing() {
    let store = MemoryStore::new();
    store.add("alice", "A: b\r\n\r\n");
    let server = Server::builder(MemoryUsers::new().with_user("alice", "x"), store.clone())
        .listen(([127, 0, 0, 1], 0).into(), Policy::cleartext().allow_cleartext_login())
        .bind()
        .unwrap()
        .serve()
        .unwrap();
    let port = server.addresses()[0].port();
    let connect = || {
        let mut connection =
            Connection::connect_cleartext("127.0.0.1", port, ClientOptions::default()).unwrap();
        connection.allow_cleartext_login();
        connection
    };
    let owner = connect().login("alice", "x").unwrap();
    for _ in 0..3 {
        let refused = connect().login("alice", "x").unwrap_err();
        assert_eq!(refused.error.refused().and_then(|refused| refused.code), Some(CodeKind::InUse));
        refused.connection.unwrap().quit().unwrap();
        assert!(store.is_locked("alice"));
    }
    assert!(matches!(owner.quit(), Outcome::Committed));
    assert!(matches!(connect().login("alice", "x").unwrap().quit(), Outcome::Committed));
}
