//! A program under test with its lines: a pty pair and a TCP connection each.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::process;
use super::program::{Pair, Program};
use super::stream::Stream;
use super::tls::Server;

/// A program that moves no byte for so long hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// A program must relay all of its lines after so long.
const START: Duration = Duration::from_secs(15);
/// A program that fails at one thing so often is not asked for it again, and one that fails to start so often is left out.
const TRIES: usize = 2;

/// A program that takes part, over all rounds of the parts with one line.
pub(super) struct Entrant {
    pub(super) program: Program,
    failures: Vec<Failure>,
    rig: Option<Rig>,
}

/// Something that a program could not do.
struct Failure {
    /// What was asked of it; `None`: to start.
    what: Option<String>,
    text: String,
}

/// A running program and its lines.
pub(super) struct Rig {
    children: Vec<Child>,
    /// One a port.
    pub(super) lines: Vec<Line>,
    /// The TLS server in front of the bench's sockets.
    server: Option<Server>,
    dir: PathBuf,
}

/// A port: the device's end, the peer's end, and what went over it.
pub(super) struct Line {
    /// What the device on the serial port reads and writes: the master of a pty pair.
    pub(super) device: OwnedFd,
    /// What the peer on the network reads and writes.
    pub(super) peer: TcpStream,
    /// Device to peer.
    pub(super) up: Stream,
    /// Peer to device.
    pub(super) down: Stream,
    /// Held open, so that the pair outlives a program that closes its port for a moment.
    _port: OwnedFd,
}

/// As many open files as the machine allows: 1024 ports need four each.
///
/// # Errors
/// The limit cannot be set.
pub(super) fn raise_file_limit() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("raising the limit of open files")
}

impl Entrant {
    pub(super) fn new(program: Program) -> Self {
        Self { program, failures: Vec::new(), rig: None }
    }

    /// Measures this program, which is started if need be. `None`: it failed, and will be started afresh the next
    /// time, unless it has failed too often.
    pub(super) fn measure<T>(
        &mut self,
        what: &str,
        measure: impl FnOnce(&mut Rig) -> Result<T>,
    ) -> Option<T> {
        if self.failed_often(None) || self.failed_often(Some(what)) {
            return None;
        }
        let mut rig = match self.rig.take().map_or_else(|| Rig::start(self.program, 1), Ok) {
            Ok(rig) => rig,
            Err(error) => {
                self.fail(None, &error);
                return None;
            }
        };
        match measure(&mut rig) {
            Ok(figure) => {
                self.rig = Some(rig);
                Some(figure)
            }
            Err(error) => {
                self.fail(Some(what), &error);
                None
            }
        }
    }

    /// Ends the program; the next measurement starts it afresh.
    pub(super) fn end(&mut self) {
        self.rig = None;
    }

    /// Notes a failure to do something, or to start.
    pub(super) fn fail(&mut self, what: Option<&str>, error: &anyhow::Error) {
        let text = format!("{}, {}: {error:#}", self.program.name(), what.unwrap_or("start"));
        eprintln!("bench: {text}");
        self.failures.push(Failure { what: what.map(str::to_owned), text });
    }

    /// What went wrong, for the report; each thing once.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut texts: Vec<_> = self.failures.iter().map(|failure| failure.text.clone()).collect();
        texts.dedup();
        texts
    }

    fn failed_often(&self, what: Option<&str>) -> bool {
        self.failures.iter().filter(|failure| failure.what.as_deref() == what).count() >= TRIES
    }
}

