//! Metrics: the text is what OpenMetrics wants, and the numbers are those of what clients did.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pop3_blocking::pop3_proto::sasl::MECHANISMS;
use pop3_blocking::server::metrics::{CONTENT_TYPE, Endpoint, Metrics, Serving};
use pop3_blocking::server::{
    Event, Observer, Policy, RefusedBy, Running, Server, Statistics, TrustedProxies,
};

use crate::fixture::{builder, eventually, limits, local, mail, tls, users};
use crate::peer::{LONG, Peer};

/// Reads the text format strictly: each family has its type and help before its samples and stands in one place, each
/// series is there once, values are numbers, and the end is marked.
fn read(text: &str) -> BTreeMap<String, f64> {
    let lines: Vec<&str> = text.strip_suffix("# EOF\n").unwrap().lines().collect();
    assert!(!text.contains('\r') && text.ends_with('\n'));
    let (mut series, mut families) = (BTreeMap::new(), Vec::new());
    let (mut family, mut kind, mut has_help) = ("", "", false);
    for line in lines {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            (family, kind) = rest.split_once(' ').unwrap();
            assert!(matches!(kind, "counter" | "gauge" | "info"), "{line}");
            assert!(!families.contains(&family), "{line}");
            assert!(
                family
                    .bytes()
                    .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_'),
                "{line}"
            );
            families.push(family);
            has_help = false;
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(rest.strip_prefix(family).is_some_and(|help| help.starts_with(' ')), "{line}");
            assert!(!has_help && !rest.contains('\\'), "{line}");
            has_help = true;
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let (metric, labels) = name.split_once('{').unwrap_or((name, "}"));
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            assert!(has_help && metric.strip_suffix(suffix) == Some(family), "{line}");
            let labels = labels.strip_suffix('}').unwrap();
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (label, text) = label.split_once("=\"").unwrap();
                let text = text.strip_suffix('"').unwrap();
                assert!(label.bytes().all(|octet| octet.is_ascii_lowercase()), "{line}");
                // No label needs an escape.
                assert!(!text.contains(['"', '\\', '\n']), "{line}");
            }
            assert!(
                !value.starts_with(['+', '-'])
                    && value.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.'),
                "{line}"
            );
            assert!(series.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    series
}

fn text(metrics: &Metrics, statistics: &Statistics) -> String {
    let mut text = String::new();
    metrics.write(statistics, &mut text).unwrap();
    text
}

/// The series that are not zero, but what depends on the moment.
fn counted(metrics: &Metrics, statistics: &Statistics) -> Vec<(String, u64)> {
    read(&text(metrics, statistics))
        .into_iter()
        .filter(|(name, value)| {
            *value != 0.0 && !name.contains("_seconds_") && !name.starts_with("pop3_build_info")
        })
        .map(|(name, value)| (name.strip_prefix("pop3_").unwrap().to_owned(), value as u64))
        .collect()
}

fn expected(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    let mut all: Vec<_> = list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    all.sort();
    all
}

#[test]
fn every_series_is_there_from_the_start_and_nothing_else_ever() {
    let metrics = Metrics::new();
    let before = read(&text(&metrics, &Statistics::default()));
    assert!(
        before.iter().all(|(name, value)| *value == f64::from(u8::from(name.starts_with("pop3_build_info"))))
    );
    for mechanism in MECHANISMS.iter().map(|mechanism| mechanism.name.as_str()).chain(["USER", "APOP"]) {
        metrics.observe(&Event::LoggedIn { mechanism });
        metrics.observe(&Event::LoginFailed { mechanism });
        for result in ["success", "failure"] {
            let name = format!("logins_total{{mechanism=\"{mechanism}\",result=\"{result}\"}}");
            let now = counted(&metrics, &Statistics::default());
            assert!(now.contains(&(name.clone(), 1)), "{name}");
        }
    }
    metrics.observe(&Event::LoginFailed { mechanism: "x\"\n} 1" });
    let after = read(&text(&metrics, &Statistics::default()));
    assert!(after.keys().eq(before.keys()));
    assert_eq!(after["pop3_logins_total{mechanism=\"other\",result=\"failure\"}"], 1.0);
    let told: Vec<&str> = include_str!("../../src/server/metrics.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"))
        .flat_map(|row| row.split(" | ").next().unwrap().split("`, `"))
        .map(|name| name.trim_end_matches('`'))
        .collect();
    let named = |name: &str| told.iter().any(|told| name.split('{').next() == Some(told));
    assert!(before.keys().all(|name| named(name) || name.starts_with("pop3_build_info")));
    assert!(told.len() > 15 && told.iter().all(|told| before.keys().any(|name| name.starts_with(told))));
}

