//! What a client takes from a server, and what not.

use super::*;
use crate::ArgError;
use crate::sasl::Part;
use crate::sasl::client::{ClientMechanism as _, ClientStep, Input};
use std::time::Instant;

const V5: &Vector = &VECTORS[1];
const FULL_NONCE: &str = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

/// Starts, hears `challenges` in turn, and says what came of the last.
fn hears(scram: &mut Scram<'_>, challenges: &[&str]) -> Result<String, SaslError> {
    let mut out = Vec::new();
    assert_eq!(scram.step(Input::Start, &mut out), Ok(ClientStep::Send));
    for challenge in challenges {
        out.clear();
        if let Err(error) = scram.step(Input::Challenge(challenge.as_bytes()), &mut out) {
            assert!(out.is_empty());
            // Nothing can go on from there.
            for input in [Input::Challenge(b""), Input::Challenge(V5.server_final.as_bytes())] {
                assert_eq!(scram.step(input, &mut out), Err(SaslError::UnexpectedChallenge));
            }
            assert_eq!(scram.step(Input::Done, &mut out), Err(SaslError::EarlySuccess));
            return Err(error);
        }
    }
    Ok(String::from_utf8(out).unwrap())
}

fn first(challenge: &str) -> Result<String, SaslError> {
    hears(&mut V5.scram(), &[challenge])
}

fn last(challenge: &str) -> Result<String, SaslError> {
    hears(&mut V5.scram(), &[V5.server_first, challenge])
}

#[test]
fn pb_c10_hostile_first_messages() {
    const GRAMMAR: SaslError = SaslError::MalformedChallenge;
    const NONCE: SaslError = SaslError::ServerNonce;
    let iterations = |count| SaslError::Iterations { count, min: 4096, max: 1_000_000 };
    let started = Instant::now();
    for (rest, error) in [
        // the nonce: ours, less, another, another case, not at the start
        ("r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096", NONCE),
        ("r=rOprNGfwEbeRWgbNEkq,s=W22Z,i=4096", NONCE),
        ("r=xOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096", NONCE),
        ("r=roprngfwebeRWgbNEkqOx,s=W22Z,i=4096", NONCE),
        ("r=xrOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096", NONCE),
        ("r=,s=W22Z,i=4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqO x,s=W22Z,i=4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqO\u{e4},s=W22Z,i=4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqO\0,s=W22Z,i=4096", GRAMMAR),
        // the iteration count
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=1", iterations(1)),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4095", iterations(4095)),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=1000001", iterations(1_000_001)),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=2147483648", iterations(1 << 31)),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4294971392", iterations(u32::MAX)),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=18446744073709555712", iterations(u32::MAX)),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=04096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=-4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=+4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096 ", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4k", GRAMMAR),
        // the salt
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22,i=4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W2==x,i=4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W 2Z,i=4096", GRAMMAR),
        // order, presence, doubles
        ("", GRAMMAR),
        (",", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,i=4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,i=4096,s=W22Z", GRAMMAR),
        ("s=W22Z,r=rOprNGfwEbeRWgbNEkqOx,i=4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,x=y,s=W22Z,i=4096", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096,i=4097", GRAMMAR),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096,", GRAMMAR),
        ("R=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096", GRAMMAR),
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", GRAMMAR),
    ] {
        assert_eq!(first(rest), Err(error), "{rest}");
    }
    // A salt of 128 octets is taken, and a longer one is not.
    for (octets, taken) in [(128, true), (129, false)] {
        let challenge = format!("r={FULL_NONCE},s={},i=4096", text(&vec![1; octets]));
        let result = first(&challenge);
        assert_eq!(result.is_ok(), taken);
        assert!(taken || result == Err(SaslError::TooLong { limit: 128 }));
    }
    // Computing 2³¹ iterations would take minutes.
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn r5802_5_4_the_bounds_can_be_set() {
    let counted = |bounds, count: u32| {
        let mut scram = V5.scram().with_iterations(bounds);
        hears(&mut scram, &[&format!("r={FULL_NONCE},s=W22Z,i={count}")]).map(|_| ())
    };
    assert_eq!(counted(1..=10, 1), Ok(()));
    assert_eq!(counted(1..=10, 10), Ok(()));
    assert_eq!(counted(2..=10, 1), Err(SaslError::Iterations { count: 1, min: 2, max: 10 }));
    assert_eq!(counted(1..=10, 11), Err(SaslError::Iterations { count: 11, min: 1, max: 10 }));
    assert_eq!(counted(4096..=1_000_000, 4096), Ok(()));
}

