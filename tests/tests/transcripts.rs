//! Replies of real servers through the client core: whole, octet by octet and at every cut, with the next reply behind.
//!
//! The recorded ones lie in `transcripts/`. Others are read in place from the folder that `POP3_TRANSCRIPTS` names, in
//! the same layout; without it that is said.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pop3_proto::{Arg, Client, ClientEvent, ClientLimits, ClientTolerances, Command, Error, Secret, Step};

/// What a reply came to: the status, the lines or the message, and whether its end was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    ok: Option<bool>,
    text: Vec<u8>,
    lines: Vec<String>,
    malformed: usize,
    body: Vec<u8>,
    ended: bool,
    error: Option<Error>,
}

fn transcripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// Takes `input` in, the part before `cut` first, then in pieces of `step`.
fn hear(client: &mut Client<8>, input: &[u8], cut: usize, step: usize, seen: &mut Seen) {
    let (mut start, mut end) = (0, cut.min(input.len()));
    loop {
        let received = match client.receive(&input[start..end]) {
            Ok(received) => received,
            Err(error) => {
                seen.error = Some(error);
                return;
            }
        };
        start += received.consumed;
        match received.step {
            Step::Event(ClientEvent::Greeting(line)) => seen.ok = Some(line.is_ok()),
            Step::Event(ClientEvent::Reply(reply)) => {
                seen.ok = Some(reply.is_ok());
                seen.text = reply.line.text.to_vec();
                seen.ended = !reply.more;
                seen.lines.extend(reply.drop_listing().map(|data| format!("{data:?}")));
                seen.lines.extend(reply.scan_listing().map(|data| format!("{data:?}")));
                seen.lines.extend(reply.unique_id().map(|data| format!("{data:?}")));
            }
            Step::Event(ClientEvent::Body(_, part)) => seen.body.extend_from_slice(part),
            Step::Event(ClientEvent::End(_)) => seen.ended = true,
            Step::Event(ClientEvent::Malformed(..)) => seen.malformed += 1,
            Step::Event(event) => seen.lines.push(format!("{event:?}")),
            Step::NeedInput | Step::Paused if end == input.len() => return,
            Step::NeedInput | Step::Paused => end = (end + step).min(input.len()),
        }
    }
}

/// A client that has sent `command` where the file's name says that it was sent; `None` if it cannot be sent at all.
fn asking(file: &str, command: &str) -> Option<Client<8>> {
    let mut client = Client::<8>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    if command == "greeting" {
        return Some(client);
    }
    let command = Command::parse(command.as_bytes()).ok()?;
    let mut ignored = Seen::default();
    hear(&mut client, b"+OK ready\r\n", usize::MAX, 1, &mut ignored);
    let name = file.rsplit('/').next().unwrap();
    let login = [Command::User(Arg::new(b"a").unwrap()), Command::Pass(Secret::new(b"b").unwrap())];
    let steps = match (name.split('-').next().unwrap(), command) {
        ("trans", Command::User(_)) => 0,
        ("trans" | "loginfail" | "loginfail2", Command::Pass(_)) => 1,
        ("trans" | "commit" | "burst", _) => 2,
        _ => 0,
    };
    for step in &login[..steps] {
        client.send(step, &mut Vec::new()).unwrap();
        hear(&mut client, b"+OK\r\n", usize::MAX, 1, &mut ignored);
    }
    client.send(&command, &mut Vec::new()).ok()?;
    Some(client)
}

