//! The log, on standard error: one line an event, labelled with the bridge it is about.
//!
//! A line that a bridge repeats over and over must not fill a disk. At most [`LINES`] lines that a bridge logs at
//! level info or above within [`WINDOW`] are written; the rest are counted, and the count is written before the
//! bridge's next line. How a bridge begins and ends is always written. Lines at debug and trace, and counters, are
//! asked for by somebody who reads them, so they are not limited.
//!
//! The lines are written by a thread of their own: a terminal or pipe that nobody reads must not hold up a bridge.
//! Lines beyond [`WAITING`] that wait there are thrown away.

use std::collections::HashMap;
use std::fmt;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::values::{LogFormat, LogLevel};
use crate::program::{COUNTERS, ENDS};

/// Writes what is left when it is dropped, for a second at most.
pub(super) type Flush = WorkerGuard;

/// Starts the log of this process. To be called once; a second call changes nothing.
#[must_use = "the log ends with it"]
pub(super) fn start(level: LogLevel, format: LogFormat) -> Flush {
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Who asks for counters gets them at every level, and the name of their bridge, which its span carries.
    let levels = Targets::new()
        .with_default(level)
        .with_target(COUNTERS, LevelFilter::INFO)
        .with_target(SPANS, level.max(LevelFilter::ERROR));
    let log = tracing_subscriber::registry().with(levels);
    let (writer, flush) =
        NonBlockingBuilder::default().buffered_lines_limit(WAITING).finish(std::io::stderr());
    let common = tracing_subscriber::fmt::layer().with_writer(writer);
    let started = match format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && !is_set("NO_COLOR");
            let lines = tracing_subscriber::fmt::format().with_timer(Utc).with_target(false);
            log.with(common.with_ansi(colours).event_format(Limited::new(lines, format))).try_init()
        }
        LogFormat::Json => {
            let lines = tracing_subscriber::fmt::format()
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .with_timer(Utc)
                .with_target(false);
            let fields = tracing_subscriber::fmt::format::JsonFields::new();
            log.with(common.fmt_fields(fields).event_format(Limited::new(lines, format))).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
    flush
}

/// The most lines that wait to be written.
const WAITING: usize = 1_000;
/// Where the spans of bridges come from.
const SPANS: &str = "uartbridge::spec";
/// The most lines of one bridge that are written within [`WINDOW`].
const LINES: u32 = 20;
/// See [`LINES`].
const WINDOW: Duration = Duration::from_secs(10);

/// no-color.org: present and not empty.
fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// The time as RFC 3339 has it, in UTC, to the millisecond.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", humantime::format_rfc3339_millis(SystemTime::now()))
    }
}

/// Formats events like `F`, but not too many of one bridge.
struct Limited<F> {
    lines: F,
    format: LogFormat,
    /// By the id of the bridge's span.
    bridges: Mutex<HashMap<u64, Limit>>,
}

impl<F> Limited<F> {
    fn new(lines: F, format: LogFormat) -> Self {
        Self { lines, format, bridges: Mutex::default() }
    }

    /// A line of our own between the others.
    fn note<S, N>(
        &self,
        ctx: &FmtContext<'_, S, N>,
        w: &mut Writer<'_>,
        text: fmt::Arguments<'_>,
    ) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
    {
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        let span = bridge(ctx);
        let extensions = span.as_ref().map(|span| span.extensions());
        let fields = extensions.as_ref().and_then(|found| found.get::<FormattedFields<N>>());
        let fields = fields.map_or("", |fields| fields.fields.as_str());
        match self.format {
            LogFormat::Text => writeln!(w, "{time}  WARN bridge{{{fields}}}: {text}"),
            LogFormat::Json => {
                // The fields are a JSON object already, and nothing else here needs escaping.
                writeln!(w, r#"{{"timestamp":"{time}","level":"WARN","message":"{text}","span":{fields}}}"#)
            }
        }
    }
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut w: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let Some(span) = bridge(ctx).filter(|_| level <= Level::INFO && target != COUNTERS) else {
            return self.lines.format_event(ctx, w, event);
        };
        let verdict = {
            let mut bridges = self.bridges.lock().unwrap_or_else(PoisonError::into_inner);
            let limit = bridges.entry(span.id().into_u64()).or_default();
            if target == ENDS { limit.interrupt() } else { limit.judge(Instant::now()) }
        };
        match verdict {
            Verdict::Write { suppressed: 0 } => self.lines.format_event(ctx, w, event),
            Verdict::Write { suppressed } => {
                self.note(ctx, &mut w, format_args!("{suppressed} lines suppressed"))?;
                self.lines.format_event(ctx, w, event)
            }
            Verdict::LastWord => {
                let seconds = WINDOW.as_secs();
                self.note(
                    ctx,
                    &mut w,
                    format_args!("more than {LINES} lines in {seconds} s: suppressing lines"),
                )
            }
            Verdict::Suppress => Ok(()),
        }
    }
}

/// The span of the bridge that an event is about.
fn bridge<'a, S, N>(ctx: &'a FmtContext<'_, S, N>) -> Option<tracing_subscriber::registry::SpanRef<'a, S>>
where
    S: Subscriber + for<'b> LookupSpan<'b>,
    N: for<'b> FormatFields<'b> + 'static,
{
    ctx.event_scope()?.find(|span| span.name() == "bridge")
}

