//! A serial port of Linux: opening it, claiming it and setting its line.
//!
//! What a device on the line may notice: opening raises DTR and RTS, as on every Unix. `HUPCL` is cleared, so
//! that they stay up when the bridge ends and the next start is no new edge: boards that reset on DTR are left
//! alone. What arrived before the bridge came is data and is kept. A break is no byte (`IGNBRK`); a byte with a
//! bad parity or stop bit is passed on as it was received, and counted. An RS-485 mode that the port has
//! already, from its device tree for instance, stays unless the settings name another.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcsetattr,
};

use crate::endpoint::{DataBits, Flow, Parity, Rs485, SerialSettings, StopBits};
use crate::ioctl::{self, LineCounts, SerialRs485};
use crate::open_error::{Holder, Problem};
use crate::pty::is_slave;

/// What belongs to a port besides its descriptor.
#[derive(Debug)]
pub(crate) struct Port {
    /// The last line counts seen; `None` if the driver does not count.
    counts: Option<LineCounts>,
    /// `TIOCEXCL` is set and must be undone.
    exclusive: bool,
}

/// Opens the port, non-blocking, claims it and sets its line. Nothing is flushed.
///
/// The slave of a pty serves as a port too. It has no line, so the kernel always shows eight bits without
/// parity there whatever one sets (`pty_set_termios`); this is accepted, since bytes pass unchanged.
pub(crate) fn open(path: &Path, settings: &SerialSettings) -> Result<(OwnedFd, Port), Problem> {
    let because = |errno| match errno {
        Errno::ACCESS | Errno::PERM => Problem::denied(path),
        errno => Problem::of("open it", errno),
    };
    // Opening some other kind of device could have an effect, so look first.
    let node = rustix::fs::stat(path).map_err(because)?;
    if FileType::from_raw_mode(node.st_mode) != FileType::CharacterDevice {
        return Err(Problem::NotATerminal);
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(because)?;
    let before = tcgetattr(&fd).map_err(|errno| match errno {
        Errno::NOTTY | Errno::INVAL => Problem::NotATerminal,
        errno => Problem::of("read its settings", errno),
    })?;
    let is_pty = is_slave(node.st_rdev);
    let exclusive = settings.exclusive && claim(&fd, is_pty)?;
    set_line(&fd, before, settings, is_pty)?;
    if let Some(rs485) = &settings.rs485 {
        set_rs485(&fd, rs485)?;
    }
    if settings.low_latency
        && let Err(errno) = ioctl::set_low_latency(&fd)
    {
        tracing::debug!(port = %path.display(), %errno, "the driver has no low-latency mode");
    }
    let counts = ioctl::line_counts(&fd).ok();
    Ok((fd, Port { counts, exclusive }))
}

impl Port {
    /// Line errors since the last call or since opening; `None` if there were none, or the driver does not count.
    pub(crate) fn line_errors(&mut self, fd: impl AsFd) -> Option<uartbridge_core::LineErrors> {
        let last = self.counts?;
        let now = ioctl::line_counts(fd).ok()?;
        self.counts = Some(now);
        // The kernel's counters wrap; their difference does not mind.
        let since = |now: i32, last: i32| now.wrapping_sub(last).cast_unsigned();
        let errors = uartbridge_core::LineErrors {
            overrun: since(now.overrun, last.overrun)
                .saturating_add(since(now.buf_overrun, last.buf_overrun)),
            framing: since(now.frame, last.frame),
            parity: since(now.parity, last.parity),
        };
        (errors != uartbridge_core::LineErrors::default()).then_some(errors)
    }

    /// To be called before the descriptor is closed. A port that cannot send, because CTS is off for instance,
    /// would hold up close(2), and with it every bridge of this thread, for up to 30 s (`closing_wait`).
    pub(crate) fn release(&self, fd: impl AsFd) {
        // An unplugged port refuses all of this, and needs none of it.
        if ioctl::output_queue(&fd).is_ok_and(|bytes| bytes > 0) {
            let _ = tcflush(&fd, QueueSelector::OFlush);
        }
        if self.exclusive {
            let _ = rustix::termios::ioctl_tiocnxcl(&fd);
        }
    }
}

/// Locks the port against programs that look at locks (flock(2)) and against those that do not (`TIOCEXCL`).
/// Whether `TIOCEXCL` was set: on a pty it is not, because there it would outlive a killed program for as long
/// as the master is open and shut out everybody, this program included.
fn claim(fd: &OwnedFd, is_pty: bool) -> Result<bool, Problem> {
    match flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(Problem::InUse { holder: holder(fd) }),
        Err(errno) => return Err(Problem::of("lock it", errno)),
    }
    if is_pty {
        return Ok(false);
    }
    // The kernel lets root through where it tells others EBUSY.
    if ioctl::is_exclusive(fd).unwrap_or(false) {
        return Err(Problem::InUse { holder: None });
    }
    rustix::termios::ioctl_tiocexcl(fd).map_err(|errno| Problem::of("lock it", errno))?;
    Ok(true)
}