#[test]
fn pb_c10_hostile_last_messages() {
    const GRAMMAR: SaslError = SaslError::MalformedChallenge;
    const WRONG: SaslError = SaslError::ServerSignature;
    let long = format!("v={}", text(&[0; 65]));
    for (challenge, error) in [
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=", WRONG),
        ("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", WRONG),
        ("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", WRONG), // of another hash
        ("v=", WRONG),
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9", WRONG),
        (&long, WRONG),
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4", GRAMMAR),
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,", GRAMMAR),
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,v=x", GRAMMAR),
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,x", GRAMMAR),
        ("", GRAMMAR),
        ("V=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", GRAMMAR),
        ("x=y,v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", GRAMMAR),
        (V5.server_first, GRAMMAR), // once more
        ("m=x,v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", SaslError::MandatoryExtension),
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,m=x", SaslError::MandatoryExtension),
        ("e=invalid-proof", SaslError::Refused(Refusal::InvalidProof)),
    ] {
        assert_eq!(last(challenge), Err(error), "{challenge}");
    }
    assert_eq!(last(V5.server_final), Ok(String::new()));
}

#[test]
fn r5802_5_5_extensions() {
    for at_end in [",x=y", ",X=1,z==,q=a=b", ",x=\u{e4}\u{7}"] {
        // They are signed, so that the server's signature is another one.
        let proof = first(&format!("{}{at_end}", V5.server_first)).unwrap();
        assert!(proof.starts_with("c=biws,r=") && proof != V5.client_final);
        assert_eq!(last(&format!("{}{at_end}", V5.server_final)), Ok(String::new()));
    }
    for (extension, error) in [
        (",m=x", SaslError::MandatoryExtension),
        (",x=y,m=x", SaslError::MandatoryExtension),
        (",m=", SaslError::MandatoryExtension),
        (",x=", SaslError::MalformedChallenge),
        (",1=y", SaslError::MalformedChallenge),
        (",xy=z", SaslError::MalformedChallenge),
        (",=z", SaslError::MalformedChallenge),
        (",x=\0", SaslError::MalformedChallenge),
        (",p=y", SaslError::MalformedChallenge),
    ] {
        assert_eq!(first(&format!("{}{extension}", V5.server_first)), Err(error), "{extension}");
        assert_eq!(last(&format!("{}{extension}", V5.server_final)), Err(error), "{extension}");
    }
    assert_eq!(first(&format!("m=x,{}", V5.server_first)), Err(SaslError::MandatoryExtension));
    let mut scram = V5.scram();
    let mut out = Vec::new();
    assert!(scram.step(Input::Start, &mut out).is_ok());
    let latin1 = b"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096,x=\xe4";
    assert_eq!(scram.step(Input::Challenge(latin1), &mut out), Err(SaslError::MalformedChallenge));
}

#[test]
fn r5802_5_8_refusals_of_the_server() {
    for refusal in Refusal::ALL {
        for challenge in [format!("e={refusal}"), format!("e={refusal},x=y")] {
            assert_eq!(first(&challenge), Err(SaslError::Refused(refusal)));
            assert_eq!(last(&challenge), Err(SaslError::Refused(refusal)));
        }
    }
    for word in ["", "Invalid-Proof", "invalid-proof ", "gone-fishing", "\u{e4}"] {
        assert_eq!(last(&format!("e={word}")), Err(SaslError::Refused(Refusal::Other)));
    }
    assert_eq!(SaslError::Refused(Refusal::InvalidProof).to_string(), "server reports invalid-proof");
}

