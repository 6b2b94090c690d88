//! Whole sessions, from the login to `QUIT`, with a fault or an end at every call to the file system.
//!
//! What must hold at every point (R35, R37, R38): each message is whole or gone; none is gone that was not marked, or
//! without `QUIT`; one that is to be moved or hidden is never gone; `+OK` to `QUIT` means that all marked messages are gone for good; unique-ids stay with their messages
//! and are never given twice; the next session has the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::io::Errno;

use super::super::calls::rig::{set_mirror, set_plan};
use super::*;
use crate::Untimed;
use crate::auth::MemoryUsers;
use crate::delivery::fs::Fs as _;
use crate::delivery::model::{Crash, ModelFs};
use crate::failpoint::{Deed, Plan, What, check_readme};
use crate::server::{Limits, Policy, Server};

/// What a session finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// A Maildir that no session has opened.
    First,
    /// One with a list of unique-ids, in which a message has been removed, one delivered, and one moved since.
    Later,
    /// One that has not changed for long, so that the session keeps what its scan finds.
    Still,
    /// One in which a session has done so.
    Cached,
}

/// What becomes of the messages that a session marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Removed,
    /// They are moved to the folder [`FOLDER`].
    Moved,
    Hidden,
}

/// The directory of the folder.
const FOLDER: &str = ".Trash";

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Quit,
    /// The connection is lost after the last `DELE`.
    Lost,
}

const COMMANDS: [&str; 9] =
    ["USER mrose", "PASS secret", "UIDL", "LIST", "RETR 4", "DELE 1", "DELE 2", "DELE 3", "DELE 6"];

/// The files at the beginning, in the order of their numbers; the digit in front tells the message.
const FIRST: [&str; 7] =
    ["new/1.1.h", "cur/2.1.h:2,S", "cur/3.1.h:2,", "new/3.1.h", "new/4.1.h", "cur/5.1.h:2,RS", "new/6.1.h"];

/// A message by its digit.
fn content(digit: usize) -> Vec<u8> {
    let long = if digit == 4 { 70_000 } else { digit * 10 };
    [b"A: b\n\n".to_vec(), vec![b'x'; long], b"\n".to_vec()].concat()
}

/// The digit of a message of so many octets.
fn digit_of(octets: u64) -> usize {
    (1..10).find(|&digit| content(digit).len() as u64 + 3 == octets).unwrap()
}

fn digit_in(name: &str) -> usize {
    name.split('.').next().unwrap().parse().unwrap()
}

/// Which unique-ids have been told, and of which message.
type Told = BTreeMap<String, usize>;

/// A Maildir on disk, what the disk holds of it for sure, and what clients know.
pub(super) struct World {
    fate: Fate,
    pub(super) fixture: Fixture,
    /// `None`: nobody asks.
    pub(super) disk: Option<ModelFs>,
    told: Told,
    /// Messages whose removal a failed sync has lost: seen as gone by all later sessions, back after a power failure.
    /// They may come back with a new unique-id, as nothing but the mark said that they were not gone.
    haunted: BTreeSet<usize>,
}

impl World {
    pub(super) fn new(scene: Scene, fate: Fate) -> Self {
        let mut fixture = Self::fixture(fate);
        for name in FIRST {
            // What is there twice is not kept.
            if !matches!((scene, name), (Scene::Still | Scene::Cached, "new/3.1.h")) {
                fixture.deliver(name, content(digit_in(&name[4..])));
            }
        }
        let mut told = Told::new();
        if matches!(scene, Scene::Still | Scene::Cached) {
            fixture = fixture.still();
        }
        if scene == Scene::Cached {
            learn(&mut told, &BTreeSet::new(), &fixture.listed(), "before");
            assert!(fixture.path("pop3-cache").exists());
        }
        if scene == Scene::Later {
            fixture.deliver("cur/7.1.h", content(7));
            learn(&mut told, &BTreeSet::new(), &fixture.listed(), "before");
            fixture.remove("cur/7.1.h");
            fixture.deliver("new/8.1.h", content(8));
            fixture.rename("new/6.1.h", "cur/6.1.h:2,RS");
        }
        let disk = ModelFs::new();
        for dir in ["new", "cur"] {
            disk.place(&format!("/{dir}"), None);
            for name in fixture.names(dir) {
                let path = format!("{dir}/{name}");
                disk.place(&format!("/{path}"), Some(&fs::read(fixture.path(&path)).unwrap()));
            }
        }
        for name in ["pop3-uidlist", "pop3-cache"] {
            if let Ok(content) = fs::read(fixture.path(name)) {
                disk.place(&format!("/{name}"), Some(&content));
            }
        }
        Self { fate, fixture, disk: Some(disk), told, haunted: BTreeSet::new() }
    }

