//! Private parsers as plain functions, for the targets in `fuzz/`. No part of the API: it changes without notice.

use crate::auth::{UsersFile, UsersFileError};

pub use crate::discovery::fuzzing::{Answer, dns_answer, dns_question};
pub use crate::server::proxy::fuzzing::{ProxyHeader, proxy_header};
pub use crate::store::maildir::fuzzing::{
    Cache, UidLine, UidList, WroteUidList, arrival, base_of, cache_beginning, maildir_of, previous_ids,
    read_cache, read_uid_list, write_uid_list,
};
pub use crate::tls::fuzzing::{Parts, certificate_parts};

/// The users of a text.
///
/// # Errors
///
/// As for [`UsersFile::load`].
pub fn users_file(text: &[u8]) -> Result<UsersFile, UsersFileError> {
    UsersFile::of_text(text)
}
