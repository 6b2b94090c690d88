//! SASL (RFC 4422) in the profile of POP3 (RFC 5034), for both roles.
//!
//! Three parts that know little of each other:
//!
//! - A *mechanism* ([`ClientMechanism`], [`ServerMechanism`]) takes and gives raw messages. It knows neither base64
//!   nor lines. [`MECHANISMS`] lists those that are here, the strongest first, with what each is like; the traits carry
//!   any other: those in which the server speaks first, those that take many steps, and those that must see the server's
//!   signature before they believe its `+OK`.
//! - An *exchange* ([`client::Exchange`], [`server::Exchange`]) runs one mechanism from start to end: it decodes,
//!   holds the order and the [step limit](MAX_STEPS), decides whether an initial response fits into the `AUTH` line,
//!   and stays failed once it failed.
//! - The connection knows the lines: `AUTH`, `+␠`, `*` and which of them may come now.
//!
//! Nonces, channel bindings and answers of a user database come in as arguments: nothing here draws randomness, looks
//! anything up or calls back. Nothing allocates, nothing panics. Messages are written into memory of the caller, who
//! [wipes](wipe) it afterwards: it held passwords. No mechanism has a security layer (R5034-4.20).
//!
//! ```
//! use pop3_proto::sasl::{self, Plain, client, server};
//! use pop3_proto::{Buffer, InitialResponse, MechanismName};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The client: what stands in the AUTH command?
//! let mut scratch = [0; 1024];
//! let mut text = Buffer::new([0; 256]);
//! let mut plain = Plain::new(None, "alice", "wonderland")?;
//! let mut exchange = client::Exchange::new(&mut plain);
//! let first = exchange.start(&mut scratch)?;
//! assert_eq!(first.mechanism, MechanismName::PLAIN);
//! if let Some(raw) = first.initial {
//!     InitialResponse::encode_to(raw, &mut text)?;
//! }
//! assert_eq!(text.unread(), b"AGFsaWNlAHdvbmRlcmxhbmQ=");
//! sasl::wipe(&mut scratch);
//!
//! // The server: who is it?
//! let name = MechanismName::parse(b"plain")?;
//! let initial = InitialResponse::parse(text.unread())?;
//! let mut challenge = Buffer::new([0; 256]);
//! let mut exchange = server::Exchange::start(name, &server::Setup::default()).ok_or("unknown mechanism")?;
//! let accepted = match exchange.initial(Some(initial), &mut scratch, &mut challenge)? {
//!     server::ServerStep::Ask(server::Query::Password { authzid: None, authcid, password }) => {
//!         authcid == "alice" && password.expose() == b"wonderland"
//!     }
//!     _ => false,
//! };
//! sasl::wipe(&mut scratch);
//! let answer = if accepted { server::Answer::Accepted } else { server::Answer::Rejected };
//! assert!(matches!(exchange.answer(answer, &mut challenge)?, server::ServerStep::Done));
//! # Ok(())
//! # }
//! ```

use core::fmt;

use zeroize::Zeroize as _;

use crate::{ArgError, Full};

mod anonymous;
mod bearer;
mod built_in;
pub mod client;
#[cfg(feature = "md5")]
mod cram_md5;
mod external;
mod login;
mod mechanisms;
mod name;
mod oauthbearer;
mod plain;
#[cfg(feature = "saslprep")]
pub mod prep;
#[cfg(feature = "scram")]
pub mod scram;
pub mod server;
#[cfg(test)]
#[cfg(all(feature = "md5", feature = "scram"))]
mod tests;
mod xoauth2;

pub use anonymous::{Anonymous, AnonymousServer};
#[doc(inline)]
pub use client::ClientMechanism;
#[cfg(feature = "md5")]
pub use cram_md5::{CramMd5, CramMd5Server};
pub use external::{External, ExternalServer};
pub use login::{Login, LoginServer};
pub use mechanisms::{MECHANISMS, Mechanism, Proof};
pub use oauthbearer::{OAuthBearer, OAuthBearerServer};
pub use plain::{Plain, PlainServer};
#[cfg(feature = "scram")]
#[doc(inline)]
pub use scram::{Scram, ScramServer};
#[doc(inline)]
pub use server::ServerMechanism;
pub use xoauth2::{XOAuth2, XOAuth2Server};