    fn fixture(fate: Fate) -> Fixture {
        let fixture = Fixture::within(TempDir::in_memory());
        let policy = match fate {
            Fate::Removed => DeletePolicy::Remove,
            Fate::Moved => DeletePolicy::MoveTo(Folder::new(FOLDER).unwrap()),
            Fate::Hidden => DeletePolicy::Keep,
        };
        Fixture { store: fixture.store.clone().delete_policy(policy), ..fixture }
    }

    /// The world after a power failure.
    fn after(&self, crash: Crash) -> Self {
        let fixture = Self::fixture(self.fate);
        let disk = self.disk.as_ref().unwrap().crashed(crash);
        for dir in [FOLDER, ".Trash/tmp", ".Trash/new", ".Trash/cur"] {
            if disk.is_dir(Path::new(&format!("/{dir}"))).unwrap() {
                fs::create_dir(fixture.path(dir)).unwrap();
            }
        }
        for dir in ["", "new", "cur", ".Trash/cur"] {
            for (path, content) in disk.contents(&format!("/{dir}")) {
                let path = fixture.path(path.strip_prefix("/").unwrap());
                fs::write(path, content).unwrap();
            }
        }
        let (told, haunted) = (self.told.clone(), self.haunted.clone());
        Self { fate: self.fate, fixture, disk: Some(disk), told, haunted }
    }

    /// Serves one session, with `plan` for its calls.
    fn serve(&mut self, end: End, plan: &Arc<Plan>) -> Replies {
        let said = Arc::new(Mutex::new(Vec::new()));
        set_mirror(self.disk.clone());
        serve(&self.fixture.store, end, plan, Box::new(Shared(Arc::clone(&said))));
        set_mirror(None);
        let said = said.lock().unwrap();
        self.hear(&said)
    }

    /// Takes note of what a session said.
    pub(super) fn hear(&mut self, said: &[u8]) -> Replies {
        let replies = Replies::of(said);
        learn(&mut self.told, &self.haunted, &replies.listed, "told");
        replies
    }

    /// The messages that are there, all of which must be whole.
    fn messages(&self, context: &str) -> BTreeSet<usize> {
        self.messages_in(&["new", "cur"], context)
    }

    /// The messages in the folder, all of which must be whole.
    fn moved(&self, context: &str) -> BTreeSet<usize> {
        if !self.fixture.path(".Trash/cur").is_dir() {
            return BTreeSet::new();
        }
        self.messages_in(&[".Trash/cur"], context)
    }

    fn messages_in(&self, dirs: &[&str], context: &str) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for dir in dirs {
            for name in self.fixture.names(dir) {
                let digit = digit_in(&name);
                let there = fs::read(self.fixture.path(format!("{dir}/{name}"))).unwrap();
                assert_eq!(there.len(), content(digit).len(), "{context}: {dir}/{name} is truncated");
                assert!(there == content(digit), "{context}: {dir}/{name} is changed");
                found.insert(digit);
            }
        }
        found
    }

    /// Checks what is there, and that the next session finds it in order.
    pub(super) fn check(&mut self, scene: Scene, end: End, replies: &Replies, context: &str) {
        let all: &[usize] = if scene == Scene::Later { &[1, 2, 3, 4, 5, 6, 8] } else { &[1, 2, 3, 4, 5, 6] };
        // From here on there are changes in the moment of a scan.
        set_ahead(Duration::ZERO);
        let there = self.messages(context);
        let moved = self.moved(context);
        match self.fate {
            Fate::Removed => {}
            Fate::Moved => {
                let kept: BTreeSet<usize> = there.union(&moved).copied().collect();
                assert_eq!(kept.len(), all.len(), "{context}: neither there nor moved: {kept:?}");
            }
            Fate::Hidden => assert_eq!(there.len(), all.len(), "{context}: {there:?}"),
        }
        assert!(moved.is_subset(&replies.marked), "{context}: moved: {moved:?}");
        if replies.committed && self.fate == Fate::Moved {
            assert_eq!(moved, replies.marked, "{context}");
        }
        set_mirror(self.disk.clone());
        let listed = self.fixture.listed();
        set_mirror(None);
        let found: BTreeSet<_> = listed.iter().map(|(octets, _)| digit_of(*octets)).collect();
        assert_eq!(found.len(), listed.len(), "{context}: listed twice");
        if self.fate == Fate::Hidden {
            assert!(found.is_subset(&there), "{context}");
        } else {
            assert_eq!(found, there, "{context}");
        }
        let there = found;
        for digit in all.iter().filter(|digit| !there.contains(digit)) {
            assert_eq!(end, End::Quit, "{context}: message {digit} is gone without QUIT");
            assert!(replies.marked.contains(digit), "{context}: message {digit} is gone and was not marked");
        }
        assert!(there.iter().all(|digit| all.contains(digit)), "{context}: {there:?}");
        if replies.committed {
            let left: Vec<_> = replies.marked.intersection(&there).collect();
            assert!(left.is_empty(), "{context}: +OK to QUIT, and {left:?} are there");
        }
        learn(&mut self.told, &self.haunted, &listed, context);
    }

    /// Checks that mail which comes now gets a new unique-id, and that everything can be removed.
    pub(super) fn check_to_the_end(&mut self, context: &str) {
        self.fixture.deliver("new/9.1.h", content(9));
        let mut maildrop = self.fixture.open();
        let listed = list(&mut maildrop);
        learn(&mut self.told, &self.haunted, &listed, context);
        assert!(listed.iter().any(|(octets, _)| digit_of(*octets) == 9), "{context}");
        let all: Vec<u32> = (1..=u32::try_from(listed.len()).unwrap()).collect();
        let done = Box::new(maildrop).commit(&Marks::of(&listed, &all));
        assert_eq!(done.unwrap(), Committed::new(all.len() as u32), "{context}");
        assert_eq!(self.fixture.listed(), [], "{context}");
        match self.fate {
            Fate::Removed => assert!(self.messages(context).is_empty(), "{context}"),
            Fate::Moved => {
                let left = self.messages(context);
                assert!(left.is_empty() && self.moved(context).len() >= all.len(), "{context}");
            }
            Fate::Hidden => assert!(self.messages(context).len() >= all.len(), "{context}"),
        }
    }
}

