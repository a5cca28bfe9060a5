//! A world with a bridge in a page: the device on an adapter that Chromium opens, real peers behind a relay.

use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use serde_json::Value;

use super::adapter::{Adapter, port};
use super::manners::Relay;
use super::page::Page;
use super::relay::Websockify;
use super::settings::camel;
use super::setup::{Beyond, Setup};
use super::tap::{Capture, Tap};
use crate::program::live::{self, Interest, Live};
use crate::scenario::Scenario;
use crate::world::{Act, Observed, Queue, World};

/// How much of what the bridge said is shown when a scenario fails.
const HISTORY: usize = 16;

/// A real world with a bridge in a page in it.
#[derive(Debug)]
pub struct BrowserWorld {
    started: Instant,
    adapter: Adapter,
    beyond: Beyond,
    page: Page,
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
    /// An adapter, listening peers, and a page that has chosen its port and loaded the bridge.
    ///
    /// # Errors
    /// What the system or the browser refuses.
    pub fn new(scenario: &Scenario, setup: &Setup<'_>) -> Result<Self, String> {
        let beyond = Beyond::new(scenario, setup)?;
        let adapter = Adapter::take().map_err(|error| format!("a serial adapter: {error}"))?;
        let page = Page::embedding(setup.chromium, setup.serve, &port(adapter.product()))?;
        let queues = vec![Queue::default(); scenario.peers];
        Ok(Self {
            started: Instant::now(),
            adapter,
            beyond,
            page,
            state: State::default(),
            observed: Observed { peer_queues: queues, ..Observed::default() },
        })
    }

    /// The page with the bridge in it, as `bridge`.
    pub const fn page(&mut self) -> &mut Page {
        &mut self.page
    }

    /// The relays of this world alone.
    pub fn websockify(&mut self) -> &mut [Websockify] {
        &mut self.beyond.relays
    }

    /// What has passed between relay and server, of each server; nothing unless that is tapped.
    pub fn captures(&self) -> Vec<Capture> {
        self.beyond.taps.iter().map(Tap::capture).collect()
    }

    /// Certificate and key of the bridge, in PEM, if it has some.
    pub fn identity(&self) -> Option<[&str; 2]> {
        let tls = &self.beyond.options["peers"][0]["tls"];
        Some([tls["cert"].as_str()?, tls["key"].as_str()?])
    }

    /// What must never happen in a page and has happened in this one: it asked for something beyond its origin and its
    /// relay, or something was said in its console.
    ///
    /// # Errors
    /// The first such thing.
    pub fn is_innocent(&mut self, relay: Relay) -> Result<(), String> {
        self.page.look()?;
        self.beyond.manners.kept(&self.page, relay)
    }
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
        interests.extend(self.beyond.peers.interests());
        interests.push((self.page.descriptor(), PollFlags::IN));
        interests
    }

    fn look(&mut self) -> Result<(), String> {
        let observed = &mut self.observed;
        observed.now = self.started.elapsed();
        self.adapter.turn(observed).map_err(|error| format!("the UART: {error}"))?;
        self.beyond.peers.turn(observed)?;
        self.page.look()?;
        for report in self.page.reports() {
            self.state.hear(&report, observed)?;
        }
        let named = self.state.open.as_ref().and_then(|words| self.beyond.named(words));
        self.observed.connected = named.filter(|&index| self.beyond.peers.may_be_connected(index));
        Ok(())
    }

    fn seen(&self) -> &Observed {
        &self.observed
    }
}

impl World for BrowserWorld {
    fn start(&mut self) -> Result<(), String> {
        self.page.evaluate(&format!("({START})({})", self.beyond.options)).map(drop)?;
        self.look()
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Device(act) => {
                self.adapter.act(act, &mut self.observed).map_err(|error| error.to_string())?;
            }
            Act::Peer(peer, act) => self.beyond.peers.act(*peer, act, &mut self.observed)?,
            Act::Network(act) => self.beyond.peers.network(*act)?,
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
        self.look()?;
        let stats = self.page.evaluate("bridge.stats()")?;
        stats[camel(name)].as_u64().ok_or_else(|| format!("there is no counter `{name}` in {stats}"))
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
