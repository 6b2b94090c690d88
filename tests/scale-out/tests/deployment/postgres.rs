//! A PostgreSQL cluster of the test's own, on a Unix socket.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use pop3_scale_out::{Database, PgUsers, Pool, SCHEMA};
use pop3_tests::peers::{TempDir, skip, temp};
use postgres::{Client, NoTls};

/// How long anything may take that a test waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The password of all users.
pub(crate) const PASSWORD: &str = "wonderland";

/// Runs a program, stops it when standard input ends, in whatever way, and removes its folder then. So no cluster outlives
/// its test, not even one that was killed.
const GUARD: &str = "dir=$1; shift; \"$@\" >\"$dir/log\" 2>&1 & pid=$!; cat >/dev/null; kill -QUIT $pid; wait $pid; rm -rf \"$dir\"";

/// A cluster. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Postgres {
    dir: PathBuf,
    port: u16,
    guard: Child,
}

/// A database of a [`Postgres`], with the tables in it.
#[derive(Debug)]
pub(crate) struct Mail {
    /// How to connect.
    pub(crate) connection: String,
    /// The authority of its certificate, if it is reached under TLS.
    pub(crate) authorities: Option<PathBuf>,
    /// The same, taken apart.
    pub(crate) database: Database,
}

/// A new database in the cluster that all tests of this program share; `None` after a visible line where there is no
/// PostgreSQL.
pub(crate) fn mail() -> Option<Mail> {
    static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
    // Nobody pulls the plug on a test.
    let shared = SHARED.get_or_init(|| Postgres::start(&["fsync=off", "max_connections=150"]));
    match shared {
        Some(cluster) => Some(cluster.mail()),
        None => {
            skip("postgresql not installed");
            None
        }
    }
}

impl Postgres {
    /// A cluster with these settings.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        Self::start_with(settings, 5432, &[])
    }

    /// A cluster with these settings and files, in a folder that `{dir}` stands for.
    pub(crate) fn start_with(settings: &[&str], port: u16, files: &[(&str, &str)]) -> Option<Self> {
        let programs = newest_version()?;
        let dir = TempDir::new("postgres");
        for (name, content) in files {
            let file = dir.file(name, content);
            // As it asks of a key.
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        // The guard removes it.
        let path = dir.path().to_owned();
        std::mem::forget(dir);
        let as_somebody = |program: &str| {
            // It refuses to be root.
            let mut command = Command::new(if temp::is_root() { "setpriv" } else { "env" });
            if temp::is_root() {
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            }
            command.arg(programs.join(program)).current_dir("/");
            command
        };
        if temp::is_root() {
            assert!(Command::new("chown").args(["-R", "postgres:"]).arg(&path).status().unwrap().success());
        }
        let data = path.join("data");
        let made = as_somebody("initdb")
            .args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let postgres = as_somebody("postgres");
        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", GUARD, "guard"]).arg(&path).arg(postgres.get_program()).args(postgres.get_args());
        guard.arg("-D").arg(&data).arg("-k").arg(&path).args(["-c", "listen_addresses="]);
        guard.args(["-p", &port.to_string()]);
        for setting in settings {
            guard.arg("-c").arg(setting.replace("{dir}", &path.display().to_string()));
        }
        // Out of reach of a Ctrl-C at the terminal: the end of standard input tells it to stop.
        let guard = std::os::unix::process::CommandExt::process_group(&mut guard, 0);
        let guard = guard.stdin(Stdio::piped()).current_dir("/").spawn().unwrap();
        let cluster = Self { dir: path, port, guard };
        let deadline = Instant::now() + LIMIT;
        while Client::connect(&cluster.connection("postgres"), NoTls).is_err() {
            assert!(Instant::now() < deadline, "{}", fs::read_to_string(cluster.dir.join("log")).unwrap());
            thread::sleep(Duration::from_millis(20));
        }
        Some(cluster)
    }

    /// A new database with the tables.
    pub(crate) fn mail(&self) -> Mail {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mail{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut client = Client::connect(&self.connection("postgres"), NoTls).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let connection = self.connection(&name);
        let database = Database::new(&connection, None).unwrap();
        database.connect().unwrap().run(SCHEMA).unwrap();
        Mail { connection, authorities: None, database }
    }

    /// The process id of the cluster's first process.
    pub(crate) fn pid(&self) -> u32 {
        let file = fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap();
        file.lines().next().unwrap().parse().unwrap()
    }

    fn connection(&self, database: &str) -> String {
        format!("host={} port={} user=postgres dbname={database}", self.dir.display(), self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}

impl Mail {
    /// Adds users, with [`PASSWORD`].
    pub(crate) fn users(&self, names: &[&str]) {
        let pool = Pool::new(self.database.clone(), 1, Duration::ZERO);
        for name in names {
            PgUsers::set_password(&pool, name, PASSWORD.as_bytes()).unwrap();
        }
    }

    /// Adds a message, as a mail system would: through the program.
    pub(crate) fn import(&self, user: &str, message: &[u8]) {
        let mut child = self.program(&["import", user]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(message).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// The program, told where the database is.
    pub(crate) fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pop3-pg"));
        if let Some(authorities) = &self.authorities {
            command.arg("--database-ca").arg(authorities);
        }
        command.env("POP3_DATABASE", &self.connection).env_remove("POP3_LOG").args(args);
        command
    }

    /// Asks the database itself.
    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.connection, NoTls).unwrap()
    }

    /// The unique-ids of a user's messages, in their order.
    pub(crate) fn unique_ids(&self, user: &str) -> Vec<String> {
        let sql = "SELECT unique_id FROM message JOIN maildrop ON maildrop.id = maildrop \
                   WHERE name = $1 ORDER BY message.id";
        self.client().query(sql, &[&user]).unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// How many messages are not what they say, or have lost theirs.
    pub(crate) fn damaged(&self) -> i64 {
        self.client().query_one("SELECT count(*) FROM damaged", &[]).unwrap().get(0)
    }

    /// The folder of the socket.
    pub(crate) fn socket(&self) -> PathBuf {
        let folder = self.connection.strip_prefix("host=").unwrap().split(' ').next().unwrap();
        Path::new(folder).join(".s.PGSQL.5432")
    }
}

fn newest_version() -> Option<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = installed.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    programs.filter(|path| path.join("initdb").is_file()).max()
}
