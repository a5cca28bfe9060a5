//! Randomness for keys. QEMU has no generator: it puts fresh bytes where a debugger could, and they are stretched here. A
//! real chip asks its own generator instead.

use core::cell::Cell;

use critical_section::Mutex;
use sha2::{Digest, Sha256};
use uartbridge_tls_rustcrypto::GetRandomFailed;

use crate::map::{PSRAM, reg};

/// Bytes that QEMU's loader leaves.
const SEED: usize = 64;

/// What the next bytes are made from; nobody who has seen bytes can tell it, nor from it the bytes before. `None`: there
/// was no seed.
static STATE: Mutex<Cell<Option<[u8; 32]>>> = Mutex::new(Cell::new(None));

/// Takes the seed. `starts` is another number at every start: after a reset the seed may be the same.
pub(crate) fn start(starts: u32) {
    let mut hash = Sha256::new_with_prefix(starts.to_le_bytes());
    let mut seeded = false;
    for offset in (0..SEED).step_by(4) {
        let word = reg(PSRAM, offset).read();
        seeded |= word != 0;
        hash.update(word.to_le_bytes());
    }
    let state = seeded.then(|| hash.finalize().into());
    critical_section::with(|cs| STATE.borrow(cs).set(state));
}

/// Fills `bytes`.
///
/// # Errors
/// There was no seed.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    for part in bytes.chunks_mut(32) {
        let block = next().ok_or(GetRandomFailed)?;
        part.copy_from_slice(&block[..part.len()]);
    }
    Ok(())
}

/// The next 32 bytes.
fn next() -> Option<[u8; 32]> {
    critical_section::with(|cs| {
        let state = STATE.borrow(cs).get()?;
        let derived = |label: u8| Sha256::new_with_prefix(state).chain_update([label]).finalize().into();
        STATE.borrow(cs).set(Some(derived(0)));
        Some(derived(1))
    })
}
