//! From when on a connection counts as one, and when it has come to nothing.

use super::Session;
use crate::engine::{Side, Version};
use crate::failure::Failure;
use crate::phase::{Phase, Proof};
use core::time::Duration;

impl<S: Side> Session<S> {
    /// The handshake is over for us. Only a server in TLS 1.3 has its verdict on the peer still to tell: in 1.2 it comes
    /// first (RFC 5246 §7.3), and a client's verdict is its own last message.
    pub(super) fn establish(&mut self, now: Duration) {
        if !matches!(self.phase, Phase::Handshaking) {
            return;
        }
        self.phase = Phase::Unproven(Proof { flight: self.cipher_total, held_since: None, asked: now });
        let tls12 = self.engine.facts().is_some_and(|facts| facts.version == Version::Tls12);
        if S::IS_SERVER || tls12 || self.engine.tickets() > 0 {
            self.prove();
        }
    }

    fn prove(&mut self) {
        self.phase = Phase::Proven;
        self.proven = true;
    }

    /// A session ticket, or `data`, shows that the server accepts this client.
    pub(super) fn weigh_signs(&mut self, data: bool) {
        if let Phase::Unproven(proof) = self.phase {
            // A server may speak before it has heard who we are (RFC 8446 §4.4.4): that proves nothing.
            let heard_us = self.cipher_sent >= proof.flight;
            if self.engine.tickets() > 0 || data && heard_us {
                self.prove();
            }
        }
    }

    /// Silence counts as consent, but only that of a server which has our whole handshake and is still there.
    pub(super) fn weigh_silence(&mut self, now: Duration, acked: u64) {
        let Phase::Unproven(proof) = &mut self.phase else { return };
        proof.asked = now;
        if proof.held_since.is_none() && acked >= proof.flight {
            proof.held_since = Some(now);
        }
        let over = proof.held_since.is_some_and(|since| now >= since.saturating_add(self.prove_after));
        if over {
            self.prove();
        }
    }

    /// Nothing can be done with what was received: is that for ever?
    pub(super) fn judge_standstill(&mut self, input: &[u8]) {
        if self.peer_closed {
            if matches!(self.phase, Phase::Unproven(_)) {
                self.phase = Phase::Failed(Failure::ClosedUnproven);
            }
        } else if self.eof {
            let failure = match self.phase {
                Phase::Handshaking => Failure::ClosedInHandshake,
                Phase::Unproven(_) => Failure::ClosedUnproven,
                Phase::Proven | Phase::Closing => Failure::Truncated,
                Phase::Closed | Phase::Failed(_) => return,
            };
            self.phase = Phase::Failed(failure);
        } else if self.received.len() >= self.capacity(input) && self.unread == 0 {
            let buffer = self.capacity(input);
            let record = match self.received.held(input) {
                [_, _, _, high, low, ..] => 5 + usize::from(u16::from_be_bytes([*high, *low])),
                _ => 0,
            };
            self.phase = Phase::Failed(if record > buffer && buffer == input.len() {
                Failure::RecordTooLarge { record, buffer }
            } else {
                Failure::HandshakeTooLarge { buffer }
            });
        }
    }
}
