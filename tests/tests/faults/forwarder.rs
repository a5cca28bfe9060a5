//! Between two tunnels: it loses packets, doubles some, and lets them overtake each other, on kernels without netem, too.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use uartbridge_tests::sim::Dice;

use crate::Done;

/// While it loses: so many percent lost, so many doubled, and each packet delayed by up to so many ms.
pub(crate) const LOSS: u32 = 5;
pub(crate) const DOUBLED: u32 = 1;
pub(crate) const DELAY: usize = 20;
const ENDS: [&str; 2] = ["peer", "bridge"];

/// Under way: when it is due, a number that tells packets apart, to which end, the packet.
type Packet = Reverse<(Instant, u64, usize, Vec<u8>)>;

/// See the module.
pub(crate) struct Forwarder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    loses: AtomicBool,
    over: AtomicBool,
    lost: AtomicU64,
    overtaken: AtomicU64,
}

impl Forwarder {
    /// Its sockets lie in `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self, String> {
        let shared = Arc::new(Shared::default());
        let bound = ENDS.map(|end| UnixDatagram::bind(Self::at(folder, end)));
        let [peer, bridge] = bound;
        let sockets = [peer.map_err(|error| error.to_string())?, bridge.map_err(|error| error.to_string())?];
        for socket in &sockets {
            socket.set_nonblocking(true).map_err(|error| error.to_string())?;
        }
        let ends = ENDS.map(|end| folder.join(end));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || forward(&sockets, &ends, &theirs));
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Where an end sends to.
    pub(crate) fn at(folder: &Path, end: &str) -> PathBuf {
        folder.join(format!("from-{end}"))
    }

    /// Whether packets get lost.
    pub(crate) fn loses(&self, loses: bool) {
        self.shared.loses.store(loses, Ordering::Relaxed);
    }

    /// It has done what it is for.
    pub(crate) fn proves_itself(&self) -> Done {
        let [lost, overtaken] =
            [&self.shared.lost, &self.shared.overtaken].map(|n| n.swap(0, Ordering::Relaxed));
        if lost > 0 && overtaken > 0 {
            Ok(())
        } else {
            Err(format!("the forwarder has lost {lost} packets, and {overtaken} were overtaken"))
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, its packets are lost.
            let _ = thread.join();
        }
    }
}

fn forward(sockets: &[UnixDatagram; 2], ends: &[PathBuf; 2], shared: &Shared) {
    let (mut dice, mut number, mut newest) = (Dice::new(1), 0, [0; 2]);
    let mut under_way: BinaryHeap<Packet> = BinaryHeap::new();
    let mut buffer = [0; 65_536];
    while !shared.over.load(Ordering::Relaxed) {
        let next = under_way.peek().map(|Reverse((due, ..))| due.saturating_duration_since(Instant::now()));
        let wait = next.unwrap_or(Duration::from_millis(50)).min(Duration::from_millis(50));
        let mut fds = [PollFd::new(&sockets[0], PollFlags::IN), PollFd::new(&sockets[1], PollFlags::IN)];
        // A wait that fails is a short one.
        let _ = Timespec::try_from(wait).map(|wait| poll(&mut fds, Some(&wait)));
        for (from, socket) in sockets.iter().enumerate() {
            while let Ok(n) = socket.recv(&mut buffer) {
                let loses = shared.loses.load(Ordering::Relaxed);
                if loses && dice.percent(LOSS) {
                    shared.lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let copies = if loses && dice.percent(DOUBLED) { 2 } else { 1 };
                for _ in 0..copies {
                    let delay = if loses { dice.between(0, DELAY * 1000) as u64 } else { 0 };
                    number += 1;
                    let due = Instant::now() + Duration::from_micros(delay);
                    under_way.push(Reverse((due, number, 1 - from, buffer[..n].to_vec())));
                }
            }
        }
        while under_way.peek().is_some_and(|Reverse((due, ..))| *due <= Instant::now()) {
            let Some(Reverse((_, number, to, packet))) = under_way.pop() else { break };
            let overtaken = u64::from(number < newest[to]);
            shared.overtaken.fetch_add(overtaken, Ordering::Relaxed);
            newest[to] = number.max(newest[to]);
            // An end that is gone, or full, loses the packet.
            let _ = sockets[to].send_to(&packet, &ends[to]);
        }
    }
}
