//! The program `pop3d` from outside: what it announces, its exit codes, its signals, its file of options, certificates.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use pop3_blocking::client::{ClientOptions, Connection, Error, Outcome};
use pop3_blocking::pop3_proto::sasl::External;
use pop3_blocking::pop3_proto::{CodeKind, MessageNumber};
use pop3_blocking::tls::ClientTls;
use pop3_tests::peers::certs::Identity;
use pop3_tests::peers::{Certs, TempDir, User};
use pop3_tests::pop3d::Pop3d;
use pop3_tests::programs::program;

fn alice() -> [User<'static>; 1] {
    [User { name: "alice@example.net", password: "secret", messages: vec![b"A: b\n\nc\n".to_vec()] }]
}

fn trust(certs: &Certs) -> ClientTls {
    ClientTls::builder().ca_file(certs.authority_file()).build().unwrap()
}

fn with_certificate(certs: &Certs, identity: &Identity) -> ClientTls {
    let builder = ClientTls::builder().ca_file(certs.authority_file());
    builder.client_certificate_pem(&identity.certificate, &identity.key).build().unwrap()
}

/// Whether EXTERNAL succeeds.
fn logs_in(connection: Result<Connection, Error>) -> bool {
    connection.is_ok_and(|connection| connection.authenticate(&mut External::new(None).unwrap()).is_ok())
}

fn connect(server: &Pop3d, tls: &ClientTls) -> Connection {
    Connection::connect_tls("localhost", server.implicit, tls, ClientOptions::default()).unwrap()
}

#[test]
fn one_line_tells_where_it_listens() {
    let certs = Certs::new();
    let both = Pop3d::start(&certs, &alice(), &[]);
    assert_eq!(
        both.announced,
        format!("listening tls=127.0.0.1:{} plain=127.0.0.1:{}", both.implicit, both.plain)
    );
    let plain = Pop3d::start_with(&alice(), &["--listen", "127.0.0.1:0", "--listen", "[::1]:0"]);
    let (tls, plain) = plain.announced.split_once(" plain=").unwrap();
    assert_eq!(tls, "listening tls=-");
    assert!(plain.starts_with("127.0.0.1:") && plain.contains(",[::1]:"), "{plain}");
}

