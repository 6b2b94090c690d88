//! What is shown: the table of cases, the verdict on each, the totals.

use super::case::{Case, Evidence, Verdict};
use super::kit::Kit;
use crate::escape;
use crate::exit::{Failure, Kind};
use crate::json::Object;
use crate::report::Report;

/// How many cases came to what.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pass: u32,
    fail: u32,
    warn: u32,
    skip: u32,
    error: u32,
}

impl Tally {
    pub(super) const fn count(&mut self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::Pass(_) => &mut self.pass,
            Verdict::Fail(_) => &mut self.fail,
            Verdict::Warn(_) => &mut self.warn,
            Verdict::Skip(_) => &mut self.skip,
            Verdict::Error(_) => &mut self.error,
        };
        *counter = counter.saturating_add(1);
    }

    /// How the run ends, if not well.
    pub(super) fn failure(&self) -> Option<Failure> {
        let cases = |count: u32| if count == 1 { "1 case".to_owned() } else { format!("{count} cases") };
        match (self.fail, self.error) {
            (0, 0) => None,
            (0, errors) => {
                Some(Failure::new(Kind::Connection, format!("{} could not be judged", cases(errors))))
            }
            (failed, _) => Some(Failure::new(Kind::Nonconformance, format!("{} failed", cases(failed)))),
        }
    }
}

/// A case in the table that `--list` shows.
pub(super) fn row(case: &Case, json: bool) -> String {
    let needs: Vec<String> = case.needs.iter().map(|need| need.text()).collect();
    if json {
        return about(case).list("needs", needs.iter().map(String::as_bytes)).finish();
    }
    let needs = if needs.is_empty() { String::new() } else { format!("; needs {}", needs.join(", ")) };
    format!("{:28} {:6} {} [{}]{needs}", case.id, case.level.word(), case.title, case.rows)
}

fn about(case: &Case) -> Object {
    Object::new()
        .string("case", case.id)
        .string("level", case.level.word())
        .list("rows", case.rows.split(' ').map(str::as_bytes))
        .string("title", case.title)
}

/// Shows the verdict on a case.
pub(super) fn lines(case: &Case, verdict: &Verdict, report: &Report) -> Result<(), Failure> {
    if report.json {
        return report.line(&object(case, verdict));
    }
    let (note, evidence) = parts(verdict);
    let note = note.map(|note| format!(" ({})", escape::line(note.as_bytes()))).unwrap_or_default();
    if matches!(verdict, Verdict::Pass(_) | Verdict::Skip(_)) {
        return report.summary(&format!("{:5} {:28} {}{note}", verdict.word(), case.id, case.title));
    }
    report.line(&format!("{:5} {:28} {}{note} [{}]", verdict.word(), case.id, case.title, case.rows))?;
    let Some(evidence) = evidence else { return Ok(()) };
    for (name, text) in [
        ("sent", evidence.sent.escape_ascii().to_string()),
        ("expected", escape::line(evidence.expected.as_bytes())),
        ("seen", seen(evidence)),
    ] {
        report.line(&format!("        {name:8}  {text}"))?;
    }
    Ok(())
}

fn seen(evidence: &Evidence) -> String {
    let octets = evidence.seen.escape_ascii().to_string();
    match (octets.is_empty(), evidence.event.is_empty()) {
        (true, true) => "nothing".to_owned(),
        (false, true) => octets,
        (true, false) => escape::line(evidence.event.as_bytes()),
        (false, false) => format!("{octets} and then {}", escape::line(evidence.event.as_bytes())),
    }
}

/// What is told beside the verdict.
fn parts(verdict: &Verdict) -> (Option<&str>, Option<&Evidence>) {
    match verdict {
        Verdict::Pass(note) => (note.as_deref(), None),
        Verdict::Fail(evidence) | Verdict::Warn(evidence) => (None, Some(&**evidence)),
        Verdict::Skip(why) | Verdict::Error(why) => (Some(why), None),
    }
}

fn object(case: &Case, verdict: &Verdict) -> String {
    let (note, evidence) = parts(verdict);
    about(case)
        .string("verdict", verdict.word())
        .or_null("note", note, Object::string)
        .or_null("sent", evidence.map(|evidence| evidence.sent.as_slice()), Object::octets)
        .or_null("expected", evidence.map(|evidence| evidence.expected.as_str()), Object::string)
        .or_null("seen", evidence.map(|evidence| evidence.seen.as_slice()), Object::octets)
        .or_null("event", evidence.map(|evidence| evidence.event.as_str()), Object::string)
        .finish()
}

pub(super) fn summary(tally: &Tally, kit: &Kit, report: &Report) -> Result<(), Failure> {
    if report.json {
        return report.line(
            &Object::new()
                .number("pass", tally.pass)
                .number("fail", tally.fail)
                .number("warn", tally.warn)
                .number("skip", tally.skip)
                .number("error", tally.error)
                .number("connections", kit.connections)
                .number("logins", kit.logins)
                .number("failed_logins", kit.failed_logins)
                .finish(),
        );
    }
    report.summary(&format!(
        "{} passed, {} failed, {} warnings, {} skipped, {} without a verdict; {} connections, {} logins, {} that failed",
        tally.pass,
        tally.fail,
        tally.warn,
        tally.skip,
        tally.error,
        kit.connections,
        kit.logins,
        kit.failed_logins
    ))
}