/// How many messages of the peer one exchange takes before it is given up, in either role.
pub const MAX_STEPS: u8 = 16;

/// How many octets a user name may have in server mechanisms that keep it from one message to a later question. A longer
/// one is [`SaslError::Identity`]: nothing is cut.
pub const MAX_NAME: usize = 255;

/// Overwrites `octets` with zeros in a way the compiler does not leave out.
///
/// For the scratch memory that held the messages of an exchange.
pub fn wipe(octets: &mut [u8]) {
    octets.zeroize();
}

/// Why an exchange cannot go on. It holds nothing of what the peer or the caller wrote.
///
/// All but [`NoRoom`](Self::NoRoom) are final for the exchange, not for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaslError {
    /// The caller's memory is too small. Nothing changed; repeat the call with more.
    NoRoom {
        /// How many octets are needed at least.
        needed: usize,
    },
    /// The caller's credentials do not fit the mechanism.
    Credential {
        /// Which of them.
        part: Part,
        /// What is wrong with it.
        problem: ArgError,
    },
    /// The caller's call does not belong at this place of the exchange.
    OutOfOrder,
    /// Client: the server sent a challenge where the mechanism has nothing to say any more, or a challenge with
    /// contents where an empty one belongs.
    UnexpectedChallenge,
    /// Client: the challenge is not base64 (R5034-4.10).
    UndecodableChallenge,
    /// Client: the server said `+OK` before the mechanism was through. It has not shown that it knows the account;
    /// drop the connection.
    EarlySuccess,
    /// Client: the challenge does not follow the grammar of the mechanism.
    MalformedChallenge,
    /// Client: the server repeats our nonce, or has another one in its place; its answer is for somebody else, or from
    /// somebody who only heard us (R5802-5.2).
    ServerNonce,
    /// Client: the server asks for an iteration count out of bounds. Nothing was computed (R5802-5.4).
    Iterations {
        /// The count; `u32::MAX` stands for all that is more, too.
        count: u32,
        /// The least that is taken.
        min: u32,
        /// The greatest that is taken.
        max: u32,
    },
    /// Client: the server's signature is wrong. It does not know the account; drop the connection (R5802-5.7).
    ServerSignature,
    /// Client: the server says why it refuses (R5802-5.8).
    #[cfg(feature = "scram")]
    Refused(scram::Refusal),
    /// The message asks for an extension that must be known, and is not (R5802-5.5).
    MandatoryExtension,
    /// Something in the message is too long. Nothing of it was used.
    TooLong {
        /// The limit in octets.
        limit: usize,
    },
    /// Server: an initial response to a mechanism in which the server speaks first (R5034-4.8).
    UnexpectedInitialResponse,
    /// Server: the client's message does not follow the grammar of the mechanism.
    Malformed,
    /// Server: a user name in the client's message can be nobody's.
    Identity,
    /// Server: the credentials are not right, or do not allow what was asked for.
    Rejected,
    /// Server: what the client says of channel binding cannot be (R5802-6.3).
    #[cfg(feature = "scram")]
    Binding(scram::BindingError),
    /// The keys do not fit the hash: of another length, with a salt that is too long, or without an iteration count.
    /// A fault of the user database, not of the client.
    Keys,
    /// The peer went on for too many steps.
    TooManySteps {
        /// The limit.
        limit: u8,
    },
}

