//! `pop3d`: serves Maildirs over POP3S and POP3. See `pop3d --help`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod args;
mod check;
#[path = "../common/files.rs"]
mod files;
mod hash;
#[path = "../common/pages.rs"]
mod pages;
mod systemd;
mod token;
mod users;

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread;

use args::listen::{Mode, Place};
use args::login::UsersSettings;
use args::tls::ClientCert;
use args::{Args, Command, ListenSettings, LoginSettings, Settings};
use clap::{CommandFactory, FromArgMatches};
use pop3_blocking::auth::{CheckPassword, UsersFile};
#[cfg(target_os = "linux")]
use pop3_blocking::sandbox::Sandbox;
use pop3_blocking::server::metrics::{Endpoint, Metrics, Serving};
use pop3_blocking::server::{Policy, Running, Server};
use pop3_blocking::store::MaildirStore;
use pop3_blocking::tls::{ServerTls, TlsConfigError};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use systemd::Passed;
use token::TokenCheck;
use users::{Passwords, Users};

/// Exit codes of sysexits(3).
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const OUTPUT: u8 = 74;
const CONFIGURATION: u8 = 78;

/// What went wrong, and the exit code that tells it.
type Failure = (u8, Box<dyn Error>);

fn main() -> ExitCode {
    let matches = match pages::among(Args::command()).try_get_matches() {
        Ok(matches) => matches,
        Err(help) => return misused(&help),
    };
    if let Some(printed) = pages::asked(Args::command(), "8", &matches) {
        return exit(printed.map_err(|error| (OUTPUT, error.into())));
    }
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(help) => return misused(&help),
    };
    match args.command {
        Some(Command::Hash(hash)) => {
            return exit(hash::run(&hash.scheme).map_err(|error| (USAGE, error)));
        }
        Some(Command::Check(options)) => {
            let report = check::run(*options);
            return match report.print() {
                Ok(()) => ExitCode::from(report.code()),
                Err(error) => exit(Err((OUTPUT, error.into()))),
            };
        }
        None => {}
    }
    start_log();
    let outcome = args
        .options
        .settle()
        .map_err(|error| (CONFIGURATION, error.to_string().into()))
        .and_then(|settings| run(&settings));
    exit(outcome)
}

/// `--help` and `--version` are no mistakes; everything else is.
fn misused(help: &clap::Error) -> ExitCode {
    // Nothing is left to tell if the terminal is gone.
    drop(help.print());
    ExitCode::from(if help.use_stderr() { USAGE } else { 0 })
}

fn exit(outcome: Result<(), Failure>) -> ExitCode {
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
    let mut passed = Passed::from_environment().map_err(|error| configuration(error.into()))?;
    let passwords = passwords(&settings.login).map_err(|error| configuration(error.into()))?;
    let tokens = settings.login.token_check.as_deref().map(TokenCheck::new);
    let users = Arc::new(Users::new(passwords, settings.tls.map.clone(), tokens));
    let store = MaildirStore::new(&settings.maildir).map_err(|error| configuration(error.into()))?;
    let store = store.previous_server(settings.previous_server.clone());
    let store = store.delete_policy(settings.delete_policy.clone());
    let tls = Tls::new(settings).map_err(|error| configuration(files::tls_fault(&error).into()))?;

    // Before the sockets are open, so that no signal finds the default action once somebody may rely on it.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|error| (UNAVAILABLE, error.into()))?;

    let builder = Server::builder(Arc::clone(&users), store).limits(settings.limits.limits());
    let mut builder = settings.text.apply(builder);
    let metrics = Arc::new(Metrics::new());
    let endpoint = match &settings.metrics {
        Some(place) => {
            builder = builder.observe(Arc::clone(&metrics));
            let cannot =
                |error| (UNAVAILABLE, format!("cannot listen for metrics on {place}: {error}").into());
            Some(place.bind().map_err(cannot)?)
        }
        None => None,
    };
    let mut tls_listeners = 0;
    for listener in &settings.listeners {
        let policy = policy(listener, &settings.login, &tls);
        let mut sockets = 1;
        match &listener.address {
            Place::Address(address) => builder = builder.listen(*address, policy),
            Place::Passed(name) => {
                let all = passed.take(name).map_err(|error| configuration(error.into()))?;
                sockets = all.len();
                builder = all
                    .into_iter()
                    .fold(builder, |builder, socket| builder.listen_on(socket, policy.clone()));
            }
        }
        tls_listeners += if listener.mode == Mode::Tls { sockets } else { 0 };
    }
    passed.check_all_taken().map_err(|error| configuration(error.into()))?;
    let server = builder.bind().map_err(|error| (UNAVAILABLE, error.into()))?;
    // Before the first thread: those that are there already would stay free.
    confine(settings).map_err(configuration)?;
    let running = Arc::new(server.serve().map_err(|error| (UNAVAILABLE, error.into()))?);
    // Until the last session has ended.
    let _metrics = match endpoint {
        Some(endpoint) => Some(serve_metrics(endpoint, metrics, &running)?),
        None => None,
    };
    announce(&running, tls_listeners).map_err(|error| (UNAVAILABLE, error))?;

    if let Some(pause) = settings.tls.reload.filter(|_| !tls.0.is_empty()) {
        let tls = tls.clone();
        // It ends with the process.
        thread::Builder::new()
            .name("certificates".to_owned())
            .spawn(move || {
                loop {
                    thread::sleep(pause);
                    tls.reload_if_changed();
                }
            })
            .map_err(|error| (UNAVAILABLE, error.into()))?;
    }

    thread::scope(|scope| {
        let (_alive, until) = mpsc::channel();
        let running = &running;
        // The count goes through the register of connections: who waits for that for ever is not alive.
        scope.spawn(move || {
            systemd::keep_alive(&until, || {
                running.statistics();
            })
        });
        systemd::ready();
        for signal in &mut signals {
            if signal == SIGHUP {
                systemd::reloading();
                reload(settings, &users, &tls);
                systemd::ready();
            } else {
                log::info!("stopping: signal {signal}");
                break;
            }
        }
        systemd::stopping();
        running.shutdown();
        running.join();
    });
    Ok(())
}

