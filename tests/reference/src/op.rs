//! What the world may do.

use uartbridge_core::{Acks, CloseReason, Event, LineErrors};
use uartbridge_trace::Recorder;

use crate::world::{Depth, Net, World};

/// One thing that the world may do. Sizes are cut to what is possible at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The device says so many bytes.
    Uart(usize),
    /// The socket takes so many.
    Write(usize),
    /// The peer acknowledges so many more.
    Ack(usize),
    /// The peer says so many bytes.
    Peer(usize),
    /// The device takes so many.
    Drain(usize),
    /// The peer ends its side.
    PeerCloses,
    /// Writing to the socket fails.
    WriteFails,
    /// The connection, or the attempt to make one, is over.
    Breaks(CloseReason),
    /// The UART goes away.
    Unplug,
    /// The UART ends for good.
    UartEnds,
    /// The network has an address, or has none.
    Ip(bool),
    /// The address goes and comes back.
    IpFlaps,
    /// So many µs pass.
    Wait(u64),
    /// The clock goes back by so many µs.
    Back(u64),
    /// The clock says this many µs.
    Clock(u64),
    /// Time passes until the next deadline.
    ToDeadline,
    /// One action is asked for and carried out, well or not.
    Poll(bool),
    /// One action is asked for, and nobody answers.
    Ignore,
    /// Everything that is asked for is carried out.
    Act,
    /// Actions are carried out at once after each step from now on, or only when an operation says so.
    Eager(bool),
    /// Who acknowledges on connections from now on.
    Acks(Acks),
    /// The bridge is told to stop.
    Stop,
    /// The driver of the UART counts errors.
    LineErrors(LineErrors),
    /// The adapter reports this, whether it happened or not.
    Event(Event),
}

impl<R: Recorder, const P: usize> World<'_, R, P> {
    /// The world does this, and the promises hold.
    ///
    /// # Panics
    /// They do not.
    pub fn apply(&mut self, op: &Op) {
        self.happens(*op);
        if self.eager {
            self.act();
        }
        self.check();
    }

    /// How far it got.
    ///
    /// # Panics
    /// The clock that ran back has had an effect.
    pub fn depth(&self) -> Depth {
        assert_eq!(
            format!("{:?}", self.bridge),
            format!("{:?}", self.shadow),
            "a clock that runs back stands still"
        );
        self.depth
    }

    fn happens(&mut self, op: Op) {
        match op {
            Op::Uart(n) => {
                let n = n.min(self.uart_rx());
                self.tell(Event::UartRx(n));
            }
            Op::Write(n) => {
                let lent: usize = self.bridge.tx().iter().map(|part| part.len()).sum();
                // The socket takes a datagram whole.
                let n = if self.config.packing.datagrams { lent } else { n.min(lent) };
                if matches!(self.net, Net::Up(_)) {
                    self.tell(Event::TxDone(n));
                }
            }
            Op::Ack(n) => self.acknowledge(n),
            Op::Peer(n) => {
                let n = n.min(self.sock_rx());
                if n > 0 {
                    self.tell(Event::SockRx(n));
                }
            }
            Op::Drain(n) => {
                let n = n.min(self.bridge.uart_tx().len());
                self.tell(Event::UartTxDone(n));
            }
            Op::PeerCloses if matches!(self.net, Net::Up(_)) => {
                self.tell(Event::PeerClosed);
            }
            Op::WriteFails if matches!(self.net, Net::Up(_)) => {
                self.tell(Event::TxFailed);
            }
            Op::PeerCloses | Op::WriteFails => {}
            Op::Breaks(why) => self.close(why),
            Op::Unplug => {
                self.tell(Event::UartClosed);
            }
            Op::UartEnds => {
                self.tell(Event::UartEnded);
            }
            Op::Ip(there) => {
                self.tell(if there { Event::IpReady } else { Event::IpLost });
            }
            Op::IpFlaps => {
                self.tell(Event::IpLost);
                if self.eager {
                    self.act();
                }
                self.tell(Event::IpReady);
            }
            Op::Wait(us) => self.now = self.now.saturating_add(us),
            Op::Back(us) => {
                self.now = self.now.saturating_sub(us);
                self.depth.back += 1;
            }
            Op::Clock(us) => self.now = us,
            Op::ToDeadline => {
                if let Some((at, _)) = self.bridge.poll_timeout() {
                    self.now = self.now.max(at.as_micros());
                }
                self.tell(Event::Timeout);
            }
            Op::Poll(well) => {
                let action = self.poll();
                self.answer(action, well);
            }
            Op::Ignore => {
                self.poll();
            }
            Op::Act => self.act(),
            Op::Eager(eager) => self.eager = eager,
            Op::Acks(acks) => self.acks = acks,
            Op::Stop => {
                self.tell(Event::Stop);
            }
            Op::LineErrors(errors) => {
                self.tell(Event::UartErrors(errors));
            }
            Op::Event(event) => {
                self.tell(event);
            }
        }
    }
}
