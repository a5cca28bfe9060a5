//! How a relay ends: in order, half by half, or by a reset, from either side.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::breaches::is_reset;
use super::page::{BARE, FIRST_CREDIT_DOWN, Page, WORDS};
use super::program::Serving;
use crate::device::{accept, address, server};
use crate::process::{count, expect};

/// A relay that is up: the program, the page, and the server's end.
pub(super) fn relay(options: &[&str]) -> (Serving, Page, TcpStream) {
    let server = server(0);
    let serving = Serving::start(&[&["--allow", &address(&server)], options].concat());
    let page = Page::open(&serving, &address(&server));
    let peer = accept(&server);
    (serving, page, peer)
}

/// The same for a page of bare bytes.
pub(super) fn bare(options: &[&str]) -> (Serving, Page, TcpStream) {
    let server = server(0);
    let serving = Serving::start(&[&["--allow", &address(&server)], options].concat());
    let page = Page::of(&serving, &address(&server), Some(BARE));
    let peer = accept(&server);
    (serving, page, peer)
}

/// Ends a connection by a reset.
pub(super) fn reset(peer: TcpStream) {
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
}

fn ends_in_order(peer: &mut TcpStream) {
    assert_eq!(peer.read(&mut [0]).expect("in order"), 0);
}

#[test]
fn a_page_that_has_said_all_still_hears_the_server() {
    let (serving, mut page, mut peer) = relay(&[]);
    page.send(b"question");
    page.end();
    expect(&mut peer, b"question");
    ends_in_order(&mut peer);
    peer.write_all(b"answer").expect("room");
    assert_eq!(page.take(6), b"answer");
    drop(peer);
    page.told("end");
    let ended = page.ended();
    assert_eq!(ended.closed(), ("done", "both sides have ended it", Some(8)));
    assert_eq!(ended.code, Some(1000));
    let log = serving.stop();
    assert_eq!(count(&log, "8 bytes up, 8 of them acknowledged, 6 down"), 1, "{log:#?}");
}

#[test]
fn a_server_that_has_said_all_still_hears_the_page() {
    let (_serving, mut page, mut peer) = relay(&[]);
    peer.write_all(b"hello").expect("room");
    peer.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(page.take(5), b"hello");
    page.told("end");
    page.send(b"still here");
    expect(&mut peer, b"still here");
    page.acked(10);
    page.end();
    ends_in_order(&mut peer);
    assert_eq!(page.ended().closed(), ("done", "both sides have ended it", Some(10)));
}

#[test]
fn for_bare_bytes_either_end_is_the_whole_end() {
    let (_serving, mut page, mut peer) = bare(&[]);
    page.send(b"all");
    page.leave();
    expect(&mut peer, b"all");
    ends_in_order(&mut peer);

    let (_serving, mut page, mut peer) = bare(&[]);
    peer.write_all(b"all").expect("room");
    drop(peer);
    assert_eq!(page.take(3), b"all");
    let ended = page.ended();
    assert_eq!((ended.words, ended.code), (None, Some(1000)));

    let (_serving, page, peer) = bare(&[]);
    reset(peer);
    let ended = page.ended();
    assert_eq!((ended.reason.as_str(), ended.code), ("connection reset by peer", Some(1011)), "no good end");
}

#[test]
fn a_page_that_leaves_without_its_end_aborts() {
    let (serving, mut page, mut peer) = relay(&[]);
    page.send(b"bytes");
    expect(&mut peer, b"bytes");
    page.leave();
    is_reset(peer);
    let log = serving.stop();
    assert_eq!(count(&log, "closed: the page has closed it; reset; 5 bytes up, 5 of them"), 1, "{log:#?}");
}

#[test]
fn a_page_that_leaves_after_its_end_lets_the_server_have_all() {
    let (serving, mut page, mut peer) = relay(&[]);
    page.send(b"bytes");
    page.end();
    page.leave();
    expect(&mut peer, b"bytes");
    ends_in_order(&mut peer);
    peer.write_all(b"nobody reads this").expect("room");
    drop(peer);
    let log = serving.stop();
    assert_eq!(count(&log, "closed: the page has closed it; 5 bytes up, 5 of them"), 1, "{log:#?}");
}

