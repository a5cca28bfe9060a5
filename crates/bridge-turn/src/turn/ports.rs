//! Moving bytes on every port that is ready, and noticing what becomes of the connection meanwhile.

use core::task::{Context, Poll};

use uartbridge_core::{CloseCause, CloseReason, Duration, Event, Misuse};
use uartbridge_trace::Recorder;

use super::{Asleep, Live, Turn};
use crate::ends::{Gone, Net, SockRead, Uart, UartRead, Why};
use crate::host::{Board, Direction, Said};

impl<U, D, const P: usize, L, N, B, R> Turn<'_, '_, U, D, P, L, N, B, R>
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
    L: Uart,
    N: Net,
    B: Board<N::Why>,
    R: Recorder,
{
    /// Gives every port that may be ready one turn; neither direction waits for the other.
    pub(super) fn move_bytes(&mut self, cx: &mut Context<'_>) -> Result<(), Misuse> {
        if self.opening {
            self.poll_opening(cx)?;
        }
        self.move_up(cx)?;
        self.read_sock(cx)?;
        self.write_uart(cx)?;
        if self.dialing {
            self.poll_dial(cx)?;
        }
        self.poll_ending(cx)
    }

    /// From the UART to the socket. With a gathering time, the first bytes after a pause wait for company, and after that
    /// all that has come is fetched and sent once in that time.
    fn move_up(&mut self, cx: &mut Context<'_>) -> Result<(), Misuse> {
        if self.hold.up.is_some_and(|until| self.now < until) {
            return Ok(());
        }
        let first = self.hold.up.take().is_none();
        let mut came = false;
        while self.read_uart(cx)? {
            came = true;
        }
        if came && self.pace.gather > Duration::ZERO {
            self.hold.up = Some(self.now + self.pace.gather);
            if first {
                return Ok(());
            }
        }
        self.write_sock(cx)
    }

    /// Whether bytes have come.
    fn read_uart(&mut self, cx: &mut Context<'_>) -> Result<bool, Misuse> {
        if self.asleep.uart_rx {
            return Ok(false);
        }
        let room = self.bridge.uart_rx();
        if room.is_empty() {
            return Ok(false);
        }
        match self.uart.poll_read(cx, room) {
            Poll::Pending => {
                self.asleep.uart_rx = true;
                return Ok(false);
            }
            Poll::Ready(UartRead::Bytes(n)) => {
                self.board.passed(Direction::Up, room.get(..n).unwrap_or_default());
                self.tell(Event::UartRx(n))?;
            }
            Poll::Ready(UartRead::Errors(errors)) => {
                self.line_errors(errors)?;
                return Ok(false);
            }
            Poll::Ready(UartRead::Gone) => self.tell(Event::UartClosed)?,
            Poll::Ready(UartRead::Ended) => self.tell(Event::UartEnded)?,
        }
        Ok(true)
    }

    fn write_sock(&mut self, cx: &mut Context<'_>) -> Result<(), Misuse> {
        if self.asleep.tx {
            return Ok(());
        }
        let bytes = self.bridge.tx();
        if bytes.iter().all(|part| part.is_empty()) {
            return Ok(());
        }
        match self.net.poll_write(cx, bytes) {
            Poll::Pending => self.asleep.tx = true,
            Poll::Ready(Ok(n)) => self.tell(Event::TxDone(n))?,
            Poll::Ready(Err(why)) => {
                if let Some(link) = &mut self.link {
                    link.broken = Some(why.reason());
                }
                self.journal.because(why);
                self.tell(Event::TxFailed)?;
            }
        }
        Ok(())
    }

    fn read_sock(&mut self, cx: &mut Context<'_>) -> Result<(), Misuse> {
        let ended = self.link.is_none_or(|link| link.peer_ended);
        if self.asleep.sock_rx || ended {
            return Ok(());
        }
        let room = self.bridge.sock_rx();
        if room.is_empty() {
            return Ok(());
        }
        match self.net.poll_read(cx, room) {
            Poll::Pending => self.asleep.sock_rx = true,
            Poll::Ready(SockRead::Bytes(n, cut)) => {
                self.board.passed(Direction::Down, room.get(..n).unwrap_or_default());
                self.tell(Event::SockRx(n))?;
                if cut > 0 {
                    self.board.say(&Said::Cut(cut));
                    self.tell(Event::SockRxCut(cut))?;
                }
            }
            Poll::Ready(SockRead::Ended) => {
                if let Some(link) = &mut self.link {
                    link.peer_ended = true;
                }
                self.journal.because(N::Why::from(CloseCause::PeerClosed));
                self.tell(Event::PeerClosed)?;
            }
            Poll::Ready(SockRead::Failed(why)) => {
                let reason = why.reason();
                self.journal.because(why);
                self.end_link(reason)?;
            }
        }
        Ok(())
    }

    fn write_uart(&mut self, cx: &mut Context<'_>) -> Result<(), Misuse> {
        match self.hold.uart_tx {
            Some(until) if self.now < until => return Ok(()),
            Some(_) | None => self.hold.uart_tx = None,
        }
        let bytes = self.bridge.uart_tx();
        if bytes.is_empty() {
            self.uart.quiet(cx, self.now);
            return Ok(());
        }
        if self.asleep.uart_tx {
            return Ok(());
        }
        match self.uart.poll_write(cx, self.now, bytes) {
            Poll::Pending => self.asleep.uart_tx = true,
            Poll::Ready(Ok(n)) => {
                if n < bytes.len() && self.pace.gather > Duration::ZERO {
                    self.hold.uart_tx = Some(self.now + self.pace.gather);
                }
                self.tell(Event::UartTxDone(n))?;
            }
            Poll::Ready(Err(_)) => self.tell(Event::UartClosed)?,
        }
        Ok(())
    }

    fn poll_opening(&mut self, cx: &mut Context<'_>) -> Result<(), Misuse> {
        let Poll::Ready(opened) = self.uart.poll_open(cx) else {
            return Ok(());
        };
        self.opening = false;
        self.asleep = Asleep::default();
        self.tell(match opened {
            Ok(()) => Event::UartOpened,
            Err(Gone) => Event::UartClosed,
        })
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>) -> Result<(), Misuse> {
        let Poll::Ready(dialed) = self.net.poll_dial(cx, self.now) else {
            return Ok(());
        };
        self.dialing = false;
        match dialed {
            Ok(acks) => {
                self.link = Some(Live::default());
                self.tell(Event::Connected(acks))
            }
            Err(why) => {
                let reason = why.reason();
                self.journal.because(why);
                self.tell(Event::Closed(reason))
            }
        }
    }

    /// Notices answers about acknowledgements, and the end of an orderly close.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Result<(), Misuse> {
        while self.link.is_some() && self.net.take_answer(cx) {
            self.report_acks()?;
        }
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        if link.shut && !link.shut_done {
            link.shut_done = self.net.poll_shut(cx).is_ready();
        }
        if link.shut_done && link.peer_ended {
            self.end_link(CloseReason::Done)?;
        }
        Ok(())
    }
}
