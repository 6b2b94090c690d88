use pop3_blocking::auth::Mechanisms;
use pop3_blocking::store::maildir::UidlFormatError;

use super::*;
use listen::Mode;
use tls::ClientCert;

fn settle(args: &[&str]) -> Result<Settings, SettingsError> {
    Args::try_parse_from(std::iter::once("pop3d").chain(args.iter().copied())).unwrap().options.settle()
}

const BASE: [&str; 6] = ["--users", "u", "--maildir", "m/{user}", "--listen", "127.0.0.1:0"];

#[test]
fn the_command_line_is_well_formed() {
    use clap::CommandFactory;
    Args::command().debug_assert();
}

#[test]
fn r1939_3_15_an_idle_limit_below_600_seconds_is_refused() {
    for (seconds, fine) in [("599", false), ("600", true), ("0", false)] {
        let settings = settle(&[&BASE[..], &["--idle-timeout", seconds]].concat());
        assert_eq!(settings.is_ok(), fine, "{seconds}");
    }
}

#[test]
fn r1939_7_3_the_previous_server_is_named() {
    let set = |name: &str| {
        settle(&[&BASE[..], &["--previous-server", name]].concat()).map(|settings| settings.previous_server)
    };
    assert_eq!(settle(&BASE).unwrap().previous_server, PreviousServer::Any);
    let by = |format: &str| PreviousServer::Dovecot(format.parse().unwrap());
    for (name, server) in [
        ("any", PreviousServer::Any),
        ("none", PreviousServer::None),
        ("courier", PreviousServer::Courier),
        ("dovecot", by("%08Xu%08Xv")),
        ("dovecot=%v.%u", by("%v.%u")),
    ] {
        assert_eq!(set(name).unwrap(), server);
    }
    for name in ["", "Dovecot", "courier=%u", "cyrus"] {
        assert!(matches!(set(name), Err(SettingsError::PreviousServer(other)) if other == name));
    }
    assert!(matches!(set("dovecot=%v"), Err(SettingsError::UidlFormat(UidlFormatError::NotUnique))));
}

#[test]
fn r1939_6_2_what_becomes_of_deleted_messages_is_told_by_name() {
    let set = |text: &str| {
        let settings = settle(&[&BASE[..], &["--delete-policy", text]].concat());
        settings.map(|settings| settings.delete_policy)
    };
    assert_eq!(settle(&BASE).unwrap().delete_policy, DeletePolicy::Remove);
    assert_eq!(set("keep").unwrap(), DeletePolicy::Keep);
    assert_eq!(set("move:.Trash").unwrap(), "move:Trash".parse().unwrap());
    for text in ["move:", "move:../new", "archive"] {
        assert!(matches!(set(text), Err(SettingsError::DeletePolicy(_))), "{text}");
    }
    let file = from_file("listen = \"127.0.0.1:0\"\ndelete-policy = \"keep\"\n").unwrap();
    assert_eq!(file.delete_policy, DeletePolicy::Keep);
}

#[test]
fn pb_q68_legacy_mechanisms_must_be_named() {
    let set = |args: &[&str]| settle(&[&BASE[..], args].concat()).map(|settings| settings.login.mechanisms);
    assert_eq!(set(&[]).unwrap(), Mechanisms::DEFAULT);
    assert_eq!(set(&["--mechanisms", "plain,CRAM-MD5"]).unwrap(), Mechanisms::PLAIN | Mechanisms::CRAM_MD5);
    assert!(
        matches!(set(&["--mechanisms", "GSSAPI"]), Err(SettingsError::Mechanism(name)) if name == "GSSAPI")
    );
}

#[test]
fn r6856_3_3_a_language_that_is_not_there_is_refused() {
    for (tag, fine) in [("sv", true), ("DE", true), ("en", true), ("i", false), ("uga", false), ("", false)] {
        let settings = settle(&[&BASE[..], &["--language", tag, "--utf8", "surrogate"]].concat());
        assert_eq!(settings.is_ok(), fine, "{tag}");
    }
}

