//! The names of tests, read from the source.

use std::fs;
use std::path::Path;

/// The names of all tests in the Rust files at or below `path`, sorted; none if it is not there.
///
/// # Panics
///
/// When a file cannot be read.
#[must_use]
pub fn names_below(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    collect(path, &mut names);
    names.sort();
    names.dedup();
    names
}

fn collect(path: &Path, names: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), names);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let Ok(text) = fs::read_to_string(path) else { return };
        let lines = text.lines().map(str::trim_start);
        // Only what the test runner runs counts.
        let tests = lines.clone().zip(lines.skip(1)).filter(|(before, _)| *before == "#[test]");
        let functions = tests.filter_map(|(_, line)| line.strip_prefix("fn "));
        names.extend(functions.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
    }
}
