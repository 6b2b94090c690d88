//! Tables in the docs are printed here; `UPDATE_DOCS=1` rewrites them.

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
            table.push_str(&success(*state, verb).map_or(" |".to_owned(), |next| format!(" {next:?} |")));
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
