//! For tests: the work that this thread has done to answer questions about credentials (R26).

use std::cell::RefCell;

/// One piece of work. How long it takes depends on what it says, and on the lengths of what the client sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// The authenticator was asked.
    Ask(&'static str),
    /// A password was compared with what is kept, which takes about so many nanoseconds.
    #[cfg(feature = "passwd")]
    Check(u64),
    /// Keys for SCRAM were derived, by so many iterations.
    Derive(u32),
    /// Something was made up for a name.
    MakeUp(&'static str),
    /// A mechanism was given what it verifies the client's message with.
    Verify(&'static str),
}

std::thread_local! {
    static DONE: RefCell<Vec<Work>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn note(work: Work) {
    DONE.with_borrow_mut(|done| done.push(work));
}

/// What was done since the last call.
pub(crate) fn take() -> Vec<Work> {
    DONE.take()
}

/// The cost of all checks since the last call, and the iterations of all keys derived.
#[cfg(feature = "passwd")]
pub(crate) fn spent() -> (u64, u32) {
    take().iter().fold((0, 0), |(cost, iterations), work| match work {
        Work::Check(more) => (cost + more, iterations),
        Work::Derive(more) => (cost, iterations + more),
        _ => (cost, iterations),
    })
}
