//! Moving from Dovecot or Courier, without any client noticing.
//!
//! A client that leaves mail on the server knows it by unique-ids. A new server that gives new ids has every client
//! fetch everything once more. [`MaildirStore`](crate::store::MaildirStore) reads the ids that the old server kept in the
//! Maildir, and goes on with them.
//!
//! 1. Look up how the old server made its ids. Dovecot: `doveconf pop3_uidl_format`. Courier: nothing to look up.
//! 2. Stop the old server, or let both serve for a while; each keeps its own list, and the old one is never changed.
//! 3. Start with `pop3d --previous-server 'dovecot=FORMAT'`, or `courier`. Without the option the lists that lie in the
//!    Maildir are tried, with the default format of Dovecot (`%08Xu%08Xv`).
//! 4. Users: the users file has the form of Dovecot's `passwd-file`, `user:{SCHEME}hash`; see `auth::UsersFile` (feature `passwd`) for the
//!    schemes. For PAM and other sources there is `pop3d --checkpassword`.
//! 5. Certificates: the same PEM files.
//! 6. Look at one maildrop through both servers, before and after: `pop3 list pops://alice@localhost:995` shows numbers,
//!    octets and unique-ids.
//!
//! In a program:
//!
//! ```
//! use pop3_blocking::auth::Identity;
//! use pop3_blocking::store::{Maildrop, MaildirStore, OpenContext, Store, maildir::PreviousServer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = std::env::temp_dir().join(format!("pop3-guide-migrating-{}", std::process::id()));
//! # let maildir = home.join("alice/Maildir");
//! # for folder in ["tmp", "new", "cur"] { std::fs::create_dir_all(maildir.join(folder))?; }
//! # std::fs::write(maildir.join("cur/1700000000.M1P1.host,S=8:2,S"), "A: b\n\nc\n")?;
//! // What Dovecot has left in /home/alice/Maildir: the message is number 7 of the list made at 0x5f3e1a2b.
//! # let left =
//! "3 V1597905451 N8 G0123456789abcdef0123456789abcdef\n7 :1700000000.M1P1.host,S=8\n"
//! # ;
//! # std::fs::write(maildir.join("dovecot-uidlist"), left)?;
//!
//! let store = MaildirStore::new(home.join("{user}/Maildir"))?
//!     .previous_server(PreviousServer::Dovecot("%08Xu%08Xv".parse()?));
//! let mut maildrop = store.open(&Identity::new("alice"), &OpenContext::default())?;
//! maildrop.scan(&mut |message| {
//!     assert_eq!(message.unique_id, b"000000075f3e1a2b");
//!     Ok(())
//! })?;
//! # drop(maildrop);
//! # std::fs::remove_dir_all(home)?;
//! # Ok(())
//! # }
//! ```
//!
//! Mail that is not in Maildirs, such as mdbox or mbox, has to be converted first, by `dsync` for Dovecot; it keeps the ids
//! in the `dovecot-uidlist` that it writes.
