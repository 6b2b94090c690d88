//! Sans-IO POP3 (under construction; the essay comes with the state machines).
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::alloc_instead_of_core)]
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

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod body;
mod buffer;
mod codec;
#[cfg(feature = "sasl")]
pub mod sasl;
mod uri;

pub use buffer::{Buffer, Full, Sink};
pub use codec::{Arg, ArgError, MessageNumber, Secret, parse_number};
pub use codec::{Base64, Base64Error, InitialResponse, MechanismName};
pub use uri::{PercentDecoded, PopUrl, PopUrlError, UrlAuth, UrlHost, UrlTls};
