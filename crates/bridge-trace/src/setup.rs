//! What a bridge was made of: without it nothing can be replayed.

use uartbridge_core::{
    Backoff, Config, Delimiter, Duration, Heartbeat, Ladder, Overflow, Packing, Power, Supervise,
};

use crate::number::{Head, Input};

/// What a bridge was made of, and what its trace has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup<'a> {
    /// Its settings. Read from a trace without [`content`](Self::content), greeting and heartbeat are as long as they were, and made of `?`.
    pub config: Config<'a>,
    /// As given to [`Bridge::new`](uartbridge_core::Bridge::new).
    pub seed: u32,
    /// Bytes in the up ring.
    pub up: usize,
    /// Bytes in the down ring.
    pub down: usize,
    /// How many packets its up ring can tell apart (`P` of [`Bridge`](uartbridge_core::Bridge)).
    pub packets: usize,
    /// Whether the trace has the bytes that passed, greeting and heartbeat. They may be secrets.
    pub content: bool,
    /// When the bridge's clock started, in µs since 1970, if that is known.
    pub began: Option<u64>,
}

/// More than all numbers of a setup take.
pub(crate) const ROOM: usize = 288;
/// What stands for a greeting or a heartbeat whose bytes are not in the trace.
static HIDDEN: [u8; 1 << 16] = [b'?'; 1 << 16];

/// The bytes that a greeting or a heartbeat of `len` bytes is replayed with.
pub(crate) fn hidden(len: usize) -> Option<&'static [u8]> {
    HIDDEN.get(..len)
}

impl Setup<'_> {
    /// Everything but greeting and heartbeat, which are records of their own.
    pub(crate) fn write(&self, head: &mut Head<ROOM>) {
        let Self { config, seed, up, down, packets, content, began } = *self;
        head.byte(u8::from(content));
        head.number(began.map_or(0, |micros| micros.saturating_add(1)));
        head.number(seed.into());
        for size in [up, down, packets] {
            head.number(size as u64);
        }
        write_config(&config, head);
    }
}

impl<'a> Setup<'a> {
    /// What [`write`](Self::write) has written.
    pub(crate) fn read(input: &mut Input<'a>) -> Option<Self> {
        Some(Self {
            content: switch(input)?,
            began: input.number()?.checked_sub(1),
            seed: input.small()?,
            up: input.size()?,
            down: input.size()?,
            packets: input.size()?,
            config: read_config(input)?,
        })
    }
}

fn write_config(config: &Config<'_>, head: &mut Head<ROOM>) {
    // Without `..`: a setting that is added must be added here.
    let Config {
        peers,
        greeting: _,
        connect_timeout,
        close_timeout,
        drain_timeout,
        uart_retry,
        backoff: Backoff { first, max, jitter, stable_after },
        packing: Packing { max_len, gap, delimiter, datagrams },
        heartbeat: Heartbeat { bytes: _, after },
        supervise: Supervise { unacked, silent, query },
        ladder: Ladder { next_peer, reset_radio, restart, no_ip },
        overflow,
        power,
    } = *config;
    head.byte(peers);
    for span in [connect_timeout, close_timeout, drain_timeout, uart_retry, first, max, stable_after] {
        write_span(head, span);
    }
    head.byte(u8::from(jitter));
    head.number(max_len as u64);
    let mark = delimiter.as_ref().map_or(&[][..], Delimiter::as_bytes);
    head.byte(mark.len() as u8);
    mark.iter().for_each(|&byte| head.byte(byte));
    head.byte(u8::from(datagrams));
    for span in [gap, after, unacked, silent, query, no_ip] {
        write_span(head, span);
    }
    for rung in [next_peer, reset_radio, restart] {
        head.number(rung.into());
    }
    head.byte(match overflow {
        Overflow::Block => 0,
        Overflow::DropOldest => 1,
        Overflow::DropNewest => 2,
    });
    let (plan, span) = match power {
        Power::AlwaysOn => (0, Duration::ZERO),
        Power::Doze { after } => (1, after),
        Power::OnDemand { linger } => (2, linger),
    };
    head.byte(plan);
    write_span(head, span);
}

