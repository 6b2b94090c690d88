//! `--srv`: a mail domain, its server, and the name there.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fake::{Act, Fake, Mode, mail};
use crate::home::Home;
use crate::tls::Authority;

/// A name server that knows one record: `_pop3s._tcp` leads to `localhost`.
struct Dns {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Dns {
    fn new(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        // It ends with the process.
        std::thread::spawn(move || {
            let mut room = [0; 512];
            while let Ok((octets, client)) = socket.recv_from(&mut room) {
                count.fetch_add(1, Ordering::Relaxed);
                socket.send_to(&answer(&room[..octets], port), client).unwrap();
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// RFC 1035 section 4, RFC 2782.
fn answer(question: &[u8], port: u16) -> Vec<u8> {
    let name_end = 12 + question[12..].iter().position(|&octet| octet == 0).unwrap() + 1;
    let known = question[12..].starts_with(b"\x06_pop3s");
    let mut answer = question[..2].to_vec();
    answer.extend_from_slice(if known {
        b"\x81\x80\0\x01\0\x01\0\0\0\0"
    } else {
        b"\x81\x83\0\x01\0\0\0\0\0\0"
    });
    answer.extend_from_slice(&question[12..name_end + 4]);
    if known {
        answer.extend_from_slice(b"\xc0\x0c\0\x21\0\x01\0\0\0\x3c\0\x11\0\0\0\0");
        answer.extend_from_slice(&port.to_be_bytes());
        answer.extend_from_slice(b"\x09localhost\0");
    }
    answer
}

#[test]
fn r6186_4_1_r6186_4_2_r8314_5_1_an_address_becomes_a_server_and_a_name_once() {
    let (home, ours) = (Home::new(), Authority::new());
    let ca = home.write("ca", &ours.pem);
    // The host lies outside the domain: its certificate must be for the domain (R6186-6.2).
    let mode = Mode::Implicit(ours.server("example.org"));
    let fake = Fake::start_with(mode, mail(1, 50), &["SASL PLAIN"], |_| Act::Usual);
    let dns = Dns::new(fake.address.port());
    let server = dns.address.to_string();
    let usual =
        ["stat", "pops://alice@example.org", "--srv", "--dns", &server, "--ca", &ca, "--timeout", "10"];
    let stat = || home.run(&[&usual[..], &["--json", "--password-file", "password"]].concat());
    stat().expect(0);
    let tried = fake.said("AUTH PLAIN ");
    // "\0alice@example.org\0wonder land", "\0alice\0wonder land"
    let names =
        ["AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdvbmRlciBsYW5k", "AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k"];
    assert_eq!(tried, names);
    let asked = dns.asked();
    assert!(asked >= 1);
    // What worked is remembered.
    fake.forget_commands();
    stat().expect(0);
    assert_eq!(fake.said("AUTH PLAIN "), names[1..]);
    assert_eq!(dns.asked(), asked);
}

#[test]
fn r6186_6_2_a_foreign_host_with_its_own_name_is_not_believed() {
    let (home, ours) = (Home::new(), Authority::new());
    let ca = home.write("ca", &ours.pem);
    let mode = Mode::Implicit(ours.server("localhost"));
    let fake = Fake::start_with(mode, mail(1, 50), &["SASL PLAIN"], |_| Act::Usual);
    let dns = Dns::new(fake.address.port()).address.to_string();
    let usual = ["stat", "pops://alice@example.org", "--srv", "--dns", &dns, "--ca", &ca, "--timeout", "10"];
    let done = home.run(&[&usual[..], &["--json", "--password-file", "password"]].concat());
    done.expect_error(77, "certificate");
    assert!(fake.said("").is_empty());
}
