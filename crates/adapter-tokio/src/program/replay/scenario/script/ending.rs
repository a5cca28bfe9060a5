//! How a scenario ends: with everything delivered, if that can be.

use uartbridge_core::Overflow;

use super::{Script, WINDOW};

impl Script<'_> {
    /// Brings everything to its end, and asks whether all has arrived.
    pub(super) fn ends(&mut self) {
        let gave_up = self.scenario.finished && self.scenario.held > 0;
        if !self.scenario.stopped {
            self.arrived();
            self.line("# The trace ends here. So that all can arrive, everything comes back, and the bridge finishes.");
            self.comes_back();
            self.all_up();
            self.stop();
        } else if !gave_up {
            self.comes_back();
        }
        if gave_up {
            return self.line("expect bridge gives up within 2 min");
        }
        self.line("expect finished within 2 min");
        if self.drops() {
            self.line("# What the full buffer drops depends on the times: nobody can say what must arrive.");
        } else {
            self.complete();
        }
        self.line("expect device complete within 1 min");
    }

    /// Everything that the device has said arrives, unless the end of a packet is waited for, which stopping brings.
    fn all_up(&mut self) {
        let packing = self.scenario.setup.config.packing;
        let waits = packing.gap.is_never() && (packing.delimiter.is_some() || packing.max_len > 0);
        if waits {
            self.line("wait 10 s");
        } else if !self.drops() {
            self.complete();
            self.up = false;
        }
    }

    fn complete(&mut self) {
        let silent = !self.scenario.setup.config.supervise.silent.is_never();
        let most = if self.breaks > 0 || silent { (self.breaks + 2) * WINDOW } else { 0 };
        let duplicated = if most > 0 { format!(", duplicated <= {most}") } else { String::new() };
        self.line(format_args!("expect peer complete{duplicated} within 2 min"));
    }

    fn drops(&self) -> bool {
        self.scenario.dropped > 0 || self.scenario.setup.config.overflow != Overflow::Block
    }

    fn comes_back(&mut self) {
        self.heal();
        (0..self.refuses.len()).for_each(|peer| self.listen(peer));
        if !self.plugged {
            self.plug();
        }
        if !std::mem::replace(&mut self.ip, true) {
            self.line("ip ready");
        }
    }
}