#[test]
fn rdm_2_1e_certificate_only_needs_who_signs_certificates() {
    let tls = ["--listen-tls", "127.0.0.1:0", "--cert", "c", "--key", "k", "--certificate-only"];
    assert!(matches!(settle(&[&BASE[..4], &tls].concat()), Err(SettingsError::Listener(..))));
    let settings = settle(&[&BASE[..4], &tls, &["--client-ca", "ca"]].concat()).unwrap();
    assert!(settings.listeners.iter().all(|listener| listener.certificate_only));
    // In clear text nobody could log in.
    assert!(matches!(
        settle(&[&BASE[..], &["--certificate-only"]].concat()),
        Err(SettingsError::Listener(..))
    ));
}

#[test]
fn hash_takes_no_options_of_the_server() {
    let parse = |args: &[&str]| Args::try_parse_from(std::iter::once("pop3d").chain(args.iter().copied()));
    let args = parse(&["hash", "--scheme", "scram-sha-256"]).unwrap();
    assert!(matches!(args.command, Some(Command::Hash(_))));
    assert!(parse(&["--users", "u", "hash"]).is_err());
    // A password on the command line can be seen by every user of the host.
    assert!(parse(&["hash", "secret"]).is_err());
    assert!(parse(&["hash", "--scheme", "MD5"]).is_err());
    // To check is to take them all.
    let args = parse(&["check", "--users", "u", "--listen", "127.0.0.1:0"]).unwrap();
    assert!(matches!(args.command, Some(Command::Check(options)) if options.listen.is_set()));
    assert!(parse(&["--users", "u", "check"]).is_err());
}

#[test]
fn what_is_missing_is_named() {
    assert!(matches!(settle(&[]), Err(SettingsError::Missing("users"))));
    assert!(matches!(settle(&["--users", "u"]), Err(SettingsError::Missing("maildir"))));
    assert!(matches!(settle(&BASE[..4]), Err(SettingsError::NoAddress)));
    let tls = ["--users", "u", "--maildir", "m", "--listen-tls", "127.0.0.1:0"];
    assert!(matches!(settle(&tls), Err(SettingsError::NoCertificate)));
    assert!(settle(&BASE).is_ok());
}

