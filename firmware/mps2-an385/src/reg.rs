//! A device register: the only place where memory is touched by its address.

/// A 32-bit register of a device.
#[derive(Clone, Copy, Debug)]
pub struct Reg(*mut u32);

// SAFETY: an address is no data; a register is shared by its nature, and each access is one aligned load or store.
unsafe impl Send for Reg {}
// SAFETY: as above.
unsafe impl Sync for Reg {}

impl Reg {
    /// The register at `address`.
    ///
    /// # Safety
    /// A device's register lies there, aligned to 4 bytes, and no access to it changes memory that Rust knows of.
    pub const unsafe fn at(address: usize) -> Self {
        Self(address as *mut u32)
    }

    /// Reads it; for some registers this has an effect on the device.
    #[inline(always)]
    pub fn read(self) -> u32 {
        // SAFETY: a register lies there, as promised to `at`.
        unsafe { self.0.read_volatile() }
    }

    /// Writes it.
    #[inline(always)]
    pub fn write(self, value: u32) {
        // SAFETY: a register lies there, as promised to `at`.
        unsafe { self.0.write_volatile(value) }
    }

    /// Reads it, and writes what `change` makes of it.
    #[inline(always)]
    pub fn modify(self, change: impl FnOnce(u32) -> u32) {
        self.write(change(self.read()));
    }

    /// Whether any of `bits` is set.
    #[inline(always)]
    pub fn has(self, bits: u32) -> bool {
        self.read() & bits != 0
    }
}
