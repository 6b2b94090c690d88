//! Asking a checkpassword program: [`CheckPassword`].

use core::fmt;
use std::error::Error as StdError;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use super::{AuthError, Authenticator, Identity, LoginContext, Mechanisms};

/// The most that the interface lets a program be told: the name, the password, the timestamp, and a NUL behind each, in
/// octets. POSIX has a pipe take so much at once, so that writing it never waits for the program.
const CREDENTIALS_MAX: usize = 512;

/// The program's patience unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is kept of what the program writes, in octets: the end of it, where the answer is.
const OUTPUT_MAX: usize = 4096;

/// How long to wait for output before looking whether the program has ended: what it started may hold the pipe.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Gives the program its standard input as descriptor 3. The standard library passes only descriptors 0 to 2 on, and the
/// calls that would arrange others between fork and exec are `unsafe`; so a shell does it and then becomes the program,
/// under the same process id. The program stands in `$@` and is never parsed.
const DESCRIPTOR_3: &str = r#"exec "$@" 3<&0 0</dev/null"#;

/// What the program runs when it accepts. It tells that it was run, and as whom.
const ANSWER: &str = r#"printf '\000pop3\000%s\000' "$USER""#;

/// Behind this stands the user.
const ANSWERED: &[u8] = b"\0pop3";

/// An [`Authenticator`] that asks a program with the interface of checkpassword
/// (<https://cr.yp.to/checkpwd/interface.html>), as there are for PAM, LDAP and databases.
///
/// For each `USER`/`PASS`, PLAIN and LOGIN the program is run once. It finds `name NUL password NUL NUL` on descriptor 3
/// (the timestamp is empty), and nothing about the credentials in its arguments or its environment. The variables
/// `TCPREMOTEIP` and `TCPREMOTEPORT` hold the client's address, if it has one; `PROTO` is `TCP`.
///
/// | the program | means |
/// |---|---|
/// | runs the command behind its arguments | accepted |
/// | ends with 1 | [`Rejected`](AuthError::Rejected) |
/// | ends with 2, was not found, or ends with 0 without running the command | [`Permanent`](AuthError::Permanent) |
/// | ends with 111 or another code, is killed by a signal, or is not done in [`patience`](Self::patience) | [`Temporary`](AuthError::Temporary) |
///
/// The command is a shell that prints a line for this side and ends. A script that accepts therefore ends with
/// `exec "$@"`; one that only ends with 0 lets nobody in. Whether the program may change to the user's id before is
/// between it and the system: it runs as the server does.
///
/// Who logs in is the name that the client gave, prepared by SASLprep, unless
/// [`user_of_program`](Self::user_of_program) says otherwise. Names and passwords that together have more than 509 octets
/// are rejected: the interface ends there. What the program writes to standard output before it accepts is read and thrown
/// away; its standard error is that of the server; its standard input is empty.
///
/// A program that takes too long is killed with all that it has started, and reaped. How many run at once is bounded by
/// [`Limits::password_checks`](crate::server::Limits::password_checks); who calls this without a server does likewise.
/// Whether the program takes as long for an unknown user as for a wrong password is its own affair (R4422-3.6); the
/// server's fixed delay covers what it can.
///
/// APOP, CRAM-MD5 and SCRAM are not offered: the program needs the password itself.
///
/// ```no_run
/// use pop3_blocking::auth::CheckPassword;
///
/// let users = CheckPassword::new("/usr/sbin/checkpassword-pam").args(["-s", "pop3"]);
/// # drop(users);
/// ```
pub struct CheckPassword {
    program: OsString,
    args: Vec<OsString>,
    patience: Duration,
    user_of_program: bool,
}

/// Why a checkpassword program gave no verdict.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckPasswordError {
    /// It could not be started, or its output not be read.
    Io(io::Error),
    /// The shell did not find it, or may not run it.
    NotRun,
    /// It ended with code 2: it was called in a way that it does not understand.
    Misused,
    /// It ended with code 111: try again later.
    TryLater,
    /// It ended with another code.
    Code(i32),
    /// A signal ended it.
    Killed(ExitStatus),
    /// It ended with code 0 without running the command behind its arguments, so that nobody knows what it meant.
    NoAnswer,
    /// It accepted as a user whose name is no text, or holds control characters.
    User,
    /// It was killed because it was not done in this time.
    TimedOut(Duration),
}

