//! What `QUIT` does with the messages marked as deleted: [`DeletePolicy`].

use core::fmt;
use core::str::FromStr;
use std::error::Error as StdError;

/// What becomes of the messages that a client has marked, once it sends `QUIT`.
///
/// Whatever it is, the client sees them gone: `+OK` says that they are in no later session, for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeletePolicy {
    /// Their files are removed.
    #[default]
    Remove,
    /// Their files are moved to a folder of the same Maildir, where an IMAP server shows them, with the flags that they
    /// had. The folder is made if it is not there. Each message is in the folder, durably, before it leaves `new` or
    /// `cur`: the second name is a hard link, so that the file system must have them and the folder must lie on it.
    /// A power failure in between may leave it in both places. A name that is taken in the folder is varied. Nothing is
    /// ever removed from the folder: see to that by other means.
    MoveTo(Folder),
    /// Their files stay where they are, for IMAP, and POP3 shows them no more. Which ones is kept in the file
    /// `pop3-hidden` of the Maildir; it holds whatever policy later sessions have. Who removes it gives all of them back to
    /// POP3, with new unique-ids. Each hidden message takes the octets of its file name there, and in memory while a
    /// session is open; 64 MiB is the most.
    Keep,
}

/// The name of a folder in a Maildir, as Maildir++ has them: `Trash` is the directory `.Trash`, `Trash.POP3` is
/// `.Trash.POP3`, a folder within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// With the dot.
    directory: String,
}

impl Folder {
    /// The folder `name`; a dot in front may be there or not.
    ///
    /// # Errors
    ///
    /// [`FolderError`]: it is empty, longer than 200 octets, holds `/` or a control character, or has an empty part
    /// between dots.
    pub fn new(name: &str) -> Result<Self, FolderError> {
        let name = name.strip_prefix('.').unwrap_or(name);
        let odd = |char: char| char == '/' || char.is_control();
        if name.len() > LONGEST || name.split('.').any(str::is_empty) || name.chars().any(odd) {
            return Err(FolderError);
        }
        Ok(Self { directory: format!(".{name}") })
    }

    /// The name of its directory, with the dot.
    pub fn directory(&self) -> &str {
        &self.directory
    }
}

/// The longest name, in octets.
const LONGEST: usize = 200;

/// A name is none of a folder. See [`Folder::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderError;

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no name of a Maildir++ folder, as Trash or Archive.POP3")
    }
}

impl StdError for FolderError {}

/// `remove`, `move:FOLDER` or `keep`.
impl FromStr for DeletePolicy {
    type Err = DeletePolicyError;

    fn from_str(text: &str) -> Result<Self, DeletePolicyError> {
        match text.split_once(':') {
            None if text == "remove" => Ok(Self::Remove),
            None if text == "keep" => Ok(Self::Keep),
            Some(("move", name)) => Folder::new(name).map(Self::MoveTo).map_err(DeletePolicyError::Folder),
            _ => Err(DeletePolicyError::Unknown),
        }
    }
}

/// Why a text is no [`DeletePolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeletePolicyError {
    /// It is none of `remove`, `move:FOLDER` and `keep`.
    Unknown,
    /// What stands behind `move:` is no folder's name.
    Folder(FolderError),
}

impl fmt::Display for DeletePolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("none of remove, move:FOLDER and keep"),
            Self::Folder(error) => error.fmt(f),
        }
    }
}

impl StdError for DeletePolicyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_lie_in_the_maildir_and_nowhere_else() {
        for (name, directory) in [("Trash", ".Trash"), (".Trash", ".Trash"), ("A.b c.Ü", ".A.b c.Ü")] {
            assert_eq!(Folder::new(name).unwrap().directory(), directory);
        }
        for name in [
            "",
            ".",
            "..",
            "...",
            "a/b",
            "../x",
            "/etc",
            "a..b",
            "a.",
            "..a",
            "a\nb",
            "a\0",
            &"x".repeat(201),
        ] {
            assert_eq!(Folder::new(name), Err(FolderError), "{name:?}");
        }
    }

    #[test]
    fn policies_have_names() {
        let trash = DeletePolicy::MoveTo(Folder::new("Trash").unwrap());
        for (text, policy) in
            [("remove", DeletePolicy::Remove), ("keep", DeletePolicy::Keep), ("move:Trash", trash)]
        {
            assert_eq!(text.parse(), Ok(policy));
        }
        for text in ["", "Remove", "move", "keep:Trash", "remove "] {
            assert_eq!(text.parse::<DeletePolicy>(), Err(DeletePolicyError::Unknown), "{text}");
        }
        assert_eq!("move:a/b".parse::<DeletePolicy>(), Err(DeletePolicyError::Folder(FolderError)));
    }
}
