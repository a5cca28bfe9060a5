//! The way to the peers, with TLS or without: one type, so that the loop is compiled, and loaded by the page, once.

use std::task::{Context, Poll};

use uartbridge_core::{Acks, Instant, PeerIndex};
use uartbridge_tls::Config;
use uartbridge_turn::Tls;
use uartbridge_turn::ends::{Net, SockRead};
use uartbridge_turn::host::Name;

use crate::sock::Relays;
use crate::why::Why;

pub(crate) enum Way {
    Plain(Relays),
    Tls(Box<Tls<Config, Relays, Vec<u8>, Vec<u8>>>),
}

/// The same call of whichever it is.
macro_rules! either {
    ($way:expr, $net:ident => $call:expr) => {
        match $way {
            Way::Plain($net) => $call,
            Way::Tls($net) => $call,
        }
    };
}

impl Net for Way {
    type Why = Why;

    fn poll_ip(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        either!(self, net => net.poll_ip(cx, now))
    }

    fn due(&self) -> Option<Instant> {
        either!(self, net => net.due())
    }

    fn name(&self, peer: PeerIndex) -> Name<'_> {
        either!(self, net => net.name(peer))
    }

    fn dial(&mut self, now: Instant, peer: PeerIndex) {
        either!(self, net => net.dial(now, peer));
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<Acks, Why>> {
        either!(self, net => net.poll_dial(cx, now))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<SockRead<Why>> {
        either!(self, net => net.poll_read(cx, buf))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<Result<usize, Why>> {
        either!(self, net => net.poll_write(cx, parts))
    }

    fn unacked(&mut self) -> Option<usize> {
        either!(self, net => net.unacked())
    }

    fn ask(&mut self) -> bool {
        either!(self, net => net.ask())
    }

    fn take_answer(&mut self, cx: &mut Context<'_>) -> bool {
        either!(self, net => net.take_answer(cx))
    }

    fn shut(&mut self) {
        either!(self, net => net.shut());
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        either!(self, net => net.poll_shut(cx))
    }

    fn abort(&mut self) {
        either!(self, net => net.abort());
    }
}
