//! What a server puts up with, each with its default: [`Limits`].
//!
//! | limit | default | from | to | when reached |
//! |---|---|---|---|---|
//! | `protocol.line` | 512 octets | 255 | 65536 | `-ERR`, the rest thrown away |
//! | `protocol.sasl_line` | 12288 octets | 255 | 65536 | `-ERR`, exchange over |
//! | `protocol.discard` | 65536 octets | 1 | – | close |
//! | `protocol.bad_commands_before_login` | 5 | 1 | – | `-ERR`, close |
//! | `protocol.bad_commands_in_a_row` | 20 | 1 | – | `-ERR`, close |
//! | `protocol.bad_commands` | 50 | 1 | – | `-ERR`, close |
//! | `protocol.failed_logins` | 3 | 1 | – | `-ERR [AUTH]`, close |
//! | `protocol.login` | 60 s | 1 ms | 7 days | close, nothing sent |
//! | `protocol.command` | 30 s | 1 ms | 7 days | close, nothing sent |
//! | `protocol.idle` | 600 s | 600 s | 7 days | close, nothing sent |
//! | `handshake` | 20 s | 1 ms | 7 days | close |
//! | `write` | 60 s | 30 s | 600 s | close |
//! | `linger` | 5 s | 0 s | 7 days | close |
//! | `drain` | 30 s | 0 s | 7 days | the socket is shut down |
//! | `failed_login_delay` | 2 s | 0 s | 7 days | – |
//! | `password_checks` | number of cores | 1 | – | further ones wait, within `protocol.login` |
//! | `connections` | 1000 | 1 | – | the oldest without a login goes, or `-ERR [SYS/TEMP]`, close |
//! | `connections_per_address_before_login` | 20 | 1 | – | `-ERR [SYS/TEMP]`, close |
//! | `connections_per_address` | 10 | 1 | – | `-ERR [SYS/TEMP]`, close |
//! | `messages` | 1000000 | 1 | – | `-ERR [SYS/PERM]` |
//! | `stack` | 262144 octets | 131072 | – | – |
//!
//! No buffer is larger than 128 KiB, whatever the limits: lists are made on demand and messages streamed (PB-S41).
//!
//! A limit outside its range is refused when the server is made: [`LimitError`]. Clients may send commands of 255 octets
//! (R2449-4.1); silence of less than ten minutes ends no session (R1939-3.15); one who reads nothing holds its maildrop
//! for ten minutes at most (R1939-3.17); the stack holds what TLS and the hashes of passwords need.

use core::fmt;
use std::error::Error as StdError;
use std::thread;
use std::time::Duration;

use pop3_proto::ServerLimits;

