//! The transaction that removes what a session has marked.

use std::thread;
use std::time::{Duration, Instant};

use crate::link::Sql;
use crate::{Database, Fault, Link};

/// How long the outcome of a transaction is looked for whose answer was lost: the client waits for the reply to its `QUIT`
/// meanwhile. A fail-over takes longer than most clients would wait.
const LOOKED_FOR: Duration = Duration::from_secs(10);

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Removes `messages` of a maildrop, all or none. One that is gone already counts as removed.
///
/// # Errors
///
/// [`Fault::OutcomeUnknown`]: they may be removed or not. Any other: nothing was removed.
pub(crate) fn delete(
    link: &mut Link,
    database: &Database,
    maildrop: i64,
    messages: &[i64],
) -> Result<(), Fault> {
    link.run("BEGIN")?;
    let row = link.one(Sql::Delete, &[&maildrop, &messages])?;
    let transaction: String = row.ok_or(Fault::NotCommitted)?.try_get(0)?;
    link.run("COMMIT").or_else(|fault| find_out(database, &transaction, fault))
}

/// Asks the database whether a transaction was committed whose `COMMIT` had no good answer.
///
/// A database that took over from the one that was asked answers for what it has: a transaction that never came to it is one
/// that it knows nothing of, and then neither do we.
fn find_out(database: &Database, transaction: &str, lost: Fault) -> Result<(), Fault> {
    log::warn!("COMMIT of transaction {transaction} was not answered: {lost}");
    let deadline = Instant::now() + LOOKED_FOR;
    loop {
        let outcome = database.connect().and_then(|mut link| {
            let row = link.one(Sql::Outcome, &[&transaction])?;
            row.map_or(Ok(None), |row| Ok(row.try_get::<_, Option<String>>(0)?))
        });
        match outcome.as_ref().map(Option::as_deref) {
            Ok(Some("committed")) => return Ok(()),
            Ok(Some("aborted")) => return Err(Fault::NotCommitted),
            // Its session has not noticed yet that nobody listens, or there is no such transaction, or no database.
            _ if Instant::now() < deadline => thread::sleep(PAUSE),
            _ => return Err(Fault::OutcomeUnknown(Box::new(lost))),
        }
    }
}
