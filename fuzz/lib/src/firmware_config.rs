//! The block of flash that makes an image a particular device: whatever the flash holds, and whatever settings there are.

use crate::script::Script;
use uartbridge_core::{
    Backoff, Config, Delimiter, Duration, Heartbeat, Ladder, Overflow, Packing, Power, Supervise,
};
use uartbridge_firmware_config::{
    Address, Error, HEADER, MAX_PEERS, Settings, StaticAddress, Tls, Transport, decode, encode,
};

/// What became of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// They were no block.
    Refused(Error),
    /// They were settings that a block cannot hold.
    Unwritten(Error),
    /// They were settings, of so many peers.
    Settings(usize),
}

/// More than any settings of a run take.
const BLOCK: usize = 8192;

/// One run: flash as it is, flash with records and a checksum that fits them, or settings.
///
/// # Panics
/// Settings do not come back as they were written.
pub fn run(data: &[u8]) -> Depth {
    let mut script = Script::new(data);
    match script.byte() % 3 {
        0 => read(script.rest()),
        1 => {
            let records = script.rest();
            let (length, sum) = ((records.len() as u32).to_le_bytes(), crc32(records).to_le_bytes());
            read(&[b"UBC1", &length, &sum, records].concat())
        }
        _ => written(&mut script),
    }
}

/// What a block gives can be written, and is then the same.
fn read(block: &[u8]) -> Depth {
    let settings = match decode(block) {
        Ok(settings) => settings,
        Err(error) => {
            assert!(!matches!(error, Error::NoRoom(_)), "{error}");
            return Depth::Refused(error);
        }
    };
    let mut again = vec![0; BLOCK.max(block.len() + 1024)];
    encode(&settings, &mut again).expect("what was read can be written");
    assert_eq!(decode(&again), Ok(settings.clone()));
    // No setting depends on what follows the records.
    assert_eq!(decode(block), Ok(settings.clone()));
    peers(&settings)
}

fn peers(settings: &Settings<'_>) -> Depth {
    let peers: Result<Vec<_>, _> = settings.peers().collect();
    let peers = peers.expect("decoding has looked at them").len();
    assert!((1..=MAX_PEERS).contains(&peers));
    assert_eq!(usize::from(settings.config.peers), peers);
    Depth::Settings(peers)
}

/// Settings that are written come back, or are refused; and a block that is too small is refused and says what it needs.
fn written(script: &mut Script<'_>) -> Depth {
    let wanted = settings(script);
    let mut block = vec![0; BLOCK];
    if let Err(error) = encode(&wanted, &mut block) {
        return Depth::Unwritten(error);
    }
    let mut expected = wanted.clone();
    expected.config.peers = expected.peers().count().max(1) as u8;
    let used = HEADER + u32::from_le_bytes(block[4..8].try_into().expect("four bytes")) as usize;
    assert_eq!(encode(&wanted, &mut block[..used - 1]), Err(Error::NoRoom(used)));
    encode(&wanted, &mut block[..used]).expect("it fits");
    match decode(&block[..used]) {
        Ok(found) => {
            assert_eq!(found, expected);
            peers(&found)
        }
        Err(error) => {
            assert_eq!((error, wanted.peers().count()), (Error::NoPeer, 0));
            Depth::Refused(error)
        }
    }
}

fn settings<'a>(script: &mut Script<'a>) -> Settings<'a> {
    let text = |script: &mut Script<'a>| {
        let length = usize::from(script.byte());
        script.take(length)
    };
    let octets = |script: &mut Script<'a>| [script.byte(), script.byte(), script.byte(), script.byte()];
    Settings {
        peers: match script.byte() {
            0 => text(script),
            n => [&b"a:1"[..], b"a:1\nb:2", b"[::1]:9\n\n10.0.2.2:7", b"a:1\nb:2\nc:3\nd:4", b"x:65535\n"]
                [usize::from(n) % 5],
        },
        transport: [Transport::Tcp, Transport::Udp, Transport::Tls][usize::from(script.byte() % 3)],
        address: match script.flag() {
            false => Address::Dhcp,
            true => Address::Static(StaticAddress {
                address: octets(script),
                prefix: script.byte() % 40,
                gateway: octets(script),
                dns: octets(script),
            }),
        },
        mac: script.flag().then(|| {
            let [a, b, c, d] = octets(script);
            [a, b, c, d, script.byte(), script.byte()]
        }),
        baud: script.number() as u32,
        seed: script.number() as u32,
        up_buffer: script.number() as u32,
        down_buffer: script.number() as u32,
        tls: Tls { authorities: text(script), certificates: text(script), key: text(script) },
        config: config(script, text),
    }
}

fn config<'a>(script: &mut Script<'a>, text: impl Fn(&mut Script<'a>) -> &'a [u8]) -> Config<'a> {
    let mut span = || match script.byte() {
        0 => Duration::NEVER,
        1 => Duration::from_micros(script.number()),
        n => Duration::from_millis(n.into()),
    };
    let [a, b, c, d, e, f, g, h, i, j, k, l, m] = std::array::from_fn(|_| span());
    Config {
        peers: 1,
        connect_timeout: a,
        close_timeout: b,
        drain_timeout: c,
        uart_retry: d,
        backoff: Backoff { first: e, max: f, jitter: script.flag(), stable_after: g },
        packing: Packing {
            max_len: script.number() as usize,
            gap: h,
            delimiter: {
                let length = usize::from(script.byte() % 5);
                Delimiter::new(script.take(length))
            },
            datagrams: script.flag(),
        },
        heartbeat: Heartbeat { bytes: text(script), after: i },
        supervise: Supervise { unacked: j, silent: k, query: l },
        ladder: Ladder {
            next_peer: script.number() as u16,
            reset_radio: script.number() as u16,
            restart: script.number() as u16,
            no_ip: m,
        },
        greeting: text(script),
        overflow: [Overflow::Block, Overflow::DropOldest, Overflow::DropNewest]
            [usize::from(script.byte() % 3)],
        power: match script.byte() % 3 {
            0 => Power::AlwaysOn,
            1 => Power::Doze { after: g },
            _ => Power::OnDemand { linger: h },
        },
    }
}

/// CRC-32 (IEEE 802.3), as the block has it.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| bit(crc)))
}
