//! Who gets in, what the others are told, and when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use pop3_blocking::auth::{AuthError, Authenticator, Identity, LoginContext};
use pop3_blocking::pop3_proto::Base64;
use pop3_blocking::server::{Policy, Server, ServerBuilder};

use crate::fixture::{Fault, FaultyStore, Kind, OddUsers, limits, local, mail, serve, tls, users};
use crate::peer::{Ending, LONG, Peer};

const REJECTED: &str = "-ERR [AUTH] authentication failed";

fn odd(store: impl pop3_blocking::store::Store + 'static) -> (ServerBuilder, Arc<OddUsers>) {
    let users = Arc::new(OddUsers::default());
    let mut limits = limits();
    limits.protocol.failed_logins = 100;
    limits.protocol.bad_commands_before_login = 50;
    let builder = Server::builder(Arc::clone(&users), store).limits(limits);
    (builder.listen(local(), Policy::cleartext().allow_cleartext_login()), users)
}

fn plain(authzid: &str, authcid: &str, password: &str) -> String {
    let mut text = Vec::new();
    Base64::encode_to(format!("{authzid}\0{authcid}\0{password}").as_bytes(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn r3206_5_1_pb_s48_every_failure_has_its_code_and_no_other_words() {
    let (builder, _) = odd(mail());
    let (_running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    for (user, password, reply) in [
        ("mrose", "wrong", REJECTED),
        ("nobody", "wrong", REJECTED),
        ("nobody", "secret", REJECTED),
        ("a\u{85}b", "secret", REJECTED),
        ("temporary", "x", "-ERR [SYS/TEMP] temporary fault, try again later"),
        ("permanent", "x", "-ERR [SYS/PERM] permanent fault, ask the administrator"),
        ("delayed", "x", "-ERR [LOGIN-DELAY] too soon after the last login"),
    ] {
        // R3206-5.2, R2449-8.2: USER tells nothing.
        assert_eq!(peer.ask(&format!("USER {user}")), "+OK send PASS");
        assert_eq!(peer.ask(&format!("PASS {password}")), reply, "{user}");
        let message = plain("", user, password);
        assert_eq!(peer.ask(&format!("AUTH PLAIN {message}")), reply, "{user}");
    }
    peer.log_in("mrose");
}

#[test]
fn r2449_8_2_in_use_only_after_the_right_password() {
    let (builder, _) = odd(mail());
    let (_running, address) = serve(builder);
    let first = Peer::logged_in(address, "mrose");
    let mut second = Peer::greeted(address);
    assert_eq!(second.ask("USER mrose"), "+OK send PASS");
    assert_eq!(second.ask("PASS wrong"), REJECTED);
    assert_eq!(second.ask("USER mrose"), "+OK send PASS");
    assert_eq!(second.ask("PASS secret"), "-ERR [IN-USE] maildrop is in use by another session");
    // PB-S35: the session that was refused does not free the lock of the other.
    assert_eq!(second.ask("QUIT"), "+OK bye");
    assert_eq!(second.rest(), (String::new(), Ending::Orderly));
    let mut third = Peer::greeted(address);
    let refused = third.ask(&format!("AUTH PLAIN {}", plain("", "mrose", "secret")));
    assert_eq!(refused, "-ERR [IN-USE] maildrop is in use by another session");
    // Another maildrop is free, on the same connection too.
    third.log_in("fred");
    let mut first = first;
    assert_eq!(first.ask("STAT"), "+OK 3 125");
}

#[test]
fn r8314_4_3_without_tls_nobody_is_asked() {
    let (_, users) = odd(mail());
    let builder =
        Server::builder(Arc::clone(&users), mail()).limits(limits()).listen(local(), Policy::cleartext());
    let (_running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    for command in ["USER mrose", "USER nobody", &format!("AUTH PLAIN {}", plain("", "mrose", "secret"))] {
        assert_eq!(peer.ask(command), "-ERR encryption required");
    }
    assert_eq!(peer.ask("PASS secret"), "-ERR command not valid in this state");
    assert_eq!(users.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn pb_s52_a_name_with_control_characters_is_not_asked_about() {
    let (builder, users) = odd(mail());
    let (_running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.ask("USER a\u{9b}2J"), "+OK send PASS");
    assert_eq!(peer.ask("PASS secret"), REJECTED);
    assert_eq!(peer.ask("USER a\u{1b}[2J"), "-ERR unknown or malformed command");
    assert_eq!(peer.ask(&format!("AUTH PLAIN {}", plain("", "a\u{1b}", "secret"))), REJECTED);
    assert_eq!(peer.ask(&format!("AUTH PLAIN {}", plain("a\u{1b}", "mrose", "secret"))), REJECTED);
    assert_eq!(users.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn r18_no_name_holds_control_characters_prepared_or_not() {
    for unprepared in [false, true] {
        let (builder, users) = odd(mail());
        let builder = if unprepared { builder.unprepared_credentials() } else { builder };
        let (_running, address) = serve(builder);
        let mut peer = Peer::greeted(address);
        for name in ["mrose\r\nQUIT", "mr\nose", "mrose\u{7f}", "mrose\u{9b}2J", "\u{1b}", ""] {
            assert_ne!(peer.ask(&format!("AUTH PLAIN {}", plain("", name, "secret"))).get(..3), Some("+OK"));
        }
        // What UTF-8 has more of them gets through `USER`.
        assert_eq!(peer.ask("USER mrose\u{9b}2J"), "+OK send PASS");
        assert_eq!(peer.ask("PASS secret"), REJECTED);
        assert_eq!(users.asked.load(Ordering::SeqCst), 0, "{unprepared}");
    }
}

#[test]
fn r5034_4_plain_in_all_its_forms() {
    let (builder, _) = odd(mail());
    let (_running, address) = serve(builder);
    let log_in = |script: &[(&str, &str)]| {
        let mut peer = Peer::greeted(address);
        for (say, hear) in script {
            assert_eq!(peer.ask(say), *hear, "{say}");
        }
        peer
    };
    let message = plain("", "mrose", "secret");
    let opened = "+OK maildrop has 3 messages (125 octets)";
    log_in(&[(&format!("AUTH PLAIN {message}"), opened), ("QUIT", "+OK bye")]);
    log_in(&[("auth plain", "+ "), (&message, opened), ("QUIT", "+OK bye")]);
    log_in(&[
        ("AUTH PLAIN", "+ "),
        ("*", "-ERR authentication cancelled"),
        (&format!("AUTH PLAIN {message}"), opened),
        ("QUIT", "+OK bye"),
    ]);
    log_in(&[
        ("AUTH PLAIN", "+ "),
        ("not base64", "-ERR malformed SASL message"),
        ("AUTH PLAIN =", "-ERR malformed SASL message"),
        ("AUTH PLAIN bXJvc2U=", "-ERR malformed SASL message"),
        ("AUTH PLAIN", "+ "),
        (&message, opened),
        ("QUIT", "+OK bye"),
    ]);
    assert_eq!(Peer::greeted(address).ask("AUTH CRAM-MD5"), "-ERR mechanism not available");
    assert_eq!(Peer::greeted(address).ask("AUTH EXTERNAL ="), "-ERR mechanism not available");
}

#[test]
fn r5034_4_7_a_sasl_line_may_be_long() {
    let (builder, _) = odd(mail());
    let (_running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    let long = plain("", "mrose", &"x".repeat(8000));
    assert_eq!(peer.ask(&format!("AUTH PLAIN {long}")), REJECTED);
    assert_eq!(peer.ask("AUTH PLAIN"), "+ ");
    assert_eq!(peer.ask(&long), REJECTED);
    peer.log_in("mrose");
}

#[test]
fn r4422_3_6_acting_as_another_needs_permission() {
    let store = mail();
    store.add("fred", "for fred\r\n");
    let (builder, _) = odd(store);
    let (_running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.ask(&format!("AUTH PLAIN {}", plain("kim", "mrose", "secret"))), REJECTED);
    assert_eq!(peer.ask(&format!("AUTH PLAIN {}", plain("fred", "mrose", "wrong"))), REJECTED);
    assert_eq!(
        peer.ask(&format!("AUTH PLAIN {}", plain("fred", "mrose", "secret"))),
        "+OK maildrop has 1 message (12 octets)"
    );
    let mut peer = Peer::greeted(address);
    assert_eq!(
        peer.ask(&format!("AUTH PLAIN {}", plain("mrose", "mrose", "secret"))),
        "+OK maildrop has 3 messages (125 octets)"
    );
}

#[test]
fn r4422_a_2_r34_external_only_for_who_has_shown_a_certificate() {
    let store = mail();
    store.add("fred", "for fred\r\n");
    let server = || Server::builder(OddUsers::default(), store.clone()).limits(limits());
    let asking = || tls().server_with_clients.clone();
    let builder = server()
        .listen(local(), Policy::implicit_tls(asking()))
        .listen(local(), Policy::stls(asking()))
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let running = builder.bind().unwrap().serve().unwrap();
    let connect = |listener: usize, shows: bool| {
        let address = running.addresses()[listener];
        let client = if shows { &tls().client_with_certificate } else { &tls().client };
        if listener == 1 {
            let mut peer = Peer::greeted(address);
            assert_eq!(peer.ask("AUTH EXTERNAL ="), "-ERR mechanism not available");
            assert_eq!(peer.ask("STLS"), "+OK begin TLS");
            peer.start_tls(client)
        } else {
            let mut peer = Peer::connect_tls(address, client);
            assert_eq!(peer.line(), "+OK POP3 server ready");
            peer
        }
    };
    for (listener, shows, offered) in
        [(0, true, true), (0, false, false), (1, true, true), (1, false, false), (2, true, false)]
    {
        let case = format!("listener {listener}, certificate {shows}");
        let mut peer = connect(listener, shows);
        let sasl = if offered { "SASL EXTERNAL PLAIN" } else { "SASL PLAIN" };
        assert!(peer.ask_list("CAPA").1.contains(&sasl.into()), "{case}");
        if !offered {
            assert_eq!(peer.ask("AUTH EXTERNAL ="), "-ERR mechanism not available", "{case}");
            continue;
        }
        let kim = "AUTH EXTERNAL a2lt";
        assert_eq!(peer.ask(kim), REJECTED, "{case}");
        assert_eq!(peer.ask("AUTH EXTERNAL ="), "+OK maildrop has 3 messages (125 octets)", "{case}");
        assert_eq!(peer.ask("QUIT"), "+OK bye");
        let fred = "AUTH EXTERNAL ZnJlZA==";
        assert_eq!(connect(listener, true).ask(fred), "+OK maildrop has 1 message (12 octets)", "{case}");
        crate::fixture::eventually("the lock of fred is free", || !store.is_locked("fred"));
    }
}

#[test]
fn pb_s49_the_third_failure_closes_whatever_was_tried() {
    let wrong = plain("", "mrose", "wrong");
    let auth = format!("AUTH PLAIN {wrong}\r\n");
    let pass = "USER mrose\r\nPASS wrong\r\n";
    let (_running, address) = serve(crate::fixture::builder(mail()));
    for (script, oks) in [
        (pass.repeat(3), 3),
        (auth.repeat(3), 0),
        (format!("{pass}{auth}{pass}"), 2),
        (format!("AUTH PLAIN\r\n{wrong}\r\n{auth}{pass}"), 1),
    ] {
        let mut peer = Peer::greeted(address);
        peer.send(script + "CAPA\r\n");
        let (said, ending) = peer.rest();
        assert_eq!(said.matches(REJECTED).count(), 3, "{said}");
        assert_eq!(said.matches("+OK").count(), oks, "{said}");
        assert!(said.ends_with(&format!("{REJECTED}\r\n")) && ending == Ending::Orderly, "{said}");
    }
    // In Latin-1, as old clients send it.
    let mut peer = Peer::greeted(address);
    peer.send([&b"USER mrose\r\nPASS s\xe9cret\r\n".repeat(3)[..], b"CAPA\r\n"].concat());
    let said = format!("+OK send PASS\r\n{REJECTED}\r\n").repeat(3);
    assert_eq!(peer.rest(), (said, Ending::Orderly));
}

#[test]
fn pb_s48_every_refusal_takes_the_same_fixed_time() {
    let delay = Duration::from_millis(150);
    let mut patient = limits();
    patient.failed_login_delay = delay;
    patient.protocol.failed_logins = 100;
    let (builder, _) = odd(mail());
    let (_running, address) = serve(builder.limits(patient));
    let mut peer = Peer::greeted(address);
    for (user, password) in [("mrose", "wrong"), ("nobody", "wrong"), ("a\u{85}", "x")] {
        for command in [format!("PASS {password}"), format!("AUTH PLAIN {}", plain("", user, password))] {
            assert_eq!(peer.ask(&format!("USER {user}")), "+OK send PASS");
            let began = Instant::now();
            assert_eq!(peer.ask(&command), REJECTED);
            assert!(began.elapsed() >= delay, "{user}: {:?}", began.elapsed());
        }
    }
    // What is not even UTF-8 is a wrong password in all that a client can see (R6856-2.2.2).
    for user in ["mrose", "nobody"] {
        assert_eq!(peer.ask(&format!("USER {user}")), "+OK send PASS");
        let began = Instant::now();
        peer.send(b"PASS s\xe9cret\r\n");
        assert_eq!(peer.line(), REJECTED);
        assert!(began.elapsed() >= delay, "{user}: {:?}", began.elapsed());
    }
    // Neither a fault nor a success is held back.
    let began = Instant::now();
    assert_eq!(peer.ask("USER temporary"), "+OK send PASS");
    assert!(peer.ask("PASS x").starts_with("-ERR [SYS/TEMP]"));
    peer.log_in("mrose");
    assert!(began.elapsed() < delay, "{:?}", began.elapsed());
}

#[test]
fn r27_a_program_may_add_a_penalty_and_its_panic_ends_one_session() {
    let told = Arc::<std::sync::Mutex<Vec<_>>>::default();
    let (telling, penalty) = (Arc::clone(&told), Duration::from_millis(150));
    let (builder, _) = odd(mail());
    let builder = builder.on_failed_login(move |failed| {
        assert!(failed.failures < 3, "a hook that panics");
        telling.lock().unwrap().push((failed.network, failed.mechanism.to_owned(), failed.failures));
        penalty * failed.failures
    });
    let (running, address) = serve(builder);
    let mut peer = Peer::greeted(address);
    for failures in 1..=2 {
        let began = Instant::now();
        assert_eq!(peer.ask(&format!("AUTH PLAIN {}", plain("", "nobody", "x"))), REJECTED);
        assert!(began.elapsed() >= penalty * failures, "{:?}", began.elapsed());
    }
    let network = Some(address.ip());
    assert_eq!(*told.lock().unwrap(), [1, 2].map(|failures| (network, "PLAIN".to_owned(), failures)));
    assert!(peer.ask(&format!("AUTH PLAIN {}", plain("", "nobody", "x"))).starts_with("-ERR [SYS/TEMP]"));
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
    crate::fixture::eventually("the panic is counted", || running.statistics().panicked == 1);
    // No penalty is longer than what is left of the time for a login.
    let mut limits = limits();
    limits.protocol.login = Duration::from_millis(300);
    let (builder, _) = odd(mail());
    let (_running, address) = serve(builder.limits(limits).on_failed_login(|_| Duration::MAX));
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.ask(&format!("AUTH PLAIN {}", plain("", "nobody", "x"))), REJECTED);
    assert_eq!(peer.rest(), (String::new(), Ending::Orderly));
}

/// Counts how many checks run at once; the check of `slow` waits for the test.
struct Meeting {
    inside: AtomicUsize,
    most: AtomicUsize,
    barrier: Barrier,
}

impl Authenticator for Meeting {
    fn password(&self, cx: &LoginContext<'_>, user: &str, password: &[u8]) -> Result<Identity, AuthError> {
        self.most.fetch_max(self.inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if user == "slow" {
            self.barrier.wait();
            self.barrier.wait();
        }
        thread::yield_now();
        self.inside.fetch_sub(1, Ordering::SeqCst);
        users().password(cx, user, password)
    }
}

fn meeting() -> Arc<Meeting> {
    Arc::new(Meeting { inside: AtomicUsize::new(0), most: AtomicUsize::new(0), barrier: Barrier::new(2) })
}

#[test]
fn password_checks_at_once_are_bounded() {
    let users = meeting();
    let mut limits = limits();
    limits.password_checks = 2;
    limits.protocol.failed_logins = 1000;
    let builder = Server::builder(Arc::clone(&users), mail())
        .limits(limits)
        .listen(local(), Policy::cleartext().allow_cleartext_login());
    let (_running, address) = serve(builder);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut peer = Peer::greeted(address);
                for _ in 0..20 {
                    assert_eq!(peer.ask(&format!("AUTH PLAIN {}", plain("", "mrose", "wrong"))), REJECTED);
                }
            });
        }
    });
    assert!((1..=2).contains(&users.most.load(Ordering::SeqCst)), "{:?}", users.most);
}

#[test]
fn a_login_that_waits_for_its_check_waits_no_longer_than_a_login_may() {
    let users = meeting();
    let mut limits = limits();
    limits.password_checks = 1;
    limits.protocol.login = Duration::from_millis(300);
    let builder = Server::builder(Arc::clone(&users), mail())
        .limits(limits)
        .listen(local(), Policy::cleartext().allow_cleartext_login());
    let (_running, address) = serve(builder);
    let mut slow = Peer::greeted(address);
    assert_eq!(slow.ask("USER slow"), "+OK send PASS");
    slow.send("PASS secret\r\n");
    users.barrier.wait();
    let began = Instant::now();
    let mut waiting = Peer::greeted(address);
    assert_eq!(waiting.ask("USER mrose"), "+OK send PASS");
    assert_eq!(waiting.ask("PASS secret"), "-ERR [SYS/TEMP] temporary fault, try again later");
    assert_eq!(waiting.rest(), (String::new(), Ending::Orderly));
    assert!(began.elapsed() < LONG / 2);
    users.barrier.wait();
    // Late, but answered.
    assert_eq!(slow.line(), REJECTED);
}

#[test]
fn r1939_4_4_a_login_that_fails_after_the_lock_frees_it_first() {
    for fault in [
        Fault::Scan(0, Kind::Temporary),
        Fault::Scan(2, Kind::Permanent),
        Fault::BadUniqueId,
        Fault::Open(Kind::LoginDelay),
    ] {
        let store = Arc::new(FaultyStore::new(mail(), fault));
        let (builder, _) = odd(Arc::clone(&store));
        let (_running, address) = serve(builder);
        let mut peer = Peer::greeted(address);
        assert_eq!(peer.ask("USER mrose"), "+OK send PASS");
        let reply = peer.ask("PASS secret");
        assert!(!store.inner.is_locked("mrose"), "{fault:?}");
        assert!(reply.starts_with("-ERR ["), "{fault:?}: {reply}");
        store.set(Fault::None);
        Peer::logged_in(address, "mrose").close();
    }
}

#[cfg(feature = "passwd")]
#[test]
fn a_session_fits_its_stack_with_argon2_and_tls() {
    use pop3_blocking::auth::UsersFile;
    use pop3_blocking::pop3_proto::sasl::scram::{Binding, Scram};
    use pop3_blocking::pop3_proto::sasl::server::ScramHash;

    let path = std::env::temp_dir().join(format!("pop3-server-users-{}", std::process::id()));
    let keys = UsersFile::scram_entry(ScramHash::Sha512, b"secret").unwrap();
    let hash = UsersFile::hash_password(b"secret").unwrap();
    std::fs::write(&path, format!("mrose:{hash}\nfred:{keys}\n")).unwrap();
    let users = UsersFile::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    // Half of the default, in an unoptimised build.
    let mut limits = limits();
    limits.stack = 128 * 1024;
    let builder = Server::builder(users, mail())
        .limits(limits)
        .listen(local(), Policy::implicit_tls(tls().server.clone()));
    let (_running, address) = serve(builder);
    let mut peer = Peer::connect_tls(address, &tls().client);
    assert_eq!(peer.line(), "+OK POP3 server ready");
    assert_eq!(peer.ask("USER mrose"), "+OK send PASS");
    assert_eq!(peer.ask("PASS wrong"), REJECTED);
    peer.log_in("mrose");
    assert_eq!(peer.ask_list("RETR 3").0, "+OK 18 octets");
    let mut peer = Peer::connect_tls(address, &tls().client);
    assert_eq!(peer.line(), "+OK POP3 server ready");
    let exporter = peer.tls().tls_exporter().unwrap();
    let binding = Binding::Exporter(&exporter);
    let mut scram =
        Scram::new(ScramHash::Sha512, binding, None, "fred", "secret", "fyko+d2lbbFgONRv").unwrap();
    let reply = crate::mechanisms::authenticate(&mut peer, &mut scram).0;
    assert_eq!(reply, "+OK maildrop has 0 messages (0 octets)");
}
