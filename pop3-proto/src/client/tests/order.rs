//! What may be sent when, and what a line that nobody asked for means.

use super::*;

#[test]
fn r1939_3_13_each_state_and_each_command() {
    // By hand, from the table of commands of RFC 1939, 2449, 2595, 5034 and 6856: before login, and after it.
    let table = [
        (Verb::User, true, false),
        (Verb::Pass, false, false), // only behind USER
        (Verb::Apop, true, false),
        (Verb::Auth, true, false),
        (Verb::Mechanisms, true, false),
        (Verb::Capa, true, true),
        (Verb::Stls, true, false),
        (Verb::Utf8, true, false),
        (Verb::Lang, true, true),
        (Verb::Stat, false, true),
        (Verb::List, false, true),
        (Verb::Uidl, false, true),
        (Verb::Retr, false, true),
        (Verb::Top, false, true),
        (Verb::Dele, false, true),
        (Verb::Noop, false, true),
        (Verb::Rset, false, true),
        (Verb::Quit, true, true),
    ];
    for command in every_command() {
        let verb = command.verb();
        let (_, before, after) = *table.iter().find(|row| row.0 == verb).unwrap();
        for (mut client, may) in
            [(greeted(), before), (logged_in(), after), (plain(), false), (finished(), false)]
        {
            if may {
                send(&mut client, &command);
            } else {
                let state = client.state();
                assert_eq!(refused_in_clear(&mut client, &command), SendError::OutOfPlace { verb, state });
            }
        }
    }
}

/// A client whose `QUIT` was answered.
fn finished() -> Client {
    let mut client = logged_in();
    send(&mut client, &Command::Quit);
    Seen::default().feed(&mut client, b"+OK\r\n");
    client
}

fn refused_in_clear(client: &mut Client, command: &Command<'_>) -> SendError {
    client.allow_cleartext_login();
    refused(client, command)
}

#[test]
fn r1939_7_8_after_user_only_pass_and_quit_may_follow() {
    for command in every_command() {
        let mut client = greeted();
        send(&mut client, &user("alice"));
        Seen::default().feed(&mut client, b"+OK\r\n");
        if matches!(command.verb(), Verb::Pass | Verb::Quit) {
            send(&mut client, &command);
        } else {
            let error = SendError::OutOfPlace { verb: command.verb(), state: State::Password };
            assert_eq!(refused(&mut client, &command), error);
        }
        // A refused USER leaves the choice.
        let mut client = greeted();
        send(&mut client, &user("alice"));
        Seen::default().feed(&mut client, b"-ERR\r\n");
        if state::success(State::Authorization, command.verb()).is_some() {
            send(&mut client, &command);
        } else {
            refused(&mut client, &command);
        }
    }
}

#[test]
fn r1939_7_8_a_refused_pass_needs_a_new_user() {
    let mut client = greeted();
    send(&mut client, &user("alice"));
    Seen::default().feed(&mut client, b"+OK\r\n");
    send(&mut client, &pass("wrong"));
    Seen::default().feed(&mut client, b"-ERR [AUTH] no\r\n");
    assert_eq!(client.state(), State::Authorization);
    assert!(matches!(refused(&mut client, &pass("right")), SendError::OutOfPlace { .. }));
    send(&mut client, &user("alice"));
}

#[test]
fn r2449_6_6_4_nothing_is_pipelined_without_the_capability() {
    let mut client = logged_in();
    send(&mut client, &Command::Noop);
    assert_eq!(refused(&mut client, &Command::Noop), SendError::NotPipelined);
    Seen::default().feed(&mut client, b"+OK\r\n");
    // A reply that is still coming in counts as outstanding.
    send(&mut client, &Command::Retr(n(1)));
    Seen::default().feed(&mut client, b"+OK\r\nx\r\n");
    assert_eq!((client.outstanding(), client.is_receiving()), (0, true));
    assert_eq!(refused(&mut client, &Command::Noop), SendError::NotPipelined);
    Seen::default().feed(&mut client, b".\r\n");
    send(&mut client, &Command::Noop);
}

#[test]
fn pb_c30_pipelining_can_be_switched_off() {
    let mut client = pipelining();
    client.set_pipelining(false);
    send(&mut client, &Command::Noop);
    assert_eq!(refused(&mut client, &Command::Noop), SendError::NotPipelined);
    client.set_pipelining(true);
    send(&mut client, &Command::Noop);
}

