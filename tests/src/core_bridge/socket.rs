//! The core's socket: what becomes of an attempt to connect, and of a connection, plain or under TLS.

use uartbridge_core::{Acks, CloseReason, Event};
use uartbridge_tls::Standing;

use super::tunnel::Tunnel;
use super::{CoreBridge, Doing};
use crate::sim::{Board, Broken};

/// What has been asked of the socket, and told about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    None,
    Dialing,
    Up {
        heard_fin: bool,
        failed: bool,
        shut: bool,
    },
    /// The last acknowledgements have been told; the end has not.
    Ended(CloseReason),
}

impl CoreBridge {
    pub(super) fn socket_news(&mut self, board: &mut Board) -> Result<Option<Event>, String> {
        match self.socket {
            Socket::None => Ok(None),
            Socket::Ended(reason) => {
                self.socket = Socket::None;
                Ok(Some(Event::Closed(reason)))
            }
            // A plain connection is one even if it ends at once.
            Socket::Dialing if board.connected() => {
                match self.tunnel.as_ref().map_or(Standing::Up, Tunnel::standing) {
                    Standing::Connecting => Ok(None),
                    Standing::Over(_) => self.over(board, CloseReason::Failed).map(|()| None),
                    Standing::Up | Standing::PeerClosed => {
                        self.socket = Socket::Up { heard_fin: false, failed: false, shut: false };
                        board.observed().connected = board.peer_address();
                        Ok(Some(Event::Connected(if board.udp() { Acks::OnWrite } else { Acks::Peer })))
                    }
                }
            }
            Socket::Dialing => match board.broken() {
                Some(_) => self.end(board, CloseReason::Refused).map(|()| None),
                None => Ok(None),
            },
            Socket::Up { heard_fin, failed, shut } => {
                let standing = self.standing(board);
                let all_read = matches!(standing, Standing::PeerClosed | Standing::Over(_));
                if board.broken() == Some(Broken::Reset) {
                    if all_read || heard_fin {
                        return self.over(board, CloseReason::Reset).map(|()| None);
                    }
                    self.socket = Socket::Up { heard_fin, failed: true, shut };
                    return Ok((!failed).then_some(Event::TxFailed));
                }
                if matches!(standing, Standing::Over(_)) {
                    return self.over(board, CloseReason::Failed).map(|()| None);
                }
                let fin = heard_fin || standing == Standing::PeerClosed;
                let said_all = self.tunnel.as_ref().is_none_or(Tunnel::has_ended);
                if fin && shut && said_all {
                    return self.end(board, CloseReason::Done).map(|()| None);
                }
                self.socket = Socket::Up { heard_fin: fin, failed, shut };
                Ok((fin && !heard_fin).then_some(Event::PeerClosed))
            }
        }
    }

    /// What the connection is worth, plain or under TLS.
    fn standing(&self, board: &Board) -> Standing {
        match &self.tunnel {
            Some(tunnel) => tunnel.standing(),
            None if board.readable() > 0 => Standing::Up,
            None if board.broken() == Some(Broken::Reset) => Standing::Over(None),
            None if board.fin_arrived() => Standing::PeerClosed,
            None => Standing::Up,
        }
    }

    /// Ends the connection, and says why if TLS knows.
    fn over(&mut self, board: &mut Board, reason: CloseReason) -> Result<(), String> {
        if let Standing::Over(Some(failure)) = self.standing(board) {
            self.note(board, Doing::Says(failure.to_string()));
            board.observed().said += &format!("{failure}\n");
        }
        self.end(board, reason)
    }

    /// The socket goes: tells what the peer has acknowledged, while it can still be asked.
    pub(super) fn end(&mut self, board: &mut Board, reason: CloseReason) -> Result<(), String> {
        if matches!(self.socket, Socket::Up { .. }) && !board.udp() {
            self.tell_acks(board)?;
        }
        let refusal = self.tunnel.take().is_some() && self.socket == Socket::Dialing;
        match reason {
            CloseReason::Done => board.let_go(),
            // The server is to learn why: an alert is on its way.
            CloseReason::Failed if refusal && board.connected() => {
                board.shut_down();
                board.let_go();
            }
            CloseReason::Reset
            | CloseReason::Refused
            | CloseReason::TimedOut
            | CloseReason::Unreachable
            | CloseReason::Unresolved
            | CloseReason::Replaced
            | CloseReason::Failed => board.hang_up(),
        }
        self.socket = Socket::Ended(reason);
        Ok(())
    }

    pub(super) fn tell_acks(&mut self, board: &Board) -> Result<(), String> {
        let acked = match &mut self.tunnel {
            Some(tunnel) => tunnel.acked(board)?,
            None => board.acked(),
        };
        self.tell(board, Event::TxAcked(acked))
    }
}
