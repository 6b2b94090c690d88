//! One line at a time: commands, first lines of replies, the lines of listings, base64.
//!
//! Everything here works on one complete line without its CRLF; finding lines is the matter of `line.rs`. What can be
//! constructed can be encoded, and parses back to itself. Encoding is all or nothing. Nothing here allocates or panics.

mod arg;
mod base64;
mod capability;
mod command;
mod language;
mod listing;
mod mechanism;
mod status;
mod verb;

pub(crate) use arg::Digits;
pub use arg::{Arg, ArgError, MessageNumber, Secret, parse_number};
pub use base64::{Base64, Base64Error, InitialResponse};
pub use capability::{Capabilities, Capability, Words};
pub use command::{Command, CommandError};
pub use language::LanguageListing;
pub(crate) use listing::put_line;
pub use listing::{DropListing, ScanListing, UNIQUE_ID_OCTETS, UniqueId, UniqueIdError, UniqueIdListing};
pub use mechanism::MechanismName;
pub use status::{
    CodeKind, FIRST_LINE_OCTETS, ReplyLine, ResponseCode, Status, StatusLine, encode_status,
    encode_status_utf8,
};
pub use verb::{LineKind, ReplyShape, Verb};
