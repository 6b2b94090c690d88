//! Testing code that fetches mail.
//!
//! [`TestServer`](crate::testing::TestServer) (feature `testing`) is a real server in the process of the test: TLS,
//! a maildrop, an address on loopback. Three lines start it, and there is nothing to clean up.
//!
//! ```
//! use pop3_blocking::testing::{Fault, TestServer};
//!
//! /// The code under test. Fetches what is there and says how many messages that were.
//! fn fetch_all(server: &TestServer) -> Result<usize, Box<dyn std::error::Error>> {
//!     // Yours takes a URL, a password and a certificate authority:
//!     // server.url(), TestServer::PASSWORD, server.ca_pem() or server.ca_file()?
//!     let mut session = server.login()?;
//!     let listings = session.list()?;
//!     for listing in &listings {
//!         session.retrieve(listing.number)?.into_vec()?;
//!         session.delete(listing.number)?;
//!     }
//!     match session.quit() {
//!         pop3_blocking::client::Outcome::Committed => Ok(listings.len()),
//!         outcome => Err(format!("{outcome:?}").into()),
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TestServer::start()?;
//! server.deliver("Subject: hello\n\nworld\n");
//! assert_eq!(fetch_all(&server)?, 1);
//! assert!(server.messages().is_empty());
//!
//! // What if the connection ends in the middle of a message? It must not count as fetched, and must still be there.
//! server.deliver("Subject: long\n\nworld\n");
//! server.inject(Fault::CutMessage { after: 17 });
//! assert!(fetch_all(&server).is_err());
//! assert_eq!(server.messages().len(), 1);
//!
//! // What if the answer to QUIT is lost? Has the server removed the mail or not? Nobody can tell.
//! server.inject(Fault::LostReply);
//! assert!(fetch_all(&server).is_err());
//! assert!(server.messages().is_empty());
//! assert_eq!(server.pending_faults(), 0, "all that was to go wrong went wrong");
//! # Ok(())
//! # }
//! ```
//!
//! Four questions that code which fetches mail should have tests for:
//!
//! | question | fault |
//! |---|---|
//! | Is the maildrop in use taken for a wrong password? Is somebody asked for a new one? | [`InUse`](crate::testing::Fault::InUse), [`Unavailable`](crate::testing::Fault::Unavailable) |
//! | Is a part of a message taken for the message? | [`CutMessage`](crate::testing::Fault::CutMessage), with a cut at every octet |
//! | Is mail fetched twice, or never, when `QUIT` goes wrong? | [`NotRemoved`](crate::testing::Fault::NotRemoved), [`LostReply`](crate::testing::Fault::LostReply), [`LostQuit`](crate::testing::Fault::LostQuit) |
//! | Does one message that cannot be had keep the others from coming? | [`Gone`](crate::testing::Fault::Gone) |
//!
//! The server answers like any other to tests in other languages: give them
//! [`cleartext_url`](crate::testing::TestServer::cleartext_url), or [`url`](crate::testing::TestServer::url) and
//! [`ca_file`](crate::testing::TestServer::ca_file).