fn read_config<'a>(input: &mut Input<'a>) -> Option<Config<'a>> {
    let mut config = Config { peers: input.byte()?, ..Config::DEFAULT };
    config.connect_timeout = span(input)?;
    config.close_timeout = span(input)?;
    config.drain_timeout = span(input)?;
    config.uart_retry = span(input)?;
    config.backoff = Backoff {
        first: span(input)?,
        max: span(input)?,
        stable_after: span(input)?,
        jitter: switch(input)?,
    };
    let max_len = input.size()?;
    let mark = input.byte()?.into();
    let delimiter = match input.take(mark)? {
        [] => None,
        mark => Some(Delimiter::new(mark)?),
    };
    config.packing = Packing { max_len, delimiter, datagrams: switch(input)?, gap: span(input)? };
    config.heartbeat.after = span(input)?;
    config.supervise = Supervise { unacked: span(input)?, silent: span(input)?, query: span(input)? };
    config.ladder.no_ip = span(input)?;
    config.ladder.next_peer = input.number()?.try_into().ok()?;
    config.ladder.reset_radio = input.number()?.try_into().ok()?;
    config.ladder.restart = input.number()?.try_into().ok()?;
    config.overflow = match input.byte()? {
        0 => Overflow::Block,
        1 => Overflow::DropOldest,
        2 => Overflow::DropNewest,
        _ => return None,
    };
    let (plan, span) = (input.byte()?, span(input)?);
    config.power = match plan {
        0 => Power::AlwaysOn,
        1 => Power::Doze { after: span },
        2 => Power::OnDemand { linger: span },
        _ => return None,
    };
    Some(config)
}

/// Off is 0, so that it takes a byte and not ten.
fn write_span(head: &mut Head<ROOM>, span: Duration) {
    head.number(if span.is_never() { 0 } else { span.as_micros() + 1 });
}

fn span(input: &mut Input<'_>) -> Option<Duration> {
    Some(input.number()?.checked_sub(1).map_or(Duration::NEVER, Duration::from_micros))
}

fn switch(input: &mut Input<'_>) -> Option<bool> {
    match input.byte()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_comes_back_and_fits() {
        let longest = Duration::from_micros(u64::MAX - 1);
        let odd = Setup {
            config: Config {
                peers: 255,
                greeting: b"",
                connect_timeout: longest,
                close_timeout: longest,
                drain_timeout: longest,
                uart_retry: longest,
                backoff: Backoff { first: longest, max: longest, jitter: true, stable_after: longest },
                packing: Packing {
                    max_len: usize::MAX,
                    gap: longest,
                    delimiter: Delimiter::new(b"abcd"),
                    datagrams: true,
                },
                heartbeat: Heartbeat { bytes: b"", after: longest },
                supervise: Supervise { unacked: longest, silent: longest, query: longest },
                ladder: Ladder {
                    next_peer: u16::MAX,
                    reset_radio: u16::MAX,
                    restart: u16::MAX,
                    no_ip: longest,
                },
                overflow: Overflow::DropNewest,
                power: Power::OnDemand { linger: longest },
            },
            seed: u32::MAX,
            up: usize::MAX,
            down: usize::MAX,
            packets: usize::MAX,
            content: true,
            began: Some(u64::MAX - 1),
        };
        let usual = Setup {
            config: Config::DEFAULT,
            seed: 0,
            up: 1,
            down: 2,
            packets: 8,
            content: false,
            began: None,
        };
        for setup in [odd, usual] {
            let mut head = Head::new();
            setup.write(&mut head);
            assert!(head.as_bytes().len() < ROOM, "there is room to spare");
            let mut input = Input(head.as_bytes());
            assert_eq!((Setup::read(&mut input), input.0), (Some(setup), &[][..]));
        }
    }
}
