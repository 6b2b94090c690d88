//! Several accounts at once: so many threads, each of which takes the next account that is due.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a thread that waits looks whether the run is to end.
const LOOK: Duration = Duration::from_millis(200);

/// What is to be done, again and again perhaps.
pub(crate) trait Work: Send {
    /// What no two may use at the same time.
    fn bottleneck(&self) -> Option<&PathBuf>;

    /// Does it, and says when it is to be done again.
    fn work(&mut self) -> Option<Instant>;

    /// Whether nothing more is to be begun.
    fn is_over(&self) -> bool;
}

struct Queue<W> {
    waiting: Vec<(Instant, W)>,
    in_use: HashSet<PathBuf>,
    running: usize,
    done: Vec<W>,
}

/// Does all of `works`, at most `threads` at once, until each is done or over. They come back in no order.
pub(crate) fn run<W: Work>(works: Vec<W>, threads: usize) -> Vec<W> {
    let threads = threads.min(works.len()).max(1);
    let now = Instant::now();
    let waiting = works.into_iter().map(|work| (now, work)).collect();
    let queue = Mutex::new(Queue { waiting, in_use: HashSet::new(), running: 0, done: Vec::new() });
    let changed = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| serve(&queue, &changed));
        }
        serve(&queue, &changed);
    });
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    queue.done.into_iter().chain(queue.waiting.into_iter().map(|(_, work)| work)).collect()
}

fn serve<W: Work>(queue: &Mutex<Queue<W>>, changed: &Condvar) {
    let mut held = lock(queue);
    loop {
        let Some(first) = held.waiting.iter().map(|(due, _)| *due).min() else {
            if held.running == 0 {
                return;
            }
            held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        if held.waiting.iter().any(|(_, work)| work.is_over()) {
            changed.notify_all();
            return;
        }
        let now = Instant::now();
        let Some(at) = held.next(now) else {
            let wait = first.saturating_duration_since(now).clamp(Duration::from_millis(1), LOOK);
            held = changed.wait_timeout(held, wait).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        };
        let (_, mut work) = held.waiting.remove(at);
        held.in_use.extend(work.bottleneck().cloned());
        held.running = held.running.saturating_add(1);
        drop(held);
        let again = work.work();
        held = lock(queue);
        held.running = held.running.saturating_sub(1);
        if let Some(path) = work.bottleneck() {
            held.in_use.remove(path);
        }
        match again {
            Some(due) => held.waiting.push((due, work)),
            None => held.done.push(work),
        }
        changed.notify_all();
    }
}

impl<W: Work> Queue<W> {
    /// The place of the one that is due, has waited longest, and is not in another's way.
    fn next(&self, now: Instant) -> Option<usize> {
        let is_free = |work: &W| work.bottleneck().is_none_or(|path| !self.in_use.contains(path));
        let due = self.waiting.iter().enumerate().filter(|(_, (due, work))| *due <= now && is_free(work));
        due.min_by_key(|(_, (due, _))| *due).map(|(at, _)| at)
    }
}

fn lock<W>(queue: &Mutex<Queue<W>>) -> MutexGuard<'_, Queue<W>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct World {
        now: AtomicUsize,
        most: AtomicUsize,
        over: AtomicBool,
    }

    struct Item<'w> {
        world: &'w World,
        meet: Option<&'w Barrier>,
        path: Option<PathBuf>,
        rounds: usize,
        ends_all: bool,
    }

    impl Work for Item<'_> {
        fn bottleneck(&self) -> Option<&PathBuf> {
            self.path.as_ref()
        }

        fn work(&mut self) -> Option<Instant> {
            let now = self.world.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.world.most.fetch_max(now, Ordering::SeqCst);
            if let Some(meet) = self.meet {
                meet.wait();
            }
            std::thread::yield_now();
            self.world.now.fetch_sub(1, Ordering::SeqCst);
            self.rounds -= 1;
            if self.ends_all {
                self.world.over.store(true, Ordering::SeqCst);
            }
            (self.rounds > 0).then(Instant::now)
        }

        fn is_over(&self) -> bool {
            self.world.over.load(Ordering::SeqCst)
        }
    }

    fn item(world: &World) -> Item<'_> {
        Item { world, meet: None, path: None, rounds: 1, ends_all: false }
    }

    #[test]
    fn so_many_run_at_once_and_no_more() {
        let (world, meet) = (World::default(), Barrier::new(3));
        // Three meet, or this hangs.
        let works = (0..9).map(|_| Item { meet: Some(&meet), ..item(&world) }).collect();
        let done = run(works, 3);
        assert_eq!((done.len(), world.most.load(Ordering::SeqCst)), (9, 3));
        assert!(done.iter().all(|item| item.rounds == 0));
    }

    #[test]
    fn one_place_takes_one_at_a_time() {
        let world = World::default();
        let works = (0..50).map(|_| Item { path: Some("m".into()), rounds: 3, ..item(&world) }).collect();
        let done = run(works, 8);
        assert_eq!((done.len(), world.most.load(Ordering::SeqCst)), (50, 1));
        assert!(done.iter().all(|item| item.rounds == 0));
    }

    #[test]
    fn when_it_is_over_nothing_is_begun() {
        let world = World::default();
        let works = vec![Item { ends_all: true, rounds: 2, ..item(&world) }, item(&world), item(&world)];
        let done = run(works, 1);
        assert_eq!(done.len(), 3, "all come back");
        assert_eq!(done.iter().filter(|item| item.rounds == 1).count(), 3, "only the first was begun");
    }
}
