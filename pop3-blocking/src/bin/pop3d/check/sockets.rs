//! Whether addresses can be bound.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use super::Report;
use crate::args::ListenSettings;
use crate::args::listen::{Mode, Place};

pub(super) fn check(listeners: &[ListenSettings], report: &mut Report) {
    for (at, listener) in listeners.iter().enumerate() {
        let place = &listener.address;
        let before = listeners.get(..at).unwrap_or_default();
        // What systemd passes it has bound.
        if let Place::Address(address) = *place {
            if address.port() != 0 && before.iter().any(|other| other.address == *place) {
                report.wrong(format_args!("{address} is to be listened on twice: take one away"));
            } else if let Err(error) = bind(address) {
                let hint = match error.kind() {
                    io::ErrorKind::AddrInUse => "is pop3d running, or another server?",
                    io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
                    io::ErrorKind::AddrNotAvailable => "this host has no such address now",
                    _ => "correct the address",
                };
                report.warn(format_args!("cannot bind {address}: {error}; {hint}"));
            }
        }
        if listener.mode == Mode::Clear && !listener.allow_cleartext_login {
            report.warn(format_args!(
                "nobody can log in on {place}, which has no TLS: give --cert and --key for STLS, or \
                 --allow-cleartext-login"
            ));
        }
    }
}

/// Binds, and lets go. Without listening no client notices.
fn bind(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())
}
