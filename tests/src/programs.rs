//! Where the programs `pop3` and `pop3d` of this very build are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::SystemTime;

/// The path of a program of the workspace, `pop3` or `pop3d`.
///
/// It lies beside the folder of the running test. A test run need not have built it, or not since its sources changed:
/// then it is built now, once.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    find(Path::new(name), "--bins")
}

/// The path of a program in `pop3-proto/examples`, as [`program`].
#[must_use]
pub fn example(name: &str) -> PathBuf {
    find(&Path::new("examples").join(name), "--examples")
}

fn find(name: &Path, kind: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let test = std::env::current_exe().unwrap();
    // target/debug/deps/test-0123456789abcdef: programs are one level up.
    let folder = test.ancestors().nth(2).unwrap();
    let path = folder.join(name);
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !is_current(&path) {
        build(folder, kind);
    }
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// Whether the program is there and no file that it was built from is newer.
fn is_current(program: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let (Ok(built), Ok(sources)) = (modified(program), fs::read_to_string(program.with_extension("d")))
    else {
        return false;
    };
    // One rule of make: the program, a colon, its sources, spaces in names escaped.
    let sources = sources.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    sources.split_whitespace().all(|source| {
        modified(Path::new(&source.replace('\0', " "))).unwrap_or(SystemTime::UNIX_EPOCH) <= built
    })
}

fn build(folder: &Path, kind: &str) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // All of the workspace, so that features are what the tests were built with and only the programs are left to do.
    cargo.args(["build", "--locked", "--workspace", kind]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.arg("--target-dir").arg(folder.parent().unwrap());
    let status = cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).status().unwrap();
    assert!(status.success(), "{cargo:?}: {status}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_there_and_no_older_than_their_sources() {
        for name in ["pop3", "pop3d"] {
            assert!(is_current(&program(name)), "{name}");
        }
    }
}
