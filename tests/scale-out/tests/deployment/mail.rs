//! What comes out is what was put in.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use pop3_blocking::auth::Identity;
use pop3_blocking::client::{ClientOptions, Connection, Outcome};
use pop3_blocking::store::{MaildirStore, Maildrop as _, OpenContext, Store as _};
use pop3_blocking::tls::ClientTls;
use pop3_tests::peers::corpus::{corpus, huge};
use pop3_tests::peers::{Certs, TempDir};

use crate::client::session;
use crate::haproxy::Haproxy;
use crate::lock::BEHIND;
use crate::postgres::{PASSWORD, mail};
use crate::server::Server;

#[test]
fn r1939_5_6_r1939_7_2_octets_and_unique_ids_of_an_imported_maildir() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice", "bob"]);
    let home = TempDir::new("maildirs");
    let template = home.join("{user}/Maildir");
    let mut expected = BTreeMap::new();
    for user in ["alice", "bob"] {
        let maildir = home.join(user).join("Maildir");
        for part in ["new", "cur", "tmp"] {
            fs::create_dir_all(maildir.join(part)).unwrap();
        }
        let mut sent = Vec::new();
        for (number, message) in corpus().iter().enumerate() {
            fs::write(maildir.join(format!("new/17000{number:05}.M1P{number}.{user}")), &message.stored)
                .unwrap();
            sent.push(message.sent_with_separator());
        }
        // Of many pieces, so that their order matters.
        let large = huge(3 << 20);
        fs::write(maildir.join(format!("new/1800000000.M1P1.{user}")), &large).unwrap();
        sent.push(pop3_tests::peers::corpus::sent(&large));
        let mut ids = Vec::new();
        let store = MaildirStore::new(&template).unwrap();
        let mut listed = store.open(&Identity::new(user), &OpenContext::default()).unwrap();
        let mut note = |octets, unique_id: &[u8]| ids.push((octets, unique_id.to_vec()));
        listed
            .scan(&mut |meta| {
                note(meta.octets, meta.unique_id);
                Ok(())
            })
            .unwrap();
        drop(listed);
        expected.insert(user, (sent, ids));
        for said in ["0 were there already", "0 messages added"] {
            let import = mail.program(&["import", user, "--maildir"]).arg(&template).output().unwrap();
            assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
            let said_so = String::from_utf8(import.stdout).unwrap();
            assert!(said_so.contains(said), "{said_so}");
        }
    }
    assert_eq!(mail.damaged(), 0);

    let certs = Certs::new();
    let (cert, key) = (certs.server_file(), certs.server_key_file());
    let mut options = vec!["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()];
    options.extend(BEHIND);
    let servers = [Server::start(&mail, &options), Server::start(&mail, &options)];
    let addresses = servers.each_ref().map(|server| server.address);
    let Some(haproxy) = Haproxy::start(&addresses, "check-ssl verify none") else { return };
    let tls = ClientTls::builder().ca_pem(&certs.authority).build().unwrap();
    thread::scope(|scope| {
        for (user, (sent, ids)) in &expected {
            let (haproxy, tls) = (&haproxy, &tls);
            scope.spawn(move || {
                let port = haproxy.address.port();
                let connection =
                    Connection::connect_tls("localhost", port, tls, ClientOptions::default()).unwrap();
                let mut session = connection.login(user, PASSWORD).unwrap();
                let listing = session.list().unwrap();
                let unique_ids = session.unique_ids().unwrap();
                assert_eq!(listing.len(), sent.len());
                for ((listed, id), (sent, (octets, unique_id))) in
                    listing.iter().zip(&unique_ids).zip(sent.iter().zip(ids))
                {
                    let received = session.retrieve(listed.number).unwrap().into_vec().unwrap();
                    assert!(received == *sent, "{user} {}: {} octets", listed.number, received.len());
                    assert_eq!((listed.octets, listed.octets), (sent.len() as u64, *octets));
                    assert_eq!(id.unique_id[..], unique_id[..]);
                    session.delete(listed.number).unwrap();
                }
                assert!(matches!(session.quit(), Outcome::Committed));
            });
        }
    });
    for server in &servers {
        // One user each: the busier one was passed over.
        server.logged("mechanism=SCRAM-SHA-256-PLUS user=");
    }
    assert_eq!(mail.unique_ids("alice").len() + mail.unique_ids("bob").len(), 0);
    let pieces: i64 = mail.client().query_one("SELECT count(*) FROM piece", &[]).unwrap().get(0);
    assert_eq!(pieces, 0);
}

#[test]
fn r1939_4_6_mail_that_comes_during_a_session_is_seen_by_the_next() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice"]);
    mail.import("alice", b"\n");
    let server = Server::start(&mail, &[]);
    let mut alice = session(server.address, "alice").unwrap();
    mail.import("alice", b"Subject: second\n\nlater\n");
    assert_eq!(alice.must("STAT"), "+OK 1 2");
    alice.must("DELE 1");
    alice.must("QUIT");
    assert_eq!(session(server.address, "alice").unwrap().must("STAT"), "+OK 1 26");
}

#[test]
fn r1939_7_2_a_unique_id_is_not_given_again_not_even_after_a_backup_was_restored() {
    let Some(mail) = mail() else { return };
    mail.users(&["alice"]);
    let server = Server::start(&mail, &[]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        mail.import("alice", b"Subject: x\n\n");
        let [unique_id] = &mail.unique_ids("alice")[..] else { panic!("one message") };
        assert!(!seen.contains(unique_id), "{unique_id}");
        seen.push(unique_id.clone());
        let mut alice = session(server.address, "alice").unwrap();
        assert_eq!(alice.must("UIDL 1"), format!("+OK 1 {unique_id}"));
        alice.must("DELE 1");
        alice.must("QUIT");
        // As a backup from before would.
        mail.client()
            .batch_execute("ALTER SEQUENCE unique_id RESTART; ALTER SEQUENCE message_id RESTART")
            .unwrap();
    }
    assert_eq!(seen[0][..16], seen[2][..16]);
}
