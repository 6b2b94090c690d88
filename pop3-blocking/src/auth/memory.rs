//! Names and passwords held in memory, for tests and small programs.

use core::fmt;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use pop3_proto::sasl::prep::{Use, prepare};
use pop3_proto::sasl::server::ScramHash;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{AuthError, Authenticator, Decoys, Identity, LoginContext, Mechanisms, ScramKeys, SharedSecret};

/// A table of user names and passwords in memory.
///
/// Passwords are kept as they are and wiped from memory when the table is dropped, so it suits tests and programs
/// whose passwords come from elsewhere; a server with accounts of its own wants the users file. Comparison takes the
/// same time for every user, known or not, and tells nothing but equality (R1939-7.5); the keys for SCRAM are derived at
/// each login, with 4,096 iterations.
///
/// Names and passwords that are text are prepared by SASLprep when they are added.
///
/// ```
/// use pop3_blocking::auth::{Authenticator, LoginContext, MemoryUsers};
///
/// let users = MemoryUsers::new().with_user("mrose", "tanstaaf");
/// let cx = LoginContext::new(None, true, "USER");
/// assert_eq!(users.password(&cx, "mrose", b"tanstaaf").unwrap().name(), "mrose");
/// assert!(users.password(&cx, "mrose", b"tanstaafl").is_err());
/// ```
#[derive(Clone)]
pub struct MemoryUsers {
    users: HashMap<String, Kept>,
    decoys: Option<Arc<Decoys>>,
}

/// What is kept of a user.
#[derive(Clone)]
enum Kept {
    Password(Zeroizing<Vec<u8>>),
    /// For CRAM-MD5 and APOP alone (R1939-13.1).
    Secret(SharedSecret),
}

impl MemoryUsers {
    /// A table without users: every login is rejected.
    pub fn new() -> Self {
        Self { users: HashMap::new(), decoys: Decoys::random().map(Arc::new) }
    }

    /// Adds `name` with `password`, or gives `name` a new password: for `USER`, PLAIN, LOGIN and SCRAM.
    ///
    /// A user with an empty password cannot log in: no protocol step can carry one (R1939-7.7).
    #[must_use]
    pub fn with_user(mut self, name: impl Into<String>, password: impl AsRef<[u8]>) -> Self {
        self.insert(name, password);
        self
    }

    /// Like [`with_user`](Self::with_user), in place.
    pub fn insert(&mut self, name: impl Into<String>, password: impl AsRef<[u8]>) {
        self.users.insert(prepared_name(&name.into()), Kept::Password(prepared_password(password.as_ref())));
    }

    /// Adds `name` with a secret for CRAM-MD5 and `APOP`, which then are the only ways to log in: a password that is sent
    /// in one protocol would be known to who listens there (R1939-13.1).
    #[must_use]
    pub fn with_secret(mut self, name: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        let secret = prepared_password(secret.as_ref());
        self.users.insert(prepared_name(&name.into()), Kept::Secret(SharedSecret::new(secret.as_slice())));
        self
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    fn known_password(&self, user: &str) -> Option<&[u8]> {
        match self.users.get(user) {
            Some(Kept::Password(password)) => Some(password),
            _ => None,
        }
    }
}

impl Default for MemoryUsers {
    fn default() -> Self {
        Self::new()
    }
}

impl Authenticator for MemoryUsers {
    fn mechanisms(&self) -> Mechanisms {
        let secrets = self.users.values().any(|kept| matches!(kept, Kept::Secret(_)));
        let secrets = if secrets { Mechanisms::CRAM_MD5 | Mechanisms::APOP } else { Mechanisms::NONE };
        let scram = if self.decoys.is_some() { Mechanisms::SCRAM } else { Mechanisms::NONE };
        Mechanisms::PASSWORDS | scram | secrets
    }

    fn password(&self, _: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        let known = self.known_password(user);
        // An unknown user is compared with a password of no octets, which nothing can equal: see the last condition.
        let equal = same_octets(known.unwrap_or(&[]), password);
        if bool::from(equal) && known.is_some() && !password.is_empty() {
            Ok(Identity::new(user))
        } else {
            Err(AuthError::Rejected)
        }
    }

    fn scram_keys(&self, _: &LoginContext<'_>, user: &str, hash: ScramHash) -> Result<ScramKeys, AuthError> {
        let decoys = self.decoys.as_deref().ok_or(AuthError::Rejected)?;
        let known = self.known_password(user).filter(|password| !password.is_empty());
        // The same work for known and unknown (R26).
        let decoy = decoys.scram_keys(user, hash, DERIVED_ITERATIONS);
        let salt = decoy.salt();
        let derived = ScramKeys::derive(hash, known.unwrap_or(b"nobody"), salt, DERIVED_ITERATIONS);
        let derived = derived.ok().filter(|_| known.is_some());
        Ok(derived.unwrap_or(decoy))
    }

    fn secret(&self, _: &LoginContext<'_>, user: &str) -> Result<SharedSecret, AuthError> {
        match self.users.get(user) {
            Some(Kept::Secret(secret)) if !secret.expose().is_empty() => Ok(secret.clone()),
            _ => Err(AuthError::Rejected),
        }
    }

