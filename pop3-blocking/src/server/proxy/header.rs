//! The PROXY header, both versions: [`parse`], which waits for nothing.
//!
//! It asks for octets that are part of the header in any case, so who reads what it asks for reads nothing behind it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::ProxyHeaderError as Error;

/// What was made of the octets so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many more are part of the header, one at least; others may follow them.
    More(usize),
    /// It is whole.
    Done(Header),
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The client, if it is one of TCP.
    pub(crate) source: Option<SocketAddr>,
    /// How long it is.
    pub(crate) octets: usize,
}

/// What begins a header of version 1.
const LINE: &[u8] = b"PROXY ";

/// What begins a header of version 2: what no other protocol begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The shortest header there is: `PROXY UNKNOWN`. One of version 2 has one octet more.
const SHORTEST: usize = 15;

/// The longest line of version 1, CRLF included.
const LINE_MAX: usize = 107;

/// The part of a version 2 header before addresses and additions.
const FIXED: usize = 16;

/// The longest header of version 2 that is taken. Addresses are 216 octets at most, a certificate's name may follow.
const MAX: usize = 4096;

/// As long as most are.
pub(crate) const USUAL: usize = 64;

/// The type of the addition that is a checksum.
const CRC32C: u8 = 3;

/// Reads the header at the start of `octets`, or tells how many are missing of it at least.
pub(crate) fn parse(octets: &[u8]) -> Result<Step, Error> {
    if begins(octets, LINE) {
        line(octets)
    } else if begins(octets, SIGNATURE) {
        block(octets)
    } else {
        Err(Error::Missing)
    }
}

/// Whether `octets` begin with `signature`, as far as they go.
fn begins(octets: &[u8], signature: &[u8]) -> bool {
    octets.iter().zip(signature).all(|(octet, wanted)| octet == wanted)
}

/// Version 1.
fn line(octets: &[u8]) -> Result<Step, Error> {
    if let Some(missing) = missing(octets, SHORTEST) {
        return Ok(missing);
    }
    let within = octets.get(..LINE_MAX).unwrap_or(octets);
    let Some(end) = within.windows(2).position(|two| two == b"\r\n") else {
        let wanted = if octets.last() == Some(&b'\r') { 1 } else { 2 };
        return if octets.len() + wanted > LINE_MAX { Err(Error::TooLong) } else { Ok(Step::More(wanted)) };
    };
    let text = octets.get(LINE.len()..end).unwrap_or_default();
    let source = if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        None
    } else {
        Some(core::str::from_utf8(text).ok().and_then(client).ok_or(Error::Malformed)?)
    };
    Ok(Step::Done(Header { source, octets: end + 2 }))
}

/// The source in `TCP4 SOURCE DESTINATION PORT PORT`.
fn client(text: &str) -> Option<SocketAddr> {
    let mut parts = text.split(' ');
    let family = parts.next()?;
    let mut address = || -> Option<IpAddr> {
        let text = parts.next()?;
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, _destination) = (address()?, address()?);
    let (source_port, _destination_port) = (port(parts.next()?)?, port(parts.next()?)?);
    parts.next().is_none().then_some(SocketAddr::new(source, source_port))
}

/// Digits, without zeros in front.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok()).flatten()
}

/// Version 2.
fn block(octets: &[u8]) -> Result<Step, Error> {
    let local = match octets.get(SIGNATURE.len()) {
        Some(0x20) => true,
        Some(0x21) | None => false,
        Some(_) => return Err(Error::Malformed),
    };
    // No read may reach behind the shortest header before it is known which one this is.
    if let Some(missing) = missing(octets, SHORTEST).or_else(|| missing(octets, FIXED)) {
        return Ok(missing);
    }
    let Some(&[family, high, low]) = octets.get(SIGNATURE.len() + 1..FIXED) else {
        return Err(Error::Malformed);
    };
    let whole = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if whole > MAX {
        return Err(Error::TooLong);
    }
    if let Some(missing) = missing(octets, whole) {
        return Ok(missing);
    }
    let header = octets.get(..whole).unwrap_or_default();
    // What a proxy says of itself does not matter.
    let source = if local { None } else { addresses(family, header)? };
    Ok(Step::Done(Header { source, octets: whole }))
}

/// The source in a block, if it is one of TCP, and the checks of what is behind the addresses.
fn addresses(family: u8, header: &[u8]) -> Result<Option<SocketAddr>, Error> {
    if family >> 4 > 3 || family & 0xf > 2 {
        return Err(Error::Malformed);
    }
    let rest = header.get(FIXED..).unwrap_or_default();
    let size = match family {
        0x11 | 0x12 => 2 * 4 + 2 * 2,
        0x21 | 0x22 => 2 * 16 + 2 * 2,
        0x31 | 0x32 => 2 * 108,
        // How long they are is not told, and they are not used.
        _ => return Ok(None),
    };
    let (places, additions) = rest.split_at_checked(size).ok_or(Error::Malformed)?;
    check_additions(header, additions)?;
    Ok(match family {
        0x11 => places.first_chunk::<10>().map(|&[a, b, c, d, _, _, _, _, high, low]| {
            SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]))
        }),
        0x21 => places.first_chunk::<16>().zip(places.get(32..34)).map(|(address, port)| {
            let port = port.iter().fold(0, |port, octet| port << 8 | u16::from(*octet));
            SocketAddr::new(Ipv6Addr::from(*address).into(), port)
        }),
        _ => None,
    })
}

/// Looks at the additions, each with a type and a length: they must fit, and a checksum must be that of the header.
fn check_additions(header: &[u8], additions: &[u8]) -> Result<(), Error> {
    let (mut rest, mut checked) = (additions, false);
    while !rest.is_empty() {
        let Some((&[kind, high, low], behind)) = rest.split_first_chunk() else {
            return Err(Error::Malformed);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, behind) = behind.split_at_checked(length).ok_or(Error::Malformed)?;
        if kind == CRC32C {
            let sum = <[u8; 4]>::try_from(value).map_err(|_| Error::Malformed)?;
            let place = header.len().saturating_sub(behind.len() + value.len());
            let zeroed = header.iter().enumerate().map(|(at, octet)| {
                if (place..place.saturating_add(value.len())).contains(&at) { 0 } else { *octet }
            });
            if std::mem::replace(&mut checked, true) {
                return Err(Error::Malformed);
            }
            if crc32c(zeroed) != u32::from_be_bytes(sum) {
                return Err(Error::Checksum);
            }
        }
        rest = behind;
    }
    Ok(())
}

/// CRC32c (RFC 4960 appendix B), bit by bit: it is for one header.
fn crc32c(octets: impl Iterator<Item = u8>) -> u32 {
    const REVERSED: u32 = 0x82f6_3b78;
    !octets.fold(u32::MAX, |sum, octet| {
        (0..8)
            .fold(sum ^ u32::from(octet), |sum, _| if sum & 1 == 1 { sum >> 1 ^ REVERSED } else { sum >> 1 })
    })
}

/// What is missing of `wanted` octets, if anything.
fn missing(octets: &[u8], wanted: usize) -> Option<Step> {
    wanted.checked_sub(octets.len()).filter(|missing| *missing > 0).map(Step::More)
}

#[cfg(test)]
mod tests;
