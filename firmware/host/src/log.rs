//! The image's log: defmt frames on QEMU's standard output, decoded.

use std::fmt;
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use defmt_decoder::{DecodeError, Frame, Table};

use crate::image::Image;

/// What an image has said.
#[derive(Debug)]
pub struct Log {
    lines: Receiver<Line>,
    seen: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Since the image's start.
    pub at: Duration,
    /// `info`, `warn`, `error`, …; empty for what was printed without one.
    pub level: &'static str,
    /// The text.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:10.6} {:5} {}", self.at.as_secs_f64(), self.level, self.text)
    }
}

impl Log {
    /// Decodes what `from` brings until it ends, and hands each line to `each` as it comes.
    ///
    /// # Errors
    /// The image has no table of log messages.
    pub fn start(
        image: &Image,
        mut from: impl Read + Send + 'static,
        mut each: impl FnMut(&Line) + Send + 'static,
    ) -> Result<Self> {
        let table = Table::parse(image.bytes())?.context("the image has no defmt messages")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut decoder = table.new_stream_decoder();
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                decoder.received(&buffer[..count]);
                loop {
                    let line = match decoder.decode() {
                        Ok(frame) => Line {
                            at: at(&frame),
                            level: frame.level().map_or("", |level| level.as_str()),
                            text: frame.display_message().to_string(),
                        },
                        Err(DecodeError::UnexpectedEof) => break,
                        Err(DecodeError::Malformed) => Line {
                            at: Duration::ZERO,
                            level: "error",
                            text: "(a damaged log message)".into(),
                        },
                    };
                    each(&line);
                    // Nobody may be interested any more.
                    let _ = sender.send(line);
                }
            }
        });
        Ok(Self { lines, seen: Vec::new() })
    }

    /// Waits for a line with `part` in it, among those that no earlier call has passed over.
    ///
    /// # Errors
    /// None comes within `limit`, or the image has ended: with what it said instead.
    pub fn wait(&mut self, part: &str, limit: Duration) -> Result<Line> {
        let until = Instant::now() + limit;
        let from = self.seen.len();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.text.contains(part) {
                        return Ok(line);
                    }
                }
                Err(why) => {
                    let said: String = self.seen[from..].iter().map(|line| format!("\n  {line}")).collect();
                    match why {
                        RecvTimeoutError::Timeout => {
                            bail!("no log line with \"{part}\" within {limit:?}, but:{said}")
                        }
                        RecvTimeoutError::Disconnected => {
                            bail!("QEMU has ended without a log line with \"{part}\":{said}")
                        }
                    }
                }
            }
        }
    }

    /// Everything said so far.
    pub fn history(&mut self) -> &[Line] {
        self.seen.extend(self.lines.try_iter());
        &self.seen
    }
}

/// The time in a frame, which the image gives in seconds and µs.
fn at(frame: &Frame<'_>) -> Duration {
    let shown = frame.display_timestamp().map(|time| time.to_string()).unwrap_or_default();
    let seconds = shown.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.unwrap_or_default()
}
