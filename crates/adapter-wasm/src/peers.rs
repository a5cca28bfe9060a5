//! The peers of the API's options.

use js_sys::Array;
use uartbridge_turn::host::Name;
use wasm_bindgen::prelude::*;
use web_sys::Url;

use crate::channel::Protocol;
use crate::js;

/// A server behind a relay.
pub(crate) struct Peer {
    url: String,
    protocol: Protocol,
    host: String,
    port: u16,
    scheme: &'static str,
    server: Option<String>,
}

impl Peer {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(crate) fn name(&self) -> Name<'_> {
        Name { scheme: self.scheme, host: &self.host, port: self.port }
    }

    /// Whom the server's certificate must be for.
    pub(crate) fn server(&self) -> &str {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        self.server.as_deref().unwrap_or(host)
    }
}

/// The peers, and the options for TLS that they share.
///
/// # Errors
/// The first that cannot be, and what to do.
pub(crate) fn peers(list: &JsValue) -> Result<(Vec<Peer>, Option<JsValue>), String> {
    if !Array::is_array(list) {
        return Err("peers must be a list of servers; an empty one is nowhere".to_owned());
    }
    let list = Array::from(list);
    let mut made = Vec::new();
    let mut tls: Option<Option<JsValue>> = None;
    for (number, peer) in list.iter().enumerate() {
        made.push(read(&peer).map_err(|why| format!("peers[{number}]: {why}"))?);
        let own = js::some(&peer, "tls");
        let first = tls.get_or_insert_with(|| own.clone());
        if trust(first.as_ref()) != trust(own.as_ref()) {
            return Err(format!(
                "peers[{number}]: tls must be what it is for peers[0], serverName apart: a bridge has one identity and trusts alike"
            ));
        }
    }
    Ok((made, tls.flatten()))
}

fn read(peer: &JsValue) -> Result<Peer, String> {
    let relay = js::text(peer, "relay")
        .ok_or("relay must be the URL of a relay, such as ws://127.0.0.1:8700/relay?token=…")?;
    let url = Url::new(&relay)
        .map_err(|_| format!("relay {relay:?} is no URL; ws://127.0.0.1:8700/relay?token=… is one"))?;
    if !matches!(url.protocol().as_str(), "ws:" | "wss:") {
        return Err(format!("relay must start with ws:// or wss://, not with {}//", url.protocol()));
    }
    let protocol = match js::some(peer, "protocol").map(|word| word.as_string()) {
        None => Protocol::V1,
        Some(Some(word)) if word == Protocol::V1.name() => Protocol::V1,
        Some(Some(word)) if word == Protocol::Bare.name() => Protocol::Bare,
        Some(_) => return Err("protocol must be \"uartbridge.v1\" or \"binary\"".to_owned()),
    };
    let (host, port) = match js::text(peer, "target") {
        Some(target) => {
            url.search_params().set("target", &target);
            split(&target).ok_or_else(|| format!("target must be HOST:PORT, not {target:?}"))?
        }
        None => {
            (url.hostname(), url.port().parse().unwrap_or(if url.protocol() == "wss:" { 443 } else { 80 }))
        }
    };
    let tls = js::some(peer, "tls");
    let server = tls.as_ref().and_then(|tls| js::text(tls, "serverName"));
    let scheme = if tls.is_some() { "tls" } else { "tcp" };
    Ok(Peer { url: url.href(), protocol, host, port, scheme, server })
}

/// Host and port; an IPv6 address stands in brackets, and keeps them.
fn split(target: &str) -> Option<(String, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty() && (bracketed || !host.contains(':'))).then(|| (host.to_owned(), port))
}

/// What of these options must be the same for all peers.
fn trust(tls: Option<&JsValue>) -> Option<String> {
    let fields = Array::new();
    for name in ["ca", "pin", "cert", "key"] {
        fields.push(&js::get(tls?, name));
    }
    js_sys::JSON::stringify(&fields).ok().and_then(|text| text.as_string())
}
