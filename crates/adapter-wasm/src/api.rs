//! What JavaScript calls.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Uint8Array};
use uartbridge_core::Stats;
use uartbridge_turn::Tls;
use uartbridge_turn::host::Direction;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::config::{self, Settings, Value};
use crate::js::{self, Port};
use crate::shared::Shared;
use crate::sock::Relays;
use crate::uart::PortUart;
use crate::way::Way;
use crate::{peers, run, time, tls, trace};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.d.ts");

#[wasm_bindgen]
extern "C" {
    /// Typed by `types.d.ts`.
    #[wasm_bindgen(typescript_type = "BridgeOptions")]
    pub type Options;
    /// Typed by `types.d.ts`.
    #[wasm_bindgen(typescript_type = "(event: BridgeEvent) => void")]
    pub type OnEvent;
    /// Typed by `types.d.ts`.
    #[wasm_bindgen(typescript_type = "Promise<void>")]
    pub type Done;
    /// Typed by `types.d.ts`.
    #[wasm_bindgen(typescript_type = "Stats")]
    pub type Counters;
    /// Typed by `types.d.ts`.
    #[wasm_bindgen(typescript_type = "Port")]
    pub type PortGiven;
}

/// Ciphertext of four whole records each way: what a relay sends at a time is decrypted at a time.
const CIPHERTEXT: usize = 4 * uartbridge_tls::INPUT_FOR_ANY_RECORD;

/// A bridge between a port and servers behind relays. It does nothing before `run`, and that only once.
#[wasm_bindgen]
pub struct Bridge {
    shared: Rc<Shared>,
    parts: RefCell<Option<Parts>>,
}

struct Parts {
    settings: Settings,
    uart: PortUart,
    relays: Relays,
    peers: u8,
    tls: Option<uartbridge_tls::Config>,
    trace: Option<trace::Wanted>,
}

#[wasm_bindgen]
impl Bridge {
    /// Throws for an option that cannot be, and says what to do. `onEvent` is called with traffic and states as they come.
    #[wasm_bindgen(constructor)]
    pub fn new(
        options: &Options,
        #[wasm_bindgen(js_name = onEvent)] on_event: OnEvent,
    ) -> Result<Self, JsError> {
        let wrong = |text: String| JsError::new(&text);
        let on_event: Function =
            JsValue::from(on_event).dyn_into().map_err(|_| wrong("onEvent must be a function".to_owned()))?;
        let shared = Shared::new(on_event);
        let port = port(options).map_err(wrong)?;
        let line = line(options).map_err(wrong)?;
        let (peers, secure) = peers::peers(&js::get(options, "peers")).map_err(wrong)?;
        let settings = config::settings(peers.len(), &given(&js::get(options, "config")).map_err(wrong)?)
            .map_err(wrong)?;
        let tls = secure.map(|options| tls::config(&options)).transpose().map_err(wrong)?;
        let trace = trace::wanted(options).map_err(wrong)?;
        let count = settings.config.peers;
        let uart = PortUart::new(port, line, Rc::clone(&shared));
        let relays = Relays::new(peers, Rc::clone(&shared));
        let parts = RefCell::new(Some(Parts { settings, uart, relays, peers: count, tls, trace }));
        Ok(Self { shared, parts })
    }

    /// Runs until it is stopped; rejects with the reason if it cannot go on.
    pub fn run(&self) -> Done {
        let (parts, shared) = (self.parts.take(), Rc::clone(&self.shared));
        let done: Promise = future_to_promise(async move {
            let Some(parts) = parts else {
                return Err(JsError::new("this bridge has run already; make another one").into());
            };
            begin(parts, shared).await.map(|()| JsValue::UNDEFINED).map_err(|text| JsError::new(&text).into())
        });
        JsValue::from(done).unchecked_into()
    }

    /// Delivers what is held, for a bounded time, then finishes: `run` resolves.
    pub fn stop(&self) {
        if self.shared.stopping.get().is_none() {
            self.shared.stopping.set(Some(time::now()));
        }
        self.shared.wake();
    }

    /// Tries a port again that was refused (`uart` event `refused`): it is not tried before. With a port, that one instead.
    #[wasm_bindgen(js_name = retryPort)]
    pub fn retry_port(&self, port: Option<PortGiven>) -> Result<(), JsError> {
        let port =
            port.map(|port| of_the_shape(port.into())).transpose().map_err(|text| JsError::new(&text))?;
        self.shared.retry.set(Some(port));
        self.shared.wake();
        Ok(())
    }

    /// Says these bytes as if the device had; how many of them were taken. What does not come into the bridge's hands before that
    /// ends is said by `run`, and counted by `sendDropped`.
    #[wasm_bindgen(js_name = sendUp)]
    pub fn send_up(&self, bytes: &Uint8Array) -> u32 {
        self.shared.send(Direction::Up, bytes)
    }

