//! The table of what was brought over, from whom, to whom, and with what difference.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

/// One cell of the matrix: a peer in one mode.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a record for tests")]
pub struct Row {
    /// The peer.
    pub peer: &'static str,
    /// Its version as it tells it.
    pub version: String,
    /// The transport and what was done.
    pub mode: String,
    /// What was compared, or why it failed.
    pub result: Result<Compared, String>,
}

/// What a comparison covered.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a record for tests")]
pub struct Compared {
    /// Messages.
    pub messages: usize,
    /// Their octets, all of them equal.
    pub octets: usize,
    /// Messages of the corpus that were left out, because the peer is known to change or lose them.
    pub excused: usize,
}

/// The rows in the order they were added.
#[derive(Debug, Default)]
#[must_use]
pub struct Matrix {
    rows: Vec<Row>,
}

impl Matrix {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `check`; a failed assertion in it makes the row red and does not stop the others.
    pub fn check(
        &mut self,
        (peer, version): (&'static str, &str),
        mode: impl Into<String>,
        check: impl FnOnce() -> Compared,
    ) {
        let result = catch_unwind(AssertUnwindSafe(check)).map_err(|payload| {
            let text = payload.downcast_ref::<String>().cloned();
            text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
        });
        self.rows.push(Row { peer, version: version.to_owned(), mode: mode.into(), result });
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds the rows of another table behind these.
    pub fn append(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
    }

    /// Prints the table where the test runner does not hide it, and fails the test if a row is red.
    ///
    /// # Panics
    ///
    /// When one is, with what failed.
    pub fn finish(self, title: &str) {
        let mut out = format!(
            "\n{title}\n{:<16} {:<16} {:<28} {:>8} {:>10} {:>7}  result\n",
            "peer", "version", "mode", "messages", "octets", "excused"
        );
        for row in &self.rows {
            let Row { peer, version, mode, result } = row;
            let compared = result.clone().unwrap_or_default();
            let verdict = if result.is_ok() { "equal" } else { "FAILED" };
            out.push_str(&format!(
                "{peer:<16} {version:<16} {mode:<28} {:>8} {:>10} {:>7}  {verdict}\n",
                compared.messages, compared.octets, compared.excused
            ));
        }
        // The print macros are captured; nobody is left to hear of an error here.
        drop(std::io::stderr().write_all(out.as_bytes()));
        let failed: Vec<String> = self
            .rows
            .iter()
            .filter_map(|row| {
                let error = row.result.as_ref().err()?;
                Some(format!("{} {}: {error}", row.peer, row.mode))
            })
            .collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }
}

/// The first thing that looks like a version in what a command says; `-` if there is none.
#[must_use]
pub fn version(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return "-".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut words = text.split(|c: char| c.is_whitespace() || ";:,()+".contains(c));
    let looks =
        |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()) && word.len() > 2;
    words.find(looks).unwrap_or("-").to_owned()
}
