//! The options of `pop3d`, on the command line and in the configuration file. Each noun has its own: how it is given, what
//! it comes to, and how the two sources are joined.

use std::path::PathBuf;

use clap::Parser;
use pop3_blocking::store::maildir::{DeletePolicy, PreviousServer, UidlFormat};

mod error;
pub(crate) mod file;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod login;
pub(crate) mod metrics;
pub(crate) mod proxy;
pub(crate) mod sandbox;
pub(crate) mod text;
pub(crate) mod tls;

pub(crate) use error::SettingsError;
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
    /// `[[certificate]]` tables (cert, key), limits by their names as a `[limits]` table, and listeners with a policy of
    /// their own as `[[listener]]` tables (address, mode = "tls", "stls" or "clear", client-cert, allow-cleartext-login,
    /// certificate-only, proxy-from, proxy-others).
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
mod tests;