#[test]
fn what_clients_do_is_counted() {
    let metrics = Arc::new(Metrics::new());
    let mut limits = limits();
    limits.protocol.failed_logins = 2;
    let elsewhere = TrustedProxies::new(["192.0.2.1".parse().unwrap()]);
    let proxies = TrustedProxies::new(["127.0.0.1".parse().unwrap()]);
    let clear = || Policy::cleartext().allow_cleartext_login();
    let running = Server::builder(users(), mail())
        .limits(limits)
        .listen(local(), clear())
        .listen(local(), Policy::implicit_tls(tls().server.clone()))
        .listen(local(), clear().behind_proxies(elsewhere))
        .listen(local(), clear().behind_proxies(proxies))
        .observe(Arc::clone(&metrics))
        .bind()
        .unwrap()
        .serve()
        .unwrap();
    let [plain, implicit, strange, proxied] = running.addresses() else { panic!("four listeners") };

    let mut peer = Peer::logged_in(*plain, "mrose");
    for command in ["RETR 1", "RETR 2", "TOP 1 0"] {
        peer.ask_list(command);
    }
    assert!(peer.ask("DELE 1").starts_with("+OK") && peer.ask("XYZZY").starts_with("-ERR"));
    assert_eq!(peer.ask("QUIT"), "+OK bye");
    peer.rest();
    let mut peer = Peer::greeted(*plain);
    peer.send("USER mrose\r\nPASS wrong\r\nUSER mrose\r\nPASS wrong\r\n");
    peer.rest();
    let mut peer = Peer::connect_tls(*implicit, &tls().client);
    peer.line();
    peer.log_in("fred");
    peer.close();
    let mut peer = Peer::connect_tls(*implicit, &tls().client_tls12);
    assert!(peer.line().starts_with("+OK") && peer.ask("QUIT") == "+OK bye");
    peer.rest();
    let peer = Peer::connect(*implicit);
    peer.send_raw(b"CAPA\r\n");
    drop(peer);
    Peer::connect(*strange).rest_octets();
    let mut peer = Peer::connect(*proxied);
    peer.send(b"CAPA\r\n");
    peer.rest_octets();
    eventually("all have ended", || {
        let now = counted(&metrics, &running.statistics());
        let ended = now.iter().filter(|(name, _)| name.starts_with("sessions_total"));
        ended.map(|(_, value)| value).sum::<u64>() == 6 && running.statistics().open == 0
    });
    let (one, two) = (crate::fixture::MESSAGES[0].len(), crate::fixture::MESSAGES[1].len());
    let now = counted(&metrics, &running.statistics());
    let (octets, now): (Vec<_>, Vec<_>) = now.into_iter().partition(|(name, _)| name.starts_with("octets_"));
    assert_eq!(
        now,
        expected(&[
            ("connections_accepted_total", 5),
            ("connections_refused_total{reason=\"proxies\"}", 1),
            ("proxy_headers_bad_total", 1),
            ("tls_handshakes_total{version=\"1.2\"}", 1),
            ("tls_handshakes_total{version=\"1.3\"}", 1),
            ("tls_handshake_failures_total", 1),
            ("logins_total{mechanism=\"USER\",result=\"success\"}", 2),
            ("logins_total{mechanism=\"USER\",result=\"failure\"}", 2),
            ("sessions_total{outcome=\"quit\"}", 2),
            ("sessions_total{outcome=\"failed_logins\"}", 1),
            ("sessions_total{outcome=\"disconnected\"}", 1),
            ("sessions_total{outcome=\"handshake\"}", 1),
            ("sessions_total{outcome=\"proxy_header\"}", 1),
            ("limits_reached_total{limit=\"failed_logins\"}", 1),
            ("messages_sent_total", 2),
            ("message_octets_sent_total", (one + two) as u64),
            ("tops_sent_total", 1),
            ("messages_removed_total", 1),
            ("commands_bad_total", 1),
        ])
    );
    assert!(octets.len() == 2 && octets.iter().all(|(_, value)| *value > 100), "{octets:?}");
}

