//! The controller's life: reset, address, PHY.

use super::fifo;
use crate::map::{ETHERNET, reg};
use crate::reg::Reg;

const ID_REV: Reg = reg(ETHERNET, 0x50);
const BYTE_TEST: Reg = reg(ETHERNET, 0x64);
const FIFO_INT: Reg = reg(ETHERNET, 0x68);
const RX_CFG: Reg = reg(ETHERNET, 0x6c);
const TX_CFG: Reg = reg(ETHERNET, 0x70);
const HW_CFG: Reg = reg(ETHERNET, 0x74);
const PMT_CTRL: Reg = reg(ETHERNET, 0x84);
const MAC_CSR_CMD: Reg = reg(ETHERNET, 0xa4);
const MAC_CSR_DATA: Reg = reg(ETHERNET, 0xa8);
const AFC_CFG: Reg = reg(ETHERNET, 0xac);
const E2P_CMD: Reg = reg(ETHERNET, 0xb0);

/// What BYTE_TEST reads once the bus works.
const BYTE_ORDER: u32 = 0x8765_4321;
const BUSY: u32 = 1 << 31;
const READ: u32 = 1 << 30;
const SOFT_RESET: u32 = 1;
const READY: u32 = 1;
const PHY_RESET: u32 = 1 << 10;
/// 5 KiB of the 16 for transmission; and a bit that must be one.
const FIFO_SIZES: u32 = 5 << 16 | 1 << 20;
/// Back-pressure and pause frames: the data sheet's own example.
const FLOW_CONTROL: u32 = 0x006e_3740;
/// Transmitter on; statuses, which nobody reads, may overrun.
const TRANSMIT: u32 = 1 << 1 | 1 << 2;
/// Interrupt enabled, active high, push-pull: the line as AN385 wires it.
const IRQ: u32 = 1 << 8 | 1 << 4 | 1;

/// MAC registers, behind MAC_CSR_CMD.
const MAC_CR: u32 = 1;
const ADDRESS_HIGH: u32 = 2;
const ADDRESS_LOW: u32 = 3;
const MII_ACCESS: u32 = 6;
const MII_DATA: u32 = 7;

const RECEIVE_ON: u32 = 1 << 2;
const TRANSMIT_ON: u32 = 1 << 3;
const FULL_DUPLEX: u32 = 1 << 20;

/// The PHY's address, and its registers (IEEE 802.3, 22.2.4; 29 and 30 are SMSC's).
const PHY_ADDRESS: u32 = 1 << 11;
const CONTROL: u32 = 0;
const STATUS: u32 = 1;
const ADVERTISED: u32 = 4;
const PARTNER: u32 = 5;
const INTERRUPT_SOURCE: u32 = 29;
const INTERRUPT_MASK: u32 = 30;

const MII_BUSY: u32 = 1;
const MII_WRITE: u32 = 1 << 1;
/// Negotiate, anew.
const NEGOTIATE: u32 = 1 << 12 | 1 << 9;
const LINK: u32 = 1 << 2;
const ALL_SPEEDS: u32 = 0x01e1;
const FULL: u32 = 1 << 8 | 1 << 6;
/// Link down; negotiation complete.
const LINK_CHANGES: u32 = 1 << 4 | 1 << 6;

/// Reads of a register before it counts as dead: at least 10 ms at 25 MHz.
const PATIENCE: u32 = 100_000;

/// The controller does not answer as one should: what it failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum NotThere {
    /// It is no LAN9118 or LAN9220: its identity register.
    Identity(u32),
    /// Its bus does not work.
    Bus,
    /// The reset does not end.
    Reset,
    /// The address is not read from its EEPROM.
    Eeprom,
}

