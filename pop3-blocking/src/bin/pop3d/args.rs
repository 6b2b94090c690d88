//! The options of `pop3d`, on the command line and in the configuration file. Each noun has its own: how it is given, what
//! it comes to, and how the two sources are joined.

use std::fmt;
use std::path::PathBuf;

use clap::Parser;
use pop3_blocking::pop3_proto::ServerLimits;

pub(crate) mod file;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod login;
pub(crate) mod tls;

use file::File;
pub(crate) use limits::LimitSettings;
pub(crate) use listen::ListenSettings;
pub(crate) use login::LoginSettings;
pub(crate) use tls::TlsSettings;

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
    #[command(flatten)]
    pub(crate) listen: listen::ListenArgs,

    #[command(flatten)]
    pub(crate) tls: tls::TlsArgs,

    #[command(flatten)]
    pub(crate) login: login::LoginArgs,

    /// The Maildir of a user, as "/var/mail/{user}/Maildir". A user name can never lead out of its place in the path.
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) maildir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) limits: limits::LimitArgs,

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

/// What `pop3d` is to do, from both sources, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: ListenSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) login: LoginSettings,
    pub(crate) maildir: PathBuf,
    pub(crate) limits: LimitSettings,
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
        let mut file = self.config.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
        let settings = Settings {
            listen: self.listen.settle(&mut file)?,
            tls: self.tls.settle(&mut file)?,
            login: self.login.settle(&mut file)?,
            maildir: self.maildir.or_else(|| file.maildir.take()).ok_or(SettingsError::Missing("maildir"))?,
            limits: self.limits.settle(&file)?,
        };
        if settings.listen.is_empty() {
            return Err(SettingsError::NoAddress);
        }
        if settings.tls.certificate.is_none() && !settings.listen.tls.is_empty() {
            return Err(SettingsError::NoCertificate);
        }
        Ok(settings)
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
        assert_eq!(settings.listen.tls.len() + settings.listen.plain.len(), 2);
        assert_eq!(settings.tls.certificate, Some((directory.join("c.pem"), PathBuf::from("/k.pem"))));
        assert_eq!(settings.login.users, directory.join("users"));
        assert_eq!(settings.limits.connections, Some(9));
        std::fs::write(&path, "listen-tsl = []\n").unwrap();
        assert!(matches!(settle(&["--config", path.to_str().unwrap()]), Err(SettingsError::Parse { .. })));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
