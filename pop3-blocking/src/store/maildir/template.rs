//! From a user name to the path of a Maildir.

use core::fmt;
use std::error::Error as StdError;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The longest user name that can name a Maildir, in octets: that of a path component.
const USER_MAX: usize = 255;

const PLACEHOLDER: &[u8] = b"{user}";

/// A path with `{user}` in it.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<u8>);

impl Template {
    pub(super) fn new(template: &Path) -> Result<Self, TemplateError> {
        let template = template.as_os_str().as_bytes();
        let mut places = 0;
        let mut rest = template;
        while let Some(at) = rest.iter().position(|octet| matches!(octet, b'{' | b'}')) {
            let (_, from_brace) = rest.split_at(at);
            rest = from_brace.strip_prefix(PLACEHOLDER).ok_or(TemplateError::UnknownPlaceholder)?;
            places += 1;
        }
        if places == 0 { Err(TemplateError::NoUser) } else { Ok(Self(template.to_vec())) }
    }

    /// The path for `user`, or `None` if the name could lead elsewhere than into one component.
    pub(super) fn path(&self, user: &str) -> Option<PathBuf> {
        if !is_component(user) {
            return None;
        }
        let mut path = Vec::with_capacity(self.0.len() + user.len());
        let mut rest = self.0.as_slice();
        while let Some(at) = rest.windows(PLACEHOLDER.len()).position(|window| window == PLACEHOLDER) {
            path.extend_from_slice(rest.get(..at).unwrap_or_default());
            path.extend_from_slice(user.as_bytes());
            rest = rest.get(at + PLACEHOLDER.len()..).unwrap_or_default();
        }
        path.extend_from_slice(rest);
        Some(OsString::from_vec(path).into())
    }

    pub(super) fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }
}

/// Whether `user` is one plain path component (R13). A leading dot is refused because such names are hidden, or mean
/// a directory; a backslash because it divides paths on other systems that may share the files.
fn is_component(user: &str) -> bool {
    !user.is_empty()
        && user.len() <= USER_MAX
        && !user.starts_with('.')
        && !user.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
}

/// Why a template was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// There is no `{user}`: all users would share one Maildir.
    NoUser,
    /// There is a brace that belongs to no `{user}`.
    UnknownPlaceholder,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUser => "template of the Maildir path has no {user}",
            Self::UnknownPlaceholder => "template of the Maildir path has a placeholder other than {user}",
        })
    }
}

impl StdError for TemplateError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(template: &str, user: &str) -> Option<String> {
        let template = Template::new(Path::new(template)).unwrap();
        template.path(user).map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_name_stands_in_for_each_placeholder() {
        assert_eq!(path("mail/{user}/Maildir", "mrose").as_deref(), Some("mail/mrose/Maildir"));
        assert_eq!(path("/v/{user}.d/{user}", "a@b.c").as_deref(), Some("/v/a@b.c.d/a@b.c"));
        assert_eq!(path("{user}", "käthe b").as_deref(), Some("käthe b"));
        assert_eq!(path("{user}", "%2e$HOME*~").as_deref(), Some("%2e$HOME*~"));
    }

    #[test]
    fn rp_alpaca_2_a_name_never_leaves_its_component() {
        for user in [
            "", ".", "..", ".a", "../a", "a/b", "/", "a/", "/etc", "a/../b", "a\\b", "..\\", "a\0", "\0",
            "a\nb", "\u{7f}", "a\u{85}",
        ] {
            assert_eq!(path("mail/{user}", user), None, "{user:?}");
        }
        assert!(path("{user}", &"x".repeat(255)).is_some());
        assert!(path("{user}", &"x".repeat(256)).is_none());
        assert!(path("{user}", &"é".repeat(128)).is_none());
        // Braces in a name are not looked at again.
        assert_eq!(path("a/{user}/b", "{user}").as_deref(), Some("a/{user}/b"));
    }

    #[test]
    fn templates_without_a_user_are_refused() {
        let refused = |template: &str| Template::new(Path::new(template)).err();
        assert_eq!(refused("mail"), Some(TemplateError::NoUser));
        assert_eq!(refused(""), Some(TemplateError::NoUser));
        for template in ["mail/{domain}/{user}", "{user", "user}", "{user}/}", "{}", "{{user}}", "{USER}"] {
            assert_eq!(refused(template), Some(TemplateError::UnknownPlaceholder), "{template}");
        }
    }
}
