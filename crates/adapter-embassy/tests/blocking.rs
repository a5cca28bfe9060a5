//! The loop without an executor, between a real pty and the kernel's TCP.

#[path = "../examples/host/mod.rs"]
mod host;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, scope, spawn};
use std::time::{Duration, Instant};

use uartbridge_core::{Backoff, Bridge, Config, Stats};
use uartbridge_embassy::blocking::{Sockets, run};
use uartbridge_embassy::options::Options;
use uartbridge_embassy::run::Ended;
use uartbridge_embassy::uart::Halves;

static CONFIG: Config<'static> = Config {
    backoff: Backoff { first: uartbridge_core::Duration::from_millis(20), ..Config::DEFAULT.backoff },
    ..Config::DEFAULT
};

/// A bridge at work in a thread of its own.
struct Running {
    device: File,
    stop: &'static AtomicBool,
    thread: JoinHandle<(Ended, Stats)>,
}

fn start(server: SocketAddr) -> Running {
    let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let (sender, receiver) = std::sync::mpsc::channel::<OwnedFd>();
    let thread = spawn(move || {
        let (uart, slave, _) = host::pty().expect("a pty");
        sender.send(slave).expect("the test waits");
        let mut bridge: Bridge<_, _> = Bridge::new(&CONFIG, 1, [0; 512], [0; 512]).expect("good settings");
        let (tcp, ports) = host::Tcp::new(server, &uart);
        let start = Instant::now();
        let ended = run(
            &mut bridge,
            Halves::ready(uart.clone(), uart),
            Sockets::new(tcp),
            // The watchdog makes the loop come round, and see the order to stop.
            Options::new().stop_when(stop).watchdog(|| {}, uartbridge_core::Duration::from_millis(20)),
            || host::since(start),
            |wait| host::wait(&ports, start, wait),
        );
        (ended, bridge.stats())
    });
    let device = receiver.recv().expect("a pty");
    Running { device: File::from(device), stop, thread }
}

impl Running {
    fn stop(self) -> Stats {
        self.stop.store(true, Ordering::Relaxed);
        let (ended, stats) = self.thread.join().expect("no panic");
        assert_eq!(ended, Ended::Finished);
        stats
    }
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a client");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
    stream
}

fn read_exactly(from: &mut impl Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes).expect("all of the bytes");
    bytes
}

fn numbered(len: usize) -> Vec<u8> {
    (0..).flat_map(|n: u32| format!("{n:07}\n").into_bytes()).take(len).collect()
}

#[test]
fn both_directions_at_once_byte_for_byte_and_a_stop_delivers_the_rest() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let mut running = start(listener.local_addr().expect("bound"));
    let mut stream = accept(&listener);
    let sent = numbered(300_000);
    scope(|threads| {
        let (mut device_tx, mut stream_tx) = (running.device.try_clone(), stream.try_clone());
        let (sent, device) = (&sent, &mut running.device);
        threads.spawn(move || device_tx.as_mut().expect("a descriptor").write_all(sent).expect("it reads"));
        threads.spawn(move || stream_tx.as_mut().expect("a descriptor").write_all(sent).expect("it reads"));
        threads.spawn(move || assert!(read_exactly(device, sent.len()) == *sent, "down: byte for byte"));
        assert!(read_exactly(&mut stream, sent.len()) == *sent, "up: byte for byte");
    });
    let ending = spawn(move || {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("in order");
        rest
    });
    let stats = running.stop();
    assert_eq!(ending.join().expect("no panic"), b"");
    assert_eq!((stats.uart_rx, stats.tx_acked, stats.uart_tx), (300_000, 300_000, 300_000));
}

#[test]
fn a_server_that_is_late_and_resets_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let at = listener.local_addr().expect("bound");
    drop(listener);
    let mut running = start(at);
    let sent = numbered(400);
    running.device.write_all(&sent[..200]).expect("the bridge reads");
    let listener = TcpListener::bind(at).expect("the same port again");
    let mut first = accept(&listener);
    assert!(read_exactly(&mut first, 200) == sent[..200]);
    // With a byte downlink comes the acknowledgement of what was read.
    first.write_all(b"!").expect("the bridge reads");
    assert_eq!(read_exactly(&mut running.device, 1), b"!");
    socket2::SockRef::from(&first).set_linger(Some(Duration::ZERO)).expect("a reset");
    drop(first);
    running.device.write_all(&sent[200..]).expect("the bridge reads");
    let mut second = accept(&listener);
    assert!(read_exactly(&mut second, 200) == sent[200..]);
    drop(second);
    let stats = running.stop();
    assert_eq!(stats.connections, 2);
}
