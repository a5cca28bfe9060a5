//! UDP: what is a datagram, and what happens to those that do not arrive.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use crate::device::{Directory, free_port, open_pty};
use crate::process::{PATIENCE, Program, expect};

fn peer(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect("a port of loopback");
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    socket
}

fn datagram(peer: &UdpSocket) -> (String, SocketAddr) {
    let mut room = [0; 2048];
    let (n, from) = peer.recv_from(&mut room).expect("a datagram in time");
    (room[..n].escape_ascii().to_string(), from)
}

fn bridge(directory: &Directory, port: u16, options: &[&str]) -> Program {
    let (uart, net) = (directory.end("pty:", "tty"), format!("udp://127.0.0.1:{port}"));
    let mut program = Program::start(&[&[uart.as_str(), &net][..], options].concat());
    program.said("connected to udp://");
    program
}

#[test]
fn datagrams_end_where_the_packing_says() {
    for (options, written, expected) in [
        (&["--pack-gap", "200ms"][..], "a message", &["a message"][..]),
        (
            &["--pack-gap", "off", "--pack-delimiter", r"\r\n"],
            "x\r\ny\r\nz\r\n",
            &[r"x\r\n", r"y\r\n", r"z\r\n"],
        ),
        (&["--pack-length", "4", "--pack-gap", "50ms"], "abcdefghij", &["abcd", "efgh", "ij"]),
    ] {
        let (directory, peer) = (Directory::new(), peer(0));
        let _program = bridge(&directory, peer.local_addr().expect("bound").port(), options);
        let mut terminal = open_pty(&directory.path("tty"));
        // In two parts, one right after the other.
        let (first, second) = written.split_at(1);
        terminal.write_all(first.as_bytes()).expect("room");
        terminal.write_all(second.as_bytes()).expect("room");
        let got: Vec<_> = expected.iter().map(|_| datagram(&peer).0).collect();
        assert_eq!(got, expected, "{options:?}");
        terminal.write_all(written.as_bytes()).expect("room");
        assert_eq!(datagram(&peer).0, expected[0], "{options:?}");
    }
}

#[test]
fn a_refusing_peer_is_noticed_and_reached_when_it_is_back() {
    let (directory, port) = (Directory::new(), free_port());
    let mut program = bridge(&directory, port, &["--backoff-max", "50ms", "--pack-gap", "1ms"]);
    let mut terminal = open_pty(&directory.path("tty"));
    // Nobody has to write another one to hear of it.
    terminal.write_all(b"1").expect("room");
    program.said("not connected: connection refused");
    program.said("connected to udp://");
    let peer = peer(port);
    // The refusal of a datagram that went out before the peer was back may cost one more.
    let mut got = String::new();
    for number in 0.. {
        terminal.write_all(format!("back{number}").as_bytes()).expect("room");
        program.counts("up_held=0");
        peer.set_nonblocking(true).expect("a socket");
        let mut room = [0; 64];
        if let Ok(n) = peer.recv(&mut room) {
            got = room[..n].escape_ascii().to_string();
            break;
        }
        assert!(number < 1_000, "nothing arrives");
    }
    assert!(got.starts_with("back"), "{got}");
}

#[test]
fn what_a_datagram_has_too_much_is_counted() {
    let (directory, peer) = (Directory::new(), peer(0));
    let port = peer.local_addr().expect("bound").port();
    let mut program = bridge(&directory, port, &["--down-buffer", "100"]);
    let mut terminal = open_pty(&directory.path("tty"));
    terminal.write_all(b"hello").expect("room");
    let (hello, from) = datagram(&peer);
    assert_eq!(hello, "hello");
    peer.send_to(&[b'd'; 150], from).expect("loopback");
    expect(&mut terminal, &[b'd'; 100]);
    program.counts("down_cut=50");
    peer.send_to(b"whole", from).expect("loopback");
    expect(&mut terminal, b"whole");
}

/// UDP has no end that a peer could send.
#[test]
fn stopping_does_not_wait_for_an_answer() {
    let (directory, peer) = (Directory::new(), peer(0));
    let port = peer.local_addr().expect("bound").port();
    let program = bridge(&directory, port, &["--close-timeout", "1h", "--drain-timeout", "1h"]);
    let (code, log) = program.stop();
    assert_eq!(code, 0, "{log:#?}");
}
