//! The little of HTTP/1.1 that a monitoring system needs: [`judge`] reads one request.

/// The longest head of a request that is read, in octets.
pub(super) const MAX: usize = 8192;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Not known yet: the head is not whole.
    More,
    /// The metrics.
    Metrics,
    /// Something else, or in another way: the status line to answer with.
    Refused(&'static str),
}

/// Looks at the head of a request, as far as it has come. There is no body to a GET, and nothing is read behind it.
pub(super) fn judge(head: &[u8]) -> Asked {
    let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
        let full = head.len() >= MAX;
        return if full { Asked::Refused("431 Request Header Fields Too Large") } else { Asked::More };
    };
    let line = head.get(..end).unwrap_or_default().split(|&octet| octet == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&octet| octet == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Asked::Refused("400 Bad Request");
    };
    if !version.starts_with(b"HTTP/1.") {
        return Asked::Refused("505 HTTP Version Not Supported");
    }
    if method != b"GET" {
        return Asked::Refused("405 Method Not Allowed");
    }
    match target.split(|&octet| octet == b'?').next() {
        Some(b"/metrics") => Asked::Metrics,
        _ => Asked::Refused("404 Not Found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_when_its_head_is_whole_and_not_before() {
        const HEAD: &[u8] = b"GET /metrics?x=y HTTP/1.1\r\nHost: localhost:9101\r\nAccept: */*\r\n\r\n";
        for end in 0..HEAD.len() {
            assert_eq!(judge(&HEAD[..end]), Asked::More);
        }
        assert_eq!(judge(HEAD), Asked::Metrics);
        assert_eq!(judge(b"GET /metrics HTTP/1.0\r\n\r\n"), Asked::Metrics);
        for (line, status) in [
            ("GET / HTTP/1.1", "404"),
            ("GET /metrics/ HTTP/1.1", "404"),
            ("GET http://localhost/metrics HTTP/1.1", "404"),
            ("HEAD /metrics HTTP/1.1", "405"),
            ("POST /metrics HTTP/1.1", "405"),
            ("get /metrics HTTP/1.1", "405"),
            ("GET /metrics HTTP/2", "505"),
            ("GET /metrics", "400"),
            ("GET  /metrics HTTP/1.1", "400"),
            ("USER mrose", "400"),
            ("", "400"),
        ] {
            let head = format!("{line}\r\nHost: h\r\n\r\n");
            assert!(
                matches!(judge(head.as_bytes()), Asked::Refused(told) if told.starts_with(status)),
                "{line}"
            );
        }
        assert_eq!(judge(&[b'x'; MAX - 1]), Asked::More);
        assert!(matches!(judge(&[b'x'; MAX]), Asked::Refused(told) if told.starts_with("431")));
    }
}
