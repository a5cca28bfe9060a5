//! A USB serial adapter with a device on it: pages see it, open it and lose it as they would a real one.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::space::{self, ADAPTERS, PRODUCT};
use crate::program::device::Device;
use crate::program::live::{Interest, Live};
use crate::scenario::{DeviceAct, Payload};
use crate::world::Observed;

/// Whether each is taken.
static TAKEN: Mutex<[bool; ADAPTERS as usize]> = Mutex::new([false; ADAPTERS as usize]);

/// One of the adapters of this place, plugged in at first, for as long as one has it.
#[derive(Debug)]
pub(crate) struct Adapter {
    number: u16,
    device: Device,
}

impl Adapter {
    /// One that nobody else has.
    pub(crate) fn take() -> io::Result<Self> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let free = taken.iter().position(|taken| !taken);
        let free = free.ok_or_else(|| io::Error::other("all serial adapters are taken"))?;
        let number = free as u16;
        let node = space::node(number);
        // What a device that was unplugged when its test ended has told the browser is over.
        let device = Device::new(node)?;
        space::announce(number, true)?;
        taken[free] = true;
        Ok(Self { number, device })
    }

    /// As `getInfo().usbProductId` gives it.
    pub(crate) const fn product(&self) -> u16 {
        PRODUCT + self.number
    }

    pub(crate) fn act(&mut self, act: &DeviceAct, observed: &mut Observed) -> io::Result<()> {
        self.device.act(act, observed)?;
        match act {
            DeviceAct::Unplugged => space::announce(self.number, false),
            DeviceAct::Plugged => space::announce(self.number, true),
            DeviceAct::Sends(_)
            | DeviceAct::Floods
            | DeviceAct::StopsSending
            | DeviceAct::Stalls
            | DeviceAct::ReadsAgain
            | DeviceAct::LineError => Ok(()),
        }
    }

    pub(crate) fn turn(&mut self, observed: &mut Observed) -> io::Result<()> {
        self.device.turn(observed)
    }

    pub(crate) fn interests(&self) -> Vec<Interest<'_>> {
        self.device.interests()
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        taken[usize::from(self.number)] = false;
        // It may be unplugged already.
        let _ = std::fs::remove_file(space::node(self.number));
    }
}

/// A device on an adapter, and nothing else: for tests of what is below a bridge.
#[derive(Debug)]
pub struct Bench {
    adapter: Adapter,
    observed: Observed,
    heard: usize,
}

impl Bench {
    /// A device on an adapter that nobody else has.
    ///
    /// # Errors
    /// None is left, or there is no pty for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { adapter: Adapter::take()?, observed: Observed::default(), heard: 0 })
    }

    /// As `getInfo().usbProductId` gives it.
    pub const fn product(&self) -> u16 {
        self.adapter.product()
    }

    /// The expression that finds its port in a page.
    pub fn port(&self) -> String {
        port(self.adapter.product())
    }

    /// The device sends these bytes, as soon as the line takes them.
    ///
    /// # Errors
    /// The line is broken.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.act(&DeviceAct::Sends(Payload::Bytes(bytes.to_vec())))
    }

    /// The device does something.
    ///
    /// # Errors
    /// It cannot.
    pub fn act(&mut self, act: &DeviceAct) -> Result<(), String> {
        self.adapter.act(act, &mut self.observed).map_err(|error| error.to_string())?;
        self.look()
    }

    /// The next `n` bytes that it receives; fewer, if they do not come within `limit`.
    ///
    /// # Errors
    /// The line is broken.
    pub fn receive(&mut self, n: usize, limit: Duration) -> Result<&[u8], String> {
        let from = self.heard;
        self.until(limit, &mut |observed| observed.device_got.len() >= from + n)?;
        let got = &self.observed.device_got[from..];
        let got = &got[..got.len().min(n)];
        self.heard += got.len();
        Ok(got)
    }

    /// How long something takes, from now until the device has received `n` bytes more.
    ///
    /// # Errors
    /// As [`receive`](Self::receive), or they do not come.
    pub fn time(&mut self, n: usize, limit: Duration) -> Result<Duration, String> {
        let start = Instant::now();
        let got = self.receive(n, limit)?.len();
        if got == n { Ok(start.elapsed()) } else { Err(format!("{got} of {n} bytes have come in {limit:?}")) }
    }
}

/// The expression that finds the port with this product number in a page.
pub(super) fn port(product: u16) -> String {
    format!(
        "navigator.serial.getPorts().then(ports => ports.find(port => port.getInfo().usbProductId === {product}))"
    )
}

impl Live for Bench {
    fn interests(&self) -> Vec<Interest<'_>> {
        self.adapter.interests()
    }

    fn look(&mut self) -> Result<(), String> {
        self.adapter.turn(&mut self.observed).map_err(|error| format!("the UART: {error}"))
    }

    fn seen(&self) -> &Observed {
        &self.observed
    }
}
