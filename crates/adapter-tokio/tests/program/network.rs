//! TCP: listening, taking over, failing over.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::device::{Directory, accept, address, client, free_port, open_pty, server};
use crate::process::{PATIENCE, Program, count, expect, listening};

#[test]
fn a_listener_takes_one_client_at_a_time_and_turns_others_away() {
    let directory = Directory::new();
    let mut program = Program::start(&[&directory.end("pty:", "tty"), "tcp-listen://:0"]);
    let port = listening(&mut program);
    let mut terminal = open_pty(&directory.path("tty"));
    for _ in 0..2 {
        let mut first = client("127.0.0.1", port);
        let name = first.local_addr().expect("connected");
        program.said(&format!("connected to {name} at tcp-listen://127.0.0.1:{port}"));
        let mut second = client("127.0.0.1", port);
        let line = program.said("was turned away: one client at a time (takeover=yes changes that)");
        assert!(line.contains(&second.local_addr().expect("connected").to_string()), "{line}");
        let turned_away = second.read(&mut [0]);
        assert!(turned_away.as_ref().is_ok_and(|&n| n == 0) || turned_away.is_err(), "{turned_away:?}");
        terminal.write_all(b"to the first").expect("room");
        expect(&mut first, b"to the first");
        first.write_all(b"from it").expect("room");
        expect(&mut terminal, b"from it");
        drop(first);
        program.said("no client any more: ");
    }
    let (code, log) = program.stop();
    assert_eq!(code, 0, "{log:#?}");
    assert_eq!(count(&log, "WARN"), 2, "a client that leaves is no failure: {log:#?}");
}

#[test]
fn a_newcomer_takes_over_where_that_is_wanted_and_nothing_is_lost() {
    let directory = Directory::new();
    let mut program = Program::start(&[&directory.end("pty:", "tty"), "tcp-listen://[::1]:0?takeover=yes"]);
    let port = listening(&mut program);
    let mut terminal = open_pty(&directory.path("tty"));
    let mut first = client("::1", port);
    terminal.write_all(b"one").expect("room");
    expect(&mut first, b"one");
    let mut second = client("::1", port);
    program.said("takes the place of the present client");
    let name = second.local_addr().expect("connected");
    program.said(&format!("connected to {name}"));
    terminal.write_all(b"two").expect("room");
    expect(&mut second, b"two");
    let gone = first.read(&mut [0]);
    assert!(gone.as_ref().is_ok_and(|&n| n == 0) || gone.is_err(), "{gone:?}");
}

#[test]
fn only_a_listener_beyond_loopback_is_warned_of() {
    for (net, warnings) in [
        ("tcp-listen://:0", 0),
        ("tcp-listen://[::1]:0", 0),
        ("tcp-listen://0.0.0.0:0", 1),
        ("tcp-listen://[::]:0", 1),
    ] {
        let mut program = Program::start(&["pty:", net]);
        program.said("waiting for a client");
        let (code, log) = program.stop();
        assert_eq!(code, 0, "{log:#?}");
        assert_eq!(count(&log, "without a password and in plain text"), warnings, "{net}: {log:#?}");
    }
}

#[test]
fn the_next_server_takes_over_from_a_dead_one_and_from_a_name_that_means_nothing() {
    let (directory, alive) = (Directory::new(), server(0));
    let peers = format!("127.0.0.1:{},no-such-host.invalid:1,{}", free_port(), address(&alive));
    let mut program = Program::start(&[&directory.end("pty:", "tty"), &peers, "--backoff-max", "50ms"]);
    program.said(": connection refused; next attempt in ");
    program.said("tcp://no-such-host.invalid:1: cannot resolve no-such-host.invalid: ");
    let mut peer = accept(&alive);
    program.said(&format!("connected to tcp://{}", address(&alive)));
    open_pty(&directory.path("tty")).write_all(b"arrived").expect("room");
    expect(&mut peer, b"arrived");
}

#[test]
fn localhost_is_every_address_of_it() {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let words: Vec<Vec<&str>> = hosts.lines().map(|line| line.split_whitespace().collect()).collect();
    let known = |ip: &str| words.iter().any(|line| line.first() == Some(&ip) && line.contains(&"localhost"));
    for (ip, host) in [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")] {
        if ip != "127.0.0.1" && !known(ip) {
            // This machine's localhost has one address, and the test of the dialler itself covers the other.
            continue;
        }
        let alive = TcpListener::bind(format!("{host}:0")).expect("a port of loopback");
        let port = alive.local_addr().expect("bound").port();
        let program = Program::start(&["pty:", &format!("localhost:{port}"), "--greeting", "hello"]);
        expect(&mut accept(&alive), b"hello");
        drop(program);
    }
}

#[test]
fn a_peer_that_closes_at_once_is_not_hammered() {
    let flapping = server(0);
    let mut program = Program::start(&["pty:", &address(&flapping), "--backoff-jitter", "off"]);
    let start = std::time::Instant::now();
    for _ in 0..3 {
        drop(accept(&flapping));
        program.said("not connected: ");
    }
    // 1 s, then 2 s.
    assert!(start.elapsed() >= std::time::Duration::from_secs(3) && start.elapsed() < PATIENCE);
}
