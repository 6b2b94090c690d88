//! A file system in memory that forgets, for tests: what was not synced may be lost at a power failure.
//!
//! Every file has the content that programs see and the content that was synced; every directory likewise has its
//! names. A power failure keeps, for each, one or the other.
//!
//! A sync that fails may lose what it was to make durable, and leave it to be seen until the power fails: the next sync
//! then succeeds and says nothing of it. Files only grow at their end, so that what a file lost is a range; of a
//! directory it is what names stood for.

use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use super::fs::{File, Fs};

/// What a crash leaves of what was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    /// Everything, though still unsynced: only the process died.
    Kill,
    /// Nothing.
    Power,
    /// All names, no content: unsynced octets read as NUL.
    PowerKeepsNames,
    /// All content, no names.
    PowerKeepsContent,
    /// Each name and each file by chance, from this seed.
    PowerKeepsSome(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct ModelFs {
    world: Arc<Mutex<World>>,
}

#[derive(Clone, Debug)]
struct World {
    nodes: BTreeMap<u64, Node>,
    /// The number of the next node or opening.
    next: u64,
    now: SystemTime,
    renames_in_one_step: bool,
    links: bool,
    syncs_dirs: bool,
    loses_next_sync: bool,
}

type Names = BTreeMap<OsString, u64>;

/// Names that no sync writes while they stand for this.
type LostNames = BTreeMap<OsString, Option<u64>>;

#[derive(Clone, Debug)]
enum Node {
    File {
        seen: Vec<u8>,
        synced: Vec<u8>,
        lost: Range<usize>,
        changed: SystemTime,
        opening_lock: u64,
        mailbox_lock: u64,
    },
    Dir {
        seen: Names,
        synced: Names,
        lost: LostNames,
    },
}

#[derive(Debug)]
struct ModelFile {
    fs: ModelFs,
    node: u64,
    opening: u64,
}

const ROOT: u64 = 1;

impl Node {
    const fn empty_dir() -> Self {
        Self::Dir { seen: Names::new(), synced: Names::new(), lost: LostNames::new() }
    }

    /// Makes it durable, or loses what is not yet.
    fn sync(&mut self, loses: bool) {
        match self {
            Self::File { seen, synced, lost, .. } if loses => {
                let start =
                    if Range::is_empty(lost) { usize::min(synced.len(), seen.len()) } else { lost.start };
                *lost = start..seen.len();
            }
            Self::File { seen, synced, lost, .. } => {
                let kept = synced.get(lost.clone()).map(<[u8]>::to_vec);
                synced.clone_from(seen);
                if let Some(range) = synced.get_mut(lost.clone()) {
                    match kept {
                        Some(kept) => range.copy_from_slice(&kept),
                        None => range.fill(0),
                    }
                }
            }
            Self::Dir { seen, synced, lost } => {
                lost.retain(|name, node| seen.get(name) == node.as_ref());
                if loses {
                    for name in seen.keys().chain(synced.keys()) {
                        if seen.get(name) != synced.get(name) {
                            lost.insert(name.clone(), seen.get(name).copied());
                        }
                    }
                    return;
                }
                let before = core::mem::replace(synced, seen.clone());
                for name in lost.keys() {
                    match before.get(name) {
                        Some(&node) => synced.insert(name.clone(), node),
                        None => synced.remove(name),
                    };
                }
            }
        }
    }
}

impl ModelFs {
    /// A file system that holds nothing but `/`.
    pub(crate) fn new() -> Self {
        let root = Node::empty_dir();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let world = World {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            now,
            renames_in_one_step: true,
            links: true,
            syncs_dirs: true,
            loses_next_sync: false,
        };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    pub(crate) fn shared(&self) -> Arc<dyn Fs> {
        Arc::new(self.clone())
    }

    pub(crate) fn without_renames_in_one_step(self) -> Self {
        self.world().renames_in_one_step = false;
        self
    }

    pub(crate) fn without_links(self) -> Self {
        self.world().links = false;
        self
    }

    pub(crate) fn without_synced_dirs(self) -> Self {
        self.world().syncs_dirs = false;
        self
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.world().now += time;
    }

    /// The file system as the next process finds it. This one stays as it is.
    pub(crate) fn crashed(&self, crash: Crash) -> Self {
        let mut world = self.world().clone();
        let mut dice = match crash {
            Crash::PowerKeepsSome(seed) => seed | 1,
            _ => 1,
        };
        let mut coin = || {
            // xorshift64
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice >> 40 & 1 == 1
        };
        for node in world.nodes.values_mut() {
            match node {
                Node::File { seen, synced, lost, opening_lock, mailbox_lock, .. } => {
                    match crash {
                        Crash::Kill | Crash::PowerKeepsContent => {}
                        Crash::Power => seen.clone_from(synced),
                        Crash::PowerKeepsSome(_) if coin() => {}
                        Crash::PowerKeepsSome(_) if coin() => seen.clone_from(synced),
                        Crash::PowerKeepsNames | Crash::PowerKeepsSome(_) => {
                            for (at, octet) in seen.iter_mut().enumerate() {
                                *octet = synced.get(at).copied().unwrap_or(0);
                            }
                        }
                    }
                    // Only a power failure shows what the disk holds.
                    if !matches!(crash, Crash::Kill) {
                        synced.clone_from(seen);
                        *lost = 0..0;
                    }
                    (*opening_lock, *mailbox_lock) = (0, 0);
                }
                Node::Dir { seen, synced, lost } => {
                    match crash {
                        Crash::Kill | Crash::PowerKeepsNames => {}
                        Crash::Power | Crash::PowerKeepsContent => seen.clone_from(synced),
                        Crash::PowerKeepsSome(_) => {
                            let names: Vec<OsString> = seen.keys().chain(synced.keys()).cloned().collect();
                            for name in names {
                                if coin() {
                                    match synced.get(&name) {
                                        Some(&node) => seen.insert(name, node),
                                        None => seen.remove(&name),
                                    };
                                }
                            }
                        }
                    }
                    if !matches!(crash, Crash::Kill) {
                        synced.clone_from(seen);
                        lost.clear();
                    }
                }
            }
        }
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// Creates a file or directory that was there before and is safe.
    pub(crate) fn place(&self, path: &str, content: Option<&[u8]>) {
        let path = Path::new(path);
        match content {
            Some(content) => drop(self.create_new(path).unwrap().append(content).unwrap()),
            None => self.create_dir(path).unwrap(),
        }
        for node in self.world().nodes.values_mut() {
            match node {
                Node::File { seen, synced, .. } => synced.clone_from(seen),
                Node::Dir { seen, synced, .. } => synced.clone_from(seen),
            }
        }
    }

    pub(crate) fn content(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let world = self.world();
        match world.nodes.get(&world.find(path.as_ref()).ok()?)? {
            Node::File { seen, .. } => Some(seen.clone()),
            Node::Dir { .. } => None,
        }
    }

    /// The files of a directory with their content; none if it is not there.
    pub(crate) fn contents(&self, path: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let files = self.list(Path::new(path)).unwrap_or_default();
        files.into_iter().map(|(path, _)| (path.clone(), self.content(path).unwrap())).collect()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn opened(&self, node: u64) -> Box<dyn File> {
        let opening = self.world().number();
        Box::new(ModelFile { fs: self.clone(), node, opening })
    }
}

impl World {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        let mut node = ROOT;
        for name in path.strip_prefix("/").expect("paths are absolute") {
            let Some(Node::Dir { seen, .. }) = self.nodes.get(&node) else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            node = *seen.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    fn names(&mut self, dir: &Path) -> io::Result<&mut Names> {
        let node = self.find(dir)?;
        match self.nodes.get_mut(&node) {
            Some(Node::Dir { seen, .. }) => Ok(seen),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn add(&mut self, path: &Path, node: u64, replace: bool) -> io::Result<()> {
        let names = self.names(path.parent().unwrap())?;
        let name = path.file_name().unwrap().to_owned();
        if !replace && names.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.insert(name, node);
        Ok(())
    }

    fn create(&mut self, path: &Path, node: Node) -> io::Result<u64> {
        let number = self.number();
        self.add(path, number, false)?;
        self.nodes.insert(number, node);
        Ok(number)
    }
}

impl Fs for ModelFs {
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let node = self.world().find(path)?;
        match self.world().nodes.get(&node) {
            Some(Node::File { .. }) => {}
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
        Ok(self.opened(node))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut world = self.world();
        let changed = world.now;
        let (seen, synced) = (Vec::new(), Vec::new());
        let node = Node::File { seen, synced, lost: 0..0, changed, opening_lock: 0, mailbox_lock: 0 };
        let node = world.create(path, node)?;
        drop(world);
        Ok(self.opened(node))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.world().create(path, Node::empty_dir()).map(drop)
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        let world = self.world();
        match world.find(path) {
            Ok(node) if matches!(world.nodes[&node], Node::Dir { .. }) => Ok(true),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        if !world.syncs_dirs {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let node = world.find(path)?;
        let loses = core::mem::take(&mut world.loses_next_sync);
        match world.nodes.get_mut(&node) {
            Some(node @ Node::Dir { .. }) => node.sync(loses),
            _ => return Err(io::ErrorKind::NotADirectory.into()),
        }
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        if !world.renames_in_one_step {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let node = world.find(from)?;
        world.add(to, node, false)?;
        world.names(from.parent().unwrap())?.remove(from.file_name().unwrap());
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        let node = world.find(from)?;
        world.add(to, node, true)?;
        world.names(from.parent().unwrap())?.remove(from.file_name().unwrap());
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        if !world.links {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let node = world.find(from)?;
        world.add(to, node, false)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        let removed = world.names(path.parent().unwrap())?.remove(path.file_name().unwrap());
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, SystemTime)>> {
        let mut world = self.world();
        let names = world.names(path)?.clone();
        Ok(names
            .into_iter()
            .filter_map(|(name, node)| match world.nodes.get(&node) {
                Some(Node::File { changed, .. }) => Some((path.join(name), *changed)),
                _ => None,
            })
            .collect())
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        Ok(self.world().names(path)?.keys().cloned().collect())
    }

    fn now(&self) -> SystemTime {
        self.world().now
    }

    fn pause(&self, time: Duration) {
        self.advance(time);
    }

    fn lose_next_sync(&self) {
        self.world().loses_next_sync = true;
    }
}

impl ModelFile {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> T) -> io::Result<T> {
        match self.fs.world().nodes.get_mut(&self.node) {
            Some(Node::File { seen, synced, .. }) => Ok(act(seen, synced)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn touch(&self) {
        let mut world = self.fs.world();
        let now = world.now;
        if let Some(Node::File { changed, .. }) = world.nodes.get_mut(&self.node) {
            *changed = now;
        }
    }

    fn lock(&self, which: impl FnOnce(&mut Node) -> Option<&mut u64>) -> io::Result<bool> {
        let mut world = self.fs.world();
        let holder = world.nodes.get_mut(&self.node).and_then(which).ok_or(io::ErrorKind::NotFound)?;
        if *holder == 0 {
            *holder = self.opening;
        }
        Ok(*holder == self.opening)
    }
}

impl File for ModelFile {
    fn append(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.touch();
        self.with(|seen, _| {
            seen.extend_from_slice(octets);
            octets.len()
        })
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|seen, _| {
            let rest = seen.get(offset as usize..).unwrap_or(&[]);
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            count
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.fs.world();
        let loses = core::mem::take(&mut world.loses_next_sync);
        world
            .nodes
            .get_mut(&self.node)
            .map(|node| node.sync(loses))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn set_len(&self, octets: u64) -> io::Result<()> {
        self.touch();
        match self.fs.world().nodes.get_mut(&self.node) {
            Some(Node::File { seen, lost, .. }) => {
                seen.resize(octets as usize, 0);
                lost.end = lost.end.min(seen.len());
                Ok(())
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn octets(&self) -> io::Result<u64> {
        self.with(|seen, _| seen.len() as u64)
    }

    fn lock_opening(&self) -> io::Result<bool> {
        self.lock(|node| match node {
            Node::File { opening_lock, .. } => Some(opening_lock),
            Node::Dir { .. } => None,
        })
    }

    fn lock_mailbox(&self) -> io::Result<bool> {
        self.lock(|node| match node {
            Node::File { mailbox_lock, .. } => Some(mailbox_lock),
            Node::Dir { .. } => None,
        })
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        Ok(self.fs.world().find(path).is_ok_and(|node| node == self.node))
    }
}

impl Drop for ModelFile {
    fn drop(&mut self) {
        if let Some(Node::File { opening_lock, mailbox_lock, .. }) = self.fs.world().nodes.get_mut(&self.node)
        {
            for holder in [opening_lock, mailbox_lock] {
                if *holder == self.opening {
                    *holder = 0;
                }
            }
        }
    }
}
