//! Accounts out of a file, one or all at once, and passwords out of a netrc.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fake::{Act, Fake, LONG, PASSWORD, mail, say};
use crate::home::{Home, texts};

/// A table for `fake` in clear text.
fn account(name: &str, fake: &Fake, more: &str) -> String {
    format!("[account.{name}]\nurl = \"{}\"\ntls = \"none-insecure\"\n{more}\n", fake.url("pop"))
}

impl Home {
    /// Writes the file of accounts where it is looked for.
    fn config(&self, text: &str) -> String {
        std::fs::create_dir_all(self.path(".config/pop3")).unwrap();
        self.write(".config/pop3/config.toml", text)
    }
}

fn chmod(path: &str, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

const TO: &str = "to = \"maildir:~/Mail\"\npassword-file = \"~/password\"\n";

#[test]
fn an_account_is_fetched_by_its_name() {
    let (home, fake) = (Home::new(), Fake::good(mail(2, 0)));
    home.config(&account("work", &fake, &format!("{TO}delete = true")));
    let done = home.run(&["fetch", "work", "--json"]);
    let lines = done.expect(0).lines();
    assert_eq!(lines.len(), 3, "{done:?}");
    assert!(lines.iter().all(|line| line.starts_with("{\"account\":\"work\",\"")), "{done:?}");
    assert_eq!(home.mail(), texts(&mail(2, 0)));
    assert!(fake.left().is_empty(), "the file says delete");
    // The journal is that of the URL, so that file and command line are one account.
    let journal = format!("pop%3A%2F%2Falice@127.0.0.1%3A{}.journal", fake.address.port());
    assert!(home.path(".local/state/pop3").join(journal).exists());

    fake.put(mail(1, 0));
    home.run(&["fetch", "work", "--keep", "--to", "mbox:in"]).expect(0);
    assert_eq!(fake.left().len(), 1, "the command line goes before the file");
    assert!(home.path("in").exists());
    assert_eq!(home.run(&["stat", "work"]).expect(0).out, "1 message, 33 octets\n");
    let done = home.run(&["list", "work", "--json"]);
    assert!(done.expect(0).out.starts_with("{\"account\":\"work\",\"number\":1,"), "{done:?}");
}

#[test]
fn the_file_lies_where_it_is_said() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 0)));
    std::fs::create_dir_all(home.path("dir/pop3")).unwrap();
    home.write("dir/pop3/config.toml", &account("a", &fake, "password-file = \"../../password\""));
    home.run(&["stat", "a", "--config", "dir/pop3/config.toml"]).expect(0);
    let there = home.command(&["stat", "a"]).env("XDG_CONFIG_HOME", home.path("dir")).output().unwrap();
    assert!(there.status.success(), "{there:?}");
    home.run(&["stat", "a", "--json"]).expect_error(78, "configuration");
    let config = ["--config", "dir/pop3/config.toml"];
    home.run(&[&["stat", "b", "--json"][..], &config].concat()).expect_error(64, "usage");
    home.write("dir/pop3/config.toml", "jobs = 2\nacount = 1\n");
    let done = home.run(&[&["stat", "a", "--json"][..], &config].concat());
    assert!(
        done.expect_error(78, "configuration").err.contains("line 2: unknown field `acount`"),
        "{done:?}"
    );
}

#[test]
fn a_file_with_a_password_is_for_nobody_else() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 0)));
    let file = home.config(&account("a", &fake, &format!("password = \"{PASSWORD}\"")));
    for (mode, code) in [(0o644, 78), (0o640, 78), (0o604, 78), (0o600, 0), (0o400, 0)] {
        chmod(&file, mode);
        let done = home.run(&["stat", "a"]);
        assert!(!done.expect(code).err.contains(PASSWORD), "{done:?}");
    }
    assert_eq!(fake.connections(), 2);
    home.config(&account("a", &fake, "password-command = \"head -n 1 ~/password\""));
    chmod(&file, 0o644);
    home.run(&["stat", "a"]).expect(0);
}