#[test]
fn r2449_6_6_3_a_bounded_number_of_commands_is_outstanding() {
    let mut client = Client::<3>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    let mut seen = Seen::default();
    seen.feed(&mut client, b"+OK\r\n");
    send(&mut client, &Command::Capa);
    seen.feed(&mut client, CRLF_CAPA);
    for _ in 0..3 {
        send(&mut client, &user("a"));
        seen.feed(&mut client, b"-ERR\r\n");
    }
    for _ in 0..3 {
        send(&mut client, &Command::Capa);
    }
    assert_eq!(refused(&mut client, &Command::Capa), SendError::TooManyOutstanding { limit: 3 });
    seen.feed(&mut client, b"-ERR\r\n");
    send(&mut client, &Command::Capa);
    assert_eq!(client.outstanding(), 3);
    // No room at all: nothing can be sent, so that no reply can be taken for a notice.
    let mut client = Client::<0>::over_tls(ClientLimits::DEFAULT, ClientTolerances::default());
    Seen::default().feed(&mut client, b"+OK\r\n");
    assert_eq!(refused(&mut client, &Command::Capa), SendError::TooManyOutstanding { limit: 0 });
}

#[test]
fn r2595_4_4_r2449_6_6_5_nothing_follows_stls_auth_apop_and_quit() {
    let auth = Command::Auth { mechanism: MechanismName::PLAIN, initial: None };
    let name = Arg::new(b"a").unwrap();
    for barrier in [Command::Stls, auth, Command::Apop { name, digest: name }, Command::Quit] {
        let before = || {
            let mut client = greeted();
            send(&mut client, &Command::Capa);
            Seen::default().feed(&mut client, CRLF_CAPA);
            client
        };
        let verb = barrier.verb();
        for command in every_command() {
            let mut client = before();
            send(&mut client, &barrier);
            let error = refused(&mut client, &command);
            // Where the command would have no place behind a success, that is told first.
            assert!(
                matches!(error, SendError::OutOfPlace { .. }) || error == SendError::MustWait { verb },
                "{barrier:?} {command:?} {error:?}"
            );
        }
        // And none of them goes behind anything else.
        let mut client = before();
        send(&mut client, &Command::Capa);
        assert_eq!(refused(&mut client, &barrier), SendError::MustWait { verb });
        Seen::default().feed(&mut client, b"+OK\r\nTOP\r\n");
        assert_eq!(refused(&mut client, &barrier), SendError::MustWait { verb });
        Seen::default().feed(&mut client, b".\r\n");
        send(&mut client, &barrier);
    }
}

#[test]
fn r2449_6_6_4_user_and_pass_go_together_over_tls_only() {
    let mut client = plain();
    client.allow_cleartext_login();
    Seen::default().feed(&mut client, b"+OK\r\n");
    send(&mut client, &Command::Capa);
    Seen::default().feed(&mut client, CRLF_CAPA);
    send(&mut client, &user("alice"));
    assert_eq!(refused(&mut client, &pass("secret")), SendError::MustWait { verb: Verb::Pass });
    let mut client = greeted();
    send(&mut client, &Command::Capa);
    Seen::default().feed(&mut client, CRLF_CAPA);
    send(&mut client, &user("alice"));
    send(&mut client, &pass("secret"));
    // A refused USER in such a batch ends where it began.
    let mut seen = Seen::default();
    seen.feed(&mut client, b"-ERR\r\n-ERR\r\n");
    assert_eq!(client.state(), State::Authorization);
    send(&mut client, &user("alice"));
}

#[test]
fn r2449_6_6_2_octets_not_looked_at_keep_the_client_from_sending() {
    let mut client = logged_in();
    send(&mut client, &Command::Noop);
    assert_eq!(client.receive(b"+OK\r\n-ERR closing\r\n").unwrap().consumed, 5);
    assert_eq!(refused(&mut client, &Command::Noop), SendError::UnreadInput);
    // The rest turns out to be a notice.
    let mut seen = Seen::default();
    seen.feed(&mut client, b"-ERR closing\r\n");
    assert_eq!(seen.text, "notice -ERR \"closing\"\n");
    assert_eq!(refused(&mut client, &Command::Noop), SendError::Closed);
    // Half a line counts too, until it is whole.
    let mut client = logged_in();
    send(&mut client, &Command::Noop);
    let Received { consumed, .. } = client.receive(b"+OK\r\n-E").unwrap();
    assert_eq!(consumed, 5);
    assert_eq!(client.receive(b"-E").unwrap().consumed, 0);
    assert_eq!(refused(&mut client, &Command::Noop), SendError::UnreadInput);
}

