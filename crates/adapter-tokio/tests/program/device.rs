//! What stands in for hardware and servers: ptys, directories, sockets with patience.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::process::PATIENCE;

/// A directory of one test's own, removed at its end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("uartbridge-program-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a writable directory for temporary files");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The path as an end's text.
    pub(crate) fn end(&self, scheme: &str, name: &str) -> String {
        format!("{scheme}{}", self.path(name).display())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Anything that can be read and written without blocking for ever.
pub(crate) struct Patient<T>(pub(crate) T);

impl<T: AsFd> Read for Patient<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let timeout = PATIENCE.try_into().map_err(io::Error::other)?;
        let mut ready = [PollFd::new(&self.0, PollFlags::IN)];
        if poll(&mut ready, Some(&timeout))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(rustix::io::read(&self.0, buf)?)
    }
}

impl<T: AsFd> Write for Patient<T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, buf)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A device on a serial port: the master of a pty, whose slave is found at a path of our own. Dropping it unplugs it.
pub(crate) struct Device {
    pub(crate) line: Patient<OwnedFd>,
    port: PathBuf,
}

impl Device {
    pub(crate) fn plug_in(port: &Path) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        grantpt(&master).expect("a pty");
        unlockpt(&master).expect("a pty");
        let slave = ptsname(&master, Vec::new()).expect("a pty").into_string().expect("/dev/pts/N");
        // As quiet as a line is before anybody opens the port: an echo would be a device that talks to itself.
        let quiet = open_pty(Path::new(&slave)).0;
        let mut modes = tcgetattr(&quiet).expect("a terminal");
        modes.make_raw();
        tcsetattr(&quiet, OptionalActions::Now, &modes).expect("a terminal");
        std::os::unix::fs::symlink(slave, port).expect("a directory of our own");
        Self { line: Patient(master), port: port.to_owned() }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.port);
    }
}

/// The program's own pty, opened by its link as a terminal program would.
pub(crate) fn open_pty(link: &Path) -> Patient<File> {
    Patient(File::options().read(true).write(true).open(link).expect("a link to a pty"))
}

/// A port of loopback that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = server(0);
    listener.local_addr().expect("bound").port()
}

/// A server on loopback.
pub(crate) fn server(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port of loopback")
}

pub(crate) fn address(server: &TcpListener) -> String {
    server.local_addr().expect("bound").to_string()
}

/// The next client.
pub(crate) fn accept(server: &TcpListener) -> TcpStream {
    let mut ready = [PollFd::new(server, PollFlags::IN)];
    let timeout = PATIENCE.try_into().expect("not that long");
    assert_eq!(poll(&mut ready, Some(&timeout)), Ok(1), "no client has come");
    let (client, _) = server.accept().expect("it is there");
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
    client
}

/// A client of the program.
pub(crate) fn client(host: &str, port: u16) -> TcpStream {
    let address = SocketAddr::new(host.parse().expect("an address"), port);
    let client = TcpStream::connect_timeout(&address, PATIENCE).expect("the program listens");
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
    client
}