#[test]
fn a_file_gives_what_the_command_line_does_not() {
    let directory = std::env::temp_dir().join(format!("pop3d-args-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("pop3d.toml");
    std::fs::write(
        &path,
        "listen-tls = [\"127.0.0.1:995\"]\nlisten = \"127.0.0.1:110\"\ncert = \"c.pem\"\nkey = \"/k.pem\"\n\
         users = \"users\"\nmaildir = \"/mail/{user}\"\nmax-connections = 7\n",
    )
    .unwrap();
    let settings = settle(&["--config", path.to_str().unwrap(), "--max-connections", "9"]).unwrap();
    let modes: Vec<Mode> = settings.listeners.iter().map(|listener| listener.mode).collect();
    assert_eq!(modes, [Mode::Tls, Mode::Stls]);
    assert_eq!(settings.tls.certificates, [(directory.join("c.pem"), PathBuf::from("/k.pem"))]);
    assert_eq!(settings.login.users.file(), Some(&directory.join("users")));
    assert_eq!(settings.limits.limits().connections, 9);
    std::fs::write(&path, "listen-tsl = []\n").unwrap();
    assert!(matches!(settle(&["--config", path.to_str().unwrap()]), Err(SettingsError::Parse { .. })));
    std::fs::remove_dir_all(&directory).unwrap();
}

/// The settings of a file with these lines behind `users` and `maildir`.
fn from_file(lines: &str) -> Result<Settings, SettingsError> {
    from_text(&format!("users = \"u\"\nmaildir = \"{{user}}\"\n{lines}"), &[])
}

fn from_text(text: &str, args: &[&str]) -> Result<Settings, SettingsError> {
    static FILES: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = FILES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("pop3d-args-{}-{number}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let settings = settle(&[&["--config", path.to_str().unwrap()], args].concat());
    std::fs::remove_file(path).unwrap();
    settings
}

#[cfg(target_os = "linux")]
#[test]
fn the_sandbox_holds_what_is_read_again() {
    use std::path::Path;

    let sandbox = |args: &[&str]| settle(&[&BASE[..], args].concat()).map(|it| it.sandbox);
    assert_eq!(sandbox(&[]).unwrap(), None);
    let tls = ["--cert", "c", "--key", "k", "--client-ca", "a", "--client-crl", "l"];
    let set = sandbox(&[&tls[..], &["--sandbox"]].concat()).unwrap().unwrap();
    assert_eq!((set.best_effort, set.mail.as_path()), (false, Path::new("m")));
    assert_eq!(set.files, ["u", "c", "k", "a", "l"].map(PathBuf::from));
    assert!(sandbox(&["--sandbox=best-effort"]).unwrap().unwrap().best_effort);
    assert_eq!(sandbox(&["--sandbox=off"]).unwrap(), None);
    assert!(matches!(
        sandbox(&["--sandbox", "--token-check", "t"]),
        Err(SettingsError::SandboxedProgram("token-check"))
    ));
    let all = ["--users", "u", "--maildir", "/{user}", "--listen", "127.0.0.1:0", "--sandbox"];
    assert!(matches!(settle(&all), Err(SettingsError::SandboxOfAll)));
    let file = from_file("listen = \"127.0.0.1:0\"\nsandbox = \"best-effort\"\n").unwrap();
    assert!(file.sandbox.unwrap().best_effort);
}

#[test]
fn users_are_asked_of_a_file_or_of_a_program() {
    use login::UsersSettings;

    let told = |settings: Result<Settings, SettingsError>| match settings.unwrap().login.users {
        UsersSettings::Program { program, args, patience, names_user } => {
            (program, args, patience.map(|it| it.as_secs()), names_user)
        }
        UsersSettings::File(path) => panic!("{path:?}"),
    };
    let base = ["--maildir", "m/{user}", "--listen", "127.0.0.1:0"];
    let with = |args: &[&str]| settle(&[&base[..], args].concat());
    let short = with(&["--checkpassword", "/bin/check"]);
    assert_eq!(told(short), (PathBuf::from("/bin/check"), vec![], None, false));
    let options = "--checkpassword c --checkpassword-arg -s --checkpassword-arg pop3 --checkpassword-timeout 7 \
                   --checkpassword-user";
    let long = with(&options.split_whitespace().collect::<Vec<_>>());
    assert_eq!(told(long), (PathBuf::from("c"), vec!["-s".into(), "pop3".into()], Some(7), true));

    let both = with(&["--checkpassword", "c", "--token-check", "t", "--sandbox"]);
    assert!(matches!(both, Err(SettingsError::SandboxedProgram("token-check"))));
    let sandboxed = with(&["--checkpassword", "c", "--sandbox"]);
    assert!(matches!(sandboxed, Err(SettingsError::SandboxedProgram("checkpassword"))));
    let certificates = with(&["--checkpassword", "c", "--cert", "c", "--key", "k", "--client-ca", "a"]);
    assert!(matches!(certificates, Err(SettingsError::CertificatesOfNobody)));

    // The command line goes before the file, whichever of the two stands there.
    let file = "listen = \"127.0.0.1:0\"\ncheckpassword = [\"c\", \"-s\"]\n";
    assert!(matches!(from_file(file), Err(SettingsError::UsersTwice)));
    let alone = from_text(&format!("maildir = \"{{user}}\"\ncheckpassword-timeout = 9\n{file}"), &[]);
    let directory = std::env::temp_dir();
    assert_eq!(told(alone), (directory.join("c"), vec!["-s".into()], Some(9), false));
    let text = format!("maildir = \"{{user}}\"\n{file}");
    let users = from_text(&text, &["--users", "u"]).unwrap().login.users;
    assert_eq!(users.file(), Some(&PathBuf::from("u")));
    let long = from_text(&format!("{text}checkpassword-timeout = 301\n"), &[]);
    assert!(matches!(long, Err(SettingsError::OutOfRange { value: 301, .. })));
}

#[test]
fn a_limit_by_its_name_in_both_places() {
    let limits = |args: &[&str]| settle(&[&BASE[..], args].concat()).map(|it| it.limits.limits());
    let set =
        limits(&["--limit", "failed-logins=5", "--limit", "login=9", "--preauth-timeout", "7"]).unwrap();
    assert_eq!(set.protocol.failed_logins, 5);
    assert_eq!((set.protocol.login.as_secs(), set.handshake.as_secs()), (7, 7));
    assert!(matches!(limits(&["--limit", "speed=5"]), Err(SettingsError::Limit(name)) if name == "speed"));
    let told = limits(&["--limit", "idle=1"]).unwrap_err().to_string();
    assert_eq!(told, "limit idle: 1 s is below the 600 s that RFC 1939 demands");
    for (option, least) in [("--max-connections", 1), ("--write-timeout", 30), ("--preauth-timeout", 1)] {
        assert!(matches!(
            limits(&[option, "0"]),
            Err(SettingsError::OutOfRange { least: told, .. }) if told == least
        ));
    }
    const LISTEN: &str = "listen = \"127.0.0.1:0\"\n";
    let file = from_file(&format!("{LISTEN}write-timeout = 30\n[limits]\nmessages = 3\nwrite = 40\n"));
    let set = file.unwrap().limits.limits();
    assert_eq!((set.messages, set.write.as_secs()), (3, 30));
    assert!(matches!(from_file(&format!("{LISTEN}[limits]\nx = 1\n")), Err(SettingsError::Limit(_))));
}

#[test]
fn r8314_4_2_certificates_are_asked_for_where_an_authority_is_given_and_not_by_chance() {
    let tls = [&BASE[..], &["--cert", "c", "--key", "k"]].concat();
    let asking = |more: &[&str]| settle(&[&tls[..], more].concat()).map(|it| it.listeners[0].client_cert);
    assert_eq!(asking(&[]).unwrap(), ClientCert::Off);
    assert_eq!(asking(&["--client-ca", "a"]).unwrap(), ClientCert::Optional);
    assert_eq!(asking(&["--client-ca", "a", "--client-cert", "required"]).unwrap(), ClientCert::Required);
    assert!(matches!(asking(&["--client-cert", "optional"]), Err(SettingsError::NoClientCa)));
    for unused in [&["--client-ca", "a", "--client-cert", "off"][..], &["--client-crl", "l"]] {
        assert!(matches!(asking(unused), Err(SettingsError::ClientCaUnused)), "{unused:?}");
    }
    let clear = settle(&[&BASE[..], &["--client-ca", "a"]].concat());
    assert!(matches!(clear, Err(SettingsError::ClientCaUnused)));
}

#[test]
fn r9325_3_7_each_certificate_has_its_key() {
    let two = settle(&[&BASE[..], &["--cert", "c", "--key", "k", "--key", "m", "--cert", "d"]].concat());
    assert_eq!(
        two.unwrap().tls.certificates,
        [("c".into(), "k".into()), ("d".into(), "m".into())] as [(PathBuf, PathBuf); 2]
    );
    let odd = settle(&[&BASE[..], &["--cert", "c", "--key", "k", "--cert", "d"]].concat());
    assert!(matches!(odd, Err(SettingsError::KeyCount { certificates: 2, keys: 1 })));
    let file = from_file(
        "listen = \"127.0.0.1:0\"\ncert = \"/c\"\nkey = \"/k\"\n[[certificate]]\ncert = \"/d\"\nkey = \"/m\"\n",
    );
    assert_eq!(file.unwrap().tls.certificates.len(), 2);
    let odd = from_file("listen = \"127.0.0.1:0\"\ncert = \"/c\"\n");
    assert!(matches!(odd, Err(SettingsError::KeyCount { certificates: 1, keys: 0 })));
}

#[test]
fn rdm_2_1e_listeners_may_differ() {
    const TLS: &str = "cert = \"c\"\nkey = \"k\"\nclient-ca = [\"a\", \"b\"]\nclient-cert = \"off\"\n";
    let listener = |text: &str| from_file(&format!("{TLS}[[listener]]\naddress = \"127.0.0.1:0\"\n{text}"));
    let settings = listener(
        "mode = \"stls\"\nclient-cert = \"optional\"\nallow-cleartext-login = true\n[[listener]]\n\
         address = \"127.0.0.1:0\"\nmode = \"tls\"\nclient-cert = \"required\"\ncertificate-only = true\n",
    )
    .unwrap();
    let [first, second] = &settings.listeners[..] else { panic!("{settings:?}") };
    assert!(first.mode == Mode::Tls && first.certificate_only && !first.allow_cleartext_login);
    assert_eq!(first.client_cert, ClientCert::Required);
    assert!(second.mode == Mode::Stls && !second.certificate_only && second.allow_cleartext_login);
    for wrong in
        ["mode = \"tls\"\ncertificate-only = true\n", "mode = \"clear\"\nclient-cert = \"optional\"\n"]
    {
        assert!(matches!(listener(wrong), Err(SettingsError::Listener(..))), "{wrong}");
    }
    assert!(matches!(listener("mode = \"tls\"\n"), Err(SettingsError::ClientCaUnused)));
    assert!(matches!(listener("mode = \"smtp\"\n"), Err(SettingsError::Parse { .. })));
}

#[test]
fn metrics_stay_on_the_host() {
    use metrics::MetricsPlace;
    let place = |text: &str| settle(&[&BASE[..], &["--metrics", text]].concat()).map(|it| it.metrics);
    assert_eq!(settle(&BASE).unwrap().metrics, None);
    for address in ["127.0.0.1:9101", "[::1]:0", "127.9.9.9:1", "[::ffff:127.0.0.1]:1"] {
        let wanted = MetricsPlace::Address(address.parse().unwrap());
        assert_eq!(place(address).unwrap(), Some(wanted), "{address}");
    }
    assert_eq!(place("unix:m/s").unwrap(), Some(MetricsPlace::Unix("m/s".into())));
    for wrong in
        ["0.0.0.0:9101", "192.0.2.1:9101", "[::]:9101", "9101", "127.0.0.1", "unix:", "localhost:9101"]
    {
        assert!(matches!(place(wrong), Err(SettingsError::Metrics(text)) if text == wrong), "{wrong}");
    }
    let file = from_file("listen = \"127.0.0.1:0\"\nmetrics = \"unix:s\"\n").unwrap();
    assert_eq!(file.metrics, Some(MetricsPlace::Unix(std::env::temp_dir().join("s"))));
}

#[test]
fn proxies_are_named_for_all_or_for_a_listener() {
    use pop3_blocking::server::TrustedProxies;
    let proxies = |args: &[&str]| {
        settle(&[&BASE[..], args].concat()).map(|settings| settings.listeners[0].proxies.clone())
    };
    let networks = |texts: &[&str]| TrustedProxies::new(texts.iter().map(|text| text.parse().unwrap()));
    assert_eq!(proxies(&[]).unwrap(), None);
    let two = proxies(&["--proxy-from", "192.0.2.0/24", "--proxy-from", "::1"]).unwrap();
    assert_eq!(two, Some(networks(&["192.0.2.0/24", "::1"])));
    let served = proxies(&["--proxy-from", "::1", "--proxy-others", "serve"]).unwrap();
    assert_eq!(served, Some(networks(&["::1"]).serve_others()));
    let refused = proxies(&["--proxy-from", "::1", "--proxy-others", "refuse"]).unwrap();
    assert_eq!(refused, Some(networks(&["::1"])));
    assert!(matches!(proxies(&["--proxy-others", "serve"]), Err(SettingsError::NoProxies)));
    for wrong in ["192.0.2.0/33", "localhost", ""] {
        let refused = proxies(&["--proxy-from", wrong]);
        assert!(matches!(refused, Err(SettingsError::Network(text)) if text == wrong));
    }
    let settings = from_file(
        "listen = \"127.0.0.1:0\"\nproxy-from = \"10.0.0.0/8\"\n\
         [[listener]]\naddress = \"127.0.0.1:1\"\nmode = \"clear\"\nproxy-from = []\n\
         [[listener]]\naddress = \"127.0.0.1:2\"\nmode = \"clear\"\nproxy-others = \"serve\"\n\
         [[listener]]\naddress = \"127.0.0.1:3\"\nmode = \"clear\"\nproxy-from = [\"::1\", \"::2\"]\n",
    )
    .unwrap();
    let of_each: Vec<_> = settings.listeners.into_iter().map(|listener| listener.proxies).collect();
    let ten = || networks(&["10.0.0.0/8"]);
    assert_eq!(of_each, [Some(ten()), None, Some(ten().serve_others()), Some(networks(&["::1", "::2"]))]);
}

#[test]
fn r4422_a_3_map_of_names_is_read_from_both_sources() {
    use pop3_blocking::tls::{CertificateField, CertificateMap};
    let map = CertificateMap::new([CertificateField::CommonName, CertificateField::EmailAddress]);
    let given = settle(&[&BASE[..], &["--client-cert-map", "cn,email"]].concat()).unwrap();
    assert_eq!(given.tls.map, map);
    let lines = "listen = \"127.0.0.1:0\"\nclient-cert-map = ";
    assert_eq!(from_file(&format!("{lines}[\"cn\", \"email\"]\n")).unwrap().tls.map, map);
    assert_eq!(settle(&BASE).unwrap().tls.map, CertificateMap::default());
    assert!(matches!(from_file(&format!("{lines}\"ou\"\n")), Err(SettingsError::Map(_))));
}
