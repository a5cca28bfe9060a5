//! Moving bytes on every port that is ready, and noticing what becomes of the connection meanwhile.

use std::io;
use std::task::{Context, Poll};

use uartbridge_core::{CloseCause, CloseReason, Event};
use uartbridge_trace::Recorder;

use super::{Live, Turn};
use crate::coalesce;
use crate::ends::{Dial, OpenUart, Sock, SockRead, UartEnd, UartRead};
use crate::run::RunError;
use crate::sock::{plain, reason};

impl<O: OpenUart, N: Dial, R: Recorder> Turn<'_, O, N, R> {
    /// Gives every port that may be ready one turn; false if none was. Neither direction waits for the other, and each
    /// read is written at once: collecting more of them first saves calls, but leaves the other side with nothing to do.
    pub(super) fn move_bytes(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let mut moved = self.read_uart(cx)?;
        if moved {
            self.look_after_line()?;
        }
        moved |= self.write_sock(cx)?;
        moved |= self.read_sock(cx)?;
        moved |= self.write_uart(cx)?;
        if !self.asleep.others {
            self.asleep.others = true;
            moved |= self.poll_dialing(cx)? || self.poll_ending(cx)?;
        }
        Ok(moved)
    }

    fn read_uart(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(uart) = self.uart.as_mut().filter(|_| !self.asleep.uart_rx) else {
            return Ok(false);
        };
        let room = self.bridge.uart_rx();
        if room.is_empty() {
            return Ok(false);
        }
        let Poll::Ready(read) = uart.poll_read(cx, room) else {
            self.asleep.uart_rx = true;
            return Ok(false);
        };
        match read {
            UartRead::Bytes(n) => {
                coalesce::read(n);
                self.observer.uplink(&room[..n]);
                self.tell(Event::UartRx(n))?;
            }
            UartRead::Gone(error) => self.uart_gone(&error)?,
            UartRead::Ended => self.tell(Event::UartEnded)?,
        }
        Ok(true)
    }

    fn write_sock(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(link) = self.link.as_mut().filter(|_| !self.asleep.tx) else {
            return Ok(false);
        };
        let parts = self.bridge.tx();
        if parts[0].is_empty() {
            return Ok(false);
        }
        match link.sock.poll_write(cx, parts) {
            Poll::Pending => {
                self.asleep.tx = true;
                return Ok(false);
            }
            Poll::Ready(Ok(n)) => self.tell(Event::TxDone(n))?,
            Poll::Ready(Err(error)) => self.writing_fails(&error)?,
        }
        Ok(true)
    }

    fn writing_fails(&mut self, error: &io::Error) -> Result<(), RunError> {
        if let Some(link) = &mut self.link {
            link.broken = Some(reason(error));
        }
        self.journal.because(plain(error));
        self.tell(Event::TxFailed)
    }

    fn read_sock(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let awake = !self.asleep.sock_rx;
        let Some(link) = self.link.as_mut().filter(|link| awake && !link.peer_ended) else {
            return Ok(false);
        };
        let room = self.bridge.sock_rx();
        if room.is_empty() {
            return Ok(false);
        }
        let Poll::Ready(read) = link.sock.poll_read(cx, room) else {
            self.asleep.sock_rx = true;
            return Ok(false);
        };
        match read {
            Ok(SockRead::Bytes(n, cut)) => {
                coalesce::read(n);
                self.observer.downlink(&room[..n]);
                self.tell(Event::SockRx(n))?;
                if cut > 0 {
                    tracing::warn!("a datagram was {cut} bytes too long for the down buffer and lost them");
                    self.tell(Event::SockRxCut(cut))?;
                }
            }
            Ok(SockRead::Ended) => {
                link.peer_ended = true;
                self.asleep.others = false;
                self.journal.because(CloseCause::PeerClosed.words());
                self.tell(Event::PeerClosed)?;
            }
            Err(error) => {
                self.journal.because(plain(&error));
                self.end_link(reason(&error))?;
            }
        }
        Ok(true)
    }

    fn write_uart(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(uart) = self.uart.as_mut().filter(|_| !self.asleep.uart_tx) else {
            return Ok(false);
        };
        let bytes = self.bridge.uart_tx();
        if bytes.is_empty() {
            return Ok(false);
        }
        match uart.poll_write(cx, bytes) {
            Poll::Pending => {
                self.asleep.uart_tx = true;
                return Ok(false);
            }
            Poll::Ready(Ok(n)) => self.tell(Event::UartTxDone(n))?,
            Poll::Ready(Err(error)) => self.uart_gone(&error)?,
        }
        Ok(true)
    }

    fn uart_gone(&mut self, error: &io::Error) -> Result<(), RunError> {
        self.uart = None;
        self.journal.uart_absent(format!("UART is gone: {}", plain(error)));
        self.tell(Event::UartClosed)
    }

    fn poll_dialing(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(dialing) = &mut self.dialing else {
            return Ok(false);
        };
        let Poll::Ready(connected) = dialing.as_mut().poll(cx) else {
            return Ok(false);
        };
        self.dialing = None;
        (self.asleep.sock_rx, self.asleep.tx, self.asleep.others) = (false, false, false);
        match connected {
            Ok(sock) => {
                let acks = sock.acks();
                self.journal.details(sock.details());
                self.link =
                    Some(Live { sock, peer_ended: false, shut: false, shut_done: false, broken: None });
                self.tell(Event::Connected(acks))?;
            }
            Err(error) => {
                let text = format!("{}: {}", self.net.name(self.bridge.peer()), error.text);
                if error.permanent {
                    return Err(RunError::Net(text));
                }
                self.journal.because(text);
                self.tell(Event::Closed(error.reason))?;
            }
        }
        Ok(true)
    }

    /// Notices the end of an orderly close, and a newcomer who takes over.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(link) = &mut self.link else {
            return Ok(false);
        };
        if let (None, Poll::Ready(Err(error))) = (&link.broken, link.sock.poll_flush(cx)) {
            return self.writing_fails(&error).map(|()| true);
        }
        let Some(link) = &mut self.link else {
            return Ok(false);
        };
        if link.shut && !link.shut_done {
            match link.sock.poll_shutdown(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => link.shut_done = true,
                Poll::Ready(Err(error)) => return self.end_link(reason(&error)).map(|()| true),
            }
        }
        if link.shut_done && link.peer_ended {
            return self.end_link(CloseReason::Done).map(|()| true);
        }
        // A client that has left makes room by itself.
        if !link.peer_ended && !link.shut && self.net.poll_takeover(cx).is_ready() {
            self.journal.because(CloseReason::Replaced.words());
            return self.end_link(CloseReason::Replaced).map(|()| true);
        }
        Ok(false)
    }
}
