//! What the tutorial's script does, as a program, to compare with: connect, relay; when the connection ends, throw away
//! what waits, pause a second, begin again. `tutorial-relay TTY SERVER`

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

const CONNECT: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(1);

/// What the UART has brought, as the script's buffer.
type Buffer = Arc<Mutex<Vec<u8>>>;

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(tty), Some(server)) = (words.next(), words.next()) else {
        return Err(io::Error::other("usage: tutorial-relay TTY SERVER"));
    };
    let server: SocketAddr = server.parse().map_err(io::Error::other)?;
    let (buffer, (wake, mut woken)) = (Buffer::default(), UnixStream::pair()?);
    wake.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let (theirs, path) = (Arc::clone(&buffer), tty.clone());
    std::thread::spawn(move || receive(&path, &theirs, wake));
    loop {
        if let Ok(stream) = TcpStream::connect_timeout(&server, CONNECT) {
            // However it ended, the script does the same.
            let _ = relay(stream, &tty, &buffer, &mut woken);
        }
        take(&buffer);
        std::thread::sleep(PAUSE);
    }
}

/// The UART's receive callback.
fn receive(tty: &str, buffer: &Buffer, mut wake: UnixStream) {
    let mut bytes = [0; 4096];
    loop {
        if let Ok(mut port) = open(tty) {
            while let Ok(n @ 1..) = port.read(&mut bytes) {
                buffer.lock().unwrap_or_else(PoisonError::into_inner).extend(&bytes[..n]);
                // Nobody is to wait for the script.
                let _ = wake.write(&[0]);
            }
        }
        std::thread::sleep(PAUSE / 10);
    }
}

fn relay(mut stream: TcpStream, tty: &str, buffer: &Buffer, woken: &mut UnixStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(woken.as_fd(), PollFlags::IN),
        ];
        poll(&mut fds, None)?;
        let (net, uart) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
        if net {
            let n = stream.read(&mut bytes)?;
            if n == 0 {
                return Ok(());
            }
            OpenOptions::new().write(true).open(tty)?.write_all(&bytes[..n])?;
        }
        if uart {
            while matches!(woken.read(&mut bytes), Ok(1..)) {}
            stream.write_all(&take(buffer))?;
        }
    }
}

fn take(buffer: &Buffer) -> Vec<u8> {
    core::mem::take(&mut *buffer.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The port, raw.
fn open(tty: impl AsRef<Path>) -> io::Result<File> {
    let port = OpenOptions::new().read(true).open(tty)?;
    let mut settings = tcgetattr(&port)?;
    settings.make_raw();
    tcsetattr(&port, OptionalActions::Now, &settings)?;
    Ok(port)
}
