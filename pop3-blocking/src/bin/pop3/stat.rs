//! `stat`: how many messages and octets.

use pop3_blocking::pop3_proto::DropListing;

use crate::args::Stat;
use crate::connect::{in_session, with_session};
use crate::exit::Failure;
use crate::json::Object;
use crate::report::Report;

pub(crate) fn run(args: &Stat) -> Result<(), Failure> {
    let report = Report::new(&args.common);
    let totals = with_session(&args.common, |session| session.stat().map_err(in_session))?;
    report.line(&if report.json { object(&totals) } else { text(&totals) })
}

fn object(totals: &DropListing) -> String {
    Object::new()
        .number("messages", totals.messages)
        .or_null("octets", totals.octets, Object::number)
        .finish()
}

fn text(totals: &DropListing) -> String {
    let plural = if totals.messages == 1 { "" } else { "s" };
    match totals.octets {
        Some(octets) => format!("{} message{plural}, {octets} octets", totals.messages),
        None => format!("{} message{plural}", totals.messages),
    }
}
