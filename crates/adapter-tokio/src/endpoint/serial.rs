//! Settings of a serial line, and how they are written.

use std::fmt;
use std::time::Duration;

use super::{Fault, SERIAL, UartEndpoint, fault, path, settings, switch};

/// How a serial port's line is set. As text, settings after a path: `?baud=9600&mode=7E1`.
///
/// | key | values | default |
/// |---|---|---|
/// | `baud` | bit/s, 1 or more | 115200 |
/// | `mode` | data bits 5–8, parity N E O M S, stop bits 1 or 2 | 8N1 |
/// | `flow` | `none`, `rtscts`, `xonxoff` | none |
/// | `rs485` | on, off | off |
/// | `rs485-before`, `rs485-after` | a time such as `1ms`, see [`Rs485`] | 0ms |
/// | `rs485-rts-on-send`, `rs485-rx-during-tx` | on, off, see [`Rs485`] | on, off |
/// | `low-latency` | on, off | on |
/// | `exclusive` | on, off | on |
///
/// Behind a comma, as in `/dev/ttyUSB0,9600,7e1` or `/dev/ttyUSB0,115200n81,rtscts`, speed, mode and flow
/// control are understood too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SerialSettings {
    /// Speed in bit/s; any that the hardware does.
    pub baud: u32,
    /// Data bits in a character.
    pub data_bits: DataBits,
    /// The parity bit.
    pub parity: Parity,
    /// Stop bits after a character.
    pub stop_bits: StopBits,
    /// How the device and we tell each other to pause.
    pub flow: Flow,
    /// RS-485 by the kernel's driver; `None` leaves the driver's mode as it is.
    pub rs485: Option<Rs485>,
    /// Ask the driver to deliver each byte at once (`ASYNC_LOW_LATENCY`), if it can.
    pub low_latency: bool,
    /// Lock the port against other programs (flock(2), `TIOCEXCL`).
    pub exclusive: bool,
}

/// Data bits in a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum DataBits {
    Five,
    Six,
    Seven,
    Eight,
}

/// The parity bit of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parity {
    /// No parity bit.
    None,
    /// The number of ones is even.
    Even,
    /// The number of ones is odd.
    Odd,
    /// Always one.
    Mark,
    /// Always zero.
    Space,
}

/// Stop bits after a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum StopBits {
    One,
    Two,
}

/// Flow control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// None: a side that is not ready loses bytes.
    None,
    /// By the RTS and CTS lines.
    RtsCts,
    /// By the characters XON (0x11) and XOFF (0x13), which the data must then not hold.
    XonXoff,
}

/// RS-485: the driver switches the transmitter on and off by RTS (kernel documentation "RS485 Serial Communications").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rs485 {
    /// From switching on to the first bit; the kernel counts in ms.
    pub delay_before: Duration,
    /// From the last bit to switching off, the turn-round delay; the kernel counts in ms.
    pub delay_after: Duration,
    /// RTS is active while sending; otherwise while not sending.
    pub rts_on_send: bool,
    /// Receive what is sent, too.
    pub rx_during_tx: bool,
}

impl Default for SerialSettings {
    fn default() -> Self {
        Self {
            baud: 115_200,
            data_bits: DataBits::Eight,
            parity: Parity::None,
            stop_bits: StopBits::One,
            flow: Flow::None,
            rs485: None,
            low_latency: true,
            exclusive: true,
        }
    }
}

impl Default for Rs485 {
    fn default() -> Self {
        Self {
            delay_before: Duration::ZERO,
            delay_after: Duration::ZERO,
            rts_on_send: true,
            rx_during_tx: false,
        }
    }
}