/// What a server puts up with. Take the [`Default`], change what must differ, and give it to
/// [`ServerBuilder::limits`](super::ServerBuilder::limits).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Lines, bad commands, failed logins, and how long a client may take for each.
    ///
    /// `login` counts from the connection, with the TLS handshake in it. `idle` below 600 s is refused when the server
    /// is made (R1939-3.15, PB-S54).
    pub protocol: ServerLimits,
    /// A TLS handshake, on implicit TLS as after STLS; `protocol.login` goes on beside it (R32, PB-S38). Default 20 s.
    pub handshake: Duration,
    /// How long the client may take nothing of what is written to it. A client that reads slowly is not cut off; one
    /// that reads nothing is, after one to two of these (R1939-3.17, PB-S40). Default 60 s, from 30 s to 600 s.
    pub write: Duration,
    /// How long, after the last reply, the client's end of the connection is awaited, so that no reset destroys the reply
    /// (RP-CLOSE.1). The maildrop is free by then. Default 5 s.
    pub linger: Duration,
    /// How long a shutdown lets sessions finish their reply before their sockets are shut down. Default 30 s.
    pub drain: Duration,
    /// A refused credential is answered so long after its check began, for every user alike (R26, R27). Default 2 s.
    pub failed_login_delay: Duration,
    /// How many credentials are checked at once: good hashes are built to use up a core and much memory each. A login that
    /// waits still counts against `protocol.login`. Raise it if the [`Authenticator`](crate::auth::Authenticator) waits
    /// for a network rather than computes. At least 1. Default: the number of cores.
    pub password_checks: usize,
    /// Connections in all. When they are used up the oldest that has not logged in makes room (PB-S38). Default 1000.
    pub connections: usize,
    /// Connections that have not logged in, per address; IPv6 by /64. Default 20.
    pub connections_per_address_before_login: usize,
    /// Connections that have logged in, per address; IPv6 by /64. Default 10.
    pub connections_per_address: usize,
    /// Messages of a maildrop, about 50 octets of memory each. Default 1,000,000.
    pub messages: usize,
    /// Stack of each session's thread, in octets. Raise it for an [`Authenticator`](crate::auth::Authenticator) or
    /// [`Store`](crate::store::Store) that needs more than the ones here. Default 262,144.
    pub stack: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            protocol: ServerLimits::DEFAULT,
            handshake: Duration::from_secs(20),
            write: Duration::from_secs(60),
            linger: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            failed_login_delay: Duration::from_secs(2),
            password_checks: thread::available_parallelism().map_or(1, usize::from),
            connections: 1000,
            connections_per_address_before_login: 20,
            connections_per_address: 10,
            messages: 1_000_000,
            stack: 256 * 1024,
        }
    }
}

impl Limits {
    /// Checks each limit against its range, as [`ServerBuilder::bind`](super::ServerBuilder::bind) does.
    ///
    /// # Errors
    ///
    /// [`LimitError`] of the first that is outside.
    pub fn check(&self) -> Result<(), LimitError> {
        let outside = |(_, value, least, greatest): &(_, u64, u64, u64)| !(least..=greatest).contains(&value);
        match self.ranges().into_iter().find(outside) {
            Some((name, value, least, greatest)) => Err(LimitError { name, value, least, greatest }),
            None => Ok(()),
        }
    }

    /// Each limit by name, with its value, the least and the greatest that it may have. Durations in milliseconds.
    fn ranges(&self) -> [(&'static str, u64, u64, u64); 21] {
        const ANY: u64 = u64::MAX;
        const BUFFER: u64 = 65_536;
        /// What adds to the clock must not overflow it.
        const WEEK: u64 = 7 * 24 * 3600 * 1000;
        let octets = |limit: usize| u64::try_from(limit).unwrap_or(ANY);
        let count = octets;
        let time = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(ANY);
        let floor = time(ServerLimits::IDLE_FLOOR);
        let Self { protocol, .. } = self;
        [
            ("protocol.line", octets(protocol.line), 255, BUFFER),
            ("protocol.sasl_line", octets(protocol.sasl_line), 255, BUFFER),
            ("protocol.discard", octets(protocol.discard), 1, ANY),
            ("protocol.bad_commands_before_login", protocol.bad_commands_before_login.into(), 1, ANY),
            ("protocol.bad_commands_in_a_row", protocol.bad_commands_in_a_row.into(), 1, ANY),
            ("protocol.bad_commands", protocol.bad_commands.into(), 1, ANY),
            ("protocol.failed_logins", protocol.failed_logins.into(), 1, ANY),
            ("protocol.login", time(protocol.login), 1, WEEK),
            ("protocol.command", time(protocol.command), 1, WEEK),
            ("protocol.idle", time(protocol.idle), floor, WEEK),
            ("handshake", time(self.handshake), 1, WEEK),
            ("write", time(self.write), 30_000, 600_000),
            ("linger", time(self.linger), 0, WEEK),
            ("drain", time(self.drain), 0, WEEK),
            ("failed_login_delay", time(self.failed_login_delay), 0, WEEK),
            ("password_checks", count(self.password_checks), 1, ANY),
            ("connections", count(self.connections), 1, ANY),
            (
                "connections_per_address_before_login",
                count(self.connections_per_address_before_login),
                1,
                ANY,
            ),
            ("connections_per_address", count(self.connections_per_address), 1, ANY),
            ("messages", count(self.messages), 1, ANY),
            ("stack", octets(self.stack), 131_072, ANY),
        ]
    }
}

/// A limit is outside its range. The server was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitError {
    /// The limit, as `write` or `protocol.line`.
    pub name: &'static str,
    /// What was set: octets, milliseconds or a number.
    pub value: u64,
    /// The least that is allowed.
    pub least: u64,
    /// The greatest that is allowed; [`u64::MAX`] if there is none.
    pub greatest: u64,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, least, greatest } = self;
        write!(f, "limit {name}: {value} is ")?;
        if value < least { write!(f, "below {least}") } else { write!(f, "above {greatest}") }
    }
}

