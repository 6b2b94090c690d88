//! Client and server talk to each other: every hash, every binding.

use super::*;
use crate::InitialResponse;
use crate::sasl::server;

struct Login<'a> {
    hash: ScramHash,
    client: Binding<'a>,
    setup: Setup<'a>,
    authzid: Option<&'a str>,
    authcid: &'a str,
    password: &'a str,
    allowed: bool,
    withhold: bool,
}

/// Runs both exchanges against one another over lines of base64. The server's outcome, and the client's.
fn talk(login: &Login<'_>, keys: &Credentials) -> (Result<(), SaslError>, Result<(), SaslError>) {
    let Login { hash, client, authzid, authcid, password, .. } = *login;
    let mut scram = Scram::new(hash, client, authzid, authcid, password, "abcdefghijklmnopqrstuvwx").unwrap();
    let mut ours = client::Exchange::new(&mut scram);
    if login.withhold {
        ours = ours.without_initial_response();
    }
    let (mut scratch, mut theirs_scratch) = ([0; 1024], [0; 1024]);
    let opening = ours.start(&mut scratch).unwrap();
    let mut theirs: server::Exchange = server::Exchange::start(opening.mechanism, &login.setup).unwrap();
    let mut line = Vec::new();
    if let Some(raw) = opening.initial {
        InitialResponse::encode_to(raw, &mut line).unwrap();
    }
    assert_eq!(opening.initial.is_none(), login.withhold);
    let mut to_client = Vec::new();
    let mut initial = true;
    loop {
        to_client.clear();
        // The server takes the line, and answers questions until it has a challenge or is done.
        let mut asked = if initial {
            let first = (!line.is_empty()).then(|| InitialResponse::parse(&line).unwrap());
            theirs.initial(first, &mut theirs_scratch, &mut to_client)
        } else {
            theirs.response(Base64::new(&line).unwrap(), &mut theirs_scratch, &mut to_client)
        };
        initial = false;
        loop {
            let answer = match asked {
                Ok(ServerStep::Challenge) => break,
                Ok(ServerStep::Done) => return (Ok(()), ours.success()),
                Ok(ServerStep::Ask(Query::ScramKeys { authcid: name, hash: with })) => {
                    assert_eq!((name, with), (authcid, hash));
                    keys.answer()
                }
                Ok(ServerStep::Ask(Query::Authorize { authzid: name, authcid: by })) => {
                    assert_eq!((name, by), (authzid, authcid));
                    if login.allowed { Answer::Accepted } else { Answer::Rejected }
                }
                Ok(ServerStep::Ask(other)) => panic!("{other:?}"),
                Err(error) => return (Err(error), ours.success()),
            };
            asked = theirs.answer(answer, &mut to_client);
        }
        let challenge = text(&to_client);
        line.clear();
        match ours.challenge(Base64::new(challenge.as_bytes()).unwrap(), &mut scratch).unwrap() {
            Move::Respond(raw) => Base64::encode_to(raw, &mut line).unwrap(),
            Move::Cancel(error) => return (Err(SaslError::OutOfOrder), Err(error)),
            other => panic!("{other:?}"),
        }
    }
}

fn setup() -> Setup<'static> {
    Setup { random: [7; 18], exporter: Some(EXPORTER), server_end_point: Some(&[9; 48]), ..Setup::default() }
}

#[test]
fn r5802_2_1_client_and_server_agree() {
    let end_point = [9; 48];
    for hash in ScramHash::ALL {
        let keys = Credentials::new(hash, "pencil", b"salt of the user", 4096);
        for client in [
            Binding::Unsupported,
            Binding::NotOffered,
            Binding::Exporter(&EXPORTER),
            Binding::ServerEndPoint(&end_point),
        ] {
            for (authzid, authcid) in [(None, "user"), (Some("o,t=r"), "j\u{fc},=rgen")] {
                for withhold in [false, true] {
                    let good = Login {
                        hash,
                        client,
                        setup: setup(),
                        authzid,
                        authcid,
                        password: "pencil",
                        allowed: true,
                        withhold,
                    };
                    assert_eq!(talk(&good, &keys), (Ok(()), Ok(())));
                    let rejected = (Err(SaslError::Rejected), Err(SaslError::EarlySuccess));
                    assert_eq!(talk(&Login { password: "pencil ", ..good }, &keys), rejected);
                    assert_eq!(talk(&Login { allowed: false, ..good }, &keys), rejected);
                }
            }
        }
    }
}

#[test]
fn r9266_3_1_the_ends_of_two_connections_do_not_agree() {
    let mut other = EXPORTER;
    other[0] ^= 0x80;
    let (end_point, other_end_point) = ([9; 48], [9; 32]);
    let keys = Credentials::new(ScramHash::Sha256, "pencil", b"salt", 4096);
    for (client, agree) in [
        (Binding::Exporter(&EXPORTER), true),
        (Binding::Exporter(&other), false),
        (Binding::ServerEndPoint(&end_point), true),
        (Binding::ServerEndPoint(&other_end_point), false),
        (Binding::ServerEndPoint(&EXPORTER), false), // one kind is not the other
    ] {
        let login = Login {
            hash: ScramHash::Sha256,
            client,
            setup: setup(),
            authzid: None,
            authcid: "user",
            password: "pencil",
            allowed: true,
            withhold: false,
        };
        let mismatch = Err(SaslError::Binding(BindingError::Mismatch));
        let (theirs, ours) = talk(&login, &keys);
        assert_eq!(theirs, if agree { Ok(()) } else { mismatch });
        assert_eq!(ours.is_ok(), agree);
    }
}

#[test]
fn r5802_5_7_a_server_without_the_right_server_key_is_found_out() {
    let mut keys = Credentials::new(ScramHash::Sha256, "pencil", b"salt", 4096);
    keys.server_key[0] ^= 1;
    let login = Login {
        hash: ScramHash::Sha256,
        client: Binding::Unsupported,
        setup: setup(),
        authzid: None,
        authcid: "user",
        password: "pencil",
        allowed: true,
        withhold: false,
    };
    assert_eq!(talk(&login, &keys).1, Err(SaslError::ServerSignature));
    keys.server_key[0] ^= 1;
    keys.iterations = 4095;
    let error = SaslError::Iterations { count: 4095, min: 4096, max: 1_000_000 };
    assert_eq!(talk(&login, &keys).1, Err(error));
}
