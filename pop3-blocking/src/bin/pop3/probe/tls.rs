//! TLS: versions, suites, extensions, ALPN, and whether the server wants a certificate.

use std::time::Duration;

use pop3_blocking::tls::TlsVersion;

use super::case::{Case, Checked, Level, Need, PASS, Problem, note, skip};
use super::hello::{self, Answer, BAD_SUITES, GOOD_SUITES, OLD_SUITES};
use super::kit::{GRACE, Kit, unclear};
use super::link::Link;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "tls-13",
        rows: "R9325-3.1",
        title: "TLS 1.3 is there",
        level: Level::Should,
        needs: &[Need::Tls],
        check: tls_13,
    },
    Case {
        id: "tls-12",
        rows: "R9325-3.1 R9325-4.2",
        title: "TLS 1.2 is there, with ECDHE and AES-GCM or ChaCha20",
        level: Level::Should,
        needs: &[Need::Tls],
        check: tls_12,
    },
    Case {
        id: "tls-old-versions",
        rows: "R8996-4.1",
        title: "TLS 1.0 and 1.1 are refused",
        level: Level::Must,
        needs: &[Need::Tls],
        check: old_versions,
    },
    Case {
        id: "tls-ssl2",
        rows: "R6176-3.1",
        title: "SSL 2.0 is refused",
        level: Level::Must,
        needs: &[Need::Tls],
        check: ssl2,
    },
    Case {
        id: "tls-weak-suites",
        rows: "R9325-4.2",
        title: "no RC4, no NULL, no export, no DES, no key under RSA alone",
        level: Level::Should,
        needs: &[Need::Tls],
        check: weak_suites,
    },
    Case {
        id: "tls-extensions",
        rows: "R9325-3.5",
        title: "TLS 1.2 has renegotiation_info, extended_master_secret and no compression",
        level: Level::Must,
        needs: &[Need::Tls],
        check: extensions,
    },
    Case {
        id: "tls-alpn",
        rows: "R9325-3.8 RP-ALPN.1",
        title: "of ALPN, pop3 is chosen",
        level: Level::Should,
        needs: &[Need::Tls],
        check: alpn,
    },
    Case {
        id: "tls-alpn-other",
        rows: "R7301-3.2",
        title: "a client that knows only http/1.1 gets the alert no_application_protocol",
        level: Level::Must,
        needs: &[Need::Tls],
        check: alpn_other,
    },
    Case {
        id: "tls-certificate-request",
        rows: "R8314-4.2 RDM-2.1a",
        title: "no certificate is asked for unless SASL EXTERNAL is offered",
        level: Level::Must,
        needs: &[Need::Tls],
        check: certificate_request,
    },
    Case {
        id: "tls-cleartext",
        rows: "R8314-3.1 PB-Q66",
        title: "commands in the clear are not answered where TLS is due",
        level: Level::Must,
        needs: &[Need::Implicit],
        check: cleartext,
    },
    Case {
        id: "tls-hello-in-clear",
        rows: "PB-Q66 RP-ALPACA.1",
        title: "a TLS hello where a command is due ends the connection",
        level: Level::Should,
        needs: &[Need::Stls],
        check: hello_in_clear,
    },
];

/// How long a server may take to refuse a handshake.
const REFUSAL: Duration = Duration::from_secs(3);

/// A connection on which the next octet is that of a handshake.
fn ready(kit: &mut Kit) -> Result<Link, Problem> {
    let mut link = kit.open()?;
    if !kit.is_implicit() {
        link.greet().map_err(unclear)?;
        let reply = link.ask("STLS").map_err(unclear)?;
        if !reply.is_ok() {
            return Err(Problem::Unclear("STLS was refused".into()));
        }
    }
    Ok(link)
}

/// Sends a hello and looks at the answer.
fn offer(
    kit: &mut Kit,
    hello: &[u8],
    wait: Duration,
    look: impl FnOnce(&Link, &Answer) -> Checked,
) -> Checked {
    let mut link = ready(kit)?;
    let answer = hello::exchange(&mut link, hello, wait);
    let done = look(&link, &answer);
    link.vanish();
    done
}

/// Offers TLS 1.2 as a good client would.
fn offer_12(kit: &mut Kit, protocol: &[u8], look: impl FnOnce(&Link, &Answer) -> Checked) -> Checked {
    let (hello, wait) = (hello::hello(0x0303, GOOD_SUITES, kit.host(), protocol), kit.wait());
    offer(kit, &hello, wait, |link, answer| {
        if answer.version == Some(0x0303)
            || answer.alert.is_some_and(|(_, alert)| alert == hello::NO_APPLICATION_PROTOCOL)
        {
            look(link, answer)
        } else {
            skip(format!("no TLS 1.2: {}", answer.text()))
        }
    })
}

