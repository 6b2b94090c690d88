//! Limits and tolerances, each with its default; and what a wait is for.
//!
//! Everything that a peer can make grow has a named limit here or in the driver. A tolerance is off unless its text says
//! otherwise: leniency is chosen, by name (law 6 of the house).

use core::time::Duration;

/// What a client puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Greeting, status line and each line of a reply to `CAPA`, `LANG` or `AUTH` alone, in octets with CRLF. RFC: 512.
    /// Default 8,192 (R1939-3.6, PB-Q42).
    pub line: usize,
    /// Each line of a reply to `LIST` or `UIDL`, in octets with CRLF, if [`line`](Self::line) is not less. Default 1,024:
    /// more than ten ids of the standard's length.
    pub list_line: usize,
    /// A challenge line of SASL, in octets with CRLF. Default 12,288 (R5034-4.12).
    pub sasl_line: usize,
    /// Lines of a reply to `CAPA`, `LANG` or `AUTH` alone. Default 200.
    pub capability_lines: u32,
    /// Octets of such a reply, line ends included. Default 65,536.
    pub capability_octets: u32,
    /// Lines of a reply to `LIST` or `UIDL`. Default 1,000,000.
    pub list_lines: u32,
    /// Octets of a message. Default 256 MiB. A longer one ends the connection (PB-C12).
    pub message: u64,
    /// Octets of a command that is sent. Default 255 (R2449-4.2).
    pub command: usize,
    /// How long the TLS handshake after `STLS` may take. Default 20 s.
    pub handshake: Duration,
    /// How long to wait for the greeting. Default 60 s.
    pub greeting: Duration,
    /// How long to wait for the first octets of a reply, and for more of it. Default 60 s.
    pub reply: Duration,
    /// How long to wait for the reply to a login: large maildrops take long to open. Default 300 s (PB-Q28).
    pub login: Duration,
    /// How long to wait for the reply to `QUIT`, which removes mail. Default 300 s.
    pub quit: Duration,
}

impl ClientLimits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        line: 8192,
        list_line: 1024,
        sasl_line: 12_288,
        capability_lines: 200,
        capability_octets: 65_536,
        list_lines: 1_000_000,
        message: 256 << 20,
        command: 255,
        handshake: Duration::from_secs(20),
        greeting: Duration::from_secs(60),
        reply: Duration::from_secs(60),
        login: Duration::from_secs(300),
        quit: Duration::from_secs(300),
    };
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a client tolerates in servers, beyond the grammar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each set by its name")]
pub struct ClientTolerances {
    /// LF alone ends a status or list line; bodies are unaffected (PB-Q01).
    pub lenient_lf: bool,
    /// LF alone ends lines of a message, and LF `.` LF the message. A message that holds such a line on a server that
    /// keeps the standard is cut: do not use it for fetch-and-delete (PB-Q02).
    pub lenient_lf_body: bool,
    /// Up to 16 lines that are no status line may stand before the greeting (PB-Q37).
    pub lenient_banner: bool,
    /// One bare `+OK` stands for an empty challenge, while no initial response was sent (PB-Q18).
    pub lenient_sasl_ok: bool,
}

/// What a server puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// A command line, in octets with CRLF. RFC: 255. Default 512 (R2449-4.1).
    pub line: usize,
    /// An `AUTH` line and a SASL line, in octets with CRLF. Default 12,288 (R5034-4.7, R5034-4.12).
    pub sasl_line: usize,
    /// How much of an over-long line is thrown away before the connection is closed, in octets. Default 65,536.
    pub discard: usize,
    /// Bad commands before login. Default 5 (RP-ALPACA.2).
    pub bad_commands_before_login: u32,
    /// Bad commands in a row after login. Default 20.
    pub bad_commands_in_a_row: u32,
    /// Bad commands in all. Default 50.
    pub bad_commands: u32,
    /// Failed logins. Default 3 (PB-S49).
    pub failed_logins: u32,
    /// From the connection to the login, by the wall clock. Default 60 s.
    pub login: Duration,
    /// Silence after login. Default 600 s; a smaller value is raised to that (R1939-3.15).
    pub idle: Duration,
    /// From the first octet of a command to its CRLF. Default 30 s.
    pub command: Duration,
}

impl ServerLimits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        line: 512,
        sasl_line: 12_288,
        discard: 65_536,
        bad_commands_before_login: 5,
        bad_commands_in_a_row: 20,
        bad_commands: 50,
        failed_logins: 3,
        login: Duration::from_secs(60),
        idle: Self::IDLE_FLOOR,
        command: Duration::from_secs(30),
    };

    /// The shortest autologout that RFC 1939 section 3 allows.
    pub const IDLE_FLOOR: Duration = Duration::from_secs(600);
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How long the driver may wait for input, and for what. From when that counts is for [`Deadlines`](crate::Deadlines) to
/// keep; expiry is an input: see `timed_out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeout {
    /// For what.
    pub waiting_for: WaitingFor,
    /// How long.
    pub limit: Duration,
}

/// What a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitingFor {
    /// Client: the greeting.
    Greeting,
    /// Client: the TLS handshake after `STLS`, from its begin to its end.
    Handshake,
    /// Client: a reply, or more of it.
    Reply,
    /// Client: the reply to a login command.
    LoginReply,
    /// Client: the reply to `QUIT`.
    QuitReply,
    /// Server: a login, or the handshake before it; counted from the connection, and not renewed by octets.
    Login,
    /// Server: the next command; renewed by each complete command and by output progress (R1939-3.17).
    Command,
    /// Server: the rest of a command; counted from its first octet.
    RestOfCommand,
}

impl core::fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting",
            Self::Handshake => "the TLS handshake",
            Self::Reply => "a reply",
            Self::LoginReply => "the reply to the login",
            Self::QuitReply => "the reply to QUIT",
            Self::Login => "a login",
            Self::Command => "a command",
            Self::RestOfCommand => "the rest of a command",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn a_wait_is_told_in_words() {
        assert_eq!(WaitingFor::Greeting.to_string(), "the greeting");
        assert_eq!(WaitingFor::QuitReply.to_string(), "the reply to QUIT");
    }
}
