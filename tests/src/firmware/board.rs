//! The running board: what it says, and what it counts.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::PollFlags;
use uartbridge_firmware_config::Settings;
use uartbridge_firmware_host::image::Symbol;
use uartbridge_firmware_host::{Image, Machine, Plan, Serial};

use crate::program::live::Interest;
use crate::world::Observed;

/// How much of what it said is shown when a scenario fails.
const HISTORY: usize = 16;
/// The counters in the order in which the image writes them (`firmware/mps2-an385/src/counters.rs`), between two words that
/// count how often it has.
const COUNTERS: [&str; 17] = [
    "uart-rx",
    "tx-acked",
    "up-held",
    "up-dropped",
    "up-dropped-packets",
    "replayed",
    "sock-rx",
    "uart-tx",
    "down-held",
    "down-cut",
    "overrun",
    "framing",
    "parity",
    "attempts",
    "connections",
    "failures",
    "heartbeats",
];
/// So often the counters are looked at without being asked for: that they were written shows that the watchdog is fed.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Board {
    pub(super) machine: Machine,
    counters: Symbol,
    log: UnixStream,
    said: Vec<u8>,
    /// How much of that has been looked at.
    read: usize,
    starts: u64,
    /// How often the image had written its counters when they were last looked at, and when that was.
    written: u32,
    looked: Duration,
    /// The port to which it says it is connected.
    port: Option<u16>,
}

impl Board {
    /// Starts `image` with `settings`.
    pub(super) fn start(image: &Image, settings: &Settings<'_>) -> Result<Self, String> {
        let told = |error: &dyn core::fmt::Display| format!("starting the board: {error:#}");
        let counters = image.symbol("COUNTERS").map_err(|error| told(&error))?;
        let (log, mut pen) = UnixStream::pair().map_err(|error| told(&error))?;
        log.set_nonblocking(true).map_err(|error| told(&error))?;
        let plan = Plan { image, settings, serial: Serial::Socket, icount: None, debugger: false };
        // Nobody may be listening any more.
        let each = move |line: &_| drop(writeln!(pen, "{line}"));
        let machine = Machine::start(&plan, each).map_err(|error| told(&format!("{error:#}")))?;
        Ok(Self {
            machine,
            counters,
            log,
            said: Vec::new(),
            read: 0,
            starts: 0,
            written: 0,
            looked: Duration::ZERO,
            port: None,
        })
    }

    pub(super) fn interest(&self) -> Interest<'_> {
        (self.log.as_fd(), PollFlags::IN)
    }

    pub(super) const fn is_up(&self) -> bool {
        self.starts > 0
    }

    pub(super) const fn connected_port(&self) -> Option<u16> {
        self.port
    }

    pub(super) fn turn(&mut self, observed: &mut Observed) -> Result<(), String> {
        let mut buffer = [0; 4096];
        loop {
            match self.log.read(&mut buffer) {
                Ok(0) => return Err("QEMU has ended".into()),
                Ok(n) => self.said.extend(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("the board's log: {error}")),
            }
        }
        while let Some(end) = self.said[self.read..].iter().position(|&byte| byte == b'\n') {
            let line = String::from_utf8_lossy(&self.said[self.read..=self.read + end]).into_owned();
            self.read += end + 1;
            self.hear(&line, observed)?;
        }
        if observed.now.saturating_sub(self.looked) >= EVERY {
            self.looked = observed.now;
            if let Some((written, _)) = self.counters()?
                && written != self.written
            {
                self.written = written;
                observed.watchdog_fed = Some(observed.now);
            }
        }
        Ok(())
    }

    fn hear(&mut self, line: &str, observed: &mut Observed) -> Result<(), String> {
        observed.said += line;
        if let Some((_, peer)) = line.split_once(" connected to ") {
            self.port = peer.trim_end().rsplit(':').next().and_then(|port| port.parse().ok());
        } else if ["not connected", "network has no address", "no connection needed"]
            .iter()
            .any(|words| line.contains(words))
        {
            self.port = None;
        } else if line.contains("network is stuck: ResetRadio") {
            observed.radio_resets += 1;
        } else if line.contains("network is stuck: Restart") {
            observed.restarts += 1;
        } else if line.contains(", started by ") {
            self.starts += 1;
            self.port = None;
            if self.starts > 1 + observed.restarts {
                return Err(format!("the board has started again by itself: {}", self.history()));
            }
        } else if line.contains(" error ") {
            return Err(format!("the board has stopped: {}", self.history()));
        }
        Ok(())
    }

    /// How often the image has written its counters, and what they are; `None` while it is writing.
    pub(super) fn counters(&mut self) -> Result<Option<(u32, Vec<u32>)>, String> {
        let Symbol { address, size } = self.counters;
        let bytes = self.machine.memory(address, size).map_err(|error| format!("{error:#}"))?;
        let words: Vec<_> = bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        match words.as_slice() {
            [first, counters @ .., last] if counters.len() == COUNTERS.len() => {
                Ok((first == last).then(|| (*first, counters.to_vec())))
            }
            _ => Err(format!("the image has {} words of counters", words.len())),
        }
    }

    /// All counters, in words.
    pub(super) fn counted(&mut self) -> String {
        let counters = self.counters().ok().flatten().map(|(_, counters)| counters).unwrap_or_default();
        COUNTERS.iter().zip(counters).map(|(name, counter)| format!(" {name} {counter}")).collect()
    }

    pub(super) fn history(&self) -> String {
        let said = String::from_utf8_lossy(&self.said);
        let lines: Vec<_> = said.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(HISTORY)).map(|line| format!("\n    {line}")).collect()
    }
}

/// The counter `name` among `counters`.
pub(super) fn counter(counters: &[u32], name: &str) -> Result<u64, String> {
    let place = COUNTERS.iter().position(|counter| *counter == name);
    let counter = place.and_then(|place| counters.get(place));
    counter.map(|&counter| counter.into()).ok_or_else(|| format!("there is no counter `{name}`"))
}
