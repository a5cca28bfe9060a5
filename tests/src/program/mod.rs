//! The real program on a real pty and real sockets.

pub(crate) mod device;
pub(crate) mod live;
pub(crate) mod open;
pub(crate) mod openssl;
pub(crate) mod peer;
pub(crate) mod peers;
mod process;
mod udp;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::scenario::{Address, Scenario, Transport};
use crate::tls::{Calendar, Credentials};
use crate::world::{Act, Observed, Queue, World};
use device::Device;
use live::{Interest, LOOK, Live};
use peers::Peers;
use process::Process;

pub use process::build;
pub(crate) use process::counter;

/// The first peer's port; outside the range from which the kernel takes ports by itself.
const PORT: u16 = 4000;

/// A real world with the real program in it.
#[derive(Debug)]
pub struct ProgramWorld {
    started: Instant,
    program: PathBuf,
    folder: PathBuf,
    device: Device,
    peers: Peers,
    /// The peers' ports.
    ports: Vec<u16>,
    process: Option<Process>,
    arguments: Vec<String>,
    observed: Observed,
}

impl ProgramWorld {
    /// A pty and listening peers for `scenario`, all of them its own; `program` is where [`build`] found it.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn new(scenario: &Scenario, program: &Path) -> Result<Self, String> {
        let nth = next_world();
        let places: Vec<Place> = (0..scenario.peers).map(|index| place(scenario, index, nth)).collect();
        let folder = std::env::temp_dir().join(format!("uartbridge-{}-{nth}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        // All peers have the same host's address, and the same certificate.
        let host = places.first().map_or_else(String::new, |place| place.host.clone());
        let listens = scenario.transport == Transport::TcpListen;
        let credentials = |tls| Credentials::new(tls, &host, listens, Calendar::Real).map(Arc::new);
        let credentials = scenario.tls.as_ref().map(credentials).transpose()?;
        let query = match &credentials {
            Some(credentials) => credentials.query(&folder)?,
            None => String::new(),
        };
        let peers =
            Peers::new(scenario.transport, places.iter().map(|place| place.at), credentials.as_ref())?;
        let device =
            Device::new(folder.join("tty")).map_err(|error| format!("cannot make a pty: {error}"))?;
        let uart = format!("serial://{}?baud={}", folder.join("tty").display(), scenario.world.baud);
        let urls: Vec<_> = places.iter().map(|place| format!("{}{query}", place.url)).collect();
        let mut arguments = vec![uart, urls.join(",")];
        arguments.extend(scenario.options.iter().map(|(name, value)| format!("--{name}={value}")));
        let queues = vec![Queue::default(); scenario.peers];
        let observed = Observed { peer_queues: queues, ..Observed::default() };
        Ok(Self {
            started: Instant::now(),
            program: program.to_owned(),
            folder,
            device,
            peers,
            ports: places.iter().map(|place| place.at.port()).collect(),
            process: None,
            arguments,
            observed,
        })
    }
}

impl Live for ProgramWorld {
    fn interests(&self) -> Vec<Interest<'_>> {
        let mut interests = self.device.interests();
        interests.extend(self.peers.interests());
        interests.extend(self.process.iter().flat_map(Process::interests));
        interests
    }

    fn look(&mut self) -> Result<(), String> {
        let observed = &mut self.observed;
        observed.now = self.started.elapsed();
        self.device.turn(observed).map_err(|error| format!("the pty: {error}"))?;
        self.peers.turn(observed)?;
        if let Some(process) = &mut self.process {
            process.turn(observed)?;
            let port = process.connected_port();
            let index = self.ports.iter().position(|&peer| Some(peer) == port);
            observed.connected = index.filter(|&index| self.peers.may_be_connected(index));
        }
        Ok(())
    }

    fn seen(&self) -> &Observed {
        &self.observed
    }
}

