//! Every call of the store to the file system goes through [`call`], so that tests can count the calls, fail each, and
//! end everything before and after it. In a program `call` makes the call and nothing else.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::dirs::Place;

/// A call, with what tests want to know of it. Directories: `None` is the Maildir itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "tests look into it")]
pub(super) enum Call<'a> {
    MakeDir(&'a str),
    OpenDir(Option<Place>),
    /// Asks for facts about a file or directory.
    Look,
    /// Begins to read the names in a directory.
    Walk(Place),
    /// Reads the next of them.
    Name(Place),
    OpenMessage,
    ReadMessage,
    OpenLock,
    Lock,
    /// Writes a note into the lock file.
    Note,
    Unlock,
    OpenList,
    ReadList,
    OpenCache,
    ReadCache,
    /// Creates the file that becomes the list.
    Create(&'a str),
    Write(&'a [u8]),
    /// Makes the content of that file durable.
    Sync(&'a str),
    Rename(&'a str, &'a str),
    Remove(Option<Place>, &'a [u8]),
    /// Makes the names in a directory durable.
    SyncDir(Option<Place>),
    /// Makes a directory of a folder, by its path.
    MakeFolder(&'a str),
    /// Gives a message a second name, in `cur` of a folder.
    Link(Place, &'a [u8], &'a str, &'a [u8]),
    /// Makes the names in a directory of a folder durable, or those of the Maildir itself.
    SyncFolder(&'a str),
}

/// Makes a call.
#[cfg(not(any(test, all(feature = "__failpoint", debug_assertions))))]
#[inline(always)]
pub(super) fn call<T, E>(_: Call<'_>, act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    act()
}

/// The time of day.
#[cfg(not(test))]
pub(super) fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// How many of so many octets the next call moves.
#[cfg(not(any(test, all(feature = "__failpoint", debug_assertions))))]
#[inline(always)]
const fn some(_: Call<'_>, octets: usize) -> usize {
    octets
}

#[cfg(all(not(test), feature = "__failpoint", debug_assertions))]
mod process;
/// What tests do at a call.
#[cfg(test)]
pub(super) mod rig;

#[cfg(all(not(test), feature = "__failpoint", debug_assertions))]
use process::some;
#[cfg(test)]
use rig::some;

#[cfg(all(not(test), feature = "__failpoint", debug_assertions))]
pub(super) use process::call;
#[cfg(test)]
pub(super) use rig::{call, now};

#[cfg(any(test, all(feature = "__failpoint", debug_assertions)))]
const fn deed(call: Call<'_>) -> crate::failpoint::Deed {
    use crate::failpoint::Deed;
    match call {
        Call::ReadList | Call::ReadCache | Call::ReadMessage => Deed::Read,
        Call::Write(_) => Deed::Write,
        Call::Sync(_) => Deed::Sync,
        Call::SyncDir(_) | Call::SyncFolder(_) => Deed::SyncNames,
        _ => Deed::Other,
    }
}

/// A file that is read.
#[derive(Debug)]
pub(super) struct Reading {
    file: File,
    what: Call<'static>,
    /// Where its end is, if that need not be asked for.
    end: Option<u64>,
    at: u64,
}

impl Reading {
    /// To where it ends when that is reached.
    pub(super) const fn new(file: File, what: Call<'static>) -> Self {
        Self { file, what, end: None, at: 0 }
    }

    /// The first `len` octets, as it had when it was opened. One of none is read to its end: some file systems tell no
    /// lengths.
    pub(super) const fn of_len(file: File, what: Call<'static>, len: u64) -> Self {
        Self { file, what, end: if len > 0 { Some(len) } else { None }, at: 0 }
    }
}

impl Read for Reading {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Self { file, what, end, at } = self;
        let left = end.map_or(u64::MAX, |end| end.saturating_sub(*at));
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
        if most == 0 {
            return Ok(0);
        }
        let count = some(*what, most);
        let read = call(*what, || file.read(room.get_mut(..count).unwrap_or_default()))?;
        *at += read as u64;
        Ok(read)
    }
}

impl Seek for Reading {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

/// A file that is written.
#[derive(Debug)]
pub(super) struct Writing(pub(super) File);

impl Write for Writing {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let part = octets.get(..some(Call::Write(octets), octets.len())).unwrap_or_default();
        call(Call::Write(part), || self.0.write(part))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
