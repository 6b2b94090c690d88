//! An example: mail in PostgreSQL, served by any number of servers at once.
//!
//! A server keeps nothing of its own. What makes several of them one is the database:
//!
//! - A maildrop is locked by an advisory lock of the session's own connection ([`PgStore`]). PostgreSQL frees it the moment
//!   the connection ends, whatever ended it, so no lock outlives its server and none has to be renewed.
//! - The connection that holds the lock is the one that deletes. When it is lost the lock is lost, and nothing can be
//!   deleted any more: there is no way from a lost lock to a deletion, and therefore a [`Link`] is never made anew.
//! - All deletions of a `QUIT` are one transaction. When the answer to its `COMMIT` is lost, the database is asked again by
//!   the number of the transaction; what cannot be found out is not called removed.
//!
//! `schema.sql` says what is stored, `README.md` how it is set up, measured and planned.

#![forbid(unsafe_code)]

mod commit;
mod fault;
mod import;
mod link;
mod pool;
mod store;
mod users;

pub use fault::Fault;
pub use import::{Added, Importer};
pub use link::{Database, Link};
pub use pool::{Lease, Pool};
pub use store::{PgMaildrop, PgStore};
pub use users::PgUsers;

/// What makes an empty database one for mail.
pub const SCHEMA: &str = include_str!("../schema.sql");
