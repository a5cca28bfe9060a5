//! The ioctls of terminals and sockets that rustix does not wrap; the only `unsafe` of this crate.

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_ushort, c_void};
use std::os::fd::AsFd;

use rustix::io::Result;
use rustix::ioctl::{Getter, Setter, Updater, ioctl};

/// `struct serial_rs485` of `linux/serial.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SerialRs485 {
    /// `SER_RS485_…` bits, below.
    pub(crate) flags: u32,
    /// From switching the driver on to the first bit, in ms.
    pub(crate) delay_before_ms: u32,
    /// From the last bit to switching the driver off, in ms.
    pub(crate) delay_after_ms: u32,
    reserved: [u32; 5],
}

impl SerialRs485 {
    /// `SER_RS485_ENABLED`
    pub(crate) const ENABLED: u32 = 1 << 0;
    /// `SER_RS485_RTS_ON_SEND`: RTS is logically 1 while sending.
    pub(crate) const RTS_ON_SEND: u32 = 1 << 1;
    /// `SER_RS485_RTS_AFTER_SEND`: RTS is logically 1 while not sending.
    pub(crate) const RTS_AFTER_SEND: u32 = 1 << 2;
    /// `SER_RS485_RX_DURING_TX`: the receiver stays on, so that one hears oneself.
    pub(crate) const RX_DURING_TX: u32 = 1 << 4;

    pub(crate) fn new(flags: u32, delay_before_ms: u32, delay_after_ms: u32) -> Self {
        Self { flags, delay_before_ms, delay_after_ms, reserved: [0; 5] }
    }
}

/// `struct serial_icounter_struct` of `linux/serial.h`: counts since the driver was loaded, which wrap.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineCounts {
    modem_signals: [c_int; 4],
    rx_tx: [c_int; 2],
    pub(crate) frame: c_int,
    pub(crate) overrun: c_int,
    pub(crate) parity: c_int,
    breaks: c_int,
    pub(crate) buf_overrun: c_int,
    reserved: [c_int; 9],
}

/// Bytes that the kernel has accepted and not yet passed on: `TIOCOUTQ` of a terminal, `SIOCOUTQ` of a socket
/// (ioctl_tty(2), tcp(7), unix(7)).
///
/// # Errors
/// `ENOTTY` if `fd` is neither.
pub(crate) fn output_queue(fd: impl AsFd) -> Result<usize> {
    // SAFETY: TIOCOUTQ writes one int.
    let bytes: c_int = unsafe { ioctl(fd, Getter::<{ number::TIOCOUTQ }, c_int>::new())? };
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// Whether somebody has made the terminal exclusive by `TIOCEXCL` (`TIOCGEXCL`, Linux 3.8).
pub(crate) fn is_exclusive(fd: impl AsFd) -> Result<bool> {
    // SAFETY: TIOCGEXCL writes one int.
    let set: c_int = unsafe { ioctl(fd, Getter::<{ number::TIOCGEXCL }, c_int>::new())? };
    Ok(set != 0)
}

/// The driver's count of line errors (`TIOCGICOUNT`).
///
/// # Errors
/// `ENOTTY` or `EINVAL` if the driver does not count.
pub(crate) fn line_counts(fd: impl AsFd) -> Result<LineCounts> {
    // SAFETY: TIOCGICOUNT writes one `serial_icounter_struct`.
    unsafe { ioctl(fd, Getter::<{ number::TIOCGICOUNT }, LineCounts>::new()) }
}

/// Sets the RS-485 mode (`TIOCSRS485`, kernel documentation "RS485 Serial Communications") and gives what
/// the driver made of it.
///
/// # Errors
/// `ENOTTY` if the driver has no RS-485 mode, `EINVAL` if it has not this one.
pub(crate) fn set_rs485(fd: impl AsFd, wanted: SerialRs485) -> Result<SerialRs485> {
    let mut mode = wanted;
    // SAFETY: TIOCSRS485 reads and writes one `serial_rs485`.
    unsafe { ioctl(fd, Updater::<{ number::TIOCSRS485 }, SerialRs485>::new(&mut mode))? };
    Ok(mode)
}

/// Asks the driver to deliver each byte at once (`ASYNC_LOW_LATENCY`): USB adapters wait up to 16 ms otherwise.
///
/// # Errors
/// `ENOTTY` or `EINVAL` if the driver has no such mode.
pub(crate) fn set_low_latency(fd: impl AsFd) -> Result<()> {
    // SAFETY: TIOCGSERIAL writes one `serial_struct`.
    let mut port = unsafe { ioctl(&fd, Getter::<{ number::TIOCGSERIAL }, SerialStruct>::new())? };
    port.flags |= ASYNC_LOW_LATENCY;
    // SAFETY: TIOCSSERIAL reads one `serial_struct`; it ignores the pointer in it.
    unsafe { ioctl(fd, Setter::<{ number::TIOCSSERIAL }, SerialStruct>::new(port)) }
}

/// `ASYNC_LOW_LATENCY` of `linux/tty_flags.h`.
const ASYNC_LOW_LATENCY: c_int = 1 << 13;

/// `struct serial_struct` of `linux/serial.h`, of which only `flags` matters here.
#[repr(C)]
struct SerialStruct {
    kind: c_int,
    line: c_int,
    port: c_uint,
    irq: c_int,
    flags: c_int,
    xmit_fifo_size: c_int,
    custom_divisor: c_int,
    baud_base: c_int,
    close_delay: c_ushort,
    io_type: c_char,
    reserved: c_char,
    hub6: c_int,
    closing_wait: [c_ushort; 2],
    iomem_base: *mut c_void,
    iomem_reg_shift: c_ushort,
    port_high: c_uint,
    iomap_base: c_ulong,
}

/// Request numbers of `asm-generic/ioctls.h`.
#[cfg(not(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6",
    target_arch = "powerpc",
    target_arch = "powerpc64",
)))]
mod number {
    use rustix::ioctl::{Opcode, opcode};

