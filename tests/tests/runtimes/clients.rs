//! The clients.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use pop3_tests::peers::corpus::Message;
use pop3_tests::peers::{Certs, Dovecot, TempDir, User};
use pop3_tests::pop3d::Pop3d;
use pop3_tests::programs::example;

use crate::cut::cut_after;
use crate::{PASSWORD, USER, compare, messages};

/// Each client, in each way that it can go.
const WAYS: [(&str, Way); 4] = [
    ("std_loop", Way::Clear),
    ("embedded_client", Way::Clear),
    ("tokio_client", Way::Tls),
    ("tokio_client", Way::Stls),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Clear,
    Tls,
    Stls,
}

fn fetch(name: &str, way: Way, port: u16, authority: &Path, password: &str, to: &TempDir) -> Output {
    let (port, folder) = (port.to_string(), to.join("fetched"));
    let (folder, authority) = (folder.to_str().unwrap(), authority.to_str().unwrap());
    let arguments: &[&str] = match (name, way) {
        ("std_loop", _) => &["fetch", "localhost", &port, USER, folder],
        (_, Way::Clear) => &["localhost", &port, USER, folder],
        (_, Way::Tls) => &["tls", "localhost", &port, authority, USER, folder],
        (_, Way::Stls) => &["stls", "localhost", &port, authority, USER, folder],
    };
    let password = to.file("password", format!("{password}\n"));
    Command::new(example(name)).args(arguments).stdin(File::open(password).unwrap()).output().unwrap()
}

/// The names of what was fetched, in their order.
fn fetched(to: &TempDir) -> Vec<String> {
    let Ok(files) = fs::read_dir(to.join("fetched")) else { return Vec::new() };
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_by_key(|name| name.split('.').next().unwrap().parse::<u32>().unwrap());
    names
}

/// Fetches in each way; nothing is left out, nothing differs, and the server keeps all.
fn fetch_all(plain: u16, implicit: u16, authority: &Path, expected: &[(&str, Vec<u8>)]) {
    for (name, way) in WAYS {
        let dir = TempDir::new("fetch");
        let port = if way == Way::Tls { implicit } else { plain };
        let output = fetch(name, way, port, authority, PASSWORD, &dir);
        assert!(output.status.success(), "{name}, {way:?}: {}", String::from_utf8_lossy(&output.stderr));
        let names: Vec<String> = (1..=expected.len()).map(|number| format!("{number}.eml")).collect();
        assert_eq!(fetched(&dir), names, "{name}, {way:?}");
        for (file, (message, want)) in names.iter().zip(expected) {
            let got = fs::read(dir.join("fetched").join(file)).unwrap();
            compare(&format!("{name}, {way:?}: {message}"), &got, want);
        }
    }
}

fn alice(messages: &[Message]) -> [User<'static>; 1] {
    let messages = messages.iter().map(|message| message.stored.clone()).collect();
    [User { name: USER, password: PASSWORD, messages }]
}

fn serve(certs: &Certs) -> (Pop3d, Vec<(&'static str, Vec<u8>)>) {
    let mail = messages("none");
    let expected = mail.iter().map(|message| (message.name, message.sent_with_separator())).collect();
    (Pop3d::start(certs, &alice(&mail), &[]), expected)
}

#[test]
fn r1939_5_8_r1939_3_8_each_client_fetches_the_corpus_from_pop3d() {
    let certs = Certs::new();
    let (server, expected) = serve(&certs);
    fetch_all(server.plain, server.implicit, &certs.authority_file(), &expected);
    assert_eq!(server.count(USER), expected.len());
}

#[test]
fn r1939_5_8_r1939_3_8_each_client_fetches_the_corpus_from_dovecot() {
    let certs = Certs::new();
    let mail = messages("dovecot");
    let settings = "auth_mechanisms = plain scram-sha-256\n";
    let Some(server) = Dovecot::start(&certs, &alice(&mail), settings) else { return };
    let expected: Vec<_> =
        mail.iter().map(|message| (message.name, Dovecot::sends(&message.stored))).collect();
    fetch_all(server.plain, server.implicit, &certs.authority_file(), &expected);
    assert_eq!(server.count(USER), expected.len());
}

#[test]
fn rp_close_2_a_client_whose_server_vanishes_shows_no_part_for_a_message() {
    let certs = Certs::new();
    let (server, expected) = serve(&certs);
    let whole: usize = expected.iter().map(|(_, message)| message.len()).sum();
    for (name, way) in WAYS {
        let port = if way == Way::Tls { server.implicit } else { server.plain };
        // In the last message, which is more than half of all; and before the first.
        for (octets, begun) in [(whole as u64 - 100_000, true), (20, false)] {
            let dir = TempDir::new("cut");
            let port = cut_after(port, octets);
            let output = fetch(name, way, port, &certs.authority_file(), PASSWORD, &dir);
            assert_eq!(output.status.code(), Some(1), "{name}, {way:?}, {octets}: {output:?}");
            assert!(!output.stderr.is_empty());
            let names = fetched(&dir);
            assert_eq!(names.len() > 5, begun, "{name}, {way:?}: {names:?}");
            for file in names.iter().filter(|file| file.ends_with(".eml")) {
                let at: usize = file.trim_end_matches(".eml").parse().unwrap();
                let (message, want) = &expected[at - 1];
                let got = fs::read(dir.join("fetched").join(file)).unwrap();
                compare(&format!("{name}, {way:?}: {message}"), &got, want);
            }
            let last = format!("{}.eml", expected.len());
            assert!(!names.contains(&last), "{name}, {way:?}: {names:?}");
        }
    }
}

#[test]
fn r1939_4_5_a_wrong_password_is_told_and_ends_a_client() {
    let certs = Certs::new();
    let server = Pop3d::start(&certs, &alice(&messages("none")[..1]), &[]);
    for (name, way) in WAYS {
        let dir = TempDir::new("wrong");
        let port = if way == Way::Tls { server.implicit } else { server.plain };
        let output = fetch(name, way, port, &certs.authority_file(), "wrong", &dir);
        assert_eq!(output.status.code(), Some(1), "{name}, {way:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.to_lowercase().contains("refused"), "{name}, {way:?}: {said}");
        assert!(fetched(&dir).is_empty());
    }
}

#[test]
fn r8314_5_2_a_client_does_not_talk_to_a_server_of_another_authority() {
    let (certs, others) = (Certs::new(), Certs::new());
    let server = Pop3d::start(&certs, &alice(&messages("none")[..1]), &[]);
    for (name, way) in WAYS.into_iter().filter(|(_, way)| *way != Way::Clear) {
        let dir = TempDir::new("others");
        let port = if way == Way::Tls { server.implicit } else { server.plain };
        let output = fetch(name, way, port, &others.authority_file(), PASSWORD, &dir);
        assert_eq!(output.status.code(), Some(1), "{name}, {way:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("InvalidCertificate"));
        assert!(fetched(&dir).is_empty());
    }
}