fn serve_metrics(
    endpoint: Endpoint,
    metrics: Arc<Metrics>,
    running: &Arc<Running>,
) -> Result<Serving, Failure> {
    if let Some(address) = endpoint.address() {
        log::info!("metrics: http://{address}/metrics");
    }
    let running = Arc::clone(running);
    let serving = endpoint.serve(metrics, move || running.statistics());
    serving.map_err(|error| (UNAVAILABLE, error.into()))
}

/// Who checks passwords.
fn passwords(login: &LoginSettings) -> Result<Passwords, String> {
    Ok(match &login.users {
        UsersSettings::File(path) => {
            let users = UsersFile::load(path).map_err(|error| users::fault(path, &error))?;
            Passwords::File(match &login.decoy_secret {
                Some(secret) => users.with_decoy_secret(secret.as_slice()),
                None => users,
            })
        }
        UsersSettings::Program { program, args, patience, names_user } => {
            let asked = CheckPassword::new(program).args(args);
            let asked = if *names_user { asked.user_of_program() } else { asked };
            Passwords::Program(match patience {
                Some(patience) => asked.patience(*patience),
                None => asked,
            })
        }
    })
}

/// Gives up what is not needed any more.
#[cfg(target_os = "linux")]
fn confine(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let Some(keep) = &settings.sandbox else { return Ok(()) };
    let sandbox = keep.files.iter().fold(Sandbox::new(), Sandbox::read_file).write_beneath(&keep.mail);
    let sandbox = if keep.best_effort { sandbox.best_effort() } else { sandbox };
    let enforced = sandbox.enforce()?;
    let level = if enforced.files { log::Level::Info } else { log::Level::Warn };
    log::log!(level, "sandbox: {enforced}");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn confine(_: &Settings) -> Result<(), Box<dyn Error>> {
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

fn policy(listener: &ListenSettings, login: &LoginSettings, tls: &Tls) -> Policy {
    let tls = tls.asking(listener.client_cert).filter(|_| listener.mode != Mode::Clear);
    let mut policy = match tls {
        Some(tls) if listener.mode == Mode::Tls => Policy::implicit_tls(tls.clone()),
        Some(tls) => Policy::stls(tls.clone()),
        None => Policy::cleartext(),
    };
    policy = login.apply(policy);
    if listener.allow_cleartext_login {
        policy = policy.allow_cleartext_login();
    }
    if listener.certificate_only {
        policy = policy.certificate_only();
    }
    if let Some(proxies) = &listener.proxies {
        policy = policy.behind_proxies(proxies.clone());
    }
    policy
}

/// TLS for the listeners, one for each way of asking for client certificates.
#[derive(Clone)]
struct Tls(Vec<(ClientCert, ServerTls)>);

impl Tls {
    fn new(settings: &Settings) -> Result<Self, TlsConfigError> {
        let mut all = Vec::new();
        for listener in settings.listeners.iter().filter(|listener| listener.mode != Mode::Clear) {
            let when = listener.client_cert;
            if all.iter().all(|(made, _)| *made != when) {
                all.push((when, settings.tls.builder(when).build()?));
            }
        }
        Ok(Self(all))
    }

    fn asking(&self, when: ClientCert) -> Option<&ServerTls> {
        self.0.iter().find(|(made, _)| *made == when).map(|(_, tls)| tls)
    }

    fn reload(&self) -> Result<(), TlsConfigError> {
        self.0.iter().try_for_each(|(_, tls)| tls.reload())
    }

    /// What cannot be read leaves what was in force in force, and is told once.
    fn reload_if_changed(&self) {
        let mut changed = false;
        for (_, tls) in &self.0 {
            match tls.reload_if_changed() {
                Ok(whether) => changed |= whether,
                Err(error) => {
                    let fault = files::tls_fault(&error);
                    log::error!("certificates have changed and were not read again: {fault}");
                }
            }
        }
        if changed {
            log::info!("certificates have changed: all of TLS read again");
        }
    }
}

/// What cannot be read leaves what was in force in force.
fn reload(settings: &Settings, users: &Users, tls: &Tls) {
    if let Some(path) = settings.login.users.file() {
        match users.reload() {
            Ok(()) => log::info!("read again: {}", path.display()),
            Err(error) => {
                log::error!("users file not read again: {}", users::fault(path, &error));
            }
        }
    }
    match (tls.reload(), settings.tls.certificates.first()) {
        (Ok(()), Some((chain, _))) => log::info!("read again: {} and all of TLS", chain.display()),
        (Ok(()), None) => {}
        (Err(error), _) => log::error!("certificates not read again: {}", files::tls_fault(&error)),
    }
}

fn start_log() {
    let filter = ["POP3_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    env_logger::Builder::new().parse_filters(filter.as_deref().unwrap_or("info")).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_page_holds_every_option() {
        pages::looks::page_is_whole(Args::command(), "8");
    }

    #[test]
    fn shells_complete_the_options() {
        pages::looks::completions_are_whole(Args::command(), "listen-tls");
    }
}
