//! Relays between a page and servers, as processes: `uartbridge serve`, and websockify as it comes.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::program::live::await_listener;

/// `uartbridge serve`, which brings the page and its relay.
#[derive(Debug)]
pub struct Serve {
    program: PathBuf,
    port: u16,
    token: String,
    child: Child,
    /// Kept open: it may have more to say.
    _said: BufReader<ChildStdout>,
}

impl Serve {
    /// Starts it at 127.0.0.1, at `port`, where it lets pages reach any server.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(program: &Path, port: u16) -> Result<Self, String> {
        let (child, token, said) = serve(program, port)?;
        Ok(Self { program: program.to_owned(), port, token, child, _said: said })
    }

    /// Another one, of the same program.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn another(&self, port: u16) -> Result<Self, String> {
        Self::start(&self.program, port)
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    /// It has ended already.
    pub fn kill(&mut self) -> Result<(), String> {
        self.child.kill().and_then(|()| self.child.wait().map(drop)).map_err(|error| error.to_string())
    }

    /// It does nothing any more until it is killed.
    ///
    /// # Errors
    /// It has ended already.
    pub fn freeze(&self) -> Result<(), String> {
        kill_process(Pid::from_child(&self.child), Signal::STOP).map_err(|error| error.to_string())
    }

    /// Starts it again after [`Self::kill`], with the token that its pages know.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn again(&mut self) -> Result<(), String> {
        (self.child, _, self._said) = serve(&self.program, self.port)?;
        Ok(())
    }

    /// The address of one of the page's files.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The address of the page, as the program prints it.
    pub fn page(&self) -> String {
        self.url(&format!("#token={}", self.token))
    }

    /// The address of the relay.
    pub fn relay(&self) -> String {
        format!("ws://127.0.0.1:{}/relay?token={}", self.port, self.token)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // Ended already, or ended now.
        let _ = self.kill();
        let _ = std::fs::remove_file(token(self.port));
    }
}

/// The same after each start, so that pages find their relay again.
fn token(port: u16) -> PathBuf {
    std::env::temp_dir().join(format!("uartbridge-token-{}-{port}", std::process::id()))
}

fn serve(program: &Path, port: u16) -> Result<(Child, String, BufReader<ChildStdout>), String> {
    let file = token(port);
    let mut command = Command::new(program);
    command.arg("serve").arg(format!("--listen=127.0.0.1:{port}")).arg("--allow=*:*");
    command.arg("--token-file").arg(&file).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
    let mut said = BufReader::new(child.stdout.take().ok_or("no standard output")?);
    let mut line = String::new();
    said.read_line(&mut line).map_err(|error| error.to_string())?;
    if !line.starts_with("http://") {
        let _ = child.wait();
        return Err(format!("`uartbridge serve` said {line:?} instead of its address"));
    }
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let token = text.trim().trim_start_matches("token=").to_owned();
    Ok((child, token, said))
}

/// websockify, from a port of 127.0.0.1 to one server.
#[derive(Debug)]
pub struct Websockify {
    port: u16,
    target: SocketAddr,
    child: Child,
}

impl Websockify {
    /// Starts it.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(port: u16, target: SocketAddr) -> Result<Self, String> {
        Ok(Self { port, target, child: websockify(port, target)? })
    }

    /// Ends it at once, with the processes that its connections are.
    ///
    /// # Errors
    /// It has ended already.
    pub fn kill(&mut self) -> Result<(), String> {
        // Once it is reaped, its number may be another's.
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(format!("websockify has ended by itself: {status}"));
        }
        self.signal(Signal::KILL)?;
        self.child.wait().map(drop).map_err(|error| format!("websockify: {error}"))
    }

    /// It does nothing any more until it is killed, or [goes on](Self::thaw).
    ///
    /// # Errors
    /// It has ended already.
    pub fn freeze(&self) -> Result<(), String> {
        self.signal(Signal::STOP)
    }

    /// Goes on after [`Self::freeze`].
    ///
    /// # Errors
    /// It has ended already.
    pub fn thaw(&self) -> Result<(), String> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process_group(Pid::from_child(&self.child), signal)
            .map_err(|error| format!("websockify: {error}"))
    }

    /// Starts it again after [`Self::kill`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn again(&mut self) -> Result<(), String> {
        self.child = websockify(self.port, self.target)?;
        Ok(())
    }

    /// The address of the relay.
    pub fn relay(&self) -> String {
        format!("ws://{}/", self.host())
    }

    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Websockify {
    fn drop(&mut self) {
        // Ended already, or ended now.
        let _ = self.kill();
    }
}

fn websockify(port: u16, target: SocketAddr) -> Result<Child, String> {
    let mut command = Command::new("websockify");
    command.arg(format!("127.0.0.1:{port}")).arg(target.to_string()).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("websockify: {error}"))?;
    match await_listener((Ipv4Addr::LOCALHOST, port).into()) {
        Ok(()) => Ok(child),
        Err(error) => {
            let _ = child.kill();
            Err(format!("websockify: {error}"))
        }
    }
}
