//! Keeping what was fetched, so that nothing is lost and nothing comes twice.
//!
//! The server must not remove a message before it is safe here, and safe is what survives a power failure. [`delivery`]
//! has the order that this takes, and what is guaranteed at each point where the process may die. As a program:
//!
//! ```
//! # use pop3_blocking::testing::TestServer;
//! use std::error::Error;
//!
//! use pop3_blocking::client::{Outcome, Session};
//! use pop3_blocking::delivery::{Delivery, Durability, Journal, MaildirDelivery};
//!
//! /// Fetches what is new into a Maildir and has the server remove it.
//! fn archive(mut session: Session, maildir: &mut MaildirDelivery, journal: &mut Journal) -> Result<(), Box<dyn Error>> {
//!     let mut marked = Vec::new();
//!     for entry in session.unique_ids()? {
//!         // One that is here already was not removed last time: the session ended too early.
//!         if !journal.contains(&entry.unique_id) {
//!             let mut incoming = maildir.begin()?;
//!             session.retrieve(entry.number)?.copy_to(&mut *incoming)?; // a cut message is an error
//!             if incoming.finish()? != Durability::Durable {
//!                 continue;
//!             }
//!             journal.record(&entry.unique_id)?;
//!         }
//!         session.delete(entry.number)?;
//!         marked.push(entry.unique_id);
//!     }
//!     match session.quit() {
//!         Outcome::Committed => Ok(journal.forget(&marked)?),
//!         // Some may be there still. The journal knows them: the next run removes them without fetching them again.
//!         outcome => Err(format!("{outcome:?}").into()),
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn Error>> {
//! # let server = TestServer::start()?;
//! # let place = std::env::temp_dir().join(format!("pop3-guide-keeping-{}", std::process::id()));
//! # for folder in ["tmp", "new", "cur"] { std::fs::create_dir_all(place.join("Mail").join(folder))?; }
//! # server.deliver("Subject: one\n\n");
//! # server.deliver("Subject: two\n\n");
//! let mut maildir = MaildirDelivery::open(place.join("Mail"))?;
//! let mut journal = Journal::open(place.join("journal"), "pops://alice@localhost")?;
//! # server.inject(pop3_blocking::testing::Fault::LostQuit);
//! # assert!(archive(server.login()?, &mut maildir, &mut journal).is_err());
//! # assert_eq!((server.messages().len(), journal.len()), (2, 2));
//! archive(server.login()?, &mut maildir, &mut journal)?;
//! # assert_eq!((server.messages().len(), journal.len()), (0, 0));
//! # assert_eq!(std::fs::read_dir(place.join("Mail/new"))?.count(), 2);
//! # std::fs::remove_dir_all(place)?;
//! # Ok(())
//! # }
//! ```
//!
//! Each message here waits for the disk three times. Where many come, have a Maildir keep them together: say
//! [`hold`](crate::delivery::Incoming::hold) instead of `finish`, and [`keep`](crate::delivery::Delivery::keep) when enough
//! wait and in the end; only then `DELE`.
//!
//! ```
//! # use pop3_blocking::testing::TestServer;
//! use std::error::Error;
//!
//! use pop3_blocking::client::Session;
//! use pop3_blocking::delivery::{Delivery, Durability, Held, Journal};
//! use pop3_blocking::pop3_proto::MessageNumber;
//!
//! #[derive(Default)]
//! struct Fetched {
//!     waiting: Vec<MessageNumber>,
//!     /// What may be deleted.
//!     safe: Vec<MessageNumber>,
//! }
//!
//! impl Fetched {
//!     /// Fetches what is new.
//!     fn fetch(&mut self, session: &mut Session, to: &mut dyn Delivery, journal: &mut Journal) -> Result<(), Box<dyn Error>> {
//!         for entry in session.unique_ids()? {
//!             if journal.contains(&entry.unique_id) {
//!                 self.safe.push(entry.number);
//!                 continue;
//!             }
//!             let mut incoming = to.begin()?;
//!             session.retrieve(entry.number)?.copy_to(&mut *incoming)?;
//!             match incoming.hold(Some(&entry.unique_id))? {
//!                 Held::Waiting { full } => {
//!                     self.waiting.push(entry.number);
//!                     if full {
//!                         self.keep(to, journal)?;
//!                     }
//!                 }
//!                 // Not every destination lets messages wait.
//!                 Held::Finished(Durability::Durable) => {
//!                     journal.record(&entry.unique_id)?;
//!                     self.safe.push(entry.number);
//!                 }
//!                 Held::Finished(Durability::Written) => {}
//!             }
//!         }
//!         Ok(())
//!     }
//!
//!     fn keep(&mut self, to: &mut dyn Delivery, journal: &mut Journal) -> Result<(), Box<dyn Error>> {
//!         let kept = to.keep(Some(journal));
//!         let messages = self.waiting.drain(..).zip(kept.messages);
//!         self.safe.extend(messages.filter(|(_, how)| *how == Some(Durability::Durable)).map(|(number, _)| number));
//!         kept.error.map_or(Ok(()), |error| Err(error.into()))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn Error>> {
//! # let server = TestServer::start()?;
//! # let place = std::env::temp_dir().join(format!("pop3-guide-batches-{}", std::process::id()));
//! # (0..40).for_each(|number| server.deliver(format!("Subject: {number}\n\n")));
//! # let mut maildir = pop3_blocking::delivery::MaildirDelivery::open(place.join("Mail"))?;
//! # let mut journal = Journal::open(place.join("journal"), "pops://alice@localhost")?;
//! let mut session = server.login()?;
//! let mut fetched = Fetched::default();
//! let ended = fetched.fetch(&mut session, &mut maildir, &mut journal);
//! fetched.keep(&mut maildir, &mut journal)?; // whatever ended it
//! ended?;
//! # assert_eq!((fetched.safe.len(), journal.len(), std::fs::read_dir(place.join("Mail/new"))?.count()), (40, 40, 40));
//! # std::fs::remove_dir_all(place)?;
//! # Ok(())
//! # }
//! ```
//!
//! For an archive that leaves the mail on the server the journal is the memory of what is here: leave the `DELE` out, do not
//! forget, and tell the journal of each listing with [`retain_seen`](crate::delivery::Journal::retain_seen), so that ids
//! that the server has dropped do not stay in it for ever.
//!
//! A destination of your own, such as a database or a ticket system, is a [`Delivery`](crate::delivery::Delivery) that
//! answers [`Durable`](crate::delivery::Durability::Durable) when its transaction is committed. If it holds the unique-id
//! of each message in the same transaction, it needs no journal, and not even the one duplicate can happen.
//!
//! [`delivery`]: crate::delivery
