//! `pop3`: fetches mail from a POP3 server into a Maildir, an mbox or a pipe, and looks at maildrops.
//!
//! | file | noun |
//! |---|---|
//! | `args.rs`, `help.rs` | what stands on the command line, and what `--help` says |
//! | `config.rs`, `netrc.rs` | accounts and passwords that are kept in files |
//! | `account.rs`, `password.rs`, `connect.rs`, `srv.rs` | whose maildrop, how to prove it, the way there |
//! | `fetch.rs`, `run.rs`, `attempt.rs` | `fetch`: all accounts, a run of one, one connection of it |
//! | `workers.rs`, `watch.rs` | several accounts at once; when one is looked at again |
//! | `plan.rs`, `record.rs`, `target.rs` | what to do with each message, what became of it, where it goes |
//! | `filter.rs`, `header.rs`, `encoded_word.rs`, `date.rs` | which messages are wanted, and what tells it |
//! | `list.rs`, `capa.rs`, `stat.rs`, `top.rs` | the other commands |
//! | `probe/` | `probe`: the cases, and what they work with |
//! | `state.rs` | where what must be remembered is kept |
//! | `report.rs`, `json.rs`, `escape.rs`, `progress.rs` | what is shown |
//! | `exit.rs`, `advice.rs`, `interrupt.rs` | how a run ends, and what to do then |
//! | `../common/files.rs` | what to do about a file that cannot be read |
//! | `../common/pages.rs` | `pop3 man` and `pop3 completions SHELL` |
//!
//! Promises: no password on the command line, in the environment or in a log; the server's words are escaped before a
//! terminal sees them; a message is marked as deleted only after it is durably kept and its unique-id is in the journal.
//!
//! # Source
//!
//! RFC 1939, RFC 2384, RFC 2449, RFC 3206; rows R1939-6.4, R1939-6.5, R1939-7.4, PB-C16 to PB-C21, PB-C43.

mod account;
mod advice;
mod args;
mod attempt;
mod capa;
mod config;
mod connect;
mod date;
mod encoded_word;
mod escape;
mod exit;
mod fetch;
#[path = "../common/files.rs"]
mod files;
mod filter;
mod header;
mod help;
mod interrupt;
mod json;
mod limits;
mod list;
mod netrc;
#[path = "../common/pages.rs"]
mod pages;
mod password;
mod plan;
mod probe;
mod progress;
mod record;
mod report;
mod run;
mod srv;
mod stat;
mod state;
mod target;
mod top;
mod watch;
mod workers;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command, TlsMode};
use exit::Failure;
use report::Report;

fn main() -> ExitCode {
    let matches = match pages::among(Cli::command()).try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return misused(&error),
    };
    if let Some(printed) = pages::asked(Cli::command(), "1", &matches) {
        return if printed.is_ok() { ExitCode::SUCCESS } else { exit::output_code() };
    }
    start_log();
    let mut cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let completed = config::complete(&mut cli.command);
    let report = Report::new(cli.command.common());
    let done = completed.and_then(|()| run(&cli.command, &report));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report.failure(&failure);
            failure.exit_code()
        }
    }
}

fn run(command: &Command, report: &Report) -> Result<(), Failure> {
    if command.common().tls == Some(TlsMode::NoneInsecure) {
        report.warn(report::NO_TLS);
    }
    match command {
        Command::Fetch(args) => fetch::run(args),
        Command::List(args) => list::run(args),
        Command::Capa(args) => capa::run(args),
        Command::Stat(args) => stat::run(args),
        Command::Probe(args) => probe::run(args),
        Command::Top(args) => top::run(args),
    }
}

/// `--help` and `--version` are no mistakes; everything else is.
fn misused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return if error.print().is_ok() { ExitCode::SUCCESS } else { exit::output_code() };
    }
    // The arguments were not understood, so that this is looked up by hand.
    if std::env::args_os().any(|arg| arg == "--json") {
        let text = error.to_string();
        let failure = Failure::usage(text.trim_end().strip_prefix("error: ").unwrap_or(&text));
        report::failure(&failure, true, None);
    } else if error.print().is_err() {
        return exit::output_code();
    }
    exit::usage_code()
}

/// Logs to standard error if `POP3_LOG`, or else `RUST_LOG`, says so; not otherwise.
fn start_log() {
    let filters = ["POP3_LOG", "RUST_LOG"].into_iter().find_map(|name| std::env::var(name).ok());
    if let Some(filters) = filters {
        env_logger::Builder::new().parse_filters(&filters).init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_page_holds_every_option() {
        pages::looks::page_is_whole(Cli::command(), "1");
    }

    #[test]
    fn shells_complete_the_options() {
        pages::looks::completions_are_whole(Cli::command(), "password-file");
    }
}
