//! What a server costs: time and memory of its process tree, from `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs;

/// The kernel tells times in this unit on every architecture that anybody serves mail with (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// The process and all its descendants.
fn tree(root: u32) -> Vec<u32> {
    if root == 0 {
        return Vec::new();
    }
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(parent) = stat(pid).and_then(|fields| fields.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut open) = (HashSet::new(), vec![root]);
    while let Some(pid) = open.pop() {
        if found.insert(pid) {
            open.extend(children.get(&pid).into_iter().flatten());
        }
    }
    found.into_iter().collect()
}

/// The fields of `/proc/PID/stat` from the state on: the name before them may hold anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

/// Seconds of processor time that the tree has used, those of children that have ended in it.
pub(crate) fn seconds(root: u32) -> f64 {
    let ticks: u64 = tree(root)
        .into_iter()
        .filter_map(stat)
        // utime, stime, cutime, cstime
        .flat_map(|fields| fields.into_iter().skip(11).take(4))
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// Memory of the tree in KiB, what is shared counted in shares (PSS), and the number of processes.
pub(crate) fn memory(root: u32) -> (u64, usize) {
    let (mut sum, mut processes) = (0, 0);
    for pid in tree(root) {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        processes += 1;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        sum += line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    }
    (sum, processes)
}
