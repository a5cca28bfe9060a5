//! Credit and back-pressure: a fast sender is held back, in either direction, and questions are not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use socket2::{Domain, Socket, Type};

use super::ends::{bare, relay};
use super::page::{FIRST_CREDIT_DOWN, FIRST_CREDIT_UP, Page, WORDS};
use super::program::Serving;
use crate::device::{accept, address, client};

/// Far more than the relay may hold.
const FLOOD: usize = 16 << 20;
/// How much the program's memory may grow meanwhile, in KiB: a quarter of that.
const GROWTH: u64 = 4 << 10;

/// No byte is like its neighbours.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|place| (place * 31 % 251) as u8).collect()
}

fn same(got: &[u8], wanted: &[u8]) {
    assert_eq!(got.len(), wanted.len());
    assert!(got == wanted, "other bytes");
}

#[test]
fn a_fast_server_is_held_back_by_the_page_s_credit() {
    let (serving, mut page, mut peer) = relay(&[]);
    let before = serving.peak_memory();
    let all = pattern(FLOOD);
    let sending = thread::spawn(move || {
        peer.write_all(&all).expect("the relay reads in the end");
        (peer, all)
    });
    let mut got = page.take(FIRST_CREDIT_DOWN);
    // What is not granted does not come: the answer to a question is the next thing.
    for more in [1, 1000, 100_000] {
        for _ in 0..5 {
            page.ask();
        }
        assert_eq!(page.down.len(), 0, "beyond its credit");
        page.grant(got.len() as u64 + more);
        got.extend(page.take(more as usize));
    }
    page.grant(FLOOD as u64);
    got.extend(page.take(FLOOD - got.len()));
    let (_peer, all) = sending.join().expect("all was taken");
    same(&got, &all);
    assert!(serving.peak_memory() - before < GROWTH, "{before} {}", serving.peak_memory());
}

#[test]
fn a_fast_page_is_held_back_by_the_relay_s_credit_and_questions_are_answered() {
    let (serving, mut page, mut peer) = relay(&[]);
    let before = serving.peak_memory();
    let sent = page.fill();
    assert!(page.credit == sent && sent >= FIRST_CREDIT_UP, "all credit is used: {sent}");
    let acked = page.ask();
    assert!(acked < sent, "{acked} {sent}");
    // The rest: with the server reading, credit comes again.
    let rest = pattern(FLOOD);
    let reading = thread::spawn(move || {
        let mut got = vec![0; sent as usize + FLOOD];
        peer.read_exact(&mut got).expect("all of it");
        (peer, got)
    });
    page.send_all(&rest);
    let (_peer, got) = reading.join().expect("all of it");
    assert!(got[..sent as usize].iter().all(|byte| *byte == b'.'));
    same(&got[sent as usize..], &rest);
    page.acked(sent + FLOOD as u64);
    assert!(serving.peak_memory() - before < GROWTH, "{before} {}", serving.peak_memory());
}

#[test]
fn bare_bytes_are_held_back_by_tcp() {
    let (serving, mut page, peer) = bare(&[]);
    let before = serving.peak_memory();
    let up = pattern(FLOOD);
    let echo = thread::spawn(move || echo(peer));
    let tcp = page.tcp().try_clone().expect("a socket");
    // Nobody reads what comes back until all is sent, and that is more than fits anywhere: so it is sent from beside.
    let sent = up.clone();
    let sending = thread::spawn(move || {
        let mut tcp = tcp;
        for piece in sent.chunks(65_536) {
            let mut frame = vec![0x82, 0xff];
            frame.extend((piece.len() as u64).to_be_bytes());
            frame.extend([0; 4]);
            frame.extend(piece);
            tcp.write_all(&frame).expect("the relay reads in the end");
        }
    });
    let got = page.take(FLOOD);
    sending.join().expect("all was sent");
    same(&got, &up);
    page.leave();
    echo.join().expect("no panic");
    assert!(serving.peak_memory() - before < GROWTH, "{before} {}", serving.peak_memory());
}

fn echo(mut peer: TcpStream) {
    let mut piece = vec![0; 65_536];
    while let Ok(count @ 1..) = peer.read(&mut piece) {
        peer.write_all(&piece[..count]).expect("the relay reads in the end");
    }
}

#[test]
fn credit_that_came_before_the_connection_counts() {
    let (server, waiting) = busy_server();
    let serving = Serving::to(&address(&server));
    let mut page = Page::of(&serving, &address(&server), Some(WORDS));
    page.grant(1 << 20);
    page.say(r#"{"type":"ask"}"#);
    page.is_heard();
    let mut peer = once_free(&server, waiting);
    let all = pattern(1 << 20);
    let sent = all.clone();
    let sending = thread::spawn(move || peer.write_all(&sent).map(|()| peer));
    same(&page.take(1 << 20), &all);
    sending.join().expect("no panic").expect("all was sent");
    page.told("open");
    assert_eq!(page.told("acked")["total"], 0);
}

#[test]
fn a_page_that_vanishes_before_the_connection_is_noticed_although_it_has_sent_all_it_may() {
    let (server, _waiting) = busy_server();
    let mut serving = Serving::start(&["--allow", &address(&server), "--connect-timeout", "1h"]);
    let mut page = Page::of(&serving, &address(&server), Some(WORDS));
    page.send(&vec![b'.'; FIRST_CREDIT_UP as usize]);
    page.is_heard();
    page.vanish();
    serving.program.said("not connected: the page is gone: ");
}

/// A server that answers nobody before it has accepted those who wait (listen(2), `backlog`).
fn busy_server() -> (TcpListener, Vec<TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port of loopback");
    socket.listen(0).expect("a port of loopback");
    let server = TcpListener::from(socket);
    let waiting = vec![client("127.0.0.1", server.local_addr().expect("bound").port())];
    (server, waiting)
}

/// Accepts those who wait, and then the relay, which tries again after a second.
fn once_free(server: &TcpListener, waiting: Vec<TcpStream>) -> TcpStream {
    waiting.iter().for_each(|_| drop(accept(server)));
    accept(server)
}
