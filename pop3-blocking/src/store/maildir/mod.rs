//! Maildir as the server's store (RFC 1939 sections 4, 6 and 7).
//!
//! A [`MaildirStore`] serves what other programs deliver to `new` and leaves everything where it stands: nothing is
//! renamed, no flag is set. Files of its own, in the Maildir beside `new` and `cur`, are `pop3-lock`, `pop3-uidlist`,
//! `pop3-cache` and, with [`DeletePolicy::Keep`], `pop3-hidden`. A delivery agent or an IMAP server may work in the same Maildir at the same time.
//!
//! # Promises
//!
//! - One session has the maildrop at a time, in all processes of one host; the lock goes when the session does,
//!   however it ends (rows R1939-4.3, R1939-6.3).
//! - Messages are numbered by the time of delivery in their names, then by name. A file that is renamed, moved from
//!   `new` to `cur`, or given flags is the same message, even in the middle of a scan or a session.
//! - A unique-id is told only after it was stored, and is never given twice (row R1939-7.3). It follows the part of
//!   the file name before `:`, so a message that was removed and delivered again under the same name has a new one.
//! - Sizes are exact, counted once by reading the message, and kept with the ids (row R1939-5.6). A later login
//!   reads the list and the two directories, and opens no message.
//! - What a scan of 1,000 messages or more found is kept too, and a later login to a Maildir in which nothing has changed
//!   since reads that alone. What changes at all it sees by the times of `new` and `cur` and the numbers of their inodes;
//!   a scan is not kept unless they were two seconds old, so that a change in the same moment cannot be missed. Where a
//!   file system does not keep such times, or another host's clock sets them, remove `pop3-cache` and forbid writing it by
//!   a directory of that name.
//! - Where the server offers `UTF8`, what a client without UTF-8 mode is to be shown is found out once too, by reading the
//!   header, and kept with the sizes (rows R6856-2.3, R6856-2.6). Lists of earlier versions are read, and the headers
//!   of their messages looked at when they are needed.
//! - A commit removes the marked messages and no other, one by one, and returns when that is durable
//!   (rows R1939-6.1, R1939-6.2).
//! - Nothing but regular files is opened, relative to open directories, without following links or waiting
//!   (row PB-S50). Anything else in `new` or `cur` is skipped and logged.
//! - A failed scan is an error, never a shorter maildrop (row PB-S28).
//! - Messages that Dovecot or Courier served before keep the unique-ids that they had:
//!   [`MaildirStore::previous_server`].
//! - An open maildrop takes about 75 octets per message, and 30 more for an id of a previous server.
//!
//! # When the process is killed, the power fails or the disk is faulty
//!
//! At whatever call that happens, the state afterwards is one between two steps of this list (R37):
//!
//! - Before `QUIT` nothing is removed. Marks are in memory only.
//! - A commit removes one name after the other, then syncs `new` and `cur`. Each message is whole or gone; a removal may
//!   be undone by a power failure until both are synced, and never behind a `+OK`. If one removal fails the others are
//!   tried all the same, and the answer is `-ERR`; so it is if a sync fails, though the names are gone for all to see.
//! - A message that comes back has the unique-id it had: its line leaves the list only after its removal was synced. The
//!   one exception is a disk that lost the removal in a sync that failed, and then forgot it in a power failure.
//! - With [`DeletePolicy::MoveTo`] a message has its name in the folder, synced with the folder itself, before the one in
//!   `new` or `cur` goes: it is whole in one of them or in both. With [`DeletePolicy::Keep`] all marked messages are hidden
//!   or none.
//! - The list is replaced as a whole, and no id is told before the list that holds it was synced; not by a later session
//!   either, should the one that wrote it have died before it could.
//! - The lock goes with the process.
//!
//! The tests end a session at every call, make every call fail in eight ways, and forget what was not synced.
//!
//! # What is believed of sizes
//!
//! A message file never changes under its name: that is what Maildir is. So the stored size is believed if the name
//! is known, and a login opens no message that an earlier one has counted. When a message is opened, its size and
//! modification time are compared with those stored; if they differ, the change is logged and the octets are counted
//! again at the next login. The session goes on with the size it has told (row R1939-4.6). Sizes in the name are not
//! used: `,S=` is part of the name, so it cannot tell that the file has changed, and programs differ about what `,W=`
//! counts at the last line end and in messages without an empty line.

use core::fmt;
use std::path::Path;

use pop3_proto::body::BodyRules;

use super::{OpenContext, OpenError, Store};
use crate::auth::Identity;

mod cache;
mod calls;
mod delete_policy;
mod dirs;
mod error;
mod folder;
#[cfg(feature = "__fuzzing")]
pub(crate) mod fuzzing;
mod hidden;
mod index;
mod lines;
mod lock;
mod maildrop;
mod name;
mod new_file;
mod previous;
mod template;
mod uid_list;
mod uidl_format;
mod unique_ids;

#[cfg(test)]
mod tests;

pub use delete_policy::{DeletePolicy, DeletePolicyError, Folder, FolderError};
use dirs::Dirs;
pub use error::MaildirError;
use lock::Lock;
pub use maildrop::OpenMaildir;
pub use previous::PreviousServer;
use template::Template;
pub use template::TemplateError;
pub use uidl_format::{UidlFormat, UidlFormatError};

