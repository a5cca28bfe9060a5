//! All peers of a scenario.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::live::Interest;
use super::openssl::OpensslPeer;
use super::peer::TcpPeer;
use super::udp::UdpPeer;
use crate::scenario::{NetworkAct, Payload, PeerAct, Transport};
use crate::tls::Credentials;
use crate::world::Observed;

/// They all speak alike.
#[derive(Debug)]
pub(crate) enum Peers {
    Tcp(Vec<TcpPeer>),
    Udp(Vec<UdpPeer>),
    /// The one there is.
    Openssl(Box<OpensslPeer>),
}

impl Peers {
    /// A peer at each of `places`.
    pub(crate) fn new(
        transport: Transport,
        places: impl Iterator<Item = SocketAddr>,
        credentials: Option<&Arc<Credentials>>,
    ) -> Result<Self, String> {
        let places = places.enumerate();
        let peers = match transport {
            Transport::Udp => {
                places.map(|(index, at)| UdpPeer::new(index, at)).collect::<io::Result<_>>().map(Self::Udp)
            }
            Transport::Tcp | Transport::TcpListen => {
                let calls = transport == Transport::TcpListen;
                places
                    .map(|(index, at)| TcpPeer::new(index, at, calls, credentials.cloned()))
                    .collect::<io::Result<_>>()
                    .map(Self::Tcp)
            }
        };
        peers.map_err(|error| format!("cannot open a peer's socket: {error}"))
    }

    pub(crate) fn interests(&self) -> Vec<Interest<'_>> {
        match self {
            Self::Tcp(peers) => peers.iter().flat_map(TcpPeer::interests).collect(),
            Self::Udp(peers) => peers.iter().map(UdpPeer::interest).collect(),
            Self::Openssl(peer) => peer.interests(),
        }
    }

    pub(crate) fn turn(&mut self, observed: &mut Observed) -> Result<(), String> {
        let turned = match self {
            Self::Tcp(peers) => peers.iter_mut().try_for_each(|peer| peer.turn(observed)),
            Self::Udp(peers) => peers.iter_mut().try_for_each(|peer| peer.turn(observed)),
            Self::Openssl(peer) => peer.turn(observed),
        };
        turned.map_err(|error| format!("a peer: {error}"))
    }

    pub(crate) fn act(&mut self, index: usize, act: &PeerAct, observed: &mut Observed) -> Result<(), String> {
        match self {
            Self::Tcp(peers) => peers[index].act(act, observed).map_err(|error| error.to_string()),
            Self::Openssl(peer) => peer.act(act, observed),
            Self::Udp(peers) => match act {
                PeerAct::Sends(Payload::Bytes(bytes)) => {
                    peers[index].send(bytes, observed).map_err(|error| error.to_string())
                }
                PeerAct::Sends(Payload::Records(_))
                | PeerAct::Floods
                | PeerAct::StopsSending
                | PeerAct::Closes
                | PeerAct::HalfCloses
                | PeerAct::Resets
                | PeerAct::Refuses
                | PeerAct::Listens
                | PeerAct::Stalls
                | PeerAct::ReadsAgain
                | PeerAct::Trickles
                | PeerAct::ClosesMidRecord
                | PeerAct::ClosesUnannounced
                | PeerAct::Tls(_) => Err("a UDP peer of this driver only sends texts".into()),
            },
        }
    }

    /// Whether this one can be connected to the bridge.
    pub(crate) fn may_be_connected(&self, index: usize) -> bool {
        match self {
            Self::Tcp(peers) => peers.get(index).is_some_and(TcpPeer::has_connection),
            Self::Udp(_) | Self::Openssl(_) => true,
        }
    }

    /// What the network does, as far as sockets can make it appear so.
    pub(crate) fn network(&mut self, act: NetworkAct) -> Result<(), String> {
        let black_hole = match act {
            NetworkAct::BlackHole => true,
            NetworkAct::Heals => false,
            NetworkAct::LosesAcks | NetworkAct::IpLost | NetworkAct::IpReady => {
                return Err("this needs a network namespace".into());
            }
        };
        match self {
            Self::Tcp(peers) => peers
                .iter_mut()
                .try_for_each(|peer| peer.black_hole(black_hole))
                .map_err(|error| error.to_string()),
            Self::Udp(_) | Self::Openssl(_) => {
                Err("this driver has faults for TCP peers of its own alone".into())
            }
        }
    }
}
