//! One line at a time.
mod arg;
pub(crate) use arg::Digits;
pub use arg::{Arg, ArgError, MessageNumber, Secret, parse_number};
