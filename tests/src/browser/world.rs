//! A world with a bridge in a page: the device on an adapter that Chromium opens, real peers behind a relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use serde_json::{Value, json};

use super::adapter::{Adapter, port};
use super::chromium::Chromium;
use super::page::Page;
use super::relay::{Serve, Websockify};
use super::settings::{camel, config};
use crate::program::live::{self, Interest, LOOK, Live};
use crate::program::peers::Peers;
use crate::program::{Place, next_world, place};
use crate::scenario::{Scenario, Transport};
use crate::tls::{Calendar, Credentials};
use crate::world::{Act, Observed, Queue, World};

/// How much of what the bridge said is shown when a scenario fails.
const HISTORY: usize = 16;
/// The first port of relays that are a scenario's own.
const RELAYS: u16 = 9000;

/// Which relay stands between the page and the peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// The program's own, which knows what a peer has acknowledged.
    Serve,
    /// websockify.
    Websockify,
}

/// A real world with a bridge in a page in it.
#[derive(Debug)]
pub struct BrowserWorld {
    started: Instant,
    adapter: Adapter,
    peers: Peers,
    places: Vec<Place>,
    page: Page,
    /// The arguments of the bridge, but for its port.
    options: Value,
    /// One a peer, or none.
    relays: Vec<Websockify>,
    /// What the bridge says of its state.
    state: State,
    observed: Observed,
}

/// What the bridge said last, and all that it has said.
#[derive(Debug, Default)]
struct State {
    said: Vec<String>,
    /// It is connected, with these words.
    open: Option<String>,
}

impl BrowserWorld {
    /// An adapter, listening peers, and a page of `serve` that has chosen its port and loaded the bridge.
    ///
    /// # Errors
    /// What the system or the browser refuses.
    pub fn new(
        scenario: &Scenario,
        chromium: &Chromium,
        serve: &Serve,
        through: Through,
    ) -> Result<Self, String> {
        if scenario.transport != Transport::Tcp {
            return Err("a page cannot listen, and speaks no UDP".into());
        }
        let nth = next_world();
        let places: Vec<_> = (0..scenario.peers).map(|index| place(scenario, index, nth)).collect();
        let host = places.first().map_or_else(String::new, |place| place.host.clone());
        let credentials = |tls| Credentials::new(tls, &host, false, Calendar::Real).map(Arc::new);
        let credentials = scenario.tls.as_ref().map(credentials).transpose()?;
        let peers =
            Peers::new(scenario.transport, places.iter().map(|place| place.at), credentials.as_ref())?;
        let relays = match through {
            Through::Serve => Vec::new(),
            Through::Websockify => places.iter().map(relay).collect::<Result<_, _>>()?,
        };
        let tls = credentials.as_ref().map(|credentials| credentials.for_a_page());
        let told = |(index, place): (usize, &Place)| {
            let mut peer = match relays.get(index) {
                Some(relay) => json!({ "relay": relay.relay(), "protocol": "binary" }),
                None => json!({ "relay": serve.relay(), "target": place.target() }),
            };
            if let Some(tls) = &tls {
                peer["tls"] = tls.clone();
            }
            peer
        };
        let options = json!({
            "line": { "baudRate": scenario.world.baud },
            "peers": places.iter().enumerate().map(told).collect::<Vec<_>>(),
            "config": config(scenario)?,
            "trace": { "bytes": true },
        });
        let adapter = Adapter::take().map_err(|error| format!("a serial adapter: {error}"))?;
        let page = prepared(chromium, serve, &adapter)?;
        let queues = vec![Queue::default(); scenario.peers];
        Ok(Self {
            started: Instant::now(),
            adapter,
            peers,
            places,
            page,
            options,
            relays,
            state: State::default(),
            observed: Observed { peer_queues: queues, ..Observed::default() },
        })
    }

    /// The page with the bridge in it, as `bridge`.
    pub const fn page(&mut self) -> &mut Page {
        &mut self.page
    }

    /// What must never happen in a page and has happened in this one: it asked for something beyond its origin and its
    /// relay, or something was said in its console. That a relay cannot be reached is said there by the browser itself.
    ///
    /// # Errors
    /// The first such thing.
    pub fn is_innocent(&mut self) -> Result<(), String> {
        self.page.look()?;
        innocent(&self.page)
    }

    /// The peer that the bridge's words are about.
    fn named(&self, words: &str) -> Option<usize> {
        let own = |index: usize| {
            let place = &self.places[index];
            words.contains(&place.target())
                || self.relays.get(index).is_some_and(|relay| words.contains(&relay.host()))
        };
        (0..self.places.len()).find(|&index| own(index))
    }
}

/// What must never happen in a page and has happened in `page`.
pub(super) fn innocent(page: &Page) -> Result<(), String> {
    // The first of a page without a page's head is that its icon is not where icons once were.
    let harmless = |complaint: &&String| {
        ["WebSocket connection to", "/favicon.ico"].iter().any(|known| complaint.contains(known))
    };
    if let Some(complaint) = page.complaints().iter().find(|complaint| !harmless(complaint)) {
        return Err(format!("in the page's console: {complaint}"));
    }
    let allowed = |url: &&String| {
        ["http://127.0.0.1:", "ws://127.0.0.1:", "about:", "data:", "blob:"]
            .iter()
            .any(|start| url.starts_with(start))
    };
    match page.requests().iter().find(|url| !allowed(url)) {
        Some(url) => Err(format!("the page asked for {url}")),
        None => Ok(()),
    }
}