/// What one bridge has written lately.
#[derive(Debug, Default)]
struct Limit {
    /// When the present window began.
    since: Option<Instant>,
    /// Lines in it, suppressed ones included.
    lines: u32,
    /// Suppressed ones that nobody was told of.
    suppressed: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Write the line, after a word about those that were suppressed before it.
    Write {
        suppressed: u32,
    },
    /// Write that lines will be suppressed, in place of the first one.
    LastWord,
    Suppress,
}

impl Limit {
    fn judge(&mut self, now: Instant) -> Verdict {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            *self = Self { since: Some(now), lines: 1, ..*self };
            return self.interrupt();
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines <= LINES {
            return Verdict::Write { suppressed: 0 };
        }
        self.suppressed = self.suppressed.saturating_add(1);
        if self.lines == LINES + 1 { Verdict::LastWord } else { Verdict::Suppress }
    }

    /// A line that is written in any case.
    fn interrupt(&mut self) -> Verdict {
        Verdict::Write { suppressed: std::mem::take(&mut self.suppressed) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[test]
    fn a_window_takes_its_lines_and_counts_the_rest() {
        let mut limit = Limit::default();
        let start = Instant::now();
        for _ in 0..LINES {
            assert_eq!(limit.judge(start), Verdict::Write { suppressed: 0 });
        }
        assert_eq!(limit.judge(start), Verdict::LastWord);
        assert_eq!(limit.judge(start + WINDOW - Duration::from_nanos(1)), Verdict::Suppress);
        assert_eq!(limit.judge(start + WINDOW), Verdict::Write { suppressed: 2 });
        assert_eq!(limit.judge(start + WINDOW), Verdict::Write { suppressed: 0 });
        assert_eq!(limit.judge(start + 3 * WINDOW), Verdict::Write { suppressed: 0 });
    }

    #[test]
    fn what_must_be_said_is_said_in_the_middle_of_a_flood() {
        let mut limit = Limit::default();
        let start = Instant::now();
        for _ in 0..LINES + 5 {
            limit.judge(start);
        }
        assert_eq!(limit.interrupt(), Verdict::Write { suppressed: 5 });
        assert_eq!(limit.judge(start), Verdict::Suppress, "the flood goes on");
        assert_eq!(limit.interrupt(), Verdict::Write { suppressed: 1 });
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn lines(&self) -> Vec<String> {
            let bytes = self.0.lock().expect("no test panics here");
            String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics here").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Written {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_flood_of_one_bridge_leaves_the_others_alone() {
        let written = Written::default();
        let lines = tracing_subscriber::fmt::format().with_timer(Utc).with_target(false);
        let log = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::DEBUG)
            .with_writer(written.clone())
            .with_ansi(false)
            .event_format(Limited::new(lines, LogFormat::Text))
            .finish();
        tracing::subscriber::with_default(log, || {
            let [noisy, quiet] = ["a", "b"].map(|id| tracing::error_span!("bridge", id));
            for _ in 0..100 {
                noisy.in_scope(|| tracing::info!("again"));
            }
            noisy.in_scope(|| tracing::debug!("asked for"));
            quiet.in_scope(|| tracing::warn!("once"));
            tracing::info!("of no bridge");
        });
        let lines = written.lines();
        let count = |text: &str| lines.iter().filter(|line| line.ends_with(text)).count();
        assert_eq!(count(r#" INFO bridge{id="a"}: again"#), 20, "{lines:#?}");
        assert_eq!(
            count(r#"  WARN bridge{id="a"}: more than 20 lines in 10 s: suppressing lines"#),
            1,
            "{lines:#?}"
        );
        assert_eq!(count(r#"DEBUG bridge{id="a"}: asked for"#), 1, "{lines:#?}");
        assert_eq!(count(r#" WARN bridge{id="b"}: once"#), 1, "{lines:#?}");
        assert_eq!(count(" INFO of no bridge"), 1, "{lines:#?}");
        assert_eq!(lines.len(), 24, "{lines:#?}");
    }

    #[test]
    fn every_line_of_a_json_log_is_an_object() {
        let written = Written::default();
        let lines = tracing_subscriber::fmt::format().json().flatten_event(true).with_timer(Utc);
        let log = tracing_subscriber::fmt()
            .with_writer(written.clone())
            .fmt_fields(tracing_subscriber::fmt::format::JsonFields::new())
            .event_format(Limited::new(lines, LogFormat::Json))
            .finish();
        tracing::subscriber::with_default(log, || {
            let span = tracing::error_span!("bridge", id = "a\"b");
            for _ in 0..=LINES {
                span.in_scope(|| tracing::info!(peer = "x", "connected"));
            }
        });
        let lines = written.lines();
        assert_eq!(lines.len(), 21, "{lines:#?}");
        assert!(
            lines.iter().all(|line| line.starts_with(r#"{"timestamp":""#) && line.ends_with('}')),
            "{lines:#?}"
        );
        let note = r#""message":"more than 20 lines in 10 s: suppressing lines","span":{"id":"a\"b"}}"#;
        assert!(lines.last().is_some_and(|line| line.ends_with(note)), "{lines:#?}");
    }
}