#[test]
fn options_that_cannot_be_meant_have_an_exit_code_each() {
    let dir = TempDir::new("pop3d-exit");
    dir.file("users", "alice:{PLAIN}x\n");
    dir.file("odd", "alice:{UNKNOWN}x\n");
    let base = ["--users", "users", "--maildir", "{user}"];
    let listen = ["--listen", "127.0.0.1:0"];
    let cases: [(&[&[&str]], i32); 8] = [
        (&[&["--frobnicate"]], 64),
        (&[&base, &["--listen", "nowhere"]], 64),
        (&[&base], 78),
        (&[&base, &["--listen-tls", "127.0.0.1:0"]], 78),
        (&[&["--users", "missing", "--maildir", "{user}"], &listen], 78),
        (&[&["--users", "odd", "--maildir", "{user}"], &listen], 78),
        (&[&["--users", "users", "--maildir", "same-for-all"], &listen], 78),
        (&[&base, &["--listen", "192.0.2.1:1"]], 69),
    ];
    for (parts, code) in cases {
        let output =
            Command::new(program("pop3d")).args(parts.concat()).current_dir(dir.path()).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{parts:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
    let help = Command::new(program("pop3d")).arg("--help").stderr(Stdio::null()).output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("--listen-tls <ADDR>"));
}

#[test]
fn r1939_6_3_term_ends_it_gracefully_and_removes_nothing() {
    let certs = Certs::new();
    let mut server = Pop3d::start(&certs, &alice(), &[]);
    let mut session = connect(&server, &trust(&certs)).login("alice@example.net", "secret").unwrap();
    let first = session.list().unwrap()[0].number;
    session.delete(first).unwrap();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(matches!(session.quit(), Outcome::Unknown(_)));
    assert_eq!(server.count("alice@example.net"), 1);
}

#[test]
fn hup_reads_users_and_certificate_again() {
    let certs = Certs::new();
    let server = Pop3d::start(&certs, &alice(), &[]);
    let tls = trust(&certs);
    let mut users = alice();
    users[0].password = "changed";
    server.write_users(&users);
    server.signal("HUP");
    server.wait_for_log("read again", 2);
    let failed = connect(&server, &tls).login("alice@example.net", "secret").unwrap_err();
    assert!(matches!(&failed.error, Error::Refused(refused) if refused.code == Some(CodeKind::Auth)));
    drop(connect(&server, &tls).login("alice@example.net", "changed").unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn the_sandbox_keeps_mail_and_what_is_read_again_and_nothing_else() {
    let user = |name| User { name, password: "secret", messages: vec!["Subject: one\n\nHello.\n".into()] };
    for (sandboxed, option) in
        [(false, "--sandbox=off"), (true, "--sandbox=best-effort"), (true, "--sandbox")]
    {
        let (certs, outside) = (Certs::new(), TempDir::new("outside"));
        let server = Pop3d::start(&certs, &[user("alice"), user("fred"), user("kim")], &[option]);
        if sandboxed && !server.log().contains("sandbox: files restricted, ") {
            println!("skipped: {}", server.log());
            return;
        }
        assert_eq!(server.log().contains("sandbox: "), sandboxed, "{}", server.log());
        let tls = trust(&certs);
        // A Maildir that leads elsewhere.
        let maildir = server.maildir("fred");
        fs::rename(&maildir, outside.join("Maildir")).unwrap();
        std::os::unix::fs::symlink(outside.join("Maildir"), &maildir).unwrap();
        match connect(&server, &tls).login("fred", "secret") {
            Ok(_) => assert!(!sandboxed, "{option}"),
            Err(failed) => {
                assert!(sandboxed, "{option}: {}", failed.error);
                assert!(server.log().contains("Permission denied"), "{}", server.log());
            }
        }
        // Mail is served, marked, removed, and a unique-id list is written.
        let mut session = connect(&server, &tls).login("alice", "secret").unwrap();
        let first = session.list().unwrap()[0].number;
        assert_eq!(session.unique_ids().unwrap().len(), 1);
        assert!(session.retrieve(first).unwrap().into_vec().unwrap().ends_with(b"Hello.\r\n"));
        session.delete(first).unwrap();
        assert!(matches!(session.quit(), Outcome::Committed));
        assert_eq!(server.count("alice"), 0);
        // Other files take the places of those that were read.
        for (file, text) in [
            (server.dir().join("users"), b"kim:{PLAIN}changed\n".to_vec()),
            (certs.server_file(), fs::read(certs.server_file()).unwrap()),
            (certs.server_key_file(), fs::read(certs.server_key_file()).unwrap()),
        ] {
            let new = file.with_extension("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &file).unwrap();
        }
        server.signal("HUP");
        server.wait_for_log("read again", 2);
        assert!(!server.log().contains("not read again"), "{}", server.log());
        drop(connect(&server, &tls).login("kim", "changed").unwrap());
    }
}

#[test]
fn options_may_stand_in_a_file() {
    let text = "listen = \"127.0.0.1:0\"\nusers = \"users\"\nmaildir = \"mail/{user}/Maildir\"\n\
        allow-cleartext-login = true\n";
    let server = Pop3d::start_with_file(&alice(), text);
    let mut connection =
        Connection::connect_cleartext("localhost", server.plain, ClientOptions::default()).unwrap();
    connection.allow_cleartext_login();
    let mut session = connection.login("alice@example.net", "secret").unwrap();
    assert_eq!(session.stat().unwrap().messages, 1);
    assert!(matches!(session.quit(), Outcome::Committed));
}

#[test]
fn r6856_2_3_r6856_2_6_r6856_3_3_utf8_and_language_are_options() {
    // The message of the specification: 89 octets, 146 its surrogate.
    let stored = "From: Jørgen <jørgen@exämple.net>\nTo: alice@example.net\nSubject: Grüße\n\nHallo.\n";
    let users = [User { name: "alice@example.net", password: "secret", messages: vec![stored.into()] }];
    let certs = Certs::new();
    let tls = trust(&certs);
    for (options, in_mode, without) in [
        (&["--utf8", "surrogate", "--language", "sv"][..], 89, Ok(146)),
        (&["--utf8", "refuse"], 89, Err(Some(CodeKind::Utf8))),
        (&[], 89, Ok(89)),
    ] {
        let server = Pop3d::start(&certs, &users, options);
        for utf8 in [true, false] {
            let mut settings = ClientOptions::default();
            settings.utf8 = utf8;
            let mut connection =
                Connection::connect_tls("localhost", server.implicit, &tls, settings).unwrap();
            let language = if options.contains(&"sv") { "sv" } else { "i-default" };
            assert_eq!(connection.lang("*").unwrap(), language);
            let mut session = connection.login("alice@example.net", "secret").unwrap();
            let number = MessageNumber::FIRST;
            let mut message = Vec::new();
            let got = match session.retrieve(number) {
                Ok(mut body) => Ok(body.read_to_end(&mut message).unwrap()),
                Err(Error::Refused(refused)) => Err(refused.code),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(got, if utf8 { Ok(in_mode) } else { without }, "{options:?}");
            if let Ok(octets) = got {
                assert_eq!(session.stat().unwrap().octets, Some(octets as u64));
                assert_eq!(message.is_ascii(), octets == 146);
            }
            assert!(matches!(session.quit(), Outcome::Committed));
        }
    }
}

#[test]
fn r5034_4_17_pb_q69_without_tls_nobody_logs_in_unless_it_is_allowed() {
    let server = Pop3d::start_with(&alice(), &["--listen", "127.0.0.1:0"]);
    let stream = TcpStream::connect(("127.0.0.1", server.plain)).unwrap();
    (&stream).write_all(b"CAPA\r\nUSER alice@example.net\r\nAUTH PLAIN AGEAYg==\r\nQUIT\r\n").unwrap();
    let mut said = String::new();
    BufReader::new(&stream).read_to_string(&mut said).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(!lines.iter().any(|line| line.starts_with("USER") || line.starts_with("SASL")), "{said}");
    assert_eq!(lines.iter().filter(|line| **line == "-ERR encryption required").count(), 2, "{said}");
}

#[test]
fn r4422_a_2_r8314_4_2_rdm_2_1b_a_certificate_logs_in_where_a_ca_is_given_and_nowhere_else() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let identity = certs.client_with_email("alice@example.net");
    let stranger = certs.client_with_email("mallory@example.net");
    let with = |identity: &Identity| with_certificate(&certs, identity);
    let server = Pop3d::start(&certs, &alice(), &["--client-ca", authority.to_str().unwrap()]);
    let mut connection = connect(&server, &with(&identity));
    assert!(connection.capabilities().unwrap().has_mechanism("EXTERNAL"));
    let session = connection.authenticate(&mut External::new(None).unwrap()).unwrap();
    assert!(matches!(session.quit(), Outcome::Committed));
    let failed =
        connect(&server, &with(&stranger)).authenticate(&mut External::new(None).unwrap()).unwrap_err();
    assert!(matches!(&failed.error, Error::Refused(refused) if refused.code == Some(CodeKind::Auth)));
    assert!(!connect(&server, &trust(&certs)).capabilities().unwrap().has_mechanism("EXTERNAL"));

    let without = Pop3d::start(&certs, &alice(), &[]);
    assert!(!connect(&without, &with(&identity)).capabilities().unwrap().has_mechanism("EXTERNAL"));
}

#[test]
fn rdm_2_1e_r8314_4_2_listeners_differ_in_what_they_ask_and_take() {
    let certs = Certs::new();
    let text = format!(
        "users = \"users\"\nmaildir = \"mail/{{user}}/Maildir\"\ncert = {:?}\nkey = {:?}\nclient-ca = {:?}\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\nmode = \"tls\"\nclient-cert = \"required\"\ncertificate-only = true\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\nmode = \"stls\"\nclient-cert = \"off\"\n",
        certs.server_file(),
        certs.server_key_file(),
        certs.authority_file()
    );
    let server = Pop3d::start_with_file(&alice(), &text);
    let identity = certs.client_with_email("alice@example.net");
    let tls = with_certificate(&certs, &identity);

    let mut strict = connect(&server, &tls);
    let capabilities = strict.capabilities().unwrap();
    assert!(
        capabilities.has_mechanism("EXTERNAL") && !capabilities.has_mechanism("PLAIN"),
        "{capabilities:?}"
    );
    assert!(strict.login("alice@example.net", "secret").is_err());
    assert!(logs_in(Connection::connect_tls("localhost", server.implicit, &tls, ClientOptions::default())));
    let without =
        Connection::connect_tls("localhost", server.implicit, &trust(&certs), ClientOptions::default());
    assert!(matches!(without, Err(Error::ClientCertificateRefused(_))), "{without:?}");

    let lax = || Connection::connect_stls("localhost", server.plain, &tls, ClientOptions::default()).unwrap();
    assert!(!lax().capabilities().unwrap().has_mechanism("EXTERNAL"));
    assert!(lax().login("alice@example.net", "secret").is_ok());
}

#[test]
fn r4422_a_3_pb_s26_names_in_the_certificate_are_those_that_were_chosen() {
    let certs = Certs::new();
    let authority = certs.authority_file();
    let by_name = with_certificate(&certs, &certs.client("alice@example.net"));
    let by_address = with_certificate(&certs, &certs.client_with_email("alice@example.net"));
    for (map, [name, address]) in [
        (&[][..], [false, true]),
        (&["--client-cert-map", "cn"], [true, false]),
        (&["--client-cert-map", "cn,rfc822name"], [true, true]),
    ] {
        let options = [&["--client-ca", authority.to_str().unwrap()], map].concat();
        let server = Pop3d::start(&certs, &alice(), &options);
        let connect =
            |tls| Connection::connect_tls("localhost", server.implicit, tls, ClientOptions::default());
        assert_eq!([logs_in(connect(&by_name)), logs_in(connect(&by_address))], [name, address], "{map:?}");
    }
}

#[test]
fn r9325_7_5_pb_s55_hup_reads_certificates_and_revocation_lists_again() {
    let (certs, new) = (Certs::new(), Certs::new());
    let dir = TempDir::new("reload");
    let write = |server: &Identity, list: String| {
        let cert = dir.file("cert", format!("{}{}", server.certificate, certs.authority));
        (cert, dir.file("key", &server.key), dir.file("list", list))
    };
    let (cert, key, list) = write(&certs.server, certs.revocation_list(&[]));
    let authority = certs.authority_file();
    let mut options = vec!["--listen-tls", "127.0.0.1:0"];
    options.extend(["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    options.extend(["--client-ca", authority.to_str().unwrap(), "--client-crl", list.to_str().unwrap()]);
    let server = Pop3d::start_with(&alice(), &options);
    let connect = |trusted: &Certs, serial| {
        let identity = certs.client_numbered("alice@example.net", serial);
        let builder = ClientTls::builder().ca_file(trusted.authority_file());
        let tls = builder.client_certificate_pem(&identity.certificate, &identity.key).build().unwrap();
        Connection::connect_tls("localhost", server.implicit, &tls, ClientOptions::default())
    };
    assert!(logs_in(connect(&certs, 8)) && logs_in(connect(&certs, 9)));
    assert!(connect(&new, 8).is_err());
    write(&new.server, certs.revocation_list(&[9]));
    server.signal("HUP");
    server.wait_for_log("all of TLS", 1);
    assert!(logs_in(connect(&new, 8)));
    assert!(connect(&certs, 8).is_err());
    let refused = connect(&new, 9);
    assert!(matches!(refused, Err(Error::ClientCertificateRefused(_))), "{refused:?}");
    // What cannot be read changes nothing.
    dir.file("key", "no key");
    server.signal("HUP");
    server.wait_for_log("not read again", 1);
    assert!(logs_in(connect(&new, 8)));
}

#[test]
fn pb_s55_certificates_that_are_replaced_are_read_without_being_told() {
    let (certs, later) = (Certs::new(), Certs::new());
    let server = Pop3d::start(&certs, &alice(), &["--reload-seconds", "1"]);
    drop(connect(&server, &trust(&certs)));
    // Half of it is no reason to stop serving, nor to say so each second.
    fs::copy(later.server_file(), certs.server_file()).unwrap();
    server.wait_for_log("were not read again", 1);
    drop(connect(&server, &trust(&certs)));
    fs::copy(later.server_key_file(), certs.server_key_file()).unwrap();
    server.wait_for_log("certificates have changed: all of TLS read again", 1);
    drop(connect(&server, &trust(&later)));
}

#[test]
fn r1939_6_2_deleted_messages_are_moved_or_hidden_as_the_option_says() {
    let certs = Certs::new();
    for (policy, left, moved) in [("move:Trash", 0, 1), ("keep", 1, 0), ("remove", 0, 0)] {
        let server = Pop3d::start(&certs, &alice(), &["--delete-policy", policy]);
        let login = || connect(&server, &trust(&certs)).login("alice@example.net", "secret").unwrap();
        let mut session = login();
        let first = session.list().unwrap()[0].number;
        session.delete(first).unwrap();
        assert!(matches!(session.quit(), Outcome::Committed), "{policy}");
        assert_eq!(login().stat().unwrap().messages, 0, "{policy}");
        assert_eq!(server.count("alice@example.net"), left, "{policy}");
        let folder = server.maildir("alice@example.net").join(".Trash/cur");
        assert_eq!(fs::read_dir(folder).map_or(0, Iterator::count), moved, "{policy}");
    }
}

#[test]
fn check_says_what_is_wrong_by_lines_and_exit_code() {
    let dir = TempDir::new("check");
    fs::create_dir(dir.join("mail")).unwrap();
    let good = "listen = \"127.0.0.1:0\"\nallow-cleartext-login = true\nusers = \"users\"\nmaildir = \"mail/{user}\"\n";
    dir.file("pop3d.toml", good);
    let check = |users: &str| {
        let users = dir.file("users", users);
        assert!(users.is_file());
        let checked = Pop3d::run(&["check", "--config", "pop3d.toml"], &dir);
        (checked.code, String::from_utf8(checked.stdout).unwrap())
    };
    let (code, said) = check("alice:{EXTERNAL}\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.ends_with("errors: 0, warnings: 1\n"), "{said}");
    fs::create_dir_all(dir.join("mail/alice/new")).unwrap();
    fs::create_dir_all(dir.join("mail/alice/cur")).unwrap();
    assert_eq!(check("alice:{EXTERNAL}\n").0, Some(0));
    let (code, said) = check("alice:{EXTERNAL}\nbob\n");
    assert!(code == Some(2) && said.contains("users, line 2: "), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason_and_what_to_do() {
    let dir = TempDir::new("unread");
    fs::create_dir(dir.join("mail")).unwrap();
    dir.file("users", "alice:{PLAIN}x\n");
    dir.file("key", "no PEM");
    let usual = ["--listen", "127.0.0.1:0", "--maildir", "mail/{user}"];
    for (options, parts) in [
        (&["--users", "absent/users"][..], ["cannot read absent/users: No such file", "put it there"]),
        (&["--users", "mail"], ["cannot read mail: Is a directory", "give the name of a file"]),
        (&["--users", "key"], ["key: users file, line 1: ", "pop3d check tells"]),
        (&["--config", "absent.toml"], ["cannot read absent.toml: No such file", "put it there"]),
        (
            &["--users", "users", "--decoy-secret", "absent/secret"],
            ["cannot read absent/secret: No such file", "put it there"],
        ),
        (
            &["--users", "users", "--cert", "absent/cert", "--key", "key"],
            ["cannot read absent/cert: No such file", "put it there"],
        ),
        (
            &["--users", "users", "--cert", "key", "--key", "key"],
            ["key: no usable certificate", "must be PEM"],
        ),
    ] {
        let failed = Pop3d::run(&[&usual[..], options].concat(), &dir);
        assert_eq!(failed.code, Some(78), "{options:?}");
        let said = String::from_utf8(failed.stderr).unwrap();
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
    }
}

#[test]
fn man_and_completions_are_written() {
    for (args, part) in [(&["man"][..], "\n.TH pop3d "), (&["completions", "bash"], "_pop3d()")] {
        for name in ["pop3d", "pop3"] {
            let output = Command::new(program(name)).args(args).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let part = part.replace("pop3d", name);
            assert!(output.status.success() && text.contains(&part), "{name} {args:?}: {text}");
        }
    }
    for name in ["pop3d", "pop3"] {
        let output = Command::new(program(name)).args(["completions", "cmd"]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0), "{name}");
        let output = Command::new(program(name)).arg("--help").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for command in ["man ", "completions "] {
            let named = text.lines().any(|line| line.trim_start().starts_with(command));
            assert!(named, "{name} --help does not name {command}: {text}");
        }
    }
}

#[test]
fn r2595_4_9_no_stls_where_there_is_no_certificate() {
    let server = Pop3d::start_with(&alice(), &["--listen", "127.0.0.1:0"]);
    let stream = TcpStream::connect(("127.0.0.1", server.plain)).unwrap();
    (&stream).write_all(b"CAPA\r\nSTLS\r\nQUIT\r\n").unwrap();
    let mut said = String::new();
    BufReader::new(&stream).read_to_string(&mut said).unwrap();
    assert!(!said.lines().any(|line| line == "STLS"), "{said}");
    assert!(said.contains("\r\n.\r\n-ERR"), "{said}");
}

#[test]
fn rp_alpaca_1_a_browser_gets_one_line() {
    let server = Pop3d::start_with(&alice(), &["--listen", "127.0.0.1:0"]);
    let mut stream = TcpStream::connect(("127.0.0.1", server.plain)).unwrap();
    stream.write_all(b"GET /<script> HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let lines: Vec<String> = BufReader::new(stream).lines().map_while(Result::ok).collect();
    assert_eq!(lines, ["+OK POP3 server ready", "-ERR this is a POP3 server"]);
}
