//! Credentials, STLS and SASL.

use super::*;

#[test]
fn r2595_2_2_r2595_2_3_pb_c02_no_credential_travels_in_clear() {
    let auth = Command::Auth { mechanism: MechanismName::PLAIN, initial: None };
    let name = Arg::new(b"alice").unwrap();
    let apop = Command::Apop { name, digest: name };
    for greeting in [&b"+OK\r\n"[..], b"+OK <1896.697170952@dbc.mtview.ca.us>\r\n"] {
        let mut client = plain();
        Seen::default().feed(&mut client, greeting);
        for command in [pass("canary"), apop, auth] {
            assert_eq!(refused(&mut client, &command), SendError::Cleartext);
        }
        // Nor after STLS was refused, or CAPA was.
        for answer in [&b"-ERR no TLS\r\n"[..], b"-ERR\r\n"] {
            send(&mut client, &Command::Stls);
            Seen::default().feed(&mut client, answer);
            assert_eq!(refused(&mut client, &pass("canary")), SendError::Cleartext);
        }
        // Nor with a USER before it.
        send(&mut client, &user("alice"));
        Seen::default().feed(&mut client, b"+OK\r\n");
        assert_eq!(refused(&mut client, &pass("canary")), SendError::Cleartext);
    }
    let mut client = plain();
    client.allow_cleartext_login();
    Seen::default().feed(&mut client, b"+OK\r\n");
    send(&mut client, &auth);
}

#[cfg(feature = "sasl")]
#[test]
fn r2595_2_3_an_initial_response_does_not_travel_in_clear_either() {
    let mut client = plain();
    Seen::default().feed(&mut client, b"+OK\r\n");
    let mut out = Vec::new();
    let result = client.authenticate(MechanismName::PLAIN, Some(b"\0alice\0canary"), &mut out);
    assert_eq!((result, out.as_slice()), (Err(SendError::Cleartext), &b""[..]));
}

/// A client that has sent `STLS` behind a `CAPA`.
fn stls_sent() -> Client {
    let (mut client, mut seen) = (plain(), Seen::default());
    seen.feed(&mut client, b"+OK\r\n");
    send(&mut client, &Command::Capa);
    seen.feed(&mut client, b"+OK\r\nSTLS\r\nSASL X-OLD\r\nRESP-CODES\r\nPIPELINING\r\n.\r\n");
    assert_eq!(send(&mut client, &Command::Stls), b"STLS\r\n");
    client
}

#[test]
fn r2595_4_6_pb_c01_octets_behind_the_ok_to_stls_end_the_connection() {
    let injected: [&[u8]; 6] =
        [b"+", b"\0", b"\r\n", b"+OK\r\n", b"+OK caps", b"+OK\r\n+OK\r\nPLAIN\r\n.\r\n"];
    for octets in injected {
        let all = [b"+OK begin TLS\r\n", octets].concat();
        // Whatever the cut: in the same input, in the next one, in both.
        cuts(&all, |pieces| {
            let (mut client, mut seen) = (stls_sent(), Seen::default());
            pieces.iter().for_each(|piece| seen.feed(&mut client, piece));
            assert!(
                seen.text.contains("error: peer broke the protocol: octets in clear text behind STLS\n"),
                "{}",
                seen.text
            );
            assert!(!seen.text.contains("CAPA"));
            assert!(client.tls_started().is_err());
            assert!(!client.is_tls());
            assert_eq!(refused(&mut client, &Command::Capa), SendError::Closed);
            let failure = Error::PeerMisbehaved(crate::PeerMisbehaved::OctetsBehindStls);
            assert_eq!(client.end_of_input(), Err(failure));
        });
    }
}

/// A driver that starts TLS as soon as it has seen the `+OK` must not get that far.
#[test]
fn r2595_4_6_the_call_that_brings_the_ok_to_stls_fails_at_once() {
    for octets in [&b"+"[..], b"\0", b"+OK\r\n"] {
        let mut client = stls_sent();
        let all = [b"+OK begin TLS\r\n", octets].concat();
        let failure = Error::PeerMisbehaved(crate::PeerMisbehaved::OctetsBehindStls);
        assert_eq!(client.receive(&all), Err(failure));
        assert!(client.tls_started().is_err());
    }
}

#[test]
fn r2595_4_3_r2595_4_5_pb_c05_after_the_handshake_nothing_is_known() {
    let (mut client, mut seen) = (stls_sent(), Seen::default());
    seen.feed(&mut client, b"+OK begin TLS\r\n");
    assert_eq!(seen.take(), "STLS: +OK \"begin TLS\"\npaused\n");
    assert_eq!(client.state(), State::Tls);
    let wait = client.timeout().unwrap();
    assert_eq!((wait.waiting_for, wait.limit.as_secs()), (WaitingFor::Handshake, 20));
    // The program waits for the handshake; looking at nothing changes nothing.
    assert_eq!(client.receive(b""), Ok(Received::paused(0)));
    for command in every_command() {
        assert!(matches!(
            refused(&mut client, &command),
            SendError::OutOfPlace { state: State::Tls, .. } | SendError::Cleartext
        ));
    }
    assert!(client.capabilities().stls);
    client.tls_started().unwrap();
    assert_eq!(*client.capabilities(), Capabilities::default());
    assert!(client.is_tls() && !client.may_pipeline());
    assert_eq!(client.state(), State::Authorization, "no second greeting");
    assert!(client.tls_started().is_err(), "one handshake is enough");
    send(&mut client, &Command::Capa);
    seen.feed(&mut client, b"+OK\r\nUSER\r\n.\r\n");
    assert_eq!(seen.take(), "CAPA: +OK \"\" ...\nUser\nend\n");
    assert!(!client.capabilities().sasl);
    send(&mut client, &user("alice"));
}

