//! What a world in a page is made of, besides its scenario.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use super::chromium::Chromium;
use super::manners::Manners;
use super::relay::{Serve, Websockify};
use super::settings::config;
use super::tap::Tap;
use crate::program::openssl::OpensslPeer;
use crate::program::peers::Peers;
use crate::program::{Place, next_world, place};
use crate::scenario::{Scenario, Transport};
use crate::tls::{Calendar, Credentials};

/// The first port of relays that are a scenario's own.
const RELAYS: u16 = 9000;
/// How far behind its port a server is that is reached through a [`Tap`].
const BEHIND: u16 = 1000;

/// Which relay stands between the page and the peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// The program's own, which knows what a peer has acknowledged.
    Serve,
    /// websockify.
    Websockify,
}

/// Whose servers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// The driver's own.
    Own,
    /// `openssl s_server`, one and no more; under TLS only.
    Openssl,
}

/// Where a page comes from, and what it is to talk to.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The browser.
    pub chromium: &'a Chromium,
    /// Where the page comes from, and its relay.
    pub serve: &'a Serve,
    /// The relay that it takes.
    pub through: Through,
    /// Behind the relay.
    pub servers: Servers,
    /// What passes between relay and server is written down.
    pub tapped: bool,
}

impl<'a> Setup<'a> {
    /// The driver's own servers, as a scenario has them.
    pub const fn new(chromium: &'a Chromium, serve: &'a Serve, through: Through) -> Self {
        Self { chromium, serve, through, servers: Servers::Own, tapped: false }
    }
}

/// What is beyond the page.
#[derive(Debug)]
pub(super) struct Beyond {
    pub(super) peers: Peers,
    /// Where relays find them.
    pub(super) places: Vec<Place>,
    /// One a peer, or none.
    pub(super) relays: Vec<Websockify>,
    /// None where nothing is written down.
    pub(super) taps: Vec<Tap>,
    /// The arguments of the bridge, but for its port.
    pub(super) options: Value,
    pub(super) manners: Manners,
}

impl Beyond {
    pub(super) fn new(scenario: &Scenario, setup: &Setup<'_>) -> Result<Self, String> {
        if scenario.transport != Transport::Tcp {
            return Err("a page cannot listen, and speaks no UDP".into());
        }
        let nth = next_world();
        let places: Vec<_> = (0..scenario.peers).map(|index| place(scenario, index, nth)).collect();
        let host = places.first().map_or_else(String::new, |place| place.host.clone());
        let credentials = |tls| Credentials::new(tls, &host, false, Calendar::Real).map(Arc::new);
        let credentials = scenario.tls.as_ref().map(credentials).transpose()?;
        let servers = places.iter().map(|place| {
            let mut at = place.at;
            at.set_port(at.port() + if setup.tapped { BEHIND } else { 0 });
            at
        });
        let servers: Vec<_> = servers.collect();
        let peers = match (setup.servers, servers.as_slice(), &credentials) {
            (Servers::Own, _, _) => {
                Peers::new(scenario.transport, servers.iter().copied(), credentials.as_ref())?
            }
            (Servers::Openssl, [at], Some(credentials)) => {
                let folder = std::env::temp_dir().join(format!("uartbridge-{}-{nth}", std::process::id()));
                Peers::Openssl(Box::new(OpensslPeer::new(*at, credentials, folder)?))
            }
            (Servers::Openssl, _, _) => return Err("openssl s_server is one server, with TLS".into()),
        };
        let tapped = places.iter().zip(&servers).filter(|_| setup.tapped);
        let taps = tapped
            .map(|(place, server)| Tap::start(place.at, *server))
            .collect::<Result<_, _>>()
            .map_err(|error| format!("a tap: {error}"))?;
        let relays = match setup.through {
            Through::Serve => Vec::new(),
            Through::Websockify => places.iter().map(websockify).collect::<Result<_, _>>()?,
        };
        let options = options(scenario, setup.serve, &places, &relays, credentials.as_deref())?;
        let manners = Manners {
            origin: setup.serve.url(""),
            relays: if relays.is_empty() {
                vec![setup.serve.relay()]
            } else {
                relays.iter().map(Websockify::relay).collect()
            },
        };
        Ok(Self { peers, places, relays, taps, options, manners })
    }

    /// The peer that the bridge's words are about.
    pub(super) fn named(&self, words: &str) -> Option<usize> {
        let own = |index: usize| {
            let place = &self.places[index];
            words.contains(&place.target())
                || self.relays.get(index).is_some_and(|relay| words.contains(&relay.host()))
        };
        (0..self.places.len()).find(|&index| own(index))
    }
}

fn options(
    scenario: &Scenario,
    serve: &Serve,
    places: &[Place],
    relays: &[Websockify],
    credentials: Option<&Credentials>,
) -> Result<Value, String> {
    let tls = credentials.map(Credentials::for_a_page);
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
    Ok(json!({
        "line": { "baudRate": scenario.world.baud },
        "peers": places.iter().enumerate().map(told).collect::<Vec<_>>(),
        "config": config(scenario)?,
        "trace": { "bytes": true },
    }))
}

fn websockify(place: &Place) -> Result<Websockify, String> {
    static NEXT: AtomicU16 = AtomicU16::new(RELAYS);
    Websockify::start(NEXT.fetch_add(1, Ordering::Relaxed), place.at)
}
