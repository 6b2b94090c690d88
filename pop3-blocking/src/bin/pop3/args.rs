//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pop3_blocking::client::Proxy;
use pop3_blocking::pop3_proto::MessageNumber;

use crate::date::{self, Since};
use crate::filter::Pattern;
use crate::password::Secret;
use crate::{help, limits};

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
    /// Fetch messages into a Maildir, an mbox, a command or standard output
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
    /// Look at how a server behaves, case by case
    #[command(long_about = help::PROBE_ABOUT, after_long_help = help::PROBE_AFTER)]
    Probe(Probe),
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
            Self::Probe(args) => &args.common,
            Self::Top(args) => &args.common,
        }
    }

    pub(crate) const fn common_mut(&mut self) -> &mut Common {
        match self {
            Self::Fetch(args) => &mut args.common,
            Self::List(args) => &mut args.common,
            Self::Capa(args) => &mut args.common,
            Self::Stat(args) => &mut args.common,
            Self::Probe(args) => &mut args.common,
            Self::Top(args) => &mut args.common,
        }
    }
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word on the command line")]
pub(crate) struct Common {
    /// Account: `pops://USER@HOST[:PORT]` (TLS), `pop://USER@HOST[:PORT]` (STLS), or a name
    ///
    /// As in RFC 2384: USER may be followed by ;AUTH= and a mechanism; in USER, '@'
    /// is written %40. The port is 995 for pops:// and 110 for pop:// unless stated.
    /// A password is never part of it. What has no :// is the name of an account in
    /// the file of accounts; the file is read for such names only.
    #[arg(value_name = "URL", required = true, verbatim_doc_comment)]
    pub(crate) url: Option<String>,

    /// The file of accounts
    ///
    /// Without this option: ${XDG_CONFIG_HOME:-~/.config}/pop3/config.toml.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Log in as NAME; goes before the USER of the URL
    #[arg(long, value_name = "NAME", help_heading = help::LOGIN)]
    pub(crate) user: Option<String>,

    /// Take user and password from FILE, as ftp and curl do
    ///
    /// Without FILE: $NETRC, or else ~/.netrc. Others must not be able to read it. The
    /// password of a proxy that is named with its USER is taken from there too.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, help_heading = help::LOGIN)]
    #[arg(conflicts_with_all = ["password_file", "password_command", "token_file", "token_command"])]
    #[arg(verbatim_doc_comment)]
    pub(crate) netrc: Option<Option<PathBuf>>,

    /// Read the password from the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "password_command", help_heading = help::LOGIN)]
    pub(crate) password_file: Option<PathBuf>,

    /// Run CMD with 'sh -c'; the password is the first line it writes
    #[arg(long, value_name = "CMD", help_heading = help::LOGIN)]
    pub(crate) password_command: Option<OsString>,

    /// Read an OAuth 2.0 token from the first line of FILE, and log in by it
    #[arg(long, value_name = "FILE", help_heading = help::LOGIN)]
    #[arg(conflicts_with_all = ["token_command", "password_file", "password_command"])]
    pub(crate) token_file: Option<PathBuf>,

    /// Run CMD with 'sh -c'; the token is the first line it writes
    #[arg(long, value_name = "CMD", help_heading = help::LOGIN)]
    #[arg(conflicts_with_all = ["password_file", "password_command"])]
    pub(crate) token_command: Option<OsString>,

    /// Log in this way only, even if the server does not announce it; or auto
    ///
    /// A SASL mechanism (EXTERNAL, SCRAM-SHA-512-PLUS, SCRAM-SHA-256-PLUS,
    /// SCRAM-SHA-1-PLUS, SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, OAUTHBEARER,
    /// XOAUTH2, PLAIN, LOGIN, CRAM-MD5), USER (the commands USER and PASS) or APOP.
    /// Goes before the ;AUTH= of the URL, which means a way that must be announced.
    /// auto, or neither: the first of these that is announced, the last four only
    /// by name. If the server refuses it nothing weaker is tried.
    #[arg(long, value_name = "MECH", help_heading = help::LOGIN, verbatim_doc_comment)]
    pub(crate) auth: Option<String>,

