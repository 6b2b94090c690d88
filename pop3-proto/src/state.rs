//! The one table of states that serves both roles: what may follow what.
//!
//! ```text
//!            greeting                 PASS, APOP, AUTH
//! Greeting ───────────▶ Authorization ────────────────▶ Transaction ──QUIT──▶ Update
//!     │ -ERR              │  ▲  │  ▲                        │  ▲
//!     ▼              USER ▼  │  ▼  │ TLS started       all else, STLS and login
//!   Closed            Password  Tls                       commands excepted
//! ```
//!
//! Where a command leads when it succeeds; a blank cell is `-ERR`, and for a client a broken server:
//!
//! <!-- states: printed by a test -->
//!
//! | | Authorization | Password | Transaction |
//! |---|---|---|---|
//! | `USER` | Password | Password | |
//! | `PASS` | | Transaction | |
//! | `APOP` | Transaction | Transaction | |
//! | `AUTH` | Transaction | Transaction | |
//! | `AUTH` alone | Authorization | Authorization | |
//! | `CAPA` | Authorization | Authorization | Transaction |
//! | `STLS` | Tls | Tls | |
//! | `UTF8` | Authorization | Authorization | |
//! | `LANG` | Authorization | Authorization | Transaction |
//! | `STAT` | | | Transaction |
//! | `LIST` | | | Transaction |
//! | `UIDL` | | | Transaction |
//! | `RETR` | | | Transaction |
//! | `TOP` | | | Transaction |
//! | `DELE` | | | Transaction |
//! | `NOOP` | | | Transaction |
//! | `RSET` | | | Transaction |
//! | `QUIT` | Closed | Closed | Update |
//!
//! <!-- end -->
//!
//! Once `UTF8` has succeeded, `STLS` has no place any more (R6856-2.7).
//!
//! `AUTH` and `STLS` open exchanges in which no other command is read; the exchange of `AUTH` lies between the command
//! and its reply and needs no state here. A session that is in [`State::Update`] or [`State::Closed`] is over: what
//! remains is to close the connection. RFC 1939 sections 4 to 6, RFC 2595 section 4, RFC 5034 section 4,
//! RFC 6856 section 2.

use core::fmt;

use crate::codec::{Status, Verb};

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The server has not greeted yet.
    Greeting,
    /// Nobody is logged in.
    Authorization,
    /// Nobody is logged in; a `USER` was accepted, and `PASS` may follow directly.
    Password,
    /// `STLS` was accepted; the TLS handshake comes next.
    Tls,
    /// Somebody is logged in and the maildrop is locked.
    Transaction,
    /// `QUIT` was answered after a login; marked messages are removed as far as the answer tells.
    Update,
    /// The session ended without an update.
    Closed,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Greeting,
        Self::Authorization,
        Self::Password,
        Self::Tls,
        Self::Transaction,
        Self::Update,
        Self::Closed,
    ];

    /// Whether the session is over.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Update | Self::Closed)
    }
}

/// A `+OK` to a command that cannot succeed where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Where the session stands.
    pub state: State,
    /// What was answered with `+OK`.
    pub verb: Verb,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot succeed in state {:?}", self.verb, self.state)
    }
}

impl core::error::Error for Violation {}

/// Where a session goes if `verb` succeeds in `state`; `None` where it cannot.
pub const fn success(state: State, verb: Verb) -> Option<State> {
    use State::{Authorization, Closed, Password, Tls, Transaction, Update};
    match (state, verb) {
        (Authorization | Password, Verb::User) => Some(Password),
        (Password, Verb::Pass) => Some(Transaction),
        (Authorization | Password, Verb::Apop | Verb::Auth) => Some(Transaction),
        (Authorization | Password, Verb::Capa | Verb::Lang | Verb::Utf8 | Verb::Mechanisms) => {
            Some(Authorization)
        }
        (Authorization | Password, Verb::Stls) => Some(Tls),
        (Authorization | Password, Verb::Quit) => Some(Closed),
        (
            Transaction,
            Verb::Capa
            | Verb::Lang
            | Verb::Stat
            | Verb::List
            | Verb::Uidl
            | Verb::Retr
            | Verb::Top
            | Verb::Dele
            | Verb::Noop
            | Verb::Rset,
        ) => Some(Transaction),
        (Transaction, Verb::Quit) => Some(Update),
        _ => None,
    }
}

/// Where a session goes when `verb` was answered with `status` in `state`.
///
/// A `-ERR` changes nothing, with two exceptions: after any command but a successful `USER` a new `USER` is needed
/// (R1939-7.6), and `QUIT` ends the session whatever its reply (R1939-6.1).
///
/// # Errors
///
/// [`Violation`]: `+OK` where the command cannot succeed.
pub const fn next(state: State, verb: Verb, status: Status) -> Result<State, Violation> {
    match (status, success(state, verb)) {
        (Status::Ok, Some(next)) => Ok(next),
        (Status::Ok, None) => Err(Violation { state, verb }),
        (Status::Err, after_success) => match (verb, after_success, state) {
            (Verb::Quit, Some(next), _) => Ok(next),
            (_, _, State::Password) => Ok(State::Authorization),
            _ => Ok(state),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1939_7_6_pass_follows_user_directly() {
        assert_eq!(next(State::Authorization, Verb::User, Status::Ok), Ok(State::Password));
        assert!(next(State::Authorization, Verb::Pass, Status::Ok).is_err());
        for verb in Verb::ALL {
            if !matches!(verb, Verb::Quit) {
                assert_eq!(next(State::Password, verb, Status::Err), Ok(State::Authorization), "{verb}");
            }
        }
        assert_eq!(next(State::Password, Verb::Capa, Status::Ok), Ok(State::Authorization));
    }

    #[test]
    fn r1939_6_1_quit_ends_the_session_whatever_its_reply() {
        for status in [Status::Ok, Status::Err] {
            assert_eq!(next(State::Transaction, Verb::Quit, status), Ok(State::Update));
            assert_eq!(next(State::Authorization, Verb::Quit, status), Ok(State::Closed));
        }
    }

    #[test]
    fn r2595_4_2_r5034_4_1_no_second_login_and_no_tls_after_it() {
        for verb in [Verb::User, Verb::Pass, Verb::Apop, Verb::Auth, Verb::Stls, Verb::Utf8] {
            assert_eq!(success(State::Transaction, verb), None, "{verb}");
        }
    }

    #[test]
    fn nothing_succeeds_where_no_command_is_read() {
        for state in [State::Greeting, State::Tls, State::Update, State::Closed] {
            for verb in Verb::ALL {
                assert_eq!(success(state, verb), None);
            }
        }
    }

    #[test]
    fn r1939_3_13_a_violation_names_the_command_and_the_state() {
        let violation = next(State::Authorization, Verb::List, Status::Ok).unwrap_err();
        assert_eq!(alloc::format!("{violation}"), "LIST cannot succeed in state Authorization");
    }
}
