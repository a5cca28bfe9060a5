//! A hundred breaks at random bytes, with a client that comes back each time: nothing is lost, nothing changes its place, and
//! only what was unacknowledged comes twice.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use socket2::{Domain, Socket, Type};

use super::s_client::{IDENTIFIED, SClient};
use super::{REQUIRED, certificates, listener_with};
use crate::device::{Directory, accept, server};
use crate::process::{PATIENCE, listening};
use crate::tls::breaks::{BREAKS, LONGEST, compare, counter, next, relay, talk, until_end};

#[test]
fn a_hundred_breaks_at_random_bytes_lose_nothing_and_change_no_order() {
    for version in ["-tls1_3", "-tls1_2"] {
        let directory = certificates();
        let mut program = listener_with(&directory, REQUIRED, &["--greeting", "@"]);
        let port = listening(&mut program);
        let done = AtomicBool::new(false);
        let seed = RandomState::new().hash_one(version);
        let (sender, output) = channel();

        let (sent, got) = std::thread::scope(|scope| {
            let device = scope.spawn(|| talk(&directory, &done));
            let clients = scope.spawn(|| {
                let sender = sender;
                let mut random = seed;
                for _ in 0..BREAKS {
                    let budget = next(&mut random) % LONGEST;
                    come_in(&directory, port, version, Some(budget), &sender);
                }
                done.store(true, Ordering::Relaxed);
                come_in(&directory, port, version, None, &sender);
            });
            let sent = device.join().expect("the device talks");
            let got = until_end(&output);
            program.signal(rustix::process::Signal::TERM);
            clients.join().expect("they end with the program");
            (sent, got)
        });
        let (code, log) = program.ended();
        assert_eq!(code, 0, "seed {seed}: {log:#?}");
        let counters = log.iter().rev().find(|line| line.contains("final counters")).expect("they are told");
        let twice =
            compare(&sent, &got).unwrap_or_else(|what| panic!("{version}, seed {seed}: {what}\n{counters}"));
        let (replayed, connections) = (counter(counters, "replayed"), counter(counters, "connections"));
        assert!(twice <= replayed, "{version}, seed {seed}: {twice} bytes came twice: {counters}");
        assert!(connections > BREAKS / 4, "most breaks are to hit the data: {counters}");
        assert_eq!(counter(counters, "tx_acked"), sent.len(), "{counters}");
    }
}

/// One connection through a proxy that carries so many bytes, and what the client has read of it.
fn come_in(directory: &Directory, port: u16, version: &str, budget: Option<u64>, read: &Sender<Vec<u8>>) {
    let proxy = server(0);
    let at = proxy.local_addr().expect("bound").port();
    let mut client = SClient::start(directory, at, &[&IDENTIFIED[..], &[version]].concat());
    let near = accept(&proxy);
    std::thread::scope(|scope| {
        let output = &mut client.output;
        scope.spawn(|| {
            let mut some = vec![0; 65_536];
            while let Ok(count @ 1..) = std::io::Read::read(output, &mut some) {
                if read.send(some[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        relay(&narrow(port), &near, budget);
        // s_client ends with its connection.
        drop(near);
    });
}

/// A connection to the program that holds little, so that much is unacknowledged at a break.
fn narrow(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).expect("the program listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    socket.into()
}
