//! A table of mechanisms, roles and peers: who logs in to whom.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::peers::Mechanism;

/// What is known of one peer and one mechanism.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are no others")]
pub enum Cell {
    /// Logged in with the right secret, was refused with a wrong one.
    Works,
    /// What the peer cannot do, a predicate of it.
    Limit(&'static str),
    /// Why there is nothing to be tried, a sentence.
    Ours(String),
    /// It should work and does not.
    Fails(String),
}

/// Rows are mechanisms, columns peers in one role.
#[derive(Debug, Default)]
#[must_use]
pub struct Table {
    columns: Vec<&'static str>,
    cells: BTreeMap<(usize, usize), Cell>,
}

impl Table {
    /// An empty table.
    pub fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), cells: BTreeMap::new() }
    }

    /// Fills a cell.
    ///
    /// # Panics
    ///
    /// When there is no such column.
    pub fn set(&mut self, mechanism: Mechanism, column: &str, cell: Cell) {
        let row = Mechanism::ALL.iter().position(|&other| other == mechanism).unwrap();
        let column = self.columns.iter().position(|&other| other == column).unwrap();
        self.cells.insert((row, column), cell);
    }

    /// Whether each cell is filled; where a peer is not installed, its are not.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.cells.len() == self.columns.len() * Mechanism::ALL.len()
    }

    /// What fails, a line each.
    #[must_use]
    pub fn failures(&self) -> String {
        let mut out = String::new();
        for (&(row, column), cell) in &self.cells {
            if let Cell::Fails(why) = cell {
                writeln!(out, "{}, {}: {why}", Mechanism::ALL[row].name(), self.columns[column]).unwrap();
            }
        }
        out
    }

    /// The table in Markdown, with what is limited as notes below it.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut notes: Vec<String> = Vec::new();
        let mut note = |text: String| {
            let number = notes.iter().position(|note| *note == text).unwrap_or_else(|| {
                notes.push(text);
                notes.len() - 1
            });
            format!("({})", number + 1)
        };
        let mut rows = vec![
            std::iter::once("mechanism")
                .chain(self.columns.iter().copied())
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        ];
        for (row, mechanism) in Mechanism::ALL.iter().enumerate() {
            let mut line = vec![mechanism.name().to_owned()];
            for column in 0..self.columns.len() {
                line.push(match self.cells.get(&(row, column)) {
                    Some(Cell::Works) => "ok".to_owned(),
                    Some(Cell::Limit(why)) => note(format!("{} {why}.", self.columns[column])),
                    Some(Cell::Ours(why)) => note(format!("{why}.")),
                    Some(Cell::Fails(_)) => "FAILS".to_owned(),
                    None => "?".to_owned(),
                });
            }
            rows.push(line);
        }
        let widths: Vec<usize> = (0..=self.columns.len())
            .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for (i, row) in rows.iter().enumerate() {
            for (text, &width) in row.iter().zip(&widths) {
                write!(out, "| {text:<width$} ").unwrap();
            }
            out.push_str("|\n");
            if i == 0 {
                for width in &widths {
                    write!(out, "|{:-<1$}", "", width + 2).unwrap();
                }
                out.push_str("|\n");
            }
        }
        out.push('\n');
        for (i, note) in notes.iter().enumerate() {
            writeln!(out, "{}. {note}", i + 1).unwrap();
        }
        out
    }

    /// Prints the table where the test runner does not hide it, fails the test if a cell fails, and compares the rest with
    /// the part called `name` of `tests/MECHANISMS.md`, which `UPDATE_DOCS=1` rewrites.
    ///
    /// # Panics
    ///
    /// When a cell fails, or the document says something else.
    pub fn finish(&self, name: &str) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

        let table = self.markdown();
        // The print macros are captured; nobody is left to hear of an error here.
        drop(writeln!(std::io::stderr(), "\n{name}\n\n{table}"));
        let failures = self.failures();
        assert!(failures.is_empty(), "{name}:\n{failures}");
        if !self.is_complete() {
            return; // a peer is missing, which was said
        }
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("MECHANISMS.md");
        let text = fs::read_to_string(&path).unwrap();
        let begin = format!("<!-- {name}: printed by a test -->\n");
        let start = text.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
        let stop = start + text[start..].find("<!-- end -->\n").unwrap();
        let table = format!("\n{table}\n");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, format!("{}{table}{}", &text[..start], &text[stop..])).unwrap();
        } else {
            assert!(text[start..stop] == table, "{name}: run with UPDATE_DOCS=1");
        }
    }
}

/// Runs `check`; a failed assertion in it is what the cell says.
pub fn checked(check: impl FnOnce()) -> Cell {
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(()) => Cell::Works,
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            Cell::Fails(
                text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()))
                    .unwrap_or_default(),
            )
        }
    }
}

/// Does `work` for each mechanism, some of them at a time, and gives the results in the order of [`Mechanism::ALL`].
///
/// # Panics
///
/// When one of them does.
pub fn for_each_mechanism<T: Send>(work: impl Fn(Mechanism) -> T + Sync) -> Vec<(Mechanism, T)> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    loop {
                        let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(&mechanism) = Mechanism::ALL.get(i) else { return done };
                        done.push((i, work(mechanism)));
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(i, result)| (Mechanism::ALL[i], result)).collect()
}
