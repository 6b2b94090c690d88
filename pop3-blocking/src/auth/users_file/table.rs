//! The entries of a users file, and what a question about one costs.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use pop3_proto::sasl::server::ScramHash;
use zeroize::Zeroizing;

use super::scheme::{CheckFault, Stored};
use super::{FILE_MAX, LineProblem, PASSWORD_MAX, UsersFileError};
use crate::auth::memory::{DERIVED_ITERATIONS, prepared_name};
use crate::auth::{Decoys, Mechanisms, ScramKeys, SharedSecret};

/// The field that Dovecot's passwd-file has for extra fields, counted from 0.
const EXTRA_FIELDS: usize = 7;
/// The extra field of a user who may log in under TLS only.
const REQUIRE_TLS: &str = "require_tls";

/// How many kinds of work a refusal is made of at most.
const KINDS_MAX: usize = 8;

/// How many iteration counts are told apart: in a file with more of them there is hardly a common one.
const COUNTS_MAX: usize = 64;

/// The entries of one file.
pub(super) struct Table {
    users: HashMap<String, Entry>,
    /// An entry of each kind of work, those that cost most: what a refusal is made of.
    decoys: Vec<Arc<Stored>>,
    /// Some keys for SCRAM are derived at each login, so all are.
    derives: bool,
    /// The iterations that most users have, for each hash of [`ScramHash::ALL`].
    iterations: [u32; 3],
    mechanisms: Mechanisms,
}

/// What is known of one user.
struct Entry {
    /// What a password is checked against.
    stored: Arc<Stored>,
    /// Keys for SCRAM with further hashes.
    further: Vec<Arc<Stored>>,
    require_tls: bool,
}

impl Table {
    pub(super) fn read(path: &Path) -> Result<Self, UsersFileError> {
        let fault = |source| UsersFileError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(fault)?;
        warn_if_open_to_all(path, &file);
        Self::parse(&Self::text(path, file)?)
    }

    /// The users of the lines that are right, and what is wrong with the others.
    pub(super) fn examine(path: &Path) -> Result<(Self, Vec<(usize, LineProblem)>), UsersFileError> {
        let fault = |source| UsersFileError::Read { path: path.to_owned(), source };
        let text = Self::text(path, File::open(path).map_err(fault)?)?;
        let mut wrong = Vec::new();
        let table = Self::parse_all(&text, |line, problem| {
            wrong.push((line, problem));
            Ok(())
        })?;
        Ok((table, wrong))
    }

