//! What a server puts up with, each with its default: [`Limits`].
//!
//! | limit | default | when reached |
//! |---|---|---|
//! | `protocol.line` | 512 octets | `-ERR`, the rest thrown away |
//! | `protocol.sasl_line` | 12288 octets | `-ERR`, exchange over |
//! | `protocol.discard` | 65536 octets | close |
//! | `protocol.bad_commands_before_login` | 5 | `-ERR`, close |
//! | `protocol.bad_commands_in_a_row` | 20 | `-ERR`, close |
//! | `protocol.bad_commands` | 50 | `-ERR`, close |
//! | `protocol.failed_logins` | 3 | `-ERR [AUTH]`, close |
//! | `protocol.login` | 60 s | close, nothing sent |
//! | `protocol.command` | 30 s | close, nothing sent |
//! | `protocol.idle` | 600 s | close, nothing sent |
//! | `handshake` | 20 s | close |
//! | `write` | 60 s | close |
//! | `linger` | 5 s | close |
//! | `drain` | 30 s | the socket is shut down |
//! | `failed_login_delay` | 2 s | – |
//! | `password_checks` | number of cores | further ones wait, within `protocol.login` |
//! | `connections` | 1000 | the oldest without a login goes, or `-ERR [SYS/TEMP]`, close |
//! | `connections_per_address_before_login` | 20 | `-ERR [SYS/TEMP]`, close |
//! | `connections_per_address` | 10 | `-ERR [SYS/TEMP]`, close |
//! | `messages` | 1000000 | `-ERR [SYS/PERM]` |
//! | `stack` | 262144 octets | – |
//!
//! No buffer is larger than 64 KiB, whatever the limits: lists are made on demand and messages streamed (PB-S41).

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
    /// that reads nothing is, after one to two of these (R1939-3.17, PB-S40). Default 60 s.
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let told: Vec<(&str, &str)> = include_str!("limits.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"))
            .map(|row| {
                let mut cells = row.split(" | ");
                (cells.next().unwrap().trim_end_matches('`'), cells.next().unwrap())
            })
            .collect();
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
        assert_eq!(told, made.each_ref().map(|(name, value)| (*name, value.as_str())));
    }
}
