//! What the relay says that the server's TCP holds: exactly that, also at the end.

use std::io::Read;
use std::net::TcpStream;

use socket2::{SockFilter, SockRef};

use super::ends::{relay, reset};
use crate::process::expect;

/// Nothing reaches this socket any more: it acknowledges nothing, as if its machine had lost its network. What it sends still
/// leaves (socket(7), `SO_ATTACH_FILTER`; a program of classic BPF that returns 0).
fn cut_off(peer: &TcpStream) {
    const RETURN: u16 = 0x06;
    SockRef::from(peer).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)]).expect("a socket of our own");
}

fn join(peer: &TcpStream) {
    SockRef::from(peer).detach_filter().expect("there is a filter");
}

#[test]
fn totals_grow_to_what_the_server_s_tcp_holds_read_or_not() {
    let (_serving, mut page, mut peer) = relay(&[]);
    // Each question has an answer of its own.
    for _ in 0..3 {
        page.say(r#"{"type":"ask"}"#);
    }
    for _ in 0..3 {
        assert_eq!(page.told("acked")["total"], 0);
    }
    page.send(b"abc");
    page.acked(3);
    cut_off(&peer);
    page.send(b"defgh");
    for _ in 0..10 {
        assert_eq!(page.ask(), 3, "five are on their way");
    }
    join(&peer);
    page.acked(8);
    expect(&mut peer, b"abcdefgh");
}

#[test]
fn the_last_total_is_right_after_a_reset() {
    let (_serving, mut page, peer) = relay(&[]);
    page.send(b"abc");
    page.acked(3);
    cut_off(&peer);
    page.send(b"defgh");
    assert_eq!(page.ask(), 3);
    reset(peer);
    assert_eq!(page.ended().closed(), ("reset", "connection reset by peer", Some(3)));
}

#[test]
fn an_end_that_is_not_acknowledged_is_no_byte() {
    let (_serving, mut page, mut peer) = relay(&[]);
    page.send(b"abc");
    page.acked(3);
    cut_off(&peer);
    page.end();
    for _ in 0..10 {
        assert_eq!(page.ask(), 3, "the FIN is on its way");
    }
    join(&peer);
    expect(&mut peer, b"abc");
    assert_eq!(peer.read(&mut [0]).expect("in order"), 0);
    drop(peer);
    page.told("end");
    assert_eq!(page.ended().closed().2, Some(3));
}

#[test]
fn bytes_before_an_end_that_is_not_acknowledged_are_missing() {
    let (_serving, mut page, peer) = relay(&[]);
    page.send(b"abc");
    page.acked(3);
    cut_off(&peer);
    page.send(b"de");
    page.end();
    assert_eq!(page.ask(), 3);
    reset(peer);
    assert_eq!(page.ended().closed().2, Some(3));
}
