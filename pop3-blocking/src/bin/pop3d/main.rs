//! `pop3d`: serves Maildirs over POP3S and POP3. See `pop3d --help`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod args;
mod users;

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use args::{Args, Settings};
use clap::Parser;
use pop3_blocking::auth::UsersFile;
use pop3_blocking::server::{Policy, Running, Server};
use pop3_blocking::store::MaildirStore;
use pop3_blocking::tls::{ClientCertificates, ServerTls};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use users::Users;

/// Exit codes of sysexits(3).
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const CONFIGURATION: u8 = 78;

/// What went wrong, and the exit code that tells it.
type Failure = (u8, Box<dyn Error>);

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(help) => {
            let code = if help.use_stderr() { USAGE } else { 0 };
            // Nothing is left to tell if the terminal is gone.
            drop(help.print());
            return ExitCode::from(code);
        }
    };
    start_log();
    let outcome = args
        .settle()
        .map_err(|error| (CONFIGURATION, error.to_string().into()))
        .and_then(|settings| run(&settings));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => {
            eprintln!("pop3d: {error}");
            ExitCode::from(code)
        }
    }
}

fn run(settings: &Settings) -> Result<(), Failure> {
    let configuration = |error: Box<dyn Error>| (CONFIGURATION, error);
    let users = UsersFile::load(&settings.login.users).map_err(|error| configuration(error.into()))?;
    let users = Arc::new(Users::new(users, settings.tls.client_ca.is_some()));
    let store = MaildirStore::new(&settings.maildir).map_err(|error| configuration(error.into()))?;
    let tls = tls(settings).map_err(configuration)?;

    // Before the sockets are open, so that no signal finds the default action once somebody may rely on it.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|error| (UNAVAILABLE, error.into()))?;

    let mut builder = Server::builder(Arc::clone(&users), store).limits(settings.limits.limits());
    for address in &settings.listen.tls {
        if let Some(tls) = &tls {
            builder = builder.listen(*address, Policy::implicit_tls(tls.clone()));
        }
    }
    for address in &settings.listen.plain {
        let policy = tls.as_ref().map_or_else(Policy::cleartext, |tls| Policy::stls(tls.clone()));
        let policy = if settings.login.allow_cleartext { policy.allow_cleartext_login() } else { policy };
        builder = builder.listen(*address, policy);
    }
    let server = builder.bind().map_err(|error| (UNAVAILABLE, error.into()))?;
    let running = server.serve().map_err(|error| (UNAVAILABLE, error.into()))?;
    announce(&running, settings.listen.tls.len()).map_err(|error| (UNAVAILABLE, error))?;

    for signal in &mut signals {
        if signal == SIGHUP {
            reload(settings, &users, tls.as_ref());
        } else {
            log::info!("stopping: signal {signal}");
            break;
        }
    }
    running.shutdown();
    running.join();
    Ok(())
}

/// The one line that says where the server listens.
fn announce(running: &Running, tls_listeners: usize) -> Result<(), Box<dyn Error>> {
    let (tls, plain) = running.addresses().split_at(tls_listeners);
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening tls={} plain={}", joined(tls), joined(plain))?;
    out.flush()?;
    Ok(())
}

fn joined(addresses: &[SocketAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(",") }
}

fn tls(settings: &Settings) -> Result<Option<ServerTls>, Box<dyn Error>> {
    let Some((chain, key)) = &settings.tls.certificate else { return Ok(None) };
    let mut builder = ServerTls::builder().certificate_files(chain, key);
    if let Some(ca) = &settings.tls.client_ca {
        builder = builder.client_ca_file(ca).client_certificates(ClientCertificates::Optional);
    }
    Ok(Some(builder.build()?))
}

/// What cannot be read leaves what was in force in force.
fn reload(settings: &Settings, users: &Users, tls: Option<&ServerTls>) {
    match users.reload() {
        Ok(()) => log::info!("read again: {}", settings.login.users.display()),
        Err(error) => log::error!("users file not read again: {error}"),
    }
    if let (Some(tls), Some((chain, _))) = (tls, &settings.tls.certificate) {
        match tls.reload() {
            Ok(()) => log::info!("read again: {}", chain.display()),
            Err(error) => log::error!("certificate not read again: {error}"),
        }
    }
}

fn start_log() {
    let filter = ["POP3_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    env_logger::Builder::new().parse_filters(filter.as_deref().unwrap_or("info")).init();
}