    /// Log in by nothing weaker: sent, proven or bound
    ///
    /// sent: the server learns the password, under TLS (the default)
    /// proven: both sides prove that they know it and neither sends it (SCRAM)
    /// bound: and are sure that nobody is in between (SCRAM-...-PLUS, EXTERNAL)
    #[arg(long, value_name = "STRENGTH", value_enum, help_heading = help::LOGIN)]
    #[arg(hide_possible_values = true, verbatim_doc_comment)]
    pub(crate) min_strength: Option<MinStrength>,

    /// Log in by the client certificate or not at all: no password is ever sent
    #[arg(long, requires = "client_cert", help_heading = help::LOGIN)]
    #[arg(conflicts_with_all = ["password_file", "password_command", "token_file", "token_command", "netrc"])]
    pub(crate) require_certificate_login: bool,

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

    /// Trust the server that has this public key and no other (SHA-256, 64 hex digits)
    ///
    /// May be given more than once, as for the key that comes next. Without --ca
    /// nothing else about the certificate counts: not who signed it, not its name, not
    /// its dates. With --ca both must be right. The key of a certificate:
    ///   openssl x509 -in FILE -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum
    #[arg(long, value_name = "HEX", value_parser = pin, help_heading = help::TLS, verbatim_doc_comment)]
    pub(crate) pin: Vec<Pin>,

    /// Client certificate (PEM), shown to a server that asks for one
    #[arg(long, value_name = "FILE", requires = "client_key", help_heading = help::TLS)]
    pub(crate) client_cert: Option<PathBuf>,

    /// Private key of the client certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "client_cert", help_heading = help::TLS)]
    pub(crate) client_key: Option<PathBuf>,

    /// HOST is the mail domain: find its server by SRV records (RFC 6186)
    ///
    /// The login is first by the whole address, then by what stands before the '@'.
    /// The server and the name that worked are kept for the next runs, beside the
    /// journal, and looked up again when there is no way to the server. A server
    /// outside the domain must have a certificate for the domain.
    #[arg(long, help_heading = help::CONNECTION, verbatim_doc_comment)]
    pub(crate) srv: bool,

    /// For --srv: ask this name server instead of the system's
    #[arg(long, value_name = "IP:PORT", requires = "srv", help_heading = help::CONNECTION)]
    pub(crate) dns: Option<SocketAddr>,

    /// Go through a proxy: `socks5h://HOST[:PORT]` or `http://HOST:PORT`
    ///
    /// USER@ may stand before HOST. The proxy looks the server's name up. A password
    /// for it may stand in the file of accounts, or with --netrc in an entry for the
    /// proxy's HOST with this USER as its login; never on the command line. It goes to
    /// the proxy in clear text. Not with --srv, which asks DNS.
    #[arg(long, value_name = "URL", value_parser = proxy, conflicts_with_all = ["srv", "dns"])]
    #[arg(help_heading = help::CONNECTION, verbatim_doc_comment)]
    pub(crate) proxy: Option<Proxy>,

    /// Whether messages come in UTF-8 (RFC 6856): auto, require or never
    ///
    /// auto: if the server can (the default). require, or --utf8 alone: fail if it
    /// cannot. never: get them in the form that it makes for clients of ASCII alone.
    #[arg(long, value_name = "WHEN", value_enum, help_heading = help::CONNECTION)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "require")]
    #[arg(hide_possible_values = true, verbatim_doc_comment)]
    pub(crate) utf8: Option<Utf8>,

    /// Ask the server for texts in this language, such as de; * for its choice
    #[arg(long, value_name = "TAG", help_heading = help::CONNECTION)]
    pub(crate) lang: Option<String>,

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

    /// Set a limit by its name, as reply=120; may be given more than once
    #[arg(long, value_name = "NAME=N", value_parser = limits::setting, help_heading = help::CONNECTION)]
    #[arg(long_help = help::LIMITS)]
    pub(crate) limit: Vec<limits::Setting>,

