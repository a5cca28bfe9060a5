//! The settings, and the one table that says under which tag each is written.

use uartbridge_core::{Config, Delimiter, Duration, Overflow, Power};

use crate::Error;

/// The most peers that an image takes.
pub const MAX_PEERS: usize = 4;

/// Everything that tells one device from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings<'a> {
    /// `host:port`, one a line, at most [`MAX_PEERS`]; see [`Settings::peers`].
    pub peers: &'a [u8],
    /// How they are spoken to.
    pub transport: Transport,
    /// The device's own address.
    pub address: Address,
    /// The Ethernet address; `None`: the one in the controller's EEPROM.
    pub mac: Option<[u8; 6]>,
    /// The UART's rate, in baud.
    pub baud: u32,
    /// Spreads the attempts to reconnect of a fleet; should differ from device to device.
    pub seed: u32,
    /// Bytes in the up ring; 0: as many as the image has.
    pub up_buffer: u32,
    /// Bytes in the down ring; 0: as many as the image has.
    pub down_buffer: u32,
    /// Trust and identity, for [`Transport::Tls`].
    pub tls: Tls<'a>,
    /// The bridge's policy. Its number of peers is that of the list.
    pub config: Config<'a>,
}

/// How peers are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// TLS over TCP.
    Tls,
}

/// Where the device's own address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Address {
    /// DHCP.
    Dhcp,
    /// This configuration.
    Static(StaticAddress),
}

/// An address that does not change. Octets as they are written, from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StaticAddress {
    /// The address.
    pub address: [u8; 4],
    /// How many of its bits name the network.
    pub prefix: u8,
    /// The router; 0.0.0.0: none.
    pub gateway: [u8; 4],
    /// The name server; 0.0.0.0: none.
    pub dns: [u8; 4],
}

/// Trust and identity. DER or PEM; empty: none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Tls<'a> {
    /// The authorities that the server's certificate must lead to.
    pub authorities: &'a [u8],
    /// The client's certificate, and those between it and its authority.
    pub certificates: &'a [u8],
    /// The client's private key.
    pub key: &'a [u8],
}

impl core::fmt::Debug for Tls<'_> {
    /// Lengths: a key must not reach a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.authorities.len())
            .field("certificates", &self.certificates.len())
            .field("key", &self.key.len())
            .finish()
    }
}

impl Default for Settings<'_> {
    /// The core's defaults, TCP, DHCP, 115 200 baud, and nobody to connect to.
    fn default() -> Self {
        Self {
            peers: &[],
            transport: Transport::Tcp,
            address: Address::Dhcp,
            mac: None,
            baud: 115_200,
            seed: 0,
            up_buffer: 0,
            down_buffer: 0,
            tls: Tls::default(),
            config: Config::default(),
        }
    }
}

impl<'a> Settings<'a> {
    /// The peers' hosts and ports.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a line that is no `host:port`.
    pub fn peers(&self) -> impl Iterator<Item = Result<(&'a str, u16), Error>> + use<'a> {
        let lines = self.peers.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| peer(line).ok_or(Error::BadValue(tag::PEERS)))
    }
}

/// `host:port`; an IPv6 address stands in brackets.
fn peer(line: &[u8]) -> Option<(&str, u16)> {
    let (host, port) = core::str::from_utf8(line).ok()?.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}

/// Reads or writes a setting: which of them is the codec's nature.
pub(crate) trait Codec<'a> {
    /// A text, or anything that is as long as it is.
    fn bytes(&mut self, tag: u8, value: &mut &'a [u8]) -> Result<(), Error>;
    /// A number.
    fn number(&mut self, tag: u8, value: &mut u64) -> Result<(), Error>;

    /// A span, in µs.
    fn span(&mut self, tag: u8, value: &mut Duration) -> Result<(), Error> {
        let mut micros = value.as_micros();
        self.number(tag, &mut micros)?;
        *value = Duration::from_micros(micros);
        Ok(())
    }

    /// A smaller number.
    fn small<T: Copy + TryInto<u64> + TryFrom<u64>>(&mut self, tag: u8, value: &mut T) -> Result<(), Error> {
        let mut number = (*value).try_into().map_err(|_| Error::BadValue(tag))?;
        self.number(tag, &mut number)?;
        *value = number.try_into().map_err(|_| Error::BadValue(tag))?;
        Ok(())
    }

    /// One of `choices`, by its place.
    fn choice<T: Copy + PartialEq>(&mut self, tag: u8, value: &mut T, choices: &[T]) -> Result<(), Error> {
        let mut place = choices.iter().position(|choice| choice == value).ok_or(Error::BadValue(tag))?;
        self.small(tag, &mut place)?;
        *value = *choices.get(place).ok_or(Error::BadValue(tag))?;
        Ok(())
    }

    /// At most 8 bytes.
    fn octets(&mut self, tag: u8, value: &mut [u8]) -> Result<(), Error> {
        let mut number = value.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        self.number(tag, &mut number)?;
        for byte in value {
            *byte = number as u8;
            number >>= 8;
        }
        if number == 0 { Ok(()) } else { Err(Error::BadValue(tag)) }
    }
}