    fn proven(&self, _: &LoginContext<'_>, user: &str) -> Result<Identity, AuthError> {
        if self.users.contains_key(user) { Ok(Identity::new(user)) } else { Err(AuthError::Rejected) }
    }
}

/// The iterations for keys that are derived at each login: the least that is allowed (R5802-5.3).
pub(super) const DERIVED_ITERATIONS: u32 = 4096;

/// A name as the server asks for it, if it can be prepared.
pub(super) fn prepared_name(name: &str) -> String {
    prepare(name, Use::Stored).map_or_else(|_| name.to_owned(), Cow::into_owned)
}

/// A password as the server sends it, if it can be prepared.
pub(super) fn prepared_password(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = core::str::from_utf8(password).ok();
    let prepared = text.and_then(|text| prepare(text, Use::Stored).ok());
    Zeroizing::new(prepared.map_or_else(|| password.to_vec(), |text| text.into_owned().into_bytes()))
}

/// Compares in a time that depends on the length of `guess` alone.
pub(super) fn same_octets(stored: &[u8], guess: &[u8]) -> Choice {
    let mut equal = stored.len().ct_eq(&guess.len());
    for (index, octet) in guess.iter().enumerate() {
        equal &= octet.ct_eq(stored.get(index).unwrap_or(&0));
    }
    equal
}

impl fmt::Debug for MemoryUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryUsers").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(users: &MemoryUsers, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        users.password(&LoginContext::new(None, true, "PLAIN"), user, password)
    }

    #[test]
    fn r1939_7_5_unknown_user_and_wrong_password_are_the_same_error() {
        let users = MemoryUsers::new().with_user("mrose", "tanstaaf").with_user("empty", "");
        assert_eq!(login(&users, "mrose", b"tanstaaf").unwrap(), Identity::new("mrose"));
        for (user, password) in [
            ("mrose", &b"tanstaa"[..]),
            ("mrose", b"tanstaafl"),
            ("mrose", b"tanstaa\0"),
            ("mrose", b"Tanstaaf"),
            ("mrose", b""),
            ("MROSE", b"tanstaaf"),
            ("nobody", b"tanstaaf"),
            ("nobody", b""),
            ("nobody", b"\0"),
            ("empty", b""),
            ("empty", b"\0"),
        ] {
            assert!(matches!(login(&users, user, password), Err(AuthError::Rejected)), "{user} {password:?}");
        }
    }

    #[test]
    fn r1939_13_1_who_has_a_secret_has_no_password() {
        let users = MemoryUsers::new().with_user("mrose", "tanstaaf").with_secret("old", "tanstaaf");
        let cx = LoginContext::new(None, true, "CRAM-MD5");
        assert_eq!(users.secret(&cx, "old").unwrap().expose(), b"tanstaaf");
        for user in ["mrose", "nobody"] {
            assert!(matches!(users.secret(&cx, user), Err(AuthError::Rejected)), "{user}");
        }
        assert!(login(&users, "old", b"tanstaaf").is_err());
        let keys = users.scram_keys(&cx, "old", ScramHash::Sha256).unwrap();
        assert!(!keys.verify(ScramHash::Sha256, b"tanstaaf"));
    }

    #[test]
    fn r5802_5_9_an_unknown_user_has_keys_of_the_same_shape() {
        let users = MemoryUsers::new().with_user("mrose", "tanstaaf");
        let cx = LoginContext::new(None, true, "SCRAM-SHA-256");
        for hash in ScramHash::ALL {
            let [known, unknown, again] =
                ["mrose", "nobody", "nobody"].map(|user| users.scram_keys(&cx, user, hash).unwrap());
            assert!(known.verify(hash, b"tanstaaf") && !known.verify(hash, b"tanstaafl"));
            assert_eq!(unknown.salt(), again.salt());
            assert_eq!(
                (known.salt().len(), known.iterations()),
                (unknown.salt().len(), unknown.iterations())
            );
            assert!(!unknown.verify(hash, b"nobody"));
        }
        assert!(matches!(users.proven(&cx, "nobody"), Err(AuthError::Rejected)));
    }

    #[test]
    fn r4616_2_3_names_and_passwords_are_kept_prepared() {
        let users = MemoryUsers::new().with_user("\u{aa}", "I\u{ad}X");
        assert!(login(&users, "a", b"IX").is_ok());
    }

    #[test]
    fn passwords_are_octets_and_can_be_replaced() {
        let mut users = MemoryUsers::new().with_user("a", [0xff, b' ', 0x01]);
        assert!(login(&users, "a", &[0xff, b' ', 0x01]).is_ok());
        users.insert("a", "new");
        assert!(login(&users, "a", &[0xff, b' ', 0x01]).is_err());
        assert!(login(&users, "a", b"new").is_ok());
        assert_eq!((users.len(), users.is_empty()), (1, false));
    }

    #[test]
    fn debug_shows_no_password() {
        let shown = format!("{:?}", MemoryUsers::new().with_user("mrose", "tanstaaf"));
        assert!(!shown.contains("tanstaaf") && !shown.contains("mrose"), "{shown}");
    }
}
