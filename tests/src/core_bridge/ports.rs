//! Bytes through the slices that the core lends.

use uartbridge_core::Event;

use super::socket::Socket;
use super::{CoreBridge, Uart};
use crate::sim::Board;

#[derive(Clone, Copy)]
enum Port {
    UartRx,
    SockRx,
    Tx,
    UartTx,
}

impl CoreBridge {
    /// Moves bytes on one of the ports that are ready, chosen by chance; whether there was one.
    pub(super) fn move_bytes(&mut self, board: &mut Board) -> Result<bool, String> {
        let up = matches!(self.socket, Socket::Up { .. });
        let open = self.uart == Uart::Open;
        let (readable, room) = match &mut self.tunnel {
            Some(tunnel) => (tunnel.readable(), tunnel.room()),
            None => (board.readable(), board.room()),
        };
        let ports = self.bridge.ports();
        let tx: usize = ports.tx.iter().map(|part| part.len()).sum();
        let ready = [
            (Port::UartRx, if open { board.uart_readable().min(ports.uart_rx.len()) } else { 0 }),
            (Port::SockRx, if up { readable.min(ports.sock_rx.len()) } else { 0 }),
            (Port::Tx, if up { room.min(tx) } else { 0 }),
            (Port::UartTx, if open { board.uart_room().min(ports.uart_tx.len()) } else { 0 }),
        ];
        let ready: Vec<_> = ready.into_iter().filter(|&(_, most)| most > 0).collect();
        if ready.is_empty() {
            return Ok(false);
        }
        let (port, most) = ready[board.dice.between(0, ready.len() - 1)];
        let some = board.dice.between(most.min(self.chunk).div_ceil(2), most.min(self.chunk));
        let (event, cut) = match port {
            Port::UartRx => {
                let bytes = board.uart_read(some);
                ports.uart_rx[..bytes.len()].copy_from_slice(&bytes);
                (Event::UartRx(bytes.len()), 0)
            }
            Port::SockRx => match &mut self.tunnel {
                Some(tunnel) => {
                    let read = tunnel.read(&mut ports.sock_rx[..some]);
                    board.worked(read);
                    (Event::SockRx(read), 0)
                }
                None => {
                    let whole = board.readable();
                    let bytes = board.read(if board.udp() { ports.sock_rx.len() } else { some });
                    ports.sock_rx[..bytes.len()].copy_from_slice(&bytes);
                    let cut = if board.udp() { whole - bytes.len() } else { 0 };
                    (Event::SockRx(bytes.len()), cut)
                }
            },
            Port::Tx => {
                let mut bytes = ports.tx.concat();
                bytes.truncate(if board.udp() { tx } else { some });
                let taken = match &mut self.tunnel {
                    Some(tunnel) => tunnel.write(&bytes)?,
                    None => {
                        board.write(&bytes);
                        bytes.len()
                    }
                };
                (Event::TxDone(taken), 0)
            }
            Port::UartTx => {
                board.uart_write(&ports.uart_tx[..some]);
                (Event::UartTxDone(some), 0)
            }
        };
        self.tell(board, event)?;
        if cut > 0 {
            self.tell(board, Event::SockRxCut(cut))?;
        }
        Ok(true)
    }
}
