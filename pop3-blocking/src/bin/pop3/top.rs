//! `top`: the header and the first lines of a message.

use std::io::{self, IsTerminal, Write};

use pop3_blocking::client::{Error, Session};

use crate::args::Top;
use crate::connect::{in_session, with_session};
use crate::escape::Escaped;
use crate::exit::Failure;
use crate::json::Object;
use crate::report::Report;

pub(crate) fn run(args: &Top) -> Result<(), Failure> {
    let report = Report::new(&args.common);
    if !report.json {
        return with_session(&args.common, |session| show(session, args));
    }
    let octets = with_session(&args.common, |session| {
        let message = session.top(args.number, args.lines).map_err(in_session)?;
        message.into_vec().map_err(in_session)
    })?;
    let line = Object::new()
        .number("number", args.number.get())
        .number("lines", args.lines)
        .number("octets", octets.len() as u64)
        .octets("text", &octets);
    report.line(&line.finish())
}

fn show(session: &mut Session, args: &Top) -> Result<(), Failure> {
    let stdout = io::stdout();
    let mut out: Box<dyn Write> =
        if stdout.is_terminal() { Box::new(Escaped::new(stdout.lock())) } else { Box::new(stdout.lock()) };
    let mut message = session.top(args.number, args.lines).map_err(in_session)?;
    message.copy_to(&mut *out).map_err(|error| match error {
        Error::Caller(error) => Failure::stdout(&error),
        error => in_session(error),
    })?;
    out.flush().map_err(|error| Failure::stdout(&error))
}