    /// Write one JSON object a line; errors too, to standard error
    #[arg(long, help_heading = help::OUTPUT)]
    pub(crate) json: bool,

    /// Show errors only: no progress, no warnings, no totals
    #[arg(long, help_heading = help::OUTPUT)]
    pub(crate) quiet: bool,

    /// The name of the account, if it has one.
    #[arg(skip)]
    pub(crate) account: Option<String>,

    /// A password out of a file of accounts or a netrc.
    #[arg(skip)]
    pub(crate) secret: Option<Secret>,
}

impl Common {
    pub(crate) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or_default()
    }
}

/// How strong the login must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MinStrength {
    #[default]
    Sent,
    Proven,
    Bound,
}

/// Whether messages come in UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Utf8 {
    #[default]
    Auto,
    Require,
    Never,
}

/// When TLS starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsMode {
    Implicit,
    Stls,
    NoneInsecure,
}

#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word on the command line")]
#[command(mut_arg("url", |url| url.required(false).required_unless_present("all").conflicts_with("all")))]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Fetch every account of the file of accounts, several at once
    #[arg(long)]
    pub(crate) all: bool,

    /// With --all: at most N accounts at once; 4 unless set
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: Option<u8>,

    /// Look again every SECONDS, 300 unless said, until a signal or a lasting error ends it
    ///
    /// Not more often than the server wants (LOGIN-DELAY). After a failure that may go
    /// away the wait doubles, up to an hour. A login that is refused, a certificate that
    /// is not trusted and a wrong configuration end it.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "300")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=604_800), verbatim_doc_comment)]
    pub(crate) watch: Option<u32>,

    /// Leave messages on the server, and remember which are here (the default)
    #[arg(long, conflicts_with = "delete")]
    pub(crate) keep: bool,

    /// Delete each message on the server once it is safely here
    #[arg(long)]
    pub(crate) delete: bool,

    /// Where messages go: maildir:DIR, mbox:FILE, pipe:COMMAND, or - for standard output
    ///
    /// Must be given, here or in the file of accounts.
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: Option<OsString>,

    /// Fetch only messages whose header field is like PATTERN; may be given more than once
    ///
    /// As in 'From: *@example.org' or 'Subject: *invoice*': * is any text, ? any
    /// character, capitals do not matter. PATTERN must be like the whole field, with
    /// folding and encoded words undone, or like one of the addresses in it. All that
    /// are given must hold.
    #[arg(id = "match", long = "match", value_name = "FIELD: PATTERN", help_heading = help::SELECTION)]
    #[arg(verbatim_doc_comment)]
    pub(crate) matching: Vec<Pattern>,

    /// Fetch no messages whose header field is like PATTERN; may be given more than once
    #[arg(long, value_name = "FIELD: PATTERN", help_heading = help::SELECTION)]
    pub(crate) no_match: Vec<Pattern>,

    /// Fetch only messages that arrived since DATE: YYYY-MM-DD (UTC), or 7d, 12h, 30m ago
    ///
    /// By the topmost Received field, or else Date; what has neither is fetched.
    #[arg(long, value_name = "DATE", value_parser = date::since, help_heading = help::SELECTION)]
    pub(crate) since: Option<Since>,

    /// Fetch at most N messages in a run, the lowest numbers first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = help::SELECTION)]
    pub(crate) max: Option<u64>,

    /// Fetch at most N octets in a run, by the sizes that the server lists
    ///
    /// What does not fit any more is left for later, and what is smaller may still fit.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = help::SELECTION)]
    pub(crate) max_octets: Option<u64>,

    /// Show what would be fetched and deleted; fetch and delete nothing
    #[arg(long, help_heading = help::SELECTION)]
    pub(crate) dry_run: bool,

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
#[expect(clippy::struct_excessive_bools, reason = "each is a word on the command line")]
pub(crate) struct Probe {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Try the cases that remove mail too: for a test maildrop of three messages or more
    #[arg(long, help_heading = help::CASES)]
    pub(crate) destructive: bool,