impl Rig {
    /// Starts a program on so many lines, and returns once bytes go both ways on all of them.
    ///
    /// # Errors
    /// No pty, no port, or the program does not relay in time: with the end of what it wrote to stderr.
    pub(super) fn start(program: Program, lines: usize) -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("uartbridge-bench-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let mut rig = Self { children: Vec::new(), lines: Vec::new(), server: None, dir };
        let log = rig.dir.join("stderr");
        rig.connect(program, lines, &log).map_err(|error| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            match said.trim().lines().last() {
                Some(line) => error.context(format!("it said \"{line}\"")),
                None => error,
            }
        })?;
        Ok(rig)
    }

    /// The processes of the program.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// CPU time used since the start.
    ///
    /// # Errors
    /// The program has ended.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        process::cpu_time(&self.pids())
    }

    /// Memory in use.
    ///
    /// # Errors
    /// The program has ended.
    pub(super) fn memory(&self) -> Result<process::Memory> {
        process::memory(&self.pids())
    }

    fn connect(&mut self, program: Program, lines: usize, log: &Path) -> Result<()> {
        let ports: Vec<_> = (0..lines).map(|_| open_pty()).collect::<Result<_>>()?;
        let listeners: Vec<_> =
            (0..lines).map(|_| Ok(TcpListener::bind("127.0.0.1:0")?)).collect::<Result<_>>()?;
        let mut pairs = Vec::new();
        for ((.., tty), listener) in ports.iter().zip(&listeners) {
            pairs.push(Pair { tty: tty.clone(), tcp: listener.local_addr()?.port() });
        }
        let deadline = Instant::now() + START;
        let peers: Vec<TcpStream> = if program.listens() {
            // The program takes over the ports that were just found free.
            drop(listeners);
            self.spawn(program, &pairs, log)?;
            pairs.iter().map(|pair| self.dial(pair.tcp, deadline)).collect::<Result<_>>()?
        } else {
            if let Program::Tls(_) = program {
                let (server, moved) = Server::start(&pairs, &self.dir, "")?;
                (self.server, pairs) = (Some(server), moved);
            }
            self.spawn(program, &pairs, log)?;
            listeners.iter().map(|listener| self.accept(listener, deadline)).collect::<Result<_>>()?
        };
        for ((device, port, _), peer) in ports.into_iter().zip(peers) {
            peer.set_nodelay(true)?;
            peer.set_nonblocking(true)?;
            let mut line = Line { device, peer, up: Stream::default(), down: Stream::default(), _port: port };
            line.greet(deadline)?;
            self.lines.push(line);
        }
        Ok(())
    }

    fn spawn(&mut self, program: Program, pairs: &[Pair], log: &Path) -> Result<()> {
        let log = File::create(log)?;
        for mut command in program.commands(pairs, &self.dir)? {
            self.children.push(spawn(&mut command, &log)?);
        }
        Ok(())
    }

    /// The connection that the program makes.
    fn accept(&mut self, listener: &TcpListener, deadline: Instant) -> Result<TcpStream> {
        while !wait_readable(listener.as_fd(), Duration::from_millis(50))? {
            self.must_run(deadline).context("does not connect")?;
        }
        Ok(listener.accept()?.0)
    }

    /// A connection to the program, which may not listen yet.
    fn dial(&mut self, port: u16, deadline: Instant) -> Result<TcpStream> {
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                return Ok(stream);
            }
            self.must_run(deadline).context("does not listen")?;
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn must_run(&mut self, deadline: Instant) -> Result<()> {
        for child in &mut self.children {
            if let Some(status) = child.try_wait()? {
                bail!("has ended ({status})");
            }
        }
        if Instant::now() > deadline {
            bail!("not within {} s", START.as_secs());
        }
        Ok(())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for child in &mut self.children {
            // An error here means that it has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Line {
    /// Waits until bytes go both ways. A program may throw away what its serial port held when it was opened, so
    /// numbered bytes are sent until the last of them has come.
    fn greet(&mut self, deadline: Instant) -> Result<()> {
        greet(self.device.as_fd(), self.peer.as_fd(), deadline).context("nothing comes up")?;
        greet(self.peer.as_fd(), self.device.as_fd(), deadline).context("nothing comes down")
    }
}

fn greet(from: BorrowedFd<'_>, to: BorrowedFd<'_>, deadline: Instant) -> Result<()> {
    for number in 1..u8::MAX {
        rustix::io::write(from, &[number])?;
        while wait_readable(to, Duration::from_millis(250))? {
            let mut bytes = [0; 256];
            let count = rustix::io::read(to, &mut bytes)?;
            match bytes[..count].last() {
                Some(&last) if last == number => return Ok(()),
                Some(_) => {}
                None => bail!("closed the connection"),
            }
        }
        if Instant::now() > deadline {
            break;
        }
    }
    bail!("no byte in {} s", START.as_secs())
}

/// Waits until `fd` can be read.
///
/// # Errors
/// poll(2) fails.
pub(super) fn wait_readable(fd: BorrowedFd<'_>, patience: Duration) -> Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    Ok(rustix::event::poll(&mut fds, Some(&timespec(patience)))? > 0)
}

/// A span for the kernel.
pub(super) fn timespec(span: Duration) -> Timespec {
    Timespec { tv_sec: span.as_secs() as i64, tv_nsec: i64::from(span.subsec_nanos()) }
}

/// Master, slave and the slave's path; raw, so that nothing is echoed or translated before the program sets its own.
fn open_pty() -> Result<(OwnedFd, OwnedFd, String)> {
    let hint = "more pty pairs: `sysctl kernel.pty.max`";
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).context(hint)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let path = ptsname(&master, Vec::new())?.into_string()?;
    let slave = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut settings = tcgetattr(&slave)?;
    settings.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &settings)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    Ok((master, slave, path))
}

fn spawn(command: &mut Command, log: &File) -> Result<Child> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.try_clone()?).spawn();
    child.with_context(|| format!("cannot start {name}"))
}
