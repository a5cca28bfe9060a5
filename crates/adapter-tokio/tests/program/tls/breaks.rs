//! A hundred breaks at random bytes: nothing is lost, nothing changes its place, and only what was unacknowledged comes twice.

use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use socket2::{Domain, Socket, Type};

use super::authority::Authority;
use super::connections::start;
use crate::device::{Directory, accept, free_port, open_pty};
use crate::process::PATIENCE;

pub(crate) const BREAKS: usize = 100;
/// Bytes, both ways together, before a break: some come in the handshake, most in the data.
pub(crate) const LONGEST: u64 = 20_000;
/// Starts each connection; nothing else has this byte in it.
const GREETING: u8 = b'@';
const LINE: usize = 8;

#[test]
fn a_hundred_breaks_at_random_bytes_lose_nothing_and_change_no_order() {
    for version in ["-tls1_3", "-tls1_2"] {
        let directory = Directory::new();
        let authority = Authority::new(&directory, "ca");
        authority.issue("server");
        authority.issue("client");
        let (server, port, output) = quiet_server(&directory, version);
        let (listener, done) = (narrow_listener(), AtomicBool::new(false));
        let address = listener.local_addr().expect("bound");
        let seed = RandomState::new().hash_one(version);
        let end = format!("tls://{address}?ca=ca.pem&cert=client.pem&key=client.key");
        let mut program = start(&directory, &end, &["--greeting", "@"]);
        program.said("pty:tty is ");

        let (sent, got) = std::thread::scope(|scope| {
            let device = scope.spawn(|| talk(&directory, &done));
            let proxy = scope.spawn(|| {
                let mut random = seed;
                for _ in 0..BREAKS {
                    relay(&accept(&listener), &connect(port), Some(next(&mut random) % LONGEST));
                }
                done.store(true, Ordering::Relaxed);
                relay(&accept(&listener), &connect(port), None);
            });
            let sent = device.join().expect("the device talks");
            let got = until_end(&output);
            program.signal(rustix::process::Signal::TERM);
            proxy.join().expect("the proxy ends with the program");
            (sent, got)
        });
        drop(server);
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

/// Writes numbered lines until the breaks are over, and then the last one. Gives all that was written.
pub(crate) fn talk(directory: &Directory, done: &AtomicBool) -> Vec<u8> {
    let mut terminal = open_pty(&directory.path("tty"));
    let mut sent = Vec::new();
    for number in 0.. {
        let over = done.load(Ordering::Relaxed);
        let line = if over { "THEEND!\n".to_owned() } else { format!("{number:07}\n") };
        terminal.write_all(line.as_bytes()).expect("the program reads");
        sent.extend_from_slice(line.as_bytes());
        if over {
            break;
        }
    }
    sent
}

/// Carries bytes both ways until so many have passed, then ends its side in the middle of what the peer says. What has come
/// from the program by then is acknowledged, so it is delivered, as far as the program lets it come.
pub(crate) fn relay(program: &TcpStream, peer: &TcpStream, budget: Option<u64>) {
    let mut left = budget.map_or(usize::MAX, |bytes| bytes as usize);
    let mut program_ended = false;
    while left > 0 && !program_ended {
        let mut ready = [PollFd::new(program, PollFlags::IN), PollFd::new(peer, PollFlags::IN)];
        let timeout = PATIENCE.try_into().expect("not that long");
        assert!(poll(&mut ready, Some(&timeout)).is_ok_and(|ready| ready > 0), "nothing moves");
        let readable = ready.map(|fd| !fd.revents().is_empty());
        if readable[0] {
            match carry(program, peer, left) {
                0 => program_ended = true,
                count => left -= count,
            }
        }
        if readable[1] && left > 0 {
            match carry(peer, program, left) {
                // It has refused the program, or has had enough of it.
                0 => break,
                count => left -= count,
            }
        }
    }
    let _ = program.shutdown(Shutdown::Write);
    while !program_ended {
        program_ended = carry(program, peer, usize::MAX) == 0;
    }
    // The peer reads on until here.
    let _ = peer.shutdown(Shutdown::Write);
    while carry_to_nobody(peer) > 0 {}
}

/// Moves up to `most` bytes; 0 at the end.
fn carry(mut from: &TcpStream, mut to: &TcpStream, most: usize) -> usize {
    let mut some = [0; 1500];
    let room = most.min(some.len());
    let count = from.read(&mut some[..room]).unwrap_or(0);
    // Whoever has gone gets nothing; the other side is told by the end.
    if to.write_all(&some[..count]).is_err() { 0 } else { count }
}

fn carry_to_nobody(mut from: &TcpStream) -> usize {
    from.read(&mut [0; 1500]).unwrap_or(0)
}

fn connect(port: u16) -> TcpStream {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(server) => {
                server.set_read_timeout(Some(PATIENCE)).expect("not zero");
                return server;
            }
            // It is still starting.
            Err(error) => assert!(Instant::now() < until, "s_server: {error}"),
        }
        std::thread::yield_now();
    }
}

