//! A file of users and password hashes, one line each.
//!
//! ```text
//! # name:{SCHEME}hash[:ignored…]
//! mrose:{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$…
//! fred@example.org:$6$…:1000:1000::/home/fred
//! ```
//!
//! Lines that are empty or begin with `#` are skipped; every other line must be right, or the file is not taken: a
//! user who is dropped in silence would be locked out. Errors name the line, never what it holds. The schemes are
//! those of Dovecot's passwd-file; a hash without `{SCHEME}` must tell its kind by its prefix.
//!
//! # Equal work
//!
//! A refusal takes at least one check of the most expensive entry of the file, whether the user exists or not
//! (R4422-3.6, R1939-7.5). That is the same work for all users if all entries have one scheme and cost; in a mixed
//! file a user with a cheaper hash takes that much longer. The server's fixed delay covers the rest.

use core::fmt;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use argon2::{Argon2, PasswordHasher};
use zeroize::Zeroizing;

use super::scheme::{CheckFault, Stored};
use super::{AuthError, Authenticator, Identity, LoginContext};

/// The largest file that is read, in octets.
const FILE_MAX: u64 = 64 << 20;

/// The longest password that can be right, in octets. The work of SHA-crypt grows with the length, and a longer one
/// fits no line of the protocol but SASL's.
const PASSWORD_MAX: usize = 1024;

/// Checks passwords against a users file that can be loaded again while sessions run.
///
/// Checks are bounded to the number of processor cores at a time, since good hashes are built to use up memory and
/// time; further ones wait. The bound is kept per value of this type: share one value among all listeners.
pub struct UsersFile {
    path: PathBuf,
    table: RwLock<Arc<Table>>,
    gate: Gate,
}

impl UsersFile {
    /// Reads the file at `path` and keeps the path for [`reload`](Self::reload).
    ///
    /// # Errors
    ///
    /// See [`UsersFileError`].
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, UsersFileError> {
        let path = path.into();
        let table = RwLock::new(Arc::new(Table::read(&path)?));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { path, table, gate: Gate::new(cores) })
    }

    /// Reads the file again. Checks that have begun go on with the old entries, later ones see only the new ones.
    ///
    /// # Errors
    ///
    /// See [`UsersFileError`]. The old entries then stay in force.
    pub fn reload(&self) -> Result<(), UsersFileError> {
        let table = Arc::new(Table::read(&self.path)?);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(())
    }

    /// Whether `user` stands in the file. To be asked about names that are proven already, as by a certificate.
    pub fn contains(&self, user: &str) -> bool {
        self.table().users.contains_key(user)
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.table().users.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table().users.is_empty()
    }

    /// Makes the second field of a line for `password`: `{ARGON2ID}$argon2id$…`, with a random salt.
    ///
    /// One check takes 19 MiB and two passes in one lane. Write it to the file behind `name:`.
    ///
    /// # Errors
    ///
    /// - [`HashError::Empty`], [`HashError::TooLong`], [`HashError::Forbidden`]: no login could carry the password.
    /// - [`HashError::Random`]: the system gave no random octets for the salt.
    pub fn hash_password(password: &[u8]) -> Result<String, HashError> {
        if password.is_empty() {
            return Err(HashError::Empty);
        }
        if password.len() > PASSWORD_MAX {
            return Err(HashError::TooLong { limit: PASSWORD_MAX });
        }
        if password.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
            return Err(HashError::Forbidden);
        }
        let hash = Argon2::default().hash_password(password).map_err(|_| HashError::Random)?;
        Ok(format!("{{ARGON2ID}}{hash}"))
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Authenticator for UsersFile {
    fn password(&self, _: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        let table = self.table();
        let _permit = self.gate.enter();
        match table.check(user, password) {
            Ok(true) => Ok(Identity::new(user)),
            Ok(false) => Err(AuthError::Rejected),
            Err(fault) => Err(AuthError::Permanent(Box::new(fault))),
        }
    }
}

impl fmt::Debug for UsersFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsersFile")
            .field("path", &self.path)
            .field("users", &self.len())
            .finish_non_exhaustive()
    }
}

/// The entries of one file.
struct Table {
    users: HashMap<String, Arc<Stored>>,
    /// The entry whose check costs most: what a refusal is made of. `None` if there is no entry.
    decoy: Option<Arc<Stored>>,
}

