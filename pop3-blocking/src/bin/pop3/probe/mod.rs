//! `probe`: looks at how a server behaves, case by case.
//!
//! | file | noun |
//! |---|---|
//! | `case.rs`, `table.rs` | a case and what it can come to; all of them |
//! | `kit.rs`, `facts.rs`, `link.rs`, `authenticate.rs` | what cases work with: manners, what is known, one connection, a login |
//! | `greeting.rs` … `deletion.rs` | the cases, by what they are about |
//! | `hello.rs` | the TLS messages that no TLS library would send |
//! | `outcome.rs` | the tables that are shown |
//!
//! Promises: nothing is removed without `--destructive`; no password goes out without TLS unless the option says so; every
//! wait ends, every size has a bound; what the server says is escaped.

mod authenticate;
mod capabilities;
mod case;
mod closing;
mod commands;
mod deletion;
mod facts;
mod greeting;
mod hello;
mod kit;
mod language;
mod limits;
mod link;
mod listing;
mod login;
mod numbers;
mod outcome;
mod pipelining;
mod replies;
mod retrieval;
mod sasl;
mod stls;
mod table;
mod tls;

use std::time::{Duration, Instant};

use crate::args::Probe;
use crate::exit::{Failure, Kind};
use crate::report::Report;
use case::{Case, Verdict};
use kit::Kit;
use outcome::Tally;

/// A run ends after this, whatever the server does.
const RUN: Duration = Duration::from_secs(60 * 60);
/// So many cases in a row that could not be judged end a run.
const LOST: u32 = 5;

pub(crate) fn run(args: &Probe) -> Result<(), Failure> {
    let report = Report::new(&args.common);
    let cases = selected(&args.only)?;
    if args.list {
        return cases.iter().try_for_each(|case| report.line(&outcome::row(case, report.json)));
    }
    let mut kit = Kit::new(args)?;
    kit.scout()?;
    let (mut tally, mut lost) = (Tally::default(), 0);
    let started = Instant::now();
    for case in cases {
        let verdict = if lost >= LOST {
            Verdict::Error(format!("not tried: {LOST} cases before could not be judged"))
        } else if started.elapsed() > RUN {
            Verdict::Error("not tried: the run has taken an hour".into())
        } else {
            judge(&mut kit, case)
        };
        lost = if matches!(verdict, Verdict::Error(_)) { lost + 1 } else { 0 };
        tally.count(&verdict);
        outcome::lines(case, &verdict, &report)?;
    }
    kit.end();
    outcome::summary(&tally, &kit, &report)?;
    tally.failure().map_or(Ok(()), Err)
}

fn judge(kit: &mut Kit, case: &Case) -> Verdict {
    match case.needs.iter().find_map(|&need| kit.lacks(need)) {
        Some(why) => Verdict::Skip(why),
        None => Verdict::of((case.check)(kit), case.level),
    }
}

/// The cases that are asked for, in the order of the table.
fn selected(only: &[String]) -> Result<Vec<&'static Case>, Failure> {
    for name in only {
        if !table::all().any(|case| is_named(case, name)) {
            return Err(Failure::new(Kind::Usage, format!("no case {name}; --list shows them all")));
        }
    }
    let asked = |case: &&Case| only.is_empty() || only.iter().any(|name| is_named(case, name));
    Ok(table::all().filter(asked).collect())
}

/// A case is named by its id, or by the first word of it, which it shares with others.
fn is_named(case: &Case, name: &str) -> bool {
    case.id == name || case.id.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut seen = BTreeSet::new();
        for case in table::all() {
            assert!(seen.insert(case.id), "{} twice", case.id);
            assert!(
                case.id.bytes().all(|octet| octet.is_ascii_lowercase() || b"-0123456789".contains(&octet))
            );
            assert!(case.id.contains('-') && case.id.len() <= 28, "{}", case.id);
            assert!(case.title.len() <= 80 && case.title.is_ascii(), "{}", case.title);
        }
    }

    #[test]
    fn a_case_is_selected_by_its_name_or_its_group() {
        let count = |name: &str| selected(&[name.to_owned()]).map(|cases| cases.len());
        assert_eq!(count("greeting-form"), Ok(1));
        assert!(count("greeting").is_ok_and(|count| count > 1));
        assert!(count("greet").is_err());
    }
}
