//! Pages that go against the protocol: each is told so, and its server's connection is reset, because nobody knows what the page
//! meant.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use tungstenite::Message;

use super::ends::relay;
use super::page::{BARE, Ended, FIRST_CREDIT_UP, Page, WORDS};
use super::program::Serving;
use crate::device::{accept, address, server};
use crate::process::expect;

/// Reads to the end, which is a reset.
pub(super) fn is_reset(mut peer: TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    let error = peer.read_to_end(&mut got).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    got
}

/// What becomes of a page that does this, and of its server's connection.
fn breach(protocol: &str, does: impl FnOnce(&mut Page)) -> Ended {
    let server = server(0);
    let serving = Serving::to(&address(&server));
    let mut page = Page::of(&serving, &address(&server), Some(protocol));
    let mut peer = accept(&server);
    if protocol == WORDS {
        page.told("open");
    }
    page.send(b"good");
    expect(&mut peer, b"good");
    does(&mut page);
    let ended = page.ended();
    is_reset(peer);
    serving.stop();
    ended
}

#[test]
fn words_that_nobody_understands_end_it() {
    for wrong in
        ["", "ask", r#"{"type":"open"}"#, r#"{"type":"credit","total":-1}"#, r#"{"type":"ask","more":1}"#]
    {
        let ended = breach(WORDS, |page| page.say(wrong));
        let (reason, text, acked) = ended.closed();
        assert_eq!((reason, acked, ended.code), ("failed", Some(4), Some(1011)), "{wrong}: {ended:?}");
        assert!(text.starts_with("the page has sent what nobody understands: "), "{text}");
    }
}

#[test]
fn bytes_after_the_end_end_it() {
    let (serving, mut page, mut peer) = relay(&[]);
    page.send(b"all");
    page.end();
    page.send(b"more");
    let ended = page.ended();
    assert_eq!(ended.closed(), ("failed", "the page has sent bytes after its end", Some(3)));
    // That the end was one has been told already.
    let mut got = Vec::new();
    peer.read_to_end(&mut got).expect("in order");
    assert_eq!(got, b"all");
    serving.stop();
}

#[test]
fn a_page_that_overdraws_its_credit_is_told_by_how_much() {
    let ended = breach(WORDS, |page| {
        // The server takes all of it, and credit may grow meanwhile, by at most what was sent.
        page.send(&vec![b'.'; 3 * FIRST_CREDIT_UP as usize]);
    });
    let (reason, text, acked) = ended.closed();
    assert_eq!((reason, acked), ("failed", Some(4)), "{ended:?}");
    assert_eq!(text, "the page has sent 786436 bytes, and its credit was 262144");
}

#[test]
fn words_in_a_stream_of_bare_bytes_end_it() {
    let ended = breach(BARE, |page| page.say("hello"));
    assert_eq!((ended.words, ended.code), (None, Some(1011)));
    assert_eq!(ended.reason, "binary has no text messages; uartbridge.v1 has");
}

#[test]
fn a_message_that_is_too_large_ends_it() {
    for protocol in [WORDS, BARE] {
        let ended = breach(protocol, |page| {
            // The head of a frame that announces two MiB: they need not come.
            let head = [0x82, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 1, 2, 3, 4];
            page.tcp().write_all(&head).expect("the relay reads");
        });
        assert_eq!((&ended.words, ended.code), (&None, Some(1002)), "{protocol}: {ended:?}");
        assert!(ended.reason.contains("too long"), "{ended:?}");
    }
}

#[test]
fn frames_that_are_none_end_it() {
    for (wrong, said) in [
        // Not masked; a reserved opcode; a ping in pieces; text that is no UTF-8 (RFC 6455 §5).
        (&[0x82, 1, b'x'][..], "mask"),
        (&[0x83, 0x81, 0, 0, 0, 0, b'x'], "opcode"),
        (&[0x09, 0x80, 0, 0, 0, 0], "control frame"),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], "utf-8"),
    ] {
        let ended = breach(WORDS, |page| page.tcp().write_all(wrong).expect("the relay reads"));
        assert_eq!((&ended.words, ended.code), (&None, Some(1002)), "{said}: {ended:?}");
        assert!(ended.reason.to_lowercase().contains(said), "{said}: {ended:?}");
    }
}

#[test]
fn empty_messages_and_pings_are_no_breach() {
    let server = server(0);
    let serving = Serving::to(&address(&server));
    let mut page = Page::open(&serving, &address(&server));
    let mut peer = accept(&server);
    page.send(b"");
    page.message(Message::Ping(b"there?".to_vec().into()));
    page.send(b"yes");
    expect(&mut peer, b"yes");
    page.acked(3);
}