impl Table {
    fn read(path: &Path) -> Result<Self, UsersFileError> {
        let file = File::open(path).map_err(UsersFileError::Io)?;
        warn_if_open_to_all(path, &file);
        // Reserved at once, so that no copy of the passwords stays behind where a growing vector stood.
        let len = file.metadata().map_err(UsersFileError::Io)?.len().min(FILE_MAX);
        let mut text =
            Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0).saturating_add(1)));
        file.take(FILE_MAX + 1).read_to_end(&mut text).map_err(UsersFileError::Io)?;
        if text.len() as u64 > FILE_MAX {
            return Err(UsersFileError::TooLarge { limit: FILE_MAX });
        }
        Self::parse(&text)
    }

    fn parse(text: &[u8]) -> Result<Self, UsersFileError> {
        let mut users = HashMap::new();
        let mut decoy: Option<Arc<Stored>> = None;
        for (index, line) in text.split(|&octet| octet == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let wrong = |problem| UsersFileError::Line { line: index + 1, problem };
            let (user, stored) = parse_line(line).map_err(wrong)?;
            let stored = Arc::new(stored);
            if decoy.as_ref().is_none_or(|decoy| decoy.cost() < stored.cost()) {
                decoy = Some(Arc::clone(&stored));
            }
            if users.insert(user.to_owned(), stored).is_some() {
                return Err(wrong(LineProblem::DuplicateUser));
            }
        }
        Ok(Self { users, decoy })
    }

    fn check(&self, user: &str, password: &[u8]) -> Result<bool, CheckFault> {
        let well_formed = !password.is_empty() && password.len() <= PASSWORD_MAX;
        let password = password.get(..PASSWORD_MAX).unwrap_or(password);
        let known = self.users.get(user);
        if let Some(stored) = known {
            if stored.verify(password)? && well_formed {
                return Ok(true);
            }
        }
        if let Some(decoy) = &self.decoy {
            if known.is_none_or(|stored| stored.cost() < decoy.cost()) {
                // Only its work is wanted: the password may even be right, for somebody else.
                let _ = core::hint::black_box(decoy.verify(password)?);
            }
        }
        Ok(false)
    }
}

fn parse_line(line: &[u8]) -> Result<(&str, Stored), LineProblem> {
    let line = core::str::from_utf8(line).map_err(|_| LineProblem::NotUtf8)?;
    if line.chars().any(char::is_control) {
        return Err(LineProblem::ControlCharacter);
    }
    let mut fields = line.split(':');
    let user = fields.next().filter(|user| !user.is_empty()).ok_or(LineProblem::NoUser)?;
    let password = fields.next().ok_or(LineProblem::NoPassword)?;
    Ok((user, Stored::parse(password)?))
}

#[cfg(unix)]
fn warn_if_open_to_all(path: &Path, file: &File) {
    use std::os::unix::fs::PermissionsExt;
    if file.metadata().is_ok_and(|facts| facts.permissions().mode() & 0o007 != 0) {
        log::warn!("users file {path:?} is open to all users of this host; mode 0600 or 0640 is enough");
    }
}

#[cfg(not(unix))]
fn warn_if_open_to_all(_: &Path, _: &File) {}

/// Lets a fixed number of threads in at a time.
struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Gate {
    const fn new(places: usize) -> Self {
        Self { free: Mutex::new(places), freed: Condvar::new() }
    }

    /// Waits for a place. The value returned holds it.
    fn enter(&self) -> Permit<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_while(free, |free| *free == 0);
        *waited.unwrap_or_else(PoisonError::into_inner) -= 1;
        Permit(self)
    }
}

struct Permit<'a>(&'a Gate);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// Why a users file was not taken. No text of the file is in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum UsersFileError {
    /// It could not be opened or read.
    Io(io::Error),
    /// It has more than `limit` octets.
    TooLarge {
        /// The largest size, in octets.
        limit: u64,
    },
    /// A line is wrong.
    Line {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
}

/// What is wrong with a line of a users file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineProblem {
    /// It is not UTF-8.
    NotUtf8,
    /// It holds a control character.
    ControlCharacter,
    /// The user name is empty.
    NoUser,
    /// The second field is missing or empty.
    NoPassword,
    /// The user stands on an earlier line too.
    DuplicateUser,
    /// There is no `{SCHEME}`, and the hash does not tell by a prefix.
    NoScheme,
    /// The scheme is none that this crate checks.
    UnknownScheme,
    /// The hash is not of the form that its scheme wants.
    MalformedHash,
    /// One check would take more than 1 GiB of memory, or minutes.
    TooExpensive,
}

/// Why a password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashError {
    /// It is empty.
    Empty,
    /// It has more than `limit` octets.
    TooLong {
        /// The longest password, in octets.
        limit: usize,
    },
    /// It holds CR, LF or NUL.
    Forbidden,
    /// The system gave no random octets.
    Random,
}

impl fmt::Display for UsersFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(source) => write!(f, "users file cannot be read: {source}"),
            Self::TooLarge { limit } => write!(f, "users file has more than {limit} octets"),
            Self::Line { line, problem } => write!(f, "users file, line {line}: {problem}"),
        }
    }
}

