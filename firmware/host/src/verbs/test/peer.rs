//! A peer on this host, and a board that is to connect to it.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use uartbridge_core::{Backoff, Config};
use uartbridge_firmware_config::Settings;
use uartbridge_firmware_host::{Image, Machine, Plan, Serial};

/// Whether boards' logs are shown.
pub(crate) static LOG: AtomicBool = AtomicBool::new(false);

/// What anything may take on a machine that others are using.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that waits for the board.
#[derive(Debug)]
pub(crate) struct Peer {
    listener: TcpListener,
    address: SocketAddr,
}

impl Peer {
    /// A server on a free port.
    pub(crate) fn new() -> Result<Self> {
        Self::at(0)
    }

    /// A server on this port.
    pub(crate) fn at(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("opening a server's socket")?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where the board finds it.
    pub(crate) fn for_board(&self) -> String {
        format!("10.0.2.2:{}", self.port())
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Result<TcpStream> {
        self.try_accept(PATIENCE)?.context("the board has not connected")
    }

    /// The next connection, if there is one within `limit`.
    pub(crate) fn try_accept(&self, limit: Duration) -> Result<Option<TcpStream>> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut watched = [PollFd::new(&self.listener, PollFlags::IN)];
        if poll(&mut watched, Some(&Timespec::try_from(limit)?)).context("waiting for the board")? == 0 {
            return Ok(None);
        }
        let (socket, _) = self.listener.accept().context("accepting the board's connection")?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Some(socket))
    }
}

/// The settings of a board that connects to `peers` and comes back quickly.
pub(crate) fn settings(peers: &str) -> Settings<'_> {
    let quick = Backoff {
        first: uartbridge_core::Duration::from_millis(100),
        max: uartbridge_core::Duration::from_millis(500),
        ..Config::default().backoff
    };
    let config = Config { backoff: quick, ..Config::default() };
    Settings { peers: peers.as_bytes(), seed: 1, config, ..Settings::default() }
}

/// A running board with its UART on a socket.
pub(crate) fn board(image: &Image, settings: &Settings<'_>) -> Result<Machine> {
    start(image, settings, false)
}

/// As [`board`], with a door for a debugger.
pub(crate) fn start(image: &Image, settings: &Settings<'_>, debugger: bool) -> Result<Machine> {
    let plan = Plan { image, settings, serial: Serial::Socket, icount: None, debugger };
    let shows = LOG.load(Ordering::Relaxed);
    Machine::start(&plan, move |line| {
        if shows {
            eprintln!("{line}");
        }
    })
}

/// Reads until `want` bytes are there.
pub(crate) fn read_exactly(from: &mut impl Read, want: usize) -> Result<Vec<u8>> {
    let mut got = vec![0; want];
    let mut count = 0;
    let until = Instant::now() + 3 * PATIENCE;
    while count < want {
        match from.read(&mut got[count..]) {
            Ok(0) => bail!("it ended after {count} of {want} bytes"),
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => bail!("{count} of {want} bytes, then: {error}"),
        }
        if Instant::now() > until {
            bail!("only {count} of {want} bytes in {:?}", 3 * PATIENCE);
        }
    }
    Ok(got)
}
