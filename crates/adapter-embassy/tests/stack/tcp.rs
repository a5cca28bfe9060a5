//! Over TCP.

use embassy_net::tcp::TcpSocket;
use embedded_io_async::Write;
use uartbridge_core::{Action, Backoff, Config, Duration, Event, Instant, Supervise, Weight};
use uartbridge_embassy::log::Said;
use uartbridge_embassy::options::Options;
use uartbridge_embassy::run::Ended;
use uartbridge_embassy::sock::Peer;

use crate::rig::{Device, PORT, acknowledge, bridge, read_exactly, with_bridge};

pub(crate) const PEERS: &[Peer<'static>] = &[Peer { host: "10.0.0.2", port: PORT }];

pub(crate) fn config() -> Config<'static> {
    let backoff = Backoff { first: Duration::from_millis(50), ..Config::default().backoff };
    Config { backoff, ..Config::default() }
}

/// Bytes that tell where they are in the stream.
pub(crate) fn numbered(len: usize) -> Vec<u8> {
    (0..).flat_map(|n: u32| format!("{n:07}\n").into_bytes()).take(len).collect()
}

async fn both_ways(device: Device, mut socket: TcpSocket<'static>, len: usize) {
    let Device { rx: mut device_rx, tx: mut device_tx } = device;
    let sent = numbered(len);
    let (mut socket_rx, mut socket_tx) = socket.split();
    let (up, down, (), ()) = tokio::join!(
        read_exactly(&mut socket_rx, len),
        read_exactly(&mut device_rx, len),
        async { device_tx.write_all(&sent).await.expect("the bridge reads") },
        async { socket_tx.write_all(&sent).await.expect("the bridge reads") },
    );
    assert!(up == sent, "up: byte for byte");
    assert!(down == sent, "down: byte for byte");
}

#[test]
fn both_directions_at_once_byte_for_byte() {
    let mut bridge = bridge(config());
    with_bridge(&mut bridge, PEERS, Options::new(), async |hands| {
        let socket = hands.accept().await;
        both_ways(hands.device, socket, 100_000).await;
    })
    .expect("the bridge goes on");
    assert_eq!(bridge.stats().uart_rx, 100_000);
    assert_eq!(bridge.stats().uart_tx, 100_000);
}

#[test]
fn gathering_costs_no_byte() {
    let mut bridge = bridge(config());
    let options = Options::new().gather(Duration::from_millis(1));
    with_bridge(&mut bridge, PEERS, options, async |hands| {
        let socket = hands.accept().await;
        both_ways(hands.device, socket, 20_000).await;
    })
    .expect("the bridge goes on");
}

#[test]
fn a_lossy_cable_costs_no_byte() {
    let mut bridge = bridge(config());
    with_bridge(&mut bridge, PEERS, Options::new(), async |hands| {
        let socket = hands.accept().await;
        hands.cable.lose_each(13);
        both_ways(hands.device, socket, 5_000).await;
    })
    .expect("the bridge goes on");
}

#[test]
fn a_reset_connection_loses_nothing() {
    let mut bridge = bridge(config());
    let sent = numbered(3_000);
    with_bridge(&mut bridge, PEERS, Options::new(), async |mut hands| {
        let mut first = hands.accept().await;
        hands.device.tx.write_all(&sent[..1_000]).await.expect("the bridge reads");
        let seen = read_exactly(&mut first, 1_000).await;
        assert!(seen == sent[..1_000]);
        acknowledge(&mut first, &mut hands.device).await;
        // These reach no peer: nobody answers for them any more.
        hands.cable.black_hole(true);
        hands.device.tx.write_all(&sent[1_000..1_300]).await.expect("the up ring has room");
        hands.cable.carry(2).await;
        // Whoever has no socket for a segment answers with a reset.
        drop(first);
        hands.cable.black_hole(false);
        let mut second = hands.accept().await;
        let (rest, ()) = tokio::join!(read_exactly(&mut second, 2_000), async {
            hands.device.tx.write_all(&sent[1_300..]).await.expect("the bridge reads");
        });
        assert!(rest == sent[1_000..], "exactly once: none of them was acknowledged");
    })
    .expect("the bridge goes on");
    assert_eq!(bridge.stats().connections, 2);
}

