//! What a connection takes from the heap besides its two buffers.

mod common;

use common::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use uartbridge_tls::{Client, Config, CryptoProvider, Event, INPUT_FOR_ANY_RECORD, Settings, State, Trust};

thread_local! {
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what the thread takes and gives back inside [`counted`].
struct Counter;

impl Counter {
    fn count(change: isize) {
        if COUNTING.get() {
            LIVE.set(LIVE.get() + change);
            PEAK.set(PEAK.get().max(LIVE.get()));
        }
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size() as isize);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Self::count(-(layout.size() as isize));
        // SAFETY: the caller keeps `dealloc`'s contract, and all memory is the system's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTER: Counter = Counter;

fn counted<R>(work: impl FnOnce() -> R) -> R {
    COUNTING.set(true);
    let done = work();
    COUNTING.set(false);
    done
}

/// In bytes.
#[derive(Debug)]
#[allow(dead_code, reason = "for the eye")]
struct Heap {
    /// The connection itself, wherever it lies.
    itself: usize,
    /// Held by it while it is open and nothing moves.
    open: isize,
    /// Most held during its handshake.
    handshake: isize,
    /// Most held with whole records of 16 KiB coming in and a reader that takes 1000 bytes at a time.
    data: isize,
}

/// A mutual handshake by TLS 1.3, and 64 KiB each way in whole records.
fn measure(provider: Arc<CryptoProvider>, in_place: bool) -> Heap {
    let authority = Authority::new("ours");
    let (certificate, identity) = (authority.server(), authority.client().identity());
    let mut settings =
        Settings::new(provider, Arc::new(Clock(Some(TODAY))), Trust::Authorities(authority.roots()));
    settings.identity = Some(identity);
    settings.in_place = in_place;
    let config = Config::new(settings).expect("settings");
    let mut server = rustls::ServerConnection::new(Arc::new(server(&certificate, Some(&authority), true)))
        .expect("a server");
    LIVE.set(0);
    PEAK.set(0);
    let (input, output) = (boxed(INPUT_FOR_ANY_RECORD), boxed(4096));
    let mut client = counted(|| Client::new(&config, "localhost", input, output)).expect("a client");

    let turn = |client: &mut BoxedClient, server: &mut rustls::ServerConnection| {
        let mut tx = client.ports().tx;
        let sent = tx.len();
        while !tx.is_empty() && server.read_tls(&mut tx).expect("a slice") > 0 {}
        server.process_new_packets().expect("a good client");
        std::io::copy(&mut server.reader(), &mut std::io::sink()).ok();
        counted(|| client.handle(Duration::ZERO, Event::Tx(sent))).expect("lent");
        let received = server.write_tls(&mut &mut *client.ports().rx).expect("a slice");
        counted(|| client.handle(Duration::ZERO, Event::Rx(received))).expect("lent");
        sent + received > 0
    };
    while turn(&mut client, &mut server) {}
    assert_eq!(client.state(), State::Proven);
    let (open, handshake) = (LIVE.get(), PEAK.replace(0));

    let mut plain = [0; 1000];
    let (mut up, mut down) = (0, 0);
    server.writer().write_all(&[7; 1 << 16]).expect("its own buffer");
    while up < 1 << 16 || down < 1 << 16 {
        up += counted(|| client.write_plain(&[7; 4000]));
        turn(&mut client, &mut server);
        while let count @ 1.. = counted(|| client.read_plain(&mut plain)) {
            down += count;
        }
    }
    Heap { itself: size_of_val(&client), open, handshake, data: PEAK.get() }
}

/// The limits are a little above what was measured on a 64-bit machine; pointers of 32 bits take less. A record of 16 KiB
/// lies in the input buffer, and once more in rustls' memory for a moment, unless it is to stay in place.
#[test]
fn a_connection_is_small() {
    let (chips, hosts) = (measure(rustcrypto(), true), measure(ring(), false));
    println!("rustcrypto, in place: {chips:?}\nring: {hosts:?}");
    for (heap, record) in [(chips, 0), (hosts, 16_384)] {
        assert!(heap.itself < 4_000, "{heap:?}");
        assert!(heap.open < 4_000, "{heap:?}");
        assert!(heap.handshake < 8_000, "{heap:?}");
        assert!(heap.data < heap.open + record + 5_000, "{heap:?}");
    }
}
