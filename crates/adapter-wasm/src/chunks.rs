//! A stream of chunks of bytes, read as far as there is room for them; the stream holds back what nobody reads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, ReadableStreamDefaultReader};

use crate::js;

pub(crate) struct Chunks {
    reader: ReadableStreamDefaultReader,
    reading: Option<JsFuture>,
    /// What has come and was not read yet, from `offset` on.
    chunk: Option<Uint8Array>,
    offset: u32,
}

impl Chunks {
    /// The stream's one reader.
    pub(crate) fn of(stream: &ReadableStream) -> Self {
        Self { reader: stream.get_reader().unchecked_into(), reading: None, chunk: None, offset: 0 }
    }

    /// How many bytes were read into `buf`, which is not empty; none: the end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<Option<usize>, JsValue>> {
        loop {
            if let Some(chunk) = &self.chunk {
                // JavaScript's arrays hold less than 2^32 bytes here.
                let count = (chunk.length() - self.offset).min(buf.len() as u32);
                if count > 0 {
                    chunk.subarray(self.offset, self.offset + count).copy_to(&mut buf[..count as usize]);
                    self.offset += count;
                    return Poll::Ready(Ok(Some(count as usize)));
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
                return Poll::Ready(Ok(None));
            }
            (self.chunk, self.offset) = (Some(bytes(js::get(&read, "value"))?), 0);
        }
    }

    /// Nothing more is wanted of the stream: it ends, and can be read by others.
    pub(crate) async fn cancel(self) {
        // Whatever fails here has gone already.
        let _ = JsFuture::from(self.reader.cancel()).await;
        self.reader.release_lock();
    }

    /// The stream can be read by others.
    pub(crate) fn release(&self) {
        self.reader.release_lock();
    }
}

fn bytes(chunk: JsValue) -> Result<Uint8Array, JsValue> {
    chunk.dyn_into::<Uint8Array>().or_else(|chunk| match chunk.dyn_ref::<ArrayBuffer>() {
        Some(buffer) => Ok(Uint8Array::new(buffer)),
        None => Err(js_sys::TypeError::new("it gives no bytes").into()),
    })
}
