//! The bridge's UART: a port of Web Serial's shape, read and written by promises.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use js_sys::{Array, Object, Promise, Uint8Array};
use uartbridge_core::{Instant, LineErrors};
use uartbridge_turn::ends::{Gone, Uart, UartRead};
use uartbridge_turn::host::Direction;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::WritableStreamDefaultWriter;

use crate::chunks::Chunks;
use crate::js::{self, Port};
use crate::port::{self, Absent};
use crate::shared::Shared;

/// The most bytes that are handed to the driver at a time: the others then wait in the ring.
const CHUNK: usize = 4096;
/// How long a device may take, once the bridge has ended, to be sent what the driver has taken, in ms. As on Linux.
const LEAVING: f64 = 2_000.0;

type Opening = Pin<Box<dyn Future<Output = Result<Port, Absent>>>>;

pub(crate) struct PortUart {
    port: Port,
    line: Object,
    shared: Rc<Shared>,
    opening: Option<Opening>,
    /// It will not open before somebody has done something about it.
    refused: bool,
    open: Option<Open>,
    /// What was last said of its absence: the same is not said again.
    said: String,
}

struct Open {
    port: Port,
    chunks: Chunks,
    writer: WritableStreamDefaultWriter,
    writing: Option<Writing>,
}

/// A chunk that the driver has not taken yet.
struct Writing {
    taken: JsFuture,
    /// How many bytes of it were the peer's; none of those that were said beside them.
    peer: Option<usize>,
}

impl PortUart {
    pub(crate) fn new(port: Port, line: Object, shared: Rc<Shared>) -> Self {
        Self { port, line, shared, opening: None, refused: false, open: None, said: String::new() }
    }

    fn lose(&mut self, error: &JsValue) {
        self.shared.uart_open.set(false);
        if let Some(open) = self.open.take() {
            wasm_bindgen_futures::spawn_local(open.close(0.0));
        }
        let why = match self.shared.drop_down() {
            0 => format!("the port is gone: {}; waiting for it", js::words(error)),
            dropped => format!(
                "the port is gone: {}; {dropped} bytes given by hand for it are lost; waiting for it",
                js::words(error)
            ),
        };
        self.absent("absent", &why);
    }

    fn absent(&mut self, name: &str, why: &str) {
        if self.said != why {
            why.clone_into(&mut self.said);
            self.shared.news("uart", name, why);
        }
    }

    fn opened(&mut self, port: Port) -> Result<(), String> {
        self.open = Some(Open::of(&port)?);
        self.port = port;
        self.said.clear();
        self.shared.uart_open.set(true);
        self.shared.news("uart", "open", "the port is open");
        Ok(())
    }

