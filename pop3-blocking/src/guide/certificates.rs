//! Certificates instead of passwords: X.509 client certificates and SASL EXTERNAL (RFC 4422 appendix A).
//!
//! A certificate proves who the client is in the TLS handshake, and no secret ever leaves it. EXTERNAL then says in one
//! line that this is how to log in.
//!
//! # A client without a password
//!
//! [`Credentials::certificate`](crate::client::Credentials::certificate) has no password that could be sent: a server that
//! does not take the certificate gets nothing else.
//!
//! ```
//! # use pop3_blocking::testing::TestServer;
//! use pop3_blocking::client::{ClientOptions, Connection, Credentials};
//! use pop3_blocking::tls::ClientTls;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = TestServer::builder().client_certificates().start()?;
//! # let (host, port, ca) = ("localhost", server.tls_address().port(), server.ca_pem());
//! # let alice = server.client_certificate("alice")?;
//! let tls = ClientTls::builder()
//!     .ca_pem(ca)
//!     .client_certificate_pem(&alice.chain_pem, &alice.key_pem) // or client_certificate_files
//!     .build()?;
//! let connection = Connection::connect_tls(host, port, &tls, ClientOptions::default())?;
//! let session = connection.log_in(&Credentials::certificate()).map_err(|failed| failed.error)?;
//! assert!(session.tls().is_some_and(|tls| tls.client_certificate_shown()));
//! # Ok(())
//! # }
//! ```
//!
//! With the program: `pop3 fetch pops://pop.example.net --client-cert alice.pem --client-key alice.key --require-certificate-login …`.
//!
//! # A server that takes certificates and nothing else
//!
//! ```
//! # use pop3_blocking::client::{ClientOptions, Connection, Credentials};
//! # use pop3_blocking::testing::TestServer;
//! # use pop3_blocking::tls::ClientTls;
//! use pop3_blocking::auth::{AuthError, Authenticator, Identity, LoginContext, Mechanisms};
//! use pop3_blocking::server::{Policy, Server};
//! use pop3_blocking::store::MemoryStore;
//! use pop3_blocking::tls::{ClientCertificates, ServerTls};
//!
//! /// Knows the certificates themselves, in DER.
//! struct Known(Vec<(Vec<u8>, &'static str)>);
//!
//! impl Authenticator for Known {
//!     fn mechanisms(&self) -> Mechanisms {
//!         Mechanisms::EXTERNAL
//!     }
//!
//!     fn password(&self, _: &LoginContext<'_>, _: &str, _: &[u8]) -> Result<Identity, AuthError> {
//!         Err(AuthError::Rejected)
//!     }
//!
//!     fn certificate(&self, _: &LoginContext<'_>, certificate: &[u8]) -> Result<Identity, AuthError> {
//!         let known = self.0.iter().find(|(der, _)| der == certificate);
//!         known.map(|(_, user)| Identity::new(*user)).ok_or(AuthError::Rejected)
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use pop3_blocking::rustls::pki_types::{CertificateDer, pem::PemObject};
//! # let authority = TestServer::start()?;
//! # let (ca, alice) = (authority.ca_pem(), authority.client_certificate("alice")?);
//! # let alice_der = CertificateDer::from_pem_slice(alice.chain_pem.as_bytes())?.to_vec();
//! # let own = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
//! let tls = ServerTls::builder()
//!     .certificate_pem(&chain, &key)
//!     .client_certificates(ClientCertificates::Required)
//!     .client_ca_pem(ca) // whose certificates are looked at in the first place
//!     .build()?;
//! let running = Server::builder(Known(vec![(alice_der, "alice")]), MemoryStore::new())
//!     .listen(([127, 0, 0, 1], 0).into(), Policy::implicit_tls(tls).certificate_only())
//!     .bind()?
//!     .serve()?;
//! # let tls = ClientTls::builder().ca_pem(&chain).client_certificate_pem(&alice.chain_pem, &alice.key_pem).build()?;
//! # let port = running.addresses()[0].port();
//! # let connection = Connection::connect_tls("localhost", port, &tls, ClientOptions::default())?;
//! # assert!(connection.log_in(&Credentials::certificate()).is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! - Whose names are in the certificate tells `tls::CertificateMap` (feature `certificate-names`): the address in it, a DNS
//!   name, or the common name. `pop3d --client-ca CA --client-cert-map …` does the same for the users of a users file.
//! - A server asks for certificates only if some can log in. It does not ask unless told so
//!   ([`ClientCertificates::Never`](crate::tls::ClientCertificates::Never)), because browsers of mail pop up dialogues.
//! - Where certificates can log in there is no resumption: each handshake shows the certificate anew, so one that was revoked
//!   is out at once. Give the lists with [`client_crl_file`](crate::tls::ServerTlsBuilder::client_crl_file).
//! - Under TLS 1.3 a client learns late that its certificate was refused, with the first answer it waits for:
//!   `TransportError::ClientCertificateRefused` tells it from a lost connection.
