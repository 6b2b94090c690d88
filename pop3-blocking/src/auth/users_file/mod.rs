//! A file of users and what is kept of their passwords.
//!
//! ```text
//! # name:{SCHEME}hash[:ignored…]
//! mrose:{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$…
//! fred@example.org:$6$…:1000:1000::/home/fred
//! kim:{SCRAM-SHA-256}100000,salt,stored key,server key
//! alice:{EXTERNAL}
//! scanner:{SECRET}a secret for CRAM-MD5 and APOP
//! sam:{ARGON2ID}$argon2id$…::::::require_tls
//! ```
//!
//! Lines that are empty or begin with `#` are skipped; every other line must be right, or the file is not taken: a
//! user who is dropped in silence would be locked out. Errors name the line, never what it holds. The schemes are
//! those of Dovecot's passwd-file, and `EXTERNAL` and `SECRET` besides; a hash without `{SCHEME}` must tell its kind by
//! its prefix. Names and `PLAIN` passwords are taken as SASLprep makes them (RFC 4013); hashes must be of prepared
//! passwords, which all ASCII ones are.
//!
//! | scheme | logs in by |
//! |---|---|
//! | `SCRAM-SHA-512`, `SCRAM-SHA-256`, `SCRAM-SHA-1` | SCRAM with that hash; `USER`, PLAIN, LOGIN |
//! | `PLAIN`, `PLAINTEXT`, `CLEARTEXT` | SCRAM with every hash; `USER`, PLAIN, LOGIN |
//! | the other hashes | `USER`, PLAIN, LOGIN |
//! | `SECRET` | CRAM-MD5 and `APOP`, and nothing that would show the secret (R1939-13.1) |
//! | `EXTERNAL` | a certificate that maps to the name, and nothing else (RDM-2.1e) |
//!
//! A user has one line, or one for each hash of SCRAM. The word `require_tls` among the extra fields (the eighth field, as
//! in Dovecot's) refuses the user wherever there is no TLS, without a look at the password (R8314-4.3).
//!
//! # Equal work
//!
//! A refusal takes one check of each kind of entry in the file, a kind being a scheme with its costs, whether the user
//! exists or not and whatever their own entry is (R4422-3.6, R1939-7.5). So keep the kinds few: what a refusal costs is
//! the sum of them. Of more than eight the most expensive eight are checked, and users of the others take longer by
//! their own check; the server's fixed delay covers that.
//!
//! For SCRAM a user who is unknown, or has no keys for the hash, is shown the iteration count that most users have and a
//! salt that is the same at each try ([`Decoys`]). If there is any `PLAIN` entry, keys are derived at each login, 4,096
//! iterations for users of every kind.

use core::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use argon2::{Argon2, PasswordHasher};
use pop3_proto::Base64;
use pop3_proto::sasl::prep::{PrepError, Use, prepare};
use pop3_proto::sasl::server::ScramHash;
use zeroize::Zeroizing;

use super::{AuthError, Authenticator, Decoys, Identity, LoginContext, Mechanisms, ScramKeys, SharedSecret};
use crate::random;

mod error;
mod scheme;
mod table;

pub use error::{HashError, LineProblem, UsersFileError};
use table::Table;

/// The largest file that is read, in octets.
const FILE_MAX: u64 = 64 << 20;

/// The longest password that can be right, in octets. The work of SHA-crypt grows with the length, and a longer one
/// fits no line of the protocol but SASL's.
const PASSWORD_MAX: usize = 1024;

/// The iterations of new entries for SCRAM: some tens of milliseconds of a client's time, and as many of the server's if
/// the password itself is sent.
const SCRAM_ITERATIONS: u32 = 100_000;

/// Checks credentials against a users file that can be loaded again while sessions run.
///
/// Good hashes are built to use up memory and time: the server bounds how many are checked at once
/// ([`Limits::password_checks`](crate::server::Limits::password_checks)); who calls this without a server does likewise.
pub struct UsersFile {
    path: PathBuf,
    table: RwLock<Arc<Table>>,
    decoys: Option<Decoys>,
}

