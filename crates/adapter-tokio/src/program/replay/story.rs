//! A trace in words: a line for each change, and sums of what passed in between.

mod sums;

use std::path::Path;

use uartbridge::journal::Journal;
use uartbridge_core::{
    Action, Close, CloseReason, Event, Flow, Instant, LineErrors, PeerIndex, Step as Rung, Weight,
};
use uartbridge_trace::{BadTrace, CORE_VERSION, Did, Difference, Setup, What};

use super::guess::Guess;
use super::player::{Run, Step, View};
use super::stamps::Stamps;
use sums::Sums;

/// What was told so far.
pub(super) struct Story<'t> {
    setup: &'t Setup<'t>,
    core: &'t str,
    verbose: bool,
    stamps: Stamps,
    journal: Journal,
    names: Vec<(PeerIndex, String)>,
    guess: Guess,
    uart: Uart,
    sums: Sums,
    /// When the last record came.
    last: Instant,
    /// The event before an action that differs.
    told: Option<Event>,
    lines: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uart {
    Unknown,
    Open,
    Absent,
}

impl<'t> Story<'t> {
    pub(super) fn new(setup: &'t Setup<'t>, core: &'t str, verbose: bool) -> Self {
        Self {
            setup,
            core,
            verbose,
            stamps: Stamps::new(setup.began),
            journal: Journal::default(),
            names: Vec::new(),
            guess: Guess::default(),
            uart: Uart::Unknown,
            sums: Sums::default(),
            last: Instant::START,
            told: None,
            lines: Vec::new(),
        }
    }

    /// What there is to say before the first record; `unchecked`: why nothing will be compared.
    pub(super) fn begin(&mut self, file: &Path, unchecked: Option<&str>) -> Vec<String> {
        let Setup { up, down, content, .. } = *self.setup;
        let what = if content { "with the bytes that passed" } else { "without the bytes that passed" };
        let mut lines = vec![format!(
            "{}: recorded by uartbridge {}, {what}; buffers of {up} B up, {down} B down",
            file.display(),
            self.core
        )];
        if self.core != CORE_VERSION {
            lines.push(format!(
                "this is uartbridge {CORE_VERSION}: it may decide otherwise than that version did"
            ));
        }
        lines.extend(unchecked.map(|why| format!("not checked: {why}")));
        lines
    }

    /// What there is to say of a record.
    pub(super) fn tell(&mut self, step: &Step<'_>) -> Vec<String> {
        let Step { record, bytes, bridge } = *step;
        let at = record.at;
        self.last = at;
        if self.verbose {
            self.detail(at, &record.what, bytes);
        }
        let before = self.sums;
        self.sums.add(&record, bridge.map(|view| view.stats), &mut self.guess);
        match record.what {
            What::Name(peer, name) => self.names.push((peer, name.to_owned())),
            What::Told(event, _) => self.event(at, event, bridge.as_ref(), &before),
            What::Asked(action) => self.action(at, action),
            What::Refused(misuse) => {
                self.say(at, &format!("it refused that: {misuse}; a bug of the adapter, please report it"));
            }
            What::Lost(n) => {
                self.say(at, &format!("{n} records are missing here: what follows cannot be checked"));
            }
            What::Full => self.say(at, "here the trace was full; the bridge went on"),
            What::Mark { .. } | What::Unclear => {}
        }
        self.link(at, &record.what, bridge.as_ref());
        std::mem::take(&mut self.lines)
    }

    /// The bridge does something else than it did.
    pub(super) fn differs(&mut self, difference: &Difference) -> Vec<String> {
        let Difference { at, recorded, replayed } = difference;
        let event = self.told.map_or_else(|| "its start".to_owned(), |event| format!("{event:?}"));
        let asked = |did: &Did| match did {
            Did::Asked(action) => format!("{action:?}"),
            Did::Took | Did::Refused(_) => did.to_string(),
        };
        self.say(*at, &format!("DIFFERENT after {event}, {} µs after its clock's start:", at.as_micros()));
        self.lines.push(format!("    recorded: {}", asked(recorded)));
        self.lines.push(format!("    replayed: {}", asked(replayed)));
        self.lines.push("    what follows is told as it was recorded, and not checked".to_owned());
        std::mem::take(&mut self.lines)
    }

    /// Totals.
    pub(super) fn end(&mut self, run: &Run<'_>, damaged: Option<&BadTrace>) -> Vec<String> {
        let last = self.last;
        if let Some(bad) = damaged {
            self.say(last, &format!("the trace ends here: {bad}"));
        } else {
            self.flush(last);
        }
        let (checked, records) = run.checked();
        let result = if run.is_sure() {
            format!(
                "replayed: {records} records, {checked} calls of the bridge, every action is the recorded one"
            )
        } else {
            format!("replayed: {records} records, of which {checked} calls of the bridge could be checked")
        };
        self.lines.push(result);
        self.lines.extend(self.sums.totals(run.last().map(|view| view.stats).filter(|_| run.is_sure())));
        std::mem::take(&mut self.lines)
    }