impl fmt::Display for SerialSettings {
    /// `?baud=115200&mode=8N1`, and what else differs from the defaults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = match self.data_bits {
            DataBits::Five => 5,
            DataBits::Six => 6,
            DataBits::Seven => 7,
            DataBits::Eight => 8,
        };
        let parity = match self.parity {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
            Parity::Mark => 'M',
            Parity::Space => 'S',
        };
        let stop = match self.stop_bits {
            StopBits::One => 1,
            StopBits::Two => 2,
        };
        write!(f, "?baud={}&mode={data}{parity}{stop}", self.baud)?;
        match self.flow {
            Flow::None => {}
            Flow::RtsCts => f.write_str("&flow=rtscts")?,
            Flow::XonXoff => f.write_str("&flow=xonxoff")?,
        }
        if let Some(rs485) = &self.rs485 {
            rs485.fmt(f)?;
        }
        f.write_str(if self.low_latency { "" } else { "&low-latency=off" })?;
        f.write_str(if self.exclusive { "" } else { "&exclusive=off" })
    }
}

impl fmt::Display for Rs485 {
    /// `&rs485=on`, and what else differs from the defaults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("&rs485=on")?;
        for (key, delay) in [("before", self.delay_before), ("after", self.delay_after)] {
            if !delay.is_zero() {
                let delay = humantime::format_duration(delay).to_string();
                write!(f, "&rs485-{key}={}", delay.replace(' ', ""))?;
            }
        }
        f.write_str(if self.rts_on_send { "" } else { "&rs485-rts-on-send=off" })?;
        f.write_str(if self.rx_during_tx { "&rs485-rx-during-tx=on" } else { "" })
    }
}

/// A path with settings: what follows `serial:`, or a bare path.
pub(super) fn parse(text: &str) -> Result<UartEndpoint, Fault> {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let (place, words) = place.split_once(',').map_or((place, None), |(place, words)| (place, Some(words)));
    let device = path::parse(place, SERIAL)?;
    if !place.starts_with(['/', '.']) {
        return Err(fault("a serial port is named by its whole path", "serial:///dev/ttyUSB0"));
    }
    let mut line = SerialSettings::default();
    let mut rs485 = Rs485Text::default();
    for word in words.into_iter().flat_map(|words| words.split(',')) {
        word_setting(&mut line, &word.to_ascii_lowercase())?;
    }
    for (key, value) in settings(query, SERIAL)? {
        if !rs485.set(key, value)? {
            set(&mut line, key, value)?;
        }
    }
    line.rs485 = rs485.finish()?;
    if line.rs485.is_some() && line.flow == Flow::RtsCts {
        return Err(fault("RS-485 switches by RTS, so it excludes flow=rtscts", RS485));
    }
    Ok(UartEndpoint::Serial { path: device, settings: line })
}

const RS485: &str = "serial:///dev/ttyS1?rs485=on&rs485-after=1ms";

fn set(line: &mut SerialSettings, key: &str, value: &str) -> Result<(), Fault> {
    match key {
        "baud" => line.baud = baud(value)?,
        "mode" => set_mode(line, value)?,
        "flow" => line.flow = flow(value)?,
        "low-latency" => line.low_latency = switch(key, value, SERIAL)?,
        "exclusive" => line.exclusive = switch(key, value, SERIAL)?,
        _ => {
            let known = "baud, mode, flow, rs485, rs485-before, rs485-after, rs485-rts-on-send, \
                         rs485-rx-during-tx, low-latency and exclusive";
            return Err(fault(format!("a serial port has no setting {key:?}; there are {known}"), SERIAL));
        }
    }
    Ok(())
}

/// A setting behind a comma: `115200`, `115200n81`, `8n1` or `rtscts`. What starts with a single digit is a mode.
fn word_setting(line: &mut SerialSettings, word: &str) -> Result<(), Fault> {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match word.split_at(digits) {
        ("", "rtscts" | "xonxoff" | "none") => line.flow = flow(word)?,
        ("", _) => {
            let problem = format!("{word:?} is no setting of a serial line; in a path, write a comma as %2C");
            return Err(fault(problem, "/dev/ttyUSB0,115200,8n1"));
        }
        (speed, "") => line.baud = baud(speed)?,
        (_, _) if digits == 1 => set_mode(line, word)?,
        (speed, mode) => {
            line.baud = baud(speed)?;
            set_mode(line, mode)?;
        }
    }
    Ok(())
}

