//! A connection to a server through a relay.

use std::task::{Context, Poll};

use uartbridge_core::{Acks, CloseReason};
use wasm_bindgen::JsValue;

use crate::channel::{Channel, Protocol};
use crate::js;
use crate::stream::{self, Stream};
use crate::why::Why;

/// What the bridge does with one. What only a relay that acknowledges can do is done as without it.
pub(crate) trait Connection {
    /// Whether the connection to the server is up.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<Acks, Why>>;

    /// How many bytes were read into `buf`, which is not empty; none: the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Why>>;

    /// How many of `bytes`, which is not empty, were taken.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Why>>;

    /// A FIN after what was written.
    fn shut(&mut self);

    /// Ready when the connection is over, in order or not: then it is known what the server's TCP holds.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether room to write comes without an event that tells so.
    fn room_is_silent(&self) -> bool {
        false
    }

    /// Bytes that the server's TCP does not hold, if somebody says so.
    fn unacked(&self) -> Option<usize> {
        None
    }

    /// Asks for that. Whether what is known must do: nobody answers.
    fn ask(&mut self) -> bool {
        true
    }

    /// Whether an answer has come since this was last called.
    fn take_answer(&mut self, _: &mut Context<'_>) -> bool {
        false
    }

    /// Bytes that had no place, since this was last asked.
    fn take_refused(&mut self) -> u64 {
        0
    }
}

/// Starts to connect.
///
/// # Errors
/// What is wrong with the URL, or forbidden about it.
pub(crate) fn open(url: &str, protocol: Protocol) -> Result<Box<dyn Connection>, Why> {
    if protocol == Protocol::Bare && stream::is_here() {
        return Ok(Box::new(Stream::open(url)?));
    }
    Ok(Box::new(Channel::open(url, protocol)?))
}

/// A URL that cannot be.
pub(crate) fn invalid(error: &JsValue) -> Why {
    Why::new(CloseReason::Failed, format!("the relay's URL: {}", js::words(error)))
}

/// What the end of a WebSocket means: `said` is the relay's reason, `open` whether there was a connection.
pub(crate) fn ended(said: String, open: bool, in_order: bool) -> Why {
    let text = match (open, in_order) {
        _ if !said.is_empty() => said,
        (false, _) => "the relay cannot be reached, or does not want this page; is it running?".to_owned(),
        (true, true) => "the relay has closed the connection".to_owned(),
        (true, false) => "the relay has gone".to_owned(),
    };
    Why::new(if open { CloseReason::Reset } else { CloseReason::Failed }, text)
}
