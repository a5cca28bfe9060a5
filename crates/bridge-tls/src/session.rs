//! The connection without its storage: every state, and every transition; those of its beginning and of a standstill are
//! in `verdict`.

mod verdict;

use crate::connection::{Event, Misuse};
use crate::engine::{Engine, Next, Side};
use crate::failure::Failure;
use crate::linear::Linear;
use crate::marks::Marks;
use crate::phase::Phase;
use crate::shelf::Shelf;
use alloc::vec::Vec;
use core::time::Duration;

/// Room that a record needs beside its plaintext: 5 + 17 bytes in TLS 1.3, 5 + 24 in 1.2; and a key update before it.
const OVERHEAD: usize = 96;
/// Most plaintext of a record (RFC 8446 §5.1).
const RECORD: usize = 16_384;
/// Plaintext that does not fit whole waits for room for at least this much, so that records do not become tiny.
const WORTHWHILE: usize = 1024;

/// See [`Connection`](crate::Connection), whose calls these are; each brings the storage of both buffers.
pub(crate) struct Session<S> {
    pub(crate) engine: Engine<S>,
    pub(crate) phase: Phase,
    /// From the peer: plaintext that waits for its reader, what is done with behind that, and ciphertext.
    pub(crate) received: Linear,
    /// Bytes of the first two (`unread + done ≤ received.len()`; without the one there is none of the other).
    pub(crate) unread: usize,
    done: usize,
    /// Ciphertext for the socket; what found no room is in `spilled` and follows it.
    pub(crate) ready: Linear,
    spilled: Vec<u8>,
    pub(crate) marks: Marks,
    /// Totals in bytes: ciphertext made and taken by the socket (`cipher_sent ≤ cipher_total`), plaintext encrypted.
    pub(crate) cipher_total: u64,
    cipher_sent: u64,
    pub(crate) plain_total: u64,
    /// Outlives [`Phase::Proven`]: acknowledgements count on while closing, and after a failure.
    pub(crate) proven: bool,
    pub(crate) peer_closed: bool,
    eof: bool,
    pub(crate) prove_after: Duration,
    handshake_limit: usize,
}

impl<S: Side> Session<S> {
    pub(crate) fn new(side: S, prove_after: Duration, handshake_limit: usize) -> Self {
        Self {
            engine: Engine::new(side),
            phase: Phase::Handshaking,
            received: Linear::default(),
            unread: 0,
            done: 0,
            ready: Linear::default(),
            spilled: Vec::new(),
            marks: Marks::new(),
            cipher_total: 0,
            cipher_sent: 0,
            plain_total: 0,
            proven: false,
            peer_closed: false,
            eof: false,
            prove_after,
            handshake_limit,
        }
    }

    pub(crate) fn handle(
        &mut self,
        now: Duration,
        event: Event,
        input: &mut [u8],
        output: &mut [u8],
    ) -> Result<(), Misuse> {
        match event {
            Event::Rx(count) => {
                self.receive(now, count, input, output, &mut [])?;
            }
            Event::Tx(count) => {
                let lent = self.ready.len();
                if count > lent {
                    return Err(Misuse::MoreThanLent { reported: count, lent });
                }
                self.ready.drain(count);
                self.cipher_sent += count as u64;
                self.refill(output);
            }
            Event::Acked(total) if total > self.cipher_sent => return Err(Misuse::AckedUnwritten),
            Event::Acked(total) => {
                self.marks.acknowledge(total);
                self.weigh_silence(now, total);
            }
            Event::Eof => {
                self.eof = true;
                self.pump(now, input, output, &mut []);
            }
        }
        Ok(())
    }

    /// `count` bytes of ciphertext came; gives the bytes put into `plain`.
    pub(crate) fn receive(
        &mut self,
        now: Duration,
        count: usize,
        input: &mut [u8],
        output: &mut [u8],
        plain: &mut [u8],
    ) -> Result<usize, Misuse> {
        let lent = self.room(input).len();
        if count > lent {
            return Err(Misuse::MoreThanLent { reported: count, lent });
        }
        self.received.fill(count);
        Ok(self.pump(now, input, output, plain))
    }

