//! Names and passwords held in memory, for tests and small programs.

use core::fmt;
use std::collections::HashMap;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{AuthError, Authenticator, Identity, LoginContext};

/// A table of user names and passwords in memory.
///
/// Passwords are kept as they are and wiped from memory when the table is dropped, so it suits tests and programs
/// whose passwords come from elsewhere; a server with accounts of its own wants the users file. Comparison takes the
/// same time for every user, known or not, and tells nothing but equality (R1939-7.5).
///
/// ```
/// use pop3_blocking::auth::{Authenticator, LoginContext, MemoryUsers};
///
/// let users = MemoryUsers::new().with_user("mrose", "tanstaaf");
/// let cx = LoginContext::new(None, true, "USER");
/// assert_eq!(users.password(&cx, "mrose", b"tanstaaf").unwrap().name(), "mrose");
/// assert!(users.password(&cx, "mrose", b"tanstaafl").is_err());
/// ```
#[derive(Clone, Default)]
pub struct MemoryUsers {
    passwords: HashMap<String, Zeroizing<Vec<u8>>>,
}

impl MemoryUsers {
    /// A table without users: every login is rejected.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `name` with `password`, or gives `name` a new password.
    ///
    /// A user with an empty password cannot log in: no protocol step can carry one (R1939-7.7).
    #[must_use]
    pub fn with_user(mut self, name: impl Into<String>, password: impl AsRef<[u8]>) -> Self {
        self.insert(name, password);
        self
    }

    /// Like [`with_user`](Self::with_user), in place.
    pub fn insert(&mut self, name: impl Into<String>, password: impl AsRef<[u8]>) {
        self.passwords.insert(name.into(), Zeroizing::new(password.as_ref().to_vec()));
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.passwords.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.passwords.is_empty()
    }
}

impl Authenticator for MemoryUsers {
    fn password(&self, _: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        let known = self.passwords.get(user);
        // An unknown user is compared with a password of no octets, which nothing can equal: see the last condition.
        let equal = same_octets(known.map_or(&[], |stored| stored.as_slice()), password);
        if bool::from(equal) && known.is_some() && !password.is_empty() {
            Ok(Identity::new(user))
        } else {
            Err(AuthError::Rejected)
        }
    }
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
        f.debug_struct("MemoryUsers").field("users", &self.passwords.len()).finish_non_exhaustive()
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
