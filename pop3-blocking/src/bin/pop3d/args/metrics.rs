//! Where a monitoring system may ask what has happened.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use pop3_blocking::server::metrics::Endpoint;

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct MetricsArgs {
    /// Where `GET /metrics` is answered in the text format of OpenMetrics, as Prometheus reads it: a loopback address as
    /// 127.0.0.1:9101, or "unix:PATH". There is no TLS and no password there [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
}

/// A place for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetricsPlace {
    Address(SocketAddr),
    Unix(PathBuf),
}

impl MetricsArgs {
    pub(super) fn settle(self, file: &mut File) -> Result<Option<MetricsPlace>, SettingsError> {
        let Some(text) = self.metrics.or_else(|| file.metrics.take()) else { return Ok(None) };
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Some(MetricsPlace::Unix(path.into()))),
            None if text
                .parse()
                .is_ok_and(|address: SocketAddr| address.ip().to_canonical().is_loopback()) =>
            {
                Ok(text.parse().ok().map(MetricsPlace::Address))
            }
            _ => Err(SettingsError::Metrics(text)),
        }
    }
}

impl MetricsPlace {
    pub(crate) fn bind(&self) -> std::io::Result<Endpoint> {
        match self {
            Self::Address(address) => Endpoint::bind(*address),
            #[cfg(unix)]
            Self::Unix(path) => Endpoint::bind_unix(path),
            #[cfg(not(unix))]
            Self::Unix(_) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }
}

impl fmt::Display for MetricsPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
