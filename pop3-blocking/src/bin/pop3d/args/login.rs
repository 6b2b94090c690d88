//! Who may log in, and how.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pop3_blocking::auth::Mechanisms;
use pop3_blocking::server::Policy;

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// Who may log in: a file of lines "user:{SCHEME}hash" as Dovecot has them. Schemes: ARGON2ID, SHA512-CRYPT,
    /// SHA256-CRYPT, BLF-CRYPT, CRYPT, SCRAM-SHA-256 (-512, -1), PLAIN; EXTERNAL for who logs in by certificate alone;
    /// SECRET for who logs in by CRAM-MD5 or APOP alone. "pop3d hash" makes them.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// Instead of --users: who may log in is asked of this program, which has the interface of checkpassword, as
    /// /usr/sbin/checkpassword-pam. The name and the password are on its descriptor 3. It accepts by running the command
    /// that stands behind its arguments, ends with 1 to refuse, and with 111 for "try later". It runs as pop3d does. No
    /// certificates and no SCRAM then.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "users")]
    checkpassword: Option<PathBuf>,

    /// An argument for the program of --checkpassword. May be given more than once, for the next one. In the file program
    /// and arguments are one list: checkpassword = ["/usr/sbin/checkpassword-pam", "-s", "pop3"]
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, requires = "checkpassword")]
    checkpassword_arg: Vec<OsString>,

    /// Seconds that the program of --checkpassword may take before it is killed, from 1 to 300 [default: 10]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=300))]
    checkpassword_timeout: Option<u64>,

    /// The user is whom the program of --checkpassword names in the variable USER, and not the name that the client gave.
    /// Not for programs that leave the domain out of it: users of the same name would get one another's mail.
    #[arg(long)]
    checkpassword_user: bool,

    /// Let clients log in by these mechanisms and no other, as in "EXTERNAL,SCRAM-SHA-256-PLUS,SCRAM-SHA-256,PLAIN,USER".
    /// Default: all that the users can use, but LOGIN, CRAM-MD5 and APOP, which are for old clients and must be named.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    mechanisms: Vec<String>,

    /// Let clients log in by certificate and in no other way; needs --client-ca.
    #[arg(long)]
    certificate_only: bool,

    /// Offer SCRAM with channel binding under TLS 1.2 too, bound to the server's certificate (tls-server-end-point).
    #[arg(long)]
    bind_to_certificate: bool,

    /// Let clients log in by a bearer token (OAUTHBEARER, XOAUTH2) if this program says whose it is: it gets the token on
    /// standard input, and writes the user's name and ends with code 0, or ends with another code (75: try later).
    /// It has 10 seconds. No shell is involved.
    #[arg(long, value_name = "PROGRAM")]
    token_check: Option<PathBuf>,

    /// A file of 16 or more random octets. From it salts are made up for users that do not exist, so that they are the
    /// same after a restart [default: random ones at each start]
    #[arg(long, value_name = "FILE")]
    decoy_secret: Option<PathBuf>,

    /// Let passwords travel in clear text on --listen, where anyone on the path can read them.
    #[arg(long)]
    allow_cleartext_login: bool,
}

#[derive(Debug)]
pub(crate) struct LoginSettings {
    pub(crate) users: UsersSettings,
    pub(crate) mechanisms: Mechanisms,
    /// Unless a listener has a setting of its own.
    pub(crate) certificate_only: bool,
    pub(crate) bind_to_certificate: bool,
    pub(crate) token_check: Option<PathBuf>,
    pub(crate) decoy_secret: Option<Vec<u8>>,
    pub(crate) decoy_secret_file: Option<PathBuf>,
    pub(crate) allow_cleartext: bool,
}

/// Who knows the users.
#[derive(Debug)]
pub(crate) enum UsersSettings {
    File(PathBuf),
    Program { program: PathBuf, args: Vec<OsString>, patience: Option<Duration>, names_user: bool },
}

impl UsersSettings {
    /// The file, if it is one.
    pub(crate) const fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Program { .. } => None,
        }
    }
}

impl LoginArgs {
    pub(super) fn settle(mut self, file: &mut File) -> Result<LoginSettings, SettingsError> {
        let users = self.users(file)?;
        let named =
            if self.mechanisms.is_empty() { std::mem::take(&mut file.mechanisms) } else { self.mechanisms };
        let mechanisms = if named.is_empty() {
            Mechanisms::DEFAULT
        } else {
            let set =
                |name: &String| Mechanisms::named(name).ok_or_else(|| SettingsError::Mechanism(name.clone()));
            named.iter().map(set).collect::<Result<_, _>>()?
        };
        let decoy_secret = self.decoy_secret.or_else(|| file.decoy_secret.take());
        Ok(LoginSettings {
            users,
            mechanisms,
            certificate_only: self.certificate_only || file.certificate_only,
            bind_to_certificate: self.bind_to_certificate || file.bind_to_certificate,
            token_check: self.token_check.or_else(|| file.token_check.take()),
            decoy_secret: decoy_secret.as_deref().map(secret).transpose()?,
            decoy_secret_file: decoy_secret,
            allow_cleartext: self.allow_cleartext_login || file.allow_cleartext_login,
        })
    }

    /// Either of the two, of the command line or else of the file.
    fn users(&mut self, file: &mut File) -> Result<UsersSettings, SettingsError> {
        let mut asked = file.checkpassword.unless(Vec::new()).into_iter();
        let (of_file, program_of_file) = (file.users.take(), asked.next());
        if of_file.is_some() && program_of_file.is_some() {
            return Err(SettingsError::UsersTwice);
        }
        let (program, args) = match (self.users.take(), self.checkpassword.take()) {
            (Some(users), _) => return Ok(UsersSettings::File(users)),
            (None, Some(program)) => (program, std::mem::take(&mut self.checkpassword_arg)),
            (None, None) => match (of_file, program_of_file) {
                (Some(users), _) => return Ok(UsersSettings::File(users)),
                (None, Some(program)) => (program, asked.map(PathBuf::into_os_string).collect()),
                (None, None) => return Err(SettingsError::Missing("users")),
            },
        };
        let seconds = self.checkpassword_timeout.or(file.checkpassword_timeout);
        if let Some(value) = seconds.filter(|seconds| !(1..=300).contains(seconds)) {
            let name = "checkpassword-timeout";
            return Err(SettingsError::OutOfRange { name, value, least: 1, greatest: 300 });
        }
        Ok(UsersSettings::Program {
            program,
            args,
            patience: seconds.map(Duration::from_secs),
            names_user: self.checkpassword_user || file.checkpassword_user,
        })
    }
}

impl LoginSettings {
    /// `policy` with the mechanisms. Clear text and certificates alone are settings of each listener.
    pub(crate) fn apply(&self, policy: Policy) -> Policy {
        let policy = policy.mechanisms(self.mechanisms);
        if self.bind_to_certificate { policy.tls_server_end_point() } else { policy }
    }
}

fn secret(path: &Path) -> Result<Vec<u8>, SettingsError> {
    let octets =
        std::fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    if octets.len() < 16 { Err(SettingsError::ShortSecret(path.to_owned())) } else { Ok(octets) }
}
