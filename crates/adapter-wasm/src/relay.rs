//! What page and relay say to each other in the subprotocol `uartbridge.v1`, beside the bytes: JSON in text messages.

use uartbridge_core::CloseReason;

/// The subprotocol with acknowledgements and back-pressure.
pub const V1: &str = "uartbridge.v1";
/// Bare bytes, as websockify has them.
pub const BARE: &str = "binary";
/// How many bytes a relay may send before it is told more.
pub const FIRST_CREDIT_DOWN: u64 = 65_536;
/// How many bytes a page may send before it is told more.
pub const FIRST_CREDIT_UP: u64 = 262_144;

/// Ask what the peer has acknowledged.
pub const ASK: &str = r#"{"type":"ask"}"#;
/// Send a FIN after what came before.
pub const END: &str = r#"{"type":"end"}"#;

/// The relay may send `total` bytes of this connection in all.
pub fn credit(total: u64) -> String {
    format!(r#"{{"type":"credit","total":{total}}}"#)
}

/// What a relay says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// The connection to this address is up.
    Open(String),
    /// The peer's TCP holds so many bytes.
    Acked(u64),
    /// The peer has sent its FIN.
    End,
    /// So many bytes may be sent in all.
    Credit(u64),
    /// The connection is over: why, in words, and what the peer's TCP held at the end.
    Closed(CloseReason, String, Option<u64>),
    /// Something that this version does not know.
    Other,
}

/// The fields of a JSON object.
pub trait Fields {
    /// A text.
    fn text(&self, name: &str) -> Option<String>;
    /// A number.
    fn number(&self, name: &str) -> Option<f64>;
}

/// Reads a message.
///
/// # Errors
/// What is wrong with it.
pub fn read(fields: &impl Fields) -> Result<Says, String> {
    let kind = fields.text("type").ok_or("the relay sent a message without a type")?;
    let whole = |name| fields.number(name).and_then(whole);
    let total = || whole("total").ok_or_else(|| format!("the relay's message {kind} has no total"));
    Ok(match kind.as_str() {
        "open" => Says::Open(fields.text("peer").unwrap_or_default()),
        "acked" => Says::Acked(total()?),
        "end" => Says::End,
        "credit" => Says::Credit(total()?),
        "closed" => {
            let reason = fields.text("reason").unwrap_or_default();
            Says::Closed(close_reason(&reason), fields.text("text").unwrap_or(reason), whole("acked"))
        }
        _ => Says::Other,
    })
}

/// The core's word for a reason of the relay's.
fn close_reason(word: &str) -> CloseReason {
    match word {
        "done" => CloseReason::Done,
        "reset" => CloseReason::Reset,
        "refused" => CloseReason::Refused,
        "timed-out" => CloseReason::TimedOut,
        "unreachable" => CloseReason::Unreachable,
        "unresolved" => CloseReason::Unresolved,
        _ => CloseReason::Failed,
    }
}

/// A count that JavaScript's numbers hold exactly.
fn whole(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    // Both ends were checked.
    ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    enum Value {
        Text(&'static str),
        Number(f64),
    }
    use Value::{Number, Text};

    impl Fields for HashMap<&str, Value> {
        fn text(&self, name: &str) -> Option<String> {
            match self.get(name)? {
                Text(text) => Some((*text).to_owned()),
                Number(_) => None,
            }
        }

        fn number(&self, name: &str) -> Option<f64> {
            match self.get(name)? {
                Number(number) => Some(*number),
                Text(_) => None,
            }
        }
    }

    fn said<const N: usize>(fields: [(&str, Value); N]) -> Result<Says, String> {
        read(&HashMap::from(fields))
    }

    #[test]
    fn every_message_is_understood() {
        let open = said([("type", Text("open")), ("peer", Text("192.0.2.1:7"))]);
        assert_eq!(open, Ok(Says::Open("192.0.2.1:7".to_owned())));
        assert_eq!(
            said([("type", Text("acked")), ("total", Number(9e15))]),
            Ok(Says::Acked(9_000_000_000_000_000))
        );
        assert_eq!(said([("type", Text("end"))]), Ok(Says::End));
        assert_eq!(said([("type", Text("credit")), ("total", Number(0.0))]), Ok(Says::Credit(0)));
        let closed =
            [("type", Text("closed")), ("reason", Text("refused")), ("text", Text("nobody listens"))];
        assert_eq!(said(closed), Ok(Says::Closed(CloseReason::Refused, "nobody listens".to_owned(), None)));
        let closed = [("type", Text("closed")), ("reason", Text("not-allowed")), ("acked", Number(3.0))];
        assert_eq!(said(closed), Ok(Says::Closed(CloseReason::Failed, "not-allowed".to_owned(), Some(3))));
        assert_eq!(said([("type", Text("hello"))]), Ok(Says::Other), "a later relay may say more");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for total in [-1.0, 0.5, f64::NAN, f64::INFINITY, 1e16] {
            assert!(said([("type", Text("acked")), ("total", Number(total))]).is_err(), "{total}");
        }
        assert!(said([("type", Text("credit"))]).is_err());
        assert!(said([("total", Number(1.0))]).is_err());
        assert!(said([("type", Number(1.0))]).is_err());
    }

    #[test]
    fn what_the_page_says_is_json() {
        assert_eq!(credit(65_536), r#"{"type":"credit","total":65536}"#);
    }
}
