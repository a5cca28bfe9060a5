//! The faults of a soak: each begins, lasts for a while, and ends.

use crate::scenario::{DeviceAct, NetworkAct, PeerAct};
use crate::sim::Dice;
use crate::world::Act;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A RST, with whatever is under way.
    Reset,
    /// The server closes, and its socket is gone.
    Fin,
    /// The server closes its side and reads on.
    HalfClose,
    /// A RST, and then nobody listens.
    Refusal,
    /// Every packet is lost.
    BlackHole,
    /// Acknowledgements of what goes up are lost.
    AcksLost,
    /// The host's address is gone.
    AddressLost,
    /// The UART is unplugged.
    Unplugged,
    /// The server reads nothing.
    ServerStalls,
    /// The device reads nothing.
    DeviceStalls,
}

impl Fault {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Reset,
        Self::Fin,
        Self::HalfClose,
        Self::Refusal,
        Self::BlackHole,
        Self::AcksLost,
        Self::AddressLost,
        Self::Unplugged,
        Self::ServerStalls,
        Self::DeviceStalls,
    ];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Fin => "close",
            Self::HalfClose => "half-close",
            Self::Refusal => "reset and refusal",
            Self::BlackHole => "black hole",
            Self::AcksLost => "acknowledgements lost",
            Self::AddressLost => "address lost",
            Self::Unplugged => "UART unplugged",
            Self::ServerStalls => "server reads nothing",
            Self::DeviceStalls => "device reads nothing",
        }
    }

    pub(super) const fn any(dice: &mut Dice) -> Self {
        Self::ALL[dice.between(0, Self::ALL.len() - 1)]
    }

    /// How long it lasts, at least and at most, in ms: also longer than the limit for missing acknowledgements.
    pub(super) const fn lasts(self) -> (usize, usize) {
        match self {
            Self::Reset | Self::Fin | Self::HalfClose => (0, 100),
            Self::Refusal | Self::AddressLost | Self::Unplugged => (0, 1000),
            Self::ServerStalls | Self::DeviceStalls => (0, 1500),
            Self::BlackHole | Self::AcksLost => (0, 5000),
        }
    }

    pub(super) const fn begins(self) -> &'static [Act] {
        match self {
            Self::Reset => &[Act::Peer(0, PeerAct::Resets)],
            Self::Fin => &[Act::Peer(0, PeerAct::Closes)],
            Self::HalfClose => &[Act::Peer(0, PeerAct::HalfCloses)],
            Self::Refusal => &[Act::Peer(0, PeerAct::Refuses), Act::Peer(0, PeerAct::Resets)],
            Self::BlackHole => &[Act::Network(NetworkAct::BlackHole)],
            Self::AcksLost => &[Act::Network(NetworkAct::LosesAcks)],
            Self::AddressLost => &[Act::Network(NetworkAct::IpLost)],
            Self::Unplugged => &[Act::Device(DeviceAct::Unplugged)],
            Self::ServerStalls => &[Act::Peer(0, PeerAct::Stalls)],
            Self::DeviceStalls => &[Act::Device(DeviceAct::Stalls)],
        }
    }

    pub(super) const fn ends(self) -> &'static [Act] {
        match self {
            Self::Reset | Self::Fin | Self::HalfClose => &[],
            Self::Refusal => &[Act::Peer(0, PeerAct::Listens)],
            Self::BlackHole | Self::AcksLost => &[Act::Network(NetworkAct::Heals)],
            Self::AddressLost => &[Act::Network(NetworkAct::IpReady)],
            Self::Unplugged => &[Act::Device(DeviceAct::Plugged)],
            Self::ServerStalls => &[Act::Peer(0, PeerAct::ReadsAgain)],
            Self::DeviceStalls => &[Act::Device(DeviceAct::ReadsAgain)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn their_numbers_are_their_places() {
        assert!(Fault::ALL.iter().enumerate().all(|(nth, fault)| nth == *fault as usize));
    }
}
