//! Servers that are started anew for each connection and know the users of the system only.
//!
//! Each runs in a mount namespace in which files of the test stand in place of `/etc/passwd` and others: the system's
//! own are not touched. That takes root and the right to mount.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::TempDir;
use super::process::kill_group;
use super::server::{NOBODY, User};
use super::temp::is_root;

/// Accepts connections and hands each to a server of its own; dropped, it ends them.
#[derive(Debug)]
pub(super) struct Inetd {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Child>>>,
}

impl Inetd {
    /// Listens on a free port. `command` gives the server's command; its error output goes to the file `log`.
    pub(super) fn start(command: impl Fn() -> Command + Send + 'static, log: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut children: Vec<Child> = Vec::new();
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let socket = OwnedFd::from(stream.unwrap());
                    children.push(
                        command()
                            .stdin(Stdio::from(socket.try_clone().unwrap()))
                            .stdout(Stdio::from(socket))
                            .stderr(log.try_clone().unwrap())
                            .process_group(0)
                            .spawn()
                            .unwrap(),
                    );
                    // Those that have ended are waited for on the way.
                    children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
                }
                children
            }
        });
        Self { port, stop, thread: Some(thread) }
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Inetd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        let Some(Ok(children)) = self.thread.take().map(JoinHandle::join) else { return };
        for mut child in children {
            kill_group(&child);
            drop(child.wait());
        }
    }
}

/// Whether servers can be given files of their own; says so if not.
///
/// Other than for a missing program this is never a failure: the right to mount belongs to the machine, not to what is
/// installed on it.
pub(super) fn can_isolate(server: &str) -> bool {
    let can = is_root()
        && Command::new("unshare")
            .args(["--mount", "mount", "--make-rprivate", "/"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !can {
        let test = thread::current();
        let test = test.name().unwrap_or("unnamed test");
        super::tell(&format!("skipped: {server} needs root and the right to mount ({test})"));
    }
    can
}

/// Writes what `command` will see in place of the system's files: users with homes below `home`, mail, PAM services.
pub(super) fn write_system(dir: &TempDir, users: &[User<'_>], service: &str) {
    let mut passwd = format!(
        "root:x:0:0::/:/bin/sh\n{service}:x:{NOBODY}:{NOBODY}::/:/bin/false\nnobody:x:{NOBODY}:{NOBODY}::/:/bin/false\n"
    );
    for user in users {
        let hash = Command::new("openssl").args(["passwd", "-5", user.password]).output().unwrap().stdout;
        let hash = String::from_utf8(hash).unwrap();
        passwd.push_str(&format!(
            "{0}:{1}:{NOBODY}:{NOBODY}::{2}/{0}:/bin/sh\n",
            user.name,
            hash.trim(),
            dir.join("home").display()
        ));
    }
    dir.subdir("home");
    dir.subdir("mail");
    dir.subdir(format!("lib/{service}"));
    dir.subdir("pam.d");
    for (name, text) in [
        ("passwd", passwd.as_str()),
        ("group", &format!("root:x:0:\nmail:x:8:\nnogroup:x:{NOBODY}:\n")),
        (&format!("pam.d/{service}"), "auth required pam_unix.so nodelay\naccount required pam_permit.so\n"),
    ] {
        fs::write(dir.join(name), text).unwrap();
    }
    fs::write(
        dir.join("isolate"),
        "set -e\ncd \"$1\"\nshift\nmount --make-rprivate /\nmount --bind passwd /etc/passwd\n\
         mount --bind group /etc/group\nmount --bind mail /var/mail\nmount --bind pam.d /etc/pam.d\n\
         mount --bind lib /var/lib\nexec \"$@\"\n",
    )
    .unwrap();
}

/// A command that runs `program` with the files that [`write_system`] put into `dir`.
pub(super) fn isolated(dir: &Path, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "/bin/sh"]).arg(dir.join("isolate")).arg(dir).arg(program);
    command
}
