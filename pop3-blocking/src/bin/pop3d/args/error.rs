//! What can be wrong with the options of `pop3d`: [`SettingsError`].

use std::fmt;
use std::path::PathBuf;

use pop3_blocking::store::maildir::{DeletePolicyError, UidlFormatError};
use pop3_blocking::tls::UnknownField;

use super::listen;
use crate::files;

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
            Self::Read { path, source } => f.write_str(&files::cannot_read(path, source)),
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