    /// Room for ciphertext from the peer, if that is of use.
    pub(crate) fn room<'a>(&mut self, input: &'a mut [u8]) -> &'a mut [u8] {
        let left = if self.reads() { self.capacity(input).saturating_sub(self.received.len()) } else { 0 };
        if left == 0 {
            return &mut [];
        }
        let vacant = self.received.vacant(input);
        let count = left.min(vacant.len());
        &mut vacant[..count]
    }

    /// How many bytes of the input buffer may be in use.
    fn capacity(&self, input: &[u8]) -> usize {
        match self.phase {
            Phase::Handshaking => input.len().min(self.handshake_limit),
            Phase::Unproven(_) | Phase::Proven | Phase::Closing | Phase::Closed | Phase::Failed(_) => {
                input.len()
            }
        }
    }

    fn reads(&self) -> bool {
        let open = match self.phase {
            Phase::Handshaking | Phase::Unproven(_) | Phase::Proven | Phase::Closing => true,
            Phase::Closed | Phase::Failed(_) => false,
        };
        open && !self.peer_closed && !self.eof && self.decrypts()
    }

    /// Whether more may be decrypted. Plaintext that waits for its reader holds up the rest, but not the server's verdict:
    /// before that nobody reads.
    fn decrypts(&self) -> bool {
        self.unread == 0 || matches!(self.phase, Phase::Unproven(_)) && self.unread < RECORD
    }

    /// Steps until nothing more can happen, or until plaintext waits that `plain` has no room for. Gives the bytes put
    /// into `plain`.
    pub(crate) fn pump(
        &mut self,
        now: Duration,
        input: &mut [u8],
        output: &mut [u8],
        plain: &mut [u8],
    ) -> usize {
        let mut taken = 0;
        while !matches!(self.phase, Phase::Failed(_) | Phase::Closed) && self.decrypts() {
            let (count, next) = self.step(input, output, &mut plain[taken..]);
            taken += count;
            if next == Ok(Next::Open) || count > 0 || self.unread > 0 {
                // Data may come in the same breath as the peer's last message. By then ours is made.
                self.establish(now);
            }
            match next {
                Ok(Next::Step) => {}
                Ok(Next::PeerClosed) => self.peer_closed = true,
                Ok(Next::Closed) => self.phase = Phase::Closed,
                Ok(Next::Blocked | Next::Open) => {
                    self.judge_standstill(input);
                    break;
                }
                Err(failure) => self.fail(failure, output),
            }
        }
        taken
    }

    /// One step of the engine: plaintext goes to `plain`, and what finds no room there waits in `input`.
    fn step(
        &mut self,
        input: &mut [u8],
        output: &mut [u8],
        plain: &mut [u8],
    ) -> (usize, Result<Next, Failure>) {
        let mut sink = Shelf {
            output,
            ready: &mut self.ready,
            spilled: &mut self.spilled,
            total: &mut self.cipher_total,
            plain,
            taken: 0,
            unread: &mut self.unread,
            data: false,
        };
        let before = *sink.unread;
        let from = before + self.done;
        let (discard, next) = self.engine.step(self.received.held_mut(input), from, &mut sink);
        let (taken, data) = (sink.taken, sink.data);
        // What now waits is shorter than the record that it came in.
        self.done += discard - (self.unread - before);
        self.settle_up();
        self.weigh_signs(data);
        (taken, next)
    }

    /// Ends in disorder; the engine may have queued an alert for the peer.
    fn fail(&mut self, failure: Failure, output: &mut [u8]) {
        self.phase = Phase::Failed(failure);
        let mut sink = Shelf {
            output,
            ready: &mut self.ready,
            spilled: &mut self.spilled,
            total: &mut self.cipher_total,
            plain: &mut [],
            taken: 0,
            unread: &mut self.unread,
            data: false,
        };
        self.engine.flush(&mut sink);
    }

    pub(crate) fn read(&mut self, input: &mut [u8], output: &mut [u8], plain: &mut [u8]) -> usize {
        let mut taken = self.unread.min(plain.len());
        plain[..taken].copy_from_slice(&self.received.held(input)[..taken]);
        self.unread -= taken;
        self.received.drain(taken);
        self.settle_up();
        if self.unread == 0 {
            // The handshake is over if there was plaintext, so the time of `establish` is not asked for.
            taken += self.pump(Duration::ZERO, input, output, &mut plain[taken..]);
        }
        taken
    }

    pub(crate) fn write(&mut self, input: &mut [u8], output: &mut [u8], plain: &[u8]) -> usize {
        let mut taken = 0;
        while taken < plain.len() && matches!(self.phase, Phase::Unproven(_) | Phase::Proven) {
            self.refill(output);
            if !self.settle(input, output) || !self.spilled.is_empty() {
                break;
            }
            let capacity = output.len();
            let room = self.ready.vacant(output);
            let left = plain.len() - taken;
            let count = left.min(RECORD).min(room.len().saturating_sub(OVERHEAD));
            if count == 0 || (count < left && count < WORTHWHILE.min(capacity - OVERHEAD)) {
                break;
            }
            let piece = &plain[taken..taken + count];
            match self.engine.encrypt(
                &mut self.received.held_mut(input)[self.unread + self.done..],
                piece,
                room,
            ) {
                Ok(Some(written)) => {
                    self.ready.fill(written);
                    self.cipher_total += written as u64;
                    self.plain_total += count as u64;
                    self.marks.push(self.cipher_total, self.plain_total);
                    taken += count;
                }
                Ok(None) => break,
                Err(failure) => self.fail(failure, output),
            }
        }
        taken
    }

    pub(crate) fn close(&mut self, input: &mut [u8], output: &mut [u8]) {
        match self.phase {
            Phase::Handshaking => self.phase = Phase::Closed,
            Phase::Unproven(_) | Phase::Proven => {
                if self.settle(input, output) {
                    let mut alert = [0; OVERHEAD];
                    let written = self.engine.close_notify(
                        &mut self.received.held_mut(input)[self.unread + self.done..],
                        &mut alert,
                    );
                    self.cipher_total += written.unwrap_or(0) as u64;
                    self.spilled.extend_from_slice(&alert[..written.unwrap_or(0)]);
                    self.refill(output);
                    self.phase = if self.peer_closed { Phase::Closed } else { Phase::Closing };
                }
            }
            Phase::Closing | Phase::Closed | Phase::Failed(_) => {}
        }
    }

    /// Steps until the engine would encrypt; plaintext on the way waits. Whether it would.
    fn settle(&mut self, input: &mut [u8], output: &mut [u8]) -> bool {
        loop {
            match self.step(input, output, &mut []).1 {
                Ok(Next::Step) => {}
                Ok(Next::PeerClosed) => self.peer_closed = true,
                Ok(Next::Open) => return true,
                Ok(Next::Blocked | Next::Closed) => return false,
                Err(failure) => {
                    self.fail(failure, output);
                    return false;
                }
            }
        }
    }

    /// What is done with goes once no plaintext lies before it.
    fn settle_up(&mut self) {
        if self.unread == 0 {
            self.received.drain(self.done);
            self.done = 0;
        }
    }

    /// Moves what had found no room into the output buffer.
    pub(crate) fn refill(&mut self, output: &mut [u8]) {
        if !self.spilled.is_empty() {
            let room = self.ready.vacant(output);
            let count = room.len().min(self.spilled.len());
            room[..count].copy_from_slice(&self.spilled[..count]);
            self.ready.fill(count);
            self.spilled.drain(..count);
        }
    }
}
