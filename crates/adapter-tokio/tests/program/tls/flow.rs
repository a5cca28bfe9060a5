//! Bytes that have to wait, and the two directions that end separately. The server is rustls', byte by byte under the
//! test's control.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::authority::{Authority, rustls_server};
use super::breaks::narrow_listener;
use super::connections::start;
use crate::device::{Directory, accept, address, open_pty};
use crate::process::{Program, expect};

/// More than a socket holds (tcp(7), `tcp_wmem`), less than the up buffer.
const SIZE: usize = 5_000_003;

type Peer = StreamOwned<ServerConnection, TcpStream>;

fn setup(directory: &Directory) -> (Arc<ServerConfig>, TcpListener) {
    Authority::new(directory, "ca").issue("server");
    (rustls_server(directory), narrow_listener())
}

/// The program, connected, and its server.
fn connected(directory: &Directory) -> (Program, Peer) {
    let (config, listener) = setup(directory);
    let end = format!("tls://{}?ca=ca.pem", address(&listener));
    let mut program = start(directory, &end, &["--up-buffer", "8MiB", "--unacked-limit", "off"]);
    let mut peer = Peer::new(ServerConnection::new(config).expect("a server"), accept(&listener));
    while peer.conn.is_handshaking() || peer.conn.wants_write() {
        peer.conn.complete_io(&mut peer.sock).expect("the client is there");
    }
    program.said("connected to tls://");
    (program, peer)
}

/// The client says `close_notify`; an end without it would be an error.
fn ends(peer: &mut Peer) {
    assert_eq!(peer.read(&mut [0]).expect("an orderly end"), 0);
}

fn numbered(factor: usize) -> Vec<u8> {
    (0..SIZE).map(|i| (i * factor % 251) as u8).collect()
}

#[test]
fn a_direction_that_stands_still_does_not_hold_up_the_other() {
    let directory = Directory::new();
    let (mut program, mut peer) = connected(&directory);
    let mut terminal = open_pty(&directory.path("tty"));
    let (up, down) = (numbered(31), numbered(17));
    terminal.write_all(&up).expect("the up buffer has room");
    program.counts(&format!(" uart_rx={SIZE} "));
    let mut sock = peer.sock.try_clone().expect("a socket");
    std::thread::scope(|scope| {
        // The device does not read, so in the end nobody takes more of this.
        let mut records = Vec::new();
        peer.conn.set_buffer_limit(None);
        peer.conn.writer().write_all(&down).expect("no limit");
        while peer.conn.wants_write() {
            peer.conn.write_tls(&mut records).expect("memory");
        }
        scope.spawn(move || sock.write_all(&records).expect("the client is there"));
        expect(&mut peer, &up);
        expect(&mut terminal, &down);
    });
    program.counts(&format!(" tx_acked={SIZE} "));
    program.signal(rustix::process::Signal::TERM);
    ends(&mut peer);
    peer.conn.send_close_notify();
    peer.conn.write_tls(&mut peer.sock).expect("connected");
    assert_eq!(program.ended().0, 0);
}

#[test]
fn what_is_held_reaches_a_server_that_has_closed_its_own_direction() {
    let directory = Directory::new();
    let (mut program, mut peer) = connected(&directory);
    let mut terminal = open_pty(&directory.path("tty"));
    let up = numbered(13);
    terminal.write_all(&up).expect("the up buffer has room");
    program.counts(&format!(" uart_rx={SIZE} "));
    peer.write_all(b"last words").expect("connected");
    peer.conn.send_close_notify();
    while peer.conn.wants_write() {
        peer.conn.write_tls(&mut peer.sock).expect("connected");
    }
    expect(&mut terminal, b"last words");
    expect(&mut peer, &up);
    ends(&mut peer);
    program.said("the peer has closed the connection");
}