    /// Says these bytes to the device, between two chunks of the peer's; how many of them were taken. Those that the device has not
    /// taken when its port is lost or the bridge ends (`stop` waits for up to 2 s) are lost: told by an event or by `run`, and
    /// counted by `sendDropped`.
    #[wasm_bindgen(js_name = sendDown)]
    pub fn send_down(&self, bytes: &Uint8Array) -> u32 {
        self.shared.send(Direction::Down, bytes)
    }

    /// What was recorded so far, for `uartbridge replay`; empty unless `trace` was among the options.
    pub fn trace(&self) -> Uint8Array {
        Uint8Array::from(self.shared.trace.borrow().as_slice())
    }

    /// Counters.
    pub fn stats(&self) -> Counters {
        let shared = &self.shared;
        let own = [("downRefused", shared.down_refused.get()), ("sendDropped", shared.dropped.get())];
        JsValue::from(counters(&shared.stats.get(), own)).unchecked_into()
    }
}

async fn begin(parts: Parts, shared: Rc<Shared>) -> Result<(), String> {
    let Parts { settings, uart, relays, peers, tls, trace } = parts;
    let way = match tls {
        None => Way::Plain(relays),
        Some(config) => {
            let (input, output) = (vec![0; CIPHERTEXT], vec![0; CIPHERTEXT]);
            let tls =
                Tls::new(relays, peers, config, input, output).map_err(|error| format!("tls: {error}"))?;
            Way::Tls(Box::new(tls))
        }
    };
    run::run(settings, uart, way, trace, shared).await
}

fn port(options: &JsValue) -> Result<Port, String> {
    of_the_shape(js::some(options, "port").ok_or("port must be a SerialPort, or something of its shape")?)
}

fn of_the_shape(port: JsValue) -> Result<Port, String> {
    for call in ["open", "close"] {
        if !js::get(&port, call).is_function() {
            return Err(format!("port has no {call}(): it must be a SerialPort, or something of its shape"));
        }
    }
    Ok(port.unchecked_into())
}

fn line(options: &JsValue) -> Result<Object, String> {
    match js::some(options, "line") {
        Some(line) if line.is_object() => Ok(line.unchecked_into()),
        Some(_) => Err("line must be an object, such as { baudRate: 115200 }".to_owned()),
        None => {
            let line = Object::new();
            js::set(&line, "baudRate", 115_200);
            Ok(line)
        }
    }
}

/// The policies, as they stand in an object; what is undefined is left out.
fn given(policies: &JsValue) -> Result<Vec<(String, Value)>, String> {
    if policies.is_undefined() || policies.is_null() {
        return Ok(Vec::new());
    }
    if !policies.is_object() {
        return Err("config must be an object of options".to_owned());
    }
    let mut all = Vec::new();
    for entry in Object::entries(policies.unchecked_ref::<Object>()).iter() {
        let entry = js_sys::Array::from(&entry);
        let (name, value) = (entry.get(0).as_string().unwrap_or_default(), entry.get(1));
        if value.is_undefined() || value.is_null() {
            continue;
        }
        let read = match (value.as_f64(), value.as_bool(), value.as_string()) {
            (Some(number), _, _) => Value::Number(number),
            (_, Some(on), _) => Value::Switch(on),
            (_, _, Some(text)) => Value::Text(text),
            (None, None, None) => match value.dyn_into::<Uint8Array>() {
                Ok(bytes) => Value::Bytes(bytes.to_vec()),
                Err(_) => {
                    return Err(format!("{name} must be a number, a text, true or false, or a Uint8Array"));
                }
            },
        };
        all.push((name, read));
    }
    Ok(all)
}

/// Numbers are exact up to 2^53.
fn counters(stats: &Stats, own: [(&str, u64); 2]) -> Object {
    let Stats { line, .. } = stats;
    let counters = Object::new();
    for (name, count) in [
        ("uartRx", stats.uart_rx),
        ("txAcked", stats.tx_acked),
        ("upHeld", stats.up_held),
        ("upDropped", stats.up_dropped),
        ("upDroppedPackets", u64::from(stats.up_dropped_packets)),
        ("replayed", stats.replayed),
        ("sockRx", stats.sock_rx),
        ("uartTx", stats.uart_tx),
        ("downHeld", stats.down_held),
        ("downCut", stats.down_cut),
        ("overrun", u64::from(line.overrun)),
        ("framing", u64::from(line.framing)),
        ("parity", u64::from(line.parity)),
        ("attempts", u64::from(stats.attempts)),
        ("connections", u64::from(stats.connections)),
        ("failures", u64::from(stats.failures)),
        ("heartbeats", u64::from(stats.heartbeats)),
    ]
    .into_iter()
    .chain(own)
    {
        js::set(&counters, name, count as f64);
    }
    counters
}