impl World for ProgramWorld {
    fn start(&mut self) -> Result<(), String> {
        self.process = Some(Process::start(&self.program, &self.folder, &self.arguments)?);
        // The program is up once it says so; what the scenario does then is nothing that it cannot have seen.
        let limit = self.started.elapsed() + Duration::from_secs(30);
        while !self.process.as_ref().is_some_and(Process::is_ready) {
            self.pump(LOOK)?;
            if self.observed.finished.is_some() || self.started.elapsed() > limit {
                return Err(format!("the program has not come up{}", self.history()));
            }
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Device(act) => {
                self.device.act(act, &mut self.observed).map_err(|error| error.to_string())?
            }
            Act::Peer(peer, act) => self.peers.act(*peer, act, &mut self.observed)?,
            Act::Network(act) => self.peers.network(*act)?,
            Act::Stop => self.process.as_mut().ok_or("the bridge has not started")?.terminate()?,
            Act::Hang => self.process.as_ref().ok_or("the bridge has not started")?.freeze()?,
            Act::ClockBack(_) => return Err("the program's clock cannot be set".into()),
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
        let process = self.process.as_mut().ok_or("the bridge has not started")?;
        let asked = process.ask_counters()?;
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let process = self.process.as_ref().ok_or("the bridge has not started")?;
            if let Some(line) = process.counters(asked) {
                return counter(line, name).ok_or_else(|| format!("there is no counter `{name}`"));
            }
            if Instant::now() > limit {
                return Err("the program does not report its counters".into());
            }
            self.pump(LOOK)?;
        }
    }

    fn patience(&self, within: Duration) -> Duration {
        live::patience(within)
    }

    fn history(&mut self) -> String {
        let said = self.process.as_ref().map(Process::history).unwrap_or_default();
        format!("\n  at {:?}; the program said:{said}", self.observed.now)
    }
}

/// Which world of this process it is: each has peers of its own.
pub(crate) fn next_world() -> u8 {
    static WORLDS: AtomicU8 = AtomicU8::new(0);
    WORLDS.fetch_add(1, Ordering::Relaxed)
}

/// Where a peer is.
#[derive(Debug)]
pub(crate) struct Place {
    /// As the program is told, without settings.
    pub(crate) url: String,
    /// As its certificate says.
    pub(crate) host: String,
    pub(crate) at: SocketAddr,
}

impl Place {
    /// As a relay is told.
    pub(crate) fn target(&self) -> String {
        let port = self.at.port();
        if self.host.contains(':') {
            format!("[{}]:{port}", self.host)
        } else {
            format!("{}:{port}", self.host)
        }
    }
}

/// Every scenario has an IPv4 address to itself, or where that cannot be, ports: none is shared, and none taken by another
/// while nobody listens on it.
pub(crate) fn place(scenario: &Scenario, index: usize, nth: u8) -> Place {
    let pid = std::process::id();
    let port = PORT
        + index as u16
        + match scenario.address {
            Address::V4 => 0,
            Address::V6 | Address::Name => 8 * u16::from(nth),
        };
    let scheme = match scenario.transport {
        Transport::Tcp if scenario.tls.is_some() => "tls",
        Transport::Tcp => "tcp",
        Transport::TcpListen if scenario.tls.is_some() => "tls-listen",
        Transport::TcpListen => "tcp-listen",
        Transport::Udp => "udp",
    };
    let own = Ipv4Addr::new(127, 64 | (pid >> 8) as u8 & 63, pid as u8, nth);
    let (host, at) = match scenario.address {
        Address::V4 => (own.to_string(), (own, port).into()),
        Address::V6 => ("::1".to_owned(), (Ipv6Addr::LOCALHOST, port).into()),
        Address::Name => ("localhost".to_owned(), (Ipv4Addr::LOCALHOST, port).into()),
    };
    let url = match scenario.address {
        Address::V6 => format!("{scheme}://[{host}]:{port}"),
        Address::V4 | Address::Name => format!("{scheme}://{host}:{port}"),
    };
    Place { url, host, at }
}

impl Drop for ProgramWorld {
    fn drop(&mut self) {
        // First the program, then its world; a folder left behind in /tmp harms nobody.
        self.process = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
