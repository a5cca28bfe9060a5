//! What a WebSocket has brought: bytes that were not read yet, words about the relay's TCP connection, and its end.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use js_sys::{ArrayBuffer, JSON, Uint8Array};
use uartbridge_core::CloseReason;
use wasm_bindgen::prelude::*;
use web_sys::CloseEvent;

use super::Protocol;
use crate::js;
use crate::relay::{self, Fields, Says};
use crate::why::Why;

/// The most that messages may take which were not read yet: what a bare relay sends, which nothing holds back.
const INBOX: usize = 8 << 20;
/// What a message takes besides its bytes, about.
const OVERHEAD: usize = 256;

/// What is known, and has come and was not read yet.
#[derive(Default)]
pub(super) struct State {
    pub(super) waker: Option<Waker>,
    pub(super) open: bool,
    inbox: VecDeque<Uint8Array>,
    /// Bytes of the first message that were read.
    offset: u32,
    waiting: usize,
    pub(super) acked: u64,
    /// Answers about `acked` that nobody has taken yet.
    pub(super) answers: usize,
    pub(super) credit: u64,
    pub(super) ended: bool,
    pub(super) over: Option<Why>,
    /// Bytes that had no place.
    pub(super) refused: u64,
}

impl State {
    /// Of a WebSocket that may send `credit` bytes as soon as it is open.
    pub(super) fn new(credit: u64) -> Self {
        Self { credit, ..Self::default() }
    }

    pub(super) fn pending<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn take(&mut self, protocol: Protocol, data: &JsValue) -> Result<(), String> {
        if let Some(buffer) = data.dyn_ref::<ArrayBuffer>() {
            return self.put(Uint8Array::new(buffer));
        }
        let Some(text) = data.as_string().filter(|_| protocol == Protocol::V1) else {
            return Err("the relay sends texts; a relay of bytes was expected".to_owned());
        };
        let fields = JSON::parse(&text).map_err(|_| "the relay sent a message that is no JSON".to_owned())?;
        match relay::read(&Json(fields))? {
            Says::Open(_) => self.open = true,
            Says::Acked(total) => {
                self.acked = self.acked.max(total);
                self.answers += 1;
            }
            Says::End => self.ended = true,
            Says::Credit(total) => self.credit = self.credit.max(total),
            Says::Closed(reason, text, acked) => {
                self.acked = self.acked.max(acked.unwrap_or(0));
                self.ended |= self.open && reason == CloseReason::Done;
                self.over.get_or_insert(Why::new(reason, text));
            }
            Says::Other => {}
        }
        Ok(())
    }

    fn put(&mut self, bytes: Uint8Array) -> Result<(), String> {
        let count = bytes.length() as usize;
        if self.over.is_some() || self.waiting + count + self.inbox.len() * OVERHEAD > INBOX {
            self.refused += count as u64;
            return Err(format!(
                "the relay sends faster than the device takes it, and cannot be told to wait; {} bytes are lost",
                self.refused
            ));
        }
        self.waiting += count;
        if count > 0 {
            self.inbox.push_back(bytes);
        }
        Ok(())
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buf.len()
            && let Some(first) = self.inbox.front()
        {
            // JavaScript's arrays hold less than 2^32 bytes here.
            let count = (first.length() - self.offset).min((buf.len() - filled) as u32);
            let part = first.subarray(self.offset, self.offset + count);
            part.copy_to(&mut buf[filled..filled + count as usize]);
            filled += count as usize;
            self.offset += count;
            if self.offset == first.length() {
                self.inbox.pop_front();
                self.offset = 0;
            }
        }
        self.waiting -= filled;
        filled
    }

    pub(super) fn closed(&mut self, protocol: Protocol, event: &CloseEvent) {
        let in_order = event.was_clean() && event.code() == 1000;
        self.ended |= protocol == Protocol::Bare && self.open && in_order;
        self.over.get_or_insert(ended(event.reason(), self.open, in_order));
    }
}

/// What the end of a WebSocket means: `said` is the relay's reason, `open` whether there was a connection.
fn ended(said: String, open: bool, in_order: bool) -> Why {
    let text = match (open, in_order) {
        _ if !said.is_empty() => said,
        (false, _) => "the relay cannot be reached, or does not want this page; is it running?".to_owned(),
        (true, true) => "the relay has closed the connection".to_owned(),
        (true, false) => "the relay has gone".to_owned(),
    };
    Why::new(if open { CloseReason::Reset } else { CloseReason::Failed }, text)
}

struct Json(JsValue);

impl Fields for Json {
    fn text(&self, name: &str) -> Option<String> {
        js::text(&self.0, name)
    }

    fn number(&self, name: &str) -> Option<f64> {
        js::get(&self.0, name).as_f64()
    }
}
