//! Dovecot: a server with every TLS mode and, by settings that a test adds, every SASL mechanism.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::corpus::sent;
use super::process::{Service, free_port};
use super::server::{NOBODY, User, count_maildir, fill_maildir};
use super::temp::{current_user, give_to, is_root, let_read};
use super::{Certs, Mechanism, TempDir, TokenEndpoint};

/// A running Dovecot; dropped, it ends.
#[derive(Debug)]
#[must_use]
pub struct Dovecot {
    // Before the folder: it must not be removed under the running server.
    _service: Service,
    _oauth2: Option<TempDir>,
    dir: TempDir,
    /// The port for connections in the clear and STLS.
    pub plain: u16,
    /// The port for TLS from the first octet.
    pub implicit: u16,
}

impl Dovecot {
    /// Starts it and waits until it accepts connections; `None` where it is not installed, which was then said.
    ///
    /// `settings` come last in the configuration, so they replace what is there. Logins may travel in the clear, and
    /// failed ones are answered at once.
    ///
    /// # Panics
    ///
    /// When it is installed but does not start, with its log.
    #[must_use]
    pub fn start(certs: &Certs, users: &[User<'_>], settings: &str) -> Option<Self> {
        let program = super::require("dovecot")?;
        // A port that was free may be taken before Dovecot asks for it.
        let mut failure = String::new();
        for _ in 0..5 {
            match Self::try_start(&program, certs, users, settings) {
                Ok(server) => return Some(server),
                Err(log) if log.contains("Address already in use") => failure = log,
                Err(log) => panic!("dovecot: {log}"),
            }
        }
        panic!("dovecot: {failure}");
    }

    fn try_start(program: &Path, certs: &Certs, users: &[User<'_>], settings: &str) -> Result<Self, String> {
        let dir = TempDir::new("dovecot");
        let (plain, implicit) = (free_port(), free_port());
        let mail = dir.subdir("mail");
        let mut passwords = String::new();
        for user in users {
            fill_maildir(&mail.join(user.name).join("Maildir"), &user.messages);
            // One that begins with a scheme in braces stands as it is.
            let scheme = if user.password.starts_with('{') { "" } else { "{PLAIN}" };
            writeln!(passwords, "{}:{scheme}{}", user.name, user.password).unwrap();
        }
        let mut config = configuration(&dir, certs, plain, implicit);
        let (uid, gid) = if is_root() {
            give_to(&mail, NOBODY, NOBODY);
            (NOBODY, NOBODY)
        } else {
            config.push_str(&as_current_user());
            current_user()
        };
        dir.file("passwords", passwords);
        let_read(&dir.join("passwords"));
        write!(
            config,
            "userdb {{
  driver = static
  args = uid={uid} gid={gid} home={0}/%u
}}
first_valid_uid = 1
last_valid_uid = 0
{settings}
",
            mail.display(),
        )
        .unwrap();
        let config = dir.file("dovecot.conf", config);
        let mut service =
            Service::start(Command::new(program).arg("-F").arg("-c").arg(config), &dir.join("console"));
        let log =
            || ["console", "log"].map(|file| fs::read_to_string(dir.join(file)).unwrap_or_default()).concat();
        let stream = service.wait_for_port(plain, LIMIT).map_err(|error| format!("{error}: {}", log()))?;
        // Is it ours that answers?
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut line = String::new();
        let read = BufReader::new(stream).read_line(&mut line);
        read.map_err(|error| format!("no greeting: {error}: {}", log()))?;
        if !line.contains(&greeting(plain)) {
            return Err(format!("Address already in use: {line}"));
        }
        Ok(Self { _service: service, _oauth2: None, dir, plain, implicit })
    }

