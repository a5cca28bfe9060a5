//! A pty as the UART and the kernel's TCP, through the traits that a microcontroller's drivers implement.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use socket2::{Domain, SockRef, Socket, Type};
use uartbridge_core::{CloseReason, Instant, PeerIndex};
use uartbridge_embassy::blocking::{Connect, Wait};
use uartbridge_embassy::log::Name;

/// A descriptor that does not block: each half of a UART, and a socket.
#[derive(Clone, Debug)]
pub(crate) struct Stream(Rc<OwnedFd>);

/// The kernel's TCP to one address.
pub(crate) struct Tcp {
    to: SocketAddr,
    host: String,
    attempt: Option<Rc<OwnedFd>>,
    latest: Rc<RefCell<Weak<OwnedFd>>>,
}

/// What [`wait`] waits on.
pub(crate) struct Ports {
    uart: Stream,
    socket: Rc<RefCell<Weak<OwnedFd>>>,
}

/// Makes a pty: the bridge's side; the other side, which stays open, so that bytes wait for the next program; and the
/// name under which a program opens it.
pub(crate) fn pty() -> std::io::Result<(Stream, OwnedFd, String)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    let mut modes = tcgetattr(&slave)?;
    modes.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    let name = ptsname(&master, Vec::new())?.to_string_lossy().into_owned();
    Ok((Stream(Rc::new(master)), slave, name))
}

/// The time since `start`, as the core counts it.
pub(crate) fn since(start: std::time::Instant) -> Instant {
    Instant::from_micros(start.elapsed().as_micros() as u64)
}

/// Waits as the loop wants to, by poll(2). A firmware would stop the processor until the next interrupt, or wait for an
/// event of its RTOS.
pub(crate) fn wait(ports: &Ports, start: std::time::Instant, wait: &Wait) {
    let events = |rx, tx| {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, rx);
        events.set(PollFlags::OUT, tx);
        events
    };
    let socket = ports.socket.borrow().upgrade();
    let mut waited = vec![PollFd::new(&ports.uart, events(wait.uart_rx, wait.uart_tx))];
    // A socket that has ended is always ready; nobody wants to know that yet.
    if let Some(socket) = socket.as_ref().filter(|_| wait.sock_rx || wait.sock_tx) {
        waited.push(PollFd::new(socket, events(wait.sock_rx, wait.sock_tx)));
    }
    let time = wait.until.map(|until| {
        let pause = Duration::from_micros(until.since(since(start)).as_micros());
        Timespec { tv_sec: pause.as_secs() as i64, tv_nsec: i64::from(pause.subsec_nanos()) }
    });
    // An interrupted wait is a short one.
    let _ = poll(&mut waited, time.as_ref());
}

impl Stream {
    fn is(&self, ready: PollFlags) -> std::io::Result<bool> {
        let mut port = [PollFd::new(self, ready)];
        Ok(poll(&mut port, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl ErrorType for Stream {
    type Error = std::io::Error;
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        Ok(rustix::io::read(&*self.0, buf)?)
    }
}

impl ReadReady for Stream {
    fn read_ready(&mut self) -> std::io::Result<bool> {
        self.is(PollFlags::IN)
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(rustix::io::write(&*self.0, buf)?)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl WriteReady for Stream {
    fn write_ready(&mut self) -> std::io::Result<bool> {
        self.is(PollFlags::OUT)
    }
}

impl Tcp {
    /// Connects to `to`; [`Ports`] are for [`wait`], together with the UART.
    pub(crate) fn new(to: SocketAddr, uart: &Stream) -> (Self, Ports) {
        let latest = Rc::new(RefCell::new(Weak::new()));
        let ports = Ports { uart: uart.clone(), socket: latest.clone() };
        (Self { to, host: to.ip().to_string(), attempt: None, latest }, ports)
    }
}

impl Connect for Tcp {
    type Socket = Stream;

    fn is_up(&mut self) -> bool {
        // The kernel owns the network's addresses; an attempt without one fails and is repeated.
        true
    }

    fn name(&self, _: PeerIndex) -> Name<'_> {
        Name { scheme: "tcp", host: &self.host, port: self.to.port() }
    }

    fn start(&mut self, _: PeerIndex) {
        let socket = Socket::new(Domain::for_address(self.to), Type::STREAM.nonblocking(), None);
        self.attempt = socket.ok().map(|socket| Rc::new(OwnedFd::from(socket)));
        if let Some(socket) = &self.attempt {
            *self.latest.borrow_mut() = Rc::downgrade(socket);
            // It says that it is under way; how it went is asked in `finish`.
            let _ = SockRef::from(socket).connect(&self.to.into());
        }
    }

    fn finish(&mut self) -> Poll<Result<Stream, CloseReason>> {
        let Some(socket) = self.attempt.take() else {
            return Poll::Ready(Err(CloseReason::Failed));
        };
        let stream = Stream(socket);
        match (stream.is(PollFlags::OUT), SockRef::from(&stream).take_error()) {
            (Ok(false), Ok(None)) => {
                self.attempt = Some(stream.0);
                Poll::Pending
            }
            (Ok(true), Ok(None)) => {
                // What leaves together is the core's to say.
                let _ = SockRef::from(&stream).set_tcp_nodelay(true);
                Poll::Ready(Ok(stream))
            }
            (_, Ok(Some(error))) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Poll::Ready(Err(CloseReason::Refused))
            }
            (Err(_), _) | (_, Ok(Some(_)) | Err(_)) => Poll::Ready(Err(CloseReason::Failed)),
        }
    }

    fn unacked(&mut self, socket: &Stream) -> Option<usize> {
        /// tcp(7); the same number as `TIOCOUTQ` on most architectures.
        const SIOCOUTQ: Opcode = 0x5411;
        // SAFETY: SIOCOUTQ writes one int.
        let queued: i32 = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new()) }.ok()?;
        usize::try_from(queued).ok()
    }

    fn shut(&mut self, socket: &mut Stream) {
        // If this fails the connection is gone, and reading says so.
        let _ = SockRef::from(&*socket).shutdown(std::net::Shutdown::Write);
    }

    fn abort(&mut self, socket: Option<Stream>) {
        self.attempt = None;
        if let Some(socket) = socket {
            // If this fails the kernel goes on trying for a while; the peer may then get bytes twice.
            let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        }
    }
}
