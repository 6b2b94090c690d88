//! How each file of the store is replaced: written under another name, and moved into its place.

use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::calls::{Call, Writing, call};

/// The name under which files are written; one at a time, as the lock is held.
pub(super) const NEW_NAME: &str = "pop3-uidlist.new";

/// Creates a file under [`NEW_NAME`] and has `put` write it and move it into its place. What is left of it after a failure is
/// removed.
pub(super) fn replace(root: &File, put: impl FnOnce(Writing) -> io::Result<()>) -> io::Result<()> {
    match remove(root) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let create = || openat(root, NEW_NAME, flags, Mode::RUSR | Mode::WUSR);
    let file = Writing(File::from(call(Call::Create(NEW_NAME), create)?));
    let put = put(file);
    if put.is_err() {
        if let Err(errno) = remove(root) {
            log::debug!("removing {NEW_NAME}: {errno}"); // the next writer removes it too
        }
    }
    put
}

/// Moves what was written to `name`.
pub(super) fn move_to(root: &File, name: &'static str) -> io::Result<()> {
    Ok(call(Call::Rename(NEW_NAME, name), || renameat(root, NEW_NAME, root, name))?)
}

fn remove(root: &File) -> Result<(), Errno> {
    call(Call::Remove(None, NEW_NAME.as_bytes()), || unlinkat(root, NEW_NAME, AtFlags::empty()))
}