/// Serves one session, with `plan` for its calls.
pub(super) fn serve(store: &MaildirStore, end: End, plan: &Arc<Plan>, output: Box<dyn Write + Send>) {
    let users = MemoryUsers::new().with_user("mrose", "secret");
    let limits = Limits { failed_login_delay: Duration::ZERO, ..Limits::default() };
    let server = Server::builder(users, store.clone()).limits(limits).bind().unwrap();
    let mut lines: Vec<String> = COMMANDS.iter().map(|line| format!("{line}\r\n")).collect();
    if end == End::Quit {
        lines.push("QUIT\r\n".into());
    }
    lines.reverse();
    set_plan(Some(Arc::clone(plan)));
    let client = Untimed::new(Client { lines, output });
    server.serve_connection(client, &Policy::cleartext().allow_cleartext_login());
    set_plan(None);
}

/// Adds what a listing tells; it must not contradict what was told before.
fn learn(told: &mut Told, haunted: &BTreeSet<usize>, listed: &[(u64, String)], context: &str) {
    for (octets, id) in listed {
        let digit = digit_of(*octets);
        let before = told.insert(id.clone(), digit);
        assert!(
            before.is_none_or(|before| before == digit),
            "{context}: the id of {before:?} is given to {digit}"
        );
        let ids = told.values().filter(|other| **other == digit).count();
        assert!(ids == 1 || haunted.contains(&digit), "{context}: message {digit} has a new id");
    }
}

/// What the client was told.
#[derive(Debug, Default)]
pub(super) struct Replies {
    logged_in: bool,
    /// Octets and unique-ids.
    listed: Vec<(u64, String)>,
    marked: BTreeSet<usize>,
    /// `+OK` to a `QUIT` that had something to remove.
    pub(super) committed: bool,
    /// `-ERR` to it.
    refused: bool,
}

impl Replies {
    /// Reads what a session said; it may break off anywhere.
    fn of(said: &[u8]) -> Self {
        let text = core::str::from_utf8(said).unwrap();
        let mut lines = text.split_inclusive("\r\n").filter(|line| line.ends_with("\r\n")).map(str::trim_end);
        let mut replies = Self::default();
        lines.next();
        let (mut ids, mut octets) = (Vec::new(), Vec::new());
        for command in COMMANDS.iter().chain(&["QUIT"]) {
            let Some(status) = lines.next() else { break };
            let ok = status.starts_with("+OK");
            let has_lines = ok && ["UIDL", "LIST", "RETR 4"].contains(command);
            let body: Vec<&str> =
                if has_lines { lines.by_ref().take_while(|line| *line != ".").collect() } else { Vec::new() };
            let second = |line: &&str| line.split(' ').nth(1).unwrap().to_owned();
            match (*command, ok) {
                ("PASS secret", _) => replies.logged_in = ok,
                ("UIDL", _) => ids = body.iter().map(second).collect(),
                ("LIST", _) => octets = body.iter().map(|line| second(line).parse().unwrap()).collect(),
                ("QUIT", _) if !replies.marked.is_empty() => {
                    (replies.committed, replies.refused) = (ok, !ok);
                }
                (_, true) if command.starts_with("DELE ") => {
                    let number: usize = command[5..].parse().unwrap();
                    replies.marked.insert(digit_of(octets[number - 1]));
                }
                _ => {}
            }
        }
        replies.listed = octets.into_iter().zip(ids).collect();
        replies
    }
}

