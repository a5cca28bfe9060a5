//! When something happened: the time of day, if the trace has when the bridge's clock began; otherwise seconds since then.

use std::time::{Duration, SystemTime};

use uartbridge_core::Instant;

/// Makes time stamps.
#[derive(Clone, Debug)]
pub(super) struct Stamps {
    began: Option<u64>,
    /// The day of the last stamp.
    day: String,
}

/// The first µs of the year 10000, which no calendar here knows.
const END: u64 = 253_402_300_800_000_000;

impl Stamps {
    /// `began`: in µs since 1970.
    pub(super) const fn new(began: Option<u64>) -> Self {
        Self { began, day: String::new() }
    }

    /// A day that begins before `at`, and the stamp.
    pub(super) fn stamp(&mut self, at: Instant) -> (Option<String>, String) {
        let Some((day, time)) = self.date(at) else {
            let micros = at.as_micros();
            return (None, format!("{:>6}.{:06} s", micros / 1_000_000, micros % 1_000_000));
        };
        let new = day != self.day;
        if new {
            self.day.clone_from(&day);
        }
        (new.then_some(day), time)
    }

    /// µs since 1970, or since the bridge's clock began.
    pub(super) fn micros(&self, at: Instant) -> u64 {
        self.began.unwrap_or(0).saturating_add(at.as_micros())
    }

    fn date(&self, at: Instant) -> Option<(String, String)> {
        let micros = self.began?.checked_add(at.as_micros()).filter(|&micros| micros < END)?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
        let text = humantime::format_rfc3339_micros(time).to_string();
        text.split_once('T').map(|(day, time)| (day.to_owned(), time.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_when_it_begins() {
        let mut stamps = Stamps::new(Some(86_399_000_000));
        let mut stamp = |seconds: u64| stamps.stamp(Instant::from_micros(seconds * 1_000_000 + 5));
        assert_eq!(stamp(0), (Some("1970-01-01".into()), "23:59:59.000005Z".into()));
        assert_eq!(stamp(1), (Some("1970-01-02".into()), "00:00:00.000005Z".into()));
        assert_eq!(stamp(2), (None, "00:00:01.000005Z".into()));
    }

    #[test]
    fn without_a_date_and_beyond_all_dates_seconds_are_counted() {
        for began in [None, Some(END - 1), Some(u64::MAX)] {
            let stamp = Stamps::new(began).stamp(Instant::from_micros(1_234_567));
            assert_eq!(stamp, (None, "     1.234567 s".into()));
        }
    }
}
