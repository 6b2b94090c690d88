//! A POP3 client: [`Connection`] before login, [`Session`] after it.
//!
//! ```no_run
//! use pop3_blocking::client::{ClientOptions, Connection, Outcome};
//! use pop3_blocking::tls::ClientTls;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let tls = ClientTls::builder().ca_file("ca.pem").build()?;
//!     let connection = Connection::connect_tls("pop.example.net", 995, &tls, ClientOptions::default())?;
//!     let mut session = connection.login("alice", "wonderland").map_err(|failed| failed.error)?;
//!     for listing in session.list()? {
//!         let mail = session.retrieve(listing.number)?.into_vec()?;
//!         println!("message {} has {} octets", listing.number, mail.len());
//!     }
//!     match session.quit() {
//!         Outcome::Committed => Ok(()),
//!         Outcome::Partial(refused) => Err(refused.to_string().into()),
//!         Outcome::Unknown(error) => Err(error.into()),
//!     }
//! }
//! ```
//!
//! [`Connection::login`] takes the strongest way to log in that the server offers. [`Credentials`] say more: a token, a
//! certificate and nothing else, or a policy.
//!
//! ```
//! use pop3_blocking::client::{AuthPolicy, Credentials, Strength};
//!
//! // The password never leaves, and nobody is in between.
//! let bound = AuthPolicy::new().minimum(Strength::ChannelBound);
//! let alice = Credentials::password("alice", "wonderland").policy(bound);
//! // There is no password that could leave.
//! let by_certificate = Credentials::certificate();
//! // session = connection.log_in(&alice)?
//! # let _ = (alice, by_certificate);
//! ```
//!
//! Every wait has an end; every size has a limit ([`ClientOptions`]). A refusal of the server is [`Error::Refused`] with
//! its own words. What was not received whole is never handed out as complete, and nothing counts as deleted before
//! [`Outcome::Committed`].

mod capabilities;
mod connection;
mod credentials;
mod error;
mod exchange;
mod language;
mod link;
mod login;
mod message;
mod method;
mod options;
mod pipeline;
mod policy;
mod session;
mod tunnel;

pub use capabilities::CapabilityList;
pub use connection::Connection;
#[cfg(feature = "srv")]
pub(crate) use connection::tcp;
pub use credentials::Credentials;
pub use error::{Error, Refused, TokenRejected};
pub use language::Language;
pub use login::LoginFailed;
pub use message::Message;
pub use method::{Method, Strength};
pub use options::ClientOptions;
pub use policy::{AuthPolicy, ChannelBinding, Offered, Verdict};
pub use session::{Outcome, Session, UniqueIdEntry};
pub use tunnel::{Proxy, ProxyError, ProxyUrlError};
