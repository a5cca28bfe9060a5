//! LAN9118 Ethernet controller (SMSC data sheet, "LAN9118"): frames go through its FIFOs a word at a time.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::waitqueue::GenericAtomicWaker;
use static_cell::ConstStaticCell;

use crate::map::{self, ETHERNET, Interrupt, reg};
use crate::reg::Reg;

mod chip;
mod fifo;

use chip::NotThere;

/// An Ethernet frame without its checksum.
const FRAME: usize = 1514;
/// Its words.
const WORDS: usize = FRAME.div_ceil(4);

const IRQ_CFG: Reg = reg(ETHERNET, 0x54);
const INT_STS: Reg = reg(ETHERNET, 0x58);
const INT_EN: Reg = reg(ETHERNET, 0x5c);

/// More receive statuses wait than FIFO_INT allows: none.
const RECEIVED: u32 = 1 << 3;
/// The transmit FIFO has as much room as FIFO_INT asks for: a frame's.
const ROOM: u32 = 1 << 9;
/// The PHY has something to say: the link.
const PHY: u32 = 1 << 18;

type Waker = GenericAtomicWaker<CriticalSectionRawMutex>;

static RX: Waker = Waker::new(CriticalSectionRawMutex::new());
static TX: Waker = Waker::new(CriticalSectionRawMutex::new());
static LINK: Waker = Waker::new(CriticalSectionRawMutex::new());
/// The PHY has said something since it was last asked.
static LINK_CHANGED: AtomicBool = AtomicBool::new(true);

/// The controller, and a buffer each way: a token lends its bytes as one slice.
#[derive(Debug)]
pub struct Lan9118 {
    address: [u8; 6],
    link_is_up: bool,
    received: &'static mut [u32; WORDS],
    sent: &'static mut [u32; WORDS],
}

/// The buffers; not in [`Lan9118`] itself, which moves.
static BUFFERS: ConstStaticCell<[[u32; WORDS]; 2]> = ConstStaticCell::new([[0; WORDS]; 2]);

impl Lan9118 {
    /// Resets and starts the controller, with the address in its EEPROM unless another is given.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn start(address: Option<[u8; 6]>) -> Result<Self, NotThere> {
        chip::start(address)?;
        INT_EN.write(RECEIVED | PHY);
        map::unmask(Interrupt::Ethernet);
        let [received, sent] = BUFFERS.take();
        Ok(Self { address: chip::address(), link_is_up: false, received, sent })
    }
}

/// Asks for `interrupt` until its handler has run.
fn listen(interrupt: u32) {
    critical_section::with(|_| INT_EN.modify(|enabled| enabled | interrupt));
}

#[unsafe(no_mangle)]
extern "C" fn ETHERNET_EVENT() {
    let happened = INT_STS.read() & INT_EN.read();
    // Each is asked for again by whoever waits for it; until then the FIFOs' state is all that matters.
    INT_EN.modify(|enabled| enabled & !happened);
    INT_STS.write(happened);
    if happened & RECEIVED != 0 {
        RX.wake();
    }
    if happened & ROOM != 0 {
        TX.wake();
    }
    if happened & PHY != 0 {
        LINK_CHANGED.store(true, Ordering::Relaxed);
        LINK.wake();
    }
}

/// A received frame: so many bytes of the buffer.
#[derive(Debug)]
pub struct Received<'a>(&'a mut [u32; WORDS], usize);

/// Room for a frame in the transmit FIFO.
#[derive(Debug)]
pub struct Room<'a>(&'a mut [u32; WORDS]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        read(&mut fifo::bytes(self.0)[..self.1])
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let done = fill(&mut fifo::bytes(self.0)[..len]);
        fifo::send(&self.0[..len.div_ceil(4)], len);
        done
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Received<'_>, Room<'_>)> {
        let len = loop {
            if !fifo::has_frame() {
                RX.register(context.waker());
                listen(RECEIVED);
                // Looked at again: a frame may have come between the look and the listening.
                if !fifo::has_frame() {
                    return None;
                }
            }
            self.transmit(context)?;
            if let Some(len) = fifo::receive(self.received) {
                break len;
            }
        };
        Some((Received(self.received, len), Room(self.sent)))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Room<'_>> {
        if !fifo::has_room() {
            TX.register(context.waker());
            listen(ROOM);
        }
        fifo::has_room().then_some(Room(self.sent))
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        LINK.register(context.waker());
        // Asking the PHY takes time, and this is called with every frame.
        if LINK_CHANGED.swap(false, Ordering::Relaxed) {
            self.link_is_up = chip::link_is_up();
            listen(PHY);
        }
        if self.link_is_up { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}
