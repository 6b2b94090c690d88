//! Where the program keeps what it must remember.

use std::path::PathBuf;

/// `${XDG_STATE_HOME:-~/.local/state}/pop3`; `None` if nobody says where that is.
pub(crate) fn dir() -> Option<PathBuf> {
    // A relative XDG_STATE_HOME is to be ignored, as its specification says.
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(base.join("pop3"))
}