/// Resets and starts it.
pub(super) fn start(address: Option<[u8; 6]>) -> Result<(), NotThere> {
    // Any write wakes it.
    BYTE_TEST.write(0);
    wait(|| PMT_CTRL.has(READY), NotThere::Bus)?;
    wait(|| BYTE_TEST.read() == BYTE_ORDER, NotThere::Bus)?;
    let identity = ID_REV.read();
    if !matches!(identity >> 16, 0x0118 | 0x9220) {
        return Err(NotThere::Identity(identity));
    }
    HW_CFG.write(SOFT_RESET);
    wait(|| !HW_CFG.has(SOFT_RESET), NotThere::Reset)?;
    HW_CFG.write(FIFO_SIZES);
    AFC_CFG.write(FLOW_CONTROL);
    wait(|| !E2P_CMD.has(BUSY), NotThere::Eeprom)?;
    super::IRQ_CFG.write(IRQ);
    // In units of 64 bytes: more than a frame; and a status for every frame.
    FIFO_INT.write(fifo::ROOM.div_ceil(64) << 24);
    RX_CFG.write(0);
    TX_CFG.write(TRANSMIT);
    if let Some([a, b, c, d, e, f]) = address {
        mac_write(ADDRESS_LOW, u32::from_le_bytes([a, b, c, d]));
        mac_write(ADDRESS_HIGH, u32::from_le_bytes([e, f, 0, 0]));
    }
    PMT_CTRL.modify(|power| power | PHY_RESET);
    wait(|| !PMT_CTRL.has(PHY_RESET), NotThere::Reset)?;
    phy_write(ADVERTISED, ALL_SPEEDS);
    phy_write(INTERRUPT_MASK, LINK_CHANGES);
    phy_write(CONTROL, NEGOTIATE);
    mac_write(MAC_CR, RECEIVE_ON | TRANSMIT_ON);
    Ok(())
}

/// The address in use.
pub(super) fn address() -> [u8; 6] {
    let [a, b, c, d] = mac_read(ADDRESS_LOW).to_le_bytes();
    let [e, f, ..] = mac_read(ADDRESS_HIGH).to_le_bytes();
    [a, b, c, d, e, f]
}

/// Whether there is a link; and takes over what it has negotiated. The PHY has nothing more to say until it changes.
pub(super) fn link_is_up() -> bool {
    phy_read(INTERRUPT_SOURCE);
    // The first read tells of a loss in the past.
    phy_read(STATUS);
    let up = phy_read(STATUS) & LINK != 0;
    if up {
        let full = phy_read(ADVERTISED) & phy_read(PARTNER) & FULL != 0;
        mac_write(MAC_CR, RECEIVE_ON | TRANSMIT_ON | if full { FULL_DUPLEX } else { 0 });
    }
    up
}

fn wait(done: impl Fn() -> bool, otherwise: NotThere) -> Result<(), NotThere> {
    if (0..PATIENCE).any(|_| done()) { Ok(()) } else { Err(otherwise) }
}

/// Waits for the MAC; one that stays busy shows as a link that is down.
fn mac_ready() {
    let _ = wait(|| !MAC_CSR_CMD.has(BUSY), NotThere::Bus);
}

fn mac_read(register: u32) -> u32 {
    mac_ready();
    MAC_CSR_CMD.write(BUSY | READ | register);
    mac_ready();
    MAC_CSR_DATA.read()
}

fn mac_write(register: u32, value: u32) {
    mac_ready();
    MAC_CSR_DATA.write(value);
    MAC_CSR_CMD.write(BUSY | register);
    mac_ready();
}

fn phy_ready() {
    let _ = wait(|| mac_read(MII_ACCESS) & MII_BUSY == 0, NotThere::Bus);
}

fn phy_read(register: u32) -> u32 {
    phy_ready();
    mac_write(MII_ACCESS, PHY_ADDRESS | register << 6 | MII_BUSY);
    phy_ready();
    mac_read(MII_DATA)
}

fn phy_write(register: u32, value: u32) {
    phy_ready();
    mac_write(MII_DATA, value);
    mac_write(MII_ACCESS, PHY_ADDRESS | register << 6 | MII_WRITE | MII_BUSY);
    phy_ready();
}