impl StdError for UsersFileError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(source) => Some(source),
            Self::TooLarge { .. } | Self::Line { .. } => None,
        }
    }
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "not UTF-8",
            Self::ControlCharacter => "control character",
            Self::NoUser => "user name is empty",
            Self::NoPassword => "password field is missing or empty",
            Self::DuplicateUser => "user stands on an earlier line too",
            Self::NoScheme => "password field has neither {SCHEME} nor a known prefix",
            Self::UnknownScheme => "unknown password scheme",
            Self::MalformedHash => "malformed password hash",
            Self::TooExpensive => "password hash takes too much memory or time to check",
        })
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("password is empty"),
            Self::TooLong { limit } => write!(f, "password has more than {limit} octets"),
            Self::Forbidden => f.write_str("password holds CR, LF or NUL"),
            Self::Random => f.write_str("no random octets for the salt"),
        }
    }
}

impl StdError for HashError {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::auth::scheme::tests::SPENT;

    // crypt(3) of libxcrypt 4.4, for "correct horse battery"
    const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS";
    const SHA256: &str = "$5$rounds=12345$saltstringsaltst$onlA1ZDnHehtxKus1E2cY8p0sE8joMsrIFn3IEaead3";
    const RIGHT: &[u8] = b"correct horse battery";

