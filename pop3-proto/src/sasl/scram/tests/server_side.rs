//! What a server takes from a client, and what not.

use super::*;

const V4: &Vector = &VECTORS[0];
const V6: &Vector = &VECTORS[2];

/// A server with every value that there is, under each name.
fn server(plus: bool, plus_offered: bool) -> ScramServer {
    let setup = Setup {
        exporter: Some(EXPORTER),
        server_end_point: Some(&[9; 32]),
        plus_offered,
        ..Setup::default()
    };
    ScramServer::new(ScramHash::Sha1, plus, &setup)
}

fn first(message: &str) -> Result<Came, SaslError> {
    step(&mut server(false, true), ServerInput::Start(Some(message.as_bytes())))
}

/// A server that waits for the proof of V4 or V6.
fn challenged(vector: &Vector) -> ScramServer {
    let mut server = vector.server();
    assert!(step(&mut server, ServerInput::Start(Some(vector.client_first.as_bytes()))).is_ok());
    assert!(step(&mut server, ServerInput::Answer(vector.keys().answer())).is_ok());
    server
}

fn last(vector: &Vector, message: &str) -> Result<Came, SaslError> {
    let mut server = challenged(vector);
    let result = step(&mut server, ServerInput::Response(message.as_bytes()));
    if result.is_err() {
        // Nothing can go on from there.
        assert_eq!(step(&mut server, ServerInput::Answer(Answer::Accepted)), Err(SaslError::OutOfOrder));
        assert_eq!(step(&mut server, ServerInput::Response(b"")), Err(SaslError::OutOfOrder));
    }
    result
}

#[test]
fn r5802_5_1_first_messages() {
    let keys = |name: &str| Ok(Came::Keys(name.to_string()));
    for (message, name) in [
        ("n,,n=user,r=x", "user"),
        ("n,a=other,n=user,r=x", "user"),
        ("n,,n=a=2Cb=3Dc,r=x", "a,b=c"),
        ("n,,n==3D2C,r=x", "=2C"),
        ("n,,n=j\u{fc}rgen,r=x", "j\u{fc}rgen"),
        ("n,,n=user,r=!#~,x=y,Z=\u{fc}=", "user"),
    ] {
        assert_eq!(first(message), keys(name), "{message}");
    }
    for malformed in [
        // no header, another letter, a header cut short
        "",
        ",",
        ",,",
        "n",
        "n,",
        "n,,",
        "n=user,r=x",
        "N,,n=user,r=x",
        "x,,n=user,r=x",
        "F,n,,n=user,r=x",
        "nn,,n=user,r=x",
        ",,n=user,r=x",
        "p,,n=user,r=x",
        "p=,,n=user,r=x",
        "p=tls exporter,,n=user,r=x",
        "n,other,n=user,r=x",
        "n,a=,n=user,r=x",
        "n,b=other,n=user,r=x",
        // names
        "n,,n=,r=x",
        "n,,n=a=2Db,r=x",
        "n,,n=a=2cb,r=x",
        "n,,n=a=3db,r=x",
        "n,,n=a=,r=x",
        "n,,n=a=2,r=x",
        "n,,n=a=b,r=x",
        "n,a=b=c,n=user,r=x",
        // the rest
        "n,,n=user",
        "n,,n=user,",
        "n,,r=x,n=user",
        "n,,n=user,x=y,r=x",
        "n,,n=user,r=",
        "n,,n=user,r=a b",
        "n,,n=user,r=\u{e4}",
        "n,,n=user,r=a\0",
        "n,,n=user,r=x,",
        "n,,n=user,r=x,y",
        "n,,n=user,r=x,r=y",
        "n,,n=user,r=x,y=",
        "n,,u=user,r=x",
    ] {
        let error = first(malformed).unwrap_err();
        assert_eq!(error, SaslError::Malformed, "{malformed}");
        assert!(!error.rejects_credentials());
    }
    let mut server = server(false, false);
    let latin1 = ServerInput::Start(Some(b"n,,n=j\xfcrgen,r=x"));
    assert_eq!(step(&mut server, latin1), Err(SaslError::Malformed));
}

#[test]
fn r5802_5_5_extensions_of_the_client() {
    for message in ["n,,m=x,n=user,r=x", "n,,n=user,r=x,m=y", "n,,n=user,r=x,a=y,m=y"] {
        let error = first(message).unwrap_err();
        let earlier = message.contains("a=y"); // a known name in the wrong place comes first
        assert_eq!(error, if earlier { SaslError::Malformed } else { SaslError::MandatoryExtension });
    }
    let nonce = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
    let proof = "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
    let m = format!("c=biws,{nonce},m=x,{proof}");
    assert_eq!(last(V4, &m), Err(SaslError::MandatoryExtension));
    // Others are signed, so that the proof is another one.
    assert_eq!(last(V4, &format!("c=biws,{nonce},x=y,{proof}")), Err(SaslError::Rejected));
}

