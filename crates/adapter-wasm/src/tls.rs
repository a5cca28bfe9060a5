//! TLS from this tab to the server: what the API's options are made into. Keys and certificates stay in wasm's memory.

use std::sync::Arc;

use js_sys::Array;
use rustls::time_provider::DefaultTimeProvider;
use uartbridge_core::CloseReason;
use uartbridge_tls::{Config, Failure, Identity, Pin, Roots, Settings, Trust, memory_sessions};
use wasm_bindgen::prelude::*;

use crate::js;
use crate::why::Why;

/// # Errors
/// Which option cannot be used, why, and what to do.
pub(crate) fn config(options: &JsValue) -> Result<Config, String> {
    let roots = js::text(options, "ca")
        .map(|pem| Roots::new(pem.as_bytes()).map_err(|error| format!("tls.ca: {error}")))
        .transpose()?;
    let trust = match (roots, pins(options)?) {
        (Some(roots), None) => Trust::Authorities(roots),
        (None, Some(pins)) => Trust::Pins(pins),
        (Some(roots), Some(pins)) => Trust::AuthoritiesAndPins(roots, pins),
        (None, None) => {
            return Err(
                "tls: give ca (PEM) or pin: a page does not learn which authorities the browser trusts"
                    .to_owned(),
            );
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut settings = Settings::new(provider, Arc::new(DefaultTimeProvider), trust);
    settings.identity = match (js::text(options, "cert"), js::text(options, "key")) {
        (Some(cert), Some(key)) => Some(
            Identity::new(cert.as_bytes(), key.as_bytes())
                .map_err(|error| format!("tls.cert, tls.key: {error}"))?,
        ),
        (None, None) => None,
        (Some(_), None) => return Err("tls.cert needs tls.key, the key of that certificate".to_owned()),
        (None, Some(_)) => return Err("tls.key needs tls.cert, the certificate of that key".to_owned()),
    };
    settings.sessions = Some(memory_sessions(1));
    Config::new(settings).map_err(|error| format!("tls: {error}"))
}

fn pins(options: &JsValue) -> Result<Option<Vec<Pin>>, String> {
    let Some(list) = js::some(options, "pin") else {
        return Ok(None);
    };
    let list = if Array::is_array(&list) { Array::from(&list) } else { Array::of1(&list) };
    let read = |pin: JsValue| {
        let text = pin.as_string().ok_or("tls.pin must be a list of texts")?;
        text.parse::<Pin>().map_err(|error| format!("tls.pin {text:?}: {error}"))
    };
    list.iter().map(read).collect::<Result<_, _>>().map(Some)
}

impl From<Failure> for Why {
    fn from(failure: Failure) -> Self {
        Self::new(CloseReason::Failed, failure.to_string())
    }
}