#[test]
fn all_accounts_are_fetched_and_one_that_fails_stops_no_other() {
    let home = Home::new();
    let (one, two) = (Fake::good(mail(2, 0)), Fake::good(mail(3, 0)));
    let refusing = Fake::start(vec![], &["USER", "RESP-CODES"], |moment| match moment.line {
        line if line.starts_with("PASS") => say("-ERR [AUTH] \x1bno\r\n"),
        _ => Act::Usual,
    });
    let busy = Fake::start(vec![], &["USER", "RESP-CODES"], |moment| match moment.line {
        line if line.starts_with("PASS") => say("-ERR [IN-USE] later\r\n"),
        _ => Act::Usual,
    });
    let mut text = account("one", &one, TO) + &account("two", &two, TO) + &account("wrong", &refusing, TO);
    text.push_str(&account("broken", &one, "password-command = \"exit 3\"\nto = \"maildir:Mail\""));
    home.config(&(text.clone() + &account("busy", &busy, TO)));
    let done = home.run(&["fetch", "--all", "--json"]);
    assert_eq!(done.expect(78).err.lines().count(), 3, "{done:?}");
    for (name, kind) in [("broken", "configuration"), ("busy", "login"), ("wrong", "login")] {
        let want = format!("{{\"account\":\"{name}\",\"error\":{{\"kind\":\"{kind}\",");
        assert!(done.err.lines().any(|line| line.starts_with(&want)), "{want}: {}", done.err);
    }
    assert_eq!(
        done.last(),
        r#"{"accounts":5,"done":2,"failed_accounts":["broken","busy","wrong"]}"#,
        "{done:?}"
    );
    assert_eq!(done.lines().iter().filter(|line| line.contains("\"delivered\"")).count(), 7, "{done:?}");
    assert_eq!(home.delivered(), 5);

    home.config(&(account("one", &one, TO) + &account("busy", &busy, TO)));
    let done = home.run(&["fetch", "--all", "--jobs", "1"]);
    assert!(done.expect(75).err.contains("pop3: busy: server refused PASS: [IN-USE] later"), "{done:?}");
    assert!(done.out.contains("one: 2 messages: 0 delivered"), "{done:?}");
    assert_eq!(done.last(), "2 accounts: 1 done, 1 failed: busy (login)");
}

#[test]
fn accounts_run_at_once_but_not_into_one_mbox() {
    for (to, jobs, most) in [("maildir", "3", 3), ("maildir", "2", 2), ("mbox", "3", 1)] {
        let (home, here, seen) = (Home::new(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let fakes: Vec<Fake> = (0..3)
            .map(|_| {
                let (here, seen) = (Arc::clone(&here), Arc::clone(&seen));
                Fake::start(mail(2, 0), &["UIDL"], move |moment| {
                    if moment.line == "CONNECT" {
                        let now = here.fetch_add(1, Ordering::SeqCst) + 1;
                        seen.fetch_max(now, Ordering::SeqCst);
                        // Until as many are here as can be: the others wait for their turn, or this for ever.
                        let started = std::time::Instant::now();
                        while seen.load(Ordering::SeqCst) < most && started.elapsed() < LONG {
                            std::thread::yield_now();
                        }
                    }
                    if moment.line == "QUIT" {
                        here.fetch_sub(1, Ordering::SeqCst);
                    }
                    Act::Usual
                })
            })
            .collect();
        let to = format!("to = \"{to}:~/Mail\"\npassword-file = \"~/password\"");
        let tables = fakes.iter().enumerate().map(|(at, fake)| account(&format!("a{at}"), fake, &to));
        home.config(&tables.collect::<String>());
        home.run(&["fetch", "--all", "--jobs", jobs, "--quiet"]).expect(0);
        assert_eq!(seen.load(Ordering::SeqCst), most, "{to} {jobs}");
    }
}

#[test]
fn what_has_no_meaning_for_all() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 0)));
    home.config(&account("a", &fake, "to = \"-\"\npassword-file = \"~/password\""));
    for args in
        [&["fetch", "--all"][..], &["fetch", "--all", "--state", "x"], &["fetch", "--all", "--user", "x"]]
    {
        home.run(&[args, &["--json"]].concat()).expect_error(64, "usage");
    }
    home.config("");
    home.run(&["fetch", "--all", "--json"]).expect_error(78, "configuration");
    assert_eq!(fake.connections(), 0);
}

#[test]
fn a_netrc_gives_user_and_password() {
    let (home, fake) = (Home::new(), Fake::good(mail(1, 0)));
    let netrc = home.write(".netrc", &format!("machine 127.0.0.1 login alice password \"{PASSWORD}\"\n"));
    chmod(&netrc, 0o600);
    let url = format!("pop://127.0.0.1:{}", fake.address.port());
    let args = ["stat", &url, "--tls", "none-insecure", "--json"];
    home.run(&[&args[..], &["--netrc"]].concat()).expect(0);
    assert_eq!(fake.said("USER"), ["USER alice"]);
    home.run(&[&args[..], &["--netrc", "--user", "bob"]].concat()).expect_error(78, "configuration");
    let other = home.write("other", &format!("default password \"{PASSWORD}\"\n"));
    chmod(&other, 0o600);
    home.run(&[&args[..], &[&format!("--netrc={other}"), "--user", "alice"]].concat()).expect(0);
    home.run(&[&args[..], &[&format!("--netrc={other}")]].concat()).expect_error(64, "usage");
    let named =
        home.command(&[&args[..], &["--netrc", "--user", "alice"]].concat()).env("NETRC", &other).output();
    assert!(named.unwrap().status.success());
    chmod(&netrc, 0o640);
    let done = home.run(&[&args[..], &["--netrc"]].concat());
    assert!(!done.expect_error(78, "configuration").err.contains(PASSWORD), "{done:?}");
    home.config(&account("a", &fake, "netrc = \"~/other\""));
    home.run(&["stat", "a"]).expect(0);
}
