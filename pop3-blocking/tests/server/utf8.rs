//! Messages whose header is not ASCII, for clients with and without UTF-8 mode.

use pop3_blocking::server::{Language, ServeError, ServerBuilder, Utf8Policy};
use pop3_blocking::store::MemoryStore;

use crate::fixture::{Fault, FaultyStore, builder, mail, serve};
use crate::peer::Peer;

/// The message of the specification: 89 octets, 146 its surrogate.
const MESSAGE: &str =
    "From: Jørgen <jørgen@exämple.net>\r\nTo: alice@example.net\r\nSubject: Grüße\r\n\r\nHallo.\r\n";
const SURROGATE: &str = "From: =?utf-8?Q?J=C3=B8rgen?= <invalid@internationalized-address.invalid>\r\n\
    To: alice@example.net\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHallo.\r\n";

fn server(policy: Utf8Policy) -> ServerBuilder {
    let store = MemoryStore::new();
    store.add("mrose", "A: b\r\n\r\nü 8-bit\r\n");
    store.add("mrose", MESSAGE);
    builder(store).utf8(policy)
}

/// All that a session shows, logged in behind `before`.
fn seen(policy: Utf8Policy, before: &[&str]) -> Vec<String> {
    let (_running, address) = serve(server(policy));
    let mut peer = Peer::greeted(address);
    for command in before {
        assert!(peer.ask(command).starts_with("+OK"), "{command}");
    }
    peer.log_in("mrose");
    peer.send("STAT\r\nLIST\r\nLIST 2\r\nRETR 2\r\nTOP 2 0\r\nTOP 2 1\r\nRETR 1\r\nUIDL 2\r\nQUIT\r\n");
    let (said, _) = peer.rest();
    said.split_inclusive("\r\n").map(String::from).collect()
}

#[test]
fn r6856_2_2_r6856_2_3_r6856_2_6_r6858_4_1_one_maildrop_in_both_modes() {
    let plain = "+OK 18 octets\r\nA: b\r\n\r\nü 8-bit\r\n.\r\n";
    let (head, _) = MESSAGE.split_at(MESSAGE.len() - "Hallo.\r\n".len());
    let (surrogate_head, _) = SURROGATE.split_at(SURROGATE.len() - "Hallo.\r\n".len());
    let stored = format!(
        "+OK 2 107\r\n+OK 2 messages (107 octets)\r\n1 18\r\n2 89\r\n.\r\n+OK 2 89\r\n+OK 89 octets\r\n{MESSAGE}.\r\n\
         +OK message follows\r\n{head}.\r\n+OK message follows\r\n{MESSAGE}.\r\n{plain}"
    );
    let surrogate = format!(
        "+OK 2 164\r\n+OK 2 messages (164 octets)\r\n1 18\r\n2 146\r\n.\r\n+OK 2 146\r\n+OK 146 octets\r\n{SURROGATE}.\r\n\
         +OK message follows\r\n{surrogate_head}.\r\n+OK message follows\r\n{SURROGATE}.\r\n{plain}"
    );
    let needs = "-ERR [UTF8] message needs UTF-8 mode\r\n";
    let refused = format!(
        "+OK 2 107\r\n+OK 2 messages (107 octets)\r\n1 18\r\n2 89\r\n.\r\n{}{plain}",
        needs.repeat(4)
    );
    let end = "+OK 2 0000000000000002\r\n+OK bye\r\n";
    for (policy, before, want) in [
        (Utf8Policy::Off, &[][..], &stored),
        (Utf8Policy::Surrogate, &["UTF8"], &stored),
        (Utf8Policy::Refuse, &["UTF8"], &stored),
        (Utf8Policy::Surrogate, &[], &surrogate),
        (Utf8Policy::Refuse, &[], &refused),
    ] {
        assert_eq!(seen(policy, before).concat(), format!("{want}{end}"), "{policy:?} {before:?}");
    }
}

