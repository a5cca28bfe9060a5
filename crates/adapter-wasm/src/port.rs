//! Opening a port of Web Serial's shape, and why it does not open: what passes is waited for, what does not is for a person.
//!
//! A USB adapter that comes back is another object than before, with the same identifiers: it is looked for among the ports
//! that this page may use.

use js_sys::{Array, Function, Object};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::js::{self, BrowserPort, Port};

/// Why there is no port, in words.
pub(crate) enum Absent {
    /// It may open later by itself.
    Waiting(String),
    /// It will not, unless somebody does something.
    Refused(String),
}

/// Whether a port is among those that the browser lists for this page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    /// It is plugged in, and the page may use it.
    Yes,
    /// One or the other is not so.
    No,
    /// It is none of the browser's.
    Unknown,
}

/// Opens it, or the one that has come in its place.
pub(crate) async fn open(port: Port, line: Object) -> Result<Port, Absent> {
    let (port, listed) = present(port).await;
    let opened = match port.open(&line) {
        Ok(opening) => JsFuture::from(js::promise(opening)).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(_) => Ok(port),
        Err(error) => Err(absent(&error, listed, &port)),
    }
}

async fn present(port: Port) -> (Port, Listed) {
    let identity = |port: &Port| {
        let info = port.info().ok()?;
        Some((js::get(&info, "usbVendorId").as_f64()?, js::get(&info, "usbProductId").as_f64()?))
    };
    let Some(ports) = ports(&port).await else {
        return (port, Listed::Unknown);
    };
    if ports.contains(&port) {
        return (port, Listed::Yes);
    }
    let wanted = identity(&port);
    let other = ports.into_iter().find(|other| wanted.is_some() && identity(other) == wanted);
    other.map_or((port, Listed::No), |other| (other, Listed::Yes))
}

/// Those that the browser lists, if `port` is one of its kind.
async fn ports(port: &Port) -> Option<Vec<Port>> {
    port.dyn_ref::<BrowserPort>()?;
    let serial = js::get(&js::get(&js_sys::global(), "navigator"), "serial");
    let list = js::get(&serial, "getPorts").dyn_into::<Function>().ok()?;
    let ports = JsFuture::from(js::promise(list.call0(&serial).ok()?)).await.ok()?;
    Some(Array::from(&ports).iter().map(JsCast::unchecked_into).collect())
}

fn absent(error: &JsValue, listed: Listed, port: &Port) -> Absent {
    let words = js::words(error);
    let name = js::text(error, "name").unwrap_or_default();
    match (name.as_str(), listed) {
        ("NotAllowedError" | "SecurityError", _) => Absent::Refused(format!(
            "the browser does not let this page use the port: {words}; allow it again"
        )),
        ("TypeError", _) => {
            Absent::Refused(format!("the port does not take these settings: {words}; correct them"))
        }
        ("InvalidStateError", _) if port.readable().is_some() => {
            Absent::Waiting(format!("the port is open already in this page: {words}; waiting for it"))
        }
        ("InvalidStateError" | "NetworkError", Listed::No) if port.connected() == Some(true) => {
            Absent::Refused(format!("this page may no longer use the port: {words}; allow it again"))
        }
        ("NetworkError", Listed::Yes) => Absent::Waiting(format!(
            "the port cannot be opened: {words}; another program or tab has it, or this user may not open it (Linux: group dialout); trying again"
        )),
        ("NetworkError", Listed::No) => {
            Absent::Waiting(format!("the device is not plugged in: {words}; waiting for it"))
        }
        (_, _) => Absent::Waiting(format!("the port cannot be opened: {words}; waiting for it")),
    }
}
