//! The firmware on a board that QEMU plays, with real sockets as its peers: QEMU's own network leads from the cable to them.
//!
//! What a peer's TCP does, the board's does not see: QEMU's network answers for it at once, and keeps what the peer does
//! not read. What is cut is therefore the board's cable.

mod board;
mod images;

use std::time::{Duration, Instant};

use uartbridge_firmware_config::{Settings, Transport as Spoken};
use uartbridge_firmware_host::Image;

use crate::options::{Settings as Wanted, settings};
use crate::program::device::Device;
use crate::program::live::{self, Interest, LOOK, Live};
use crate::program::peers::Peers;
use crate::program::{Place, next_world, place};
use crate::scenario::{NetworkAct, PeerAct, Scenario, Transport};
use crate::world::{Act, Observed, Queue, World};
use board::Board;

pub use images::Images;

/// Bytes in each ring of the images; who wants more gets these.
const RING: usize = 2048;
/// What is on its way through this host has arrived after so long without a byte.
const SETTLED: Duration = Duration::from_millis(100);
/// How long the board may take to start, on a machine that others are using.
const START: Duration = Duration::from_secs(30);
/// How long it may take to write its counters: it does so every 3 s.
const REPORT: Duration = Duration::from_secs(20);

/// A real world with a board in it.
#[derive(Debug)]
pub struct FirmwareWorld<'a> {
    started: Instant,
    image: &'a Image,
    wanted: Wanted,
    spoken: Spoken,
    seed: u8,
    baud: u32,
    places: Vec<Place>,
    device: Device,
    peers: Peers,
    board: Option<Board>,
    /// What the board has counted, if nothing has happened since.
    counters: Option<Vec<u32>>,
    observed: Observed,
}

impl<'a> FirmwareWorld<'a> {
    /// A board that is still off, and listening peers for `scenario`.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn new(scenario: &Scenario, images: &'a Images) -> Result<Self, String> {
        let nth = next_world();
        let places: Vec<_> = (0..scenario.peers).map(|index| place(scenario, index, nth)).collect();
        let mut wanted = settings(scenario)?;
        (wanted.up, wanted.down) = (wanted.up.min(RING), wanted.down.min(RING));
        wanted.config.packing.max_len = wanted.config.packing.max_len.min(wanted.up);
        Ok(Self {
            started: Instant::now(),
            image: images.of(scenario.transport),
            wanted,
            spoken: match scenario.transport {
                Transport::Tcp | Transport::TcpListen => Spoken::Tcp,
                Transport::Udp => Spoken::Udp,
            },
            seed: nth,
            baud: scenario.world.baud,
            device: Device::of_a_board(scenario.world.baud),
            peers: Peers::new(scenario.transport, places.iter().map(|place| place.at), None)?,
            board: None,
            counters: None,
            observed: Observed { peer_queues: vec![Queue::default(); scenario.peers], ..Observed::default() },
            places,
        })
    }

    /// A peer leaves. What QEMU's network has acknowledged to the board has to reach it before: that is what a peer's
    /// acknowledgement means, and the board will not send it again.
    fn part(&mut self, peer: usize, act: &PeerAct) -> Result<(), String> {
        self.mute(true)?;
        let got = |observed: &Observed| observed.connections.iter().map(|c| c.got.len()).sum::<usize>();
        loop {
            let before = got(&self.observed);
            if !self.until(SETTLED, &mut |observed| got(observed) != before)? {
                break;
            }
        }
        self.peers.act(peer, act, &mut self.observed)?;
        // QEMU's network hears of it.
        self.until(SETTLED, &mut |_| false)?;
        self.mute(false)
    }

    fn mute(&mut self, on: bool) -> Result<(), String> {
        let machine = self.board.as_mut().map(|board| &mut board.machine);
        machine.map_or(Ok(()), |machine| machine.mute(on)).map_err(|error| format!("{error:#}"))
    }

    fn network(&mut self, act: NetworkAct) -> Result<(), String> {
        let machine = &mut self.board.as_mut().ok_or("the board is off")?.machine;
        let done = match act {
            NetworkAct::BlackHole => machine.black_hole(true),
            NetworkAct::Heals => machine.black_hole(false),
            NetworkAct::IpLost => machine.qmp.set_link(false),
            NetworkAct::IpReady => machine.qmp.set_link(true),
            NetworkAct::LosesAcks => {
                return Err("QEMU cannot tell acknowledgements from other packets".into());
            }
        };
        done.map_err(|error| format!("{error:#}"))
    }
}