/// A client that waits for each reply.
struct Client {
    /// From the last to the first.
    lines: Vec<String>,
    output: Box<dyn Write + Send>,
}

impl Read for Client {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let line = self.lines.pop().unwrap_or_default();
        room[..line.len()].copy_from_slice(line.as_bytes());
        Ok(line.len())
    }
}

impl Write for Client {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.output.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the calls of a session do; all goes well without a fault.
pub(super) fn calls(scene: Scene, fate: Fate, end: End) -> Vec<Deed> {
    let plan = Arc::new(Plan::new(usize::MAX, What::Nothing));
    let mut world = World::new(scene, fate);
    let replies = world.serve(end, &plan);
    assert!(replies.logged_in && replies.committed == (end == End::Quit), "{replies:?}");
    assert_eq!(replies.marked.len(), 4);
    let context = format!("{scene:?} {fate:?} {end:?} without a fault");
    world.check(scene, end, &replies, &context);
    world.check_to_the_end(&context);
    plan.deeds()
}

const WHATS: [What; 9] = [
    What::StopBefore,
    What::StopAmid,
    What::Fail(Errno::NOSPC),
    What::Fail(Errno::IO),
    What::Fail(Errno::INTR),
    What::Lie(Errno::IO),
    What::Lose,
    What::Interrupt,
    What::Short,
];

const POWER: [Crash; 5] = [
    Crash::Power,
    Crash::PowerKeepsNames,
    Crash::PowerKeepsContent,
    Crash::PowerKeepsSome(0x5eed_0001),
    Crash::PowerKeepsSome(0x5eed_0002),
];

/// One fault at each call; then the power fails, or the next session comes first, or both. Tells how many calls and how
/// many faults there were.
fn sweep(scene: Scene, fate: Fate, end: End) -> (usize, usize) {
    let deeds = calls(scene, fate, end);
    let mut faults = 0;
    for what in WHATS {
        let mut noticed = 0;
        for (at, _) in (0..).zip(&deeds).filter(|(_, deed)| what.concerns(**deed)) {
            let context = format!("{scene:?} {fate:?} {end:?} {what:?} {at}/{}", deeds.len());
            let mut world = World::new(scene, fate);
            let replies = world.serve(end, &Arc::new(Plan::new(at, what)));
            faults += 1;
            noticed += usize::from(!replies.logged_in || replies.refused);
            if what == What::Lose {
                world.haunted.clone_from(&replies.marked);
            }
            let stops = matches!(what, What::StopBefore | What::StopAmid);
            for &crash in if stops { &POWER[..] } else { &POWER[..1] } {
                world.after(crash).check(scene, end, &replies, &format!("{context} {crash:?}"));
            }
            world.check(scene, end, &replies, &context);
            // What that session has tidied up is no better kept than the rest.
            let mut late = world.after(Crash::Power);
            late.check(scene, end, &replies, &format!("{context}, a session, power"));
            late.check_to_the_end(&context);
            world.check_to_the_end(&context);
        }
        match what {
            What::Interrupt | What::Short => assert_eq!(noticed, 0, "{what:?} is no failure"),
            // All that is written is the list, when the messages are gone.
            What::StopAmid if (scene, fate) == (Scene::Cached, Fate::Removed) => assert_eq!(noticed, 0),
            _ => assert!(noticed > 0, "{what:?} was never noticed"),
        }
    }
    (deeds.len(), faults)
}

#[test]
fn r37_a_session_with_every_call_failing_or_the_last() {
    let parts = [
        (Scene::First, Fate::Removed, End::Quit),
        (Scene::Later, Fate::Removed, End::Quit),
        (Scene::Later, Fate::Removed, End::Lost),
        (Scene::Later, Fate::Moved, End::Quit),
        (Scene::Later, Fate::Hidden, End::Quit),
        (Scene::Still, Fate::Removed, End::Quit),
        (Scene::Cached, Fate::Removed, End::Quit),
        (Scene::Cached, Fate::Hidden, End::Quit),
    ];
    let counts = std::thread::scope(|scope| {
        let threads = parts.map(|(scene, fate, end)| scope.spawn(move || sweep(scene, fate, end)));
        threads.map(|thread| thread.join().unwrap())
    });
    let points: usize = counts.iter().map(|(points, _)| points).sum();
    let faults: usize = counts.iter().map(|(_, faults)| faults).sum();
    let figure = format!(
        "{points} points, {faults} faults of {} kinds: 0 lost, 0 truncated, 0 ids changed or given twice",
        WHATS.len()
    );
    println!("login to commit: {figure}");
    check_readme(&figure);
}