#[test]
fn a_page_that_vanishes_takes_its_server_s_connection_along() {
    let (mut serving, mut page, mut peer) = relay(&[]);
    page.send(b"bytes");
    expect(&mut peer, b"bytes");
    page.vanish();
    is_reset(peer);
    serving.program.said("closed: the page is gone: ");
}

#[test]
fn a_page_that_vanishes_is_noticed_although_the_server_takes_nothing() {
    for vanish in [Page::vanish, Page::reset, Page::leave] {
        let (mut serving, mut page, _peer) = relay(&["--unacked-limit", "off"]);
        assert!(page.fill() > 0);
        vanish(page);
        serving.program.said("; reset; ");
    }
}

#[test]
fn a_bare_page_that_is_reset_is_noticed_although_the_server_takes_nothing() {
    let (mut serving, page, _peer) = bare(&["--unacked-limit", "off"]);
    page.tcp().set_nonblocking(true).expect("a socket");
    // Frames of 64 KiB until nobody takes more: not even the relay reads them then.
    let mut frame = vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    frame.resize(frame.len() + 65_536, b'.');
    let (mut at, mut quiet) = (0, 0);
    while quiet < 50 {
        match page.tcp().write(&frame[at..]) {
            Ok(written) => (at, quiet) = ((at + written) % frame.len(), 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                quiet += 1;
                // No event tells that there will be none.
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
    page.reset();
    serving.program.said("; reset; ");
}

#[test]
fn a_reset_by_the_server_is_told_after_its_last_bytes() {
    let (_serving, mut page, mut peer) = relay(&[]);
    page.send(b"up");
    expect(&mut peer, b"up");
    page.acked(2);
    peer.write_all(b"last words").expect("room");
    reset(peer);
    assert_eq!(page.take(10), b"last words");
    let ended = page.ended();
    assert_eq!(ended.closed(), ("reset", "connection reset by peer", Some(2)));
    assert_eq!(ended.code, Some(1011));
}

#[test]
fn a_reset_is_told_to_a_page_that_gives_no_credit() {
    let (mut serving, mut page, mut peer) = relay(&[]);
    peer.write_all(&[b'.'; FIRST_CREDIT_DOWN]).expect("room");
    assert_eq!(page.take(FIRST_CREDIT_DOWN), [b'.'; FIRST_CREDIT_DOWN]);
    reset(peer);
    assert_eq!(page.ended().closed(), ("reset", "connection reset by peer", Some(0)));
    serving.program.said("closed: connection reset by peer; 0 bytes up, 0 of them acknowledged, 65536 down");
}

#[test]
fn what_the_server_sent_before_its_reset_waits_for_credit() {
    let (_serving, mut page, mut peer) = relay(&[]);
    peer.write_all(&[b'.'; FIRST_CREDIT_DOWN + 4]).expect("room");
    assert_eq!(page.take(FIRST_CREDIT_DOWN).len(), FIRST_CREDIT_DOWN);
    reset(peer);
    // It may send on, into nothing, and is answered.
    page.send(b"nobody takes this");
    assert_eq!(page.ask(), 0);
    page.grant(1 << 20);
    assert_eq!(page.take(4), b"....");
    assert_eq!(page.ended().closed().0, "reset");
}

#[test]
fn a_reset_after_the_server_s_end_is_told_to_an_idle_page() {
    let (_serving, mut page, peer) = relay(&[]);
    peer.shutdown(Shutdown::Write).expect("connected");
    page.told("end");
    reset(peer);
    assert_eq!(page.ended().closed().0, "reset");
}

#[test]
fn bytes_that_came_before_the_connection_are_sent_on_it() {
    let server = server(0);
    let serving = Serving::to(&address(&server));
    let mut page = Page::of(&serving, &address(&server), Some(WORDS));
    page.send(b"early");
    page.end();
    let mut peer = accept(&server);
    expect(&mut peer, b"early");
    ends_in_order(&mut peer);
}
