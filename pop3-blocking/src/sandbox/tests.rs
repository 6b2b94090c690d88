//! Each test restricts a thread of its own. A kernel without Landlock shows itself by a word.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::auth::{Identity, MemoryUsers};
use crate::server::{Policy, Server};
use crate::store::{MemoryMaildrop, MemoryStore, OpenContext, OpenError, Store, StoreError};

/// Runs `inside` on a thread of its own with a directory, or says that it was skipped.
fn apart(name: &str, inside: impl FnOnce(&Path) + Send) {
    let directory = std::env::temp_dir().join(format!("pop3-sandbox-{}-{name}", std::process::id()));
    for part in ["mail", "etc", "outside"] {
        fs::create_dir_all(directory.join(part)).unwrap();
        fs::write(directory.join(part).join("file"), part).unwrap();
    }
    thread::scope(|scope| {
        let probe = scope.spawn(|| Sandbox::new().enforce());
        match probe.join().unwrap() {
            Ok(_) => scope.spawn(|| inside(&directory)).join().unwrap(),
            Err(SandboxError::Unsupported) => println!("skipped: no Landlock here"),
            Err(error) => panic!("{error}"),
        }
    });
    fs::remove_dir_all(directory).unwrap();
}

fn is_denied<T>(outcome: std::io::Result<T>) -> bool {
    outcome.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

#[test]
fn what_was_named_stays_and_nothing_else() {
    apart("files", |directory| {
        let path = |name: &str| directory.join(name);
        let open = fs::File::open(path("outside/file")).unwrap();
        let sandbox = Sandbox::new().read_file(path("etc/file")).write_beneath(path("mail"));
        let enforced = sandbox.enforce().unwrap();
        assert!(enforced.files, "{enforced}");

        assert_eq!(fs::read(path("etc/file")).unwrap(), b"etc");
        assert!(is_denied(fs::write(path("etc/file"), "x")) && is_denied(fs::remove_file(path("etc/file"))));
        fs::write(path("mail/new"), "x").unwrap();
        fs::create_dir(path("mail/sub")).unwrap();
        fs::rename(path("mail/new"), path("mail/sub/new")).unwrap();
        fs::remove_file(path("mail/sub/new")).unwrap();
        fs::remove_dir(path("mail/sub")).unwrap();
        let links = std::os::unix::fs::symlink(path("outside/file"), path("mail/link"));
        assert!(is_denied(links));
        for elsewhere in ["outside/file", "outside"] {
            assert!(is_denied(fs::File::open(path(elsewhere))), "{elsewhere}");
        }
        assert!(is_denied(fs::read("/etc/passwd")) && is_denied(fs::read_dir("/")));
        assert!(is_denied(std::process::Command::new("/bin/true").status()));
        // What was open stays open; what is started later is bound as well.
        let mut text = String::new();
        (&open).read_to_string(&mut text).unwrap();
        assert_eq!(text, "outside");
        thread::scope(|scope| {
            let later = scope.spawn(|| is_denied(fs::read(path("outside/file"))));
            assert!(later.join().unwrap());
        });
    });
}

#[test]
fn a_file_that_is_replaced_can_be_read_again() {
    apart("replaced", |directory| {
        // As certificates are kept by some programs: a link that moves on.
        let (link, target) = (directory.join("etc/link"), directory.join("outside/file"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let (ready, is_ready) = mpsc::channel();
        let (replaced, is_replaced) = mpsc::channel();
        thread::scope(|scope| {
            let link = &link;
            let inside = scope.spawn(move || {
                Sandbox::new().read_file(link).enforce().unwrap();
                assert_eq!(fs::read(link).unwrap(), b"outside");
                ready.send(()).unwrap();
                is_replaced.recv().unwrap();
                fs::read(link).unwrap()
            });
            is_ready.recv().unwrap();
            fs::write(directory.join("outside/next"), "next").unwrap();
            fs::remove_file(link).unwrap();
            std::os::unix::fs::symlink(directory.join("outside/next"), link).unwrap();
            replaced.send(()).unwrap();
            assert_eq!(inside.join().unwrap(), b"next");
        });
    });
}

/// A store with a bug: it opens what its user asks for.
struct Leaky(PathBuf);

impl Store for Leaky {
    type Maildrop = MemoryMaildrop;

    fn open(&self, who: &Identity, cx: &OpenContext) -> Result<MemoryMaildrop, OpenError> {
        let path = self.0.join(who.name()).join("file");
        let message = fs::read(path).map_err(|error| StoreError::Permanent(Box::new(error)))?;
        let store = MemoryStore::new();
        store.add(who.name(), message);
        store.open(who, cx)
    }
}

#[test]
fn a_store_that_leaves_its_place_is_refused_and_sockets_are_those_that_were_bound() {
    apart("store", |directory| {
        let users = MemoryUsers::new().with_user("mail", "secret").with_user("outside", "secret");
        let server = Server::builder(users, Leaky(directory.to_owned()))
            .listen(([127, 0, 0, 1], 0).into(), Policy::cleartext().allow_cleartext_login())
            .bind()
            .unwrap();
        let address = server.addresses()[0];
        let script = |user: &str| format!("USER {user}\r\nPASS secret\r\nQUIT\r\n");
        thread::scope(|scope| {
            let running = scope.spawn(|| {
                let enforced = Sandbox::new().write_beneath(directory.join("mail")).enforce().unwrap();
                let running = server.serve().unwrap();
                if enforced.network {
                    assert!(is_denied(TcpListener::bind("127.0.0.1:0")));
                    assert!(is_denied(TcpStream::connect(address)));
                }
                running
            });
            let running = running.join().unwrap();
            for (user, reply) in [
                ("mail", "+OK maildrop has 1 message (8 octets)"),
                ("outside", "-ERR [SYS/PERM] permanent fault, ask the administrator"),
            ] {
                let mut peer = TcpStream::connect(address).unwrap();
                peer.write_all(script(user).as_bytes()).unwrap();
                let mut said = String::new();
                peer.read_to_string(&mut said).unwrap();
                let want = format!("+OK POP3 server ready\r\n+OK send PASS\r\n{reply}\r\n+OK bye\r\n");
                assert_eq!(said, want);
            }
            drop(running);
        });
    });
}

#[test]
fn a_path_that_is_not_there_is_named() {
    apart("missing", |directory| {
        let missing = directory.join("nowhere");
        let refused = Sandbox::new().write_beneath(&missing).enforce();
        assert!(matches!(refused, Err(SandboxError::Path { path, .. }) if path == missing));
        // Nothing was restricted.
        assert!(fs::read(directory.join("outside/file")).is_ok());
    });
}

#[test]
fn the_directory_of_a_file() {
    for (file, stands_in) in [("/etc/users", "/etc"), ("users", "."), ("a/users", "a"), ("/users", "/")] {
        assert_eq!(directory(Path::new(file)), Path::new(stands_in));
    }
}
