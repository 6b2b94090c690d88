//! Retrieves all messages with the crate `rust-pop3-client`, and throws them away: HOST PORT plain|tls CA USER.

use std::error::Error;
use std::io;

use rust_pop3_client::{Pop3Connection, Pop3ConnectionFactory};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, tls, ca, user] = &given[..] else { return Err("HOST PORT plain|tls CA USER".into()) };
    let port = port.parse()?;
    if tls == "tls" {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
        retrieve(Pop3ConnectionFactory::with_custom_certs(host, port, roots)?, user)
    } else {
        retrieve(Pop3ConnectionFactory::without_tls(host, port)?, user)
    }
}

fn retrieve(mut connection: impl Pop3Connection, user: &str) -> Result<(), Box<dyn Error>> {
    connection.login(user, "secret")?;
    for number in 1..=connection.stat()?.message_count {
        connection.retrieve(number, &mut io::sink())?;
    }
    Ok(())
}