#[test]
fn r2595_2_5_a_refused_stls_leaves_the_session_in_clear() {
    let (mut client, mut seen) = (stls_sent(), Seen::default());
    seen.feed(&mut client, b"-ERR not now\r\n");
    assert_eq!(seen.take(), "STLS: -ERR \"not now\"\n");
    assert!(client.tls_started().is_err());
    assert!(!client.is_tls());
    send(&mut client, &Command::Stls);
}

#[test]
fn r2595_4_4_tls_cannot_start_before_the_server_agreed() {
    let mut client = stls_sent();
    assert!(client.tls_started().is_err());
    assert_eq!(client.receive(b"+OK begin").unwrap().consumed, 0);
    assert!(client.tls_started().is_err());
    assert!(plain().tls_started().is_err());
    assert!(logged_in().tls_started().is_err());
}

#[cfg(feature = "sasl")]
mod sasl {
    use super::*;

    fn started(client: &mut Client, initial: Option<&[u8]>) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let (_, inline) = client.authenticate(MechanismName::PLAIN, initial, &mut out).unwrap();
        (out, inline)
    }

    #[test]
    fn r5034_4_6_pb_c39_an_initial_response_goes_inline_up_to_255_octets() {
        // "AUTH PLAIN " and CRLF are 13 octets, so 240 of base64 fit: 180 before it.
        for (octets, fits) in [(0usize, true), (1, true), (180, true), (181, false), (8192, false)] {
            let mut client = greeted();
            let (out, inline) = started(&mut client, Some(&vec![b'x'; octets]));
            assert_eq!(inline, fits, "{octets}");
            assert!(out.len() <= 255 && out.ends_with(b"\r\n"));
            if !fits {
                assert_eq!(out, b"AUTH PLAIN\r\n");
            }
        }
        assert_eq!(started(&mut greeted(), Some(b"")).0, b"AUTH PLAIN =\r\n");
        assert_eq!(started(&mut greeted(), Some(b"\0test\0test")).0, b"AUTH PLAIN AHRlc3QAdGVzdA==\r\n");
        assert_eq!(started(&mut greeted(), None).0, b"AUTH PLAIN\r\n");
    }

    #[test]
    fn r5034_4_3_r5034_4_4_pb_q19_an_exchange_at_every_cut() {
        for empty in [&b"+ \r\n"[..], b"+\r\n"] {
            let answers = [empty, b"+ cj1meWtv\r\n", b"+OK logged in\r\n"];
            for at in 0..16 {
                let (mut client, mut seen) = (greeted(), Seen::default());
                started(&mut client, None);
                let mut out = Vec::new();
                for (answer, want) in
                    answers.iter().zip(["challenge \n", "challenge cj1meWtv\n", "AUTH: +OK \"logged in\"\n"])
                {
                    let (head, tail) = answer.split_at(at.min(answer.len()));
                    seen.feed(&mut client, head);
                    seen.feed(&mut client, tail);
                    assert_eq!(seen.take(), want);
                    if want.starts_with("challenge") {
                        client.respond(b"\0test\0test", &mut out).unwrap();
                    }
                }
                assert_eq!(out, b"AHRlc3QAdGVzdA==\r\nAHRlc3QAdGVzdA==\r\n");
                assert_eq!(client.state(), State::Transaction);
            }
        }
    }

    #[test]
    fn r5034_4_5_an_empty_response_line_is_empty() {
        let mut client = greeted();
        started(&mut client, None);
        Seen::default().feed(&mut client, b"+ \r\n");
        let mut out = Vec::new();
        client.respond(b"", &mut out).unwrap();
        assert_eq!(out, b"\r\n");
    }

    #[test]
    fn r5034_4_10_pb_q20_an_undecodable_challenge_is_answered_by_a_star() {
        for challenge in ["%%%", "=AAA", "go ahead", "AAA", "QR==", "QQ=", "AAA=BBB="] {
            let (mut client, mut seen) = (greeted(), Seen::default());
            started(&mut client, Some(b"\0a\0b"));
            seen.feed(&mut client, format!("+ {challenge}\r\n").as_bytes());
            assert_eq!(seen.take(), format!("undecodable {challenge}\n"));
            let mut out = Vec::new();
            client.cancel(&mut out).unwrap();
            assert_eq!(out, b"*\r\n");
            seen.feed(&mut client, b"-ERR cancelled\r\n");
            assert_eq!(seen.take(), "AUTH: -ERR \"cancelled\"\n");
            // As if AUTH had not been sent (R5034-4.13).
            assert_eq!(client.state(), State::Authorization);
            send(&mut client, &user("alice"));
        }
    }

    #[test]
    fn r5034_4_12_long_challenges_and_responses_pass() {
        let token = vec![b'A'; 8192];
        let (mut client, mut seen) = (greeted(), Seen::default());
        started(&mut client, None);
        seen.feed(&mut client, &[b"+ ", &token[..], b"\r\n"].concat());
        assert_eq!(seen.take().len(), "challenge \n".len() + token.len());
        let mut out = Vec::new();
        client.respond(&token, &mut out).unwrap();
        assert_eq!(out.len(), 8192usize.div_ceil(3) * 4 + 2);
        seen.feed(&mut client, b"+ \r\n");
        out.clear();
        assert_eq!(
            client.respond(&vec![0; 9217], &mut out),
            Err(SendError::TooLong { octets: 12_294, limit: 12_288 })
        );
        assert!(out.is_empty());
    }

    #[test]
    fn r5034_4_13_only_a_challenge_can_be_answered() {
        let mut out = Vec::new();
        let out_of_place = |state| Err(SendError::OutOfPlace { verb: Verb::Auth, state });
        assert_eq!(greeted().respond(b"x", &mut out), out_of_place(State::Authorization));
        assert_eq!(greeted().cancel(&mut out), out_of_place(State::Authorization));
        let mut client = greeted();
        started(&mut client, None);
        assert_eq!(client.respond(b"x", &mut out), out_of_place(State::Authorization));
        Seen::default().feed(&mut client, b"+ \r\n");
        assert_eq!(
            client.respond(b"x", &mut [0u8; 5].as_mut_slice()),
            Err(SendError::Full(crate::Full { needed: 6 }))
        );
        client.respond(b"x", &mut out).unwrap();
        assert_eq!(client.respond(b"x", &mut out), out_of_place(State::Authorization));
        assert_eq!(out, b"eA==\r\n");
        // Nor may octets stand behind the challenge.
        Seen::default().feed(&mut client, b"+ \r\n");
        client.cancel(&mut out).unwrap();
        let mut client = greeted();
        started(&mut client, None);
        assert_eq!(client.receive(b"+ \r\n+OK\r\n").unwrap().consumed, 4);
        assert_eq!(client.respond(b"x", &mut out), Err(SendError::UnreadInput));
        assert_eq!(client.cancel(&mut out), Err(SendError::UnreadInput));
    }

    #[test]
    fn pb_q18_an_ok_stands_for_the_first_empty_challenge_if_tolerated() {
        let lenient = ClientTolerances { lenient_sasl_ok: true, ..ClientTolerances::default() };
        let by_authenticate = |client: &mut Client| drop(started(client, None));
        let by_send = |client: &mut Client| {
            send(client, &Command::Auth { mechanism: MechanismName::PLAIN, initial: None });
        };
        for start in [&by_authenticate as &dyn Fn(&mut Client), &by_send] {
            let (mut client, mut seen) = (with(ClientLimits::DEFAULT, lenient), Seen::default());
            start(&mut client);
            seen.feed(&mut client, b"+OK\r\n");
            assert_eq!(seen.take(), "challenge \n");
            client.respond(b"\0a\0b", &mut Vec::new()).unwrap();
            seen.feed(&mut client, b"+OK\r\n");
            assert_eq!(seen.take(), "AUTH: +OK \"\"\n", "once only");
            // Off unless switched on.
            let (mut client, mut seen) = (greeted(), Seen::default());
            start(&mut client);
            seen.feed(&mut client, b"+OK\r\n");
            assert_eq!(seen.take(), "AUTH: +OK \"\"\n");
        }
        // Not behind an initial response, not with text, not a -ERR.
        let (mut client, mut seen) = (with(ClientLimits::DEFAULT, lenient), Seen::default());
        started(&mut client, Some(b"\0a\0b"));
        seen.feed(&mut client, b"+OK\r\n");
        assert_eq!(seen.take(), "AUTH: +OK \"\"\n");
        for answer in ["+OK welcome", "-ERR "] {
            let (mut client, mut seen) = (with(ClientLimits::DEFAULT, lenient), Seen::default());
            started(&mut client, None);
            seen.feed(&mut client, format!("{answer}\r\n").as_bytes());
            assert!(seen.take().starts_with("AUTH: "), "{answer}");
        }
    }

    #[test]
    fn r5034_4_1_one_login_only() {
        let (mut client, mut seen) = (greeted(), Seen::default());
        started(&mut client, Some(b"\0a\0b"));
        seen.feed(&mut client, b"+OK\r\n");
        let mut out = Vec::new();
        assert_eq!(
            client.authenticate(MechanismName::PLAIN, None, &mut out),
            Err(SendError::OutOfPlace { verb: Verb::Auth, state: State::Transaction })
        );
        assert!(out.is_empty());
    }
}
