//! Chunks through the pure core, for `cargo xtask bench core` to count instructions of.
//!
//! `core_chunks WAY CHUNKS BYTES`, WAY one of `up-on-write`, `up-acked`, `down`, `copies`: the last makes only the copies
//! that the others make too, one into the ring and one out of it. Prints the events a chunk.

use std::hint::black_box;

use anyhow::{Context, Result, bail};
use uartbridge_core::{Acks, Action, Bridge, Config, Event, Instant, LinkState};

/// The sizes of the rings: the Linux program's defaults.
const UP_RING: usize = 1 << 20;
const DOWN_RING: usize = 64 << 10;

type Boxed = Bridge<'static, Box<[u8]>, Box<[u8]>>;

/// A bridge, its adapter's clock, and what its adapter answers.
struct Driven {
    bridge: Boxed,
    now: Instant,
    acks: Acks,
    events: usize,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [way, chunks, bytes] = words.as_slice() else { bail!("usage: core_chunks WAY CHUNKS BYTES") };
    let (chunks, bytes): (usize, usize) = (chunks.parse()?, bytes.parse()?);
    let source = vec![0x55; bytes];
    let mut sink = vec![0; bytes];
    let events = match way.as_str() {
        "up-on-write" => Driven::open(Acks::OnWrite)?.up(chunks, &source, &mut sink)?,
        "up-acked" => Driven::open(Acks::Peer)?.up(chunks, &source, &mut sink)?,
        "down" => Driven::open(Acks::Peer)?.down(chunks, &source, &mut sink)?,
        "copies" => copies(chunks, &source, &mut sink),
        other => bail!("unknown way {other}"),
    };
    if chunks > 0 && sink != source {
        bail!("the bytes did not arrive");
    }
    println!("{}", events as f64 / chunks.max(1) as f64);
    Ok(())
}

fn copies(chunks: usize, source: &[u8], sink: &mut [u8]) -> usize {
    let mut ring = vec![0; source.len()];
    for _ in 0..chunks {
        black_box(&mut ring[..]).copy_from_slice(black_box(source));
        black_box(&mut sink[..]).copy_from_slice(black_box(&ring));
    }
    0
}

impl Driven {
    /// A bridge with its UART open and a connection up.
    fn open(acks: Acks) -> Result<Self> {
        let rings = (vec![0; UP_RING].into_boxed_slice(), vec![0; DOWN_RING].into_boxed_slice());
        let bridge = Bridge::new(&Config::DEFAULT, 1, rings.0, rings.1)?;
        let mut driven = Self { bridge, now: Instant::START, acks, events: 0 };
        driven.handle(Event::IpReady)?;
        driven.settle()?;
        driven.handle(Event::Timeout)?;
        driven.settle()?;
        let state = driven.bridge.link_state();
        if !matches!(state, LinkState::Open(_)) {
            bail!("not connected but {state:?}");
        }
        driven.events = 0;
        Ok(driven)
    }

    fn up(mut self, chunks: usize, source: &[u8], sink: &mut [u8]) -> Result<usize> {
        for _ in 0..chunks {
            let mut given = 0;
            while given < source.len() {
                let room = black_box(self.bridge.uart_rx());
                let n = room.len().min(source.len() - given);
                room[..n].copy_from_slice(&source[given..given + n]);
                given += n;
                self.moved(Event::UartRx(n))?;
            }
            let mut taken = 0;
            while taken < given {
                let parts = black_box(self.bridge.tx());
                let mut n = 0;
                for part in parts {
                    sink[taken + n..][..part.len()].copy_from_slice(part);
                    n += part.len();
                }
                taken += n;
                self.moved(Event::TxDone(n))?;
            }
        }
        Ok(self.events)
    }

    fn down(mut self, chunks: usize, source: &[u8], sink: &mut [u8]) -> Result<usize> {
        for _ in 0..chunks {
            let room = black_box(self.bridge.sock_rx());
            let room = room.get_mut(..source.len()).context("no room for a chunk")?;
            room.copy_from_slice(source);
            self.moved(Event::SockRx(source.len()))?;
            let bytes = black_box(self.bridge.uart_tx());
            sink.copy_from_slice(bytes);
            self.moved(Event::UartTxDone(sink.len()))?;
        }
        Ok(self.events)
    }

    /// Bytes have moved, 50 µs after the last ones.
    fn moved(&mut self, event: Event) -> Result<()> {
        self.now = Instant::from_micros(self.now.as_micros() + 50);
        self.handle(event)?;
        self.settle()
    }

    fn handle(&mut self, event: Event) -> Result<()> {
        self.events += 1;
        Ok(self.bridge.handle(self.now, black_box(event))?)
    }

    /// Does what the bridge asks until it sleeps.
    fn settle(&mut self) -> Result<()> {
        loop {
            match self.bridge.poll(self.now) {
                Action::Sleep(sleep) => {
                    if sleep.until.is_none_or(|(at, _)| at > self.now) {
                        return Ok(());
                    }
                    self.handle(Event::Timeout)?;
                }
                Action::OpenUart => self.handle(Event::UartOpened)?,
                Action::Connect(_) => self.handle(Event::Connected(self.acks))?,
                Action::QueryAcks => {
                    let total = self.bridge.tx_total();
                    self.handle(Event::TxAcked(total))?;
                }
                Action::UartFlow(_) => {}
                action @ (Action::Close(_) | Action::Recover(_) | Action::Finished) => bail!("{action:?}"),
            }
        }
    }
}
