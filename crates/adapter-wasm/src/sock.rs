//! The way to the peers: through relays, or nowhere.

use std::rc::Rc;
use std::task::{Context, Poll};

use uartbridge_core::{Acks, Duration, Instant, PeerIndex};
use uartbridge_turn::ends::{Net, SockRead};
use uartbridge_turn::host::Name;

use crate::channel::Channel;
use crate::peers::Peer;
use crate::shared::Shared;
use crate::why::Why;

/// How soon to look again whether there is room, where no event tells so.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Servers behind relays. Without any, bytes go nowhere: they are shown, and count as delivered.
pub(crate) struct Relays {
    peers: Vec<Peer>,
    shared: Rc<Shared>,
    channel: Option<Channel>,
    /// Why there is no connection.
    failed: Option<Why>,
    /// Nothing more is to be said.
    shut: bool,
    now: Instant,
    look_at: Option<Instant>,
}

impl Relays {
    pub(crate) fn new(peers: Vec<Peer>, shared: Rc<Shared>) -> Self {
        Self { peers, shared, channel: None, failed: None, shut: false, now: Instant::START, look_at: None }
    }

    fn peer(&self, peer: PeerIndex) -> Option<&Peer> {
        self.peers.get(usize::from(peer.0))
    }
}

impl Net for Relays {
    type Why = Why;

    /// A page need not have an address: a relay may be on the same machine.
    fn poll_ip(&mut self, _: &mut Context<'_>, now: Instant) -> bool {
        (self.now, self.look_at) = (now, None);
        true
    }

    fn due(&self) -> Option<Instant> {
        self.look_at
    }

    fn name(&self, peer: PeerIndex) -> Name<'_> {
        self.peer(peer).map_or(Name { scheme: "nowhere", host: "", port: 0 }, Peer::name)
    }

    fn server(&self, peer: PeerIndex) -> &str {
        self.peer(peer).map_or("", Peer::server)
    }

    fn dial(&mut self, _: Instant, peer: PeerIndex) {
        (self.channel, self.failed, self.shut) = (None, None, false);
        if let Some(peer) = self.peer(peer) {
            match Channel::open(peer.url(), peer.protocol()) {
                Ok(channel) => self.channel = Some(channel),
                Err(why) => self.failed = Some(why),
            }
        }
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>, _: Instant) -> Poll<Result<Acks, Why>> {
        match (&mut self.channel, self.failed.take()) {
            (_, Some(why)) => Poll::Ready(Err(why)),
            (Some(channel), None) => channel.poll_open(cx),
            (None, None) => Poll::Ready(Ok(Acks::OnWrite)),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<SockRead<Why>> {
        let Some(channel) = &mut self.channel else {
            return if self.shut { Poll::Ready(SockRead::Ended) } else { Poll::Pending };
        };
        let read = channel.poll_read(cx, buf);
        let refused = channel.take_refused();
        self.shared.down_refused.set(self.shared.down_refused.get() + refused);
        read.map(|read| match read {
            Ok(0) => SockRead::Ended,
            Ok(count) => SockRead::Bytes(count, 0),
            Err(why) => SockRead::Failed(why),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<Result<usize, Why>> {
        let Some(channel) = &mut self.channel else {
            return Poll::Ready(Ok(parts[0].len() + parts[1].len()));
        };
        let written = channel.poll_write(cx, parts[0]);
        if written.is_pending() && channel.room_is_silent() {
            self.look_at = Some(self.now + LOOK_AGAIN);
        }
        written
    }

    fn unacked(&mut self) -> Option<usize> {
        self.channel.as_ref().and_then(|channel| channel.unacked())
    }

    fn ask(&mut self) -> bool {
        self.channel.as_mut().is_none_or(|channel| channel.ask())
    }

    fn take_answer(&mut self, cx: &mut Context<'_>) -> bool {
        self.channel.as_mut().is_some_and(|channel| channel.take_answer(cx))
    }

    fn shut(&mut self) {
        self.shut = true;
        if let Some(channel) = &mut self.channel {
            channel.shut();
        }
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.channel.as_mut().map_or(Poll::Ready(()), |channel| channel.poll_over(cx))
    }

    fn abort(&mut self) {
        self.channel = None;
    }
}
