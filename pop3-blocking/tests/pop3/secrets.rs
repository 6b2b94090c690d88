//! The password is where it must be, and nowhere else.

use std::io::Read;

use crate::fake::{Act, Fake, PASSWORD, mail, say};
use crate::home::Home;

/// The password, and as it stands in a SASL PLAIN message in base64.
const FORMS: [&str; 3] = [PASSWORD, "d29uZGVyIGxhbmQ", "AGFsaWNlAHdvbmRlciBsYW5k"];

#[track_caller]
fn assert_clean(octets: &[u8], place: &str) {
    for form in FORMS {
        let found = octets.windows(form.len()).any(|window| window == form.as_bytes());
        assert!(!found, "the password stands in {place}: {}", String::from_utf8_lossy(octets));
    }
}

#[test]
fn the_password_is_in_no_log_and_no_output() {
    for (capabilities, login) in [(&["SASL PLAIN", "UIDL"][..], "AUTH"), (&["USER", "UIDL"], "PASS")] {
        for refused in [false, true] {
            let fake = Fake::start(mail(2, 0), capabilities, move |moment| {
                if refused && moment.line.starts_with(login) { say("-ERR [AUTH] no\r\n") } else { Act::Usual }
            });
            let home = Home::new();
            let args = home.args("fetch", &fake, &["--to", "maildir:Mail", "--delete"]);
            let output = home.command(&args).env("POP3_LOG", "trace").output().unwrap();
            assert_eq!(output.status.success(), !refused);
            assert!(!output.stderr.is_empty(), "nothing was logged");
            assert_clean(&output.stderr, "the log");
            assert_clean(&output.stdout, "the output");
            assert_eq!(fake.said(login).len(), 1);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_password_is_in_no_argument_and_no_environment() {
    let home = Home::new();
    let (asked, running) = std::sync::mpsc::channel();
    let fake = Fake::start(vec![], &["USER"], move |moment| {
        if moment.line.starts_with("PASS") {
            asked.send(()).unwrap();
            return Act::Hang;
        }
        Act::Usual
    });
    let url = fake.url("pop");
    let file = ["stat", &url, "--tls", "none-insecure", "--password-file", "password"];
    let command = ["stat", &url, "--tls", "none-insecure", "--password-command", "head -n 1 password"];
    for args in [&file, &command] {
        let mut child = home.spawn(args);
        running.recv().unwrap();
        for name in ["cmdline", "environ"] {
            let mut octets = Vec::new();
            let mut file = std::fs::File::open(format!("/proc/{}/{name}", child.id())).unwrap();
            file.read_to_end(&mut octets).unwrap();
            assert!(!octets.is_empty());
            assert_clean(&octets, name);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(fake.said("PASS"), vec![format!("PASS {PASSWORD}"); 2]);
}

#[test]
fn a_password_in_the_url_is_not_repeated() {
    let home = Home::new();
    for args in [
        &["stat", "pops://alice:wonder%20land@h"][..],
        &["fetch", "pop://alice:wonder%20land@h", "--to", "-"],
    ] {
        for more in [&[][..], &["--json"], &["--tls", "what"]] {
            let done = home.run(&[args, more].concat());
            assert!(!done.expect(64).err.contains("wonder"), "{}", done.err);
        }
    }
}
