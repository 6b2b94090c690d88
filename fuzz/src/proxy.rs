//! The PROXY header: what a listener behind a load balancer reads before anything else.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use pop3_blocking::fuzzing::{ProxyHeader, proxy_header};
use pop3_blocking::server::ProxyHeaderError as Error;

use crate::plan::Plan;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The header at the start of `octets` as a naive reader sees it, once all of it is there: the client, and its length.
fn naive(octets: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    if octets.starts_with(SIGNATURE) {
        let [local, family, high, low] = *octets[12..].first_chunk()?;
        let whole = 16 + (usize::from(high) << 8) + usize::from(low);
        let mut header = octets.get(16..whole).filter(|_| whole <= 4096)?;
        if local == 0x20 {
            return Some((None, whole));
        }
        if local != 0x21 || family / 16 > 3 || family % 16 > 2 {
            return None;
        }
        let size = match family / 16 {
            _ if family % 16 == 0 => return Some((None, whole)),
            0 => return Some((None, whole)),
            1 => 12,
            2 => 36,
            _ => 216,
        };
        let places = header.get(..size)?;
        header = &header[size..];
        let mut sums = 0;
        while let Some((&kind, rest)) = header.split_first() {
            let [high, low] = *rest.first_chunk()?;
            let end = 2 + usize::from(high) * 256 + usize::from(low);
            let value = rest.get(2..end)?;
            header = &rest[end..];
            if kind == 3 {
                sums += 1;
                let mut zeroed = octets[..whole].to_vec();
                let behind = whole - header.len();
                zeroed[behind - value.len()..behind].fill(0);
                if value != crc32c(&zeroed).to_be_bytes() || sums > 1 {
                    return None;
                }
            }
        }
        let client = match family {
            0x11 => Some(SocketAddr::new(
                IpAddr::from(<[u8; 4]>::try_from(&places[..4]).unwrap()),
                u16::from_be_bytes([places[8], places[9]]),
            )),
            0x21 => Some(SocketAddr::new(
                IpAddr::from(<[u8; 16]>::try_from(&places[..16]).unwrap()),
                u16::from_be_bytes([places[32], places[33]]),
            )),
            _ => None,
        };
        return Some((client, whole));
    }
    let end = (0..106).find(|&at| octets.get(at..at + 2) == Some(b"\r\n"))?;
    let line = std::str::from_utf8(octets[..end].strip_prefix(b"PROXY ")?);
    if octets[6..end].split(|&octet| octet == b' ').next() == Some(b"UNKNOWN") {
        return Some((None, end + 2));
    }
    let [family, source, destination, from, to] = line.ok()?.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (source, destination): (IpAddr, IpAddr) = (source.parse().ok()?, destination.parse().ok()?);
    let wanted = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let ports: Vec<u16> = [from, to].iter().filter_map(|port| port.parse().ok()).collect();
    let same = ports.iter().map(u16::to_string).eq([from, to]);
    (family == wanted && source.is_ipv4() == destination.is_ipv4() && same)
        .then(|| (Some(SocketAddr::new(source, ports[0])), end + 2))
}

/// By long division, the first bit of each octet last.
fn crc32c(octets: &[u8]) -> u32 {
    let bits = octets.iter().flat_map(|octet| (0..8).map(move |bit| u32::from(*octet) >> bit & 1));
    let rest = bits.fold(
        u32::MAX,
        |rest, bit| {
            if rest >> 31 ^ bit == 1 { (rest << 1) ^ 0x1edc_6f41 } else { rest << 1 }
        },
    );
    !rest.reverse_bits()
}