fn tls_13(kit: &mut Kit) -> Checked {
    kit.before_login(|link| {
        let version = link.tls().map(|tls| tls.version());
        link.expect(version == Some(TlsVersion::Tls13), "TLS 1.3")?;
        PASS
    })
}

fn tls_12(kit: &mut Kit) -> Checked {
    let (hello, wait) = (hello::hello(0x0303, GOOD_SUITES, kit.host(), b""), kit.wait());
    offer(kit, &hello, wait, |link, answer| {
        link.expect(answer.version == Some(0x0303), format!("TLS 1.2, not {}", answer.text()))?;
        PASS
    })
}

/// No handshake may come of this.
fn refused(kit: &mut Kit, hello: &[u8]) -> Checked {
    offer(kit, hello, REFUSAL, |link, answer| {
        link.expect(answer.version.is_none(), format!("an alert, not {}", answer.text()))?;
        note(answer.text())
    })
}

fn old_versions(kit: &mut Kit) -> Checked {
    for version in [0x0301, 0x0302] {
        let hello = hello::hello(version, OLD_SUITES, kit.host(), b"");
        refused(kit, &hello)?;
    }
    PASS
}

fn ssl2(kit: &mut Kit) -> Checked {
    offer(kit, &hello::ssl2_hello(), REFUSAL, |link, answer| {
        // A server of SSL 2.0 answers with a record in that form, which is no record of TLS.
        let good = answer.version.is_none() && !answer.foreign;
        link.expect(good, format!("an alert or the end, not {}", answer.text()))?;
        note(answer.text())
    })
}

fn weak_suites(kit: &mut Kit) -> Checked {
    let hello = hello::hello(0x0303, BAD_SUITES, kit.host(), b"");
    refused(kit, &hello)
}

fn extensions(kit: &mut Kit) -> Checked {
    offer_12(kit, b"", |link, answer| {
        let has = |number| answer.extension(number).is_some();
        link.expect(has(hello::RENEGOTIATION_INFO), "renegotiation_info")?;
        link.expect(has(hello::EXTENDED_MASTER_SECRET), "extended_master_secret")?;
        link.expect(answer.compression == 0, "no compression")?;
        PASS
    })
}

fn alpn(kit: &mut Kit) -> Checked {
    offer_12(kit, b"pop3", |link, answer| {
        let chosen = answer.extension(hello::ALPN).is_some_and(|octets| octets.ends_with(b"\x04pop3"));
        link.expect(chosen, "pop3 in the extension ALPN")?;
        PASS
    })
}

fn alpn_other(kit: &mut Kit) -> Checked {
    let mut known = false;
    offer_12(kit, b"pop3", |_, answer| {
        known = answer.extension(hello::ALPN).is_some();
        PASS
    })?;
    if !known {
        return skip("the server knows no ALPN");
    }
    offer_12(kit, b"http/1.1", |link, answer| {
        let alert = answer.alert.is_some_and(|(_, alert)| alert == hello::NO_APPLICATION_PROTOCOL);
        link.expect(alert && answer.version.is_none(), format!("alert 120, not {}", answer.text()))?;
        PASS
    })
}

fn certificate_request(kit: &mut Kit) -> Checked {
    let external = kit.facts.has_mechanism("EXTERNAL");
    offer_12(kit, b"", |link, answer| {
        let asked = answer.messages.contains(&hello::CERTIFICATE_REQUEST);
        if asked && external {
            return note("asked for, and EXTERNAL is offered");
        }
        link.expect(!asked, "no CertificateRequest")?;
        PASS
    })
}

fn cleartext(kit: &mut Kit) -> Checked {
    let mut link = kit.open()?;
    link.send(b"CAPA\r\nQUIT\r\n");
    let (lines, end) = link.rest(GRACE);
    let answered = lines.iter().any(|line| line.octets.starts_with(b"+OK"));
    link.expect(!answered, "an alert, or the end of the connection")?;
    link.vanish();
    note(if end.is_some() { "the connection ends" } else { "no answer" })
}

fn hello_in_clear(kit: &mut Kit) -> Checked {
    let hello = hello::hello(0x0303, GOOD_SUITES, kit.host(), b"pop3");
    kit.in_clear(|link| {
        // A line end, so that it is a line in any case.
        link.send(&[&hello, &b"\r\n"[..]].concat());
        let end = link.end(GRACE);
        link.expect(end.is_some(), "the end of the connection")?;
        PASS
    })
}
