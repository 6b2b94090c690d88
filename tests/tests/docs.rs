//! Tables in the docs are printed here; `UPDATE_DOCS=1` rewrites them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

use pop3_proto::Verb;
use pop3_proto::state::{State, success};

/// The table of states: a row a command, a column a state in which some command can succeed.
fn states() -> String {
    let columns: Vec<State> = State::ALL
        .into_iter()
        .filter(|state| Verb::ALL.iter().any(|verb| success(*state, *verb).is_some()))
        .collect();
    let mut table = String::from("//! | |");
    table.extend(columns.iter().map(|state| format!(" {state:?} |")));
    table.push_str("\n//! |---|");
    table.extend(columns.iter().map(|_| "---|"));
    for verb in Verb::ALL {
        let alone = if verb == Verb::Mechanisms { " alone" } else { "" };
        table.push_str(&format!("\n//! | `{verb}`{alone} |"));
        for state in &columns {
            table.push_str(
                &success(*state, verb).map_or_else(|| " |".to_owned(), |next| format!(" {next:?} |")),
            );
        }
    }
    table.push('\n');
    table
}

#[test]
fn the_table_of_states_in_the_docs_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pop3-proto/src/state.rs");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("//! <!-- states: printed by a test -->\n", "//! <!-- end -->\n");
    let start = text.find(begin).unwrap() + begin.len();
    let stop = start + text[start..].find(end).unwrap();
    let table = format!("//!\n{}//!\n", states());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{}{table}{}", &text[..start], &text[stop..])).unwrap();
    } else {
        assert!(text[start..stop] == table, "run with UPDATE_DOCS=1");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The first two cells of each row of the table whose first cells are code, in lines that begin with `comment`.
fn table(text: &str, comment: &str) -> Vec<(String, String)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix(comment)?.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split(" | ").map(|cell| cell.trim_end_matches(" |").to_owned());
        let name = cells.next().unwrap();
        (name.split('`').next().unwrap().to_owned(), cells.next().unwrap())
    })
    .collect()
}

/// The names of the features of a manifest, without `default`.
fn features(manifest: &str) -> Vec<String> {
    let section = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter_map(|line| Some(line.split_once('=')?.0.trim()));
    names.filter(|name| !name.starts_with('#') && *name != "default").map(str::to_owned).collect()
}

#[test]
fn the_tables_of_features_agree() {
    let manifest = read("pop3-proto/Cargo.toml");
    let told = table(&manifest, "# ");
    let names: Vec<String> = told.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, features(&manifest));
    let docs = read("pop3-proto/src/lib.rs");
    let section = docs.split("//! # Features").nth(1).unwrap();
    assert_eq!(table(section, "//! "), told);
}

#[test]
fn pb_k19_every_feature_in_the_code_is_in_the_manifest() {
    fn visit(folder: &Path, features: &[String], seen: &mut usize) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                visit(&path, features, seen);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for name in text.split("feature = \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                    assert!(features.iter().any(|feature| feature == name), "{name} in {}", path.display());
                    *seen += 1;
                }
            }
        }
    }
    for package in ["pop3-proto", "pop3-blocking"] {
        let features = features(&read(&format!("{package}/Cargo.toml")));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(package);
        let mut seen = 0;
        visit(&root.join("src"), &features, &mut seen);
        assert!(seen > 3, "{package}");
    }
}

/// The defaults that the documentation of a struct tells, field by field: `Default 8,192`, `Default 60 s`.
fn told(source: &str, name: &str) -> Vec<(String, u64, bool)> {
    let body = source.split(&format!("pub struct {name} {{")).nth(1).unwrap().split("\n}").next().unwrap();
    let (mut defaults, mut doc) = (Vec::new(), String::new());
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            doc.push_str(text);
        } else if let Some(field) = line.strip_prefix("pub ") {
            let default =
                doc.split("Default ").nth(1).unwrap_or_else(|| panic!("{name}: {field}: no default"));
            let number: String = default.chars().take_while(|c| c.is_ascii_digit() || *c == ',').collect();
            let unit = default[number.len()..].trim_start();
            let number: u64 = number.replace(',', "").parse().unwrap();
            let number = if unit.starts_with("MiB") { number << 20 } else { number };
            let seconds = unit.starts_with("s.") || unit.starts_with("s;") || unit.starts_with("s (");
            defaults.push((field.split(':').next().unwrap().to_owned(), number, seconds));
            doc.clear();
        }
    }
    defaults
}

#[test]
fn the_defaults_in_the_docs_are_those_of_the_code() {
    let source = read("pop3-proto/src/limits.rs");
    for (name, value) in [
        ("ClientLimits", format!("{:?}", pop3_proto::ClientLimits::DEFAULT)),
        ("ServerLimits", format!("{:?}", pop3_proto::ServerLimits::DEFAULT)),
    ] {
        let told = told(&source, name);
        let fields: Vec<String> = told
            .iter()
            .map(|(field, number, seconds)| format!("{field}: {number}{}", if *seconds { "s" } else { "" }))
            .collect();
        assert_eq!(value, format!("{name} {{ {} }}", fields.join(", ")));
    }
}
