//! One connection to the database: [`Link`].

use core::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use pop3_blocking::tls::ClientTls;
use postgres::config::{Host, SslMode, TargetSessionAttrs};
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Row, RowIter, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Fault;

/// What every session of ours asks of PostgreSQL, over what its configuration says. A statement ends in half a minute; a
/// session whose client is gone, be it in the middle of a statement or by loss of its machine, is ended in less than one, and
/// its locks with it.
const SESSION: &str = "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s \
     -c client_connection_check_interval=5s -c tcp_user_timeout=30s -c tcp_keepalives_idle=15 \
     -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

/// How long one address of the database may take to answer to a new connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long data may be under way to the database before the connection is given up; the same from here as from there.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Where the database is.
#[derive(Clone)]
pub struct Database {
    config: Config,
    /// `None`: in the clear.
    tls: Option<MakeRustlsConnect>,
}

impl Database {
    /// A database after a connection string: `host=db1,db2 user=pop3 dbname=mail`, or a URL. With several hosts the one that
    /// takes writes is chosen.
    ///
    /// Another machine is reached under TLS, and never in the clear because TLS is not to be had there. Its certificate must be
    /// for its name and from an authority in the PEM file `authorities`, or, without one, from one that the system trusts. What
    /// the string says of it: `sslmode=require` asks for the same of this machine, `sslmode=disable` for neither, on a network
    /// of one's own or through a tunnel; `prefer` is no answer to somebody on the way, and counts as nothing said.
    ///
    /// # Errors
    ///
    /// [`Fault::Database`]: the string is none. [`Fault::Tls`]: the authorities cannot be read.
    pub fn new(connection: &str, authorities: Option<&Path>) -> Result<Self, Fault> {
        let mut config: Config = connection.parse()?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNACKNOWLEDGED);
        }
        if config.get_application_name().is_none() {
            config.application_name("pop3");
        }
        let tls = needs_tls(&config).then(|| tls(authorities)).transpose()?;
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config, tls })
    }

    /// Opens a connection, and makes sure that it leads to a session of its own.
    ///
    /// The proof is a random word among the parameters with which the session starts. A pooler has started its sessions long
    /// before and has no way to hand the word on; PgBouncer refuses such a connection outright unless it was told to ignore
    /// parameters.
    ///
    /// # Errors
    ///
    /// [`Fault::Database`], [`Fault::Pooled`].
    pub fn connect(&self) -> Result<Link, Fault> {
        let word = format!("{:016x}", RandomState::new().build_hasher().finish());
        let mut config = self.config.clone();
        let options = config.get_options().unwrap_or_default();
        config.options(&format!("{SESSION} {options} -c pop3.session={word}"));
        let mut client = match &self.tls {
            Some(tls) => config.connect(tls.clone()),
            None => config.connect(NoTls),
        }?;
        let row = client.query_typed_one(
            "SELECT current_setting('pop3.session', true), current_setting('synchronous_commit')",
            &[],
        )?;
        let (said, commit): (Option<&str>, &str) = (row.try_get(0)?, row.try_get(1)?);
        if said != Some(word.as_str()) {
            return Err(Fault::Pooled);
        }
        // What is called removed must stay removed when the power fails.
        if commit == "off" {
            client.batch_execute("SET synchronous_commit = on")?;
        }
        Ok(Link { client, prepared: [const { None }; Sql::ALL.len()] })
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the password.
        f.debug_struct("Database").field("hosts", &self.config.get_hosts()).finish_non_exhaustive()
    }
}

/// Whether the database, or one of several, is reached by more than this machine.
fn needs_tls(config: &Config) -> bool {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    match config.get_ssl_mode() {
        SslMode::Disable => false,
        SslMode::Require => true,
        // Where an address is given the name is for the certificate alone.
        _ if config.get_hostaddrs().is_empty() => !config.get_hosts().iter().all(is_here),
        _ => !config.get_hostaddrs().iter().all(IpAddr::is_loopback),
    }
}

/// TLS as this crate's clients do it, in PostgreSQL's name.
fn tls(authorities: Option<&Path>) -> Result<MakeRustlsConnect, Fault> {
    let builder = ClientTls::builder();
    let builder = match authorities {
        Some(path) => builder.ca_file(path),
        None => builder.platform_roots(),
    };
    let mut config = (**builder.build()?.config()).clone();
    config.alpn_protocols = vec![b"postgresql".into()];
    Ok(MakeRustlsConnect::new(config))
}