#[test]
fn r5802_5_7_success_without_the_signature_fails() {
    let mut out = Vec::new();
    for challenges in [&[][..], &[V5.server_first], &[V5.server_first, V5.server_final]] {
        let mut scram = V5.scram();
        assert!(hears(&mut scram, challenges).is_ok());
        let done = scram.step(Input::Done, &mut out);
        if challenges.len() == 2 {
            assert_eq!(done, Ok(ClientStep::Finished));
        } else {
            assert_eq!(done, Err(SaslError::EarlySuccess));
        }
    }
    assert_eq!(V5.scram().step(Input::Done, &mut out), Err(SaslError::EarlySuccess));
    // A challenge after the end is one too many, and spoils what was there.
    let mut scram = V5.scram();
    assert!(hears(&mut scram, &[V5.server_first, V5.server_final]).is_ok());
    assert_eq!(scram.step(Input::Challenge(b""), &mut out), Err(SaslError::UnexpectedChallenge));
    assert_eq!(scram.step(Input::Done, &mut out), Err(SaslError::EarlySuccess));
}

#[test]
fn r5802_5_7_every_altered_signature_is_found_out() {
    let signature = decoded(V5.server_final.strip_prefix("v=").unwrap());
    for octet in 0..signature.len() {
        let mut altered = signature.clone();
        altered[octet] ^= 1 << (octet % 8);
        assert_eq!(last(&format!("v={}", text(&altered))), Err(SaslError::ServerSignature));
    }
    for octets in 0..signature.len() {
        let cut = format!("v={}", text(&signature[..octets]));
        assert_eq!(last(&cut), Err(SaslError::ServerSignature));
    }
}

#[test]
fn r5802_5_2_every_cut_and_every_altered_octet_of_the_first_message_changes_or_fails() {
    let whole = first(V5.server_first).unwrap();
    for octets in 0..V5.server_first.len() {
        // What is cut within the count may still be one, but none of 4,096 or more.
        assert!(first(&V5.server_first[..octets]).is_err(), "{octets}");
    }
    for octet in 0..V5.server_first.len() {
        let mut altered = V5.server_first.as_bytes().to_vec();
        altered[octet] ^= 1;
        let mut scram = V5.scram().with_iterations(4096..=4096 + 1000);
        // Some are no UTF-8: the tests of the grammar have those.
        let altered = String::from_utf8_lossy(&altered);
        if let Ok(proof) = hears(&mut scram, &[&altered]) {
            assert_ne!(proof, whole);
        }
    }
}

#[test]
fn r5802_6_2_what_is_said_of_channel_binding() {
    let value = [9; 20];
    for (binding, header, name) in [
        (Binding::Unsupported, "n,,", "SCRAM-SHA-512"),
        (Binding::NotOffered, "y,,", "SCRAM-SHA-512"),
        (Binding::Exporter(&EXPORTER), "p=tls-exporter,,", "SCRAM-SHA-512-PLUS"),
        (Binding::ServerEndPoint(&value), "p=tls-server-end-point,,", "SCRAM-SHA-512-PLUS"),
    ] {
        let mut scram = Scram::new(ScramHash::Sha512, binding, None, "user", "pencil", "abc").unwrap();
        assert_eq!(scram.name().as_str(), name);
        assert!(scram.client_first() && !scram.sends_password_in_clear());
        let mut out = Vec::new();
        assert!(scram.step(Input::Start, &mut out).is_ok());
        assert_eq!(out, format!("{header}n=user,r=abc").as_bytes());
        out.clear();
        assert!(scram.step(Input::Challenge(b"r=abcd,s=W22Z,i=4096"), &mut out).is_ok());
        let data = match binding {
            Binding::Exporter(value) => &value[..],
            Binding::ServerEndPoint(value) => value,
            Binding::Unsupported | Binding::NotOffered => &[],
        };
        let c = text(&[header.as_bytes(), data].concat());
        assert!(String::from_utf8(out).unwrap().starts_with(&format!("c={c},r=abcd,p=")));
    }
}

