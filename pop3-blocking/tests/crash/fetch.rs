//! `pop3 fetch --delete` alone: what it does to its files at each call, and what it asks of the server meanwhile.

use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::fake::{Act, Fake, mail};
use crate::home::Home;
use crate::{Count, MESSAGES, OCTETS, check_readme, copies, died, failpoint, sent, text};

const WHATS: [&str; 6] = ["die-before", "full", "fail", "lie", "short", "interrupt"];

/// Where it delivers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Maildir,
    Mbox,
    /// A command that keeps each message in a file of its own.
    Pipe,
}

const MDA: &str = "pipe:sh -c 'f=$(mktemp part.XXXXXX); cat > $f; mv $f got.$f'";

/// A server that looks at what is here when it is told to delete.
struct Watched {
    fake: Fake,
    home: Arc<Home>,
    to: To,
    /// A command to delete came for a message that was not here.
    early: Arc<AtomicBool>,
}

impl Watched {
    fn new(to: To) -> Self {
        let (home, early) = (Arc::new(Home::new()), Arc::new(AtomicBool::new(false)));
        let (looking, flag) = (Arc::downgrade(&home), Arc::clone(&early));
        let marked = Mutex::new(Vec::new());
        let fake = Fake::start(mail(MESSAGES, OCTETS), &["UIDL", "PIPELINING"], move |moment| {
            let mut marked = marked.lock().unwrap();
            if moment.line == "CONNECT" {
                marked.clear();
            }
            if let Some(number) = moment.line.strip_prefix("DELE ") {
                marked.push(number.parse::<usize>().unwrap());
            }
            // The server outlives the test's interest in it, and must not keep the home.
            let Some(home) = looking.upgrade() else { return Act::Usual };
            if moment.line.starts_with("DELE ") || moment.line == "QUIT" {
                // Numbers are those of the messages: nothing was deleted before the first QUIT.
                let here = here(&home, to, "at a DELE");
                let noted = std::fs::read_to_string(journal(&home)).unwrap_or_default();
                let safe = |n: &usize| here.contains(n) && noted.contains(&format!(" id-{n}\n"));
                if !marked.iter().all(safe) {
                    flag.store(true, Ordering::SeqCst);
                }
            }
            Act::Usual
        });
        Self { fake, home, to, early }
    }

    fn fetch(&self, at: Option<(usize, &str)>) -> Output {
        let to = match self.to {
            To::Maildir => "maildir:Mail",
            To::Mbox => "mbox:box",
            To::Pipe => MDA,
        };
        let state = journal(&self.home).into_os_string().into_string().unwrap();
        let args = ["--to", to, "--state", &state, "--delete", "--quiet"];
        let mut command = self.home.command(&self.home.args("fetch", &self.fake, &args));
        if let Some((at, what)) = at {
            failpoint(&mut command, at, what);
        }
        command.output().unwrap()
    }
}

fn journal(home: &Home) -> PathBuf {
    home.path("journal")
}

/// The messages with LF line ends.
fn forms() -> Vec<String> {
    sent().into_iter().map(|text| String::from_utf8(text).unwrap().replace("\r\n", "\n")).collect()
}

/// The numbers of the messages that are here, as often as they are.
fn here(home: &Home, to: To, context: &str) -> Vec<usize> {
    match to {
        To::Maildir => copies(&home.path("Mail"), context)
            .into_iter()
            .flat_map(|(number, count)| std::iter::repeat_n(number, count))
            .collect(),
        To::Pipe => std::fs::read_dir(home.path(""))
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("got."))
            .map(|entry| std::fs::read_to_string(entry.path()).unwrap())
            .map(|text| {
                let whole = forms().iter().position(|form| *form == text);
                whole.unwrap_or_else(|| panic!("{context}: the command got a message that is not whole")) + 1
            })
            .collect(),
        To::Mbox => {
            let mbox = String::from_utf8(std::fs::read(home.path("box")).unwrap_or_default()).unwrap();
            let forms = forms();
            mbox.split("From MAILER-DAEMON ")
                .skip(1)
                // The date, and the empty line behind. A torn message at the end is for the next run to cut.
                .filter_map(|text| text.split_once('\n')?.1.strip_suffix('\n'))
                .filter_map(|text| forms.iter().position(|form| form == text))
                .map(|at| at + 1)
                .collect()
        }
    }
}

/// Lets a run fail at each of its calls, until it makes so many no more.
fn sweep(to: To) -> Count {
    let mut count = Count::default();
    for what in WHATS {
        for at in 0.. {
            let context = format!("{to:?} {what} at call {at}");
            let watched = Watched::new(to);
            let first = watched.fetch(Some((at, what)));
            if what == "die-before" && !died(&first) {
                assert!(first.status.success(), "{context}: {}", text(&first));
                count.points = at;
                break;
            }
            if what == "short" || what == "interrupt" {
                assert!(first.status.success(), "{context}: {}", text(&first));
            }
            let before = here(&watched.home, to, &context);
            for (id, _) in mail(MESSAGES, OCTETS) {
                let number: usize = String::from_utf8(id.clone()).unwrap()[3..].parse().unwrap();
                let on_the_server = watched.fake.left().iter().any(|(left, _)| *left == id);
                assert!(on_the_server || before.contains(&number), "{context}: message {number} is lost");
            }
            let second = watched.fetch(None);
            assert!(second.status.success(), "{context}, then: {}", text(&second));
            assert!(!text(&second).contains("damaged"), "{context}, then: {}", text(&second));
            assert!(watched.fake.left().is_empty(), "{context}");
            assert!(!watched.early.load(Ordering::SeqCst), "{context}: deleted before it was here and noted");
            let mut copies = std::collections::BTreeMap::new();
            for number in here(&watched.home, to, &context) {
                *copies.entry(number).or_default() += 1;
            }
            count.add(&copies, &context);
            if at + 1 == count.points {
                break;
            }
        }
    }
    count
}

#[test]
fn pb_c19_fetch_with_every_call_failing_or_the_last() {
    let (maildir, mbox) = std::thread::scope(|scope| {
        let maildir = scope.spawn(|| sweep(To::Maildir));
        let mbox = sweep(To::Mbox);
        (maildir.join().unwrap(), mbox)
    });
    let figure = format!(
        "{} points, {} runs with {} kinds of fault: 0 lost, 0 truncated, {} duplicates, never two in one, \
         none in a Maildir",
        maildir.points + mbox.points,
        maildir.runs + mbox.runs,
        WHATS.len(),
        mbox.duplicates
    );
    assert_eq!(maildir.duplicates, 0);
    println!("pop3 fetch: {figure}");
    check_readme(&figure);
}

#[test]
fn pb_c19_fetch_into_a_command_with_every_call_failing_or_the_last() {
    let count = sweep(To::Pipe);
    assert!(count.points > 0 && count.runs >= count.points * WHATS.len());
    println!(
        "pop3 fetch into a command: {} points, {} runs with {} kinds of fault: 0 lost, 0 truncated, {} duplicates",
        count.points,
        count.runs,
        WHATS.len(),
        count.duplicates
    );
}
