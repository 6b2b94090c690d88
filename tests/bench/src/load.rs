//! The scenarios: what a server is made to do, and what it cost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::options::{Options, Security};
use crate::peer::Peer;
use crate::{Fault, account, tls};

/// What a connection that reads much reads at once, in octets; and one that reads little.
const MUCH: usize = 256 * 1024;
const LITTLE: usize = 8 * 1024;

/// Runs a scenario and prints its line.
pub(crate) fn run(scenario: &str, options: &Options) -> Result<(), Fault> {
    let fields = match scenario {
        "sessions" => sessions(options),
        "retr" => retr(options),
        "list" => list(options),
        "idle" => idle(options),
        _ => Err(format!("unknown scenario {scenario}").into()),
    }?;
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value:.6}")).collect();
    println!("{{{}}}", fields.join(","));
    Ok(())
}

type Fields = Vec<(&'static str, f64)>;

fn config(options: &Options) -> Result<Option<Arc<ClientConfig>>, Fault> {
    if options.security == Security::Plain {
        return Ok(None);
    }
    tls::client(&options.root, options.resume).map(Some)
}

fn user(options: &Options, number: usize) -> String {
    options.user.replace('%', &(number % options.users).to_string())
}

fn logged_in(
    options: &Options,
    tls: Option<&Arc<ClientConfig>>,
    room: usize,
    number: usize,
) -> Result<Peer, Fault> {
    let mut peer = Peer::connect(options, tls, room)?;
    peer.login(&user(options, number))?;
    Ok(peer)
}

/// The first fault of several threads.
fn first<T>(results: Vec<thread::Result<Result<T, Fault>>>) -> Result<Vec<T>, Fault> {
    results.into_iter().map(|result| result.map_err(|_| Fault::from("a thread panicked"))?).collect()
}

/// Connect, log in, STAT, QUIT, wait for the end; over and over.
fn sessions(options: &Options) -> Result<Fields, Fault> {
    let (done, resumed) = (AtomicU64::new(0), AtomicU64::new(0));
    // One for each connection, so that each resumes its own sessions.
    let configs = (0..options.connections).map(|_| config(options)).collect::<Result<Vec<_>, _>>()?;
    let before = account::seconds(options.pid);
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(options.seconds);
    let one = |tls: Option<&Arc<ClientConfig>>, number: usize| -> Result<(), Fault> {
        let mut peer = logged_in(options, tls, LITTLE, number)?;
        peer.command("STAT")?;
        peer.command("QUIT")?;
        peer.closed();
        done.fetch_add(1, Ordering::Relaxed);
        resumed.fetch_add(peer.resumed().into(), Ordering::Relaxed);
        Ok(())
    };
    let results = thread::scope(|scope| {
        let threads: Vec<_> = configs
            .iter()
            .enumerate()
            .map(|(first, tls)| {
                let one = &one;
                scope.spawn(move || {
                    let mut number = first;
                    while Instant::now() < end {
                        one(tls.as_ref(), number)?;
                        number += options.connections;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let wall = start.elapsed().as_secs_f64();
    first::<()>(results)?;
    let cpu = account::seconds(options.pid) - before;
    let done = done.into_inner() as f64;
    Ok(vec![
        ("sessions", done),
        ("per_s", done / wall),
        ("cpu_ms", cpu * 1e3 / done),
        ("resumed", resumed.into_inner() as f64 / done),
    ])
}

/// What a message must be: octets on the wire, and their checksum.
fn manifest(options: &Options, user: &str) -> Result<Vec<(u64, u64)>, Fault> {
    let text = std::fs::read_to_string(options.root.join("manifest").join(user))?;
    text.lines()
        .map(|line| {
            let (octets, sum) = line.split_once(' ').ok_or("a manifest that is none")?;
            Ok((sum.parse()?, octets.parse()?))
        })
        .collect()
}

/// All messages of a maildrop, and again until the time is over; every octet is checked.
fn retr(options: &Options) -> Result<Fields, Fault> {
    let manifest = manifest(options, &user(options, 0))?;
    let (messages, octets) = (AtomicU64::new(0), AtomicU64::new(0));
    let ready = Barrier::new(options.connections + 1);
    let go = Barrier::new(options.connections + 1);
    let limit = Duration::from_secs_f64(options.seconds);
    let all = |mut peer: Peer, start: Instant, number: usize| -> Result<(), Fault> {
        let mine: Vec<usize> = (number..manifest.len()).step_by(options.connections).collect();
        if mine.is_empty() {
            return Err("more connections than messages".into());
        }
        let mut commands = String::new();
        loop {
            for batch in mine.chunks(options.pipeline) {
                commands.clear();
                for at in batch {
                    commands.push_str(&format!("RETR {}\r\n", at + 1));
                }
                peer.send(commands.as_bytes())?;
                for at in batch {
                    peer.expect_ok("RETR")?;
                    let got = peer.body()?;
                    if got != manifest[*at] {
                        return Err(format!("message {}: {got:?} is not {:?}", at + 1, manifest[*at]).into());
                    }
                    octets.fetch_add(got.1, Ordering::Relaxed);
                }
                messages.fetch_add(batch.len() as u64, Ordering::Relaxed);
                if !limit.is_zero() && start.elapsed() >= limit {
                    return peer.command("QUIT");
                }
            }
            if limit.is_zero() {
                return peer.command("QUIT");
            }
        }
    };
    let (results, cpu, wall) = thread::scope(|scope| {
        let threads: Vec<_> = (0..options.connections)
            .map(|number| {
                let (all, ready, go) = (&all, &ready, &go);
                scope.spawn(move || {
                    let peer = config(options).and_then(|tls| logged_in(options, tls.as_ref(), MUCH, number));
                    ready.wait();
                    go.wait();
                    all(peer?, Instant::now(), number)
                })
            })
            .collect();
        ready.wait();
        let before = account::seconds(options.pid);
        let start = Instant::now();
        go.wait();
        let results = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let wall = start.elapsed().as_secs_f64();
        (results, account::seconds(options.pid) - before, wall)
    });
    first::<()>(results)?;
    let octets = octets.into_inner() as f64;
    Ok(vec![
        ("messages", messages.into_inner() as f64),
        ("octets", octets),
        ("wall", wall),
        ("mb_s", octets / wall / 1e6),
        ("cpu", cpu),
        ("cpu_s_gb", cpu * 1e9 / octets),
    ])
}

/// Login with STAT, LIST, UIDL, in milliseconds: the median of several sessions. And what the server's memory grows by,
/// over that of a session with a user of few messages.
fn list(options: &Options) -> Result<Fields, Fault> {
    let messages = manifest(options, &user(options, 0))?.len() as f64;
    let tls = config(options)?;
    let mut few = Peer::connect(options, tls.as_ref(), LITTLE)?;
    few.login("u0")?;
    few.command("STAT")?;
    let base = account::memory(options.pid).0;
    let (mut stat, mut list, mut uidl) = (Vec::new(), Vec::new(), Vec::new());
    let mut full = 0;
    let before = account::seconds(options.pid);
    for iteration in 0..options.iterations {
        let mut peer = Peer::connect(options, tls.as_ref(), MUCH)?;
        let milliseconds = |start: Instant| start.elapsed().as_secs_f64() * 1e3;
        let start = Instant::now();
        peer.login(&user(options, 0))?;
        peer.command("STAT")?;
        stat.push(milliseconds(start));
        let start = Instant::now();
        peer.command("LIST")?;
        peer.body()?;
        list.push(milliseconds(start));
        let start = Instant::now();
        peer.command("UIDL")?;
        peer.body()?;
        uidl.push(milliseconds(start));
        if iteration == 0 {
            full = account::memory(options.pid).0;
        }
        peer.command("QUIT")?;
        peer.closed();
    }
    let cpu = account::seconds(options.pid) - before;
    few.command("QUIT")?;
    let (stat, list, uidl) = (median(stat), median(list), median(uidl));
    Ok(vec![
        ("stat_ms", stat),
        ("list_ms", list),
        ("uidl_ms", uidl),
        ("us_per_message", (stat + list + uidl) * 1e3 / messages),
        ("cpu_us_per_message", cpu * 1e6 / messages / options.iterations as f64),
        ("octets_per_message", full.saturating_sub(base) as f64 * 1024.0 / messages),
    ])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn fetched_one(options: &Options, tls: Option<&Arc<ClientConfig>>, number: usize) -> Result<Peer, Fault> {
    let mut peer = logged_in(options, tls, LITTLE, number)?;
    peer.command("RETR 1")?;
    peer.body()?;
    Ok(peer)
}

/// What each connection costs that has logged in and fetched a message, and then says nothing.
fn idle(options: &Options) -> Result<Fields, Fault> {
    const THREADS: usize = 8;
    let config = config(options)?;
    // So that what all share is there already.
    let mut first_one = fetched_one(options, config.as_ref(), 0)?;
    let (before, _) = account::memory(options.pid);
    let held = Mutex::new(Vec::new());
    let results = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|first| {
                let (config, held) = (config.as_ref(), &held);
                scope.spawn(move || {
                    for number in (first..options.connections).step_by(THREADS) {
                        let peer = fetched_one(options, config, number + 1)?;
                        held.lock().unwrap_or_else(PoisonError::into_inner).push(peer);
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    first::<()>(results)?;
    let (after, processes) = account::memory(options.pid);
    let mut held = held.into_inner().unwrap_or_else(PoisonError::into_inner);
    let open = held.len() as f64;
    first_one.command("QUIT")?;
    for peer in &mut held {
        peer.send(b"QUIT\r\n")?;
    }
    Ok(vec![
        ("open", open),
        ("kib_each", after.saturating_sub(before) as f64 / open),
        ("processes", processes as f64),
    ])
}
