//! Nothing is said to a server whose certificate is not trusted.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use pop3_blocking::client::{ClientOptions, Connection, Error};
use pop3_blocking::tls::ClientTls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A certification authority in PEM, and a server's configuration with a certificate of it for `localhost`.
fn authority() -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(pop3_blocking::tls::provider().unwrap().clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    (pem, Arc::new(config))
}

/// Serves one connection: greets, answers every line `-ERR`, and returns all lines that came in through TLS.
fn listen(config: Arc<ServerConfig>) -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind(("localhost", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        let (mut seen, mut room) = (Vec::new(), [0u8; 512]);
        if tls.write_all(b"+OK ready\r\n").is_ok() {
            while let Ok(octets @ 1..) = tls.read(&mut room) {
                seen.extend_from_slice(&room[..octets]);
                if tls.write_all(b"-ERR no\r\n").is_err() {
                    break;
                }
            }
        }
        String::from_utf8(seen).unwrap()
    });
    (port, server)
}

#[test]
fn r5034_4_18_no_password_goes_to_a_server_that_is_not_trusted() {
    let (good, config) = authority();
    let (other, _) = authority();
    for (trusted, pem) in [(false, &other), (true, &good)] {
        let (port, server) = listen(Arc::clone(&config));
        let tls = ClientTls::builder().ca_pem(pem).build().unwrap();
        let said = Connection::connect_tls("localhost", port, &tls, ClientOptions::default())
            .and_then(|connection| connection.login("alice", "canary").map_err(|failed| failed.error));
        match said {
            Err(Error::Transport(_)) if !trusted => {}
            Err(Error::Refused(_)) if trusted => {}
            other => panic!("{other:?}"),
        }
        let seen = server.join().unwrap();
        assert_eq!(seen, if trusted { "CAPA\r\nUSER alice\r\n" } else { "" });
    }
}
