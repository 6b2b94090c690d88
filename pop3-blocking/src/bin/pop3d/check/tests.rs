use std::os::unix::fs::PermissionsExt;

use clap::Parser;

use super::*;
use crate::args::{Args, Command};

/// A folder with a good configuration: `pop3d.toml`, `users`, `mail/alice/{new,cur}`; certificates are made on demand.
struct Folder(PathBuf);

const USERS: &str = "alice:{PLAIN}secret\n";
const CONFIG: &str =
    "listen = \"127.0.0.1:0\"\nallow-cleartext-login = true\nusers = \"users\"\nmaildir = \"mail/{user}\"\n";

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("pop3d-check-{}-{name}", std::process::id())));
        for part in ["new", "cur"] {
            std::fs::create_dir_all(folder.path(&format!("mail/alice/{part}"))).unwrap();
        }
        folder.put("users", USERS);
        folder.put("pop3d.toml", CONFIG);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file for its owner alone.
    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        self.open_to(name, 0o600);
    }

    fn open_to(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Checks it with `options` besides.
    fn check(&self, options: &[&str]) -> Report {
        let config = self.path("pop3d.toml");
        let base = ["pop3d", "check", "--config", config.to_str().unwrap()];
        let args = Args::try_parse_from(base.iter().chain(options)).unwrap();
        let Some(Command::Check(options)) = args.command else { panic!() };
        run(*options)
    }

    /// What is said, which must hold each of `parts`, and the exit code.
    fn says(&self, options: &[&str], code: u8, parts: &[&str]) {
        let report = self.check(options);
        let text = report.to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        assert_eq!(report.code(), code, "{text}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_good_configuration_is_fine_and_nothing_is_touched() {
    let folder = Folder::new("good");
    let list = || {
        let names = ["", "mail", "mail/alice", "mail/alice/new", "mail/alice/cur"];
        let mut all: Vec<PathBuf> = names
            .iter()
            .flat_map(|name| std::fs::read_dir(folder.path(name)).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect();
        all.sort();
        all
    };
    let before = list();
    folder.says(&[], 0, &["users: 1 users", "errors: 0, warnings: 0"]);
    assert_eq!(list(), before);
}

#[test]
fn every_option_that_is_none_is_told_with_what_may_be_meant() {
    let folder = Folder::new("names");
    let more = "max_connections = 5\nlistne = \"x\"\nwholly-strange = 1\nidle-timeout = \"long\"\nutf8 = \"perhaps\"\n\
                [limits]\nspeed = 3\nwrite = 5\n[[listener]]\naddress = \"127.0.0.1:0\"\nmod = \"clear\"\n";
    folder.put("pop3d.toml", &format!("{CONFIG}{more}"));
    folder.says(
        &[],
        2,
        &[
            "no option max_connections; did you mean max-connections?",
            "no option listne; did you mean listen?",
            "no option wholly-strange\n",
            "idle-timeout: invalid type",
            "utf8: unknown variant",
            "no limit speed",
            "limit write: 5 is not from 30 to 600",
            "in [[listener]]: there is no option mod; did you mean mode?",
            "errors: 8,",
        ],
    );
    folder.put("pop3d.toml", &format!("{CONFIG}\nusers = = \"x\"\n"));
    folder.says(&[], 2, &["pop3d.toml, line 6: "]);
}

#[test]
fn what_is_missing_is_told_together() {
    let folder = Folder::new("missing");
    folder.put("pop3d.toml", "listen-tls = \"127.0.0.1:0\"\nlanguage = \"uga\"\n");
    folder.says(&[], 2, &["--users is missing", "--maildir is missing", "--language uga"]);
    let absent = folder.path("absent");
    let args = ["pop3d", "check", "--config", absent.to_str().unwrap()];
    let Some(Command::Check(options)) = Args::try_parse_from(args).unwrap().command else { panic!() };
    let text = run(*options).to_string();
    assert!(text.contains("absent: No such file") && text.contains("correct the path"), "{text}");
}

#[test]
fn users_and_their_mail() {
    let folder = Folder::new("users");
    folder.put("users", "alice:{PLAIN}x\nbroken\nalice:{PLAIN}y\nbob:{PLAIN}z\ncarol:{NEW}z\n");
    folder.open_to("users", 0o644);
    folder.says(
        &[],
        2,
        &[
            "users, line 2: password field is missing",
            "users, line 3: user stands on an earlier line too",
            "users, line 5: unknown password scheme",
            "warning: 1 of 2 users have no Maildir",
            "mail/bob",
            "users is open to every user of this host: chmod o=",
            "errors: 3, warnings: 2",
        ],
    );
    folder.put("users", "");
    folder.says(&[], 1, &["names nobody"]);
    std::fs::remove_file(folder.path("users")).unwrap();
    folder.says(&[], 2, &["cannot read ", "/users: No such file", "put it there, or correct the path"]);

    folder.put("users", USERS);
    std::fs::remove_dir(folder.path("mail/alice/cur")).unwrap();
    folder.says(&[], 2, &["mail/alice/cur, part of a Maildir, is not there"]);
    folder.says(&["--maildir", "/nonexistent/{user}"], 2, &["/nonexistent, the directory of all Maildirs"]);
    folder.says(&["--maildir", "/var/mail"], 2, &["write {user} where the name"]);
}

#[test]
fn programs_and_secrets() {
    let folder = Folder::new("programs");
    let (program, secret) = (folder.path("program"), folder.path("secret"));
    let (program, secret) = (program.to_str().unwrap(), secret.to_str().unwrap());
    folder.says(&["--token-check", program], 2, &["--token-check", "there is no such program"]);
    folder.put("program", "#!/bin/sh\n");
    folder.says(&["--token-check", program], 2, &["it cannot be run by this user"]);
    folder.open_to("program", 0o700);
    folder.says(&["--token-check", program], 0, &[]);
    folder.put("secret", "short");
    folder.says(&["--decoy-secret", secret], 2, &["fewer than 16 octets", "head -c 32"]);
    folder.put("secret", "0123456789abcdef");
    folder.open_to("secret", 0o604);
    folder.says(&["--decoy-secret", secret], 1, &["secret is open to every user"]);
}

#[test]
fn addresses() {
    let folder = Folder::new("addresses");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    folder.says(&["--listen", &address], 1, &[&format!("cannot bind {address}"), "is pop3d running"]);
    folder.says(&["--listen", "192.0.2.1:4711"], 1, &["this host has no such address"]);
    folder.says(&["--listen", &address, "--listen", &address], 2, &["to be listened on twice"]);
    let config = CONFIG.replace("allow-cleartext-login = true\n", "");
    folder.put("pop3d.toml", &config);
    folder.says(&[], 1, &["nobody can log in on 127.0.0.1:0"]);
}

mod certificates {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// Puts a self-signed certificate `NAME.pem` with `NAME.key`, valid from and until the first days of years.
    fn make(folder: &Folder, name: &str, hosts: &[&str], years: (i32, i32)) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        folder.put(&format!("{name}.pem"), &params.self_signed(&key).unwrap().pem());
        folder.put(&format!("{name}.key"), &key.serialize_pem());
    }

    fn says(folder: &Folder, pair: (&str, &str), code: u8, parts: &[&str]) {
        let (cert, key) = (folder.path(pair.0), folder.path(pair.1));
        let options = ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()];
        folder.says(&options, code, parts);
    }

    #[test]
    fn pb_s55_what_is_wrong_with_a_certificate() {
        let folder = Folder::new("certificates");
        make(&folder, "good", &["pop.example.org", "mail.example.org"], (2020, 2200));
        says(
            &folder,
            ("good.pem", "good.key"),
            0,
            &["good.pem: for pop.example.org, mail.example.org, until 2200-01-01T00:00:00Z"],
        );
        make(&folder, "old", &["pop.example.org"], (2000, 2001));
        says(&folder, ("old.pem", "old.key"), 2, &["expired at 2001-01-01T00:00:00Z: renew it"]);
        make(&folder, "early", &["pop.example.org"], (2199, 2200));
        says(&folder, ("early.pem", "early.key"), 2, &["not valid before 2199-01-01T00:00:00Z"]);
        make(&folder, "nameless", &[], (2020, 2200));
        says(&folder, ("nameless.pem", "nameless.key"), 1, &["made out for no DNS name"]);
        says(
            &folder,
            ("good.pem", "old.key"),
            2,
            &["old.key is not that of the certificate in", "errors: 1,"],
        );
        says(&folder, ("good.pem", "absent"), 2, &["absent: No such file"]);
        says(&folder, ("good.pem", "good.pem"), 2, &["no usable private key", "without a passphrase"]);
        says(&folder, ("users", "good.key"), 2, &["no usable certificate"]);
        folder.open_to("good.key", 0o604);
        says(&folder, ("good.pem", "good.key"), 1, &["good.key is open to every user"]);
    }

    #[test]
    fn what_does_not_go_together() {
        let folder = Folder::new("together");
        make(&folder, "a", &["pop.example.org"], (2020, 2200));
        make(&folder, "b", &[], (2020, 2200));
        let [a, ak, b, bk] = ["a.pem", "a.key", "b.pem", "b.key"].map(|name| folder.path(name));
        let [a, ak, b, bk] = [&a, &ak, &b, &bk].map(|path| path.to_str().unwrap());
        let two = ["--cert", a, "--key", ak, "--cert", b, "--key", bk];
        folder.says(&two, 2, &["b.pem: certificate holds no dns name"]);
        folder.says(
            &["--cert", a, "--key", ak, "--client-ca", "/nonexistent/ca"],
            2,
            &["/nonexistent/ca: No such"],
        );
        folder.says(&["--cert", a, "--key", ak, "--client-ca", a], 0, &[]);
    }
}
