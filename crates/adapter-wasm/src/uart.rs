//! A port of Web Serial's shape: opened, read and written by promises.
//!
//! A USB adapter that comes back is another object than before, with the same identifiers: it is looked for among the ports
//! that this page may use.

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
use web_sys::{ReadableStreamDefaultReader, WritableStreamDefaultWriter};

use crate::js::{self, Port};
use crate::shared::Shared;

/// The most bytes that are handed to the driver at a time: the others then wait in the ring.
const CHUNK: usize = 4096;
/// How long a device may take, once the bridge has ended, to be sent what the driver has taken, in ms. As on Linux.
const LEAVING: f64 = 2_000.0;

type Opening = Pin<Box<dyn Future<Output = Result<Open, String>>>>;

pub(crate) struct PortUart {
    port: Port,
    line: Object,
    shared: Rc<Shared>,
    opening: Option<Opening>,
    open: Option<Open>,
    /// What was last said of its absence: the same is not said again.
    said: String,
}

struct Open {
    port: Port,
    reader: ReadableStreamDefaultReader,
    writer: WritableStreamDefaultWriter,
    reading: Option<JsFuture>,
    /// What was read of the port and not yet by the bridge, from `offset` on.
    chunk: Option<Uint8Array>,
    offset: u32,
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
        Self { port, line, shared, opening: None, open: None, said: String::new() }
    }

    /// What closes the port once the loop has ended.
    fn lose(&mut self, why: &str) {
        self.shared.uart_open.set(false);
        self.shared.down.borrow_mut().clear();
        if let Some(open) = self.open.take() {
            wasm_bindgen_futures::spawn_local(open.close(0.0));
        }
        self.absent(why);
    }

    fn absent(&mut self, why: &str) {
        if self.said != why {
            why.clone_into(&mut self.said);
            self.shared.news("uart", "absent", why);
        }
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
                    let why = gone(&error);
                    self.lose(&why);
                    return Poll::Ready(Err(Gone));
                }
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
        let opening =
            self.opening.get_or_insert_with(|| Box::pin(open(self.port.clone(), self.line.clone())));
        let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        self.opening = None;
        match opened {
            Ok(open) => {
                self.port = open.port.clone();
                self.open = Some(open);
                self.said.clear();
                self.shared.uart_open.set(true);
                self.shared.news("uart", "open", "the port is open");
                Poll::Ready(Ok(()))
            }
            Err(why) => {
                self.absent(&why);
                Poll::Ready(Err(Gone))
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
        match open.poll_read(cx, buf) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(count)) => Poll::Ready(UartRead::Bytes(count)),
            Poll::Ready(Err(error)) => match open.after(&error) {
                Some(errors) => Poll::Ready(UartRead::Errors(errors)),
                None => {
                    let why = gone(&error);
                    self.lose(&why);
                    Poll::Ready(UartRead::Gone)
                }
            },
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
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, JsValue>> {
        loop {
            if let Some(chunk) = &self.chunk {
                // JavaScript's arrays hold less than 2^32 bytes here.
                let count = (chunk.length() - self.offset).min(buf.len() as u32);
                if count > 0 {
                    chunk.subarray(self.offset, self.offset + count).copy_to(&mut buf[..count as usize]);
                    self.offset += count;
                    return Poll::Ready(Ok(count as usize));
                }
                self.chunk = None;
            }
            let reading = self.reading.get_or_insert_with(|| JsFuture::from(self.reader.read()));
            let Poll::Ready(read) = Pin::new(reading).poll(cx) else {
                return Poll::Pending;
            };
            self.reading = None;
            let read = read?;
            if js::get(&read, "done").is_truthy() {
                return Poll::Ready(Err(js_sys::Error::new("it has ended").into()));
            }
            let value = js::get(&read, "value");
            match value.dyn_into::<Uint8Array>() {
                Ok(chunk) => (self.chunk, self.offset) = (Some(chunk), 0),
                Err(_) => return Poll::Ready(Err(js_sys::TypeError::new("it gives no Uint8Array").into())),
            }
        }
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
        self.reader.release_lock();
        self.reader = self.port.readable()?.get_reader().unchecked_into();
        Some(errors)
    }

    /// What the driver has taken may take so many ms to leave; an abort throws it away (Web Serial, section 4.5).
    async fn close(self, leaving: f64) {
        let Self { port, reader, writer, .. } = self;
        // Whatever fails here has gone already.
        let _ = JsFuture::from(reader.cancel()).await;
        reader.release_lock();
        if leaving > 0.0 {
            let over = Promise::new(&mut |resolve, _| _ = js::set_timeout(&resolve, leaving));
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

async fn open(port: Port, line: Object) -> Result<Open, String> {
    let port = present(port).await;
    let opened = match port.open(&line) {
        Ok(opening) => JsFuture::from(js::promise(opening)).await,
        Err(error) => Err(error),
    };
    opened.map_err(|error| absent(&error))?;
    let (Some(readable), Some(writable)) = (port.readable(), port.writable()) else {
        return Err("the port has no streams; is it the one of a serial device?".to_owned());
    };
    let writer = writable.get_writer().map_err(|error| absent(&error))?;
    let reader = readable.get_reader().unchecked_into();
    Ok(Open { port, reader, writer, reading: None, chunk: None, offset: 0, writing: None })
}

/// The port itself, or the one that has come in its place: see above.
async fn present(port: Port) -> Port {
    let identity = |port: &Port| {
        let info = port.info().ok()?;
        Some((js::get(&info, "usbVendorId").as_f64()?, js::get(&info, "usbProductId").as_f64()?))
    };
    let serial = js::get(&js::get(&js_sys::global(), "navigator"), "serial");
    let (Some(wanted), Some(list)) = (identity(&port), js::some(&serial, "getPorts")) else {
        return port;
    };
    let Ok(ports) = js_sys::Function::from(list).call0(&serial) else {
        return port;
    };
    let Ok(ports) = JsFuture::from(js::promise(ports)).await else {
        return port;
    };
    let ports: Vec<Port> = Array::from(&ports).iter().map(JsCast::unchecked_into).collect();
    if ports.contains(&port) {
        return port;
    }
    ports.into_iter().find(|other| identity(other) == Some(wanted)).unwrap_or(port)
}

/// Why a port cannot be opened.
fn absent(error: &JsValue) -> String {
    let words = js::words(error);
    match js::text(error, "name").as_deref() {
        Some("NetworkError") => {
            format!(
                "the port cannot be opened: {words}; is it plugged in, and does no other program use it? Waiting for it"
            )
        }
        Some("InvalidStateError") => {
            format!("the port is open already, here or in another tab: {words}; waiting for it")
        }
        Some("NotAllowedError" | "SecurityError") => {
            format!("the browser does not let this page use the port: {words}; choose it once more")
        }
        Some(_) | None => format!("the port cannot be opened: {words}; waiting for it"),
    }
}

/// Why a port has gone.
fn gone(error: &JsValue) -> String {
    format!("the port is gone: {}; waiting for it", js::words(error))
}
