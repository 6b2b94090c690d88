//! Logging in by token: Gmail, Office 365, and servers of your own (RFC 7628).
//!
//! Where a provider has switched passwords off, a program gets an access token from it by OAuth 2.0 and shows that. This
//! crate does the showing, by OAUTHBEARER or, where the server knows only that, XOAUTH2. To get the token, and to renew it
//! with the refresh token, is the business of a library for OAuth 2.0 or of a program such as `oauth2l` or `mutt_oauth2.py`.
//!
//! | | host, port 995 | scope of the token |
//! |---|---|---|
//! | Gmail | `pop.gmail.com` | `https://mail.google.com/` |
//! | Office 365 | `outlook.office365.com` | `https://outlook.office.com/POP.AccessAsUser.All`, and `offline_access` for a refresh token |
//!
//! ```
//! # use pop3_blocking::client::ClientOptions;
//! # use pop3_blocking::testing::TestServer;
//! use pop3_blocking::client::{Connection, Credentials, Error};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = TestServer::builder().token("alice@example.net", "ya29.a0Af").start()?;
//! # let (host, port, tls) = ("localhost", server.tls_address().port(), server.client_tls());
//! # let connect = || Connection::connect_tls(host, port, tls, ClientOptions::default());
//! // The user is the whole address.
//! let session = connect()?.log_in(&Credentials::token("alice@example.net", "ya29.a0Af"));
//! assert!(session.is_ok());
//!
//! // An hour later: a new token is wanted, not a new password.
//! match connect()?.log_in(&Credentials::token("alice@example.net", "ya29.old")).map_err(|failed| failed.error) {
//!     Err(Error::TokenRejected(rejected)) => println!("renew it: {:?}", rejected.report),
//!     other => panic!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A token goes to the server that it is for and to no other: it is sent under TLS only, and OAUTHBEARER tells the server
//! which host and port are meant.
//!
//! With the program: `pop3 fetch pops://alice%40example.net@pop.gmail.com --token-command 'oauth2l fetch …' --to …`; the
//! command is run for each login, so that the token is always a fresh one.
//!
//! # A server that takes tokens
//!
//! It is an [`Authenticator`](crate::auth::Authenticator) with [`token`](crate::auth::Authenticator::token), which asks
//! whoever has issued the token, and says whose it is. A refusal may carry a
//! [report](crate::auth::TokenError::Rejected) that tells the client where to get a better one. Name the server as its
//! clients know it, with [`Policy::known_as`](crate::server::Policy::known_as), so that a token meant for another is
//! refused.
