//! The options of `pop3d`, on the command line and in the configuration file. Each noun has its own: how it is given, what
//! it comes to, and how the two sources are joined.

use std::fmt;
use std::path::PathBuf;

use clap::Parser;
use pop3_blocking::store::maildir::{
    DeletePolicy, DeletePolicyError, PreviousServer, UidlFormat, UidlFormatError,
};
use pop3_blocking::tls::UnknownField;

pub(crate) mod file;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod login;
pub(crate) mod metrics;
pub(crate) mod proxy;
pub(crate) mod sandbox;
pub(crate) mod text;
pub(crate) mod tls;

use file::File;
pub(crate) use limits::LimitSettings;
pub(crate) use listen::ListenSettings;
pub(crate) use login::LoginSettings;
pub(crate) use sandbox::SandboxSettings;
pub(crate) use text::TextSettings;
pub(crate) use tls::TlsSettings;

/// Serves Maildirs over POP3S and POP3.
///
/// When all sockets are open one line is printed on standard output:
///
///     listening tls=ADDR plain=ADDR
///
/// with the addresses that were bound ("-" where there is none), so that port 0 can be used. SIGTERM and SIGINT stop
/// the server gracefully: replies in flight are finished, a QUIT that was read is carried out, then it ends. SIGHUP
/// reads the users file again, and all certificates, keys, client authorities and revocation lists.
///
/// Under systemd it tells when it is ready, reloads and stops, and that it is alive where WatchdogSec is set.
///
/// Log lines go to standard error, one per session; POP3_LOG or RUST_LOG sets what is logged (default "info").
#[derive(Debug, Parser)]
#[command(name = "pop3d", version, after_long_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) options: Options,
}

/// What a server is to do, from the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) listen: listen::ListenArgs,

    #[command(flatten)]
    pub(crate) tls: tls::TlsArgs,

    #[command(flatten)]
    pub(crate) login: login::LoginArgs,

    /// The Maildir of a user, as "/var/mail/{user}/Maildir". A user name can never lead out of its place in the path.
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) maildir: Option<PathBuf>,

    /// Which server served the Maildirs before: messages keep the unique-ids that it gave, so that clients fetch nothing
    /// twice. "any": Dovecot or Courier, whichever has left its list in a Maildir. "dovecot" or "courier": that one alone.
    /// "dovecot=FORMAT": Dovecot with this pop3_uidl_format, as in "dovecot=%v.%u". "none": all ids are new. The list is
    /// read once, and never changed [default: any]
    #[arg(long, value_name = "SERVER")]
    pub(crate) previous_server: Option<String>,

    /// What QUIT does with the messages that a client has deleted. "remove": their files are removed. "move:FOLDER": they
    /// are moved to a Maildir++ folder of the Maildir, as "move:Trash" to ".Trash", with their flags; it is made if it is
    /// not there, and nothing is ever removed from it. "keep": they stay where they are, for IMAP, and are hidden from POP3
    /// for good; the file pop3-hidden in the Maildir names them [default: remove]
    #[arg(long, value_name = "POLICY")]
    pub(crate) delete_policy: Option<String>,

    #[command(flatten)]
    pub(crate) text: text::TextArgs,

    #[command(flatten)]
    pub(crate) metrics: metrics::MetricsArgs,

    #[command(flatten)]
    pub(crate) sandbox: sandbox::SandboxArgs,

    #[command(flatten)]
    pub(crate) limits: limits::LimitArgs,

    /// A file in TOML with the same options, without the leading dashes, as in `listen-tls = ["[::]:995"]`.
    /// The command line goes before it; relative paths in it start at its directory. Only there: more certificates as
    /// `[[certificate]]` tables (cert, key), limits by their names as a `[limits]` table, and listeners with a policy of their own as `[[listener]]` tables (address, mode
    /// = "tls", "stls" or "clear", client-cert, allow-cleartext-login, certificate-only, proxy-from, proxy-others).
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
}

/// What else `pop3d` does than to serve.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Makes the second field of a line of the users file from a password, which is asked for on the terminal or is the
    /// first line of standard input.
    Hash(HashArgs),
    /// Says everything that is wrong with the options and the files they name, and what to do about it. Takes the options
    /// of the server, changes nothing and serves nobody. Run it as the user that pop3d runs as.
    #[command(after_long_help = CHECK_CODES)]
    Check(Box<Options>),
}

