//! A bare relay as a `WebSocketStream`, where the browser has that: what is not read stays where it is, so that the relay, and
//! behind it the server, waits; and room to write is told by a promise.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::{Array, Object, Uint8Array};
use uartbridge_core::Acks;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, WritableStream, WritableStreamDefaultWriter};

use crate::chunks::Chunks;
use crate::connection::{Connection, ended, invalid};
use crate::js::{self, WebSocketStream};
use crate::relay;
use crate::why::Why;

/// The most bytes that wait in the browser for the relay to take them.
const OUTBOX: usize = 64 << 10;

pub(crate) struct Stream {
    socket: WebSocketStream,
    opening: Option<JsFuture>,
    closing: JsFuture,
    ends: Option<Ends>,
    /// The end is to be said once what was written has gone.
    shut: bool,
    over: Option<Why>,
}

struct Ends {
    chunks: Chunks,
    writer: WritableStreamDefaultWriter,
    /// What the browser has not passed on yet.
    writing: Option<JsFuture>,
    /// It did not.
    broken: bool,
}

/// Whether this browser has it.
pub(crate) fn is_here() -> bool {
    js::get(&js_sys::global(), "WebSocketStream").is_function()
}

impl Stream {
    /// Starts to connect.
    ///
    /// # Errors
    /// What is wrong with the URL, or forbidden about it.
    pub(crate) fn open(url: &str) -> Result<Self, Why> {
        let options = Object::new();
        js::set(&options, "protocols", Array::of1(&relay::BARE.into()));
        let socket = WebSocketStream::new(url, &options).map_err(|error| invalid(&error))?;
        let (opening, closing) = (Some(JsFuture::from(socket.opened())), JsFuture::from(socket.closed()));
        Ok(Self { socket, opening, closing, ends: None, shut: false, over: None })
    }

    /// Why the connection is over, once it is.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Why> {
        if let Some(why) = &self.over {
            return Poll::Ready(why.clone());
        }
        let Poll::Ready(closed) = Pin::new(&mut self.closing).poll(cx) else {
            return Poll::Pending;
        };
        let in_order = closed.is_ok();
        let (Ok(info) | Err(info)) = closed;
        let in_order = in_order && js::get(&info, "closeCode").as_f64() == Some(1000.0);
        let why = ended(js::text(&info, "reason").unwrap_or_default(), self.ends.is_some(), in_order);
        Poll::Ready(self.over.insert(why).clone())
    }

    /// Says the end, with the one code that every relay understands.
    fn close(&self) {
        let info = Object::new();
        js::set(&info, "closeCode", 1000);
        // Without an effect on what is closed.
        let _ = self.socket.close(&info);
    }

    /// Its reader or its writer has failed: the reason comes with the end of the connection.
    fn broken<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Why>> {
        self.poll_closed(cx).map(Err)
    }
}

impl Ends {
    fn of(opened: &JsValue) -> Result<Self, JsValue> {
        let readable: ReadableStream = js::get(opened, "readable").unchecked_into();
        let writable: WritableStream = js::get(opened, "writable").unchecked_into();
        let (chunks, writer) = (Chunks::of(&readable), writable.get_writer()?);
        Ok(Self { chunks, writer, writing: None, broken: false })
    }

    /// Whether all that was written has gone.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(writing) = &mut self.writing {
            let Poll::Ready(taken) = Pin::new(writing).poll(cx) else {
                return Poll::Pending;
            };
            (self.writing, self.broken) = (None, taken.is_err());
        }
        Poll::Ready(())
    }
}

impl Connection for Stream {
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<Acks, Why>> {
        if let Some(opening) = &mut self.opening {
            let Poll::Ready(opened) = Pin::new(opening).poll(cx) else {
                return Poll::Pending;
            };
            self.opening = None;
            self.ends = opened.and_then(|opened| Ends::of(&opened)).ok();
        }
        if self.ends.is_none() {
            return self.broken(cx);
        }
        Poll::Ready(Ok(Acks::OnWrite))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Why>> {
        let Some(ends) = &mut self.ends else {
            return self.broken(cx);
        };
        let Poll::Ready(read) = ends.chunks.poll_read(cx, buf) else {
            return Poll::Pending;
        };
        match read {
            Ok(count) => Poll::Ready(Ok(count.unwrap_or(0))),
            Err(_) => self.broken(cx),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Why>> {
        let Some(ends) = &mut self.ends else {
            return self.broken(cx);
        };
        if ends.poll_written(cx).is_pending() {
            return Poll::Pending;
        }
        if ends.broken || self.shut {
            return self.broken(cx);
        }
        let count = bytes.len().min(OUTBOX);
        let taken = ends.writer.write_with_chunk(&Uint8Array::from(&bytes[..count]));
        ends.writing = Some(JsFuture::from(taken));
        Poll::Ready(Ok(count))
    }

    /// A bare relay knows no half of a close: it gets the whole one, after what was written.
    fn shut(&mut self) {
        self.shut = true;
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(ends) = self.ends.as_mut().filter(|_| self.shut) {
            if ends.poll_written(cx).is_pending() {
                return Poll::Pending;
            }
            self.close();
        }
        self.poll_closed(cx).map(drop)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}