/// A page of `serve`'s origin, with `port` and the bridge's module in it. It is one of the page's files and not the page,
/// so that nothing else happens there.
fn prepared(chromium: &Chromium, serve: &Serve, adapter: &Adapter) -> Result<Page, String> {
    let mut page = chromium.page()?;
    page.go(&serve.url("page.css"))?;
    let port = port(adapter.product());
    page.evaluate(&format!(
        "(async () => {{
            const module = await import('/wasm/uartbridge.js');
            await module.default();
            globalThis.Bridge = module.Bridge;
            globalThis.port = await {port};
        }})()"
    ))?;
    Ok(page)
}

/// Makes the bridge and lets it run; whatever it says but bytes is reported.
const START: &str = r#"(options) => {
    for (const name of ["greeting", "heartbeat", "packDelimiter"]) {
        if (options.config[name]) options.config[name] = new Uint8Array(options.config[name]);
    }
    const tell = (event) => report(JSON.stringify(event));
    globalThis.bridge = new Bridge({ port, ...options }, (event) => {
        if (event.type !== "traffic") tell(event);
    });
    bridge.run().then(
        () => tell({ type: "ended" }),
        (error) => tell({ type: "ended", text: String(error) }),
    );
}"#;

fn relay(place: &Place) -> Result<Websockify, String> {
    static NEXT: AtomicU16 = AtomicU16::new(RELAYS);
    Websockify::start(NEXT.fetch_add(1, Ordering::Relaxed), place.at)
}

impl State {
    fn hear(&mut self, report: &str, observed: &mut Observed) -> Result<(), String> {
        let event: Value = serde_json::from_str(report).map_err(|error| format!("{report}: {error}"))?;
        let text = event["text"].as_str().unwrap_or_default();
        match event["type"].as_str() {
            Some("state") => {
                let open = event["name"] == "open";
                self.open = open.then(|| text.to_owned());
            }
            Some("ended") => {
                self.open = None;
                observed.finished = Some(match event["text"].as_str() {
                    Some(complaint) => Err(complaint.to_owned()),
                    None => Ok(()),
                });
            }
            Some(_) | None => {}
        }
        observed.said += text;
        observed.said.push('\n');
        self.said.push(report.to_owned());
        Ok(())
    }
}

impl Live for BrowserWorld {
    fn interests(&self) -> Vec<Interest<'_>> {
        let mut interests = self.adapter.interests();
        interests.extend(self.peers.interests());
        interests.push((self.page.descriptor(), PollFlags::IN));
        interests
    }

    fn look(&mut self) -> Result<(), String> {
        let observed = &mut self.observed;
        observed.now = self.started.elapsed();
        self.adapter.turn(observed).map_err(|error| format!("the UART: {error}"))?;
        self.peers.turn(observed)?;
        self.page.look()?;
        for report in self.page.reports() {
            self.state.hear(&report, observed)?;
        }
        let named = self.state.open.as_ref().and_then(|words| self.named(words));
        self.observed.connected = named.filter(|&index| self.peers.may_be_connected(index));
        Ok(())
    }

    fn seen(&self) -> &Observed {
        &self.observed
    }
}

impl World for BrowserWorld {
    fn start(&mut self) -> Result<(), String> {
        self.page.evaluate(&format!("({START})({})", self.options)).map(drop)?;
        self.look()
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Device(act) => {
                self.adapter.act(act, &mut self.observed).map_err(|error| error.to_string())?;
            }
            Act::Peer(peer, act) => self.peers.act(*peer, act, &mut self.observed)?,
            Act::Network(act) => self.peers.network(*act)?,
            Act::Stop => self.page.evaluate("bridge.stop()").map(drop)?,
            Act::Hang => return Err("a page's loop is the browser's".into()),
            Act::ClockBack(_) => return Err("the page's clock is monotonic".into()),
        }
        self.look()
    }

    fn wait(&mut self, limit: Duration, done: &mut dyn FnMut(&Observed) -> bool) -> Result<bool, String> {
        self.until(limit, done)
    }

    fn observed(&self) -> &Observed {
        &self.observed
    }

    fn stat(&mut self, name: &str) -> Result<u64, String> {
        self.pump(Duration::ZERO.min(LOOK))?;
        let stats = self.page.evaluate("(() => { const stats = {}; for (const name in bridge.stats()) stats[name] = Number(bridge.stats()[name]); return stats; })()")?;
        stats[camel(name)]
            .as_f64()
            .map(|found| found as u64)
            .ok_or_else(|| format!("there is no counter `{name}` in {stats}"))
    }

    fn patience(&self, within: Duration) -> Duration {
        live::patience(within)
    }

    fn history(&mut self) -> String {
        let said = &self.state.said;
        let said: String =
            said[said.len().saturating_sub(HISTORY)..].iter().map(|line| format!("\n    {line}")).collect();
        let complaints: String = self.page.complaints().iter().map(|line| format!("\n    {line}")).collect();
        format!("\n  at {:?}; the bridge said:{said}\n  in the console:{complaints}", self.observed.now)
    }
}
