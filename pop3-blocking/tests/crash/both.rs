//! `pop3 fetch --delete` from `pop3d`: either one dies at each of its calls, both are started again, and everything is
//! here, once or twice, and gone there.

use std::process::Output;

use crate::home::Home;
use crate::serving::{Relay, Serving, deliver, left};
use crate::{Count, MESSAGES, check_readme, copies, died, failpoint, text};

/// Who dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Client,
    Server,
}

fn fetch(home: &Home, relay: &Relay, at: Option<usize>) -> Output {
    let (url, password) = (format!("pop://alice@{}", relay.address), home.text("password"));
    let args = ["fetch", &url, "--tls", "none-insecure", "--password-file", &password];
    let more = ["--to", "maildir:Mail", "--delete", "--quiet"];
    let mut command = home.command(&[&args[..], &more].concat());
    if let Some(at) = at {
        failpoint(&mut command, at, "die-before");
    }
    command.output().unwrap()
}

fn sweep(who: Who) -> Count {
    let mut count = Count::default();
    let relay = Relay::start();
    for at in 0.. {
        let context = format!("{who:?} killed at call {at}");
        let home = Home::new();
        deliver(&home);
        let server = Serving::start(&home, (who == Who::Server).then_some((at, "die-before")));
        relay.lead_to(&server);
        let first = fetch(&home, &relay, (who == Who::Client).then_some(at));
        let killed = match who {
            Who::Client => died(&first),
            Who::Server => !first.status.success(),
        };
        assert!(killed || first.status.success(), "{context}: {}", text(&first));
        let here = copies(&home.path("Mail"), &context);
        assert!(left(&home) + here.len() >= MESSAGES, "{context}: lost");
        if !killed {
            // The call never came: the server makes its last one before it answers QUIT.
            count.points = at;
            break;
        }
        drop(server);
        let server = Serving::start(&home, None);
        relay.lead_to(&server);
        let second = fetch(&home, &relay, None);
        assert!(second.status.success(), "{context}, then: {}", text(&second));
        assert_eq!(left(&home), 0, "{context}");
        count.add(&copies(&home.path("Mail"), &context), &context);
    }
    count
}

#[test]
fn r36_r37_client_and_server_killed_at_every_call() {
    let (client, server) = std::thread::scope(|scope| {
        let client = scope.spawn(|| sweep(Who::Client));
        let server = sweep(Who::Server);
        (client.join().unwrap(), server)
    });
    let figure = format!(
        "killed at {} and {} points: 0 lost, 0 truncated, {} duplicates, never two in one",
        client.points,
        server.points,
        client.duplicates + server.duplicates
    );
    println!("pop3 from pop3d: {figure}");
    check_readme(&figure);
}