/// How many messages a maildrop may hold unless set otherwise.
const MAX_MESSAGES: u32 = 1_000_000;

/// How many threads count the octets of messages, at most, unless set otherwise.
const THREADS: usize = 4;

/// Opens the Maildirs of users. See the [module](self) for what it promises.
///
/// ```
/// use pop3_blocking::store::MaildirStore;
///
/// let store = MaildirStore::new("/var/mail/{user}/Maildir")?.max_messages(100_000);
/// # Ok::<(), pop3_blocking::store::maildir::TemplateError>(())
/// ```
#[derive(Clone)]
pub struct MaildirStore {
    template: Template,
    rules: BodyRules,
    max_messages: u32,
    create_missing: bool,
    previous: PreviousServer,
    delete_policy: DeletePolicy,
    threads: usize,
    /// Scans of so many messages are kept.
    cache_from: usize,
}

impl MaildirStore {
    /// A store for the Maildirs that `template` names: a path in which each `{user}` stands for the user's name.
    ///
    /// A name can never lead out of its component: it must have 1 to 255 octets, no `/`, `\` or control character,
    /// and no dot in front. Others have no maildrop: [`OpenError::Store`] with a permanent fault. Make sure that the
    /// file system tells apart all names that the [`Authenticator`](crate::auth::Authenticator) does.
    ///
    /// # Errors
    ///
    /// - [`TemplateError::NoUser`]: there is no `{user}`.
    /// - [`TemplateError::UnknownPlaceholder`]: there is another brace.
    pub fn new(template: impl AsRef<Path>) -> Result<Self, TemplateError> {
        Ok(Self {
            template: Template::new(template.as_ref())?,
            rules: BodyRules::default(),
            max_messages: MAX_MESSAGES,
            create_missing: false,
            previous: PreviousServer::Any,
            delete_policy: DeletePolicy::Remove,
            threads: std::thread::available_parallelism().map_or(1, usize::from).min(THREADS),
            cache_from: cache::WORTH_IT,
        })
    }

    /// Sets the rules with which the server sends bodies: sizes follow them. The default is [`BodyRules::default`].
    ///
    /// All messages are counted once more when a maildrop is opened with rules other than before.
    #[must_use]
    pub const fn rules(mut self, rules: BodyRules) -> Self {
        self.rules = rules;
        self
    }

    /// Sets how many threads count the octets of messages that no login has counted yet, where these are 1,000 or more; of
    /// fewer the session's own does. As many as the system has processors, but no more than 4, unless set. 0 is as 1.
    /// Each takes 64 KiB and its stack until all is counted.
    #[must_use]
    pub const fn counting_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets how many messages a maildrop may hold, 1,000,000 unless set. The scan of a fuller one is a permanent
    /// fault.
    #[must_use]
    pub const fn max_messages(mut self, limit: u32) -> Self {
        self.max_messages = limit;
        self
    }

    /// Sets whether a Maildir that does not exist is made, with mode 0700, and directories above it.
    ///
    /// Off unless switched on: a file system that is not mounted, or a misspelt template, must not look like a
    /// server full of empty maildrops.
    #[must_use]
    pub const fn create_missing(mut self, create: bool) -> Self {
        self.create_missing = create;
        self
    }

    /// Sets which server served the Maildirs before: messages keep the unique-ids that it gave (RFC 1939 section 7), so
    /// that clients fetch nothing twice. [`PreviousServer::Any`] unless set.
    ///
    /// Its list is read once, when a Maildir is opened that has none of this crate yet; it is never changed. A message that
    /// is not in it gets a new id, as does one whose id cannot be told (it must have 1 to 70 octets from `!` to `~`), or is
    /// that of another message too. To read it again, remove `pop3-uidlist`; this changes the ids of all messages that came
    /// later.
    #[must_use]
    pub fn previous_server(mut self, server: PreviousServer) -> Self {
        self.previous = server;
        self
    }

    /// Sets what `QUIT` does with the messages marked as deleted; they are removed unless set.
    #[must_use]
    pub fn delete_policy(mut self, policy: DeletePolicy) -> Self {
        self.delete_policy = policy;
        self
    }
}

impl Store for MaildirStore {
    type Maildrop = OpenMaildir;

    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<OpenMaildir, OpenError> {
        let path = self.template.path(who.name()).ok_or(MaildirError::UserName)?;
        let dirs = Dirs::open(&path, self.create_missing)?;
        let lock = Lock::take(&dirs.root)?;
        Ok(OpenMaildir::new(
            path,
            dirs,
            lock,
            self.rules,
            self.max_messages,
            cx.utf8_headers,
            self.previous.clone(),
        )
        .with_delete_policy(self.delete_policy.clone())
        .with_threads(self.threads)
        .with_cache_from(self.cache_from))
    }

    fn follows_utf8_headers(&self) -> bool {
        true
    }
}

impl fmt::Debug for MaildirStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaildirStore")
            .field("template", &self.template.as_os_str())
            .field("rules", &self.rules)
            .field("max_messages", &self.max_messages)
            .field("counting_threads", &self.threads)
            .field("create_missing", &self.create_missing)
            .field("previous", &self.previous)
            .field("delete_policy", &self.delete_policy)
            .finish()
    }
}
