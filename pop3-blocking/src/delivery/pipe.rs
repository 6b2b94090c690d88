//! Delivery into a command: a mail delivery agent such as dovecot-lda, maildrop or procmail.
//!
//! # Why the command reads a file
//!
//! A command that reads from a pipe cannot tell a message that ended from one whose sender died: both are the end of
//! its input, and it would keep a cut message as if it were whole. So a message is first gathered in a file that has no
//! name, and the command starts when the message is complete, with that file as its standard input. Whatever becomes of
//! this process then, the command reads the whole message; a message that is cut never reaches it. No write can block
//! or fail because the command reads slowly or stops reading.
//!
//! The command is its own process group, so that Ctrl-C on a terminal does not reach it, and all of it can be ended.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::error::{CommandFault, Fault};
use super::line_ends::LfFilter;
use super::{Delivery, DeliveryError, Durability, Incoming, LineEnds};

/// The exit status by which a mail delivery agent asks for another try: `EX_TEMPFAIL` of `sysexits.h`.
pub(super) const TEMPFAIL: i32 = 75;

/// How long the first pause is while a command is waited for, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// Hands each message to a command of its own, as a mail delivery agent is called.
///
/// The command gets the message on its standard input, with LF line ends unless
/// [`with_line_ends`](Self::with_line_ends) says otherwise; its standard output is thrown away, its standard error is
/// ours. Exit status 0 means that it keeps the message: that is the command's promise, and
/// [`finish`](Incoming::finish) answers [`Durability::Durable`] on the strength of it. Every other end is
/// [`DeliveryError::Command`], and the message stays on the server; [`CommandFault::is_temporary`] tells whether the
/// next message would meet the same.
///
/// No shell is between: arguments are passed as they are.
///
/// A process that dies while the command runs may cost a duplicate, as the command goes on and nobody notes the
/// message. A message is gathered in [`std::env::temp_dir`] unless [`with_spool`](Self::with_spool) says otherwise.
#[derive(Debug)]
pub struct PipeDelivery {
    program: OsString,
    args: Vec<OsString>,
    time: Duration,
    line_ends: LineEnds,
    spool: PathBuf,
}

impl PipeDelivery {
    /// Delivers into `program`, which is looked for in `PATH` if it has no slash.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            time: Duration::from_secs(300),
            line_ends: LineEnds::Lf,
            spool: std::env::temp_dir(),
        }
    }

    /// Calls it with these arguments.
    #[must_use]
    pub fn with_args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        self
    }

    /// Ends a command, and all of its process group, that takes longer than this; 300 seconds unless set.
    #[must_use]
    pub const fn with_time_limit(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Gives the message these line ends.
    #[must_use]
    pub const fn with_line_ends(mut self, line_ends: LineEnds) -> Self {
        self.line_ends = line_ends;
        self
    }

    /// Gathers messages in this directory, in files without a name that only this process can open.
    #[must_use]
    pub fn with_spool(mut self, dir: impl AsRef<Path>) -> Self {
        self.spool = dir.as_ref().to_owned();
        self
    }

    fn fault(&self, fault: CommandFault) -> DeliveryError {
        DeliveryError::Command { program: PathBuf::from(&self.program), fault }
    }

    /// Runs the command over `message`, to its end.
    fn run(&self, message: File) -> Result<(), DeliveryError> {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(message)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| self.fault(CommandFault::Start(error)))?;
        let status =
            wait(&mut child, self.time).map_err(|error| Fault::new("wait for command", None, error))?;
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.fault(match (status.code(), status.signal()) {
                (Some(code), _) => CommandFault::Exit(code),
                (None, signal) => CommandFault::Signal(signal.unwrap_or_default()),
            })),
            None => Err(self.fault(CommandFault::TimedOut(self.time))),
        }
    }
}

/// Waits for the end of `child`; `None` if it was ended because `time` was over.
fn wait(child: &mut Child, time: Duration) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    let (mut pause, longest) = PAUSES;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= time {
            // It was not waited for yet, so that the number is still its own.
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if group.is_none_or(|group| kill_process_group(group, Signal::KILL).is_err()) {
                child.kill()?;
            }
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = pause.saturating_mul(2).min(longest);
    }
}

/// A new file without a name.
fn nameless(dir: &Path) -> io::Result<File> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = format!(".pop3-pipe-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = dir.join(name);
        // `create_new` follows no link, so that nobody else can have put the file there.
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return std::fs::remove_file(&path).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

impl Delivery for PipeDelivery {
    fn begin(&mut self) -> Result<Box<dyn Incoming + '_>, DeliveryError> {
        let file = nameless(&self.spool)
            .map_err(|error| Fault::new("create a file in", Some(&self.spool), error))?;
        let (message, filter) = (BufWriter::with_capacity(1 << 16, file), LfFilter::default());
        Ok(Box::new(Gathering { pipe: self, message, filter, failed: false }))
    }
}

/// A message that is not complete yet.
struct Gathering<'a> {
    pipe: &'a PipeDelivery,
    message: BufWriter<File>,
    filter: LfFilter,
    failed: bool,
}

