//! Clients that come in: both versions, with and without certificates, one at a time.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::s_client::{IDENTIFIED, SClient};
use super::{REQUIRED, certificates, listener};
use crate::device::{client, open_pty};
use crate::process::{count, expect, listening};

#[test]
fn openssl_comes_in_with_both_versions_and_bytes_go_both_ways() {
    let directory = certificates();
    for (settings, options, name) in [
        ("", &[][..], ""),
        ("&ca=ca.pem&client=optional", &[], ""),
        ("&ca=ca.pem&client=optional", &IDENTIFIED, ", client client"),
        (REQUIRED, &IDENTIFIED, ", client client"),
    ] {
        let mut program = listener(&directory, settings);
        let port = listening(&mut program);
        let mut terminal = open_pty(&directory.path("tty"));
        for (version, called) in [("-tls1_3", "TLS 1.3, "), ("-tls1_2", "TLS 1.2, ")] {
            let mut peer = SClient::start(&directory, port, &[&[version], options].concat());
            let line = program.said("connected to 127.0.0.1:");
            let at = format!(" at tls-listen://127.0.0.1:{port} ({called}");
            assert!(line.contains(&at) && line.ends_with(&format!("{name})")), "{line}");
            for number in 0..50 {
                let (up, down) = (format!("up {number}"), format!("down {number}"));
                terminal.write_all(up.as_bytes()).expect("room");
                expect(&mut peer.output, up.as_bytes());
                peer.say(down.as_bytes());
                expect(&mut terminal, down.as_bytes());
            }
            peer.end();
            program.said("no client any more: the peer has closed the connection");
        }
        let (code, log) = program.stop();
        assert_eq!((code, count(&log, "WARN")), (0, 0), "{log:#?}");
    }
}

#[test]
fn the_end_is_told_with_close_notify() {
    let directory = certificates();
    let mut program = listener(&directory, REQUIRED);
    let port = listening(&mut program);
    let mut peer = SClient::start(&directory, port, &IDENTIFIED);
    program.said("connected to ");
    open_pty(&directory.path("tty")).write_all(b"the last words").expect("room");
    program.counts("tx_acked=14 ");
    let (code, log) = program.stop();
    assert_eq!(code, 0, "{log:#?}");
    expect(&mut peer.output, b"the last words");
    let said = peer.end();
    // Without close_notify it would say "unexpected eof".
    assert!(!said.contains("error:"), "{said}");
}

#[test]
fn a_session_is_taken_up_again_and_the_protocol_is_agreed_on() {
    let directory = certificates();
    let mut program = listener(&directory, "&ca=ca.pem&alpn=serial/1");
    let port = listening(&mut program);
    for (number, version) in ["-tls1_3", "-tls1_2"].into_iter().enumerate() {
        let session = format!("session-{number}");
        let alpn = ["-alpn", "mqtt,serial/1", version];
        let mut first =
            SClient::start(&directory, port, &[&IDENTIFIED[..], &alpn, &["-sess_out", &session]].concat());
        let line = program.said("connected to ");
        assert!(line.contains("ALPN serial/1") && !line.contains("resumed"), "{line}");
        // In TLS 1.3 the ticket comes after the handshake: with the first bytes it is there.
        open_pty(&directory.path("tty")).write_all(b"x").expect("room");
        expect(&mut first.output, b"x");
        first.end();
        let again = [&IDENTIFIED[..], &alpn, &["-sess_in", &session]].concat();
        let _second = SClient::start(&directory, port, &again);
        let line = program.said("connected to ");
        assert!(line.contains(", resumed, ") && line.contains("client client"), "{line}");
    }
}

#[test]
fn one_client_at_a_time_and_a_newcomer_takes_over_only_once_it_has_come_in() {
    let directory = certificates();
    let mut program = listener(&directory, REQUIRED);
    let port = listening(&mut program);
    let first = SClient::start(&directory, port, &IDENTIFIED);
    program.said("connected to ");
    SClient::start(&directory, port, &IDENTIFIED).refused();
    program.said("was turned away: one client at a time (takeover=yes changes that)");
    drop((first, program));

    let mut program = listener(&directory, "&ca=ca.pem&takeover=yes");
    let port = listening(&mut program);
    let mut terminal = open_pty(&directory.path("tty"));
    let mut first = SClient::start(&directory, port, &IDENTIFIED);
    program.said("connected to ");
    // Neither who only connects nor who is refused disturbs it.
    let _silent = client("127.0.0.1", port);
    SClient::start(&directory, port, &["-tls1_2"]).refused();
    program.said("was refused: it shows no certificate");
    terminal.write_all(b"one").expect("room");
    expect(&mut first.output, b"one");
    let mut second = SClient::start(&directory, port, &IDENTIFIED);
    program.said("takes the place of the present client");
    program.said("connected to ");
    terminal.write_all(b"two").expect("room");
    expect(&mut second.output, b"two");
    drop(first);
}

#[test]
fn clients_that_stall_keep_nobody_out_and_do_not_stay_for_ever() {
    let directory = certificates();
    let mut program = listener(&directory, REQUIRED);
    let port = listening(&mut program);
    let mut stalled: Vec<TcpStream> = Vec::new();
    for number in 0..80 {
        let mut stream = client("127.0.0.1", port);
        // The start of a handshake record that never comes to its end, or nothing at all.
        if number % 2 == 0 {
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").expect("connected");
        }
        stalled.push(stream);
    }
    program.said("was refused: too many TLS handshakes at once, and this one was the oldest");
    was_let_go(&mut stalled[0]);
    let mut peer = SClient::start(&directory, port, &IDENTIFIED);
    program.said("connected to ");
    open_pty(&directory.path("tty")).write_all(b"through").expect("room");
    expect(&mut peer.output, b"through");
    // The others have their time, and no more.
    program.said("was refused: it did not finish the TLS handshake within 10s");
    was_let_go(&mut stalled[79]);
}

/// The connection has ended, in order or not.
fn was_let_go(stream: &mut TcpStream) {
    match stream.read(&mut [0]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}
