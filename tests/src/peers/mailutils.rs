//! GNU Mailutils pop3d: STLS and TLS, capabilities with a missing space, and the habit to add an `X-UIDL` field to the
//! messages it stores.

use std::path::PathBuf;

use super::inetd::{Inetd, can_isolate, isolated, write_system};
use super::server::{NOBODY, User, count_maildir, fill_maildir, with_cr};
use super::temp::give_to;
use super::{Certs, TempDir};

/// A running Mailutils pop3d; dropped, it ends.
#[derive(Debug)]
#[must_use]
pub struct Mailutils {
    // Before the folder: it must not be removed under the running servers.
    plain: Inetd,
    implicit: Inetd,
    dir: TempDir,
}

impl Mailutils {
    /// Starts it; `None` where it is not installed or cannot be isolated, which was then said.
    #[must_use]
    pub fn start(certs: &Certs, users: &[User<'_>]) -> Option<Self> {
        let program = super::require_package("mailutils-pop3d", "pop3d")?;
        if !can_isolate("mailutils-pop3d") {
            return None;
        }
        let dir = TempDir::new("mailutils");
        write_system(&dir, users, "pop3d");
        let home = dir.subdir("home");
        for user in users {
            fill_maildir(&home.join(user.name).join("Maildir"), &user.messages);
        }
        give_to(&home, NOBODY, NOBODY);
        let listen = |mode: &str| {
            let config = dir.file(
                format!("config-{mode}"),
                format!(
                    "auth {{ authentication clear; authentication \"generic:system\"; authorization clear;\n\
                     authorization system; }};\n\
                     mailbox {{ mailbox-pattern \"maildir://{0}/${{user}}/Maildir\"; mailbox-type maildir; }};\n\
                     locking {{ type null; }};\nmandatory-locking {{ enable no; }};\n\
                     logging {{ syslog no; severity error; }};\n\
                     tls {{ ssl-certificate-file {1}; ssl-key-file {2}; }};\ntls-mode {mode};\n",
                    home.display(),
                    certs.server_file().display(),
                    certs.server_key_file().display(),
                ),
            );
            let (program, folder) = (program.clone(), dir.path().to_owned());
            let command = move || {
                let mut command = isolated(&folder, &program);
                command.args(["--inetd", "--no-config", "--config-file"]).arg(&config);
                command
            };
            Inetd::start(command, &dir.join("log"))
        };
        let (plain, implicit) = (listen("ondemand"), listen("connection"));
        Some(Self { plain, implicit, dir })
    }

    /// The port for connections in the clear and STLS.
    #[must_use]
    pub const fn plain(&self) -> u16 {
        self.plain.port()
    }

    /// The port for TLS from the first octet.
    #[must_use]
    pub const fn implicit(&self) -> u16 {
        self.implicit.port()
    }

    /// What it sends of a message that it is fit for, [without](Self::without_x_uidl) the field that it adds.
    #[must_use]
    pub fn sends(stored: &[u8]) -> Vec<u8> {
        with_cr(stored)
    }

    /// A message as sent or delivered, without the `X-UIDL` field.
    #[must_use]
    pub fn without_x_uidl(message: &[u8]) -> Vec<u8> {
        let lines = message.split_inclusive(|&octet| octet == b'\n');
        lines.filter(|line| !line.starts_with(b"X-UIDL: ")).flatten().copied().collect()
    }

    /// The Maildir of a user.
    #[must_use]
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.dir.join("home").join(user).join("Maildir")
    }

    /// How many messages a user has.
    #[must_use]
    pub fn count(&self, user: &str) -> usize {
        count_maildir(&self.maildir(user))
    }
}