/// Tags. One that is given up is not given again.
mod tag {
    pub(super) const PEERS: u8 = 1;
    pub(super) const TRANSPORT: u8 = 2;
    pub(super) const ADDRESS: u8 = 3;
    pub(super) const PREFIX: u8 = 4;
    pub(super) const GATEWAY: u8 = 5;
    pub(super) const DNS: u8 = 6;
    pub(super) const MAC: u8 = 7;
    pub(super) const BAUD: u8 = 8;
    pub(super) const SEED: u8 = 9;
    pub(super) const AUTHORITIES: u8 = 10;
    pub(super) const CERTIFICATES: u8 = 11;
    pub(super) const KEY: u8 = 12;
    pub(super) const GREETING: u8 = 13;
    pub(super) const CONNECT_TIMEOUT: u8 = 14;
    pub(super) const CLOSE_TIMEOUT: u8 = 15;
    pub(super) const DRAIN_TIMEOUT: u8 = 16;
    pub(super) const UART_RETRY: u8 = 17;
    pub(super) const BACKOFF_FIRST: u8 = 18;
    pub(super) const BACKOFF_MAX: u8 = 19;
    pub(super) const BACKOFF_JITTER: u8 = 20;
    pub(super) const STABLE_AFTER: u8 = 21;
    pub(super) const PACK_LENGTH: u8 = 22;
    pub(super) const PACK_GAP: u8 = 23;
    pub(super) const PACK_DELIMITER: u8 = 24;
    pub(super) const DATAGRAMS: u8 = 25;
    pub(super) const HEARTBEAT: u8 = 26;
    pub(super) const HEARTBEAT_AFTER: u8 = 27;
    pub(super) const UNACKED_LIMIT: u8 = 28;
    pub(super) const SILENT_LIMIT: u8 = 29;
    pub(super) const ACK_QUERY: u8 = 30;
    pub(super) const NEXT_PEER_AFTER: u8 = 31;
    pub(super) const RESET_AFTER: u8 = 32;
    pub(super) const RESTART_AFTER: u8 = 33;
    pub(super) const NO_IP_LIMIT: u8 = 34;
    pub(super) const OVERFLOW: u8 = 35;
    pub(super) const DOZE_AFTER: u8 = 36;
    pub(super) const LINGER: u8 = 37;
    pub(super) const UP_BUFFER: u8 = 38;
    pub(super) const DOWN_BUFFER: u8 = 39;
}

impl<'a> Settings<'a> {
    /// The tags in use.
    pub(crate) const TAGS: core::ops::RangeInclusive<u8> = tag::PEERS..=tag::DOWN_BUFFER;

    /// Shows every setting to `codec`, which reads or writes it.
    pub(crate) fn walk(&mut self, codec: &mut impl Codec<'a>) -> Result<(), Error> {
        codec.bytes(tag::PEERS, &mut self.peers)?;
        codec.choice(
            tag::TRANSPORT,
            &mut self.transport,
            &[Transport::Tcp, Transport::Udp, Transport::Tls],
        )?;
        self.walk_address(codec)?;
        let mut mac = self.mac.unwrap_or_default();
        codec.octets(tag::MAC, &mut mac)?;
        self.mac = (mac != [0; 6]).then_some(mac);
        codec.small(tag::BAUD, &mut self.baud)?;
        codec.small(tag::SEED, &mut self.seed)?;
        codec.small(tag::UP_BUFFER, &mut self.up_buffer)?;
        codec.small(tag::DOWN_BUFFER, &mut self.down_buffer)?;
        codec.bytes(tag::AUTHORITIES, &mut self.tls.authorities)?;
        codec.bytes(tag::CERTIFICATES, &mut self.tls.certificates)?;
        codec.bytes(tag::KEY, &mut self.tls.key)?;
        self.walk_times(codec)?;
        self.walk_traffic(codec)?;
        self.walk_power(codec)?;
        let count = self.peers().try_fold(0, |count, peer| peer.map(|_| count + 1))?;
        if count > MAX_PEERS {
            return Err(Error::BadValue(tag::PEERS));
        }
        // Fits: at most MAX_PEERS.
        self.config.peers = count.max(1) as u8;
        Ok(())
    }