impl StdError for LimitError {}

#[cfg(test)]
mod tests {
    use super::*;

    type Place<T> = fn(&mut Limits) -> &mut T;

    /// The rows of the table, cell by cell.
    fn told() -> Vec<Vec<&'static str>> {
        let rows = include_str!("limits.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
        rows.map(|row| row.split(" | ").map(|cell| cell.trim_end_matches('`')).collect()).collect()
    }

    #[test]
    fn the_table_tells_the_ranges() {
        let ranges = Limits::default().ranges();
        let told = told();
        assert_eq!(told.len(), ranges.len());
        for (row, (name, _, least, greatest)) in told.into_iter().zip(ranges) {
            let number = |cell: &str| match cell.split_once(' ') {
                Some((days, "days")) => days.parse::<u64>().unwrap() * 24 * 3600 * 1000,
                Some((seconds, "s")) => seconds.parse::<u64>().unwrap() * 1000,
                Some((number, "ms")) => number.parse().unwrap(),
                _ if cell == "–" => u64::MAX,
                _ => cell.parse().unwrap(),
            };
            assert_eq!((row[0], number(row[2]), number(row[3])), (name, least, greatest));
        }
    }

    #[test]
    fn r1939_3_15_r1939_3_17_r2449_4_1_each_limit_has_its_range() {
        const SECOND: Duration = Duration::from_secs(1);
        const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
        let octet_counts: [(&str, Place<usize>, usize, usize); 8] = [
            ("protocol.line", |limits| &mut limits.protocol.line, 255, 65_536),
            ("protocol.sasl_line", |limits| &mut limits.protocol.sasl_line, 255, 65_536),
            ("protocol.discard", |limits| &mut limits.protocol.discard, 1, usize::MAX),
            ("password_checks", |limits| &mut limits.password_checks, 1, usize::MAX),
            ("connections", |limits| &mut limits.connections, 1, usize::MAX),
            ("connections_per_address", |limits| &mut limits.connections_per_address, 1, usize::MAX),
            ("messages", |limits| &mut limits.messages, 1, usize::MAX),
            ("stack", |limits| &mut limits.stack, 128 << 10, usize::MAX),
        ];
        let times: [(&str, Place<Duration>, Duration, Duration); 8] = [
            ("write", |limits| &mut limits.write, 30 * SECOND, 600 * SECOND),
            ("protocol.idle", |limits| &mut limits.protocol.idle, 600 * SECOND, WEEK),
            ("protocol.login", |limits| &mut limits.protocol.login, SECOND / 1000, WEEK),
            ("protocol.command", |limits| &mut limits.protocol.command, SECOND / 1000, WEEK),
            ("handshake", |limits| &mut limits.handshake, SECOND / 1000, WEEK),
            ("linger", |limits| &mut limits.linger, Duration::ZERO, WEEK),
            ("drain", |limits| &mut limits.drain, Duration::ZERO, WEEK),
            ("failed_login_delay", |limits| &mut limits.failed_login_delay, Duration::ZERO, WEEK),
        ];
        let counts: [(&str, Place<u32>); 4] = [
            ("protocol.failed_logins", |limits| &mut limits.protocol.failed_logins),
            ("protocol.bad_commands", |limits| &mut limits.protocol.bad_commands),
            ("protocol.bad_commands_in_a_row", |limits| &mut limits.protocol.bad_commands_in_a_row),
            ("protocol.bad_commands_before_login", |limits| &mut limits.protocol.bad_commands_before_login),
        ];
        let with = |set: &dyn Fn(&mut Limits)| {
            let mut limits = Limits::default();
            set(&mut limits);
            limits.check().map_err(|error| error.name)
        };
        assert_eq!(with(&|_| ()), Ok(()));
        for (name, place, least, greatest) in octet_counts {
            assert_eq!(with(&|limits| *place(limits) = least), Ok(()));
            assert_eq!(with(&|limits| *place(limits) = greatest), Ok(()));
            assert_eq!(with(&|limits| *place(limits) = least - 1), Err(name));
            if let Some(more) = greatest.checked_add(1) {
                assert_eq!(with(&|limits| *place(limits) = more), Err(name));
            }
        }
        for (name, place, least, greatest) in times {
            assert_eq!(with(&|limits| *place(limits) = least), Ok(()));
            assert_eq!(with(&|limits| *place(limits) = greatest), Ok(()));
            let outside = [least.checked_sub(SECOND / 1000), greatest.checked_add(SECOND / 1000)];
            for outside in outside.into_iter().flatten() {
                assert_eq!(with(&|limits| *place(limits) = outside), Err(name));
            }
            assert_eq!(with(&|limits| *place(limits) = Duration::MAX), Err(name));
        }
        for (name, place) in counts {
            assert_eq!(with(&|limits| *place(limits) = 1), Ok(()));
            assert_eq!(with(&|limits| *place(limits) = 0), Err(name));
        }
        let before = "connections_per_address_before_login";
        assert_eq!(with(&|limits| limits.connections_per_address_before_login = 0), Err(before));
    }

