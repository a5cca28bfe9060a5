//! A peer that speaks UDP: answers whoever spoke last.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use rustix::event::PollFlags;

use super::live::Interest;
use crate::world::Observed;

#[derive(Debug)]
pub(crate) struct UdpPeer {
    index: usize,
    socket: UdpSocket,
    bridge: Option<SocketAddr>,
}

impl UdpPeer {
    pub(super) fn new(index: usize, address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { index, socket, bridge: None })
    }

    pub(super) fn interest(&self) -> Interest<'_> {
        (self.socket.as_fd(), PollFlags::IN)
    }

    pub(super) fn send(&self, bytes: &[u8], observed: &mut Observed) -> io::Result<()> {
        let bridge = self.bridge.ok_or_else(|| io::Error::other("the bridge has not sent anything yet"))?;
        observed.peer_sent.extend(bytes);
        self.socket.send_to(bytes, bridge).map(|_| ())
    }

    pub(super) fn turn(&mut self, observed: &mut Observed) -> io::Result<()> {
        let mut buffer = [0; 65_536];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((n, from)) => {
                    self.bridge = Some(from);
                    observed.datagrams.push((self.index, buffer[..n].to_vec()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
