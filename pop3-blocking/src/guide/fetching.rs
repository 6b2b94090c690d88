//! Fetching mail.
//!
//! # In ten lines
//!
//! ```
//! use pop3_blocking::client::{ClientOptions, Connection, Outcome};
//! # use pop3_blocking::testing::TestServer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = TestServer::start()?;
//! # server.deliver("Subject: hello\n\nworld\n");
//! # let (host, port, tls) = ("localhost", server.tls_address().port(), server.client_tls());
//! let connection = Connection::connect_tls(host, port, tls, ClientOptions::default())?;
//! let mut session = connection.login("alice", "wonderland").map_err(|failed| failed.error)?;
//! for listing in session.list()? {
//!     let mail = session.retrieve(listing.number)?.into_vec()?;
//!     println!("{}", String::from_utf8_lossy(&mail));
//!     session.delete(listing.number)?;
//! }
//! let Outcome::Committed = session.quit() else { panic!("what was marked may still be there") };
//! # assert!(server.messages().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! - `tls` is a [`ClientTls`](crate::tls::ClientTls): say whom it trusts, for nobody is trusted unsaid.
//!   `ClientTls::builder().platform_roots()` (feature `platform-verifier`) trusts whom the system trusts.
//! - [`login`](crate::client::Connection::login) takes the strongest way that the server offers. Where there is no TLS it
//!   fails before anything is sent.
//! - Nothing is removed before [`quit`](crate::client::Session::quit), and only
//!   [`Outcome::Committed`](crate::client::Outcome::Committed) says that it is.
//! - Numbers hold for one session. What to know a message by in the next is its unique-id.
//!
//! # Large messages, and many
//!
//! [`into_vec`](crate::client::Message::into_vec) is for small programs: it needs as much memory as the message. A message
//! is a reader, and [`copy_to`](crate::client::Message::copy_to) takes it to any writer in constant memory;
//! [`retrieve_each`](crate::client::Session::retrieve_each) asks for many ahead, so that a thousand small messages cost a
//! dozen round trips and not a thousand.
//!
//! ```
//! # use pop3_blocking::testing::TestServer;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = TestServer::start()?;
//! # (0..100).for_each(|n| server.deliver(format!("Subject: {n}\n\n")));
//! # let mut session = server.login()?;
//! use pop3_blocking::client::Error;
//!
//! let numbers: Vec<_> = session.list()?.into_iter().map(|listing| listing.number).collect();
//! let (mut archive, mut gone) = (Vec::new(), 0); // any `Write`
//! session.retrieve_each(numbers, |_number, message| {
//!     match message {
//!         Ok(message) => { message.copy_to(&mut archive)?; }
//!         Err(_refused) => gone += 1, // one that the server cannot give; the others come all the same
//!     }
//!     Ok::<(), Error>(())
//! })?;
//! # assert_eq!((archive.len(), gone), ((0..100).map(|n| format!("Subject: {n}\r\n\r\n").len()).sum(), 0));
//! # Ok(())
//! # }
//! ```
//!
//! # When it fails
//!
//! [`Error`](crate::client::Error) says what to do next: [`Refused`](crate::client::Error::Refused) is the server's own
//! word, and the session goes on; [`is_temporary`](crate::client::Refused::is_temporary) tells a maildrop that is in use
//! from a wrong password. After any other error the connection is over, and nothing that was marked is removed. Connect
//! again and begin anew.
//!
//! ```
//! # use pop3_blocking::testing::TestServer;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = TestServer::start()?;
//! # server.inject(pop3_blocking::testing::Fault::InUse);
//! use pop3_blocking::client::Error;
//!
//! match server.login() {
//!     Err(Error::Refused(refused)) if refused.is_temporary() => println!("later: {refused}"),
//!     Err(Error::Refused(refused)) => println!("ask for another password: {refused}"),
//!     Err(error) => println!("{error}"),
//!     Ok(_session) => unreachable!("somebody else has the maildrop"),
//! }
//! # Ok(())
//! # }
//! ```