#[test]
fn a_pulled_plug_loses_nothing() {
    let supervise = Supervise { unacked: Duration::from_secs(1), ..Config::default().supervise };
    let mut bridge = bridge(Config { supervise, ..config() });
    let sent = numbered(400);
    with_bridge(&mut bridge, PEERS, Options::new(), async |mut hands| {
        let mut first = hands.accept().await;
        hands.device.tx.write_all(&sent[..200]).await.expect("the bridge reads");
        assert!(read_exactly(&mut first, 200).await == sent[..200]);
        acknowledge(&mut first, &mut hands.device).await;
        hands.cable.plug(false);
        hands.device.tx.write_all(&sent[200..]).await.expect("the up ring has room");
        drop(first);
        hands.cable.plug(true);
        let mut second = hands.accept().await;
        assert!(read_exactly(&mut second, 200).await == sent[200..]);
    })
    .expect("the bridge goes on");
    assert_eq!(bridge.stats().failures, 0, "an address that is gone is nobody's failure");
}

#[test]
fn after_the_peers_fin_the_rest_goes_up_and_everything_comes_down() {
    let mut bridge = bridge(config());
    let sent = numbered(5_000);
    with_bridge(&mut bridge, PEERS, Options::new(), async |mut hands| {
        let mut first = hands.accept().await;
        hands.device.tx.write_all(b"before").await.expect("the bridge reads");
        assert_eq!(read_exactly(&mut first, 6).await, b"before");
        let ((), down) = tokio::join!(
            async {
                first.write_all(&sent).await.expect("the bridge reads");
                first.close();
            },
            read_exactly(&mut hands.device.rx, sent.len()),
        );
        assert!(down == sent);
        let mut nothing = [0; 1];
        assert_eq!(first.read(&mut nothing).await, Ok(0), "the bridge answers with its own FIN");
        first.flush().await.expect("in order");
        drop(first);
        let mut second = hands.accept().await;
        hands.device.tx.write_all(b"after").await.expect("the bridge reads");
        assert_eq!(read_exactly(&mut second, 5).await, b"after");
    })
    .expect("the bridge goes on");
}

#[test]
fn the_next_peer_is_tried_when_one_does_not_answer() {
    const PEERS: &[Peer<'static>] = &[
        Peer { host: "10.0.0.2", port: PORT + 1 },
        Peer { host: "no such name", port: PORT },
        Peer { host: "10.0.0.9", port: PORT },
        Peer { host: "10.0.0.2", port: PORT },
    ];
    let mut bridge = bridge(Config { peers: 4, connect_timeout: Duration::from_millis(1_500), ..config() });
    let mut lines = Vec::new();
    let log = |said: &Said<'_>| lines.push((said.weight(), said.to_string()));
    with_bridge(&mut bridge, PEERS, Options::new().log(log), async |mut hands| {
        let mut socket = hands.accept().await;
        hands.device.tx.write_all(b"here").await.expect("the bridge reads");
        assert_eq!(read_exactly(&mut socket, 4).await, b"here");
    })
    .expect("the bridge goes on");
    assert_eq!(bridge.stats().attempts, 4);
    assert_eq!(bridge.peer().0, 3);
    let said: Vec<_> = lines
        .iter()
        .filter(|(weight, _)| *weight > Weight::Detail)
        .map(|(_, line)| line.split("; next attempt in").next().unwrap_or(line))
        .collect();
    let expected = [
        "network has no address",
        "not connected: connection refused",
        "not connected: name not resolved",
        "not connected: connecting took too long",
        "connected to tcp://10.0.0.2:4000",
    ];
    assert_eq!(said, expected);
}

#[test]
fn stopping_delivers_what_is_held_and_says_goodbye() {
    let mut bridge = bridge(Config { greeting: b"hello ", ..config() });
    let now = Instant::from_micros(embassy_time::Instant::now().as_micros());
    assert_eq!(bridge.poll(now), Action::OpenUart);
    bridge.handle(now, Event::UartOpened).expect("a UART");
    bridge.ports().uart_rx[..4].copy_from_slice(b"held");
    bridge.handle(now, Event::UartRx(4)).expect("room");
    bridge.handle(now, Event::Stop).expect("always");
    let ended = with_bridge(&mut bridge, PEERS, Options::new(), async |hands| {
        let mut socket = hands.accept().await;
        assert_eq!(read_exactly(&mut socket, 10).await, b"hello held");
        let mut nothing = [0; 1];
        assert_eq!(socket.read(&mut nothing).await, Ok(0));
        socket.close();
        std::future::pending::<()>().await
    });
    assert_eq!(ended, Err(Ended::Finished));
    assert_eq!(bridge.stats().tx_acked, 4);
}
