//! Calls as the environment of the process says: see [`of_process`].

use rustix::io::Errno;

use super::{Call, deed};
use crate::failpoint::{Extent, half, of_process};

pub(in crate::store::maildir) fn call<T, E: From<Errno>>(
    call: Call<'_>,
    act: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    match of_process() {
        None => act(),
        // That it has half of its octets `some` has seen to.
        Some(plan) => plan.make(deed(call), |_| act()),
    }
}

/// How many of so many octets the next call moves.
pub(super) fn some(call: Call<'_>, octets: usize) -> usize {
    match of_process().map(|plan| plan.next(deed(call)).extent) {
        Some(Extent::Half) => half(octets),
        _ => octets,
    }
}
