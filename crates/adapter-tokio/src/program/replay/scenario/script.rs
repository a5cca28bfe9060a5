//! The text of a scenario: header, what happens, and what must have arrived in the end.

mod ending;

use std::fmt::Write as _;

use uartbridge_core::{Duration, Instant};

use super::options::{options, quoted};
use super::{End, Fact, Outcome, Payload, Scenario};

/// What a scenario's stacks and drivers hold: much, because nobody knows how much it was.
const WINDOW: usize = 64 << 10;
/// More than it takes to be refused.
const ATTEMPT: Duration = Duration::from_millis(20);

/// The lines so far, and the world as they have made it.
struct Script<'s> {
    scenario: &'s Scenario<'s>,
    text: String,
    /// The time of the last line, and of the next one.
    now: Instant,
    next: Instant,
    refuses: [bool; 3],
    silent: bool,
    plugged: bool,
    ip: bool,
    stopping: bool,
    /// Something from the peers, or the device, may still be on its way.
    down: bool,
    up: bool,
    breaks: usize,
}

/// The whole file.
pub(super) fn text(scenario: &Scenario<'_>) -> String {
    let mut script = Script {
        scenario,
        text: String::new(),
        now: Instant::START,
        next: Instant::START,
        refuses: [false; 3],
        silent: false,
        plugged: true,
        ip: true,
        stopping: false,
        down: false,
        up: false,
        breaks: 0,
    };
    script.header();
    script.prepare(0);
    let opens = scenario.facts.iter().find(|(_, fact)| matches!(fact, Fact::Plugged | Fact::Unplugged));
    if let Some((_, Fact::Unplugged)) = opens {
        script.unplug();
    }
    script.line("start");
    for (index, (at, fact)) in scenario.facts.iter().enumerate() {
        script.fact(index, *at, fact);
    }
    script.ends();
    script.text
}