impl Live for FirmwareWorld<'_> {
    fn interests(&self) -> Vec<Interest<'_>> {
        let mut interests = self.device.interests();
        interests.extend(self.peers.interests());
        interests.extend(self.board.iter().map(Board::interest));
        interests
    }

    fn look(&mut self) -> Result<(), String> {
        let observed = &mut self.observed;
        observed.now = self.started.elapsed();
        self.device.turn(observed).map_err(|error| format!("the UART: {error}"))?;
        self.peers.turn(observed)?;
        if let Some(board) = &mut self.board {
            board.turn(observed)?;
            let port = board.connected_port();
            let index = self.places.iter().position(|place| Some(place.at.port()) == port);
            observed.connected = index.filter(|&index| self.peers.may_be_connected(index));
        }
        Ok(())
    }

    fn seen(&self) -> &Observed {
        &self.observed
    }
}

impl World for FirmwareWorld<'_> {
    fn start(&mut self) -> Result<(), String> {
        let peers: Vec<_> = self.places.iter().map(|place| place.at.to_string()).collect();
        let Wanted { config, up, down } = self.wanted;
        let settings = Settings {
            peers: peers.join("\n").leak().as_bytes(),
            transport: self.spoken,
            seed: u32::from(self.seed) + 1,
            baud: self.baud,
            up_buffer: up as u32,
            down_buffer: down as u32,
            config,
            ..Settings::default()
        };
        let mut board = Board::start(self.image, &settings)?;
        let uart = board.machine.uart.take().ok_or("the board has no UART")?;
        self.device.plug(uart).map_err(|error| format!("the UART: {error}"))?;
        self.board = Some(board);
        let limit = Instant::now() + START;
        while !self.board.as_ref().is_some_and(Board::is_up) {
            self.pump(LOOK)?;
            if Instant::now() > limit {
                return Err("the board has not come up".into());
            }
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        self.counters = None;
        match act {
            Act::Device(act) => {
                self.device.act(act, &mut self.observed).map_err(|error| error.to_string())?
            }
            Act::Peer(peer, act @ (PeerAct::Resets | PeerAct::Closes)) => self.part(*peer, act)?,
            Act::Peer(peer, act) => self.peers.act(*peer, act, &mut self.observed)?,
            Act::Network(act) => self.network(*act)?,
            Act::Stop => return Err("nobody asks a device to finish".into()),
            Act::Hang => return Err("a debugger would have to stop it".into()),
            Act::ClockBack(_) => return Err("the board's clock cannot be set".into()),
        }
        self.look()
    }

    fn wait(&mut self, limit: Duration, done: &mut dyn FnMut(&Observed) -> bool) -> Result<bool, String> {
        self.counters = None;
        self.until(limit, done)
    }

    fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Waits until the board has written its counters once more.
    fn stat(&mut self, name: &str) -> Result<u64, String> {
        if let Some(counters) = &self.counters {
            return board::counter(counters, name);
        }
        let (mut before, limit) = (None, Instant::now() + REPORT);
        loop {
            let board = self.board.as_mut().ok_or("the board is off")?;
            if let Some((written, counters)) = board.counters()?
                && *before.get_or_insert(written) != written
            {
                let found = board::counter(&counters, name);
                self.counters = Some(counters);
                return found;
            }
            if Instant::now() > limit {
                return Err("the board does not write its counters".into());
            }
            // Nobody tells when it does.
            self.until(Duration::from_millis(100), &mut |_| false)?;
        }
    }

    fn patience(&self, within: Duration) -> Duration {
        live::patience(within)
    }

    fn history(&mut self) -> String {
        let said = self.board.as_ref().map(Board::history).unwrap_or_default();
        let counted = self.board.as_mut().map(Board::counted).unwrap_or_default();
        format!("\n  at {:?}; the board counted{counted} and said:{said}", self.observed.now)
    }
}
