//! What one, two and three servers do, and where the time on the processor goes: printed by `tests/scale-out/bench`.

use std::fs;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pop3_blocking::auth::ScramKeys;
use pop3_blocking::pop3_proto::Base64;
use pop3_blocking::pop3_proto::sasl::server::ScramHash;
use pop3_tests::peers::corpus::huge;
use pop3_tests::peers::skip;

use crate::client::session;
use crate::haproxy::Haproxy;
use crate::lock::BEHIND;
use crate::postgres::{Mail, PASSWORD, Postgres};
use crate::server::Server;

/// How many clients there are at once; each has a user of its own.
const CLIENTS: usize = 12;
/// How long each measurement lasts.
const TIME: Duration = Duration::from_secs(4);
/// How often everything is measured, in turns.
const ROUNDS: usize = 3;
/// The messages of a maildrop, of about 4 KiB; and the size of one message more in some.
const MESSAGES: usize = 20;
const LARGE: usize = 4 << 20;
/// The fewest iterations that RFC 5802 allows: a password is no part of what is measured.
const ITERATIONS: u32 = 4096;

/// The parts whose time is told apart.
const PARTS: [&str; 4] = ["PostgreSQL", "servers", "HAProxy", "clients"];

/// Seconds of a processor by part.
type Seconds = [f64; 4];

/// One measurement: how much was done in a second, and by what time on the processor.
struct Sample {
    rate: f64,
    /// Per session, or per octet.
    each: Seconds,
    /// Of all processors, how much was used by these parts, and how much by anybody.
    used: f64,
    busy: f64,
}

#[test]
#[ignore = "measures for a minute or two and judges nothing: tests/scale-out/bench"]
fn throughput() {
    // As it would run: every commit reaches the disk.
    let Some(cluster) = Postgres::start(&["max_connections=250", "shared_buffers=512MB"]) else {
        return skip("postgresql not installed");
    };
    let mail = cluster.mail();
    fill(&mail);
    let options = [&BEHIND[..], &["--sessions", "60", "--sessions-per-address", "100"]].concat();
    let mut polls: [Vec<Sample>; 3] = Default::default();
    let mut fetches: [Vec<Sample>; 3] = Default::default();
    for round in 0..ROUNDS {
        for turn in 0..3 {
            let count = (round + turn) % 3 + 1;
            let servers: Vec<Server> = (0..count).map(|_| Server::start(&mail, &options)).collect();
            let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
            let Some(haproxy) = Haproxy::start(&addresses, "maxconn 60") else { return };
            let used = || {
                let servers: f64 = servers.iter().map(|server| seconds(server.pid())).sum();
                [tree_seconds(cluster.pid()), servers, seconds(haproxy.pid()), seconds(std::process::id())]
            };
            polls[count - 1].push(measure(&used, |user, stop| {
                let mut sessions = 0;
                while !stop.load(Ordering::Relaxed) {
                    let mut client = session(haproxy.address, user).unwrap();
                    client.must("UIDL");
                    client.skip_body().unwrap();
                    client.must("QUIT");
                    client.last_words();
                    sessions += 1;
                }
                sessions
            }));
            fetches[count - 1].push(measure(&used, |user, stop| {
                let mut client = session(haproxy.address, user).unwrap();
                let mut octets = 0;
                while !stop.load(Ordering::Relaxed) {
                    client.must(&format!("RETR {}", MESSAGES + 1));
                    octets += client.skip_body().unwrap();
                }
                client.must("QUIT");
                octets
            }));
        }
    }
    println!("{CLIENTS} clients, {ROUNDS} rounds of {} s; median (least–greatest)", TIME.as_secs());
    table("sessions (login, UIDL of 21 messages, QUIT) per second", "ms", &polls, 1.0, 1e3);
    table("MB of RETR per second (messages of 4 MiB)", "s/GB", &fetches, 1e-6, 1e9);
    memory(&mail, &cluster, &options);
    let start = Instant::now();
    for _ in 0..20 {
        ScramKeys::derive(ScramHash::Sha256, PASSWORD.as_bytes(), *b"0123456789abcdef", ITERATIONS).unwrap();
    }
    println!(
        "\na password that is sent, {ITERATIONS} iterations: {:.2} ms of the server",
        start.elapsed().as_secs_f64() * 50.0
    );
    let row = mail.client().query_one(
        "SELECT count(*), sum(octets)::float8, pg_total_relation_size('message')::float8, pg_total_relation_size('piece')::float8 \
         FROM message",
        &[],
    );
    let row = row.unwrap();
    let (messages, octets): (i64, f64) = (row.get(0), row.get(1));
    let (index, pieces): (f64, f64) = (row.get(2), row.get(3));
    println!(
        "storage: {messages} messages, {:.0} octets each: {:.0} octets of table and indices for each, {:.3} octets for each octet",
        octets / messages as f64,
        index / messages as f64,
        pieces / octets
    );
}

