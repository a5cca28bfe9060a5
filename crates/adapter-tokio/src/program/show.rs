//! The traffic, for people to read: time, direction, text and hexadecimal.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::SystemTime;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use uartbridge::spec::Show;

/// Where lines go.
pub(super) enum Out {
    /// Standard output, at once.
    Output,
    /// Standard error, by a thread of its own: nobody who stops reading holds up a bridge.
    Error(Screen),
}

/// Lines for standard error, for bridges, because standard output may be one of their ends.
#[derive(Clone)]
pub(super) struct Screen {
    writer: NonBlocking,
}

/// The most rows that wait to be written, over all bridges. What comes beyond them is counted.
const WAITING: usize = 1_000;

/// Prints what passes.
pub(super) struct Traffic {
    out: Out,
    show: Show,
    name: String,
}

impl Screen {
    /// Starts the thread, which ends, with what it has, when the guard is dropped.
    pub(super) fn start() -> (Self, WorkerGuard) {
        let (writer, flush) =
            NonBlockingBuilder::default().buffered_lines_limit(WAITING).finish(std::io::stderr());
        (Self { writer }, flush)
    }

    /// How often rows were thrown away because too many were waiting.
    pub(super) fn missing(&self) -> usize {
        self.writer.error_counter().dropped_lines()
    }
}

impl Traffic {
    pub(super) fn new(out: Out, show: Show, name: &str) -> Self {
        let name = if name.is_empty() { String::new() } else { format!("{name} ") };
        Self { out, show, name }
    }

    pub(super) fn uplink(&mut self, bytes: &[u8]) {
        self.print("UART → net ", bytes);
    }

    pub(super) fn downlink(&mut self, bytes: &[u8]) {
        self.print("UART ← net ", bytes);
    }

    fn print(&mut self, direction: &str, bytes: &[u8]) {
        let time = clock(SystemTime::now());
        let mut lines = String::new();
        for row in rows(self.show, bytes) {
            let body = body(self.show, row);
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{time} {}{direction} {:>4} B  {body}", self.name, row.len());
        }
        self.out.write(&lines);
    }
}

impl Out {
    /// A line of the program's own between the traffic.
    pub(super) fn note(mut self, line: &str) {
        self.write(&format!("{} {line}\n", clock(SystemTime::now())));
    }

    fn write(&mut self, lines: &str) {
        // Whoever has closed it does not want to see them.
        let _ = match self {
            Self::Output => std::io::stdout().write_all(lines.as_bytes()),
            Self::Error(screen) => screen.writer.write_all(lines.as_bytes()),
        };
    }
}

/// The bytes of each line: as many as fit, and text ends where its own lines do.
fn rows(show: Show, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (width, lines) = match show {
        Show::Text => (64, true),
        Show::Hex => (BOTH, false),
        Show::Both => (BOTH, true),
    };
    bytes.split_inclusive(move |&byte| lines && byte == b'\n').flat_map(move |line| line.chunks(width))
}

/// Bytes in a line that shows them in hexadecimal.
const BOTH: usize = 16;

fn body(show: Show, row: &[u8]) -> String {
    let text = || format!("\"{}\"", row.escape_ascii());
    let hex = || row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    match show {
        Show::Text => text(),
        Show::Hex => hex(),
        Show::Both => format!("{:<width$}  {}", hex(), text(), width = BOTH * 3),
    }
}

/// `hh:mm:ss.mmm` in UTC.
fn clock(now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs() % 86_400, since.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_hex_and_text_side_by_side() {
        assert_eq!(body(Show::Both, b"ok\r\n"), format!("{:<48}  {}", "6f 6b 0d 0a", r#""ok\r\n""#));
        assert_eq!(body(Show::Text, b"a\"b"), "\"a\\\"b\"");
        assert_eq!(body(Show::Hex, &[0, 255]), "00 ff");
    }

    #[test]
    fn rows_keep_lines_together_and_every_byte_once() {
        let lengths = |show, bytes: &[u8]| rows(show, bytes).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(Show::Both, b"ab\ncd\nef"), [3, 3, 2]);
        assert_eq!(lengths(Show::Hex, b"ab\ncd\nef"), [8]);
        assert_eq!(lengths(Show::Both, &[7; 33]), [16, 16, 1]);
        assert_eq!(lengths(Show::Text, &[7; 65]), [64, 1]);
        assert_eq!(lengths(Show::Both, b""), [0; 0]);
    }

    #[test]
    fn the_clock_counts_the_day_in_utc() {
        let noon = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(86_400_000 * 3 + 43_201_007);
        assert_eq!(clock(noon), "12:00:01.007Z");
    }
}