/// The reply at every cut comes to the same; long ones are cut at the places near line ends and the end.
fn replay(file: &str, command: &str, octets: &[u8]) -> Option<Seen> {
    let client = asking(file, command)?;
    let mut whole = Seen::default();
    let mut after = client.clone();
    hear(&mut after, octets, usize::MAX, 1, &mut whole);
    let cuts = (0..octets.len()).filter(|at| {
        octets.len() < 600 || octets[at.saturating_sub(2)..(at + 2).min(octets.len())].contains(&b'\n')
    });
    for (cut, step) in cuts.map(|cut| (cut, usize::MAX / 2)).chain([(0, 1), (0, 7)]) {
        let (mut client, mut seen) = (client.clone(), Seen::default());
        hear(&mut client, octets, cut, step, &mut seen);
        assert_eq!(seen, whole, "{file}, cut at {cut}");
    }
    // Nothing is left over, and the next reply is the next command's.
    if whole.error.is_none() && after.send(&Command::Noop, &mut Vec::new()).is_ok() {
        let mut next = Seen::default();
        hear(&mut after, b"+OK next\r\n", usize::MAX, 1, &mut next);
        assert_eq!((next.ok, next.text.as_slice()), (Some(true), &b"next"[..]), "{file}: the next reply");
    }
    Some(whole)
}

/// What stands between the first line and the last of a recorded reply, byte-stuffing removed, line by line.
fn content(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<&[u8]> = Vec::new();
    let mut rest = octets;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    assert!(rest.is_empty());
    assert_eq!(lines.last(), Some(&&b"."[..]));
    lines[1..lines.len() - 1].iter().map(|line| line.strip_prefix(b".").unwrap_or(line).to_vec()).collect()
}

#[test]
fn r1939_3_9_recorded_replies_are_understood_at_every_cut() {
    let index = fs::read_to_string(transcripts().join("index.tsv")).unwrap();
    let (mut replayed, mut bodies, mut lists) = (0, 0, 0);
    for (file, command) in index.lines().filter_map(|line| line.split_once('\t')) {
        let octets = fs::read(transcripts().join(file)).unwrap();
        let Some(seen) = replay(file, command, &octets) else { continue };
        replayed += 1;
        // Dovecot does not stuff a dot in the first place of a message; no recorded message has one.
        assert_eq!(
            (seen.error, seen.malformed, seen.ended || command == "greeting"),
            (None, 0, true),
            "{file}"
        );
        assert_eq!(seen.ok, Some(octets.starts_with(b"+OK")), "{file}");
        if seen.ok == Some(true) && (command.starts_with("RETR") || command.starts_with("TOP")) {
            let message: Vec<u8> =
                content(&octets).into_iter().flat_map(|line| [line, b"\r\n".to_vec()].concat()).collect();
            assert!(seen.body == message, "{file}");
            bodies += 1;
        }
        if seen.ok == Some(true) && matches!(command, "LIST" | "UIDL" | "CAPA") {
            assert_eq!(seen.lines.len(), content(&octets).len(), "{file}");
            lists += 1;
        }
        if seen.ok == Some(true) && matches!(command, "STAT" | "LIST 1" | "UIDL 1") {
            assert_eq!(seen.lines.len(), 1, "{file}: the data of the first line");
        }
    }
    // As many as there are: a file that is passed over would not be noticed otherwise.
    assert!(
        replayed >= 120 && bodies >= 30 && lists >= 15,
        "{replayed} replies, {bodies} messages, {lists} lists"
    );
}

#[test]
fn other_transcripts_mean_the_same_at_every_cut() {
    let Some(folder) = std::env::var_os("POP3_TRANSCRIPTS") else {
        drop(writeln!(std::io::stderr(), "skipped: POP3_TRANSCRIPTS names no folder"));
        return;
    };
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for path in fs::read_dir(entry).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let command = [("capa", "CAPA"), ("uidl", "UIDL"), ("list", "LIST"), ("greeting", "greeting")]
                .into_iter()
                .find(|(part, _)| name.starts_with(part));
            let Some((_, command)) = command else { continue };
            let file =
                if command == "CAPA" || command == "greeting" { name } else { format!("trans-{name}") };
            replayed += usize::from(replay(&file, command, &fs::read(&path).unwrap()).is_some());
        }
    }
    assert!(replayed > 0, "nothing there to replay");
}
