//! `pop3d` under a service manager: what it tells, sockets that it is given, and the unit files in the tree.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use pop3_blocking::client::{ClientOptions, Connection};
use pop3_blocking::tls::ClientTls;
use pop3_tests::peers::process::run;
use pop3_tests::peers::{Certs, TempDir, User, require};
use pop3_tests::pop3d::Pop3d;
use pop3_tests::programs::program;

const LIMIT: Duration = Duration::from_secs(30);
const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pop3-blocking/systemd");

fn alice() -> [User<'static>; 1] {
    [User { name: "alice", password: "secret", messages: vec![b"A: b\n\nc\n".to_vec()] }]
}

/// What a service manager would hear.
struct Manager {
    socket: UnixDatagram,
    dir: TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = TempDir::new("notify");
        let socket = UnixDatagram::bind(dir.join("socket")).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket, dir }
    }

    /// The next message but those that only say that the process is alive.
    fn hear(&self) -> String {
        loop {
            let said = self.hear_any();
            if said != "WATCHDOG=1\n" {
                return said;
            }
        }
    }

    fn hear_any(&self) -> String {
        let mut room = [0; 1000];
        let octets = self.socket.recv(&mut room).unwrap();
        String::from_utf8(room[..octets].to_vec()).unwrap()
    }

    /// A command that passes its arguments on, and tells where this is.
    fn wrapper(&self) -> Command {
        let mut command = Command::new("/usr/bin/env");
        command.env("NOTIFY_SOCKET", self.dir.join("socket"));
        command
    }
}

#[test]
fn it_tells_when_it_is_ready_reloads_and_stops() {
    let manager = Manager::new();
    let options = ["--listen", "127.0.0.1:0", "--allow-cleartext-login"];
    for more in [&[][..], &["--sandbox=best-effort"]] {
        let mut server = Pop3d::start_by(&mut manager.wrapper(), &alice(), &[&options[..], more].concat());
        assert_eq!(manager.hear(), "READY=1\n");
        for _ in 0..2 {
            server.signal("HUP");
            let said = manager.hear();
            let now = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
            assert!(now.parse::<u64>().unwrap() > 0);
            assert_eq!(manager.hear(), "READY=1\n");
        }
        server.signal("TERM");
        assert_eq!(manager.hear(), "STOPPING=1\n");
        assert_eq!(server.wait(), Some(0));
    }
}

#[test]
fn it_tells_that_it_is_alive_until_its_last_session_has_ended() {
    let manager = Manager::new();
    let mut wrapper = manager.wrapper();
    wrapper.env("WATCHDOG_USEC", "100000").env_remove("WATCHDOG_PID");
    let mut server = Pop3d::start_by(&mut wrapper, &alice(), &["--listen", "127.0.0.1:0"]);
    for _ in 0..20 {
        manager.hear_any();
    }
    server.signal("TERM");
    assert_eq!(manager.hear(), "STOPPING=1\n");
    assert_eq!(server.wait(), Some(0));

    // Meant for another process, and not asked for.
    for (usec, pid) in [("100000", "1"), ("", "")] {
        let mut wrapper = manager.wrapper();
        wrapper.env("WATCHDOG_USEC", usec).env("WATCHDOG_PID", pid);
        let mut server = Pop3d::start_by(&mut wrapper, &alice(), &["--listen", "127.0.0.1:0"]);
        assert_eq!(manager.hear_any(), "READY=1\n");
        server.signal("TERM");
        assert_eq!(manager.hear_any(), "STOPPING=1\n");
        assert_eq!(server.wait(), Some(0));
    }
}

/// A shell that passes its standard input and output on as sockets, and starts what follows.
fn passing(first: TcpListener, second: TcpListener, names: &str, announcement: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args([
        "-c",
        "exec 3<&0 4<&1 <&- >\"$0\"; export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=\"$1\"; shift; exec \"$@\"",
        announcement,
        names,
    ]);
    shell.stdin(OwnedFd::from(first)).stdout(OwnedFd::from(second));
    shell
}

/// Waits for its end, and no longer than it may take: one that serves goes on.
fn ended(mut child: Child) -> Output {
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    drop(child.kill());
    child.wait_with_output().unwrap()
}

