//! What is used of the browser, a worker or a window alike, and its errors in words.

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{ReadableStream, WritableStream};

#[wasm_bindgen]
extern "C" {
    /// A `SerialPort`, or anything of its shape.
    #[derive(Clone, PartialEq)]
    pub(crate) type Port;
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

    /// <https://developer.mozilla.org/docs/Web/API/WebSocketStream>
    pub(crate) type WebSocketStream;
    #[wasm_bindgen(constructor, catch)]
    pub(crate) fn new(url: &str, options: &Object) -> Result<WebSocketStream, JsValue>;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn opened(this: &WebSocketStream) -> Promise;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn closed(this: &WebSocketStream) -> Promise;
    #[wasm_bindgen(method, catch, js_name = close)]
    pub(crate) fn shut(this: &WebSocketStream, info: &Object) -> Result<(), JsValue>;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub(crate) fn performance_now() -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    pub(crate) fn set_timeout(callback: &js_sys::Function, millis: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    pub(crate) fn clear_timeout(id: &JsValue);
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub(crate) fn complain(text: &str, what: &JsValue);
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