impl SaslError {
    /// Server: whether this is a problem of the credentials, to be answered by `-ERR [AUTH]`, rather than of the
    /// syntax, to be answered by `-ERR` without a code (RFC 3206, RFC 4422 section 3.6).
    ///
    /// A channel binding that is not this connection's is one too: the client's proof is a proof, but not for us
    /// (R5802-6.3).
    pub const fn rejects_credentials(&self) -> bool {
        #[cfg(feature = "scram")]
        if let Self::Binding(error) = self {
            return matches!(error, scram::BindingError::Downgrade | scram::BindingError::Mismatch);
        }
        matches!(self, Self::Identity | Self::Rejected)
    }
}

impl From<Full> for SaslError {
    fn from(full: Full) -> Self {
        Self::NoRoom { needed: full.needed }
    }
}

impl fmt::Display for SaslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom { needed } => write!(f, "SASL message needs {needed} octets of memory"),
            Self::Credential { part, problem } => write!(f, "{part} cannot be used: {problem}"),
            Self::OutOfOrder => f.write_str("call out of order in a SASL exchange"),
            Self::UnexpectedChallenge => f.write_str("unexpected SASL challenge"),
            Self::UndecodableChallenge => f.write_str("SASL challenge is not base64"),
            Self::EarlySuccess => {
                f.write_str("server reported success before the SASL mechanism was through")
            }
            Self::MalformedChallenge => f.write_str("malformed SASL challenge"),
            Self::ServerNonce => f.write_str("server did not add to the nonce of the client"),
            Self::Iterations { count, min, max } => {
                write!(f, "server asks for {count} iterations, {min} to {max} are taken")
            }
            Self::ServerSignature => f.write_str("signature of the server is wrong"),
            #[cfg(feature = "scram")]
            Self::Refused(refusal) => write!(f, "server reports {refusal}"),
            Self::MandatoryExtension => f.write_str("SASL message needs an unknown extension"),
            Self::TooLong { limit } => write!(f, "part of a SASL message over {limit} octets"),
            Self::UnexpectedInitialResponse => {
                f.write_str("initial response to a mechanism in which the server speaks first")
            }
            Self::Malformed => f.write_str("malformed SASL response"),
            Self::Identity => f.write_str("unusable identity in SASL response"),
            Self::Rejected => f.write_str("credentials rejected"),
            #[cfg(feature = "scram")]
            Self::Binding(problem) => problem.fmt(f),
            Self::Keys => f.write_str("unusable SCRAM keys"),
            Self::TooManySteps { limit } => write!(f, "SASL exchange over {limit} steps"),
        }
    }
}

impl core::error::Error for SaslError {}

/// A part of the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The authorization identity: whom to act as.
    Authzid,
    /// The authentication identity: whose password it is.
    Authcid,
    /// The password.
    Password,
    /// The bearer token.
    Token,
    /// The host name that goes with the token.
    Host,
    /// The port that goes with the token.
    Port,
    /// What an anonymous client says of itself.
    Trace,
    /// The nonce.
    Nonce,
    /// The value for channel binding.
    Binding,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authzid => "authorization identity",
            Self::Authcid => "authentication identity",
            Self::Password => "password",
            Self::Token => "token",
            Self::Host => "host name",
            Self::Port => "port",
            Self::Trace => "trace",
            Self::Nonce => "nonce",
            Self::Binding => "channel binding",
        })
    }
}

/// Client: refuses NUL, which would end the part early, and the empty part, which would mean something else.
fn check(part: Part, text: &str) -> Result<(), SaslError> {
    let problem = match text.as_bytes() {
        [] => ArgError::Empty,
        octets if octets.contains(&0) => ArgError::Forbidden { octet: 0 },
        _ => return Ok(()),
    };
    Err(SaslError::Credential { part, problem })
}

/// Server: the name that `octets` are, if they can be one.
///
/// Control characters are in no name: SASLprep prohibits them (RFC 4013 section 2.3), and a CR or LF could become
/// a line of another protocol behind the user database (PB-S52).
fn identity(octets: &[u8]) -> Result<&str, SaslError> {
    match core::str::from_utf8(octets) {
        Ok(name) if !name.chars().any(char::is_control) => Ok(name),
        _ => Err(SaslError::Identity),
    }
}
