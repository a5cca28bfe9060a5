//! The bridge as others embed it: its module in a page of theirs, a device on an adapter, and a server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use libtest_mimic::Failed;
use serde_json::{Value, json};
use uartbridge_tests::browser::{Bench, Page};

use crate::Place;

/// A page of the program's origin with the module's `Bridge` and the device's `port`.
pub(crate) fn page(place: &Place, device: &Bench) -> Result<Page, Failed> {
    Ok(Page::embedding(&place.chromium, &place.serve, &device.port())?)
}

/// Makes `bridge` over `port` and lets it run; it reports its states, the port's, and its end.
pub(crate) fn run(page: &mut Page, options: &Value) -> Result<(), Failed> {
    page.evaluate(&format!(
        "(() => {{
            const tell = (kind, text) => report(`${{kind}}: ${{text}}`);
            globalThis.bridge = new Bridge({{ port, ...{options} }}, (event) => {{
                if (event.type !== 'traffic') tell(`${{event.type}} ${{event.name}}`, event.text);
            }});
            bridge.run().then(() => tell('ended', ''), (error) => tell('ended', error.message));
        }})()"
    ))?;
    Ok(())
}

/// The options of a bridge to `server` through the program's relay.
pub(crate) fn options(place: &Place, server: SocketAddr, config: &Value) -> Value {
    let peer = json!({ "relay": place.serve.relay(), "target": server.to_string() });
    json!({ "line": { "baudRate": 115_200 }, "peers": [peer], "config": config })
}

/// Waits until the page reports something that contains `what`; all that it has reported since it was last asked.
pub(crate) fn hears(page: &mut Page, what: &str) -> Result<Vec<String>, Failed> {
    let mut all = Vec::new();
    while !all.iter().any(|said: &String| said.contains(what)) {
        if !page.until(crate::SOON, Page::has_reported)? {
            return Err(format!("the page said {all:?}, and nothing of {what:?}").into());
        }
        all.extend(page.reports());
    }
    Ok(all)
}

/// A server that lets `serve` talk to each of its clients.
pub(crate) fn server(serve: fn(TcpStream)) -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || serve(client));
        }
    });
    Ok(address)
}

/// Sends back what comes.
pub(crate) fn echo(mut client: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        if client.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