    pub(super) const TIOCOUTQ: Opcode = 0x5411;
    pub(super) const TIOCGSERIAL: Opcode = 0x541e;
    pub(super) const TIOCSSERIAL: Opcode = 0x541f;
    pub(super) const TIOCSRS485: Opcode = 0x542f;
    pub(super) const TIOCGICOUNT: Opcode = 0x545d;
    pub(super) const TIOCGEXCL: Opcode = opcode::read::<i32>(b'T', 0x40);
}

/// Request numbers of `powerpc/include/uapi/asm/ioctls.h`.
#[cfg(any(target_arch = "powerpc", target_arch = "powerpc64"))]
mod number {
    use rustix::ioctl::{Opcode, opcode};

    pub(super) const TIOCOUTQ: Opcode = opcode::read::<i32>(b't', 115);
    pub(super) const TIOCGSERIAL: Opcode = 0x541e;
    pub(super) const TIOCSSERIAL: Opcode = 0x541f;
    pub(super) const TIOCSRS485: Opcode = 0x542f;
    pub(super) const TIOCGICOUNT: Opcode = 0x545d;
    pub(super) const TIOCGEXCL: Opcode = opcode::read::<i32>(b'T', 0x40);
}

/// Request numbers of `mips/include/uapi/asm/ioctls.h`.
#[cfg(any(target_arch = "mips", target_arch = "mips32r6", target_arch = "mips64", target_arch = "mips64r6",))]
mod number {
    use rustix::ioctl::{Opcode, opcode};

    pub(super) const TIOCOUTQ: Opcode = 0x7472;
    pub(super) const TIOCGSERIAL: Opcode = 0x5484;
    pub(super) const TIOCSSERIAL: Opcode = 0x5485;
    pub(super) const TIOCSRS485: Opcode = opcode::read_write::<super::SerialRs485>(b'T', 0x2f);
    pub(super) const TIOCGICOUNT: Opcode = 0x5492;
    pub(super) const TIOCGEXCL: Opcode = opcode::read::<i32>(b'T', 0x40);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernels_size() {
        assert_eq!(size_of::<SerialRs485>(), 32);
        assert_eq!(size_of::<LineCounts>(), 80);
        #[cfg(target_pointer_width = "64")]
        assert_eq!(size_of::<SerialStruct>(), 72);
        #[cfg(target_pointer_width = "32")]
        assert_eq!(size_of::<SerialStruct>(), 60);
    }

    #[test]
    fn a_pipe_and_a_file_have_no_line() {
        let (end, _other) = rustix::pipe::pipe().expect("a pipe");
        assert_eq!(output_queue(&end), Err(rustix::io::Errno::NOTTY));
        assert_eq!(set_low_latency(&end), Err(rustix::io::Errno::NOTTY));
        assert!(line_counts(&end).is_err());
    }

    #[test]
    fn a_socket_tells_what_its_peer_has_not_read() {
        use std::io::{Read, Write};
        let (mut a, mut b) = std::os::unix::net::UnixStream::pair().expect("two sockets");
        assert_eq!(output_queue(&a), Ok(0));
        a.write_all(b"hello").expect("room");
        assert!(output_queue(&a).expect("a socket") >= 5);
        b.read_exact(&mut [0; 5]).expect("five bytes");
        assert_eq!(output_queue(&a), Ok(0));
    }
}
