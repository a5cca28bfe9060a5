//! Over UDP.

use embassy_net::udp::UdpSocket;
use embedded_io_async::Write;
use uartbridge_core::{Config, Delimiter, Packing};

use crate::rig::{PORT, bridge, read_exactly, with_udp};
use crate::tcp::{PEERS, config};

fn lines() -> Config<'static> {
    let packing =
        Packing { max_len: 100, delimiter: Delimiter::new(b"\n"), datagrams: true, ..Packing::NONE };
    Config { packing, ..config() }
}

async fn datagram(socket: &UdpSocket<'static>) -> String {
    let mut bytes = [0; 200];
    let (n, _) = socket.recv_from(&mut bytes).await.expect("not too long");
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

#[test]
fn each_packet_is_a_datagram_and_each_datagram_comes_down_whole() {
    let mut bridge = bridge(lines());
    with_udp(&mut bridge, PEERS, async |mut hands| {
        let socket = hands.datagrams(PORT);
        // Enough of them that some lie across the up ring's fold.
        for n in 0..40 {
            let line = format!("{n}: {}\n", "-".repeat(n));
            hands.device.tx.write_all(line.as_bytes()).await.expect("the bridge reads");
            assert_eq!(datagram(&socket).await, line);
        }
        let too_long = [b'x'; 250];
        hands.device.tx.write_all(&too_long).await.expect("the bridge reads");
        let cut = [datagram(&socket).await.len(), datagram(&socket).await.len()];
        assert_eq!(cut, [100, 100], "max_len, and the rest waits for its end");
    })
    .expect("the bridge goes on");
    assert_eq!(bridge.stats().connections, 1);
}

#[test]
fn answers_come_down_and_strangers_are_ignored() {
    let mut bridge = bridge(lines());
    with_udp(&mut bridge, PEERS, async |mut hands| {
        let (socket, stranger) = (hands.datagrams(PORT), hands.datagrams(PORT + 1));
        hands.device.tx.write_all(b"who?\n").await.expect("the bridge reads");
        let mut bytes = [0; 10];
        let (_, from) = socket.recv_from(&mut bytes).await.expect("a line");
        stranger.send_to(b"not I", from.endpoint).await.expect("a route");
        socket.send_to(b"I, ", from.endpoint).await.expect("a route");
        socket.send_to(b"myself", from.endpoint).await.expect("a route");
        assert_eq!(read_exactly(&mut hands.device.rx, 9).await, b"I, myself");
    })
    .expect("the bridge goes on");
    assert_eq!(bridge.stats().sock_rx, 9);
}