#[test]
fn r5802_5_1_control_characters_and_long_names_are_nobody() {
    for name in ["a\0b", "a\rb", "a\nb", "\u{7f}", "\u{85}"] {
        assert_eq!(first(&format!("n,,n={name},r=x")), Err(SaslError::Identity), "{name:?}");
        assert_eq!(first(&format!("n,a={name},n=user,r=x")), Err(SaslError::Identity), "{name:?}");
    }
    let long = "x".repeat(MAX_NAME);
    assert_eq!(first(&format!("n,,n={long},r=x")), Ok(Came::Keys(long.clone())));
    assert_eq!(first(&format!("n,,n={long}x,r=x")), Err(SaslError::Identity));
    // A comma is three octets on the wire and one in the name.
    let commas = "=2C".repeat(160);
    assert_eq!(first(&format!("n,,n={commas},r=x")), Ok(Came::Keys(",".repeat(160))));
    for (octets, taken) in [(MAX_FIRST, true), (MAX_FIRST + 1, false)] {
        let message = format!("n,,n=user,r={}", "x".repeat(octets - 12));
        assert_eq!(message.len(), octets);
        let result = first(&message);
        assert!(if taken { result.is_ok() } else { result == Err(SaslError::TooLong { limit: 512 }) });
    }
}

#[test]
fn r5802_6_3_what_the_client_may_say_of_channel_binding() {
    use BindingError::{Downgrade, Unsupported, WrongMechanism};
    for (flag, plus, plus_offered, error) in [
        ("n", false, false, None),
        ("n", false, true, None),
        ("y", false, false, None),
        ("y", false, true, Some(Downgrade)),
        ("p=tls-exporter", false, true, Some(WrongMechanism)),
        ("p=tls-exporter", false, false, Some(WrongMechanism)),
        ("p=tls-unique", false, true, Some(WrongMechanism)),
        ("n", true, true, Some(WrongMechanism)),
        ("y", true, true, Some(WrongMechanism)),
        ("p=tls-exporter", true, true, None),
        ("p=tls-server-end-point", true, true, None),
        ("p=tls-unique", true, true, Some(Unsupported)),
        ("p=TLS-EXPORTER", true, true, Some(Unsupported)),
        ("p=tls-exporter2", true, true, Some(Unsupported)),
    ] {
        let message = format!("{flag},,n=user,r=x");
        let result = step(&mut server(plus, plus_offered), ServerInput::Start(Some(message.as_bytes())));
        assert_eq!(result.err(), error.map(SaslError::Binding), "{flag} {plus} {plus_offered}");
        if let Some(error) = error {
            // Somebody is in between: as a wrong proof. The others are mistakes of the client's program.
            assert_eq!(SaslError::Binding(error).rejects_credentials(), error == Downgrade, "{flag}");
        }
    }
    // Each kind for itself, where the connection has no value of it.
    let with = |exporter, server_end_point| Setup { exporter, server_end_point, ..Setup::default() };
    for (setup, flag) in [
        (with(None, Some(&[9; 20][..])), "p=tls-exporter"),
        (with(Some([9; 32]), None), "p=tls-server-end-point"),
        (with(Some([9; 32]), Some(&[])), "p=tls-server-end-point"),
        (with(Some([9; 32]), Some(&[9; 65])), "p=tls-server-end-point"),
    ] {
        let mut server = ScramServer::new(ScramHash::Sha256, true, &setup);
        let message = format!("{flag},,n=user,r=x");
        let result = step(&mut server, ServerInput::Start(Some(message.as_bytes())));
        assert_eq!(result, Err(SaslError::Binding(Unsupported)));
        assert!(!SaslError::Binding(Unsupported).rejects_credentials());
    }
}

