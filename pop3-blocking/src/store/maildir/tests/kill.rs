//! Whole sessions on the real file system, in a process that dies at each of its calls in turn.

use std::process::Command;
use std::sync::Arc;

use super::sweep::{End, Fate, Scene, World, calls, serve};
use super::*;
use crate::failpoint::{Plan, What};

const DIR: &str = "POP3_STORE_DIES_IN";
const AT: &str = "POP3_STORE_DIES_AT";
const AFTER: &str = "POP3_STORE_DIES_AFTER";
/// What the session said before it died, in that directory.
const SAID: &str = "said";

/// The process that dies: this test program, started again by the test below. Without the variables it does nothing.
#[test]
fn dying() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let at = std::env::var(AT).unwrap().parse().unwrap();
    let what = if std::env::var_os(AFTER).is_some() { What::DieAfter } else { What::DieBefore };
    let said = fs::File::create(Path::new(&dir).join(SAID)).unwrap();
    let store = MaildirStore::new(Path::new(&dir).join("{user}")).unwrap();
    serve(&store, End::Quit, &Arc::new(Plan::new(at, what)), Box::new(said));
}

#[test]
fn r37_a_process_killed_at_any_call_loses_nothing() {
    for scene in [Scene::First, Scene::Later] {
        let calls = calls(scene, Fate::Removed, End::Quit).len();
        let deaths = (0..calls).map(|at| (at, false)).chain([(calls - 1, true)]);
        let mut acknowledged = 0;
        for (at, after) in deaths {
            let context = format!("{scene:?} killed at call {at} of {calls}");
            let mut world = World::new(scene, Fate::Removed);
            // Nothing is known of what the child syncs.
            world.disk = None;
            let dir = world.fixture.dir.path();
            let mut child = Command::new(std::env::current_exe().unwrap());
            child
                .args(["--exact", "store::maildir::tests::kill::dying"])
                .env(DIR, dir)
                .env(AT, at.to_string());
            if after {
                child.env(AFTER, "");
            }
            let child = child.output().unwrap();
            let text = String::from_utf8_lossy(&child.stdout);
            assert!(child.status.code().is_none(), "{context}: it did not die:\n{text}");
            let said = fs::read(dir.join(SAID)).unwrap();
            let replies = world.hear(&said);
            world.check(scene, End::Quit, &replies, &context);
            world.check_to_the_end(&context);
            acknowledged += usize::from(replies.committed);
        }
        assert_eq!(acknowledged, 0, "the lock is freed before QUIT is answered");
    }
}