#[test]
fn sockets_that_are_passed_are_served_by_their_names() {
    let certs = Certs::new();
    let (cert, key) = (certs.server_file(), certs.server_key_file());
    let listen = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let dir = TempDir::new("passing");
    let announcement = dir.join("out");
    let start = |names: &str, options: &[&str]| {
        let (tls, plain) = (listen(), listen());
        let addresses = [&tls, &plain].map(|socket| socket.local_addr().unwrap());
        let mut command = passing(tls, plain, names, announcement.to_str().unwrap());
        dir.file("users", "alice:{PLAIN}secret\n");
        command.arg(program("pop3d")).args(["--users", "users", "--maildir", "{user}"]).args(options);
        command.args(["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()]);
        (addresses, command)
    };
    let by_name = ["--listen-tls", "fd:tls", "--listen", "fd:plain"];

    let ([tls, plain], mut command) = start("tls:plain", &by_name);
    // A client may come before the server does.
    let early = TcpStream::connect(plain).unwrap();
    let log = fs::File::create(dir.join("log")).unwrap();
    let mut child = command.stderr(log).current_dir(dir.path()).spawn().unwrap();
    drop(command);
    let mut greeting = String::new();
    early.set_read_timeout(Some(LIMIT)).unwrap();
    BufReader::new(early).read_line(&mut greeting).unwrap();
    assert_eq!(greeting, "+OK POP3 server ready\r\n");
    let trust = ClientTls::builder().ca_file(certs.authority_file()).build().unwrap();
    drop(Connection::connect_tls("localhost", tls.port(), &trust, ClientOptions::default()).unwrap());
    let said = fs::read_to_string(&announcement).unwrap();
    assert_eq!(said, format!("listening tls={tls} plain={plain}\n"));
    child.kill().unwrap();
    child.wait().unwrap();

    for (names, options, error) in [
        (
            "tls:plain",
            &by_name[..2],
            "a socket of the name plain was passed, but nothing listens on fd:plain",
        ),
        ("tls:tls", &by_name, "no socket of the name plain was passed"),
        ("", &by_name[..2], "no socket of the name tls was passed"),
    ] {
        let (_, mut command) = start(names, options);
        let child = command.stderr(std::process::Stdio::piped()).current_dir(dir.path()).spawn().unwrap();
        drop(command);
        let output = ended(child);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.trim_end()),
            (Some(78), &*format!("pop3d: {error}")),
            "{names}"
        );
    }
}

#[test]
fn a_place_to_listen_at_is_an_address_or_a_name() {
    let dir = TempDir::new("place");
    for (place, code) in [("fd:", 64), ("tls", 64), ("fd:tls", 78)] {
        dir.file("users", "alice:{PLAIN}secret\n");
        let ended = Pop3d::run(&["--listen", place, "--users", "users", "--maildir", "{user}"], &dir);
        assert_eq!(ended.code, Some(code), "{place}: {}", ended.output());
    }
}

/// The lines of a section of a unit file.
fn section(text: &str, name: &str) -> Vec<(String, String)> {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        if line.starts_with('[') {
            inside = *line == format!("[{name}]");
        }
        inside && !line.starts_with(['#', '['])
    });
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
}

fn unit(name: &str) -> String {
    fs::read_to_string(PathBuf::from(UNITS).join(name)).unwrap()
}

#[test]
fn the_service_is_started_with_options_that_are_there_and_keeps_to_its_mail() {
    let lines = section(&unit("pop3d.service"), "Service");
    let value = |name: &str| {
        let found = lines.iter().find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("{name} is missing")).1.as_str()
    };
    let help = Command::new(program("pop3d")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let known: Vec<&str> =
        help.split_whitespace().map(|word| word.split(['[', '=', ',']).next().unwrap()).collect();
    let options = value("ExecStart").split(' ').filter(|word| word.starts_with("--"));
    let options: Vec<&str> = options.map(|word| word.split('=').next().unwrap()).collect();
    assert_eq!(options, ["--config", "--sandbox"]);
    assert!(options.iter().all(|option| known.contains(option)), "{options:?}");
    assert_eq!((value("Type"), value("ExecReload")), ("notify", "/bin/kill -HUP $MAINPID"));
    assert_eq!((value("ProtectSystem"), value("ReadWritePaths")), ("strict", "/var/vmail"));
    assert_eq!((value("CapabilityBoundingSet"), value("AmbientCapabilities")), ("", ""));
    // Twice the time for sessions to end, and some more.
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() > 60);
    assert!(value("WatchdogSec").parse::<u64>().unwrap() > 0);
    for name in [
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "NoNewPrivileges",
        "PrivateDevices",
        "PrivateTmp",
        "PrivateUsers",
        "ProtectClock",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
    ] {
        assert_eq!(value(name), "yes", "{name}");
    }
}

