//! Makes the breaks, one after another, in a copy of the tree: the long job of `.ci/rules`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::root;
use crate::table::{Break, rules};

/// A test that has not ended after so many seconds has not failed.
const SECONDS: &str = "300";

/// What a run of one test came to.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    Passed,
    Failed,
    DoesNotCompile,
    /// It did not end, or was not run at all.
    Nothing,
}

#[test]
#[ignore = "takes an hour: run by .ci/rules"]
fn every_break_is_found() {
    let wanted: Vec<String> =
        std::env::var("RULES").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let rules = rules(&root());
    let is_wanted = |it: &Break| {
        wanted.is_empty() || wanted.iter().any(|word| *word == it.id() || *word == format!("R{}", it.rule))
    };
    let mut breaks: Vec<&Break> =
        rules.iter().flat_map(|rule| &rule.breaks).filter(|it| is_wanted(it)).collect();
    // What is built for one serves the next as far as can be.
    breaks.sort_by_key(|it| (it.suite.0, &it.file, it.rule, it.place));
    assert!(!breaks.is_empty(), "no such break: {wanted:?}");

    let (tree, target) = (root().join("target/rules/tree"), root().join("target/rules/target"));
    copy(&root(), &tree);
    let mut results: BTreeMap<(usize, usize), (&Break, bool)> = BTreeMap::new();
    for group in breaks.chunk_by(|a, b| a.suite.0 == b.suite.0) {
        let names: Vec<&str> = group.iter().map(|it| it.test.as_str()).collect();
        say(&format!("unbroken: {} of suite {}", names.len(), group[0].suite.0));
        let output = test(&tree, &target, &group[0].arguments(), &names);
        for it in group {
            let run = judge(&output, &it.test);
            assert_eq!(run, Run::Passed, "{} without any break:\n{}", it.test, text(&output));
        }
        for it in group {
            let path = tree.join(&it.file);
            let whole = fs::read_to_string(&path).unwrap();
            fs::write(&path, it.apply(&whole).unwrap()).unwrap();
            let output = test(&tree, &target, &it.arguments(), &[&it.test]);
            fs::write(&path, whole).unwrap();
            let run = judge(&output, &it.test);
            say(&format!("{:6} {:9} {}: {}", it.id(), verdict(&run), it.test, it.what));
            if run != Run::Failed {
                say(text(&output));
            }
            results.insert((it.rule, it.place), (it, run == Run::Failed));
        }
    }
    let mut table = String::new();
    for (it, found) in results.values() {
        let found = if *found { "found" } else { "NOT FOUND" };
        table += &format!("\n{:6} {found:9} {:<12} {}", it.id(), it.suite.0, it.test);
    }
    say(&table);
    let broken: BTreeSet<usize> = results.keys().map(|(rule, _)| *rule).collect();
    let found = results.values().filter(|(_, found)| *found).count();
    say(&format!("{} breaks of {} rules, {found} found", results.len(), broken.len()));
    assert_eq!(found, results.len(), "breaks that no test finds");
}

const fn verdict(run: &Run) -> &'static str {
    match run {
        Run::Passed => "NOT FOUND",
        Run::Failed => "found",
        Run::DoesNotCompile => "NO CODE",
        Run::Nothing => "NO END",
    }
}

/// Copies what belongs to the tree, and leaves alone what is equal: its time of change decides what is built anew.
fn copy(from: &Path, to: &Path) {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(from)
        .output()
        .unwrap();
    assert!(listed.status.success(), "git ls-files");
    let names = String::from_utf8(listed.stdout).unwrap();
    let mut there = BTreeSet::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // One that was removed and not committed yet is in the list all the same.
        let Ok(octets) = fs::read(from.join(name)) else { continue };
        let path = to.join(name);
        if fs::read(&path).ok().as_ref() != Some(&octets) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, octets).unwrap();
        }
        there.insert(path);
    }
    remove_others(to, &there);
}

/// Removes what an earlier run has copied and is not in the tree any more.
fn remove_others(folder: &Path, there: &BTreeSet<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            remove_others(&path, there);
        } else if !there.contains(&path) {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Builds and runs tests by name, and returns all that was said; the error is that they could not be built.
fn test(tree: &Path, target: &Path, arguments: &str, names: &[&str]) -> Result<String, String> {
    let cargo = |command: &mut Command, more: &[&str]| {
        command.args(["test", "--locked", "--target-dir"]).arg(target);
        // Quick to build is what counts.
        command.args(["--config", "profile.dev.debug=false"]);
        command.args(["--config", "profile.dev.package.pop3-proto.opt-level=0"]);
        command.args(arguments.split(' ')).args(more).current_dir(tree);
        let output = command.env("CARGO_INCREMENTAL", "1").env_remove("UPDATE_DOCS").output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(text) } else { Err(text) }
    };
    cargo(&mut Command::new("cargo"), &["--no-run"])?;
    let mut timed = Command::new("timeout");
    timed.args(["--kill-after=10", SECONDS, "cargo"]);
    Ok(cargo(&mut timed, &[&["--"], names].concat()).unwrap_or_else(|text| text))
}

/// What the tests of the name `name` came to.
fn judge(output: &Result<String, String>, name: &str) -> Run {
    let Ok(output) = output else { return Run::DoesNotCompile };
    let is_it = |path: &str| path == name || path.ends_with(&format!("::{name}"));
    // The list of failures stands at the end, with nothing between.
    if output.lines().any(|line| line.strip_prefix("    ").is_some_and(is_it)) {
        return Run::Failed;
    }
    let started = output.lines().any(|line| {
        line.strip_prefix("test ").and_then(|rest| rest.split(" ... ").next()).is_some_and(is_it)
    });
    if started && output.contains("test result: ok") { Run::Passed } else { Run::Nothing }
}

fn text(output: &Result<String, String>) -> &str {
    let (Ok(text) | Err(text)) = output;
    text
}

/// Says it where the test runner does not hide it.
fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}
