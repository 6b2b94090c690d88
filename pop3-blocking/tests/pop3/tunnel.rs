//! `--proxy`: through proxies of Debian, where they are installed, and through what is none.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::fake::{Fake, LONG, mail};
use crate::home::{Home, texts};

/// A proxy program that runs, and its port.
struct Running(Child, u16);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[expect(clippy::print_stdout, reason = "a test that is left out says so")]
fn skip(program: &str) {
    println!("skipped: {program} is not installed");
}

/// Starts a proxy on a free port and waits until it listens; `None`, and it is said, if it is not installed.
fn start(program: &str, home: &Home, args: impl Fn(u16) -> Vec<String>) -> Option<Running> {
    let began = std::time::Instant::now();
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(args(port)).current_dir(home.path("")).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            assert!(std::env::var_os("POP3_TESTS_REQUIRE_PEERS").is_none(), "{program} is not installed");
            skip(program);
            return None;
        };
        let mut running = Running(child, port);
        while running.0.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(running);
            }
            assert!(began.elapsed() < LONG, "{program} does not listen");
            std::thread::yield_now();
        }
        // Somebody else took the port.
        assert!(began.elapsed() < LONG, "{program} does not start");
    }
}

/// Fetches two messages with and without a login through the proxy at `port`, and fails with a wrong one.
fn check(home: &Home, scheme: &str, running: &Running, with_login: bool) {
    let fake = Fake::good(mail(2, 20_000));
    let port = running.1;
    let url = |login: &str| format!("{scheme}://{login}127.0.0.1:{port}");
    if !with_login {
        home.fetch(&fake, &["--proxy", &url("")]).expect(0);
        assert_eq!(home.mail(), texts(&mail(2, 20_000)));
        return;
    }
    home.fetch(&fake, &["--proxy", &url(""), "--json"]).expect_error(68, "host");
    assert_eq!(fake.connections(), 0);
    for (password, code) in [("wrong", 68), ("secret", 0)] {
        let proxy = url(&format!("me:{password}@"));
        let text = format!(
            "[account.a]\nurl = \"{}\"\ntls = \"none-insecure\"\nproxy = \"{proxy}\"\n",
            fake.url("pop")
        );
        let config = home.write("config.toml", &text);
        Command::new("chmod").args(["600", &config]).status().unwrap();
        let args = ["fetch", "a", "--config", &config, "--password-file", "password", "--to", "maildir:Mail"];
        let done = home.run(&args);
        assert!(!done.expect(code).err.contains(password), "{done:?}");
    }
    assert_eq!(home.mail(), texts(&mail(2, 20_000)));
}

#[test]
fn through_microsocks() {
    for with_login in [false, true] {
        let home = Home::new();
        let login = if with_login { "-u me -P secret" } else { "" };
        let args = |port: u16| {
            let line = format!("-i 127.0.0.1 -p {port} {login}");
            line.split_whitespace().map(str::to_owned).collect()
        };
        let Some(running) = start("microsocks", &home, args) else { return };
        check(&home, "socks5h", &running, with_login);
    }
}

#[test]
fn through_tinyproxy() {
    for with_login in [false, true] {
        let home = Home::new();
        let login = if with_login { "BasicAuth me secret\n" } else { "" };
        let args = |port: u16| {
            let text = format!("Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nMaxClients 10\n{login}");
            vec!["-d".into(), "-c".into(), home.write(&format!("tinyproxy-{port}"), &text)]
        };
        let Some(running) = start("tinyproxy", &home, args) else { return };
        check(&home, "http", &running, with_login);
    }
}

/// Answers one connection with `answer`, and tells what it was asked.
fn answering(answer: &'static [u8]) -> (u16, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(answer).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut asked = Vec::new();
        stream.read_to_end(&mut asked).ok();
        asked
    });
    (port, asked)
}

#[test]
fn the_password_for_a_proxy_is_taken_from_a_netrc() {
    let home = Home::new();
    let asked_with = |netrc: &str, user: &str| {
        let netrc =
            home.write("netrc", &format!("{netrc}\nmachine pop.example.invalid login alice password p\n"));
        Command::new("chmod").args(["600", &netrc]).status().unwrap();
        let (port, asked) = answering(b"HTTP/1.1 503 no\r\n\r\n");
        let (netrc, proxy) = (format!("--netrc={netrc}"), format!("http://{user}127.0.0.1:{port}"));
        let url = "pops://alice@pop.example.invalid";
        home.run(&["stat", url, &netrc, "--proxy", &proxy, "--json"]).expect_error(68, "host");
        let asked = String::from_utf8(asked.join().unwrap()).unwrap();
        let login = asked.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: Basic "));
        login.map(str::to_owned)
    };
    // The base64 of me:proxy-secret, and of me with no password.
    let (with, without) = (Some("bWU6cHJveHktc2VjcmV0".to_owned()), Some("bWU6".to_owned()));
    let entry = "machine 127.0.0.1 login you password x\nmachine 127.0.0.1 login me password proxy-secret";
    assert_eq!(asked_with(entry, "me@"), with);
    assert_eq!(asked_with(entry, ""), None, "nobody asked for a login at the proxy");
    assert_eq!(asked_with("machine 127.0.0.2 login me password x", "me@"), without);
    assert_eq!(asked_with("", "me@"), without);
    // Not what is for every host: the proxy would see it.
    assert_eq!(asked_with("default login me password x", "me@"), without);
}

#[test]
fn what_is_no_proxy_learns_no_password() {
    let home = Home::new();
    for (scheme, answer, code, kind) in [
        ("http", &b"HTTP/1.1 503 no \x1b\r\n\r\n"[..], 68, "host"),
        ("http", b"+OK ready\r\n", 68, "host"),
        ("http", b"HTTP/1.1 2", 75, "connection"),
        ("socks5h", b"\x05\x00\x05\x04\x00\x01", 68, "host"),
        ("socks5h", b"", 75, "connection"),
    ] {
        let (port, asked) = answering(answer);
        let proxy = format!("{scheme}://127.0.0.1:{port}");
        let url = "pop://alice@pop.example.invalid";
        let done = home.run(&[
            "stat",
            url,
            "--tls",
            "none-insecure",
            "--password-file",
            "password",
            "--proxy",
            &proxy,
            "--json",
        ]);
        done.expect_error(code, kind);
        let asked = asked.join().unwrap();
        assert!(!asked.windows(4).any(|four| four == b"USER" || four == b"PASS"), "{}", asked.escape_ascii());
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let proxy = format!("socks5h://127.0.0.1:{port}");
    let done = home.run(&["capa", "pops://a@h", "--proxy", &proxy, "--json"]);
    assert!(done.expect_error(68, "host").err.contains("proxy 127.0.0.1"), "{done:?}");
}
