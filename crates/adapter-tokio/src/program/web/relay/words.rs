//! The messages of `uartbridge.v1` that are words and not bytes of the stream.

use std::io;

use axum::extract::ws::{Message, Utf8Bytes};
use serde::{Deserialize, Serialize};
use uartbridge::ends::DialError;
use uartbridge::sock::{plain, reason};
use uartbridge_core::CloseReason;

/// From the relay to the page.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum ToPage<'a> {
    /// TCP is connected to this address.
    Open { peer: &'a str },
    /// The peer's TCP holds so many bytes of this connection.
    Acked { total: u64 },
    /// The page may send so many bytes of the stream in all.
    Credit { total: u64 },
    /// The peer's FIN.
    End,
    /// The last message.
    Closed {
        reason: Reason,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        acked: Option<u64>,
    },
}

/// From the page to the relay.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum FromPage {
    /// To be answered by [`ToPage::Acked`].
    Ask {},
    /// Send a FIN after what came before.
    End {},
    /// The relay may send so many bytes of the stream in all.
    Credit { total: u64 },
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reason {
    Done,
    Reset,
    Refused,
    TimedOut,
    Unreachable,
    Unresolved,
    NotAllowed,
    Failed,
}

/// A reason, and what a person reads.
#[derive(Debug)]
pub(super) struct Why {
    pub(super) reason: Reason,
    pub(super) text: String,
}

impl ToPage<'_> {
    pub(super) fn message(&self) -> Message {
        // Numbers and strings can always be written.
        Message::Text(serde_json::to_string(self).unwrap_or_default().into())
    }
}

impl FromPage {
    pub(super) fn read(text: &Utf8Bytes) -> Result<Self, String> {
        serde_json::from_str(text)
            .map_err(|error| format!("the page has sent what nobody understands: {error}"))
    }
}

impl Why {
    pub(super) fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }

    /// The close code (RFC 6455 §7.4.1): a page of bare bytes learns from it whether the end was a good one.
    pub(super) fn code(&self) -> u16 {
        match self.reason {
            Reason::Done => 1000,
            Reason::NotAllowed => 1008,
            Reason::Reset
            | Reason::Refused
            | Reason::TimedOut
            | Reason::Unreachable
            | Reason::Unresolved
            | Reason::Failed => 1011,
        }
    }
}

impl From<&io::Error> for Why {
    fn from(error: &io::Error) -> Self {
        Self::new(reason(error).into(), plain(error))
    }
}

impl From<DialError> for Why {
    fn from(error: DialError) -> Self {
        Self::new(error.reason.into(), error.text)
    }
}

impl From<CloseReason> for Reason {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Done => Self::Done,
            CloseReason::Reset => Self::Reset,
            CloseReason::Refused => Self::Refused,
            CloseReason::TimedOut => Self::TimedOut,
            CloseReason::Unreachable => Self::Unreachable,
            CloseReason::Unresolved => Self::Unresolved,
            CloseReason::Replaced | CloseReason::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_protocol_says() {
        let written = |words: ToPage<'_>| words.message().into_text().expect("text").to_string();
        assert_eq!(written(ToPage::Open { peer: "127.0.0.1:9" }), r#"{"type":"open","peer":"127.0.0.1:9"}"#);
        assert_eq!(written(ToPage::Acked { total: 3 }), r#"{"type":"acked","total":3}"#);
        assert_eq!(written(ToPage::Credit { total: 1 << 40 }), r#"{"type":"credit","total":1099511627776}"#);
        assert_eq!(written(ToPage::End), r#"{"type":"end"}"#);
        let closed = |acked| ToPage::Closed { reason: Reason::TimedOut, text: "a \"b\"", acked };
        assert_eq!(
            written(closed(Some(0))),
            r#"{"type":"closed","reason":"timed-out","text":"a \"b\"","acked":0}"#
        );
        assert_eq!(written(closed(None)), r#"{"type":"closed","reason":"timed-out","text":"a \"b\""}"#);
    }

    #[test]
    fn messages_are_read_as_the_protocol_says() {
        let read = |text: &'static str| FromPage::read(&Utf8Bytes::from_static(text));
        assert_eq!(read(r#"{"type":"ask"}"#), Ok(FromPage::Ask {}));
        assert_eq!(read(r#"{ "type": "end" }"#), Ok(FromPage::End {}));
        assert_eq!(read(r#"{"total":65536,"type":"credit"}"#), Ok(FromPage::Credit { total: 65536 }));
        for wrong in
            ["", "ask", "{}", r#"{"type":"open"}"#, r#"{"type":"credit"}"#, r#"{"type":"credit","total":-1}"#]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
