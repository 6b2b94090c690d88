//! What can be made to go wrong: [`Fault`], and the store that does it.

use std::cell::Cell;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::auth::Identity;
use crate::store::{
    CommitError, Committed, Maildrop, MemoryMaildrop, MemoryStore, Message, Meta, OpenContext, OpenError,
    Plan, Store, StoreError,
};

/// What goes wrong, once: see [`TestServer::inject`](super::TestServer::inject).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The login is refused by `-ERR [IN-USE]`: another session has the maildrop (RFC 2449 section 8.1.2).
    InUse,
    /// The login is refused by `-ERR [LOGIN-DELAY]` (RFC 2449 section 8.1.1).
    LoginDelay,
    /// The login is refused by `-ERR [SYS/TEMP]`, whatever the password: the code under test must not take it for a wrong
    /// one (RFC 3206 section 4).
    Unavailable,
    /// `RETR` or `TOP` is answered by `-ERR`: the message has vanished.
    Gone,
    /// The connection ends inside a message, after so many of its octets as they are stored, or after all that there are,
    /// before the line with the dot. What came must not be taken for the message.
    CutMessage {
        /// How many octets of the message still go out.
        after: u64,
    },
    /// `QUIT` removes nothing of what is marked and is answered by `-ERR` (RFC 1939 section 6).
    NotRemoved,
    /// `QUIT` removes what is marked, and the connection ends before the answer.
    LostReply,
    /// The connection ends at `QUIT`, and nothing is removed. For the client it looks the same as
    /// [`LostReply`](Self::LostReply).
    LostQuit,
}

impl Fault {
    const fn strikes(self, moment: Moment) -> bool {
        matches!(
            (self, moment),
            (Self::InUse | Self::LoginDelay | Self::Unavailable, Moment::Login)
                | (Self::Gone | Self::CutMessage { .. }, Moment::Message)
                | (Self::NotRemoved | Self::LostReply | Self::LostQuit, Moment::Quit)
        )
    }
}

#[derive(Clone, Copy)]
enum Moment {
    Login,
    Message,
    Quit,
}

thread_local! {
    /// Set by a commit, whose answer the session on the same thread then does not give.
    static LOSES_REPLY: Cell<bool> = const { Cell::new(false) };
}

/// Whether the connection of this thread ends instead of what it would write next.
pub(crate) fn reply_is_lost() -> bool {
    LOSES_REPLY.take()
}

/// A store in memory in which faults wait.
#[derive(Clone, Default)]
pub(super) struct FaultyStore {
    memory: MemoryStore,
    faults: Arc<Mutex<Vec<(String, Fault)>>>,
}

impl FaultyStore {
    pub(super) const fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    pub(super) fn inject(&self, user: &str, fault: Fault) {
        self.faults().push((user.to_owned(), fault));
    }

    pub(super) fn pending(&self) -> usize {
        self.faults().len()
    }

    fn next(&self, user: &str, moment: Moment) -> Option<Fault> {
        let mut faults = self.faults();
        let place = faults.iter().position(|(whose, fault)| whose == user && fault.strikes(moment))?;
        Some(faults.remove(place).1)
    }

    fn faults(&self) -> MutexGuard<'_, Vec<(String, Fault)>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for FaultyStore {
    type Maildrop = FaultyMaildrop;

    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<FaultyMaildrop, OpenError> {
        match self.next(who.name(), Moment::Login) {
            Some(Fault::InUse) => Err(OpenError::InUse),
            Some(Fault::LoginDelay) => Err(OpenError::LoginDelay),
            Some(_) => Err(StoreError::Temporary("injected by the test".into()).into()),
            None => Ok(FaultyMaildrop {
                memory: self.memory.open(who, cx)?,
                store: self.clone(),
                user: who.name().to_owned(),
            }),
        }
    }

    fn follows_utf8_headers(&self) -> bool {
        self.memory.follows_utf8_headers()
    }
}

pub(super) struct FaultyMaildrop {
    memory: MemoryMaildrop,
    store: FaultyStore,
    user: String,
}

impl Maildrop for FaultyMaildrop {
    fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.memory.scan(out)
    }

    fn open_message(&mut self, message: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError> {
        match self.store.next(&self.user, Moment::Message) {
            Some(Fault::CutMessage { after }) => {
                Ok(Box::new(Cut { content: self.memory.open_message(message)?.take(after) }))
            }
            Some(_) => Err(StoreError::Gone),
            None => self.memory.open_message(message),
        }
    }

    fn commit(self: Box<Self>, plan: &dyn Plan) -> Result<Committed, CommitError> {
        let Self { memory, store, user } = *self;
        match store.next(&user, Moment::Quit) {
            Some(Fault::LostReply) => {
                LOSES_REPLY.set(true);
                Box::new(memory).commit(plan)
            }
            Some(fault) => {
                LOSES_REPLY.set(fault == Fault::LostQuit);
                let mut marked = 0;
                plan.for_each_marked(&mut |_| marked += 1);
                Err(CommitError::new(0, marked, "injected by the test".into()))
            }
            None => Box::new(memory).commit(plan),
        }
    }
}

/// Ends in an error.
struct Cut<R> {
    content: io::Take<R>,
}

impl<R: Read> Read for Cut<R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self.content.read(octets)? {
            0 if !octets.is_empty() => Err(io::Error::other("injected by the test")),
            read => Ok(read),
        }
    }
}