    /// Leave out the cases that fail to log in on purpose
    #[arg(long, help_heading = help::CASES)]
    pub(crate) no_bad_logins: bool,

    /// Try the case that takes ten minutes too
    #[arg(long, help_heading = help::CASES)]
    pub(crate) slow: bool,

    /// Try these cases only: ids, or what ids begin with, as in tls
    #[arg(long, value_name = "ID", num_args = 1.., help_heading = help::CASES)]
    pub(crate) only: Vec<String>,

    /// Show the cases and the rows that they look at; connect to nothing
    #[arg(long, help_heading = help::CASES)]
    pub(crate) list: bool,
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

/// The SHA-256 of a public key.
pub(crate) type Pin = [u8; 32];

pub(crate) fn pin(text: &str) -> Result<Pin, String> {
    let fault = || "not 64 hexadecimal digits".to_owned();
    let digits: Vec<u32> =
        text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>().ok_or_else(fault)?;
    let octets: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect();
    octets.and_then(|octets| octets.try_into().ok()).ok_or_else(fault)
}

fn proxy(text: &str) -> Result<Proxy, String> {
    let proxy = Proxy::parse(text).map_err(|error| error.to_string())?;
    if proxy.has_password() {
        return Err(
            "a password on the command line can be read by others: keep it in the file of accounts or a netrc".into()
        );
    }
    Ok(proxy)
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
            assert_eq!(cli.command.common().url(), "pops://a@b", "{line}");
        }
    }

    #[test]
    fn a_word_alone_may_stand_before_the_url() {
        let utf8 = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().command.common().utf8;
        assert_eq!(utf8("pop3 stat --utf8 pops://a@b"), Some(Utf8::Require));
        assert_eq!(utf8("pop3 stat --utf8=never pops://a@b"), Some(Utf8::Never));
        assert_eq!(utf8("pop3 stat pops://a@b"), None);
        let line = format!("pop3 stat pops://a@b --pin {}0A --pin {}", "00".repeat(31), "ff".repeat(32));
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let [one, two] = cli.command.common().pin[..] else { panic!("{line}") };
        assert!(one[31] == 10 && one[..31] == [0; 31] && two == [255; 32]);
    }

    #[test]
    fn what_is_no_command_line() {
        for line in [
            "pop3",
            "pop3 fetch --to maildir:Mail",
            "pop3 fetch a --all",
            "pop3 fetch --all --jobs 0",
            "pop3 list --all",
            "pop3 list a --netrc=x --password-file y",
            "pop3 fetch pops://a@b --to - --keep --delete",
            "pop3 list",
            "pop3 list pops://a@b --password secret",
            "pop3 list pops://a@b --tls none",
            "pop3 list pops://a@b --timeout 0",
            "pop3 list pops://a@b --client-cert x",
            "pop3 list pops://a@b --password-file x --password-command y",
            "pop3 list pops://a@b --token-file x --password-file y",
            "pop3 list pops://a@b --require-certificate-login",
            "pop3 list pops://a@b --client-cert x --client-key y --require-certificate-login --password-file z",
            "pop3 list pops://a@b --min-strength weak",
            "pop3 list pops://a@b --utf8=maybe",
            "pop3 list pops://a@b --dns 127.0.0.1:53",
            "pop3 list pops://a@b --pin abcd",
            "pop3 list pops://a@b --proxy socks5://p",
            "pop3 list pops://a@b --proxy http://me:secret@p:1",
            "pop3 list pops://a@b --proxy http://p:1 --srv",
            "pop3 list pops://a@b --limit reply",
            "pop3 list pops://a@b --limit reply=0",
            "pop3 list pops://a@b --limit speed=1",
            "pop3 top pops://a@b 0 1",
            "pop3 top pops://a@b 1 -1",
            "pop3 top pops://a@b 1",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
