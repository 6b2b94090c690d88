//! Times and numbers that a server bounds.

use std::time::Duration;

use pop3_blocking::pop3_proto::ServerLimits;
use pop3_blocking::server::Limits;

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct LimitArgs {
    /// Seconds from the connection to the login, TLS handshake included [default: 60]
    #[arg(long, value_name = "S")]
    preauth_timeout: Option<u64>,

    /// Seconds of silence after the login; RFC 1939 allows no less than 600 [default: 600]
    #[arg(long, value_name = "S")]
    idle_timeout: Option<u64>,

    /// Seconds that a write may stand still because the client does not read [default: 60]
    #[arg(long, value_name = "S")]
    write_timeout: Option<u64>,

    /// Connections at the same time; more are refused [default: 1000]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
}

/// `None`: what the library sets.
#[derive(Debug)]
pub(crate) struct LimitSettings {
    pub(crate) preauth: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) write: Option<Duration>,
    pub(crate) connections: Option<usize>,
}

impl LimitArgs {
    pub(super) fn settle(self, file: &File) -> Result<LimitSettings, SettingsError> {
        let seconds = |option: &'static str, given: Option<u64>, file: Option<u64>| match given.or(file) {
            Some(0) => Err(SettingsError::Zero(option)),
            seconds => Ok(seconds.map(Duration::from_secs)),
        };
        let settings = LimitSettings {
            preauth: seconds("preauth-timeout", self.preauth_timeout, file.preauth_timeout)?,
            idle: seconds("idle-timeout", self.idle_timeout, file.idle_timeout)?,
            write: seconds("write-timeout", self.write_timeout, file.write_timeout)?,
            connections: self.max_connections.or(file.max_connections),
        };
        if settings.connections == Some(0) {
            return Err(SettingsError::Zero("max-connections"));
        }
        match settings.idle {
            Some(idle) if idle < ServerLimits::IDLE_FLOOR => Err(SettingsError::IdleTooShort(idle.as_secs())),
            _ => Ok(settings),
        }
    }
}

impl LimitSettings {
    /// The limits of the library with these in place.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        if let Some(preauth) = self.preauth {
            limits.protocol.login = preauth;
            limits.handshake = limits.handshake.min(preauth);
        }
        if let Some(idle) = self.idle {
            limits.protocol.idle = idle;
        }
        if let Some(write) = self.write {
            limits.write = write;
        }
        if let Some(connections) = self.connections {
            limits.connections = connections;
        }
        limits
    }
}
