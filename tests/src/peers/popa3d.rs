//! popa3d: a server of the old school: no TLS, no CAPA, no UIDL before 1999, one mbox for each user.

use std::fs;

use super::TempDir;
use super::inetd::{Inetd, can_isolate, isolated, write_system};
use super::server::{NOBODY, User, mbox, with_cr};
use super::temp::give_to;

/// A running popa3d; dropped, it ends.
#[derive(Debug)]
#[must_use]
pub struct Popa3d {
    // Before the folder: it must not be removed under the running servers.
    inetd: Inetd,
    dir: TempDir,
}

impl Popa3d {
    /// Starts it; `None` where it is not installed or cannot be isolated, which was then said.
    ///
    /// Messages are stored in an mbox, so lines that begin with `From ` get a `>`.
    #[must_use]
    pub fn start(users: &[User<'_>]) -> Option<Self> {
        let program = super::require("popa3d")?;
        if !can_isolate("popa3d") {
            return None;
        }
        let dir = TempDir::new("popa3d");
        write_system(&dir, users, "popa3d");
        for user in users {
            let path = dir.file(format!("mail/{}", user.name), mbox(&user.messages));
            give_to(&path, NOBODY, 8);
        }
        let home = dir.path().to_owned();
        let inetd = Inetd::start(move || isolated(&home, &program), &dir.join("log"));
        Some(Self { inetd, dir })
    }

    /// The port for connections in the clear; there is no other.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.inetd.port()
    }

    /// What it sends of a message: the entry of the mbox, of which the last empty line ends the header if need be.
    #[must_use]
    pub fn sends(stored: &[u8]) -> Vec<u8> {
        let entry = mbox(&[stored.to_vec()]);
        let message = entry.splitn(2, |&octet| octet == b'\n').nth(1).unwrap();
        // An entry without any other empty line keeps the one that separates it from the next.
        let separator = message.strip_suffix(b"\n").unwrap();
        let has_empty_line =
            separator.starts_with(b"\n") || separator.windows(2).any(|octets| octets == b"\n\n");
        with_cr(if has_empty_line { separator } else { message })
    }

    /// What a user's mbox holds now.
    #[must_use]
    pub fn mbox(&self, user: &str) -> Vec<u8> {
        fs::read(self.dir.join("mail").join(user)).unwrap()
    }
}
