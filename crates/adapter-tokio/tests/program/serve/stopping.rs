//! How the program starts and stops: ports, SIGTERM while pages are connected.

use std::io::Read;

use rustix::process::Signal;

use super::breaches::is_reset;
use super::ends::relay;
use super::program::Serving;
use crate::device::{address, server};
use crate::process::{Program, count, expect};

#[test]
fn what_has_come_is_delivered_and_both_sides_see_an_orderly_end() {
    let (mut serving, mut page, mut peer) = relay(&[]);
    page.send(b"last");
    page.is_heard();
    serving.program.signal(Signal::TERM);
    serving.program.said("stopping: ending what is open");
    let ended = page.ended();
    assert_eq!(ended.closed(), ("failed", "the relay is stopping", Some(4)));
    expect(&mut peer, b"last");
    assert_eq!(peer.read(&mut [0]).expect("in order"), 0);
    let (code, log) = serving.program.ended();
    assert_eq!(
        (code, count(&log, "closed: the relay is stopping; 4 bytes up, 4 of them")),
        (0, 1),
        "{log:#?}"
    );
}

#[test]
fn a_server_that_takes_nothing_does_not_hold_the_program() {
    let (serving, mut page, peer) = relay(&["--unacked-limit", "off"]);
    let sent = page.fill();
    serving.program.signal(Signal::TERM);
    let ended = page.ended();
    let (reason, _, acked) = ended.closed();
    assert!(reason == "failed" && acked.is_some_and(|acked| acked < sent), "{ended:?}");
    is_reset(peer);
    let (code, log) = serving.program.ended();
    assert_eq!(code, 0, "{log:#?}");
}

#[test]
fn a_page_that_does_not_answer_does_not_hold_the_program() {
    let (serving, page, peer) = relay(&[]);
    let log = serving.stop();
    assert_eq!(count(&log, "closed: the relay is stopping"), 1, "{log:#?}");
    drop((page, peer));
}

#[test]
fn a_port_that_is_taken_is_told_with_what_to_do() {
    let taken = server(0);
    let (code, log) = Program::start(&["serve", "--listen", &address(&taken)]).ended();
    assert_eq!(code, 69, "{log:#?}");
    let said = format!("cannot listen on {}: address already in use; stop the program", address(&taken));
    assert_eq!(count(&log, &said), 1, "{log:#?}");
}

#[test]
fn whoever_serves_the_network_is_warned_and_told_how_to_reach_it() {
    let mut serving = Serving::start(&["--listen", "0.0.0.0:0"]);
    serving.program.said("this is plain HTTP: whoever is on the way can read the token");
    assert!(serving.url.starts_with("http://127.0.0.1:"), "{}", serving.url);
    assert!(serving.line().contains("with an address of this machine in place of 127.0.0.1"));
    assert!(serving.line().contains("--allow HOST:PORT"));
    serving.stop();
}
