//! How a client connects and what it puts up with.

use std::time::Duration;

use pop3_proto::{ClientLimits, ClientTolerances};

use super::tunnel::Proxy;

/// How a [`Connection`](super::Connection) behaves. The default is the safe choice in every point.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each set by its name")]
pub struct ClientOptions {
    /// Limits in octets, lines and time; see [`ClientLimits`].
    pub limits: ClientLimits,
    /// What is tolerated in servers beyond the grammar. Default: nothing that needs to be asked for.
    pub tolerances: ClientTolerances,
    /// How long to wait for each address of the host to answer. Default 20 s.
    pub connect: Duration,
    /// The proxy that leads to the server, for the calls that connect by themselves. It gets as long as `connect` says
    /// for its answer, which includes its own way to the server. Default: none.
    pub proxy: Option<Proxy>,
    /// How long a TLS handshake may take. Default 20 s.
    pub handshake: Duration,
    /// How long a write may make no progress. Default 60 s.
    pub write: Duration,
    /// How long one reply may take from its first wait to its last octet, which stops a server that drips. Default
    /// 30 minutes; `None` turns it off.
    pub reply_total: Option<Duration>,
    /// Whether to send commands ahead where the server announces `PIPELINING`. Default: yes.
    pub pipelining: bool,
    /// How many octets of commands may be outstanding. Default 4,096 (R2449-6.6.3).
    pub outstanding_octets: usize,
    /// Never send `CAPA`, for servers that hang or close on it (PB-Q09). Default: no.
    pub skip_capa: bool,
    /// Send `UTF8` before the login where the server announces it, so that messages come as they are stored and not in
    /// the form that servers make for clients of ASCII alone (R6856-2.8, PB-Q39). A refusal is no error. Default: yes.
    pub utf8: bool,
    /// Send `RSET` before `QUIT` in sessions that deleted nothing, for servers that mark what was fetched (PB-Q15).
    /// Default: no.
    pub rset_before_quit: bool,
    /// After how long a silence [`Session::keep_alive`](super::Session::keep_alive) sends a `NOOP`, for servers that end
    /// idle sessions before the ten minutes of the standard (PB-Q32). Default: never.
    pub keep_alive: Option<Duration>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            limits: ClientLimits::DEFAULT,
            tolerances: ClientTolerances::default(),
            connect: Duration::from_secs(20),
            proxy: None,
            handshake: Duration::from_secs(20),
            write: Duration::from_secs(60),
            reply_total: Some(Duration::from_secs(30 * 60)),
            pipelining: true,
            outstanding_octets: 4096,
            skip_capa: false,
            utf8: true,
            rset_before_quit: false,
            keep_alive: None,
        }
    }
}
