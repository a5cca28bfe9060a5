//! Both sides of a trace as packets for Wireshark: the UART as it is, the network with the headers that it may have had.

mod conversation;

use std::io;
use std::net::Ipv4Addr;

use uartbridge_core::{Action, Close, CloseReason, Event, Instant, PeerIndex};
use uartbridge_trace::{Setup, What};

use super::Refusal;
use super::output::Output;
use super::pcapng::{self, LinkType, Packet, Way};
use super::player::Step;
use super::stamps::Stamps;
use conversation::{Conversation, Remote, Segment};

/// The interfaces.
const UART: u32 = 0;
const NET: u32 = 1;
/// The most comments of a packet.
const COMMENTS: usize = 256;

/// A pcapng file under way.
pub(super) struct Capture {
    out: Output,
    stamps: Stamps,
    datagrams: bool,
    peers: Vec<Remote>,
    /// The connection, or the attempt to make one.
    conversation: Option<Conversation>,
    /// Attempts so far: each has a port of its own, so that Wireshark tells them apart.
    attempts: u16,
    /// For the next packet.
    comments: Vec<String>,
    last: Instant,
}

impl Capture {
    /// Begins one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn begin(mut out: Output, setup: &Setup<'_>) -> Result<Self, Refusal> {
        let mut comments = vec![
            "Made from a trace of uartbridge. Addresses, ports and headers of the network side are made up; TLS is taken off.".to_owned(),
        ];
        if !setup.content {
            comments
                .push("The trace has no bytes (--trace-bytes): packets have their lengths only.".to_owned());
        }
        if setup.began.is_none() {
            comments.push("When the bridge began is not known: its clock began in 1970.".to_owned());
        }
        let begun = pcapng::section(&mut out, &comments)
            .and_then(|()| pcapng::interface(&mut out, LinkType::User0, "UART", "the bridge's UART"))
            .and_then(|()| pcapng::interface(&mut out, LinkType::Ip, "network", "the bridge's network side"));
        match begun {
            Err(error) => Err(out.refusal(error)),
            Ok(()) => Ok(Self {
                out,
                stamps: Stamps::new(setup.began),
                datagrams: setup.config.packing.datagrams,
                peers: Vec::new(),
                conversation: None,
                attempts: 0,
                comments: Vec::new(),
                last: Instant::START,
            }),
        }
    }

    /// Takes in a record, of which the story says `lines`.
    pub(super) fn take(&mut self, step: &Step<'_>, lines: &[String]) -> io::Result<()> {
        self.last = step.record.at;
        let room = COMMENTS.saturating_sub(self.comments.len());
        self.comments.extend(lines.iter().take(room).map(|line| line.trim().to_owned()));
        match step.record.what {
            What::Told(event, _) => self.event(event, step.bytes),
            What::Asked(action) => self.action(action),
            What::Name(peer, name) => self.name(peer, name),
            What::Refused(_) | What::Mark { .. } | What::Lost(_) | What::Unclear | What::Full => Ok(()),
        }
    }

    /// The last remarks, and the file's end.
    pub(super) fn end(mut self) -> Result<(), Refusal> {
        if !self.comments.is_empty() {
            self.put(UART, None, [&[], &[]], 0).map_err(|error| self.refusal(error))?;
        }
        self.out.finish()
    }

    /// Why it cannot be written.
    pub(super) fn refusal(&self, error: io::Error) -> Refusal {
        self.out.refusal(error)
    }

    fn name(&mut self, peer: PeerIndex, name: &str) -> io::Result<()> {
        let remote = Remote::new(peer, name);
        pcapng::name(&mut self.out, remote.address, name)?;
        self.peers.push(remote);
        Ok(())
    }

    fn event(&mut self, event: Event, bytes: Option<&[u8]>) -> io::Result<()> {
        match event {
            Event::UartRx(n) => self.uart(Way::In, n, bytes),
            Event::UartTxDone(n) => self.uart(Way::Out, n, bytes),
            Event::SockRx(n) => self.data(Way::In, n, bytes),
            Event::TxDone(n) => self.data(Way::Out, n, bytes),
            Event::Connected(_) => self.segments(Conversation::connected),
            Event::TxAcked(total) => self.segments(|conversation| conversation.acked(total)),
            Event::PeerClosed => self.segments(Conversation::peer_closed),
            Event::Closed(reason) => {
                self.segments(|conversation| match reason {
                    CloseReason::Refused | CloseReason::Reset => conversation.reset(Way::In),
                    CloseReason::Done => conversation.done(),
                    CloseReason::TimedOut
                    | CloseReason::Unreachable
                    | CloseReason::Unresolved
                    | CloseReason::Replaced
                    | CloseReason::Failed => Vec::new(),
                })?;
                self.conversation = None;
                Ok(())
            }
            Event::IpReady
            | Event::IpLost
            | Event::TxFailed
            | Event::SockRxCut(_)
            | Event::UartOpened
            | Event::UartClosed
            | Event::UartEnded
            | Event::UartErrors(_)
            | Event::Timeout
            | Event::Stop => Ok(()),
        }
    }

    fn action(&mut self, action: Action) -> io::Result<()> {
        match action {
            Action::Connect(peer) => {
                let remote = self.remote(peer);
                self.conversation = Some(Conversation::new(remote, self.attempts, self.datagrams));
                self.attempts = self.attempts.wrapping_add(1);
                self.segments(Conversation::dial)
            }
            Action::Close(Close::Orderly(_)) => self.segments(Conversation::shut),
            Action::Close(Close::Abort(_)) => self.segments(|conversation| conversation.reset(Way::Out)),
            Action::OpenUart
            | Action::QueryAcks
            | Action::UartFlow(_)
            | Action::Recover(_)
            | Action::Sleep(_)
            | Action::Finished => Ok(()),
        }
    }

    fn remote(&self, peer: PeerIndex) -> Remote {
        let known = self.peers.iter().find(|remote| remote.peer == peer);
        known.cloned().unwrap_or_else(|| Remote::new(peer, ""))
    }

    fn uart(&mut self, way: Way, n: usize, bytes: Option<&[u8]>) -> io::Result<()> {
        if n == 0 {
            return Ok(());
        }
        self.put(UART, Some(way), [bytes.unwrap_or_default(), &[]], n)
    }

    /// Bytes of the connection; of one whose beginning is missing, if there is none.
    fn data(&mut self, way: Way, n: usize, bytes: Option<&[u8]>) -> io::Result<()> {
        if self.conversation.is_none() {
            let remote = self.remote(PeerIndex(0));
            self.conversation = Some(Conversation::new(remote, self.attempts, self.datagrams));
            self.attempts = self.attempts.wrapping_add(1);
        }
        let Some(bytes) = bytes else {
            return self.segments(|conversation| vec![conversation.unknown(way, n)]);
        };
        for part in bytes.chunks(conversation::MOST) {
            let Some(conversation) = &mut self.conversation else { break };
            let Segment { way, header, len } = conversation.data(way, part);
            self.put(NET, Some(way), [&header, part], len)?;
        }
        Ok(())
    }

    /// Segments without payload.
    fn segments(&mut self, make: impl FnOnce(&mut Conversation) -> Vec<Segment>) -> io::Result<()> {
        let segments = self.conversation.as_mut().map(make).unwrap_or_default();
        for Segment { way, header, len } in segments {
            self.put(NET, Some(way), [&header, &[]], len)?;
        }
        Ok(())
    }

    fn put(&mut self, interface: u32, way: Option<Way>, bytes: [&[u8]; 2], len: usize) -> io::Result<()> {
        let comments = std::mem::take(&mut self.comments);
        let micros = self.stamps.micros(self.last);
        pcapng::packet(&mut self.out, &Packet { interface, micros, way, bytes, len, comments: &comments })
    }
}

/// Where the bridge is, in documentation's first net (RFC 5737).
const BRIDGE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
