//! The two things that have to be said to the kernel over netlink: that loopback is up (rtnetlink(7)), and what udev would say
//! to its listeners.

use std::io;

use rustix::fd::OwnedFd;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

/// linux/rtnetlink.h: change a network interface.
const RTM_NEWLINK: u16 = 16;
/// linux/netlink.h: a request, and an answer is wanted.
const REQUEST_WITH_ANSWER: u16 = 0x1 | 0x4;
/// linux/if.h.
const IFF_UP: u32 = 1;
/// The first interface of every network.
const LOOPBACK: u32 = 1;
/// The listeners to udev itself, unlike those to the kernel (libudev-monitor).
const UDEV: u32 = 2;
/// What a message to them has in its head.
const MAGIC: u32 = 0xfeed_cafe;
const HEAD: u32 = 40;

/// Loopback carries packets.
///
/// # Errors
/// What the kernel refuses.
pub(super) fn loopback_up() -> io::Result<()> {
    let socket = open(None)?;
    let mut message = Vec::new();
    // struct nlmsghdr, struct ifinfomsg.
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_WITH_ANSWER.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 256];
    let (n, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    // struct nlmsgerr after the head: 0, or an error below it.
    match answer[..n].get(16..20).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::Error::other("the kernel's answer is too short")),
    }
}

/// Tells everybody who listens to udev about a device of `subsystem`.
///
/// # Errors
/// What the kernel refuses. That nobody listens is none.
pub(super) fn udev_event(subsystem: &str, properties: &[(&str, String)]) -> io::Result<()> {
    let body: String = properties.iter().map(|(name, value)| format!("{name}={value}\0")).collect();
    let mut message = b"libudev\0".to_vec();
    message.extend(MAGIC.to_be_bytes());
    message.extend(HEAD.to_ne_bytes());
    message.extend(HEAD.to_ne_bytes());
    message.extend((body.len() as u32).to_ne_bytes());
    message.extend(murmur2(subsystem.as_bytes()).to_be_bytes());
    // No device type, no tags.
    message.extend([0; 12]);
    message.extend(body.as_bytes());
    let socket = open(Some(KOBJECT_UEVENT))?;
    match sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, UDEV)) {
        Ok(_) | Err(rustix::io::Errno::CONNREFUSED) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// None is rtnetlink, which has number 0.
fn open(protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    Ok(socket)
}

/// MurmurHash2 with seed 0, by which listeners filter.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = word.iter().rev().fold(0, |k, &byte| k << 8 | u32::from(byte)).wrapping_mul(M);
        k = (k ^ k >> 24).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |k, &byte| k << 8 | u32::from(byte));
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(M);
    hash ^ hash >> 15
}