/// A listener whose connections hold little, so that much is unacknowledged at a break.
pub(super) fn narrow_listener() -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port of loopback");
    socket.listen(8).expect("bound");
    socket.into()
}

/// s_server that writes what it receives to standard output, and nothing else.
fn quiet_server(directory: &Directory, version: &str) -> (Killed, u16, Receiver<Vec<u8>>) {
    let port = free_port();
    let mut child = Command::new("openssl")
        .args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}"), version])
        .args(["-cert", "server.pem", "-key", "server.key", "-CAfile", "ca.pem"])
        .args(super::openssl::MUTUAL)
        .current_dir(directory.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl: `cargo xtask setup` installs it");
    let mut stdout = child.stdout.take().expect("a pipe");
    let (sender, output) = channel();
    std::thread::spawn(move || {
        let mut some = vec![0; 65_536];
        while let Ok(count @ 1..) = stdout.read(&mut some) {
            if sender.send(some[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    (Killed(child), port, output)
}

/// A program that ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What comes until the last line.
pub(crate) fn until_end(output: &Receiver<Vec<u8>>) -> Vec<u8> {
    let mut got = Vec::new();
    while !got.ends_with(b"THEEND!\n") {
        let more = output.recv_timeout(PATIENCE);
        got.extend(more.unwrap_or_else(|_| panic!("after {} bytes nothing more comes", got.len())));
    }
    got
}

/// Whether the connections' parts, put together, make what was sent: how many bytes came twice, or what is wrong.
pub(crate) fn compare(sent: &[u8], got: &[u8]) -> Result<usize, String> {
    let (mut end, mut twice) = (0, 0);
    for part in got.split(|byte| *byte == GREETING) {
        let at = place(sent, part, end).ok_or_else(|| format!("at {end}: {}", part.escape_ascii()))?;
        if at > end {
            return Err(format!("bytes {end} to {at} are lost"));
        }
        twice += end.min(at + part.len()) - at;
        end = end.max(at + part.len());
    }
    if end == sent.len() { Ok(twice) } else { Err(format!("{end} of {} bytes came", sent.len())) }
}

/// Where `part` lies in what was sent: told by its first whole line, or near `end` if it has none.
fn place(sent: &[u8], part: &[u8], end: usize) -> Option<usize> {
    let fits = |at: &usize| sent.get(*at..).is_some_and(|rest| rest.starts_with(part));
    let first = part.iter().position(|byte| *byte == b'\n').map_or(part.len(), |newline| newline + 1);
    let number = part.get(first..first + LINE).and_then(|line| std::str::from_utf8(line).ok());
    match number.and_then(|line| line.trim_end().parse::<usize>().ok()) {
        Some(number) => (number * LINE).checked_sub(first).filter(fits),
        None => (0..=end).rev().find(fits),
    }
}

pub(crate) fn counter(line: &str, name: &str) -> usize {
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// xorshift (Marsaglia 2003).
pub(crate) fn next(state: &mut u64) -> u64 {
    *state |= 1;
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn the_comparison_sees_what_is_lost_and_what_comes_twice() {
    let sent = b"0000000\n0000001\n0000002\n0000003\nTHEEND!\n";
    assert_eq!(compare(sent, b"@0000000\n0000001\n0000@1\n0000002\n0000003\nTHEEND!\n"), Ok(6));
    assert_eq!(compare(sent, b"@0000000\n000@@@0000001\n0000002\n0000003\nTHE@THEEND!\n"), Ok(6));
    assert!(compare(sent, b"@0000000\n0000001\n@0000003\nTHEEND!\n").is_err());
    assert!(compare(sent, b"@0000000\n0000001\n0000002\n0000003\nTHE").is_err());
    assert!(compare(sent, b"@0000001\n0000000\n0000002\n0000003\nTHEEND!\n").is_err());
}
