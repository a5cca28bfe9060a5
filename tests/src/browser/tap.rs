//! A wire between a relay and a server on which everything is written down.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What has passed, on whichever connection, each way.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// To the server.
    pub up: Vec<u8>,
    /// To the relay.
    pub down: Vec<u8>,
}

/// Carries until the process ends.
#[derive(Debug)]
pub(super) struct Tap {
    capture: Arc<Mutex<Capture>>,
}

impl Tap {
    /// Listens at `at`, and carries whatever comes to `server`.
    pub(super) fn start(at: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(at)?;
        let capture = Arc::new(Mutex::new(Capture::default()));
        let written = Arc::clone(&capture);
        std::thread::spawn(move || {
            for relay in listener.incoming().flatten() {
                // Who finds nobody there sees the connection end.
                let _ = TcpStream::connect(server).and_then(|server| carry(&relay, &server, &written));
            }
        });
        Ok(Self { capture })
    }

    pub(super) fn capture(&self) -> Capture {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn carry(relay: &TcpStream, server: &TcpStream, capture: &Arc<Mutex<Capture>>) -> io::Result<()> {
    for stream in [relay, server] {
        stream.set_nodelay(true)?;
    }
    way(relay.try_clone()?, server.try_clone()?, capture, |capture| &mut capture.up);
    way(server.try_clone()?, relay.try_clone()?, capture, |capture| &mut capture.down);
    Ok(())
}

/// What is carried on was written down before.
fn way(
    mut from: TcpStream,
    mut to: TcpStream,
    capture: &Arc<Mutex<Capture>>,
    side: fn(&mut Capture) -> &mut Vec<u8>,
) {
    let capture = Arc::clone(capture);
    std::thread::spawn(move || {
        let mut buffer = [0; 16_384];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            side(&mut capture.lock().unwrap_or_else(PoisonError::into_inner)).extend(&buffer[..count]);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // It has ended on its own, if this fails.
        let _ = to.shutdown(Shutdown::Write);
    });
}
