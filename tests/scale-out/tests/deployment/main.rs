//! The whole deployment on loopback: several servers over one PostgreSQL, behind HAProxy.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot do its work ends, and a bench prints"
)]

mod client;
mod haproxy;
mod postgres;
mod relay;
mod server;

mod commit;
mod lock;
mod mail;
mod throughput;
mod tls;
mod trouble;
