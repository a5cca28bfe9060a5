//! Peers, and looking up their names: a future of embassy-net's that must live until it is done, so it runs beside the loop.

use core::cell::Cell;
use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net::{IpAddress, Stack};
use uartbridge_core::{CloseReason, PeerIndex};

use crate::log::Name;

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer<'a> {
    /// Its name or IP address.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
}

/// The peers, and asking for their addresses.
pub(super) struct Directory<'a> {
    peers: &'a [Peer<'a>],
    look_up: &'a LookUp,
    /// How often a peer was dialled: of several addresses of a name, each time the next is tried.
    turn: u8,
}

/// Whom a peer that does not exist is called.
const NOBODY: Peer<'static> = Peer { host: "", port: 0 };

impl<'a> Directory<'a> {
    pub(super) const fn new(peers: &'a [Peer<'a>], look_up: &'a LookUp) -> Self {
        Self { peers, look_up, turn: 0 }
    }

    pub(super) fn name(&self, scheme: &'static str, peer: PeerIndex) -> Name<'_> {
        let peer = self.peers.get(usize::from(peer.0)).unwrap_or(&NOBODY);
        Name { scheme, host: peer.host, port: peer.port }
    }

    /// Asks for the address of `peer`; its port is known already.
    pub(super) fn ask(&mut self, peer: PeerIndex) -> u16 {
        self.look_up.peer.set(peer);
        self.look_up.turn.set(self.turn);
        self.look_up.stage.set(Stage::Asked);
        self.turn = self.turn.wrapping_add(1);
        self.peers.get(usize::from(peer.0)).unwrap_or(&NOBODY).port
    }

    /// The answer, once.
    pub(super) fn answer(&self) -> Option<Result<IpAddress, CloseReason>> {
        let answer = match self.look_up.stage.get() {
            Stage::Found => Ok(self.look_up.address.get()),
            Stage::Failed => Err(CloseReason::Unresolved),
            Stage::Idle | Stage::Asked | Stage::Running => return None,
        };
        self.look_up.stage.set(Stage::Idle);
        Some(answer)
    }

    /// Nobody wants the answer any more.
    pub(super) fn forget(&self) {
        self.look_up.stage.set(Stage::Idle);
    }
}

/// One question and its answer. All zeros at first, and so no part of what a chip keeps in flash to copy to its memory: that is
/// why the address lies beside the stage that it belongs to.
#[derive(Debug)]
pub(super) struct LookUp {
    stage: Cell<Stage>,
    peer: Cell<PeerIndex>,
    turn: Cell<u8>,
    address: Cell<IpAddress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle = 0,
    /// The address of `peer` is wanted; of several, the one whose `turn` it is.
    Asked,
    Running,
    /// It is `address`.
    Found,
    Failed,
}

#[cfg(feature = "ipv4")]
const NO_ADDRESS: IpAddress = IpAddress::v4(0, 0, 0, 0);
#[cfg(not(feature = "ipv4"))]
const NO_ADDRESS: IpAddress = IpAddress::v6(0, 0, 0, 0, 0, 0, 0, 0);

impl LookUp {
    pub(super) const fn new() -> Self {
        Self {
            stage: Cell::new(Stage::Idle),
            peer: Cell::new(PeerIndex(0)),
            turn: Cell::new(0),
            address: Cell::new(NO_ADDRESS),
        }
    }

    fn take(&self) -> Option<(PeerIndex, u8)> {
        if self.stage.get() != Stage::Asked {
            return None;
        }
        self.stage.set(Stage::Running);
        Some((self.peer.get(), self.turn.get()))
    }
}

/// Looks up the peers' names for a [`Tcp`](super::Tcp) or a `Udp`.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    stack: Stack<'a>,
    peers: &'a [Peer<'a>],
    look_up: &'a LookUp,
}

impl<'a> Names<'a> {
    pub(super) const fn new(stack: Stack<'a>, peers: &'a [Peer<'a>], look_up: &'a LookUp) -> Self {
        Self { stack, peers, look_up }
    }

    /// Runs for ever; to be polled after each turn of the loop.
    pub async fn run(self) -> Infallible {
        loop {
            let (peer, turn) = poll_fn(|_| match self.look_up.take() {
                Some(asked) => Poll::Ready(asked),
                None => Poll::Pending,
            })
            .await;
            let host = self.peers.get(usize::from(peer.0)).map_or("", |peer| peer.host);
            let mut address = pin!(address(self.stack, host, turn));
            poll_fn(|cx| {
                let answer = address.as_mut().poll(cx);
                self.poll_answer(cx, answer)
            })
            .await;
        }
    }

    fn poll_answer(&self, cx: &mut Context<'_>, answer: Poll<Option<IpAddress>>) -> Poll<()> {
        match answer {
            _ if self.look_up.stage.get() != Stage::Running => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(address)) => {
                self.look_up.address.set(address);
                self.look_up.stage.set(Stage::Found);
            }
            Poll::Ready(None) => self.look_up.stage.set(Stage::Failed),
        }
        // The loop has had its turn; it gets another one.
        cx.waker().wake_by_ref();
        Poll::Ready(())
    }
}

/// The address of `host`; of several, the one whose `turn` it is.
async fn address(stack: Stack<'_>, host: &str, turn: u8) -> Option<IpAddress> {
    if let Some(address) = literal(host) {
        return Some(address);
    }
    #[cfg(feature = "dns")]
    {
        use embassy_net::dns::DnsQueryType;
        let kinds = [
            #[cfg(feature = "ipv4")]
            DnsQueryType::A,
            #[cfg(feature = "ipv6")]
            DnsQueryType::Aaaa,
        ];
        for kind in kinds {
            if let Ok(found) = stack.dns_query(host, kind).await
                && let Some(index) = usize::from(turn).checked_rem(found.len())
            {
                return found.get(index).copied();
            }
        }
    }
    let _ = (stack, turn);
    None
}

/// An IP address as people write it.
fn literal(host: &str) -> Option<IpAddress> {
    #[cfg(feature = "ipv4")]
    if let Ok(address) = host.parse::<core::net::Ipv4Addr>() {
        return Some(address.into());
    }
    #[cfg(feature = "ipv6")]
    if let Ok(address) = host.parse::<core::net::Ipv6Addr>() {
        return Some(address.into());
    }
    let _ = host;
    None
}
