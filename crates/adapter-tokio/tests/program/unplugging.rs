//! UARTs that are absent, vanish and come back, and ptys.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use crate::device::{Device, Directory, Patient, accept, address, open_pty, server};
use crate::process::{Program, count, expect};

#[test]
fn a_serial_port_may_be_absent_vanish_and_come_back() {
    let (directory, peer) = (Directory::new(), server(0));
    let port = directory.path("ttyUSB0");
    let mut program =
        Program::start(&[port.to_str().expect("our own name"), &address(&peer), "--uart-retry", "50ms"]);
    program.said("no such device; is it plugged in? Waiting for it");
    let mut peer = accept(&peer);
    for (up, down) in [(b"one up", b"one down"), (b"two up", b"two down")] {
        let mut device = Device::plug_in(&port);
        device.line.write_all(up).expect("room");
        expect(&mut peer, up);
        peer.write_all(down).expect("room");
        expect(&mut device.line, down);
        drop(device);
        program.said("UART is gone: ");
    }
    drop(peer);
    let (code, log) = program.stop();
    assert_eq!(code, 0, "{log:#?}");
    let about = ["no such device", "UART is open again", "UART is gone: it has hung up; waiting for it"];
    assert_eq!(about.map(|words| count(&log, words)), [1, 2, 2], "{log:#?}");
}

/// Processor time in ticks, and how often the process was given the processor, as proc(5) has them.
fn effort(program: &Program) -> (u64, u64) {
    let read = |name| std::fs::read_to_string(format!("/proc/{}/{name}", program.pid())).expect("alive");
    let (stat, status) = (read("stat"), read("status"));
    let fields: Vec<_> = stat.rsplit(')').next().expect("proc(5)").split_whitespace().collect();
    let ticks = [11, 12].iter().map(|&field| fields[field].parse::<u64>().expect("proc(5)")).sum();
    let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
    let switches = switches.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum();
    (ticks, switches)
}

/// Time must pass for this: whoever spins needs all of it.
#[test]
fn an_unplugged_port_costs_nothing() {
    let (directory, peer) = (Directory::new(), server(0));
    let port = directory.path("ttyUSB0");
    let device = Device::plug_in(&port);
    let mut program = Program::start(&[port.to_str().expect("our own name"), &address(&peer)]);
    let peer = accept(&peer);
    drop(device);
    program.said("UART is gone: ");
    let before = effort(&program);
    std::thread::sleep(Duration::from_secs(2));
    let after = effort(&program);
    drop(peer);
    let (_, log) = program.stop();
    let about = ["UART is gone: ", "no such device"];
    assert_eq!(about.map(|words| count(&log, words)), [1, 0], "one line for one change: {log:#?}");
    assert!(after.0 - before.0 <= 5, "{} ticks of processor time in 2 s", after.0 - before.0);
    assert!(after.1 - before.1 <= 60, "woken {} times in 2 s", after.1 - before.1);
}

#[test]
fn a_pty_is_there_from_the_start_and_its_link_goes_with_the_program() {
    let (directory, peer) = (Directory::new(), server(0));
    let link = directory.path("tty");
    std::os::unix::fs::symlink("/dev/pts/no-such", &link).expect("our own directory");
    let net = format!("127.0.0.1:{}", crate::device::free_port());
    let program = Program::start(&[
        &directory.end("pty:", "tty"),
        &net,
        "--peer",
        &address(&peer),
        "--backoff-max",
        "20ms",
    ]);
    let mut program = program;
    program.said("pty:");
    let mut terminal = open_pty(&link);
    terminal.write_all(b"early").expect("room");
    let mut peer = accept(&peer);
    expect(&mut peer, b"early");
    drop(terminal);
    peer.write_all(b"kept until somebody looks").expect("room");
    program.counts("uart_tx=25");
    expect(&mut open_pty(&link), b"kept until somebody looks");
    drop(peer);
    let (code, log) = program.stop();
    assert_eq!(code, 0, "{log:#?}");
    assert!(link.symlink_metadata().is_err(), "the link has gone");
}

#[test]
fn a_unix_sockets_program_may_leave_and_come_back() {
    let (directory, peer) = (Directory::new(), server(0));
    let path = directory.path("device.sock");
    let mut program =
        Program::start(&[&directory.end("unix:", "device.sock"), &address(&peer), "--uart-retry", "50ms"]);
    program.said("nobody answers there; start the program that should");
    let mut peer = accept(&peer);
    for words in [b"first", b"again"] {
        let listener = UnixListener::bind(&path).expect("our own directory");
        let (device, _) = listener.accept().expect("the bridge comes");
        let mut device = Patient(device);
        device.write_all(words).expect("room");
        expect(&mut peer, words);
        peer.write_all(words).expect("room");
        expect(&mut device, words);
        drop((device, listener));
        std::fs::remove_file(&path).expect("our own file");
        program.said("UART is gone: it has hung up");
    }
    drop(peer);
    assert_eq!(program.stop().0, 0);
}

#[test]
fn a_unix_socket_serves_as_the_network() {
    let directory = Directory::new();
    let (pty, net) = (directory.end("pty:", "tty"), directory.end("unix:", "net.sock"));
    let listener = UnixListener::bind(directory.path("net.sock")).expect("our own directory");
    let program = Program::start(&[&pty, &net, "--greeting", "hello "]);
    let (peer, _): (UnixStream, _) = listener.accept().expect("the bridge comes");
    let mut peer = Patient(peer);
    open_pty(&directory.path("tty")).write_all(b"world").expect("room");
    expect(&mut peer, b"hello world");
    program.signal(rustix::process::Signal::TERM);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).expect("an orderly end");
    assert!(rest.is_empty());
    drop(peer);
    assert_eq!(program.ended().0, 0);
}