impl CheckPasswordError {
    /// Whether a human must look.
    const fn is_permanent(&self) -> bool {
        matches!(self, Self::NotRun | Self::Misused | Self::NoAnswer | Self::User)
    }
}

impl fmt::Display for CheckPasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("checkpassword program: ")?;
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NotRun => f.write_str("cannot be run"),
            Self::Misused => f.write_str("misused (code 2)"),
            Self::TryLater => f.write_str("try later (code 111)"),
            Self::Code(code) => write!(f, "unexpected code {code}"),
            Self::Killed(status) => write!(f, "{status}"),
            Self::NoAnswer => f.write_str("code 0, but the command behind its arguments was not run"),
            Self::User => f.write_str("its USER is no name"),
            Self::TimedOut(patience) => write!(f, "not done in {} s, killed", patience.as_secs_f32()),
        }
    }
}

impl StdError for CheckPasswordError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for CheckPasswordError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl CheckPassword {
    /// Asks `program`: a path, or a name that is looked for in `PATH`. Nothing is run yet.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), args: Vec::new(), patience: PATIENCE, user_of_program: false }
    }

    /// Gives it these arguments, behind those it has; the command to run when it accepts comes behind them.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// How long it may take, 10 seconds unless set. Let it be less than the login deadline of the server
    /// ([`protocol.login`](crate::server::Limits)).
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Lets in whom the program puts into the variable `USER` before it accepts, instead of the name that the client gave:
    /// for programs that take several names, or several spellings, for one user. If it sets none, the client's name
    /// stands.
    ///
    /// Not for programs that serve several domains by one account, or leave the domain out of `USER`: users of the same
    /// name would get one another's mail.
    #[must_use]
    pub fn user_of_program(self) -> Self {
        Self { user_of_program: true, ..self }
    }

    /// The user as whom it accepted, empty if it did not say; `None` if it refused.
    fn ask(&self, cx: &LoginContext<'_>, credentials: &[u8]) -> Result<Option<String>, CheckPasswordError> {
        let mut child = self.command(cx).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read may know the answer all the same.
            drop(stdin.write_all(credentials));
        }
        let Some(stdout) = child.stdout.take() else { return Err(CheckPasswordError::NoAnswer) };
        let (status, output) = match watch(&mut child, stdout, self.patience) {
            Ok(Some(ended)) => ended,
            Ok(None) => {
                end(child);
                return Err(CheckPasswordError::TimedOut(self.patience));
            }
            Err(error) => {
                end(child);
                return Err(error.into());
            }
        };
        match status.code() {
            Some(0) => user(&output).map(Some),
            Some(1) => Ok(None),
            Some(2) => Err(CheckPasswordError::Misused),
            Some(111) => Err(CheckPasswordError::TryLater),
            Some(126 | 127) => Err(CheckPasswordError::NotRun),
            Some(code) => Err(CheckPasswordError::Code(code)),
            None => Err(CheckPasswordError::Killed(status)),
        }
    }

    fn command(&self, cx: &LoginContext<'_>) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", DESCRIPTOR_3, "sh"]).arg(&self.program).args(&self.args);
        command.args(["/bin/sh", "-c", ANSWER]);
        // Else a program that sets none would let everybody in as the user of the server.
        command.env_remove("USER").env_remove("TCPREMOTEIP").env_remove("TCPREMOTEPORT").env("PROTO", "TCP");
        if let Some(peer) = cx.peer {
            command.env("TCPREMOTEIP", peer.ip().to_canonical().to_string());
            command.env("TCPREMOTEPORT", peer.port().to_string());
        }
        // A group of its own, to be killed as a whole.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        command
    }
}

