//! What the servers of these examples serve: a folder for each user, looked through when the program starts.
//!
//! `MAIL/alice/password` holds the password, `MAIL/alice/*.eml` the messages; a file's name is the message's unique-id.
//! Enough for an example: there is no hash, no pause after a wrong password, and mail that comes later is not seen.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pop3_proto::MessageNumber;
use pop3_proto::body::{BodyRules, Measure};
use pop3_proto::server::Refusal;

/// The maildrops.
pub(crate) struct Mail(Mutex<HashMap<Vec<u8>, Slot>>);

struct Slot {
    password: Vec<u8>,
    messages: Arc<[Message]>,
    open: bool,
}

/// One message.
#[derive(Clone)]
pub(crate) struct Message {
    path: PathBuf,
    pub(crate) unique_id: String,
    /// As `RETR` sends it: what `LIST` tells must be what the client counts.
    pub(crate) octets: u64,
}

/// An open maildrop, which nobody else can open until it is dropped.
pub(crate) struct Maildrop {
    mail: Arc<Mail>,
    user: Vec<u8>,
    pub(crate) messages: Arc<[Message]>,
}

impl Mail {
    pub(crate) fn load(folder: &Path) -> io::Result<Arc<Self>> {
        let mut slots = HashMap::new();
        for user in fs::read_dir(folder)? {
            let user = user?;
            let password = fs::read_to_string(user.path().join("password"))?;
            let mut messages = Vec::new();
            for file in fs::read_dir(user.path())? {
                let path = file?.path();
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
                if name.ends_with(".eml") {
                    let octets = Measure::of(&fs::read(&path)?, BodyRules::new());
                    messages.push(Message { unique_id: name.to_owned(), octets, path });
                }
            }
            messages.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
            let password = password.trim_end_matches(['\r', '\n']).into();
            let slot = Slot { password, messages: messages.into(), open: false };
            slots.insert(user.file_name().into_encoded_bytes(), slot);
        }
        Ok(Arc::new(Self(Mutex::new(slots))))
    }

    /// Checks the password, then locks the maildrop: in this order, so that only its owner learns that it is in use.
    pub(crate) fn open(self: &Arc<Self>, user: &[u8], password: &[u8]) -> Result<Maildrop, Refusal> {
        let mut slots = self.slots();
        let slot = slots.get_mut(user).filter(|slot| slot.password == password);
        let slot = slot.ok_or(Refusal::Credentials)?;
        if core::mem::replace(&mut slot.open, true) {
            return Err(Refusal::InUse);
        }
        Ok(Maildrop { mail: Arc::clone(self), user: user.to_owned(), messages: Arc::clone(&slot.messages) })
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maildrop {
    /// Opens a message, before the client is told that it comes.
    pub(crate) fn read(&self, number: MessageNumber) -> io::Result<File> {
        let message = self.messages.get(number.index()).ok_or(io::ErrorKind::NotFound)?;
        File::open(&message.path)
    }

    /// Removes the marked messages and frees the maildrop; tells whether all are gone.
    pub(crate) fn remove(self, marked: impl Iterator<Item = MessageNumber>) -> bool {
        let mut left: Vec<Option<&Message>> = self.messages.iter().map(Some).collect();
        let mut all = true;
        for number in marked {
            if let Some(place) = left.get_mut(number.index()) {
                let gone = place.is_some_and(|message| fs::remove_file(&message.path).is_ok());
                all &= gone;
                *place = if gone { None } else { *place };
            }
        }
        let left = left.into_iter().flatten().cloned().collect();
        if let Some(slot) = self.mail.slots().get_mut(&self.user) {
            slot.messages = left;
        }
        all
    }
}

impl Drop for Maildrop {
    fn drop(&mut self) {
        if let Some(slot) = self.mail.slots().get_mut(&self.user) {
            slot.open = false;
        }
    }
}