const CHECK_CODES: &str = "\
Exit codes: 0 nothing is wrong, 1 there are warnings but no errors: pop3d starts, 2 there are errors.";

#[derive(Debug, clap::Args)]
pub(crate) struct HashArgs {
    /// What is to be kept of the password: ARGON2ID, which withstands theft best; or SCRAM-SHA-256 (-512, -1), with which
    /// clients need not send the password.
    #[arg(long, value_name = "SCHEME", default_value = "ARGON2ID", ignore_case = true,
          value_parser = ["ARGON2ID", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"])]
    pub(crate) scheme: String,
}

const EXAMPLES: &str = "\
Examples:
  pop3d --listen-tls '[::]:995' --cert chain.pem --key key.pem --users users --maildir '/home/{user}/Maildir'
  pop3d check --config /etc/pop3d.toml && pop3d --config /etc/pop3d.toml
  pop3d man > pop3d.8; pop3d completions bash > /etc/bash_completion.d/pop3d
  (printf alice:; pop3d hash --scheme SCRAM-SHA-256) >> users

Exit codes: 0 stopped by a signal, 64 usage, 69 cannot listen, 78 configuration.";

/// What `pop3d` is to do, from both sources, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listeners: Vec<ListenSettings>,
    pub(crate) tls: TlsSettings,
    pub(crate) login: LoginSettings,
    pub(crate) maildir: PathBuf,
    pub(crate) previous_server: PreviousServer,
    pub(crate) delete_policy: DeletePolicy,
    pub(crate) text: TextSettings,
    pub(crate) metrics: Option<metrics::MetricsPlace>,
    pub(crate) sandbox: Option<SandboxSettings>,
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
    NoClientCa,
    ClientCaUnused,
    KeyCount { certificates: usize, keys: usize },
    Map(UnknownField),
    Listener(listen::Place, &'static str),
    Network(String),
    NoProxies,
    Metrics(String),
    Mechanism(String),
    Language(String),
    ShortSecret(PathBuf),
    UsersTwice,
    CertificatesOfNobody,
    NoSandbox,
    SandboxedProgram(&'static str),
    SandboxOfAll,
    PreviousServer(String),
    UidlFormat(UidlFormatError),
    DeletePolicy(DeletePolicyError),
    Limit(String),
    OutOfRange { name: &'static str, value: u64, least: u64, greatest: u64 },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Parse { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Missing("users") => f.write_str("--users is missing, or --checkpassword"),
            Self::Missing(option) => write!(f, "--{option} is missing"),
            Self::NoAddress => f.write_str("nowhere to listen: give --listen-tls or --listen"),
            Self::NoCertificate => f.write_str("TLS needs --cert and --key"),
            Self::NoClientCa => {
                f.write_str("client certificates are asked for: name their authority by --client-ca")
            }
            Self::ClientCaUnused => f.write_str(
                "--client-ca and --client-crl do nothing where no client certificate is asked for",
            ),
            Self::KeyCount { certificates, keys } => {
                write!(f, "each --cert needs its --key: there are {certificates} and {keys}")
            }
            Self::Map(error) => write!(f, "client-cert-map: {error}"),
            Self::Listener(address, what) => write!(f, "listener {address}: {what}"),
            Self::Network(text) => {
                write!(
                    f,
                    "--proxy-from {} is no address or network such as 192.0.2.0/24",
                    text.escape_debug()
                )
            }
            Self::Metrics(text) => write!(
                f,
                "--metrics {} is neither a loopback address with a port nor unix:PATH",
                text.escape_debug()
            ),
            Self::NoProxies => f.write_str("--proxy-others says nothing without --proxy-from"),
            Self::Mechanism(name) => write!(f, "unknown mechanism: {}", name.escape_debug()),
            Self::Language(tag) => write!(f, "--language {tag} is none of de, en and sv"),
            Self::ShortSecret(path) => write!(f, "{} has fewer than 16 octets", path.display()),
            Self::NoSandbox => f.write_str("there is no sandbox on this system"),
            Self::SandboxedProgram(option) => {
                write!(f, "a program for --{option} cannot be run in the sandbox")
            }
            Self::UsersTwice => f.write_str("give either users or checkpassword"),
            Self::CertificatesOfNobody => f.write_str(
                "client certificates are for users of a file: give --users instead of --checkpassword",
            ),
            Self::SandboxOfAll => {
                f.write_str("the sandbox would hold all files: put the Maildirs beneath a directory")
            }
            Self::PreviousServer(name) => {
                write!(f, "--previous-server {} is none of any, none, dovecot, courier", name.escape_debug())
            }
            Self::UidlFormat(error) => write!(f, "--previous-server: {error}"),
            Self::DeletePolicy(error) => write!(f, "--delete-policy: {error}"),
            Self::Limit(name) => write!(f, "there is no limit {}", name.escape_debug()),
            Self::OutOfRange { name: "idle", value, least, .. } if value < least => {
                write!(f, "limit idle: {value} s is below the {least} s that RFC 1939 demands")
            }
            Self::OutOfRange { name, value, least, greatest } => {
                write!(f, "limit {name}: {value} is not from {least} to {greatest}")
            }
        }
    }
}

/// What the options come to, each part as far as it is right.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) listeners: Option<Vec<ListenSettings>>,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) login: Option<LoginSettings>,
    pub(crate) maildir: Option<PathBuf>,
    previous_server: Option<PreviousServer>,
    delete_policy: Option<DeletePolicy>,
    text: Option<TextSettings>,
    metrics: Option<Option<metrics::MetricsPlace>>,
    sandbox: Option<Option<SandboxSettings>>,
    limits: Option<LimitSettings>,
}