    fn walk_address(&mut self, codec: &mut impl Codec<'a>) -> Result<(), Error> {
        const NONE: StaticAddress =
            StaticAddress { address: [0; 4], prefix: 0, gateway: [0; 4], dns: [0; 4] };
        let mut own = match self.address {
            Address::Dhcp => NONE,
            Address::Static(own) => own,
        };
        codec.octets(tag::ADDRESS, &mut own.address)?;
        codec.small(tag::PREFIX, &mut own.prefix)?;
        codec.octets(tag::GATEWAY, &mut own.gateway)?;
        codec.octets(tag::DNS, &mut own.dns)?;
        if own.prefix > 32 {
            return Err(Error::BadValue(tag::PREFIX));
        }
        self.address = if own.address == NONE.address { Address::Dhcp } else { Address::Static(own) };
        Ok(())
    }

    fn walk_times(&mut self, codec: &mut impl Codec<'a>) -> Result<(), Error> {
        let Config { backoff, supervise, ladder, .. } = &mut self.config;
        codec.span(tag::BACKOFF_FIRST, &mut backoff.first)?;
        codec.span(tag::BACKOFF_MAX, &mut backoff.max)?;
        codec.choice(tag::BACKOFF_JITTER, &mut backoff.jitter, &[false, true])?;
        codec.span(tag::STABLE_AFTER, &mut backoff.stable_after)?;
        codec.span(tag::UNACKED_LIMIT, &mut supervise.unacked)?;
        codec.span(tag::SILENT_LIMIT, &mut supervise.silent)?;
        codec.span(tag::ACK_QUERY, &mut supervise.query)?;
        codec.small(tag::NEXT_PEER_AFTER, &mut ladder.next_peer)?;
        codec.small(tag::RESET_AFTER, &mut ladder.reset_radio)?;
        codec.small(tag::RESTART_AFTER, &mut ladder.restart)?;
        codec.span(tag::NO_IP_LIMIT, &mut ladder.no_ip)?;
        codec.span(tag::CONNECT_TIMEOUT, &mut self.config.connect_timeout)?;
        codec.span(tag::CLOSE_TIMEOUT, &mut self.config.close_timeout)?;
        codec.span(tag::DRAIN_TIMEOUT, &mut self.config.drain_timeout)?;
        codec.span(tag::UART_RETRY, &mut self.config.uart_retry)
    }

    fn walk_traffic(&mut self, codec: &mut impl Codec<'a>) -> Result<(), Error> {
        let Config { packing, heartbeat, greeting, overflow, .. } = &mut self.config;
        codec.bytes(tag::GREETING, greeting)?;
        codec.small(tag::PACK_LENGTH, &mut packing.max_len)?;
        codec.span(tag::PACK_GAP, &mut packing.gap)?;
        codec.choice(tag::DATAGRAMS, &mut packing.datagrams, &[false, true])?;
        codec.bytes(tag::HEARTBEAT, &mut heartbeat.bytes)?;
        codec.span(tag::HEARTBEAT_AFTER, &mut heartbeat.after)?;
        codec.choice(
            tag::OVERFLOW,
            overflow,
            &[Overflow::Block, Overflow::DropOldest, Overflow::DropNewest],
        )?;
        // Its length, then its bytes.
        let mut mark = [0; 5];
        if let Some(delimiter) = packing.delimiter {
            let bytes = delimiter.as_bytes();
            // Fits: at most 4.
            mark[0] = bytes.len() as u8;
            mark[1..=bytes.len()].copy_from_slice(bytes);
        }
        codec.octets(tag::PACK_DELIMITER, &mut mark)?;
        let bytes = mark[1..].get(..usize::from(mark[0])).ok_or(Error::BadValue(tag::PACK_DELIMITER))?;
        packing.delimiter = Delimiter::new(bytes);
        Ok(())
    }

    /// What a block has no words for: zeros say that there is no such setting, and a plan for sleep is told by a span that ends.
    pub(crate) fn check_sayable(&self) -> Result<(), Error> {
        let nowhere = matches!(self.address, Address::Static(own) if own.address == [0; 4]);
        let tag = match self.config.power {
            _ if self.mac == Some([0; 6]) => tag::MAC,
            _ if nowhere => tag::ADDRESS,
            Power::Doze { after: Duration::NEVER } => tag::DOZE_AFTER,
            Power::OnDemand { linger: Duration::NEVER } => tag::LINGER,
            Power::AlwaysOn | Power::Doze { .. } | Power::OnDemand { .. } => return Ok(()),
        };
        Err(Error::BadValue(tag))
    }