/// Who holds the lock, if proc(5) tells: `1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF`.
fn holder(fd: &OwnedFd) -> Option<Holder> {
    let node = fstat(fd).ok()?;
    let (major, minor) = (rustix::fs::major(node.st_dev), rustix::fs::minor(node.st_dev));
    let file = format!("{major:02x}:{minor:02x}:{}", node.st_ino);
    // Between two reads locks come and go and lines are missed, so let each be as large as the kernel makes it.
    let mut locks = BufReader::new(File::open("/proc/locks").ok()?).lines().map_while(Result::ok);
    let pid = locks.find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, _, pid, at, ..] if at == file => pid.parse().ok(),
            _ => None,
        }
    })?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(Holder { name: name.trim_end().to_owned(), pid })
}

/// Raw mode and the line's settings. The kernel reports success if it could set any of them, so what came of
/// it is read back (termios(3)).
fn set_line(fd: &OwnedFd, before: Termios, settings: &SerialSettings, is_pty: bool) -> Result<(), Problem> {
    let wanted = line_modes(before, settings);
    let refused = |offered| Problem::Settings { wanted: describe(&wanted), offered };
    match tcsetattr(fd, OptionalActions::Now, &wanted) {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::RANGE | Errno::OPNOTSUPP) => return Err(refused(None)),
        Err(errno) => return Err(Problem::of("change its settings", errno)),
    }
    let got = tcgetattr(fd).map_err(|errno| Problem::of("read its settings", errno))?;
    let frame = if is_pty { ControlModes::CSTOPB } else { FRAME };
    let differs = got.control_modes ^ wanted.control_modes;
    if differs.intersects(frame)
        || !is_near(got.output_speed(), settings.baud)
        || !is_near(got.input_speed(), settings.baud)
    {
        return Err(refused(Some(describe(&got))));
    }
    if differs.contains(ControlModes::CRTSCTS) {
        return Err(Problem::NoFlowControl);
    }
    Ok(())
}

/// The bits of `c_cflag` that make up a character's frame.
const FRAME: ControlModes = ControlModes::CSIZE
    .union(ControlModes::CSTOPB)
    .union(ControlModes::PARENB)
    .union(ControlModes::PARODD)
    .union(ControlModes::CMSPAR);

fn line_modes(mut modes: Termios, settings: &SerialSettings) -> Termios {
    modes.make_raw();
    modes.input_modes -= InputModes::IXON | InputModes::IXOFF | InputModes::IXANY | InputModes::INPCK;
    modes.input_modes |= InputModes::IGNBRK;
    modes.control_modes -= FRAME | ControlModes::CRTSCTS | ControlModes::HUPCL;
    modes.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
    modes.control_modes |= match settings.data_bits {
        DataBits::Five => ControlModes::CS5,
        DataBits::Six => ControlModes::CS6,
        DataBits::Seven => ControlModes::CS7,
        DataBits::Eight => ControlModes::CS8,
    };
    modes.control_modes |= match settings.parity {
        Parity::None => ControlModes::empty(),
        Parity::Even => ControlModes::PARENB,
        Parity::Odd => ControlModes::PARENB | ControlModes::PARODD,
        Parity::Mark => ControlModes::PARENB | ControlModes::PARODD | ControlModes::CMSPAR,
        Parity::Space => ControlModes::PARENB | ControlModes::CMSPAR,
    };
    modes.control_modes |= match settings.stop_bits {
        StopBits::One => ControlModes::empty(),
        StopBits::Two => ControlModes::CSTOPB,
    };
    match settings.flow {
        Flow::None => {}
        Flow::RtsCts => modes.control_modes |= ControlModes::CRTSCTS,
        Flow::XonXoff => modes.input_modes |= InputModes::IXON | InputModes::IXOFF,
    }
    // A read waits for one byte and no time; with 0 here an empty line would look like its end.
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    // Cannot fail on Linux, where any speed can be expressed.
    let _ = modes.set_speed(settings.baud);
    modes
}

/// Drivers report the speed that their divider really gives. The kernel itself calls 2 % the same speed
/// (`tty_termios_encode_baud_rate`), and a receiver tolerates about as much.
fn is_near(got: u32, wanted: u32) -> bool {
    u64::from(got.abs_diff(wanted)) * 50 <= u64::from(wanted)
}

