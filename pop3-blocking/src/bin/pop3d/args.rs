//! The options of `pop3d`, on the command line and in the configuration file.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use pop3_blocking::pop3_proto::ServerLimits;

/// Serves Maildirs over POP3S and POP3.
///
/// When all sockets are open one line is printed on standard output:
///
///     listening tls=ADDR plain=ADDR
///
/// with the addresses that were bound ("-" where there is none), so that port 0 can be used. SIGTERM and SIGINT stop
/// the server gracefully: replies in flight are finished, a QUIT that was read is carried out, then it ends. SIGHUP
/// reads the users file and the certificate again.
///
/// Log lines go to standard error, one per session; POP3_LOG or RUST_LOG sets what is logged (default "info").
#[derive(Debug, Parser)]
#[command(name = "pop3d", version, after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen for POP3S: TLS from the first octet (the registered port is 995). May be given more than once.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen_tls: Vec<SocketAddr>,

    /// Where to listen for POP3 in clear text (the registered port is 110). With --cert, STLS is offered there; without
    /// --allow-cleartext-login nobody can log in before it. May be given more than once.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<SocketAddr>,

    /// The certificate chain, in PEM, the server's own certificate first.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Ask clients for a certificate, signed by a CA in this PEM file, and let them log in with it (AUTH EXTERNAL): the
    /// user is the e-mail address, or else the DNS name, in the certificate. Without this option none is asked for.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) client_ca: Option<PathBuf>,

    /// Who may log in: a file of lines "user:{SCHEME}hash" as Dovecot has them. Schemes: ARGON2ID, SHA512-CRYPT,
    /// SHA256-CRYPT, BLF-CRYPT, CRYPT, PLAIN.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,

    /// The Maildir of a user, as "/var/mail/{user}/Maildir". A user name can never lead out of its place in the path.
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) maildir: Option<PathBuf>,

    /// Let passwords travel in clear text on --listen, where anyone on the path can read them.
    #[arg(long)]
    pub(crate) allow_cleartext_login: bool,

    /// Seconds from the connection to the login, TLS handshake included [default: 60]
    #[arg(long, value_name = "S")]
    pub(crate) preauth_timeout: Option<u64>,

    /// Seconds of silence after the login; RFC 1939 allows no less than 600 [default: 600]
    #[arg(long, value_name = "S")]
    pub(crate) idle_timeout: Option<u64>,

    /// Seconds that a write may stand still because the client does not read [default: 60]
    #[arg(long, value_name = "S")]
    pub(crate) write_timeout: Option<u64>,

    /// Connections at the same time; more are refused [default: 1000]
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<usize>,

    /// A file in TOML with the same options, without the leading dashes, as in `listen-tls = ["[::]:995"]`.
    /// The command line goes before it; relative paths in it start at its directory.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  pop3d --listen-tls '[::]:995' --cert chain.pem --key key.pem --users users --maildir '/home/{user}/Maildir'
  pop3d --config /etc/pop3d.toml

Exit codes: 0 stopped by a signal, 64 usage, 69 cannot listen, 78 configuration.";

/// The same options in a file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct File {
    listen_tls: OneOrMore,
    listen: OneOrMore,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    users: Option<PathBuf>,
    maildir: Option<PathBuf>,
    allow_cleartext_login: bool,
    preauth_timeout: Option<u64>,
    idle_timeout: Option<u64>,
    write_timeout: Option<u64>,
    max_connections: Option<usize>,
}

/// `"a"` or `["a", "b"]`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    #[default]
    None,
    One(SocketAddr),
    More(Vec<SocketAddr>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<SocketAddr> {
        match self {
            Self::None => Vec::new(),
            Self::One(address) => vec![address],
            Self::More(addresses) => addresses,
        }
    }
}

/// What `pop3d` is to do, from both sources, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen_tls: Vec<SocketAddr>,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) users: PathBuf,
    pub(crate) maildir: PathBuf,
    pub(crate) allow_cleartext_login: bool,
    pub(crate) preauth: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) write: Option<Duration>,
    pub(crate) connections: Option<usize>,
}

/// What is wrong with the options.
#[derive(Debug)]
pub(crate) enum SettingsError {
    Read { path: PathBuf, source: std::io::Error },
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    Missing(&'static str),
    NoAddress,
    NoCertificate,
    IdleTooShort(u64),
    Zero(&'static str),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Parse { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Missing(option) => write!(f, "--{option} is missing"),
            Self::NoAddress => f.write_str("nowhere to listen: give --listen-tls or --listen"),
            Self::NoCertificate => f.write_str("--listen-tls needs --cert and --key"),
            Self::IdleTooShort(seconds) => write!(
                f,
                "--idle-timeout of {seconds} s is below the {} s that RFC 1939 demands",
                ServerLimits::IDLE_FLOOR.as_secs()
            ),
            Self::Zero(option) => write!(f, "--{option} must be more than 0"),
        }
    }
}