#[test]
fn r5802_5_1_names_of_the_client() {
    let mut scram =
        Scram::new(ScramHash::Sha1, Binding::Unsupported, Some("=,"), "a,b=c", "pencil", "abc").unwrap();
    let mut out = Vec::new();
    assert!(scram.step(Input::Start, &mut out).is_ok());
    assert_eq!(out, b"n,a==3D=2C,n=a=2Cb=3Dc,r=abc");
}

#[test]
fn r5802_5_2_what_cannot_be_used_is_refused() {
    fn new(authzid: Option<&str>, authcid: &str, password: &str, nonce: &str) -> Option<SaslError> {
        Scram::new(ScramHash::Sha1, Binding::Unsupported, authzid, authcid, password, nonce).err()
    }
    let credential = |part, problem| Some(SaslError::Credential { part, problem });
    let forbidden = |octet| ArgError::Forbidden { octet };
    assert_eq!(new(None, "u", "p", "n"), None);
    assert_eq!(new(Some(""), "u", "p", "n"), credential(Part::Authzid, ArgError::Empty));
    assert_eq!(new(None, "", "p", "n"), credential(Part::Authcid, ArgError::Empty));
    assert_eq!(new(None, "u", "", "n"), credential(Part::Password, ArgError::Empty));
    assert_eq!(new(None, "u\0", "p", "n"), credential(Part::Authcid, forbidden(0)));
    assert_eq!(new(None, "u", "p", ""), credential(Part::Nonce, ArgError::Empty));
    for octet in [b',', b' ', 0x7f, b'\n'] {
        let nonce = format!("a{}", char::from(octet));
        assert_eq!(new(None, "u", "p", &nonce), credential(Part::Nonce, forbidden(octet)));
    }
    assert_eq!(new(None, "u", "p", "\u{e4}"), credential(Part::Nonce, forbidden(0xc3)));
    let empty = Scram::new(ScramHash::Sha1, Binding::ServerEndPoint(&[]), None, "u", "p", "n");
    assert_eq!(empty.err(), credential(Part::Binding, ArgError::Empty));
}

#[test]
fn r5802_2_1_too_little_memory_changes_nothing() {
    let mut scram = V5.scram();
    for (input, message) in [
        (Input::Start, V5.client_first),
        (Input::Challenge(V5.server_first.as_bytes()), V5.client_final),
        (Input::Challenge(V5.server_final.as_bytes()), ""),
    ] {
        let mut storage = [0; 512];
        if !message.is_empty() {
            let mut out = &mut storage[..message.len() - 1];
            let needed = message.len();
            assert_eq!(scram.step(input, &mut out), Err(SaslError::NoRoom { needed }));
            assert_eq!(out.len(), needed - 1);
        }
        let mut out = &mut storage[..message.len()];
        assert_eq!(scram.step(input, &mut out), Ok(ClientStep::Send));
        assert!(out.is_empty());
        assert_eq!(&storage[..message.len()], message.as_bytes());
    }
}

#[test]
fn pb_c32_no_debug_shows_a_secret() {
    let binding = Binding::ServerEndPoint(b"canary");
    let mut scram =
        Scram::new(ScramHash::Sha256, binding, Some("canary"), "canary", "canary", "canary").unwrap();
    let mut shown = format!("{scram:?} {binding:?}");
    let mut out = Vec::new();
    assert!(scram.step(Input::Start, &mut out).is_ok());
    assert!(scram.step(Input::Challenge(b"r=canaryx,s=W22Z,i=4096"), &mut out).is_ok());
    shown += &format!("{scram:?}");
    assert_eq!(
        shown,
        "Scram(SCRAM-SHA-256-PLUS, [redacted]) ServerEndPointScram(SCRAM-SHA-256-PLUS, [redacted])"
    );
}
