//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian.

use std::io::{self, Write};
use std::net::Ipv4Addr;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const NAMES: u32 = 4;
const PACKET: u32 = 6;

const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;

/// What the packets of an interface are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkType {
    /// Raw IP (101).
    Ip,
    /// For private use (147): there is none for a bare UART, and Wireshark lets its user say what is in it. The page's files have it, too.
    User0,
}

/// Seen from the host that has the serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// A packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) interface: u32,
    /// µs since 1970.
    pub(super) micros: u64,
    pub(super) way: Option<Way>,
    /// What is known of it, in two parts.
    pub(super) bytes: [&'a [u8]; 2],
    /// How long it was.
    pub(super) len: usize,
    pub(super) comments: &'a [String],
}

/// Begins a file.
pub(super) fn section(out: &mut impl Write, comments: &[String]) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(0x1a2b_3c4d_u32.to_le_bytes());
    body.extend(1_u32.to_le_bytes());
    // The length of the section is not known.
    body.extend(u64::MAX.to_le_bytes());
    for comment in comments {
        option(&mut body, OPT_COMMENT, comment.as_bytes());
    }
    option(&mut body, SHB_USERAPPL, b"uartbridge replay");
    end_of_options(&mut body);
    block(out, SECTION, &body)
}

/// An interface; they are counted from 0 in their order.
pub(super) fn interface(out: &mut impl Write, link: LinkType, name: &str, about: &str) -> io::Result<()> {
    let number: u16 = match link {
        LinkType::Ip => 101,
        LinkType::User0 => 147,
    };
    let mut body = Vec::new();
    body.extend(number.to_le_bytes());
    body.extend([0; 6]);
    option(&mut body, IF_NAME, name.as_bytes());
    option(&mut body, IF_DESCRIPTION, about.as_bytes());
    // Times are in 10^-6 s.
    option(&mut body, IF_TSRESOL, &[6]);
    end_of_options(&mut body);
    block(out, INTERFACE, &body)
}

/// What an address is called.
pub(super) fn name(out: &mut impl Write, address: Ipv4Addr, name: &str) -> io::Result<()> {
    let mut value = address.octets().to_vec();
    value.extend(name.bytes().filter(|&byte| byte != 0).take(255));
    value.push(0);
    let mut body = Vec::new();
    option(&mut body, 1, &value);
    end_of_options(&mut body);
    block(out, NAMES, &body)
}

/// A packet.
pub(super) fn packet(out: &mut impl Write, packet: &Packet<'_>) -> io::Result<()> {
    let Packet { interface, micros, way, bytes, len, comments } = *packet;
    let captured = bytes.iter().map(|part| part.len()).sum::<usize>() as u32;
    let mut body = Vec::with_capacity(captured as usize + 64);
    for number in
        [interface, (micros >> 32) as u32, micros as u32, captured, u32::try_from(len).unwrap_or(u32::MAX)]
    {
        body.extend(number.to_le_bytes());
    }
    bytes.iter().for_each(|part| body.extend_from_slice(part));
    pad(&mut body);
    for comment in comments {
        option(&mut body, OPT_COMMENT, comment.as_bytes());
    }
    if let Some(way) = way {
        let flags: u32 = match way {
            Way::In => 1,
            Way::Out => 2,
        };
        option(&mut body, EPB_FLAGS, &flags.to_le_bytes());
    }
    end_of_options(&mut body);
    block(out, PACKET, &body)
}

/// Type and length, the body, and the length again.
fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let len = (body.len() as u32 + 12).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&len)?;
    out.write_all(body)?;
    out.write_all(&len)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(u16::MAX.into())];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