#[test]
fn pb_c42_pb_c03_a_surplus_line_is_never_the_next_reply() {
    for command in every_command() {
        let verb = command.verb();
        if matches!(verb, Verb::Stls | Verb::Quit) {
            continue; // STLS has a gate of its own, and behind QUIT nothing can be sent anyway
        }
        for surplus in ["+OK again", "-ERR again"] {
            let mut client = match verb {
                Verb::Pass => {
                    let mut client = greeted();
                    send(&mut client, &user("alice"));
                    Seen::default().feed(&mut client, b"+OK\r\n");
                    client
                }
                verb if state::success(State::Transaction, verb).is_some() => pipelining(),
                _ => greeted(),
            };
            send(&mut client, &command);
            let mut seen = Seen::default();
            let doubled = format!("-ERR no\r\n{surplus}\r\n");
            let (first, rest) = doubled.as_bytes().split_at(9);
            let Received { consumed, .. } = client.receive(doubled.as_bytes()).unwrap();
            assert_eq!(consumed, first.len());
            refused(&mut client, &Command::Capa);
            seen.feed(&mut client, rest);
            assert!(seen.take().starts_with("notice "));
            assert_eq!(refused(&mut client, &Command::Capa), SendError::Closed);
            seen.feed(&mut client, b"+OK\r\n");
            assert_eq!(seen.take(), "error: peer broke the protocol: reply without a command\n");
        }
    }
}

#[test]
fn pb_c03_replies_in_the_segment_of_the_greeting_answer_nothing() {
    cuts(b"+OK ready\r\n+OK\r\n+OK\r\n", |pieces| {
        let (mut client, mut seen) = (plain(), Seen::default());
        pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
        assert_eq!(
            seen.text,
            "greeting +OK \"ready\"\nnotice +OK \"\"\nerror: peer broke the protocol: reply without a command\n"
        );
        assert_eq!(refused(&mut client, &Command::Stls), SendError::Closed);
    });
}

#[test]
fn pb_q26_a_notice_is_told_once_and_then_nothing_may_come() {
    let (mut client, mut seen) = (logged_in(), Seen::default());
    seen.feed(&mut client, b"-ERR Disconnected for inactivity.\r\n");
    assert_eq!(seen.take(), "notice -ERR \"Disconnected for inactivity.\"\n");
    assert_eq!(refused(&mut client, &Command::Noop), SendError::Closed);
    assert_eq!(client.end_of_input(), Ok(()));
    assert_eq!(client.state(), State::Transaction, "nothing was committed");
    let (mut client, mut seen) = (logged_in(), Seen::default());
    seen.feed(&mut client, b"+ \r\n");
    assert_eq!(seen.text, "error: peer broke the protocol: reply without a command\n");
}

#[test]
fn r1939_3_13_a_success_where_there_can_be_none_ends_the_connection() {
    // A batch whose USER was refused: the +OK to PASS is no login.
    let (mut client, mut seen) = (greeted(), Seen::default());
    send(&mut client, &Command::Capa);
    seen.feed(&mut client, CRLF_CAPA);
    send(&mut client, &user("alice"));
    send(&mut client, &pass("secret"));
    seen.take();
    seen.feed(&mut client, b"-ERR\r\n+OK\r\n");
    assert_eq!(
        seen.text,
        "USER: -ERR \"\"\nerror: peer broke the protocol: +OK to PASS, which cannot succeed here\n"
    );
    assert_ne!(client.state(), State::Transaction);
}

#[test]
fn pb_k08_too_little_room_writes_and_changes_nothing() {
    for command in every_command() {
        let whole = command.encoded_len();
        for room in 0..=whole {
            let mut client = if state::success(State::Transaction, command.verb()).is_some() {
                logged_in()
            } else {
                greeted()
            };
            if command.verb() == Verb::Pass {
                send(&mut client, &user("alice"));
                Seen::default().feed(&mut client, b"+OK\r\n");
            }
            let before = format!("{client:?}");
            let mut storage = vec![0u8; room];
            let mut out = &mut storage[..];
            let result = client.send(&command, &mut out);
            let left = out.len();
            if room < whole {
                assert_eq!(result, Err(SendError::Full(crate::Full { needed: whole })));
                assert_eq!((left, format!("{client:?}")), (room, before));
            } else {
                assert!(result.is_ok() && left == 0);
            }
        }
    }
}

#[test]
fn r2449_4_2_a_command_is_at_most_255_octets_unless_told() {
    let name = "x".repeat(300);
    let mut client = greeted();
    // USER, SP, CRLF: seven octets
    send(&mut client, &user(&name[..248]));
    Seen::default().feed(&mut client, b"-ERR\r\n");
    assert_eq!(refused(&mut client, &user(&name[..249])), SendError::TooLong { octets: 256, limit: 255 });
    let limits = ClientLimits { command: 400, ..ClientLimits::DEFAULT };
    send(&mut with(limits, ClientTolerances::default()), &user(&name));
}
