//! Calls under the eyes of a test: a hook sees each, a [`Plan`] lets one fail, a [`ModelFs`] does the same on a file
//! system that forgets at a power failure. All for the calls of one thread.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;

use super::{Call, deed};
use crate::delivery::fs::Fs as _;
use crate::delivery::model::ModelFs;
use crate::failpoint::{Extent, Plan, half};
use crate::store::maildir::dirs::Place;

type Hook = Box<dyn FnMut(Call<'_>)>;

#[derive(Default)]
struct Rig {
    hook: Option<Hook>,
    plan: Option<Arc<Plan>>,
    mirror: Option<ModelFs>,
    ahead: Duration,
}

std::thread_local! {
    static RIG: RefCell<Rig> = RefCell::default();
}

/// Has `hook` called by this thread before each call: it does what another program might do just then.
pub(in crate::store::maildir) fn set_hook(hook: impl FnMut(Call<'_>) + 'static) {
    RIG.with_borrow_mut(|rig| rig.hook = Some(Box::new(hook)));
}

/// Has the calls of this thread made as `plan` says.
pub(in crate::store::maildir) fn set_plan(plan: Option<Arc<Plan>>) {
    RIG.with_borrow_mut(|rig| rig.plan = plan);
}

/// Has all that the calls of this thread change changed in `mirror` too, where the Maildir is `/`.
pub(in crate::store::maildir) fn set_mirror(mirror: Option<ModelFs>) {
    RIG.with_borrow_mut(|rig| rig.mirror = mirror);
}

/// Sets how much later than it is this thread believes it to be.
pub(in crate::store::maildir) fn set_ahead(ahead: Duration) {
    RIG.with_borrow_mut(|rig| rig.ahead = ahead);
}

pub(in crate::store::maildir) fn now() -> SystemTime {
    SystemTime::now() + RIG.with_borrow(|rig| rig.ahead)
}

pub(in crate::store::maildir) fn call<T, E: From<Errno>>(
    call: Call<'_>,
    act: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    if let Some(mut hook) = RIG.with_borrow_mut(|rig| rig.hook.take()) {
        hook(call);
        RIG.with_borrow_mut(|rig| rig.hook = Some(hook));
    }
    let (plan, mirror) = RIG.with_borrow(|rig| (rig.plan.clone(), rig.mirror.clone()));
    let act = |extent| {
        if extent == Extent::Loss {
            if let Some(mirror) = &mirror {
                mirror.lose_next_sync();
                repeat(call, mirror);
            }
            return Err(Errno::IO.into());
        }
        // That it has half of its octets `some` has seen to.
        let result = act();
        if let (Ok(_), Some(mirror)) = (&result, &mirror) {
            repeat(call, mirror);
        }
        result
    };
    match plan {
        Some(plan) => plan.make(deed(call), act),
        None => act(Extent::All),
    }
}

/// How many of so many octets the next call moves.
pub(super) fn some(call: Call<'_>, octets: usize) -> usize {
    let plan = RIG.with_borrow(|rig| rig.plan.clone());
    match plan.map(|plan| plan.next(deed(call)).extent) {
        Some(Extent::Half) => half(octets),
        _ => octets,
    }
}

/// Does what the call did, to the mirror.
fn repeat(call: Call<'_>, mirror: &ModelFs) {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let path = |place: Option<Place>, name: &[u8]| -> PathBuf {
        Path::new("/").join(place.map_or("", Place::name)).join(OsStr::from_bytes(name))
    };
    let own = |name: &str| Path::new("/").join(name);
    match call {
        Call::Create(name) => drop(mirror.create_new(&own(name)).unwrap()),
        // One file is written at a time, and it has the name under which it was created.
        Call::Write(octets) => {
            let mut file = mirror.open(&own(super::super::new_file::NEW_NAME)).unwrap();
            assert_eq!(file.append(octets).unwrap(), octets.len());
        }
        Call::Sync(name) => drop(mirror.open(&own(name)).unwrap().sync()),
        Call::Rename(from, to) => mirror.rename(&own(from), &own(to)).unwrap(),
        Call::Remove(place, name) => mirror.remove(&path(place, name)).unwrap(),
        Call::SyncDir(place) => drop(mirror.sync_dir(&path(place, b""))),
        Call::MakeFolder(path) => mirror.create_dir(&own(path)).unwrap(),
        Call::Link(place, name, folder, to) => {
            let to = own(folder).join("cur").join(OsStr::from_bytes(to));
            mirror.link(&path(Some(place), name), &to).unwrap();
        }
        Call::SyncFolder(path) => drop(mirror.sync_dir(&own(path))),
        _ => {}
    }
}