impl Args {
    /// Joins the command line with the file that it names, and checks the whole.
    pub(crate) fn settle(self) -> Result<Settings, SettingsError> {
        let file = self.config.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
        let or =
            |given: Vec<SocketAddr>, file: OneOrMore| if given.is_empty() { file.into_vec() } else { given };
        let certificate = match (self.cert, self.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            _ => file.cert.zip(file.key),
        };
        let seconds = |option: &'static str, given: Option<u64>, file: Option<u64>| match given.or(file) {
            Some(0) => Err(SettingsError::Zero(option)),
            seconds => Ok(seconds.map(Duration::from_secs)),
        };
        let settings = Settings {
            listen_tls: or(self.listen_tls, file.listen_tls),
            listen: or(self.listen, file.listen),
            certificate,
            client_ca: self.client_ca.or(file.client_ca),
            users: self.users.or(file.users).ok_or(SettingsError::Missing("users"))?,
            maildir: self.maildir.or(file.maildir).ok_or(SettingsError::Missing("maildir"))?,
            allow_cleartext_login: self.allow_cleartext_login || file.allow_cleartext_login,
            preauth: seconds("preauth-timeout", self.preauth_timeout, file.preauth_timeout)?,
            idle: seconds("idle-timeout", self.idle_timeout, file.idle_timeout)?,
            write: seconds("write-timeout", self.write_timeout, file.write_timeout)?,
            connections: self.max_connections.or(file.max_connections),
        };
        if settings.listen.is_empty() && settings.listen_tls.is_empty() {
            return Err(SettingsError::NoAddress);
        }
        if settings.certificate.is_none() && !settings.listen_tls.is_empty() {
            return Err(SettingsError::NoCertificate);
        }
        if settings.connections == Some(0) {
            return Err(SettingsError::Zero("max-connections"));
        }
        match settings.idle {
            Some(idle) if idle < ServerLimits::IDLE_FLOOR => Err(SettingsError::IdleTooShort(idle.as_secs())),
            _ => Ok(settings),
        }
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let mut file: Self = toml::from_str(&text)
            .map_err(|source| SettingsError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        let base = path.parent().unwrap_or_else(|| Path::new(""));
        let paths = [&mut file.cert, &mut file.key, &mut file.client_ca, &mut file.users, &mut file.maildir];
        for path in paths.into_iter().flatten() {
            *path = base.join(&*path);
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(args: &[&str]) -> Result<Settings, SettingsError> {
        Args::try_parse_from(std::iter::once("pop3d").chain(args.iter().copied())).unwrap().settle()
    }

    const BASE: [&str; 6] = ["--users", "u", "--maildir", "m/{user}", "--listen", "127.0.0.1:0"];

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn r1939_3_15_an_idle_limit_below_600_seconds_is_refused() {
        for (seconds, fine) in [("599", false), ("600", true), ("0", false)] {
            let settings = settle(&[&BASE[..], &["--idle-timeout", seconds]].concat());
            assert_eq!(settings.is_ok(), fine, "{seconds}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(matches!(settle(&[]), Err(SettingsError::Missing("users"))));
        assert!(matches!(settle(&["--users", "u"]), Err(SettingsError::Missing("maildir"))));
        assert!(matches!(settle(&BASE[..4]), Err(SettingsError::NoAddress)));
        let tls = ["--users", "u", "--maildir", "m", "--listen-tls", "127.0.0.1:0"];
        assert!(matches!(settle(&tls), Err(SettingsError::NoCertificate)));
        assert!(settle(&BASE).is_ok());
    }

    #[test]
    fn a_file_gives_what_the_command_line_does_not() {
        let directory = std::env::temp_dir().join(format!("pop3d-args-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("pop3d.toml");
        std::fs::write(
            &path,
            "listen-tls = [\"127.0.0.1:995\"]\nlisten = \"127.0.0.1:110\"\ncert = \"c.pem\"\nkey = \"/k.pem\"\n\
             users = \"users\"\nmaildir = \"/mail/{user}\"\nmax-connections = 7\n",
        )
        .unwrap();
        let settings = settle(&["--config", path.to_str().unwrap(), "--max-connections", "9"]).unwrap();
        assert_eq!(settings.listen_tls.len() + settings.listen.len(), 2);
        assert_eq!(settings.certificate, Some((directory.join("c.pem"), PathBuf::from("/k.pem"))));
        assert_eq!(settings.users, directory.join("users"));
        assert_eq!(settings.connections, Some(9));
        std::fs::write(&path, "listen-tsl = []\n").unwrap();
        assert!(matches!(settle(&["--config", path.to_str().unwrap()]), Err(SettingsError::Parse { .. })));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
