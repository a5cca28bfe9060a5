//! SIGTERM while pages are connected.

use std::io::Read;

use rustix::process::Signal;

use super::breaches::is_reset;
use super::ends::relay;
use crate::process::{count, expect};

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
