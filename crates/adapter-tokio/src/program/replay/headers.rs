//! IP, TCP and UDP headers for bytes that came without any, because the bridge sees streams: RFC 791, 9293 and 768.

use std::net::Ipv4Addr;

/// Address and port.
pub(super) type Place = (Ipv4Addr, u16);

/// More than a packet's payload can have beside its headers.
pub(super) const MOST: usize = u16::MAX as usize - 40;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// TCP's control bits.
pub(super) mod flag {
    pub(in super::super) const FIN: u8 = 1;
    pub(in super::super) const SYN: u8 = 2;
    pub(in super::super) const RST: u8 = 4;
    pub(in super::super) const PSH: u8 = 8;
    pub(in super::super) const ACK: u8 = 16;
}

/// IP and TCP in front of `payload`, which was `len` bytes long. Without all of it there is no checksum.
pub(super) fn tcp(
    from: Place,
    to: Place,
    (seq, ack): (u32, u32),
    flags: u8,
    payload: &[u8],
    len: usize,
) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(20);
    tcp.extend(from.1.to_be_bytes());
    tcp.extend(to.1.to_be_bytes());
    tcp.extend(seq.to_be_bytes());
    tcp.extend(ack.to_be_bytes());
    // Five words of header; the window is as large as can be, because nobody knows it.
    tcp.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    if payload.len() == len {
        let sum = checksum(&[&pseudo(from.0, to.0, TCP, 20 + len), &tcp, payload]);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    }
    let mut all = ip(from.0, to.0, TCP, 20 + len);
    all.append(&mut tcp);
    all
}

/// IP and UDP in front of `payload`, likewise.
pub(super) fn udp(from: Place, to: Place, payload: &[u8], len: usize) -> Vec<u8> {
    let mut udp = Vec::with_capacity(8);
    udp.extend(from.1.to_be_bytes());
    udp.extend(to.1.to_be_bytes());
    udp.extend(((8 + len) as u16).to_be_bytes());
    udp.extend([0, 0]);
    if payload.len() == len {
        let sum = match checksum(&[&pseudo(from.0, to.0, UDP, 8 + len), &udp, payload]) {
            // 0 means that there is none.
            0 => u16::MAX,
            sum => sum,
        };
        udp[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    let mut all = ip(from.0, to.0, UDP, 8 + len);
    all.append(&mut udp);
    all
}

fn ip(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, len: usize) -> Vec<u8> {
    let mut ip = vec![0x45, 0];
    ip.extend(((20 + len) as u16).to_be_bytes());
    // No fragments.
    ip.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    ip.extend(from.octets());
    ip.extend(to.octets());
    let sum = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    ip
}

/// What TCP's and UDP's checksums cover besides themselves.
fn pseudo(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, len: usize) -> Vec<u8> {
    let mut bytes = [from.octets(), to.octets()].concat();
    bytes.extend([0, protocol]);
    bytes.extend((len as u16).to_be_bytes());
    bytes
}

/// RFC 1071. All parts but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