    fn text(path: &Path, file: File) -> Result<Zeroizing<Vec<u8>>, UsersFileError> {
        let fault = |source| UsersFileError::Read { path: path.to_owned(), source };
        // Reserved at once, so that no copy of the passwords stays behind where a growing vector stood.
        let len = file.metadata().map_err(fault)?.len().min(FILE_MAX);
        let mut text =
            Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0).saturating_add(1)));
        file.take(FILE_MAX + 1).read_to_end(&mut text).map_err(fault)?;
        if text.len() as u64 > FILE_MAX {
            return Err(UsersFileError::TooLarge { limit: FILE_MAX });
        }
        Ok(text)
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, UsersFileError> {
        Self::parse_all(text, |line, problem| Err(UsersFileError::Line { line, problem }))
    }

    /// The users of the lines that are right. `wrong` is told of each that is not, and says whether to go on.
    pub(super) fn parse_all(
        text: &[u8],
        mut wrong: impl FnMut(usize, LineProblem) -> Result<(), UsersFileError>,
    ) -> Result<Self, UsersFileError> {
        let mut users = HashMap::new();
        for (index, line) in text.split(|&octet| octet == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let parsed = parse_line(line).and_then(|(user, entry)| match users.entry(prepared_name(user)) {
                Place::Vacant(place) => {
                    place.insert(entry);
                    Ok(())
                }
                Place::Occupied(mut place) => place.get_mut().join(entry),
            });
            if let Err(problem) = parsed {
                wrong(index + 1, problem)?;
            }
        }
        Ok(Self::new(users))
    }

    fn new(users: HashMap<String, Entry>) -> Self {
        let mut decoys = Vec::with_capacity(KINDS_MAX);
        let (mut derives, mut mechanisms) = (false, Mechanisms::NONE);
        let mut counts = [const { Counts::new() }; 3];
        for stored in users.values().flat_map(Entry::all) {
            add_kind(&mut decoys, stored);
            derives |= matches!(**stored, Stored::Plain(_));
            mechanisms = mechanisms | stored.mechanisms();
            for (hash, counts) in ScramHash::ALL.iter().zip(&mut counts) {
                match &**stored {
                    Stored::Scram { hash: other, keys } if hash == other => counts.add(keys.iterations()),
                    Stored::Plain(_) => counts.add(DERIVED_ITERATIONS),
                    _ => {}
                }
            }
        }
        let iterations = counts.each_ref().map(Counts::most_common);
        Self { users, decoys, derives, iterations, mechanisms }
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.users.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    pub(super) fn contains(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    pub(super) fn is_certificate_only(&self, user: &str) -> bool {
        self.users.get(user).is_some_and(|entry| matches!(*entry.stored, Stored::External))
    }

    /// What some user can log in by.
    pub(super) const fn mechanisms(&self) -> Mechanisms {
        self.mechanisms
    }

    /// Whether `password` is that of `user`.
    pub(super) fn check(&self, user: &str, password: &[u8], tls: bool) -> Result<bool, CheckFault> {
        let well_formed = !password.is_empty() && password.len() <= PASSWORD_MAX;
        let password = password.get(..PASSWORD_MAX).unwrap_or(password);
        // Who must use TLS is nobody without it: the password is not looked at (R8314-4.3).
        let known = self.known(user, tls).map(|entry| &*entry.stored);
        if let Some(stored) = known {
            if stored.verify(password)? && well_formed {
                return Ok(true);
            }
        }
        // A refusal has done one check of each kind, whoever it is for.
        for decoy in &self.decoys {
            if known.is_none_or(|stored| !stored.is_like(decoy)) {
                // Only its work is wanted: the password may even be right, for somebody else.
                let _ = core::hint::black_box(decoy.verify(password)?);
            }
        }
        Ok(false)
    }

    /// The keys of `user` for SCRAM, or made-up ones of the shape that most users have, after the same work (R5802-5.9).
    pub(super) fn scram_keys(&self, user: &str, hash: ScramHash, tls: bool, decoys: &Decoys) -> ScramKeys {
        let known = self.known(user, tls);
        let kept = known.and_then(|entry| {
            entry.all().find_map(|stored| match &**stored {
                Stored::Scram { hash: other, keys } if *other == hash => Some(keys.clone()),
                _ => None,
            })
        });
        let password = known.and_then(|entry| match &*entry.stored {
            Stored::Plain(password) => Some(password.as_slice()),
            _ => None,
        });
        // Made for every user, so that it takes its time for every user.
        let iterations = ScramHash::ALL.iter().zip(self.iterations).find(|(other, _)| **other == hash);
        let decoy = decoys.scram_keys(user, hash, iterations.map_or(DERIVED_ITERATIONS, |(_, most)| most));
        let derived = if self.derives {
            let salt = decoy.salt();
            ScramKeys::derive(hash, password.unwrap_or(b"nobody"), salt, DERIVED_ITERATIONS).ok()
        } else {
            None
        };
        kept.or_else(|| derived.filter(|_| password.is_some())).unwrap_or(decoy)
    }

    /// The secret of `user` for CRAM-MD5 and APOP.
    pub(super) fn secret(&self, user: &str, tls: bool) -> Option<SharedSecret> {
        match &*self.known(user, tls)?.stored {
            Stored::Secret(secret) => Some(secret.clone()),
            _ => None,
        }
    }

    /// Whether `user` can have proven anything by SCRAM, CRAM-MD5 or APOP.
    pub(super) fn proves(&self, user: &str, tls: bool) -> bool {
        self.known(user, tls).is_some_and(|entry| {
            matches!(*entry.stored, Stored::Scram { .. } | Stored::Plain(_) | Stored::Secret(_))
        })
    }

    /// What a check of the password of `user` costs.
    #[cfg(test)]
    pub(super) fn cost(&self, user: &str) -> u64 {
        self.users[user].stored.cost()
    }

    fn known(&self, user: &str, tls: bool) -> Option<&Entry> {
        self.users.get(user).filter(|entry| tls || !entry.require_tls)
    }
}

/// Keeps `stored` if it is work of a new kind, and among those that cost most. Most expensive first.
fn add_kind(decoys: &mut Vec<Arc<Stored>>, stored: &Arc<Stored>) {
    if stored.cost() == 0 || decoys.iter().any(|decoy| decoy.is_like(stored)) {
        return;
    }
    let place = decoys.partition_point(|decoy| decoy.cost() >= stored.cost());
    if place < KINDS_MAX {
        decoys.truncate(KINDS_MAX - 1);
        decoys.insert(place, Arc::clone(stored));
    }
}

impl Entry {
    fn all(&self) -> impl Iterator<Item = &Arc<Stored>> {
        core::iter::once(&self.stored).chain(&self.further)
    }

    /// Takes in a second line of the same user: SCRAM keys for another hash (nothing else is kept of one password twice).
    fn join(&mut self, other: Self) -> Result<(), LineProblem> {
        let hash = |stored: &Stored| match stored {
            Stored::Scram { hash, .. } => Ok(*hash),
            _ => Err(LineProblem::DuplicateUser),
        };
        let new = hash(&other.stored)?;
        for stored in self.all() {
            if hash(stored)? == new {
                return Err(LineProblem::DuplicateUser);
            }
        }
        self.further.push(other.stored);
        self.require_tls |= other.require_tls;
        Ok(())
    }
}

/// How many users have how many iterations.
struct Counts(Vec<(u32, u32)>);

impl Counts {
    const fn new() -> Self {
        Self(Vec::new())
    }

    fn add(&mut self, iterations: u32) {
        let room = self.0.len() < COUNTS_MAX;
        match self.0.iter_mut().find(|(known, _)| *known == iterations) {
            Some((_, users)) => *users = users.saturating_add(1),
            None if room => self.0.push((iterations, 1)),
            None => {}
        }
    }

    fn most_common(&self) -> u32 {
        let most = self.0.iter().max_by_key(|(iterations, users)| (*users, *iterations));
        most.map_or(DERIVED_ITERATIONS, |(iterations, _)| *iterations)
    }
}

fn parse_line(line: &[u8]) -> Result<(&str, Entry), LineProblem> {
    let line = core::str::from_utf8(line).map_err(|_| LineProblem::NotUtf8)?;
    if line.chars().any(char::is_control) {
        return Err(LineProblem::ControlCharacter);
    }
    let mut fields = line.split(':');
    let user = fields.next().filter(|user| !user.is_empty()).ok_or(LineProblem::NoUser)?;
    let password = fields.next().ok_or(LineProblem::NoPassword)?;
    let stored = Arc::new(Stored::parse(password)?);
    let mut extra = fields.skip(EXTRA_FIELDS - 2).flat_map(|field| field.split(' '));
    let require_tls = extra.any(|field| field == REQUIRE_TLS);
    Ok((user, Entry { stored, further: Vec::new(), require_tls }))
}

#[cfg(unix)]
fn warn_if_open_to_all(path: &Path, file: &File) {
    use std::os::unix::fs::PermissionsExt;
    if file.metadata().is_ok_and(|facts| facts.permissions().mode() & 0o007 != 0) {
        log::warn!("users file {path:?} is open to all users of this host; mode 0600 or 0640 is enough");
    }
}

#[cfg(not(unix))]
fn warn_if_open_to_all(_: &Path, _: &File) {}
