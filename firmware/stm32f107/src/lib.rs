//! What both images share.

#![no_std]

/// A number that differs from chip to chip (FNV-1a of its unique identifier). It spreads attempts to reconnect and local
/// ports; it is no secret, and nothing that needs one may be made of it.
pub fn seed() -> u64 {
    embassy_stm32::uid::uid()
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
