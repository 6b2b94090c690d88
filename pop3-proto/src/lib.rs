//! Sans-IO POP3 (under construction; the essay comes with the state machines).
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::alloc_instead_of_core)]
#![cfg_attr(test, allow(clippy::type_complexity, reason = "tables of cases"))]
#![cfg_attr(
    not(test),
    deny(
        missing_docs,
        clippy::std_instead_of_alloc,
        clippy::std_instead_of_core,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

#[cfg(any(feature = "alloc", test))]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "log")]
macro_rules! debug {
    ($($arg:tt)*) => { log::debug!(target: "pop3_proto", $($arg)*) };
}
#[cfg(feature = "log")]
macro_rules! trace {
    ($($arg:tt)*) => { log::trace!(target: "pop3_proto", $($arg)*) };
}
// The arguments stay in use, so that a build without `log` warns of nothing; the optimiser removes them.
#[cfg(not(feature = "log"))]
macro_rules! debug {
    ($($arg:tt)*) => { { let _ = format_args!($($arg)*); } };
}
#[cfg(not(feature = "log"))]
macro_rules! trace {
    ($($arg:tt)*) => { { let _ = format_args!($($arg)*); } };
}

pub mod body;
mod buffer;
mod client;
mod codec;
mod error;
mod limits;
mod line;
pub mod maildrop;
#[cfg(feature = "sasl")]
pub mod sasl;
pub mod server;
pub mod state;
mod uri;

pub use buffer::{Buffer, Full, Sink};
pub use client::{Client, ClientEvent, CommandId, Received, Reply, Step};
pub use codec::{
    Arg, ArgError, Base64, Base64Error, Capabilities, Capability, CodeKind, Command, CommandError,
    DropListing, FIRST_LINE_OCTETS, InitialResponse, LanguageListing, LineKind, MechanismName, MessageNumber,
    ReplyLine, ReplyShape, ResponseCode, ScanListing, Secret, Status, StatusLine, UNIQUE_ID_OCTETS, UniqueId,
    UniqueIdListing, Verb, Words, encode_status, parse_number,
};
pub use error::{ApiMisuse, Error, PeerMisbehaved, ReplyError, SendError};
pub use limits::{ClientLimits, ClientTolerances, ServerLimits, Timeout, WaitingFor};
pub use uri::{PercentDecoded, PopUrl, PopUrlError, UrlAuth, UrlHost, UrlTls};
