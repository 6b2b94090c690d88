use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// What the proxy says, and what of it belongs to the answer: the rest is the server's.
struct Script {
    said: Vec<u8>,
    answer: usize,
}

/// Lets `proxy` ask for a way; the other side says `parts` one after the other and closes if `close`. Tells what was
/// asked, what came of it, and what could be read behind it.
fn tunnel(proxy: &Proxy, host: &str, parts: &[&[u8]], close: bool) -> (Vec<u8>, Result<Vec<u8>, ProxyError>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut writer = theirs.try_clone().unwrap();
    for part in parts {
        writer.write_all(part).unwrap();
    }
    if close {
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let deadline = Deadline::after(LONG);
    let got = proxy.tunnel(Transport::plain(ours), host, 995, deadline).map(|mut transport| {
        let mut behind = [0; 64];
        match transport.read(&mut behind, deadline).unwrap() {
            Input::Octets(octets) => behind[..octets].to_vec(),
            Input::Closed => Vec::new(),
        }
    });
    drop(writer);
    let mut asked = Vec::new();
    let mut reader = theirs;
    // A side that closes with octets unread resets the other.
    reader.read_to_end(&mut asked).ok();
    (asked, got)
}

fn good() -> Vec<(Proxy, &'static str, Vec<u8>, Script)> {
    let script = |answer: &[u8]| Script { said: [answer, b"+OK hi\r\n"].concat(), answer: answer.len() };
    let socks = || Proxy::socks5("p", 1);
    let http = || Proxy::http_connect("p", 1);
    vec![
        (
            socks(),
            "pop.example",
            b"\x05\x01\x00\x05\x01\x00\x03\x0bpop.example\x03\xe3".to_vec(),
            script(b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"),
        ),
        (
            socks(),
            "192.0.2.1",
            b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x03\xe3".to_vec(),
            script(b"\x05\x00\x05\x00\x00\x03\x02ab\x00\x50"),
        ),
        (
            socks().with_credentials("me", "p w"),
            "[2001:db8::1]",
            b"\x05\x02\x00\x02\x01\x02me\x03p w\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x03\xe3".to_vec(),
            script(&[b"\x05\x02\x01\x00\x05\x00\x00\x04".as_slice(), &[0; 18]].concat()),
        ),
        (
            http(),
            "pop.example",
            b"CONNECT pop.example:995 HTTP/1.1\r\nHost: pop.example:995\r\n\r\n".to_vec(),
            script(b"HTTP/1.1 200 Connection established\r\nX: y\r\nContent-Length: 5\r\n\r\n"),
        ),
        (
            http().with_credentials("Aladdin", "open sesame"),
            "2001:db8::1",
            b"CONNECT [2001:db8::1]:995 HTTP/1.1\r\nHost: [2001:db8::1]:995\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
                .to_vec(),
            script(b"HTTP/1.0 200\n\n"),
        ),
    ]
}

#[test]
fn r1928_no_octet_behind_the_answer_is_lost_at_any_cut() {
    for (proxy, host, asked, Script { said, answer }) in good() {
        for cut in 0..=said.len() {
            let (seen, got) = tunnel(&proxy, host, &[&said[..cut], &said[cut..]], false);
            assert_eq!(seen, asked, "{proxy:?} cut at {cut}");
            assert_eq!(got.unwrap(), said[answer..], "{proxy:?} cut at {cut}");
        }
        let octets: Vec<&[u8]> = said.chunks(1).collect();
        assert_eq!(tunnel(&proxy, host, &octets, false).1.unwrap(), said[answer..]);
    }
}

#[test]
fn r7_an_answer_that_ends_early_is_an_error_wherever_it_ends() {
    for (proxy, host, _, Script { said, answer }) in good() {
        for cut in 0..answer {
            let (_, got) = tunnel(&proxy, host, &[&said[..cut]], true);
            assert!(matches!(got, Err(ProxyError::Closed)), "{proxy:?} ends at {cut}: {got:?}");
        }
    }
}

#[test]
fn what_a_proxy_may_say_instead() {
    let (socks, http) = (Proxy::socks5("p", 1), Proxy::http_connect("p", 1));
    let known = socks.clone().with_credentials("a", "b");
    let endless = [b"HTTP/1.1 200 x\r\nX: ".as_slice(), &[b'y'; 9000]].concat();
    for (proxy, said, want) in [
        (&socks, &b"\x05\xff"[..], "wants a user and password"),
        (&socks, b"\x05\x02", "no proxy of this kind"),
        (&socks, b"\x04\x00", "no proxy of this kind"),
        (&socks, b"HTTP/1.1 400 Bad\r\n\r\n", "no proxy of this kind"),
        (&known, b"\x05\x02\x01\x01", "wants a user and password"),
        (&known, b"\x05\x02\x05\x00", "no proxy of this kind"),
        (&socks, b"\x05\x00\x05\x05\x00\x01", "connection refused (5)"),
        (&socks, b"\x05\x00\x05\x02\x00\x01", "not allowed by its rules (2)"),
        (&socks, b"\x05\x00\x05\x63\x00\x01", "unknown reply (99)"),
        (&socks, b"\x05\x00\x05\x00\x00\x09", "no proxy of this kind"),
        (&http, b"HTTP/1.1 403 For\x1bbidden\r\n\r\n", "403 For\\x1bbidden"),
        (&http, b"HTTP/1.1 407 Who\r\n\r\n", "wants a user and password"),
        (&http, b"HTTP/1.1 2000 x\r\n\r\n", "no proxy of this kind"),
        (&http, b"HTTP/2 200 x\r\n\r\n", "no proxy of this kind"),
        (&http, b"+OK POP3\r\n", "no proxy of this kind"),
        (&http, b"\x05\x00", "no proxy of this kind"),
        (&http, &endless, "over the limit of 8192 octets"),
    ] {
        let (_, got) = tunnel(proxy, "h", &[said], false);
        let told = got.unwrap_err().to_string();
        assert!(told.contains(want), "{}: {told}", said.escape_ascii());
    }
    for host in ["", "a b", "a\r\nb", "b\u{fc}cher.example", &"a".repeat(256)] {
        let (asked, got) = tunnel(&http, host, &[], false);
        assert!(matches!(got, Err(ProxyError::Host)) && asked.is_empty(), "{host}");
    }
}

#[test]
fn r7_a_proxy_that_says_nothing_is_left() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let deadline = Deadline::at(std::time::Instant::now());
    let got = Proxy::socks5("p", 1).tunnel(Transport::plain(ours), "h", 1, deadline);
    assert!(matches!(got, Err(ProxyError::TimedOut)));
}

#[test]
fn what_names_a_proxy() {
    for (url, want) in [
        ("socks5h://p", Ok(("p", 1080, None, None))),
        ("SOCKS5H://p:1/", Ok(("p", 1, None, None))),
        ("http://[::1]:8080", Ok(("::1", 8080, None, None))),
        ("http://a%40b:c%3ad@p:1", Ok(("p", 1, Some("a@b"), Some("c:d")))),
        ("socks5h://me@p", Ok(("p", 1080, Some("me"), Some("")))),
        ("http://p", Err(ProxyUrlError::Port)),
        ("http://p:0", Err(ProxyUrlError::Port)),
        ("http://p:x", Err(ProxyUrlError::Port)),
        ("http://:1", Err(ProxyUrlError::Host)),
        ("http://a/b:1", Err(ProxyUrlError::Host)),
        ("http://a:%4@p:1", Err(ProxyUrlError::Login)),
        ("http://a:%ff@p:1", Err(ProxyUrlError::Login)),
        ("socks5://p:1", Err(ProxyUrlError::LocalNames)),
        ("https://p:1", Err(ProxyUrlError::Scheme)),
        ("p:1", Err(ProxyUrlError::Scheme)),
    ] {
        let proxy = Proxy::parse(url);
        let seen = proxy.as_ref().map_err(|&error| error).map(|proxy| {
            let password = proxy.password.as_deref().map(String::as_str);
            (proxy.host.as_str(), proxy.port, proxy.user.as_deref(), password)
        });
        assert_eq!(seen, want, "{url}");
    }
    let proxy = Proxy::parse("http://user:canary@p:1").unwrap();
    assert!(proxy.has_password() && !format!("{proxy:?}").contains("canary"));
}

#[test]
fn r4648_10_base64() {
    for (text, want) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(text).as_str(), want);
    }
}
