//! `--srv`: the server of a mail domain, found once and then remembered (RFC 6186).
//!
//! DNS is not signed, so that it is asked when an account is new, and again when there is no way to the server that was
//! found, but not for each connection (R8314-5.1). A server outside the domain must be certified for the domain; whoever
//! agrees to another one names it in the URL (R6186-6.2).

use std::net::TcpStream;
use std::path::PathBuf;

use pop3_blocking::client::{ClientOptions, Connection, Error};
use pop3_blocking::delivery::Journal;
use pop3_blocking::discovery::{Candidate, DiscoveryError, Resolver};
use pop3_blocking::pop3_proto::discovery::{Preferences, login_names};
use pop3_blocking::tls::{ClientTls, SrvService};

use crate::account::Account;
use crate::args::Common;
use crate::exit::{Failure, Kind, Stage};
use crate::state;

/// What is known of the server of a domain.
#[derive(Debug)]
pub(crate) struct Found {
    file: Option<PathBuf>,
    domain: String,
    server: Option<Candidate>,
    /// The name that logged in.
    user: Option<String>,
}

impl Found {
    /// What earlier runs found.
    pub(crate) fn earlier(account: &Account) -> Self {
        let file = state::dir().map(|dir| dir.join(format!("{}.srv", Journal::file_name(&account.name))));
        let mut found = Self { file, domain: account.host.clone(), server: None, user: None };
        if let Some(text) = found.file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()) {
            found.read(&text);
        }
        found
    }

    /// `service host port`, and perhaps the name. What cannot be read is looked up again.
    fn read(&mut self, text: &str) {
        let mut words = text.trim_end().splitn(4, ' ');
        let (Some(service), Some(host), Some(port)) = (words.next(), words.next(), words.next()) else {
            return;
        };
        let service = match service {
            "pop3s" => SrvService::Pop3s,
            "pop3" => SrvService::Pop3,
            _ => return,
        };
        let Ok(port) = port.parse() else { return };
        self.server = Candidate::new(&self.domain, host, port, service).ok();
        self.user = words.next().map(str::to_owned);
    }

    fn write(&self) {
        let (Some(file), Some(server)) = (&self.file, &self.server) else { return };
        let service = match server.service() {
            SrvService::Pop3s => "pop3s",
            _ => "pop3",
        };
        let mut line = format!("{service} {} {}", server.host(), server.port());
        if let Some(user) = &self.user {
            line.push(' ');
            line.push_str(user);
        }
        let dir = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = dir.and_then(|()| std::fs::write(file, format!("{line}\n"))) {
            log::warn!("{}: {error}", file.display());
        }
    }

    pub(crate) fn connect(
        &mut self,
        common: &Common,
        tls: &ClientTls,
        options: &ClientOptions,
    ) -> Result<Connection<TcpStream>, Failure> {
        if let Some(server) = &self.server {
            match server.connect(server.usual_reference(), tls, options) {
                Err(Error::Resolve { .. } | Error::Connect { .. } | Error::TimedOut { .. }) => {
                    log::info!("no way to {} any more: looking for the server again", server.host());
                }
                done => return done.map_err(|error| Failure::by_client(error, Stage::Connecting)),
            }
        }
        let resolver = match common.dns {
            Some(server) => Resolver::new([server]),
            None => Resolver::system().map_err(failure)?,
        };
        let found = Connection::discover(&self.domain, &resolver, Preferences::default(), tls, options);
        let (connection, server) = found.map_err(failure)?;
        log::info!("the server of {} is {}:{}", self.domain, server.host(), server.port());
        self.server = Some(server);
        self.write();
        Ok(connection)
    }

    /// The names to log in by: the one that worked, or the whole address, then what stands before its `@` (R6186-4.1).
    pub(crate) fn names(&self, user: &str) -> Vec<String> {
        if let Some(user) = &self.user {
            return vec![user.clone()];
        }
        let address = if user.contains('@') { user.to_owned() } else { format!("{user}@{}", self.domain) };
        login_names(&address).map(str::to_owned).collect()
    }

    pub(crate) fn worked(&mut self, user: &str) {
        if self.user.as_deref() != Some(user) {
            self.user = Some(user.to_owned());
            self.write();
        }
    }
}

fn failure(error: DiscoveryError) -> Failure {
    let next = "name the server in the URL instead of --srv, as your provider tells it";
    match error {
        DiscoveryError::Unreachable(unreachable) => {
            let text = format!("{unreachable}; {next}");
            match unreachable.failures.into_iter().next_back() {
                Some((_, error)) => Failure::by_client(error, Stage::Connecting).saying(text),
                None => Failure::new(Kind::Host, text),
            }
        }
        error @ DiscoveryError::Lookup(_) => Failure::new(Kind::Host, error.to_string()).try_again(),
        error => Failure::new(Kind::Host, format!("{error}; {next}")),
    }
}
