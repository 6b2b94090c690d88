//! The files of `tests/rules`: each a rule, and the breaks that prove it is held.
//!
//! ```text
//! role: S
//! rule: one sentence
//!
//! break: what is done wrong
//! in: path of a file
//! - text of the file, which stands in it once
//! + text in its place
//! test: SUITE NAME
//! ```

use std::fs;
use std::path::Path;

/// How many rules there are.
pub(crate) const RULES: usize = 41;

/// Where a test lies: a word of our own, the arguments of `cargo test`, and the folder of its source.
pub(crate) const SUITES: [(&str, &str, &str); 10] = [
    ("proto", "-p pop3-proto --all-features --lib", "pop3-proto/src"),
    ("blocking", "-p pop3-blocking --features FEATURES --lib", "pop3-blocking/src"),
    ("server", "-p pop3-blocking --features FEATURES --test server", "pop3-blocking/tests/server"),
    ("client", "-p pop3-blocking --features FEATURES --test client", "pop3-blocking/tests/client"),
    (
        "certificates",
        "-p pop3-blocking --features FEATURES --test wrong_certificates",
        "pop3-blocking/tests/wrong_certificates.rs",
    ),
    ("pop3", "-p pop3-blocking --features cli --test pop3", "pop3-blocking/tests/pop3"),
    ("pop3-bin", "-p pop3-blocking --features cli --bin pop3", "pop3-blocking/src/bin/pop3"),
    ("pop3d-bin", "-p pop3-blocking --features cli --bin pop3d", "pop3-blocking/src/bin/pop3d"),
    ("allocations", "-p pop3-tests --test allocations", "tests/tests/allocations.rs"),
    ("rules", "-p pop3-tests --test rules", "tests/tests/rules"),
];

/// What `FEATURES` stands for: all that the library has, without the programs.
pub(crate) const FEATURES: &str = "passwd,certificate-names,legacy-md5,srv";

pub(crate) struct Rule {
    pub(crate) number: usize,
    /// C client, S server, B both.
    pub(crate) role: String,
    pub(crate) sentence: String,
    pub(crate) breaks: Vec<Break>,
}

/// One way not to keep a rule.
pub(crate) struct Break {
    pub(crate) rule: usize,
    /// Which of its rule, from 1.
    pub(crate) place: usize,
    /// In words.
    pub(crate) what: String,
    pub(crate) file: String,
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) suite: &'static (&'static str, &'static str, &'static str),
    pub(crate) test: String,
}

impl Break {
    /// Its name in a command line.
    pub(crate) fn id(&self) -> String {
        format!("R{}.{}", self.rule, self.place)
    }

    /// The arguments of `cargo test` up to the name of the test.
    pub(crate) fn arguments(&self) -> String {
        self.suite.1.replace("FEATURES", FEATURES)
    }

    /// `text` as it is after the break; the error says how often the old text stands in it.
    pub(crate) fn apply(&self, text: &str) -> Result<String, usize> {
        match text.matches(&self.old).count() {
            1 => Ok(text.replacen(&self.old, &self.new, 1)),
            times => Err(times),
        }
    }
}

/// Reads all rules below `root`, in their order.
pub(crate) fn rules(root: &Path) -> Vec<Rule> {
    (1..=RULES)
        .map(|number| {
            let name = format!("tests/rules/r{number:02}.txt");
            let text = fs::read_to_string(root.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            parse(number, &text).unwrap_or_else(|line| panic!("{name}, line {line}"))
        })
        .collect()
}

/// The error is the number of the line that is wrong.
fn parse(number: usize, text: &str) -> Result<Rule, usize> {
    let mut rule = Rule { number, role: String::new(), sentence: String::new(), breaks: Vec::new() };
    for (line, at) in text.lines().zip(1..) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rule.breaks.last_mut()) {
            ("", _) => {}
            ("role:", None) => rule.role = rest.to_owned(),
            ("rule:", None) => rule.sentence = rest.to_owned(),
            ("break:", _) => {
                let place = rule.breaks.len() + 1;
                rule.breaks.push(Break {
                    rule: number,
                    place,
                    what: rest.to_owned(),
                    file: String::new(),
                    old: String::new(),
                    new: String::new(),
                    suite: &SUITES[0],
                    test: String::new(),
                });
            }
            ("in:", Some(it)) => it.file = rest.to_owned(),
            ("-", Some(it)) => add(&mut it.old, rest),
            ("+", Some(it)) => add(&mut it.new, rest),
            ("test:", Some(it)) => {
                let (suite, test) = rest.split_once(' ').ok_or(at)?;
                it.suite = SUITES.iter().find(|(name, ..)| *name == suite).ok_or(at)?;
                it.test = test.to_owned();
            }
            _ => return Err(at),
        }
    }
    let complete =
        |it: &Break| !it.what.is_empty() && !it.file.is_empty() && it.old != it.new && !it.test.is_empty();
    if !matches!(rule.role.as_str(), "C" | "S" | "B")
        || rule.sentence.is_empty()
        || !rule.breaks.iter().all(complete)
    {
        return Err(text.lines().count());
    }
    Ok(rule)
}

fn add(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}
