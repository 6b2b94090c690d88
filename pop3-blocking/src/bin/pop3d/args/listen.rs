//! Where `pop3d` listens.

use std::net::SocketAddr;

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// Where to listen for POP3S: TLS from the first octet (the registered port is 995). May be given more than once.
    #[arg(long, value_name = "ADDR")]
    listen_tls: Vec<SocketAddr>,

    /// Where to listen for POP3 in clear text (the registered port is 110). With --cert, STLS is offered there; without
    /// --allow-cleartext-login nobody can log in before it. May be given more than once.
    #[arg(long, value_name = "ADDR")]
    listen: Vec<SocketAddr>,
}

#[derive(Debug)]
pub(crate) struct ListenSettings {
    /// TLS from the first octet.
    pub(crate) tls: Vec<SocketAddr>,
    /// Clear text, with STLS if there is a certificate.
    pub(crate) plain: Vec<SocketAddr>,
}

impl ListenArgs {
    pub(super) fn settle(self, file: &mut File) -> Result<ListenSettings, SettingsError> {
        let settings = ListenSettings {
            tls: file.listen_tls.unless(self.listen_tls),
            plain: file.listen.unless(self.listen),
        };
        Ok(settings)
    }
}

impl ListenSettings {
    pub(super) fn is_empty(&self) -> bool {
        self.tls.is_empty() && self.plain.is_empty()
    }
}