/// What [`UsersFile::examine`] found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examined {
    /// The names of the users of all lines that are right, sorted.
    pub users: Vec<String>,
    /// The number of each line that is not, counted from 1, and what is wrong with it.
    pub problems: Vec<(usize, LineProblem)>,
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
        Ok(Self { path, table, decoys: Decoys::random() })
    }

    /// Makes up salts from `secret` instead of a random one, so that they are the same after a restart: 16 octets or more
    /// that nobody else knows. See [`Decoys`].
    #[must_use]
    pub fn with_decoy_secret(self, secret: impl Into<Vec<u8>>) -> Self {
        Self { decoys: Some(Decoys::from_secret(secret)), ..self }
    }

    /// Reads the file at `path` as far as it is right, and says everything that is wrong with it. For programs that check a
    /// configuration: a file of which any line is wrong is never [loaded](Self::load).
    ///
    /// # Errors
    ///
    /// [`UsersFileError::Read`] and [`UsersFileError::TooLarge`].
    pub fn examine(path: impl AsRef<Path>) -> Result<Examined, UsersFileError> {
        let (table, problems) = Table::examine(path.as_ref())?;
        Ok(Examined { users: table.names(), problems })
    }

    /// The users of a text that stands in no file.
    #[cfg(feature = "__fuzzing")]
    pub(crate) fn of_text(text: &[u8]) -> Result<Self, UsersFileError> {
        let table = RwLock::new(Arc::new(Table::parse(text)?));
        Ok(Self { path: PathBuf::new(), table, decoys: Some(Decoys::from_secret(*b"of no use to any")) })
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
        self.table().contains(user)
    }

    /// Whether `user` logs in by certificate alone: an `EXTERNAL` entry. To be asked about names that are proven in another
    /// way, as by a token (RDM-2.1e).
    pub fn is_certificate_only(&self, user: &str) -> bool {
        self.table().is_certificate_only(user)
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.table().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table().len() == 0
    }

    /// Makes the second field of a line for `password`: `{ARGON2ID}$argon2id$…`, with a random salt. A password that is
    /// text is prepared by SASLprep before.
    ///
    /// One check takes 19 MiB and two passes in one lane. Write it to the file behind `name:`.
    ///
    /// # Errors
    ///
    /// - [`HashError::Empty`], [`HashError::TooLong`], [`HashError::Forbidden`], [`HashError::Unprepared`]: no login could
    ///   carry the password.
    /// - [`HashError::Random`]: the system gave no random octets for the salt.
    pub fn hash_password(password: &[u8]) -> Result<String, HashError> {
        let password = storable(password)?;
        let hash = Argon2::default().hash_password(&password).map_err(|_| HashError::Random)?;
        Ok(format!("{{ARGON2ID}}{hash}"))
    }

    /// Makes the second field of a line that also serves SCRAM with `hash`: `{SCRAM-SHA-256}…` with 100,000 iterations and
    /// a random salt. A password that is text is prepared by SASLprep before.
    ///
    /// Who steals it can try passwords faster than with [`hash_password`](Self::hash_password); who listens at a server
    /// that was broken into, or has deceived a client, learns no password from SCRAM.
    ///
    /// # Errors
    ///
    /// As for [`hash_password`](Self::hash_password).
    pub fn scram_entry(hash: ScramHash, password: &[u8]) -> Result<String, HashError> {
        let password = storable(password)?;
        let mut salt = vec![0; super::decoys::SALT_OCTETS];
        random::fill(&mut salt).map_err(|_| HashError::Random)?;
        let keys =
            ScramKeys::derive(hash, &password, salt, SCRAM_ITERATIONS).map_err(|_| HashError::Random)?;
        // A vector has room for all of it, and base64 is UTF-8: neither fails.
        let base64 = |octets: &[u8]| {
            let mut text = Vec::with_capacity(Base64::encoded_len(octets.len()));
            Base64::encode_to(octets, &mut text).map_err(|_| HashError::Random)?;
            String::from_utf8(text).map_err(|_| HashError::Random)
        };
        Ok(format!(
            "{{{}}}{},{},{},{}",
            scheme::scram_name(hash),
            keys.iterations(),
            base64(keys.salt())?,
            base64(keys.stored_key())?,
            base64(keys.server_key())?
        ))
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A new password as it is to be kept (R4616-2.3).
fn storable(password: &[u8]) -> Result<Zeroizing<Vec<u8>>, HashError> {
    if password.is_empty() {
        return Err(HashError::Empty);
    }
    if password.len() > PASSWORD_MAX {
        return Err(HashError::TooLong { limit: PASSWORD_MAX });
    }
    if password.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        return Err(HashError::Forbidden);
    }
    let Ok(text) = core::str::from_utf8(password) else { return Ok(Zeroizing::new(password.to_vec())) };
    let prepared = prepare(text, Use::Stored).map_err(|error| match error {
        PrepError::Empty => HashError::Empty,
        _ => HashError::Unprepared,
    })?;
    Ok(Zeroizing::new(prepared.into_owned().into_bytes()))
}

impl Authenticator for UsersFile {
    /// What the entries of the file can serve; EXTERNAL is not among it, for certificates are mapped by others.
    fn mechanisms(&self) -> Mechanisms {
        let served = self.table().mechanisms();
        if self.decoys.is_some() { served } else { served.without(Mechanisms::SCRAM) }
    }

    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        match self.table().check(user, password, cx.tls) {
            Ok(true) => Ok(Identity::new(user)),
            Ok(false) => Err(AuthError::Rejected),
            Err(fault) => Err(AuthError::Permanent(Box::new(fault))),
        }
    }

    fn scram_keys(&self, cx: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        let decoys = self.decoys.as_ref().ok_or(AuthError::Rejected)?;
        Ok(self.table().scram_keys(user, hash, cx.tls, decoys))
    }

    fn secret(&self, cx: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        self.table().secret(user, cx.tls).ok_or(AuthError::Rejected)
    }

    fn proven(&self, cx: &LoginContext<'_>, user: &str) -> Result<Identity, AuthError> {
        if self.table().proves(user, cx.tls) { Ok(Identity::new(user)) } else { Err(AuthError::Rejected) }
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

#[cfg(test)]
mod tests;
