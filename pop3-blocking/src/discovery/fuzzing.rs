//! Packets of the DNS, for [`crate::fuzzing`].

use pop3_proto::discovery::SrvService;

use super::packet::{self, NoAnswer};

/// What a packet was taken for.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "for one caller, which matches them all")]
pub enum Answer {
    /// It does not belong to the question.
    NotOurs,
    /// There is more of it.
    Truncated,
    /// It tells of a failure, or cannot be read.
    Failed(String),
    /// There is no such name.
    NoSuchName,
    /// Priority, weight, port and target of each record.
    Records(Vec<(u16, u16, u16, String)>),
}

/// A question for SRV records.
pub fn dns_question(id: u16, name: &str) -> Option<Vec<u8>> {
    packet::question(id, name).ok()
}

/// What `message` answers to a question.
pub fn dns_answer(message: &[u8], id: u16, name: &str, complete: bool) -> Answer {
    match packet::answer(message, id, SrvService::Pop3s, name, complete) {
        Err(NoAnswer::NotOurs) => Answer::NotOurs,
        Err(NoAnswer::Truncated) => Answer::Truncated,
        Err(NoAnswer::Failed(error)) => Answer::Failed(format!("{error:?}")),
        Ok(packet::Answer::NoSuchName) => Answer::NoSuchName,
        Ok(packet::Answer::Records(records)) => Answer::Records(
            records
                .into_iter()
                .map(|found| (found.priority, found.weight, found.port, found.target))
                .collect(),
        ),
    }
}
