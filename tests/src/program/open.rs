//! One connection of a peer, plain or under TLS.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use socket2::{SockFilter, Socket};

use crate::tls::{PeerTls, TlsEnd};
use crate::world::{Ending, Observed};

/// Return 0, the number of bytes of the packet to keep (linux/filter.h, BPF_RET | BPF_K).
const DROP_ALL: u16 = 0x06;

#[derive(Debug)]
pub(super) struct Open {
    pub(super) socket: Socket,
    /// Its place among all connections.
    pub(super) nth: usize,
    pub(super) tls: Option<PeerTls>,
    sent_fin: bool,
}

/// How a peer ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Half,
    Whole(TlsEnd),
}

impl Open {
    pub(super) const fn new(socket: Socket, nth: usize, tls: Option<PeerTls>) -> Self {
        Self { socket, nth, tls, sent_fin: false }
    }

    /// Whether there is something to write, where `queued` bytes of plaintext wait.
    pub(super) fn writes(&self, queued: bool) -> bool {
        let ready = match &self.tls {
            None => queued,
            Some(tls) => !tls.wire.is_empty() || queued && tls.ready(),
        };
        ready && !self.sent_fin
    }

    /// Reads what there is; how the connection ended, if it has.
    pub(super) fn read(&mut self, observed: &mut Observed) -> Option<Ending> {
        let connection = &mut observed.connections[self.nth];
        let mut buffer = [0; 65_536];
        loop {
            match ((&self.socket).read(&mut buffer), &mut self.tls) {
                (Ok(0), Some(tls)) if !tls.bridge_said_goodbye() => return Some(Ending::Truncated),
                (Ok(0), _) => return Some(Ending::Fin),
                (Ok(n), None) => connection.got.extend(&buffer[..n]),
                (Ok(n), Some(tls)) => {
                    connection.got.extend(tls.receive(&buffer[..n]));
                    connection.alert = tls.alert().map(str::to_owned);
                }
                (Err(error), _) if error.kind() == ErrorKind::WouldBlock => return None,
                (Err(_), _) => return Some(Ending::Reset),
            }
        }
    }

    /// Writes what waits in `queue`, at most `step` bytes at a time.
    pub(super) fn say(&mut self, queue: &mut VecDeque<u8>, step: usize) {
        match &mut self.tls {
            _ if self.sent_fin => {}
            None => write(&self.socket, queue, step),
            Some(tls) => {
                // Each record makes room for the next as it leaves.
                loop {
                    tls.say(queue);
                    write(&self.socket, &mut tls.wire, step);
                    if queue.is_empty() || !tls.ready() {
                        break;
                    }
                }
            }
        }
    }

    /// Once everything is said, ends it so; whether the socket is to go.
    pub(super) fn end(&mut self, ends: Option<Ends>, step: usize) -> bool {
        if let (Some(tls), Some(ends)) = (&mut self.tls, ends) {
            tls.end(match ends {
                Ends::Half => TlsEnd::CloseNotify,
                Ends::Whole(end) => end,
            });
        }
        if let Some(tls) = &mut self.tls {
            write(&self.socket, &mut tls.wire, step);
        }
        let done = self.tls.as_ref().is_none_or(PeerTls::is_done);
        let failed = self.tls.as_ref().is_some_and(PeerTls::has_failed);
        if ends == Some(Ends::Half) && done && !self.sent_fin {
            self.sent_fin = true;
            // If the bridge has gone meanwhile, the reading side will say so.
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        done && (failed || matches!(ends, Some(Ends::Whole(_))))
    }

    /// The bridge has ended the connection: answers with our own end once everything is said; whether that is still to
    /// come.
    pub(super) fn answers(&mut self, ending: Ending, queued: bool) -> bool {
        match (ending, &mut self.tls) {
            (Ending::Fin | Ending::Truncated, _) if queued && !self.sent_fin => true,
            (Ending::Fin | Ending::Truncated, Some(tls)) => {
                tls.end(TlsEnd::CloseNotify);
                write(&self.socket, &mut tls.wire, usize::MAX);
                !tls.is_done()
            }
            (Ending::Fin | Ending::Truncated, None) | (Ending::Reset | Ending::Own, _) => false,
        }
    }

    /// Before the peer goes: from now on its TCP takes nothing, and what it has taken is read.
    pub(super) fn read_the_rest(&mut self, observed: &mut Observed) -> io::Result<()> {
        drop_all(&self.socket)?;
        let _ = self.read(observed);
        observed.connections[self.nth].end.get_or_insert(Ending::Own);
        Ok(())
    }
}

/// Every packet that comes to `socket` is dropped.
pub(crate) fn drop_all(socket: &Socket) -> io::Result<()> {
    socket.attach_filter(&[SockFilter::new(DROP_ALL, 0, 0, 0)])
}

fn write(mut socket: &Socket, queue: &mut VecDeque<u8>, step: usize) {
    while !queue.is_empty() {
        let front = queue.as_slices().0;
        match socket.write(&front[..front.len().min(step)]) {
            Ok(n) => drop(queue.drain(..n)),
            // It will be tried again, or the reading side will say how it ended.
            Err(_) => return,
        }
    }
}
