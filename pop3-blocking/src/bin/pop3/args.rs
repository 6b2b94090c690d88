//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pop3_blocking::pop3_proto::MessageNumber;

use crate::help;

/// Fetch mail with POP3, safely
#[derive(Debug, Parser)]
#[command(name = "pop3", version, long_about = help::ABOUT, after_long_help = help::AFTER)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch messages into a Maildir, an mbox or standard output
    #[command(long_about = help::FETCH_ABOUT, after_long_help = help::FETCH_AFTER)]
    Fetch(Fetch),
    /// List number, octets and unique-id of each message
    #[command(after_long_help = help::LIST_AFTER)]
    List(List),
    /// Show what the server announces
    #[command(long_about = help::CAPA_ABOUT, after_long_help = help::CAPA_AFTER)]
    Capa(Capa),
    /// Count messages and their octets
    #[command(after_long_help = help::STAT_AFTER)]
    Stat(Stat),
    /// Show the header and the first lines of a message
    #[command(long_about = help::TOP_ABOUT, after_long_help = help::TOP_AFTER)]
    Top(Top),
}

impl Command {
    pub(crate) const fn common(&self) -> &Common {
        match self {
            Self::Fetch(args) => &args.common,
            Self::List(args) => &args.common,
            Self::Capa(args) => &args.common,
            Self::Stat(args) => &args.common,
            Self::Top(args) => &args.common,
        }
    }
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Account: `pops://USER@HOST[:PORT]` (TLS) or `pop://USER@HOST[:PORT]` (STLS)
    ///
    /// As in RFC 2384: USER may be followed by ;AUTH= and a mechanism; in USER, '@'
    /// is written %40. The port is 995 for pops:// and 110 for pop:// unless stated.
    /// A password is never part of it.
    #[arg(value_name = "URL", verbatim_doc_comment)]
    pub(crate) url: String,

    /// Read the password from the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "password_command", help_heading = help::LOGIN)]
    pub(crate) password_file: Option<PathBuf>,

    /// Run CMD with 'sh -c'; the password is the first line it writes
    #[arg(long, value_name = "CMD", help_heading = help::LOGIN)]
    pub(crate) password_command: Option<OsString>,

    /// Log in this way only: PLAIN, USER or EXTERNAL
    ///
    /// PLAIN is SASL PLAIN, USER the commands USER and PASS, EXTERNAL the client
    /// certificate. Goes before the ;AUTH= of the URL. Without either: SASL PLAIN if
    /// the server announces it, else USER and PASS.
    #[arg(long, value_name = "MECH", help_heading = help::LOGIN, verbatim_doc_comment)]
    pub(crate) auth: Option<String>,

    /// When TLS starts: implicit, stls or none-insecure
    ///
    /// implicit: with the first octet (the default for pops://, port 995)
    /// stls: after the command STLS (the default for pop://, port 110)
    /// none-insecure: never. Everybody on the way can read the password and the
    /// mail. Without this word no password is ever sent in clear text.
    #[arg(long, value_name = "WHEN", value_enum, help_heading = help::TLS)]
    #[arg(hide_possible_values = true, verbatim_doc_comment)]
    pub(crate) tls: Option<TlsMode>,

    /// Trust the certificate authorities in FILE (PEM) and no others
    ///
    /// Without this option the operating system's authorities are trusted.
    #[arg(long, value_name = "FILE", help_heading = help::TLS)]
    pub(crate) ca: Option<PathBuf>,

    /// Client certificate (PEM), shown to a server that asks for one
    #[arg(long, value_name = "FILE", requires = "client_key", help_heading = help::TLS)]
    pub(crate) client_cert: Option<PathBuf>,

    /// Private key of the client certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "client_cert", help_heading = help::TLS)]
    pub(crate) client_key: Option<PathBuf>,

    /// Wait at most S seconds for the connection, for TLS and for each reply
    ///
    /// Without this option: 20 seconds for the connection and for TLS, 60 for a
    /// reply, 300 for the replies to the login and to QUIT.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(help_heading = help::CONNECTION, verbatim_doc_comment)]
    pub(crate) timeout: Option<u32>,

    /// Send no command before the reply to the one before it has come
    #[arg(long, help_heading = help::CONNECTION)]
    pub(crate) no_pipelining: bool,

    /// Take no message of more than N octets
    ///
    /// fetch skips what the server lists as larger; a message that turns out larger
    /// ends the connection. Without this option: 268435456 (256 MiB).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = help::CONNECTION, verbatim_doc_comment)]
    pub(crate) max_message_octets: Option<u64>,

    /// Write one JSON object a line; errors too, to standard error
    #[arg(long, help_heading = help::OUTPUT)]
    pub(crate) json: bool,

    /// Show errors only: no progress, no warnings, no totals
    #[arg(long, help_heading = help::OUTPUT)]
    pub(crate) quiet: bool,
}

/// When TLS starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsMode {
    Implicit,
    Stls,
    NoneInsecure,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Leave messages on the server, and remember which are here (the default)
    #[arg(long, conflicts_with = "delete")]
    pub(crate) keep: bool,

    /// Delete each message on the server once it is safely here
    #[arg(long)]
    pub(crate) delete: bool,

    /// Where messages go: maildir:DIR, mbox:FILE, or - for standard output
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: OsString,

    /// The journal of unique-ids that are here already
    ///
    /// Without this option: a file for each account in ${XDG_STATE_HOME:-~/.local/state}/pop3.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Capa {
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Stat {
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) common: Common,

    /// The number of the message, from 1
    #[arg(value_name = "N", value_parser = number)]
    pub(crate) number: MessageNumber,

    /// How many lines of the body
    #[arg(value_name = "LINES")]
    pub(crate) lines: u64,
}

fn number(text: &str) -> Result<MessageNumber, String> {
    MessageNumber::parse(text.as_bytes()).ok_or_else(|| "not a message number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_and_behind_the_url() {
        for line in [
            "pop3 fetch pops://a@b --keep --to - --json",
            "pop3 fetch --to - --json --keep pops://a@b",
            "pop3 top --json pops://a@b 7 0",
            "pop3 top pops://a@b 7 0 --json",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(cli.command.common().json, "{line}");
            assert_eq!(cli.command.common().url, "pops://a@b", "{line}");
        }
    }

    #[test]
    fn what_is_no_command_line() {
        for line in [
            "pop3",
            "pop3 fetch pops://a@b",
            "pop3 fetch pops://a@b --to - --keep --delete",
            "pop3 list",
            "pop3 list pops://a@b --password secret",
            "pop3 list pops://a@b --tls none",
            "pop3 list pops://a@b --timeout 0",
            "pop3 list pops://a@b --client-cert x",
            "pop3 list pops://a@b --password-file x --password-command y",
            "pop3 top pops://a@b 0 1",
            "pop3 top pops://a@b 1 -1",
            "pop3 top pops://a@b 1",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