    fn table(text: &str) -> Table {
        Table::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn problem(text: &[u8]) -> (usize, LineProblem) {
        match Table::parse(text) {
            Err(UsersFileError::Line { line, problem }) => (line, problem),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("taken"),
        }
    }

    /// What a check of `password` for `user` says and costs.
    fn spent(table: &Table, user: &str, password: &[u8]) -> (bool, u64) {
        SPENT.with(|spent| spent.set(0));
        let said = table.check(user, password).unwrap();
        (said, SPENT.with(std::cell::Cell::get))
    }

    /// A file that goes when the value does.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(text: &str) -> Self {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("pop3-users-{}-{n}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            drop(std::fs::remove_file(&self.0));
        }
    }

    #[test]
    fn comments_blank_lines_further_fields_and_crlf_are_taken() {
        let table = table(&format!(
            "# users\n\nmrose:{{BLF-CRYPT}}{BCRYPT}\r\n#x:y\nfred@example.org:{SHA256}:1000:1000::/home/fred:{{x}}\nkim:{{PLAIN}}#a b"
        ));
        assert_eq!(table.users.len(), 3);
        assert!(table.check("mrose", RIGHT).unwrap());
        assert!(table.check("fred@example.org", RIGHT).unwrap());
        assert!(table.check("kim", b"#a b").unwrap());
        assert!(!table.check("#x", b"y").unwrap());
        assert!(!table.check("Mrose", RIGHT).unwrap());
    }

    #[test]
    fn a_wrong_line_is_named_by_number_and_kind_not_by_content() {
        assert_eq!(problem(b"#\na:{PLAIN}x\nsecret"), (3, LineProblem::NoPassword));
        assert_eq!(problem(b":{PLAIN}x"), (1, LineProblem::NoUser));
        assert_eq!(problem(b"a:"), (1, LineProblem::NoPassword));
        assert_eq!(problem(b"a:{PLAIN}"), (1, LineProblem::NoPassword));
        assert_eq!(problem(b"a:\xff"), (1, LineProblem::NotUtf8));
        assert_eq!(problem(b"a:{PLAIN}x\ty"), (1, LineProblem::ControlCharacter));
        assert_eq!(problem(b"a:{PLAIN}x\0"), (1, LineProblem::ControlCharacter));
        assert_eq!(problem(b"a:{PLAIN}x\rb:{PLAIN}y"), (1, LineProblem::ControlCharacter));
        assert_eq!(problem(b"a:{PLAIN}x\nb:{PLAIN}y\na:{PLAIN}z\n"), (3, LineProblem::DuplicateUser));
        assert_eq!(problem(b"a:hunter2"), (1, LineProblem::NoScheme));
        assert_eq!(problem(b"a:{NTLM}hunter2"), (1, LineProblem::UnknownScheme));
        assert_eq!(problem(b"a:$6$hunter2"), (1, LineProblem::MalformedHash));
        let Err(error) = Table::parse(b"a:{NTLM}hunter2") else { panic!("taken") };
        assert_eq!(error.to_string(), "users file, line 1: unknown password scheme");
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn pb_s48_unknown_user_costs_what_the_most_expensive_entry_costs() {
        let one = table(&format!("a:{BCRYPT}\nb:{BCRYPT}"));
        let wrong = spent(&one, "a", b"wrong");
        assert!(!wrong.0 && wrong.1 > 100_000);
        for (user, password) in [("nobody", &b"wrong"[..]), ("nobody", RIGHT), ("nobody", b""), ("a", b"")] {
            assert_eq!(spent(&one, user, password), wrong, "{user}");
        }
        assert_eq!(spent(&one, "a", RIGHT), (true, wrong.1));

        let mixed = table(&format!("a:{{PLAIN}}x\nb:{SHA256}\nc:{BCRYPT}"));
        let unknown = spent(&mixed, "nobody", b"x");
        assert_eq!(unknown, (false, mixed.users["b"].cost()));
        assert_eq!(spent(&mixed, "b", b"x"), unknown);
        assert_eq!(spent(&mixed, "a", b"y"), (false, unknown.1 + 1));
        assert!(!table("").check("nobody", b"x").unwrap());
    }

    #[test]
    fn an_over_long_password_is_wrong_and_costs_no_more() {
        let users = table(&format!("a:{SHA256}\nb:{{PLAIN}}{}", "x".repeat(PASSWORD_MAX)));
        assert!(users.check("b", &[b'x'; PASSWORD_MAX]).unwrap());
        assert!(!users.check("b", &[b'x'; PASSWORD_MAX + 1]).unwrap());
        assert_eq!(spent(&users, "a", &[b'x'; 1 << 20]), spent(&users, "a", b"x"));
    }

    #[test]
    fn reload_swaps_all_entries_or_none() {
        let file = Temporary::new("a:{PLAIN}one\nb:{PLAIN}two\n");
        let users = UsersFile::load(&file.0).unwrap();
        let cx = LoginContext::new(None, true, "USER");
        assert_eq!(users.password(&cx, "a", b"one").unwrap().name(), "a");

        std::fs::write(&file.0, "a:{PLAIN}three\nb:broken\n").unwrap();
        assert!(matches!(
            users.reload(),
            Err(UsersFileError::Line { line: 2, problem: LineProblem::NoScheme })
        ));
        assert!(users.password(&cx, "a", b"one").is_ok());
        assert!(users.password(&cx, "b", b"two").is_ok());

        std::fs::write(&file.0, "a:{PLAIN}three\n").unwrap();
        users.reload().unwrap();
        assert!(users.password(&cx, "a", b"three").is_ok());
        for (user, password) in [("a", b"one"), ("b", b"two")] {
            assert!(matches!(users.password(&cx, user, password), Err(AuthError::Rejected)));
        }
        std::fs::remove_file(&file.0).unwrap();
        assert!(matches!(users.reload(), Err(UsersFileError::Io(_))));
        assert_eq!(users.len(), 1);
        assert!(!format!("{users:?}").contains("three"));
    }

    #[test]
    fn certificates_map_to_nobody() {
        let file = Temporary::new("a:{PLAIN}one\n");
        let users = UsersFile::load(&file.0).unwrap();
        let cx = LoginContext::new(None, true, "EXTERNAL");
        assert!(matches!(users.certificate(&cx, b"\x30\x00"), Err(AuthError::Rejected)));
    }

    #[test]
    fn a_made_hash_is_a_line_of_the_file() {
        let field = UsersFile::hash_password(b"new password").unwrap();
        assert!(field.starts_with("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"), "{field}");
        assert_ne!(field, UsersFile::hash_password(b"new password").unwrap());
        let table = table(&format!("a:{field}"));
        assert!(table.check("a", b"new password").unwrap());
        assert!(!table.check("a", b"old password").unwrap());
        assert_eq!(UsersFile::hash_password(b""), Err(HashError::Empty));
        assert_eq!(UsersFile::hash_password(&[b'x'; 1025]), Err(HashError::TooLong { limit: 1024 }));
        for forbidden in [b"a\rb", b"a\nb", b"a\0b"] {
            assert_eq!(UsersFile::hash_password(forbidden), Err(HashError::Forbidden));
        }
    }

    #[test]
    fn the_gate_lets_in_as_many_as_it_has_places() {
        let gate = Gate::new(2);
        let (first, _second) = (gate.enter(), gate.enter());
        let (entered, reports) = mpsc::channel();
        std::thread::scope(|scope| {
            let gate = &gate;
            scope.spawn(move || {
                let _third = gate.enter();
                entered.send(()).unwrap();
            });
            assert_eq!(reports.try_recv(), Err(mpsc::TryRecvError::Empty));
            drop(first);
            reports.recv().unwrap();
        });

        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _permit = gate.enter();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1, "the second permit is still held here");
    }

    #[test]
    fn a_panic_inside_the_gate_frees_the_place() {
        let gate = Gate::new(1);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _permit = gate.enter();
            panic!("a check that panics");
        }));
        assert!(caught.is_err());
        let _permit = gate.enter();
    }
}
