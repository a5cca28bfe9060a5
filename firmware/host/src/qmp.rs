//! QEMU's control socket (QEMU Machine Protocol): one JSON object a line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long QEMU may take to answer on a machine that is busy.
const ANSWER: Duration = Duration::from_secs(30);

/// The control socket of a running QEMU.
#[derive(Debug)]
pub struct Qmp {
    socket: BufReader<UnixStream>,
    events: VecDeque<Value>,
}

impl Qmp {
    /// Greets QEMU on its socket.
    ///
    /// # Errors
    /// It does not answer as it should.
    pub fn new(socket: UnixStream) -> Result<Self> {
        let mut qmp = Self { socket: BufReader::new(socket), events: VecDeque::new() };
        qmp.next(Instant::now() + ANSWER)?.get("QMP").context("this is no QMP socket")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Carries out `command`.
    ///
    /// # Errors
    /// QEMU refuses it, or has ended.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.socket.get_ref(), "{line}").with_context(|| format!("QMP {command}"))?;
        let until = Instant::now() + ANSWER;
        loop {
            let mut answer = self.next(until).with_context(|| format!("QMP {command}"))?;
            if let Some(error) = answer.get("error") {
                bail!("QMP {command}: {error}");
            }
            match answer.get_mut("return") {
                Some(value) => return Ok(value.take()),
                None => self.events.push_back(answer),
            }
        }
    }

    /// Waits for an event named `name`, and drops those before it.
    ///
    /// # Errors
    /// It does not come within `limit`.
    pub fn wait_event(&mut self, name: &str, limit: Duration) -> Result<Value> {
        let until = Instant::now() + limit;
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.next(until).with_context(|| format!("waiting for QEMU's event {name}"))?,
            };
            if event.get("event").is_some_and(|event| event == name) {
                return Ok(event);
            }
        }
    }

    /// The cable: plugged in or pulled.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn set_link(&mut self, up: bool) -> Result<()> {
        self.execute("set_link", json!({ "name": crate::machine::CABLE, "up": up })).map(drop)
    }

    /// Bytes of the machine's memory, through `file`.
    ///
    /// # Errors
    /// As [`execute`](Self::execute), and what the file system says.
    pub fn memory(&mut self, address: u32, len: u32, file: &Path) -> Result<Vec<u8>> {
        self.execute("pmemsave", json!({ "val": address, "size": len, "filename": file }))?;
        std::fs::read(file).with_context(|| format!("reading {}", file.display()))
    }

    fn next(&mut self, until: Instant) -> Result<Value> {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.socket.get_ref().set_read_timeout(Some(left))?;
        let mut line = String::new();
        match self.socket.read_line(&mut line) {
            Ok(0) => bail!("QEMU has ended"),
            Ok(_) => Ok(serde_json::from_str(&line)?),
            Err(error) => bail!("no answer in time ({error})"),
        }
    }
}