impl Authenticator for CheckPassword {
    /// PLAIN, LOGIN and `USER`.
    fn mechanisms(&self) -> Mechanisms {
        Mechanisms::PASSWORDS
    }

    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        let parts = [user.as_bytes(), password, b""];
        let length = parts.iter().map(|part| part.len().saturating_add(1)).fold(0, usize::saturating_add);
        // A NUL would move what stands behind it into another field. The server lets none through.
        if length > CREDENTIALS_MAX || parts.iter().any(|part| part.contains(&0)) {
            return Err(AuthError::Rejected);
        }
        // All the room at once: a Vec that grows leaves copies behind.
        let mut credentials = Zeroizing::new(Vec::with_capacity(CREDENTIALS_MAX));
        for part in parts {
            credentials.extend_from_slice(part);
            credentials.push(0);
        }
        match self.ask(cx, &credentials) {
            Ok(Some(named)) if self.user_of_program && !named.is_empty() => Ok(Identity::new(named)),
            Ok(Some(_)) => Ok(Identity::new(user)),
            Ok(None) => Err(AuthError::Rejected),
            Err(fault) if fault.is_permanent() => Err(AuthError::Permanent(Box::new(fault))),
            Err(fault) => Err(AuthError::Temporary(Box::new(fault))),
        }
    }
}

impl fmt::Debug for CheckPassword {
    /// Without the arguments, which may name what others need not know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckPassword")
            .field("program", &self.program)
            .field("patience", &self.patience)
            .field("user_of_program", &self.user_of_program)
            .finish_non_exhaustive()
    }
}

/// Reads what `child` writes until it ends, and keeps the end; `None` when it does not end in time.
fn watch(
    child: &mut Child,
    mut stdout: ChildStdout,
    patience: Duration,
) -> io::Result<Option<(ExitStatus, Vec<u8>)>> {
    let began = Instant::now();
    let (mut kept, mut buffer) = (Vec::new(), [0; OUTPUT_MAX]);
    let (mut open, mut pause) = (true, Duration::from_millis(1));
    loop {
        // First this, then what is in the pipe: what it wrote before it ended is there.
        let ended = child.try_wait()?;
        let left = patience.saturating_sub(began.elapsed());
        if ended.is_none() && left.is_zero() {
            return Ok(None);
        }
        let wait = if ended.is_some() { Duration::ZERO } else { left.min(LOOK_AGAIN) };
        if open && is_readable(&stdout, wait)? && !(ended.is_some() && left.is_zero()) {
            match stdout.read(&mut buffer) {
                Ok(0) => open = false,
                Ok(count) => {
                    kept.extend_from_slice(buffer.get(..count).unwrap_or(&buffer));
                    kept.drain(..kept.len().saturating_sub(OUTPUT_MAX));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        } else if let Some(status) = ended {
            return Ok(Some((status, kept)));
        } else if !open {
            // It has closed its output, as at its end, and is about to end.
            std::thread::sleep(pause.min(left));
            pause = pause.saturating_mul(2).min(LOOK_AGAIN);
        }
    }
}

fn is_readable(stdout: &ChildStdout, wait: Duration) -> io::Result<bool> {
    let mut fds = [PollFd::new(stdout, PollFlags::IN)];
    let wait = Timespec::try_from(wait).map_err(|_| io::ErrorKind::InvalidInput)?;
    match poll(&mut fds, Some(&wait)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Kills what takes too long, and all of its group, and reaps it.
fn end(mut child: Child) {
    // It is not reaped yet, so that its id is nobody else's.
    if let Err(error) = kill_process_group(Pid::from_child(&child), Signal::KILL) {
        log::debug!("a checkpassword program's process group cannot be killed: {error}");
    }
    let reap = move |child: &mut Child| drop(child.wait());
    if child.kill().is_ok() {
        reap(&mut child);
        return;
    }
    // It has become another user, who is not ours to kill. No session waits for its end.
    log::warn!("a checkpassword program that takes too long cannot be killed");
    drop(std::thread::Builder::new().spawn(move || reap(&mut child)));
}

/// The user in the answer.
fn user(output: &[u8]) -> Result<String, CheckPasswordError> {
    let answer = output.strip_suffix(b"\0").ok_or(CheckPasswordError::NoAnswer)?;
    let end = answer.iter().rposition(|octet| *octet == 0).ok_or(CheckPasswordError::NoAnswer)?;
    let (before, user) = answer.split_at_checked(end).ok_or(CheckPasswordError::NoAnswer)?;
    if !before.ends_with(ANSWERED) {
        return Err(CheckPasswordError::NoAnswer);
    }
    let user = user.get(1..).unwrap_or_default();
    let user = core::str::from_utf8(user).map_err(|_| CheckPasswordError::User)?;
    if user.chars().any(char::is_control) {
        return Err(CheckPasswordError::User);
    }
    Ok(user.to_owned())
}

#[cfg(test)]
mod tests;