/// The statements, prepared when a connection first needs them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sql {
    Password,
    DecoySecret,
    Lock,
    Unlock,
    Scan,
    FirstPiece,
    NextPiece,
    Delete,
    Outcome,
}

impl Sql {
    const ALL: [&str; 9] = [
        "SELECT password FROM maildrop WHERE name = $1",
        "SELECT decoy_secret FROM setting",
        // One row at most, so the lock is asked for once at most.
        "SELECT id, pg_try_advisory_lock(id) FROM maildrop WHERE name = $1",
        "SELECT pg_advisory_unlock($1)",
        "SELECT id, octets, unique_id FROM message WHERE maildrop = $1 ORDER BY id",
        // A message without octets has no piece, one that is gone has no row.
        "SELECT p.octets FROM message m LEFT JOIN piece p \
            ON p.maildrop = m.maildrop AND p.message = m.id AND p.number = 0 \
            WHERE m.maildrop = $1 AND m.id = $2",
        "SELECT octets FROM piece WHERE maildrop = $1 AND message = $2 AND number = $3",
        "WITH gone AS (DELETE FROM message WHERE maildrop = $1 AND id = ANY($2) RETURNING 1) \
            SELECT pg_current_xact_id()::text, (SELECT count(*) FROM gone)",
        "SELECT pg_xact_status($1::text::xid8)",
    ];

    const fn text(self) -> &'static str {
        Self::ALL[self as usize]
    }
}

/// A connection to the database, which is a session there. It is never made anew: with it go its locks.
pub struct Link {
    client: Client,
    prepared: [Option<Statement>; Sql::ALL.len()],
}

impl Link {
    fn prepare(&mut self, sql: Sql) -> Result<Statement, Fault> {
        if let Some(Some(statement)) = self.prepared.get(sql as usize) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql.text())?;
        if let Some(place) = self.prepared.get_mut(sql as usize) {
            *place = Some(statement.clone());
        }
        Ok(statement)
    }

    /// The one row of an answer, or none.
    pub(crate) fn one(&mut self, sql: Sql, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, Fault> {
        let statement = self.prepare(sql)?;
        Ok(self.client.query_opt(&statement, values)?)
    }

    /// The rows as they come.
    pub(crate) fn rows(&mut self, sql: Sql, value: i64) -> Result<RowIter<'_>, Fault> {
        let statement = self.prepare(sql)?;
        Ok(self.client.query_raw(&statement, [value])?)
    }

    /// Runs statements without values, as those of [`SCHEMA`](crate::SCHEMA).
    ///
    /// # Errors
    ///
    /// [`Fault::Database`].
    pub fn run(&mut self, statements: &str) -> Result<(), Fault> {
        Ok(self.client.batch_execute(statements)?)
    }

    /// For statements that are not run often enough to be prepared.
    pub(crate) const fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("closed", &self.client.is_closed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot do its work ends")]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_reached_under_tls_unless_it_is_switched_off() {
        for (connection, tls) in [
            ("host=/run/postgresql", false),
            ("host=localhost", false),
            ("host=127.0.0.1,::1,/run/postgresql", false),
            ("host=localhost sslmode=prefer", false),
            ("host=localhost sslmode=require", true),
            ("host=db.example.org", true),
            ("host=192.0.2.7", true),
            ("host=db.example.org sslmode=prefer", true),
            ("host=db.example.org sslmode=disable", false),
            // One is enough: nobody knows which it will be.
            ("host=localhost,db.example.org", true),
            ("host=localhost hostaddr=192.0.2.7", true),
            ("host=db.example.org hostaddr=127.0.0.1", false),
            ("postgres://user@db.example.org/mail", true),
            ("postgres://user@localhost/mail?sslmode=require", true),
            // As the library has it: on this machine.
            ("dbname=mail", false),
        ] {
            assert_eq!(needs_tls(&connection.parse().unwrap()), tls, "{connection}");
        }
    }

    #[test]
    fn authorities_that_cannot_be_read_are_an_error_before_anybody_is_asked() {
        let nowhere = Path::new("/nonexistent/ca.pem");
        let fault = Database::new("host=db.example.org", Some(nowhere)).unwrap_err();
        assert!(matches!(fault, Fault::Tls(_)), "{fault:?}");
        assert!(fault.to_string().contains("/nonexistent/ca.pem"), "{fault}");
    }
}