impl Write for Gathering<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Self { pipe, message, filter, failed } = self;
        let written = match pipe.line_ends {
            LineEnds::Keep => message.write_all(octets),
            LineEnds::Lf => filter.take(octets, |part| message.write_all(part)),
        };
        *failed |= written.is_err();
        written.map(|()| octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.message.flush().inspect_err(|_| self.failed = true)
    }
}

impl Incoming for Gathering<'_> {
    fn finish(self: Box<Self>) -> Result<Durability, DeliveryError> {
        let Self { pipe, mut message, mut filter, failed } = *self;
        if failed {
            return Err(DeliveryError::Torn);
        }
        let fault = |error| Fault::new("write in", Some(&pipe.spool), error);
        if pipe.line_ends == LineEnds::Lf {
            filter.finish(|part| message.write_all(part)).map_err(fault)?;
        }
        let mut message = message.into_inner().map_err(|error| fault(error.into_error()))?;
        message.rewind().map_err(fault)?;
        pipe.run(message)?;
        Ok(Durability::Durable)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    fn shell(script: &str) -> PipeDelivery {
        PipeDelivery::new("sh").with_args(["-c", script])
    }

    fn deliver(mut pipe: PipeDelivery, octets: &[u8]) -> Result<Durability, DeliveryError> {
        let mut incoming = pipe.begin()?;
        for part in octets.chunks(7) {
            incoming.write_all(part)?;
        }
        incoming.finish()
    }

    #[test]
    fn r36_exit_status_0_and_nothing_else_is_durable() {
        assert_eq!(deliver(shell("cat > /dev/null"), b"a\r\n").unwrap(), Durability::Durable);
        for (script, temporary) in
            [("exit 75", true), ("exit 1", false), ("exit 67", false), ("kill -9 $$", false)]
        {
            let error = deliver(shell(script), b"a\r\n").unwrap_err();
            let DeliveryError::Command { fault, .. } = error else { panic!("{script}: {error}") };
            assert_eq!(fault.is_temporary(), temporary, "{script}: {fault:?}");
        }
        let error = deliver(PipeDelivery::new("/no/such/command"), b"").unwrap_err();
        assert!(matches!(error, DeliveryError::Command { fault: CommandFault::Start(_), .. }), "{error}");
    }

    #[test]
    fn the_command_gets_the_message_with_its_line_ends() {
        let scratch = Scratch::new();
        let out = scratch.path("out");
        let large: Vec<u8> = b"line\r\n".repeat(60_000);
        for (octets, line_ends, want) in [
            (&b"A: b\r\n\r\n.x\r\n\r"[..], LineEnds::Lf, b"A: b\n\n.x\n\r".to_vec()),
            (b"A: b\r\n\r\n.x\r\n", LineEnds::Keep, b"A: b\r\n\r\n.x\r\n".to_vec()),
            (b"", LineEnds::Lf, Vec::new()),
            (&large, LineEnds::Lf, b"line\n".repeat(60_000)),
        ] {
            let pipe = PipeDelivery::new("sh")
                .with_args([OsStr::new("-c"), OsStr::new("cat > \"$0\""), out.as_os_str()])
                .with_spool(scratch.path(""))
                .with_line_ends(line_ends);
            assert_eq!(deliver(pipe, octets).unwrap(), Durability::Durable);
            assert!(std::fs::read(&out).unwrap() == want);
            assert_eq!(scratch.names(""), ["out"], "nothing is left in the spool");
        }
    }

    #[test]
    fn pb_c16_a_cut_message_never_reaches_the_command() {
        let scratch = Scratch::new();
        let mut pipe = PipeDelivery::new("touch").with_args([scratch.path("called")]);
        let mut incoming = pipe.begin().unwrap();
        incoming.write_all(b"half a mess").unwrap();
        drop(incoming);
        assert!(!scratch.path("called").exists());
        assert_eq!(pipe.begin().unwrap().finish().unwrap(), Durability::Durable);
        assert!(scratch.path("called").exists());
    }

    #[test]
    fn a_command_that_reads_nothing_and_one_that_reads_little_block_nobody() {
        let large = vec![b'x'; 1 << 20];
        assert_eq!(deliver(shell("exit 0"), &large).unwrap(), Durability::Durable);
        assert_eq!(deliver(shell("exec head -c 1 > /dev/null"), &large).unwrap(), Durability::Durable);
        assert_eq!(deliver(shell("exec <&-; exit 0"), &large).unwrap(), Durability::Durable);
    }

    #[test]
    fn r7_a_command_that_hangs_is_ended_with_all_that_it_started() {
        let scratch = Scratch::new();
        let pids = scratch.path("pids");
        let pipe = PipeDelivery::new("sh")
            .with_args([
                OsStr::new("-c"),
                OsStr::new("sleep 1000 & echo $! > \"$0\"; wait"),
                pids.as_os_str(),
            ])
            .with_time_limit(Duration::from_secs(2));
        let error = deliver(pipe, b"a\r\n").unwrap_err();
        let DeliveryError::Command { fault: fault @ CommandFault::TimedOut(_), .. } = &error else {
            panic!("{error}");
        };
        assert!(fault.is_temporary());
        let pid = std::fs::read_to_string(&pids).unwrap();
        // The signal is on its way, and whoever inherits the child may not have looked after it yet: a zombie runs no more.
        let began = Instant::now();
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it runs on: {stat}");
            std::thread::yield_now();
        }
    }
}
