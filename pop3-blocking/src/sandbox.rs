//! Takes from a process what it does not need any more: [`Sandbox`], by Landlock on Linux.
//!
//! A server that has opened its sockets needs its mail, and its users file and certificates when they are read again.
//! Everything else on the host it can do without, so that a bug in it, or in a library under it, opens nothing else.
//!
//! ```no_run
//! use pop3_blocking::sandbox::Sandbox;
//! # use pop3_blocking::{auth::MemoryUsers, server::{Policy, Server}, store::MaildirStore};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder(MemoryUsers::new(), MaildirStore::new("/var/mail/{user}/Maildir")?)
//!     .listen(([127, 0, 0, 1], 0).into(), Policy::cleartext())
//!     .bind()?;
//! let enforced = Sandbox::new()
//!     .read_file("/etc/pop3d/users")
//!     .write_beneath("/var/mail")
//!     .enforce()?; // before the server starts its threads
//! println!("sandbox: {enforced}");
//! let running = server.serve()?;
//! # running.join();
//! # Ok(())
//! # }
//! ```
//!
//! Landlock binds the calling thread and the threads and processes that it starts from then on; the other threads of the
//! process stay as they were. It cannot be taken back. What is open already stays open.
//!
//! | what | from Linux |
//! |---|---|
//! | opening, making, renaming and removing files elsewhere | 5.13 (truncating: 6.2; devices: 6.10) |
//! | binding and connecting TCP sockets | 6.7 |
//! | signals to other processes, abstract Unix sockets | 6.12 |

use core::fmt;
use std::error::Error as StdError;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

/// What the process keeps. See the [module](self).
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is restricted before enforce() is called"]
pub struct Sandbox {
    best_effort: bool,
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

/// What is in force on this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enforced {
    /// Files that were not named cannot be opened.
    pub files: bool,
    /// No further TCP socket can be bound or connected.
    pub network: bool,
    /// Signals reach no other process, and abstract Unix sockets of others cannot be connected to.
    pub scopes: bool,
}

/// Why a process was not restricted. It is as free as before, save that it may have lost the means to gain privileges.
#[derive(Debug)]
#[non_exhaustive]
pub enum SandboxError {
    /// A path that was named cannot be opened.
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The kernel has no Landlock, or it is switched off. [`Sandbox::best_effort`] would go on without it.
    Unsupported,
    /// The kernel refused.
    Kernel(Box<dyn StdError + Send + Sync>),
}

/// The newest rights that this was tried with. What a kernel does not know of them it does not restrict.
const NEWEST: ABI = ABI::V6;

impl Sandbox {
    /// Keeps nothing. [`enforce`](Self::enforce) fails where files cannot be restricted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on without restrictions where the kernel has none to offer; [`Enforced`] tells.
    pub const fn best_effort(mut self) -> Self {
        self.best_effort = true;
        self
    }

    /// Keeps reading of all files beneath a directory.
    pub fn read_beneath(mut self, directory: impl Into<PathBuf>) -> Self {
        self.read.push(directory.into());
        self
    }

    /// Keeps reading of a file, also when another file is put in its place: that is of all files beneath its directory,
    /// and if it is a symbolic link beneath that of its target. Files that are read again belong in directories of their
    /// own.
    pub fn read_file(mut self, file: impl AsRef<Path>) -> Self {
        let file = file.as_ref();
        self.read.push(directory(file));
        if let Ok(target) = file.canonicalize() {
            self.read.push(directory(&target));
        }
        self
    }

    /// Keeps reading, writing, making, renaming and removing of files and directories beneath a directory.
    pub fn write_beneath(mut self, directory: impl Into<PathBuf>) -> Self {
        self.write.push(directory.into());
        self
    }

    /// Restricts this thread, and all that it starts from now on.
    ///
    /// # Errors
    ///
    /// See [`SandboxError`].
    pub fn enforce(&self) -> Result<Enforced, SandboxError> {
        let least = if self.best_effort { CompatLevel::BestEffort } else { CompatLevel::HardRequirement };
        let kernel = |error: landlock::RulesetError| SandboxError::Kernel(Box::new(error));
        let mut ruleset = Ruleset::default()
            .set_compatibility(least)
            .handle_access(AccessFs::from_all(ABI::V1))
            .map_err(|_| SandboxError::Unsupported)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))
            .map_err(kernel)?
            .handle_access(AccessNet::from_all(NEWEST))
            .map_err(kernel)?
            .scope(Scope::from_all(NEWEST))
            .map_err(kernel)?
            .create()
            .map_err(kernel)?;
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        for (paths, access) in [(&self.read, read), (&self.write, read | WRITE)] {
            for path in paths {
                let opened = PathFd::new(path)
                    .map_err(|error| SandboxError::Path { path: path.clone(), source: Box::new(error) })?;
                ruleset = ruleset.add_rule(PathBeneath::new(opened, access)).map_err(kernel)?;
            }
        }
        let status = ruleset.restrict_self().map_err(kernel)?;
        let abi = match status.landlock {
            LandlockStatus::Available { effective_abi, .. } => effective_abi,
            _ => ABI::Unsupported,
        };
        let files = status.ruleset != RulesetStatus::NotEnforced;
        if !files && !self.best_effort {
            return Err(SandboxError::Unsupported);
        }
        Ok(Enforced { files, network: files && abi >= ABI::V4, scopes: files && abi >= ABI::V6 })
    }
}

/// What a store does, besides reading.
const WRITE: BitFlags<AccessFs> = landlock::make_bitflags!(AccessFs::{
    WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
});

/// The directory that a file stands in.
fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => ".".into(),
        Some(parent) => parent.to_owned(),
        None => file.to_owned(),
    }
}

impl fmt::Display for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |restricted: bool| if restricted { "restricted" } else { "not restricted by this kernel" };
        write!(f, "files {}, network {}, signals {}", word(self.files), word(self.network), word(self.scopes))
    }
}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, source } => write!(f, "sandbox: {}: {source}", path.display()),
            Self::Unsupported => f.write_str("sandbox: this kernel cannot restrict files (no Landlock)"),
            Self::Kernel(source) => write!(f, "sandbox: {source}"),
        }
    }
}

impl StdError for SandboxError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Path { source, .. } | Self::Kernel(source) => Some(&**source),
            Self::Unsupported => None,
        }
    }
}

#[cfg(test)]
mod tests;
