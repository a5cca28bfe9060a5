//! What is used of the browser, a worker or a window alike, and its errors in words.

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{ReadableStream, WritableStream};

#[wasm_bindgen]
extern "C" {
    /// A `SerialPort`, or anything of its shape.
    #[derive(Clone, PartialEq)]
    pub(crate) type Port;
    /// One of Web Serial's own.
    #[wasm_bindgen(js_name = SerialPort)]
    pub(crate) type BrowserPort;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn open(this: &Port, line: &Object) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn close(this: &Port) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn readable(this: &Port) -> Option<ReadableStream>;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn writable(this: &Port) -> Option<WritableStream>;
    #[wasm_bindgen(method, catch, js_name = getInfo)]
    pub(crate) fn info(this: &Port) -> Result<Object, JsValue>;
    /// Whether the device is plugged in, where the browser says so.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn connected(this: &Port) -> Option<bool>;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub(crate) fn performance_now() -> f64;
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub(crate) fn complain(text: &str, what: &JsValue);
}

// Beside the module, as the glue puts it.
#[wasm_bindgen(raw_module = "./clock.js")]
extern "C" {
    #[wasm_bindgen(js_name = setTimer)]
    pub(crate) fn set_timer(callback: &js_sys::Function, millis: f64) -> u32;
    #[wasm_bindgen(js_name = clearTimer)]
    pub(crate) fn clear_timer(id: u32);
}

/// A property; `undefined` also where there is no object.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// A property that is there and not `null`.
pub(crate) fn some(object: &JsValue, name: &str) -> Option<JsValue> {
    Some(get(object, name)).filter(|value| !value.is_undefined() && !value.is_null())
}

/// A property that is a text.
pub(crate) fn text(object: &JsValue, name: &str) -> Option<String> {
    get(object, name).as_string()
}

/// Sets a property of an object of our own.
pub(crate) fn set(object: &Object, name: &str, value: impl Into<JsValue>) {
    // Fails for frozen objects only.
    let _ = Reflect::set(object, &name.into(), &value.into());
}

/// An error's name and message.
pub(crate) fn words(error: &JsValue) -> String {
    match (text(error, "name"), text(error, "message")) {
        (Some(name), Some(message)) if message.is_empty() => name,
        (_, Some(message)) => message.trim_end_matches('.').to_owned(),
        (Some(name), None) => name,
        (None, None) => format!("{error:?}"),
    }
}

/// The promise that a call gave; what is none becomes one.
pub(crate) fn promise(value: JsValue) -> Promise {
    Promise::resolve(&value)
}