#[test]
fn limits_are_counted_by_their_names() {
    let metrics = Arc::new(Metrics::new());
    let mut limits = limits();
    limits.connections = 1;
    limits.connections_per_address_before_login = 2;
    limits.protocol.login = Duration::from_millis(300);
    let builder = builder(mail()).limits(limits).observe(Arc::clone(&metrics));
    let (running, address) = crate::fixture::serve(builder);
    let limit = |name: &str| {
        read(&text(&metrics, &running.statistics()))
            [&format!("pop3_limits_reached_total{{limit=\"{name}\"}}")]
    };
    // The second makes the first go, and then takes too long.
    let mut first = Peer::greeted(address);
    let mut second = Peer::connect(address);
    first.rest();
    eventually("one had to go", || limit("connections") == 1.0);
    second.rest();
    eventually("one was too slow", || limit("login") == 1.0);
    let mut logged_in = Peer::logged_in(address, "mrose");
    assert!(Peer::connect(address).line().starts_with("-ERR"));
    eventually("one was refused", || limit("connections") == 2.0);
    assert_eq!(
        read(&text(&metrics, &running.statistics()))["pop3_connections_refused_total{reason=\"connections\"}"],
        1.0
    );
    assert_eq!(logged_in.ask("QUIT"), "+OK bye");
}

/// Panics at every event but refusals, which it counts.
struct Fragile(AtomicU64);

impl Observer for Fragile {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Refused(RefusedBy::Proxies) => drop(self.0.fetch_add(1, Ordering::SeqCst)),
            _ => panic!("an observer that panics"),
        }
    }
}

#[test]
fn pb_s37_an_observer_that_panics_ends_nothing() {
    let fragile = Arc::new(Fragile(AtomicU64::new(0)));
    let metrics = Arc::new(Metrics::new());
    let builder = builder(mail()).observe(Arc::clone(&fragile)).observe(Arc::clone(&metrics));
    let (running, address) = crate::fixture::serve(builder);
    for _ in 0..2 {
        let mut peer = Peer::logged_in(address, "mrose");
        assert_eq!(peer.ask("QUIT"), "+OK bye");
        peer.rest();
    }
    eventually("both have ended", || running.statistics().open == 0);
    // Each was accepted, has logged in and has ended.
    assert_eq!(running.statistics().panicked, 6);
    let now = counted(&metrics, &running.statistics());
    assert!(now.contains(&("sessions_total{outcome=\"quit\"}".into(), 2)), "{now:?}");
}

/// The answer to a request: its head and its body.
fn ask<S: Read + Write>(mut stream: S, request: &[u8]) -> (String, String) {
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn start(endpoint: Endpoint) -> (Running, Serving) {
    let metrics = Arc::new(Metrics::new());
    let running = builder(mail()).observe(Arc::clone(&metrics)).bind().unwrap().serve().unwrap();
    let statistics = running.statistics();
    (running, endpoint.serve(metrics, move || statistics).unwrap())
}

const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn they_can_be_had_over_http() {
    let endpoint = Endpoint::bind(local()).unwrap();
    let address: SocketAddr = endpoint.address().unwrap();
    let (_running, serving) = start(endpoint);
    let connect = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    };
    let (head, body) = ask(connect(), REQUEST);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Type: {CONTENT_TYPE}\r\n")), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert!(read(&body).len() > 50);
    let (head, body) = ask(connect(), b"POST /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("\r\nAllow: GET\r\n"), "{head}");
    assert!(!body.contains("pop3_"));
    assert!(ask(connect(), b"GET / HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 404 "));
    let endless = [&b"GET /metrics HTTP/1.1\r\nX: "[..], &[b'x'; 8192 - 26]].concat();
    assert!(ask(connect(), &endless).0.starts_with("HTTP/1.1 431 "));
    // Who goes away or says nothing whole holds up nobody for ever; one who comes in pieces is answered.
    drop(connect());
    let mut stream = connect();
    for octet in &REQUEST[..REQUEST.len() - 1] {
        stream.write_all(&[*octet]).unwrap();
    }
    assert!(ask(stream, b"\n").0.starts_with("HTTP/1.1 200 "));
    drop(serving);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn they_can_be_had_over_a_unix_socket() {
    let folder = std::env::temp_dir().join(format!("pop3-metrics-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    for _ in 0..2 {
        // The second time the socket of the first is still there.
        let endpoint = Endpoint::bind_unix(&path).unwrap();
        assert_eq!(endpoint.address(), None);
        let (_running, _serving) = start(endpoint);
        assert_eq!(Endpoint::bind_unix(&path).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        let (head, body) = ask(UnixStream::connect(&path).unwrap(), REQUEST);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(!read(&body).is_empty());
    }
    let file = folder.join("file");
    std::fs::write(&file, "mine").unwrap();
    assert_eq!(Endpoint::bind_unix(&file).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    std::fs::remove_dir_all(folder).unwrap();
}
