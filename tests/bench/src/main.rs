//! The measuring half of `tests/bench/compare`: mail to measure with, a load generator for servers, which is also the
//! client that others are held against, and a server for clients that answers from memory.
//!
//! ```text
//! pop3-bench corpus ROOT NAME=COUNT...      Maildirs ROOT/mail/NAME/Maildir, and what they hold in ROOT/manifest/NAME
//! pop3-bench certs ROOT                     ROOT/tls/{ca.pem,leaf.pem,leaf.key}
//! pop3-bench replay ROOT                    serves ROOT/mail on two ports of loopback until its standard input ends
//! pop3-bench load SCENARIO --addr IP:PORT…  one line of JSON on standard output
//! ```
//!
//! Nothing of the libraries that it measures is in it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod account;
mod certs;
mod check;
mod corpus;
mod load;
mod options;
mod peer;
mod replay;
mod tls;

use std::process::ExitCode;

use options::Options;

/// What ends a run.
type Fault = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str =
    "pop3-bench corpus ROOT NAME=COUNT... | certs ROOT | replay ROOT | load SCENARIO --addr IP:PORT ...";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["corpus", root, ref wanted @ ..] => corpus::make(root, wanted),
        ["certs", root] => certs::make(root),
        ["replay", root] => replay::serve(root),
        ["load", scenario, ref rest @ ..] => {
            Options::parse(rest).and_then(|options| load::run(scenario, &options))
        }
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("pop3-bench: {fault}");
            ExitCode::FAILURE
        }
    }
}
