//! `fetch --to pipe:`: what a command gets, and what its end means.

use crate::fake::{Act, Fake, LONG, mail, stuffed};
use crate::home::Home;

/// Keeps each message in a file of its own, and counts its calls.
const KEEP: &str = "pipe:sh -c 'f=$(mktemp got.XXXXXX); cat > $f; echo call >> calls'";

impl Home {
    fn got(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.path("")).unwrap().map(|entry| entry.unwrap().path());
        let names = names.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("got."));
        let mut got: Vec<String> = names.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        got.sort();
        got
    }

    fn calls(&self) -> usize {
        std::fs::read_to_string(self.path("calls")).unwrap_or_default().lines().count()
    }
}

fn with_lf(count: usize, octets: usize) -> Vec<String> {
    let text = |(_, text)| String::from_utf8(text).unwrap().replace("\r\n", "\n");
    let mut texts: Vec<String> = mail(count, octets).into_iter().map(text).collect();
    texts.sort();
    texts
}

#[test]
fn r1939_6_4_what_a_command_keeps_is_deleted_and_noted() {
    let (home, fake) = (Home::new(), Fake::good(mail(3, 100_000)));
    home.pop3("fetch", &fake, &["--to", KEEP]).expect(0);
    assert_eq!(home.got(), with_lf(3, 100_000));
    home.pop3("fetch", &fake, &["--to", KEEP, "--delete"]).expect(0);
    assert_eq!((home.calls(), fake.left().len()), (3, 0), "known ones are deleted and not fetched again");
}

#[test]
fn r1939_6_4_nothing_is_deleted_that_the_command_did_not_take() {
    for (code, kind_code, tried) in [("75", 75, 1), ("1", 74, 3), ("67", 74, 3)] {
        let (home, fake) = (Home::new(), Fake::good(mail(3, 0)));
        let mda = format!("pipe:sh -c 'echo call >> calls; grep -q \"message 1\" && exit {code}; exit 0'");
        let done = home.pop3("fetch", &fake, &["--to", &mda, "--delete", "--json"]);
        done.expect_error(kind_code, "output");
        assert_eq!(home.calls(), tried, "exit {code}");
        let left: Vec<_> = fake.left().into_iter().map(|(id, _)| id).collect();
        if tried == 1 {
            assert_eq!(left.len(), 3, "75 stops the run");
        } else {
            assert_eq!(left, [b"id-1"], "{done:?}");
            assert!(
                done.out.contains("\"status\":\"failed\",\"deleted\":false,\"reason\":\"not-taken\""),
                "{done:?}"
            );
        }
        home.pop3("fetch", &fake, &["--to", KEEP, "--delete"]).expect(0);
        assert!(fake.left().is_empty() && home.got().contains(&with_lf(1, 0).remove(0)));
    }
}

#[test]
fn r7_a_command_that_hangs_is_ended() {
    let (home, fake) = (Home::new(), Fake::good(mail(2, 0)));
    let done =
        home.pop3("fetch", &fake, &["--to", "pipe:sleep 1000", "--limit", "mda=1", "--delete", "--json"]);
    done.expect_error(75, "output");
    assert_eq!(fake.left().len(), 2);
}

#[test]
fn pb_c16_a_command_never_gets_a_cut_message() {
    let whole = stuffed(&mail(2, 200)[1].1);
    for cut in [5, 30, whole.len() - 3] {
        let (home, part) = (Home::new(), whole[..cut].to_vec());
        let fake = Fake::start(mail(2, 200), &["UIDL"], move |moment| match moment.line {
            "RETR 2" => Act::Close(part.clone()),
            _ => Act::Usual,
        });
        home.pop3("fetch", &fake, &["--to", KEEP, "--delete", "--json"]).expect_error(76, "truncated");
        assert_eq!(home.got(), with_lf(1, 200), "cut at {cut}");
        assert_eq!(fake.left().len(), 2);
    }
}

#[test]
fn pb_c19_a_fetch_that_is_killed_while_the_command_runs_costs_no_message() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 200_000)));
    std::process::Command::new("mkfifo").arg(home.path("gate")).status().unwrap();
    // It takes the first part, says so, and takes the rest when its parent is gone.
    let mda = "pipe:sh -c 'head -c 1000 > part; : > started; cat gate > /dev/null; cat > rest; mv part all; cat rest >> all'";
    let mut child = home.spawn(&home.args("fetch", &fake, &["--to", mda, "--delete"]));
    let began = std::time::Instant::now();
    while !home.path("started").exists() {
        assert!(began.elapsed() < LONG, "the command was not called");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(home.path("gate"), "go").unwrap();
    let want = with_lf(1, 200_000).remove(0);
    while std::fs::read_to_string(home.path("all")).unwrap_or_default().len() < want.len() {
        assert!(began.elapsed() < LONG, "the command got a part of the message");
        std::thread::yield_now();
    }
    assert_eq!(std::fs::read_to_string(home.path("all")).unwrap(), want);
    assert_eq!(fake.left().len(), 1, "nothing was deleted that is not noted");
    home.pop3("fetch", &fake, &["--to", KEEP, "--delete"]).expect(0);
    assert_eq!((home.got(), fake.left().len()), (vec![want], 0));
}

#[test]
fn what_is_no_command() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 0)));
    home.pop3("fetch", &fake, &["--to", "pipe:", "--json"]).expect_error(64, "usage");
    let done = home.pop3("fetch", &fake, &["--to", "pipe:no-such-command -x", "--delete", "--json"]);
    assert!(done.expect_error(74, "output").err.contains("cannot be started"), "{done:?}");
    assert_eq!(fake.left().len(), 1);
}