/// A header made by the rules, the client that it names, and where its checksum is.
fn made(plan: &mut Plan<'_>) -> (Vec<u8>, Option<SocketAddr>, Option<usize>) {
    let shape = plan.next();
    let address = |plan: &mut Plan<'_>| -> IpAddr {
        let part = u16::from_be_bytes([plan.next(), plan.next()]);
        if shape & 1 == 0 {
            let [a, b] = part.to_be_bytes();
            [a, 0, 2, b].into()
        } else {
            Ipv6Addr::new(part, 0, 0, 7, 0, 0, 0, part).into()
        }
    };
    let (source, destination) = (address(plan), address(plan));
    let port = u16::from_be_bytes([plan.next(), plan.next()]);
    if shape & 2 == 0 {
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {source} {destination} {port} 995\r\n");
        return (line.into_bytes(), Some(SocketAddr::new(source, port)), None);
    }
    let mut block = SIGNATURE.to_vec();
    block.extend([0x21, if source.is_ipv4() { 0x11 } else { 0x21 }, 0, 0]);
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => block.extend(address.octets()),
            IpAddr::V6(address) => block.extend(address.octets()),
        }
    }
    block.extend(port.to_be_bytes());
    block.extend([3, 0xe3]);
    let place = block.len() + 3;
    let summed = shape & 4 != 0;
    if summed {
        block.extend([3, 0, 4, 0, 0, 0, 0]);
    }
    for _ in 0..plan.below(3) {
        let (kind, value) = (plan.next() | 0xe0, plan.piece());
        block.extend([kind, 0, u8::try_from(value.len()).unwrap()]);
        block.extend(value);
    }
    let length = u16::try_from(block.len() - 16).unwrap();
    block[14..16].copy_from_slice(&length.to_be_bytes());
    if summed {
        let sum = crc32c(&block);
        block[place..place + 4].copy_from_slice(&sum.to_be_bytes());
    }
    (block, Some(SocketAddr::new(source, port)), summed.then_some(place))
}

/// Reads `octets` in pieces of that size at most, asking as a listener does; `None`: there are too few.
fn asked(octets: &[u8], piece: usize) -> Option<Result<(Option<SocketAddr>, usize), Error>> {
    let mut known = 0;
    loop {
        match proxy_header(&octets[..known]) {
            ProxyHeader::Part(missing) => {
                assert!(missing > 0);
                if known == octets.len() {
                    return None;
                }
                known += missing.min(piece).min(octets.len() - known);
            }
            ProxyHeader::Whole(client, length) => {
                // Not one octet behind the header was asked for.
                assert_eq!(length, known);
                return Some(Ok((client, length)));
            }
            ProxyHeader::Bad(error) => return Some(Err(error)),
        }
    }
}

/// A header is that of a naive reader, whatever the cut, and nothing behind it is ever asked for; one that was made by the
/// rules names whom it was made for, and one octet that is changed under a checksum is found.
pub fn proxy(input: &[u8]) {
    let mut plan = Plan::new(input);
    let kind = plan.next();
    let piece = usize::from(plan.next() % 40) + 1;
    let octets = match kind % 4 {
        0 => plan.rest().to_vec(),
        1 => [SIGNATURE, plan.rest()].concat(),
        2 => [b"PROXY ", plan.rest()].concat(),
        _ => {
            let (at, change) = (usize::from(plan.next()), plan.next());
            let (mut header, client, place) = made(&mut plan);
            let length = header.len();
            assert_eq!(asked(&header, piece), Some(Ok((client, length))), "{}", header.escape_ascii());
            header.extend(b"USER mrose\r\n");
            header[at % length] ^= change;
            // In an address, or in the checksum itself.
            let under = |place| (16..place - 3).chain(place..place + 4).any(|changed| changed == at % length);
            if change != 0 && place.is_some_and(under) {
                assert_eq!(asked(&header, piece), Some(Err(Error::Checksum)), "{}", header.escape_ascii());
            }
            header
        }
    };
    let outcome = asked(&octets, piece);
    for piece in [1, usize::MAX] {
        assert_eq!(asked(&octets, piece), outcome, "{}", octets.escape_ascii());
    }
    match outcome {
        Some(Ok(header)) => assert_eq!(naive(&octets), Some(header), "{}", octets.escape_ascii()),
        Some(Err(_)) => assert_eq!(naive(&octets), None, "{}", octets.escape_ascii()),
        None => assert_eq!(naive(&octets), None, "{}", octets.escape_ascii()),
    }
}