#[test]
fn r6856_2_1_utf8_is_offered_where_it_is_set() {
    for (policy, line) in [
        (Utf8Policy::Off, None),
        (Utf8Policy::Surrogate, Some("UTF8 USER")),
        (Utf8Policy::Refuse, Some("UTF8 USER")),
    ] {
        let (_running, address) = serve(server(policy));
        let mut peer = Peer::greeted(address);
        assert_eq!(peer.ask("UTF8").starts_with("+OK"), line.is_some());
        peer.log_in("mrose");
        assert!(peer.ask("UTF8").starts_with("-ERR"));
        peer.send("CAPA\r\nQUIT\r\n");
        let (said, _) = peer.rest();
        assert_eq!(said.lines().find(|line| line.starts_with("UTF8")), line);
        assert!(said.contains("\r\nLANG\r\n"));
    }
    let (_running, address) = serve(server(Utf8Policy::Surrogate).lenient_utf8());
    let mut peer = Peer::logged_in(address, "mrose");
    assert!(peer.ask("UTF8").starts_with("+OK"));
    assert_eq!(peer.ask("LIST 2"), "+OK 2 146", "sizes stay");
}

#[test]
fn r6856_2_3_a_store_that_cannot_follow_is_refused() {
    assert!(matches!(
        builder(FaultyStore::new(mail(), Fault::None)).utf8(Utf8Policy::Refuse).bind(),
        Err(ServeError::Utf8Store)
    ));
    assert!(builder(FaultyStore::new(mail(), Fault::None)).bind().is_ok());
}

#[test]
fn r6856_3_1_r6856_3_3_texts_are_in_the_language_of_the_client() {
    let (_running, address) = serve(builder(mail()).default_language("SV"));
    let mut peer = Peer::greeted(address);
    assert_eq!(peer.ask("USER"), "-ERR unknown or malformed command");
    assert_eq!(peer.ask("LANG *"), "+OK sv Språket är nu svenska");
    assert_eq!(peer.ask("LANG de-CH"), "+OK de Texte sind jetzt deutsch");
    assert_eq!(peer.ask("USER mrose"), "+OK bitte PASS senden");
    assert_eq!(peer.ask("PASS wrong"), "-ERR [AUTH] Anmeldung fehlgeschlagen");
    peer.send("LANG\r\nQUIT\r\n");
    let (said, _) = peer.rest();
    assert_eq!(
        said,
        "+OK Sprachen folgen\r\nen English\r\nsv Svenska\r\nde Deutsch\r\ni-default\r\n.\r\n+OK auf Wiedersehen\r\n"
    );
    // None, and one that is not there.
    let (_running, address) = serve(builder(mail()).languages(&[]));
    assert_eq!(Peer::greeted(address).ask("LANG"), "-ERR not supported");
    const SWEDISH: &[Language<'_>] = &[Language::SWEDISH];
    let unknown = builder(mail()).languages(SWEDISH).default_language("de").bind();
    assert!(matches!(unknown, Err(ServeError::DefaultLanguage)));
}

#[test]
fn r6856_2_5_utf_8_mode_makes_no_message_binary() {
    for policy in [Utf8Policy::Surrogate, Utf8Policy::Refuse] {
        let store = MemoryStore::new();
        store.add("mrose", "Content-Transfer-Encoding: binary\nSubject: ü\n\n.\na\rb\nno end");
        let (_running, address) = serve(builder(store).utf8(policy));
        let mut peer = Peer::greeted(address);
        assert!(peer.ask("UTF8").starts_with("+OK"));
        peer.log_in("mrose");
        peer.send("RETR 1\r\nQUIT\r\n");
        // Lines that end in CRLF, dots stuffed, the last line ended: as without UTF-8 mode.
        let want =
            "Content-Transfer-Encoding: binary\r\nSubject: ü\r\n\r\n..\r\na\rb\r\nno end\r\n.\r\n+OK bye\r\n";
        assert_eq!(peer.rest().0.split_once("\r\n").unwrap().1, want);
    }
}