impl Parts {
    fn whole(self) -> Option<Settings> {
        Some(Settings {
            listeners: self.listeners?,
            tls: self.tls?,
            login: self.login?,
            maildir: self.maildir?,
            previous_server: self.previous_server?,
            delete_policy: self.delete_policy?,
            text: self.text?,
            metrics: self.metrics?,
            sandbox: self.sandbox?,
            limits: self.limits?,
        })
    }
}

impl Options {
    /// Joins the command line with the file that it names, and checks the whole.
    pub(crate) fn settle(self) -> Result<Settings, SettingsError> {
        let file = self.config.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
        let (parts, faults) = self.settle_all(file);
        match (faults.into_iter().next(), parts.whole()) {
            (None, Some(settings)) => Ok(settings),
            (fault, _) => Err(fault.unwrap_or(SettingsError::NoAddress)),
        }
    }

    /// Joins the command line with what stands in the file, and says everything that is wrong.
    pub(crate) fn settle_all(self, mut file: File) -> (Parts, Vec<SettingsError>) {
        let mut faults = Vec::new();
        let mut parts = Parts {
            tls: noted(self.tls.settle(&mut file), &mut faults),
            login: noted(self.login.settle(&mut file), &mut faults),
            ..Parts::default()
        };
        let maildir = self.maildir.or_else(|| file.maildir.take());
        parts.maildir = noted(maildir.ok_or(SettingsError::Missing("maildir")), &mut faults);
        if let (Some(tls), Some(login)) = (&parts.tls, &parts.login) {
            if let Some(maildir) = &parts.maildir {
                parts.sandbox = noted(self.sandbox.settle(&file, login, tls, maildir), &mut faults);
            }
            parts.listeners = noted(self.listen.settle(&mut file, tls, login), &mut faults);
        }
        let previous_server = self.previous_server.or_else(|| file.previous_server.take());
        let previous_server = previous_server.as_deref().map_or(Ok(PreviousServer::Any), previous);
        parts.previous_server = noted(previous_server, &mut faults);
        let policy = self.delete_policy.or_else(|| file.delete_policy.take());
        let policy = policy.as_deref().map_or(Ok(DeletePolicy::Remove), str::parse);
        parts.delete_policy = noted(policy.map_err(SettingsError::DeletePolicy), &mut faults);
        parts.text = noted(self.text.settle(&mut file), &mut faults);
        parts.metrics = noted(self.metrics.settle(&mut file), &mut faults);
        parts.limits = Some(self.limits.settle(&file, &mut faults));
        if let (Some(tls), Some(login), Some(listeners)) = (&parts.tls, &parts.login, &parts.listeners) {
            let asking: Vec<_> = listeners.iter().map(|listener| listener.client_cert).collect();
            noted(tls.check(&asking), &mut faults);
            if login.users.file().is_none() && asking.iter().any(|when| *when != tls::ClientCert::Off) {
                faults.push(SettingsError::CertificatesOfNobody);
            }
        }
        (parts, faults)
    }
}

