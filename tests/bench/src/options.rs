//! The options of `bench load`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::Fault;

/// When TLS starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Plain,
    Stls,
    Tls,
}

/// What to do, and to whom.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) addr: SocketAddr,
    pub(crate) security: Security,
    /// Whether TLS sessions are resumed.
    pub(crate) resume: bool,
    /// The data root: authority and manifests.
    pub(crate) root: PathBuf,
    /// The user; `%` in it becomes the number of the connection, modulo `users`.
    pub(crate) user: String,
    pub(crate) users: usize,
    pub(crate) connections: usize,
    /// Commands that are sent in one write before their replies are awaited.
    pub(crate) pipeline: usize,
    /// How long to go on; 0: once through the maildrop.
    pub(crate) seconds: f64,
    pub(crate) iterations: usize,
    /// The root of the server's process tree, 0 if it is not to be watched.
    pub(crate) pid: u32,
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, Fault> {
        let mut options = Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            security: Security::Plain,
            resume: false,
            root: PathBuf::new(),
            user: String::new(),
            users: 1,
            connections: 1,
            pipeline: 1,
            seconds: 0.0,
            iterations: 1,
            pid: 0,
        };
        let (pairs, rest) = arguments.as_chunks::<2>();
        if let [left] = rest {
            return Err(format!("{left}: no value").into());
        }
        for [name, value] in pairs {
            match *name {
                "--addr" => options.addr = value.parse()?,
                "--tls" => {
                    options.security = match *value {
                        "plain" => Security::Plain,
                        "stls" => Security::Stls,
                        "tls" => Security::Tls,
                        _ => return Err(format!("--tls {value}: neither plain nor stls nor tls").into()),
                    }
                }
                "--resume" => options.resume = *value == "yes",
                "--root" => options.root = value.into(),
                "--user" => options.user = (*value).to_owned(),
                "--users" => options.users = value.parse::<usize>()?.max(1),
                "--connections" => options.connections = value.parse::<usize>()?.max(1),
                "--pipeline" => options.pipeline = value.parse::<usize>()?.max(1),
                "--seconds" => options.seconds = value.parse()?,
                "--iterations" => options.iterations = value.parse::<usize>()?.max(1),
                "--pid" => options.pid = value.parse()?,
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        Ok(options)
    }
}
