//! Whole sessions over a Maildir on disk.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use pop3_proto::MessageNumber;

use self::files::{TempDir, make_fifo};
use super::calls::Call;
use super::calls::rig::{set_ahead, set_hook};
use super::dirs::Place;
use super::uid_list::{self, Format, Header, Line, Surrogate};
use super::*;
use crate::store::testing::{Marks, list, open, read};
use crate::store::{CommitError, Committed, Maildrop, StoreError};

mod cache;
mod commit;
mod delete_policy;
pub(super) mod files;
mod hostile;
mod kill;
mod previous;
mod restless;
mod sweep;
mod unique_ids;
mod utf8;

/// A Maildir of the user `mrose`, and its store.
struct Fixture {
    dir: TempDir,
    store: MaildirStore,
}

impl Fixture {
    fn new() -> Self {
        Self::within(TempDir::new())
    }

    fn within(dir: TempDir) -> Self {
        for name in ["tmp", "new", "cur"] {
            fs::create_dir_all(dir.path().join("mrose").join(name)).unwrap();
        }
        let store = MaildirStore::new(dir.path().join("{user}")).unwrap();
        Self { dir, store }
    }

    fn with(names: &[&str]) -> Self {
        let fixture = Self::new();
        names.iter().for_each(|name| fixture.deliver(name, "A: b\n\n"));
        fixture
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join("mrose").join(name)
    }

    fn deliver(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Keeps scans of any number of messages, as if the directories had not changed for long.
    fn still(mut self) -> Self {
        self.store.cache_from = 0;
        set_ahead(Duration::from_secs(3600));
        self.age();
        self
    }

    /// Gives both directories another time than any change from now on can, however coarse the clock.
    fn age(&self) {
        for dir in ["new", "cur"] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
            fs::File::open(self.path(dir)).unwrap().set_modified(time).unwrap();
        }
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    fn open(&self) -> OpenMaildir {
        open(&self.store, "mrose")
    }

    /// One whole session that only looks.
    fn listed(&self) -> Vec<(u64, String)> {
        list(&mut self.open())
    }

    fn ids(&self) -> Vec<String> {
        self.listed().into_iter().map(|(_, id)| id).collect()
    }

    fn fails(&self) -> StoreError {
        self.open().scan(&mut |_| Ok(())).unwrap_err()
    }

    fn commit(&self, numbers: &[u32]) -> Result<Committed, CommitError> {
        let mut maildrop = self.open();
        let listed = list(&mut maildrop);
        Box::new(maildrop).commit(&Marks::of(&listed, numbers))
    }

    fn names(&self, place: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(place)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    fn list_file(&self) -> PathBuf {
        self.path("pop3-uidlist")
    }
}

/// What `opened` failed with, as the program would log it.
fn fault(opened: Result<OpenMaildir, OpenError>) -> (bool, String) {
    match opened {
        Err(OpenError::Store(StoreError::Permanent(source))) => (true, source.to_string()),
        Err(OpenError::Store(StoreError::Temporary(source))) => (false, source.to_string()),
        other => panic!("{other:?}"),
    }
}

fn distinct(ids: &[String]) -> bool {
    let mut sorted = ids.to_vec();
    sorted.sort();
    sorted.dedup();
    sorted.len() == ids.len()
}

#[test]
fn r1939_5_6_sizes_are_exact_at_the_first_login_and_later() {
    let fixture = Fixture::new();
    fixture.deliver("new/1.1.h", "A: b\n\n.dot\nlast"); // "A: b" CRLF CRLF ".dot" CRLF "last" CRLF
    fixture.deliver("new/2.1.h,S=18,W=18", "A: b\r\n\r\n.dot\r\nlast\r\n");
    fixture.deliver("cur/3.1.h,S=1,W=2:2,S", "no empty line\n"); // and an empty one behind
    fixture.deliver("cur/4.1.h:2,", "");
    let sizes = |listed: Vec<(u64, String)>| listed.into_iter().map(|(octets, _)| octets).collect::<Vec<_>>();
    for _ in 0..3 {
        assert_eq!(sizes(fixture.listed()), [20, 20, 17, 2]);
    }
    let plain = BodyRules::new().with_add_header_separator(false);
    let ids = fixture.ids();
    let other = Fixture { store: fixture.store.clone().rules(plain), ..fixture };
    for _ in 0..2 {
        assert_eq!(sizes(other.listed()), [20, 20, 15, 0]);
        assert_eq!(other.ids(), ids);
    }
}

#[test]
fn a_scan_tells_how_many_messages_follow() {
    let fixture = Fixture::with(&["new/1.1.h", "cur/2.1.h:2,S", "new/3.1.h"]);
    let mut following = Vec::new();
    let scanned = fixture.open().scan(&mut |meta| {
        following.push(meta.following);
        Ok(())
    });
    scanned.unwrap();
    assert_eq!(following, [2, 1, 0]);
}

#[test]
fn r1939_4_6_messages_are_numbered_by_arrival_over_both_directories() {
    let fixture = Fixture::new();
    let in_order = [
        "new/9.1.h",
        "cur/10.M5P1.h:2,S",
        "new/10.M20P1.h",
        "cur/10.M20P1Q2.h:2,",
        "cur/11.a.h",
        "new/11.b.h",
    ];
    for name in in_order.iter().rev() {
        fixture.deliver(name, format!("Name: {name}\n\n"));
    }
    let mut maildrop = fixture.open();
    let listed = list(&mut maildrop);
    for (number, name) in (1..).zip(in_order) {
        let content = read(&mut maildrop, number, &listed[number as usize - 1].1).unwrap();
        assert_eq!(String::from_utf8(content).unwrap(), format!("Name: {name}\n\n"));
    }
    assert_eq!(listed.len(), in_order.len());
}

#[test]
fn names_without_time_are_numbered_by_the_age_of_the_file() {
    let fixture = Fixture::with(&["new/zebra", "new/1500000000.1.h", "cur/apple:2,S"]);
    let set = |name: &str, seconds| {
        let file = fs::File::options().write(true).open(fixture.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    };
    set("new/zebra", 1_400_000_000);
    set("cur/apple:2,S", 1_600_000_000);
    for _ in 0..2 {
        let ids = fixture.ids();
        assert!(ids[0] < ids[1] && ids[1] < ids[2], "given in the order of arrival");
        assert_eq!(fixture.commit(&[]).unwrap(), Committed::new(0));
    }
    assert_eq!(fixture.commit(&[1]).unwrap(), Committed::new(1));
    assert_eq!(
        (fixture.names("new"), fixture.names("cur")),
        (vec!["1500000000.1.h".into()], vec!["apple:2,S".into()])
    );
}

#[test]
fn r1939_4_3_of_many_threads_one_gets_the_lock() {
    let fixture = Fixture::new();
    let (start, end) = (Barrier::new(8), Barrier::new(8));
    let got: Vec<bool> = std::thread::scope(|scope| {
        let session = || {
            start.wait();
            let opened = fixture.store.open(&Identity::new("mrose"), &OpenContext::default());
            end.wait();
            match opened {
                Ok(_) => true,
                Err(OpenError::InUse) => false,
                Err(other) => panic!("{other}"),
            }
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(session)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(got.iter().filter(|got| **got).count(), 1);
}
