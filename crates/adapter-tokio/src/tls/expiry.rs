//! When certificates expire.

use std::fmt;
use std::time::{Duration, SystemTime};

use x509_parser::parse_x509_certificate;

/// The end of a certificate's validity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Which one, for people: the setting and its file.
    pub what: String,
    /// From then on it is not valid (`notAfter`, RFC 5280 §4.1.2.5).
    pub at: SystemTime,
}

/// So long before its end a certificate is worth a warning.
const SOON: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 24 * 60 * 60;

impl Expiry {
    /// Whether it comes within 30 days, or has come.
    pub fn is_near(&self, now: SystemTime) -> bool {
        self.at <= now + SOON
    }

    /// The date, and how far that is from `now`.
    pub fn words(&self, now: SystemTime) -> impl fmt::Display {
        let (what, date) = (&self.what, humantime::format_rfc3339_seconds(self.at));
        match self.at.duration_since(now) {
            Ok(left) => format!("{what} expires at {date}, in {} days", left.as_secs() / DAY),
            Err(past) => format!("{what} expired at {date}, {} days ago", past.duration().as_secs() / DAY),
        }
    }
}

/// When this certificate (DER) expires; `None` if it cannot be read.
pub(crate) fn of(certificate: &[u8]) -> Option<SystemTime> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let end = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(end))
}

/// Warns of what expires within 30 days, once a day.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    last: Option<SystemTime>,
}

impl Warnings {
    pub(crate) fn give(&mut self, expiries: &[Expiry]) {
        let now = SystemTime::now();
        let told = self.last.and_then(|last| now.duration_since(last).ok());
        if told.is_some_and(|ago| ago.as_secs() < DAY) {
            return;
        }
        for near in expiries.iter().filter(|expiry| expiry.is_near(now)) {
            tracing::warn!("{}; renew it", near.words(now));
            self.last = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_and_the_days_left_are_told() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let expiry = Expiry { what: "cert=x".to_owned(), at };
        let days = |days: u64| Duration::from_secs(days * DAY);
        assert_eq!(
            expiry.words(at - days(3)).to_string(),
            "cert=x expires at 2027-01-15T08:00:00Z, in 3 days"
        );
        assert_eq!(
            expiry.words(at + days(2)).to_string(),
            "cert=x expired at 2027-01-15T08:00:00Z, 2 days ago"
        );
        assert!(expiry.is_near(at) && expiry.is_near(at + days(1)) && expiry.is_near(at - days(30)));
        assert!(!expiry.is_near(at - days(31)));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        assert_eq!(of(b"0\x03\x02\x01\x00"), None);
    }
}
