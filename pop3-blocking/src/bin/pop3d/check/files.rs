//! Files and directories: whether they are there, and open to whom they should be.

use std::path::Path;

use rustix::fs::{Access, access};

use super::Report;

/// A file that holds what others must not know.
pub(super) fn secret(path: &Path, report: &mut Report) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(facts) = std::fs::metadata(path) else { return };
    if facts.permissions().mode() & 0o007 != 0 {
        report.warn(format_args!(
            "{} is open to every user of this host: chmod o= {}",
            path.display(),
            path.display()
        ));
    }
}

/// A program that will be run.
pub(super) fn program(path: &Path, option: &str, report: &mut Report) {
    // Without a slash it is looked for in PATH.
    if !path.to_string_lossy().contains('/') {
        return;
    }
    if !path.is_file() {
        report.wrong(format_args!("{option} {}: there is no such program", path.display()));
    } else if access(path, Access::EXEC_OK).is_err() {
        report.wrong(format_args!(
            "{option} {}: it cannot be run by this user: chmod +x, or let the user in",
            path.display()
        ));
    }
}

/// Whether a directory is there and can be used; says so if not.
pub(super) fn directory(path: &Path, what: &str, write: bool, report: &mut Report) -> bool {
    let path_shown = path.display();
    if !path.is_dir() {
        let why = if path.exists() { "is no directory" } else { "is not there, or out of reach" };
        report.wrong(format_args!("{path_shown}, {what}, {why}: make it, or correct --maildir"));
        return false;
    }
    let rights = if write { Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK } else { Access::EXEC_OK };
    if access(path, rights).is_err() {
        let deed = if write { "read and write" } else { "enter" };
        report.wrong(format_args!("{path_shown}, {what}: let the user that pop3d runs as {deed} it"));
        return false;
    }
    true
}