/// Users `u0`… with messages, put there by the database itself.
fn fill(mail: &Mail) {
    let salt = b"0123456789abcdef";
    let keys = ScramKeys::derive(ScramHash::Sha256, PASSWORD.as_bytes(), *salt, ITERATIONS).unwrap();
    let base64 = |octets: &[u8]| {
        let mut text = Vec::new();
        Base64::encode_to(octets, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    let entry = format!(
        "{{SCRAM-SHA-256}}{ITERATIONS},{},{},{}",
        base64(salt),
        base64(keys.stored_key()),
        base64(keys.server_key())
    );
    let mut client = mail.client();
    let sql = "INSERT INTO maildrop (name, password) SELECT 'u' || n, $1 FROM generate_series(0, 199) n";
    client.execute(sql, &[&entry]).unwrap();
    let small =
        format!("Subject: small\r\n\r\n{}", "a line of a message that is no news to anybody\r\n".repeat(85));
    let per_user = MESSAGES as i32;
    client
        .execute(
            "WITH made AS (INSERT INTO message (maildrop, octets) \
                SELECT id, octet_length($1::bytea) FROM maildrop, generate_series(1, $2) RETURNING maildrop, id) \
             INSERT INTO piece SELECT maildrop, id, 0, $1 FROM made",
            &[&small.as_bytes(), &per_user],
        )
        .unwrap();
    let large = [b"Subject: large\r\n\r\n".to_vec(), huge(LARGE)].concat();
    for user in 0..CLIENTS {
        mail.import(&format!("u{user}"), &large);
    }
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(statement).unwrap();
    }
}

/// Lets all clients work for a while. What they do in the end, when they are told to stop, counts in both ways.
fn measure(used: &dyn Fn() -> Seconds, work: impl Fn(&str, &AtomicBool) -> u64 + Sync) -> Sample {
    let (stop, ready) = (AtomicBool::new(false), Barrier::new(CLIENTS + 1));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (stop, ready, work) = (&stop, &ready, &work);
                scope.spawn(move || {
                    ready.wait();
                    work(&format!("u{number}"), stop)
                })
            })
            .collect();
        let (before, all) = (used(), machine());
        ready.wait();
        let start = Instant::now();
        thread::sleep(TIME);
        stop.store(true, Ordering::Relaxed);
        let done = clients.into_iter().map(|client| client.join().unwrap()).sum::<u64>() as f64;
        let wall = start.elapsed().as_secs_f64();
        let (after, all) = (used(), machine() - all);
        let each: Seconds = std::array::from_fn(|part| (after[part] - before[part]) / done);
        let processors = thread::available_parallelism().unwrap().get() as f64;
        let used = each.iter().sum::<f64>() * done / wall / processors;
        Sample { rate: done / wall, each, used, busy: all / wall / processors }
    })
}

fn table(what: &str, unit: &str, samples: &[Vec<Sample>; 3], scale: f64, unit_scale: f64) {
    let told = |samples: &[Sample], digits: usize, value: &dyn Fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let (least, greatest) = (values[0], values[values.len() - 1]);
        format!("{:.digits$} ({least:.digits$}–{greatest:.digits$})", values[values.len() / 2])
    };
    println!(
        "\n| servers | {what} | {} | processors used, of all that was used |",
        PARTS.map(|part| format!("{part}, {unit}")).join(" | ")
    );
    println!("|---|---|{}---|", "---|".repeat(PARTS.len()));
    for (count, samples) in (1..).zip(samples) {
        let parts: Vec<String> =
            (0..PARTS.len()).map(|part| told(samples, 2, &|sample| sample.each[part] * unit_scale)).collect();
        let used = told(samples, 0, &|sample| sample.used * 100.0);
        let busy = told(samples, 0, &|sample| sample.busy * 100.0);
        println!(
            "| {count} | {} | {} | {used} of {busy} % |",
            told(samples, 0, &|sample| sample.rate * scale),
            parts.join(" | ")
        );
    }
}

/// What a session costs that has read a message and then says nothing.
fn memory(mail: &Mail, cluster: &Postgres, options: &[&str]) {
    const SESSIONS: usize = 50;
    let server = Server::start(mail, options);
    let Some(haproxy) = Haproxy::start(&[server.address], "maxconn 60") else { return };
    let open = |number: usize| {
        let mut client = session(haproxy.address, &format!("u{number}")).unwrap();
        client.must("RETR 1");
        client.skip_body().unwrap();
        client
    };
    // What all share is paid for by the first.
    let _first = open(100);
    let pss = || [pss_of(&[server.pid()]), pss_of(&children(cluster.pid())), pss_of(&[haproxy.pid()])];
    let before = pss();
    let _held: Vec<_> = (0..SESSIONS).map(|number| open(number + 101)).collect();
    let after = pss();
    let each: Vec<String> = ["server", "PostgreSQL", "HAProxy"]
        .iter()
        .enumerate()
        .map(|(part, name)| format!("{name} {} KiB", (after[part] - before[part]) / SESSIONS as u64))
        .collect();
    println!("\nmemory (PSS) of each of {SESSIONS} idle sessions in the clear: {}", each.join(", "));
}

fn children(root: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap();
    all.filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        (stat(pid)?.0 == root).then_some(pid)
    })
    .collect()
}

/// KiB, shared pages by their part.
fn pss_of(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("Pss:"))?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    };
    pids.iter().filter_map(of).sum()
}

/// Seconds of a processor that a process has used itself.
fn seconds(pid: u32) -> f64 {
    stat(pid).map_or(0.0, |(_, own, _)| own)
}

/// The same of a process and of all that descend from it, those that have ended as well.
fn tree_seconds(root: u32) -> f64 {
    let (_, own, ended) = stat(root).unwrap();
    own + ended + children(root).into_iter().map(seconds).sum::<f64>()
}

/// Parent, own time and that of children who have ended.
fn stat(pid: u32) -> Option<(u32, f64, f64)> {
    const TICKS: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let ticks =
        |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0) / TICKS;
    Some((fields.get(1)?.parse().ok()?, ticks(11) + ticks(12), ticks(13) + ticks(14)))
}

/// Seconds that all processors of the machine were busy, whoever used them.
fn machine() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let fields: Vec<f64> =
        text.lines().next().unwrap().split_whitespace().skip(1).map(|field| field.parse().unwrap()).collect();
    // All but idle and waiting for disks.
    (fields[..8].iter().sum::<f64>() - fields[3] - fields[4]) / 100.0
}