#[test]
fn sockets_have_the_names_that_the_options_ask_for() {
    let options = unit("pop3d.toml");
    for (name, port, socket) in [("tls", "995", "pop3d.socket"), ("plain", "110", "pop3d-plain.socket")] {
        let lines = section(&unit(socket), "Socket");
        let value = |name: &str| lines.iter().find(|(key, _)| key == name).unwrap().1.as_str();
        assert_eq!((value("FileDescriptorName"), value("ListenStream")), (name, port));
        assert!(options.contains(&format!("= \"fd:{name}\"")), "{name}");
    }
    // The options can be read: all that is missing is what they name.
    let dir = TempDir::new("options");
    let ended = Pop3d::run(&["--config", &format!("{UNITS}/pop3d.toml")], &dir);
    assert_eq!(ended.code, Some(78));
    assert_eq!(
        ended.output().trim_end(),
        format!(
            "pop3d: cannot read {UNITS}/users: No such file or directory (os error 2); put it there, or correct the path"
        )
    );
}

#[test]
fn systemd_finds_no_fault_with_the_units_and_little_exposure() {
    let Some(analyze) = require("systemd-analyze") else { return };
    let dir = TempDir::new("units");
    for name in ["pop3d.service", "pop3d.socket", "pop3d-plain.socket"] {
        // The program is where the build has put it, its manual nowhere yet.
        let text = unit(name).replace("/usr/bin/pop3d", program("pop3d").to_str().unwrap());
        dir.file(name, text.replace("Documentation=man:pop3d(1)\n", ""));
    }
    let mut verify = Command::new(&analyze);
    verify.args(["verify", "--man=no"]);
    verify.args(["pop3d.service", "pop3d.socket", "pop3d-plain.socket"].map(|name| dir.join(name)));
    let ended = run(&mut verify, LIMIT, dir.path());
    let about_ours = ended.output().lines().filter(|line| line.contains("pop3d")).count();
    assert_eq!((ended.code, about_ours), (Some(0), 0), "{}", ended.output());
    let mut security = Command::new(&analyze);
    // A tenth of a point each: 2.0 is what systemd calls OK, 9.6 is a service without any of it.
    security.args(["security", "--offline=true", "--threshold=20"]).arg(dir.join("pop3d.service"));
    let ended = run(&mut security, LIMIT, dir.path());
    assert_eq!(ended.code, Some(0), "{}", ended.output());
}

#[test]
fn addresses_are_told_of_passed_sockets_too() {
    // The name of one socket that is passed by another program, where there is such.
    let Some(activate) = require("systemd-socket-activate") else { return };
    let address: SocketAddr = {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        free.local_addr().unwrap()
    };
    let dir = TempDir::new("activate");
    dir.file("users", "alice:{PLAIN}secret\n");
    let mut command = Command::new(activate);
    command.args(["--listen", &address.to_string(), "--fdname", "plain"]).arg(program("pop3d"));
    command.args(["--listen", "fd:plain", "--users", "users", "--maildir", "{user}"]).current_dir(dir.path());
    let mut service = pop3_tests::peers::process::Service::start(&mut command, &dir.join("log"));
    let stream = service.wait_for_port(address.port(), LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut greeting = String::new();
    BufReader::new(stream).read_line(&mut greeting).unwrap();
    assert_eq!(greeting, "+OK POP3 server ready\r\n", "{}", fs::read_to_string(dir.join("log")).unwrap());
}