    /// Starts it with these mechanisms and no others, as [`start`](Self::start). Nobody needs a certificate, but whoever
    /// has one of `certs` can be known by it: its subject's common name is the user. A token is what `tokens` makes of it,
    /// and who is anonymous reads the first user's mail.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start), and for a mechanism that it does not know.
    #[must_use]
    pub fn start_with(
        certs: &Certs,
        users: &[User<'_>],
        mechanisms: &[Mechanism],
        tokens: &TokenEndpoint,
    ) -> Option<Self> {
        let dir = TempDir::new("dovecot-tokens");
        let oauth2 = dir.file(
            "oauth2.conf",
            format!(
                "introspection_mode = post\nintrospection_url = {}\nusername_attribute = username\n\
                 active_attribute = active\nactive_value = true\n",
                tokens.url()
            ),
        );
        let_read(&oauth2);
        let mut names = String::new();
        for mechanism in mechanisms {
            assert_eq!(Self::limit(*mechanism), None, "{}", mechanism.name());
            // USER and PASS are there where PLAIN is.
            let name = if *mechanism == Mechanism::UserPass { "plain" } else { mechanism.name() };
            write!(names, " {}", name.to_ascii_lowercase()).unwrap();
        }
        let settings = format!(
            "auth_mechanisms ={names}
auth_anonymous_username = {}
ssl_ca = <{}
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_username_from_cert = yes
ssl_cert_username_field = commonName
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {}
}}
passdb {{
  driver = static
  mechanisms = external anonymous
  args = nopassword=y
}}
",
            users[0].name,
            certs.authority_file().display(),
            oauth2.display(),
        );
        let server = Self::start(certs, users, &settings)?;
        Some(Self { _oauth2: Some(dir), ..server })
    }

    /// Why it cannot be asked for this mechanism, if it cannot.
    #[must_use]
    pub const fn limit(mechanism: Mechanism) -> Option<&'static str> {
        match mechanism {
            Mechanism::ScramSha512 => Some("has no SCRAM-SHA-512"),
            Mechanism::ScramSha1Plus | Mechanism::ScramSha256Plus | Mechanism::ScramSha512Plus => {
                Some("has no channel binding")
            }
            _ => None,
        }
    }

    /// What it sends of a message that it is fit for.
    #[must_use]
    pub fn sends(stored: &[u8]) -> Vec<u8> {
        if stored.is_empty() { b"\r\n".to_vec() } else { sent(stored) }
    }

    /// The Maildir of a user.
    #[must_use]
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.dir.join("mail").join(user).join("Maildir")
    }

    /// How many messages a user has.
    #[must_use]
    pub fn count(&self, user: &str) -> usize {
        count_maildir(&self.maildir(user))
    }

    /// Waits until its log has `text` in it at least `times` times: its processes hand their lines to another one.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub fn wait_for_log(&self, text: &str, times: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.log().matches(text).count() < times {
            assert!(Instant::now() < deadline, "not logged: {text}: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

/// How long it may take to start.
const LIMIT: Duration = Duration::from_secs(30);

/// What only this instance greets with.
fn greeting(port: u16) -> String {
    format!("ready at {port}")
}

/// The configuration without userdb.
fn configuration(dir: &TempDir, certs: &Certs, plain: u16, implicit: u16) -> String {
    format!(
        "base_dir = {0}/run
state_dir = {0}/state
instance_name = {1}
log_path = {0}/log
protocols = pop3
listen = 127.0.0.1
login_greeting = {4}
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
mail_location = maildir:~/Maildir
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 apop
  args = scheme=PLAIN username_format=%u {0}/passwords
}}
ssl = yes
ssl_cert = <{2}
ssl_key = <{3}
ssl_min_protocol = TLSv1.2
service pop3-login {{
  inet_listener pop3 {{
    port = {plain}
  }}
  inet_listener pop3s {{
    port = {implicit}
    ssl = yes
  }}
}}
service anvil {{
  # Without it no client is made to wait for the failures of another.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
",
        dir.path().display(),
        dir.path().file_name().unwrap().to_string_lossy(),
        certs.server_file().display(),
        certs.server_key_file().display(),
        greeting(plain),
    )
}

/// Settings for running without root: everything as the one user there is, nothing locked away.
fn as_current_user() -> String {
    let id = |option| {
        let output = Command::new("id").arg(option).output().unwrap().stdout;
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    let (user, group) = (id("-un"), id("-gn"));
    let mut out = format!(
        "default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n"
    );
    for service in ["anvil", "pop3-login"] {
        writeln!(out, "service {service} {{\n  chroot =\n}}").unwrap();
    }
    out
}
