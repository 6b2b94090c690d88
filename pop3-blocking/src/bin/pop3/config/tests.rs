use clap::Parser;

use super::*;
use crate::args::{Cli, Command, MinStrength, TlsMode};
use crate::limits;

/// What `pop3 fetch LINE` comes to with this file at `/etc/x/config.toml`.
fn fetch(text: &str, line: &str) -> Result<Fetch, String> {
    let words = ["pop3", "fetch"].into_iter().chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Command::Fetch(mut args) = cli.command else { panic!("{line}") };
    let config = Config::parse(text, Path::new("/etc/x/config.toml"))?;
    let name = args.common.url().to_owned();
    config.complete_fetch(&name, &mut args).map_err(|failure| failure.message)?;
    Ok(args)
}

const WORK: &str = r#"
jobs = 2

[defaults]
timeout = 9
delete = true
password-command = "pass show mail"
limits = { reply = 7 }

[account.work]
url = "pops://alice@example.org"
to = "maildir:Mail/work"
state = "/var/journal"
ca = "ca.pem"
min-strength = "proven"

[account.home]
url = "pop://example.net"
user = "bob@example.net"
password = "canary"
keep = true
to = "pipe:deliver Mail"
match = "Subject: *"
no-match = ["From: a@*", "From: b@*"]
since = "7d"
max = 5
watch = 60
proxy = "http://me:canary@p:1"
tls = "stls"
pin = ["00000000000000000000000000000000000000000000000000000000000000ff"]
"#;

#[test]
fn an_account_is_made_of_its_table_and_the_defaults() {
    let work = fetch(WORK, "work").unwrap();
    assert_eq!(work.common.url(), "pops://alice@example.org");
    assert_eq!(work.common.account.as_deref(), Some("work"));
    assert_eq!(work.to.as_deref(), Some("maildir:/etc/x/Mail/work".as_ref()));
    assert_eq!(work.state.as_deref(), Some(Path::new("/var/journal")));
    assert_eq!(work.common.ca.as_deref(), Some(Path::new("/etc/x/ca.pem")));
    assert_eq!(work.common.min_strength, Some(MinStrength::Proven));
    assert_eq!(work.common.password_command.as_deref(), Some("pass show mail".as_ref()));
    assert_eq!((work.common.timeout, work.delete, work.common.limit.len()), (Some(9), true, 1));
    let home = fetch(WORK, "home").unwrap();
    assert_eq!(home.common.user.as_deref(), Some("bob@example.net"));
    assert_eq!(home.common.secret.as_ref().unwrap().0.as_str(), "canary");
    assert_eq!((home.delete, &home.common.password_command), (false, &None), "keep and password go first");
    assert_eq!(home.to.as_deref(), Some("pipe:deliver Mail".as_ref()));
    assert_eq!((home.common.tls, home.common.pin.len()), (Some(TlsMode::Stls), 1));
    assert_eq!((home.matching.len(), home.no_match.len(), home.max, home.watch), (1, 2, Some(5), Some(60)));
    assert_eq!(home.since, Some(crate::date::Since::Ago(7 * 86_400)));
    assert!(!format!("{home:?}").contains("canary"));
}

#[test]
fn the_command_line_goes_before_the_file() {
    let line = "work --keep --to mbox:in --timeout 1 --token-file t --min-strength bound --limit reply=8";
    let args = fetch(WORK, line).unwrap();
    assert!(!args.delete);
    assert_eq!(args.to.as_deref(), Some("mbox:in".as_ref()), "a path of the command line is left alone");
    assert_eq!((args.common.timeout, args.common.password_command.as_deref()), (Some(1), None));
    assert_eq!(args.common.min_strength, Some(MinStrength::Bound));
    assert_eq!(args.common.limit.len(), 2);
    let last = args.common.limit.last().copied().unwrap();
    let mut limits = limits::Limits::default();
    limits.set(last);
    assert_eq!(limits.options.limits.reply.as_secs(), 8, "the later one counts");
    for given in ["--password-file f", "--password-command c", "--token-command c", "--netrc"] {
        let args = fetch(WORK, &format!("home {given}")).unwrap();
        assert_eq!(args.common.secret, None, "{given}");
    }
}

#[test]
fn what_is_no_file_of_accounts() {
    let account = |rest: &str| format!("[account.a]\nurl = \"pops://a@b\"\n{rest}\n");
    for (text, told) in [
        (account("passwort = \"canary\""), "line 3: unknown field `passwort`"),
        (account("password = 7777"), "line 3: a password is a string"),
        (account("password = \"\""), "line 3: a password has 1 to 4095 octets"),
        (account("password = \"canary"), "line 3: "),
        (account("tls = \"never\""), "line 3: unknown variant `never`"),
        (account("timeout = -1"), "line 3: "),
        (account("timeout = 0"), "account a: timeout"),
        (account("keep = true\ndelete = true"), "account a: both keep and delete"),
        (account("password = \"x\"\nnetrc = true"), "account a: more than one of password"),
        (account("client-cert = \"x\""), "account a: client-cert and client-key"),
        ("[account.a]\nuser = \"x\"".to_owned(), "account a: it has no url"),
        ("[account.\"a b\"]\nurl = \"x\"".to_owned(), "\"a b\" is no name of an account"),
        ("[accounts.a]\nurl = \"x\"".to_owned(), "line 1: unknown field `accounts`"),
        ("jobs = 0".to_owned(), "jobs is not from 1 to 64"),
        (account("match = \"x\""), "account a: match: expected FIELD: PATTERN"),
        (account("since = \"x\""), "account a: since: expected"),
        (account("watch = 0"), "account a: watch is not from 1"),
        (account("max = 0"), "account a: max and max-octets"),
        (account("proxy = \"http://me:canary@p\""), "account a: proxy: the proxy has no port"),
        (account("pin = \"ff\""), "account a: pin: not 64 hexadecimal digits"),
        (account("limits = { speed = 1 }"), "account a: limits: there is no limit speed"),
    ] {
        let fault = fetch(&text, "a").unwrap_err();
        assert!(fault.contains(told), "{text}: {fault}");
        assert!(!fault.contains("canary") && !fault.contains("7777"), "{fault}");
    }
    let fault = fetch(WORK, "alice:canary@example.org").unwrap_err();
    assert!(fault.contains("home, work") && !fault.contains("canary"), "{fault}");
}
