//! The folder that messages are moved to: [`OpenFolder`].

use core::cell::Cell;
use std::fs::File;

use rustix::fs::{AtFlags, Mode, OFlags, linkat, mkdirat, openat};
use rustix::io::Errno;

use super::MaildirError;
use super::calls::{Call, call};
use super::delete_policy::Folder;
use super::dirs::{Dirs, Place, look};

/// How many names are tried for a message whose own is taken.
const NAMES_MAX: u32 = 100;

const MAKING: &str = "making the folder for deleted messages";
const MOVING: &str = "moving a message to the folder for deleted messages";

/// An open Maildir++ folder.
#[derive(Debug)]
pub(super) struct OpenFolder<'d> {
    dirs: &'d Dirs,
    name: &'d str,
    folder: File,
    cur: File,
    /// A sync has failed. What it was to make durable may never be, whatever later ones say.
    unsure: Cell<bool>,
}

impl<'d> OpenFolder<'d> {
    /// Opens it, and makes it if it is not there. No symbolic link is followed.
    pub(super) fn open(dirs: &'d Dirs, folder: &'d Folder) -> Result<Self, MaildirError> {
        let name = folder.directory();
        make(&dirs.root, name, name)?;
        let opened = open(&dirs.root, name)?;
        for part in ["tmp", "new", "cur"] {
            make(&opened, part, &format!("{name}/{part}"))?;
        }
        // By this file programs that deliver know that it is no Maildir of its own.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mark = || openat(&opened, "maildirfolder", flags, Mode::RUSR | Mode::WUSR);
        match call(Call::MakeDir("maildirfolder"), mark) {
            Ok(_) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(MaildirError::io(MAKING)(errno)),
        }
        let cur = open(&opened, "cur")?;
        Ok(Self { dirs, name, folder: opened, cur, unsure: Cell::new(false) })
    }

    /// Gives a message a second name, in the folder. `false`: it is not where it should be.
    pub(super) fn link(&self, place: Place, name: &[u8]) -> Result<bool, MaildirError> {
        let from = self.dirs.of(place);
        for number in 0..NAMES_MAX {
            let to = name_there(name, number);
            let link = || linkat(from, name, &self.cur, &to[..], AtFlags::empty());
            match call(Call::Link(place, name, self.name, &to), link) {
                Ok(()) => return Ok(true),
                Err(Errno::NOENT) => return Ok(false),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(MaildirError::io(MOVING)(errno)),
            }
            // Of a session that got no further, or another message.
            let (ours, theirs) = match (look(from, name), look(&self.cur, &to)) {
                (Ok(ours), Ok(theirs)) => (ours, theirs),
                (Err(Errno::NOENT), _) => return Ok(false),
                (_, Err(Errno::NOENT)) => continue,
                (Err(errno), _) | (_, Err(errno)) => return Err(MaildirError::io(MOVING)(errno)),
            };
            if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino) {
                return Ok(true);
            }
        }
        Err(MaildirError::io(MOVING)(Errno::EXIST))
    }

    /// Makes durable what was linked, and the folder itself: another session may have made it, and have been cut off. Once
    /// it has failed it always does.
    pub(super) fn sync(&self) -> Result<(), MaildirError> {
        if self.unsure.replace(true) {
            return Err(MaildirError::io(MOVING)(Errno::IO));
        }
        let cur = format!("{}/cur", self.name);
        for (path, dir) in [(cur.as_str(), &self.cur), (self.name, &self.folder), ("", &self.dirs.root)] {
            match call(Call::SyncFolder(path), || rustix::fs::fsync(dir)) {
                // File systems that write directories at once do not know the call.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(errno) => return Err(MaildirError::io(MOVING)(errno)),
            }
        }
        self.unsure.set(false);
        Ok(())
    }

    /// Gives a message a second name in the folder, and makes it durable.
    pub(super) fn keep(&self, place: Place, name: &[u8]) -> Result<(), MaildirError> {
        if self.link(place, name)? { self.sync() } else { Ok(()) }
    }
}

fn make(dir: &File, name: &str, path: &str) -> Result<(), MaildirError> {
    match call(Call::MakeFolder(path), || mkdirat(dir, name, Mode::RWXU)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(MaildirError::io(MAKING)(errno)),
    }
}

fn open(dir: &File, name: &str) -> Result<File, MaildirError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match call(Call::OpenDir(None), || openat(dir, name, flags, Mode::empty())) {
        Ok(fd) => Ok(File::from(fd)),
        Err(errno) => Err(MaildirError::io("opening the folder for deleted messages")(errno)),
    }
}

/// The name in `cur` of the folder: with the flags that it has, and a place for some if it has none. What is to tell it
/// from others is put behind the unique part, before sizes, so that these are still found.
fn name_there(name: &[u8], number: u32) -> Vec<u8> {
    let mut to = name.to_vec();
    if !name.contains(&b':') {
        to.extend_from_slice(b":2,");
    }
    if number > 0 {
        let at = to.iter().position(|octet| matches!(octet, b',' | b':')).unwrap_or(to.len());
        to.splice(at..at, format!("_{number}").into_bytes());
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_folder_keep_flags_and_sizes() {
        for (name, number, there) in [
            ("1.M2P3.h", 0, "1.M2P3.h:2,"),
            ("1.M2P3.h,S=5:2,RS", 0, "1.M2P3.h,S=5:2,RS"),
            ("1.M2P3.h,S=5:2,RS", 7, "1.M2P3.h_7,S=5:2,RS"),
            ("1.M2P3.h", 1, "1.M2P3.h_1:2,"),
        ] {
            assert_eq!(name_there(name.as_bytes(), number), there.as_bytes());
        }
    }
}
