//! Serve a Maildir over POP3S and fetch it, in one program.
//!
//! Makes a throw-away certificate authority, puts three messages into a Maildir, serves it with implicit TLS on loopback,
//! and fetches and removes the messages with the client, checking every octet. Needs nothing but a temporary directory.

#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use std::error::Error;
use std::path::{Path, PathBuf};

use pop3_blocking::auth::MemoryUsers;
use pop3_blocking::client::{ClientOptions, Connection, Outcome};
use pop3_blocking::server::{Policy, Server};
use pop3_blocking::store::MaildirStore;
use pop3_blocking::tls::{ClientTls, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

const MAIL: [&str; 3] = [
    "From: a@example.net\nTo: alice@example.net\nSubject: one\n\nHello.\n",
    "From: b@example.net\nSubject: dots\n\n.\n..two\n.hidden\nend\n",
    "From: c@example.net\nSubject: no line end at the end\n\nlast line",
];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = Scratch::new()?;

    let (ca, chain, key) = certificates()?;
    println!("made a certificate authority and a certificate for localhost");

    let maildir = directory.0.join("alice/Maildir");
    for folder in ["tmp", "new", "cur"] {
        std::fs::create_dir_all(maildir.join(folder))?;
    }
    for (i, mail) in MAIL.iter().enumerate() {
        std::fs::write(maildir.join(format!("new/170000000{i}.M{i}P1.quickstart")), mail)?;
    }
    println!("delivered {} messages to {}", MAIL.len(), maildir.display());

    let users = MemoryUsers::new().with_user("alice", "wonderland");
    let store = MaildirStore::new(directory.0.join("{user}/Maildir"))?;
    let tls = ServerTls::builder().certificate_pem(&chain, &key).build()?;
    let server = Server::builder(users, store)
        .listen(([127, 0, 0, 1], 0).into(), Policy::implicit_tls(tls))
        .bind()?
        .serve()?;
    let address = server.addresses()[0];
    println!("serving pops://alice@localhost:{}", address.port());

    let tls = ClientTls::builder().ca_pem(&ca).build()?;
    let connection = Connection::connect_tls("localhost", address.port(), &tls, ClientOptions::default())?;
    if let Some(tls) = connection.tls() {
        println!("connected over {} with {}", tls.version(), tls.cipher_suite());
    }
    let mut session = connection.login("alice", "wonderland").map_err(|failed| failed.error)?;
    let totals = session.stat()?;
    println!("logged in: {} messages, {} octets", totals.messages, totals.octets.unwrap_or(0));
    for entry in session.unique_ids()? {
        let octets = session.octets(entry.number)?;
        let mail = session.retrieve(entry.number)?.into_vec()?;
        let unique_id = String::from_utf8_lossy(&entry.unique_id).into_owned();
        let index = entry.number.index();
        if mail.len() as u64 != octets || mail != on_the_wire(MAIL[index]) {
            return Err(format!("message {} came back changed", entry.number).into());
        }
        println!("  message {} ({unique_id}): {octets} octets, all as they should be", entry.number);
        session.delete(entry.number)?;
    }
    match session.quit() {
        Outcome::Committed => println!("QUIT: the server removed what was marked"),
        other => return Err(format!("{other:?}").into()),
    }
    let left = std::fs::read_dir(maildir.join("new"))?.count();
    println!("{left} messages are left in the Maildir");
    server.shutdown();
    server.join();
    if left == 0 { Ok(()) } else { Err("the server said +OK and left mail".into()) }
}

/// LF becomes CRLF, and the last line gets one: a message as POP3 sends it.
fn on_the_wire(mail: &str) -> Vec<u8> {
    let mut wire = mail.replace('\n', "\r\n").into_bytes();
    if !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

/// A certificate authority, a certificate for `localhost` that it signed, and its key, in PEM.
fn certificates() -> Result<(String, String, String), Box<dyn Error>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf =
        CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?.signed_by(&key, &ca)?;
    Ok((ca.pem(), leaf.pem(), key.serialize_pem()))
}

/// A directory that goes when the program does.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("pop3-quickstart-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        if let Err(error) = std::fs::remove_dir_all(path) {
            println!("{}: {error}", path.display());
        }
    }
}