fn baud(value: &str) -> Result<u32, Fault> {
    match value.parse() {
        Ok(0) => Err(fault("at 0 baud the line is hung up", SERIAL)),
        Ok(baud) if value.bytes().all(|byte| byte.is_ascii_digit()) => Ok(baud),
        Ok(_) | Err(_) => Err(fault(format!("{value:?} is no speed in bit/s"), SERIAL)),
    }
}

/// `8N1` or, as ser2net writes it, `n81`.
fn set_mode(line: &mut SerialSettings, value: &str) -> Result<(), Fault> {
    let bad = || {
        fault(
            format!("{value:?} is no mode: 5 to 8 data bits, parity N, E, O, M or S, 1 or 2 stop bits"),
            MODE,
        )
    };
    let mut letters: Vec<char> = value.to_ascii_uppercase().chars().collect();
    if letters.first().is_some_and(char::is_ascii_alphabetic) && letters.len() == 3 {
        letters.swap(0, 1);
    }
    let &[data, parity, stop] = letters.as_slice() else { return Err(bad()) };
    line.data_bits = match data {
        '5' => DataBits::Five,
        '6' => DataBits::Six,
        '7' => DataBits::Seven,
        '8' => DataBits::Eight,
        _ => return Err(bad()),
    };
    line.parity = match parity {
        'N' => Parity::None,
        'E' => Parity::Even,
        'O' => Parity::Odd,
        'M' => Parity::Mark,
        'S' => Parity::Space,
        _ => return Err(bad()),
    };
    line.stop_bits = match stop {
        '1' => StopBits::One,
        '2' => StopBits::Two,
        _ => return Err(bad()),
    };
    Ok(())
}

const MODE: &str = "serial:///dev/ttyUSB0?mode=8N1";

fn flow(value: &str) -> Result<Flow, Fault> {
    match value {
        "none" => Ok(Flow::None),
        "rtscts" => Ok(Flow::RtsCts),
        "xonxoff" => Ok(Flow::XonXoff),
        _ => Err(fault(
            format!("{value:?} is no flow control; there are none, rtscts and xonxoff"),
            "serial:///dev/ttyUSB0?flow=rtscts",
        )),
    }
}

/// The settings of RS-485 as they come: the mode counts only if it is switched on.
#[derive(Default)]
struct Rs485Text {
    on: bool,
    mode: Rs485,
    /// A setting that has no meaning unless RS-485 is on.
    detail: Option<String>,
}

impl Rs485Text {
    /// Whether the key is one of these.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, Fault> {
        match key {
            "rs485" => {
                self.on = switch(key, value, RS485)?;
                return Ok(true);
            }
            "rs485-before" => self.mode.delay_before = delay(key, value)?,
            "rs485-after" => self.mode.delay_after = delay(key, value)?,
            "rs485-rts-on-send" => self.mode.rts_on_send = switch(key, value, RS485)?,
            "rs485-rx-during-tx" => self.mode.rx_during_tx = switch(key, value, RS485)?,
            _ => return Ok(false),
        }
        self.detail = Some(key.to_owned());
        Ok(true)
    }

    fn finish(self) -> Result<Option<Rs485>, Fault> {
        match self.detail {
            Some(key) if !self.on => Err(fault(format!("{key} is of no use without rs485=on"), RS485)),
            Some(_) | None => Ok(self.on.then_some(self.mode)),
        }
    }
}

fn delay(key: &str, value: &str) -> Result<Duration, Fault> {
    humantime::parse_duration(value).map_err(|_| fault(format!("{key}: {value:?} is no time"), RS485))
}
