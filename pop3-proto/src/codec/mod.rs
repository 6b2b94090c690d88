//! One line at a time.
mod arg;
mod base64;
mod mechanism;
pub(crate) use arg::Digits;
pub use arg::{Arg, ArgError, MessageNumber, Secret, parse_number};
pub use base64::{Base64, Base64Error, InitialResponse};
pub use mechanism::MechanismName;