    #[test]
    fn the_table_tells_the_defaults() {
        let Limits {
            protocol,
            handshake,
            write,
            linger,
            drain,
            failed_login_delay,
            password_checks: _,
            connections,
            connections_per_address_before_login,
            connections_per_address,
            messages,
            stack,
        } = Limits::default();
        let seconds = |limit: Duration| format!("{} s", limit.as_secs());
        let octets = |limit: usize| format!("{limit} octets");
        let made = [
            ("protocol.line", octets(protocol.line)),
            ("protocol.sasl_line", octets(protocol.sasl_line)),
            ("protocol.discard", octets(protocol.discard)),
            ("protocol.bad_commands_before_login", protocol.bad_commands_before_login.to_string()),
            ("protocol.bad_commands_in_a_row", protocol.bad_commands_in_a_row.to_string()),
            ("protocol.bad_commands", protocol.bad_commands.to_string()),
            ("protocol.failed_logins", protocol.failed_logins.to_string()),
            ("protocol.login", seconds(protocol.login)),
            ("protocol.command", seconds(protocol.command)),
            ("protocol.idle", seconds(protocol.idle)),
            ("handshake", seconds(handshake)),
            ("write", seconds(write)),
            ("linger", seconds(linger)),
            ("drain", seconds(drain)),
            ("failed_login_delay", seconds(failed_login_delay)),
            ("password_checks", "number of cores".into()),
            ("connections", connections.to_string()),
            ("connections_per_address_before_login", connections_per_address_before_login.to_string()),
            ("connections_per_address", connections_per_address.to_string()),
            ("messages", messages.to_string()),
            ("stack", octets(stack)),
        ];
        let told: Vec<(&str, &str)> = told().iter().map(|row| (row[0], row[1])).collect();
        assert_eq!(told, made.each_ref().map(|(name, value)| (*name, value.as_str())));
    }
}