/// `7E1 at 12345 baud`
fn describe(modes: &Termios) -> String {
    let control = modes.control_modes;
    let bits = match control & ControlModes::CSIZE {
        ControlModes::CS5 => 5,
        ControlModes::CS6 => 6,
        ControlModes::CS7 => 7,
        _ => 8,
    };
    let has = |bit| control.contains(bit);
    let parity = match (has(ControlModes::PARENB), has(ControlModes::CMSPAR), has(ControlModes::PARODD)) {
        (false, ..) => 'N',
        (true, false, false) => 'E',
        (true, false, true) => 'O',
        (true, true, true) => 'M',
        (true, true, false) => 'S',
    };
    let stop = if has(ControlModes::CSTOPB) { 2 } else { 1 };
    format!("{bits}{parity}{stop} at {} baud", modes.output_speed())
}

fn set_rs485(fd: &OwnedFd, settings: &Rs485) -> Result<(), Problem> {
    let wanted = rs485_mode(settings);
    let got = match ioctl::set_rs485(fd, wanted) {
        Ok(got) => got,
        Err(Errno::NOTTY) => return Err(Problem::Rs485("at all")),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Err(Problem::Rs485("with these settings")),
        Err(errno) => return Err(Problem::of("switch it to RS-485", errno)),
    };
    // Drivers round delays and cut them to 100 ms: only what changes the meaning is refused.
    let lost = wanted.flags & !got.flags;
    let cut = got.delay_before_ms < wanted.delay_before_ms || got.delay_after_ms < wanted.delay_after_ms;
    match (lost, cut) {
        (0, false) => Ok(()),
        (0, true) => Err(Problem::Rs485("with delays this long")),
        (SerialRs485::RX_DURING_TX, _) => Err(Problem::Rs485("while listening to itself")),
        _ => Err(Problem::Rs485("with this level of RTS")),
    }
}

fn rs485_mode(settings: &Rs485) -> SerialRs485 {
    let level = if settings.rts_on_send { SerialRs485::RTS_ON_SEND } else { SerialRs485::RTS_AFTER_SEND };
    let listen = if settings.rx_during_tx { SerialRs485::RX_DURING_TX } else { 0 };
    // The kernel counts in ms; a delay shortened by rounding could cut a byte.
    let ms =
        |delay: std::time::Duration| u32::try_from(delay.as_micros().div_ceil(1_000)).unwrap_or(u32::MAX);
    let flags = SerialRs485::ENABLED | level | listen;
    SerialRs485::new(flags, ms(settings.delay_before), ms(settings.delay_after))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn modes_for(change: impl FnOnce(&mut SerialSettings)) -> Termios {
        let (_master, pty) = crate::pty::open(None).expect("a pty");
        let terminal = File::open(&pty.path).expect("its slave");
        let mut settings = SerialSettings::default();
        change(&mut settings);
        line_modes(tcgetattr(&terminal).expect("a terminal"), &settings)
    }

    #[test]
    fn every_frame_is_described_as_it_was_set() {
        let frames = [
            (DataBits::Eight, Parity::None, StopBits::One, "8N1 at 9600 baud"),
            (DataBits::Seven, Parity::Even, StopBits::One, "7E1 at 9600 baud"),
            (DataBits::Six, Parity::Odd, StopBits::Two, "6O2 at 9600 baud"),
            (DataBits::Five, Parity::Mark, StopBits::One, "5M1 at 9600 baud"),
            (DataBits::Eight, Parity::Space, StopBits::Two, "8S2 at 9600 baud"),
        ];
        for (data_bits, parity, stop_bits, text) in frames {
            let modes = modes_for(|settings| {
                settings.baud = 9_600;
                (settings.data_bits, settings.parity, settings.stop_bits) = (data_bits, parity, stop_bits);
            });
            assert_eq!(describe(&modes), text);
        }
    }

    #[test]
    fn a_speed_within_two_percent_is_the_same() {
        assert!(is_near(115_200, 115_200) && is_near(117_504, 115_200) && is_near(112_896, 115_200));
        assert!(!is_near(117_505, 115_200) && !is_near(9_600, 12_345) && !is_near(0, 9_600));
    }

    #[test]
    fn rs485_delays_are_never_shortened() {
        let mode = |before, rts_on_send| {
            rs485_mode(&Rs485 {
                delay_before: Duration::from_micros(before),
                delay_after: Duration::ZERO,
                rts_on_send,
                rx_during_tx: false,
            })
        };
        assert_eq!(mode(0, true), SerialRs485::new(0b011, 0, 0));
        assert_eq!(mode(1, false), SerialRs485::new(0b101, 1, 0));
        assert_eq!(mode(2_000, true).delay_before_ms, 2);
        assert_eq!(mode(2_001, true).delay_before_ms, 3);
    }
}