fn noted<T>(settled: Result<T, SettingsError>, faults: &mut Vec<SettingsError>) -> Option<T> {
    settled.map_err(|fault| faults.push(fault)).ok()
}

fn previous(text: &str) -> Result<PreviousServer, SettingsError> {
    Ok(match text.split_once('=') {
        Some(("dovecot", format)) => {
            PreviousServer::Dovecot(format.parse().map_err(SettingsError::UidlFormat)?)
        }
        None if text == "dovecot" => PreviousServer::Dovecot(UidlFormat::default()),
        None if text == "courier" => PreviousServer::Courier,
        None if text == "any" => PreviousServer::Any,
        None if text == "none" => PreviousServer::None,
        _ => return Err(SettingsError::PreviousServer(text.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use pop3_blocking::auth::Mechanisms;

    use super::*;
    use listen::Mode;
    use tls::ClientCert;

    fn settle(args: &[&str]) -> Result<Settings, SettingsError> {
        Args::try_parse_from(std::iter::once("pop3d").chain(args.iter().copied())).unwrap().options.settle()
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
    fn r1939_7_3_the_previous_server_is_named() {
        let set = |name: &str| {
            settle(&[&BASE[..], &["--previous-server", name]].concat())
                .map(|settings| settings.previous_server)
        };
        assert_eq!(settle(&BASE).unwrap().previous_server, PreviousServer::Any);
        let by = |format: &str| PreviousServer::Dovecot(format.parse().unwrap());
        for (name, server) in [
            ("any", PreviousServer::Any),
            ("none", PreviousServer::None),
            ("courier", PreviousServer::Courier),
            ("dovecot", by("%08Xu%08Xv")),
            ("dovecot=%v.%u", by("%v.%u")),
        ] {
            assert_eq!(set(name).unwrap(), server);
        }
        for name in ["", "Dovecot", "courier=%u", "cyrus"] {
            assert!(matches!(set(name), Err(SettingsError::PreviousServer(other)) if other == name));
        }
        assert!(matches!(set("dovecot=%v"), Err(SettingsError::UidlFormat(UidlFormatError::NotUnique))));
    }

    #[test]
    fn r1939_6_2_what_becomes_of_deleted_messages_is_told_by_name() {
        let set = |text: &str| {
            let settings = settle(&[&BASE[..], &["--delete-policy", text]].concat());
            settings.map(|settings| settings.delete_policy)
        };
        assert_eq!(settle(&BASE).unwrap().delete_policy, DeletePolicy::Remove);
        assert_eq!(set("keep").unwrap(), DeletePolicy::Keep);
        assert_eq!(set("move:.Trash").unwrap(), "move:Trash".parse().unwrap());
        for text in ["move:", "move:../new", "archive"] {
            assert!(matches!(set(text), Err(SettingsError::DeletePolicy(_))), "{text}");
        }
        let file = from_file("listen = \"127.0.0.1:0\"\ndelete-policy = \"keep\"\n").unwrap();
        assert_eq!(file.delete_policy, DeletePolicy::Keep);
    }

    #[test]
    fn pb_q68_legacy_mechanisms_must_be_named() {
        let set =
            |args: &[&str]| settle(&[&BASE[..], args].concat()).map(|settings| settings.login.mechanisms);
        assert_eq!(set(&[]).unwrap(), Mechanisms::DEFAULT);
        assert_eq!(
            set(&["--mechanisms", "plain,CRAM-MD5"]).unwrap(),
            Mechanisms::PLAIN | Mechanisms::CRAM_MD5
        );
        assert!(
            matches!(set(&["--mechanisms", "GSSAPI"]), Err(SettingsError::Mechanism(name)) if name == "GSSAPI")
        );
    }

    #[test]
    fn r6856_3_3_a_language_that_is_not_there_is_refused() {
        for (tag, fine) in
            [("sv", true), ("DE", true), ("en", true), ("i", false), ("uga", false), ("", false)]
        {
            let settings = settle(&[&BASE[..], &["--language", tag, "--utf8", "surrogate"]].concat());
            assert_eq!(settings.is_ok(), fine, "{tag}");
        }
    }

    #[test]
    fn rdm_2_1e_certificate_only_needs_who_signs_certificates() {
        let tls = ["--listen-tls", "127.0.0.1:0", "--cert", "c", "--key", "k", "--certificate-only"];
        assert!(matches!(settle(&[&BASE[..4], &tls].concat()), Err(SettingsError::Listener(..))));
        let settings = settle(&[&BASE[..4], &tls, &["--client-ca", "ca"]].concat()).unwrap();
        assert!(settings.listeners.iter().all(|listener| listener.certificate_only));
        // In clear text nobody could log in.
        assert!(matches!(
            settle(&[&BASE[..], &["--certificate-only"]].concat()),
            Err(SettingsError::Listener(..))
        ));
    }

    #[test]
    fn hash_takes_no_options_of_the_server() {
        let parse =
            |args: &[&str]| Args::try_parse_from(std::iter::once("pop3d").chain(args.iter().copied()));
        let args = parse(&["hash", "--scheme", "scram-sha-256"]).unwrap();
        assert!(matches!(args.command, Some(Command::Hash(_))));
        assert!(parse(&["--users", "u", "hash"]).is_err());
        // A password on the command line can be seen by every user of the host.
        assert!(parse(&["hash", "secret"]).is_err());
        assert!(parse(&["hash", "--scheme", "MD5"]).is_err());
        // To check is to take them all.
        let args = parse(&["check", "--users", "u", "--listen", "127.0.0.1:0"]).unwrap();
        assert!(matches!(args.command, Some(Command::Check(options)) if options.listen.is_set()));
        assert!(parse(&["--users", "u", "check"]).is_err());
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
        let modes: Vec<Mode> = settings.listeners.iter().map(|listener| listener.mode).collect();
        assert_eq!(modes, [Mode::Tls, Mode::Stls]);
        assert_eq!(settings.tls.certificates, [(directory.join("c.pem"), PathBuf::from("/k.pem"))]);
        assert_eq!(settings.login.users.file(), Some(&directory.join("users")));
        assert_eq!(settings.limits.limits().connections, 9);
        std::fs::write(&path, "listen-tsl = []\n").unwrap();
        assert!(matches!(settle(&["--config", path.to_str().unwrap()]), Err(SettingsError::Parse { .. })));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    /// The settings of a file with these lines behind `users` and `maildir`.
    fn from_file(lines: &str) -> Result<Settings, SettingsError> {
        from_text(&format!("users = \"u\"\nmaildir = \"{{user}}\"\n{lines}"), &[])
    }

    fn from_text(text: &str, args: &[&str]) -> Result<Settings, SettingsError> {
        static FILES: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = FILES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pop3d-args-{}-{number}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let settings = settle(&[&["--config", path.to_str().unwrap()], args].concat());
        std::fs::remove_file(path).unwrap();
        settings
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_sandbox_holds_what_is_read_again() {
        use std::path::Path;

        let sandbox = |args: &[&str]| settle(&[&BASE[..], args].concat()).map(|it| it.sandbox);
        assert_eq!(sandbox(&[]).unwrap(), None);
        let tls = ["--cert", "c", "--key", "k", "--client-ca", "a", "--client-crl", "l"];
        let set = sandbox(&[&tls[..], &["--sandbox"]].concat()).unwrap().unwrap();
        assert_eq!((set.best_effort, set.mail.as_path()), (false, Path::new("m")));
        assert_eq!(set.files, ["u", "c", "k", "a", "l"].map(PathBuf::from));
        assert!(sandbox(&["--sandbox=best-effort"]).unwrap().unwrap().best_effort);
        assert_eq!(sandbox(&["--sandbox=off"]).unwrap(), None);
        assert!(matches!(
            sandbox(&["--sandbox", "--token-check", "t"]),
            Err(SettingsError::SandboxedProgram("token-check"))
        ));
        let all = ["--users", "u", "--maildir", "/{user}", "--listen", "127.0.0.1:0", "--sandbox"];
        assert!(matches!(settle(&all), Err(SettingsError::SandboxOfAll)));
        let file = from_file("listen = \"127.0.0.1:0\"\nsandbox = \"best-effort\"\n").unwrap();
        assert!(file.sandbox.unwrap().best_effort);
    }

    #[test]
    fn users_are_asked_of_a_file_or_of_a_program() {
        use login::UsersSettings;

        let told = |settings: Result<Settings, SettingsError>| match settings.unwrap().login.users {
            UsersSettings::Program { program, args, patience, names_user } => {
                (program, args, patience.map(|it| it.as_secs()), names_user)
            }
            UsersSettings::File(path) => panic!("{path:?}"),
        };
        let base = ["--maildir", "m/{user}", "--listen", "127.0.0.1:0"];
        let with = |args: &[&str]| settle(&[&base[..], args].concat());
        let short = with(&["--checkpassword", "/bin/check"]);
        assert_eq!(told(short), (PathBuf::from("/bin/check"), vec![], None, false));
        let options = "--checkpassword c --checkpassword-arg -s --checkpassword-arg pop3 --checkpassword-timeout 7 \
                       --checkpassword-user";
        let long = with(&options.split_whitespace().collect::<Vec<_>>());
        assert_eq!(told(long), (PathBuf::from("c"), vec!["-s".into(), "pop3".into()], Some(7), true));

        let both = with(&["--checkpassword", "c", "--token-check", "t", "--sandbox"]);
        assert!(matches!(both, Err(SettingsError::SandboxedProgram("token-check"))));
        let sandboxed = with(&["--checkpassword", "c", "--sandbox"]);
        assert!(matches!(sandboxed, Err(SettingsError::SandboxedProgram("checkpassword"))));
        let certificates = with(&["--checkpassword", "c", "--cert", "c", "--key", "k", "--client-ca", "a"]);
        assert!(matches!(certificates, Err(SettingsError::CertificatesOfNobody)));

        // The command line goes before the file, whichever of the two stands there.
        let file = "listen = \"127.0.0.1:0\"\ncheckpassword = [\"c\", \"-s\"]\n";
        assert!(matches!(from_file(file), Err(SettingsError::UsersTwice)));
        let alone = from_text(&format!("maildir = \"{{user}}\"\ncheckpassword-timeout = 9\n{file}"), &[]);
        let directory = std::env::temp_dir();
        assert_eq!(told(alone), (directory.join("c"), vec!["-s".into()], Some(9), false));
        let text = format!("maildir = \"{{user}}\"\n{file}");
        let users = from_text(&text, &["--users", "u"]).unwrap().login.users;
        assert_eq!(users.file(), Some(&PathBuf::from("u")));
        let long = from_text(&format!("{text}checkpassword-timeout = 301\n"), &[]);
        assert!(matches!(long, Err(SettingsError::OutOfRange { value: 301, .. })));
    }

    #[test]
    fn a_limit_by_its_name_in_both_places() {
        let limits = |args: &[&str]| settle(&[&BASE[..], args].concat()).map(|it| it.limits.limits());
        let set =
            limits(&["--limit", "failed-logins=5", "--limit", "login=9", "--preauth-timeout", "7"]).unwrap();
        assert_eq!(set.protocol.failed_logins, 5);
        assert_eq!((set.protocol.login.as_secs(), set.handshake.as_secs()), (7, 7));
        assert!(
            matches!(limits(&["--limit", "speed=5"]), Err(SettingsError::Limit(name)) if name == "speed")
        );
        let told = limits(&["--limit", "idle=1"]).unwrap_err().to_string();
        assert_eq!(told, "limit idle: 1 s is below the 600 s that RFC 1939 demands");
        for (option, least) in [("--max-connections", 1), ("--write-timeout", 30), ("--preauth-timeout", 1)] {
            assert!(matches!(
                limits(&[option, "0"]),
                Err(SettingsError::OutOfRange { least: told, .. }) if told == least
            ));
        }
        const LISTEN: &str = "listen = \"127.0.0.1:0\"\n";
        let file = from_file(&format!("{LISTEN}write-timeout = 30\n[limits]\nmessages = 3\nwrite = 40\n"));
        let set = file.unwrap().limits.limits();
        assert_eq!((set.messages, set.write.as_secs()), (3, 30));
        assert!(matches!(from_file(&format!("{LISTEN}[limits]\nx = 1\n")), Err(SettingsError::Limit(_))));
    }

    #[test]
    fn r8314_4_2_certificates_are_asked_for_where_an_authority_is_given_and_not_by_chance() {
        let tls = [&BASE[..], &["--cert", "c", "--key", "k"]].concat();
        let asking = |more: &[&str]| settle(&[&tls[..], more].concat()).map(|it| it.listeners[0].client_cert);
        assert_eq!(asking(&[]).unwrap(), ClientCert::Off);
        assert_eq!(asking(&["--client-ca", "a"]).unwrap(), ClientCert::Optional);
        assert_eq!(asking(&["--client-ca", "a", "--client-cert", "required"]).unwrap(), ClientCert::Required);
        assert!(matches!(asking(&["--client-cert", "optional"]), Err(SettingsError::NoClientCa)));
        for unused in [&["--client-ca", "a", "--client-cert", "off"][..], &["--client-crl", "l"]] {
            assert!(matches!(asking(unused), Err(SettingsError::ClientCaUnused)), "{unused:?}");
        }
        let clear = settle(&[&BASE[..], &["--client-ca", "a"]].concat());
        assert!(matches!(clear, Err(SettingsError::ClientCaUnused)));
    }

    #[test]
    fn r9325_3_7_each_certificate_has_its_key() {
        let two = settle(&[&BASE[..], &["--cert", "c", "--key", "k", "--key", "m", "--cert", "d"]].concat());
        assert_eq!(
            two.unwrap().tls.certificates,
            [("c".into(), "k".into()), ("d".into(), "m".into())] as [(PathBuf, PathBuf); 2]
        );
        let odd = settle(&[&BASE[..], &["--cert", "c", "--key", "k", "--cert", "d"]].concat());
        assert!(matches!(odd, Err(SettingsError::KeyCount { certificates: 2, keys: 1 })));
        let file = from_file(
            "listen = \"127.0.0.1:0\"\ncert = \"/c\"\nkey = \"/k\"\n[[certificate]]\ncert = \"/d\"\nkey = \"/m\"\n",
        );
        assert_eq!(file.unwrap().tls.certificates.len(), 2);
        let odd = from_file("listen = \"127.0.0.1:0\"\ncert = \"/c\"\n");
        assert!(matches!(odd, Err(SettingsError::KeyCount { certificates: 1, keys: 0 })));
    }

    #[test]
    fn rdm_2_1e_listeners_may_differ() {
        const TLS: &str = "cert = \"c\"\nkey = \"k\"\nclient-ca = [\"a\", \"b\"]\nclient-cert = \"off\"\n";
        let listener =
            |text: &str| from_file(&format!("{TLS}[[listener]]\naddress = \"127.0.0.1:0\"\n{text}"));
        let settings = listener(
            "mode = \"stls\"\nclient-cert = \"optional\"\nallow-cleartext-login = true\n[[listener]]\n\
             address = \"127.0.0.1:0\"\nmode = \"tls\"\nclient-cert = \"required\"\ncertificate-only = true\n",
        )
        .unwrap();
        let [first, second] = &settings.listeners[..] else { panic!("{settings:?}") };
        assert!(first.mode == Mode::Tls && first.certificate_only && !first.allow_cleartext_login);
        assert_eq!(first.client_cert, ClientCert::Required);
        assert!(second.mode == Mode::Stls && !second.certificate_only && second.allow_cleartext_login);
        for wrong in
            ["mode = \"tls\"\ncertificate-only = true\n", "mode = \"clear\"\nclient-cert = \"optional\"\n"]
        {
            assert!(matches!(listener(wrong), Err(SettingsError::Listener(..))), "{wrong}");
        }
        assert!(matches!(listener("mode = \"tls\"\n"), Err(SettingsError::ClientCaUnused)));
        assert!(matches!(listener("mode = \"smtp\"\n"), Err(SettingsError::Parse { .. })));
    }

    #[test]
    fn metrics_stay_on_the_host() {
        use metrics::MetricsPlace;
        let place = |text: &str| settle(&[&BASE[..], &["--metrics", text]].concat()).map(|it| it.metrics);
        assert_eq!(settle(&BASE).unwrap().metrics, None);
        for address in ["127.0.0.1:9101", "[::1]:0", "127.9.9.9:1", "[::ffff:127.0.0.1]:1"] {
            let wanted = MetricsPlace::Address(address.parse().unwrap());
            assert_eq!(place(address).unwrap(), Some(wanted), "{address}");
        }
        assert_eq!(place("unix:m/s").unwrap(), Some(MetricsPlace::Unix("m/s".into())));
        for wrong in
            ["0.0.0.0:9101", "192.0.2.1:9101", "[::]:9101", "9101", "127.0.0.1", "unix:", "localhost:9101"]
        {
            assert!(matches!(place(wrong), Err(SettingsError::Metrics(text)) if text == wrong), "{wrong}");
        }
        let file = from_file("listen = \"127.0.0.1:0\"\nmetrics = \"unix:s\"\n").unwrap();
        assert_eq!(file.metrics, Some(MetricsPlace::Unix(std::env::temp_dir().join("s"))));
    }

    #[test]
    fn proxies_are_named_for_all_or_for_a_listener() {
        use pop3_blocking::server::TrustedProxies;
        let proxies = |args: &[&str]| {
            settle(&[&BASE[..], args].concat()).map(|settings| settings.listeners[0].proxies.clone())
        };
        let networks = |texts: &[&str]| TrustedProxies::new(texts.iter().map(|text| text.parse().unwrap()));
        assert_eq!(proxies(&[]).unwrap(), None);
        let two = proxies(&["--proxy-from", "192.0.2.0/24", "--proxy-from", "::1"]).unwrap();
        assert_eq!(two, Some(networks(&["192.0.2.0/24", "::1"])));
        let served = proxies(&["--proxy-from", "::1", "--proxy-others", "serve"]).unwrap();
        assert_eq!(served, Some(networks(&["::1"]).serve_others()));
        let refused = proxies(&["--proxy-from", "::1", "--proxy-others", "refuse"]).unwrap();
        assert_eq!(refused, Some(networks(&["::1"])));
        assert!(matches!(proxies(&["--proxy-others", "serve"]), Err(SettingsError::NoProxies)));
        for wrong in ["192.0.2.0/33", "localhost", ""] {
            let refused = proxies(&["--proxy-from", wrong]);
            assert!(matches!(refused, Err(SettingsError::Network(text)) if text == wrong));
        }
        let settings = from_file(
            "listen = \"127.0.0.1:0\"\nproxy-from = \"10.0.0.0/8\"\n\
             [[listener]]\naddress = \"127.0.0.1:1\"\nmode = \"clear\"\nproxy-from = []\n\
             [[listener]]\naddress = \"127.0.0.1:2\"\nmode = \"clear\"\nproxy-others = \"serve\"\n\
             [[listener]]\naddress = \"127.0.0.1:3\"\nmode = \"clear\"\nproxy-from = [\"::1\", \"::2\"]\n",
        )
        .unwrap();
        let of_each: Vec<_> = settings.listeners.into_iter().map(|listener| listener.proxies).collect();
        let ten = || networks(&["10.0.0.0/8"]);
        assert_eq!(of_each, [Some(ten()), None, Some(ten().serve_others()), Some(networks(&["::1", "::2"]))]);
    }

    #[test]
    fn r4422_a_3_map_of_names_is_read_from_both_sources() {
        use pop3_blocking::tls::{CertificateField, CertificateMap};
        let map = CertificateMap::new([CertificateField::CommonName, CertificateField::EmailAddress]);
        let given = settle(&[&BASE[..], &["--client-cert-map", "cn,email"]].concat()).unwrap();
        assert_eq!(given.tls.map, map);
        let lines = "listen = \"127.0.0.1:0\"\nclient-cert-map = ";
        assert_eq!(from_file(&format!("{lines}[\"cn\", \"email\"]\n")).unwrap().tls.map, map);
        assert_eq!(settle(&BASE).unwrap().tls.map, CertificateMap::default());
        assert!(matches!(from_file(&format!("{lines}\"ou\"\n")), Err(SettingsError::Map(_))));
    }
}
