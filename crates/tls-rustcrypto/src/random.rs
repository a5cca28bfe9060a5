//! Random bytes, which the caller brings.

use rustls::Error;
use rustls::crypto::{GetRandomFailed, SecureRandom};
use zeroize::Zeroizing;

/// Fills all of a slice with random bytes, or fails and may leave anything in it.
pub type Fill = fn(&mut [u8]) -> Result<(), GetRandomFailed>;

/// The caller's source, watched for the fault that costs most: a generator that was never started gives zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(pub(crate) Fill);

impl SecureRandom for Random {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        (self.0)(bytes)?;
        // Chance leaves 16 zeros once in 2^128 draws.
        let dead = bytes.len() >= 16 && bytes.iter().fold(0, |sum, byte| sum | byte) == 0;
        if dead { Err(GetRandomFailed) } else { Ok(()) }
    }
}

impl Random {
    /// 32 bytes for a secret.
    pub(crate) fn secret(self) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.fill(&mut *bytes)?;
        Ok(bytes)
    }
}
