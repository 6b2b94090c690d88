//! `pop3-pg`: a POP3 server over mail in PostgreSQL, and what puts users and mail there. See `pop3-pg --help`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use pop3_blocking::auth::Identity;
use pop3_blocking::pop3_proto::MessageNumber;
use pop3_blocking::server::{Limits, Network, Policy, Server, TrustedProxies};
use pop3_blocking::store::{MaildirStore, Maildrop, Message, OpenContext, Store};
use pop3_blocking::tls::ServerTls;
use pop3_scale_out::{Added, Database, Importer, PgStore, PgUsers, Pool, SCHEMA};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// As from sysexits(3): try again later. Mail systems keep a message that could not be handed over with it.
const TEMPORARY: u8 = 75;

/// Serves mail that lies in PostgreSQL.
#[derive(Parser)]
#[command(name = "pop3-pg", version)]
struct Args {
    /// The database, as 'host=/run/postgresql dbname=mail', reached directly and not through a pooler. Unless it is given it
    /// stands in POP3_DATABASE, which other users of the machine cannot read.
    #[arg(long, value_name = "CONNECTION")]
    database: Option<String>,
    /// The authorities of the database's certificate, PEM; the system's unless it is given. Another machine is reached under
    /// TLS, unless the connection says 'sslmode=disable'.
    #[arg(long, value_name = "FILE")]
    database_ca: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the tables in an empty database.
    Init,
    /// Adds a user with an empty maildrop, or changes a password, which is the first line of standard input.
    User { name: String },
    /// Adds the message on standard input to the maildrop of USER; or, with --maildir, all of a Maildir.
    Import {
        user: String,
        /// A Maildir to be read, '{user}' in it standing for the name. Unique-ids stay what they were under pop3d, Dovecot
        /// or Courier. Messages that are there already are left as they are.
        #[arg(long, value_name = "TEMPLATE")]
        maildir: Option<PathBuf>,
    },
    /// Serves.
    Serve(Serve),
}

#[derive(clap::Args)]
struct Serve {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The load balancers, an address or a network as 192.0.2.0/28; may be given again. Connections come from them alone, and
    /// begin with a PROXY header that tells the client's address.
    #[arg(long, value_name = "NETWORK")]
    behind: Vec<Network>,
    /// Certificate chain, PEM: TLS from the first octet. Without it the connection is in the clear, for loopback alone.
    #[arg(long, requires = "key", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Key of the certificate, PEM.
    #[arg(long, requires = "cert", value_name = "FILE")]
    key: Option<PathBuf>,
    /// How many sessions may be logged in at once: each has a connection to the database.
    #[arg(long, default_value_t = 50, value_name = "N")]
    sessions: usize,
    /// How many connections to the database there are for lookups of users.
    #[arg(long, default_value_t = 2, value_name = "N")]
    lookups: usize,
    /// How many seconds a login waits for one of them to become free.
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    wait: u64,
    /// How many logged-in sessions an address may have.
    #[arg(long, default_value_t = 10, value_name = "N")]
    sessions_per_address: usize,
    /// The iterations that the passwords of most users were hashed with.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    iterations: u32,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = std::env::var("POP3_LOG").unwrap_or_else(|_| "info".into());
    env_logger::Builder::new().parse_filters(&filter).init();
    let database = args.database.or_else(|| std::env::var("POP3_DATABASE").ok()).unwrap_or_default();
    let opened = Database::new(&database, args.database_ca.as_deref());
    match opened.map_err(Into::into).and_then(|database| run(&args.command, &database)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pop3-pg: {error}");
            ExitCode::from(TEMPORARY)
        }
    }
}

fn run(command: &Command, database: &Database) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Init => Ok(database.connect()?.run(SCHEMA)?),
        Command::User { name } => {
            let mut password = String::new();
            io::stdin().read_line(&mut password)?;
            let pool = Pool::new(database.clone(), 1, Duration::ZERO);
            Ok(PgUsers::set_password(&pool, name, password.trim_end_matches(['\r', '\n']).as_bytes())?)
        }
        Command::Import { user, maildir } => {
            let mut importer = Importer::new(database, user)?;
            let Some(template) = maildir else {
                importer.add(&mut io::stdin().lock(), None)?;
                return Ok(());
            };
            let (added, left) = import(&mut importer, user, template)?;
            println!("{added} messages added, {left} were there already");
            Ok(())
        }
        Command::Serve(serve) => self::serve(serve, database),
    }
}

/// Copies a Maildir. It is locked meanwhile, and stays as it is.
fn import(importer: &mut Importer, user: &str, template: &PathBuf) -> Result<(u64, u64), Box<dyn Error>> {
    let mut maildir = MaildirStore::new(template)?.open(&Identity::new(user), &OpenContext::default())?;
    let mut listing = Vec::new();
    maildir.scan(&mut |meta| {
        listing.push((meta.octets, String::from_utf8_lossy(meta.unique_id).into_owned()));
        Ok(())
    })?;
    let (mut added, mut left) = (0, 0);
    for (number, (octets, unique_id)) in (1..).zip(&listing) {
        let number = MessageNumber::new(number).ok_or("message 0")?;
        let mut message = maildir.open_message(Message::new(number, *octets, unique_id.as_bytes()))?;
        match importer.add(&mut message, Some(unique_id))? {
            Added::Octets(stored) if stored == *octets => added += 1,
            Added::AlreadyThere => left += 1,
            other => return Err(format!("message {unique_id} of {octets} octets: {other:?}").into()),
        }
    }
    Ok((added, left))
}

fn serve(args: &Serve, database: &Database) -> Result<(), Box<dyn Error>> {
    let wait = Duration::from_secs(args.wait);
    let users = PgUsers::new(Pool::new(database.clone(), args.lookups, wait), args.iterations)?;
    let store = PgStore::new(Pool::new(database.clone(), args.sessions, wait));
    let mut policy = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => {
            Policy::implicit_tls(ServerTls::builder().certificate_files(cert, key).build()?)
        }
        _ if args.listen.ip().is_loopback() => Policy::cleartext().allow_cleartext_login(),
        _ => return Err("without a certificate it listens on loopback only".into()),
    };
    if !args.behind.is_empty() {
        policy = policy.behind_proxies(TrustedProxies::new(args.behind.iter().copied()));
    }
    let mut limits = Limits::default();
    // Those that have logged in, and as many as usual that have not.
    limits.connections += args.sessions;
    limits.connections_per_address = args.sessions_per_address;
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let secret = users.decoy_secret().to_vec();
    let server = Server::builder(users, store)
        .decoy_secret(secret)
        .limits(limits)
        .listen(args.listen, policy)
        .bind()?
        .serve()?;
    let mut out = io::stdout().lock();
    writeln!(out, "listening {}", server.addresses().first().ok_or("nowhere")?)?;
    out.flush()?;
    signals.forever().next();
    // Sessions end what they are at, a QUIT included; then those that wait for their clients are closed.
    server.shutdown();
    server.join();
    Ok(())
}