impl Script<'_> {
    /// A line, after the time that passes before it, in whole milliseconds.
    fn line(&mut self, line: impl std::fmt::Display) {
        let millis = self.next.since(self.now).as_micros() / 1_000;
        // Writing to a string cannot fail.
        if millis > 0 {
            let _ = writeln!(self.text, "wait {millis} ms");
            self.now = Instant::from_micros(self.now.as_micros() + millis * 1_000);
        }
        let _ = writeln!(self.text, "{line}");
    }

    fn header(&mut self) {
        let Scenario { setup, title, listens, acked_on_write, lost, .. } = self.scenario;
        self.line(format_args!("title {title}"));
        self.line("proves trace");
        self.line("# Written by `uartbridge replay --scenario`. What the bridge did is not in here, but what was done to it. Pauses before");
        self.line("# attempts to connect are drawn anew, and TCP is that of the scenario: what was on its way when a connection broke is not the");
        self.line("# same. How fast device and peers took their bytes is not reproduced.");
        if !setup.content {
            self.line("# The trace has no bytes (--trace-bytes): records, or ?, stand for them.");
        }
        if *lost {
            self.line("# Records are missing in the trace: what happened then is not in here.");
        }
        if *listens {
            self.line("# The peers called: here the bridge calls, and they refuse until then.");
        }
        if setup.config.packing.datagrams {
            self.line("transport udp");
        } else if *acked_on_write {
            self.line("# Nobody acknowledged what was written: here, TCP does.");
        }
        if setup.config.peers > 1 {
            self.line(format_args!("peers {}", setup.config.peers));
        }
        self.line("line baud 10000000");
        self.line("line fifo 64 KiB");
        self.line("network delay 1 ms");
        self.line(format_args!("network window {WINDOW}"));
        for (name, value) in options(setup) {
            self.line(format_args!("option {name} {value}"));
        }
        self.line("");
    }

    /// The next line is of this time.
    fn wait(&mut self, at: Instant) {
        self.next = at;
    }

    fn fact(&mut self, index: usize, at: Instant, fact: &Fact) {
        match fact {
            Fact::Device(payload) => {
                self.wait(at);
                self.up = true;
                self.sends("device", payload);
            }
            Fact::Peer(peer, payload) => {
                self.wait(at);
                self.down = true;
                self.sends(PEER[*peer], payload);
            }
            Fact::Attempt(_, Outcome::Refused | Outcome::Silence) => {
                // The attempt here may be under way only now.
                self.wait(at + ATTEMPT);
                self.prepare(index + 1);
            }
            Fact::Connected(peer) => self.connected(at, *peer),
            // The peer's answer to the end of the bridge's side.
            Fact::Ended(_, End::Closed { whole: false }) if self.stopping => {}
            Fact::Ended(peer, end) => self.ended(index, at, *peer, *end),
            Fact::Silence => {
                self.arrived();
                self.wait(at);
                self.silence();
            }
            Fact::GivenUp => {
                self.breaks += 1;
                self.wait(at);
                self.line("expect disconnected within 5 min");
                self.prepare(index + 1);
            }
            Fact::Unplugged if self.plugged => {
                self.arrived();
                self.wait(at);
                self.line("wait 100 ms");
                self.unplug();
            }
            Fact::Plugged if !self.plugged => {
                self.wait(at);
                self.plug();
            }
            Fact::LineError => {
                self.wait(at);
                self.line("device line error");
            }
            Fact::IpLost => {
                self.arrived();
                self.wait(at);
                self.breaks += 1;
                self.ip = false;
                self.line("ip lost");
            }
            Fact::IpReady if !self.ip => {
                self.wait(at);
                self.prepare(index + 1);
                self.ip = true;
                self.line("ip ready");
            }
            Fact::Stop => {
                self.arrived();
                self.wait(at);
                self.stop();
            }
            Fact::Attempt(..) | Fact::Unplugged | Fact::Plugged | Fact::IpReady => {}
        }
    }

    fn sends(&mut self, who: &str, payload: &Payload) {
        match payload {
            Payload::Bytes(bytes) => self.line(format_args!("{who} sends {}", quoted(bytes))),
            Payload::Unknown(0) => {}
            Payload::Unknown(n) => self.line(format_args!("{who} sends {n} of records")),
        }
    }

    /// A listener's peer calls only now.
    fn connected(&mut self, at: Instant, peer: usize) {
        self.wait(at);
        self.listen(peer);
        self.heal();
        // A bridge that stops may have delivered everything before.
        if !self.scenario.setup.config.packing.datagrams && !self.stopping {
            let backoff = self.scenario.setup.config.backoff.max.as_micros() / 1_000_000;
            self.line(format_args!("expect connected to {} within {} s", PEER[peer], 4 * backoff + 60));
        }
    }

    fn ended(&mut self, index: usize, at: Instant, peer: usize, end: End) {
        self.breaks += 1;
        self.arrived();
        self.wait(at);
        let peer = PEER[peer];
        match end {
            End::Reset if self.scenario.setup.config.packing.datagrams => {
                self.line("# here the kernel reported that a datagram was refused");
                return;
            }
            End::Reset => self.line(format_args!("{peer} resets")),
            End::Closed { whole: true } => self.line(format_args!("{peer} closes")),
            End::Closed { whole: false } => self.line(format_args!("{peer} half-closes")),
        }
        // A black hole would swallow the news of that; a refusal must be there before the next attempt.
        let silence = matches!(self.next_attempt(index + 1), Some((_, Outcome::Silence)));
        if silence {
            self.line(if end == End::Reset { "expect disconnected" } else { "wait 20 ms" });
        }
        self.prepare(index + 1);
        if end == End::Reset && !silence {
            self.line("expect disconnected");
        }
    }

    /// The next attempt after the fact at `from`, and what becomes of it.
    fn next_attempt(&self, from: usize) -> Option<(usize, Outcome)> {
        let attempt = |(_, fact): &(Instant, Fact)| {
            if let Fact::Attempt(peer, outcome) = fact { Some((*peer, *outcome)) } else { None }
        };
        self.scenario.facts[from..].iter().find_map(attempt)
    }

    /// Makes the next attempt, after the fact at `from`, go as it went.
    fn prepare(&mut self, from: usize) {
        if self.scenario.setup.config.packing.datagrams {
            return;
        }
        match self.next_attempt(from) {
            Some((peer, Outcome::Refused)) => {
                self.heal();
                self.refuse(peer);
            }
            Some((_, Outcome::Silence)) => self.silence(),
            // A listener waits for whoever calls.
            Some((peer, Outcome::Connected)) if self.scenario.listens => self.refuse(peer),
            Some((peer, Outcome::Connected)) => {
                self.heal();
                self.listen(peer);
            }
            Some((_, Outcome::Open)) | None => {}
        }
    }

    fn refuse(&mut self, peer: usize) {
        if !std::mem::replace(&mut self.refuses[peer], true) {
            self.line(format_args!("{} refuses", PEER[peer]));
        }
    }

    fn listen(&mut self, peer: usize) {
        if std::mem::replace(&mut self.refuses[peer], false) {
            self.line(format_args!("{} listens", PEER[peer]));
        }
    }

    fn silence(&mut self) {
        if !std::mem::replace(&mut self.silent, true) {
            self.line("network black hole");
        }
    }

    fn heal(&mut self) {
        if std::mem::replace(&mut self.silent, false) {
            self.line("network heals");
        }
    }

    fn unplug(&mut self) {
        self.plugged = false;
        self.line("device unplugged");
    }

    fn plug(&mut self) {
        self.plugged = true;
        self.line("device plugged");
    }

    /// What the peers have sent is with the device, as it was before what comes now.
    fn arrived(&mut self) {
        if self.plugged && std::mem::replace(&mut self.down, false) {
            self.line("expect device complete within 1 min");
        }
    }

    fn stop(&mut self) {
        if std::mem::replace(&mut self.up, false) {
            self.line("wait 200 ms");
        }
        self.stopping = true;
        self.line("stop");
    }
}

const PEER: [&str; 3] = ["peer", "second peer", "third peer"];