    fn event(&mut self, at: Instant, event: Event, bridge: Option<&View>, before: &Sums) {
        self.told = Some(event);
        match event {
            Event::UartOpened => self.uart(at, Uart::Open, "UART is open"),
            Event::UartClosed => {
                let words = if self.uart == Uart::Open {
                    "UART has gone"
                } else {
                    "UART is not there; waiting for it"
                };
                self.uart(at, Uart::Absent, words);
            }
            Event::UartEnded => self.say(at, "UART has ended: delivering what is held"),
            Event::UartErrors(LineErrors { overrun, framing, parity }) => {
                self.say(at, &format!("line errors: {overrun} overrun, {framing} framing, {parity} parity"));
            }
            Event::SockRxCut(n) => self.say(at, &format!("{n} B of a datagram were cut off")),
            Event::Stop => self.say(at, "stopping: delivering what is held"),
            Event::IpLost => self.say(at, "the network's address is gone"),
            Event::IpReady => {}
            Event::TxFailed => self.journal.because("writing to the connection fails"),
            Event::Closed(reason) => {
                if reason != CloseReason::Done {
                    self.journal.because(reason.words());
                }
                self.resent(at, bridge, before);
            }
            Event::Connected(_)
            | Event::PeerClosed
            | Event::UartRx(_)
            | Event::SockRx(_)
            | Event::TxDone(_)
            | Event::TxAcked(_)
            | Event::UartTxDone(_)
            | Event::Timeout => {}
        }
    }

    fn action(&mut self, at: Instant, action: Action) {
        match action {
            Action::Close(Close::Orderly(cause) | Close::Abort(cause)) => self.journal.because(cause.words()),
            Action::UartFlow(Flow::Stop) => self.say(at, "the device is told to pause"),
            Action::UartFlow(Flow::Go) => self.say(at, "the device is told to go on"),
            Action::Recover(Rung::ResetRadio) => self.say(at, "the network is stuck: its reset is asked for"),
            Action::Recover(Rung::Restart) => self.say(at, "the network is stuck: a restart is asked for"),
            Action::OpenUart
            | Action::Connect(_)
            | Action::QueryAcks
            | Action::Sleep(_)
            | Action::Finished => {}
        }
    }

    /// What was on its way when a connection ended.
    fn resent(&mut self, at: Instant, bridge: Option<&View>, before: &Sums) {
        let Some(stats) = bridge.map(|view| view.stats) else { return };
        match stats.replayed - before.replayed() {
            0 => {}
            n => {
                let from = stats.uart_rx - stats.up_held;
                self.say(
                    at,
                    &format!("{n} B are not acknowledged: they will be sent again, from byte {from} on"),
                );
            }
        }
    }

    /// As an adapter's log does: a line when the bridge sleeps with the link in another state.
    fn link(&mut self, at: Instant, what: &What<'_>, bridge: Option<&View>) {
        let guessed = self.guess.state(at, what);
        let settled = matches!(what, What::Asked(Action::Sleep(_) | Action::Finished));
        let (state, peer, failures) = match bridge {
            Some(view) if settled => (Some(view.state), Some(view.peer), view.stats.failures),
            Some(_) => return,
            None => (guessed, self.guess.peer(), 0),
        };
        let Some(state) = state else { return };
        let name = peer.map_or_else(|| "its peer".to_owned(), |peer| self.name(peer));
        if let Some((weight, line)) = self.journal.words(state, || failures, || name.clone())
            && (weight > Weight::Detail || self.verbose)
        {
            self.say(at, &line);
        }
    }

    fn name(&self, peer: PeerIndex) -> String {
        let known = self.names.iter().find(|(index, _)| *index == peer);
        known.map_or_else(|| format!("peer {}", peer.0), |(_, name)| name.clone())
    }

    fn uart(&mut self, at: Instant, state: Uart, words: &str) {
        if self.uart != state {
            self.uart = state;
            self.say(at, words);
        }
    }

    /// A line of its own, after the sums of what passed before it.
    fn say(&mut self, at: Instant, words: &str) {
        self.flush(at);
        self.line(at, words);
    }

    fn flush(&mut self, at: Instant) {
        if let Some((moved, words)) = self.sums.take() {
            self.line(moved.min(at), &words);
        }
    }

    fn line(&mut self, at: Instant, words: &str) {
        let (day, time) = self.stamps.stamp(at);
        self.lines.extend(day);
        self.lines.push(format!("{time}  {words}"));
    }

    /// The record itself.
    fn detail(&mut self, at: Instant, what: &What<'_>, bytes: Option<&[u8]>) {
        const SHOWN: usize = 32;
        let words = match what {
            What::Told(event, _) => {
                let shown = bytes.map_or(String::new(), |bytes| {
                    let more = if bytes.len() > SHOWN { "…" } else { "" };
                    format!("  \"{}\"{more}", bytes[..bytes.len().min(SHOWN)].escape_ascii())
                });
                format!("    > {event:?}{shown}")
            }
            What::Asked(Action::Sleep(sleep)) => {
                let until = sleep.until.map_or_else(
                    || "until something happens".to_owned(),
                    |(until, timer)| format!("for {} at most ({timer:?})", until.since(at)),
                );
                format!("    < Sleep {until}, {:?}", sleep.depth)
            }
            What::Asked(action) => format!("    < {action:?}"),
            What::Name(peer, name) => format!("    peer {} is {name}", peer.0),
            What::Mark { skip, byte } => format!("    delimiter byte {byte:#04x} after {skip} B"),
            What::Unclear => "    < Sleep, as before".to_owned(),
            What::Refused(_) | What::Lost(_) | What::Full => return,
        };
        self.line(at, &words);
    }
}
