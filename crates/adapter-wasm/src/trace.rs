//! The trace of a bridge: as much memory as it takes, up to a limit.

use std::cell::RefCell;
use std::rc::Rc;

use uartbridge_core::{Action, Event, Instant, Misuse, PeerIndex};
use uartbridge_trace::{FULL, Recorder, Setup, Sink, Tape};
use uartbridge_turn::ends::Net;
use wasm_bindgen::JsValue;

use crate::{js, time};

/// What a trace grows to unless something else is asked for.
const LIMIT: usize = 8 << 20;

/// Whether and how a trace is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// With the bytes that pass.
    content: bool,
    limit: usize,
}

/// What was recorded so far.
pub(crate) type Recorded = Rc<RefCell<Vec<u8>>>;

/// A trace under way.
pub(crate) struct Paper {
    recorded: Recorded,
    limit: usize,
    full: bool,
}

/// What `options.trace` wants.
pub(crate) fn wanted(options: &JsValue) -> Result<Option<Wanted>, String> {
    let Some(trace) = js::some(options, "trace") else { return Ok(None) };
    if !trace.is_object() {
        return Err("trace must be an object, such as { bytes: true }".to_owned());
    }
    let limit = match js::some(&trace, "limit") {
        None => LIMIT,
        Some(limit) => match limit.as_f64() {
            // More than a page can have is as good as no limit.
            Some(bytes) if bytes >= 4096.0 => bytes as usize,
            Some(_) | None => return Err("trace.limit must be a number of bytes, 4096 at least".to_owned()),
        },
    };
    Ok(Some(Wanted { content: js::get(&trace, "bytes").is_truthy(), limit }))
}

/// Records if that is wanted: one type, so that the loop is compiled, and loaded by the page, once.
pub(crate) struct Maybe(Option<Tape<Paper>>);

impl Maybe {
    /// For a bridge that was made as `setup` says, and has not been called yet. What `wanted` decides is set here.
    pub(crate) fn new(
        wanted: Option<Wanted>,
        recorded: Recorded,
        mut setup: Setup<'_>,
        net: &impl Net,
    ) -> Self {
        let Some(Wanted { content, limit }) = wanted else { return Self(None) };
        let began = time::date() * 1_000.0 - time::now().as_micros() as f64;
        (setup.content, setup.began) = (content, Some(began as u64));
        let mut tape = Tape::new(Paper { recorded, limit, full: false }, &setup);
        for peer in (0..setup.config.peers).map(PeerIndex) {
            tape.name(peer, &net.name(peer).to_string());
        }
        Self(Some(tape))
    }
}

impl Recorder for Maybe {
    fn told(&mut self, now: Instant, event: Event, bytes: &[u8]) {
        if let Some(tape) = &mut self.0 {
            tape.told(now, event, bytes);
        }
    }

    fn refused(&mut self, misuse: Misuse) {
        if let Some(tape) = &mut self.0 {
            tape.refused(misuse);
        }
    }

    fn asked(&mut self, now: Instant, action: Action) {
        if let Some(tape) = &mut self.0 {
            tape.asked(now, action);
        }
    }
}

impl Sink for Paper {
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        let mut recorded = self.recorded.borrow_mut();
        let n: usize = parts.iter().map(|part| part.len()).sum();
        if self.full || recorded.len() + n + FULL.len() > self.limit {
            if !self.full {
                recorded.extend_from_slice(&FULL);
            }
            self.full = true;
            return false;
        }
        parts.iter().for_each(|part| recorded.extend_from_slice(part));
        true
    }
}
