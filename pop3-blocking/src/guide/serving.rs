//! A server over your own store.
//!
//! Two traits stand between the protocol and your mail: an [`Authenticator`](crate::auth::Authenticator) says who may come
//! in, a [`Store`](crate::store::Store) opens the maildrop. What the session does by itself, numbering, marks, sums,
//! byte-stuffing, the cut of `TOP`, no store has to do.
//!
//! ```
//! use std::io::Read;
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use std::sync::{Arc, Mutex};
//!
//! use pop3_blocking::auth::{Identity, MemoryUsers};
//! use pop3_blocking::pop3_proto::body::{BodyRules, Measure};
//! use pop3_blocking::store::{
//!     CommitError, Committed, Maildrop, Message, Meta, OpenContext, OpenError, Plan, Store, StoreError,
//! };
//!
//! /// One maildrop for all. A row is an id that is never used again, and the message.
//! #[derive(Default)]
//! struct Table {
//!     rows: Mutex<Vec<(String, Vec<u8>)>>,
//!     locked: AtomicBool,
//! }
//!
//! #[derive(Clone, Default)]
//! struct Mail(Arc<Table>);
//!
//! struct Open(Arc<Table>);
//!
//! impl Store for Mail {
//!     type Maildrop = Open;
//!
//!     fn open(&self, _who: &Identity, _cx: &OpenContext) -> Result<Open, OpenError> {
//!         if self.0.locked.swap(true, Ordering::SeqCst) {
//!             return Err(OpenError::InUse);
//!         }
//!         Ok(Open(Arc::clone(&self.0)))
//!     }
//! }
//!
//! impl Drop for Open {
//!     fn drop(&mut self) {
//!         self.0.locked.store(false, Ordering::SeqCst);
//!     }
//! }
//!
//! impl Maildrop for Open {
//!     fn scan(&mut self, out: &mut dyn FnMut(Meta<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
//!         for (id, mail) in &*self.0.rows.lock().unwrap() {
//!             out(Meta::new(Measure::of(mail, BodyRules::default()), id.as_bytes()))?;
//!         }
//!         Ok(())
//!     }
//!
//!     fn open_message(&mut self, message: Message<'_>) -> Result<Box<dyn Read + '_>, StoreError> {
//!         let rows = self.0.rows.lock().unwrap();
//!         let row = rows.iter().find(|(id, _)| id.as_bytes() == message.unique_id);
//!         row.map(|(_, mail)| Box::new(std::io::Cursor::new(mail.clone())) as _).ok_or(StoreError::Gone)
//!     }
//!
//!     fn commit(self: Box<Self>, plan: &dyn Plan) -> Result<Committed, CommitError> {
//!         let mut removed = 0;
//!         plan.for_each_marked(&mut |message| {
//!             self.0.rows.lock().unwrap().retain(|(id, _)| id.as_bytes() != message.unique_id);
//!             removed += 1;
//!         });
//!         Ok(Committed::new(removed)) // only when that is durable
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use pop3_blocking::client::{ClientOptions, Connection, Outcome};
//! use pop3_blocking::server::{Policy, Server};
//!
//! let mail = Mail::default();
//! mail.0.rows.lock().unwrap().push(("1".into(), b"Subject: hello\n\nworld\n".to_vec()));
//! let running = Server::builder(MemoryUsers::new().with_user("alice", "wonderland"), mail.clone())
//!     .listen(([127, 0, 0, 1], 0).into(), Policy::cleartext().allow_cleartext_login())
//!     .bind()?
//!     .serve()?;
//! # let port = running.addresses()[0].port();
//! # let mut connection = Connection::connect_cleartext("127.0.0.1", port, ClientOptions::default())?;
//! # connection.allow_cleartext_login();
//! # let mut session = connection.login("alice", "wonderland").map_err(|failed| failed.error)?;
//! # let entry = session.unique_ids()?.remove(0);
//! # assert_eq!(session.octets(entry.number)?, 25);
//! # assert_eq!(session.retrieve(entry.number)?.into_vec()?, b"Subject: hello\r\n\r\nworld\r\n");
//! # session.delete(entry.number)?;
//! # assert!(matches!(session.quit(), Outcome::Committed));
//! # assert!(mail.0.rows.lock().unwrap().is_empty() && !mail.0.locked.load(Ordering::SeqCst));
//! # drop(running);
//! # Ok(())
//! # }
//! ```
//!
//! What a store must keep, and what goes wrong where it does not:
//!
//! - **The lock.** One session at a time, in all processes that serve the maildrop; it goes with the maildrop, also when the
//!   process is killed. A lock that needs somebody to remove it will one day keep a user out.
//! - **Sizes are exact**: what [`Measure`](pop3_proto::body::Measure) counts, CRLF for each line end, under the rules of
//!   [`body_rules`](crate::server::ServerBuilder::body_rules). A reply that comes out longer or shorter than announced is
//!   cut. Count once, when mail arrives, and keep the number.
//! - **Unique-ids are never given twice**, not even after a restore. A sequence of the database will do; a hash of the
//!   message will not, because the same message can come twice.
//! - **A failed scan is an error**, never a shorter maildrop: clients take a missing message for a deleted one.
//! - **`commit` returns when the removal is durable**, and reports what it could not remove; one failure does not stop
//!   the rest. Nothing else removes mail: dropping a maildrop without it is how most sessions end.
//! - A message is read in pieces: hand out a reader that asks the database for some 64 KiB at a time, and memory does not
//!   depend on the message.
//!
//! Run `pop3 probe --destructive` against a maildrop of tests: it looks at all of this from outside.
//!
//! Where clients come from elsewhere than this host the listener is
//! [`Policy::implicit_tls`](crate::server::Policy::implicit_tls).