    /// Writes what is to be said to the device beside the peer's bytes; ready when there is no chunk under way.
    fn poll_aside(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<usize>, Gone>> {
        loop {
            let Some(open) = &mut self.open else {
                return Poll::Ready(Err(Gone));
            };
            if let Some(writing) = &mut open.writing {
                let Poll::Ready(taken) = Pin::new(&mut writing.taken).poll(cx) else {
                    return Poll::Pending;
                };
                let peer = writing.peer;
                open.writing = None;
                if let Err(error) = taken {
                    self.lose(&error);
                    return Poll::Ready(Err(Gone));
                }
                self.shared.under_way.set(0);
                if peer.is_some() {
                    return Poll::Ready(Ok(peer));
                }
            }
            let mut aside = self.shared.down.borrow_mut();
            let count = aside.len().min(CHUNK);
            if count == 0 {
                return Poll::Ready(Ok(None));
            }
            let bytes: Vec<u8> = aside.drain(..count).collect();
            drop(aside);
            self.shared.under_way.set(count);
            self.shared.traffic(Direction::Down, &bytes);
            open.write(&bytes, None);
        }
    }
}

impl Drop for PortUart {
    fn drop(&mut self) {
        self.shared.uart_open.set(false);
        if let Some(open) = self.open.take() {
            wasm_bindgen_futures::spawn_local(open.close(LEAVING));
        }
    }
}

impl Uart for PortUart {
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        // Whoever retries wakes the loop.
        if let Some(other) = self.shared.retry.take() {
            self.refused = false;
            self.said.clear();
            self.port = other.unwrap_or_else(|| self.port.clone());
        }
        if self.refused {
            return Poll::Pending;
        }
        let opening =
            self.opening.get_or_insert_with(|| Box::pin(port::open(self.port.clone(), self.line.clone())));
        let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        self.opening = None;
        match opened.and_then(|port| self.opened(port).map_err(Absent::Refused)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Absent::Waiting(why)) => {
                self.absent("absent", &why);
                Poll::Ready(Err(Gone))
            }
            Err(Absent::Refused(why)) => {
                self.refused = true;
                self.absent("refused", &why);
                Poll::Pending
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead> {
        let mut said = self.shared.up.borrow_mut();
        let count = said.len().min(buf.len());
        if count > 0 {
            for (place, byte) in buf.iter_mut().zip(said.drain(..count)) {
                *place = byte;
            }
            return Poll::Ready(UartRead::Bytes(count));
        }
        drop(said);
        let Some(open) = &mut self.open else {
            return Poll::Pending;
        };
        let error = match open.chunks.poll_read(cx, buf) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Some(count))) => return Poll::Ready(UartRead::Bytes(count)),
            Poll::Ready(Ok(None)) => js_sys::Error::new("it has ended").into(),
            Poll::Ready(Err(error)) => error,
        };
        match open.after(&error) {
            Some(errors) => Poll::Ready(UartRead::Errors(errors)),
            None => {
                self.lose(&error);
                Poll::Ready(UartRead::Gone)
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, _: Instant, buf: &[u8]) -> Poll<Result<usize, Gone>> {
        // A chunk that the driver has taken is reported before another begins: its bytes are still the first of `buf`.
        loop {
            match self.poll_aside(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Some(count))) => return Poll::Ready(Ok(count)),
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Err(gone)) => return Poll::Ready(Err(gone)),
            }
            let Some(open) = &mut self.open else {
                return Poll::Ready(Err(Gone));
            };
            let count = buf.len().min(CHUNK);
            open.write(&buf[..count], Some(count));
        }
    }

    fn quiet(&mut self, cx: &mut Context<'_>, _: Instant) {
        // A loss is noticed by reading.
        let _ = self.poll_aside(cx);
    }
}

impl Open {
    fn of(port: &Port) -> Result<Self, String> {
        let (Some(readable), Some(writable)) = (port.readable(), port.writable()) else {
            return Err("the port has no streams; is it the one of a serial device?".to_owned());
        };
        let writer = writable
            .get_writer()
            .map_err(|error| format!("the port cannot be written to: {}", js::words(&error)))?;
        Ok(Self { port: port.clone(), chunks: Chunks::of(&readable), writer, writing: None })
    }

    fn write(&mut self, bytes: &[u8], peer: Option<usize>) {
        let taken = JsFuture::from(self.writer.write_with_chunk(&Uint8Array::from(bytes)));
        self.writing = Some(Writing { taken, peer });
    }

    /// Line errors after which the port can still be read, through another stream (Web Serial, section 4.4).
    fn after(&mut self, error: &JsValue) -> Option<LineErrors> {
        let mut errors = LineErrors::default();
        match js::text(error, "name")?.as_str() {
            "BufferOverrunError" => errors.overrun = 1,
            "FramingError" | "BreakError" => errors.framing = 1,
            "ParityError" => errors.parity = 1,
            _ => return None,
        }
        self.chunks.release();
        self.chunks = Chunks::of(&self.port.readable()?);
        Some(errors)
    }

    /// What the driver has taken may take so many ms to leave; an abort throws it away (Web Serial, section 4.5).
    async fn close(self, leaving: f64) {
        let Self { port, chunks, writer, .. } = self;
        chunks.cancel().await;
        if leaving > 0.0 {
            let over = Promise::new(&mut |resolve, _| _ = js::set_timer(&resolve, leaving));
            let _ = JsFuture::from(Promise::race(&Array::of2(&writer.close(), &over))).await;
        }
        // Without an effect on what has been closed. Not waited for: a device that holds the line would keep it from ending.
        drop(JsFuture::from(writer.abort()));
        writer.release_lock();
        if let Ok(closing) = port.close() {
            let _ = JsFuture::from(js::promise(closing)).await;
        }
    }
}