    fn walk_power(&mut self, codec: &mut impl Codec<'a>) -> Result<(), Error> {
        let (mut doze_after, mut linger) = match self.config.power {
            Power::AlwaysOn => (Duration::NEVER, Duration::NEVER),
            Power::Doze { after } => (after, Duration::NEVER),
            Power::OnDemand { linger } => (Duration::NEVER, linger),
        };
        codec.span(tag::DOZE_AFTER, &mut doze_after)?;
        codec.span(tag::LINGER, &mut linger)?;
        self.config.power = match (doze_after.is_never(), linger.is_never()) {
            (true, true) => Power::AlwaysOn,
            (false, true) => Power::Doze { after: doze_after },
            (true, false) => Power::OnDemand { linger },
            (false, false) => return Err(Error::BadValue(tag::LINGER)),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};

    /// Every setting another than its default.
    fn all() -> Settings<'static> {
        let mut settings = Settings {
            peers: b"a:1\n[2001:db8::1]:2\nserver.example:65535\n10.0.2.2:4",
            transport: Transport::Tls,
            address: Address::Static(StaticAddress {
                address: [10, 0, 2, 15],
                prefix: 24,
                gateway: [10, 0, 2, 2],
                dns: [10, 0, 2, 3],
            }),
            mac: Some([2, 0, 0, 0, 0, 9]),
            baud: 9600,
            seed: 0xdead_beef,
            up_buffer: 100,
            down_buffer: 200,
            tls: Tls { authorities: b"ca", certificates: b"chain", key: b"key" },
            config: Config { peers: 4, greeting: b"hi", ..Config::default() },
        };
        let config = &mut settings.config;
        for (at, span) in [
            &mut config.connect_timeout,
            &mut config.close_timeout,
            &mut config.drain_timeout,
            &mut config.uart_retry,
            &mut config.backoff.first,
            &mut config.backoff.max,
            &mut config.backoff.stable_after,
            &mut config.supervise.unacked,
            &mut config.supervise.silent,
            &mut config.supervise.query,
            &mut config.ladder.no_ip,
            &mut config.packing.gap,
            &mut config.heartbeat.after,
        ]
        .into_iter()
        .enumerate()
        {
            *span = Duration::from_millis(1234 + at as u64);
        }
        config.backoff.jitter = false;
        (config.ladder.next_peer, config.ladder.reset_radio, config.ladder.restart) = (2, 3, 4);
        config.packing.max_len = 77;
        config.packing.datagrams = true;
        config.packing.delimiter = Delimiter::new(b"\r\n");
        config.heartbeat.bytes = b"beat";
        config.overflow = Overflow::DropNewest;
        config.power = Power::OnDemand { linger: Duration::from_secs(9) };
        settings
    }

    #[test]
    fn every_setting_survives() {
        let mut block = [0; 1024];
        for power in
            [Power::OnDemand { linger: Duration::from_secs(9) }, Power::Doze { after: Duration::ZERO }]
        {
            let mut settings = all();
            settings.config.power = power;
            encode(&settings, &mut block).expect("fits");
            assert_eq!(decode(&block), Ok(settings));
        }
    }

    #[test]
    fn peers_are_hosts_and_ports() {
        let settings = all();
        let mut peers = settings.peers();
        assert_eq!(peers.next(), Some(Ok(("a", 1))));
        assert_eq!(peers.next(), Some(Ok(("2001:db8::1", 2))));
        for wrong in ["a", "a:", ":1", "a:65536", "a:b"] {
            let settings = Settings { peers: wrong.as_bytes(), ..Settings::default() };
            let mut block = [0; 1024];
            assert_eq!(encode(&settings, &mut block), Err(Error::BadValue(tag::PEERS)), "{wrong}");
        }
        let many = Settings { peers: b"a:1\na:2\na:3\na:4\na:5", ..Settings::default() };
        assert_eq!(encode(&many, &mut [0; 1024]), Err(Error::BadValue(tag::PEERS)));
    }

    #[test]
    fn what_a_block_cannot_say_is_refused() {
        let mut block = [0; 1024];
        let mut refused = |settings: &Settings<'_>| encode(settings, &mut block);
        let nowhere = StaticAddress { address: [0; 4], prefix: 8, gateway: [0; 4], dns: [0; 4] };
        let static_nowhere = Settings { address: Address::Static(nowhere), ..all() };
        assert_eq!(refused(&static_nowhere), Err(Error::BadValue(tag::ADDRESS)));
        assert_eq!(refused(&Settings { mac: Some([0; 6]), ..all() }), Err(Error::BadValue(tag::MAC)));
        for (power, tag) in [
            (Power::Doze { after: Duration::NEVER }, tag::DOZE_AFTER),
            (Power::OnDemand { linger: Duration::NEVER }, tag::LINGER),
        ] {
            let config = Config { power, ..all().config };
            assert_eq!(refused(&Settings { config, ..all() }), Err(Error::BadValue(tag)));
        }
    }

    #[test]
    fn a_key_stays_out_of_logs() {
        extern crate std;
        let shown = std::format!("{:?}", all());
        assert!(!shown.contains("107") && shown.contains("key: 3"), "{shown}");
    }
}