#[test]
fn r5802_5_6_what_the_client_signed_is_compared() {
    let nonce = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
    let proof = "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
    let mismatch = SaslError::Binding(BindingError::Mismatch);
    assert!(mismatch.rejects_credentials());
    for binding in ["eSws", "bixh", "biw=", "biwsAA==", "", "biws=", "Biws", "cD10bHMtZXhwb3J0ZXIsLAAB"] {
        assert_eq!(last(V4, &format!("c={binding},{nonce},{proof}")), Err(mismatch), "{binding}");
    }
    // The value of another TLS connection, and none.
    let header = b"p=tls-exporter,,";
    let mut other = EXPORTER;
    other[31] ^= 1;
    for value in [&other[..], &EXPORTER[..31], &[]] {
        let (_, rest) = V6.client_final.split_once(',').unwrap();
        let message = format!("c={},{rest}", text(&[header, value].concat()));
        assert_eq!(last(V6, &message), Err(mismatch));
    }
}

#[test]
fn r5802_5_2_last_messages() {
    let good = V4.client_final;
    assert_eq!(last(V4, good), Ok(Came::Authorize(None, "user".to_string())));
    for octets in 0..good.len() {
        assert!(last(V4, &good[..octets]).is_err(), "{octets}");
    }
    for octet in 0..good.len() {
        for mask in [1, 2, 32] {
            let mut altered = good.as_bytes().to_vec();
            altered[octet] ^= mask;
            let altered = String::from_utf8(altered).unwrap();
            let error = last(V4, &altered).unwrap_err();
            // Only a wrong proof is a matter of credentials, or a proof for another connection.
            let proof = matches!(error, SaslError::Rejected | SaslError::Binding(BindingError::Mismatch));
            assert_eq!(error.rejects_credentials(), proof, "{altered}");
        }
    }
    let full = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
    let proof = "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
    for malformed in [
        format!("c=biws,r=fyko+d2lbbFgONRv9qkxdawL,{proof}"),
        format!("c=biws,r={full}x,{proof}"),
        format!("c=biws,{proof}"),
        format!("r={full},c=biws,{proof}"),
        format!("c=biws,x=y,r={full},{proof}"),
        format!("c=biws,r={full},{proof},x=y"),
        format!("c=biws,r={full},{proof},{proof}"),
        format!("c=biws,r={full}"),
        format!("c=biws,r={full},p="),
        format!("c=biws,r={full},p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts"),
        format!("c=biws,r={full},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
        format!("c=biws,r={full},p={}", text(&[0; 65])),
        format!("n,,{good}"),
        String::new(),
    ] {
        assert_eq!(last(V4, &malformed), Err(SaslError::Malformed), "{malformed}");
    }
    let wrong = format!("c=biws,r={full},p={}", text(&[0; 20]));
    assert_eq!(last(V4, &wrong), Err(SaslError::Rejected));
}

#[test]
fn r4422_3_6_done_only_after_proof_and_leave() {
    let inputs: [ServerInput<'_>; 9] = [
        ServerInput::Start(None),
        ServerInput::Start(Some(V4.client_first.as_bytes())),
        ServerInput::Response(V4.client_first.as_bytes()),
        ServerInput::Response(V4.client_final.as_bytes()),
        ServerInput::Response(b""),
        ServerInput::Response(b"x"),
        ServerInput::Answer(Answer::Accepted),
        ServerInput::Answer(Answer::Rejected),
        ServerInput::Start(Some(b"")), // stands for the keys, which have a life of their own
    ];
    let keys = V4.keys();
    let mut done = Vec::new();
    // Depth first over all orders, giving up where the mechanism does.
    let mut orders: Vec<Vec<usize>> = vec![Vec::new()];
    while let Some(order) = orders.pop() {
        let mut server = V4.server();
        let mut came = None;
        for &n in &order {
            let input = if n == 8 { ServerInput::Answer(keys.answer()) } else { inputs[n] };
            came = Some(step(&mut server, input));
        }
        match came {
            Some(Ok(Came::Done)) => done.push(order.clone()),
            Some(Err(_)) => continue,
            _ => {}
        }
        if order.len() < 7 {
            orders.extend((0..inputs.len()).map(|n| [&order[..], &[n]].concat()));
        }
    }
    done.sort_by_key(Vec::len);
    assert_eq!(done, [vec![1, 8, 3, 6, 4], vec![0, 2, 8, 3, 6, 4]]);
}

#[test]
fn r5802_5_1_after_the_signature_only_an_empty_message_may_come() {
    let keys = V4.keys();
    for (message, want) in [(&b""[..], Ok(Came::Done)), (b"x", Err(SaslError::Malformed))] {
        let mut server = V4.server();
        for input in [
            ServerInput::Start(Some(V4.client_first.as_bytes())),
            ServerInput::Answer(keys.answer()),
            ServerInput::Response(V4.client_final.as_bytes()),
            ServerInput::Answer(Answer::Accepted),
        ] {
            assert!(step(&mut server, input).is_ok());
        }
        assert_eq!(step(&mut server, ServerInput::Response(message)), want);
    }
}

#[test]
fn r5802_5_9_unknown_users_fail_at_the_proof() {
    // The keys are made up; salt and count are the same each time, and so is all that the client sees.
    let made_up =
        Credentials { salt: vec![1; 16], iterations: 4096, stored_key: vec![2; 20], server_key: vec![3; 20] };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut server = V4.server();
        assert!(step(&mut server, ServerInput::Start(Some(V4.client_first.as_bytes()))).is_ok());
        seen.push(step(&mut server, ServerInput::Answer(made_up.answer())).unwrap());
        let error = step(&mut server, ServerInput::Response(V4.client_final.as_bytes())).unwrap_err();
        assert_eq!(error, SaslError::Rejected);
        assert_eq!(last(V4, &V4.client_final.replace("p=v0", "p=v1")), Err(error)); // as a wrong password does
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn r5802_5_3_keys_that_do_not_fit() {
    let answer = |salt: usize, iterations, stored: usize, server_key: usize| {
        let keys = Credentials {
            salt: vec![1; salt],
            iterations,
            stored_key: vec![2; stored],
            server_key: vec![3; server_key],
        };
        let mut server = V4.server();
        assert!(step(&mut server, ServerInput::Start(Some(V4.client_first.as_bytes()))).is_ok());
        step(&mut server, ServerInput::Answer(keys.answer())).map(|_| ())
    };
    assert_eq!(answer(128, u32::MAX, 20, 20), Ok(()));
    assert_eq!(answer(0, 1, 20, 20), Ok(()));
    for (salt, iterations, stored, server_key) in
        [(129, 4096, 20, 20), (16, 0, 20, 20), (16, 4096, 0, 20), (16, 4096, 20, 32), (16, 4096, 64, 64)]
    {
        assert_eq!(answer(salt, iterations, stored, server_key), Err(SaslError::Keys));
    }
    assert!(!SaslError::Keys.rejects_credentials());
}

#[test]
fn r5802_2_1_too_little_memory_changes_nothing_in_a_server() {
    let mut server = V4.server();
    let keys = V4.keys();
    assert!(step(&mut server, ServerInput::Start(Some(V4.client_first.as_bytes()))).is_ok());
    for (input, message) in [
        (ServerInput::Answer(keys.answer()), V4.server_first),
        (ServerInput::Answer(Answer::Accepted), V4.server_final),
    ] {
        let needed = message.len();
        let mut storage = [0; 128];
        let mut out = &mut storage[..needed - 1];
        let result = server.step(input, &mut out).map(|_| ());
        assert_eq!(result, Err(SaslError::NoRoom { needed }));
        assert_eq!(step(&mut server, input), Ok(Came::Challenge(message.to_string())));
        if message == V4.server_first {
            assert!(step(&mut server, ServerInput::Response(V4.client_final.as_bytes())).is_ok());
        }
    }
}

#[test]
fn pb_c32_no_debug_shows_what_a_server_knows() {
    let mut server = challenged(V6);
    assert_eq!(format!("{server:?}"), "ScramServer(SCRAM-SHA-256-PLUS, Challenged)");
    assert!(step(&mut server, ServerInput::Response(V6.client_final.as_bytes())).is_ok());
    assert_eq!(
        format!("{server:?} {:?}", server.name()),
        "ScramServer(SCRAM-SHA-256-PLUS, Proven) SCRAM-SHA-256-PLUS"
    );
}

#[test]
fn r5802_5_2_the_nonce_of_the_server_is_fresh_and_printable() {
    assert_eq!(Nonce::new([0; 18]).as_str(), "A".repeat(24));
    assert_eq!(Nonce::new([0xff; 18]).as_str(), "/".repeat(24));
    let nonces: Vec<String> = (0..=255)
        .map(|n| {
            let setup = Setup { random: [n; 18], ..Setup::default() };
            let mut server = ScramServer::new(ScramHash::Sha1, false, &setup);
            assert!(step(&mut server, ServerInput::Start(Some(b"n,,n=user,r=x"))).is_ok());
            match step(&mut server, ServerInput::Answer(V4.keys().answer())) {
                Ok(Came::Challenge(challenge)) => challenge.split_once(',').unwrap().0.to_string(),
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert!(nonces.iter().all(|nonce| nonce.len() == 3 + 24 && message::is_nonce(&nonce[2..])));
    let mut distinct = nonces.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), nonces.len());
}
